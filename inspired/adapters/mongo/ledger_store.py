"""Stores beside the bookings: ledger, unknown payments, reconciliation cases, runs.

The ledger is append only and can be rebuilt from the bookings. Nothing here ever alters a booking.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pymongo import errors
from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document, entry_in, entry_out, money_in, money_out
from inspired.domain.booking.booking import Entry
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.reconciliation import Difference
from inspired.domain.shared.errors import NotFound
from inspired.domain.shared.money import Money

PAGE = 500


class Ledger:
    """The entries of all bookings. `owner` is the booking's id, or the webhook's id for an unknown payment."""

    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["ledger"]

    def post(self, owner: str, entries: Iterable[Entry]) -> int:
        """Insert the missing entries and return how many those were. Safe to repeat."""
        written = 0
        for entry in entries:
            with reaching():
                try:
                    self._collection.insert_one({"_id": _entry_id(owner, entry), "owner": owner, **entry_out(entry)})
                    written += 1
                except errors.DuplicateKeyError:
                    pass
        return written

    def of(self, owner: str) -> tuple[Entry, ...]:
        with reaching():
            found = list(self._collection.find({"owner": owner}))
        return tuple(sorted((entry_in(document) for document in found), key=lambda entry: entry.number))

    def all(self, after: datetime, before: datetime, *, most: int = 0) -> Iterator[tuple[str, Entry]]:
        """Every entry of this period with its owner, in no particular order; at most `most` if given."""
        with reaching():
            for found in self._collection.find({"at": {"$gte": after, "$lt": before}}).limit(most):
                yield found["owner"], entry_in(found)


def _entry_id(owner: str, entry: Entry) -> str:
    return f"{owner}:{entry.number:04d}"


@dataclass(frozen=True, slots=True)
class Orphan:
    """A signed payment for an unknown order. `note` is how the owner settled it."""

    id: str
    at: datetime
    trade_no: str
    money: Money | None
    transaction_id: str
    open_since: datetime | None
    settled_at: datetime | None = None
    note: str = ""


class Orphans:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["orphans"]

    def add(self, orphan: Orphan) -> bool:
        """False if it is known already."""
        with reaching():
            try:
                self._collection.insert_one(
                    {
                        "_id": orphan.id,
                        "at": orphan.at,
                        "trade_no": orphan.trade_no,
                        "money": money_out(orphan.money),
                        "transaction_id": orphan.transaction_id,
                        "open_since": orphan.at,
                        "settled_at": None,
                        "note": "",
                    }
                )
            except errors.DuplicateKeyError:
                return False
        return True

    def get(self, orphan_id: str) -> Orphan:
        with reaching():
            found = self._collection.find_one({"_id": orphan_id})
        if found is None:
            raise NotFound("There is no such payment.")
        return _orphan(found)

    def waiting(self, most: int = 100) -> list[Orphan]:
        """Payments the owner has not settled, oldest first."""
        with reaching():
            found = self._collection.find({"open_since": {"$type": "date"}}).sort("open_since", 1).limit(most)
            return [_orphan(document) for document in found]

    def tell(self, orphan_id: str, now: datetime, until: datetime) -> bool:
        """True if the caller is to tell the owner now; no other process does so before `until`."""
        with reaching():
            result = self._collection.update_one(
                {"_id": orphan_id, "telling_until": {"$not": {"$gt": now}}}, {"$set": {"telling_until": until}}
            )
        return result.modified_count == 1

    def settle(self, orphan_id: str, note: str, now: datetime) -> bool:
        """True if this call settled it."""
        with reaching():
            result = self._collection.update_one(
                {"_id": orphan_id, "settled_at": None},
                {"$set": {"settled_at": now, "note": note}, "$unset": {"open_since": ""}},
            )
        return result.modified_count == 1


def _orphan(found: Document) -> Orphan:
    return Orphan(
        id=found["_id"],
        at=found["at"],
        trade_no=found["trade_no"],
        money=money_in(found["money"]),
        transaction_id=found["transaction_id"],
        open_since=found.get("open_since"),
        settled_at=found["settled_at"],
        note=found["note"],
    )


@dataclass(frozen=True, slots=True)
class Case:
    """A difference found by the reconciliation. `closed_at`: when a later run no longer found it."""

    id: str
    difference: Difference
    open_since: datetime | None
    closed_at: datetime | None


class Cases:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["cases"]

    def record(self, differences: Sequence[Difference], now: datetime) -> int:
        """Open a case for each difference without an open one and return how many were new. The same difference is the
        same case."""
        opened = 0
        for difference in differences:
            case_id = difference.id
            fields = _difference_out(difference)
            with reaching():
                try:
                    self._collection.insert_one({"_id": case_id, **fields, "open_since": now, "closed_at": None})
                    opened += 1
                except errors.DuplicateKeyError:
                    again = self._collection.update_one(
                        {"_id": case_id, "closed_at": {"$ne": None}},
                        {"$set": {**fields, "open_since": now, "closed_at": None}},
                    )
                    opened += again.modified_count
        return opened

    def close_others(self, booking_id: str, still: Sequence[Difference], now: datetime) -> int:
        """Close this booking's cases that are no longer found."""
        found = {difference.id for difference in still}
        closed = 0
        with reaching():
            open_cases = list(self._collection.find({"open_since": {"$type": "date"}, "booking_id": booking_id}))
            for case in open_cases:
                if case["_id"] not in found:
                    result = self._collection.update_one(
                        {"_id": case["_id"]}, {"$set": {"closed_at": now}, "$unset": {"open_since": ""}}
                    )
                    closed += result.modified_count
        return closed

    def waiting(self, most: int = 200) -> list[Case]:
        with reaching():
            found = self._collection.find({"open_since": {"$type": "date"}}).sort("open_since", 1).limit(most)
            return [_case(document) for document in found]


def _difference_out(difference: Difference) -> Document:
    return {
        "kind": str(difference.kind),
        "booking_id": difference.booking_id,
        "subject": difference.subject,
        "told": difference.told,
        # Absent: the one rail that earlier releases know.
        **({} if difference.rail is RailId.BINANCE_PAY else {"rail": str(difference.rail)}),
    }


def _case(found: Document) -> Case:
    rail = found.get("rail", RailId.BINANCE_PAY)
    difference = Difference.of(found["kind"], found["booking_id"], found["subject"], found["told"], rail)
    return Case(found["_id"], difference, found.get("open_since"), found["closed_at"])


@dataclass(frozen=True, slots=True)
class Run:
    """A long job processed in pages; a worker that dies loses one page. `cursor`: where the next page starts."""

    name: str
    started_at: datetime
    cursor: datetime
    until: datetime
    leased_until: datetime
    finished_at: datetime | None
    counts: dict[str, int]


class Runs:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["runs"]

    def get(self, name: str) -> Run | None:
        with reaching():
            found = self._collection.find_one({"_id": name})
        return None if found is None else _run(found)

    def start(self, run: Run) -> bool:
        """False while a run of this name is in progress."""
        fields = _run_out(run)
        with reaching():
            try:
                self._collection.insert_one({"_id": run.name, **fields})
            except errors.DuplicateKeyError:
                query = {"_id": run.name, "finished_at": {"$ne": None}}
                return self._collection.update_one(query, {"$set": fields}).modified_count == 1
        return True

    def lease(self, run: Run, now: datetime, until: datetime) -> bool:
        """True if the caller gets the next page."""
        query = {"_id": run.name, "cursor": run.cursor, "finished_at": None, "leased_until": {"$lte": now}}
        with reaching():
            return self._collection.update_one(query, {"$set": {"leased_until": until}}).modified_count == 1

    def turn(self, run: Run, after: Run) -> bool:
        """The page is done: advance from `run` to `after`, unless another worker was faster."""
        query = {"_id": run.name, "cursor": run.cursor, "finished_at": None}
        with reaching():
            return self._collection.update_one(query, {"$set": _run_out(after)}).modified_count == 1


def _run_out(run: Run) -> Document:
    return {
        "started_at": run.started_at,
        "cursor": run.cursor,
        "until": run.until,
        "leased_until": run.leased_until,
        "finished_at": run.finished_at,
        "counts": run.counts,
    }


def _run(found: Document) -> Run:
    return Run(
        name=found["_id"],
        started_at=found["started_at"],
        cursor=found["cursor"],
        until=found["until"],
        leased_until=found["leased_until"],
        finished_at=found["finished_at"],
        counts=dict(found["counts"]),
    )
