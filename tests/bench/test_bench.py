"""The parts of the measurements that compute and write. What they measure is not judged here."""

from datetime import timedelta

import pytest

from bench import load, report
from bench.__main__ import PARTS
from bench.findings import Findings, goal_table, percentile, table
from bench.goals import GOALS, Goal, number
from bench.product import _later
from inspired.domain.booking.claims import Tick
from tests.factories import a_booking


def test_every_goal_has_a_part_and_every_part_a_goal():
    assert {goal.part for goal in GOALS.values()} == set(PARTS) - {"server"}


@pytest.mark.parametrize(("share", "expected"), [(0, 1), (0.5, 50), (0.95, 95), (0.99, 99), (1, 100)])
def test_a_percentile_is_a_value_that_occurred(share: float, expected: float):
    assert percentile([*range(100, 0, -1)], share) == expected


def test_a_percentile_of_nothing_is_refused():
    with pytest.raises(ValueError, match="nothing was measured"):
        percentile([], 0.5)


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (5, "5"), (0.4321, "0.43"), (12.34, "12.3"), (150.4, "150"), (21_499.6, "21,500")]
)
def test_numbers_are_shown_with_three_figures(value: float, shown: str):
    assert number(value) == shown


def test_a_goal_is_met_below_its_limit_or_from_it_on():
    below, at_least = Goal("x", "x", 25, "ms"), Goal("x", "x", 0.4, "×", at_least=True)

    assert (below.met(24.9), below.met(25), below.wanted) == (True, False, "< 25 ms")
    assert (at_least.met(0.4), at_least.met(0.39), at_least.wanted) == (True, False, "≥ 0.40 ×")


def test_the_table_says_what_was_met():
    found = Findings()
    found.add("create", [20, 30, 22], "quiet")
    found.add("webhook", [200])

    assert goal_table([found])[2:] == [
        "| create | added to a create, p50 | < 25 ms | 22 ms | yes | quiet; rounds: 20, 22, 30 |",
        "| webhook | webhook acknowledged at 30/s, p99 | < 150 ms | 200 ms | **no** |  |",
    ]


def test_a_table_is_markdown():
    assert table(["a", "b"], [["1", "2"]]) == ["| a | b |", "| --- | --- |", "| 1 | 2 |"]


def test_only_what_is_between_the_markers_is_written_anew(tmp_path):
    file = tmp_path / "benchmarks.md"
    file.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")

    report.write("new\n", file)
    report.write("newer\n", file)

    assert file.read_text() == f"before\n{report.BEGIN}\n\nnewer\n\n{report.END}\nafter\n"


def test_a_file_without_its_markers_is_left_alone(tmp_path):
    file = tmp_path / "benchmarks.md"
    file.write_text("words\n")

    with pytest.raises(SystemExit, match="markers"):
        report.write("new\n", file)

    assert file.read_text() == "words\n"


def test_the_document_has_its_markers():
    text = report.FILE.read_text()

    assert (text.count(report.BEGIN), text.count(report.END)) == (1, 1)


def test_a_report_has_circumstances_goals_what_is_missing_and_details():
    text = report.rendered(
        "python -m bench", 1.0, {"create": Findings({"create": 20.0}, {}, ["more"])}, {"pages": "no"}
    )

    assert "`python -m bench`, 20" in text
    assert "| create | added to a create, p50 | < 25 ms | 20 ms | yes |  |" in text
    assert "Not measured: pages: no" in text
    assert text.endswith("### create\n\nmore\n")


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        (b"HTTP/1.1 204 No Content\r\nserver: x\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", True),
        (b"HTTP/1.1 200 OK\r\nContent-Le", False),
    ],
)
def test_our_own_load_knows_a_whole_answer(answer: bytes, whole: bool):
    assert load._is_whole(answer) is whole


def test_our_own_load_takes_no_refusal_for_an_answer():
    with pytest.raises(SystemExit, match="429"):
        load._is_whole(b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n")


def test_a_call_that_is_moved_takes_its_ticks_along():
    booking = a_booking()

    moved = _later(booking, timedelta(hours=1))

    assert moved.slot.span.start - booking.slot.span.start == timedelta(hours=1)
    assert not {one for one in moved.claims if isinstance(one, Tick)} & set(booking.claims)
    assert moved.version == booking.version + 1
