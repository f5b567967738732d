"""The customer's steps, each with all that it leaves in the booking."""

from dataclasses import replace
from datetime import timedelta

import pytest

from inspired.domain.booking import customer_actions
from inspired.domain.booking.outbox import CancelEvent, PostLedger
from inspired.domain.booking.states import CalendarKind, State
from inspired.domain.shared.errors import Conflict
from inspired.domain.shared.money import Money
from tests.domain.booking.test_refunds import LATER, TEN, choosing, found, heard
from tests.factories import (
    CALL,
    EVENT,
    EXPIRY,
    MINUTE,
    NOW,
    SECOND,
    a_booking,
    a_confirmed_booking,
    a_draft,
    a_live_booking,
    an_event,
    an_item,
    owed,
)

ALL, NOTHING = Money.parse("75"), Money.parse("0")
BUILTIN, CALENDLY = CalendarKind.BUILTIN, CalendarKind.CALENDLY


def test_a_draft_and_what_is_held_of_it_say_from_when_and_until_when():
    held = a_booking()

    assert a_draft().history == (an_event(NOW, "started"),)
    assert held.outbox == (an_item("send:held", NOW),)
    assert (held.state, held.expires_at, held.deadline) == (State.PENDING, NOW + EXPIRY, NOW + EXPIRY + MINUTE)
    assert (held.email_index, held.visitor_index, held.terms_version) == ("mailindex", "addressindex", "1")
    assert held.check_at == NOW


@pytest.mark.parametrize(("expiry", "longer"), [(10, 2), (299, 59.8), (300, 60), (301, 60)])
def test_the_slot_outlives_a_short_time_to_pay_by_a_fifth_of_it(expiry, longer):
    held = customer_actions.held(
        a_draft(), slot=a_booking().slot, sealed=a_booking().sealed, email_index="", visitor_index="", network="",
        expiry=timedelta(seconds=expiry), now=NOW,
    )  # fmt: skip

    assert (held.expires_at, held.deadline - held.expires_at) == (
        NOW + timedelta(seconds=expiry),
        timedelta(seconds=longer),
    )


def test_a_draft_that_is_given_up_has_ended_and_its_events_are_looked_for_five_minutes_later():
    gone = customer_actions.give_up(a_draft(), LATER)

    tidy = an_item("tidy_events", LATER + 5 * MINUTE)
    assert gone == replace(
        a_draft(), state=State.CANCELLED, ended_at=LATER, history=(*a_draft().history, an_event(LATER, "cancelled")),
        outbox=(tidy,), check_at=tidy.due,
    )  # fmt: skip


@pytest.mark.parametrize("move", [customer_actions.change_time, customer_actions.another_time], ids=["unpaid", "paid"])
@pytest.mark.parametrize(
    ("before", "after", "given_back"),
    [
        (EVENT, "http://calendly/2", [an_item(f"release_event:{EVENT}", LATER)]),
        (EVENT, EVENT, []),
        (EVENT, "", [an_item(f"release_event:{EVENT}", LATER)]),
        ("", "http://calendly/2", []),
        ("", "", []),
    ],
)
def test_the_event_of_the_time_before_is_given_back_where_there_was_one_and_it_is_another(
    move, before, after, given_back
):
    booking = a_live_booking(calendar=CALENDLY) if move is customer_actions.change_time else choosing()
    booking = replace(booking, slot=replace(booking.slot, event_uri=before))

    moved = move(booking, replace(booking.slot, event_uri=after), LATER)

    assert [one for one in moved.outbox if isinstance(one.task, CancelEvent)] == given_back
    assert moved.slot.event_uri == after


def test_the_time_can_be_changed_until_the_last_moment_to_pay():
    live = a_live_booking()

    assert customer_actions.change_time(live, live.slot, NOW + EXPIRY - SECOND).slot == live.slot
    with pytest.raises(Conflict):
        customer_actions.change_time(live, live.slot, NOW + EXPIRY)


def test_a_first_time_is_nothing_to_give_back():
    booking = replace(choosing(), slot=None)

    assert customer_actions.another_time(booking, a_booking().slot, LATER).state is State.CONFIRMED


def test_whoever_left_and_paid_and_chose_again_is_neither_leaving_nor_without_a_time():
    after = customer_actions.another_time(replace(choosing(), cancel_requested=True), choosing().slot, LATER)

    assert (after.state, after.cancel_requested, after.choose_by, after.flags) == (
        State.CONFIRMED,
        False,
        None,
        frozenset(),
    )


def test_the_time_to_choose_ends_at_its_moment():
    booking = choosing()
    end = booking.choose_by

    assert [customer_actions.may_choose(booking, at) for at in (end - SECOND, end)] == [True, False]
    assert not customer_actions.may_choose(replace(booking, choose_by=None), LATER)


def test_a_call_can_be_cancelled_until_it_begins():
    call = a_confirmed_booking()

    assert [customer_actions.may_cancel(call, at) for at in (CALL.start - SECOND, CALL.start)] == [True, False]
    assert not customer_actions.may_cancel(replace(call, slot=None), LATER)
    assert not customer_actions.may_cancel(replace(call, state=State.PAID), LATER)


def test_what_a_cancelled_call_leaves():
    call = a_confirmed_booking(slot=a_live_booking(calendar=CALENDLY).slot, outbox=())
    late = CALL.start - timedelta(hours=5)
    half = Money.parse("37.5")

    after = customer_actions.cancel(call, half, late)

    assert (after.state, after.agreed_amount, after.ended_at, after.choose_by) == (State.CANCELLED, half, late, None)
    assert [(one.task.key, one.due) for one in after.outbox if not isinstance(one.task, PostLedger)] == [
        (f"send:refund_started:{'b' * 24}001R01", late),
        (f"release_event:{EVENT}", late),
        ("tidy_events", late + 5 * MINUTE),
        ("send:cancelled", late),
        ("alert:cancelled", late),
    ]


def test_a_call_whose_money_has_gone_back_already_is_refunded_once_it_is_cancelled():
    returned = heard(a_confirmed_booking(), found("75"))

    after = customer_actions.cancel(returned, NOTHING, LATER)

    assert (after.state, after.agreed_amount, after.ended_at) == (State.REFUNDED, NOTHING, LATER)


def test_a_call_that_the_owner_cancels_and_one_whose_money_only_goes_back():
    call = a_confirmed_booking(outbox=())

    gone, kept = (customer_actions.refund_part(call, TEN, LATER, cancels=cancels) for cancels in (True, False))

    part = Money.parse("65")
    assert (gone.state, gone.ended_at, gone.agreed_amount, gone.refunds == kept.refunds) == (
        State.CANCELLED, LATER, part, True,
    )  # fmt: skip
    assert (kept.state, kept.ended_at, kept.agreed_amount) == (State.CONFIRMED, None, part)
    assert owed(gone) - owed(kept) == {"send:cancelled", "alert:cancelled_by_owner"}


def test_of_a_call_that_was_cancelled_the_owner_can_still_give_back_what_was_kept():
    late = CALL.start - timedelta(hours=5)
    cancelled = customer_actions.cancel(a_confirmed_booking(), Money.parse("37.5"), late)

    after = customer_actions.refund_part(cancelled, TEN, late, cancels=True)

    assert (after.state, after.ended_at, after.agreed_amount) == (State.CANCELLED, late, Money.parse("27.5"))
    assert [str(one.amount) for one in after.refunds] == ["37.5", "10"]
    assert sum(event.kind == "cancelled" for event in after.history) == 1
