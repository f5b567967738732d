"""Ten thousand bookings whose time is over, all due at once, worked off by one worker.

Each has an order at the sandbox that has reached its own expiry and was not asked about since: the worker has to ask,
to see it closed, and to write that. Measured against two journaled updates by id of the same documents by one client,
one after the other, on the same database while worker and clock are frozen: of a sample before and one after, as both
get slower meanwhile.
"""

import time
from datetime import timedelta

from bench.findings import Findings, table
from bench.freezing import frozen
from bench.goals import number
from bench.product import Product, started
from bench.run import Run
from bench.stock import held, stocked
from inspired import services

BOOKINGS, QUICK = 10_000, 500
SAMPLE = 500
LOOKED_AT = 100
EXPIRY = timedelta(minutes=15)
OVER_FOR = timedelta(minutes=2)  # longer than the minute that the slot is held beyond the order
MOST_SECONDS = 600


def measure(run: Run) -> Findings:
    found, count = Findings(), QUICK if run.quick else BOOKINGS
    with started() as product:
        with frozen(product, "clock", "worker"):
            ids = _due(product, count)
            before = _two_updates_each(product, ids[:SAMPLE])
        progress = _until_expired(product, ids)
        took = progress[-1]
        with frozen(product, "clock", "worker"):
            after = _two_updates_each(product, ids[-SAMPLE:])
    base = 2 / (1 / before + 1 / after)
    found.add("expire", [count / took / base], f"{count:,} bookings in {took:.1f} s, {number(count / took)} a second")
    found.details = [
        f"Two journaled updates each, one client: {number(before)} bookings a second before, {number(after)} after.",
        "",
        *table(["expired", *map(str, (25, 50, 75, 100))], [["after, s", *(number(at) for at in progress)]]),
    ]
    return found


def _due(product: Product, count: int) -> list[str]:
    made_at = services.now() - EXPIRY - OVER_FOR
    return [one.id for one in stocked(product, held(count, made_at=made_at, expiry=EXPIRY), webhook_url=None)]


def _two_updates_each(product: Product, ids: list[str]) -> float:
    """Bookings a second."""
    begun = time.monotonic()
    for booking_id in ids:
        for value in (1, 2):
            product.bookings.update_one({"_id": booking_id}, {"$set": {"measured": value}})
    return len(ids) / (time.monotonic() - begun)


def _until_expired(product: Product, ids: list[str]) -> list[float]:
    """When a quarter, half, three quarters and all of them were, in seconds.

    Only the first that are not yet are looked at, so that watching costs the database next to nothing.
    """
    begun, total = time.monotonic(), len(ids)
    left, reached = list(ids), list[float]()
    while left:
        if time.monotonic() - begun > MOST_SECONDS:
            raise SystemExit(f"{len(left)} of {total} bookings were not expired within {MOST_SECONDS} s.")
        some = left[:LOOKED_AT]
        query = {"_id": {"$in": some}, "state": "EXPIRED"}
        done = {one["_id"] for one in product.bookings.find(query, {"_id": 1})}
        left = [one for one in some if one not in done] + left[LOOKED_AT:]
        reached += [time.monotonic() - begun] * (4 * (total - len(left)) // total - len(reached))
        time.sleep(0 if len(done) == len(some) else 0.5)
    return reached
