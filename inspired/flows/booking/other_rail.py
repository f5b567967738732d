"""Paying another way than was chosen first: by the customer's choice, or because a provider does not answer."""

from inspired.domain.booking import payment_orders, polling
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.rails import RailId
from inspired.domain.sentences import rails
from inspired.domain.shared.errors import Conflict
from inspired.domain.shared.languages import Text
from inspired.flows.booking import address_limits, payment, refreshing
from inspired.services import Services

CLOSE_SECONDS = 1.2


def choices(svc: Services, booking: Booking) -> tuple[RailId, ...]:
    """The rails the customer may choose now instead of the booking's."""
    if not _may_choose(svc, booking):
        return ()
    if _can_be_paid(svc, booking) and _is_away(svc, booking.rail):
        return ()  # nobody can close it; it ends by itself
    return tuple(rail for rail in payment.offered(svc) if rail is not booking.rail)


def choose(svc: Services, token: str, rail: RailId) -> Booking:
    """Offer an order on this rail instead, once the one before can no longer be paid. Unchanged if something was paid
    meanwhile, or the time is over. Raises Conflict, Paused, TooMany, Busy."""
    payment.refuse_while_paused(svc, rail)
    booking = svc.bookings.by_token(token)
    if rail is booking.rail:
        return booking
    if _can_be_paid(svc, booking):
        booking = refreshing.ask_and_close(svc, booking, seconds=CLOSE_SECONDS)
    if not _may_choose(svc, booking):
        return booking
    if _can_be_paid(svc, booking):
        raise Conflict(
            Text.of(
                "{rail} does not answer just now, so the payment there cannot be closed yet. Please try again in a "
                "moment. If you have paid, it counts; do not pay twice.",
                rail=rails.of(booking.rail).rail,
            )
        )
    time_to_pay = svc.settings.expiry_of(rail)
    booking = address_limits.with_one_more(
        svc, booking, rail, lambda b: payment_orders.pays_otherwise(b, rail, svc.now(), time_to_pay)
    )
    booking = payment.open_order(svc, booking, seconds=payment.IN_REQUEST_SECONDS)
    svc.queue.enqueue("refresh", booking.id)
    return booking


def _can_be_paid(svc: Services, booking: Booking) -> bool:
    """True while the order that is offered keeps another from being offered."""
    return booking.order is not None and not payment_orders.is_out_of_reach(booking.order, svc.now())


def _may_choose(svc: Services, booking: Booking) -> bool:
    """Once the time to pay is over, only where the provider whose order it was does not answer."""
    now = svc.now()
    is_late = polling.passed(booking.expires_at, now)
    return payment_orders.may_choose_otherwise(booking, now) and (not is_late or _is_away(svc, booking.rail))


def _is_away(svc: Services, rail: RailId) -> bool:
    return payment.is_away(payment.standing(svc, rail))
