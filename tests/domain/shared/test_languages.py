"""In which language somebody reads, and that English is what everything falls back to."""

from datetime import UTC, date, datetime

import pytest

from inspired.domain.shared.errors import Invalid
from inspired.domain.shared.languages import Language, Text, best_of, counted, current, reading, translated


class Loud(Language):
    code = "ar"

    def text(self, english: str) -> str:
        return english.upper().replace("{MOST}", "{most}")


@pytest.mark.parametrize(
    ("accepted", "code"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-CH, fr;q=0.9", "de"),
        ("pt-PT,pt;q=0.9,en;q=0.8", "pt-BR"),
        ("ar-EG,en;q=0.5", "ar"),
        ("ja, fr;q=0.3, es;q=0.7", "es"),
        ("fr;q=0, es", "es"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("ja", "en"),
        ("*", "en"),
        ("de;q=loud, vi;q=0.1", "vi"),
        ("de;q=1.0001, vi;q=0.1", "vi"),
        ("; ,,;q=", "en"),
    ],
)
def test_a_browser_gets_the_first_of_its_languages_that_there_is(accepted: str, code: str):
    assert best_of(accepted) == code


def test_what_is_written_for_a_reader_is_in_their_language_and_english_outside():
    with reading(Loud()):
        inside = (translated("At most {most} wallets.", most=3), current().direction)

    assert inside == ("AT MOST 3 WALLETS.", "rtl")
    assert (translated("At most {most} wallets.", most=3), current().direction) == ("At most 3 wallets.", "ltr")


def test_a_text_without_values_may_hold_braces():
    assert translated("Use {this}.") == "Use {this}."


def test_a_refusal_made_before_the_reader_was_known_is_told_in_their_language():
    refusal = Invalid(Text.of("At most {most}.", most=3), {"amount": "is too much"})

    with reading(Loud()):
        assert (str(refusal), refusal.fields) == ("AT MOST 3.", {"amount": "IS TOO MUCH"})
    assert (str(refusal), refusal.fields) == ("At most 3.", {"amount": "is too much"})


def test_numbers_take_the_form_that_goes_with_them():
    assert [counted("{number} day", "{number} days", number) for number in (0, 1, 2)] == ["0 days", "1 day", "2 days"]


def test_english_dates_are_as_the_product_always_wrote_them():
    moment, language = datetime(2026, 11, 4, 9, 5, tzinfo=UTC), Language()

    assert [
        language.full_date(moment),
        language.long_date(moment),
        language.short_date(date(2026, 11, 4)),
        language.day_and_month(moment),
        language.weekday(moment),
        language.short_weekday(moment),
        language.clock(moment),
    ] == ["Wednesday 4 November 2026", "4 November 2026", "4 Nov 2026", "4 November", "Wednesday", "Wed", "09:05"]
