"""A booking's public status: its JSON body, the sentence that explains it, and its version."""

from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from inspired.domain.booking import mails
from inspired.domain.booking.balance import (
    Payment,
    came_unclear,
    denied,
    kept_of,
    missing,
    payment_of,
    received_of,
    unclear,
)
from inspired.domain.booking.booking import Booking, Refund
from inspired.domain.booking.history import EventKind
from inspired.domain.booking.mails import Reach
from inspired.domain.booking.outbox import AlertKind, AlertOwner
from inspired.domain.booking.states import Cause, Flag, HandKind, Remote, State

STATE_SENTENCES = {
    State.DRAFT: "Choose a time.",
    State.PENDING: "Your time is held. It is confirmed once the payment has arrived.",
    State.PAID: "Your payment has arrived. We are securing your time.",
    State.CONFIRMED: "Paid and confirmed.",
    State.EXPIRED: "The time to pay is over. Nothing was paid, and the time is free for others again.",
    State.CANCELLED: "This booking is cancelled. Nothing was paid.",
    State.REFUNDED: "All of your money went back to the Binance account that paid.",
}
UNPAID_ENDS = {
    "owner": "The owner cancelled this booking. Nothing was paid.",
    "calendar": "The time of this booking was cancelled in Calendly. Nothing was paid.",
}
RETURNED_BY_HAND = "All of your money has been sent back to you."
CONFIRMED_BY_HAND = "Confirmed by the owner."
STUCK = "Your refund of {amount} has not gone through yet. The owner has been told and sees to it."
UNCLEAR = (
    "A payment arrived that cannot be counted by itself. It is not lost: the owner has been told and writes to you."
)
UNCLEAR_BESIDE = (
    "Another payment arrived that cannot be counted by itself. "
    "It is not lost: the owner has been told and writes to you."
)
LATE_CHECK = (
    "Your payment arrived after the time to pay was over. "
    "It is not lost: we are looking whether your time is still free."
)
CHOOSE = "Your payment has arrived, but your time is no longer free. Choose another time, or take your money back."
CHOOSE_LATE = (
    "Your payment arrived after the time to pay was over, and your time is no longer free. "
    "Choose another time, or take your money back."
)
WHY_BACK = {
    Cause.SURPLUS: "More arrived than the price.",
    Cause.SECOND: "Your payment arrived twice.",
    Cause.SHORT: "{received} arrived instead of {price}, too little to book the call.",
    Cause.NO_TIME: "No other time was chosen.",
    Cause.MONEY_BACK: "You asked for your money back.",
    Cause.CANCELLED: "You cancelled this call.",
    Cause.OWNER: "The owner returns money to you.",
    Cause.CONSOLE: "The owner returned money to you.",
}

WITHOUT_MAIL = {
    Reach.WELL: "",
    Reach.DELAYED: "Our mails to you are delayed: please keep the address of this page, it says everything they say.",
    Reach.REFUSED: "Our mails cannot reach the address you gave: please keep the address of this page, "
    "it says everything they say.",
}


def message(booking: Booking) -> str:
    """The sentence, plus a warning if our mails do not reach the customer."""
    return f"{sentence(booking)} {WITHOUT_MAIL[mails.reach(booking)]}".strip()


DENIED = (
    "Binance Pay told us of your payment and says now, when we ask, that {how}. Nothing is confirmed by it. If the "
    "money has left your account it is not lost: keep the receipt in your Binance app, and do not pay again. We keep "
    "asking, and the owner has been told."
)
HOW_DENIED = {
    Remote.EXPIRED: "the order has expired without one",
    Remote.CANCELED: "the order was closed without one",
    Remote.ERROR: "the payment failed",
}


class By(StrEnum):
    """Who ended a booking. NOBODY: its money left, its time to pay was over, or it has not ended."""

    OWNER = "owner"
    CUSTOMER = "customer"
    CALENDAR = "calendar"
    NOBODY = ""


def cancelled_by(booking: Booking) -> By:
    if booking.confirmed_at is not None:
        if booking.has_owed(AlertOwner(AlertKind.CANCELLED_BY_OWNER)):
            return By.OWNER
        return By.CUSTOMER if booking.has_owed(AlertOwner(AlertKind.CANCELLED)) else By.NOBODY
    happened = {event.kind for event in booking.history}
    if EventKind.OWNER_GAVE_UP in happened:
        return By.OWNER
    if EventKind.CANCELLED_IN_CALENDAR in happened:
        return By.CALENDAR
    return By.CUSTOMER if EventKind.GIVEN_UP in happened else By.NOBODY


def sentence(booking: Booking) -> str:
    """What the customer is told: the open issue or else the state, then which money is going or has gone back."""
    parts = (_open_matter(booking) or _standing(booking), _beside(booking), _money_back(booking))
    return " ".join(part for part in parts if part)


def _open_matter(booking: Booking) -> str:
    """The sentence for something undecided or not as it should be; "" if there is none."""
    payment = payment_of(booking)
    if stuck := [one.amount.shown for one in booking.refunds if one.is_stuck and one.amount]:
        told = STUCK.format(amount=stuck[0])
        return f"{_standing(booking)} {told}" if booking.state is State.CONFIRMED else told
    if payment is Payment.UNCLEAR and booking.state is not State.CONFIRMED:
        return UNCLEAR
    if (how := denied(booking)) is not None:
        return DENIED.format(how=HOW_DENIED[how])
    if booking.choose_by is not None and payment is Payment.EXACT:
        return CHOOSE_LATE if Flag.PAID_LATE in booking.flags else CHOOSE
    ended = booking.state in (State.EXPIRED, State.CANCELLED)
    if ended and booking.agreed_amount is None and payment in (Payment.NOTIFIED, Payment.EXACT):
        return LATE_CHECK
    if payment is Payment.SHORT and booking.state is State.PENDING:
        return f"{received_of(booking).shown} of {booking.price.shown} arrived. {missing(booking).shown} is missing."
    return ""


def _beside(booking: Booking) -> str:
    """A sentence on uncountable money besides the booking's own payment."""
    if payment_of(booking) is Payment.UNCLEAR and booking.state is not State.CONFIRMED:
        return ""  # it is the open issue and told already
    return UNCLEAR_BESIDE if any(came_unclear(booking, one) for one in unclear(booking)) else ""


def _standing(booking: Booking) -> str:
    if _owes_after_all(booking):
        return "Another payment arrived after your money had gone back."
    if booking.confirmed_at is not None and booking.state is State.CANCELLED:
        return _called_off(booking)
    has_paid = any(one.has_money for one in booking.orders)
    if booking.state in (State.EXPIRED, State.CANCELLED) and has_paid:
        return "This booking is over. Its time is free for others again."
    if booking.state is State.CONFIRMED and booking.by_hand is not None and booking.by_hand.kind is not HandKind.TIME:
        return CONFIRMED_BY_HAND
    if booking.state is State.REFUNDED and any(one.reserves and one.is_by_hand for one in booking.refunds):
        return RETURNED_BY_HAND
    if booking.state is State.CANCELLED and cancelled_by(booking) in UNPAID_ENDS:
        return UNPAID_ENDS[cancelled_by(booking)]
    return STATE_SENTENCES[booking.state]


def _called_off(booking: Booking) -> str:
    who = "The owner cancelled this call" if cancelled_by(booking) is By.OWNER else "This call is cancelled"
    return f"{who}, and its time is free for others again."


def _owes_after_all(booking: Booking) -> bool:
    """True if more money arrived after the refund and has not gone back yet."""
    return booking.state is State.REFUNDED and any(one.reserves and not one.is_gone for one in booking.refunds)


def _money_back(booking: Booking) -> str:
    """The newest refund that is not stuck, and why."""
    live = [(one, one.amount.shown) for one in booking.refunds if one.reserves and one.amount and not one.is_stuck]
    if not live or (booking.state is State.REFUNDED and not _owes_after_all(booking)):
        return ""
    newest, amount = live[-1]
    why = why_back(booking, newest)
    if newest.is_by_hand:
        return f"{why} {amount} has been sent back to you."
    if newest.is_gone:
        return f"{why} {amount} went back to the Binance account that paid."
    return f"{why} {amount} is going back to the Binance account that paid."


def why_back(booking: Booking, refund: Refund) -> str:
    return WHY_BACK[refund.cause].format(received=received_of(booking).shown, price=booking.price.shown)


def refunds_told(booking: Booking) -> list[dict[str, Any]]:
    """The customer's view of the refunds, for the status call."""
    return [
        {
            "amount": str(one.amount),
            "currency": one.amount.currency,
            "status": "waiting" if one.is_stuck else "done" if one.is_gone else "under_way",
            "reason": str(one.cause),
        }
        for one in booking.refunds
        if one.reserves and one.amount
    ]


def public_status(booking: Booking) -> dict[str, Any]:
    """The JSON body of the status call, without the server's time. Amounts are strings, times ISO 8601 in UTC."""
    body: dict[str, Any] = {
        "success": True,
        "status": str(booking.state),
        "flags": sorted(booking.flags),
        "message": message(booking),
        "expiresAt": iso(booking.expires_at),
        "version": booking.status_version,
    }
    if booking.choose_by is not None:
        body["chooseBy"] = iso(booking.choose_by)
    if returned := refunds_told(booking):
        body["refunds"] = returned
    paid = next((one for one in booking.orders if one.has_money), None)
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
    """Everything the customer's page is built from."""
    order = booking.order
    return (
        public_status(replace(booking, status_version=0)),
        payment_of(booking),
        booking.slot,
        booking.cancel_requested,
        kept_of(booking),
        mails.awaits_confirmation(booking),
        order and (order.trade_no, order.checkout, order.is_closed, order.retry_at is None),
    )


def _has_changed(before: Booking, after: Booking) -> bool:
    """True if anything a page shows may have changed. Most writes only record what was done, so sentences need not be
    compared."""
    unseen = ("outbox", "delivered", "history", "ledger", "check_at", "unanswered_checks", "version", "status_version")
    if replace(after, **{name: getattr(before, name) for name in unseen}) != before:
        return True
    return _of_mails(before) != _of_mails(after)


def _of_mails(booking: Booking) -> tuple[object, ...]:
    return mails.reach(booking), mails.awaits_confirmation(booking)


def numbered(before: Booking, after: Booking) -> Booking:
    """Increment the version of `after` if the customer would see a difference."""
    changed = _has_changed(before, after) and _face(before) != _face(after)
    return (
        replace(after, status_version=before.status_version + 1)
        if changed
        else replace(after, status_version=before.status_version)
    )
