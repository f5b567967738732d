"""Sends signed notices as Binance does: at its own pace, each on a connection of its own, again where it was not taken.

Open loop: a slow answer delays nobody else. Bounded by the number of notices and by six more tries for each.
"""

import heapq
import http.client
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bench.product import Product
from inspired.domain.booking.booking import Booking
from inspired.domain.shared.batches import batches

CONNECTIONS = 256  # at once; more would be waiting for their turn
RETRIES = 6
FIRST_PAUSE = 0.5  # seconds, doubled with every try
PATIENCE = 10.0
SIGNED_AT_ONCE = 100  # orders: some hundred RSA signatures take a second


@dataclass(frozen=True, slots=True)
class Notice:
    """Ready to be sent. `what` is Binance's bizStatus."""

    order: str
    what: str
    headers: dict[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One try. `late`: seconds after its time that it was sent; `status` 0: no answer came; `ms`: until the answer."""

    notice: Notice
    order: int
    late: float
    ms: float
    status: int
    accepted: bool


def notices_of(product: Product, bookings: list[Booking], refused_refunds: int) -> list[Notice]:
    """All of these orders are paid now, and nobody was told: here is what Binance would say, signed by its key."""
    told: list[dict[str, Any]] = []
    for some in batches(bookings, SIGNED_AT_ONCE):
        wanted = {"orders": [one.orders[-1].trade_no for one in some], "refused_refunds": refused_refunds}
        told += product.dev.control("bulk/notices", wanted)
    return [Notice(one["order"], one["what"], one["headers"], one["body"]) for one in told]


class Sender:
    def __init__(self, web: str, notices: Sequence[Notice], a_second: float, *, retries: int = RETRIES) -> None:
        self._netloc = urlsplit(web).netloc
        self._last_order = 1 + retries
        self._changed = threading.Condition()
        begun = time.monotonic()
        self._waiting = [(begun + place / a_second, place, 1, notice) for place, notice in enumerate(notices)]
        self._under_way = 0
        self.answers: list[Answer] = []

    def run(self) -> list[Answer]:
        """Every try, in the order of their answers."""
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            while (due := self._next()) is not None:
                pool.submit(self._sent, *due)
        return self.answers

    def _next(self) -> tuple[float, int, int, Notice] | None:
        """The next one, at its time; None when there is none and none can come any more."""
        with self._changed:
            while self._waiting or self._under_way:
                wait = self._waiting[0][0] - time.monotonic() if self._waiting else None
                if wait is not None and wait <= 0:
                    self._under_way += 1
                    return heapq.heappop(self._waiting)
                self._changed.wait(wait)
        return None

    def _sent(self, due: float, place: int, order: int, notice: Notice) -> None:
        begun = time.monotonic()
        status, accepted = self._posted(notice)
        ended = time.monotonic()
        with self._changed:
            self.answers.append(Answer(notice, order, begun - due, 1000 * (ended - begun), status, accepted))
            if not accepted and order < self._last_order:
                again = ended + FIRST_PAUSE * 2 ** (order - 1)
                heapq.heappush(self._waiting, (again, place, order + 1, notice))
            self._under_way -= 1
            self._changed.notify()

    def _posted(self, notice: Notice) -> tuple[int, bool]:
        connection = http.client.HTTPConnection(self._netloc, timeout=PATIENCE)
        headers = {"Content-Type": "application/json", **notice.headers}
        try:
            connection.request("POST", "/api/payments/webhook", notice.body.encode(), headers)
            answer = connection.getresponse()
            return answer.status, answer.status == 200 and b"SUCCESS" in answer.read()
        except (OSError, http.client.HTTPException):
            return 0, False
        finally:
            connection.close()
