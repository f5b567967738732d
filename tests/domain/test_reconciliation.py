"""Three books held against each other: every kind of difference is found, and where there is none, none."""

from dataclasses import replace

import pytest

from inspired.domain import refunds, steps
from inspired.domain.booking import CalendarKind, RefundStatus, Remote, State
from inspired.domain.lifecycle import SlotSeen, decided
from inspired.domain.money import Money
from inspired.domain.reconciliation import STEPS, Answers, Difference, EventSeen, Kind, Step, differences
from inspired.domain.refunds import Outcome, RefundSeen
from inspired.domain.slots import Span
from tests.factories import (
    CALL,
    EVENT,
    MINUTE,
    NOW,
    a_confirmed_booking,
    a_live_booking,
    an_expired_booking,
    seen,
    settled,
    told,
)

LATER = NOW + 2 * MINUTE
ORDER = f"{'b' * 24}001"
TEN = Money.parse("10")


def kinds(booking, **answers):
    return [one.kind for one in differences(booking, Answers(**answers))]


def refunding(*, status: RefundStatus = RefundStatus.SENT):
    booking = steps.refund(a_confirmed_booking(), TEN, LATER, cancels=False)
    changed = replace(booking.refunds[0], status=status)
    return decided(booking.with_refund(changed), SlotSeen.UNKNOWN, LATER)


def in_calendly(booking):
    return replace(booking, slot=a_live_booking(calendar=CalendarKind.CALENDLY).slot)


def test_what_was_not_asked_is_judged_by_nobody():
    assert differences(a_confirmed_booking(), Answers()) == ()


def test_books_that_agree_have_no_difference():
    booking = in_calendly(a_confirmed_booking())
    done = refunding(status=RefundStatus.DONE)

    assert kinds(
        booking, orders=(seen(Remote.PAID, "75"),), event=EventSeen(EVENT, CALL), posted=booking.ledger
    ) == []  # fmt: skip
    assert kinds(a_live_booking(), orders=(seen(Remote.INITIAL),)) == []
    assert kinds(done, orders=(seen(Remote.REFUNDED, "75"),), refunds=(told(done.refunds[0]),)) == []
    assert kinds(refunding(), orders=(seen(Remote.REFUNDED, "75"),)) == []
    assert kinds(refunding(), refunds=(told(refunding().refunds[0], Outcome.PENDING),)) == []


@pytest.mark.parametrize(
    ("booking", "status", "amount", "kind"),
    [
        (a_live_booking(), Remote.PAID, "75", Kind.UNKNOWN_PAYMENT),
        (an_expired_booking(), Remote.PAID, None, Kind.UNKNOWN_PAYMENT),
        (a_confirmed_booking(), Remote.CANCELED, None, Kind.MISSING_PAYMENT),
        (a_confirmed_booking(), None, None, Kind.MISSING_PAYMENT),
        (a_confirmed_booking(), Remote.PAID, "74", Kind.AMOUNT),
        (an_expired_booking(), Remote.INITIAL, None, Kind.STILL_PAYABLE),
        (an_expired_booking(), Remote.PENDING, None, Kind.STILL_PAYABLE),
        (a_confirmed_booking(), Remote.REFUNDED, "75", Kind.UNKNOWN_REFUND),
        (a_confirmed_booking(), Remote.FULL_REFUNDED, "75", Kind.UNKNOWN_REFUND),
        (refunding(status=RefundStatus.DONE), Remote.FULL_REFUNDED, "75", Kind.UNKNOWN_REFUND),
        (refunding(status=RefundStatus.DONE), Remote.PAID, "75", Kind.MISSING_REFUND),
    ],
)
def test_what_an_order_says_otherwise_is_a_difference(booking, status, amount, kind):
    assert kinds(booking, orders=(seen(status, amount),)) == [kind]


def test_an_order_that_is_not_the_bookings_own_is_no_business_of_it():
    assert kinds(a_live_booking(), orders=(seen(Remote.PAID, "75", order=9),)) == []


def test_an_unreadable_payment_of_ours_that_is_missing_there_is_told():
    unreadable = settled(a_live_booking(), seen(Remote.PAID, None))

    found = differences(unreadable, Answers(orders=(seen(Remote.CANCELED),)))

    assert [(one.kind, one.told) for one in found] == [(Kind.MISSING_PAYMENT, "ours: unreadable, Binance: CANCELED")]


def test_money_gone_by_an_amount_nobody_knows_is_already_known():
    unknown = settled(a_confirmed_booking(), seen(Remote.REFUNDED, "75", at=LATER), now=LATER)

    assert kinds(unknown, orders=(seen(Remote.FULL_REFUNDED, "75"),)) == []


@pytest.mark.parametrize(
    ("status", "outcome", "amount", "kind"),
    [
        (RefundStatus.DONE, None, None, Kind.MISSING_REFUND),
        (RefundStatus.SENT, None, None, Kind.MISSING_REFUND),
        (RefundStatus.SENT, Outcome.DONE, "10", Kind.REFUND_STATE),
        (RefundStatus.DONE, Outcome.FAILED, "10", Kind.REFUND_STATE),
        (RefundStatus.REQUESTED, Outcome.PENDING, "10", Kind.REFUND_STATE),
        (RefundStatus.DONE, Outcome.DONE, "9", Kind.REFUND_AMOUNT),
    ],
)
def test_what_a_refund_says_otherwise_is_a_difference(status, outcome, amount, kind):
    money = Money.parse(amount) if amount else None

    found = kinds(refunding(status=status), refunds=(RefundSeen(f"{ORDER}R01", LATER, outcome, ORDER, amount=money),))

    assert found == [kind]


def test_a_refund_that_was_never_sent_and_is_unknown_there_is_no_difference():
    assert kinds(refunding(status=RefundStatus.REQUESTED), refunds=(RefundSeen(f"{ORDER}R01", LATER, None),)) == []
    assert kinds(refunding(), refunds=(RefundSeen("nobody", LATER, Outcome.DONE),)) == []


@pytest.mark.parametrize(
    ("booking", "span", "kind"),
    [
        (a_confirmed_booking(), None, Kind.CALL_WITHOUT_EVENT),
        (a_confirmed_booking(), Span(CALL.start + MINUTE, CALL.end + MINUTE), Kind.EVENT_MOVED),
        (an_expired_booking(), CALL, Kind.EVENT_WITHOUT_CALL),
    ],
)
def test_what_the_calendar_says_otherwise_is_a_difference(booking, span, kind):
    assert kinds(in_calendly(booking), event=EventSeen(EVENT, span)) == [kind]


def test_the_built_in_calendar_and_a_time_that_is_free_again_have_no_difference():
    assert kinds(a_confirmed_booking(), event=EventSeen("", None)) == []
    assert kinds(in_calendly(an_expired_booking()), event=EventSeen(EVENT, None)) == []
    assert kinds(replace(a_confirmed_booking(), slot=None), event=EventSeen(EVENT, None)) == []


def test_a_ledger_that_is_behind_is_posted_again():
    booking = a_confirmed_booking()

    (found,) = differences(booking, Answers(posted=booking.ledger[:1]))

    assert (found.kind, found.step) == (Kind.LEDGER, Step.POST)
    assert found.told == "booking: 2 entries, ledger: 1; sales, suspense"


def test_every_kind_has_its_sentence_its_step_and_the_same_id_each_time():
    one = Difference.of("amount", "b1", ORDER, "x")

    assert set(STEPS) == set(Kind)
    assert one == Difference(Kind.AMOUNT, "b1", ORDER, "x")
    assert (one.id, one.step) == (f"b1/amount/{ORDER}", Step.OWNER)
    assert one.sentence == "Binance and our books name different amounts for a payment."


def test_asking_again_heals_what_the_step_says_it_heals():
    booking = a_live_booking()
    answer = seen(Remote.PAID, "75", at=LATER)

    healed = settled(booking, answer, now=LATER)

    assert kinds(booking, orders=(answer,)) == [Kind.UNKNOWN_PAYMENT]
    assert (kinds(healed, orders=(answer,)), healed.state) == ([], State.CONFIRMED)
    assert refunds.to_ask(healed) == ()
