"""A small plan allows twenty connections to Redis: the whole product stays below that, however many people look."""

import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pymongo
import pytest
import redis
import requests

from inspired.settings import Settings
from tests.harness import wait_until
from tests.journeys.running import Running, running

VISITORS = 60
OF_REDIS = 18  # two are left for a command beside the four processes
MONITORS = 2  # with which pymongo watches each server, beside its pool


@pytest.fixture(scope="module")
def product() -> Iterator[Running]:
    with running(CALENDAR="builtin", WEB_CONCURRENCY="2") as one:
        yield one


@pytest.fixture
def narrow(product: Running) -> Iterator[redis.Redis]:
    """The product's Redis, which takes as many connections as the product may have, and ours."""
    with redis.Redis.from_url(product.ready["redis_url"], single_connection_client=True) as ours:
        ours.config_set("maxclients", OF_REDIS + 1)
        yield ours
        ours.config_set("maxclients", 10_000)


def poll(product: Running, bookings: list[dict[str, object]], over: threading.Event, failed: list[str]) -> None:
    with requests.Session() as visitor:
        while not over.is_set():
            for one in bookings:
                answer = visitor.get(f"{product.web}/api/payments/status/{one['bookingId']}", timeout=20)
                if answer.status_code != 200:
                    failed.append(answer.text[:200])


def test_sixty_visitors_who_poll_leave_workers_their_connections_and_a_payment_is_confirmed(
    product: Running, narrow: redis.Redis
):
    bookings = [product.create(slot=place) for place in range(3)]
    before = narrow.info("stats")["rejected_connections"]
    over, failed, most = threading.Event(), list[str](), list[int]()
    visitors = [threading.Thread(target=poll, args=(product, bookings, over, failed)) for _ in range(VISITORS)]
    for one in visitors:
        one.start()
    try:
        product.pay(bookings[0])

        def confirmed() -> bool:
            most.append(narrow.info("clients")["connected_clients"] - 1)
            return bool(product.status(bookings[0])["status"] == "CONFIRMED")

        wait_until(confirmed, seconds=90, what="the confirmation")
    finally:
        over.set()
        for one in visitors:
            one.join()

    assert failed == []
    assert max(most) <= OF_REDIS
    assert narrow.info("stats")["rejected_connections"] == before, "nobody asked for one too many in between"


def test_the_defaults_fit_into_a_plan_of_twenty():
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    web, worker, clock = 2, 1, 1

    assert (web + worker + clock) * defaults["redis_connections"] <= OF_REDIS


def test_the_database_has_no_more_connections_than_the_processes_may_have(product: Running):
    address = product.ready["mongodb_uri"]
    with pymongo.MongoClient(address) as ours:
        current = ours.admin.command("serverStatus")["connections"]["current"]

    assert urlsplit(address).hostname == "127.0.0.1"
    assert current <= 4 * (10 + MONITORS) + 4, "inspired dev asks for a pool of ten"
