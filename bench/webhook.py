"""Signed webhooks, 30 a second for 20 s: what the provider waits for its acknowledgement.

Real orders are paid at the sandbox at that pace; it signs each notice (RSA), sends it on a connection of its own and
notes how long the answer took: connecting, our check of the signature, our durable write. The jobs that follow from
the notices (a query, a confirmation, two mails each) run meanwhile on the same cores.
"""

import time
from collections.abc import Callable
from typing import Any

from bench.findings import Findings, percentile, table
from bench.goals import number
from bench.product import Product, started
from bench.run import Run
from tests.harness import wait_until

A_SECOND = 30
SECONDS = 20
REST = 30  # seconds, for the jobs of the bookings themselves
PATIENCE = 90


def measure(run: Run) -> Findings:
    found, count = Findings(), run.some(A_SECOND * SECONDS)
    with started() as product:
        bookings = [product.book()[0] for _ in range(count)]
        _seconds_until(lambda: not product.waiting_jobs(), REST)  # the mails of these bookings
        waiting = product.waiting_jobs()
        took = _pay(product, bookings)
        meanwhile = product.confirmed(bookings)
        deliveries = _deliveries(product, bookings)
        after = _seconds_until(lambda: product.confirmed(bookings) == count, PATIENCE)
    found.values["webhook"] = percentile([one["ms"] for one in deliveries], 0.99)
    found.notes["webhook"] = f"{len(deliveries)} webhooks in {took:.0f} s"
    found.details = [*_table(deliveries), "", _jobs(waiting, meanwhile, after)]
    return found


def _pay(product: Product, bookings: list[dict[str, Any]]) -> float:
    """At an even pace, however long an answer takes; how many seconds in all."""
    begun = time.monotonic()
    for place, booking in enumerate(bookings):
        time.sleep(max(0.0, begun + place / A_SECOND - time.monotonic()))
        product.dev.pay(booking)
    return time.monotonic() - begun + 1 / A_SECOND


def _deliveries(product: Product, bookings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """In the order of their sending. One that was not taken at its first try ends the measurement."""
    orders = {booking["merchantTradeNo"] for booking in bookings}

    def all_told() -> list[dict[str, Any]] | None:
        told = [one for one in product.dev.control("deliveries") if one.get("order") in orders]
        return told if len({one["order"] for one in told}) == len(orders) else None

    told: list[dict[str, Any]] = wait_until(all_told, seconds=60, what="the last webhook")
    refused = [one for one in told if not one["accepted"]]
    if refused:
        raise SystemExit(f"{len(refused)} of {len(told)} webhooks were not taken, first: {refused[0]}")
    return sorted(told, key=lambda one: one["at"])


def _table(deliveries: list[dict[str, Any]]) -> list[str]:
    third = -(-len(deliveries) // 3)
    spans = {
        "all": deliveries,
        "first third": deliveries[:third],
        "second third": deliveries[third : 2 * third],
        "last third": deliveries[2 * third :],
    }
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "slowest": 1.0}
    rows = [
        [name, *(number(percentile([one["ms"] for one in span], share)) for share in shares.values())]
        for name, span in spans.items()
    ]
    return table(["acknowledged, ms", *shares], rows)


def _jobs(waiting: int, meanwhile: int, after: float | None) -> str:
    last = f"not all within {PATIENCE} s" if after is None else f"all within {after:.0f} s"
    return (
        f"The one worker beside it: {waiting} jobs waited when the first webhook was sent; {meanwhile} of the bookings "
        f"were confirmed when the last one was, and {last} after it."
    )


def _seconds_until(done: Callable[[], bool], most: float) -> float | None:
    begun = time.monotonic()
    try:
        wait_until(done, seconds=most)
    except AssertionError:
        return None
    return time.monotonic() - begun
