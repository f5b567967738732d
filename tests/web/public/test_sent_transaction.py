"""“I sent it”: a customer names a transaction and reads what the network says of it."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from inspired.domain.booking.states import State
from inspired.services import Services
from tests.flows.booking.test_chain_watching import worked
from tests.flows.steps import receive_on_chain
from tests.harness import Servers
from tests.web.pages import send, words
from tests.web.public.test_api import create, slots, wanted

NEVER = "0x" + "ab" * 32


@pytest.fixture(autouse=True)
def on_chain(svc: Services, sandbox: Servers) -> None:
    receive_on_chain(svc, sandbox)


def a_booking(client: FlaskClient, network: str = "TRC20") -> dict[str, Any]:
    return create(client, wanted(client, method="onchain", network=network)).json


def look(client: FlaskClient, made: dict[str, Any], transaction: str) -> Any:
    return send(client, f"/booking/{made['bookingId']}/sent", {"transaction": transaction})


def paid(sandbox: Servers, network: str, to: str, **more: Any) -> str:
    return str(sandbox.control(f"chains/{network}/send", {"to": to, "amount": "150", **more})["txHash"])


def test_the_pay_page_leads_to_it_and_a_booking_at_another_provider_has_none(client: FlaskClient):
    made = a_booking(client)
    assert f"/booking/{made['bookingId']}/sent" in client.get(f"/booking/{made['bookingId']}").text

    other = create(client, wanted(client, slotStart=slots(client)[5]["start"])).json
    assert client.get(f"/booking/{other['bookingId']}/sent").status_code == 404


@pytest.mark.parametrize("as_pasted", ["{}", "0x{}", " {}\n", "https://tronscan.org/#/transaction/{}", "TxID: {}"])
def test_what_arrived_is_told_and_counted_at_once(client: FlaskClient, svc: Services, sandbox: Servers, as_pasted: str):
    made = a_booking(client)
    hash_ = paid(sandbox, "TRC20", made["paymentAddress"])

    answer = look(client, made, as_pasted.format(hash_.removeprefix("0x").upper()))
    worked(svc)

    assert answer.status_code == 200
    assert "We see it: 150 USDT reached your booking’s address (USDT on TRON)." in words(answer.text)
    assert "as soon as the network cannot take it back" in words(answer.text)
    assert svc.bookings.by_token(made["bookingId"]).state is State.PAID


def test_what_is_final_is_told_as_final(client: FlaskClient, sandbox: Servers):
    made = a_booking(client)
    hash_ = paid(sandbox, "TRC20", made["paymentAddress"])
    sandbox.control("chains/TRC20/finalize", {})

    assert "for good (USDT on TRON)" in words(look(client, made, hash_).text)


def test_what_was_sent_on_the_other_evm_network_is_found_there(client: FlaskClient, sandbox: Servers):
    made = a_booking(client, "BEP20")
    hash_ = paid(sandbox, "ERC20", made["paymentAddress"])

    assert "150 USDT reached your booking’s address (USDT on Ethereum)" in words(look(client, made, hash_).text)


def test_another_address_another_coin_and_nothing_are_told_apart(client: FlaskClient, sandbox: Servers):
    made = a_booking(client)
    elsewhere = paid(sandbox, "TRC20", "TWer2Ygk5TEheHp3TPuYeqxmB6SsGZmaL6")
    fake = paid(sandbox, "TRC20", made["paymentAddress"], token="FAKE")
    if made["paymentAddress"] == "TWer2Ygk5TEheHp3TPuYeqxmB6SsGZmaL6":
        elsewhere = paid(sandbox, "TRC20", "TPjjvMwjPoDC32V2dGDYTkLH4E5LAtBZ6C")

    assert "went to another address" in words(look(client, made, elsewhere).text)
    assert "no USDT was moved by it" in words(look(client, made, fake).text)
    assert "do not see it in any block yet" in words(look(client, made, NEVER).text)


@pytest.mark.parametrize(
    "text", ["", "0x12", "my payment", "z" * 64, "a" * 65, "seven words of a secret phrase here now"]
)
def test_what_is_no_hash_gets_a_sentence_and_is_not_shown_again(client: FlaskClient, sandbox: Servers, text: str):
    made = a_booking(client)
    before = len(sandbox.control("chains/TRC20/calls"))

    answer = look(client, made, text)

    assert answer.status_code == 422
    assert "This is no transaction’s hash" in words(answer.text)
    assert not text or text not in answer.text
    assert len(sandbox.control("chains/TRC20/calls")) == before


def test_while_the_node_is_away_it_says_so(client: FlaskClient, sandbox: Servers):
    made = a_booking(client)
    sandbox.control("chains/TRC20/faults", {"fault": "refuse", "times": 1})

    assert look(client, made, NEVER).status_code == 503
