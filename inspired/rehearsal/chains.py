"""The words for what happens on the stand-in's chains, to money and to the nodes that tell of it.

No block comes by itself: time brings one, so that a network's clock follows the drill's, and what has to be final is
made final by the script.
"""

from dataclasses import replace
from typing import Any

from inspired.adapters.crypto import chain_addresses
from inspired.adapters.mongo.receiving import BY_COMMAND, NodeAddress
from inspired.adapters.mongo.rehearsals import altered
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.rails import CAPABILITIES, RailId
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import CURRENCY, Network, money_of
from inspired.flows.booking.chain_watching import ChainWatch
from inspired.flows.site import sandbox_chains
from inspired.rehearsal.stage import Stage
from inspired.services import Services


class Chains:
    """All three networks, on each of which the owner receives. `is_watched`: whether the watcher runs."""

    def __init__(self, stage: Stage, svc: Services) -> None:
        self._stage = stage
        self._svc = svc
        self._sandbox = stage.sandbox
        self._watches = {network: ChainWatch(svc, network) for network in Network}
        self._ours: set[str] = set()
        self.is_watched = True
        self._sandbox.control("settings", {f"{network.lower()}_speed_up": 0 for network in Network})
        sandbox_chains.receive(svc, self._sandbox.url)
        self.time_has_passed()

    # --- money ------------------------------------------------------------------------------------------------------

    def address_of(self, booking: Booking) -> str:
        """Where the newest order that has one is paid."""
        orders = self._svc.bookings.get(booking.id).orders
        found = next(order.checkout.qr_content for order in reversed(orders) if order.checkout is not None)
        self._ours.add(found)
        return found

    def send(
        self,
        booking: Booking,
        amount: str = "75",
        *,
        network: Network = Network.TRC20,
        of: str = CURRENCY,
        to: str = "",
        sender: str = "",
    ) -> str:
        """`amount` of USDT, or of the token `of`, to the booking's address, or to this one. It is in a block at once.
        Answers the transaction's hash."""
        body = {"to": to or self.address_of(booking), "amount": amount, "token": of}
        body |= {"from": sender} if sender else {}
        return str(self._told(network, "send", body)["txHash"])

    def send_back(self, booking: Booking, to: str, amount: str = "75") -> str:
        """As the owner does, from a wallet that has the keys of all addresses: from the booking's own. On TRON."""
        body = {"to": to, "amount": amount, "from": self.address_of(booking)}
        return str(self._told(Network.TRC20, "send", body)["txHash"])

    def finalize(self, *networks: Network) -> None:
        """Everything there is so far can no longer be taken back."""
        for network in networks or (Network.TRC20,):
            self._told(network, "finalize")

    def reorganise(self, *, depth: int, drop: tuple[str, ...] = (), network: Network = Network.TRC20) -> None:
        """The newest blocks are replaced by others. These transactions are gone; all others move to another block."""
        self._told(network, "reorg", {"depth": depth, "drop": list(drop)})

    def alter_address(self, booking: Booking, instead: str) -> None:
        """As somebody does who can write to the database and has no key: another address, wherever the booking's own
        one stands."""
        booking = self._svc.bookings.get(booking.id)
        orders = [
            replace(one, checkout=replace(one.checkout, qr_content=instead, prepay_id=instead))
            for one in booking.orders
            if one.checkout is not None
        ]
        self._svc.bookings.file(replace(booking, orders=tuple(orders)))
        stored = chain_addresses.parsed(Network.TRC20, instead)
        settings = self._svc.settings
        uri, name = settings.mongodb_uri.get_secret_value(), settings.mongodb_database
        for one in orders:
            altered(uri, name, "payment_addresses", one.trade_no, {"address": stored}, seconds=5.0)

    # --- nodes ------------------------------------------------------------------------------------------------------

    def break_node(self, fault: str, times: int = 1_000, *, network: Network = Network.TRC20, node: int = 1) -> None:
        self._told(network, "faults", {"fault": fault, "times": times, "node": node})

    def set_second_node(self, network: Network = Network.TRC20) -> None:
        """From now on two nodes of the network have to agree."""
        now, path = self._svc.now(), f"{self._sandbox.url}/chains/{network}"
        nodes = (NodeAddress(f"{path}/jsonrpc"), NodeAddress(f"{path}/nodes/2/jsonrpc"))
        self._svc.receiving.set_nodes(network, nodes, now, by=BY_COMMAND, in_force_at=now)

    def replace_node(self, network: Network = Network.TRC20) -> None:
        """From now on the second node is asked, and no other."""
        now, node = self._svc.now(), NodeAddress(f"{self._sandbox.url}/chains/{network}/nodes/2/jsonrpc")
        self._svc.receiving.set_nodes(network, (node,), now, by=BY_COMMAND, in_force_at=now)

    # --- time, and our watcher --------------------------------------------------------------------------------------

    def time_has_passed(self) -> None:
        for network in Network:
            self._told(network, "mine", {"blocks": 1})

    def watch(self) -> None:
        """One round of each network's watcher, if it runs."""
        if not self.is_watched:
            return
        for watch in self._watches.values():
            watch.turn()

    def restart_watcher(self) -> None:
        """It knows nothing but what is in the database."""
        self.is_watched = True
        self._watches = {network: ChainWatch(self._svc, network) for network in Network}

    # --- what must be true in the end -------------------------------------------------------------------------------

    def lies_there(self) -> dict[str, Money]:
        """What the stand-in has at the bookings' addresses, by the account of our books that should hold it."""
        there: dict[str, Money] = {}
        for network in Network:
            account = CAPABILITIES[RailId(network)].account
            for one in self._sandbox.control(f"chains/{network}/transfers"):
                money = money_of(network, int(one["units"]))
                if one["token"] == CURRENCY and one["to"] in self._ours:
                    there[account] = there.get(account, Money.parse("0")) + money
                if one["token"] == CURRENCY and one["from"] in self._ours:
                    there[account] = there.get(account, Money.parse("0")) - money
        return {account: money for account, money in there.items() if not money.is_nothing}

    def _told(self, network: Network, what: str, body: dict[str, Any] | None = None) -> Any:
        return self._sandbox.control(f"chains/{network}/{what}", body or {})
