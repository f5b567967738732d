"""Small steps through our pages: the form's hidden fields are read from the page, as a browser would."""

import html
import re
from typing import Any

from flask.testing import FlaskClient

HTMX = {"HX-Request": "true"}


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, f"no field {name}"
    return html.unescape(found[1])


def send(client: FlaskClient, address: str, fields: dict[str, str], *, page: str = "", **more: Any) -> Any:
    """Post a form found on `page` (the address itself by default), with its token."""
    token = hidden(client.get(page or address).text, "csrf_token")
    return client.post(address, data={"csrf_token": token, **fields}, **more)


def words(page: str) -> str:
    """What a person reads, in one line."""
    text = re.sub(r"<(script|style|title).*?</\1>", " ", page, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())
