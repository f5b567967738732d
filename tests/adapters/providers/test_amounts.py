"""Amounts on their way from and to Binance Pay: exact, or none at all."""

import json
from decimal import Decimal

import pytest
import responses

from inspired.adapters.providers.binance import read_json, read_money
from inspired.domain.shared.errors import UpstreamError
from inspired.domain.shared.money import Money
from inspired.settings import BINANCE_HOST
from tests.adapters.merchants import a_merchant


def test_numbers_of_the_provider_are_never_floats():
    found = read_json(b'{"a":0.1,"b":[1E-8],"c":363969700195475457}')

    assert found == {"a": Decimal("0.1"), "b": [Decimal("1E-8")], "c": 363969700195475457}
    assert isinstance(found["a"], Decimal)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b'{"a":NaN}', "^NaN is not a number$"),
        (b"[-Infinity]", "^-Infinity is not a number$"),
        (b"[" * 100_000, "^nested too deeply$"),
        (b"<html>", "Expecting value"),
        (b"", "Expecting value"),
        (b"\xff\xfe\xfa", "codec"),
    ],
    ids=["nan", "infinity", "deep", "html", "empty", "binary"],
)
def test_what_is_no_exact_json_is_refused(raw, why):
    with pytest.raises(ValueError, match=why):
        read_json(raw)


@pytest.mark.parametrize(
    ("amount", "currency", "money"),
    [
        ("75.00000000", "USDT", Money(Decimal("75"), "USDT")),
        (Decimal("7.5E+1"), "BNB", Money(Decimal("75"), "BNB")),
        (1, "SIXTEEN LETTERS!", Money(Decimal("1"), "SIXTEEN LETTERS!")),
        (1, "SIXTEEN LETTERS! AND MORE", Money(Decimal("1"), "SIXTEEN LETTERS!")),
        ("1", None, Money(Decimal("1"), "")),
        (None, "USDT", None),
        (0.1, "USDT", None),
        ("0.000000001", "USDT", None),
        ("1E+999999999", "USDT", None),
    ],
)
def test_money_is_read_with_its_own_currency_and_never_guessed(amount, currency, money):
    assert read_money(amount, currency) == money


@pytest.mark.parametrize(
    ("amount", "written"),
    [("75", 75), ("1E+2", 100), ("25.50", "25.5"), ("0.00000001", "0.00000001"), ("99999999999.1", "99999999999.1")],
)
def test_amounts_are_written_exactly_whole_ones_as_numbers_others_as_text(amount, written):
    with responses.RequestsMock() as door:
        door.post(f"{BINANCE_HOST}/binancepay/openapi/order/refund", body="{}")
        with pytest.raises(UpstreamError):
            a_merchant().refund(refund_request_id="r", prepay_id="p", amount=Money.parse(amount), reason="")

        assert json.loads(door.calls[0].request.body)["refundAmount"] == written
