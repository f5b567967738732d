"""`inspired check`: every invariant over the whole database, with the number of checks and the violations.

Run after every test, hourly in production (with an alert if anything is wrong), and by the owner.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import structlog

from inspired.adapters.mongo import heartbeats
from inspired.adapters.mongo.ledger_store import Run
from inspired.domain.booking.booking import Booking, Entry
from inspired.domain.booking.invariants import INVARIANTS, violations
from inspired.domain.booking.ledger import balances
from inspired.domain.booking.outbox import PostLedger
from inspired.domain.booking.states import CalendarKind, State
from inspired.flows.shared import paging
from inspired.services import Services

NAME = "check"
BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
GRACE = timedelta(minutes=5)  # how long due work may wait before it counts as overdue
RECENT = timedelta(days=35)
PAGE = 200
HOLDING = (State.PENDING, State.PAID, State.CONFIRMED)
log = structlog.get_logger()


@dataclass
class Report:
    """How often each invariant was checked, and the violations: (invariant, whose, what is wrong)."""

    looked_at: dict[str, int] = field(default_factory=lambda: dict.fromkeys(INVARIANTS, 0))
    found: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not self.found

    def count(self, name: str) -> int:
        return sum(one == name for one, _, _ in self.found)

    def lines(self) -> Iterator[str]:
        for name, sentence in INVARIANTS.items():
            count = self.count(name)
            verdict = "ok" if not count else f"BROKEN {count} times"
            yield f"{verdict:>16}  {self.looked_at[name]:>7} looked at  {sentence}"
        for name, whose, wrong in self.found:
            yield f"{name}: {whose}: {wrong}"


def check(svc: Services, *, after: datetime = BEGINNING, grace: timedelta = GRACE) -> Report:
    """Check everything made since `after`. Read-only."""
    report, taken = Report(), dict[int, str]()
    for booking in _all(svc, after):
        for name, wrong in of_booking(svc, booking):
            report.found.append((name, booking.id, wrong))
        for name in OF_BOOKING:
            report.looked_at[name] += 1
        _slots(report, taken, booking)
    _whole(svc, report, after, grace)
    return report


OF_BOOKING = tuple(
    name for name in INVARIANTS if name not in ("books_sum", "one_slot", "notices_worked", "nothing_overdue")
)


def of_booking(svc: Services, booking: Booking) -> Iterator[tuple[str, str]]:
    yield from violations(booking, svc.now())
    if booking.owes(PostLedger):
        return  # the posting is still pending; `nothing_overdue` checks whether it is late
    posted = svc.ledger.of(booking.id) if booking.state is not State.DRAFT else ()
    if posted != booking.ledger:
        yield "books_posted", f"{len(booking.ledger)} entries, {len(posted)} in the ledger"


def _all(svc: Services, after: datetime) -> Iterator[Booking]:
    cursor, until = after - paging.MILLISECOND, svc.now() + paging.MILLISECOND
    while page := paging.page_after(svc, cursor, until, PAGE):
        yield from page
        cursor = page[-1].created_at


def _slots(report: Report, taken: dict[int, str], booking: Booking) -> None:
    slot = booking.slot
    if slot is None or slot.calendar is not CalendarKind.BUILTIN or booking.state not in HOLDING:
        return
    report.looked_at["one_slot"] += 1
    ticks = slot.around.ticks()
    others = {taken[tick] for tick in ticks if tick in taken}
    for other in others:
        report.found.append(("one_slot", booking.id, f"overlaps with {other}"))
    taken.update(dict.fromkeys(ticks, booking.id))


def _whole(svc: Services, report: Report, after: datetime, grace: timedelta) -> None:
    """The invariants that are not about a single booking."""
    entries = [entry for _, entry in svc.ledger.all(after, svc.now() + paging.MILLISECOND)]
    report.looked_at["books_sum"] = len(entries)
    for currency, amount in _sums(entries).items():
        report.found.append(("books_sum", currency, f"off by {amount}"))
    late = svc.now() - grace
    webhooks, bookings = svc.logs.due(late, PAGE), svc.bookings.due(late, PAGE)
    report.looked_at["notices_worked"], report.looked_at["nothing_overdue"] = len(webhooks), len(bookings)
    report.found += [("notices_worked", webhook, f"due for more than {grace}") for webhook in webhooks]
    report.found += [("nothing_overdue", booking, f"due for more than {grace}") for booking in bookings]


def _sums(entries: list[Entry]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for (_, currency), money in balances(entries).items():
        sums[currency] += money.amount
    return {currency: amount for currency, amount in sums.items() if amount}


# --- in production, in pages ----------------------------------------------------------------------------------------


def start(svc: Services) -> bool:
    started = paging.start(svc, NAME, after=svc.now() - RECENT)
    svc.queue.enqueue_mail("turn_page", NAME)
    return started


def turn_page(svc: Services) -> bool:
    return paging.turn(svc, NAME, lambda booking: _counted(svc, booking), lambda run: _finished(svc, run))


def _counted(svc: Services, booking: Booking) -> paging.Counts:
    """Read the booking again before reporting it, since a worker may be changing it."""
    if not list(of_booking(svc, booking)):
        return {"bookings": 1}
    counts = {"bookings": 1}
    for name, wrong in of_booking(svc, svc.bookings.get(booking.id)):
        log.error("invariant_broken", invariant=name, booking=booking.id, wrong=wrong)
        counts[name] = counts.get(name, 0) + 1
    return counts


def _finished(svc: Services, run: Run) -> None:
    """Record the result; it is an alert for as long as violations are found."""
    report = Report()
    _whole(svc, report, BEGINNING, GRACE)
    counts = {**run.counts, **{name: report.count(name) for name in INVARIANTS if report.count(name)}}
    broken = [f"{INVARIANTS[name]} Broken: {count}." for name, count in counts.items() if name in INVARIANTS]
    log.info("checked", **counts)
    svc.heartbeats.beat(heartbeats.CHECK, svc.now(), is_well=not broken, detail=" ".join(broken))
