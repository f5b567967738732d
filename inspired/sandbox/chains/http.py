"""The nodes over HTTP: POST with JSON to `/chains/<network>/jsonrpc`, or `/chains/<network>/nodes/2/jsonrpc`."""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Blueprint, Response, abort, request

from .nodes import Chains, Fault, Node
from .rpc import Rpc


def build(chains: Chains, hang: Callable[[], None]) -> Blueprint:
    """`hang` waits as long as a timeout takes, but not beyond the end of the process."""

    def ask(network: str, number: int = 1) -> Response:
        node = chains.nodes.get((network, number)) or abort(404)
        methods, started = Rpc.methods(request.get_data()), time.perf_counter()
        fault = node.take(methods)
        response = _broken(fault, hang) if fault else None
        response = response or Response(node.answer(request.get_data(), fault), mimetype="application/json")
        _note(node, methods, response, fault, 1000 * (time.perf_counter() - started))
        return response

    bp = Blueprint("nodes", __name__, url_prefix="/chains")
    bp.add_url_rule("/<network>/jsonrpc", "first", ask, methods=["POST"])
    bp.add_url_rule("/<network>/nodes/<int:number>/jsonrpc", "numbered", ask, methods=["POST"])
    return bp


def _broken(fault: Fault, hang: Callable[[], None]) -> Response | None:
    match fault.fault:
        case "refuse":
            request.environ["sandbox.connection"].drop()
            return Response(status=204)
        case "timeout":
            hang()
            request.environ["sandbox.connection"].drop()
            return Response(status=204)
        case "throttle":
            return Response("Too Many Requests\n", 429, {"Retry-After": "1"}, mimetype="text/plain")
    return None


def _note(node: Node, methods: set[str], response: Response, fault: Fault | None, taken: float) -> None:
    node.calls.append({
        "methods": sorted(methods), "status": response.status_code, "fault": fault.fault if fault else None,
        "ms": round(taken, 2), "at": round(time.time(), 3),
    })  # fmt: skip
