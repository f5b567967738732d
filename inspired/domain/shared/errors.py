"""The two ways something can end badly: a refusal is text for a person, a failure is data for a log."""


class Refusal(Exception):
    """The answer is no. The message is a sentence for the person who asked."""

    status = 400
    title = "That is not possible"


class Invalid(Refusal):
    """What was sent does not fit the form. `fields` maps a field's name to its sentence."""

    status = 422
    title = "Please check what you entered"

    def __init__(self, message: str, fields: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.fields = fields or {}


class NotFound(Refusal):
    status = 404
    title = "There is nothing here"


class Conflict(Refusal):
    """Somebody else was first, or the thing has moved on. `retry_after` is in seconds, where waiting helps."""

    status = 409
    title = "That changed in the meantime"

    def __init__(self, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SlotTaken(Conflict):
    title = "This time is taken"


class OtherLength(Conflict):
    """What was picked in Calendly is longer or shorter than the call that is sold."""

    title = "This is another length"


class AboveLimit(Conflict):
    """More than one customer may pay without the owner's word."""

    title = "Above our limit"


class TooMany(Refusal):
    """`retry_after` is in seconds."""

    status = 429
    title = "Too many at once"

    def __init__(self, message: str, retry_after: int = 60) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Paused(Refusal):
    """No new bookings just now, since nobody could pay for them. `retry_after` is in seconds."""

    status = 503
    title = "Payments are paused"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Forbidden(Refusal):
    status = 403
    title = "Not allowed"


class BadSignature(Exception):
    """A message that claims to come from a provider does not carry its signature."""


class Busy(Exception):
    """Our own database is away or too slow: nothing was changed, trying again may help."""


class UpstreamError(Exception):
    """A call to an outside service did not give a usable answer.

    `retryable`: the same call may work later. `maybe_applied` is False only where the request surely never had
    an effect there (refused connection, definite refusal); otherwise the outcome is unknown and has to be asked for.
    `code` is the service's own code, where it gave one; `message` is without the service's name.
    """

    def __init__(
        self, service: str, message: str, *, retryable: bool = True, maybe_applied: bool = True, code: str = ""
    ) -> None:
        super().__init__(f"{service}: {message}")
        self.service = service
        self.message = message
        self.retryable = retryable
        self.maybe_applied = maybe_applied
        self.code = code
