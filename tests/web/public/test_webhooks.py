"""The address Binance posts to. Signed bodies come from the sandbox; whatever else comes is refused."""

from datetime import timedelta

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient

from inspired.adapters.providers.binance_certificates import MongoShelf
from inspired.domain.monitoring.certificates import MOST_FOR_STRANGERS, Asked, Known
from inspired.services import Services
from tests.flows.steps import live, pay
from tests.harness import Servers, wait_until
from tests.web.catcher import Catcher

SIGNED = ("BinancePay-Certificate-SN", "BinancePay-Nonce", "BinancePay-Timestamp", "BinancePay-Signature")


@pytest.fixture
def env_changes(catcher: Catcher) -> dict[str, str]:
    return {"BINANCE_PAY_WEBHOOK_URL": catcher.url, "RATE_LIMIT_BAD_WEBHOOK": "30/minute"}


@pytest.fixture
def notice(svc: Services, sandbox: Servers, catcher: Catcher) -> tuple[dict[str, str], bytes]:
    """A signed PAY_SUCCESS, as the sandbox sent it."""
    pay(sandbox, live(svc), notify="now")
    headers, raw = catcher.wait_for(1)[0]
    return {name: headers[name] for name in SIGNED}, raw


def post(client: FlaskClient, headers: dict[str, str], raw: bytes):
    return client.post("/api/payments/webhook", data=raw, headers=headers, content_type="application/json")


def test_a_signed_notice_is_written_down_and_acknowledged(client: FlaskClient, svc: Services, notice):
    answer = post(client, *notice)

    assert answer.status_code == 200
    assert answer.json == {"returnCode": "SUCCESS", "returnMessage": None}
    assert len(svc.logs.due(svc.now(), 10)) == 1
    assert post(client, *notice).status_code == 200
    assert len(svc.logs.due(svc.now(), 10)) == 1


@pytest.mark.parametrize("missing", SIGNED)
def test_without_one_of_its_headers_it_is_refused(client: FlaskClient, svc: Services, notice, missing: str):
    headers, raw = notice

    answer = post(client, {name: value for name, value in headers.items() if name != missing}, raw)

    assert answer.status_code == 401
    assert answer.json["returnCode"] == "FAIL"
    assert svc.logs.due(svc.now(), 10) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BinancePay-Signature", "bm90IGEgc2lnbmF0dXJl"),
        ("BinancePay-Signature", "%%%"),
        ("BinancePay-Certificate-SN", "0" * 32),
        ("BinancePay-Timestamp", "1700000000000"),
        ("BinancePay-Nonce", "x" * 32),
    ],
)
def test_with_one_of_its_headers_altered_it_is_refused(client: FlaskClient, svc: Services, notice, name, value):
    headers, raw = notice

    assert post(client, {**headers, name: value}, raw).status_code == 401
    assert svc.logs.due(svc.now(), 10) == []


def test_a_single_changed_byte_is_refused(client: FlaskClient, notice):
    headers, raw = notice

    assert post(client, headers, raw.replace(b"75", b"76", 1)).status_code == 401
    assert post(client, headers, raw + b" ").status_code == 401
    assert post(client, headers, b"").status_code == 401


def test_while_the_certificates_cannot_be_fetched_it_has_to_come_again(
    app: Flask, client: FlaskClient, svc: Services, sandbox: Servers, notice
):
    sandbox.control("faults", {"binance": [{"call": "certificates", "fault": "http_500", "times": 1}]})

    assert post(client, *notice).status_code == 503
    assert svc.logs.due(svc.now(), 10) == []
    wait_until(lambda: post(client, *notice).status_code == 200, what="the acknowledged repetition")


def test_strangers_are_counted_and_signed_notices_are_not(client: FlaskClient, notice):
    headers, raw = notice
    bad = [post(client, {}, b"{}").status_code for _ in range(32)]

    assert bad == [401] * 30 + [429] * 2
    assert [post(client, headers, raw).status_code for _ in range(40)] == [200] * 40


def test_who_sends_what_cannot_be_looked_up_is_counted_as_well(client: FlaskClient, svc: Services, database, notice):
    """One question in five seconds finds nothing; after thirty in an hour nothing can be said of the others."""
    headers, raw = notice
    asked = tuple(Asked(svc.now() - timedelta(seconds=60 + second)) for second in range(MOST_FOR_STRANGERS))
    assert MongoShelf(database).put(Known(asked=asked, version=1))

    forged = [post(client, {**headers, "BinancePay-Certificate-SN": "0" * 32}, b"{}").status_code for _ in range(32)]

    assert forged == [503] * 30 + [429] * 2
    assert post(client, headers, raw).status_code == 200, "it names an order of ours"


def test_with_redis_away_notices_are_taken_all_the_same(client: FlaskClient, svc: Services, notice, sandbox: Servers):
    away = redis.Redis(port=1, socket_connect_timeout=0.1)
    svc.queue._notices.connection = away

    assert post(client, *notice).status_code == 200
    assert len(svc.logs.due(svc.now(), 10)) == 1


def test_a_body_larger_than_any_notice_is_refused(client: FlaskClient):
    assert post(client, {}, b"x" * 100_000).status_code == 413


def test_only_posts_are_taken(client: FlaskClient):
    assert client.get("/api/payments/webhook").status_code == 405
