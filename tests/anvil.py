"""A real EVM node for tests: anvil, one chain for each network, with USDT's real addresses on it.

Its npm package holds one binary. npm is needed to get it, Node not to run it. https://getfoundry.sh/anvil
"""

import base64
import contextlib
import hashlib
import json
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from inspired.domain.shared.networks import Network
from tests.adapters.listeners import answer, listening
from tests.harness import ROOT, free_port, running, wait_until

VERSION = "1.7.1"
CACHE = ROOT / ".cache" / f"anvil-{VERSION}"
# As npm publishes them, for each package's archive.
INTEGRITY = {
    "linux-amd64": "+XmShybEaxfCrr0OUUZwYEy2OnYZt5pHH9TzBtLv3+VrK0O/ANuNSVEahqNhKHlgX7GRJ59383ofNhxkRWIYTg==",
    "linux-arm64": "ykHJmFOGdBR8+9smOKBm9ZZDCCCkLQctiHOAddLvmYx9mPeBDMfq6jP51hKYsO5MG8ClPLSlWe+JpiXPjoXgBQ==",
    "darwin-arm64": "JNeu3+A3f/npXLn8SR8EahVcqE7BpO9VQZMcPvSIy27/RNc1GsoEBvSLR99aSvt8sGKWAgNg/EzrtjAPq6mxcA==",
    "darwin-amd64": "OgwzwY+FsGrsPyDv4mmbhOwARO8s37YHrm2qaNzgSH4VlKnXgJCrnoT7bpgOhLyBPtxXjBT8L2E3b79deesXRg==",
}
MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
# anvil calls a block final that lies two epochs back: 64 blocks, 2 and 18.
EPOCHS = {Network.ERC20: 32, Network.BEP20: 1, Network.TRC20: 9}

TRANSFER = "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
# Code that takes three words and says Transfer: from, to, value. The second says it as an NFT does, with four topics.
ANY_TRANSFER = f"0x6040356000526020356000357f{TRANSFER}60206000a300"
ANY_NFT_TRANSFER = f"0x6040356020356000357f{TRANSFER}60006000a400"
# Code that takes items of four words, a contract and the three words it is called with, and calls one after the other.
CALLS_MANY = "0x5f5b368110156022576060816020015f375f5f60605f5f85355af1506080016001565b00"
# Code that answers balanceOf from the storage at that address.
KNOWS_BALANCES = "0x6004355460005260206000f3"

SENDER = "0xa0ee7a142d267c1f36714e4a8f75612f20a79720"  # the last of ten accounts that anvil signs for
MANY = "0x" + "ca" * 20


def binary() -> Path:
    """The program, got and checked at first use. Skips the test, with the reason, where it cannot be had."""
    name = f"{sys.platform}-{MACHINES.get(platform.machine().lower(), '?')}"
    if name not in INTEGRITY:
        pytest.skip(f"there is no anvil for {name}")
    program = CACHE / "anvil"
    if not program.exists():
        if not shutil.which("npm"):
            pytest.skip("npm is needed to get anvil, a real EVM node")
        _get(name)
    return program


def _get(name: str) -> None:
    """Into a folder of its own first: several processes may be getting it at once."""
    CACHE.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE.parent) as folder:
        package = f"@foundry-rs/anvil-{name}@{VERSION}"
        command = ["npm", "pack", package, "--ignore-scripts", "--pack-destination", folder]
        try:
            got = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip(f"npm did not get {package} within two minutes")
        if got.returncode:
            pytest.skip(f"npm did not get {package}: {got.stderr.strip()[-300:]}")
        [archive] = Path(folder).glob("*.tgz")
        found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        assert found == INTEGRITY[name], f"{package} is not the one that was published"
        with tarfile.open(archive) as packed:
            content = packed.extractfile("package/bin/anvil")
            assert content is not None
            program = Path(folder) / "anvil"
            program.write_bytes(content.read())
        program.chmod(0o755)
        CACHE.mkdir(exist_ok=True)
        program.rename(CACHE / "anvil")  # whole at once, and the same again where another process was first


def words(*values: str | int) -> str:
    """Addresses and numbers as words of 32 bytes, in hex."""
    return "".join(f"{int(one, 16) if isinstance(one, str) else one:064x}" for one in values)


class Anvil:
    """One chain. `url` is its JSON-RPC."""

    def __init__(self, url: str, network: Network) -> None:
        self.url = url
        self.network = network
        self.usdt = network.facts.usdt

    def call(self, method: str, *params: Any) -> Any:
        answered = requests.post(
            self.url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, timeout=30
        ).json()
        assert "error" not in answered, f"{method}: {answered['error']}"
        return answered["result"]

    def set_up(self) -> None:
        """USDT at its address."""
        self.put_code(self.usdt, ANY_TRANSFER)
        self.put_code(MANY, CALLS_MANY)

    def put_code(self, address: str, code: str) -> None:
        self.call("anvil_setCode", address, code)

    def say(self, *, to: str, units: int, sender: str = SENDER, token: str = "") -> Any:
        """A Transfer by USDT (or another contract), mined at once. The receipt."""
        return self._send(token or self.usdt, words(sender, to, units))

    def say_many(self, *said: tuple[str, int]) -> Any:
        """Transfers by USDT to these recipients, of so many units, in one transaction. The receipt."""
        return self._send(MANY, "".join(words(self.usdt, SENDER, to, units) for to, units in said))

    def say_in_another_block(self, *receipts: Any) -> None:
        """A reorganisation: the blocks from the first of these transactions on are replaced, and the transactions are
        in the second of the new ones. All others that were in those blocks are gone."""
        depth = self.number() - min(int(one["blockNumber"], 16) for one in receipts) + 1
        again = [self.call("eth_getRawTransactionByHash", one["transactionHash"]) for one in receipts]
        self.call("anvil_reorg", depth, [[raw, 1] for raw in again])

    def _send(self, contract: str, data: str) -> Any:
        """Answered once it is mined; eth_sendTransaction answers before."""
        transaction = {"from": SENDER, "to": contract, "data": "0x" + data, "gas": hex(2_000_000)}
        receipt = self.call("eth_sendTransactionSync", transaction)
        assert receipt["status"] == "0x1", receipt
        return receipt

    def mine(self, count: int = 1) -> int:
        """The number of the newest block then."""
        self.call("anvil_mine", hex(count))
        return self.number()

    def number(self) -> int:
        return int(self.call("eth_blockNumber"), 16)

    @contextlib.contextmanager
    def undone(self) -> Iterator[None]:
        """Everything that happens inside is taken back."""
        snapshot = self.call("evm_snapshot")
        try:
            yield
        finally:
            assert self.call("evm_revert", snapshot)


@contextlib.contextmanager
def chain(network: Network, *, chain_id: int = 0, options: tuple[str, ...] = ()) -> Iterator[Anvil]:
    """A node with a home of its own: anvil leaves old states there. Older ones than 64 blocks are dropped."""
    program, port = binary(), free_port()
    with tempfile.TemporaryDirectory() as home:
        command = [
            str(program),
            *("--host", "127.0.0.1", "--port", str(port), "--silent", "--prune-history", "64"),
            *("--chain-id", str(chain_id or network.facts.chain_id)),
            *("--slots-in-an-epoch", str(EPOCHS[network])),
            *options,
        ]
        with running(command, {"HOME": home}):
            node = Anvil(f"http://127.0.0.1:{port}", network)
            wait_until(lambda: node.call("eth_chainId"), what="a real EVM node")
            node.set_up()
            yield node


# --- nodes with limits ----------------------------------------------------------------------------------------------

JSON = {"content-type": "application/json"}
Refuse = Callable[[dict[str, Any]], dict[str, Any] | bytes | None]


@dataclass
class Front:
    """`asked`: every call that came, the refused ones too."""

    url: str
    asked: list[dict[str, Any]]

    def ranges(self) -> list[int]:
        """How many blocks each query for logs was for."""
        return [blocks_of(one) for one in self.asked if one["method"] == "eth_getLogs"]


@contextlib.contextmanager
def front(node: Anvil, refuse: Refuse) -> Iterator[Front]:
    """Hands calls on to a node, but for those that `refuse` has an error for: JSON-RPC's, or a whole HTTP answer."""
    asked: list[dict[str, Any]] = []

    def behave(connection: Any, request: bytes) -> None:
        body = request.partition(b"\r\n\r\n")[2]
        call = json.loads(body)
        asked.append(call)
        refused = refuse(call)
        if isinstance(refused, bytes):
            connection.sendall(refused)
        elif refused is not None:
            connection.sendall(answer(json.dumps({"jsonrpc": "2.0", "id": call["id"], "error": refused}).encode()))
        else:
            connection.sendall(answer(requests.post(node.url, data=body, headers=JSON, timeout=30).content))

    with listening(behave) as listener:
        yield Front(listener.address, asked)


def blocks_of(call: dict[str, Any]) -> int:
    [wanted] = call["params"]
    return int(wanted["toBlock"], 16) - int(wanted["fromBlock"], 16) + 1


def as_tron(call: dict[str, Any]) -> dict[str, Any] | None:
    """What TRON's nodes refuse and anvil takes: wide ranges, many alternatives, older states, other forms."""
    if "safe" in json.dumps(call["params"]):
        return {"code": -32602, "message": "TAG safe not supported"}
    if call["method"] == "eth_call" and call["params"][1] != "latest":
        return {"code": -32602, "message": "QUANTITY not supported, just support TAG as latest"}
    if call["method"] == "eth_getLogs":
        [wanted] = call["params"]
        alternatives = [one for one in wanted["topics"] if isinstance(one, list)]
        if blocks_of(call) > 5000:
            return {"code": -32602, "message": "exceed max block range: 5000"}
        if len(wanted["topics"]) > 4 or any(len(one) > 1000 for one in alternatives):
            return {"code": -32602, "message": "exceed max topics"}
        if len(wanted["address"]) != 42:
            return {"code": -32602, "message": "invalid address"}
        if any(len(topic) != 66 for one in alternatives for topic in one):
            return {"code": -32602, "message": "invalid topic"}
    return None
