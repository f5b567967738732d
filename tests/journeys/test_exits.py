"""The four ways a booking can end, against the running product: real processes, real sockets, real signatures."""

from collections.abc import Iterator

import pytest

from tests.harness import wait_until
from tests.journeys.running import Running, running

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dev() -> Iterator[Running]:
    """Twelve seconds to pay; the built-in calendar."""
    with running(CALENDAR="builtin", PAYMENT_EXPIRY_MINUTES="0.2") as one:
        yield one


def test_paid_and_told_by_webhook(dev: Running):
    booking = dev.create(slot=0, customerEmail="told@example.com")

    dev.pay(booking)

    status = dev.wait_for(booking, "CONFIRMED", seconds=5)
    assert status["paymentDetails"]["amount"] == "50"
    mails = wait_until(lambda: [m for m in dev.mails("told@") if m["subject"].startswith("Confirmed")], what="the mail")
    assert "50 USDT" in mails[0]["text"]
    wait_until(lambda: [m for m in dev.mails("owner@") if m["subject"]], what="the owner's mail")


def test_paid_and_the_webhook_lost(dev: Running):
    booking = dev.create(slot=1)

    dev.pay(booking, notify="lost")

    dev.wait_for(booking, "CONFIRMED", seconds=60)


@pytest.mark.parametrize("notify", ["forged", "altered"])
def test_a_notice_that_is_not_binances_confirms_nothing(dev: Running, notify: str):
    booking = dev.create(slot=2)

    dev.pay(booking, notify=notify)

    wait_until(
        lambda: [one for one in dev.control("deliveries") if booking["merchantTradeNo"] in str(one)], what="the notice"
    )
    assert dev.status(booking)["status"] == "PENDING"
    dev.wait_for(booking, "EXPIRED", seconds=60)


def test_not_paid_frees_the_slot_closes_the_order_and_tells(dev: Running):
    slot = dev.slots("deep-dive")[4]
    booking = dev.create("deep-dive", slotStart=slot["start"], customerEmail="eve@example.com")
    assert slot not in dev.slots("deep-dive")

    dev.wait_for(booking, "EXPIRED", seconds=60)

    assert slot in dev.slots("deep-dive")
    assert dev.order(booking)["status"] in ("CANCELED", "EXPIRED")
    wait_until(lambda: [m for m in dev.mails("eve@") if "Not paid" in m["subject"]], what="mail")


def test_create_failing_twice_and_then_working(dev: Running):
    dev.control("faults", {"binance": [{"call": "create", "fault": "http_500", "times": 2}]})
    booking = dev.create("mentoring", slot=3)
    assert booking["binanceOrderId"] is None

    wait_until(
        lambda: [o for o in dev.control("orders") if o["merchantTradeNo"] == booking["merchantTradeNo"]],
        seconds=11,
        what="the order",
    )
    dev.pay(booking)

    dev.wait_for(booking, "CONFIRMED", seconds=30)


def test_a_notice_delivered_twice_confirms_once(dev: Running):
    booking = dev.create("mentoring", slot=6, customerEmail="twice@example.com")

    dev.pay(booking, notify="twice")

    dev.wait_for(booking, "CONFIRMED", seconds=10)
    wait_until(lambda: [m for m in dev.mails("twice@") if m["subject"].startswith("Confirmed")], what="the mail")
    assert len([m for m in dev.mails("twice@") if m["subject"].startswith("Confirmed")]) == 1
