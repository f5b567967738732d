"""Receiving USDT on the stand-in's chains: for one's own machine, and for drills. No real money."""

from inspired.adapters.mongo.receiving import WALLETS, NodeAddress
from inspired.domain.shared.networks import Kind, Network
from inspired.flows.site import receiving
from inspired.services import Services

# The account keys of the recovery phrase that every wallet's tests use, so that nobody takes them for real ones.
PUBLIC_ACCOUNTS = {
    Kind.EVM: "xpub6Ce9NcJvTk36xtLSrJLZqE7wtgA5deCeYs7rSQtreh4cj6ByPtrg9"
    "sD7V2FNFLPnf8heNP3FGkeV9qwfzvZNSd54JoNXVsXFYSYwHsnJxqP",
    Kind.TRON: "xpub6BuRy7ZmkGfP2RWhoor1kWB1w9DvrtmJbFBvnC1bQ4SB5NbCHTyQY"
    "CJSXZtxDbFyHTmC7wkU2he3nYYdpZ3Vf6qUAkXSnL6RPif4BDtDEKr",
}
# A wallet of nobody's. On the stand-in's chains it can send, so that refunds can be tried without waiting for a day.
OWNERS_WALLET = "0x" + "ca" * 20


def receive(svc: Services, sandbox: str) -> None:
    """On all networks, from now on. `sandbox` is the stand-in's address. Raises ValueError outside the sandbox:
    everybody can spend what these keys receive."""
    if not svc.settings.is_sandbox:
        raise ValueError("only in the sandbox: everybody can spend what these keys receive")
    for kind, text in PUBLIC_ACCOUNTS.items():
        there = {
            network: NodeAddress(f"{sandbox.rstrip('/')}/chains/{network}/jsonrpc")
            for network in Network
            if network.facts.kind is kind
        }
        receiving.receive_at_once(svc, kind, text, there)
        if not svc.receiving.register(WALLETS[kind]).entries:
            receiving.name_wallets_at_once(svc, kind, [OWNERS_WALLET])
