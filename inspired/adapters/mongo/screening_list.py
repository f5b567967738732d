"""The addresses on the owner's screening list, as it was last read. A list that cannot be read leaves the last one.

They are 20 bytes as lower-case hex with 0x: the same key has the same bytes on every network.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from pymongo.collection import Collection as Documents
from pymongo.database import Database

from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document

KEEP = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class ListState:
    """`read_at`: when it was last read whole; None: never. `why`: why the last try failed, or ""."""

    count: int = 0
    read_at: datetime | None = None
    tried_at: datetime | None = None
    since: datetime | None = None  # when it was first to be read
    why: str = ""


class ScreeningList:
    def __init__(self, database: Database[Document], *, is_used: bool, keep: float = KEEP) -> None:
        """`is_used`: the owner has named a list; otherwise no address is on it."""
        self._collection: Documents[Document] = database["screening"]
        self._keep = keep
        self._known: frozenset[str] = frozenset()
        self._known_of: datetime | None = None
        self._look_again = 0.0
        self.is_used = is_used

    def has(self, address: str) -> bool:
        """Raises Busy if it was never read here and the database is away."""
        return self.is_used and address in self._addresses()

    def state(self) -> ListState:
        with reaching():
            found = self._collection.find_one({"_id": "state"})
        if found is None:
            return ListState()
        return ListState(
            found.get("count", 0), found.get("read_at"), found.get("tried_at"), found.get("since"), found.get("why", "")
        )

    def is_due(self, now: datetime) -> bool:
        with reaching():
            found = self._collection.find_one({"_id": "state"}, {"due_at": 1})
        return found is None or "due_at" not in found or bool(found["due_at"] <= now)

    def due_at(self, moment: datetime, now: datetime) -> None:
        with reaching():
            change = {"$set": {"due_at": moment}, "$min": {"since": now}}
            self._collection.update_one({"_id": "state"}, change, upsert=True)

    def failed(self, why: str, now: datetime, again: timedelta) -> None:
        with reaching():
            change = {"$set": {"why": why, "tried_at": now, "due_at": now + again}}
            self._collection.update_one({"_id": "state"}, change, upsert=True)

    def replace(self, addresses: Collection[str], now: datetime, again: timedelta) -> None:
        """The list is this from now on."""
        state = {"count": len(addresses), "read_at": now, "tried_at": now, "due_at": now + again, "why": ""}
        with reaching():
            self._collection.replace_one({"_id": "list"}, {"addresses": sorted(addresses)}, upsert=True)
            self._collection.update_one({"_id": "state"}, {"$set": state}, upsert=True)
        self._look_again = 0.0

    def _addresses(self) -> frozenset[str]:
        if time.monotonic() >= self._look_again:
            read_at = self.state().read_at
            if read_at != self._known_of:
                with reaching():
                    found = self._collection.find_one({"_id": "list"})
                self._known, self._known_of = frozenset((found or {}).get("addresses", ())), read_at
            self._look_again = time.monotonic() + self._keep
        return self._known
