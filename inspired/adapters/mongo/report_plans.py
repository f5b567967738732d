"""Which reports are mailed, how often, and each one's next period. One small document each."""

from datetime import UTC, date, datetime, time

from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document
from inspired.domain.reporting.reports import Kind, Plan
from inspired.domain.shared.periods import Length


class ReportPlans:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["report_plans"]

    def all(self) -> dict[Kind, Plan]:
        with reaching():
            found = list(self._collection.find({"_id": {"$in": [str(kind) for kind in Kind]}}))
        return {plan.kind: plan for plan in map(_plan_in, found)}

    def set(self, plan: Plan) -> None:
        with reaching():
            self._collection.replace_one({"_id": str(plan.kind)}, _plan_out(plan), upsert=True)

    def stop(self, kind: Kind) -> None:
        with reaching():
            self._collection.delete_one({"_id": str(kind)})

    def lease(self, plan: Plan, now: datetime, until: datetime) -> bool:
        """True if the caller is to send this period's report now; no other process does so before `until`."""
        query = {**_this(plan), "leased_until": {"$lte": now}}
        with reaching():
            return self._collection.update_one(query, {"$set": {"leased_until": until}}).modified_count == 1

    def sent(self, plan: Plan, following: date) -> None:
        """Schedule the next period, unless the plan was changed meanwhile."""
        change = {"first": _moment(following), "leased_until": _moment(plan.first)}
        with reaching():
            self._collection.update_one(_this(plan), {"$set": change})


def _this(plan: Plan) -> Document:
    return {"_id": str(plan.kind), "length": str(plan.length), "first": _moment(plan.first)}


def _plan_out(plan: Plan) -> Document:
    return {"length": str(plan.length), "first": _moment(plan.first), "leased_until": plan.leased_until}


def _plan_in(found: Document) -> Plan:
    return Plan(Kind(found["_id"]), Length(found["length"]), found["first"].date(), found["leased_until"])


def _moment(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
