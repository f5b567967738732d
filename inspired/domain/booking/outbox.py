"""What a booking owes the outside world, as values: a mail, an alert, an event to cancel, the ledger to post.

Each task is written down in the same write as the change that causes it, done once, and kept with what came of it.
`key` is the task's spelling in the database; `adapters/mongo/documents` alone reads it back.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar


class Email(StrEnum):
    """The mails about a booking, by the name of their template."""

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
    PROBLEM = "problem"
    LETTER = "letter"

    @property
    def is_to_owner(self) -> bool:
        return self in (Email.OWNER_CONFIRMED, Email.OWNER_MOVED)


class AlertKind(StrEnum):
    """What the owner is told about one booking; each has its run-book in `runbook.OF_BOOKING`."""

    ABOVE_LIMIT = "above_limit"
    AMOUNT = "amount"
    CANCELLED = "cancelled"
    CANCELLED_BY_OWNER = "cancelled_by_owner"
    CONSOLE_REFUND = "console_refund"
    CREATE_FAILED = "create_failed"
    DENIED = "denied"
    LATE = "late"
    OTHER_LENGTH = "other_length"
    PAID_TWICE = "paid_twice"
    PAST_OUR_PAGES = "past_our_pages"
    REFUND_REJECTED = "refund_rejected"
    REFUND_SLOW = "refund_slow"
    REFUND_STUCK = "refund_stuck"
    REFUND_UNSENT = "refund_unsent"
    RETURNED = "returned"
    SLOT_LOST = "slot_lost"
    UNCLEAR = "unclear"
    UNCONFIRMED = "unconfirmed"
    UNDELIVERED = "undelivered"
    UNKNOWN_STATUS = "unknown_status"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class SendEmail:
    """`subject_id` tells mails of one template apart: a refund's id, the number of a move or of a letter. `repeat`:
    how often it was sent before at the owner's word."""

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
    """`subject_id`: the refund, order or occasion it is about, where there can be several."""

    kind: AlertKind
    subject_id: str = ""

    @property
    def key(self) -> str:
        return _joined("alert", self.kind, self.subject_id)


@dataclass(frozen=True, slots=True)
class CancelEvent:
    """This event at Calendly is to be cancelled there."""

    event_uri: str

    @property
    def key(self) -> str:
        return f"release_event:{self.event_uri}"


@dataclass(frozen=True, slots=True)
class CancelStrayEvents:
    """Calendly is looked through for events with the booking's token that never became its slot. `occasion`: the
    booking's version when an event was about to be made; empty once for the whole booking."""

    occasion: str = ""

    @property
    def key(self) -> str:
        return _joined("tidy_events", self.occasion)


@dataclass(frozen=True, slots=True)
class SyncEvent:
    """Calendly is asked what became of the booking's event. `trigger`: the notice, or the look, that gave cause."""

    trigger: str

    @property
    def key(self) -> str:
        return f"follow_event:{self.trigger}"


@dataclass(frozen=True, slots=True)
class ReportNoShow:
    """Calendly is told whether the customer came. `occasion`: how long the history was when the owner said it."""

    occasion: int

    @property
    def key(self) -> str:
        return f"tell_no_show:{self.occasion}"


@dataclass(frozen=True, slots=True)
class PostLedger:
    """The collection `ledger` is brought up to the booking's `entries` entries."""

    entries: int

    @property
    def key(self) -> str:
        return f"post:{self.entries}"


@dataclass(frozen=True, slots=True)
class UnknownTask:
    """Of another release: kept as it is spelled, and done by nobody of this one."""

    key: str


Task = SendEmail | AlertOwner | CancelEvent | CancelStrayEvents | SyncEvent | ReportNoShow | PostLedger | UnknownTask


class Result(StrEnum):
    """What came of a task."""

    DONE = "done"  # nothing more is to be said of it
    SENT = "sent"  # the mail server took the mail
    STALE = "stale"  # the mail was no longer true when its turn came
    NO_ADDRESS = "no_address"  # there is nobody to send it to
    GIVEN_UP = "given_up"  # the mail was refused for good, or for two days
    OWNER_TOLD = "owner_told"
    CANCELLED = "cancelled"  # the event was cancelled at Calendly
    OWN_SLOT = "own_slot"  # the event was to be cancelled and is the booking's own slot by now: it was left alone
    STRAYS_CANCELLED = "strays_cancelled"  # so many events were found and cancelled
    NO_EVENT = "no_event"  # the booking has no event at Calendly any more
    MOVED = "moved"  # the event had been moved
    UNCHANGED = "unchanged"  # nothing had become of the event
    CANCELLED_THERE = "cancelled_there"  # the event had been cancelled
    REPORTED = "reported"  # Calendly was told
    POSTED = "posted"  # so many entries were new in the ledger


TaskT = TypeVar("TaskT", covariant=True)


@dataclass(frozen=True, slots=True)
class OutboxItem(Generic[TaskT]):
    """A task that is still to be done. `due`: when, or until when whoever is at it has leased it."""

    task: TaskT
    due: datetime
    tries: int = 0


def _joined(*parts: str) -> str:
    return ":".join(part for part in parts if part)
