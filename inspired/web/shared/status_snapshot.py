"""The status page's facts, cached in this process and renewed in a background thread.

A view waits at most a moment for news; with everything behind it frozen, it answers from the cache.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from flask import current_app

from inspired.adapters.mongo import heartbeats
from inspired.domain.booking.rails import CAPABILITIES, RailId
from inspired.domain.monitoring.health import Facts, Health, Way
from inspired.domain.shared.errors import Busy
from inspired.services import Services

FRESH = 10.0  # seconds
PATIENCE = 0.1  # seconds a view waits for news
log = structlog.get_logger()


class StatusSnapshot:
    def __init__(self, svc: Services) -> None:
        self._svc = svc
        self._lock = threading.Lock()
        self._facts: Facts | None = None
        self._known_until = 0.0
        self._reading: threading.Thread | None = None
        self._patient_until = 0.0

    def facts(self) -> Facts | None:
        """As of some seconds ago; None if nothing is known yet. Never raises, never waits for long."""
        if time.monotonic() >= self._known_until:
            with self._lock:
                if self._reading is None or not self._reading.is_alive():
                    self._reading = threading.Thread(target=self._renew, name="board", daemon=True)
                    self._reading.start()
                    self._patient_until = time.monotonic() + PATIENCE
                reading, left = self._reading, self._patient_until - time.monotonic()
            reading.join(max(0.0, left))  # everybody waiting for the same read shares its time limit
        return self._facts

    def _renew(self) -> None:
        before = self._facts
        try:
            self._facts = _read(self._svc, before)
        except Busy:
            now = self._svc.now()
            since = (before.database_away_since if before else None) or now
            self._facts = replace(before or Facts(now), known_at=now, database_away_since=since)
        except Exception:
            log.exception("board_not_renewed")
        self._known_until = time.monotonic() + FRESH


def _read(svc: Services, before: Facts | None) -> Facts:
    begun = time.monotonic()
    svc.ping()
    took = timedelta(seconds=time.monotonic() - begun)
    beats, standings = svc.heartbeats.all(), svc.alerts.all()
    clock = beats.get(heartbeats.CLOCK)
    firing = {
        standing.id: standing.firing_since for standing in standings.values() if standing.firing_since is not None
    }
    paused = standings.get("binance_paused")
    known_since = {way.name: way.since for way in (before.ways if before else ()) if way.since is not None}
    if paused is not None and paused.seen_since is not None:
        known_since[CAPABILITIES[RailId.BINANCE_PAY].name] = paused.seen_since
    ways = tuple(_way(svc, rail, known_since) for rail in svc.rails_on)
    away = [way.since or svc.now() for way in ways if way.health is Health.ILL]
    paused_since = None
    if len(away) == len(ways):
        paused_since = min(away, default=None) or (before and before.paused_since) or svc.now()
    return Facts(
        known_at=svc.now(),
        database_took=took,
        clock_at=clock.at if clock else None,
        worker_at=svc.workers.last_turn(),
        paused_since=paused_since,
        is_backing_off=any(way.health is not Health.WELL for way in ways),
        ways=ways,
        firing=firing,
    )


def _way(svc: Services, rail: RailId, known_since: Mapping[str, datetime]) -> Way:
    name, by = CAPABILITIES[rail].name, svc.rails[rail]
    breaker = by.state()
    if breaker.refusal is not None:
        return Way(name, Health.ILL, breaker.refusal.since)
    if breaker.open or not by.has_room():
        return Way(name, Health.ILL, known_since.get(name) or svc.now())
    return Way(name, Health.SLOW if breaker.failures else Health.WELL)


def board() -> StatusSnapshot:
    found: StatusSnapshot = current_app.extensions["inspired_status_snapshot"]
    return found
