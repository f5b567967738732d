"""Parses a calendar file (RFC 5545) into busy times. Runs as a process of its own, started by `Feed` in ics_feeds.py.

Anybody who may invite the owner can add a rule that occurs every second, or never and is searched for until the year
9999. So parsing happens in a process with limited time and memory. Of each entry only its times are read, and whether
the owner declined it: no title, place or name.

If a file can be read in two ways, the one with more busy time is used: a call while the owner is elsewhere costs more
than one that is not sold. Rules are evaluated on the wall clock of the entry's zone, which they refer to, and each time
is then converted separately.
"""

import json
import os
import re
import resource
import signal
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from inspired.adapters.providers.calendar_zones import Observance, OwnZone, named, repeated, told_offset
from inspired.domain.shared.slots import Span, merged

CPU_SECONDS = 3  # in total; ten megabytes of a usual calendar take half of that
RULE_SECONDS = 0.4  # an hourly rule over ten years takes a tenth of a second
MEMORY = 512 * 1024 * 1024
MOST_TIMES = 10_000  # in the window: more than one per hour
OUR_OWN = "@inspired-analyst"  # suffix of the UIDs of our own calls (flows/booking/delivery.py)
DAY, NOTHING = timedelta(days=1), timedelta()
LAST_YEAR = 9000  # limits "until 9999" so that it can be converted to any zone
TIMES = ("DTSTART", "DTEND", "RECURRENCE-ID", "RDATE", "EXDATE", "FREEBUSY")
ONCE = ("DTSTART", "DTEND", "DURATION", "RECURRENCE-ID", "SEQUENCE")
OTHERS = (
    *("BEGIN", "END", "UID", "RRULE", "SEQUENCE", "STATUS", "TRANSP", "ATTENDEE", "X-MICROSOFT-CDO-BUSYSTATUS"),
    *("DURATION", "TZID", "TZOFFSETFROM", "TZOFFSETTO"),
)
NAME = re.compile(rf"({'|'.join((*TIMES, *OTHERS))})(?=[;:])".encode(), re.IGNORECASE)
PARAMS = re.compile(r'((?:[^":]|"[^"]*")*):(.*)')
MOMENT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)?(Z?))?", re.IGNORECASE)
DURATION = re.compile(r"([+-]?)P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.IGNORECASE)
WHEN = re.compile(rb"\n((?:DTSTART|DTEND|DURATION|RRULE|RDATE|RECURRENCE-ID)[;:][^\n]*)")
DAY_TOLD = re.compile(rb"(?<!\d)\d{8}(?!\d)")
UID = re.compile(rb"(?:^|\n)UID[;:]([^\n]*)")
PLAIN = re.compile(r"FREQ=YEARLY(;(BYMONTH|BYDAY|WKST)=[^;]*)*")  # the same every year, forever
UNTIL = re.compile(r"\bUNTIL=([^;]*)", re.IGNORECASE)
CANNOT_BE_READ = (ArithmeticError, AttributeError, LookupError, TimeoutError, TypeError, ValueError)


class TooManyTimes(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Line:
    """One property: its parameters unparsed, and its value."""

    params: str
    value: str

    def param(self, name: str) -> str:
        found = re.search(rf';{name}=(?:"([^"]*)"|([^;]*))', self.params, re.IGNORECASE)
        return (found[1] or found[2] or "").strip() if found else ""


@dataclass(slots=True)
class Part:
    """A component of the file, with the components inside it."""

    name: str
    lines: dict[str, list[Line]] = field(default_factory=lambda: defaultdict(list))
    parts: list["Part"] = field(default_factory=list)

    def one(self, name: str) -> Line | None:
        """Raises ValueError if a single-valued property occurs twice, since neither can be trusted."""
        found = self.lines.get(name)
        if found and len(found) > 1 and name in ONCE:
            raise ValueError(f"more than one {name}")
        return found[-1] if found else None

    def says(self, name: str) -> str:
        line = self.one(name)
        return line.value.strip().upper() if line else ""


@dataclass(frozen=True, slots=True)
class Time:
    """`wall` is the zone's wall-clock time, without a zone. A skipped hour is moved forward; a repeated one means the
    first."""

    wall: datetime
    zone: tzinfo
    is_day: bool = False

    @property
    def moment(self) -> datetime:
        return _moment(self.wall, self.zone)

    def wall_in(self, zone: tzinfo) -> datetime:
        return self.wall if zone is self.zone else self.moment.astimezone(zone).replace(tzinfo=None)


@dataclass(frozen=True, slots=True)
class Length:
    """Days are counted on the wall clock, hours in elapsed time."""

    days: timedelta
    hours: timedelta

    def end(self, wall: datetime, zone: tzinfo) -> datetime:
        return _moment(wall + self.days, zone) + self.hours


def _moment(wall: datetime, zone: tzinfo) -> datetime:
    return wall.replace(tzinfo=zone).astimezone(UTC)


def unfolded(text: bytes, zone: ZoneInfo, window: Span, addresses: Iterable[str] = ()) -> tuple[list[Span], int]:
    """The busy times in this window, ascending and without touching spans; and the number of entries whose time is
    unknown or uncertain. Days and times without a zone are in the owner's zone; so are times of an unknown zone, which
    count as uncertain. Entries declined by one of the `addresses` are free. Raises ValueError if the text is not a
    complete calendar, and TooManyTimes."""
    parts = _parts(_without_past(_plain(text), window.start.date() - 3 * DAY))
    entries: dict[str, list[Part]] = defaultdict(list)
    for number, part in enumerate(parts):
        if part.name == "VEVENT":
            uid = part.lines.get("UID")
            entries[uid[0].value.strip() if uid else str(number)].append(part)
    reader = _Reader(zone, window, [part for part in parts if part.name == "VTIMEZONE"], addresses)
    work = [(reader.events, together) for uid, together in entries.items() if not uid.endswith(OUR_OWN)]
    work += [(reader.told_busy, [part]) for part in parts if part.name == "VFREEBUSY"]
    found: list[Span] = []
    unread = 0
    for read, together in work:
        reader.is_sure = True
        cut = (Span(max(span.start, window.start), min(span.end, window.end)) for span in read(together))
        found += (span for span in cut if span.start < span.end)
        unread += not reader.is_sure
        if len(found) > MOST_TIMES:
            raise TooManyTimes
    return merged(found), unread


def _plain(text: bytes) -> bytes:
    """Unfold: one property per line."""
    text = text.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return text.replace(b"\n ", b"").replace(b"\n\t", b"")


def _without_past(text: bytes, before: date) -> bytes:
    """Remove entries that were over by that day, which are most of a long calendar; of them only the latest date is
    read. An entry whose UID occurs again is kept, since it may replace the other."""
    limit = f"{before:%Y%m%d}".encode()
    head, *pieces = text.split(b"\nBEGIN:VEVENT\n")
    blocks = [piece.partition(b"\nEND:VEVENT") for piece in pieces]
    is_over = [bool(end) and after[:1] in (b"", b"\n") and _is_over(block, limit) for block, end, after in blocks]
    uids = [_uid(block) for block, _, _ in blocks]
    alive = {uid for uid, over in zip(uids, is_over, strict=True) if not over}
    kept = [head]
    for piece, (block, _, after), over, uid in zip(pieces, blocks, is_over, uids, strict=True):
        is_left = over and (uid not in alive or b"\nRECURRENCE-ID" in block)
        kept.append(after if is_left else b"\nBEGIN:VEVENT\n" + piece)
    return b"".join(kept)


def _is_over(block: bytes, limit: bytes) -> bool:
    lines = WHEN.findall(b"\n" + block)
    if any(line.startswith((b"RRULE", b"RDATE")) and b"UNTIL=" not in line for line in lines):
        return False
    if any(line.startswith(b"DURATION") and (b"W" in line or b"D" in line[8:]) for line in lines):
        return False
    if b"RANGE=" in block:
        return False
    days = DAY_TOLD.findall(b"\n".join(lines))
    return bool(days) and max(days) < limit


def _uid(block: bytes) -> bytes:
    match = UID.search(block)
    return match[1] if match else b""


def _parts(text: bytes) -> list[Part]:
    """The components of the calendars in the text. Titles, descriptions, guests and so on, which are most of it, are
    skipped unread."""
    found: list[Part] = []
    open_: list[Part] = []
    for raw in text.split(b"\n"):
        match = NAME.match(raw)
        if match is None:
            continue
        name = match[1].decode().upper()
        if name == "ATTENDEE" and b"DECLINED" not in raw.upper():
            continue
        rest = raw[match.end() :].decode("utf-8", "replace")
        if name == "BEGIN":
            open_.append(Part(rest[1:].strip().upper()))
            if open_[0].name != "VCALENDAR":
                raise ValueError("it is no calendar")
        elif name == "END":
            if not open_ or open_[-1].name != rest[1:].strip().upper():
                raise ValueError("its parts do not fit together")
            part = open_.pop()
            (open_[-1].parts if len(open_) > 1 else found).append(part)
        elif open_:
            open_[-1].lines[name].append(_line(name, rest))
    if open_ or not found:
        raise ValueError("it is no whole calendar")
    return found


def _line(name: str, rest: str) -> Line:
    """Zone names that contain a colon are not always quoted; times contain none."""
    if rest.startswith(":"):
        return Line("", rest[1:])
    if name in TIMES:
        params, _, value = rest.rpartition(":")
        return Line(params, value)
    match = PARAMS.match(rest)
    return Line(match[1], match[2]) if match else Line(rest, "")


class _Reader:
    """`is_sure`: every time read since it was last set was unambiguous."""

    def __init__(self, zone: ZoneInfo, window: Span, zones: Iterable[Part], addresses: Iterable[str]) -> None:
        self._zone, self._window = zone, window
        self._told = {line.value.strip(): part for part in zones for line in part.lines.get("TZID", ())[:1]}
        self._zones: dict[str, tzinfo | None] = {}
        self._addresses = {address.strip().casefold() for address in addresses}
        self.is_sure = True

    def told_busy(self, together: list[Part]) -> list[Span]:
        """The periods of a VFREEBUSY, except those marked free."""
        spans: list[Span] = []
        for line in (line for part in together for line in part.lines.get("FREEBUSY", ())):
            if line.param("FBTYPE").upper() != "FREE":
                for value in line.value.split(","):
                    with self._hiding_no_other():
                        spans.append(self._period(value, line))
        return spans

    def events(self, together: list[Part]) -> list[Span]:
        """The busy times of all entries with one UID: single ones, series, and changed occurrences of a series."""
        changes = self._changes([part for part in together if "RECURRENCE-ID" in part.lines])
        spans: list[Span] = []
        for part in self._newest([part for part in together if "RECURRENCE-ID" not in part.lines]):
            with self._hiding_no_other():
                spans += self._series(part, changes)
        for part in changes:
            with self._hiding_no_other():
                spans += [self._first(part)] if self._keeps_busy(part) else []
        return spans

    @contextmanager
    def _hiding_no_other(self) -> Iterator[None]:
        """An unreadable part does not prevent reading the rest."""
        try:
            yield
        except CANNOT_BE_READ:
            self.is_sure = False

    def _newest(self, parts: list[Part]) -> list[Part]:
        """The entries with the highest SEQUENCE."""
        numbers = [self._sequence(part) for part in parts]
        return [part for part, number in zip(parts, numbers, strict=True) if number == max(numbers)]

    def _sequence(self, part: Part) -> int:
        try:
            line = part.one("SEQUENCE")
            return int(line.value) if line else 0
        except ValueError:
            self.is_sure = False
            return 0

    def _changes(self, parts: list[Part]) -> list[Part]:
        """The newest version of each changed occurrence."""
        by_time: dict[tuple[str, str], list[Part]] = defaultdict(list)
        for part in parts:
            line = part.lines["RECURRENCE-ID"][0]
            by_time[line.param("TZID"), line.value.strip()].append(part)
        return [self._newest(about)[-1] for about in by_time.values()]

    def _keeps_busy(self, part: Part) -> bool:
        if part.says("TRANSP") == "TRANSPARENT" or part.says("STATUS") == "CANCELLED":
            return False
        if part.says("X-MICROSOFT-CDO-BUSYSTATUS") == "FREE":
            return False
        return not any(self._is_owners_no(line) for line in part.lines.get("ATTENDEE", ()))

    def _is_owners_no(self, line: Line) -> bool:
        scheme, _, address = line.value.strip().partition(":")
        if scheme.casefold() != "mailto":
            address = line.param("EMAIL")
        return line.param("PARTSTAT").upper() == "DECLINED" and address.strip().casefold() in self._addresses

    # --- an entry's times ---

    def _first(self, part: Part) -> Span:
        start, length, _ = self._shape(part)
        return Span(start.moment, length.end(start.wall, start.zone))

    def _shape(self, part: Part) -> tuple[Time, Length, Length]:
        """Its start, its length, and the length of each repetition. Raises ValueError."""
        line = part.one("DTSTART")
        if line is None:
            raise ValueError("no DTSTART")
        start, told_end, told_length = self._time(line.value, line), part.one("DTEND"), part.one("DURATION")
        if told_end is not None:
            return start, *self._until(start, self._time(told_end.value, told_end))
        length = Length(DAY if start.is_day else NOTHING, NOTHING)
        if told_length is not None:
            length = _length(told_length.value)
            if start.is_day:
                length = Length(max(length.days + length.hours, DAY), NOTHING)
        return start, length, length

    def _until(self, start: Time, end: Time) -> tuple[Length, Length]:
        nominal = end.wall - start.wall
        if start.is_day:
            length = Length(nominal if nominal > NOTHING else DAY, NOTHING)
            return length, length
        passed = end.moment - start.moment
        if passed <= NOTHING:
            passed = nominal
        if passed < NOTHING:
            raise ValueError("it ends before it begins")
        # If the clocks change during the first occurrence, the others are not as short as that one.
        usual = max(passed, nominal) if end.zone is start.zone else passed
        return Length(NOTHING, passed), Length(NOTHING, usual)

    def _series(self, part: Part, changes: list[Part]) -> list[Span]:
        """All its times in the window, except changed ones; if it is not a series, its one time."""
        if not self._keeps_busy(part):
            return []
        start, first, usual = self._shape(part)
        zone = start.zone
        gone_walls, gone_days = self._left_out(part, changes, start)
        added = [(value, line) for line in part.lines.get("RDATE", ()) for value in line.value.split(",")]
        spans = [self._period(value, line) for value, line in added if "/" in value]
        walls = {start.wall, *(self._time(value, line).wall_in(zone) for value, line in added if "/" not in value)}
        if rules := part.lines.get("RRULE"):
            walls.update(self._repeated(start, [line.value for line in rules], usual))
        later = self._from_then_on(changes, zone)
        for wall in sorted(walls):
            if wall in gone_walls or wall.date() in gone_days:
                continue
            length = first if wall == start.wall else usual
            if any(wall >= since for since, _ in later):
                spans += self._moved(wall, [change for change in later if wall >= change[0]][-1], zone)
            else:
                spans.append(Span(_moment(wall, zone), length.end(wall, zone)))
        return spans

    def _repeated(self, start: Time, rules: list[str], length: Length) -> list[datetime]:
        """The wall-clock times of the rules, as far as they reach into the window. If a rule cannot be read, only the
        first time is known."""
        margin = length.days + length.hours + 2 * DAY
        low = self._window.start.astimezone(start.zone).replace(tzinfo=None) - margin
        high = self._window.end.astimezone(start.zone).replace(tzinfo=None) + 2 * DAY
        try:
            return _true_at(start.wall, [self._with_wall_until(rule, start) for rule in rules], low, high)
        except CANNOT_BE_READ:
            self.is_sure = False
            return []

    def _with_wall_until(self, rule: str, start: Time) -> str:
        """An UNTIL that is a date lasts to the end of that day."""
        match = UNTIL.search(rule)
        if match is None:
            return rule
        until = self._time(match[1], Line("", match[1]), start.zone)
        wall = until.wall_in(start.zone)
        if start.is_day or until.is_day:
            wall = datetime.combine(max(wall, until.wall).date(), time(23, 59, 59))
        return f"{rule[: match.start()]}UNTIL={wall:%Y%m%dT%H%M%S}{rule[match.end() :]}"

    def _left_out(self, part: Part, changes: list[Part], start: Time) -> tuple[set[datetime], set[date]]:
        """Wall-clock times and whole days that are left out. For all-day entries excluded by a time, both the zone's
        and the time's own clock count."""
        lines = [*part.lines.get("EXDATE", ()), *(change.lines["RECURRENCE-ID"][0] for change in changes)]
        walls: set[datetime] = set()
        days: set[date] = set()
        for line in lines:
            for value in line.value.split(","):
                try:
                    left = self._time(value, line)
                except CANNOT_BE_READ:
                    self.is_sure = False
                    continue
                if left.is_day and not start.is_day:
                    days.add(left.wall.date())
                walls.add(left.wall_in(start.zone))
                if start.is_day:
                    walls.add(left.wall)
        return walls, days

    def _from_then_on(self, changes: list[Part], zone: tzinfo) -> list[tuple[datetime, Part]]:
        """Changes that also apply to all later times, by the time they start with."""
        lines = [(part.lines["RECURRENCE-ID"][0], part) for part in changes]
        lasting = [(line, part) for line, part in lines if line.param("RANGE").upper() == "THISANDFUTURE"]
        return sorted(
            ((self._time(line.value, line).wall_in(zone), part) for line, part in lasting), key=lambda change: change[0]
        )

    def _moved(self, wall: datetime, change: tuple[datetime, Part], zone: tzinfo) -> list[Span]:
        since, part = change
        if not self._keeps_busy(part):
            return []
        start, _, length = self._shape(part)
        there = wall + (start.wall_in(zone) - since)
        return [Span(_moment(there, zone), length.end(there, zone))]

    # --- single times ---

    def _time(self, text: str, line: Line, floating: tzinfo | None = None) -> Time:
        """`floating`: the zone for times that name none; by default the owner's. Raises ValueError."""
        match = MOMENT.fullmatch(text.strip())
        if match is None:
            raise ValueError("no time")
        year, month, day, hour, minute, second = (int(group or 0) for group in match.groups()[:6])
        wall = datetime.combine(date(min(year, LAST_YEAR), month, day), time(hour, minute, min(second, 59)))
        if match[7]:
            return Time(wall, UTC)
        is_day = match[4] is None
        name = "" if is_day else line.param("TZID")
        return Time(wall, self._zone_of(name) if name else floating or self._zone, is_day)

    def _period(self, text: str, line: Line) -> Span:
        begin, _, rest = text.partition("/")
        start = self._time(begin, line)
        if rest.strip().upper().lstrip("+-").startswith("P"):
            return Span(start.moment, _length(rest).end(start.wall, start.zone))
        return Span(start.moment, self._time(rest, line).moment)

    def _zone_of(self, name: str) -> tzinfo:
        """As defined in the file, else by its known name; the owner's zone if it is unknown."""
        if name not in self._zones:
            self._zones[name] = self._explained(name) or named(name)
        zone = self._zones[name]
        if zone is None:
            self.is_sure = False
            return self._zone
        return zone

    def _explained(self, name: str) -> tzinfo | None:
        part = self._told.get(name)
        try:
            observances = [self._observance(other) for other in part.parts] if part else []
            return OwnZone(observances) if observances else None
        except CANNOT_BE_READ:
            return None

    def _observance(self, part: Part) -> Observance:
        """Its onsets from some years before the window on: a yearly rule is the same for every year."""
        lines = [part.one(name) for name in ("DTSTART", "TZOFFSETFROM", "TZOFFSETTO")]
        begin, before, after = (line.value for line in lines if line is not None)
        start = self._time(begin, Line("", begin)).wall
        rules = [line.value.upper() for line in part.lines.get("RRULE", ())]
        low = start.replace(year=self._window.start.year - 3, month=1, day=1)
        high = low.replace(year=self._window.end.year + 2)
        added = [value for line in part.lines.get("RDATE", ()) for value in line.value.split(",")]
        onsets = [start, *(self._time(value, Line("", value)).wall for value in added)]
        if rules and start < low and all(PLAIN.fullmatch(rule) for rule in rules) and start.day < 29:
            onsets = []
            start = start.replace(year=low.year)
        rules = [UNTIL.sub(lambda match: f"UNTIL={match[1].rstrip('Z')}", rule) for rule in rules]
        onsets += _true_at(start, rules, start, high)
        return Observance(tuple(onsets), told_offset(before), told_offset(after))


def _length(text: str) -> Length:
    """Weeks and days, and the rest. Raises ValueError."""
    match = DURATION.fullmatch(text.strip())
    if match is None or match[1] == "-":
        raise ValueError("no length")
    weeks, days, hours, minutes, seconds = (int(group or 0) for group in match.groups()[1:])
    return Length(timedelta(weeks=weeks, days=days), timedelta(hours=hours, minutes=minutes, seconds=seconds))


def _true_at(start: datetime, rules: list[str], low: datetime, high: datetime) -> list[datetime]:
    """Raises TimeoutError, and what `repeated` raises."""
    with _at_most(RULE_SECONDS):
        return [moment for rule in rules for moment in repeated(start, rule, low, high)]


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Limits CPU time, so that a busy machine interrupts nothing. Raises TimeoutError; main thread only."""

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
    """Reads the calendar from standard input and writes the result as JSON."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    with suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.nice(10)  # requests come first
    zone, start, end, *addresses = sys.argv[1:]
    window = Span(datetime.fromisoformat(start), datetime.fromisoformat(end))
    try:
        busy, unread = unfolded(sys.stdin.buffer.read(), ZoneInfo(zone), window, addresses)
    except ValueError:
        told: dict[str, object] = {"refused": "it is not a calendar"}
    except TooManyTimes:
        told = {"refused": f"it holds more than {MOST_TIMES:,} busy times in a year"}
    else:
        told = {"busy": [(span.start.isoformat(), span.end.isoformat()) for span in busy], "unread": unread}
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
