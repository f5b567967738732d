from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NoReturn

import pytest
from flask import Flask
from flask.testing import FlaskClient

from inspired.adapters.mongo.bookings import Bookings
from inspired.domain.booking.claims import Claim, Place, UnpaidOf
from inspired.domain.booking.states import State
from inspired.domain.shared.errors import Busy
from inspired.flows.site import newsletter
from inspired.services import Services
from inspired.web.public import status_poll
from tests.flows.steps import live, pay
from tests.harness import Servers


def slots(client: FlaskClient, type_id: str = "deep-dive", **query: str) -> list[dict[str, str]]:
    now = datetime.now().astimezone()
    asked = {"from": now.isoformat(), "to": (now + timedelta(days=14)).isoformat(), "tz": "Europe/Berlin", **query}
    answer = client.get(f"/api/meeting-types/{type_id}/slots", query_string=asked)
    assert answer.status_code == 200, answer.json
    return answer.json["slots"]


def wanted(client: FlaskClient, **changes: object) -> dict[str, object]:
    body = {
        "meetingTypeId": "deep-dive",
        "customerEmail": "ann@example.com",
        "customerName": "Ann",
        "network": "TRC20",
        "slotStart": slots(client)[0]["start"],
        **changes,
    }
    return {name: value for name, value in body.items() if value is not ...}


def create(client: FlaskClient, body: object = None, **headers: str):
    return client.post("/api/payments/create", json=wanted(client) if body is None else body, headers=headers)


def test_the_four_types_with_their_prices_as_text(client: FlaskClient):
    types = client.get("/api/meeting-types").json["meetingTypes"]

    assert [(one["id"], one["price"], one["currency"]) for one in types] == [
        ("quick-question", "50", "USDT"),
        ("portfolio-review", "75", "USDT"),
        ("deep-dive", "150", "USDT"),
        ("mentoring", "75", "USDT"),
    ]
    assert set(types[0]) == {"id", "title", "minutes", "price", "currency", "questions"}


def test_slots_are_ascending_and_written_with_the_offset_asked_for(client: FlaskClient):
    found = slots(client)

    starts = [datetime.fromisoformat(one["start"]) for one in found]
    assert starts == sorted(starts)
    assert {start.utcoffset() for start in starts} <= {timedelta(hours=1), timedelta(hours=2)}
    assert set(found[0]) == {"start", "end"}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"tz": "Mars/Olympus"}, 422),
        ({"from": "yesterday"}, 422),
        ({"from": "2026-11-24T00:00:00Z", "to": "2026-12-26T00:00:00Z"}, 422),
        ({"from": "2026-11-24T00:00:00Z", "to": "2026-11-23T00:00:00Z"}, 422),
        ({"from": "9999-12-30"}, 422),
        ({"from": "2026-11-24", "to": "2026-11-25"}, 200),
        ({"from": "2026-11-24T09:00:00+01:00"}, 200),
        ({"from": "now"}, 200),
        ({}, 200),
    ],
)
def test_windows_are_read_or_refused_clearly(client: FlaskClient, query: dict[str, str], status: int):
    answer = client.get("/api/meeting-types/deep-dive/slots", query_string=query)

    assert answer.status_code == status
    if answer.status_code != 200:
        assert answer.content_type == "application/problem+json"


def test_a_span_worked_out_from_two_clocks_readings_still_fits(client: FlaskClient):
    now = datetime.now().astimezone()
    asked = {"from": now.isoformat(), "to": (now + timedelta(days=31, milliseconds=5)).isoformat()}

    assert client.get("/api/meeting-types/deep-dive/slots", query_string=asked).status_code == 200


def test_slots_of_an_unknown_type_are_not_found(client: FlaskClient):
    assert client.get("/api/meeting-types/lunch/slots").status_code == 404


def test_create_answers_with_the_plans_fields(client: FlaskClient, svc: Services, sandbox: Servers):
    answer = create(client)

    order = sandbox.control("orders")[0]
    body = answer.json
    assert answer.status_code == 201
    assert body == {
        "success": True,
        "bookingId": body["bookingId"],
        "merchantTradeNo": order["merchantTradeNo"],
        "method": "binance_pay",
        "network": None,
        "binanceOrderId": order["prepayId"],
        "paymentAddress": None,
        "paymentUri": None,
        "qrCodeUrl": f"http://localhost/booking/{body['bookingId']}/qr.svg",
        "deepLinkUrl": body["deepLinkUrl"],
        "checkoutUrl": body["checkoutUrl"],
        "amount": "150",
        "currency": "USDT",
        "status": "PENDING",
        "expiresAt": body["expiresAt"],
        "serverTime": body["serverTime"],
    }
    assert body["deepLinkUrl"].startswith("bnc://app.binance.com/")
    assert body["checkoutUrl"].startswith(sandbox.sandbox)
    assert body["expiresAt"].endswith("Z")
    assert svc.bookings.by_token(body["bookingId"]).network == "TRC20"


def test_the_slots_own_start_is_taken_verbatim_and_then_gone(client: FlaskClient):
    start = slots(client)[0]["start"]

    assert create(client).status_code == 201
    again = create(client, wanted(client, slotStart=start, customerEmail="bob@example.com"))

    assert again.status_code == 409
    assert again.content_type == "application/problem+json"
    assert start not in [one["start"] for one in slots(client)]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"meetingTypeId": "lunch"}, "meetingTypeId"),
        ({"meetingTypeId": {"$ne": 1}}, "meetingTypeId"),
        ({"meetingTypeId": "<script>alert(1)</script>"}, "meetingTypeId"),
        ({"customerEmail": "nobody"}, "customerEmail"),
        ({"customerEmail": {"$ne": 1}}, "customerEmail"),
        ({"customerEmail": "a@example.com\r\nBcc: b@example.com"}, "customerEmail"),
        ({"customerEmail": ...}, "customerEmail"),
        ({"customerName": "<script>alert(1)</script>"}, "customerName"),
        ({"customerName": "two\nlines"}, "customerName"),
        ({"customerName": "x" * 101}, "customerName"),
        ({"network": "SOL"}, "network"),
        ({"amount": "1"}, "amount"),
        ({"price": 1}, "price"),
        ({"currency": "BUSD"}, "currency"),
        ({"slotStart": "2020-01-01T09:00:00Z"}, "slotStart"),
        ({"slotStart": "2026-11-24T09:00:00"}, "slotStart"),
        ({"slotStart": "soon"}, "slotStart"),
        ({"slotStart": 1795600000}, "slotStart"),
        ({"slotStart": "1795600000"}, "slotStart"),
        ({"slotStart": "9999-12-31T23:59:59+00:00"}, "slotStart"),
        ({"slotStart": "0001-01-01T00:00:00+14:00"}, "slotStart"),
        ({"customerEmail": "Ann <ann@example.com>"}, "customerEmail"),
        ({"customerEmail": '"Bob <script>" <b@example.com>'}, "customerEmail"),
        ({"slotStart": ...}, "slotStart"),
        ({"timeZone": "Mars/Olympus"}, "timeZone"),
        ({"calendly": {"eventUri": "x", "inviteeUri": "y"}}, "calendly"),
    ],
)
def test_bad_input_is_refused_by_field_and_nothing_is_stored(
    client: FlaskClient, sandbox: Servers, changes: dict[str, object], field: str
):
    answer = create(client, wanted(client, **changes))

    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert field in answer.json["errors"]
    assert sandbox.control("orders") == []


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"[" * 20_000, "application/json", 400),
        (b"[]", "application/json", 422),
        (b"null", "application/json", 422),
        (b"\xff\xfe", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"a=b", "application/x-www-form-urlencoded", 415),
        (b'{"a":"' + b"x" * 1_000_000 + b'"}', "application/json", 413),
        (b'{"customerEmail":"\\ud800@example.com"}', "application/json", 422),
    ],
)
def test_bodies_that_are_no_request_are_refused(client: FlaskClient, data: bytes, content_type: str, status: int):
    answer = client.post("/api/payments/create", data=data, content_type=content_type)

    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"


def test_the_same_key_gives_the_same_answer_and_another_body_a_conflict(client: FlaskClient, sandbox: Servers):
    body = wanted(client)
    first = create(client, body, **{"Idempotency-Key": "k1"})
    shuffled = dict(reversed(list(body.items())))

    again = create(client, shuffled, **{"Idempotency-Key": "k1"})
    other = create(client, {**body, "customerName": "Bob"}, **{"Idempotency-Key": "k1"})

    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 409)
    assert again.json["bookingId"] == first.json["bookingId"]
    assert again.json["merchantTradeNo"] == first.json["merchantTradeNo"]
    assert len(sandbox.control("orders")) == 1


def test_a_key_used_for_a_refusal_is_free_again(client: FlaskClient):
    bad, good = wanted(client, slotStart="2020-01-01T09:00:00Z"), wanted(client)

    assert create(client, bad, **{"Idempotency-Key": "k"}).status_code == 422
    assert create(client, good, **{"Idempotency-Key": "k"}).status_code == 201


def test_a_key_of_256_characters_is_refused(client: FlaskClient):
    assert create(client, **{"Idempotency-Key": "k" * 256}).status_code == 422


def test_twenty_at_once_with_one_key_are_one_booking(app: Flask, client: FlaskClient, sandbox: Servers):
    body = wanted(client)

    def post(_: int) -> tuple[int, str]:
        answer = app.test_client().post("/api/payments/create", json=body, headers={"Idempotency-Key": "same"})
        return answer.status_code, answer.json.get("bookingId", "")

    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(post, range(20)))

    assert {status for status, _ in results} <= {201, 409}
    assert len({token for _, token in results if token}) == 1
    assert len(sandbox.control("orders")) == 1


def test_with_the_provider_away_the_booking_stands_all_the_same(client: FlaskClient, svc: Services, sandbox: Servers):
    sandbox.control("faults", {"binance": [{"call": "create", "fault": "http_500", "times": 1}]})

    answer = create(client, **{"Idempotency-Key": "k"})

    assert answer.status_code == 202
    for name in ("binanceOrderId", "qrCodeUrl", "deepLinkUrl", "checkoutUrl"):
        assert answer.json[name] is None
    booking = svc.bookings.by_token(answer.json["bookingId"])
    assert booking.state is State.PENDING
    assert booking.check_at is not None
    assert create(client, wanted(client, slotStart=slots_start(booking)), **{"Idempotency-Key": "k"}).status_code in (
        202,
        409,
    )


def slots_start(booking) -> str:
    return booking.slot.span.start.isoformat()


def test_status_tells_where_the_booking_stands_and_304_when_nothing_is_new(client: FlaskClient, svc: Services):
    booking = live(svc)
    address = f"/api/payments/status/{booking.token}"

    first = client.get(address)
    again = client.get(address, headers={"If-None-Match": first.headers["ETag"]})
    without = client.get(address)

    on_chain = {"network": None, "final": False, "confirmations": None}
    told = {"success", "status", "flags", "message", "expiresAt", "serverTime", "version"}
    assert set(first.json) == {*told, *on_chain}
    assert on_chain.items() <= first.json.items()
    assert first.json["status"] == "PENDING"
    assert (again.status_code, again.data) == (304, b"")
    assert without.status_code == 200


def test_status_after_the_payment_carries_its_details(client: FlaskClient, svc: Services, sandbox: Servers):
    booking = live(svc)
    address = f"/api/payments/status/{booking.token}"
    before = client.get(address)
    pay(sandbox, booking)

    verified = client.post("/api/payments/verify", json={"bookingId": booking.token})
    after = client.get(address, headers={"If-None-Match": before.headers["ETag"]})

    assert (verified.json["success"], verified.json["verified"]) == (True, True)
    assert after.json["status"] == "CONFIRMED"
    assert after.json["version"] > before.json["version"]
    assert after.json["paymentDetails"]["amount"] == "75"


def test_verify_of_an_unpaid_booking_says_so(client: FlaskClient, svc: Services):
    booking = live(svc)

    answer = client.post("/api/payments/verify", json={"bookingId": booking.token})

    assert answer.json["verified"] is False
    assert answer.json["details"]["status"] == "PENDING"


@pytest.mark.parametrize("token", ["nobody", "x" * 300, "%00", "..%2f..", "$ne"])
def test_an_unknown_booking_is_not_found(client: FlaskClient, token: str):
    assert client.get(f"/api/payments/status/{token}").status_code == 404


def test_a_draft_is_unknown_to_the_api(client: FlaskClient, svc: Services):
    from inspired.domain.catalogue.meeting_types import get_meeting_type
    from inspired.flows.booking.booking import start_draft

    draft = start_draft(svc, get_meeting_type("deep-dive"))

    assert client.get(f"/api/payments/status/{draft.token}").status_code == 404
    assert client.post("/api/payments/verify", json={"bookingId": draft.token}).status_code == 404


def test_a_hint_older_than_what_the_page_shows_is_never_told(client: FlaskClient, svc: Services, sandbox: Servers):
    from inspired.services import cached_status

    booking = live(svc)
    stale = cached_status(booking)
    pay(sandbox, booking)
    confirmed = client.post("/api/payments/verify", json={"bookingId": booking.token}).json["details"]
    with _redis(sandbox) as connection:
        connection.flushdb()
    svc.status_cache.publish(booking.token, stale)

    answer = client.get(f"/api/payments/status/{booking.token}", headers={"If-None-Match": f'"{confirmed["version"]}"'})

    assert answer.status_code == 304
    assert client.get(f"/api/payments/status/{booking.token}").json["status"] == "CONFIRMED"


def _redis(sandbox: Servers):
    import redis

    return redis.Redis.from_url(sandbox.redis_url)


def test_polling_brings_the_question_to_the_provider_forward(
    client: FlaskClient, svc: Services, monkeypatch: pytest.MonkeyPatch
):
    booking = live(svc)
    planned = svc.now() + timedelta(minutes=1)
    svc.bookings.change(booking.id, lambda b: replace(b, check_at=planned))
    monkeypatch.setattr(status_poll, "CHECK_AFTER_SECONDS", 0)

    client.get(f"/api/payments/status/{booking.token}").close()

    assert svc.bookings.get(booking.id).check_at <= svc.now() < planned


def test_a_poll_is_answered_before_the_booking_is_read(
    client: FlaskClient, svc: Services, monkeypatch: pytest.MonkeyPatch
):
    booking = live(svc)
    read = list[str]()
    monkeypatch.setattr(Bookings, "by_token", lambda _self, token: read.append(token) or booking)

    answer = client.get(f"/api/payments/status/{booking.token}")

    assert (answer.json["status"], read) == ("PENDING", [])
    answer.close()
    assert read == [booking.token]


def test_polls_are_answered_while_the_database_is_away(
    client: FlaskClient, svc: Services, monkeypatch: pytest.MonkeyPatch
):
    def away(*_: object) -> NoReturn:
        raise Busy("The database does not answer.")

    booking = live(svc)
    monkeypatch.setattr(Bookings, "by_token", away)

    for _ in range(3):
        with client.get(f"/api/payments/status/{booking.token}") as answer:
            assert (answer.status_code, answer.json["status"]) == (200, "PENDING")


class TestLimits:
    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {
            "RATE_LIMIT_CREATE": "3/minute",
            "RATE_LIMIT_STATUS": "4/minute",
            "RATE_LIMIT_VERIFY": "2/minute",
        }

    def test_create_is_limited_by_address(self, client: FlaskClient):
        answers = [create(client, {}) for _ in range(4)]

        assert [one.status_code for one in answers] == [422, 422, 422, 429]
        assert int(answers[-1].headers["Retry-After"]) > 0
        assert answers[-1].content_type == "application/problem+json"

    def test_status_is_limited_by_booking(self, client: FlaskClient, svc: Services):
        first, second = live(svc), live(svc, call=8, email="b@example.com")

        codes = [client.get(f"/api/payments/status/{first.token}").status_code for _ in range(5)]

        assert codes == [200, 200, 200, 200, 429]
        assert client.get(f"/api/payments/status/{second.token}").status_code == 200

    def test_verify_is_limited_by_booking(self, client: FlaskClient, svc: Services):
        booking = live(svc)

        codes = [client.post("/api/payments/verify", json={"bookingId": booking.token}).status_code for _ in range(3)]

        assert codes == [200, 200, 429]


def test_newsletter_by_api(client: FlaskClient, svc: Services, mailbox):
    asked = client.post("/api/newsletter", json={"email": "ann@example.com"})
    subscriber = svc.subscribers.by_email(svc.vault.blind_index("newsletter", "ann@example.com"))
    newsletter.send_opt_in(svc, subscriber.id)
    address = f"/api/newsletter?token={subscriber.token}"

    assert asked.status_code == 202
    assert client.get(address).json == {"success": True, "status": "pending"}
    assert client.put(address).json["status"] == "subscribed"
    assert client.put(address, json={"action": "confirm"}).json["status"] == "subscribed"
    assert client.put(address, json={"action": "unsubscribe"}).json["status"] == "unsubscribed"
    assert client.put(address, json={"action": "delete"}).status_code == 422
    assert client.get("/api/newsletter").status_code == 404
    assert client.post("/api/newsletter", json={"email": "x"}).status_code == 422


def test_a_visitor_whose_payments_did_not_match_may_still_book(svc: Services, sandbox: Servers):
    from inspired.flows.booking import refreshing

    booking = live(svc)
    before = booking.claims
    pay(sandbox, booking, amount="10")

    after = refreshing.refresh(svc, booking.id)

    assert _unpaid(before)
    assert not _unpaid(after.claims)


def _unpaid(claims: tuple[Claim, ...]) -> list[Place]:
    return [claim for claim in claims if isinstance(claim, Place) and isinstance(claim.row, UnpaidOf)]


def test_a_state_that_was_shown_is_the_oldest_that_polls_are_told(client: FlaskClient, svc: Services, sandbox: Servers):
    from inspired.flows.booking import refreshing
    from inspired.services import cached_status

    booking = live(svc)
    stale = cached_status(booking)
    pay(sandbox, booking)
    refreshing.refresh(svc, booking.id)
    with _redis(sandbox) as connection:
        connection.flushdb()
    svc.status_cache.publish(booking.token, stale)  # as if the one who saved had died before telling

    client.post("/api/payments/verify", json={"bookingId": booking.token})

    assert client.get(f"/api/payments/status/{booking.token}").json["status"] == "CONFIRMED"


def test_the_api_is_documented(client: FlaskClient):
    document = client.get("/api/openapi.json").json

    assert document["openapi"].startswith("3.")
    assert {
        "/api/meeting-types",
        "/api/meeting-types/{type_id}/slots",
        "/api/payments/create",
        "/api/payments/status/{token}",
        "/api/payments/verify",
        "/api/payments/webhook",
        "/api/admin/payments",
        "/api/admin/numbers",
        "/api/newsletter",
    } <= set(document["paths"])


def test_an_unknown_address_under_api_is_a_problem(client: FlaskClient):
    answer = client.get("/api/nothing")

    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    assert client.get("/api/payments/create").status_code == 405


def test_the_qr_code_is_a_picture_of_its_own_while_there_is_something_to_pay(
    client: FlaskClient, svc: Services, sandbox: Servers
):
    booking = live(svc)
    address = f"/booking/{booking.token}/qr.svg"

    picture = client.get(address)
    pay(sandbox, booking)
    client.post("/api/payments/verify", json={"bookingId": booking.token})

    assert picture.mimetype == "image/svg+xml"
    assert picture.get_data(as_text=True).startswith("<svg")
    assert client.get(address).status_code == 404


class TestCalendly:
    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {"CALENDAR": "calendly"}

    def body(self, svc: Services, **changes: object) -> dict[str, object]:
        from inspired.domain.catalogue.meeting_types import get_meeting_type
        from inspired.flows.booking.booking import start_draft
        from tests.flows.booking.test_booking import TestCalendly as Steps

        draft = start_draft(svc, get_meeting_type("portfolio-review"))
        event, invitee = Steps().schedule(svc, draft.token)
        body = {
            "meetingTypeId": "portfolio-review",
            "customerEmail": "ann@example.com",
            "bookingId": draft.token,
            "calendly": {"eventUri": event, "inviteeUri": invitee},
            **changes,
        }
        return {name: value for name, value in body.items() if value is not ...}

    def test_a_picked_time_becomes_a_booking_once(self, client: FlaskClient, svc: Services):
        body = self.body(svc)

        first = create(client, body, **{"Idempotency-Key": "k"})
        again = create(client, body, **{"Idempotency-Key": "k"})
        without_key = create(client, body)

        assert [one.status_code for one in (first, again, without_key)] == [201, 201, 201]
        assert {one.json["merchantTradeNo"] for one in (first, again, without_key)} == {first.json["merchantTradeNo"]}

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"bookingId": ...}, "bookingId"),
            ({"calendly": ...}, "calendly"),
            ({"meetingTypeId": "deep-dive"}, "meetingTypeId"),
            ({"slotStart": "2026-12-01T09:00:00Z"}, "slotStart"),
        ],
    )
    def test_what_does_not_belong_together_is_refused(self, client: FlaskClient, svc: Services, changes, field):
        answer = create(client, self.body(svc, **changes))

        assert answer.status_code == 422
        assert field in answer.json["errors"]

    @pytest.mark.parametrize("uri", ["http://evil.example/scheduled_events/a", "file:///etc/passwd", "x" * 300])
    def test_addresses_of_others_are_refused(self, client: FlaskClient, svc: Services, uri: str):
        answer = create(client, self.body(svc, calendly={"eventUri": uri, "inviteeUri": uri + "/invitees/b"}))

        assert answer.status_code == 422

    def test_an_unknown_draft_is_not_found(self, client: FlaskClient, svc: Services):
        assert create(client, self.body(svc, bookingId="nobody")).status_code == 404
