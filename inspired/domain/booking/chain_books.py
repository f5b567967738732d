"""An address on chain held against our books: what came, what left, and what it holds. Pure.

Raw units are compared, so that nothing is lost by rounding. What leaves an address is the owner's sweep, since only the
owner's wallet can send. A balance that neither explains is the owner's to look at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from inspired.domain.booking.booking import Booking, FactKind, PaymentOrder
from inspired.domain.booking.rails import CAPABILITIES, RailId
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import CURRENCY, DUST, Network, money_of, units_of

NOTHING = Money(Decimal(0), CURRENCY)
ROUNDED = Decimal("0.000001")  # the orders of one address are rounded down each for itself


@dataclass(frozen=True, slots=True)
class Counted:
    """Raw units of one address on one network, all up to one block, beside `final`: what is stored of `arrived` for
    good. `holds` is what the node tells."""

    network: Network
    final: int
    arrived: int
    left: int
    holds: int


def difference(counted: Counted) -> str:
    """What neither arrivals nor sweeps explain, in words; empty if there is nothing."""
    explained = counted.arrived - counted.left
    if counted.holds == explained:
        return ""
    came, went, holds = (_shown(counted.network, one) for one in (counted.arrived, counted.left, counted.holds))
    return f"ours: {came} came and {went} left, {counted.network.facts.name}: it holds {holds}"


@dataclass(frozen=True, slots=True)
class Orders:
    """The orders, on one network, of whoever has had an address. `booked`: what their bookings' books have of them."""

    are_known: bool
    are_proven: bool
    booked: Decimal


def orders_at(bookings: Sequence[Booking], network: Network, trade_nos: Sequence[str]) -> Orders:
    """Of these orders those on this network. They are proven once each that has money is, and one has."""
    of = [(booking, order) for booking in bookings for order in booking.orders]
    here = [(booking, one) for booking, one in of if one.trade_no in trade_nos and one.rail == RailId(network)]
    with_money = [one for _, one in here if one.has_money]
    return Orders(
        are_known=bool(here),
        are_proven=bool(with_money) and all(one.proven for one in with_money),
        booked=sum((_booked(booking, one) for booking, one in here), Decimal(0)),
    )


def _booked(booking: Booking, order: PaymentOrder) -> Decimal:
    account = CAPABILITIES[order.rail].account
    return sum(
        (
            line.money.amount
            for entry in booking.ledger
            if entry.fact.kind is FactKind.RECEIVED and entry.fact.subject_id == order.trade_no
            for line in entry.lines
            if line.account == account
        ),
        Decimal(0),
    )


def beside_orders(orders: Orders, network: Network, final: Sequence[int]) -> Money:
    """How much of the transfers that arrived for good no payment order will ever count: all of it where nobody has an
    order on this network. What has an order is that one's, dust too; but of an address that was given out again, or of
    which something waits for the owner, dust may be nobody's."""
    if not orders.are_known:
        return money_of(network, sum(final))
    if not orders.are_proven:
        return NOTHING
    rest = money_of(network, sum(final)).amount - orders.booked
    dust = money_of(network, sum(units for units in final if units < units_of(network, DUST))).amount
    return Money(rest, CURRENCY) if 0 < rest <= dust else NOTHING


def missing_in_books(orders: Orders, counted: Counted, beside: Money) -> str:
    """How the bookings' books differ from what arrived for their orders, in words. Until their money is proven, their
    rail has yet to be asked; newer money may be in the books before it is stored."""
    if not orders.are_proven:
        return ""
    booked = orders.booked + beside.amount
    least, most = money_of(counted.network, counted.final), money_of(counted.network, counted.arrived)
    if least.amount - ROUNDED <= booked <= most.amount:
        return ""
    return f"{counted.network.facts.name}: {most.shown} came, our books: {Money(booked, CURRENCY).shown}"


def _shown(network: Network, units: int) -> str:
    """Rounded down; never exact beyond eight places, so raw units follow where that hides something."""
    money = money_of(network, units)
    exact = 10**network.facts.decimals
    is_whole = money.amount * exact == units
    return money.shown if is_whole else f"{money.shown} ({units} raw units)"
