from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspired.domain.money import Money


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


@pytest.mark.parametrize(
    "wire",
    [
        75.0,
        True,
        None,
        "",
        "seventy",
        "NaN",
        "Infinity",
        "1E+999999999",
        "1E-999999999",
        "0.000000001",
        "1e12",
        [],
        "1,5",
    ],
)
def test_what_is_not_an_exact_amount_is_refused(wire):
    with pytest.raises(ValueError):  # noqa: PT011 - every refusal of an amount is one
        Money.parse(wire)


def test_money_is_made_from_decimals_only():
    with pytest.raises(TypeError):
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
