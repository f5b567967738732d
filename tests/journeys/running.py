"""The whole product as `inspired dev` starts it, and the calls a customer or a machine makes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from inspired.adapters.process.processes import following_parent
from tests.harness import ROOT, wait_until

AS_SOLD = {"REQUEST_SECONDS": "2.3"}  # for whoever measures, or breaks, what stands behind the web server
FINAL = {"CONFIRMED", "EXPIRED", "CANCELLED", "REFUNDED"}


@dataclass
class Running:
    """One running product. `ready` is the ready file as it stands now."""

    ready_file: Path
    process: subprocess.Popen[bytes]
    http: requests.Session = field(default_factory=requests.Session)

    @property
    def ready(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ready_file.read_text())
        return found

    @property
    def web(self) -> str:
        return str(self.ready["web"])

    def slots(self, type_id: str) -> list[dict[str, str]]:
        now = datetime.now(UTC)
        asked = {"from": now.isoformat(), "to": (now + timedelta(days=21)).isoformat()}
        answer = self.http.get(f"{self.web}/api/meeting-types/{type_id}/slots", params=asked, timeout=30)
        answer.raise_for_status()
        found: list[dict[str, str]] = answer.json()["slots"]
        return found

    def create(self, type_id: str = "quick-question", *, slot: int = 0, **more: Any) -> dict[str, Any]:
        body = {
            "meetingTypeId": type_id,
            "customerEmail": "ann@example.com",
            "customerName": "Ann",
            "slotStart": self.slots(type_id)[slot]["start"],
            **more,
        }
        answer = self.http.post(f"{self.web}/api/payments/create", json=body, timeout=30)
        assert answer.status_code in (201, 202), answer.text
        found: dict[str, Any] = answer.json()
        if answer.status_code == 202:  # a busy machine: the order follows
            found["merchantTradeNo"] = wait_until(lambda: self.order_of(found), seconds=30, what="the order")
        return found

    def order_of(self, booking: dict[str, Any]) -> str | None:
        """Its number, once the stand-in has it."""
        mine = str(booking["merchantTradeNo"])[:24]
        numbers = [str(one["merchantTradeNo"]) for one in self.control("orders")]
        return next((one for one in numbers if one.startswith(mine)), None)

    def status(self, booking: dict[str, Any]) -> dict[str, Any]:
        answer = self.http.get(f"{self.web}/api/payments/status/{booking['bookingId']}", timeout=30)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def wait_for(self, booking: dict[str, Any], wanted: str, *, seconds: float = 60) -> dict[str, Any]:
        """Polls like the page does, through whatever is broken meanwhile."""

        def there() -> dict[str, Any] | None:
            found = self.status(booking)
            return found if found["status"] == wanted else None

        found: dict[str, Any] = wait_until(there, seconds=seconds, what=f"{wanted} of {booking['merchantTradeNo']}")
        return found

    def control(self, path: str, body: dict[str, Any] | None = None) -> Any:
        url = f"{self.ready['sandbox']}/control/{path}"
        answer = self.http.get(url, timeout=30) if body is None else self.http.post(url, json=body, timeout=30)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def pay(self, booking: dict[str, Any], **how: Any) -> None:
        self.control(f"orders/{booking['merchantTradeNo']}/pay", how)

    def order(self, booking: dict[str, Any]) -> dict[str, Any]:
        orders = self.control("orders")
        found: dict[str, Any] = next(one for one in orders if one["merchantTradeNo"] == booking["merchantTradeNo"])
        return found

    def mails(self, to: str = "") -> list[dict[str, Any]]:
        found = self.http.get(f"{self.ready['mail']}/api/messages", timeout=30).json()
        return [one for one in found if to in str(one["to"])]

    def kill(self, name: str) -> int:
        """kill -9 of one process; answers its pid."""
        pid = int(self.ready["pids"][name])
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_for_new(self, name: str, old: int) -> None:
        wait_until(lambda: self.ready["pids"][name] != old, seconds=20, what=f"a new {name}")


@contextlib.contextmanager
def running(data: Path | None = None, **env: str) -> Iterator[Running]:
    """`inspired dev` with roomy limits, and time for a machine with a lot to do; whatever `env` says wins."""
    roomy = {
        "BINANCE_CALLS_PER_SECOND": "1000",
        "RATE_LIMIT_CREATE": "100000/minute",
        "RATE_LIMIT_STATUS": "100000/minute",
        "RATE_LIMIT_VERIFY": "100000/minute",
        "OPEN_BOOKINGS_PER_VISITOR": "1000",
        "ADDRESSES_PER_VISITOR": "1000",
        "ADDRESS_GAP_LIMIT": "1000",
        "REQUEST_SECONDS": "20",
    }
    with contextlib.ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ready_file, log = folder / "ready.json", folder / "dev.log"
        ready_file.unlink(missing_ok=True)
        output = stack.enter_context(log.open("wb"))
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "inspired.cli",
                "dev",
                "--data",
                str(folder),
                "--ready-file",
                str(ready_file),
                "--port",
                "0",
            ],
            env={**os.environ, **roomy, **env},
            cwd=ROOT,
            stdout=output,
            stderr=output,
            preexec_fn=following_parent(),
        )
        try:
            wait_until(lambda: ready_file.exists() or process.poll() is not None, seconds=120, what="inspired dev")
            assert ready_file.exists(), log.read_text()
            one = Running(ready_file, process)
            stack.callback(one.http.close)
            yield one
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
            time.sleep(0.1)
