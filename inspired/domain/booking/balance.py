"""A booking's money: what has arrived, what of it is on its way back, and what is left against what it may keep.

A refund counts from the moment it is written down: money that is promised back is not the booking's any more, so that
nothing is returned twice and nothing is confirmed by money that is leaving.
"""

from collections.abc import Iterable
from enum import StrEnum
from functools import cache

from inspired.domain.booking.booking import Booking, PaymentOrder, Refund
from inspired.domain.booking.states import Remote
from inspired.domain.shared.money import Money


class Payment(StrEnum):
    """All money seen for a booking, held against what it should have."""

    NONE = "none"  # none has ever come
    NOTIFIED = "notified"  # a signed notice says so, our own query does not yet
    EXACT = "exact"
    SHORT = "short"
    OVER = "over"
    UNCLEAR = "unclear"  # it cannot be counted: another currency, unreadable, or partly gone and nobody knows how much
    RETURNED = "returned"  # it was here, and all of it has gone back or is promised back


def payment_of(booking: Booking) -> Payment:
    paid = [one for one in booking.orders if one.has_money]
    if not paid:
        return Payment.NONE
    kept, wanted = kept_of(booking), due(booking)
    if kept > wanted:
        return Payment.OVER
    if kept == wanted and not kept.is_nothing:
        return Payment.EXACT
    if any(not one.proven for one in paid):
        return Payment.NOTIFIED
    if unclear(booking):
        return Payment.UNCLEAR
    # Less than nothing: ours is promised back, and some of it left by the console meanwhile.
    return Payment.SHORT if kept > nothing(kept.currency) else Payment.RETURNED


def denied(booking: Booking) -> Remote | None:
    """A notice told of the payment, and the provider, asked, says that the order ended without one. None otherwise."""
    if payment_of(booking) is not Payment.NOTIFIED:
        return None
    return next((one.denied for one in booking.orders if one.has_money and not one.proven and one.denied), None)


def due(booking: Booking) -> Money:
    """What the booking may keep: its price, unless something else was agreed since."""
    return booking.price if booking.agreed_amount is None else booking.agreed_amount


def kept_of(booking: Booking) -> Money:
    """What is here, proven, in the price's currency, and not promised back."""
    return total((left_of(booking, one) for one in counted(booking)), booking.price.currency)


def received_of(booking: Booking) -> Money:
    """What has arrived, proven, in the price's currency, whatever became of it."""
    amounts = (one.received for one in booking.orders if one.has_money and one.proven and one.received)
    return total((one for one in amounts if one.currency == booking.price.currency), booking.price.currency)


def missing(booking: Booking) -> Money:
    """What would complete the payment; nothing where there is enough."""
    kept, wanted = kept_of(booking), due(booking)
    return wanted - kept if wanted > kept else nothing(booking.price.currency)


def counted(booking: Booking) -> list[PaymentOrder]:
    """Orders whose money counts against the price."""
    return [one for one in booking.orders if one.has_money and one.proven and not _is_unreadable(booking, one)]


def unclear(booking: Booking) -> list[PaymentOrder]:
    """Orders whose money waits for the owner. There may be other money beside it, and the call may be confirmed."""
    return [one for one in booking.orders if is_unclear(booking, one)]


def is_unclear(booking: Booking, order: PaymentOrder) -> bool:
    """Proven to be there, but it cannot be held against the price; and it has not gone back since."""
    if not (order.has_money and order.proven and _is_unreadable(booking, order)):
        return False
    gone = any(one.is_gone and one.amount is not None for one in booking.refunds_of(order))
    if order.received is None:
        return not gone and order.status is not Remote.FULL_REFUNDED
    return not left_of(booking, order).is_nothing


def came_unclear(booking: Booking, order: PaymentOrder) -> bool:
    """It arrived like this: in another currency, or with no amount that can be read."""
    return order.received is None or order.received.currency != booking.price.currency


def _is_unreadable(booking: Booking, order: PaymentOrder) -> bool:
    """Another currency, no amount at all, or a part that went back of which nobody knows how much it was."""
    if came_unclear(booking, order):
        return True
    ours = [one for one in booking.refunds_of(order) if one.reserves]
    if any(one.is_gone and one.amount is None for one in ours):
        return True
    return order.status is Remote.REFUNDING and not ours


def left_of(booking: Booking, order: PaymentOrder) -> Money:
    """What is left of one order's money, in its own currency."""
    if order.received is None:
        return nothing(booking.price.currency)
    return order.received - refunded(
        (one for one in booking.refunds_of(order) if one.reserves), order.received.currency
    )


def still_there(booking: Booking, order: PaymentOrder) -> Money:
    """What the provider still has of it for us: refunds that are only promised have not left yet."""
    if order.received is None:
        return nothing(booking.price.currency)
    gone = refunded((one for one in booking.refunds_of(order) if one.is_gone), order.received.currency)
    return order.received - gone


def at_provider(booking: Booking, order: PaymentOrder) -> Money:
    """What the provider would return with its last refund: what the owner sent by another way it still has."""
    if order.received is None:
        return nothing(booking.price.currency)
    known = (one for one in booking.refunds_of(order) if one.has_left_provider)
    return order.received - refunded(known, order.received.currency)


def refunded(refunds: Iterable[Refund], currency: str) -> Money:
    return total((one.amount for one in refunds if one.amount), currency)


def total(amounts: Iterable[Money], currency: str) -> Money:
    return sum(amounts, nothing(currency))


@cache
def nothing(currency: str) -> Money:
    return Money.parse(0, currency)
