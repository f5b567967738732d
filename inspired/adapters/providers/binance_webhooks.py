"""Parses the content of a Binance Pay webhook.

https://developers.binance.com/docs/binance-pay/webhook-common · …/order-notification
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inspired.adapters.providers.binance import read_json, read_moment, read_money, read_text
from inspired.domain.shared.money import Money

PAYMENT, REFUND = "PAY", "PAY_REFUND"  # bizType
PAID = "PAY_SUCCESS"  # bizStatus


@dataclass(frozen=True, slots=True)
class Facts:
    """`biz_id` is the order's prepay id as text (it may exceed 64 bits). Unreadable fields are empty."""

    biz_type: str
    biz_id: str
    biz_status: str
    trade_no: str
    money: Money | None
    transaction_id: str
    paid_at: datetime | None
    data_hash: str
    commission: Money | None = None
    refund_id: str = ""

    @property
    def tells_of_payment(self) -> bool:
        return self.biz_status == PAID

    @property
    def tells_of_refund(self) -> bool:
        return self.biz_type == REFUND and bool(self.refund_id)


def is_about_an_order(biz_type: str) -> bool:
    return biz_type in (PAYMENT, REFUND)


def read_webhook(raw: bytes) -> Facts:
    """Tolerates any content; the signature is verified elsewhere, and the query decides anyway."""
    outer = _object(raw)
    data_text = outer.get("data")
    data_raw = data_text.encode("utf-8", "replace") if isinstance(data_text, str) else raw
    data = _object(data_raw) if isinstance(data_text, str) else data_text if isinstance(data_text, dict) else {}
    return Facts(
        biz_type=read_text(outer.get("bizType"), 32),
        biz_id=read_text(outer.get("bizIdStr") or outer.get("bizId"), 64),
        biz_status=read_text(outer.get("bizStatus"), 32),
        trade_no=read_text(data.get("merchantTradeNo"), 32),
        money=read_money(data.get("totalFee"), data.get("currency")),
        transaction_id=read_text(data.get("transactionId"), 128),
        paid_at=read_moment(data.get("transactTime")),
        data_hash=hashlib.sha256(data_raw).hexdigest()[:16],
        commission=read_money(data.get("commission"), data.get("currency")),
        refund_id=read_text(_part(data, "refundInfo").get("refundRequestId"), 64),
    )


def _part(data: dict[str, Any], name: str) -> dict[str, Any]:
    found = data.get(name)
    return found if isinstance(found, dict) else {}


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = read_json(raw)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
