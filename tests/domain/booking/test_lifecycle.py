from dataclasses import replace
from datetime import timedelta

import pytest

from inspired.adapters.mongo.spellings import task_in
from inspired.domain.booking import customer_actions, delivery, lifecycle, payment_orders, polling
from inspired.domain.booking.claims import Tick
from inspired.domain.booking.history import EventKind
from inspired.domain.booking.lifecycle import SlotSeen
from inspired.domain.booking.outbox import Result
from inspired.domain.booking.polling import ASK_EVERY, ASK_SOON
from inspired.domain.booking.states import CalendarKind, Cause, Flag, Remote, State
from inspired.domain.shared.errors import Conflict
from tests.factories import (
    CALL,
    CHECKOUT,
    EVENT,
    MINUTE,
    NOW,
    SECOND,
    a_booking,
    a_confirmed_booking,
    a_draft,
    a_live_booking,
    a_returned,
    an_expired_booking,
    owed,
    seen,
    settled,
    topping_up,
)

DEADLINE = NOW + 16 * MINUTE  # 15 minutes to pay, and a minute more for the slot
AFTER = DEADLINE + SECOND
LATE = NOW + 20 * MINUTE
CHOICE = timedelta(hours=48)
FIRST = f"{'b' * 24}001"


# --- money that fits ------------------------------------------------------------------------------------------------


def test_exact_money_by_our_query_on_a_secured_slot_is_confirmed_in_one_step():
    after = settled(a_live_booking(), seen(Remote.PAID, "75"))

    assert after.state is State.CONFIRMED
    assert after.flags == frozenset()
    assert owed(after) == {"send:held", "send:confirmed", "send:owner_confirmed", "post:2"}
    assert (after.paid_at, after.confirmed_at) == (NOW + MINUTE, NOW + MINUTE)


def test_a_signed_notice_alone_makes_it_paid_but_never_confirmed():
    after = settled(a_live_booking(), seen(Remote.PAID, "75", by_query=False))

    assert after.state is State.PAID
    assert owed(after) == {"send:held"}
    assert polling.scheduled(replace(after, outbox=()), NOW + MINUTE).check_at == NOW + MINUTE + ASK_SOON


def test_the_query_that_agrees_with_the_notice_confirms():
    paid = settled(a_live_booking(), seen(Remote.PAID, "75", by_query=False))

    after = settled(paid, seen(Remote.PAID, "75", at=NOW + 2 * MINUTE), now=NOW + 2 * MINUTE)

    assert after.state is State.CONFIRMED


def test_paid_with_an_unknown_slot_waits_and_asks_again_soon():
    after = settled(a_live_booking(calendar=CalendarKind.CALENDLY), seen(Remote.PAID, "75"), slot=SlotSeen.UNKNOWN)

    assert after.state is State.PAID
    assert polling.scheduled(replace(after, outbox=()), NOW + MINUTE).check_at == NOW + MINUTE + ASK_SOON


def test_paid_with_a_lost_slot_is_not_confirmed_and_the_customer_chooses():
    live = a_live_booking(calendar=CalendarKind.CALENDLY)

    after = settled(live, seen(Remote.PAID, "75"), slot=SlotSeen.LOST)

    assert (after.state, after.flags) == (State.PAID, {Flag.SLOT_LOST})
    assert after.choose_by == NOW + MINUTE + CHOICE
    assert owed(after) == {"send:held", "send:choose", "alert:slot_lost", "post:1"}
    assert after.refunds == ()


def test_a_choice_that_was_not_made_in_time_ends_in_the_money_going_back_and_then_refunded():
    lost = settled(a_live_booking(calendar=CalendarKind.CALENDLY), seen(Remote.PAID, "75"), slot=SlotSeen.LOST)
    end = lost.choose_by

    just_before = settled(lost, slot=SlotSeen.LOST, now=end - SECOND)
    after = settled(lost, slot=SlotSeen.LOST, now=end)

    assert (just_before.refunds, just_before.check_at is not None) == ((), True)
    assert [(one.amount.shown, one.cause) for one in after.refunds] == [("75 USDT", Cause.NO_TIME)]
    assert (after.state, after.choose_by) == (State.CANCELLED, None)
    assert f"release_event:{EVENT}" in owed(after)
    assert settled(a_returned(after, end), now=end).state is State.REFUNDED


def test_the_clock_comes_back_to_a_choice_at_its_end():
    lost = settled(a_live_booking(calendar=CalendarKind.CALENDLY), seen(Remote.PAID, "75"), slot=SlotSeen.LOST)
    waiting = settled(an_expired_booking(), seen(Remote.PAID, "75", at=LATE), slot=SlotSeen.LOST, now=LATE)

    for booking in (lost, waiting):
        assert polling.scheduled(replace(booking, outbox=()), booking.choose_by).check_at is not None
        assert polling.scheduled(replace(booking, outbox=()), booking.choose_by - SECOND).check_at <= (
            booking.choose_by + SECOND
        )


def test_money_at_the_last_moment_before_the_slot_went_is_confirmed():
    after = settled(a_live_booking(), seen(Remote.PAID, "75", at=AFTER), now=AFTER)

    assert after.state is State.CONFIRMED


@pytest.mark.parametrize(
    ("status", "flags", "told"),
    [
        (Remote.REFUNDING, {Flag.NEEDS_OWNER}, {"send:problem", f"alert:unclear:{FIRST}"}),
        (
            Remote.REFUNDED,
            {Flag.NEEDS_OWNER},
            {"send:problem", f"alert:unclear:{FIRST}", f"alert:console_refund:{FIRST}R01"},
        ),
        (Remote.FULL_REFUNDED, set(), {f"alert:console_refund:{FIRST}R01"}),
    ],
)
def test_money_that_went_back_before_it_was_confirmed_confirms_nothing(status, flags, told):
    after = settled(a_live_booking(), seen(status, "75"))

    assert (after.state, after.flags) == (State.PENDING, flags)
    assert {name for name in owed(after) if not name.startswith("post:")} == told | {"send:held"}


@pytest.mark.parametrize("status", [Remote.REFUNDING, Remote.REFUNDED, Remote.FULL_REFUNDED])
def test_a_confirmed_call_whose_money_left_by_another_way_stays_and_the_owner_decides(status):
    after = settled(a_confirmed_booking(), seen(status, "75", at=NOW + 5 * MINUTE))

    assert (after.state, after.flags) == (State.CONFIRMED, {Flag.NEEDS_OWNER})
    assert after.order.status is status
    assert "alert:returned" in owed(after)
    assert "send:problem" not in owed(after)


def test_a_clock_that_is_ahead_where_the_notice_came_in_does_not_hold_up_the_query():
    ahead = settled(a_live_booking(), seen(Remote.PAID, "75", at=NOW + 10 * MINUTE, by_query=False))

    after = settled(ahead, seen(Remote.PAID, "75", at=NOW + MINUTE))

    assert after.state is State.CONFIRMED


def test_a_notice_with_another_amount_decides_nothing_before_our_own_query():
    noticed = settled(a_live_booking(), seen(Remote.PAID, "74", by_query=False))

    assert (noticed.state, noticed.flags) == (State.PENDING, frozenset())
    assert noticed.check_at <= NOW + MINUTE + ASK_SOON
    assert settled(noticed, seen(Remote.PAID, "75", at=NOW + 2 * MINUTE)).state is State.CONFIRMED
    assert Flag.UNDERPAID in settled(noticed, seen(Remote.PAID, "74", at=NOW + 2 * MINUTE)).flags
    assert noticed.refunds == (), "money that is not proven is not sent back"


def test_paid_and_not_confirmed_for_ten_minutes_alerts_and_is_asked_more_patiently():
    paid = settled(a_live_booking(outbox=()), seen(Remote.PAID, "75", by_query=False))
    later = NOW + 12 * MINUTE

    after = settled(paid, now=later)

    assert "alert:unconfirmed" in owed(after)
    asked_often = replace(after, outbox=(), unanswered_checks=polling.OFTEN_TIMES)
    assert polling.scheduled(asked_often, later).check_at == later + polling.ASK_PATIENTLY


def test_an_answer_that_is_due_is_asked_for_ever_more_patiently():
    booking = settled(a_live_booking(outbox=()), seen(Remote.PAID, "75", by_query=False))
    now, pauses = booking.paid_at, []

    for _ in range(polling.OFTEN_TIMES + 5):
        booking = replace(polling.looked_at(booking, booking, now), outbox=())
        pauses.append(booking.check_at - now)
        now = booking.check_at

    soon, often = pauses.count(ASK_SOON), pauses.count(ASK_EVERY)
    assert pauses == [ASK_SOON] * soon + [ASK_EVERY] * often + [polling.ASK_PATIENTLY] * (len(pauses) - soon - often)
    assert (soon, often) == (polling.SOON_TIMES, polling.OFTEN_TIMES - polling.SOON_TIMES)


def test_where_everything_stood_still_the_first_questions_are_asked_soon_again():
    paid = settled(a_live_booking(outbox=()), seen(Remote.PAID, "75", by_query=False))
    hour_later = NOW + timedelta(hours=1)

    after = polling.looked_at(paid, settled(paid, now=hour_later), hour_later)

    assert polling.scheduled(replace(after, outbox=()), hour_later).check_at == hour_later + ASK_SOON


@pytest.mark.parametrize("unanswered_checks", [0, 39])
def test_looks_are_counted_only_while_an_answer_is_due_and_nothing_new_is_heard(unanswered_checks: int):
    live = replace(a_live_booking(outbox=()), unanswered_checks=unanswered_checks)
    over = live.deadline + MINUTE

    assert polling.looked_at(live, live, NOW).unanswered_checks == 0, "a live order is asked about at its own pace"
    assert polling.looked_at(live, live, over).unanswered_checks == unanswered_checks + 1
    assert polling.looked_at(live, live.noted(over, EventKind.ORDER_CLOSED), over).unanswered_checks == 0


def test_a_slot_that_was_found_after_all_is_no_longer_told_as_lost():
    lost = settled(a_live_booking(calendar=CalendarKind.CALENDLY), seen(Remote.PAID, "75"), slot=SlotSeen.LOST)

    after = settled(lost, slot=SlotSeen.SECURED)

    assert (after.state, after.flags) == (State.CONFIRMED, frozenset())


# --- money that does not fit ----------------------------------------------------------------------------------------


def test_a_short_payment_confirms_nothing_and_all_of_it_goes_back():
    after = settled(a_live_booking(), seen(Remote.PAID, "74.99999999"))

    assert (after.state, after.flags) == (State.PENDING, {Flag.UNDERPAID})
    assert [(one.amount.shown, one.cause) for one in after.refunds] == [("74.99999999 USDT", Cause.SHORT)]
    assert owed(after) == {"send:held", f"send:refund_started:{FIRST}R01", "alert:amount", "post:1"}


def test_the_whole_price_can_be_paid_after_a_short_payment_was_sent_back():
    short = settled(a_live_booking(), seen(Remote.PAID, "74"))
    again = payment_orders.try_again(short, NOW + 2 * MINUTE)

    after = settled(again, seen(Remote.PAID, "75", order=2, at=NOW + 3 * MINUTE), now=NOW + 3 * MINUTE)

    assert again.order.amount.shown == "75 USDT"
    assert after.state is State.CONFIRMED
    assert [(one.trade_no, one.amount.shown) for one in after.refunds] == [(FIRST, "74 USDT")]


def test_a_short_payment_may_be_completed_where_the_policy_says_so():
    short = settled(topping_up(a_live_booking()), seen(Remote.PAID, "70"))

    after = settled(short, seen(Remote.PAID, "5", order=2, at=NOW + 2 * MINUTE), now=NOW + 2 * MINUTE)

    assert (short.state, short.flags, short.refunds) == (State.PENDING, {Flag.UNDERPAID}, ())
    assert short.order.amount.shown == "5 USDT"
    assert {"send:short", "alert:amount"} <= owed(short)
    assert (after.state, after.refunds) == (State.CONFIRMED, ())


def test_the_rest_is_asked_for_once_by_itself_and_then_by_the_customers_button():
    short = settled(topping_up(a_live_booking()), seen(Remote.PAID, "70"))
    closed = settled(short, seen(Remote.CANCELED, order=2, at=NOW + 2 * MINUTE), now=NOW + 2 * MINUTE)

    again = payment_orders.try_again(closed, NOW + 3 * MINUTE)

    assert len(closed.orders) == 2
    assert [one.amount.shown for one in again.orders] == ["75 USDT", "5 USDT", "5 USDT"]


def test_a_short_payment_that_was_not_completed_in_time_goes_back_and_then_the_slot_is_free():
    short = settled(topping_up(a_live_booking()), seen(Remote.PAID, "70"))

    still_open = settled(short, seen(Remote.INITIAL, order=2, at=AFTER), now=AFTER)
    after = settled(still_open, seen(Remote.CANCELED, order=2, at=AFTER + SECOND), now=AFTER + SECOND)

    assert (still_open.state, still_open.refunds) == (State.PENDING, ())
    assert (after.state, after.claims) == (State.EXPIRED, ())
    assert [(one.amount.shown, one.cause) for one in after.refunds] == [("70 USDT", Cause.SHORT)]


def test_too_much_confirms_and_the_surplus_goes_back_by_itself():
    after = settled(a_live_booking(), seen(Remote.PAID, "75.00000001"))

    assert (after.state, after.flags) == (State.CONFIRMED, {Flag.OVERPAID})
    assert [(one.amount.shown, one.cause) for one in after.refunds] == [("0.00000001 USDT", Cause.SURPLUS)]
    assert {"send:confirmed", "alert:amount", f"send:refund_started:{FIRST}R01"} <= owed(after)


@pytest.mark.parametrize(("amount", "currency"), [("75", "BNB"), (None, "USDT")])
def test_money_that_cannot_be_counted_is_kept_and_the_owner_sees_it(amount, currency):
    after = settled(a_live_booking(), seen(Remote.PAID, amount, currency=currency))

    assert (after.state, after.flags, after.refunds) == (State.PENDING, {Flag.NEEDS_OWNER}, ())
    assert {name for name in owed(after) if not name.startswith("post:")} == {
        "send:held", "send:problem", f"alert:unclear:{FIRST}",
    }  # fmt: skip


def test_the_slot_of_money_that_cannot_be_counted_goes_at_the_deadline_and_the_money_stays_in_sight():
    foreign = settled(a_live_booking(), seen(Remote.PAID, "75", currency="BNB"))

    after = settled(foreign, now=AFTER)

    assert (after.state, after.flags, after.claims) == (State.EXPIRED, {Flag.NEEDS_OWNER}, ())
    assert after.order.received.shown == "75 BNB"


@pytest.mark.parametrize("end", [State.EXPIRED, State.CANCELLED])
def test_a_late_payment_takes_the_same_slot_again_where_it_is_free(end):
    ended = an_expired_booking(state=end, outbox=())

    after = settled(ended, seen(Remote.PAID, "75", at=LATE), now=LATE)

    assert (after.state, after.flags, after.ended_at) == (State.CONFIRMED, {Flag.PAID_LATE}, None)
    assert owed(after) == {"send:confirmed", "send:owner_confirmed", "post:2"}
    assert [claim for claim in after.claims if isinstance(claim, Tick)]


@pytest.mark.parametrize("end", [State.EXPIRED, State.CANCELLED])
def test_a_late_payment_whose_slot_is_gone_lets_the_customer_choose(end):
    ended = an_expired_booking(state=end, outbox=())

    after = settled(ended, seen(Remote.PAID, "75", at=LATE), slot=SlotSeen.LOST, now=LATE)

    assert (after.state, after.flags) == (end, {Flag.PAID_LATE, Flag.SLOT_LOST})
    assert after.choose_by == LATE + CHOICE
    assert owed(after) == {"send:choose", "alert:late", "post:1"}
    assert (after.order.received.shown, after.refunds) == ("75 USDT", ())


@pytest.mark.parametrize("by_query", [True, False])
def test_late_money_is_flagged_before_the_calendar_has_answered(by_query):
    late = seen(Remote.PAID, "75", at=LATE, by_query=by_query)

    after = settled(an_expired_booking(), late, slot=SlotSeen.UNKNOWN, now=LATE)

    assert (after.state, after.flags) == (State.EXPIRED, {Flag.PAID_LATE})
    assert polling.scheduled(replace(after, outbox=()), LATE).check_at == LATE + ASK_EVERY


def test_a_late_payment_that_is_short_goes_back():
    after = settled(an_expired_booking(), seen(Remote.PAID, "70", at=LATE), now=LATE)

    assert (after.state, after.flags) == (State.EXPIRED, {Flag.UNDERPAID, Flag.PAID_LATE})
    assert [(one.amount.shown, one.cause) for one in after.refunds] == [("70 USDT", Cause.SHORT)]


def with_a_second_order(booking):
    second = replace(
        booking.orders[0], number=2, trade_no="b" * 24 + "002", status=Remote.INITIAL, received=None, proven=False
    )
    return replace(booking, orders=(*booking.orders, second))


def test_a_second_payment_goes_back_and_the_first_stays():
    booking = with_a_second_order(a_confirmed_booking())

    after = settled(booking, seen(Remote.PAID, "75", order=2, at=NOW + 2 * MINUTE))

    assert (after.state, after.flags) == (State.CONFIRMED, {Flag.PAID_TWICE})
    assert "alert:paid_twice" in owed(after)
    assert [(one.trade_no[-3:], one.amount.shown, one.cause) for one in after.refunds] == [
        ("002", "75 USDT", Cause.SECOND)
    ]


@pytest.mark.parametrize(("amount", "currency"), [("75", "BNB"), (None, "USDT")])
@pytest.mark.parametrize("first", [{}, {"by_query": False}, {"amount": "80"}])
def test_money_that_cannot_be_counted_is_told_whatever_stands_beside_it(first, amount, currency):
    """A call that is confirmed, or paid by a notice only, hides no second payment in another currency."""
    paid = settled(a_live_booking(), seen(Remote.PAID, **{"amount": "75", **first}))
    booking = with_a_second_order(replace(paid, outbox=()))
    state = State.CONFIRMED if first.get("by_query", True) else State.PAID

    after = settled(booking, seen(Remote.PAID, amount, order=2, at=NOW + 2 * MINUTE, currency=currency))

    assert (after.state, Flag.NEEDS_OWNER in after.flags) == (state, True)
    assert {f"alert:unclear:{booking.orders[1].trade_no}", "send:problem"} <= owed(after)
    assert (after.earned, after.refunds) == (booking.earned, booking.refunds)


def test_each_payment_that_cannot_be_counted_is_told_to_the_owner_and_once_to_the_customer():
    first = settled(with_a_second_order(a_live_booking()), seen(Remote.PAID, "75", currency="BNB"))
    told = replace(first, outbox=(), delivered=frozenset(item.task for item in first.outbox))

    after = settled(told, seen(Remote.PAID, None, order=2, at=NOW + 2 * MINUTE))

    assert owed(after) == {f"alert:unclear:{told.orders[1].trade_no}"}


def test_a_second_payment_is_told_whatever_else_is_odd():
    booking = with_a_second_order(settled(topping_up(a_live_booking()), seen(Remote.PAID, "75.5")))

    after = settled(booking, seen(Remote.PAID, "75", order=2, at=NOW + 2 * MINUTE))

    assert after.flags == {Flag.OVERPAID, Flag.PAID_TWICE}
    assert {"alert:amount", "alert:paid_twice"} <= owed(after)
    assert [(one.trade_no[-3:], one.amount.shown, one.cause) for one in after.refunds] == [
        ("001", "0.5 USDT", Cause.SURPLUS),
        ("002", "75 USDT", Cause.SECOND),
    ]


def test_once_there_is_money_every_other_order_is_closed_and_asked_about():
    booking = with_a_second_order(a_confirmed_booking(outbox=()))
    second = booking.orders[1]

    assert polling.orders_to_close(booking, NOW) == (second,)
    assert polling.orders_to_ask(booking, NOW) == (second,)
    assert polling.scheduled(booking, NOW).check_at == NOW + ASK_EVERY


def test_one_answer_of_no_such_order_does_not_end_an_order_that_was_created():
    live = a_live_booking(outbox=())

    after = settled(live, seen(None))

    assert after.order.is_payable
    assert not payment_orders.may_try_again(after, NOW + MINUTE)
    assert after.check_at == NOW + MINUTE + ASK_EVERY


def test_a_question_asked_before_the_order_was_created_does_not_end_it():
    stuck = failing(a_booking(), most=1)
    again = payment_orders.creating(payment_orders.try_again(stuck, NOW + MINUTE), NOW + MINUTE)
    live = payment_orders.created(again, again.order.trade_no, CHECKOUT, NOW + MINUTE)

    after = settled(live, seen(None, at=NOW + 59 * SECOND))

    assert after.order == live.order


def test_a_late_closed_never_undoes_a_payment():
    confirmed = a_confirmed_booking()

    after = settled(confirmed, seen(Remote.CANCELED, at=NOW + 5 * MINUTE), now=NOW + 5 * MINUTE)

    assert after.state is State.CONFIRMED
    assert after.order.received.shown == "75 USDT"


def test_an_older_observation_changes_nothing():
    booking = settled(a_live_booking(), seen(Remote.PENDING, at=NOW + MINUTE))

    after = settled(booking, seen(Remote.CANCELED, at=NOW + 30 * SECOND))

    assert after.order.status is Remote.PENDING


def test_an_observation_about_an_order_of_nobody_changes_nothing():
    booking = a_live_booking()
    stranger = replace(seen(Remote.PAID, "75"), trade_no="c" * 24 + "001")

    assert settled(booking, stranger) == polling.scheduled(booking, NOW + MINUTE)


def test_an_unknown_word_of_the_provider_is_not_paid_and_alerts():
    after = settled(a_live_booking(), seen(Remote.UNKNOWN))

    assert after.state is State.PENDING
    assert "alert:unknown_status" in owed(after)


# --- the end without money ------------------------------------------------------------------------------------------


def test_the_slot_goes_only_when_the_order_was_seen_closed_after_the_deadline():
    open_still = settled(a_live_booking(), seen(Remote.INITIAL, at=AFTER), now=AFTER)
    closed = settled(open_still, seen(Remote.CANCELED, at=AFTER + SECOND), now=AFTER + SECOND)

    assert open_still.state is State.PENDING
    assert open_still.check_at is not None
    assert closed.state is State.EXPIRED
    assert closed.claims == ()
    assert "send:expired" in owed(closed)


def test_an_order_closed_early_keeps_the_slot_until_the_deadline():
    after = settled(a_live_booking(), seen(Remote.ERROR))

    assert after.state is State.PENDING
    assert payment_orders.may_try_again(after, NOW + MINUTE)


def test_the_provider_out_of_reach_at_the_deadline_holds_the_slot_and_alerts_after_ten_minutes():
    asked = settled(a_live_booking(), now=AFTER)
    much_later = settled(asked, now=DEADLINE + timedelta(minutes=10))

    assert asked.state is State.PENDING
    assert "alert:unreachable" not in owed(asked)
    assert much_later.state is State.PENDING
    assert "alert:unreachable" in owed(much_later)


def test_an_order_that_was_never_sent_expires_without_asking():
    assert settled(a_booking(), now=AFTER).state is State.EXPIRED


def test_an_order_somebody_is_sending_this_moment_does_not_expire():
    sending = payment_orders.creating(a_booking(), NOW + 14 * MINUTE)
    asked_meanwhile = seen(None, at=NOW + 14 * MINUTE + SECOND)

    after = settled(sending, asked_meanwhile, now=NOW + 14 * MINUTE + SECOND)

    assert after.order.status is None
    assert not lifecycle.no_money_can_arrive(after, NOW + 14 * MINUTE + SECOND)


def test_an_order_the_provider_never_got_is_over_after_the_time_to_pay():
    failed = failing(a_booking(), uncertain=True)

    after = settled(failed, seen(None, at=AFTER), now=AFTER)

    assert after.state is State.EXPIRED


def test_an_expired_booking_at_calendly_owes_the_cancelling_of_its_event():
    late = NOW + timedelta(minutes=17)

    after = settled(a_live_booking(calendar=CalendarKind.CALENDLY), seen(Remote.EXPIRED, at=late), now=late)

    assert f"release_event:{EVENT}" in owed(after)


def test_giving_up_waits_for_the_order_to_be_seen_closed():
    cancel_requested = customer_actions.give_up(a_live_booking(), NOW)

    still = settled(cancel_requested, seen(Remote.INITIAL))
    gone = settled(still, seen(Remote.CANCELED, at=NOW + 2 * MINUTE), now=NOW + 2 * MINUTE)

    assert polling.orders_to_close(cancel_requested, NOW) == cancel_requested.orders
    assert still.state is State.PENDING
    assert gone.state is State.CANCELLED
    assert gone.claims == ()


def test_money_that_crosses_giving_up_wins():
    cancel_requested = customer_actions.give_up(a_live_booking(), NOW)

    assert settled(cancel_requested, seen(Remote.PAID, "75")).state is State.CONFIRMED


def test_giving_up_twice_is_one():
    cancel_requested = customer_actions.give_up(a_live_booking(), NOW)

    assert customer_actions.give_up(cancel_requested, NOW + MINUTE) == cancel_requested


def test_a_draft_can_be_given_up_and_a_confirmed_call_cannot():
    assert customer_actions.give_up(a_draft(), NOW).state is State.CANCELLED
    with pytest.raises(Conflict):
        customer_actions.give_up(a_confirmed_booking(), NOW)


# --- creating the order ---------------------------------------------------------------------------------------------


def test_creating_is_counted_and_leased_before_the_call():
    first = payment_orders.creating(a_booking(), NOW)

    assert first.order.tries == 1
    assert payment_orders.creating(first, NOW + SECOND) == first


def test_after_a_crash_in_the_middle_of_create_the_provider_is_asked_first():
    crashed = payment_orders.creating(a_booking(), NOW)
    later = NOW + payment_orders.CREATE_LEASE

    assert not payment_orders.may_create(crashed, later)
    assert payment_orders.may_create(settled(crashed, seen(None, at=later), now=later), later)


def failing(booking, *, uncertain=False, retryable=True, now=NOW, most=3):
    booking = payment_orders.creating(booking, now)
    return payment_orders.create_failed(
        booking, booking.order.trade_no, uncertain=uncertain, retryable=retryable, most_tries=most, now=now, why="x"
    )


def test_after_a_failure_create_is_called_again_later_and_later():
    once = failing(a_booking())
    twice = failing(once, now=NOW + MINUTE)

    assert once.order.retry_at == NOW + 2 * SECOND
    assert twice.order.retry_at == NOW + MINUTE + 4 * SECOND


def test_after_an_unknown_outcome_nothing_is_created_before_the_provider_was_asked():
    unsure = failing(a_booking(), uncertain=True)
    later = NOW + MINUTE

    assert not payment_orders.may_create(unsure, later)
    assert payment_orders.may_create(settled(unsure, seen(None, at=later), now=later), later)


def test_when_the_tries_are_used_up_the_page_offers_a_button_until_the_time_is_over():
    stuck = failing(a_booking(), most=1)

    assert not payment_orders.may_create(stuck, NOW + MINUTE)
    assert payment_orders.may_try_again(stuck, NOW + MINUTE)
    assert not payment_orders.may_try_again(stuck, NOW + 15 * MINUTE)
    assert "alert:create_failed" in owed(stuck)


def test_trying_again_after_an_unknown_outcome_asks_about_the_same_order_first():
    stuck = failing(a_booking(), uncertain=True, most=1)

    again = payment_orders.try_again(stuck, NOW + MINUTE)

    assert again.order.trade_no == stuck.order.trade_no
    assert again.order.tries == 0
    assert not payment_orders.may_create(again, NOW + MINUTE)


def test_trying_again_after_a_closed_order_makes_a_new_one():
    closed = settled(a_live_booking(), seen(Remote.CANCELED))

    again = payment_orders.try_again(closed, NOW + 2 * MINUTE)

    assert [one.number for one in again.orders] == [1, 2]
    assert again.order.trade_no != closed.order.trade_no
    assert payment_orders.may_create(again, NOW + 2 * MINUTE)


def test_trying_again_with_a_live_order_changes_nothing():
    live = a_live_booking()

    assert payment_orders.try_again(live, NOW + MINUTE) == live


def test_an_order_whose_checkout_was_lost_is_closed_and_replaced():
    unsure = failing(a_booking(), uncertain=True)
    found = settled(unsure, seen(Remote.INITIAL))
    assert polling.orders_to_close(found, NOW + MINUTE) == found.orders
    closed = settled(found, seen(Remote.CANCELED, at=NOW + 2 * MINUTE), now=NOW + 2 * MINUTE)

    replaced = payment_orders.lost_checkout(closed, closed.order.trade_no, most_tries=3, now=NOW + 2 * MINUTE)

    assert replaced.order.number == 2
    assert payment_orders.may_create(replaced, NOW + 2 * MINUTE)
    assert payment_orders.lost_checkout(replaced, closed.order.trade_no, most_tries=3, now=NOW + 3 * MINUTE) == replaced


def test_a_lost_checkout_is_not_replaced_when_the_time_is_over():
    unsure = failing(a_booking(), uncertain=True)
    closed = settled(unsure, seen(Remote.CANCELED), now=NOW + MINUTE)

    assert payment_orders.lost_checkout(closed, closed.order.trade_no, most_tries=3, now=AFTER) == closed


def test_late_answers_of_create_do_not_replace_what_is_known():
    live = a_live_booking()
    other = replace(CHECKOUT, prepay_id="2")

    assert payment_orders.created(live, live.order.trade_no, other, NOW) == live
    assert payment_orders.created(live, "nobody", other, NOW) == live
    assert (
        payment_orders.create_failed(
            live, live.order.trade_no, uncertain=True, retryable=True, most_tries=3, now=NOW, why="x"
        )
        == live
    )


# --- time, place and what is owed -----------------------------------------------------------------------------------


def test_the_time_can_change_while_unpaid_and_never_after():
    other = replace(a_booking().slot, span=replace(CALL, start=CALL.start + MINUTE, end=CALL.end + MINUTE))

    moved = customer_actions.change_time(a_live_booking(), other, NOW + MINUTE)

    assert moved.slot == other
    assert moved.deadline == DEADLINE
    for too_late in (a_confirmed_booking(), an_expired_booking(), customer_actions.give_up(a_live_booking(), NOW)):
        with pytest.raises(Conflict):
            customer_actions.change_time(too_late, other, NOW + MINUTE)


def test_changing_the_time_at_calendly_owes_the_cancelling_of_the_old_event():
    booking = a_live_booking(calendar=CalendarKind.CALENDLY)
    other = replace(booking.slot, event_uri="http://calendly/scheduled_events/E2")

    moved = customer_actions.change_time(booking, other, NOW + MINUTE)

    assert f"release_event:{EVENT}" in owed(moved)
    with pytest.raises(Conflict):
        customer_actions.change_time(moved, booking.slot, NOW + MINUTE)


def test_an_effect_is_owed_once_in_a_bookings_life():
    booking = a_live_booking()
    done = delivery.done(delivery.claimed(booking, task_in("send:held"), NOW), task_in("send:held"), NOW, Result.SENT)

    assert owed(booking.owing(NOW, task_in("send:held"))) == {"send:held"}
    assert owed(done.owing(NOW, task_in("send:held"))) == set()
    assert delivery.done(done, task_in("send:held"), NOW) == done


def test_an_effect_is_counted_before_it_is_done_and_put_off_more_after_each_failure():
    booking = delivery.claimed(a_booking(), task_in("send:held"), NOW)
    assert (booking.outbox[0].tries, booking.outbox[0].due) == (1, NOW + delivery.LEASE)

    waits = []
    for _ in range(12):
        booking = delivery.failed(booking, task_in("send:held"), NOW)
        waits.append(booking.outbox[0].due - NOW)
        booking = delivery.claimed(booking, task_in("send:held"), NOW)

    assert waits == sorted(waits)
    assert waits[-1] == delivery.LONGEST_BACKOFF
    assert "alert:undelivered" in owed(booking)


def test_a_mail_refused_for_good_is_given_up_and_the_owner_told():
    booking = delivery.claimed(a_booking(), task_in("send:held"), NOW)

    after = delivery.failed(booking, task_in("send:held"), NOW, for_good=True)

    assert owed(after) == {"alert:undelivered"}
    assert owed(delivery.failed(after, task_in("alert:undelivered"), NOW, for_good=True)) == set()


def test_a_mail_server_that_is_down_for_days_ends_in_giving_up_and_never_in_a_failure():
    booking = a_booking()
    for _ in range(delivery.MOST_MAIL_TRIES):
        booking = delivery.failed(delivery.claimed(booking, task_in("send:held"), NOW), task_in("send:held"), NOW)

    assert task_in("send:held") in booking.delivered


def test_freeing_a_time_in_the_calendar_is_never_given_up():
    booking = customer_actions.event_unwanted(a_booking(), "http://calendly/scheduled_events/E9", NOW)
    name = "release_event:http://calendly/scheduled_events/E9"
    for _ in range(400):
        booking = delivery.failed(delivery.claimed(booking, task_in(name), NOW), task_in(name), NOW, for_good=True)

    assert name in owed(booking)


def test_a_live_order_is_asked_about_every_thirty_seconds():
    live = a_live_booking(outbox=())

    assert settled(live, seen(Remote.INITIAL)).check_at == NOW + MINUTE + ASK_EVERY


def test_a_settled_booking_is_looked_at_no_more():
    assert polling.scheduled(a_confirmed_booking(outbox=()), NOW).check_at is None


def test_after_the_end_late_money_is_looked_for_a_while_and_then_no_more():
    ended = an_expired_booking(outbox=())
    end = ended.ended_at

    assert ended.check_at == end + MINUTE or polling.scheduled(ended, end).check_at == end + MINUTE
    assert polling.orders_to_ask(ended, end + 30 * SECOND) == ()
    assert polling.orders_to_ask(ended, end + MINUTE) == ended.orders
    for wait, following in ((MINUTE, 10 * MINUTE), (10 * MINUTE, timedelta(hours=1)), (timedelta(hours=1), None)):
        unanswered = polling.scheduled(ended, end + wait)
        assert unanswered.check_at == end + wait + ASK_EVERY, "a question that was not answered is asked again"
        ended = settled(ended, seen(Remote.EXPIRED, at=end + wait), now=end + wait)
        assert ended.check_at == (end + following if following else None)


def test_the_slot_outlives_the_order_by_a_fifth_and_at_most_a_minute():
    assert a_booking().deadline - a_booking().expires_at == MINUTE


def test_a_draft_is_looked_at_until_its_day_is_over():
    assert a_draft().check_at == NOW + 2 * MINUTE
    assert polling.scheduled(a_draft(), NOW + 5 * MINUTE).check_at == NOW + 10 * MINUTE
    assert polling.scheduled(a_draft(), NOW + timedelta(hours=2)).check_at == NOW + timedelta(hours=24)
    day_over = NOW + timedelta(hours=25)
    assert polling.scheduled(a_draft(), day_over).check_at == day_over + ASK_EVERY


# --- what else is written beside it -----------------------------------------------------------------------------------


def test_an_event_that_is_the_bookings_own_slot_is_wanted():
    booking = a_live_booking(calendar=CalendarKind.CALENDLY)

    assert customer_actions.event_unwanted(booking, EVENT, NOW) == booking
    assert booking.holds(EVENT)
    assert not an_expired_booking(slot=booking.slot).holds(EVENT)


def test_an_effect_that_is_not_owed_cannot_fail():
    booking = a_booking()

    assert delivery.failed(booking, task_in("send:nothing"), NOW) == booking


def test_a_mail_that_is_sent_just_after_the_deadline_does_not_take_the_booking_off_the_list():
    closed = settled(delivery.claimed(a_live_booking(), task_in("send:held"), NOW), seen(Remote.CANCELED))

    after = delivery.done(closed, task_in("send:held"), AFTER)

    assert after.state is State.PENDING
    assert after.check_at == AFTER + ASK_SOON
    assert settled(after, now=AFTER).state is State.EXPIRED


def test_a_booking_that_was_given_up_is_looked_at_soon_whatever_else_is_written():
    closed = settled(a_live_booking(), seen(Remote.CANCELED))

    cancel_requested = delivery.done(customer_actions.give_up(closed, NOW + MINUTE), task_in("send:held"), NOW + MINUTE)

    assert cancel_requested.check_at == NOW + MINUTE + ASK_SOON


def test_while_another_order_is_open_a_flagged_booking_is_asked_about_and_not_left_to_the_owner():
    lost = settled(a_live_booking(calendar=CalendarKind.CALENDLY), seen(Remote.PAID, "75"), slot=SlotSeen.LOST)
    alone = replace(lost, outbox=())

    assert polling.scheduled(alone, NOW).check_at == NOW + polling.WAIT_FOR_OWNER
    assert polling.scheduled(with_a_second_order(alone), NOW).check_at == NOW + ASK_SOON
