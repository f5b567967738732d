"""What callers write: block numbers and tags, hashes, addresses. Each kind of node refuses in its own words."""

from __future__ import annotations

import re
from typing import Any

from .chain import Chain

INVALID_PARAMS = -32602
_HEXADECIMAL = re.compile("0x[0-9a-fA-F]*")


class Refused(Exception):
    """A JSON-RPC error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def is_bytes(value: object, count: int) -> bool:
    return isinstance(value, str) and len(value) == 2 + 2 * count and bool(_HEXADECIMAL.fullmatch(value))


def block_number(chain: Chain, head: int, value: Any) -> int:
    """A number, or what a tag stands for when the newest block is `head`. The number may be above it."""
    tron = chain.network.is_tron
    match value:
        case "latest":
            return head
        case "earliest":
            return 0
        case "finalized":
            return chain.final(head)
        case "safe" if chain.network.safe_depth is not None:
            return max(0, head - chain.network.safe_depth)
        case "pending" if not tron:
            return head
        case "safe" | "pending":
            raise Refused(INVALID_PARAMS, f"TAG {value} not supported")
    if isinstance(value, str) and re.fullmatch("0x(0|[1-9a-f][0-9a-f]{0,15})", value):
        return int(value, 16)
    if tron:
        raise Refused(INVALID_PARAMS, "invalid block number")
    leading = isinstance(value, str) and value.startswith("0x0")
    raise Refused(INVALID_PARAMS, f"invalid argument: hex {'number with leading zero digits' if leading else 'string'}")


def block_hash(value: Any) -> str:
    if not is_bytes(value, 32):
        raise Refused(INVALID_PARAMS, "invalid hash value")
    return str(value).lower()


def account(chain: Chain, value: Any) -> str:
    """An address for a call: 20 bytes; TRON also takes 41 before them."""
    if is_bytes(value, 20):
        return str(value).lower()
    if chain.network.is_tron and is_bytes(value, 21) and value.startswith("0x41"):
        return f"0x{value[4:].lower()}"
    raise Refused(INVALID_PARAMS, "invalid address")
