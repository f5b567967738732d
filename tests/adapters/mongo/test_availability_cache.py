"""What lists of free times know of what is taken: read once, never older than a change that was told, or seconds."""

from dataclasses import replace
from datetime import timedelta

import pytest

from inspired.adapters.mongo.availability_cache import KEEP, AvailabilityCache
from inspired.adapters.mongo.bookings import Bookings
from inspired.adapters.redis import redis_server
from inspired.adapters.redis.status_cache import CHANGED, MOST_CHANGES, REVISION, CachedStatus, Changes, StatusCache
from inspired.domain.booking.states import State
from inspired.domain.shared.slots import Span
from inspired.services import cached_status
from tests.factories import CALL, SECOND, a_booking
from tests.harness import free_port

HOUR = timedelta(hours=1)
MONTH = Span(CALL.start - timedelta(days=15), CALL.end + timedelta(days=15))


def booking_at(day):
    there = Span(CALL.start + timedelta(days=day), CALL.end + timedelta(days=day))
    booking = a_booking(id=f"b{day}".ljust(24, "x"), token=f"t{day}".ljust(28, "x"))
    return replace(booking, slot=replace(booking.slot, span=there), orders=())


class Counted(Bookings):
    asked = 0

    def __init__(self, *given):
        super().__init__(*given)
        self.reread = []

    def taken(self, window):
        self.asked += 1
        return super().taken(window)

    def holds_of(self, booking_ids):
        self.reread.append(list(booking_ids))
        return super().holds_of(booking_ids)


class Clock:
    at = 100.0

    def __call__(self):
        return self.at


@pytest.fixture
def bookings(database, hints):
    return Counted(database, lambda one: hints.publish(one.token, cached_status(one), changed=one.id))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def known(bookings, hints, clock):
    return AvailabilityCache(bookings, hints, clock)


def test_what_nobody_has_changed_is_read_once_for_all_lists_of_these_days(known, bookings):
    bookings.add(a_booking())

    found = [known.taken(window).spans for window in (MONTH, Span(MONTH.start + SECOND, MONTH.end), MONTH)]

    assert found == [[CALL]] * 3
    assert bookings.asked == 1


def test_only_what_reaches_into_the_window_is_taken_though_whole_days_are_read(known, bookings):
    bookings.add(a_booking())

    assert known.taken(Span(CALL.start - HOUR, CALL.start)).spans == []
    assert known.taken(Span(CALL.end - SECOND, CALL.end + HOUR)).spans == [CALL]


def test_every_way_to_take_or_give_back_a_time_is_seen_at_once_by_every_process(known, bookings, hints):
    other = AvailabilityCache(bookings, hints)
    later = Span(CALL.start + timedelta(days=1), CALL.end + timedelta(days=1))

    def seen():
        spans = known.taken(MONTH).spans
        assert other.taken(MONTH).spans == spans
        return spans

    assert seen() == []
    booking = bookings.add(a_booking())
    assert seen() == [CALL]
    bookings.change(booking.id, lambda one: replace(one, slot=replace(one.slot, span=later)))
    assert seen() == [later]
    bookings.change(booking.id, lambda one: replace(one, state=State.EXPIRED))
    assert seen() == []


def test_a_change_whose_word_got_lost_is_seen_after_some_seconds(known, database, clock):
    silent = Bookings(database, lambda _: None)
    assert known.taken(MONTH).spans == []

    silent.add(a_booking())
    clock.at += KEEP - 0.1
    before = known.taken(MONTH).spans
    clock.at += 0.2

    assert (before, known.taken(MONTH).spans) == ([], [CALL])


def test_without_redis_the_database_is_asked_each_time(bookings):
    away = redis_server.connect(f"redis://127.0.0.1:{free_port()}/0", seconds=0.2)
    known = AvailabilityCache(bookings, StatusCache(away))

    assert known.taken(MONTH).spans == []
    bookings.add(a_booking())
    assert known.taken(MONTH).spans == [CALL]
    assert known.taken(MONTH).spans == [CALL]
    assert bookings.asked == 3


def test_a_poll_that_tells_what_it_has_read_is_no_change(hints):
    before = hints.changes()

    hints.publish("token", CachedStatus(1, True, b"{}"))
    assert hints.changes() == before
    hints.publish("token", CachedStatus(1, True, b"{}"), changed="b1")
    assert hints.changes() == Changes(before.revision + 1, ((before.revision + 1, "b1"), *before.newest))


def test_of_what_has_changed_only_that_is_read_again(known, bookings):
    first, second = (bookings.add(booking_at(day)) for day in (0, 1))
    assert len(known.taken(MONTH).spans) == 2

    bookings.change(second.id, lambda one: replace(one, state=State.EXPIRED))
    assert known.taken(MONTH).spans == [first.slot.span]
    third = bookings.add(booking_at(2))
    bookings.change(first.id, lambda one: replace(one, state=State.EXPIRED))

    assert known.taken(MONTH).spans == [third.slot.span]
    assert (bookings.asked, bookings.reread) == (1, [[second.id], sorted([first.id, third.id])])


def test_more_changes_than_are_told_are_all_read(known, bookings, hints):
    booking = bookings.add(a_booking())
    assert known.taken(MONTH).spans == [CALL]

    for number in range(MOST_CHANGES):
        hints.publish("token", CachedStatus(1, True, b"{}"), changed=f"b{number}")
    assert known.taken(MONTH).spans == [CALL]
    assert (bookings.asked, len(bookings.reread)) == (1, 1)
    bookings.change(booking.id, lambda one: replace(one, state=State.EXPIRED))
    for number in range(MOST_CHANGES):
        hints.publish("token", CachedStatus(1, True, b"{}"), changed=f"b{number}")

    assert known.taken(MONTH).spans == []
    assert (bookings.asked, len(bookings.reread)) == (2, 1)


@pytest.mark.parametrize("now", [0, 1, 500])
def test_a_redis_that_came_back_empty_or_an_older_release_that_tells_less_is_noticed(known, bookings, connection, now):
    booking = bookings.add(a_booking())
    assert known.taken(MONTH).spans == [CALL]
    Bookings(bookings._collection.database, lambda _: None).change(
        booking.id, lambda one: replace(one, state=State.EXPIRED)
    )

    connection.delete(CHANGED)
    connection.set(REVISION, now)

    assert known.taken(MONTH).spans == ([] if now != 1 else [CALL])  # the same number by chance: some seconds, at most


@pytest.mark.parametrize(
    ("newest", "revision", "found"),
    [
        ((), 7, set()),
        (((7, "a"),), 6, {"a"}),
        (((7, "a"), (6, "b"), (5, "a")), 4, {"a", "b"}),
        (((7, "a"), (6, "b"), (5, "a")), 6, {"a"}),
        (((7, "a"), (5, "b")), 4, None),
        (((7, "a"),), 5, None),
        ((), 6, None),
        (((7, "a"),), 8, None),
        (((3, "a"),), 6, None),
    ],
)
def test_which_bookings_changed_since_is_told_where_every_one_of_them_is_known(newest, revision, found):
    assert Changes(7, newest).since(revision) == found


def test_no_more_than_some_spans_are_kept(known):
    for day in range(40):
        begin = MONTH.start + timedelta(days=day)
        known.taken(Span(begin, begin + HOUR))

    assert len(known._known) <= 16
