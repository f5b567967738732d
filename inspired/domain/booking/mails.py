"""A booking's mails: what became of each, and sending one once more.

They are tasks of its outbox like all others. Sent again, a mail is a task of its own, with `repeat` grown by one, so
that each stays owed once.
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
    SENT = "sent"  # the mail server took it; whether it was read nobody knows
    GIVEN_UP = "given_up"
    DROPPED = "dropped"  # it was no longer true when its turn came


class Reach(StrEnum):
    """How our mails to the customer fare."""

    WELL = "well"
    DELAYED = "delayed"  # one was tried often, and is tried on
    REFUSED = "refused"  # the last one was given up: it will never be delivered


STATES = {Result.SENT: MailState.SENT, Result.GIVEN_UP: MailState.GIVEN_UP}


@dataclass(frozen=True, slots=True)
class Told:
    """One mail. `at`: when its state became so, or when it is due."""

    email: SendEmail
    state: MailState
    at: datetime
    tries: int = 0

    @property
    def first(self) -> SendEmail:
        """The same mail as it was sent first, which names all its repetitions."""
        return replace(self.email, repeat=0)


def of(booking: Booking) -> list[Told]:
    """Every mail of it, the oldest first; what is still owed at the end."""
    done = [
        Told(one.task, STATES.get(one.result, MailState.DROPPED), event.at)
        for event in booking.history
        if isinstance(one := event.details, TaskDone) and isinstance(one.task, SendEmail)
    ]
    owed = [
        Told(item.task, MailState.OWED, item.due, item.tries)
        for item in booking.outbox
        if isinstance(item.task, SendEmail)
    ]
    return done + sorted(owed, key=lambda one: one.at)


def find(booking: Booking, name: str) -> SendEmail:
    """The mail of this name, as it was sent first. Raises Conflict."""
    for one in of(booking):
        if one.first.name == name:
            return one.first
    raise Conflict(NEVER_SENT)


def reach(booking: Booking) -> Reach:
    """As far as it is known. Mails that were not sent because they were no longer true say nothing."""
    to_customer = [one for one in of(booking) if not one.email.template.is_to_owner]
    ended = [one.state for one in to_customer if one.state in (MailState.SENT, MailState.GIVEN_UP)]
    if ended and ended[-1] is MailState.GIVEN_UP:
        return Reach.REFUSED
    stuck = any(one.state is MailState.OWED and one.tries >= ALERT_AT_TRY for one in to_customer)
    return Reach.DELAYED if stuck else Reach.WELL


def awaits_confirmation(booking: Booking) -> bool:
    """The call is confirmed, and the mail that says so has not had its turn."""
    return booking.state is State.CONFIRMED and booking.is_owing(SendEmail(Email.CONFIRMED))


def may_send_again(booking: Booking, email: SendEmail) -> bool:
    """`email`, as it was sent first, had its turn and is not owed now. Whether it is still true is another matter."""
    is_owed = any(one.first == email and one.state is MailState.OWED for one in of(booking))
    return email in booking.delivered and not is_owed


def sent_again(booking: Booking, email: SendEmail, now: datetime) -> Booking:
    """Owed once more, as a task that was never owed before."""
    if not may_send_again(booking, email):
        raise Conflict(NEVER_SENT)
    repeat = 1 + max(one.email.repeat for one in of(booking) if one.first == email)
    return scheduled(booking.owing(now, replace(email, repeat=repeat)), now)
