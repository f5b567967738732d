"""Rehearsals: every run with its record, and the gate that allows payments.

The gate is one small document, read before anything new is offered, so each process caches it for some seconds. While
MongoDB is away, the last known state holds; a gate never seen open is closed.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import structlog
from pymongo import UpdateOne, errors
from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.mongo import indexes
from inspired.adapters.mongo.database import connect, reaching
from inspired.adapters.mongo.documents import Document, booking_in, booking_out, entry_in, entry_out
from inspired.domain.monitoring.rehearsals import Check, Letter, Opened, Record, Run, Scene, Verdict
from inspired.domain.shared.errors import Busy, NotFound

KEEP = 5.0  # seconds
SCRATCH = "-drill-"
MARK = 8  # characters of the run's id
MARKER = "drill_of"  # the collection and document that say which site owns a scratch database
LONGEST_NAME = 38 - len(SCRATCH) - MARK  # bytes: MongoDB allows 63 for a database's name, the smallest Atlas tier 38
log = structlog.get_logger()


class Rehearsals:
    """`rehearsals` holds every run; `drills` holds each drill's newest requested and newest finished run."""

    def __init__(self, database: Database[Document]) -> None:
        self._runs: Collection[Document] = database["rehearsals"]
        self._drills: Collection[Document] = database["drills"]

    def ask(self, runs: Sequence[Run]) -> None:
        """All in two writes, since each write waits for the replica set's disks and the page waits for all."""
        if not runs:
            return
        with reaching():
            self._runs.insert_many([{**_out(run), "waits_since": run.asked_at} for run in runs])
            asked = [UpdateOne({"_id": run.drill}, {"$set": {"asked": _short(run)}}, upsert=True) for run in runs]
            self._drills.bulk_write(asked)

    def begin(self, run_id: str, version: str, now: datetime) -> Run | None:
        """None if another worker has started it: a job may arrive twice."""
        change = {"verdict": str(Verdict.RUNNING), "version": version, "began_at": now}
        with reaching():
            query = {"_id": run_id, "verdict": str(Verdict.WAITING)}
            update = {"$set": {**change, "at_work_since": now}, "$unset": {"waits_since": ""}}
            is_ours = self._runs.update_one(query, update).modified_count == 1
        if not is_ours:
            return None
        run = self.get(run_id)
        self._note(run)
        return run

    def end(self, run: Run) -> None:
        """Its record replaces the drill's earlier one; the verdict of every run is kept."""
        older = {"drill": run.drill, "_id": {"$ne": run.id}, "record": {"$exists": True}}
        with reaching():
            self._runs.replace_one({"_id": run.id}, _out(run))
            self._runs.update_many(older, {"$unset": {"record": ""}})
            self._drills.update_one({"_id": run.drill}, {"$set": {"last": _short(run)}}, upsert=True)
        self._note(run)

    def get(self, run_id: str) -> Run:
        with reaching():
            found = self._runs.find_one({"_id": run_id})
        if found is None:
            raise NotFound("There is no such rehearsal.")
        return _in(found)

    def newest(self) -> dict[str, tuple[Run | None, Run | None]]:
        """By drill: the last requested and the last finished run, without their records."""
        with reaching():
            found = list(self._drills.find({}).limit(500))
        return {document["_id"]: (_of(document.get("asked")), _of(document.get("last"))) for document in found}

    def waiting(self, after: datetime, before: datetime, most: int) -> list[str]:
        """Runs requested in this period that no worker has started."""
        with reaching():
            query = {"waits_since": {"$gte": after, "$lt": before}}
            return [
                document["_id"] for document in self._runs.find(query, {"_id": 1}).sort("waits_since", 1).limit(most)
            ]

    def abandoned(self, before: datetime, most: int) -> list[Run]:
        """Runs started before this moment and never finished."""
        with reaching():
            found = self._runs.find({"at_work_since": {"$lt": before}}).sort("at_work_since", 1).limit(most)
            return [_in(document) for document in found]

    def give_up(self, run: Run) -> None:
        """End the run without a result; the drill's earlier result stays."""
        with reaching():
            self._runs.replace_one({"_id": run.id, "at_work_since": {"$exists": True}}, _out(run))
        self._note(run)

    def _note(self, run: Run) -> None:
        """Update `asked`, unless another run of this drill was requested since."""
        with reaching():
            self._drills.update_one({"_id": run.drill, "asked._id": run.id}, {"$set": {"asked": _short(run)}})


class Gate:
    """Whether this version may take payments. Always open if it is not needed (in the sandbox)."""

    def __init__(self, database: Database[Document], version: str, *, is_needed: bool, keep: float = KEEP) -> None:
        self._collection: Collection[Document] = database["gate"]
        self.version = version
        self.is_needed = is_needed
        self._keep = keep
        self._known: Opened | None = None
        self._known_until = 0.0

    def is_open(self) -> bool:
        """Cached for some seconds. Once open for this version it stays open, since the code does not change."""
        if not self.is_needed or self._fits(self._known):
            return True
        if time.monotonic() >= self._known_until:
            self._known_until = time.monotonic() + self._keep
            try:
                self._known = self.opened()
            except Busy:
                log.warning("gate_unknown")
        return self._fits(self._known)

    def opened(self) -> Opened | None:
        """The approval of this version, as stored in MongoDB. Raises Busy."""
        with reaching():
            found = self._collection.find_one({"_id": self.version})
        return None if found is None else Opened(found["_id"], found["at"], found["by"])

    def open(self, by: str, now: datetime) -> bool:
        """False if it was open already."""
        with reaching():
            try:
                self._collection.insert_one({"_id": self.version, "at": now, "by": by})
            except errors.DuplicateKeyError:
                return False
        self._known_until = 0.0
        return True

    def _fits(self, known: Opened | None) -> bool:
        return known is not None and known.version == self.version


@contextmanager
def scratch(uri: str, beside: str, mark: str, *, now: datetime, seconds: float) -> Iterator[str]:
    """Create a database with its indexes for this block, and drop it afterwards. Yields its name. Raises Busy.

    `beside`: the site's own database. `now`: its creation time. A document in it records which site owns it.
    """
    name = scratch_name(beside, mark)
    database: Database[Any] = connect(uri, name, seconds=seconds)
    try:
        with reaching():
            database[MARKER].replace_one({"_id": MARKER}, {"_id": MARKER, "beside": beside, "at": now}, upsert=True)
        indexes.create_money_indexes(database)
        yield name
    finally:
        _drop(database)
        database.client.close()


def altered(uri: str, name: str, collection: str, document_id: str, changes: Document, *, seconds: float) -> None:
    """As somebody does who can write to this scratch database, past the product. Raises Busy."""
    database: Database[Any] = connect(uri, name, seconds=seconds)
    try:
        with reaching():
            database[collection].update_one({"_id": document_id}, {"$set": changes})
    finally:
        database.client.close()


def sweep_scratch(uri: str, beside: str, *, before: datetime, seconds: float) -> list[str]:
    """Drop databases left by killed workers and return their names. Only those that say they belong to this site and
    were created before `before`: other sites may share the server and have names that start alike."""
    mine: Database[Any] = connect(uri, beside, seconds=seconds)
    try:
        with reaching():
            names = mine.client.list_database_names()
        alike = (name for name in names if name.startswith(scratch_name(beside, "")))
        return [name for name in alike if _swept(uri, name, beside, before, seconds)]
    except Busy as error:
        log.warning("scratch_not_swept", error=str(error))
        return []
    finally:
        mine.client.close()


def _swept(uri: str, name: str, beside: str, before: datetime, seconds: float) -> bool:
    database: Database[Any] = connect(uri, name, seconds=seconds)
    try:
        with reaching():
            found = database[MARKER].find_one({"_id": MARKER, "beside": beside, "at": {"$lt": before}})
        return found is not None and _drop(database)
    finally:
        database.client.close()


def scratch_name(beside: str, mark: str) -> str:
    return f"{beside.encode()[:LONGEST_NAME].decode('utf-8', 'ignore')}{SCRATCH}{mark[:MARK]}"


def _drop(database: Database[Any]) -> bool:
    """Drop collection by collection, which `readWrite` allows; dropping a database needs another role. The last one
    holds the owner marker, and with it the database is gone. True if nothing is left."""
    try:
        with reaching():
            names = database.list_collection_names()
            for name in sorted(names, key=lambda name: name == MARKER):
                database.drop_collection(name)
    except Busy as error:
        log.warning("scratch_left", database=database.name, error=str(error))
        return False
    return True


# --- documents ------------------------------------------------------------------------------------------------------


def _short(run: Run) -> Document:
    return {
        "_id": run.id,
        "drill": run.drill,
        "by": run.by,
        "asked_at": run.asked_at,
        "verdict": str(run.verdict),
        "version": run.version,
        "began_at": run.began_at,
        "ended_at": run.ended_at,
        "why": run.why,
    }


def _out(run: Run) -> Document:
    return {**_short(run), **({"record": _record_out(run.record)} if run.record else {})}


def _of(found: Document | None) -> Run | None:
    return None if found is None else _in(found)


def _in(found: Document) -> Run:
    return Run(
        id=found["_id"],
        drill=found["drill"],
        by=found["by"],
        asked_at=found["asked_at"],
        verdict=Verdict(found["verdict"]),
        version=found["version"],
        began_at=found["began_at"],
        ended_at=found["ended_at"],
        why=found["why"],
        record=_readable(found["record"]) if "record" in found else None,
    )


def _record_out(record: Record) -> Document:
    return {
        "scenes": [
            {
                "at": scene.at,
                "what": scene.what,
                "bookings": [booking_out(booking) for booking in scene.bookings],
                "customers": list(scene.customers),
                "letters": [
                    {"to": letter.to, "subject": letter.subject, "text": letter.text} for letter in scene.letters
                ],
            }
            for scene in record.scenes
        ],
        "checks": [{"claim": check.claim, "holds": check.holds} for check in record.checks],
        "ledger": [entry_out(entry) for entry in record.ledger],
        "broken_off": record.broken_off,
    }


def _readable(found: Document) -> Record | None:
    """None if another version wrote it in a format we cannot read."""
    try:
        return _record_in(found)
    except (LookupError, TypeError, ValueError) as error:
        log.warning("record_unreadable", error=type(error).__name__)
        return None


def _record_in(found: Document) -> Record:
    return Record(
        scenes=tuple(
            Scene(
                at=scene["at"],
                what=scene["what"],
                bookings=tuple(booking_in(booking) for booking in scene["bookings"]),
                customers=tuple(scene["customers"]),
                letters=tuple(Letter(**letter) for letter in scene["letters"]),
            )
            for scene in found["scenes"]
        ),
        checks=tuple(Check(**check) for check in found["checks"]),
        ledger=tuple(entry_in(entry) for entry in found["ledger"]),
        broken_off=found["broken_off"],
    )
