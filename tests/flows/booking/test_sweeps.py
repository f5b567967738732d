"""What lies at which address, from the last comparison alone: by network, address and derivation path."""

from datetime import timedelta
from typing import Any

import pytest
from pymongo.database import Database

from inspired.adapters.crypto.chain_addresses import shown
from inspired.adapters.mongo.chain_books import ChainBalance
from inspired.adapters.mongo.receiving import NodeAddress
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Kind, Network
from inspired.flows.booking import sweeps
from inspired.flows.site import receiving
from inspired.services import Services
from tests.adapters.crypto.test_account_keys import ADDRESSES_EVM, ADDRESSES_TRON, XPUB_EVM, XPUB_TRON

NODE = NodeAddress("http://127.0.0.1:1/jsonrpc")
ONE = {network: 10**network.facts.decimals for network in Network}


@pytest.fixture(autouse=True)
def sources(svc: Services) -> None:
    receiving.receive_at_once(svc, Kind.EVM, XPUB_EVM, {Network.BEP20: NODE, Network.ERC20: NODE})
    receiving.receive_at_once(svc, Kind.TRON, XPUB_TRON, {Network.TRC20: NODE})


def held(svc: Services, number: int, network: Network, units: int, *, told: str = "") -> ChainBalance:
    """An address given out, and what the last comparison saw there."""
    source = svc.receiving.source(network.facts.kind, svc.now())
    assert source is not None
    given = svc.payment_addresses.give(
        f"{number:024}001",
        network,
        source.address,
        source=source.id,
        longest_gap=None,
        from_blocks={network: 1},
        wanted="75",
        enough="75",
        now=svc.now(),
    )
    at = svc.now()
    balance = ChainBalance(network, given.address, given.trade_no, units, 90, at, 80, at - timedelta(hours=1), told)
    svc.chain_balances.save(balance)
    return balance


def test_the_most_comes_first_and_what_is_equal_by_network_and_address(svc: Services):
    held(svc, 0, Network.TRC20, 75 * ONE[Network.TRC20])
    held(svc, 1, Network.BEP20, 80 * ONE[Network.BEP20])
    held(svc, 2, Network.ERC20, 75 * ONE[Network.ERC20])
    held(svc, 3, Network.TRC20, 75 * ONE[Network.TRC20])

    found = sweeps.funded(svc)

    on_tron = sorted(ADDRESSES_TRON[:2])
    assert [(str(one.balance), one.network, one.address) for one in found] == [
        ("80", Network.BEP20, ADDRESSES_EVM[0]),
        ("75", Network.ERC20, ADDRESSES_EVM[1]),
        ("75", Network.TRC20, on_tron[0]),
        ("75", Network.TRC20, on_tron[1]),
    ]


def test_an_address_that_was_emptied_or_holds_less_than_eight_places_is_not_there_to_be_swept(svc: Services):
    held(svc, 0, Network.TRC20, 0)
    held(svc, 1, Network.BEP20, 1)
    held(svc, 2, Network.BEP20, 10**10)

    assert [one.balance for one in sweeps.funded(svc)] == [Money.parse("0.00000001")]


def test_the_path_is_the_one_of_the_address_and_everything_is_as_it_was_seen(svc: Services):
    held(svc, 0, Network.TRC20, 5)
    balance = held(svc, 1, Network.TRC20, 7_500_000)

    [first, _] = sweeps.funded(svc)

    given = svc.payment_addresses.find(balance.trade_no)
    assert given is not None
    assert first == sweeps.FundedAddress(
        network=Network.TRC20,
        address=shown(Network.TRC20, balance.address),
        path="m/44'/195'/0'/0/1",
        balance=Money.parse("7.5"),
        given_at=given.made_at,
        moved_at=first.moved_at,
        looked_at=first.looked_at,
        told="",
    )
    assert first.looked_at - first.moved_at == timedelta(hours=1)


def test_after_another_source_came_into_force_an_address_has_the_path_of_its_own(svc: Services):
    held(svc, 0, Network.TRC20, ONE[Network.TRC20])
    receiving.receive_at_once(svc, Kind.TRON, ADDRESSES_TRON[4], {})
    held(svc, 1, Network.TRC20, 2 * ONE[Network.TRC20])

    assert [one.path for one in sweeps.funded(svc)] == [sweeps.LISTED, "m/44'/195'/0'/0/0"]


def test_what_cannot_be_told_of_an_address_is_unknown_and_it_is_listed_all_the_same(
    svc: Services, database: Database[Any]
):
    lost = held(svc, 0, Network.TRC20, ONE[Network.TRC20])
    held(svc, 1, Network.BEP20, 2 * ONE[Network.BEP20])
    database["payment_addresses"].delete_one({"_id": lost.trade_no})
    database["receiving"].update_one({"_id": "source:EVM"}, {"$set": {"value": b"altered"}})
    svc.receiving.read_again()

    found = sweeps.funded(svc)

    assert [(one.path, one.given_at is None) for one in found] == [(sweeps.UNKNOWN, False), (sweeps.UNKNOWN, True)]


def test_differing_addresses_are_told_with_what_differs_emptied_ones_too(svc: Services):
    held(svc, 0, Network.TRC20, 0, told="TRON: it holds 0 USDT")
    held(svc, 1, Network.TRC20, ONE[Network.TRC20])

    assert [(one.address, one.told) for one in sweeps.differing(svc)] == [(ADDRESSES_TRON[0], "TRON: it holds 0 USDT")]


def test_sums_are_by_network_and_none_is_told_where_nothing_lies(svc: Services):
    for number in range(3):
        held(svc, number, Network.TRC20, 25 * ONE[Network.TRC20])
    held(svc, 3, Network.ERC20, 10 * ONE[Network.ERC20])

    assert sweeps.sums(sweeps.funded(svc)) == [
        (Network.TRC20, 3, Money.parse("75")),
        (Network.ERC20, 1, Money.parse("10")),
    ]
    assert sweeps.sums([]) == []
