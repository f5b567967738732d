"""Calendly API v2, as far as bookings need it: users, event types, times, events, invitees, webhook subscriptions.

Ids are URIs under this API's own base. One resource comes as `{"resource": …}`, lists as
`{"collection": […], "pagination": …}`. Errors are `{"title", "message", "details"?}`.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, g, request
from werkzeug.datastructures import ImmutableMultiDict

from . import schedule, wire
from .config import Config
from .schedule import BY_UUID, EVENT_TYPES, TRACKING, USER_UUID, Calendar, EventType, Invitation, NotPossible
from .store import Event, Store, Subscription
from .webhooks import is_loopback

LIMIT = 500
MAX_SPAN_S = 31 * 86_400
PAST_TOLERANCE_S = 60
WEBHOOK_EVENTS = {
    "invitee.created", "invitee.canceled", "invitee_no_show.created", "invitee_no_show.deleted",
    "routing_form_submission.created", "event_type.created", "event_type.updated", "event_type.deleted",
    "contact.created", "contact.updated", "contact.deleted",
}  # fmt: skip
_CALLS = (
    ("GET", r"/users/[^/]+", "me"),
    ("GET", r"/event_types(/[^/]+)?", "event_types"),
    ("GET", r"/event_type_available_times", "available_times"),
    ("GET", r"/scheduled_events", "events"),
    ("GET", r"/scheduled_events/[^/]+", "event"),
    ("GET", r"/scheduled_events/[^/]+/invitees(/[^/]+)?", "invitee"),
    ("POST", r"/scheduled_events/[^/]+/cancellation", "cancel"),
    ("POST", r"/invitees", "create_invitee"),
    (".*", r"/invitee_no_shows(/[^/]+)?", "no_show"),
    (".*", r"/webhook_subscriptions(/[^/]+)?", "webhook_subscriptions"),
)
# What a token has to be allowed for each call; `:write` includes `:read`.
_SCOPES = {
    "me": "users:read", "event_types": "event_types:read", "available_times": "availability:read",
    "events": "scheduled_events:read", "event": "scheduled_events:read", "invitee": "scheduled_events:read",
    "cancel": "scheduled_events:write", "create_invitee": "scheduled_events:write",
    "no_show": "scheduled_events:write",
}  # fmt: skip
_PAGES = ("/calendly/schedule/", "/calendly/cancellations/", "/calendly/reschedulings/")


def is_api(path: str) -> bool:
    return path.startswith("/calendly/") and not path.startswith(_PAGES)


def call_name(method: str, path: str) -> str:
    """The name faults and the list of calls use for a call of this API."""
    path = path.removeprefix("/calendly")
    for verb, pattern, name in _CALLS:
        if re.fullmatch(verb, method) and re.fullmatch(pattern, path):
            return name
    return "unknown"


class ApiError(Exception):
    def __init__(self, status: int, title: str, message: str, parameter: str | None = None) -> None:
        super().__init__(message)
        self.status, self.title, self.message, self.parameter = status, title, message, parameter


def invalid(message: str, parameter: str | None = None) -> ApiError:
    return ApiError(400, "Invalid Argument", message, parameter)


def not_found() -> ApiError:
    return ApiError(404, "Resource Not Found", "The server could not find the requested resource.")


class Minute:
    """How often the API was called in this minute of the clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        self._minute, self._calls = 0, 0

    def count(self) -> int:
        """One more."""
        with self._lock:
            minute = int(time.time() // 60)
            self._calls = self._calls + 1 if minute == self._minute else 1
            self._minute = minute
            return self._calls


def build(config: Config, store: Store, calendar: Calendar, minute: Minute) -> Blueprint:
    bp = Blueprint("calendly", __name__, url_prefix="/calendly")
    api = Api(config, store, calendar, minute)
    for verb, rule, view in (
        ("GET", "/users/<uuid>", api.user),
        ("GET", "/event_types", api.event_types),
        ("GET", "/event_types/<uuid>", api.event_type),
        ("GET", "/event_type_available_times", api.available_times),
        ("GET", "/scheduled_events", api.events),
        ("GET", "/scheduled_events/<uuid>", api.event),
        ("POST", "/scheduled_events/<uuid>/cancellation", api.cancel),
        ("GET", "/scheduled_events/<uuid>/invitees", api.invitees),
        ("GET", "/scheduled_events/<uuid>/invitees/<invitee>", api.invitee),
        ("POST", "/invitees", api.create_invitee),
        ("POST", "/invitee_no_shows", api.mark_no_show),
        ("GET", "/invitee_no_shows/<uuid>", api.no_show),
        ("DELETE", "/invitee_no_shows/<uuid>", api.unmark_no_show),
        ("GET", "/webhook_subscriptions", api.subscriptions),
        ("POST", "/webhook_subscriptions", api.subscribe),
        ("GET", "/webhook_subscriptions/<uuid>", api.subscription),
        ("DELETE", "/webhook_subscriptions/<uuid>", api.unsubscribe),
    ):
        bp.add_url_rule(rule, f"{verb}{rule}", view, methods=[verb])
    bp.before_request(api.check)
    bp.before_request(_with_asked_in_body)
    bp.after_request(api.with_limits)
    bp.register_error_handler(ApiError, _error)
    return bp


def _with_asked_in_body() -> None:
    """What a GET asks for may come as a JSON body instead of a query: published clients (pycalendly) do it that way."""
    body = request.get_json(silent=True) if request.method == "GET" else None
    if isinstance(body, dict):
        said = {name: str(value) for name, value in body.items() if value is not None}
        request.args = ImmutableMultiDict({**said, **request.args.to_dict()})


class Api:
    def __init__(self, config: Config, store: Store, calendar: Calendar, minute: Minute) -> None:
        self._config, self._store, self._calendar, self._minute = config, store, calendar, minute

    # --- who, and how often ---

    def check(self) -> None:
        if request.headers.get("Authorization", "") != f"Bearer {self._config.calendly_token}":
            raise ApiError(401, "Unauthenticated", "The access token is invalid")
        self._check_scope()
        calls, strict = self._minute.count(), self._calendar.settings.enforce_rate_limit
        g.calendly_left = max(LIMIT - calls, 0 if strict else 1)
        if calls > LIMIT and strict:
            raise ApiError(429, "Too Many Requests", "Rate limit exceeded.")

    def _check_scope(self) -> None:
        granted = self._calendar.settings.calendly_scopes.split()
        call = call_name(request.method, request.path)
        needed = _SCOPES.get(call, "webhooks:read" if request.method == "GET" else "webhooks:write")
        fits = {needed, needed.replace(":read", ":write")}
        if granted and not fits & set(granted):
            raise ApiError(403, "Permission Denied", "You do not have permission to access this resource.")

    def with_limits(self, response: Response) -> Response:
        response.headers["X-RateLimit-Limit"] = str(LIMIT)
        response.headers["X-RateLimit-Remaining"] = str(g.get("calendly_left", LIMIT))
        response.headers["X-RateLimit-Reset"] = str(60 - int(time.time() % 60))
        return response

    # --- users and event types ---

    def user(self, uuid: str) -> Response:
        if uuid not in ("me", USER_UUID):
            raise not_found()
        return _resource(self._calendar.user())

    def event_types(self) -> Response:
        self._check_owner("user", "organization")
        active = request.args.get("active")
        if active not in (None, "true", "false"):
            raise invalid("must be a boolean", "active")
        kinds = [] if active == "false" else list(EVENT_TYPES)
        order, _, way = request.args.get("sort", "name:asc").partition(":")
        kinds.sort(key=(lambda kind: kind.position) if order == "position" else (lambda kind: kind.name),
                   reverse=way == "desc")  # fmt: skip
        return _page([self._calendar.event_type(kind) for kind in kinds], f"{self._calendar.base}/event_types")

    def event_type(self, uuid: str) -> Response:
        kind = BY_UUID.get(uuid)
        if not kind:
            raise not_found()
        return _resource(self._calendar.event_type(kind))

    def available_times(self) -> Response:
        """All three parameters; not in the past; at most 31 days; no pagination."""
        kind = self._kind_of(request.args.get("event_type"), "event_type")
        start, end = _moment_arg("start_time"), _moment_arg("end_time")
        if start is None or end is None:
            raise invalid("can't be blank", "start_time" if start is None else "end_time")
        if start < self._store.now() - PAST_TOLERANCE_S:
            raise invalid("start_time must be in the future", "start_time")
        if end <= start:
            raise invalid("end_time must be after start_time", "end_time")
        if end - start > MAX_SPAN_S:
            raise invalid("date range can not be greater than 31 days", "end_time")
        times = [self._time(kind, free) for free in self._calendar.free(kind, start, end)]
        return _json({"collection": times}, 200)

    def _time(self, kind: EventType, start: float) -> dict[str, Any]:
        text = schedule.when(start)[:19] + "Z"
        page = f"{self._calendar.page(kind)}/{text}?month={text[:7]}&date={text[:10]}"
        return {"status": "available", "invitees_remaining": 1, "start_time": text, "scheduling_url": page}

    # --- events ---

    def events(self) -> Response:
        self._check_owner("user", "organization", "group")
        with self._store.lock:
            found = [event for event in self._store.events.values() if self._wanted(event)]
        way = request.args.get("sort", "start_time:asc")
        if way not in ("start_time:asc", "start_time:desc"):
            raise invalid("must be start_time:asc or start_time:desc", "sort")
        found.sort(key=lambda event: event.start, reverse=way.endswith("desc"))
        return _page([self._calendar.event(event) for event in found], f"{self._calendar.base}/scheduled_events")

    def _wanted(self, event: Event) -> bool:
        status, email = request.args.get("status"), request.args.get("invitee_email")
        low, high = _moment_arg("min_start_time"), _moment_arg("max_start_time")
        if status not in (None, "active", "canceled"):
            raise invalid("must be active or canceled", "status")
        return (
            (status is None or event.status == status)
            and (email is None or event.email.lower() == email.lower())
            and (low is None or event.start >= low)
            and (high is None or event.start <= high)
        )

    def event(self, uuid: str) -> Response:
        return _resource(self._calendar.event(self._event(uuid)))

    def cancel(self, uuid: str) -> Response:
        """201 with the cancellation; 403 when there is nothing to cancel any more."""
        event, reason = self._event(uuid), _body(empty=True).get("reason")
        if reason is not None and (not isinstance(reason, str) or len(reason) > 10_000):
            raise invalid("is too long (maximum is 10000 characters)", "reason")
        try:
            return _resource(self._calendar.cancel(event, reason, schedule.USER_NAME, "host"), 201)
        except NotPossible as no:
            raise ApiError(403, "Permission Denied", str(no)) from no

    def invitees(self, uuid: str) -> Response:
        event = self._event(uuid)
        status, email = request.args.get("status"), request.args.get("email")
        wanted = status in (None, event.status) and (email is None or email.lower() == event.email.lower())
        shown = [self._calendar.invitee(event)] if wanted else []
        return _page(shown, f"{self._calendar.event_uri(event)}/invitees")

    def invitee(self, uuid: str, invitee: str) -> Response:
        event = self._event(uuid)
        if invitee != event.invitee_uuid:
            raise not_found()
        return _resource(self._calendar.invitee(event))

    def create_invitee(self) -> Response:
        """Books without the page. A taken time is a 400 like any other; a repeat books again if it can."""
        body = _body()
        kind = self._kind_of(body.get("event_type"), "event_type")
        start = schedule.moment_from(body.get("start_time"))
        if start is None:
            raise invalid("is invalid", "start_time")
        try:
            event = self._calendar.schedule(kind, start, _invitation(body))
        except NotPossible as no:
            raise invalid(str(no), "start_time") from no
        return _resource(self._calendar.invitee(event), 201)

    def mark_no_show(self) -> Response:
        event = self._event_of(_body().get("invitee"))
        self._marked(event, came=False)
        return _resource(self._no_show_of(event), 201)

    def no_show(self, uuid: str) -> Response:
        return _resource(self._no_show_of(self._event(uuid)))

    def unmark_no_show(self, uuid: str) -> Response:
        event = self._event(uuid)
        self._no_show_of(event)
        self._marked(event, came=True)
        return Response(status=204)

    def _marked(self, event: Event, *, came: bool) -> None:
        try:
            self._calendar.mark_no_show(event, came=came)
        except NotPossible as no:
            raise invalid(str(no), "invitee") from no

    def _no_show_of(self, event: Event) -> dict[str, Any]:
        found = self._calendar.no_show(event)
        if not found:
            raise not_found()
        return {**found, "invitee": self._calendar.invitee_uri(event), "updated_at": found["created_at"]}

    def _event_of(self, invitee_uri: object) -> Event:
        for event in list(self._store.events.values()):
            if invitee_uri == self._calendar.invitee_uri(event):
                return event
        raise invalid("is invalid", "invitee")

    # --- webhook subscriptions ---

    def subscriptions(self) -> Response:
        scope = request.args.get("scope")
        if request.args.get("organization") != self._calendar.organization_uri():
            raise invalid("is invalid", "organization")
        if scope not in ("user", "organization"):
            raise invalid("is invalid", "scope")
        with self._store.lock:
            found = [subscription for subscription in self._store.subscriptions.values() if subscription.scope == scope]
        shown = [self._calendar.subscription(subscription) for subscription in found]
        return _page(shown, f"{self._calendar.base}/webhook_subscriptions")

    def subscribe(self) -> Response:
        subscription = self._new_subscription(_body())
        with self._store.lock:
            known = [
                old
                for old in self._store.subscriptions.values()
                if old.url == subscription.url and old.scope == subscription.scope
            ]
            if known:
                raise ApiError(409, "Already Exists", "Hook with this url already exists")
            self._store.put("subscriptions", subscription.uuid, subscription)
        return _resource(self._calendar.subscription(subscription), 201)

    def _new_subscription(self, body: dict[str, Any]) -> Subscription:
        url, events, scope = body.get("url"), body.get("events"), body.get("scope", "organization")
        if not isinstance(url, str) or not is_loopback(url):
            raise invalid("must be on this machine: the sandbox calls nobody else", "url")
        if not isinstance(events, list) or not events or not set(map(str, events)) <= WEBHOOK_EVENTS:
            raise invalid("is invalid", "events")
        if body.get("organization", self._calendar.organization_uri()) != self._calendar.organization_uri():
            raise invalid("is invalid", "organization")
        if scope not in ("user", "organization"):
            raise invalid("is invalid", "scope")
        user, key = body.get("user"), body.get("signing_key")
        if user not in (None, self._calendar.user_uri()) or (scope == "user" and user is None):
            raise invalid("is invalid", "user")
        if key is not None and not isinstance(key, str):
            raise invalid("is invalid", "signing_key")
        return Subscription(uuid=self._store.uuid(), url=url, events=events, scope=scope, created=self._store.now(),
                            user=user, signing_key=key)  # fmt: skip

    def subscription(self, uuid: str) -> Response:
        return _resource(self._calendar.subscription(self._subscription(uuid)))

    def unsubscribe(self, uuid: str) -> Response:
        self._store.put("subscriptions", self._subscription(uuid).uuid, None)
        return Response(status=204)

    # --- finding things ---

    def _event(self, uuid: str) -> Event:
        event = self._store.events.get(uuid)
        if not event:
            raise not_found()
        return event

    def _subscription(self, uuid: str) -> Subscription:
        subscription = self._store.subscriptions.get(uuid)
        if not subscription:
            raise not_found()
        return subscription

    def _kind_of(self, uri: object, parameter: str) -> EventType:
        for kind in EVENT_TYPES:
            if uri == self._calendar.type_uri(kind):
                return kind
        raise invalid("can't be blank" if not uri else "is invalid", parameter)

    def _check_owner(self, *names: str) -> None:
        """One of these must be given, and be ours: another account's things may not be read."""
        given = {name: request.args[name] for name in names if name in request.args}
        if not given:
            raise invalid(f"one of {', '.join(names)} is required", names[0])
        ours = {"user": self._calendar.user_uri(), "organization": self._calendar.organization_uri()}
        if any(value != ours.get(name) for name, value in given.items()):
            raise ApiError(403, "Permission Denied", "You do not have permission to access this resource.")


def _invitation(body: dict[str, Any]) -> Invitation:
    invitee = body.get("invitee")
    if not isinstance(invitee, dict):
        raise invalid("can't be blank", "invitee")
    name = invitee.get("name") or " ".join(
        part for part in (invitee.get("first_name"), invitee.get("last_name")) if isinstance(part, str)
    )
    if not isinstance(name, str) or not name.strip():
        raise invalid("can't be blank", "invitee.name")
    if not schedule.is_email(invitee.get("email")):
        raise invalid("is invalid", "invitee.email")
    if not schedule.is_zone(invitee.get("timezone")):
        raise invalid("is invalid", "invitee.timezone")
    return Invitation(
        name=name, email=invitee["email"], timezone=invitee["timezone"], tracking=_tracking(body.get("tracking")),
        answers=tuple(_list(body, "questions_and_answers", dict)), guests=tuple(_list(body, "event_guests", str, 10)),
        method="api",
    )  # fmt: skip


def _tracking(value: object) -> dict[str, str | None]:
    """Nothing, or all six keys."""
    if value is None:
        return dict.fromkeys(TRACKING)
    if not isinstance(value, dict) or set(value) != set(TRACKING):
        raise invalid(f"must have {', '.join(TRACKING)}", "tracking")
    if any(text is not None and (not isinstance(text, str) or len(text) > 255) for text in value.values()):
        raise invalid("is invalid", "tracking")
    return value


def _list(body: dict[str, Any], name: str, kind: type, most: int = 100) -> list[Any]:
    value = body.get(name) or []
    if not isinstance(value, list) or len(value) > most or not all(isinstance(item, kind) for item in value):
        raise invalid("is invalid", name)
    return value


def _moment_arg(name: str) -> float | None:
    text = request.args.get(name)
    if text is None:
        return None
    moment = schedule.moment_from(text)
    if moment is None:
        raise invalid("is invalid", name)
    return moment


def _body(empty: bool = False) -> dict[str, Any]:
    raw = request.get_data()
    if empty and not raw.strip():
        return {}
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise ApiError(400, "Invalid Argument", "The request body is not a JSON object.")
    return body


def _page(items: Sequence[dict[str, Any]], url: str) -> Response:
    """One page of a list. The token is the place to go on from."""
    count = request.args.get("count", "20")
    if not count.isdigit() or not 1 <= int(count) <= 100:
        raise invalid("must be between 1 and 100", "count")
    size, start = int(count), _place(request.args.get("page_token"))
    after = start + size if start + size < len(items) else None
    before = max(start - size, 0) if start > 0 else None
    return _json({
        "collection": items[start : start + size],
        "pagination": {
            "count": len(items[start : start + size]), "next_page": _link(url, after),
            "previous_page": _link(url, before), "next_page_token": _token(after),
            "previous_page_token": _token(before),
        },
    }, 200)  # fmt: skip


def _token(place: int | None) -> str | None:
    return None if place is None else base64.urlsafe_b64encode(f"from:{place}".encode()).decode().rstrip("=")


def _place(token: str | None) -> int:
    if not token:
        return 0
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
        return int(text.removeprefix("from:"))
    except ValueError:
        raise invalid("is invalid", "page_token") from None


def _link(url: str, place: int | None) -> str | None:
    if place is None:
        return None
    return f"{url}?{urlencode(request.args.to_dict() | {'page_token': _token(place)})}"


def _resource(value: dict[str, Any], status: int = 200) -> Response:
    return _json({"resource": value}, status)


def _json(body: object, status: int) -> Response:
    return Response(wire.dumps(body), status, mimetype="application/json")


def _error(error: ApiError) -> Response:
    body: dict[str, Any] = {"title": error.title, "message": error.message}
    if error.parameter:
        body["message"] = "The supplied parameters are invalid."
        body["details"] = [{"parameter": error.parameter, "message": error.message}]
    g.outcome = str(error.status)
    return _json(body, error.status)
