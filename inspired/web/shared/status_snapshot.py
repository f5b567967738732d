"""The status page's facts, cached in this process and renewed in a background thread.

A view waits at most a moment for news; with everything behind it frozen, it answers from the cache.
"""

import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from flask import current_app

from inspired.adapters.mongo import heartbeats
from inspired.domain.monitoring.health import Facts
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
    beats, standings, breaker = svc.heartbeats.all(), svc.alerts.all(), svc.binance.state()
    clock = beats.get(heartbeats.CLOCK)
    firing = {
        standing.id: standing.firing_since for standing in standings.values() if standing.firing_since is not None
    }
    paused = standings.get("binance_paused")
    paused_since: datetime | None = None
    if breaker.refusal is not None:
        paused_since = breaker.refusal.since
    elif breaker.open:
        paused_since = (paused and paused.seen_since) or (before and before.paused_since) or svc.now()
    return Facts(
        known_at=svc.now(),
        database_took=took,
        clock_at=clock.at if clock else None,
        worker_at=svc.workers.last_turn(),
        paused_since=paused_since,
        is_backing_off=breaker.failures > 0,
        firing=firing,
    )


def board() -> StatusSnapshot:
    found: StatusSnapshot = current_app.extensions["inspired_status_snapshot"]
    return found
