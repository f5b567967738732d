"""Whose name is forgotten when: long after the last thing happened, and never with money open."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from inspired.domain.booking.balance import Payment, payment_of
from inspired.domain.booking.history import EventKind
from inspired.domain.booking.retention import due_for_erasure, months_before
from inspired.domain.booking.states import Flag, State
from tests.factories import (
    CALL,
    NOW,
    a_booking,
    a_confirmed_booking,
    a_draft,
    a_live_booking,
    an_expired_booking,
    an_item,
)

LONG_AFTER = CALL.end + timedelta(days=400)


def settled(booking):
    """Everything that was owed is done."""
    return replace(booking, outbox=())


def test_a_call_that_was_held_is_due_so_many_whole_months_after_its_end():
    booking = settled(a_confirmed_booking())
    end = CALL.end

    for months in (3, 12):
        due = end.replace(year=end.year + (end.month + months - 1) // 12, month=(end.month + months - 1) % 12 + 1)
        assert due_for_erasure(booking, months, due)
        assert not due_for_erasure(booking, months, due - timedelta(seconds=1))


def test_never_is_never():
    assert not due_for_erasure(settled(a_confirmed_booking()), 0, LONG_AFTER)


def test_whatever_happened_last_counts():
    booking = settled(a_confirmed_booking())
    later = booking.noted(LONG_AFTER - timedelta(days=10), EventKind.NO_SHOW)

    assert due_for_erasure(booking, 3, LONG_AFTER)
    assert not due_for_erasure(later, 3, LONG_AFTER)


def test_a_booking_without_a_time_counts_from_its_end():
    booking = settled(replace(an_expired_booking(), slot=None, history=()))

    assert due_for_erasure(booking, 3, LONG_AFTER)


@pytest.mark.parametrize(
    "open_still",
    [
        a_draft(),
        a_booking(),
        a_live_booking(),
        replace(a_confirmed_booking(), outbox=(an_item("send:reminder", NOW),)),
        settled(a_confirmed_booking()).flagged(Flag.NEEDS_OWNER),
        settled(replace(a_confirmed_booking(), choose_by=NOW)),
        settled(replace(a_confirmed_booking(), state=State.PAID)),
        settled(replace(a_confirmed_booking(), sealed=None)),
    ],
    ids=["draft", "held", "payable", "owing a mail", "needs the owner", "choosing", "paid only", "erased already"],
)
def test_what_is_not_over_or_not_settled_stays(open_still):
    assert not due_for_erasure(open_still, 3, LONG_AFTER)


@pytest.mark.parametrize("kept", [10, 200])
def test_money_that_is_too_much_or_too_little_keeps_the_person(kept: int):
    booking = settled(a_confirmed_booking())
    odd = replace(booking, agreed_amount=type(booking.price).parse(str(kept)))

    assert payment_of(booking) is Payment.EXACT
    assert payment_of(odd) in (Payment.OVER, Payment.SHORT)
    assert not due_for_erasure(odd, 3, LONG_AFTER)


@pytest.mark.parametrize(
    ("now", "months", "then"),
    [
        ((2026, 3, 31), 1, (2026, 2, 28)),
        ((2028, 3, 31), 1, (2028, 2, 29)),
        ((2026, 1, 15), 1, (2025, 12, 15)),
        ((2026, 12, 1), 12, (2025, 12, 1)),
        ((2026, 12, 1), 11, (2026, 1, 1)),
        ((2026, 6, 30), 120, (2016, 6, 30)),
    ],
)
def test_months_are_the_calendars(now, months, then):
    assert months_before(datetime(*now, tzinfo=UTC), months) == datetime(*then, tzinfo=UTC)
