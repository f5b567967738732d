"""What heals by itself, and how soon: no notice ever comes, nobody looks, everything stood still for an hour."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest

from tests.faults.test_chaos import WRONG_CLOCK, not_at_rest
from tests.harness import wait_until
from tests.journeys.running import AS_SOLD, Running, running

pytestmark = pytest.mark.slow
PAGE_OPEN, PAGE_CLOSED, AFTER_START = 60, 120, 60  # seconds
HOUR = 3600


@pytest.fixture(scope="module")
def dev() -> Iterator[Running]:
    with running(CALENDAR="builtin", **AS_SOLD) as one:
        yield one


def state_of(dev: Running, booking: dict[str, Any]) -> str:
    """Out of the database: a look at the page would be a reason to ask Binance."""
    with pymongo.MongoClient[dict[str, Any]](dev.ready["mongodb_uri"], tz_aware=True) as client:
        found = client[dev.ready["database"]]["bookings"].find_one({"token": booking["bookingId"]})
    assert found is not None
    return str(found["state"])


def test_without_any_notice_an_open_page_is_confirmed(dev: Running):
    booking = dev.create(slot=0)
    dev.pay(booking, notify="lost")

    dev.wait_for(booking, "CONFIRMED", seconds=PAGE_OPEN)


@pytest.mark.timeout(PAGE_CLOSED + 60)
def test_without_any_notice_and_with_nobody_looking_it_is_confirmed(dev: Running):
    booking = dev.create(slot=1)
    dev.pay(booking, notify="lost")

    wait_until(
        lambda: state_of(dev, booking) == "CONFIRMED",
        seconds=PAGE_CLOSED,
        pause=0.5,
        what="confirmed with a closed page",
    )


@pytest.mark.timeout(240)
def test_after_an_hour_of_nothing_at_all_everything_comes_to_its_end(tmp_path: Path):
    clock = tmp_path / "clock-off"
    clock.write_text("0")
    env = {**AS_SOLD, "CALENDAR": "builtin", "PYTHONPATH": str(WRONG_CLOCK), "CLOCK_OFF": str(clock)}
    with running(tmp_path, **env) as dev:
        paid, unpaid, short = (dev.create(slot=slot, customerEmail=f"c{slot}@example.com") for slot in (0, 1, 2))
        dev.control("faults", {"binance": [{"call": "any", "fault": "http_500", "times": 50}]})
        dev.pay(paid, notify="lost")
        dev.pay(short, amount="1", notify="lost")

    clock.write_text(str(HOUR))
    shutil.rmtree(tmp_path / "redis")  # its pauses are of real time, of which no hour passes here
    with running(tmp_path, **env) as dev:
        with pymongo.MongoClient[dict[str, Any]](dev.ready["mongodb_uri"], tz_aware=True) as client:
            database = client[dev.ready["database"]]
            wait_until(lambda: not not_at_rest(database), seconds=AFTER_START, pause=0.5, what="rest")
        states = [state_of(dev, one) for one in (paid, unpaid, short)]

    assert states == ["CONFIRMED", "EXPIRED", "REFUNDED"]
