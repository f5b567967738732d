"""The doorbell: ids only, as JSON, and a lost ring is no failure."""

import json
import socket
import time
import zlib

import pytest
import redis
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

from inspired import jobs
from inspired.adapters.redis import queue as queues
from inspired.adapters.redis import redis_server
from inspired.adapters.redis.queue import BOOKINGS, LETTERS, NOTICES, REHEARSALS, JobQueue
from inspired.domain.catalogue.meeting_types import MEETING_TYPES
from inspired.flows.booking.booking import start_draft
from tests.adapters.listeners import listening
from tests.harness import free_port, wait_until


def waiting(connection, name=BOOKINGS):
    return Queue(name, connection=connection, serializer=JSONSerializer).jobs


def test_a_ring_is_a_job_of_ours_with_ids(connection):
    assert JobQueue(connection).enqueue("refresh", "b1")

    [job] = waiting(connection)
    assert (job.func_name, job.args, job.kwargs) == ("inspired.jobs.refresh", ["b1"], {})


def test_letters_wait_in_a_queue_of_their_own_behind_payments(connection):
    queue = JobQueue(connection)

    assert queue.enqueue_mail("deliver", "b1")
    assert queue.enqueue("refresh", "b2")

    assert [job.args for job in waiting(connection, LETTERS)] == [["b1"]]
    assert [job.args for job in waiting(connection)] == [["b2"]]
    assert [queue.name for queue in queues.queues_on(connection)] == [NOTICES, BOOKINGS, LETTERS, REHEARSALS]


def test_the_same_ring_twice_is_two_harmless_jobs(connection):
    queue = JobQueue(connection)

    assert queue.enqueue("refresh", "b1")
    assert queue.enqueue("refresh", "b1")

    first, second = waiting(connection)
    assert first.id != second.id
    assert first.args == second.args


def test_what_lies_in_redis_is_json_that_can_run_nothing_else(connection):
    JobQueue(connection).enqueue("work_webhook", "PAY:1:PAY_SUCCESS:abc")

    [job] = waiting(connection)
    data = zlib.decompress(connection.hget(job.key, "data"))

    assert json.loads(data) == ["inspired.jobs.work_webhook", None, ["PAY:1:PAY_SUCCESS:abc"], {}]


def test_an_unheard_ring_does_not_stay_for_ever(connection):
    JobQueue(connection).enqueue("refresh", "b1")

    [job] = waiting(connection)
    assert job.ttl == 600
    assert job.result_ttl == 0
    assert job.timeout == 60
    assert job.retries_left is None


def test_without_redis_a_ring_is_lost_and_says_so():
    client = redis_server.connect(f"redis://127.0.0.1:{free_port()}/0", seconds=0.3)

    assert JobQueue(client).enqueue("refresh", "b1") is False


def test_a_frozen_redis_holds_up_one_ring_and_the_next_ones_not():
    with listening(lambda connection, request: None) as frozen:
        client = redis_server.connect(frozen.address.replace("http", "redis"), seconds=0.3)
        queue = JobQueue(client)
        started = time.monotonic()
        assert queue.enqueue("refresh", "b1") is False
        first = time.monotonic() - started

        assert not any(queue.enqueue("refresh", "b1") for _ in range(100))
        rest = time.monotonic() - started - first
        client.close()

    assert first < 0.3 + 1
    assert rest < 0.3


def test_when_redis_is_back_the_bell_rings_again(connection):
    client = redis_server.connect(f"redis://127.0.0.1:{free_port()}/0", seconds=0.3)
    queue = JobQueue(client)
    assert not queue.enqueue("refresh", "b1")

    client.connection_pool = connection.connection_pool

    assert wait_until(lambda: queue.enqueue("refresh", "b2"), seconds=5, what="a ring")
    assert [job.args for job in waiting(connection)] == [["b2"]]


def test_a_command_with_a_lost_answer_is_not_sent_twice(connection, servers):
    """Redis carries out the command, and the line breaks before its answer."""
    address = ("127.0.0.1", connection.get_connection_kwargs()["port"])

    def cut_after_the_count(line, request):
        upstream.sendall(request)
        answer = upstream.recv(65536)
        if b"INCR" in request:
            line.close()
        else:
            line.sendall(answer)

    with (
        socket.create_connection(address) as upstream,
        listening(cut_after_the_count, read=lambda line: line.recv(65536)) as between,
    ):
        client = redis_server.connect(between.address.replace("http", "redis"), seconds=2.0)
        with pytest.raises(redis.RedisError):
            client.incr("rung")
        client.close()

    assert connection.get("rung") == b"1"


@pytest.fixture
def worker_services(svc):
    """What jobs build for themselves in a worker, from the environment."""
    jobs.services.cache_clear()
    yield jobs.services()
    jobs.services().close()
    jobs.services.cache_clear()


def test_a_ring_is_answered_by_a_worker_that_reads_the_same_language(connection, svc, worker_services):
    draft = start_draft(svc, MEETING_TYPES[0])
    JobQueue(connection).enqueue("refresh", draft.id)

    queue = queues.queues_on(connection)[1]
    SimpleWorker([queue], connection=connection, serializer=JSONSerializer).work(burst=True)

    assert queue.count == 0
    assert queue.failed_job_registry.count == 0
