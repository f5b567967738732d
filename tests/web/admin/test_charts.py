"""Charts: what is drawn is as large as the figure it stands for, and stays in its box."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspired.web.admin import charts

AMOUNTS = st.lists(st.decimals(0, 10**6, places=2), min_size=1, max_size=60)


@given(AMOUNTS, AMOUNTS)
def test_columns_stay_in_their_box_and_the_larger_is_not_lower(values: list[Decimal], before: list[Decimal]):
    chart = charts.columns("c", "Title", "Told", [(str(place), value) for place, value in enumerate(values)], before)

    assert len(chart.bars) == len(values)
    for bar in chart.bars:
        assert charts.LEFT <= bar.x <= bar.x + bar.width <= charts.WIDTH
        assert charts.TOP <= bar.y <= bar.y + bar.height == charts.BOTTOM
    heights = [bar.height for _, bar in sorted(zip(values, chart.bars, strict=True), key=lambda pair: pair[0])]
    assert heights == sorted(heights)
    points = [tuple(map(int, point.split(","))) for point in chart.line.split()]
    assert all(charts.LEFT <= x <= charts.WIDTH and charts.TOP <= y <= charts.BOTTOM for x, y in points)
    assert len(points) == (min(len(before), len(values)) if any(before) else 0)


def test_money_that_went_back_is_no_column_upwards():
    chart = charts.columns("c", "Title", "Told", [("a", Decimal(-5)), ("b", Decimal(5))], [])

    assert [bar.height > 0 for bar in chart.bars] == [False, True]
    assert chart.bars[0].value == "-5"


def test_rows_are_as_wide_as_they_are_many():
    chart = charts.rows("r", "Title", "Told", [("all", 400, "400"), ("half", 200, "200"), ("none", 0, "0")])

    assert [bar.width for bar in chart.bars] == [420, 210, 0]
    assert charts.rows("r", "Title", "Told", []).bars == ()


@pytest.mark.parametrize(
    ("most", "top"), [("0.3", "0.4"), ("1", "1"), ("3", "4"), ("41", "50"), ("75", "100"), ("1000", "1000")]
)
def test_the_scale_ends_with_a_round_number(most: str, top: str):
    assert charts.nice(Decimal(most)) == Decimal(top)


def test_a_sparkline_keeps_its_box_says_its_figures_and_is_not_drawn_for_nothing():
    line = charts.sparkline([0, 4, 2], "Calls")

    assert line == charts.Sparkline("Calls: 0, 4, 2", "0,22 42,2 84,12")
    assert charts.sparkline([0, 0], "Calls") is None
    assert charts.sparkline([], "Calls") is None
