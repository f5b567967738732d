"""A payment on chain: how soon the open page tells of it, what it has the database write, and what it costs the
processor beside one by Binance Pay, in the same run.

Blocks come at the pace of the real networks where times are taken, so that a payment is final when the sandbox's
`finalize` says so and not by itself before. "Open page" is a client that asks for the page's fragment as the page does.
"""

import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch

import requests
from pymongo import monitoring

from bench.findings import Findings, percentile, table
from bench.goals import number
from bench.product import Product, started
from bench.run import Run
from inspired import services
from inspired.domain.booking.rails import RailId
from inspired.domain.shared.networks import Network
from inspired.flows.booking import chain_watching
from inspired.flows.booking.chain_watching import ChainWatch
from inspired.settings import Settings
from tests import harness
from tests.flows.steps import live, receive_on_chain

PAGES = 8  # open at once
POLL_SECONDS = 2.0  # as in templates/booking/_payment.html
NETWORKS = (Network.TRC20, Network.ERC20)  # final after some 54 s and 13 minutes, if nobody helps
MOST_SECONDS = 60.0
COSTED = 30  # bookings of a batch
PAID_EVERY = 0.3  # seconds
WINDOW = 30.0  # seconds in which each batch is made, paid and confirmed
TICKS = os.sysconf("SC_CLK_TCK")
PARTS = ("web", "worker", "clock", "watcher", "mongodb", "redis")
WRITES = {"insert": "documents", "update": "updates", "delete": "deletes", "findAndModify": ""}
STAGE = re.compile(r'data-stage="(\w+)"')
NEXT = re.compile(r'hx-get="([^"]+)"')


def measure(run: Run) -> Findings:
    found = Findings()
    with started() as product:
        _times(run, product, found)
    with started() as product:
        _processor(run, product, found)
    _writes(found)
    return found


# --- the open page ----------------------------------------------------------------------------------------------------


class OpenPage(threading.Thread):
    """Asks every two seconds, by its own clock, and notes when it was first shown each stage."""

    def __init__(self, web: str, token: str) -> None:
        super().__init__(daemon=True)
        self._web, self._address = web, f"/booking/{token}/payment"
        self._stop = threading.Event()
        self.shown: dict[str, float] = {}

    def run(self) -> None:
        due = time.monotonic() + random.uniform(0, POLL_SECONDS)
        with requests.Session() as http:
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                due += POLL_SECONDS
                answer = http.get(self._web + self._address, headers={"HX-Request": "true"}, timeout=10)
                if answer.status_code == 200:
                    self._swapped(answer.text)

    def _swapped(self, fragment: str) -> None:
        if stage := STAGE.search(fragment):
            self.shown.setdefault(stage[1], time.time())
        if following := NEXT.search(fragment):
            self._address = following[1].replace("&amp;", "&")
        else:
            self._stop.set()  # the page asks no more

    def told_at(self, stage: str) -> float:
        return float(
            harness.wait_until(lambda: self.shown.get(stage), seconds=MOST_SECONDS, what=f"{stage} on the page")
        )

    def close(self) -> None:
        self._stop.set()


def _times(run: Run, product: Product, found: Findings) -> None:
    product.dev.control("settings", {f"{network.lower()}_speed_up": 1 for network in Network})
    seen: dict[Network, list[float]] = {network: [] for network in NETWORKS}
    confirmed: dict[Network, list[float]] = {network: [] for network in NETWORKS}
    for _ in range(run.rounds):
        for network in NETWORKS:
            for one, other in _paid_on_open_pages(product, network, run.some(PAGES)):
                seen[network].append(one)
                confirmed[network].append(other)
    for goal, by_network in (("chain-seen", seen), ("chain-confirmed", confirmed)):
        times = [one for those in by_network.values() for one in those]
        found.add(goal, [percentile(times, 0.95)], f"{len(times)} payments")
    rows = [
        [str(network), what, str(len(times)), *(number(percentile(times, share)) for share in (0.5, 0.95, 1))]
        for what, by_network in (("in a block to “seen”", seen), ("final to “confirmed”", confirmed))
        for network, times in by_network.items()
    ]
    found.details += table(["network", "from", "payments", "p50 s", "p95 s", "slowest s"], rows)


def _paid_on_open_pages(product: Product, network: Network, count: int) -> list[tuple[float, float]]:
    bookings = [product.book(method="onchain", network=str(network))[0] for _ in range(count)]
    pages = [OpenPage(product.dev.web, booking["bookingId"]) for booking in bookings]
    for page in pages:
        page.start()
    taken = []
    for booking, page in zip(bookings, pages, strict=True):
        time.sleep(random.uniform(0, POLL_SECONDS))  # at any point of the page's and the watcher's rounds
        _send(product, booking)
        in_block = time.time()
        is_seen = page.told_at("paid")
        time.sleep(random.uniform(0, POLL_SECONDS))
        product.dev.control(f"chains/{network}/finalize", {})
        final = time.time()
        taken.append((is_seen - in_block, page.told_at("confirmed") - final))
    for page in pages:
        page.close()
    return taken


def _send(product: Product, booking: Mapping[str, Any]) -> None:
    body = {"to": booking["paymentAddress"], "amount": str(booking["amount"])}
    product.dev.control(f"chains/{booking['network']}/send", body)


# --- the processor ----------------------------------------------------------------------------------------------------


def _processor(run: Run, product: Product, found: Findings) -> None:
    """Batches in turn, of the same length and pace, each in a window of the same length: what the product does anyway
    is taken off both."""
    count = run.some(COSTED)
    _batch(product, 2, "onchain")  # so that the watcher has something to watch, and all is loaded
    _batch(product, 2, "binance_pay")
    spent: dict[str, list[dict[str, float]]] = {"idle": [], "onchain": [], "binance_pay": []}
    for _ in range(run.rounds):
        spent["idle"].append(_spent(product, lambda: None))
        for method in ("onchain", "binance_pay"):
            spent[method].append(_spent(product, lambda method=method: _batch(product, count, method)))  # type: ignore[misc]
    ratios = [
        (sum(chain.values()) - sum(idle.values())) / (sum(binance.values()) - sum(idle.values()))
        for chain, binance, idle in zip(spent["onchain"], spent["binance_pay"], spent["idle"], strict=True)
    ]
    found.add("chain-processor", ratios, f"{count} bookings each in {WINDOW:.0f} s")
    rows = []
    for method in ("onchain", "binance_pay"):
        nets = {part: _net(spent, method, part) / count for part in PARTS}
        rows.append([method, number(sum(nets.values())), *map(number, nets.values())])
    idle = [1000 * sum(one[part] for one in spent["idle"]) / len(spent["idle"]) / WINDOW for part in PARTS]
    rows.append(["idle, ms a second", number(sum(idle)), *map(number, idle)])
    found.details += ["", "Processor ms per confirmed booking, from `create` on, without what is spent idly:", ""]
    found.details += table(["", "all", *PARTS], rows)


def _net(spent: Mapping[str, list[dict[str, float]]], method: str, part: str) -> float:
    """In ms, of a batch."""
    pairs = zip(spent[method], spent["idle"], strict=True)
    return 1000 * sum(one[part] - idle[part] for one, idle in pairs) / len(spent[method])


def _spent(product: Product, work: Callable[[], None]) -> dict[str, float]:
    """Processor seconds of each part, in a window that begins with this work."""
    ends, before = time.monotonic() + WINDOW, _processor_seconds(product)
    work()
    if time.monotonic() > ends:
        raise SystemExit(f"A batch took more than {WINDOW:.0f} s: this machine is too busy to measure it.")
    time.sleep(ends - time.monotonic())
    return {part: after - before[part] for part, after in _processor_seconds(product).items()}


def _batch(product: Product, count: int, method: str) -> None:
    """Made and paid one after the other, then waited for."""
    more = {"method": method, **({"network": "TRC20"} if method == "onchain" else {})}
    bookings = []
    for _ in range(count):
        due = time.monotonic() + PAID_EVERY
        bookings.append(product.book(**more)[0])
        _send(product, bookings[-1]) if method == "onchain" else product.dev.pay(bookings[-1])
        time.sleep(max(0.0, due - time.monotonic()))
    harness.wait_until(lambda: product.confirmed(bookings) == count, seconds=60, what="all confirmed", pause=0.5)


def _processor_seconds(product: Product) -> dict[str, float]:
    pids, found = product.dev.ready["pids"], {}
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(entry)):
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    for part in PARTS:
        family = [int(pids[part])]
        for pid in family:
            family += parents.get(pid, [])
        ticks = [int(fields[11]) + int(fields[12]) for pid in family if (fields := _stat(Path(f"/proc/{pid}")))]
        found[part] = sum(ticks) / TICKS
    return found


def _stat(entry: Path) -> list[str]:
    """What follows the command's name; nothing if it has just ended."""
    try:
        return (entry / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


# --- what is written --------------------------------------------------------------------------------------------------


@dataclass
class Written(monitoring.CommandListener):
    """Counts the documents that are written, by collection, as the driver sends them."""

    counts: dict[str, int] = field(default_factory=dict)

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in WRITES:
            several = event.command.get(WRITES[event.command_name], [None])
            name = str(event.command[event.command_name])
            self.counts[name] = self.counts.get(name, 0) + len(several)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass

    def since(self) -> dict[str, int]:
        """What was written since this was asked last."""
        counts, self.counts = self.counts, {}
        return counts

    @classmethod
    @contextmanager
    def listening(cls) -> Iterator[Self]:
        """For clients that are made within."""
        listener, all_ = cls(), monitoring._LISTENERS.command_listeners
        monitoring.register(listener)
        try:
            yield listener
        finally:
            all_.remove(listener)


def _writes(found: Findings) -> None:
    """One payment on TRON, step by step, in this process: exact, so once is enough."""
    with (
        Written.listening() as written,
        harness.mongodb() as uri,
        harness.redis_server() as redis_url,
        harness.sandbox_server() as sandbox,
    ):
        steps = _written_by(written, harness.Servers(uri, redis_url, sandbox))
    watcher = [sum(counts.values()) for what, counts in steps.items() if what.startswith("watcher")]
    found.add("chain-writes", [max(watcher)], "by the watcher, each of the two times that it tells of the transfer")
    collections = sorted({name for counts in steps.values() for name in counts})
    rows = [
        [what, *(str(counts.get(name, 0)) for name in collections), str(sum(counts.values()))]
        for what, counts in steps.items()
    ]
    found.details += ["", "Documents written for one payment on TRON, by collection:", ""]
    found.details += table(["", *collections, "all"], rows)


def _written_by(written: Written, servers: harness.Servers) -> dict[str, dict[str, int]]:
    with patch.dict(os.environ, servers.settings_env(MONGODB_DATABASE="bench-writes")):
        svc = services.build(Settings(), database_seconds=30.0, redis_seconds=5.0)
    try:
        receive_on_chain(svc, servers)
        servers.control("settings", {f"{network.lower()}_speed_up": 0 for network in Network})
        booking = live(svc, rail=RailId.TRC20)
        order = booking.order
        if order is None or order.checkout is None:
            raise SystemExit("No order was made.")
        watch, steps = ChainWatch(svc, Network.TRC20), dict[str, dict[str, int]]()

        def step(what: str, work: Callable[[], object]) -> None:
            written.since()
            work()
            steps[what] = written.since()

        watch.round()
        servers.control("chains/TRC20/send", {"to": order.checkout.qr_content, "amount": str(order.amount)})
        step("watcher, in a block", watch.round)
        step("job, in a block", lambda: chain_watching.tell_of(svc, order.trade_no))
        servers.control("chains/TRC20/finalize", {})
        step("watcher, final", watch.round)
        step("job, final", lambda: chain_watching.tell_of(svc, order.trade_no))
        return steps
    finally:
        svc.close()
