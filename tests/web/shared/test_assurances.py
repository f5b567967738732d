"""Terms, pages, mails and the product say the same: one source for each promise, read wherever it is made."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.rails import USUAL
from inspired.domain.booking.refunds import PartOfIt
from inspired.domain.monitoring import runbook
from inspired.domain.monitoring.alerts import Severity
from inspired.domain.sentences import customer
from inspired.domain.shared.money import Money
from inspired.domain.site import assurances
from inspired.flows.booking import refreshing, refunding
from inspired.services import Services
from tests.conftest import Mailbox
from tests.flows.steps import confirmed, later, live, paid_again, pay, starting_in
from tests.harness import Servers
from tests.web.pages import send, words

ROOT = Path(__file__).resolve().parents[3]
CUSTOMERS = ("site", "booking", "email", "support", "newsletter")
KINDS = ["builtin", "calendly", "calendly_api"]
# What is promised in words, and where else than in domain/sentences/customer it may stand.
PROMISES = {
    "how long a refund takes": r"at most a day|started within",
    "late money": r"time is still free, your call|settles it|settled by the owner",
    "how a call gets into a calendar": r"calendar file|file for your calendar",
    "what is moved by mail": r"mov(e|ing)[^.]*answer (our|this|any|one)|answer (our|this|any|one)[^.]*mov(e|ing)",
    "where the call takes place": r"will write to you where",
    "what we give back when we cancel": r"have to cancel a confirmed call",
}


def everything_said_to_customers() -> Iterator[tuple[str, str]]:
    for folder in CUSTOMERS:
        for file in sorted((ROOT / "templates" / folder).iterdir()):
            yield f"{folder}/{file.name}", " ".join(words(file.read_text("utf-8")).split())
    for file in sorted((ROOT / "inspired").rglob("*.py")):
        if file.name not in ("customer.py", "promises.py") and "sandbox" not in file.parts:
            code = re.sub(r'"""(.|\n)*?"""|#[^\n]*', "", file.read_text("utf-8"))
            yield str(file.relative_to(ROOT)), " ".join(code.split())


@pytest.mark.parametrize("promise", PROMISES)
def test_each_promise_has_one_source(promise: str):
    elsewhere = [where for where, text in everything_said_to_customers() if re.search(PROMISES[promise], text, re.I)]

    assert elsewhere == []


def test_what_asks_the_owner_to_look_leaves_something_to_do_and_nothing_else_asks():
    for alert in runbook.ALL.values():
        assert alert.needs_you is not alert.todo[0].startswith("Nothing"), alert.id
        assert alert.needs_you is (alert.severity is not Severity.KNOW)


class Reader:
    """Reads what a customer is told, on a site with one kind of calendar."""

    def __init__(self, client: FlaskClient, mailbox: Mailbox) -> None:
        self._client, self._mailbox = client, mailbox

    def page(self, path: str) -> str:
        answer = self._client.get(path)
        assert answer.status_code == 200, path
        return words(answer.text)

    def mail(self, subject: str, to: str = "ann@example.com") -> tuple[str, str]:
        """The newest mail whose subject begins like this, as text and as HTML, each in one line."""
        found = [one for one in self._mailbox.messages if one["to"] == to and str(one["subject"]).startswith(subject)]
        assert found, [str(one["subject"]) for one in self._mailbox.messages]
        plain, html = (found[-1].get_body((kind,)).get_content() for kind in ("plain", "html"))
        return " ".join(plain.split()), words(html)


@pytest.fixture
def reader(client: FlaskClient, mailbox: Mailbox) -> Reader:
    return Reader(client, mailbox)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestOnEverySite:
    @pytest.fixture
    def env_changes(self, kind: str) -> dict[str, str]:
        return {"CALENDAR": kind}

    def test_terms_first_page_and_how_to_pay_promise_the_same(self, kind: str, reader: Reader, svc: Services):
        terms, home, paying = reader.page("/terms"), reader.page("/"), reader.page("/how-to-pay")

        assert customer.said(assurances.moving(in_calendly=kind == "calendly")) in terms
        assert customer.said(assurances.CANCELLED_BY_US) in terms
        for page in (terms, home):
            assert (
                f"{customer.said(assurances.refund_to(USUAL))} {customer.said(assurances.refund_time(USUAL))}" in page
            )
        for page in (terms, paying):
            assert customer.said(assurances.LATE) in page
        booking = live(svc, call=40)
        assert customer.said(assurances.LATE_IS_NOT_LOST) in reader.page(f"/booking/{booking.token}/give-up")
        assert customer.said(assurances.calendar_entry(attached=kind == "builtin")) in home

    def test_privacy_names_the_frame_where_there_is_one(self, kind: str, reader: Reader):
        page = reader.page("/privacy")

        assert ("in a frame on our page" in page) is (kind == "calendly")
        assert ("Calendly" in page) is (kind != "builtin")

    def test_a_confirmed_call_is_moved_and_entered_as_promised(
        self, kind: str, reader: Reader, client: FlaskClient, svc: Services, sandbox: Servers, mailbox: Mailbox
    ):
        booking = confirmed(svc, sandbox, call=40)
        booking = starting_in(svc, booking, hours=30)
        page, cancelling = reader.page(f"/booking/{booking.token}"), reader.page(f"/booking/{booking.token}/cancel")
        moving = client.get(f"/booking/{booking.token}/time")

        assert "Moving it costs nothing, until 4 hours before it." in page
        assert "Move this call" in page
        assert "Would you rather move the call ?" in cancelling
        if kind == "calendly":
            assert moving.status_code == 303
            assert booking.slot is not None
            event = booking.slot.invitee_uri.rpartition("/")[2]
            assert moving.headers["Location"] == f"{sandbox.sandbox}/calendly/reschedulings/{event}"
        else:
            assert (moving.status_code, "Choose another time" in words(moving.text)) == (200, True)
        attached = [one for one in mailbox.messages if str(one["subject"]).startswith("Confirmed")][-1]
        assert bool(list(attached.iter_attachments())) is (kind == "builtin")
        for said in reader.mail("Confirmed"):
            assert "you can move the call until" in said
            assert customer.said(assurances.calendar_entry(attached=kind == "builtin")) in said
        assert client.get(f"/booking/{booking.token}/call.ics").status_code == 200

    def test_too_late_to_move_is_said_wherever_moving_is(
        self, reader: Reader, client: FlaskClient, svc: Services, sandbox: Servers
    ):
        booking = starting_in(svc, confirmed(svc, sandbox, call=40), hours=3)

        page, cancelling = reader.page(f"/booking/{booking.token}"), reader.page(f"/booking/{booking.token}/cancel")
        moving = client.get(f"/booking/{booking.token}/time")

        too_late = "This call can no longer be moved: that was possible until 4 hours before it."
        assert "Move this call" not in page
        assert too_late in cancelling
        assert (moving.status_code, too_late in words(moving.text)) == (409, True)


class TestInCalendlysFrame:
    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {"CALENDAR": "calendly"}

    def test_while_calendly_does_not_answer_the_way_to_move_says_that_the_call_stands(
        self, client: FlaskClient, svc: Services, sandbox: Servers
    ):
        booking = starting_in(svc, confirmed(svc, sandbox, call=40), hours=30)
        sandbox.control("faults", {"calendly": [{"call": "any", "fault": "http_500", "times": 9}]})

        answer = client.get(f"/booking/{booking.token}/time")

        assert (answer.status_code, "Your call stands as it is." in words(answer.text)) == (503, True)

    def test_a_confirmed_call_is_not_moved_by_a_form_of_ours(
        self, client: FlaskClient, svc: Services, sandbox: Servers
    ):
        booking = starting_in(svc, confirmed(svc, sandbox, call=40), hours=30)

        answer = send(client, f"/booking/{booking.token}/time", {}, page=f"/booking/{booking.token}/cancel")

        told = customer.said(assurances.moving(in_calendly=True))
        assert (answer.status_code, told in words(answer.text)) == (409, True)


# --- money in mails: every amount once ------------------------------------------------------------------------------


def overpaid(svc: Services, sandbox: Servers) -> Booking:
    booking = live(svc)
    pay(sandbox, booking, amount="100")
    refreshing.refresh(svc, booking.id)
    return refreshing.refresh(svc, booking.id)


def test_the_confirmation_of_a_call_that_was_overpaid_says_what_was_paid_for_it(
    svc: Services, sandbox: Servers, reader: Reader
):
    overpaid(svc, sandbox)

    for said in reader.mail("Confirmed"):
        assert re.search(r"Received:? 100 USDT Too much, goes back:? 25 USDT Paid:? 75 USDT", said), said
    for said in reader.mail("New call", to="owner@example.com"):
        assert re.search(r"Paid for the call:? 75 USDT Received in all:? 100 USDT Too much, goes back:? 25 USDT", said)


def test_a_call_that_was_overpaid_and_is_cancelled_gives_back_what_is_left_of_it(
    svc: Services, sandbox: Servers, reader: Reader
):
    booking = overpaid(svc, sandbox)
    refunding.cancel(svc, booking.token, Money.parse("75"))
    for _ in range(3):
        refreshing.refresh(svc, booking.id)

    for said in reader.mail("25 USDT has gone back"):
        assert re.search(r"Arrived:? 100 USDT Returned:? 25 USDT", said), said
    for said in reader.mail("75 USDT has gone back"):
        assert re.search(r"Arrived:? 100 USDT Returned before:? 25 USDT Returned:? 75 USDT", said), said
    for said in reader.mail("Cancelled"):
        assert "75 USDT goes back to the Binance account that paid" in said
        assert "100 USDT goes back" not in said
        assert re.search(
            r"Received:? 100 USDT Too much, returned for itself:? 25 USDT Refunded:? 75 USDT Reference", said
        ), said


def test_a_call_paid_twice_and_cancelled_late_adds_up(svc: Services, sandbox: Servers, reader: Reader):
    booking = starting_in(svc, paid_again(svc, sandbox), hours=10)
    refunding.cancel(svc, booking.token, Money.parse("37.5"))
    refreshing.refresh(svc, booking.id)

    for said in reader.mail("Cancelled"):
        assert re.search(
            r"Received:? 150 USDT Too much, returned for itself:? 75 USDT Refunded:? 37.5 USDT Kept:? 37.5 USDT", said
        ), said


def test_what_was_returned_before_is_not_said_to_go_back_again(svc: Services, sandbox: Servers, reader: Reader):
    booking = confirmed(svc, sandbox)
    refunding.refund(
        svc, booking.id, PartOfIt(Money.parse("20")), cancels=False, note="as agreed", request="r", seen=None
    )
    refreshing.refresh(svc, booking.id)
    then = later(svc, minutes=5)
    refunding.cancel(then, booking.token, Money.parse("55"))
    refreshing.refresh(then, booking.id)

    for said in reader.mail("Cancelled"):
        assert "55 USDT goes back to the Binance account that paid" in said
        assert re.search(r"Received:? 75 USDT Returned before:? 20 USDT Refunded:? 55 USDT Reference", said), said


# --- what the owner is asked to look at -----------------------------------------------------------------------------


def test_nobody_is_asked_to_look_where_nothing_is_to_do(svc: Services, sandbox: Servers, mailbox: Mailbox):
    booking = overpaid(svc, sandbox)
    refunding.cancel(svc, booking.token, Money.parse("75"))
    refreshing.refresh(svc, booking.id)
    refreshing.refresh(svc, booking.id)

    told = [one for one in mailbox.subjects_to("owner@example.com") if not one.startswith("New call")]

    assert len(told) == 2
    assert [one for one in told if not one.strip().startswith("For your information: ")] == []
