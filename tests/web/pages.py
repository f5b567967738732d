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


def filled(page: str) -> dict[str, str]:
    """Every field of the page's form as a browser would send it untouched."""
    form = page[page.index('class="offer"') :]
    form = form[: form.index("</form>")]
    fields = {}
    for tag in re.findall(r"<input [^>]*>", form, re.S):
        name, value = re.search(r'name="([^"]+)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and (not re.search(r'type="(checkbox|radio)"', tag) or " checked" in tag):
            fields[name[1]] = html.unescape(value[1]) if value else ""
    areas = re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', form, re.S)
    return fields | {name: html.unescape(text) for name, text in areas}


def send(client: FlaskClient, address: str, fields: dict[str, str], *, page: str = "", **more: Any) -> Any:
    """Post a form found on `page` (the address itself by default), with its token."""
    token = hidden(client.get(page or address).text, "csrf_token")
    return client.post(address, data={"csrf_token": token, **fields}, **more)


def words(page: str) -> str:
    """What a person reads, in one line."""
    text = re.sub(r"<(script|style|title).*?</\1>", " ", page, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())
