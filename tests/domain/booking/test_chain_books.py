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


def test_what_no_order_will_count_is_booked_beside_them_and_what_has_one_is_not():
    order = an_order(rail=RailId.TRC20)

    assert chain_books.beside_orders(None, TRON, usdt("0.005")) == Money.parse("0.005")
    assert chain_books.beside_orders(order, TRON, usdt("0.005")).is_nothing


def test_an_order_of_the_other_network_does_not_count_what_came_on_this_one():
    booking = a_booking(orders=(an_order(rail=RailId.BEP20),))
    trade_nos = [booking.orders[0].trade_no]

    assert chain_books.order_on(booking, BNB_CHAIN, trade_nos) == booking.orders[0]
    assert chain_books.order_on(booking, Network.ERC20, trade_nos) is None
    assert chain_books.order_on(None, BNB_CHAIN, trade_nos) is None
    assert chain_books.order_on(booking, BNB_CHAIN, ["another"]) is None


def test_books_that_hold_something_else_than_what_came_are_told():
    order = an_order(rail=RailId.TRC20, status=Remote.PAID, proven=True, received=Money.parse("75"))
    booking = booked(a_booking(orders=(order,)), NOW)

    def missing(final: str, arrived: str) -> str:
        found = Counted(TRON, usdt(final), usdt(arrived), 0, usdt(arrived))
        return chain_books.missing_in_books(booking, order, found)

    assert missing("75", "75") == ""
    assert missing("0", "75") == "", "newer money is in the books before it is stored"
    assert missing("75", "80") == "", "newer money has yet to be asked about"
    assert missing("80", "80") == "TRON: 80 USDT came, our books: 75 USDT"
    assert missing("70", "70") == "TRON: 70 USDT came, our books: 75 USDT"
    unproven = replace(order, proven=False)
    assert chain_books.missing_in_books(booking, unproven, counted("80", "0", "80")) == ""
