"""The two kinds of error: a refusal is text for a person, a failure is data for a log."""

from collections.abc import Mapping, Sequence

from inspired.domain.shared.languages import Text, translated


class Refusal(Exception):
    """A refusal. The message is a sentence for the person who asked, and `str` gives it in their language."""

    status = 400
    title = "That is not possible"

    def __init__(self, message: str | Text) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return _in_their_language(self.message)


class Invalid(Refusal):
    """Invalid input. `fields` maps a field's name to its sentence."""

    status = 422
    title = "Please check what you entered"

    def __init__(self, message: str | Text, fields: Mapping[str, str | Text] | None = None) -> None:
        super().__init__(message)
        self._fields = fields or {}

    @classmethod
    def of_all(cls, refusals: Sequence["Invalid"]) -> "Invalid":
        """With the fields of all, and the message of the last."""
        return cls(refusals[-1].message, {name: told for one in refusals for name, told in one._fields.items()})

    @property
    def fields(self) -> dict[str, str]:
        return {name: _in_their_language(sentence) for name, sentence in self._fields.items()}


class NotFound(Refusal):
    status = 404
    title = "There is nothing here"


class Conflict(Refusal):
    """Somebody else was first, or the object has changed. `retry_after` is in seconds, if waiting helps."""

    status = 409
    title = "That changed in the meantime"

    def __init__(self, message: str | Text, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unchanged(Conflict):
    """What was to be set is what is set already."""

    title = "Nothing to change"


class SlotTaken(Conflict):
    title = "This time is taken"


class OtherLength(Conflict):
    """The event picked in Calendly is longer or shorter than the call sold."""

    title = "This is another length"


class AboveLimit(Conflict):
    """More than one customer may pay unless the owner allows it."""

    title = "Above our limit"


class TooMany(Refusal):
    """`retry_after` is in seconds."""

    status = 429
    title = "Too many at once"

    def __init__(self, message: str | Text, retry_after: int = 60) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Paused(Refusal):
    """No new bookings now, because they could not be paid or confirmed. `retry_after` is in seconds."""

    status = 503
    title = "Payments are paused"

    def __init__(self, message: str | Text, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Forbidden(Refusal):
    status = 403
    title = "Not allowed"


class BadSignature(Exception):
    """A message that claims to come from a provider lacks a valid signature."""


class Busy(Exception):
    """Our own database is away or too slow: nothing was changed, retrying may help."""


class UpstreamError(Exception):
    """A call to an outside service gave no usable answer.

    `retryable`: the same call may work later. `maybe_applied` is False only if the request certainly had no effect
    there (refused connection, definite refusal); otherwise the outcome is unknown and must be queried. `code` is the
    service's own code, if it gave one; `message` omits the service's name.
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


class BalanceTooLow(UpstreamError):
    """A refund was refused because the account it would leave holds too little."""


def _in_their_language(sentence: str | Text) -> str:
    return str(sentence) if isinstance(sentence, Text) else translated(sentence)
