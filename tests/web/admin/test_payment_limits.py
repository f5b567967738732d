"""The limit for one customer: what a customer is told, and where the owner decides."""

from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from inspired.adapters.mongo.catalogue import Listed
from inspired.domain.shared.money import Money
from inspired.services import Services
from tests.flows.booking.test_payment_limits import DEAR, offered, paid
from tests.flows.steps import free_calls
from tests.harness import Servers
from tests.web.admin.test_catalogue import CALLS, REVIEW, filled, save
from tests.web.pages import hidden, send, words

LIMITS = "/admin/limits"


def booked(client: FlaskClient, svc: Services, call: int) -> tuple[int, str]:
    page = client.get("/book/portfolio-review").text
    fields = {name: hidden(page, name) for name in ("csrf_token", "form_token", "tz")}
    person = {
        "name": "Ann",
        "email": "ann@example.com",
        "terms": "yes",
        "start": free_calls(svc)[call].start.isoformat(),
    }
    answer = client.post("/book/portfolio-review", data={**fields, **person})
    return answer.status_code, words(answer.text)


def test_a_customer_above_the_limit_reads_why_and_the_owner_can_allow_it(
    owner: FlaskClient, client: FlaskClient, svc: Services, sandbox: Servers
):
    offered(svc)
    paid(svc, sandbox, 0)

    code, told = booked(client, svc, 20)
    word = {"email": "ann@example.com", "amount": "12000", "days": "30", "reason": "known for years"}
    landed = words(owner.get(send(owner, LIMITS, word).headers["Location"]).text)
    allowed, _ = booked(client, svc, 20)

    assert code == 409
    assert "above our limit of 10000 USDT in a day. Nothing was held and nothing is owed. Please write to us" in told
    assert "This customer may pay up to 12000 USDT" in landed
    assert "Up to 12000 USDT , until" in landed
    assert "ann@example.com" not in landed, "the address is not kept"
    assert allowed == 303
    entry = svc.audit.newest(1)[0]
    assert (entry.what, "known for years" in entry.detail, "ann" in f"{entry.about}{entry.detail}") == (
        "limit_raised", True, False,
    )  # fmt: skip


def test_a_program_is_told_the_same(client: FlaskClient, svc: Services, sandbox: Servers):
    offered(svc)
    paid(svc, sandbox, 0)
    body = {
        "meetingTypeId": "portfolio-review",
        "slotStart": free_calls(svc)[20].start.isoformat(),
        "customerEmail": "ann@example.com",
    }

    answer = client.post("/api/payments/create", json=body, headers={"Idempotency-Key": "k1"})

    assert (answer.status_code, answer.mimetype, answer.json["title"]) == (
        409, "application/problem+json", "Above our limit",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"amount": "10000"}, "More than 10000 USDT, which everybody may pay"),
        ({"amount": "many"}, "An amount is a number"),
        ({"days": "0"}, "from 1 to 365"),
        ({"email": "ann"}, "mail address"),
        ({"reason": ""}, "Please give the reason"),
    ],
)
def test_half_a_word_is_asked_again_and_allows_nobody(
    owner: FlaskClient, svc: Services, wrong: dict[str, str], told: str
):
    word = {"email": "ann@example.com", "amount": "12000", "days": "30", "reason": "known"}

    answer = send(owner, LIMITS, {**word, **wrong})

    assert (answer.status_code, told in words(answer.text)) == (422, True)
    assert svc.allowances.all(svc.now()) == []


def test_it_is_taken_back_by_a_button(owner: FlaskClient, svc: Services):
    send(owner, LIMITS, {"email": "ann@example.com", "amount": "12000", "days": "30", "reason": "known"})
    (allowed,) = svc.allowances.all(svc.now())

    answer = send(owner, f"{LIMITS}/{allowed.customer}/end", {}, page=LIMITS)
    landed = words(owner.get(answer.headers["Location"]).text)
    again = send(owner, f"{LIMITS}/{allowed.customer}/end", {}, page=LIMITS)

    assert "10000 USDT is the limit for this customer again" in landed
    assert again.status_code == 404
    assert svc.allowances.all(svc.now()) == []


def test_a_call_above_the_limit_is_saved_only_with_the_owners_word_which_is_in_the_audit_log(
    owner: FlaskClient, svc: Services
):
    refused = save(owner, REVIEW, price="15000")
    box = 'name="above_limit" value="yes"'

    saved = owner.post(REVIEW, data={**filled(refused.text), "above_limit": "yes", "do": "save"})

    assert refused.status_code == 422
    assert "I allow a payment above 10000 USDT" in words(refused.text)
    assert (box in refused.text, f"{box} checked" in refused.text) == (True, False)
    assert box not in owner.get(f"{CALLS}/quick-question").text
    assert saved.status_code == 303
    assert svc.catalogue.type("portfolio-review").above_limit
    told = [one.detail for one in svc.audit.newest(5)]
    assert any("allowed by you" in one for one in told)
    back = save(owner, REVIEW, price="90")
    assert back.status_code == 303
    assert not svc.catalogue.type("portfolio-review").above_limit


def test_a_call_from_before_the_limit_says_that_nobody_can_book_it(owner: FlaskClient, svc: Services):
    dear = replace(DEAR, price=Money.parse("15000"))
    svc.catalogue.save_types((Listed(dear),), svc.catalogue.fresh().types_version)

    assert "Cannot be booked: more than 10000 USDT is above what one customer may pay." in words(owner.get(CALLS).text)


def test_the_report_leads_to_where_it_is_decided(owner: FlaskClient, svc: Services):
    assert f'href="{LIMITS}"' in owner.get("/admin/reports/limits").text
