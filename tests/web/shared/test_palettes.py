"""Every palette the owner can choose can be read by everybody (WCAG 2.2, 1.4.3 and 1.4.11), light and dark."""

import re
from pathlib import Path

import pytest

from inspired.domain.site.preferences import COLOURS, Accent

CSS = (Path(__file__).resolve().parents[3] / "static" / "app.css").read_text(encoding="utf-8")
TEXT, OUTLINE = 4.5, 3.0
# What stands on what in app.css: links and second buttons, buttons, notes, fields' edges and marks.
PAIRS = [
    ("--accent", "--paper", TEXT),
    ("--accent", "--sheet", TEXT),
    ("--accent", "--accent-wash", TEXT),
    ("--accent-ink", "--accent", TEXT),
    ("--ink", "--accent-wash", TEXT),
    ("--soft", "--accent-wash", TEXT),
    ("--accent", "--line", OUTLINE),
]


def variables(selector: str, *, dark: bool) -> dict[str, str]:
    """The colours a rule sets; the dark ones are in the rule's second place, behind a question to the system."""
    bodies = re.findall(rf"(?m)^\s*{re.escape(selector)} \{{(.*?)\}}", CSS, re.S)
    assert len(bodies) == 2, selector
    return dict(re.findall(r"(--[a-z-]+): (#[0-9a-f]{3,6})\b", bodies[dark]))


def luminance(colour: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    digits = colour.lstrip("#")
    digits = "".join(one * 2 for one in digits) if len(digits) == 3 else digits
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_worked_out_as_the_guideline_says():
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777", "#fff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("accent", list(Accent))
def test_a_palette_can_be_read(accent: Accent, dark: bool):
    colours = {**variables(":root", dark=dark), **variables(f".accent-{accent}", dark=dark)}

    found = {(one, on): round(contrast(colours[one], colours[on]), 2) for one, on, least in PAIRS}

    assert {pair: found[pair] for *pair_, least in PAIRS if found[pair := tuple(pair_)] < least} == {}


@pytest.mark.parametrize("accent", list(Accent))
def test_mails_have_the_same_colour_as_pages_and_can_be_read_on_white(accent: Accent):
    assert COLOURS[accent] == variables(f".accent-{accent}", dark=False)["--accent"]
    assert contrast(COLOURS[accent], "#ffffff") >= TEXT


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_first_palette_is_the_one_of_the_page_itself(dark: bool):
    of_page = variables(":root", dark=dark)

    assert variables(".accent-green", dark=dark).items() <= of_page.items()
