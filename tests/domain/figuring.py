"""Random businesses: bookings that were paid, fell short or were given back, on random days; and those days."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from inspired.domain.booking import customer_actions
from inspired.domain.booking.booking import Booking, Entry
from inspired.domain.booking.states import Remote, State
from inspired.domain.reporting import metrics
from inspired.domain.reporting.metrics import Day
from inspired.domain.shared.money import Money
from inspired.domain.shared.periods import day_of
from tests.factories import MINUTE, NOW, a_live_booking, a_returned, seen, settled

ZONE = "Europe/Berlin"
THOROUGH = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
AMOUNTS = st.decimals(Decimal("0.00000001"), 300, places=8)


@st.composite
def bookings(draw: st.DrawFn, number: int) -> Booking:
    """One booking, paid with some amount, perhaps with a commission, perhaps given back in part or whole later."""
    booking_id = f"{number:024d}"
    made = NOW + timedelta(days=draw(st.integers(0, 400)), minutes=draw(st.integers(0, 1439)))
    order = replace(a_live_booking().orders[0], trade_no=f"{booking_id}001", prepay_id="P1")
    booking = a_live_booking(
        id=booking_id,
        created_at=made,
        expires_at=made + 15 * MINUTE,
        deadline=made + 16 * MINUTE,
        orders=(order,),
        email_index=draw(st.sampled_from(["ann", "bob", "eve", ""])),
    )
    paid = draw(st.one_of(st.just(Decimal(75)), AMOUNTS))
    at = made + draw(st.integers(1, 10)) * MINUTE
    observed = replace(seen(Remote.PAID, str(paid), at=at), trade_no=order.trade_no)
    if draw(st.booleans()):
        observed = replace(observed, commission=Money(draw(st.decimals(0, 1, places=8))))
    booking = settled(booking, observed, now=at)
    later = at + timedelta(hours=draw(st.integers(1, 2000)))
    if booking.state is State.CONFIRMED and draw(st.booleans()):
        amount = Money(draw(st.decimals(Decimal("0.00000001"), booking.price.amount, places=8)))
        booking = customer_actions.refund_part(booking, amount, later, cancels=draw(st.booleans()))
    return a_returned(booking, later + MINUTE)


@st.composite
def businesses(draw: st.DrawFn) -> list[Booking]:
    return [draw(bookings(number)) for number in range(draw(st.integers(0, 6)))]


def entries_of(found: Iterable[Booking]) -> list[tuple[str, Entry]]:
    return [(booking.id, entry) for booking in found for entry in booking.ledger]


def days_of(found: list[Booking]) -> list[Day]:
    """As the flow counts them, each from its own entries alone."""
    known = {one.id: one for one in found}
    by_day: dict[date, list[tuple[str, Entry]]] = defaultdict(list)
    for owner, entry in entries_of(found):
        by_day[day_of(entry.at, ZONE)].append((owner, entry))
    days = []
    for day, entries in sorted(by_day.items()):
        returned = [metrics.returned(owner, known[owner], entry) for owner, entry in entries]
        payments: dict[str, list[tuple[datetime, Money]]] = defaultdict(list)
        for booking in found:
            payments[booking.email_index or booking.id] += metrics.payments_in(booking.ledger)
        today = {known[owner].email_index or owner for owner, _ in entries}
        large = [
            metrics.rolling(customer, [(day_of(at, ZONE), money) for at, money in payments[customer]], day)
            for customer in sorted(today)
        ]
        figures = metrics.of_entries(entry for _, entry in entries)
        days.append(Day(day, figures, tuple(one for one in returned if one), tuple(large)))
    return days
