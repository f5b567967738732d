from dataclasses import replace
from datetime import timedelta

import redis

from inspired.adapters.mongo import Notice
from inspired.adapters.queue import BOOKINGS, queues_on
from inspired.flows import refreshing, sweeping
from inspired.services import Services
from tests.flows.steps import hold, live
from tests.harness import Servers


def waiting(sandbox: Servers) -> list[tuple[str, tuple]]:
    with redis.Redis.from_url(sandbox.redis_url) as connection:
        return [(job.func_name, tuple(job.args)) for queue in queues_on(connection) for job in queue.jobs]


def at(svc: Services, **span: float) -> Services:
    return replace(svc, now=lambda: svc.now() + timedelta(**span))


def test_what_is_due_is_rung_for_by_id_and_put_off(svc: Services, sandbox: Servers):
    booking = hold(svc)

    assert sweeping.sweep(at(svc, seconds=20)) == 1
    assert sweeping.sweep(at(svc, seconds=20)) == 0

    assert waiting(sandbox) == [("inspired.jobs.refresh", (booking.id,))]


def test_a_lost_ring_is_rung_again_within_seconds(svc: Services, sandbox: Servers):
    booking = hold(svc)
    sweeping.sweep(at(svc, seconds=20))
    with redis.Redis.from_url(sandbox.redis_url) as connection:
        connection.flushdb()

    sweeping.sweep(at(svc, seconds=40))

    assert waiting(sandbox) == [("inspired.jobs.refresh", (booking.id,))]


def test_nothing_personal_reaches_redis(svc: Services, sandbox: Servers):
    booking = hold(svc, email="canary@example.com", name="Canary Bird", address="198.51.100.77")
    svc.hints.pulse(booking.token, 60)
    sweeping.sweep(at(svc, seconds=20))

    with redis.Redis.from_url(sandbox.redis_url) as connection:
        dumped = b" ".join(key + b" " + (connection.dump(key) or b"") for key in connection.keys("*"))

    for canary in (b"canary", b"Canary", b"198.51.100.77", booking.token.encode()):
        assert canary not in dumped
    assert BOOKINGS.encode() in dumped


def test_a_letter_is_rung_for_once_while_somebody_may_be_at_it(svc: Services, sandbox: Servers, mailbox):
    from inspired.flows import newsletter

    newsletter.subscribe(svc, "ann@example.com")
    for _ in range(3):
        sweeping.sweep(svc)

    rung = [job for job in waiting(sandbox) if job[0] == "inspired.jobs.newsletter_mail"]
    assert len(rung) == 2  # by the form, and once by the clock
    newsletter.send_opt_in(svc, rung[0][1][0])
    newsletter.send_opt_in(svc, rung[0][1][0])
    assert len(mailbox.messages) == 1


def test_a_queue_that_is_not_worked_off_is_not_made_longer(svc: Services, sandbox: Servers):
    booking = hold(svc)
    for _ in range(sweeping.BATCH):
        svc.bell.ring("refresh", "somebody")

    sweeping.sweep(at(svc, seconds=20))

    assert ("inspired.jobs.refresh", (booking.id,)) not in waiting(sandbox)
    assert svc.bookings.due(at(svc, seconds=20).now(), 10) == [booking.id], "it stays due"


def test_letters_that_wait_for_their_turn_do_not_make_the_provider_be_asked_again(svc: Services, sandbox: Servers):
    booking = live(svc)
    refreshing.update_and_ring(svc, booking.id)
    rung = waiting(sandbox)

    sweeping.sweep(at(svc, seconds=5))

    assert ("inspired.jobs.deliver", (booking.id,)) in rung
    assert waiting(sandbox) == rung
    assert sweeping.sweep(at(svc, seconds=20)) == 1


def test_a_notice_whose_ring_was_lost_is_rung_for_and_put_off(svc: Services, sandbox: Servers):
    key = svc.vault.new_key("n1")
    raw = svc.vault.seal(key, "n1", "notice", "{}")
    svc.logs.add_notice(Notice("n1", svc.now(), "PAY", "PAY_SUCCESS", "z" * 27, "", raw, key, "n1", {}, svc.now()))

    sweeping.sweep(svc)
    sweeping.sweep(svc)

    assert waiting(sandbox) == [("inspired.jobs.work_notice", ("n1",))]
    assert svc.logs.due(at(svc, seconds=20).now(), 10) == ["n1"]


def test_settled_bookings_are_not_looked_at(svc: Services):
    assert sweeping.sweep(svc) == 0
