"""Three books held against each other: every kind of difference is found, and where there is none, none."""

from dataclasses import replace

import pytest

from inspired.domain.booking import customer_actions, refunds
from inspired.domain.booking.lifecycle import SlotSeen, decided
from inspired.domain.booking.reconciliation import STEPS, Answers, Difference, EventSeen, Kind, Step, differences
from inspired.domain.booking.refunds import Outcome, RefundSeen
from inspired.domain.booking.states import CalendarKind, RefundStatus, Remote, State
from inspired.domain.sentences.owner_pages import DIFFERENCES, difference
from inspired.domain.shared.money import Money
from inspired.domain.shared.slots import Span
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


def kinds(booking, **answers):
    return [one.kind for one in differences(booking, Answers(**answers))]


def refunding(amount: str = "10", *, status: RefundStatus = RefundStatus.SENT, tries: int | None = None):
    """A refund was asked for; it was called for too, unless `tries` says otherwise."""
    booking = customer_actions.refund_part(a_confirmed_booking(), Money.parse(amount), LATER, cancels=False)
    changed = replace(booking.refunds[0], status=status)
    if tries is not None:
        changed = replace(changed, status=RefundStatus.REQUESTED, tries=tries)
    return decided(booking.with_refund(changed), SlotSeen.UNKNOWN, LATER)


def unreadable():
    """Paid, and nobody could read how much."""
    return settled(a_live_booking(), seen(Remote.PAID, None))


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
    assert kinds(refunding(tries=1), orders=(seen(Remote.REFUNDED, "75"),)) == []
    whole = refunding("75", status=RefundStatus.DONE)
    assert kinds(whole, orders=(seen(Remote.FULL_REFUNDED, "75"),), refunds=(told(whole.refunds[0]),)) == []
    assert kinds(refunding(), refunds=(told(refunding().refunds[0], Outcome.PENDING),)) == []


@pytest.mark.parametrize(
    ("booking", "status", "amount", "kind", "sides"),
    [
        (a_live_booking(), Remote.PAID, "75", Kind.UNKNOWN_PAYMENT, "Binance: 75 USDT"),
        (an_expired_booking(), Remote.PAID, None, Kind.UNKNOWN_PAYMENT, "Binance: unreadable"),
        (a_live_booking(), Remote.REFUNDED, "75", Kind.UNKNOWN_PAYMENT, "Binance: 75 USDT"),
        (a_confirmed_booking(), Remote.CANCELED, None, Kind.MISSING_PAYMENT, "ours: 75 USDT, Binance: CANCELED"),
        (a_confirmed_booking(), None, None, Kind.MISSING_PAYMENT, "ours: 75 USDT, Binance: no such order"),
        (unreadable(), Remote.CANCELED, None, Kind.MISSING_PAYMENT, "ours: unreadable, Binance: CANCELED"),
        (a_confirmed_booking(), Remote.PAID, "74", Kind.AMOUNT, "ours: 75 USDT, Binance: 74 USDT"),
        (unreadable(), Remote.PAID, "74", Kind.AMOUNT, "ours: unreadable, Binance: 74 USDT"),
        (an_expired_booking(), Remote.INITIAL, None, Kind.STILL_PAYABLE, "ours: EXPIRED, Binance: INITIAL"),
        (an_expired_booking(), Remote.PENDING, None, Kind.STILL_PAYABLE, "ours: EXPIRED, Binance: PENDING"),
        (a_confirmed_booking(), Remote.REFUNDED, "75", Kind.UNKNOWN_REFUND, "ours: 0 refunds, Binance: REFUNDED"),
        (refunding(tries=0), Remote.REFUNDED, "75", Kind.UNKNOWN_REFUND, "ours: 0 refunds, Binance: REFUNDED"),
        (
            a_confirmed_booking(), Remote.FULL_REFUNDED, "75",
            Kind.UNKNOWN_REFUND, "ours: 0 refunds, Binance: FULL_REFUNDED",
        ),
        (
            refunding(status=RefundStatus.DONE), Remote.FULL_REFUNDED, "75",
            Kind.UNKNOWN_REFUND, "ours: 1 refunds, Binance: FULL_REFUNDED",
        ),
        (
            refunding("74.99999999", status=RefundStatus.DONE), Remote.FULL_REFUNDED, "75",
            Kind.UNKNOWN_REFUND, "ours: 1 refunds, Binance: FULL_REFUNDED",
        ),
        (
            refunding(status=RefundStatus.DONE), Remote.PAID, "75",
            Kind.MISSING_REFUND, "ours: 1 refunds, Binance: PAID",
        ),
    ],
)  # fmt: skip
def test_what_an_order_says_otherwise_is_a_difference(booking, status, amount, kind, sides):
    assert differences(booking, Answers(orders=(seen(status, amount),))) == (
        Difference(kind, booking.id, ORDER, sides),
    )  # fmt: skip


def test_an_order_that_is_not_the_bookings_own_is_no_business_of_it():
    assert kinds(a_live_booking(), orders=(seen(Remote.PAID, "75", order=9),)) == []


def test_money_gone_by_an_amount_nobody_knows_is_already_known():
    unknown = settled(a_confirmed_booking(), seen(Remote.REFUNDED, "75", at=LATER), now=LATER)

    assert kinds(unknown, orders=(seen(Remote.FULL_REFUNDED, "75"),)) == []
    assert kinds(unreadable(), orders=(seen(Remote.FULL_REFUNDED),)) == []


@pytest.mark.parametrize(
    ("status", "outcome", "amount", "kind", "sides"),
    [
        (RefundStatus.DONE, None, None, Kind.MISSING_REFUND, "ours: done, Binance: no such refund"),
        (RefundStatus.SENT, None, None, Kind.MISSING_REFUND, "ours: sent, Binance: no such refund"),
        (RefundStatus.SENT, Outcome.DONE, "10", Kind.REFUND_STATE, "ours: sent, Binance: done"),
        (RefundStatus.DONE, Outcome.FAILED, "10", Kind.REFUND_STATE, "ours: done, Binance: failed"),
        (RefundStatus.REQUESTED, Outcome.PENDING, "10", Kind.REFUND_STATE, "ours: requested, Binance: pending"),
        (RefundStatus.DONE, Outcome.DONE, "9", Kind.REFUND_AMOUNT, "ours: 10 USDT, Binance: 9 USDT"),
        (RefundStatus.SENT, Outcome.PENDING, None, Kind.REFUND_AMOUNT, "ours: 10 USDT, Binance: unreadable"),
    ],
)
def test_what_a_refund_says_otherwise_is_a_difference(status, outcome, amount, kind, sides):
    answer = RefundSeen(f"{ORDER}R01", LATER, outcome, ORDER, amount=Money.parse(amount) if amount else None)

    found = differences(refunding(status=status), Answers(refunds=(answer,)))

    assert found == (Difference(kind, "b" * 24, f"{ORDER}R01", sides),)


def test_a_refund_that_was_never_sent_and_is_unknown_there_is_no_difference():
    assert kinds(refunding(status=RefundStatus.REQUESTED), refunds=(RefundSeen(f"{ORDER}R01", LATER, None),)) == []
    assert kinds(refunding(), refunds=(RefundSeen("nobody", LATER, Outcome.DONE),)) == []


@pytest.mark.parametrize(
    ("booking", "span", "kind", "sides"),
    [
        (
            a_confirmed_booking(), None,
            Kind.CALL_WITHOUT_EVENT, "ours: 2026-11-26T10:00:00+00:00, calendar: not active",
        ),
        (
            a_confirmed_booking(), Span(CALL.start + MINUTE, CALL.end + MINUTE),
            Kind.EVENT_MOVED, "ours: 2026-11-26T10:00:00+00:00, calendar: 2026-11-26T10:01:00+00:00",
        ),
        (an_expired_booking(), CALL, Kind.EVENT_WITHOUT_CALL, "ours: EXPIRED, calendar: active"),
    ],
)  # fmt: skip
def test_what_the_calendar_says_otherwise_is_a_difference(booking, span, kind, sides):
    found = differences(in_calendly(booking), Answers(event=EventSeen(EVENT, span)))

    assert found == (Difference(kind, booking.id, EVENT, sides),)


def test_the_built_in_calendar_and_a_time_that_is_free_again_have_no_difference():
    assert kinds(a_confirmed_booking(), event=EventSeen("", None)) == []
    assert kinds(in_calendly(an_expired_booking()), event=EventSeen(EVENT, None)) == []
    assert kinds(replace(a_confirmed_booking(), slot=None), event=EventSeen(EVENT, None)) == []


def test_a_ledger_that_is_behind_is_posted_again():
    booking = a_confirmed_booking()

    (found,) = differences(booking, Answers(posted=booking.ledger[:1]))

    assert found == Difference(Kind.LEDGER, booking.id, "ledger", "booking: 2 entries, ledger: 1; sales, suspense")
    assert found.step is Step.POST


def test_every_kind_has_its_sentence_its_step_and_the_same_id_each_time():
    one = Difference.of("amount", "b1", ORDER, "x")

    assert set(STEPS) == set(DIFFERENCES) == set(Kind)
    assert one == Difference(Kind.AMOUNT, "b1", ORDER, "x")
    assert (one.id, one.step) == (f"b1/amount/{ORDER}", Step.OWNER)
    assert difference(one) == "Binance and our books name different amounts for a payment."


def test_asking_again_heals_what_the_step_says_it_heals():
    booking = a_live_booking()
    answer = seen(Remote.PAID, "75", at=LATER)

    healed = settled(booking, answer, now=LATER)

    assert kinds(booking, orders=(answer,)) == [Kind.UNKNOWN_PAYMENT]
    assert (kinds(healed, orders=(answer,)), healed.state) == ([], State.CONFIRMED)
    assert refunds.to_ask(healed) == ()
