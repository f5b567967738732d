"""What the owner receives on chain with: an account's public key for each kind of network, and nodes to ask.

All of it is sealed and authenticated: access to the database alone allows neither reading it nor putting another key
in its place. Nothing here can spend.
"""

from dataclasses import dataclass
from datetime import datetime

from bson import Binary
from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.crypto.account_keys import AccountKey
from inspired.adapters.crypto.vault import Vault
from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document
from inspired.domain.shared.networks import Kind, Network


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """Where a network's node is asked. `header`: one header that its provider wants, as "Name: value", or ""."""

    url: str
    header: str = ""


class Receiving:
    def __init__(self, database: Database[Document], vault: Vault) -> None:
        self._collection: Collection[Document] = database["receiving"]
        self._vault = vault

    def account_key(self, kind: Kind) -> AccountKey | None:
        """Raises CannotDecrypt if what is stored was not put there by us."""
        text = self._opened(f"key:{kind}")
        return None if text is None else AccountKey.read(kind, text)

    def set_account_key(self, kind: Kind, text: str, now: datetime) -> AccountKey:
        """Raises Invalid if it is not an account's extended public key."""
        key = AccountKey.read(kind, text)
        self._seal(f"key:{kind}", text.strip(), now)
        return key

    def node(self, network: Network) -> NodeAddress | None:
        """Raises CannotDecrypt."""
        text = self._opened(f"node:{network}")
        if text is None:
            return None
        url, _, header = text.partition("\n")
        return NodeAddress(url, header)

    def set_node(self, network: Network, node: NodeAddress, now: datetime) -> None:
        self._seal(f"node:{network}", f"{node.url}\n{node.header}", now)

    def _opened(self, name: str) -> str | None:
        with reaching():
            found = self._collection.find_one({"_id": name})
        if found is None:
            return None
        return self._vault.open(bytes(found["key"]), f"receiving/{name}", "value", bytes(found["value"]))

    def _seal(self, name: str, text: str, now: datetime) -> None:
        key = self._vault.new_key(f"receiving/{name}")
        value = self._vault.seal(key, f"receiving/{name}", "value", text)
        with reaching():
            self._collection.replace_one(
                {"_id": name}, {"key": Binary(key), "value": Binary(value), "since": now}, upsert=True
            )
