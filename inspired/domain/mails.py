"""A booking's mails: what became of each, and sending one once more.

They are effects like all others. Sent again, a mail is an effect of its own, "send:confirmed:again:1", so that each
stays owed once.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from inspired.domain.booking import Booking, State
from inspired.domain.effects import ALERT_AT_TRY
from inspired.domain.errors import Conflict
from inspired.domain.schedule import scheduled

AGAIN = ":again:"
SEND = "send:"
NAMES = {
    "held": "Your time is held",
    "unpaid": "How to pay",
    "confirmed": "Confirmed",
    "owner_confirmed": "New call (to you)",
    "moved": "Moved to another time",
    "owner_moved": "Call moved (to you)",
    "reminder": "Reminder",
    "expired": "Not paid in time",
    "choose": "Another time, or the money",
    "short": "Too little arrived",
    "cancelled": "Cancelled",
    "refund_started": "Money is going back",
    "refund_done": "Money has gone back",
    "problem": "A payment that cannot be counted",
    "letter": "Your letter",
}


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


@dataclass(frozen=True, slots=True)
class Told:
    """One mail. `mail` names it without "send:" ("moved:2"); `again` is 0 for the first, else which repetition. `at`:
    when that became so, or when it is due."""

    mail: str
    again: int
    state: MailState
    at: datetime
    tries: int = 0

    @property
    def name(self) -> str:
        return name_of(self.mail)


def name_of(mail: str) -> str:
    """ "moved:2" → "Moved to another time" """
    kind = mail.partition(":")[0]
    return NAMES.get(kind, kind.replace("_", " "))


def split(what: str) -> tuple[str, int]:
    """ "moved:2:again:1" → "moved:2", 1"""
    mail, _, again = what.partition(AGAIN)
    return mail, int(again or 0)


def of(booking: Booking) -> list[Told]:
    """Every mail of it, the oldest first; what is still owed at the end."""
    found = []
    for event in booking.history:
        name, _, note = event.detail.partition(" ")
        if event.what == "done" and name.startswith(SEND):
            found.append(Told(*split(name.removeprefix(SEND)), _state(note), event.at))
    owed = sorted((one for one in booking.effects if one.name.startswith(SEND)), key=lambda effect: effect.due)
    return found + [Told(*split(one.name.removeprefix(SEND)), MailState.OWED, one.due, one.tries) for one in owed]


def reach(booking: Booking) -> Reach:
    """As far as it is known. Mails that were not sent because they were no longer true say nothing."""
    to_customer = [one for one in of(booking) if not one.mail.startswith("owner_")]
    ended = [one.state for one in to_customer if one.state in (MailState.SENT, MailState.GIVEN_UP)]
    if ended and ended[-1] is MailState.GIVEN_UP:
        return Reach.REFUSED
    stuck = any(one.state is MailState.OWED and one.tries >= ALERT_AT_TRY for one in to_customer)
    return Reach.DELAYED if stuck else Reach.WELL


def awaits_confirmation(booking: Booking) -> bool:
    """The call is confirmed, and the mail that says so has not had its turn."""
    return booking.state is State.CONFIRMED and any(one.name == f"{SEND}confirmed" for one in booking.effects)


def _state(note: str) -> MailState:
    if note.startswith("sent"):
        return MailState.SENT
    return MailState.GIVEN_UP if note.startswith("given up") else MailState.DROPPED


def may_send_again(booking: Booking, mail: str) -> bool:
    """It had its turn, and is not owed now. Whether it is still true is another question."""
    is_owed = any(one.mail == mail and one.state is MailState.OWED for one in of(booking))
    return f"{SEND}{mail}" in booking.delivered and not is_owed


def sent_again(booking: Booking, mail: str, now: datetime) -> Booking:
    """Owed once more, under a name that was never owed before."""
    if not may_send_again(booking, mail):
        raise Conflict("This mail is on its way already, or was never sent.")
    number = 1 + max(one.again for one in of(booking) if one.mail == mail)
    return scheduled(booking.owing(now, f"{SEND}{mail}{AGAIN}{number}"), now)
