"""In which language a person reads. The product's texts are English; this module is where another one takes over.

Whoever answers a person says so with `reading(language)`; below it `translated` and the functions for dates follow.
Outside of it everything is English: logs, the audit log, the API's names, mails to the owner.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

ENGLISH = "en"
# Each with its own name for itself, in the order of the list that people choose from.
LANGUAGES = {
    ENGLISH: "English",
    "es": "Español",
    "pt-BR": "Português (Brasil)",
    "fr": "Français",
    "de": "Deutsch",
    "tr": "Türkçe",
    "ar": "العربية",
    "vi": "Tiếng Việt",
}
RIGHT_TO_LEFT = ("ar",)
WEIGHT = re.compile(r"[01](\.\d{0,3})?")


class Language:
    """English. Another language answers the same questions, see adapters/languages."""

    code = ENGLISH

    @property
    def direction(self) -> str:
        return "rtl" if self.code in RIGHT_TO_LEFT else "ltr"

    def text(self, english: str) -> str:
        """The text in this language, its {placeholders} as they are; the English one where there is none yet."""
        return english

    def counted(self, one: str, many: str, number: int) -> str:
        """The form that goes with this number."""
        return one if number == 1 else many

    def full_date(self, day: date) -> str:
        """ "Tuesday 24 November 2026" """
        return f"{day:%A} {day.day} {day:%B %Y}"

    def long_date(self, day: date) -> str:
        """ "24 November 2026" """
        return f"{day.day} {day:%B %Y}"

    def short_date(self, day: date) -> str:
        """ "24 Nov 2026" """
        return f"{day.day} {day:%b %Y}"

    def day_and_month(self, day: date) -> str:
        """ "24 November" """
        return f"{day.day} {day:%B}"

    def weekday(self, day: date) -> str:
        """ "Tuesday" """
        return f"{day:%A}"

    def short_weekday(self, day: date) -> str:
        """ "Tue" """
        return f"{day:%a}"

    def clock(self, moment: datetime) -> str:
        """ "14:05" """
        return f"{moment:%H:%M}"

    def any_of(self, names: Sequence[str]) -> str:
        """ "a or b" """
        return " or ".join(names)


IN_ENGLISH = Language()
_language: ContextVar[Language] = ContextVar("language", default=IN_ENGLISH)


def current() -> Language:
    return _language.get()


@contextmanager
def reading(language: Language) -> Iterator[None]:
    """What is written inside is for somebody who reads this language."""
    token = _language.set(language)
    try:
        yield
    finally:
        _language.reset(token)


def read_in(language: Language) -> None:
    """The same until another is set; a server's thread answers one request after the other."""
    _language.set(language)


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence as its English text, with values for its {placeholders}. `str` makes it in the reader's language."""

    english: str
    values: tuple[tuple[str, object], ...] = ()

    @classmethod
    def of(cls, english: str, **values: object) -> "Text":
        return cls(english, tuple(values.items()))

    def __str__(self) -> str:
        text = _language.get().text(self.english)
        return text.format(**dict(self.values)) if self.values else text


def translated(english: str, **values: object) -> str:
    """The text in the reader's language. A text without values is taken as it is, braces and all."""
    return str(Text.of(english, **values))


def counted(one: str, many: str, number: int) -> str:
    """Such as `counted("{number} day", "{number} days", 3)`."""
    return _language.get().counted(one, many, number).format(number=number)


def best_of(accepted: str) -> str:
    """The first of the languages in an Accept-Language header (RFC 9110) that the product has, by weight.

    Languages are compared before countries: who asks for pt-PT gets pt-BR rather than a language named later.
    """
    ours = {code.partition("-")[0].lower(): code for code in LANGUAGES}
    wanted = []
    for place, part in enumerate(accepted[:500].split(",")):
        name, _, weight = part.strip().partition(";")
        if (quality := _quality(weight)) > 0:
            wanted.append((-quality, place, name.partition("-")[0].strip().lower()))
    return next((ours[name] for _, _, name in sorted(wanted) if name in ours), ENGLISH)


def _quality(weight: str) -> Decimal:
    """Of ";q=0.8", which is 1 if it is not given; what cannot be read counts as not wanted."""
    name, _, value = weight.partition("=")
    if not name.strip():
        return Decimal(1)
    is_weight = name.strip() == "q" and WEIGHT.fullmatch(value.strip())
    return Decimal(value.strip()) if is_weight else Decimal(0)
