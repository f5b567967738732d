"""What left the addresses given out, and what each held when it was last looked at.

A departure is final: it is stored once, known by (network, transaction, log index). Where it went is not kept, since
only the owner's wallet can send.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pymongo import ReplaceOne
from pymongo.collection import Collection as Documents
from pymongo.database import Database

from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document
from inspired.domain.shared.networks import Network, Transfer


@dataclass(frozen=True, slots=True)
class Departure:
    network: Network
    block: int
    tx_hash: str
    log_index: int
    sender: str
    units: int

    @property
    def name(self) -> str:
        return f"{self.network}:{self.tx_hash}:{self.log_index}"


class Departures:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Documents[Document] = database["departures"]
        self._cursors: Documents[Document] = database["departure_cursors"]

    def cursor(self, group: str, network: Network) -> int | None:
        """Everything up to this block is stored. None if the group was never read on this network."""
        with reaching():
            found = self._cursors.find_one({"_id": f"{group}/{network}"})
        return None if found is None else int(found["block"])

    def advance(self, group: str, network: Network, block: int) -> None:
        """Called once everything up to this final block is stored and booked."""
        with reaching():
            self._cursors.update_one({"_id": f"{group}/{network}"}, {"$max": {"block": block}}, upsert=True)

    def begin_again(self, group: str, network: Network) -> None:
        """More addresses of the group have received something than was known when it was read. What is stored stays."""
        with reaching():
            self._cursors.delete_one({"_id": f"{group}/{network}"})

    def store(self, group: str, found: Iterable[Departure]) -> None:
        writes = [ReplaceOne({"_id": one.name}, _written(one, group), upsert=True) for one in found]
        if writes:
            with reaching():
                self._collection.bulk_write(writes)

    def of(self, group: str, network: Network, until: int) -> list[Departure]:
        """Those of a group up to block `until`, a cursor."""
        wanted = {"group": group, "network": str(network), "block": {"$lte": until}}
        with reaching():
            return [_read(document) for document in self._collection.find(wanted)]


def departure_of(transfer: Transfer) -> Departure:
    return Departure(
        transfer.network, transfer.block_number, transfer.tx_hash, transfer.log_index, transfer.sender, transfer.units
    )


def _written(one: Departure, group: str) -> Document:
    return {
        "_id": one.name,
        "group": group,
        "network": str(one.network),
        "block": one.block,
        "tx_hash": one.tx_hash,
        "log_index": one.log_index,
        "sender": one.sender,
        "units": str(one.units),
    }


def _read(found: Document) -> Departure:
    return Departure(
        Network(found["network"]), found["block"], found["tx_hash"], found["log_index"], found["sender"],
        int(found["units"]),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChainBalance:
    """What an address held after `block`, in raw units. `moved_block`: the newest block in which something moved there,
    stamped `moved_at`. `told`: what differs, in words; empty if all is explained."""

    network: Network
    address: str
    trade_no: str
    units: int
    block: int
    at: datetime
    moved_block: int
    moved_at: datetime
    told: str = ""


class ChainBalances:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Documents[Document] = database["chain_balances"]

    def save(self, balance: ChainBalance) -> None:
        document: Document = {
            "_id": f"{balance.network}:{balance.address}",
            "network": str(balance.network),
            "address": balance.address,
            "trade_no": balance.trade_no,
            "units": str(balance.units),
            "block": balance.block,
            "at": balance.at,
            "moved_block": balance.moved_block,
            "moved_at": balance.moved_at,
        }
        if balance.units:
            document["funded"] = True
        if balance.told:
            document["told"] = balance.told
        with reaching():
            self._collection.replace_one({"_id": document["_id"]}, document, upsert=True)

    def among(self, network: Network, addresses: Collection[str]) -> dict[str, ChainBalance]:
        """By address."""
        names = [f"{network}:{address}" for address in addresses]
        with reaching():
            found = list(self._collection.find({"_id": {"$in": names}}))
        return {document["address"]: _balance(document) for document in found}

    def funded(self) -> list[ChainBalance]:
        """Those that held something, in no particular order."""
        with reaching():
            return [_balance(document) for document in self._collection.find({"funded": True})]

    def differing(self) -> Sequence[ChainBalance]:
        with reaching():
            found = list(self._collection.find({"told": {"$gt": ""}}))
        return [_balance(document) for document in found]


def _balance(found: Document) -> ChainBalance:
    return ChainBalance(
        network=Network(found["network"]),
        address=found["address"],
        trade_no=found["trade_no"],
        units=int(found["units"]),
        block=found["block"],
        at=found["at"],
        moved_block=found["moved_block"],
        moved_at=found["moved_at"],
        told=found.get("told", ""),
    )
