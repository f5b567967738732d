"""The audit log of the admin area: append only, each entry holding the previous entry's hash.

Altering or removing an entry breaks every later hash; `inspired audit` finds the place. It cannot reveal that the
newest entries were cut off, so each number and hash is also in the process's log.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from pymongo import errors
from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document
from inspired.domain.shared.errors import Busy

BEGINNING = "0" * 64
MOST_TRIES = 50
log = structlog.get_logger()
PAGE = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """`who` is an account's id or "system"; `about` is what was changed (a booking's id, a setting's name); `detail`
    says how, without personal data."""

    number: int
    at: datetime
    who: str
    what: str
    about: str
    detail: str
    before: str
    hash: str


@dataclass(frozen=True, slots=True)
class Checked:
    """The last check of the whole chain: up to which entry, and what did not match."""

    at: datetime
    entries: int
    hash: str
    broken: tuple[str, ...] = ()


class Audit:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["audit"]
        self._checks: Collection[Document] = database["audit_checks"]

    def add(self, at: datetime, who: str, what: str, about: str = "", detail: str = "") -> Entry:
        """Saved when this returns. If another process takes the number first, the next one is used. Raises Busy."""
        for _ in range(MOST_TRIES):
            last = self._last()
            number, before = (last.number + 1, last.hash) if last else (1, BEGINNING)
            entry = _chained(number, at, who, what, about, detail, before)
            with reaching():
                try:
                    self._collection.insert_one(_out(entry))
                except errors.DuplicateKeyError:
                    continue
            log.info("audited", number=number, hash=entry.hash, who=who, what=what)
            return entry
        raise Busy("The audit log is being written by too many at once.")

    def newest(self, most: int, *, before: int | None = None) -> list[Entry]:
        query: Document = {"_id": {"$lt": before}} if before is not None else {}
        with reaching():
            return [_in(document) for document in self._collection.find(query).sort("_id", -1).limit(most)]

    def broken(self) -> Iterator[tuple[int, str]]:
        """Mismatches by entry number; none if the log is intact. Reads all of it, page by page."""
        expected, before = 1, BEGINNING
        while page := self._page(expected):
            for entry in page:
                if entry.number != expected:
                    yield expected, f"missing up to {entry.number - 1}"
                elif entry.before != before:
                    yield entry.number, "does not follow from the one before"
                if _digest(entry) != entry.hash:
                    yield entry.number, "was altered"
                expected, before = entry.number + 1, entry.hash

    def checked(self) -> Checked | None:
        with reaching():
            found = self._checks.find_one({"_id": "last"})
        if found is None or "at" not in found:
            return None
        return Checked(found["at"], found["entries"], found["hash"], tuple(found["broken"]))

    def note_check(self, checked: Checked, next_at: datetime) -> None:
        result = {
            "at": checked.at,
            "entries": checked.entries,
            "hash": checked.hash,
            "broken": list(checked.broken),
            "due_at": next_at,
        }
        with reaching():
            self._checks.replace_one({"_id": "last"}, result, upsert=True)

    def take_check(self, now: datetime, until: datetime) -> bool:
        """True if a check is due and the caller gets it. If the caller fails, it is due again at `until`."""
        with reaching():
            try:
                self._checks.insert_one({"_id": "last", "due_at": until})
            except errors.DuplicateKeyError:
                due = {"_id": "last", "due_at": {"$lte": now}}
                return self._checks.update_one(due, {"$set": {"due_at": until}}).modified_count == 1
        return True

    def _page(self, first: int) -> list[Entry]:
        with reaching():
            found = self._collection.find({"_id": {"$gte": first}}).sort("_id", 1).limit(PAGE)
            return [_in(document) for document in found]

    def _last(self) -> Entry | None:
        return next(iter(self.newest(1)), None)


def _chained(number: int, at: datetime, who: str, what: str, about: str, detail: str, before: str) -> Entry:
    entry = Entry(number, at, who, what, about, detail, before, "")
    return Entry(number, at, who, what, about, detail, before, _digest(entry))


def _digest(entry: Entry) -> str:
    at = entry.at.astimezone(UTC).isoformat(timespec="milliseconds")
    text = json.dumps([entry.number, at, entry.who, entry.what, entry.about, entry.detail, entry.before])
    return hashlib.sha256(text.encode()).hexdigest()


def _out(entry: Entry) -> Document:
    return {
        "_id": entry.number,
        "at": entry.at,
        "who": entry.who,
        "what": entry.what,
        "about": entry.about,
        "detail": entry.detail,
        "before": entry.before,
        "hash": entry.hash,
    }


def _in(found: Document) -> Entry:
    return Entry(
        found["_id"],
        found["at"],
        found["who"],
        found["what"],
        found["about"],
        found["detail"],
        found["before"],
        found["hash"],
    )
