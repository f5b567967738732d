"""The Binance Pay merchant API, as far as it concerns orders, refunds and certificates.

Checks come in this order: method, content type, body → API key (400004) → timestamp (400003) → nonce and signature
over the raw bytes (400002) → a JSON object (400008) → mandatory (400100), length (400101), characters (400103),
value (400102) → business rules. Unknown fields are ignored. The HTTP statuses are one client's word, so a switch
(`always_200`) sends 200 with every envelope instead.
"""

from __future__ import annotations

import base64
import re
import time
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from flask import Blueprint, Response, g, request

from . import wire
from .config import Config
from .keys import KeyRing, hmac_is_right
from .orders import Denied, NewOrder, OrderBook
from .store import Order, Refund, Store
from .webhooks import is_loopback

MAX_BODY = 1_000_000
DAY_MS = 86_400_000
STATUS_OF = {
    "400000": 500, "400002": 406, "400003": 406, "400004": 401, "400005": 401, "400006": 405, "400007": 415,
    "400104": 413, "400203": 403, "400206": 403, "400606": 403,
}  # fmt: skip
CATEGORIES = {f"{digit}000" for digit in "0123456789ABCDEFZ"}
CURRENCIES = {"USDT", "USDC", "BUSD", "FDUSD", "BNB", "BTC", "ETH", "MBOX"}
FIAT_RATES = {"USD": Decimal(1), "EUR": Decimal("1.1"), "HKD": Decimal("0.128")}
TERMINALS = {"APP", "WEB", "WAP", "MINI_PROGRAM", "OTHERS"}
SYSTEM_ERROR = {"status": "ERROR", "type": "SYS", "code": "100001001", "errorData": "System abnormality"}
MERCHANT_ID = 100_000_002
CALL_OF = {
    "v3/order": "create", "v2/order": "create", "v2/order/query": "query", "order/close": "close",
    "order/refund": "refund", "order/refund/query": "refund_query", "certificates": "certificates",
}  # fmt: skip


def call_name(path: str) -> str:
    """The name faults and the list of calls use for a path of this API."""
    return CALL_OF.get(path.removeprefix("/binancepay/openapi/"), "unknown")


def build(config: Config, store: Store, keys: KeyRing, orders: OrderBook) -> Blueprint:
    merchant = Merchant(config, store, keys, orders)
    bp = Blueprint("binance", __name__, url_prefix="/binancepay/openapi")
    bp.add_url_rule("/<path:path>", view_func=merchant.answer, methods=["GET", "POST", "PUT", "DELETE", "PATCH"])
    return bp


class Merchant:
    """One merchant's view of the API."""

    def __init__(self, config: Config, store: Store, keys: KeyRing, orders: OrderBook) -> None:
        self._config, self._store, self._keys, self._orders = config, store, keys, orders
        self._actions: dict[str, Callable[[dict[str, Any]], object]] = {
            "v3/order": lambda body: self._create(body, version=3),
            "v2/order": lambda body: self._create(body, version=2),
            "v2/order/query": self._query,
            "order/close": self._close,
            "order/refund": self._refund,
            "order/refund/query": self._refund_query,
            "certificates": self._certificates,
        }

    def answer(self, path: str) -> Response:
        action = self._actions.get(path)
        if not action:
            return Response(_NOT_FOUND, 403, mimetype="text/html")
        raw = request.get_data()
        if request.method != "POST":
            return as_json(SYSTEM_ERROR, 405)
        if not request.content_type or (not raw and path != "certificates"):
            return as_json(SYSTEM_ERROR, 400)
        try:
            self._check_transport(raw)
            return self._success(action(_json_object(raw, lenient=path == "certificates")))
        except Denied as no:
            return self._failure(no)

    # --- the envelope ---

    def _success(self, data: object) -> Response:
        """No `errorMessage` on success, as captured; close, as documented, has it as null."""
        g.outcome = "000000"
        answer: dict[str, object] = {"status": "SUCCESS", "code": "000000", "data": data}
        return as_json(answer | {"errorMessage": None} if data is True else answer, 200)

    def _failure(self, no: Denied) -> Response:
        g.outcome = no.code
        status = 200 if self._orders.settings.always_200 else STATUS_OF.get(no.code, 400)
        return as_json({"status": "FAIL", "code": no.code, "errorMessage": no.message}, status)

    def _check_transport(self, raw: bytes) -> None:
        header = request.headers.get
        if request.mimetype != "application/json":
            raise Denied("400007", "Media type is not supported.")
        if len(raw) > MAX_BODY:
            raise Denied("400104", "Request is too large.")
        if header("BinancePay-Certificate-SN", "") != self._config.api_key:
            raise Denied("400004", "Invalid API-key, IP, or permissions for action.")
        timestamp, nonce = header("BinancePay-Timestamp", ""), header("BinancePay-Nonce", "")
        check_timestamp(timestamp, int(time.time() * 1000), self._orders.settings.timestamp_window_ms)
        if not re.fullmatch(r"[A-Za-z0-9]{32}", nonce):
            raise Denied("400002", "Signature for this request is not valid.")
        if not hmac_is_right(self._config.secret_key, timestamp, nonce, raw, header("BinancePay-Signature", "")):
            raise Denied("400002", "Signature for this request is not valid.")

    # --- the calls ---

    def _create(self, body: dict[str, Any], version: int) -> object:
        g.merchant_trade_no = str(body.get("merchantTradeNo"))
        wish = parse_new_order(body, version, int(time.time() * 1000))
        return self._created(self._orders.create(wish))

    def _created(self, order: Order) -> object:
        base = self._config.public_url
        checkout = f"{base}/checkout/{order.token}"
        deeplink = f"bnc://app.binance.com/payment/secpay?tempToken={order.temp_token}&returnLink={checkout}"
        encoded = base64.b64encode(deeplink.encode()).decode().rstrip("=")
        attached = order.universal_attach or ""
        day = time.strftime("%Y%m%d", time.gmtime(order.create_time / 1000))
        data: dict[str, object] = {
            "currency": order.currency,
            "totalFee": wire.short(order.amount),
            "prepayId": order.prepay_id,
            "terminalType": order.terminal_type,
            "expireTime": order.expire_time,
            "qrcodeLink": f"{base}/static/payment/{day}/{order.token}.jpg",
            "qrContent": f"{base}/qr/dplk{order.token}",
            "checkoutUrl": checkout,
            "deeplink": deeplink,
            "universalUrl": f"{base}/payment/secpay?linkToken={order.token}&_dp={encoded}{attached}",
        }
        if order.fiat_currency:
            data |= {"fiatCurrency": order.fiat_currency, "fiatAmount": order.fiat_amount}
        return data

    def _query(self, body: dict[str, Any]) -> object:
        return self._queried(self._find(body))

    def _queried(self, order: Order) -> object:
        """Exactly the captured members: seven for an unpaid order, more once money has come. Amounts are strings."""
        amount = wire.full(order.shown_amount, self._orders.settings.scientific_amounts)
        data: dict[str, object] = {"merchantId": MERCHANT_ID, "prepayId": order.prepay_id}
        if order.transaction_id:
            data["transactionId"] = order.transaction_id
        data |= {"merchantTradeNo": order.merchant_trade_no, "status": order.status, "currency": order.shown_currency}
        if order.transaction_id:
            data |= {"openUserId": order.open_user_id, "transactTime": order.transact_time}
        data["createTime"] = order.create_time
        if order.transaction_id:
            instruction = {"currency": order.shown_currency, "amount": amount, "price": "1"}
            data["paymentInfo"] = {
                "payerId": str(order.payer_id), "payMethod": "funding",
                "paymentInstructions": [instruction], "channel": "DEFAULT",
            }  # fmt: skip
        if order.pass_through is not None:
            data["passThroughInfo"] = order.pass_through
        if order.transaction_id and self._orders.settings.commission_in_query:
            commission = self._orders.commission(order)
            data["commission"] = wire.full(commission, self._orders.settings.scientific_amounts)
        return data | {"orderAmount": amount}

    def _close(self, body: dict[str, Any]) -> object:
        self._orders.close(self._find(body))
        return True

    def _find(self, body: dict[str, Any]) -> Order:
        prepay_id = _text(body, "prepayId", longest=20)
        merchant_trade_no = _text(body, "merchantTradeNo", longest=32)
        if not prepay_id and not merchant_trade_no:
            raise Denied("400100", "Parameter prepayId or merchantTradeNo is mandatory.")
        order = self._orders.find(prepay_id, merchant_trade_no)
        g.merchant_trade_no = order.merchant_trade_no
        return order

    def _refund(self, body: dict[str, Any]) -> object:
        request_id = _text(body, "refundRequestId", longest=64, needed=True)
        prepay_id = _text(body, "prepayId", longest=20, needed=True)
        amount = _amount(body, "refundAmount")
        reason = _text(body, "refundReason", longest=256)
        webhook_url = _webhook_url(body)
        order = self._store.order_by_prepay_id(prepay_id or "")
        if order:
            g.merchant_trade_no = order.merchant_trade_no
        refund, seen = self._orders.refund(order, request_id or "", amount, reason, webhook_url)
        return self._refunded(refund) | {"duplicateRequest": "Y" if seen else "N"}

    def _refund_query(self, body: dict[str, Any]) -> object:
        request_id = _text(body, "refundRequestId", longest=64, needed=True)
        refund = self._orders.refund_by_id(request_id or "")
        if not refund:
            raise Denied("400202", "Order not found.")
        return self._refunded(refund) | {"duplicateRequest": "N", "refundStatus": refund.status}

    def _refunded(self, refund: Refund) -> dict[str, object]:
        order = self._store.order_by_prepay_id(refund.prepay_id)
        scientific = self._orders.settings.scientific_amounts
        return {
            "refundId": refund.refund_id,
            "refundRequestId": refund.request_id,
            "prepayId": refund.prepay_id,
            "orderAmount": wire.full(order.shown_amount, scientific) if order else None,
            "refundedAmount": wire.full(refund.refunded, scientific),
            "refundAmount": wire.full(refund.amount, scientific),
            "remainingAttempts": refund.remaining_attempts,
            "payerOpenId": order.open_user_id if order else None,
        }

    def _certificates(self, body: dict[str, Any]) -> object:
        return [{"certSerial": key.serial, "certPublic": key.public_pem} for key in self._keys.listed()]


# --- reading a create request ---


def parse_new_order(body: dict[str, Any], version: int, now: int) -> NewOrder:
    """v3 has a list `goodsDetails` and a mandatory `description`, v2 one object `goods`; the rest is the same."""
    terminal = _choice(_object(body, "env"), "terminalType", TERMINALS)
    number = _text(body, "merchantTradeNo", longest=32, needed=True) or ""
    if not re.fullmatch(r"[A-Za-z0-9]+", number):
        raise Denied("400103", "merchantTradeNo has illegal characters.")
    if terminal == "MINI_PROGRAM":
        _text(body, "appId", longest=64, needed=True)
    amount, currency, fiat_currency, fiat_amount = _price(body)
    description = _text(body, "description", longest=2048, needed=version == 3) or ""
    goods = _goods(body, version)
    _text(body, "supportPayCurrency", longest=1024)
    return NewOrder(
        merchant_trade_no=number, amount=amount, currency=currency, terminal_type=terminal,
        product_type=goods["goodsType"], product_name=goods["goodsName"], description=description,
        expire_time=_expire_time(body, now), webhook_url=_webhook_url(body),
        return_url=_text(body, "returnUrl", longest=256), cancel_url=_text(body, "cancelUrl", longest=256),
        pass_through=_text(body, "passThroughInfo", longest=512),
        universal_attach=_text(body, "universalUrlAttach", longest=120),
        fiat_currency=fiat_currency, fiat_amount=fiat_amount,
    )  # fmt: skip


def _price(body: dict[str, Any]) -> tuple[Decimal, str, str | None, str | None]:
    """Priced in crypto, or in fiat and then converted to USDT."""
    if body.get("currency") is not None:
        currency = _choice(body, "currency", CURRENCIES)
        return _amount(body, "orderAmount"), currency, None, None
    if body.get("fiatCurrency") is not None:
        fiat = _choice(body, "fiatCurrency", set(FIAT_RATES))
        amount = _amount(body, "fiatAmount")
        return round(amount * FIAT_RATES[fiat], 8), "USDT", fiat, wire.short(amount)
    raise Denied("400100", "Parameter currency or fiatCurrency is mandatory.")


def _goods(body: dict[str, Any], version: int) -> dict[str, str]:
    """The first of the goods, all of them checked."""
    if version == 3:
        listed = body.get("goodsDetails")
        if not isinstance(listed, list) or not listed:
            raise Denied("400100", "Parameter goodsDetails is mandatory.")
        items = [item if isinstance(item, dict) else {} for item in listed]
    else:
        items = [_object(body, "goods")]
    checked = [_checked_goods(item) for item in items]
    return checked[0]


def _checked_goods(item: dict[str, Any]) -> dict[str, str]:
    kind = _choice(item, "goodsType", {"01", "02"})
    _choice(item, "goodsCategory", CATEGORIES)
    _text(item, "referenceGoodsId", longest=64, needed=True)
    name = _text(item, "goodsName", longest=256, needed=True) or ""
    if any(letter in '\\"' or unicodedata.category(letter) in ("So", "Cs", "Cc") for letter in name):
        raise Denied("400103", "goodsName has illegal characters.")
    _text(item, "goodsQuantity", longest=32)
    return {"goodsType": kind, "goodsName": name}


def _expire_time(body: dict[str, Any], now: int) -> int | None:
    """Absolute, in milliseconds. At most 15 days ahead in one reading of the manual, 1 h in older ones."""
    value = body.get("orderExpireTime")
    if value is None:
        return None
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Denied("400100", "orderExpireTime is malformed.")
    if not now < value <= now + 15 * DAY_MS:
        raise Denied("400102", "orderExpireTime is out of range.")
    return value


def _webhook_url(body: dict[str, Any]) -> str | None:
    url = _text(body, "webhookUrl", longest=256)
    if url and not is_loopback(url):
        raise Denied("400102", "webhookUrl: this sandbox calls nobody but this machine (127.0.0.1, localhost).")
    return url


def check_timestamp(value: str, now: int, window: int) -> None:
    if not re.fullmatch(r"\d{1,16}", value) or abs(int(value) - now) > window:
        raise Denied("400003", "Timestamp for this request is outside of the recvWindow.")


def _json_object(raw: bytes, lenient: bool) -> dict[str, Any]:
    """The body. Clients in the field send nothing, null or [] where there is nothing to say."""
    if lenient and raw.strip() in (b"", b"null", b"[]"):
        return {}
    try:
        body = wire.parse(raw)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise Denied("400008", "Request body is not a valid json object.")
    return body


def _object(body: dict[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if not isinstance(value, dict):
        raise Denied("400100", f"Parameter {name} is mandatory.")
    return value


def _text(body: dict[str, Any], name: str, longest: int, needed: bool = False) -> str | None:
    value = body.get(name)
    if value is None or value == "":
        if needed:
            raise Denied("400100", f"Parameter {name} is mandatory.")
        return None
    if not isinstance(value, str):
        raise Denied("400100", f"Parameter {name} is malformed.")
    if len(value) > longest:
        raise Denied("400101", f"Parameter {name} is longer than {longest}.")
    return value


def _choice(body: dict[str, Any], name: str, allowed: set[str]) -> str:
    value = _text(body, name, longest=64, needed=True) or ""
    if value not in allowed:
        raise Denied("400102", f"Parameter {name} has a wrong value.")
    return value


def _amount(body: dict[str, Any], name: str) -> Decimal:
    if body.get(name) in (None, ""):
        raise Denied("400100", f"Parameter {name} is mandatory.")
    amount = wire.amount_from(body[name])
    if amount is None:
        raise Denied("400102", f"Parameter {name} has a wrong value.")
    return amount


def as_json(body: object, status: int) -> Response:
    return Response(wire.dumps(body), status, mimetype="application/json")


_NOT_FOUND = """<!DOCTYPE html><html><head><title>ERROR: The request could not be satisfied</title></head>
<body><h1>403 ERROR</h1><p>The request could not be satisfied. Request blocked.</p></body></html>
"""
