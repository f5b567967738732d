"""Detects that a service refuses all our calls: a revoked key, an unserved address or region.

Calls go on, since the next may be accepted, but nothing new is started. Three refusals in a row pause sales: of any
calls, or of the call needed for selling, whatever other calls return meanwhile. The pause ends

- with the first accepted call of a kind that was refused before, or
- if only some calls are refused: ten minutes after the last refusal. The next order then serves as the probe; if it is
  refused too, the pause starts again.

Kept in Redis for all processes, and in each process while Redis is away. Times are whole microseconds.
"""

import threading
from dataclasses import dataclass
from typing import Any

import redis

SECOND = 1_000_000
PAUSE_AFTER = 3
HOLD = 600 * SECOND
MEMORY_MS = 3_600_000
LONGEST_WORDS = 200
LONGEST_CALL = 60 * SECOND  # a refusal further in the future was recorded by a wrong clock
ANY, SELLING = "any", "selling"  # the counters


@dataclass(frozen=True, slots=True)
class Refused:
    """The recorded refusals: `times` in a row, the last one at `at`."""

    code: str
    words: str
    times: int
    since: int
    at: int

    @property
    def until(self) -> int:
        return self.at + HOLD

    def holds(self, now: int) -> bool:
        return self.at - LONGEST_CALL <= now < self.until


class BooksOfAll:
    """The shared record in Redis. Raises redis.RedisError. Concurrent writes may miscount by one, which does not
    matter."""

    def __init__(self, connection: redis.Redis, service: str) -> None:
        self._redis = connection
        self.key = f"refusals:{service}"

    def refused(self, now: int, call: str, *, code: str, words: str, sells: bool) -> bool:
        """True if the pause started with this refusal."""
        before = self.read()
        with self._redis.pipeline() as pipe:
            pipe.hincrby(self.key, ANY, 1)
            if sells:
                pipe.hincrby(self.key, SELLING, 1)
            pipe.hsetnx(self.key, "since", now)
            pipe.hset(self.key, mapping={_of(call): 1, "at": now, "code": code, "words": words[:LONGEST_WORDS]})
            pipe.pexpire(self.key, MEMORY_MS)
            pipe.execute()
        return before is None and self.read() is not None

    def accepted(self, sent_at: int, call: str) -> bool:
        """True if the pause ended with this answer."""
        before, fields = self.read(), self._fields()
        if not fields or _is_older(sent_at, fields):
            return False
        if _of(call) in fields:
            self._redis.delete(self.key)
        else:
            with self._redis.pipeline() as pipe:
                pipe.hset(self.key, ANY, 0)
                pipe.pexpire(self.key, MEMORY_MS)
                pipe.execute()
        return before is not None and self.read() is None

    def read(self) -> Refused | None:
        return _read(self._fields())

    def _fields(self) -> dict[str, Any]:
        found = self._redis.hgetall(self.key)
        return {name.decode(): value.decode("utf-8", "replace") for name, value in found.items()}  # type: ignore[union-attr]


class Books:
    """The same record for this process alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fields: dict[str, Any] = {}

    def __bool__(self) -> bool:
        return bool(self._fields)

    def refused(self, now: int, call: str, *, code: str, words: str, sells: bool) -> bool:
        with self._lock:
            before, fields = _read(self._fields), self._fields
            fields[ANY] = fields.get(ANY, 0) + 1
            fields[SELLING] = fields.get(SELLING, 0) + int(sells)
            fields.setdefault("since", now)
            fields |= {_of(call): 1, "at": now, "code": code, "words": words[:LONGEST_WORDS]}
            return before is None and _read(fields) is not None

    def accepted(self, sent_at: int, call: str) -> bool:
        with self._lock:
            before = _read(self._fields)
            if _is_older(sent_at, self._fields):
                return False
            if _of(call) in self._fields:
                self._fields = {}
            else:
                self._fields[ANY] = 0
            return before is not None and _read(self._fields) is None

    def read(self) -> Refused | None:
        with self._lock:
            return _read(self._fields)


def _is_older(sent_at: int, fields: dict[str, Any]) -> bool:
    """True if the refusal is more recent than the call that was answered."""
    at = int(fields.get("at", 0))
    return sent_at < at <= sent_at + LONGEST_CALL


def _of(call: str) -> str:
    """The field that records a refusal of this call."""
    return f"call:{call}"


def _read(fields: dict[str, Any]) -> Refused | None:
    times = max(int(fields.get(ANY, 0)), int(fields.get(SELLING, 0)))
    if times < PAUSE_AFTER or "at" not in fields:
        return None
    return Refused(
        str(fields.get("code", "")),
        str(fields.get("words", "")),
        times,
        int(fields.get("since", fields["at"])),
        int(fields["at"]),
    )
