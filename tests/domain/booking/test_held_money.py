"""Money on chain that waits for the owner: it decides nothing by itself, and counts like any other once it may."""

from dataclasses import replace

import pytest

from inspired.domain.booking import lifecycle, payment_orders
from inspired.domain.booking.attention import Matter, matters
from inspired.domain.booking.balance import Payment, payment_of
from inspired.domain.booking.booking import Booking, Checkout
from inspired.domain.booking.history import EventKind
from inspired.domain.booking.lifecycle import SlotSeen
from inspired.domain.booking.outbox import AlertKind, AlertOwner, Email, SendEmail
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.states import Flag, Held, Remote, State
from inspired.domain.shared.errors import Conflict
from tests.factories import MINUTE, NOW, a_live_booking, seen

TRANSFER = "TRC20:0xaa:1"
ADDRESS = Checkout("T1", "T1", "", "", "")


def waiting_for_payment() -> Booking:
    booking = a_live_booking()
    order = replace(booking.orders[0], rail=RailId.TRC20, checkout=ADDRESS)
    return replace(booking, orders=(order,), pays_by=RailId.TRC20)


def held(amount: str = "75", booking: Booking | None = None) -> Booking:
    """So much reached its address, for good, and waits for the owner."""
    found = booking or waiting_for_payment()
    found = payment_orders.held_back(
        found, RailId.TRC20, found.orders[0], NOW, why=Held.EARLIER_HOLDER, transfer=TRANSFER
    )
    told = replace(seen(Remote.PAID, amount), trade_no=found.orders[-1].trade_no)
    return lifecycle.settle(found, [told], SlotSeen.SECURED, NOW)


def paid(booking: Booking) -> Booking:
    return lifecycle.settle(booking, [seen(Remote.PAID, "75", at=NOW + MINUTE)], SlotSeen.SECURED, NOW + MINUTE)


def over(booking: Booking) -> Booking:
    assert booking.deadline is not None
    at = booking.deadline + MINUTE
    return lifecycle.settle(booking, [seen(Remote.EXPIRED, None, at=at)], SlotSeen.UNKNOWN, at)


@pytest.mark.parametrize("amount", ["75", "74", "100"])
def test_it_confirms_nothing_and_is_promised_back_to_nobody(amount: str):
    after = held(amount)

    assert (after.state, after.refunds, payment_of(after)) == (State.PENDING, (), Payment.NONE)


def test_the_owner_is_told_and_it_needs_the_owner():
    after = held()

    assert after.is_owing(AlertOwner(AlertKind.HELD, after.orders[-1].trade_no))
    assert Flag.NEEDS_OWNER in after.flags
    assert matters(after) == (Matter.HELD,)
    assert after.history[-2].kind is EventKind.HELD_BACK or EventKind.HELD_BACK in [one.kind for one in after.history]


def test_meanwhile_the_customer_pays_as_if_it_were_not_there():
    after = paid(held("70"))

    assert after.state is State.CONFIRMED
    assert (after.refunds, after.agreed_amount) == ((), None)
    assert Flag.NEEDS_OWNER in after.flags, "and it still waits"


def test_it_is_in_the_books_as_neither_earned_nor_returned():
    entry = held("70").ledger[-1]

    assert [(line.account, str(line.money)) for line in entry.lines] == [("trc20", "70"), ("suspense", "-70")]


def test_while_they_wait_neither_is_told_that_a_payment_is_odd_for_it_may_be_somebody_elses():
    assert not held().has_owed(SendEmail(Email.PROBLEM))


def test_after_the_end_the_customer_is_told_that_something_came_and_not_that_nothing_did():
    after = over(held("70"))

    assert after.state is State.EXPIRED
    assert after.is_owing(SendEmail(Email.PROBLEM))
    assert not after.has_owed(SendEmail(Email.EXPIRED))
    assert after.refunds == ()


def test_on_the_owners_word_it_counts_like_any_other_payment():
    after = held()

    counted = payment_orders.let_count(after, after.orders[-1].trade_no, NOW + MINUTE)

    assert (counted.state, payment_of(counted)) == (State.PAID, Payment.EXACT)
    assert Flag.NEEDS_OWNER not in counted.flags
    assert counted.history[-2].kind is EventKind.LET_COUNT


def test_on_the_owners_word_too_little_goes_back_after_the_end():
    after = over(held("70"))

    counted = payment_orders.let_count(after, after.orders[-1].trade_no, NOW + 60 * MINUTE)

    assert [str(one.amount) for one in counted.refunds] == ["70"]


def test_what_has_been_let_count_cannot_be_let_count_again_and_nothing_else_can():
    after = held()
    counted = payment_orders.let_count(after, after.orders[-1].trade_no, NOW)

    for booking, trade_no in ((counted, counted.orders[-1].trade_no), (after, after.orders[0].trade_no), (after, "x")):
        with pytest.raises(Conflict):
            payment_orders.let_count(booking, trade_no, NOW)


def test_a_transfer_is_held_back_once_and_not_without_end():
    booking = held()
    again = payment_orders.held_back(booking, RailId.TRC20, booking.orders[0], NOW, Held.EARLIER_HOLDER, TRANSFER)
    assert again == booking

    for number in range(payment_orders.MOST_HELD + 5):
        booking = payment_orders.held_back(
            booking, RailId.TRC20, booking.orders[0], NOW, Held.EARLIER_HOLDER, f"TRC20:0xbb:{number}"
        )

    assert len([one for one in booking.orders if one.held]) == payment_orders.MOST_HELD


def test_money_on_another_network_beside_it_is_an_order_of_its_own():
    booking = held()

    found = payment_orders.found_on(booking, RailId.TRC20, booking.orders[0], NOW)

    assert len(found.orders) == len(booking.orders) + 1
    assert payment_orders.found_beside(found, booking.orders[0], RailId.TRC20) == [found.orders[-1]]
