"""The one place that knows htmx: which requests it made, and how it is told to go elsewhere."""

from flask import Flask, Response, redirect, request
from htmx_flask import Htmx
from werkzeug.wrappers import Response as WerkzeugResponse


def init_app(app: Flask) -> None:
    """`request.htmx` for all views, and `Vary`, since one address answers with a page or its fragment."""
    Htmx(app)
    app.after_request(_varying)


def wants_fragment() -> bool:
    """htmx asked for a part of the page; going back in its history wants the whole."""
    return request.headers.get("HX-Request") == "true" and "HX-History-Restore-Request" not in request.headers


def go(url: str) -> WerkzeugResponse:
    """Elsewhere, by GET. A plain redirect would be followed inside the fragment, so htmx gets its own header."""
    if wants_fragment():
        return Response(status=204, headers={"HX-Redirect": url})
    return redirect(url, 303)


def _varying(response: Response) -> Response:
    if response.mimetype == "text/html" or response.status_code == 204:
        response.vary.add("HX-Request")
    return response
