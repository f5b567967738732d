import contextlib
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import redis

from inspired.adapters.mongo.payment_logs import Webhook
from inspired.adapters.redis.queue import BOOKINGS, queues_on
from inspired.domain.booking.states import State
from inspired.flows.booking import refreshing
from inspired.flows.monitoring import sweeping
from inspired.services import Services
from tests.flows.steps import hold, live, pay
from tests.harness import Servers


def waiting(sandbox: Servers) -> list[tuple[str, tuple]]:
    with redis.Redis.from_url(sandbox.redis_url) as connection:
        return [(job.func_name, tuple(job.args)) for queue in queues_on(connection) for job in queue.jobs]


def at(svc: Services, **span: float) -> Services:
    return replace(svc, now=lambda: svc.now() + timedelta(**span))


def test_what_is_due_is_rung_for_by_id_and_put_off(svc: Services, sandbox: Servers):
    booking = hold(svc)

    enqueued = sweeping.Enqueued()
    assert sweeping.sweep(at(svc, seconds=20), enqueued) == 1
    assert sweeping.sweep(at(svc, seconds=20), enqueued) == 0

    assert waiting(sandbox) == [("inspired.jobs.refresh_batch", (booking.id,))]


def test_a_lost_ring_is_rung_again_within_seconds(svc: Services, sandbox: Servers):
    booking = hold(svc)
    enqueued = sweeping.Enqueued()
    sweeping.sweep(at(svc, seconds=20), enqueued)
    with redis.Redis.from_url(sandbox.redis_url) as connection:
        connection.flushdb()

    sweeping.sweep(at(svc, seconds=30), enqueued)
    assert waiting(sandbox) == []
    sweeping.sweep(at(svc, seconds=40), enqueued)

    assert waiting(sandbox) == [("inspired.jobs.refresh_batch", (booking.id,))]


def test_a_clock_that_has_just_started_enqueues_once_more(svc: Services, sandbox: Servers):
    booking = hold(svc)

    for _ in range(2):
        sweeping.sweep(at(svc, seconds=20), sweeping.Enqueued())

    assert waiting(sandbox) == [("inspired.jobs.refresh_batch", (booking.id,))] * 2


def test_bookings_that_fail_do_not_keep_others_from_being_found(svc: Services, sandbox: Servers, monkeypatch):
    monkeypatch.setattr(sweeping, "FOUND_AT_ONCE", 1)
    monkeypatch.setattr(sweeping, "TOGETHER", 1)
    failing, other = hold(svc), hold(svc, call=2)
    later = at(svc, seconds=20)
    broken = replace(later, rails={})  # type: ignore[arg-type]

    refreshing.update_batch(broken, [failing.id])

    assert later.bookings.due(later.now(), 10) == [other.id]


def test_nothing_personal_reaches_redis(svc: Services, sandbox: Servers):
    booking = hold(svc, email="canary@example.com", name="Canary Bird", address="198.51.100.77")
    svc.status_cache.pulse(booking.token, 60)
    sweeping.sweep(at(svc, seconds=20), sweeping.Enqueued())

    with redis.Redis.from_url(sandbox.redis_url) as connection:
        dumped = b" ".join(key + b" " + (connection.dump(key) or b"") for key in connection.keys("*"))

    for canary in (b"canary", b"Canary", b"198.51.100.77", booking.token.encode()):
        assert canary not in dumped
    assert BOOKINGS.encode() in dumped


def test_a_letter_is_rung_for_once_while_somebody_may_be_at_it(svc: Services, sandbox: Servers, mailbox):
    from inspired.flows.site import newsletter

    newsletter.subscribe(svc, "ann@example.com")
    for _ in range(3):
        sweeping.sweep(svc, sweeping.Enqueued())

    rung = [job for job in waiting(sandbox) if job[0] == "inspired.jobs.newsletter_mail"]
    assert len(rung) == 2  # by the form, and once by the clock
    newsletter.send_opt_in(svc, rung[0][1][0])
    newsletter.send_opt_in(svc, rung[0][1][0])
    assert len(mailbox.messages) == 1


def test_a_queue_that_is_not_worked_off_is_not_made_longer(svc: Services, sandbox: Servers):
    booking = hold(svc)
    for _ in range(sweeping.MOST_JOBS):
        svc.queue.enqueue("refresh", "somebody")

    sweeping.sweep(at(svc, seconds=20), sweeping.Enqueued())

    assert ("inspired.jobs.refresh_batch", (booking.id,)) not in waiting(sandbox)
    assert svc.bookings.due(at(svc, seconds=20).now(), 10) == [booking.id], "it stays due"


def test_letters_that_wait_for_their_turn_do_not_make_the_provider_be_asked_again(svc: Services, sandbox: Servers):
    booking = live(svc)
    refreshing.update_and_enqueue(svc, booking.id)
    rung = waiting(sandbox)

    sweeping.sweep(at(svc, seconds=25), sweeping.Enqueued())

    assert [ids[1:] for job, ids in rung if job == "inspired.jobs.deliver"] == [(booking.id,)]
    assert waiting(sandbox) == rung
    assert sweeping.sweep(at(svc, seconds=46), sweeping.Enqueued()) == 1


def test_letters_wait_the_longer_the_more_wait_before_them(svc: Services):
    first, second = live(svc), live(svc, call=1)
    refreshing.update_and_enqueue(svc, first.id)
    for _ in range(100):
        svc.queue.enqueue_mail("deliver", "somebody")
    refreshing.update_and_enqueue(svc, second.id)

    assert timedelta(seconds=40) < leased_for(svc, first.id) < timedelta(seconds=50)
    assert leased_for(svc, second.id) > timedelta(seconds=100)


def leased_for(svc: Services, booking_id: str) -> timedelta:
    [mail] = svc.bookings.get(booking_id).outbox
    return mail.due - svc.now()


def test_letters_never_wait_for_long_where_their_rings_are_lost(svc: Services, monkeypatch):
    monkeypatch.setattr(refreshing, "A_LETTER_TAKES", timedelta(hours=1))
    booking = live(svc)
    svc.queue.enqueue_mail("deliver", "somebody")

    refreshing.update_and_enqueue(svc, booking.id)

    assert timedelta(seconds=140) < leased_for(svc, booking.id) <= timedelta(seconds=150)


def test_bookings_due_together_are_rung_for_together_and_no_more_than_can_be_worked_off(
    svc: Services, sandbox: Servers, monkeypatch
):
    monkeypatch.setattr(sweeping, "TOGETHER", 2)
    monkeypatch.setattr(sweeping, "MOST_JOBS", 2)
    bookings = [hold(svc, call=call) for call in range(0, 10, 2)]

    rung = sweeping.sweep(at(svc, seconds=20), sweeping.Enqueued())

    [first, second] = [ids for job, ids in waiting(sandbox) if job == "inspired.jobs.refresh_batch"]
    assert (rung, len(first), len(second)) == (4, 2, 2)
    assert len({*first, *second}) == 4
    assert {*first, *second} < {booking.id for booking in bookings}


def test_a_queue_is_filled_again_when_half_of_it_is_worked_off(svc: Services, sandbox: Servers):
    booking = hold(svc)
    for _ in range(sweeping.MOST_JOBS // 2):
        svc.queue.enqueue("refresh", "somebody")

    sweeping.sweep(at(svc, seconds=20), sweeping.Enqueued())

    assert ("inspired.jobs.refresh_batch", (booking.id,)) in waiting(sandbox)


def test_a_batch_is_worked_off_and_one_that_fails_stops_none_of_the_others(svc: Services, sandbox: Servers):
    bookings = [live(svc, call=call) for call in range(0, 6, 2)]
    for booking in bookings:
        pay(sandbox, booking)

    refreshing.update_batch(svc, [bookings[0].id, "nobody", bookings[1].id, bookings[2].id])

    assert [svc.bookings.get(booking.id).state for booking in bookings] == [State.CONFIRMED] * 3
    letters = [ids for job, ids in waiting(sandbox) if job == "inspired.jobs.deliver"]
    assert [sorted(ids) for _, *ids in letters] == [sorted(booking.id for booking in bookings)]
    assert svc.bookings.due(at(svc, seconds=5).now(), 10) == []


def test_a_batch_whose_time_is_over_begins_nothing_new(svc: Services):
    """As RQ does it: the time-out is an exception in the thread that waits, wherever it is."""
    begun = []

    def late() -> datetime:
        begun.append(1)
        time.sleep(0.2)
        return datetime.now(UTC)

    bookings = [hold(svc, call=call) for call in range(0, 4, 2)]
    slow = replace(svc, now=late)

    with pytest.raises(TimeoutError), time_over_after(0.1):
        refreshing.update_batch(slow, [booking.id for booking in bookings] * 50)

    asked = len(bookings) * 50
    assert 0 < len(begun) < asked, "each look reads the clock more than once"


@contextlib.contextmanager
def time_over_after(seconds: float) -> Iterator[None]:
    def over(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_notice_whose_ring_was_lost_is_rung_for_and_put_off(svc: Services, sandbox: Servers):
    key = svc.vault.new_key("n1")
    raw = svc.vault.seal(key, "n1", "notice", "{}")
    svc.logs.add_webhook(Webhook("n1", svc.now(), "PAY", "PAY_SUCCESS", "z" * 27, "", raw, key, "n1", {}, svc.now()))

    sweeping.sweep(svc, sweeping.Enqueued())
    sweeping.sweep(svc, sweeping.Enqueued())

    assert waiting(sandbox) == [("inspired.jobs.work_webhook", ("n1",))]
    assert svc.logs.due(at(svc, seconds=20).now(), 10) == ["n1"]


def test_notices_that_were_rung_for_and_wait_for_a_worker_are_not_rung_for_again(svc: Services, sandbox: Servers):
    key = svc.vault.new_key("n1")
    raw = svc.vault.seal(key, "n1", "notice", "{}")
    svc.logs.add_webhook(Webhook("n1", svc.now(), "PAY", "PAY_SUCCESS", "z" * 27, "", raw, key, "n1", {}, svc.now()))
    for _ in range(sweeping.BATCH):
        svc.queue.enqueue_webhook("work_webhook", "another")

    sweeping.sweep(at(svc, seconds=20), sweeping.Enqueued())

    assert ("inspired.jobs.work_webhook", ("n1",)) not in waiting(sandbox)
    assert svc.logs.due(at(svc, seconds=20).now(), 10) == ["n1"]


def test_settled_bookings_are_not_looked_at(svc: Services):
    assert sweeping.sweep(svc, sweeping.Enqueued()) == 0
