"""The built-in calendar's arithmetic: which times are free, and which ticks of the clock a call covers.

A call is held by the five-minute ticks it covers. The database lets one booking own a tick, so calls of different
length cannot overlap, however many people press the button at once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

TICK = timedelta(minutes=5)
WEEKDAYS = range(5)


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` (included) to `end` (excluded), both aware and in UTC."""

    start: datetime
    end: datetime

    def overlaps(self, other: "Span") -> bool:
        return self.start < other.end and other.start < self.end

    def ticks(self) -> tuple[int, ...]:
        """Numbers of the five-minute ticks since 1970 that this span touches."""
        first = int(self.start.timestamp()) // int(TICK.total_seconds())
        last = -(-int(self.end.timestamp()) // int(TICK.total_seconds()))
        return tuple(range(first, last))


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """When the owner takes calls, in the owner's own zone."""

    zone: ZoneInfo
    opens: time = time(9)
    closes: time = time(17)
    notice: timedelta = timedelta(hours=2)
    horizon: timedelta = timedelta(days=30)
    step: timedelta = timedelta(minutes=30)

    def starts(self, minutes: int, window: Span, now: datetime) -> Iterator[Span]:
        """Every bookable call of this length that starts within the window, ascending, taken or not."""
        earliest = max(window.start, now + self.notice)
        latest = min(window.end, now + self.horizon)
        day = earliest.astimezone(self.zone).date()
        last_day = latest.astimezone(self.zone).date()
        while day <= last_day:
            if day.weekday() in WEEKDAYS:
                for call in self._calls_on(day, timedelta(minutes=minutes)):
                    if earliest <= call.start < latest:
                        yield call
            day += timedelta(days=1)

    def _calls_on(self, day: date, length: timedelta) -> Iterator[Span]:
        # Steps are taken in UTC between the two ends, so that a change to summer time neither repeats nor invents one.
        start = datetime.combine(day, self.opens, self.zone).astimezone(UTC)
        closes = datetime.combine(day, self.closes, self.zone).astimezone(UTC)
        while start + length <= closes:
            yield Span(start, start + length)
            start += self.step

    def allows(self, call: Span, now: datetime) -> bool:
        """Whether this very call is one that `starts` would offer now."""
        minutes = (call.end - call.start) // timedelta(minutes=1)
        window = Span(call.start, call.start + TICK)
        return any(offered == call for offered in self.starts(minutes, window, now))


def free(offered: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """The offered calls that overlap none of the taken ones, in their order."""
    busy = {tick for span in taken for tick in span.ticks()}
    return [call for call in offered if busy.isdisjoint(call.ticks())]
