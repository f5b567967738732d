"""The control API by the thousand: orders made at once, and notices signed now for a sender of one's own.

For measurements: a thousand payments through the API would take longer than what is to be measured.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from . import wire
from .control import Wrong, shown_order
from .orders import Denied, NewOrder
from .store import Order
from .world import Sandbox

MOST = 1_000


def build(sandbox: Sandbox) -> Blueprint:
    bulk = Bulk(sandbox)
    bp = Blueprint("bulk", __name__, url_prefix="/control/bulk")
    bp.add_url_rule("/orders", view_func=bulk.orders, methods=["POST"])
    bp.add_url_rule("/notices", view_func=bulk.notices, methods=["POST"])
    bp.register_error_handler(Wrong, lambda wrong: ({"error": wrong.message}, wrong.status))
    bp.register_error_handler(Denied, lambda no: ({"error": no.message, "code": no.code}, 409))
    return bp


class Bulk:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def orders(self) -> ResponseReturnValue:
        """`{orders: [{merchantTradeNo, amount, expireTime, webhookUrl?}, …]}` → the orders, in USDT, as created.

        `expireTime` (ms) may have passed already. Without `webhookUrl` nobody is told anything about the order.
        """
        wishes = [_wish(item) for item in _listed("orders", dict)]
        return [shown_order(self._sandbox.orders.create(wish)) for wish in wishes]

    def notices(self) -> ResponseReturnValue:
        """`{orders: [merchantTradeNo, …], refused_refunds: n}` → `[{order, what, headers, body}, …]`, to be sent.

        Each order is paid, and the owner has tried n times in Binance's console to refund it and was refused; nobody
        was told of either yet. One notice for each: real ones, signed now by the current key.
        """
        orders = [self._order(number) for number in _listed("orders", str)]
        refused = _body().get("refused_refunds", 0)
        if not isinstance(refused, int) or not 0 <= refused < 10:
            raise Wrong(400, "refused_refunds must be 0 to 9.")
        return [notice for order in orders for notice in self._told(order, refused)]

    def _told(self, order: Order, refused: int) -> list[dict[str, Any]]:
        book, dispatcher = self._sandbox.orders, self._sandbox.dispatcher
        book.pay(order, None, None, "lost", 0.0)
        told = [("PAY_SUCCESS", book.told_of_payment(order))]
        for number in range(refused):
            refund = book.refused_refund(order, f"{order.merchant_trade_no}R{number}", Decimal(number + 1), number)
            told.append(("REFUND_REJECTED", book.told_of_refusal(order, refund)))
        return [
            {"order": order.merchant_trade_no, "what": what, "headers": dispatcher.signature(body), "body": body}
            for what, body in told
        ]

    def _order(self, number: str) -> Order:
        order = self._sandbox.store.order(number)
        if not order or not order.is_open:
            raise Wrong(409, f"There is no open order {number}.")
        return order


def _wish(item: dict[str, Any]) -> NewOrder:
    amount, expires = wire.amount_from(item.get("amount")), item.get("expireTime")
    number, url = item.get("merchantTradeNo"), item.get("webhookUrl")
    if not (isinstance(number, str) and number.isalnum() and len(number) <= 32 and amount):
        raise Wrong(400, "Each order needs a merchantTradeNo and an amount.")
    if not isinstance(expires, int | None) or not isinstance(url, str | None):
        raise Wrong(400, "expireTime is in milliseconds, webhookUrl is text.")
    return NewOrder(
        merchant_trade_no=number, amount=amount, currency="USDT", terminal_type="WEB", product_type="02",
        product_name="made in bulk", description="made in bulk", expire_time=expires, webhook_url=url,
        return_url=None, cancel_url=None, pass_through=None, universal_attach=None,
        fiat_currency=None, fiat_amount=None,
    )  # fmt: skip


def _listed(name: str, kind: type) -> list[Any]:
    items = _body().get(name)
    if not isinstance(items, list) or len(items) > MOST or not all(isinstance(item, kind) for item in items):
        raise Wrong(400, f"{name} must be a list of at most {MOST}.")
    return items


def _body() -> dict[str, Any]:
    try:
        body = wire.parse(request.get_data())
    except (ValueError, RecursionError):
        raise Wrong(400, "The body is not JSON.") from None
    if not isinstance(body, dict):
        raise Wrong(400, "The body must be a JSON object.")
    return body
