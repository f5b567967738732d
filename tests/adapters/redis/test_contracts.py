"""The queue in memory of the simulation keeps the promises of the real one: each claim holds for both."""

import pytest

from inspired.adapters.redis import queue as queues
from inspired.adapters.redis import redis_server
from inspired.adapters.redis.queue import JobQueue
from tests.simulation.memory import (
    MemoryQueue,
    Wire,
)

BOTH = ("real", "memory")


@pytest.fixture(params=BOTH)
def queue(request):
    """The bell, and what lies in its queues as (name, ids), the most urgent queue first."""
    if request.param == "memory":
        memory = MemoryQueue(Wire())

        def lying() -> list[tuple[str, list[str]]]:
            order = [queues.NOTICES, queues.BOOKINGS, queues.LETTERS]
            return [(name, list(ids)) for _, name, ids in sorted(memory.jobs, key=lambda job: order.index(job[0]))]

        yield memory, lying
        return
    connection = redis_server.connect(request.getfixturevalue("servers").redis_url, seconds=2.0)
    connection.flushdb()

    def waiting() -> list[tuple[str, list[str]]]:
        found = [job for queue in queues.queues_on(connection) for job in queue.jobs]
        return [(job.func_name.removeprefix("inspired.jobs."), job.args) for job in found]

    yield JobQueue(connection), waiting
    connection.close()


def test_rings_lie_in_queues_by_urgency_and_two_rings_are_two_jobs(queue):
    doorbell, lying = queue

    assert doorbell.enqueue_mail("deliver", "b1")
    assert doorbell.enqueue("refresh", "b1")
    assert doorbell.enqueue("refresh", "b1")
    assert doorbell.enqueue_webhook("work_webhook", "n1")

    assert lying() == [("work_webhook", ["n1"]), ("refresh", ["b1"]), ("refresh", ["b1"]), ("deliver", ["b1"])]
    assert (doorbell.webhooks_waiting(), doorbell.waiting(), doorbell.mails_waiting()) == (1, 2, 1)
