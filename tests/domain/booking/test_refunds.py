"""Refunds: asked for once, sent with the same id, never more than came, and what Binance says about them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from inspired.domain.booking import customer_actions, invariants, polling, refunds
from inspired.domain.booking.balance import at_provider, kept_of
from inspired.domain.booking.booking import Booking, Refund, RefundRequest
from inspired.domain.booking.claims import Invitee
from inspired.domain.booking.history import Amount, Event, EventKind, Obstacle, ObstacleKind
from inspired.domain.booking.lifecycle import SlotSeen, decided, settle
from inspired.domain.booking.refunds import Outcome, RefundSeen
from inspired.domain.booking.states import CalendarKind, Cause, Flag, RefundStatus, Remote, State
from inspired.domain.shared.errors import Conflict, Invalid
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
    a_returned,
    an_expired_booking,
    owed,
    seen,
    settled,
    told,
)

ORDER, OTHER = f"{'b' * 24}001", f"{'b' * 24}002"
TEN, ALL = Money.parse("10"), Money.parse("75")
LATER = NOW + 2 * MINUTE


R1, R2 = RefundRequest("r1", "10"), RefundRequest("r1", "2")


def a_call(**changes) -> Booking:
    """Confirmed, and Binance's own number of its order is known."""
    return a_confirmed_booking(**changes)


def with_refund(amount: str | None = "10", *, cancels: bool = False) -> Booking:
    if amount is None:
        return customer_actions.refund_all(a_call(), LATER, cancels=cancels)
    return customer_actions.refund_part(a_call(), Money.parse(amount), LATER, cancels=cancels)


def sent(booking: Booking, refund_id: str = "", *, remaining: int | None = None, now=LATER) -> Booking:
    """Called for, and accepted there."""
    refund = booking.find_refund(refund_id) or refunds.due_to_send(booking, now)
    called = refunds.sending(booking, refund.id, now)
    answer = told(refund, Outcome.PENDING, at=now, remaining=remaining)
    return decided(refunds.accepted(called, answer, now), SlotSeen.UNKNOWN, now)


def heard(booking: Booking, *answers: RefundSeen, now=LATER) -> Booking:
    return settle(booking, (), SlotSeen.UNKNOWN, now, answers)


def refused(booking: Booking, refund: Refund, *, why: str = "no", low_balance: bool = False, now=LATER) -> Booking:
    called = refunds.sending(booking, refund.id, now)
    failed = refunds.not_sent(called, refund.id, now, why=why, refused=True, low_balance=low_balance)
    return decided(failed, SlotSeen.UNKNOWN, now)


def unanswered(booking: Booking, refund: Refund, now=LATER) -> Booking:
    called = refunds.sending(booking, refund.id, now)
    return refunds.not_sent(called, refund.id, now, why="time-out", refused=False, low_balance=False)


# --- the owner's word -----------------------------------------------------------------------------------------------


def test_a_part_of_a_confirmed_call_goes_back_and_the_call_stays():
    after = with_refund("10")

    assert after.state is State.CONFIRMED
    assert [(str(one.amount), one.cause, one.by, one.status) for one in after.refunds] == [
        ("10", Cause.OWNER, "owner", RefundStatus.REQUESTED)
    ]
    assert str(after.agreed_amount) == "65"
    assert f"send:refund_started:{ORDER}R01" in owed(after)
    assert after.check_at <= LATER


def test_several_parts_go_back_until_nothing_is_left():
    after = with_refund("10")
    for amount in ("20", "45"):
        after = customer_actions.refund_part(after, Money.parse(amount), LATER, cancels=False)

    assert [str(one.amount) for one in after.refunds] == ["10", "20", "45"]
    assert [one.id for one in after.refunds] == [f"{ORDER}R01", f"{ORDER}R02", f"{ORDER}R03"]
    with pytest.raises(Conflict, match="nothing left"):
        customer_actions.refund_part(after, Money.parse("0.00000001"), LATER, cancels=False)


@pytest.mark.parametrize("amount", ["65.00000001", "75", "1000"])
def test_the_sum_of_refunds_never_exceeds_what_was_paid(amount):
    with pytest.raises(Invalid, match="At most 65 USDT"):
        customer_actions.refund_part(with_refund("10"), Money.parse(amount), LATER, cancels=False)


@pytest.mark.parametrize("amount", [Money.parse("0"), Money.parse("-1"), Money.parse("1", "BNB")])
def test_an_amount_that_is_none_is_refused(amount):
    with pytest.raises(Invalid):
        customer_actions.refund_part(a_call(), amount, LATER, cancels=False)


def test_nothing_can_be_refunded_of_a_booking_without_money():
    with pytest.raises(Conflict, match="nothing left"):
        customer_actions.refund_all(a_live_booking(), LATER, cancels=False)
    with pytest.raises(Conflict, match="nothing left"):
        customer_actions.refund_part(a_live_booking(), TEN, LATER, cancels=False)


def test_cancelling_with_all_of_the_money_frees_the_slot_and_ends_refunded_once_it_is_gone():
    after = customer_actions.refund_all(
        a_call(slot=a_live_booking(calendar=CalendarKind.CALENDLY).slot), LATER, cancels=True
    )

    assert (after.state, after.claims, str(after.agreed_amount)) == (
        State.CANCELLED,
        (Invitee(f"{EVENT}/invitees/I1"),),
        "0",
    )
    assert {"send:cancelled", f"release_event:{EVENT}"} <= owed(after)
    assert a_returned(sent(after), LATER).state is State.REFUNDED


def test_before_a_call_is_confirmed_its_money_goes_back_as_a_whole():
    lost = settled(a_live_booking(calendar=CalendarKind.CALENDLY), seen(Remote.PAID, "75"), slot=SlotSeen.LOST)

    with pytest.raises(Conflict, match="as a whole"):
        customer_actions.refund_part(lost, TEN, LATER, cancels=False)
    after = customer_actions.refund_all(lost, LATER, cancels=True)

    assert (after.state, after.choose_by, [str(one.amount) for one in after.refunds]) == (State.CANCELLED, None, ["75"])


def test_money_in_another_currency_goes_back_as_a_whole_in_its_own():
    foreign = settled(a_live_booking(), seen(Remote.PAID, "75", currency="BNB"))

    after = customer_actions.refund_all(foreign, LATER, cancels=False)

    assert [one.amount.shown for one in after.refunds] == ["75 BNB"]
    assert Flag.NEEDS_OWNER not in after.flags


def beside_foreign(**changes) -> Booking:
    """A confirmed call, and 0.3 BNB that came for another order of it."""
    second = replace(a_live_booking().orders[0], number=2, trade_no=OTHER)
    call = a_call(orders=(*a_call().orders, second), **changes)
    after = settled(call, seen(Remote.PAID, "0.3", order=2, currency="BNB"))
    assert Flag.NEEDS_OWNER in after.flags
    return after


def test_money_in_another_currency_beside_a_call_goes_back_by_itself_and_the_call_stays():
    after = customer_actions.refund_order(beside_foreign(), 2, LATER, note="not ours", request=RefundRequest("r1", "2"))

    (back,) = after.refunds
    assert (back.trade_no, back.amount.shown, back.cause) == (OTHER, "0.3 BNB", Cause.OWNER)
    assert (back.by, back.note, back.request, back.requested_at) == (
        "owner", "not ours", R2, LATER,
    )  # fmt: skip
    assert (after.state, after.agreed_amount, kept_of(after)) == (State.CONFIRMED, None, ALL)
    assert Flag.NEEDS_OWNER not in after.flags
    assert f"send:refund_started:{back.id}" in owed(after)


def test_all_that_is_left_of_a_call_is_left_in_every_currency():
    after = customer_actions.refund_all(beside_foreign(), LATER, cancels=True)

    assert [one.amount.shown for one in after.refunds] == ["75 USDT", "0.3 BNB"]
    assert (after.state, Flag.NEEDS_OWNER in after.flags) == (State.CANCELLED, False)


def test_a_part_of_a_call_leaves_the_other_currency_alone():
    after = customer_actions.refund_part(beside_foreign(), TEN, LATER, cancels=False)

    assert [one.amount.shown for one in after.refunds] == ["10 USDT"]
    assert Flag.NEEDS_OWNER in after.flags


@pytest.mark.parametrize("order", [1, 3])
def test_only_what_cannot_be_counted_goes_back_by_itself(order):
    with pytest.raises(Conflict, match="nothing left to refund of this order"):
        customer_actions.refund_order(beside_foreign(), order, LATER)


def test_what_cannot_be_counted_goes_back_once():
    once = customer_actions.refund_order(beside_foreign(), 2, LATER)

    with pytest.raises(Conflict, match="nothing left to refund of this order"):
        customer_actions.refund_order(once, 2, LATER)


def test_a_call_whose_money_was_returned_in_part_stands_with_the_rest_once_the_owner_agrees():
    returned = heard(a_call(), found("25"))

    after = customer_actions.agree(returned, LATER)

    assert (Flag.NEEDS_OWNER in returned.flags, after.flags) == (True, frozenset())
    assert (after.state, str(after.agreed_amount), str(kept_of(after))) == (State.CONFIRMED, "50", "50")
    assert [one.details for one in after.history if one.kind == "agreed"] == [Amount(Money.parse("50"))]
    assert list(invariants.violations(after, LATER)) == []
    again = heard(after, found("10", "console2"))
    assert (Flag.NEEDS_OWNER in again.flags, str(customer_actions.agree(again, LATER).agreed_amount)) == (True, "40")


def test_what_is_less_than_nothing_is_agreed_to_by_nobody():
    """40 are promised back, and all 75 have left by the console: that refund will be refused, and give way."""
    called = refunds.sending(with_refund("40"), f"{ORDER}R01", LATER)
    gone = heard(called, found("75"))

    assert (str(kept_of(gone)), customer_actions.may_agree(gone)) == ("-40", False)
    off = customer_actions.called_off(gone, LATER)
    assert str(off.agreed_amount) == "0"


@pytest.mark.parametrize(
    "make",
    [
        a_call,
        lambda: heard(with_refund("75", cancels=True), found("25")),
        lambda: settled(a_call(), seen(Remote.REFUNDED, "75", at=LATER), now=LATER),
    ],
    ids=["nothing left", "no call", "nobody knows how much"],
)
def test_there_is_nothing_to_agree_to_where_no_known_part_of_a_calls_money_is_gone(make):
    assert not customer_actions.may_agree(make())
    with pytest.raises(Conflict) as refused:
        customer_actions.agree(make(), LATER)
    assert str(refused.value) == "There is nothing to agree to."


def test_the_same_request_is_answered_and_another_with_its_name_is_refused():
    once = customer_actions.refund_part(a_call(), TEN, LATER, cancels=False, request=R1)

    assert customer_actions.refund_part(once, TEN, LATER, cancels=False, request=R1) == once
    with pytest.raises(Conflict, match="Idempotency-Key"):
        customer_actions.refund_part(once, ALL, LATER, cancels=False, request=RefundRequest("r1", "75"))
    assert (
        len(customer_actions.refund_part(once, TEN, LATER, cancels=False, request=RefundRequest("r2", "10")).refunds)
        == 2
    )


def test_whoever_decided_on_an_older_page_decides_again():
    refunds.refuse_unseen(with_refund(), 1)

    with pytest.raises(Conflict, match="look again"):
        refunds.refuse_unseen(with_refund(), 0)


# --- the last refund Binance allows ---------------------------------------------------------------------------------


def with_left(booking: Booking, left: int) -> Booking:
    return booking.with_order(replace(booking.orders[0], refunds_left=left))


def test_a_preview_says_what_will_happen():
    preview = refunds.checked_part(a_call(), TEN, cancels=True)

    assert preview == refunds.Preview(TEN, ALL, Money.parse("65"), True, (), False)


def test_a_preview_of_money_that_cannot_be_counted_leaves_what_is_left():
    preview = refunds.checked_order(beside_foreign(), 2)

    assert preview == refunds.Preview(Money.parse("0.3", "BNB"), ALL, ALL, False, (), False)


def test_money_of_which_binance_allows_no_refund_is_blocked_in_another_currency_too():
    foreign = beside_foreign()
    used_up = foreign.with_order(replace(foreign.orders[1], refunds_left=0))

    assert refunds.checked_all(used_up, cancels=False).blocked
    assert refunds.checked_order(used_up, 2).blocked


def test_the_last_but_one_refund_warns_and_the_last_one_sends_no_part():
    last_but_one = refunds.checked_part(with_left(a_call(), 2), TEN, cancels=False)
    last = refunds.checked_part(with_left(a_call(), 1), TEN, cancels=False)
    none = refunds.checked_part(with_left(a_call(), 0), TEN, cancels=False)

    assert (last_but_one.blocked, len(last_but_one.warnings)) == (False, 1)
    assert (last.blocked, "75 USDT" in last.warnings[0]) == (True, True)
    assert (none.blocked, len(none.warnings)) == (True, 1)
    with pytest.raises(Conflict, match="everything left"):
        customer_actions.refund_part(with_left(a_call(), 1), TEN, LATER, cancels=False)


@pytest.mark.parametrize("left", [1, 2])
def test_all_that_is_left_needs_no_warning(left):
    assert refunds.checked_all(with_left(a_call(), left), cancels=False).warnings == ()


def test_a_part_that_became_the_last_refund_meanwhile_waits_for_the_owner_and_is_not_sent():
    waiting = with_left(with_refund("10"), 1)

    after = refunds.sending(waiting, f"{ORDER}R01", LATER)

    assert after.refunds[0].status is RefundStatus.NEEDS_OWNER
    assert (after.refunds[0].tries, after.refunds[0].obstacle) == (
        0, Obstacle(ObstacleKind.LAST_ONE, left=Money.parse("75")),
    )  # fmt: skip
    assert f"alert:refund_stuck:{ORDER}R01" in owed(after)


def test_the_last_refund_sends_everything_that_is_left():
    waiting = with_left(with_refund(None), 1)

    after = refunds.sending(waiting, f"{ORDER}R01", LATER)

    assert (after.refunds[0].status, after.refunds[0].tries) == (RefundStatus.REQUESTED, 1)


def test_where_binance_allows_none_or_its_number_is_unknown_nothing_is_sent():
    none_left = refunds.sending(with_left(with_refund(), 0), f"{ORDER}R01", LATER)
    booking = with_refund()
    nameless = booking.with_order(replace(booking.orders[0], prepay_id=""))
    unknown = refunds.sending(nameless, f"{ORDER}R01", LATER)

    assert none_left.refunds[0].obstacle == Obstacle(ObstacleKind.NONE_LEFT)
    assert unknown.refunds[0].obstacle == Obstacle(ObstacleKind.NO_NUMBER)


def test_binances_count_of_remaining_refunds_only_goes_down():
    after = sent(with_refund(), remaining=4)
    done = heard(after, told(after.refunds[0], remaining=7))

    assert after.orders[0].refunds_left == 4
    assert done.orders[0].refunds_left == 4


# --- requested → sent → done ----------------------------------------------------------------------------------------


def test_a_refund_is_counted_and_leased_before_the_call_and_repeated_with_its_id():
    booking = with_refund()
    called = refunds.sending(booking, f"{ORDER}R01", LATER)

    assert (called.refunds[0].tries, called.refunds[0].retry_at) == (1, LATER + refunds.REFUND_LEASE)
    assert refunds.due_to_send(called, LATER) is None
    again = refunds.due_to_send(called, LATER + refunds.REFUND_LEASE)
    assert again == called.refunds[0]


def test_after_a_lost_answer_the_same_refund_is_called_for_again_later_and_later_and_the_owner_told():
    booking, waits = with_refund(), []
    for _ in range(refunds.ALERT_AT_TRY):
        booking = unanswered(booking, booking.refunds[0])
        waits.append(booking.refunds[0].retry_at - LATER)

    assert waits == [timedelta(seconds=2**tries) for tries in range(1, refunds.ALERT_AT_TRY + 1)]
    assert [one.id for one in booking.refunds] == [f"{ORDER}R01"]
    assert f"alert:refund_unsent:{ORDER}R01" in owed(booking)


def test_a_refund_calls_the_provider_from_the_moment_it_is_due_until_its_outcome_is_known():
    waiting = with_refund()
    accepted = sent(waiting)

    assert not refunds.is_calling(a_call(), LATER)
    assert refunds.is_calling(waiting, LATER)
    assert refunds.is_calling(accepted, LATER)
    assert not refunds.is_calling(heard(accepted, told(accepted.refunds[0])), LATER)


def test_accepted_is_not_done():
    after = sent(with_refund(None, cancels=True))

    assert (after.refunds[0].status, after.state) == (RefundStatus.SENT, State.CANCELLED)
    assert refunds.to_ask(after) == after.refunds
    assert polling.scheduled(replace(after, outbox=()), LATER).check_at == LATER + polling.ASK_SOON


def test_done_is_told_and_booked_once():
    after = sent(with_refund())
    done = heard(after, told(after.refunds[0], at=LATER))

    assert (done.refunds[0].status, done.refunds[0].done_at) == (RefundStatus.DONE, LATER)
    assert f"send:refund_done:{ORDER}R01" in owed(done)
    assert heard(done, told(after.refunds[0], Outcome.FAILED)) == done
    assert str(refunds.returned_in_all(done)) == "10"


def test_an_answer_lost_on_the_way_is_found_by_asking_for_the_refund():
    lost = unanswered(with_refund(), with_refund().refunds[0])

    pending = heard(lost, told(lost.refunds[0], Outcome.PENDING))
    unknown = heard(lost, told(lost.refunds[0], None))

    assert pending.refunds[0].status is RefundStatus.SENT
    assert heard(pending, told(lost.refunds[0], Outcome.PENDING)) == pending
    assert unknown.refunds == lost.refunds


def test_late_answers_about_a_call_change_nothing_once_it_is_sent():
    after = sent(with_refund())

    late = refunds.not_sent(after, f"{ORDER}R01", LATER, why="x", refused=True, low_balance=False)

    assert late == after
    assert refunds.accepted(after, told(after.refunds[0], Outcome.PENDING), LATER) == after
    assert refunds.sending(after, "nobody", LATER) == after
    assert refunds.accepted(after, RefundSeen("nobody", LATER, Outcome.PENDING), LATER) == after


def test_a_rejected_refund_keeps_the_money_here_and_calls_the_owner():
    after = sent(with_refund())

    rejected = heard(after, told(after.refunds[0], Outcome.FAILED))

    assert rejected.refunds[0].status is RefundStatus.REJECTED
    assert rejected.flags >= {Flag.REFUND_FAILED, Flag.NEEDS_OWNER}
    assert f"alert:refund_rejected:{ORDER}R01" in owed(rejected)
    assert heard(rejected, told(after.refunds[0])) == rejected


def test_a_rejected_refund_that_is_tried_again_gets_a_new_id_and_is_counted_once():
    after = sent(with_refund("75"))
    rejected = heard(after, told(after.refunds[0], Outcome.FAILED))

    again = decided(refunds.tried_again(rejected, f"{ORDER}R01", LATER), SlotSeen.UNKNOWN, LATER)

    assert [(one.id, one.status, one.replaced_by) for one in again.refunds] == [
        (f"{ORDER}R01", RefundStatus.REJECTED, f"{ORDER}R02"),
        (f"{ORDER}R02", RefundStatus.REQUESTED, ""),
    ]
    assert refunds.refundable(again).is_nothing
    assert Flag.REFUND_FAILED not in again.flags
    with pytest.raises(Conflict):
        refunds.tried_again(again, f"{ORDER}R01", LATER)


def test_too_little_balance_is_told_tried_again_by_itself_and_by_the_owners_button_with_the_same_id():
    poor = refused(with_refund(), with_refund().refunds[0], low_balance=True)

    assert poor.refunds[0].status is RefundStatus.NEEDS_OWNER
    assert {Flag.REFUND_FAILED, Flag.NEEDS_OWNER} <= poor.flags
    assert refunds.due_to_send(poor, LATER + refunds.TRY_BALANCE_AGAIN) == poor.refunds[0]
    again = refunds.tried_again(poor, f"{ORDER}R01", LATER)
    assert (refunds.due_to_send(again, LATER).id, len(again.refunds)) == (f"{ORDER}R01", 1)


def test_the_same_refusal_again_is_told_once():
    poor = refused(with_refund(), with_refund().refunds[0], low_balance=True)

    again = refused(poor, poor.refunds[0], low_balance=True, now=LATER + refunds.TRY_BALANCE_AGAIN)

    assert sum(event.kind == "refund_stuck" for event in again.history) == 1
    assert again.refunds[0].retry_at == LATER + 2 * refunds.TRY_BALANCE_AGAIN


def test_one_refund_of_an_order_is_under_way_at_a_time():
    two = customer_actions.refund_part(with_refund(), Money.parse("20"), LATER, cancels=False)

    first_sent = sent(two)
    first_done = heard(first_sent, told(first_sent.refunds[0]))

    assert refunds.due_to_send(two, LATER).id == f"{ORDER}R01"
    assert refunds.due_to_send(first_sent, LATER) is None
    assert refunds.due_to_send(refunds.sending(two, f"{ORDER}R01", LATER), LATER) is None
    assert refunds.due_to_send(first_done, LATER).id == f"{ORDER}R02"


def test_while_one_may_be_at_binance_already_none_is_called_for_first():
    """Each would believe to be Binance's last but one refund of the order, and the last returns everything left."""
    poor = refused(with_refund(), with_refund().refunds[0], low_balance=True)
    two = customer_actions.refund_part(poor, Money.parse("20"), LATER, cancels=False)
    unknown = refunds.sending(two, f"{ORDER}R02", LATER)
    hours_later = LATER + timedelta(hours=5)

    again = refunds.sending(unknown, f"{ORDER}R02", hours_later)
    answered = heard(unknown, told(unknown.refunds[1], at=hours_later), now=hours_later)

    assert refunds.due_to_send(unknown, hours_later).id == f"{ORDER}R02"
    assert refunds.due_to_send(again, hours_later) is None
    assert refunds.due_to_send(answered, hours_later).id == f"{ORDER}R01"


def test_when_binances_last_refund_returned_everything_nothing_more_is_promised():
    """Asked for 20 of 75, it returned all: what was still to be sent of it has gone back by that, and only that."""
    rejected = customer_actions.refund_part(with_refund(), Money.parse("20"), LATER, cancels=False)
    rejected = heard(sent(rejected), told(rejected.refunds[0], Outcome.FAILED, at=LATER))
    three = sent(customer_actions.refund_part(rejected, Money.parse("5"), LATER, cancels=False), f"{ORDER}R02")

    after = heard(three, replace(told(three.refunds[1], at=LATER), amount=ALL, refunded_in_all=ALL))

    assert [(str(one.amount), one.status, one.replaced_by) for one in after.refunds] == [
        ("10", RefundStatus.REJECTED, f"{ORDER}R02"),
        ("75", RefundStatus.DONE, ""),
        ("5", RefundStatus.REQUESTED, f"{ORDER}R02"),
    ]
    assert list(invariants.violations(after, LATER)) == []


def test_a_refund_that_takes_more_than_a_day_is_told_to_the_owner_once():
    waiting = replace(sent(with_refund()), outbox=())
    next_day = LATER + timedelta(hours=24)

    after = decided(waiting, SlotSeen.UNKNOWN, next_day)

    assert polling.scheduled(waiting, next_day - MINUTE).check_at <= next_day
    assert owed(after) == {f"alert:refund_slow:{ORDER}R01"}
    assert owed(decided(waiting, SlotSeen.UNKNOWN, next_day - SECOND)) == set()


# --- stuck, and settled by hand -------------------------------------------------------------------------------------


def test_what_left_by_another_way_is_settled_by_hand():
    poor = refused(with_refund(None, cancels=True), with_refund(None).refunds[0])

    after = decided(refunds.settled_by_hand(poor, f"{ORDER}R01", ALL, "by transfer", LATER), SlotSeen.UNKNOWN, LATER)

    assert (after.refunds[0].status, after.refunds[0].note) == (RefundStatus.EXTERNAL, "by transfer")
    assert (after.state, after.flags) == (State.REFUNDED, frozenset())


@pytest.mark.parametrize("amount", [Money.parse("75.00000001"), Money.parse("0"), Money.parse("1", "BNB")])
def test_no_more_can_be_settled_by_hand_than_there_was(amount):
    poor = refused(with_refund(None, cancels=True), with_refund(None).refunds[0])

    with pytest.raises(Invalid, match="75 USDT"):
        refunds.settled_by_hand(poor, f"{ORDER}R01", amount, "", LATER)


def test_what_is_not_stuck_is_not_settled_nor_tried_again_by_hand():
    for wanted in (f"{ORDER}R01", "nobody"):
        with pytest.raises(Conflict):
            refunds.settled_by_hand(with_refund(), wanted, TEN, "", LATER)
        with pytest.raises(Conflict):
            refunds.tried_again(with_refund(), wanted, LATER)


# --- refunds made in Binance's own console --------------------------------------------------------------------------


def found(amount: str, name: str = "console1", *, currency: str = "USDT", at=LATER) -> RefundSeen:
    return RefundSeen(name, at, Outcome.DONE, ORDER, amount=Money.parse(amount, currency))


def test_a_refund_by_console_is_found_by_its_notice_and_once_only():
    once = heard(a_call(), found("10"))

    assert [(one.id, str(one.amount), one.cause, one.status) for one in once.refunds] == [
        ("console1", "10", Cause.CONSOLE, RefundStatus.EXTERNAL)
    ]
    assert "alert:console_refund:console1" in owed(once)
    assert heard(once, found("10")) == once


def test_all_of_it_by_console_is_found_by_the_orders_own_status_and_its_notice_adds_nothing():
    once = settled(an_expired_booking(), seen(Remote.FULL_REFUNDED, "75", at=LATER), now=LATER)

    assert (once.state, [str(one.amount) for one in once.refunds]) == (State.REFUNDED, ["75"])
    assert heard(once, found("75")) == once


def test_a_part_of_unknown_amount_waits_for_its_notice_and_is_counted_once():
    unknown = settled(a_call(), seen(Remote.REFUNDED, "75", at=LATER), now=LATER)
    known = heard(unknown, found("10"))

    assert (unknown.refunds[0].amount, Flag.NEEDS_OWNER in unknown.flags) == (None, True)
    assert [str(one.amount) for one in known.refunds] == ["10"]
    assert heard(known, found("10")) == known
    assert len(heard(known, found("5", "console2")).refunds) == 2


def test_a_part_of_unknown_amount_is_known_when_everything_has_gone():
    unknown = settled(a_live_booking(), seen(Remote.REFUNDED, "75"))

    whole = settled(unknown, seen(Remote.FULL_REFUNDED, "75", at=LATER), now=LATER)

    assert ([str(one.amount) for one in whole.refunds], whole.flags) == (["75"], frozenset())


def test_a_part_of_unknown_amount_can_be_told_by_the_owner():
    unknown = settled(a_call(), seen(Remote.REFUNDED, "75", at=LATER), now=LATER)

    after = refunds.settled_by_hand(unknown, unknown.refunds[0].id, TEN, "", LATER)

    assert refunds.refundable(after) == Money.parse("65")


def test_what_binance_says_went_back_in_all_tells_of_the_consoles_and_its_notices_are_counted_once():
    after = sent(with_refund("10"))
    done = heard(after, told(after.refunds[0], refunded_in_all=Money.parse("40")))

    first = heard(done, found("20", "console1"))
    second = heard(first, found("10", "console2"))

    assert [str(one.amount) for one in done.refunds] == ["10", "30"]
    assert sorted(str(one.amount) for one in first.refunds) == ["10", "10", "20"]
    assert sorted(str(one.amount) for one in second.refunds) == ["10", "10", "20"]
    assert heard(second, found("10", "console2"), found("20", "console1")) == second


def test_where_binance_says_as_much_went_back_as_we_know_of_nothing_is_the_consoles():
    after = sent(with_refund("10"))

    done = heard(after, told(after.refunds[0], refunded_in_all=TEN))

    assert [(str(one.amount), one.cause) for one in done.refunds] == [("10", Cause.OWNER)]


def test_what_the_owner_sent_by_another_way_is_still_at_the_provider():
    call = a_call()
    stuck = refused(with_refund("10"), with_refund("10").refunds[0])
    by_hand = refunds.settled_by_hand(stuck, stuck.refunds[0].id, TEN, "", LATER)
    by_console = heard(call, found("10", "console1"))

    assert [str(at_provider(one, one.orders[0])) for one in (call, by_hand, by_console)] == ["75", "75", "65"]
    assert at_provider(call, replace(call.orders[0], received=None)).is_nothing


def by_hand_and_ten_planned() -> Booking:
    """10 of 75 were sent by another way, and 10 more are to follow by Binance."""
    stuck = refused(with_refund("10"), with_refund("10").refunds[0])
    by_hand = refunds.settled_by_hand(stuck, stuck.refunds[0].id, TEN, "", LATER)
    return customer_actions.refund_part(by_hand, TEN, LATER, cancels=False)


def test_after_a_refund_by_hand_an_order_is_asked_about_before_more_follows():
    first, more = with_refund("10"), by_hand_and_ten_planned()

    assert not refunds.is_asked_about_first(first, first.refunds[0])
    assert refunds.is_asked_about_first(more, more.refunds[1])
    assert refunds.due_to_send(more, LATER) == more.refunds[1]
    assert refunds.due_to_send(refunds.put_off(more, more.refunds[1].id, LATER), LATER) is None
    assert refunds.put_off(more, "nobody", LATER) == more


def test_what_left_by_the_console_is_told_by_the_owner_before_more_follows_a_refund_by_hand():
    unknown = settled(by_hand_and_ten_planned(), seen(Remote.REFUNDED, "75", at=LATER), now=LATER)

    waits = refunds.sending(unknown, unknown.refunds[1].id, LATER)
    after = refunds.settled_by_hand(waits, waits.refunds[2].id, Money.parse("65"), "", LATER)

    assert (waits.refunds[1].status, waits.refunds[1].tries) == (RefundStatus.NEEDS_OWNER, 0)
    assert waits.refunds[1].obstacle == Obstacle(ObstacleKind.AMOUNT_UNKNOWN)
    assert [str(one.amount) for one in after.refunds if one.reserves] == ["10", "65"]


def test_what_the_owner_sent_by_another_way_explains_nothing_that_binance_returned():
    more = by_hand_and_ten_planned()
    known = heard(replace(more, refunds=more.refunds[:1]), found("65", "console1"))
    all_gone = settled(replace(more, refunds=more.refunds[:1]), seen(Remote.FULL_REFUNDED, "75", at=LATER), now=LATER)

    assert [str(one.amount) for one in known.refunds] == ["10", "65"]
    assert [str(one.amount) for one in all_gone.refunds] == ["10", "75"]


def test_an_unreadable_payment_that_went_back_completely_is_no_open_matter():
    live = a_live_booking()
    unreadable = settled(live, seen(Remote.FULL_REFUNDED, None), now=live.deadline + MINUTE)

    assert not replace(unreadable, state=State.EXPIRED, flags=frozenset(), choose_by=None).is_open


def test_a_refund_of_ours_is_not_taken_for_the_consoles_while_its_outcome_is_unknown():
    lost = unanswered(with_refund(None), with_refund(None).refunds[0])

    after = settled(lost, seen(Remote.FULL_REFUNDED, "75", at=LATER), now=LATER)

    assert [one.cause for one in after.refunds] == [Cause.OWNER]


def test_a_refund_whose_first_answer_was_lost_is_not_taken_for_the_consoles_after_a_refusal_either():
    lost = unanswered(with_refund(None), with_refund(None).refunds[0])
    poor = refused(lost, lost.refunds[0], low_balance=True)

    after = settled(poor, seen(Remote.FULL_REFUNDED, "75", at=LATER), now=LATER)

    assert [one.cause for one in after.refunds] == [Cause.OWNER]


def test_planned_refunds_give_way_to_the_consoles_and_the_rest_goes_back():
    short = settled(a_live_booking(), seen(Remote.PAID, "74"))

    after = heard(short, found("20"))

    assert [(str(one.amount), one.replaced_by) for one in after.refunds] == [
        ("74", "console1"),
        ("20", ""),
        ("54", ""),
    ]


def test_a_refund_that_was_refused_because_the_console_was_first_gives_way_and_the_rest_goes_back():
    short = settled(a_live_booking(), seen(Remote.PAID, "74"))
    called = unanswered(short, short.refunds[0])
    beside = heard(called, found("20"))

    after = refused(beside, beside.refunds[0])

    assert (beside.refunds[0].replaced_by, len(beside.refunds)) == ("", 2)
    assert after.refunds[0].tries > 1, "an earlier call may have come through: the owner decides"
    assert Flag.NEEDS_OWNER in after.flags


def test_a_refund_whose_only_call_was_refused_gives_way_to_the_console_at_once():
    short = settled(a_live_booking(), seen(Remote.PAID, "74"))
    called = refunds.sending(heard(short), f"{ORDER}R01", LATER)
    beside = heard(called, found("20"))

    failed = refunds.not_sent(beside, f"{ORDER}R01", LATER, why="no", refused=True, low_balance=False)
    after = decided(failed, SlotSeen.UNKNOWN, LATER)

    assert [(str(one.amount), one.replaced_by) for one in after.refunds] == [
        ("74", "console1"),
        ("20", ""),
        ("54", ""),
    ]
    assert f"alert:refund_stuck:{ORDER}R01" not in owed(after)


def test_a_rejected_refund_for_which_nothing_is_left_gives_way_and_the_rest_goes_back():
    short = settled(a_live_booking(), seen(Remote.PAID, "74"))
    beside = heard(sent(short), found("20"))

    after = heard(beside, told(short.refunds[0], Outcome.FAILED))

    assert [(str(one.amount), one.replaced_by) for one in after.refunds] == [
        ("74", "console1"),
        ("20", ""),
        ("54", ""),
    ]
    assert Flag.NEEDS_OWNER not in after.flags


def test_money_promised_twice_for_a_while_is_not_short_and_keeps_no_slot():
    short = settled(a_live_booking(), seen(Remote.PAID, "74"))
    beside = heard(sent(short), found("20"))
    over = NOW + timedelta(minutes=17)

    after = decided(beside, SlotSeen.UNKNOWN, over)

    assert (after.state, after.claims) == (State.EXPIRED, ())


@pytest.mark.parametrize(
    "answer",
    [
        RefundSeen("console1", LATER, Outcome.DONE, "nobody", amount=TEN),
        RefundSeen("console1", LATER, Outcome.PENDING, ORDER, amount=TEN),
        RefundSeen("console1", LATER, Outcome.DONE, ORDER),
        found("10", currency="BNB"),
    ],
)
def test_what_tells_of_no_refund_of_ours_that_is_done_changes_nothing(answer):
    booking = a_call()

    assert heard(booking, answer, now=NOW + MINUTE) == heard(booking, now=NOW + MINUTE)


def test_a_refund_of_money_that_has_not_been_seen_changes_nothing():
    assert heard(a_live_booking(), found("10")).refunds == ()


def test_unreadable_money_is_settled_once_all_of_it_went_back():
    unreadable = settled(a_live_booking(), seen(Remote.PAID, None))

    by_notice = heard(unreadable, found("75"))
    by_status = settled(a_live_booking(), seen(Remote.FULL_REFUNDED, None))

    assert Flag.NEEDS_OWNER in unreadable.flags
    assert Flag.NEEDS_OWNER not in by_notice.flags
    assert Flag.NEEDS_OWNER not in by_status.flags


# --- whose money goes back ------------------------------------------------------------------------------------------


def twice(first: str, second: str, *, status: Remote = Remote.PAID) -> Booking:
    booking = a_live_booking()
    other = replace(booking.orders[0], number=2, trade_no=OTHER)
    booking = replace(booking, orders=(*booking.orders, other))
    return settled(booking, seen(Remote.PAID, first), seen(status, second, order=2))


def test_surplus_is_never_taken_from_money_nobody_can_count():
    after = twice("80", "75", status=Remote.REFUNDING)

    assert [(one.trade_no, str(one.amount)) for one in after.refunds] == [(ORDER, "5")]


def test_a_second_payment_smaller_than_what_is_too_much_goes_first():
    after = twice("80", "3")

    assert [(one.trade_no, str(one.amount), one.cause) for one in after.refunds] == [
        (OTHER, "3", Cause.SECOND),
        (ORDER, "5", Cause.SECOND),
    ]


# --- the customer cancels -------------------------------------------------------------------------------------------


def test_a_customer_who_cancels_early_gets_everything_back():
    call = a_call()

    after = customer_actions.cancel(call, ALL, LATER)

    assert (after.state, after.claims) == (State.CANCELLED, ())
    assert [(str(one.amount), one.cause, one.by) for one in after.refunds] == [("75", Cause.CANCELLED, "customer")]
    assert {"send:cancelled", "alert:cancelled"} <= owed(after)
    assert a_returned(sent(after), LATER).state is State.REFUNDED


def test_a_customer_who_cancels_later_gets_a_part_and_the_rest_stays_earned():
    call = a_call()
    late = call.slot.span.start - timedelta(hours=5)

    after = customer_actions.cancel(call, Money.parse("37.5"), late)
    done = a_returned(sent(after, now=late), late)

    assert ([str(one.amount) for one in after.refunds], str(after.agreed_amount)) == (["37.5"], "37.5")
    assert (done.state, done.flags) == (State.CANCELLED, frozenset())


def test_a_customer_who_cancels_at_the_end_gets_nothing_and_a_call_that_has_begun_cannot_be_cancelled():
    call = a_call()
    start = call.slot.span.start

    after = customer_actions.cancel(call, Money.parse("0"), start - timedelta(hours=1))

    assert (after.state, after.refunds) == (State.CANCELLED, ())
    with pytest.raises(Conflict):
        customer_actions.cancel(call, Money.parse("0"), start)


def test_what_the_page_promised_for_cancelling_has_to_be_what_goes_back():
    call = a_call()

    with pytest.raises(Conflict, match=r"37\.5 USDT"):
        customer_actions.cancel(call, ALL, call.slot.span.start - timedelta(hours=5))


def test_after_a_part_went_back_cancelling_returns_only_what_is_left():
    call = with_refund("10")

    assert str(customer_actions.goes_back(call, LATER)) == "65"
    assert str(customer_actions.goes_back(replace(call, slot=None), LATER)) == "65"


# --- paid, but without a time ---------------------------------------------------------------------------------------


def choosing() -> Booking:
    return settled(a_live_booking(calendar=CalendarKind.CALENDLY), seen(Remote.PAID, "75"), slot=SlotSeen.LOST)


def test_money_back_instead_of_another_time():
    after = customer_actions.money_back(choosing(), LATER)

    assert (after.state, after.choose_by) == (State.CANCELLED, None)
    assert [(str(one.amount), one.cause, one.by) for one in after.refunds] == [("75", Cause.MONEY_BACK, "customer")]
    with pytest.raises(Conflict):
        customer_actions.money_back(after, LATER)


@pytest.mark.parametrize("ended", [True, False])
def test_another_time_confirms_without_paying_again(ended):
    late = NOW + timedelta(minutes=20)
    gone = an_expired_booking(slot=choosing().slot)
    booking = settled(gone, seen(Remote.PAID, "75", at=late), slot=SlotSeen.LOST, now=late) if ended else choosing()
    other = replace(booking.slot, event_uri="http://calendly/scheduled_events/E2")

    after = customer_actions.another_time(booking, other, late)

    assert (after.state, after.slot, after.choose_by) == (State.CONFIRMED, other, None)
    assert Flag.SLOT_LOST not in after.flags
    assert (f"release_event:{EVENT}" in owed(after), after.refunds) == (True, ())


def test_another_time_on_our_own_calendar_frees_nothing_elsewhere():
    booking = replace(choosing(), slot=a_live_booking().slot)
    later = Span(CALL.start + timedelta(hours=1), CALL.end + timedelta(hours=1))

    after = customer_actions.another_time(booking, replace(booking.slot, span=later), LATER)

    assert (after.state, [name for name in owed(after) if name.startswith("release")]) == (State.CONFIRMED, [])


def test_another_time_can_be_lost_too_and_is_offered_again():
    booking = choosing()
    again = customer_actions.another_time(booking, replace(booking.slot, event_uri=""), LATER)
    lost = replace(again, state=State.PAID, confirmed_at=None)

    after = settled(lost, slot=SlotSeen.LOST, now=LATER)

    assert {"send:choose:2", "alert:slot_lost:2"} <= owed(after)


def test_the_time_to_choose_ends_and_a_time_given_back_cannot_be_chosen():
    booking = choosing()

    with pytest.raises(Conflict):
        customer_actions.another_time(booking, booking.slot, booking.choose_by)
    with pytest.raises(Conflict):
        customer_actions.another_time(
            customer_actions.event_unwanted(booking, f"{EVENT}9", NOW),
            replace(booking.slot, event_uri=f"{EVENT}9"),
            LATER,
        )


def test_a_choice_that_can_no_longer_be_made_is_not_polled_for_ever():
    late = NOW + timedelta(minutes=20)
    choosing_late = settled(an_expired_booking(), seen(Remote.PAID, "75", at=late), slot=SlotSeen.LOST, now=late)
    unclear = settled(choosing_late, seen(Remote.REFUNDED, "75", at=late), slot=SlotSeen.LOST, now=late)
    end = unclear.choose_by

    after = replace(settled(unclear, slot=SlotSeen.LOST, now=end), outbox=())

    assert (after.state, after.flags >= {Flag.NEEDS_OWNER}) == (State.EXPIRED, True)
    assert polling.scheduled(after, end).check_at is None


# --- what stands in a refund, whole ---------------------------------------------------------------------------------


def called(booking: Booking) -> Booking:
    return refunds.sending(booking, f"{ORDER}R01", LATER)


def lost_answer() -> Booking:
    return unanswered(with_refund(), with_refund().refunds[0])


def low() -> Booking:
    return refused(with_refund(), with_refund().refunds[0], low_balance=True)


def answered(said: str) -> Obstacle:
    return Obstacle(ObstacleKind.PROVIDER, said=said)


PLANNED = Refund(f"{ORDER}R01", ORDER, TEN, Cause.OWNER, LATER, by="owner", retry_at=LATER)
CALLED = replace(PLANNED, tries=1, retry_at=LATER + 30 * SECOND)
UNANSWERED = replace(PLANNED, tries=1, retry_at=LATER + 2 * SECOND, obstacle=answered("time-out"))
SENT = replace(PLANNED, status=RefundStatus.SENT, tries=1, sent_at=LATER, retry_at=None)
STUCK = replace(PLANNED, status=RefundStatus.NEEDS_OWNER, retry_at=None, obstacle=answered("no"))
BY_CONSOLE = Refund(
    "console1", ORDER, TEN, Cause.CONSOLE, LATER, by="owner", found_as="console1", status=RefundStatus.EXTERNAL,
    done_at=LATER,
)  # fmt: skip
STEPS = {
    "written down": (with_refund, PLANNED),
    "put off": (lambda: refunds.put_off(with_refund(), PLANNED.id, LATER), replace(PLANNED, retry_at=CALLED.retry_at)),
    "called for": (lambda: called(with_refund()), CALLED),
    "not answered": (lost_answer, UNANSWERED),
    "accepted": (lambda: sent(with_refund()), SENT),
    "accepted at the second call": (
        lambda: sent(lost_answer(), now=LATER + MINUTE), replace(SENT, tries=2, sent_at=LATER + MINUTE),
    ),
    "found accepted by asking": (lambda: heard(lost_answer(), told(PLANNED, Outcome.PENDING, at=LATER)), SENT),
    "found done by asking": (
        lambda: heard(lost_answer(), told(PLANNED, at=LATER)),
        replace(UNANSWERED, status=RefundStatus.DONE, retry_at=None, done_at=LATER),
    ),
    "found rejected by asking": (
        lambda: heard(lost_answer(), told(PLANNED, Outcome.FAILED, at=LATER)),
        replace(UNANSWERED, status=RefundStatus.REJECTED, retry_at=None, obstacle=Obstacle(ObstacleKind.REJECTED)),
    ),
    "done": (
        lambda: heard(sent(with_refund()), told(PLANNED, at=LATER)),
        replace(SENT, status=RefundStatus.DONE, done_at=LATER),
    ),
    "done, and its amount not told": (
        lambda: heard(sent(with_refund()), RefundSeen(PLANNED.id, LATER, Outcome.DONE, ORDER)),
        replace(SENT, status=RefundStatus.DONE, done_at=LATER),
    ),
    "done, with another amount than asked": (
        lambda: heard(sent(with_refund()), RefundSeen(PLANNED.id, LATER, Outcome.DONE, ORDER, amount=ALL)),
        replace(SENT, status=RefundStatus.DONE, done_at=LATER, amount=ALL),
    ),
    "refused": (lambda: refused(with_refund(), PLANNED), STUCK),
    "refused for want of balance": (low, replace(STUCK, retry_at=LATER + timedelta(hours=1))),
    "tried again": (
        lambda: refunds.tried_again(low(), PLANNED.id, LATER + MINUTE),
        replace(PLANNED, retry_at=LATER + MINUTE, obstacle=answered("no")),
    ),
    "settled by hand": (
        lambda: refunds.settled_by_hand(low(), PLANNED.id, ALL, "by transfer", LATER + MINUTE),
        replace(
            STUCK, status=RefundStatus.EXTERNAL, amount=ALL, note="by transfer", retry_at=None,
            done_at=LATER + MINUTE,
        ),
    ),
    "by the console": (lambda: heard(a_call(), found("10")), BY_CONSOLE),
    "by the console, and its amount not told": (
        lambda: settled(a_call(), seen(Remote.REFUNDED, "75", at=LATER), now=LATER),
        replace(BY_CONSOLE, id=f"{ORDER}R01", found_as="", amount=None),
    ),
    "the console's, told by its notice": (
        lambda: heard(settled(a_call(), seen(Remote.REFUNDED, "75", at=LATER), now=LATER), found("10")),
        replace(BY_CONSOLE, id=f"{ORDER}R01"),
    ),
    "the console's, told by the owner": (
        lambda: refunds.settled_by_hand(
            settled(a_call(), seen(Remote.REFUNDED, "75", at=LATER), now=LATER), f"{ORDER}R01", TEN, "I did", LATER
        ),
        replace(BY_CONSOLE, id=f"{ORDER}R01", found_as="", note="I did"),
    ),
    "the console's, by the order's status, whatever its notice adds": (
        lambda: heard(settled(a_call(), seen(Remote.FULL_REFUNDED, "75", at=LATER), now=LATER), found("75")),
        replace(BY_CONSOLE, id=f"{ORDER}R01", found_as="", amount=ALL),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STEPS)
def test_a_step_changes_of_a_refund_what_it_says_and_nothing_else(name):
    make, wanted = STEPS[name]

    assert make().refunds == (wanted,)


def test_a_refund_by_system_customer_or_owner_says_whose_wish_it_was():
    call = a_call()
    surplus = settled(a_live_booking(), seen(Remote.PAID, "85"), now=LATER)

    wanted = {
        "system": replace(PLANNED, cause=Cause.SURPLUS, by="system"),
        "customer": replace(PLANNED, amount=ALL, cause=Cause.CANCELLED, by="customer"),
        "owner": replace(PLANNED, note="sorry", request=R1),
    }
    assert {
        "system": surplus.refunds[0],
        "customer": customer_actions.cancel(call, ALL, LATER).refunds[0],
        "owner": customer_actions.refund_part(call, TEN, LATER, cancels=False, note="sorry", request=R1).refunds[0],
    } == wanted


def test_the_owner_is_told_of_a_call_without_answer_at_the_eighth_and_only_then():
    booking, alerts = replace(with_refund(), outbox=()), []
    for _ in range(refunds.ALERT_AT_TRY + 1):
        booking = unanswered(booking, booking.refunds[0])
        alerts.append([(one.task.key, one.due) for one in booking.outbox])
        booking = replace(booking, outbox=(), delivered=frozenset())

    assert alerts == [*[[]] * 7, [(f"alert:refund_unsent:{ORDER}R01", LATER)], []]


def test_the_pause_before_the_same_call_is_never_longer_than_ten_minutes():
    pauses = []
    for tries in (8, 9, 40):
        booking = with_refund()
        booking = booking.with_refund(replace(booking.refunds[0], tries=tries - 1))
        pauses.append(unanswered(booking, booking.refunds[0]).refunds[0].retry_at - LATER)

    assert pauses == [timedelta(seconds=256), timedelta(seconds=512), 10 * MINUTE]


def test_a_sum_of_the_consoles_is_divided_among_its_notices_as_they_come():
    done = heard(sent(with_refund()), told(PLANNED, at=LATER, refunded_in_all=Money.parse("40")))

    first = heard(done, found("20", "console1"))
    second = heard(first, found("10", "console2"))

    ours = replace(SENT, status=RefundStatus.DONE, done_at=LATER)
    sum_of_them = replace(BY_CONSOLE, id=f"{ORDER}R02", found_as="", amount=Money.parse("30"))
    named = replace(BY_CONSOLE, amount=Money.parse("20"))
    assert done.refunds == (ours, sum_of_them)
    assert first.refunds == (ours, replace(sum_of_them, amount=TEN), named)
    assert second.refunds == (ours, replace(sum_of_them, amount=TEN, found_as="console2"), named)


def test_what_gives_way_to_a_refund_of_unknown_amount_waits_until_the_amount_is_told():
    short = settled(a_live_booking(), seen(Remote.PAID, "74"), now=LATER)
    unknown = settled(short, seen(Remote.REFUNDED, "74", at=LATER), now=LATER)

    by_notice = heard(unknown, found("20"))
    by_owner = refunds.settled_by_hand(unknown, f"{ORDER}R02", Money.parse("20"), "", LATER)
    whole = settled(unknown, seen(Remote.FULL_REFUNDED, "74", at=LATER), now=LATER)

    planned = replace(PLANNED, amount=Money.parse("74"), cause=Cause.SHORT, by="system")
    gone = replace(planned, replaced_by=f"{ORDER}R02", retry_at=None)
    assert unknown.refunds[0] == planned
    assert [one.refunds[0] for one in (by_notice, by_owner, whole)] == [gone, gone, gone]
    assert by_notice.refunds[2] == replace(planned, id=f"{ORDER}R03", amount=Money.parse("54"))
    assert len(whole.refunds) == 2


def test_a_refund_of_one_payment_does_not_give_way_to_the_consoles_of_another():
    both = twice("80", "75")
    other = f"{OTHER}R01"
    console = replace(heard(both, found("10")), outbox=())

    stuck = refunds.not_sent(
        refunds.sending(console, other, LATER), other, LATER, why="no", refused=True, low_balance=False
    )

    assert stuck.find_refund(other).replaced_by == ""
    assert f"alert:refund_stuck:{other}" in owed(stuck)


def test_a_rejected_refund_gives_way_to_the_console_of_its_own_payment():
    both = twice("75", "75")
    beside = heard(sent(both), replace(found("20"), trade_no=OTHER), found("5", "console2"))

    after = heard(beside, told(both.refunds[0], Outcome.FAILED, at=LATER))

    assert [(one.id, one.replaced_by) for one in after.refunds[:3]] == [
        (f"{OTHER}R01", "console1"),
        ("console1", ""),
        ("console2", ""),
    ]


def test_a_refund_that_still_can_be_made_stays_the_owners_to_try_again_whatever_the_console_did():
    beside = heard(sent(with_refund()), found("20"))

    after = heard(beside, told(PLANNED, Outcome.FAILED, at=LATER))

    assert (after.refunds[0].status, after.refunds[0].replaced_by) == (RefundStatus.REJECTED, "")
    assert f"alert:refund_rejected:{ORDER}R01" in owed(after)


def test_no_more_can_be_told_of_one_payment_than_that_payment_was():
    both = settled(twice("75", "75"), seen(Remote.REFUNDED, "75", at=LATER), now=LATER)

    with pytest.raises(Invalid) as refusal:
        refunds.settled_by_hand(both, f"{ORDER}R02", Money.parse("75.00000001"), "", LATER)

    assert (str(refusal.value), refusal.value.fields) == (
        "Between nothing and 75 USDT.",
        {"amount": "must be at most 75"},
    )
    assert refunds.settled_by_hand(both, f"{ORDER}R02", ALL, "", LATER).refunds[1].amount == ALL


def test_what_is_only_promised_has_not_gone_back():
    two = customer_actions.refund_part(with_refund(), Money.parse("20"), LATER, cancels=False)

    assert refunds.returned_in_all(two) == Money.parse("0")
    assert refunds.returned_in_all(heard(sent(two), told(PLANNED))) == TEN


NO_MORE = "Binance allows no further refund of this payment. Settle it outside Binance Pay."
THE_LAST = (
    "Binance allows one last refund of this payment and would return everything left, 75 USDT. "
    "A smaller amount is not sent."
)
ONE_MORE = "After this refund Binance allows one more, which always returns everything left."


@pytest.mark.parametrize(
    ("left", "amount", "words", "blocked"),
    [
        (0, "10", (NO_MORE,), True),
        (0, "75", (NO_MORE,), True),
        (1, "74.99999999", (THE_LAST,), True),
        (1, "75", (), False),
        (2, "74.99999999", (ONE_MORE,), False),
        (2, "75", (), False),
        (3, "10", (), False),
    ],
)
def test_the_owner_reads_before_a_refund_what_binance_will_do(left, amount, words, blocked):
    preview = refunds.checked_part(with_left(a_call(), left), Money.parse(amount), cancels=False)

    assert (preview.warnings, preview.blocked) == (words, blocked)
    assert (preview.left, preview.remains) == (ALL, ALL - Money.parse(amount))


@pytest.mark.parametrize(
    ("amount", "sentence", "field"),
    [
        (Money.parse("1", "BNB"), "The amount has to be in USDT.", "must be in USDT"),
        (Money.parse("0"), "An amount is more than nothing.", "must be more than 0"),
        (Money.parse("75.00000001"), "At most 75 USDT can be refunded.", "must be at most 75"),
    ],
)
def test_an_amount_that_cannot_go_back_is_refused_with_the_reason_at_its_field(amount, sentence, field):
    with pytest.raises(Invalid) as refusal:
        refunds.checked_part(a_call(), amount, cancels=False)

    assert (str(refusal.value), refusal.value.fields) == (sentence, {"amount": field})


def without_number() -> Booking:
    booking = with_refund()
    return booking.with_order(replace(booking.orders[0], prepay_id=""))


def told_unknown() -> Booking:
    return settled(with_refund(), seen(Remote.REFUNDED, "75", at=LATER), now=LATER)


IMPOSSIBLE = {
    Obstacle(ObstacleKind.NO_NUMBER): without_number,
    Obstacle(ObstacleKind.NONE_LEFT): lambda: with_left(with_refund(), 0),
    Obstacle(ObstacleKind.LAST_ONE, left=Money.parse("75")): lambda: with_left(with_refund(), 1),
    Obstacle(ObstacleKind.AMOUNT_UNKNOWN): lambda: settled(
        by_hand_and_ten_planned(), seen(Remote.REFUNDED, "75", at=LATER), now=LATER
    ),
}


@pytest.mark.parametrize("why", IMPOSSIBLE, ids=lambda why: why.kind)
def test_what_binance_would_not_do_as_asked_is_not_sent_and_the_owner_reads_why(why):
    booking = IMPOSSIBLE[why]()
    refund = refunds.due_to_send(booking, LATER)

    after = refunds.sending(booking, refund.id, LATER)

    assert after.find_refund(refund.id) == replace(refund, status=RefundStatus.NEEDS_OWNER, retry_at=None, obstacle=why)
    assert after.history[len(booking.history) :] == (Event(LATER, EventKind.REFUND_STUCK, why),)
    assert [(one.task.key, one.due) for one in after.outbox if one not in booking.outbox] == [
        (f"alert:refund_stuck:{refund.id}", LATER)
    ]


@pytest.mark.parametrize("make", [told_unknown, by_hand_and_ten_planned], ids=["console", "by hand"])
def test_the_console_alone_or_another_way_alone_keeps_no_refund_from_being_sent(make):
    refund = refunds.due_to_send(make(), LATER)

    assert refunds.sending(make(), refund.id, LATER).find_refund(refund.id) == replace(
        refund, tries=1, retry_at=LATER + 30 * SECOND
    )


def test_a_refund_whose_payment_or_amount_is_unknown_is_not_sent():
    unknown = settled(a_call(), seen(Remote.REFUNDED, "75", at=LATER), now=LATER)
    orphan = replace(with_refund(), orders=())

    assert refunds.sending(unknown, f"{ORDER}R01", LATER) == unknown
    assert refunds.sending(orphan, f"{ORDER}R01", LATER) == orphan


def test_an_answer_of_asking_tells_how_many_more_refunds_there_are():
    after = heard(lost_answer(), told(PLANNED, Outcome.FAILED, at=LATER, remaining=4))

    assert after.orders[0].refunds_left == 4
