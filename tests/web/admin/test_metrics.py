"""The owner's numbers: what the page shows is what happened."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from pymongo.database import Database

from inspired.adapters.mongo.metrics import Visits
from inspired.domain.accounts.api_keys import Scope
from inspired.domain.booking import ledger
from inspired.domain.booking.rails import RailId
from inspired.domain.reporting.metrics import Day, Figures, Step
from inspired.domain.shared.periods import DAY
from inspired.flows.accounts import api_keys
from inspired.flows.booking import refreshing
from inspired.flows.reporting import counting
from inspired.services import Services
from tests.flows.reporting.test_counting import counted, today
from tests.flows.steps import confirmed, live, receive_on_chain
from tests.harness import Servers
from tests.web.admin.test_admin import log_in
from tests.web.pages import send, words


def test_the_page_tells_the_way_from_the_page_to_the_confirmed_call(
    client: FlaskClient, svc: Services, sandbox: Servers
):
    for _ in range(3):
        client.get("/book/portfolio-review")
    client.get("/book/portfolio-review", headers={"HX-Request": "true"})
    svc.visits.carry_over()
    confirmed(svc, sandbox)
    live(svc, call=3, email="bob@example.com")
    counted(svc)
    log_in(client)

    shown = words(client.get("/admin/numbers").text)

    assert "Page of a call opened 3" in shown
    assert "Time held 2 67 %" in shown
    assert "QR code shown 2 100 %" in shown
    assert "Paid 1 50 %" in shown
    assert "Confirmed 1 100 %" in shown
    assert "Revenue 75 USDT" in shown
    assert "Found by asking 100 %" in shown
    assert "Too little data" in shown


def test_a_span_is_compared_with_the_one_before(client: FlaskClient, svc: Services, sandbox: Servers):
    old = confirmed(svc, sandbox)
    confirmed(svc, sandbox, call=4, email="bob@example.com")
    made = svc.now() - timedelta(days=8)
    svc.bookings.change(old.id, lambda one: replace(one, created_at=made))
    counted(svc)
    log_in(client)

    week = words(client.get("/admin/numbers?days=7").text)

    assert "Time held 1 – 1 " in week, "one in these days, one in those before"
    assert "Last 30 days" in week
    assert "Revenue 150 USDT before 0 USDT" in week


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("from=2026-11-30&to=2026-11-01", "must not be after"),
        ("from=2026-11-30", "both days"),
        ("from=yesterday&to=today", "both days"),
        ("from=2024-01-01&to=2026-01-01", "at most 366 days"),
        ("from=0001-01-01&to=0001-01-02", "must not be after"),
    ],
)
def test_a_span_that_makes_no_sense_is_refused_with_a_sentence(client: FlaskClient, query: str, told: str):
    log_in(client)

    answer = client.get(f"/admin/numbers?{query}")

    assert (answer.status_code, told in words(answer.text)) == (422, True)


@pytest.mark.parametrize("query", ["", "days=7", "days=9999", "days=x", "from=2026-01-01&to=2026-12-31"])
def test_without_anything_counted_the_page_says_so(client: FlaskClient, query: str):
    log_in(client)

    answer = client.get(f"/admin/numbers?{query}")

    assert answer.status_code == 200
    assert "Nothing is counted for these days" in words(answer.text)
    assert "style=" not in answer.text


@pytest.fixture
def two_ways(svc: Services, sandbox: Servers) -> None:
    """A booking paid by Binance Pay and one on TRON, counted."""
    confirmed(svc, sandbox)
    receive_on_chain(svc, sandbox)
    on_tron = live(svc, rail=RailId.TRC20)
    sandbox.control("chains/TRC20/send", {"to": on_tron.receiving_address, "amount": str(on_tron.price)})
    sandbox.control("chains/TRC20/finalize", {})
    refreshing.refresh(svc, on_tron.id)
    counted(svc)


@pytest.mark.usefixtures("two_ways")
def test_a_program_reads_how_many_were_paid_by_each_network(app: Flask, client: FlaskClient, svc: Services):
    log_in(client)
    _, secret = api_keys.make(svc, "Sheet", frozenset({Scope.READ_PAYMENTS}), "owner")
    program, key = app.test_client(), {"Authorization": f"Bearer {secret}"}
    day = today(svc)

    told = program.get(f"/api/admin/numbers?from={day}&to={day}", headers=key)
    before = program.get(f"/api/admin/numbers?from={day - DAY}&to={day - DAY}", headers=key)

    assert told.json == {
        "from": f"{day}",
        "to": f"{day}",
        "countedAt": told.json["countedAt"],
        "paid": 2,
        "binancePay": 1,
        "networkUsage": {"TRC20": 1, "BEP20": 0, "ERC20": 0},
    }
    assert told.json["countedAt"] is not None
    assert (before.json["paid"], before.json["countedAt"]) == (0, None)
    assert client.get("/api/admin/numbers").json["networkUsage"]["TRC20"] == 1
    assert app.test_client().get("/api/admin/numbers").status_code == 401
    assert program.get("/api/admin/numbers?from=yesterday", headers=key).status_code == 422


@pytest.mark.usefixtures("two_ways")
def test_paid_bookings_and_money_are_told_by_the_way_to_pay(client: FlaskClient):
    log_in(client)

    shown = words(client.get("/admin/numbers").text)

    assert "Binance Pay 1 50 % 0 75 USDT" in shown
    assert "USDT on TRON 1 50 % 0 75 USDT" in shown
    assert "USDT on Ethereum 0 0 % 0 –" in shown


def test_a_day_counted_before_there_were_networks_is_binance_pays(svc: Services, database: Database[Any]):
    day = Day(today(svc), Figures(steps={("deep-dive", Step.PAID): 3}), counted_at=svc.now())
    svc.metrics.save(day)
    stored = database["numbers"].find_one({"_id": str(day.date)})
    assert stored is not None
    older = {name: sums for name, sums in json.loads(stored["figures"]).items() if name != "usage"}
    database["numbers"].update_one({"_id": str(day.date)}, {"$set": {"figures": json.dumps(older)}})

    assert svc.metrics.all_time().usage == {RailId.BINANCE_PAY: 3}


def test_everything_is_counted_again_at_the_owners_word(client: FlaskClient, svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)
    counted(svc)
    made = svc.now() - timedelta(days=100)
    svc.bookings.change(booking.id, lambda one: replace(one, created_at=made))
    log_in(client)

    answer = send(client, "/admin/numbers/count", {}, page="/admin/numbers")

    run = svc.runs.get(counting.NAME)
    assert answer.headers["Location"] == "/admin/numbers"
    assert run is not None
    assert (svc.now() - run.cursor).days >= 99


def test_a_robot_that_asks_for_the_head_is_no_visit_and_a_slow_redis_no_wait(client: FlaskClient, svc: Services):
    client.head("/book/portfolio-review")
    client.get("/book/nothing-of-the-kind")
    svc.visits.carry_over()
    assert svc.visits.of(today(svc)) == {}

    away = Visits(svc.visits._collection.database, redis.Redis(port=9, socket_connect_timeout=0.1))
    away.count(today(svc), "deep-dive")
    away.count(today(svc), "deep-dive")
    away.carry_over()
    assert svc.visits.of(today(svc)) == {}


def test_many_weeks_come_to_a_forecast(client: FlaskClient, svc: Services):
    first = today(svc) - timedelta(days=100)
    for number in range(101):
        sums = {(ledger.SALES, "USDT"): Decimal(-75), ("binance", "USDT"): Decimal(75)}
        figures = Figures(accounts=sums, sales=1, customers={"new": 1}, calls={1200: 1}, to_pay={150: 1})
        svc.metrics.save(Day(first + timedelta(days=number), figures, counted_at=svc.now()))
    svc.metrics.save_all_time(today(svc))
    log_in(client)

    shown = words(client.get(f"/admin/numbers?from={first}&to={today(svc)}").text)

    assert "Revenue of about 2250 USDT" in shown
    assert "The average of the last 13 whole weeks goes on" in shown
    assert "Value of a customer so far 75.00 USDT" in shown
    assert "Revenue by week" in shown
    assert "Time to pay, median 2.5 min" in shown
    assert "Answers to our calls, median 1.2 s" in shown
