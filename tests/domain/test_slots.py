import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspired.domain.slots import OpeningHours, Span, free

LONDON = OpeningHours(ZoneInfo("Europe/London"))
MONDAY = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)


def span(start: str, end: str) -> Span:
    return Span(datetime.fromisoformat(start + "+00:00"), datetime.fromisoformat(end + "+00:00"))


def test_calls_are_offered_on_weekdays_between_nine_and_five_in_the_owners_zone():
    week = Span(MONDAY, MONDAY + timedelta(days=7))

    calls = list(LONDON.starts(45, week, MONDAY - timedelta(days=3)))

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

    calls = list(LONDON.starts(30, Span(july, july + timedelta(days=1)), july - timedelta(days=1)))

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
    offered = OpeningHours(ZoneInfo(zone)).starts(30, span(*window), MONDAY - timedelta(days=1))

    assert [call.start for call in offered] == [datetime.fromisoformat(f"{start}+00:00") for start in starts]


def test_calls_one_after_the_other_do_not_overlap_and_a_minute_more_does():
    nine, ten = span("2026-11-23T09:00", "2026-11-23T10:00"), span("2026-11-23T10:00", "2026-11-23T11:00")
    longer = span("2026-11-23T09:00", "2026-11-23T10:01")

    assert (nine.overlaps(ten), ten.overlaps(nine)) == (False, False)
    assert (longer.overlaps(ten), ten.overlaps(longer)) == (True, True)


def test_notice_and_horizon_bound_what_is_offered():
    now = MONDAY + timedelta(hours=9, minutes=10)
    ever = Span(now, now + timedelta(days=400))

    calls = list(LONDON.starts(30, ever, now))

    assert calls[0].start == MONDAY + timedelta(hours=11, minutes=30)
    assert calls[-1].start < now + timedelta(days=30)


def test_only_offered_times_are_allowed():
    now = MONDAY

    assert LONDON.allows(span("2026-11-23T09:30", "2026-11-23T10:15"), now)
    assert not LONDON.allows(span("2026-11-23T09:35", "2026-11-23T10:20"), now)
    assert not LONDON.allows(span("2026-11-22T09:30", "2026-11-22T10:15"), now)
    assert not LONDON.allows(span("2026-11-23T01:00", "2026-11-23T01:45"), now)
    assert not LONDON.allows(span("2026-11-23T09:30", "2026-11-23T10:15:30"), now)


def test_a_call_covers_every_five_minutes_it_touches():
    assert len(span("2026-11-23T09:00", "2026-11-23T09:45").ticks()) == 9
    assert len(span("2026-11-23T09:02", "2026-11-23T09:08").ticks()) == 2


TIMES = st.integers(0, 600).map(lambda minutes: MONDAY + timedelta(minutes=minutes))
SPANS = st.builds(lambda start, length: Span(start, start + timedelta(minutes=5 * length)), TIMES, st.integers(1, 24))


@given(SPANS, SPANS)
def test_calls_that_overlap_share_a_tick(one, other):
    if one.overlaps(other):
        assert set(one.ticks()) & set(other.ticks())


@given(st.lists(SPANS, max_size=8), st.lists(SPANS, max_size=8))
def test_free_calls_overlap_no_taken_one(offered, taken):
    left = free(offered, taken)

    assert not [call for call in left for other in taken if call.overlaps(other)]
    assert [call for call in offered if call in left] == left
