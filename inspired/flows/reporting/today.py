"""The owner's page "Today": what needs a person, today's calls, money received, recent alerts."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from inspired.adapters.mongo.ledger_store import Case, Orphan
from inspired.domain.booking import attention, ledger
from inspired.domain.booking.attention import Matter
from inspired.domain.booking.balance import nothing
from inspired.domain.booking.booking import Booking, Entry, FactKind
from inspired.domain.booking.history import Event
from inspired.domain.booking.search_index import ATTENTION, By, Wanted, is_alert
from inspired.domain.booking.states import State
from inspired.domain.monitoring import runbook
from inspired.domain.monitoring.alerts import Alert
from inspired.domain.reporting.metrics import Step
from inspired.domain.shared.money import Money
from inspired.domain.support.tickets import Ticket
from inspired.flows.booking.booking_search import day_of
from inspired.flows.booking.checking import BEGINNING
from inspired.flows.support import promising
from inspired.flows.support.promising import Owed
from inspired.services import Services

MOST = 50
MOST_CALLS = 100
MOST_NEXT = 5
MOST_COUNTED = 5_000
DAYS = 7
LATELY = timedelta(days=3)
DAY, WEEK = timedelta(days=1), timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Moved:
    """Money received and returned by currency, and how often."""

    received: tuple[Money, ...]
    payments: int
    returned: tuple[Money, ...]
    refunds: int


@dataclass(frozen=True, slots=True)
class Count:
    """A number for a glance. `days`: how many on each of seven days of the owner's, in order; empty if they are too
    many to be counted for one page."""

    number: int
    days: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Counts:
    """`calls`: confirmed calls of today, and of the last seven days with today. `ahead`: those of the seven days after
    today. `unpaid`: bookings that wait for money, and all that were held in the last seven days, as
    last counted for the numbers. `messages` wait for
    an answer."""

    calls: Count
    messages: Count
    ahead: Count
    unpaid: Count


@dataclass(frozen=True, slots=True)
class Today:
    """`needs`: bookings with their open issues, newest first; `more`: there are others. `late`: overdue promises.
    `unanswered`: tickets that wait for our answer, most urgent first, without those in `late`. `alerts`: recent alerts
    with their bookings. `next_calls`: the first ones after today, of a week at most."""

    needs: list[tuple[Booking, tuple[Matter, ...]]]
    more: bool
    orphans: list[Orphan]
    cases: list[Case]
    firing: list[Alert]
    late: list[Owed]
    unanswered: list[Ticket]
    more_unanswered: bool
    calls: list[Booking]
    next_calls: list[Booking]
    counts: Counts
    today: Moved
    week: Moved
    alerts: list[tuple[Booking, Event]]


def gather(svc: Services) -> Today:
    now = svc.now()
    zone = ZoneInfo(svc.settings.owner_timezone)
    date = now.astimezone(zone).date()
    begin, end = day_of(date, svc.settings.owner_timezone)
    needing = svc.lists.page(Wanted(flag=ATTENTION), now, most=MOST)
    calls = svc.lists.page(
        Wanted(by=By.CALL, state=State.CONFIRMED, since=begin, until=end, oldest_first=True), now, most=MOST_CALLS
    )
    counts = _counts(svc, date, now)
    next_calls = Wanted(by=By.CALL, state=State.CONFIRMED, since=end, until=end + WEEK, oldest_first=True)
    entries = [entry for _, entry in svc.ledger.all(now - WEEK, now + timedelta(seconds=1))]
    late = promising.late(svc)
    owed = svc.tickets.owed(BEGINNING, MOST + 1)
    told_as_late = {promise.ticket.id for promise in late if promise.ticket is not None}
    alerted = svc.lists.alerted(now - LATELY, now + timedelta(seconds=1), MOST)
    return Today(
        needs=[(booking, attention.matters(booking)) for booking in needing.bookings],
        more=bool(needing.after),
        orphans=svc.orphans.waiting(),
        cases=svc.cases.waiting(),
        firing=[
            runbook.SITE[standing.id]
            for standing in svc.alerts.all().values()
            if standing.is_firing and standing.id in runbook.SITE
        ],
        late=late,
        unanswered=[ticket for ticket in owed[:MOST] if ticket.id not in told_as_late],
        more_unanswered=len(owed) > MOST,
        calls=calls.bookings,
        next_calls=svc.lists.page(next_calls, now, most=MOST_NEXT).bookings if counts.ahead.number else [],
        counts=counts,
        today=_moved(entry for entry in entries if entry.at >= begin),
        week=_moved(entries),
        alerts=_alerts(alerted, now - LATELY),
    )


def _counts(svc: Services, date: date, now: datetime) -> Counts:
    zone = svc.settings.owner_timezone

    def on_days(wanted: Wanted, first: int, last: int) -> tuple[int, ...]:
        """How many on each day from `first` to `last`, counted from today; empty if they are too many."""
        begins = [day_of(date + timedelta(days=offset), zone)[0] for offset in range(first, last + 2)]
        found = svc.lists.moments(replace(wanted, since=begins[0], until=begins[-1]), MOST_COUNTED)
        spread = Counter(bisect_right(begins, moment) - 1 for moment in found)
        return tuple(spread[place] for place in range(last - first + 1)) if len(found) < MOST_COUNTED else ()

    calls = on_days(Wanted(by=By.CALL, state=State.CONFIRMED), 1 - DAYS, DAYS)
    counted = {day.date: day.figures.reached(Step.HELD) for day in svc.metrics.between(date - WEEK, date, "figures")}
    since = now - WEEK  # an unpaid booking lasts an hour or so
    unpaid = svc.lists.moments(Wanted(state=State.PENDING, since=since, until=now + DAY), MOST_COUNTED)
    return Counts(
        calls=Count(calls[DAYS - 1], calls[:DAYS]) if calls else Count(MOST_COUNTED),
        messages=Count(svc.tickets.count_owed(BEGINNING, MOST_COUNTED)),
        ahead=Count(sum(calls[DAYS:]), calls[DAYS:]) if calls else Count(MOST_COUNTED),
        unpaid=Count(len(unpaid), tuple(counted.get(date - DAY * back, 0) for back in reversed(range(DAYS)))),
    )


def _moved(entries: Iterable[Entry]) -> Moved:
    """Money in and out of the account at the provider, from the ledger; commissions and corrections are not
    payments."""
    received: dict[str, list[Money]] = defaultdict(list)
    returned: dict[str, list[Money]] = defaultdict(list)
    for entry in entries:
        there = [line.money for line in entry.lines if line.account in ledger.RECEIVING]
        side = returned if entry.fact.kind is FactKind.REFUND else received
        if entry.fact.kind is not FactKind.FEE:
            for money in there:
                side[money.currency].append(-money if side is returned else money)
    return Moved(*_summed(received), *_summed(returned))


def _summed(found: dict[str, list[Money]]) -> tuple[tuple[Money, ...], int]:
    sums = tuple(sum(amounts[1:], amounts[0]) for amounts in found.values())
    times = sum(1 for amounts in found.values() for amount in amounts if amount > nothing(amount.currency))
    return tuple(amount for amount in sums if not amount.is_nothing), times


def _alerts(bookings: list[Booking], after: datetime) -> list[tuple[Booking, Event]]:
    told = [
        (booking, event) for booking in bookings for event in booking.history if is_alert(event) and event.at >= after
    ]
    return sorted(told, key=lambda one: one[1].at, reverse=True)[:MOST]
