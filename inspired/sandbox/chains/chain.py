"""One chain: its blocks, the transfers in them, what is final, and how it is reorganised.

Nothing is stored for a block without transactions. Blocks come by themselves at the network's pace divided by a
speed-up, so which one is the newest is a question to the clock: they come while the sandbox is down, too.
Stamps say the sandbox's own time, which tests can move.

A block's hash is made of what is in it: number, stamp, fork and transactions. A reorganisation begins a new fork, so
all blocks from there have other hashes, the empty ones too. The parent's hash is not part of it: a block can be told
without making the millions before it.
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..store import Span, Store, Transaction
from .addresses import keccak
from .networks import Network

MOST_BLOCKS = 10_000
DEEPEST_REORGANISATION = 1_000


class NotPossible(Exception):
    """A sentence: why a chain cannot do what was asked."""


@dataclass(frozen=True)
class Transfer:
    token: str
    """The address of the contract."""
    sender: str
    to: str
    units: int
    """Of the token's smallest unit."""

    def as_record(self) -> dict[str, str]:
        return {"token": self.token, "from": self.sender, "to": self.to, "units": str(self.units)}


@dataclass(frozen=True, eq=False)
class Block:
    number: int
    hash: str
    stamp: int
    """Seconds since 1970."""
    fork: int
    transactions: list[Transaction]


@dataclass(frozen=True)
class Reorganised:
    first: int
    """The lowest block that is another one now."""
    dropped: list[str]
    """Hashes of the transactions that are gone."""
    moved: list[Transaction]
    """Those that were mined again, where they are now."""


class Chain:
    def __init__(self, network: Network, store: Store, step: Callable[[], float], clock: Callable[[], float]) -> None:
        """`step` says how many seconds lie between two blocks, 0 for none that come by themselves. `clock` is the real
        time in seconds; it may stand still but is never believed to go back.
        """
        self.network = network
        self.lock = threading.RLock()
        self._store, self._step, self._clock = store, step, clock
        self._now = 0.0
        self._spans = sorted((one for one in store.spans.values() if one.network == network.name), key=_first)
        self._blocks: dict[int, list[Transaction]] = {}
        self._numbers: list[int] = []
        """Of the blocks with transactions, in order."""
        self._made: dict[int, Block] = {}
        """Those of them that were asked for: making one again takes longer than a query does."""
        self._by_hash: dict[str, Transaction] = {}
        self._balances: dict[tuple[str, str], list[tuple[int, int]]] | None = None
        for one in sorted(store.transactions.values(), key=lambda one: (one.block, one.place)):
            if one.network == network.name:
                self._place(one)
        if not self._spans:
            self._begin(network.first_height)

    # --- looking ---

    def head(self) -> int:
        """The number of the newest block."""
        with self.lock:
            self._follow_settings()
            return self._head()

    def final(self, head: int) -> int:
        """The newest final block, for who knows blocks up to `head`."""
        return max(0, head - self.network.final_depth)

    def block(self, number: int) -> Block | None:
        """None for one that is not there yet."""
        with self.lock:
            return self._block(number) if 0 <= number <= self.head() else None

    def block_by_hash(self, block_hash: str) -> Block | None:
        """None for one that never was, or that a reorganisation has replaced."""
        block = self.block(self._number_in(bytes.fromhex(block_hash[2:])))
        return block if block and block.hash == block_hash else None

    def transaction(self, transaction_hash: str) -> Transaction | None:
        with self.lock:
            return self._by_hash.get(transaction_hash)

    def blocks_with_transactions(self, first: int, last: int) -> list[Block]:
        with self.lock:
            begin, end = bisect.bisect_left(self._numbers, first), bisect.bisect_right(self._numbers, last)
            return [self._block(number) for number in self._numbers[begin:end]]

    def balance(self, token: str, holder: str, block: int) -> int:
        """In smallest units, after this block. Who sent what he had not got had it from the start."""
        with self.lock:
            if self._balances is None:
                self._balances = self._count()
            entries = self._balances.get((token, holder), [])
            lowest = total = at_block = 0
            for number, change in entries:
                total += change
                lowest = min(lowest, total)
                at_block = total if number <= block else at_block
            return at_block - lowest

    # --- doing ---

    def send(self, transfers: list[Transfer], caller: str, contract: str) -> Transaction:
        """One transaction with these transfers, mined at once in a block of its own."""
        with self.lock:
            number = self.mine(1)
            nonce = len(self._by_hash)
            records = [one.as_record() for one in transfers]
            made_of = repr((self.network.name, number, nonce, caller, contract, records))
            one = Transaction(
                self.network.name, "0x" + keccak(made_of.encode()).hex(), number, 0, caller, contract, nonce, records
            )
            self._keep(one)
            return one

    def mine(self, blocks: int) -> int:
        """Empty ones, at once; the number of the newest."""
        if not 1 <= blocks <= MOST_BLOCKS:
            raise NotPossible(f"Between 1 and {MOST_BLOCKS:,} blocks can be mined at once.")
        with self.lock:
            head = self.head()
            stamp, fork = self._stamp(head), self._spans[-1].fork
            self._drop_spans(head + 1)
            self._add_span(head + 1, self._now, 0.0, stamp, fork)
            self._open_span(head + 1 + blocks, stamp, fork)
            return head + blocks

    def reorganise(self, depth: int, drop: list[str]) -> Reorganised:
        """Replace the newest `depth` blocks by as many others of the same stamps.

        What was in them is mined again a block higher where there is one, behind a stranger's transfer: it has another
        block hash and another log index. What is named in `drop` is gone. Nothing keeps this from going below the
        newest final block, which no real chain should do.
        """
        with self.lock:
            head = self.head()
            if not 1 <= depth <= min(DEEPEST_REORGANISATION, head):
                raise NotPossible(f"Between 1 and {DEEPEST_REORGANISATION:,} blocks can be reorganised.")
            first = head - depth + 1
            taken = [one for number in self._numbers if number >= first for one in self._blocks[number]]
            unknown = set(drop) - {one.hash for one in taken}
            if unknown:
                raise NotPossible(f"{min(unknown)} is in none of the newest {depth} blocks.")
            self._begin_fork(first)
            for one in taken:
                self._forget(one)
            moved = [
                self._mine_again(one, min(one.block + 1, head))
                for one in taken
                if one.hash not in drop and not one.stranger
            ]
            return Reorganised(first, [one.hash for one in taken if one.hash in drop], moved)

    def reset(self) -> None:
        """No transaction was ever made. The height stays: a watcher's cursor must not be ahead of the chain."""
        with self.lock:
            head = self.head()
            for one in list(self._by_hash.values()):
                self._forget(one)
            self._drop_spans(0)
            self._begin(head)

    # --- blocks ---

    def _block(self, number: int) -> Block:
        if number not in self._blocks:
            return self._make(number)
        if number not in self._made:
            self._made[number] = self._make(number)
        return self._made[number]

    def _make(self, number: int) -> Block:
        span, transactions = self._span_of(number), self._blocks.get(number, [])
        stamp = self._stamp(number)
        made_of = repr((self.network.name, number, stamp, span.fork, [one.hash for one in transactions]))
        return Block(number, self._hash(keccak(made_of.encode()), number), stamp, span.fork, list(transactions))

    def _hash(self, digest: bytes, number: int) -> str:
        """TRON's hashes begin with the block's number. The others hide it at the end, so that `block_by_hash` needs no
        list of all hashes: to everybody else it is noise."""
        if self.network.is_tron:
            return "0x" + (number.to_bytes(8) + digest[8:]).hex()
        return "0x" + (digest[:24] + (number ^ _mask(digest)).to_bytes(8)).hex()

    def _number_in(self, block_hash: bytes) -> int:
        if self.network.is_tron:
            return int.from_bytes(block_hash[:8])
        return int.from_bytes(block_hash[24:]) ^ _mask(block_hash)

    # --- time ---

    def _head(self) -> int:
        self._now = max(self._now, self._clock())
        last = self._spans[-1]
        if last.start is None or self._now < last.start:
            return last.first - 1
        return last.first + int((self._now - last.start) / last.step)

    def _stamp(self, number: int) -> int:
        span = self._span_of(number)
        moment = (span.start or 0.0) + (number - span.first) * span.step + span.shift
        return max(span.floor, int(moment))

    def _span_of(self, number: int) -> Span:
        return self._spans[bisect.bisect_right(self._spans, number, key=_first) - 1]

    def _follow_settings(self) -> None:
        """Another pace, or a moved clock, holds from the next block on."""
        last, step = self._spans[-1], self._step()
        if last.shift != self._store.offset or (last.start is None) != (step <= 0) or (step > 0 and last.step != step):
            head = self._head()
            stamp = self._stamp(head)
            self._drop_spans(head + 1)
            self._open_span(head + 1, stamp, last.fork)

    def _begin(self, height: int) -> None:
        """A chain with blocks from 0 to this height, one after the other until now."""
        self._now = max(self._now, self._clock())
        step = self._step() or self.network.block_s
        self._add_span(0, self._now - height * step, step, 0, 0)
        self._open_span(height + 1, 0, 0)

    def _begin_fork(self, first: int) -> None:
        fork, cut = self._spans[-1].fork + 1, self._span_of(first)
        later = [one for one in self._spans if one.first > first]
        start = None if cut.start is None else cut.start + (first - cut.first) * cut.step
        fresh = [replace(one, fork=fork) for one in (replace(cut, first=first, start=start), *later)]
        self._drop_spans(first)
        for one in fresh:
            self._keep_span(one)

    def _open_span(self, first: int, floor: int, fork: int) -> None:
        step = self._step()
        self._add_span(first, self._now + step if step > 0 else None, step, floor, fork)

    def _add_span(self, first: int, start: float | None, step: float, floor: int, fork: int) -> None:
        self._keep_span(Span(self.network.name, first, start, step, self._store.offset, floor, fork))

    def _keep_span(self, span: Span) -> None:
        self._spans.append(span)
        self._store.put("spans", f"{span.network}/{span.first}", span)

    def _drop_spans(self, first: int) -> None:
        """All that begin at this block or later."""
        while self._spans and self._spans[-1].first >= first:
            gone = self._spans.pop()
            self._store.put("spans", f"{gone.network}/{gone.first}", None)

    # --- transactions ---

    def _mine_again(self, one: Transaction, number: int) -> Transaction:
        if number not in self._blocks:
            self._keep(self._of_strangers(number))
        moved = replace(one, block=number, place=len(self._blocks[number]))
        self._keep(moved)
        return moved

    def _of_strangers(self, number: int) -> Transaction:
        network, fork = self.network, self._spans[-1].fork
        payer, payee = (network.wallet(f"stranger {who} of {fork} {number}") for who in ("one", "two"))
        record = Transfer(network.usdt.address, payer, payee, 10**network.usdt.decimals).as_record()
        name = keccak(repr((network.name, number, fork, record)).encode()).hex()
        return Transaction(
            network.name, f"0x{name}", number, 0, payer, network.usdt.address, fork, [record], stranger=True
        )

    def _keep(self, one: Transaction) -> None:
        self._place(one)
        self._store.put("transactions", one.hash, one)

    def _place(self, one: Transaction) -> None:
        if one.block not in self._blocks:
            self._blocks[one.block] = []
            bisect.insort(self._numbers, one.block)
        self._blocks[one.block].append(one)
        self._made.pop(one.block, None)
        self._by_hash[one.hash] = one
        self._balances = None

    def _forget(self, one: Transaction) -> None:
        left = self._blocks[one.block]
        left.remove(one)
        self._made.pop(one.block, None)
        if not left:
            del self._blocks[one.block]
            self._numbers.remove(one.block)
        del self._by_hash[one.hash]
        self._balances = None
        self._store.put("transactions", one.hash, None)

    def _count(self) -> dict[tuple[str, str], list[tuple[int, int]]]:
        """What each address got and gave of each token, block by block."""
        counted: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for number in self._numbers:
            for one in self._blocks[number]:
                for transfer in one.transfers:
                    token, units = transfer["token"], int(transfer["units"])
                    counted.setdefault((token, transfer["from"]), []).append((number, -units))
                    counted.setdefault((token, transfer["to"]), []).append((number, units))
        return counted


def _first(span: Span) -> int:
    return span.first


def _mask(digest: bytes) -> int:
    return int.from_bytes(keccak(digest[:24])[:8])
