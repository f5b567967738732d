"""Newsletter subscribers."""

from collections.abc import Callable
from datetime import datetime

from pymongo import errors
from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.mongo.claiming import Claiming
from inspired.adapters.mongo.database import reaching, versioned
from inspired.adapters.mongo.documents import (
    Document,
    subscriber_in,
    subscriber_out,
)
from inspired.domain.shared.errors import NotFound
from inspired.domain.site.newsletter import Subscriber


class Subscribers(Claiming[Subscriber]):
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["newsletter"]

    def add(self, subscriber: Subscriber) -> bool:
        """False if this address is known already."""
        with reaching():
            try:
                self._collection.insert_one(subscriber_out(subscriber))
            except errors.DuplicateKeyError:
                return False
        return True

    def by_email(self, email_index: str) -> Subscriber | None:
        return self._one({"email_index": email_index})

    def by_token(self, token: str) -> Subscriber | None:
        return self._one({"token": token})

    def get(self, subscriber_id: str) -> Subscriber | None:
        return self._one({"_id": subscriber_id})

    def change(self, subscriber_id: str, decide: Callable[[Subscriber], Subscriber]) -> Subscriber:
        def known() -> Subscriber:
            found = self.get(subscriber_id)
            if found is None:
                raise NotFound("There is no such subscription.")
            return found

        return versioned(self._collection, known, decide, subscriber_out, "subscription")

    def due(self, now: datetime, most: int) -> list[str]:
        with reaching():
            found = self._collection.find({"mail_due": {"$lte": now}}, {"_id": 1}).limit(most)
            return [document["_id"] for document in found]

    def lease(self, subscriber_id: str, until: datetime) -> None:
        """It was enqueued: due again at `until` unless the mail was sent by then."""
        with reaching():
            self._collection.update_one(
                {"_id": subscriber_id, "mail_due": {"$lt": until}},
                {"$set": {"mail_due": until}, "$inc": {"version": 1}},
            )

    def _one(self, query: Document) -> Subscriber | None:
        with reaching():
            found = self._collection.find_one(query)
        return None if found is None else subscriber_in(found)
