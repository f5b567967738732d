"""When to check a booking again, and which orders to query then.

`check_at` is the whole scheduler: the next moment at which anything could change, stored in the booking.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from inspired.domain.booking.balance import Payment, missing, payment_of
from inspired.domain.booking.booking import DRAFT_CHECKS, Booking, PaymentOrder
from inspired.domain.booking.rails import CAPABILITIES
from inspired.domain.booking.refunds import SLOW_AFTER, is_held_up
from inspired.domain.booking.states import Flag, RefundStatus, State

ASK_EVERY = timedelta(seconds=30)  # how often a live order is queried while no page polls it
ASK_SOON = timedelta(seconds=5)  # … and when an answer is due (deadline passed, paid but not confirmed)
ASK_AGAIN_LATE = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1))  # after the end, for late money
WAIT_FOR_OWNER = timedelta(hours=1)
ALERT_AFTER = timedelta(minutes=10)
ASK_PATIENTLY = timedelta(minutes=5)
SOON_TIMES, OFTEN_TIMES = 24, 40  # fruitless checks before the pause between them grows
RETRY_PAUSE = timedelta(seconds=2)
ENDED = (State.EXPIRED, State.CANCELLED, State.REFUNDED)


def scheduled(booking: Booking, now: datetime) -> Booking:
    """Set `check_at` to the next moment anything could change; None if nothing can."""
    moments = [item.due for item in booking.outbox] + _refund_moments(booking, now)
    match booking.state:
        case State.DRAFT:
            # The customer may have picked a time in the iframe without the page telling us.
            moments += [at for wait in DRAFT_CHECKS if (at := booking.created_at + wait) > now][:1] or [now + ASK_EVERY]
        case State.PENDING:
            moments += _pending_moments(booking, now)
        case State.PAID if _only_people_can_go_on(booking, now):
            moments.append(now + WAIT_FOR_OWNER)
        case State.PAID if _is_watched(booking):
            moments.append(now + max(_pause(booking, booking.paid_at, now), ASK_EVERY))
        case State.PAID:
            moments.append(now + _pause(booking, booking.paid_at, now))
        case State.CONFIRMED if orders_to_ask(booking, now):
            moments.append(now + ASK_EVERY)
        case State.EXPIRED | State.CANCELLED | State.REFUNDED:
            moments += _late_moments(booking, now)
        case _:
            pass
    if booking.choose_by is not None and (booking.choose_by > now or payment_of(booking) is Payment.EXACT):
        moments.append(max(booking.choose_by, now + RETRY_PAUSE))
    return replace(booking, check_at=min(moments, default=None))


def looked_at(before: Booking, after: Booking, now: datetime) -> Booking:
    """After checking the provider and the calendar: count consecutive checks that brought no due answer."""
    nothing_new = _awaits_answer(after, now) and after.history == before.history
    return scheduled(replace(after, unanswered_checks=before.unanswered_checks + 1 if nothing_new else 0), now)


def _awaits_answer(booking: Booking, now: datetime) -> bool:
    """True if an answer is due; everything else is checked at its own time."""
    if any(refund.status is RefundStatus.SENT and not refund.replaced_by for refund in booking.refunds):
        return True
    match booking.state:
        case State.PENDING:
            return booking.cancel_requested or any(
                _is_urgent(booking, order, now) for order in orders_to_ask(booking, now)
            )
        case State.PAID:
            return not _only_people_can_go_on(booking, now)
    return False


def _is_urgent(booking: Booking, order: PaymentOrder, now: datetime) -> bool:
    return booking.cancel_requested or order.has_money or passed(booking.deadline, now)


def _is_watched(booking: Booking) -> bool:
    """True for a payment on chain that is not final yet: the watcher tells of it, and asking finds nothing."""
    return payment_of(booking) is Payment.NOTIFIED and CAPABILITIES[booking.paid_by].network is not None


def _only_people_can_go_on(booking: Booking, now: datetime) -> bool:
    """True if neither the provider nor the calendar will answer anything more."""
    settled = payment_of(booking) is not Payment.EXACT or Flag.SLOT_LOST in booking.flags
    return settled and bool(booking.flags) and not orders_to_ask(booking, now)


def _refund_moments(booking: Booking, now: datetime) -> list[datetime]:
    moments = []
    for refund in booking.refunds:
        if refund.replaced_by:
            continue
        if refund.status is RefundStatus.SENT:
            moments.append(now + _pause(booking, refund.sent_at, now))
        elif refund.retry_at is not None and not is_held_up(booking, refund):
            moments.append(max(refund.retry_at, now + RETRY_PAUSE) if refund.tries else refund.retry_at)
        if refund.is_under_way and (late := refund.requested_at + SLOW_AFTER) > now:
            moments.append(late)
    return moments


def _pending_moments(booking: Booking, now: datetime) -> list[datetime]:
    moments = []
    if booking.deadline and now < booking.deadline:
        moments.append(booking.deadline)
    for order in booking.orders:
        if order.checkout is None and order.retry_at is not None and not order.is_closed:
            moments.append(max(order.retry_at, now + RETRY_PAUSE))
    for order in orders_to_ask(booking, now):
        urgent = _is_urgent(booking, order, now)
        moments.append(now + (_pause(booking, booking.deadline, now) if urgent else ASK_EVERY))
    if booking.cancel_requested or not moments:
        # The end is due and only needs deciding: a write in between must not unschedule it.
        moments.append(now + _pause(booking, booking.deadline, now))
    return moments


def _pause(booking: Booking, since: datetime | None, now: datetime) -> timedelta:
    """How long to wait before asking again for a due answer: short at first, then growing.

    Age alone is not enough: after hours of downtime, asking has only begun.
    """
    waited = now - since if since else timedelta()
    if waited < timedelta(minutes=2) or booking.unanswered_checks < SOON_TIMES:
        return ASK_SOON
    return ASK_EVERY if waited < ALERT_AFTER or booking.unanswered_checks < OFTEN_TIMES else ASK_PATIENTLY


def _late_moments(booking: Booking, now: datetime) -> list[datetime]:
    """A late check that failed is repeated; one that was answered is done."""
    due = _next_late_question(booking)
    if any((order.has_money and not order.is_settled) or _is_open_again(order) for order in booking.orders):
        due = now
    if payment_of(booking) is Payment.EXACT and booking.agreed_amount is None and booking.choose_by is None:
        due = now  # paid late, and the calendar has not answered yet
    return [] if due is None else [due if due > now else now + ASK_EVERY]


def _next_late_question(booking: Booking) -> datetime | None:
    unpaid = [order for order in booking.orders if order.was_sent and not order.has_money]
    if booking.ended_at is None or not unpaid:
        return None
    asked = min(order.seen_at or booking.ended_at for order in unpaid)
    return next((at for wait in ASK_AGAIN_LATE if (at := booking.ended_at + wait) > asked), None)


def may_still_pay(booking: Booking, now: datetime) -> bool:
    """True if there is time, the booking is not given up, and missing money may still arrive: the first payment, the
    rest of a short one if the policy allows it, or all of it after a wrong one went back."""
    if booking.state is not State.PENDING or booking.cancel_requested or passed(booking.expires_at, now):
        return False
    match payment_of(booking):
        case Payment.NONE | Payment.RETURNED:
            return True
        case Payment.SHORT:
            return booking.meeting_type.policy.top_up
    return False


def orders_to_close(booking: Booking, now: datetime) -> tuple[PaymentOrder, ...]:
    """Orders that must not stay payable: those of a booking that is over, given up or paid; an order for the whole
    price when only a rest is missing; an order in whose place another is offered; and an order whose checkout was in a
    lost answer (query does not repeat it, so it cannot be paid on our page)."""
    over = booking.state is State.PENDING and (booking.cancel_requested or passed(booking.deadline, now))
    payment, wanted = payment_of(booking), missing(booking)
    all_of_them = over or (payment is not Payment.NONE and not may_still_pay(booking, now))
    return tuple(
        order
        for order in booking.orders
        if order.was_sent
        and not order.is_settled
        and not order.has_money
        and (
            all_of_them
            or (payment is Payment.SHORT and order.amount != wanted)
            or _was_replaced(booking, order)
            or (booking.state in ENDED and _is_open_again(order))
            or (order.checkout is None and order.status is not None and passed(order.retry_at or now, now))
        )
    )


def _was_replaced(booking: Booking, order: PaymentOrder) -> bool:
    """True if the customer chose another way to pay since."""
    newest = booking.order
    return newest is not None and order.number < newest.number and order.rail is not newest.rail


def orders_to_ask(booking: Booking, now: datetime) -> tuple[PaymentOrder, ...]:
    """Orders whose provider status still matters. After the end: all orders ever sent, at growing intervals."""
    if booking.state in ENDED:
        unproven = tuple(
            order for order in booking.orders if (order.has_money and not order.is_settled) or _is_open_again(order)
        )
        if not passed(_next_late_question(booking), now):
            return unproven
        return tuple(order for order in booking.orders if order.was_sent and not (order.has_money and order.is_settled))
    return tuple(order for order in booking.orders if order.was_sent and not order.is_settled)


def _is_open_again(order: PaymentOrder) -> bool:
    """Of a booking that has ended: what was seen of it was taken back only then, so that it is to be closed still."""
    may_be_taken_back = order.is_offered and not CAPABILITIES[order.rail].is_final_at_once
    return may_be_taken_back and order.was_sent and not order.has_money and not order.is_closed


def passed(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and now >= moment
