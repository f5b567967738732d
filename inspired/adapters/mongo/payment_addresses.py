"""Addresses given out to receive payments on chain: one for each payment order, fresh, and never given out again."""

from collections.abc import Callable, Mapping
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


class PaymentAddresses:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["payment_addresses"]

    def find(self, trade_no: str) -> PaymentAddress | None:
        with reaching():
            found = self._collection.find_one({"_id": trade_no})
        return None if found is None else _read(found)

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
        """Once closed, always closed, since the first time."""
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
