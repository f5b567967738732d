"""Addresses given out to receive payments on chain: one for each payment order, fresh, and never given out again.

An EVM address is the same on both EVM networks, so money can reach it on the network it was not given out for. An order
made for such money shares the first one's address.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document
from inspired.domain.shared.errors import Busy
from inspired.domain.shared.networks import Kind, Network

MOST_TRIES = 50
GROUP = 500  # addresses whose transfers are asked for together


@dataclass(frozen=True, slots=True)
class PaymentAddress:
    """`address`: 20 bytes as lower-case hex with 0x; `index`: its number under the owner's account key.

    `from_blocks`: the newest block of each watched network when it was given out; nothing earlier is this order's.
    `wanted`: the order's amount in raw units, as text. `closing_at`: since when the order must not be paid any more;
    None: it may. `seen_block`: the newest block that was seen to have money for it, before it was final.
    """

    trade_no: str
    network: Network
    address: str
    index: int
    from_blocks: Mapping[Network, int]
    wanted: str
    made_at: datetime
    closing_at: datetime | None = None
    seen_block: int = 0

    @property
    def group(self) -> str:
        return f"{self.network.facts.kind}/{self.index // GROUP}"


@dataclass(frozen=True, slots=True)
class Moved:
    """An order's address where something arrived or went. `times`: how often that was noticed."""

    given: PaymentAddress
    times: int


class PaymentAddresses:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["payment_addresses"]

    def find(self, trade_no: str) -> PaymentAddress | None:
        with reaching():
            found = self._collection.find_one({"_id": trade_no})
            if found is None and (shared := self._collection.find_one({"also.trade_no": trade_no})) is not None:
                also = next(one for one in shared["also"] if one["trade_no"] == trade_no)
                found = {**shared, **also, "_id": trade_no, "seen_block": 0}
        return None if found is None else _read(found)

    def share(self, trade_no: str, other: str, network: Network, now: datetime) -> None:
        """Let another order, for money found on another network, have the same address. Any amount counts for it, and
        nobody is asked to pay it."""
        also = {"trade_no": other, "network": str(network), "wanted": "1", "closing_at": now}
        with reaching():
            self._collection.update_one({"_id": trade_no, "also.trade_no": {"$ne": other}}, {"$push": {"also": also}})

    def after(self, kind: Kind, index: int) -> list[PaymentAddress]:
        """All of this kind that were given out after the one of this number."""
        with reaching():
            found = self._collection.find({"kind": str(kind), "index": {"$gt": index}}).sort("index", 1)
            return [_read(document) for document in found]

    # --- what moved there ---------------------------------------------------------------------------------------------

    def mark(self, kind: Kind, addresses: Iterable[str], now: datetime) -> list[str]:
        """Something moved at these addresses: from now on, until that is done, their orders are to be asked about.
        Returns the orders' trade numbers."""
        those = {"kind": str(kind), "address": {"$in": sorted(addresses)}}
        with reaching():
            self._collection.update_many(those, {"$set": {"work_at": now}, "$inc": {"times_moved": 1}})
            return [document["_id"] for document in self._collection.find(those, {"_id": 1})]

    def marked(self, now: datetime, most: int) -> list[str]:
        """Trade numbers of orders to be asked about now."""
        with reaching():
            found = self._collection.find({"work_at": {"$lte": now}}, {"_id": 1}).sort("work_at", 1).limit(most)
            return [document["_id"] for document in found]

    def moved(self, trade_no: str) -> Moved | None:
        with reaching():
            found = self._collection.find_one({"_id": trade_no})
        return None if found is None else Moved(_read(found), found.get("times_moved", 0))

    def put_off(self, trade_no: str, until: datetime) -> None:
        """Asked about again then, unless that is done before."""
        with reaching():
            self._collection.update_one({"_id": trade_no, "work_at": {"$ne": None}}, {"$set": {"work_at": until}})

    def done(self, moved: Moved) -> None:
        """Asked about, unless something moved again meanwhile."""
        of_then = {"_id": moved.given.trade_no, "times_moved": moved.times}
        with reaching():
            self._collection.update_one(of_then, {"$unset": {"work_at": ""}})

    def give(
        self,
        trade_no: str,
        network: Network,
        address_of: Callable[[int], str],
        *,
        from_blocks: Mapping[Network, int],
        wanted: str,
        now: datetime,
    ) -> PaymentAddress:
        """The order's address: the one it has, or the next of its kind. `address_of`: the address of a number."""
        for _ in range(MOST_TRIES):
            index = self._next(network.facts.kind)
            given = PaymentAddress(trade_no, network, address_of(index), index, from_blocks, wanted, now)
            try:
                with reaching():
                    self._collection.insert_one(_written(given))
            except DuplicateKeyError:
                # Either somebody else was faster with this number, or another process with this order.
                if (known := self.find(trade_no)) is not None:
                    return known
                continue
            return given
        raise Busy("No address could be given out: too many are asked for at once.")

    def _next(self, kind: Kind) -> int:
        with reaching():
            newest = self._collection.find_one({"kind": str(kind)}, {"index": 1}, sort=[("index", -1)])
        return 0 if newest is None else int(newest["index"]) + 1

    def close(self, trade_no: str, now: datetime) -> None:
        """Once closed, always closed, since the first time. An order that shares another's address always was."""
        with reaching():
            self._collection.update_one({"_id": trade_no, "closing_at": None}, {"$set": {"closing_at": now}})

    def saw(self, trade_no: str, block: int) -> None:
        with reaching():
            self._collection.update_one({"_id": trade_no}, {"$max": {"seen_block": block}})


def _written(given: PaymentAddress) -> Document:
    return {
        "_id": given.trade_no,
        "network": str(given.network),
        "kind": str(given.network.facts.kind),
        "address": given.address,
        "index": given.index,
        "from_blocks": {str(network): number for network, number in given.from_blocks.items()},
        "wanted": given.wanted,
        "made_at": given.made_at,
        "closing_at": given.closing_at,
        "seen_block": given.seen_block,
    }


def _read(found: Document) -> PaymentAddress:
    return PaymentAddress(
        trade_no=found["_id"],
        network=Network(found["network"]),
        address=found["address"],
        index=found["index"],
        from_blocks={Network(name): int(number) for name, number in found["from_blocks"].items()},
        wanted=found["wanted"],
        made_at=found["made_at"],
        closing_at=found["closing_at"],
        seen_block=found["seen_block"],
    )
