"""The owner's own calendar blocks its busy times: a job reads it every ten minutes.

While a feed cannot be read, its last known times apply; after an hour the owner is told, once. If a full calendar
becomes empty, its old times apply for another day and the owner is told at once: usually somebody changed its sharing
settings, and a year without an appointment is rare.
"""

from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from inspired.adapters.mongo.own_calendar import Known
from inspired.domain.catalogue.availability import LONGEST_HORIZON
from inspired.domain.shared.errors import UpstreamError
from inspired.domain.shared.slots import Span
from inspired.domain.shared.timezones import moment_in_words
from inspired.flows.shared import owner_notifications
from inspired.services import Services

READ_EVERY = timedelta(minutes=10)
ENQUEUE_AGAIN = timedelta(seconds=90)  # longer than the job may take
TELL_AFTER = timedelta(hours=1)
MANY = 10  # busy times of a calendar in use
EMPTY_FOR = timedelta(days=1)  # after that, the empty calendar is accepted
BEHIND = timedelta(days=1)
AHEAD = LONGEST_HORIZON + timedelta(days=2)  # the last call, its buffer, and any time zone
log = structlog.get_logger()


def sweep(svc: Services) -> None:
    """Enqueue every due feed and postpone it for as long as the job may take."""
    now = svc.now()
    for feed_id in svc.own_calendar.due(now) if svc.own_calendar.feeds else ():
        if svc.queue.enqueue_mail("read_own_calendar", feed_id):
            svc.own_calendar.due_again(feed_id, now + ENQUEUE_AGAIN)


def read_soon(svc: Services) -> None:
    """Read all feeds now. If the job is lost, the sweep enqueues it again."""
    for feed_id in svc.own_calendar.feeds:
        svc.own_calendar.due_again(feed_id, svc.now())
    sweep(svc)


def read(svc: Services, feed_id: str) -> None:
    """Read one feed and store only time spans."""
    feed = svc.feeds.get(feed_id)
    if feed is None:
        return  # the setting was changed since the job was enqueued
    now, before = svc.now(), svc.own_calendar.known()[feed_id]
    try:
        found = feed.read(Span(now - BEHIND, now + AHEAD))
    except UpstreamError as error:
        log.warning("own_calendar_unread", feed=feed_id, why=error.message)
        after = replace(before, failing_since=before.failing_since or now, why=error.message)
    else:
        log.info("own_calendar_read", feed=feed_id, busy=len(found.busy), unread=found.unread)
        after = _taken_for(before, Known(found.busy, found.unread, read_at=now), now)
    after = replace(after, tried_at=now, due_at=now + READ_EVERY)
    svc.own_calendar.save(feed_id, after)
    if after.failing_since and not after.is_told and now - after.failing_since >= TELL_AFTER:
        _tell_owner(svc, feed_id, after)
    if after.emptied_at and not after.emptied_told and _told_of_empty(svc, feed_id, after):
        svc.own_calendar.save(feed_id, replace(after, emptied_told=True))


def _taken_for(before: Known, found: Known, now: datetime) -> Known:
    """What was just read; if a full calendar became empty, its old times apply for a day."""
    since = before.emptied_at or now
    if found.busy or len(before.busy) < MANY or now - since >= EMPTY_FOR:
        return found
    return replace(found, busy=before.busy, emptied_at=since, emptied_told=before.emptied_told)


def _told_of_empty(svc: Services, feed_id: str, known: Known) -> bool:
    since = known.emptied_at or svc.now()
    try:
        owner_notifications.owner(
            svc,
            "own_calendar_empty",
            f"{feed_id}/{since}",
            times=len(known.busy),
            until=moment_in_words(since + EMPTY_FOR, svc.settings.owner_timezone),
            admin_url=f"{svc.settings.site_url}/admin/calendar",
        )
    except UpstreamError as error:
        log.warning("owner_not_told", about="own_calendar_empty", error=str(error))
        return False
    return True


def _tell_owner(svc: Services, feed_id: str, known: Known) -> None:
    """If the mail cannot be sent now, it is retried after the next read."""
    zone = svc.settings.owner_timezone
    try:
        owner_notifications.owner(
            svc,
            "own_calendar",
            f"{feed_id}/{known.failing_since}",
            why=known.why,
            since=moment_in_words(known.failing_since, zone) if known.failing_since else "",
            read_at=moment_in_words(known.read_at, zone) if known.read_at else "",
            admin_url=f"{svc.settings.site_url}/admin/calendar",
        )
    except UpstreamError as error:
        log.warning("owner_not_told", about="own_calendar", error=str(error))
        return
    svc.own_calendar.told(feed_id, known.failing_since)
