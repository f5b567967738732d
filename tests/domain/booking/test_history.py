"""What the owner reads about a booking, word for word, and what somebody reads who may not do a thing."""

from dataclasses import replace
from datetime import timedelta

import pytest

from inspired.adapters.mongo.spellings import event_out
from inspired.domain.booking import customer_actions, payment_orders, refunds
from inspired.domain.booking.booking import RefundRequest
from inspired.domain.booking.lifecycle import SlotSeen
from inspired.domain.booking.refunds import Outcome
from inspired.domain.booking.states import RefundStatus, Remote
from inspired.domain.shared.errors import Conflict
from inspired.domain.shared.money import Money
from tests.domain.booking.test_refunds import LATER, TEN, choosing, found, heard, refused, sent, with_refund
from tests.factories import (
    MINUTE,
    NOW,
    a_booking,
    a_confirmed_booking,
    a_draft,
    a_live_booking,
    a_returned,
    an_expired_booking,
    seen,
    settled,
    told,
)

LATE = NOW + 20 * MINUTE
HELD = [(0, "started", ""), (0, "held", ""), (0, "order_created", "order 1")]
ARRIVED = [*HELD, (60, "money", "75 USDT, by our query, order 1"), (60, "paid", "")]
CALL = [*ARRIVED, (60, "confirmed", "")]
ASKED = [*CALL, (120, "refund_requested", "10 USDT, owner")]


def choosing_late():
    return settled(an_expired_booking(), seen(Remote.PAID, "75", at=LATE), slot=SlotSeen.LOST, now=LATE)


def stuck():
    return refused(with_refund(), with_refund().refunds[0])


def never_created():
    called = payment_orders.creating(a_booking(), NOW)
    return payment_orders.create_failed(
        called, called.order.trade_no, uncertain=True, retryable=False, most_tries=3, now=LATER, why="time-out"
    )


def rejected():
    return heard(sent(with_refund()), told(with_refund().refunds[0], Outcome.FAILED, at=LATER))


HISTORIES = {
    "unpaid": (
        an_expired_booking,
        [*HELD, (1020, "order_closed", "order 1 is EXPIRED"), (1020, "expired", "")],
    ),
    "given up": (
        lambda: settled(customer_actions.give_up(a_live_booking(), LATER), seen(Remote.CANCELED, at=LATER), now=LATER),
        [*HELD, (120, "given_up", ""), (120, "order_closed", "order 1 is CANCELED"), (120, "cancelled", "")],
    ),
    "cancelled": (
        lambda: a_returned(customer_actions.cancel(a_confirmed_booking(), Money.parse("75"), LATER), LATER),
        [
            *CALL, (120, "refund_requested", "75 USDT, cancelled"), (120, "cancelled", ""),
            (120, "refund_done", "75 USDT"), (120, "refunded", ""),
        ],
    ),
    "another time": (
        lambda: customer_actions.another_time(choosing_late(), choosing_late().slot, LATE),
        [
            *HELD, (1020, "order_closed", "order 1 is EXPIRED"), (1020, "expired", ""),
            (1200, "money", "75 USDT, by our query, order 1"), (1200, "choice_offered", ""),
            (1200, "time_changed", ""), (1200, "paid", ""), (1200, "confirmed", ""),
        ],
    ),
    "money back": (
        lambda: customer_actions.money_back(choosing(), LATER),
        [
            *ARRIVED, (60, "choice_offered", ""), (120, "money_back_chosen", ""),
            (120, "refund_requested", "75 USDT, money_back"), (120, "cancelled", ""),
        ],
    ),
    "stuck and tried again": (
        lambda: refunds.tried_again(stuck(), stuck().refunds[0].id, LATER + MINUTE),
        [*ASKED, (120, "refund_stuck", "no"), (180, "refund_again", "10 USDT")],
    ),
    "rejected and tried again": (
        lambda: refunds.tried_again(rejected(), rejected().refunds[0].id, LATER + MINUTE),
        [
            *ASKED, (120, "refund_sent", "10 USDT"), (120, "refund_rejected", "by Binance"),
            (180, "refund_again", "10 USDT"),
        ],
    ),
    "settled by hand": (
        lambda: refunds.settled_by_hand(stuck(), stuck().refunds[0].id, TEN, "", LATER + MINUTE),
        [*ASKED, (120, "refund_stuck", "no"), (180, "refund_by_hand", "10 USDT")],
    ),
    "by the console": (
        lambda: heard(a_confirmed_booking(), found("10")),
        [*CALL, (120, "refund_found", "10 USDT, order 1")],
    ),
    "a draft given up": (
        lambda: customer_actions.give_up(a_draft(), LATER),
        [(0, "started", ""), (120, "cancelled", "")],
    ),
    "an order that could not be created, and the button": (
        lambda: payment_orders.try_again(settled(never_created(), seen(None, at=LATER), now=LATER), LATER),
        [(0, "started", ""), (0, "held", ""), (120, "create_failed", "order 1: time-out")],
    ),
    "a closed order, and the button": (
        lambda: payment_orders.try_again(settled(a_live_booking(), seen(Remote.ERROR)), LATER),
        [*HELD, (60, "order_closed", "order 1 is ERROR"), (120, "new_order", "order 2")],
    ),
    "closed is closed however often it is told": (
        lambda: settled(a_live_booking(), seen(Remote.ERROR), seen(Remote.CANCELED, at=LATER)),
        [*HELD, (60, "order_closed", "order 1 is ERROR")],
    ),
    "open is not closed": (
        lambda: settled(a_live_booking(), seen(Remote.INITIAL), seen(Remote.PENDING, at=LATER)),
        HELD,
    ),
    "money by notice, and proven": (
        lambda: settled(a_live_booking(), seen(Remote.PAID, "75", by_query=False), seen(Remote.PAID, "75", at=LATER)),
        [*HELD, (60, "money", "75 USDT, by a signed notice, order 1"), (60, "paid", ""), (60, "confirmed", "")],
    ),
    "money by notice, and denied however often it is asked": (
        lambda: settled(
            settled(a_live_booking(), seen(Remote.PAID, "75", by_query=False)),
            seen(Remote.EXPIRED, at=LATER), seen(Remote.EXPIRED, at=LATER + MINUTE), now=LATER + MINUTE,
        ),
        [
            *HELD, (60, "money", "75 USDT, by a signed notice, order 1"), (60, "paid", ""),
            (120, "denied", "order 1 is EXPIRED"),
        ],
    ),
    "unreadable": (
        lambda: settled(a_live_booking(), seen(Remote.PAID)),
        [*HELD, (60, "money", "an unreadable amount, by our query, order 1")],
    ),
    "another time for a lost one": (
        lambda: customer_actions.another_time(choosing(), choosing().slot, LATER),
        [*ARRIVED, (60, "choice_offered", ""), (120, "time_changed", ""), (120, "confirmed", "")],
    ),
    "a part of unknown amount by the console": (
        lambda: settled(a_confirmed_booking(), seen(Remote.REFUNDED, "75", at=LATER), now=LATER),
        [*CALL, (120, "refund_found", "an amount Binance does not tell, order 1")],
    ),
    "moved": (
        lambda: customer_actions.change_time(a_live_booking(), a_live_booking().slot, LATER),
        [*HELD, (120, "time_changed", "")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HISTORIES)
def test_the_history_tells_each_thing_once_at_its_time(name):
    make, wanted = HISTORIES[name]

    stored = [event_out(event) for event in make().history]

    assert [(round((one["at"] - NOW).total_seconds()), one["what"], one["detail"]) for one in stored] == wanted


def test_a_rejected_refund_that_is_tried_again_begins_anew_under_another_id():
    old = rejected().refunds[0]

    before, after = refunds.tried_again(rejected(), old.id, LATER + MINUTE).refunds

    assert before == replace(old, replaced_by=after.id)
    assert after == replace(
        old, id=f"{'b' * 24}001R02", requested_at=LATER + MINUTE, status=RefundStatus.REQUESTED, tries=0,
        retry_at=LATER + MINUTE, sent_at=None, done_at=None, obstacle=None,
    )  # fmt: skip


def test_whoever_chooses_another_time_is_a_customer_like_any_other_again():
    after = customer_actions.another_time(choosing_late(), choosing_late().slot, LATE)

    assert (after.choose_by, after.ended_at, after.cancel_requested, after.paid_at) == (None, None, False, LATE)


REFUSALS = {
    "This booking can no longer be cancelled here.": lambda: customer_actions.give_up(a_confirmed_booking(), LATER),
    "There is no time to be chosen for this booking any more.": lambda: customer_actions.another_time(
        a_confirmed_booking(), a_confirmed_booking().slot, LATER
    ),
    "This refund cannot be tried again.": lambda: refunds.tried_again(
        with_refund(), with_refund().refunds[0].id, LATER
    ),
    "This refund is not waiting for you.": lambda: refunds.settled_by_hand(
        with_refund(), with_refund().refunds[0].id, TEN, "", LATER
    ),
    "The time can be changed only while the booking waits for its payment.": lambda: customer_actions.change_time(
        a_confirmed_booking(), a_confirmed_booking().slot, LATER
    ),
    "This was decided already.": lambda: customer_actions.money_back(a_confirmed_booking(), LATER),
    "This call can no longer be cancelled here.": lambda: customer_actions.cancel(
        a_live_booking(), Money.parse("75"), LATER
    ),
    "Meanwhile the refund for cancelling has become 75 USDT. Please look again.": lambda: customer_actions.cancel(
        a_confirmed_booking(), TEN, LATER
    ),
    "Meanwhile another refund was made for this booking. Please look again.": lambda: refunds.refuse_unseen(
        with_refund(), 2
    ),
    "This Idempotency-Key was used for another refund.": lambda: customer_actions.refund_all(
        customer_actions.refund_part(
            a_confirmed_booking(), TEN, LATER, cancels=False, request=RefundRequest("r1", "10")
        ),
        LATER,
        cancels=False,
        request=RefundRequest("r1", "75"),
    ),
    "Before a call is confirmed its money goes back as a whole.": lambda: customer_actions.refund_part(
        choosing(), TEN, LATER, cancels=False
    ),
    "There is nothing left to refund.": lambda: customer_actions.refund_part(
        a_live_booking(), TEN, LATER, cancels=False
    ),
    "That time was given back already. Please choose another one.": lambda: customer_actions.refuse_given_back(
        customer_actions.event_unwanted(choosing(), "http://calendly/9", LATER),
        replace(choosing().slot, event_uri="http://calendly/9"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", REFUSALS)
def test_who_may_not_do_a_thing_is_told_why(sentence):
    with pytest.raises(Conflict) as refusal:
        REFUSALS[sentence]()

    assert str(refusal.value) == sentence


def test_the_end_of_what_was_never_paid_stands_in_the_booking():
    gone = customer_actions.give_up(a_live_booking(orders=()), LATER)
    unsent = customer_actions.give_up(replace(a_live_booking(), orders=()), LATER + timedelta(seconds=1))

    assert (gone.cancel_requested, gone.check_at) == (True, LATER)
    assert unsent.check_at == LATER + timedelta(seconds=1)
