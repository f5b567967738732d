"""Raw units and money: exact one way, rounded down the other."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import FACTS, Kind, Network, Transfer, money_of, units_of

NETWORKS = st.sampled_from(Network)


def test_each_network_is_pinned_to_its_chain_its_token_and_the_places_of_that_token():
    assert {one: (hex(facts.chain_id), facts.usdt, facts.decimals, facts.kind) for one, facts in FACTS.items()} == {
        Network.TRC20: ("0x2b6653dc", "0xa614f803b6fd780986a42c78ec9c7f77e6ded13c", 6, Kind.TRON),
        Network.BEP20: ("0x38", "0x55d398326f99059ff775485246999027b3197955", 18, Kind.EVM),
        Network.ERC20: ("0x1", "0xdac17f958d2ee523a2206206994597c13d831ec7", 6, Kind.EVM),
    }
    assert [one for one in Network if one.facts.is_evm] == [Network.BEP20, Network.ERC20]


@pytest.mark.parametrize("network", Network)
def test_customers_are_told_a_name_and_a_time_they_can_wait_for(network):
    facts = network.facts

    assert facts.name in ("TRON", "BNB Chain", "Ethereum")
    assert 1 <= facts.minutes[0] <= facts.minutes[1] <= 20
    assert facts.block_seconds > 0


@pytest.mark.parametrize(
    ("network", "units", "shown"),
    [
        (Network.TRC20, 75_000_000, "75"),
        (Network.TRC20, 1, "0.000001"),
        (Network.ERC20, 0, "0"),
        (Network.BEP20, 75 * 10**18, "75"),
        (Network.BEP20, 10**16, "0.01"),
        (Network.BEP20, 10**10, "0.00000001"),
        (Network.BEP20, 10**10 - 1, "0"),
        (Network.BEP20, 1, "0"),
        (Network.BEP20, 75 * 10**18 - 1, "74.99999999"),
        (Network.BEP20, 10**30 - 1, "999999999999.99999999"),
        (Network.TRC20, 10**18 - 1, "999999999999.999999"),
    ],
)
def test_what_arrived_is_rounded_down_so_that_too_little_never_counts_as_the_price(network, units, shown):
    assert str(money_of(network, units)) == shown


@given(NETWORKS, st.integers(0, 10**30 - 1))
def test_rounding_down_takes_less_than_the_smallest_amount(network, units):
    units %= 10 ** (12 + network.facts.decimals)

    counted = money_of(network, units)

    lost = units * 10**8 - int(counted.amount.scaleb(8)) * 10**network.facts.decimals
    assert 0 <= lost < 10**network.facts.decimals


@given(NETWORKS, st.integers(0, 10**18 - 1))
def test_a_price_in_raw_units_is_read_back_as_the_same_price(network, millionths):
    price = Money.parse(f"{millionths // 10**6}.{millionths % 10**6:06d}")

    assert money_of(network, units_of(network, price)) == price


def test_a_price_becomes_the_raw_units_of_its_network():
    price = Money(Decimal("75.5"))

    assert {one: units_of(one, price) for one in Network} == {
        Network.TRC20: 75_500_000,
        Network.BEP20: 75_500_000_000_000_000_000,
        Network.ERC20: 75_500_000,
    }
    assert units_of(Network.BEP20, Money.parse("0.00000001")) == 10**10


def test_a_price_finer_than_the_tokens_units_is_refused_and_never_rounded():
    with pytest.raises(ValueError, match="TRON has only 6 decimal places"):
        units_of(Network.TRC20, Money.parse("75.0000001"))


@pytest.mark.parametrize(("money", "why"), [(Money(Decimal(-1)), "never negative"), (Money(Decimal(1), "EUR"), "EUR")])
def test_only_usdt_from_zero_on_exists_on_chain(money, why):
    with pytest.raises(ValueError, match=why):
        units_of(Network.ERC20, money)


@pytest.mark.parametrize(
    ("units", "why"), [(-1, "never negative"), (10**18, "twelve digits"), (2**256 - 1, "twelve digits")]
)
def test_what_cannot_be_usdt_is_refused(units, why):
    with pytest.raises(ValueError, match=why):
        money_of(Network.TRC20, units)


def test_the_smallest_legal_transfer_counts_as_nothing_and_stops_nobody():
    block_hash, tx_hash, somebody = "0x" + "a" * 64, "0x" + "b" * 64, "0x" + "c" * 40
    transfer = Transfer(Network.BEP20, 7, block_hash, None, tx_hash, 0, somebody, somebody, units=1)

    assert transfer.money.is_nothing
