"""Watching every address ever given out for USDT that arrives: late, twice, or on the network not asked for.

One watcher for each network, in rounds. Addresses are read in groups: the newest in each round, older ones in turn,
within a day. What was found is marked and told of by a job, which asks the order's rail like any other trigger does; so
a round may be lost, and two watchers at once do no harm. A network that is down holds up no other.

Below a cursor nothing is read in rounds. Where another node comes in the place of the one that told of it, that is read
once more, a part in each round: money that the first one hid is found, and nothing that was final is undone.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from inspired.adapters.mongo import heartbeats
from inspired.adapters.mongo.heartbeats import Outcomes
from inspired.adapters.mongo.payment_addresses import GROUP, Group, PaymentAddress
from inspired.adapters.mongo.transfers import Cursor, ReadAgain
from inspired.domain.booking import payment_orders
from inspired.domain.booking.booking import Booking, PaymentOrder, booking_id_of
from inspired.domain.booking.rails import RailId
from inspired.domain.shared.errors import Busy, NotFound, UpstreamError
from inspired.domain.shared.networks import DUST, Head, Network, Transfer, units_of
from inspired.flows.booking import refreshing
from inspired.services import Services

ROUND_SECONDS = 2.0
LONGEST_PAUSE = 60.0  # seconds between rounds while the network's node does not answer
NEW = timedelta(days=3)  # how long a group is read in each round after its last address was given out
IN_TURN = timedelta(hours=12)  # how often an older group is read
CLOCKS_DIFFER = timedelta(minutes=1)
OLD_AT_ONCE = 4  # such groups in one round
AT_ONCE = 5_000  # addresses loaded together: there may be very many
MOST_BLOCKS = 50_000  # of one group in one round
SAVE_EVERY = timedelta(seconds=20)  # a cursor that passed nothing may lag behind
ASK_AGAIN = timedelta(seconds=15)
SECONDS = 5.0  # for one question
CHANGING = timedelta(minutes=1)  # while a change of nodes comes into force, either may have been asked
AGAIN_PAUSE = timedelta(minutes=10)  # after a node could not tell of old blocks
log = structlog.get_logger()


@dataclass
class _Group:
    """Addresses read together. `cursor`: everything up to this block is stored; None: never read."""

    name: str
    addresses: set[str] = field(default_factory=set)
    newest: PaymentAddress | None = None
    oldest: PaymentAddress | None = None
    again_at: datetime | None = None  # when one of them was last given out again
    cursor: int | None = None
    read_at: datetime | None = None
    saved_at: datetime | None = None

    @property
    def number(self) -> int:
        return 0 if self.oldest is None else self.oldest.index // GROUP

    def go_on_from(self, known: Cursor | None) -> None:
        """From where it was read before."""
        if known is not None:
            self.cursor, self.read_at = known.block, known.read_at

    def was_given_since(self, moment: datetime) -> bool:
        last = max((at for at in (self.newest and self.newest.made_at, self.again_at) if at), default=None)
        return last is not None and last > moment


class ChainWatch:
    """What the watcher of one network remembers between its rounds. All of it can be read again."""

    def __init__(self, svc: Services, network: Network) -> None:
        self._svc = svc
        self._network = network
        self._chain = svc.chains[network]
        self._groups: dict[str, _Group] = {}
        self._newest = -1
        self._again: dict[str, ReadAgain] | None = None
        self._again_from = svc.now()
        self._given_since = svc.now() - NEW
        self._pause = ROUND_SECONDS
        self._outcome = Outcomes(svc.heartbeats, heartbeats.CHAIN.format(network), svc.now, said=None)

    def run(self, stop: threading.Event) -> None:
        """Turn after turn until `stop` is set."""
        while not stop.wait(self.turn()):
            pass

    def turn(self) -> float:
        """One round, whose outcome is written down for the owner. Returns the seconds until the next one."""
        try:
            self.round()
        except (UpstreamError, Busy) as error:
            log.warning("chain_unread", network=str(self._network), why=str(error))
            self._outcome(False, str(error))
            # Until the breaker opens it goes on at its pace: where nobody has a booking, it alone finds out that the
            # network must not be offered, and five failures within a minute show that.
            self._pause = min(self._pause * 2, LONGEST_PAUSE) if self._chain.state().open else ROUND_SECONDS
        except Exception:
            log.exception("chain_watch_broken", network=str(self._network))
            self._pause = LONGEST_PAUSE
        else:
            self._pause = ROUND_SECONDS
            if self._groups:
                self._outcome(True)
        return self._pause

    def round(self) -> int:
        """Read what is due; returns at how many addresses something had moved. Raises UpstreamError, Busy."""
        has_none = not self._groups and not self._next(1)  # to a node an empty list of addresses would mean everybody
        if not self._chain.can_ask():
            return 0
        if has_none:
            if self._chain.state().open:
                self._chain.probe()  # nobody else would find out that the node is back
            return 0
        # The head first: whoever got an address after this is paid in a later block, and read in a later round.
        head = self._chain.head()
        self._look_for_new()
        moved, failure = 0, None
        for group in self._due():
            try:
                moved += self.read(group, head)
            except UpstreamError as error:
                failure = failure or error  # it may be about this group alone
        if failure is not None:
            raise failure
        return moved + self._read_again(head)

    def _look_for_new(self) -> None:
        cursors = None
        while page := self._next(AT_ONCE):
            for given in page:
                group = self._groups.get(given.group)
                if group is None:
                    cursors = cursors or self._svc.transfers.cursors(self._network)
                    group = self._groups[given.group] = _Group(given.group)
                    group.go_on_from(cursors.get(given.group))
                group.addresses.add(given.address)
                group.newest, group.oldest = given, group.oldest or given
                self._newest = given.index
        for given in self._svc.payment_addresses.given_again(
            self._network.facts.kind, self._given_since - CLOCKS_DIFFER
        ):
            if (group := self._groups.get(given.group)) is not None:
                group.again_at = max(given.made_at, group.again_at or given.made_at)
            self._given_since = max(self._given_since, given.made_at)

    def _next(self, most: int) -> list[PaymentAddress]:
        return self._svc.payment_addresses.after(self._network.facts.kind, self._newest, most)

    def _due(self) -> Iterator[_Group]:
        now, older = self._svc.now(), []
        for group in self._groups.values():
            if group.was_given_since(now - NEW):
                yield group
            elif group.read_at is None or group.read_at <= now - IN_TURN:
                older.append(group)
        older.sort(key=lambda group: (group.read_at is not None, group.read_at))
        yield from older[:OLD_AT_ONCE]

    def read(self, group: _Group, head: Head) -> int:
        """At how many addresses of the group something had moved."""
        svc, network = self._svc, self._network
        first = self._first(group, head)
        last = min(head.number, first + MOST_BLOCKS - 1)
        if last < first:
            return 0  # nothing new; or another server of the same provider, which has not come as far yet
        final = min(head.finalized, last)
        found = self._chain.arrivals(group.addresses, first, last)
        changes = svc.transfers.compared(group.name, network, first - 1, found, until=last, final=final)
        now = svc.now()
        # In this order: a mark too many costs a question; a transfer stored without its mark would be told to nobody.
        # It is due only once the job enqueued below had its time: then the sweep finds whatever that job has not done.
        due, newest = now + ASK_AGAIN, max((one.block_number for one in found), default=0)
        moved = svc.payment_addresses.mark(network, changes.addresses, due, newest) if changes.addresses else []
        svc.transfers.store(changes)
        if group.cursor is None or final > group.cursor:
            group.cursor = final
            if changes.has_final or group.saved_at is None or now - group.saved_at >= SAVE_EVERY:
                svc.transfers.advance(group.name, network, final, now)
                group.saved_at = now
        group.read_at = now if last == head.number else group.read_at
        for trade_no in moved:
            svc.queue.enqueue_webhook("tell_of_transfers", trade_no)
        return len(moved)

    def _read_again(self, head: Head) -> int:
        """A part of what a node before this one told of. Returns at how many addresses it had hidden something."""
        svc, network, now = self._svc, self._network, self._svc.now()
        since = svc.receiving.took_over(network, now) if now >= self._again_from else None
        if since is None:
            return 0
        if self._again is None:
            self._again = svc.transfers.read_again(network)
        for group in reversed(self._groups.values()):
            if group.cursor is None or group.oldest is None or group.oldest.made_at > since.in_force_at + CHANGING:
                continue
            done = self._again.get(group.name)
            if done is None or done.since != since.id:
                done = ReadAgain(since.id, self._chain.first_block(group.oldest, head) - 1, group.cursor)
            if done.block < done.until:
                try:
                    return self._part_again(group, done)
                except UpstreamError as error:
                    log.warning("blocks_not_read_again", network=str(network), group=group.name, why=str(error))
                    self._again_from = now + AGAIN_PAUSE
                    return 0
        return 0

    def _part_again(self, group: _Group, done: ReadAgain) -> int:
        svc, network, now = self._svc, self._network, self._svc.now()
        first, last = done.block + 1, min(done.until, done.block + MOST_BLOCKS)
        found = self._chain.told_again(group.addresses, first, last)
        hidden = svc.transfers.unknown(group.name, self._of_their_time(group, found))
        due = now + ASK_AGAIN
        moved = svc.payment_addresses.mark(network, hidden.addresses, due) if hidden.addresses else []
        svc.transfers.store(hidden)
        if moved:
            told = f"{len(hidden.addresses)} address{'es' if len(hidden.addresses) > 1 else ''}"
            log.error("money_was_hidden", network=str(network), group=group.name, addresses=len(hidden.addresses))
            svc.departures.begin_again(group.name, network)
            svc.heartbeats.beat(heartbeats.HIDDEN.format(network), now, is_well=False, detail=told)
        done = replace(done, block=last)
        svc.transfers.save_read_again(group.name, network, done)
        self._again = {**(self._again or {}), group.name: done}
        for trade_no in moved:
            svc.queue.enqueue_webhook("tell_of_transfers", trade_no)
        return len(moved)

    def _of_their_time(self, group: _Group, found: Sequence[Transfer]) -> list[Transfer]:
        """Without what reached an address before it was given out: that is no order's."""
        if not found or group.oldest is None:
            return []
        held = self._svc.payment_addresses.held_in(Group(self._network.facts.kind, group.number, group.oldest))
        given = {one.given.address: one.given for one in held}
        return [one for one in found if one.recipient in given and self._is_of_its_time(one, given[one.recipient])]

    def _is_of_its_time(self, transfer: Transfer, given: PaymentAddress) -> bool:
        if self._network in given.from_blocks:
            return transfer.block_number >= given.from_blocks[self._network]
        at = transfer.block_time or self._chain.block_time(transfer.block_number)
        return at >= given.made_at

    def _first(self, group: _Group, head: Head) -> int:
        if group.cursor is not None:
            return group.cursor + 1
        return self._chain.first_block(group.oldest, head) if group.oldest is not None else head.number


def catch_up(svc: Services, group: Group, network: Network) -> None:
    """Read a group now that is otherwise read in turn. What is more than one reading takes is left to the next. Raises
    UpstreamError."""
    given = sorted((held.given for held in svc.payment_addresses.held_in(group)), key=lambda one: one.index)
    one = _Group(group.name, {each.address for each in given}, newest=given[-1], oldest=given[0])
    one.go_on_from(svc.transfers.cursor(group.name, network))
    ChainWatch(svc, network).read(one, svc.chains[network].head())


def tell_of(svc: Services, trade_no: str) -> None:
    """Something moved at the address that was first given to this order: ask the rails of whoever has had it, and those
    of other networks where something arrived. What cannot be asked now is asked again later."""
    moved = svc.payment_addresses.moved(trade_no)
    if moved is None:
        return
    is_told = [_told(svc, holder) for holder in moved.holders]
    if all(is_told):
        svc.payment_addresses.done(moved)
    else:
        svc.payment_addresses.put_off(trade_no, svc.now() + ASK_AGAIN)


def _told(svc: Services, given: PaymentAddress) -> bool:
    """False if a rail could not be asked."""
    try:
        booking = svc.bookings.get(booking_id_of(given.trade_no))
    except NotFound:
        return True
    order = booking.find_order(given.trade_no)
    if order is not None:
        try:
            if given.since is None:
                booking = _with_orders_of_other_networks(svc, booking, order, given)
            booking = _with_orders_held_back(svc, booking, order, given)
        except UpstreamError as error:
            log.warning("held_back_unread", order=given.trade_no, error=str(error))
            return False
    asked = [
        one
        for one in booking.orders
        if one.trade_no == given.trade_no or _address_of(svc, one.trade_no) == given.address
    ]
    seen = [refreshing.queried(svc, one, SECONDS) for one in asked]
    refreshing.update_answered(svc, booking, [one for one in seen if one is not None])
    return None not in seen


def _address_of(svc: Services, trade_no: str) -> str:
    given = svc.payment_addresses.find(trade_no)
    return "" if given is None else given.address


def _with_orders_of_other_networks(
    svc: Services, booking: Booking, order: PaymentOrder, given: PaymentAddress
) -> Booking:
    """An order of its own for each network other than the one asked for, where more than dust arrived."""
    if not given.network.facts.is_evm:
        return booking
    for network in svc.transfers.networks_of(given.address):
        if network is given.network or not _has_arrived(svc, given, network):
            continue
        now, rail = svc.now(), RailId(network)
        found_on = partial(payment_orders.found_on, rail=rail, beside=order, now=now)
        booking = svc.bookings.change(booking.id, found_on)
        for found in payment_orders.found_beside(booking, order, rail):
            svc.payment_addresses.share(given, found.trade_no, network, now)
    return booking


def _has_arrived(svc: Services, given: PaymentAddress, network: Network) -> bool:
    """More than dust, before the address was given to somebody else."""
    last = given.until
    units = (
        one.units
        for one in svc.transfers.at(given.address, network)
        if not one.is_screened
        if last is None or one.block_time is None or last.is_before(network, one.block_number, one.block_time)
    )
    return sum(units) >= units_of(network, DUST)


def _with_orders_held_back(svc: Services, booking: Booking, order: PaymentOrder, given: PaymentAddress) -> Booking:
    """An order of its own for each transfer that only the owner can say the meaning of. Raises UpstreamError."""
    screened = svc.transfers.networks_of(given.address, screened=True) if svc.screening.is_used else ()
    for network in screened if given.since is None else svc.transfers.networks_of(given.address):
        for transfer, why in svc.chains[network].held_back(given.trade_no, seconds=SECONDS):
            now = svc.now()
            held_back = partial(
                payment_orders.held_back,
                rail=RailId(network),
                beside=order,
                now=now,
                why=why,
                transfer=transfer.name,
            )
            booking = svc.bookings.change(booking.id, held_back)
            for found in booking.orders:
                if found.transfer == transfer.name:
                    svc.payment_addresses.share(given, found.trade_no, network, now, transfer=transfer.name)
    return booking
