"""A booking's balance: money received, money going back, and what remains against the amount due.

A refund counts from the moment it is recorded: money promised back no longer belongs to the booking. So nothing is
returned twice, and no booking is confirmed by money that is leaving.
"""

from collections.abc import Iterable
from enum import StrEnum
from functools import cache

from inspired.domain.booking.booking import Booking, PaymentOrder, Refund
from inspired.domain.booking.rails import CAPABILITIES
from inspired.domain.booking.states import Held, Remote, State
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import DUST


class Payment(StrEnum):
    """All money seen for a booking, compared with the amount due."""

    NONE = "none"  # no money has ever arrived
    NOTIFIED = "notified"  # a signed webhook reports it, our own query has not confirmed it yet
    EXACT = "exact"
    SHORT = "short"
    OVER = "over"
    UNCLEAR = "unclear"  # cannot be counted: another currency, unreadable, or partly returned by an unknown amount
    RETURNED = "returned"  # it was here, and all of it has gone back or is promised back


def payment_of(booking: Booking) -> Payment:
    paid = [order for order in booking.orders if order.has_money and not is_dust(order)]
    if booking.state in (State.PENDING, State.PAID):
        # It may be somebody else's: meanwhile the customer is asked to pay, as if it were not there.
        paid = [order for order in paid if order.held is not Held.EARLIER_HOLDER]
    if not paid:
        return Payment.NONE
    wanted = due(booking)
    kept = _without_dust(booking, kept_of(booking), wanted)
    if kept > wanted:
        return Payment.OVER
    if kept == wanted and not kept.is_nothing:
        return Payment.EXACT
    if any(not order.proven for order in paid):
        return Payment.NOTIFIED
    if unclear(booking):
        return Payment.UNCLEAR
    # Negative: refunds were promised, and meanwhile some of the money left through the console.
    return Payment.SHORT if kept > nothing(kept.currency) else Payment.RETURNED


def is_dust(order: PaymentOrder) -> bool:
    """True if what came is so little that it is nobody's payment. Anybody can send such amounts to an address on chain;
    they are booked, change nothing else, and are told to nobody."""
    return CAPABILITIES[order.rail].takes_more and order.received is not None and _is_dust(order.received)


def _is_dust(money: Money) -> bool:
    return money.currency == DUST.currency and money < DUST and not money < nothing(DUST.currency)


def _without_dust(booking: Booking, kept: Money, wanted: Money) -> Money:
    """`kept`, unless it differs by dust from what is wanted or from nothing."""
    if not any(CAPABILITIES[order.rail].takes_more and order.has_money for order in booking.orders):
        return kept
    if _is_dust(kept - wanted):
        return wanted
    return nothing(kept.currency) if _is_dust(kept) else kept


def denied(booking: Booking) -> Remote | None:
    """The closed status, if a webhook reported the payment but our query says the order closed unpaid; otherwise
    None."""
    order = denied_order(booking)
    return order.denied if order is not None else None


def denied_order(booking: Booking) -> PaymentOrder | None:
    if payment_of(booking) is not Payment.NOTIFIED:
        return None
    return next((order for order in booking.orders if order.has_money and not order.proven and order.denied), None)


def due(booking: Booking) -> Money:
    """The amount the booking may keep: its price, unless another amount was agreed since."""
    return booking.price if booking.agreed_amount is None else booking.agreed_amount


def kept_of(booking: Booking) -> Money:
    """Proven money in the price's currency that is not promised back."""
    return total((left_of(booking, order) for order in counted(booking)), booking.price.currency)


def received_of(booking: Booking) -> Money:
    """All proven money that arrived in the price's currency, including what was refunded since."""
    amounts = (order.received for order in booking.orders if order.has_money and order.proven and order.received)
    return total((amount for amount in amounts if amount.currency == booking.price.currency), booking.price.currency)


def missing(booking: Booking) -> Money:
    """The amount that would complete the payment; zero if there is enough."""
    wanted = due(booking)
    kept = _without_dust(booking, kept_of(booking), wanted)
    return wanted - kept if wanted > kept else nothing(booking.price.currency)


def counted(booking: Booking) -> list[PaymentOrder]:
    """Orders whose money counts against the price."""
    return [
        order for order in booking.orders if order.has_money and order.proven and not _is_unreadable(booking, order)
    ]


def unclear(booking: Booking) -> list[PaymentOrder]:
    """Orders whose money waits for the owner. Other orders may have paid, and the call may be confirmed."""
    return [order for order in booking.orders if is_unclear(booking, order)]


def is_unclear(booking: Booking, order: PaymentOrder) -> bool:
    """True if the money is proven, cannot be counted against the price, and has not gone back."""
    if not (order.has_money and order.proven and _is_unreadable(booking, order)):
        return False
    gone = any(refund.is_gone and refund.amount is not None for refund in booking.refunds_of(order))
    if order.received is None:
        return not gone and order.status is not Remote.FULL_REFUNDED
    return not left_of(booking, order).is_nothing


def came_unclear(booking: Booking, order: PaymentOrder) -> bool:
    """True if the money arrived in another currency, without a readable amount, or waits for the owner's decision."""
    return order.received is None or order.received.currency != booking.price.currency or order.held is not None


def _is_unreadable(booking: Booking, order: PaymentOrder) -> bool:
    """True for another currency, a missing amount, or a partial return of unknown size."""
    if came_unclear(booking, order):
        return True
    ours = [refund for refund in booking.refunds_of(order) if refund.reserves]
    if any(refund.is_gone and refund.amount is None for refund in ours):
        return True
    return order.status is Remote.REFUNDING and not ours


def left_of(booking: Booking, order: PaymentOrder) -> Money:
    """What remains of one order's money after all recorded refunds, in its own currency."""
    if order.received is None:
        return nothing(booking.price.currency)
    return order.received - refunded(
        (refund for refund in booking.refunds_of(order) if refund.reserves), order.received.currency
    )


def still_there(booking: Booking, order: PaymentOrder) -> Money:
    """What remains of the order's money after completed refunds; promised refunds have not left yet."""
    if order.received is None:
        return nothing(booking.price.currency)
    gone = refunded((refund for refund in booking.refunds_of(order) if refund.is_gone), order.received.currency)
    return order.received - gone


def at_provider(booking: Booking, order: PaymentOrder) -> Money:
    """What the provider would return with its last refund. Money the owner sent back outside is still there."""
    if order.received is None:
        return nothing(booking.price.currency)
    known = (refund for refund in booking.refunds_of(order) if refund.has_left_provider)
    return order.received - refunded(known, order.received.currency)


def refunded(refunds: Iterable[Refund], currency: str) -> Money:
    return total((refund.amount for refund in refunds if refund.amount), currency)


def total(amounts: Iterable[Money], currency: str) -> Money:
    return sum(amounts, nothing(currency))


@cache
def nothing(currency: str) -> Money:
    return Money.parse(0, currency)
