"""The wallet of a customer, for people: send, and see what becomes of it. It works without scripts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, abort, redirect, render_template, request
from flask.typing import ResponseReturnValue

from . import control, nodes
from .chain import NotPossible
from .networks import NETWORKS
from .nodes import Chains

SHOWN = 50


def build(chains: Chains) -> Blueprint:
    wallet = Wallet(chains)
    bp = Blueprint("wallet", __name__)
    bp.add_url_rule("/wallet", "start", wallet.start)
    bp.add_url_rule("/wallet/<network>", "show", wallet.show)
    bp.add_url_rule("/wallet/<network>/<action>", "act", wallet.act, methods=["POST"])
    return bp


class Wallet:
    """One page for each network. The same functions as the control API."""

    def __init__(self, chains: Chains) -> None:
        self._chains = chains

    def start(self) -> ResponseReturnValue:
        """Also with the address and amount of a payment in the link: `?network=TRC20&to=T…&amount=75`."""
        network = request.args.get("network", "TRC20")
        return self.show(network if network in NETWORKS else "TRC20")

    def show(self, network: str, problem: str | None = None, status: int = 200) -> ResponseReturnValue:
        chain = self._chains.chains.get(network) or abort(404)
        head = chain.head()
        return render_template(
            "wallet.html", networks=NETWORKS.values(), network=chain.network, head=head, final=chain.final(head),
            transfers=control.transfers(chain, SHOWN)[-SHOWN:][::-1], faults=nodes.FAULTS,
            armed=self._chains.nodes[network, 1].armed(), problem=problem, values=request.values,
        ), status  # fmt: skip

    def act(self, network: str, action: str) -> ResponseReturnValue:
        chain, node = self._chains.chains.get(network) or abort(404), self._chains.nodes[network, 1]
        actions: dict[str, Callable[[], Any]] = {
            "send": lambda: control.send(chain, _sent()),
            "mine": lambda: chain.mine(_number("blocks")),
            "finalize": lambda: control.finalize(chain),
            "reorg": lambda: chain.reorganise(_number("depth"), request.form.getlist("drop")),
            "fault": lambda: node.arm(request.form.get("fault"), _number("times")),
            "disarm": node.clear,
        }
        do = actions.get(action)
        if not do:
            abort(404)
        try:
            do()
        except NotPossible as no:
            return self.show(network, str(no), 422)
        return redirect(f"/wallet/{network}", 303)


def _sent() -> dict[str, Any]:
    """What is in the form; who pays is left out where nobody is named."""
    form = request.form
    sent = {name: form.get(name, "").strip() for name in ("to", "amount", "token", "from")}
    return {name: value for name, value in sent.items() if value or name in ("to", "amount")}


def _number(name: str) -> int:
    value = request.form.get(name, "")
    if not value.isdecimal() or len(value) > 9:
        raise NotPossible(f"{name} must be a whole number.")
    return int(value)
