"""The nodes of each network, and what goes wrong with them.

A network has two nodes over the same chain, so that one can be caught by the other. The first is at
`/chains/<network>/jsonrpc`, the second at `/chains/<network>/nodes/2/jsonrpc`. Each has faults of its own:

refuse      the connection is reset
timeout     hangs, then drops the connection
throttle    HTTP 429 with `Retry-After: 1`
lag         stands still, two blocks behind what was the newest final one when the fault was armed
lie         says of each transfer and balance twice as much
empty       has no logs: `[]`, and no receipts
prune       has nothing older than its newest final block: an error, but on TRON `[]` without a word

The first three end a number of requests, whatever is in them. The others are used up only by requests whose answers
they can change.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..config import Settings
from ..store import Store
from .chain import Chain, NotPossible
from .filters import TRON, Limits
from .networks import NETWORKS
from .rpc import Rpc, Seen

NODES = (1, 2)
MOST_TIMES = 1_000_000
LAG = 2
_BLOCKS = {"eth_getBlockByNumber", "eth_getBlockByHash"}
_LOGS = {"eth_getLogs", "eth_getTransactionReceipt"}
BROKEN = ("refuse", "timeout", "throttle")
CHANGED = {
    "lag": {*_BLOCKS, *_LOGS, "eth_blockNumber", "eth_getTransactionByHash", "eth_call", "eth_getBalance"},
    "lie": {*_LOGS, "eth_call"},
    "empty": _LOGS,
    "prune": {*_BLOCKS, "eth_getLogs"},
}
FAULTS = (*BROKEN, *CHANGED)


@dataclass
class Fault:
    fault: str
    times: int
    height: int
    """The newest final block when it was armed."""


class Node:
    """One node of a chain."""

    def __init__(self, chain: Chain, limits: Callable[[], Limits]) -> None:
        self.chain = chain
        self.calls: deque[dict[str, Any]] = deque(maxlen=500)
        """The last requests, oldest first."""
        self._limits = limits
        self._lock = threading.Lock()
        self._armed: list[Fault] = []

    def arm(self, fault: object, times: int) -> None:
        """NotPossible says what is wrong."""
        if not isinstance(fault, str) or fault not in FAULTS:
            raise NotPossible(f"fault must be one of {', '.join(FAULTS)}.")
        if not 1 <= times <= MOST_TIMES:
            raise NotPossible(f"times must be from 1 to {MOST_TIMES:,}.")
        height = self.chain.final(self.chain.head())
        with self._lock:
            self._armed.append(Fault(fault, times, height))

    def clear(self) -> None:
        with self._lock:
            self._armed.clear()

    def armed(self) -> list[dict[str, Any]]:
        with self._lock:
            return [{"fault": one.fault, "times": one.times} for one in self._armed]

    def take(self, methods: set[str]) -> Fault | None:
        """The first fault that fits a request with these methods, used up by one."""
        with self._lock:
            for one in self._armed:
                if one.fault in BROKEN or CHANGED[one.fault] & methods:
                    one.times -= 1
                    if one.times <= 0:
                        self._armed.remove(one)
                    return one
        return None

    def answer(self, raw: bytes, fault: Fault | None) -> bytes:
        return Rpc(self.chain, self._limits(), self._seen(fault)).answer(raw)

    def _seen(self, fault: Fault | None) -> Seen:
        head = self.chain.head()
        if fault is None:
            return Seen(head)
        match fault.fault:
            case "lag":
                return Seen(max(0, fault.height - LAG))
            case "prune":
                return Seen(head, oldest=self.chain.final(head))
            case "empty":
                return Seen(head, logs=False)
            case "lie":
                return Seen(head, lies=True)
        return Seen(head)


class Chains:
    """All chains of a sandbox, with their nodes."""

    def __init__(self, store: Store, settings: Callable[[], Settings], clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self.chains = {
            name: Chain(network, store, self._step_of(name, network.block_s), clock)
            for name, network in NETWORKS.items()
        }
        self.nodes = {
            (name, number): Node(chain, self._limits_of(name))
            for name, chain in self.chains.items()
            for number in NODES
        }

    def reset(self) -> None:
        for chain in self.chains.values():
            chain.reset()
        for node in self.nodes.values():
            node.clear()
            node.calls.clear()

    def _step_of(self, name: str, block_s: float) -> Callable[[], float]:
        def step() -> float:
            speed_up = self._settings().speed_up(name)
            return block_s / speed_up if speed_up else 0.0

        return step

    def _limits_of(self, name: str) -> Callable[[], Limits]:
        def limits() -> Limits:
            settings = self._settings()
            return TRON if name == "TRC20" else Limits(settings.chain_log_range, settings.chain_log_results)

        return limits
