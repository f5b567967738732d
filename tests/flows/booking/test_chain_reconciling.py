"""Addresses on chain against the books: sweeps are found and booked once, everything that came is booked as what it is,
and what nothing explains is told to the owner."""

from datetime import timedelta
from typing import Any

import pytest
import requests
from pymongo.database import Database

from inspired.adapters.mongo.receiving import NodeAddress
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.ledger import balances
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.reconciliation import Kind
from inspired.domain.booking.states import State
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Network, units_of
from inspired.flows.booking import chain_reconciling, chain_watching, checking
from inspired.flows.booking.chain_watching import ChainWatch
from inspired.flows.monitoring import alerting
from inspired.flows.site import receiving
from inspired.services import Services
from tests.adapters.crypto.test_account_keys import XPUB_EVM, XPUB_TRON
from tests.anvil import KNOWS_BALANCES, as_tron, front
from tests.anvil import chain as anvil_chain
from tests.flows.on_chain import WALLET, Chain, paid, receive_on_chain
from tests.flows.steps import later, live
from tests.harness import Servers


@pytest.fixture
def on_chain(svc: Services, sandbox: Servers) -> None:
    receive_on_chain(svc, sandbox)


pytestmark = pytest.mark.usefixtures("on_chain")


@pytest.fixture
def tron(sandbox: Servers) -> Chain:
    return Chain(sandbox, Network.TRC20)


def watched(svc: Services, *networks: Network) -> None:
    for network in networks or Network:
        ChainWatch(svc, network).round()
    for _ in range(2):  # what is found on another network is asked about the second time
        for trade_no in svc.payment_addresses.marked(svc.now() + timedelta(minutes=1), 100):
            chain_watching.tell_of(svc, trade_no)


def compared(svc: Services) -> dict[str, int]:
    """The counts of a whole run, without zeros."""
    chain_reconciling.start(svc)
    while chain_reconciling.turn_page(svc):
        pass
    run = svc.runs.get(chain_reconciling.NAME)
    assert run is not None
    assert run.finished_at is not None
    return {what: count for what, count in run.counts.items() if count}


def address_of(svc: Services, booking: Booking) -> str:
    found = svc.payment_addresses.find(booking.orders[0].trade_no)
    assert found is not None
    return found.address


def books(svc: Services) -> dict[str, str]:
    found = balances(entry for _, entry in svc.ledger.all(checking.BEGINNING, svc.now() + timedelta(days=3)))
    return {account: str(money) for (account, _), money in found.items()}


def posted(svc: Services, *bookings: Booking) -> None:
    """As the bookings' tasks do it."""
    for booking in bookings:
        svc.ledger.post(booking.id, svc.bookings.get(booking.id).ledger)


def mended(chain: Chain) -> None:
    requests.delete(f"{chain.sandbox.sandbox}/control/chains/{chain.network}/faults", timeout=5).raise_for_status()


def seen(svc: Services) -> bool:
    return bool(alerting.find(svc)["balance_differs"])


@pytest.mark.parametrize("network", Network)
def test_what_customers_paid_is_where_it_should_be(svc: Services, sandbox: Servers, network: Network):
    booking = paid(svc, Chain(sandbox, network))
    watched(svc)

    assert compared(svc) == {"addresses": 1}

    [balance] = svc.chain_balances.funded()
    assert (balance.address, balance.network, balance.told) == (address_of(svc, booking), network, "")
    assert svc.now() - timedelta(minutes=5) < balance.moved_at <= svc.now() + timedelta(minutes=5)
    assert not seen(svc)


@pytest.mark.parametrize("network", Network)
def test_a_sweep_is_booked_once_as_a_move_to_the_owners_wallet(svc: Services, sandbox: Servers, network: Network):
    chain = Chain(sandbox, network)
    booking = paid(svc, chain)
    watched(svc)
    chain.send(WALLET, "75", sender=address_of(svc, booking))
    chain.finalize()
    watched(svc)

    first, second = compared(svc), compared(later(svc, hours=24))

    posted(svc, booking)
    assert (first, second) == ({"addresses": 1, "swept": 1}, {"addresses": 1})
    account = network.lower()
    assert books(svc) == {f"{account}_wallet": "75", "sales": "-75"}
    assert svc.chain_balances.funded() == []
    assert svc.cases.waiting() == []


def test_addresses_that_the_watcher_reads_in_turn_are_read_first(svc: Services, tron: Chain):
    booking = paid(svc, tron)
    watched(svc)
    tron.send(address_of(svc, booking), "3")
    tron.send(WALLET, "75", sender=address_of(svc, booking))
    tron.finalize()
    by_night = later(svc, hours=12)

    assert compared(by_night) == {"addresses": 1, "swept": 1}
    watched(by_night)

    posted(svc, booking)
    assert (books(svc)["trc20"], books(svc)["trc20_wallet"]) == ("3", "75")


def test_a_sweep_that_is_not_final_is_not_booked_and_is_no_difference(svc: Services, tron: Chain):
    booking = paid(svc, tron)
    watched(svc)
    sweep = tron.send(WALLET, "75", sender=address_of(svc, booking))
    assert compared(svc) == {"addresses": 1}

    tron.reorganise(1, sweep)

    posted(svc, booking)
    assert compared(later(svc, hours=24)) == {"addresses": 1}
    assert books(svc) == {"trc20": "75", "sales": "-75"}


def test_a_run_that_is_killed_before_its_cursor_moved_books_a_sweep_no_second_time(
    svc: Services, tron: Chain, database: Database[Any]
):
    booking = paid(svc, tron)
    watched(svc)
    tron.send(WALLET, "70", sender=address_of(svc, booking))
    tron.send(WALLET, "5", sender=address_of(svc, booking))
    tron.finalize()
    watched(svc)
    assert compared(svc)["swept"] == 2

    database["departure_cursors"].delete_many({})

    assert "swept" not in compared(later(svc, hours=24))
    posted(svc, booking)
    assert books(svc) == {"trc20_wallet": "75", "sales": "-75"}


def test_a_balance_that_nothing_explains_is_told_to_the_owner_until_it_is_explained(svc: Services, tron: Chain):
    paid(svc, tron)
    watched(svc)
    assert not seen(svc)
    tron.breaks("lie")

    assert compared(svc) == {"addresses": 1, "differing": 1}

    [case] = svc.cases.waiting()
    assert (case.difference.kind, case.difference.rail) == (Kind.BALANCE, RailId.TRC20)
    assert case.difference.told == "ours: 75 USDT came and 0 USDT left, TRON: it holds 150 USDT"
    assert seen(svc)
    mended(tron)
    assert compared(later(svc, hours=24)) == {"addresses": 1}
    assert svc.cases.waiting() == []
    assert not seen(svc)


@pytest.mark.parametrize("answers", [1, 2, 3])
def test_a_wrong_answer_that_is_put_right_when_asked_again_opens_no_case(svc: Services, tron: Chain, answers: int):
    """The first answers tell of departures, then a balance, then transfers."""
    paid(svc, tron)
    watched(svc)
    tron.sandbox.control("chains/TRC20/faults", {"fault": "lie", "times": answers})

    assert compared(svc) == {"addresses": 1}
    assert svc.cases.waiting() == []


def test_dust_on_the_other_network_is_booked_as_nobodys(svc: Services, sandbox: Servers):
    booking, ethereum = live(svc, rail=RailId.BEP20), Chain(sandbox, Network.ERC20)
    ethereum.send(address_of(svc, booking), "0.005")
    ethereum.finalize()
    watched(svc)

    assert compared(svc) == {"addresses": 1, "unassigned": 1}
    assert compared(later(svc, hours=24)) == {"addresses": 1}

    assert books(svc) == {"erc20": "0.005", "unassigned": "-0.005"}
    after = svc.bookings.get(booking.id)
    assert (after.state, len(after.orders), after.flags) == (State.PENDING, 1, frozenset())


def test_dust_that_grows_into_a_payment_is_the_orders_and_booked_once(svc: Services, sandbox: Servers):
    booking, ethereum = live(svc, rail=RailId.BEP20), Chain(sandbox, Network.ERC20)
    ethereum.send(address_of(svc, booking), "0.005")
    ethereum.finalize()
    watched(svc)
    compared(svc)
    ethereum.send(address_of(svc, booking), "75")
    ethereum.finalize()
    watched(svc)

    compared(later(svc, hours=24))

    posted(svc, booking)
    assert books(svc)["erc20"] == "75.005"
    assert "unassigned" not in books(svc)


def test_money_that_an_order_will_count_is_not_booked_beside_it_meanwhile(svc: Services, sandbox: Servers):
    booking, ethereum = live(svc, rail=RailId.BEP20), Chain(sandbox, Network.ERC20)
    ethereum.send(address_of(svc, booking), "75")
    ethereum.finalize()
    ChainWatch(svc, Network.ERC20).round()  # and the job that asks the orders was lost

    assert compared(svc) == {"addresses": 1}
    assert books(svc) == {}


def test_money_for_a_booking_that_was_dropped_is_booked_as_nobodys(svc: Services, tron: Chain, database: Database[Any]):
    booking = live(svc, rail=RailId.TRC20)
    address = address_of(svc, booking)
    database["bookings"].delete_one({"_id": booking.id})
    tron.send(address, "75")
    tron.finalize()
    watched(svc)

    assert compared(svc) == {"addresses": 1, "unassigned": 1}
    assert books(svc) == {"trc20": "75", "unassigned": "-75"}


@pytest.mark.breaks_books
def test_books_without_what_came_are_a_case(svc: Services, tron: Chain, database: Database[Any]):
    booking = paid(svc, tron)
    watched(svc)
    database["bookings"].update_one({"_id": booking.id}, {"$set": {"ledger": []}})

    assert compared(svc) == {"addresses": 1, "differing": 1}
    assert svc.cases.waiting()[0].difference.told == "TRON: 75 USDT came, our books: 0 USDT"


def test_a_network_that_does_not_answer_holds_up_no_other_and_is_looked_at_the_next_night(
    svc: Services, sandbox: Servers, tron: Chain
):
    paid(svc, tron)
    paid(svc, Chain(sandbox, Network.BEP20), call=1)
    watched(svc)
    tron.breaks("refuse")

    assert compared(svc) == {"addresses": 1, "unread": 1, "unread_trc20": 1}
    assert svc.cases.waiting() == []
    mended(tron)
    assert compared(later(svc, hours=24)) == {"addresses": 2}


def test_balances_that_could_not_be_read_for_two_nights_are_an_alert_until_they_can(svc: Services, tron: Chain):
    paid(svc, tron)
    watched(svc)

    def told(hours: int, *, is_away: bool) -> str | None:
        if is_away:
            tron.breaks("refuse")
        at = later(svc, hours=hours)
        compared(at)
        mended(tron)
        seen = alerting.find(at)["balances_unread"]
        return None if seen is None else seen.detail.partition(":")[0]

    nights = [told(0, is_away=True), told(1, is_away=True), told(24, is_away=True), told(48, is_away=False)]

    assert nights == [None, None, "TRON", None]
    assert told(72, is_away=True) is None


def test_a_night_that_reads_them_stands_between_two_that_do_not(svc: Services, tron: Chain):
    paid(svc, tron)
    watched(svc)
    for night, is_away in enumerate((True, False, True)):
        if is_away:
            tron.breaks("refuse")
        compared(later(svc, days=night))
        mended(tron)

    assert alerting.find(later(svc, days=2))["balances_unread"] is None


def test_a_page_that_has_no_time_left_goes_on_where_it_was(
    svc: Services, sandbox: Servers, tron: Chain, monkeypatch: pytest.MonkeyPatch
):
    for call in range(3):
        paid(svc, tron, call=call)
    paid(svc, Chain(sandbox, Network.ERC20), call=3)
    watched(svc)
    monkeypatch.setattr(chain_reconciling, "AT_ONCE", 1)
    monkeypatch.setattr(chain_reconciling.paging, "PAGE_TIME", timedelta(milliseconds=20))

    chain_reconciling.start(svc)
    pages = 1
    while chain_reconciling.turn_page(svc):
        pages += 1

    run = svc.runs.get(chain_reconciling.NAME)
    assert run is not None
    assert run.counts["addresses"] == 4
    assert pages > 1


def test_without_money_on_chain_no_node_is_asked(svc: Services, sandbox: Servers):
    live(svc, rail=RailId.TRC20)
    watched(svc)
    before = len(sandbox.control("chains/TRC20/calls"))

    assert compared(svc) == {}
    assert len(sandbox.control("chains/TRC20/calls")) == before


def test_what_is_kept_of_a_sweep_does_not_say_where_it_went(svc: Services, tron: Chain, database: Database[Any]):
    booking = paid(svc, tron)
    watched(svc)
    tron.send(WALLET, "75", sender=address_of(svc, booking))
    tron.finalize()
    watched(svc)
    assert compared(svc)["swept"] == 1

    assert WALLET not in str(list(database["departures"].find()))


# --- a real EVM node --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", [Network.BEP20, Network.TRC20])
def test_a_real_node_is_held_against_the_books_to_the_raw_unit(svc: Services, network: Network):
    """Of TRON's nodes the front has the limits; the balances are set from outside, as no token's code would."""
    key, kind = (XPUB_TRON if network is Network.TRC20 else XPUB_EVM), network.facts.kind
    limits = as_tron if network is Network.TRC20 else lambda _: None
    with anvil_chain(network) as node, front(node, limits) as limited:
        nodes = {one: NodeAddress(limited.url) for one in Network if one is network}
        receiving.receive_at_once(svc, kind, key, nodes)
        address = address_of(svc, live(svc, rail=RailId(network)))
        price = units_of(network, Money.parse("75"))
        node.say(to=address, units=price)
        node.say(to=address, units=1)
        node.mine(20)
        watched(svc, network)
        node.say(sender=address, to=WALLET, units=price)
        node.mine(20)
        watched(svc, network)

        def holding(units: int) -> dict[str, int]:
            node.put_code(node.usdt, KNOWS_BALANCES)
            node.call("anvil_setStorageAt", node.usdt, "0x" + address[2:].rjust(64, "0"), f"0x{units:064x}")
            node.mine(20)
            return compared(svc)

        assert holding(1) == {"addresses": 1, "swept": 1}
        assert holding(2) == {"addresses": 1, "differing": 1}
        told = "0 USDT (2 raw units)" if network is Network.BEP20 else "0.000002 USDT"
        assert svc.cases.waiting()[0].difference.told.endswith(f"it holds {told}")
        assert holding(1) == {"addresses": 1}

    assert svc.cases.waiting() == []
    assert books(svc)[f"{network.lower()}_wallet"] == "75"
