"""When an alert begins, is told, is told again and is over; and what a rate of few cases is worth."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspired.domain.booking.lifecycle import TABLE
from inspired.domain.booking.outbox import AlertKind
from inspired.domain.monitoring import runbook
from inspired.domain.monitoring.alerts import (
    CALM,
    KEPT,
    LONGEST_CALM,
    Alert,
    Channel,
    Kind,
    Rate,
    Seen,
    Severity,
    Standing,
    acknowledged,
    calm,
    handed_on,
    judged,
)

AT = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
AT_ONCE = Alert("x", "It is wrong.", Severity.NOW, "", "", "", (), "")
SLOWLY = replace(AT_ONCE, after=10 * MINUTE)


def looked(alert: Alert, sights: dict[int, bool], standing: Standing | None = None) -> Standing:
    """One look at each of these minutes."""
    standing = standing or Standing(alert.id)
    for minute, is_wrong in sights.items():
        standing = judged(standing, alert, Seen("2 of 3") if is_wrong else None, AT + minute * MINUTE)
    return standing


def told(standing: Standing) -> list[tuple[Kind, int]]:
    return [(one.kind, (one.at - AT) // MINUTE) for one in standing.owed]


def test_what_is_wrong_is_told_once_and_so_is_its_end():
    begun = looked(AT_ONCE, dict.fromkeys(range(30), True))
    over = looked(AT_ONCE, dict.fromkeys(range(30, 50), False), begun)

    assert told(begun) == [(Kind.BEGAN, 0)]
    assert told(over) == [(Kind.BEGAN, 0), (Kind.OVER, 35)]
    assert [(one.since, one.until) for one in over.episodes] == [(AT, AT + 30 * MINUTE)]
    assert not over.is_firing
    assert len({one.key for one in over.owed}) == 2


def test_what_has_to_last_is_not_told_before_and_begins_when_it_began():
    assert told(looked(SLOWLY, dict.fromkeys(range(10), True))) == []

    begun = looked(SLOWLY, dict.fromkeys(range(11), True))

    assert told(begun) == [(Kind.BEGAN, 10)]
    assert begun.firing_since == AT


def test_what_was_away_in_between_has_to_last_anew():
    assert told(looked(SLOWLY, {0: True, 5: False, 9: True, 14: True})) == []


def test_a_short_relief_is_no_end():
    assert told(looked(AT_ONCE, {0: True, 3: False, 6: True, 9: False, 13: False, 14: False})) == [
        (Kind.BEGAN, 0),
        (Kind.OVER, 14),
    ]


def test_a_day_later_it_is_told_again_unless_somebody_has_it_in_hand():
    a_day = 24 * 60
    begun = looked(AT_ONCE, {0: True})
    in_hand = acknowledged(begun, "ann", AT + MINUTE)

    assert told(looked(AT_ONCE, {a_day - 1: True, a_day: True, a_day + 1: True}, begun))[1:] == [(Kind.STILL, a_day)]
    assert told(looked(AT_ONCE, {a_day: True, 3 * a_day: True}, in_hand))[1:] == []
    assert told(looked(AT_ONCE, {a_day: False, a_day + 5: False}, in_hand))[1:] == [(Kind.OVER, a_day + 5)]


def test_what_was_in_hand_is_in_nobodys_hand_when_it_begins_anew():
    in_hand = acknowledged(looked(AT_ONCE, {0: True}), "ann", AT + MINUTE)
    again = looked(AT_ONCE, {5: False, 10: False, 20: True}, in_hand)

    assert (again.acknowledged_by, again.acknowledged_at) == ("", None)
    assert again.episodes[0].acknowledged_by == "ann"
    assert acknowledged(in_hand, "bob", AT + 2 * MINUTE).acknowledged_by == "ann"
    assert acknowledged(Standing("x"), "bob", AT) == Standing("x")


@given(st.lists(st.booleans(), min_size=1, max_size=24 * 60))
def test_whatever_comes_and_goes_a_day_has_a_bounded_number_of_messages(sights: list[bool]):
    standing = Standing("x")
    for minute, is_wrong in enumerate(sights):
        standing = judged(standing, AT_ONCE, Seen() if is_wrong else None, AT + minute * MINUTE)

    kinds = [one.kind for one in standing.owed]
    assert len(kinds) <= 24
    assert kinds == [Kind.BEGAN, Kind.OVER] * (len(kinds) // 2) + [Kind.BEGAN] * (len(kinds) % 2)


def test_the_worst_that_can_come_and_go_is_told_no_more_than_eleven_times_a_day():
    standing, minute = Standing("x"), 0
    while minute < 24 * 60:
        standing = looked(AT_ONCE, {minute: True}, standing)
        minute += 1
        while standing.is_firing and minute < 24 * 60:
            standing = looked(AT_ONCE, {minute: False}, standing)
            minute += 1

    assert sum(one.kind is Kind.BEGAN for one in standing.owed) <= 11
    assert calm(standing, AT + minute * MINUTE) == LONGEST_CALM
    assert calm(standing, AT + timedelta(days=9)) == CALM


def test_of_what_is_over_the_last_times_are_kept():
    standing, a_day = Standing("x"), 24 * 60
    for day in range(KEPT + 5):
        standing = looked(AT_ONCE, {a_day * day: True, a_day * day + 60: False, a_day * day + 120: False}, standing)

    assert len(standing.episodes) == KEPT
    assert standing.episodes[0].since == AT + timedelta(days=KEPT + 4)


def test_what_was_written_down_is_owed_no_more_and_nothing_else_is_lost():
    both = looked(AT_ONCE, {0: True, 1: False, 6: False})

    assert [one.kind for one in handed_on(both, [both.owed[0].key]).owed] == [Kind.OVER]


# --- rates ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failed", "of", "is_beyond"),
    [
        *((1, 1, False), (3, 10, False), (40, 49, False), (0, 0, False)),
        *((0, 50, False), (3, 50, False), (5, 50, False), (6, 50, True)),
        *((60, 1000, False), (70, 1000, True)),
    ],
)
def test_a_rate_is_beyond_its_limit_only_where_chance_cannot_explain_it(failed: int, of: int, is_beyond: bool):
    assert Rate(failed, of).is_beyond(Decimal("0.05")) is is_beyond


def test_of_nothing_there_is_no_share():
    assert Rate(0, 0).at_least == 0


@given(st.integers(1, 500).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_what_a_share_is_at_least_is_never_more_than_what_was_seen(case: tuple[int, int]):
    failed, of = case

    assert 0 <= Rate(failed, of).at_least <= Decimal(failed) / of + Decimal("1e-20")


# --- the words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alert", runbook.ALL.values(), ids=lambda one: one.id)
def test_every_alert_says_what_happened_what_it_means_what_to_do_and_how_to_see_it(alert: Alert):
    for text in (alert.sentence, alert.found, alert.happened, alert.means, *alert.todo):
        assert text.endswith((".", "?", ":")), text
        assert text[0].isupper() or text[0] == "“"
    assert alert.drill
    assert alert.todo
    assert alert.channels
    assert alert.id not in ("test",)


def test_every_alert_names_what_plays_it_but_the_one_nobody_can_play():
    assert {one.id for one in runbook.ALL.values() if not one.drills} == {"unknown_status"}
    assert [one.id for one in runbook.told_of("backup-late")] == ["backup_late"]


def test_every_alert_a_booking_can_owe_has_its_words():
    import re
    from pathlib import Path

    folder = Path(__file__).resolve().parents[3] / "inspired" / "domain"
    named = {name for path in folder.rglob("*.py") for name in re.findall(r"AlertKind\.(\w+)", path.read_text())}

    assert {AlertKind[name] for name in named} == set(AlertKind) == set(runbook.OF_BOOKING)
    assert not set(runbook.SITE) & set(runbook.OF_BOOKING)
    assert TABLE
    assert Channel.MAIL in runbook.SITE["database"].channels
