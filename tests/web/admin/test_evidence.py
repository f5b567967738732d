"""The evidence: what came in, what it held, what followed, and a replay that changes nothing."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from pymongo.database import Database

from inspired.adapters.providers.binance import WebhookHeaders
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.states import State
from inspired.flows.booking import payment_webhooks, refreshing, replaying
from inspired.flows.site import retention
from inspired.services import Services
from tests.flows.booking.test_payment_webhooks import caught
from tests.flows.steps import live, pay, starting_in
from tests.harness import Servers
from tests.web.catcher import Catcher
from tests.web.pages import words

FORGED = WebhookHeaders("serial", "nonce", "1", "c2lnbmF0dXJl")


@pytest.fixture
def env_changes(catcher: Catcher) -> dict[str, str]:
    return {"BINANCE_PAY_WEBHOOK_URL": catcher.url}


def told(svc: Services, sandbox: Servers, catcher: Catcher) -> tuple[Booking, str]:
    """A booking that was paid, and the id of the notice that told so."""
    booking = live(svc)
    pay(sandbox, booking, notify="now")
    payment_webhooks.receive(svc, *caught(catcher))
    (notice_id,) = svc.logs.due(svc.now(), 10)
    payment_webhooks.work(svc, notice_id)
    return refreshing.refresh(svc, booking.id), notice_id


def look_at(owner: FlaskClient, notice_id: str, page: str = "notice") -> Any:
    return owner.get(f"/admin/evidence/{page}", query_string={"id": notice_id})


def stored(database: Database[Any], booking: Booking) -> Any:
    return database["bookings"].find_one({"_id": booking.id})


def test_every_notice_is_listed_with_what_followed(
    owner: FlaskClient, svc: Services, sandbox: Servers, catcher: Catcher
):
    booking, _ = told(svc, sandbox, catcher)
    payment_webhooks.refused(svc, FORGED, b"{}", "the signature is wrong")

    text = words(owner.get("/admin/evidence/").text)

    refused = text.index("refused: the signature is wrong")
    assert (
        refused
        < text.index("A notice of Binance said that it was paid.")
        < text.index("worked on: the booking was CONFIRMED then")
    )
    assert booking.id[:8] in text


def test_an_empty_list_says_so(owner: FlaskClient):
    assert "No notices yet." in words(owner.get("/admin/evidence/").text)


def test_the_list_is_paged_by_time(owner: FlaskClient, svc: Services):
    for number in range(52):
        at = svc.now() - timedelta(days=1, minutes=number)
        payment_webhooks.refused(replace(svc, now=lambda at=at: at), FORGED, b"{}", f"wrong {number:02d}")

    first = owner.get("/admin/evidence/").text
    address = first[first.index("/admin/evidence/?before=") :].partition('"')[0]
    second = words(owner.get(address).text)

    assert "wrong 49" in first
    assert "wrong 50" not in first
    assert "wrong 50" in second
    assert "wrong 51" in second
    assert "Older notices" not in second


def test_older_than_the_window_is_one_step_away(owner: FlaskClient, svc: Services):
    at = svc.now() - timedelta(days=120)
    payment_webhooks.refused(replace(svc, now=lambda: at), FORGED, b"{}", "long ago")

    first = owner.get("/admin/evidence/").text
    address = first[first.index("/admin/evidence/?before=") :].partition('"')[0]

    assert "No notices in this time." in words(first)
    assert "long ago" in owner.get(address).text


def test_one_notice_shows_headers_and_body_as_text(
    owner: FlaskClient, svc: Services, sandbox: Servers, catcher: Catcher
):
    _, notice_id = told(svc, sandbox, catcher)

    text = words(look_at(owner, notice_id).text)

    for said in (
        "merchantTradeNo",
        "PAY_SUCCESS",
        "worked on: the booking was CONFIRMED then",
        "signature",
        "Its signature was checked",
    ):
        assert said in text


def test_what_a_stranger_sent_is_shown_and_never_run(owner: FlaskClient, svc: Services):
    payment_webhooks.refused(svc, FORGED, b"<script>alert(1)</script>", "the signature is wrong")
    (row,) = svc.logs.inbound(before=svc.now() + timedelta(1), after=svc.now() - timedelta(1), most=5)

    page = look_at(owner, row["_id"]).text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "nothing followed from it" in page
    assert "Replay" not in page
    assert look_at(owner, row["_id"], "replay").status_code == 409


def test_a_replay_changes_nothing_and_says_what_the_notice_does(
    owner: FlaskClient, svc: Services, sandbox: Servers, catcher: Catcher, database: Database[Any]
):
    booking, notice_id = told(svc, sandbox, catcher)
    before = stored(database, booking)

    text = words(look_at(owner, notice_id, "replay").text)

    assert stored(database, booking) == before
    assert "it is the same, to the last field" in text
    assert "Nothing would change: whatever the notice told has been done." in text
    assert "State PENDING PAID" in text
    assert "Proven harmless: the second time changes nothing" in text


def test_a_notice_that_was_not_worked_on_shows_what_it_would_do(
    owner: FlaskClient, svc: Services, sandbox: Servers, catcher: Catcher
):
    booking = live(svc)
    pay(sandbox, booking, notify="now")
    payment_webhooks.receive(svc, *caught(catcher))
    (notice_id,) = svc.logs.due(svc.now(), 10)

    text = words(look_at(owner, notice_id, "replay").text)

    assert "What would change now What Before After State PENDING PAID" in text
    assert "accepted, still to be worked on" in words(look_at(owner, notice_id).text)
    assert svc.bookings.get(booking.id).state is State.PENDING
    payment_webhooks.work(svc, notice_id)


def test_a_step_that_is_not_repeatable_would_be_told(svc: Services, sandbox: Servers, catcher: Catcher):
    _, notice_id = told(svc, sandbox, catcher)
    replayed = replaying.replay(svc, svc.logs.get(notice_id))
    assert replayed is not None

    assert replayed.is_harmless
    assert not replace(replayed, twice=replayed.before).is_harmless


def test_a_notice_of_nobodys_and_one_that_was_erased_are_not_replayed(
    owner: FlaskClient, svc: Services, sandbox: Servers, catcher: Catcher
):
    booking, notice_id = told(svc, sandbox, catcher)
    booking = starting_in(svc, booking, hours=-3)
    svc.ledger.post(booking.id, booking.ledger)
    svc.bookings.change(booking.id, lambda b: replace(b, outbox=(), check_at=None))

    retention.erase(svc, booking.id)

    page = words(look_at(owner, notice_id).text)
    assert "It was erased with the customer’s personal data." in page
    assert look_at(owner, notice_id, "replay").status_code == 409
    assert look_at(owner, "nothing").status_code == 404
    assert look_at(owner, f"{notice_id}#worked").status_code == 404
