"""Automatic erasure of personal data, months after a booking's last event and never while money is open.

Amounts, times and the provider's records stay, as the books need them.
"""

from calendar import monthrange
from datetime import datetime

from inspired.domain.booking.balance import Payment, payment_of
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.states import Flag, State

OVER = (State.CONFIRMED, State.EXPIRED, State.CANCELLED, State.REFUNDED)
SETTLED = (Payment.NONE, Payment.EXACT, Payment.RETURNED)


def due_for_erasure(booking: Booking, months: int, now: datetime) -> bool:
    """`months` 0 means never. A call to come, pending tasks or unsettled money keep the data."""
    if not months or booking.sealed is None or booking.state not in OVER or _is_unsettled(booking):
        return False
    return _last_moment(booking) <= months_before(now, months)


def months_before(now: datetime, months: int) -> datetime:
    """The same day `months` months ago, or the last day of a shorter month."""
    year, month = divmod(now.year * 12 + now.month - 1 - months, 12)
    return now.replace(year=year, month=month + 1, day=min(now.day, monthrange(year, month + 1)[1]))


def _is_unsettled(booking: Booking) -> bool:
    refunds = any(refund.is_under_way or refund.is_stuck or refund.awaits_address for refund in booking.refunds)
    waits = booking.is_open or booking.outbox or Flag.NEEDS_OWNER in booking.flags
    return refunds or bool(waits) or payment_of(booking) not in SETTLED


def _last_moment(booking: Booking) -> datetime:
    moments = [booking.created_at, *(event.at for event in booking.history)]
    return max([*moments, booking.slot.span.end] if booking.slot else moments)
