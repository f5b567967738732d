"""The owner's own calendar as text: what is busy by it, whoever wrote it, and nothing without an end."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from inspired.adapters.providers.ics_feeds import LARGEST_FEED
from inspired.adapters.providers.ics_worker import CPU_SECONDS, MOST_TIMES, TooManyTimes, unfolded
from inspired.domain.shared.slots import Span

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


# --- as calendars of the world write it ------------------------------------------------------------------------------


def wrapped(*entries: str, around: str = "VCALENDAR") -> str:
    return "\r\n".join([f"BEGIN:{around}", "VERSION:2.0", *entries, f"END:{around}"])


def zone_part(name: str, offset: str) -> str:
    return "\r\n".join(
        ("BEGIN:VTIMEZONE", f"TZID:{name}", "BEGIN:STANDARD", "DTSTART:16010101T000000", f"TZOFFSETFROM:{offset}",
         f"TZOFFSETTO:{offset}", "END:STANDARD", "END:VTIMEZONE")
    )  # fmt: skip


def not_sure(*entries: str, zone: ZoneInfo = LONDON) -> tuple[list[str], int]:
    """As `busy`, and how many entries nobody could be sure of."""
    found, unread = unfolded(feed(*entries), zone, WINDOW)
    return [f"{one.start:%m-%d %H:%M}-{one.end:%H:%M}" for one in found], unread


def test_a_day_that_ends_when_it_begins_is_that_day():
    assert busy(entry("DTSTART;VALUE=DATE:20270301", "DTEND;VALUE=DATE:20270301")) == ["03-01 00:00-03-02 00:00"]
    assert busy(entry("DTSTART;VALUE=DATE:20270301", "DTEND;VALUE=DATE:20270228"), zone=NEW_YORK) == [
        "03-01 05:00-03-02 05:00"
    ]


def test_what_a_file_of_free_and_busy_times_says_is_busy():
    told = wrapped(
        "DTSTART:20270301T000000Z", "DTEND:20270401T000000Z", "FREEBUSY;FBTYPE=BUSY:20270302T100000Z/PT1H",
        "FREEBUSY:20270303T100000Z/20270303T113000Z,20270304T", " 100000Z/PT30M",
        "FREEBUSY;FBTYPE=FREE:20270305T100000Z/PT1H",
        "FREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20270306T100000Z/PT1H", around="VFREEBUSY",
    )  # fmt: skip

    assert busy(told) == ["03-02 10:00-11:00", "03-03 10:00-11:30", "03-04 10:00-10:30", "03-06 10:00-11:00"]


def test_a_mark_before_the_text_several_calendars_and_a_zone_that_says_nothing_hide_no_entry():
    empty_zone = "\r\n".join(("BEGIN:VTIMEZONE", "TZID:Europe/Berlin", "END:VTIMEZONE"))
    first = wrapped(empty_zone, entry("DTSTART;TZID=Europe/Berlin:20270302T100000", "DURATION:PT1H", uid="a"))
    second = wrapped(entry("DTSTART:20270303T100000Z", "DURATION:PT1H", uid="b"))
    text = b"\xef\xbb\xbf" + f"{first}\r\n{second}\r\n".encode()

    found, unread = unfolded(text, LONDON, WINDOW)

    assert ([f"{one.start:%d %H}" for one in found], unread) == (["02 09", "03 10"], 0)


def test_two_entries_of_one_name_are_both_busy_unless_one_takes_the_others_place():
    first = ("DTSTART:20270302T100000Z", "DTEND:20270302T110000Z")
    second = ("DTSTART:20270303T140000Z", "DTEND:20270303T150000Z")

    assert busy(entry(*first), entry(*second)) == ["03-02 10:00-11:00", "03-03 14:00-15:00"]
    assert busy(entry(*first, "SEQUENCE:0"), entry(*second)) == ["03-02 10:00-11:00", "03-03 14:00-15:00"]
    assert busy(entry(*first, "SEQUENCE:2"), entry(*second, "SEQUENCE:1")) == ["03-02 10:00-11:00"]
    assert busy(entry(*first), entry(*second, "SEQUENCE:1")) == ["03-03 14:00-15:00"]


def test_of_several_words_about_one_time_of_a_series_the_newest_counts():
    series = entry("DTSTART:20270302T100000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=2")
    about = "RECURRENCE-ID:20270303T100000Z"
    later = entry(about, "DTSTART:20270303T120000Z", "DURATION:PT1H", "SEQUENCE:2")
    before = entry(about, "DTSTART:20270303T150000Z", "DURATION:PT1H", "SEQUENCE:1")

    assert busy(series, later, before) == ["03-02 10:00-11:00", "03-03 12:00-13:00"]


def test_a_single_time_that_was_cancelled_is_left_out_also_where_it_does_not_say_when_it_was():
    series = entry("DTSTART:20270302T100000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=3")
    cancelled = entry("RECURRENCE-ID:20270303T100000Z", "STATUS:CANCELLED")

    assert busy(series, cancelled) == ["03-02 10:00-11:00", "03-04 10:00-11:00"]


def test_a_change_that_holds_from_then_on_moves_all_later_times():
    series = entry("DTSTART:20270302T100000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=4")
    moved = entry(
        "RECURRENCE-ID;RANGE=THISANDFUTURE:20270304T100000Z", "DTSTART:20270304T130000Z", "DURATION:PT30M"
    )  # fmt: skip

    assert busy(series, moved) == [
        "03-02 10:00-11:00", "03-03 10:00-11:00", "03-04 13:00-13:30", "03-05 13:00-13:30",
    ]  # fmt: skip


def test_a_series_until_a_day_has_its_time_on_that_day():
    series = entry("DTSTART;TZID=Europe/Berlin:20270302T100000", "DURATION:PT1H", "RRULE:FREQ=DAILY;UNTIL=20270305")

    assert busy(series) == [f"03-0{day} 09:00-10:00" for day in (2, 3, 4, 5)]


@pytest.mark.parametrize("until", ["20270305T090000Z", "20270305T100000", "20270305T235959Z"])
def test_a_series_until_a_moment_has_its_time_at_that_moment(until: str):
    series = entry("DTSTART;TZID=Europe/Berlin:20270302T100000", "DURATION:PT1H", f"RRULE:FREQ=DAILY;UNTIL={until}")

    assert busy(series) == [f"03-0{day} 09:00-10:00" for day in (2, 3, 4, 5)]


@pytest.mark.parametrize("left_out", ["TZID=Europe/Berlin:20270303T000000", "TZID=America/New_York:20270303T000000"])
@pytest.mark.parametrize("rule", ["UNTIL=20270304", "COUNT=3", "UNTIL=20270304T000000Z"])
@pytest.mark.parametrize("zone", [LONDON, NEW_YORK, ZoneInfo("Asia/Tokyo")], ids=str)
def test_days_of_which_one_is_left_out_by_a_time_keep_their_last_day(left_out: str, rule: str, zone: ZoneInfo):
    days = entry("DTSTART;VALUE=DATE:20270302", f"RRULE:FREQ=DAILY;{rule}", f"EXDATE;{left_out}")

    found, unread = unfolded(feed(days), zone, WINDOW)

    assert ([f"{one.start.astimezone(zone):%d %H:%M}" for one in found], unread) == (["02 00:00", "04 00:00"], 0)


def test_a_length_is_the_time_that_passes():
    over_two_zones = entry("DTSTART;TZID=America/New_York:20270313T220000", "DTEND;TZID=Europe/London:20270314T100000")
    by_hours = entry("DTSTART;TZID=Europe/London:20270327T220000", "DURATION:PT8H")
    by_a_day = entry("DTSTART;TZID=Europe/London:20270327T220000", "DURATION:P1D")

    assert busy(over_two_zones) == ["03-14 03:00-10:00"]
    assert busy(by_hours) == ["03-27 22:00-03-28 06:00"]
    assert busy(by_a_day) == ["03-27 22:00-03-28 21:00"], "to the same time on the wall"
    assert busy(entry("DTSTART;TZID=Europe/London:20270327T220000", "DURATION:PT24H")) == ["03-27 22:00-03-28 22:00"]


def test_an_hour_that_the_clocks_skip_is_moved_forward_and_keeps_its_length():
    skipped = entry("DTSTART;TZID=Europe/Berlin:20270328T023000", "DTEND;TZID=Europe/Berlin:20270328T033000")
    every_day = entry(
        "DTSTART;TZID=Europe/Berlin:20270327T023000", "DTEND;TZID=Europe/Berlin:20270327T033000",
        "RRULE:FREQ=DAILY;COUNT=3",
    )  # fmt: skip

    assert busy(skipped) == ["03-28 01:30-02:30"]
    assert busy(every_day) == ["03-27 01:30-02:30", "03-28 01:30-02:30", "03-29 00:30-01:30"]


def test_a_series_whose_first_time_is_shortened_by_the_clocks_is_not_short_for_good():
    nights = entry(
        "DTSTART;TZID=Europe/London:20270327T220000", "DTEND;TZID=Europe/London:20270328T060000",
        "RRULE:FREQ=DAILY;COUNT=2",
    )  # fmt: skip

    assert busy(nights) == ["03-27 22:00-03-28 05:00", "03-28 21:00-03-29 05:00"]


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("tzone://Microsoft/Utc", "10:00"),
        ('"tzone://Microsoft/Utc"', "10:00"),
        ("Z", "10:00"),
        ("UTC", "10:00"),
        ("(UTC) Coordinated Universal Time", "10:00"),
        ("(UTC-05:00) Eastern Time (US & Canada)", "14:00"),
        ("(GMT-05:00) Eastern Time (US & Canada)", "14:00"),
        ("Eastern Time (US & Canada)", "14:00"),
        ("Eastern Standard Time", "14:00"),
        ("eastern daylight time", "14:00"),
        ("(UTC+01:00) Amsterdam\\, Berlin\\, Bern\\, Rome\\, Stockholm\\, Vienna", "08:00"),
        ('"(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna"', "08:00"),
        ("europe/berlin", "08:00"),
        ("EUROPE/BERLIN", "08:00"),
        ("w. europe standard time", "08:00"),
        ("/freeassociation.sourceforge.net/Europe/Berlin", "08:00"),
        ("/citadel.org/20210210_1/America/Argentina/Buenos_Aires", "13:00"),
        ("UTC+02:00", "08:00"),
        ("GMT+0200", "08:00"),
        ("+05:30", "04:30"),
        ("(UTC+02:00) Nobody knows", "08:00"),
    ],
)
def test_a_zone_is_understood_however_it_is_called(name: str, at: str):
    summer = entry(f"DTSTART;TZID={name}:20270702T100000", "DURATION:PT1H")

    [told] = busy(summer, zone=ZoneInfo("Asia/Tokyo"))

    assert told.startswith(f"07-02 {at}-")


@pytest.mark.parametrize(
    "name", ["Somewhere", "tzone://Microsoft/Custom", "PDT", "Europe/Atlantis", "Customized Time Zone"]
)
def test_a_zone_that_nobody_knows_is_kept_by_the_owners_clock_and_counted(name: str):
    one = entry(f"DTSTART;TZID={name}:20270702T100000", f"DTEND;TZID={name}:20270702T110000")

    assert not_sure(one, zone=NEW_YORK) == (["07-02 14:00-15:00"], 1)


def test_what_the_file_says_of_a_zone_comes_before_its_name():
    one = entry("DTSTART;TZID=Europe/Berlin:20270302T100000", "DURATION:PT1H")

    assert busy(zone_part("Europe/Berlin", "+0530"), one) == ["03-02 04:30-05:30"]


def test_a_zone_that_the_file_explains_changes_its_clocks_as_it_says():
    berlin = (
        "BEGIN:VTIMEZONE", "TZID:Ours", "BEGIN:DAYLIGHT", "DTSTART:19810329T020000", "TZOFFSETFROM:+0100",
        "TZOFFSETTO:+0200", "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU", "END:DAYLIGHT", "BEGIN:STANDARD",
        "DTSTART:19961027T030000", "TZOFFSETFROM:+0200", "TZOFFSETTO:+0100", "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU",
        "END:STANDARD", "END:VTIMEZONE",
    )  # fmt: skip
    lines = [
        (f"DTSTART;TZID={{zone}}:{start}", f"DTEND;TZID={{zone}}:{end}")
        for start, end in (
            ("20270327T220000", "20270328T060000"), ("20270328T023000", "20270328T033000"),
            ("20270701T100000", "20270701T110000"), ("20271031T013000", "20271031T023000"),
            ("20271031T023000", "20271031T033000"), ("20271101T100000", "20271101T110000"),
        )
    ]  # fmt: skip
    entries = [
        [entry(*(line.format(zone=zone) for line in told), uid=str(number)) for number, told in enumerate(lines)]
        for zone in ("Ours", "Europe/Berlin")
    ]

    assert busy(*berlin, *entries[0]) == busy(*entries[1])


def test_what_the_owner_has_declined_keeps_nothing_busy():
    times = ("DTSTART:20270302T100000Z", "DTEND:20270302T110000Z")
    mine = 'ATTENDEE;CN="Owner; the: one";PARTSTAT=DECLINED;ROLE=REQ-PARTICIPANT:mailto:Owner@Example.com'
    by_reference = 'ATTENDEE;PARTSTAT=DECLINED;EMAIL="owner@example.com":/aMTA5/principal/'
    somebody = "ATTENDEE;PARTSTAT=DECLINED:mailto:ann@example.com"
    accepted = "ATTENDEE;CN=DECLINED;PARTSTAT=ACCEPTED:mailto:owner@example.com"

    def spans(*lines: str) -> int:
        return len(unfolded(feed(entry(*times, *lines)), LONDON, WINDOW, ["owner@example.com"])[0])

    assert [spans(mine), spans(by_reference), spans(somebody, mine)] == [0, 0, 0]
    assert [spans(somebody), spans(accepted), spans()] == [1, 1, 1]
    assert busy(entry(*times, mine)) == ["03-02 10:00-11:00"], "whose addresses nobody knows"


def test_of_a_series_the_owner_may_decline_a_single_time():
    series = entry("DTSTART:20270302T100000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=2")
    declined = entry(
        "RECURRENCE-ID:20270303T100000Z", "DTSTART:20270303T100000Z", "DURATION:PT1H",
        "ATTENDEE;PARTSTAT=DECLINED:mailto:owner@example.com",
    )  # fmt: skip

    found, unread = unfolded(feed(series, declined), LONDON, WINDOW, ["owner@example.com"])

    assert ([one.start.day for one in found], unread) == ([2], 0)


def test_what_outlook_shows_as_free_keeps_nothing_busy():
    times = ("DTSTART:20270302T100000Z", "DTEND:20270302T110000Z", "TRANSP:OPAQUE")

    assert busy(entry(*times, "X-MICROSOFT-CDO-BUSYSTATUS:FREE")) == []
    for status in ("BUSY", "TENTATIVE", "OOF", "WORKINGELSEWHERE"):
        assert busy(entry(*times, f"X-MICROSOFT-CDO-BUSYSTATUS:{status}")) == ["03-02 10:00-11:00"]


def test_what_is_said_to_last_for_ever_does():
    for_ever = entry("DTSTART;VALUE=DATE:20200101", "DTEND;VALUE=DATE:99991231")

    assert unfolded(feed(for_ever), NEW_YORK, WINDOW) == ([WINDOW], 0)


def test_one_thing_that_cannot_be_read_frees_nothing_else_of_the_same_entry():
    series = ("DTSTART:20270302T100000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=2")
    bad_change = entry("RECURRENCE-ID:20270303T100000Z", "DTSTART:tomorrow")

    assert not_sure(entry(*series, "EXDATE:never")) == (["03-02 10:00-11:00", "03-03 10:00-11:00"], 1)
    assert not_sure(entry(*series[:2], "RRULE:FREQ=SOMETIMES")) == (["03-02 10:00-11:00"], 1)
    assert not_sure(entry(*series), bad_change) == (["03-02 10:00-11:00"], 1)


def a_long_calendar() -> bytes:
    """Ten years of somebody's: ten megabytes."""
    guests = [f"ATTENDEE;PARTSTAT=ACCEPTED;CN=Guest {guest}:mailto:guest{guest}@example.com" for guest in range(4)]
    berlin = "DTSTART;TZID=Europe/Berlin"
    past = (
        entry(f"{berlin}:20{17 + n % 9}{1 + n % 12:02}{1 + n % 28:02}T100000", "DURATION:PT1H", *guests, uid=f"p{n}")
        for n in range(23_000)
    )
    over = "RRULE:FREQ=WEEKLY;UNTIL=20241231T000000Z"
    series = (entry(f"{berlin}:20170302T100000", "DURATION:PT1H", over, *guests, uid=f"s{n}") for n in range(700))
    weekly = "RRULE:FREQ=WEEKLY"
    alive = (entry(f"{berlin}:20200302T100000", "DURATION:PT1H", weekly, *guests, uid=f"a{n}") for n in range(50))
    future = (
        entry(f"{berlin}:2027{4 + n % 9:02}{1 + n % 28:02}T140000", "DURATION:PT1H", *guests, uid=f"f{n}")
        for n in range(1_500)
    )
    return feed(*past, *series, *alive, *future)


def test_ten_megabytes_of_a_usual_calendar_take_less_than_the_process_may():
    """What it may take is a limit of the processor's own time, which it is ended by."""
    text = a_long_calendar()
    assert 10_000_000 < len(text) <= LARGEST_FEED
    window = (WINDOW.start.isoformat(), WINDOW.end.isoformat())

    done = subprocess.run(
        [sys.executable, "-m", "inspired.adapters.providers.ics_worker", "Europe/Berlin", *window],
        input=text,
        timeout=120,
        check=False, capture_output=True,
    )  # fmt: skip

    assert (CPU_SECONDS, done.returncode) == (3, 0)
    assert len(json.loads(done.stdout)["busy"]) == 53 + 252


def test_entries_that_are_over_take_no_part_unless_they_take_anothers_place():
    gone = entry("DTSTART:20260302T100000Z", "DURATION:PT1H", "SEQUENCE:1", uid="moved")
    before = entry("DTSTART:20270302T100000Z", "DURATION:PT1H", uid="moved")
    long = entry("DTSTART:20260302T100000Z", "DURATION:P400D", uid="long")

    assert busy(gone, before) == []
    assert unfolded(feed(long), LONDON, WINDOW)[0][0].start == WINDOW.start
    assert busy(entry("DTSTART:20260302T100000Z", "DURATION:PT1H", "RRULE:FREQ=YEARLY;COUNT=2")) == [
        "03-02 10:00-11:00"
    ]


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
    command = [
        sys.executable,
        "-c",
        "from inspired.adapters.providers import ics_worker as u; u.CPU_SECONDS = 1; u.main()",
        "UTC",
    ]

    done = subprocess.run(
        [*command, WINDOW.start.isoformat(), WINDOW.end.isoformat()], input=feed(*endless), timeout=60, check=False,
        capture_output=True,
    )  # fmt: skip

    assert done.returncode < 0
    assert done.stdout == b""
