"""Up to which block each refund that the owner sends from a wallet was looked for. If lost, it is looked for again."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from pymongo import errors
from pymongo.collection import Collection as Stored
from pymongo.database import Database

from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document

TURN = "turn"


@dataclass(frozen=True, slots=True)
class Search:
    """`block`: everything up to it was read for transfers from the named wallets, whose fingerprint `wallets` is. `at`:
    when the newest block had been reached; None: there is more to read."""

    block: int
    wallets: str
    at: datetime | None


class RefundSearches:
    """By a name of the caller's."""

    def __init__(self, database: Database[Document]) -> None:
        self._collection: Stored[Document] = database["refund_searches"]

    def take(self, now: datetime, until: datetime) -> bool:
        """True if a search is due and the caller gets it; the next one is due at `until`."""
        with reaching():
            try:
                self._collection.insert_one({"_id": TURN, "due_at": until})
            except errors.DuplicateKeyError:
                due = {"_id": TURN, "due_at": {"$lte": now}}
                return self._collection.update_one(due, {"$set": {"due_at": until}}).modified_count == 1
        return True

    def all(self) -> dict[str, Search]:
        with reaching():
            found = list(self._collection.find({"_id": {"$ne": TURN}}))
        return {one["_id"]: Search(one["block"], one["wallets"], one["at"]) for one in found}

    def save(self, name: str, search: Search) -> None:
        document = {"block": search.block, "wallets": search.wallets, "at": search.at}
        with reaching():
            self._collection.replace_one({"_id": name}, document, upsert=True)

    def keep(self, names: Collection[str]) -> None:
        """Forget all others."""
        with reaching():
            self._collection.delete_many({"_id": {"$nin": [TURN, *names]}})
