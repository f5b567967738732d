"""Money on the wire, and JSON with exact numbers.

Binance sends amounts as strings in answers and as JSON numbers in webhooks, with 8 decimal places. Neither may pass
through a float: `0.1` must stay `0.1`, and an 18-digit id must not lose its last digits.
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any


def parse(raw: bytes) -> Any:
    """JSON with every fraction as a Decimal. ValueError when it is not JSON."""
    return json.loads(raw.decode("utf-8"), parse_float=Decimal)


class Number(str):
    """Text that goes into JSON as a number, exactly as written."""

    __slots__ = ()


def dumps(value: Any) -> str:
    """Compact JSON in the order given, with every `Number` and every Decimal exactly as it is."""
    if isinstance(value, Number | Decimal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{dumps(str(key))}:{dumps(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(dumps(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def amount_from(value: object) -> Decimal | None:
    """A positive amount of at most 8 places, sent as a number or as numeric text; None when it is not one."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    try:
        amount = Decimal(value)
    except InvalidOperation:
        return None
    if not amount.is_finite() or amount <= 0 or amount > Decimal(10) ** 18 or amount != round(amount, 8):
        return None
    return amount


def short(amount: Decimal) -> str:
    """`10.5`, as the answer to a create shows it."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def full(amount: Decimal, scientific: bool = False) -> str:
    """`10.50000000`, as queries show it; `1.05E+1` where a test asks for the odd shape."""
    return f"{amount.normalize():E}" if scientific else f"{amount:.8f}"
