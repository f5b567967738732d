"""What the provider says about an order, as it stands in the order afterwards: whole, and by who said it and when."""

from dataclasses import replace

import pytest

from inspired.domain.booking import customer_actions, lifecycle, payment_orders, refunds
from inspired.domain.booking.booking import Booking, PaymentOrder
from inspired.domain.booking.lifecycle import SlotSeen
from inspired.domain.booking.outbox import PostLedger
from inspired.domain.booking.states import CalendarKind, Cause, Flag, Remote
from inspired.domain.shared.money import Money
from tests.domain.booking.test_polling import another_order, short_with_rest, uncertain
from tests.domain.booking.test_refunds import LATER, TEN, choosing, found, heard, sent, twice, with_refund
from tests.factories import (
    EVENT,
    EXPIRY,
    MINUTE,
    NOW,
    SECOND,
    a_booking,
    a_confirmed_booking,
    a_live_booking,
    an_expired_booking,
    an_item,
    owed,
    seen,
    settled,
    topping_up,
)

AT = NOW + MINUTE
END = NOW + EXPIRY
LIVE = a_live_booking().orders[0]
CREATED_AT_ALL = replace(a_booking().orders[0], expires_at=END)
FEE = Money.parse("0.75")
PAID = replace(
    LIVE, status=Remote.PAID, seen_at=AT, received=Money.parse("75"), proven=True, transaction_id="P_1", paid_at=AT
)
NOTICED = replace(PAID, seen_at=NOW, proven=False)


def with_order(order: PaymentOrder, **changes) -> Booking:
    return a_live_booking(orders=(order,), **changes)


def noticed(**changes) -> Booking:
    return settled(with_order(replace(LIVE, **changes)), seen(Remote.PAID, "75", by_query=False), slot=SlotSeen.LOST)


HEARD = {
    # --- no money
    "open": (a_live_booking, seen(Remote.PENDING), replace(LIVE, status=Remote.PENDING, seen_at=AT)),
    "closed": (a_live_booking, seen(Remote.EXPIRED), replace(LIVE, status=Remote.EXPIRED, seen_at=AT)),
    "closed stays closed": (
        lambda: with_order(replace(LIVE, status=Remote.ERROR)),
        seen(Remote.INITIAL),
        replace(LIVE, status=Remote.ERROR, seen_at=AT),
    ),
    "closed in another way": (
        lambda: with_order(replace(LIVE, status=Remote.ERROR)),
        seen(Remote.EXPIRED),
        replace(LIVE, status=Remote.EXPIRED, seen_at=AT),
    ),
    "found there after an unknown outcome, with its number": (
        uncertain,
        seen(Remote.INITIAL, prepay_id="29"),
        replace(
            CREATED_AT_ALL, tries=1, retry_at=NOW + 2 * SECOND, status=Remote.INITIAL, seen_at=AT, prepay_id="29"
        ),
    ),
    "its number is known already": (
        a_live_booking,
        seen(Remote.PENDING, prepay_id="29"),
        replace(LIVE, status=Remote.PENDING, seen_at=AT),
    ),
    "asked at the same moment": (
        a_live_booking,
        seen(Remote.PENDING, at=NOW),
        replace(LIVE, status=Remote.PENDING, seen_at=NOW),
    ),
    "asked a moment before": (a_live_booking, seen(Remote.PENDING, at=NOW - SECOND), LIVE),
    "closed, after money was seen": (
        a_confirmed_booking,
        seen(Remote.CANCELED, at=LATER),
        replace(PAID, seen_at=LATER),
    ),
    "unknown there, after money was seen": (a_confirmed_booking, seen(None, at=LATER), replace(PAID, seen_at=LATER)),
    # --- unknown there
    "unknown while somebody creates it": (
        lambda: payment_orders.creating(a_booking(), NOW),
        seen(None, at=NOW + 15 * SECOND - SECOND),
        replace(CREATED_AT_ALL, tries=1, retry_at=NOW + 15 * SECOND, uncertain=True),
    ),
    "unknown once that somebody's time is over": (
        lambda: payment_orders.creating(a_booking(), NOW),
        seen(None, at=NOW + 15 * SECOND),
        replace(CREATED_AT_ALL, tries=1, retry_at=NOW + 15 * SECOND, seen_at=NOW + 15 * SECOND),
    ),
    "unknown, once created": (a_live_booking, seen(None), replace(LIVE, seen_at=AT)),
    "unknown, once created and given up": (
        lambda: a_live_booking(cancel_requested=True),
        seen(None),
        replace(LIVE, seen_at=AT),
    ),
    "unknown, found there before and never created for sure": (
        lambda: settled(uncertain(), seen(Remote.INITIAL, at=NOW + SECOND)),
        seen(None),
        replace(CREATED_AT_ALL, tries=1, retry_at=NOW + 2 * SECOND, seen_at=AT),
    ),
    "unknown, and given up": (
        lambda: customer_actions.give_up(uncertain(), NOW),
        seen(None),
        replace(CREATED_AT_ALL, tries=1, retry_at=NOW + 2 * SECOND, seen_at=AT, status=Remote.EXPIRED),
    ),
    "unknown a moment before its end": (
        a_live_booking,
        seen(None, at=END - SECOND),
        replace(LIVE, seen_at=END - SECOND),
    ),
    "unknown at its end": (a_live_booking, seen(None, at=END), replace(LIVE, seen_at=END, status=Remote.EXPIRED)),
    # --- money
    "paid, proven": (a_live_booking, seen(Remote.PAID, "75"), PAID),
    "paid, by a notice": (a_live_booking, seen(Remote.PAID, "75", by_query=False), NOTICED),
    "paid, after an unknown outcome": (
        uncertain,
        seen(Remote.PAID, "75", prepay_id="29", commission=FEE),
        replace(
            PAID, checkout=None, prepay_id="29", tries=1, retry_at=NOW + 2 * SECOND, commission=FEE,
        ),
    ),
    "paid, when is not told": (
        a_live_booking,
        replace(seen(Remote.PAID, "75"), paid_at=None, transaction_id=""),
        replace(PAID, transaction_id=""),
    ),
    "a notice of another amount, and then the query's": (
        lambda: settled(a_live_booking(), seen(Remote.PAID, "74", by_query=False)),
        seen(Remote.PAID, "75", at=LATER),
        replace(PAID, seen_at=LATER, paid_at=LATER),
    ),
    "two notices of different amounts": (
        lambda: settled(a_live_booking(), seen(Remote.PAID, "74", by_query=False)),
        seen(Remote.REFUNDED, "75", at=LATER, by_query=False),
        replace(NOTICED, received=Money.parse("74"), paid_at=LATER),
    ),
    "proven after a notice, without when and number": (
        lambda: settled(a_live_booking(), seen(Remote.PAID, "75", by_query=False, commission=FEE)),
        replace(seen(Remote.PAID, "75", at=LATER, commission=TEN), paid_at=None, transaction_id=""),
        replace(PAID, seen_at=LATER, commission=FEE),
    ),
    "a notice of what is proven": (
        a_confirmed_booking, seen(Remote.FULL_REFUNDED, "75", at=LATER, by_query=False), PAID,
    ),
    "the same again": (a_confirmed_booking, seen(Remote.PAID, "80", at=LATER), PAID),
    "being returned": (
        a_confirmed_booking,
        seen(Remote.REFUNDING, "80", at=LATER),
        replace(PAID, status=Remote.REFUNDING, seen_at=LATER, paid_at=LATER),
    ),
    "being returned, asked at the same moment": (
        a_confirmed_booking, seen(Remote.REFUNDING, "75"), replace(PAID, status=Remote.REFUNDING),
    ),
    "being returned, asked a moment before": (
        a_confirmed_booking, seen(Remote.REFUNDING, "75", at=AT - SECOND), PAID,
    ),
    "returned no more": (
        lambda: settled(a_confirmed_booking(), seen(Remote.REFUNDING, "75", at=LATER), now=LATER),
        seen(Remote.PAID, "75", at=LATER + SECOND),
        replace(PAID, seen_at=LATER + SECOND, paid_at=LATER + SECOND),
    ),
    "paid, after it was closed": (
        lambda: with_order(replace(LIVE, status=Remote.EXPIRED, seen_at=LATER)),
        seen(Remote.PAID, "75"),
        PAID,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HEARD)
def test_an_answer_changes_of_an_order_what_it_says_and_nothing_else(name):
    make, answer, wanted = HEARD[name]

    assert settled(make(), answer, slot=SlotSeen.UNKNOWN).orders == (wanted,)


def test_an_unknown_word_is_told_to_the_owner_when_it_is_heard():
    booking = a_live_booking(outbox=())

    after = settled(booking, seen(Remote.UNKNOWN, at=LATER), now=LATER + MINUTE)

    assert after.outbox == (an_item("alert:unknown_status", LATER),)
    assert after.history == booking.history


def test_money_at_the_console_is_looked_for_again_whenever_the_order_tells_of_refunds():
    call = settled(sent(with_refund()), seen(Remote.FULL_REFUNDED, "75", at=LATER), now=LATER)
    done = replace(call.refunds[0], status=refunds.RefundStatus.DONE)

    after = settled(call.with_refund(done), seen(Remote.FULL_REFUNDED, "75", at=LATER + MINUTE), now=LATER + MINUTE)

    assert len(call.refunds) == 1
    assert [(one.cause, str(one.amount)) for one in after.refunds] == [(Cause.OWNER, "10"), (Cause.CONSOLE, "65")]
    assert after.refunds[1].done_at == LATER + MINUTE


# --- what a row of the table leaves -----------------------------------------------------------------------------------


def due_of(booking: Booking) -> list[tuple[str, int]]:
    """What is owed, in its order, and in how many seconds from NOW. The books' own are left out."""
    return [
        (one.task.key, round((one.due - NOW).total_seconds()))
        for one in booking.outbox
        if not isinstance(one.task, PostLedger)
    ]


ONE, TWO = f"{'b' * 24}001", f"{'b' * 24}002"
LOST = SlotSeen.LOST
CALENDLY = CalendarKind.CALENDLY
LATE = NOW + 20 * MINUTE
OWED = {
    "confirmed": (
        lambda: settled(a_live_booking(outbox=()), seen(Remote.PAID, "75")),
        [("send:confirmed", 60), ("send:owner_confirmed", 60)],
    ),
    "confirmed at Calendly": (
        lambda: settled(a_live_booking(outbox=(), calendar=CALENDLY), seen(Remote.PAID, "75")),
        [("send:confirmed", 60), ("send:owner_confirmed", 60), ("tidy_events", 360)],
    ),
    "paid, and the time is lost": (
        lambda: settled(a_live_booking(outbox=()), seen(Remote.PAID, "75"), slot=LOST),
        [("send:choose", 60), ("alert:slot_lost", 60)],
    ),
    "late, and the time is lost": (
        lambda: settled(an_expired_booking(outbox=()), seen(Remote.PAID, "75", at=LATE), slot=LOST, now=LATE),
        [("send:choose", 1200), ("alert:late", 1200)],
    ),
    "not confirmed for ten minutes": (
        lambda: settled(settled(a_live_booking(outbox=()), seen(Remote.PAID, "75", by_query=False)), now=AT + EXPIRY),
        [("alert:unconfirmed", 960)],
    ),
    "short": (
        lambda: settled(a_live_booking(outbox=()), seen(Remote.PAID, "74")),
        [(f"send:refund_started:{ONE}R01", 60), ("alert:amount", 60)],
    ),
    "short, and the rest may come": (
        lambda: settled(topping_up(a_live_booking(outbox=())), seen(Remote.PAID, "74")),
        [("send:short", 60), ("alert:amount", 60)],
    ),
    "too much": (
        lambda: settled(a_live_booking(outbox=()), seen(Remote.PAID, "85"), slot=SlotSeen.UNKNOWN),
        [(f"send:refund_started:{ONE}R01", 60), ("alert:amount", 60)],
    ),
    "twice": (
        lambda: settled(
            another_order(a_confirmed_booking(outbox=())), seen(Remote.PAID, "75", order=2, at=LATER), now=LATER
        ),
        [(f"send:refund_started:{TWO}R01", 120), ("alert:paid_twice", 120)],
    ),
    "unclear": (
        lambda: settled(a_live_booking(outbox=()), seen(Remote.PAID)),
        [(f"alert:unclear:{ONE}", 60), ("send:problem", 60)],
    ),
    "confirmed, and nobody knows how much left": (
        lambda: settled(a_confirmed_booking(outbox=()), seen(Remote.REFUNDED, "75", at=LATER), now=LATER),
        [(f"alert:console_refund:{ONE}R01", 120), ("alert:returned", 120)],
    ),
    "confirmed, and a part left by the console": (
        lambda: heard(a_confirmed_booking(outbox=()), found("10")),
        [("alert:console_refund:console1", 120), ("alert:returned", 120)],
    ),
    "paid, and all of it left by the console": (
        lambda: heard(replace(choosing(), outbox=()), found("75")),
        [
            ("alert:console_refund:console1", 120), (f"release_event:{EVENT}", 120), ("tidy_events", 420),
            ("send:cancelled", 120),
        ],
    ),
    "not chosen in time": (
        lambda: settled(replace(choosing(), outbox=(), slot=a_booking().slot), slot=LOST, now=choosing().choose_by),
        [(f"send:refund_started:{ONE}R01", 172860)],
    ),
    "not paid": (
        lambda: settled(a_live_booking(outbox=(), calendar=CALENDLY), seen(Remote.EXPIRED, at=LATE), now=LATE),
        [(f"release_event:{EVENT}", 1200), ("tidy_events", 1500), ("send:expired", 1200)],
    ),
    "short, sent back and not paid again": (
        lambda: settled(replace(settled(a_live_booking(), seen(Remote.PAID, "74")), outbox=()), now=LATE), [],
    ),
    "given up": (
        lambda: settled(a_live_booking(outbox=(), cancel_requested=True), seen(Remote.CANCELED)), [],
    ),
    "the provider out of reach": (
        lambda: settled(a_live_booking(outbox=()), now=END + 11 * MINUTE), [("alert:unreachable", 1560)],
    ),
    "a refund that is slow": (
        lambda: settled(
            replace(customer_actions.refund_part(with_refund(), TEN, LATER, cancels=False), outbox=()),
            now=LATER + 96 * EXPIRY,
        ),
        [(f"alert:refund_slow:{ONE}R01", 86520), (f"alert:refund_slow:{ONE}R02", 86520)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OWED)
def test_what_is_owed_after_it_in_its_order_and_from_when(name):
    make, wanted = OWED[name]

    assert due_of(make()) == wanted


@pytest.mark.parametrize(
    ("make", "alert", "since"),
    [
        (lambda: settled(a_live_booking(), seen(Remote.PAID, "75", by_query=False)), "alert:unconfirmed", AT),
        (lambda: a_live_booking(), "alert:unreachable", END + MINUTE),
    ],
    ids=["unconfirmed", "unreachable"],
)
def test_the_owner_is_told_after_exactly_ten_minutes_of_waiting(make, alert, since):
    told = [alert in owed(settled(make(), now=since + wait)) for wait in (10 * MINUTE - SECOND, 10 * MINUTE)]

    assert told == [False, True]


def test_nobody_is_told_that_a_lost_time_is_not_confirmed():
    paid = settled(a_live_booking(), seen(Remote.PAID, "75"), slot=LOST)

    assert "alert:unconfirmed" not in owed(settled(paid, now=AT + EXPIRY, slot=SlotSeen.UNKNOWN))


def test_a_paid_booking_carries_when_it_was_paid_and_confirmed_and_what_it_was_worth():
    part_kept = settled(a_live_booking(agreed_amount=Money.parse("50")), seen(Remote.PAID, "50"))
    late = settled(an_expired_booking(cancel_requested=True), seen(Remote.PAID, "75", at=LATE), now=LATE)

    assert (part_kept.paid_at, part_kept.confirmed_at, part_kept.earned) == (AT, AT, Money.parse("50"))
    assert (late.paid_at, late.ended_at, late.cancel_requested, late.choose_by) == (LATE, None, False, None)


@pytest.mark.parametrize(
    ("changes", "can_arrive"),
    [
        ({}, True),
        ({"status": Remote.EXPIRED}, False),
        ({"status": Remote.PAID}, False),
        ({"status": None, "uncertain": True}, True),
        ({"status": None, "tries": 1}, True),
        ({"status": None}, False),
        ({"status": None, "retry_at": NOW}, False),
        ({"status": None, "retry_at": NOW + SECOND}, True),
    ],
)
def test_money_can_arrive_for_what_is_open_there_or_may_be(changes, can_arrive):
    order = replace(LIVE, tries=0, status=changes.get("status"))
    booking = with_order(replace(order, **{"status": Remote.INITIAL, **changes}))

    assert lifecycle.no_money_can_arrive(booking, NOW) is not can_arrive


def test_the_rest_is_asked_for_by_a_new_order_and_only_where_no_other_may_bring_it():
    short = settled(topping_up(a_live_booking()), seen(Remote.PAID, "70"))
    open_one = settled(topping_up(another_order(a_live_booking())), seen(Remote.PAID, "70"))
    closed = settled(topping_up(another_order(a_live_booking(), status=Remote.CANCELED)), seen(Remote.PAID, "70"))

    rest = PaymentOrder(2, TWO, AT, Money.parse("5"), tries=0, retry_at=AT)
    assert short.orders[1:] == (rest,)
    assert len(open_one.orders) == 2
    assert closed.orders[2:] == (replace(rest, number=3, trade_no=f"{'b' * 24}003"),)


def test_a_rest_that_came_short_again_is_asked_for_once_more():
    again = settled(short_with_rest(), seen(Remote.PAID, "3", order=2, at=LATER), now=LATER)

    assert [str(one.amount) for one in again.orders] == ["75", "5", "2"]


FLAGS = {
    "a part that left by the console": (lambda: heard(a_confirmed_booking(), found("10")), {Flag.NEEDS_OWNER}),
    "a part that was agreed to go": (with_refund, set()),
    "unreadable money": (lambda: settled(a_live_booking(), seen(Remote.PAID)), {Flag.NEEDS_OWNER}),
    "short": (lambda: settled(a_live_booking(), seen(Remote.PAID, "74")), {Flag.UNDERPAID}),
    "short and late": (
        lambda: settled(an_expired_booking(), seen(Remote.PAID, "74", at=LATE), now=LATE),
        {Flag.UNDERPAID, Flag.PAID_LATE},
    ),
    "too much and late": (
        lambda: settled(an_expired_booking(), seen(Remote.PAID, "80", at=LATE), now=LATE),
        {Flag.OVERPAID, Flag.PAID_LATE},
    ),
    "twice": (lambda: twice("75", "75"), {Flag.PAID_TWICE}),
    "found without its amount": (
        lambda: settled(a_confirmed_booking(), seen(Remote.REFUNDED, "75", at=LATER), now=LATER), {Flag.NEEDS_OWNER},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FLAGS)
def test_what_is_odd_about_it(name):
    make, wanted = FLAGS[name]

    assert make().flags == wanted
