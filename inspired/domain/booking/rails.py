"""Payment rails: the ways a payment order can be paid, and what each can do. Pure.

Rules ask for these capabilities; none of them names a provider. The adapters that call the providers implement
`adapters/providers/rail.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from inspired.domain.shared.networks import Network


class RailId(StrEnum):
    """Binance Pay, or USDT sent to an address of the booking's own on one of the networks."""

    BINANCE_PAY = "binance_pay"
    TRC20 = "TRC20"
    BEP20 = "BEP20"
    ERC20 = "ERC20"


USUAL = RailId.BINANCE_PAY  # of an order for which no other was chosen


@dataclass(frozen=True, slots=True)
class Capabilities:
    """`name` is the rail's, `provider` who answers for it; refusals and stored differences name them, and every other
    sentence is in `domain/sentences/rails`. Both begin with a capital letter, since sentences begin with them.

    `account`: the ledger account that holds what was paid. `wallet`: the account of the owner's wallet, where what was
    swept goes and refunds come from; empty where refunds leave by the rail. `network`: where it is paid on chain; None
    elsewhere. `minutes`: how long a payment usually takes until it is final, from and to.

    `is_final_at_once`: money that was seen stays. Otherwise it is seen before it is final and may be taken back until
    then; `longest_wait` is for how long it keeps its call after the time to pay. `takes_more`: more money for the same
    order may follow. `sends_refunds`: otherwise the owner sends them from a wallet. `last_takes_all`: the last refund
    it allows of an order returns everything left, whatever amount is asked for.
    """

    name: str
    provider: str
    account: str
    longest_order: timedelta
    minutes: tuple[int, int]
    network: Network | None = None
    is_final_at_once: bool = True
    takes_more: bool = False
    longest_wait: timedelta = timedelta()
    sends_refunds: bool = True
    last_takes_all: bool = False
    wallet: str = ""

    @property
    def refunds_leave(self) -> str:
        """The ledger account that refunds are paid from."""
        return self.wallet or self.account


def _on_chain(network: Network, *, longest_wait: timedelta) -> Capabilities:
    return Capabilities(
        name=f"USDT on {network.facts.name}",
        provider=network.facts.name,
        account=network.lower(),
        longest_order=timedelta(hours=12),
        minutes=network.facts.minutes,
        network=network,
        is_final_at_once=False,
        takes_more=True,
        longest_wait=longest_wait,
        sends_refunds=False,
        wallet=f"{network.lower()}_wallet",
    )


CAPABILITIES: Mapping[RailId, Capabilities] = {
    # https://developers.binance.com/docs/binance-pay/api-order-create-v2 (orderExpireTime; whether v3 allows more is
    # uncertain) · …/api-order-refund (remainingAttempts)
    RailId.BINANCE_PAY: Capabilities(
        name="Binance Pay",
        provider="Binance",
        account="binance",
        longest_order=timedelta(hours=1),
        minutes=(0, 1),
        last_takes_all=True,
    ),
    RailId.TRC20: _on_chain(Network.TRC20, longest_wait=timedelta(minutes=30)),
    RailId.BEP20: _on_chain(Network.BEP20, longest_wait=timedelta(minutes=30)),
    RailId.ERC20: _on_chain(Network.ERC20, longest_wait=timedelta(minutes=60)),
}


class Method(StrEnum):
    """How a customer chooses to pay."""

    BINANCE_PAY = "binance_pay"
    ON_CHAIN = "onchain"


def method_of(rail: RailId) -> Method:
    return Method.BINANCE_PAY if rail is RailId.BINANCE_PAY else Method.ON_CHAIN


def rail_for(method: Method, network: Network | None) -> RailId:
    """On chain TRON, unless another network is named; elsewhere a network has no effect."""
    return RailId.BINANCE_PAY if method is Method.BINANCE_PAY else RailId(network or Network.TRC20)


ON_CHAIN = tuple(rail for rail, able in CAPABILITIES.items() if able.network is not None)
