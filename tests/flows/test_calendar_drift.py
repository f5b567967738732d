"""What is offered here, held against the event types at Calendly: from what it answers, and against the stand-in."""

from dataclasses import replace

import pytest
import requests
from flask.testing import FlaskClient

from inspired.domain.meeting_types import MEETING_TYPES
from inspired.flows.calendar_drift import drift
from inspired.services import Services
from tests.harness import Servers
from tests.web.pages import words
from tests.web.test_admin_pages import log_in

REVIEW = MEETING_TYPES[1]


class Types:
    """A Calendly that answers these event types."""

    def __init__(self, found):
        self._found = {one.slug: one for one in found}

    def event_types(self):
        return self._found


@pytest.fixture
def env_changes() -> dict[str, str]:
    return {"CALENDAR": "calendly"}


def test_the_stand_in_agrees_with_what_the_site_was_made_with(svc: Services):
    assert drift(svc) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"minutes": 50}, "Portfolio review: 45 minutes here, 50 at Calendly."),
        ({"is_paid": True}, "Portfolio review: Calendly collects money for it too, so customers would pay twice."),
        ({"is_for_one": False}, "Portfolio review: at Calendly it is for groups;"),
        ({"slug": "renamed"}, "Portfolio review: Calendly has no active event type with the link “portfolio-review”"),
    ],
)
def test_each_difference_is_told(svc: Services, changes, told):
    there = svc.calendly.event_types().values()
    changed = [replace(one, **changes) if one.slug == REVIEW.id else one for one in there]

    (sentence,) = drift(replace(svc, calendly=Types(changed)))

    assert sentence.startswith(told)


def test_the_owner_reads_it_on_the_page_of_the_calls(client: FlaskClient, svc: Services, sandbox: Servers):
    log_in(client)
    before = words(client.get("/admin/calls").text)
    offered = svc.offer.fresh()
    longer = replace(offered.types[1], type=replace(REVIEW, minutes=60))
    svc.offer.save_types((longer, *offered.types[2:]), 0)

    after = words(client.get("/admin/calls").text)

    assert "Calendly differs" not in before
    assert "Portfolio review: 60 minutes here, 45 at Calendly." in after


def test_while_calendly_does_not_answer_the_page_says_so(client: FlaskClient, svc: Services, sandbox: Servers):
    log_in(client)
    sandbox.control("faults", {"calendly": [{"call": "any", "fault": "http_500", "times": 9}]})

    page = client.get("/admin/calls")
    requests.delete(f"{sandbox.sandbox}/control/faults", timeout=5).raise_for_status()

    assert page.status_code == 200
    assert "Calendly does not answer just now" in words(page.text)


class TestOwnCalendar:
    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {}

    def test_our_own_calendar_is_compared_with_nothing(self, svc: Services):
        assert drift(svc) == []
