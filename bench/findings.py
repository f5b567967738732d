"""What a part found, and the few statistics there are."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.goals import GOALS, number


@dataclass
class Findings:
    """`values`: by the goal's name, the median of the rounds. `details`: more, in lines of Markdown."""

    values: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    details: list[str] = field(default_factory=list)

    def add(self, goal: str, rounds: Sequence[float], note: str = "") -> None:
        self.values[goal] = statistics.median(rounds)
        spread = f"rounds: {', '.join(number(one) for one in sorted(rounds))}" if len(rounds) > 1 else ""
        self.notes[goal] = "; ".join(part for part in (note, spread) if part)


class NotMeasured(Exception):
    """Why a part cannot be measured here."""


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank: a value that did occur."""
    if not values:
        raise ValueError("nothing was measured")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """As Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def goal_table(findings: Sequence[Findings]) -> list[str]:
    rows = []
    for found in findings:
        for name, value in found.values.items():
            goal = GOALS[name]
            measured = f"{number(value)} {goal.unit}".strip()
            verdict = "yes" if goal.met(value) else "**no**"
            rows.append([goal.part, goal.what, goal.wanted, measured, verdict, found.notes.get(name, "")])
    return table(["part", "what", "goal", "measured", "met", "remarks"], rows)
