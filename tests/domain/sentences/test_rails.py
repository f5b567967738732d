"""The words of each payment rail: every rail has all of them, and sentences can begin with its names."""

from dataclasses import astuple

import pytest

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.history import Obstacle, ObstacleKind
from inspired.domain.booking.rails import CAPABILITIES, RailId
from inspired.domain.booking.reconciliation import Difference, Kind
from inspired.domain.sentences import customer, explanation, owner, owner_pages, rails
from inspired.domain.sentences.ready_answers import ready_answers
from inspired.domain.shared.money import Money
from tests.domain.booking.test_table import CELLS, before_and_after
from tests.factories import NOW


def test_every_rail_has_its_words_and_its_passages():
    assert set(rails.WORDS) == set(rails.PAGES) == set(CAPABILITIES) == set(RailId)
    for words in rails.WORDS.values():
        assert all(phrase.strip() == phrase != "" for phrase in astuple(words))


def test_a_sentence_can_begin_with_a_rails_name_and_with_who_is_asked():
    for words in map(rails.of, RailId):
        assert words.rail[0].isupper()
        assert words.asked[0].isupper()


def test_refusals_and_sentences_call_a_rail_by_the_same_names():
    for rail in RailId:
        words = rails.of(rail)
        assert (words.rail, words.asked) == (CAPABILITIES[rail].name, CAPABILITIES[rail].provider)


def everything_told_of(booking: Booking) -> str:
    return " ".join(
        (
            customer.message(booking),
            explanation.why(booking, NOW, "UTC"),
            *(one.text for one in explanation.next_up(booking, NOW)),
            *(owner.event(one, booking) for one in booking.history),
            *(owner_pages.order_line(one) for one in booking.orders),
            *(owner_pages.refund_state(one, booking.rail_of(one)) for one in booking.refunds),
            *(one.text for one in ready_answers(booking, "Ann", NOW)),
        )
    )


def test_a_booking_of_another_rail_is_told_to_everybody_in_that_rails_words(monkeypatch: pytest.MonkeyPatch):
    bookings = [before_and_after(cell)[1] for cell in CELLS[::7]]

    here = [everything_told_of(booking) for booking in bookings]
    monkeypatch.setitem(rails.WORDS, RailId.BINANCE_PAY, rails.of(RailId.TRC20))
    there = [everything_told_of(booking) for booking in bookings]

    assert any("Binance" in told for told in here)
    assert [told for told in there if "Binance" in told] == []
    assert any("TRON" in told for told in there)


def test_obstacles_and_differences_name_the_rail_they_came_up_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(rails.WORDS, RailId.BINANCE_PAY, rails.of(RailId.TRC20))
    obstacles = [Obstacle(kind, said="no", left=Money.parse("75")) for kind in ObstacleKind]
    differences = [Difference(kind, "b1", "order", "told") for kind in Kind]

    told = [owner.obstacle(one, RailId.BINANCE_PAY) for one in obstacles]
    told += [f"{owner_pages.difference(one)} {owner_pages.next_step(one)}" for one in differences]

    assert [sentence for sentence in told if "Binance" in sentence] == []
    assert "TRON rejected it." in told


def test_the_names_of_accounts_leave_no_gap_to_fill():
    assert [name for name in owner_pages.ACCOUNTS.values() if "{" in name] == []
    assert owner_pages.ACCOUNTS[CAPABILITIES[RailId.TRC20].account] == "At your addresses on TRON"
