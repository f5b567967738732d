"""Asking Binance about many: each in a job of its own, safe to repeat, seen through whatever is lost."""

from datetime import timedelta

import pytest

from inspired.adapters.mongo.bulk_jobs import BulkJob
from inspired.domain.booking.states import State
from inspired.domain.catalogue.meeting_types import get_meeting_type
from inspired.domain.shared.errors import Conflict, Invalid, NotFound
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import bulk_jobs
from inspired.services import Services
from tests.flows.steps import later, live, pay
from tests.harness import Servers


def test_a_payment_nobody_told_us_of_is_found(svc: Services, sandbox: Servers):
    paid, waiting = live(svc), live(svc, call=1, email="bob@example.com")
    pay(sandbox, paid)

    bulk_job = bulk_jobs.start(svc, [paid, waiting], "somebody")
    for booking_id in bulk_job.left:
        bulk_jobs.work(svc, bulk_job.id, booking_id)

    after = svc.bulk_jobs.get(bulk_job.id)
    assert after.done == {paid.id: "PENDING → CONFIRMED", waiting.id: bulk_jobs.ASKED}
    assert after.left == []
    assert svc.bookings.get(paid.id).state is State.CONFIRMED
    again = bulk_jobs.start(svc, [paid], "somebody")
    bulk_jobs.work(svc, again.id, paid.id)
    assert svc.bulk_jobs.get(again.id).done == {paid.id: bulk_jobs.ASKED}
    assert [(one.what, one.about, one.detail) for one in svc.audit.newest(1, before=2)] == [
        ("asked_about_many", bulk_job.id, "2 bookings")
    ]


def test_done_twice_is_done_once(svc: Services, sandbox: Servers):
    booking = live(svc)
    bulk_job = bulk_jobs.start(svc, [booking], "somebody")
    bulk_jobs.work(svc, bulk_job.id, booking.id)
    asked = len(svc.logs.of_booking(booking.id, 50))

    bulk_jobs.work(svc, bulk_job.id, booking.id)

    assert len(svc.logs.of_booking(booking.id, 50)) == asked


def test_where_binance_does_not_answer_that_is_what_came_of_it(svc: Services, sandbox: Servers):
    booking = live(svc)
    bulk_job = bulk_jobs.start(svc, [booking], "somebody")
    sandbox.control("faults", {"binance": [{"call": "query", "fault": "http_500", "times": 9}]})

    bulk_jobs.work(svc, bulk_job.id, booking.id)

    assert svc.bulk_jobs.get(bulk_job.id).done == {booking.id: bulk_jobs.UNANSWERED}


def test_bookings_without_an_order_are_left_out(svc: Services):
    draft = booking_flow.start_draft(svc, get_meeting_type("deep-dive"))

    assert not bulk_jobs.can_be_asked_about(draft)
    with pytest.raises(Conflict):
        bulk_jobs.start(svc, [draft], "somebody")


def test_a_hundred_at_most(svc: Services, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bulk_jobs, "MOST", 1)

    with pytest.raises(Invalid):
        bulk_jobs.start(svc, [live(svc), live(svc, call=1)], "somebody")


def test_what_was_lost_is_rung_for_again_and_given_up_after_an_hour(svc: Services):
    booking = live(svc)
    bulk_job = bulk_jobs.start(svc, [booking], "somebody")
    soon = later(svc, minutes=3)
    assert [one.id for one in svc.bulk_jobs.due(soon.now(), 9)] == [bulk_job.id]

    bulk_jobs.sweep(soon)
    assert svc.bulk_jobs.due(soon.now(), 9) == []
    assert svc.bulk_jobs.get(bulk_job.id).left == [booking.id]

    bulk_jobs.sweep(later(svc, hours=2))
    assert svc.bulk_jobs.get(bulk_job.id).done == {booking.id: bulk_jobs.UNANSWERED}
    assert svc.bulk_jobs.due(svc.now() + timedelta(days=9), 9) == []


def test_unknown_work_is_not_found(svc: Services):
    with pytest.raises(NotFound):
        svc.bulk_jobs.get("none")


def test_nothing_done_yet_is_all_left(svc: Services):
    assert BulkJob("c", bulk_jobs.ASK, "x", svc.now(), ("a", "b"), {"a": "asked"}).left == ["b"]
