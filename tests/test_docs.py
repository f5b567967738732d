"""Words that are made from the code say what the code says."""

import re
from pathlib import Path

from inspired.domain.booking.booking import MOST_REFUNDS
from inspired.domain.booking.lifecycle import TABLE, SlotSeen

ROOT = Path(__file__).resolve().parents[1]


def table() -> str:
    """The decision table in words. `python -m tests.test_docs` writes it into docs/money.md."""
    lines = ["| rule | in these states | with this payment | slot | what it becomes |", "|---|---|---|---|---|"]
    for row in TABLE:
        slot = "" if set(row.slots) == set(SlotSeen) else ", ".join(row.slots)
        states = ", ".join(str(state) for state in row.states)
        lines.append(f"| {row.rule} | {states} | {', '.join(row.payments)} | {slot} | {row.name} |")
    return "\n".join(lines)


PAGE = ROOT / "docs" / "money.md"
BETWEEN = re.compile(r"(<!-- table: begin [^\n]*-->\n).*?(<!-- table: end -->)", re.DOTALL)


def test_the_table_in_the_words_about_money_is_the_one_in_the_code():
    said = BETWEEN.search(PAGE.read_text(encoding="utf-8"))

    assert said is not None
    assert table() in said[0]


def test_every_command_named_in_the_words_exists():
    named = set(re.findall(r"`inspired ([a-z-]+)", " ".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))))
    parsers = set(re.findall(r'add_parser\(\s*"([a-z-]+)"', (ROOT / "inspired" / "cli.py").read_text()))

    assert named
    assert named <= parsers


def test_as_many_refunds_as_the_words_say():
    assert MOST_REFUNDS == 10
    assert "ten refunds of an order" in PAGE.read_text(encoding="utf-8")


if __name__ == "__main__":
    PAGE.write_text(BETWEEN.sub(rf"\g<1>\n{table()}\n\n\g<2>", PAGE.read_text(encoding="utf-8")), encoding="utf-8")
