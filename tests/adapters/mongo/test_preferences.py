"""What the owner has chosen: saved and read back whole, kept for a moment, known also while the database is away."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from pymongo.database import Database

from inspired.adapters.mongo.database import connect
from inspired.adapters.mongo.preferences import Chosen, Preferences, Tried
from inspired.domain.shared.errors import Busy, Conflict
from inspired.domain.site.preferences import NAMES, Accent, Brand, Home, Section
from tests.domain.site.test_preferences import SAVED
from tests.factories import NOW
from tests.faults import proxy

BRAND = Brand("Ada’s calls", "Ada", "Calls.", Accent.PLUM, "ada@example.org")


@pytest.fixture
def preferences(database: Database) -> Preferences:
    return Preferences(database, keep=0)


def test_until_something_is_saved_the_site_is_as_it_was_made(preferences: Preferences):
    assert preferences.now() == Chosen()
    assert set(preferences.now().versions.values()) == {0}


@given(section=SAVED)
@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_may_be_saved_is_read_back_by_every_process(database: Database, section: Section):
    name, saver = NAMES[type(section)], Preferences(database)
    version = saver.fresh().versions[name]

    saver.save(section, version)

    found = Preferences(database).now()
    assert found.section(name) == section
    assert found.versions[name] == version + 1


def test_two_who_change_it_at_once_do_not_undo_each_other(preferences: Preferences):
    preferences.save(BRAND, 0)
    preferences.save(replace(BRAND, name="Second"), 1)
    for stale in (0, 1, 3):
        with pytest.raises(Conflict, match="Somebody changed this meanwhile"):
            preferences.save(BRAND, stale)
    preferences.save(replace(Home(), headline="Hello"), 0)

    found = preferences.now()
    assert (found.brand.name, found.home.headline) == ("Second", "Hello")
    assert (found.versions["brand"], found.versions["home"], found.versions["retention"]) == (2, 1, 0)


def test_it_is_kept_for_a_moment_and_what_one_saves_oneself_is_seen_at_once(database: Database):
    kept = Preferences(database, keep=3600)
    assert kept.now().brand == Brand()

    Preferences(database).save(BRAND, 0)
    before = kept.now().brand
    kept.save(replace(BRAND, name="Mine"), 1)

    assert (before, kept.now().brand.name) == (Brand(), "Mine")


def test_while_the_database_is_away_pages_have_what_was_known_last(
    settings_env: dict[str, str], preferences: Preferences
):
    preferences.save(BRAND, 0)
    uri = settings_env["MONGODB_URI"]
    with proxy.proxying(proxy.Mongo, proxy.server_of(uri, 27017), proxy.Boundaries()) as port:
        database = connect(proxy.through(uri, port), settings_env["MONGODB_DATABASE"], seconds=0.5)
        reader = Preferences(database, keep=0)
        assert reader.now().brand == BRAND

    assert reader.now().brand == BRAND
    with pytest.raises(Busy):
        reader.fresh()
    database.client.close()


def test_where_nothing_was_ever_read_pages_are_as_the_site_was_made():
    nowhere = connect("mongodb://127.0.0.1:9", "none", seconds=0.3)

    assert Preferences(nowhere).now() == Chosen()
    nowhere.client.close()


def test_how_the_last_try_went_is_kept(preferences: Preferences):
    assert preferences.tried() is None
    for told in ("first", "second"):
        preferences.note_try(Tried(NOW, told))

    assert preferences.tried() == Tried(NOW, "second")
    assert preferences.now() == Chosen()
