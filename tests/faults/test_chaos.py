"""Chaos: real processes, customers of every kind, a seeded schedule of three to eight faults; then everything heals.

One schedule in `make test`; `CHAOS_SCHEDULES` and `CHAOS_SEED` in the environment choose others (`make soak`: 100). The
timing of processes is not repeatable, the schedule is: the seed stands in every failure.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pymongo
import pytest
import redis
import requests

from inspired.adapters.mongo.bookings import Bookings
from inspired.adapters.mongo.ledger_store import Ledger
from inspired.adapters.mongo.payment_logs import PaymentLogs
from inspired.adapters.mongo.spellings import task_in
from inspired.domain.booking.lifecycle import is_reminder
from inspired.flows.booking import checking
from tests.harness import wait_until
from tests.journeys.running import AS_SOLD, Running, running

SCHEDULES = int(os.environ.get("CHAOS_SCHEDULES", "1"))
SEED = int(os.environ.get("CHAOS_SEED", "20261124"))
CUSTOMERS = 20
WRONG_CLOCK = Path(__file__).parent / "wrong_clock"
DISK_MB = 512
OURS = ("web", "worker", "clock", "watcher")
FINAL = ("CONFIRMED", "EXPIRED", "CANCELLED", "REFUNDED")
PATIENCE = 120  # seconds after the healing; the time to pay is in it
AHEAD = 600  # what was put off by a clock that was so far ahead waits so much longer
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Running]:
    """One for each schedule: what a failed one leaves behind must not fail those after it."""
    _clock_file(tmp_path).write_text("0")
    env = {**AS_SOLD, "PYTHONPATH": str(WRONG_CLOCK), "CLOCK_OFF": str(_clock_file(tmp_path))}
    with (
        _small_disk(tmp_path / "mongodb"),
        running(tmp_path, CALENDAR="builtin", PAYMENT_EXPIRY_MINUTES="0.4", **env) as one,
    ):
        yield one


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    """A disk of its own for the database, so that it can be filled, where we may mount one (as root on Linux)."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "chaos", str(folder)]
    mounted = sys.platform == "linux" and subprocess.run(mount, check=False, stderr=subprocess.DEVNULL).returncode == 0
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


def _clock_file(data: Path) -> Path:
    return data / "clock-off"


# --- customers ------------------------------------------------------------------------------------------------------

FATES: tuple[dict[str, Any] | None, ...] = (
    {},
    {},
    {"notify": "twice"},
    {"notify": "lost"},
    {"notify": "late", "delay_s": 6},
    {"amount": "50.5"},
    {"amount": "49"},
    {"notify": "forged"},
    {"notify": "altered"},
    None,  # leaves
)


@dataclass
class Chaos:
    dev: Running
    chance: random.Random
    made: list[dict[str, Any]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def customer(self, number: int) -> None:
        """Books, and does with the payment what its fate is. Whatever fails on the way is no news: it is chaos."""
        fate = self.chance.choice(FATES)
        with contextlib.suppress(AssertionError, IndexError, KeyError, requests.RequestException):
            booking = self.dev.create(slot=self.chance.randrange(40), customerEmail=f"c{number}@example.com")
            self.made.append(booking)
            if fate is not None and booking["merchantTradeNo"]:
                self.dev.pay(booking, **fate)
                self.log.append(f"customer {number}: {fate}")

    def fault(self) -> None:
        name, what = self.chance.choice(FAULTS)
        self.log.append(name)
        with contextlib.suppress(requests.RequestException, redis.RedisError, ProcessLookupError):
            what(self)

    def heal(self) -> None:
        filler(self.dev).unlink(missing_ok=True)
        self.set_clocks(0)
        for pid in self.dev.ready["pids"].values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGCONT)
        url = f"{self.dev.ready['sandbox']}/control/faults"
        wait_until(lambda: requests.delete(url, timeout=5).ok, seconds=30, what="the stand-in")
        self.dev.control("settings", {"refund_outcome": "success", "merchant_balance": None})
        for one in self.dev.control("refunds"):
            if one["status"] == "REFUND_PENDING":
                self.dev.control(f"refunds/{one['refundRequestId']}/complete", {})

    def set_clocks(self, seconds: int) -> None:
        """Our processes are started again, with clocks so far off."""
        file = _clock_file(self.dev.ready_file.parent)
        if file.read_text() == str(seconds):
            return
        file.write_text(str(seconds))
        for part in OURS:
            with contextlib.suppress(ProcessLookupError):
                self.dev.kill(part)


def filler(dev: Running) -> Path:
    return dev.ready_file.parent / "mongodb" / "filler"


def disk_full(chaos: Chaos) -> None:
    """Not a byte is left for the database for as long as three seconds, or until the end."""
    file = filler(chaos.dev)
    if not file.parent.is_mount():
        return
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as full:
        while True:
            full.write(bytes(1 << 16))
    if chaos.chance.random() < 0.5:
        time.sleep(3.0)
        file.unlink()


def killing(part: str) -> tuple[str, Callable[[Chaos], None]]:
    return f"kill -9 {part}", lambda chaos: chaos.dev.kill(part) and None


def freezing(part: str, seconds: float) -> tuple[str, Callable[[Chaos], None]]:
    def frozen(chaos: Chaos) -> None:
        pid = int(chaos.dev.ready["pids"][part])
        os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(pid, signal.SIGCONT)

    return f"{part} frozen for {seconds} s", frozen


def failing(call: str, fault: str, times: int) -> tuple[str, Callable[[Chaos], None]]:
    armed = {"binance": [{"call": call, "fault": fault, "times": times, "delay_s": 1.0}]}
    return f"{call}: {fault}, {times} times", lambda chaos: chaos.dev.control("faults", armed)


def emptied(chaos: Chaos) -> None:
    with redis.Redis.from_url(chaos.dev.ready["redis_url"]) as connection:
        connection.flushall()


FAULTS: tuple[tuple[str, Callable[[Chaos], None]], ...] = (
    *(killing(part) for part in ("web", "worker", "clock", "watcher", "redis", "mongodb")),
    *(freezing(part, 3.0) for part in ("worker", "redis", "mongodb", "sandbox", "mail_catcher")),
    failing("create", "accept_then_timeout", 2),
    failing("query", "http_500", 4),
    failing("any", "http_429", 3),
    failing("close", "html", 2),
    failing("refund", "accept_then_timeout", 2),
    ("Redis emptied", emptied),
    ("the database's disk is full", disk_full),
    ("our clocks are 10 minutes behind", lambda chaos: chaos.set_clocks(-600)),
    ("our clocks are 10 minutes ahead", lambda chaos: chaos.set_clocks(600)),
    ("key rotated", lambda chaos: chaos.dev.control("rotate-key", {})),
    ("refunds take their time", lambda chaos: chaos.dev.control("settings", {"refund_outcome": "pending"})),
)


# --- the end --------------------------------------------------------------------------------------------------------


def not_at_rest(database: Any) -> list[str]:
    found = [f"{one['_id']} is {one['state']}" for one in database["bookings"].find({"state": {"$nin": FINAL}})]
    found += [f"{one['_id']} owes" for one in database["bookings"].find({}) if any(map(is_owed_now, one["effects"]))]
    moving = ("requested", "sent")
    found += [
        f"{one['_id']} has a refund under way"
        for one in database["bookings"].find({})
        if any(refund["status"] in moving and not refund["replaced_by"] for refund in one["refunds"])
    ]
    return found


def is_owed_now(effect: dict[str, Any]) -> bool:
    """A reminder is owed for days."""
    return not is_reminder(task_in(effect["name"]))


def violations(dev: Running, database: Any) -> list[str]:
    """The invariants, and the stand-in's own books against ours."""
    store = SimpleNamespace(
        bookings=Bookings(database, lambda booking: None),
        ledger=Ledger(database),
        logs=PaymentLogs(database),
        now=lambda: datetime.now(UTC),
    )
    report = checking.check(store, grace=timedelta(seconds=60))  # type: ignore[arg-type]
    found = [f"{name}: {whose}: {wrong}" for name, whose, wrong in report.found]
    returned: dict[str, Decimal] = {}
    for one in dev.control("refunds"):
        if one["status"] == "REFUND_SUCCESS":
            returned[one["merchantTradeNo"]] = returned.get(one["merchantTradeNo"], Decimal(0)) + Decimal(one["amount"])
    for order in dev.control("orders"):
        paid = Decimal(order["paidAmount"] or 0)
        booking = database["bookings"].find_one({"_id": order["merchantTradeNo"][:24]})
        kept = paid - returned.get(order["merchantTradeNo"], Decimal(0))
        price = Decimal(str(booking["meeting_type"]["price"]["amount"])) if booking else Decimal(0)
        wanted = price if booking and booking["state"] == "CONFIRMED" and paid else Decimal(0)
        if booking is None or kept != wanted:
            found.append(f"order {order['merchantTradeNo']}: {kept} is kept instead of {wanted}")
        if order["status"] in ("INITIAL", "PENDING"):
            found.append(f"order {order['merchantTradeNo']} can still be paid")
    return found + doubled_mails(dev)


def doubled_mails(dev: Running) -> list[str]:
    """Two different mails that say the same to the same customer; the very same one may have come twice."""
    seen: dict[tuple[str, str], set[str]] = {}
    for one in dev.mails("@example.com"):
        seen.setdefault((str(one["to"]), str(one["subject"])), set()).add(str(one["message_id"]))
    return [f"{to} was told {len(ids)} times: {subject}" for (to, subject), ids in seen.items() if len(ids) > 1]


@pytest.mark.parametrize("number", range(SCHEDULES))
def test_whatever_breaks_every_coin_and_every_slot_ends_right(dev: Running, number: int):
    seed = SEED + number
    chaos = Chaos(dev, random.Random(seed))
    with pymongo.MongoClient(dev.ready["mongodb_uri"], tz_aware=True) as client:
        database = client[dev.ready["database"]]
        faults = set(chaos.chance.sample(range(CUSTOMERS), chaos.chance.randint(3, 8)))

        for customer in range(CUSTOMERS):
            chaos.customer(customer)
            if customer in faults:
                chaos.fault()
        chaos.heal()
        wait_until(lambda: requests.get(f"{dev.web}/healthz", timeout=5).ok, seconds=60, what="a healthy site")
        patience = PATIENCE + AHEAD * any("ahead" in line for line in chaos.log)
        wait_until(lambda: not not_at_rest(database), seconds=patience, what=f"rest after seed {seed} {chaos.log}")

        assert chaos.made, f"nobody could book at all: {chaos.log}"
        assert violations(dev, database) == [], f"seed {seed}: {chaos.log}"
