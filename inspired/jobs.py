"""All background jobs. They take ids, load the rest, let errors propagate, and may run twice, at once, or never."""

import threading
from collections.abc import Callable
from functools import cache, partial

import structlog

from inspired.adapters.redis import worker
from inspired.flows.booking import (
    bulk_jobs,
    calendly_sync,
    chain_reconciling,
    chain_watching,
    checking,
    delivery,
    payment_webhooks,
    reconciling,
    refreshing,
    refund_finding,
    screening,
)
from inspired.flows.catalogue import own_calendar
from inspired.flows.monitoring import alerting, auditing
from inspired.flows.reporting import counting, reporting
from inspired.flows.shared import owner_notifications
from inspired.flows.site import newsletter, receiving, retention
from inspired.flows.support import tickets
from inspired.rehearsal import running
from inspired.services import Services, build
from inspired.settings import read_settings

log = structlog.get_logger()


@cache
def services() -> Services:
    """One per worker process, created when the first job needs it."""
    settings = read_settings()
    left = settings.redis_connections - worker.QUEUE_CONNECTIONS
    return build(settings, database_seconds=5.0, redis_seconds=1.0, redis_connections=left)


def worker_turned(name: str) -> None:
    """Not a job: the worker's loop has turned and asked Redis for work."""
    svc = services()
    svc.workers.turned(name, svc.now())


def job_refused(what: str) -> None:
    """Not a job: a foreign job was in the queue and was not run. Best effort, since it is also logged."""
    svc = services()
    svc.refused_jobs.add(what, svc.now())


def refresh(booking_id: str) -> None:
    refreshing.update_and_enqueue(services(), booking_id)


def refresh_batch(*booking_ids: str) -> None:
    refreshing.update_batch(services(), booking_ids)


def deliver(*lease_and_ids: str) -> None:
    """The last release enqueued one id without a lease."""
    delivery.work(services(), lease_and_ids)


def bulk_job(bulk_job_id: str, booking_id: str) -> None:
    """One booking of a bulk job."""
    bulk_jobs.work(services(), bulk_job_id, booking_id)


def work_webhook(webhook_id: str) -> None:
    payment_webhooks.work(services(), webhook_id)


def tell_of_transfers(trade_no: str) -> None:
    chain_watching.tell_of(services(), trade_no)


def turn_page(run: str) -> None:
    """The next page of a reconciliation, the check, the erasure or the metrics; enqueues the page after it."""
    turned = {one.NAME: one.turn_page for one in (reconciling, chain_reconciling, checking, retention, counting)}
    turned[counting.TODAY] = partial(counting.turn_page, name=counting.TODAY)
    if turned[run](services()):
        services().queue.enqueue_mail("turn_page", run)


def watch_calendar() -> None:
    calendly_sync.look(services())


def read_own_calendar(feed_id: str) -> None:
    """Runs in its own thread: a calendar server may take ten seconds, and payments must not wait for it. A failed read
    is repeated by the next job."""
    threading.Thread(target=_read_own_calendar, args=(feed_id,), name="own calendar", daemon=True).start()


def _read_own_calendar(feed_id: str) -> None:
    try:
        own_calendar.read(services(), feed_id)
    except Exception:
        log.exception("own_calendar_broken", feed=feed_id)


def read_screening_list() -> None:
    """In a thread of its own, too: its server may take long."""
    threading.Thread(target=_read_screening_list, name="screening list", daemon=True).start()


def _read_screening_list() -> None:
    try:
        screening.read(services())
    except Exception:
        log.exception("screening_list_broken")


def check_audit() -> None:
    auditing.check(services())


def try_addresses() -> None:
    owner_notifications.try_addresses(services())


def tell_of_receiving() -> None:
    receiving.tell_owed(services())


def find_refunds() -> None:
    refund_finding.look(services())


def ticket_mail(number: str) -> None:
    tickets.send_mails(services(), number)


def send_report(kind: str) -> None:
    reporting.send(services(), kind)


def newsletter_mail(subscriber_id: str) -> None:
    newsletter.send_opt_in(services(), subscriber_id)


def send_alerts() -> None:
    alerting.send_due(services())


def rehearse(run_id: str) -> None:
    """Some seconds of failures on a scratch database."""
    running.rehearse(services(), run_id)


# The jobs a worker may run, by their name in the queue. Nothing else runs, whoever enqueued it.
JOBS: dict[str, Callable[..., None]] = {
    f"{__name__}.{job.__name__}": job
    for job in (
        refresh,
        refresh_batch,
        deliver,
        bulk_job,
        work_webhook,
        tell_of_transfers,
        turn_page,
        watch_calendar,
        read_own_calendar,
        read_screening_list,
        check_audit,
        try_addresses,
        tell_of_receiving,
        find_refunds,
        ticket_mail,
        send_report,
        newsletter_mail,
        send_alerts,
        rehearse,
    )
}
# Names used by the last release, which may have enqueued some.
JOBS |= {f"{__name__}.chore": bulk_job, f"{__name__}.work_notice": work_webhook}
