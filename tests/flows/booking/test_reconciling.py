"""Reconciliation: every planted difference is found, none is invented, and running twice changes nothing."""

import pytest

from inspired.domain.booking.reconciliation import Kind
from inspired.domain.booking.refunds import PartOfIt
from inspired.domain.booking.states import RefundStatus, State
from inspired.domain.shared.money import Money
from inspired.flows.booking import reconciling, refreshing, refunding
from inspired.services import Services
from tests.conftest import Mailbox
from tests.flows.steps import confirmed, live, pay
from tests.harness import Servers


def run(svc: Services) -> dict[str, int]:
    reconciling.start(svc)
    while reconciling.turn_page(svc):
        pass
    return svc.runs.get(reconciling.NAME).counts


def kinds(svc: Services) -> list[str]:
    return sorted(case.difference.kind for case in svc.cases.waiting())


def test_where_all_agree_nothing_is_found_and_nobody_is_told(svc: Services, sandbox: Servers, mailbox: Mailbox):
    confirmed(svc, sandbox)
    live(svc, call=4, email="bob@example.com")
    mailbox.messages.clear()

    counts = run(svc)

    assert (counts["bookings"], counts["found"]) == (2, 0)
    assert svc.cases.waiting() == []
    assert mailbox.messages == []


def test_a_payment_only_binance_knows_is_taken_up(svc: Services, sandbox: Servers):
    booking = live(svc)
    pay(sandbox, booking)

    counts = run(svc)

    assert (counts["found"], counts["healed"]) == (1, 1)
    assert svc.bookings.get(booking.id).state is State.CONFIRMED
    assert svc.cases.waiting() == []


def test_a_refund_from_the_console_is_found_and_booked(svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)
    sandbox.control(f"orders/{booking.order.trade_no}/refund", {})

    counts = run(svc)
    after = svc.bookings.get(booking.id)

    assert (counts["found"], counts["healed"]) == (1, 1)
    assert [(one.status, one.amount) for one in after.refunds] == [(RefundStatus.EXTERNAL, Money.parse("75"))]
    assert svc.ledger.of(booking.id) == after.ledger


def test_entries_missing_in_the_ledger_are_posted_again(svc: Services, sandbox: Servers, database):
    booking = confirmed(svc, sandbox)
    database["ledger"].delete_many({"owner": booking.id})

    run(svc)

    assert svc.ledger.of(booking.id) == booking.ledger
    assert svc.cases.waiting() == []


@pytest.mark.breaks_books
def test_another_amount_in_our_books_is_a_case_for_the_owner_once(
    svc: Services, sandbox: Servers, database, mailbox: Mailbox
):
    booking = confirmed(svc, sandbox)
    wrong = {"attempts.0.received.amount": "broken"}
    found = database["bookings"].find_one({"_id": booking.id})
    found["attempts"][0]["received"]["amount"] = type(found["attempts"][0]["received"]["amount"])("74")
    database["bookings"].replace_one({"_id": booking.id}, found)
    mailbox.messages.clear()
    assert wrong

    first, second = run(svc), run(svc)

    assert Kind.AMOUNT in kinds(svc)
    assert first["opened"] >= 1
    assert (second["opened"], second["closed"]) == (0, 0)
    assert len([one for one in mailbox.subjects_to("owner@example.com") if one.startswith("Reconciliation")]) == 1


def test_a_difference_that_is_gone_closes_its_case(svc: Services, sandbox: Servers, database):
    booking = confirmed(svc, sandbox)
    right = database["bookings"].find_one({"_id": booking.id})
    wrong = database["bookings"].find_one({"_id": booking.id})
    wrong["attempts"][0]["received"]["amount"] = type(wrong["attempts"][0]["received"]["amount"])("74")
    database["bookings"].replace_one({"_id": booking.id}, wrong)
    run(svc)
    assert svc.cases.waiting()
    database["bookings"].replace_one({"_id": booking.id}, right)

    run(svc)

    assert [case.difference.kind for case in svc.cases.waiting()] == []


def test_a_refund_binance_does_not_know_is_a_case(svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)
    refunding.refund(svc, booking.id, PartOfIt(Money.parse("10")), cancels=False, note="x", request="r", seen=None)
    refreshing.refresh(svc, booking.id)
    sandbox.control("reset", {})

    run(svc)

    assert kinds(svc) == sorted([Kind.MISSING_PAYMENT, Kind.MISSING_REFUND])
