"""Questions before a call: asked when it is booked, sealed like the name, shown to the owner; and who did not come."""

from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from inspired.domain.booking.states import State
from inspired.domain.catalogue.meeting_types import MEETING_TYPES, Question
from inspired.flows.booking import delivery, refreshing
from inspired.services import Services
from tests.conftest import Mailbox
from tests.flows.steps import confirmed, pay, starting_in
from tests.harness import Servers
from tests.web.admin.test_admin import log_in
from tests.web.pages import hidden, send, words
from tests.web.public.test_booking import choices, stored, typed

ASKED = (Question("What do you hold?", is_required=True), Question("Anything else?"))
BOOK = "/book/portfolio-review"
ANSWERS = {"answer_0": "Two coins & a hope", "answer_1": ""}


@pytest.fixture(autouse=True)
def asking(svc: Services) -> None:
    offered = svc.catalogue.fresh()
    review = replace(MEETING_TYPES[1], questions=ASKED, place="+44 20 7946 0000")
    others = [one for one in offered.types if one.type.id != review.id]
    svc.catalogue.save_types((replace(offered.types[1], type=review), *others), 0)


def book(client: FlaskClient, **changes: str) -> Any:
    page = client.get(BOOK).text
    return client.post(BOOK, data={**typed(page, start=choices(page)[3]), **ANSWERS, **changes})


def test_questions_are_asked_with_the_booking_and_their_answers_sealed(client: FlaskClient, svc: Services):
    page = client.get(BOOK).text

    answer = book(client)

    assert "What do you hold?" in words(page)
    assert answer.status_code == 303
    (booking,) = stored(svc)
    assert delivery.answers_of(svc, booking) == [("What do you hold?", "Two coins & a hope")]
    assert "coins" not in str(booking)


@pytest.mark.parametrize(
    ("wrong", "told"), [({"answer_0": " "}, "Please answer this."), ({"answer_1": "x" * 1001}, "At most 1000 letters.")]
)
def test_a_question_that_is_not_answered_comes_back_and_nothing_is_held(
    client: FlaskClient, svc: Services, wrong: dict[str, str], told: str
):
    answer = book(client, **{"answer_0": "Two coins", **wrong})

    assert answer.status_code == 422
    assert told in words(answer.text)
    assert "ann@example.com" in answer.text
    assert stored(svc) == []


def test_the_owner_reads_the_answers_in_the_mail_and_on_the_page(
    client: FlaskClient, svc: Services, sandbox: Servers, mailbox: Mailbox
):
    book(client)
    (booking,) = stored(svc)
    pay(sandbox, booking)
    refreshing.refresh(svc, booking.id)
    log_in(client)

    told = {one["to"]: one.get_body(("plain",)).get_content() for one in mailbox.messages}
    page = words(client.get(f"/admin/bookings/{booking.id}").text)
    assert "What do you hold? Two coins & a hope" in " ".join(told["owner@example.com"].split())
    assert "Two coins" not in told["ann@example.com"]
    assert "What do you hold? Two coins & a hope" in page


def test_a_call_has_a_place_of_its_own(client: FlaskClient, svc: Services, sandbox: Servers):
    book(client)
    (booking,) = stored(svc)
    before = client.get(f"/booking/{booking.token}").text
    pay(sandbox, booking)
    refreshing.refresh(svc, booking.id)
    after = client.get(f"/booking/{booking.token}").text

    assert ("7946 0000" in before, "7946 0000" in after) == (False, True)
    assert "meet.example" not in after
    assert b"LOCATION:+44 20 7946 0000" in client.get(f"/booking/{booking.token}/call.ics").data


def test_an_answer_that_is_missing_is_marked_together_with_everything_else(client: FlaskClient):
    page = client.get(BOOK).text

    answer = client.post(BOOK, data={name: hidden(page, name) for name in ("csrf_token", "form_token", "tz")})

    assert answer.status_code == 422
    assert "Please answer this." in answer.text
    assert "Please choose a time." in answer.text
    assert "Please accept the terms to go on." in answer.text


def test_a_program_is_told_the_questions_and_answers_them(client: FlaskClient, svc: Services):
    told = {one["id"]: one["questions"] for one in client.get("/api/meeting-types").json["meetingTypes"]}
    slot = client.get("/api/meeting-types/portfolio-review/slots").json["slots"][2]["start"]
    body = {"meetingTypeId": "portfolio-review", "customerEmail": "ann@example.com", "slotStart": slot}

    without = client.post("/api/payments/create", json=body)
    answer = client.post("/api/payments/create", json={**body, "answers": ["Two coins"]})

    assert told["portfolio-review"] == [
        {"text": "What do you hold?", "required": True}, {"text": "Anything else?", "required": False},
    ]  # fmt: skip
    assert told["deep-dive"] == []
    assert (without.status_code, without.json["errors"]) == (422, {"answer_0": "Please answer this."})
    assert answer.status_code in (201, 202)
    (booking,) = stored(svc)
    assert delivery.answers_of(svc, booking) == [("What do you hold?", "Two coins")]


# --- who did not come -----------------------------------------------------------------------------------------------


def test_the_owner_writes_down_who_did_not_come_and_takes_it_back(client: FlaskClient, svc: Services, sandbox: Servers):
    booking = starting_in(svc, confirmed(svc, sandbox), hours=-0.5)
    log_in(client)
    room = f"/admin/bookings/{booking.id}"
    offered = client.get(room).text

    answer = send(client, f"{room}/no-show", {"came": ""}, page=room)
    told, noted = words(client.get(room).text), svc.bookings.get(booking.id)
    send(client, f"{room}/no-show", {"came": "yes"}, page=room)
    after = svc.bookings.get(booking.id)

    assert "The customer did not come" in words(offered)
    assert answer.headers["Location"] == room
    assert noted.no_show_at is not None
    assert "The customer came after all" in told
    assert (after.no_show_at, after.state, after.refunds) == (None, State.CONFIRMED, ())
    assert [event.kind for event in after.history[-2:]] == ["no_show", "came_after_all"]
    assert [(one.what, one.about) for one in svc.audit.newest(2)] == [("came", booking.id), ("no_show", booking.id)]


def test_nobody_can_have_missed_a_call_that_has_not_begun(client: FlaskClient, svc: Services, sandbox: Servers):
    booking = starting_in(svc, confirmed(svc, sandbox), hours=1)
    log_in(client)
    room = f"/admin/bookings/{booking.id}"

    answer = send(client, f"{room}/no-show", {"came": ""}, page=room)

    assert answer.status_code == 409
    assert "The customer did not come" not in words(client.get(room).text)
    assert svc.bookings.get(booking.id).no_show_at is None
