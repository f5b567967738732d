"""Every route with odd questions: whatever stands in an address, a form, a body or a header, nobody gets a 500."""

import inspect
import json
import os
import re
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.routing import Rule

from inspired.domain.reporting.reports import Kind
from inspired.domain.support.tickets import Topic
from inspired.flows.booking import payment_webhooks
from inspired.flows.support import tickets
from inspired.services import Services
from inspired.web.admin import bookings
from inspired.web.public import schemas
from inspired.web.shared import forms, parsing
from tests.flows.steps import confirmed, free_calls, live
from tests.harness import ADMIN_PASSWORD, ROOT, Servers
from tests.web.admin.test_admin import log_in
from tests.web.admin.test_evidence import FORGED
from tests.web.pages import send

MINUTE = timedelta(minutes=1)
EXAMPLES = int(os.environ.get("ROUTE_EXAMPLES", "3"))  # for each route, method and visitor
FAR_AWAY = (
    *("0001-01-01", "9999-12-31", "2026-02-30", "9999-W52-7", "0000", "9999", "9999-W53", "2026-Q4", "10000-01-01"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00", "2026-11-23T14:02:00", "2026-11-23T24:00"),
    *("2199-12-31T23:59:59Z", "1999-01-01T00:00:00Z", "1969-12-31", "2100-01-01", "2026-03-29T02:30:00", "24:00"),
)
NUMBERS = ("-1", "0", "1e400", "NaN", "-0", "٣", "½", "9" * 19, str(2**63), "-" + "9" * 20, "1" * 4400, "1_000")
TEXTS = (
    *(
        "",
        " ",
        "null",
        "None",
        "[]",
        "{}",
        "<b>",
        "'\"",
        "%",
        "$where",
        "a.b",
        "../../etc",
        "__proto__",
        "*",
        "(",
        "\\",
    ),
    *("\x00", "a\x00b", "\r\nX: y", "\u2028", "\u202e", "\N{GRINNING FACE}", "e\u0301", "a" * 300, "@", "a@b", "ſ@İ.a"),
)
BYTES = (b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"%zz")  # no UTF-8; half a letter, as some encode it
READABLE = st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace").decode())
ODD: st.SearchStrategy[Any] = st.sampled_from((*FAR_AWAY, *NUMBERS, *TEXTS, *BYTES)) | READABLE
HALVES = ("\ud800", "a\udfff", "\ud83d \ude00")  # halves of letters, which JSON can hold
JSON: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from((*HALVES, *FAR_AWAY, *NUMBERS, *TEXTS)),
    st.lists(st.sampled_from(HALVES), max_size=2),
    st.dictionaries(st.sampled_from(("a", *HALVES)), st.none(), max_size=2),
)
RAW = (b"", b"[", b"null", b"\xff", b'"\\ud800"', b"[" * 3000, b"[]", b"1e999999", b"NaN", b'{"a":1,"a":2}')
HEADERS = (
    *("Idempotency-Key", "If-None-Match", "HX-Request", "Authorization", "User-Agent", "Referer", "Origin", "Cookie"),
    *("Content-Type", "Accept-Encoding", "Accept-Language", "X-Forwarded-For", "Range", "If-Modified-Since"),
    *("BinancePay-Timestamp", "BinancePay-Signature", "BinancePay-Certificate-SN", "Calendly-Webhook-Signature"),
)
HEADER_VALUES = (
    *("", "true", "*", '"' + "9" * 30 + '"', "W/", "Bearer ", "Bearer \xff", "//[", "http://[", "\xa0", "t=1,v1=a"),
    *("session=.a.b; known=.", "bytes=0-", "a" * 300, "Fri, 99 Foo 9999", "-1", "9" * 30),
)


@dataclass
class Place:
    """What there is to be asked about, by the names that routes and forms have for it."""

    known: dict[str, list[str]]
    values: dict[str, str]


@dataclass(frozen=True)
class Asked:
    path: dict[str, Any]
    query: dict[str, Any]
    form: dict[str, Any]
    body: Any
    raw: bytes | None
    headers: dict[str, str] = field(default_factory=dict)


@cache
def names_in(module: str) -> list[str]:
    """Every query parameter and form field that this module of pages reads, from its code."""
    code = inspect.getsource(sys.modules[module])
    found = set(re.findall(r'request\.(?:args|form)\.get(?:list)?\("(\w+)"', code))
    found |= set(re.findall(r'"(\w+)" (?:not )?in request\.(?:args|form)', code))
    for model in re.findall(r"\b\w+(?:Form|Request|Query|Change)\b", code):
        fields = getattr(forms, model, None) or getattr(schemas, model, None)
        found |= {info.alias or name for name, info in fields.model_fields.items()} if fields else set()
    return sorted(found | (set(bookings.NAMES) if module == bookings.__name__ else set())) or ["anything"]


@st.composite
def questions(draw: Any, rule: Rule, names: list[str], place: Place) -> Asked:
    """Mostly what would be right, with a few things odd or missing: what is wrong all over gets no further than the
    first check."""

    def some(known: list[str]) -> Any:
        return draw(st.one_of(st.sampled_from(known), st.sampled_from(known), ODD) if known else ODD)

    odd = {name: draw(ODD) for name in draw(st.lists(st.sampled_from(names), max_size=4))}
    missing = set(draw(st.lists(st.sampled_from(names), max_size=4)))
    right = {name: value for name, value in place.values.items() if name not in missing}
    query = {name: right[name] for name in draw(st.lists(st.sampled_from(names), max_size=3)) if name in right}
    of_json = {name: draw(JSON) for name in draw(st.lists(st.sampled_from(names), max_size=2))}
    return Asked(
        path={name: some(place.known.get(name, [])) for name in sorted(rule.arguments)},
        query={**query, **odd},
        form={**right, **odd},
        body={**right, **of_json},
        raw=draw(st.one_of(st.none(), st.none(), st.none(), st.sampled_from(RAW))),
        headers=draw(st.dictionaries(st.sampled_from(HEADERS), st.sampled_from(HEADER_VALUES), max_size=2)),
    )


def sent(client: FlaskClient, rule: Rule, method: str, asked: Asked) -> Any:
    address = re.sub(r"<(?:\w+:)?(\w+)>", lambda match: quote(asked.path[match[1]], safe=""), rule.rule)
    query, headers = urlencode(asked.query), asked.headers
    address = f"{address}?{query}" if query else address
    if method == "GET":
        return client.open(address, method=method, headers=headers)
    if rule.rule.startswith("/api/") or "passkey" in rule.rule:
        body = json.dumps(asked.body).encode() if asked.raw is None else asked.raw
        kind = headers.get("Content-Type", "application/json")
    else:
        body = urlencode(asked.form).encode() if asked.raw is None else asked.raw
        kind = headers.get("Content-Type", "application/x-www-form-urlencoded")
    return client.open(address, method=method, data=body, headers={**headers, "Content-Type": kind})


@pytest.fixture
def settings_env(settings_env: dict[str, str]) -> dict[str, str]:
    often = dict.fromkeys(("RATE_LIMIT_LOGIN", "RATE_LIMIT_BAD_WEBHOOK"), "10000/minute")
    return {**settings_env, **often, "OPEN_BOOKINGS_PER_VISITOR": "1000"}


@pytest.fixture
def app(app: Flask) -> Flask:
    """Without the form's token, which keeps most of what is odd from everything behind it; other tests look at that."""
    app.config["WTF_CSRF_ENABLED"] = False
    return app


def place_of(app: Flask, svc: Services, sandbox: Servers) -> Place:
    log_in(app.test_client())  # makes the owner's account
    booking, waiting = confirmed(svc, sandbox), live(svc, call=3, email="bob@example.com")
    ticket = tickets.write(svc, booking, Topic.CALL, "Where is my call?", "a-form")
    stranger = tickets.write_as_stranger(svc, "eve@example.com", Topic.CALL, "May I ask?", "another-form")
    payment_webhooks.refused(svc, FORGED, b'{"bizType":"\\ud800","data":"\\ud800"}', "the signature is wrong")
    (notice,) = svc.logs.inbound(before=svc.now(), after=svc.now().replace(year=2025), most=1)
    (person,) = svc.people.all()
    start = free_calls(svc)[7].start.isoformat()
    known = {
        "booking_id": [booking.id, waiting.id],
        "token": [booking.token, waiting.token, stranger.token],
        "number": [ticket.id, stranger.id],
        "type_id": ["portfolio-review", "quick-question"],
        "person_id": [person.id],
        "name": ["brand", "home", "small-print"],
        "kind": list(Kind),
    }
    ann, zone, far = "ann@example.com", "Europe/Berlin", "2030-01-02"
    values = {
        **{"start": start, "slotStart": start, "tz": zone, "timeZone": zone, "date": far, "time": "10:00", "seen": "0"},
        **{"name": "Ann", "customerName": "Ann", "email": ann, "customerEmail": ann, "terms": "yes"},
        **{"meetingTypeId": "portfolio-review", "bookingId": waiting.token, "booking": booking.id, "id": notice["_id"]},
        **{"amount": "1", "told": "75", "price": "75", "money": "part", "kind": "outside", "chosen": booking.id},
        **{"reason": "Why not", "evidence": "A mail", "note": "By hand", "text": "A text", "subject": "About"},
        **{"form_token": "abc", "request": "abc", "version": "0", "do": "save", "topic": "CALL", "priority": "LOW"},
        **{"from": "2026-11-01", "to": "2026-11-30", "period": "2026-11", "state": "CONFIRMED", "limit": "10"},
        **{
            "password": ADMIN_PASSWORD,
            "code": "000000",
            "action": "confirm",
            "mail": "confirmed",
            "url": "https://a.b",
        },
        **{"title": "A call", "minutes": "45", "horizon": "30"},
    }
    return Place(known, values)


def broken(app: Flask, client: FlaskClient, rule: Rule, method: str, place: Place, statuses: set[int]) -> list[str]:
    """What made this route fail, at its simplest; nothing where nothing did."""
    names = names_in(app.view_functions[rule.endpoint].__module__)

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(questions(rule, names, place))
    def nothing_breaks(asked: Asked) -> None:
        answer = sent(client, rule, method, asked)
        statuses.add(answer.status_code)
        assert answer.status_code != 500, (rule.rule, method, asked)  # 503 is the honest word of a busy machine

    try:
        nothing_breaks()
    except AssertionError as error:
        return [str(error)]
    return []


def walked(app: Flask, svc: Services, sandbox: Servers) -> set[int]:
    """Every status that was answered. What fails is told of every route at once."""
    failed: list[str] = []
    place, statuses, stranger, owner = place_of(app, svc, sandbox), set[int](), app.test_client(), app.test_client()
    with redis.Redis.from_url(sandbox.redis_url) as connection:
        for rule in app.url_map.iter_rules():
            for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
                connection.flushdb()  # what was counted: limits would end the walk
                if owner.get("/admin/account").status_code != 200:
                    assert log_in(owner).status_code == 303
                for client in (stranger, owner):
                    failed += broken(app, client, rule, method, place, statuses)
    assert failed == []
    return statuses


@pytest.mark.timeout(900)
@pytest.mark.breaks_books  # nobody works on what becomes due meanwhile
def test_nobody_can_make_a_page_fail_logged_in_or_not(app: Flask, svc: Services, sandbox: Servers):
    statuses = walked(app, svc, sandbox)

    assert {200, 303, 400, 404, 422} <= statuses


FAR = "9999-12-31T23:59:59-14:00"


@pytest.mark.parametrize(
    ("address", "status"),
    [
        (f"/admin/evidence/?before={FAR}", 200),
        ("/admin/evidence/?before=0001-01-01T00:00:00%2B14:00", 200),
        ("/admin/evidence/?before=2026-02-30", 422),
        (f"/admin/tickets?beyond={FAR}", 200),
        (f"/admin/tickets?show=done&beyond={FAR}", 200),
        ("/admin/tickets?show=waiting&beyond=0001-01-01T00:00:00%2B14:00", 200),
        ("/admin/tickets?beyond=soon", 422),
        (f"/admin/audit?before={2**63}", 200),
        (f"/admin/audit?before=-{2**70}", 200),
        ("/admin/audit?before=nothing", 200),
        (f"/admin/audit?asked={FAR}", 200),
        (f"/admin/settings?asked={FAR}", 200),
        (f"/admin/calendar?asked={FAR}", 200),
        (f"/admin/bookings?from={FAR}&to=9999-12-31", 200),
        ("/admin/numbers?from=0001-01-01&to=9999-12-31", 422),
        ("/admin/numbers?days=99999999999999999999", 200),
        ("/admin/reports/tax?period=9999-W53", 422),
        ("/api/admin/numbers?from=0001-01-01&to=9999-12-31", 422),
        ("/api/admin/numbers?days=99999999999999999999", 200),
        (f"/api/admin/payments?before={FAR}", 200),
        (f"/api/admin/payments?limit={2**64}", 422),
        ("/api/admin/payments?limit=many", 422),
        (f"/api/meeting-types/portfolio-review/slots?from={FAR}", 422),
        ("/book/portfolio-review?from=9999-12-31&start=0001-01-01&tz=%00", 200),
    ],
)
def test_what_is_far_away_or_no_moment_at_all_is_answered(client: FlaskClient, address: str, status: int):
    log_in(client)

    assert client.get(address).status_code == status


def test_a_time_of_the_owners_own_clock_that_no_calendar_reaches_is_refused(
    client: FlaskClient, svc: Services, sandbox: Servers
):
    log_in(client)
    page = f"/admin/bookings/{confirmed(svc, sandbox).id}/move"

    for day in ("0001-01-01", "9999-12-31"):
        answer = send(client, page, {"date": day, "time": "00:00", "seen": "0"})
        assert answer.status_code in (409, 422)


@pytest.mark.parametrize("body", [b'{"bookingId":"\\ud800"}', b"[" * 2000, b'{"bookingId":' * 2000])
def test_a_body_of_halves_of_letters_or_nested_without_end_is_refused(client: FlaskClient, body: bytes):
    for address in ("/api/payments/verify", "/api/payments/create", "/api/newsletter"):
        answer = client.post(address, data=body, content_type="application/json")

        assert answer.status_code in (400, 422), answer.text


NOTICES = (
    b'{"bizType":"PAY","note":"\\ud800"}',
    b'{"data":"{\\"a\\":\\"\\\\ud800\\"}"}',
    b'{"bizType":' + b"[" * 950 + b"]" * 950 + b"}",
    b"\xff\xed\xa0\x80",
)


@pytest.mark.parametrize("body", NOTICES)
def test_whatever_a_stranger_sends_as_a_notice_the_owner_can_look_at_it(
    client: FlaskClient, svc: Services, body: bytes
):
    refused = client.post("/api/payments/webhook", data=body, content_type="application/json")
    log_in(client)
    (notice,) = svc.logs.inbound(before=svc.now() + MINUTE, after=svc.now() - MINUTE, most=2)

    page = client.get("/admin/evidence/notice", query_string={"id": notice["_id"]})

    assert refused.status_code == 401
    assert page.status_code == 200
    assert "Body, as it came" in page.text


def test_moments_days_and_numbers_of_addresses_are_read_in_one_place():
    """Where nothing is raised."""
    raises = re.compile(r"fromisoformat|strptime|type=(int|float)\b|get_json")
    pages = [path for path in (ROOT / "inspired" / "web").rglob("*.py") if path.name != "parsing.py"]

    assert [path.name for path in pages if raises.search(path.read_text(encoding="utf-8"))] == []


@given(READABLE | st.sampled_from((*FAR_AWAY, *NUMBERS, *TEXTS)), st.sampled_from(("Europe/Berlin", "Etc/GMT+12")))
def test_what_reads_an_address_never_raises(text: str, zone: str):
    found = parsing.moment(text, ZoneInfo(zone)), parsing.moment(text)

    assert all(one is None or one.utcoffset() == timedelta() for one in found)
    assert all(one is None or 1999 <= one.year <= 2200 for one in (*found, parsing.day(text)))
    assert abs(parsing.number(text) or 0) <= parsing.LARGEST
