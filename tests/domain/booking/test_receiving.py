"""When a change counts, and how many addresses are left."""

from dataclasses import replace

import pytest

from inspired.domain.booking.receiving import Entry, Register, Stock, in_force_at, stock
from inspired.domain.shared.errors import Conflict, NotFound, Unchanged
from tests.factories import MINUTE, NOW

DAY = 24 * 60 * MINUTE
FIRST = Entry("a", "first", NOW, "ann", NOW)
SECOND = Entry("b", "second", NOW + MINUTE, "ann", NOW + MINUTE + DAY)
BOTH = Register().set(FIRST).set(SECOND)


def test_before_anybody_has_paid_a_change_counts_at_once_and_afterwards_a_day_later():
    assert in_force_at(NOW, was_ever_paid=False) == NOW
    assert in_force_at(NOW, was_ever_paid=True) == NOW + DAY


def test_a_change_waits_until_its_moment_and_what_was_before_stays_known():
    later = SECOND.in_force_at

    assert (BOTH.in_force(NOW + MINUTE), BOTH.waiting(NOW + MINUTE)) == (FIRST, SECOND)
    assert BOTH.once_in_force("b", later - MINUTE) is None
    assert (BOTH.in_force(later), BOTH.waiting(later)) == (SECOND, None)
    assert [BOTH.once_in_force(name, later) for name in "abc"] == [FIRST, SECOND, None]


def test_before_its_first_entry_counts_nothing_is_in_force():
    assert Register().in_force(NOW) is None
    assert Register().set(SECOND).in_force(NOW + MINUTE) is None


def test_only_one_change_waits():
    with pytest.raises(Conflict, match="withdraw it first"):
        BOTH.set(replace(SECOND, id="c", value="third", made_at=NOW + 2 * MINUTE))


def test_what_is_in_force_already_is_no_change():
    with pytest.raises(Unchanged):
        Register().set(FIRST).set(replace(FIRST, made_at=NOW + MINUTE))


def test_a_withdrawn_change_is_forgotten_and_counts_as_a_version():
    withdrawn = BOTH.withdrawn("b", NOW + 2 * MINUTE)

    assert withdrawn == Register(3, (FIRST,))
    assert BOTH.version == 2


@pytest.mark.parametrize(("name", "after"), [("a", MINUTE), ("c", MINUTE), ("b", DAY + MINUTE)])
def test_what_does_not_wait_cannot_be_withdrawn(name: str, after):
    with pytest.raises(NotFound):
        BOTH.withdrawn(name, NOW + after)


@pytest.mark.parametrize(
    ("size", "next_number", "last", "left", "is_low"),
    [
        (100, 0, -1, 100, False),
        (100, 79, 3, 21, False),
        (100, 80, 79, 20, True),
        (100, 100, 99, 0, True),
        (None, 0, -1, 20, False),
        (None, 14, -1, 6, False),
        (None, 15, -1, 5, True),
        (None, 20, -1, 0, True),
        (None, 21, 0, 0, True),
        (None, 20, 4, 5, True),
        (None, 500, 499, 20, False),
    ],
)
def test_how_many_are_left(size: int | None, next_number: int, last: int, left: int, is_low: bool):
    found = stock(size, next_number=next_number, last_with_money=last, gap_limit=20)

    assert (found, found.is_low) == (Stock(left, is_list=size is not None), is_low)
