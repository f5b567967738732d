"""What a meeting type may be, and how questions before a call are answered."""

from dataclasses import replace

import pytest

from inspired.domain.catalogue.meeting_types import MEETING_TYPES, MeetingType, Question, answered, checked
from inspired.domain.shared.errors import Invalid
from inspired.domain.shared.money import Money

REVIEW = MEETING_TYPES[1]
SLUG = "Small letters, digits and hyphens, such as deep-dive."
MINUTES = "Whole five minutes, from 5 to 360."
PRICE = "From 0.01 to 20000 USDT."
ABOVE = "More than 10000 USDT is above what one customer may pay. Please say below that you allow it."
REMINDERS = "Up to four, each 1 to 336 hours before the call."


def wrong(meeting_type: MeetingType) -> dict[str, str]:
    with pytest.raises(Invalid) as refused:
        checked(meeting_type)
    assert str(refused.value) == "Please check the marked fields."
    return dict(refused.value.fields)


def test_the_types_the_site_was_made_with_can_be_offered():
    for one in MEETING_TYPES:
        assert checked(one) is one


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "a"},
        {"id": "7"},
        {"id": "a" * 40},
        {"id": "a-b-1"},
        {"minutes": 5},
        {"minutes": 360},
        {"price": Money.parse("0.01")},
        {"price": Money.parse("10000")},
        {"price": Money.parse("20000"), "above_limit": True},
        {"reminders": ()},
        {"reminders": (336, 3, 2, 1)},
        {"questions": (Question("x" * 200),) * 6},
    ],
)
def test_a_type_at_the_very_edge_can_be_offered(changes):
    assert checked(replace(REVIEW, **changes)) == replace(REVIEW, **changes)


@pytest.mark.parametrize(
    ("changes", "field", "told"),
    [
        ({"id": ""}, "id", SLUG),
        ({"id": "a" * 41}, "id", SLUG),
        ({"id": "-a"}, "id", SLUG),
        ({"id": "a-"}, "id", SLUG),
        ({"id": "Deep"}, "id", SLUG),
        ({"id": "deep dive"}, "id", SLUG),
        ({"title": ""}, "title", "Please give it a name."),
        ({"title": " "}, "title", "Please give it a name."),
        ({"minutes": 0}, "minutes", MINUTES),
        ({"minutes": 7}, "minutes", MINUTES),
        ({"minutes": 365}, "minutes", MINUTES),
        ({"price": Money.parse("0.00999999")}, "price", PRICE),
        ({"price": Money.parse("20000.00000001"), "above_limit": True}, "price", PRICE),
        ({"price": Money.parse("10000.00000001")}, "price", ABOVE),
        ({"price": Money.parse("15000")}, "price", ABOVE),
        ({"reminders": (0,)}, "reminders", REMINDERS),
        ({"reminders": (337,)}, "reminders", REMINDERS),
        ({"reminders": (5, 4, 3, 2, 1)}, "reminders", REMINDERS),
        ({"questions": (Question("Why?"),) * 7}, "questions", "At most 6 questions."),
        ({"questions": (Question("x" * 201),)}, "questions", "A question has at most 200 letters."),
    ],
)
def test_a_type_that_cannot_be_offered_is_refused_by_field(changes, field, told):
    assert wrong(replace(REVIEW, **changes)) == {field: told}


def test_everything_that_is_wrong_is_told_at_once():
    assert set(wrong(replace(REVIEW, id="", title="", minutes=1))) == {"id", "title", "minutes"}


# --- questions ------------------------------------------------------------------------------------------------------

ASKING = replace(REVIEW, questions=(Question("What?", is_required=True), Question("Why?"), Question("How?")))


def test_each_answer_stands_with_its_question_and_an_open_one_is_left_out():
    assert answered(ASKING, [" coins ", "", "slowly"]) == (("What?", "coins"), ("How?", "slowly"))


def test_answers_nobody_gave_are_open_and_those_nobody_asked_for_are_ignored():
    assert answered(ASKING, ["coins"]) == (("What?", "coins"),)
    assert answered(ASKING, ["a", "b", "c", "d"]) == (("What?", "a"), ("Why?", "b"), ("How?", "c"))
    assert answered(REVIEW, ["a"]) == ()


def test_an_answer_may_be_a_thousand_letters():
    assert answered(ASKING, ["x" * 1000]) == (("What?", "x" * 1000),)


@pytest.mark.parametrize(
    ("answers", "fields"),
    [
        ([], {"answer_0": "Please answer this."}),
        ([" ", "b"], {"answer_0": "Please answer this."}),
        (["a", "x" * 1001], {"answer_1": "At most 1000 letters."}),
        (["", "b", "x" * 1001], {"answer_0": "Please answer this.", "answer_2": "At most 1000 letters."}),
    ],
)
def test_what_has_to_be_answered_and_what_is_too_long_is_told_by_the_place_of_its_question(answers, fields):
    with pytest.raises(Invalid) as refused:
        answered(ASKING, answers)

    assert (str(refused.value), dict(refused.value.fields)) == ("Please check the marked fields.", fields)
