"""What the sandbox's tests share: a running sandbox, a merchant who signs by himself, a receiver of webhooks."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import socket
import string
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import requests

API_KEY, SECRET, TOKEN = "sandbox-test-key", "sandbox-test-secret", "calendly-test-token"
T = TypeVar("T")
NOTICE_S = 7_200
ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(look: Callable[[], T], within: float = 5.0) -> T:
    """What `look` gives as soon as it is true; fails when it stays false."""
    deadline = time.monotonic() + within
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"nothing within {within} s"
        time.sleep(0.02)


def start_sandbox(port: int, *more: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "SANDBOX_API_KEY": API_KEY, "SANDBOX_SECRET_KEY": SECRET, "SANDBOX_CALENDLY_TOKEN": TOKEN
    }  # fmt: skip
    command = [sys.executable, "-m", "inspired.sandbox", "--port", str(port), *more]
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL)

    def healthy() -> bool:
        assert process.poll() is None, "the sandbox did not start"
        try:
            return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=2).ok
        except requests.ConnectionError:
            return False

    eventually(healthy, within=15)
    return process


@contextmanager
def running_sandbox(*more: str) -> Iterator[World]:
    port = free_port()
    process = start_sandbox(port, *more)
    with requests.Session() as session:
        try:
            yield World(f"http://127.0.0.1:{port}", session)
        finally:
            process.terminate()
            process.wait(10)


@dataclass
class World:
    """One sandbox, seen by a merchant, by a Calendly client, and by a test that pulls the strings."""

    url: str
    session: requests.Session
    orders_made: int = field(default=0)

    # --- Binance Pay, signed here and not by the sandbox's own code ---

    def signed_headers(self, body: bytes, **changed: str) -> dict[str, str]:
        timestamp = changed.pop("timestamp", str(int(time.time() * 1000)))
        nonce = changed.pop("nonce", "".join(secrets.choice(string.ascii_letters) for _ in range(32)))
        secret = changed.pop("secret", SECRET)
        payload = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
        signature = hmac.new(secret.encode(), payload, hashlib.sha512).hexdigest().upper()
        return {
            "Content-Type": "application/json", "BinancePay-Timestamp": timestamp, "BinancePay-Nonce": nonce,
            "BinancePay-Certificate-SN": API_KEY, "BinancePay-Signature": signature, **changed,
        }  # fmt: skip

    def post(self, path: str, body: object, **changed: str) -> requests.Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = f"{self.url}/binancepay/openapi/{path}"
        return self.session.post(url, data=raw, headers=self.signed_headers(raw, **changed), timeout=20)

    def call(self, path: str, body: object) -> Any:
        return self.post(path, body).json()

    def order(self, **changed: object) -> dict[str, Any]:
        self.orders_made += 1
        number = f"order{self.orders_made}x{secrets.token_hex(8)}"
        goods = {
            "goodsType": "02", "goodsCategory": "Z000", "referenceGoodsId": "deep-dive", "goodsName": "Deep dive"
        }  # fmt: skip
        body: dict[str, Any] = {
            "env": {"terminalType": "WEB"}, "merchantTradeNo": number, "orderAmount": "150.00", "currency": "USDT",
            "description": "Deep dive, 90 min", "goodsDetails": [goods],
        }  # fmt: skip
        return {name: value for name, value in (body | changed).items() if value is not None}

    def create(self, **changed: object) -> dict[str, Any]:
        """A created order: what was sent and what came back in one."""
        body = self.order(**changed)
        answer = self.call("v3/order", body)
        assert answer["status"] == "SUCCESS", answer
        return {**body, **answer["data"]}

    def status(self, order: dict[str, Any]) -> str:
        return str(self.call("v2/order/query", {"merchantTradeNo": order["merchantTradeNo"]})["data"]["status"])

    # --- the strings ---

    def control(self, path: str, body: object = None, method: str = "POST") -> Any:
        answer = self.session.request(method, f"{self.url}/control/{path}", json=body, timeout=20)
        assert answer.ok, answer.text
        return answer.json()

    def look(self, path: str) -> Any:
        return self.control(path, method="GET")

    def pay(self, order: dict[str, Any], **how: object) -> Any:
        return self.control(f"orders/{order['merchantTradeNo']}/pay", how)

    # --- Calendly ---

    def calendly(self, method: str, path: str, **more: Any) -> requests.Response:
        url = path if path.startswith("http") else f"{self.url}/calendly/{path}"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return self.session.request(method, url, headers=headers, timeout=20, **more)

    def event_type(self, slug: str) -> dict[str, Any]:
        user = self.calendly("GET", "users/me").json()["resource"]["uri"]
        listed = self.calendly("GET", "event_types", params={"user": user}).json()["collection"]
        return next(kind for kind in listed if kind["slug"] == slug)

    def free_times(self, slug: str, days: int = 14, beyond_notice_s: float = 120) -> list[str]:
        """Free times; by default none so near that the notice could run out before a test has booked it."""
        now = time.time() + self.look("clock")["offset_s"]
        from_now = NOTICE_S + beyond_notice_s if beyond_notice_s else 0
        span = {"start_time": stamp(now + from_now), "end_time": stamp(now + days * 86_400)}
        kind = {"event_type": self.event_type(slug)["uri"]}
        answer = self.calendly("GET", "event_type_available_times", params=kind | span)
        assert answer.status_code == 200, answer.text
        return [slot["start_time"] for slot in answer.json()["collection"]]

    def schedule(self, slug: str, start: str, **more: str) -> requests.Response:
        page = f"{self.url}/calendly/schedule/inspired-analyst/{slug}"
        fields = {"start_time": start, "name": "Ada Lovelace", "email": "ada@example.com"} | more
        return self.session.post(page, data=fields, headers={"Accept": "application/json"}, timeout=20)


def stamp(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


@dataclass(frozen=True)
class Received:
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def outer(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @property
    def data(self) -> dict[str, Any]:
        return dict(json.loads(self.outer["data"]))


class Receiver:
    """A merchant's webhook address. Answers come from the list, the last one again and again."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: list[tuple[int, str]] = [(200, '{"returnCode":"SUCCESS","returnMessage":null}')]
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append(Received({k.lower(): v for k, v in self.headers.items()}, body, time.time()))
                status, text = receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def wait_for(self, count: int, within: float = 5.0) -> list[Received]:
        eventually(lambda: len(self.received) >= count, within)
        return self.received

    def stays_at(self, count: int, seconds: float) -> None:
        """Nothing more comes for a while."""
        time.sleep(seconds)
        assert len(self.received) == count

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
