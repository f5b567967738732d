"""An address on chain against our books: raw units, whatever eight places hide."""

from dataclasses import replace
from typing import Any

import pytest

from inspired.domain.booking import chain_books
from inspired.domain.booking.booking import PaymentOrder
from inspired.domain.booking.chain_books import Counted
from inspired.domain.booking.ledger import booked
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.states import Remote
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Network, units_of
from tests.factories import NOW, a_booking


def an_order(rail: RailId, **more: Any) -> PaymentOrder:
    return PaymentOrder(1, "b" * 20 + "P01", NOW, Money.parse("75"), rail=rail, **more)


TRON, BNB_CHAIN = Network.TRC20, Network.BEP20


def usdt(amount: str, network: Network = TRON) -> int:
    return units_of(network, Money.parse(amount))


def counted(came: str, left: str, holds: str, **more: int) -> Counted:
    found = {"final": usdt(came), "arrived": usdt(came), "left": usdt(left), "holds": usdt(holds), **more}
    return Counted(TRON, **found)


@pytest.mark.parametrize(
    ("came", "left", "holds"), [("75", "0", "75"), ("75", "75", "0"), ("75.000001", "75", "0.000001"), ("0", "0", "0")]
)
def test_what_came_less_what_left_explains_a_balance(came: str, left: str, holds: str):
    assert chain_books.difference(counted(came, left, holds)) == ""


@pytest.mark.parametrize("holds", ["74.999999", "75.000001", "0", "150"])
def test_any_other_balance_is_told_with_all_three_amounts(holds: str):
    told = chain_books.difference(counted("80", "5", holds))

    assert told == f"ours: 80 USDT came and 5 USDT left, TRON: it holds {holds} USDT"


def test_one_raw_unit_of_eighteen_places_is_a_difference_and_seen_in_the_sentence():
    units = usdt("75", BNB_CHAIN)

    told = chain_books.difference(Counted(BNB_CHAIN, units, units, 0, units + 1))

    assert f"it holds 75 USDT ({units + 1} raw units)" in told


def in_books(*orders: PaymentOrder) -> chain_books.Orders:
    booking = booked(a_booking(orders=orders), NOW)
    return chain_books.orders_at([booking], TRON, [order.trade_no for order in orders])


def test_what_no_order_will_count_is_booked_beside_them_and_what_has_one_is_not():
    order = an_order(rail=RailId.TRC20)

    assert chain_books.beside_orders(in_books(), TRON, [usdt("0.005")]) == Money.parse("0.005")
    assert chain_books.beside_orders(in_books(order), TRON, [usdt("0.005")]).is_nothing


def test_of_an_address_that_several_have_had_only_dust_that_nobody_counts_is_booked_beside_them():
    first, second = paid("75"), replace(paid("75"), number=2, trade_no="b" * 20 + "P02")
    both = in_books(first, second)

    assert chain_books.beside_orders(both, TRON, [usdt("75"), usdt("75"), usdt("0.005")]) == Money.parse("0.005")
    assert chain_books.beside_orders(both, TRON, [usdt("75"), usdt("75"), usdt("5")]).is_nothing
    assert chain_books.missing_in_books(both, counted("150", "0", "150"), chain_books.NOTHING) == ""
    assert chain_books.missing_in_books(both, counted("155", "0", "155"), chain_books.NOTHING) != ""


def test_an_order_of_the_other_network_does_not_count_what_came_on_this_one():
    booking = a_booking(orders=(an_order(rail=RailId.BEP20),))
    trade_nos = [booking.orders[0].trade_no]

    assert chain_books.orders_at([booking], BNB_CHAIN, trade_nos).are_known
    assert not chain_books.orders_at([booking], Network.ERC20, trade_nos).are_known
    assert not chain_books.orders_at([], BNB_CHAIN, trade_nos).are_known
    assert not chain_books.orders_at([booking], BNB_CHAIN, ["another"]).are_known


def paid(amount: str) -> PaymentOrder:
    return an_order(rail=RailId.TRC20, status=Remote.PAID, proven=True, received=Money.parse(amount))


def test_books_that_hold_something_else_than_what_came_are_told():
    def missing(final: str, arrived: str, **changes: Any) -> str:
        found = Counted(TRON, usdt(final), usdt(arrived), 0, usdt(arrived))
        return chain_books.missing_in_books(in_books(replace(paid("75"), **changes)), found, chain_books.NOTHING)

    assert missing("75", "75") == ""
    assert missing("0", "75") == "", "newer money is in the books before it is stored"
    assert missing("75", "80") == "", "newer money has yet to be asked about"
    assert missing("80", "80") == "TRON: 80 USDT came, our books: 75 USDT"
    assert missing("70", "70") == "TRON: 70 USDT came, our books: 75 USDT"
    assert missing("80", "80", proven=False) == ""
