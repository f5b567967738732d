"""What each Idempotency-Key of the API was used for."""

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
    """What an idempotency key was used for. `status` is the first answer's code, 0 while it is still at work."""

    body: str
    token: str
    status: int
    at: datetime


class IdempotencyKeys:
    """https://docs.stripe.com/api/idempotent_requests is the contract people know."""

    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["idempotency_keys"]

    def take(self, key: str, use: KeyUse) -> KeyUse | None:
        """None: the key is yours now. Else how it was used before."""
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
                return found  # else it was given back between the two, and may be taken after all
        raise Busy("This Idempotency-Key is being used by too many at once.")

    def find(self, key: str) -> KeyUse | None:
        with reaching():
            found = self._collection.find_one({"_id": key})
        return None if found is None else KeyUse(found["body"], found["token"], found["status"], found["at"])

    def taken_over(self, key: str, use: KeyUse, now: datetime) -> bool:
        """True for the one caller that may go on where a process died at work."""
        with reaching():
            result = self._collection.update_one({"_id": key, "at": use.at, "status": 0}, {"$set": {"at": now}})
        return result.modified_count == 1

    def answered(self, key: str, status: int) -> None:
        with reaching():
            self._collection.update_one({"_id": key}, {"$set": {"status": status}})

    def left_open(self, key: str, at: datetime) -> None:
        """Nobody knows what came of it: whoever comes next with the key goes on with it, as if its user had died."""
        with reaching():
            self._collection.update_one({"_id": key, "status": 0}, {"$set": {"at": at}})

    def given_back(self, key: str) -> None:
        """A refusal is not kept: the same key may be used for a better try."""
        with reaching():
            self._collection.delete_one({"_id": key, "status": 0})
