"""Whoever may only read gives nobody's booking away: no page, file or answer holds what opens a customer's own page.

Whoever has that address acts for the customer, without a login: it cancels the call, and money goes back.
"""

import html
import io
import re
import string
import zipfile
from collections import defaultdict, deque
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from inspired.adapters.mongo.ledger_store import Orphan
from inspired.domain.accounts.people import Role
from inspired.domain.booking import delivery
from inspired.domain.booking.customer_links import LEFT_OUT, without_links
from inspired.domain.booking.outbox import Email, SendEmail
from inspired.domain.booking.refunds import PartOfIt
from inspired.domain.booking.search_index import Wanted
from inspired.domain.monitoring import alerts, runbook
from inspired.domain.monitoring.alerts import Seen
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Network
from inspired.domain.support.tickets import Topic
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import (
    bulk_jobs,
    calendar_webhooks,
    owner_actions,
    payment,
    payment_webhooks,
    refreshing,
    refunding,
)
from inspired.flows.booking.booking import Customer
from inspired.flows.monitoring import alerting
from inspired.flows.support import tickets
from inspired.services import Services, new_token
from inspired.web.admin import exports
from inspired.web.shared.permissions import ALLOWED, MOVES_MONEY, OPEN_TO_ALL
from tests.adapters.providers.test_calendly_signing import NEW, a_notice, signed
from tests.conftest import Mailbox
from tests.flows.booking.test_payment_webhooks import caught
from tests.flows.on_chain import Chain, ready, receive_on_chain
from tests.flows.steps import free_calls, live, lost_time, pay
from tests.harness import Servers
from tests.web.admin.test_admin import log_in
from tests.web.admin.test_api_keys import made
from tests.web.admin.test_permissions import logged_in
from tests.web.catcher import Catcher
from tests.web.pages import send

INVITEE = "c0ffee00-1111-2222-3333-444455556666"
LINK = re.compile(r'(?:href|action|hx-get|hx-post|src)="([^"]+)"')
MOST_ALIKE = 8  # pages of one endpoint
STRANGER = "stranger@example.com"


@pytest.fixture
def env_changes(catcher: Catcher) -> dict[str, str]:
    return {"CALENDLY_SIGNING_KEYS": NEW, "BINANCE_PAY_WEBHOOK_URL": catcher.url, "RATE_LIMIT_LOGIN": "1000/minute"}


@pytest.fixture
def secrets(svc: Services, sandbox: Servers, catcher: Catcher) -> set[str]:
    """Bookings with everything that a page may show, each customer's link pasted wherever somebody can write. What
    opens their pages, here and at Calendly."""
    who = svc.new_id()
    held, late = live(svc, call=3, email="held@example.com"), lost_time(svc, sandbox)
    booking = _confirmed_with_answers(svc, sandbox)
    payment_webhooks.receive(svc, *caught(catcher))
    for notice_id in svc.logs.due(svc.now(), 10):
        payment_webhooks.work(svc, notice_id)
    link = f"{svc.settings.site_url}/booking/{booking.token}"
    owner_actions.note(svc, booking.id, who, f"She sent {link}/cancel, number {booking.token}")
    owner_actions.write(svc, booking.id, who, f"Your page: {link}")
    refunding.refund(
        svc, booking.id, PartOfIt(Money.parse("10")), cancels=False, note=f"see {link}", request="r1", seen=None
    )
    booking = refreshing.refresh(svc, booking.id)
    tickets.write(svc, booking, Topic.CALL, f"This does not work: {link}?a=1 ({booking.token})", "q1")
    receive_on_chain(svc, sandbox)
    on_chain = ready(svc, Chain(sandbox, Network.TRC20), call=12)
    stranger = tickets.write_as_stranger(svc, STRANGER, Topic.OTHER, f"I was at {link}", "q2")
    raw = a_notice(
        uri=f"https://api.calendly.com/scheduled_events/E1/invitees/{INVITEE}",
        cancel_url=f"https://calendly.com/cancellations/{INVITEE}",
        reschedule_url=f"https://calendly.com/reschedulings/{INVITEE}",
        tracking={"utm_content": held.token, "utm_source": "inspired"},
    )
    calendar_webhooks.receive(svc, signed(raw, NEW), raw)
    svc.orphans.add(Orphan("PAY:9:9", svc.now(), "z" * 27, Money.parse("50"), "P_9", open_since=svc.now()))
    bulk_jobs.start(svc, [booking], who)
    alert = runbook.SITE["unconfirmed_now"]
    svc.alerts.change(alert.id, lambda one: alerts.judged(one, alert, Seen("1 booking", (booking.id,)), svc.now()))
    email = SendEmail(Email.PROBLEM)
    svc.bookings.change(held.id, lambda b: delivery.failed(b.owing(svc.now(), email), email, svc.now(), for_good=True))
    return {held.token, late.token, booking.token, on_chain.token, stranger.token, INVITEE}


def _confirmed_with_answers(svc: Services, sandbox: Servers) -> Any:
    meeting_type, token = svc.catalogue.type("portfolio-review"), svc.new_token()
    answers = (("Where did you leave off?", f"at {svc.settings.site_url}/booking/{token}"),)
    customer = Customer("ann@example.com", "Ann Example", "203.0.113.9", answers)
    start = free_calls(svc)[9].start
    held = booking_flow.hold_time(svc, meeting_type, start, "Europe/Berlin", customer, network="", token=token)
    booking = payment.open_held_order(svc, held, seconds=2.0)
    pay(sandbox, booking, notify="now")
    return refreshing.refresh(svc, booking.id)


def walked(app: Flask, svc: Services, client: FlaskClient) -> Iterator[tuple[str, Any]]:
    """Every page of the admin area that leads to no other any more, from those that the address map knows."""
    addresses, seen, alike = app.url_map.bind("localhost"), set(), defaultdict[str, int](int)
    waiting = deque(sorted(_first_addresses(app, svc)))
    while waiting:
        path = waiting.popleft()
        bare = path.partition("?")[0]
        if path in seen or not addresses.test(bare, "GET"):
            continue
        seen.add(path)
        endpoint = addresses.match(bare, "GET")[0]
        alike[endpoint] += 1
        if endpoint in OPEN_TO_ALL or alike[endpoint] > MOST_ALIKE:
            continue
        for headers in ({}, {"HX-Request": "true"}):
            answer = client.get(path, headers=headers)
            yield endpoint, answer
            found = (html.unescape(one).partition("#")[0] for one in LINK.findall(_text(answer)))
            waiting.extend(one for one in found if one.startswith(("/admin", "/api/admin")))


def _first_addresses(app: Flask, svc: Services) -> set[str]:
    """Each endpoint that is asked by GET, with every thing there is to ask about."""
    ids = {
        "booking_id": _booking_ids(svc),
        "number": [one.id for one in _tickets(svc)],
        "bulk_job_id": [svc.audit.newest(1)[0].about],
        "type_id": [one.id for one in svc.catalogue.types()],
        "alert_id": ["unconfirmed_now"],
        "drill_id": ["webhook-lost"],
        "kind": ["tax", "customers", "reconciliation"],
        "name": ["brand"],
    }
    found = {"/admin/", "/admin/tickets?show=done", "/api/admin/payments?limit=200"}
    for rule in app.url_map.iter_rules():
        if rule.endpoint in ALLOWED and "GET" in (rule.methods or set()):
            (name, *more) = sorted(rule.arguments) or [""]
            if more:
                continue  # of one refund: its booking's page leads there
            found |= {re.sub("<[^>]+>", value, str(rule)) for value in ids.get(name, [""])}
    kept = svc.logs.inbound(before=svc.now().replace(year=2100), after=svc.now().replace(year=2000), most=50)
    return found | {f"/admin/evidence/{page}?id={one['_id']}" for one in kept for page in ("notice", "replay")}


def _booking_ids(svc: Services) -> list[str]:
    return [one.id for one in svc.lists.each(Wanted(), svc.now(), most=50)]


def _tickets(svc: Services) -> list[Any]:
    return svc.tickets.owed(svc.now().replace(year=2000), 50)


def _text(answer: Any) -> str:
    """All of an answer: headers, and what a file of it holds."""
    data, head = answer.get_data(), str(answer.headers)
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as book:
            data = b"".join(book.read(name) for name in book.namelist())
    return f"{head}\n{data.decode()}"


def _decoded(mail: Any) -> str:
    return "\n".join(str(mail[name]) for name in mail) + "".join(
        part.get_payload(decode=True).decode() for part in mail.walk() if not part.is_multipart()
    )


def given_out(answer: Any, secrets: set[str]) -> list[str]:
    text = _text(answer)
    return [one for one in secrets if one in text]


# --- the walk -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", list(Role))
def test_no_page_shows_what_opens_a_customers_page(app: Flask, svc: Services, secrets: set[str], role: Role):
    client, seen, found = logged_in(app, svc, role), set(), []
    for endpoint, answer in walked(app, svc, client):
        if endpoint == "owner_actions.customers_page" and role is Role.OWNER:
            continue  # the one way to it, which has tests of its own
        if answer.status_code in (200, 303, 503):
            seen.add(endpoint)
        found += [(endpoint, one) for one in given_out(answer, secrets)]

    assert found == []
    readable = {one.endpoint for one in app.url_map.iter_rules() if "GET" in (one.methods or set())} & set(ALLOWED)
    assert {one for one in readable if role.covers(ALLOWED[one])} - {"owner_actions.customers_page"} <= seen


def test_what_is_found_by_searching_shows_none_either(app: Flask, svc: Services, secrets: set[str]):
    reader = logged_in(app, svc, Role.READER)
    for text in ("ann@example.com", "ann example", "75", "z" * 27, _booking_ids(svc)[0]):
        answer = send(reader, "/admin/search", {"text": text})

        assert answer.status_code == 200
        assert given_out(answer, secrets) == [], text


def test_no_file_holds_one(app: Flask, client: FlaskClient, svc: Services, secrets: set[str]):
    log_in(client)
    files = [client.get(f"/admin/bookings/export?kind={kind}") for kind in exports.KINDS]
    year = str(svc.now().year)
    files += [
        send(client, f"/admin/reports/{kind}", {"period": year}, page="/admin/reports")
        for kind in ("tax", "customers", "entries", "reconciliation")
    ]

    assert [one.status_code for one in files[:3]] == [200, 200, 200]
    assert any(one.status_code == 200 for one in files[3:])
    assert [given_out(one, secrets) for one in files] == [[]] * len(files)


def test_a_key_that_may_read_payments_gets_ids_that_open_nothing(
    app: Flask, client: FlaskClient, svc: Services, secrets: set[str]
):
    log_in(client)
    key, program = {"Authorization": f"Bearer {made(client)}"}, app.test_client()

    answers = [program.get(f"/api/admin/payments?{query}", headers=key) for query in ("limit=200", "state=CONFIRMED")]

    ids = [one["bookingId"] for one in answers[0].json["payments"]]
    assert sorted(ids) == sorted(_booking_ids(svc))
    assert [given_out(one, secrets) for one in answers] == [[], []]
    stranger = app.test_client()
    for path in ("/booking/{}", "/booking/{}/cancel", "/booking/{}/payment", "/api/payments/status/{}"):
        assert {stranger.get(path.format(one)).status_code for one in ids} == {404}
    assert stranger.post("/api/payments/verify", json={"bookingId": ids[0]}).status_code == 404


def test_neither_the_owners_webhook_nor_a_mail_to_the_owner_holds_one(
    svc: Services, secrets: set[str], mailbox: Mailbox
):
    svc.outgoing_webhook.set("https://hooks.example/alerts", "hooks.example", "whsec_" + "A" * 32, svc.now())
    alerting.look(svc)
    for one in _tickets(svc):
        tickets.send_mails(svc, one.id)

    told = [one.body for one in svc.deliveries.newest(svc.now().replace(year=2000), 200)]
    mails = [one for one in mailbox.messages if one["to"] == "owner@example.com"]
    told += [_decoded(one).replace("\r\n ", "") for one in mails]
    assert any("BEGIN:VCALENDAR" in one for one in told), "an entry for the owner's calendar is among them"
    assert len(told) >= 3
    assert [one for one in told if any(secret in one for secret in secrets)] == []


# --- the one way to it ----------------------------------------------------------------------------------------------


def test_the_owner_opens_a_customers_page_and_that_is_written_down(client: FlaskClient, svc: Services):
    log_in(client)
    booking = live(svc)
    address = f"/admin/bookings/{booking.id}/customers-page"
    assert address in client.get(f"/admin/bookings/{booking.id}").text

    opened = client.get(address)

    entry = svc.audit.newest(1)[0]
    me = svc.people.by_email("owner@example.com")
    assert me is not None
    assert (opened.status_code, opened.headers["Location"]) == (303, f"/booking/{booking.token}")
    assert (entry.who, entry.what, entry.about) == (me.id, "opened_customers_page", booking.id)
    assert "owner_actions.customers_page" in MOVES_MONEY, (
        "there a call is cancelled, so it needs a login of a moment ago"
    )


@pytest.mark.parametrize("role", [Role.READER, Role.HELPER])
def test_who_may_return_no_money_is_not_led_to_where_the_customer_can(app: Flask, svc: Services, role: Role):
    client, booking = logged_in(app, svc, role), live(svc)

    page = client.get(f"/admin/bookings/{booking.id}").text
    opened = client.get(f"/admin/bookings/{booking.id}/customers-page")

    assert "customers-page" not in page
    assert (opened.status_code, booking.token in _text(opened)) == (403, False)
    assert svc.audit.newest(5) == []


# --- what is left out of what people write --------------------------------------------------------------------------


AROUND = st.text(st.characters(exclude_characters=string.ascii_letters + string.digits + "_-"), max_size=20)


@given(
    before=AROUND,
    after=AROUND,
    slash=st.sampled_from(["/", r"\/", "%2F", "%2f"]),
    data=st.data(),
)
def test_a_token_never_stays_in_a_text_whatever_stands_around_it(before: str, after: str, slash: str, data: Any):
    token = data.draw(st.builds(new_token))
    texts = [f"{before}{token}{after}", f"{before}https:{slash}{slash}x.example{slash}booking{slash}{token}{after}"]
    texts.append(f'{{"utm_content": "{token}"}}')
    texts.append(f"https://calendly.com/ann/call?utm_source=inspired&utm_content={token}&month=2026-11")

    for text in texts:
        assert token not in without_links(text)
        assert LEFT_OUT in without_links(text)


@pytest.mark.parametrize(
    "text",
    [
        "Rechtsschutzversicherungsges",
        "my order 0123456789abcdefghijklmn001 was paid, refund 0123456789abcdefghijklmn001R01",
        "see https://calls.example/book/deep-dive and https://calls.example/terms",
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        '{"merchantTradeNo": "0123456789abcdefghijklmn001", "transactionId": "M_P_71505104267788288"}',
    ],
)
def test_what_opens_nothing_stays_as_it_is(text: str):
    assert without_links(text) == text


def test_a_notice_of_calendly_can_be_read_without_the_customers_links(app: Flask, svc: Services, secrets: set[str]):
    reader = logged_in(app, svc, Role.READER)
    kept = svc.logs.inbound(before=svc.now().replace(year=2100), after=svc.now().replace(year=2000), most=50)
    (notice,) = [one for one in kept if one["biz_type"] == "CALENDLY"]

    page = html.unescape(reader.get(f"/admin/evidence/notice?id={notice['_id']}").text)

    assert f"https://calendly.com/cancellations/{LEFT_OUT}" in page
    assert "The customer’s own links are left out here" in page
    assert "invitee.canceled" in page
