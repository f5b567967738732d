"""Every state has its one sentence and its list of what happens next, in words a person can act on."""

from dataclasses import replace
from datetime import timedelta

import pytest

from inspired.domain.booking import customer_actions, lifecycle, owner_actions, payment_orders, refunds
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.history import EventKind, Obstacle, ObstacleKind
from inspired.domain.booking.lifecycle import SlotSeen
from inspired.domain.booking.states import CalendarKind, Cause, HandKind, RefundStatus, Remote, State
from inspired.domain.sentences.explanation import next_up, why
from inspired.domain.shared.money import Money
from tests.domain.booking.test_owner_actions import closed, done, word
from tests.factories import (
    CALL,
    MINUTE,
    NOW,
    a_booking,
    a_confirmed_booking,
    a_draft,
    a_live_booking,
    a_returned,
    an_expired_booking,
    an_item,
    seen,
    settled,
    topping_up,
)

LATER = NOW + 5 * MINUTE
LATE = NOW + timedelta(minutes=20)
TEN = Money.parse("10")


def stuck(said: str = "Too little balance.") -> Booking:
    obstacle = Obstacle(ObstacleKind.PROVIDER, said=said) if said else None
    booking = customer_actions.refund_part(a_confirmed_booking(), TEN, LATER, cancels=False)
    (refund,) = booking.refunds
    return booking.with_refund(replace(refund, status=RefundStatus.NEEDS_OWNER, retry_at=None, obstacle=obstacle))


def found_without_amount() -> Booking:
    booking = customer_actions.refund_part(a_confirmed_booking(), TEN, LATER, cancels=False)
    (refund,) = booking.refunds
    return booking.with_refund(replace(refund, status=RefundStatus.EXTERNAL, cause=Cause.CONSOLE, amount=None))


def not_created() -> Booking:
    booking = a_booking()
    for _ in range(3):
        at = booking.order.retry_at if booking.order and booking.order.retry_at else NOW
        booking = payment_orders.creating(booking, at)
        booking = payment_orders.create_failed(
            booking, booking.orders[0].trade_no, uncertain=False, retryable=True, most_tries=3, now=at, why="500"
        )
    return booking


def cancelled_by_customer() -> Booking:
    booking = a_confirmed_booking()
    return customer_actions.cancel(booking, customer_actions.goes_back(booking, LATER), LATER)


def lost() -> Booking:
    return settled(a_live_booking(), seen(Remote.PAID, "75"), slot=SlotSeen.LOST)


def paid_late(slot: SlotSeen) -> Booking:
    return settled(an_expired_booking(), seen(Remote.PAID, "75", at=LATE), slot=slot, now=LATE)


def console() -> Booking:
    """Paid, and all of it left by Binance's console before the calendar had answered."""
    paid = settled(a_live_booking(), seen(Remote.PAID, "75"), slot=SlotSeen.UNKNOWN)
    return settled(paid, seen(Remote.FULL_REFUNDED, "75", at=LATER), slot=SlotSeen.UNKNOWN, now=LATER)


def left_after_confirming() -> Booking:
    return settled(a_confirmed_booking(), seen(Remote.FULL_REFUNDED, "75", at=LATER), now=LATER)


def not_chosen(booking: Booking) -> Booking:
    assert booking.choose_by is not None
    return lifecycle.decided(booking, SlotSeen.UNKNOWN, booking.choose_by)


PAID = a_live_booking(state=State.PAID)
CASES = {
    "draft": (a_draft(), "not picked a time yet"),
    "held": (a_live_booking(), "nothing was paid yet, payable until 24 November 2026, 10:15 (UTC)"),
    "no order": (not_created(), "Binance Pay did not make the order"),
    "leaving": (customer_actions.give_up(a_live_booking(), NOW), "The customer gave it up, and it ends as soon as"),
    "left by the owner": (owner_actions.call_off(a_live_booking(), NOW), "You cancelled it, and it ends as soon as"),
    "short": (settled(topping_up(a_live_booking()), seen(Remote.PAID, "50")), "25 USDT is missing"),
    "another currency": (settled(a_live_booking(), seen(Remote.PAID, "75", currency="BNB")), "waits for you"),
    "notified": (settled(a_live_booking(), seen(Remote.PAID, "75", by_query=False)), "still to come"),
    "another amount notified": (
        settled(a_live_booking(), seen(Remote.PAID, "74", by_query=False)),
        "A notice tells of a payment",
    ),
    "calendar silent": (
        settled(a_live_booking(), seen(Remote.PAID, "75"), slot=SlotSeen.UNKNOWN),
        "the calendar has not said yet",
    ),
    "lost": (lost(), "its time is gone: the customer chooses until"),
    "money leaving": (
        refunds.all_of_it(
            settled(a_live_booking(), seen(Remote.PAID, "75"), slot=SlotSeen.UNKNOWN), Cause.OWNER, LATER
        ),
        "on the way back",
    ),
    "confirmed": (a_confirmed_booking(), "75 USDT paid, and the time is secured"),
    "confirmed by hand": (owner_actions.confirmed_by_hand(closed(), word(), LATER), "75 USDT came by another way"),
    "a gift": (owner_actions.confirmed_by_hand(closed(), word(HandKind.GIFT), LATER), "without its price being paid"),
    "time vouched for": (
        owner_actions.confirmed_by_hand(
            settled(a_live_booking(), seen(Remote.PAID, "75"), slot=SlotSeen.UNKNOWN), word(HandKind.TIME), LATER
        ),
        "you vouched for the time",
    ),
    "money left": (left_after_confirming(), "money left by another way than this site: 0 USDT is here"),
    "stuck": (stuck(), "10 USDT should go back and cannot without you: Too little balance."),
    "stuck without a word": (stuck(""), "cannot without you."),
    "unknown amount": (found_without_amount(), "nobody knows how much"),
    "expired": (an_expired_booking(), "Nothing was paid until 24 November 2026, 10:15"),
    "expired without an order": (
        settled(not_created(), seen(None, at=LATE), now=LATE),
        "Nobody could pay: Binance Pay had not made the order",
    ),
    "late": (paid_late(SlotSeen.UNKNOWN), "it is being looked whether the time is still free"),
    "late and taken": (paid_late(SlotSeen.LOST), "the time was taken: the customer chooses until"),
    "given up": (settled(customer_actions.give_up(a_booking(), LATER), now=LATER), "The customer gave it up before"),
    "given up by the owner": (
        settled(owner_actions.call_off(a_booking(), LATER), now=LATER),
        "You cancelled it before",
    ),
    "cancelled in Calendly": (
        customer_actions.give_up(a_draft(), NOW).noted(NOW, EventKind.CANCELLED_IN_CALENDAR),
        "Its event was cancelled in Calendly before",
    ),
    "ended": (customer_actions.give_up(a_draft(), NOW), "It ended before anything was paid."),
    "cancelled": (cancelled_by_customer(), "The customer cancelled the confirmed call, and all of it goes back."),
    "cancelled and gone": (a_returned(cancelled_by_customer(), LATER), "and all of it has gone back."),
    "cancelled in part": (
        customer_actions.refund_part(a_confirmed_booking(), TEN, LATER, cancels=True),
        "You cancelled the confirmed call, and 10 USDT of 75 USDT goes back.",
    ),
    "called off": (
        owner_actions.call_off(a_confirmed_booking(), LATER),
        "You cancelled the confirmed call, and nothing",
    ),
    "a gift called off": (
        owner_actions.call_off(owner_actions.confirmed_by_hand(closed(), word(HandKind.GIFT), LATER), LATER),
        "You cancelled the confirmed call.",
    ),
    "ended when its money left": (
        replace(owner_actions.call_off(a_confirmed_booking(), LATER), outbox=()),
        "ended when its money left",
    ),
    "not chosen": (not_chosen(paid_late(SlotSeen.LOST)), "since no other time was chosen after its own was gone"),
    "console": (console(), "since the money was returned in Binance’s console, and all of it has gone back."),
}


@pytest.mark.parametrize("case", CASES)
def test_one_sentence_says_why_it_stands_as_it_does(case: str):
    booking, said = CASES[case]

    told = why(booking, LATER, "UTC")

    assert said in told
    assert told.endswith((".", "below."))


def test_after_the_deadline_it_says_why_the_time_is_still_held():
    assert "until it does, the time stays held" in why(a_live_booking(), LATE, "UTC")


def test_a_booking_that_has_no_end_yet_says_so():
    assert "payable until its end" in why(a_live_booking(expires_at=None), NOW, "UTC")


def texts(booking: Booking, now=LATER) -> list[str]:
    found = next_up(booking, now)
    times = [one.at for one in found if one.at is not None]
    assert times == sorted(times)
    return [one.text for one in found]


def test_what_is_held_says_when_it_is_asked_about_and_when_it_ends():
    assert texts(a_live_booking()) == [
        "The mail “Your time is held” goes out.",
        "Binance is asked whether it was paid.",
        "The time to pay is over.",
        "If nothing was paid by then, the order is closed and the time is free again.",
    ]
    assert "Binance Pay is asked for the order again." in texts(a_booking())
    assert not [text for text in texts(customer_actions.give_up(a_live_booking(), NOW)) if "The time to pay" in text]
    assert "The time to pay is over." not in texts(a_live_booking(), LATE)
    assert not [text for text in texts(a_booking(orders=())) if text.startswith("Binance")]


def test_a_confirmed_call_says_what_its_customer_can_still_do():
    booking = done(a_confirmed_booking())

    assert texts(booking) == [
        "From then on the customer can no longer move the call.",
        "The call takes place. From then on you can write down who did not come.",
    ]
    assert texts(booking, CALL.start - MINUTE) == [
        "The call takes place. From then on you can write down who did not come."
    ]
    assert texts(booking, CALL.start) == []


def test_money_on_its_way_says_every_step():
    asked = customer_actions.refund_part(a_confirmed_booking(), TEN, LATER, cancels=False)
    (refund,) = asked.refunds
    tried = asked.with_refund(replace(refund, tries=1))
    taken = asked.with_refund(replace(refund, status=RefundStatus.SENT, retry_at=None))

    assert "10 USDT is sent back." in texts(asked)
    assert "10 USDT is sent back (once more)." in texts(tried)
    assert "Binance is asked whether 10 USDT has gone back." in texts(taken)
    assert "You are told if 10 USDT has not gone back by then." in texts(taken)
    assert texts(stuck())[0] == "10 USDT: the refund waits for you."
    assert texts(found_without_amount())[0] == "A refund: the refund waits for you."


def test_one_that_waits_behind_another_or_was_replaced_is_not_announced():
    two = customer_actions.refund_part(
        customer_actions.refund_part(a_confirmed_booking(), TEN, LATER, cancels=False), TEN, LATER, cancels=False
    )
    first, _ = two.refunds
    held_up = two.with_refund(replace(first, status=RefundStatus.SENT, retry_at=None))

    assert "10 USDT is sent back." not in texts(held_up)
    assert not [text for text in texts(two.with_refund(replace(first, replaced_by="x"))) if "(once more)" in text]


def test_choices_and_late_questions_are_told():
    assert "If the customer has not chosen by then, all of the money goes back." in texts(lost())
    assert "Binance is asked once more whether money came late." in texts(replace(an_expired_booking(), outbox=()))
    assert "Calendly is asked whether a time was picked; without one this is dropped." in texts(a_draft())
    calendar_silent = settled(a_live_booking(), seen(Remote.PAID, "75"), slot=SlotSeen.UNKNOWN)
    assert "Binance and the calendar are asked again." in texts(calendar_silent)
    unclear = settled(a_live_booking(), seen(Remote.PAID, "75", currency="BNB"))
    assert "The money that cannot be counted waits for you: return it with “Refund…”." in texts(unclear)
    assert texts(done(replace(an_expired_booking(), orders=()))) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("alert:late", "You are told by mail."),
        ("release_event:x", "The event in Calendly is cancelled."),
        ("tidy_events", "Calendly is looked through for other times picked for this booking."),
        ("follow_event:x", "Calendly is asked what became of the event."),
        ("tell_no_show:3", "Calendly is told whether the customer came."),
    ],
)
def test_everything_owed_is_told_in_words(name: str, said: str):
    assert said in texts(a_booking(outbox=(an_item(name, NOW),), calendar=CalendarKind.BUILTIN))
    assert texts(a_confirmed_booking(outbox=(an_item("post:2", NOW),)), CALL.start) == []


def test_what_did_not_work_says_how_often():
    booking = a_booking(outbox=(an_item("send:held", NOW, 2),))

    assert "The mail “Your time is held” goes out, after 2 tries that did not work." in texts(booking)
    once = a_booking(outbox=(an_item("send:held", NOW, 1),))
    assert "The mail “Your time is held” goes out, after 1 try that did not work." in texts(once)
