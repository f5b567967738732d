"""While Binance Pay does not answer, or no worker runs: nothing new is held, nothing is lost, every page says so."""

import json
from datetime import timedelta
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient
from pymongo.database import Database

from inspired.app import create_app
from inspired.domain.booking.states import State
from inspired.flows.booking import refreshing
from inspired.flows.monitoring import alerting
from inspired.services import Services
from inspired.settings import Settings
from tests.flows.booking.test_booking import TestCalendly as Steps
from tests.flows.steps import later, live, pause_is_over, pause_payments, refuse_calls
from tests.harness import Servers, wait_until
from tests.web.pages import HTMX, hidden, send, words
from tests.web.public.test_booking import CALENDLY, START, choices, drafted, stored, typed

SLOTS = "/api/meeting-types/portfolio-review/slots"


def wanted(client: FlaskClient) -> dict[str, str]:
    return {
        "meetingTypeId": "portfolio-review",
        "customerEmail": "ann@example.com",
        "slotStart": client.get(SLOTS).json["slots"][0]["start"],
    }


# --- choosing a time ------------------------------------------------------------------------------------------------


def test_in_the_place_of_times_a_page_says_why_and_looks_again_by_itself(
    client: FlaskClient, svc: Services, sandbox: Servers
):
    pause_payments(svc, sandbox)

    answer = client.get(START)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert '<meta http-equiv="refresh" content="30">' in answer.text
    assert "Binance Pay does not answer us just now" in words(answer.text)
    assert "Nothing is lost" in words(answer.text)
    assert choices(answer.text) == []
    assert "form_token" not in answer.text


def test_a_page_that_is_open_already_is_offered_no_more_times_but_keeps_the_chosen_one(
    client: FlaskClient, svc: Services, sandbox: Servers
):
    chosen = choices(client.get(START).text)[3]
    pause_payments(svc, sandbox)

    part = client.get(START, query_string={"tz": "Asia/Tokyo", "start": chosen}, headers=HTMX)

    assert part.status_code == 200
    assert part.text.strip().startswith('<fieldset id="times"')
    assert "no times are offered" in words(part.text)
    assert choices(part.text) == [chosen]
    assert 'type="radio"' not in part.text


def test_when_its_time_is_over_times_are_offered_again_and_the_next_order_is_the_probe(
    client: FlaskClient, svc: Services, sandbox: Servers
):
    pause_payments(svc, sandbox)
    pause_is_over(svc, sandbox)

    page = client.get(START)
    answer = client.post(START, data=typed(page.text))

    assert answer.status_code == 303
    assert len(sandbox.control("orders")) == 1
    assert client.get("/healthz").json["binance"] == "ok"


# --- sending the form -----------------------------------------------------------------------------------------------


def test_a_form_sent_meanwhile_holds_nothing_and_keeps_what_was_typed(
    client: FlaskClient, svc: Services, sandbox: Servers
):
    fields = typed(client.get(START).text, name="Ann Other")
    pause_payments(svc, sandbox)

    answer = client.post(START, data=fields)

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "Nothing was held and nothing is owed" in words(answer.text)
    assert 'value="Ann Other"' in answer.text
    assert 'value="ann@example.com"' in answer.text
    assert hidden(answer.text, "form_token") == fields["form_token"]
    assert hidden(answer.text, "start") == fields["start"]
    assert stored(svc) == []
    assert sandbox.control("orders") == []


def test_the_same_form_sent_again_afterwards_is_a_booking(client: FlaskClient, svc: Services, sandbox: Servers):
    fields = typed(client.get(START).text)
    pause_payments(svc, sandbox)
    client.post(START, data=fields)
    pause_is_over(svc, sandbox)

    answer = client.post(START, data=fields)

    assert answer.status_code == 303
    assert [one.state for one in stored(svc)] == [State.PENDING]


def test_under_htmx_the_form_stays_and_the_sentence_is_there_to_be_shown(
    client: FlaskClient, svc: Services, sandbox: Servers
):
    fields = typed(client.get(START).text)
    pause_payments(svc, sandbox)

    answer = client.post(START, data=fields, headers=HTMX)

    assert answer.status_code == 503
    assert answer.text.startswith("<!doctype html>")
    assert "data-message>Payments are paused" in answer.text
    assert stored(svc) == []


def test_a_form_that_was_held_already_leads_to_its_booking_though_payments_are_paused(
    client: FlaskClient, svc: Services, sandbox: Servers
):
    fields = typed(client.get(START).text)
    first = client.post(START, data=fields)
    pause_payments(svc, sandbox)

    again = client.post(START, data=fields)

    assert (again.status_code, again.headers["Location"]) == (303, first.headers["Location"])


# --- the API --------------------------------------------------------------------------------------------------------


def test_the_api_offers_and_holds_nothing_and_says_when_to_come_again(
    client: FlaskClient, svc: Services, sandbox: Servers
):
    body = wanted(client)
    pause_payments(svc, sandbox)

    answers = [client.get(SLOTS), client.post("/api/payments/create", json=body)]

    for answer in answers:
        assert (answer.status_code, answer.mimetype) == (503, "application/problem+json")
        assert 0 < int(answer.headers["Retry-After"]) <= 15
        assert json.loads(answer.text)["title"] == "Payments are paused"
    assert stored(svc) == []
    assert sandbox.control("orders") == []


def test_a_key_that_was_answered_is_answered_again_and_a_refused_one_is_free(
    client: FlaskClient, svc: Services, sandbox: Servers
):
    body, key, other = wanted(client), {"Idempotency-Key": "one"}, {"Idempotency-Key": "two"}
    first = client.post("/api/payments/create", json=body, headers=key)
    later = wanted(client)
    pause_payments(svc, sandbox)

    again = client.post("/api/payments/create", json=body, headers=key)
    refused = client.post("/api/payments/create", json=later, headers=other)
    pause_is_over(svc, sandbox)
    made = client.post("/api/payments/create", json=later, headers=other)

    assert [one.status_code for one in (first, again, refused, made)] == [201, 201, 503, 201]
    assert again.json["bookingId"] == first.json["bookingId"]


# --- Binance answers, and refuses every call ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["key_refused", "signature_refused", "account_refused", "region_refused"])
def test_where_every_call_is_refused_no_time_is_offered_and_none_held(
    client: FlaskClient, svc: Services, sandbox: Servers, kind: str
):
    body, fields = wanted(client), typed(client.get(START).text)
    refuse_calls(svc, sandbox, kind)

    answers = [client.get(START), client.get(SLOTS), client.post(START, data=fields)]
    answers.append(client.post("/api/payments/create", json=body))
    part = client.get(START, headers=HTMX)

    assert [one.status_code for one in answers] == [503] * 4
    assert choices(answers[0].text) == choices(part.text) == []
    for page in (answers[0], part):
        assert "Binance Pay does not take our calls" in words(page.text)
    assert "Nothing was held and nothing is owed" in words(answers[2].text)
    assert stored(svc) == []
    assert sandbox.control("orders") == []
    assert client.get("/healthz").json["binance"] == "refused"


def test_it_ends_by_itself_with_the_first_call_that_is_taken_again(
    client: FlaskClient, svc: Services, sandbox: Servers
):
    refuse_calls(svc, sandbox)
    alerting.probe_binance(svc)
    requests.delete(f"{sandbox.sandbox}/control/faults", timeout=5).raise_for_status()

    paused = client.get(START).status_code
    alerting.probe_binance(later(svc, minutes=2))
    wait_until(lambda: client.get(START).status_code == 200, what="times on offer")

    assert paused == 503
    assert client.post(START, data=typed(client.get(START).text)).status_code == 303


def test_whoever_has_an_order_is_not_told_that_binance_knows_of_no_payment(
    client: FlaskClient, svc: Services, sandbox: Servers
):
    page = f"/booking/{live(svc).token}"
    refuse_calls(svc, sandbox)

    told = words(send(client, f"{page}/check", {}, page=page, headers=HTMX).text)

    assert "Binance Pay did not answer just now." in told
    assert "Binance Pay does not take our calls at the moment. We keep asking." in told
    assert "No payment has arrived" not in told


def test_a_time_is_held_with_its_order_refused_at_first_and_paid_when_orders_are_taken_again(
    client: FlaskClient, svc: Services, sandbox: Servers
):
    sandbox.control("faults", {"binance": [{"call": "create", "fault": "key_refused", "times": 2}]})

    booking = live(svc)
    for seconds in (3, 10):
        booking = refreshing.refresh(later(svc, seconds=seconds), booking.id)

    assert booking.order.checkout is not None
    assert svc.binance.throttle.state().word == "ok"


# --- a booking that stands already ----------------------------------------------------------------------------------


def test_a_bookings_own_page_says_that_binance_does_not_answer_and_that_nothing_is_to_be_paid_twice(
    client: FlaskClient, svc: Services, sandbox: Servers
):
    with_order = live(svc)
    pause_payments(svc, sandbox)
    without = live(svc, call=2, email="bob@example.com")

    pages = [words(client.get(f"/booking/{one.token}").text) for one in (with_order, without)]

    for page in pages:
        assert "Binance Pay does not answer us at the moment. We keep asking." in page
        assert "do not pay twice" in page
    assert "We are preparing your payment" in pages[1]


def test_nobody_is_told_that_binance_was_asked_when_it_did_not_answer(
    client: FlaskClient, svc: Services, sandbox: Servers
):
    booking = live(svc)
    page = f"/booking/{booking.token}"
    sandbox.control("faults", {"binance": [{"call": "query", "fault": "http_500", "times": 1}]})

    silent = words(send(client, f"{page}/check", {}, page=page, headers=HTMX).text)
    answered = words(send(client, f"{page}/check", {}, page=page, headers=HTMX).text)

    assert "Binance Pay did not answer just now." in silent
    assert "No payment has arrived" not in silent
    assert "We asked Binance just now. No payment has arrived there yet." in answered


def test_a_held_time_can_be_changed_all_the_same(client: FlaskClient, svc: Services, sandbox: Servers):
    booking = live(svc)
    pause_payments(svc, sandbox)
    page = f"/booking/{booking.token}/time"
    other = choices(client.get(page).text)[-1]

    answer = send(client, page, {"start": other, "tz": "Europe/London"})

    assert answer.status_code == 303
    assert svc.bookings.get(booking.id).slot.span.start - booking.slot.span.start > timedelta(0)


def test_health_tells_how_it_stands_with_binance(client: FlaskClient, svc: Services, sandbox: Servers):
    sandbox.control("faults", {"binance": [{"call": "any", "fault": "http_500", "times": 1}]})

    live(svc)
    after_one = client.get("/healthz")
    pause_payments(svc, sandbox)
    after_many = client.get("/healthz")

    assert [one.json["binance"] for one in (after_one, after_many)] == ["backing off", "paused"]
    assert [one.status_code for one in (after_one, after_many)] == [200, 200]


# --- with Calendly's frame ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("env_changes", CALENDLY)
def test_no_frame_is_opened_and_no_draft_begun(client: FlaskClient, svc: Services, sandbox: Servers):
    before = client.get(START).text
    pause_payments(svc, sandbox)

    page = client.get(START)
    sent = client.post(START, data={"csrf_token": hidden(before, "csrf_token"), "terms": "yes"})

    assert (page.status_code, sent.status_code) == (503, 503)
    assert "Payments are paused" in words(sent.text)
    assert stored(svc) == []


@pytest.mark.parametrize("env_changes", CALENDLY)
def test_a_draft_shows_its_frame_again_when_it_is_over(client: FlaskClient, svc: Services, sandbox: Servers):
    address = drafted(client).headers["Location"]
    pause_payments(svc, sandbox)

    paused = client.get(address)
    pause_is_over(svc, sandbox)
    back = client.get(address)

    assert (paused.status_code, back.status_code) == (503, 200)
    assert "<iframe" not in paused.text
    assert "<iframe" in back.text


@pytest.mark.parametrize("env_changes", CALENDLY)
def test_a_time_that_was_picked_already_is_held_since_the_event_is_there(
    client: FlaskClient, svc: Services, sandbox: Servers
):
    address = drafted(client).headers["Location"]
    token = address.rpartition("/")[2]
    event, invitee = Steps().schedule(svc, token)
    form_token = hidden(client.get(address).text, "csrf_token")
    pause_payments(svc, sandbox)

    picked = {"csrf_token": form_token, "event_uri": event, "invitee_uri": invitee}
    answer = client.post(f"{address}/scheduled", data=picked)

    booking = svc.bookings.by_token(token)
    assert (answer.status_code, booking.state) == (303, State.PENDING)
    assert booking.order.checkout is None
    assert "Binance Pay does not answer us at the moment" in words(client.get(address).text)


# --- while no worker runs -------------------------------------------------------------------------------------------


@pytest.fixture
def unworked(client: FlaskClient, svc: Services, settings: Settings) -> FlaskClient:
    """The same site three minutes later, in which no worker has had a turn."""
    return create_app(later(svc, minutes=3), settings).test_client()


def test_nothing_is_sold_that_nobody_would_confirm(unworked: FlaskClient, client: FlaskClient, svc: Services):
    fields, body = typed(client.get(START).text), wanted(client)

    page, form = unworked.get(START), unworked.post(START, data=typed_again(fields, unworked))
    answers = [unworked.get(SLOTS), unworked.post("/api/payments/create", json=body)]

    assert (page.status_code, form.status_code) == (503, 503)
    assert "could not confirm a payment just now" in words(page.text)
    assert "Binance Pay does not answer" not in words(page.text)
    assert choices(page.text) == []
    for answer in answers:
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
        assert json.loads(answer.text)["title"] == "Payments are paused"
    assert stored(svc) == []


def typed_again(fields: dict[str, str], client: FlaskClient) -> dict[str, str]:
    """The same form with the secret of this client's session (any page with a form has it)."""
    return {**fields, "csrf_token": hidden(client.get("/").text, "csrf_token")}


def test_a_page_that_is_open_already_says_that_payments_could_not_be_confirmed(unworked: FlaskClient):
    part = unworked.get(START, query_string={"tz": "Asia/Tokyo"}, headers=HTMX)

    assert part.status_code == 200
    assert "could not confirm a payment at the moment, so no times are offered" in words(part.text)


def test_a_release_and_a_long_job_pause_nothing(svc: Services, settings: Settings):
    almost = create_app(later(svc, seconds=110), settings).test_client()

    assert almost.get(START).status_code == 200


def test_the_first_turn_of_a_worker_ends_it(unworked: FlaskClient, svc: Services):
    assert unworked.get(START).status_code == 503

    svc.workers.write_turn("back", later(svc, minutes=3).now())

    assert unworked.get(START).status_code == 200


def test_a_site_whose_worker_was_never_started_sells_nothing(
    svc: Services, settings: Settings, database: Database[Any]
):
    database["workers"].delete_many({})

    assert create_app(svc, settings).test_client().get(START).status_code == 503


def test_what_is_held_already_goes_on_without_a_worker(unworked: FlaskClient, svc: Services):
    booking = live(svc)

    assert unworked.get(f"/booking/{booking.token}").status_code == 200
    assert unworked.get(f"/booking/{booking.token}/time").status_code == 200
