"""Sending refunds: saved first, then called with the same id until the provider answers."""

from collections.abc import Callable
from datetime import datetime

import structlog

from inspired.domain.booking import customer_actions, lifecycle, payment_orders, refunds
from inspired.domain.booking.booking import Booking, Refund, RefundRequest
from inspired.domain.booking.lifecycle import OrderObservation, SlotSeen
from inspired.domain.booking.refunds import AllOfIt, OfOneOrder, PartOfIt, Preview, RefundSeen, Wanted
from inspired.domain.booking.states import RefundStatus, State
from inspired.domain.shared.errors import BalanceTooLow, Invalid, UpstreamError
from inspired.domain.shared.money import Money
from inspired.flows.booking import wallet_refunds
from inspired.services import Services

SECONDS = 5.0
REASONS = {
    "surplus": "More was paid than the price",
    "second": "Paid twice",
    "short": "Less was paid than the price",
    "no_time": "Paid too late, no other time was chosen",
    "money_back": "The customer asked for the money",
    "cancelled": "The customer cancelled the call",
    "owner": "Refunded by the owner",
}
AS_A_WHOLE = "The money of one order goes back as a whole, and leaves the call as it is."
log = structlog.get_logger()


# --- requests by people ---------------------------------------------------------------------------------------------


def preview(svc: Services, booking: Booking, wanted: Wanted, *, cancels: bool | None) -> Preview:
    """The exact effect of a refund, before it is made. Raises Invalid, Conflict like `refund`."""
    off = _cancels(booking, wanted, cancels)
    found = _checked(booking, wanted, cancels=off)
    if not found.blocked:
        _refunded(booking, wanted, svc.now(), cancels=off)
    return found


def refund(
    svc: Services,
    booking_id: str,
    wanted: Wanted,
    *,
    cancels: bool | None,
    note: str,
    request: str,
    seen: int | None,
) -> Booking:
    """The owner gives money back. `request` identifies the request: repeated, it returns the first result. `cancels`:
    whether the call is cancelled; None decides by the amount. `seen`: how many refunds the owner saw when deciding; if
    there are more by now, nothing is done. Raises Invalid, Conflict."""
    named = RefundRequest(_fingerprint(svc, request), svc.vault.fingerprint("refund", _spelled(wanted, cancels)))

    def decide(current: Booking) -> Booking:
        if seen is not None and not any(earlier.request == named for earlier in current.refunds):
            refunds.refuse_unseen(current, seen)
        off = _cancels(current, wanted, cancels)
        return _refunded(current, wanted, svc.now(), cancels=off, note=note, request=named)

    return _enqueued(svc, svc.bookings.change(booking_id, decide))


def _checked(booking: Booking, wanted: Wanted, *, cancels: bool) -> Preview:
    match wanted:
        case AllOfIt():
            return refunds.checked_all(booking, cancels=cancels)
        case PartOfIt():
            return refunds.checked_part(booking, wanted.amount, cancels=cancels)
        case OfOneOrder():
            _refuse_cancelling(cancels=cancels)
            return refunds.checked_order(booking, wanted.number)


def _refunded(
    booking: Booking,
    wanted: Wanted,
    now: datetime,
    *,
    cancels: bool,
    note: str = "",
    request: RefundRequest | None = None,
) -> Booking:
    match wanted:
        case AllOfIt():
            return customer_actions.refund_all(booking, now, cancels=cancels, note=note, request=request)
        case PartOfIt():
            return customer_actions.refund_part(
                booking, wanted.amount, now, cancels=cancels, note=note, request=request
            )
        case OfOneOrder():
            _refuse_cancelling(cancels=cancels)
            return customer_actions.refund_order(booking, wanted.number, now, note=note, request=request)


def _refuse_cancelling(*, cancels: bool) -> None:
    if cancels:
        raise Invalid(AS_A_WHOLE)


def _spelled(wanted: Wanted, cancels: bool | None) -> str:
    """The request's content, of which a fingerprint is kept. The format must match older releases."""
    amount = wanted.amount if isinstance(wanted, PartOfIt) else None
    order = wanted.number if isinstance(wanted, OfOneOrder) else 0
    return f"{amount} {cancels} {order}"


def of_request(svc: Services, booking: Booking, request: str) -> tuple[Refund, ...]:
    """The refunds this request of the owner made."""
    return refunds.of_request(booking, _fingerprint(svc, request))


def _fingerprint(svc: Services, request: str) -> str:
    return svc.vault.fingerprint("request", request)


def _cancels(booking: Booking, wanted: Wanted, cancels: bool | None) -> bool:
    """By default a call is cancelled if all of its money goes back."""
    if cancels is not None:
        return cancels
    is_all = wanted in (AllOfIt(), PartOfIt(refunds.refundable(booking)))
    return booking.state is State.CONFIRMED and is_all


def try_again(svc: Services, booking_id: str, refund_id: str) -> Booking:
    return _changed(svc, booking_id, lambda b: refunds.tried_again(b, refund_id, svc.now()))


def settled_by_hand(svc: Services, booking_id: str, refund_id: str, amount: Money, note: str) -> Booking:
    return _changed(svc, booking_id, lambda b: refunds.settled_by_hand(b, refund_id, amount, note, svc.now()))


def agree(svc: Services, booking_id: str) -> Booking:
    return _enqueued(svc, svc.bookings.change(booking_id, lambda b: customer_actions.agree(b, svc.now())))


def let_count(svc: Services, booking_id: str, trade_no: str) -> Booking:
    """The owner's word that money which was held back is this booking's. Raises Conflict."""
    return _enqueued(svc, svc.bookings.change(booking_id, lambda b: payment_orders.let_count(b, trade_no, svc.now())))


def money_back(svc: Services, token: str) -> Booking:
    """The customer's button, if a paid booking has no time any more."""
    booking = svc.bookings.by_token(token)
    return _enqueued(svc, svc.bookings.change(booking.id, lambda b: customer_actions.money_back(b, svc.now())))


def cancel(svc: Services, token: str, amount: Money) -> Booking:
    """The customer cancels a confirmed call and gets back the amount the page showed."""
    booking = svc.bookings.by_token(token)
    return _enqueued(svc, svc.bookings.change(booking.id, lambda b: customer_actions.cancel(b, amount, svc.now())))


def _changed(svc: Services, booking_id: str, step: Callable[[Booking], Booking]) -> Booking:
    def decide(current: Booking) -> Booking:
        return lifecycle.decided(step(current), SlotSeen.UNKNOWN, svc.now())

    return _enqueued(svc, svc.bookings.change(booking_id, decide))


def _enqueued(svc: Services, booking: Booking) -> Booking:
    svc.queue.enqueue("refresh", booking.id)
    return booking


# --- calling the provider -------------------------------------------------------------------------------------------


def send_due(svc: Services, booking: Booking) -> Booking:
    """Send every due refund, one after the other. A crash loses nothing: each call is counted and leased before it is
    made, and repeated with the same id."""
    while (refund := refunds.due_to_send(booking, svc.now())) is not None:
        if refunds.is_asked_about_first(booking, refund):
            booking = _asked_about(svc, booking, refund)
            if refunds.due_to_send(booking, svc.now()) != refund:
                continue
        booking, leased = _leased(svc, booking, refund)
        if leased is None:
            return booking
        booking = _sent(svc, booking, leased)
    return booking


def _asked_about(svc: Services, booking: Booking, refund: Refund) -> Booking:
    """Query the refund's order and record the answer; delay the refund if there is none."""
    try:
        return _with_order_seen(svc, booking, refund)
    except UpstreamError as error:
        log.warning("refund_waits", booking=booking.id, refund=refund.id, error=str(error))
        return _saved(svc, booking, lambda b: refunds.put_off(b, refund.id, svc.now()))


def _with_order_seen(svc: Services, booking: Booking, refund: Refund) -> Booking:
    """The order's own status shows what left through the provider's console."""
    observation = svc.rail_of(booking, refund).query(refund.trade_no, asked_at=svc.now(), seconds=SECONDS)
    return _settled(svc, booking, [observation], [])


def _leased(svc: Services, booking: Booking, refund: Refund) -> tuple[Booking, Refund | None]:
    """The current booking, and the refund if the caller got the lease to send it."""

    def decide(current: Booking) -> Booking | None:
        now = svc.now()
        due = refunds.due_to_send(current, now)
        if due is None or due.id != refund.id:
            return None
        smallest = wallet_refunds.minimum(svc)
        return lifecycle.decided(refunds.sending(current, refund.id, now, smallest), SlotSeen.UNKNOWN, now)

    booking, is_mine = svc.bookings.claim(booking.id, decide, known=booking)
    leased = booking.find_refund(refund.id)
    # A refund that the provider would not do as asked now waits for the owner; no call is made.
    is_leased = is_mine and leased is not None and leased.status is RefundStatus.REQUESTED
    return booking, leased if is_leased else None


def _sent(svc: Services, booking: Booking, refund: Refund) -> Booking:
    order = booking.find_order(refund.trade_no)
    if order is None or refund.amount is None:
        return booking
    try:
        observation = svc.rails[order.rail].refund(
            refund_request_id=refund.id,
            prepay_id=order.prepay_id,
            amount=refund.amount,
            reason=REASONS.get(refund.cause, "Refund"),
            seconds=SECONDS,
        )
    except UpstreamError as error:
        return _not_sent(svc, booking, refund, error)
    booking = _saved(svc, booking, lambda b: refunds.accepted(b, observation, svc.now()))
    return _outcome_asked(svc, booking, refund)


def _not_sent(svc: Services, booking: Booking, refund: Refund, error: UpstreamError) -> Booking:
    log.warning("refund_unsent", booking=booking.id, refund=refund.id, error=str(error))
    refused = not error.retryable and not error.maybe_applied
    low_balance = isinstance(error, BalanceTooLow)
    booking = _saved(
        svc,
        booking,
        lambda b: refunds.not_sent(
            b, refund.id, svc.now(), why=str(error)[:200], refused=refused, low_balance=low_balance
        ),
    )
    if not refused:
        return booking
    try:
        return _with_order_seen(svc, booking, refund)  # the money may have left already
    except UpstreamError:
        return booking


def _outcome_asked(svc: Services, booking: Booking, refund: Refund) -> Booking:
    """Usually the outcome is known at once; otherwise the booking's next check asks again."""
    currency = refund.amount.currency if refund.amount else "USDT"
    try:
        rail = svc.rail_of(booking, refund)
        observation = rail.query_refund(refund.id, currency, trade_no=refund.trade_no, seconds=SECONDS)
    except UpstreamError as error:
        log.warning("refund_query_failed", refund=refund.id, error=str(error))
        return booking
    return _settled(svc, booking, [], [observation])


def _settled(
    svc: Services, booking: Booking, observations: list[OrderObservation], returned: list[RefundSeen]
) -> Booking:
    def decide(current: Booking) -> Booking:
        return lifecycle.settle(current, observations, SlotSeen.UNKNOWN, svc.now(), returned)

    return svc.bookings.change(booking.id, decide, known=booking)


def _saved(svc: Services, booking: Booking, step: Callable[[Booking], Booking]) -> Booking:
    def decide(current: Booking) -> Booking:
        return lifecycle.decided(step(current), SlotSeen.UNKNOWN, svc.now())

    return svc.bookings.change(booking.id, decide, known=booking)
