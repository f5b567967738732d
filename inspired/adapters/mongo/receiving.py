"""What the owner receives on chain with: an account's public key for each kind of network, and nodes to ask.

All of it is sealed and authenticated: access to the database alone allows neither reading it nor putting another key
in its place. Nothing here can spend. Every page asks what is set up, so each process keeps what it read for some
seconds; while MongoDB is away, that holds.
"""

import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from bson import Binary
from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.crypto.account_keys import AccountKey
from inspired.adapters.crypto.vault import CannotDecrypt, Vault
from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document
from inspired.adapters.process import deadline
from inspired.domain.shared.errors import Busy
from inspired.domain.shared.networks import Kind, Network

KEEP = 5.0  # seconds
PATIENCE = 0.1  # seconds a page waits to refresh what it has kept


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """Where a network's node is asked. `header`: one header that its provider wants, as "Name: value", or ""."""

    url: str
    header: str = ""


_read = lru_cache(maxsize=4)(AccountKey.read)  # takes longer than all else here, and every page asks


class Receiving:
    def __init__(self, database: Database[Document], vault: Vault, *, keep: float = KEEP) -> None:
        self._collection: Collection[Document] = database["receiving"]
        self._vault = vault
        self._keep = keep
        self._known: Mapping[str, Document] | None = None
        self._read_again = 0.0

    def is_set_up(self, network: Network) -> bool:
        """True if there is an account key and a node for it that can be read."""
        try:
            return self.account_key(network.facts.kind) is not None and self.node(network) is not None
        except (CannotDecrypt, Busy):
            return False

    def account_key(self, kind: Kind) -> AccountKey | None:
        """Raises CannotDecrypt if what is stored was not put there by us."""
        text = self._opened(f"key:{kind}")
        return None if text is None else _read(kind, text)

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
        found = self._kept().get(name)
        if found is None:
            return None
        return self._vault.open(bytes(found["key"]), f"receiving/{name}", "value", bytes(found["value"]))

    def _kept(self) -> Mapping[str, Document]:
        clock = time.monotonic()
        if self._known is None or clock >= self._read_again:
            self._read_again = clock + self._keep  # one thread reads; others use what is known meanwhile
            try:
                with deadline.within(PATIENCE) if self._known is not None else nullcontext(), reaching():
                    self._known = {document["_id"]: document for document in self._collection.find()}
            except Busy:
                if self._known is None:
                    raise
        return self._known

    def _seal(self, name: str, text: str, now: datetime) -> None:
        key = self._vault.new_key(f"receiving/{name}")
        value = self._vault.seal(key, f"receiving/{name}", "value", text)
        with reaching():
            self._collection.replace_one(
                {"_id": name}, {"key": Binary(key), "value": Binary(value), "since": now}, upsert=True
            )
        self._known = None
