"""The one place that knows htmx: which requests it made, and how it is told to go elsewhere."""

from flask import Response, flash, redirect, request
from werkzeug.wrappers import Response as Answer


def wants_fragment() -> bool:
    """htmx asked for a part of the page; going back in its history wants the whole."""
    return request.headers.get("HX-Request") == "true" and "HX-History-Restore-Request" not in request.headers


def go(url: str, *, said: str = "") -> Answer:
    """Elsewhere, by GET. A plain redirect would be followed inside the fragment, so htmx gets its own header.

    `said`: what has just been done, in a sentence that the owner's next page opens with. It waits in the session's
    cookie, which is signed and not encrypted: nothing personal belongs into it.
    """
    if said:
        flash(said)
    if wants_fragment():
        return Response(status=204, headers={"HX-Redirect": url})
    return redirect(url, 303)
