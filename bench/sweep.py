"""The clock's question and its lease, for 200 bookings that are due, beside ever more that are settled.

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
from bench.stock import AT_ONCE, held
from inspired import services
from inspired.adapters import mongo
from inspired.adapters.documents import booking_out
from inspired.domain import effects, lifecycle, ordering
from inspired.domain.booking import Booking, Checkout, Remote, State
from inspired.domain.lifecycle import Seen, SlotSeen
from tests import harness

SETTLED, QUICK = (1_000, 10_000, 100_000), (100, 400, 1_000)
DUE = 200
TIMES, QUICK_TIMES = 15, 5
LEASE = timedelta(seconds=15)


def measure(run: Run) -> Findings:
    found, took = Findings(), dict[int, list[float]]()
    with harness.mongodb() as uri:
        database = mongo.connect(uri, "bench", seconds=60)
        mongo.create_indexes(database)
        bookings = mongo.Bookings(database, lambda booking: None)
        collection = database["bookings"]
        now = services.now()
        due = [booking_out(replace(one, check_at=now)) for one in held(DUE, made_at=now, expiry=timedelta(hours=1))]
        collection.insert_many(due, ordered=False)
        settled, there = _settled(now), 0
        for count in QUICK if run.quick else SETTLED:
            while there < count:
                some = [next(settled) for _ in range(min(AT_ONCE, count - there))]
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


def _sweep(bookings: mongo.Bookings, now: datetime) -> float:
    """In ms; afterwards they are due as before."""
    begun = time.perf_counter()
    ids = bookings.due(now, DUE)
    bookings.lease(ids, now, now + LEASE)
    took = 1000 * (time.perf_counter() - begun)
    if len(ids) != DUE or bookings.due(now, DUE):
        raise SystemExit(f"{len(ids)} bookings were due instead of {DUE}, or were not leased.")
    bookings.lease(ids, now + LEASE, now)
    return took


def _settled(now: datetime) -> Iterator[dict[str, Any]]:
    confirmed, expired = (ended(status, now) for status in (Remote.PAID, Remote.EXPIRED))
    first_tick = max(confirmed.slot.span.ticks()) + 1 if confirmed.slot else 0
    documents, ticks = [booking_out(one) for one in (confirmed, expired, expired)], len(confirmed.claims)
    for number_ in range(max(SETTLED)):
        document = dict(documents[number_ % len(documents)])
        if "claims" in document:
            document["claims"] = [f"tick:{first_tick + ticks * number_ + place}" for place in range(ticks)]
        yield document | {"_id": services.new_id(), "token": services.new_token()}


def ended(status: Remote, now: datetime) -> Booking:
    """Long ago: nothing is owed and nothing will be asked any more."""
    at = now - timedelta(days=1)
    [booking] = held(1, made_at=at, expiry=timedelta(minutes=15))
    trade_no, link = booking.attempts[0].trade_no, "http://127.0.0.1/made-in-bulk"
    booking = ordering.created(booking, trade_no, Checkout("1", link, link, "", link), at)
    money = booking.price if status.has_money else None
    for later in (at + timedelta(minutes=17), at + timedelta(hours=2)):
        booking = lifecycle.settle(booking, [Seen(trade_no, later, status, money)], SlotSeen.SECURED, later)
        for effect in booking.effects:
            booking = effects.effect_done(booking, effect.name, later, "sent")
    if booking.check_at is not None or booking.state not in (State.CONFIRMED, State.EXPIRED):
        raise SystemExit(f"This booking is not settled: {booking.state}, due at {booking.check_at}.")
    return booking
