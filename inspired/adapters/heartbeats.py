"""Signs of life: who was last at work, and whether it went well. One small document each, read for pages and alerts.

Nothing depends on them but what people are told.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from pymongo import errors
from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.documents import Document
from inspired.adapters.mongo import reaching
from inspired.domain.errors import Busy

CLOCK, WATCHER, BINANCE, MAIL, CHECK, BACKUP = "clock", "watcher", "binance", "mail", "check", "backup"
MAIL_UTF8 = "mail_utf8"  # well: the mail server has SMTPUTF8, and can send to letters such as "ü" before the @
SAME_EVERY = 60.0  # seconds
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Beat:
    """`since`: it is well, or is not, since then. `well_at`: when it last was."""

    name: str
    at: datetime
    is_well: bool
    since: datetime
    well_at: datetime | None
    detail: str


class Heartbeats:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["heartbeats"]

    def beat(self, name: str, now: datetime, *, is_well: bool = True, detail: str = "") -> None:
        said: Document = {"at": now, "detail": detail, **({"well_at": now} if is_well else {})}
        with reaching():
            if self._collection.update_one({"_id": name, "is_well": is_well}, {"$set": said}).matched_count:
                return
            changed = {"$set": {**said, "is_well": is_well, "since": now}}
            if self._collection.update_one({"_id": name}, changed).matched_count:
                return
            try:
                self._collection.insert_one({"_id": name, "well_at": None, **changed["$set"]})
            except errors.DuplicateKeyError:
                self._collection.update_one({"_id": name}, changed)

    def one(self, name: str) -> Beat | None:
        with reaching():
            found = self._collection.find_one({"_id": name})
        return _in(found) if found is not None else None

    def all(self) -> dict[str, Beat]:
        with reaching():
            return {one["_id"]: _in(one) for one in self._collection.find({}).limit(100)}


class Outcomes:
    """Writes down how something went that is done all the time: what is new at once, else once a minute.

    A process that has just begun counts as one that has just said that all is well, or what `said` has; None: nothing.
    """

    def __init__(self, beats: Heartbeats, name: str, now: Callable[[], datetime], *, said: bool | None = True) -> None:
        self._beats, self._name, self._now = beats, name, now
        self._was_well = said
        self._written = time.monotonic()

    def __call__(self, is_well: bool, detail: str = "") -> None:
        """Best effort: what was done is not done again because nobody could write it down."""
        if is_well is self._was_well and time.monotonic() - self._written < SAME_EVERY:
            return
        try:
            self._beats.beat(self._name, self._now(), is_well=is_well, detail=detail)
        except Busy:
            log.warning("outcome_unrecorded", name=self._name, is_well=is_well)
            return
        self._was_well, self._written = is_well, time.monotonic()


def _in(found: Document) -> Beat:
    return Beat(found["_id"], found["at"], found["is_well"], found["since"], found["well_at"], found["detail"])
