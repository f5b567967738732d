"""The control API: what tests and the page of buttons can do to the two worlds. All JSON, all under /control.

Binance Pay

    GET  orders, orders/<number>        as they are, oldest first
    POST orders/<number>/pay            {amount, currency, notify, delay_s, force}: money arrives, or a lie about it;
                                        another amount or currency than was asked for is a fault on purpose
    POST orders/<number>/close, pending, expire
    POST orders/<number>/refund         {amount}: by hand in Binance's own console, all that is left by default; done at
                                        once, no notice, unknown to the API by id but counted in what it says later
    GET  refunds                        oldest first; `console` marks those made by hand
    POST refunds/<id>/complete, reject  {notify}: a pending refund ends (the setting refund_outcome makes them pending)
    POST notices                        {data, biz_type, biz_status, biz_id, url, order}: a genuinely signed notice of
                                        anything, to a url on this machine or where notices of an order go
    POST rotate-key                     {keep_old}

Calendly

    GET  events, events/<id>
    POST events/<id>/cancel             {reason, canceler_type}
    POST events/<id>/reschedule         {start_time, duration}

Both

    GET, POST, DELETE faults            what goes wrong next, see `faults`
    GET, POST settings                  see `config.Settings`
    GET, POST clock                     {advance_s}
    GET  deliveries, calls              `?order=` and `?call=` choose
    POST reset                          {everything}

`notify` is now, lost or twice; for a payment also late (by delay_s), forged or altered (both without money).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from . import faults, schedule, wire
from .config import Settings
from .orders import NOTIFY, Denied
from .store import Event, Order, Refund
from .webhooks import is_loopback
from .world import Sandbox

NOTIFY_REFUND = ("now", "lost", "twice")
BIZ_STATUS = {"PAY": "PAY_SUCCESS", "PAY_REFUND": "REFUND_SUCCESS"}


class Wrong(Exception):
    """A control call that cannot be carried out."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def build(sandbox: Sandbox) -> Blueprint:
    control = Control(sandbox)
    bp = Blueprint("control", __name__, url_prefix="/control")
    rules: dict[str, dict[str, Callable[..., ResponseReturnValue]]] = {
        "/orders": {"GET": control.orders},
        "/orders/<number>": {"GET": control.order},
        "/orders/<number>/pay": {"POST": control.pay},
        "/orders/<number>/close": {"POST": control.close},
        "/orders/<number>/pending": {"POST": control.pending},
        "/orders/<number>/expire": {"POST": control.expire},
        "/orders/<number>/refund": {"POST": control.refund_by_hand},
        "/refunds": {"GET": control.refunds},
        "/refunds/<request_id>/complete": {"POST": control.complete_refund},
        "/refunds/<request_id>/reject": {"POST": control.reject_refund},
        "/notices": {"POST": control.announce},
        "/faults": {"GET": control.armed, "POST": control.arm, "DELETE": control.disarm},
        "/settings": {"GET": control.settings, "POST": control.change_settings},
        "/rotate-key": {"POST": control.rotate_key},
        "/clock": {"GET": control.clock, "POST": control.advance},
        "/events": {"GET": control.events},
        "/events/<uuid>": {"GET": control.event},
        "/events/<uuid>/cancel": {"POST": control.cancel_event},
        "/events/<uuid>/reschedule": {"POST": control.reschedule_event},
        "/reset": {"POST": control.reset},
        "/deliveries": {"GET": control.deliveries},
        "/calls": {"GET": control.calls},
    }
    for rule, methods in rules.items():
        for method, view in methods.items():
            bp.add_url_rule(rule, f"{method}{rule}", view, methods=[method])
    bp.register_error_handler(Wrong, lambda wrong: ({"error": wrong.message}, wrong.status))
    bp.register_error_handler(Denied, lambda no: ({"error": no.message, "code": no.code}, 409))
    bp.register_error_handler(schedule.NotPossible, lambda no: ({"error": str(no)}, 409))
    return bp


class Control:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    # --- Binance Pay ---

    def orders(self) -> ResponseReturnValue:
        """Oldest first."""
        sandbox = self._sandbox
        sandbox.orders.settle_due()
        with sandbox.store.lock:
            return [shown_order(order) for order in sandbox.store.orders.values()]

    def order(self, number: str) -> ResponseReturnValue:
        self._sandbox.orders.settle_due()
        return shown_order(self._order(number))

    def pay(self, number: str) -> ResponseReturnValue:
        body = _body("amount", "currency", "notify", "delay_s", "force")
        order = pay(self._sandbox, self._order(number), body)
        return shown_order(order)

    def close(self, number: str) -> ResponseReturnValue:
        order = self._order(number)
        _body()
        self._sandbox.orders.close(order)
        return shown_order(order)

    def pending(self, number: str) -> ResponseReturnValue:
        order = self._order(number)
        _body()
        self._sandbox.orders.start_paying(order)
        return shown_order(order)

    def expire(self, number: str) -> ResponseReturnValue:
        """This one order's time is up."""
        order = self._order(number)
        _body()
        expire(self._sandbox, order)
        return shown_order(order)

    def refund_by_hand(self, number: str) -> ResponseReturnValue:
        return self._shown_refund(refund_by_hand(self._sandbox, self._order(number), _body("amount")))

    def refunds(self) -> ResponseReturnValue:
        with self._sandbox.store.lock:
            return [self._shown_refund(refund) for refund in self._sandbox.store.refunds.values()]

    def complete_refund(self, request_id: str) -> ResponseReturnValue:
        return self._finish_refund(request_id, "REFUND_SUCCESS")

    def reject_refund(self, request_id: str) -> ResponseReturnValue:
        return self._finish_refund(request_id, "REFUND_FAIL")

    def _finish_refund(self, request_id: str, outcome: str) -> ResponseReturnValue:
        refund = self._sandbox.store.refunds.get(request_id)
        if not refund:
            raise Wrong(404, f"There is no refund {request_id}.")
        notify = _body("notify").get("notify", "now")
        if notify not in NOTIFY_REFUND:
            raise Wrong(400, f"notify must be one of {', '.join(NOTIFY_REFUND)}.")
        self._sandbox.orders.finish_refund(refund, outcome, notify)
        return self._shown_refund(refund)

    def _shown_refund(self, refund: Refund) -> dict[str, Any]:
        order = self._sandbox.store.order_by_prepay_id(refund.prepay_id)
        return {
            "refundRequestId": refund.request_id, "prepayId": refund.prepay_id, "console": refund.console,
            "merchantTradeNo": order.merchant_trade_no if order else None, "amount": wire.short(refund.amount),
            "refundedAmount": wire.short(refund.refunded), "status": refund.status,
            "remainingAttempts": refund.remaining_attempts, "reason": refund.reason,
        }  # fmt: skip

    def announce(self) -> ResponseReturnValue:
        """Data may be an object or any text at all; without a biz_id it is about a prepayId nobody knows."""
        body = _body("biz_type", "biz_status", "biz_id", "data", "url", "order")
        biz_type, data = body.get("biz_type", "PAY"), body.get("data")
        biz_status = body.get("biz_status", BIZ_STATUS.get(str(biz_type)))
        if not isinstance(biz_type, str) or not isinstance(biz_status, str):
            raise Wrong(400, "biz_type and biz_status must be text; only PAY and PAY_REFUND need no biz_status.")
        if not isinstance(data, dict | str):
            raise Wrong(400, "data must be an object, or text to be sent as it is.")
        biz_id = str(body.get("biz_id") or self._sandbox.store.digits(18))
        if not re.fullmatch(r"[1-9][0-9]{0,18}", biz_id):
            raise Wrong(400, "biz_id must be a whole number of at most 19 digits.")
        url, named = self._address(body), data.get("merchantTradeNo") if isinstance(data, dict) else None
        about = str(body.get("order") or named or biz_id)
        text = data if isinstance(data, str) else wire.dumps(data)
        self._sandbox.orders.announce(biz_type, biz_status, biz_id, text, about, url)
        return {"bizIdStr": biz_id, "order": about, "url": url}

    def _address(self, body: dict[str, Any]) -> str:
        """The url that is given, or where notices of the order that is given go."""
        url = body.get("url")
        if url is None and body.get("order") is not None:
            url = self._order(str(body["order"])).webhook_url
        if not isinstance(url, str) or not is_loopback(url):
            raise Wrong(400, "A url on this machine is needed, or an order that has one.")
        return url

    def _order(self, number: str) -> Order:
        order = self._sandbox.store.order(number)
        if not order:
            raise Wrong(404, f"There is no order {number}.")
        return order

    # --- faults, settings, keys, clock ---

    def armed(self) -> ResponseReturnValue:
        return self._sandbox.faults.armed()

    def arm(self) -> ResponseReturnValue:
        body = _body("binance", "calendly")
        try:
            self._sandbox.faults.arm(faults.parse_faults(body))
        except ValueError as wrong:
            raise Wrong(400, str(wrong)) from wrong
        return self._sandbox.faults.armed()

    def disarm(self) -> ResponseReturnValue:
        self._sandbox.faults.clear()
        return self._sandbox.faults.armed()

    def settings(self) -> ResponseReturnValue:
        return self._sandbox.settings.as_dict()

    def change_settings(self) -> ResponseReturnValue:
        body = _body(*Settings().as_dict())
        try:
            self._sandbox.change_settings(self._sandbox.settings.changed(body))
        except ValueError as wrong:
            raise Wrong(400, str(wrong)) from wrong
        return self._sandbox.settings.as_dict()

    def rotate_key(self) -> ResponseReturnValue:
        keep_old = _body("keep_old").get("keep_old", True)
        if not isinstance(keep_old, bool):
            raise Wrong(400, "keep_old must be true or false.")
        fresh = self._sandbox.keys.rotate(keep_old)
        return {"certSerial": fresh.serial, "listed": [key.serial for key in self._sandbox.keys.listed()]}

    def clock(self) -> ResponseReturnValue:
        store = self._sandbox.store
        return {"now": schedule.when(store.now()), "offset_s": store.offset}

    def advance(self) -> ResponseReturnValue:
        """Moves order expiry and Calendly's time, never the check of signature timestamps."""
        seconds = _number(_body("advance_s"), "advance_s", least=-(10**9))
        if seconds is None:
            raise Wrong(400, "advance_s is missing.")
        self._sandbox.store.advance(seconds)
        self._sandbox.orders.settle_due()
        return self.clock()

    # --- Calendly ---

    def events(self) -> ResponseReturnValue:
        """Oldest first."""
        with self._sandbox.store.lock:
            return [self._shown_event(event) for event in self._sandbox.store.events.values()]

    def event(self, uuid: str) -> ResponseReturnValue:
        return self._shown_event(self._event(uuid))

    def cancel_event(self, uuid: str) -> ResponseReturnValue:
        event, body = self._event(uuid), _body("reason", "canceler_type")
        reason, who = body.get("reason"), body.get("canceler_type", "invitee")
        if who not in ("invitee", "host") or not isinstance(reason, str | None):
            raise Wrong(400, "canceler_type must be invitee or host, reason text.")
        by = event.name if who == "invitee" else schedule.USER_NAME
        self._sandbox.calendar.cancel(event, reason, by, who)
        return self._shown_event(event)

    def reschedule_event(self, uuid: str) -> ResponseReturnValue:
        """To `start_time`, or to the next free time; `duration` in minutes, or as long as it was. Answers with the new
        event."""
        event, body = self._event(uuid), _body("start_time", "duration")
        wish, minutes = body.get("start_time"), body.get("duration")
        start = schedule.moment_from(wish)
        if wish is not None and start is None:
            raise Wrong(400, "start_time must be a time with an offset, such as 2030-01-07T09:00:00Z.")
        if minutes is not None and (not isinstance(minutes, int) or isinstance(minutes, bool) or minutes < 1):
            raise Wrong(400, "duration must be a number of minutes.")
        return self._shown_event(self._sandbox.calendar.reschedule(event, start, minutes))

    def _event(self, uuid: str) -> Event:
        event = self._sandbox.store.events.get(uuid)
        if not event:
            raise Wrong(404, f"There is no event {uuid}.")
        return event

    def _shown_event(self, event: Event) -> dict[str, Any]:
        calendar = self._sandbox.calendar
        return {
            "id": event.uuid, "uri": calendar.event_uri(event), "status": event.status, "slug": event.slug,
            "start_time": schedule.when(event.start), "end_time": schedule.when(event.end),
            "invitee": {"uri": calendar.invitee_uri(event), "name": event.name, "email": event.email,
                        "timezone": event.timezone},
            "tracking": event.tracking, "rescheduled": event.rescheduled, "old_event": event.old_event,
            "new_event": event.new_event, "cancellation": event.cancellation,
        }  # fmt: skip

    # --- everything ---

    def reset(self) -> ResponseReturnValue:
        everything = _body("everything").get("everything", False)
        if not isinstance(everything, bool):
            raise Wrong(400, "everything must be true or false.")
        self._sandbox.reset(everything)
        return {"reset": True}

    def deliveries(self) -> ResponseReturnValue:
        """Webhook deliveries tried so far, oldest first; `?order=` for one merchantTradeNo or event."""
        wanted = request.args.get("order")
        found = list(self._sandbox.dispatcher.deliveries)
        return [entry for entry in found if wanted in (None, entry.get("order"), entry.get("event"))]

    def calls(self) -> ResponseReturnValue:
        """API calls seen, oldest first, the last 2,000."""
        wanted = request.args.get("call")
        return [call for call in list(self._sandbox.calls) if wanted in (None, call["call"])]


def pay(sandbox: Sandbox, order: Order, body: dict[str, Any]) -> Order:
    """Money arrives as `body` says, or a lie about it. Late money for a closed order arrives too, unless `force` is
    false: then 409, as the real one would have it."""
    amount, currency = _given_amount(body), _paid_currency(body)
    delay = _number(body, "delay_s", least=0)
    notify, force = body.get("notify", "now"), body.get("force", True)
    if notify not in NOTIFY:
        raise Wrong(400, f"notify must be one of {', '.join(NOTIFY)}.")
    if not isinstance(force, bool):
        raise Wrong(400, "force must be true or false.")
    if notify in ("forged", "altered"):
        sandbox.orders.pretend(order, amount, currency, notify)
        return order
    with sandbox.store.lock:
        sandbox.orders.settle_due()
        late = force and order.status in ("CANCELED", "EXPIRED")
        if not order.is_open and not late:
            raise Wrong(409, f"The order is {order.status}; money can only come late to a closed one, with force.")
        sandbox.orders.pay(order, amount, currency, notify, 5.0 if delay is None else delay)
    return order


def refund_by_hand(sandbox: Sandbox, order: Order, body: dict[str, Any]) -> Refund:
    """In Binance's own console: what `body` says, or all that is left."""
    return sandbox.orders.refund_by_hand(order, _given_amount(body))


def expire(sandbox: Sandbox, order: Order) -> None:
    with sandbox.store.lock:
        sandbox.orders.settle_due()
        if not order.is_open:
            raise Wrong(409, f"The order is {order.status}.")
        order.expire_time = min(order.expire_time, sandbox.orders.order_now(order))
        sandbox.store.put("orders", order.merchant_trade_no, order)
        sandbox.orders.settle_due()


def shown_order(order: Order) -> dict[str, Any]:
    paid = order.paid
    return {
        "merchantTradeNo": order.merchant_trade_no, "prepayId": order.prepay_id, "amount": wire.short(order.amount),
        "currency": order.currency, "status": order.status, "expireTime": order.expire_time,
        "webhookUrl": order.webhook_url, "createTime": order.create_time,
        "paidAmount": None if paid is None else wire.short(paid),
        "paidCurrency": None if paid is None else order.shown_currency, "description": order.description,
    }  # fmt: skip


def _paid_currency(body: dict[str, Any]) -> str | None:
    currency = body.get("currency")
    if currency is not None and not (isinstance(currency, str) and re.fullmatch(r"[A-Z0-9]{2,16}", currency)):
        raise Wrong(400, "currency must be capital letters and digits, such as BUSD.")
    return currency


def _given_amount(body: dict[str, Any]) -> Decimal | None:
    if body.get("amount") is None:
        return None
    amount = wire.amount_from(body["amount"])
    if amount is None:
        raise Wrong(400, "amount must be positive, with at most 8 decimal places.")
    return amount


def _number(body: dict[str, Any], name: str, least: float) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not math.isfinite(value):
        raise Wrong(400, f"{name} must be a number.")
    if not least <= value <= 10**9:
        raise Wrong(400, f"{name} is out of range.")
    return float(value)


def _body(*known: str) -> dict[str, Any]:
    """The request as an object with no other than these fields; nothing at all is an empty one."""
    raw = request.get_data()
    if not raw.strip():
        return {}
    try:
        body = wire.parse(raw)
    except (ValueError, RecursionError):
        raise Wrong(400, "The body is not JSON.") from None
    if not isinstance(body, dict):
        raise Wrong(400, "The body must be a JSON object.")
    unknown = sorted(set(body) - set(known))
    if unknown:
        raise Wrong(400, f"Unknown field {unknown[0]}; known here: {', '.join(known) or 'none'}.")
    return body
