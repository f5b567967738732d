"""Enforces the payment limit per customer, before a time is held and before an order is made."""

import structlog

from inspired.domain.booking.booking import Booking
from inspired.domain.reporting import payment_limits
from inspired.domain.reporting.payment_limits import Above, Allowance
from inspired.domain.shared.money import Money
from inspired.services import Services

SHORT_INDEX = 12
log = structlog.get_logger()


def refuse_above(svc: Services, booking: Booking) -> None:
    """Checked before the time is held, so only the booking's blind index, type and creation are used. Raises
    AboveLimit."""
    if (found := above(svc, booking, booking.price)) is not None:
        log.warning("above_limit", booking=booking.id, window=found.window)
        raise payment_limits.refusal(found)


def above(svc: Services, booking: Booking, amount: Money) -> Above | None:
    """The limit an order of `amount` would exceed; None if it is allowed. If the email address was erased, the order
    counts alone."""
    now, zone, customer = svc.now(), svc.settings.owner_timezone, booking.email_index
    turnover = svc.bookings.turnover(customer) if customer else []
    counted = payment_limits.before(turnover, booking.id, booking.created_at)
    found = payment_limits.above(counted, amount, payment_limits.limit_for(booking.meeting_type), now, zone)
    if found is None or not customer:
        return found
    allowed = svc.allowances.of(customer, now)
    return (
        payment_limits.above(counted, amount, allowed.most, now, zone)
        if allowed and allowed.most > found.most
        else found
    )


def allow(svc: Services, email: str, most: Money, days: int, by: str, why: str) -> Allowance:
    """The owner raises the limit; recorded in the audit log before it takes effect. Raises Invalid."""
    made = payment_limits.allowance(svc.vault.blind_index("email", email), most, days, by, svc.now())
    told = f"up to {made.most.shown} until {made.until:%Y-%m-%d}: {why}"
    svc.audit.add(svc.now(), by, "limit_raised", made.customer[:SHORT_INDEX], told)
    svc.allowances.set(made)
    return made


def end(svc: Services, customer: str, by: str) -> None:
    """Restore the normal limit for this customer. Payments made stay. Raises NotFound."""
    svc.allowances.end(customer)
    svc.audit.add(svc.now(), by, "limit_restored", customer[:SHORT_INDEX])
