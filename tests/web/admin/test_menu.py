"""The menu of the owner's pages: every page has one place in it, and nobody is led where they may not go."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from inspired.domain.accounts.people import Role
from inspired.domain.support.tickets import Topic
from inspired.flows.support import tickets
from inspired.services import Services
from inspired.web.admin.menu import PLACES, place_of
from inspired.web.shared.permissions import ALLOWED, OPEN_TO_ALL
from tests.flows.steps import live
from tests.web.admin.test_permissions import logged_in
from tests.web.pages import send, words

CURRENT = re.compile(r'<a href="([^"]+)" aria-current="page">')


def menu_of(page: str) -> str:
    return page[page.index('<nav class="menu" aria-label="Main">') :].partition("</nav>")[0]


def test_every_page_of_the_owner_has_a_place_in_the_menu(app: Flask):
    pages = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/admin") and rule.endpoint in ALLOWED and rule.endpoint not in OPEN_TO_ALL
    }

    assert {endpoint for endpoint in pages if place_of(endpoint, {}) is None} == set()


def test_every_place_opens_and_says_that_it_is_here(app: Flask, owner: FlaskClient):
    with app.test_request_context():
        addresses = [place.url for place in PLACES]
    seen = {url: CURRENT.findall(menu_of(owner.get(url).text)) for url in addresses}

    assert seen == {url: [url] for url in addresses}


def test_a_page_behind_a_place_marks_it_too(owner: FlaskClient, svc: Services):
    booking = live(svc)

    assert CURRENT.findall(menu_of(owner.get(f"/admin/bookings/{booking.id}").text)) == ["/admin/bookings"]
    assert CURRENT.findall(menu_of(owner.get("/admin/reports/refunds").text)) == ["/admin/reports/refunds"]
    assert CURRENT.findall(menu_of(owner.get("/admin/reports/reconciliation").text)) == ["/admin/reports"]


@pytest.mark.parametrize("role", list(Role))
def test_the_menu_leads_nobody_where_they_may_not_go(app: Flask, svc: Services, role: Role):
    person = logged_in(app, svc, role)

    links = re.findall(r'href="([^"]+)"', menu_of(person.get("/admin/").text))

    assert {url: person.get(url).status_code for url in links} == dict.fromkeys(links, 200)
    assert ("/admin/people" in links) == (role is Role.OWNER)


def test_messages_say_how_many_wait_for_an_answer(owner: FlaskClient, svc: Services):
    assert "waiting for an answer" not in menu_of(owner.get("/admin/money").text)
    tickets.write(svc, live(svc), Topic.CALL, "Where do we meet?", "r1")

    assert "Messages 1 waiting for an answer" in words(menu_of(owner.get("/admin/money").text))


def test_nothing_but_the_one_link_that_says_so_leads_out_of_the_owners_pages(owner: FlaskClient):
    page = owner.get("/admin/money").text
    outside = [url for url in re.findall(r'<a [^>]*href="([^"#]+)"', page) if not url.startswith("/admin")]

    assert outside == ["/"]
    assert '<a href="/" target="_blank" rel="noopener">' in page


def test_a_search_while_typing_is_answered_with_what_was_found_only(owner: FlaskClient, svc: Services):
    booking = live(svc, name="Ann Example")

    answer = send(owner, "/admin/search", {"text": "example"}, headers={"HX-Request": "true"})

    assert f"/admin/bookings/{booking.id}" in answer.text
    assert "<html" not in answer.text
