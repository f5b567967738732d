"""The control API of the chains: what tests and the page can do. All JSON, below /control/chains/<network>.

    POST send       {to, amount, token, from, also}: a transfer, mined at once → {txHash, block}
    POST mine       {blocks}: empty ones → {block, final}: the newest block and the newest final one
    POST finalize   blocks until what is newest now is final → {block, final}
    POST reorg      {depth, drop: [txHash]} → {first, block, dropped: [txHash], moved: [{txHash, block}]}
    POST faults     {fault, times, node}: see `nodes`; GET shows what is armed, DELETE disarms
    GET  transfers  oldest first
    GET  calls      `?node=2`: the last requests to a node, oldest first

`amount` is a decimal number as text, `token` USDT or FAKE, `from` an exchange's wallet if nobody is named. `also` is a
list of further transfers of the same transaction, each `{to, amount, token, from}`. Addresses are as people write them.
What cannot be done is answered with 422 and `{"error": a sentence}`, an unknown network with 404.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from .. import wire
from . import addresses, nodes
from .chain import Chain, NotPossible, Transfer
from .contracts import logs_of
from .networks import Network, Token
from .nodes import Chains, Node

MOST_TRANSFERS = 1_000
_LARGEST = 2**256 - 1
_TRANSFER_FIELDS = ("to", "amount", "token", "from")


def build(chains: Chains) -> Blueprint:
    control = Control(chains)
    bp = Blueprint("chain_control", __name__, url_prefix="/control/chains/<network>")
    rules: dict[str, dict[str, Callable[..., ResponseReturnValue]]] = {
        "/send": {"POST": control.send},
        "/mine": {"POST": control.mine},
        "/finalize": {"POST": control.finalize},
        "/reorg": {"POST": control.reorganise},
        "/faults": {"GET": control.armed, "POST": control.arm, "DELETE": control.disarm},
        "/transfers": {"GET": control.transfers},
        "/calls": {"GET": control.calls},
    }
    for rule, methods in rules.items():
        for method, view in methods.items():
            bp.add_url_rule(rule, f"{method}{rule}", view, methods=[method])
    bp.register_error_handler(NotPossible, lambda no: ({"error": str(no)}, 422))
    bp.register_error_handler(NoNetwork, lambda _: ({"error": "The networks are TRC20, BEP20 and ERC20."}, 404))
    return bp


class NoNetwork(Exception):
    pass


class Control:
    def __init__(self, chains: Chains) -> None:
        self._chains = chains

    def send(self, network: str) -> ResponseReturnValue:
        chain, body = self._chain(network), _body(*_TRANSFER_FIELDS, "also")
        return send(chain, body)

    def mine(self, network: str) -> ResponseReturnValue:
        chain, blocks = self._chain(network), _body("blocks").get("blocks", 1)
        chain.mine(_whole("blocks", blocks))
        return _heights(chain)

    def finalize(self, network: str) -> ResponseReturnValue:
        chain = self._chain(network)
        _body()
        finalize(chain)
        return _heights(chain)

    def reorganise(self, network: str) -> ResponseReturnValue:
        chain, body = self._chain(network), _body("depth", "drop")
        drop = body.get("drop", [])
        if not isinstance(drop, list) or not all(isinstance(one, str) for one in drop):
            raise NotPossible("drop must be a list of transaction hashes.")
        done = chain.reorganise(_whole("depth", body.get("depth")), [one.lower() for one in drop])
        return {
            "first": done.first, "block": chain.head(), "dropped": done.dropped,
            "moved": [{"txHash": one.hash, "block": one.block} for one in done.moved],
        }  # fmt: skip

    def armed(self, network: str) -> ResponseReturnValue:
        self._chain(network)
        return [{"node": number, **fault} for number in nodes.NODES for fault in self._node(network, number).armed()]

    def arm(self, network: str) -> ResponseReturnValue:
        self._chain(network)
        body = _body("fault", "times", "node")
        self._node(network, body.get("node", 1)).arm(body.get("fault"), _whole("times", body.get("times", 1)))
        return self.armed(network)

    def disarm(self, network: str) -> ResponseReturnValue:
        self._chain(network)
        for number in nodes.NODES:
            self._node(network, number).clear()
        return []

    def transfers(self, network: str) -> ResponseReturnValue:
        return transfers(self._chain(network))

    def calls(self, network: str) -> ResponseReturnValue:
        self._chain(network)
        return list(self._node(network, request.args.get("node", default=1, type=int)).calls)

    def _chain(self, network: str) -> Chain:
        chain = self._chains.chains.get(network)
        if not chain:
            raise NoNetwork
        return chain

    def _node(self, network: str, number: object) -> Node:
        node = next((one for key, one in self._chains.nodes.items() if key == (network, number)), None)
        if not node:
            raise NotPossible(f"node must be one of {', '.join(map(str, nodes.NODES))}.")
        return node


def send(chain: Chain, body: dict[str, Any]) -> dict[str, Any]:
    """What `POST send` does; NotPossible says what is wrong with the body."""
    also = body.get("also", [])
    if not isinstance(also, list) or len(also) >= MOST_TRANSFERS:
        raise NotPossible(f"also must be a list of at most {MOST_TRANSFERS - 1} transfers.")
    wishes = [{name: value for name, value in body.items() if name != "also"}, *also]
    made = [_transfer(chain.network, wish) for wish in wishes]
    first, network = made[0], chain.network
    # Nobody gives an allowance here: money is moved by its owner, and nothing at all by whoever wants to.
    caller = first.sender if first.units else network.wallet("somebody")
    contract = first.token if len(made) == 1 else network.wallet("contract that pays many")
    one = chain.send(made, caller, contract)
    return {"txHash": one.hash, "block": one.block}


def finalize(chain: Chain) -> None:
    chain.mine(chain.network.final_depth)


def transfers(chain: Chain, blocks: int = 0) -> list[dict[str, Any]]:
    """All that were sent by `send` and are in a block, oldest first; or those of so many of the newest such blocks."""
    head, tron = chain.head(), chain.network.is_tron
    shown = []
    for block in chain.blocks_with_transactions(0, head)[-blocks:]:
        for log in logs_of(block):
            if log.transaction.stranger:
                continue
            token = chain.network.token_at(log.address)
            sender, to = (addresses.shown(f"0x{topic[-40:]}", tron) for topic in log.topics[1:])
            shown.append({
                "txHash": log.transaction.hash, "block": block.number, "blockHash": block.hash, "logIndex": log.index,
                "token": "USDT" if token == chain.network.usdt else "FAKE",
                "contract": addresses.shown(log.address, tron), "from": sender, "to": to,
                "amount": amount_text(log.units, token.decimals if token else 0), "units": str(log.units),
                "at": block.stamp, "final": block.number <= chain.final(head),
            })  # fmt: skip
    return shown


def amount_text(units: int, decimals: int) -> str:
    """`0.5`, exactly: these numbers have more digits than Decimal's arithmetic keeps by itself."""
    whole, rest = divmod(units, 10**decimals)
    return f"{whole}.{rest:0{decimals}d}".rstrip("0").rstrip(".") if rest else str(whole)


def _heights(chain: Chain) -> dict[str, int]:
    head = chain.head()
    return {"block": head, "final": chain.final(head)}


def _transfer(network: Network, wish: object) -> Transfer:
    if not isinstance(wish, dict) or set(wish) - set(_TRANSFER_FIELDS):
        raise NotPossible(f"A transfer has {', '.join(_TRANSFER_FIELDS)} and nothing else.")
    name = wish.get("token", "USDT")
    token = network.tokens.get(name) if isinstance(name, str) else None
    if not token:
        raise NotPossible("token must be USDT or FAKE.")
    sender = wish.get("from")
    payer = network.wallet("exchange") if sender is None else _address(network, "from", sender)
    return Transfer(token.address, payer, _address(network, "to", wish.get("to")), _units(token, wish.get("amount")))


def _address(network: Network, name: str, value: object) -> str:
    if not isinstance(value, str):
        raise NotPossible(f"{name} must be an address.")
    try:
        return addresses.parse(value.strip(), network.is_tron)
    except ValueError as wrong:
        raise NotPossible(str(wrong)) from wrong


def _units(token: Token, value: object) -> int:
    try:
        amount = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite() or amount < 0:
        raise NotPossible('amount must be a number as text, such as "75.5".')
    _, digits, exponent = amount.as_tuple()
    places = int(exponent) + token.decimals
    if -100 < places < 100:
        number, factor = int("".join(map(str, digits))), int(10 ** abs(places))
        units, rest = divmod(number, factor) if places < 0 else (number * factor, 0)
        if not rest and units <= _LARGEST:
            return units
    raise NotPossible(f"amount can have {token.decimals} decimal places and must fit into 256 bits.")


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise NotPossible(f"{name} must be a whole number.")
    return value


def _body(*known: str) -> dict[str, Any]:
    """The request as an object with no other than these fields; nothing at all is an empty one."""
    raw = request.get_data()
    try:
        body = wire.parse(raw) if raw.strip() else {}
    except (ValueError, RecursionError):
        raise NotPossible("The body is not JSON.") from None
    if not isinstance(body, dict):
        raise NotPossible("The body must be a JSON object.")
    unknown = sorted(set(body) - set(known))
    if unknown:
        raise NotPossible(f"Unknown field {unknown[0]}; known here: {', '.join(known) or 'none'}.")
    return body
