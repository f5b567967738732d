"""State of the Calendly poll, in one small document: for the owner's page, and to report a failure only once.

No booking depends on it; if lost, the next poll creates it again.
"""

from dataclasses import dataclass
from datetime import datetime

from pymongo import errors
from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document

ID = "calendly"


@dataclass(frozen=True, slots=True)
class Watched:
    """`notices`: webhooks so far; `by_looking`: changes a poll found before any webhook reported them.

    `told_drift`: differences the owner was told of. `trouble`: why the last poll failed; `trouble_since`: when that
    began; `trouble_told`: whether the owner was told. `connected`: webhooks have been connected at least once.
    """

    last_notice_at: datetime | None = None
    notices: int = 0
    by_looking: int = 0
    looked_at: datetime | None = None
    told_drift: tuple[str, ...] = ()
    trouble: str = ""
    trouble_since: datetime | None = None
    trouble_told: bool = False
    connected: bool = False


class CalendlySyncState:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["calendar_watch"]

    def get(self) -> Watched:
        with reaching():
            found = self._collection.find_one({"_id": ID}) or {}
        return Watched(
            last_notice_at=found.get("last_notice_at"),
            notices=found.get("notices", 0),
            by_looking=found.get("by_looking", 0),
            looked_at=found.get("looked_at"),
            told_drift=tuple(found.get("told_drift", ())),
            trouble=found.get("trouble", ""),
            trouble_since=found.get("trouble_since"),
            trouble_told=found.get("trouble_told", False),
            connected=found.get("connected", False),
        )

    def take(self, now: datetime, until: datetime) -> bool:
        """True if a poll is due and the caller gets it; the next one is due at `until`."""
        with reaching():
            try:
                self._collection.insert_one({"_id": ID, "due_at": until})
            except errors.DuplicateKeyError:
                due = {"_id": ID, "$or": [{"due_at": {"$lte": now}}, {"due_at": {"$exists": False}}]}
                return self._collection.update_one(due, {"$set": {"due_at": until}}).modified_count == 1
        return True

    def noticed(self, now: datetime) -> None:
        self._write({"$set": {"last_notice_at": now}, "$inc": {"notices": 1}})

    def connected(self) -> None:
        self._write({"$set": {"connected": True}})

    def found_by_looking(self) -> None:
        self._write({"$inc": {"by_looking": 1}})

    def looked(self, now: datetime, told_drift: tuple[str, ...]) -> None:
        """A poll succeeded."""
        well = {"looked_at": now, "told_drift": list(told_drift), "trouble": "", "trouble_since": None}
        self._write({"$set": {**well, "trouble_told": False}})

    def failed(self, trouble: str, since: datetime, *, told: bool) -> None:
        self._write({"$set": {"trouble": trouble, "trouble_since": since, "trouble_told": told}})

    def _write(self, change: Document) -> None:
        with reaching():
            self._collection.update_one({"_id": ID}, change, upsert=True)
