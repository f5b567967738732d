"""Chains in memory, what the product stores of them, and the product's own rail over both.

Blocks come by the world's clock. A block is final when so many have followed it; while `is_stalled`, none becomes
final.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from inspired.adapters.crypto.account_keys import AccountKey
from inspired.adapters.crypto.address_sources import Source
from inspired.adapters.mongo.payment_addresses import Given, Moved, NoneLeft, PaymentAddress
from inspired.adapters.mongo.receiving import NodeAddress
from inspired.adapters.mongo.transfers import Changes, Cursor
from inspired.adapters.providers.chain_node import Mined
from inspired.adapters.providers.on_chain import OnChain
from inspired.adapters.redis.throttle import Breaker
from inspired.domain.shared.errors import UpstreamError
from inspired.domain.shared.networks import Block, Head, Kind, Network, Transfer
from tests.adapters.crypto.test_account_keys import XPUB_EVM, XPUB_TRON
from tests.simulation.memory import DATABASE, NODE, Wire

BLOCK = timedelta(seconds=3)
FINAL_DEPTH = 19
FIRST = 1_000_000
EXCHANGE, WALLET = ("0x" + letters * 20 for letters in ("ab", "ca"))  # who sends to us, and what refunds are sent from
SOURCES = {
    kind: Source("one", kind, text, AccountKey.read(kind, text))
    for kind, text in ((Kind.EVM, XPUB_EVM), (Kind.TRON, XPUB_TRON))
}


@dataclass
class MemoryChain:
    """One network and its node. `transfers` are those of the blocks as they are now."""

    network: Network
    wire: Wire
    now: Callable[[], datetime]
    begun_at: datetime
    transfers: list[Transfer] = field(default_factory=list)
    is_stalled: bool = False
    _final: int = 0
    _forks: list[int] = field(default_factory=list)  # from which block on each fork goes
    _sent: int = 0

    # --- what the product asks ---

    def head(self, seconds: float = 5.0) -> Head:
        return self.wire.call(NODE, self._head, may_refuse=False)

    def block(self, number: int, *, seconds: float = 5.0) -> Block:
        return self.wire.call(NODE, lambda: self._block(number), may_refuse=False)

    def arrived(self, addresses: Collection[str], first: int, last: int, *, seconds: float = 10.0) -> list[Transfer]:
        def find() -> list[Transfer]:
            if self.newest < last:
                raise UpstreamError("node", "it has not reached this block")
            return [one for one in self.transfers if one.recipient in addresses and first <= one.block_number <= last]

        return self.wire.call(NODE, find, may_refuse=False)

    def transaction(self, tx_hash: str, *, seconds: float = 5.0) -> Mined | None:
        return self.wire.call(NODE, lambda: self.mined(tx_hash), may_refuse=False)

    def has_code(self, address: str, *, seconds: float = 5.0) -> bool:
        return self.wire.call(NODE, lambda: False, may_refuse=False)

    # --- what the world does ---

    @property
    def newest(self) -> int:
        return FIRST + (self.now() - self.begun_at) // BLOCK

    @property
    def final(self) -> int:
        if not self.is_stalled:
            self._final = max(self._final, self.newest - FINAL_DEPTH)
        return self._final

    def send(self, address: str, units: int, sender: str = EXCHANGE) -> str:
        """In the newest block at once. The transaction's hash."""
        self._sent += 1
        tx_hash = f"0x{self._sent:064x}"
        self.transfers.append(self._transfer(tx_hash, self._sent, address, units, sender))
        return tx_hash

    def mined(self, tx_hash: str) -> Mined | None:
        """None if no block has it."""
        moved = [one for one in self.transfers if one.tx_hash == tx_hash]
        return Mined(tx_hash, moved[0].block_number, moved[0].block_hash, tuple(moved)) if moved else None

    def reorganise(self, *, drops: bool) -> None:
        """All blocks that are not final are replaced: their transfers are gone, or in the newest one now."""
        final = self.final
        self._forks.append(final + 1)
        kept = [one for one in self.transfers if one.block_number <= final]
        others = [] if drops else [one for one in self.transfers if one.block_number > final]
        self.transfers = [
            *kept,
            *(self._transfer(one.tx_hash, one.log_index + 7, one.recipient, one.units, one.sender) for one in others),
        ]

    def all_final_at(self) -> datetime | None:
        """When everything that was sent is final, if that is still to come."""
        newest = max((one.block_number for one in self.transfers), default=0)
        if newest <= self.final or self.is_stalled:
            return None
        return self.begun_at + (newest + FINAL_DEPTH - FIRST + 1) * BLOCK

    def units_at(self, address: str) -> int:
        return sum(one.units for one in self.transfers if one.recipient == address)

    def final_at(self, address: str) -> int:
        final = self.final
        return sum(one.units for one in self.transfers if one.recipient == address and one.block_number <= final)

    def _head(self) -> Head:
        final, newest = self.final, self._block(self.newest)
        return Head(newest.number, newest.hash, newest.time, final)

    def _block(self, number: int) -> Block:
        fork = sum(first <= number for first in self._forks)
        return Block(number, f"0x{fork:032x}{number:032x}", self.begun_at + (number - FIRST) * BLOCK)

    def _transfer(self, tx_hash: str, log_index: int, address: str, units: int, sender: str) -> Transfer:
        block = self._block(self.newest)
        # TRON's logs carry no time.
        at = None if self.network is Network.TRC20 else block.time
        return Transfer(self.network, block.number, block.hash, at, tx_hash, log_index, sender, address, units)


class Node:
    """The chain as `ChainNode` tells of it."""

    def __init__(self, chain: MemoryChain) -> None:
        self.head, self.block, self.transfers = chain.head, chain.block, chain.arrived
        self.transaction, self.has_code = chain.transaction, chain.has_code


class NoThrottle:
    def take(self, *, urgent: bool, seconds: float) -> None: ...

    def failed(self, permit: None, **asked: Any) -> None: ...

    def answered(self, permit: None, code: str) -> None: ...

    def state(self) -> Breaker:
        return Breaker(False, None, 0)


class FixedReceiving:
    """What the owner has set, unchanged: nothing of it is asked for over the wire."""

    def is_set_up(self, network: Network, now: datetime) -> bool:
        return True

    def wallets(self, kind: Kind, now: datetime) -> tuple[str, ...]:
        return (WALLET,)

    def took_over(self, network: Network, now: datetime) -> None:
        """It always was the same node."""

    def source(self, kind: Kind, now: datetime) -> Source:
        return SOURCES[kind]

    def source_called(self, kind: Kind, source_id: str, now: datetime) -> Source | None:
        return SOURCES[kind] if source_id == SOURCES[kind].id else None

    def has_source(self, kind: Kind, source_id: str, now: datetime) -> bool:
        return source_id == SOURCES[kind].id

    def nodes(self, network: Network, now: datetime) -> tuple[NodeAddress, ...]:
        return (NodeAddress("memory"),)

    def gives_again(self, kind: Kind, now: datetime) -> bool:
        return False


class NoScreeningList:
    is_used = False

    def has(self, address: str) -> bool:
        return False


class OnMemoryChain(OnChain):
    """The product's rail as it is; only its node is another one."""

    def __init__(self, chain: MemoryChain, **doubles: Any) -> None:
        super().__init__(chain.network, None, throttle=NoThrottle(), gap_limit=1000, **doubles)  # type: ignore[arg-type]
        self._memory_node = Node(chain)

    def _made(self, address: NodeAddress) -> Any:
        return self._memory_node


# --- the database ---------------------------------------------------------------------------------------------------


class MemoryAddresses:
    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.all: dict[str, PaymentAddress] = {}
        self.shared: dict[str, tuple[str, PaymentAddress]] = {}  # by the other order: the first one, and the address
        self.work_at: dict[str, datetime] = {}
        self._times: dict[str, int] = {}

    def find(self, trade_no: str) -> PaymentAddress | None:
        def find() -> PaymentAddress | None:
            if trade_no in self.shared:
                return self.shared[trade_no][1]
            return self.all.get(trade_no)

        return self._wire.call(DATABASE, find)

    def share(self, given: PaymentAddress, other: str, network: Network, now: datetime, *, transfer: str = "") -> None:
        def share() -> None:
            first = self.all[given.trade_no]
            also = replace(
                first,
                trade_no=other,
                network=network,
                wanted="1",
                enough="1",
                closing_at=now,
                seen_block=0,
                of=given.trade_no,
                transfer=transfer,
            )
            self.shared.setdefault(other, (given.trade_no, also))

        self._wire.call(DATABASE, share)

    def after(self, kind: Kind, index: int, most: int) -> list[PaymentAddress]:
        def find() -> list[PaymentAddress]:
            those = [one for one in self.all.values() if one.network.facts.kind is kind and one.index > index]
            return sorted(those, key=lambda one: one.index)[:most]

        return self._wire.call(DATABASE, find)

    def given_again(self, kind: Kind, since: datetime) -> list[PaymentAddress]:
        return []

    def mark(self, network: Network, addresses: Iterable[str], due: datetime, newest: int = 0) -> list[str]:
        def mark() -> None:
            for trade_no in found():
                self.work_at[trade_no] = due
                self._times[trade_no] = self._times.get(trade_no, 0) + 1
                if (given := self.all[trade_no]).network is network:
                    self.all[trade_no] = replace(given, seen_block=max(given.seen_block, newest))

        def found() -> list[str]:
            kind, those = network.facts.kind, set(addresses)
            return [
                one.trade_no for one in self.all.values() if one.network.facts.kind is kind and one.address in those
            ]

        self._wire.call(DATABASE, mark)
        return self._wire.call(DATABASE, found)

    def marked(self, now: datetime, most: int) -> list[str]:
        due = self._wire.call(DATABASE, lambda: [(at, one) for one, at in self.work_at.items() if at <= now])
        return [one for _, one in sorted(due)][:most]

    def moved(self, trade_no: str) -> Moved | None:
        def find() -> Moved | None:
            given = self.all.get(trade_no)
            return None if given is None else Moved(given, self._times.get(trade_no, 0), (given,))

        return self._wire.call(DATABASE, find)

    def put_off(self, trade_no: str, until: datetime) -> None:
        def put_off() -> None:
            if trade_no in self.work_at:
                self.work_at[trade_no] = until

        self._wire.call(DATABASE, put_off)

    def done(self, moved: Moved) -> None:
        def tick_off() -> None:
            if self._times.get(moved.given.trade_no, 0) == moved.times:
                self.work_at.pop(moved.given.trade_no, None)

        self._wire.call(DATABASE, tick_off)

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
        def give() -> PaymentAddress:
            if (known := self.all.get(trade_no)) is not None:
                return known
            kind = network.facts.kind
            so_far = self._given_of(kind)
            number = so_far.next_number
            if longest_gap is not None and number - so_far.last_with_money > longest_gap:
                raise NoneLeft
            fresh = PaymentAddress(
                trade_no,
                network,
                address_of(number),
                number,
                from_blocks,
                wanted,
                enough,
                now,
                source=source,
                number=number,
            )
            self.all[trade_no] = fresh
            return fresh

        return self._wire.call(DATABASE, give)

    def among(self, kind: Kind, addresses: Sequence[str]) -> set[str]:
        those = self._wire.call(DATABASE, lambda: list(self.all.values()))
        return {one.address for one in those if one.network.facts.kind is kind and one.address in addresses}

    def sources(self, kind: Kind) -> set[str]:
        return {one.source for one in self.all.values() if one.network.facts.kind is kind}

    def given_of(self, kind: Kind, source: str) -> Given:
        return self._wire.call(DATABASE, lambda: self._given_of(kind))

    def _given_of(self, kind: Kind) -> Given:
        """One source of each kind is all there is here."""
        those = [one for one in self.all.values() if one.network.facts.kind is kind]
        paid = [one.number for one in those if one.seen_block or self._times.get(one.trade_no)]
        return Given(len(those), max(paid, default=-1))

    def close(self, trade_no: str, now: datetime) -> None:
        self._wire.call(
            DATABASE, lambda: self._change(trade_no, lambda one: replace(one, closing_at=one.closing_at or now))
        )

    def saw(self, trade_no: str, block: int) -> None:
        self._wire.call(
            DATABASE, lambda: self._change(trade_no, lambda one: replace(one, seen_block=max(one.seen_block, block)))
        )

    def _change(self, trade_no: str, change: Callable[[PaymentAddress], PaymentAddress]) -> None:
        if trade_no in self.all:
            self.all[trade_no] = change(self.all[trade_no])


class MemoryTransfers:
    """`writes` of a change are (key, transfer or None, group)."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.all: dict[tuple[Network, str, int], tuple[Transfer, str]] = {}
        self._cursors: dict[tuple[str, Network], Cursor] = {}

    def cursor(self, group: str, network: Network) -> Cursor | None:
        return self._wire.call(DATABASE, lambda: self._cursors.get((group, network)))

    def cursors(self, network: Network) -> dict[str, Cursor]:
        return self._wire.call(
            DATABASE, lambda: {group: one for (group, of), one in self._cursors.items() if of is network}
        )

    def advance(self, group: str, network: Network, block: int, now: datetime) -> None:
        def advance() -> None:
            known = self._cursors.get((group, network), Cursor(0, now))
            self._cursors[group, network] = Cursor(max(known.block, block), max(known.read_at, now))

        self._wire.call(DATABASE, advance)

    def final_of(self, address: str, network: Network, until: int) -> list[Transfer]:
        found = self._wire.call(DATABASE, lambda: self._at(address, network))
        ordered = sorted(found, key=lambda one: (one.block_number, one.log_index))
        return [one for one in ordered if one.block_number <= until]

    def at(self, address: str, network: Network) -> list[Transfer]:
        return self._wire.call(DATABASE, lambda: self._at(address, network))

    def final_in(self, group: str, network: Network, until: int) -> list[Transfer]:
        def find() -> list[Transfer]:
            those = [one for one, of in self.all.values() if of == group and one.network is network]
            return [one for one in those if one.block_number <= until]

        return self._wire.call(DATABASE, find)

    def unknown(self, group: str, found: Sequence[Transfer]) -> Changes:
        known = self._wire.call(DATABASE, lambda: set(self.all))
        new: list[Any] = [(_key(one), (one, group)) for one in found if _key(one) not in known]
        return Changes(frozenset(one.recipient for _, (one, _) in new), bool(new), new)

    def networks_of(self, address: str) -> tuple[Network, ...]:
        return self._wire.call(DATABASE, lambda: tuple(one for one in Network if self._at(address, one)))

    def compared(
        self, group: str, network: Network, after: int, found: Sequence[Transfer], *, until: int, final: int
    ) -> Changes:
        known = self._wire.call(
            DATABASE,
            lambda: {
                key: one
                for key, one in self.all.items()
                if one[1] == group and one[0].network is network and after < one[0].block_number <= until
            },
        )
        told = {_key(one): (one, group) for one in found}
        gone = known.keys() - told.keys()
        new = [key for key, one in told.items() if _essence(known.get(key)) != _essence(one)]
        final_now = [key for key, (one, _) in told.items() if one.block_number <= final]
        moved = [*(known[key][0].recipient for key in gone), *(told[key][0].recipient for key in (*new, *final_now))]
        writes: list[Any] = [*((key, None) for key in gone), *((key, told[key]) for key in new)]
        return Changes(frozenset(moved), bool(final_now), writes)

    def store(self, changes: Changes) -> None:
        if changes.writes:
            self._wire.call(DATABASE, lambda: self._store(changes.writes))

    def _store(self, writes: Sequence[Any]) -> None:
        for key, one in writes:
            if one is None:
                self.all.pop(key, None)
            else:
                self.all[key] = (replace(one[0], sender=""), one[1])

    def _at(self, address: str, network: Network) -> list[Transfer]:
        return [one for one, _ in self.all.values() if one.recipient == address and one.network is network]


def _key(one: Transfer) -> tuple[Network, str, int]:
    return (one.network, one.tx_hash, one.log_index)


def _essence(one: tuple[Transfer, str] | None) -> tuple[Any, ...] | None:
    return None if one is None else (one[0].block_hash, one[0].units)
