"""The owner's list by the way to pay, and its search by what a network knows: transactions and addresses."""

import csv
import io
from typing import Any

import pytest
from flask.testing import FlaskClient
from pymongo.database import Database

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.search_index import Wanted
from inspired.domain.shared.networks import Network
from inspired.flows.booking import booking_search, refreshing
from inspired.services import Services
from tests.flows.steps import live, receive_on_chain
from tests.harness import Servers
from tests.web.pages import words


@pytest.fixture
def paid(svc: Services, sandbox: Servers) -> dict[RailId, Booking]:
    """One booking for each rail, those on chain paid and final."""
    receive_on_chain(svc, sandbox)
    found = {rail: live(svc, rail=rail) for rail in RailId}
    for rail in (RailId.TRC20, RailId.BEP20):
        to = found[rail].receiving_address
        sandbox.control(f"chains/{rail}/send", {"to": to, "amount": str(found[rail].price)})
        sandbox.control(f"chains/{rail}/finalize", {})
        found[rail] = refreshing.refresh(svc, found[rail].id)
    return found


@pytest.mark.parametrize("rail", RailId)
def test_the_list_has_one_way_to_pay_alone(owner: FlaskClient, paid: dict[RailId, Booking], rail: RailId):
    page = owner.get("/admin/bookings", query_string={"rail": str(rail)}).text

    assert [one.id in page for one in paid.values()] == [one is rail for one in paid]
    assert f'<option value="{rail}" selected>' in page


def test_a_way_to_pay_goes_with_every_other_filter(owner: FlaskClient, paid: dict[RailId, Booking]):
    asked = {"rail": "TRC20", "state": "CONFIRMED", "amount": str(paid[RailId.TRC20].price)}

    assert paid[RailId.TRC20].id in owner.get("/admin/bookings", query_string=asked).text
    assert paid[RailId.TRC20].id not in owner.get("/admin/bookings", query_string={**asked, "rail": "BEP20"}).text


def test_a_way_to_pay_that_does_not_exist_is_told(owner: FlaskClient):
    answer = owner.get("/admin/bookings?rail=SOL")

    assert answer.status_code == 422
    assert "Please check what is marked" in answer.text
    assert "SOL" not in answer.text


def test_a_view_keeps_the_way_to_pay(owner: FlaskClient, paid: dict[RailId, Booking]):
    page = owner.get("/admin/bookings?rail=ERC20").text

    assert '<input type="hidden" name="rail" value="ERC20">' in page


@pytest.mark.parametrize("rail", [RailId.TRC20, RailId.BEP20])
def test_a_payment_is_found_by_its_transaction_however_it_is_written(
    svc: Services, paid: dict[RailId, Booking], rail: RailId
):
    [order] = paid[rail].orders
    bare = order.transaction_id.removeprefix("0x")
    for spelled in (order.transaction_id, bare, bare.upper(), f"0x{bare.upper()}", f" {bare} "):
        [hit] = booking_search.search(svc, spelled).hits
        assert (hit.booking.id, hit.why) == (paid[rail].id, (f"a transaction on {Network(rail).facts.name}",))


@pytest.mark.parametrize("rail", [RailId.TRC20, RailId.BEP20, RailId.ERC20])
def test_a_booking_is_found_by_its_address(svc: Services, paid: dict[RailId, Booking], rail: RailId):
    address = paid[rail].receiving_address
    spelled = [address] if rail is RailId.TRC20 else [address, address.lower(), f"0x{address[2:].upper()}"]
    for one in spelled:
        assert paid[rail].id in [hit.booking.id for hit in booking_search.search(svc, one).hits]
    assert booking_search.search(svc, f"{address[:-1]}x").hits == []


def test_files_have_way_network_transaction_and_address(owner: FlaskClient, paid: dict[RailId, Booking]):
    answer = owner.get("/admin/bookings/export?kind=csv&sort=made-oldest")

    rows = {row["booking"]: row for row in csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig")))}
    on_tron, by_binance = rows[paid[RailId.TRC20].id], rows[paid[RailId.BINANCE_PAY].id]
    assert (on_tron["method"], on_tron["network"]) == ("onchain", "TRC20")
    assert on_tron["address"] == paid[RailId.TRC20].receiving_address
    assert on_tron["transaction"] == paid[RailId.TRC20].orders[0].transaction_id != ""
    assert (by_binance["method"], by_binance["network"], by_binance["address"]) == ("binance_pay", "", "")


def test_a_program_is_told_the_same(owner: FlaskClient, paid: dict[RailId, Booking]):
    [told] = owner.get("/api/admin/payments?rail=BEP20").json["payments"]

    assert (told["method"], told["network"]) == ("onchain", "BEP20")
    assert told["paymentAddress"] == paid[RailId.BEP20].receiving_address


def test_the_list_says_how_each_is_paid(owner: FlaskClient, paid: dict[RailId, Booking]):
    page = words(owner.get("/admin/bookings").text)

    assert all(name in page for name in ("Binance Pay", "USDT on TRON", "USDT on BNB Chain", "USDT on Ethereum"))


@pytest.mark.usefixtures("paid")
def test_neither_the_list_nor_the_search_reads_what_it_does_not_show(svc: Services, database: Database[Any]):
    on_tron = {"filed": Wanted(rail="TRC20").label, "by_made": {"$gte": "2020", "$lt": "2100"}}
    [booking] = database["bookings"].find(on_tron)
    by_address = {"numbers": booking["attempts"][0]["prepay_id"]}

    for query in (on_tron, by_address):
        told = database["bookings"].find(query).explain()["executionStats"]
        assert (told["nReturned"], told["totalKeysExamined"], told["totalDocsExamined"]) == (1, 1, 1)
