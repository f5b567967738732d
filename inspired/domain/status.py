"""What the outside may know about a booking: the public status, the one sentence that explains it, and its edition."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from inspired.domain.booking import Booking, Flag, State
from inspired.domain.lifecycle import payment_of

FLAG_SENTENCES = {
    Flag.OVERPAID: "More arrived than the price. The owner has been told and will settle the difference with you.",
    Flag.UNDERPAID: "Less arrived than the price. The owner has been told and will settle it with you.",
    Flag.PAID_TWICE: "Two payments arrived. The owner has been told and will return the second one.",
    Flag.PAID_LATE: "Your payment arrived after the time was over. It is not lost: the owner has been told.",
    Flag.SLOT_LOST: "Your payment arrived, but the time is no longer free. The owner has been told.",
    Flag.REFUND_FAILED: "Your refund did not go through yet. The owner has been told.",
    Flag.NEEDS_OWNER: "The owner has been told and will write to you.",
}

STATE_SENTENCES = {
    State.DRAFT: "Choose a time.",
    State.PENDING: "Your time is held. It is confirmed once the payment has arrived.",
    State.PAID: "Your payment has arrived. We are securing your time.",
    State.CONFIRMED: "Paid and confirmed.",
    State.EXPIRED: "The time to pay is over. Nothing was paid, and the time is free for others again.",
    State.CANCELLED: "You gave this booking up. Nothing was paid.",
    State.REFUNDED: "Your money was returned.",
}


def sentence(booking: Booking) -> str:
    """The one thing to tell: the gravest oddity with a story of its own, else the state."""
    telling = booking.flags - {Flag.NEEDS_OWNER} or booking.flags
    if telling:
        order = list(Flag)
        return FLAG_SENTENCES[max(telling, key=order.index)]
    return STATE_SENTENCES[booking.state]


def public_status(booking: Booking) -> dict[str, Any]:
    """The JSON body of the status call, without the server's time. Amounts are strings, times ISO 8601 in UTC."""
    body: dict[str, Any] = {
        "success": True,
        "status": str(booking.state),
        "flags": sorted(booking.flags),
        "message": sentence(booking),
        "expiresAt": iso(booking.expires_at),
        "version": booking.edition,
    }
    paid = next((one for one in booking.attempts if one.has_money), None)
    if paid is not None:
        body["paymentDetails"] = {
            "transactionId": paid.transaction_id or None,
            "paidAt": iso(paid.paid_at),
            "amount": str(paid.received) if paid.received else None,
            "currency": paid.received.currency if paid.received else None,
        }
    return body


def iso(moment: datetime | None) -> str | None:
    """ "2026-11-23T14:02:00.000Z" """
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _face(booking: Booking) -> tuple[object, ...]:
    """Everything the customer's page is made of."""
    attempt = booking.attempt
    return (
        public_status(replace(booking, edition=0)),
        payment_of(booking),
        booking.slot,
        booking.leaving,
        attempt and (attempt.trade_no, attempt.checkout, attempt.is_closed, attempt.retry_at is None),
    )


def numbered(before: Booking, after: Booking) -> Booking:
    """`after` with the edition grown if the customer would see a difference."""
    changed = _face(before) != _face(after)
    return replace(after, edition=before.edition + 1) if changed else replace(after, edition=before.edition)
