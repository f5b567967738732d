"""Processes all bookings in pages, one job per page.

A worker that dies loses only its page, which the sweep enqueues again.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from inspired.adapters.mongo.ledger_store import Run
from inspired.domain.booking.booking import Booking
from inspired.services import Services

PAGE = 50
PAGE_TIME = timedelta(seconds=25)  # a job may take 60; the rest of a page is left to the next one
LEASE = timedelta(seconds=75)
MILLISECOND = timedelta(milliseconds=1)
Counts = dict[str, int]


def start(svc: Services, name: str, *, after: datetime, until: datetime | None = None) -> bool:
    """Start a run over bookings made from `after` until now, or `until`. False while the previous run is in
    progress."""
    now = svc.now()
    return svc.runs.start(
        Run(name, now, cursor=after, until=until or now, leased_until=now, finished_at=None, counts={})
    )


def turn(svc: Services, name: str, work: Callable[[Booking], Counts], finish: Callable[[Run], None]) -> bool:
    """Process the next page, unless another worker does. True while there is more."""
    now, run = svc.now(), svc.runs.get(name)
    if run is None or run.finished_at is not None or not svc.runs.lease(run, now, now + LEASE):
        return False
    page = page_after(svc, run.cursor, run.until, PAGE)
    if not page:
        finish(run)
        svc.runs.turn(run, replace(run, finished_at=svc.now(), leased_until=svc.now()))
        return False
    counts, cursor = dict(run.counts), run.cursor
    for booking in page:
        if svc.now() - now > PAGE_TIME and booking.created_at > cursor:
            break
        for what, count in work(booking).items():
            counts[what] = counts.get(what, 0) + count
        cursor = booking.created_at
    svc.runs.turn(run, replace(run, cursor=cursor, counts=counts, leased_until=svc.now()))
    return True


def page_after(svc: Services, cursor: datetime, until: datetime, most: int) -> list[Booking]:
    """Bookings made after `cursor`, oldest first, ending at a whole millisecond: the next page starts after it."""
    found = svc.bookings.made(cursor + MILLISECOND, until, most + 1)
    if len(found) <= most:
        return found
    whole = [booking for booking in found if booking.created_at < found[-1].created_at]
    return whole or page_after(svc, cursor, until, most * 2)
