"""A minute of signed webhooks at a fixed pace, while web, worker, Redis and database are killed (-9) once each.

Five notices for each order: its payment, and four refunds that the owner tried in Binance's console and was refused.
All are real (the order is paid at the sandbox, the refunds lie there), distinct, and signed by the sandbox's key. One
that is not taken is sent again as Binance does, up to six times. Before that, a short ramp looks for the pace that this
machine sustains: every notice taken at its first try, within a second.
"""

import contextlib
import random
import threading
import time
from collections import Counter
from datetime import timedelta
from email import message_from_bytes
from typing import Any

from bench.findings import Findings, percentile, table
from bench.goals import GOALS, number
from bench.product import ENVIRONMENT, Product, started
from bench.run import Run
from bench.sender import Answer, Notice, Sender, notices_of
from bench.stock import AT_ONCE, held, stocked
from inspired import services
from inspired.adapters.crypto.vault import Vault
from inspired.domain.booking.booking import Booking
from inspired.domain.shared.batches import batches
from inspired.flows.booking.payment_webhooks import read_webhook
from tests.harness import wait_until

SEED = 20_261_123
SECONDS, QUICK_SECONDS = 60, 8
REFUSED_REFUNDS = 4
RAMP = (50, 100, 150, 200, 300)
RAMP_SECONDS = 4
WITHIN_MS = 1_000  # of a sustained pace, the slowest answer
SHARES = {"p50": 0.5, "p99": 0.99, "slowest": 1.0}
KILLED = ("web", "worker", "redis", "mongodb")
PATIENCE = 900  # seconds, until everything that follows from the notices is done


def measure(run: Run) -> Findings:
    found, dice = Findings(), random.Random(SEED)
    seconds = QUICK_SECONDS if run.quick else SECONDS
    with started() as product:
        best, rows = _best_pace(product, run)
        pace = min(GOALS["storm-rate"].limit, best)
        bookings, notices = _told(product, round(pace * seconds), dice)
        kills = _Kills(product, _times(seconds, dice))
        begun = time.monotonic()
        answers = Sender(product.dev.web, notices, pace).run()
        took = time.monotonic() - begun
        kills.join()
        after = _until_done(product, bookings, {} if run.quick else {"effects": []})
        missing = _missing(product, answers)
        doubled = _doubled(product, bookings)
        unconfirmed = len(bookings) - product.confirmed([{"bookingId": one.token} for one in bookings])
    refused = len(notices) - sum(one.accepted for one in answers)
    found.add("storm-rate", [pace], f"sent for {seconds} s; this machine sustains {number(best)} a second, see below")
    found.add("storm-missing", [missing], f"{sum(one.accepted for one in answers):,} acknowledged of {len(notices):,}")
    found.add("storm-refused", [refused])
    found.add("storm-doubled", [sum(doubled.values())], ", ".join(f"{what} {n}" for what, n in doubled.items()))
    found.add(
        "storm-unconfirmed", [unconfirmed], f"{len(bookings):,} paid, all worked off {after:.0f} s after the last"
    )
    ended = f"Killed: {kills.told}. The last notice was done with {took:.0f} s after the first."
    found.details = [_tries(answers), "", ended, "", *rows]
    return found


# --- the pace -------------------------------------------------------------------------------------------------------


def _best_pace(product: Product, run: Run) -> tuple[float, list[str]]:
    best, rows = 0.0, []
    for pace in RAMP[:2] if run.quick else RAMP:
        _, notices = _told(product, pace * RAMP_SECONDS, random.Random(SEED))
        begun = time.monotonic()
        answers = Sender(product.dev.web, notices, pace, retries=0).run()
        rate = len(answers) / max(RAMP_SECONDS, time.monotonic() - begun)
        times, taken = [one.ms for one in answers], sum(one.accepted for one in answers)
        is_sustained = taken == len(notices) and max(times) < WITHIN_MS
        shares = [percentile(times, share) for share in (0.5, 0.99, 1)]
        rows.append(
            [*map(number, (pace, rate, *shares)), f"{taken} of {len(notices)}", "yes" if is_sustained else "no"]
        )
        if not is_sustained:
            break
        best = float(pace)
    if not best:
        raise SystemExit(f"Not even {RAMP[0]} webhooks a second are taken here: {rows}")
    return best, table(["ramp, a second", "answered", "p50 ms", "p99 ms", "slowest", "taken", "sustained"], rows)


def _told(product: Product, count: int, dice: random.Random) -> tuple[list[Booking], list[Notice]]:
    """So many notices, shuffled, and the bookings they are about."""
    orders = -(-count // (1 + REFUSED_REFUNDS))
    bookings = stocked(product, held(orders, made_at=services.now(), expiry=timedelta(hours=1)), webhook_url=None)
    notices = notices_of(product, bookings, REFUSED_REFUNDS)
    dice.shuffle(notices)
    return bookings, notices


# --- the kills ------------------------------------------------------------------------------------------------------


def _times(seconds: float, dice: random.Random) -> list[tuple[float, str]]:
    """When each is killed, in an order that the seed deals: one in every fifth of the time, at any moment of it."""
    order = dice.sample(KILLED, len(KILLED))
    fifth = seconds / 5
    return [(fifth * (place + dice.random()), name) for place, name in enumerate(order)]


class _Kills:
    def __init__(self, product: Product, times: list[tuple[float, str]]) -> None:
        self._product, self._times = product, times
        self._done: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        begun, killed = time.monotonic(), list[tuple[str, int]]()
        for at, name in self._times:
            time.sleep(max(0.0, begun + at - time.monotonic()))
            killed.append((name, self._product.dev.kill(name)))
            self._done.append(f"{name} at {time.monotonic() - begun:.1f} s")
        for name, pid in killed:
            self._product.dev.wait_for_new(name, pid)

    def join(self) -> None:
        self._thread.join(60)
        if len(self._done) != len(KILLED) or self._thread.is_alive():
            raise SystemExit(f"Killed, or not come back: {self._done}")

    @property
    def told(self) -> str:
        return ", ".join(self._done)


# --- what came of it ------------------------------------------------------------------------------------------------


def _until_done(product: Product, bookings: list[Booking], and_so: dict[str, Any]) -> float:
    """Seconds until every booking is confirmed and, where asked for, owes nothing: its mails are out."""
    begun, left = time.monotonic(), [one.id for one in bookings]

    def done() -> bool:
        while left:
            some = left[:100]
            query = {"_id": {"$in": some}, "state": "CONFIRMED", **and_so}
            ended = {one["_id"] for one in product.bookings.find(query, {"_id": 1})}
            left[:100] = [one for one in some if one not in ended]
            if len(ended) < len(some):
                time.sleep(1)
                return False
        return True

    with contextlib.suppress(AssertionError):  # what is left is counted
        wait_until(done, seconds=PATIENCE, what="the end of the storm")
    return time.monotonic() - begun


def _missing(product: Product, answers: list[Answer]) -> int:
    """Acknowledged notices that do not lie in the log, readable, as they were sent."""
    vault = Vault(ENVIRONMENT["ENCRYPTION_KEYS"], ENVIRONMENT["BLIND_INDEX_KEY"])
    sent = {_log_id(one.notice): one.notice.body for one in answers if one.accepted}
    logs, kept = product.bookings.database["payment_logs"], 0
    for some in batches(sorted(sent), AT_ONCE):
        for found in logs.find({"_id": {"$in": some}}):
            key, owner, raw = bytes(found["key"]), found["key_owner"], bytes(found["raw"])
            kept += vault.open(key, owner, "notice", raw) == sent[found["_id"]]
    return len(sent) - kept


def _log_id(notice: Notice) -> str:
    facts = read_webhook(notice.body.encode())
    return f"{facts.biz_type}:{facts.biz_id}:{facts.biz_status}:{facts.data_hash}"


def _doubled(product: Product, bookings: list[Booking]) -> dict[str, int]:
    """How many times too often: a booking confirmed, its money noted, a mail delivered (by its Message-ID)."""
    counted = Counter[str]()
    for some in batches([one.id for one in bookings], AT_ONCE):
        for found in product.bookings.find({"_id": {"$in": some}}, {"history": 1}):
            whats = Counter(event["what"] for event in found["history"])
            for what in ("confirmed", "money"):
                counted[what] += max(0, whats[what] - 1)
    mails = (product.dev.ready_file.parent / "mail").glob("*.eml")
    ids = Counter(str(message_from_bytes(file.read_bytes())["Message-ID"]) for file in mails)
    doubled = {"confirmed": counted["confirmed"], "money": counted["money"], "mails": ids.total() - len(ids)}
    return doubled


def _tries(answers: list[Answer]) -> str:
    firsts = [one for one in answers if one.order == 1]
    statuses = Counter(str(one.status or "no answer") for one in answers if not one.accepted)
    refused = ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items())) or "none"
    taken = [one.ms for one in answers if one.accepted]
    times = ", ".join(f"{name} {number(percentile(taken, share))}" for name, share in SHARES.items())
    late = 1000 * max(one.late for one in firsts)
    return (
        f"{len(firsts):,} notices, {len(answers):,} tries, the most for one {max(one.order for one in answers)}; not "
        f"taken: {refused}. Acknowledged after, in ms: {times}. The sender was late by at most {late:.0f} ms."
    )
