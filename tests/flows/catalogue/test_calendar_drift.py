"""What is offered here, held against the event types at Calendly: from what it answers, and against the stand-in."""

from dataclasses import replace

import pytest
import requests
from flask.testing import FlaskClient

from inspired.domain.catalogue.meeting_types import MEETING_TYPES
from inspired.flows.catalogue.calendar_drift import drift
from inspired.services import Services
from tests.harness import Servers
from tests.web.admin.test_admin import log_in
from tests.web.pages import words

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
        ({"options": (30, 60)}, "Portfolio review: 45 minutes here, 30 or 60 at Calendly. Until they agree,"),
        ({"options": (30, 45, 60)}, "Portfolio review: at Calendly customers can choose 30 or 60 minutes too, which"),
        ({"is_paid": True}, "Portfolio review: Calendly collects money for it too, so customers would pay twice."),
        ({"is_for_one": False}, "Portfolio review: at Calendly it is for groups;"),
        ({"says": "Portfolio review for $50"}, "Portfolio review: 75 USDT here, while Calendly’s page speaks of 50."),
        (
            {"says": "Now 60 USDT, was 80 USD."},
            "Portfolio review: 75 USDT here, while Calendly’s page speaks of 60, 80.",
        ),
        (
            {"places": (("zoom_conference", ""), ("physical", "1 High Street"))},
            "Portfolio review: it takes place at https://meet.example/room here, and by zoom conference, 1 High Street",
        ),
        ({"slug": "renamed"}, "Portfolio review: Calendly has no active event type with the link “portfolio-review”"),
    ],
)
def test_each_difference_is_told(svc: Services, changes, told):
    there = svc.calendly.event_types().values()
    changed = [replace(one, **changes) if one.slug == REVIEW.id else one for one in there]

    (sentence,) = drift(replace(svc, calendly=Types(changed)))

    assert sentence.startswith(told)


@pytest.mark.parametrize(
    "changes",
    [
        {"says": "Portfolio review, 75 USDT (75 $)"},
        {"says": "45 minutes, 2 parts, since 2019"},
        {"places": (("custom", "https://meet.example/room"),)},
        {"options": (45,)},
        {"asks": ("What do you hold?",)},  # asked in the frame itself
    ],
)
def test_what_agrees_is_no_difference(svc: Services, changes):
    there = svc.calendly.event_types().values()
    changed = [replace(one, **changes) if one.slug == REVIEW.id else one for one in there]

    assert drift(replace(svc, calendly=Types(changed))) == []


def test_on_our_own_pages_a_question_of_calendlys_is_one_that_nobody_asks(svc: Services):
    there = svc.calendly.event_types().values()
    changed = [replace(one, asks=("What do you hold?",)) if one.slug == REVIEW.id else one for one in there]
    own = svc.settings.model_copy(update={"calendar": "calendly_api"})

    (sentence,) = drift(replace(svc, settings=own, calendly=Types(changed)))

    assert "“What do you hold?”, which this site does not ask" in sentence


def test_on_our_own_pages_a_calls_length_is_the_types_own(svc: Services):
    there = svc.calendly.event_types().values()
    changed = [replace(one, minutes=30, options=(30, 45)) if one.slug == REVIEW.id else one for one in there]
    own = svc.settings.model_copy(update={"calendar": "calendly_api"})

    (sentence,) = drift(replace(svc, settings=own, calendly=Types(changed)))

    assert sentence == "Portfolio review: 45 minutes here, 30 at Calendly. Until they agree, nobody can book it."


def test_the_owner_reads_it_on_the_page_of_the_calls(client: FlaskClient, svc: Services, sandbox: Servers):
    log_in(client)
    before = words(client.get("/admin/calls").text)
    offered = svc.catalogue.fresh()
    longer = replace(offered.types[1], type=replace(REVIEW, minutes=60))
    svc.catalogue.save_types((longer, *offered.types[2:]), 0)

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
