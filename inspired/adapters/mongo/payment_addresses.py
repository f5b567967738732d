"""Addresses given out to receive payments on chain: one for each payment order, fresh unless the owner lets addresses
that have rested be given out again.

Each names the source it came from, so that it can be checked against that one after the owner has changed to another.
An EVM address is the same on both EVM networks, so money can reach it on the network it was not given out for. An order
made for such money, or for a transfer that waits for the owner, shares the address of the order it was found beside.

An address is one document, named by its first holder. Later holders are in it: so it is in one place for whoever reads
all addresses, and giving it again is one write that either finds it as it was or does nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document
from inspired.domain.booking.address_reuse import REST, Handover
from inspired.domain.shared.errors import Busy
from inspired.domain.shared.networks import Kind, Network

MOST_TRIES = 50
GROUP = 500  # addresses whose transfers are asked for together


@dataclass(frozen=True, slots=True)
class PaymentAddress:
    """`address`: 20 bytes as lower-case hex with 0x; `index`: how many of its kind were given out before. `number`: its
    own number in its source. `source`: the source's id, empty for the account key that was there before sources had
    ids.

    `from_blocks`: the newest block of each watched network when it was given out; nothing earlier is this order's.
    `wanted`: the order's amount in raw units, as text; `enough`: the least that pays it. `closing_at`: since when the
    order must not be paid any more; None: it may. `seen_block`: the newest block of its network that is known from
    money that moved there or was seen for it; a node that has not come as far is not believed.

    `since`: set for a holder who is not the first, whose order could be paid until `pays_until`. `until`: set once
    another holder followed. `of`: the order whose address this one shares; `transfer`: the one transfer that it
    holds; empty: all.
    """

    trade_no: str
    network: Network
    address: str
    index: int
    from_blocks: Mapping[Network, int]
    wanted: str
    enough: str
    made_at: datetime
    closing_at: datetime | None = None
    seen_block: int = 0
    source: str = ""
    number: int = 0
    since: Handover | None = None
    until: Handover | None = None
    pays_until: datetime | None = None
    transfer: str = ""
    of: str = ""

    @property
    def is_shared(self) -> bool:
        """True if somebody else has had the address, before or after."""
        return self.since is not None or self.until is not None

    @property
    def group(self) -> str:
        return f"{self.network.facts.kind}/{self.index // GROUP}"


class NoneLeft(Exception):
    """No address can be given out: the list is used up, or too many in a row were never paid to."""


@dataclass(frozen=True, slots=True)
class Given:
    """What was given out of one source. `last_with_money`: the highest number that ever received money, or -1."""

    next_number: int
    last_with_money: int


@dataclass(frozen=True, slots=True)
class Moved:
    """An order's address where something arrived or went. `times`: how often that was noticed. `holders`: the address
    as each order has it that it was given to, the first one first."""

    given: PaymentAddress
    times: int
    holders: tuple[PaymentAddress, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Addresses of one kind that are asked about together. `first`: the one given out first."""

    kind: Kind
    number: int
    first: PaymentAddress

    @property
    def name(self) -> str:
        return self.first.group


@dataclass(frozen=True, slots=True)
class Resting:
    """An address that may be worth giving out again. `holders`: trade numbers of its orders, the first one first."""

    given: PaymentAddress
    holders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """An address and the orders it was given to, or that share it. `is_marked`: something moved there, and an order has
    yet to be asked about it."""

    given: PaymentAddress
    trade_nos: tuple[str, ...]
    is_marked: bool


class PaymentAddresses:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["payment_addresses"]

    def find(self, trade_no: str) -> PaymentAddress | None:
        with reaching():
            found = self._collection.find_one({"_id": trade_no}) or self._collection.find_one({"holders": trade_no})
            if found is not None:
                return _read(found, trade_no)
            found = self._collection.find_one({"also.trade_no": trade_no})
        if found is None:
            return None
        also = next(one for one in found["also"] if one["trade_no"] == trade_no)
        return replace(
            _read(found, also.get("of", "")),
            trade_no=trade_no,
            network=Network(also["network"]),
            wanted="1",
            enough="1",
            closing_at=also["closing_at"],
            seen_block=0,
            transfer=also.get("transfer", ""),
            of=also.get("of", found["_id"]),
        )

    def share(self, given: PaymentAddress, other: str, network: Network, now: datetime, *, transfer: str = "") -> None:
        """Let another order, for money found on another network or for this one transfer, have the same address. Any
        amount counts for it, and nobody is asked to pay it."""
        also: Document = {"trade_no": other, "network": str(network), "of": given.trade_no, "closing_at": now}
        also |= {"transfer": transfer} if transfer else {}
        that = {"kind": str(network.facts.kind), "address": given.address, "also.trade_no": {"$ne": other}}
        with reaching():
            self._collection.update_one(that, {"$push": {"also": also}})

    def holders_of(self, given: PaymentAddress) -> tuple[PaymentAddress, ...]:
        """The address as each order has it that it was given to, the first one first. What shares it is not among
        them."""
        that = {"kind": str(given.network.facts.kind), "address": given.address}
        with reaching():
            found = self._collection.find_one(that)
        return () if found is None else _all(found)

    def after(self, kind: Kind, index: int, most: int) -> list[PaymentAddress]:
        """The next of this kind that were given out after the one of this number."""
        with reaching():
            found = self._collection.find({"kind": str(kind), "index": {"$gt": index}}).sort("index", 1).limit(most)
            return [_read(document) for document in found]

    # --- all of them, in groups ---------------------------------------------------------------------------------------

    def given_again(self, kind: Kind, since: datetime) -> list[PaymentAddress]:
        """Those that were given to another order since then, as that one has them."""
        with reaching():
            found = list(self._collection.find({"again_at": {"$gte": since}}))
        return [_read(one, _holders(one)[-1]) for one in found if one["kind"] == str(kind)]

    def groups(self) -> list[Group]:
        """In the order in which their first addresses were given out."""
        found: list[Group] = []
        for kind in Kind:
            firsts = list(range(0, self._next(kind), GROUP))
            with reaching():
                documents = list(self._collection.find({"kind": str(kind), "index": {"$in": firsts}}))
            found += [Group(kind, one["index"] // GROUP, _read(one)) for one in documents]
        return sorted(found, key=lambda group: (group.first.made_at, group.kind, group.number))

    def given_to(self, trade_nos: Sequence[str]) -> dict[str, PaymentAddress]:
        """By the trade numbers of the orders that they were first given to."""
        with reaching():
            return {one["_id"]: _read(one) for one in self._collection.find({"_id": {"$in": list(trade_nos)}})}

    def held_in(self, group: Group) -> list[Held]:
        """All addresses of a group, with the orders they were given to."""
        index = {"$gte": group.number * GROUP, "$lt": (group.number + 1) * GROUP}
        with reaching():
            found = list(self._collection.find({"kind": str(group.kind), "index": index}))
        return [
            Held(
                _read(one),
                (*_holders(one), *(other["trade_no"] for other in one.get("also", ()))),
                "work_at" in one,
            )
            for one in found
        ]

    # --- what moved there ---------------------------------------------------------------------------------------------

    def mark(self, network: Network, addresses: Iterable[str], due: datetime, newest: int = 0) -> list[str]:
        """Something moved at these addresses, up to block `newest` of this network: from `due` on, until that is done,
        their orders are to be asked about. Returns the orders' trade numbers."""
        those = {"kind": str(network.facts.kind), "address": {"$in": sorted(addresses)}}
        change = {
            "$set": {"work_at": due, "resting_until": due + REST},
            "$inc": {"times_moved": 1},
            # By network, since an EVM address has one number on two chains.
            "$max": {f"seen_blocks.{network}": newest},
        }
        with reaching():
            self._collection.update_many(those, change)
            return [document["_id"] for document in self._collection.find(those, {"_id": 1})]

    def left(self, kind: Kind, addresses: Iterable[str], now: datetime) -> None:
        """Something left these addresses."""
        those = {"kind": str(kind), "address": {"$in": sorted(addresses)}}
        with reaching():
            self._collection.update_many(those, {"$set": {"resting_until": now + REST}})

    def marked(self, now: datetime, most: int) -> list[str]:
        """Trade numbers of orders to be asked about now."""
        with reaching():
            found = self._collection.find({"work_at": {"$lte": now}}, {"_id": 1}).sort("work_at", 1).limit(most)
            return [document["_id"] for document in found]

    def moved(self, trade_no: str) -> Moved | None:
        with reaching():
            found = self._collection.find_one({"_id": trade_no})
        return None if found is None else Moved(_read(found), found.get("times_moved", 0), _all(found))

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
        source: str,
        longest_gap: int | None,
        from_blocks: Mapping[Network, int],
        wanted: str,
        enough: str,
        now: datetime,
    ) -> PaymentAddress:
        """The order's address: the one it has, or the next of the source. `address_of`: the address of a number, or
        ValueError if there is none. `longest_gap`: how many may follow the last one with money. Raises NoneLeft."""
        kind, least = network.facts.kind, 0
        for _ in range(MOST_TRIES):
            so_far, index = self.given_of(kind, source), self._next(kind)
            number = max(least, so_far.next_number)
            is_beyond = longest_gap is not None and number - so_far.last_with_money > longest_gap
            address = None if is_beyond else _address(address_of, number)
            if address is None:
                if (known := self.find(trade_no)) is not None:
                    return known  # it has the last one
                raise NoneLeft
            given = PaymentAddress(
                trade_no, network, address, index, from_blocks, wanted, enough, now, source=source, number=number
            )
            try:
                with reaching():
                    self._collection.insert_one(_written(given))
            except DuplicateKeyError:
                # Somebody else was faster with this number, or another process with this order, or the address was
                # given out of another source: then it is passed over.
                if (known := self.find(trade_no)) is not None:
                    return known
                least = number + self._is_given(kind, address)
                continue
            return given
        raise Busy("No address could be given out: too many are asked for at once.")

    # --- giving out again ---------------------------------------------------------------------------------------------

    def resting(self, kind: Kind, source: str, now: datetime, most: int) -> list[Resting]:
        """Addresses of this source where nothing moved for `REST`, the longest first."""
        with reaching():
            found = list(self._collection.find(_resting(kind, source, now)).sort("resting_until", 1).limit(most))
        return [Resting(_read(one, _holders(one)[-1]), _holders(one)) for one in found]

    def count_resting(self, kind: Kind, source: str, now: datetime, most: int) -> int:
        with reaching():
            return self._collection.count_documents(_resting(kind, source, now), limit=most)

    def rest_on(self, address: Resting, until: datetime | None) -> None:
        """Not looked at again before then; None: not before something moves there."""
        change = {"$unset": {"resting_until": ""}} if until is None else {"$set": {"resting_until": until}}
        with reaching():
            self._collection.update_one({"_id": address.holders[0]}, change)

    def give_again(
        self,
        address: Resting,
        trade_no: str,
        network: Network,
        *,
        block: int,
        wanted: str,
        pays_until: datetime,
        now: datetime,
    ) -> PaymentAddress | None:
        """Give an address that rested to another order, which has it for itself from now on; None if it rests no more:
        somebody was faster, or something moved. `block`: the network's newest one."""
        later = {
            "network": str(network),
            "from_blocks": {str(network): block},
            "wanted": wanted,
            "enough": wanted,
            "made_at": now,
            "closing_at": None,
            "seen_block": 0,
            "pays_until": pays_until,
        }
        as_it_was = {
            "_id": address.holders[0],
            "resting_until": {"$lte": now},
            "work_at": None,
            "holders": list(address.holders),
        }
        change: Document = {
            "$set": {f"later.{trade_no}": later, "again_at": now, "resting_until": now + REST},
            "$push": {"holders": trade_no},
        }
        try:
            with reaching():
                was_given = self._collection.update_one(as_it_was, change).modified_count > 0
        except DuplicateKeyError:
            return self.find(trade_no)  # another process gave this order another address
        return self.find(trade_no) if was_given else None

    def given_of(self, kind: Kind, source: str) -> Given:
        query = {"kind": str(kind), "source": source or None}  # None finds what was stored without a source as well
        with_money = {"$or": [{"seen_block": {"$gt": 0}}, {"times_moved": {"$gt": 0}}]}
        return Given(self._highest(query) + 1, self._highest({**query, **with_money}))

    def _highest(self, query: Document) -> int:
        """The highest number among these, or -1. What was stored before sources had ids has no number but its index."""
        with reaching():
            newest = self._collection.find_one({**query, "number": {"$gte": 0}}, {"number": 1}, sort=[("number", -1)])
            older = None
            if query["source"] is None:
                older = self._collection.find_one({**query, "number": None}, {"index": 1}, sort=[("index", -1)])
        return max(int(newest["number"]) if newest else -1, int(older["index"]) if older else -1)

    def _next(self, kind: Kind) -> int:
        with reaching():
            newest = self._collection.find_one({"kind": str(kind)}, {"index": 1}, sort=[("index", -1)])
        return 0 if newest is None else int(newest["index"]) + 1

    def _is_given(self, kind: Kind, address: str) -> bool:
        with reaching():
            return self._collection.find_one({"kind": str(kind), "address": address}, {"_id": 1}) is not None

    def among(self, kind: Kind, addresses: Sequence[str]) -> set[str]:
        """Those of these addresses that were given out."""
        with reaching():
            found = self._collection.find({"kind": str(kind), "address": {"$in": list(addresses)}}, {"address": 1})
            return {document["address"] for document in found}

    def sources(self, kind: Kind) -> set[str]:
        """Ids of all sources from which addresses were ever given out."""
        with reaching():
            return {found or "" for found in self._collection.distinct("source", {"kind": str(kind)})}

    def close(self, trade_no: str, now: datetime) -> None:
        """Once closed, always closed, since the first time. An order that shares another's address always was."""
        with reaching():
            that: Document = {"_id": trade_no, "closing_at": None}
            if not self._collection.update_one(that, {"$set": {"closing_at": now}}).matched_count:
                place = f"later.{trade_no}"
                that = {"holders": trade_no, f"{place}.seen_block": {"$gte": 0}, f"{place}.closing_at": None}
                self._collection.update_one(that, {"$set": {f"{place}.closing_at": now}})

    def saw(self, trade_no: str, block: int) -> None:
        with reaching():
            if not self._collection.update_one({"_id": trade_no}, {"$max": {"seen_block": block}}).matched_count:
                place = f"later.{trade_no}.seen_block"
                that = {"holders": trade_no, place: {"$gte": 0}}
                self._collection.update_one(that, {"$max": {place: block}})


def _address(address_of: Callable[[int], str], index: int) -> str | None:
    try:
        return address_of(index)
    except ValueError:
        return None


def _written(given: PaymentAddress) -> Document:
    return {
        "_id": given.trade_no,
        "network": str(given.network),
        "kind": str(given.network.facts.kind),
        "address": given.address,
        "index": given.index,
        "from_blocks": {str(network): number for network, number in given.from_blocks.items()},
        "wanted": given.wanted,
        "enough": given.enough,
        "made_at": given.made_at,
        "closing_at": given.closing_at,
        "seen_block": given.seen_block,
        "source": given.source or None,
        "number": given.number,
        "holders": [given.trade_no],
        "resting_until": given.made_at + REST,
    }


def _resting(kind: Kind, source: str, now: datetime) -> Document:
    """Addresses of earlier releases, which do not name their holder, are not among them."""
    return {
        "kind": str(kind), "source": source or None, "resting_until": {"$lte": now}, "holders": {"$ne": None}
    }  # fmt: skip


def _holders(found: Document) -> tuple[str, ...]:
    return tuple(found.get("holders", (found["_id"],)))  # earlier releases knew the first one only


def _all(found: Document) -> tuple[PaymentAddress, ...]:
    return tuple(_read(found, trade_no) for trade_no in _holders(found))


def _handover(document: Document, trade_no: str) -> Handover:
    later = document["later"][trade_no]
    network = Network(later["network"])
    return Handover(network, int(later["from_blocks"][str(network)]), later["made_at"])


def _read(document: Document, trade_no: str = "") -> PaymentAddress:
    """As this holder has it, or the first one."""
    holders = _holders(document)
    place = holders.index(trade_no) if trade_no else 0
    found = {**document, **document["later"][trade_no], "_id": trade_no} if place else document
    return PaymentAddress(
        trade_no=found["_id"],
        network=Network(found["network"]),
        address=found["address"],
        index=found["index"],
        from_blocks={Network(name): int(number) for name, number in found["from_blocks"].items()},
        wanted=found["wanted"],
        enough=found["enough"] if "enough" in found else found["wanted"],
        made_at=found["made_at"],
        closing_at=found["closing_at"],
        seen_block=max(found["seen_block"], found.get("seen_blocks", {}).get(found["network"], 0)),
        source=found.get("source") or "",
        number=found["number"] if "number" in found else found["index"],
        since=_handover(document, trade_no) if place else None,
        until=_handover(document, holders[place + 1]) if place + 1 < len(holders) else None,
        pays_until=found.get("pays_until"),
    )
