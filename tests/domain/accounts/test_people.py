"""Accounts: who may do what, and what is used up by being used."""

from dataclasses import replace
from datetime import timedelta

import pytest

from inspired.domain.accounts.people import FRESH, IDLE, LONGEST_SESSION, Passkey, Person, Role, Session, check_password
from inspired.domain.shared.errors import Invalid
from tests.factories import NOW, SECOND

PERSON = Person("p1", "ann@example.com", Role.HELPER, NOW, b"key")
SESSION = Session("s1", "p1", "mark", NOW, NOW, NOW)


@pytest.mark.parametrize(
    ("role", "covered"),
    [
        (Role.READER, {Role.READER}),
        (Role.HELPER, {Role.READER, Role.HELPER}),
        (Role.OWNER, {Role.READER, Role.HELPER, Role.OWNER}),
    ],
)
def test_each_role_may_do_what_those_before_it_may(role, covered):
    assert {least for least in Role if role.covers(least)} == covered


def test_a_code_counts_once_and_no_older_one_after_it():
    used = PERSON.with_code_of(1000)

    assert used.totp_step == 1000
    assert used.with_code_of(1001).totp_step == 1001
    for step in (1000, 999):
        with pytest.raises(Invalid, match="used already"):
            used.with_code_of(step)


def test_a_recovery_code_counts_once():
    person = replace(PERSON, recovery=("a", "b"))
    used = person.without_recovery_code("a")

    assert used.recovery == ("b",)
    with pytest.raises(Invalid, match="wrong"):
        used.without_recovery_code("a")


def test_of_passkeys_the_used_one_alone_counts_on():
    keys = tuple(Passkey(name, b"key", 1, "x", NOW) for name in (b"a", b"b"))
    person = replace(PERSON, passkeys=keys)

    assert [one.count for one in person.with_passkey_used(b"b", 7).passkeys] == [1, 7]
    assert (PERSON.has_second_step, person.has_second_step) == (False, True)
    assert replace(PERSON, totp=b"x").has_second_step


@pytest.mark.parametrize(("length", "fits"), [(11, False), (12, True), (1024, True), (1025, False)])
def test_a_password_is_long(length, fits):
    if fits:
        check_password("x" * length)
    else:
        with pytest.raises(Invalid):
            check_password("x" * length)


def test_an_invitation_ends_with_its_day_with_its_use_and_with_the_account():
    person = replace(PERSON, invitation="hash", invited_until=NOW + SECOND)

    assert person.is_invited(NOW)
    assert not person.is_invited(NOW + SECOND)
    assert not replace(person, disabled=True).is_invited(NOW)
    assert not replace(person, invited_until=None).is_invited(NOW)
    assert not person.with_password("hash").is_invited(NOW)
    assert not PERSON.is_invited(NOW)


def test_a_session_ends_idle_or_old_and_is_fresh_for_a_while():
    assert SESSION.is_alive(NOW + IDLE - SECOND)
    assert not SESSION.is_alive(NOW + IDLE)
    seen = SESSION
    while seen.is_alive(seen.seen + IDLE - SECOND):
        seen = seen.seen_again(seen.seen + IDLE - SECOND)
    assert seen.seen - NOW < LONGEST_SESSION
    assert SESSION.is_fresh(NOW + FRESH - SECOND)
    assert not SESSION.is_fresh(NOW + FRESH)
    assert timedelta() < FRESH < IDLE < LONGEST_SESSION
