"""The owner's reports as tables of text, the same for the page, the file and the mail.

Amounts come from the daily figures (see metrics), which are sums of ledger entries, and are exact. Reports contain no
names or email addresses: a customer is a truncated blind index.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from inspired.domain.booking import ledger
from inspired.domain.booking.booking import Entry
from inspired.domain.booking.reconciliation import Difference
from inspired.domain.reporting import metrics
from inspired.domain.reporting.metrics import MOST, REPORTED, USDT, Day, Figures, Rolling
from inspired.domain.sentences import owner_pages
from inspired.domain.sentences.owner import CAUSES
from inspired.domain.shared.money import Money
from inspired.domain.shared.periods import Length, Period, period_of
from inspired.domain.shared.timezones import zone

ASKED_BY = {"system": "by itself", "customer": "by the customer", "owner": "by you"}
SHORT_INDEX = 12
DAYS_APART = 31  # longer periods are reported by month


class Kind(StrEnum):
    TAX = "tax"
    REFUNDS = "refunds"
    LIMITS = "limits"
    RECONCILIATION = "reconciliation"
    ENTRIES = "entries"  # only as a file


TITLES = {
    Kind.TAX: "Tax summary in USD",
    Kind.REFUNDS: "Refunds",
    Kind.LIMITS: "Customers above the limits",
    Kind.RECONCILIATION: "Reconciliation",
    Kind.ENTRIES: "Every entry of the ledger",
}
ABOUT = {
    Kind.TAX: (
        "1 USDT counts as 1 USD, as the prices of this site say. That is no market rate; what came in another currency "
        "is not converted. Gross is what confirmed calls earned, on the day they were confirmed; refunds are what was "
        "returned of it, on the day it had gone.",
        "It is a sum of the books and no tax return: it knows neither your costs nor your country’s rules.",
    ),
    Kind.REFUNDS: (
        "Money that has gone back, by whatever way, dated when that was seen. What is promised and has not gone yet "
        "stands with its booking.",
    ),
    Kind.LIMITS: (
        f"What arrived from one customer in a day, in 30 days and in 365 days, the most of each at any time of the "
        f"period, before refunds and in USDT. Here is whoever came above {REPORTED:,} in 365 days; the limit is "
        f"{MOST:,} in any of the three. Nobody comes above it by an order of this site without your word.",
        "A customer is a mail address, which says nothing of who pays: that is not known to this site.",
    ),
    Kind.RECONCILIATION: ("What differs between the payments’ providers, the calendar and the books, as it is now.",),
    Kind.ENTRIES: (
        "One row for each line of each entry. Debits are positive, credits negative; the rows of a currency are 0 "
        "together. The rate is the fixed one of this site.",
    ),
}


@dataclass(frozen=True, slots=True)
class Row:
    """`booking_id` and `customer` (a blind index) are what the owner's page may link and name."""

    cells: tuple[str, ...]
    booking_id: str = ""
    customer: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """`numeric`: the columns with amounts. `totals` are rows of the same shape."""

    kind: Kind
    period: Period
    columns: tuple[str, ...]
    numeric: frozenset[int]
    rows: tuple[Row, ...]
    totals: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return TITLES[self.kind]

    def named(self, row: Row) -> list[tuple[str, str]]:
        """The row's non-empty cells with their column names."""
        return [(name, cell) for name, cell in zip(self.columns, row.cells, strict=True) if cell]


def tax(days: Sequence[Day], period: Period) -> Report:
    """By day, or by month for periods longer than one; empty days are left out."""
    parts: dict[str, Figures] = {}
    for day in days:
        name = str(day.date) if period.days <= DAYS_APART else period_of(Length.MONTH, day.date).name
        parts[name] = parts.get(name, Figures()) + day.figures
    rows = tuple(row for name, figures in sorted(parts.items()) for row in _taxed(name, figures))
    columns = ("Period", "Currency", "Gross", "Refunds", "Commission", "Net", "USD for one", "Net in USD")
    together = tuple(_taxed("Together", metrics.together(days)))
    return Report(Kind.TAX, period, columns, frozenset(range(2, 8)), rows, together, ABOUT[Kind.TAX])


def _taxed(name: str, figures: Figures) -> Iterable[Row]:
    for currency in figures.currencies:
        amounts = (
            figures.revenue(currency),
            figures.money(ledger.REFUNDS, currency),
            figures.money(ledger.FEES, currency),
            figures.net(currency),
        )
        if any(not amount.is_nothing for amount in amounts):
            in_dollars = ("1", str(amounts[-1])) if currency == USDT else ("", "")
            yield Row((name, currency, *map(str, amounts), *in_dollars))


def refunds(days: Iterable[Day], period: Period, zone_name: str) -> Report:
    returned = [refund for day in days for refund in day.returned]
    rows = tuple(
        Row(
            (
                written(refund.at, zone_name),
                str(refund.money),
                refund.money.currency,
                CAUSES[refund.cause] if refund.cause else "not known",
                ASKED_BY.get(refund.by, refund.by),
                refund.refund_id,
            ),
            booking_id=refund.booking_id,
        )
        for refund in returned
    )
    columns = ("Gone", "Amount", "Currency", "Why", "Asked for", "Refund")
    totals = tuple(
        Row(("Together", str(money), money.currency, "", "", ""))
        for money in _sums(refund.money for refund in returned)
    )
    return Report(Kind.REFUNDS, period, columns, frozenset({1}), rows, totals, ABOUT[Kind.REFUNDS])


def _sums(amounts: Iterable[Money]) -> list[Money]:
    sums: dict[str, Money] = {}
    for amount in amounts:
        sums[amount.currency] = sums.get(amount.currency, amount - amount) + amount
    return [sums[currency] for currency in sorted(sums)]


def limits(days: Iterable[Day], period: Period) -> Report:
    rows = tuple(
        Row(
            (rolling.customer[:SHORT_INDEX], str(rolling.day), str(rolling.month), str(rolling.year), _above(rolling)),
            customer=rolling.customer,
        )
        for rolling in metrics.largest(days)
    )
    columns = ("Customer", "Most in a day", "Most in 30 days", "Most in 365 days", "Above")
    return Report(Kind.LIMITS, period, columns, frozenset({1, 2, 3}), rows, (), ABOUT[Kind.LIMITS])


def _above(rolling: Rolling) -> str:
    """ "10,000 in 30 days" """
    windows = (("in a day", rolling.day), ("in 30 days", rolling.month), ("in 365 days", rolling.year))
    for limit in (MOST, REPORTED):
        for name, money in windows:
            if money.amount > limit:
                return f"{limit:,} {name}"
    return ""


def reconciliation(
    cases: Iterable[tuple[Difference, datetime | None]], notes: Iterable[str], period: Period, zone_name: str
) -> Report:
    """Open cases with their dates; `notes` are about the last runs."""
    rows = tuple(
        Row(
            (
                written(since, zone_name) if since else "",
                owner_pages.difference(difference),
                difference.told,
                difference.subject,
            ),
            booking_id=difference.booking_id,
        )
        for difference, since in cases
    )
    columns = ("Since", "What differs", "What was found", "About")
    return Report(Kind.RECONCILIATION, period, columns, frozenset(), rows, (), (*ABOUT[Kind.RECONCILIATION], *notes))


def entries(found: Iterable[tuple[str, Entry]], period: Period, zone_name: str) -> Report:
    """Line by line, for the accountant."""
    rows = tuple(
        Row(
            (
                written(entry.at, zone_name),
                owner,
                entry.fact.key,
                entry.text,
                line.account,
                str(line.money),
                line.money.currency,
                "1" if line.money.currency == USDT else "",
            ),
            booking_id=owner,
        )
        for owner, entry in sorted(found, key=lambda one: (one[1].at, one[0], one[1].number))
        for line in entry.lines
    )
    columns = ("Time", "Booking", "Fact", "What", "Account", "Amount", "Currency", "USD for one")
    return Report(Kind.ENTRIES, period, columns, frozenset({5, 7}), rows, (), ABOUT[Kind.ENTRIES])


def written(moment: datetime, zone_name: str) -> str:
    """ "2026-11-24 14:02:33", in the given zone."""
    return f"{moment.astimezone(zone(zone_name)):%Y-%m-%d %H:%M:%S}"


# --- scheduled reports ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plan:
    """A report sent after each week or month. `first`: the first day of the period that is sent next."""

    kind: Kind
    length: Length
    first: date
    leased_until: datetime

    @property
    def period(self) -> Period:
        return period_of(self.length, self.first)


def is_counted(days: Sequence[Day], period: Period, end: datetime, opened: date) -> bool:
    """True if every day of the period since the business opened was counted after the period's end."""
    done = {day.date for day in days if day.counted_at is not None and day.counted_at >= end}
    return done >= {day for day in period.dates() if day >= opened}


def agrees(figures: Figures, entries: Iterable[Entry]) -> bool:
    """True if the counted sums equal the ledger exactly."""
    held = {place: money.amount for place, money in ledger.balances(entries).items()}
    return {place: amount for place, amount in figures.accounts.items() if amount != Decimal()} == held
