"""A calendar's text (RFC 5545) as the times it keeps busy. Run as a process of its own: `Feed` in adapters/feeds.py.

Whoever may invite the owner can put a rule into their calendar that comes true every second, or never and is looked
for until the year 9999. So the text is read in a process that may take so much and no more. Of each entry only what
says when it is gets read: no title, no place, no name.
"""

import json
import resource
import signal
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from icalendar import Calendar, Component
from recurring_ical_events import CalendarQuery

from inspired.domain.slots import Span, merged

CPU_SECONDS = 10  # for all of it; ten megabytes take three
ENTRY_SECONDS = 1.0  # daily since 1970 takes a twentieth
MEMORY = 512 * 1024 * 1024
MOST_TIMES = 10_000  # within the window: one for every hour and more
OUR_OWN = "@inspired-analyst"  # how the UIDs of our calls end (flows/delivery.py)
READ = {
    *("BEGIN", "END", "UID", "DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID"),
    *("SEQUENCE", "STATUS", "TRANSP", "TZID", "TZOFFSETFROM", "TZOFFSETTO", "TZNAME"),
}
CANNOT_BE_READ = (ArithmeticError, AttributeError, LookupError, TimeoutError, TypeError, ValueError)


class TooManyTimes(Exception):
    pass


def unfolded(text: bytes, zone: ZoneInfo, window: Span) -> tuple[list[Span], int]:
    """What is busy in this window, ascending, none touching another; and how many entries there are whose time nobody
    can tell. Days, and times without a zone, are the owner's. Raises ValueError where the text is no calendar, and
    TooManyTimes."""
    entries: dict[str, list[Component]] = defaultdict(list)
    for number, entry in enumerate(Calendar.from_ical(_what_is_read(text)).walk("VEVENT")):
        entries[str(entry.get("UID") or number)].append(entry)
    found: list[Span] = []
    unread = 0
    for uid, together in entries.items():
        if uid.endswith(OUR_OWN):
            continue
        try:
            with _at_most(ENTRY_SECONDS):
                found += _times(together, zone, window)
        except CANNOT_BE_READ:
            unread += 1
        if len(found) > MOST_TIMES:
            raise TooManyTimes
    return merged(found), unread


def _what_is_read(text: bytes) -> bytes:
    """Titles, descriptions, guests and the like are left out before anybody looks at them: most of the text."""
    kept: list[bytes] = []
    is_kept = False
    for line in text.splitlines():
        if not line.startswith((b" ", b"\t")):  # else it goes on with the line before
            is_kept = line.partition(b":")[0].partition(b";")[0].upper().decode("ascii", "replace") in READ
        if is_kept:
            kept.append(line)
    return b"\r\n".join(kept)


def _times(together: list[Component], zone: ZoneInfo, window: Span) -> list[Span]:
    """Of one entry, with the single times of it that were changed."""
    calendar = Calendar()
    for one in together:
        calendar.add_component(one)
    spans = [
        Span(_moment(one["DTSTART"].dt, zone), _moment(one["DTEND"].dt, zone))
        for one in CalendarQuery(calendar).between(window.start, window.end)
        if str(one.get("TRANSP", "")).upper() != "TRANSPARENT" and str(one.get("STATUS", "")).upper() != "CANCELLED"
    ]
    inside = [Span(max(one.start, window.start), min(one.end, window.end)) for one in spans]
    return [one for one in inside if one.start < one.end]


def _moment(when: date, zone: ZoneInfo) -> datetime:
    if not isinstance(when, datetime):
        when = datetime.combine(when, time())
    return (when if when.tzinfo else when.replace(tzinfo=zone)).astimezone(UTC)


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Of computing, so that a busy machine breaks off nothing. Raises TimeoutError; for a main thread only."""

    def over(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGVTALRM, over)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def main() -> None:
    """The text comes in by the standard input; what was found goes out as JSON."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    with suppress(ValueError, OSError):  # macOS knows no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    zone, start, end = sys.argv[1:]
    window = Span(datetime.fromisoformat(start), datetime.fromisoformat(end))
    try:
        busy, unread = unfolded(sys.stdin.buffer.read(), ZoneInfo(zone), window)
    except ValueError:
        told: dict[str, object] = {"refused": "it is not a calendar"}
    except TooManyTimes:
        told = {"refused": f"it holds more than {MOST_TIMES:,} busy times in a year"}
    else:
        told = {"busy": [(one.start.isoformat(), one.end.isoformat()) for one in busy], "unread": unread}
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
