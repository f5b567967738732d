"""kill -9 at bad moments: the booking still ends right within a minute, and nobody has to do anything by hand."""

import shutil
import time
from collections.abc import Iterator

import pytest

from tests.harness import wait_until
from tests.journeys.running import AS_SOLD, Running, running

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dev() -> Iterator[Running]:
    with running(CALENDAR="builtin", PAYMENT_EXPIRY_MINUTES="0.5", **AS_SOLD) as one:
        yield one


def test_worker_killed_before_it_heard_of_the_payment(dev: Running):
    booking = dev.create(slot=0)
    old = dev.kill("worker")
    dev.pay(booking)

    dev.wait_for(booking, "CONFIRMED")
    dev.wait_for_new("worker", old)


def test_worker_killed_again_and_again_while_it_works(dev: Running):
    booking = dev.create(slot=1, customerEmail="again@example.com")
    dev.pay(booking)
    for _ in range(3):
        old = dev.kill("worker")
        dev.wait_for_new("worker", old)

    dev.wait_for(booking, "CONFIRMED")
    wait_until(
        lambda: [m for m in dev.mails("again@") if m["subject"].startswith("Confirmed")], seconds=70, what="the mail"
    )


def test_clock_killed_with_the_notice_lost(dev: Running):
    booking = dev.create(slot=2)
    dev.pay(booking, notify="lost")
    old = dev.kill("clock")

    dev.wait_for(booking, "CONFIRMED")
    dev.wait_for_new("clock", old)


def test_watcher_killed_while_usdt_arrives_on_chain(dev: Running):
    booking = dev.create(slot=6, method="onchain", network="TRC20", customerEmail="chain@example.com")
    old = dev.kill("watcher")
    dev.control("chains/TRC20/send", {"to": booking["paymentAddress"], "amount": booking["amount"]})

    dev.wait_for_new("watcher", old)
    dev.wait_for(booking, "CONFIRMED", seconds=60)


def test_web_killed_while_the_notice_comes(dev: Running):
    booking = dev.create(slot=3)
    old = dev.kill("web")
    dev.pay(booking)

    dev.wait_for_new("web", old)
    dev.wait_for(booking, "CONFIRMED")


def test_redis_killed_and_its_data_deleted(dev: Running):
    booking = dev.create(slot=4)
    old = dev.kill("redis")
    shutil.rmtree(dev.ready_file.parent / "redis")
    dev.pay(booking)

    dev.wait_for_new("redis", old)
    dev.wait_for(booking, "CONFIRMED")


def test_database_killed_while_the_notice_comes(dev: Running):
    booking = dev.create(slot=5)
    old = dev.kill("mongodb")
    dev.pay(booking)

    dev.wait_for_new("mongodb", old)
    dev.wait_for(booking, "CONFIRMED")


def test_everything_killed_before_the_deadline_frees_the_slot_all_the_same(dev: Running):
    slot = dev.slots("deep-dive")[9]
    booking = dev.create("deep-dive", slotStart=slot["start"])
    time.sleep(1)
    for name in ("clock", "worker", "redis", "web"):
        dev.kill(name)

    dev.wait_for(booking, "EXPIRED", seconds=36 + 60)
    assert slot in dev.slots("deep-dive")
