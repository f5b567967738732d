"""The audit log: it only grows, and whoever alters or removes an entry is found out."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from inspired.adapters.mongo.audit import BEGINNING, Audit, Checked
from tests.factories import NOW, SECOND


@pytest.fixture
def audit(database) -> Audit:
    return Audit(database)


def filled(audit: Audit, count: int = 5) -> None:
    for number in range(count):
        audit.add(NOW + number * SECOND, "p1", "price changed", "deep-dive", f"to {number}")


def test_each_entry_holds_the_hash_of_the_one_before(audit: Audit):
    filled(audit)

    newest_first = audit.newest(10)
    assert [one.number for one in newest_first] == [5, 4, 3, 2, 1]
    assert [one.before for one in newest_first] == [one.hash for one in newest_first[1:]] + [BEGINNING]
    assert audit.newest(2, before=3) == newest_first[3:]
    assert list(audit.broken()) == []


def test_an_empty_log_is_whole(audit: Audit):
    assert list(audit.broken()) == []


def test_of_many_at_once_each_gets_a_number_of_its_own(audit: Audit):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: audit.add(NOW, "p1", "something", str(number)), range(24)))

    assert sorted(one.number for one in audit.newest(50)) == list(range(1, 25))
    assert {one.about for one in audit.newest(50)} == {str(number) for number in range(24)}
    assert list(audit.broken()) == []


@pytest.mark.parametrize("field", ["who", "what", "about", "detail", "at", "before"])
def test_an_altered_entry_is_found(audit: Audit, database, field: str):
    filled(audit)
    database["audit"].update_one({"_id": 3}, {"$set": {field: NOW if field == "at" else "altered"}})

    assert 3 in [number for number, _ in audit.broken()]


def test_an_entry_that_was_altered_with_its_hash_breaks_the_next(audit: Audit, database):
    filled(audit)
    other = Audit(database)
    database["audit"].delete_many({"_id": {"$gte": 3}})
    forged = other.add(NOW, "p1", "price changed", "deep-dive", "to 999")
    database["audit"].delete_many({"_id": {"$gte": 4}})
    kept = [one for one in _entries_as_they_were(audit, database) if one["_id"] > 3]
    database["audit"].insert_many(kept)

    assert forged.number == 3
    assert [number for number, _ in audit.broken()] == [4]


def _entries_as_they_were(audit: Audit, database):
    """The fourth and fifth entry of `filled`, made anew in another collection of their own."""
    scratch = Audit(_Renamed(database, "audit_before"))
    filled(scratch)
    return list(database["audit_before"].find())


class _Renamed:
    def __init__(self, database, name: str) -> None:
        self._database, self._name = database, name

    def __getitem__(self, _: str):
        return self._database[self._name]


def test_a_removed_entry_is_found(audit: Audit, database):
    filled(audit)
    database["audit"].delete_one({"_id": 2})

    assert (2, "missing up to 2") in list(audit.broken())


def test_what_came_of_the_last_look_is_kept_and_a_look_is_taken_by_one(audit: Audit):
    assert audit.checked() is None
    assert audit.take_check(NOW, NOW + 10 * SECOND)
    assert audit.checked() is None, "taken, and nothing came of it yet"
    assert not audit.take_check(NOW + 9 * SECOND, NOW + 20 * SECOND)
    assert audit.take_check(NOW + 10 * SECOND, NOW + 20 * SECOND), "whoever took it is gone"
    for broken in (("Entry 3 was altered.",), ()):
        checked = Checked(NOW, 5, "abc", broken)
        audit.note_check(checked, NOW + 60 * SECOND)
        assert audit.checked() == checked
    assert not audit.take_check(NOW + 59 * SECOND, NOW + 90 * SECOND)
    assert audit.take_check(NOW + 60 * SECOND, NOW + 90 * SECOND)
    assert audit.checked() == checked
