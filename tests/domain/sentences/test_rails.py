"""The words of each payment rail: every rail has all of them, and sentences can begin with its names."""

from dataclasses import astuple

from inspired.domain.booking.rails import CAPABILITIES, RailId
from inspired.domain.sentences import rails


def test_every_rail_has_its_words_and_its_passages():
    assert set(rails.WORDS) == set(rails.PAGES) == set(CAPABILITIES) == set(RailId)
    for words in rails.WORDS.values():
        assert all(phrase.strip() == phrase != "" for phrase in astuple(words))


def test_a_sentence_can_begin_with_a_rails_name_and_with_who_is_asked():
    for words in rails.WORDS.values():
        assert words.rail[0].isupper()
        assert words.asked[0].isupper()


def test_refusals_and_sentences_call_a_rail_by_the_same_names():
    for rail, words in rails.WORDS.items():
        assert (words.rail, words.asked) == (CAPABILITIES[rail].name, CAPABILITIES[rail].provider)
