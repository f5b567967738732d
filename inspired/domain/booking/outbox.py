"""Outbox tasks as values: send a mail, alert the owner, cancel an event, post the ledger.

Each task is saved in the same write as the change that causes it, done once, and kept with its result. `key` is its
form in the database; only `adapters/mongo/spellings` parses it.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar


class Email(StrEnum):
    """The mails about a booking, named after their templates."""

    HELD = "held"
    UNPAID = "unpaid"
    CONFIRMED = "confirmed"
    OWNER_CONFIRMED = "owner_confirmed"
    MOVED = "moved"
    OWNER_MOVED = "owner_moved"
    REMINDER = "reminder"
    EXPIRED = "expired"
    CHOOSE = "choose"
    SHORT = "short"
    CANCELLED = "cancelled"
    REFUND_STARTED = "refund_started"
    REFUND_DONE = "refund_done"
    REFUND_ADDRESS_WANTED = "refund_address_wanted"
    REFUND_ADDRESS = "refund_address"
    REFUND_TOO_SMALL = "refund_too_small"
    PROBLEM = "problem"
    LETTER = "letter"

    @property
    def is_to_owner(self) -> bool:
        return self in (Email.OWNER_CONFIRMED, Email.OWNER_MOVED)


class AlertKind(StrEnum):
    """The owner's alerts about one booking; each has its run-book in `runbook.OF_BOOKING`."""

    ABOVE_LIMIT = "above_limit"
    AMOUNT = "amount"
    CANCELLED = "cancelled"
    CANCELLED_BY_OWNER = "cancelled_by_owner"
    CONSOLE_REFUND = "console_refund"
    CREATE_FAILED = "create_failed"
    DENIED = "denied"
    HELD = "held"
    LATE = "late"
    OTHER_LENGTH = "other_length"
    PAID_TWICE = "paid_twice"
    PAST_OUR_PAGES = "past_our_pages"
    REFUND_REJECTED = "refund_rejected"
    REFUND_SLOW = "refund_slow"
    REFUND_STUCK = "refund_stuck"
    REFUND_TAKEN_BACK = "refund_taken_back"
    REFUND_TO_SEND = "refund_to_send"
    REFUND_UNSENT = "refund_unsent"
    RETURNED = "returned"
    SCREENED = "screened"
    SLOT_LOST = "slot_lost"
    UNCLEAR = "unclear"
    UNCONFIRMED = "unconfirmed"
    UNDELIVERED = "undelivered"
    UNKNOWN_STATUS = "unknown_status"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class SendEmail:
    """`subject_id` tells mails of one template apart: a refund's id, the number of a move, of a letter or of a refund
    address. `repeat`: how often the owner had sent it again."""

    template: Email
    subject_id: str = ""
    repeat: int = 0

    @property
    def name(self) -> str:
        return _joined(self.template, self.subject_id, f"again:{self.repeat}" if self.repeat else "")

    @property
    def key(self) -> str:
        return f"send:{self.name}"


@dataclass(frozen=True, slots=True)
class AlertOwner:
    """`subject_id`: the refund, order or occasion, if there can be several."""

    kind: AlertKind
    subject_id: str = ""

    @property
    def key(self) -> str:
        return _joined("alert", self.kind, self.subject_id)


@dataclass(frozen=True, slots=True)
class CancelEvent:
    """Cancel this event at Calendly."""

    event_uri: str

    @property
    def key(self) -> str:
        return f"release_event:{self.event_uri}"


@dataclass(frozen=True, slots=True)
class CancelStrayEvents:
    """Search Calendly for events with the booking's token that never became its slot, and cancel them. `occasion`: the
    booking's version when an event was about to be made; empty for the search done once per booking."""

    occasion: str = ""

    @property
    def key(self) -> str:
        return _joined("tidy_events", self.occasion)


@dataclass(frozen=True, slots=True)
class SyncEvent:
    """Ask Calendly what happened to the booking's event. `trigger`: the webhook or check that caused it."""

    trigger: str

    @property
    def key(self) -> str:
        return f"follow_event:{self.trigger}"


@dataclass(frozen=True, slots=True)
class ReportNoShow:
    """Tell Calendly whether the customer came. `occasion`: the length of the history when the owner said so."""

    occasion: int

    @property
    def key(self) -> str:
        return f"tell_no_show:{self.occasion}"


@dataclass(frozen=True, slots=True)
class PostLedger:
    """Bring the collection `ledger` up to the booking's `entries` entries."""

    entries: int

    @property
    def key(self) -> str:
        return f"post:{self.entries}"


@dataclass(frozen=True, slots=True)
class UnknownTask:
    """Written by another release: kept unchanged, and never done by this one."""

    key: str


Task = SendEmail | AlertOwner | CancelEvent | CancelStrayEvents | SyncEvent | ReportNoShow | PostLedger | UnknownTask


class Result(StrEnum):
    """The result of a task."""

    DONE = "done"  # done, nothing more to say
    SENT = "sent"  # the mail server accepted the mail
    STALE = "stale"  # the mail was no longer true when it was due
    NO_ADDRESS = "no_address"  # there is no recipient
    GIVEN_UP = "given_up"  # the mail was refused for good, or for two days
    OWNER_TOLD = "owner_told"
    CANCELLED = "cancelled"  # the event was cancelled at Calendly
    OWN_SLOT = "own_slot"  # the event to cancel is the booking's own slot by now, so it was kept
    STRAYS_CANCELLED = "strays_cancelled"  # that many events were found and cancelled
    NO_EVENT = "no_event"  # the booking no longer has a Calendly event
    MOVED = "moved"  # the event had been moved
    UNCHANGED = "unchanged"  # the event had not changed
    CANCELLED_THERE = "cancelled_there"  # the event had been cancelled
    REPORTED = "reported"  # Calendly was told
    POSTED = "posted"  # that many entries were new in the ledger


TaskT = TypeVar("TaskT", covariant=True)


@dataclass(frozen=True, slots=True)
class OutboxItem(Generic[TaskT]):
    """A pending task. `due`: when it is due, or until when the worker doing it holds the lease."""

    task: TaskT
    due: datetime
    tries: int = 0


def _joined(*parts: str) -> str:
    return ":".join(part for part in parts if part)
