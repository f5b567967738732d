"""The languages other than English: catalogues of texts in translations/<language>/, dates by CLDR (Babel).

A language is read when somebody first asks for it, so that a process which serves English alone never loads Babel.
"""

import gettext
import io
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment

from inspired.domain.shared.languages import ENGLISH, IN_ENGLISH, LANGUAGES, Language, current

FOLDER = Path(__file__).resolve().parents[3] / "translations"
NAME = "customer.po"


@cache
def language(code: str) -> Language:
    """English for a code that is none of ours, or has no catalogue."""
    return _Translated(code) if code != ENGLISH and code in available() else IN_ENGLISH


@cache
def available() -> dict[str, str]:
    """English and every language that has a catalogue, each with its own name for itself."""
    return {code: name for code, name in LANGUAGES.items() if code == ENGLISH or (FOLDER / code / NAME).is_file()}


def translate(templates: Environment) -> None:
    """What these templates mark as a text (`trans`, `_`) is written in the language of whoever reads."""
    templates.add_extension("jinja2.ext.i18n")
    templates.policies["ext.i18n.trimmed"] = True
    templates.install_gettext_callables(  # type: ignore[attr-defined]
        lambda english: current().text(english),
        lambda one, many, number: current().counted(one, many, number),
        newstyle=True,
    )


class _Translated(Language):
    def __init__(self, code: str) -> None:
        from babel import Locale, dates, lists

        self.code = code
        self._dates = dates
        self._lists = lists
        self._locale = Locale.parse(code, sep="-")
        self._texts = _catalogue(code)

    def text(self, english: str) -> str:
        return self._texts.gettext(english) if english else ""

    def counted(self, one: str, many: str, number: int) -> str:
        return self._texts.ngettext(one, many, number)

    def full_date(self, day: date) -> str:
        return self._dates.format_date(day, "full", locale=self._locale)

    def long_date(self, day: date) -> str:
        return self._dates.format_date(day, "long", locale=self._locale)

    def short_date(self, day: date) -> str:
        return self._dates.format_skeleton("yMMMd", _midnight(day), locale=self._locale)

    def day_and_month(self, day: date) -> str:
        return self._dates.format_skeleton("MMMMd", _midnight(day), locale=self._locale)

    def weekday(self, day: date) -> str:
        return self._dates.format_date(day, "cccc", locale=self._locale)

    def short_weekday(self, day: date) -> str:
        return self._dates.format_date(day, "ccc", locale=self._locale)

    def any_of(self, names: Sequence[str]) -> str:
        return self._lists.format_list(names, style="or", locale=self._locale)


def _midnight(day: date) -> datetime:
    """Babel takes a moment, and shows the day it has in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _catalogue(code: str) -> gettext.GNUTranslations:
    """The .po file itself is what the product reads: no compiled copy can be older than it."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    with (FOLDER / code / NAME).open("rb") as written:
        catalogue = read_po(written, locale=code.replace("-", "_"))
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
