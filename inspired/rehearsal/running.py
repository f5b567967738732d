"""One drill for the worker, or all of them for the command line."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import structlog

from inspired.adapters.mongo.rehearsals import sweep_scratch
from inspired.domain.monitoring.rehearsals import Record, Run, Verdict
from inspired.domain.shared.errors import Busy, NotFound, UpstreamError
from inspired.flows.monitoring import rehearsing
from inspired.rehearsal import (
    alerts,
    amounts,
    calendar,
    given_again,
    notices,
    on_chain,
    orders,
    ourselves,
    receiving,
    refunds,
)
from inspired.rehearsal.drill import Drill
from inspired.rehearsal.play import Play
from inspired.rehearsal.stage import Sandbox, sandbox, staged
from inspired.services import Services

GROUPS = (
    notices.GROUP,
    orders.GROUP,
    amounts.GROUP,
    on_chain.GROUP,
    given_again.GROUP,
    receiving.GROUP,
    refunds.GROUP,
    ourselves.GROUP,
    alerts.GROUP,
    calendar.GROUP,
)
DRILLS = tuple(drill for group in GROUPS for drill in group.drills)
IDS = tuple(drill.id for drill in DRILLS)
BY_HAND = "command line"
MOST_LEFT = 10
LEFT_FOR = timedelta(hours=1)  # a drill takes seconds, and its database goes with it
log = structlog.get_logger()


def drill_called(name: str) -> Drill:
    """Raises NotFound."""
    for drill in DRILLS:
        if drill.id == name:
            return drill
    raise NotFound(f"There is no drill called {name}.")


def rehearse(svc: Services, run_id: str) -> Run | None:
    """As a job: the run that was asked for, once. None where another worker has begun it."""
    run = svc.rehearsals.begin(run_id, svc.gate.version, svc.now())
    if run is None:
        return None
    _clear_away(svc)
    drill = drill_called(run.drill)
    try:
        with sandbox(svc.settings.owner_timezone) as stand_in:
            record = played(svc, stand_in, drill, run.id)
    except UpstreamError as error:
        record = Record(broken_off=f"It could not begin: {error}.")
    return rehearsing.ended(svc, run, record, IDS)


def _clear_away(svc: Services) -> None:
    """What drills left behind whose worker was killed."""
    now = svc.now()
    _sweep(svc)
    for run in svc.rehearsals.abandoned(now - rehearsing.LONGEST, MOST_LEFT):
        why = "Its worker was stopped before the end."
        svc.rehearsals.give_up(replace(run, verdict=Verdict.RED, ended_at=now, why=why))


def _sweep(svc: Services) -> None:
    uri, before = svc.settings.mongodb_uri.get_secret_value(), svc.now() - LEFT_FOR
    swept = sweep_scratch(uri, svc.settings.mongodb_database, before=before, seconds=15.0)
    if swept:
        log.info("scratch_swept", databases=swept)


def rehearse_now(svc: Services, drills: Sequence[Drill]) -> Iterator[tuple[Drill, Run]]:
    """One after the other, here, with one stand-in for all. Raises UpstreamError where that does not start."""
    _sweep(svc)
    with sandbox(svc.settings.owner_timezone) as stand_in:
        for drill in drills:
            asked = Run(svc.new_id(), drill.id, BY_HAND, svc.now())
            svc.rehearsals.ask([asked])
            run = svc.rehearsals.begin(asked.id, svc.gate.version, svc.now())
            if run is not None:
                yield drill, rehearsing.ended(svc, run, played(svc, stand_in, drill, run.id), IDS)


def played(svc: Services, stand_in: Sandbox, drill: Drill, mark: str) -> Record:
    """Whatever goes wrong is the drill's verdict, and no error of ours."""
    with structlog.contextvars.bound_contextvars(drill=drill.id):
        try:
            with staged(svc, stand_in, mark, drill.settings) as (stage, player):
                return _on(Play(stage, player), drill)
        except (Busy, UpstreamError) as error:
            return Record(broken_off=f"It could not be staged: {str(error).rstrip('.')}.")


def _on(play: Play, drill: Drill) -> Record:
    try:
        drill.script(play)
        return play.ended()
    except Exception as error:
        log.exception("drill_broke_off", drill=drill.id)
        return play.ended(f"It broke off: {type(error).__name__}: {str(error)[:200]}")
