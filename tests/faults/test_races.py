"""Twenty at once, round after round, at everything that must happen once: the slot, the order, the confirmation, the
refund. `RACE_ROUNDS` in the environment chooses another number of rounds (`make soak`: 1,000)."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.refunds import AllOfIt
from inspired.domain.booking.states import State
from inspired.domain.catalogue.meeting_types import get_meeting_type
from inspired.domain.shared.errors import Conflict
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import checking, payment, refreshing, refunding
from inspired.flows.booking.booking import Customer
from inspired.services import Services
from tests.conftest import Mailbox
from tests.flows.steps import free_calls, pay
from tests.harness import Servers

pytestmark = [pytest.mark.slow, pytest.mark.no_cover, pytest.mark.timeout(7200)]
ROUNDS = int(os.environ.get("RACE_ROUNDS", "20"))
THREADS = 20


def at_once(pool: ThreadPoolExecutor, one: Callable[[int], Any]) -> list[Any]:
    """What each of the twenty got; None for who was refused."""

    def tried(number: int) -> Any:
        try:
            return one(number)
        except Conflict:
            return None

    return list(pool.map(tried, range(THREADS)))


def held(svc: Services, pool: ThreadPoolExecutor, call: int) -> list[Booking]:
    span = free_calls(svc)[call]

    def hold(number: int) -> Booking:
        customer = Customer(f"customer-{number}@example.com", "Ann", f"203.0.113.{number}")
        kind = get_meeting_type("portfolio-review")
        return booking_flow.hold_time(svc, kind, span.start, "UTC", customer, network="", token=svc.new_token())

    return [one for one in at_once(pool, hold) if one is not None]


def test_of_twenty_at_once_exactly_one_gets_each_thing(svc: Services, sandbox: Servers, mailbox: Mailbox):
    doubles = []
    with ThreadPoolExecutor(THREADS) as pool:
        for number in range(ROUNDS):
            winners = held(svc, pool, call=number % 5)
            booking = winners[0]
            leased = svc.bookings.get(booking.id)
            at_once(pool, lambda _, leased=leased: payment.open_held_order(svc, leased, seconds=2.0))
            booking = svc.bookings.get(booking.id)
            pay(sandbox, booking)
            at_once(pool, lambda _, booking=booking: refreshing.refresh(svc, booking.id))
            at_once(pool, lambda who, booking=booking: refunded(svc, booking, who))
            at_once(pool, lambda _, booking=booking: refreshing.refresh(svc, booking.id))
            doubles += wrong(svc, sandbox, mailbox, winners, number)

    assert doubles == []
    assert checking.check(svc).found == []


def refunded(svc: Services, booking: Booking, who: int) -> Booking:
    return refunding.refund(svc, booking.id, AllOfIt(), cancels=True, note="x", request=f"{booking.id}{who}", seen=0)


def wrong(svc: Services, sandbox: Servers, mailbox: Mailbox, winners: list[Booking], number: int) -> list[str]:
    booking = svc.bookings.get(winners[0].id)
    orders = [one for one in sandbox.control("orders") if one["merchantTradeNo"].startswith(booking.id)]
    refunds = [one for one in sandbox.control("refunds") if one["merchantTradeNo"].startswith(booking.id)]
    confirmed = sum(event.kind == "confirmed" for event in booking.history)
    ids = [str(one["message-id"]) for one in mailbox.messages]
    counts = {
        "holders": len(winners),
        "orders": len(orders),
        "confirmations": confirmed,
        "refunds": len(refunds),
        "requests": len(booking.refunds),
        "refunded": int(booking.state is State.REFUNDED),
        "times each mail came": max(ids.count(one) for one in ids) if ids else 1,
    }
    found = [f"round {number}: {count} {what}" for what, count in counts.items() if count != 1]
    mailbox.messages.clear()
    return found
