"""Money moves only for a while after a login, by page and by API: every route of the address map is tried."""

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from inspired.adapters.mongo.ledger_store import Orphan
from inspired.domain.accounts.people import FRESH, Role
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.refunds import PartOfIt
from inspired.domain.booking.states import HandKind, RefundStatus
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Network
from inspired.flows.booking import owner_actions, refreshing, refunding, screening
from inspired.services import Services
from inspired.web.shared.permissions import ALLOWED, FRESH_LOGIN, MOVES_MONEY
from tests.flows.booking.test_screening import came
from tests.flows.on_chain import STRANGER, THEIRS, Chain, ready, receive_on_chain
from tests.flows.steps import confirmed, live, refunds_there
from tests.harness import ADMIN_PASSWORD, Servers
from tests.web.admin.test_api_keys import made
from tests.web.pages import hidden, send

WHY = {"reason": "as agreed"}
ORPHAN = "PAY:9:9"
# What the forms that move money ask for; each takes the fields it knows.
FORM = {
    **WHY,
    "amount": "10",
    "note": "as agreed",
    "evidence": "a receipt",
    "kind": "outside",
    "cancels": "no",
    "order": "0",
    "orphan": ORPHAN,
}
ENDS_THE_SESSION = {"login.logout", "account.end_all_sessions"}
BY_THE_CUSTOMERS_PAGE = "owner_actions.customers_page"


@pytest.fixture
def env_changes(tmp_path: Path) -> dict[str, str]:
    screened = tmp_path / "list.txt"
    screened.write_text(STRANGER)
    return {"RATE_LIMIT_LOGIN": "1000/minute", "SCREENING_LIST": str(screened)}


@pytest.fixture
def cases(svc: Services, sandbox: Servers, monkeypatch: pytest.MonkeyPatch) -> dict[str, Booking]:
    """By each way to move money, a booking on which it can be done."""

    def paid(call: int) -> Booking:
        return confirmed(svc, sandbox, call=call, email=f"a{call}@example.com", address=f"203.0.113.{call}")

    def unpaid(call: int) -> Booking:
        held = live(svc, call=call, email=f"a{call}@example.com", address=f"203.0.113.{call}")
        return refreshing.refresh(svc, held.id)

    made = {
        "money.refund_submit": paid(0),
        "money_api.refund_payment": paid(3),
        "money.try_again": _stuck(svc, paid(6)),
        "money.by_hand": _stuck(svc, paid(9)),
        "money.agree": _returned_in_the_console(svc, sandbox, paid(12)),
        "owner_actions.call_off_submit": paid(15),
        "owner_actions.by_hand_submit": unpaid(18),
        "owner_actions.returned_outside": _vouched(svc, unpaid(21)),
    }
    receive_on_chain(svc, sandbox)
    tron = Chain(sandbox, Network.TRC20)
    made |= {
        "wallet_refunds.send_submit": ready(svc, tron, call=24),
        "wallet_refunds.approve": ready(svc, tron, call=27),
        "wallet_refunds.find": ready(svc, tron, call=30),
    }
    screening.read(svc)
    held = live(svc, call=33, email="a33@example.com", rail=RailId.TRC20)
    came(svc, tron, held, "75", STRANGER)
    made["money.let_count"] = svc.bookings.get(held.id)
    tron.send(THEIRS, "75")
    monkeypatch.setitem(FORM, "transaction", tron.send(THEIRS, "75"))
    svc.orphans.add(Orphan(ORPHAN, svc.now(), "z" * 27, Money.parse("50"), "P_9", open_since=svc.now()))
    return {**made, "money.settle_orphan": made["money.refund_submit"]}


def _stuck(svc: Services, booking: Booking) -> Booking:
    refunding.refund(svc, booking.id, PartOfIt(Money.parse("20")), cancels=False, note="x", request="r", seen=None)
    refund = replace(svc.bookings.get(booking.id).refunds[-1], status=RefundStatus.NEEDS_OWNER, retry_at=None)
    return svc.bookings.change(booking.id, lambda b: b.with_refund(refund))


def _returned_in_the_console(svc: Services, sandbox: Servers, booking: Booking) -> Booking:
    assert booking.order is not None
    sandbox.control(f"orders/{booking.order.trade_no}/refund", {"amount": "25"})
    refreshing.ask_about_all(svc, booking, seconds=2.0)
    unknown = svc.bookings.get(booking.id).refunds[-1]
    return refunding.settled_by_hand(svc, booking.id, unknown.id, Money.parse("25"), "in the console")


def _vouched(svc: Services, booking: Booking) -> Booking:
    amount = Money.parse("75")
    return owner_actions.vouch(
        svc, booking.id, svc.new_id(), kind=HandKind.OUTSIDE, amount=amount, reason="r", evidence="e"
    )


# --- every route ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Route:
    endpoint: str
    method: str
    address: str

    def for_booking(self, booking: Booking) -> str:
        refund = booking.refunds[-1].id if booking.refunds else "none"
        held = next((order.trade_no for order in booking.orders if order.held), "none")
        known = {"<booking_id>": booking.id, "<refund_id>": refund, "<trade_no>": held}
        path = "".join(known.get(part, part) for part in re.split("(<[^>]+>)", self.address))
        return re.sub("<[^>]+>", "none", path)

    def bookings(self, cases: dict[str, Booking]) -> list[Booking]:
        """Those to try it on: all of them where it is about one."""
        found = list({one.id: one for one in cases.values()}.values())
        return found if "<booking_id>" in self.address else found[:1]

    def ask(self, client: FlaskClient, booking: Booking, csrf_token: str, request: str) -> Any:
        address = self.for_booking(booking)
        if address.startswith("/api/"):
            key = {"Idempotency-Key": request}
            return client.open(address, method=self.method, json={**WHY, "amount": "10"}, headers=key)
        seen = str(len(booking.refunds))
        form = {**FORM, "csrf_token": csrf_token, "seen": seen, "request": request}
        referrer = {"Referer": f"http://localhost/admin/bookings/{booking.id}"}
        return client.open(address, method=self.method, data=form, headers=referrer)


def routes(app: Flask) -> list[Route]:
    """Every address of the admin area and its API that can change something, and what else moves money by the table."""
    return [
        Route(rule.endpoint, method, str(rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint in ALLOWED and (method != "GET" or rule.endpoint in MOVES_MONEY)
    ]


def facts(svc: Services, sandbox: Servers, cases: dict[str, Booking]) -> Any:
    """What there is of money: in the books, on its way, said by hand, at Binance, and of nobody's."""
    found = [svc.bookings.get(booking_id) for booking_id in sorted({one.id for one in cases.values()})]
    mine = [(one.state, one.ledger, one.by_hand, one.agreed_amount, one.refunds) for one in found]
    return mine, sorted(refunds_there(sandbox)), [one.id for one in svc.orphans.waiting()]


def grow_old(svc: Services) -> None:
    """The login is sixteen minutes ago."""
    person = svc.people.by_email("owner@example.com")
    assert person is not None
    for session in svc.sessions.of(person.id):
        svc.sessions.freshened(session.id, svc.now() - FRESH - timedelta(minutes=1))


@pytest.mark.breaks_books
def test_with_an_old_login_no_route_moves_money(
    app: Flask, owner: FlaskClient, svc: Services, sandbox: Servers, cases: dict[str, Booking]
):
    token = hidden(owner.get("/admin/again").text, "csrf_token")
    before, tried = facts(svc, sandbox, cases), set[str]()
    grow_old(svc)

    for route in routes(app):
        for booking in [] if route.endpoint in ENDS_THE_SESSION else route.bookings(cases):
            answer = route.ask(owner, svc.bookings.get(booking.id), token, f"old-{booking.id}")
            tried.add(route.endpoint)
            if route.endpoint in MOVES_MONEY:
                by_api = (answer.status_code, answer.mimetype) == (403, "application/problem+json")
                by_page = answer.headers.get("Location", "").startswith("/admin/again?next=")
                assert by_api if route.address.startswith("/api/") else by_page, route

    assert facts(svc, sandbox, cases) == before
    assert tried >= MOVES_MONEY


@pytest.mark.breaks_books
def test_the_table_knows_every_route_that_moves_money_and_no_other(
    app: Flask, owner: FlaskClient, svc: Services, sandbox: Servers, cases: dict[str, Booking]
):
    token = hidden(owner.get("/admin/again").text, "csrf_token")
    moved = {BY_THE_CUSTOMERS_PAGE}
    for route in (one for one in routes(app) if one.endpoint not in ENDS_THE_SESSION):
        mine = cases.get(route.endpoint)
        for booking in [mine] if mine else route.bookings(cases):
            before = facts(svc, sandbox, cases)
            route.ask(owner, svc.bookings.get(booking.id), token, f"new-{booking.id}")
            if facts(svc, sandbox, cases) != before:
                moved.add(route.endpoint)
                refreshing.refresh(svc, booking.id)  # what follows from it is not the next route's doing

    assert moved == MOVES_MONEY
    assert MOVES_MONEY <= FRESH_LOGIN
    assert {ALLOWED[one] for one in MOVES_MONEY} == {Role.OWNER}


def test_a_programs_key_moves_no_money(app: Flask, owner: FlaskClient, svc: Services, sandbox: Servers):
    booking, key = confirmed(svc, sandbox), {"Authorization": f"Bearer {made(owner)}"}

    for route in (one for one in routes(app) if one.address.startswith("/api/")):
        answer = app.test_client().open(
            route.for_booking(booking), method=route.method, json=WHY, headers={**key, "Idempotency-Key": "k"}
        )
        assert (answer.status_code, answer.mimetype) == (403, "application/problem+json"), route
    assert svc.bookings.get(booking.id).refunds == ()


def test_by_the_api_as_by_the_page_a_refund_needs_a_login_of_a_moment_ago(
    owner: FlaskClient, svc: Services, sandbox: Servers
):
    booking = confirmed(svc, sandbox)
    call = {"json": {**WHY, "amount": "10"}, "headers": {"Idempotency-Key": "k"}}
    address = f"/api/admin/payments/{booking.id}/refund"
    grow_old(svc)

    refused = owner.post(address, **call)
    looked = owner.post(address, json={**WHY, "preview": True}, headers={"Idempotency-Key": "k"})
    send(owner, "/admin/again", {"password": ADMIN_PASSWORD, "next": "/admin/"})
    done = owner.post(address, **call)

    assert (refused.status_code, looked.status_code, done.status_code) == (403, 403, 200)
    assert "/admin/again" in refused.json["detail"]
    assert [one.amount.shown for one in svc.bookings.get(booking.id).refunds if one.amount] == ["10 USDT"]


def test_whoever_proves_it_again_comes_back_to_a_page_that_can_be_opened(
    owner: FlaskClient, svc: Services, sandbox: Servers
):
    """A preview is the answer to a form: nothing stands at its address."""
    booking = confirmed(svc, sandbox)
    room = f"/admin/bookings/{booking.id}"
    token = hidden(owner.get(f"{room}/refund").text, "csrf_token")
    grow_old(svc)

    answers = [
        owner.post(
            f"{room}/{form}", data={"csrf_token": token, **FORM}, headers={"Referer": f"http://localhost{room}/{page}"}
        )
        for form, page in (("refund", "refund/preview"), ("call-off", "call-off/preview"), ("by-hand", "by-hand"))
    ]

    goals = [one.headers["Location"].partition("next=")[2] for one in answers]
    assert goals == [f"{room}/refund", f"{room}/call-off", f"{room}/by-hand"]
    send(owner, "/admin/again", {"password": ADMIN_PASSWORD, "next": "/admin/"})
    assert [owner.get(one).status_code for one in goals] == [200, 200, 200]
