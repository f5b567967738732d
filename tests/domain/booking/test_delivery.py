"""What is owed to the outside world: done once, tried again ever more slowly, given up only where that is harmless."""

from datetime import timedelta

import pytest

from inspired.adapters.mongo.spellings import task_in
from inspired.domain.booking import delivery
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.history import TaskDone
from inspired.domain.booking.outbox import Email, Result, SendEmail, UnknownTask
from tests.factories import MINUTE, NOW, a_booking, an_event, an_item, owed

LATER = NOW + MINUTE


def failing(booking: Booking, name: str, times: int) -> Booking:
    for _ in range(times):
        booking = delivery.failed(delivery.claimed(booking, task_in(name), LATER), task_in(name), LATER)
    return booking


def test_whoever_does_one_thing_leaves_what_else_is_owed_as_it_was():
    booking = a_booking().owing(NOW, task_in("tidy_events"))

    claimed = delivery.claimed(booking, task_in("tidy_events"), LATER)
    failed = delivery.failed(claimed, task_in("tidy_events"), LATER)

    mail = an_item("send:held", NOW)
    assert claimed.outbox == (mail, an_item("tidy_events", LATER + MINUTE, tries=1))
    assert failed.outbox == (mail, an_item("tidy_events", LATER + timedelta(seconds=2), tries=1))
    assert delivery.done(failed, task_in("tidy_events"), LATER).outbox == (mail,)


@pytest.mark.parametrize(("note", "detail"), [((), "send:held"), ((Result.SENT,), "send:held sent")])
def test_what_was_done_stands_in_the_history_with_what_is_known_of_it(note, detail):
    booking = a_booking()

    done = delivery.done(booking, task_in("send:held"), LATER, *note)

    assert done.history == (*booking.history, an_event(LATER, "done", detail))
    assert (done.outbox, done.delivered) == ((), frozenset({SendEmail(Email.HELD)}))


def test_the_pauses_double_from_two_seconds_up_to_ten_minutes():
    pauses = [failing(a_booking(), "send:held", tries).outbox[0].due - LATER for tries in range(1, 13)]

    assert [pause.total_seconds() for pause in pauses] == [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600]


def test_the_owner_is_told_at_the_eighth_failure_and_of_no_alert_that_fails_itself():
    booking = a_booking(outbox=()).owing(NOW, task_in("alert:amount"), task_in("tidy_events"))

    assert [owed(failing(booking, "tidy_events", times)) - owed(booking) for times in (7, 8)] == [
        set(),
        {"alert:undelivered"},
    ]
    assert owed(failing(booking, "alert:amount", 8)) == owed(booking)


def test_a_mail_that_is_given_up_is_told_in_the_history_and_to_the_owner_at_once():
    booking = a_booking()

    after = delivery.failed(booking, task_in("send:held"), LATER, for_good=True)

    assert after.outbox == (an_item("alert:undelivered", LATER),)
    assert after.history == (*booking.history, an_event(LATER, "done", "send:held given up"))


def test_an_alert_that_is_given_up_makes_no_other():
    booking = a_booking(outbox=()).owing(NOW, task_in("alert:amount"))

    after = delivery.failed(booking, task_in("alert:amount"), LATER, for_good=True)

    assert (after.outbox, after.history[-1]) == ((), an_event(LATER, "done", "alert:amount given up"))


def test_a_mail_is_given_up_at_its_three_hundredth_failure_and_not_before():
    last = failing(a_booking(), "send:held", 299)

    assert "send:held" in owed(last)
    assert owed(failing(last, "send:held", 1)) == {"alert:undelivered"}


JUGGLE = UnknownTask("juggle:balls")


def test_what_only_another_release_knows_is_tried_for_two_days_and_then_given_up_and_told():
    booking = a_booking(outbox=()).owing(NOW, JUGGLE)
    for _ in range(delivery.MOST_MAIL_TRIES - 1):
        booking = delivery.failed(delivery.claimed(booking, JUGGLE, NOW), JUGGLE, NOW)
    assert booking.is_owing(JUGGLE)

    booking = delivery.failed(delivery.claimed(booking, JUGGLE, NOW), JUGGLE, NOW)

    assert owed(booking) == {"alert:undelivered"}
    assert booking.history[-1].details == TaskDone(JUGGLE, Result.GIVEN_UP)
