"""What the owner sees of their own calendar beside the hours, and the button that has it read."""

import re

import pytest
from flask.testing import FlaskClient

from inspired.services import Services
from tests.flows.catalogue.test_own_calendar import Calendar, read, rung
from tests.flows.catalogue.test_own_calendar import theirs as theirs
from tests.flows.steps import free_calls, later, owners_clock
from tests.harness import Servers
from tests.web.pages import send, words

PAGE, BUTTON = "/admin/calendar", "/admin/calendar/own"


@pytest.fixture
def env_changes(theirs: Calendar) -> dict[str, str]:
    return {"BUSY_FEED_URLS": theirs.url}


def said(owner: FlaskClient, page: str = PAGE) -> str:
    """What the page says of it."""
    found = re.search(r'<section id="own">.*?</section>', owner.get(page).text, re.S)
    return words(found[0]) if found else ""


def test_how_much_is_known_and_since_when_is_told(owner: FlaskClient, svc: Services, theirs: Calendar):
    assert "Your own calendar was not read yet." in said(owner)

    theirs.has(free_calls(svc)[5])
    read(later(svc, minutes=-4))
    assert "Your own calendar: 1 busy time known, read 4 minutes ago." in said(owner)

    theirs.has(free_calls(svc)[5], free_calls(svc)[40])
    read(svc)
    assert "Your own calendar: 2 busy times known, read just now." in said(owner)


def test_while_it_cannot_be_read_the_page_says_since_when_why_and_what_stays(
    owner: FlaskClient, svc: Services, theirs: Calendar
):
    theirs.has(free_calls(svc)[5])
    read(later(svc, hours=-3))
    theirs.status = "404 Not Found"
    read(later(svc, hours=-2))

    found = said(owner)

    assert re.search(r"could not be read since \d+ \w+ \d{4}, \d\d:\d\d \(Europe/London", found)
    assert "the answer was an error, 404: is the address still right?" in found
    assert "Meanwhile what was known is still kept free: 1 busy time, read 3 hours ago." in found
    assert "0123456789" not in owner.get(PAGE).text, "never the address"


def test_one_that_could_never_be_read_keeps_nothing_free_and_says_so(
    owner: FlaskClient, svc: Services, theirs: Calendar
):
    theirs.text = b"<html>"
    read(svc)

    assert "it is not a calendar. Meanwhile nothing is known of it yet." in said(owner)


def test_entries_that_nobody_understands_are_told(owner: FlaskClient, svc: Services, theirs: Calendar):
    theirs.text = theirs.text.replace(b"END:VCALENDAR", b"BEGIN:VEVENT\r\nDTSTART:never\r\nEND:VEVENT\r\nEND:VCALENDAR")
    read(svc)

    assert "0 busy times known, read just now. 1 entry has a time or a zone that cannot be read for sure" in said(owner)


def test_the_times_on_the_page_leave_out_what_is_busy(owner: FlaskClient, svc: Services, theirs: Calendar):
    def times() -> list[str]:
        shown = owner.get(PAGE).text.partition('id="times"')[2]
        return re.findall(r"\d\d:\d\d", words(" ".join(re.findall(r'class="clocks">(.*?)</p>', shown, re.S))))

    before = times()
    theirs.has(next(call for call in free_calls(svc, "quick-question") if owners_clock(svc, call).hour == 10))
    read(svc)

    after = times()
    assert after.count("10:00") == before.count("10:00") - 1
    assert len(after) == len(before) - 1


def test_the_button_has_it_read_and_the_page_waits_for_what_comes_of_it(
    owner: FlaskClient, svc: Services, sandbox: Servers, theirs: Calendar
):
    answer = send(owner, BUTTON, {}, page=PAGE)
    there = answer.headers["Location"]

    assert (answer.status_code, "#" in there) == (303, False), "a browser does not load a place in a page again"
    assert rung(sandbox) == 1
    assert 'http-equiv="refresh"' in owner.get(there).text
    assert "It is being read just now." in said(owner, there)

    theirs.has(free_calls(svc)[5])
    read(svc)

    assert 'http-equiv="refresh"' not in owner.get(there).text
    assert "1 busy time known, read just now." in said(owner, there)


def test_the_page_does_not_wait_for_ever(owner: FlaskClient):
    for asked in ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00", "soon", "%00"):
        page = owner.get(f"{PAGE}?asked={asked}")
        assert (page.status_code, 'http-equiv="refresh"' in page.text) == (200, False)


def test_a_ring_that_was_lost_is_rung_by_the_clock(owner: FlaskClient, svc: Services, sandbox: Servers):
    read(svc)
    assert svc.own_calendar.due(svc.now()) == []

    send(owner, BUTTON, {}, page=PAGE)

    assert svc.own_calendar.due(later(svc, seconds=91).now()) == list(svc.own_calendar.feeds)


def test_only_the_owner_has_it_read(client: FlaskClient, svc: Services, sandbox: Servers):
    answer = send(client, BUTTON, {}, page="/admin/login")

    assert answer.headers["Location"].startswith("/admin/login")
    assert rung(sandbox) == 0


class TestNone:
    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {}

    def test_without_an_address_the_page_says_nothing_of_it(self, owner: FlaskClient, sandbox: Servers):
        assert said(owner) == ""
        send(owner, BUTTON, {}, page=PAGE)
        assert rung(sandbox) == 0
