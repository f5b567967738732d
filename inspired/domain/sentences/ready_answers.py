"""Ready-made answers: only those that are true of the booking now, filled with its facts."""

from dataclasses import dataclass
from datetime import datetime

from inspired.domain.booking import customer_actions
from inspired.domain.booking.balance import Payment, kept_of, payment_of, received_of
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.polling import may_still_pay
from inspired.domain.booking.rails import USUAL
from inspired.domain.booking.states import State
from inspired.domain.sentences import rails
from inspired.domain.sentences.customer import said
from inspired.domain.sentences.rails import Words
from inspired.domain.shared.timezones import in_words, moment_in_words
from inspired.domain.site.assurances import refund_time


@dataclass(frozen=True, slots=True)
class Ready:
    id: str
    name: str
    text: str


def ready_answers(booking: Booking | None, name: str, now: datetime) -> list[Ready]:
    """`name`: the customer's name, "" if unknown."""
    hello = f"Hello {name}," if name else "Hello,"
    always = _always(rails.of(booking.rail if booking else USUAL))
    found = [*_of_booking(booking, now), *always] if booking else always
    return [Ready(one, what, f"{hello}\n\n{text}\n\nInspired Analyst") for one, what, text in found]


def _always(words: Words) -> list[tuple[str, str, str]]:
    return [
        (
            "looking",
            "We are looking into it",
            "thank you for writing. We are looking into it and write to you again as soon as we know more.",
        ),
        (
            "more",
            "Please tell us more",
            "thank you for writing. So that we find the right payment, please tell us when you paid, how much, and "
            f"{words.number_shown}.",
        ),
        ("done", "It is settled", "this is settled now. If anything is still not as it should be, please write again."),
    ]


def _of_booking(booking: Booking, now: datetime) -> list[tuple[str, str, str]]:
    slot = booking.slot
    zone = slot.zone if slot else "UTC"
    found = [
        (
            "refund-on-its-way",
            f"The refund of {refund.amount.shown} is on its way",
            f"your refund of {refund.amount.shown} is on its way to {rails.of(booking.rail_of(refund)).back_to}. "
            f"{said(refund_time(booking.rail_of(refund)))} You need not do anything.",
        )
        for refund in booking.refunds
        if refund.is_under_way and refund.amount
    ][-1:]
    found += [
        (
            "refund-done",
            f"The refund of {refund.amount.shown} has gone back",
            f"{refund.amount.shown} went back to you"
            + (f" on {moment_in_words(refund.done_at, zone)}" if refund.done_at else "")
            + (f". {rails.of(booking.rail_of(refund)).refund_found}" if not refund.is_by_hand else "."),
        )
        for refund in booking.refunds
        if refund.is_gone and refund.reserves and refund.amount
    ][-1:]
    if slot and booking.state is State.CONFIRMED:
        found.append(
            (
                "confirmed",
                "Paid and confirmed",
                f"your payment of {received_of(booking).shown} has arrived, and your call is confirmed: "
                f"{in_words(slot.span, zone)}.",
            )
        )
    if customer_actions.may_move(booking, now):
        found.append(
            (
                "move",
                "How to move the call",
                "you can move your call yourself, as long as your booking’s page offers it: press “Move this call” "
                "there and choose another time. It costs nothing.",
            )
        )
    if customer_actions.may_choose(booking, now) and booking.choose_by:
        found.append(
            (
                "choose",
                "Another time, or the money",
                f"your payment of {kept_of(booking).shown} has arrived, but your time was no longer free. On your "
                "booking’s page you can choose another time, or take your money back, until "
                f"{moment_in_words(booking.choose_by, zone)}. Without a choice all of it "
                f"{rails.of(booking.paid_by).goes_back}.",
            )
        )
    if payment_of(booking) is Payment.NONE and booking.state is not State.DRAFT:
        words = rails.of(booking.rail)
        text = f"we asked {words.asked}, and no payment for this booking has arrived there."
        if may_still_pay(booking, now):
            text += " Your time is still held: your booking’s page shows how to pay."
        else:
            text += f" If you did pay, please tell us {words.number_shown}."
        found.append(("nothing-paid", "No payment has arrived", text))
    return found
