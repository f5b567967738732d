"""Every page of the admin area, from the address map itself: who may, and who may not."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from inspired.domain.accounts.people import Person, Role
from inspired.flows.accounts import authentication
from inspired.services import Services
from inspired.web.shared.permissions import ALLOWED, FRESH_LOGIN, OPEN_TO_ALL
from tests.flows.steps import live
from tests.web.admin.test_admin import log_in
from tests.web.pages import hidden, send, words

PASSWORD = "a long password of somebody else"


def a_person(svc: Services, role: Role, email: str = "somebody@example.com") -> Person:
    person_id = svc.new_id()
    hashed = authentication.hash_password(PASSWORD)
    return svc.people.add(Person(person_id, email, role, svc.now(), svc.vault.new_key(person_id), password_hash=hashed))


def logged_in(app: Flask, svc: Services, role: Role) -> FlaskClient:
    client = app.test_client()
    email = f"{role}@example.com"
    if svc.people.by_email(email) is None:
        a_person(svc, role, email)
    assert log_in(client, email=email, password=PASSWORD).status_code == 303
    return client


def own_endpoints(app: Flask) -> dict[str, tuple[str, str]]:
    """Each endpoint of the admin area with a method and an address."""
    found = {}
    for rule in app.url_map.iter_rules():
        if str(rule).startswith(("/admin", "/api/admin")):
            address = re.sub(r"<[^>]+>", "nothing", str(rule))
            (method,) = (rule.methods or set()) & {"GET", "POST", "PUT", "DELETE", "PATCH"}
            found[rule.endpoint] = (method, address)
    return found


def test_the_table_has_every_page_there_is_and_no_other(app: Flask):
    assert set(own_endpoints(app)) == set(ALLOWED) | OPEN_TO_ALL
    assert not set(ALLOWED) & OPEN_TO_ALL
    assert set(ALLOWED) >= FRESH_LOGIN


@pytest.mark.parametrize("role", list(Role))
def test_each_may_open_what_the_table_says_and_is_told_of_the_rest(app: Flask, svc: Services, role: Role):
    ends_the_session = {"login.logout", "account.end_all_sessions"}
    client = logged_in(app, svc, role)
    for endpoint, (method, address) in own_endpoints(app).items():
        if endpoint in OPEN_TO_ALL | ends_the_session:
            continue
        form = {"csrf_token": hidden(client.get("/admin/again").text, "csrf_token")} if method != "GET" else None

        answer = client.open(address, method=method, data=form)

        is_refused = answer.status_code == 403 and "Your account may not do this" in answer.text
        assert is_refused is not role.covers(ALLOWED[endpoint]), (endpoint, answer.status_code)


def test_pages_have_no_button_that_would_be_refused(app: Flask, svc: Services):
    booking = live(svc)
    texts = {role: logged_in(app, svc, role).get(f"/admin/bookings/{booking.id}").text for role in Role}

    assert "/ask" in texts[Role.HELPER]
    assert "/ask" not in texts[Role.READER]


def test_an_account_that_is_switched_off_is_out_at_once(app: Flask, svc: Services):
    from dataclasses import replace

    client = logged_in(app, svc, Role.HELPER)
    person = svc.people.by_email("helper@example.com")
    assert person is not None
    svc.people.change(person.id, lambda one: replace(one, disabled=True))

    assert client.get("/admin/").status_code == 303
    assert log_in(client, email=person.email, password=PASSWORD).status_code == 403


def test_money_is_returned_only_for_a_while_after_a_login(client: FlaskClient, svc: Services):
    log_in(client)
    booking = live(svc)
    address = f"/admin/bookings/{booking.id}/refund"
    fresh = client.get(address)
    person = svc.people.by_email("owner@example.com")
    assert person is not None
    (session,) = svc.sessions.of(person.id)
    svc.sessions.freshened(session.id, session.fresh_at.replace(year=2025))

    asked = client.get(address)
    wrong = send(client, "/admin/again", {"password": "guess", "next": address})
    again = send(client, "/admin/again", {"password": "a password for tests", "next": address})

    assert "/admin/again" not in fresh.headers.get("Location", "")
    assert asked.headers["Location"].startswith("/admin/again?next=")
    assert (wrong.status_code, "The password is wrong" in words(wrong.text)) == (403, True)
    assert again.headers["Location"] == address
    assert "/admin/again" not in client.get(address).headers.get("Location", "")
