"""Payment rails: the ways a payment order can be paid, and what each can do. Pure.

Rules ask for these capabilities; none of them names a provider. The adapters that call the providers implement
`adapters/providers/rail.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class RailId(StrEnum):
    BINANCE_PAY = "binance_pay"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """`account`: the ledger account that holds what was paid.

    `last_takes_all`: the last refund it allows of an order returns everything left, whatever amount is asked for.
    """

    account: str
    longest_order: timedelta
    last_takes_all: bool


CAPABILITIES: Mapping[RailId, Capabilities] = {
    # https://developers.binance.com/docs/binance-pay/api-order-create-v2 (orderExpireTime; whether v3 allows more is
    # uncertain) · …/api-order-refund (remainingAttempts)
    RailId.BINANCE_PAY: Capabilities(account="binance", longest_order=timedelta(hours=1), last_takes_all=True),
}
