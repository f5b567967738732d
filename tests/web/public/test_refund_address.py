"""The customer's pages for an address: named on one, confirmed by a button on another that only a mail leads to."""

import re

import pytest
from flask.testing import FlaskClient

from inspired.adapters.crypto.chain_addresses import shown
from inspired.domain.booking.booking import Booking
from inspired.domain.shared.networks import Network
from inspired.flows.booking import refreshing
from inspired.services import Services
from tests.conftest import Mailbox
from tests.flows.on_chain import THEIRS, Chain, named, paid, receive_on_chain, refunded, secret_of
from tests.flows.steps import confirmed
from tests.harness import Servers
from tests.web.pages import send, words

MINE = shown(Network.TRC20, THEIRS)


@pytest.fixture
def tron(svc: Services, sandbox: Servers) -> Chain:
    receive_on_chain(svc, sandbox)
    return Chain(sandbox, Network.TRC20)


@pytest.fixture
def booking(svc: Services, tron: Chain) -> Booking:
    return refunded(svc, paid(svc, tron))


def page_of(booking: Booking) -> str:
    return f"/booking/{booking.token}/refund-address/TRC20"


def link_in(mailbox: Mailbox) -> str:
    [mail] = [one for one in mailbox.messages if one["subject"].startswith("Please confirm your address")]
    found = re.search(
        r"http://localhost(/booking/\S+/refund-address/TRC20/\S+)", mail.get_body(("plain",)).get_content()
    )
    assert found
    return found[1]


def test_from_the_bookings_page_over_a_mail_to_a_confirmed_address(
    client: FlaskClient, svc: Services, booking: Booking, mailbox: Mailbox
):
    start = client.get(f"/booking/{booking.token}").text
    assert f'href="{page_of(booking)}"' in start
    assert "75 USDT is yours: please name an address below" in words(start)

    named_page = words(send(client, page_of(booking), {"address": MINE}, follow_redirects=True).text)
    refreshing.refresh(svc, booking.id)
    link = link_in(mailbox)
    asked = words(client.get(link).text)
    after = words(send(client, link, {}, follow_redirects=True).text)

    groups = " ".join(MINE[at : at + 4] for at in range(0, len(MINE), 4))
    assert "Not confirmed yet" in named_page
    assert groups in named_page
    assert groups in asked
    assert "The owner sends it to the address that you confirmed" in after


def test_a_scanner_that_opens_the_link_confirms_nothing(
    client: FlaskClient, svc: Services, booking: Booking, mailbox: Mailbox
):
    send(client, page_of(booking), {"address": MINE})
    refreshing.refresh(svc, booking.id)

    for _ in range(2):
        assert client.get(link_in(mailbox)).status_code == 200
        assert client.head(link_in(mailbox)).status_code == 200

    address = svc.bookings.get(booking.id).refund_address(Network.TRC20)
    assert address is not None
    assert address.confirmed_at is None


def test_a_link_of_an_earlier_address_says_so_and_confirms_nothing(
    client: FlaskClient, svc: Services, tron: Chain, booking: Booking
):
    old = secret_of(svc, named(svc, booking, tron), tron)
    named(svc, svc.bookings.get(booking.id), tron)

    page = client.get(f"{page_of(booking)}/{old}")
    answer = send(client, f"{page_of(booking)}/{old}", {}, page=page_of(booking))

    assert (page.status_code, answer.status_code) == (409, 409)
    assert "The newest mail has the right one" in words(page.text)


@pytest.mark.parametrize(
    "typed", ["", MINE[:-1] + "x", "0x" + "ab" * 20, "witch collapse practice feed shame open despair", "f" * 64]
)
def test_what_is_no_address_is_refused_in_words_not_repeated_and_not_stored(
    client: FlaskClient, svc: Services, booking: Booking, typed: str
):
    answer = send(client, page_of(booking), {"address": typed})

    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert not typed or typed not in answer.text
    assert svc.bookings.get(booking.id).refund_addresses == ()


def test_while_no_node_answers_the_page_says_so(client: FlaskClient, svc: Services, sandbox: Servers):
    receive_on_chain(svc, sandbox)
    bnb = Chain(sandbox, Network.BEP20)
    booking = refunded(svc, paid(svc, bnb))
    bnb.breaks("refuse")

    page = f"/booking/{booking.token}/refund-address/BEP20"
    answer = send(client, page, {"address": shown(Network.BEP20, THEIRS)})

    assert answer.status_code == 503
    assert "could not be checked, and nothing was stored" in words(answer.text)


def test_there_is_no_such_page_where_nothing_can_go_back(
    client: FlaskClient, svc: Services, sandbox: Servers, booking: Booking
):
    elsewhere = confirmed(svc, sandbox, call=6)

    assert client.get(f"/booking/{elsewhere.token}/refund-address/TRC20").status_code == 404
    assert client.get(f"/booking/{booking.token}/refund-address/ERC20").status_code == 404
    assert client.get(f"/booking/{booking.token}/refund-address/SOL").status_code == 404
    assert "refund-address" not in client.get(f"/booking/{elsewhere.token}").text
