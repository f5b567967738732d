"""Choosing how to pay: what is offered, what a wrong choice gets, and an address that nobody else can put there."""

import pytest
from flask.testing import FlaskClient

from inspired.domain.booking.rails import RailId
from inspired.services import Services
from tests.flows.steps import receive_on_chain
from tests.harness import Servers
from tests.web.pages import send
from tests.web.public.test_api import create, wanted


@pytest.fixture
def on_chain(svc: Services, sandbox: Servers) -> None:
    receive_on_chain(svc, sandbox)


def methods(client: FlaskClient) -> list[tuple[str, str | None, bool]]:
    found = client.get("/api/payment-methods").json["methods"]
    assert all(0 <= one["minutes"]["from"] <= one["minutes"]["to"] for one in found)
    return [(one["method"], one["network"], one["available"]) for one in found]


def test_only_what_the_owner_has_set_up_is_offered(client: FlaskClient):
    assert methods(client) == [("binance_pay", None, True)]
    assert "How do you pay?" not in client.get("/book/deep-dive").text


@pytest.mark.usefixtures("on_chain")
class TestOnChain:
    def test_all_four_ways_are_offered_with_the_usual_one_first(self, client: FlaskClient):
        networks = [("onchain", network, True) for network in ("TRC20", "BEP20", "ERC20")]

        assert methods(client) == [("binance_pay", None, True), *networks]
        page = client.get("/book/deep-dive").text
        assert page.index("Binance Pay") < page.index("USDT on TRON (TRC20)") < page.index("USDT on Ethereum (ERC20)")

    @pytest.mark.parametrize(("network", "begins"), [("TRC20", "T"), ("BEP20", "0x"), ("ERC20", "0x")])
    def test_a_booking_gets_an_address_of_its_own(self, client: FlaskClient, network: str, begins: str):
        made = create(client, wanted(client, method="onchain", network=network))

        assert made.status_code == 201, made.json
        assert made.json["paymentAddress"].startswith(begins)
        assert (made.json["method"], made.json["network"]) == ("onchain", network)
        assert (made.json["binanceOrderId"], made.json["amount"]) == (None, "150")
        assert client.get(made.json["qrCodeUrl"].removeprefix("http://localhost")).status_code == 200

    def test_a_wallet_on_an_evm_network_is_told_token_chain_and_units(self, client: FlaskClient):
        made = create(client, wanted(client, method="onchain", network="BEP20")).json

        assert made["paymentUri"] == (
            "ethereum:0x55d398326f99059ff775485246999027b3197955@56/transfer"
            f"?address={made['paymentAddress']}&uint256=150000000000000000000"
        )

    def test_on_chain_without_a_network_is_tron(self, client: FlaskClient):
        made = create(client, wanted(client, method="onchain", network=...)).json

        assert (made["network"], made["paymentUri"]) == ("TRC20", None)

    def test_without_a_method_it_is_the_usual_one_and_the_network_has_no_effect(self, client: FlaskClient):
        made = create(client, wanted(client, network="ERC20")).json

        assert (made["method"], made["network"], made["paymentAddress"]) == ("binance_pay", None, None)
        assert made["binanceOrderId"]

    @pytest.mark.parametrize("more", [{"method": "cash"}, {"method": "onchain", "network": "SOL"}])
    def test_a_way_that_does_not_exist_is_refused_and_nothing_is_held(
        self, client: FlaskClient, svc: Services, more: dict[str, str]
    ):
        assert create(client, wanted(client, **more)).status_code == 422
        assert svc.bookings.due(svc.now(), 10) == []

    def test_a_way_that_does_not_work_just_now_is_refused_and_the_others_go_on(
        self, client: FlaskClient, svc: Services
    ):
        node = svc.rails[RailId.ERC20].throttle
        for _ in range(5):
            node.failed(node.take(urgent=True, seconds=1.0))

        refused = create(client, wanted(client, method="onchain", network="ERC20"))
        made = create(client, wanted(client, method="onchain", network="TRC20"))

        assert ("onchain", "ERC20", False) in methods(client)
        assert (refused.status_code, made.status_code) == (409, 201)
        assert "Nothing was held" in refused.json["detail"]

    def test_another_way_is_chosen_on_the_page_and_the_time_stays_held(self, client: FlaskClient, svc: Services):
        made = create(client, wanted(client, network=...)).json
        page = client.get(f"/booking/{made['bookingId']}").text
        assert page.index("Pay another way") < page.index("USDT on TRON (TRC20)")

        answer = send(
            client, f"/booking/{made['bookingId']}/pay-by", {"pay_by": "TRC20"}, page=f"/booking/{made['bookingId']}"
        )

        assert answer.status_code == 303
        page = client.get(f"/booking/{made['bookingId']}").text
        assert "Only USDT, only on TRON (TRC20)." in page
        assert svc.bookings.by_token(made["bookingId"]).rail is RailId.TRC20

    def test_a_way_that_does_not_exist_changes_nothing(self, client: FlaskClient, svc: Services):
        made = create(client, wanted(client)).json
        before = svc.bookings.by_token(made["bookingId"])

        answer = send(
            client, f"/booking/{made['bookingId']}/pay-by", {"pay_by": "cash"}, page=f"/booking/{made['bookingId']}"
        )

        assert answer.status_code == 422
        assert svc.bookings.by_token(made["bookingId"]).orders == before.orders

    def test_an_address_that_somebody_puts_into_the_database_is_never_shown(self, client: FlaskClient, svc: Services):
        made = create(client, wanted(client, method="onchain", network="TRC20")).json
        theirs = "TWer2Ygk5TEheHp3TPuYeqxmB6SsGZmaL6"[:-1] + "M"
        booking = svc.bookings.by_token(made["bookingId"])
        _put(svc, booking.id, theirs)

        page = client.get(f"/booking/{made['bookingId']}").text

        assert theirs not in page
        assert made["paymentAddress"] not in page
        assert "Please do not pay" in page
        assert client.get(f"/booking/{made['bookingId']}/qr.svg").status_code == 404


def _put(svc: Services, booking_id: str, address: str) -> None:
    """As somebody does who can write to the database, past all of our rules."""
    svc.bookings._collection.update_one(
        {"_id": booking_id}, {"$set": {"attempts.0.checkout.qr_content": address, "attempts.0.prepay_id": address}}
    )
