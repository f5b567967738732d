"""Which times are offered: the owner's hours by the owner's clock, whatever that clock does."""

import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspired.domain.booking.claims import CallsOn, Place, Tick
from inspired.domain.catalogue.availability import (
    WORKWEEK,
    Availability,
    DaysOff,
    Hours,
    Rules,
    SpecialDay,
    a_day,
    days_off_in_words,
    in_words,
    parse_day,
    parse_days_off,
    parse_special,
    special_in_words,
)
from inspired.domain.shared.errors import Invalid
from inspired.domain.shared.slots import Span
from tests.factories import CALL, a_live_booking, an_expired_booking

MONDAY = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LONDON = Availability(ZoneInfo("Europe/London"))
STANDARD = Rules()
AT_ONCE = Rules(notice=timedelta(), horizon=365 * DAY)


def span(start: str, end: str) -> Span:
    return Span(datetime.fromisoformat(start + "+00:00"), datetime.fromisoformat(end + "+00:00"))


def day_of(zone: str, day: str, hours: str, *, minutes: int = 30, rules: Rules = AT_ONCE) -> list[str]:
    """The wall-clock starts in this zone on this date, with these hours every day. The second of two is marked."""
    calendar = Availability(ZoneInfo(zone), (parse_day(hours),) * 7)
    midnight = datetime.fromisoformat(f"{day}T00:00").replace(tzinfo=UTC)
    found = calendar.calls(minutes, rules, Span(midnight - DAY, midnight + 2 * DAY), midnight - 2 * DAY)
    local = [call.start.astimezone(ZoneInfo(zone)) for call in found]
    return [f"{one:%H:%M}{'*' if one.fold else ''}" for one in local if one.date().isoformat() == day]


def test_calls_are_offered_on_weekdays_between_nine_and_five_in_the_owners_zone():
    week = Span(MONDAY, MONDAY + timedelta(days=7))

    calls = list(LONDON.calls(45, STANDARD, week, MONDAY - timedelta(days=3)))

    assert {call.start.weekday() for call in calls} == {0, 1, 2, 3, 4}
    assert (calls[0].start.hour, calls[0].start.minute) == (9, 0)
    assert max(call.end.time() for call in calls).isoformat() == "16:45:00"
    assert calls == sorted(calls, key=lambda call: call.start)


@pytest.fixture(params=["UTC", "Asia/Tokyo", "America/Los_Angeles"])
def servers_zone(request, monkeypatch):
    """The clock of the machine stands in this zone."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("servers_zone")
def test_summer_time_moves_the_hours_with_the_owner_wherever_the_server_stands():
    july = datetime(2026, 7, 6, tzinfo=UTC)

    calls = list(LONDON.calls(30, STANDARD, Span(july, july + timedelta(days=1)), july - timedelta(days=1)))

    assert calls == [
        Span(july + timedelta(minutes=minutes), july + timedelta(minutes=minutes + 30))
        for minutes in range(8 * 60, 16 * 60, 30)
    ]
    assert {moment.tzinfo for call in calls for moment in (call.start, call.end)} == {UTC}


@pytest.mark.usefixtures("servers_zone")
@pytest.mark.parametrize(
    ("zone", "window", "starts"),
    [
        # The owner's Monday afternoon is Tuesday in UTC, and the owner's Tuesday morning is Monday.
        ("America/Los_Angeles", ("2026-11-24T00:30", "2026-11-24T09:00"), ["2026-11-24T00:30"]),
        ("Pacific/Auckland", ("2026-11-23T06:00", "2026-11-23T20:30"), ["2026-11-23T20:00"]),
    ],
)
def test_a_window_is_searched_on_the_owners_own_days(zone, window, starts):
    offered = Availability(ZoneInfo(zone)).calls(30, STANDARD, span(*window), MONDAY - timedelta(days=1))

    assert [call.start for call in offered] == [datetime.fromisoformat(f"{start}+00:00") for start in starts]


# --- the two days a year --------------------------------------------------------------------------------------------


def test_an_hour_that_does_not_exist_offers_nothing():
    assert day_of("Europe/London", "2027-03-28", "0:00-4:00") == ["00:00", "00:30", "02:00", "02:30", "03:00", "03:30"]
    assert day_of("Europe/London", "2027-03-28", "1:00-2:00") == []
    assert day_of("Europe/London", "2027-03-28", "1:30-3:00") == ["02:00", "02:30"]


def test_an_hour_that_comes_twice_offers_both():
    assert day_of("America/Los_Angeles", "2026-11-01", "0:30-2:00") == ["00:30", "01:00", "01:30", "01:00*", "01:30*"]
    # From half past one: it is half past one twice, and the hour between them is not within the hours.
    assert day_of("America/Los_Angeles", "2026-11-01", "1:30-2:30") == ["01:30", "01:30*", "02:00"]


def test_half_an_hour_is_put_back_on_lord_howe():
    assert day_of("Australia/Lord_Howe", "2027-04-04", "1:00-2:30") == ["01:00", "01:30", "01:30*", "02:00"]
    assert day_of("Australia/Lord_Howe", "2026-10-04", "1:30-3:00") == ["01:30", "02:30"]


def test_a_zone_half_an_hour_off_has_its_own_hours_in_utc():
    kolkata = Availability(ZoneInfo("Asia/Kolkata"), (parse_day("9:00-10:00"),) * 7)

    calls = kolkata.calls(60, AT_ONCE, Span(MONDAY, MONDAY + DAY), MONDAY)

    assert [one.start for one in calls] == [MONDAY + timedelta(hours=3, minutes=30)]


def test_the_day_before_the_clocks_change_and_the_day_after_keep_the_hours_of_the_wall():
    for day in ("2026-10-31", "2026-11-01", "2026-11-02"):
        assert day_of("America/Los_Angeles", day, "9:00-10:00") == ["09:00", "09:30"]


def test_vancouver_puts_its_clocks_back_no_more():
    """British Columbia keeps summer time from 2026 on; whoever has older data is an hour late from November on."""
    calendar = Availability(ZoneInfo("America/Vancouver"))
    begin = datetime(2026, 11, 2, tzinfo=UTC)

    first = next(calendar.calls(30, AT_ONCE, Span(begin, begin + DAY), begin - DAY))

    assert first.start == datetime(2026, 11, 2, 16, 0, tzinfo=UTC)
    assert day_of("America/Vancouver", "2026-11-01", "0:30-2:00") == ["00:30", "01:00", "01:30"]


ZONES = st.sampled_from(
    [
        "America/Vancouver", "Australia/Lord_Howe", "Asia/Kolkata", "Europe/London", "America/Havana", "Asia/Beirut",
        "Pacific/Chatham", "Africa/Casablanca", "Pacific/Apia", "UTC",
    ]
)  # fmt: skip
DATES = st.sampled_from(
    [date(2026, 3, 8), date(2026, 3, 29), date(2026, 4, 5), date(2026, 10, 4), date(2026, 10, 25), date(2026, 11, 1)]
) | st.dates(date(2026, 1, 1), date(2027, 12, 1))


@st.composite
def day_hours(draw: st.DrawFn) -> tuple[Hours, ...]:
    marks = sorted(draw(st.sets(st.integers(0, 288), max_size=6)))
    return a_day(Hours(5 * first, 5 * last) for first, last in zip(marks[::2], marks[1::2], strict=False))


@given(
    zone=ZONES,
    first=DATES,
    week=st.lists(day_hours(), min_size=7, max_size=7),
    special=st.dictionaries(st.integers(0, 3), day_hours(), max_size=2),
    off=st.none() | st.integers(0, 3),
    minutes=st.sampled_from([15, 30, 45, 60, 90]),
    step=st.sampled_from([5, 15, 30, 45, 60]),
)
def test_what_is_offered_is_what_a_walk_through_every_minute_finds(zone, first, week, special, off, minutes, step):
    days = [first + timedelta(days=number) for number in range(4)]
    calendar = Availability(
        ZoneInfo(zone),
        tuple(week),
        tuple(SpecialDay(days[number], hours) for number, hours in special.items()),
        (DaysOff(days[off], days[off]),) if off is not None else (),
    )
    rules = Rules(step=timedelta(minutes=step), notice=timedelta(), horizon=30 * DAY)
    start = datetime.combine(days[0], datetime.min.time(), UTC)
    window = Span(start, start + 3 * DAY)

    offered = list(calendar.calls(minutes, rules, window, start - 2 * DAY))

    assert offered == by_every_minute(calendar, minutes, rules, window)


def by_every_minute(calendar: Availability, minutes: int, rules: Rules, window: Span) -> list[Span]:
    """The same, slowly and by another way: each minute is looked up on the wall clock, and runs of open ones are cut
    into calls."""
    minute, runs = window.start - 2 * DAY, []
    open_since: datetime | None = None
    while minute < window.end + 2 * DAY:
        wall = minute.astimezone(calendar.zone)
        hours = calendar.hours_on(wall.date(), rules)
        is_open = any(one.opens <= wall.hour * 60 + wall.minute < one.closes for one in hours)
        begins = wall.hour == wall.minute == 0 and minute.astimezone(calendar.zone).fold == 0
        if open_since is not None and (not is_open or begins):
            runs.append((open_since, minute))
            open_since = None
        if is_open and open_since is None:
            open_since = minute
        minute += MINUTE
    length = timedelta(minutes=minutes)
    calls = []
    for begin, end in runs:
        while begin + length <= end:
            calls.append(Span(begin, begin + length))
            begin += rules.step
    return [call for call in calls if window.start <= call.start < window.end]


# --- the rules of a type --------------------------------------------------------------------------------------------


def test_notice_and_horizon_bound_what_is_offered():
    now = MONDAY + timedelta(hours=9, minutes=10)
    ever = Span(now, now + timedelta(days=400))

    calls = list(LONDON.calls(30, STANDARD, ever, now))

    assert calls[0].start == MONDAY + timedelta(hours=11, minutes=30)
    assert calls[-1].start < now + timedelta(days=30)


def test_only_offered_times_are_allowed():
    now = MONDAY

    assert LONDON.allows(span("2026-11-23T09:30", "2026-11-23T10:15"), STANDARD, now)
    assert not LONDON.allows(span("2026-11-23T09:35", "2026-11-23T10:20"), STANDARD, now)
    assert not LONDON.allows(span("2026-11-22T09:30", "2026-11-22T10:15"), STANDARD, now)
    assert not LONDON.allows(span("2026-11-23T01:00", "2026-11-23T01:45"), STANDARD, now)
    assert not LONDON.allows(span("2026-11-23T09:30", "2026-11-23T10:15:30"), STANDARD, now)


def test_a_type_with_hours_of_its_own_is_offered_in_those_only():
    sundays = Rules(week=((),) * 6 + (parse_day("10:00-11:00"),))

    calls = LONDON.calls(30, sundays, Span(MONDAY, MONDAY + 7 * DAY), MONDAY)

    assert [f"{one.start:%a %H:%M}" for one in calls] == ["Sun 10:00", "Sun 10:30"]


def test_the_step_is_from_one_start_to_the_next_in_each_range_of_the_day():
    rules = replace(AT_ONCE, step=45 * MINUTE)

    assert day_of("UTC", "2026-11-25", "9:00-11:00, 13:10-14:00", rules=rules) == ["09:00", "09:45", "10:30", "13:10"]


def test_days_off_come_before_special_days_and_those_before_the_week():
    monday = MONDAY.date()
    special = (SpecialDay(monday, parse_day("12:00-13:00")), SpecialDay(monday + DAY, parse_day("12:00-13:00")))
    calendar = replace(LONDON, special=(*special, SpecialDay(monday + 2 * DAY)), days_off=(DaysOff(monday, monday),))
    own = Rules(week=WORKWEEK)

    hours = [in_words(calendar.hours_on(monday + timedelta(days=number), own)) for number in range(4)]

    assert hours == ["", "12:00-13:00", "", "09:00-17:00"]


def test_days_off_are_both_included():
    off = DaysOff(date(2026, 12, 24), date(2026, 12, 26))

    assert [date(2026, 12, day) in off for day in (23, 24, 25, 26, 27)] == [False, True, True, True, False]


def test_buffers_are_kept_around_a_call():
    rules = Rules(before=10 * MINUTE, after=15 * MINUTE)

    assert rules.around(span("2026-11-23T09:00", "2026-11-23T09:45")) == span("2026-11-23T08:50", "2026-11-23T10:00")


PLACE = Place(CallsOn(date(2026, 11, 26), "review"), 2)


def test_a_booking_claims_what_is_kept_free_around_its_call_too():
    booking = a_live_booking()
    slot = replace(booking.slot, before=10 * MINUTE, after=15 * MINUTE, day_place=PLACE)

    claims = replace(booking, slot=slot).claims

    around = Span(CALL.start - 10 * MINUTE, CALL.end + 15 * MINUTE)
    assert [claim for claim in claims if isinstance(claim, Tick)] == [Tick(number) for number in around.ticks()]
    assert PLACE in claims
    assert not [claim for claim in replace(an_expired_booking(), slot=slot).claims if isinstance(claim, Tick)]


# --- what the owner may enter ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("9:00-17:00", "09:00-17:00"),
        ("13:00-17:00, 9:00-12:00", "09:00-12:00, 13:00-17:00"),
        (" 9:00 – 12:00 ; 13:00 to 17:00 ", "09:00-12:00, 13:00-17:00"),
        ("9:00-12:00,12:00-13:00", "09:00-13:00"),
        ("0:00-24:00", "00:00-24:00"),
        ("", ""),
        (" , ", ""),
    ],
)
def test_hours_are_read_as_people_write_them(text, said):
    assert in_words(parse_day(text)) == said
    assert parse_day(said) == parse_day(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("9-17", "“9-17” is not a range such as 9:00-12:30."),
        ("nine to five", "is not a range"),
        ("9:60-10:00", "is not a range"),
        ("9:00-10:60", "is not a range"),
        ("9:00", "is not a range"),
        ("17:00-9:00", "end after they begin"),
        ("9:00-9:00", "end after they begin"),
        ("9:00-24:05", "end after they begin"),
        ("9:03-10:00", "whole five minutes"),
        ("9:00-10:01", "whole five minutes"),
        ("9:00-11:00, 10:30-12:00", "09:00-11:00 and 10:30-12:00 overlap"),
        (", ".join(f"{hour}:00-{hour}:30" for hour in range(7)), "At most 6 ranges a day."),
    ],
)
def test_hours_that_are_none_are_refused_with_the_reason(text, told):
    with pytest.raises(Invalid, match=told):
        parse_day(text)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"before": 4 * HOUR + 5 * MINUTE}, "at most four hours"),
        ({"after": -5 * MINUTE}, "at most four hours"),
        ({"after": 4 * MINUTE}, "whole five minutes"),
        ({"before": timedelta(seconds=1)}, "whole five minutes"),
        ({"step": timedelta()}, "whole five minutes"),
        ({"step": 7 * MINUTE}, "whole five minutes"),
        ({"step": DAY + 5 * MINUTE}, "whole five minutes"),
        ({"notice": 31 * DAY}, "shorter than the horizon"),
        ({"notice": -MINUTE}, "shorter than the horizon"),
        ({"horizon": 366 * DAY}, "at most a year"),
        ({"most_per_day": 101}, "0 .none. to 100"),
        ({"most_per_day": -1}, "0 .none. to 100"),
        ({"week": ((),) * 6}, "seven days"),
    ],
)
def test_rules_that_cannot_hold_are_refused_with_the_reason(wrong, told):
    with pytest.raises(Invalid, match=told):
        Rules(**wrong)


def test_rules_may_be_as_wide_as_they_can_be():
    Rules(before=4 * HOUR, after=4 * HOUR, step=DAY, notice=365 * DAY, horizon=365 * DAY, most_per_day=100)
    Rules(step=5 * MINUTE, notice=timedelta(), horizon=timedelta(), week=((),) * 7)


def test_a_calendar_that_contradicts_itself_is_refused():
    day = SpecialDay(MONDAY.date())

    with pytest.raises(Invalid, match="one set of special hours"):
        replace(LONDON, special=(day, SpecialDay(MONDAY.date() + DAY), day))
    with pytest.raises(Invalid, match="seven days"):
        replace(LONDON, week=((),))
    with pytest.raises(Invalid, match="end after they begin"):
        DaysOff(MONDAY.date(), MONDAY.date() - DAY)


def test_special_days_and_days_off_are_read_a_line_each_and_written_the_same_way():
    special = parse_special(" 2026-12-31 closed\n\n2026-12-24  9:00-12:00, 13:00-14:00\n2027-01-04 CLOSED ")
    days_off = parse_days_off("2027-02-01\n 2026-12-25 to 2026-12-26 ")

    assert special_in_words(special) == "2026-12-24 09:00-12:00, 13:00-14:00\n2026-12-31 closed\n2027-01-04 closed"
    assert days_off_in_words(days_off) == "2026-12-25 to 2026-12-26\n2027-02-01"
    assert parse_special(special_in_words(special)) == special
    assert parse_days_off(days_off_in_words(days_off)) == days_off
    assert (parse_special(" \n"), parse_days_off("")) == ((), ())


@pytest.mark.parametrize(
    ("read", "text", "told"),
    [
        (parse_special, "tomorrow closed", "“tomorrow closed” does not begin with a date such as 2026-12-24."),
        (parse_special, "2026-02-30 closed", "“2026-02-30 closed” does not begin with a date such as 2026-12-24."),
        (parse_special, "2026-12-24", "“2026-12-24” needs hours, or the word closed."),
        (parse_special, "2026-12-24 open", "“open” is not a range such as 9:00-12:30."),
        (parse_special, f"x{'y' * 60}", f"“x{'y' * 39}” does not begin with a date such as 2026-12-24."),
        (parse_special, "\n".join(["2026-12-24 closed"] * 201), "At most 200 lines."),
        (parse_days_off, "Christmas", "“Christmas” does not begin with a date such as 2026-12-24."),
        (parse_days_off, "2026-12-24 to", "“2026-12-24 to” does not begin with a date such as 2026-12-24."),
        (parse_days_off, "2026-12-26 to 2026-12-24", "Days off end after they begin."),
        (parse_days_off, "\n".join(["2026-12-24"] * 201), "At most 200 lines."),
    ],
)
def test_a_line_that_is_none_is_refused_with_the_reason(read, text, told):
    with pytest.raises(Invalid) as refused:
        read(text)

    assert str(refused.value) == told


def test_two_hundred_lines_are_read():
    assert len(parse_days_off("\n".join(["2026-12-24"] * 200))) == 200
