"""Tickets from the customer's page to the owner's answer and back, by plain forms."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from inspired.domain.tickets import Ticket, TicketState
from inspired.flows import tickets
from inspired.services import Services
from tests.conftest import Mailbox
from tests.flows.steps import confirmed
from tests.harness import Servers
from tests.web.pages import hidden, send, words
from tests.web.test_admin_pages import log_in

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
    booking = confirmed(svc, sandbox)
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
