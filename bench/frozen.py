"""Webhooks while the database, or Redis, is frozen: its connections stay open and nothing answers.

Really signed notices about orders that are paid, at a modest pace, each sent once. Then the status page, as people and
as monitors read it, with everything behind the site frozen, for longer than any process keeps what it knows.
"""

import time
from collections import Counter
from datetime import timedelta

import requests

from bench.findings import Findings, table
from bench.freezing import frozen
from bench.goals import number
from bench.product import Product, started
from bench.run import Run
from bench.sender import Answer, Sender, notices_of
from bench.stock import held, stocked
from inspired import services

WEBHOOKS, QUICK = 300, 60
VIEWS, WARMING = 80, 30  # twenty seconds long
A_SECOND = 20
REFUSED_REFUNDS = 4  # beside each payment: five notices for each order


def measure(run: Run) -> Findings:
    found, count = Findings(), QUICK if run.quick else WEBHOOKS
    with started() as product:
        _answers(product, 25)  # so that every worker knows the certificate and has met the database
        database = _answers(product, count, "mongodb")
        redis = _answers(product, count, "redis")
        statuses = _statuses(product)
    found.add("frozen-database", [sum(one.status != 503 for one in database)], _told(database))
    found.add("frozen-database-slowest", [max(one.ms for one in database) / 1000])
    found.add("frozen-redis", [sum(not one.accepted for one in redis)], _told(redis))
    found.add("frozen-redis-slowest", [max(one.ms for one in redis) / 1000])
    found.add("frozen-status-slowest", [max(statuses)], f"of {len(statuses)}")
    rows = [_row("database", database), _row("Redis", redis)]
    found.details = table(["frozen", "webhooks", "median ms", "slowest ms", "sent late by at most, ms"], rows)
    return found


def _answers(product: Product, count: int, *names: str) -> list[Answer]:
    orders = -(-count // (1 + REFUSED_REFUNDS))
    bookings = held(orders, made_at=services.now(), expiry=timedelta(hours=1))
    notices = notices_of(product, stocked(product, bookings, webhook_url=None), REFUSED_REFUNDS)
    with frozen(product, *names):
        return Sender(product.dev.web, notices, A_SECOND, retries=0).run()


def _statuses(product: Product) -> list[float]:
    """Seconds each view took, of processes that have shown a page before."""
    times = []
    for _ in range(WARMING):
        requests.get(product.dev.web + "/status", timeout=10)
    with frozen(product, "mongodb", "redis", "sandbox", "worker", "clock"):
        for _ in range(VIEWS):
            for path in ("/status", "/status.json"):
                answer = requests.get(product.dev.web + path, timeout=10)
                times.append(answer.elapsed.total_seconds())
            time.sleep(0.25)
    return times


def _told(answers: list[Answer]) -> str:
    statuses = Counter(str(one.status or "no answer") for one in answers)
    return ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))


def _row(name: str, answers: list[Answer]) -> list[str]:
    times = sorted(one.ms for one in answers)
    late = 1000 * max(one.late for one in answers)
    return [name, str(len(times)), *map(number, (times[len(times) // 2], times[-1], late))]
