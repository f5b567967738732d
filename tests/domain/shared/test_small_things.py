from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from inspired.domain.booking.booking import Sealed, booking_id_of, trade_number
from inspired.domain.booking.claims import Place, Tick, UnpaidOf, Visitor
from inspired.domain.catalogue.meeting_types import MEETING_TYPES, get_meeting_type
from inspired.domain.shared.errors import Conflict, Invalid, NotFound, Paused, SlotTaken, TooMany, UpstreamError
from inspired.domain.shared.slots import Span
from inspired.domain.shared.timezones import ago, in_words, is_zone, moment_in_words, zone
from inspired.domain.site import newsletter
from inspired.domain.site.newsletter import Subscriber, SubscriberState
from tests.factories import NOW, a_booking


def test_four_types_are_offered_at_the_plans_prices_and_two_cost_the_same():
    assert [str(one.price) for one in MEETING_TYPES] == ["50", "75", "150", "75"]
    assert len({one.id for one in MEETING_TYPES}) == 4


def test_an_unknown_type_is_refused():
    with pytest.raises(NotFound, match=r"^We do not offer this kind of call\.$"):
        get_meeting_type("75")


def test_an_orders_number_fits_the_provider_and_leads_back_to_its_booking():
    number = trade_number("a" * 24, 12)

    assert len(number) <= 32
    assert number.isalnum()
    assert booking_id_of(number) == "a" * 24


SEAT = Place(UnpaidOf(Visitor.MAIL, "x"), 1)


def test_a_held_booking_claims_its_ticks_and_its_seats_only():
    booking = a_booking(seats=(SEAT,))

    assert len([claim for claim in booking.claims if isinstance(claim, Tick)]) == 9
    assert SEAT in booking.claims


CALL = Span(datetime(2026, 11, 24, 13, 0, tzinfo=UTC), datetime(2026, 11, 24, 13, 45, tzinfo=UTC))


@pytest.mark.parametrize(
    ("zone_name", "words"),
    [
        ("Europe/Berlin", "Tuesday 24 November 2026, 14:00 to 14:45 (Europe/Berlin, UTC+01:00)"),
        ("Asia/Kolkata", "Tuesday 24 November 2026, 18:30 to 19:15 (Asia/Kolkata, UTC+05:30)"),
        ("America/St_Johns", "Tuesday 24 November 2026, 09:30 to 10:15 (America/St_Johns, UTC−03:30)"),
        ("Europe/London", "Tuesday 24 November 2026, 13:00 to 13:45 (Europe/London, UTC)"),
        ("Mars/Olympus", "Tuesday 24 November 2026, 13:00 to 13:45 (UTC)"),
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
    assert not is_zone("")
    assert is_zone("UTC")
    assert is_zone("Europe/Berlin")


def a_subscriber(**changes):
    return replace(Subscriber("s", "t", Sealed(b"k", b"e"), "index", NOW, asked_at=NOW, mail_due=NOW), **changes)


def test_a_subscription_counts_only_after_its_owner_agreed_and_until_they_take_it_back():
    later = NOW + timedelta(days=1)

    agreed = newsletter.confirmed(a_subscriber(), later)

    assert agreed == a_subscriber(state=SubscriberState.SUBSCRIBED, confirmed_at=later, mail_due=None)
    assert newsletter.confirmed(agreed, NOW + timedelta(days=2)) is agreed
    assert newsletter.unsubscribed(agreed) == replace(agreed, state=SubscriberState.UNSUBSCRIBED)
    assert newsletter.unsubscribed(a_subscriber()).mail_due is None, "who has left is not asked to come"


def test_asking_again_sends_at_most_one_mail_an_hour_and_none_to_subscribers():
    asked = a_subscriber(mail_due=None, mail_tries=3)
    later = NOW + timedelta(hours=1)

    assert newsletter.asked_again(asked, later - timedelta(microseconds=1)) is asked
    assert newsletter.asked_again(asked, later) == replace(asked, asked_at=later, mail_due=later, mail_tries=0)
    agreed = newsletter.confirmed(asked, NOW)
    assert newsletter.asked_again(agreed, later) is agreed


def test_a_refusal_is_its_sentence_and_says_when_it_is_worth_coming_back():
    refusals = [
        Invalid("Look at it.", {"email": "That is none."}),
        Invalid("Look at it."),
        NotFound("Gone."),
        Conflict("Later.", retry_after=3),
        SlotTaken("Taken."),
        TooMany("Slowly."),
        TooMany("Slowly.", 7),
        Paused("Paused.", 5),
    ]

    told = [(str(one), one.status, getattr(one, "fields", None), getattr(one, "retry_after", None)) for one in refusals]

    assert told == [
        ("Look at it.", 422, {"email": "That is none."}, None),
        ("Look at it.", 422, {}, None),
        ("Gone.", 404, None, None),
        ("Later.", 409, None, 3),
        ("Taken.", 409, None, None),
        ("Slowly.", 429, None, 60),
        ("Slowly.", 429, None, 7),
        ("Paused.", 503, None, 5),
    ]


def test_a_failure_of_a_service_may_have_had_its_effect_unless_it_is_known_that_it_had_none():
    unclear = UpstreamError("binance", "no answer")
    definite = UpstreamError("binance", "no", retryable=False, maybe_applied=False, code="7")

    assert (str(unclear), str(definite)) == ("binance: no answer", "binance: no")
    assert [vars(one) for one in (unclear, definite)] == [
        {"service": "binance", "message": "no answer", "retryable": True, "maybe_applied": True, "code": ""},
        {"service": "binance", "message": "no", "retryable": False, "maybe_applied": False, "code": "7"},
    ]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-5, "just now"), (59, "just now"), (60, "a minute ago"), (3599, "59 minutes ago"), (3600, "an hour ago"),
        (7200, "2 hours ago"), (86400, "a day ago"), (10 * 86400, "10 days ago"),
    ],
)  # fmt: skip
def test_how_long_ago_is_told_in_its_largest_unit(seconds: int, told: str):
    assert ago(NOW - timedelta(seconds=seconds), NOW) == told


@pytest.mark.parametrize(
    ("zone_name", "said"),
    [
        ("UTC", "24 November 2026, 14:00 (UTC)"),
        ("Europe/London", "24 November 2026, 14:00 (Europe/London, UTC)"),
        ("Asia/Kolkata", "24 November 2026, 19:30 (Asia/Kolkata, UTC+05:30)"),
        ("Mars/Base", "24 November 2026, 14:00 (UTC)"),
    ],
)
def test_a_zone_and_its_offset_are_said_once_where_they_are_the_same(zone_name: str, said: str):
    moment = datetime(2026, 11, 24, 14, tzinfo=UTC)

    assert moment_in_words(moment, zone_name) == said
    assert in_words(Span(moment, moment + timedelta(minutes=45)), zone_name).endswith(said.partition(" (")[2])
