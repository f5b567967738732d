"""Catalogues as they are read, and dates by CLDR."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from babel import Locale

from inspired.adapters.process import languages
from inspired.domain.shared.languages import IN_ENGLISH, LANGUAGES, Language

CATALOGUE = """
msgid ""
msgstr ""
"Language: de\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"Content-Type: text/plain; charset=UTF-8\\n"

msgid "Choose a time."
msgstr "Wählen Sie eine Zeit."

msgid "{number} day"
msgid_plural "{number} days"
msgstr[0] "{number} Tag"
msgstr[1] "{number} Tage"

#, fuzzy
msgid "Calls"
msgstr "Rufe"
"""


@pytest.fixture
def german(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Language]:
    (tmp_path / "de").mkdir()
    (tmp_path / "de" / "customer.po").write_text(CATALOGUE, encoding="utf-8")
    monkeypatch.setattr(languages, "FOLDER", tmp_path)
    languages.language.cache_clear()
    languages.available.cache_clear()
    yield languages.language("de")
    languages.language.cache_clear()
    languages.available.cache_clear()


def test_a_text_is_taken_from_the_catalogue_and_in_english_where_it_has_none(german: Language):
    assert german.text("Choose a time.") == "Wählen Sie eine Zeit."
    assert german.text("Not there") == "Not there"
    assert german.text("") == "", "a catalogue's header is no text"


def test_a_translation_that_nobody_has_looked_at_again_is_not_shown(german: Language):
    assert german.text("Calls") == "Calls"


def test_plurals_follow_the_catalogue(german: Language):
    assert [german.counted("{number} day", "{number} days", number) for number in (1, 5)] == [
        "{number} Tag",
        "{number} Tage",
    ]


def test_dates_are_as_people_of_the_language_write_them(german: Language):
    moment = datetime(2026, 11, 4, 9, 5, tzinfo=UTC)

    assert german.full_date(moment) == "Mittwoch, 4. November 2026"
    assert german.long_date(moment) == "4. November 2026"
    assert german.short_date(moment) == "4. Nov. 2026"
    assert german.day_and_month(moment) == "4. November"
    assert german.weekday(moment) == "Mittwoch"
    assert german.short_weekday(moment) == "Mi"
    assert german.clock(moment) == "09:05"


def test_alternatives_are_listed_as_people_of_the_language_do(german: Language):
    assert german.any_of(["a", "b", "c"]) == "a, b oder c"
    assert IN_ENGLISH.any_of(["a", "b", "c"]) == "a or b or c"


def test_a_language_without_a_catalogue_and_one_that_is_none_are_english(german: Language):
    assert {languages.language(code) for code in ("en", "fr", "xx", "../de", "")} == {IN_ENGLISH}


def test_people_choose_from_english_and_what_has_a_catalogue(german: Language):
    assert languages.available() == {"en": "English", "de": "Deutsch"}


def test_an_english_process_never_loads_the_library_for_dates():
    """It costs every process 14 MB."""
    program = (
        "import sys; from inspired.adapters.process.languages import language; language('en'); "
        "print('babel' in sys.modules)"
    )

    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert loaded == "False\n"


def test_every_language_of_the_list_is_one_of_cldr():
    assert all(Locale.parse(code, sep="-") for code in LANGUAGES)
