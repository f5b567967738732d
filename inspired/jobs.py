"""Every background job. They take ids, find the rest, let failures fail, and may run twice, at once, or never."""

from functools import cache, partial

from inspired.flows import (
    alerting,
    auditing,
    calendar_watch,
    checking,
    chores,
    counting,
    delivery,
    forgetting,
    newsletter,
    notices,
    own_calendar,
    reconciling,
    refreshing,
    reporting,
    telling,
    tickets,
)
from inspired.rehearsal import running
from inspired.services import Services, build
from inspired.settings import read_settings


@cache
def services() -> Services:
    """One per worker process, made when the first job needs it."""
    return build(read_settings(), database_seconds=5.0, redis_seconds=1.0)


def refresh(booking_id: str) -> None:
    refreshing.update_and_ring(services(), booking_id)


def refresh_batch(*booking_ids: str) -> None:
    refreshing.update_batch_and_ring(services(), booking_ids)


def deliver(booking_id: str) -> None:
    delivery.deliver(services(), services().bookings.get(booking_id))


def chore(chore_id: str, booking_id: str) -> None:
    """One booking of a piece of work on many."""
    chores.work(services(), chore_id, booking_id)


def work_notice(notice_id: str) -> None:
    notices.work(services(), notice_id)


def turn_page(run: str) -> None:
    """The next page of the reconciliation, the check, the forgetting or the numbers; it rings for the one after."""
    turned = {one.NAME: one.turn_page for one in (reconciling, checking, forgetting, counting)}
    turned[counting.TODAY] = partial(counting.turn_page, name=counting.TODAY)
    if turned[run](services()):
        services().bell.ring_for_letters("turn_page", run)


def watch_calendar() -> None:
    calendar_watch.look(services())


def read_own_calendar(feed_id: str) -> None:
    own_calendar.read(services(), feed_id)


def check_audit() -> None:
    auditing.check(services())


def try_addresses() -> None:
    telling.try_addresses(services())


def ticket_mail(number: str) -> None:
    tickets.send_mails(services(), number)


def send_report(kind: str) -> None:
    reporting.send(services(), kind)


def newsletter_mail(subscriber_id: str) -> None:
    newsletter.send_opt_in(services(), subscriber_id)


def send_alerts() -> None:
    alerting.send_due(services())


def rehearse(run_id: str) -> None:
    """Some seconds of failures on a database of their own."""
    running.rehearse(services(), run_id)
