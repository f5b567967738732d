"""Caches the taken times for lists of free times. Only what changed bookings hold is read again.

It decides nothing: MongoDB refuses a taken time (unique index of claims). Redis reports which bookings changed; if a
report is lost, the cache is at most some seconds old.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from inspired.adapters.mongo.bookings import Bookings, Taken
from inspired.adapters.redis.status_cache import Changes, StatusCache
from inspired.domain.shared.slots import Span

KEEP = 5.0  # seconds
MOST = 16  # cached time spans
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Known:
    revision: int
    read_at: float
    taken: Taken


class AvailabilityCache:
    def __init__(
        self, bookings: Bookings, status_cache: StatusCache, elapsed: Callable[[], float] = time.monotonic
    ) -> None:
        self._bookings, self._status_cache, self._elapsed = bookings, status_cache, elapsed
        self._known: dict[Span, _Known] = {}
        self._lock = threading.Lock()

    def taken(self, window: Span) -> Taken:
        """Reads whole days around the window, so that lists of different types share them. Raises Busy."""
        # Read before the database: a later change then makes this answer outdated, never the other way round.
        changes = self._status_cache.changes()
        if changes is None:
            return self._bookings.taken(window)
        days = Span(_midnight(window.start), _midnight(window.end) + DAY)
        before = self._known.get(days)
        known = self._as_of(changes, days, before)
        if known is not before:
            with self._lock:
                if len(self._known) >= MOST and days not in self._known:
                    self._known.clear()
                self._known[days] = known
        return Taken.of(known.taken.holds, window)

    def _as_of(self, changes: Changes, days: Span, known: _Known | None) -> _Known:
        now = self._elapsed()
        changed = changes.since(known.revision) if known is not None and now - known.read_at < KEEP else None
        if known is None or changed is None:
            return _Known(changes.revision, now, self._bookings.taken(days))
        if not changed:
            return known
        others = [hold for hold in known.taken.holds if hold.booking_id not in changed]
        taken = Taken.of([*others, *self._bookings.holds_of(sorted(changed))], days)
        return _Known(changes.revision, known.read_at, taken)


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
