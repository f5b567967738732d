"""Whether a service refuses every call of ours: a key that was revoked, an address or a region that is not served.

Calls go on, since the next one may be taken, but nothing new is begun. Three such refusals in a row say so: of any
calls, or of the one without which nothing can be sold, whatever becomes of the others meanwhile. It is over

- with the first answer to a call that was refused before, or
- where only some calls are refused: ten minutes after the last refusal. The next order is then the probe, and if it is
  refused too, that is enough.

Kept in Redis for all processes, and by each process for itself while Redis is away. Times are whole microseconds.
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
LONGEST_CALL = 60 * SECOND  # a refusal further ahead than that was written down by a clock that was wrong
ANY, SELLING = "any", "selling"  # what is counted


@dataclass(frozen=True, slots=True)
class Refused:
    """As it stands in the books; `times` in a row, the last of them `at`."""

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
    """In Redis. Raises redis.RedisError. Two at once may miscount by one, which changes nothing that matters."""

    def __init__(self, connection: redis.Redis, service: str) -> None:
        self._redis = connection
        self.key = f"refusals:{service}"

    def refused(self, now: int, call: str, *, code: str, words: str, sells: bool) -> bool:
        """Whether the pause began with this one."""
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
        """Whether the pause ended with this answer."""
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
    """The same for this process alone."""

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
    """Whether the refusal is the newer news than the answer to a call that was sent then."""
    at = int(fields.get("at", 0))
    return sent_at < at <= sent_at + LONGEST_CALL


def _of(call: str) -> str:
    """The field that says that this call was refused."""
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
