"""Which language a visitor reads: the one they chose, else their booking's, else the first their browser asks for.

The choice is a link with `?lang=`, so that it works without JavaScript; a cookie keeps it. The owner's area is in
English.
"""

from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, g, request, url_for

from inspired.adapters.process.languages import available, language, translate
from inspired.domain.booking.booking import Booking
from inspired.domain.shared.languages import IN_ENGLISH, LANGUAGES, best_of, current, read_in
from inspired.services import Services

COOKIE = "language"
KEPT = 365 * 24 * 3600  # seconds
OWNERS = ("/admin", "/api/admin", "/static")  # in English


def init_app(app: Flask) -> None:
    app.before_request(_choose)
    app.after_request(_tell)
    app.context_processor(_shown)
    translate(app.jinja_env)


def booking_of(svc: Services, token: str) -> Booking:
    """Raises NotFound."""
    return followed(svc.bookings.by_token(token))


def followed(booking: Booking) -> Booking:
    """Its pages are in the booking's language, unless the visitor chose another."""
    if not g.get("language_chosen"):
        read_in(language(booking.language))
    return booking


def _choose() -> None:
    g.language_chosen = ""
    if request.path.startswith(OWNERS):
        read_in(IN_ENGLISH)
        return
    wanted = request.args.get("lang", "")
    if not request.path.startswith("/api/"):
        g.language_chosen = next((one for one in (wanted, request.cookies.get(COOKIE, "")) if one in LANGUAGES), "")
    read_in(language(g.language_chosen or best_of(request.headers.get("Accept-Language", ""))))


def _tell(response: Response) -> Response:
    chosen = g.get("language_chosen")
    if chosen and request.args.get("lang") == chosen:
        secure = request.is_secure
        response.set_cookie(COOKIE, chosen, max_age=KEPT, httponly=True, samesite="Lax", secure=secure)
    if response.mimetype == "text/html":
        response.headers["Content-Language"] = current().code
        response.vary.add("Accept-Language")
    return response


def _shown() -> dict[str, Any]:
    return {"language": current(), "languages": _to_choose_from(), "in_language": _in_language}


def _to_choose_from() -> dict[str, str]:
    """Empty where there is nothing to choose."""
    there = {} if request.path.startswith(OWNERS) else available()
    return there if len(there) > 1 else {}


def _in_language(code: str) -> str:
    """This page in another language; the first page where this one only answers a form."""
    if request.method != "GET" or request.endpoint is None:
        return url_for("site.home", lang=code)
    query = urlencode({**request.args.to_dict(), "lang": code})
    return f"{url_for(request.endpoint, **(request.view_args or {}))}?{query}"
