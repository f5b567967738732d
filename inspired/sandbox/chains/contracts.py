"""The two token contracts of a network: the logs of their transfers, and what their functions answer."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from ..store import Transaction
from .addresses import keccak
from .chain import Block, Chain
from .networks import Token

TRANSFER = "0x" + keccak(b"Transfer(address,address,uint256)").hex()
CODE = "0x" + keccak(b"the code of a token of the sandbox").hex()


def _selector(signature: str) -> str:
    return "0x" + keccak(signature.encode())[:4].hex()


_BALANCE_OF, _DECIMALS, _SYMBOL = (_selector(one) for one in ("balanceOf(address)", "decimals()", "symbol()"))
_TRANSFER, _TRANSFER_FROM = (
    _selector(one) for one in ("transfer(address,uint256)", "transferFrom(address,address,uint256)")
)


@dataclass(frozen=True)
class Log:
    address: str
    topics: tuple[str, ...]
    data: str
    block: Block
    transaction: Transaction
    index: int
    """Among all logs of the block."""

    @property
    def units(self) -> int:
        return int(self.data, 16)


@functools.lru_cache(maxsize=20_000)
def logs_of(block: Block) -> list[Log]:
    """Of all transactions of a block, in their order. Remembered: a query looks at the same ones as the last."""
    moves = [(one, transfer) for one in block.transactions for transfer in one.transfers]
    return [
        Log(
            transfer["token"],
            (TRANSFER, word(transfer["from"]), word(transfer["to"])),
            word(int(transfer["units"])),
            block,
            one,
            index,
        )
        for index, (one, transfer) in enumerate(moves)
    ]


def call(chain: Chain, token: Token, data: str, block: int) -> str | None:
    """What the contract answers to this input after this block; None when it reverts."""
    if data == _DECIMALS:
        return word(token.decimals)
    if data == _SYMBOL:
        text = token.symbol.encode()
        return word(32) + word(len(text))[2:] + text.hex().ljust(64, "0")
    if data.startswith(_BALANCE_OF + 24 * "0") and len(data) == 74:
        return word(chain.balance(token.address, f"0x{data[-40:]}", block))
    return None


def input_of(one: Transaction) -> str:
    """What the contract was called with; nothing we know for one that makes several transfers."""
    if len(one.transfers) > 1:
        return "0x"
    (transfer,) = one.transfers
    words = word(transfer["to"])[2:] + word(int(transfer["units"]))[2:]
    if transfer["from"] == one.sender:
        return _TRANSFER + words
    return _TRANSFER_FROM + word(transfer["from"])[2:] + words


def word(value: int | str) -> str:
    """32 bytes, a number or an address."""
    return f"0x{value:064x}" if isinstance(value, int) else f"0x{value[2:]:>064}"
