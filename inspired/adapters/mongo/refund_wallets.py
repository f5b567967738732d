"""Wallets the owner sends refunds from, for each kind of network. Sealed and authenticated, as what the owner receives
with: a transfer from any other wallet settles no refund."""

import json
from collections.abc import Sequence
from datetime import datetime

from bson import Binary
from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.crypto.vault import Vault
from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document
from inspired.domain.shared.networks import Kind

FIELD = "addresses"


class RefundWallets:
    def __init__(self, database: Database[Document], vault: Vault) -> None:
        self._collection: Collection[Document] = database["refund_wallets"]
        self._vault = vault

    def of(self, kind: Kind) -> tuple[str, ...]:
        """20 bytes each, as lower-case hex with 0x. Raises CannotDecrypt if what is stored was not put there by us."""
        with reaching():
            found = self._collection.find_one({"_id": str(kind)})
        if found is None:
            return ()
        return tuple(json.loads(self._vault.open(bytes(found["key"]), _owner(kind), FIELD, bytes(found["sealed"]))))

    def set(self, kind: Kind, addresses: Sequence[str], now: datetime) -> None:
        key = self._vault.new_key(_owner(kind))
        sealed = self._vault.seal(key, _owner(kind), FIELD, json.dumps(list(addresses)))
        document = {"key": Binary(key), "sealed": Binary(sealed), "since": now}
        with reaching():
            self._collection.replace_one({"_id": str(kind)}, document, upsert=True)


def _owner(kind: Kind) -> str:
    return f"refund_wallets/{kind}"
