"""What is due? One question to Mongo every second; the answer rings the queue. Losing the queue costs seconds."""

from datetime import timedelta

import structlog

from inspired.services import Services

BATCH = 200
RING_AGAIN = timedelta(seconds=15)  # whoever was rung for and has not been looked at by then is rung for again
log = structlog.get_logger()


def sweep(svc: Services) -> int:
    """Ring for everything due, and put each off for as long as a job may take. Answers how much there was."""
    now = svc.now()
    bookings = svc.bookings.due(now, BATCH)
    rung = [booking_id for booking_id in bookings if svc.bell.ring("refresh", booking_id)]
    svc.bookings.lease(rung, now, now + RING_AGAIN)
    notices = svc.logs.due(now, BATCH)
    for notice_id in notices:
        if svc.bell.ring("work_notice", notice_id):
            svc.logs.lease(notice_id, now + RING_AGAIN)
    letters = svc.subscribers.due(now, BATCH)
    for subscriber_id in letters:
        svc.bell.ring("newsletter_mail", subscriber_id)
    return len(bookings) + len(notices) + len(letters)
