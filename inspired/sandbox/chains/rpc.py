"""The JSON-RPC of one node over a chain: the calls a watcher needs, in the shapes Web3 clients read.

`{"jsonrpc": "2.0", "id", "method", "params"}` → `{"jsonrpc", "id", "result"}` or `{…, "error": {"code", "message"}}`,
or lists of them. Numbers are hexadecimal text (`0x4b`), hashes and addresses small digits. Errors come with HTTP 200.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..store import Transaction
from . import contracts, filters, parameters
from .addresses import keccak
from .chain import Block, Chain
from .contracts import Log
from .filters import Limits
from .networks import Token
from .parameters import INVALID_PARAMS, Refused

MOST_IN_A_BATCH = 1_000
_GAS, _GAS_PRICE = 65_000, 10**9
_NO_BLOOM = "0x" + 512 * "0"
_NOTHING = "0x" + 64 * "0"
_NO_UNCLES = "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"


@dataclass(frozen=True)
class Seen:
    """How a node sees its chain. One in order sees all of it; faults take something away, see `nodes`."""

    head: int
    oldest: int = 0
    """Blocks before this one are pruned."""
    logs: bool = True
    lies: bool = False


class Rpc:
    """The calls, for as long as one request takes."""

    def __init__(self, chain: Chain, limits: Limits, seen: Seen) -> None:
        self._chain, self._limits, self._seen = chain, limits, seen
        self._network = chain.network
        self._calls: dict[str, Callable[..., Any]] = {
            "web3_clientVersion": lambda: self._network.client,
            "net_version": self._net_version,
            "eth_chainId": lambda: hex(self._network.chain_id),
            "eth_syncing": lambda: False,
            "eth_gasPrice": lambda: hex(_GAS_PRICE),
            "eth_blockNumber": lambda: hex(seen.head),
            "eth_getBlockByNumber": self._block_by_number,
            "eth_getBlockByHash": self._block_by_hash,
            "eth_getLogs": self._get_logs,
            "eth_getTransactionByHash": self._transaction,
            "eth_getTransactionReceipt": self._receipt,
            "eth_call": self._call,
            "eth_getCode": self._code,
            "eth_getBalance": self._balance,
        }

    def answer(self, raw: bytes) -> bytes:
        """To the body of a request; empty when nothing in it wants an answer."""
        try:
            asked = json.loads(raw)
        except (ValueError, RecursionError):
            return _dumped(_error(None, -32700, "parse error"))
        if not isinstance(asked, list):
            answer = self._one(asked)
            return _dumped(answer) if answer else b""
        if not asked or len(asked) > MOST_IN_A_BATCH:
            return _dumped(_error(None, -32600, "batch too large" if asked else "empty batch"))
        answers = [answer for answer in map(self._one, asked) if answer]
        return _dumped(answers) if answers else b""

    @staticmethod
    def methods(raw: bytes) -> set[str]:
        """The names of what is called, as far as they can be read."""
        try:
            asked = json.loads(raw)
        except (ValueError, RecursionError):
            return set()
        listed = asked if isinstance(asked, list) else [asked]
        return {str(one.get("method")) for one in listed if isinstance(one, dict)}

    def _one(self, asked: Any) -> dict[str, Any] | None:
        if not isinstance(asked, dict) or not isinstance(asked.get("method"), str):
            return _error(None, -32600, "invalid request")
        name, given = asked["method"], asked.get("params") or []
        method = self._calls.get(name)
        try:
            if method is None:
                raise Refused(-32601, f"the method {name} does not exist/is not available")
            if not isinstance(given, list):
                raise Refused(INVALID_PARAMS, "non-array args")
            answer = {"jsonrpc": "2.0", "id": asked.get("id"), "result": _applied(method, given)}
        except Refused as refused:
            answer = _error(asked.get("id"), refused.code, refused.message)
        return answer if "id" in asked else None

    # --- blocks ---

    def _net_version(self) -> str:
        """java-tron says the same as for eth_chainId."""
        return hex(self._network.chain_id) if self._network.is_tron else str(self._network.chain_id)

    def _block_by_number(self, tag: Any, whole: Any = False) -> dict[str, Any] | None:
        number = parameters.block_number(self._chain, self._seen.head, tag)
        return self._shown_block(self._visible(self._chain.block(number)), whole)

    def _block_by_hash(self, block_hash: Any, whole: Any = False) -> dict[str, Any] | None:
        return self._shown_block(self._visible(self._chain.block_by_hash(parameters.block_hash(block_hash))), whole)

    def _visible(self, block: Block | None) -> Block | None:
        return block if block and self._seen.oldest <= block.number <= self._seen.head else None

    def _shown_block(self, block: Block | None, whole: Any) -> dict[str, Any] | None:
        if block is None:
            return None
        tron, transactions = self._network.is_tron, block.transactions
        parent = self._chain.block(block.number - 1)
        root = _root(block)
        return {
            "number": hex(block.number), "hash": block.hash, "parentHash": parent.hash if parent else _NOTHING,
            "nonce": "0x" + 16 * "0", "sha3Uncles": _NOTHING if tron else _NO_UNCLES,
            "logsBloom": _NO_BLOOM if tron else _bloom(contracts.logs_of(block)),
            "transactionsRoot": root, "stateRoot": "0x" if tron else root, "receiptsRoot": _NOTHING if tron else root,
            "miner": self._network.wallet("producer"), "difficulty": "0x0", "totalDifficulty": "0x0",
            "extraData": self._extra_data(block), "size": hex(600 + 200 * len(transactions)),
            "gasLimit": hex(len(transactions) * 10**8 if tron else 36_000_000),
            "gasUsed": hex(_GAS * len(transactions)),
            "timestamp": hex(block.stamp), "uncles": [], "baseFeePerGas": "0x0", "mixHash": _NOTHING,
            "transactions": [
                self._shown_transaction(block, one, index) if whole else one.hash
                for index, one in enumerate(transactions)
            ],
        }  # fmt: skip

    def _extra_data(self, block: Block) -> str:
        """BNB Smart Chain's has 32 bytes and a signature of 65, more than Web3 clients for Ethereum believe."""
        if self._network.is_tron:
            return "0x"
        fork = block.fork.to_bytes(32)
        return "0x" + (fork + 65 * b"\x01" if self._network.name == "BEP20" else fork).hex()

    # --- transactions and logs ---

    def _get_logs(self, asked: Any) -> list[dict[str, Any]]:
        wanted = filters.parse(self._chain, self._seen.head, asked, self._limits)
        if wanted.first < self._seen.oldest:
            if self._network.is_tron:
                # java-tron keeps logs only while its JSON-RPC is on: what it has not got is not there, without a word
                wanted = replace(wanted, first=self._seen.oldest)
            else:
                raise Refused(4444, "pruned history unavailable")
        if not self._seen.logs:
            return []
        logs = filters.found(self._chain, replace(wanted, last=min(wanted.last, self._seen.head)), self._limits)
        return [self._shown_log(log) for log in logs]

    def _transaction(self, transaction_hash: Any) -> dict[str, Any] | None:
        found = self._mined(transaction_hash)
        return self._shown_transaction(*found) if found else None

    def _receipt(self, transaction_hash: Any) -> dict[str, Any] | None:
        found = self._mined(transaction_hash)
        if not found or not self._seen.logs:
            return None
        block, one, index = found
        logs = [log for log in contracts.logs_of(block) if log.transaction.hash == one.hash]
        return {
            "transactionHash": one.hash, "transactionIndex": hex(index), "blockHash": block.hash,
            "blockNumber": hex(block.number), "from": one.sender, "to": one.target, "contractAddress": None,
            "gasUsed": hex(_GAS), "cumulativeGasUsed": hex(_GAS * (index + 1)), "effectiveGasPrice": hex(_GAS_PRICE),
            "status": "0x1", "type": self._type, "logs": [self._shown_log(log) for log in logs],
            "logsBloom": _NO_BLOOM if self._network.is_tron else _bloom(logs),
        }  # fmt: skip

    def _mined(self, transaction_hash: Any) -> tuple[Block, Transaction, int] | None:
        with self._chain.lock:
            one = self._chain.transaction(parameters.block_hash(transaction_hash))
            block = self._visible(self._chain.block(one.block)) if one else None
        if not block or not one:
            return None
        return block, one, [other.hash for other in block.transactions].index(one.hash)

    @property
    def _type(self) -> str:
        return "0x0" if self._network.is_tron else "0x2"

    def _shown_transaction(self, block: Block, one: Transaction, index: int) -> dict[str, Any]:
        return {
            "hash": one.hash, "blockHash": block.hash, "blockNumber": hex(block.number), "transactionIndex": hex(index),
            "from": one.sender, "to": one.target, "value": "0x0", "input": contracts.input_of(one),
            "nonce": "0x" + 16 * "0" if self._network.is_tron else hex(one.nonce), "gas": hex(_GAS),
            "gasPrice": hex(_GAS_PRICE), "type": self._type, "chainId": hex(self._network.chain_id),
            "v": "0x1", "r": one.hash, "s": one.hash,
        }  # fmt: skip

    def _shown_log(self, log: Log) -> dict[str, Any]:
        shown = {
            "address": log.address, "topics": list(log.topics), "blockNumber": hex(log.block.number),
            "data": contracts.word(2 * log.units) if self._seen.lies else log.data,
            "transactionHash": log.transaction.hash,
            "transactionIndex": hex([one.hash for one in log.block.transactions].index(log.transaction.hash)),
            "blockHash": log.block.hash, "logIndex": hex(log.index), "removed": False,
        }  # fmt: skip
        # go-ethereum has it since 1.16; not every node of TRON is new enough
        return shown if self._network.is_tron else shown | {"blockTimestamp": hex(log.block.stamp)}

    # --- state ---

    def _call(self, asked: Any, tag: Any = "latest", *_overrides: Any) -> str:
        if not isinstance(asked, dict):
            raise Refused(INVALID_PARAMS, "invalid argument 0: an object is needed")
        number, token = self._state(tag), self._network.token_at(parameters.account(self._chain, asked.get("to")))
        data = asked.get("input") or asked.get("data") or "0x"
        if token is None:
            return "0x"
        answer = contracts.call(self._chain, token, str(data).lower(), number)
        if answer is None:
            raise Refused(-32000, "REVERT opcode executed" if self._network.is_tron else "execution reverted")
        return contracts.word(2 * int(answer, 16)) if self._seen.lies and len(str(data)) == 74 else answer

    def _code(self, address: Any, tag: Any = "latest") -> str:
        self._state(tag)
        return contracts.CODE if self._token(address) else "0x"

    def _token(self, address: Any) -> Token | None:
        return self._network.token_at(parameters.account(self._chain, address))

    def _balance(self, address: Any, tag: Any = "latest") -> str:
        """Of the network's own coin, which nobody has here."""
        self._state(tag)
        parameters.account(self._chain, address)
        return "0x0"

    def _state(self, tag: Any) -> int:
        """The block after which something is asked. java-tron knows only the newest state."""
        if isinstance(tag, dict):  # EIP-1898
            tag = tag.get("blockNumber") or hex(self._numbered(tag.get("blockHash")))
        number = parameters.block_number(self._chain, self._seen.head, tag)
        if self._network.is_tron and tag != "latest":
            if tag in ("earliest", "finalized"):
                raise Refused(INVALID_PARAMS, "TAG [earliest | pending | finalized] not supported")
            raise Refused(INVALID_PARAMS, "QUANTITY not supported, just support TAG as latest")
        if number > self._seen.head:
            raise Refused(-32000, "header not found")
        return number

    def _numbered(self, block_hash: Any) -> int:
        block = self._visible(self._chain.block_by_hash(parameters.block_hash(block_hash)))
        if block is None:
            raise Refused(-32000, "header for hash not found")
        return block.number


def _applied(method: Callable[..., Any], given: list[Any]) -> Any:
    try:
        inspect.signature(method).bind(*given)
    except TypeError as wrong:
        raise Refused(INVALID_PARAMS, str(wrong)) from wrong
    return method(*given)


def _bloom(logs: list[Log]) -> str:
    """The yellow paper's filter of 2,048 bits: three for each address and topic."""
    bits = 0
    for log in logs:
        for value in (log.address, *log.topics):
            digest = keccak(bytes.fromhex(value[2:]))
            for pair in (0, 2, 4):
                bits |= 1 << (int.from_bytes(digest[pair : pair + 2]) & 2047)
    return f"0x{bits:0512x}"


def _root(block: Block) -> str:
    return "0x" + keccak("".join(one.hash for one in block.transactions).encode()).hex()


def _error(identity: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identity, "error": {"code": code, "message": message}}


def _dumped(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
