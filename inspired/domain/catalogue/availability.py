"""Availability: the owner's weekly hours, special days and days off, and the rules of each meeting type.

Hours are wall-clock times in the owner's zone, also on the two days a year when the clock changes: an hour that does
not exist offers nothing, one that occurs twice offers both.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from inspired.domain.shared.errors import Invalid
from inspired.domain.shared.slots import TICK, Span

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
END_OF_DAY = 24 * 60
RANGE = re.compile(r"(\d{1,2}):(\d{2})\s*(?:-|–|to)\s*(\d{1,2}):(\d{2})")
MOST_RANGES = 6  # per day
MOST_LINES = 200  # of special days, or of days off
CLOSED = "closed"
LONGEST_HORIZON = 365 * DAY
LONGEST_BUFFER = 4 * HOUR


@dataclass(frozen=True, slots=True, order=True)
class Hours:
    """One range of a day, in minutes after midnight on the owner's clock; `closes` may be 1440. Multiples of five."""

    opens: int
    closes: int

    def __post_init__(self) -> None:
        if not 0 <= self.opens < self.closes <= END_OF_DAY:
            raise Invalid("Hours end after they begin, on the same day.")
        if self.opens % 5 or self.closes % 5:
            raise Invalid("Hours begin and end at whole five minutes.")

    def __str__(self) -> str:
        return f"{_clock(self.opens)}-{_clock(self.closes)}"


DayHours = tuple[Hours, ...]  # ascending, not touching
Week = tuple[DayHours, ...]  # seven, Monday first


def parse_day(text: str) -> DayHours:
    """Parse "9:00-12:00, 13:30-17:00"; empty means closed. Raises Invalid."""
    return a_day(_parsed(part.strip()) for part in re.split(r"[,;]", text) if part.strip())


def a_day(ranges: Iterable[Hours]) -> DayHours:
    """Sort the ranges and merge adjacent ones. Raises Invalid if two overlap or there are too many."""
    merged: list[Hours] = []
    for hours in sorted(ranges):
        if merged and hours.opens < merged[-1].closes:
            raise Invalid(f"{merged[-1]} and {hours} overlap.")
        if merged and hours.opens == merged[-1].closes:
            hours = Hours(merged.pop().opens, hours.closes)
        merged.append(hours)
    if len(merged) > MOST_RANGES:
        raise Invalid(f"At most {MOST_RANGES} ranges a day.")
    return tuple(merged)


def in_words(day: DayHours) -> str:
    return ", ".join(str(hours) for hours in day)


def _parsed(text: str) -> Hours:
    match = RANGE.fullmatch(text)
    if match is None or int(match[2]) > 59 or int(match[4]) > 59:
        raise Invalid(f"“{text[:40]}” is not a range such as 9:00-12:30.")
    return Hours(int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4]))


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


WORKDAY = (Hours(9 * 60, 17 * 60),)
WORKWEEK: Week = (WORKDAY,) * 5 + ((), ())


@dataclass(frozen=True, slots=True)
class Rules:
    """How one meeting type is offered. `week`: its own hours, if they differ from the calendar's.

    `before` and `after` are kept free around each call. `notice`: how soon it can start; `horizon`: how far ahead.
    `step`: from one offered start to the next. `most_per_day`: calls of this type per day in the owner's zone; 0: no
    limit.
    """

    week: Week | None = None
    before: timedelta = timedelta()
    after: timedelta = timedelta()
    notice: timedelta = 2 * HOUR
    horizon: timedelta = 30 * DAY
    step: timedelta = 30 * MINUTE
    most_per_day: int = 0

    def __post_init__(self) -> None:
        if not all(timedelta() <= one <= LONGEST_BUFFER for one in (self.before, self.after)):
            raise Invalid("A buffer is at most four hours.")
        if any(one % TICK for one in (self.before, self.after, self.step)) or not TICK <= self.step <= DAY:
            raise Invalid("Buffers and steps are whole five minutes.")
        if not timedelta() <= self.notice <= self.horizon <= LONGEST_HORIZON:
            raise Invalid("The notice is shorter than the horizon, and that at most a year.")
        if not 0 <= self.most_per_day <= 100:
            raise Invalid("A limit per day is 0 (none) to 100.")
        if self.week is not None and len(self.week) != 7:
            raise Invalid("A week has seven days.")

    def around(self, call: Span) -> Span:
        """The call including its buffers."""
        return Span(call.start - self.before, call.end + self.after)


AS_USUAL = Rules()


@dataclass(frozen=True, slots=True)
class SpecialDay:
    """Other hours on one date, for every meeting type; no hours: closed."""

    date: date
    hours: DayHours = ()


@dataclass(frozen=True, slots=True)
class DaysOff:
    """From `first` to `last`, both included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise Invalid("Days off end after they begin.")

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


def parse_special(text: str) -> tuple[SpecialDay, ...]:
    """One day per line: "2026-12-24 9:00-12:00", or "2026-12-31 closed". Sorted by date. Raises Invalid."""
    return tuple(sorted(map(_special_day, _lines(text)), key=lambda special_day: special_day.date))


def parse_days_off(text: str) -> tuple[DaysOff, ...]:
    """One per line: "2026-12-24 to 2027-01-06", or a single day. Sorted by date. Raises Invalid."""
    return tuple(sorted(map(_days_off, _lines(text)), key=lambda days_off: days_off.first))


def special_in_words(days: Iterable[SpecialDay]) -> str:
    return "\n".join(f"{special_day.date.isoformat()} {in_words(special_day.hours) or CLOSED}" for special_day in days)


def days_off_in_words(days: Iterable[DaysOff]) -> str:
    return "\n".join(
        days_off.first.isoformat()
        if days_off.first == days_off.last
        else f"{days_off.first.isoformat()} to {days_off.last.isoformat()}"
        for days_off in days
    )


def _lines(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > MOST_LINES:
        raise Invalid(f"At most {MOST_LINES} lines.")
    return lines


def _special_day(line: str) -> SpecialDay:
    day, _, hours = line.partition(" ")
    return SpecialDay(_date(day, line), () if hours.strip().lower() == CLOSED else _open_hours(hours, line))


def _open_hours(hours: str, line: str) -> DayHours:
    found = parse_day(hours)
    if not found:
        raise Invalid(f"“{line[:40]}” needs hours, or the word closed.")
    return found


def _days_off(line: str) -> DaysOff:
    first, _, last = line.partition(" to ")
    return DaysOff(_date(first.strip(), line), _date((last or first).strip(), line))


def _date(text: str, line: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid(f"“{line[:40]}” does not begin with a date such as 2026-12-24.") from None


@dataclass(frozen=True, slots=True)
class Availability:
    """The owner's calendar, in the owner's zone. Days off override special days, and those override the week."""

    zone: ZoneInfo
    week: Week = WORKWEEK
    special: tuple[SpecialDay, ...] = ()
    days_off: tuple[DaysOff, ...] = ()

    def __post_init__(self) -> None:
        if len(self.week) != 7:
            raise Invalid("A week has seven days.")
        dates = sorted(special_day.date for special_day in self.special)
        if any(day == other for day, other in pairwise(dates)):
            raise Invalid("A date has one set of special hours.")

    def hours_on(self, day: date, rules: Rules) -> DayHours:
        if any(day in days_off for days_off in self.days_off):
            return ()
        for special_day in self.special:
            if special_day.date == day:
                return special_day.hours
        return (rules.week or self.week)[day.weekday()]

    def calls(self, minutes: int, rules: Rules, window: Span, now: datetime) -> Iterator[Span]:
        """Every bookable call of this length that starts in the window, ascending, taken or not."""
        earliest = max(window.start, now + rules.notice)
        latest = min(window.end, now + rules.horizon)
        day, last = self.day_of(earliest), self.day_of(latest)
        while day <= last:
            for call in self._calls_on(day, timedelta(minutes=minutes), rules):
                if earliest <= call.start < latest:
                    yield call
            day += DAY

    def allows(self, call: Span, rules: Rules, now: datetime) -> bool:
        """True if exactly this call would be offered now."""
        window = Span(call.start, call.start + MINUTE)
        return call in self.calls((call.end - call.start) // MINUTE, rules, window, now)

    def day_of(self, moment: datetime) -> date:
        """The owner's date at this moment."""
        return moment.astimezone(self.zone).date()

    def _calls_on(self, day: date, length: timedelta, rules: Rules) -> Iterator[Span]:
        found = [piece for hours in self.hours_on(day, rules) for piece in _pieces(day, hours, self.zone)]
        for piece in sorted(found, key=lambda span: span.start):
            start = piece.start
            while start + length <= piece.end:
                yield Span(start, start + length)
                start += rules.step


def _pieces(day: date, hours: Hours, zone: ZoneInfo) -> list[Span]:
    """The UTC spans during which this zone's clock shows a time within these hours of the day. Usually one; two if the
    clock is put back out of the hours and they occur again."""
    midnight = datetime.combine(day, time(), UTC)
    opens, closes = midnight + timedelta(minutes=hours.opens), midnight + timedelta(minutes=hours.closes)
    found: list[Span] = []
    for begin, end, offset in _offsets(midnight - DAY, midnight + 2 * DAY, zone):
        piece = Span(max(opens - offset, begin), min(closes - offset, end))
        if piece.start >= piece.end:
            continue
        if found and found[-1].end == piece.start:
            piece = Span(found.pop().start, piece.end)
        found.append(piece)
    return found


def _offsets(begin: datetime, end: datetime, zone: ZoneInfo) -> list[tuple[datetime, datetime, timedelta]]:
    """The zone's UTC offsets, each with its period. Within three days the offset changes at most once."""
    first, last = _offset(begin, zone), _offset(end, zone)
    if first == last:
        return [(begin, end, first)]
    low, high = begin, end
    while high - low > timedelta(seconds=1):
        middle = (low + (high - low) / 2).replace(microsecond=0)
        low, high = (middle, high) if _offset(middle, zone) == first else (low, middle)
    return [(begin, high, first), (high, end, last)]


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    offset = moment.astimezone(zone).utcoffset()
    if offset is None:  # an aware moment always has one
        raise AssertionError(moment)
    return offset
