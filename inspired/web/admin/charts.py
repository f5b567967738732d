"""Charts as numbers in a box of 480 by 200 (or as high as its rows); templates/admin/_chart.html draws them as SVG.

A table with the same figures is beside each chart, so charts need not show every digit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

WIDTH, HEIGHT = 480, 200
LEFT, TOP, BOTTOM = 52, 12, 172  # of the columns
ROW, ROW_BAR = 34, 14


@dataclass(frozen=True, slots=True)
class Bar:
    x: int
    y: int
    width: int
    height: int
    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A label and its position; `anchor`: which end of the text is there (SVG's text-anchor)."""

    x: int
    y: int
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Chart:
    """`told` describes the chart in a sentence. `line`: the previous values, as points of a polyline."""

    id: str
    title: str
    told: str
    height: int
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...] = ()
    line: str = ""


@dataclass(frozen=True, slots=True)
class Sparkline:
    """A line as small as a word, in a box of 84 by 24; `told` says its figures."""

    told: str
    points: str


def sparkline(values: Sequence[int], what: str) -> Sparkline | None:
    """One point per value, in chronological order; None if there is nothing to draw. `what`: such as "Calls, the last
    seven days"."""
    if not any(values):
        return None
    top, wide = max(values), Decimal(84) / max(len(values) - 1, 1)
    points = " ".join(f"{int(place * wide)},{22 - value * 20 // top}" for place, value in enumerate(values))
    return Sparkline(f"{what}: {', '.join(str(value) for value in values)}", points)


def columns(
    chart_id: str, title: str, told: str, values: Sequence[tuple[str, Decimal]], before: Sequence[Decimal]
) -> Chart:
    """One column per value (at least one), in chronological order; `before` as a line over them."""
    top = nice(max((*(value for _, value in values), *before, Decimal(1))))
    wide = Decimal(WIDTH - LEFT) / len(values)

    def x(place: int) -> int:
        return LEFT + int(place * wide)

    def y(value: Decimal) -> int:
        return BOTTOM - int(max(value, Decimal()) * (BOTTOM - TOP) / top)

    bars = [
        Bar(x(place), y(value), max(int(wide * 3 / 4), 1), BOTTOM - y(value), label, f"{value.normalize():f}")
        for place, (label, value) in enumerate(values)
    ]
    middle = x(0) + int(wide / 3)
    line = " ".join(f"{middle + int(place * wide)},{y(value)}" for place, value in enumerate(before[: len(values)]))
    sides = [Mark(LEFT - 6, y(part) + 4, f"{part.normalize():f}", "end") for part in (top * 0, top / 2, top)]
    below = [Mark(x(place), BOTTOM + 20, values[place][0], "start") for place in sorted({0, len(values) // 2})]
    below += [Mark(WIDTH, BOTTOM + 20, values[-1][0], "end")] if len(values) > 2 else []
    return Chart(chart_id, title, told, HEIGHT, tuple(bars), (*sides, *below), line if any(before) else "")


def rows(chart_id: str, title: str, told: str, values: Sequence[tuple[str, int, str]]) -> Chart:
    """One bar per row: its name, its size and its label."""
    top = max((size for _, size, _ in values), default=0) or 1
    bars = [
        Bar(0, place * ROW + 16, max(size * (WIDTH - 60) // top, 1 if size else 0), ROW_BAR, label, shown)
        for place, (label, size, shown) in enumerate(values)
    ]
    return Chart(chart_id, title, told, len(values) * ROW + 4, tuple(bars))


def nice(most: Decimal) -> Decimal:
    """The smallest of 1, 2, 4, 5 and 10 times a power of ten that is not below it."""
    power = Decimal(10) ** most.adjusted()
    return next(step * power for step in (1, 2, 4, 5, 10) if step * power >= most)
