"""The rules of Binance Pay orders and refunds.

    INITIAL → PENDING → PAID → REFUNDING → REFUNDED (a part) → FULL_REFUNDED
    INITIAL → CANCELED (closed by the merchant), EXPIRED (not paid in time)

Every change is written with the store's lock held, and the notice that tells of it is queued in the same breath.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from . import wire
from .config import Settings
from .store import Notice, Order, Refund, Store
from .webhooks import RETRIES, Dispatcher

REFUND_ATTEMPTS = 10
HOUR_MS = 3_600_000
NOTIFY = ("now", "lost", "twice", "late", "forged", "altered")
TIMES_TOLD = {"lost": 0, "twice": 2}
OUTCOMES = {"success": "REFUND_SUCCESS", "pending": "REFUND_PENDING", "fail": "REFUND_FAIL"}


class Denied(Exception):
    """A refusal with Binance's code for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True)
class NewOrder:
    """A create request, checked."""

    merchant_trade_no: str
    amount: Decimal
    currency: str
    terminal_type: str
    product_type: str
    product_name: str
    description: str
    expire_time: int | None
    webhook_url: str | None
    return_url: str | None
    cancel_url: str | None
    pass_through: str | None
    universal_attach: str | None
    fiat_currency: str | None
    fiat_amount: str | None


class OrderBook:
    def __init__(self, store: Store, dispatcher: Dispatcher) -> None:
        self._store, self._dispatcher = store, dispatcher
        self.settings = Settings()

    # --- what the merchant can do ---

    def create(self, wish: NewOrder) -> Order:
        """A new order; a number used before is refused, whatever became of its order."""
        with self._store.lock:
            if self._store.order(wish.merchant_trade_no):
                raise Denied("400201", "merchantTradeNo is invalid or duplicated")
            order = self._new(wish)
            self._store.put("orders", order.merchant_trade_no, order)
            return order

    def _new(self, wish: NewOrder) -> Order:
        now = int(time.time() * 1000)
        return Order(
            merchant_trade_no=wish.merchant_trade_no, prepay_id=self._prepay_id(), amount=wish.amount,
            currency=wish.currency, create_time=now, expire_time=wish.expire_time or now + HOUR_MS,
            clock_base=self._store.offset, token=self._store.hex(32), temp_token=self._store.letters(32),
            terminal_type=wish.terminal_type, product_type=wish.product_type, product_name=wish.product_name,
            description=wish.description, webhook_url=wish.webhook_url, return_url=wish.return_url,
            cancel_url=wish.cancel_url, pass_through=wish.pass_through, universal_attach=wish.universal_attach,
            fiat_currency=wish.fiat_currency, fiat_amount=wish.fiat_amount,
        )  # fmt: skip

    def _prepay_id(self) -> str:
        """18 digits, above 2^53, and one that a float would change."""
        while True:
            candidate = self._store.digits(18)
            if int(float(candidate)) != int(candidate) and not self._store.order_by_prepay_id(candidate):
                return candidate

    def find(self, prepay_id: str | None, merchant_trade_no: str | None) -> Order:
        """By prepayId, which wins, or by the merchant's number; expired first if its time has come."""
        with self._store.lock:
            order = self._store.order_by_prepay_id(prepay_id) if prepay_id else None
            if not prepay_id and merchant_trade_no:
                order = self._store.order(merchant_trade_no)
            if not order:
                raise Denied("400202", "Order not found.")
            self._settle(order)
            return order

    def close(self, order: Order) -> None:
        """Accepted for an order without payment activity; carried out at once or after the delay that is set."""
        with self._store.lock:
            self._settle(order)
            if order.status != "INITIAL":
                raise Denied("400204", "The order status does not allow it to be closed.")
            order.close_at = self.order_now(order) + int(1000 * self.settings.close_delay_s)
            self._store.put("orders", order.merchant_trade_no, order)
            self._settle(order)

    def refund(self, order: Order | None, request_id: str, amount: Decimal, reason: str | None,
               webhook_url: str | None) -> tuple[Refund, bool]:  # fmt: skip
        """The refund and whether this request was seen before (then nothing happens again)."""
        with self._store.lock:
            known = self.refund_by_id(request_id)
            if known:
                return known, True
            if order is None:
                raise Denied("400301", "Invalid prepayId.")
            refund = self._new_refund(order, request_id, amount)
            refund.webhook_url = webhook_url or order.webhook_url
            refund.reason = reason
            self._end_refund(refund, OUTCOMES[self.settings.refund_outcome], notify="now")
            return refund, False

    def refund_by_id(self, request_id: str) -> Refund | None:
        """The refund the merchant asked for with this id."""
        refund = self._store.refunds.get(request_id)
        return None if refund and refund.console else refund

    def _new_refund(self, order: Order, request_id: str, amount: Decimal | None) -> Refund:
        """The next refund of this order, of all that is left where no amount is given. It still has to end."""
        if order.paid is None:
            raise Denied("400301", "Invalid prepayId: this order is not paid.")
        earlier = self.refunds_of(order)
        attempts_left = REFUND_ATTEMPTS - len(earlier)
        if attempts_left <= 0:
            raise Denied("400302", "Too many refund attempts.")
        refunded = sum((refund.amount for refund in earlier if refund.status != "REFUND_FAIL"), Decimal(0))
        left = order.paid - refunded
        # The last attempt gives back everything that is left, whatever amount is asked for.
        amount = left if amount is None or attempts_left == 1 else amount
        if amount > left or left <= 0:
            raise Denied("400303", "Invalid refund amount.")
        self._take_from_balance(amount)
        return Refund(
            request_id=request_id, refund_id=int(self._store.digits(18)), prepay_id=order.prepay_id, amount=amount,
            refunded=refunded + amount, remaining_attempts=attempts_left - 1, status="REFUND_PENDING",
            created=self.order_now(order),
        )  # fmt: skip

    def _take_from_balance(self, amount: Decimal) -> None:
        """A negative amount is given back."""
        if self.settings.merchant_balance is None:
            return
        left = Decimal(self.settings.merchant_balance) - amount
        if left < 0:
            raise Denied("400304", "The merchant account's remaining amount is not enough.")
        self.settings = self.settings.changed({"merchant_balance": str(left)})

    def refunds_of(self, order: Order) -> list[Refund]:
        """Oldest first."""
        return [refund for refund in self._store.refunds.values() if refund.prepay_id == order.prepay_id]

    # --- what the world does ---

    def pay(self, order: Order, amount: Decimal | None, currency: str | None, notify: str, delay_s: float) -> None:
        """Money arrives, and the merchant is told: now, twice, late, or not at all."""
        with self._store.lock:
            now = self.order_now(order)
            order.status, order.close_at = "PAID", None
            order.paid, order.paid_currency = amount or order.amount, currency
            order.transact_time, order.transaction_id = now, f"M_S_{self._store.digits(18)}"
            order.open_user_id, order.payer_id = self._store.hex(32), int(self._store.digits(9))
            self._store.put("orders", order.merchant_trade_no, order)
            for _ in range(TIMES_TOLD.get(notify, 1)):
                self._notify(order, "PAY_SUCCESS", delay_s if notify == "late" else 0.0)

    def pretend(self, order: Order, amount: Decimal | None, currency: str | None, how: str) -> None:
        """A notice of a payment that never was: signed with a wrong key, or altered after signing. Sent once."""
        with self._store.lock:
            liar = Order(**{**vars(order), "paid": amount or order.amount, "paid_currency": currency, "status": "PAID"})
            liar.transact_time, liar.transaction_id = self.order_now(order), f"M_S_{self._store.digits(18)}"
            liar.open_user_id, liar.payer_id = self._store.hex(32), int(self._store.digits(9))
            if order.webhook_url is None:
                return
            body = self._pay_body(liar, "PAY_SUCCESS")
            notice = self._new_notice(order.merchant_trade_no, "PAY_SUCCESS", body, order.webhook_url)
            notice.last_order = 1
            if how == "forged":
                notice.forged = True
            else:
                # What was signed is another order's closing; what arrives says that this one is paid.
                notice.body, notice.altered_body = body.replace("PAY_SUCCESS", "PAY_CLOSED"), body
            self._dispatcher.send(notice)

    def start_paying(self, order: Order) -> None:
        """The payer is at it: PENDING, which can no longer be closed."""
        with self._store.lock:
            self._settle(order)
            if order.status != "INITIAL":
                raise Denied("400204", f"The order is {order.status}.")
            order.status = "PENDING"
            self._store.put("orders", order.merchant_trade_no, order)

    def refund_by_hand(self, order: Order, amount: Decimal | None) -> Refund:
        """The merchant refunds in Binance's own console: done at once, and nobody is told, as documented."""
        with self._store.lock:
            refund = self._new_refund(order, f"console-{self._store.digits(18)}", amount)
            refund.console = True
            self._end_refund(refund, "REFUND_SUCCESS", notify="lost")
            return refund

    def finish_refund(self, refund: Refund, outcome: str, notify: str) -> None:
        """A pending refund comes to its end: REFUND_SUCCESS or REFUND_FAIL."""
        with self._store.lock:
            if refund.status != "REFUND_PENDING":
                raise Denied("400204", f"The refund is {refund.status}.")
            self._end_refund(refund, outcome, notify)

    def announce(self, biz_type: str, biz_status: str, biz_id: str, data: str, about: str, url: str) -> None:
        """A genuinely signed notice of anything at all, whether or not there is such an order or refund here."""
        body = _outer(biz_type, data, biz_id, biz_status)
        self._dispatcher.send(self._new_notice(about, biz_status, body, url))

    def commission(self, order: Order) -> Decimal:
        """What Binance keeps of what has been paid, to 8 places."""
        return round((order.paid or 0) * Decimal(self.settings.commission), 8)

    def refused_refund(self, order: Order, request_id: str, amount: Decimal, earlier: int) -> Refund:
        """Tried in the console, after `earlier` others, and refused: nothing goes back, and nobody is told here."""
        with self._store.lock:
            refund = Refund(
                request_id=request_id, refund_id=int(self._store.digits(18)), prepay_id=order.prepay_id, amount=amount,
                refunded=Decimal(0), remaining_attempts=REFUND_ATTEMPTS - earlier - 1, status="REFUND_FAIL",
                created=self.order_now(order), webhook_url=order.webhook_url,
            )  # fmt: skip
            self._store.put("refunds", request_id, refund)
            return refund

    def told_of_payment(self, order: Order) -> str:
        return self._pay_body(order, "PAY_SUCCESS")

    def told_of_refusal(self, order: Order, refund: Refund) -> str:
        return _refund_body(order, refund, "REFUND_REJECTED", self.settings.scientific_amounts)

    def settle_due(self) -> None:
        """Close and expire what is due."""
        with self._store.lock:
            for order in self._store.open_orders():
                self._settle(order)

    def order_now(self, order: Order) -> int:
        """The order's own time: the real one plus the moves made since it was created."""
        return int((time.time() + self._store.offset - order.clock_base) * 1000)

    # --- inside ---

    def _settle(self, order: Order) -> None:
        now = self.order_now(order)
        if not order.is_open:
            return
        if order.close_at is not None and now >= order.close_at and order.status == "INITIAL":
            self._end(order, "CANCELED")
        elif now >= order.expire_time:
            self._end(order, "EXPIRED")

    def _end(self, order: Order, status: str) -> None:
        order.status = status
        self._store.put("orders", order.merchant_trade_no, order)
        if self.settings.notify_closed:
            self._notify(order, "PAY_CLOSED", 0.0)

    def _end_refund(self, refund: Refund, status: str, notify: str) -> None:
        """Write a refund with its status and what follows for its order, and tell, unless it is still pending."""
        order = self._store.order_by_prepay_id(refund.prepay_id)
        assert order is not None  # noqa: S101 - orders and refunds are only forgotten together
        refund.status = status
        self._store.put("refunds", refund.request_id, refund)
        if status == "REFUND_FAIL":
            self._uncount(order, refund)
        self._store_refund_status(order)
        what = {"REFUND_SUCCESS": "REFUND_SUCCESS", "REFUND_FAIL": "REFUND_REJECTED"}.get(status)
        if what and refund.webhook_url:
            body = _refund_body(order, refund, what, self.settings.scientific_amounts)
            for _ in range(TIMES_TOLD.get(notify, 1)):
                self._dispatcher.send(self._new_notice(order.merchant_trade_no, what, body, refund.webhook_url))

    def _uncount(self, order: Order, rejected: Refund) -> None:
        """What was rejected stays the merchant's and was not refunded, neither by this one nor by those after it."""
        self._take_from_balance(-rejected.amount)
        refunds = self.refunds_of(order)
        for refund in refunds[refunds.index(rejected) :]:
            refund.refunded -= rejected.amount
            self._store.put("refunds", refund.request_id, refund)

    def _store_refund_status(self, order: Order) -> None:
        refunds = self.refunds_of(order)
        done = sum((refund.amount for refund in refunds if refund.status == "REFUND_SUCCESS"), Decimal(0))
        if any(refund.status == "REFUND_PENDING" for refund in refunds):
            order.status = "REFUNDING"
        elif done >= (order.paid or 0):
            order.status = "FULL_REFUNDED"
        else:
            order.status = "REFUNDED" if done else "PAID"
        self._store.put("orders", order.merchant_trade_no, order)

    def _notify(self, order: Order, what: str, delay_s: float) -> None:
        if order.webhook_url:
            body = self._pay_body(order, what)
            self._dispatcher.send(self._new_notice(order.merchant_trade_no, what, body, order.webhook_url, delay_s))

    def _pay_body(self, order: Order, what: str) -> str:
        scientific = self.settings.scientific_amounts
        return _pay_body(order, what, scientific, self.commission(order), self.order_now(order))

    def _new_notice(self, about: str, what: str, body: str, url: str, delay_s: float = 0.0) -> Notice:
        return Notice(
            id=self._store.hex(24), kind="binance", about=about, what=what, url=url, body=body,
            due=time.time() + delay_s, last_order=1 + RETRIES,
        )  # fmt: skip


def _pay_body(order: Order, what: str, scientific: bool, commission: Decimal, now: int) -> str:
    """The outer object in the captured key order; `data` is a JSON string whose amounts are numbers."""
    amount = wire.Number(wire.full(order.shown_amount, scientific))
    data: dict[str, Any] = {
        "merchantTradeNo": order.merchant_trade_no,
        "productType": order.product_type,
        "productName": order.product_name,
        "transactTime": order.transact_time or now,
        "tradeType": order.terminal_type,
        "totalFee": amount,
        "currency": order.shown_currency,
    }
    if what == "PAY_SUCCESS":
        data["transactionId"], data["openUserId"] = order.transaction_id, order.open_user_id
    if order.pass_through is not None:
        data["passThroughInfo"] = order.pass_through
    data["commission"] = wire.Number(wire.full(commission, scientific)) if commission else 0
    if what == "PAY_SUCCESS":
        data["paymentInfo"] = {
            "payerId": order.payer_id, "payMethod": "funding",
            "paymentInstructions": [{"currency": order.shown_currency, "amount": amount, "price": 1}],
            "channel": "DEFAULT",
        }  # fmt: skip
    return _outer("PAY", wire.dumps(data), order.prepay_id, what)


def _refund_body(order: Order, refund: Refund, what: str, scientific: bool) -> str:
    def number(amount: Decimal) -> wire.Number:
        return wire.Number(wire.full(amount, scientific))

    data = {
        "merchantTradeNo": order.merchant_trade_no, "productType": order.product_type,
        "productName": order.product_name, "tradeType": order.terminal_type,
        "totalFee": number(order.shown_amount), "currency": order.shown_currency, "openUserId": order.open_user_id,
        "refundInfo": {
            "refundRequestId": refund.request_id, "prepayId": refund.prepay_id,
            "orderAmount": number(order.shown_amount), "refundedAmount": number(refund.refunded),
            "refundAmount": number(refund.amount), "remainingAttempts": refund.remaining_attempts,
            "payerOpenId": order.open_user_id, "duplicateRequest": "N",
        },
    }  # fmt: skip
    return _outer("PAY_REFUND", wire.dumps(data), order.prepay_id, what)


def _outer(biz_type: str, data: str, biz_id: str, what: str) -> str:
    return wire.dumps({
        "bizType": biz_type, "data": data, "bizIdStr": biz_id, "bizId": int(biz_id), "bizStatus": what
    })  # fmt: skip
