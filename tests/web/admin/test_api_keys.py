"""Keys for programs: shown once, good for one thing, gone when revoked."""

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pymongo.database import Database

from inspired.domain.accounts.people import Role
from inspired.services import Services
from tests.flows.steps import hold
from tests.web.admin.test_permissions import logged_in
from tests.web.pages import send, words

KEYS, PAYMENTS = "/admin/keys", "/api/admin/payments"


def made(owner: FlaskClient, name: str = "Bookkeeping") -> str:
    answer = send(owner, KEYS, {"name": name})
    found = re.search(r'id="secret">([^<]+)<', answer.text)
    assert found
    return found[1]


def asked(app: Flask, secret: str, address: str = PAYMENTS, method: str = "GET") -> Any:
    return app.test_client().open(address, method=method, headers={"Authorization": f"Bearer {secret}"})


def test_a_key_reads_payments_without_a_session(app: Flask, owner: FlaskClient, svc: Services):
    booking = hold(svc)

    answer = asked(app, made(owner))

    assert [one["bookingId"] for one in answer.json["payments"]] == [booking.id]


def test_a_key_may_do_nothing_else(app: Flask, owner: FlaskClient, svc: Services):
    secret, booking = made(owner), hold(svc)

    refund = asked(app, secret, f"{PAYMENTS}/{booking.id}/refund", "POST")

    assert (refund.status_code, refund.mimetype) == (403, "application/problem+json")
    assert asked(app, secret, "/admin/bookings").status_code == 303


def test_a_key_is_shown_once_and_kept_as_a_hash_only(owner: FlaskClient, database: Database[Any]):
    secret = made(owner)

    page = owner.get(KEYS).text

    assert secret not in page
    assert secret not in str(list(database["api_keys"].find()))
    assert f"…{secret[-4:]}" in words(page)
    assert "Bookkeeping" in words(page)


def test_a_revoked_key_is_over_at_once(app: Flask, owner: FlaskClient, svc: Services):
    secret, other = made(owner), made(owner, "Spreadsheet")
    key = next(one for one in svc.api_keys.all() if one.name == "Bookkeeping")

    send(owner, f"{KEYS}/{key.id}/revoke", {}, page=KEYS)

    refused = asked(app, secret)
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert asked(app, other).status_code == 200
    assert "revoked" in words(owner.get(KEYS).text)
    assert send(owner, f"{KEYS}/{key.id}/revoke", {}, page=KEYS).status_code == 409
    assert [one.what for one in svc.audit.newest(3)] == ["revoked_key", "made_key", "made_key"]
    log = owner.get("/admin/audit").text
    assert "API key made key “Bookkeeping”" in words(log)
    assert f"/admin/bookings/{key.id}" not in log


@pytest.mark.parametrize("secret", ["", "ia_guess", "x" * 5000, "é"])
def test_a_wrong_key_is_refused_also_in_a_browser_that_is_logged_in(owner: FlaskClient, secret: str):
    answer = owner.get(PAYMENTS, headers={"Authorization": f"Bearer {secret}"})

    assert answer.status_code == 401


def test_when_a_key_was_used_last_is_known_to_the_minute(app: Flask, owner: FlaskClient, svc: Services):
    secret = made(owner)
    assert svc.api_keys.all()[0].used_at is None

    asked(app, secret)
    first = svc.api_keys.all()[0].used_at
    asked(app, secret)

    assert first is not None
    assert svc.now() - first < timedelta(minutes=1)
    assert svc.api_keys.all()[0].used_at == first


def test_a_key_needs_a_name_and_an_owner(app: Flask, owner: FlaskClient, svc: Services):
    assert send(owner, KEYS, {"name": "  "}).status_code == 422
    assert logged_in(app, svc, Role.HELPER).get(KEYS).status_code == 403
    assert svc.api_keys.all() == []
