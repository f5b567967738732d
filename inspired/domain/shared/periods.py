"""Periods of whole days in the owner's zone: a week, month, quarter, year, or from one day to another."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from inspired.domain.shared.slots import Span
from inspired.domain.shared.timezones import zone

DAY = timedelta(days=1)
FIRST, LAST = date(2020, 1, 1), date(2100, 1, 1)  # nothing was sold before; later dates are not needed
NAMES = re.compile(r"(?P<year>\d{4})(?:-(?:Q(?P<quarter>[1-4])|W(?P<week>\d{2})|(?P<month>\d{2})))?")


class Length(StrEnum):
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Period:
    """From `first` to `last`, both included. `name`: "2026", "2026-Q4", "2026-11", "2026-W48", or the two days."""

    name: str
    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first) // DAY + 1

    def dates(self) -> Iterator[date]:
        return (self.first + number * DAY for number in range(self.days))

    @property
    def before(self) -> "Period":
        """The same number of days, ending the day before this period."""
        return between(self.first - self.days * DAY, self.first - DAY)

    def span(self, zone_name: str) -> Span:
        """Its start and end in UTC; days of 23 and 25 hours keep their length."""
        return Span(midnight(self.first, zone_name), midnight(self.last + DAY, zone_name))


def between(first: date, last: date) -> Period:
    return Period(f"{first} to {last}", first, last)


def period_of(length: Length, day: date) -> Period:
    """The period that contains the day."""
    match length:
        case Length.WEEK:
            first = day - day.weekday() * DAY
            year, week, _ = day.isocalendar()
            return Period(f"{year}-W{week:02d}", first, first + 6 * DAY)
        case Length.MONTH:
            return Period(f"{day:%Y-%m}", day.replace(day=1), _end(day.year, day.month))
        case Length.QUARTER:
            quarter = (day.month + 2) // 3
            return Period(f"{day.year}-Q{quarter}", date(day.year, quarter * 3 - 2, 1), _end(day.year, quarter * 3))
    return Period(f"{day.year}", date(day.year, 1, 1), date(day.year, 12, 31))


def after(period: Period, length: Length) -> Period:
    return period_of(length, period.last + DAY)


def parsed(name: str) -> Period:
    """Parse a period's name. Raises ValueError."""
    found = NAMES.fullmatch(name)
    if found is None:
        raise ValueError("not the name of a period")
    year = int(found["year"])
    if found["week"]:
        period = period_of(Length.WEEK, date.fromisocalendar(year, int(found["week"]), 1))
    elif found["quarter"]:
        period = period_of(Length.QUARTER, date(year, int(found["quarter"]) * 3, 1))
    elif found["month"]:
        period = period_of(Length.MONTH, date(year, int(found["month"]), 1))
    else:
        period = period_of(Length.YEAR, date(year, 1, 1))
    if not FIRST <= period.first < LAST:
        raise ValueError("out of reach")
    return period


def midnight(day: date, zone_name: str) -> datetime:
    """The start of this day in the given zone, in UTC."""
    return datetime.combine(day, time(), zone(zone_name)).astimezone(UTC)


def day_of(moment: datetime, zone_name: str) -> date:
    return moment.astimezone(zone(zone_name)).date()


def _end(year: int, month: int) -> date:
    following = date(year + month // 12, month % 12 + 1, 1)
    return following - DAY
