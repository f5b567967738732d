"""Creating an order at the provider: counted and leased before the call, uncertain until an answer arrives."""

from dataclasses import replace
from datetime import datetime, timedelta

from inspired.domain.booking.balance import Payment, is_unclear, payment_of
from inspired.domain.booking.booking import Booking, Checkout, PaymentOrder, trade_number
from inspired.domain.booking.history import EventKind, FailedOrder, LimitWindow, Order, OrderAboveLimit
from inspired.domain.booking.lifecycle import SlotSeen, decided, with_new_order
from inspired.domain.booking.outbox import AlertKind, AlertOwner
from inspired.domain.booking.polling import may_still_pay, passed, scheduled
from inspired.domain.booking.rails import CAPABILITIES, RailId
from inspired.domain.booking.states import Held, Remote, State
from inspired.domain.shared.errors import Conflict

CREATE_LEASE = timedelta(seconds=15)  # longer than any create call may take
SURELY_OVER = timedelta(seconds=60)  # after its end an order can surely not be paid
MOST_HELD = 50  # transfers of one booking that wait for the owner by themselves


def may_create(booking: Booking, now: datetime) -> bool:
    """True if the newest order has no checkout, is due, and there is time left to pay."""
    order = booking.order
    return (
        booking.state is State.PENDING
        and not booking.cancel_requested
        and not passed(booking.expires_at, now)
        and order is not None
        and order.checkout is None
        and order.status is None
        and not order.uncertain
        and order.retry_at is not None
        and order.retry_at <= now
    )


def may_try_again(booking: Booking, now: datetime) -> bool:
    """True if no order is payable or about to be: the page offers a button."""
    order = booking.order
    if order is None or not may_still_pay(booking, now):
        return False
    return _is_over(order) or (order.checkout is None and order.retry_at is None)


def _is_over(order: PaymentOrder) -> bool:
    """True if it can no longer be paid."""
    return order.is_closed or order.has_money


def creating(booking: Booking, now: datetime) -> Booking:
    """Count and lease the create call before making it, so that no other worker makes it meanwhile."""
    order = booking.order
    if order is None or not may_create(booking, now):
        return booking
    # The outcome is unknown until an answer arrives: after a crash the next worker must query first.
    expires_at = min(booking.expires_at or now, now + CAPABILITIES[order.rail].longest_order)
    started = replace(order, tries=order.tries + 1, retry_at=now + CREATE_LEASE, uncertain=True, expires_at=expires_at)
    return scheduled(booking.with_order(started), now)


def created(booking: Booking, trade_no: str, checkout: Checkout, now: datetime) -> Booking:
    """The provider has the order and told us how to pay it."""
    order = booking.find_order(trade_no)
    if order is None or order.checkout is not None:
        return booking
    status = order.status or Remote.INITIAL
    # Seen now: a "no such order" answer to an earlier question is older and changes nothing.
    ready = replace(
        order,
        checkout=checkout,
        prepay_id=checkout.prepay_id,
        status=status,
        seen_at=now,
        retry_at=None,
        uncertain=False,
    )
    return scheduled(booking.with_order(ready).noted(now, EventKind.ORDER_CREATED, Order(order.number)), now)


def create_failed(
    booking: Booking, trade_no: str, *, uncertain: bool, retryable: bool, most_tries: int, now: datetime, why: str
) -> Booking:
    """Create gave no usable answer. The worker retries later; after `most_tries` the page offers a button."""
    order = booking.find_order(trade_no)
    if order is None or order.checkout is not None:
        return booking
    again = retryable and order.tries < most_tries
    failed = replace(
        order,
        uncertain=uncertain,
        retry_at=now + timedelta(seconds=2**order.tries) if again else None,
    )
    booking = booking.with_order(failed).noted(now, EventKind.CREATE_FAILED, FailedOrder(order.number, why))
    if not again:
        booking = booking.owing(now, AlertOwner(AlertKind.CREATE_FAILED))
    return scheduled(booking, now)


def above_limit(booking: Booking, trade_no: str, now: datetime, window: LimitWindow) -> Booking:
    """The order was not sent, because it would exceed the customer's limit. The time stays held until the booking
    expires, so that the owner can decide and the customer can press the button again."""
    order = booking.find_order(trade_no)
    if order is None or order.checkout is not None:
        return booking
    unsent = replace(order, tries=max(order.tries - 1, 0), uncertain=False, retry_at=None)
    booking = booking.with_order(unsent).noted(now, EventKind.ABOVE_LIMIT, OrderAboveLimit(order.number, window))
    return scheduled(booking.owing(now, AlertOwner(AlertKind.ABOVE_LIMIT)), now)


def is_above_limit(booking: Booking) -> bool:
    """True if the order's latest event is that it would exceed the limit."""
    of_order = (EventKind.ABOVE_LIMIT, EventKind.ORDER_CREATED, EventKind.CREATE_FAILED, EventKind.NEW_ORDER)
    told = [event.kind for event in booking.history if event.kind in of_order]
    return bool(told) and told[-1] is EventKind.ABOVE_LIMIT


def lost_checkout(booking: Booking, trade_no: str, *, most_tries: int, now: datetime) -> Booking:
    """The order exists, but the answer that said how to pay it was lost, and query does not repeat it.

    Once it is closed, a new order replaces it while there is time. Tries keep counting: once they are used up, the
    customer uses the button.
    """
    order = booking.find_order(trade_no)
    if order is None or order is not booking.order or not order.is_closed or order.checkout is not None:
        return booking
    # Another process's clock may have ended the booking already, although time is left by this one's.
    if not may_still_pay(booking, now) or order.tries >= most_tries:
        return booking
    return scheduled(with_new_order(booking, now, tries=order.tries), now)


def try_again(booking: Booking, now: datetime) -> Booking:
    """The customer's button: a new round for the same order, or a new order if the old one is closed."""
    order = booking.order
    if order is None or not may_try_again(booking, now):
        return booking
    if _is_over(order):
        return scheduled(with_new_order(booking, now, tries=0), now)
    again = replace(order, tries=0, retry_at=now)
    return scheduled(booking.with_order(again), now)


def may_choose_otherwise(booking: Booking, now: datetime) -> bool:
    """True if the customer may choose another rail: nothing has been paid, and there is time or can be more."""
    return (
        booking.state is State.PENDING
        and not booking.cancel_requested
        and payment_of(booking) in (Payment.NONE, Payment.RETURNED)
        and booking.slot is not None
        and booking.slot.span.start > now
        and (not passed(booking.expires_at, now) or not _was_extended(booking))
    )


def is_out_of_reach(order: PaymentOrder, now: datetime) -> bool:
    """True if another order may be offered in its place: it cannot be paid, was never shown, or is an address. One that
    was shown stays payable, and money on both is a second payment."""
    is_over = order.expires_at is not None and passed(order.expires_at + SURELY_OVER, now)
    return order.is_closed or order.checkout is None or is_over or CAPABILITIES[order.rail].takes_more


def pays_otherwise(booking: Booking, rail: RailId, now: datetime, time_to_pay: timedelta) -> Booking:
    """Offer an order on another rail, which gets its whole time once. Unchanged if that must not be now."""
    order = booking.order
    if not may_choose_otherwise(booking, now) or (order is not None and not is_out_of_reach(order, now)):
        return booking
    if not _was_extended(booking):
        booking = with_time_to_pay(booking, now, time_to_pay)
    chosen = replace(booking, pays_by=rail).noted(now, EventKind.PAYS_OTHERWISE)
    return scheduled(with_new_order(chosen, now, tries=0), now)


def with_time_to_pay(booking: Booking, now: datetime, time_to_pay: timedelta) -> Booking:
    """At least this much time from now on. The slot is released a little later than an order can last."""
    expires_at = max(booking.expires_at or now, now + time_to_pay)
    return replace(booking, expires_at=expires_at, deadline=expires_at + min(SURELY_OVER, time_to_pay / 5))


def _was_extended(booking: Booking) -> bool:
    return any(event.kind is EventKind.PAYS_OTHERWISE for event in booking.history)


def found_on(booking: Booking, rail: RailId, beside: PaymentOrder, now: datetime) -> Booking:
    """Money reached the address of the order `beside` on another network, whose rail this is. It is an order of its
    own, so that it is counted, booked and returned where it is; nobody is asked to pay it."""
    if found_beside(booking, beside, rail):
        return booking
    return _found(booking, rail, beside, now, EventKind.OTHER_NETWORK)


def held_back(booking: Booking, rail: RailId, beside: PaymentOrder, now: datetime, why: Held, transfer: str) -> Booking:
    """This transfer reached the address of the order `beside`, and only the owner can say whether it counts. It is an
    order of its own too, so that nothing else is decided with it. Unchanged beyond `MOST_HELD`."""
    held = [order for order in booking.orders if order.transfer]
    if any(order.transfer == transfer for order in held) or len(held) >= MOST_HELD:
        return booking
    return _found(booking, rail, beside, now, EventKind.HELD_BACK, held=why, transfer=transfer)


def _found(
    booking: Booking, rail: RailId, beside: PaymentOrder, now: datetime, event: EventKind, **more: object
) -> Booking:
    number = len(booking.orders) + 1
    found = PaymentOrder(
        number=number,
        trade_no=trade_number(booking.id, number),
        created_at=now,
        amount=beside.amount,
        tries=1,
        expires_at=now,
        checkout=beside.checkout,
        rail=rail,
        is_offered=False,
        **more,  # type: ignore[arg-type]
    )
    booking = replace(booking, orders=(*booking.orders, found))
    return scheduled(booking.noted(now, event, Order(number)), now)


def found_beside(booking: Booking, beside: PaymentOrder, rail: RailId) -> list[PaymentOrder]:
    """The order made for money that reached this order's address on the network of `rail`; at most one."""
    return [
        order
        for order in booking.orders
        if order.rail is rail and not order.is_offered and not order.transfer and order.checkout == beside.checkout
    ]


def may_let_count(booking: Booking, trade_no: str) -> bool:
    """True if this order's money waits for the owner's word and has not gone back."""
    order = booking.find_order(trade_no)
    return order is not None and order.held is not None and is_unclear(booking, order)


def let_count(booking: Booking, trade_no: str, now: datetime) -> Booking:
    """The owner says that this money is the booking's: from now on it counts like any other. Raises Conflict."""
    order = booking.find_order(trade_no)
    if order is None or not may_let_count(booking, trade_no):
        raise Conflict("This money does not wait for you any more. Please look again.")
    counts = booking.with_order(replace(order, held=None)).noted(now, EventKind.LET_COUNT, Order(order.number))
    return decided(counts, SlotSeen.UNKNOWN, now)
