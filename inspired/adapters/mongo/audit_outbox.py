"""What a saved document still owes the audit log: kept in the very write that changed it, so that a process killed
before the log was written leaves no change without its entries."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pymongo.collection import Collection

from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document


@dataclass(frozen=True, slots=True)
class Note:
    """An entry to come; see adapters/mongo/audit.Entry."""

    at: datetime
    who: str
    what: str
    about: str
    detail: str


@dataclass(frozen=True, slots=True)
class Owing:
    """The notes of one version of one document."""

    id: str
    version: int
    notes: tuple[Note, ...]


class AuditOutbox:
    """Of one collection whose documents have a version."""

    def __init__(self, collection: Collection[Document]) -> None:
        self._collection = collection

    def owing(self, ids: Iterable[str]) -> list[Owing]:
        with reaching():
            found = list(self._collection.find({"_id": {"$in": list(ids)}}, {"version": 1, "unlogged": 1}))
        return [
            Owing(one["_id"], one["version"], tuple(Note(**note) for note in one["unlogged"]))
            for one in found
            if one.get("unlogged")
        ]

    def logged(self, owing: Owing) -> None:
        with reaching():
            self._collection.update_one({"_id": owing.id, "version": owing.version}, {"$set": {"unlogged": []}})


def notes_out(notes: Iterable[Note]) -> list[Document]:
    return [{"at": one.at, "who": one.who, "what": one.what, "about": one.about, "detail": one.detail} for one in notes]
