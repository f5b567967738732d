"""Pages for people: the buttons, an order's checkout, and Calendly's scheduling page. They work without scripts."""

from __future__ import annotations

import calendar as months
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, redirect, render_template, request
from flask.typing import ResponseReturnValue

from . import control, faults, schedule, wire
from .control import Wrong
from .orders import Denied
from .schedule import BY_SLUG, EVENT_TYPES, TRACKING, USER_SLUG, EventType, Invitation, NotPossible
from .store import Event, Order
from .world import Sandbox

COLOURS = ("background_color", "text_color", "primary_color")


def build(sandbox: Sandbox) -> Blueprint:
    bp = Blueprint("pages", __name__, template_folder="templates")
    buttons, checkout, scheduling = Buttons(sandbox), Checkout(sandbox), Scheduling(sandbox)
    rules: dict[str, dict[str, Callable[..., ResponseReturnValue]]] = {
        "/": {"GET": buttons.index},
        "/buttons/orders/<number>/<action>": {"POST": buttons.order},
        "/buttons/events/<uuid>/<action>": {"POST": buttons.event},
        "/buttons/fault": {"POST": buttons.fault},
        "/buttons/<action>": {"POST": buttons.world},
        "/checkout/<token>": {"GET": checkout.show, "POST": checkout.act},
        "/qr/dplk<token>": {"GET": checkout.to_page},
        "/static/payment/<day>/<token>.jpg": {"GET": checkout.to_page},
        "/payment/secpay": {"GET": checkout.from_link},
        "/calendly/schedule/<user>": {"GET": scheduling.types},
        "/calendly/schedule/<user>/<slug>": {"GET": scheduling.show, "POST": scheduling.book},
        "/calendly/schedule/<user>/<slug>/<moment>": {"GET": scheduling.show, "POST": scheduling.book},
        "/calendly/cancellations/<invitee>": {"GET": scheduling.show_change, "POST": scheduling.cancel},
        "/calendly/reschedulings/<invitee>": {"GET": scheduling.show_change, "POST": scheduling.reschedule},
    }
    for rule, views in rules.items():
        for method, view in views.items():
            bp.add_url_rule(rule, f"{method}{rule}".replace(".", "_"), view, methods=[method])
    bp.add_app_template_filter(wire.short, "amount")
    bp.add_app_template_filter(_clock, "clock")
    return bp


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


class Buttons:
    """The page at /, and what its buttons do. The same functions as the control API."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def index(self, problem: str | None = None, status: int = 200) -> ResponseReturnValue:
        sandbox = self._sandbox
        sandbox.orders.settle_due()
        with sandbox.store.lock:
            orders = list(reversed(sandbox.store.orders.values()))[:200]
            events = list(reversed(sandbox.store.events.values()))[:200]
        return render_template(
            "index.html", orders=orders, events=events, armed=sandbox.faults.armed(), kinds=faults.KINDS["binance"],
            calls_of=faults.CALLS, types=EVENT_TYPES, calendar=sandbox.calendar, problem=problem,
            now=sandbox.store.now(), offset=sandbox.store.offset, keys=sandbox.keys.listed(),
            deliveries=list(sandbox.dispatcher.deliveries)[-20:][::-1], calls=list(sandbox.calls)[-20:][::-1],
        ), status  # fmt: skip

    def order(self, number: str, action: str) -> ResponseReturnValue:
        order = self._sandbox.store.order(number) or abort(404)
        actions = {
            "pay": lambda: control.pay(self._sandbox, order, _pay_form()),
            "close": lambda: self._sandbox.orders.close(order),
            "pending": lambda: self._sandbox.orders.start_paying(order),
            "expire": lambda: control.expire(self._sandbox, order),
            "refund": lambda: control.refund_by_hand(self._sandbox, order, _refund_form()),
        }
        return self._done(actions.get(action) or abort(404))

    def event(self, uuid: str, action: str) -> ResponseReturnValue:
        event = self._sandbox.store.events.get(uuid) or abort(404)
        actions = {
            "cancel": lambda: self._sandbox.calendar.cancel(event, None, event.name, "invitee"),
            "reschedule": lambda: self._sandbox.calendar.reschedule(event, None),
        }
        return self._done(actions.get(action) or abort(404))

    def fault(self) -> ResponseReturnValue:
        service, _, call = request.form.get("call", "").partition(" ")
        times = request.form.get("times", "1")
        entry = {"call": call, "fault": request.form.get("fault"), "times": int(times) if times.isdigit() else None}

        def arm() -> None:
            self._sandbox.faults.arm(faults.parse_faults({service: [entry]}))

        return self._done(arm)

    def world(self, action: str) -> ResponseReturnValue:
        actions = {
            "disarm": self._sandbox.faults.clear,
            "rotate-key": self._sandbox.keys.rotate,
            "clock": lambda: self._sandbox.store.advance(60 * float(request.form.get("minutes") or 0)),
            "reset": self._sandbox.reset,
        }
        return self._done(actions.get(action) or abort(404))

    def _done(self, action: Any) -> ResponseReturnValue:
        """Do it and show the page again, with the reason where it was not possible."""
        try:
            action()
        except Wrong as wrong:
            return self.index(wrong.message, wrong.status)
        except (Denied, NotPossible) as no:
            return self.index(str(no), 409)
        except ValueError as wrong:
            return self.index(str(wrong), 400)
        return redirect("/", 303)


class Checkout:
    """The page behind an order's QR code and links, with the buttons of a payer."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def show(self, token: str, problem: str | None = None, status: int = 200) -> ResponseReturnValue:
        order = self._order(token)
        self._sandbox.orders.settle_due()
        left = max(0, (order.expire_time - self._sandbox.orders.order_now(order)) // 1000)
        return render_template("checkout.html", order=order, left=left, problem=problem), status

    def act(self, token: str) -> ResponseReturnValue:
        order = self._order(token)
        try:
            if request.form.get("action") == "close":
                self._sandbox.orders.close(order)
            else:
                control.pay(self._sandbox, order, _pay_form())
        except Wrong as wrong:
            return self.show(token, wrong.message, wrong.status)
        except Denied as no:
            return self.show(token, no.message, 409)
        return redirect(f"/checkout/{token}", 303)

    def to_page(self, token: str, day: str = "") -> ResponseReturnValue:
        return redirect(f"/checkout/{self._order(token).token}")

    def from_link(self) -> ResponseReturnValue:
        return self.to_page(request.args.get("linkToken", "")[:32])

    def _order(self, token: str) -> Order:
        return self._sandbox.store.order_by_token(token) or abort(404)


def _pay_form() -> dict[str, Any]:
    form = request.form
    delay = form.get("delay_s", "")
    body: dict[str, Any] = {"notify": form.get("notify", "now"), "force": bool(form.get("force"))}
    if form.get("amount"):
        body["amount"] = form["amount"]
    if delay:
        body["delay_s"] = float(delay) if delay.replace(".", "", 1).isdigit() else delay
    return body


def _refund_form() -> dict[str, Any]:
    amount = request.form.get("amount")
    return {"amount": amount} if amount else {}


@dataclass(frozen=True)
class _Month:
    """One month of one event type as the page shows it."""

    first: date
    weeks: list[list[date]]
    free: dict[date, list[datetime]]
    chosen: date | None

    @property
    def previous(self) -> str:
        return f"{self.first - timedelta(days=1):%Y-%m}"

    @property
    def next(self) -> str:
        return f"{self.first + timedelta(days=32):%Y-%m}"


class Scheduling:
    """Calendly's own pages: made for an iframe of another origin, with the messages Calendly posts to it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox, self._calendar = sandbox, sandbox.calendar

    def types(self, user: str) -> ResponseReturnValue:
        if user != USER_SLUG:
            abort(404)
        return render_template("types.html", types=EVENT_TYPES, user=user, **_frame())

    def show(self, user: str, slug: str, moment: str = "") -> ResponseReturnValue:
        return self._page(self._kind(user, slug), moment)

    def book(self, user: str, slug: str, moment: str = "") -> ResponseReturnValue:
        """The form of the page, or the same fields from a test that asks for JSON."""
        kind = self._kind(user, slug)
        start = schedule.moment_from(request.values.get("start_time", moment))
        problem = _form_problem(start)
        if problem or start is None:
            return self._refused(kind, moment, problem or "Please choose a time.", 422)
        try:
            minutes = request.values.get("duration", type=int)
            event = self._calendar.schedule(kind, start, _invitation(self._calendar.zone.key), minutes)
        except NotPossible as no:
            return self._refused(kind, moment, str(no), 409)
        event_uri, invitee_uri = self._calendar.event_uri(event), self._calendar.invitee_uri(event)
        uris = {"event": {"uri": event_uri}, "invitee": {"uri": invitee_uri}}
        if _wants_json():
            times = {"start_time": schedule.when(event.start), "end_time": schedule.when(event.end)}
            return uris | times | {"id": event.uuid}, 201
        return render_template("scheduled.html", event=event, kind=kind, uris=uris, start=self._local(event),
                               **_frame()), 201  # fmt: skip

    def show_change(self, invitee: str, problem: str | None = None, status: int = 200) -> ResponseReturnValue:
        event = self._by_invitee(invitee)
        what = "reschedule" if "/reschedulings/" in request.path else "cancel"
        times = [
            datetime.fromtimestamp(start, self._calendar.zone)
            for start in self._calendar.free(BY_SLUG[event.slug], event.end, event.end + 14 * 86_400)
        ]
        return render_template("change.html", event=event, what=what, times=times[:60], problem=problem,
                               kind=BY_SLUG[event.slug], start=self._local(event)), status  # fmt: skip

    def cancel(self, invitee: str) -> ResponseReturnValue:
        event = self._by_invitee(invitee)
        try:
            self._calendar.cancel(event, request.form.get("reason") or None, event.name, "invitee")
        except NotPossible as no:
            return self.show_change(invitee, str(no), 409)
        return redirect(request.path, 303)

    def reschedule(self, invitee: str) -> ResponseReturnValue:
        event = self._by_invitee(invitee)
        start = schedule.moment_from(request.form.get("start_time"))
        try:
            fresh = self._calendar.reschedule(event, start)
        except NotPossible as no:
            return self.show_change(invitee, str(no), 409)
        return redirect(f"/calendly/reschedulings/{fresh.invitee_uuid}", 303)

    def _page(self, kind: EventType, moment: str, problem: str | None = None, status: int = 200) -> ResponseReturnValue:
        zone = self._zone()
        kept = {name: value for name, value in request.args.items() if name not in ("month", "date")}
        return render_template(
            "schedule.html", kind=kind, month=self._month(kind, zone), zone=zone.key, kept=kept, problem=problem,
            lengths=self._calendar.lengths(kind), values=request.values,
            chosen=schedule.moment_from(request.values.get("start_time", moment)),
            asked_zone=bool(request.args.get("timezone")), first_look=_is_first_look(), **_frame(),
        ), status  # fmt: skip

    def _refused(self, kind: EventType, moment: str, problem: str, status: int) -> ResponseReturnValue:
        if _wants_json():
            return {"title": "Invalid Argument", "message": problem}, status
        return self._page(kind, moment, problem, status)

    def _month(self, kind: EventType, zone: ZoneInfo) -> _Month:
        """The month asked for, or the first one with a free time; the day asked for, or the first free one."""
        day = _date_arg("date", "%Y-%m-%d")
        first = _date_arg("month", "%Y-%m") or (day.replace(day=1) if day else self._first_free_month(kind, zone))
        begin = datetime(first.year, first.month, 1, tzinfo=zone)
        after = first + timedelta(days=32)
        end = datetime(after.year, after.month, 1, tzinfo=zone)
        free: dict[date, list[datetime]] = {}
        for start in self._calendar.free(kind, begin.timestamp(), end.timestamp()):
            local = datetime.fromtimestamp(start, zone)
            free.setdefault(local.date(), []).append(local)
        weeks = months.Calendar().monthdatescalendar(first.year, first.month)
        return _Month(first, weeks, free, day if day in free else next(iter(free), None))

    def _first_free_month(self, kind: EventType, zone: ZoneInfo) -> date:
        now = self._sandbox.store.now()
        free = self._calendar.free(kind, now, now + schedule.HORIZON.total_seconds())
        return datetime.fromtimestamp(free[0] if free else now, zone).date().replace(day=1)

    def _zone(self) -> ZoneInfo:
        wanted = request.values.get("timezone")
        return ZoneInfo(wanted) if wanted and schedule.is_zone(wanted) else self._calendar.zone

    def _kind(self, user: str, slug: str) -> EventType:
        if user != USER_SLUG:
            abort(404)
        return BY_SLUG.get(slug) or abort(404)

    def _by_invitee(self, invitee: str) -> Event:
        with self._sandbox.store.lock:
            found = [event for event in self._sandbox.store.events.values() if event.invitee_uuid == invitee]
        return found[0] if found else abort(404)

    def _local(self, event: Event) -> datetime:
        return datetime.fromtimestamp(event.start, ZoneInfo(event.timezone))


def _form_problem(start: float | None) -> str | None:
    if start is None:
        return "Please choose a time."
    if not 1 <= len(request.values.get("name", "").strip()) <= 200:
        return "Please give your name."
    if not schedule.is_email(request.values.get("email", "").strip()):
        return "Please give a valid e-mail address."
    return None


def _invitation(default_zone: str) -> Invitation:
    zone = request.values.get("timezone")
    return Invitation(
        name=request.values["name"].strip(), email=request.values["email"].strip(),
        timezone=zone if zone and schedule.is_zone(zone) else default_zone,
        tracking={name: (request.values.get(name) or "")[:255] or None for name in TRACKING},
    )  # fmt: skip


def _frame() -> dict[str, Any]:
    """What the page around this one asks for: messages, given both its domain and the type of frame, and colours."""
    asked = request.args
    colours = {name: asked[name] for name in COLOURS if re.fullmatch("[0-9A-Fa-f]{6}", asked.get(name, ""))}
    return {"embedded": bool(asked.get("embed_domain")) and asked.get("embed_type") == "Inline", "colours": colours}


def _is_first_look() -> bool:
    """Calendly's page is one all the time; ours is loaded anew for each month and day, which is no other look at it."""
    return request.method == "GET" and "seen" not in request.args


def _wants_json() -> bool:
    return "application/json" in request.headers.get("Accept", "")


def _date_arg(name: str, form: str) -> date | None:
    try:
        found = datetime.strptime(request.args.get(name, ""), form).date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        return None
    return found if 2000 <= found.year <= 2100 else None
