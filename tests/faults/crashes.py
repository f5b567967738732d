"""Killing a flow at one network boundary, starting again, letting time pass, and looking what became of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pymongo
import redis

from inspired.adapters.redis.status_cache import CachedStatus
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.states import Flag, State
from inspired.domain.shared.networks import Network
from inspired.flows.booking import chain_watching, checking, payment_webhooks, refreshing
from inspired.flows.booking.chain_watching import ChainWatch
from inspired.flows.monitoring import sweeping
from inspired.services import Services
from tests.conftest import Mailbox
from tests.faults.crash_flows import Flow, Given
from tests.faults.forking import Ended, Forks
from tests.faults.proxy import Boundaries, Side
from tests.flows.steps import receive_on_chain
from tests.harness import Servers, wait_until
from tests.web.catcher import Catcher

# Seconds, one after the other, until everything has come to rest: leases (15 s, 60 s), the deadline (16 min), the late
# questions (1 h after the end).
HEALING = tuple(timedelta(seconds=one) for one in (0, 5, 11, 45, 60, 180, 660, 30, 60, 600, 3600, 3600, 86_400))
MOST_ROUNDS = 20
KILLED = -9
OPEN = ("INITIAL", "PENDING")
TOLD = (  # who hears of it, and whether a booking has come so far
    ("ann@example.com", "Confirmed", lambda booking: booking.confirmed_at is not None),
    ("owner@example.com", "New call", lambda booking: booking.confirmed_at is not None),
    ("ann@example.com", "Not paid", lambda booking: booking.state is State.EXPIRED),
    ("ann@example.com", "75 USDT has gone back", lambda booking: booking.state is State.REFUNDED),
)


@dataclass
class World:
    """The product's surroundings as the test sees them: past the proxies, and with a clock that only goes forward."""

    servers: Servers
    direct: Services
    mailbox: Mailbox
    catcher: Catcher
    database: pymongo.database.Database[dict[str, Any]]
    ahead: timedelta = timedelta()
    seen_wrong: list[str] = field(default_factory=list)  # while time passed
    takes_usdt: bool = False  # on the stand-in's chains, since a flow wanted it

    @property
    def svc(self) -> Services:
        return replace(self.direct, now=lambda: self.direct.now() + self.ahead)

    def clean(self) -> None:
        self.direct.binance.query("x" * 27)  # else the very first run would bring the throttle's scripts
        known = ("certificates", "idempotency_keys")
        on_chain = ("payment_addresses", "transfers", "transfer_cursors")
        for name in ("bookings", "payment_logs", "ledger", "orphans", "cases", "runs", *known, *on_chain):
            self.database[name].delete_many({})
        with redis.Redis.from_url(self.servers.redis_url) as connection:
            connection.flushdb()
        self.direct.status_cache.publish(
            "nobody", CachedStatus(0, False, b"")
        )  # else the very first run would bring the script
        self.servers.control("reset", {})
        self.mailbox.messages.clear()
        self.catcher.caught.clear()
        self.seen_wrong.clear()
        self.ahead = timedelta()
        self.takes_usdt = False

    def take_usdt(self) -> None:
        """From now on. The test's own process asks the nodes past the proxies."""
        self.takes_usdt = True
        receive_on_chain(self.direct, self.servers)

    def pass_time(self, span: timedelta) -> None:
        """The clock and a worker are there: what is due is looked at, until nothing is."""
        self.ahead += span
        with redis.Redis.from_url(self.servers.redis_url) as connection:
            # Their pauses are of real time, which does not pass here.
            connection.delete("throttle:binance", *(f"throttle:node-{network}" for network in Network))
        svc = self.svc
        if self.takes_usdt:
            self._chains_go_on(span)
        for _ in range(MOST_ROUNDS):
            notice_ids = svc.logs.due(svc.now(), 100)
            booking_ids = svc.bookings.due(svc.now(), 100)
            marked = svc.payment_addresses.marked(svc.now(), 100)
            if not notice_ids and not booking_ids and not marked:
                return
            sweeping.sweep(svc, sweeping.Enqueued())
            for trade_no in marked:
                chain_watching.tell_of(svc, trade_no)
            for notice_id in notice_ids:
                payment_webhooks.work(svc, notice_id)
            for booking_id in booking_ids:
                refreshing.refresh(svc, booking_id)
            self.seen_wrong += two_payable(self.orders())
        self.seen_wrong.append(f"something is due again and again, {self.ahead} after the start")

    def _chains_go_on(self, span: timedelta) -> None:
        """Their clocks follow ours, and the watcher has its round, as one that has just been started."""
        self.servers.control("clock", {"advance_s": span.total_seconds()})
        for network in Network:
            self.servers.control(f"chains/{network}/mine", {"blocks": 1})
            ChainWatch(self.svc, network).round()

    def is_at_rest(self) -> bool:
        """Nothing is due, now or ever."""
        ever, direct = self.svc.now() + timedelta(days=10_000), self.direct
        return not direct.logs.due(ever, 1) and not direct.bookings.due(ever, 1) and not self.marked()

    def marked(self) -> list[str]:
        """Orders of which something is still to be told."""
        return self.direct.payment_addresses.marked(self.svc.now() + timedelta(days=10_000), 10)

    def arrived(self, booking: Booking) -> list[str]:
        """Amounts of USDT that are on chain at the addresses of this booking's orders."""
        ours = {order.checkout.qr_content for order in booking.orders if order.checkout is not None}
        found = [one for network in Network for one in self.servers.control(f"chains/{network}/transfers")]
        return [one["amount"] for one in found if one["to"] in ours]

    def notice_of(self, booking: Booking) -> tuple[Any, bytes]:
        """Headers and body of the signed notice that this booking's order was paid."""
        return wait_until(lambda: next(self._notices_of(booking.id), None), what="the notice", pause=0.005)

    def _notices_of(self, booking_id: str) -> Iterator[tuple[Any, bytes]]:
        for headers, raw in list(self.catcher.caught):
            if booking_id.encode() in raw and b"PAY_SUCCESS" in raw:
                yield headers, raw

    def orders(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.servers.control("orders")
        return found

    def bookings(self) -> list[Booking]:
        return [self.direct.bookings.get(one["_id"]) for one in self.database["bookings"].find({}, {"_id": 1})]


@dataclass(frozen=True)
class Killing:
    """All that is needed to run a flow and cut it. `env`: its settings, whose addresses are those of proxies."""

    world: World
    boundaries: Boundaries
    forks: Forks
    env: dict[str, str]

    def uncut(self, flow: Flow) -> tuple[list[str], list[str]]:
        """The boundaries of a whole run in their order, and what is wrong after it."""
        given = self._given(flow)
        self.boundaries.count()
        ended = self.forks.run(flow.name, self.env, given)
        assert ended.code == 0, self.forks.errors()
        names = list(self.boundaries.names)
        return names, self._healed(flow, given, ended, names)

    def cut(self, flow: Flow, names: Sequence[str], number: int, side: Side) -> list[str]:
        """What is wrong after the run was killed at this boundary and time has passed."""
        given = self._given(flow)
        self.boundaries.cut(number, side, self.forks.kill)
        ended = self.forks.run(flow.name, self.env, given)
        assert ended.code == KILLED, f"ended by itself with {ended.code}\n{self.forks.errors()}"
        assert self.boundaries.names == list(names[:number]), f"others than in the whole run: {self.boundaries.names}"
        applied = names[: number if side is Side.AFTER else number - 1]
        return [
            f"killed {side} {number} {names[number - 1]}: {one}" for one in self._healed(flow, given, ended, applied)
        ]

    def lost(self, flow: Flow, names: Sequence[str], number: int) -> list[str]:
        """What is wrong where only the reply got lost: the process goes on, or gives up with an error of its own."""
        given = self._given(flow)
        self.boundaries.lose_reply(number)
        ended = self.forks.run(flow.name, self.env, given)
        assert ended.code in (0, 1), self.forks.errors()
        assert self.boundaries.names[:number] == list(names[:number]), f"others up to {number}: {self.boundaries.names}"
        wrong = self._healed(flow, given, ended, self.boundaries.names)
        return [f"reply lost of {number} {names[number - 1]}: {one}" for one in wrong]

    def _given(self, flow: Flow) -> Given:
        self.world.clean()
        given = flow.given(self.world)
        self.world.ahead = timedelta(seconds=given.get("later", 0))
        return given

    def _healed(self, flow: Flow, given: Given, ended: Ended, applied: Sequence[str]) -> list[str]:
        self.world.pass_time(timedelta())
        flow.afterwards(self.world, given)
        for span in HEALING:
            if self.world.is_at_rest():
                break
            self.world.pass_time(span)
        return problems(self.world, ended.said, flow.ends(applied))


def problems(world: World, said: Sequence[str], ends: Sequence[State]) -> list[str]:
    """Everything that must not be, once all has come to rest; a sentence each."""
    bookings, orders = world.bookings(), world.orders()
    returned = world.servers.control("refunds")
    found = list(world.seen_wrong) + two_payable(orders)
    found += [f"{name}: {wrong}" for name, _, wrong in checking.check(world.svc).found]
    if sorted(one.state for one in bookings) != sorted(ends):
        found.append(f"ended {[str(one.state) for one in bookings]} instead of {[str(one) for one in ends]}")
    for booking in bookings:
        own = [one for one in orders if one["merchantTradeNo"].startswith(booking.id)]
        arrived = world.arrived(booking) if world.takes_usdt else []
        found += [f"booking {one}" for one in (*_of_money(booking, own, returned, arrived), *_at_rest(world, booking))]
    ids = tuple(one.id for one in bookings)
    strays = [one for one in orders if one["status"] in OPEN and not one["merchantTradeNo"].startswith(ids)]
    found += [f"order {one['merchantTradeNo']} can be paid and belongs to no booking" for one in strays]
    found += [f"something that moved at the address of {one} is still to be told" for one in world.marked()]
    return found + _of_mails(world, bookings) + _of_notices(world, said) + _of_answers(said, bookings)


def two_payable(orders: Sequence[dict[str, Any]]) -> list[str]:
    ids = [one["merchantTradeNo"][:-3] for one in orders if one["status"] in OPEN]
    return [f"booking {one} has {ids.count(one)} orders that can be paid" for one in set(ids) if ids.count(one) > 1]


def _of_money(
    booking: Booking, orders: Sequence[dict[str, Any]], returned: Sequence[dict[str, Any]], arrived: Sequence[str]
) -> Iterator[str]:
    """`arrived`: amounts on chain."""
    paid = [*(one for one in orders if one["paidAmount"] is not None), *arrived]
    still_open = [one["merchantTradeNo"] for one in orders if one["status"] in OPEN]
    if bool(paid) != (booking.state in (State.CONFIRMED, State.REFUNDED)):
        yield f"is {booking.state}, with {len(paid)} paid orders"
    back = [one["amount"] for one in returned if one["merchantTradeNo"].startswith(booking.id)]
    if back != (["75"] if booking.state is State.REFUNDED else []):
        yield f"is {booking.state}, and {back or 'nothing'} went back"
    if still_open:
        yield f"is {booking.state}, and can be paid by {still_open}"
    unknown = {one["merchantTradeNo"] for one in orders} - {one.trade_no for one in booking.orders}
    if unknown:
        yield f"does not know its orders {unknown}"


def _at_rest(world: World, booking: Booking) -> Iterator[str]:
    document = world.database["bookings"].find_one({"_id": booking.id}) or {}
    if booking.outbox:
        yield f"still owes {[item.task.key for item in booking.outbox]}"
    if booking.flags - {Flag.PAID_LATE}:
        yield f"is flagged {sorted(booking.flags)}"
    if booking.check_at is not None:
        yield f"is to be looked at again at {booking.check_at}"
    has_slot = any(claim.startswith("tick:") for claim in document.get("claims", ()))
    if has_slot != (booking.state is State.CONFIRMED):
        yield f"is {booking.state} and {'has' if has_slot else 'has not'} its slot"


def _of_mails(world: World, bookings: Sequence[Booking]) -> list[str]:
    """Each end is told once to whom it concerns. One Message-ID is one mail; as a process is killed once, it was sent
    twice at most."""
    mails = world.mailbox.messages
    found = []
    for to, subject, has_come in TOLD:
        ids = {one["message-id"] for one in mails if one["to"] == to and one["subject"].startswith(subject)}
        due = sum(has_come(one) for one in bookings)
        if len(ids) != due:
            found.append(f"{len(ids)} mails say “{subject}”, and of {due} bookings that is true")
    for mail_id in {one["message-id"] for one in mails}:
        copies = [(one["to"], one["subject"]) for one in mails if one["message-id"] == mail_id]
        if len(copies) > 2 or len(set(copies)) > 1:
            found.append(f"one Message-ID for {copies}")
    return found


def _of_notices(world: World, said: Sequence[str]) -> list[str]:
    stored = list(world.database["payment_logs"].find({"event": "WEBHOOK_RECEIVED"}))
    undone = [f"notice {one['_id']} is still to be worked on" for one in stored if "work_at" in one]
    return undone + (["a notice was acknowledged and is not stored"] if "acknowledged" in said and not stored else [])


def _of_answers(said: Sequence[str], bookings: Sequence[Booking]) -> list[str]:
    return ["somebody was told of a booking that is not there"] if "answered" in said and not bookings else []
