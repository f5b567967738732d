"""Enforces https and adds the common headers: a WSGI layer around everything, static files and polls included.

Only the proxy in front knows the visitor's scheme, and only a trusted proxy is believed. For `http`, pages redirect to
https and API calls are refused: their content was readable in transit, and a redirected program would do it again. If
the proxy says nothing, there is no redirect, since that could loop; the owner is told. Webhooks of Binance Pay and
Calendly are always accepted, since their signatures prove them, and so are monitoring probes, which call by IP address.
"""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import structlog

from inspired.adapters.mongo import heartbeats
from inspired.adapters.process import deadline, request_ids
from inspired.domain.shared import addresses
from inspired.domain.shared.errors import Busy
from inspired.services import Services
from inspired.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

PROBES = frozenset({"/healthz", "/livez", "/readyz", "/status.json"})  # called by IP address, not by name
NOTICES = frozenset({"/api/payments/webhook", "/api/calendly/webhook"})
TOLD_EVERY = 60.0  # seconds
REFUSAL = b'{"type":"about:blank","title":"Https only","status":403,"detail":"Please call this address by https."}\n'
log = structlog.get_logger()

HeaderList = list[tuple[str, str]]


def headers_of_all(settings: Settings) -> HeaderList:
    """Headers of every answer."""
    found = [("X-Content-Type-Options", "nosniff")]
    if settings.is_https:
        found.append(("Strict-Transport-Security", "max-age=63072000; includeSubDomains"))
    return found


class Https:
    def __init__(self, app: "WSGIApplication", svc: Services, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._svc = svc
        self._site = svc.settings.site_url
        self._hops = svc.settings.trusted_proxies if svc.settings.is_https else 0
        self._headers = headers_of_all(svc.settings)
        self._elapsed = elapsed
        self._told = -TOLD_EVERY

    def __call__(self, environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        def start(status: str, headers: HeaderList, exc_info: Any = None) -> Any:
            has = {name.lower() for name, _ in headers}
            ours = [*self._headers, (request_ids.HEADER, environ[request_ids.HEADER])]
            all_of_them = [*headers, *(header for header in ours if header[0].lower() not in has)]
            return start_response(status, all_of_them, exc_info) if exc_info else start_response(status, all_of_them)

        environ[request_ids.HEADER] = request_ids.given_or_made(environ.get("HTTP_X_REQUEST_ID", ""))
        path = environ["PATH_INFO"]
        if self._hops and path not in PROBES and path not in NOTICES:
            scheme = addresses.as_proxy_saw(environ.get("HTTP_X_FORWARDED_PROTO", ""), self._hops)
            if scheme == "http":
                return self._elsewhere(environ, start)
            if scheme != "https":
                self._note_silence()
        return self._app(environ, start)

    def _elsewhere(self, environ: dict[str, Any], start: "StartResponse") -> Iterable[bytes]:
        path, is_read = environ["PATH_INFO"], environ["REQUEST_METHOD"] in ("GET", "HEAD")
        if path.startswith("/api/"):
            kind, body = "application/problem+json", REFUSAL
        elif not is_read:
            kind, body = "text/plain; charset=utf-8", b"Please open this site by https, and send the form from there.\n"
        else:
            query = environ.get("QUERY_STRING", "")
            goal = self._site + quote(path.encode("latin-1")) + (f"?{quote(query, safe=QUERY)}" if query else "")
            start("301 Moved Permanently", [("Location", goal), ("Content-Length", "0")])
            return []
        start("403 Forbidden", [("Content-Type", kind), ("Content-Length", str(len(body))), NO_STORE])
        return [body]

    def _note_silence(self) -> None:
        """For the owner. Best effort and rare, so that visitors do not wait for it."""
        if self._elapsed() - self._told < TOLD_EVERY:
            return
        self._told = self._elapsed()
        try:
            with deadline.within(0.3):
                self._svc.heartbeats.beat(heartbeats.SCHEME, self._svc.now(), is_well=False)
        except Busy:
            log.warning("silence_unrecorded")


QUERY = "!$&'()*+,;=:@/?%-._~"
NO_STORE = ("Cache-Control", "no-store")
