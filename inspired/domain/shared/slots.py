"""Time spans: which are free, and which clock ticks a call covers.

A call is held by the five-minute ticks it covers. MongoDB lets only one booking own a tick, so calls of different
length cannot overlap, however many customers book at once.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

TICK = timedelta(minutes=5)


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


def free(offered: Iterable[Span], taken: Iterable[Span], before: timedelta, after: timedelta) -> list[Span]:
    """The offered calls that, including their buffers, overlap no taken span, in their order."""
    busy = merged(taken)
    ends = [span.end for span in busy]
    left: list[Span] = []
    for call in offered:
        at = bisect_right(ends, call.start - before)  # the first that is not over by then
        if at == len(busy) or busy[at].start >= call.end + after:
            left.append(call)
    return left


def merged(spans: Iterable[Span]) -> list[Span]:
    """Sorted, with touching spans merged."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return found
