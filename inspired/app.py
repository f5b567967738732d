"""The web application: blueprints, limits, errors, headers. No state of its own."""

import hashlib
import io
import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from flask import Flask, Response, current_app, g, jsonify, request
from flask_wtf.csrf import CSRFProtect
from htmx_flask import Htmx
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.middleware.proxy_fix import ProxyFix

from inspired.adapters.process import deadline, request_ids
from inspired.adapters.process.gateway import Gateway
from inspired.domain.shared import addresses
from inspired.domain.shared.errors import Busy
from inspired.flows.booking import payment
from inspired.services import Services
from inspired.settings import Settings
from inspired.web.admin import (
    account,
    alerts,
    api_keys,
    booking_details,
    bookings,
    catalogue,
    evidence,
    health,
    login,
    menu,
    metrics,
    money,
    owner_actions,
    payment_limits,
    preferences,
    receiving,
    rehearsals,
    reports,
    sweeps,
    tickets,
    today,
    wallet_refunds,
)
from inspired.web.public import api, booking, newsletter, refund_address, site, support, webhooks
from inspired.web.public.status_poll import Pulse
from inspired.web.shared import current, display, display_lists, display_tickets, errors, languages, rate_limits
from inspired.web.shared.https import PROBES, Https, headers_of_all
from inspired.web.shared.static import Static
from inspired.web.shared.status_snapshot import StatusSnapshot

ROOT = Path(__file__).resolve().parents[1]
LARGEST_BODY = 64 * 1024
QUIET = {"api.status", "booking.payment", "static", "health", "status.live", "status.ready", "status.as_json"}
log = structlog.get_logger()


def behind_gateway(app: Flask, settings: Settings) -> Gateway:
    """What the web server calls."""

    def visitor(environ: dict[str, Any]) -> str:
        seen = addresses.as_proxy_saw(environ.get("HTTP_X_FORWARDED_FOR", ""), settings.trusted_proxies)
        return addresses.visitor(seen or environ["REMOTE_ADDR"])

    return Gateway(
        app.wsgi_app,
        threads=settings.web_threads,
        largest=LARGEST_BODY,
        headers=headers_of_all(settings),
        visitor=visitor,
    )


def create_app(services: Services, settings: Settings) -> Flask:
    app = Flask(
        "inspired",
        root_path=str(ROOT / "inspired"),
        template_folder=str(ROOT / "templates"),
        static_folder=str(ROOT / "static"),
    )
    app.extensions["inspired"] = services
    app.extensions["inspired_status_snapshot"] = StatusSnapshot(services)
    _configure(app, services, settings)
    Htmx(app)
    languages.init_app(app)  # first: whatever refuses a request says so in the visitor's language
    csrf = CSRFProtect(app)
    rate_limits.limiter.init_app(app)
    errors.init_app(app)
    display.init_app(app)
    display_lists.init_app(app)
    display_tickets.init_app(app)
    menu.init_app(app)
    for blueprint in (site.bp, newsletter.bp, booking.bp, refund_address.bp, support.bp, api.bp, webhooks.bp):
        app.register_blueprint(blueprint)
    for blueprint in (login.bp, booking_details.bp):
        app.register_blueprint(blueprint)
    for blueprint in (today.bp, bookings.bp, bookings.api_bp, api_keys.bp, account.bp, tickets.bp, rehearsals.bp):
        app.register_blueprint(blueprint)
    for blueprint in (
        *(money.bp, money.api_bp, wallet_refunds.bp, sweeps.bp),
        *(catalogue.bp, owner_actions.bp, evidence.bp, payment_limits.bp),
    ):
        app.register_blueprint(blueprint)
    for blueprint in (alerts.bp, health.public, health.bp, health.api_bp, preferences.bp, reports.bp):
        app.register_blueprint(blueprint)
    for blueprint in (metrics.bp, metrics.api_bp, receiving.bp):
        app.register_blueprint(blueprint)
    for blueprint in (api.bp, webhooks.bp, bookings.api_bp, money.api_bp):
        csrf.exempt(blueprint)
    csrf.exempt(newsletter.manage_submit)  # which looks by itself, but for one kind
    api.spec.app = app
    app.add_url_rule("/healthz", "health", _health)
    app.url_defaults(_with_version)
    app.before_request(_started)
    app.before_request(_refuse_too_much)
    app.after_request(_finished)
    app.wsgi_app = _wrapped(app, services, settings)  # type: ignore[method-assign,assignment]
    return app


def _configure(app: Flask, services: Services, settings: Settings) -> None:
    host = urlsplit(settings.site_url).hostname or "localhost"
    app.config.update(
        SECRET_KEY=settings.secret_key.get_secret_value(),
        SECRET_KEY_FALLBACKS=[key for key in settings.secret_key_fallbacks.split(",") if key],
        MAX_CONTENT_LENGTH=LARGEST_BODY,
        MAX_FORM_MEMORY_SIZE=LARGEST_BODY,
        MAX_FORM_PARTS=50,
        TRUSTED_HOSTS=[host, "127.0.0.1", "localhost"] if settings.dev_mode else [host],
        SESSION_COOKIE_NAME="session" if settings.dev_mode else "__Host-session",
        SESSION_COOKIE_SECURE=not settings.dev_mode,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_REFRESH_EACH_REQUEST=False,
        WTF_CSRF_TIME_LIMIT=None,  # bound to the session instead: a payment page may stay open for an hour
        RATELIMIT_STORAGE_URI=settings.redis_url.get_secret_value(),
        RATELIMIT_STORAGE_OPTIONS={"connection_pool": services.redis_pool},
        FRAME_ORIGIN=settings.calendly_frame_origin if settings.in_frame else "",
    )
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}


def _wrapped(app: Flask, services: Services, settings: Settings) -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    inner: Any = app.wsgi_app

    host = urlsplit(settings.site_url).netloc

    def timed(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        _measure(environ)
        if environ["PATH_INFO"] in PROBES:
            environ["HTTP_HOST"] = host  # probes ask by address
        with deadline.within(settings.request_seconds), request_ids.handling(environ[request_ids.HEADER]):
            return inner(environ, start_response)  # type: ignore[no-any-return]

    outer: Any = Static(timed, root=str(ROOT / "static"), prefix="static/", max_age=31_536_000)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        outer = ProxyFix(outer, x_for=hops, x_proto=hops, x_host=0)
    return Https(Pulse(outer, services), services)


def _measure(environ: dict[str, Any]) -> None:
    """Of a body that comes without its length the library would silently take as much as is allowed. The gateway
    measures each before it gets here; this is for any other server."""
    if environ.get("wsgi.input_terminated") and not environ.get("CONTENT_LENGTH"):
        body = environ["wsgi.input"].read(LARGEST_BODY + 1)
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)


def _refuse_too_much() -> None:
    """Also where nobody looks at the body."""
    if (request.content_length or 0) > LARGEST_BODY:
        raise RequestEntityTooLarge


def _health() -> tuple[Response, int]:
    """200 while this process can do its work: it reaches the database. Redis may be away; then we are only slower."""
    services = current.services()
    try:
        services.ping()
        worker = "ok" if payment.is_worked(services) else "silent"
    except Busy:
        return jsonify(ok=False, database=False), 503
    return jsonify(
        ok=True,
        database=True,
        binance=services.binance.state().word if services.binance.is_set_up() else "off",
        rails={str(rail): services.rails[rail].state().word for rail in services.rails_on},
        worker=worker,
        clockSkewSeconds=services.binance.clock_skew,
    ), 200


def _with_version(endpoint: str, values: dict[str, Any]) -> None:
    """Static files may be kept for a year, since their address changes with their content."""
    if endpoint == "static" and "filename" in values:
        values.setdefault("v", _content_hash(values["filename"]))


@cache
def _content_hash(filename: str) -> str:
    file = ROOT / "static" / filename
    return hashlib.sha256(file.read_bytes()).hexdigest()[:8] if file.is_file() else "0"


def _started() -> None:
    g.started = time.monotonic()


def _finished(response: Response) -> Response:
    _harden(response)
    took = time.monotonic() - g.get("started", time.monotonic())
    if request.endpoint not in QUIET or response.status_code >= 500:
        log.info(
            "request",
            method=request.method,
            endpoint=request.endpoint,
            http=response.status_code,
            ms=round(took * 1000),
        )
    return response


def _harden(response: Response) -> None:
    headers = response.headers
    private = request.path.startswith(("/api/", "/booking/", "/newsletter/", "/admin", "/help"))
    headers.setdefault("Cache-Control", "no-store" if private else "no-cache")
    if response.mimetype != "text/html":
        return
    frame = current_app.config["FRAME_ORIGIN"] or "'none'"
    headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; "
        f"manifest-src 'self'; frame-src {frame}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    headers["Referrer-Policy"] = "same-origin" if private else "strict-origin-when-cross-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin-allow-popups"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
    headers["X-Frame-Options"] = "DENY"
    headers.add("Vary", "HX-Request")
