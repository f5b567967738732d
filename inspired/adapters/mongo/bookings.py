"""Bookings. One booking is one document, and one versioned write is the only way to alter it.

Filters are flat and every list is bounded by a range on an indexed field: that is what both MongoDB and the embedded
server do fast. A change is `replace_one` on id and version; whoever comes second reads again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from pymongo import errors
from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.mongo.claiming import Claiming
from inspired.adapters.mongo.database import MOST_TRIES, reaching
from inspired.adapters.mongo.documents import (
    FILING,
    Document,
    booking_in,
    booking_out,
    entry_in,
    hold_at,
    hold_in,
    money_in,
)
from inspired.adapters.mongo.spellings import claim_in, event_kind_in
from inspired.domain.booking.booking import Booking, Entry, Hold
from inspired.domain.booking.claims import Claim
from inspired.domain.booking.history import EventKind
from inspired.domain.booking.payment_limits import Turnover
from inspired.domain.booking.states import CalendarKind, Flag, State
from inspired.domain.booking.status import numbered
from inspired.domain.catalogue.availability import LONGEST_BUFFER
from inspired.domain.shared.errors import Busy, Conflict, NotFound
from inspired.domain.shared.slots import Span

LEASED_AT_ONCE = 25
TAKEN_AT_ONCE = 1000  # a month in one answer: by itself the driver takes 101, and asks again for the rest
READ_AT_ONCE = 100
FEW_WEEKS = timedelta(weeks=4)
LONGEST_CALL = timedelta(hours=6)  # how far before a window a call may have started that still reaches into it
log = structlog.get_logger()


class Claimed(Conflict):
    """Another booking owns this claim."""

    def __init__(self, claim: Claim) -> None:
        super().__init__("Somebody else has this already.")
        self.claim = claim


@dataclass(frozen=True, slots=True)
class Taken:
    """What is held or kept of the built-in calendar."""

    holds: list[Hold]

    @property
    def spans(self) -> list[Span]:
        """The calls with what is kept free around them."""
        return [one.around for one in self.holds]

    @classmethod
    def of(cls, holds: Iterable[Hold], window: Span) -> "Taken":
        builtin = (one for one in holds if one.calendar is CalendarKind.BUILTIN)
        return cls([one for one in builtin if one.around.overlaps(window)])


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the payment of a booking went so far. `happened`: the kinds of its events."""

    booking_id: str
    paid_at: datetime | None
    statuses: frozenset[str]
    flags: frozenset[str]
    happened: frozenset[EventKind]


def _outcome(found: Document) -> Outcome:
    return Outcome(
        found["_id"],
        found.get("paid_at"),
        frozenset(str(one["status"]) for one in found.get("attempts", ()) if one.get("status")),
        frozenset(found["flags"]),
        frozenset(event_kind_in(one["what"]) for one in found.get("history", ())),
    )


class Bookings(Claiming[Booking]):
    def __init__(self, database: Database[Document], on_change: Callable[[Booking], None]) -> None:
        self._collection: Collection[Document] = database["bookings"]
        self._lists: Collection[Document] = database["lists"]
        self._on_change = on_change

    def add(self, booking: Booking) -> Booking:
        """Raises Claimed where another booking owns what this one wants."""
        with reaching():
            try:
                self._collection.insert_one(booking_out(booking))
            except errors.DuplicateKeyError as error:
                # The driver repeats a write whose answer got lost. A server that does not recognise the repetition
                # (the embedded one) finds the first one in its way: then this booking has what it wants.
                if self._collection.find_one({"_id": booking.id}, {"_id": 1}) is None:
                    raise Claimed(_claim(error)) from None
        _log_change("added", booking)
        self._on_change(booking)
        return booking

    def get(self, booking_id: str) -> Booking:
        return self._one({"_id": booking_id})

    def by_token(self, token: str) -> Booking:
        return self._one({"token": token})

    def by_claim(self, claims: Sequence[Claim]) -> Booking | None:
        """The booking that owns one of these."""
        with reaching():
            found = self._collection.find_one({"claims": {"$in": [one.key for one in claims]}})
        return booking_in(found) if found else None

    def change(self, booking_id: str, decide: Callable[[Booking], Booking], *, known: Booking | None = None) -> Booking:
        """Load, decide, save if nobody else saved meanwhile; else decide again on the newer one.

        After `add` the only way to alter a booking. `known`: as it was loaded or saved a moment ago, which spares
        loading it unless somebody else was faster. Raises Claimed like `add`; what `decide` raises passes through.
        """
        for _ in range(MOST_TRIES):
            before, known = known or self.get(booking_id), None
            after = decide(before)
            if after == before:
                return before
            after = replace(numbered(before, after), version=before.version + 1)
            if self._replaced(before, after):
                _log_change("changed", after)
                if after.status_version != before.status_version or after.hold != before.hold or not after.is_open:
                    self._on_change(after)
                return after
        raise Busy("This booking is being changed by too many at once.")

    def _replaced(self, before: Booking, after: Booking) -> bool:
        with reaching():
            try:
                result = self._collection.replace_one({"_id": before.id, "version": before.version}, booking_out(after))
            except errors.DuplicateKeyError as error:
                raise Claimed(_claim(error)) from None
        return result.modified_count == 1

    def drop_draft(self, booking: Booking) -> None:
        """Drafts carry no slot and no money; one that has moved on meanwhile stays."""
        with reaching():
            self._collection.delete_one({"_id": booking.id, "version": booking.version, "state": str(State.DRAFT)})

    def check_soon(self, booking_id: str, at: datetime) -> None:
        """Bring the next check forward, never back. No change of the booking itself."""
        with reaching():
            self._collection.update_one({"_id": booking_id, "check_at": {"$gt": at}}, {"$set": {"check_at": at}})

    def due(self, now: datetime, most: int) -> list[str]:
        with reaching():
            found = self._collection.find({"check_at": {"$lte": now}}, {"_id": 1}).sort("check_at", 1).limit(most)
            return [document["_id"] for document in found]

    def left_lying(self, now: datetime, until: datetime, since: datetime, most: int) -> list[str]:
        """Bookings that are looked at before `until` and owe something that was due before `since`."""
        query = {"check_at": {"$gt": now - timedelta(days=365), "$lte": until}, "effects.due": {"$lte": since}}
        return self._ids(query, most)

    def unconfirmed(self, now: datetime, until: datetime, since: datetime, most: int) -> list[str]:
        """Bookings that are looked at before `until`, were paid before `since`, and wait for nobody's word."""
        query = {
            "check_at": {"$gt": now - timedelta(days=365), "$lte": until},
            "state": str(State.PAID),
            "paid_at": {"$lte": since},
            "flags": {"$ne": str(Flag.NEEDS_OWNER)},
        }
        return self._ids(query, most)

    def _ids(self, query: Document, most: int) -> list[str]:
        with reaching():
            return [document["_id"] for document in self._collection.find(query, {"_id": 1}).limit(most)]

    def outcomes(self, after: datetime, before: datetime, most: int) -> list[Outcome]:
        """How the payments of bookings made in this time went, without anything else of them."""
        query = {"created_at": {"$gte": after, "$lt": before}}
        shown = {"flags": 1, "attempts.status": 1, "attempts.proven": 1, "history.what": 1, "paid_at": 1}
        with reaching():
            found = self._collection.find(query, shown).sort("created_at", -1).limit(most)
            return [_outcome(document) for document in found]

    def lease(self, booking_ids: list[str], now: datetime, until: datetime) -> None:
        """Somebody was rung for these: they are due again at `until` if nobody has looked by then.

        Some at a time: a write of hundreds would hold up everybody else's.
        """
        with reaching():
            for start in range(0, len(booking_ids), LEASED_AT_ONCE):
                some = booking_ids[start : start + LEASED_AT_ONCE]
                self._collection.update_many(
                    {"_id": {"$in": some}, "check_at": {"$lte": now}}, {"$set": {"check_at": until}}
                )

    def taken(self, window: Span) -> Taken:
        """What is held or kept of the built-in calendar and reaches into this window."""
        begin, end = window.start - LONGEST_CALL - LONGEST_BUFFER, window.end + LONGEST_BUFFER
        return Taken.of(self._holds({"$gte": hold_at(begin), "$lt": hold_at(end)}), window)

    def events_after(self, now: datetime) -> dict[str, str]:
        """The events at Calendly of bookings that hold their time, for calls after now; each with its booking's id."""
        return {one.event_uri: one.booking_id for one in self._holds({"$gt": hold_at(now)}) if one.event_uri}

    def holds_of(self, booking_ids: Sequence[str]) -> list[Hold]:
        """The times that these bookings hold or keep; of one that holds none there is none."""
        return self._holds_found({"_id": {"$in": list(booking_ids)}, "hold": {"$exists": True}})

    def _holds(self, starts: Document) -> list[Hold]:
        return self._holds_found({"hold": starts})

    def _holds_found(self, query: Document) -> list[Hold]:
        with reaching():
            found = self._collection.find(query, {"hold": 1}, batch_size=TAKEN_AT_ONCE)
            return [hold_in(one["_id"], one["hold"]) for one in found]

    def made(self, after: datetime, before: datetime, most: int) -> list[Booking]:
        """Bookings made in this time, oldest first: for whoever goes through all of them, page by page."""
        with reaching():
            query = {"created_at": {"$gte": after, "$lt": before}}
            return [booking_in(one) for one in self._collection.find(query).sort("created_at", 1).limit(most)]

    def unfiled(self, after: datetime, before: datetime) -> list[Booking]:
        """Those made in this time that an older release has written: no list finds them."""
        query = {"created_at": {"$gte": after, "$lt": before}, "filing": {"$ne": FILING}}
        with reaching():
            return [booking_in(one) for one in self._collection.find(query)]

    def file(self, booking: Booking) -> None:
        """Written as it is, so that lists find it, unless somebody has changed it meanwhile, which does the same."""
        self._replaced(booking, booking)

    def keep_beginning(self, at: datetime) -> None:
        """No booking was made before: where lists that begin with the oldest begin (see adapters/mongo/lists)."""
        with reaching():
            self._lists.update_one({"_id": "beginning"}, {"$min": {"at": at}}, upsert=True)

    def promised(self, after: datetime, most: int) -> list[Booking]:
        """Bookings with a promise about their money that is still open, what is due first at the top."""
        with reaching():
            found = self._collection.find({"promised_by": {"$gt": after}}).sort("promised_by", 1).limit(most)
            return [booking_in(one) for one in found]

    def confirmed_calls(self, after: datetime, before: datetime, most: int) -> list[Booking]:
        """Confirmed calls that begin in this time, the next one first."""
        with reaching():
            query = {"hold": {"$gte": hold_at(after), "$lt": hold_at(before)}, "state": str(State.CONFIRMED)}
            return [booking_in(one) for one in self._collection.find(query).sort("hold", 1).limit(most)]

    def first_made(self, after: datetime, before: datetime) -> datetime | None:
        """When the oldest booking of this time was made. Looked for some weeks at a time: to sort all of them for one
        would take the embedded server the longer, the more there are."""
        while after < before:
            until = min(after + FEW_WEEKS, before)
            with reaching():
                found = self._collection.find({"created_at": {"$gte": after, "$lt": until}}, {"created_at": 1})
                first: datetime | None = min((one["created_at"] for one in found), default=None)
            if first is not None:
                return first
            after = until
        return None

    def among(self, booking_ids: Sequence[str]) -> Iterator[Booking]:
        """Those of these that there are, in no order that matters."""
        for start in range(0, len(booking_ids), READ_AT_ONCE):
            with reaching():
                found = list(self._collection.find({"_id": {"$in": list(booking_ids[start : start + READ_AT_ONCE])}}))
            yield from map(booking_in, found)

    def known_among(self, ids: Sequence[str]) -> set[str]:
        """Those of these ids that are a booking's."""
        return set(self._ids({"_id": {"$in": list(ids)}}, len(ids))) if ids else set()

    def one_of(self, email_index: str) -> Booking | None:
        """Any booking that was made under this mail address."""
        with reaching():
            found = self._collection.find_one({"email_index": email_index})
        return booking_in(found) if found else None

    def books_of(self, email_index: str) -> list[tuple[Entry, ...]]:
        """The entries of each booking that was ever made under this mail address."""
        with reaching():
            found = list(self._collection.find({"email_index": email_index}, {"ledger": 1}))
        return [tuple(entry_in(entry) for entry in one.get("ledger", ())) for one in found]

    def turnover(self, email_index: str) -> list[Turnover]:
        """What every booking ever made under this mail address brought, and still asks for."""
        shown = {"ledger": 1, "created_at": 1, "state": 1, "meeting_type.price": 1}
        with reaching():
            found = list(self._collection.find({"email_index": email_index}, shown))
        return [
            Turnover(
                one["_id"],
                one["created_at"],
                tuple(entry_in(entry) for entry in one.get("ledger", ())),
                money_in(one["meeting_type"]["price"]) if one["state"] == State.PENDING else None,
            )
            for one in found
        ]

    def owned_of(self, claims: Sequence[Claim]) -> set[Claim]:
        """Those of these claims that some booking owns."""
        keys = {one.key: one for one in claims}
        with reaching():
            found = list(self._collection.find({"claims": {"$in": list(keys)}}, {"claims": 1}))
        return {keys[key] for document in found for key in document["claims"] if key in keys}

    def _one(self, query: Document) -> Booking:
        with reaching():
            found = self._collection.find_one(query)
        if found is None:
            raise NotFound("There is no such booking.")
        return booking_in(found)


def _claim(error: errors.DuplicateKeyError) -> Claim:
    details: dict[str, Any] = dict(error.details or {})
    return claim_in(str(next(iter((details.get("keyValue") or {"": ""}).values()))))


def _log_change(what: str, booking: Booking) -> None:
    log.info(
        "booking",
        what=what,
        booking=booking.id,
        state=str(booking.state),
        version=booking.version,
        flags=sorted(booking.flags),
        last=str(booking.history[-1].kind) if booking.history else "",
    )
