"""One booking: the slot, the customer (sealed), every payment attempt, what is odd and what is still owed.

Values are frozen; a change returns a new booking. How a booking moves is in `lifecycle`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from inspired.domain.booking.claims import Claim, Invitee, Tick
from inspired.domain.booking.history import Details, Event, EventKind
from inspired.domain.booking.outbox import CancelEvent, OutboxItem, Task
from inspired.domain.booking.states import HELD, CalendarKind, Cause, Flag, HandKind, RefundStatus, Remote, State
from inspired.domain.catalogue.meeting_types import MeetingType
from inspired.domain.shared.money import Money
from inspired.domain.shared.slots import Span

MOST_REFUNDS = 10  # per order, by Binance's contract (api-order-refund, remainingAttempts)
DRAFT_LIFE = timedelta(hours=24)
DRAFT_CHECKS = (timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1), DRAFT_LIFE)


@dataclass(frozen=True, slots=True)
class Slot:
    """`span` in UTC; `zone` is the visitor's IANA zone. The two URIs exist for Calendly only; the buffers and the place
    among the calls of its type on its day (where a day has a limit) on the built-in calendar only."""

    span: Span
    zone: str
    calendar: CalendarKind
    event_uri: str = ""
    invitee_uri: str = ""
    before: timedelta = timedelta()
    after: timedelta = timedelta()
    day_place: Claim | None = None  # its place among the calls of its type on its day, where that has a limit

    @property
    def around(self) -> Span:
        """The call with what is kept free around it."""
        return Span(self.span.start - self.before, self.span.end + self.after)


@dataclass(frozen=True, slots=True)
class Hold:
    """The time a booking holds or keeps, and little else of it. `around`: with what is kept free around the call."""

    booking_id: str
    type_id: str
    calendar: CalendarKind
    span: Span
    around: Span
    day_place: Claim | None
    event_uri: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """Personal data under this booking's own key, itself wrapped by a key from the environment (see vault)."""

    key: bytes
    email: bytes = b""
    name: bytes = b""
    answers: bytes = b""


@dataclass(frozen=True, slots=True)
class Words:
    """What somebody at the admin area wrote: a note, or a letter to the customer. `sealed` under the booking's key,
    since people write personal things; `who` is an account's id."""

    at: datetime
    who: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class ByHand:
    """The owner's word that confirmed a call. `amount` arrived by another way (nothing, for the other kinds), and
    `returned` went back by it; `evidence` (a transaction's id) stays with the books, `reason` is sealed."""

    kind: HandKind
    at: datetime
    who: str
    amount: Money
    evidence: str
    reason: bytes
    returned: Money | None = None


@dataclass(frozen=True, slots=True)
class Checkout:
    """How a payer gets to one order: what the provider answered to create, checked."""

    prepay_id: str
    qr_content: str
    checkout_url: str
    deep_link: str
    universal_url: str


@dataclass(frozen=True, slots=True)
class PaymentOrder:
    """One order at the provider. Written before the first call, so that no order there is unknown here."""

    number: int
    trade_no: str
    created_at: datetime
    amount: Money  # what this order asks for: the price, or what is missing of it
    tries: int = 0  # calls of create so far in this round
    retry_at: datetime | None = None  # when create may be called again; also the lease of whoever calls it now
    uncertain: bool = False  # the last create's outcome is unknown: ask by trade number before anything else
    expires_at: datetime | None = None  # when this order can no longer be paid; None: not sent yet
    status: Remote | None = None  # the provider's last word; None = never seen there
    seen_at: datetime | None = None  # when that was asked
    checkout: Checkout | None = None
    prepay_id: str = ""  # the provider's own number; refunds are asked for by it
    received: Money | None = None
    commission: Money | None = None  # what the provider kept of it, where it told
    proven: bool = False  # our own signed query agreed that the money is there (a notice alone is not enough)
    denied: Remote | None = None  # what our query said instead, once the order was closed there without any money
    transaction_id: str = ""
    paid_at: datetime | None = None
    refunds_left: int = MOST_REFUNDS  # how many more the provider allows for this order (remainingAttempts)

    @property
    def is_closed(self) -> bool:
        return self.status is not None and self.status.is_closed

    @property
    def has_money(self) -> bool:
        return self.status is not None and self.status.has_money

    @property
    def is_settled(self) -> bool:
        """Asking again would bring nothing new."""
        return self.is_closed or (self.has_money and self.proven and self.status is not Remote.REFUNDING)

    @property
    def was_sent(self) -> bool:
        """The provider may know this order."""
        return self.tries > 0 or self.uncertain or self.status is not None

    @property
    def is_payable(self) -> bool:
        return self.checkout is not None and not self.is_closed and not self.has_money


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """The owner's request for a refund. `name`: a fingerprint of the name it was made under (an Idempotency-Key);
    `asked`: one of what was asked. Made again it is answered, and another under its name is refused."""

    name: str
    asked: str


@dataclass(frozen=True, slots=True)
class Refund:
    """Money on its way back. Its id is written before the provider is called, and every repetition uses it again.

    `amount` None: a refund made in the provider's console of which only the fact is known. `by` is "system",
    "customer" or "owner". `found_as`: the provider's own number of one that was made in its console.
    """

    id: str
    trade_no: str
    amount: Money | None
    cause: Cause
    requested_at: datetime
    by: str = "system"
    note: str = ""
    request: RefundRequest | None = None
    found_as: str = ""
    status: RefundStatus = RefundStatus.REQUESTED
    tries: int = 0  # calls so far
    retry_at: datetime | None = None  # when the call is due; also the lease of whoever makes it now
    sent_at: datetime | None = None
    done_at: datetime | None = None
    why: str = ""  # the provider's last refusal
    replaced_by: str = ""  # the refund that took the place of this rejected one

    @property
    def is_gone(self) -> bool:
        """The money has left."""
        return self.status in (RefundStatus.DONE, RefundStatus.EXTERNAL)

    @property
    def is_by_hand(self) -> bool:
        """The owner sent it by another way: the provider knows nothing of it."""
        return self.status is RefundStatus.EXTERNAL and self.cause is not Cause.CONSOLE

    @property
    def has_left_provider(self) -> bool:
        """Of what the provider had, this is gone, and it knows so."""
        return self.is_gone and not self.is_by_hand

    @property
    def reserves(self) -> bool:
        """Its amount is gone, or promised back: it no longer counts as the booking's money."""
        return not self.replaced_by

    @property
    def is_under_way(self) -> bool:
        """It goes on by itself: the customer's page keeps asking."""
        return not self.replaced_by and self.status in (RefundStatus.REQUESTED, RefundStatus.SENT)

    @property
    def is_stuck(self) -> bool:
        """Only the owner can go on."""
        stuck = self.status in (RefundStatus.REJECTED, RefundStatus.NEEDS_OWNER)
        return not self.replaced_by and (stuck or (self.is_gone and self.amount is None))


@dataclass(frozen=True, slots=True)
class Line:
    """One side of an entry. Assets and costs are positive, what is owed and earned negative."""

    account: str
    money: Money


class FactKind(StrEnum):
    """What the ledger books."""

    RECEIVED = "received"  # an order's payment
    FEE = "fee"  # what the provider kept of an order's payment
    EARNED = "earned"
    REFUND = "refund"  # one of the refunds
    BY_HAND = "by_hand"  # what came by another way, on the owner's word
    BY_HAND_RETURNED = "by_hand_returned"
    ORPHAN = "orphan"  # a payment for an order nobody here knows: its notice's id
    OTHER = "other"  # of another release


@dataclass(frozen=True, slots=True)
class Fact:
    """`subject_id`: which order, refund or notice; of OTHER, how another release spelled it."""

    kind: FactKind
    subject_id: str = ""

    @property
    def key(self) -> str:
        """Its spelling in the database; `adapters/mongo/spellings` reads it back."""
        if self.kind is FactKind.OTHER:
            return self.subject_id
        return f"{self.kind}:{self.subject_id}" if self.subject_id else str(self.kind)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the ledger: its lines sum to zero. `fact`: what it books; see ledger."""

    number: int
    at: datetime
    fact: Fact
    text: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Booking:
    """`expires_at` is when it can no longer be paid; `deadline`, a little later, is when the slot may go."""

    id: str
    token: str
    meeting_type: MeetingType
    created_at: datetime
    state: State = State.DRAFT
    version: int = 0
    status_version: int = 0  # grows when what the customer sees changes
    flags: frozenset[Flag] = frozenset()
    slot: Slot | None = None
    sealed: Sealed | None = None
    email_index: str = ""  # blind index of the mail address
    visitor_index: str = ""  # blind index of the network address
    name_index: tuple[str, ...] = ()  # blind indexes of the words of the name, and of every two of them
    seats: tuple[Claim, ...] = ()  # places among the unpaid bookings of one visitor
    network: str = ""  # stored as the plan asks; Binance Pay has no networks
    terms_version: str = ""
    expires_at: datetime | None = None
    deadline: datetime | None = None
    cancel_requested: bool = False  # the customer gave up; becomes CANCELLED once the order is seen closed
    orders: tuple[PaymentOrder, ...] = ()
    refunds: tuple[Refund, ...] = ()
    ledger: tuple[Entry, ...] = ()
    agreed_amount: Money | None = None  # what it may keep of the money, where that is not the price any more
    earned: Money | None = None  # what its money was worth when it was confirmed
    moves: int = 0  # how often the confirmed call was moved
    most_back: int = 100  # percent of the price that cancelling can still give back, since it was moved late
    choose_by: datetime | None = None  # paid, but without a time: until then the customer chooses
    outbox: tuple[OutboxItem[Task], ...] = ()  # still owed
    delivered: frozenset[Task] = frozenset()  # was owed, and is done
    history: tuple[Event, ...] = ()
    check_at: datetime | None = None
    unanswered_checks: int = 0  # in a row, after which an answer that is due was still missing
    paid_at: datetime | None = None
    confirmed_at: datetime | None = None
    ended_at: datetime | None = None
    no_show_at: datetime | None = None  # when the owner wrote down that the customer did not come
    by_hand: ByHand | None = None  # confirmed on the owner's word
    notes: tuple[Words, ...] = ()
    letters: tuple[Words, ...] = ()  # to the customer; each is owed as SendEmail(LETTER, its number)
    erased_at: datetime | None = None  # since then nothing of it is personal any more

    @property
    def price(self) -> Money:
        return self.meeting_type.price

    @property
    def order(self) -> PaymentOrder | None:
        """The newest payment attempt."""
        return self.orders[-1] if self.orders else None

    @property
    def is_open(self) -> bool:
        """Something may still change by itself: the page keeps asking."""
        alive = self.state in (State.DRAFT, State.PENDING, State.PAID)
        going_back = any(one.is_under_way for one in self.refunds)
        return alive or self.choose_by is not None or going_back or self._is_paid_late

    @property
    def _is_paid_late(self) -> bool:
        """Money came after the end, and it is not decided yet what becomes of it."""
        undecided = self.agreed_amount is None and not self.refunds and Flag.NEEDS_OWNER not in self.flags
        has_ended = self.state in (State.EXPIRED, State.CANCELLED)
        here = (one.has_money and not (one.proven and one.status is Remote.FULL_REFUNDED) for one in self.orders)
        return has_ended and undecided and any(here)

    def holds(self, event_uri: str) -> bool:
        """This event in the calendar is the booking's own slot, and it has a right to it."""
        alive = self.state in (State.PENDING, State.PAID, State.CONFIRMED)
        return alive and self.slot is not None and self.slot.event_uri == event_uri

    def gave_back(self, event_uri: str) -> bool:
        """Cancelling this event is owed, or done: it can no longer become the slot."""
        return self.has_owed(CancelEvent(event_uri))

    @property
    def hold(self) -> Hold | None:
        slot = self.slot
        if slot is None or self.state not in HELD:
            return None
        kind = self.meeting_type.id
        return Hold(self.id, kind, slot.calendar, slot.span, slot.around, slot.day_place, slot.event_uri)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What only one booking may own; the database refuses a second owner (unique index)."""
        claims: list[Claim] = []
        if (hold := self.hold) is not None and hold.calendar is CalendarKind.BUILTIN:
            claims += [Tick(number) for number in hold.around.ticks()]
            claims += [hold.day_place] if hold.day_place else []
        if self.slot is not None and self.slot.invitee_uri:
            claims.append(Invitee(self.slot.invitee_uri))
        if self.state is State.PENDING and not any(one.has_money for one in self.orders):
            claims += self.seats
        return tuple(claims)

    def noted(self, at: datetime, kind: EventKind, details: Details | None = None) -> "Booking":
        return replace(self, history=(*self.history, Event(at, kind, details)))

    def flagged(self, *flags: Flag) -> "Booking":
        return replace(self, flags=self.flags | set(flags))

    def owing(self, due: datetime, *tasks: Task) -> "Booking":
        """Each task is owed once in a booking's life, however often the cause is seen."""
        new = tuple(OutboxItem(task, due) for task in tasks if not self.has_owed(task))
        return replace(self, outbox=self.outbox + new) if new else self

    def not_owing(self, is_dropped: Callable[[Task], bool]) -> "Booking":
        """Without the tasks of this kind that were not done."""
        return replace(self, outbox=tuple(item for item in self.outbox if not is_dropped(item.task)))

    def has_owed(self, task: Task) -> bool:
        """It is owed now, or was, and is done."""
        return task in self.delivered or self.is_owing(task)

    def is_owing(self, task: Task) -> bool:
        return any(item.task == task for item in self.outbox)

    def owes(self, kind: type[Task]) -> bool:
        """Some task of this kind is still to be done."""
        return any(isinstance(item.task, kind) for item in self.outbox)

    def with_order(self, changed: PaymentOrder) -> "Booking":
        orders = tuple(changed if one.number == changed.number else one for one in self.orders)
        return replace(self, orders=orders)

    def with_refund(self, changed: Refund) -> "Booking":
        return replace(self, refunds=tuple(changed if one.id == changed.id else one for one in self.refunds))

    def find_refund(self, refund_id: str) -> Refund | None:
        return next((one for one in self.refunds if one.id == refund_id), None)

    def refunds_of(self, order: PaymentOrder) -> tuple[Refund, ...]:
        return tuple(one for one in self.refunds if one.trade_no == order.trade_no)

    def find_order(self, trade_no: str) -> PaymentOrder | None:
        return next((one for one in self.orders if one.trade_no == trade_no), None)


def trade_number(booking_id: str, number: int) -> str:
    """The order's number at the provider: at most 32 letters and digits, from which the booking is found again."""
    return f"{booking_id}{number:03d}"


def refund_id(trade_no: str, number: int) -> str:
    """The refund's number at the provider (at most 64 letters and digits): the order's, and which refund it is."""
    return f"{trade_no}R{number:02d}"


def booking_id_of(trade_no: str) -> str:
    return trade_no[:-3]
