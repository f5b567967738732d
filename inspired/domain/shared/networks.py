"""The three networks on which USDT is taken, and what a transfer on one of them is.

A network's facts are pinned here, as hosts are elsewhere: no setting and no node can change which token counts.

Sources: USDT's contracts and decimals from Tether's list and the token lists of Uniswap; chain ids from
https://chainlist.org and, for TRON, the last four bytes of its genesis block's hash (java-tron, `ethChainId`); BNB
Chain's block time from BEP-619; finality from the rules of each network (Ethereum: two epochs; BNB Chain: BEP-126;
TRON: 19 of 27 producers).
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from inspired.domain.shared.money import Money

CURRENCY = "USDT"
DUST = Money.parse("0.01")  # less than this pays for nothing, and is told to nobody
MONEY_PLACES = 8  # of `Money`


class Network(StrEnum):
    """Named by the token's standard, as exchanges and wallets name it when sending."""

    TRC20 = "TRC20"
    BEP20 = "BEP20"
    ERC20 = "ERC20"

    @property
    def facts(self) -> "Facts":
        return FACTS[self]


class Kind(StrEnum):
    """Networks of one kind share addresses and keys: an EVM address is the same on Ethereum and BNB Chain."""

    EVM = "EVM"
    TRON = "TRON"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is pinned about a network.

    `name`: what customers call it. `usdt`: USDT's contract, 20 bytes as lower-case hex with 0x. `decimals`: places of
    one USDT, so that 1 USDT is 10**decimals raw units. `minutes`: how long a transfer usually takes until it is final,
    from and to.
    """

    name: str
    kind: Kind
    chain_id: int
    usdt: str
    decimals: int
    block_seconds: Decimal
    minutes: tuple[int, int]

    @property
    def is_evm(self) -> bool:
        return self.kind is Kind.EVM


FACTS = {
    Network.TRC20: Facts(
        name="TRON",
        kind=Kind.TRON,
        chain_id=728126428,
        usdt="0xa614f803b6fd780986a42c78ec9c7f77e6ded13c",
        decimals=6,
        block_seconds=Decimal(3),
        minutes=(1, 2),
    ),
    Network.BEP20: Facts(
        name="BNB Chain",
        kind=Kind.EVM,
        chain_id=56,
        usdt="0x55d398326f99059ff775485246999027b3197955",
        decimals=18,
        block_seconds=Decimal("0.45"),
        minutes=(1, 1),
    ),
    Network.ERC20: Facts(
        name="Ethereum",
        kind=Kind.EVM,
        chain_id=1,
        usdt="0xdac17f958d2ee523a2206206994597c13d831ec7",
        decimals=6,
        block_seconds=Decimal(12),
        minutes=(13, 20),
    ),
}


@dataclass(frozen=True, slots=True)
class Transfer:
    """USDT that moved, as one log of one block says it.

    Hashes are 32 bytes and addresses 20 bytes, as lower-case hex with 0x. `units` are raw units, more than 0. Nodes
    need not tell `block_time`. `sender` is often an exchange's wallet: it never says who paid, and nothing is refunded
    to it. Until its block is final a transfer is known by (network, block_hash, log_index), for another block may
    take it in at another place; from then on by (network, tx_hash, log_index). `is_screened`: its sender was on the
    owner's screening list when it was read.
    """

    network: Network
    block_number: int
    block_hash: str
    block_time: datetime | None
    tx_hash: str
    log_index: int
    sender: str
    recipient: str
    units: int
    is_screened: bool = False

    @property
    def money(self) -> Money:
        return money_of(self.network, self.units)

    @property
    def name(self) -> str:
        """What it is known by once it is final."""
        return f"{self.network}:{self.tx_hash}:{self.log_index}"


@dataclass(frozen=True, slots=True)
class Block:
    """`hash`: 32 bytes as lower-case hex with 0x. `time` is in UTC, to the second."""

    number: int
    hash: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Head:
    """A network's newest block, and the number of the newest one that can no longer be replaced."""

    number: int
    hash: str
    time: datetime
    finalized: int


def money_of(network: Network, units: int) -> Money:
    """Raw units as money, rounded down to eight places: 1 unit on BNB Chain is nothing. Raises ValueError below zero,
    and from 10**12 USDT on, which is more than there are."""
    if units < 0:
        raise ValueError("raw units are never negative")
    # Whole numbers all the way: Decimal's own arithmetic rounds silently beyond 28 digits.
    smallest = units * 10**MONEY_PLACES // 10**network.facts.decimals
    whole, places = divmod(smallest, 10**MONEY_PLACES)
    return Money(Decimal(f"{whole}.{places:0{MONEY_PLACES}d}"), CURRENCY)


def units_of(network: Network, money: Money) -> int:
    """Money as raw units, exactly. Raises ValueError if it is below zero, no USDT, or finer than the token's units."""
    if money.currency != CURRENCY:
        raise ValueError(f"{money.currency} is not {CURRENCY}")
    numerator, denominator = money.amount.as_integer_ratio()
    one: int = 10**network.facts.decimals
    units, rest = divmod(numerator * one, denominator)
    if units < 0:
        raise ValueError("an amount on chain is never negative")
    if rest:
        raise ValueError(f"{network.facts.name} has only {network.facts.decimals} decimal places")
    return units
