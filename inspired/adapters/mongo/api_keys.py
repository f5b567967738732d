"""API keys for the owner's API; only their hashes are stored."""

from datetime import datetime

from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document
from inspired.domain.accounts.api_keys import ApiKey, Scope

MOST_KEYS = 100


class ApiKeys:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["api_keys"]

    def add(self, key: ApiKey) -> None:
        with reaching():
            self._collection.insert_one(
                {
                    "_id": key.id,
                    "name": key.name,
                    "hash": key.hash,
                    "end": key.end,
                    "scopes": sorted(key.scopes),
                    "made_by": key.made_by,
                    "made_at": key.made_at,
                    "used_at": None,
                    "revoked_at": None,
                }
            )

    def by_hash(self, hashed: str) -> ApiKey | None:
        with reaching():
            found = self._collection.find_one({"hash": hashed})
        return None if found is None else _key_in(found)

    def all(self) -> list[ApiKey]:
        """Newest first."""
        with reaching():
            return [_key_in(document) for document in self._collection.find({}).sort("made_at", -1).limit(MOST_KEYS)]

    def used(self, key_id: str, now: datetime) -> None:
        with reaching():
            self._collection.update_one({"_id": key_id}, {"$set": {"used_at": now}})

    def revoke(self, key_id: str, now: datetime) -> bool:
        """True if this call revoked it."""
        with reaching():
            query = {"_id": key_id, "revoked_at": None}
            return self._collection.update_one(query, {"$set": {"revoked_at": now}}).modified_count == 1


def _key_in(found: Document) -> ApiKey:
    return ApiKey(
        id=found["_id"],
        name=found["name"],
        hash=found["hash"],
        end=found["end"],
        scopes=frozenset(Scope(scope) for scope in found["scopes"]),
        made_by=found["made_by"],
        made_at=found["made_at"],
        used_at=found["used_at"],
        revoked_at=found["revoked_at"],
    )
