"""Idempotency-Keys of the API and what each was used for."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pymongo import errors
from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.mongo.database import MOST_TRIES, reaching
from inspired.adapters.mongo.documents import (
    Document,
)
from inspired.domain.shared.errors import Busy

IDEMPOTENCY_LIFE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class KeyUse:
    """The use of one key. `status` is the first answer's status code, 0 while it is in progress."""

    body: str
    token: str
    status: int
    at: datetime


class IdempotencyKeys:
    """Follows the contract of https://docs.stripe.com/api/idempotent_requests."""

    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["idempotency_keys"]

    def take(self, key: str, use: KeyUse) -> KeyUse | None:
        """None if the caller gets the key; otherwise its earlier use. Raises Busy."""
        for _ in range(MOST_TRIES):
            with reaching():
                try:
                    self._collection.insert_one(
                        {"_id": key, "body": use.body, "token": use.token, "status": 0, "at": use.at}
                    )
                except errors.DuplicateKeyError:
                    pass
                else:
                    return None
            if (found := self.find(key)) is not None:
                return found  # otherwise it was released in between and can be taken after all
        raise Busy("This Idempotency-Key is being used by too many at once.")

    def find(self, key: str) -> KeyUse | None:
        with reaching():
            found = self._collection.find_one({"_id": key})
        return None if found is None else KeyUse(found["body"], found["token"], found["status"], found["at"])

    def taken_over(self, key: str, use: KeyUse, now: datetime) -> bool:
        """True for the one caller that may continue after a process died in progress."""
        with reaching():
            result = self._collection.update_one({"_id": key, "at": use.at, "status": 0}, {"$set": {"at": now}})
        return result.modified_count == 1

    def answered(self, key: str, status: int) -> None:
        with reaching():
            self._collection.update_one({"_id": key}, {"$set": {"status": status}})

    def left_open(self, key: str, at: datetime) -> None:
        """The outcome is unknown: the next caller with the key continues, as if this one had died."""
        with reaching():
            self._collection.update_one({"_id": key, "status": 0}, {"$set": {"at": at}})

    def given_back(self, key: str) -> None:
        """Refusals are not kept: the same key may be used for a corrected request."""
        with reaching():
            self._collection.delete_one({"_id": key, "status": 0})
