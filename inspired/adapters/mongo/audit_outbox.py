"""Audit entries still to be written, saved in the same write as the change itself.

So a process killed before writing the log leaves no change without its entries.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pymongo.collection import Collection

from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document


@dataclass(frozen=True, slots=True)
class Note:
    """A pending entry; see adapters/mongo/audit.Entry."""

    at: datetime
    who: str
    what: str
    about: str
    detail: str


@dataclass(frozen=True, slots=True)
class Owing:
    """The pending entries of one version of a document."""

    id: str
    version: int
    notes: tuple[Note, ...]


class AuditOutbox:
    """The audit outbox of a collection whose documents have a version."""

    def __init__(self, collection: Collection[Document]) -> None:
        self._collection = collection

    def owing(self, ids: Iterable[str]) -> list[Owing]:
        with reaching():
            found = list(self._collection.find({"_id": {"$in": list(ids)}}, {"version": 1, "unlogged": 1}))
        return [
            Owing(document["_id"], document["version"], tuple(Note(**note) for note in document["unlogged"]))
            for document in found
            if document.get("unlogged")
        ]

    def logged(self, owing: Owing) -> None:
        with reaching():
            self._collection.update_one({"_id": owing.id, "version": owing.version}, {"$set": {"unlogged": []}})


def notes_out(notes: Iterable[Note]) -> list[Document]:
    return [
        {"at": note.at, "who": note.who, "what": note.what, "about": note.about, "detail": note.detail}
        for note in notes
    ]
