"""The part of Calendly API v2 we use: event types, free times, one event and invitee, booking, cancelling.

https://developer.calendly.com/api-docs · ids are URIs; slots cannot be held, and there is no pending state.
A URI from a browser is checked against our own pattern before a request with our token is made.
"""

import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from inspired.adapters.providers.http import Answer, Http
from inspired.domain.booking.booking import Slot
from inspired.domain.booking.states import CalendarKind
from inspired.domain.shared.errors import BadSignature, Invalid, SlotTaken, UpstreamError
from inspired.domain.shared.slots import Span
from inspired.domain.site.preferences import one_line

LONGEST_NAME = 255  # undocumented: a common column length
LONGEST_REASON = 10_000  # https://developer.calendly.com/api-docs, "Cancel Event"
SERVICE = "calendly"
SOURCE = "inspired-analyst"  # utm_source of bookings made through us
MOST_PAGES = 20
MOST_MOVES = 50  # of one event in a row
LONGEST_PAUSE = 60.0  # seconds, whatever the rate-limit headers say
REFUSED = {
    401: "it refuses our token",
    403: "our token is not allowed to do this",
    429: "too many calls in a minute",
}
# Permissions our token needs: https://developer.calendly.com/scopes · `:write` includes `:read`.
SCOPES = (
    "users:read",
    "event_types:read",
    "availability:read",
    "scheduled_events:write",
    "webhooks:write",
)
NOBODY = "00000000-0000-0000-0000-000000000000"
SIGNATURE = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")
KEEP_EVENT_TYPES = 300.0  # seconds
COLOURS = {"background_color": "ffffff", "text_color": "17221e", "primary_color": "0b5d4a"}  # static/app.css, light


@dataclass(frozen=True, slots=True)
class EventType:
    """`says`: name, description and questions, any of which could mention a price; `asks`: the required questions;
    `places`: possible locations, by Calendly's kind and text. `options`: lengths in minutes the invitee may choose
    from; empty if there is only `minutes`."""

    uri: str
    slug: str
    scheduling_url: str
    minutes: int
    is_paid: bool = False  # Calendly itself collects money for it
    is_for_one: bool = True
    says: str = ""
    asks: tuple[str, ...] = ()
    places: tuple[tuple[str, str], ...] = ()
    options: tuple[int, ...] = ()

    def lengths(self, *, in_frame: bool) -> tuple[int, ...]:
        """Possible event lengths in minutes: the iframe offers a choice, the API always uses the type's own length."""
        return (in_frame and self.options) or (self.minutes,)


@dataclass(frozen=True, slots=True)
class Scheduled:
    """One event with its invitee, as Calendly has them now. `token` is the utm_content our page sent; `old_invitee_uri`
    the invitee it was moved from."""

    event_uri: str
    invitee_uri: str
    event_type_uri: str
    span: Span
    active: bool
    token: str
    email: str
    name: str
    zone: str
    old_invitee_uri: str = ""

    @property
    def slot(self) -> Slot:
        return Slot(self.span, self.zone, CalendarKind.CALENDLY, self.event_uri, self.invitee_uri)


@dataclass(frozen=True, slots=True)
class Upcoming:
    """An active event in the future."""

    event_uri: str
    event_type_uri: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of an event: where it is now, or, if it is gone, who cancelled it."""

    now: Scheduled | None
    by_host: bool = False
    at: datetime | None = None  # when it was first moved or cancelled; `by_host`: not by the customer


@dataclass(frozen=True, slots=True)
class Subscription:
    """A webhook subscription. Calendly silently disables one that has failed for a day."""

    uri: str
    url: str
    is_active: bool
    events: frozenset[str]


@dataclass(frozen=True, slots=True)
class Notified:
    """The content of a webhook: the invitees it names (two after a reschedule), and the token our page sent."""

    id: str
    what: str
    invitee_uris: tuple[str, ...]
    token: str


@contextmanager
def _reading() -> Iterator[None]:
    """Any deviation from the documented answer counts as a failure of the service."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise UpstreamError(SERVICE, "the answer has another shape") from None


class _Purse:
    """The remaining calls, from the last answer's rate-limit headers. When they are used up, calls wait for the
    reset."""

    def __init__(self) -> None:
        self._limit, self._left, self._filled_at = 0, 0, 0.0

    @property
    def is_short(self) -> bool:
        return time.monotonic() < self._filled_at and self._left * 10 < self._limit

    def check(self) -> None:
        if self._left <= 0 and time.monotonic() < self._filled_at:
            raise UpstreamError(SERVICE, REFUSED[429], maybe_applied=False, code="429")

    def learn(self, answer: Answer) -> None:
        told = [answer.headers.get(f"x-ratelimit-{name}", "") for name in ("limit", "remaining", "reset")]
        if not all(part.isascii() and part.isdigit() and len(part) < 7 for part in told):
            return
        self._limit, self._left, seconds = map(int, told)
        self._filled_at = time.monotonic() + min(seconds, LONGEST_PAUSE)


class Calendly:
    def __init__(self, http: Http, *, base_url: str, token: str) -> None:
        self._http = http
        self._base = base_url
        self._token = token
        segment = r"[A-Za-z0-9_-]{1,64}"
        self._event = re.compile(rf"{re.escape(base_url)}/scheduled_events/{segment}")
        self._invitee = re.compile(rf"({re.escape(base_url)}/scheduled_events/{segment})/invitees/{segment}")
        self._types: dict[str, EventType] = {}
        self._types_at = 0.0
        self._lock = threading.Lock()
        # https://developer.calendly.com/api-docs/overview/rate-limits · Booking has its own limits.
        self._bookings, self._others = _Purse(), _Purse()

    @property
    def is_short(self) -> bool:
        """True if few calls are left this minute: whatever can wait leaves them to customers."""
        return self._others.is_short

    @_reading()
    def event_types(self, *, seconds: float = 2.0) -> dict[str, EventType]:
        """The account's active event types by slug, cached for five minutes."""
        with self._lock:
            if self._types and time.monotonic() - self._types_at < KEEP_EVENT_TYPES:
                return self._types
            me = self._me(seconds)
            listed = self._get(
                f"{self._base}/event_types", {"user": str(me["uri"]), "active": "true", "count": "100"}, seconds
            )
            self._types = {
                event_type.slug: event_type for event_type in (_event_type(item) for item in listed["collection"])
            }
            self._types_at = time.monotonic()
            return self._types

    def event_type(self, slug: str, *, seconds: float = 2.0) -> EventType:
        found = self.event_types(seconds=seconds).get(slug)
        if found is None:
            raise UpstreamError(SERVICE, f"no active event type with the slug {slug}", retryable=False)
        return found

    @_reading()
    def free(self, slug: str, window: Span, *, seconds: float = 2.0) -> list[Span]:
        """Free calls of this type that start in the window (31 days at most, not in the past), ascending."""
        event_type = self.event_type(slug, seconds=seconds)
        found = self._get(
            f"{self._base}/event_type_available_times",
            {"event_type": event_type.uri, "start_time": _stamp(window.start), "end_time": _stamp(window.end)},
            seconds,
        )
        starts = sorted(_moment(item["start_time"]) for item in found["collection"] if item["status"] == "available")
        length = event_type.minutes * 60
        return [Span(start, datetime.fromtimestamp(start.timestamp() + length, UTC)) for start in starts]

    def frame_url(self, slug: str, token: str, site_host: str, **filled_in: str) -> str:
        """The same page for an iframe. Without embed_domain Calendly posts no message to the surrounding page."""
        embedded = {"embed_domain": site_host, "embed_type": "Inline", "hide_event_type_details": "1"}
        return f"{self.page_url(slug, token, **filled_in)}&{urlencode(embedded)}"

    def page_url(self, slug: str, token: str, **filled_in: str) -> str:
        """The scheduling page for one booking, in the site's colours. `filled_in`: name and email if known, or other
        colours."""
        known = {name: value for name, value in filled_in.items() if value}
        asked = {**COLOURS, "utm_source": SOURCE, "utm_content": token, **known}
        return f"{self.event_type(slug).scheduling_url}?{urlencode(asked)}"

    @_reading()
    def scheduled(self, event_uri: str, invitee_uri: str, *, seconds: float = 2.0) -> Scheduled:
        """Read both back through the API. Raises Invalid for URIs that are not Calendly's or do not belong together."""
        match = self._invitee.fullmatch(invitee_uri)
        if match is None or match[1] != event_uri:
            raise Invalid("This does not look like a Calendly booking.")
        event = self._get(event_uri, {}, seconds)["resource"]
        invitee = self._get(invitee_uri, {}, seconds)["resource"]
        return Scheduled(
            event_uri=event_uri,
            invitee_uri=invitee_uri,
            event_type_uri=str(event["event_type"]),
            span=Span(_moment(event["start_time"]), _moment(event["end_time"])),
            active=event["status"] == "active" and invitee["status"] == "active",
            token=str((invitee.get("tracking") or {}).get("utm_content") or ""),
            email=str(invitee.get("email") or ""),
            name=str(invitee.get("name") or ""),
            zone=str(invitee.get("timezone") or "UTC"),
            old_invitee_uri=str(invitee.get("old_invitee") or ""),
        )

    @_reading()
    def upcoming(self, now: datetime, *, seconds: float = 5.0) -> list[Upcoming]:
        """Every active event that starts after `now`, whoever booked it."""
        listed = self._events({"min_start_time": _stamp(now)}, seconds)
        return [
            Upcoming(str(event["uri"]), str(event["event_type"]), _moment(event["created_at"]))
            for event in listed
            if self._event.fullmatch(event["uri"])
        ]

    @_reading()
    def invited(self, event_uri: str, *, seconds: float = 5.0) -> Scheduled | None:
        """The event of `upcoming` with its invitee; None if there is no active one any more."""
        listed = self._get(f"{event_uri}/invitees", {"status": "active"}, seconds)
        uris = [str(item["uri"]) for item in listed["collection"]]
        scheduled = self._read_back(event_uri, uris[0], seconds) if uris else None
        return scheduled if scheduled is not None and scheduled.active else None

    @_reading()
    def find(
        self, token: str, made_after: datetime, *, start: datetime | None = None, seconds: float = 5.0
    ) -> list[tuple[str, str]]:
        """Events and invitees with this token, oldest first. Checks only upcoming active events made after the token's
        draft; with `start`, only those that start then."""
        found: list[tuple[datetime, str, str]] = []
        for event in self._events({"min_start_time": _stamp(made_after)}, seconds):
            if start is not None and _moment(event["start_time"]) != start:
                continue
            made_at = _moment(event["created_at"])
            if made_at >= made_after.replace(microsecond=0) and self._event.fullmatch(event["uri"]):
                found += [(made_at, event["uri"], uri) for uri in self._invitees(event["uri"], token, seconds)]
        return [(event_uri, invitee_uri) for _, event_uri, invitee_uri in sorted(found)]

    def _events(self, wanted: dict[str, str], seconds: float) -> Iterator[dict[str, Any]]:
        """The account's active events, page by page."""
        asked = {"user": self._me(seconds)["uri"], "status": "active", "count": "100", **wanted}
        for _ in range(MOST_PAGES):
            listed = self._get(f"{self._base}/scheduled_events", asked, seconds)
            yield from listed["collection"]
            more = (listed.get("pagination") or {}).get("next_page_token")
            if not more:
                break
            asked = {**asked, "page_token": str(more)}

    def _invitees(self, event_uri: str, token: str, seconds: float) -> list[str]:
        listed = self._get(f"{event_uri}/invitees", {"status": "active"}, seconds)
        return [
            str(invitee["uri"])
            for invitee in listed["collection"]
            if (invitee.get("tracking") or {}).get("utm_content") == token
        ]

    @_reading()
    def book(
        self,
        *,
        slug: str,
        start: datetime,
        name: str,
        email: str,
        zone: str,
        token: str,
        made_after: datetime,
        seconds: float = 5.0,
    ) -> Scheduled:
        """Book this time for this person. Calendly would book again with every call, so we first look (with
        `made_after` as in `find`) for an active event with this token and start, and return it. So a caller who missed
        the answer can simply call again. Raises SlotTaken only if Calendly refused and the time is verifiably no longer
        free."""
        if (already := self._booked(token, start, made_after, seconds)) is not None:
            return already
        wish = {
            "event_type": self.event_type(slug, seconds=seconds).uri,
            "start_time": _stamp(start),
            "invitee": {"name": field_text(name, LONGEST_NAME) or email, "email": email, "timezone": zone},
            "tracking": _tracking(token),
        }
        try:
            made = self._call("POST", f"{self._base}/invitees", seconds, body=wish)["resource"]
        except UpstreamError as error:
            # Calendly answers the same 400 for a taken slot and for an invalid address.
            if error.code != "400" or self._is_free(slug, start, seconds):
                raise
            # It may be ours: an earlier call whose answer was lost can take effect after our check.
            if (already := self._booked(token, start, made_after, seconds)) is not None:
                return already
            raise SlotTaken("Somebody was faster: this time is taken. Please choose another one.") from None
        return self._read_back(str(made["event"]), str(made["uri"]), seconds)

    def _booked(self, token: str, start: datetime, made_after: datetime, seconds: float) -> Scheduled | None:
        """The active event with this token and start."""
        for event_uri, invitee_uri in self.find(token, made_after, start=start, seconds=seconds):
            scheduled = self._read_back(event_uri, invitee_uri, seconds)
            if scheduled.active and scheduled.span.start == start:
                return scheduled
        return None

    def _is_free(self, slug: str, start: datetime, seconds: float) -> bool:
        """Searches from a minute before: whether a window includes its first moment is undocumented."""
        begin = start - timedelta(minutes=1)
        return any(
            span.start == start for span in self.free(slug, Span(begin, begin + timedelta(days=1)), seconds=seconds)
        )

    def _read_back(self, event_uri: str, invitee_uri: str, seconds: float) -> Scheduled:
        """Read what Calendly has just named. It must exist, so any failure to read it is worth a retry."""
        try:
            return self.scheduled(event_uri, invitee_uri, seconds=seconds)
        except Invalid:
            raise UpstreamError(SERVICE, "the answer has another shape") from None
        except UpstreamError as error:
            raise UpstreamError(SERVICE, "what it named to us cannot be read", code=error.code) from error

    @_reading()
    def is_active(self, event_uri: str, *, seconds: float = 5.0) -> bool:
        if self._event.fullmatch(event_uri) is None:
            raise UpstreamError(SERVICE, "not an event of ours", retryable=False)
        try:
            return bool(self._get(event_uri, {}, seconds)["resource"]["status"] == "active")
        except UpstreamError as error:
            if error.code == "404":
                return False
            raise

    @_reading()
    def follow(self, invitee_uri: str, *, seconds: float = 5.0) -> Followed:
        """A reschedule makes a new event and invitee, named in the old one: follow them to the last."""
        first: tuple[bool, str | None] = (False, None)
        for hop in range(MOST_MOVES):
            match = self._invitee.fullmatch(invitee_uri)
            if match is None:
                raise UpstreamError(SERVICE, "not an invitee of ours", retryable=False)
            invitee = self._get(invitee_uri, {}, seconds)["resource"]
            cancellation = invitee.get("cancellation") or {}
            said = (cancellation.get("canceler_type") == "host", cancellation.get("created_at"))
            first = said if hop == 0 else first
            if invitee.get("rescheduled") and invitee.get("new_invitee"):
                invitee_uri = str(invitee["new_invitee"])
                continue
            found = self.scheduled(match[1], invitee_uri, seconds=seconds)
            by_host, at = first if found.active else said
            return Followed(found if found.active else None, by_host, _moment(at) if at else None)
        raise UpstreamError(SERVICE, "it was moved too often", retryable=False)

    @_reading()
    def move_url(self, invitee_uri: str, *, seconds: float = 2.0) -> str:
        """Calendly's reschedule page for this invitee; "" if there is none."""
        if self._invitee.fullmatch(invitee_uri) is None:
            raise UpstreamError(SERVICE, "not an invitee of ours", retryable=False)
        return str(self._get(invitee_uri, {}, seconds)["resource"].get("reschedule_url") or "")

    def cancel(self, event_uri: str, reason: str, *, seconds: float = 5.0) -> None:
        """Cancel the event; an event cancelled already is fine (Calendly answers 403 then, so it is read back)."""
        if self._event.fullmatch(event_uri) is None:
            raise UpstreamError(SERVICE, "not an event of ours", retryable=False)
        try:
            body = {"reason": field_text(reason, LONGEST_REASON)}
            self._call("POST", f"{event_uri}/cancellation", seconds, body=body)
        except UpstreamError:
            if self.is_active(event_uri, seconds=seconds):
                raise

    @_reading()
    def tell_no_show(self, invitee_uri: str, *, came: bool, seconds: float = 5.0) -> None:
        """Copy the owner's statement to Calendly; nothing is done if it is already there."""
        if self._invitee.fullmatch(invitee_uri) is None:
            raise UpstreamError(SERVICE, "not an invitee of ours", retryable=False)
        marked = self._get(invitee_uri, {}, seconds)["resource"].get("no_show")
        if marked and came:
            self._call("DELETE", self._ours(str(marked["uri"]), "invitee_no_shows"), seconds)
        elif not marked and not came:
            self._call("POST", f"{self._base}/invitee_no_shows", seconds, body={"invitee": invitee_uri})

    @_reading()
    def subscriptions(self, *, seconds: float = 5.0) -> list[Subscription]:
        """The account's own subscriptions."""
        me = self._me(seconds)
        asked = {"user": me["uri"], "organization": me["current_organization"], "scope": "user", "count": "100"}
        listed = self._get(f"{self._base}/webhook_subscriptions", asked, seconds)
        return [_subscription(item) for item in listed["collection"]]

    @_reading()
    def subscribe(self, url: str, events: Sequence[str], signing_key: str, *, seconds: float = 5.0) -> Subscription:
        me = self._me(seconds)
        wanted = {
            "url": url,
            "events": list(events),
            "user": me["uri"],
            "organization": me["current_organization"],
            "scope": "user",
            "signing_key": signing_key,
        }
        made = self._call("POST", f"{self._base}/webhook_subscriptions", seconds, body=wanted)
        return _subscription(made["resource"])

    def unsubscribe(self, uri: str, *, seconds: float = 5.0) -> None:
        self._call("DELETE", self._ours(uri, "webhook_subscriptions"), seconds)

    @_reading()
    def try_scope(self, scope: str, now: datetime, *, seconds: float = 5.0) -> None:
        """Test a permission of our token without effect: changes are tried on objects that do not exist. Raises
        UpstreamError with the code 403 if it is missing."""
        match scope:
            case "users:read":
                self._me(seconds)
            case "event_types:read":
                self._get(f"{self._base}/event_types", {"user": self._me(seconds)["uri"], "count": "1"}, seconds)
            case "availability:read":
                first = next(iter(self.event_types(seconds=seconds)))
                begin = now + timedelta(minutes=1)
                self.free(first, Span(begin, begin + timedelta(hours=1)), seconds=seconds)
            case "scheduled_events:write":
                self._find_nobody("POST", f"{self._base}/scheduled_events/{NOBODY}/cancellation", seconds)
            case "webhooks:write":
                self._find_nobody("DELETE", f"{self._base}/webhook_subscriptions/{NOBODY}", seconds)

    def _find_nobody(self, method: str, url: str, seconds: float) -> None:
        try:
            self._call(method, url, seconds, body={} if method == "POST" else None)
        except UpstreamError as error:
            if error.code != "404":
                raise

    def _ours(self, uri: str, kind: str) -> str:
        """The URI, if it belongs to this API: our token is sent nowhere else."""
        if re.fullmatch(rf"{re.escape(self._base)}/{kind}/[A-Za-z0-9_-]{{1,64}}", uri) is None:
            raise UpstreamError(SERVICE, f"not one of its {kind}", retryable=False)
        return uri

    def _me(self, seconds: float) -> dict[str, str]:
        """The account of the token: its URI and its organization's."""
        resource: dict[str, str] = self._get(f"{self._base}/users/me", {}, seconds)["resource"]
        return resource

    def _get(self, url: str, params: dict[str, str], seconds: float) -> dict[str, Any]:
        return self._call("GET", url, seconds, params=params)

    def _call(
        self,
        method: str,
        url: str,
        seconds: float,
        *,
        params: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        purse = self._bookings if method == "POST" and url == f"{self._base}/invitees" else self._others
        purse.check()
        answer = self._http.call(
            SERVICE,
            method,
            url,
            params=params,
            body=json.dumps(body).encode() if body is not None else None,
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
            seconds=seconds,
            what=_kind(url.removeprefix(self._base)),
        )
        purse.learn(answer)
        if not 200 <= answer.status < 300:
            raise UpstreamError(
                SERVICE,
                REFUSED.get(answer.status, f"HTTP {answer.status}"),
                # A missing permission is retryable: the owner can set another token.
                retryable=answer.status in (401, 403, 429) or answer.status >= 500,
                maybe_applied=not 400 <= answer.status < 500,
                code=str(answer.status),
            )
        if answer.status == 204:
            return {}
        try:
            parsed = _whole(json.loads(answer.body))
        except (ValueError, RecursionError):
            raise UpstreamError(SERVICE, "not JSON") from None
        if not isinstance(parsed, dict) or not ({"resource", "collection"} & parsed.keys()):
            raise UpstreamError(SERVICE, "the answer has another shape")
        return parsed


def verified(raw: bytes, header: str, keys: Sequence[str]) -> Notified:
    """A webhook that one of these signing keys signed over its raw bytes. Raises BadSignature.

    https://developer.calendly.com/api-docs/webhook-signatures · There are two keys while one is being replaced. The
    timestamp is not checked: whether a repetition is signed anew is undocumented, and the API is asked anyway.
    """
    match = SIGNATURE.fullmatch(header)
    if match is None:
        raise BadSignature("the header is missing or has another shape")
    signed = match[1].encode() + b"." + raw
    fits = [hmac.compare_digest(match[2], hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()) for key in keys]
    if not any(fits):
        raise BadSignature("the signature is wrong")
    try:
        body = json.loads(raw)
        payload = body["payload"]
        uris = [payload.get(name) for name in ("uri", "old_invitee", "new_invitee")]
        token = _whole(str((payload.get("tracking") or {}).get("utm_content") or ""))
        named = tuple(str(uri) for uri in uris if uri)
        digest = hashlib.sha256("|".join((str(body["event"]), *named)).encode()).hexdigest()[:16]
        return Notified(digest, str(body["event"]), named, token)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadSignature("the body has another shape") from None


def field_text(text: str, longest: int) -> str:
    """Text for Calendly's fields: one line, no invisible characters, at most `longest` characters."""
    return one_line(text)[:longest].rstrip()


def _whole(parsed: Any) -> Any:
    """Replace lone surrogates: JSON allows them and invitees can type them, but they cannot be stored."""
    return json.loads(json.dumps(parsed, ensure_ascii=False).encode("utf-8", "replace"))


def _tracking(token: str) -> dict[str, str | None]:
    """If tracking is sent at all, all six fields are required."""
    return {
        "utm_campaign": None,
        "utm_source": SOURCE,
        "utm_medium": None,
        "utm_content": token,
        "utm_term": None,
        "salesforce_uuid": None,
    }


def _subscription(item: dict[str, Any]) -> Subscription:
    events = frozenset(map(str, item["events"]))
    return Subscription(str(item["uri"]), str(item["callback_url"]), item["state"] == "active", events)


def _event_type(item: dict[str, Any]) -> EventType:
    questions = [question for question in item.get("custom_questions") or () if question.get("enabled", True)]
    names = [question["name"] for question in questions]
    return EventType(
        uri=str(item["uri"]),
        slug=str(item["slug"]),
        scheduling_url=str(item["scheduling_url"]),
        minutes=int(item["duration"]),
        is_paid=bool(item.get("is_paid")),
        is_for_one=item.get("kind", "solo") == "solo",
        says=" ".join(str(text) for text in (item.get("name"), item.get("description_plain"), *names) if text),
        asks=tuple(str(question["name"]) for question in questions if question.get("required")),
        places=tuple(
            (str(location["kind"]), str(location.get("location") or "")) for location in item.get("locations") or ()
        ),
        options=tuple(int(option) for option in item.get("duration_options") or ()),
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _kind(path: str) -> str:
    """The call without its ids, for the log."""
    return re.sub(r"/[A-Za-z0-9-]{12,}", "/…", path)
