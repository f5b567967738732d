"""The worker's loop: its turns stand in the database, and it outlives a Redis that is away, empty or not trusted."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import redis
from rq import Callback, Queue
from rq.serializers import JSONSerializer

from inspired import jobs
from inspired.adapters.mongo import heartbeats
from inspired.adapters.mongo.heartbeats import Workers
from inspired.adapters.redis import queue as queues
from inspired.adapters.redis import worker
from inspired.domain.monitoring.health import SILENT_AFTER
from inspired.flows.monitoring import alerting, health
from tests.adapters.tls import self_signed_chain, tls_in_front_of
from tests.flows.steps import later
from tests.harness import ROOT, free_port, redis_server, wait_until


def names(svc):
    return {one.name for one in svc.workers.all()} - {"test"}


def a_worker(connection, svc, functions=jobs.JOBS):
    return worker.made(
        connection,
        functions,
        on_turn=lambda name: svc.workers.turned(name, svc.now()),
        on_refused=lambda what: svc.refused_jobs.add(what, svc.now()),
    )


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
    ours = a_worker(connection, svc)

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
    ours = a_worker(connection, svc)
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
    queues.JobQueue(connection).enqueue("refresh", "b1")
    [job] = queues.queues_on(connection)[1].jobs
    idle = worker.WORKER_TTL / 2

    assert job.timeout + heartbeats.TURN_EVERY + idle < SILENT_AFTER.total_seconds() - 30


# --- only our own jobs are run ----------------------------------------------------------------------------------------

RAN: list[str] = []


def planted(*words: str) -> None:
    """Somebody else's job: importable here, as much of Python is to whoever writes to Redis."""
    RAN.append("job")


def planted_after(*_: object) -> None:
    RAN.append("callback")


def ours(booking_id: str) -> None:
    RAN.append(booking_id)


HERE = __name__
OURS = {"inspired.jobs.refresh": ours}


def put(connection, name, *, queue="bookings", **more):
    return Queue(queue, connection=connection, serializer=JSONSerializer).enqueue_call(
        name, **{"args": ("b1",), **more}
    )


def spoilt(connection, **fields):
    job = put(connection, "inspired.jobs.refresh")
    connection.hset(job.key, mapping=fields)


PLANTED = {
    "another function": lambda c: put(c, f"{HERE}.planted"),
    "a builtin": lambda c: put(c, "print"),
    "one of our modules that is no job": lambda c: put(c, "inspired.jobs.services", args=()),
    "something of our job": lambda c: put(c, "inspired.jobs.refresh.__globals__.clear", args=()),
    "a method of a value": lambda c: spoilt(c, data=json.dumps(["upper", "text", [], {}])),
    "our job with a callback": lambda c: put(
        c, "inspired.jobs.refresh", on_success=Callback(planted_after), on_failure=Callback(planted_after)
    ),
    "our job with a webhook": lambda c: spoilt(
        c, webhooks=json.dumps([{"url": "http://127.0.0.1:9/", "job_status": "finished"}])
    ),
    "our job to be repeated": lambda c: spoilt(c, repeats_left=5),
    "our job with named arguments": lambda c: put(c, "inspired.jobs.refresh", args=(), kwargs={"booking_id": "b1"}),
    "our job with more than ids": lambda c: put(c, "inspired.jobs.refresh", args=({"a": 1},)),
    "what is no JSON": lambda c: spoilt(c, data=b"\x80\x04\x95"),
    "what has another shape": lambda c: spoilt(c, data=b'{"a": 1}'),
    "a state there is not": lambda c: spoilt(c, status="odd"),
    "a moment there is not": lambda c: spoilt(c, enqueued_at="soon"),
}


@pytest.mark.parametrize("what", PLANTED)
def test_what_is_not_a_job_of_ours_is_not_run_but_counted_and_the_next_one_is(connection, svc, what):
    RAN.clear()
    PLANTED[what](connection)
    put(connection, "inspired.jobs.refresh", args=("b2",))

    a_worker(connection, svc, OURS).work(burst=True)

    assert RAN == ["b2"]
    refused = svc.refused_jobs.recent(svc.now())
    assert refused is not None, "it was not counted"
    assert refused.count == 1
    assert not list(connection.scan_iter("rq:job:*")), "nothing of it is left in Redis"


def test_what_others_left_half_done_calls_nothing_of_theirs_when_it_is_cleared_away(connection, svc):
    """RQ looks through the jobs of workers that died, and calls what these wanted called then."""
    RAN.clear()
    queue = Queue("bookings", connection=connection, serializer=JSONSerializer)
    job = put(connection, f"{HERE}.planted", on_failure=Callback(planted_after))
    connection.lrem(queue.key, 0, job.id)
    job.set_status("started")
    connection.zadd(queue.started_job_registry.key, {f"{job.id}:e1": 1})

    a_worker(connection, svc, OURS).work(burst=True)

    assert connection.zcard(queue.started_job_registry.key) == 0, "it was cleared away"
    assert RAN == []


def test_no_job_takes_longer_than_ours_may_whatever_it_says(connection, svc):
    job = put(connection, "inspired.jobs.refresh", timeout=-1, result_ttl=-1)

    [found] = queues.queues_on(connection)[1].jobs

    assert (job.timeout, found.timeout, found.result_ttl) == (-1, queues.JOB_SECONDS, 0)


def test_their_words_are_tamed_before_they_are_told(connection, svc):
    put(connection, "\x1b[2J<b>" + "x" * 500)

    a_worker(connection, svc, OURS).work(burst=True)

    what = svc.refused_jobs.recent(svc.now()).what
    assert what.startswith("??2J?b?xxx")
    assert len(what) <= 80


def test_a_refused_job_is_told_for_a_day(svc):
    svc.refused_jobs.add("a", svc.now() - timedelta(hours=30))
    assert svc.refused_jobs.recent(svc.now()) is None

    for name in ("b", "c"):
        svc.refused_jobs.add(name, svc.now())

    found = svc.refused_jobs.recent(svc.now())
    assert (found.count, found.what) == (2, "c")
    assert "2, the last one c" in alerting.find(svc)["strange_job"].detail
    assert "strange_job" in {one.id for one in health.examine(svc)}
    assert alerting.find(later(svc, hours=25))["strange_job"] is None


def test_whatever_we_enqueue_is_a_job_that_is_run_and_so_is_what_the_last_release_enqueued():
    code = " ".join(path.read_text() for path in (ROOT / "inspired").rglob("*.py") if "rehearsal" not in path.parts)
    enqueued = set(re.findall(r"\.enqueue(?:_[a-z]+)?\(\s*\"([a-z_]+)\"", code))

    assert enqueued
    assert {f"inspired.jobs.{name}" for name in enqueued | {"chore", "work_notice"}} == set(jobs.JOBS)
    assert jobs.JOBS["inspired.jobs.chore"] is jobs.bulk_job
    assert jobs.JOBS["inspired.jobs.work_notice"] is jobs.work_webhook


def test_queues_can_be_looked_at_whatever_lies_in_them(connection, svc):
    spoilt(connection, enqueued_at="soon")
    connection.lpush("rq:queue:letters", b"\xff\xfe")

    assert {one.queue: one.count for one in svc.queue.queues()} == {"notices": 0, "bookings": 1, "letters": 1}


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
            assert svc.queue.enqueue("refresh", "nobody")
            wait_until(lambda: svc.queue.waiting() == 0, seconds=30, what="the job")


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
