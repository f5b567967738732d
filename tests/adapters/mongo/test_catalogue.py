"""What the owner offers: saved and read back whole, kept for a moment, known also while the database is away."""

from dataclasses import replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from pymongo.database import Database

from inspired.adapters.mongo.catalogue import Catalogue, Listed
from inspired.adapters.mongo.database import connect
from inspired.domain.catalogue.availability import Availability, DaysOff, Rules, SpecialDay, parse_day
from inspired.domain.catalogue.meeting_types import MEETING_TYPES
from inspired.domain.shared.errors import Busy, Conflict, NotFound
from inspired.domain.shared.money import Money
from tests.faults import proxy

LONDON = ZoneInfo("Europe/London")
MINUTE = timedelta(minutes=1)
WEEK = (parse_day("9:00-12:00, 13:00-17:00"),) * 5 + ((), parse_day("10:00-24:00"))
CALENDAR = Availability(
    LONDON,
    WEEK,
    (SpecialDay(date(2026, 12, 24), parse_day("9:00-12:00")), SpecialDay(date(2026, 12, 31))),
    (DaysOff(date(2027, 1, 1), date(2027, 1, 6)),),
)
RULES = Rules(
    week=((),) * 6 + (parse_day("10:00-11:00"),),
    before=5 * MINUTE,
    after=10 * MINUTE,
    notice=timedelta(hours=30),
    horizon=timedelta(days=60),
    step=15 * MINUTE,
    most_per_day=3,
)


@pytest.fixture
def offer(database: Database) -> Catalogue:
    return Catalogue(database, LONDON, keep=0)


def test_until_something_is_saved_the_types_the_site_was_made_with_are_offered_on_workdays(offer: Catalogue):
    assert offer.types() == MEETING_TYPES
    assert offer.calendar() == Availability(LONDON)


def test_what_was_saved_is_read_back_whole_by_every_process(offer: Catalogue, database: Database):
    review = replace(MEETING_TYPES[1], title="Review", price=Money.parse("80"), minutes=50, rules=RULES)
    listed = (Listed(review), Listed(MEETING_TYPES[0], hidden=True))

    offer.save_types(listed, 0)
    offer.save_calendar(CALENDAR, 0)

    found = Catalogue(database, LONDON).now()
    assert (found.types, found.calendar) == (listed, CALENDAR)
    assert (found.types_version, found.calendar_version) == (1, 1)


def test_hidden_types_cannot_be_booked(offer: Catalogue):
    offer.save_types((Listed(MEETING_TYPES[0], hidden=True), Listed(MEETING_TYPES[2])), 0)

    assert offer.types() == (MEETING_TYPES[2],)
    assert offer.type(MEETING_TYPES[2].id) == MEETING_TYPES[2]
    for hidden_or_gone in (MEETING_TYPES[0].id, MEETING_TYPES[1].id):
        with pytest.raises(NotFound, match="do not offer"):
            offer.type(hidden_or_gone)


def test_two_who_change_it_at_once_do_not_undo_each_other(offer: Catalogue, database: Database):
    for save, value in ((offer.save_calendar, CALENDAR), (offer.save_types, (Listed(MEETING_TYPES[0]),))):
        save(value, 0)
        save(value, 1)
        for stale in (0, 1, 3):
            with pytest.raises(Conflict, match="Please look again"):
                save(value, stale)

    assert (offer.now().types_version, offer.now().calendar_version) == (2, 2)


def test_it_is_kept_for_a_moment_and_what_one_saves_oneself_is_seen_at_once(database: Database):
    kept = Catalogue(database, LONDON, keep=3600)
    assert kept.calendar() == Availability(LONDON)

    Catalogue(database, LONDON).save_calendar(CALENDAR, 0)
    before = kept.calendar()
    kept.save_calendar(CALENDAR, 1)

    assert (before, kept.calendar()) == (Availability(LONDON), CALENDAR)


def test_while_the_database_is_away_what_was_known_last_is_offered(settings_env: dict[str, str], offer: Catalogue):
    offer.save_calendar(CALENDAR, 0)
    uri = settings_env["MONGODB_URI"]
    with proxy.proxying(proxy.Mongo, proxy.server_of(uri, 27017), proxy.Boundaries()) as port:
        database = connect(proxy.through(uri, port), settings_env["MONGODB_DATABASE"], seconds=0.5)
        reader = Catalogue(database, LONDON, keep=0)
        assert reader.calendar() == CALENDAR

    assert reader.calendar() == CALENDAR
    with pytest.raises(Busy):
        reader.fresh()
    database.client.close()


def test_a_price_is_never_guessed():
    nowhere = connect("mongodb://127.0.0.1:9", "none", seconds=0.3)
    offer = Catalogue(nowhere, LONDON)

    for _ in range(2):
        with pytest.raises(Busy):
            offer.types()
    assert offer.shown() == MEETING_TYPES, "to look at only"
    nowhere.client.close()
