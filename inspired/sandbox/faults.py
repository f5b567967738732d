"""What goes wrong next: faults armed by a test or from the page, each for a number of calls.

refuse                connection reset, nothing applied
timeout               hangs, then drops the connection, nothing applied
accept_then_timeout   applied, then hangs and drops the connection
http_500  http_429    an error status, nothing applied; the 429 is not JSON
html                  HTTP 200 with a web page, nothing applied
slow                  applied and answered, but late

Binance Pay alone refuses every call, whatever it is about (nothing applied):

key_refused           400004: the key was revoked, or this address is not on its list
signature_refused     400002, in the shape the FAQ prints, without a status
account_refused       400606: the product is not enabled for the merchant
region_refused        HTTP 451 from the gateway: a restricted location, in no envelope of the API
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

FAULTS = ("refuse", "timeout", "accept_then_timeout", "http_500", "http_429", "html", "slow")
# HTTP status and body. The texts are Binance's own as far as they are known; that of 400606 is not.
REFUSALS: dict[str, tuple[int, dict[str, Any]]] = {
    "key_refused": (
        401, {"status": "FAIL", "code": "400004", "errorMessage": "Invalid API-key, IP, or permissions for action."},
    ),
    "signature_refused": (406, {"code": "400002", "msg": "Signature for this request is not valid."}),
    "account_refused": (403, {"status": "FAIL", "code": "400606", "errorMessage": "Merchant access forbidden."}),
    "region_refused": (
        451, {"code": 0, "msg": "Service unavailable from a restricted location according to 'b. Eligibility'."},
    ),
}  # fmt: skip
KINDS = {"binance": (*FAULTS, *REFUSALS), "calendly": FAULTS}
CALLS = {
    "binance": ("create", "query", "close", "refund", "refund_query", "certificates", "any"),
    "calendly": (
        "me", "event_types", "available_times", "events", "event", "invitee", "cancel", "create_invitee",
        "webhook_subscriptions", "any",
    ),
}  # fmt: skip
_DEFAULT_SLOW_S = 2.0


@dataclass
class Fault:
    service: str
    call: str
    fault: str
    times: int = 1
    delay_s: float | None = None


class Faults:
    """The armed faults, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[Fault] = []
        self.stopping = threading.Event()

    def arm(self, faults: list[Fault]) -> None:
        with self._lock:
            self._armed += faults

    def clear(self) -> None:
        with self._lock:
            self._armed.clear()

    def armed(self) -> dict[str, list[dict[str, Any]]]:
        with self._lock:
            return {service: [_shown(fault) for fault in self._armed if fault.service == service] for service in CALLS}

    def take(self, service: str, call: str) -> Fault | None:
        """The first fault that fits this call, used up by one."""
        with self._lock:
            for fault in self._armed:
                if fault.service == service and fault.call in (call, "any"):
                    fault.times -= 1
                    if fault.times <= 0:
                        self._armed.remove(fault)
                    return fault
        return None

    def wait(self, seconds: float) -> None:
        """Hang, but not beyond the end of the process."""
        self.stopping.wait(seconds)


def _shown(fault: Fault) -> dict[str, Any]:
    return {key: value for key, value in asdict(fault).items() if key != "service" and value is not None}


def parse_faults(body: dict[str, Any]) -> list[Fault]:
    """`{binance?: [{call, fault, times?, delay_s?}], calendly?: …}`; ValueError says what is wrong."""
    unknown = set(body) - set(CALLS)
    if unknown:
        raise ValueError(f"unknown service {sorted(unknown)[0]}; known are binance and calendly")
    return [fault for service, entries in body.items() for fault in _parse_entries(service, entries)]


def _parse_entries(service: str, entries: object) -> list[Fault]:
    if not isinstance(entries, list):
        raise ValueError(f"{service} must be a list")
    return [_parse_entry(service, entry) for entry in entries]


def _parse_entry(service: str, entry: object) -> Fault:
    if not isinstance(entry, dict):
        raise ValueError(f"{service}: each fault is an object")
    unknown = set(entry) - {"call", "fault", "times", "delay_s"}
    if unknown:
        raise ValueError(f"{service}: unknown field {sorted(unknown)[0]}")
    call, kind, times, delay = entry.get("call"), entry.get("fault"), entry.get("times", 1), entry.get("delay_s")
    if call not in CALLS[service]:
        raise ValueError(f"{service}: call must be one of {', '.join(CALLS[service])}")
    if kind not in KINDS[service]:
        raise ValueError(f"{service}: fault must be one of {', '.join(KINDS[service])}")
    if isinstance(times, bool) or not isinstance(times, int) or not 1 <= times <= 1_000_000:
        raise ValueError(f"{service}: times must be a whole number from 1")
    return Fault(service=service, call=call, fault=kind, times=times, delay_s=_parse_delay(service, delay))


def _parse_delay(service: str, delay: object) -> float | None:
    if delay is None:
        return None
    if isinstance(delay, bool) or not isinstance(delay, int | float | Decimal) or not 0 <= delay <= 600:
        raise ValueError(f"{service}: delay_s must be 0 to 600 seconds")
    return float(delay)


def slow_s(fault: Fault) -> float:
    return _DEFAULT_SLOW_S if fault.delay_s is None else fault.delay_s
