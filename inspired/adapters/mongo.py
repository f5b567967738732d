"""The database. One booking is one document, and one versioned write is the only way to alter it.

Filters are flat and every list is bounded by a range on an indexed field: that is what both MongoDB and the embedded
server do fast. A change is `replace_one` on id and version; whoever comes second reads again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

import pymongo
import structlog
from pymongo import errors
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from inspired.adapters.claiming import Claiming
from inspired.adapters.documents import (
    FILING,
    Document,
    booking_in,
    booking_out,
    entry_in,
    hold_at,
    hold_in,
    money_in,
    subscriber_in,
    subscriber_out,
)
from inspired.adapters.spellings import claim_in, event_kind_in
from inspired.domain.availability import LONGEST_BUFFER
from inspired.domain.booking import Booking, Entry, Hold
from inspired.domain.claims import Claim
from inspired.domain.errors import Busy, Conflict, NotFound
from inspired.domain.history import EventKind
from inspired.domain.limits import Turnover
from inspired.domain.newsletter import Subscriber
from inspired.domain.slots import Span
from inspired.domain.states import CalendarKind, Flag, State
from inspired.domain.status import numbered

MOST_TRIES = 50
MOST_CONNECTIONS = 20  # to each server of the set; two more watch it
LEASED_AT_ONCE = 25
TAKEN_AT_ONCE = 1000  # a month in one answer: by itself the driver takes 101, and asks again for the rest
READ_AT_ONCE = 100
FEW_WEEKS = timedelta(weeks=4)
LONGEST_CALL = timedelta(hours=6)  # how far before a window a call may have started that still reaches into it
INBOUND_SPANS = (timedelta(hours=6), timedelta(days=2), timedelta(days=14))
IDEMPOTENCY_LIFE = timedelta(days=30)
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


def connect(uri: str, database: str, *, seconds: float, most: int = MOST_CONNECTIONS) -> Database[Document]:
    """`seconds` is what one operation may take, waiting for one of `most` connections included; a deadline around a
    request can only shorten it. An address that says maxPoolSize itself is believed.

    A write counts once most of the replica set has it on disk, and what is read is the primary's, whatever the address
    says: money that one server alone knows of may be forgotten with it, and a secondary may be behind.
    """
    pool: dict[str, Any] = {} if "maxpoolsize=" in uri.lower() else {"maxPoolSize": most}
    client: pymongo.MongoClient[Document] = pymongo.MongoClient(
        uri,
        **pool,
        tz_aware=True,
        timeoutMS=int(seconds * 1000),
        serverSelectionTimeoutMS=int(seconds * 1000),
        appname="inspired-analyst",
    )
    return client.get_database(
        database, read_preference=ReadPreference.PRIMARY, write_concern=WriteConcern(w="majority", j=True)
    )


@contextmanager
def reaching() -> Iterator[None]:
    """A database that is away, too slow or refuses us is Busy: nothing of ours knows pymongo's errors."""
    try:
        yield
    except errors.DuplicateKeyError:
        raise
    except errors.PyMongoError as error:
        trouble = trouble_of(error)
        log.warning("database_away", error=type(error).__name__, code=trouble.code, name=trouble.name)
        raise Busy(trouble.told) from error


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with the database. `code` and `name`: MongoDB's own, 0 and "" where it has not told any."""

    code: int
    name: str
    told: str


AWAY = "The database does not answer."
# https://www.mongodb.com/docs/manual/reference/error-codes/. Atlas answers 8000 for whatever its own door refuses.
REFUSALS = {
    11: "It does not let us in: look at user and password in MONGODB_URI.",
    13: "The user in MONGODB_URI may not do this: its role has to be readWriteAnyDatabase.",
    18: "It does not let us in: look at user and password in MONGODB_URI.",
    85: "An index differs from the one this version wants: drop it, then run “inspired migrate”.",
    86: "An index differs from the one this version wants: drop it, then run “inspired migrate”.",
    8000: "It does not let us in: look at user and password in MONGODB_URI, and at the user’s role.",
}
INDEX_CONFLICTS = (85, 86)
# Being restarted, losing its primary or its network: over by itself, and nothing anybody has to mend.
PASSING = frozenset((6, 7, 43, 50, 64, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436))
# How the driver says that the servers it has found belong to another set than the address names.
WRONG_SET = ("available for replica set name", "configured to connect to a replica set named")


def trouble_of(error: errors.PyMongoError) -> Trouble:
    """In words for whoever looks after the site. The server's own message stays out of it, since it may repeat the
    command with all that was to be written; of an index it holds nothing but the index."""
    if isinstance(error, errors.ServerSelectionTimeoutError) and any(one in str(error) for one in WRONG_SET):
        return Trouble(0, "", "The database belongs to another replica set than MONGODB_URI names (replicaSet).")
    if not isinstance(error, errors.OperationFailure) or not error.code or error.timeout:
        return Trouble(0, "", AWAY)
    details = error.details or {}
    name = str(details.get("codeName", ""))
    if error.code in PASSING:
        return Trouble(error.code, name, AWAY)
    hint = REFUSALS.get(error.code, "")
    if error.code in INDEX_CONFLICTS:
        hint = f"{hint} {str(details.get('errmsg', ''))[:300]}".strip()
    if hint:
        return Trouble(error.code, name, f"The database refuses us, {name or 'error'} ({error.code}). {hint}")
    return Trouble(error.code, name, f"The database does not do what it is asked, {name or 'error'} ({error.code}).")


def ping(database: Database[Document]) -> None:
    with reaching():
        database.command("ping")


def server_version(database: Database[Document]) -> str:
    with reaching():
        return str(database.command("buildInfo")["version"])


def create_indexes(database: Database[Document]) -> None:
    """Idempotent; run at every release. No TTL on anything that carries money."""
    with reaching():
        bookings = database["bookings"]
        bookings.create_index("token", unique=True)
        bookings.create_index("claims", unique=True, sparse=True)
        bookings.create_index("check_at", sparse=True)
        bookings.create_index("promised_by", sparse=True)
        bookings.create_index("hold", sparse=True)
        bookings.create_index("created_at")
        bookings.create_index("email_index")
        logs = database["payment_logs"]
        logs.create_index("work_at", sparse=True)
        logs.create_index("booking_id")
        logs.create_index("at")
        logs.create_index("refused_at", sparse=True)
        logs.create_index("notice_at", sparse=True)
        newsletter = database["newsletter"]
        newsletter.create_index("email_index", unique=True)
        newsletter.create_index("token", unique=True)
        newsletter.create_index("mail_due", sparse=True)
        database["idempotency_keys"].create_index("at", expireAfterSeconds=int(IDEMPOTENCY_LIFE.total_seconds()))


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
                if after.edition != before.edition or after.hold != before.hold or not after.is_open:
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
        """No booking was made before: where lists that begin with the oldest begin (see adapters/lists)."""
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


@dataclass(frozen=True, slots=True)
class Notice:
    """One inbound webhook, as it came. `raw` is sealed under `key`, made for `key_owner` (booking or notice)."""

    id: str
    at: datetime
    biz_type: str
    biz_status: str
    trade_no: str
    booking_id: str
    raw: bytes
    key: bytes
    key_owner: str
    headers: dict[str, str]
    work_at: datetime | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """An inbound notice that did not prove to come from the provider. `raw` is cut, and sealed under its own key."""

    id: str
    at: datetime
    why: str
    headers: dict[str, str]
    raw: bytes
    key: bytes


class PaymentLogs:
    """The evidence: every notice as it came, what followed from it, and every call of ours with its outcome.

    Append only: nothing that is written here is altered or deleted; `work_at` alone, by which the clock finds a notice
    that is still to be worked on, goes when that is done. And what a notice held goes with its customer's data.
    """

    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["payment_logs"]

    def add_notice(self, notice: Notice) -> bool:
        """False where this very event is written already. Acknowledged by the database before this returns."""
        due = {} if notice.work_at is None else {"work_at": notice.work_at}
        return self._appended(
            {
                "_id": notice.id,
                "event": "WEBHOOK_RECEIVED",
                "at": notice.at,
                "notice_at": notice.at,
                "biz_type": notice.biz_type,
                "biz_status": notice.biz_status,
                "trade_no": notice.trade_no,
                "booking_id": notice.booking_id,
                "raw": notice.raw,
                "key": notice.key,
                "key_owner": notice.key_owner,
                "headers": notice.headers,
                "verdict": "accepted",
                **due,
            }
        )

    def add_refusal(self, refusal: Refusal, *, most: int, within: timedelta) -> bool:
        """At most so many in so long: a stranger must not be able to fill the database."""
        with reaching():
            query = {"refused_at": {"$gte": refusal.at - within}}
            if len(list(self._collection.find(query, {"_id": 1}).limit(most))) >= most:
                return False
        return self._appended(
            {
                "_id": refusal.id,
                "event": "WEBHOOK_REFUSED",
                "at": refusal.at,
                "refused_at": refusal.at,
                "notice_at": refusal.at,
                "verdict": refusal.why,
                "headers": refusal.headers,
                "raw": refusal.raw,
                "key": refusal.key,
                "key_owner": refusal.id,
            }
        )

    def add_call(self, at: datetime, *, path: str, reference: str, booking_id: str, outcome: str, ms: int) -> None:
        """One call of ours to the provider, as it went."""
        with reaching():
            self._collection.insert_one(
                {
                    "event": "CALL",
                    "at": at,
                    "path": path,
                    "trade_no": reference,
                    "booking_id": booking_id,
                    "verdict": outcome,
                    "ms": ms,
                }
            )

    def _appended(self, document: Document) -> bool:
        with reaching():
            try:
                self._collection.insert_one(document)
            except errors.DuplicateKeyError:
                return False
        return True

    def get(self, notice_id: str) -> Notice:
        with reaching():
            found = self._collection.find_one({"_id": notice_id})
        if found is None:
            raise NotFound("There is no such notice.")
        return Notice(
            id=found["_id"],
            at=found["at"],
            biz_type=found["biz_type"],
            biz_status=found["biz_status"],
            trade_no=found["trade_no"],
            booking_id=found["booking_id"],
            raw=bytes(found["raw"]),
            key=bytes(found["key"]),
            key_owner=found["key_owner"],
            headers=found["headers"],
            work_at=found.get("work_at"),
        )

    def due(self, now: datetime, most: int) -> list[str]:
        with reaching():
            found = self._collection.find({"work_at": {"$lte": now}}, {"_id": 1}).sort("work_at", 1).limit(most)
            return [document["_id"] for document in found]

    def unworked(self, now: datetime, since: datetime, most: int) -> list[str]:
        """Notices that came before `since` and are still to be worked on, whoever was rung for them."""
        query = {"work_at": {"$gt": now - timedelta(days=365)}, "at": {"$lte": since}}
        with reaching():
            return [document["_id"] for document in self._collection.find(query, {"_id": 1}).limit(most)]

    def refused_since(self, after: datetime, most: int) -> int:
        with reaching():
            return len(list(self._collection.find({"refused_at": {"$gte": after}}, {"_id": 1}).limit(most)))

    def told_of_payment(self, after: datetime, most: int) -> set[str]:
        """The bookings that a signed notice of a payment was about."""
        query = {"at": {"$gte": after}, "event": "WEBHOOK_RECEIVED", "biz_status": "PAY_SUCCESS"}
        with reaching():
            return {one["booking_id"] for one in self._collection.find(query, {"booking_id": 1}).limit(most)}

    def lease(self, notice_id: str, until: datetime) -> None:
        """Somebody was rung for it, or is at it: due again at `until`."""
        with reaching():
            self._collection.update_one({"_id": notice_id, "work_at": {"$lt": until}}, {"$set": {"work_at": until}})

    def finished(self, notice: Notice, verdict: str, now: datetime) -> None:
        """What followed from it, as an entry of its own; then it is no longer due."""
        self._appended(
            {
                "_id": f"{notice.id}#worked",
                "event": "WEBHOOK_WORKED",
                "at": now,
                "biz_type": notice.biz_type,
                "biz_status": notice.biz_status,
                "trade_no": notice.trade_no,
                "booking_id": notice.booking_id,
                "verdict": verdict,
            }
        )
        with reaching():
            self._collection.update_one({"_id": notice.id}, {"$unset": {"work_at": ""}})

    def verdict_on(self, notice_id: str) -> str:
        """What followed from a notice; "" while that is still to come."""
        with reaching():
            found = self._collection.find_one({"_id": f"{notice_id}#worked"}, {"verdict": 1})
        return "" if found is None else str(found["verdict"])

    def of_booking(self, booking_id: str, most: int) -> list[Document]:
        """Notices, what followed from them, and calls, without what they held."""
        with reaching():
            shown = {"raw": 0, "key": 0, "headers": 0}
            return list(self._collection.find({"booking_id": booking_id}, shown).limit(most))

    def inbound(self, *, before: datetime, after: datetime, most: int) -> list[Document]:
        """Notices that came in, refused ones too, newest first; each with what followed from it ("" where that is still
        to come, or nothing did), and without what it held."""
        with reaching():
            found = self._inbound(before, after, most)
            names = {"_id": {"$in": [f"{one['_id']}#worked" for one in found]}}
            worked = {one["_id"]: one["verdict"] for one in self._collection.find(names, {"verdict": 1})}
        return [{**one, "followed": worked.get(f"{one['_id']}#worked", "")} for one in found]

    def _inbound(self, before: datetime, after: datetime, most: int) -> list[Document]:
        """Looked for in ever longer spans: the embedded server sorts all of a span, however few are asked for."""
        hidden = {"raw": 0, "key": 0, "headers": 0}
        for span in (*INBOUND_SPANS, before - after):
            since = max(after, before - span)
            query = {"notice_at": {"$gte": since, "$lt": before}}
            found = list(self._collection.find(query, hidden).sort("notice_at", -1).limit(most))
            if len(found) == most or since == after:
                break
        return found

    def kept(self, notice_id: str) -> Document:
        """One notice with all that is kept of it, refused or not. Raises NotFound."""
        with reaching():
            found = self._collection.find_one({"_id": notice_id, "notice_at": {"$exists": True}})
        if found is None:
            raise NotFound("There is no such notice.")
        return found

    def awaits_work(self, booking_id: str) -> bool:
        """A notice about this booking is still to be worked on."""
        with reaching():
            return self._collection.find_one({"booking_id": booking_id, "work_at": {"$ne": None}}) is not None

    def forget(self, booking_id: str) -> None:
        """What the notices about this booking held, and their keys. That they came, when, and what followed stays."""
        with reaching():
            query = {"booking_id": booking_id, "event": "WEBHOOK_RECEIVED"}
            self._collection.update_many(query, {"$set": {"raw": b"", "key": b""}})

    def has_told_of(self, booking_id: str) -> bool:
        """Whether any notice of a payment has come for it."""
        query = {"booking_id": booking_id, "biz_status": "PAY_SUCCESS", "event": "WEBHOOK_RECEIVED"}
        with reaching():
            return self._collection.find_one(query, {"_id": 1}) is not None

    def between(self, after: datetime, before: datetime) -> Iterator[Document]:
        """Every entry of this time, without what it held, in no order that matters."""
        with reaching():
            yield from self._collection.find({"at": {"$gte": after, "$lt": before}}, {"raw": 0, "key": 0, "headers": 0})

    def since(self, after: datetime, most: int) -> list[Document]:
        """The newest entries, without what they held."""
        with reaching():
            found = self._collection.find({"at": {"$gte": after}}, {"raw": 0, "key": 0, "headers": 0})
            return list(found.sort("at", -1).limit(most))


@dataclass(frozen=True, slots=True)
class KeyUse:
    """What an idempotency key was used for. `status` is the first answer's code, 0 while it is still at work."""

    body: str
    token: str
    status: int
    at: datetime


class IdempotencyKeys:
    """https://docs.stripe.com/api/idempotent_requests is the contract people know."""

    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["idempotency_keys"]

    def take(self, key: str, use: KeyUse) -> KeyUse | None:
        """None: the key is yours now. Else how it was used before."""
        for _ in range(MOST_TRIES):
            with reaching():
                try:
                    self._collection.insert_one(
                        {"_id": key, "body": use.body, "token": use.token, "status": 0, "at": use.at}
                    )
                except errors.DuplicateKeyError:
                    pass
                else:
                    return None
            if (found := self.find(key)) is not None:
                return found  # else it was given back between the two, and may be taken after all
        raise Busy("This Idempotency-Key is being used by too many at once.")

    def find(self, key: str) -> KeyUse | None:
        with reaching():
            found = self._collection.find_one({"_id": key})
        return None if found is None else KeyUse(found["body"], found["token"], found["status"], found["at"])

    def taken_over(self, key: str, use: KeyUse, now: datetime) -> bool:
        """True for the one caller that may go on where a process died at work."""
        with reaching():
            result = self._collection.update_one({"_id": key, "at": use.at, "status": 0}, {"$set": {"at": now}})
        return result.modified_count == 1

    def answered(self, key: str, status: int) -> None:
        with reaching():
            self._collection.update_one({"_id": key}, {"$set": {"status": status}})

    def left_open(self, key: str, at: datetime) -> None:
        """Nobody knows what came of it: whoever comes next with the key goes on with it, as if its user had died."""
        with reaching():
            self._collection.update_one({"_id": key, "status": 0}, {"$set": {"at": at}})

    def given_back(self, key: str) -> None:
        """A refusal is not kept: the same key may be used for a better try."""
        with reaching():
            self._collection.delete_one({"_id": key, "status": 0})


Kept = TypeVar("Kept", bound=Any)  # a frozen dataclass with `id` and `version`


def versioned(
    collection: Collection[Document],
    load: Callable[[], Kept],
    decide: Callable[[Kept], Kept],
    out: Callable[[Kept], Document],
    noun: str,
) -> Kept:
    """Load, decide, save if nobody else saved meanwhile; what `load` and `decide` raise passes through. Raises Busy."""
    for _ in range(MOST_TRIES):
        before = load()
        after = decide(before)
        if after == before:
            return before
        after = replace(after, version=before.version + 1)
        with reaching():
            query = {"_id": before.id, "version": before.version}
            if collection.replace_one(query, out(after)).modified_count == 1:
                return after
    raise Busy(f"This {noun} is being changed by too many at once.")


class Subscribers(Claiming[Subscriber]):
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["newsletter"]

    def add(self, subscriber: Subscriber) -> bool:
        """False where this address is known already."""
        with reaching():
            try:
                self._collection.insert_one(subscriber_out(subscriber))
            except errors.DuplicateKeyError:
                return False
        return True

    def by_email(self, email_index: str) -> Subscriber | None:
        return self._one({"email_index": email_index})

    def by_token(self, token: str) -> Subscriber | None:
        return self._one({"token": token})

    def get(self, subscriber_id: str) -> Subscriber | None:
        return self._one({"_id": subscriber_id})

    def change(self, subscriber_id: str, decide: Callable[[Subscriber], Subscriber]) -> Subscriber:
        def known() -> Subscriber:
            found = self.get(subscriber_id)
            if found is None:
                raise NotFound("There is no such subscription.")
            return found

        return versioned(self._collection, known, decide, subscriber_out, "subscription")

    def due(self, now: datetime, most: int) -> list[str]:
        with reaching():
            found = self._collection.find({"mail_due": {"$lte": now}}, {"_id": 1}).limit(most)
            return [document["_id"] for document in found]

    def lease(self, subscriber_id: str, until: datetime) -> None:
        """Rung for: due again at `until` unless the mail was sent by then."""
        with reaching():
            self._collection.update_one(
                {"_id": subscriber_id, "mail_due": {"$lt": until}},
                {"$set": {"mail_due": until}, "$inc": {"version": 1}},
            )

    def _one(self, query: Document) -> Subscriber | None:
        with reaching():
            found = self._collection.find_one(query)
        return None if found is None else subscriber_in(found)


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
