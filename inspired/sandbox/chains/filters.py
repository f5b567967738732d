"""eth_getLogs: what a filter asks for, what nodes refuse, and what matches.

Go-ethereum's refusals are those of its public tests (ethereum/execution-apis, tests/eth_getLogs), java-tron's those of
its sources (LogFilter and LogFilterWrapper). Limits of ranges and results are those of providers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import parameters
from .chain import Chain
from .contracts import Log, logs_of
from .parameters import INVALID_PARAMS, Refused

LIMIT_EXCEEDED = -32005
MOST_ALTERNATIVES = 1_000
MOST_TOPICS = 4


@dataclass(frozen=True)
class Limits:
    blocks: int
    """How far the last block of a range may be from its first; 0 for no limit."""
    results: int


TRON = Limits(blocks=5_000, results=10_000)


@dataclass(frozen=True)
class Filter:
    first: int
    last: int
    addresses: frozenset[str]
    """Empty for every contract."""
    topics: tuple[frozenset[str], ...]
    """One set a place, empty for anything."""

    def matches(self, log: Log) -> bool:
        if self.addresses and log.address not in self.addresses:
            return False
        if len(self.topics) > len(log.topics):
            return False
        return all(not wanted or topic in wanted for wanted, topic in zip(self.topics, log.topics, strict=False))


def found(chain: Chain, wanted: Filter, limits: Limits) -> list[Log]:
    blocks = chain.blocks_with_transactions(wanted.first, wanted.last)
    logs = [log for block in blocks for log in logs_of(block) if wanted.matches(log)]
    if len(logs) > limits.results:
        raise Refused(LIMIT_EXCEEDED, f"query returned more than {limits.results} results")
    return logs


def parse(chain: Chain, head: int, asked: Any, limits: Limits) -> Filter:
    if not isinstance(asked, dict):
        raise Refused(INVALID_PARAMS, "invalid argument 0: an object is needed")
    addresses, topics = _addresses(chain, asked.get("address")), _topics(chain, asked.get("topics"))
    if asked.get("blockHash") is not None:
        if asked.get("fromBlock") is not None or asked.get("toBlock") is not None:
            raise Refused(
                INVALID_PARAMS,
                "cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other",
            )
        first = last = _block_with(chain, head, parameters.block_hash(asked["blockHash"]))
    else:
        first, last = (_range_of_tron if chain.network.is_tron else _range)(chain, head, asked)
        if limits.blocks and min(last, head) - first > limits.blocks:
            raise _too_far(chain, limits.blocks)
    return Filter(first, last, addresses, topics)


def _range(chain: Chain, head: int, asked: dict[str, Any]) -> tuple[int, int]:
    first = parameters.block_number(chain, head, asked.get("fromBlock") or "latest")
    last = parameters.block_number(chain, head, asked.get("toBlock") or "latest")
    if first > last:
        raise Refused(INVALID_PARAMS, "invalid block range params")
    if last > head:
        raise Refused(INVALID_PARAMS, "block range extends beyond current head block")
    return first, last


def _range_of_tron(chain: Chain, head: int, asked: dict[str, Any]) -> tuple[int, int]:
    """Its `latest` at the end is open: blocks of the future are none yet, and no error."""
    start, end = asked.get("fromBlock"), asked.get("toBlock")
    last = 2**63 - 1 if end in (None, "", "latest") else parameters.block_number(chain, head, end)
    if not start:
        return min(last, head), last
    first = parameters.block_number(chain, head, start)
    if first > last:
        raise Refused(INVALID_PARAMS, "please verify: fromBlock <= toBlock")
    return first, last


def _too_far(chain: Chain, blocks: int) -> Refused:
    if chain.network.is_tron:
        return Refused(INVALID_PARAMS, f"exceed max block range: {blocks}")
    return Refused(LIMIT_EXCEEDED, f"block range exceeds limit of {blocks} blocks")


def _block_with(chain: Chain, head: int, block_hash: str) -> int:
    block = chain.block_by_hash(block_hash)
    if block and block.number <= head:
        return block.number
    raise Refused(INVALID_PARAMS, "invalid blockHash") if chain.network.is_tron else Refused(-32000, "unknown block")


def _addresses(chain: Chain, value: Any) -> frozenset[str]:
    listed = value if isinstance(value, list) else [] if value is None else [value]
    for one in listed:
        # TRON too: 20 bytes, never the 21 that begin with 41
        if not parameters.is_bytes(one, 20):
            raise Refused(INVALID_PARAMS, "invalid address" if chain.network.is_tron else "invalid argument 0: address")
    if len(listed) > MOST_ALTERNATIVES:
        raise Refused(INVALID_PARAMS, "exceed max addresses")
    return frozenset(one.lower() for one in listed)


def _topics(chain: Chain, value: Any) -> tuple[frozenset[str], ...]:
    tron = chain.network.is_tron
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MOST_TOPICS:
        raise Refused(INVALID_PARAMS, f"topics size should be <= {MOST_TOPICS}" if tron else "exceed max topics")
    return tuple(_alternatives(place, tron) for place in value)


def _alternatives(place: Any, tron: bool) -> frozenset[str]:
    listed = place if isinstance(place, list) else [] if place is None else [place]
    if None in listed:
        return frozenset()
    if len(listed) > MOST_ALTERNATIVES:
        raise Refused(INVALID_PARAMS, f"exceed max topics: {MOST_ALTERNATIVES}" if tron else "exceed max topics")
    if not all(parameters.is_bytes(one, 32) for one in listed):
        raise Refused(INVALID_PARAMS, "invalid topic(s)" if tron else "invalid argument 0: topic of another length")
    return frozenset(one.lower() for one in listed)
