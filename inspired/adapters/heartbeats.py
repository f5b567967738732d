"""Signs of life: who was last at work, and whether it went well. One small document each, read for pages and alerts.

Nothing depends on them but what people are told.
"""

from dataclasses import dataclass
from datetime import datetime

from pymongo import errors
from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.documents import Document
from inspired.adapters.mongo import reaching

CLOCK, WATCHER, BINANCE, MAIL, CHECK, BACKUP = "clock", "watcher", "binance", "mail", "check", "backup"


@dataclass(frozen=True, slots=True)
class Beat:
    """`since`: it is well, or is not, since then. `well_at`: when it last was."""

    name: str
    at: datetime
    is_well: bool
    since: datetime
    well_at: datetime | None
    detail: str


class Heartbeats:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["heartbeats"]

    def beat(self, name: str, now: datetime, *, is_well: bool = True, detail: str = "") -> None:
        said: Document = {"at": now, "detail": detail, **({"well_at": now} if is_well else {})}
        with reaching():
            if self._collection.update_one({"_id": name, "is_well": is_well}, {"$set": said}).matched_count:
                return
            changed = {"$set": {**said, "is_well": is_well, "since": now}}
            if self._collection.update_one({"_id": name}, changed).matched_count:
                return
            try:
                self._collection.insert_one({"_id": name, "well_at": None, **changed["$set"]})
            except errors.DuplicateKeyError:
                self._collection.update_one({"_id": name}, changed)

    def all(self) -> dict[str, Beat]:
        with reaching():
            return {one["_id"]: _in(one) for one in self._collection.find({}).limit(100)}


def _in(found: Document) -> Beat:
    return Beat(found["_id"], found["at"], found["is_well"], found["since"], found["well_at"], found["detail"])
