"""What depends on the next free time, on a day or on a zone holds at moments when that is odd, the whole of which
`make soak` goes through."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pymongo
import pytest
import redis
import requests

from tests import clocks, harness

pytestmark = [
    pytest.mark.slow,
    pytest.mark.no_cover,
    pytest.mark.timeout(900),
    pytest.mark.skipif(clocks.library() is None, reason="libfaketime's wheel is for Linux on x86-64"),
]
# The files in which calls are booked so and so long before they begin, and money goes back by that.
TELLING = (
    "tests/domain/catalogue/test_availability.py",
    "tests/flows/booking/test_calendar_webhooks.py",
    "tests/flows/catalogue/test_own_calendar.py",
    "tests/web/admin/test_tickets.py",
)
ODD = {
    "Sunday, end of a month": (clocks.WEEK[-1], "Pacific/Kiritimati"),
    "before the clocks go forward": (clocks.CHANGES[0], "America/New_York"),
    "end of the year": (clocks.YEARS_END, "Asia/Kathmandu"),
    "29 February": (clocks.LEAP_DAY, "Australia/Lord_Howe"),
}


@pytest.mark.parametrize(("moment", "zone"), ODD.values(), ids=ODD)
def test_tests_hold_at_another_moment(moment: datetime, zone: str):
    done = clocks.run(TELLING, moment, zone, "-n0")

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


def test_every_process_that_a_run_starts_lives_at_the_moment(monkeypatch: pytest.MonkeyPatch):
    moment = clocks.LEAP_DAY
    for name, value in clocks.shifted(moment, "Asia/Kathmandu", now=datetime.now(UTC)).items():
        monkeypatch.setenv(name, value)
    for name in ("MONGODB_URI", "REDIS_URL", "SANDBOX_URL"):
        monkeypatch.delenv(name, raising=False)
    program = "import datetime; print(datetime.datetime.now(datetime.UTC).isoformat())"

    python = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    with (
        harness.mongodb() as mongodb,
        harness.redis_server() as queue,
        harness.sandbox_server() as sandbox,
        pymongo.MongoClient[Any](mongodb, tz_aware=True) as database,
        redis.Redis.from_url(queue) as connection,
    ):
        stand_in = requests.get(f"{sandbox}/control/clock", timeout=5).json()["now"]
        shown = {
            "database": database.admin.command("hello", codec_options=database.codec_options)["localTime"],
            "Redis": datetime.fromtimestamp(connection.time()[0], UTC),
            "stand-in": datetime.fromisoformat(stand_in),
            "Python": datetime.fromisoformat(python.strip()),
        }

    assert {name: at for name, at in shown.items() if not moment <= at < moment + timedelta(minutes=5)} == {}


def test_the_moments_cover_a_week_by_six_hours_and_the_days_that_are_odd():
    hours = [(at.weekday(), at.hour // 6) for at in clocks.WEEK]

    assert sorted(hours) == [(day, quarter) for day in range(7) for quarter in range(4)]
    assert {at.strftime("%m-%d") for at in clocks.MOMENTS} >= {"01-31", "02-29", "03-28", "10-31", "12-31"}
