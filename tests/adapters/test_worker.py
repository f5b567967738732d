"""The worker's loop: its turns stand in the database, and it outlives a Redis that is away, empty or not trusted."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import redis

from inspired.adapters import heartbeats, worker
from inspired.adapters import queue as queues
from inspired.adapters.heartbeats import Workers
from inspired.domain.health import SILENT_AFTER
from tests.adapters.tls import self_signed_chain, tls_in_front_of
from tests.harness import ROOT, free_port, redis_server, wait_until


def names(svc):
    return {one.name for one in svc.workers.all()} - {"test"}


@contextmanager
def working(env, log) -> Iterator[subprocess.Popen]:
    """`inspired worker` itself; what it says goes into `log`."""
    with log.open("wb") as said:
        child = subprocess.Popen(
            [sys.executable, "-m", "inspired.cli", "worker"], env=env, cwd=ROOT, stdout=said, stderr=said
        )
        try:
            yield child
        finally:
            child.kill()
            child.wait()


@pytest.fixture
def env(settings_env, tmp_path):
    import os

    return {**os.environ, **settings_env}


# --- turns ------------------------------------------------------------------------------------------------------------


def test_a_turn_is_written_down_by_the_loop_that_has_asked_for_work(connection, svc):
    ours = worker.Worker(queues.queues_on(connection), connection=connection, serializer="json")
    ours.on_turn = lambda name: svc.workers.turned(name, svc.now())

    ours.work(burst=True)

    assert names(svc) == {ours.name}


def test_a_worker_that_cannot_ask_has_no_turn(svc):
    away = redis.Redis(port=free_port())
    ours = worker.Worker.__new__(worker.Worker)
    ours.name, ours.connection, ours.worker_ttl = "w1", away, 30
    ours.on_turn = lambda name: svc.workers.turned(name, svc.now())

    with pytest.raises(redis.RedisError):
        ours.heartbeat()

    assert names(svc) == set()


def test_when_redis_comes_back_empty_the_workers_are_still_there(connection, svc):
    ours = worker.Worker(queues.queues_on(connection), connection=connection, serializer="json")
    ours.on_turn = lambda name: svc.workers.turned(name, svc.now())
    ours.register_birth()

    connection.flushall()
    ours.heartbeat()

    assert worker.Worker.all(connection=connection) == [], "RQ itself does not list it any more"
    assert names(svc) == {ours.name}


def test_turns_are_written_every_ten_seconds_at_most(database, svc):
    clock, now = [100.0], svc.now()
    workers = Workers(database, elapsed=lambda: clock[0])

    for second in range(25):
        clock[0] = 100.0 + second
        workers.turned("w1", now + timedelta(seconds=second))

    assert workers.last_turn() == now + timedelta(seconds=20)


def test_who_was_not_seen_for_a_day_is_forgotten_and_a_new_one_is_not(database, svc):
    workers, now = Workers(database), svc.now()
    workers.write_turn("old", now - timedelta(days=2))
    workers.write_turn("yesterday", now - timedelta(hours=23))
    workers.write_turn("new", now)

    assert [one.name for one in workers.all() if one.name != "test"] == ["new", "yesterday"]


def test_the_longest_job_and_the_longest_wait_end_long_before_a_worker_counts_as_silent(connection):
    queues.Doorbell(connection).ring("refresh", "b1")
    [job] = queues.queues_on(connection)[1].jobs
    idle = worker.WORKER_TTL / 2

    assert job.timeout + heartbeats.TURN_EVERY + idle < SILENT_AFTER.total_seconds() - 30


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_with_the_certificate_of_a_hosting_service_it_waits_and_says_why_and_with_the_setting_it_works(
    svc, servers, env, tmp_path
):
    log = tmp_path / "worker.log"
    with tls_in_front_of(urlsplit(servers.redis_url).port, self_signed_chain(tmp_path)) as port:
        env["REDIS_URL"] = f"rediss://127.0.0.1:{port}/0"
        with working(env, log) as child:
            wait_until(lambda: log.read_bytes().count(b"worker_waits_for_redis") > 1, seconds=150, what="a second try")
            assert child.poll() is None
        assert "certificate is not accepted (self-signed certificate in certificate chain)" in log.read_text()
        assert names(svc) == set()

        env["REDIS_TLS"] = "require"
        with working(env, log):
            wait_until(lambda: names(svc), seconds=150, what="the worker's first turn")
            assert svc.bell.ring("refresh", "nobody")
            wait_until(lambda: svc.bell.waiting() == 0, seconds=30, what="the job")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_outlives_a_redis_that_comes_later_goes_and_comes_back_empty(svc, env, tmp_path):
    log = tmp_path / "worker.log"
    port = free_port()
    env["REDIS_URL"] = f"redis://127.0.0.1:{port}/0"
    with working(env, log) as child:
        wait_until(lambda: b"worker_waits_for_redis" in log.read_bytes(), seconds=150, what="the first try")
        assert names(svc) == set()
        for _ in range(2):
            before = max((one.at for one in svc.workers.all() if one.name != "test"), default=None)
            with redis_server(port):
                wait_until(
                    lambda before=before: any(
                        one.name != "test" and (before is None or one.at > before) for one in svc.workers.all()
                    ),
                    seconds=150,
                    what="a turn",
                )
        assert child.poll() is None
        child.send_signal(signal.SIGTERM)
        assert wait_until(lambda: child.poll() is not None, seconds=20, what="its end")
