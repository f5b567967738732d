"""Texts about money: refunds and their causes for the customer; refunds, ledger and evidence for the owner."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from flask import Flask

from inspired.domain.booking import customer_actions, ledger, payment_orders, refunds
from inspired.domain.booking.balance import kept_of, nothing, received_of, total
from inspired.domain.booking.booking import Booking, Refund
from inspired.domain.booking.reconciliation import Step
from inspired.domain.booking.states import CalendarKind, RefundStatus, State
from inspired.domain.catalogue.refund_policy import RefundPolicy
from inspired.domain.reporting.reports import ASKED_BY
from inspired.domain.sentences import customer
from inspired.domain.sentences.owner import CAUSES
from inspired.domain.sentences.values import in_hours
from inspired.domain.shared.money import Money
from inspired.web.shared.current import services

ACCOUNTS = {
    ledger.BINANCE: "In the Binance account",
    ledger.SUSPENSE: "Received, neither earned nor returned",
    ledger.OUTSIDE: "Received by another way, on your word",
    ledger.SALES: "Earned by confirmed calls",
    ledger.REFUNDS: "Returned of what was earned",
    ledger.FEES: "Kept by Binance as commission",
}
STEPS = {
    Step.ASK_AGAIN: "Asking Binance again brings it in line.",
    Step.POST: "It is posted again at the next run.",
    Step.OWNER: "Please look at it.",
}


def init_app(app: Flask) -> None:
    app.jinja_env.globals.update(
        may_agree=customer_actions.may_agree,
        may_cancel=customer_actions.may_cancel,
        may_move=moves_here,
        may_tell_who_came=customer_actions.may_tell_who_came,
        may_refund=may_refund,
        is_above_limit=payment_orders.is_above_limit,
        returned_lines=returned_lines,
        sides=sides,
    )
    app.jinja_env.filters.update(
        account=lambda name: ACCOUNTS.get(name, name),
        asked_by=lambda by: ASKED_BY.get(by, by),
        cause=lambda cause: CAUSES[cause],
        goes_back_lines=goes_back_lines,
        in_hours=in_hours,
        kept_of=lambda booking: kept_of(booking).shown,
        money_sum=lambda rows: str(total((one for _, one in rows), rows[0][1].currency)),
        next_step=lambda step: STEPS[step],
        received_of=lambda booking: received_of(booking).shown,
        refund_state=refund_state,
    )


# --- for the customer -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GoesBack:
    """One refund as the customer sees it. `done_at` is set only if the refund is confirmed as done."""

    amount: str
    why: str
    state: str
    done_at: datetime | None


def goes_back_lines(booking: Booking) -> list[GoesBack]:
    return [
        GoesBack(
            one.amount.shown, customer.why_back(booking, one), _told_state(one), one.done_at if one.is_gone else None
        )
        for one in booking.refunds
        if one.reserves and one.amount
    ]


def _told_state(refund: Refund) -> str:
    if refund.is_stuck:
        return "It has not gone through yet. The owner has been told and sees to it."
    match refund.status:
        case RefundStatus.REQUESTED:
            return "It is being sent to Binance."
        case RefundStatus.SENT:
            return "Binance is returning it to the account that paid."
        case RefundStatus.EXTERNAL:
            return "Returned by the owner."
    return "Returned to the Binance account that paid."


@dataclass(frozen=True, slots=True)
class Consequence:
    """What cancelling now would mean."""

    amount: Money
    told: str
    why: str


def consequence(booking: Booking, now: datetime) -> Consequence:
    amount, kept, policy = customer_actions.goes_back(booking, now), kept_of(booking), booking.meeting_type.policy
    if kept.is_nothing and booking.by_hand is not None:
        return Consequence(
            amount, "Nothing goes back by itself.", "It was not paid by Binance Pay: the owner sees to it."
        )
    if kept.is_nothing:
        return Consequence(amount, "Nothing more goes back.", "All of your money was returned already.")
    if amount.is_nothing:
        return Consequence(amount, f"Nothing of your {kept.shown} goes back.", _too_late(policy))
    to = "to the Binance account that paid"
    if amount == kept:
        return Consequence(amount, f"{amount.shown} go back {to}.", _in_time(booking, now))
    why = f"The call starts in less than {in_hours(policy.full_until)}."
    return Consequence(amount, f"{amount} of {kept.shown} go back {to}.", why)


def moves_here(booking: Booking, now: datetime) -> bool:
    """True if the call can be moved from its page: on our own pages, or in Calendly if times are picked in its iframe
    (`move_url`)."""
    is_there = booking.slot is not None and booking.slot.calendar is CalendarKind.CALENDLY
    return customer_actions.may_move(booking, now) and (is_there or not services().settings.in_frame)


@dataclass(frozen=True, slots=True)
class Moving:
    """What moving a confirmed call means. `seen`: how often it was moved before."""

    seen: int
    told: str


def moving_of(booking: Booking, now: datetime) -> Moving:
    before, after = booking.most_back, customer_actions.most_back_after_move(booking, now)
    if after == 100:
        return Moving(booking.moves, "Moving it costs nothing.")
    most = booking.price.share(after)
    what = f"at most {most.shown} goes back" if not most.is_nothing else "nothing goes back"
    why = "since it is moved so late" if after < before else "as before"
    return Moving(booking.moves, f"Moving it costs nothing. If you cancel it afterwards, {what}, {why}.")


def _in_time(booking: Booking, now: datetime) -> str:
    policy, slot = booking.meeting_type.policy, booking.slot
    if slot is None or policy.percent(slot.span.start, now) < 100:
        return "That is all that is left of your payment."
    return f"It is {in_hours(policy.full_until)} or more before the call." if policy.full_until else ""


def _too_late(policy: RefundPolicy) -> str:
    last = policy.part_until if policy.part_percent else policy.full_until
    return f"The call starts in less than {in_hours(last)}."


# --- for the owner --------------------------------------------------------------------------------------------------


def may_refund(booking: Booking) -> bool:
    """True if proven money of any payment is left, in any currency."""
    return bool(refunds.left_of_each(booking))


def may_refund_a_part(booking: Booking) -> bool:
    """False before confirmation: then the money goes back only as a whole."""
    return booking.state is State.CONFIRMED or booking.agreed_amount is not None


def lefts(booking: Booking) -> list[str]:
    """What is left of each payment, which “all of it” returns. A single payment needs no order number."""
    found = refunds.left_of_each(booking)
    return [left.shown if len(found) == 1 else f"{left.shown} of order {one.number}" for one, left in found]


def refund_state(refund: Refund) -> str:
    if refund.replaced_by:
        return "did not go out, another one took its place"
    match refund.status:
        case RefundStatus.REQUESTED:
            return "on its way, Binance Pay has not answered clearly yet" if refund.tries else "about to be sent"
        case RefundStatus.SENT:
            return "taken by Binance Pay, not done yet"
        case RefundStatus.DONE:
            return "gone back, says Binance Pay"
        case RefundStatus.REJECTED:
            return "rejected, the money is still here"
        case RefundStatus.NEEDS_OWNER:
            return "not sent, waits for you"
    return "gone, but nobody knows how much" if refund.amount is None else "gone by another way"


def refund_said(booking: Booking, made: Iterable[Refund]) -> str:
    """The effects of the owner's refund: on the money, the call and the customer's mail."""
    amounts = ", ".join(one.amount.shown for one in made if one.amount)
    goes = f"{amounts} {'go' if ',' in amounts else 'goes'} back to the Binance account that paid"
    match booking.state:
        case State.CONFIRMED:
            return f"{goes}. The call stays confirmed. The customer is told by mail."
        case State.CANCELLED | State.REFUNDED if booking.confirmed_at is not None:
            return f"{goes}, and the call is cancelled: its time is free for others. The customer is told by mail."
    return f"{goes}. The customer is told by mail."


def asked_said(before: Booking, after: Booking, answers: int) -> str:
    """The result of asking Binance about every order; `answers`: how many of these queries it answered."""
    asked = [one for one in before.orders if one.was_sent]
    if not asked:
        return "There is no order at Binance yet that it could be asked about."
    if answers < len(asked):
        return "Binance does not answer just now. What is open is asked about again by itself."
    if after.state is not before.state:
        return f"Binance has answered, and the booking is {after.state} now."
    return "Binance has answered, and the booking stands as before."


def returned_lines(booking: Booking) -> list[str]:
    """For the list of bookings: what has been returned and what is pending."""
    gone = refunds.returned_in_all(booking)
    waiting = [one.amount for one in booking.refunds if one.reserves and not one.is_gone and one.amount]
    lines = [f"returned {gone.shown}"] if not gone.is_nothing else []
    return [*lines, *(f"{one.shown} not returned yet" for one in waiting)]


def sides(money: Money) -> tuple[str, str]:
    """Debit and credit of a ledger line, one of them empty."""
    return ("", str(-money)) if money < nothing(money.currency) else (str(money), "")


def balance_rows(balances: dict[tuple[str, str], Money]) -> Iterable[tuple[str, list[tuple[str, Money]]]]:
    """By currency: every ledger account in order, with its balance."""
    for currency in sorted({currency for _, currency in balances}):
        rows = [(name, balances.get((name, currency), nothing(currency))) for name in ledger.ACCOUNTS]
        yield currency, rows
