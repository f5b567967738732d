"""Signed webhooks, 30 a second for 20 s: what the provider waits for its acknowledgement.

Real orders are paid at the sandbox at that pace; it signs each notice (RSA), sends it on a connection of its own and
notes how long the answer took: connecting, our check of the signature, our durable write. The jobs that follow from
the notices (a query, a confirmation, two mails each) run meanwhile on the same cores, as fast as they can: nobody
waits for them between the rounds.
"""

import time
from typing import Any

from bench.findings import Findings, percentile, table
from bench.goals import number
from bench.run import Run
from tests.harness import wait_until

A_SECOND = 30
SECONDS = 20


def measure(run: Run) -> Findings:
    found, rows, highs = Findings(), [], []
    for _ in range(run.rounds):
        bookings = [run.product.book()[0] for _ in range(run.some(A_SECOND * SECONDS))]
        took = _pay(run, bookings)
        deliveries = _deliveries(run, bookings)
        confirmed = run.product.confirmed(bookings) / took
        times = [one["ms"] for one in deliveries]
        shares = [percentile(times, share) for share in (0.5, 0.95, 0.99, 1)]
        rows.append([number(len(times) / took), *map(number, shares), number(confirmed)])
        highs.append(shares[2])
    found.add("webhook", highs)
    heads = ["webhooks a second", "p50 ms", "p95 ms", "p99 ms", "slowest ms", "confirmed a second meanwhile"]
    found.details = table(heads, rows)
    run.product.done.append("webhook")
    return found


def _pay(run: Run, bookings: list[dict[str, Any]]) -> float:
    """At an even pace, however long an answer takes; how many seconds in all."""
    begun = time.monotonic()
    for number_, booking in enumerate(bookings):
        time.sleep(max(0.0, begun + number_ / A_SECOND - time.monotonic()))
        run.product.dev.pay(booking)
    return time.monotonic() - begun + 1 / A_SECOND


def _deliveries(run: Run, bookings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    orders = {booking["merchantTradeNo"] for booking in bookings}

    def all_told() -> list[dict[str, Any]] | None:
        told = [one for one in run.product.dev.control("deliveries") if one.get("order") in orders]
        return told if len({one["order"] for one in told}) == len(orders) else None

    told: list[dict[str, Any]] = wait_until(all_told, seconds=60, what="the last webhook")
    refused = [one for one in told if not one["accepted"]]
    if refused:
        raise SystemExit(f"{len(refused)} of {len(told)} webhooks were not taken, first: {refused[0]}")
    return told
