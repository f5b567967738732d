"""The owner's words where others take them in: derived by one function for each, so that none refuses them for good."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from inspired.adapters.mail.ics import PUBLISHED, calendar_file
from inspired.adapters.mail.smtp import LONGEST_HEADER, header_text
from inspired.adapters.providers.binance import GOODS_BYTES, goods_text
from inspired.adapters.providers.calendly import field_text
from tests.factories import CALL, NOW

ANY_TEXT = st.text(max_size=400)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Portfolio review", "Portfolio review"),
        ("Portfolio review 🚀", "Portfolio review"),
        ('The "big" picture', "The big picture"),
        ("The “big” picture", "The big picture"),
        ("Q&A \\ tax", "Q and A tax"),
        ("Deep dive – 90 min.", "Deep dive - 90 min."),
        ("Today’s call", "Todays call"),
        ("Gespräch über Geld", "Gespräch über Geld"),
        ("投資相談", "投資相談"),
        ("नमस्ते", "नमस्ते"),
        ("Café ☕️ talk", "Café talk"),
        ("1. Ｆｕｌｌ ｗｉｄｔｈ", "1. Full width"),
        ("50/50 (A+B): half, half", "50/50 (A+B): half, half"),
        ("two\nlines\tand a tab", "two lines and a tab"),
        ("-- dashes --", "dashes"),
        ("👩‍💻", "the-slug"),
        ("?!", "the-slug"),
        ("", "the-slug"),
    ],
)
def test_a_name_reads_at_binance_without_what_it_refuses(written: str, read: str):
    assert goods_text(written, otherwise="the-slug") == read


@given(ANY_TEXT)
def test_whatever_is_written_binance_takes_it_and_gets_something(text: str):
    read = goods_text(text, otherwise="slug")

    assert read
    assert len(read.encode()) <= GOODS_BYTES
    assert not set(read) & set("\\\"'`<>{}[]|^~*_@#$%&=?!;")
    assert all(one == "+" or (ord(one) < 0x10000 and unicodedata.category(one)[0] not in "CS") for one in read)
    assert goods_text(read, otherwise="slug") == read, "once is enough"


def test_it_is_cut_at_a_whole_letter():
    assert goods_text("é" * 200) == "é" * 128
    assert goods_text("a" + "語" * 100) == "a" + "語" * 85


@given(ANY_TEXT)
def test_a_header_is_one_line_of_what_can_be_seen(text: str):
    read = header_text(text)

    assert len(read) <= LONGEST_HEADER
    assert "\r" not in read
    assert "\n" not in read
    assert not any(unicodedata.category(one) in ("Cc", "Cs") for one in read)


@given(ANY_TEXT)
def test_a_calendar_can_be_read_whatever_its_entry_is_called(text: str):
    raw = calendar_file(PUBLISHED, uid="u", span=CALL, title=text, place=text, description="d", sequence=0, made_at=NOW)

    (event,) = Calendar.from_ical(raw).events
    assert str(event["summary"]) == header_like(text)
    assert not any(unicodedata.category(one) == "Cc" and one not in "\r\n" for one in raw.decode())


def header_like(text: str) -> str:
    kept = (one for one in text if one in "\r\n\t" or unicodedata.category(one) not in ("Cc", "Cs", "Co", "Cn"))
    return " ".join("".join(kept).split())


def test_calendlys_fields_are_one_line_and_short_enough():
    assert field_text(" Ann\r\nExample\x00 ", 255) == "Ann Example"
    assert field_text("x" * 300, 255) == "x" * 255
    assert field_text("\x00", 255) == ""
