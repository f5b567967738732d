"""USDT that reached addresses given out, as the chains last told of it, and up to which block each group was read.

A group is a run of addresses that are asked about together. Its cursor is the last block whose transfers are stored
for good: it only moves forward, only to a final block, and only after what it passed is stored. What lies above it is
read again each time and replaces what was known there, so that a block that was reorganised away takes its transfers
with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import DeleteOne, ReplaceOne
from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document
from inspired.domain.shared.networks import Network, Transfer


@dataclass(frozen=True, slots=True)
class Cursor:
    """`block`: everything up to it is stored. `read_at`: when the chain was last read for it."""

    block: int
    read_at: datetime


@dataclass(frozen=True, slots=True)
class ReadAgain:
    """Blocks up to `until`, which another node told of, are read again with the one that is asked since the entry
    `since`. That is done up to `block`."""

    since: str
    block: int
    until: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What a reading told that was not known, and at which addresses. `has_final`: some of it is final now."""

    addresses: frozenset[str]
    has_final: bool
    writes: Sequence[ReplaceOne[Document] | DeleteOne]


class Transfers:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["transfers"]
        self._cursors: Collection[Document] = database["transfer_cursors"]
        self._read_again: Collection[Document] = database["transfers_read_again"]

    # --- cursors ------------------------------------------------------------------------------------------------------

    def cursor(self, group: str, network: Network) -> Cursor | None:
        """None if the group was never read on this network."""
        with reaching():
            found = self._cursors.find_one({"_id": f"{group}/{network}"})
        return None if found is None else Cursor(found["block"], found["read_at"])

    def cursors(self, network: Network) -> dict[str, Cursor]:
        """By group."""
        with reaching():
            found = list(self._cursors.find({"network": str(network)}))
        return {one["group"]: Cursor(one["block"], one["read_at"]) for one in found}

    def advance(self, group: str, network: Network, block: int, now: datetime) -> None:
        """Called once everything up to this final block is stored."""
        change = {"$max": {"block": block, "read_at": now}, "$setOnInsert": {"group": group, "network": str(network)}}
        with reaching():
            self._cursors.update_one({"_id": f"{group}/{network}"}, change, upsert=True)

    def read_again(self, network: Network) -> dict[str, ReadAgain]:
        """By group. Beside the cursors, which never go back: what was read for good stays so meanwhile."""
        with reaching():
            found = list(self._read_again.find({"network": str(network)}))
        return {one["group"]: ReadAgain(one["since"], one["block"], one["until"]) for one in found}

    def save_read_again(self, group: str, network: Network, done: ReadAgain) -> None:
        """Called once what was hidden up to its block is stored."""
        document: Document = {"group": group, "network": str(network)}
        document |= {"since": done.since, "block": done.block, "until": done.until}
        with reaching():
            self._read_again.replace_one({"_id": f"{group}/{network}"}, document, upsert=True)

    # --- transfers ----------------------------------------------------------------------------------------------------

    def final_of(self, address: str, network: Network, until: int) -> list[Transfer]:
        """What reached an address up to block `until`, a cursor, in the chain's order."""
        wanted = {"recipient": address, "network": str(network), "block": {"$lte": until}}
        with reaching():
            found = list(self._collection.find(wanted))
        return sorted(map(_read, found), key=lambda one: (one.block_number, one.log_index))

    def final_in(self, group: str, network: Network, until: int) -> list[Transfer]:
        """What reached the addresses of a group up to block `until`, a cursor."""
        wanted = {"group": group, "network": str(network), "block": {"$lte": until}}
        with reaching():
            return [_read(document) for document in self._collection.find(wanted)]

    def at(self, address: str, network: Network) -> list[Transfer]:
        """What reached an address on a network, final or not."""
        with reaching():
            return [_read(one) for one in self._collection.find({"recipient": address, "network": str(network)})]

    def networks_of(self, address: str, *, screened: bool = False) -> tuple[Network, ...]:
        """On which networks something reached an address, or something from a sender on the screening list."""
        with reaching():
            found = self._collection.distinct(
                "network", {"recipient": address, **({"is_screened": True} if screened else {})}
            )
        return tuple(network for network in Network if network in found)

    def compared(
        self,
        group: str,
        network: Network,
        after: int,
        found: Sequence[Transfer],
        *,
        until: int,
        final: int,
    ) -> Changes:
        """How a reading of the blocks above `after`, a cursor, and up to `until` differs from what is stored of them.

        What is final by now was not when the cursor stopped below it. That is told once and costs no write of its own:
        the cursor that passes it says so.
        """
        with reaching():
            wanted = {"group": group, "network": str(network), "block": {"$gt": after, "$lte": until}}
            stored = list(self._collection.find(wanted))
        known = {document["_id"]: document for document in stored}
        told = {one["_id"]: one for one in (_written(transfer, group) for transfer in found)}
        gone = known.keys() - told.keys()
        new = [name for name, document in told.items() if _essence(known.get(name)) != _essence(document)]
        final_now = [name for name, document in told.items() if document["block"] <= final]
        return Changes(
            frozenset(
                [
                    *(known[name]["recipient"] for name in gone),
                    *(told[name]["recipient"] for name in (*new, *final_now)),
                ]
            ),
            bool(final_now),
            [
                *(DeleteOne({"_id": name}) for name in sorted(gone)),
                *(ReplaceOne({"_id": name}, told[name], upsert=True) for name in new),
            ],
        )

    def unknown(self, group: str, found: Sequence[Transfer]) -> Changes:
        """Those among these, all of them final, that are not stored yet. What is stored stays."""
        told = {one["_id"]: one for one in (_written(transfer, group) for transfer in found)}
        with reaching():
            known = {one["_id"] for one in self._collection.find({"_id": {"$in": list(told)}}, {"_id": 1})}
        new = [document for name, document in told.items() if name not in known]
        return Changes(
            frozenset(one["recipient"] for one in new),
            bool(new),
            [ReplaceOne({"_id": one["_id"]}, one, upsert=True) for one in new],
        )

    def store(self, changes: Changes) -> None:
        if changes.writes:
            with reaching():
                self._collection.bulk_write(list(changes.writes))


def _written(transfer: Transfer, group: str) -> Document:
    """The sender is not kept: it says nothing about who paid, and would be personal data. Whether it is on the owner's
    screening list was looked at when the transfer was read; only that mark stays."""
    return {
        "_id": f"{transfer.network}:{transfer.tx_hash}:{transfer.log_index}",
        "group": group,
        "network": str(transfer.network),
        "block": transfer.block_number,
        "block_hash": transfer.block_hash,
        "block_time": transfer.block_time,
        "tx_hash": transfer.tx_hash,
        "log_index": transfer.log_index,
        "recipient": transfer.recipient,
        "units": str(transfer.units),
        **({"is_screened": True} if transfer.is_screened else {}),
    }


def _essence(document: Mapping[str, Any] | None) -> tuple[Any, ...] | None:
    return None if document is None else (document["block_hash"], document["units"])


def _read(found: Document) -> Transfer:
    return Transfer(
        network=Network(found["network"]),
        block_number=found["block"],
        block_hash=found["block_hash"],
        block_time=found["block_time"],
        tx_hash=found["tx_hash"],
        log_index=found["log_index"],
        sender="",
        recipient=found["recipient"],
        units=int(found["units"]),
        is_screened=found.get("is_screened", False),
    )
