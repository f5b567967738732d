"""Creating an order: counted and leased before the call, tried again later and later, replaced once it is closed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from inspired.domain.booking import customer_actions, payment_orders
from inspired.domain.booking.booking import Booking, PaymentOrder
from inspired.domain.booking.states import Remote, State
from inspired.domain.shared.money import Money
from tests.factories import CHECKOUT, EXPIRY, MINUTE, NOW, SECOND, a_booking, a_live_booking, an_item, seen, settled

ORDER = f"{'b' * 24}001"
LATER = NOW + MINUTE
HELD = PaymentOrder(1, ORDER, NOW, Money.parse("75"), retry_at=NOW)


def failed(booking: Booking, *, most: int = 3, retryable: bool = True, uncertain: bool = False) -> Booking:
    return payment_orders.create_failed(
        booking, ORDER, uncertain=uncertain, retryable=retryable, most_tries=most, now=LATER, why="time-out"
    )


def with_tries(tries: int, **changes) -> Booking:
    booking = a_booking()
    return booking.with_order(replace(booking.orders[0], tries=tries, retry_at=LATER, **changes))


def lost(tries: int = 1, **changes) -> Booking:
    """Its order was created, how to pay it was in an answer that got lost, and it was closed since."""
    return replace(with_tries(tries, status=Remote.CANCELED), **changes)


def test_what_stands_in_an_order_from_the_first_call_to_its_answer():
    held = a_booking()
    creating = payment_orders.creating(held, NOW)
    created = payment_orders.created(creating, ORDER, CHECKOUT, LATER)

    called = replace(HELD, tries=1, retry_at=NOW + 15 * SECOND, uncertain=True, expires_at=NOW + EXPIRY)
    assert held.orders == (HELD,)
    assert creating.orders == (called,)
    assert created.orders == (
        replace(
            called, retry_at=None, uncertain=False, status=Remote.INITIAL, seen_at=LATER, checkout=CHECKOUT,
            prepay_id=CHECKOUT.prepay_id,
        ),
    )  # fmt: skip


def test_the_answer_of_create_does_not_undo_what_a_question_has_told_meanwhile():
    asked = settled(payment_orders.creating(a_booking(), NOW), seen(Remote.PENDING))

    assert payment_orders.created(asked, ORDER, CHECKOUT, LATER).order.status is Remote.PENDING


@pytest.mark.parametrize(("tries", "pause"), [(1, 2), (2, 4), (3, 8), (4, 16)])
def test_the_pauses_between_calls_of_create_double(tries, pause):
    after = failed(with_tries(tries), most=5, uncertain=True)

    assert after.orders == (replace(HELD, tries=tries, retry_at=LATER + pause * SECOND, uncertain=True),)
    assert after.outbox == a_booking().outbox


@pytest.mark.parametrize(("tries", "retryable"), [(3, True), (4, True), (1, False)])
def test_the_last_call_and_one_that_is_no_use_to_repeat_are_told_to_the_owner(tries, retryable):
    after = failed(with_tries(tries), retryable=retryable)

    assert after.orders == (replace(HELD, tries=tries, retry_at=None),)
    assert after.outbox == (*a_booking().outbox, an_item("alert:create_failed", LATER))


def test_an_order_is_created_from_its_moment_on_until_the_last_moment_to_pay():
    held = with_tries(0)
    end = NOW + EXPIRY

    may = [payment_orders.may_create(held, at) for at in (LATER - SECOND, LATER, end - SECOND, end)]

    assert may == [False, True, True, False]


@pytest.mark.parametrize(
    "booking",
    [
        a_live_booking(),
        replace(a_booking(), orders=()),
        customer_actions.give_up(a_booking(), NOW),
        with_tries(1, uncertain=True),
        with_tries(1, status=Remote.INITIAL),
        a_booking().with_order(replace(HELD, retry_at=None)),
    ],
    ids=["created", "none", "given up", "not known whether it is there", "there already", "tries used up"],
)
def test_no_order_is_created_that_may_be_there_or_that_nobody_wants(booking):
    assert not payment_orders.may_create(booking, LATER)
    assert payment_orders.creating(booking, LATER) == booking


def test_a_closed_order_whose_checkout_was_lost_is_replaced_and_the_tries_go_on_counting():
    after = payment_orders.lost_checkout(lost(), ORDER, most_tries=2, now=LATER)

    assert after.orders[1:] == (PaymentOrder(2, f"{'b' * 24}002", LATER, Money.parse("75"), tries=1, retry_at=LATER),)


@pytest.mark.parametrize(
    "booking",
    [
        lost(2),
        lost(3),
        lost(cancel_requested=True),
        lost(expires_at=LATER),
        lost(state=State.EXPIRED),
        with_tries(1, status=Remote.INITIAL),
        with_tries(1, status=Remote.CANCELED, checkout=CHECKOUT),
        replace(a_booking(), orders=()),
    ],
    ids=[
        "tries used up",
        "more than used up",
        "given up",
        "over",
        "ended by another's clock",
        "still open",
        "not lost",
        "another's",
    ],
)
def test_an_order_is_not_replaced_where_another_could_not_or_must_not_be_paid(booking):
    assert payment_orders.lost_checkout(booking, ORDER, most_tries=2, now=LATER) == booking


def test_the_button_begins_a_new_round_of_the_same_order_or_a_new_order_once_the_old_one_is_closed():
    stuck = with_tries(3).with_order(replace(HELD, tries=3, retry_at=None, uncertain=True))
    closed = settled(a_live_booking(), seen(Remote.CANCELED))

    same, new = payment_orders.try_again(stuck, LATER), payment_orders.try_again(closed, LATER)

    assert same.orders == (replace(HELD, tries=0, retry_at=LATER, uncertain=True),)
    assert new.orders == (
        *closed.orders,
        PaymentOrder(2, f"{'b' * 24}002", LATER, Money.parse("75"), tries=0, retry_at=LATER),
    )


def test_the_button_is_there_until_the_last_moment_to_pay():
    stuck = a_booking().with_order(replace(HELD, retry_at=None))
    end = NOW + EXPIRY

    assert [payment_orders.may_try_again(stuck, at) for at in (end - timedelta(microseconds=1), end)] == [True, False]
    assert payment_orders.try_again(stuck, end) == stuck


@pytest.mark.parametrize(
    "booking",
    [a_booking(), a_live_booking(), customer_actions.give_up(lost(), NOW), replace(a_booking(), orders=())],
    ids=["about to be created", "payable", "given up", "none"],
)
def test_there_is_no_button_beside_an_order_that_is_payable_or_about_to_be(booking):
    assert not payment_orders.may_try_again(booking, LATER)
