"""Each invariant is broken once by hand and told; a sound booking breaks none."""

from dataclasses import replace
from datetime import timedelta

import pytest

from inspired.domain import refunds, steps
from inspired.domain.booking import Cause, Line, RefundStatus, Remote, State
from inspired.domain.invariants import INVARIANTS, violations
from inspired.domain.ledger import BINANCE
from inspired.domain.money import Money
from tests.factories import (
    MINUTE,
    NOW,
    a_confirmed_booking,
    a_draft,
    a_live_booking,
    an_expired_booking,
    seen,
    settled,
)

LATER = NOW + 2 * MINUTE
LONG_AFTER = NOW + timedelta(days=9)


def names(booking, now=LATER):
    return [name for name, _ in violations(booking, now)]


@pytest.mark.parametrize(
    "booking",
    [
        a_draft(),
        a_live_booking(),
        a_confirmed_booking(),
        an_expired_booking(),
        settled(a_live_booking(), seen(Remote.PAID, "74")),
        steps.refund(a_confirmed_booking(), None, LATER, cancels=True),
    ],
)
def test_a_sound_booking_breaks_none(booking):
    assert names(booking) == []


def two_refunds_of_one_id():
    booking = steps.refund(a_confirmed_booking(), Money.parse("10"), LATER, cancels=False)
    return replace(booking, refunds=(*booking.refunds, booking.refunds[0]), keeps=Money.parse("55"))


def more_gone_than_came():
    booking = steps.refund(a_confirmed_booking(), None, LATER, cancels=True)
    more = replace(booking.refunds[0], amount=Money.parse("76"), status=RefundStatus.DONE)
    return settled(booking.with_refund(more), now=LATER)


def a_forgotten_payment():
    booking = settled(an_expired_booking(), seen(Remote.PAID, "75", at=LATER), now=LATER)
    return replace(booking, state=State.EXPIRED, history=an_expired_booking().history, confirmed_at=None, check_at=None)


def an_unbalanced_entry():
    booking = a_confirmed_booking()
    odd = replace(booking.ledger[0], lines=(Line(BINANCE, Money.parse("1")),))
    return replace(booking, ledger=(odd, *booking.ledger[1:]))


@pytest.mark.parametrize(
    ("booking", "broken"),
    [
        (a_confirmed_booking().noted(LATER, "confirmed"), {"confirmed_once", "history_agrees"}),
        (a_confirmed_booking(confirmed_at=None), {"confirmed_paid"}),
        (two_refunds_of_one_id(), {"refunds_bounded"}),
        (more_gone_than_came(), {"refunds_bounded"}),
        (an_unbalanced_entry(), {"books_balance"}),
        (replace(a_confirmed_booking(), ledger=a_confirmed_booking().ledger[1:]), {"books_balance"}),
        (a_live_booking(state=State.PAID), {"history_agrees"}),
        (a_live_booking(check_at=None), {"on_the_list"}),
    ],
)
def test_what_is_broken_is_told(booking, broken):
    assert set(names(booking)) == broken


def test_money_of_an_ended_booking_that_nobody_waits_for_is_told():
    assert "money_accounted" in names(a_forgotten_payment(), LONG_AFTER)


def test_refunded_with_money_here_is_told():
    booking = a_confirmed_booking(state=State.REFUNDED)

    assert "refunded_gone" in names(booking)


def test_a_booking_that_ended_before_its_order_was_seen_closed_is_told():
    booking = a_live_booking(state=State.EXPIRED)

    assert "closed_before_end" in names(booking)


def test_every_invariant_has_its_sentence():
    told = set(names(refunds.all_of_it(a_live_booking(state=State.REFUNDED), Cause.OWNER, NOW)))

    assert told
    assert told <= set(INVARIANTS)
    assert all(sentence.endswith(".") for sentence in INVARIANTS.values())
