"""Customers the owner lets pay more than the limit: one small document each, by blind index."""

from datetime import datetime

import pymongo
from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document
from inspired.domain.reporting.payment_limits import Allowance
from inspired.domain.shared.errors import NotFound
from inspired.domain.shared.money import Money


class Allowances:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["allowances"]

    def of(self, customer: str, now: datetime) -> Allowance | None:
        with reaching():
            found = self._collection.find_one({"_id": customer, "until": {"$gt": now}})
        return _in(found) if found else None

    def all(self, now: datetime) -> list[Allowance]:
        """Valid allowances, those that expire first at the front."""
        with reaching():
            found = list(self._collection.find({"until": {"$gt": now}}).sort("until", pymongo.ASCENDING))
        return [_in(document) for document in found]

    def set(self, allowance: Allowance) -> None:
        """Replace the customer's earlier allowance, and delete all expired ones."""
        document = {
            "most": str(allowance.most),
            "until": allowance.until,
            "by": allowance.by,
            "made_at": allowance.made_at,
        }
        with reaching():
            self._collection.replace_one({"_id": allowance.customer}, document, upsert=True)
            self._collection.delete_many({"until": {"$lte": allowance.made_at}})

    def end(self, customer: str) -> None:
        with reaching():
            ended = self._collection.delete_one({"_id": customer}).deleted_count
        if not ended:
            raise NotFound("That was taken back already, or is over.")


def _in(found: Document) -> Allowance:
    return Allowance(found["_id"], Money.parse(found["most"]), found["until"], found["by"], found["made_at"])
