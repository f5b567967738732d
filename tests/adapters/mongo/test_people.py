"""Accounts of the admin area and their sessions, in the database."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from inspired.adapters.mongo.people import AdminSessions, People
from inspired.domain.accounts.people import Passkey, Person, Role, Session
from inspired.domain.shared.errors import Conflict, NotFound
from tests.factories import NOW

PASSKEY = Passkey(b"id", b"public key", 7, "My phone", NOW)
PERSON = Person(
    "p1", "ann@example.com", Role.HELPER, NOW, b"key", password_hash="$argon2id$x", totp=b"sealed", totp_step=3,
    recovery=("a", "b"), passkeys=(PASSKEY,), invitation="hash", invited_until=NOW + timedelta(hours=1), disabled=True,
)  # fmt: skip


@pytest.fixture
def people(database) -> People:
    return People(database)


def test_an_account_comes_back_as_it_was_saved(people: People):
    people.add(PERSON)

    assert people.get("p1") == people.by_email("ann@example.com") == people.by_invitation("hash") == PERSON
    assert people.all() == [PERSON]
    assert (people.by_email("bob@example.com"), people.by_invitation("other")) == (None, None)
    with pytest.raises(NotFound):
        people.get("p2")


def test_an_address_has_one_account(people: People):
    people.add(PERSON)

    with pytest.raises(Conflict):
        people.add(replace(PERSON, id="p2"))


def test_of_many_changes_at_once_none_is_lost(people: People):
    people.add(replace(PERSON, totp_step=0))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: people.change("p1", lambda one: replace(one, totp_step=one.totp_step + 1)), range(20)))

    assert (people.get("p1").totp_step, people.get("p1").version) == (20, 20)
    assert people.change("p1", lambda one: one).version == 20


def test_a_session_holds_until_it_is_ended_one_by_one_or_all_together(database):
    sessions = AdminSessions(database)
    first = Session("s1", "p1", "mark", NOW, NOW, NOW, "Firefox on Linux")
    for name in ("s2", "s3"):
        sessions.add(replace(first, id=name, since=NOW + timedelta(seconds=int(name[1]))))
    sessions.add(first)
    sessions.add(replace(first, id="other", person_id="p2"))

    sessions.seen("s1", NOW + timedelta(minutes=5))
    sessions.freshened("s1", NOW + timedelta(minutes=6))
    assert sessions.get("s1") == replace(first, seen=NOW + timedelta(minutes=5), fresh_at=NOW + timedelta(minutes=6))
    assert [one.id for one in sessions.of("p1")] == ["s3", "s2", "s1"]

    sessions.end("s2")
    sessions.end("never")
    assert [one.id for one in sessions.of("p1")] == ["s3", "s1"]

    sessions.end_all("p1")
    assert (sessions.of("p1"), sessions.get("s1")) == ([], None)
    assert sessions.get("other") is not None
