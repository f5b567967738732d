"""One booking: slot, customer (sealed), payment orders, refunds, flags and outbox.

Values are frozen; a change returns a new booking. The transitions are in `lifecycle`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from inspired.domain.booking.claims import Claim, Invitee, RefundTransfer, Tick
from inspired.domain.booking.history import Details, Event, EventKind, Obstacle, ObstacleKind
from inspired.domain.booking.outbox import CancelEvent, OutboxItem, Task
from inspired.domain.booking.rails import CAPABILITIES, USUAL, RailId
from inspired.domain.booking.states import (
    HELD,
    CalendarKind,
    Cause,
    Flag,
    HandKind,
    Held,
    RefundStatus,
    Remote,
    State,
)
from inspired.domain.catalogue.meeting_types import MeetingType
from inspired.domain.shared.languages import ENGLISH
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Network
from inspired.domain.shared.slots import Span

DRAFT_LIFE = timedelta(hours=24)
DRAFT_CHECKS = (timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1), DRAFT_LIFE)


@dataclass(frozen=True, slots=True)
class Slot:
    """`span` is in UTC; `zone` is the visitor's IANA zone. Only Calendly sets the two URIs. Only the built-in calendar
    sets the buffers and `day_place`."""

    span: Span
    zone: str
    calendar: CalendarKind
    event_uri: str = ""
    invitee_uri: str = ""
    before: timedelta = timedelta()
    after: timedelta = timedelta()
    day_place: Claim | None = None  # number among the day's calls of this type, if the day has a limit

    @property
    def around(self) -> Span:
        """The call including its buffers."""
        return Span(self.span.start - self.before, self.span.end + self.after)


@dataclass(frozen=True, slots=True)
class Hold:
    """The time a booking holds. `around` is the span including the buffers."""

    booking_id: str
    type_id: str
    calendar: CalendarKind
    span: Span
    around: Span
    day_place: Claim | None
    event_uri: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """Personal data encrypted under the booking's own key, which is wrapped by a key from the environment (see
    vault)."""

    key: bytes
    email: bytes = b""
    name: bytes = b""
    answers: bytes = b""


@dataclass(frozen=True, slots=True)
class Words:
    """Text written in the admin area: a note or a letter to the customer. `sealed` under the booking's key, since it
    may be personal; `who` is an account's id."""

    at: datetime
    who: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class ByHand:
    """The owner's manual confirmation of a call. `amount` arrived outside the orders (zero for the other kinds) and
    `returned` went back the same way. `evidence` (a transaction's id) stays with the books; `reason` is sealed."""

    kind: HandKind
    at: datetime
    who: str
    amount: Money
    evidence: str
    reason: bytes
    returned: Money | None = None


@dataclass(frozen=True, slots=True)
class Checkout:
    """How the customer pays one order: the provider's validated answer to create."""

    prepay_id: str
    qr_content: str
    checkout_url: str
    deep_link: str
    universal_url: str


@dataclass(frozen=True, slots=True)
class PaymentOrder:
    """One order at the provider. Saved before the first call, so that every order there is known here."""

    number: int
    trade_no: str
    created_at: datetime
    amount: Money  # what this order asks for: the price, or the missing part of it
    tries: int = 0  # create calls so far in this round
    retry_at: datetime | None = None  # when create may be called again; also the lease of the worker calling it now
    uncertain: bool = False  # the last create's outcome is unknown: query by trade number before anything else
    expires_at: datetime | None = None  # when this order can no longer be paid; None: not sent yet
    status: Remote | None = None  # the last status reported by the provider; None: never seen there
    seen_at: datetime | None = None  # when that status was queried
    checkout: Checkout | None = None
    prepay_id: str = ""  # the provider's order number, needed to request refunds
    received: Money | None = None
    commission: Money | None = None  # the provider's fee, if it was reported
    proven: bool = False  # our own signed query confirmed the money (a webhook alone is not enough)
    denied: Remote | None = None  # the status our query returned instead, once the order was closed without any money
    transaction_id: str = ""
    paid_at: datetime | None = None
    arrived: Money | None = None  # a part of it that is there while the rest is awaited; it decides nothing yet
    confirmations: int | None = None  # blocks on top of the one that completed it, when last asked; an estimate
    rail: RailId = USUAL
    is_offered: bool = True  # False: nobody was asked to pay it; it holds money found beside the others'
    held: Held | None = None  # its money counts for nothing before the owner has decided; None: it counts
    transfer: str = ""  # the one transfer on chain that it holds; empty: all that came for it
    refunds_left: int | None = None  # refunds the provider still allows for this order; None: it named no limit yet

    @property
    def is_closed(self) -> bool:
        return self.status is not None and self.status.is_closed

    @property
    def has_money(self) -> bool:
        return self.status is not None and self.status.has_money

    @property
    def still_to_pay(self) -> Money:
        """What the customer has to send, if a part is there already."""
        return self.amount if self.arrived is None else self.amount - self.arrived

    @property
    def is_settled(self) -> bool:
        """True if asking again would bring nothing new."""
        return self.is_closed or (self.has_money and self.proven and self.status is not Remote.REFUNDING)

    @property
    def was_sent(self) -> bool:
        """True if the provider may know this order."""
        return self.tries > 0 or self.uncertain or self.status is not None

    @property
    def is_payable(self) -> bool:
        return self.checkout is not None and not self.is_closed and not self.has_money


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """The owner's request for a refund. `name` is a fingerprint of its Idempotency-Key, `asked` of its content.
    Repeating the request returns the first result; another request under the same name is refused."""

    name: str
    asked: str


@dataclass(frozen=True, slots=True)
class SentTransfer:
    """The transfer that the owner's wallet sent a refund with, in the block where it was last seen."""

    log: RefundTransfer
    block_number: int


@dataclass(frozen=True, slots=True)
class RefundAddress:
    """Where the customer wants refunds on one network to go. `number` counts the addresses named for this booking;
    `is_change`: another one was named before it.

    `sealed`: the address as shown, under the booking's key. One that is confirmed is sealed as that, so that whoever
    can write to the database alone can confirm none.
    """

    network: Network
    number: int
    named_at: datetime
    sealed: bytes
    confirmed_at: datetime | None = None
    is_change: bool = False


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund. Its id is saved before the provider is called, and every retry reuses it.

    `amount` None: made in the provider's console, amount unknown. `by` is "system", "customer" or "owner". `found_as`:
    the provider's own number for a refund made in its console.
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
    retry_at: datetime | None = None  # when the call is due; also the lease of the worker making it now
    sent_at: datetime | None = None
    done_at: datetime | None = None
    obstacle: Obstacle | None = None  # why the last try did not go through
    replaced_by: str = ""  # id of the refund that replaced this one
    approved_by: str = ""  # account id of the owner who let another owner send it from a wallet
    sent_with: SentTransfer | None = None  # on a rail that sends no refunds itself

    @property
    def is_gone(self) -> bool:
        """True if the money has left."""
        return self.status in (RefundStatus.DONE, RefundStatus.EXTERNAL)

    @property
    def is_by_hand(self) -> bool:
        """True if the owner sent the money by another way: the provider does not know of it."""
        return self.status is RefundStatus.EXTERNAL and self.cause is not Cause.CONSOLE

    @property
    def has_left_provider(self) -> bool:
        """True if the provider returned this money and knows so."""
        return self.is_gone and not self.is_by_hand

    @property
    def reserves(self) -> bool:
        """True if the amount is gone or promised back, so that it no longer counts as the booking's money."""
        return not self.replaced_by

    @property
    def is_under_way(self) -> bool:
        """True if the refund proceeds without the owner; the customer's page keeps polling."""
        return not self.replaced_by and self.status in (RefundStatus.REQUESTED, RefundStatus.SENT)

    @property
    def waits_for_customer(self) -> bool:
        """True if only the customer can proceed, by confirming an address to send it to."""
        return self._waits_for(ObstacleKind.ADDRESS_WANTED, ObstacleKind.TOO_SMALL)

    @property
    def awaits_address(self) -> bool:
        """The same, of one that goes back without being asked for."""
        return self._waits_for(ObstacleKind.ADDRESS_WANTED)

    @property
    def waits_for_wallet(self) -> bool:
        """True if the owner is to send it from a wallet."""
        return self._waits_for(ObstacleKind.OWNER_SENDS, ObstacleKind.TAKEN_BACK)

    @property
    def is_stuck(self) -> bool:
        """True if only the owner can proceed."""
        stuck = self.status in (RefundStatus.REJECTED, RefundStatus.NEEDS_OWNER) and not self.waits_for_customer
        return not self.replaced_by and (stuck or (self.is_gone and self.amount is None))

    def _waits_for(self, *kinds: ObstacleKind) -> bool:
        waits = self.status is RefundStatus.NEEDS_OWNER and not self.replaced_by
        return waits and self.obstacle is not None and self.obstacle.kind in kinds


@dataclass(frozen=True, slots=True)
class Line:
    """One side of a ledger entry. Assets and costs are positive, liabilities and income negative."""

    account: str
    money: Money


class FactKind(StrEnum):
    """What a ledger entry records."""

    RECEIVED = "received"  # one order's payment
    FEE = "fee"  # the provider's fee on one order's payment
    EARNED = "earned"
    REFUND = "refund"  # one refund
    BY_HAND = "by_hand"  # received outside the orders, on the owner's word
    BY_HAND_RETURNED = "by_hand_returned"
    ORPHAN = "orphan"  # a payment for an unknown order; the subject is its webhook's id
    UNASSIGNED = "unassigned"  # on chain, reached an address beside its orders; the subject is rail and address
    SWEPT = "swept"  # on chain, left an address; the subject is the transfer
    OTHER = "other"  # written by another release


@dataclass(frozen=True, slots=True)
class Fact:
    """`subject_id`: the order, refund or webhook; for OTHER, the raw key from another release."""

    kind: FactKind
    subject_id: str = ""

    @property
    def key(self) -> str:
        """The key in the database; `adapters/mongo/spellings` parses it."""
        if self.kind is FactKind.OTHER:
            return self.subject_id
        return f"{self.kind}:{self.subject_id}" if self.subject_id else str(self.kind)


@dataclass(frozen=True, slots=True)
class Entry:
    """One ledger entry; its lines sum to zero. `fact` is what it records (see ledger)."""

    number: int
    at: datetime
    fact: Fact
    text: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Booking:
    """At `expires_at` it can no longer be paid; at `deadline`, a little later, the slot may be released."""

    id: str
    token: str
    meeting_type: MeetingType
    created_at: datetime
    state: State = State.DRAFT
    version: int = 0
    status_version: int = 0  # incremented when what the customer sees changes
    flags: frozenset[Flag] = frozenset()
    slot: Slot | None = None
    sealed: Sealed | None = None
    email_index: str = ""  # blind index of the email address
    visitor_index: str = ""  # blind index of the IP address
    name_index: tuple[str, ...] = ()  # blind indexes of each word of the name and of every pair of words
    seats: tuple[Claim, ...] = ()  # claims on one visitor's limited number of unpaid bookings
    address_places: tuple[Claim, ...] = ()  # … on the addresses that one visitor is given on a day
    pays_by: RailId = USUAL  # the rail of its next order
    network: str = ""  # as its maker named it; the usual rail has none, and it has no effect there
    language: str = ENGLISH  # in which its customer reads pages and mails
    terms_version: str = ""
    expires_at: datetime | None = None
    deadline: datetime | None = None
    cancel_requested: bool = False  # the customer gave up; becomes CANCELLED once the order is seen closed
    orders: tuple[PaymentOrder, ...] = ()
    refunds: tuple[Refund, ...] = ()
    refund_addresses: tuple[RefundAddress, ...] = ()  # the newest of each network
    ledger: tuple[Entry, ...] = ()
    agreed_amount: Money | None = None  # the amount it may keep, if that is no longer the price
    tolerance: Decimal = Decimal(0)  # the percentage a payment on chain may lack: a sender's fee
    earned: Money | None = None  # the amount due when it was confirmed
    moves: int = 0  # how often the confirmed call was moved
    most_back: int = 100  # percent of the price that cancelling can still return; a late move lowers it
    choose_by: datetime | None = None  # paid, but without a time: the customer must choose by then
    outbox: tuple[OutboxItem[Task], ...] = ()  # tasks still to do
    delivered: frozenset[Task] = frozenset()  # tasks already done
    history: tuple[Event, ...] = ()
    check_at: datetime | None = None
    unanswered_checks: int = 0  # checks in a row that did not bring an answer that was due
    paid_at: datetime | None = None
    confirmed_at: datetime | None = None
    ended_at: datetime | None = None
    no_show_at: datetime | None = None  # when the owner recorded that the customer did not come
    by_hand: ByHand | None = None  # set if the owner confirmed it manually
    notes: tuple[Words, ...] = ()
    letters: tuple[Words, ...] = ()  # to the customer; each is sent by the task SendEmail(LETTER, its number)
    erased_at: datetime | None = None  # since then it holds no personal data

    @property
    def price(self) -> Money:
        return self.meeting_type.price

    @property
    def order(self) -> PaymentOrder | None:
        """The newest payment attempt."""
        return next((order for order in reversed(self.orders) if order.is_offered), None)

    @property
    def rail(self) -> RailId:
        """The rail of the newest payment attempt, or the one that the first would take."""
        return self.order.rail if self.order else self.pays_by

    @property
    def paid_by(self) -> RailId:
        """The rail that the newest money came by; before any came, the rail it would come by."""
        return next((order.rail for order in reversed(self.orders) if order.has_money), self.rail)

    @property
    def receiving_address(self) -> str:
        """Where the money of `paid_by` came on chain, or should; "" elsewhere and before there is one."""
        there = [order.prepay_id for order in self.orders if order.rail is self.paid_by]
        return there[-1] if there and CAPABILITIES[self.paid_by].network is not None else ""

    @property
    def is_open(self) -> bool:
        """True if something may still change without the owner: the page keeps polling."""
        alive = self.state in (State.DRAFT, State.PENDING, State.PAID)
        going_back = any(refund.is_under_way for refund in self.refunds)
        return alive or self.choose_by is not None or going_back or self._is_paid_late

    @property
    def _is_paid_late(self) -> bool:
        """True if money arrived after the booking ended and its fate is undecided."""
        undecided = self.agreed_amount is None and not self.refunds and Flag.NEEDS_OWNER not in self.flags
        has_ended = self.state in (State.EXPIRED, State.CANCELLED)
        here = (
            order.has_money and not (order.proven and order.status is Remote.FULL_REFUNDED) for order in self.orders
        )
        return has_ended and undecided and any(here)

    def holds(self, event_uri: str) -> bool:
        """True if this calendar event is the booking's current slot and the booking may keep it."""
        alive = self.state in (State.PENDING, State.PAID, State.CONFIRMED)
        return alive and self.slot is not None and self.slot.event_uri == event_uri

    def gave_back(self, event_uri: str) -> bool:
        """True if cancelling this event is owed or done: it can no longer become the slot."""
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
        """What only one booking may own; MongoDB refuses a second owner (unique index)."""
        claims: list[Claim] = []
        if (hold := self.hold) is not None and hold.calendar is CalendarKind.BUILTIN:
            claims += [Tick(number) for number in hold.around.ticks()]
            claims += [hold.day_place] if hold.day_place else []
        if self.slot is not None and self.slot.invitee_uri:
            claims.append(Invitee(self.slot.invitee_uri))
        if self.state is State.PENDING and not any(order.has_money for order in self.orders):
            claims += self.seats
        claims += [refund.sent_with.log for refund in self.refunds if refund.sent_with is not None]
        claims += self.address_places  # an address stays given out, whatever becomes of its booking
        return tuple(claims)

    def noted(self, at: datetime, kind: EventKind, details: Details | None = None) -> "Booking":
        return replace(self, history=(*self.history, Event(at, kind, details)))

    def flagged(self, *flags: Flag) -> "Booking":
        return replace(self, flags=self.flags | set(flags))

    def owing(self, due: datetime, *tasks: Task) -> "Booking":
        """Add the tasks. Each task is owed at most once per booking, however often its cause is seen."""
        new = tuple(OutboxItem(task, due) for task in tasks if not self.has_owed(task))
        return replace(self, outbox=self.outbox + new) if new else self

    def not_owing(self, is_dropped: Callable[[Task], bool]) -> "Booking":
        """Remove the pending tasks that match."""
        return replace(self, outbox=tuple(item for item in self.outbox if not is_dropped(item.task)))

    def has_owed(self, task: Task) -> bool:
        """True if the task is pending or done."""
        return task in self.delivered or self.is_owing(task)

    def is_owing(self, task: Task) -> bool:
        return any(item.task == task for item in self.outbox)

    def owes(self, kind: type[Task]) -> bool:
        """True if a task of this type is pending."""
        return any(isinstance(item.task, kind) for item in self.outbox)

    def with_order(self, changed: PaymentOrder) -> "Booking":
        orders = tuple(changed if order.number == changed.number else order for order in self.orders)
        return replace(self, orders=orders)

    def with_refund(self, changed: Refund) -> "Booking":
        return replace(self, refunds=tuple(changed if refund.id == changed.id else refund for refund in self.refunds))

    def find_refund(self, refund_id: str) -> Refund | None:
        return next((refund for refund in self.refunds if refund.id == refund_id), None)

    def refunds_of(self, order: PaymentOrder) -> tuple[Refund, ...]:
        return tuple(refund for refund in self.refunds if refund.trade_no == order.trade_no)

    def rail_of(self, refund: Refund) -> RailId:
        """The rail its payment came by. Every refund is of one of the booking's orders."""
        return next(order.rail for order in self.orders if order.trade_no == refund.trade_no)

    def refund_address(self, network: Network) -> RefundAddress | None:
        return next((one for one in self.refund_addresses if one.network is network), None)

    def find_order(self, trade_no: str) -> PaymentOrder | None:
        return next((order for order in self.orders if order.trade_no == trade_no), None)


def trade_number(booking_id: str, number: int) -> str:
    """The order's number at the provider: at most 32 letters and digits; the booking's id can be read back from it."""
    return f"{booking_id}{number:03d}"


def refund_id(trade_no: str, number: int) -> str:
    """The refund's number at the provider (at most 64 letters and digits): the order's number plus the refund's."""
    return f"{trade_no}R{number:02d}"


def booking_id_of(trade_no: str) -> str:
    return trade_no[:-3]
