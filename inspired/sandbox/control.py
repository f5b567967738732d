"""The control API: what tests and the page of buttons can do to the two worlds. All JSON."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from . import faults, schedule, wire
from .config import Settings
from .orders import NOTIFY, Denied
from .store import Event, Order, Refund

if TYPE_CHECKING:
    from .app import Sandbox


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
        "/refunds": {"GET": control.refunds},
        "/refunds/<request_id>/complete": {"POST": control.complete_refund},
        "/refunds/<request_id>/reject": {"POST": control.reject_refund},
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
        body = _body("amount", "notify", "delay_s", "force")
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
        self._sandbox.orders.finish_refund(refund, outcome)
        return self._shown_refund(refund)

    def _shown_refund(self, refund: Refund) -> dict[str, Any]:
        order = self._sandbox.store.order_by_prepay_id(refund.prepay_id)
        return {
            "refundRequestId": refund.request_id, "prepayId": refund.prepay_id,
            "merchantTradeNo": order.merchant_trade_no if order else None, "amount": wire.short(refund.amount),
            "status": refund.status, "remainingAttempts": refund.remaining_attempts, "reason": refund.reason,
        }  # fmt: skip

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
        """To `start_time`, or to the next free time. Answers with the new event."""
        event, wish = self._event(uuid), _body("start_time").get("start_time")
        start = schedule.moment_from(wish)
        if wish is not None and start is None:
            raise Wrong(400, "start_time must be a time with an offset, such as 2030-01-07T09:00:00Z.")
        return self._shown_event(self._sandbox.calendar.reschedule(event, start))

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
        return [one for one in found if wanted in (None, one.get("order"), one.get("event"))]

    def calls(self) -> ResponseReturnValue:
        """API calls seen, oldest first, the last 2,000."""
        wanted = request.args.get("call")
        return [call for call in list(self._sandbox.calls) if wanted in (None, call["call"])]


def pay(sandbox: Sandbox, order: Order, body: dict[str, Any]) -> Order:
    """Money arrives as `body` says, or a lie about it. Late money for a closed order arrives too, unless `force` is
    false: then 409, as the real one would have it."""
    amount, delay = _paid_amount(body), _number(body, "delay_s", least=0)
    notify, force = body.get("notify", "now"), body.get("force", True)
    if notify not in NOTIFY:
        raise Wrong(400, f"notify must be one of {', '.join(NOTIFY)}.")
    if not isinstance(force, bool):
        raise Wrong(400, "force must be true or false.")
    if notify in ("forged", "altered"):
        sandbox.orders.pretend(order, amount, notify)
        return order
    with sandbox.store.lock:
        sandbox.orders.settle_due()
        late = force and order.status in ("CANCELED", "EXPIRED")
        if not order.is_open and not late:
            raise Wrong(409, f"The order is {order.status}; money can only come late to a closed one, with force.")
        sandbox.orders.pay(order, amount, notify, 5.0 if delay is None else delay)
    return order


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
        "paidAmount": None if paid is None else wire.short(paid), "description": order.description,
    }  # fmt: skip


def _paid_amount(body: dict[str, Any]) -> Decimal | None:
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
