"""Bulk jobs on many bookings, one queue job per booking: started on a page, completed by the worker."""

from datetime import timedelta

from inspired.adapters.mongo.bulk_jobs import BulkJob
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.states import State
from inspired.domain.shared.errors import Conflict, Invalid
from inspired.flows.booking import refreshing
from inspired.services import Services

ASK = "ask"
ASK_SECONDS = 3.0
MOST = 100
ENQUEUE_AGAIN = timedelta(minutes=2)
KEEP_RINGING = timedelta(hours=1)
ASKED, UNANSWERED = "asked", "no answer"


def can_be_asked_about(booking: Booking) -> bool:
    """True if one of its orders was sent to its provider."""
    return booking.state is not State.DRAFT and any(order.was_sent for order in booking.orders)


def start(svc: Services, bookings: list[Booking], by: str) -> BulkJob:
    """Ask the providers again about every order of these bookings. Raises Conflict, Invalid."""
    wanted = [booking.id for booking in bookings if can_be_asked_about(booking)]
    if not wanted:
        raise Conflict("There is nothing to ask about: no payment order was made.")
    if len(wanted) > MOST:
        raise Invalid(f"At most {MOST} at once.")
    bulk_job = BulkJob(svc.new_id(), ASK, by, svc.now(), tuple(wanted))
    svc.bulk_jobs.add(bulk_job, svc.now() + ENQUEUE_AGAIN)
    svc.audit.add(svc.now(), by, "asked_about_many", bulk_job.id, f"{len(wanted)} bookings")
    _enqueue(svc, bulk_job)
    return bulk_job


def work(svc: Services, bulk_job_id: str, booking_id: str) -> None:
    """Safe to repeat: finished bookings are skipped."""
    if booking_id in svc.bulk_jobs.get(bulk_job_id).done:
        return
    before = svc.bookings.get(booking_id)
    answers = [refreshing.queried(svc, order, ASK_SECONDS) for order in before.orders if order.was_sent]
    answered = [observation for observation in answers if observation is not None]
    after = refreshing.ask(svc, before, answers=answered, seconds=ASK_SECONDS)
    svc.queue.enqueue("refresh", booking_id)
    told = f"{before.state} → {after.state}" if after.state is not before.state else ASKED
    svc.bulk_jobs.done(bulk_job_id, booking_id, UNANSWERED if None in answers else told)


def sweep(svc: Services) -> None:
    """Enqueue lost jobs again; after an hour give up, which the page shows."""
    for bulk_job in svc.bulk_jobs.due(svc.now(), MOST):
        if svc.now() - bulk_job.at > KEEP_RINGING:
            for booking_id in bulk_job.left:
                svc.bulk_jobs.done(bulk_job.id, booking_id, UNANSWERED)
        else:
            svc.bulk_jobs.lease(bulk_job.id, svc.now() + ENQUEUE_AGAIN)
            _enqueue(svc, bulk_job)


def _enqueue(svc: Services, bulk_job: BulkJob) -> None:
    for booking_id in bulk_job.left:
        svc.queue.enqueue("bulk_job", bulk_job.id, booking_id)
