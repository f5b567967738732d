"""The owner's settings: one small document per section, with a version.

Every page reads them and they change some times a year, so each process caches them for some seconds. While MongoDB is
away, the last known values are shown, or the defaults if nothing was ever read.
"""

import time
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.mongo.audit_outbox import AuditOutbox, Note, notes_out
from inspired.adapters.mongo.database import reaching, replaced
from inspired.adapters.mongo.documents import Document
from inspired.adapters.process import deadline
from inspired.domain.shared.errors import Busy, Conflict
from inspired.domain.site.preferences import NAMES, SECTIONS, Addresses, Brand, Home, Retention, Section, SmallPrint

KEEP = 5.0  # seconds
PATIENCE = 0.1  # seconds a page waits to refresh values it has cached


@dataclass(frozen=True, slots=True)
class Chosen:
    """All settings at one moment. Version 0: never saved."""

    brand: Brand = field(default_factory=Brand)
    home: Home = field(default_factory=Home)
    small_print: SmallPrint = field(default_factory=SmallPrint)
    addresses: Addresses = field(default_factory=Addresses)
    retention: Retention = field(default_factory=Retention)
    versions: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(SECTIONS, 0))

    def section(self, name: str) -> Section:
        return cast(Section, getattr(self, name))


@dataclass(frozen=True, slots=True)
class Tried:
    """The result of the last test mail to the addresses, in words without an address."""

    at: datetime
    told: str


class Preferences:
    def __init__(self, database: Database[Document], *, keep: float = KEEP) -> None:
        self._collection: Collection[Document] = database["preferences"]
        self.audit_outbox = AuditOutbox(self._collection)
        self._keep = keep
        self._known = Chosen()
        self._is_known = False
        self._read_again = 0.0

    def now(self) -> Chosen:
        """As read some seconds ago, else the last known: a page is never refused because its settings cannot be
        read."""
        clock = time.monotonic()
        if clock >= self._read_again:
            self._read_again = clock + self._keep  # one thread reads; others use the cached values meanwhile
            try:
                with deadline.within(PATIENCE) if self._is_known else nullcontext():
                    return self.fresh()
            except Busy:
                self._read_again = clock + self._keep
        return self._known

    def fresh(self) -> Chosen:
        """As they are in MongoDB now; changes start from this. Raises Busy."""
        with reaching():
            found = {document["_id"]: document for document in self._collection.find({"_id": {"$in": list(SECTIONS)}})}
        read: dict[str, Any] = {name: SECTIONS[name](document["values"]) for name, document in found.items()}
        versions = {name: found[name]["version"] if name in found else 0 for name in SECTIONS}
        self._known, self._is_known = Chosen(**read, versions=versions), True
        self._read_again = time.monotonic() + self._keep
        return self._known

    def save(self, section: Section, version: int, notes: Iterable[Note] = ()) -> None:
        """`notes`: the audit entries of the change. Raises Conflict if `version` is not the stored one."""
        name = NAMES[type(section)]
        document = {"_id": name, "values": section.values, "version": version + 1, "unlogged": notes_out(notes)}
        saved = replaced(self._collection, document, version)
        self._read_again, self._is_known = 0.0, False  # after one's own change the next read waits for MongoDB
        if not saved:
            raise Conflict("Somebody changed this meanwhile. Please look again.")

    def tried(self) -> Tried | None:
        with reaching():
            found = self._collection.find_one({"_id": "tried"})
        return Tried(found["at"], found["told"]) if found else None

    def note_try(self, tried: Tried) -> None:
        with reaching():
            self._collection.replace_one({"_id": "tried"}, {"at": tried.at, "told": tried.told}, upsert=True)
