"""What is owed to the outside world: done once, tried again ever more slowly, given up only where that is harmless."""

from datetime import timedelta

import pytest

from inspired.domain import effects
from inspired.domain.booking import Booking, Effect, Event
from tests.factories import MINUTE, NOW, a_booking, owed

LATER = NOW + MINUTE


def failing(booking: Booking, name: str, times: int) -> Booking:
    for _ in range(times):
        booking = effects.effect_failed(effects.claimed_effect(booking, name, LATER), name, LATER)
    return booking


def test_whoever_does_one_thing_leaves_what_else_is_owed_as_it_was():
    booking = a_booking().owing(NOW, "tidy_events")

    claimed = effects.claimed_effect(booking, "tidy_events", LATER)
    failed = effects.effect_failed(claimed, "tidy_events", LATER)

    mail = Effect("send:held", NOW)
    assert claimed.effects == (mail, Effect("tidy_events", LATER + MINUTE, tries=1))
    assert failed.effects == (mail, Effect("tidy_events", LATER + timedelta(seconds=2), tries=1))
    assert effects.effect_done(failed, "tidy_events", LATER).effects == (mail,)


@pytest.mark.parametrize(("note", "detail"), [((), "send:held"), (("sent",), "send:held sent")])
def test_what_was_done_stands_in_the_history_with_what_is_known_of_it(note, detail):
    booking = a_booking()

    done = effects.effect_done(booking, "send:held", LATER, *note)

    assert done.history == (*booking.history, Event(LATER, "done", detail))
    assert (done.effects, done.delivered) == ((), frozenset({"send:held"}))


def test_the_pauses_double_from_two_seconds_up_to_ten_minutes():
    pauses = [failing(a_booking(), "send:held", tries).effects[0].due - LATER for tries in range(1, 13)]

    assert [pause.total_seconds() for pause in pauses] == [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600]


def test_the_owner_is_told_at_the_eighth_failure_and_of_no_alert_that_fails_itself():
    booking = a_booking(effects=()).owing(NOW, "alert:amount", "tidy_events")

    assert [owed(failing(booking, "tidy_events", times)) - owed(booking) for times in (7, 8)] == [
        set(),
        {"alert:undelivered"},
    ]
    assert owed(failing(booking, "alert:amount", 8)) == owed(booking)


def test_a_mail_that_is_given_up_is_told_in_the_history_and_to_the_owner_at_once():
    booking = a_booking()

    after = effects.effect_failed(booking, "send:held", LATER, for_good=True)

    assert after.effects == (Effect("alert:undelivered", LATER),)
    assert after.history == (*booking.history, Event(LATER, "done", "send:held given up"))


def test_an_alert_that_is_given_up_makes_no_other():
    booking = a_booking(effects=()).owing(NOW, "alert:amount")

    after = effects.effect_failed(booking, "alert:amount", LATER, for_good=True)

    assert (after.effects, after.history[-1]) == ((), Event(LATER, "done", "alert:amount given up"))


def test_a_mail_is_given_up_at_its_three_hundredth_failure_and_not_before():
    last = failing(a_booking(), "send:held", 299)

    assert "send:held" in owed(last)
    assert owed(failing(last, "send:held", 1)) == {"alert:undelivered"}
