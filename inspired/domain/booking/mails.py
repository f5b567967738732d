"""A booking's mails: the state of each, and sending one again.

Mails are outbox tasks like any other. Each task is owed only once, so a resend is a new task with `repeat` incremented.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.delivery import ALERT_AT_TRY
from inspired.domain.booking.history import TaskDone
from inspired.domain.booking.outbox import Email, Result, SendEmail
from inspired.domain.booking.polling import scheduled
from inspired.domain.booking.states import State
from inspired.domain.shared.errors import Conflict

NEVER_SENT = "This mail is on its way already, or was never sent."


class MailState(StrEnum):
    OWED = "owed"
    SENT = "sent"  # accepted by the mail server; whether it was read is unknown
    GIVEN_UP = "given_up"
    DROPPED = "dropped"  # no longer true when it was due


class Reach(StrEnum):
    """Whether our mails reach the customer."""

    WELL = "well"
    DELAYED = "delayed"  # a mail has failed often and is still being retried
    REFUSED = "refused"  # the last mail was given up and will not be delivered


STATES = {Result.SENT: MailState.SENT, Result.GIVEN_UP: MailState.GIVEN_UP}


@dataclass(frozen=True, slots=True)
class Told:
    """One mail. `at`: when it reached this state, or when it is due."""

    email: SendEmail
    state: MailState
    at: datetime
    tries: int = 0

    @property
    def first(self) -> SendEmail:
        """The original mail, which identifies all its repetitions."""
        return replace(self.email, repeat=0)


def of(booking: Booking) -> list[Told]:
    """All mails of a booking, oldest first, with the pending ones last."""
    done = [
        Told(task_done.task, STATES.get(task_done.result, MailState.DROPPED), event.at)
        for event in booking.history
        if isinstance(task_done := event.details, TaskDone) and isinstance(task_done.task, SendEmail)
    ]
    owed = [
        Told(item.task, MailState.OWED, item.due, item.tries)
        for item in booking.outbox
        if isinstance(item.task, SendEmail)
    ]
    return done + sorted(owed, key=lambda mail: mail.at)


def find(booking: Booking, name: str) -> SendEmail:
    """The original mail of this name. Raises Conflict."""
    for mail in of(booking):
        if mail.first.name == name:
            return mail.first
    raise Conflict(NEVER_SENT)


def reach(booking: Booking) -> Reach:
    """As far as is known. Mails dropped because they were no longer true are ignored."""
    to_customer = [mail for mail in of(booking) if not mail.email.template.is_to_owner]
    ended = [mail.state for mail in to_customer if mail.state in (MailState.SENT, MailState.GIVEN_UP)]
    if ended and ended[-1] is MailState.GIVEN_UP:
        return Reach.REFUSED
    stuck = any(mail.state is MailState.OWED and mail.tries >= ALERT_AT_TRY for mail in to_customer)
    return Reach.DELAYED if stuck else Reach.WELL


def awaits_confirmation(booking: Booking) -> bool:
    """True if the call is confirmed but its confirmation mail is still pending."""
    return booking.state is State.CONFIRMED and booking.is_owing(SendEmail(Email.CONFIRMED))


def may_send_again(booking: Booking, email: SendEmail) -> bool:
    """True if the original `email` was processed and is not pending now. Its content may have become outdated."""
    is_owed = any(mail.first == email and mail.state is MailState.OWED for mail in of(booking))
    return email in booking.delivered and not is_owed


def sent_again(booking: Booking, email: SendEmail, now: datetime) -> Booking:
    """Enqueue the mail once more, as a new task. Raises Conflict."""
    if not may_send_again(booking, email):
        raise Conflict(NEVER_SENT)
    repeat = 1 + max(mail.email.repeat for mail in of(booking) if mail.first == email)
    return scheduled(booking.owing(now, replace(email, repeat=repeat)), now)
