"""Bookings for tests. They hide nothing surprising: 75 USDT, made at NOW, fifteen minutes to pay."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from inspired.adapters.mongo.spellings import event_in, task_in
from inspired.domain.booking import customer_actions, lifecycle, payment_orders
from inspired.domain.booking.booking import Booking, Checkout, Refund, Sealed, Slot
from inspired.domain.booking.history import Event
from inspired.domain.booking.lifecycle import OrderObservation, SlotSeen
from inspired.domain.booking.outbox import OutboxItem, Task
from inspired.domain.booking.refunds import Outcome, RefundSeen
from inspired.domain.booking.states import CalendarKind, Remote, State
from inspired.domain.catalogue.meeting_types import get_meeting_type
from inspired.domain.shared.money import Money
from inspired.domain.shared.slots import Span

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
EXPIRY = timedelta(minutes=15)
CALL = Span(NOW + timedelta(days=2), NOW + timedelta(days=2, minutes=45))
CHECKOUT = Checkout(
    "363969700195475457", "http://pay/qr", "http://pay/checkout", "bnc://app.binance.com/x", "http://pay/u"
)
EVENT = "http://calendly/scheduled_events/E1"


def a_draft(**changes: Any) -> Booking:
    booking = customer_actions.draft(
        booking_id="b" * 24,
        token="t" * 28,
        meeting_type=replace(get_meeting_type("portfolio-review"), reminders=()),
        terms_version="1",
        now=NOW,
    )
    return replace(booking, **changes)


def a_booking(*, calendar: CalendarKind = CalendarKind.BUILTIN, **changes: Any) -> Booking:
    """Held, order not yet created."""
    event = (EVENT, f"{EVENT}/invitees/I1") if calendar is CalendarKind.CALENDLY else ("", "")
    booking = customer_actions.held(
        a_draft(),
        slot=Slot(CALL, "Europe/Berlin", calendar, *event),
        sealed=Sealed(b"key", b"mail", b"name"),
        email_index="mailindex",
        visitor_index="addressindex",
        network="",
        expiry=EXPIRY,
        now=NOW,
    )
    return replace(booking, **changes)


def a_live_booking(**changes: Any) -> Booking:
    """Held, with an order that can be paid."""
    calendar = changes.pop("calendar", CalendarKind.BUILTIN)
    booking = payment_orders.creating(a_booking(calendar=calendar), NOW)
    assert booking.order is not None
    booking = payment_orders.created(booking, booking.order.trade_no, CHECKOUT, NOW)
    return replace(booking, **changes)


def seen(
    status: Remote | None, amount: str | None = None, *, at: datetime = NOW + MINUTE, order: int = 1, **more: Any
) -> OrderObservation:
    """What our own query answered. `amount` is in USDT."""
    currency = more.pop("currency", "USDT")
    return OrderObservation(
        trade_no=f"{'b' * 24}{order:03d}",
        asked_at=at,
        status=status,
        money=Money.parse(amount, currency) if amount is not None else None,
        transaction_id="P_1" if amount is not None else "",
        paid_at=at if amount is not None else None,
        **more,
    )


def settled(
    booking: Booking, *observations: OrderObservation, slot: SlotSeen = SlotSeen.SECURED, now: datetime = NOW + MINUTE
) -> Booking:
    return lifecycle.settle(booking, observations, slot, now)


def an_item(key: str, due: datetime, tries: int = 0) -> OutboxItem[Task]:
    """Something owed, by the task's spelling in the database."""
    return OutboxItem(task_in(key), due, tries)


def an_event(at: datetime, what: str, detail: str = "") -> Event:
    """An event of a booking's history, by its spelling in the database."""
    return event_in({"at": at, "what": what, "detail": detail})


def owed(booking: Booking) -> set[str]:
    return {item.task.key for item in booking.outbox}


def a_confirmed_booking(**changes: Any) -> Booking:
    booking = settled(a_live_booking(), seen(Remote.PAID, "75"))
    assert booking.state is State.CONFIRMED
    return replace(booking, **changes)


def topping_up(booking: Booking) -> Booking:
    """A short payment of it may be completed."""
    policy = replace(booking.meeting_type.policy, top_up=True)
    return replace(booking, meeting_type=replace(booking.meeting_type, policy=policy))


def told(refund: Refund, outcome: Outcome | None = Outcome.DONE, *, at: datetime = NOW, **more: Any) -> RefundSeen:
    """What the provider says about one of our refunds."""
    return RefundSeen(refund.id, at, outcome, refund.trade_no, amount=refund.amount, **more)


def a_returned(booking: Booking, at: datetime) -> Booking:
    """Every refund that is under way has been done by the provider."""
    seen_now = [told(one, at=at) for one in booking.refunds if one.is_under_way]
    return lifecycle.settle(booking, (), SlotSeen.UNKNOWN, at, seen_now)


def an_expired_booking(**changes: Any) -> Booking:
    late = NOW + timedelta(minutes=17)
    booking = settled(a_live_booking(), seen(Remote.EXPIRED, at=late), now=late)
    assert booking.state is State.EXPIRED
    return replace(booking, **changes)
