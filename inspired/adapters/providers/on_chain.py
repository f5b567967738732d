"""USDT sent to an address of the order's own, on one network: a payment rail without a provider and without keys.

The owner's account key or list gives each order a fresh address; a node tells what arrived there. Money counts as
seen once it is in a block and as proven once that block is final. Nobody can close an address: an order is closed once
a block stamped after the end of its time was read and nothing had come. Only the owner's wallet can send money back.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from math import ceil
from typing import TypeVar

from inspired.adapters.crypto import chain_addresses
from inspired.adapters.crypto.address_sources import Source
from inspired.adapters.crypto.vault import CannotDecrypt
from inspired.adapters.mongo.payment_addresses import NoneLeft, PaymentAddress, PaymentAddresses, Resting
from inspired.adapters.mongo.receiving import NodeAddress, Receiving
from inspired.adapters.mongo.transfers import Transfers
from inspired.adapters.process import deadline
from inspired.adapters.providers.chain_node import AskedToWait, ChainNode, Mined
from inspired.adapters.providers.http import Http
from inspired.adapters.providers.second_node import SecondNode
from inspired.adapters.redis.throttle import Breaker, Throttle
from inspired.domain.booking import address_reuse
from inspired.domain.booking.address_reuse import Rest, Tenancy
from inspired.domain.booking.booking import Checkout
from inspired.domain.booking.lifecycle import OrderObservation
from inspired.domain.booking.receiving import Stock, stock
from inspired.domain.booking.refunds import RefundSeen
from inspired.domain.booking.states import Held, Remote
from inspired.domain.shared.errors import Busy, UpstreamError
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import DUST, Head, Kind, Network, Transfer, money_of, units_of

SECOND = timedelta(seconds=1)
LOOK_BACK = timedelta(minutes=10)  # blocks may come faster than they should, and clocks differ
GAP_LIMIT = 20  # as wallets have it
STOCK_KEPT = 5.0  # seconds
LOOK_AGAIN = timedelta(days=1)  # at an address that rests and may not be given out yet
MOST_LOOKED_AT = 20  # of them at once
MOST_RESTING = 1_000  # counted at most
TIMES_KEPT = 1_000  # blocks
PATIENCE = 0.1  # seconds a page waits to count the stock again
NOTHING = Money.parse(0)
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class _Read:
    """What reached an address up to `head` and counts for an order, in the chain's order. `beside`: what reached it in
    the order's time and does not. `known`: names of all that ever reached it. `completing`: the transfer that made it
    enough, or the newest; `completed_at`: the time of its block."""

    head: Head
    transfers: tuple[Transfer, ...]
    beside: tuple[Transfer, ...]
    known: frozenset[str]
    completing: Transfer | None
    completed_at: datetime | None

    @property
    def seen(self) -> int:
        return sum(transfer.units for transfer in self.transfers)

    @property
    def final_transfers(self) -> tuple[Transfer, ...]:
        return tuple(transfer for transfer in self.transfers if transfer.block_number <= self.head.finalized)

    @property
    def confirmations(self) -> int | None:
        return None if self.completing is None else self.head.number - self.completing.block_number

    @property
    def final(self) -> int:
        return sum(transfer.units for transfer in self.final_transfers)


@dataclass(frozen=True, slots=True)
class Holdings:
    """`balances`: raw units after `block`, by address, without those where something moved meanwhile. `arrivals` and
    `departures`: what moved there and was not known, up to `block`."""

    block: int
    balances: Mapping[str, int]
    arrivals: tuple[Transfer, ...]
    departures: tuple[Transfer, ...]


@dataclass(frozen=True, slots=True)
class LookedThrough:
    """What reached some addresses up to block `until`."""

    head: Head
    until: int
    transfers: tuple[Transfer, ...]


class OnChain:
    """One network. `now` is our clock. `gap_limit`: how many addresses without money in a row a wallet looks at.

    `rest_of`: whether the address that these orders have had may be given out again, as far as their bookings tell.

    `is_screened`: whether a sender is on the owner's screening list.

    `tolerance`: the percentage a payment may lack. `two_nodes_from`: the amount from which a second node, if one is
    set, must agree. `on_second`: told whether it did.
    """

    def __init__(
        self,
        network: Network,
        http: Http,
        *,
        throttle: Throttle,
        receiving: Receiving,
        addresses: PaymentAddresses,
        transfers: Transfers,
        now: Callable[[], datetime],
        rest_of: Callable[[Sequence[str]], Rest] = lambda trade_nos: Rest.NEVER,
        is_screened: Callable[[str], bool] = lambda address: False,
        gap_limit: int = GAP_LIMIT,
        tolerance: Decimal = Decimal(0),
        two_nodes_from: Money = NOTHING,
        on_second: Callable[[bool, str], None] = lambda is_well, why: None,
    ) -> None:
        self._network = network
        self._http = http
        self.throttle = throttle
        self._receiving = receiving
        self._addresses = addresses
        self._transfers = transfers
        self._now = now
        self._rest_of = rest_of
        self._is_screened = is_screened
        self._gap_limit = gap_limit
        self._tolerance = tolerance
        self._two_nodes_from = two_nodes_from
        self._on_second = on_second
        self._stock: tuple[float, Stock] | None = None
        self._service = f"{network} node"
        self._nodes: dict[NodeAddress, ChainNode] = {}
        self._times: dict[str, datetime] = {}

    def create(
        self,
        *,
        trade_no: str,
        price: Money,
        title: str,
        reference: str,
        expires_at: datetime,
        page_url: str,
        seconds: float,
    ) -> Checkout:
        """The order's address, the same each time it is asked for: one that has rested, if the owner lets it be given
        out again, else a fresh one. `title` and the others go nowhere: a chain has no place for them."""
        given = self._addresses.find(trade_no)
        if given is None:
            source, wanted = self._source(), self._units(price)
            head = self._asked(seconds, lambda node: node.head(seconds))
            given = self._given_again(trade_no, source, head, str(wanted), expires_at, seconds)
        if given is None:
            try:
                given = self._addresses.give(
                    trade_no,
                    self._network,
                    source.address,
                    source=source.id,
                    longest_gap=None if source.size is not None else self._gap_limit,
                    from_blocks={self._network: head.number},
                    wanted=str(wanted),
                    enough=str(ceil(wanted * (100 - self._tolerance) / 100)),
                    now=self._now(),
                )
            except NoneLeft:
                raise self._refused("no address is left") from None
        shown = self._shown(given)
        return Checkout(prepay_id=shown, qr_content=shown, checkout_url="", deep_link="", universal_url="")

    def _given_again(
        self, trade_no: str, source: Source, head: Head, wanted: str, pays_until: datetime, seconds: float
    ) -> PaymentAddress | None:
        while self._gives_again(source.kind) and (address := self._rested(source)) is not None:
            cursor = self._transfers.cursor(address.given.group, self._network)
            first = self.first_block(address.given, head) if cursor is None else cursor.block + 1
            if self.arrivals([address.given.address], first, head.number, seconds=seconds):
                self._addresses.rest_on(address, self._now() + LOOK_AGAIN)  # the watcher tells of it soon
                continue
            given = self._addresses.give_again(
                address,
                trade_no,
                self._network,
                block=head.number,
                wanted=wanted,
                pays_until=pays_until,
                now=self._now(),
            )
            if given is not None:
                return given
        return None

    def _rested(self, source: Source) -> Resting | None:
        """The next one that may be given out again. What may not is not looked at again for a while."""
        now = self._now()
        for _ in range(MOST_LOOKED_AT):
            found = self._addresses.resting(source.kind, source.id, now, 1)
            if not found:
                return None
            rest = self._rest_of(found[0].holders) if self._is_owners(found[0].given) else Rest.NEVER
            if rest is Rest.READY:
                return found[0]
            self._addresses.rest_on(found[0], None if rest is Rest.NEVER else now + LOOK_AGAIN)
        return None

    def _gives_again(self, kind: Kind) -> bool:
        try:
            return self._receiving.gives_again(kind, self._now())
        except CannotDecrypt:
            return False

    def vouches_for(self, trade_no: str, checkout: Checkout) -> bool:
        """True if the address in it is the order's, and its source is the owner's: whoever can write to the database
        alone cannot show another one."""
        given = self._addresses.find(trade_no)
        if given is None:
            return False
        try:
            return self._shown(given) == checkout.qr_content
        except UpstreamError:
            return False

    def query(self, trade_no: str, *, asked_at: datetime | None = None, seconds: float = 5.0) -> OrderObservation:
        """What came for this order. Transfers add up. `by_query` False: enough is in a block, and not final yet. Raises
        UpstreamError too if the stored address is not the owner's: money sent to somebody else counts for nothing."""
        asked_at = asked_at or self._now()
        given = self._addresses.find(trade_no)
        if given is None:
            return OrderObservation(trade_no, asked_at, None)
        self._shown(given)
        read = self._asked(seconds, lambda node: self._read(node, given, seconds))
        if given.transfer:
            return self._of_one(trade_no, asked_at, read)
        if read.seen > read.final and read.transfers[-1].block_number > given.seen_block:
            self._addresses.saw(trade_no, read.transfers[-1].block_number)
        enough = int(given.enough)
        is_over = given.closing_at is not None and read.head.time >= given.closing_at
        if (read.final >= enough or (is_over and read.seen == read.final > 0)) and self._is_agreed(
            read.final_transfers
        ):
            return self._with_money(trade_no, asked_at, read, read.final, by_query=True)
        if read.seen >= enough or (is_over and read.seen):
            return self._with_money(trade_no, asked_at, read, read.seen, by_query=False)
        is_closed = is_over and not self._is_more_to_come(given, read) and self._is_agreed_unpaid(given, read)
        if is_closed:
            return OrderObservation(trade_no, asked_at, Remote.EXPIRED)
        part = money_of(self._network, read.seen) if read.seen >= units_of(self._network, DUST) else None
        return OrderObservation(trade_no, asked_at, Remote.PENDING if read.seen else Remote.INITIAL, money=part)

    def _of_one(self, trade_no: str, asked_at: datetime, read: _Read) -> OrderObservation:
        """About an order that holds one transfer: told once that is final, for nobody waits for it before."""
        if read.final and self._is_agreed(read.final_transfers):
            return self._with_money(trade_no, asked_at, read, read.final, by_query=True)
        return OrderObservation(trade_no, asked_at, Remote.PENDING if read.seen else Remote.EXPIRED)

    def _is_more_to_come(self, given: PaymentAddress, read: _Read) -> bool:
        """True if something that does not count by itself came in time and is not final yet: who sent it is not told
        that nothing came."""
        return any(
            one.block_number > read.head.finalized
            and not address_reuse.is_dust(one)
            and given.closing_at is not None
            and self._times.get(one.block_hash, given.closing_at) < given.closing_at
            for one in read.beside
        )

    def held_back(self, trade_no: str, *, seconds: float = 5.0) -> list[tuple[Transfer, Held]]:
        """What reached an order's address in its time, is final and waits for the owner's word, and why. Raises
        UpstreamError."""
        given = self._addresses.find(trade_no)
        if given is None or given.transfer:
            return []
        if given.network is not self._network:
            given = replace(given, seen_block=0)  # that is a block of the other network
        read = self._asked(seconds, lambda node: self._read(node, given, seconds))
        return [
            (one, Held.SCREENED if one.is_screened else Held.EARLIER_HOLDER)
            for one in read.beside
            if one.block_number <= read.head.finalized and not address_reuse.is_dust(one)
        ]

    def told_apart(
        self, trade_no: str, transfers: Sequence[Transfer], *, seconds: float = 5.0
    ) -> tuple[list[Transfer], list[Transfer]]:
        """Of these transfers to an order's address those that count for it, and those that are of its time and wait
        for the owner's word. Raises UpstreamError."""
        given = self._addresses.find(trade_no)
        if given is None or not (given.is_shared or any(one.is_screened for one in transfers)):
            return list(transfers), []
        read = self._asked(seconds, lambda node: self._read(node, given, seconds))
        return (
            [one for one in transfers if one.name in {each.name for each in read.transfers}],
            [one for one in transfers if one.name in {each.name for each in read.beside}],
        )

    def close(self, trade_no: str, *, seconds: float = 5.0) -> None:
        """From now on a block without money for it closes the order."""
        self._addresses.close(trade_no, self._now())

    def refund(
        self, *, refund_request_id: str, prepay_id: str, amount: Money, reason: str, seconds: float = 10.0
    ) -> RefundSeen:
        """Always raises: this site has no key that could send."""
        raise UpstreamError(self._service, "only a wallet can send", retryable=False, maybe_applied=False)

    def query_refund(
        self, refund_request_id: str, currency: str, *, trade_no: str = "", seconds: float = 5.0
    ) -> RefundSeen:
        return RefundSeen(refund_request_id, self._now(), None, trade_no)

    def mined(self, tx_hash: str, *, seconds: float = 5.0) -> tuple[Head, Mined | None]:
        """The transaction of this hash (as in `ChainNode.transaction`) as the chain has it now; None if no block has
        it. The head was read before it, so what is final by the head is final: by a second node, too, if one is set."""
        head, mined = self._asked(seconds, lambda node: self._mined(node, tx_hash, seconds))
        if mined is not None:
            mined = replace(mined, transfers=tuple(self._marked(mined.transfers)))
        if mined is not None and mined.block_number <= head.finalized and not self._is_agreed(mined.transfers):
            head = replace(head, finalized=mined.block_number - 1)
        return head, mined

    def sent_since(self, address: str, since: datetime, *, seconds: float = 10.0) -> list[Transfer]:
        """What reached this address since then, in the chain's order; a little earlier too."""

        def ask(node: ChainNode) -> list[Transfer]:
            head = node.head(seconds)
            first = self._block_before(since, head)
            return node.transfers([address], first, head.number, seconds=seconds)

        return self._asked(seconds, ask)

    def looked_through(
        self, addresses: Collection[str], *, after: int, since: datetime, most: int, seconds: float = 10.0
    ) -> LookedThrough:
        """What reached these addresses after a block, or since a moment if that is later; at most so many blocks."""

        def ask(node: ChainNode) -> LookedThrough:
            head = node.head(seconds)
            first = max(after + 1, self._block_before(since, head))
            until = min(head.number, first + most - 1)
            found = node.transfers(addresses, first, until, seconds=seconds) if first <= until else ()
            return LookedThrough(head, until, tuple(found))

        return self._asked(seconds, ask, is_urgent=False)

    def has_code(self, address: str, *, seconds: float = 5.0) -> bool:
        """True if a contract lives at this address, 20 bytes as lower-case hex with 0x."""
        return self._asked(seconds, lambda node: node.has_code(address, seconds=seconds))

    def probe(self, *, seconds: float = 5.0) -> None:
        """Its chain and its newest block, which may not be old."""
        self._asked(seconds, lambda node: node.head(seconds))

    def state(self) -> Breaker:
        """Open until the node has answered again: the watcher asks anyway, so no customer has to be the trial."""
        breaker = self.throttle.state()
        return replace(breaker, open=True) if breaker.is_unproven else breaker

    def is_set_up(self) -> bool:
        """True if the owner has given addresses and a node, has compared the addresses and switched it on."""
        return self._receiving.is_set_up(self._network, self._now())

    def can_ask(self) -> bool:
        """True if there is a node to ask; switched off, it is asked about what was given out before."""
        try:
            return bool(self._receiving.nodes(self._network, self._now()))
        except (CannotDecrypt, Busy):
            return False

    def has_room(self) -> bool:
        """True if one more address can be given out; some seconds old, and as before while the database is away."""
        try:
            with deadline.within(PATIENCE) if self._stock is not None else nullcontext():
                return self.stock().left > 0
        except Busy:
            return self._stock is None or self._stock[1].left > 0
        except UpstreamError:
            return False

    def stock(self) -> Stock:
        """How many addresses are left. Raises UpstreamError if their source cannot be read, and if addresses were given
        out of one that nobody set: then an older one was put in its place."""
        if self._stock is not None and time.monotonic() < self._stock[0]:
            return self._stock[1]
        source, kind = self._source(), self._network.facts.kind
        if not all(self._has_source(one) for one in self._addresses.sources(kind)):
            raise self._refused("addresses were given out of a source that is not known: an older one was put back")
        given = self._addresses.given_of(kind, source.id)
        found = stock(
            source.size,
            next_number=given.next_number,
            last_with_money=given.last_with_money,
            gap_limit=self._gap_limit,
            resting=self._resting(source),
        )
        self._stock = time.monotonic() + STOCK_KEPT, found
        return found

    def _resting(self, source: Source) -> int:
        """How many may be given out again, as far as can be told at once: none if the first ones may not."""
        if not self._gives_again(source.kind) or self._rested(source) is None:
            return 0
        return self._addresses.count_resting(source.kind, source.id, self._now(), MOST_RESTING)

    def count_again(self) -> None:
        """Forget the stock that was counted."""
        self._stock = None

    # --- for the watcher ----------------------------------------------------------------------------------------------

    def head(self, *, seconds: float = 5.0) -> Head:
        return self._asked(seconds, lambda node: node.head(seconds))

    def arrivals(self, addresses: Collection[str], first: int, last: int, *, seconds: float = 10.0) -> list[Transfer]:
        """What reached these addresses in the blocks from `first` to `last`, in the chain's order."""
        return self._marked(self._asked(seconds, lambda node: node.transfers(addresses, first, last, seconds=seconds)))

    def told_again(self, addresses: Collection[str], first: int, last: int, *, seconds: float = 10.0) -> list[Transfer]:
        """The same, for which nobody waits."""
        found = self._asked(
            seconds, lambda node: node.transfers(addresses, first, last, seconds=seconds), is_urgent=False
        )
        return self._marked(found)

    def departures(self, addresses: Collection[str], first: int, last: int, *, seconds: float = 10.0) -> list[Transfer]:
        """What left these addresses in the blocks from `first` to `last`, in the chain's order."""
        return self._asked(
            seconds, lambda node: node.departures(addresses, first, last, seconds=seconds), is_urgent=False
        )

    def holdings(
        self, addresses: Collection[str], *, arrived_until: int, left_until: int, seconds: float = 15.0
    ) -> Holdings:
        """What these addresses hold, and what moved there after two blocks up to which both are known."""
        read = self._read_holdings_evm if self._network.facts.is_evm else self._read_holdings_newest
        return self._asked(
            seconds, lambda node: read(node, addresses, arrived_until, left_until, seconds), is_urgent=False
        )

    def block_time(self, number: int, *, seconds: float = 5.0) -> datetime:
        return self._asked(seconds, lambda node: node.block(number, seconds=seconds).time, is_urgent=False)

    def first_block(self, given: PaymentAddress, head: Head) -> int:
        """A block before which nothing can have reached this address, since nobody knew it."""
        if self._network in given.from_blocks:
            return given.from_blocks[self._network]
        return self._block_before(given.made_at, head)  # given out for the other network of its kind

    def _block_before(self, moment: datetime, head: Head) -> int:
        """Twice the blocks there should have been since then is early enough."""
        age = max(head.time - moment, timedelta()) + LOOK_BACK
        return max(0, head.number - ceil(2 * (age // SECOND) / self._network.facts.block_seconds))

    def _marked(self, found: Sequence[Transfer]) -> list[Transfer]:
        """With the mark of the owner's screening list: the sender itself is kept nowhere."""
        return [replace(one, is_screened=self._is_screened(one.sender)) for one in found]

    # --- reading ------------------------------------------------------------------------------------------------------

    def _read(self, node: ChainNode, given: PaymentAddress, seconds: float) -> _Read:
        """The transfers that the watcher stored for good, and the chain from there on."""
        cursor = self._transfers.cursor(given.group, self._network)
        stored = -1 if cursor is None else cursor.block
        head = node.head(seconds)
        if head.number < max(given.seen_block, stored):
            # Not a reorganisation: another server of the same provider, which has not come as far yet.
            raise UpstreamError(self._service, "it has not reached a block that was seen before")
        first = max(self.first_block(given, head), stored + 1)
        found = [
            *(self._transfers.final_of(given.address, self._network, stored) if cursor is not None else ()),
            *self._marked(node.transfers([given.address], first, head.number, seconds=seconds)),
        ]
        counting, beside = self._counting(node, given, found, seconds)
        completing = _completing(counting, int(given.enough))
        # TRON's logs carry no time. Without it, money would be as late as we are in asking.
        at = None if completing is None else completing.block_time
        if completing is not None and at is None:
            at = node.block(completing.block_number, seconds=seconds).time
        known = frozenset(one.name for one in found)
        return _Read(head, tuple(counting), tuple(beside), known, completing, at)

    def _counting(
        self, node: ChainNode, given: PaymentAddress, found: Sequence[Transfer], seconds: float
    ) -> tuple[list[Transfer], list[Transfer]]:
        """What counts for this order, and what came in its time and does not."""
        if given.transfer:
            return [one for one in found if one.name == given.transfer], []
        if not given.is_shared and not any(one.is_screened for one in found):
            return list(found), []
        tenancy, times = self._tenancy(given), self._block_times(node, found, seconds)
        own = [one for one in found if tenancy.has(one, times[one.block_hash])]
        clean = [one for one in own if not one.is_screened or address_reuse.is_dust(one)]
        counting = clean if given.since is None else address_reuse.counted(clean, tenancy, times)
        return counting, [one for one in own if one not in counting]

    def _tenancy(self, given: PaymentAddress) -> Tenancy:
        main = self._addresses.find(given.of) if given.of else given
        pays, pays_until = (0, given.made_at) if main is None else (int(main.wanted), main.pays_until or main.made_at)
        return Tenancy(given.network if main is None else main.network, given.since, given.until, pays, pays_until)

    def _block_times(self, node: ChainNode, transfers: Sequence[Transfer], seconds: float) -> Mapping[str, datetime]:
        """By the block's hash. Logs need not carry them."""
        kept = self._times if len(self._times) < TIMES_KEPT else {}
        found: dict[str, datetime] = {}
        for one in transfers:
            found[one.block_hash] = (
                found.get(one.block_hash)
                or kept.get(one.block_hash)
                or one.block_time
                or node.block(one.block_number, seconds=seconds).time
            )
        self._times = {**kept, **found}
        return found

    def _read_holdings_evm(
        self, node: ChainNode, addresses: Collection[str], arrived_until: int, left_until: int, seconds: float
    ) -> Holdings:
        """After the final block: nothing there can change any more."""
        block = max(node.head(seconds).finalized, arrived_until, left_until)
        balances = {one: node.balance(one, at=block, seconds=seconds) for one in addresses}
        return Holdings(
            block,
            balances,
            tuple(node.transfers(addresses, arrived_until + 1, block, seconds=seconds)),
            tuple(node.departures(addresses, left_until + 1, block, seconds=seconds)),
        )

    def _read_holdings_newest(
        self, node: ChainNode, addresses: Collection[str], arrived_until: int, left_until: int, seconds: float
    ) -> Holdings:
        """Where nodes know the newest balance only, it is that of some block between two. Where something moved in
        between it cannot be compared."""
        before = max(node.head(seconds).number, arrived_until, left_until)
        balances = {one: node.balance(one, at=None, seconds=seconds) for one in addresses}
        block = max(node.newest(seconds=seconds), before)
        arrivals = tuple(node.transfers(addresses, arrived_until + 1, block, seconds=seconds))
        departures = tuple(node.departures(addresses, left_until + 1, block, seconds=seconds))
        moved = {one.recipient for one in arrivals if one.block_number > before}
        moved |= {one.sender for one in departures if one.block_number > before}
        return Holdings(
            block, {one: units for one, units in balances.items() if one not in moved}, arrivals, departures
        )

    def _mined(self, node: ChainNode, tx_hash: str, seconds: float) -> tuple[Head, Mined | None]:
        head = node.head(seconds)
        mined = node.transaction(tx_hash, seconds=seconds)
        if mined is not None and node.block(mined.block_number, seconds=seconds).hash != mined.block_hash:
            raise UpstreamError(self._service, "it told of a transaction in a block that the chain does not have")
        return head, mined

    def _is_agreed(self, final: Sequence[Transfer]) -> bool:
        """False while the second node does not tell of the same final money, where there is one and it is asked."""
        second, units = self._second_node(), sum(transfer.units for transfer in final)
        if second is None or money_of(self._network, units) < self._two_nodes_from:
            return True
        return second.agrees(final)

    def _is_agreed_unpaid(self, given: PaymentAddress, read: _Read) -> bool:
        second = self._second_node()
        if (
            second is None
            or given.closing_at is None
            or money_of(self._network, int(given.wanted)) < self._two_nodes_from
        ):
            return True
        return second.sees_nothing(
            given.address, self.first_block(given, read.head), given.closing_at, known=read.known
        )

    def _with_money(
        self, trade_no: str, asked_at: datetime, read: _Read, units: int, *, by_query: bool
    ) -> OrderObservation:
        return OrderObservation(
            trade_no=trade_no,
            asked_at=asked_at,
            status=Remote.PAID,
            money=money_of(self._network, units),
            transaction_id=read.completing.tx_hash if read.completing else "",
            paid_at=read.completed_at,
            by_query=by_query,
            confirmations=read.confirmations,
        )

    def _shown(self, given: PaymentAddress) -> str:
        """Raises UpstreamError if what is stored does not come from the source of the owner's that it names. A source
        that still waits to come into force is none."""
        if not self._is_owners(given):
            raise self._refused("the stored address is not the owner's")
        return chain_addresses.shown(self._network, given.address)

    def _is_owners(self, given: PaymentAddress) -> bool:
        source = self._source_called(given.source)
        try:
            return source is not None and source.address(given.number) == given.address
        except ValueError:  # no address has this number: somebody altered it
            return False

    def _units(self, price: Money) -> int:
        """Raises UpstreamError for a price that cannot be paid here: it is finer than the network's units."""
        try:
            return units_of(self._network, price)
        except ValueError as error:
            raise self._refused(str(error)) from None

    def _source(self) -> Source:
        try:
            source = self._receiving.source(self._network.facts.kind, self._now())
        except CannotDecrypt:
            source = None
        if source is None:
            raise self._refused("no account key or list that can be read")
        return source

    def _has_source(self, source_id: str) -> bool:
        try:
            return self._receiving.has_source(self._network.facts.kind, source_id, self._now())
        except CannotDecrypt:
            return False

    def _source_called(self, source_id: str) -> Source | None:
        try:
            return self._receiving.source_called(self._network.facts.kind, source_id, self._now())
        except CannotDecrypt:
            return None

    def _refused(self, why: str) -> UpstreamError:
        """Nothing that trying again could change."""
        return UpstreamError(self._service, why, retryable=False, maybe_applied=False)

    def _asked(self, seconds: float, ask: Callable[[ChainNode], Found], *, is_urgent: bool = True) -> Found:
        """Ask the node, if the throttle allows it, and report to the throttle."""
        node = self._node()  # what is not set up is no failure of a node
        permit = self.throttle.take(urgent=is_urgent, seconds=seconds)
        try:
            found = ask(node)
        except AskedToWait as error:
            self.throttle.failed(permit, asked=error.wait)
            raise
        except UpstreamError:
            self.throttle.failed(permit)
            raise
        self.throttle.answered(permit, "node")
        return found

    def _node(self) -> ChainNode:
        if not (found := self._node_addresses()):
            raise self._refused("no node is set")
        return self._made(found[0])

    def _second_node(self) -> SecondNode | None:
        found = self._node_addresses()
        return SecondNode(self._made(found[1]), self._on_second) if len(found) > 1 else None

    def _node_addresses(self) -> tuple[NodeAddress, ...]:
        try:
            return self._receiving.nodes(self._network, self._now())
        except CannotDecrypt:
            return ()

    def _made(self, address: NodeAddress) -> ChainNode:
        """Kept, since it knows its chain then, and how many blocks it takes."""
        if address not in self._nodes:
            self._nodes = dict(list(self._nodes.items())[-1:])  # at most two are in use
            self._nodes[address] = ChainNode(
                self._http, network=self._network, url=address.url, headers=address.headers, now=self._now
            )
        return self._nodes[address]


def _completing(transfers: list[Transfer], enough: int) -> Transfer | None:
    """The transfer with which `enough` raw units had come, or the newest."""
    sums = zip(transfers, accumulate(transfer.units for transfer in transfers), strict=True)
    return next((one for one, units in sums if units >= enough), transfers[-1] if transfers else None)
