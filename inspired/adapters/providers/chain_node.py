"""A network's node, asked by JSON-RPC: its newest block, USDT that moved, balances.

The three networks answer the same methods; TRON's differences are kept to below. Nothing a node says is taken for
granted: it must be of the right chain and up to date, and every log is checked again here. A log that cannot be read
raises, since leaving it out could hide money.

https://ethereum.github.io/execution-apis/ · TRON: https://developers.tron.network/reference/json-rpc-api-overview
"""

import json
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from inspired.adapters.providers.http import Answer, Http, TooLarge
from inspired.domain.shared.batches import batches
from inspired.domain.shared.errors import UpstreamError
from inspired.domain.shared.networks import Block, Head, Kind, Network, Transfer

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"  # Transfer(address,address,uint256)
BALANCE_OF = "0x70a08231"  # balanceOf(address)
SENDER, RECIPIENT = 0, 1  # their places in a transfer's log
PADDING = "0" * 24  # an address has 20 bytes, a topic or argument 32
OLDEST_HEAD = timedelta(minutes=3)
ADDRESSES_AT_ONCE = 500  # TRON's nodes take 1,000 in one query
WIDEST = 5000  # blocks in one query, by TRON's nodes; other providers take more, or as few as 5
LARGEST_ANSWER = 16 * 1024 * 1024  # 10,000 logs, where TRON's nodes stop, are about 7 MB
LIMIT_CODES = ("-32005", "-32000", "HTTP 413", TooLarge.__name__)
INVALID_PARAMS = "-32602"
ABOUT_LIMITS = re.compile(r"range|limit", re.IGNORECASE)
ASK_TO_WAIT = (403, 429, 503)
HIDDEN_FROM = 8  # characters: shorter parts of a URL are words, longer ones may be keys


class AskedToWait(UpstreamError):
    """The node refuses calls for now: too many, blocked or overloaded. `wait` is in seconds, 0 if it did not say."""

    def __init__(self, service: str, status: int, wait: int) -> None:
        code = f"HTTP {status}"
        super().__init__(service, f"{code}, it wants fewer calls", maybe_applied=False, code=code)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class NodeCall:
    """One call, for the evidence: neither URL nor parameters. `outcome`: "ok", the node's code, or the failure."""

    at: datetime
    network: Network
    method: str
    outcome: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction in a block, and all USDT it moved, whoever received it. A failed one has moved none."""

    tx_hash: str
    block_number: int
    block_hash: str
    transfers: tuple[Transfer, ...]


class ChainNode:
    """One node of one network. Each method raises UpstreamError if there is no answer to be trusted, within `seconds`
    in total. Addresses are 20 bytes as lower-case hex with 0x, on TRON too: its nodes refuse T… and a leading 41."""

    def __init__(
        self,
        http: Http,
        *,
        network: Network,
        url: str,
        headers: Mapping[str, str],
        now: Callable[[], datetime],
        on_call: Callable[[NodeCall], None] | None = None,
    ) -> None:
        """`headers` go with every call, such as a provider's key. `now` is our clock, to tell a head that is old."""
        self._http = http
        self._network = network
        self._url = url
        self._headers = {"content-type": "application/json", **headers}
        self._now = now
        self._on_call = on_call
        self._service = f"{network} node"
        self._secrets = _secrets(url, headers)
        self._is_right_chain = False
        self._width = WIDEST  # as many blocks as this node last took in one query

    def head(self, seconds: float = 5.0) -> Head:
        """The newest block and the number of the final one. Raises UpstreamError if the newest is over 3 minutes
        old."""
        end = self._begin(seconds)
        # The final one first: asked second it could be above a newest block that is already some seconds old.
        finalized = self._block("finalized", end)
        latest = self._block("latest", end)
        if finalized.number > latest.number:
            raise self._failure(f"its final block {finalized.number} is above its newest, {latest.number}")
        age = self._now() - latest.time
        if age > OLDEST_HEAD:
            raise self._failure(
                f"its newest block is {age // timedelta(seconds=1)} s old: it is behind, or the network stands still"
            )
        return Head(latest.number, latest.hash, latest.time, finalized.number)

    def block(self, number: int, *, seconds: float = 5.0) -> Block:
        """The block of this number, as the chain is now. Raises UpstreamError if the node has none."""
        found = self._block(hex(number), self._begin(seconds))
        if found.number != number:
            raise self._failure(f"asked for block {number}, it told of block {found.number}")
        return found

    def transfers(self, addresses: Collection[str], first: int, last: int, *, seconds: float = 10.0) -> list[Transfer]:
        """USDT that reached these addresses in the blocks from `first` to `last`, in the chain's order.

        Asks nothing without addresses: to nodes an empty list means everybody. Raises UpstreamError if the node has not
        yet reached `last`, for it would answer that nothing is there; AskedToWait if it wants fewer calls.
        """
        wanted = sorted({_checked_address(one) for one in addresses})
        if not wanted or first > last:
            return []
        return self._moved(wanted, RECIPIENT, first, last, seconds)

    def departures(self, addresses: Collection[str], first: int, last: int, *, seconds: float = 10.0) -> list[Transfer]:
        """USDT that left these addresses; otherwise like `transfers`."""
        wanted = sorted({_checked_address(one) for one in addresses})
        if not wanted or first > last:
            return []
        return self._moved(wanted, SENDER, first, last, seconds)

    def transaction(self, tx_hash: str, *, seconds: float = 5.0) -> Mined | None:
        """The transaction of this hash (32 bytes as hex with 0x, else ValueError); None if it is in no block."""
        asked = tx_hash.lower()
        if not re.fullmatch(r"0x[0-9a-f]{64}", asked):
            raise ValueError("a transaction's hash is 32 bytes as hex with 0x")
        receipt = self._ask("eth_getTransactionReceipt", [asked], self._begin(seconds))
        if receipt is None or self._object(receipt).get("blockHash") is None:
            return None
        if self._hex(receipt.get("transactionHash"), 32) != asked:
            raise self._failure("asked for one transaction, it told of another")
        number, block_hash = self._number(receipt.get("blockNumber")), self._hex(receipt.get("blockHash"), 32)
        found = {one for log in self._list(receipt.get("logs")) if (one := self._transfer(log, None, number, number))}
        if any((one.tx_hash, one.block_hash) != (asked, block_hash) for one in found):
            raise self._failure("a log in a receipt is of another transaction or block")
        return Mined(asked, number, block_hash, tuple(self._in_order(found)))

    def balance(self, address: str, *, at: int | None, seconds: float = 5.0) -> int:
        """Raw units of USDT at this address after block `at`, or after the newest if None. TRON's nodes know the newest
        only, so a number is a ValueError there. Other nodes may have forgotten older blocks: UpstreamError."""
        if at is not None and self._network.facts.kind is Kind.TRON:
            raise ValueError("TRON's nodes tell a balance after the newest block only")
        call = {"to": self._network.facts.usdt, "data": BALANCE_OF + PADDING + _checked_address(address)[2:]}
        answer = self._ask("eth_call", [call, "latest" if at is None else hex(at)], self._begin(seconds))
        return int(self._hex(answer, 32), 16)

    def newest(self, *, seconds: float = 5.0) -> int:
        """The number of its newest block, however old that is."""
        return self._number(self._ask("eth_blockNumber", [], self._begin(seconds)))

    def has_code(self, address: str, *, seconds: float = 5.0) -> bool:
        """True if a contract lives at this address now: it need not belong to whoever names it."""
        code = self._ask("eth_getCode", [_checked_address(address), "latest"], self._begin(seconds))
        if not isinstance(code, str) or not re.fullmatch(r"0x([0-9a-fA-F]{2})*", code):
            raise self._failure("the code of an address cannot be read")
        return code != "0x"

    # --- logs -------------------------------------------------------------------------------------------------------

    def _moved(self, wanted: Sequence[str], party: int, first: int, last: int, seconds: float) -> list[Transfer]:
        end = self._begin(seconds)
        newest = self._number(self._ask("eth_blockNumber", [], end))
        if newest < last:
            raise self._failure(f"it is at block {newest} and has not reached block {last}")
        found = {
            transfer
            for batch in batches(wanted, ADDRESSES_AT_ONCE)
            for transfer in self._read(batch, party, first, last, end)
        }
        return self._in_order(found)

    def _read(self, batch: Collection[str], party: int, first: int, last: int, end: float) -> list[Transfer]:
        """As many blocks in each query as the node takes: half as many after each refusal for a limit. What it took is
        kept for the next time, and doubled once it was enough."""
        found: list[Transfer] = []
        width, was_refused = self._width, False
        while first <= last:
            until = min(last, first + width - 1)
            those = ["0x" + PADDING + one[2:] for one in batch]
            wanted = {
                "address": self._network.facts.usdt,
                "topics": [TRANSFER, those] if party == SENDER else [TRANSFER, None, those],
                "fromBlock": hex(first),
                "toBlock": hex(until),
            }
            try:
                logs = self._list(self._ask("eth_getLogs", [wanted], end))
            except UpstreamError as error:
                if until == first or not _is_limit(error):
                    raise
                width, was_refused = (until - first + 1) // 2, True
                continue
            found += [one for log in logs if (one := self._transfer(log, batch, first, until, party))]
            first = until + 1
        self._width = width if was_refused else min(WIDEST, width * 2)
        return found

    def _transfer(
        self, log: Any, of: Collection[str] | None, first: int, last: int, party: int = RECIPIENT
    ) -> Transfer | None:
        """The transfer in a log, whatever the filter was; None if it is none of USDT, not to (or from) one `of` these
        (anybody will do for None), of nothing, or taken back. Raises UpstreamError if that cannot be told."""
        entry = self._object(log)
        if self._hex(entry.get("address"), 20) != self._network.facts.usdt:
            return None  # anybody can write such a log with a contract of their own
        topics = [self._hex(one, 32) for one in self._list(entry.get("topics"))]
        if len(topics) == 4 or (topics and topics[0] != TRANSFER):
            return None  # with four topics it is the Transfer of an NFT
        if len(topics) != 3:
            raise self._unreadable("topics")
        sender, recipient = parties = tuple(self._unpadded(one) for one in topics[1:])
        if of is not None and parties[party] not in of:
            return None
        removed = entry.get("removed")
        if removed not in (None, True, False):
            raise self._unreadable("removed")
        units = int(self._hex(entry.get("data"), 32), 16)
        if removed or not units:
            return None  # a transfer of nothing can be made in anybody's name, to anybody
        number = self._number(entry.get("blockNumber"))
        if not first <= number <= last:
            raise self._failure(f"asked for blocks {first} to {last}, it told of block {number}")
        return Transfer(
            network=self._network,
            block_number=number,
            block_hash=self._hex(entry.get("blockHash"), 32),
            block_time=_moment(entry.get("blockTimestamp")),
            tx_hash=self._hex(entry.get("transactionHash"), 32),
            log_index=self._number(entry.get("logIndex")),
            sender=sender,
            recipient=recipient,
            units=units,
        )

    def _in_order(self, found: Iterable[Transfer]) -> list[Transfer]:
        """By block and place in it. Raises UpstreamError if two exclude each other."""
        ordered = sorted(found, key=lambda one: (one.block_number, one.log_index))
        if len({(one.block_number, one.log_index) for one in ordered}) != len(ordered):
            raise self._failure("it told of two transfers in the same place")
        if len({one.block_number for one in ordered}) != len({one.block_hash for one in ordered}):
            raise self._failure("the chain changed while it was read")
        return ordered

    # --- the protocol -----------------------------------------------------------------------------------------------

    def _begin(self, seconds: float) -> float:
        """When the time is over, by the monotonic clock. The first time the node has to be of the right chain."""
        end = time.monotonic() + seconds
        if not self._is_right_chain:
            wanted, found = self._network.facts.chain_id, self._number(self._ask("eth_chainId", [], end))
            if found != wanted:
                raise self._failure(f"it belongs to chain {found}, not to {wanted}", retryable=False)
            self._is_right_chain = True
        return end

    def _block(self, which: str, end: float) -> Block:
        """`which`: a number as hex, "latest" or "finalized". TRON's nodes do not know "safe"."""
        answer = self._ask("eth_getBlockByNumber", [which, False], end)
        if answer is None:
            raise self._failure(f"it has no {which} block" if which.isalpha() else f"it has no block {int(which, 16)}")
        block = self._object(answer)
        stamped = _moment(block.get("timestamp"))
        if stamped is None:
            raise self._failure("the time of a block cannot be read")
        return Block(self._number(block.get("number")), self._hex(block.get("hash"), 32), stamped)

    def _ask(self, method: str, params: list[Any], end: float) -> Any:
        """One call, and its `result`."""
        begun, at, outcome = time.monotonic(), self._now(), "ok"
        if begun >= end:
            raise self._failure("the time was over before it had answered everything")
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        try:
            return self._result(
                self._http.call(
                    self._service,
                    "POST",
                    self._url,
                    body=body,
                    headers=self._headers,
                    seconds=end - begun,
                    what=method,
                    largest=LARGEST_ANSWER,
                )
            )
        except UpstreamError as error:
            outcome = error.code or error.message
            raise
        finally:
            if self._on_call is not None:
                self._on_call(NodeCall(at, self._network, method, outcome, time.monotonic() - begun))

    def _result(self, answer: Answer) -> Any:
        """The `result` of an answer. An error has a code of its own, mostly with HTTP status 200."""
        status = f"HTTP {answer.status}"
        if answer.status in ASK_TO_WAIT:
            asked = answer.headers.get("retry-after", "")
            raise AskedToWait(self._service, answer.status, int(asked) if re.fullmatch(r"[0-9]{1,6}", asked) else 0)
        try:
            envelope = json.loads(answer.body)
        except (ValueError, RecursionError):
            raise self._failure(f"{status}, not JSON", code=status) from None
        error = envelope.get("error") if isinstance(envelope, dict) else None
        if isinstance(error, dict) and answer.status != 413:
            code, words = str(error.get("code"))[:16], self._without_secrets(str(error.get("message")))
            raise self._failure(f"{code} {words}", code=code)
        if answer.status != 200:
            raise self._failure(status, code=status)
        if not isinstance(envelope, dict) or "result" not in envelope or error is not None:
            raise self._failure("no answer of JSON-RPC")
        return envelope["result"]

    def _without_secrets(self, words: str) -> str:
        """A provider's words may repeat the key they were asked with."""
        for secret in self._secrets:
            words = words.replace(secret, "…")
        return " ".join(words.split())[:200].encode("utf-8", "replace").decode()

    def _failure(self, message: str, *, code: str = "", retryable: bool = True) -> UpstreamError:
        return UpstreamError(self._service, message, retryable=retryable, maybe_applied=False, code=code)

    # --- what is read -----------------------------------------------------------------------------------------------

    def _unreadable(self, what: str) -> UpstreamError:
        return self._failure(f"an answer cannot be read: {what}")

    def _object(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._unreadable("no object")
        return value

    def _list(self, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self._unreadable("no list")
        return value

    def _hex(self, value: Any, size: int) -> str:
        """So many bytes as lower-case hex with 0x."""
        if not isinstance(value, str) or not re.fullmatch(rf"0x[0-9a-fA-F]{{{2 * size}}}", value):
            raise self._unreadable(f"not {size} bytes")
        return value.lower()

    def _unpadded(self, topic: str) -> str:
        """The address in a topic."""
        if not topic.startswith("0x" + PADDING):
            raise self._unreadable("no address")
        return "0x" + topic[2 + len(PADDING) :]

    def _number(self, value: Any) -> int:
        if not isinstance(value, str) or not re.fullmatch(r"0x[0-9a-fA-F]{1,16}", value):
            raise self._unreadable("not a number")
        return int(value, 16)


def _checked_address(address: str) -> str:
    if not re.fullmatch(r"0x[0-9a-f]{40}", address):
        raise ValueError("an address is 20 bytes as lower-case hex with 0x")
    return address


def _moment(value: Any) -> datetime | None:
    """A time in Unix seconds, as hex or, as some nodes write it in receipts, as a number. None if it is neither."""
    try:
        seconds = int(value, 16) if isinstance(value, str) else value
        return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int) else None
    except (ValueError, OverflowError, OSError):
        return None


def _is_limit(error: UpstreamError) -> bool:
    """True if fewer blocks may help: each provider has another code for that, and some the one for any failure."""
    about_limits = error.code == INVALID_PARAMS and ABOUT_LIMITS.search(error.message)
    return error.code in LIMIT_CODES or error.message in LIMIT_CODES or bool(about_limits)


def _secrets(url: str, headers: Mapping[str, str]) -> list[str]:
    """What of a node's URL and headers may be a key. The longest comes first, since another may be a part of it."""
    parts = urlsplit(url)
    queried = (value for _, value in parse_qsl(parts.query))
    pieces = {*headers.values(), *parts.path.split("/"), *queried, parts.username or "", parts.password or ""}
    return sorted((one for one in pieces if len(one) >= HIDDEN_FROM), key=len, reverse=True)
