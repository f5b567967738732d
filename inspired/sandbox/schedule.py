"""The rules of the Calendly side: which times are free, and what becomes of an event.

One user, four event types named like the product's meeting types, Monday to Friday 09:00 to 17:00 in the owner's
zone, a start every 30 minutes, 2 h notice, 60 days ahead. A booking is final at once; there is no hold.
"""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from typing import Any
from zoneinfo import ZoneInfo

from . import wire
from .config import Config, Settings
from .store import Event, Notice, Store, Subscription
from .webhooks import RETRIES, Dispatcher

OPEN_FROM, OPEN_UNTIL = time_of_day(9), time_of_day(17)
STEP = timedelta(minutes=30)
NOTICE, HORIZON = timedelta(hours=2), timedelta(days=60)
USER_SLUG, USER_NAME, USER_EMAIL = "inspired-analyst", "Inspired Analyst", "owner@example.com"
TRACKING = ("utm_campaign", "utm_source", "utm_medium", "utm_content", "utm_term", "salesforce_uuid")
_IDS = uuid.UUID("6f2b7a52-0f6c-5d0e-9a6b-3d1c8a4e7b10")


@dataclass(frozen=True)
class EventType:
    slug: str
    name: str
    minutes: int
    position: int

    @property
    def uuid(self) -> str:
        """The same at every start: the product may remember it."""
        return str(uuid.uuid5(_IDS, self.slug))


EVENT_TYPES = tuple(
    EventType(slug, name, minutes, position)
    for position, (slug, name, minutes) in enumerate(
        [
            ("quick-question", "Quick question", 30),
            ("portfolio-review", "Portfolio review", 45),
            ("deep-dive", "Deep dive", 90),
            ("mentoring", "Mentoring", 45),
        ]
    )
)
BY_SLUG = {kind.slug: kind for kind in EVENT_TYPES}
BY_UUID = {kind.uuid: kind for kind in EVENT_TYPES}
USER_UUID = str(uuid.uuid5(_IDS, "user"))
ORGANIZATION_UUID = str(uuid.uuid5(_IDS, "organization"))


class NotPossible(Exception):
    """The calendar says no; the text is for people."""


@dataclass(frozen=True)
class Invitation:
    """What somebody who schedules gives."""

    name: str
    email: str
    timezone: str
    tracking: dict[str, str | None]
    answers: tuple[dict[str, Any], ...] = ()
    guests: tuple[str, ...] = ()
    method: str | None = None


def is_email(text: object) -> bool:
    return isinstance(text, str) and len(text) <= 254 and bool(re.fullmatch(r"[^@\s<>]+@[^@\s<>]+\.[^@\s<>]+", text))


def is_zone(text: object) -> bool:
    try:
        return isinstance(text, str) and bool(ZoneInfo(text).key)
    except (KeyError, ValueError, OSError):
        return False


def when(moment: float) -> str:
    """UTC, microseconds, Z."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment_from(text: object) -> float | None:
    """An ISO time with an offset, as seconds; None when it is not one."""
    if not isinstance(text, str):
        return None
    try:
        parsed = datetime.fromisoformat(text.strip().replace(" ", "+"))
    except ValueError:
        return None
    return parsed.timestamp() if parsed.tzinfo else None


class Calendar:
    def __init__(self, config: Config, store: Store, dispatcher: Dispatcher) -> None:
        self._store, self._dispatcher = store, dispatcher
        self.base = config.calendly_url
        self.zone = ZoneInfo(config.owner_timezone)
        self.settings = Settings()

    # --- times ---

    def lengths(self, kind: EventType) -> list[int]:
        """The minutes an invitee chooses from, ascending; the type's own is one of them."""
        return sorted({kind.minutes, *map(int, self.settings.duration_options.split())})

    def free(self, kind: EventType, start: float, end: float, minutes: int | None = None) -> list[float]:
        """Every free start of this type in [start, end), for a call of its own length or of so many minutes."""
        kind = replace(kind, minutes=minutes or kind.minutes)
        now = self._store.now()
        first, last = max(start, now + NOTICE.total_seconds()), min(end, now + HORIZON.total_seconds())
        with self._store.lock:
            taken = [(event.start, event.end) for event in self._store.events.values() if event.status == "active"]
        length = kind.minutes * 60
        return [
            begin for begin in self._starts(kind, first, last)
            if all(begin + length <= busy or begin >= until for busy, until in taken)
        ]  # fmt: skip

    def _starts(self, kind: EventType, first: float, last: float) -> list[float]:
        starts: list[float] = []
        day, final = _local_date(first, self.zone), _local_date(last, self.zone)
        while day <= final:
            starts += self._starts_on(day, kind) if day.weekday() < 5 else []
            day += timedelta(days=1)
        return [start for start in starts if first <= start < last]

    def _starts_on(self, day: date, kind: EventType) -> list[float]:
        begin = datetime.combine(day, OPEN_FROM, self.zone)
        end = datetime.combine(day, OPEN_UNTIL, self.zone)
        starts = []
        while begin + timedelta(minutes=kind.minutes) <= end:
            starts.append(begin.timestamp())
            begin += STEP
        return starts

    # --- what happens to events ---

    def schedule(self, kind: EventType, start: float, invitation: Invitation, minutes: int | None = None) -> Event:
        """A new event, if the time is free; of the type's own length or of one of its others."""
        with self._store.lock:
            event = self._new_event(kind, start, invitation, minutes or kind.minutes)
            self._store.put("events", event.uuid, event)
            self._tell("invitee.created", event)
            return event

    def _new_event(self, kind: EventType, start: float, invitation: Invitation, minutes: int) -> Event:
        if minutes not in self.lengths(kind):
            raise NotPossible("This length is not available.")
        if start not in self.free(kind, start, start + 1, minutes):
            raise NotPossible("This time is no longer available.")
        now = self._store.now()
        return Event(
            uuid=self._store.uuid(), invitee_uuid=self._store.uuid(), slug=kind.slug, start=start,
            end=start + minutes * 60, name=invitation.name, email=invitation.email,
            timezone=invitation.timezone, created=now, updated=now, tracking=dict(invitation.tracking),
            answers=list(invitation.answers), guests=list(invitation.guests), scheduling_method=invitation.method,
        )  # fmt: skip

    def cancel(self, event: Event, reason: str | None, by: str, canceler_type: str) -> dict[str, Any]:
        """Ends an active event that is not over; host or invitee."""
        with self._store.lock:
            if event.status != "active":
                raise NotPossible("Event is already canceled")
            if event.start <= self._store.now():
                raise NotPossible("Event in the past")
            return self._cancel(event, reason, by, canceler_type)

    def _cancel(self, event: Event, reason: str | None, by: str, canceler_type: str) -> dict[str, Any]:
        now = self._store.now()
        event.cancellation = {
            "canceled_by": by, "reason": reason, "canceler_type": canceler_type, "created_at": when(now)
        }  # fmt: skip
        event.status, event.updated = "canceled", now
        self._store.put("events", event.uuid, event)
        self._tell("invitee.canceled", event)
        return event.cancellation

    def reschedule(self, event: Event, start: float | None, minutes: int | None = None) -> Event:
        """A new event and invitee; the old one cancelled and linked to it. Two webhooks. As long as it was, or as long
        as is chosen now."""
        with self._store.lock:
            if event.status != "active":
                raise NotPossible("Event is already canceled")
            kind = BY_SLUG[event.slug]
            event.status = "moving"  # its own time is free for the new one
            try:
                minutes = minutes or round((event.end - event.start) / 60)
                begin = self._target(kind, event, start, minutes)
                fresh = self._new_event(kind, begin, self._same_invitee(event), minutes)
            finally:
                event.status = "active"
            fresh.old_event, event.new_event, event.rescheduled = event.uuid, fresh.uuid, True
            self._store.put("events", fresh.uuid, fresh)
            self._cancel(event, None, event.name, "invitee")
            self._tell("invitee.created", fresh)
            return fresh

    def _target(self, kind: EventType, event: Event, start: float | None, minutes: int) -> float:
        if start is not None:
            return start
        later = self.free(kind, event.end, event.end + HORIZON.total_seconds(), minutes)
        if not later:
            raise NotPossible("There is no later time.")
        return later[0]

    def _same_invitee(self, event: Event) -> Invitation:
        tracking = event.tracking if self.settings.copy_tracking_on_reschedule else {}
        return Invitation(
            name=event.name, email=event.email, timezone=event.timezone,
            tracking={name: tracking.get(name) for name in TRACKING}, answers=tuple(event.answers),
        )  # fmt: skip

    # --- how things look outside ---

    def user_uri(self) -> str:
        return f"{self.base}/users/{USER_UUID}"

    def organization_uri(self) -> str:
        return f"{self.base}/organizations/{ORGANIZATION_UUID}"

    def type_uri(self, kind: EventType) -> str:
        return f"{self.base}/event_types/{kind.uuid}"

    def page(self, kind: EventType) -> str:
        return f"{self.base}/schedule/{USER_SLUG}/{kind.slug}"

    def event_uri(self, event: Event) -> str:
        return f"{self.base}/scheduled_events/{event.uuid}"

    def invitee_uri(self, event: Event) -> str:
        return f"{self.event_uri(event)}/invitees/{event.invitee_uuid}"

    def user(self) -> dict[str, Any]:
        return {
            "uri": self.user_uri(), "name": USER_NAME, "slug": USER_SLUG, "email": USER_EMAIL,
            "scheduling_url": f"{self.base}/schedule/{USER_SLUG}", "timezone": self.zone.key, "avatar_url": None,
            "created_at": when(1_700_000_000), "updated_at": when(1_700_000_000),
            "current_organization": self.organization_uri(), "locale": "en", "time_notation": "24h",
            "resource_type": "User",
        }  # fmt: skip

    def event_type(self, kind: EventType) -> dict[str, Any]:
        lengths = self.lengths(kind)
        return {
            "uri": self.type_uri(kind), "name": kind.name, "active": True, "slug": kind.slug,
            "scheduling_url": self.page(kind), "duration": kind.minutes,
            "duration_options": lengths if len(lengths) > 1 else None, "kind": "solo",
            "pooling_type": None, "type": "StandardEventType", "color": "#0069ff", "description_plain": None,
            "description_html": None, "internal_note": None,
            "profile": {"type": "User", "name": USER_NAME, "owner": self.user_uri()}, "secret": False,
            "booking_method": "instant", "custom_questions": [], "deleted_at": None, "admin_managed": False,
            "position": kind.position, "locale": "en", "is_paid": False,
            "created_at": when(1_700_000_000), "updated_at": when(1_700_000_000),
        }  # fmt: skip

    def event(self, event: Event) -> dict[str, Any]:
        active = event.status == "active"
        shown: dict[str, Any] = {
            "uri": self.event_uri(event), "name": BY_SLUG[event.slug].name, "status": event.status,
            "start_time": when(event.start), "end_time": when(event.end),
            "event_type": self.type_uri(BY_SLUG[event.slug]),
            "location": {"type": "custom", "location": "A link follows by mail."},
            "invitees_counter": {"total": 1, "active": int(active), "limit": 1},
            "created_at": when(event.created), "updated_at": when(event.updated),
            "event_memberships": [
                {"user": self.user_uri(), "user_email": USER_EMAIL, "user_name": USER_NAME}
            ],
            "event_guests": [
                {"email": guest, "created_at": when(event.created), "updated_at": when(event.created)}
                for guest in event.guests
            ],
            "calendar_event": None, "meeting_notes_plain": None, "meeting_notes_html": None,
        }  # fmt: skip
        return shown | ({"cancellation": event.cancellation} if event.cancellation else {})

    def invitee(self, event: Event) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "uri": self.invitee_uri(event), "email": event.email, "first_name": None, "last_name": None,
            "name": event.name, "status": event.status, "questions_and_answers": event.answers,
            "timezone": event.timezone, "event": self.event_uri(event), "created_at": when(event.created),
            "updated_at": when(event.updated), "tracking": {name: event.tracking.get(name) for name in TRACKING},
            "text_reminder_number": None, "rescheduled": event.rescheduled,
            "old_invitee": self._invitee_uri_of(event.old_event), "new_invitee": self._invitee_uri_of(event.new_event),
            "cancel_url": f"{self.base}/cancellations/{event.invitee_uuid}",
            "reschedule_url": f"{self.base}/reschedulings/{event.invitee_uuid}",
            "routing_form_submission": None, "payment": None, "no_show": self.no_show(event), "reconfirmation": None,
            "scheduling_method": event.scheduling_method, "invitee_scheduled_by": None,
        }  # fmt: skip
        return shown | ({"cancellation": event.cancellation} if event.cancellation else {})

    def no_show(self, event: Event) -> dict[str, Any] | None:
        """Named by the event's own number: there is one invitee."""
        uri = f"{self.base}/invitee_no_shows/{event.uuid}"
        return {"uri": uri, "created_at": event.no_show} if event.no_show else None

    def mark_no_show(self, event: Event, *, came: bool) -> None:
        """Only of a call that has begun."""
        with self._store.lock:
            if event.start > self._store.now():
                raise NotPossible("Event has not started yet")
            event.no_show = None if came else when(self._store.now())
            self._store.put("events", event.uuid, event)
            self._tell("invitee_no_show.deleted" if came else "invitee_no_show.created", event)

    def subscription(self, subscription: Subscription) -> dict[str, Any]:
        return {
            "uri": f"{self.base}/webhook_subscriptions/{subscription.uuid}", "callback_url": subscription.url,
            "created_at": when(subscription.created), "updated_at": when(subscription.created),
            "retry_started_at": None, "state": "active", "events": subscription.events, "scope": subscription.scope,
            "organization": self.organization_uri(), "user": subscription.user, "group": None,
            "creator": self.user_uri(),
        }  # fmt: skip

    def _invitee_uri_of(self, event_uuid: str | None) -> str | None:
        other = self._store.events.get(event_uuid or "")
        return self.invitee_uri(other) if other else None

    def _tell(self, what: str, event: Event) -> None:
        payload = self.invitee(event) | {"scheduled_event": self.event(event)}
        for subscription in list(self._store.subscriptions.values()):
            if what not in subscription.events:
                continue
            body = {"event": what, "created_at": when(self._store.now()), "created_by": self.user_uri(),
                    "payload": payload}  # fmt: skip
            self._dispatcher.send(Notice(
                id=self._store.hex(24), kind="calendly", about=event.uuid, what=what, url=subscription.url,
                body=wire.dumps(body), due=time.time(), last_order=1 + RETRIES, signing_key=subscription.signing_key,
            ))  # fmt: skip


def _local_date(moment: float, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(moment, zone).date()
