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
from inspired.domain.shared.networks import CURRENCY, Network, money_of

NOTHING = Money(Decimal(0), CURRENCY)


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


def beside_orders(order: PaymentOrder | None, network: Network, final: int) -> Money:
    """How much of what arrived no payment order will ever count: all of it where the booking has no order on this
    network. What has an order is that one's, dust too."""
    return NOTHING if order is not None else money_of(network, final)


def missing_in_books(booking: Booking | None, order: PaymentOrder | None, counted: Counted) -> str:
    """How the booking's books differ from what arrived for its order, in words. Until the order's money is proven, its
    rail has yet to be asked; newer money may be in the books before it is stored."""
    if booking is None or order is None or not order.proven:
        return ""
    account = CAPABILITIES[RailId(counted.network)].account
    booked = sum(
        (
            line.money.amount
            for entry in booking.ledger
            if entry.fact.kind is FactKind.RECEIVED and entry.fact.subject_id == order.trade_no
            for line in entry.lines
            if line.account == account
        ),
        Decimal(0),
    )
    least, most = money_of(counted.network, counted.final), money_of(counted.network, counted.arrived)
    if least.amount <= booked <= most.amount:
        return ""
    return f"{counted.network.facts.name}: {most.shown} came, our books: {Money(booked, CURRENCY).shown}"


def order_on(booking: Booking | None, network: Network, trade_nos: Sequence[str]) -> PaymentOrder | None:
    """The booking's order on this network, among those that an address was given to."""
    if booking is None:
        return None
    found = (booking.find_order(trade_no) for trade_no in trade_nos)
    return next((one for one in found if one is not None and one.rail == RailId(network)), None)


def _shown(network: Network, units: int) -> str:
    """Rounded down; never exact beyond eight places, so raw units follow where that hides something."""
    money = money_of(network, units)
    exact = 10**network.facts.decimals
    is_whole = money.amount * exact == units
    return money.shown if is_whole else f"{money.shown} ({units} raw units)"
