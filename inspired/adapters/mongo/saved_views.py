"""Saved views of the owner's lists. They contain no personal data."""

from dataclasses import dataclass

from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document
from inspired.domain.shared.errors import Conflict

MOST_VIEWS = 20


@dataclass(frozen=True, slots=True)
class View:
    """A saved list query. `query` is the part of the list's URL after the "?"."""

    id: str
    person_id: str
    name: str
    query: str


class Views:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["views"]

    def of(self, person_id: str) -> list[View]:
        """Sorted by name."""
        with reaching():
            found = list(self._collection.find({"person_id": person_id}).limit(MOST_VIEWS))
        views = [
            View(document["_id"], document["person_id"], document["name"], document["query"]) for document in found
        ]
        return sorted(views, key=lambda view: view.name.casefold())

    def add(self, view: View) -> None:
        """Replaces a view of the same name. Raises Conflict if there are too many."""
        others = [other for other in self.of(view.person_id) if other.name != view.name]
        if len(others) >= MOST_VIEWS:
            raise Conflict(f"You have {MOST_VIEWS} views. Please remove one first.")
        with reaching():
            self._collection.delete_many({"person_id": view.person_id, "name": view.name})
            self._collection.insert_one(
                {"_id": view.id, "person_id": view.person_id, "name": view.name, "query": view.query}
            )

    def remove(self, view_id: str, person_id: str) -> None:
        """Only the person's own view."""
        with reaching():
            self._collection.delete_one({"_id": view_id, "person_id": person_id})
