"""Renders our mails: each is one file, templates/email/<kind>.mail, written twice, as text and as HTML.

A mail is made of parts (a paragraph, a fact, a button), which _parts.txt and _parts.html know how to write. Mails to
the owner are three files: <kind>_subject.txt, <kind>.txt and <kind>.html.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from inspired.adapters.process.languages import translate
from inspired.domain.sentences.customer import said
from inspired.domain.shared.languages import current
from inspired.domain.shared.messages import message_of
from inspired.domain.site import assurances
from inspired.domain.site.preferences import Brand

BLANK_LINES = re.compile(r"\n{3,}")
FOLDER = Path(__file__).resolve().parents[3] / "templates" / "email"


class Letters:
    def __init__(self, folder: Path = FOLDER, *, brand: Callable[[], Brand] = Brand) -> None:
        """`brand` is called for each mail; it is a global, so macro-only templates can call it too."""
        self._folder = folder
        self._as_text, self._as_html = (self._environment(form, brand) for form in ("txt", "html"))

    def _environment(self, form: str, brand: Callable[[], Brand]) -> Environment:
        made = Environment(
            loader=FileSystemLoader(self._folder),
            autoescape=select_autoescape(["html"] if form == "txt" else ["html", "mail"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        translate(made)
        made.globals.update(form=form, brand=brand, assured=assurances, language=current, message_of=message_of)
        made.filters.update(said=said, one_line=one_line)
        return made

    def write(self, kind: str, context: dict[str, Any]) -> tuple[str, str, str]:
        """Subject, text and HTML. Only the HTML is escaped; a subject is one line."""
        if not (self._folder / f"{kind}.mail").is_file():
            subject, text, html = (
                self._as_text.get_template(name).render(context)
                for name in (f"{kind}_subject.txt", f"{kind}.txt", f"{kind}.html")
            )
            return one_line(subject), text, html
        as_text, as_html = (made.get_template(f"{kind}.mail") for made in (self._as_text, self._as_html))
        subject = "".join(as_text.blocks["subject"](as_text.new_context(context)))
        return (
            one_line(subject),
            BLANK_LINES.sub("\n\n", as_text.render(context)).strip() + "\n",
            as_html.render(context),
        )


def one_line(text: str) -> str:
    return " ".join(text.split())
