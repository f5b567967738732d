"""Words that are made from the code say what the code says."""

import re
from pathlib import Path

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


def test_every_file_that_a_recipe_names_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    places = set(re.findall(r"`((?:domain|flows|adapters|web|rehearsal|sandbox|templates|tests|docs)/[\w/.]*)`", text))
    names = set(re.findall(r"`(\w+)`", text)) - {"None"}
    files = [path for folder in ("inspired", "tests") for path in (ROOT / folder).rglob("*.py")]
    code = " ".join(path.read_text(encoding="utf-8") for path in files)

    assert len(places) > 25
    assert {one for one in places if not (ROOT / one).exists() and not (ROOT / "inspired" / one).exists()} == set()
    assert {
        one for one in names if not re.search(rf"\b{one}\b", code) and one not in ("MONGODB_URI", "REDIS_URL")
    } == set()


def test_every_link_of_the_words_leads_somewhere():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    links = [
        (page, one) for page in pages for one in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    ]

    assert len(links) > 50
    assert [(page.name, one) for page, one in links if "://" not in one and not (page.parent / one).exists()] == []


if __name__ == "__main__":
    PAGE.write_text(BETWEEN.sub(rf"\g<1>\n{table()}\n\n\g<2>", PAGE.read_text(encoding="utf-8")), encoding="utf-8")
