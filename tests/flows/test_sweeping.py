from dataclasses import replace
from datetime import timedelta

import redis
from rq import Queue

from inspired.adapters.queue import QUEUE, queue_on
from inspired.flows import sweeping
from inspired.services import Services
from tests.flows.steps import hold
from tests.harness import Servers


def waiting(sandbox: Servers) -> list[tuple[str, tuple]]:
    with redis.Redis.from_url(sandbox.redis_url) as connection:
        queue: Queue = queue_on(connection)
        return [(job.func_name, tuple(job.args)) for job in queue.jobs]


def at(svc: Services, **span: float) -> Services:
    return replace(svc, now=lambda: svc.now() + timedelta(**span))


def test_what_is_due_is_rung_for_by_id_and_put_off(svc: Services, sandbox: Servers):
    booking = hold(svc)

    assert sweeping.sweep(at(svc, seconds=5)) == 1
    assert sweeping.sweep(at(svc, seconds=5)) == 0

    assert waiting(sandbox) == [("inspired.jobs.refresh", (booking.id,))]


def test_a_lost_ring_is_rung_again_within_seconds(svc: Services, sandbox: Servers):
    booking = hold(svc)
    sweeping.sweep(at(svc, seconds=5))
    with redis.Redis.from_url(sandbox.redis_url) as connection:
        connection.flushdb()

    sweeping.sweep(at(svc, seconds=25))

    assert waiting(sandbox) == [("inspired.jobs.refresh", (booking.id,))]


def test_nothing_personal_reaches_redis(svc: Services, sandbox: Servers):
    booking = hold(svc, email="canary@example.com", name="Canary Bird", address="198.51.100.77")
    svc.hints.pulse(booking.token, 60)
    sweeping.sweep(at(svc, seconds=5))

    with redis.Redis.from_url(sandbox.redis_url) as connection:
        dumped = b" ".join(key + b" " + (connection.dump(key) or b"") for key in connection.keys("*"))

    for canary in (b"canary", b"Canary", b"198.51.100.77", booking.token.encode()):
        assert canary not in dumped
    assert QUEUE.encode() in dumped


def test_settled_bookings_are_not_looked_at(svc: Services):
    assert sweeping.sweep(svc) == 0
