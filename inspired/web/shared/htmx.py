"""The only place that knows htmx: recognising its requests, and redirecting them."""

from flask import Response, flash, redirect, request
from werkzeug.wrappers import Response as Answer


def wants_fragment() -> bool:
    """True if htmx asked for a part of the page; its history navigation needs the whole."""
    return request.headers.get("HX-Request") == "true" and "HX-History-Restore-Request" not in request.headers


def go(url: str, *, said: str = "") -> Answer:
    """Redirect by GET. htmx would follow a plain redirect inside the fragment, so it gets its own header.

    `said`: a sentence on what was done, shown on the owner's next page. It is kept in the session cookie, which is
    signed but not encrypted, so it must not contain personal data.
    """
    if said:
        flash(said)
    if wants_fragment():
        return Response(status=204, headers={"HX-Redirect": url})
    return redirect(url, 303)
