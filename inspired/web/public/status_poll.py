"""Status polls: thousands of pages asking every two seconds whether anything is new.

An unchanged booking costs one round trip to Redis, which counts the poll, reads the cached status and says whether it
is this poll's turn to look at the booking itself. Such a poll is answered before Flask by `Pulse`, a WSGI layer, and
looks once its answer is out; all others go on to the views, which find the count in the request. A client with a newer
version than the cached status, or a poll without one, is answered from MongoDB: nobody is shown an older state than
before.
"""

import contextlib
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import limits as counting
from flask import request

from inspired.adapters.process import deadline
from inspired.adapters.redis import status_cache
from inspired.adapters.redis.status_cache import CachedStatus
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.states import State
from inspired.domain.booking.status import iso
from inspired.domain.shared.errors import Busy, NotFound, TooMany
from inspired.services import Services, cached_status
from inspired.web.shared.current import services
from inspired.web.shared.rate_limits import Counter

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
STATUS_CALL = re.compile(rf"/api/payments/status/({TOKEN.pattern})")
FRAGMENT = re.compile(rf"/booking/({TOKEN.pattern})/payment")
EDITION = re.compile(r"(?:^|&)v=(\d{1,9})(?:&|$)", re.ASCII)
COUNTED = "inspired.pulse"
CHECK_AFTER_SECONDS = 7  # with the nudge's 4 s: at least every 15 s while somebody has the page open
DRAFT_BODY = b'{"success":true,"status":"DRAFT"'  # before a slot is chosen; unknown to the public API
LOOKS_AT_ONCE = 8  # per process
_looks_left = threading.BoundedSemaphore(LOOKS_AT_ONCE)
_polls_here = Counter(lambda svc: svc.settings.rate_limit_status, "status")


@dataclass(frozen=True, slots=True)
class CountedPoll:
    """The current status; `booking` is set only if MongoDB was read."""

    hint: CachedStatus
    booking: Booking | None


@dataclass(frozen=True, slots=True)
class Poll:
    """One incoming poll. `known`: the version its page or client has."""

    token: str
    known: int | None
    is_fragment: bool


class Pulse:
    """WSGI layer: answers polls of unchanged bookings itself and passes on the rest."""

    def __init__(self, app: "WSGIApplication", svc: Services) -> None:
        self._app = app
        self._svc = svc
        self._amount, self._window = limit(svc.settings.rate_limit_status)

    def __call__(self, environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        poll = _poll(environ)
        if poll is None:
            return self._app(environ, start_response)
        pulse = self._svc.status_cache.pulse(poll.token, self._window)
        answer = self._unchanged(poll, pulse)
        if answer is None:
            environ[COUNTED] = (pulse,)
            return self._app(environ, start_response)
        status, headers, body = answer
        start_response(status, headers)
        return _AnswerThenLook(self._svc, poll.token, body) if pulse is not None and pulse.nudge else [body]

    def _unchanged(
        self, poll: Poll, pulse: status_cache.Pulse | None
    ) -> tuple[str, list[tuple[str, str]], bytes] | None:
        if pulse is None or pulse.hint is None or pulse.count > self._amount:
            return None
        hint = pulse.hint
        if (poll.known is not None and hint.status_version < poll.known) or hint.body.startswith(DRAFT_BODY):
            return None
        if poll.is_fragment:
            return self._nothing_new() if poll.known == hint.status_version else None
        return status_answer(hint, poll.known, self._svc.now())

    def _nothing_new(self) -> tuple[str, list[tuple[str, str]], bytes]:
        """Includes our clock, so that the countdown is right even if the visitor's clock is wrong."""
        now = round(self._svc.now().timestamp() * 1000)
        return "204 No Content", [*_plain_headers(), ("X-Now", str(now))], b""


class _AnswerThenLook(list[bytes]):
    """An answer after which the booking is read: its status is published and, if it is time, its check brought forward.

    Servers call `close` when the answer is out (PEP 3333), so nobody waits for MongoDB. Few do this at once: while
    MongoDB is frozen, the other threads of this process go on answering polls.
    """

    def __init__(self, svc: Services, token: str, body: bytes) -> None:
        super().__init__([body])
        self._svc = svc
        self._token = token

    def close(self) -> None:
        if not _looks_left.acquire(blocking=False):
            return
        try:
            with deadline.within(self._svc.settings.request_seconds), contextlib.suppress(Busy, NotFound):
                _from_database(self._svc, self._token)  # if MongoDB is away, another poll looks in four seconds
        finally:
            _looks_left.release()


def news(token: str, known: int | None) -> Booking | None:
    """The booking, or None if the page's version `known` is still the latest. Raises TooMany, NotFound."""
    svc = services()
    pulsed = look(svc, token, known)
    if known is not None and pulsed.hint.status_version == known:
        return None
    return pulsed.booking or svc.bookings.by_token(token)


def look(svc: Services, token: str, known: int | None) -> CountedPoll:
    """Count this poll, unless that is done, and return the latest version. Raises TooMany, NotFound."""
    if TOKEN.fullmatch(token) is None:
        raise NotFound("There is no such booking.")
    amount, window = limit(svc.settings.rate_limit_status)
    (pulse,) = request.environ.get(COUNTED) or (svc.status_cache.pulse(token, window),)
    if pulse is None:
        _polls_here.count_here(svc, svc.vault.fingerprint("limit", token))
        return _from_database(svc, token)
    if pulse.count > amount:
        raise TooMany("This page asks too often. Please wait a moment.", max(1, round(pulse.window_left)))
    if pulse.hint is None or pulse.nudge or (known is not None and pulse.hint.status_version < known):
        return _from_database(svc, token)
    return CountedPoll(pulse.hint, None)


def shown(svc: Services, booking: Booking) -> Booking:
    """Publish a state about to be shown, so that no later poll gets an older one."""
    svc.status_cache.publish(booking.token, cached_status(booking))
    return booking


def status_answer(hint: CachedStatus, known: int | None, now: datetime) -> tuple[str, list[tuple[str, str]], bytes]:
    """The status call's WSGI answer: 304 if the client has this version, else the cached status and our time."""
    headers = [*_plain_headers(), ("ETag", f'"{hint.status_version}"')]
    if known == hint.status_version:
        return "304 Not Modified", headers, b""
    body = hint.body[:-1] + f',"serverTime":"{iso(now)}"}}'.encode()
    return "200 OK", [*headers, ("Content-Type", "application/json"), ("Content-Length", str(len(body)))], body


def known_version(tag: str | None) -> int | None:
    """From `If-None-Match` (the last of several); None for anything that is not a version of ours."""
    newest = (tag or "").rsplit(",", 1)[-1].strip()
    text = newest.removeprefix("W/").strip('"')
    return int(text) if text.isdecimal() and len(text) < 10 else None


@lru_cache
def limit(notation: str) -> tuple[int, int]:
    """The tightest of the limits given: how many, in how many seconds."""
    items = counting.parse_many(notation)
    item = min(items, key=lambda limit: limit.amount / limit.get_expiry())
    return item.amount, item.get_expiry()


def _poll(environ: dict[str, Any]) -> Poll | None:
    if environ["REQUEST_METHOD"] != "GET":
        return None
    path = environ["PATH_INFO"]
    if match := STATUS_CALL.fullmatch(path):
        return Poll(match[1], known_version(environ.get("HTTP_IF_NONE_MATCH")), is_fragment=False)
    if match := FRAGMENT.fullmatch(path):
        asked = EDITION.search(environ.get("QUERY_STRING", ""))
        return Poll(match[1], int(asked[1]) if asked else None, is_fragment=True)
    return None


def _plain_headers() -> list[tuple[str, str]]:
    return [("Cache-Control", "no-store")]


def _from_database(svc: Services, token: str) -> CountedPoll:
    booking = svc.bookings.by_token(token)
    hint = cached_status(shown(svc, booking))
    if _wants_a_check(svc, booking):
        svc.bookings.check_soon(booking.id, svc.now())
    return CountedPoll(hint, booking)


def _wants_a_check(svc: Services, booking: Booking) -> bool:
    """True if a live order's last query is too old: while a page is open, it is queried at least every 15 s."""
    order = booking.order
    if booking.state is not State.PENDING or order is None or not order.is_payable:
        return False
    last = order.seen_at or order.created_at
    return (svc.now() - last).total_seconds() >= CHECK_AFTER_SECONDS
