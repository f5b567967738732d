"""When an address on chain may be given out again, and which money counts for whom at one that was. Pure.

Somebody who was shown an address may pay to it at any time, without asking. So it is given out again only after it
rested, and only where its earlier holders have paid in full or never saw it. Even then money counts by itself only if
it can hardly be anybody else's: exactly the present holder's amount, in a block of their time to pay. Everything else
waits for the owner.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from inspired.domain.booking.balance import unclear
from inspired.domain.booking.booking import Booking, PaymentOrder
from inspired.domain.booking.polling import ENDED, passed
from inspired.domain.booking.states import Flag, State
from inspired.domain.shared.networks import DUST, Network, Transfer, units_of

REST = timedelta(days=90)  # since something moved there, and since it was given out
GRACE = timedelta(seconds=60)  # an order is closed that much after its end at most


class Rest(StrEnum):
    """Whether an address may be given out again."""

    READY = "ready"
    LATER = "later"  # something of it is unfinished
    NEVER = "never"  # as things stand: somebody may still pay there what they were asked for


@dataclass(frozen=True, slots=True)
class Handover:
    """When an address was given to another order, and the newest block of that order's network then."""

    network: Network
    block: int
    at: datetime

    def is_before(self, network: Network, block_number: int, block_time: datetime) -> bool:
        """True if a block is of the time before."""
        return block_number <= self.block if network is self.network else block_time < self.second

    @property
    def second(self) -> datetime:
        """Blocks are stamped to the second."""
        return self.at.replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class Tenancy:
    """One order's time at its address. `since`: None for the first holder. `until`: None for the present one. `pays`:
    exactly these raw units count by themselves, on this network, in blocks stamped up to `pays_until`."""

    network: Network
    since: Handover | None
    until: Handover | None
    pays: int
    pays_until: datetime

    def has(self, transfer: Transfer, block_time: datetime) -> bool:
        """True if the transfer is of this time."""
        number = transfer.block_number
        if self.since is not None and self.since.is_before(transfer.network, number, block_time):
            return False
        return self.until is None or self.until.is_before(transfer.network, number, block_time)

    def is_payment(self, transfer: Transfer, block_time: datetime) -> bool:
        """True if it can be told to be this order's payment where somebody else had the address before."""
        is_in_time = self.since is None or self.since.second <= block_time <= self.pays_until + GRACE
        return is_in_time and transfer.network is self.network and transfer.units == self.pays


def counted(transfers: Iterable[Transfer], tenancy: Tenancy, times: Mapping[str, datetime]) -> list[Transfer]:
    """Those that count by themselves for a holder who is not the first: the one that is the payment, and dust, which
    is told to nobody. `transfers` are of this holder's time; `times`: of their blocks, by hash."""
    found: list[Transfer] = []
    is_paid = False
    for one in transfers:
        if is_dust(one):
            found.append(one)
        elif not is_paid and tenancy.is_payment(one, times[one.block_hash]):
            found.append(one)
            is_paid = True
    return found


def is_dust(transfer: Transfer) -> bool:
    return transfer.units < units_of(transfer.network, DUST)


def rest_of(bookings: Sequence[Booking], trade_nos: Sequence[str], now: datetime) -> Rest:
    """Of an address that these orders have had, by their bookings. That nothing moved there for `REST` is known
    elsewhere."""
    orders = [(booking, order) for booking in bookings for order in booking.orders if order.trade_no in trade_nos]
    if len(orders) < len(trade_nos):
        return Rest.NEVER  # whose it was cannot be told any more
    if any(is_unfinished(booking, now) for booking, _ in orders):
        return Rest.LATER
    is_spent = all(was_paid(order) or order.checkout is None for _, order in orders if order.is_offered)
    return Rest.READY if is_spent else Rest.NEVER


def was_paid(order: PaymentOrder) -> bool:
    """True if all that was asked for came, for good."""
    money = order.received
    if not (order.has_money and order.proven) or money is None or money.currency != order.amount.currency:
        return False
    return not money < order.amount


def is_unfinished(booking: Booking, now: datetime) -> bool:
    """True while the booking waits for anything: its call, money, a refund, the owner."""
    if booking.state is State.CONFIRMED:
        is_over = booking.slot is not None and passed(booking.slot.span.end, now)
    else:
        is_over = booking.state in ENDED
    is_owed = any(not refund.is_gone for refund in booking.refunds if not refund.replaced_by)
    waits = booking.is_open or bool(booking.outbox) or booking.check_at is not None or bool(unclear(booking))
    return not is_over or is_owed or waits or Flag.NEEDS_OWNER in booking.flags
