"""The evidence log: every webhook as received, its processing result, and every call of ours with its outcome."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from pymongo import errors
from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import (
    Document,
)
from inspired.domain.shared.errors import NotFound


@dataclass(frozen=True, slots=True)
class Webhook:
    """One webhook as received. `raw` is sealed under `key`, which belongs to `key_owner` (booking or webhook)."""

    id: str
    at: datetime
    biz_type: str
    biz_status: str
    trade_no: str
    booking_id: str
    raw: bytes
    key: bytes
    key_owner: str
    headers: dict[str, str]
    work_at: datetime | None


@dataclass(frozen=True, slots=True)
class RejectedWebhook:
    """A webhook that failed verification. `raw` is truncated and sealed under its own key."""

    id: str
    at: datetime
    why: str
    headers: dict[str, str]
    raw: bytes
    key: bytes


class PaymentLogs:
    """The evidence log: webhooks, their processing results, and our calls with their outcomes.

    Append only, with two exceptions: `work_at`, by which the sweep finds unprocessed webhooks, is removed once one is
    processed; and webhook contents are erased with the customer's data.
    """

    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["payment_logs"]
        self._together: list[Document] | None = None

    def add_webhook(self, webhook: Webhook) -> bool:
        """False if this event is saved already. Acknowledged by MongoDB before this returns."""
        due = {} if webhook.work_at is None else {"work_at": webhook.work_at}
        return self._appended(
            {
                "_id": webhook.id,
                "event": "WEBHOOK_RECEIVED",
                "at": webhook.at,
                "notice_at": webhook.at,
                "biz_type": webhook.biz_type,
                "biz_status": webhook.biz_status,
                "trade_no": webhook.trade_no,
                "booking_id": webhook.booking_id,
                "raw": webhook.raw,
                "key": webhook.key,
                "key_owner": webhook.key_owner,
                "headers": webhook.headers,
                "verdict": "accepted",
                **due,
            }
        )

    def add_rejected(self, refusal: RejectedWebhook, *, most: int, within: timedelta) -> bool:
        """At most `most` within `within`, so that a stranger cannot fill the database."""
        with reaching():
            query = {"refused_at": {"$gte": refusal.at - within}}
            if len(list(self._collection.find(query, {"_id": 1}).limit(most))) >= most:
                return False
        return self._appended(
            {
                "_id": refusal.id,
                "event": "WEBHOOK_REFUSED",
                "at": refusal.at,
                "refused_at": refusal.at,
                "notice_at": refusal.at,
                "verdict": refusal.why,
                "headers": refusal.headers,
                "raw": refusal.raw,
                "key": refusal.key,
                "key_owner": refusal.id,
            }
        )

    def add_call(self, at: datetime, *, path: str, reference: str, booking_id: str, outcome: str, ms: int) -> None:
        """One call of ours to the provider, with its outcome."""
        call = {
            "event": "CALL",
            "at": at,
            "path": path,
            "trade_no": reference,
            "booking_id": booking_id,
            "verdict": outcome,
            "ms": ms,
        }
        together = self._together
        if together is not None:
            together.append(call)
            return
        with reaching():
            self._collection.insert_one(call)

    @contextmanager
    def together(self) -> Iterator[None]:
        """The calls made inside, by all threads, are written at once at the end. Raises Busy."""
        calls: list[Document] = []
        self._together = calls
        try:
            yield
        finally:
            self._together = None
            if calls:
                with reaching():
                    self._collection.insert_many(calls, ordered=False)

    def _appended(self, document: Document) -> bool:
        with reaching():
            try:
                self._collection.insert_one(document)
            except errors.DuplicateKeyError:
                return False
        return True

    def get(self, webhook_id: str) -> Webhook:
        with reaching():
            found = self._collection.find_one({"_id": webhook_id})
        if found is None:
            raise NotFound("There is no such notice.")
        return Webhook(
            id=found["_id"],
            at=found["at"],
            biz_type=found["biz_type"],
            biz_status=found["biz_status"],
            trade_no=found["trade_no"],
            booking_id=found["booking_id"],
            raw=bytes(found["raw"]),
            key=bytes(found["key"]),
            key_owner=found["key_owner"],
            headers=found["headers"],
            work_at=found.get("work_at"),
        )

    def due(self, now: datetime, most: int) -> list[str]:
        with reaching():
            found = self._collection.find({"work_at": {"$lte": now}}, {"_id": 1}).sort("work_at", 1).limit(most)
            return [document["_id"] for document in found]

    def unworked(self, now: datetime, since: datetime, most: int) -> list[str]:
        """Webhooks received before `since` and not processed yet, leased ones included."""
        query = {"work_at": {"$gt": now - timedelta(days=365)}, "at": {"$lte": since}}
        with reaching():
            return [document["_id"] for document in self._collection.find(query, {"_id": 1}).limit(most)]

    def refused_since(self, after: datetime, most: int) -> int:
        with reaching():
            return len(list(self._collection.find({"refused_at": {"$gte": after}}, {"_id": 1}).limit(most)))

    def told_of_payment(self, after: datetime, most: int) -> set[str]:
        """The bookings for which a signed payment webhook arrived."""
        query = {"at": {"$gte": after}, "event": "WEBHOOK_RECEIVED", "biz_status": "PAY_SUCCESS"}
        with reaching():
            return {document["booking_id"] for document in self._collection.find(query, {"booking_id": 1}).limit(most)}

    def lease(self, webhook_id: str, until: datetime) -> None:
        """It was enqueued or is being processed: due again at `until`."""
        with reaching():
            self._collection.update_one({"_id": webhook_id, "work_at": {"$lt": until}}, {"$set": {"work_at": until}})

    def finished(self, webhook: Webhook, verdict: str, now: datetime) -> None:
        """Add the processing result as an entry of its own; then the webhook is no longer due."""
        self._appended(
            {
                "_id": f"{webhook.id}#worked",
                "event": "WEBHOOK_WORKED",
                "at": now,
                "biz_type": webhook.biz_type,
                "biz_status": webhook.biz_status,
                "trade_no": webhook.trade_no,
                "booking_id": webhook.booking_id,
                "verdict": verdict,
            }
        )
        with reaching():
            self._collection.update_one({"_id": webhook.id}, {"$unset": {"work_at": ""}})

    def verdict_on(self, webhook_id: str) -> str:
        """The processing result of a webhook; "" if it is pending."""
        with reaching():
            found = self._collection.find_one({"_id": f"{webhook_id}#worked"}, {"verdict": 1})
        return "" if found is None else str(found["verdict"])

    def of_booking(self, booking_id: str, most: int) -> list[Document]:
        """Webhooks, their results and our calls, without contents."""
        with reaching():
            shown = {"raw": 0, "key": 0, "headers": 0}
            return list(self._collection.find({"booking_id": booking_id}, shown).limit(most))

    def inbound(self, *, before: datetime, after: datetime, most: int) -> list[Document]:
        """Webhooks received, rejected ones too, newest first, without contents. Each with its processing result ("" if
        pending or none)."""
        with reaching():
            query, hidden = {"notice_at": {"$gte": after, "$lt": before}}, {"raw": 0, "key": 0, "headers": 0}
            found = list(self._collection.find(query, hidden).sort("notice_at", -1).limit(most))
            names = {"_id": {"$in": [f"{document['_id']}#worked" for document in found]}}
            worked = {document["_id"]: document["verdict"] for document in self._collection.find(names, {"verdict": 1})}
        return [{**document, "followed": worked.get(f"{document['_id']}#worked", "")} for document in found]

    def kept(self, webhook_id: str) -> Document:
        """One webhook with everything stored, rejected or not. Raises NotFound."""
        with reaching():
            found = self._collection.find_one({"_id": webhook_id, "notice_at": {"$exists": True}})
        if found is None:
            raise NotFound("There is no such notice.")
        return found

    def awaits_work(self, booking_id: str) -> bool:
        """True if a webhook for this booking is still unprocessed."""
        with reaching():
            return self._collection.find_one({"booking_id": booking_id, "work_at": {"$ne": None}}) is not None

    def forget(self, booking_id: str) -> None:
        """Erase the contents and keys of this booking's webhooks. Their arrival, time and result stay."""
        with reaching():
            query = {"booking_id": booking_id, "event": "WEBHOOK_RECEIVED"}
            self._collection.update_many(query, {"$set": {"raw": b"", "key": b""}})

    def has_told_of(self, booking_id: str) -> bool:
        """True if a payment webhook has arrived for it."""
        query = {"booking_id": booking_id, "biz_status": "PAY_SUCCESS", "event": "WEBHOOK_RECEIVED"}
        with reaching():
            return self._collection.find_one(query, {"_id": 1}) is not None

    def between(self, after: datetime, before: datetime) -> Iterator[Document]:
        """Every entry of this period, without contents, in no particular order."""
        with reaching():
            yield from self._collection.find({"at": {"$gte": after, "$lt": before}}, {"raw": 0, "key": 0, "headers": 0})

    def since(self, after: datetime, most: int) -> list[Document]:
        """The newest entries, without contents."""
        with reaching():
            found = self._collection.find({"at": {"$gte": after}}, {"raw": 0, "key": 0, "headers": 0})
            return list(found.sort("at", -1).limit(most))
