"""The Flask application over a sandbox, and the faults around each of its API calls."""

from __future__ import annotations

import time
from typing import Any

from flask import Flask, Response, g, request

from . import binance, bulk, calendly, control, faults, pages
from .chains import control as chain_control
from .chains import http as chain_http
from .chains import pages as chain_pages
from .faults import Fault
from .world import Sandbox


def create_app(sandbox: Sandbox) -> Flask:
    app = Flask(__name__, static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.register_blueprint(binance.build(sandbox.config, sandbox.store, sandbox.keys, sandbox.orders))
    app.register_blueprint(calendly.build(sandbox.config, sandbox.store, sandbox.calendar, sandbox.calendly_minute))
    app.register_blueprint(control.build(sandbox))
    app.register_blueprint(bulk.build(sandbox))
    app.register_blueprint(chain_http.build(sandbox.chains, lambda: sandbox.faults.wait(sandbox.settings.hang_s)))
    app.register_blueprint(chain_control.build(sandbox.chains))
    app.register_blueprint(chain_pages.build(sandbox.chains))
    app.register_blueprint(pages.build(sandbox))
    app.add_url_rule("/healthz", "healthz", lambda: {"status": "ok"})
    app.register_error_handler(404, _not_found)
    app.register_error_handler(405, _wrong_method)
    _watch_calls(app, sandbox)
    return app


def _watch_calls(app: Flask, sandbox: Sandbox) -> None:
    """Around each API call: the fault that is due before it, the one that is due after it, and a line in the list."""

    @app.before_request
    def before() -> Response | None:
        # A call that still hangs when everything is reset belongs to the list of before.
        g.started, g.calls = time.perf_counter(), sandbox.calls
        g.api = _api_call()
        g.fault = sandbox.faults.take(*g.api) if g.api else None
        return _before(sandbox, g.fault) if g.fault else None

    @app.after_request
    def after(response: Response) -> Response:
        if not g.get("api"):
            return response
        taken = 1000 * (time.perf_counter() - g.started)
        _note(response, taken)
        if g.fault and g.fault.fault == "accept_then_timeout":
            sandbox.faults.wait(_hang_s(sandbox, g.fault))
            request.environ["sandbox.connection"].drop()
        return response


def _api_call() -> tuple[str, str] | None:
    if request.path.startswith("/binancepay/"):
        return "binance", binance.call_name(request.path)
    if calendly.is_api(request.path):
        return "calendly", calendly.call_name(request.method, request.path)
    return None


def _before(sandbox: Sandbox, fault: Fault) -> Response | None:
    """What a fault answers instead of the API; None lets the call through."""
    match fault.fault:
        case "refuse":
            request.environ["sandbox.connection"].drop()
            return Response(status=204)
        case "timeout":
            sandbox.faults.wait(_hang_s(sandbox, fault))
            request.environ["sandbox.connection"].drop()
            return Response(status=204)
        case "http_500":
            return Response(_ERROR_500[fault.service], 500, mimetype="application/json")
        case "http_429":
            return Response("Too Many Requests\n", 429, mimetype="text/plain")
        case "html":
            return Response(_HTML, 200, mimetype="text/html")
        case "slow":
            sandbox.faults.wait(faults.slow_s(fault))
        case kind if kind in faults.REFUSALS:
            status, body = faults.REFUSALS[kind]
            g.outcome = str(body["code"])
            return binance.as_json(body, 200 if sandbox.settings.always_200 else status)
    return None


def _hang_s(sandbox: Sandbox, fault: Fault) -> float:
    return sandbox.settings.hang_s if fault.delay_s is None else fault.delay_s


def _note(response: Response, taken: float) -> None:
    service, call = g.api
    g.calls.append({
        "service": service, "call": call, "method": request.method, "path": request.path,
        "status": response.status_code, "outcome": g.get("outcome") or str(response.status_code),
        "fault": g.fault.fault if g.fault else None, "merchantTradeNo": g.get("merchant_trade_no"),
        "ms": round(taken, 2), "at": round(time.time(), 3),
    })  # fmt: skip


def _not_found(_error: Exception) -> tuple[Any, int]:
    if calendly.is_api(request.path):
        return {
            "title": "Resource Not Found", "message": "The server could not find the requested resource."
        }, 404  # fmt: skip
    if request.path.startswith("/control/"):
        return {"error": "There is no such control call."}, 404
    return "There is nothing here. The sandbox's own page is at /.\n", 404


def _wrong_method(_error: Exception) -> tuple[Any, int]:
    return {"error": f"{request.method} is not allowed here."}, 405


_ERROR_500 = {
    "binance": '{"status":"FAIL","code":"400000","errorMessage":"Unknown error. Please try again later."}',
    "calendly": '{"title":"Internal Server Error","message":"The server encountered an unexpected error."}',
}
_HTML = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body><h1>Please wait</h1></body></html>\n"
