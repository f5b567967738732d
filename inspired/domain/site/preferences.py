"""The owner's settings: brand, texts, mail recipients, retention of personal data.

Each section is parsed from its form fields, which are also the stored format, and validates itself.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from inspired.domain.shared.errors import Invalid

ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,180}\.[A-Za-z0-9-]{2,60}")
MOST_QUESTIONS, MOST_ADDRESSES = 20, 10
LEAST_MONTHS, MOST_MONTHS = 3, 120  # any shorter, and questions about last month's call could not be answered
LONGEST = {
    "name": 60, "analyst": 80, "line": 120, "contact": 254,
    "headline": 120, "lead": 400, "about": 3000, "questions": 8000,
    "confirmation": 1000, "terms": 6000, "imprint": 4000,
    "calls": 1000, "alerts": 1000, "reports": 1000,
}  # fmt: skip


class Accent(StrEnum):
    """The palettes of static/app.css. A test computes their contrasts."""

    GREEN = "green"
    BLUE = "blue"
    PLUM = "plum"
    RUST = "rust"
    SLATE = "slate"


# The colour of links and buttons on white, for mails, which have no dark mode.
COLOURS = {
    Accent.GREEN: "#0b5d4a",
    Accent.BLUE: "#0b4f8a",
    Accent.PLUM: "#6b2a6e",
    Accent.RUST: "#8a3410",
    Accent.SLATE: "#37474f",
}


@dataclass(frozen=True, slots=True)
class Brand:
    """`line` describes the site in one sentence; `contact` is an email address shown to customers, or empty."""

    name: str = "Inspired Analyst"
    analyst: str = ""
    line: str = "One-to-one calls, paid in USDT."
    accent: Accent = Accent.GREEN
    contact: str = ""

    @classmethod
    def read(cls, values: Mapping[str, str]) -> "Brand":
        accent = values.get("accent", "")
        return cls(
            name=one_line(values.get("name", "")),
            analyst=one_line(values.get("analyst", "")),
            line=one_line(values.get("line", "")),
            accent=Accent(accent) if accent in list(Accent) else Accent.GREEN,
            contact=values.get("contact", "").strip(),
        )

    @property
    def values(self) -> dict[str, str]:
        plain = {"name": self.name, "analyst": self.analyst, "line": self.line, "contact": self.contact}
        return {**plain, "accent": str(self.accent)}

    @property
    def wrong(self) -> dict[str, str]:
        found = _too_long(self.values)
        if not self.name:
            found["name"] = "Please give the site a name."
        elif re.search(r"""[<>@",;:\\]""", self.name):
            found["name"] = 'A name has none of < > @ " , ; : \\ in it: it stands before the address of every mail.'
        if self.contact and not ADDRESS.fullmatch(self.contact):
            found["contact"] = "A mail address such as calls@example.org, or nothing."
        return found

    @property
    def words(self) -> dict[str, str]:
        return {
            "name of the site": self.name,
            "analyst": self.analyst,
            "what it is": self.line,
            "colour": str(self.accent),
            "contact address": _domains((self.contact,) if self.contact else ()),
        }

    @property
    def colour(self) -> str:
        return COLOURS[self.accent]

    @property
    def signature(self) -> str:
        """The sender's name in mails."""
        return f"{self.analyst}, {self.name}" if self.analyst else self.name


@dataclass(frozen=True, slots=True)
class Answered:
    """A frequent question and its answer. The answer may have several lines, none of them empty."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Home:
    """The owner's texts on the home page."""

    headline: str = "Bring one question. Leave with an answer you can check."
    lead: str = (
        "One-to-one calls with an independent analyst. Pick a call, pick a time, pay in USDT. Your time is "
        "held while you pay and confirmed once the payment has arrived."
    )
    about: str = ""
    questions: tuple[Answered, ...] = ()

    @classmethod
    def read(cls, values: Mapping[str, str]) -> "Home":
        return cls(
            headline=one_line(values.get("headline", "")),
            lead=one_line(values.get("lead", "")),
            about=written(values.get("about", "")),
            questions=_questions(values.get("questions", "")),
        )

    @property
    def values(self) -> dict[str, str]:
        questions = "\n\n".join(f"{question.question}\n{question.answer}" for question in self.questions)
        return {"headline": self.headline, "lead": self.lead, "about": self.about, "questions": questions}

    @property
    def wrong(self) -> dict[str, str]:
        found = _too_long(self.values)
        if not self.headline:
            found["headline"] = "Please give the page a headline."
        if len(self.questions) > MOST_QUESTIONS:
            found["questions"] = f"At most {MOST_QUESTIONS} questions."
        unanswered = next((question.question for question in self.questions if not question.answer), "")
        if unanswered:
            found["questions"] = f"“{unanswered[:60]}” has no answer in the line below it."
        return found

    @property
    def words(self) -> dict[str, str]:
        return {
            "headline": self.headline,
            "lead": self.lead,
            "about": self.about,
            "questions and answers": self.values["questions"],
        }


@dataclass(frozen=True, slots=True)
class SmallPrint:
    """`terms` is shown below the site's own terms; `terms_changes` counts its changes, for the version that bookings
    keep."""

    confirmation: str = ""
    terms: str = ""
    imprint: str = ""
    terms_changes: int = 0

    @classmethod
    def read(cls, values: Mapping[str, str]) -> "SmallPrint":
        texts = {name: written(values.get(name, "")) for name in ("confirmation", "terms", "imprint")}
        return cls(**texts, terms_changes=_number(values.get("terms_changes", "0")))

    def after(self, before: "SmallPrint") -> "SmallPrint":
        """Changed terms count as another version."""
        return replace(self, terms_changes=before.terms_changes + (self.terms != before.terms))

    @property
    def values(self) -> dict[str, str]:
        texts = {"confirmation": self.confirmation, "terms": self.terms, "imprint": self.imprint}
        return {**texts, "terms_changes": str(self.terms_changes)}

    @property
    def wrong(self) -> dict[str, str]:
        return _too_long(self.values)

    @property
    def words(self) -> dict[str, str]:
        return {
            "in the confirmation": self.confirmation,
            "terms of your own": self.terms,
            "legal notice": self.imprint,
        }


@dataclass(frozen=True, slots=True)
class Addresses:
    """Recipients of mails about confirmed and moved calls, alerts, and reports. If empty: OWNER_EMAIL."""

    calls: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()

    @classmethod
    def read(cls, values: Mapping[str, str]) -> "Addresses":
        return cls(**{name: _listed(values.get(name, "")) for name in ("calls", "alerts", "reports")})

    @property
    def by_kind(self) -> dict[str, tuple[str, ...]]:
        return {"calls": self.calls, "alerts": self.alerts, "reports": self.reports}

    @property
    def values(self) -> dict[str, str]:
        return {kind: "\n".join(addresses) for kind, addresses in self.by_kind.items()}

    @property
    def wrong(self) -> dict[str, str]:
        found = {}
        for kind, addresses in self.by_kind.items():
            strange = [number for number, address in enumerate(addresses, 1) if not ADDRESS.fullmatch(address)]
            if strange:
                found[kind] = f"Line {strange[0]} is not a mail address such as owner@example.org."
            elif len(addresses) > MOST_ADDRESSES:
                found[kind] = f"At most {MOST_ADDRESSES} addresses."
        return found

    @property
    def words(self) -> dict[str, str]:
        """Only the number and the domains: addresses are personal data."""
        return {f"who gets {kind}": _domains(addresses) for kind, addresses in self.by_kind.items()}

    @property
    def all(self) -> tuple[str, ...]:
        """Each address once."""
        return tuple(dict.fromkeys((*self.calls, *self.alerts, *self.reports)))


@dataclass(frozen=True, slots=True)
class Retention:
    """Names and addresses of finished bookings are erased after this many months. 0: never automatically."""

    months: int = 0

    @classmethod
    def read(cls, values: Mapping[str, str]) -> "Retention":
        return cls(_number(values.get("months", "")))

    @property
    def values(self) -> dict[str, str]:
        return {"months": str(self.months)}

    @property
    def wrong(self) -> dict[str, str]:
        if self.months == 0 or LEAST_MONTHS <= self.months <= MOST_MONTHS:
            return {}
        return {"months": f"{LEAST_MONTHS} to {MOST_MONTHS} months, or 0 for never."}

    @property
    def words(self) -> dict[str, str]:
        return {"personal data is erased": f"after {self.months} months" if self.months else "never by itself"}


Section = Brand | Home | SmallPrint | Addresses | Retention
SECTIONS: dict[str, Callable[[Mapping[str, str]], Section]] = {
    "brand": Brand.read,
    "home": Home.read,
    "small_print": SmallPrint.read,
    "addresses": Addresses.read,
    "retention": Retention.read,
}
NAMES = {Brand: "brand", Home: "home", SmallPrint: "small_print", Addresses: "addresses", Retention: "retention"}


def checked(section: Section) -> Section:
    """Returns the section if it may be saved. Raises Invalid with a sentence for each wrong field."""
    if wrong := section.wrong:
        raise Invalid("Please check the marked fields.", wrong)
    return section


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The differences in words, one sentence per name."""
    names = dict.fromkeys((*before, *after))
    pairs = ((name, before.get(name, ""), after.get(name, "")) for name in names)
    return [f"{name}: from {_quoted(was)} to {_quoted(now)}" for name, was, now in pairs if was != now]


def one_line(text: str) -> str:
    """On one line, with runs of whitespace reduced to a space and invisible characters removed."""
    return " ".join(_kept(text).split())


def written(text: str) -> str:
    """Line by line as written, without spaces at the ends of lines, and with one empty line between paragraphs."""
    lines = [" ".join(line.split()) for line in _kept(text).splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines).strip())


def _kept(text: str) -> str:
    return "".join(one for one in text if one in "\r\n\t" or unicodedata.category(one) not in ("Cc", "Cs", "Co", "Cn"))


def _questions(text: str) -> tuple[Answered, ...]:
    """The first line of each paragraph is the question, the rest the answer."""
    paragraphs = [one for one in written(text).split("\n\n") if one]
    parts = [paragraph.partition("\n") for paragraph in paragraphs]
    return tuple(Answered(question, answer) for question, _, answer in parts)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part for part in re.split(r"[\s,;]+", text) if part))


def _number(text: str) -> int:
    """-1 if it is not a number."""
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 7 else -1


def _too_long(values: Mapping[str, str]) -> dict[str, str]:
    return {
        name: f"At most {LONGEST[name]} letters."
        for name, value in values.items()
        if len(value) > LONGEST.get(name, len(value))
    }


def _domains(addresses: tuple[str, ...]) -> str:
    if not addresses:
        return "nobody named"
    count = f"{len(addresses)} {'address' if len(addresses) == 1 else 'addresses'}"
    return f"{count} at {', '.join(sorted({address.rpartition('@')[2].lower() for address in addresses}))}"


def _quoted(text: str) -> str:
    return f"“{text}”" if text else "nothing"
