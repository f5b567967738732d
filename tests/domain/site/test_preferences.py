"""What the owner chooses: read from a form as it was written, told what is wrong with it, and nobody's address in the
words of the log."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspired.domain.shared.errors import Invalid
from inspired.domain.site.preferences import (
    LONGEST,
    NAMES,
    SECTIONS,
    Accent,
    Addresses,
    Answered,
    Brand,
    Home,
    Retention,
    Section,
    SmallPrint,
    changes,
    checked,
    one_line,
    written,
)

ANY = st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"]), max_size=12)
LINE = st.lists(ANY, max_size=6).map(lambda words: one_line(" ".join(words)))
TEXT = st.lists(LINE, max_size=6).map(lambda lines: written("\n".join(lines)))
NAME = LINE.map(lambda text: "".join(one for one in text if one not in '<>@",;:\\')[:40].strip() or "A name")
MAIL = st.from_regex(r"[a-z][a-z0-9.+-]{0,20}@[a-z][a-z0-9-]{0,20}\.(org|com|example)", fullmatch=True)
ANSWERED = st.builds(
    Answered,
    LINE.filter(bool),
    st.lists(LINE.filter(bool), min_size=1, max_size=3).map("\n".join),
)
ADDRESSES = st.lists(MAIL, max_size=4, unique=True).map(tuple)
SAVED: st.SearchStrategy[Section] = st.one_of(
    st.builds(Brand, NAME.map(one_line), LINE, LINE, st.sampled_from(Accent), st.one_of(st.just(""), MAIL)),
    st.builds(Home, LINE.filter(bool), LINE, TEXT, st.lists(ANSWERED, max_size=4).map(tuple)),
    st.builds(SmallPrint, TEXT, TEXT, TEXT, st.integers(0, 999)),
    st.builds(Addresses, ADDRESSES, ADDRESSES, ADDRESSES),
    st.builds(Retention, st.one_of(st.just(0), st.integers(3, 120))),
)


@given(SAVED)
def test_whatever_may_be_saved_comes_back_from_its_form_as_it_was(section: Section):
    read = SECTIONS[NAMES[type(section)]]

    assert checked(section) is section
    assert read(section.values) == section
    assert read({name: value.replace("\n", "\r\n") for name, value in section.values.items()}) == section


@given(st.dictionaries(st.sampled_from([*LONGEST, "accent", "months", "terms_changes"]), st.text(max_size=200)))
def test_nothing_that_is_sent_breaks_the_reading_of_it(sent: dict[str, str]):
    for read in SECTIONS.values():
        section = read(sent)

        assert read(section.values) == section, "read twice, it is the same"
        assert isinstance(section.wrong, dict)
        assert isinstance(section.words, dict)


@pytest.mark.parametrize("name", SECTIONS)
def test_what_the_site_was_made_with_can_be_saved(name: str):
    made: Section = next(kind() for kind, known in NAMES.items() if known == name)

    assert checked(made) == made


@pytest.mark.parametrize(
    ("section", "field", "told"),
    [
        (Brand(name=""), "name", "give the site a name"),
        (Brand(name="Ada <a@b.org>"), "name", "none of < >"),
        (Brand(name="x" * 61), "name", "At most 60 letters"),
        (Brand(line="x" * 121), "line", "At most 120 letters"),
        (Brand(contact="javascript:alert(1)"), "contact", "A mail address such as"),
        (Brand(contact="a@b.org, c@d.org"), "contact", "A mail address such as"),
        (Home(headline=""), "headline", "a headline"),
        (Home(about="x" * 3001), "about", "At most 3000"),
        (Home(questions=(Answered("Why?", ""),)), "questions", "“Why?” has no answer"),
        (Home(questions=(Answered("Why?", "So."),) * 21), "questions", "At most 20 questions"),
        (SmallPrint(terms="x" * 6001), "terms", "At most 6000"),
        (Addresses(calls=("a@b.org", "nobody")), "calls", "Line 2 is not a mail address"),
        (Addresses(alerts=tuple(f"a{n}@b.org" for n in range(11))), "alerts", "At most 10 addresses"),
        (Retention(2), "months", "3 to 120 months"),
        (Retention(121), "months", "3 to 120 months"),
        (Retention.read({"months": "soon"}), "months", "3 to 120 months"),
        (Retention.read({"months": "-5"}), "months", "3 to 120 months"),
    ],
)
def test_what_is_wrong_is_told_by_its_field(section: Section, field: str, told: str):
    with pytest.raises(Invalid) as refused:
        checked(section)

    assert list(refused.value.fields) == [field]
    assert told in refused.value.fields[field]


def test_questions_are_paragraphs_whose_first_line_asks():
    home = Home.read(
        {"headline": "H", "questions": " Is it  advice? \r\n No.\r\nIt is education.\r\n\r\n\r\n\r\nWhy?\nSo."}
    )

    assert home.questions == (Answered("Is it advice?", "No.\nIt is education."), Answered("Why?", "So."))


def test_addresses_are_one_a_line_or_separated_and_each_counts_once():
    found = Addresses.read({"calls": "a@b.org, c@d.org\na@b.org", "alerts": "c@d.org", "reports": ""})

    assert (found.calls, found.alerts, found.reports) == (("a@b.org", "c@d.org"), ("c@d.org",), ())


def test_other_terms_are_another_version_and_other_words_beside_them_are_not():
    before = SmallPrint(terms="As it was.", terms_changes=3)

    assert replace(before, imprint="New").after(before).terms_changes == 3
    assert replace(before, terms="New", terms_changes=77).after(before).terms_changes == 4


def test_the_words_of_the_log_name_old_and_new_and_nobodys_address():
    before, after = Addresses(), Addresses(calls=("ann@b.org", "bob@B.org"), alerts=("eve@c.org",))
    brand = replace(Brand(), contact="ann@b.org", accent=Accent.PLUM)

    assert changes(before.words, after.words) == [
        "who gets calls: from “nobody named” to “2 addresses at b.org”",
        "who gets alerts: from “nobody named” to “1 address at c.org”",
    ]
    assert changes(Brand().words, brand.words) == [
        "colour: from “green” to “plum”",
        "contact address: from “nobody named” to “1 address at b.org”",
    ]
    assert changes(Home().words, replace(Home(), about="Ten years.").words) == ["about: from nothing to “Ten years.”"]
    assert changes(Retention().words, Retention(24).words) == [
        "personal data is erased: from “never by itself” to “after 24 months”"
    ]
    assert changes({"gone": "x"}, {}) == ["gone: from “x” to nothing"]
    assert changes(brand.words, brand.words) == []


def test_mails_are_signed_by_the_analyst_where_there_is_a_name():
    assert Brand().signature == "Inspired Analyst"
    assert replace(Brand(), analyst="Ada", name="Calls").signature == "Ada, Calls"


@pytest.mark.parametrize("kind", list(NAMES))
def test_every_field_of_a_form_has_its_words(kind: type[Section]):
    made = kind()

    assert len(made.words) == len([name for name in made.values if name != "terms_changes"])
