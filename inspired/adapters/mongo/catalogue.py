"""The owner's catalogue: the meeting types in order, and the calendar. Two small documents.

Every page reads them and they change some times a year, so each process caches them for some seconds; while MongoDB is
away, the last known version is shown. Until something is saved, the built-in types are offered, on workdays.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.mongo.audit_outbox import AuditOutbox, Note, notes_out
from inspired.adapters.mongo.database import reaching, replaced
from inspired.adapters.mongo.documents import Document, day_in, day_out, rules_out, type_in, type_out, week_in, week_out
from inspired.domain.catalogue.availability import Availability, DaysOff, SpecialDay
from inspired.domain.catalogue.meeting_types import MEETING_TYPES, MeetingType
from inspired.domain.catalogue.refund_policy import RefundPolicy
from inspired.domain.shared.errors import Busy, Conflict, NotFound

KEEP = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Listed:
    """A meeting type in the owner's list. Hidden types cannot be booked; their bookings stand."""

    type: MeetingType
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Offered:
    """The whole catalogue at one moment. Version 0: never saved. `terms_changes`: how often the terms of the bookable
    calls changed."""

    types: tuple[Listed, ...]
    types_version: int
    calendar: Availability
    calendar_version: int
    terms_changes: int = 0


class Catalogue:
    def __init__(self, database: Database[Document], zone: ZoneInfo, *, keep: float = KEEP) -> None:
        self._collection: Collection[Document] = database["offer"]
        self.audit_outbox = AuditOutbox(self._collection)
        self._keep = keep
        self._made_with = Offered(
            tuple(Listed(meeting_type) for meeting_type in MEETING_TYPES), 0, Availability(zone), 0
        )
        self._known: Offered | None = None
        self._known_until = 0.0
        self._away_until = 0.0

    def shown(self) -> tuple[MeetingType, ...]:
        """For pages that only display: the built-in types, if nothing was ever read and MongoDB is away."""
        try:
            return self.types()
        except Busy:
            return tuple(listed.type for listed in self._made_with.types)

    def types(self) -> tuple[MeetingType, ...]:
        """The bookable types in the owner's order."""
        return tuple(listed.type for listed in self.now().types if not listed.hidden)

    def type(self, type_id: str) -> MeetingType:
        """A bookable type. Raises NotFound."""
        for meeting_type in self.types():
            if meeting_type.id == type_id:
                return meeting_type
        raise NotFound("We do not offer this kind of call.")

    def calendar(self) -> Availability:
        return self.now().calendar

    def now(self) -> Offered:
        """As read some seconds ago; while MongoDB is away, the last known version. Raises Busy if there is none: a
        price is never guessed."""
        known, clock = self._known, time.monotonic()
        if known is not None and clock < self._known_until:
            return known
        if clock < self._away_until:
            return _or_busy(known)
        try:
            return self.fresh()
        except Busy:
            self._away_until = clock + self._keep
            return _or_busy(known)

    def fresh(self) -> Offered:
        """As it is in MongoDB now; changes start from this. Raises Busy."""
        with reaching():
            found = {
                document["_id"]: document for document in self._collection.find({"_id": {"$in": ["types", "calendar"]}})
            }
        offered = self._read(found.get("types"), found.get("calendar"))
        self._known, self._known_until = offered, time.monotonic() + self._keep
        return offered

    def terms_changes(self) -> int:
        """0 if nothing was ever read and MongoDB is away."""
        try:
            return self.now().terms_changes
        except Busy:
            return 0

    def save_types(self, types: tuple[Listed, ...], version: int, notes: Iterable[Note] = ()) -> None:
        """`notes`: the audit entries of the change. Raises Conflict if `version` is not the stored one."""
        before = self.fresh()
        count = before.terms_changes + (_promised(types) != _promised(before.types))
        listed = [
            {**type_out(listed.type), "rules": rules_out(listed.type.rules), "hidden": listed.hidden}
            for listed in types
        ]
        self._save({"_id": "types", "types": listed, "terms_changes": count}, version, notes)

    def save_calendar(self, calendar: Availability, version: int, notes: Iterable[Note] = ()) -> None:
        """`notes`: the audit entries of the change. Raises Conflict if `version` is not the stored one."""
        self._save(
            {
                "_id": "calendar",
                "week": week_out(calendar.week),
                "special": [
                    {"date": special_day.date.isoformat(), "hours": day_out(special_day.hours)}
                    for special_day in calendar.special
                ],
                "days_off": [
                    {"first": days_off.first.isoformat(), "last": days_off.last.isoformat()}
                    for days_off in calendar.days_off
                ],
            },
            version,
            notes,
        )

    def _save(self, document: Document, version: int, notes: Iterable[Note]) -> None:
        document = {**document, "version": version + 1, "unlogged": notes_out(notes)}
        saved = replaced(self._collection, document, version)
        self._known_until = 0.0
        if not saved:
            raise Conflict("Somebody changed this meanwhile. Please look again.")

    def _read(self, types: Document | None, calendar: Document | None) -> Offered:
        made_with = self._made_with
        return Offered(
            types=tuple(Listed(type_in(listed), listed["hidden"]) for listed in types["types"])
            if types
            else made_with.types,
            types_version=types["version"] if types else 0,
            calendar=_calendar_in(calendar, made_with.calendar.zone) if calendar else made_with.calendar,
            calendar_version=calendar["version"] if calendar else 0,
            terms_changes=types.get("terms_changes", 0) if types else 0,
        )


def _promised(types: tuple[Listed, ...]) -> dict[str, RefundPolicy]:
    """What the terms page says about each call."""
    return {listed.type.title: listed.type.policy for listed in types if not listed.hidden}


def _or_busy(known: Offered | None) -> Offered:
    if known is None:
        raise Busy("The database does not answer.")
    return known


def _calendar_in(found: Document, zone: ZoneInfo) -> Availability:
    return Availability(
        zone,
        week_in(found["week"]),
        tuple(
            SpecialDay(date.fromisoformat(special_day["date"]), day_in(special_day["hours"]))
            for special_day in found["special"]
        ),
        tuple(
            DaysOff(date.fromisoformat(days_off["first"]), date.fromisoformat(days_off["last"]))
            for days_off in found["days_off"]
        ),
    )
