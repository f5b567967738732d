"""The owner's own calendar: only its busy times. One small document per feed.

Pages read them here and never from the feed itself; each process caches them for some seconds.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document
from inspired.domain.shared.slots import Span, merged

KEEP = 15.0  # seconds


@dataclass(frozen=True, slots=True)
class Known:
    """One feed. `busy` and `unread` (entries whose time could not be read) are as of `read_at`. `failing_since`:
    unreadable since then, because of `why`; `is_told`: the owner was told. `emptied_at`: it had entries before and none
    since then, and `busy` still holds the old ones; `emptied_told`: the owner was told."""

    busy: tuple[Span, ...] = ()
    unread: int = 0
    read_at: datetime | None = None
    tried_at: datetime | None = None
    failing_since: datetime | None = None
    why: str = ""
    is_told: bool = False
    due_at: datetime | None = None
    emptied_at: datetime | None = None
    emptied_told: bool = False


class OwnCalendar:
    def __init__(self, database: Database[Document], feeds: Iterable[str], *, keep: float = KEEP) -> None:
        self._collection: Collection[Document] = database["own_calendar"]
        self._keep = keep
        self._known: dict[str, Known] = {}
        self._known_until = 0.0
        self.feeds = tuple(feeds)  # their ids

    def busy(self, window: Span) -> list[Span]:
        """The busy times that reach into this window. Raises Busy if MongoDB is away and nothing was read lately."""
        if self.feeds and time.monotonic() >= self._known_until:
            self.known()
        return [span for known in self._known.values() for span in known.busy if span.overlaps(window)]

    def known(self) -> dict[str, Known]:
        """Every feed as it is in MongoDB now, in the order of the setting."""
        with reaching():
            found = {
                document["_id"]: document for document in self._collection.find({"_id": {"$in": list(self.feeds)}})
            }
        self._known = {feed_id: _known_in(found.get(feed_id, {})) for feed_id in self.feeds}
        self._known_until = time.monotonic() + self._keep
        return self._known

    def save(self, feed_id: str, known: Known) -> None:
        with reaching():
            self._collection.replace_one({"_id": feed_id}, _known_out(known), upsert=True)
        self._known_until = 0.0

    def told(self, feed_id: str, failing_since: datetime | None) -> None:
        """The owner was told of this outage. Data read meanwhile stays."""
        with reaching():
            query = {"_id": feed_id, "failing_since": failing_since}
            self._collection.update_one(query, {"$set": {"is_told": True}})

    def due(self, now: datetime) -> list[str]:
        return [feed_id for feed_id, known in self.known().items() if known.due_at is None or known.due_at <= now]

    def due_again(self, feed_id: str, at: datetime) -> None:
        with reaching():
            self._collection.update_one({"_id": feed_id}, {"$set": {"due_at": at}}, upsert=True)


def _known_out(known: Known) -> Document:
    return {
        "busy": [[span.start, span.end] for span in merged(known.busy)],
        "unread": known.unread,
        "read_at": known.read_at,
        "tried_at": known.tried_at,
        "failing_since": known.failing_since,
        "why": known.why,
        "is_told": known.is_told,
        "due_at": known.due_at,
        "emptied_at": known.emptied_at,
        "emptied_told": known.emptied_told,
    }


def _known_in(found: Document) -> Known:
    fields = {name: value for name, value in found.items() if name != "_id"}
    return Known(**{**fields, "busy": tuple(Span(start, end) for start, end in found.get("busy", ()))})
