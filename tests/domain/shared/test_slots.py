import itertools
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from inspired.domain.shared.slots import Span, free, merged

MONDAY = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
NONE = timedelta()


def span(start: str, end: str) -> Span:
    return Span(datetime.fromisoformat(start + "+00:00"), datetime.fromisoformat(end + "+00:00"))


def test_calls_one_after_the_other_do_not_overlap_and_a_minute_more_does():
    nine, ten = span("2026-11-23T09:00", "2026-11-23T10:00"), span("2026-11-23T10:00", "2026-11-23T11:00")
    longer = span("2026-11-23T09:00", "2026-11-23T10:01")

    assert (nine.overlaps(ten), ten.overlaps(nine)) == (False, False)
    assert (longer.overlaps(ten), ten.overlaps(longer)) == (True, True)


def test_a_call_covers_every_five_minutes_it_touches():
    assert len(span("2026-11-23T09:00", "2026-11-23T09:45").ticks()) == 9
    assert len(span("2026-11-23T09:02", "2026-11-23T09:08").ticks()) == 2


TIMES = st.integers(0, 600).map(lambda minutes: MONDAY + timedelta(minutes=minutes))
SPANS = st.builds(lambda start, length: Span(start, start + timedelta(minutes=5 * length)), TIMES, st.integers(1, 24))


@given(SPANS, SPANS)
def test_calls_that_overlap_share_a_tick(one, other):
    if one.overlaps(other):
        assert set(one.ticks()) & set(other.ticks())


BUFFERS = st.integers(0, 12).map(lambda ticks: timedelta(minutes=5 * ticks))


@given(st.lists(SPANS, max_size=8), st.lists(SPANS, max_size=8), BUFFERS, BUFFERS)
def test_a_call_is_free_where_it_and_its_buffers_overlap_nothing_taken(offered, taken, before, after):
    left = free(offered, taken, before, after)

    def is_free(call: Span) -> bool:
        around = Span(call.start - before, call.end + after)
        return not any(around.overlaps(other) for other in taken)

    assert left == [call for call in offered if is_free(call)]


@given(st.lists(SPANS, max_size=10))
def test_merged_spans_cover_the_same_time_and_do_not_touch(spans):
    found = merged(spans)

    minutes = {minute for one in spans for minute in covered(one)}
    assert {minute for one in found for minute in covered(one)} == minutes
    assert all(one.end < other.start for one, other in itertools.pairwise(found))


def covered(one: Span) -> range:
    return range(int(one.start.timestamp()) // 60, int(one.end.timestamp()) // 60)
