"""The sweep: asks MongoDB every second what is due and enqueues it. So losing the queue costs only seconds."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from inspired.domain.shared.batches import batches
from inspired.flows.booking import (
    bulk_jobs,
    calendly_sync,
    chain_reconciling,
    checking,
    reconciling,
    refund_finding,
    screening,
)
from inspired.flows.booking.refreshing import ENQUEUE_AGAIN
from inspired.flows.catalogue import own_calendar
from inspired.flows.monitoring import auditing, rehearsing
from inspired.flows.reporting import counting, reporting
from inspired.flows.site import preferences, receiving, retention
from inspired.services import Services

BATCH = 200  # webhooks and mails fetched at a time
TOGETHER = 25  # bookings per job: few enough that a provider who never answers fits into the job's time limit
MOST_JOBS = 16  # most such jobs waiting: as many bookings as the workers finish before they would be enqueued again
FOUND_AT_ONCE, KEPT = 2_000, timedelta(seconds=5)
NIGHT = time(3)  # in the owner's zone
CHECK_EVERY = timedelta(hours=1)


class Enqueued:
    """What the clock remembers of the due bookings: which it found, and which it enqueued in the last seconds. A clock
    that has just started knows nothing and enqueues some of them once more, which does no harm."""

    def __init__(self) -> None:
        self._found: list[tuple[str, datetime]] = []
        self._found_at: datetime | None = None
        self._until: dict[tuple[str, datetime], datetime] = {}

    def take(self, svc: Services, now: datetime, most: int) -> list[tuple[str, datetime]]:
        """Due bookings that were not enqueued lately, with the moment since when they are due: one that was worked on
        and is due again has another. Looking for them costs the more, the more are due, so many are found at once."""
        self._until = {due: until for due, until in self._until.items() if until > now}
        if not self._found or self._found_at is None or now - self._found_at > KEPT:
            found = svc.bookings.due_since(now, len(self._until) + max(FOUND_AT_ONCE, most))
            self._found, self._found_at = [due for due in found if due not in self._until], now
        taken, self._found = self._found[:most], self._found[most:]
        return taken

    def add(self, enqueued: Sequence[tuple[str, datetime]], until: datetime) -> None:
        self._until.update(dict.fromkeys(enqueued, until))


def sweep(svc: Services, enqueued: Enqueued) -> int:
    """Enqueue everything due and postpone each item for as long as its job may take. Returns how many were due.

    A booking is postponed in the clock's memory only: it is written by whoever works on it.
    """
    now = svc.now()
    # Do not enqueue while backed up; due work stays due in Mongo.
    room = BATCH - svc.queue.webhooks_waiting()
    webhooks = svc.logs.due(now, room) if room > 0 else []
    for webhook_id in webhooks:
        if svc.queue.enqueue_webhook("work_webhook", webhook_id):
            svc.logs.lease(webhook_id, now + ENQUEUE_AGAIN)
    for trade_no in svc.payment_addresses.marked(now, room) if room > 0 else ():
        if svc.queue.enqueue_webhook("tell_of_transfers", trade_no):
            svc.payment_addresses.put_off(trade_no, now + ENQUEUE_AGAIN)
    # Do not top the queue up one by one either: the query for due work costs more, the more is due.
    waiting = svc.queue.waiting()
    room = MOST_JOBS - waiting if waiting <= MOST_JOBS // 2 else 0
    bookings = enqueued.take(svc, now, room * TOGETHER) if room else []
    for batch in batches(bookings, TOGETHER):
        if svc.queue.enqueue("refresh_batch", *(booking_id for booking_id, _ in batch)):
            enqueued.add(batch, now + ENQUEUE_AGAIN)
    for subscriber_id in svc.subscribers.due(now, BATCH):
        if svc.queue.enqueue_mail("newsletter_mail", subscriber_id):
            svc.subscribers.lease(subscriber_id, now + ENQUEUE_AGAIN)
    for number in svc.tickets.mail_due(now, BATCH):
        if svc.queue.enqueue_mail("ticket_mail", number):
            svc.tickets.lease(number, now + ENQUEUE_AGAIN)
    return len(bookings) + len(webhooks)


def sweep_runs(svc: Services) -> None:
    """Start the nightly reconciliation, the hourly check, retention and the metrics when due, and enqueue lost pages
    again. Also polls Calendly or the owner's own calendar; the next poll makes up for a lost one."""
    now = svc.now()
    if svc.settings.uses_calendly and svc.calendly_sync_state.take(now, now + calendly_sync.EVERY):
        svc.queue.enqueue_mail("watch_calendar")
    zone = ZoneInfo(svc.settings.owner_timezone)
    night = datetime.combine(now.astimezone(zone).date(), NIGHT, zone)
    night = night if night <= now else night - timedelta(days=1)
    for name, start, due in (
        (reconciling.NAME, reconciling.start, night),
        (chain_reconciling.NAME, chain_reconciling.start, night),
        (checking.NAME, checking.start, now - CHECK_EVERY),
        (retention.NAME, retention.start, night),
        (counting.NAME, counting.start, now - counting.EVERY),
        (counting.TODAY, counting.start_today, now - counting.pause_of_today(svc.runs.get(counting.TODAY))),
    ):
        run = svc.runs.get(name)
        if run is None or (run.finished_at is not None and run.started_at < due):
            start(svc)
        elif run.finished_at is None and run.leased_until <= now:
            svc.queue.enqueue_mail("turn_page", name)
    own_calendar.sweep(svc)
    screening.sweep(svc)
    bulk_jobs.sweep(svc)
    preferences.log_owed(svc)
    receiving.sweep(svc)
    refund_finding.sweep(svc)
    auditing.sweep(svc)
    rehearsing.sweep(svc)
    reporting.sweep(svc)
    svc.visits.carry_over()
