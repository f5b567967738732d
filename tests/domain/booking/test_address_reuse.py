"""Addresses given out again: only once nobody can mean them any more, and then only money that can be nobody else's."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from inspired.domain.booking import address_reuse
from inspired.domain.booking.address_reuse import Handover, Rest, Tenancy, counted, rest_of
from inspired.domain.booking.booking import Booking, Checkout, PaymentOrder, Refund
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.states import Cause, Held, RefundStatus, Remote, State
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Network, Transfer, units_of
from tests.factories import MINUTE, NOW, a_booking, a_confirmed_booking

TRON, ETHEREUM, BNB_CHAIN = Network.TRC20, Network.ERC20, Network.BEP20
PRICE = units_of(TRON, Money.parse("75"))
CHECKOUT = Checkout("T1", "T1", "", "", "")
GIVEN = Handover(TRON, 100, NOW)
OURS = Tenancy(TRON, since=GIVEN, until=None, pays=PRICE, pays_until=NOW + 30 * MINUTE)


def sent(
    amount: str = "75", *, block: int = 101, at: datetime = NOW + MINUTE, network: Network = TRON
) -> tuple[Transfer, datetime]:
    units = units_of(network, Money.parse(amount))
    log = f"{block}{at:%M%S}{amount}"
    return Transfer(network, block, f"0xb{log}", at, f"0xt{log}", 0, "0xfrom", "0xto", units), at


def counting(*transfers: tuple[Transfer, datetime]) -> list[Transfer]:
    times = {one.block_hash: at for one, at in transfers}
    return counted([one for one, _ in transfers], OURS, times)


# --- which money counts ---------------------------------------------------------------------------------------------


def test_exactly_the_amount_in_the_time_to_pay_counts():
    payment = sent()

    assert counting(payment) == [payment[0]]


@pytest.mark.parametrize("amount", ["74.999999", "75.000001", "37.5", "150"])
def test_no_other_amount_counts_by_itself(amount: str):
    assert counting(sent(amount)) == []


def test_two_halves_are_no_payment_for_they_may_be_two_peoples():
    assert counting(sent("37.5"), sent("37.5", block=102)) == []


@pytest.mark.parametrize("late", [timedelta(seconds=61), timedelta(days=1)])
def test_after_the_time_to_pay_nothing_counts_by_itself(late: timedelta):
    assert counting(sent(at=OURS.pays_until + late)) == []


def test_up_to_a_minute_after_the_time_to_pay_it_counts_since_the_order_is_not_closed_before():
    assert len(counting(sent(at=OURS.pays_until + timedelta(seconds=60)))) == 1


def test_before_the_address_was_given_nothing_counts_whatever_its_block_says():
    assert counting(sent(at=NOW - timedelta(seconds=1))) == []


def test_the_payment_counts_once_and_what_else_comes_does_not():
    first, second = sent(), sent(block=102)

    assert counting(first, second) == [first[0]]


def test_dust_counts_beside_the_payment_so_that_nobody_is_told_of_it():
    payment, dust = sent(block=102), sent("0.009999")

    assert counting(dust, payment) == [dust[0], payment[0]]
    assert counting(dust) == [dust[0]]


def test_the_same_number_of_units_on_another_network_is_no_payment():
    there = replace(sent()[0], network=ETHEREUM)

    assert counted([there], OURS, {there.block_hash: NOW + MINUTE}) == []


# --- whose time it is -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("block", "is_later"), [(99, False), (100, False), (101, True)])
def test_on_its_own_network_the_block_tells_whose_a_transfer_is(block: int, is_later: bool):
    transfer, at = sent(block=block, at=NOW)
    before = Tenancy(TRON, since=None, until=GIVEN, pays=PRICE, pays_until=NOW)

    assert (before.has(transfer, at), OURS.has(transfer, at)) == (not is_later, is_later)


@pytest.mark.parametrize(("seconds", "is_later"), [(-1, False), (0, True), (1, True)])
def test_on_the_other_network_of_the_kind_the_blocks_time_tells(seconds: int, is_later: bool):
    given = Handover(ETHEREUM, 100, NOW)
    transfer, at = sent(network=BNB_CHAIN, block=7_000_000, at=NOW + timedelta(seconds=seconds))
    before, after = (Tenancy(ETHEREUM, *time, pays=PRICE, pays_until=NOW) for time in ((None, given), (given, None)))

    assert (before.has(transfer, at), after.has(transfer, at)) == (not is_later, is_later)


# --- when it may be given out again ---------------------------------------------------------------------------------


def an_order(**more: Any) -> PaymentOrder:
    order = a_confirmed_booking().orders[0]
    paid = {"status": Remote.PAID, "proven": True, "received": order.amount, "checkout": CHECKOUT}
    return replace(order, rail=RailId.TRC20, **{**paid, **more})


def over(booking: Booking | None = None, **more: Any) -> Booking:
    """A call that took place long ago; nothing of it is left to do."""
    found = booking or a_confirmed_booking()
    done = {"outbox": (), "check_at": None, "orders": (an_order(),), **more}
    return replace(found, **done)


def long_after(booking: Booking) -> datetime:
    assert booking.slot is not None
    return booking.slot.span.end + timedelta(days=100)


def rest(booking: Booking, now: datetime | None = None) -> Rest:
    return rest_of([booking], [booking.orders[0].trade_no], now or long_after(booking))


def test_the_address_of_a_call_that_took_place_and_was_paid_may_be_given_out_again():
    assert rest(over()) is Rest.READY


@pytest.mark.parametrize(
    "order",
    [
        an_order(status=Remote.EXPIRED, received=None, proven=False),
        an_order(received=Money.parse("74.99")),
        an_order(proven=False),
        an_order(received=Money.parse("75", "BUSD")),
    ],
)
def test_an_address_that_somebody_saw_and_did_not_pay_in_full_is_not_given_out_again(order: PaymentOrder):
    assert rest(over(orders=(order,), state=State.EXPIRED)) is not Rest.READY
    assert rest(over(orders=(order,))) is not Rest.READY


def test_an_address_that_was_never_paid_in_full_stays_its_holders_for_good():
    unpaid = an_order(status=Remote.EXPIRED, received=None, proven=False)
    short = an_order(received=Money.parse("74"))
    returned = replace(a_refund(RefundStatus.DONE), amount=Money.parse("74"))

    assert rest(over(orders=(unpaid,), state=State.EXPIRED)) is Rest.NEVER
    assert rest(over(orders=(short,), refunds=(returned,), state=State.REFUNDED)) is Rest.NEVER


def test_an_address_that_nobody_ever_saw_may_be_given_out_again():
    unseen = an_order(status=Remote.EXPIRED, received=None, proven=False, checkout=None)

    assert rest(over(orders=(unseen,), state=State.EXPIRED)) is Rest.READY


def test_an_address_whose_booking_is_gone_is_never_given_out_again():
    assert rest_of([], ["b" * 24 + "001"], NOW) is Rest.NEVER


def test_while_the_call_is_still_to_come_its_address_is_the_bookings():
    booking = over()
    assert booking.slot is not None

    assert rest(booking, booking.slot.span.end - MINUTE) is Rest.LATER


def a_refund(status: RefundStatus, amount: str = "1") -> Refund:
    order = an_order()
    return Refund(f"{order.trade_no}R01", order.trade_no, Money.parse(amount), Cause.SURPLUS, NOW, status=status)


@pytest.mark.parametrize("status", [RefundStatus.REQUESTED, RefundStatus.SENT, RefundStatus.NEEDS_OWNER])
def test_while_a_refund_is_owed_the_address_rests(status: RefundStatus):
    assert rest(over(refunds=(a_refund(status),))) is Rest.LATER
    assert rest(over(refunds=(a_refund(RefundStatus.DONE),))) is Rest.READY


def test_while_money_waits_for_the_owner_the_address_rests():
    held = an_order(number=2, trade_no="b" * 24 + "002", held=Held.EARLIER_HOLDER, transfer="T", is_offered=False)

    assert rest(over(orders=(an_order(), held))) is Rest.LATER


@pytest.mark.parametrize("state", [State.DRAFT, State.PENDING, State.PAID])
def test_while_its_booking_waits_for_money_or_time_the_address_rests(state: State):
    assert rest(over(state=state)) is Rest.LATER


def test_one_unfinished_booking_of_several_is_enough():
    done, other = over(), a_booking(id="c" * 24, state=State.PENDING, orders=(an_order(trade_no="c" * 24 + "001"),))
    trade_nos = [one.orders[0].trade_no for one in (done, other)]

    assert rest_of([done, other], trade_nos, long_after(done)) is Rest.LATER


def test_ninety_days_is_the_rest():
    assert timedelta(days=90) == address_reuse.REST
