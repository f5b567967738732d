"""What happens in the calendar itself: moved there, cancelled there by the customer, or by the owner."""

from dataclasses import replace
from datetime import timedelta

import pytest

from inspired.domain.booking import customer_actions, lifecycle, owner_actions
from inspired.domain.booking.booking import Booking, Slot
from inspired.domain.booking.claims import Invitee
from inspired.domain.booking.history import EventKind, Length
from inspired.domain.booking.lifecycle import SlotSeen
from inspired.domain.booking.states import CalendarKind, Cause, Flag, Remote, State
from inspired.domain.shared.errors import OtherLength
from inspired.domain.shared.money import Money
from inspired.domain.shared.slots import Span
from tests.factories import (
    CALL,
    EVENT,
    MINUTE,
    NOW,
    a_booking,
    a_confirmed_booking,
    a_draft,
    a_live_booking,
    an_expired_booking,
    owed,
    seen,
    settled,
)

HOUR = timedelta(hours=1)
LIVE = a_live_booking(calendar=CalendarKind.CALENDLY, outbox=())
SLOT = LIVE.slot
ELSEWHERE = f"{EVENT[:-1]}2"
THERE = Slot(
    Span(CALL.start + timedelta(days=7), CALL.end + timedelta(days=7)), "Europe/Berlin", CalendarKind.CALENDLY,
    ELSEWHERE, f"{ELSEWHERE}/invitees/I2",
)  # fmt: skip
IN_TIME, LATE = CALL.start - 30 * HOUR, CALL.start - 6 * HOUR


def a_call(**changes) -> Booking:
    return a_confirmed_booking(**{"slot": SLOT, "outbox": (), **changes})


def followed(booking: Booking, *, to=THERE, by_owner: bool = False, at=IN_TIME, now=IN_TIME) -> Booking:
    return customer_actions.moved_in_calendar(booking, SLOT, to, by_owner=by_owner, moved_at=at, now=now)


def cancelled(booking: Booking, *, by_owner: bool = False, at=IN_TIME, now=IN_TIME + MINUTE) -> Booking:
    return customer_actions.cancelled_in_calendar(booking, SLOT, by_owner=by_owner, cancelled_at=at, now=now)


def test_a_notice_owes_the_question_once():
    once = customer_actions.to_follow(a_call(), "n1", IN_TIME)

    assert owed(once) == {"follow_event:n1"}
    assert once.check_at == IN_TIME
    assert customer_actions.to_follow(once, "n1", IN_TIME) == once
    assert owed(customer_actions.to_follow(once, "n2", IN_TIME)) == {"follow_event:n1", "follow_event:n2"}


@pytest.mark.parametrize("booking", [a_draft(), a_confirmed_booking(outbox=())], ids=["no slot", "our own calendar"])
def test_without_an_event_there_is_nothing_to_follow(booking):
    assert customer_actions.to_follow(booking, "n1", IN_TIME) == booking


# --- moved there ----------------------------------------------------------------------------------------------------


def test_a_call_moved_there_is_at_its_new_time_and_costs_nothing():
    call = replace(a_call(), meeting_type=replace(a_call().meeting_type, reminders=(24,)))

    after = followed(call)

    assert (after.state, after.slot, after.moves, after.most_back) == (State.CONFIRMED, THERE, 1, 100)
    assert after.history[-1].kind == "moved_in_calendar"
    assert [(one.task.key, one.due) for one in after.outbox] == [("send:reminder:24:1", THERE.span.start - 24 * HOUR)]
    assert (after.refunds, after.orders) == (call.refunds, call.orders)
    assert after.claims == (Invitee(THERE.invitee_uri),)


def test_moving_there_late_brings_no_lost_right_back():
    after = followed(a_call(), at=LATE)

    assert (after.most_back, customer_actions.goes_back(after, LATE)) == (50, Money.parse("37.5"))


def test_moved_in_time_and_heard_of_late_it_costs_nothing():
    assert followed(a_call(), at=CALL.start - 25 * HOUR, now=CALL.start - 2 * HOUR).most_back == 100


def test_moved_by_the_owner_it_never_costs_the_customer_anything():
    assert followed(a_call(), by_owner=True, at=LATE).most_back == 100
    assert followed(a_call(most_back=50), by_owner=True, at=IN_TIME).most_back == 50


def test_an_unpaid_or_unconfirmed_booking_moves_with_its_event():
    told = settled(LIVE, seen(Remote.PAID, "75", by_query=False))

    unpaid, paid = followed(LIVE, now=NOW + MINUTE), followed(told, now=NOW + MINUTE)

    assert (unpaid.state, unpaid.slot, unpaid.deadline) == (State.PENDING, THERE, LIVE.deadline)
    assert (paid.state, paid.slot, paid.moves) == (State.PAID, THERE, 0)


def test_a_slot_that_was_taken_for_lost_is_found_again_where_it_had_only_moved():
    """The customer moved it a moment before the payment, and the notice about that came later."""
    lost = settled(LIVE, seen(Remote.PAID, "75"), slot=SlotSeen.LOST)

    after = followed(lost, now=NOW + 2 * MINUTE)
    confirmed = settled(after, slot=SlotSeen.SECURED, now=NOW + 3 * MINUTE)

    assert (lost.flags, lost.choose_by is None) == ({Flag.SLOT_LOST}, False)
    assert (after.state, after.flags, after.choose_by, after.slot) == (State.PAID, frozenset(), None, THERE)
    assert after.check_at < NOW + 4 * MINUTE
    assert (confirmed.state, customer_actions.may_choose(confirmed, NOW + 3 * MINUTE)) == (State.CONFIRMED, False)


OVER = {
    "over": an_expired_booking(slot=SLOT),
    "moved on": a_call(slot=THERE),
    "cancelled": a_call(state=State.CANCELLED),
}


@pytest.mark.parametrize("name", ["over", "cancelled"])
def test_the_new_event_of_a_booking_that_is_over_is_cancelled_and_blocks_nothing(name):
    after = followed(OVER[name])

    assert owed(after) - owed(OVER[name]) == {f"release_event:{ELSEWHERE}"}
    assert (after.slot, after.state) == (SLOT, OVER[name].state)


def test_what_has_moved_on_or_is_where_it_was_does_not_follow():
    assert followed(OVER["moved on"]) == OVER["moved on"]
    assert followed(a_call(), to=SLOT) == a_call()


# --- cancelled there ------------------------------------------------------------------------------------------------


def test_cancelled_by_the_customer_the_policy_holds_as_of_that_moment():
    """Not as of the moment we hear of it."""
    in_time = cancelled(a_call(), at=CALL.start - 25 * HOUR, now=CALL.start - 23 * HOUR)
    late = cancelled(a_call(), at=CALL.start - 23 * HOUR, now=CALL.start - 23 * HOUR)

    assert [(one.amount.shown, one.cause, one.by) for one in in_time.refunds] == [
        ("75 USDT", Cause.CANCELLED, "customer")
    ]
    assert [one.amount.shown for one in late.refunds] == ["37.5 USDT"]
    assert (in_time.state, late.state, str(late.agreed_amount)) == (State.CANCELLED, State.CANCELLED, "37.5")
    assert {"send:cancelled", "alert:cancelled"} <= owed(in_time)
    assert "cancelled_in_calendar" in [event.kind for event in late.history]


def test_cancelled_by_the_owner_all_of_the_money_goes_back():
    after = cancelled(a_call(), by_owner=True, at=LATE, now=LATE)

    assert [(one.amount.shown, one.cause, one.by) for one in after.refunds] == [("75 USDT", Cause.OWNER, "owner")]
    assert (after.state, str(after.agreed_amount)) == (State.CANCELLED, "0")
    assert "alert:cancelled_by_owner" in owed(after)
    assert "alert:cancelled" not in owed(after)


def test_cancelled_there_while_unpaid_it_is_given_up():
    after = cancelled(LIVE, now=NOW + MINUTE)

    assert (after.state, after.cancel_requested, after.check_at) == (State.PENDING, True, NOW + MINUTE)
    assert cancelled(after, now=NOW + MINUTE) == after


def test_cancelled_there_while_it_is_being_confirmed_the_slot_is_lost():
    paid = settled(LIVE, seen(Remote.PAID, "75"), slot=SlotSeen.UNKNOWN)

    after = cancelled(paid, now=NOW + MINUTE)

    assert (paid.state, after.state, after.choose_by is not None) == (State.PAID, State.PAID, True)


@pytest.mark.parametrize("name", OVER)
def test_the_cancelling_of_an_event_that_is_not_its_slot_any_more_does_nothing(name):
    assert cancelled(OVER[name]) == OVER[name]


def test_what_was_booked_past_our_pages_asks_its_customer_to_pay_and_tells_the_owner():
    taken_in = customer_actions.past_our_pages(a_booking(calendar=CalendarKind.CALENDLY), NOW)

    assert {item.task.key for item in taken_in.outbox} == {"send:unpaid", "alert:past_our_pages"}
    assert (taken_in.state, taken_in.history[-1].kind) == (State.PENDING, "found_in_calendar")
    assert taken_in.check_at == NOW


def test_a_call_without_a_time_is_reminded_of_nothing_and_loses_nothing_by_a_move():
    """No booking is like this; whoever asks gets a sensible answer all the same."""
    timeless = replace(a_confirmed_booking(), slot=None)

    assert lifecycle.reminded(timeless, NOW).outbox == timeless.not_owing(lifecycle.is_reminder).outbox
    assert customer_actions.most_back_after_move(timeless, NOW) == timeless.most_back


def test_whether_the_customer_came_is_told_to_the_calendar_each_time_it_changes():
    paid = a_confirmed_booking(outbox=())
    call = replace(paid, slot=replace(paid.slot, calendar=CalendarKind.CALENDLY))
    start = call.slot.span.start
    noted = customer_actions.no_show(call, start, came=False)
    back = customer_actions.no_show(noted, start, came=True)

    assert [effect.task.key.partition(":")[0] for effect in back.outbox] == ["tell_no_show"] * 2
    assert len({item.task.key for item in back.outbox}) == 2


# --- another length -------------------------------------------------------------------------------------------------

LONGER = replace(THERE, span=Span(THERE.span.start, THERE.span.end + timedelta(minutes=15)))
SHORTER = replace(THERE, span=Span(THERE.span.start, THERE.span.end - timedelta(minutes=15)))


def test_paid_it_is_never_longer_than_was_paid_for_and_the_owner_is_told_once():
    once = followed(a_call(), to=LONGER)
    again = customer_actions.moved_in_calendar(once, once.slot, LONGER, by_owner=True, moved_at=IN_TIME, now=IN_TIME)

    assert (once.state, once.slot, once.moves) == (State.CONFIRMED, THERE, 1)
    assert "alert:other_length" in owed(once)
    assert again == once


def test_a_shorter_one_is_as_short_as_it_is_and_the_owner_is_told():
    after = followed(a_call(), to=SHORTER)

    assert (after.state, after.slot) == (State.CONFIRMED, SHORTER)
    assert "alert:other_length" in owed(after)


@pytest.mark.parametrize("there", [LONGER, SHORTER])
def test_unpaid_another_length_is_refused_and_the_booking_ends(there):
    after = followed(LIVE, to=there)

    assert (after.slot, after.cancel_requested) == (SLOT, True)
    assert owed(after) == {f"release_event:{ELSEWHERE}"}
    assert followed(after, to=there) == after


@pytest.mark.parametrize("there", [LONGER, SHORTER])
def test_no_other_length_is_taken_for_the_same_price(there):
    sold = "This call takes 45 minutes"
    with pytest.raises(OtherLength, match=sold):
        customer_actions.change_time(LIVE, there, LIVE.created_at)
    with pytest.raises(OtherLength, match=sold):
        customer_actions.move(a_call(), there, 0, IN_TIME)
    with pytest.raises(OtherLength, match=sold):
        owner_actions.move(a_call(), there, 0, IN_TIME)


def test_what_was_refused_for_its_length_is_owed_back_once_and_the_history_says_why():
    once = customer_actions.event_refused(a_draft(), LONGER, NOW)

    assert owed(once) == {f"release_event:{ELSEWHERE}"}
    assert (once.history[-1].kind, once.history[-1].details) == (EventKind.OTHER_LENGTH, Length(60))
    assert customer_actions.event_refused(once, LONGER, NOW) == once
