"""The API's document says what is answered. Beside these, every test that calls the API holds its answer against it."""

import io
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from inspired.adapters.mongo.bookings import Bookings
from inspired.domain.shared.errors import Busy
from tests.web import described

NOTICES = {"/api/payments/webhook", "/api/calendly/webhook"}
NAMED = {"{token}": "nobody-has-it", "{type_id}": "portfolio-review", "{booking_id}": "none"}


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    described: dict[str, Any]

    @property
    def address(self) -> str:
        address = self.path
        for name, value in NAMED.items():
            address = address.replace(name, value)
        return address

    @property
    def takes_json(self) -> bool:
        return "requestBody" in self.described

    @property
    def is_of_the_owner(self) -> bool:
        return "/admin/" in self.path


@pytest.fixture
def operations(app: Flask) -> list[Operation]:
    paths = described.paths(app)
    return [Operation(method, path, one) for path, methods in paths.items() for method, one in methods.items()]


def test_every_refusal_is_described_as_the_problem_it_is(operations: list[Operation]):
    assert len(operations) >= 13
    for one in operations:
        kinds = {status: set(told["content"]) for status, told in one.described["responses"].items() if status >= "400"}

        for status, kind in kinds.items():
            reads_its_own = one.path in NOTICES and status in ("401", "404", "429", "503")
            assert kind == {"application/json" if reads_its_own else "application/problem+json"}, (one.path, status)
        assert {"400", "408", "413", "500", "503"} <= set(kinds)
        assert ("403" in kinds) != (one.path in NOTICES)
        assert ("415" in kinds) == one.takes_json
        assert ("401" in kinds) == (one.path in NOTICES or one.is_of_the_owner)


def test_the_document_invents_no_answer(client: FlaskClient):
    document = client.get("/api/openapi.json").json

    assert [name for name in document["components"]["schemas"] if "ValidationError" in name] == []
    assert "422" not in document["paths"]["/api/payments/webhook"]["post"]["responses"]
    assert "reference" in document["components"]["schemas"]["Problem"]["properties"]


def test_every_reference_leads_somewhere(client: FlaskClient):
    answer = client.get("/api/openapi.json")

    named = {one.split('"')[0] for one in answer.get_data(as_text=True).split("#/components/schemas/")[1:]}

    assert named
    assert named <= set(answer.json["components"]["schemas"])


def test_keys_tokens_and_headers_that_are_read_are_described(client: FlaskClient):
    paths = client.get("/api/openapi.json").json["paths"]

    def read(path: str, method: str) -> dict[str, bool]:
        return {one["name"]: one["required"] for one in paths[path][method]["parameters"]}

    assert read("/api/payments/create", "post") == {"Idempotency-Key": False}
    assert read("/api/admin/payments/{booking_id}/refund", "post") == {"booking_id": True, "Idempotency-Key": True}
    assert read("/api/payments/status/{token}", "get") == {"token": True, "If-None-Match": False}
    assert read("/api/newsletter", "get") == {"token": True}
    assert paths["/api/admin/payments"]["get"]["security"] == [{"key": []}, {"session": []}]


# `client` holds each of the answers below against the document.


def test_bodies_that_cannot_be_read_are_refused_as_described(client: FlaskClient, operations: list[Operation]):
    for one in operations:
        if not one.takes_json or one.is_of_the_owner:
            continue
        sent: list[dict[str, Any]] = [
            {"data": b"{}", "content_type": "text/plain"},
            {"data": b'{"half', "content_type": "application/json"},
            {"json": ["a", "list"]},
            {"json": {"not": "known"}},
            {"input_stream": io.BytesIO(b" " * 70_000), "content_length": 70_000, "content_type": "application/json"},
        ]

        answers = [client.open(one.address, method=one.method, **body).status_code for body in sent]

        # A change of a subscription asks first whose it is.
        assert answers == ([404, 404, 404, 404, 413] if one.method == "put" else [415, 400, 422, 422, 413])


def test_nothing_is_told_to_whoever_is_not_logged_in_as_described(client: FlaskClient, operations: list[Operation]):
    owners = [one for one in operations if one.is_of_the_owner]

    assert {client.open(one.address, method=one.method).status_code for one in owners} == {401}


def test_a_foreign_host_is_refused_as_described(client: FlaskClient, operations: list[Operation]):
    for one in operations:
        answer = client.open(one.address, method=one.method, base_url="http://elsewhere.example")

        assert (answer.status_code, answer.content_type) == (400, "application/problem+json")


def test_while_the_database_is_away_it_is_said_as_described(client: FlaskClient, monkeypatch: pytest.MonkeyPatch):
    def away(*_: Any, **__: Any) -> Any:
        raise Busy("The database does not answer.")

    monkeypatch.setattr(Bookings, "by_token", away)

    answer = client.post("/api/payments/verify", json={"bookingId": "nobody-has-it"})

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_a_failure_of_ours_is_told_as_described(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch):
    def fails(*_: Any, **__: Any) -> Any:
        raise RuntimeError("of a test")

    app.config["PROPAGATE_EXCEPTIONS"] = False
    monkeypatch.setattr(Bookings, "by_token", fails)

    answer = client.post("/api/payments/verify", json={"bookingId": "nobody-has-it"})

    assert (answer.status_code, len(answer.json["reference"])) == (500, 16)
