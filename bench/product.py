"""The running product, many customers of it, and a calendar that never fills up.

Every customer has an address of their own (a trusted proxy's header says so), so the limits can stay as they are in
production; only polls may come as fast as they can.
"""

import base64
import contextlib
import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import pymongo
import redis
from pymongo.collection import Collection

from inspired.adapters.mongo.documents import booking_in, booking_out
from inspired.domain.booking.booking import Booking
from inspired.domain.shared.slots import Span
from tests.journeys.running import AS_SOLD, Running, running

SERVER = {"WEB_CONCURRENCY": "2", "WEB_THREADS": "64"}
ENVIRONMENT = {
    **SERVER,
    **AS_SOLD,
    "CALENDAR": "builtin",
    "TRUSTED_PROXIES": "1",
    "PAYMENT_EXPIRY_MINUTES": "60",
    "RATE_LIMIT_CREATE": "10/minute",
    "RATE_LIMIT_STATUS": "1000000000/minute",
    "OPEN_BOOKINGS_PER_VISITOR": "3",
    "ENCRYPTION_KEYS": "v1:" + base64.b64encode(b"e" * 32).decode(),  # known here, for bookings written in bulk
    "BLIND_INDEX_KEY": base64.b64encode(b"i" * 32).decode(),
}
IDLE_SECONDS = 10  # a connection that rested longer may have been closed by the server
BEYOND = timedelta(days=42)  # further than any booking may be made


@dataclass
class Product:
    """One running product."""

    dev: Running
    _customers: int = 0
    _free: list[str] = field(default_factory=list)
    _moves: int = 0
    _asked: float = 0.0

    @cached_property
    def bookings(self) -> Collection[dict[str, Any]]:
        ready = self.dev.ready
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(ready["mongodb_uri"], tz_aware=True)
        return client[ready["database"]]["bookings"]

    @cached_property
    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(urlsplit(self.dev.web).netloc, timeout=10)

    def book(self, key: str | None = None, **more: str) -> tuple[dict[str, Any], float]:
        """The answer to `create`, and how many ms it took."""
        if not self._free:
            self._clear_calendar()
        self._customers += 1
        number = self._customers
        body = {
            "meetingTypeId": "quick-question",
            "customerEmail": f"customer-{number}@example.com",
            "customerName": f"Customer {number}",
            "slotStart": self._free.pop(0),
            **more,
        }
        headers = {
            "Content-Type": "application/json",
            "X-Forwarded-For": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
            **({"Idempotency-Key": key} if key else {}),
        }
        sent = json.dumps(body).encode()
        if time.monotonic() - self._asked > IDLE_SECONDS:
            self._connection.close()  # the next request opens it again
        begun = time.perf_counter()
        self._connection.request("POST", "/api/payments/create", sent, headers)
        answer = self._connection.getresponse()
        said = answer.read()
        took = 1000 * (time.perf_counter() - begun)
        self._asked = time.monotonic()
        if answer.status != 201:
            raise SystemExit(f"create answered {answer.status}: {said.decode()}")
        found: dict[str, Any] = json.loads(said)
        return found, took

    def waiting_jobs(self) -> int:
        with redis.Redis.from_url(self.dev.ready["redis_url"]) as connection:
            return sum(int(connection.llen(key)) for key in connection.scan_iter("rq:queue:*"))

    def confirmed(self, bookings: list[dict[str, Any]]) -> int:
        """How many of these are CONFIRMED by now."""
        tokens = [booking["bookingId"] for booking in bookings]
        return self.bookings.count_documents({"token": {"$in": tokens}, "state": "CONFIRMED"})

    def _clear_calendar(self) -> None:
        """Move the calls that are there to a later time, in the database, as a month of slots holds only some 300."""
        self._moves += 1
        start = datetime.now(UTC) + BEYOND
        for found in self.bookings.find({"slot.start": {"$lt": start}}):
            self._move(found, BEYOND * self._moves)
        now = datetime.now(UTC)
        asked = {"from": now.isoformat(), "to": (now + timedelta(days=30)).isoformat()}
        url = f"{self.dev.web}/api/meeting-types/quick-question/slots"
        self._free = [one["start"] for one in self.dev.http.get(url, params=asked, timeout=10).json()["slots"]]

    def _move(self, found: dict[str, Any], by: timedelta) -> None:
        """By version, like every other write; whoever is at work on it meanwhile reads it again."""
        same = {"_id": found["_id"], "version": found["version"]}
        if not self.bookings.replace_one(same, booking_out(_later(booking_in(found), by))).modified_count:
            again = self.bookings.find_one({"_id": found["_id"]})
            if again:
                self._move(again, by)


def _later(booking: Booking, by: timedelta) -> Booking:
    if booking.slot is None:
        raise ValueError("a booking without a time is not found by it")
    span = Span(booking.slot.span.start + by, booking.slot.span.end + by)
    return replace(booking, version=booking.version + 1, slot=replace(booking.slot, span=span))


@contextlib.contextmanager
def started() -> Iterator[Product]:
    with running(None, **ENVIRONMENT) as dev:
        product = Product(dev)
        yield product
        if "bookings" in vars(product):
            product.bookings.database.client.close()
