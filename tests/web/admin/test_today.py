"""The first page of the owner's room, and its search."""

from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from inspired.adapters.mongo.ledger_store import Orphan
from inspired.domain.accounts.people import Role
from inspired.domain.booking import delivery
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.outbox import Email, SendEmail
from inspired.domain.booking.reconciliation import Difference
from inspired.domain.booking.refunds import PartOfIt
from inspired.domain.booking.states import RefundStatus
from inspired.domain.shared.money import Money
from inspired.domain.support.tickets import Topic
from inspired.flows.booking import refreshing, refunding
from inspired.flows.support import tickets
from inspired.services import Services
from tests.flows.steps import confirmed, hold, live, pay, starting_in
from tests.harness import Servers
from tests.web.admin.test_permissions import logged_in
from tests.web.pages import send, words


def a_stuck_refund(svc: Services, sandbox: Servers) -> Booking:
    booking = confirmed(svc, sandbox, name="Stuck One")
    refunding.refund(svc, booking.id, PartOfIt(Money.parse("20")), cancels=False, note="x", request="r", seen=None)
    stuck = svc.bookings.get(booking.id)
    refund = replace(stuck.refunds[-1], status=RefundStatus.NEEDS_OWNER, retry_at=None)
    return svc.bookings.change(booking.id, lambda b: b.with_refund(refund))


def test_a_quiet_day_says_so(owner: FlaskClient):
    text = words(owner.get("/admin/").text)

    assert "All clear" in text
    assert "No call today" in text


@pytest.mark.breaks_books
def test_a_refund_that_is_stuck_has_its_button_here(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = a_stuck_refund(svc, sandbox)
    page = owner.get("/admin/").text
    refund = booking.refunds[-1]
    address = f"/admin/bookings/{booking.id}/refunds/{refund.id}/again"
    assert "A refund does not get through" in words(page)
    assert "Stuck One" in words(page)
    assert address in page

    send(owner, address, {}, page="/admin/")

    assert "Stuck One" not in words(owner.get("/admin/").text.partition("Calls today")[0])


def test_a_mail_that_was_given_up_is_seen_to_by_a_person(owner: FlaskClient, svc: Services):
    booking = live(svc, name="Lost Mail")
    svc.bookings.change(booking.id, lambda b: delivery.failed(b, SendEmail(Email.HELD), svc.now(), for_good=True))
    assert "Could not be delivered: Mail “held”." in words(owner.get("/admin/").text)

    send(owner, f"/admin/bookings/{booking.id}/seen-to", {}, page="/admin/")

    assert "Could not be delivered" not in words(owner.get("/admin/").text)
    assert "Seen to:" in words(owner.get(f"/admin/bookings/{booking.id}").text)
    assert (svc.audit.newest(1)[0].what, svc.audit.newest(1)[0].about) == ("seen_to", booking.id)
    assert send(owner, f"/admin/bookings/{booking.id}/seen-to", {}, page="/admin/").status_code == 409


def test_an_unanswered_message_leads_to_its_answer(owner: FlaskClient, svc: Services):
    ticket = tickets.write(svc, live(svc), Topic.CALL, "Where do we meet?", "r1")

    page = owner.get("/admin/").text

    assert "Unanswered message: About the call, waiting since" in words(page)
    assert "due in 23 hours" in words(page) or "due in 1 day" in words(page)
    assert f'href="/admin/tickets/{ticket.id}">Answer ticket {ticket.id}</a>' in page
    assert "All clear" not in words(page)


def test_payments_of_nobodys_and_cases_have_their_next_step(owner: FlaskClient, svc: Services):
    booking = live(svc)
    svc.orphans.add(Orphan("o1", svc.now(), "order-9", Money.parse("5"), "t", svc.now()))
    svc.cases.record([Difference.of("still_payable", booking.id, "subject", "told")], svc.now())

    page = owner.get("/admin/").text

    assert "A payment nobody here knows of 5 USDT" in words(page)
    assert 'href="/admin/money#unknown"' in page
    assert "An order can still be paid though its booking is over." in words(page)
    assert f'action="/admin/bookings/{booking.id}/ask"' in page


def test_todays_calls_say_when_who_and_where(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox, name="Ann <b>Example</b>")
    starting_in(svc, booking, 0)

    page = owner.get("/admin/").text

    assert "Ann <b>Example</b> now Portfolio review, ann@example.com" in words(page)
    assert "<b>Example" not in page
    assert "https://meet.example/room" in page
    assert "Midnight 75 USDT (1)" in words(page)


def test_the_tiles_say_how_many_and_how_the_days_were(owner: FlaskClient, svc: Services, sandbox: Servers):
    starting_in(svc, confirmed(svc, sandbox), 0)
    live(svc, call=3, email="bob@example.com")
    tickets.write(svc, live(svc, call=5, email="cat@example.com"), Topic.CALL, "Where do we meet?", "r1")

    page = owner.get("/admin/").text

    tiles = words(page.partition('class="tiles"')[2].partition("</ul>")[0])
    assert tiles.endswith("Calls today 1 Waiting for an answer 1 Calls in the next 7 days 0 Awaiting payment 2")
    assert 'aria-label="Calls a day, the last seven days: 0, 0, 0, 0, 0, 0, 1"' in page


def test_the_next_calls_stand_beside_what_needs_a_person(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox, name="Ann Example")
    starting_in(svc, booking, 48)

    page = owner.get("/admin/").text.partition("After today")[2]

    assert f'<a href="/admin/bookings/{booking.id}">Ann Example</a>' in page


def test_a_reader_sees_it_all_and_no_button(app: Flask, svc: Services):
    booking = live(svc)
    svc.bookings.change(booking.id, lambda b: delivery.failed(b, SendEmail(Email.HELD), svc.now(), for_good=True))
    reader = logged_in(app, svc, Role.READER)

    page = reader.get("/admin/").text

    assert "Could not be delivered" in words(page)
    assert "/seen-to" not in page


# --- the search -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["ann@example.com", "Example Ann", "75"])
def test_a_search_shows_who_it_is_and_why(owner: FlaskClient, svc: Services, text: str):
    booking = hold(svc)

    answer = send(owner, "/admin/search", {"text": text})

    assert f"/admin/bookings/{booking.id}" in answer.text
    assert "ann@example.com" in words(answer.text)
    assert "Matches: the " in words(answer.text)


def test_a_search_stands_in_no_address_and_no_log(
    owner: FlaskClient, svc: Services, capsys: pytest.CaptureFixture[str]
):
    hold(svc, name="Zacharias Quirinus", email="zq@example.com")

    answer = send(owner, "/admin/search", {"text": "zacharias quirinus"})
    send(owner, "/admin/search", {"text": "zq@example.com"})

    assert answer.status_code == 200
    said = capsys.readouterr().out.lower()
    assert "zacharias" not in said
    assert "zq@" not in said


def test_nothing_found_says_what_can_be_found(owner: FlaskClient, svc: Services):
    hold(svc)

    text = words(send(owner, "/admin/search", {"text": "exampl"}).text)

    assert "Nothing found" in text
    assert "whole words" in text


def test_a_payment_of_nobodys_is_found(owner: FlaskClient, svc: Services):
    svc.orphans.add(Orphan("o1", svc.now(), "order-9", Money.parse("5"), "t", svc.now()))

    assert "A payment nobody here knows of 5 USDT" in words(send(owner, "/admin/search", {"text": "order-9"}).text)


def test_what_was_asked_stays_in_the_field_as_text(owner: FlaskClient, sandbox: Servers, svc: Services):
    booking = live(svc)
    pay(sandbox, booking)
    refreshing.refresh(svc, booking.id)

    page = send(owner, "/admin/search", {"text": '"><script>'}).text

    assert "<script>" not in page.partition("<main")[2]
    assert "&#34;&gt;&lt;script&gt;" in page
