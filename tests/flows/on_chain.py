"""Steps of tests about money on chain: a network's strings, a booking that was paid there, and its refund."""

from typing import Any

from inspired.adapters.crypto.chain_addresses import shown
from inspired.adapters.mongo.receiving import NodeAddress
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.refunds import AllOfIt, PartOfIt
from inspired.domain.booking.states import State
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Kind, Network
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import payment, refreshing, refunding, wallet_refunds
from inspired.flows.booking.booking import Customer
from inspired.flows.site import receiving
from inspired.services import Services
from tests.adapters.crypto.test_account_keys import XPUB_EVM, XPUB_TRON
from tests.flows.steps import free_calls
from tests.harness import Servers

THEIRS, OTHERS, WALLET, STRANGER = ("0x" + letter * 40 for letter in "abde")


def receive_on_chain(svc: Services, sandbox: Servers) -> None:
    """The owner receives on all three, and has named one wallet. Blocks come when a test mines them."""
    sandbox.control("settings", {f"{network.lower()}_speed_up": 0 for network in Network})
    for kind, key in ((Kind.EVM, XPUB_EVM), (Kind.TRON, XPUB_TRON)):
        nodes = {
            network: NodeAddress(f"{sandbox.sandbox}/chains/{network}/jsonrpc")
            for network in Network
            if network.facts.kind is kind
        }
        receiving.receive_at_once(svc, kind, key, nodes)
        receiving.name_wallets_at_once(svc, kind, [WALLET])


class Chain:
    """One network's strings."""

    def __init__(self, sandbox: Servers, network: Network) -> None:
        self.sandbox, self.network = sandbox, network

    def _control(self, what: str, body: dict[str, Any]) -> Any:
        return self.sandbox.control(f"chains/{self.network}/{what}", body)

    def send(self, to: str, amount: str, *, sender: str = WALLET, **more: Any) -> str:
        body = {"to": shown(self.network, to), "amount": amount, "from": shown(self.network, sender), **more}
        return str(self._control("send", body)["txHash"])

    def finalize(self) -> None:
        self._control("finalize", {})

    def reorganise(self, depth: int, *drop: str) -> None:
        self._control("reorg", {"depth": depth, "drop": list(drop)})

    def mine(self, blocks: int) -> None:
        self._control("mine", {"blocks": blocks})

    def breaks(self, fault: str) -> None:
        self._control("faults", {"fault": fault, "times": 1000})


def paid(svc: Services, chain: Chain, amount: str = "75", *, call: int = 0) -> Booking:
    """A booking to whose address so much was sent, for good, from the address of somebody else."""
    span, rail = free_calls(svc)[call], RailId(chain.network)
    booking = booking_flow.hold_time(
        svc,
        svc.catalogue.type("portfolio-review"),
        span.start,
        "Europe/Berlin",
        Customer("ann@example.com", "Ann Example", "203.0.113.7"),
        rail=rail,
        network=str(chain.network),
        token=svc.new_token(),
    )
    booking = payment.open_held_order(svc, booking, seconds=2.0)
    assert booking.order is not None
    assert booking.order.checkout is not None
    given = svc.payment_addresses.find(booking.order.trade_no)
    assert given is not None
    chain.send(given.address, amount, sender=STRANGER)
    chain.finalize()
    booking = refreshing.refresh(svc, booking.id)
    assert booking.state is State.CONFIRMED
    return booking


def refunded(svc: Services, booking: Booking, amount: str | None = None, **how: Any) -> Booking:
    wanted = AllOfIt() if amount is None else PartOfIt(Money.parse(amount))
    given = {"cancels": amount is None, "note": "as agreed", "request": svc.new_token(), "seen": None, **how}
    refunding.refund(svc, booking.id, wanted, **given)
    return refreshing.refresh(svc, booking.id)


def named(svc: Services, booking: Booking, chain: Chain, address: str = THEIRS) -> Booking:
    return wallet_refunds.name_address(svc, booking.token, chain.network, shown(chain.network, address))


def secret_of(svc: Services, booking: Booking, chain: Chain) -> str:
    address = booking.refund_address(chain.network)
    assert address is not None
    return wallet_refunds.secret_of(svc, booking, address)


def confirmed(svc: Services, booking: Booking, chain: Chain, address: str = THEIRS) -> Booking:
    booking = named(svc, booking, chain, address)
    return wallet_refunds.confirm_address(svc, booking.token, chain.network, secret_of(svc, booking, chain))


def ready(svc: Services, chain: Chain, amount: str = "75", **how: Any) -> Booking:
    """A refund of everything that waits for the owner's wallet."""
    return confirmed(svc, refunded(svc, paid(svc, chain, amount, **how)), chain)
