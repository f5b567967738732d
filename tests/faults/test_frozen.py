"""What stands behind the site is frozen, not gone: connections stay open and nothing answers. The site still does."""

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest
import requests

from tests.harness import wait_until
from tests.journeys.running import AS_SOLD, Running, running

pytestmark = pytest.mark.slow
PATIENCE = 3.0  # seconds a visitor may have to wait at most; the client gives up after that and the test fails


@pytest.fixture(scope="module")
def dev() -> Iterator[Running]:
    with running(CALENDAR="builtin", PAYMENT_EXPIRY_MINUTES="10", **AS_SOLD) as one:
        yield one


@contextlib.contextmanager
def frozen(dev: Running, *names: str) -> Iterator[None]:
    pids = [int(dev.ready["pids"][name]) for name in names]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def get(dev: Running, path: str) -> requests.Response:
    return requests.get(dev.web + path, timeout=PATIENCE)


def create(dev: Running, body: dict[str, object]) -> requests.Response:
    return requests.post(f"{dev.web}/api/payments/create", json=body, timeout=PATIENCE)


def wanted(dev: Running, slot: int) -> dict[str, object]:
    return {
        "meetingTypeId": "quick-question",
        "customerEmail": "ann@example.com",
        "slotStart": dev.slots("quick-question")[slot]["start"],
    }


def test_database_frozen_everything_says_try_again_and_works_again_afterwards(dev: Running):
    booking = dev.create(slot=0)
    body = wanted(dev, 3)
    for _ in range(12):  # so that every process of the site has shown a page before
        assert get(dev, "/").ok

    with frozen(dev, "mongodb"):
        codes = {
            path: get(dev, path).status_code
            for path in ("/", "/terms", "/book/deep-dive", f"/booking/{booking['bookingId']}", "/healthz")
        }
        refused = create(dev, body)

    assert codes == {
        "/": 200,
        "/terms": 200,
        "/book/deep-dive": 503,
        f"/booking/{booking['bookingId']}": 503,
        "/healthz": 503,
    }
    assert refused.status_code == 503
    wait_until(lambda: get(dev, "/healthz").ok, what="a healthy site")
    assert create(dev, {**body, "slotStart": dev.slots("quick-question")[5]["start"]}).status_code == 201


def test_database_frozen_a_notice_is_not_acknowledged_and_comes_again(dev: Running):
    booking = dev.create(slot=1)

    with frozen(dev, "mongodb"):
        dev.pay(booking)
        wait_until(
            lambda: [one for one in dev.control("deliveries") if booking["merchantTradeNo"] in str(one)],
            what="a delivery that ended",
        )
        statuses = [
            one["http_status"] if "http_status" in one else one.get("status")
            for one in dev.control("deliveries")
            if booking["merchantTradeNo"] in str(one)
        ]

    assert 200 not in statuses
    dev.wait_for(booking, "CONFIRMED", seconds=60)


def test_redis_frozen_bookings_are_made_polls_are_answered_and_notices_taken(dev: Running):
    body = wanted(dev, 7)

    with frozen(dev, "redis"):
        made = create(dev, body)
        polled = get(dev, f"/api/payments/status/{made.json()['bookingId']}")
        dev.pay(made.json())
        wait_until(
            lambda: [one for one in dev.control("deliveries") if made.json()["merchantTradeNo"] in str(one)],
            what="the delivery",
        )

    assert made.status_code == 201
    assert polled.json()["status"] == "PENDING"
    dev.wait_for(made.json(), "CONFIRMED", seconds=60)


def test_provider_frozen_the_booking_stands_and_its_order_follows(dev: Running):
    body = wanted(dev, 9)

    with frozen(dev, "sandbox"):
        made = create(dev, body)

    assert made.status_code == 202
    wait_until(
        lambda: [
            o
            for o in dev.control("orders")
            if str(o["merchantTradeNo"]).startswith(made.json()["merchantTradeNo"][:24])
        ],
        seconds=30,
        what="the order",
    )


def test_provider_and_redis_frozen_together(dev: Running):
    body = wanted(dev, 12)

    with frozen(dev, "sandbox", "redis"):
        made = create(dev, body)

    assert made.status_code == 202, made.text


def test_everything_frozen_the_status_page_answers_and_says_so(dev: Running):
    def state() -> str:
        return str(get(dev, "/status.json").json()["state"])

    wait_until(lambda: state() == "working", seconds=20, what="a site that is well")
    with frozen(dev, "mongodb", "redis", "sandbox", "worker", "clock"):
        wait_until(lambda: state() == "not working", seconds=30, what="the truth", pause=0.3)
        wait_until(  # each process of the site finds it out for itself
            lambda: "Something does not work just now." in get(dev, "/status").text,
            seconds=30,
            what="the same in words",
        )
        alive = get(dev, "/livez")

    assert alive.json() == {"ok": True}
    wait_until(lambda: state() == "working", seconds=30, what="a site that is well again")
