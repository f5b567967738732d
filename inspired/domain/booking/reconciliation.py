"""Reconciliation: compares the provider, the calendar and our own books, booking by booking.

Pure: the caller brings the answers. Every difference has a kind with a sentence and a proposed step. The same
difference always has the same id.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from inspired.domain.booking.booking import Booking, Entry, PaymentOrder, Refund
from inspired.domain.booking.ledger import balances
from inspired.domain.booking.lifecycle import OrderObservation
from inspired.domain.booking.rails import CAPABILITIES, USUAL, RailId
from inspired.domain.booking.refunds import Outcome, RefundSeen
from inspired.domain.booking.states import CalendarKind, RefundStatus, Remote, State
from inspired.domain.shared.money import Money
from inspired.domain.shared.slots import Span


class Step(StrEnum):
    ASK_AGAIN = "ask_again"  # our copy is behind: asking the provider or the calendar again updates it
    POST = "post"  # the ledger is behind its booking; posting again is harmless
    OWNER = "owner"  # a person has to look


class Kind(StrEnum):
    """What differs."""

    UNKNOWN_PAYMENT = "unknown_payment"
    MISSING_PAYMENT = "missing_payment"
    AMOUNT = "amount"
    STILL_PAYABLE = "still_payable"
    UNKNOWN_REFUND = "unknown_refund"
    MISSING_REFUND = "missing_refund"
    REFUND_STATE = "refund_state"
    REFUND_AMOUNT = "refund_amount"
    LEDGER = "ledger"
    CALL_WITHOUT_EVENT = "call_without_event"
    EVENT_MOVED = "event_moved"
    EVENT_WITHOUT_CALL = "event_without_call"
    BALANCE = "balance"  # of an address on chain; of no booking


STEPS: Mapping[Kind, Step] = {
    Kind.UNKNOWN_PAYMENT: Step.ASK_AGAIN,
    Kind.MISSING_PAYMENT: Step.OWNER,
    Kind.AMOUNT: Step.OWNER,
    Kind.STILL_PAYABLE: Step.ASK_AGAIN,
    Kind.UNKNOWN_REFUND: Step.ASK_AGAIN,
    Kind.MISSING_REFUND: Step.OWNER,
    Kind.REFUND_STATE: Step.ASK_AGAIN,
    Kind.REFUND_AMOUNT: Step.OWNER,
    Kind.LEDGER: Step.POST,
    Kind.CALL_WITHOUT_EVENT: Step.ASK_AGAIN,
    Kind.EVENT_MOVED: Step.ASK_AGAIN,
    Kind.EVENT_WITHOUT_CALL: Step.ASK_AGAIN,
    Kind.BALANCE: Step.OWNER,
}


@dataclass(frozen=True, slots=True)
class Difference:
    """`subject` is the id of the order, refund or event; `told` is what each side says. `rail`: the one asked."""

    kind: Kind
    booking_id: str
    subject: str
    told: str
    rail: RailId = USUAL

    @classmethod
    def of(cls, kind: str, booking_id: str, subject: str, told: str, rail: str = USUAL) -> "Difference":
        return cls(Kind(kind), booking_id, subject, told, RailId(rail))

    @property
    def id(self) -> str:
        return f"{self.booking_id}/{self.kind}/{self.subject}"

    @property
    def step(self) -> Step:
        return STEPS[self.kind]


@dataclass(frozen=True, slots=True)
class EventSeen:
    """The calendar's answer about the slot's event. `span` is None if the event is no longer active."""

    uri: str
    span: Span | None


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers about one booking. What could not be asked is left out and not compared."""

    orders: tuple[OrderObservation, ...] = ()
    refunds: tuple[RefundSeen, ...] = ()
    event: EventSeen | None = None
    posted: tuple[Entry, ...] | None = None


def differences(booking: Booking, answers: Answers) -> tuple[Difference, ...]:
    return tuple(
        Difference(kind, booking.id, subject, told, _rail_of(booking, subject))
        for kind, subject, told in (
            *_of_orders(booking, answers.orders),
            *_of_refunds(booking, answers.refunds),
            *_of_calendar(booking, answers.event),
            *_of_ledger(booking, answers.posted),
        )
    )


Found = tuple[Kind, str, str]


def _rail_of(booking: Booking, subject: str) -> RailId:
    refund = booking.find_refund(subject)
    order = booking.find_order(refund.trade_no if refund is not None else subject)
    return order.rail if order is not None else booking.rail


def _of_orders(booking: Booking, observations: Iterable[OrderObservation]) -> Iterator[Found]:
    for observation in observations:
        order = booking.find_order(observation.trade_no)
        if order is not None:
            yield from _of_order(booking, order, observation)


def _of_order(booking: Booking, order: PaymentOrder, observation: OrderObservation) -> Iterator[Found]:
    there = observation.status is not None and observation.status.has_money
    name = CAPABILITIES[order.rail].provider
    if there and not order.proven:
        yield Kind.UNKNOWN_PAYMENT, order.trade_no, f"{name}: {_shown(observation.money)}"
    elif order.proven and not there:
        theirs = observation.status or "no such order"
        yield Kind.MISSING_PAYMENT, order.trade_no, f"ours: {_shown(order.received)}, {name}: {theirs}"
    elif there and observation.money != order.received:
        yield Kind.AMOUNT, order.trade_no, f"ours: {_shown(order.received)}, {name}: {_shown(observation.money)}"
    elif observation.status in (Remote.INITIAL, Remote.PENDING) and booking.state is not State.PENDING:
        yield Kind.STILL_PAYABLE, order.trade_no, f"ours: {booking.state}, {name}: {observation.status}"
    # What the owner sends from a wallet leaves the address as it is.
    if there and order.proven and CAPABILITIES[order.rail].sends_refunds:
        yield from _untold_refunds(booking, order, observation)


def _untold_refunds(booking: Booking, order: PaymentOrder, observation: OrderObservation) -> Iterator[Found]:
    """Compare by the order's status, which says that money went back but not how much."""
    mine = [refund for refund in booking.refunds_of(order) if refund.reserves]
    gone = [refund for refund in mine if refund.is_gone]
    moving = [refund for refund in mine if refund.is_under_way and (refund.tries or refund.status is RefundStatus.SENT)]
    name = CAPABILITIES[order.rail].provider
    told = f"ours: {len(gone)} refunds, {name}: {observation.status}"
    known = sum(refund.amount.amount for refund in gone if refund.amount)
    if observation.status is Remote.REFUNDED and not gone and not moving:
        yield Kind.UNKNOWN_REFUND, order.trade_no, told
    elif observation.status is Remote.FULL_REFUNDED and not moving and order.received and known < order.received.amount:
        if not any(refund.amount is None for refund in gone):
            yield Kind.UNKNOWN_REFUND, order.trade_no, told
    elif observation.status is Remote.PAID and any(not refund.is_by_hand for refund in gone):
        yield Kind.MISSING_REFUND, order.trade_no, told


def _of_refunds(booking: Booking, observations: Iterable[RefundSeen]) -> Iterator[Found]:
    for observation in observations:
        refund = booking.find_refund(observation.refund_id)
        if refund is not None:
            name = CAPABILITIES[booking.rail_of(refund)].provider
            yield from _of_refund(refund, observation, name)


def _of_refund(refund: Refund, observation: RefundSeen, name: str) -> Iterator[Found]:
    told = f"ours: {refund.status}, {name}: {observation.outcome or 'no such refund'}"
    expected = {
        RefundStatus.DONE: (Outcome.DONE,),
        RefundStatus.SENT: (Outcome.PENDING,),
        RefundStatus.REJECTED: (Outcome.FAILED,),
    }
    if observation.outcome is None:
        if refund.status in (RefundStatus.DONE, RefundStatus.SENT):
            yield Kind.MISSING_REFUND, refund.id, told
    elif observation.outcome not in expected.get(refund.status, ()):
        yield Kind.REFUND_STATE, refund.id, told
    elif observation.amount != refund.amount:
        yield Kind.REFUND_AMOUNT, refund.id, f"ours: {_shown(refund.amount)}, {name}: {_shown(observation.amount)}"


def _of_calendar(booking: Booking, event: EventSeen | None) -> Iterator[Found]:
    slot = booking.slot
    if event is None or slot is None or slot.calendar is not CalendarKind.CALENDLY:
        return
    if booking.state is State.CONFIRMED and event.span is None:
        yield Kind.CALL_WITHOUT_EVENT, event.uri, f"ours: {slot.span.start.isoformat()}, calendar: not active"
    elif booking.state is State.CONFIRMED and event.span is not None and event.span.start != slot.span.start:
        there = event.span.start.isoformat()
        yield Kind.EVENT_MOVED, event.uri, f"ours: {slot.span.start.isoformat()}, calendar: {there}"
    elif booking.state in (State.EXPIRED, State.CANCELLED, State.REFUNDED) and event.span is not None:
        yield Kind.EVENT_WITHOUT_CALL, event.uri, f"ours: {booking.state}, calendar: active"


def _of_ledger(booking: Booking, posted: tuple[Entry, ...] | None) -> Iterator[Found]:
    if posted is None or posted == booking.ledger:
        return
    ours, theirs = balances(booking.ledger), balances(posted)
    names = sorted({account for account, _ in {**ours, **theirs} if ours.get((account, _)) != theirs.get((account, _))})
    yield Kind.LEDGER, "ledger", f"booking: {len(booking.ledger)} entries, ledger: {len(posted)}; {', '.join(names)}"


def _shown(money: Money | None) -> str:
    return money.shown if money else "unreadable"
