"""`inspired check`: clean after whatever a booking went through, and it tells what somebody broke."""

import pytest

from inspired.domain.booking.invariants import INVARIANTS
from inspired.domain.booking.refunds import AllOfIt
from inspired.flows.booking import checking, refreshing, refunding
from inspired.services import Services
from tests.flows.steps import confirmed, later, live
from tests.harness import Servers


def test_bookings_of_every_fate_leave_everything_as_it_must_be(svc: Services, sandbox: Servers):
    kept = confirmed(svc, sandbox)
    gone = confirmed(svc, sandbox, call=4, email="bob@example.com")
    refunding.refund(svc, gone.id, AllOfIt(), cancels=True, note="x", request="r", seen=None)
    refreshing.refresh(svc, gone.id)
    unpaid = live(svc, call=8, email="eve@example.com")
    refreshing.refresh(later(svc, minutes=17), unpaid.id)

    report = checking.check(svc)

    assert report.found == []
    assert report.looked_at["confirmed_once"] == 3
    assert report.looked_at["one_slot"] == 1
    assert kept.id


@pytest.mark.parametrize(
    ("change", "invariant"),
    [
        ({"$set": {"state": "PENDING"}}, "history_agrees"),
        ({"$set": {"earned": None}}, "confirmed_paid"),
        ({"$set": {"ledger": []}}, "books_balance"),
        ({"$push": {"history": {"at": None, "what": "confirmed", "detail": ""}}}, "confirmed_once"),
    ],
)
@pytest.mark.breaks_books
def test_what_somebody_broke_is_told(svc: Services, sandbox: Servers, database, change, invariant):
    booking = confirmed(svc, sandbox)
    if "$push" in change:
        change = {"$push": {"history": {"at": svc.now(), "what": "confirmed", "detail": ""}}}
    database["bookings"].update_one({"_id": booking.id}, change)

    report = checking.check(svc)

    assert (invariant, booking.id) in [(name, whose) for name, whose, _ in report.found]


@pytest.mark.breaks_books
def test_in_production_what_is_broken_is_written_down_for_the_alert(svc: Services, sandbox: Servers, database):
    booking = confirmed(svc, sandbox)
    database["bookings"].update_one({"_id": booking.id}, {"$set": {"earned": None}})

    checking.start(svc)
    while checking.turn_page(svc):
        pass

    beat = svc.heartbeats.all()["check"]
    assert not beat.is_well
    assert f"{INVARIANTS['confirmed_paid']} Broken: 1." in beat.detail
    assert svc.runs.get(checking.NAME).counts["confirmed_paid"] == 1
