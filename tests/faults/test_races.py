"""Twenty at once, round after round, at everything that must happen once: the slot, the order, the confirmation, the
refund; and on chain the address, what arrived there, and the order for money on another network.
`RACE_ROUNDS` in the environment chooses another number of rounds (`make soak`: 1,000)."""

import contextlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import redis

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.ledger import balances
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.refunds import AllOfIt
from inspired.domain.booking.states import State
from inspired.domain.catalogue.meeting_types import get_meeting_type
from inspired.domain.shared.errors import Busy, Conflict, UpstreamError
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Network
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import chain_watching, checking, payment, refreshing, refunding
from inspired.flows.booking.booking import Customer
from inspired.flows.booking.chain_watching import ChainWatch
from inspired.services import Services
from tests.conftest import Mailbox
from tests.flows.steps import free_calls, live, pay, receive_on_chain
from tests.harness import Servers, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.no_cover, pytest.mark.timeout(7200)]
ROUNDS = int(os.environ.get("RACE_ROUNDS", "20"))
THREADS = 20


@pytest.fixture
def env_changes() -> dict[str, str]:
    return {"ADDRESS_GAP_LIMIT": "100"}


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


# --- USDT on chain ----------------------------------------------------------------------------------------------------


def look_at_once(svc: Services, pool: ThreadPoolExecutor, booking: Booking, network: Network) -> None:
    """Watchers, the jobs of what they noticed, and pages that ask: all of them in the same moment."""
    trade_no = booking.orders[0].trade_no

    def look(number: int) -> None:
        with contextlib.suppress(Busy, UpstreamError):
            match number % 4:
                case 0:
                    ChainWatch(svc, network).round()
                case 1:
                    refreshing.ask(svc, svc.bookings.get(booking.id))
                case _:
                    chain_watching.tell_of(svc, trade_no)

    at_once(pool, look)


def settled_down(svc: Services, booking: Booking, network: Network) -> Booking:
    """The watcher has one more round, and marks that are left are worked on, as the sweep does it. The node's budget
    may be used up for a moment."""

    def watch() -> bool:
        try:
            ChainWatch(svc, network).round()
        except UpstreamError:
            return False
        return True

    def work() -> bool:
        marked = svc.payment_addresses.marked(svc.now() + timedelta(hours=1), 10)
        for trade_no in marked:
            chain_watching.tell_of(svc, trade_no)
        return not marked

    wait_until(watch, what="a round", pause=0.05)
    wait_until(work, what="the end of all marks", pause=0.05)
    return refreshing.refresh(svc, booking.id)


@pytest.mark.parametrize(("asked", "sent_on"), [("TRC20", "TRC20"), ("BEP20", "ERC20")])
def test_of_twenty_who_look_at_a_payment_on_chain_it_is_counted_once(
    svc: Services, sandbox: Servers, mailbox: Mailbox, asked: str, sent_on: str
):
    receive_on_chain(svc, sandbox)
    doubles, network = [], Network(sent_on)
    with ThreadPoolExecutor(THREADS) as pool:
        for number in range(ROUNDS):
            with redis.Redis.from_url(sandbox.redis_url) as connection:
                connection.delete(*(f"throttle:node-{one}" for one in Network))  # so much is not asked in a second
            booking = live(svc, call=number % 5, rail=RailId(asked), reminders=())
            ChainWatch(svc, network).round()
            where = {"to": booking.orders[0].checkout.qr_content, "amount": "75"}
            sandbox.control(f"chains/{sent_on}/send", where)
            look_at_once(svc, pool, booking, network)
            sandbox.control(f"chains/{sent_on}/finalize", {})
            look_at_once(svc, pool, booking, network)
            after = settled_down(svc, booking, network)
            doubles += wrong_on_chain(svc, mailbox, after, network, number)
            refunded(svc, after, 0)  # its time is free again

    assert doubles == []
    assert checking.check(svc).found == []


def wrong_on_chain(svc: Services, mailbox: Mailbox, booking: Booking, network: Network, number: int) -> list[str]:
    held = balances(booking.ledger).get((network.lower(), "USDT"))
    ids = [str(one["message-id"]) for one in mailbox.messages]
    given = svc.payment_addresses.find(booking.orders[0].trade_no)
    assert given is not None
    counts = {
        "confirmations": sum(event.kind == "confirmed" for event in booking.history),
        "orders with money": sum(order.has_money for order in booking.orders),
        "orders on the network of the money": sum(order.rail == str(network) for order in booking.orders),
        "transfers stored": len(svc.transfers.final_of(given.address, network, 10**12)),
        "times the price in the books": 1 if held == Money.parse("75") else 0,
        "times each mail came": max(ids.count(one) for one in ids) if ids else 1,
    }
    mailbox.messages.clear()
    marked = svc.payment_addresses.marked(svc.now() + timedelta(hours=1), 10)
    return [
        *(f"round {number}: {count} {what}" for what, count in counts.items() if count != 1),
        *(f"round {number}: {one} is still to be told of" for one in marked),
    ]


def test_twenty_who_ask_for_the_address_of_an_order_get_the_same_and_twenty_orders_get_twenty(
    svc: Services, sandbox: Servers
):
    receive_on_chain(svc, sandbox)
    rail = svc.rails[RailId.TRC20]

    def address_of(trade_no: str) -> str:
        return rail.create(
            trade_no=trade_no,
            price=Money.parse("75"),
            title="",
            reference="",
            expires_at=svc.now(),
            page_url="",
            seconds=5.0,
        ).qr_content

    with ThreadPoolExecutor(THREADS) as pool:
        of_one = at_once(pool, lambda _: address_of("a" * 24 + "001"))
        of_many = at_once(pool, lambda number: address_of(f"{number:024d}001"))

    assert len(set(of_one)) == 1
    assert len(set(of_many)) == THREADS
    assert not {*of_one} & {*of_many}
