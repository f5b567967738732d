"""The owner's own calendar as text: what is busy by it, whoever wrote it, and nothing without an end."""

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from inspired.adapters.unfolding import MOST_TIMES, TooManyTimes, unfolded
from inspired.domain.slots import Span

LONDON = ZoneInfo("Europe/London")
NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)  # a Monday; London's clocks go forward on the 28th
WINDOW = Span(NOW - timedelta(days=1), NOW + timedelta(days=367))


def entry(*lines: str, uid: str = "one@example.com") -> str:
    """One of the calendar, with what people also have in it."""
    around = (
        "BEGIN:VEVENT",
        f"UID:{uid}",
        "DTSTAMP:20270101T000000Z",
        "SUMMARY:Dentist, with Ann",
        *lines,
        "END:VEVENT",
    )
    return "\r\n".join(around)


def feed(*entries: str) -> bytes:
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//x//y//EN", *entries, "END:VCALENDAR", ""]).encode()


def busy(*entries: str, zone: ZoneInfo = LONDON, window: Span = WINDOW) -> list[str]:
    """ "03-02 10:00-11:00", in UTC. All of it was understood."""
    found, unread = unfolded(feed(*entries), zone, window)
    assert unread == 0
    return [
        f"{one.start:%m-%d %H:%M}-{one.end:{'%H:%M' if one.end.date() == one.start.date() else '%m-%d %H:%M'}}"
        for one in found
    ]


# --- what is busy ---------------------------------------------------------------------------------------------------


def test_an_entry_is_busy_from_its_start_to_its_end_whatever_zone_it_is_written_in():
    assert busy(entry("DTSTART:20270302T100000Z", "DTEND:20270302T110000Z")) == ["03-02 10:00-11:00"]
    assert busy(entry("DTSTART;TZID=America/New_York:20270302T100000", "DURATION:PT90M")) == ["03-02 15:00-16:30"]
    assert busy(entry("DTSTART;TZID=W. Europe Standard Time:20270302T100000", "DURATION:PT1H")) == [
        "03-02 09:00-10:00"
    ], "Outlook's names"


def test_a_zone_that_the_calendar_itself_explains_is_understood():
    zone = (
        "BEGIN:VTIMEZONE", "TZID:Customized Time Zone", "BEGIN:STANDARD", "DTSTART:16010101T000000",
        "TZOFFSETFROM:+0530", "TZOFFSETTO:+0530", "END:STANDARD", "END:VTIMEZONE",
    )  # fmt: skip
    one = entry("DTSTART;TZID=Customized Time Zone:20270302T100000", "DURATION:PT1H")

    assert busy(*zone, one) == ["03-02 04:30-05:30"]


def test_days_and_times_without_a_zone_are_the_owners():
    day = entry("DTSTART;VALUE=DATE:20270302", "DTEND;VALUE=DATE:20270304")
    floating = entry("DTSTART:20270302T100000", "DTEND:20270302T110000")

    assert busy(day, zone=NEW_YORK) == ["03-02 05:00-03-04 05:00"]
    assert busy(floating, zone=NEW_YORK) == ["03-02 15:00-16:00"]
    assert busy(entry("DTSTART;VALUE=DATE:20270328")) == ["03-28 00:00-23:00"], "a day of 23 hours"


def test_a_weekly_entry_stays_at_its_time_on_the_wall_when_the_clocks_change():
    weekly = entry("DTSTART;TZID=Europe/London:20270315T150000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=4")

    assert busy(weekly) == ["03-15 15:00-16:00", "03-22 15:00-16:00", "03-29 14:00-15:00", "04-05 14:00-15:00"]


def test_of_a_series_one_is_left_out_and_one_is_moved():
    series = entry(
        "DTSTART:20270302T100000Z", "DTEND:20270302T110000Z", "RRULE:FREQ=WEEKLY;UNTIL=20270331T000000Z",
        "EXDATE:20270309T100000Z",
    )  # fmt: skip
    moved = entry("RECURRENCE-ID:20270316T100000Z", "DTSTART:20270317T130000Z", "DTEND:20270317T133000Z")

    assert busy(series, moved) == ["03-02 10:00-11:00", "03-17 13:00-13:30", "03-23 10:00-11:00", "03-30 10:00-11:00"]


def test_what_is_free_cancelled_or_a_call_of_ours_keeps_nothing_busy():
    times = ("DTSTART:20270302T100000Z", "DTEND:20270302T110000Z")
    series = entry(*times, "RRULE:FREQ=DAILY;COUNT=2", uid="s")
    cancelled = entry("RECURRENCE-ID:20270303T100000Z", "DTSTART:20270303T100000Z", "STATUS:CANCELLED", uid="s")

    assert busy(entry(*times, "TRANSP:TRANSPARENT")) == []
    assert busy(entry(*times, "STATUS:CANCELLED")) == []
    assert busy(entry(*times, uid="abc@inspired-analyst")) == []
    assert busy(series, cancelled) == ["03-02 10:00-11:00"]
    assert busy(entry(*times, "STATUS:TENTATIVE", "TRANSP:OPAQUE")) == ["03-02 10:00-11:00"]


def test_only_what_reaches_into_the_window_counts_and_no_more_of_it_than_that():
    long_ago = entry("DTSTART:20270201T100000Z", "DTEND:20270201T110000Z", uid="a")
    for_ever = entry("DTSTART;VALUE=DATE:20200101", "DTEND;VALUE=DATE:20990101", uid="b")

    assert busy(long_ago) == []
    assert unfolded(feed(for_ever), LONDON, WINDOW) == ([WINDOW], 0)


def test_what_overlaps_or_touches_is_one_and_a_moment_is_none():
    one = entry("DTSTART:20270302T100000Z", "DTEND:20270302T110000Z", uid="a")
    other = entry("DTSTART:20270302T103000Z", "DTEND:20270302T120000Z", uid="b")
    moment = entry("DTSTART:20270303T103000Z", uid="c")

    assert busy(one, other, moment) == ["03-02 10:00-12:00"]
    assert busy() == []


def test_entries_without_a_name_are_not_taken_for_one():
    first, second = (
        "\r\n".join(("BEGIN:VEVENT", f"DTSTART:2027030{day}T100000Z", "DURATION:PT1H", "END:VEVENT")) for day in (2, 3)
    )

    assert busy(first, second) == ["03-02 10:00-11:00", "03-03 10:00-11:00"]


def test_whatever_else_stands_in_an_entry_is_not_even_looked_at():
    strange = entry(
        "DTSTART:20270302T100000Z", "DTEND:20270302T110000Z", "DESCRIPTION:one", " two, folded", "and never folded",
        "X-THING;VALUE=DATE:whatever", "GEO:nowhere", "ATTENDEE", "BEGIN:VALARM", "TRIGGER:soon", "END:VALARM",
    )  # fmt: skip

    assert busy(strange) == ["03-02 10:00-11:00"]


# --- what cannot be read --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<!doctype html><title>Please log in</title>",
        b"\x00\xff\xfe",
        feed(entry("DTSTART:20270302T100000Z"))[:-20],
        feed(entry("DTSTART:20270302T100000Z", "DTEND:20270302T110000Z"))[:90],
    ],
    ids=["nothing", "a page", "nonsense", "without its end", "cut within an entry"],
)
def test_a_text_that_is_no_whole_calendar_is_refused(text: bytes):
    with pytest.raises(ValueError, match=r".+"):
        unfolded(text, LONDON, WINDOW)


@pytest.mark.parametrize(
    "lines",
    [
        ["SUMMARY:never"],
        ["DTSTART:tomorrow"],
        ["DTSTART:20270302T100000Z", "DTSTART:20270303T100000Z"],
        ["DTSTART:20270302T100000Z", "DURATION:long"],
        ["DTSTART:20270302T100000Z", "RRULE:FREQ=SOMETIMES"],
        ["DTSTART:20270302T100000Z", "RRULE:FREQ=DAILY;COUNT=many"],
        ["DTSTART:20270302T100000Z", "RRULE:FREQ=DAILY", "EXDATE:never"],
        ["DTSTART:20270302T100000Z", "RRULE:FREQ=WEEKLY;COUNT=99999999999"],
        ["DTSTART:20270302T100000Z", "SEQUENCE:first"],
    ],
)
def test_an_entry_whose_time_nobody_can_tell_is_counted_and_hides_none_of_the_others(lines: list[str]):
    good = entry("DTSTART:20270305T100000Z", "DTEND:20270305T110000Z", uid="good")

    found, unread = unfolded(feed(entry(*lines, uid="bad"), good), LONDON, WINDOW)

    assert (len(found), unread) == (1, 1)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=SECONDLY",
        "FREQ=MINUTELY",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
    ],
)
def test_a_rule_without_an_end_is_broken_off_and_hides_none_of_the_others(rule: str):
    endless = entry("DTSTART:19700101T000000Z", "DURATION:PT1S", f"RRULE:{rule}", uid="endless")
    good = entry("DTSTART:20270305T100000Z", "DTEND:20270305T110000Z", uid="good")
    started = time.process_time()

    found, unread = unfolded(feed(endless, good), LONDON, WINDOW)

    assert (len(found), unread) == (1, 1)
    assert time.process_time() - started < 5


def test_more_times_than_anybody_has_are_refused():
    daily = (
        entry("DTSTART:20270302T100000Z", "DURATION:PT1M", "RRULE:FREQ=DAILY", uid=f"{number}")
        for number in range(MOST_TIMES // 365 + 1)
    )

    with pytest.raises(TooManyTimes):
        unfolded(feed(*daily), LONDON, WINDOW)


def test_the_process_that_reads_it_ends_by_itself():
    """Each of these takes a second until it is broken off, together more than the process may take."""
    endless = (
        entry("DTSTART:19700101T000000Z", "RRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30", uid=f"{number}")
        for number in range(40)
    )
    command = [sys.executable, "-c", "from inspired.adapters import unfolding as u; u.CPU_SECONDS = 1; u.main()", "UTC"]

    done = subprocess.run(
        [*command, WINDOW.start.isoformat(), WINDOW.end.isoformat()], input=feed(*endless), timeout=60, check=False,
        capture_output=True,
    )  # fmt: skip

    assert done.returncode < 0
    assert done.stdout == b""
