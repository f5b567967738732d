"""Explains one booking to the owner: why it is in its state, in one sentence, and what happens next and when.

Pure. It only reads the booking and decides nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from inspired.domain.booking.balance import (
    Payment,
    came_unclear,
    denied,
    denied_order,
    due,
    kept_of,
    missing,
    payment_of,
    received_of,
    unclear,
)
from inspired.domain.booking.booking import Booking, Refund
from inspired.domain.booking.customer_actions import may_choose
from inspired.domain.booking.payment_orders import is_above_limit
from inspired.domain.booking.polling import ENDED, may_still_pay, passed
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.refunds import SLOW_AFTER, is_held_up
from inspired.domain.booking.states import Cause, HandKind, RefundStatus, State
from inspired.domain.booking.status import By, cancelled_by
from inspired.domain.sentences import owner, rails
from inspired.domain.shared.slots import Span
from inspired.domain.shared.timezones import moment_in_words

BACK = {
    Cause.SURPLUS: "more had arrived than the price",
    Cause.SECOND: "it had been paid twice",
    Cause.SHORT: "less had arrived than the price",
    Cause.NO_TIME: "no other time was chosen after its own was gone",
    Cause.MONEY_BACK: "the customer chose the money instead of another time",
    Cause.CANCELLED: "the customer cancelled the call",
    Cause.OWNER: "you gave the money back",
    Cause.CONSOLE: "the money was returned in {asked}’s console",
}


# --- why it is in its state -----------------------------------------------------------------------------------------


def why(booking: Booking, now: datetime, zone: str) -> str:
    """One sentence. Times are given in `zone`."""
    if stuck := [one for one in booking.refunds if one.is_stuck]:
        return _stuck(stuck[0], booking.rail_of(stuck[0]))
    if booking.state is not State.CONFIRMED and (asked := [one for one in booking.refunds if one.awaits_address]):
        return _awaits_address(asked[0])
    if any(order.held for order in unclear(booking)):
        return "USDT reached its address, and only you can say whether it counts: look at “Money” below."
    if payment_of(booking) is Payment.UNCLEAR or any(came_unclear(booking, one) for one in unclear(booking)):
        return "Money arrived that cannot be counted against the price, so it waits for you: return it below."
    match booking.state:
        case State.DRAFT:
            return "The customer has opened the calendar and not picked a time yet."
        case State.PENDING:
            return _pending(booking, now, zone)
        case State.PAID:
            return _paid(booking, now, zone)
        case State.CONFIRMED:
            return _confirmed(booking)
    return _ended(booking, now, zone)


def _awaits_address(refund: Refund) -> str:
    amount = refund.amount.shown if refund.amount else "Money"
    return f"{amount} should go back, and waits for the customer to confirm an address to send it to."


def _stuck(refund: Refund, rail: RailId) -> str:
    if refund.amount is None:
        return "Some of the money went back by another way, and nobody knows how much: please enter it below."
    because = f": {owner.obstacle(refund.obstacle, rail).rstrip('.')}." if refund.obstacle else "."
    return f"{refund.amount.shown} should go back and cannot without you{because}"


def _denied(booking: Booking) -> str:
    order = denied_order(booking)
    words = rails.of(order.rail if order is not None else booking.rail)
    return (
        f"A signed notice told of the payment, and {words.asked}, asked, says that the order was closed without one: "
        f"look it up {words.portal}."
    )


def _pending(booking: Booking, now: datetime, zone: str) -> str:
    payment, until, words = payment_of(booking), _told(booking.expires_at, zone), rails.of(booking.rail)
    asked = words.asked
    if payment in (Payment.NOTIFIED, Payment.EXACT, Payment.OVER):
        if denied(booking) is not None:
            return _denied(booking)
        return f"A notice tells of a payment, and {asked}’s own answer to our question is still to come."
    if booking.cancel_requested:
        return f"{_who_gave_up(booking)}, and it ends as soon as {asked} says that its order is closed."
    if passed(booking.expires_at, now):
        return (
            f"The time to pay was over {until}, and {asked} has not said yet that the order is closed: "
            "until it does, the time stays held, since money may still come."
        )
    if payment is Payment.SHORT and may_still_pay(booking, now):
        return f"{received_of(booking).shown} arrived and {missing(booking).shown} is missing, payable until {until}."
    if is_above_limit(booking):
        return (
            "Its order was not made, since it would be above what one customer may pay. Allow the customer more under "
            f"“Reports”, “Limits”, and they can pay until {until}; otherwise it ends by itself."
        )
    order = booking.order
    if order is not None and order.checkout is None and order.retry_at is None:
        return f"{words.rail} did not make the order, so nobody can pay yet; the customer can try again until {until}."
    return f"The time is held and nothing was paid yet, payable until {until}."


def _paid(booking: Booking, now: datetime, zone: str) -> str:
    match payment_of(booking):
        case Payment.NOTIFIED if denied(booking) is not None:
            return _denied(booking)
        case Payment.NOTIFIED:
            return rails.of(booking.paid_by).awaits_proof
        case Payment.EXACT if may_choose(booking, now):
            return f"It is paid and its time is gone: the customer chooses until {_told(booking.choose_by, zone)}."
        case Payment.EXACT:
            return "It is paid, and the calendar has not said yet that the time stands."
    return "Its money is on the way back, so it ends."


def _confirmed(booking: Booking) -> str:
    word, left = booking.by_hand, kept_of(booking)
    if left < due(booking):
        return f"It was confirmed, and since then money left by another way than this site: {left.shown} is here."
    if word is not None and word.kind is HandKind.OUTSIDE:
        return f"You confirmed it by hand: {word.amount.shown} came by another way than {rails.of(booking.rail).rail}."
    if word is not None and word.kind is HandKind.GIFT:
        return "You confirmed it by hand, without its price being paid."
    proof = f"{rails.of(booking.paid_by).asked} answered our own question with {received_of(booking).shown} paid"
    if word is not None:
        return f"{proof}, and you vouched for the time, since the calendar did not answer."
    return f"{proof}, and the time is secured."


def _ended(booking: Booking, now: datetime, zone: str) -> str:
    if may_choose(booking, now):
        until = _told(booking.choose_by, zone)
        return f"Money came when it was over and the time was taken: the customer chooses until {until}."
    payment = payment_of(booking)
    if booking.agreed_amount is None and payment in (Payment.NOTIFIED, Payment.EXACT, Payment.OVER):
        if denied(booking) is not None:
            return _denied(booking)
        return "Money came when it was over, and it is being looked whether the time is still free."
    if booking.confirmed_at is not None:
        return f"{_who_cancelled(booking)}{_given_back(booking)}"
    if reasons := [one for one in booking.refunds if one.reserves]:
        since = BACK[reasons[-1].cause].format(asked=rails.of(booking.rail_of(reasons[-1])).asked)
        return f"It was not confirmed, since {since}{_given_back(booking)}"
    if booking.state is State.EXPIRED:
        return _expired(booking, zone)
    return f"{_who_gave_up(booking)} before anything was paid."


def _expired(booking: Booking, zone: str) -> str:
    until, words = _told(booking.expires_at, zone), rails.of(booking.rail)
    if not any(one.checkout for one in booking.orders):
        return f"Nobody could pay: {words.rail} had not made the order when the time to pay was over {until}."
    return f"Nothing was paid until {until}, and {words.asked} said that the order is closed."


def _who_gave_up(booking: Booking) -> str:
    return {
        By.OWNER: "You cancelled it",
        By.CALENDAR: "Its event was cancelled in Calendly",
        By.CUSTOMER: "The customer gave it up",
    }.get(cancelled_by(booking), "It ended")


def _who_cancelled(booking: Booking) -> str:
    return {
        By.OWNER: "You cancelled the confirmed call",
        By.CUSTOMER: "The customer cancelled the confirmed call",
    }.get(cancelled_by(booking), "The call was confirmed, and ended when its money left")


def _given_back(booking: Booking) -> str:
    """How much of the money goes or went back."""
    back = received_of(booking) - kept_of(booking)
    if back.is_nothing:
        return ", and nothing goes back." if not received_of(booking).is_nothing else "."
    rest = "all of it" if kept_of(booking).is_nothing else f"{back.shown} of {received_of(booking).shown}"
    is_gone = all(one.is_gone for one in booking.refunds if one.reserves)
    return f", and {rest} {'has gone' if is_gone else 'goes'} back."


# --- what happens next ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Next:
    """Something that will happen automatically, or that waits for a person (`at` None)."""

    at: datetime | None
    text: str


def next_up(booking: Booking, now: datetime) -> list[Next]:
    """Sorted by time, with what waits for a person first. Empty if nothing more happens."""
    found = [*_outbox(booking), *_of_money(booking), *_of_state(booking, now)]
    return sorted(found, key=lambda one: (one.at is not None, one.at or now))


def _outbox(booking: Booking) -> Iterator[Next]:
    for item in booking.outbox:
        if (text := owner.task_to_come(item.task)) is not None:
            again = f", after {item.tries} {'try' if item.tries == 1 else 'tries'} that did not work"
            yield Next(item.due, f"{text}{again if item.tries else ''}.")


def _of_money(booking: Booking) -> Iterator[Next]:
    for refund in booking.refunds:
        amount = refund.amount.shown if refund.amount else "A refund"
        if refund.waits_for_wallet:
            yield Next(None, f"{amount}: send it from your wallet, and enter its transaction.")
        elif refund.is_stuck:
            yield Next(None, f"{amount}: the refund waits for you.")
        if refund.replaced_by or is_held_up(booking, refund):
            continue
        if refund.status is RefundStatus.SENT:
            yield Next(
                booking.check_at, f"{rails.of(booking.rail_of(refund)).asked} is asked whether {amount} has gone back."
            )
        elif refund.retry_at is not None:
            yield Next(refund.retry_at, f"{amount} is sent back{' (once more)' if refund.tries else ''}.")
        if refund.is_under_way:
            yield Next(refund.requested_at + SLOW_AFTER, f"You are told if {amount} has not gone back by then.")
    if booking.choose_by is not None and payment_of(booking) is Payment.EXACT:
        yield Next(booking.choose_by, "If the customer has not chosen by then, all of the money goes back.")
    if any(order.held for order in unclear(booking)):
        yield Next(None, "USDT waits for you: under “Money”, let it count, or return it with “Refund…”.")
    if any(not order.held for order in unclear(booking)):
        yield Next(None, "The money that cannot be counted waits for you: return it with “Refund…”.")


def _of_state(booking: Booking, now: datetime) -> Iterator[Next]:
    match booking.state:
        case State.DRAFT:
            yield Next(booking.check_at, "Calendly is asked whether a time was picked; without one this is dropped.")
        case State.PENDING:
            yield from _of_pending(booking, now)
        case State.PAID if booking.choose_by is None and booking.check_at is not None:
            yield Next(booking.check_at, f"{rails.of(booking.rail).asked} and the calendar are asked again.")
        case State.CONFIRMED if booking.slot is not None:
            yield from _of_call(booking, booking.slot.span, now)
        case State.EXPIRED | State.CANCELLED | State.REFUNDED if _is_asked_late(booking):
            yield Next(booking.check_at, f"{rails.of(booking.rail).asked} is asked once more whether money came late.")


def _of_pending(booking: Booking, now: datetime) -> Iterator[Next]:
    order = booking.order
    if order is not None and order.checkout is None and order.retry_at is not None:
        yield Next(order.retry_at, f"{rails.of(order.rail).rail} is asked for the order again.")
    elif booking.check_at is not None and any(one.was_sent for one in booking.orders):
        yield Next(booking.check_at, f"{rails.of(booking.rail).asked} is asked whether it was paid.")
    if booking.expires_at is not None and now < booking.expires_at and not booking.cancel_requested:
        yield Next(booking.expires_at, "The time to pay is over.")
    if booking.deadline is not None and now < booking.deadline and not booking.cancel_requested:
        told = "If nothing was paid by then, the order is closed and the time is free again."
        yield Next(booking.deadline, told)


def _of_call(booking: Booking, call: Span, now: datetime) -> Iterator[Next]:
    last_move = call.start - booking.meeting_type.policy.move_until
    if now < last_move < call.start:
        yield Next(last_move, "From then on the customer can no longer move the call.")
    if now < call.start:
        yield Next(call.start, "The call takes place. From then on you can write down who did not come.")


def _is_asked_late(booking: Booking) -> bool:
    unpaid = any(one.was_sent and not one.has_money for one in booking.orders)
    waits = {item.due for item in booking.outbox}
    return booking.state in ENDED and unpaid and booking.check_at is not None and booking.check_at not in waits


def _told(moment: datetime | None, zone: str) -> str:
    return moment_in_words(moment, zone) if moment is not None else "its end"
