"""What the owner's room keeps for itself: saved views, keys for programs, work on many bookings at once.

None of it holds anything personal, and nothing here alters a booking.
"""

from dataclasses import dataclass, field
from datetime import datetime

from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.documents import Document
from inspired.adapters.mongo import reaching
from inspired.domain.api_keys import ApiKey, Scope
from inspired.domain.errors import Conflict, NotFound

MOST_VIEWS = 20
MOST_KEYS = 100


def create_room_indexes(database: Database[Document]) -> None:
    with reaching():
        database["views"].create_index("person_id")
        database["api_keys"].create_index("hash", unique=True)
        database["api_keys"].create_index("made_at")
        database["chores"].create_index("due_at", sparse=True)


# --- saved views ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class View:
    """A question somebody asks again and again. `query` is the list's address after the "?"."""

    id: str
    person_id: str
    name: str
    query: str


class Views:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["views"]

    def of(self, person_id: str) -> list[View]:
        """By name."""
        with reaching():
            found = list(self._collection.find({"person_id": person_id}).limit(MOST_VIEWS))
        views = [View(one["_id"], one["person_id"], one["name"], one["query"]) for one in found]
        return sorted(views, key=lambda view: view.name.casefold())

    def add(self, view: View) -> None:
        """One of the same name is replaced. Raises Conflict."""
        others = [one for one in self.of(view.person_id) if one.name != view.name]
        if len(others) >= MOST_VIEWS:
            raise Conflict(f"You have {MOST_VIEWS} views. Please remove one first.")
        with reaching():
            self._collection.delete_many({"person_id": view.person_id, "name": view.name})
            self._collection.insert_one(
                {"_id": view.id, "person_id": view.person_id, "name": view.name, "query": view.query}
            )

    def remove(self, view_id: str, person_id: str) -> None:
        """Only one's own."""
        with reaching():
            self._collection.delete_one({"_id": view_id, "person_id": person_id})


# --- keys for programs ----------------------------------------------------------------------------------------------


class ApiKeys:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["api_keys"]

    def add(self, key: ApiKey) -> None:
        with reaching():
            self._collection.insert_one(
                {
                    "_id": key.id,
                    "name": key.name,
                    "hash": key.hash,
                    "end": key.end,
                    "scopes": sorted(key.scopes),
                    "made_by": key.made_by,
                    "made_at": key.made_at,
                    "used_at": None,
                    "revoked_at": None,
                }
            )

    def by_hash(self, hashed: str) -> ApiKey | None:
        with reaching():
            found = self._collection.find_one({"hash": hashed})
        return None if found is None else _key_in(found)

    def all(self) -> list[ApiKey]:
        """Newest first."""
        with reaching():
            return [_key_in(one) for one in self._collection.find({}).sort("made_at", -1).limit(MOST_KEYS)]

    def used(self, key_id: str, now: datetime) -> None:
        with reaching():
            self._collection.update_one({"_id": key_id}, {"$set": {"used_at": now}})

    def revoke(self, key_id: str, now: datetime) -> bool:
        """True for the one who did it."""
        with reaching():
            query = {"_id": key_id, "revoked_at": None}
            return self._collection.update_one(query, {"$set": {"revoked_at": now}}).modified_count == 1


def _key_in(found: Document) -> ApiKey:
    return ApiKey(
        id=found["_id"],
        name=found["name"],
        hash=found["hash"],
        end=found["end"],
        scopes=frozenset(Scope(one) for one in found["scopes"]),
        made_by=found["made_by"],
        made_at=found["made_at"],
        used_at=found["used_at"],
        revoked_at=found["revoked_at"],
    )


# --- work on many bookings ------------------------------------------------------------------------------------------


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
