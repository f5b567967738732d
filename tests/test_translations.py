"""Each language's catalogue holds what the product says: all of it, nothing else, with the same places for values."""

import ast
import re
from pathlib import Path

import pytest
from babel import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.plurals import get_plural
from babel.messages.pofile import read_po

from inspired.domain.shared.languages import ENGLISH, LANGUAGES
from tests.messages import REFUSALS, ROOT, TRANSLATIONS, everything, sources

CODES = [code for code in LANGUAGES if code != ENGLISH]
PLACES = re.compile(r"%\((\w+)\)s|\{(\w+)\}|%%|</?\w+[^>]*>")


def read(code: str) -> Catalog:
    with (TRANSLATIONS / code / "customer.po").open("rb") as written:
        return read_po(written, locale=code.replace("-", "_"), abort_invalid=True)


def texts(catalogue: Catalog) -> list[Message]:
    return [one for one in catalogue if one.id]


def both(text: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


@pytest.mark.parametrize("code", CODES)
def test_a_catalogue_has_every_text_and_no_other(code: str):
    """`make messages` brings in what is missing, to be translated, and takes out what is no longer said."""
    wanted = {both(found.text)[0] for found in everything() if found.text}
    there = {both(one.id)[0] for one in texts(read(code))}

    assert wanted - there == set(), "not in the catalogue"
    assert there - wanted == set(), "no longer said"


@pytest.mark.parametrize("code", CODES)
def test_every_text_is_translated_in_every_form(code: str):
    catalogue = read(code)

    assert [one.id for one in texts(catalogue) if not all(both(one.string)) or one.fuzzy] == []
    plurals = [one for one in texts(catalogue) if not isinstance(one.id, str)]
    assert {len(one.string) for one in plurals} == {catalogue.num_plurals}


@pytest.mark.parametrize("code", CODES)
def test_a_translation_keeps_the_places_for_values_and_the_marks_around_words(code: str):
    for one in texts(read(code)):
        english = sorted(PLACES.findall(both(one.id)[-1])), PLACES.sub("", both(one.id)[-1]).count("%")
        for form in both(one.string):
            there = sorted(PLACES.findall(form)), PLACES.sub("", form).count("%")
            may_lack_its_number = not isinstance(one.id, str) and set(there[0]) <= set(english[0])
            assert there == english or may_lack_its_number, form


@pytest.mark.parametrize("code", CODES)
def test_plurals_follow_the_rules_of_the_language(code: str):
    """The forms in a file are those of the library's version that made it: another version may have another order."""
    catalogue, locale = read(code), Locale.parse(code, sep="-")

    assert catalogue.plural_expr == get_plural(locale).plural_expr
    choose = locale.plural_form
    by_form: dict[str, set[int]] = {}
    for number in range(201):
        by_form.setdefault(choose(number), set()).add(_form(catalogue, number))
    assert all(len(places) == 1 for places in by_form.values()), by_form


def _form(catalogue: Catalog, number: int) -> int:
    from gettext import c2py  # type: ignore[attr-defined]

    return int(c2py(catalogue.plural_expr)(number))


def test_no_refusal_is_put_together_before_it_can_be_translated():
    """A sentence that Python has filled in already is in no catalogue: it is a text and its values."""
    found = [f"{path.relative_to(ROOT)}:{line}" for path in sources() for line in filled_in(path)]

    assert found == []


def filled_in(path: Path) -> list[int]:
    lines = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in REFUSALS:
            lines += [
                one.lineno for argument in node.args for one in ast.walk(argument) if isinstance(one, ast.JoinedStr)
            ]
    return lines
