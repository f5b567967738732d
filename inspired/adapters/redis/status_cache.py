"""The cached status for polls: a booking's public status and its poll count from Redis, in one round trip.

MongoDB is the truth. A cached status lives for seconds, its version only grows, and a client that presents a newer
version (a page, an ETag) is answered from MongoDB. No personal data: the key is the booking's public token, hashed.
"""

import hashlib
import time
from dataclasses import dataclass

import redis
import structlog

from inspired.adapters.redis.redis_server import why

NUDGE_EVERY_MS = 4_000  # how often a poll reads the booking, so that its check is brought forward in time
HINT_LIFE_MS = 10_000  # longer than that: while a page polls, no poll has to wait for the booking to be read
PAUSE = 1.0
REVISION = "bookings:revision"
CHANGED = "bookings:changed"  # the latest changes, "<revision>:<booking's id>"
MOST_CHANGES = 16
log = structlog.get_logger()

# KEYS: count, cached status, nudge. ARGV: window in ms, nudge interval in ms.
_PULSE = """
local count = redis.call('INCR', KEYS[1])
local left = ARGV[1]
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) else left = redis.call('PTTL', KEYS[1]) end
local hint = redis.call('GET', KEYS[2])
local nudge = false
if hint and string.sub(hint, 1, 1) == 'o' then nudge = redis.call('SET', KEYS[3], '1', 'NX', 'PX', ARGV[2]) end
return {count, left, hint, nudge and 1 or 0}
"""

# KEYS: cached status, revision, changed. ARGV: version, value, lifetime, the changed booking's id, number of changes
# kept. Never replaces a newer version by an older one.
_PUBLISH = """
if ARGV[4] ~= '' then
  redis.call('LPUSH', KEYS[3], redis.call('INCR', KEYS[2]) .. ':' .. ARGV[4])
  redis.call('LTRIM', KEYS[3], 0, ARGV[5] - 1)
end
local old = redis.call('GET', KEYS[1])
if old then
  local edition = tonumber(string.match(old, '^.(%d+)|'))
  if edition and edition > tonumber(ARGV[1]) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""


@dataclass(frozen=True, slots=True)
class CachedStatus:
    """`body` is the public status as JSON, without the server's time."""

    status_version: int
    is_open: bool
    body: bytes


@dataclass(frozen=True, slots=True)
class Pulse:
    """`count` polls of this booking in a window that ends in `window_left` s; `nudge`: bring its check forward."""

    count: int
    window_left: float
    hint: CachedStatus | None
    nudge: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """`revision` grows by one with each change of any booking; `newest`: the revisions and bookings of the latest."""

    revision: int
    newest: tuple[tuple[int, str], ...] = ()

    def since(self, revision: int) -> set[str] | None:
        """The ids of bookings changed after this revision; None if that is no longer known."""
        if revision > self.revision:
            return None
        told = self.newest[: self.revision - revision]
        if [number for number, _ in told] != list(range(self.revision, revision, -1)):
            return None
        return {booking_id for _, booking_id in told}


class StatusCache:
    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection
        self._pulse = connection.register_script(_PULSE)
        self._publish = connection.register_script(_PUBLISH)
        self._silent_until = 0.0

    def pulse(self, token: str, window_seconds: int) -> Pulse | None:
        """None if Redis does not answer: then count locally and read MongoDB."""
        if time.monotonic() < self._silent_until:
            return None
        name = _name(token)
        try:
            count, left, hint, nudge = self._pulse(
                keys=[f"poll:{name}", f"hint:{name}", f"nudge:{name}"], args=[window_seconds * 1000, NUDGE_EVERY_MS]
            )
        except redis.RedisError as error:
            self._away(error)
            return None
        return Pulse(int(count), int(left) / 1000, _parsed(hint), bool(nudge))

    def changes(self) -> Changes | None:
        """None if Redis does not answer."""
        if time.monotonic() < self._silent_until:
            return None
        try:
            with self._redis.pipeline(transaction=True) as pipe:
                pipe.get(REVISION)
                pipe.lrange(CHANGED, 0, MOST_CHANGES - 1)
                revision, newest = pipe.execute()
        except redis.RedisError as error:
            self._away(error)
            return None
        return Changes(int(revision or 0), tuple(_change(change) for change in newest))

    def publish(self, token: str, hint: CachedStatus, *, changed: str = "") -> None:
        """Best effort: a lost update is read from MongoDB a few seconds later. `changed`: the booking's id if it was
        changed, not only read."""
        if time.monotonic() < self._silent_until:
            return
        value = f"{'o' if hint.is_open else 'f'}{hint.status_version}|".encode() + hint.body
        try:
            keys = [f"hint:{_name(token)}", REVISION, CHANGED]
            self._publish(keys=keys, args=[hint.status_version, value, HINT_LIFE_MS, changed, MOST_CHANGES])
        except redis.RedisError as error:
            self._away(error)

    def _away(self, error: redis.RedisError) -> None:
        self._silent_until = time.monotonic() + PAUSE
        log.warning("hints_away", why=why(error))


def _name(token: str) -> str:
    return hashlib.blake2s(token.encode(), digest_size=12).hexdigest()


def _change(value: bytes) -> tuple[int, str]:
    revision, _, booking_id = value.decode().partition(":")
    return int(revision), booking_id


def _parsed(value: bytes | None) -> CachedStatus | None:
    if not value:
        return None
    head, _, body = value.partition(b"|")
    return CachedStatus(status_version=int(head[1:]), is_open=head[:1] == b"o", body=body)
