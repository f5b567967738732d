"""Work on many bookings at once, until each is done. Nothing here alters a booking."""

from dataclasses import dataclass, field
from datetime import datetime

from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document
from inspired.domain.shared.errors import NotFound


@dataclass(frozen=True, slots=True)
class Chore:
    """Something somebody wants done with each of these bookings. `done`: booking → what came of it."""

    id: str
    what: str
    by: str
    at: datetime
    bookings: tuple[str, ...]
    done: dict[str, str] = field(default_factory=dict)

    @property
    def left(self) -> list[str]:
        return [one for one in self.bookings if one not in self.done]


class Chores:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["chores"]

    def add(self, chore: Chore, due_at: datetime) -> None:
        with reaching():
            self._collection.insert_one(
                {
                    "_id": chore.id,
                    "what": chore.what,
                    "by": chore.by,
                    "at": chore.at,
                    "bookings": list(chore.bookings),
                    "done": {},
                    "due_at": due_at,
                }
            )

    def get(self, chore_id: str) -> Chore:
        with reaching():
            found = self._collection.find_one({"_id": chore_id})
        if found is None:
            raise NotFound("There is no such work.")
        return _chore_in(found)

    def due(self, now: datetime, most: int) -> list[Chore]:
        """Those whose rings were lost."""
        with reaching():
            return [_chore_in(one) for one in self._collection.find({"due_at": {"$lte": now}}).limit(most)]

    def lease(self, chore_id: str, until: datetime) -> None:
        with reaching():
            self._collection.update_one({"_id": chore_id, "due_at": {"$exists": True}}, {"$set": {"due_at": until}})

    def done(self, chore_id: str, booking_id: str, outcome: str) -> None:
        """Booking ids are letters and digits: each is a field's name."""
        with reaching():
            self._collection.update_one({"_id": chore_id}, {"$set": {f"done.{booking_id}": outcome}})
            if not self.get(chore_id).left:
                self._collection.update_one({"_id": chore_id}, {"$unset": {"due_at": ""}})


def _chore_in(found: Document) -> Chore:
    return Chore(found["_id"], found["what"], found["by"], found["at"], tuple(found["bookings"]), dict(found["done"]))
