"""Each invariant is broken once by hand and told; a sound booking breaks none."""

from dataclasses import replace

import pytest

from inspired.domain.booking import customer_actions, refunds
from inspired.domain.booking.booking import Line
from inspired.domain.booking.history import EventKind
from inspired.domain.booking.invariants import INVARIANTS, violations
from inspired.domain.booking.ledger import booked
from inspired.domain.booking.polling import scheduled
from inspired.domain.booking.states import Cause, RefundStatus, Remote, State
from inspired.domain.shared.money import Money
from tests.factories import (
    MINUTE,
    NOW,
    a_booking,
    a_confirmed_booking,
    a_draft,
    a_live_booking,
    a_returned,
    an_expired_booking,
    seen,
    settled,
)

LATER = NOW + 2 * MINUTE


def names(booking, now=LATER):
    return [name for name, _ in violations(booking, now)]


def kept_by_policy():
    """Cancelled with a part going back; it has gone, the mails are sent, and nobody looks at it any more."""
    cancelled = customer_actions.refund_part(a_confirmed_booking(), Money.parse("10"), LATER, cancels=True)
    after = scheduled(replace(a_returned(cancelled, LATER), outbox=()), LATER)
    assert (after.state, after.check_at) == (State.CANCELLED, None)
    return after


@pytest.mark.parametrize(
    "booking",
    [
        a_draft(),
        a_live_booking(),
        a_confirmed_booking(),
        an_expired_booking(),
        settled(a_live_booking(), seen(Remote.PAID, "74")),
        customer_actions.refund_all(a_confirmed_booking(), LATER, cancels=True),
        customer_actions.give_up(a_draft(), LATER),
        settled(customer_actions.give_up(a_booking(), LATER), now=LATER),
        kept_by_policy(),
    ],
)
def test_a_sound_booking_breaks_none(booking):
    assert names(booking) == []


def two_refunds_of_one_id():
    booking = customer_actions.refund_part(a_confirmed_booking(), Money.parse("10"), LATER, cancels=False)
    return replace(booking, refunds=(*booking.refunds, booking.refunds[0]), agreed_amount=Money.parse("55"))


def more_gone_than_came():
    booking = customer_actions.refund_all(a_confirmed_booking(), LATER, cancels=True)
    more = replace(booking.refunds[0], amount=Money.parse("76"), status=RefundStatus.DONE)
    return settled(booking.with_refund(more), now=LATER)


def a_forgotten_payment():
    booking = settled(an_expired_booking(), seen(Remote.PAID, "75", at=LATER), now=LATER)
    return replace(booking, state=State.EXPIRED, history=an_expired_booking().history, confirmed_at=None, check_at=None)


def an_unbalanced_entry():
    booking = a_confirmed_booking()
    odd = replace(booking.ledger[0], lines=(Line("binance", Money.parse("1")),))
    return replace(booking, ledger=(odd, *booking.ledger[1:]))


def a_call_nobody_paid():
    never = a_live_booking(state=State.CONFIRMED, earned=Money.parse("75"), confirmed_at=NOW)
    return booked(never.noted(NOW, EventKind.PAID).noted(NOW, EventKind.CONFIRMED), NOW)


def a_cancelled_call_that_never_was():
    return replace(customer_actions.refund_all(a_confirmed_booking(), LATER, cancels=True), confirmed_at=None)


DUE = "never looked at again, though it should be at 2026-11-24 10:00:00+00:00"
WRONG_BOOKS = ("books_balance", "the entries do not say what the facts say")
BROKEN = {
    "confirmed twice": (
        lambda: a_confirmed_booking().noted(LATER, EventKind.CONFIRMED),
        [("confirmed_once", "confirmed 2 times"), ("history_agrees", "CONFIRMED became CONFIRMED")],
    ),
    "confirmed at no time": (
        lambda: a_confirmed_booking(confirmed_at=None),
        [("confirmed_paid", "confirmed with 75 USDT of 75 USDT")],
    ),
    "confirmed, and cancelled since": (
        a_cancelled_call_that_never_was,
        [("confirmed_paid", "confirmed with 75 USDT of 75 USDT")],
    ),
    "confirmed, earning nothing": (
        lambda: booked(a_confirmed_booking(earned=None), LATER),
        [("confirmed_paid", "confirmed with 75 USDT of 75 USDT")],
    ),
    "confirmed unpaid": (a_call_nobody_paid, [("confirmed_paid", "confirmed with 0 USDT of 75 USDT")]),
    "two refunds of one id": (two_refunds_of_one_id, [("refunds_bounded", "two refunds have the same id")]),
    "more gone than came": (
        more_gone_than_came,
        [
            ("refunds_bounded", "order 1: 1 USDT more promised than arrived"),
            ("refunds_bounded", "order 1: 1 USDT more gone than arrived"),
        ],
    ),
    "an entry that is off": (
        an_unbalanced_entry,
        [("books_balance", "entry 0 does not sum to zero"), WRONG_BOOKS],
    ),
    "an entry that is lost": (
        lambda: replace(a_confirmed_booking(), ledger=a_confirmed_booking().ledger[1:]),
        [("books_balance", "the entries have gaps"), WRONG_BOOKS],
    ),
    "a state its history does not lead to": (
        lambda: a_live_booking(state=State.PAID),
        [("history_agrees", "the history ends in PENDING, the state is PAID")],
    ),
    "no history": (
        lambda: a_live_booking(history=()),
        [("history_agrees", "the history ends in None, the state is PENDING")],
    ),
    "forgotten": (lambda: a_live_booking(check_at=None), [("on_the_list", f"PENDING, {DUE}")]),
    "forgotten, and money came": (
        a_forgotten_payment,
        [("money_accounted", "EXPIRED with 75 USDT and nothing to come"), ("on_the_list", f"EXPIRED, {DUE}")],
    ),
    "refunded, and the money is here": (
        lambda: a_confirmed_booking(state=State.REFUNDED),
        [
            ("refunded_gone", "refunded, and 75 USDT is here (exact)"),
            ("history_agrees", "the history ends in CONFIRMED, the state is REFUNDED"),
        ],
    ),
    "over before its order": (
        lambda: a_live_booking(state=State.EXPIRED),
        [
            ("closed_before_end", "EXPIRED, and an order was not seen closed"),
            ("history_agrees", "the history ends in PENDING, the state is EXPIRED"),
        ],
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_told_in_words_and_nothing_else(name):
    make, broken = BROKEN[name]

    assert list(violations(make(), LATER)) == broken


def test_every_invariant_has_its_sentence():
    told = set(names(refunds.all_of_it(a_live_booking(state=State.REFUNDED), Cause.OWNER, NOW)))

    assert told
    assert told <= set(INVARIANTS)
    assert all(sentence.endswith(".") for sentence in INVARIANTS.values())
