"""What is killed at every network boundary: one `Flow` each. `test_crash_points.py` says how many boundaries it has.

To add one: write `given` (by direct connections, in the test's process), `run` (through the proxies, in a process of
its own) and `ends`; put it into FLOWS here, and into FLOWS with its number of boundaries there.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from inspired.adapters.mongo.receiving import NodeAddress, Receiving
from inspired.adapters.providers.binance import WebhookHeaders
from inspired.adapters.redis.queue import JobQueue
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.rails import USUAL, RailId
from inspired.domain.booking.refunds import AllOfIt
from inspired.domain.booking.states import State
from inspired.domain.catalogue.meeting_types import get_meeting_type
from inspired.domain.shared.networks import Network
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import (
    chain_watching,
    delivery,
    payment,
    payment_webhooks,
    reconciling,
    refreshing,
    refunding,
)
from inspired.flows.booking.booking import Customer
from inspired.flows.booking.chain_watching import ChainWatch
from inspired.flows.shared import idempotency
from inspired.services import Services
from tests.flows.steps import free_calls, live, pay

if TYPE_CHECKING:
    from tests.faults.crashes import World

Given = dict[str, Any]  # as JSON; `later`: seconds by which the clock of the run is ahead
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Flow:
    """`ends`: the states in which all bookings come to rest, given the names of the boundaries that went through.

    `afterwards` is what people do after the restart; everything else is up to the clock and the worker.
    """

    name: str
    given: Callable[["World"], Given]
    run: Callable[[Services, Given, Say], None]
    ends: Callable[[Sequence[str]], list[State]]
    afterwards: Callable[["World", Given], None] = lambda world, given: None


# --- create ---------------------------------------------------------------------------------------------------------


def _a_filled_form(world: "World") -> Given:
    return {"start": free_calls(world.svc)[0].start.isoformat()}


def _hold(svc: Services, given: Given, rail: RailId = USUAL) -> Booking:
    """As the form's view does it: one booking per form, however often it is sent."""
    # Without reminders: it is at rest once nothing is owed any more.
    meeting_type = replace(get_meeting_type("portfolio-review"), reminders=())
    customer = Customer("ann@example.com", "Ann Example", "203.0.113.7")

    def make(token: str) -> tuple[int, Booking]:
        start = datetime.fromisoformat(given["start"])
        booking = booking_flow.hold_time(
            svc, meeting_type, start, "Europe/Berlin", customer, rail=rail, network="", token=token
        )
        booking = payment.open_held_order(svc, booking, seconds=payment.IN_REQUEST_SECONDS)
        svc.queue.enqueue("refresh", booking.id)
        return 201, booking

    return idempotency.once(svc, key="form:one", body=given, token=svc.new_token(), make=make)[1]


def _held(svc: Services, given: Given, say: Say) -> None:
    _hold(svc, given)
    say("answered")


def _sent_again_and_paid(world: "World", given: Given) -> None:
    """The visitor saw an error and sends the same form again, once the first request is given up for dead."""
    world.pass_time(idempotency.DEAD_AFTER)
    booking = _hold(world.svc, given)
    world.pass_time(timedelta(seconds=20))
    world.pass_time(timedelta(seconds=20))
    pay(world.servers, world.svc.bookings.get(booking.id))


CREATE_AND_LEAVE = Flow(
    "create-and-leave",
    given=_a_filled_form,
    run=_held,
    ends=lambda applied: [State.EXPIRED] if "mongo:insert bookings" in applied else [],
)
CREATE_AND_PAY = Flow(
    "create-again-and-pay",
    given=_a_filled_form,
    run=_held,
    afterwards=_sent_again_and_paid,
    ends=lambda applied: [State.CONFIRMED],
)


# --- mail jobs ------------------------------------------------------------------------------------------------------


class _Recorded:
    """The queue, and which mail jobs it was given."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self.jobs: list[tuple[str, ...]] = []

    def enqueue_mail(self, job: str, *ids: str) -> bool:
        is_enqueued = self._queue.enqueue_mail(job, *ids)
        if is_enqueued and job == "deliver":
            self.jobs.append(ids)
        return is_enqueued

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)


@contextlib.contextmanager
def mail_jobs_done(svc: Services) -> Iterator[Services]:
    """The mail jobs enqueued inside are done afterwards, by the same worker."""
    queue = _Recorded(svc.queue)
    yield replace(svc, queue=queue)  # type: ignore[arg-type]
    for ids in queue.jobs:
        delivery.work(svc, ids)


# --- webhook --------------------------------------------------------------------------------------------------------


def _a_signed_notice(world: "World") -> Given:
    booking = _a_live_booking(world)
    pay(world.servers, booking, notify="now")
    headers, raw = world.notice_of(booking)
    return {
        "booking": booking.id,
        "raw": raw.decode(),
        "headers": {
            "serial": headers["BinancePay-Certificate-SN"],
            "nonce": headers["BinancePay-Nonce"],
            "timestamp": headers["BinancePay-Timestamp"],
            "signature": headers["BinancePay-Signature"],
        },
    }


def _received_and_worked_on(svc: Services, given: Given, say: Say) -> None:
    payment_webhooks.receive(svc, WebhookHeaders(**given["headers"]), given["raw"].encode())
    say("acknowledged")
    with mail_jobs_done(svc) as working:
        for notice_id in svc.logs.due(svc.now(), 1):
            payment_webhooks.work(working, notice_id)


WEBHOOK = Flow(
    "webhook",
    given=_a_signed_notice,
    run=_received_and_worked_on,
    ends=lambda applied: [State.CONFIRMED],
)


# --- the unpaid end -------------------------------------------------------------------------------------------------


def _a_live_booking(world: "World") -> Booking:
    """Its order can be paid, and the mail that says so is sent. Without reminders: how far ahead the next free time is
    depends on the day of the week, and a reminder of days from now would keep it from coming to rest."""
    return refreshing.refresh(world.svc, live(world.svc, reminders=()).id)


def _an_overdue_booking(world: "World") -> Given:
    return {"booking": _a_live_booking(world).id, "later": timedelta(minutes=17).total_seconds()}


def _a_booking_nobody_wants(world: "World") -> Given:
    booking = _a_live_booking(world)
    return {"booking": booking.id, "token": booking.token}


def _given_up(svc: Services, given: Given, say: Say) -> None:
    booking_flow.give_up(svc, given["token"])
    say("answered")
    refreshing.refresh(svc, given["booking"])


def _refreshed(svc: Services, given: Given, say: Say) -> None:
    refreshing.refresh(svc, given["booking"])


def _found_by_the_sweep(svc: Services, given: Given, say: Say) -> None:
    with mail_jobs_done(svc) as working:
        refreshing.update_batch(working, [given["booking"]])


EXPIRY = Flow(
    "expiry",
    given=_an_overdue_booking,
    run=_found_by_the_sweep,
    ends=lambda applied: [State.EXPIRED],
)
GIVE_UP = Flow(
    "give-up",
    given=_a_booking_nobody_wants,
    run=_given_up,
    ends=lambda applied: [State.CANCELLED if "mongo:replace bookings" in applied else State.EXPIRED],
)


# --- money that goes back -------------------------------------------------------------------------------------------


def _a_confirmed_booking(world: "World") -> Booking:
    booking = _a_live_booking(world)
    pay(world.servers, booking)
    return refreshing.refresh(world.svc, booking.id)


def _a_call_that_is_called_off(world: "World") -> Given:
    booking = _a_confirmed_booking(world)
    return {"booking": booking.id}


def _refunded(svc: Services, given: Given, say: Say) -> None:
    refunding.refund(svc, given["booking"], AllOfIt(), cancels=True, note="as agreed", request="one", seen=0)
    say("answered")
    refreshing.refresh(svc, given["booking"])


def _money_after_the_end(world: "World") -> Given:
    """Given up, its time free again; then the money comes after all."""
    booking = _a_live_booking(world)
    booking_flow.give_up(world.svc, booking.token)
    refreshing.refresh(world.svc, booking.id)
    pay(world.servers, booking, force=True)
    return {"booking": booking.id, "later": timedelta(minutes=2).total_seconds()}


def _money_only_binance_knows(world: "World") -> Given:
    booking = _a_live_booking(world)
    pay(world.servers, booking)
    return {"booking": booking.id}


def _reconciled(svc: Services, given: Given, say: Say) -> None:
    reconciling.start(svc)
    while reconciling.turn_page(svc):
        pass


REFUND = Flow(
    "refund",
    given=_a_call_that_is_called_off,
    run=_refunded,
    ends=lambda applied: [State.REFUNDED if "mongo:replace bookings" in applied else State.CONFIRMED],
)
LATE_MONEY = Flow(
    "late-money",
    given=_money_after_the_end,
    run=_refreshed,
    ends=lambda applied: [State.CONFIRMED],
)
RECONCILIATION = Flow(
    "reconciliation",
    given=_money_only_binance_knows,
    run=_reconciled,
    ends=lambda applied: [State.CONFIRMED],
)


# --- USDT on chain ----------------------------------------------------------------------------------------------------


def _through_the_proxy(svc: Services) -> Services:
    """Nodes are asked by the way on which Binance Pay is. This process is thrown away."""
    proxy = svc.settings.binance_pay_base_url
    Receiving.nodes = lambda self, network, now: (  # type: ignore[method-assign]
        NodeAddress(f"{proxy}/chains/{network}/jsonrpc"),
    )
    return svc


def _a_form_that_chooses_tron(world: "World") -> Given:
    world.take_usdt()
    return _a_filled_form(world)


def _held_on_chain(svc: Services, given: Given, say: Say) -> None:
    _hold(_through_the_proxy(svc), given, rail=RailId.TRC20)
    say("answered")


def _sent_again_and_paid_on_chain(world: "World", given: Given) -> None:
    world.pass_time(idempotency.DEAD_AFTER)
    booking = _hold(world.svc, given, rail=RailId.TRC20)
    world.pass_time(timedelta(seconds=20))
    world.pass_time(timedelta(seconds=20))
    _sent(world, world.svc.bookings.get(booking.id))


def _sent(world: "World", booking: Booking) -> None:
    """The price, and it is final."""
    order = booking.order
    assert order is not None
    assert order.checkout is not None
    world.servers.control("chains/TRC20/send", {"to": order.checkout.qr_content, "amount": str(order.amount)})
    world.servers.control("chains/TRC20/finalize", {})


def _an_order_on_tron(world: "World") -> Booking:
    world.take_usdt()
    return refreshing.refresh(world.svc, live(world.svc, reminders=(), rail=RailId.TRC20).id)


def _a_transfer_that_was_noticed(world: "World") -> Given:
    booking = _an_order_on_tron(world)
    _sent(world, booking)
    ChainWatch(world.svc, Network.TRC20).round()
    return {"order": booking.orders[0].trade_no}


def _told_of(svc: Services, given: Given, say: Say) -> None:
    with mail_jobs_done(_through_the_proxy(svc)) as working:
        chain_watching.tell_of(working, given["order"])


def _money_that_nobody_asks_about(world: "World") -> Given:
    """Hours after the end: only the watcher can find it."""
    booking = _an_order_on_tron(world)
    for minutes in (32, 1, 2, 12, 62, 62):
        world.pass_time(timedelta(minutes=minutes))
    assert world.svc.bookings.get(booking.id).state is State.EXPIRED
    assert world.is_at_rest()
    world.mailbox.messages.clear()
    _sent(world, booking)
    return {"booking": booking.id, "later": world.ahead.total_seconds()}


def _watched(svc: Services, given: Given, say: Say) -> None:
    ChainWatch(_through_the_proxy(svc), Network.TRC20).round()


CREATE_ON_CHAIN = Flow(
    "create-on-chain-again-and-pay",
    given=_a_form_that_chooses_tron,
    run=_held_on_chain,
    afterwards=_sent_again_and_paid_on_chain,
    ends=lambda applied: [State.CONFIRMED],
)
TOLD_OF_A_TRANSFER = Flow(
    "told-of-a-transfer",
    given=_a_transfer_that_was_noticed,
    run=_told_of,
    ends=lambda applied: [State.CONFIRMED],
)
WATCHERS_ROUND = Flow(
    "watchers-round",
    given=_money_that_nobody_asks_about,
    run=_watched,
    ends=lambda applied: [State.CONFIRMED],
)


# --- one that is wrong ----------------------------------------------------------------------------------------------


def _acknowledged_too_early(svc: Services, given: Given, say: Say) -> None:
    say("acknowledged")
    payment_webhooks.receive(svc, WebhookHeaders(**given["headers"]), given["raw"].encode())


TOO_EARLY = Flow(
    "acknowledged-too-early",
    given=_a_signed_notice,
    run=_acknowledged_too_early,
    ends=lambda applied: [State.CONFIRMED],
)

ON_CHAIN = (CREATE_ON_CHAIN, TOLD_OF_A_TRANSFER, WATCHERS_ROUND)
ALL = (
    *(CREATE_AND_LEAVE, CREATE_AND_PAY, WEBHOOK, EXPIRY, GIVE_UP, REFUND, LATE_MONEY, RECONCILIATION, TOO_EARLY),
    *ON_CHAIN,
)
FLOWS = {flow.name: flow for flow in ALL}
