"""Rehearsals: requested by the owner and run by a worker; once all are green, payments open.

Drills are defined in `inspired.rehearsal`, which nothing here imports: here they are just names.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import timedelta

import structlog

from inspired.domain.monitoring.rehearsals import Record, Run, Verdict
from inspired.services import Services

ENQUEUE_AGAIN = timedelta(seconds=60)  # no worker has started it by then: the job may be lost
GIVEN_UP = timedelta(minutes=15)
LONGEST = timedelta(minutes=2)  # an unfinished run this old never ends: its worker is gone
MOST_RINGS = 5
log = structlog.get_logger()


def ask(svc: Services, drills: Iterable[str], by: str) -> None:
    """One run of each drill. `by`: the person's id."""
    runs = [Run(svc.new_id(), drill, by, svc.now()) for drill in drills]
    svc.rehearsals.ask(runs)
    for run in runs:
        svc.queue.enqueue_rehearsal("rehearse", run.id)


def sweep(svc: Services) -> None:
    """Enqueue lost runs again, for a while."""
    now = svc.now()
    for run_id in svc.rehearsals.waiting(now - GIVEN_UP, now - ENQUEUE_AGAIN, MOST_RINGS):
        svc.queue.enqueue_rehearsal("rehearse", run_id)


def ended(svc: Services, run: Run, record: Record, drills: Collection[str]) -> Run:
    """Save the run's record. If all `drills` are green for this version now, the gate opens."""
    after = replace(run, verdict=record.verdict, ended_at=svc.now(), why=record.why[:500], record=record)
    svc.rehearsals.end(after)
    log.info("rehearsed", drill=run.drill, verdict=str(after.verdict), version=run.version)
    if svc.gate.is_needed and not missing(svc, drills) and svc.gate.open(run.by, svc.now()):
        svc.audit.add(svc.now(), run.by, "gate opened", run.version, f"all {len(drills)} drills are green")
    return after


def missing(svc: Services, drills: Iterable[str]) -> list[str]:
    """The drills that are not green for this version."""
    newest = svc.rehearsals.newest()
    return [drill for drill in drills if not _is_green(svc, newest.get(drill, (None, None))[1])]


def _is_green(svc: Services, last: Run | None) -> bool:
    return last is not None and last.verdict is Verdict.GREEN and last.version == svc.gate.version


def is_at_work(svc: Services, run: Run | None) -> bool:
    """True if it was requested and may still finish."""
    if run is None or run.verdict.is_final:
        return False
    since, most = (run.began_at, LONGEST) if run.began_at else (run.asked_at, GIVEN_UP)
    return svc.now() - since < most
