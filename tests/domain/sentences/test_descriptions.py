"""What is offered, in words: whatever can be changed of it has a name, so that no change is left out of the log."""

from dataclasses import fields, replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from inspired.domain.catalogue.availability import Availability, Rules, parse_day, parse_days_off, parse_special
from inspired.domain.catalogue.meeting_types import MEETING_TYPES, MeetingType, Question
from inspired.domain.catalogue.refund_policy import RefundPolicy
from inspired.domain.sentences.descriptions import calendar_in_words, list_in_words, type_in_words
from inspired.domain.shared.money import Money
from inspired.domain.site.preferences import changes

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
TYPE = MEETING_TYPES[1]
OTHER = {
    "title": "Another", "minutes": 50, "price": Money.parse("80"), "summary": "Short.", "includes": ("One",),
    "reminders": (48,), "questions": (Question("Why?", True), Question("How?")), "place": "Here",
    "above_limit": True,
}  # fmt: skip
OTHER_POLICY = {
    "full_until": 30 * HOUR, "part_until": 3 * HOUR, "part_percent": 20, "move_until": HOUR, "choice_time": 9 * HOUR,
    "top_up": True,
}  # fmt: skip
OTHER_RULES = {
    "week": ((),) * 6 + (parse_day("9:00-10:00"),), "before": 5 * MINUTE, "after": 5 * MINUTE, "notice": 9 * HOUR,
    "horizon": timedelta(days=9), "step": 15 * MINUTE, "most_per_day": 2,
}  # fmt: skip


def test_these_lists_have_everything_that_can_be_changed():
    assert set(OTHER) | {"id", "policy", "rules"} == {one.name for one in fields(MeetingType)}
    assert set(OTHER_POLICY) == {one.name for one in fields(RefundPolicy)}
    assert set(OTHER_RULES) == {one.name for one in fields(Rules)}


@pytest.mark.parametrize(
    "changed",
    [
        *(replace(TYPE, **{name: value}) for name, value in OTHER.items()),
        *(replace(TYPE, policy=replace(TYPE.policy, **{name: value})) for name, value in OTHER_POLICY.items()),
        *(replace(TYPE, rules=replace(TYPE.rules, **{name: value})) for name, value in OTHER_RULES.items()),
    ],
)
def test_whatever_is_changed_of_a_call_is_one_sentence(changed: MeetingType):
    assert len(changes(type_in_words(TYPE), type_in_words(changed))) == 1


def test_a_price_is_told_with_its_old_and_new_value():
    changed = replace(TYPE, price=Money.parse("80"))

    assert changes(type_in_words(TYPE), type_in_words(changed)) == ["price: from “75 USDT” to “80 USDT”"]


def test_the_longest_buffer_and_step_are_told_whole():
    rules = replace(TYPE.rules, before=4 * HOUR, step=timedelta(days=1), horizon=timedelta(days=365))

    told = type_in_words(replace(TYPE, rules=rules))

    assert told["kept free"] == "240 minutes before, 0 after"
    assert told["one start to the next"] == "1440 minutes"


def test_the_calendar_is_told_day_by_day():
    zone = ZoneInfo("Europe/London")
    before = Availability(zone)
    after = Availability(
        zone,
        (parse_day("10:00-12:00"), *before.week[1:]),
        parse_special("2026-12-24 9:00-12:00\n2026-12-31 closed"),
        parse_days_off("2027-01-01 to 2027-01-06"),
    )

    assert changes(calendar_in_words(before), calendar_in_words(after)) == [
        "Monday: from “09:00-17:00” to “10:00-12:00”",
        "other hours on single days: from nothing to “2026-12-24 09:00-12:00; 2026-12-31 closed”",
        "days off: from nothing to “2027-01-01 to 2027-01-06”",
    ]
    assert calendar_in_words(before)["Sunday"] == "no calls"


def test_the_list_is_told_in_its_order_with_what_is_hidden():
    assert list_in_words([("One", False), ("Two", True)]) == {"order": "One, Two (hidden)"}
