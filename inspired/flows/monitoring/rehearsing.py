"""Rehearsals are asked for by the owner and played by a worker; when all are green, payments may begin.

What a drill is and how it is played stands in `inspired.rehearsal`, which nothing here knows: drills are names.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import timedelta

import structlog

from inspired.domain.monitoring.rehearsals import Record, Run, Verdict
from inspired.services import Services

RING_AGAIN = timedelta(seconds=60)  # no worker has come to it by then: the ring may be lost
GIVEN_UP = timedelta(minutes=15)
LONGEST = timedelta(minutes=2)  # a run that has not ended by then never will: its worker is gone
MOST_RINGS = 5
log = structlog.get_logger()


def ask(svc: Services, drills: Iterable[str], by: str) -> None:
    """One run of each. `by`: the person's id."""
    runs = [Run(svc.new_id(), drill, by, svc.now()) for drill in drills]
    svc.rehearsals.ask(runs)
    for run in runs:
        svc.queue.enqueue_rehearsal("rehearse", run.id)


def sweep(svc: Services) -> None:
    """Rings lost on the way are rung again, for a while."""
    now = svc.now()
    for run_id in svc.rehearsals.waiting(now - GIVEN_UP, now - RING_AGAIN, MOST_RINGS):
        svc.queue.enqueue_rehearsal("rehearse", run_id)


def ended(svc: Services, run: Run, record: Record, drills: Collection[str]) -> Run:
    """Write down what it has shown. Where every one of `drills` is green for this version now, the gate opens."""
    after = replace(run, verdict=record.verdict, ended_at=svc.now(), why=record.why[:500], record=record)
    svc.rehearsals.end(after)
    log.info("rehearsed", drill=run.drill, verdict=str(after.verdict), version=run.version)
    if svc.gate.is_needed and not missing(svc, drills) and svc.gate.open(run.by, svc.now()):
        svc.audit.add(svc.now(), run.by, "gate opened", run.version, f"all {len(drills)} drills are green")
    return after


def missing(svc: Services, drills: Iterable[str]) -> list[str]:
    """Those that are not green for this version."""
    newest = svc.rehearsals.newest()
    return [drill for drill in drills if not _is_green(svc, newest.get(drill, (None, None))[1])]


def _is_green(svc: Services, last: Run | None) -> bool:
    return last is not None and last.verdict is Verdict.GREEN and last.version == svc.gate.version


def is_at_work(svc: Services, run: Run | None) -> bool:
    """It was asked for, and is still to come to its end."""
    if run is None or run.verdict.is_final:
        return False
    since, most = (run.began_at, LONGEST) if run.began_at else (run.asked_at, GIVEN_UP)
    return svc.now() - since < most
