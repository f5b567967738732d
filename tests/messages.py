"""The texts that customers read, collected from the source: `make messages` brings them into translations/.

Three kinds of place hold them: templates (`trans`, `_`), refusals and `translated` in Python, and the texts of
`domain/sentences`, each with every rail's phrases in it.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

from inspired.domain.sentences import customer, rails
from inspired.domain.shared import errors
from inspired.domain.shared.languages import ENGLISH, LANGUAGES

ROOT = Path(__file__).resolve().parents[1]
TRANSLATIONS = ROOT / "translations"
# Pages and mails that only the owner reads are English.
TEMPLATES = (
    "base.html",
    "error.html",
    "macros.html",
    "booking/*",
    "newsletter/*",
    "site/*",
    "support/*",
    "email/*.mail",
    "email/_*",
)
SOURCES = (
    *("inspired/web/public/*.py", "inspired/web/shared/*.py", "inspired/domain/shared/*.py"),
    *("inspired/domain/sentences/*.py", "inspired/domain/site/*.py", "inspired/flows/shared/*.py"),
    *("inspired/domain/booking/*.py", "inspired/domain/catalogue/*.py", "inspired/domain/support/*.py"),
    *("inspired/flows/booking/*.py", "inspired/flows/support/*.py", "inspired/flows/site/newsletter.py"),
    *("inspired/adapters/crypto/chain_addresses.py", "inspired/adapters/providers/calendly.py"),
)
OWNERS_SOURCES = ("owner", "bulk_jobs", "auth.py", "outgoing.py", "receiving", "sweeps", "explanation.py")
OWNERS_SOURCES += ("availability", "refund_policy.py", "preferences", "refunding", "refund_wallets")
OWNERS_SOURCES += ("refunds.py", "attention", "calendar_webhooks", "descriptions", "display_lists")
REFUSALS = {name for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, errors.Refusal)}
TEXTS = {"translated", "of", "problem", *REFUSALS}
RAILS_OF_CUSTOMERS = (
    *("rail", "asked", "how", "source", "speed", "fee", "never", "receipt", "number_shown", "code", "seen", "closed"),
    *("refunds", "back_to", "goes_back", "refund_sent", "refund_taken", "refund_done", "refund_found"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """`text` is a pair of texts where there is a plural."""

    text: str | tuple[str, str]
    place: str
    comments: tuple[str, ...] = ()


def everything() -> list[Found]:
    """All texts, in the order of their files."""
    return [*of_templates(), *of_sources(), *of_sentences()]


def of_templates() -> Iterator[Found]:
    options = {"trimmed": "true", "silent": "false", "extensions": "jinja2.ext.i18n"}
    for path in _files(ROOT / "templates", TEMPLATES):
        with path.open("rb") as opened:
            found = extract(babel_extract, opened, options=options, comment_tags=("for translators:",))
            for _, text, comments, _ in found:
                yield Found(text if isinstance(text, str) else tuple(text[:2]), _named(path), tuple(comments))


def sources() -> list[Path]:
    """The modules that speak to customers."""
    return [path for path in _files(ROOT, SOURCES) if not path.name.startswith(OWNERS_SOURCES)]


def of_sources() -> Iterator[Found]:
    for path in sources():
        tree = ast.parse(path.read_text())
        constants = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for text in _of_tree(tree, constants):
            yield Found(text, _named(path))


def _of_tree(tree: ast.Module, constants: dict[str, ast.expr]) -> Iterator[str | tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name == "counted":
                forms = [one.value for one in node.args[:2] if isinstance(one, ast.Constant)]
                if len(forms) == 2:
                    yield forms[0], forms[1]
            elif name in TEXTS:
                yield from _strings(node.args, constants)
    for name in ("SENTENCES", "HTTP_SENTENCES", "HTTP_TITLES"):
        if isinstance(found := constants.get(name), ast.Dict):
            yield from _strings(found.values, constants)
            yield from _strings([one.args[1] for one in found.values if isinstance(one, ast.Call)], constants)


def _strings(nodes: list[Any], constants: dict[str, ast.expr]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.value
        elif isinstance(node, ast.Dict):
            yield from _strings(node.values, constants)
        elif isinstance(node, ast.Name) and node.id in constants:
            yield from _strings([constants[node.id]], {})
        elif isinstance(node, ast.IfExp):
            yield from _strings([node.body, node.orelse], constants)


def of_sentences() -> Iterator[Found]:
    for refusal in REFUSALS:
        if title := vars(vars(errors)[refusal]).get("title"):
            yield Found(title, "inspired/domain/shared/errors.py")
    kinds = dict.fromkeys(rails.WORDS.values())
    for text in customer.TEXTS.values():
        for expanded in dict.fromkeys(customer.with_phrases(text, words) for words in kinds):
            yield Found(expanded, "inspired/domain/sentences/customer.py")
    for words in kinds:
        for name in RAILS_OF_CUSTOMERS:
            yield Found(asdict(words)[name], "inspired/domain/sentences/rails.py", (f"{name}: see class Words",))
    for pages in dict.fromkeys(rails.PAGES.values()):
        for text in _flat(asdict(pages).values()):
            yield Found(text, "inspired/domain/sentences/rails.py")


def _flat(values: Any) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        else:
            yield from _flat(value)


def _files(root: Path, patterns: tuple[str, ...]) -> list[Path]:
    return sorted({path for pattern in patterns for path in root.glob(pattern) if path.is_file()})


def _named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def template_of_catalogues() -> Catalog:
    """What a catalogue has to hold."""
    wanted = Catalog(project="Inspired Analyst", charset="utf-8")
    for found in everything():
        if found.text:
            wanted.add(found.text, locations=[(found.place, None)], auto_comments=found.comments)
    return wanted


def update() -> None:
    """Bring every catalogue up to date; what is no longer said leaves it."""
    wanted = template_of_catalogues()
    for code in LANGUAGES:
        if code == ENGLISH:
            continue
        path = TRANSLATIONS / code / "customer.po"
        path.parent.mkdir(parents=True, exist_ok=True)
        locale = code.replace("-", "_")
        catalogue = Catalog(locale=locale, project="Inspired Analyst", charset="utf-8", fuzzy=False)
        if path.exists():
            with path.open("rb") as written:
                catalogue = read_po(written, locale=locale)
        before = catalogue.creation_date
        catalogue.update(wanted, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        if path.exists():
            catalogue.creation_date = before  # else every run would change every file
        with path.open("wb") as out:
            write_po(out, catalogue, width=120, omit_header=False, sort_output=False, include_lineno=False)
        missing = sum(1 for message in catalogue if message.id and not all(_forms(message.string)))
        sys.stdout.write(f"{code}: {len(catalogue)} texts, {missing} to be translated\n")


def _forms(string: Any) -> tuple[str, ...]:
    return string if isinstance(string, tuple) else (string,)


if __name__ == "__main__":
    update()
