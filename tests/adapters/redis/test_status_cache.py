"""What polls read: counted, never older than what was shown, and no loss when Redis is away."""

import time
from concurrent.futures import ThreadPoolExecutor

import redis

from inspired.adapters.redis import redis_server
from inspired.adapters.redis.status_cache import HINT_LIFE_MS, NUDGE_EVERY_MS, CachedStatus, Pulse, StatusCache
from tests.adapters.listeners import listening
from tests.harness import free_port, wait_until

TOKEN = "a public token"


def test_a_booking_nobody_told_about_is_counted_and_read_elsewhere(hints):
    assert hints.pulse(TOKEN, 60) == Pulse(count=1, window_left=60.0, hint=None, nudge=False)


def test_what_was_told_is_what_polls_read(hints):
    hint = CachedStatus(status_version=3, is_open=False, body=b'{"status":"CONFIRMED","odd":"a|b"}')

    hints.publish(TOKEN, hint)

    assert hints.pulse(TOKEN, 60) == Pulse(count=1, window_left=60.0, hint=hint, nudge=False)
    assert hints.pulse("another token", 60).hint is None


def test_an_older_edition_never_takes_the_place_of_a_newer_one(hints):
    newer, older = CachedStatus(10, False, b"new"), CachedStatus(9, True, b"old")

    hints.publish(TOKEN, newer)
    hints.publish(TOKEN, older)
    assert hints.pulse(TOKEN, 60).hint == newer

    hints.publish(TOKEN, CachedStatus(10, False, b"new again"))
    hints.publish(TOKEN, CachedStatus(11, False, b"newest"))
    assert hints.pulse(TOKEN, 60).hint == CachedStatus(11, False, b"newest")


def test_however_many_tell_at_once_the_newest_stays(hints):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: hints.publish(TOKEN, CachedStatus(number, True, b"%d" % number)), range(100)))

    assert hints.pulse(TOKEN, 60).hint == CachedStatus(99, True, b"99")


def test_polls_are_counted_in_a_window_of_their_own_for_each_booking(hints):
    counts = [hints.pulse(TOKEN, 60).count for _ in range(5)]

    assert counts == [1, 2, 3, 4, 5]
    assert hints.pulse("another token", 60).count == 1
    assert 0 < hints.pulse(TOKEN, 60).window_left <= 60


def test_a_window_ends(hints):
    hints.pulse(TOKEN, 1)

    wait_until(lambda: hints.pulse(TOKEN, 1).count == 1, seconds=5, what="a new window")


def test_an_open_booking_is_nudged_once_an_interval_and_a_final_one_never(hints, connection):
    hints.publish(TOKEN, CachedStatus(1, True, b"open"))
    hints.publish("final", CachedStatus(1, False, b"final"))

    assert [hints.pulse(TOKEN, 60).nudge for _ in range(5)] == [True, False, False, False, False]
    assert not any(hints.pulse("final", 60).nudge for _ in range(3))
    [nudge] = connection.keys("nudge:*")
    assert 0 < connection.pttl(nudge) <= NUDGE_EVERY_MS


def test_everything_in_redis_is_short_lived_and_names_nobody(hints, connection):
    hints.publish(TOKEN, CachedStatus(1, True, b"open"))
    hints.pulse(TOKEN, 60)

    keys = connection.keys("*")
    assert len(keys) == 3
    for key in keys:
        assert 0 < connection.pttl(key) <= 60_000
        assert TOKEN.encode() not in key
    [hint] = connection.keys("hint:*")
    assert connection.pttl(hint) <= HINT_LIFE_MS


def test_without_redis_there_is_no_pulse_and_telling_is_no_failure():
    hints = StatusCache(redis_server.connect(f"redis://127.0.0.1:{free_port()}/0", seconds=0.3))

    assert hints.pulse(TOKEN, 60) is None
    assert hints.publish(TOKEN, CachedStatus(1, True, b"")) is None


def test_a_redis_that_can_be_told_nothing_is_not_asked_either():
    hints = StatusCache(redis_server.connect(f"redis://127.0.0.1:{free_port()}/0", seconds=0.3))

    hints.publish(TOKEN, CachedStatus(1, True, b""))

    assert hints.pulse(TOKEN, 60) is None


def test_a_frozen_redis_holds_up_one_poll_and_the_next_ones_not():
    with listening(lambda connection, request: None) as frozen:
        client = redis_server.connect(frozen.address.replace("http", "redis"), seconds=0.3)
        hints = StatusCache(client)
        started = time.monotonic()
        assert hints.pulse(TOKEN, 60) is None
        first = time.monotonic() - started

        for _ in range(100):
            assert hints.pulse(TOKEN, 60) is None
        rest = time.monotonic() - started - first
        client.close()

    assert first < 0.3 + 1
    assert rest < 0.3


def test_when_redis_is_back_it_is_used_again(hints, connection, servers):
    port = free_port()
    client = redis.Redis(port=port, **redis_server.connection_options(seconds=0.3))
    away = StatusCache(client)
    assert away.pulse(TOKEN, 60) is None

    client.connection_pool = connection.connection_pool

    assert wait_until(lambda: away.pulse(TOKEN, 60), seconds=5, what="a pulse").count == 1
