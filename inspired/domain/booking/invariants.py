"""Invariants that must hold for every booking. `inspired check` verifies them over the database.

Pure. Each function describes the violation for an engineer; none repairs anything.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

from inspired.domain.booking.balance import Payment, kept_of, left_of, nothing, payment_of, received_of, still_there
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.history import EventKind, Order
from inspired.domain.booking.ledger import booked, is_balanced
from inspired.domain.booking.lifecycle import no_money_can_arrive
from inspired.domain.booking.polling import scheduled
from inspired.domain.booking.states import Flag, State

INVARIANTS: Mapping[str, str] = {
    "confirmed_once": "No booking is confirmed twice.",
    "confirmed_paid": "Nothing is confirmed without money that our own query has proven, or the owner's marked word.",
    "refunds_bounded": "No more goes back than has arrived; every refund has an id and a transfer of its own.",
    "money_accounted": "Money of a booking that is over goes back, is kept by policy, or waits for somebody's word.",
    "refunded_gone": "Refunded is only what went back completely.",
    "books_balance": "Every entry of the ledger sums to zero, and the books say what the facts say.",
    "books_posted": "The ledger holds every entry of every booking, and nothing else.",
    "books_sum": "All entries of the ledger sum to zero, in each currency.",
    "history_agrees": "The history leads to the state, by allowed steps only.",
    "closed_before_end": "A booking ends unpaid only when its orders were seen closed.",
    "on_the_list": "Whatever can still change is looked at again.",
    "one_slot": "No two calls of the built-in calendar overlap, with what is kept free around them.",
    "notices_worked": "Every notice is worked on within minutes.",
    "nothing_overdue": "Nothing that is due is left lying.",
}

STATES = {
    EventKind.STARTED: State.DRAFT,
    EventKind.HELD: State.PENDING,
    EventKind.PAID: State.PAID,
    EventKind.PENDING: State.PENDING,
    EventKind.CONFIRMED: State.CONFIRMED,
    EventKind.EXPIRED: State.EXPIRED,
    EventKind.CANCELLED: State.CANCELLED,
    EventKind.REFUNDED: State.REFUNDED,
}
ALLOWED = {
    State.DRAFT: {State.PENDING, State.CANCELLED},
    State.PENDING: {State.PAID, State.EXPIRED, State.CANCELLED},
    # PENDING: what was seen on chain was taken back. EXPIRED: it was not final in time.
    State.PAID: {State.CONFIRMED, State.CANCELLED, State.PENDING, State.EXPIRED},
    State.CONFIRMED: {State.CANCELLED},
    State.EXPIRED: {State.PAID, State.REFUNDED},
    State.CANCELLED: {State.PAID, State.REFUNDED},
    State.REFUNDED: set(),
}

Violation = tuple[str, str]  # the invariant's name, and what is wrong


def violations(booking: Booking, now: datetime) -> Iterator[Violation]:
    """Every violated invariant of one booking."""
    yield from _confirmation(booking)
    yield from _refunds(booking)
    yield from _end(booking, now)
    yield from _books(booking, now)
    yield from _history(booking)
    # An extra check is harmless and ends by itself; the worker just has not taken the due one yet.
    if booking.check_at is None and (missed := scheduled(booking, now).check_at) is not None:
        yield "on_the_list", f"{booking.state}, never looked at again, though it should be at {missed}"


def _confirmation(booking: Booking) -> Iterator[Violation]:
    times = sum(event.kind is EventKind.CONFIRMED for event in booking.history)
    if times > 1:
        yield "confirmed_once", f"confirmed {times} times"
    if booking.state is State.CONFIRMED or times:
        earned, proven = booking.earned, received_of(booking)
        if earned is None or booking.confirmed_at is None or proven < earned:
            yield "confirmed_paid", f"confirmed with {proven.shown} of {booking.price.shown}"
        elif earned.is_nothing and booking.by_hand is None:
            yield "confirmed_paid", "confirmed without money, and without anybody's word"
    if booking.by_hand is not None and Flag.BY_HAND not in booking.flags:
        yield "confirmed_paid", "confirmed by hand, and not marked as that"


def _refunds(booking: Booking) -> Iterator[Violation]:
    if len({refund.id for refund in booking.refunds}) < len(booking.refunds):
        yield "refunds_bounded", "two refunds have the same id"
    logs = [refund.sent_with.log for refund in booking.refunds if refund.sent_with is not None]
    if len(set(logs)) < len(logs):
        yield "refunds_bounded", "one transfer on chain settles two refunds"
    for order in booking.orders:
        for what, left in (("promised", left_of(booking, order)), ("gone", still_there(booking, order))):
            if left < nothing(left.currency):
                yield "refunds_bounded", f"order {order.number}: {(-left).shown} more {what} than arrived"


def _end(booking: Booking, now: datetime) -> Iterator[Violation]:
    payment = payment_of(booking)
    if booking.state is State.REFUNDED and payment in (Payment.NONE, Payment.EXACT, Payment.SHORT):
        yield "refunded_gone", f"refunded, and {kept_of(booking).shown} is here ({payment})"
    if booking.state not in (State.EXPIRED, State.CANCELLED):
        return
    waits = booking.choose_by is not None or booking.agreed_amount is not None or booking.check_at is not None
    if not waits and payment not in (Payment.NONE, Payment.RETURNED, Payment.UNCLEAR):
        yield "money_accounted", f"{booking.state} with {kept_of(booking).shown} and nothing to come"
    # An order for money that was found on another network begins after the end, and nobody is asked to pay it. One
    # whose money a network took back after the end is being closed.
    taken_back = {event.details for event in booking.history if event.kind is EventKind.TAKEN_BACK}
    offered = replace(
        booking,
        orders=tuple(one for one in booking.orders if one.is_offered and Order(one.number) not in taken_back),
    )
    if booking.confirmed_at is None and not no_money_can_arrive(offered, now):
        yield "closed_before_end", f"{booking.state}, and an order was not seen closed"


def _books(booking: Booking, now: datetime) -> Iterator[Violation]:
    for entry in booking.ledger:
        if not is_balanced(entry.lines):
            yield "books_balance", f"entry {entry.number} does not sum to zero"
    if [entry.number for entry in booking.ledger] != list(range(len(booking.ledger))):
        yield "books_balance", "the entries have gaps"
    if booked(booking, now).ledger != booking.ledger:
        yield "books_balance", "the entries do not say what the facts say"


def _history(booking: Booking) -> Iterator[Violation]:
    states = [STATES[event.kind] for event in booking.history if event.kind in STATES]
    last = states[-1] if states else None
    if last is not booking.state:
        yield "history_agrees", f"the history ends in {last}, the state is {booking.state}"
    for before, after in pairwise(states):
        if after not in ALLOWED[before]:
            yield "history_agrees", f"{before} became {after}"
