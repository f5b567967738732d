"""What lies at which address on chain, as the last comparison saw it. No node is asked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from inspired.adapters.crypto import chain_addresses
from inspired.adapters.crypto.account_keys import AccountKey
from inspired.adapters.crypto.vault import CannotDecrypt
from inspired.adapters.mongo.chain_books import ChainBalance
from inspired.adapters.mongo.payment_addresses import PaymentAddress
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import CURRENCY, Network, money_of
from inspired.services import Services

LISTED, UNKNOWN = "from your list", "unknown"


@dataclass(frozen=True, slots=True)
class FundedAddress:
    """`address`: as wallets show it. `path`: its derivation path, or that it came from a list. `told`: what differs."""

    network: Network
    address: str
    path: str
    balance: Money
    given_at: datetime | None
    moved_at: datetime
    looked_at: datetime
    told: str


def funded(svc: Services) -> list[FundedAddress]:
    """Addresses that hold something, the most first."""
    found = [one for one in _described(svc, svc.chain_balances.funded()) if not one.balance.is_nothing]
    return sorted(found, key=lambda one: (-one.balance.amount, one.network, one.address))


def differing(svc: Services) -> list[FundedAddress]:
    return _described(svc, svc.chain_balances.differing())


def sums(addresses: Iterable[FundedAddress]) -> list[tuple[Network, int, Money]]:
    """For each network where something lies: at how many addresses, and how much."""
    found: dict[Network, list[Decimal]] = {}
    for one in addresses:
        found.setdefault(one.network, []).append(one.balance.amount)
    return [
        (network, len(found[network]), Money(sum(found[network], Decimal(0)), CURRENCY))
        for network in Network
        if network in found
    ]


def _described(svc: Services, balances: Sequence[ChainBalance]) -> list[FundedAddress]:
    given = svc.payment_addresses.given_to([one.trade_no for one in balances])
    paths: dict[str, str] = {}
    for trade_no, address in given.items():
        paths[trade_no] = _path(svc, address)
    return [
        FundedAddress(
            network=one.network,
            address=chain_addresses.shown(one.network, one.address),
            path=paths.get(one.trade_no, UNKNOWN),
            balance=money_of(one.network, one.units),
            given_at=given[one.trade_no].made_at if one.trade_no in given else None,
            moved_at=one.moved_at,
            looked_at=one.at,
            told=one.told,
        )
        for one in balances
    ]


def _path(svc: Services, given: PaymentAddress) -> str:
    try:
        source = svc.receiving.source_called(given.network.facts.kind, given.source, svc.now())
    except CannotDecrypt:
        source = None
    if source is None:
        return UNKNOWN
    return source.given_by.path(given.number) if isinstance(source.given_by, AccountKey) else LISTED
