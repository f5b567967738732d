"""What holds for every page and call: headers, forms from elsewhere, strange requests, Redis away."""

import logging
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from inspired.app import create_app
from inspired.domain.shared.errors import Busy, UpstreamError
from inspired.flows.monitoring import alerting
from inspired.services import Services
from inspired.web.shared.current import visitor_address
from tests.flows.steps import live


def test_pages_carry_a_strict_policy_and_nothing_inline(client: FlaskClient):
    page = client.get("/")

    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "frame-src 'none'" in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    html = page.get_data(as_text=True)
    assert "<script>" not in html
    assert " style=" not in html
    assert " onclick=" not in html


class TestWithCalendly:
    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {"CALENDAR": "calendly"}

    def test_only_calendlys_frame_may_be_embedded(self, client: FlaskClient, svc: Services):
        policy = client.get("/").headers["Content-Security-Policy"]

        assert f"frame-src {svc.settings.calendly_frame_origin};" in policy


def test_pages_of_a_booking_are_kept_nowhere_and_named_to_nobody(client: FlaskClient, svc: Services):
    page = client.get(f"/booking/{live(svc).token}")

    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/book/deep-dive", "/newsletter", "/admin/login"])
def test_a_form_from_elsewhere_is_refused(client: FlaskClient, path: str):
    answer = client.post(path, data={"email": "ann@example.com"})

    assert answer.status_code == 400


def test_the_api_needs_no_form_token(client: FlaskClient):
    assert client.post("/api/newsletter", json={"email": "ann@example.com"}).status_code == 202


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example"])
def test_links_are_never_made_for_a_foreign_host(client: FlaskClient, host: str):
    assert client.get("/", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize(
    "path", ["/nothing", "/book/lunch", "/booking/nobody", "/booking/nobody/payment", "/newsletter/nobody"]
)
def test_what_does_not_exist_says_so_on_a_page(client: FlaskClient, path: str):
    answer = client.get(path)

    assert answer.status_code == 404
    assert answer.mimetype == "text/html"
    assert "Traceback" not in answer.get_data(as_text=True)


def test_a_failure_of_ours_shows_a_reference_and_no_detail(app: Flask):
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.get("/api/broken")
    def broken() -> str:
        raise RuntimeError("secret detail")

    answer = app.test_client().get("/api/broken")

    assert answer.status_code == 500
    assert answer.content_type == "application/problem+json"
    assert "secret detail" not in answer.get_data(as_text=True)
    assert answer.json["reference"] == answer.headers["X-Request-Id"]


def test_static_files_may_be_kept_for_long(client: FlaskClient):
    with client.get("/static/app.css") as answer:
        assert answer.status_code == 200
        assert "max-age=31536000" in answer.headers["Cache-Control"]
    assert re.search(r"/static/app\.css\?v=[0-9a-f]{8}", client.get("/").get_data(as_text=True))


def test_healthz_tells_whether_the_database_answers(client: FlaskClient):
    answer = client.get("/healthz")

    assert answer.status_code == 200
    assert answer.json == {
        "ok": True,
        "database": True,
        "binance": "ok",
        "rails": {"binance_pay": "ok"},
        "worker": "ok",
        "clockSkewSeconds": None,
    }


class TestWithoutRedis:
    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {"REDIS_URL": "redis://127.0.0.1:1/0", "RATE_LIMIT_CREATE": "2/minute", "RATE_LIMIT_STATUS": "3/minute"}

    def test_everything_works_and_limits_count_in_the_process(self, client: FlaskClient, svc: Services):
        booking = live(svc)

        polls = [client.get(f"/api/payments/status/{booking.token}").status_code for _ in range(4)]
        creates = [client.post("/api/payments/create", json={}).status_code for _ in range(3)]

        assert polls == [200, 200, 200, 429]
        assert creates == [422, 422, 429]
        assert client.get(f"/booking/{booking.token}").status_code == 200


def test_logs_hold_nothing_personal(app: Flask, svc: Services, capsys, caplog):
    caplog.set_level(logging.INFO)
    client = app.test_client()
    booking = live(svc, email="canary@example.com", name="Canary Bird", address="198.51.100.77")
    client.get(f"/booking/{booking.token}", environ_base={"REMOTE_ADDR": "198.51.100.77"})
    client.post("/api/payments/create", json={"customerEmail": "canary@example.com"})
    client.get("/nothing?email=canary@example.com")

    written = capsys.readouterr().out + caplog.text

    for canary in ("canary", "Canary", "198.51.100.77", booking.token):
        assert canary not in written


NOSNIFF, HSTS = "X-Content-Type-Options", "Strict-Transport-Security"
BY_HTTP, BY_HTTPS = {"X-Forwarded-Proto": "http"}, {"X-Forwarded-Proto": "https"}


class TestBehindAProxy:
    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {"TRUSTED_PROXIES": "1", "SITE_URL": "https://localhost", "RATE_LIMIT_CREATE": "1/minute"}

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    @pytest.mark.parametrize(
        "path", ["/", "/book/deep-dive?x=%20y&z=%26", "/static/app.css?v=1", "/admin/login", "/n%C3%B6", "/nothing"]
    )
    def test_pages_asked_for_by_http_lead_to_https(self, client: FlaskClient, method: str, path: str):
        answer = client.open(path, method=method, headers=BY_HTTP)

        assert answer.status_code == 301
        assert answer.headers["Location"] == f"https://localhost{path}"

    def test_they_lead_to_our_own_site_whatever_they_are_asked_for(self, client: FlaskClient):
        for path in ("//evil.example/x", "/\r\nX-Odd: 1"):
            answer = client.get("/", headers={**BY_HTTP, "Host": "evil.example"}, environ_overrides={"PATH_INFO": path})

            assert answer.headers["Location"].startswith("https://localhost/")
            assert "X-Odd" not in answer.headers

    def test_a_form_sent_by_http_is_not_sent_on(self, client: FlaskClient):
        answer = client.post("/newsletter", data={"email": "ann@example.com"}, headers=BY_HTTP)

        assert answer.status_code == 403
        assert "https" in answer.text

    @pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
    def test_calls_of_the_api_by_http_are_refused(self, client: FlaskClient, svc: Services, method: str):
        polled = f"/api/payments/status/{live(svc).token}"
        for path in ("/api/newsletter", "/api/payments/create", "/api/admin/health", "/api/nothing", polled):
            answer = client.open(path, method=method, headers=BY_HTTP)

            assert (answer.status_code, answer.content_type) == (403, "application/problem+json")
            assert answer.json["status"] == 403

    @pytest.mark.parametrize("path", ["/api/payments/webhook", "/api/calendly/webhook"])
    def test_a_notice_is_looked_at_however_it_comes(self, client: FlaskClient, path: str):
        assert client.post(path, data=b"{}", headers=BY_HTTP).json["returnCode"] == "FAIL"

    @pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/status.json"])
    def test_monitors_are_answered_by_http(self, client: FlaskClient, path: str):
        assert client.get(path, headers=BY_HTTP).status_code in (200, 503)

    def test_only_the_last_hop_says_which_it_was(self, client: FlaskClient):
        assert client.get("/", headers={"X-Forwarded-Proto": "http, https"}).status_code == 200
        assert client.get("/", headers={"X-Forwarded-Proto": "https, http"}).status_code == 301

    @pytest.mark.parametrize("said", [None, "", "ftp", "https, "])
    def test_where_the_proxy_says_nothing_the_owner_is_told_and_nobody_is_sent_on(
        self, client: FlaskClient, svc: Services, said: str | None
    ):
        headers = {} if said is None else {"X-Forwarded-Proto": said}
        assert alerting.find(svc)["scheme_unsaid"] is None

        assert client.get("/", headers=headers).status_code == 200
        assert client.post("/api/newsletter", json={"email": "ann@example.com"}, headers=headers).status_code == 202

        assert alerting.find(svc)["scheme_unsaid"] is not None
        later = replace(svc, now=lambda: svc.now() + timedelta(minutes=16))
        assert alerting.find(later)["scheme_unsaid"] is None

    def test_what_a_monitor_asks_without_a_proxy_is_no_silence_of_the_proxy(self, client: FlaskClient, svc: Services):
        client.get("/livez")
        client.post("/api/payments/webhook", data=b"{}")
        client.get("/", headers=BY_HTTPS)

        assert alerting.find(svc)["scheme_unsaid"] is None

    def test_every_kind_of_answer_keeps_browsers_to_https_and_to_its_type(self, client: FlaskClient, svc: Services):
        booking = live(svc)
        poll = f"/api/payments/status/{booking.token}"
        client.get(poll, headers=BY_HTTPS)
        for path, headers in (
            ("/", BY_HTTPS),
            ("/", BY_HTTP),
            ("/nothing", BY_HTTPS),
            ("/static/app.css", BY_HTTPS),
            ("/static/app.css", {**BY_HTTPS, "If-None-Match": "*"}),
            (poll, BY_HTTPS),
            (poll, {**BY_HTTPS, "If-None-Match": f'"{booking.status_version}"'}),
            (f"/booking/{booking.token}/payment?v={booking.status_version}", BY_HTTPS),
            ("/api/newsletter", BY_HTTP),
            ("/livez", {}),
        ):
            with client.get(path, headers=headers) as answer:
                assert answer.headers.getlist(HSTS) == ["max-age=63072000; includeSubDomains"], path
                assert answer.headers.getlist(NOSNIFF) == ["nosniff"], path

    def test_only_the_last_hop_is_believed(self, client: FlaskClient):
        def create(forwarded: str) -> int:
            return client.post("/api/payments/create", json={}, headers={"X-Forwarded-For": forwarded}).status_code

        assert create("203.0.113.1") == 422
        assert create("198.51.100.9, 203.0.113.1") == 429
        assert create("203.0.113.1, 198.51.100.9") == 422

    def test_browsers_are_told_to_keep_to_https(self, client: FlaskClient):
        for path in ("/", "/api/meeting-types"):
            assert client.get(path).headers["Strict-Transport-Security"].startswith("max-age=63072000")


def test_what_a_stranger_says_of_the_scheme_is_not_believed(client: FlaskClient):
    assert client.get("/", headers=BY_HTTP).status_code == 200
    assert HSTS not in client.get("/").headers


class TestWithHttpsAndNoTrustedProxy:
    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {"SITE_URL": "https://localhost"}

    def test_nobody_can_tell_how_a_visitor_came_so_nobody_is_sent_on(self, client: FlaskClient, svc: Services):
        assert client.get("/", headers=BY_HTTP).status_code == 200
        assert alerting.find(svc)["scheme_unsaid"] is None


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("gzip, deflate, br", "gzip"),
        ("gzip;q=0.1", "gzip"),
        ("gzip;q=0", None),
        ("gzip; q=0.0, identity", None),
        ("identity", None),
        ("", None),
    ],
)
def test_a_static_file_is_compressed_for_who_takes_it_so(client: FlaskClient, accepted: str, encoding: str | None):
    with client.get("/static/app.css", headers={"Accept-Encoding": accepted}) as answer:
        assert answer.headers.get("Content-Encoding") == encoding
        assert answer.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("known", ["{}", "W/{}", '"other", {}', 'W/"other", W/{}', "*"])
def test_who_has_a_static_file_is_not_sent_it_again(client: FlaskClient, known: str):
    with client.get("/static/app.css") as first:
        tag = first.headers["ETag"]

    with client.get("/static/app.css", headers={"If-None-Match": known.format(tag)}) as answer:
        assert answer.status_code == 304
    with client.get("/static/app.css", headers={"If-None-Match": known.replace("*", "").format('"older"')}) as answer:
        assert answer.status_code == 200


@pytest.mark.parametrize("known", ['"{}"', 'W/"{}"', 'W/"0", W/"{}"'])
def test_who_has_a_bookings_status_is_not_sent_it_again(client: FlaskClient, svc: Services, known: str):
    booking = live(svc)
    poll = f"/api/payments/status/{booking.token}"
    headers = {"If-None-Match": known.format(booking.status_version)}

    assert [client.get(poll, headers=headers).status_code for _ in range(2)] == [304, 304]


@pytest.mark.parametrize(
    ("address", "known_as"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::FFFF:cb00:7107", "203.0.113.7"),
        ("::ffff:203.0.113.7%eth0", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9%eth0", "2001:db8:1:2::/64"),
        ("not:an:address", "not:an:address"),
    ],
)
def test_all_addresses_of_one_ipv6_network_are_one_visitor(app: Flask, address: str, known_as: str):
    with app.test_request_context(environ_base={"REMOTE_ADDR": address}):
        assert visitor_address() == known_as


@pytest.mark.parametrize("error", [Busy("away"), UpstreamError("calendly", "away")])
def test_what_is_behind_us_being_away_says_try_again(svc: Services, error: Exception):
    def away() -> None:
        raise error

    app = create_app(replace(svc, ping=away), svc.settings)
    answer = app.test_client().get("/healthz")

    assert answer.status_code == 503


def test_probes_by_address_are_answered(client: FlaskClient):
    assert client.get("/healthz", headers={"Host": "10.0.0.5:5000"}).status_code == 200
