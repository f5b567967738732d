"""Renders our mails: templates/email/<kind>_subject.txt, <kind>.txt and <kind>.html."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from inspired.domain.sentences.customer import said
from inspired.domain.shared.languages import current
from inspired.domain.site import assurances
from inspired.domain.site.preferences import Brand

FOLDER = Path(__file__).resolve().parents[3] / "templates" / "email"


class Letters:
    def __init__(self, folder: Path = FOLDER, *, brand: Callable[[], Brand] = Brand) -> None:
        """`brand` is called for each mail; it is a global, so macro-only templates can call it too."""
        self._templates = Environment(
            loader=FileSystemLoader(folder),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        self._templates.policies["ext.i18n.trimmed"] = True
        self._templates.install_gettext_callables(  # type: ignore[attr-defined]
            lambda english: current().text(english),
            lambda one, many, number: current().counted(one, many, number),
            newstyle=True,
        )
        self._templates.globals["language"] = current
        self._templates.globals["brand"] = brand
        self._templates.globals["assured"] = assurances
        self._templates.filters["said"] = said

    def write(self, kind: str, context: dict[str, Any]) -> tuple[str, str, str]:
        """Subject, text and HTML. Only the HTML is escaped; a subject is one line."""
        subject, text, html = (
            self._templates.get_template(name).render(context)
            for name in (f"{kind}_subject.txt", f"{kind}.txt", f"{kind}.html")
        )
        return " ".join(subject.split()), text, html
