"""A booking's public status: its JSON body, the messages that explain it, and its version.

Which messages, and with which facts, is decided here; `domain/sentences/customer` has their texts.
"""

from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from inspired.domain.booking import mails
from inspired.domain.booking.balance import (
    Payment,
    came_unclear,
    denied_order,
    is_dust,
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
from inspired.domain.booking.rails import CAPABILITIES
from inspired.domain.booking.states import Cause, Flag, HandKind, RefundStatus, Remote, State
from inspired.domain.shared.messages import Message, MessageId

OF_STATE = {
    State.DRAFT: MessageId.CHOOSE_A_TIME,
    State.PENDING: MessageId.HELD,
    State.PAID: MessageId.PAID,
    State.CONFIRMED: MessageId.CONFIRMED,
    State.EXPIRED: MessageId.EXPIRED,
    State.CANCELLED: MessageId.CANCELLED_UNPAID,
    State.REFUNDED: MessageId.REFUNDED,
}
OF_CAUSE = {
    Cause.SURPLUS: MessageId.BACK_SURPLUS,
    Cause.SECOND: MessageId.BACK_SECOND,
    Cause.SHORT: MessageId.BACK_SHORT,
    Cause.NO_TIME: MessageId.BACK_NO_TIME,
    Cause.MONEY_BACK: MessageId.BACK_MONEY_CHOSEN,
    Cause.CANCELLED: MessageId.BACK_CANCELLED,
    Cause.OWNER: MessageId.BACK_OWNER_RETURNS,
    Cause.CONSOLE: MessageId.BACK_OWNER_RETURNED,
}
OF_DENIAL = {
    Remote.EXPIRED: MessageId.DENIED_EXPIRED,
    Remote.CANCELED: MessageId.DENIED_CLOSED,
    Remote.ERROR: MessageId.DENIED_FAILED,
}
OF_REACH = {Reach.DELAYED: MessageId.MAILS_DELAYED, Reach.REFUSED: MessageId.MAILS_REFUSED}


class By(StrEnum):
    """Who ended a booking. NOBODY: its money left, its time to pay was over, or it has not ended."""

    OWNER = "owner"
    CUSTOMER = "customer"
    CALENDAR = "calendar"
    NOBODY = ""


UNPAID_ENDS = {
    By.OWNER: MessageId.CANCELLED_UNPAID_BY_OWNER,
    By.CALENDAR: MessageId.CANCELLED_UNPAID_IN_CALENDLY,
}


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


def messages(booking: Booking) -> tuple[Message, ...]:
    """What the customer is told: the open issue or else the state, then which money is going or has gone back."""
    return (*(_open_matter(booking) or (_standing(booking),)), *_beside(booking), *_money_back(booking))


def mail_warning(booking: Booking) -> Message | None:
    """None if our mails reach the customer."""
    warning = OF_REACH.get(mails.reach(booking))
    return Message(warning) if warning else None


def _open_matter(booking: Booking) -> tuple[Message, ...]:
    """What is undecided or not as it should be; empty if nothing is."""
    payment = payment_of(booking)
    stuck = [one.amount for one in booking.refunds if one.is_stuck and not one.waits_for_wallet and one.amount]
    if stuck:
        told = Message.of(MessageId.REFUND_STUCK, amount=stuck[0])
        return (_standing(booking), told) if booking.state is State.CONFIRMED else (told,)
    if payment is Payment.UNCLEAR and booking.state is not State.CONFIRMED:
        return (Message(MessageId.UNCLEAR),)
    if (order := denied_order(booking)) is not None and order.denied is not None:
        return (Message.of(OF_DENIAL[order.denied], rail=order.rail),)
    if booking.choose_by is not None and payment is Payment.EXACT:
        return (Message(MessageId.CHOOSE_LATE if Flag.PAID_LATE in booking.flags else MessageId.CHOOSE),)
    ended = booking.state in (State.EXPIRED, State.CANCELLED)
    if ended and booking.agreed_amount is None and payment in (Payment.NOTIFIED, Payment.EXACT):
        is_early = payment is Payment.NOTIFIED and _is_slow(booking)
        return (Message(MessageId.NETWORK_TOO_SLOW if is_early else MessageId.LATE_CHECK),)
    if payment is Payment.SHORT and booking.state is State.PENDING:
        received = received_of(booking)
        return (Message.of(MessageId.SHORT, received=received, price=booking.price, missing=missing(booking)),)
    live = booking.order
    is_unpaid = payment is Payment.NONE and booking.state is State.PENDING
    if is_unpaid and live is not None and live.arrived is not None and live.is_payable:
        told = Message.of(MessageId.SHORT, received=live.arrived, price=live.amount, missing=live.still_to_pay)
        return (told,)
    return ()


def _beside(booking: Booking) -> tuple[Message, ...]:
    """Uncountable money besides the booking's own payment."""
    if payment_of(booking) is Payment.UNCLEAR and booking.state is not State.CONFIRMED:
        return ()  # it is the open issue and told already
    told = any(came_unclear(booking, one) for one in unclear(booking))
    return (Message(MessageId.UNCLEAR_BESIDE),) if told else ()


def _standing(booking: Booking) -> Message:
    return Message.of(_standing_id(booking), rail=booking.paid_by)


def _standing_id(booking: Booking) -> MessageId:
    if _owes_after_all(booking):
        return MessageId.MORE_AFTER_REFUND
    if booking.confirmed_at is not None and booking.state is State.CANCELLED:
        return MessageId.CALLED_OFF_BY_OWNER if cancelled_by(booking) is By.OWNER else MessageId.CALLED_OFF
    if booking.state is State.PAID and not _is_final(booking):
        return seen(booking)
    has_paid = any(one.has_money and not is_dust(one) for one in booking.orders)
    if booking.state in (State.EXPIRED, State.CANCELLED) and has_paid:
        return MessageId.OVER
    if booking.state is State.CONFIRMED and booking.by_hand is not None and booking.by_hand.kind is not HandKind.TIME:
        return MessageId.CONFIRMED_BY_OWNER
    if booking.state is State.REFUNDED and any(one.reserves and one.is_by_hand for one in booking.refunds):
        return MessageId.REFUNDED_BY_HAND
    if booking.state is State.CANCELLED and cancelled_by(booking) in UNPAID_ENDS:
        return UNPAID_ENDS[cancelled_by(booking)]
    return OF_STATE[booking.state]


def _is_final(booking: Booking) -> bool:
    """False while a network may still take back the newest money."""
    paid = [order for order in booking.orders if order.has_money]
    return not paid or paid[-1].proven or CAPABILITIES[paid[-1].rail].is_final_at_once


def seen(booking: Booking) -> MessageId:
    """What is told of money that was seen and is not proven yet."""
    return MessageId.NETWORK_SLOW if _is_slow(booking) and not _is_final(booking) else MessageId.NOTIFIED


def _is_slow(booking: Booking) -> bool:
    """True if the network had not made the newest money final when the time to pay was over."""
    return any(event.kind is EventKind.NETWORK_SLOW for event in booking.history)


def _owes_after_all(booking: Booking) -> bool:
    """True if more money arrived after the refund and has not gone back yet."""
    return booking.state is State.REFUNDED and any(one.reserves and not one.is_gone for one in booking.refunds)


def _money_back(booking: Booking) -> tuple[Message, ...]:
    """The newest refund that is not stuck, and why."""
    shown = [one for one in booking.refunds if one.reserves and (one.waits_for_wallet or not one.is_stuck)]
    live = [(one, one.amount) for one in shown if one.amount]
    if not live or (booking.state is State.REFUNDED and not _owes_after_all(booking)):
        return ()
    newest, amount = live[-1]
    return why_back(booking, newest), Message.of(_where_it_is(newest), amount=amount, rail=booking.rail_of(newest))


def _where_it_is(refund: Refund) -> MessageId:
    if refund.is_by_hand:
        return MessageId.SENT_BACK_BY_HAND
    if refund.awaits_address:
        return MessageId.BACK_ADDRESS_WANTED
    if refund.waits_for_customer:
        return MessageId.BACK_IF_ASKED
    if refund.waits_for_wallet or (refund.sent_with is not None and not refund.is_gone):
        return MessageId.BACK_BY_WALLET
    return MessageId.GONE_BACK if refund.is_gone else MessageId.GOING_BACK


def where_it_stands(booking: Booking, refund: Refund) -> Message:
    """For the list of refunds on the customer's page."""
    return Message.of(_standing_of(refund), rail=booking.rail_of(refund))


def _standing_of(refund: Refund) -> MessageId:
    if refund.awaits_address:
        return MessageId.REFUND_ADDRESS_WANTED
    if refund.waits_for_customer:
        return MessageId.REFUND_IF_ASKED
    if refund.waits_for_wallet:
        return MessageId.REFUND_OWNER_SENDS
    if refund.is_stuck:
        return MessageId.REFUND_WAITS
    match refund.status:
        case RefundStatus.REQUESTED:
            return MessageId.REFUND_BEING_SENT
        case RefundStatus.SENT:
            return MessageId.REFUND_TAKEN
        case RefundStatus.EXTERNAL:
            return MessageId.REFUND_RETURNED_BY_OWNER
    return MessageId.REFUND_RETURNED


def why_back(booking: Booking, refund: Refund) -> Message:
    if refund.cause is Cause.SHORT:
        return Message.of(MessageId.BACK_SHORT, received=received_of(booking), price=booking.price)
    return Message(OF_CAUSE[refund.cause])


def refunds_told(booking: Booking) -> list[dict[str, Any]]:
    """The customer's view of the refunds, for the status call."""
    return [
        {
            "amount": str(one.amount),
            "currency": one.amount.currency,
            "status": "waiting" if one.is_stuck or one.waits_for_customer else "done" if one.is_gone else "under_way",
            "reason": str(one.cause),
        }
        for one in booking.refunds
        if one.reserves and one.amount
    ]


def public_status(booking: Booking, message: str) -> dict[str, Any]:
    """The JSON body of the status call, without the server's time. Amounts are strings, times ISO 8601 in UTC.
    `message`: what the customer is told, in words."""
    body: dict[str, Any] = {
        "success": True,
        "status": str(booking.state),
        "flags": sorted(booking.flags),
        "message": message,
        "expiresAt": iso(booking.expires_at),
        "version": booking.status_version,
    }
    paid = next((one for one in booking.orders if one.has_money), None)
    network = CAPABILITIES[booking.rail].network
    body["network"] = None if network is None else str(network)
    body["final"] = any(order.proven for order in booking.orders)
    body["confirmations"] = None if paid is None else paid.confirmations
    if booking.choose_by is not None:
        body["chooseBy"] = iso(booking.choose_by)
    if returned := refunds_told(booking):
        body["refunds"] = returned
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
        public_status(replace(booking, status_version=0), ""),
        messages(booking),
        mail_warning(booking),
        payment_of(booking),
        booking.slot,
        booking.cancel_requested,
        kept_of(booking),
        mails.awaits_confirmation(booking),
        order and (order.trade_no, order.checkout, order.is_closed, order.retry_at is None),
    )


def _has_changed(before: Booking, after: Booking) -> bool:
    """True if anything a page shows may have changed. Most writes only record what was done, so messages need not be
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
