"""A confirmed call moves to another time: it costs nothing, and brings no lost right back. Reminders go with it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from inspired.adapters.mongo.spellings import task_in
from inspired.domain.booking import customer_actions
from inspired.domain.booking.booking import Booking, Slot
from inspired.domain.booking.states import CalendarKind, Remote, State
from inspired.domain.shared.errors import Conflict
from inspired.domain.shared.money import Money
from inspired.domain.shared.slots import Span
from tests.factories import (
    CALL,
    EVENT,
    MINUTE,
    NOW,
    SECOND,
    a_confirmed_booking,
    a_live_booking,
    an_expired_booking,
    an_item,
    owed,
    seen,
    settled,
)

HOUR = timedelta(hours=1)
START = CALL.start
NEXT_WEEK = Slot(Span(START + timedelta(days=7), CALL.end + timedelta(days=7)), "Europe/Berlin", CalendarKind.BUILTIN)
IN_TIME = START - 30 * HOUR
LATE = START - 6 * HOUR


def a_call(**changes) -> Booking:
    return a_confirmed_booking(outbox=(), **changes)


def reminding(booking: Booking, *hours: int) -> Booking:
    return replace(booking, meeting_type=replace(booking.meeting_type, reminders=hours))


def test_a_moved_call_is_confirmed_at_its_new_time_and_both_are_told():
    call = a_call()

    after = customer_actions.move(call, NEXT_WEEK, 0, IN_TIME)

    assert (after.state, after.slot, after.moves, after.most_back) == (State.CONFIRMED, NEXT_WEEK, 1, 100)
    assert after.outbox == (an_item("send:moved:1", IN_TIME), an_item("send:owner_moved:1", IN_TIME))
    assert (after.history[-1].kind, after.check_at) == ("moved", IN_TIME)
    assert (after.orders, after.refunds, after.earned, after.agreed_amount) == (
        call.orders, call.refunds, call.earned, call.agreed_amount,
    )  # fmt: skip
    assert not set(after.claims) & set(call.claims)


def test_it_can_be_moved_again_and_each_time_is_told():
    once = customer_actions.move(a_call(), NEXT_WEEK, 0, IN_TIME)

    twice = customer_actions.move(once, a_call().slot, 1, IN_TIME + MINUTE)

    assert (twice.moves, twice.slot) == (2, a_call().slot)
    assert owed(twice) == {"send:moved:1", "send:owner_moved:1", "send:moved:2", "send:owner_moved:2"}


@pytest.mark.parametrize("seen_moves", [0, 2])
def test_an_old_page_moves_nothing_a_second_time(seen_moves):
    once = customer_actions.move(a_call(), NEXT_WEEK, 0, IN_TIME)

    with pytest.raises(Conflict, match=r"^This call was moved meanwhile\. Please look at its time again\.$"):
        customer_actions.move(once, a_call().slot, seen_moves, IN_TIME)


def test_moving_ends_some_hours_before_the_call():
    assert customer_actions.may_move(a_call(), START - 4 * HOUR - SECOND)
    assert not customer_actions.may_move(a_call(), START - 4 * HOUR)
    with pytest.raises(Conflict, match=r"^This call can no longer be moved here\.$"):
        customer_actions.move(a_call(), NEXT_WEEK, 0, START - 4 * HOUR)


@pytest.mark.parametrize(
    "booking",
    [
        a_live_booking(),
        an_expired_booking(),
        a_call(state=State.CANCELLED),
        a_call(state=State.PAID),
        a_call(slot=None),
    ],
    ids=["unpaid", "expired", "cancelled", "paid", "no slot"],
)
def test_only_a_confirmed_call_is_moved(booking):
    assert not customer_actions.may_move(booking, IN_TIME)
    with pytest.raises(Conflict):
        customer_actions.move(booking, NEXT_WEEK, 0, IN_TIME)


def test_a_call_at_calendly_owes_its_old_event_the_cancelling():
    call = a_call(slot=a_live_booking(calendar=CalendarKind.CALENDLY).slot)
    there = replace(NEXT_WEEK, calendar=CalendarKind.CALENDLY, event_uri="http://calendly/scheduled_events/E2")

    after = customer_actions.move(call, there, 0, IN_TIME)

    assert f"release_event:{EVENT}" in owed(after)
    with pytest.raises(Conflict, match="given back already"):
        customer_actions.move(after, call.slot, 1, IN_TIME)


# --- what cancelling gives back afterwards ---------------------------------------------------------------------------


def test_a_call_moved_in_time_can_still_be_cancelled_for_all_of_the_money():
    after = customer_actions.move(a_call(), NEXT_WEEK, 0, IN_TIME)

    assert customer_actions.goes_back(after, LATE) == Money.parse("75")


def test_moving_late_does_not_bring_back_the_time_in_which_cancelling_was_free():
    """Else whoever is too late to cancel moves the call to next week and cancels it then."""
    call = a_call()

    after = customer_actions.move(call, NEXT_WEEK, 0, LATE)
    moved_in_time_again = customer_actions.move(after, replace(NEXT_WEEK, zone="UTC"), 1, LATE)

    assert (customer_actions.goes_back(call, LATE), customer_actions.goes_back(after, LATE)) == (
        Money.parse("37.5"),
    ) * 2
    assert (after.most_back, moved_in_time_again.most_back) == (50, 50)
    assert customer_actions.most_back_after_move(call, LATE) == 50
    assert customer_actions.most_back_after_move(replace(call, slot=None), LATE) == 100


def test_the_new_time_may_give_less_than_the_old_one():
    after = customer_actions.move(a_call(), NEXT_WEEK, 0, IN_TIME)

    assert customer_actions.goes_back(after, NEXT_WEEK.span.start - 5 * HOUR) == Money.parse("37.5")
    assert customer_actions.goes_back(after, NEXT_WEEK.span.start - HOUR) == Money.parse("0")


# --- reminders ------------------------------------------------------------------------------------------------------


def reminders(booking: Booking) -> dict[str, timedelta]:
    """How long before its call each is due."""
    start = booking.slot.span.start
    return {one.task.key: start - one.due for one in booking.outbox if one.task.key.startswith("send:reminder")}


def test_a_confirmed_call_owes_its_reminders_some_hours_before():
    paid = settled(reminding(a_live_booking(), 24, 1), seen(Remote.PAID, "75"))

    assert reminders(paid) == {"send:reminder:24:0": 24 * HOUR, "send:reminder:1:0": HOUR}
    assert replace(paid, outbox=()).owing(NOW).outbox == ()


@pytest.mark.parametrize(("left", "kept"), [(25, {24, 1}), (24, {1}), (2, {1}), (1, set()), (0.5, set())])
def test_a_reminder_whose_hour_is_past_is_not_owed(left, kept):
    now = START - left * HOUR
    booking = reminding(a_live_booking(expires_at=now + HOUR, deadline=now + HOUR), 24, 1)

    paid = settled(booking, seen(Remote.PAID, "75", at=now), now=now)

    assert paid.state is State.CONFIRMED
    assert set(reminders(paid)) == {f"send:reminder:{hours}:0" for hours in kept}


def test_a_moved_call_is_reminded_of_at_its_new_time_only():
    call = reminding(a_call(), 24, 1).owing(START - HOUR, task_in("send:reminder:1:0"))

    after = customer_actions.move(call, NEXT_WEEK, 0, IN_TIME)

    assert reminders(after) == {"send:reminder:24:1": 24 * HOUR, "send:reminder:1:1": HOUR}


def test_nobody_is_reminded_of_a_cancelled_call():
    call = reminding(a_call(), 24, 1).owing(START - HOUR, task_in("send:reminder:1:0"), task_in("alert:late"))

    after = customer_actions.refund_all(call, IN_TIME, cancels=True)

    assert reminders(after) == {}
    assert "alert:late" in owed(after)


# --- who did not come -----------------------------------------------------------------------------------------------


def test_who_did_not_come_is_told_once_the_call_has_begun_and_taken_back():
    noted = customer_actions.no_show(a_call(), START, came=False)
    back = customer_actions.no_show(noted, START + HOUR, came=True)

    assert (noted.no_show_at, noted.history[-1].kind, noted.state) == (START, "no_show", State.CONFIRMED)
    assert (back.no_show_at, back.history[-1].kind) == (None, "came_after_all")
    assert customer_actions.no_show(noted, START + HOUR, came=False) == noted
    assert customer_actions.no_show(a_call(), START, came=True) == a_call()


@pytest.mark.parametrize(
    ("booking", "now"),
    [(a_call(), START - SECOND), (a_call(state=State.CANCELLED), START), (a_call(slot=None), START)],
    ids=["not begun", "cancelled", "no slot"],
)
def test_nobody_can_have_missed_a_call_that_has_not_begun_or_does_not_take_place(booking, now):
    assert not customer_actions.may_tell_who_came(booking, now)
    with pytest.raises(Conflict) as refused:
        customer_actions.no_show(booking, now, came=False)
    assert str(refused.value) == "Whether the customer came can be told once the call has begun."
