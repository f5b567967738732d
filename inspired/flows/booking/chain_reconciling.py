"""Addresses on chain held against our books: every night, and on demand, in pages of a group of addresses.

For each address that ever received money: what it holds at a final block (on TRON: at the newest, against what moved up
to it) must be what came less what left. What left is the owner's sweep: found here, and booked once. What reached an
address and belongs to no order is booked as what it is. What stays unexplained is a case for the owner and an alert.
Nothing here is told to customers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog

from inspired.adapters.mongo import heartbeats
from inspired.adapters.mongo.chain_books import ChainBalance, departure_of
from inspired.adapters.mongo.ledger_store import Run
from inspired.adapters.mongo.payment_addresses import Group, Held
from inspired.adapters.providers.on_chain import Holdings, OnChain
from inspired.domain.booking import chain_books, ledger
from inspired.domain.booking.booking import Booking, booking_id_of
from inspired.domain.booking.chain_books import Counted
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.reconciliation import Difference, Kind
from inspired.domain.shared.batches import batches
from inspired.domain.shared.errors import UpstreamError
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Network, Transfer, money_of
from inspired.flows.booking import chain_watching
from inspired.flows.shared import paging
from inspired.services import Services

NAME = "balances"
BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
MOST_BLOCKS = 50_000  # looked through for sweeps at once
OLD = timedelta(minutes=10)
AT_ONCE = 20  # addresses whose balances are asked for together
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Part:
    """A group on one network. `funded`: the addresses that ever received something, and what each did, up to block
    `until`, where the watcher's cursor stands."""

    group: Group
    network: Network
    chain: OnChain
    until: int
    funded: Mapping[str, Sequence[Transfer]]
    held: Mapping[str, Held]


def start(svc: Services) -> bool:
    """Jobs continue. False if a run is in progress."""
    now = svc.now()
    started = svc.runs.start(Run(NAME, now, cursor=BEGINNING, until=now, leased_until=now, finished_at=None, counts={}))
    svc.queue.enqueue_mail("turn_page", NAME)
    return started


def turn_page(svc: Services) -> bool:
    """As many groups as fit into a job. True while there is more."""
    now, run = svc.now(), svc.runs.get(NAME)
    if run is None or run.finished_at is not None or not svc.runs.lease(run, now, now + paging.LEASE):
        return False
    page = _Page(svc, run, until=now + paging.PAGE_TIME)
    cursor = run.cursor
    for moment in sorted({group.first.made_at for group in page.groups}):
        if not all(page.compare(group) for group in page.groups if group.first.made_at == moment):
            break  # the rest of it is the next page's
        cursor = moment
        if page.is_over:
            break
    else:
        _finished(svc, run, page.counts)
        svc.runs.turn(run, replace(run, counts=page.counts, finished_at=svc.now(), leased_until=svc.now()))
        return False
    svc.runs.turn(run, replace(run, cursor=cursor, counts=page.counts, leased_until=svc.now()))
    return True


class _Page:
    def __init__(self, svc: Services, run: Run, until: datetime) -> None:
        self._svc = svc
        self._run = run
        self._until = until
        self.counts = dict(run.counts)
        self.groups = [one for one in svc.payment_addresses.groups() if one.first.made_at > run.cursor]

    @property
    def is_over(self) -> bool:
        return self._svc.now() >= self._until

    def compare(self, group: Group) -> bool:
        """False if there was no time for all of it. A network that does not answer is left to the next night."""
        return all(self._compared(group, network) for network in Network if network.facts.kind is group.kind)

    def _compared(self, group: Group, network: Network) -> bool:
        try:
            part = self._part(group, network)
            return part is None or (self._sweeps_found(part) and self._balances_compared(part))
        except UpstreamError as error:
            log.warning("balances_unread", network=str(network), group=group.name, why=str(error))
            self._unread(network, str(error))
            return True

    def _part(self, group: Group, network: Network) -> _Part | None:
        svc = self._svc
        cursor, chain = svc.transfers.cursor(group.name, network), svc.chains[network]
        if cursor is None:
            return None
        if cursor.read_at <= svc.now() - OLD and svc.transfers.final_in(group.name, network, cursor.block):
            # Else what moved since then would be read again for each few of its addresses.
            if chain.can_ask():
                chain_watching.catch_up(svc, group, network)
            cursor = svc.transfers.cursor(group.name, network) or cursor
        funded: dict[str, list[Transfer]] = {}
        for transfer in svc.transfers.final_in(group.name, network, cursor.block):
            funded.setdefault(transfer.recipient, []).append(transfer)
        if not funded:
            return None
        if not chain.can_ask():
            self._unread(network, "no node is set")
            return None
        # Read after the transfers: a mark is set before they are stored, and goes after their order was made.
        held = {one.given.address: one for one in svc.payment_addresses.held_in(group)}
        return _Part(group, network, chain, cursor.block, funded, held)

    def _count(self, **counts: int) -> None:
        for what, count in counts.items():
            self.counts[what] = self.counts.get(what, 0) + count

    def _unread(self, network: Network, why: str) -> None:
        self._count(unread=1, **{_unread_on(network): 1})
        self._svc.heartbeats.beat(heartbeats.BALANCES.format(network), self._svc.now(), is_well=False, detail=why)

    # --- sweeps -------------------------------------------------------------------------------------------------------

    def _sweeps_found(self, part: _Part) -> bool:
        """Book what left, up to the last final block whose arrivals are known: what is not known to hold money is not
        asked about. False if there was no time for all of it."""
        svc, name, network = self._svc, part.group.name, part.network
        head = part.chain.head()
        known = svc.departures.cursor(name, network)
        first = part.chain.first_block(part.group.first, head) if known is None else known + 1
        until = min(head.finalized, part.until)
        while first <= until:
            last = min(until, first + MOST_BLOCKS - 1)
            found = [departure_of(one) for one in part.chain.departures(part.funded, first, last)]
            for one in found:
                booked = ledger.swept(one.name, RailId(network), money_of(network, one.units), svc.now())
                self._count(swept=svc.ledger.post(f"sweep/{one.name}", booked))
            if found:
                svc.payment_addresses.left(network.facts.kind, {one.sender for one in found}, svc.now())
            svc.departures.store(name, found)
            svc.departures.advance(name, network, last)
            first = last + 1
            if self.is_over and first <= until:
                return False
        return True

    # --- balances -----------------------------------------------------------------------------------------------------

    def _balances_compared(self, part: _Part) -> bool:
        """False if there was no time for all of them."""
        done = {
            address
            for address, one in self._svc.chain_balances.among(part.network, part.funded).items()
            if one.at >= self._run.started_at
        }
        for batch in batches(sorted(part.funded.keys() - done), AT_ONCE):
            if self.is_over:
                return False
            differing = self._looked_at(part, batch, save_differing=False)
            if differing:
                # It may have changed between two answers: only a lasting difference counts.
                self._looked_at(part, differing, save_differing=True)
        return True

    def _looked_at(self, part: _Part, addresses: Sequence[str], *, save_differing: bool) -> list[str]:
        """Those that differ."""
        svc = self._svc
        bookings = {address: _bookings(svc, part.held[address]) for address in addresses}
        left_until = svc.departures.cursor(part.group.name, part.network) or 0
        departures = svc.departures.of(part.group.name, part.network, left_until)
        held = part.chain.holdings(addresses, arrived_until=part.until, left_until=left_until)
        differing = []
        for address in addresses:
            if address not in held.balances:
                self._count(moving=1)
                continue
            left = [(one.block, one.units) for one in departures if one.sender == address]
            left += [(one.block_number, one.units) for one in held.departures if one.sender == address]
            balance = self._balance(part, address, held, left, bookings[address])
            if balance.told and not save_differing:
                differing.append(address)
                continue
            self._count(addresses=1, differing=bool(balance.told))
            svc.chain_balances.save(balance)
        return differing

    def _balance(
        self, part: _Part, address: str, held: Holdings, left: Sequence[tuple[int, int]], bookings: list[Booking]
    ) -> ChainBalance:
        svc, network, of = self._svc, part.network, part.held[address]
        stored = part.funded[address]
        arrived = [*stored, *(one for one in held.arrivals if one.recipient == address)]
        orders = chain_books.orders_at(bookings, network, of.trade_nos)
        final = _units(stored)
        counted = Counted(network, final, _units(arrived), sum(units for _, units in left), held.balances[address])
        told = chain_books.difference(counted)
        if not of.is_marked:
            beside = chain_books.beside_orders(orders, network, [one.units for one in stored])
            self._book_beside_orders(address, network, beside)
            told = told or chain_books.missing_in_books(orders, counted, beside)
        newest = max([one.block_number for one in arrived] + [block for block, _ in left])
        return ChainBalance(
            network=network,
            address=address,
            trade_no=of.given.trade_no,
            units=counted.holds,
            block=held.block,
            at=svc.now(),
            moved_block=newest,
            moved_at=self._moved_at(part, address, arrived, newest),
            told=told,
        )

    def _book_beside_orders(self, address: str, network: Network, money: Money) -> None:
        owner, rail = f"unassigned/{network}:{address}", RailId(network)
        entries = ledger.unassigned(address, rail, money, self._svc.ledger.of(owner), self._svc.now())
        self._count(unassigned=self._svc.ledger.post(owner, entries))

    def _moved_at(self, part: _Part, address: str, arrived: Iterable[Transfer], newest: int) -> datetime:
        """TRON's logs carry no time, and of what left none is kept: then the block is asked for, once."""
        known = self._svc.chain_balances.among(part.network, [address]).get(address)
        if known is not None and known.moved_block == newest:
            return known.moved_at
        stamped = (one.block_time for one in arrived if one.block_number == newest)
        return next((at for at in stamped if at is not None), None) or part.chain.block_time(newest)


def _bookings(svc: Services, held: Held) -> list[Booking]:
    """Of all that have had the address, without those that were dropped."""
    return list(svc.bookings.among(sorted({booking_id_of(trade_no) for trade_no in held.trade_nos})))


def _unread_on(network: Network) -> str:
    return f"unread_{network.lower()}"


def _units(transfers: Iterable[Transfer]) -> int:
    return sum(one.units for one in transfers)


def _finished(svc: Services, run: Run, counts: paging.Counts) -> None:
    found = [
        Difference(Kind.BALANCE, "", f"{one.network}:{one.address}", one.told, RailId(one.network))
        for one in svc.chain_balances.differing()
    ]
    for network in Network:
        if not counts.get(_unread_on(network)):
            svc.heartbeats.beat(heartbeats.BALANCES.format(network), svc.now())
    svc.cases.record(found, svc.now())
    svc.cases.close_others("", found, svc.now())
    log.info("balances_compared", seconds=(svc.now() - run.started_at) // timedelta(seconds=1), **counts)
