"""What the tests of the chains share: a network, seen by a plain JSON-RPC client and by one who pulls the strings."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from tests.sandbox.world import World, eventually

NETWORKS = ("TRC20", "BEP20", "ERC20")
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
USDT = {
    "TRC20": "0xa614f803b6fd780986a42c78ec9c7f77e6ded13c",
    "BEP20": "0x55d398326f99059ff775485246999027b3197955",
    "ERC20": "0xdac17f958d2ee523a2206206994597c13d831ec7",
}
DECIMALS = {"TRC20": 6, "BEP20": 18, "ERC20": 6}
DEPTH = {"TRC20": 18, "BEP20": 2, "ERC20": 64}
# Addresses 0 to 2 of the well-known test mnemonic, as each network writes them and as its nodes do.
ADA, BOB, EVE = (
    "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
    "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
)
ADA_ON_TRON, ADA_ON_TRON_HEX = "TWer2Ygk5TEheHp3TPuYeqxmB6SsGZmaL6", "0xe2e1a54926527fbb4e4420de4c6bab82beaee24d"
_ids = itertools.count(1)


def topic(address: str) -> str:
    return "0x" + 24 * "0" + address[2:].lower()


@dataclass
class Net:
    """One network of a running sandbox."""

    world: World
    name: str
    node: int = 1
    usdt: str = field(init=False)

    def __post_init__(self) -> None:
        self.usdt = USDT[self.name]

    @property
    def url(self) -> str:
        base = f"{self.world.url}/chains/{self.name}"
        return f"{base}/jsonrpc" if self.node == 1 else f"{base}/nodes/{self.node}/jsonrpc"

    def ask(self, method: str, *params: object) -> dict[str, Any]:
        """The whole answer, an error too."""
        asked = {"jsonrpc": "2.0", "id": next(_ids), "method": method, "params": list(params)}
        answer = self.world.session.post(self.url, json=asked, timeout=20)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        assert (found["jsonrpc"], found["id"]) == ("2.0", asked["id"])
        return found

    def get(self, method: str, *params: object) -> Any:
        answer = self.ask(method, *params)
        assert "result" in answer, answer
        return answer["result"]

    def refused(self, method: str, *params: object) -> tuple[int, str]:
        error = self.ask(method, *params)["error"]
        return error["code"], error["message"]

    def head(self) -> int:
        return int(self.get("eth_blockNumber"), 16)

    def final(self) -> int:
        return int(self.get("eth_getBlockByNumber", "finalized", False)["number"], 16)

    def logs(self, first: int | str, last: int | str = "latest", *to: str, **more: Any) -> list[dict[str, Any]]:
        topics = [TRANSFER, None, [topic(one) for one in to]] if to else [TRANSFER]
        span = {"fromBlock": _tag(first), "toBlock": _tag(last)}
        found: list[dict[str, Any]] = self.get("eth_getLogs", span | {"address": self.usdt, "topics": topics} | more)
        return found

    def control(self, what: str, body: object = None, method: str = "POST") -> Any:
        return self.world.control(f"chains/{self.name}/{what}", body, method)

    def send(self, to: str, amount: str, **more: object) -> dict[str, Any]:
        sent: dict[str, Any] = self.control("send", {"to": to, "amount": amount, **more})
        return sent

    def stop(self) -> None:
        """From now on blocks come only when they are mined."""
        self.world.control("settings", {f"{self.name.lower()}_speed_up": 0})

    def comes_to(self, block: int, within: float = 20.0) -> None:
        eventually(lambda: self.head() >= block, within)


def _tag(block: int | str) -> str:
    return block if isinstance(block, str) else hex(block)
