"""Executes a request once per Idempotency-Key, even if the process died during the first attempt.

Follows the contract of https://docs.stripe.com/api/idempotent_requests : the same key and body return the first
answer's code again (with the current booking); another body is a conflict; refusals are not kept. If an outside
service's outcome is unknown, the same key continues with the same token.
"""

import hashlib
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from inspired.adapters.mongo.idempotency_keys import KeyUse
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.states import State
from inspired.domain.shared.errors import Conflict, NotFound, Refusal, UpstreamError
from inspired.services import Services

WAIT_SECONDS = 2.0
DEAD_AFTER = timedelta(seconds=10)  # longer than any request may take: the process that held the key is gone
LONGEST_KEY = 255


def once(
    svc: Services, key: str, body: dict[str, Any], token: str, make: Callable[[str], tuple[int, Booking]]
) -> tuple[int, Booking]:
    """`make(token)` returns a status code and the booking made with that token."""
    name = hashlib.sha256(key.encode()).hexdigest()
    use = KeyUse(_fingerprint(svc, body), token, 0, svc.now())
    before = svc.keys.take(name, use)
    if before is None:
        return _made(svc, name, lambda: make(use.token))
    if before.body != use.body:
        raise Conflict("This Idempotency-Key was used with another request.")
    before = _waited_for(svc, name, before)
    if before.status:
        return before.status, svc.bookings.by_token(before.token)
    if svc.now() - before.at < DEAD_AFTER or not svc.keys.taken_over(name, before, svc.now()):
        raise Conflict("The first request with this Idempotency-Key is still at work.", retry_after=2)
    token = before.token
    return _made(svc, name, lambda: _already_made(svc, token) or make(token))


def _made(svc: Services, name: str, make: Callable[[], tuple[int, Booking]]) -> tuple[int, Booking]:
    try:
        status, booking = make()
    except Refusal:
        svc.keys.given_back(name)
        raise
    except UpstreamError as error:
        if error.maybe_applied:
            svc.keys.left_open(name, svc.now() - DEAD_AFTER)
        else:
            svc.keys.given_back(name)
        raise
    svc.keys.answered(name, status)
    return status, booking


def _already_made(svc: Services, token: str) -> tuple[int, Booking] | None:
    """If an earlier try made the booking but never answered."""
    try:
        booking = svc.bookings.by_token(token)
    except NotFound:
        return None
    return None if booking.state is State.DRAFT else (202, booking)


def _waited_for(svc: Services, name: str, use: KeyUse) -> KeyUse:
    end = time.monotonic() + WAIT_SECONDS
    while not use.status and svc.now() - use.at < DEAD_AFTER and time.monotonic() < end:
        time.sleep(0.05)
        use = svc.keys.find(name) or use
    return use


def _fingerprint(svc: Services, body: dict[str, Any]) -> str:
    """Fingerprint of the parsed JSON, independent of spaces and order. Keyed, since the body contains an email
    address."""
    return svc.vault.fingerprint("idempotency", json.dumps(body, sort_keys=True, separators=(",", ":")))
