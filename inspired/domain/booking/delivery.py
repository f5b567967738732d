"""Outbox processing rules: lease a task before doing it, mark it done after, retry with growing delays."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.history import EventKind, TaskDone
from inspired.domain.booking.outbox import AlertKind, AlertOwner, OutboxItem, Result, SendEmail, Task, UnknownTask
from inspired.domain.booking.polling import scheduled

LEASE = timedelta(seconds=60)
ROUND = LEASE / 2  # nothing is begun in this last part of a lease
LONGEST_BACKOFF = timedelta(minutes=10)
ALERT_AT_TRY = 8
MOST_MAIL_TRIES = 300  # about two days of mail server downtime
UNDELIVERED = AlertOwner(AlertKind.UNDELIVERED)
T = TypeVar("T")  # the task type of an outbox: a booking's or a ticket's


def leased(outbox: tuple[OutboxItem[T], ...], task: T, now: datetime) -> tuple[OutboxItem[T], ...]:
    """Count one try and lease the task to the caller."""
    return tuple(replace(item, tries=item.tries + 1, due=now + LEASE) if item.task == task else item for item in outbox)


def put_off(outbox: tuple[OutboxItem[T], ...], task: T, now: datetime) -> tuple[OutboxItem[T], ...]:
    """Delay the task; the delay grows with the number of tries."""
    return tuple(
        replace(item, due=now + min(timedelta(seconds=2 ** min(item.tries, 10)), LONGEST_BACKOFF))
        if item.task == task
        else item
        for item in outbox
    )


def without(outbox: tuple[OutboxItem[T], ...], task: T) -> tuple[OutboxItem[T], ...]:
    return tuple(item for item in outbox if item.task != task)


def claimed(booking: Booking, task: Task, now: datetime) -> Booking:
    """Lease the task to the caller. The try is counted first, so that a task which kills its worker still counts."""
    return scheduled(replace(booking, outbox=leased(booking.outbox, task, now)), now)


def leased_to_job(booking: Booking, now: datetime, until: datetime) -> Booking:
    """Lease the due tasks to the job that is about to be enqueued for them, in the write that adds them: that saves the
    job a write of its own. Tasks tried before are only put off: the job claims them like any other."""
    outbox = tuple(
        replace(item, tries=1, due=until) if item.due <= now and not item.tries else item for item in booking.outbox
    )
    waits = any(item.due <= now for item in outbox)
    booking = scheduled(replace(booking, outbox=outbox), now)
    return replace(booking, check_at=until) if waits else booking


def done(booking: Booking, task: Task, now: datetime, result: Result = Result.DONE, count: int = 0) -> Booking:
    if task in booking.delivered:
        return booking
    booking = replace(booking, outbox=without(booking.outbox, task), delivered=booking.delivered | {task})
    return scheduled(booking.noted(now, EventKind.DONE, TaskDone(task, result, count)), now)


def failed(booking: Booking, task: Task, now: datetime, *, for_good: bool = False) -> Booking:
    """Retry with growing delays. A mail refused for good, or for two days, is given up and the owner told. A task of
    another release is given up after the same time: while both releases run, the other one does it."""
    item = next((other for other in booking.outbox if other.task == task), None)
    if item is None:
        return booking
    is_alert = isinstance(task, AlertOwner)
    if isinstance(task, SendEmail | AlertOwner | UnknownTask) and (for_good or item.tries >= MOST_MAIL_TRIES):
        booking = done(booking, task, now, Result.GIVEN_UP)
        return booking if is_alert else scheduled(booking.owing(now, UNDELIVERED), now)
    booking = replace(booking, outbox=put_off(booking.outbox, task, now))
    if item.tries == ALERT_AT_TRY and not is_alert:
        booking = booking.owing(now, UNDELIVERED)
    return scheduled(booking, now)
