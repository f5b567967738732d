"""Notices to the merchant: signed, sent from background threads, sent again up to six times.

Binance asks for HTTP 200 with SUCCESS in the body, Calendly for any 2xx. Each delivery is signed anew with a fresh
timestamp. Notices live in the store until they are through, so a restart of the sandbox forgets none.
"""

from __future__ import annotations

import hashlib
import heapq
import hmac
import ipaddress
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests

from .config import Settings
from .keys import KeyRing, rsa_signature, wrong_key
from .store import Notice, Store

RETRIES = 6
WORKERS = 12
MOST_WAITING = 20_000


def is_loopback(url: object) -> bool:
    """Only this machine may be notified: a stand-in must never call out."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
        host, port_is_fine = parts.hostname or "", parts.port != 0
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not port_is_fine:
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Dispatcher:
    """Sends what is due. `deliveries` is what tests look at."""

    def __init__(self, store: Store, keys: KeyRing, settings: Callable[[], Settings]) -> None:
        self._store, self._keys, self._settings = store, keys, settings
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, str]] = []
        self._stopping = False
        self.deliveries: deque[dict[str, Any]] = deque(maxlen=5_000)

    def start(self) -> None:
        for notice in list(self._store.notices.values()):
            self._schedule(notice)
        for number in range(WORKERS):
            threading.Thread(target=self._work, name=f"webhook-{number}", daemon=True).start()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def send(self, notice: Notice) -> None:
        """Take over a notice. A receiver that is not on this machine gets none."""
        if not is_loopback(notice.url) or len(self._store.notices) >= MOST_WAITING:
            return
        self._store.put("notices", notice.id, notice)
        self._schedule(notice)

    def waiting(self) -> list[Notice]:
        with self._store.lock:
            return list(self._store.notices.values())

    def signature(self, body: str) -> dict[str, str]:
        """The headers Binance would send with this body, signed now."""
        key = self._keys.current
        return self._signature(body.encode(), key.serial, key.private_pem)

    def forget(self) -> None:
        with self._changed:
            self._waiting.clear()
            self.deliveries.clear()

    def _schedule(self, notice: Notice) -> None:
        with self._changed:
            heapq.heappush(self._waiting, (notice.due, notice.id))
            self._changed.notify()

    def _work(self) -> None:
        while (notice_id := self._next_due()) is not None:
            notice = self._store.notices.get(notice_id)
            if notice:
                self._deliver(notice)

    def _next_due(self) -> str | None:
        with self._changed:
            while not self._stopping:
                wait = self._waiting[0][0] - time.time() if self._waiting else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._waiting)[1]
                self._changed.wait(wait)
        return None

    def _deliver(self, notice: Notice) -> None:
        started, clock = time.time(), time.perf_counter()
        status, error, accepted = self._post(notice)
        self.deliveries.append({
            "order" if notice.kind == "binance" else "event": notice.about, "kind": notice.kind, "what": notice.what,
            "attempt": notice.order, "status": status, "accepted": accepted, "error": error, "forged": notice.forged,
            "altered": notice.altered_body is not None, "url": notice.url, "at": round(started, 3),
            "ms": round(1000 * (time.perf_counter() - clock), 1),
        })  # fmt: skip
        self._settle(notice, accepted)

    def _settle(self, notice: Notice, accepted: bool) -> None:
        with self._store.lock:
            if notice.id not in self._store.notices:
                return  # a reset came between
            if accepted or notice.order >= notice.last_order:
                self._store.put("notices", notice.id, None)
                return
            notice.due = time.time() + self._settings().webhook_retry_base_s * 2 ** (notice.order - 1)
            notice.order += 1
            self._store.put("notices", notice.id, notice)
        self._schedule(notice)

    def _post(self, notice: Notice) -> tuple[int | None, str | None, bool]:
        """(HTTP status, what went wrong, whether the receiver took it)."""
        body = notice.body.encode()
        headers = {"Content-Type": "application/json", "User-Agent": "inspired-sandbox", **self._signed(notice, body)}
        if notice.altered_body is not None:
            body = notice.altered_body.encode()
        try:
            with requests.Session() as session:
                session.trust_env = False  # no proxy: the receiver is on this machine
                answer = session.post(
                    notice.url, data=body, headers=headers,
                    timeout=self._settings().webhook_timeout_s, allow_redirects=False,
                )  # fmt: skip
        except requests.RequestException as error:
            return None, type(error).__name__, False
        if notice.kind == "calendly":
            return answer.status_code, None, 200 <= answer.status_code < 300
        return answer.status_code, None, answer.status_code == 200 and "SUCCESS" in answer.text

    def _signed(self, notice: Notice, body: bytes) -> dict[str, str]:
        if notice.kind == "calendly":
            return _calendly_signature(notice.signing_key, body)
        key = self._keys.current
        return self._signature(body, key.serial, wrong_key().private_pem if notice.forged else key.private_pem)

    def _signature(self, body: bytes, serial: str, pem: str) -> dict[str, str]:
        timestamp, nonce = str(int(time.time() * 1000)), self._store.letters(32)
        return {
            "BinancePay-Certificate-SN": serial,
            "BinancePay-Nonce": nonce,
            "BinancePay-Timestamp": timestamp,
            "BinancePay-Signature": rsa_signature(pem, timestamp, nonce, body),
        }


def _calendly_signature(signing_key: str | None, body: bytes) -> dict[str, str]:
    """`t=<unix seconds>,v1=<hex>` over `t.body`; no header for a subscription without a key."""
    if not signing_key:
        return {}
    now = str(int(time.time()))
    digest = hmac.new(signing_key.encode(), now.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"Calendly-Webhook-Signature": f"t={now},v1={digest}"}
