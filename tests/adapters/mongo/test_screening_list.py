"""The screening list as it was last read: a failed read leaves it, and every process knows a new one soon."""

from datetime import timedelta

import pytest
from pymongo.database import Database

from inspired.adapters.mongo.screening_list import ListState, ScreeningList
from tests.factories import MINUTE, NOW

ONE, TWO = ("0x" + letter * 40 for letter in "ab")
DAY = timedelta(days=1)


@pytest.fixture
def listed(database: Database) -> ScreeningList:
    return ScreeningList(database, is_used=True, keep=0.0)


def test_what_was_read_is_on_it_and_nothing_else(listed: ScreeningList, database: Database):
    before = listed.has(ONE)

    listed.replace({ONE}, NOW, DAY)

    assert (before, listed.has(ONE), listed.has(TWO)) == (False, True, False)
    assert ScreeningList(database, is_used=True).has(ONE)
    assert listed.state() == ListState(1, NOW, NOW)


def test_another_process_knows_a_new_list_once_it_looks_again(listed: ScreeningList, database: Database):
    listed.replace({ONE}, NOW, DAY)
    other = ScreeningList(database, is_used=True, keep=0.0)
    assert other.has(ONE)

    listed.replace({TWO}, NOW + DAY, DAY)

    assert (other.has(ONE), other.has(TWO)) == (False, True)


def test_a_failed_read_leaves_the_last_list_and_says_why(listed: ScreeningList):
    listed.replace({ONE}, NOW, DAY)

    listed.failed("HTTP 500", NOW + DAY, MINUTE)

    assert listed.has(ONE)
    assert listed.state() == ListState(1, NOW, NOW + DAY, why="HTTP 500")
    assert not listed.is_due(NOW + DAY)
    assert listed.is_due(NOW + DAY + MINUTE)


def test_it_is_due_until_it_was_tried_and_again_when_that_was_put_off(listed: ScreeningList):
    assert listed.is_due(NOW)

    listed.due_at(NOW + MINUTE, NOW)

    assert (listed.is_due(NOW), listed.is_due(NOW + MINUTE)) == (False, True)
    assert listed.state().since == NOW


def test_without_a_named_list_no_address_is_on_one(listed: ScreeningList, database: Database):
    listed.replace({ONE}, NOW, DAY)

    assert not ScreeningList(database, is_used=False).has(ONE)
