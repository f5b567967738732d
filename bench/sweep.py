"""The clock's query for 200 bookings that are due, beside ever more that are settled.

Settled are confirmed bookings (a third, with the times they own) and expired ones: copies of two that the domain's own
steps have made, under names of their own.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from bench.findings import Findings, table
from bench.goals import number
from bench.run import Run
from bench.stock import AT_ONCE, held, settled
from inspired import services
from inspired.adapters.mongo.bookings import Bookings
from inspired.adapters.mongo.database import connect
from inspired.adapters.mongo.documents import booking_out
from inspired.adapters.mongo.indexes import create_indexes
from inspired.domain.booking.states import Remote
from tests import harness

SETTLED, QUICK = (1_000, 10_000, 100_000), (100, 400, 1_000)
DUE = 200
TIMES, QUICK_TIMES = 15, 5


def measure(run: Run) -> Findings:
    found, took = Findings(), dict[int, list[float]]()
    with harness.mongodb() as uri:
        database = connect(uri, "bench", seconds=60)
        create_indexes(database)
        bookings = Bookings(database, lambda booking: None)
        collection = database["bookings"]
        now = services.now()
        due = [booking_out(replace(one, check_at=now)) for one in held(DUE, made_at=now, expiry=timedelta(hours=1))]
        collection.insert_many(due, ordered=False)
        documents, there = _settled(now), 0
        for count in QUICK if run.quick else SETTLED:
            while there < count:
                some = [next(documents) for _ in range(min(AT_ONCE, count - there))]
                collection.insert_many(some, ordered=False)
                there += len(some)
            took[count] = [_sweep(bookings, now) for _ in range(QUICK_TIMES if run.quick else TIMES)]
        database.client.close()
    middle = {count: median(times) for count, times in took.items()}
    fewest, most = min(middle), max(middle)
    found.add("sweep", [middle[most] / middle[fewest]], f"{most:,} settled bookings against {fewest:,}")
    rows = [[f"{count:,}", *map(number, (middle[count], min(times), max(times)))] for count, times in took.items()]
    found.details = table(["settled bookings", "median ms", "fastest ms", "slowest ms"], rows)
    return found


def _sweep(bookings: Bookings, now: datetime) -> float:
    """In ms."""
    begun = time.perf_counter()
    ids = bookings.due(now, DUE)
    took = 1000 * (time.perf_counter() - begun)
    if len(ids) != DUE:
        raise SystemExit(f"{len(ids)} bookings were due instead of {DUE}.")
    return took


def _settled(now: datetime) -> Iterator[dict[str, Any]]:
    confirmed, expired = (settled(status, now) for status in (Remote.PAID, Remote.EXPIRED))
    first_tick = max(confirmed.slot.span.ticks()) + 1 if confirmed.slot else 0
    documents, ticks = [booking_out(one) for one in (confirmed, expired, expired)], len(confirmed.claims)
    for number_ in range(max(SETTLED)):
        document = dict(documents[number_ % len(documents)])
        if "claims" in document:
            document["claims"] = [f"tick:{first_tick + ticks * number_ + place}" for place in range(ticks)]
        yield document | {"_id": services.new_id(), "token": services.new_token()}
