"""Business metrics: totals of a day's bookings, ledger entries and logs, and totals of days.

`Figures` can be added: those of a month are the sum of its days, so a page reads one small document per day and never
the bookings. Nothing is estimated: every figure is a count or sum of what was recorded when it happened (history
events, ledger entries, webhooks, calls). Funnel, failures and times to pay belong to the day a booking was made, money
to the day it was booked, webhooks and calls to the day they arrived or were made.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from inspired.domain.booking import ledger
from inspired.domain.booking.booking import Booking, Entry, Fact, FactKind, PaymentOrder
from inspired.domain.booking.history import EventKind, MoneySeen, Order
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.states import Cause, Flag, State
from inspired.domain.catalogue.meeting_types import LIMIT
from inspired.domain.shared.money import Money
from inspired.domain.shared.slots import Span

Tally = Mapping[int, int]  # a value rounded to two significant digits (see two_digits) → how often it occurred
USDT = "USDT"  # 1 USDT counts as 1 USD, as for the prices
REPORTED, MOST = Decimal(1_000), LIMIT.amount  # USD from one customer: the reporting threshold, and the limit
WINDOWS = {"day": 1, "month": 30, "year": 365}  # in days, each ending with the day in question
LEAST_WEEKS, MOST_WEEKS = 8, 13  # weeks a forecast looks back
LEAST_SALES = 10
AHEAD_DAYS = 30
# Student's t, two-sided 80 %, by degrees of freedom: https://www.itl.nist.gov/div898/handbook/eda/section3/eda3672.htm
T_80 = dict(zip(range(7, 13), map(Decimal, ("1.415", "1.397", "1.383", "1.372", "1.363", "1.356")), strict=True))


class Step(StrEnum):
    """The steps to a confirmed call, after the page view."""

    HELD = "held"
    SHOWN = "shown"  # the provider has the order, and the page shows its QR code
    PAID = "paid"
    CONFIRMED = "confirmed"


class Failure(StrEnum):
    EXPIRED = "expired"
    GIVEN_UP = "given_up"
    CALENDAR = "calendar"
    NO_ORDER = "no_order"
    UNDERPAID = "underpaid"
    OVERPAID = "overpaid"
    PAID_TWICE = "paid_twice"
    PAID_LATE = "paid_late"
    SLOT_LOST = "slot_lost"
    REFUND_STUCK = "refund_stuck"


class Found(StrEnum):
    """How a payment was first noticed."""

    NOTICE = "notice"
    QUERY = "query"
    UNTOLD = "untold"  # found by our own query, and no webhook came at all


@dataclass(frozen=True, slots=True)
class Figures:
    """The sums of one or more days. Zeros are left out."""

    visits: Mapping[str, int] = field(default_factory=dict)  # page loads, by meeting type
    steps: Mapping[tuple[str, Step], int] = field(default_factory=dict)  # by meeting type
    usage: Mapping[RailId, int] = field(default_factory=dict)  # paid bookings by the rail of their newest money
    failures: Mapping[Failure, int] = field(default_factory=dict)
    found: Mapping[Found, int] = field(default_factory=dict)
    to_pay: Tally = field(default_factory=dict)  # seconds from the QR code to the payment
    notices: Tally = field(default_factory=dict)  # milliseconds from a payment to its webhook
    calls: Tally = field(default_factory=dict)  # milliseconds per call to the provider
    outcomes: Mapping[str, int] = field(default_factory=dict)  # outcomes of these calls
    customers: Mapping[str, int] = field(default_factory=dict)  # "new", "back"
    sales: int = 0  # calls whose revenue was first booked
    accounts: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)  # as ledger.balances: account, currency

    def __add__(self, other: "Figures") -> "Figures":
        return summed([self, other])

    def reached(self, step: Step) -> int:
        return sum(count for (_, reached), count in self.steps.items() if reached is step)

    def money(self, account: str, currency: str) -> Money:
        return Money(self.accounts.get((account, currency), Decimal()), currency)

    def revenue(self, currency: str) -> Money:
        return -self.money(ledger.SALES, currency)

    def net(self, currency: str) -> Money:
        """Revenue, less refunds of it and the provider's fees."""
        less = self.money(ledger.REFUNDS, currency) + self.money(ledger.FEES, currency)
        return self.revenue(currency) - less

    @property
    def currencies(self) -> list[str]:
        return sorted({currency for _, currency in self.accounts})


@dataclass(frozen=True, slots=True)
class Returned:
    """A ledger entry about a completed refund. `cause` None: the booking no longer knows this refund."""

    at: datetime
    booking_id: str
    refund_id: str
    money: Money
    cause: Cause | None
    by: str


@dataclass(frozen=True, slots=True)
class Rolling:
    """What arrived from one customer in the 1, 30 and 365 days up to this one. `customer` is the blind index of an
    email address."""

    customer: str
    day: Money
    month: Money
    year: Money


@dataclass(frozen=True, slots=True)
class Day:
    """A day in the owner's zone."""

    date: date
    figures: Figures = field(default_factory=Figures)
    returned: tuple[Returned, ...] = ()
    large: tuple[Rolling, ...] = ()  # customers above REPORTED in 365 days who paid on this day
    counted_at: datetime | None = None


def together(days: Iterable[Day]) -> Figures:
    return summed([day.figures for day in days])


def summed(parts: Sequence[Figures]) -> Figures:
    names = (one.name for one in fields(Figures) if one.name != "sales")
    sums = {name: _added(getattr(figures, name) for figures in parts) for name in names}
    return Figures(**sums, sales=sum(figures.sales for figures in parts))


# --- a day's totals -------------------------------------------------------------------------------------------------


def of_bookings(bookings: Iterable[Booking], told_of: Container[str]) -> Figures:
    """The bookings made on a day. `told_of`: those for which a payment webhook has arrived."""
    steps: dict[tuple[str, Step], int] = defaultdict(int)
    usage: dict[RailId, int] = defaultdict(int)
    failures: dict[Failure, int] = defaultdict(int)
    found: dict[Found, int] = defaultdict(int)
    to_pay: dict[int, int] = defaultdict(int)
    for booking in bookings:
        for step in steps_of(booking):
            steps[booking.meeting_type.id, step] += 1
            if step is Step.PAID:
                usage[booking.paid_by] += 1
        for failure in failures_of(booking):
            failures[failure] += 1
        for teller in found_by(booking):
            found[teller] += 1
            if teller is Found.QUERY and booking.id not in told_of:
                found[Found.UNTOLD] += 1
        seconds = seconds_to_pay(booking)
        if seconds is not None:
            to_pay[two_digits(seconds)] += 1
    return Figures(
        steps=dict(steps), usage=dict(usage), failures=dict(failures), found=dict(found), to_pay=dict(to_pay)
    )


def of_entries(entries: Iterable[Entry]) -> Figures:
    """A day's ledger entries."""
    known = list(entries)
    sums = {place: money.amount for place, money in ledger.balances(known).items()}
    return Figures(accounts=sums, sales=sum(map(_earns, known)))


def of_calls(calls: Iterable[tuple[str, int]]) -> Figures:
    """Calls to the provider: outcome and milliseconds."""
    times: dict[int, int] = defaultdict(int)
    outcomes: dict[str, int] = defaultdict(int)
    for outcome, milliseconds in calls:
        times[two_digits(milliseconds)] += 1
        outcomes[outcome] += 1
    return Figures(calls=dict(times), outcomes=dict(outcomes))


def of_notices(notices: Iterable[tuple[datetime, PaymentOrder]]) -> Figures:
    """The first webhook of each payment: its arrival, and its order."""
    delays: dict[int, int] = defaultdict(int)
    for came, order in notices:
        if order.paid_at is not None:
            delays[two_digits(max(came - order.paid_at, timedelta()) // timedelta(milliseconds=1))] += 1
    return Figures(notices=dict(delays))


def of_customers(sales: Iterable[Iterable[datetime]], day: Span) -> Figures:
    """`sales`: for each customer, when their calls were earned. Counts the customers whose first or second call was
    earned on `day`."""
    counts: dict[str, int] = defaultdict(int)
    for moments in sales:
        for name, moment in zip(("new", "back"), sorted(moments), strict=False):
            if day.start <= moment < day.end:
                counts[name] += 1
    return Figures(customers=dict(counts))


KINDS = {
    Step.HELD: EventKind.HELD,
    Step.SHOWN: EventKind.ORDER_CREATED,
    Step.PAID: EventKind.PAID,
    Step.CONFIRMED: EventKind.CONFIRMED,
}


def steps_of(booking: Booking) -> list[Step]:
    happened = {event.kind for event in booking.history}
    return [step for step, kind in KINDS.items() if kind in happened]


def failures_of(booking: Booking) -> list[Failure]:
    """What went wrong; a booking may have several failures."""
    events, failures = {event.kind for event in booking.history}, []
    if booking.state is State.EXPIRED:
        failures.append(Failure.EXPIRED)
    if booking.state is State.CANCELLED and EventKind.PAID not in events:
        failures += [Failure.GIVEN_UP] if EventKind.GIVEN_UP in events else []
        failures += [Failure.CALENDAR] if EventKind.CANCELLED_IN_CALENDAR in events else []
    failures += [Failure.NO_ORDER] if EventKind.CREATE_FAILED in events else []
    odd = (Flag.UNDERPAID, Flag.OVERPAID, Flag.PAID_TWICE, Flag.PAID_LATE, Flag.SLOT_LOST)
    failures += [Failure(flag) for flag in odd if flag in booking.flags]
    failures += [Failure.REFUND_STUCK] if events & {EventKind.REFUND_STUCK, EventKind.REFUND_REJECTED} else []
    return failures


def found_by(booking: Booking) -> list[Found]:
    """For each payment, how it was first noticed."""
    seen = (event.details for event in booking.history if event.kind is EventKind.MONEY)
    return [Found.QUERY if isinstance(one, MoneySeen) and one.by_query else Found.NOTICE for one in seen]


def seconds_to_pay(booking: Booking) -> int | None:
    """From the order's creation, when the QR code appears, to the payment, by the provider's clock. None: not paid."""
    made = (event for event in booking.history if event.kind is EventKind.ORDER_CREATED)
    shown = {event.details: event.at for event in made}
    paid = [(order.paid_at, shown[Order(order.number)]) for order in booking.orders
            if order.paid_at is not None and Order(order.number) in shown]  # fmt: skip
    return max(min(paid)[0] - min(paid)[1], timedelta()) // timedelta(seconds=1) if paid else None


def returned(booking_id: str, booking: Booking | None, entry: Entry) -> Returned | None:
    """The refund of this entry; None for other entries."""
    refund_id = entry.fact.subject_id
    moved = [line.money for line in entry.lines if line.account in ledger.RECEIVING]
    if entry.fact.kind is not FactKind.REFUND or not moved:
        return None
    refund = booking.find_refund(refund_id) if booking else None
    return Returned(
        entry.at, booking_id, refund_id, -moved[0], refund.cause if refund else None, refund.by if refund else ""
    )


# --- customers ------------------------------------------------------------------------------------------------------


def payments_in(entries: Iterable[Entry]) -> list[tuple[datetime, Money]]:
    """What arrived with each order, dated by its first entry: a correction belongs to the entry it corrects."""
    facts: dict[tuple[Fact, str], tuple[datetime, Money]] = {}
    for entry in sorted(entries, key=lambda one: one.number):
        if entry.fact.kind is FactKind.RECEIVED:
            for money in (line.money for line in entry.lines if line.account in ledger.RECEIVING):
                at, before = facts.get((entry.fact, money.currency), (entry.at, money - money))
                facts[entry.fact, money.currency] = (at, before + money)
    return sorted(facts.values(), key=lambda one: one[0])


def earned_at(entries: Iterable[Entry]) -> datetime | None:
    """When a booking's revenue was first booked; None if it never was."""
    return min((entry.at for entry in entries if _earns(entry)), default=None)


def rolling(customer: str, payments: Iterable[tuple[date, Money]], day: date) -> Rolling:
    """The sums of the windows ending with this day, in USDT; other currencies have no rate to USD here."""
    sums = dict.fromkeys(WINDOWS, Decimal())
    for paid, money in payments:
        for name, days in WINDOWS.items():
            if money.currency == USDT and timedelta() <= day - paid < timedelta(days=days):
                sums[name] += money.amount
    return Rolling(customer, *(Money(amount, USDT) for amount in sums.values()))


def largest(days: Iterable[Day]) -> list[Rolling]:
    """For each customer above REPORTED the highest sums of 1, 30 and 365 days within these days; largest first."""
    found: dict[str, Rolling] = {}
    for one in (one for day in days for one in day.large):
        before = found.get(one.customer, one)
        parts = (max(getattr(one, name), getattr(before, name)) for name in WINDOWS)
        found[one.customer] = Rolling(one.customer, *parts)
    return sorted(found.values(), key=lambda one: (-one.year.amount, one.customer))


# --- distributions and forecast -------------------------------------------------------------------------------------


def two_digits(number: int) -> int:
    """Round to two significant digits: 87 stays, 1,234 becomes 1,200. Off by at most 5 %, with few distinct values."""
    step = 10 ** max(len(str(number)) - 2, 0)
    return int((number + step // 2) // step * step)


def percentile(tally: Tally, percent: int) -> int | None:
    """The smallest value not exceeded by that many percent of all. None if there are no values."""
    left = sum(tally.values()) * percent
    for value in sorted(tally):
        left -= tally[value] * 100
        if left <= 0:
            return value
    return None


@dataclass(frozen=True, slots=True)
class Forecast:
    """For the next 30 days. In four of five cases the result should lie between `low` and `high`."""

    low: Money
    middle: Money
    high: Money
    weeks: int


def forecast(weeks: Sequence[Money], sales: int) -> Forecast | None:
    """From the revenue of whole weeks, newest last. None below LEAST_WEEKS weeks or LEAST_SALES sales in them.

    `middle` continues the average week. The interval is Student's, for a sum of independent, identical weeks: it knows
    no season or trend, and is cut off at zero.
    """
    looked_at = weeks[-MOST_WEEKS:]
    count = len(looked_at)
    if count < LEAST_WEEKS or sales < LEAST_SALES:
        return None
    amounts, currency = [amount.amount for amount in looked_at], looked_at[0].currency
    mean, ahead = sum(amounts, Decimal()) / count, Decimal(AHEAD_DAYS) / 7
    variance = sum(((amount - mean) ** 2 for amount in amounts), Decimal()) / (count - 1)
    reach = T_80[count - 1] * (variance * (ahead + ahead**2 / count)).sqrt()
    bounds = (mean * ahead - reach, mean * ahead, mean * ahead + reach)
    low, middle, high = (Money(bound.quantize(Decimal("0.01")), currency) for bound in bounds)
    return Forecast(max(low, middle - middle), middle, high, count)


def _earns(entry: Entry) -> bool:
    return any(line.account == ledger.SALES and line.money.amount < 0 for line in entry.lines)


def _added(parts: Iterable[Mapping[Any, Any]]) -> dict[Any, Any]:
    sums: dict[Any, Any] = {}
    for part in parts:
        for key, value in part.items():
            sums[key] = sums.get(key, 0) + value
    return {key: value for key, value in sums.items() if value}
