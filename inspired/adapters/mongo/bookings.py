"""Bookings. One booking is one document, altered only by one versioned write.

Filters are flat and every list is bounded by a range on an indexed field, so that its cost does not grow with their
number. A change is `replace_one` on id and version; the loser of a race reads again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from pymongo import ReplaceOne, errors
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
from inspired.domain.booking.rails import CAPABILITIES, USUAL, RailId
from inspired.domain.booking.states import CalendarKind, Flag, State
from inspired.domain.booking.status import numbered
from inspired.domain.catalogue.availability import LONGEST_BUFFER
from inspired.domain.reporting.payment_limits import Turnover
from inspired.domain.shared.batches import batches
from inspired.domain.shared.errors import Busy, Conflict, NotFound
from inspired.domain.shared.slots import Span

DUPLICATE = 11000  # the server's code: a unique index has this value already
LEASED_AT_ONCE = 25
TAKEN_AT_ONCE = 1000  # a month in one batch; the driver's first batch is 101 documents, the rest costs another request
READ_AT_ONCE = 100
LONGEST_CALL = timedelta(hours=6)  # how long before a window a call may start and still reach into it
log = structlog.get_logger()


class Claimed(Conflict):
    """Another booking owns this claim."""

    def __init__(self, claim: Claim) -> None:
        super().__init__("Somebody else has this already.")
        self.claim = claim


@dataclass(frozen=True, slots=True)
class Taken:
    """Times held on the built-in calendar."""

    holds: list[Hold]

    @property
    def spans(self) -> list[Span]:
        """The calls including their buffers."""
        return [one.around for one in self.holds]

    @classmethod
    def of(cls, holds: Iterable[Hold], window: Span) -> "Taken":
        builtin = (one for one in holds if one.calendar is CalendarKind.BUILTIN)
        return cls([one for one in builtin if one.around.overlaps(window)])


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far a booking's payment got. `happened`: the kinds of its events. `has_notices`: payments by the rail of its
    newest order are told of by a notice; on chain there is none."""

    booking_id: str
    paid_at: datetime | None
    statuses: frozenset[str]
    flags: frozenset[str]
    happened: frozenset[EventKind]
    has_notices: bool = True


def _outcome(found: Document) -> Outcome:
    orders = found.get("attempts", ())
    return Outcome(
        found["_id"],
        found.get("paid_at"),
        frozenset(str(one["status"]) for one in found.get("attempts", ()) if one.get("status")),
        frozenset(found["flags"]),
        frozenset(event_kind_in(one["what"]) for one in found.get("history", ())),
        has_notices=CAPABILITIES[RailId(orders[-1].get("rail", USUAL))].network is None if orders else True,
    )


class Bookings(Claiming[Booking]):
    def __init__(self, database: Database[Document], on_change: Callable[[Booking], None]) -> None:
        self._collection: Collection[Document] = database["bookings"]
        self._lists: Collection[Document] = database["lists"]
        self._on_change = on_change

    def add(self, booking: Booking) -> Booking:
        """Raises Claimed if another booking owns a claim this one needs."""
        with reaching():
            try:
                self._collection.insert_one(booking_out(booking))
            except errors.DuplicateKeyError as error:
                raise Claimed(_claim(error)) from None
        _log_change("added", booking)
        self._on_change(booking)
        return booking

    def get(self, booking_id: str) -> Booking:
        return self._one({"_id": booking_id})

    def by_token(self, token: str) -> Booking:
        return self._one({"token": token})

    def by_claim(self, claims: Sequence[Claim]) -> Booking | None:
        """The booking that owns one of these claims."""
        with reaching():
            found = self._collection.find_one({"claims": {"$in": [one.key for one in claims]}})
        return booking_in(found) if found else None

    def change(self, booking_id: str, decide: Callable[[Booking], Booking], *, known: Booking | None = None) -> Booking:
        """Load, decide, and save unless another process saved meanwhile; else decide again on the newer version.

        After `add` the only way to alter a booking. `known`: the booking as loaded or saved a moment ago, which saves a
        read if it is still current. Raises Claimed like `add`, and Busy; errors raised by `decide` pass through.
        """
        for _ in range(MOST_TRIES):
            before, known = known or self.get(booking_id), None
            after = _next(before, decide)
            if after is before:
                return before
            if self._replaced(before, after):
                self._changed(before, after)
                return after
        raise Busy("This booking is being changed by too many at once.")

    def change_together(
        self, known: Sequence[Booking], decide: Callable[[Booking], Booking]
    ) -> tuple[list[Booking], list[Booking]]:
        """`change` for many in one write, each by its own version. `known`: as loaded a moment ago.

        Returns the bookings as they are now, and those of `known` that are not certainly saved, because another process
        was faster or owns a claim: change these one at a time. Raises Busy.
        """
        steps = [(before, _next(before, decide)) for before in known]
        changed = [(before, after) for before, after in steps if after is not before]
        saved = self._replaced_together(changed) if changed else set()
        for before, after in changed:
            if after.id in saved:
                self._changed(before, after)
        now = [after for before, after in steps if after is before or after.id in saved]
        return now, [before for before, after in steps if after is not before and after.id not in saved]

    def _replaced_together(self, changed: Sequence[tuple[Booking, Booking]]) -> set[str]:
        """The ids of those that are certainly saved."""
        writes = [
            ReplaceOne({"_id": before.id, "version": before.version}, booking_out(after)) for before, after in changed
        ]
        refused: set[int] = set()
        with reaching():
            try:
                modified = self._collection.bulk_write(writes, ordered=False).modified_count
            except errors.BulkWriteError as error:
                details: dict[str, Any] = dict(error.details or {})
                if any(one["code"] != DUPLICATE for one in details["writeErrors"]) or details["writeConcernErrors"]:
                    raise
                refused = {one["index"] for one in details["writeErrors"]}
                modified = details["nModified"]
        written = [after.id for place, (_, after) in enumerate(changed) if place not in refused]
        # The server counts the writes it did, and does not say which.
        return set(written) if modified == len(written) else set()

    def _changed(self, before: Booking, after: Booking) -> None:
        _log_change("changed", after)
        if after.status_version != before.status_version or after.hold != before.hold or not after.is_open:
            self._on_change(after)

    def _replaced(self, before: Booking, after: Booking) -> bool:
        with reaching():
            try:
                result = self._collection.replace_one({"_id": before.id, "version": before.version}, booking_out(after))
            except errors.DuplicateKeyError as error:
                raise Claimed(_claim(error)) from None
        return result.modified_count == 1

    def drop_draft(self, booking: Booking) -> None:
        """Drafts hold no slot and no money. One that has changed meanwhile is kept."""
        with reaching():
            self._collection.delete_one({"_id": booking.id, "version": booking.version, "state": str(State.DRAFT)})

    def check_soon(self, booking_id: str, at: datetime) -> None:
        """Bring the next check forward, never back. The booking itself does not change."""
        with reaching():
            self._collection.update_one({"_id": booking_id, "check_at": {"$gt": at}}, {"$set": {"check_at": at}})

    def due(self, now: datetime, most: int) -> list[str]:
        return [booking_id for booking_id, _ in self.due_since(now, most)]

    def due_since(self, now: datetime, most: int) -> list[tuple[str, datetime]]:
        """Bookings to look at, with the moment since when, the most overdue first."""
        with reaching():
            found = self._collection.find({"check_at": {"$lte": now}}, {"check_at": 1}).sort("check_at", 1).limit(most)
            return [(document["_id"], document["check_at"]) for document in found]

    def left_lying(self, now: datetime, until: datetime, since: datetime, most: int) -> list[str]:
        """Bookings checked before `until` that owe a task due before `since`."""
        query = {"check_at": {"$gt": now - timedelta(days=365), "$lte": until}, "effects.due": {"$lte": since}}
        return self._ids(query, most)

    def unconfirmed(self, now: datetime, until: datetime, since: datetime, most: int) -> list[str]:
        """Bookings checked before `until`, paid before `since`, and waiting neither for the owner nor for a network to
        make their payment final: that takes a quarter of an hour on some, and the booking itself tells if it is too
        long."""
        query = {
            "check_at": {"$gt": now - timedelta(days=365), "$lte": until},
            "state": str(State.PAID),
            "paid_at": {"$lte": since},
            "flags": {"$ne": str(Flag.NEEDS_OWNER)},
            "attempts": {"$not": {"$elemMatch": {"rail": {"$exists": True}, "status": "PAID", "proven": False}}},
        }
        return self._ids(query, most)

    def _ids(self, query: Document, most: int) -> list[str]:
        with reaching():
            return [document["_id"] for document in self._collection.find(query, {"_id": 1}).limit(most)]

    def outcomes(self, after: datetime, before: datetime, most: int) -> list[Outcome]:
        """The payment outcomes of bookings made in this period, reading only the fields needed."""
        query = {"created_at": {"$gte": after, "$lt": before}}
        shown = {
            "flags": 1,
            "attempts.status": 1,
            "attempts.proven": 1,
            "attempts.rail": 1,
            "history.what": 1,
            "paid_at": 1,
        }
        with reaching():
            found = self._collection.find(query, shown).sort("created_at", -1).limit(most)
            return [_outcome(document) for document in found]

    def was_ever_paid(self) -> bool:
        """True if money ever came for any booking."""
        with reaching():
            return self._collection.find_one({"paid_at": {"$type": "date"}}, {"_id": 1}) is not None

    def lease(self, booking_ids: list[str], now: datetime, until: datetime) -> None:
        """Put these off: those that are due are due again at `until`.

        In small batches, since a write of hundreds would block other writers.
        """
        with reaching():
            for batch in batches(booking_ids, LEASED_AT_ONCE):
                self._collection.update_many(
                    {"_id": {"$in": batch}, "check_at": {"$lte": now}}, {"$set": {"check_at": until}}
                )

    def taken(self, window: Span) -> Taken:
        """Times held on the built-in calendar that reach into this window."""
        begin, end = window.start - LONGEST_CALL - LONGEST_BUFFER, window.end + LONGEST_BUFFER
        return Taken.of(self._holds({"$gte": hold_at(begin), "$lt": hold_at(end)}), window)

    def events_after(self, now: datetime) -> dict[str, str]:
        """Calendly events of bookings that hold their time, for calls after `now`, with the booking's id."""
        return {one.event_uri: one.booking_id for one in self._holds({"$gt": hold_at(now)}) if one.event_uri}

    def holds_of(self, booking_ids: Sequence[str]) -> list[Hold]:
        """The times these bookings hold; bookings without one are left out."""
        return self._holds_found({"_id": {"$in": list(booking_ids)}, "hold": {"$exists": True}})

    def _holds(self, starts: Document) -> list[Hold]:
        return self._holds_found({"hold": starts})

    def _holds_found(self, query: Document) -> list[Hold]:
        with reaching():
            found = self._collection.find(query, {"hold": 1}, batch_size=TAKEN_AT_ONCE)
            return [hold_in(one["_id"], one["hold"]) for one in found]

    def made(self, after: datetime, before: datetime, most: int) -> list[Booking]:
        """Bookings made in this period, oldest first, for paging through all of them."""
        with reaching():
            query = {"created_at": {"$gte": after, "$lt": before}}
            return [booking_in(one) for one in self._collection.find(query).sort("created_at", 1).limit(most)]

    def unfiled(self, after: datetime, before: datetime) -> list[Booking]:
        """Bookings of this period last written by an older release, which no list finds."""
        query = {"created_at": {"$gte": after, "$lt": before}, "filing": {"$ne": FILING}}
        with reaching():
            return [booking_in(one) for one in self._collection.find(query)]

    def file(self, booking: Booking) -> None:
        """Save it unchanged, so that lists find it; if another process has just changed it, that has the same
        effect."""
        self._replaced(booking, booking)

    def keep_beginning(self, at: datetime) -> None:
        """Remember the earliest creation date; oldest-first lists start there (see adapters/mongo/lists)."""
        with reaching():
            self._lists.update_one({"_id": "beginning"}, {"$min": {"at": at}}, upsert=True)

    def promised(self, after: datetime, most: int) -> list[Booking]:
        """Bookings with an open promise about their money, soonest due first."""
        with reaching():
            found = self._collection.find({"promised_by": {"$gt": after}}).sort("promised_by", 1).limit(most)
            return [booking_in(one) for one in found]

    def confirmed_calls(self, after: datetime, before: datetime, most: int) -> list[Booking]:
        """Confirmed calls that start in this period, soonest first."""
        with reaching():
            query = {"hold": {"$gte": hold_at(after), "$lt": hold_at(before)}, "state": str(State.CONFIRMED)}
            return [booking_in(one) for one in self._collection.find(query).sort("hold", 1).limit(most)]

    def first_made(self, after: datetime, before: datetime) -> datetime | None:
        """When the period's oldest booking was made."""
        query = {"created_at": {"$gte": after, "$lt": before}}
        with reaching():
            found = self._collection.find_one(query, {"created_at": 1}, sort=[("created_at", 1)])
        return None if found is None else found["created_at"]

    def among(self, booking_ids: Sequence[str]) -> Iterator[Booking]:
        """Those of these bookings that exist, in no particular order."""
        for batch in batches(booking_ids, READ_AT_ONCE):
            with reaching():
                found = list(self._collection.find({"_id": {"$in": list(batch)}}))
            yield from map(booking_in, found)

    def known_among(self, ids: Sequence[str]) -> set[str]:
        """Those of these ids that belong to a booking."""
        return set(self._ids({"_id": {"$in": list(ids)}}, len(ids))) if ids else set()

    def one_of(self, email_index: str) -> Booking | None:
        """Any booking made under this email address."""
        with reaching():
            found = self._collection.find_one({"email_index": email_index})
        return booking_in(found) if found else None

    def books_of(self, email_index: str) -> list[tuple[Entry, ...]]:
        """The ledger entries of each booking ever made under this email address."""
        with reaching():
            found = list(self._collection.find({"email_index": email_index}, {"ledger": 1}))
        return [tuple(entry_in(entry) for entry in one.get("ledger", ())) for one in found]

    def turnover(self, email_index: str) -> list[Turnover]:
        """For every booking ever made under this email address: what it brought, and what it still asks for."""
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
        """Those of these claims that are taken."""
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


def _next(before: Booking, decide: Callable[[Booking], Booking]) -> Booking:
    """The next version; `before` itself if nothing changes."""
    after = decide(before)
    return before if after == before else replace(numbered(before, after), version=before.version + 1)


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
