"""Links to what everybody can read on a network: from the pages of customers and of the owner."""

import pytest
from flask.testing import FlaskClient

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.states import State
from inspired.flows.booking import refreshing
from inspired.services import Services
from inspired.settings import Settings
from inspired.web.shared.explorers import address_url, transaction_url
from tests.flows.steps import live, receive_on_chain
from tests.harness import Servers
from tests.web.admin.test_admin import log_in

HASH = "0x" + "ab" * 32


@pytest.mark.parametrize(
    ("rail", "transaction", "address"),
    [
        (RailId.TRC20, f"https://tronscan.org/#/transaction/{'ab' * 32}", "https://tronscan.org/#/address/A"),
        (RailId.BEP20, f"https://bscscan.com/tx/{HASH}", "https://bscscan.com/address/A"),
        (RailId.ERC20, f"https://etherscan.io/tx/{HASH}", "https://etherscan.io/address/A"),
        (RailId.BINANCE_PAY, "", ""),
    ],
)
def test_each_network_has_an_explorer_of_its_own(settings: Settings, rail: RailId, transaction: str, address: str):
    assert (transaction_url(settings, rail, HASH), address_url(settings, rail, "A")) == (transaction, address)


def test_there_is_no_link_to_nothing_and_none_where_the_owner_wants_none(settings: Settings):
    without = settings.model_copy(update={"tron_explorer_url": ""})

    assert transaction_url(settings, RailId.TRC20, "") == address_url(settings, RailId.TRC20, "") == ""
    assert transaction_url(without, RailId.TRC20, HASH) == address_url(without, RailId.TRC20, "A") == ""


@pytest.fixture
def waiting(svc: Services, sandbox: Servers) -> Booking:
    receive_on_chain(svc, sandbox)
    return live(svc, rail=RailId.TRC20)


def test_a_customer_looks_the_address_up_and_then_the_transaction(
    client: FlaskClient, svc: Services, sandbox: Servers, waiting: Booking
):
    address = waiting.receiving_address
    before = client.get(f"/booking/{waiting.token}").text
    sent = sandbox.control("chains/TRC20/send", {"to": address, "amount": str(waiting.price)})["txHash"]
    seen = refreshing.refresh(svc, waiting.id)
    after = client.get(f"/booking/{waiting.token}").text

    assert f'href="https://tronscan.org/#/address/{address}"' in before
    assert "/transaction/" not in before
    assert seen.state is State.PAID
    assert f'href="https://tronscan.org/#/transaction/{sent.removeprefix("0x")}"' in after


def test_the_owner_sees_network_address_transaction_and_whether_it_is_final(
    client: FlaskClient, svc: Services, sandbox: Servers, waiting: Booking
):
    address = waiting.receiving_address
    log_in(client)
    sent = sandbox.control("chains/TRC20/send", {"to": address, "amount": str(waiting.price)})["txHash"]
    refreshing.refresh(svc, waiting.id)
    seen = client.get(f"/admin/bookings/{waiting.id}").text
    sandbox.control("chains/TRC20/finalize", {})
    refreshing.refresh(svc, waiting.id)
    final = client.get(f"/admin/bookings/{waiting.id}").text

    for page in (seen, final):
        assert "USDT on TRON" in page
        assert f'data-copy="{address}"' in page
        assert f"<span>{address[:4]}</span>" in page
        assert f'href="https://tronscan.org/#/transaction/{sent.removeprefix("0x")}"' in page
    assert "in a block that is not final yet" in seen
    assert "in final blocks" in final


def test_an_order_of_binance_pay_has_no_explorer(client: FlaskClient, svc: Services):
    booking = live(svc)
    log_in(client)

    assert "block explorer" not in client.get(f"/admin/bookings/{booking.id}").text
    assert "block explorer" not in client.get(f"/booking/{booking.token}").text
