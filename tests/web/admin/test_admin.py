import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from inspired.domain.booking.booking import Sealed
from inspired.domain.booking.status import iso
from inspired.flows.accounts import authentication
from inspired.flows.booking import refreshing
from inspired.services import Services
from inspired.web.shared.permissions import OPEN_TO_ALL
from tests.flows.steps import hold, live, pay
from tests.harness import ADMIN_PASSWORD, Servers
from tests.web.pages import send, words

EMAIL = "owner@example.com"
PRIVATE = ["/admin/", "/admin/bookings/anything"]


def log_in(client: FlaskClient, *, email: str = EMAIL, password: str = ADMIN_PASSWORD, goal: str = ""):
    return send(client, "/admin/login", {"email": email, "password": password, "next": goal})


# --- who gets in ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PRIVATE)
def test_nobody_gets_in_without_the_password(client: FlaskClient, page: str):
    answer = client.get(page)

    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/admin/login")


def test_every_page_of_the_owner_asks_who_is_there(app: Flask):
    rules = [one for one in app.url_map.iter_rules() if str(one).startswith(("/admin", "/api/admin"))]

    for rule in (one for one in rules if one.endpoint not in OPEN_TO_ALL):
        address = re.sub("<[^>]+>", "x", str(rule))
        for method in (rule.methods or set()) & {"GET", "POST"}:
            # 400: a form's token is asked for even before who is there.
            codes = {401} if address.startswith("/api") else {303} if method == "GET" else {303, 400}
            assert app.test_client().open(address, method=method).status_code in codes, (method, address)


def test_the_api_says_401_as_a_problem(client: FlaskClient):
    answer = client.get("/api/admin/payments")

    assert answer.status_code == 401
    assert answer.mimetype == "application/problem+json"


@pytest.mark.parametrize("wrong", [{"email": "else@example.com"}, {"password": "guess"}, {"password": "x" * 5000}])
def test_a_wrong_login_does_not_tell_what_was_wrong(client: FlaskClient, wrong: dict[str, str]):
    answer = log_in(client, **wrong)

    assert answer.status_code == 403
    assert "E-mail or password is wrong." in words(answer.text)
    assert client.get("/admin/").status_code == 303


@pytest.mark.parametrize(
    ("goal", "place"),
    [
        ("/admin/bookings/abc", "/admin/bookings/abc"),
        ("https://evil.example/", "/admin/"),
        ("//evil.example", "/admin/"),
        ("/admin/\\evil.example", "/admin/"),
        ("", "/admin/"),
    ],
)
def test_after_the_login_one_of_our_own_pages_follows(client: FlaskClient, goal: str, place: str):
    assert log_in(client, goal=goal).headers["Location"] == place


@pytest.mark.parametrize("env_changes", [{"RATE_LIMIT_LOGIN": "2/minute"}])
def test_guessing_is_slowed_down(client: FlaskClient):
    codes = [log_in(client, password="guess").status_code for _ in range(3)]

    assert codes == [403, 403, 429]


def test_logging_out_ends_it(owner: FlaskClient):
    assert owner.get("/admin/").status_code == 200

    send(owner, "/admin/logout", {}, page="/admin/")

    assert owner.get("/admin/").status_code == 303


def test_a_session_ends_when_idle_and_when_old(client: FlaskClient):
    # From now on: the database drops sessions that are old by its own clock.
    with time_machine.travel(datetime.now(UTC), tick=False) as now:
        log_in(client)
        now.shift(timedelta(minutes=29))
        assert client.get("/admin/").status_code == 200
        now.shift(timedelta(minutes=29))
        assert client.get("/admin/").status_code == 200
        now.shift(timedelta(minutes=31))
        assert client.get("/admin/").status_code == 303

        log_in(client)
        for _ in range(28):
            now.shift(timedelta(minutes=25))
            assert client.get("/admin/").status_code == 200
        now.shift(timedelta(minutes=25))
        assert client.get("/admin/").status_code == 303


def test_a_new_password_ends_every_session(owner: FlaskClient, svc: Services):
    person = svc.people.by_email(EMAIL)
    assert person is not None
    svc.people.change(
        person.id, lambda one: replace(one, password_hash=authentication.hash_password("another password"))
    )

    assert owner.get("/admin/").status_code == 303


# --- what is there --------------------------------------------------------------------------------------------------


def test_the_list_shows_who_what_when_and_how_it_stands(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = live(svc, name="Ann <b>Example</b>")
    pay(sandbox, booking, amount="70")
    refreshing.ask(svc, booking)

    page = owner.get("/admin/bookings").text

    for said in ("ann@example.com", "Portfolio review", "75 USDT", "received 70 USDT", "PENDING", "paid too little"):
        assert said in words(page)
    assert "<b>Example" not in page
    assert f"/admin/bookings/{booking.id}" in page


def test_an_empty_list_says_so(owner: FlaskClient):
    assert "No bookings here yet" in words(owner.get("/admin/bookings").text)


def test_a_booking_tells_its_history_in_order(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = live(svc)
    pay(sandbox, booking)
    refreshing.ask(svc, booking)

    text = words(owner.get(f"/admin/bookings/{booking.id}").text)

    steps = ["Booking started.", "Time chosen and held.", "Binance Pay has the order", "Money seen: 75", "Confirmed."]
    places = [text.index(step, text.index("What happened")) for step in steps]
    assert places == sorted(places)
    assert "The mail “Confirmed” goes out." in text
    assert booking.order is not None
    assert booking.order.trade_no in text


def test_a_customer_who_cannot_be_decrypted_does_not_hide_the_booking(owner: FlaskClient, svc: Services):
    booking = hold(svc)
    svc.bookings.change(booking.id, lambda b: replace(b, sealed=Sealed(b"v9:gone", b"x", b"x")))

    assert "cannot be read" in words(owner.get("/admin/bookings").text)
    assert "cannot be read" in words(owner.get(f"/admin/bookings/{booking.id}").text)


def test_an_unknown_booking_is_not_found(owner: FlaskClient):
    assert owner.get("/admin/bookings/none").status_code == 404


def test_payments_as_json_newest_first_and_page_by_page(owner: FlaskClient, svc: Services):
    made = [hold(svc, call=call, email=f"a{call}@example.com") for call in range(3)]

    seen, before = [], ""
    for _ in range(5):
        answer = owner.get("/api/admin/payments", query_string={"limit": 1, **({"before": before} if before else {})})
        seen += answer.json["payments"]
        before = answer.json["nextBefore"]
        if not before:
            break

    assert [one["bookingId"] for one in seen] == [one.id for one in reversed(made)]
    assert made[2].slot is not None
    assert seen[0] | {"createdAt": "", "expiresAt": ""} == {
        "bookingId": made[2].id,
        "merchantTradeNo": f"{made[2].id}001",
        "meetingTypeId": "portfolio-review",
        "status": "PENDING",
        "flags": [],
        "amount": "75",
        "currency": "USDT",
        "callAt": iso(made[2].slot.span.start),
        "createdAt": "",
        "paidAt": None,
        "confirmedAt": None,
        "expiresAt": "",
        "transactionId": None,
        "method": "binance_pay",
        "network": None,
        "paymentAddress": None,
    }


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "before=yesterday"])
def test_a_senseless_question_is_refused(owner: FlaskClient, query: str):
    assert owner.get(f"/api/admin/payments?{query}").status_code == 422


@pytest.mark.parametrize("before", ["0001-01-01", "9999-12-31T23:59:59+00:00", "2026-11-23"])
def test_the_ends_of_time_are_only_an_empty_page_or_a_full_one(owner: FlaskClient, svc: Services, before: str):
    hold(svc)

    answer = owner.get("/api/admin/payments", query_string={"before": before})

    assert answer.status_code == 200
    assert len(answer.json["payments"]) <= 1


def test_nothing_personal_is_in_the_json(owner: FlaskClient, svc: Services):
    hold(svc)

    text = owner.get("/api/admin/payments").text

    assert "ann@" not in text
    assert "Ann" not in text
