"""Everything the sandbox remembers.

In memory it is a few dictionaries under one lock; on disk, when a folder is given, a journal: one JSON line for each
record written, read back at the start and then rewritten compactly by rename. A line is flushed before the answer
goes out, so a killed process loses nothing that it had said.
"""

from __future__ import annotations

import json
import random
import threading
import time
from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, TypeVar


@dataclass
class Order:
    """One Binance Pay order. Times are milliseconds."""

    merchant_trade_no: str
    prepay_id: str
    amount: Decimal
    currency: str
    create_time: int
    expire_time: int
    clock_base: float
    """How far the clock had been moved when the order was made: only later moves concern it."""
    token: str
    temp_token: str
    terminal_type: str
    product_type: str
    product_name: str
    description: str = ""
    status: str = "INITIAL"
    webhook_url: str | None = None
    return_url: str | None = None
    cancel_url: str | None = None
    pass_through: str | None = None
    universal_attach: str | None = None
    fiat_currency: str | None = None
    fiat_amount: str | None = None
    paid: Decimal | None = None
    paid_currency: str | None = None
    transaction_id: str | None = None
    transact_time: int | None = None
    open_user_id: str | None = None
    payer_id: int | None = None
    close_at: int | None = None

    @property
    def is_open(self) -> bool:
        return self.status in ("INITIAL", "PENDING")

    @property
    def shown_amount(self) -> Decimal:
        """What arrived, once something has; a stand-in's fault on purpose, the real one takes exact amounts."""
        return self.amount if self.paid is None else self.paid

    @property
    def shown_currency(self) -> str:
        """What the money came in: another one than was asked for is a fault on purpose, like another amount."""
        return self.paid_currency or self.currency


@dataclass
class Refund:
    """One refund."""

    request_id: str
    """The merchant's own id; one made up here for a refund made by hand."""
    refund_id: int
    prepay_id: str
    amount: Decimal
    refunded: Decimal
    """All refunds of the order up to this one, this one included; those that were rejected do not count."""
    remaining_attempts: int
    status: str
    created: int
    webhook_url: str | None = None
    reason: str | None = None
    console: bool = False
    """Made by hand in Binance's own console: the API does not know it by any id."""


@dataclass
class Event:
    """One Calendly event with its one invitee. Times are seconds since 1970."""

    uuid: str
    invitee_uuid: str
    slug: str
    start: float
    end: float
    name: str
    email: str
    timezone: str
    created: float
    updated: float
    status: str = "active"
    tracking: dict[str, Any] = field(default_factory=dict)
    answers: list[dict[str, Any]] = field(default_factory=list)
    guests: list[str] = field(default_factory=list)
    scheduling_method: str | None = None
    rescheduled: bool = False
    old_event: str | None = None
    new_event: str | None = None
    cancellation: dict[str, Any] | None = None
    no_show: str | None = None
    """When the host said that the invitee did not come: ISO time."""


@dataclass
class Subscription:
    """A Calendly webhook subscription."""

    uuid: str
    url: str
    events: list[str]
    scope: str
    created: float
    user: str | None = None
    signing_key: str | None = None


@dataclass
class Notice:
    """A webhook on its way; gone from the store when delivered or given up."""

    id: str
    kind: str
    """binance or calendly"""
    about: str
    """the merchantTradeNo, or the event's uuid"""
    what: str
    url: str
    body: str
    due: float
    order: int = 1
    last_order: int = 7
    forged: bool = False
    altered_body: str | None = None
    signing_key: str | None = None


@dataclass
class Span:
    """Blocks of a chain that follow each other at the same pace, up to where the next span begins. Times are seconds.

    The last one is open: its blocks are there as soon as their time has come.
    """

    network: str
    first: int
    """The number of its first block."""
    start: float | None
    """When that block comes; none for an open span whose blocks do not come by themselves."""
    step: float
    """From one block to the next; 0 for blocks that were mined at once."""
    shift: float
    """How far the clock had been moved: the stamps of blocks say the sandbox's time."""
    floor: int
    """No block has an earlier stamp, wherever the clock is moved."""
    fork: int
    """Grows by one with each reorganisation: it makes the hashes of the new blocks other ones."""


@dataclass
class Transaction:
    """One transaction of a chain, in a block. Addresses are `0x` and 40 small digits."""

    network: str
    hash: str
    block: int
    place: int
    """Its place in the block."""
    sender: str
    target: str
    """The contract that was called."""
    nonce: int
    transfers: list[dict[str, str]]
    """Each with `token` (the contract), `from`, `to`, and `units`: a whole number of the token's smallest units."""
    stranger: bool = False
    """Of nobody we know: it was in the way when a reorganisation put the others into new blocks."""


@dataclass
class StoredKey:
    """An RSA key of ours, PEM."""

    serial: str
    private_pem: str
    public_pem: str
    current: bool = True


RECORDS: dict[str, type[Any]] = {
    "orders": Order, "refunds": Refund, "events": Event, "subscriptions": Subscription, "notices": Notice,
    "keys": StoredKey, "spans": Span, "transactions": Transaction, "meta": dict,
}  # fmt: skip
Record = TypeVar("Record")


class Store:
    """The records, the lock around them, the clock, and the one source of randomness."""

    def __init__(self, folder: Path | None, seed: str) -> None:
        self.lock = threading.RLock()
        self.orders: dict[str, Order] = {}
        self.refunds: dict[str, Refund] = {}
        self.events: dict[str, Event] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.notices: dict[str, Notice] = {}
        self.keys: dict[str, StoredKey] = {}
        self.spans: dict[str, Span] = {}
        self.transactions: dict[str, Transaction] = {}
        self.meta: dict[str, Any] = {"starts": 0, "clock_offset": 0.0}
        self._by_prepay_id: dict[str, str] = {}
        self._by_token: dict[str, str] = {}
        self._open_orders: set[str] = set()
        self._journal: IO[str] | None = None
        self._path = folder / "sandbox.jsonl" if folder else None
        if folder and self._path:
            folder.mkdir(parents=True, exist_ok=True)
            self._read(self._path)
        self.meta["starts"] += 1
        # Another stream after each start: the same seed must not deal out the same ids again.
        self._random = random.Random(f"{seed}/{self.meta['starts']}")  # noqa: S311 - repeatable on purpose
        self._compact()

    # --- the clock ---

    @property
    def offset(self) -> float:
        return float(self.meta["clock_offset"])

    def now(self) -> float:
        """The sandbox's own time: the real one plus what a test has added."""
        return time.time() + self.offset

    def advance(self, seconds: float) -> float:
        with self.lock:
            self.put("meta", "clock_offset", self.offset + seconds)
            return self.offset

    # --- randomness ---

    def digits(self, count: int) -> str:
        with self.lock:
            return str(self._random.randrange(10 ** (count - 1), 10**count))

    def hex(self, count: int) -> str:
        with self.lock:
            return f"{self._random.getrandbits(4 * count):0{count}x}"

    def letters(self, count: int) -> str:
        alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        with self.lock:
            return "".join(self._random.choices(alphabet, k=count))

    def uuid(self) -> str:
        text = self.hex(32)
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    # --- reading and writing ---

    def order(self, merchant_trade_no: str) -> Order | None:
        return self.orders.get(merchant_trade_no)

    def order_by_prepay_id(self, prepay_id: str) -> Order | None:
        return self.orders.get(self._by_prepay_id.get(prepay_id, ""))

    def order_by_token(self, token: str) -> Order | None:
        return self.orders.get(self._by_token.get(token, ""))

    def open_orders(self) -> list[Order]:
        return [self.orders[key] for key in self._open_orders]

    def put(self, table: str, key: str, record: Any) -> None:
        """Write one record; None removes it."""
        with self.lock:
            self._place(table, key, record)
            if self._journal:
                self._journal.write(_line(table, key, record))
                self._journal.flush()

    def reset(self, everything: bool = False) -> None:
        """Forget orders, refunds, events, notices and the clock; keys and subscriptions only on request. What chains
        have, they forget themselves."""
        with self.lock:
            for table in ("orders", "refunds", "events", "notices", *(("subscriptions",) if everything else ())):
                getattr(self, table).clear()
            for index in (self._by_prepay_id, self._by_token):
                index.clear()
            self._open_orders.clear()
            self.meta["clock_offset"] = 0.0
            self._compact()

    def close(self) -> None:
        with self.lock:
            if self._journal:
                self._journal.close()
                self._journal = None

    def _place(self, table: str, key: str, record: Any) -> None:
        rows = getattr(self, table)
        if record is None:
            rows.pop(key, None)
        else:
            rows[key] = record
        if isinstance(record, Order):
            self._by_prepay_id[record.prepay_id] = self._by_token[record.token] = key
            (self._open_orders.add if record.is_open else self._open_orders.discard)(key)

    def _read(self, path: Path) -> None:
        if not path.exists():
            return
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    table, key, value = json.loads(line)
                except ValueError:
                    continue  # the last line of a process that was killed while writing it
                self._place(table, key, value if value is None or table == "meta" else _load(RECORDS[table], value))

    def _compact(self) -> None:
        if not self._path:
            return
        fresh = self._path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as out:
            for table in RECORDS:
                out.writelines(_line(table, key, record) for key, record in getattr(self, table).items())
        if self._journal:
            self._journal.close()
        fresh.replace(self._path)
        self._journal = self._path.open("a", encoding="utf-8")


def _line(table: str, key: str, record: Any) -> str:
    value = record if record is None or table == "meta" else asdict(record)
    return json.dumps([table, key, value], default=str, separators=(",", ":")) + "\n"


def _load(kind: type[Record], values: dict[str, Any]) -> Record:
    for known in fields(kind):  # type: ignore[arg-type]
        if "Decimal" in str(known.type) and values.get(known.name) is not None:
            values[known.name] = Decimal(values[known.name])
    return kind(**values)
