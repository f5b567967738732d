"""The throttle for calls to an outside service: one budget and one circuit breaker for all processes, in Redis.

*Budget.* A bucket that holds two seconds' worth of calls. Routine calls that are repeated anyway (queries, closes) may
not use the last quarter of it, so that a burst of them never blocks a payment or a refund.

*Back-off.* After a call without a usable answer (no connection, timeout, HTTP 429 or 5xx, no envelope) all processes
wait: a random part of half a second, doubled with every further failure in a row, at most a minute; longer if the
service asks for it (Retry-After). A refusal in the service's own format is an answer: the connection works.

*Breaker.* Five failures in a row within a minute open it: no calls and no new bookings for ten seconds, doubled each
time, at most two minutes (plus a random half at most). When that time is over one call is let through and all others
wait for it: an answer closes the breaker, anything else opens it again. No call is made just to probe. While bookings
are alive, the worker's queries about them are the probes; without any, the site offers times again once the time is
over, and the next booking's own order is the probe.

*Refusals.* A service that refuses every call (revoked key, unserved region) does answer, so nothing above holds calls
back: see `provider_refusals`, whose records are kept here.

A call that is held back was never sent, and HeldBack says so. While Redis is away each process keeps its own record by
the same rules. The processes' clocks only need the accuracy Binance itself demands, which refuses requests more than
about a second off.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import redis
import structlog

from inspired.adapters.redis.provider_refusals import Books, BooksOfAll, Refused
from inspired.adapters.redis.redis_server import why
from inspired.domain.monitoring.provider_refusals import Refusal
from inspired.domain.shared.errors import UpstreamError

# All times below are whole microseconds: exact in Python, in Lua and in Redis.
SECOND = 1_000_000
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
BURST_SECONDS = 2
RESERVED_PART = 4  # a quarter of the burst is kept for urgent calls
FIRST_PAUSE, LONGEST_PAUSE = SECOND // 2, 60 * SECOND
LONGEST_ASKED = 120 * SECOND  # upper limit for any Retry-After
OPEN_AFTER, WINDOW = 5, 60 * SECOND
FIRST_OPEN, LONGEST_OPEN = 10 * SECOND, 120 * SECOND
MEMORY_MS = 600_000  # longer than any value stored there can matter
SILENT_SECONDS = 1.0  # without calls after Redis did not answer
STATE_SECONDS = 1.0  # maximum age of an answer of `state`

GO, SPENT, BACKING_OFF, PAUSED = range(4)
REASONS = {SPENT: "too many calls at once", BACKING_OFF: "backing off", PAUSED: "paused, it does not answer"}
log = structlog.get_logger()
Found = TypeVar("Found")

# KEYS: state, refusals. ARGV: now, time per call, how much time may be spent ahead, how long to wait for a probe,
# memory in ms. Returns the verdict, the failures, and whether there are refusals to clear.
_TAKE = """
local state = redis.call('HMGET', KEYS[1], 'full_at', 'held_until', 'opens', 'failures')
local full_at, held_until = tonumber(state[1] or 0), tonumber(state[2] or 0)
local opens, failures = tonumber(state[3] or 0), tonumber(state[4] or 0)
local now = tonumber(ARGV[1])
if now < held_until then return {opens > 0 and 3 or 2, failures, 0} end
full_at = math.max(full_at, now) + tonumber(ARGV[2])
if full_at - now > tonumber(ARGV[3]) then return {1, failures, 0} end
redis.call('HSET', KEYS[1], 'full_at', string.format('%.0f', full_at))
if opens > 0 then redis.call('HSET', KEYS[1], 'held_until', string.format('%.0f', now + tonumber(ARGV[4]))) end
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return {0, failures, redis.call('EXISTS', KEYS[2])}
"""

# KEYS: state, times of the last failures. ARGV: now, when it was sent, wait asked for, random part in millionths,
# memory in ms, then the constants above. Returns for how long this failure opens the breaker, else 0.
_FAILED = """
local state = redis.call('HMGET', KEYS[1], 'held_until', 'opens', 'failures', 'failed_at')
local held_until, opens = tonumber(state[1] or 0), tonumber(state[2] or 0)
local failures, failed_at = tonumber(state[3] or 0), tonumber(state[4] or 0)
local now, sent_at, asked, chance = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local open_after, window = tonumber(ARGV[6]), tonumber(ARGV[7])
if opens > 0 and sent_at <= failed_at then return 0 end
failures = failures + 1
redis.call('LPUSH', KEYS[2], ARGV[1])
redis.call('LTRIM', KEYS[2], 0, open_after - 1)
local first = redis.call('LINDEX', KEYS[2], open_after - 1)
local pause, open = 0, 0
if opens > 0 or (first and now - tonumber(first) <= window) then
  opens = opens + 1
  open = math.min(tonumber(ARGV[8]) * 2 ^ (opens - 1), tonumber(ARGV[9]))
  open = open + math.floor(open * chance / 2000000)
else
  pause = math.floor(math.min(tonumber(ARGV[10]) * 2 ^ (failures - 1), tonumber(ARGV[11])) * chance / 1000000)
end
held_until = math.max(held_until, now + math.max(pause, open, asked))
redis.call('HSET', KEYS[1], 'held_until', string.format('%.0f', held_until), 'opens', opens,
  'failures', failures, 'failed_at', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return open
"""

# KEYS: state, times of the last failures. ARGV: when it was sent. Returns whether this closed the breaker.
_ANSWERED = """
local state = redis.call('HMGET', KEYS[1], 'failed_at', 'opens')
if tonumber(ARGV[1]) < tonumber(state[1] or 0) then return 0 end
redis.call('HDEL', KEYS[1], 'held_until', 'opens', 'failures', 'failed_at')
redis.call('DEL', KEYS[2])
return tonumber(state[2] or 0) > 0 and 1 or 0
"""


class HeldBack(UpstreamError):
    """Never sent. It says nothing about the service, and may be retried soon."""

    def __init__(self, service: str, why: str) -> None:
        super().__init__(service, why, retryable=True, maybe_applied=False)


@dataclass(frozen=True, slots=True)
class Breaker:
    """`open`: new payments are paused. `until`: no calls before then. `failures`: how many in a row.

    `refusal`: set if every call is refused, so that new payments are paused while calls go on. `is_unproven`: the pause
    is over, and no call was answered since.
    """

    open: bool
    until: datetime | None
    failures: int
    refusal: Refusal | None = None
    is_unproven: bool = False

    @property
    def word(self) -> str:
        if self.open:
            return "paused"
        if self.refusal is not None:
            return "refused"
        return "backing off" if self.failures else "ok"


@dataclass(frozen=True, slots=True)
class Permit:
    """Permission for one call. `failures`: the count before it. `is_shared`: whether that count is the shared one in
    Redis.

    `after_refusals`: there were refusals before it.
    """

    sent_at: int
    failures: int
    is_shared: bool
    after_refusals: bool = False


class Silence:
    """For how long Redis is not asked after it did not answer. All throttles of a process share one, so that a frozen
    Redis delays one call a second and not one for each service. `elapsed` is a monotonic clock."""

    def __init__(self, elapsed: Callable[[], float]) -> None:
        self._elapsed = elapsed
        self._until = elapsed()

    def lasts(self) -> bool:
        return self._elapsed() < self._until

    def begin(self) -> None:
        self._until = self._elapsed() + SILENT_SECONDS


class Throttle:
    """`now` is our clock, `elapsed` a monotonic one, `chance` returns a random number in [0, 1)."""

    def __init__(
        self,
        connection: redis.Redis,
        *,
        service: str,
        per_second: int,
        now: Callable[[], datetime],
        chance: Callable[[], float],
        elapsed: Callable[[], float] = time.monotonic,
        silence: Silence | None = None,
    ) -> None:
        per_call = -(-SECOND // per_second)  # rounded up, so that the limit is never exceeded
        self._service = service
        self._burst = BURST_SECONDS * per_second * per_call
        self._now = now
        self._chance = chance
        self._elapsed = elapsed
        self._refusals_of_all = BooksOfAll(connection, service)
        self._all = _OfAll(connection, service, per_call, self._refusals_of_all.key)
        self._here = _OfThisProcess(per_call)
        self._refusals_here = Books()
        self._silence = silence or Silence(elapsed)
        self._known: tuple[float, Breaker] | None = None

    def take(self, *, urgent: bool, seconds: float) -> Permit:
        """Permission for one call that takes at most `seconds`. Raises HeldBack if it must not be sent now."""
        most = self._burst if urgent else self._burst - self._burst // RESERVED_PART
        patience = int(seconds * SECOND) + SECOND  # allows for a probe that died on its way
        sent_at = self._clock()
        found = self._from_all(lambda: self._all.take(sent_at, most, patience))
        is_shared = found is not None
        if found is None:
            sent_at = self._own_clock()
            found = (*self._here.take(sent_at, most, patience), bool(self._refusals_here))
        verdict, failures, refusals = found
        if verdict != GO:
            raise HeldBack(self._service, REASONS[verdict])
        return Permit(sent_at, failures, is_shared, bool(refusals))

    def answered(self, permit: Permit, call: str) -> None:
        """A usable answer came. Does nothing if there is nothing to clear, or if a failure is more recent."""
        if permit.after_refusals:
            self._accepted(permit, call)
        self._answered(permit)

    def refused(self, permit: Permit, call: str, *, code: str, words: str, sells: bool) -> None:
        """An answer came, and it refuses all our calls. `sells`: nothing can be sold without this call."""
        self._answered(permit)
        if permit.is_shared:
            begun = self._from_all(
                lambda: self._refusals_of_all.refused(self._clock(), call, code=code, words=words, sells=sells)
            )
        else:
            begun = self._refusals_here.refused(self._own_clock(), call, code=code, words=words, sells=sells)
        self._known = None
        if begun:
            log.warning("calls_refused", service=self._service, code=code, words=words)

    def _accepted(self, permit: Permit, call: str) -> None:
        if permit.is_shared:
            ended = self._from_all(lambda: self._refusals_of_all.accepted(permit.sent_at, call))
        else:
            ended = self._refusals_here.accepted(permit.sent_at, call)
        self._known = None
        if ended:
            log.info("calls_accepted_again", service=self._service)

    def _answered(self, permit: Permit) -> None:
        if not permit.failures:
            return
        if permit.is_shared:
            closed = self._from_all(lambda: self._all.answered(permit.sent_at))
        else:
            closed = self._here.answered(permit.sent_at)
        self._known = None
        if closed:
            log.info("calls_resumed", service=self._service)

    def failed(self, permit: Permit, *, asked: float = 0) -> None:
        """No usable answer came. `asked`: the seconds the service asked us to wait, if any."""
        wait, chance = min(int(asked * SECOND), LONGEST_ASKED), int(self._chance() * SECOND)
        if permit.is_shared:
            paused = self._from_all(lambda: self._all.failed(self._clock(), permit.sent_at, wait, chance))
        else:
            paused = self._here.failed(self._own_clock(), permit.sent_at, wait, chance)
        self._known = None
        if paused:
            log.warning("calls_paused", service=self._service, seconds=paused // SECOND)

    def state(self) -> Breaker:
        """For pages: up to a second old, at most two reads of Redis. Counts as open while a probe is under way."""
        known = self._known
        if known is not None and self._elapsed() - known[0] < STATE_SECONDS:
            return known[1]
        at, found = self._clock(), self._from_all(lambda: (self._all.read(), self._refusals_of_all.read()))
        if found is None:
            at, found = self._own_clock(), (self._here.read(), self._refusals_here.read())
        (held_until, opens, failures), refused = found
        is_held = at < held_until
        breaker = Breaker(
            open=is_held and opens > 0,
            until=self._moment(held_until, at) if is_held else None,
            failures=failures,
            refusal=self._refusal(refused, at) if refused is not None and refused.holds(at) else None,
            is_unproven=opens > 0 and not is_held,
        )
        self._known = (self._elapsed(), breaker)
        return breaker

    def _refusal(self, refused: Refused, at: int) -> Refusal:
        since, until = self._moment(refused.since, at), self._moment(refused.until, at)
        return Refusal(refused.code, refused.words, refused.times, since, until)

    def _moment(self, then: int, at: int) -> datetime:
        """Convert `then` to our clock; `at` is now by the clock of `then`."""
        return self._now() + timedelta(microseconds=then - at)

    def _from_all(self, ask: Callable[[], Found]) -> Found | None:
        """None if Redis does not answer, so that a frozen Redis delays one call, not all."""
        if self._silence.lasts():
            return None
        try:
            return ask()
        except redis.RedisError as error:
            self._silence.begin()
            log.warning("throttle_away", why=why(error))
            return None

    def _clock(self) -> int:
        return (self._now() - EPOCH) // MICROSECOND

    def _own_clock(self) -> int:
        return int(self._elapsed() * SECOND)


class _OfAll:
    """The shared record in Redis. Raises redis.RedisError."""

    def __init__(self, connection: redis.Redis, service: str, per_call: int, refusals: str) -> None:
        self._redis = connection
        self._refusals = refusals
        self._state, self._times = f"throttle:{service}", f"failures:{service}"
        self._per_call = per_call
        self._take = connection.register_script(_TAKE)
        self._failed = connection.register_script(_FAILED)
        self._answered = connection.register_script(_ANSWERED)

    def take(self, now: int, most: int, patience: int) -> tuple[int, int, bool]:
        keys, args = [self._state, self._refusals], [now, self._per_call, most, patience, MEMORY_MS]
        verdict, failures, has_refusals = self._take(keys=keys, args=args)
        return int(verdict), int(failures), bool(has_refusals)

    def failed(self, now: int, sent_at: int, asked: int, chance: int) -> int:
        constants = [OPEN_AFTER, WINDOW, FIRST_OPEN, LONGEST_OPEN, FIRST_PAUSE, LONGEST_PAUSE]
        return int(
            self._failed(keys=[self._state, self._times], args=[now, sent_at, asked, chance, MEMORY_MS, *constants])
        )

    def answered(self, sent_at: int) -> bool:
        return bool(self._answered(keys=[self._state, self._times], args=[sent_at]))

    def read(self) -> tuple[int, int, int]:
        found = self._redis.hmget(self._state, "held_until", "opens", "failures")
        held_until, opens, failures = (int(value or 0) for value in found)
        return held_until, opens, failures


class _OfThisProcess:
    """The same rules without Redis."""

    def __init__(self, per_call: int) -> None:
        self._per_call = per_call
        self._lock = threading.Lock()
        self._full_at = 0  # when the bucket would be full again without further calls
        self._forget()

    def _forget(self) -> None:
        self._held_until = self._opens = self._failures = self._failed_at = 0
        self._times: deque[int] = deque(maxlen=OPEN_AFTER)

    def take(self, now: int, most: int, patience: int) -> tuple[int, int]:
        with self._lock:
            if now < self._held_until:
                return PAUSED if self._opens else BACKING_OFF, self._failures
            full_at = max(self._full_at, now) + self._per_call
            if full_at - now > most:
                return SPENT, self._failures
            self._full_at = full_at
            if self._opens:
                self._held_until = now + patience
            return GO, self._failures

    def failed(self, now: int, sent_at: int, asked: int, chance: int) -> int:
        with self._lock:
            if self._opens and sent_at <= self._failed_at:
                return 0  # sent before the breaker opened: counted already
            self._failures += 1
            self._failed_at = now
            self._times.append(now)
            pause = open_for = 0
            if self._opens or (len(self._times) == OPEN_AFTER and now - self._times[0] <= WINDOW):
                self._opens += 1
                open_for = min(FIRST_OPEN << (self._opens - 1), LONGEST_OPEN)
                open_for += open_for * chance // (2 * SECOND)
            else:
                pause = min(FIRST_PAUSE << (self._failures - 1), LONGEST_PAUSE) * chance // SECOND
            self._held_until = max(self._held_until, now + max(pause, open_for, asked))
            return open_for

    def answered(self, sent_at: int) -> bool:
        with self._lock:
            if sent_at < self._failed_at:
                return False  # the failure is more recent
            was_open = self._opens > 0
            self._forget()
            return was_open

    def read(self) -> tuple[int, int, int]:
        with self._lock:
            return self._held_until, self._opens, self._failures
