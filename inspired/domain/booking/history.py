"""A booking's history as typed values: the kind of each event and its details.

Texts are made of these elsewhere, and no rule reads a text. Only `adapters/mongo/documents` knows the database format,
including that of older releases.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from inspired.domain.booking.outbox import Result, Task
from inspired.domain.booking.states import Cause, HandKind, Remote
from inspired.domain.shared.money import Money


class EventKind(StrEnum):
    # the booking
    STARTED = "started"
    HELD = "held"
    FOUND_IN_CALENDAR = "found_in_calendar"
    TIME_CHANGED = "time_changed"
    GIVEN_UP = "given_up"
    OWNER_GAVE_UP = "owner_gave_up"
    PAID = "paid"
    PENDING = "pending"  # again, after its money was taken back
    CONFIRMED = "confirmed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"
    BY_HAND = "by_hand"  # Vouched
    AGREED = "agreed"  # Amount
    CHOICE_OFFERED = "choice_offered"
    MONEY_BACK_CHOSEN = "money_back_chosen"
    MOVED = "moved"
    MOVED_BY_OWNER = "moved_by_owner"
    MOVED_IN_CALENDAR = "moved_in_calendar"
    CANCELLED_IN_CALENDAR = "cancelled_in_calendar"
    OTHER_LENGTH = "other_length"  # Length
    CALLED_OFF = "called_off"
    NO_SHOW = "no_show"
    CAME_AFTER_ALL = "came_after_all"
    # orders and payments
    NEW_ORDER = "new_order"  # Order
    PAYS_OTHERWISE = "pays_otherwise"  # by another rail, chosen by the customer
    ORDER_CREATED = "order_created"  # Order
    CREATE_FAILED = "create_failed"  # FailedOrder
    ABOVE_LIMIT = "above_limit"  # OrderAboveLimit
    ORDER_CLOSED = "order_closed"  # OrderStatus
    MONEY = "money"  # MoneySeen
    DENIED = "denied"  # OrderStatus
    TAKEN_BACK = "taken_back"  # Order
    FEE_TOLERATED = "fee_tolerated"  # Amount
    NETWORK_SLOW = "network_slow"  # what was seen in time was not final when the time to pay was over
    OTHER_NETWORK = "other_network"  # Order
    HELD_BACK = "held_back"  # Order
    LET_COUNT = "let_count"  # Order; the owner let money that was held back count
    # refunds
    REFUND_REQUESTED = "refund_requested"  # RefundRequested
    REFUND_SENT = "refund_sent"  # Amount
    REFUND_STUCK = "refund_stuck"  # Obstacle
    REFUND_REJECTED = "refund_rejected"
    REFUND_DONE = "refund_done"  # Amount
    REFUND_AGAIN = "refund_again"  # Amount
    REFUND_BY_HAND = "refund_by_hand"  # Amount
    REFUND_FOUND = "refund_found"  # RefundFound
    REFUND_WAITS = "refund_waits"  # Obstacle
    REFUND_APPROVED = "refund_approved"  # Amount
    REFUND_TAKEN_BACK = "refund_taken_back"  # Amount
    ADDRESS_NAMED = "address_named"
    ADDRESS_CONFIRMED = "address_confirmed"
    RETURNED_OUTSIDE = "returned_outside"  # Amount
    # outbox tasks and personal data
    DONE = "done"  # TaskDone
    SEEN_TO = "seen_to"
    LETTER_WRITTEN = "letter_written"  # Letter
    ERASED = "erased"
    OTHER = "other"  # Unread, from another release


class LimitWindow(StrEnum):
    """The window in which a customer would exceed the payment limit."""

    DAY = "day"
    MONTH = "month"  # 30 days
    YEAR = "year"  # 365 days


@dataclass(frozen=True, slots=True)
class Order:
    """`number` is 1 for the booking's first order."""

    number: int


@dataclass(frozen=True, slots=True)
class OrderStatus:
    number: int
    status: Remote


@dataclass(frozen=True, slots=True)
class FailedOrder:
    """`reason`: the provider's answer, or why it could not be reached."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class OrderAboveLimit:
    number: int
    window: LimitWindow


@dataclass(frozen=True, slots=True)
class MoneySeen:
    """`money` None: the amount is unreadable. `by_query`: our own query reported it first; otherwise a signed
    webhook."""

    number: int
    money: Money | None
    by_query: bool


@dataclass(frozen=True, slots=True)
class RefundRequested:
    amount: Money
    cause: Cause


@dataclass(frozen=True, slots=True)
class RefundFound:
    """A refund made in the provider's console. `amount` None: the provider does not report it."""

    number: int
    amount: Money | None


@dataclass(frozen=True, slots=True)
class Amount:
    money: Money


@dataclass(frozen=True, slots=True)
class Vouched:
    """The owner's manual confirmation. `amount`: money received outside the orders, if any."""

    kind: HandKind
    amount: Money | None = None


@dataclass(frozen=True, slots=True)
class Length:
    minutes: int


@dataclass(frozen=True, slots=True)
class Letter:
    number: int


class ObstacleKind(StrEnum):
    OWNER_SENDS = "owner_sends"  # its rail cannot send money: the owner sends it from a wallet
    ADDRESS_WANTED = "address_wanted"  # … once the customer has confirmed an address
    TOO_SMALL = "too_small"  # … if the customer asks for it: a network's fee may be more
    TAKEN_BACK = "taken_back"  # the network took the block back that had the owner's transfer
    PROVIDER = "provider"  # it refused the call, or did not answer
    REJECTED = "rejected"  # it had taken the refund, and did not do it
    NO_NUMBER = "no_number"  # the order's own number at the provider is not known
    NONE_LEFT = "none_left"  # the provider allows no further refund of this payment
    LAST_ONE = "last_one"  # its last refund of this payment, which ignores the amount
    AMOUNT_UNKNOWN = "amount_unknown"  # some of this payment went back in its console, and nobody knows how much


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a refund has not gone through. `said`: the provider's answer as it gave it, for PROVIDER. `left`: what its
    last refund would return, for LAST_ONE."""

    kind: ObstacleKind
    said: str = ""
    left: Money | None = None


@dataclass(frozen=True, slots=True)
class TaskDone:
    """`count`: the number to show, for results that have one."""

    task: Task
    result: Result
    count: int = 0


@dataclass(frozen=True, slots=True)
class Unread:
    """Kept as another release wrote it. `what`: that release's name for the kind, if it is unknown here too."""

    detail: str
    what: str = ""


Details = (
    Order
    | OrderStatus
    | FailedOrder
    | OrderAboveLimit
    | MoneySeen
    | RefundRequested
    | RefundFound
    | Amount
    | Vouched
    | Length
    | Letter
    | Obstacle
    | TaskDone
    | Unread
)


@dataclass(frozen=True, slots=True)
class Event:
    at: datetime
    kind: EventKind
    details: Details | None = None
