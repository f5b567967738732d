from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspired.domain.shared.money import Money


@pytest.mark.parametrize(
    ("wire", "shown"),
    [
        ("75", "75"),
        ("1.50000000", "1.5"),
        ("1E-8", "0.00000001"),
        (25, "25"),
        (Decimal("1.0E-7"), "0.0000001"),
        ("0", "0"),
    ],
)
def test_amounts_are_read_in_every_form_the_provider_writes(wire, shown):
    assert str(Money.parse(wire)) == shown


A_STRING = "an amount is a decimal string"
DIGITS = "money has at most twelve digits before the point"
PLACES = "money has at most eight decimal places"


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        (75.0, A_STRING),
        (True, A_STRING),
        (None, A_STRING),
        ([], A_STRING),
        ("", "not an amount: "),
        ("seventy", "not an amount: seventy"),
        ("1,5", "not an amount: 1,5"),
        ("x" * 41, f"not an amount: {'x' * 40}"),
        ("NaN", "money is a finite amount"),
        ("Infinity", "money is a finite amount"),
        ("1E+999999999", r"not an amount: 1E\+999999999"),
        ("1e12", DIGITS),
        ("-1000000000000", DIGITS),
        ("0.000000001", PLACES),
        ("1E-999999999", PLACES),
    ],
)
def test_what_is_not_an_exact_amount_is_refused_and_why(wire, why):
    with pytest.raises(ValueError, match=f"^{why}$"):
        Money.parse(wire)


def test_the_greatest_and_the_smallest_amount_are_amounts():
    assert [str(Money.parse(wire)) for wire in ("999999999999.99999999", "-999999999999", "1E-8", "-0")] == [
        "999999999999.99999999", "-999999999999", "0.00000001", "0",
    ]  # fmt: skip


def test_money_is_made_from_decimals_only():
    with pytest.raises(TypeError, match=r"^money is made from Decimal, see Money\.parse$"):
        Money(75)  # type: ignore[arg-type]


def test_currencies_do_not_mix():
    for operation in (Money.__add__, Money.__sub__, Money.__lt__, Money.__gt__):
        with pytest.raises(ValueError, match="USDT is not BNB"):
            operation(Money.parse("1"), Money.parse("1", "BNB"))


@given(st.decimals("-99999", "99999", places=8), st.decimals("-99999", "99999", places=8))
def test_adding_and_taking_away_is_exact(one, other):
    first, second = Money(one), Money(other)

    assert (first + second) - second == first
    assert (first < second) == (one < other)
    assert (first > second) == (one > other)


@given(st.decimals("-99999", "99999", places=8))
def test_what_is_written_is_read_back(amount):
    assert Money.parse(str(Money(amount))) == Money(amount)


def test_money_for_people():
    assert Money.parse("75").shown == "75 USDT"
    assert Money.parse("0.5", "BNB").shown == "0.5 BNB"


def test_what_is_made_of_an_amount_is_of_its_currency():
    ten, three = Money.parse("10", "BNB"), Money.parse("3", "BNB")

    assert (ten + three, ten - three, -ten, ten.share(25)) == tuple(
        Money.parse(amount, "BNB") for amount in ("13", "7", "-10", "2.5")
    )
    assert (ten < ten, ten > ten, (ten - ten).is_nothing, ten.is_nothing) == (False, False, True, False)
