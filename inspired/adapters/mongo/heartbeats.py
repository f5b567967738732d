"""Heartbeats: which component last ran, and whether it succeeded. One small document each, for pages and alerts.

Only reports depend on them, except the worker turns: without recent ones nothing is sold.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from pymongo import errors
from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document
from inspired.domain.shared.errors import Busy

CLOCK, WATCHER, BINANCE, MAIL, CHECK, BACKUP = "clock", "watcher", "binance", "mail", "check", "backup"
SCHEME = "scheme"  # a proxy that does not say whether a visitor used http or https
MAIL_UTF8 = "mail_utf8"  # well: the mail server has SMTPUTF8 and accepts letters such as "ü" before the @
CHAIN = "chain_{}"  # with a network: the watcher has read it
SECOND_NODE = "second_node_{}"  # with a network: the second node answers and agrees
BALANCES = "balances_{}"  # with a network: all its balances could be read when they were last held against the books
HIDDEN = "hidden_{}"  # with a network: a node that was replaced had not told of money
SAME_EVERY = timedelta(seconds=60)
TURN_EVERY, TURN_KNOWN = 10.0, 1.0  # seconds: how often a worker saves its turn, how long a reader caches it
WORKER_FORGOTTEN = REFUSED_TOLD = timedelta(days=1)
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Beat:
    """`since`: when the current state (well or not) began. `well_at`: when it was last well."""

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
            return {document["_id"]: _in(document) for document in self._collection.find({}).limit(100)}


class Outcomes:
    """Records the outcome of a frequent operation: a change at once, otherwise once a minute.

    A new process assumes that `said` was recorded last (well by default); None: nothing was.
    """

    def __init__(self, beats: Heartbeats, name: str, now: Callable[[], datetime], *, said: bool | None = True) -> None:
        self._beats, self._name, self._now = beats, name, now
        self._was_well = said
        self._written = now()

    def __call__(self, is_well: bool, detail: str = "") -> None:
        """Best effort: failing to record an outcome does not repeat the operation."""
        now = self._now()
        if is_well is self._was_well and abs(now - self._written) < SAME_EVERY:  # a clock may be put back
            return
        try:
            self._beats.beat(self._name, now, is_well=is_well, detail=detail)
        except Busy:
            log.warning("outcome_unrecorded", name=self._name, is_well=is_well)
            return
        self._was_well, self._written = is_well, now


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that ran within a day. `at`: its last loop turn."""

    name: str
    at: datetime


class Workers:
    """Loop turns of the workers. Stored in MongoDB, because Redis may restart empty. `turned` is called only after
    asking Redis for work, so a worker that cannot reach Redis has no turns."""

    def __init__(self, database: Database[Document], *, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._collection: Collection[Document] = database["workers"]
        self._elapsed = elapsed
        self._written = -TURN_EVERY
        self._last: datetime | None = None
        self._known_until = -TURN_KNOWN

    def turned(self, name: str, now: datetime) -> None:
        """Best effort, and at most every ten seconds, since a busy loop turns often."""
        if self._elapsed() - self._written < TURN_EVERY:
            return
        try:
            self.write_turn(name, now)
        except Busy:
            log.warning("turn_unrecorded", worker=name)
        self._written = self._elapsed()  # also after a failure, so that each turn does not wait for an absent database

    def write_turn(self, name: str, now: datetime) -> None:
        """Raises Busy."""
        with reaching():
            self._collection.update_one({"_id": name}, {"$set": {"at": now}}, upsert=True)
            self._collection.delete_many({"at": {"$lt": now - WORKER_FORGOTTEN}})
        self._known_until = self._elapsed()

    def all(self) -> list[Worker]:
        """Most recent first. Raises Busy."""
        with reaching():
            found = [Worker(document["_id"], document["at"]) for document in self._collection.find({}).limit(100)]
        return sorted(found, key=lambda worker: worker.at, reverse=True)

    def last_turn(self) -> datetime | None:
        """Of any worker, cached for a second; None if there never was one. Raises Busy."""
        if self._elapsed() >= self._known_until:
            self._last = next((worker.at for worker in self.all()), None)
            self._known_until = self._elapsed() + TURN_KNOWN
        return self._last


@dataclass(frozen=True, slots=True)
class Refused:
    """Queue jobs that were not ours, counted until a day passes without one. `what` and `at`: the last one."""

    count: int
    at: datetime
    what: str


class RefusedJobs:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["refused_jobs"]

    def add(self, what: str, now: datetime) -> None:
        """Best effort: it is also logged."""
        last = {"_id": "last", "at": {"$gte": now - REFUSED_TOLD}}
        try:
            with reaching():
                if not self._collection.update_one(
                    last, {"$inc": {"count": 1}, "$set": {"at": now, "what": what}}
                ).matched_count:
                    self._collection.replace_one({"_id": "last"}, {"count": 1, "at": now, "what": what}, upsert=True)
        except Busy:
            log.warning("refused_job_unrecorded")

    def recent(self, now: datetime) -> Refused | None:
        """Within the last day. Raises Busy."""
        with reaching():
            found = self._collection.find_one({"_id": "last"})
        if found is None or now - found["at"] > REFUSED_TOLD:
            return None
        return Refused(found["count"], found["at"], found["what"])


def _in(found: Document) -> Beat:
    return Beat(found["_id"], found["at"], found["is_well"], found["since"], found["well_at"], found["detail"])
