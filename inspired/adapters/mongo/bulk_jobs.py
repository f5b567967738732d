"""Bulk jobs over many bookings, until each is done. Nothing here alters a booking."""

from dataclasses import dataclass, field
from datetime import datetime

from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document
from inspired.domain.shared.errors import NotFound


@dataclass(frozen=True, slots=True)
class BulkJob:
    """One operation over these bookings. `done` maps a booking to its result."""

    id: str
    what: str
    by: str
    at: datetime
    bookings: tuple[str, ...]
    done: dict[str, str] = field(default_factory=dict)

    @property
    def left(self) -> list[str]:
        return [booking for booking in self.bookings if booking not in self.done]


class BulkJobs:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["chores"]

    def add(self, bulk_job: BulkJob, due_at: datetime) -> None:
        with reaching():
            self._collection.insert_one(
                {
                    "_id": bulk_job.id,
                    "what": bulk_job.what,
                    "by": bulk_job.by,
                    "at": bulk_job.at,
                    "bookings": list(bulk_job.bookings),
                    "done": {},
                    "due_at": due_at,
                }
            )

    def get(self, bulk_job_id: str) -> BulkJob:
        with reaching():
            found = self._collection.find_one({"_id": bulk_job_id})
        if found is None:
            raise NotFound("There is no such work.")
        return _bulk_job_in(found)

    def due(self, now: datetime, most: int) -> list[BulkJob]:
        """Bulk jobs with queue jobs that were lost."""
        with reaching():
            return [_bulk_job_in(document) for document in self._collection.find({"due_at": {"$lte": now}}).limit(most)]

    def lease(self, bulk_job_id: str, until: datetime) -> None:
        with reaching():
            self._collection.update_one({"_id": bulk_job_id, "due_at": {"$exists": True}}, {"$set": {"due_at": until}})

    def done(self, bulk_job_id: str, booking_id: str, outcome: str) -> None:
        """Booking ids are letters and digits, so each can be a field name."""
        with reaching():
            self._collection.update_one({"_id": bulk_job_id}, {"$set": {f"done.{booking_id}": outcome}})
            if not self.get(bulk_job_id).left:
                self._collection.update_one({"_id": bulk_job_id}, {"$unset": {"due_at": ""}})


def _bulk_job_in(found: Document) -> BulkJob:
    return BulkJob(found["_id"], found["what"], found["by"], found["at"], tuple(found["bookings"]), dict(found["done"]))
