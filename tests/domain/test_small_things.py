from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from inspired.domain import newsletter
from inspired.domain.booking import Sealed, booking_id_of, trade_number
from inspired.domain.errors import Conflict, NotFound, Paused, TooMany, UpstreamError
from inspired.domain.meeting_types import MEETING_TYPES, get_meeting_type
from inspired.domain.newsletter import Subscriber, SubscriberState
from inspired.domain.slots import Span
from inspired.domain.when import in_words, is_zone, moment_in_words, zone
from tests.factories import NOW, a_booking


def test_four_types_are_offered_at_the_plans_prices_and_two_cost_the_same():
    assert [str(one.price) for one in MEETING_TYPES] == ["50", "75", "150", "75"]
    assert len({one.id for one in MEETING_TYPES}) == 4


def test_an_unknown_type_is_refused():
    with pytest.raises(NotFound):
        get_meeting_type("75")


def test_an_orders_number_fits_the_provider_and_leads_back_to_its_booking():
    number = trade_number("a" * 24, 12)

    assert len(number) <= 32
    assert number.isalnum()
    assert booking_id_of(number) == "a" * 24


def test_a_held_booking_claims_its_ticks_and_its_seats_only():
    booking = a_booking(seats=("seat:mail:x:1",))

    assert len([claim for claim in booking.claims if claim.startswith("tick:")]) == 9
    assert "seat:mail:x:1" in booking.claims


CALL = Span(datetime(2026, 11, 24, 13, 0, tzinfo=UTC), datetime(2026, 11, 24, 13, 45, tzinfo=UTC))


@pytest.mark.parametrize(
    ("zone_name", "words"),
    [
        ("Europe/Berlin", "Tuesday 24 November 2026, 14:00 to 14:45 (Europe/Berlin, UTC+01:00)"),
        ("Asia/Kolkata", "Tuesday 24 November 2026, 18:30 to 19:15 (Asia/Kolkata, UTC+05:30)"),
        ("America/St_Johns", "Tuesday 24 November 2026, 09:30 to 10:15 (America/St_Johns, UTC−03:30)"),
        ("Europe/London", "Tuesday 24 November 2026, 13:00 to 13:45 (Europe/London, UTC)"),
    ],
)
def test_times_are_written_with_their_zone_and_offset(zone_name, words):
    assert in_words(CALL, zone_name) == words


def test_vancouver_keeps_summer_time_from_2026_on():
    assert moment_in_words(datetime(2026, 12, 1, 20, 0, tzinfo=UTC), "America/Vancouver").endswith(
        "13:00 (America/Vancouver, UTC−07:00)"
    )


def test_an_unknown_zone_is_never_guessed():
    assert zone("Mars/Olympus").key == "UTC"
    assert not is_zone("Mars/Olympus")
    assert not is_zone("../../etc/passwd")
    assert is_zone("UTC")


def a_subscriber(**changes):
    return replace(Subscriber("s", "t", Sealed(b"k", b"e"), "index", NOW, asked_at=NOW, mail_due=NOW), **changes)


def test_a_subscription_counts_only_after_its_owner_agreed():
    agreed = newsletter.confirmed(a_subscriber(), NOW)

    assert agreed.state is SubscriberState.SUBSCRIBED
    assert agreed.mail_due is None
    assert newsletter.confirmed(agreed, NOW + timedelta(days=1)) == agreed
    assert newsletter.unsubscribed(agreed).state is SubscriberState.UNSUBSCRIBED


def test_asking_again_sends_at_most_one_mail_an_hour_and_none_to_subscribers():
    asked = a_subscriber(mail_due=None)
    later = NOW + timedelta(hours=1)

    assert newsletter.asked_again(asked, NOW + timedelta(minutes=59)) == asked
    assert newsletter.asked_again(asked, later).mail_due == later
    agreed = newsletter.confirmed(asked, NOW)
    assert newsletter.asked_again(agreed, later) == agreed


def test_a_refusal_says_when_it_is_worth_coming_back_and_a_failure_what_is_known_of_it():
    assert Conflict("x", retry_after=3).retry_after == 3
    assert TooMany("x").retry_after == 60
    assert Paused("x", 5).retry_after == 5
    failure = UpstreamError("binance", "no answer", maybe_applied=False, code="7")
    assert (str(failure), failure.retryable, failure.maybe_applied) == ("binance: no answer", True, False)
    assert failure.code == "7"
