from datetime import timedelta

import pytest

from inspired.domain.catalogue.refund_policy import STANDARD, RefundPolicy
from inspired.domain.sentences.customer import said
from inspired.domain.shared.errors import Invalid
from tests.factories import NOW

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("before", "goes_back"),
    [
        (24 * HOUR, 100),
        (24 * HOUR - SECOND, 50),
        (4 * HOUR, 50),
        (4 * HOUR - SECOND, 0),
        (-HOUR, 0),
    ],
)
def test_what_goes_back_depends_on_how_long_before_the_call(before, goes_back):
    assert STANDARD.percent(NOW + before, NOW) == goes_back


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (
            STANDARD,
            (
                "Cancel 24 hours or more before the call: all of your money goes back.",
                "Cancel 4 hours or more before it: 50 % goes back.",
                "Later than 4 hours before it: nothing goes back.",
                "Moving it costs nothing, until 4 hours before it.",
            ),
        ),
        (
            RefundPolicy(full_until=72 * HOUR, part_until=HOUR, part_percent=0),
            (
                "Cancel 3 days or more before the call: all of your money goes back.",
                "Later than 3 days before it: nothing goes back.",
                "Moving it costs nothing, until 4 hours before it.",
            ),
        ),
        (
            RefundPolicy(full_until=HOUR, part_until=timedelta(), part_percent=25),
            (
                "Cancel 1 hour or more before the call: all of your money goes back.",
                "Cancel 0 hours or more before it: 25 % goes back.",
                "Moving it costs nothing, until 4 hours before it.",
            ),
        ),
        (
            RefundPolicy(full_until=48 * HOUR, part_until=timedelta(), part_percent=0),
            (
                "Cancel 2 days or more before the call: all of your money goes back.",
                "Later than 2 days before it: nothing goes back.",
                "Moving it costs nothing, until 4 hours before it.",
            ),
        ),
        (
            RefundPolicy(full_until=50 * HOUR, part_until=50 * HOUR),
            (
                "Cancel 50 hours or more before the call: all of your money goes back.",
                "Later than 50 hours before it: nothing goes back.",
                "Moving it costs nothing, until 4 hours before it.",
            ),
        ),
        (
            RefundPolicy(full_until=timedelta(), part_until=timedelta()),
            (
                "Cancel 0 hours or more before the call: all of your money goes back.",
                "Moving it costs nothing, until 4 hours before it.",
            ),
        ),
        (
            RefundPolicy(full_until=timedelta(), part_until=timedelta(), move_until=timedelta()),
            (
                "Cancel 0 hours or more before the call: all of your money goes back.",
                "Moving it costs nothing, until it starts.",
            ),
        ),
    ],
)
def test_the_policy_is_told_in_the_order_of_time(policy, words):
    assert tuple(said(one) for one in policy.terms) == words


BACKWARDS = "The time for a part of the money ends after the time for all of it."
NO_PART = "A part is 0 to 100 percent."
NO_MOVE = "A call can be moved only before it starts."
NO_CHOICE = "There has to be some time to choose."


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"full_until": HOUR, "part_until": HOUR + SECOND}, BACKWARDS),
        ({"part_until": -SECOND}, BACKWARDS),
        ({"part_percent": 101}, NO_PART),
        ({"part_percent": -1}, NO_PART),
        ({"move_until": -SECOND}, NO_MOVE),
        ({"choice_time": timedelta()}, NO_CHOICE),
        ({"choice_time": -SECOND}, NO_CHOICE),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_and_why(wrong, why):
    with pytest.raises(Invalid) as refusal:
        RefundPolicy(**wrong)

    assert str(refusal.value) == why


@pytest.mark.parametrize(
    "edge",
    [
        {"part_percent": 0},
        {"part_percent": 100},
        {"choice_time": SECOND},
        {"full_until": 4 * HOUR},
        {"part_until": timedelta()},
    ],
)
def test_a_policy_at_the_very_edge_is_kept_as_it_is(edge):
    policy = RefundPolicy(**edge)

    assert {name: getattr(policy, name) for name in edge} == edge
