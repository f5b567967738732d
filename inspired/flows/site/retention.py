"""Nightly erasure of personal data in old bookings, if the owner enabled it; page by page."""

import structlog

from inspired.adapters.mongo.ledger_store import Run
from inspired.domain.booking import owner_actions
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.retention import due_for_erasure, months_before
from inspired.domain.shared.errors import Conflict
from inspired.flows.booking.checking import BEGINNING
from inspired.flows.shared import paging
from inspired.flows.support import tickets
from inspired.services import Services

NAME = "forget"
log = structlog.get_logger()


def erase(svc: Services, booking_id: str) -> Booking:
    """Erase the booking first, since it may refuse; then its webhooks' contents and its tickets. Repeating this after a
    crash completes it. Raises Conflict."""
    booking = svc.bookings.get(booking_id)
    if svc.logs.awaits_work(booking_id):
        raise Conflict("A notice about it is still to be worked on. Please try again in a minute.")
    if booking.erased_at is None:
        booking = svc.bookings.change(booking_id, lambda b: owner_actions.erased(b, svc.now()))
    svc.logs.forget(booking_id)
    tickets.erase(svc, booking_id)
    return booking


def start(svc: Services) -> bool:
    """False if automatic erasure is off, or the last run is still in progress."""
    months = svc.preferences.now().retention.months
    if not months:
        return False
    # A booking ends after it was made, so younger ones can be skipped.
    started = paging.start(svc, NAME, after=BEGINNING, until=months_before(svc.now(), months))
    svc.queue.enqueue_mail("turn_page", NAME)
    return started


def turn_page(svc: Services) -> bool:
    """The setting is read again for each page, so switching it off stops a run in progress. Raises Busy."""
    months = svc.preferences.fresh().retention.months
    return paging.turn(svc, NAME, lambda booking: _forgotten(svc, booking, months), lambda run: _finished(svc, run))


def _forgotten(svc: Services, booking: Booking, months: int) -> paging.Counts:
    if not due_for_erasure(booking, months, svc.now()):
        return {"kept": 1}

    try:
        erase(svc, booking.id)
    except Conflict as conflict:
        log.info("not_forgotten", booking=booking.id, why=str(conflict))
        return {"kept": 1}
    return {"erased": 1}


def _finished(svc: Services, run: Run) -> None:
    log.info("forgotten", **run.counts)
    if erased := run.counts.get("erased", 0):
        svc.audit.add(
            svc.now(),
            "system",
            "personal data erased",
            "",
            f"of {erased} {'booking' if erased == 1 else 'bookings'}, as the settings wish",
        )
