"""The one place that knows htmx: which requests it made, and how it is told to go elsewhere."""

from flask import Response, redirect, request
from werkzeug.wrappers import Response as Answer


def wants_fragment() -> bool:
    """htmx asked for a part of the page; going back in its history wants the whole."""
    return request.headers.get("HX-Request") == "true" and "HX-History-Restore-Request" not in request.headers


def go(url: str) -> Answer:
    """Elsewhere, by GET. A plain redirect would be followed inside the fragment, so htmx gets its own header."""
    if wants_fragment():
        return Response(status=204, headers={"HX-Redirect": url})
    return redirect(url, 303)
