"""Daily metrics, recounted by jobs from bookings, ledger and logs; pages read the stored results.

Today is counted several times a minute, the last three days every hour, the last 35 every night, and all days if there
are none or the owner asks. Recounting a day gives the same result, so nothing is counted twice.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta

import structlog

from inspired.adapters.mongo.ledger_store import Run
from inspired.adapters.providers.binance_webhooks import PAID
from inspired.domain.booking.booking import Booking, Entry, PaymentOrder
from inspired.domain.reporting import metrics
from inspired.domain.reporting.metrics import Day, Figures
from inspired.domain.shared import periods
from inspired.domain.shared.periods import Period
from inspired.domain.shared.slots import Span
from inspired.flows.booking.checking import BEGINNING
from inspired.flows.shared import paging
from inspired.services import Services

NAME, TODAY = "numbers", "numbers of today"
EVERY = timedelta(hours=1)
TODAY_EVERY = timedelta(seconds=25)  # with the clock's half minute and the queue, the figures are at most a minute old
TODAY_SHARE = 20  # counting today may take a twentieth of a worker's time: a slow day is counted less often
RECENT_DAYS, NIGHTLY_DAYS = 3, 35
PAGE = 500
log = structlog.get_logger()


def start(svc: Services) -> bool:
    """Start counting as many days as are due; jobs continue. False while a count is in progress."""
    now, zone, run = svc.now(), svc.settings.owner_timezone, svc.runs.get(NAME)
    today = periods.day_of(now, zone)
    if run is None:
        return start_from(svc, periods.FIRST)
    last = periods.day_of(run.started_at, zone)
    if last == today:
        return start_from(svc, today - (RECENT_DAYS - 1) * periods.DAY)
    # After weeks of downtime, include the days missed.
    return start_from(svc, min(today - NIGHTLY_DAYS * periods.DAY, last - RECENT_DAYS * periods.DAY))


def start_today(svc: Services) -> bool:
    """Count today, and yesterday if it was not over at the last count. False while one is in progress."""
    now, run = svc.now(), svc.runs.get(TODAY)
    after = max(run.started_at, now - periods.DAY) if run else now
    started = paging.start(svc, TODAY, after=min(after, now))
    svc.queue.enqueue_mail("turn_page", TODAY)
    return started


def pause_of_today(run: Run | None) -> timedelta:
    """How long after its last start today is counted again."""
    took = timedelta(milliseconds=run.counts.get("ms", 0)) if run else timedelta()
    return max(TODAY_EVERY, took * TODAY_SHARE)


def start_from(svc: Services, day: date) -> bool:
    """Not before the business opened: earlier days would count as days without revenue."""
    after = periods.midnight(max(day, opened(svc)), svc.settings.owner_timezone)
    started = paging.start(svc, NAME, after=after)
    svc.queue.enqueue_mail("turn_page", NAME)
    return started


def opened(svc: Services) -> date:
    """The day of the first booking, or of earlier money; today if there is neither."""
    now = svc.now()
    first = svc.bookings.first_made(BEGINNING, now + paging.MILLISECOND) or now
    first = min((entry.at for _, entry in svc.ledger.all(BEGINNING, first)), default=first)
    return periods.day_of(first, svc.settings.owner_timezone)


def visited(svc: Services, type_id: str) -> None:
    """Count a page view of this call."""
    svc.visits.count(periods.day_of(svc.now(), svc.settings.owner_timezone), type_id)


def counted_at(svc: Services, period: Period) -> datetime | None:
    """When the period's most recently counted day was counted; None if none was."""
    days = svc.metrics.between(period.first, period.last)
    return max((day.counted_at for day in days if day.counted_at), default=None)


def turn_page(svc: Services, name: str = NAME) -> bool:
    """Count as many of the next days as fit into a job. True while there are more."""
    now, run, zone = svc.now(), svc.runs.get(name), svc.settings.owner_timezone
    if run is None or run.finished_at is not None or not svc.runs.lease(run, now, now + paging.LEASE):
        return False
    day = periods.day_of(run.cursor, zone)
    counted = 0
    while day <= periods.day_of(run.until, zone) and (not counted or svc.now() - now < paging.PAGE_TIME):
        svc.metrics.save(count(svc, day))
        day, counted = day + periods.DAY, counted + 1
    is_over = day > periods.day_of(run.until, zone)
    took = (svc.now() - now) // timedelta(milliseconds=1)
    counts = {"days": run.counts.get("days", 0) + counted, "ms": run.counts.get("ms", 0) + took}
    svc.runs.turn(run, _turned(svc, run, periods.midnight(day, zone), counts, is_over=is_over))
    return not is_over


def _turned(svc: Services, run: Run, cursor: datetime, counts: dict[str, int], *, is_over: bool) -> Run:
    if is_over and run.name == NAME:
        svc.metrics.save_all_time(periods.day_of(svc.now(), svc.settings.owner_timezone))
        log.info("counted", **counts)
    finished = svc.now() if is_over else None
    return replace(run, cursor=cursor, counts=counts, finished_at=finished, leased_until=svc.now())


def count(svc: Services, day: date) -> Day:
    """This day's metrics from the current data."""
    span = periods.between(day, day).span(svc.settings.owner_timezone)
    known: dict[str, Booking] = {}
    entries = list(svc.ledger.all(span.start, span.end))
    figures = Figures(visits=svc.visits.of(day)) + metrics.of_entries(entry for _, entry in entries)
    figures += _of_the_provider(svc, span, known)
    figures += _of_bookings(svc, span)
    owners = sorted({owner for owner, _ in entries} - set(known))
    known.update((booking.id, booking) for booking in svc.bookings.among(owners))
    found = (metrics.returned(owner, known.get(owner), entry) for owner, entry in entries)
    of_customers, large = _of_customers(svc, day, span, [known[owner] for owner, _ in entries if owner in known])
    return Day(
        day,
        figures + of_customers,
        returned=tuple(
            sorted((refund for refund in found if refund), key=lambda refund: (refund.at, refund.refund_id))
        ),
        large=large,
        counted_at=svc.now(),
    )


def _of_bookings(svc: Services, span: Span) -> Figures:
    figures, cursor = Figures(), span.start - paging.MILLISECOND
    while page := paging.page_after(svc, cursor, span.end, PAGE):
        by_query = [booking for booking in page if metrics.Found.QUERY in metrics.found_by(booking)]
        told_of = {booking.id for booking in by_query if svc.logs.has_told_of(booking.id)}
        figures += metrics.of_bookings(page, told_of)
        cursor = page[-1].created_at
    return figures


def _of_the_provider(svc: Services, span: Span, known: dict[str, Booking]) -> Figures:
    """Calls, and delays of payment webhooks. Bookings read for this are added to `known`."""
    calls: list[tuple[str, int]] = []
    came: dict[str, tuple[datetime, str]] = {}
    for entry in svc.logs.between(span.start, span.end):
        if entry["event"] == "CALL":
            calls.append((entry["verdict"], entry["ms"]))
        elif (entry["event"], entry.get("biz_status")) == ("WEBHOOK_RECEIVED", PAID):
            before = came.get(entry["trade_no"])
            if before is None or entry["at"] < before[0]:
                came[entry["trade_no"]] = (entry["at"], entry["booking_id"])
    known.update((booking.id, booking) for booking in svc.bookings.among(sorted({owner for _, owner in came.values()})))
    return metrics.of_calls(calls) + metrics.of_notices(_with_orders(came, known))


def _with_orders(
    came: dict[str, tuple[datetime, str]], known: dict[str, Booking]
) -> Iterator[tuple[datetime, PaymentOrder]]:
    for trade_no, (at, owner) in came.items():
        order = known[owner].find_order(trade_no) if owner in known else None
        if order is not None:
            yield at, order


def _of_customers(
    svc: Services, day: date, span: Span, bookings: list[Booking]
) -> tuple[Figures, tuple[metrics.Rolling, ...]]:
    """For customers whose money moved that day, over all their bookings. Without an email address (erased), each
    booking counts as a customer."""
    zone = svc.settings.owner_timezone
    books: dict[str, list[tuple[Entry, ...]]] = defaultdict(list)
    for booking in {booking.id: booking for booking in bookings}.values():
        if not booking.email_index:
            books[booking.id] = [booking.ledger]
        elif booking.email_index not in books:
            books[booking.email_index] = svc.bookings.books_of(booking.email_index)
    sales = [[at for entry in entries if (at := metrics.earned_at(entry))] for entries in books.values()]
    large = []
    for customer, entries in sorted(books.items()):
        payments = [(periods.day_of(at, zone), money) for entry in entries for at, money in metrics.payments_in(entry)]
        rolling = metrics.rolling(customer, payments, day)
        if rolling.year.amount > metrics.REPORTED:
            large.append(rolling)
    return metrics.of_customers(sales, span), tuple(large)
