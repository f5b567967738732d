"""Refunds that the owner has sent from a wallet are found without anybody entering their transactions.

Only while a refund waits for the wallet and the owner has named wallets, and the less often the longer it waits. Each
is looked for from the block up to which that was done; a block counts as read once it is final and what it has is
settled.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

import structlog

from inspired.adapters.crypto import chain_addresses
from inspired.adapters.mongo.refund_searches import Search
from inspired.domain.booking import wallet_refunds as rules
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.search_index import Wanted
from inspired.domain.booking.states import Flag
from inspired.domain.shared.errors import Conflict, UpstreamError
from inspired.domain.shared.networks import Network
from inspired.flows.booking import wallet_refunds
from inspired.flows.booking.wallet_refunds import ToSend
from inspired.services import Services

EVERY = timedelta(minutes=2)
DAY, WEEK = timedelta(days=1), timedelta(days=7)
SELDOM, RARELY = timedelta(minutes=15), timedelta(hours=1)  # after a day, and after a week
MOST = 200  # bookings that need the owner
MOST_BLOCKS = 50_000  # of one network at once
SECONDS = 10.0  # for one reading
LONGEST = 30.0  # seconds for all of them
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Awaited:
    """A refund that the owner may have sent. `name`: of its search, another one for each address; `since`: nobody knew
    the address before."""

    booking: Booking
    wanted: ToSend
    name: str
    address: str
    since: datetime


def sweep(svc: Services) -> None:
    """Enqueue the next search when it is due."""
    now = svc.now()
    if any(wallet_refunds.named_wallets(svc, network) for network in Network) and svc.refund_searches.take(
        now, now + EVERY
    ):
        svc.queue.enqueue_mail("find_refunds")


def look(svc: Services) -> int:
    """Returns how many were found. A network whose node does not answer is left to the next time."""
    end, found = time.monotonic() + LONGEST, 0
    awaited = list(_awaited(svc))
    svc.refund_searches.keep({one.name for one in awaited})
    searches = svc.refund_searches.all() if awaited else {}
    for network in Network:
        here = [one for one in awaited if one.wanted.network is network]
        try:
            found += _found_on(svc, network, here, searches, end)
        except UpstreamError as error:
            log.warning("refunds_not_looked_for", network=str(network), why=str(error))
    return found


def _awaited(svc: Services) -> Iterator[_Awaited]:
    """Those that an owner could send now: others are looked for once they can be."""
    for booking in svc.lists.each(Wanted(flag=Flag.NEEDS_OWNER), svc.now(), most=MOST):
        for refund in booking.refunds:
            network = rules.network_of(booking, refund) if refund.waits_for_wallet else None
            if network is None or not wallet_refunds.named_wallets(svc, network):
                continue
            try:
                wanted = wallet_refunds.to_send(svc, booking, refund.id, who="")
            except Conflict:
                continue
            address = booking.refund_address(network)
            if address is not None and address.confirmed_at is not None:
                to = chain_addresses.parsed(network, wanted.address)
                yield _Awaited(booking, wanted, f"{refund.id}/{address.number}", to, address.confirmed_at)


def _found_on(
    svc: Services, network: Network, awaited: Sequence[_Awaited], searches: Mapping[str, Search], end: float
) -> int:
    now, wallets = svc.now(), _fingerprint(svc, network)

    def read_up_to(one: _Awaited) -> int:
        search = searches.get(one.name)
        # A wallet that was named since may have sent it before.
        return search.block if search is not None and search.wallets == wallets else -1

    def is_due(one: _Awaited) -> bool:
        search = searches.get(one.name)
        return search is None or search.at is None or read_up_to(one) < 0 or search.at + _pause(now - one.since) <= now

    found = 0
    due = sorted(filter(is_due, awaited), key=lambda one: (read_up_to(one), one.since))
    for after, same in groupby(due, key=read_up_to):
        together = list(same)
        if time.monotonic() >= end:
            return found
        read = svc.chains[network].looked_through(
            {one.address for one in together},
            after=after,
            since=min(one.since for one in together),
            most=MOST_BLOCKS,
            seconds=SECONDS,
        )
        for one in together:
            to_it = [transfer for transfer in read.transfers if transfer.recipient == one.address]
            try:
                found += wallet_refunds.settled_by(svc, one.booking, one.wanted, to_it) is not None
            except Conflict:
                continue  # changed meanwhile: the next time finds what is to be looked for then
            reached = max(after, min(read.until, read.head.finalized))
            at = now if read.until >= read.head.number else None
            svc.refund_searches.save(one.name, Search(reached, wallets, at))
    return found


def _pause(waits: timedelta) -> timedelta:
    return EVERY if waits < DAY else SELDOM if waits < WEEK else RARELY


def _fingerprint(svc: Services, network: Network) -> str:
    return svc.vault.fingerprint("refund-wallets", " ".join(sorted(wallet_refunds.named_wallets(svc, network))))
