"""Bookings by the thousand: made by the domain's own steps, written in bulk, their orders made by the sandbox at once.

Only what is not measured is skipped: the requests that would have made them, one at a time.
"""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bench.product import ENVIRONMENT, Product
from inspired import services
from inspired.adapters.crypto.vault import Vault
from inspired.adapters.mongo.documents import booking_out
from inspired.domain.booking import customer_actions, delivery, lifecycle, payment_orders
from inspired.domain.booking.booking import Booking, Checkout, Sealed, Slot
from inspired.domain.booking.lifecycle import OrderObservation, SlotSeen
from inspired.domain.booking.outbox import Email, Result, SendEmail
from inspired.domain.booking.states import CalendarKind, Remote, State
from inspired.domain.catalogue.meeting_types import get_meeting_type
from inspired.domain.shared.batches import batches
from inspired.domain.shared.slots import Span

AT_ONCE = 500
FIRST_CALL = datetime(2040, 1, 2, tzinfo=UTC)  # beyond every calendar that anybody looks at

_places = itertools.count()


def held(count: int, *, made_at: datetime, expiry: timedelta) -> list[Booking]:
    """PENDING, each with a time of its own and its order about to be created; the mail about it is out."""
    vault = Vault(ENVIRONMENT["ENCRYPTION_KEYS"], ENVIRONMENT["BLIND_INDEX_KEY"])
    kind = get_meeting_type("quick-question")
    starts = [FIRST_CALL + next(_places) * timedelta(minutes=kind.minutes) for _ in range(count)]
    spans = [Span(start, start + timedelta(minutes=kind.minutes)) for start in starts]
    return [_held(vault, span, made_at, expiry) for span in spans]


def _held(vault: Vault, span: Span, made_at: datetime, expiry: timedelta) -> Booking:
    booking = customer_actions.draft(
        booking_id=services.new_id(),
        token=services.new_token(),
        meeting_type=replace(get_meeting_type("quick-question"), reminders=()),  # quiet once all is done
        terms_version="bench",
        now=made_at,
    )
    key, email = vault.new_key(booking.id), f"{booking.id}@example.com"
    booking = customer_actions.held(
        booking,
        slot=Slot(span, "Europe/Berlin", CalendarKind.BUILTIN),
        sealed=Sealed(key, *(vault.seal(key, booking.id, *field) for field in (("email", email), ("name", "Ann")))),
        email_index=vault.blind_index("email", email),
        visitor_index=vault.blind_index("address", booking.id),
        network="",
        expiry=expiry,
        now=made_at,
    )
    booking = delivery.done(booking, SendEmail(Email.HELD), made_at, Result.SENT)
    return payment_orders.creating(booking, made_at)


def stocked(product: Product, bookings: list[Booking], *, webhook_url: str | None) -> list[Booking]:
    """The same with live orders, in the database and at the sandbox. Without `webhook_url` nobody is told of those."""
    live: list[Booking] = []
    for some in batches(bookings, AT_ONCE):
        wishes = [
            {
                "merchantTradeNo": one.orders[-1].trade_no,
                "amount": str(one.price),
                "expireTime": one.expires_at and round(one.expires_at.timestamp() * 1000),
                "webhookUrl": webhook_url,
            }
            for one in some
        ]
        orders = product.dev.control("bulk/orders", {"orders": wishes})
        ready = [_created(one, order["prepayId"]) for one, order in zip(some, orders, strict=True)]
        product.bookings.insert_many([booking_out(one) for one in ready], ordered=False)
        live += ready
    return live


def _created(booking: Booking, prepay_id: str) -> Booking:
    link = "http://127.0.0.1/made-in-bulk"
    checkout = Checkout(prepay_id, link, link, "bnc://app.binance.com/made-in-bulk", link)
    return payment_orders.created(booking, booking.orders[-1].trade_no, checkout, booking.created_at)


def settled(status: Remote, now: datetime) -> Booking:
    """Ended a day ago: nothing is owed and nothing will be asked any more."""
    at = now - timedelta(days=1)
    [booking] = held(1, made_at=at, expiry=timedelta(minutes=15))
    trade_no, link = booking.orders[0].trade_no, "http://127.0.0.1/made-in-bulk"
    booking = payment_orders.created(booking, trade_no, Checkout("1", link, link, "", link), at)
    money = booking.price if status.has_money else None
    for later in (at + timedelta(minutes=17), at + timedelta(hours=2)):
        booking = lifecycle.settle(booking, [OrderObservation(trade_no, later, status, money)], SlotSeen.SECURED, later)
        for item in booking.outbox:
            booking = delivery.done(booking, item.task, later, Result.SENT)
    if booking.check_at is not None or booking.state not in (State.CONFIRMED, State.EXPIRED):
        raise SystemExit(f"This booking is not settled: {booking.state}, due at {booking.check_at}.")
    return booking
