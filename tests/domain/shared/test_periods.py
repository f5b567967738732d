"""Weeks, months, quarters and years by the owner's calendar."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspired.domain.shared import periods
from inspired.domain.shared.periods import DAY, Length, between, day_of, parsed, period_of
from inspired.domain.shared.slots import Span

DAYS = st.dates(date(2020, 1, 6), date(2099, 12, 1))


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("2026", date(2026, 1, 1), date(2026, 12, 31)),
        ("2026-Q1", date(2026, 1, 1), date(2026, 3, 31)),
        ("2026-Q4", date(2026, 10, 1), date(2026, 12, 31)),
        ("2026-02", date(2026, 2, 1), date(2026, 2, 28)),
        ("2028-02", date(2028, 2, 1), date(2028, 2, 29)),
        ("2026-W53", date(2026, 12, 28), date(2027, 1, 3)),
    ],
)
def test_a_name_tells_its_days(name: str, first: date, last: date):
    period = parsed(name)

    assert (period.name, period.first, period.last) == (name, first, last)


@pytest.mark.parametrize(
    "name", ["", "26", "2026-13", "2026-00", "2026-Q5", "2026-W54", "2026-1", "1999", "9999", "2026-11-01", "2026 "]
)
def test_what_is_no_period_is_refused(name: str):
    with pytest.raises(ValueError, match=r".+"):
        parsed(name)


@given(DAYS, st.sampled_from(Length))
def test_each_day_lies_in_one_period_and_the_next_begins_where_it_ends(day: date, length: Length):
    period = period_of(length, day)
    following = periods.after(period, length)

    assert period.first <= day <= period.last
    assert following.first == period.last + DAY
    assert all(period_of(length, one) == period for one in (period.first, period.last))
    assert parsed(period.name) == period
    assert len(list(period.dates())) == period.days


def test_the_span_before_is_as_long():
    assert between(date(2026, 3, 1), date(2026, 3, 31)).before == between(date(2026, 1, 29), date(2026, 2, 28))


def test_a_day_is_as_long_as_the_owners_clock_makes_it():
    zone = "Europe/Berlin"
    winter = between(date(2026, 10, 25), date(2026, 10, 25)).span(zone)

    assert winter == Span(datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC))
    assert day_of(winter.start, zone) == date(2026, 10, 25)
    assert day_of(winter.end - timedelta(milliseconds=1), zone) == date(2026, 10, 25)
    assert day_of(winter.end, zone) == date(2026, 10, 26)
