"""Alert states, their deliveries per channel, and the owner's webhook.

Every message is saved first, once per channel, and retried until it is sent or a day is over.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bson import Binary
from pymongo import errors
from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.crypto.vault import Vault
from inspired.adapters.mongo.database import MOST_TRIES, reaching
from inspired.adapters.mongo.documents import Document
from inspired.domain.monitoring.alerts import Channel, Episode, Kind, Message, Standing
from inspired.domain.shared.errors import Busy, Conflict, NotFound

KEPT = timedelta(days=90)
# Pauses before each retry: about a day in total.
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 300, 480, 480))
WEBHOOK = "webhook"
OLD_SECRET_LASTS = timedelta(hours=24)
CHANNEL_FIELDS = ("url", "secret", "old_secret")


class Alerts:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["alerts"]

    def all(self) -> dict[str, Standing]:
        """All alerts ever seen."""
        with reaching():
            return {document["_id"]: _standing_in(document) for document in self._collection.find({}).limit(200)}

    def change(self, alert_id: str, decide: Callable[[Standing], Standing]) -> Standing:
        """Load, decide, and save unless another process saved meanwhile; else decide again on the newer version. Raises
        Busy."""
        for _ in range(MOST_TRIES):
            with reaching():
                found = self._collection.find_one({"_id": alert_id})
            before = Standing(alert_id) if found is None else _standing_in(found)
            after = decide(before)
            if after == before:
                return before
            after = replace(after, version=before.version + 1)
            if self._saved(before, after):
                return after
        raise Busy("This alert is being changed by too many at once.")

    def _saved(self, before: Standing, after: Standing) -> bool:
        with reaching():
            if before.version:
                query = {"_id": before.id, "version": before.version}
                return self._collection.replace_one(query, _standing_out(after)).modified_count == 1
            try:
                self._collection.insert_one(_standing_out(after))
            except errors.DuplicateKeyError:
                return False
        return True


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message on one channel. `body` is the JSON sent; `due_at` is the next try, None if there is none.

    `message_id` is the same for every try and every *Send again*, so that the receiver recognises duplicates.
    """

    id: str
    message_id: str
    channel: Channel
    alert: str
    kind: Kind
    at: datetime
    body: str
    due_at: datetime | None
    tries: int = 0
    last_at: datetime | None = None
    answer: str = ""
    done_at: datetime | None = None

    @property
    def is_given_up(self) -> bool:
        return self.done_at is None and self.due_at is None


class Deliveries:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["alert_deliveries"]

    def add(self, delivery: Delivery) -> bool:
        """False if it is saved already."""
        with reaching():
            try:
                self._collection.insert_one(_delivery_out(delivery))
            except errors.DuplicateKeyError:
                return False
        return True

    def get(self, delivery_id: str) -> Delivery:
        with reaching():
            found = self._collection.find_one({"_id": delivery_id})
        if found is None:
            raise NotFound("There is no such message.")
        return _delivery_in(found)

    def newest(self, after: datetime, most: int) -> list[Delivery]:
        with reaching():
            found = self._collection.find({"at": {"$gte": after}}).sort("at", -1).limit(most)
            return [_delivery_in(document) for document in found]

    def due(self, now: datetime, most: int) -> list[Delivery]:
        with reaching():
            found = self._collection.find({"due_at": {"$lte": now}}).sort("due_at", 1).limit(most)
            return [_delivery_in(document) for document in found]

    def claim(self, delivery: Delivery, now: datetime) -> bool:
        """True if the caller gets to send it now. The try is counted first, and the next one is due in any case."""
        pause = PAUSES[min(delivery.tries, len(PAUSES) - 1)]
        query = {"_id": delivery.id, "due_at": delivery.due_at, "tries": delivery.tries}
        change = {"$set": {"due_at": now + pause, "last_at": now}, "$inc": {"tries": 1}}
        with reaching():
            return self._collection.update_one(query, change).modified_count == 1

    def went(self, delivery: Delivery, answer: str, now: datetime) -> None:
        self._ended(delivery, {"answer": answer, "done_at": now})

    def failed(self, delivery: Delivery, answer: str, *, for_good: bool) -> None:
        """Keep it for a later retry, unless retrying is pointless or a day is over."""
        if for_good or delivery.tries >= len(PAUSES):
            self._ended(delivery, {"answer": answer})
            return
        with reaching():
            self._collection.update_one({"_id": delivery.id}, {"$set": {"answer": answer}})

    def again(self, delivery_id: str, now: datetime) -> None:
        """Restart the tries with the same id. Raises Conflict while it is still being tried."""
        query = {"_id": delivery_id, "due_at": {"$exists": False}}
        with reaching():
            change = {"$set": {"due_at": now, "tries": 0, "done_at": None, "answer": ""}}
            if not self._collection.update_one(query, change).modified_count:
                raise Conflict("This message is waiting to be sent already.")

    def _ended(self, delivery: Delivery, fields: Document) -> None:
        with reaching():
            self._collection.update_one({"_id": delivery.id}, {"$set": fields, "$unset": {"due_at": ""}})


@dataclass(frozen=True, slots=True)
class Webhook:
    """The owner's webhook. `host` is the only part of the URL that pages show."""

    url: str
    host: str
    secrets: tuple[str, ...]
    since: datetime
    old_until: datetime | None


class WebhookSetting:
    """The URL and its secrets, sealed: access to the database alone allows neither reading nor signing."""

    def __init__(self, database: Database[Document], vault: Vault) -> None:
        self._collection: Collection[Document] = database["alert_channels"]
        self._vault = vault

    def get(self, now: datetime) -> Webhook | None:
        """`secrets` includes the old one while both are valid."""
        with reaching():
            found = self._collection.find_one({"_id": WEBHOOK})
        if found is None:
            return None
        url, secret, old = (
            self._vault.open(bytes(found["key"]), WEBHOOK, field, bytes(found[field])) for field in CHANNEL_FIELDS
        )
        is_both = bool(old) and found["old_until"] is not None and now < found["old_until"]
        secrets = (secret, old) if is_both else (secret,)
        return Webhook(url, found["host"], secrets, found["since"], found["old_until"] if is_both else None)

    def set(self, url: str, host: str, secret: str, now: datetime) -> None:
        self._save(url, host, secret, "", now, None)

    def rotated(self, before: Webhook, secret: str, now: datetime) -> None:
        """For a day both secrets sign."""
        self._save(before.url, before.host, secret, before.secrets[0], before.since, now + OLD_SECRET_LASTS)

    def remove(self) -> None:
        with reaching():
            self._collection.delete_one({"_id": WEBHOOK})

    def _save(self, url: str, host: str, secret: str, old: str, since: datetime, old_until: datetime | None) -> None:
        key = self._vault.new_key(WEBHOOK)
        sealed = {
            field: Binary(self._vault.seal(key, WEBHOOK, field, text)) if text else Binary(b"")
            for field, text in zip(CHANNEL_FIELDS, (url, secret, old), strict=True)
        }
        document = {"host": host, "key": Binary(key), **sealed, "since": since, "old_until": old_until}
        with reaching():
            self._collection.replace_one({"_id": WEBHOOK}, document, upsert=True)


def _standing_out(standing: Standing) -> Document:
    return {
        "_id": standing.id,
        "version": standing.version,
        "seen_since": standing.seen_since,
        "firing_since": standing.firing_since,
        "missed_since": standing.missed_since,
        "detail": standing.detail,
        "about": list(standing.about),
        "number": standing.number,
        "told": standing.told,
        "told_at": standing.told_at,
        "acknowledged_at": standing.acknowledged_at,
        "acknowledged_by": standing.acknowledged_by,
        "episodes": [
            {"since": episode.since, "until": episode.until, "by": episode.acknowledged_by}
            for episode in standing.episodes
        ],
        "owed": [
            {
                "kind": str(message.kind),
                "key": message.key,
                "at": message.at,
                "since": message.since,
                "detail": message.detail,
            }
            for message in standing.owed
        ],
    }


def _standing_in(found: Document) -> Standing:
    return Standing(
        id=found["_id"],
        version=found["version"],
        seen_since=found["seen_since"],
        firing_since=found["firing_since"],
        missed_since=found["missed_since"],
        detail=found["detail"],
        about=tuple(found["about"]),
        number=found["number"],
        told=found["told"],
        told_at=found["told_at"],
        acknowledged_at=found["acknowledged_at"],
        acknowledged_by=found["acknowledged_by"],
        episodes=tuple(Episode(episode["since"], episode["until"], episode["by"]) for episode in found["episodes"]),
        owed=tuple(
            Message(Kind(message["kind"]), message["key"], message["at"], message["since"], message["detail"])
            for message in found["owed"]
        ),
    )


def _delivery_out(delivery: Delivery) -> Document:
    document: Document = {
        "_id": delivery.id,
        "message_id": delivery.message_id,
        "channel": str(delivery.channel),
        "alert": delivery.alert,
        "kind": str(delivery.kind),
        "at": delivery.at,
        "body": delivery.body,
        "tries": delivery.tries,
        "last_at": delivery.last_at,
        "answer": delivery.answer,
        "done_at": delivery.done_at,
    }
    return document if delivery.due_at is None else {**document, "due_at": delivery.due_at}


def _delivery_in(found: Document) -> Delivery:
    return Delivery(
        id=found["_id"],
        message_id=found["message_id"],
        channel=Channel(found["channel"]),
        alert=found["alert"],
        kind=Kind(found["kind"]),
        at=found["at"],
        body=found["body"],
        due_at=found.get("due_at"),
        tries=found["tries"],
        last_at=found["last_at"],
        answer=found["answer"],
        done_at=found["done_at"],
    )
