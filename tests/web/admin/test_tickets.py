"""Tickets from the customer's page to the owner's answer and back, by plain forms."""

import html
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from inspired.domain.accounts.people import Role
from inspired.domain.booking.refunds import AllOfIt
from inspired.domain.support.tickets import Priority, Ticket, TicketState
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import refunding
from inspired.flows.support import promising, tickets
from inspired.flows.support.tickets import Sent
from inspired.services import Services
from tests.conftest import Mailbox
from tests.flows.steps import confirmed, later, live, starting_in
from tests.harness import Servers
from tests.web.admin.test_admin import log_in
from tests.web.admin.test_permissions import logged_in
from tests.web.pages import hidden, send, words

ANN = "ann@example.com"


@pytest.fixture
def owner(app: Flask) -> FlaskClient:
    client = app.test_client()
    assert log_in(client).status_code == 303
    return client


def ask(client: FlaskClient, token: str, text: str = "Where is my call?", topic: str = "CALL"):
    page = f"/booking/{token}/help"
    form_token = hidden(client.get(page).text, "form_token")
    return send(client, page, {"topic": topic, "text": text, "form_token": form_token})


def only(svc: Services, booking_id: str) -> Ticket:
    (found,) = svc.tickets.of_booking(booking_id)
    return found


def answer(owner: FlaskClient, ticket: Ticket, text: str, do: str = "answer", **more: str):
    page = f"/admin/tickets/{ticket.id}"
    shown = owner.get(page).text
    fields = {"text": text, "do": do, "form_token": hidden(shown, "form_token"), "seen": hidden(shown, "seen")}
    return send(owner, f"{page}/answer", {**fields, **more}, page=page)


def change(owner: FlaskClient, ticket: Ticket, do: str, **more: str):
    page = f"/admin/tickets/{ticket.id}"
    return send(owner, page, {"do": do, "seen": str(len(ticket.messages)), **more})


def text_of(mailbox: Mailbox, subject: str) -> str:
    (mail,) = [one for one in mailbox.messages if str(one["subject"]).startswith(subject)]
    return str(mail.get_body(("plain",)).get_content()).replace("\r\n", "\n")


def test_a_customer_writes_is_answered_by_mail_and_answers_again(
    client: FlaskClient, owner: FlaskClient, svc: Services, sandbox: Servers, mailbox: Mailbox
):
    booking = starting_in(svc, confirmed(svc, sandbox), hours=10)
    assert f"/booking/{booking.token}/help" in client.get(f"/booking/{booking.token}").text

    assert ask(client, booking.token, "Where <is> my call?").status_code == 303
    ticket = only(svc, booking.id)
    tickets.send_mails(svc, ticket.id)
    page = words(client.get(f"/booking/{booking.token}/help").text)
    assert "Where <is> my call?" in page
    assert "You hear from us by" in page
    assert "The booking was" not in page
    assert mailbox.subjects_to("owner@example.com")[-1] == f"A customer wrote: ticket {ticket.id}, high"
    assert "call?" not in text_of(mailbox, "A customer wrote")

    seen_by_owner = words(owner.get(f"/admin/tickets/{ticket.id}").text)
    assert "Where <is> my call?" in seen_by_owner
    assert "The booking was CONFIRMED; 75 USDT received of 75 USDT" in seen_by_owner
    assert "Paid and confirmed." in seen_by_owner
    assert answer(owner, ticket, "In the room.\nSee you.").status_code == 303
    tickets.send_mails(svc, ticket.id)
    mail = text_of(mailbox, "Our answer")
    assert "In the room.\nSee you." in mail
    assert f"/booking/{booking.token}/help#t{ticket.id}" in mail
    assert mailbox.subjects_to(ANN)[-1] == f"Our answer to your question, ticket {ticket.id}"
    assert "We have answered" in words(client.get(f"/booking/{booking.token}/help").text)

    page = f"/booking/{booking.token}/help"
    form = {"text": "Thank you.", "form_token": hidden(client.get(page).text, "form_token")}
    assert send(client, f"{page}/{ticket.id}", form, page=page).status_code == 303
    assert send(client, f"{page}/{ticket.id}", form, page=page).status_code == 303
    assert words(client.get(page).text).count("Thank you.") == 1
    assert only(svc, booking.id).state is TicketState.OPEN

    change(owner, only(svc, booking.id), "done")
    tickets.send_mails(svc, ticket.id)
    assert only(svc, booking.id).state is TicketState.DONE
    assert mailbox.subjects_to(ANN)[-1] == f"Ticket {ticket.id} is done"
    assert "Settled" in words(client.get(page).text)


def test_sent_twice_it_is_one_ticket_and_three_may_be_open(client: FlaskClient, svc: Services):
    booking = live(svc)
    page = f"/booking/{booking.token}/help"
    form = {"topic": "OTHER", "text": "Hello?", "form_token": hidden(client.get(page).text, "form_token")}

    assert [send(client, page, form).status_code for _ in range(2)] == [303, 303]
    assert len(svc.tickets.of_booking(booking.id)) == 1
    assert [ask(client, booking.token).status_code for _ in range(3)] == [303, 303, 429]
    assert len(svc.tickets.of_booking(booking.id)) == 3


def test_a_refused_form_keeps_what_was_typed(client: FlaskClient, svc: Services):
    booking = live(svc)

    nothing = ask(client, booking.token, " ")
    long = ask(client, booking.token, "x" * 4001)
    no_topic = ask(client, booking.token, "My words", "NONSENSE")

    assert [one.status_code for one in (nothing, long, no_topic)] == [422, 422, 422]
    assert "Please write something." in words(nothing.text)
    assert "At most 4,000 letters, please; these are 4,001." in words(long.text)
    assert "x" * 4001 in long.text
    assert "My words" in no_topic.text
    assert svc.tickets.of_booking(booking.id) == []


def test_a_refused_answer_stands_in_its_own_conversation(client: FlaskClient, svc: Services):
    booking = live(svc)
    ask(client, booking.token)
    page, number = f"/booking/{booking.token}/help", only(svc, booking.id).id
    form = {"text": "y" * 4001, "form_token": hidden(client.get(page).text, "form_token")}

    refused = send(client, f"{page}/{number}", form, page=page)

    assert refused.status_code == 422
    assert refused.text.count("y" * 4001) == 1


@pytest.mark.parametrize("env_changes", [{"RATE_LIMIT_CREATE": "2/minute"}])
def test_writing_is_slowed_down(client: FlaskClient, svc: Services):
    booking = live(svc)

    assert [ask(client, booking.token).status_code for _ in range(3)] == [303, 303, 429]


def test_nobody_reads_another_ones_conversation(client: FlaskClient, svc: Services):
    mine, other = live(svc), live(svc, call=9, email="bob@example.com")
    ask(client, other.token, "A secret")
    ticket = only(svc, other.id)
    page = f"/booking/{mine.token}/help"
    form = {"text": "I look", "form_token": hidden(client.get(page).text, "form_token")}

    assert send(client, f"{page}/{ticket.id}", form, page=page).status_code == 404
    assert "A secret" not in client.get(page).text
    assert client.get(f"/help/{ticket.token}").status_code == 404
    assert client.get("/help/nothing").status_code == 404
    assert client.get("/booking/nothing/help").status_code == 404


def test_a_draft_has_no_address_to_answer_to(client: FlaskClient, svc: Services):
    draft = booking_flow.start_draft(svc, svc.catalogue.type("portfolio-review"))

    assert "contact form" in words(client.get(f"/booking/{draft.token}/help").text)
    form = {"topic": "CALL", "text": "Hello", "form_token": "x"}
    assert send(client, f"/booking/{draft.token}/help", form, page="/help").status_code == 409


def test_a_stranger_writes_and_only_the_owners_answer_is_sent_to_them(
    client: FlaskClient, owner: FlaskClient, svc: Services, mailbox: Mailbox
):
    form = {"email": "eve@example.com", "topic": "OTHER", "text": "Do you speak French?"}
    wrong = send(client, "/help", {**form, "email": "eve", "form_token": "t0"})
    assert (wrong.status_code, "Do you speak French?" in wrong.text) == (422, True)

    page = send(client, "/help", {**form, "form_token": "t1"}).headers["Location"]
    assert "Do you speak French?" in client.get(page).text
    (ticket,) = svc.tickets.of_stranger(svc.vault.blind_index("ticket", "Eve@example.com"))
    tickets.send_mails(svc, ticket.id)
    assert mailbox.subjects_to("eve@example.com") == []

    assert "eve@example.com" in words(owner.get(f"/admin/tickets/{ticket.id}").text)
    assert "eve@example.com" in words(owner.get("/admin/tickets").text)
    answer(owner, ticket, "Yes.")
    tickets.send_mails(svc, ticket.id)
    assert page in text_of(mailbox, "Our answer")
    again = {"text": "Merci", "form_token": hidden(client.get(page).text, "form_token")}
    assert send(client, page, {**again, "text": ""}).status_code == 422
    assert send(client, page, again).status_code == 303
    assert "Merci" in client.get(page).text


def test_the_owners_lists(client: FlaskClient, owner: FlaskClient, svc: Services):
    booking = live(svc)
    for text in ("first", "second", "third"):
        ask(client, booking.token, text)
    third, second, first = svc.tickets.of_booking(booking.id)

    def listed(show: str) -> set[str]:
        page = owner.get(f"/admin/tickets?show={show}").text
        return {one.id for one in (first, second, third) if f"/admin/tickets/{one.id}" in page}

    change(owner, first, "take")
    answer(owner, second, "An answer")
    change(owner, third, "done")
    assert listed("open") == listed("mine") == listed("nonsense") == {first.id}
    assert listed("waiting") == {second.id}
    assert listed("done") == {third.id}
    assert listed("late") == set()
    change(owner, second, "take")
    assert listed("mine") == {first.id, second.id}
    change(owner, first, "back")
    assert listed("mine") == {second.id}
    change(owner, third, "open")
    assert listed("open") == {first.id, third.id}
    svc.tickets.change(first.id, lambda t: replace(t, since=svc.now() - timedelta(days=9), promised=None))
    assert listed("late") == {first.id}
    assert "late" in words(owner.get("/admin/tickets?show=late").text)
    assert owner.get("/admin/tickets?show=done&beyond=yesterday").status_code == 422
    assert owner.get("/admin/tickets?show=done&beyond=2026-01-01T00:00:00Z").status_code == 200


@pytest.mark.parametrize("show", ["open", "mine", "waiting", "done"])
def test_a_long_list_has_pages(owner: FlaskClient, svc: Services, monkeypatch: pytest.MonkeyPatch, show: str):
    monkeypatch.setattr("inspired.web.admin.tickets.PER_PAGE", 2)
    me = svc.people.by_email("owner@example.com")
    assert me is not None
    booking = live(svc)
    for number in range(5):
        begun = tickets.begin(svc, me, booking, "S", Sent("Words", str(number)), Priority.LOW)
        if show != "waiting":
            tickets.reopen(svc, me, begun.id)
        if show == "done":
            tickets.close(svc, me, begun.id, 1)

    seen, page = [], f"/admin/tickets?show={show}"
    while page:
        text = owner.get(page).text
        seen += re.findall(r'href="/admin/tickets/(\d{6})"', text)
        more = re.search(r'href="([^"]*beyond[^"]*)"', text)
        page = html.unescape(more[1]) if more else ""

    assert len(seen) == 5
    assert set(seen) == {one.id for one in svc.tickets.of_booking(booking.id)}


def test_tickets_done_long_ago_are_still_found(owner: FlaskClient, client: FlaskClient, svc: Services):
    booking = live(svc)
    ask(client, booking.token)
    ticket = only(svc, booking.id)
    long_ago = svc.now() - timedelta(days=300)
    svc.tickets.change(ticket.id, lambda t: replace(t, state=TicketState.DONE, done_at=long_ago))

    assert f"/admin/tickets/{ticket.id}" in owner.get("/admin/tickets?show=done").text


def test_priority_and_everything_by_hand_is_written_down(client: FlaskClient, owner: FlaskClient, svc: Services):
    booking = live(svc)
    ask(client, booking.token)
    ticket = only(svc, booking.id)

    change(owner, ticket, "priority", priority="CRITICAL")
    change(owner, ticket, "priority", priority="CRITICAL")
    answer(owner, ticket, "For us", "note")
    answer(owner, ticket, "For you", "done")

    assert svc.tickets.get(ticket.id).priority is Priority.CRITICAL
    assert [(one.what, one.about) for one in svc.audit.newest(3)] == [
        ("ticket answered and done", ticket.id),
        ("ticket note", ticket.id),
        ("ticket priority", ticket.id),
    ]
    seen = words(client.get(f"/booking/{booking.token}/help").text)
    assert "For you" in seen
    assert "For us" not in seen


def test_an_answer_that_misses_what_was_just_written_is_kept_and_not_sent(
    client: FlaskClient, owner: FlaskClient, svc: Services
):
    booking = live(svc)
    ask(client, booking.token)
    ticket = only(svc, booking.id)
    page = f"/booking/{booking.token}/help"
    form = {"text": "It is settled already!", "form_token": hidden(client.get(page).text, "form_token")}
    send(client, f"{page}/{ticket.id}", form, page=page)

    refused = answer(owner, ticket, "Too slow", seen=str(len(ticket.messages)))

    assert refused.status_code == 409
    assert "The customer wrote again meanwhile" in words(refused.text)
    assert "Too slow" in refused.text
    assert len(svc.tickets.get(ticket.id).messages) == len(ticket.messages) + 1


def test_ready_made_answers_fill_the_form_with_the_bookings_facts(
    client: FlaskClient, owner: FlaskClient, svc: Services, sandbox: Servers
):
    booking = confirmed(svc, sandbox)
    ask(client, booking.token)
    page = owner.get(f"/admin/tickets/{only(svc, booking.id).id}?ready=confirmed").text

    assert "Hello Ann Example," in page
    assert "your payment of 75 USDT has arrived" in page


def test_the_owner_writes_first(owner: FlaskClient, client: FlaskClient, svc: Services, mailbox: Mailbox):
    booking = live(svc)
    page = f"/admin/tickets/new?booking={booking.id}"
    assert page in owner.get(f"/admin/bookings/{booking.id}").text
    form = {"booking": booking.id, "subject": "Your call", "priority": "MEDIUM", "form_token": "t1"}

    refused = send(owner, "/admin/tickets/new", {**form, "text": " "}, page=page)
    sent = send(owner, "/admin/tickets/new", {**form, "text": "May we move it?"}, page=page)

    assert (refused.status_code, "Your call" in refused.text) == (422, True)
    assert sent.status_code == 303
    ticket = only(svc, booking.id)
    tickets.send_mails(svc, ticket.id)
    assert "May we move it?" in text_of(mailbox, "A message for you")
    assert "Your call" in words(client.get(f"/booking/{booking.token}/help").text)
    assert f"/admin/tickets/{ticket.id}" in owner.get(f"/admin/bookings/{booking.id}").text


def test_a_ticket_for_ourselves_has_nobody_to_answer(owner: FlaskClient, svc: Services):
    form = {"subject": "Room", "priority": "LOW", "form_token": "t1", "text": "Find a room"}
    sent = send(owner, "/admin/tickets/new", form)
    page = owner.get(sent.headers["Location"]).text

    assert "Find a room" in page
    assert "Send the answer" not in page
    assert "Keep it as a note" in page
    ticket = svc.tickets.get(sent.headers["Location"].rsplit("/", 1)[1])
    assert client_page_is_missing(owner, ticket)
    assert answer(owner, ticket, "x").status_code == 409


def client_page_is_missing(client: FlaskClient, ticket: Ticket) -> bool:
    return client.get(f"/help/{ticket.token}").status_code == 404


def test_promises_are_listed_late_ones_first_and_shown_on_the_booking(
    client: FlaskClient, owner: FlaskClient, svc: Services, sandbox: Servers
):
    booking = confirmed(svc, sandbox)
    sandbox.control("faults", {"binance": [{"call": "refund", "fault": "http_500", "times": 50}]})
    refunding.refund(svc, booking.id, AllOfIt(), cancels=True, note="", request="r1", seen=0)
    ask(client, booking.token, topic="PAYMENT_DELAYED")
    ticket = only(svc, booking.id)

    page = words(owner.get("/admin/promises").text)
    assert page.index(f"An answer, ticket {ticket.id}") < page.index("Money back within a day")
    assert [one.promise.kind for one in promising.late(later(svc, days=2))] == ["reply", "refund"]
    assert promising.late(svc) == []
    on_booking = words(owner.get(f"/admin/bookings/{booking.id}").text)
    assert f"An answer, ticket {ticket.id}: promised by" in on_booking
    assert "Money back within a day: promised by" in on_booking

    answer(owner, ticket, "It is on its way.")
    assert f"An answer, ticket {ticket.id}" not in words(owner.get("/admin/promises").text)
    assert "kept" in words(owner.get(f"/admin/bookings/{booking.id}").text)


@pytest.mark.parametrize("env_changes", [{"MEETING_PLACE": ""}])
def test_where_the_call_takes_place_is_a_promise_where_no_confirmation_says_it(
    client: FlaskClient, owner: FlaskClient, svc: Services, sandbox: Servers
):
    booking = starting_in(svc, confirmed(svc, sandbox), 5)
    assert "You write where the call takes place" in words(owner.get("/admin/promises").text)

    form = {"booking": booking.id, "subject": "Where", "priority": "LOW", "form_token": "t1", "text": "In the room"}
    send(owner, "/admin/tickets/new", form)

    assert "You write where the call takes place" not in words(owner.get("/admin/promises").text)


def test_what_was_erased_is_gone_for_everybody(client: FlaskClient, owner: FlaskClient, svc: Services):
    booking = live(svc)
    ask(client, booking.token, "Something private")
    ticket = only(svc, booking.id)

    assert tickets.erase(svc, booking.id) == 1
    assert tickets.erase(svc, booking.id) == 0

    for page in (client.get(f"/booking/{booking.token}/help"), owner.get(f"/admin/tickets/{ticket.id}")):
        assert page.status_code == 200
        assert "Something private" not in page.text
        assert "erased" in words(page.text)
    assert "Send the answer" not in owner.get(f"/admin/tickets/{ticket.id}").text
    form = {"text": "x", "do": "answer", "form_token": "f", "seen": "9"}
    refused = send(owner, f"/admin/tickets/{ticket.id}/answer", form, page=f"/admin/tickets/{ticket.id}")
    assert refused.status_code == 409


def test_a_reader_sees_and_changes_nothing(app: Flask, client: FlaskClient, svc: Services):
    booking = live(svc)
    ask(client, booking.token, "Hello there")
    page = logged_in(app, svc, Role.READER).get(f"/admin/tickets/{only(svc, booking.id).id}").text

    assert "Hello there" in page
    for button in ("Send the answer", "Take it", "Done</button>", "Change</button>"):
        assert button not in page
