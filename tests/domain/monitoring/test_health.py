"""The three lines of the public status page, from remembered facts."""

from datetime import UTC, datetime, timedelta

import pytest

from inspired.domain.monitoring.health import SILENT_AFTER, Facts, Health, Line, clock_is_silent, overall, public_lines

AT = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
BEFORE = AT - timedelta(minutes=7)
WELL, SLOW, ILL, UNKNOWN = Health.WELL, Health.SLOW, Health.ILL, Health.UNKNOWN


def facts(**more: object) -> Facts:
    return Facts(**{"known_at": AT, "clock_at": AT, "worker_at": AT, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("more", "states", "since"),
    [
        ({}, (WELL, WELL, WELL), (None, None, None)),
        ({"database_away_since": BEFORE}, (ILL, ILL, ILL), (BEFORE, BEFORE, BEFORE)),
        ({"database_took": timedelta(seconds=1)}, (SLOW, SLOW, SLOW), (None, None, None)),
        ({"paused_since": BEFORE}, (ILL, ILL, WELL), (BEFORE, BEFORE, None)),
        ({"firing": {"clock_skew": BEFORE}}, (ILL, ILL, WELL), (BEFORE, BEFORE, None)),
        ({"is_backing_off": True}, (WELL, SLOW, WELL), (None, None, None)),
        ({"firing": {"calendly": BEFORE}}, (SLOW, WELL, WELL), (BEFORE, None, None)),
        ({"firing": {"payments_failing": BEFORE}}, (WELL, SLOW, WELL), (None, BEFORE, None)),
        ({"clock_at": BEFORE}, (WELL, WELL, ILL), (None, None, BEFORE)),
        ({"clock_at": None}, (WELL, WELL, ILL), (None, None, None)),
        ({"worker_at": BEFORE, "firing": {"mail": AT}}, (ILL, ILL, ILL), (BEFORE, BEFORE, BEFORE)),
        ({"worker_at": AT - SILENT_AFTER}, (WELL, WELL, WELL), (None, None, None)),
        ({"worker_at": None}, (ILL, ILL, ILL), (None, None, None)),
        ({"worker_at": None, "paused_since": BEFORE}, (ILL, ILL, ILL), (BEFORE, BEFORE, None)),
        ({"firing": {"mail": AT, "queue_stuck": BEFORE}}, (WELL, WELL, SLOW), (None, None, BEFORE)),
        ({"known_at": BEFORE}, (UNKNOWN, UNKNOWN, UNKNOWN), (None, None, None)),
    ],
)
def test_each_line_is_as_what_it_needs(more: dict[str, object], states: tuple[Health, ...], since: tuple[object, ...]):
    lines = public_lines(facts(**more), AT)

    assert [one.name for one in lines] == ["Booking", "Payments", "Confirmations"]
    assert tuple(one.health for one in lines) == states
    assert tuple(one.since for one in lines) == since


def test_nothing_known_is_said_to_be_unknown():
    assert {one.health for one in public_lines(None, AT)} == {UNKNOWN}


def test_the_whole_is_as_its_worst_part():
    for worst in (ILL, UNKNOWN, SLOW, WELL):
        weaker = (ILL, UNKNOWN, SLOW, WELL)
        assert overall(Line("", one) for one in weaker[weaker.index(worst) :]) is worst


def test_a_clock_is_not_called_dead_while_nobody_can_tell():
    assert not clock_is_silent(None, AT)
    assert not clock_is_silent(facts(database_away_since=AT, clock_at=BEFORE), AT)
    assert clock_is_silent(facts(clock_at=BEFORE), AT)
    assert not clock_is_silent(facts(), AT)
