"""The health of every part, for the owner's page and authenticated monitors.

Asks MongoDB and Redis and reads recorded results; makes no outside calls.
"""

import platform
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.metadata import version

from inspired.adapters.mongo import heartbeats
from inspired.adapters.mongo.heartbeats import Beat
from inspired.domain.booking.rails import CAPABILITIES, RailId
from inspired.domain.monitoring import runbook
from inspired.domain.monitoring.alerts import Channel
from inspired.domain.monitoring.health import SILENT_AFTER, SLOW_DATABASE, Health, Part, is_silent
from inspired.domain.shared.errors import Busy, UpstreamError
from inspired.domain.shared.networks import Network
from inspired.flows.booking import chain_reconciling, checking, reconciling
from inspired.flows.monitoring import alerting
from inspired.flows.site import receiving
from inspired.services import Services

LONG_QUEUE = 500
NO_RAIL = (
    "is missing, so nothing is sold: set the keys of Binance Pay, or receive USDT on chain with an account key and a "
    "node"
)
NO_WORKER = "none runs, or none reaches Redis; no bookings are taken"


def versions(svc: Services) -> dict[str, str]:
    """Versions of the product, Python and the database server."""
    try:
        database = svc.database_version()
    except Busy:
        database = "does not answer"
    return {"product": version("inspired-analyst"), "python": platform.python_version(), "database": database}


def examine(svc: Services) -> list[Part]:
    """Each part with its state. Parts that depend on the database are left out while it is away."""
    database = _database(svc)
    parts = [database, *_queues(svc), *_rails(svc)]
    if database.health is Health.ILL:
        return parts
    try:
        return [*parts, *_remembered(svc)]
    except Busy as error:
        return [_ill("database", "Database", str(error)), *parts[1:]]


def _database(svc: Services) -> Part:
    begun = time.monotonic()
    try:
        svc.ping()
    except Busy as error:
        return _ill("database", "Database", str(error))
    took = timedelta(seconds=time.monotonic() - begun)
    health = Health.SLOW if took > SLOW_DATABASE else Health.WELL
    return Part("database", "Database", health, f"answered in {took / timedelta(milliseconds=1):.0f} ms", svc.now())


def _queues(svc: Services) -> Iterator[Part]:
    try:
        queues = svc.queue.queues()
    except UpstreamError as error:
        yield _ill("redis", "Redis", error.message)
        return
    now = svc.now()
    yield Part("redis", "Redis", Health.WELL, "answers", now)
    for waiting in queues:
        is_late = waiting.since is not None and now - waiting.since > alerting.OVERDUE_AFTER
        health = Health.ILL if is_late else Health.SLOW if waiting.count > LONG_QUEUE else Health.WELL
        yield Part(
            "queue_stuck", f"Queue “{waiting.queue}”", health, f"{waiting.count} waiting", waiting.since, "queue_stuck"
        )


def _rails(svc: Services) -> Iterator[Part]:
    """Each way to pay that is set up."""
    for rail in svc.rails_on:
        is_binance = rail is RailId.BINANCE_PAY
        part_id, paused = ("binance_paused",) * 2 if is_binance else (f"network_{rail}", "chain_unread")
        title, breaker = CAPABILITIES[rail].name, svc.rails[rail].state()
        if breaker.refusal is not None:
            told = f"refuses every call: {breaker.refusal.told}"
            yield Part(part_id, title, Health.ILL, told, breaker.refusal.since, "binance_refuses")
            continue
        words = {"ok": "answers", "backing off": "the last call failed"}
        detail = words.get(breaker.word, "paused, it does not answer")
        health = Health.ILL if breaker.open else Health.SLOW if breaker.failures else Health.WELL
        yield Part(part_id, title, health, detail, breaker.until, paused)
    if not svc.rails_on:
        yield Part("no_rail", "A way to pay", Health.ILL, NO_RAIL)


def _remembered(svc: Services) -> Iterator[Part]:
    now, beats = svc.now(), svc.heartbeats.all()
    yield _workers(svc, now)
    strange = svc.refused_jobs.recent(now)
    if strange is not None:
        told = f"{strange.count} not of this site, the last one {strange.what}; none was run"
        yield Part("strange_job", "Jobs in the queue", Health.ILL, told, strange.at, "strange_job")
    yield _sign_of_life(beats.get(heartbeats.CLOCK), "Clock", now)
    yield _sign_of_life(beats.get(heartbeats.WATCHER), "Look for alerts", now)
    if svc.binance.is_set_up():
        asked = beats.get(heartbeats.BINANCE)
        yield _outcome(asked, "certificates", "Certificates of Binance Pay", "not asked for yet")
    yield _outcome(beats.get(heartbeats.MAIL), "mail", "Mail", "none was sent yet")
    yield _outcome(beats.get(heartbeats.CHECK), "invariant_broken", "Check of the books", "not run yet")
    yield _backup(beats.get(heartbeats.BACKUP), now)
    standings = svc.alerts.all()
    for alert_id, name, title in (
        ("reconciliation_missed", reconciling.NAME, "Reconciliation"),
        ("balances_missed", chain_reconciling.NAME, "Balances on chain"),
        ("check_missed", checking.NAME, "Hourly check"),
    ):
        run = svc.runs.get(name)
        is_missed = alert_id in standings and standings[alert_id].is_firing
        detail = "never" if run is None else "at work" if run.finished_at is None else "finished"
        at = None if run is None else run.finished_at or run.started_at
        health = Health.ILL if is_missed else Health.UNKNOWN if run is None else Health.WELL
        yield Part(alert_id, title, health, detail, at, alert_id)
    if svc.settings.uses_calendly:
        watched = svc.calendly_sync_state.get()
        health = Health.ILL if watched.trouble else Health.WELL if watched.looked_at else Health.UNKNOWN
        detail = watched.trouble or ("looked at" if watched.looked_at else "not looked at yet")
        yield Part("calendly", "Calendly", health, detail, watched.trouble_since or watched.looked_at, "calendly")
    for known in svc.own_calendar.known().values() if svc.own_calendar.feeds else ():
        health = Health.ILL if known.failing_since else Health.WELL if known.read_at else Health.UNKNOWN
        at = known.failing_since or known.read_at
        unsure = f"read, {known.unread} of its entries not for sure" if known.unread else "read"
        yield Part("own_calendar", "Your own calendar", health, known.why or unsure, at, "own_calendar")
    yield from _chains(svc)
    yield from _webhook(svc)


def _chains(svc: Services) -> Iterator[Part]:
    """Of each network that is on, whether its addresses can be given out; no node is asked for this."""
    for network in Network:
        standing, name = receiving.standing(svc, network), f"Addresses for USDT on {network.facts.name}"
        if standing.trouble:
            yield Part("receiving_altered", name, Health.ILL, standing.trouble, None, "receiving_altered")
        elif standing.state == "on" and (stock := standing.stock) is not None:
            alert_id = "addresses_low" if stock.left else "addresses_out"
            health = Health.WELL if not stock.is_low else Health.SLOW if stock.left else Health.ILL
            yield Part(alert_id, name, health, f"{stock.left} left", None, alert_id)


def _workers(svc: Services, now: datetime) -> Part:
    known = svc.workers.all()
    alive = [worker for worker in known if not is_silent(worker.at, now)]
    said = f"{len(alive)} at work: {', '.join(worker.name[:8] for worker in alive)}" if alive else NO_WORKER
    at = known[0].at if known else None
    return Part("workers_gone", "Workers", Health.WELL if alive else Health.ILL, said, at, "workers_gone")


def _sign_of_life(beat: Beat | None, title: str, now: datetime) -> Part:
    is_alive = beat is not None and now - beat.at <= SILENT_AFTER
    detail = "runs" if is_alive else "gives no sign of life"
    at = beat.at if beat else None
    return Part("clock", title, Health.WELL if is_alive else Health.ILL, detail, at, "clock")


def _outcome(beat: Beat | None, alert_id: str, title: str, never: str) -> Part:
    if beat is None:
        return Part(alert_id, title, Health.UNKNOWN, never, None, alert_id)
    if beat.is_well:
        return Part(alert_id, title, Health.WELL, beat.detail or "the last one went well", beat.at, alert_id)
    return Part(alert_id, title, Health.ILL, beat.detail or "failed", beat.since, alert_id)


def _backup(beat: Beat | None, now: datetime) -> Part:
    if beat is None:
        detail = "nobody has told this site of one"
        return Part("backup_late", "Backups", Health.UNKNOWN, detail, None, "backup_late")
    is_late = now - beat.at > alerting.BACKUP_WITHIN
    detail = f"{'the last one is old' if is_late else 'made'}{', ' * bool(beat.detail)}{beat.detail}"
    return Part("backup_late", "Backups", Health.ILL if is_late else Health.WELL, detail, beat.at, "backup_late")


def _webhook(svc: Services) -> Iterator[Part]:
    if svc.outgoing_webhook.get(svc.now()) is None:
        return
    sent = svc.deliveries.newest(svc.now() - timedelta(days=1), 200)
    last = next((delivery for delivery in sent if delivery.channel is Channel.WEBHOOK and delivery.tries), None)
    if last is None:
        yield Part("webhook_undelivered", "Your webhook", Health.UNKNOWN, "nothing was sent lately")
        return
    health = Health.WELL if last.done_at else Health.ILL
    yield Part("webhook_undelivered", "Your webhook", health, last.answer, last.last_at, "webhook_undelivered")


def _ill(alert_id: str, title: str, detail: str) -> Part:
    return Part(alert_id, title, Health.ILL, detail, None, runbook.SITE[alert_id].id)
