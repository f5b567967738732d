"""What a booking says of itself: what it claims, what it holds, what is still open about it."""

from dataclasses import replace

import pytest

from inspired.domain.booking import customer_actions
from inspired.domain.booking.booking import Booking, Refund, booking_id_of, refund_id, trade_number
from inspired.domain.booking.claims import AddressesOf, Invitee, Place, Tick, UnpaidOf, Visitor
from inspired.domain.booking.history import Event, EventKind, Letter
from inspired.domain.booking.lifecycle import SlotSeen
from inspired.domain.booking.outbox import OutboxItem, PostLedger
from inspired.domain.booking.states import CalendarKind, Cause, Flag, RefundStatus, Remote, State
from inspired.domain.shared.money import Money
from tests.domain.booking.test_refunds import choosing, heard, sent, with_refund
from tests.factories import (
    EVENT,
    MINUTE,
    NOW,
    a_booking,
    a_confirmed_booking,
    a_draft,
    a_live_booking,
    an_expired_booking,
    seen,
    settled,
    told,
)

LATE = NOW + 20 * MINUTE
SEATS = (Place(UnpaidOf(Visitor.MAIL, "x"), 1), Place(UnpaidOf(Visitor.ADDRESS, "y"), 1))
ALIVE = (State.PENDING, State.PAID, State.CONFIRMED)


@pytest.mark.parametrize("state", State)
def test_a_time_belongs_to_whoever_is_alive_and_a_seat_to_whoever_has_not_paid(state):
    slot = a_booking().slot
    booking = a_live_booking(state=state, seats=SEATS)
    ticks = tuple(Tick(number) for number in slot.span.ticks())
    invitee = (Invitee(f"{EVENT}/invitees/I1"),)
    calendly = replace(booking, slot=a_booking(calendar=CalendarKind.CALENDLY).slot)
    seats = SEATS if state is State.PENDING else ()

    assert booking.claims == (ticks if state in ALIVE else ()) + seats
    assert calendly.claims == invitee + seats
    assert replace(booking, slot=None).claims == seats
    assert [calendly.holds(EVENT), calendly.holds(f"{EVENT}2"), replace(calendly, slot=None).holds(EVENT)] == [
        state in ALIVE, False, False,
    ]  # fmt: skip


def test_whose_money_was_seen_needs_no_seat_among_the_unpaid():
    live = a_live_booking(seats=SEATS, slot=None)

    assert live.with_order(replace(live.orders[0], status=Remote.PAID)).claims == ()


@pytest.mark.parametrize("state", State)
def test_an_address_counts_for_its_day_whatever_becomes_of_the_booking(state):
    place = Place(AddressesOf(Visitor.MAIL, "x", NOW.date()), 2)

    assert place in a_live_booking(state=state, address_places=(place,)).claims
    assert place.key == f"addresses:mail:{NOW.date()}:x:2"


def ended_and_paid(**changes) -> Booking:
    late = settled(an_expired_booking(), seen(Remote.PAID, "75", at=LATE), slot=SlotSeen.UNKNOWN, now=LATE)
    return replace(late, **changes)


def with_status(status: Remote, *, proven: bool) -> Booking:
    late = ended_and_paid()
    return late.with_order(replace(late.orders[0], status=status, proven=proven))


OPEN = {
    "a draft": (a_draft, True),
    "held": (a_booking, True),
    "paid": (choosing, True),
    "confirmed": (a_confirmed_booking, False),
    "confirmed, and a refund is planned": (with_refund, True),
    "confirmed, and a refund is accepted": (lambda: sent(with_refund()), True),
    "confirmed, and a refund is done": (lambda: heard(sent(with_refund()), told(with_refund().refunds[0])), False),
    "ended": (an_expired_booking, False),
    "ended, and may choose": (lambda: an_expired_booking(choose_by=LATE), True),
    "ended, and paid": (ended_and_paid, True),
    "cancelled, and paid": (lambda: ended_and_paid(state=State.CANCELLED), True),
    "refunded": (lambda: ended_and_paid(state=State.REFUNDED), False),
    "ended, paid, and agreed on": (lambda: ended_and_paid(agreed_amount=Money.parse("75")), False),
    "ended, paid, and the owner's to decide": (lambda: ended_and_paid(flags=frozenset({Flag.NEEDS_OWNER})), False),
    "ended, paid, and flagged otherwise": (lambda: ended_and_paid(flags=frozenset({Flag.PAID_LATE})), True),
    "ended, and all of it went back": (lambda: with_status(Remote.FULL_REFUNDED, proven=True), False),
    "ended, and a notice says that all of it went back": (
        lambda: with_status(Remote.FULL_REFUNDED, proven=False), True,
    ),
    "ended, and a part went back": (lambda: with_status(Remote.REFUNDED, proven=True), True),
}  # fmt: skip


@pytest.mark.parametrize("name", OPEN)
def test_the_page_keeps_asking_while_something_may_still_change_by_itself(name):
    make, wanted = OPEN[name]

    assert make().is_open is wanted


@pytest.mark.parametrize(
    ("status", "amount", "gone", "under_way", "stuck"),
    [
        (RefundStatus.REQUESTED, "10", False, True, False),
        (RefundStatus.SENT, "10", False, True, False),
        (RefundStatus.DONE, "10", True, False, False),
        (RefundStatus.EXTERNAL, "10", True, False, False),
        (RefundStatus.EXTERNAL, None, True, False, True),
        (RefundStatus.REJECTED, "10", False, False, True),
        (RefundStatus.NEEDS_OWNER, "10", False, False, True),
    ],
)
def test_a_refund_is_gone_under_way_or_the_owners_and_none_of_it_once_another_took_its_place(
    status, amount, gone, under_way, stuck
):
    money = Money.parse(amount) if amount else None
    refund = Refund("r", "t", money, Cause.OWNER, NOW, status=status)
    replaced = replace(refund, replaced_by="other")

    assert (refund.is_gone, refund.is_under_way, refund.is_stuck, refund.reserves) == (gone, under_way, stuck, True)
    assert (replaced.is_under_way, replaced.is_stuck, replaced.reserves) == (False, False, False)


@pytest.mark.parametrize(
    ("status", "cause", "by_hand", "left_provider"),
    [
        (RefundStatus.EXTERNAL, Cause.OWNER, True, False),
        (RefundStatus.EXTERNAL, Cause.CONSOLE, False, True),
        (RefundStatus.DONE, Cause.OWNER, False, True),
        (RefundStatus.SENT, Cause.OWNER, False, False),
    ],
)
def test_what_the_owner_sent_by_another_way_never_left_the_provider(status, cause, by_hand, left_provider):
    refund = Refund("r", "t", Money.parse("1"), cause, NOW, status=status)

    assert (refund.is_by_hand, refund.has_left_provider) == (by_hand, left_provider)


@pytest.mark.parametrize(
    ("changes", "settled_", "sent_", "payable"),
    [
        ({}, False, False, True),
        ({"tries": 1}, False, True, True),
        ({"uncertain": True}, False, True, True),
        ({"status": Remote.INITIAL}, False, True, True),
        ({"status": Remote.ERROR}, True, True, False),
        ({"status": Remote.PAID}, False, True, False),
        ({"status": Remote.PAID, "proven": True}, True, True, False),
        ({"status": Remote.REFUNDING, "proven": True}, False, True, False),
        ({"status": Remote.REFUNDED, "proven": True}, True, True, False),
    ],
)
def test_an_order_says_whether_it_was_sent_can_be_paid_and_has_told_everything(changes, settled_, sent_, payable):
    held, live = a_booking().orders[0], a_live_booking().orders[0]

    order = replace(held, **changes)

    assert (order.is_settled, order.was_sent) == (settled_, sent_)
    assert [one.is_payable for one in (order, replace(order, checkout=live.checkout))] == [False, payable]


def test_what_is_written_into_a_booking_stands_beside_what_was_there():
    booking = a_booking(flags=frozenset({Flag.PAID_LATE}))
    first, second, third, never = PostLedger(1), PostLedger(2), PostLedger(3), PostLedger(4)
    after = booking.noted(LATE, EventKind.MOVED).noted(LATE, EventKind.LETTER_WRITTEN, Letter(1))
    after = after.flagged(Flag.OVERPAID, Flag.SLOT_LOST).owing(LATE, first, second).owing(NOW, second, third)

    assert after.history == (
        *booking.history, Event(LATE, EventKind.MOVED), Event(LATE, EventKind.LETTER_WRITTEN, Letter(1)),
    )  # fmt: skip
    assert after.flags == {Flag.PAID_LATE, Flag.OVERPAID, Flag.SLOT_LOST}
    assert after.outbox == (*booking.outbox, OutboxItem(first, LATE), OutboxItem(second, LATE), OutboxItem(third, NOW))
    assert [after.has_owed(task) for task in (first, never)] == [True, False]
    assert replace(after, outbox=(), delivered=frozenset({never})).has_owed(never)


def test_a_change_of_one_order_or_refund_leaves_the_others_and_each_is_found_by_its_name():
    two = customer_actions.refund_part(with_refund(), Money.parse("5"), NOW, cancels=False)
    other = replace(two.orders[0], number=2, trade_no="other")
    booking = replace(two, orders=(*two.orders, other))
    changed = replace(other, tries=9)
    paid_back = replace(two.refunds[1], tries=9)

    assert booking.with_order(changed).orders == (two.orders[0], changed)
    assert booking.with_refund(paid_back).refunds == (two.refunds[0], paid_back)
    assert [booking.find_order(name) for name in ("other", "nobody")] == [other, None]
    assert [booking.find_refund(name) for name in (paid_back.id, "nobody")] == [two.refunds[1], None]
    assert [booking.refunds_of(one) for one in booking.orders] == [two.refunds, ()]
    assert (booking.order, replace(booking, orders=()).order) == (other, None)


def test_an_event_that_is_owed_its_cancelling_was_given_back():
    booking = customer_actions.event_unwanted(a_booking(), EVENT, NOW)

    assert [booking.gave_back(EVENT), booking.gave_back(f"{EVENT}2")] == [True, False]


def test_numbers_are_made_so_that_each_leads_back():
    number = trade_number("b" * 24, 7)

    assert (number, refund_id(number, 3), booking_id_of(number)) == (f"{'b' * 24}007", f"{number}R03", "b" * 24)
