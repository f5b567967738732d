"""The payment limit per customer: the plan's limit, applied to each window of the limits report.

A customer is a blind index of an email address, here as in the report. Money counts as it arrived, before refunds. The
new order counts as paid now, and so does what the customer's other unpaid bookings still ask for.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from inspired.domain.booking.balance import nothing, total
from inspired.domain.booking.booking import Entry
from inspired.domain.booking.history import LimitWindow
from inspired.domain.catalogue.meeting_types import LIMIT, MeetingType
from inspired.domain.reporting import metrics
from inspired.domain.sentences.owner import WINDOWS
from inspired.domain.shared.errors import AboveLimit, Invalid
from inspired.domain.shared.money import Money
from inspired.domain.shared.periods import day_of

MOST_ALLOWED = Money.parse("1000000")
LONGEST = timedelta(days=365)  # the longest window; an allowance that lasted longer would be forgotten


@dataclass(frozen=True, slots=True)
class Turnover:
    """One of a customer's bookings: its ledger entries, and the price it still asks for (None: it cannot be paid)."""

    booking_id: str
    made_at: datetime
    entries: tuple[Entry, ...]
    asks: Money | None


@dataclass(frozen=True, slots=True)
class Allowance:
    """The owner allows this customer to pay up to `most` in any window, until then. `by` is a person's id."""

    customer: str
    most: Money
    until: datetime
    by: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Above:
    """`most` is the limit that would be exceeded, `window` the window."""

    most: Money
    window: LimitWindow


def above(turnover: Iterable[Turnover], amount: Money, most: Money, now: datetime, zone: str) -> Above | None:
    """The shortest window in which an order of `amount` would exceed `most`; None if the order is allowed."""
    today, payments = day_of(now, zone), _payments(turnover, now, zone)
    sums = metrics.rolling("", [*payments, (today, amount)], today)
    for window in LimitWindow:
        if getattr(sums, window) > most:
            return Above(most, window)
    return None


def _payments(turnover: Iterable[Turnover], now: datetime, zone: str) -> list[tuple[date, Money]]:
    found: list[tuple[date, Money]] = []
    for part in turnover:
        arrived = [(day_of(at, zone), money) for at, money in metrics.payments_in(part.entries)]
        found += arrived
        if part.asks is not None:
            here = total((money for _, money in arrived if money.currency == part.asks.currency), part.asks.currency)
            found.append((day_of(now, zone), max(part.asks - here, nothing(here.currency))))
    return found


def before(turnover: Sequence[Turnover], booking_id: str, made_at: datetime) -> list[Turnover]:
    """What counts against this booking's order: all money received, and what earlier bookings still ask for. So of two
    bookings made at once, one is let through."""
    return [
        part if (part.made_at, part.booking_id) < (made_at, booking_id) else replace(part, asks=None)
        for part in turnover
    ]


def limit_for(meeting_type: MeetingType) -> Money:
    """A call the owner knowingly offers above the limit may be paid once."""
    return max(LIMIT, meeting_type.price) if meeting_type.above_limit else LIMIT


def refusal(found: Above) -> AboveLimit:
    """The customer's error. It does not tell how much was paid from this address, since anybody can type it in."""
    return AboveLimit(
        f"This call would bring what is paid from one mail address above our limit of {found.most.shown} "
        f"{WINDOWS[found.window]}. Nothing was held and nothing is owed. Please write to us: the owner can allow it."
    )


def allowance(customer: str, most: Money, days: int, by: str, now: datetime) -> Allowance:
    """Raises Invalid."""
    wrong: dict[str, str] = {}
    if not most > LIMIT or most > MOST_ALLOWED:
        wrong["amount"] = f"More than {LIMIT.shown}, which everybody may pay, and at most {MOST_ALLOWED.shown}."
    if not 1 <= days <= LONGEST.days:
        wrong["days"] = f"From 1 to {LONGEST.days} days."
    if wrong:
        raise Invalid("Please check the marked fields.", wrong)
    return Allowance(customer, most, now + timedelta(days=days), by, now)
