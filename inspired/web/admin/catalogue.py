"""The catalogue: meeting types and calendar, each with a preview of the resulting times."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from inspired.adapters.mail.ics import entry_text
from inspired.adapters.mail.smtp import header_text
from inspired.adapters.mongo.catalogue import Listed, Offered
from inspired.adapters.mongo.own_calendar import Known
from inspired.adapters.providers.binance import goods_text
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.status import iso
from inspired.domain.catalogue.availability import (
    Availability,
    Rules,
    Week,
    days_off_in_words,
    in_words,
    parse_day,
    parse_days_off,
    parse_special,
    special_in_words,
)
from inspired.domain.catalogue.meeting_types import LIMIT, MeetingType, Question, checked
from inspired.domain.catalogue.refund_policy import RefundPolicy
from inspired.domain.sentences import rails
from inspired.domain.shared.errors import Invalid, NotFound, Refusal, UpstreamError
from inspired.domain.shared.money import Money
from inspired.domain.shared.slots import Span
from inspired.domain.shared.timezones import ago, moment_in_words
from inspired.domain.site.preferences import one_line
from inspired.flows.booking import booking as bookings
from inspired.flows.catalogue import calendar_drift, own_calendar
from inspired.flows.site import preferences
from inspired.services import Services
from inspired.web.shared import auth, parsing
from inspired.web.shared.current import services
from inspired.web.shared.display import Day, days_of
from inspired.web.shared.forms import WEEKDAYS, CalendarForm, CallForm, ListForm, read
from inspired.web.shared.htmx import go
from inspired.web.shared.refusals import refusals_shown_by

LOOK_AHEAD = timedelta(days=14)
UNSURE = "times of a zone nobody knows are kept free by your own clock, all others are not. Please look at them there."
READING = timedelta(minutes=1)  # how long the page waits for the requested read
LIST_SAID = {
    "up": "The order is saved. Customers see it within seconds.",
    "down": "The order is saved. Customers see it within seconds.",
    "hide": "The call is hidden and cannot be booked any more. The bookings it has stand.",
    "show": "The call is shown again, and can be booked.",
}
DEFAULT_NEW = MeetingType("", "", 30, Money.parse("50"), "")
T = TypeVar("T")

SHOWS_NAMES = rails.of(RailId.BINANCE_PAY).rail  # the only rail that shows a call's name to its payer
bp = Blueprint("catalogue", __name__, url_prefix="/admin")
bp.before_request(auth.admit)


# --- the calendar ---------------------------------------------------------------------------------------------------


@bp.get("/calendar")
def calendar() -> str:
    offered = services().catalogue.fresh()
    return _calendar_page(offered, _calendar_values(offered), saved="saved" in request.args)


@bp.post("/calendar")
def calendar_submit() -> ResponseReturnValue:
    """Preview or save. Invalid input is shown again with its messages, and nothing is lost."""
    svc = services()
    offered = svc.catalogue.fresh()
    values = request.form.to_dict()
    try:
        form = read(CalendarForm, request.form)
        wanted = _availability(form, offered.calendar.zone)
        if form.do == "save":
            preferences.save_calendar(svc, auth.session_of(svc).person_id, wanted, form.version)
            return go(url_for("catalogue.calendar", saved=""))
    except Refusal as refusal:
        return _calendar_page(offered, values, refusal=refusal), refusal.status
    return _calendar_page(offered, values, wanted=wanted)


@bp.post("/calendar/own")
def read_own_calendar() -> ResponseReturnValue:
    """Read by the worker, since it takes long; the page reloads until it was tried."""
    svc = services()
    asked = svc.now()
    own_calendar.read_soon(svc)
    return go(url_for("catalogue.calendar", asked=iso(asked)))


def _calendar_page(
    offered: Offered,
    values: dict[str, str],
    *,
    wanted: Availability | None = None,
    refusal: Refusal | None = None,
    saved: bool = False,
) -> str:
    own = _own_calendar(services(), request.args.get("asked", ""))  # read first, as the times depend on it
    types = [listed.type for listed in offered.types]
    looked_at = next(
        (meeting_type for meeting_type in types if meeting_type.id == values.get("look")), types[0] if types else None
    )
    times = _times(services(), looked_at, wanted or offered.calendar) if looked_at and not refusal else []
    return render_template(
        "admin/catalogue/calendar.html",
        weekdays=WEEKDAYS,
        values=values,
        version=offered.calendar_version,
        types=types,
        look=looked_at.id if looked_at else "",
        times=times,
        is_look=wanted is not None,
        uses_calendly=services().settings.uses_calendly,
        errors=refusal.fields if isinstance(refusal, Invalid) else {},
        message=str(refusal) if refusal else "",
        saved=saved,
        **own,
    )


def _own_calendar(svc: Services, asked: str) -> dict[str, object]:
    feeds = list(svc.own_calendar.known().values()) if svc.own_calendar.feeds else []
    since = parsing.moment(asked)
    is_waiting = since is not None and any(known.tried_at is None or known.tried_at < since for known in feeds)
    return {
        "own_calendars": [
            (
                _told(svc, f"Your own calendar{f' ({number})' if len(feeds) > 1 else ''}", known),
                bool(known.failing_since or known.emptied_at),
            )
            for number, known in enumerate(feeds, 1)
        ],
        "is_reading": is_waiting and since is not None and svc.now() - since < READING,
    }


def _told(svc: Services, name: str, known: Known) -> str:
    times = f"{len(known.busy)} busy {'time' if len(known.busy) == 1 else 'times'}"
    read = f"read {ago(known.read_at, svc.now())}" if known.read_at else ""
    if known.failing_since is not None:
        since = moment_in_words(known.failing_since, svc.settings.owner_timezone)
        kept = f"what was known is still kept free: {times}, {read}" if read else "nothing is known of it yet"
        return f"{name} could not be read since {since}: {known.why}. Meanwhile {kept}."
    if not read:
        return f"{name} was not read yet."
    if known.emptied_at is not None:
        until = moment_in_words(known.emptied_at + own_calendar.EMPTY_FOR, svc.settings.owner_timezone)
        return f"{name} has become empty, {read}. What it had is still kept free until {until}: {times}."
    entries = "entry has" if known.unread == 1 else "entries have"
    unread = (
        f" {known.unread} {entries} a time or a zone that cannot be read for sure: {UNSURE}" if known.unread else ""
    )
    return f"{name}: {times} known, {read}.{unread}"


def _calendar_values(offered: Offered) -> dict[str, str]:
    calendar = offered.calendar
    return {
        **_week_values(calendar.week),
        "special": special_in_words(calendar.special),
        "days_off": days_off_in_words(calendar.days_off),
    }


def _week_values(week: Week) -> dict[str, str]:
    return {name: in_words(day) for name, day in zip(WEEKDAYS, week, strict=True)}


def _availability(form: CalendarForm, zone: ZoneInfo) -> Availability:
    wrong = _Wrong()
    week = _week(form, wrong)
    special = wrong.or_none("special", lambda: parse_special(form.special))
    days_off = wrong.or_none("days_off", lambda: parse_days_off(form.days_off))
    if week is None or special is None or days_off is None:
        raise wrong.refusal()
    return _in_field("special", lambda: Availability(zone, week, special, days_off))


def _week(form: CalendarForm, wrong: "_Wrong") -> Week | None:
    days = [wrong.or_none(name, lambda text=text: parse_day(text)) for name, text in form.days.items()]  # type: ignore[misc]
    week = tuple(day for day in days if day is not None)
    return week if len(week) == len(days) else None


@dataclass(slots=True)
class _Wrong:
    """Collects all errors, so that every wrong field is reported at once."""

    fields: dict[str, str]

    def __init__(self) -> None:
        self.fields = {}

    def or_none(self, field: str, make: Callable[[], T]) -> T | None:
        try:
            return make()
        except Invalid as refusal:
            self.fields[field] = str(refusal)
            return None

    def refusal(self) -> Invalid:
        return Invalid("Please check the marked fields.", self.fields)


def _in_field(field: str, make: Callable[[], T]) -> T:
    wrong = _Wrong()
    made = wrong.or_none(field, make)
    if made is None:
        raise wrong.refusal()
    return made


def _times(svc: Services, meeting_type: MeetingType, calendar: Availability) -> list[Day]:
    """The times a customer would see, in the owner's zone."""
    now = svc.now()
    free = bookings.free_times(svc, meeting_type, Span(now, now + LOOK_AHEAD), instead=calendar)
    return days_of(free, calendar.zone.key, calendar.zone.key)


# --- meeting types --------------------------------------------------------------------------------------------------


@bp.get("/calls")
def calls(refusal: Refusal | None = None) -> str:
    svc = services()
    return render_template(
        "admin/catalogue/calls.html",
        offered=svc.catalogue.fresh(),
        message=str(refusal) if refusal else "",
        saved=request.args.get("saved", ""),
        drift=_drift(),
        limit=LIMIT,
        watched=svc.calendly_sync_state.get() if svc.settings.uses_calendly else None,
    )


@bp.post("/calls")
@refusals_shown_by(calls)
def calls_submit() -> ResponseReturnValue:
    """Move a meeting type up or down, hide it or show it again."""
    svc = services()
    offered = svc.catalogue.fresh()
    form = read(ListForm, request.form)
    wanted = _rearranged(offered.types, form)
    preferences.save_types(svc, auth.session_of(svc).person_id, wanted, form.version)
    return go(url_for("catalogue.calls"), said=LIST_SAID[form.do])


def _drift() -> list[str]:
    try:
        return calendar_drift.drift(services())
    except UpstreamError:
        return ["Calendly does not answer just now, so the calls could not be compared with its event types."]


def _rearranged(types: Iterable[Listed], form: ListForm) -> tuple[Listed, ...]:
    listed = list(types)
    at = _place_of(listed, form.id)
    if form.do in ("hide", "show"):
        listed[at] = replace(listed[at], hidden=form.do == "hide")
    else:
        other = max(0, min(len(listed) - 1, at + (1 if form.do == "down" else -1)))
        listed[at], listed[other] = listed[other], listed[at]
    return tuple(listed)


def _place_of(listed: list[Listed], type_id: str) -> int:
    for place, call in enumerate(listed):
        if call.type.id == type_id:
            return place
    raise NotFound("There is no such kind of call.")


@bp.get("/calls/new")
def new_call() -> str:
    offered = services().catalogue.fresh()
    return _call_page(offered, None, _call_values(DEFAULT_NEW, offered.calendar))


@bp.get("/calls/<type_id>")
def call(type_id: str) -> str:
    offered = services().catalogue.fresh()
    found = offered.types[_place_of(list(offered.types), type_id)].type
    return _call_page(offered, found, _call_values(found, offered.calendar))


@bp.post("/calls/new")
def new_call_submit() -> ResponseReturnValue:
    return _save_call(None)


@bp.post("/calls/<type_id>")
def call_submit(type_id: str) -> ResponseReturnValue:
    offered = services().catalogue.fresh()
    return _save_call(offered.types[_place_of(list(offered.types), type_id)].type)


def _save_call(before: MeetingType | None) -> ResponseReturnValue:
    """Preview or save. Bookings keep the version they were made with."""
    svc = services()
    offered = svc.catalogue.fresh()
    try:
        form = read(CallForm, request.form)
        wanted = _meeting_type(form, before)
        if form.do == "look":
            return _call_page(offered, before, request.form.to_dict(), wanted=wanted)
        types = _with(offered.types, wanted, before)
        preferences.save_types(svc, auth.session_of(svc).person_id, types, form.version)
    except Refusal as refusal:
        return _call_page(offered, before, request.form.to_dict(), refusal=refusal), refusal.status
    return go(url_for("catalogue.calls", saved=wanted.id), said=_said_of_name(wanted))


def _with(types: Iterable[Listed], wanted: MeetingType, before: MeetingType | None) -> tuple[Listed, ...]:
    listed = list(types)
    if before is not None:
        at = _place_of(listed, before.id)
        listed[at] = replace(listed[at], type=wanted)
        return tuple(listed)
    if wanted.id == "new" or any(call.type.id == wanted.id for call in listed):
        raise Invalid("Please check the marked fields.", {"id": "Another call has this address."})
    return (*listed, Listed(wanted))


def _call_page(
    offered: Offered,
    before: MeetingType | None,
    values: dict[str, str],
    *,
    wanted: MeetingType | None = None,
    refusal: Refusal | None = None,
) -> str:
    return render_template(
        "admin/catalogue/call.html",
        weekdays=WEEKDAYS,
        before=before,
        values=values,
        version=offered.types_version,
        times=_times(services(), wanted, offered.calendar) if wanted else [],
        wanted=wanted,
        reads=_reads(
            services(), values.get("title", ""), before.id if before else values.get("id", ""), values.get("place", "")
        ),
        limit=LIMIT,
        asks_above=_is_above(values.get("price", "")) or values.get("above_limit") == "yes",
        uses_calendly=services().settings.uses_calendly,
        site_place=services().settings.meeting_place,
        errors=refusal.fields if isinstance(refusal, Invalid) else {},
        message=str(refusal) if refusal else "",
    )


@dataclass(frozen=True, slots=True)
class Reads:
    """How the owner's text reads in another system, which leaves out what it cannot take."""

    where: str
    text: str


def _reads(svc: Services, title: str, type_id: str, place: str) -> list[Reads]:
    if not title.strip():
        return []
    brand = svc.preferences.now().brand.name
    found = [
        Reads(f"{SHOWS_NAMES}, to whoever pays", goods_text(title, otherwise=type_id)),
        Reads("Subject of the confirmation", header_text(f"Confirmed: {title}, …")),
        Reads("Entry in calendars", entry_text(f"{title} – {brand}")),
    ]
    return [*found, Reads("Place in calendars", entry_text(place))] if place.strip() else found


def _said_of_name(wanted: MeetingType) -> str:
    """After saving: a message if the provider shows another name than the owner wrote."""
    there = goods_text(wanted.title, otherwise=wanted.id)
    return "" if there == wanted.title else f"At {SHOWS_NAMES}, which does not take every sign, it reads “{there}”."


def _is_above(price: str) -> bool:
    try:
        return Money.parse(price) > LIMIT
    except ValueError:
        return False


def _call_values(meeting_type: MeetingType, calendar: Availability) -> dict[str, str]:
    policy, rules = meeting_type.policy, meeting_type.rules
    hour, minute = timedelta(hours=1), timedelta(minutes=1)
    return {
        "id": meeting_type.id,
        "title": meeting_type.title,
        "minutes": str(meeting_type.minutes),
        "price": str(meeting_type.price),
        "summary": meeting_type.summary,
        "includes": "\n".join(meeting_type.includes),
        "full_until": str(policy.full_until // hour),
        "part_until": str(policy.part_until // hour),
        "part_percent": str(policy.part_percent),
        "move_until": str(policy.move_until // hour),
        "choice_time": str(policy.choice_time // hour),
        "top_up": "yes" if policy.top_up else "",
        "before": str(rules.before // minute),
        "after": str(rules.after // minute),
        "step": str(rules.step // minute),
        "notice": str(rules.notice // hour),
        "horizon": str(rules.horizon.days),
        "most_per_day": str(rules.most_per_day),
        "own_hours": "yes" if rules.week is not None else "",
        "questions": "\n".join(
            f"{question.text} *" if question.is_required else question.text for question in meeting_type.questions
        ),
        "place": meeting_type.place,
        "above_limit": "yes" if meeting_type.above_limit else "",
        "reminders": ", ".join(map(str, meeting_type.reminders)),
        **_week_values(rules.week or calendar.week),
    }


def _meeting_type(form: CallForm, before: MeetingType | None) -> MeetingType:
    wrong = _Wrong()
    hours = timedelta(hours=1)
    policy = wrong.or_none(
        "full_until",
        lambda: RefundPolicy(
            full_until=form.full_until * hours,
            part_until=form.part_until * hours,
            part_percent=form.part_percent,
            move_until=form.move_until * hours,
            choice_time=form.choice_time * hours,
            top_up=form.top_up == "yes",
        ),
    )
    week = _week(form, wrong) if form.own_hours else None
    rules = wrong.or_none(
        "before",
        lambda: Rules(
            week=week,
            before=timedelta(minutes=form.before),
            after=timedelta(minutes=form.after),
            notice=form.notice * hours,
            horizon=timedelta(days=form.horizon),
            step=timedelta(minutes=form.step),
            most_per_day=form.most_per_day,
        ),
    )
    reminders = wrong.or_none("reminders", lambda: _numbers(form.reminders))
    if wrong.fields or policy is None or rules is None or reminders is None:
        raise wrong.refusal()
    return checked(
        MeetingType(
            id=before.id if before else form.id,
            title=one_line(form.title),
            minutes=form.minutes,
            price=Money.parse(form.price),
            summary=one_line(form.summary),
            includes=tuple(line for line in map(one_line, form.includes.splitlines()) if line),
            policy=policy,
            rules=rules,
            reminders=reminders,
            questions=_questions(form.questions),
            place=one_line(form.place),
            above_limit=form.above_limit == "yes" and Money.parse(form.price) > LIMIT,
        )
    )


def _questions(text: str) -> tuple[Question, ...]:
    """One per line; a required question ends with a star."""
    lines = [line for line in map(one_line, text.splitlines()) if line.strip("* ")]
    return tuple(Question(line.rstrip("* "), line.endswith("*")) for line in lines)


def _numbers(text: str) -> tuple[int, ...]:
    parts = [part for part in re.split(r"[,;\s]+", text) if part]
    if not all(part.isascii() and part.isdigit() and len(part) < 5 for part in parts):
        raise Invalid("Hours before the call, such as 24, 1.")
    return tuple(sorted({int(part) for part in parts}, reverse=True))
