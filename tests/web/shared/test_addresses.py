"""Mail addresses: what a form takes, mails reach; and what will never be delivered is said at once.

The mail server here is without SMTPUTF8, as many are: it takes addresses in ASCII only.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from aiosmtpd.controller import Controller
from flask.testing import FlaskClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.provisional import domains
from pydantic import TypeAdapter, ValidationError

from inspired.adapters.mail.smtp import Mail, deliverable
from inspired.adapters.mongo.heartbeats import MAIL_UTF8
from inspired.domain.booking.attention import Matter, matters
from inspired.domain.booking.states import State
from inspired.flows.booking import refreshing
from inspired.flows.monitoring import alerting
from inspired.services import Services
from inspired.web.shared.fields import Email
from tests import harness
from tests.conftest import Mailbox
from tests.flows.steps import later, live, pay
from tests.harness import Servers
from tests.web.pages import words
from tests.web.public.test_api import create, wanted
from tests.web.public.test_booking import START, book, stored, typed

TOO_LONG = f"{'a' * 65}@example.com"
FORMS = ["booking", "newsletter", "contact"]


class PlainMailbox(Mailbox):
    """Also who each mail was handed over for, and addresses that have nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.reached: list[str] = []
        self.nobody: set[str] = set()

    async def handle_RCPT(self, server, session, envelope, address, options) -> str:  # type: ignore[no-untyped-def]
        if address in self.nobody:
            return "550 5.1.1 there is nobody of that name"
        envelope.rcpt_tos.append(address)
        self.reached.append(address)
        return "250 OK"


@pytest.fixture(scope="module")
def plain_server() -> Iterator[tuple[PlainMailbox, int]]:
    box = PlainMailbox()
    controller = Controller(box, hostname="127.0.0.1", port=harness.free_port(), enable_SMTPUTF8=False)
    controller.start()
    yield box, controller.port
    controller.stop()


@pytest.fixture
def plain(plain_server: tuple[PlainMailbox, int]) -> PlainMailbox:
    box = plain_server[0]
    box.messages.clear()
    box.reached.clear()
    box.nobody.clear()
    return box


@pytest.fixture
def env_changes(plain_server: tuple[PlainMailbox, int]) -> dict[str, str]:
    return {"SMTP_PORT": str(plain_server[1])}


def send_form(client: FlaskClient, form: str, email: str):  # type: ignore[no-untyped-def]
    if form == "booking":
        return client.post(START, data=typed(client.get(START).text, email=email))
    page = {"newsletter": "/", "contact": "/help"}[form]
    fields = typed_hidden(client.get(page).text)
    return client.post({"newsletter": "/newsletter", "contact": "/help"}[form], data={
        **fields, "email": email, "topic": "OTHER", "text": "Where are you?",
    })  # fmt: skip


def typed_hidden(page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(csrf_token|form_token)" value="([^"]*)"', page))


# --- reached --------------------------------------------------------------------------------------------------------


def test_whoever_pays_with_an_address_of_other_letters_gets_the_confirmation(
    client: FlaskClient, svc: Services, sandbox: Servers, plain: PlainMailbox
):
    book(client, email="ann@xn--bcher-kva.example")
    (booking,) = stored(svc)
    refreshing.refresh(svc, booking.id)
    pay(sandbox, booking)

    after = refreshing.refresh(svc, booking.id)

    assert after.state is State.CONFIRMED
    subjects = [str(one["subject"]) for one in plain.messages if one["to"] == "ann@xn--bcher-kva.example"]
    assert [one.partition(":")[0].partition(",")[0] for one in subjects] == ["Your time is held", "Confirmed"]
    (file,) = next(one for one in plain.messages if str(one["subject"]).startswith("Confirmed")).iter_attachments()
    assert "ATTENDEE;PARTSTAT=ACCEPTED:mailto:ann@xn--bcher-kva.example" in file.get_content().replace("\r\n ", "")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.emails(domains=domains()) | st.emails())
@example("ann@bücher.example.org")
@example("ann@xn--bcher-kva.example.org")
@example("ann@straße.de")
@example("ANN@例え.テスト.jp")
@example(f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 40}.org")
def test_what_a_form_takes_a_mail_reaches(svc: Services, plain: PlainMailbox, address: str):
    try:
        taken = TypeAdapter(Email).validate_python(address)
    except ValidationError:
        return
    plain.reached.clear()

    svc.smtp.send(Mail("m", taken, "s", "t", "<p>h</p>"))

    assert plain.reached == [deliverable(taken)]
    assert plain.messages[-1]["To"] == deliverable(taken)


# --- said at the form -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_an_address_no_server_takes_is_refused_where_it_is_given(client: FlaskClient, svc: Services, form: str):
    answer = send_form(client, form, TOO_LONG)

    assert answer.status_code == 422
    assert "a mail address that reaches you" in words(answer.text)
    assert stored(svc) == []


@pytest.mark.parametrize("form", FORMS)
def test_letters_our_server_cannot_send_to_are_refused_where_they_are_given(
    client: FlaskClient, svc: Services, plain: PlainMailbox, form: str
):
    svc.smtp.greet()

    answer = send_form(client, form, "müller@example.com")

    assert answer.status_code == 422
    assert "cannot send to letters such as “ü” before the @" in words(answer.text)
    assert 'value="müller@example.com"' in answer.text
    assert stored(svc) == []


@pytest.mark.parametrize("email", [TOO_LONG, "müller@example.com"])
def test_the_api_names_the_field(client: FlaskClient, svc: Services, email: str):
    made = create(client, wanted(client, customerEmail=email))
    asked = client.post("/api/newsletter", json={"email": email})

    assert (made.status_code, list(made.json["errors"])) == (422, ["customerEmail"])
    assert (asked.status_code, list(asked.json["errors"])) == (422, ["email"])
    assert stored(svc) == []


def test_what_the_server_can_is_known_before_the_first_mail(svc: Services, plain: PlainMailbox):
    assert svc.heartbeats.one(MAIL_UTF8) is None

    alerting.find(svc)

    known = svc.heartbeats.one(MAIL_UTF8)
    assert known is not None
    assert not known.is_well
    assert plain.messages == []


class TestWithUtf8:
    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {}

    def test_letters_the_server_can_send_to_are_welcome(
        self, client: FlaskClient, svc: Services, sandbox: Servers, mailbox: Mailbox
    ):
        svc.smtp.greet()
        book(client, email="müller@bücher.example")
        (booking,) = stored(svc)

        refreshing.refresh(svc, booking.id)

        assert [one["to"] for one in mailbox.messages] == ["müller@xn--bcher-kva.example"]


# --- said at once where no form was asked ---------------------------------------------------------------------------


def without_mail(svc: Services) -> Services:
    return replace(svc, smtp=replace(svc.smtp, port=harness.free_port()))


def told_the_owner(plain: PlainMailbox) -> list[str]:
    return [str(one["subject"]) for one in plain.messages if one["to"] == "owner@example.com"]


def test_a_confirmation_that_nobody_can_get_is_told_to_owner_and_page_at_once(
    client: FlaskClient, svc: Services, sandbox: Servers, plain: PlainMailbox
):
    booking = live(svc, email="gone@example.com")
    page = f"/booking/{booking.token}"
    pay(sandbox, booking)
    plain.nobody = {"gone@example.com"}
    before = refreshing.refresh(without_mail(svc), booking.id)
    waiting = client.get(page).text
    poll = f"{page}/payment?v={before.status_version}"

    after = refreshing.refresh(later(svc, minutes=2), booking.id)

    assert "on their way to your mailbox" in words(waiting)
    assert f'hx-get="{poll}"' in waiting, "the page asks until it knows"
    news = client.get(poll)
    assert news.status_code == 200
    assert "Our mails cannot reach the address you gave" in words(news.text)
    assert "your mailbox" not in words(news.text)
    assert "hx-get" not in news.text.partition(">")[0]
    assert "cannot reach" in client.get(f"/api/payments/status/{booking.token}").json["message"]
    assert matters(after) == (Matter.UNDELIVERED,)
    refreshing.refresh(later(svc, minutes=2), booking.id)
    assert any("cannot be delivered" in subject for subject in told_the_owner(plain))


def test_an_address_from_calendly_that_cannot_be_reached_is_told_while_it_is_unpaid(
    client: FlaskClient, svc: Services, sandbox: Servers, plain: PlainMailbox
):
    booking = live(svc, email="müller@example.com")

    after = refreshing.refresh(svc, booking.id)

    page = words(client.get(f"/booking/{booking.token}").text)
    assert "Our mails cannot reach the address you gave" in page
    assert "The link in our e-mail brings you back" not in page
    assert matters(after) == (Matter.UNDELIVERED,)
    refreshing.refresh(svc, booking.id)
    assert plain.reached == ["owner@example.com"]


def test_a_confirmation_that_was_sent_is_said_to_be_sent(
    client: FlaskClient, svc: Services, sandbox: Servers, plain: PlainMailbox
):
    booking = live(svc)
    pay(sandbox, booking)
    refreshing.refresh(svc, booking.id)

    page = words(client.get(f"/booking/{booking.token}").text)

    assert "The details were also sent to your mailbox." in page
    assert "hx-get" not in client.get(f"/booking/{booking.token}").text.partition('id="payment"')[2].partition(">")[0]
