"""Addresses given out and transfers in memory, for the simulation, keep the promises of the adapters: each claim holds
for both."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from inspired.adapters.mongo.payment_addresses import Given, Moved, NoneLeft, PaymentAddress, PaymentAddresses
from inspired.adapters.mongo.transfers import Cursor, Transfers
from inspired.domain.shared.networks import Kind, Network, Transfer
from tests.factories import MINUTE, NOW
from tests.simulation.chains import MemoryAddresses, MemoryTransfers
from tests.simulation.memory import Wire

FIRST, SECOND, THIRD = (letter * 24 + "001" for letter in "bcd")
TRON, BNB, ETHEREUM = Network.TRC20, Network.BEP20, Network.ERC20
GROUP = "TRON/0"
MINE, OTHERS = ("0x" + letter * 40 for letter in "ab")


@dataclass
class Stores:
    addresses: Any
    transfers: Any


@pytest.fixture(params=["real", "memory"])
def stores(request: pytest.FixtureRequest) -> Stores:
    if request.param == "memory":
        wire = Wire()
        return Stores(MemoryAddresses(wire), MemoryTransfers(wire))
    database = request.getfixturevalue("database")
    return Stores(PaymentAddresses(database), Transfers(database))


def address_of(number: int) -> str:
    return f"0x{number + 0xA0:040x}"


def give(stores: Stores, trade_no: str = FIRST, network: Network = BNB, **changes: Any) -> PaymentAddress:
    asked = {
        "address_of": address_of,
        "source": "s1",
        "longest_gap": None,
        "from_blocks": {network: 70},
        "wanted": "75",
        "enough": "74",
        "now": NOW,
        **changes,
    }
    given: PaymentAddress = stores.addresses.give(trade_no, network, **asked)
    return given


def a_transfer(tx: int = 1, *, block: int = 10, log: int = 0, units: int = 75, **changes: Any) -> Transfer:
    """As the stores tell of it: who sent it is not kept."""
    told = {"block_hash": f"0x{block:064x}", "block_time": NOW, "recipient": MINE, "sender": "", "network": TRON}
    return Transfer(block_number=block, tx_hash=f"0x{tx:064x}", log_index=log, units=units, **{**told, **changes})


def read(stores: Stores, *found: Transfer, after: int = 0, until: int = 100, final: int = 0) -> set[str]:
    """What a reading told is stored. Returns the addresses where something had moved."""
    changes = stores.transfers.compared(GROUP, TRON, after, found, until=until, final=final)
    stores.transfers.store(changes)
    return set(changes.addresses)


def units_at(stores: Stores, address: str, network: Network) -> int:
    return sum(one.units for one in stores.transfers.at(address, network))


# --- addresses given out --------------------------------------------------------------------------------------------


def test_each_order_gets_the_next_address_of_its_kind_and_keeps_it(stores: Stores):
    given = [give(stores, one, network) for one, network in ((FIRST, BNB), (SECOND, ETHEREUM), (THIRD, TRON))]

    assert [(one.index, one.number, one.address) for one in given] == [
        (0, 0, address_of(0)),
        (1, 1, address_of(1)),
        (0, 0, address_of(0)),
    ]
    assert give(stores, FIRST, wanted="1") == given[0] == stores.addresses.find(FIRST)
    assert stores.addresses.find("e" * 24 + "001") is None


def test_those_of_a_kind_are_told_in_the_order_in_which_they_were_given_out(stores: Stores):
    given = [give(stores, one) for one in (THIRD, FIRST, SECOND)]

    assert stores.addresses.after(Kind.EVM, -1, 10) == given
    assert stores.addresses.after(Kind.EVM, 0, 1) == given[1:2]
    assert stores.addresses.after(Kind.TRON, -1, 10) == []


def test_no_more_than_the_longest_gap_follow_the_last_one_with_money(stores: Stores):
    for number in range(2):
        give(stores, f"{number:024}001", longest_gap=2)

    with pytest.raises(NoneLeft):
        give(stores, longest_gap=2)
    before = stores.addresses.given_of(Kind.EVM, "s1")
    stores.addresses.saw(f"{0:024}001", 80)

    assert give(stores, longest_gap=2).number == 2
    assert (before, stores.addresses.given_of(Kind.EVM, "s1")) == (Given(2, -1), Given(3, 0))


def test_a_mark_says_up_to_which_block_its_own_network_is_known(stores: Stores):
    given = give(stores)

    for network, newest in ((BNB, 90), (ETHEREUM, 200), (BNB, 80)):
        stores.addresses.mark(network, [address_of(0)], NOW, newest)

    assert stores.addresses.find(FIRST) == replace(given, seen_block=90)


def test_a_mark_is_money_too_for_the_gap(stores: Stores):
    give(stores)
    stores.addresses.mark(BNB, [address_of(0)], NOW)

    assert stores.addresses.given_of(Kind.EVM, "s1") == Given(1, 0)


def test_all_sources_that_addresses_were_given_out_of_are_known(stores: Stores):
    give(stores)
    give(stores, SECOND, TRON, source="s2")

    assert [stores.addresses.sources(kind) for kind in (Kind.EVM, Kind.TRON)] == [{"s1"}, {"s2"}]


def test_those_that_were_given_out_are_known_among_others_of_their_kind(stores: Stores):
    give(stores)

    asked = [address_of(0), address_of(1)]
    assert [stores.addresses.among(kind, asked) for kind in (Kind.EVM, Kind.TRON)] == [{address_of(0)}, set()]


def test_another_order_shares_the_address_for_any_amount_and_was_never_open(stores: Stores):
    given = give(stores)
    stores.addresses.saw(FIRST, 80)

    for moment in (NOW + MINUTE, NOW + 2 * MINUTE):
        stores.addresses.share(given, SECOND, ETHEREUM, moment)

    assert stores.addresses.find(SECOND) == replace(
        given,
        trade_no=SECOND,
        network=ETHEREUM,
        wanted="1",
        enough="1",
        closing_at=NOW + MINUTE,
        seen_block=0,
        of=FIRST,
    )
    assert stores.addresses.after(Kind.EVM, -1, 10) == [replace(given, seen_block=80)]


def test_closing_keeps_the_first_moment_and_blocks_with_money_never_go_back(stores: Stores):
    given = give(stores)

    for moment in (NOW + MINUTE, NOW):
        stores.addresses.close(FIRST, moment)
        stores.addresses.close(SECOND, moment)
    for block in (100, 103, 101):
        stores.addresses.saw(FIRST, block)

    assert stores.addresses.find(FIRST) == replace(given, closing_at=NOW + MINUTE, seen_block=103)
    assert stores.addresses.find(SECOND) is None


def test_where_something_moved_is_asked_about_until_that_is_done(stores: Stores):
    given = [give(stores, FIRST), give(stores, SECOND)]
    give(stores, THIRD, TRON)

    marked = stores.addresses.mark(BNB, [address_of(0), address_of(1), OTHERS], NOW)
    first = stores.addresses.moved(FIRST)
    stores.addresses.put_off(SECOND, NOW + MINUTE)
    waiting = [stores.addresses.marked(NOW + wait, 10) for wait in (timedelta(), MINUTE)]
    stores.addresses.done(first)

    assert sorted(marked) == [FIRST, SECOND]
    assert first == Moved(given[0], 1, (given[0],))
    assert waiting == [[FIRST], [FIRST, SECOND]]
    assert stores.addresses.marked(NOW + MINUTE, 10) == [SECOND]
    assert stores.addresses.moved("e" * 24 + "001") is None


def test_what_moved_again_meanwhile_is_not_done_and_what_is_done_cannot_be_put_off(stores: Stores):
    give(stores)
    stores.addresses.mark(BNB, [address_of(0)], NOW)
    first = stores.addresses.moved(FIRST)
    stores.addresses.mark(BNB, [address_of(0)], NOW + MINUTE)

    stores.addresses.done(first)
    still = stores.addresses.marked(NOW + MINUTE, 10)
    stores.addresses.done(stores.addresses.moved(FIRST))
    stores.addresses.put_off(FIRST, NOW)

    assert still == [FIRST]
    assert stores.addresses.marked(NOW + MINUTE, 10) == []


# --- transfers ------------------------------------------------------------------------------------------------------


def test_a_cursor_only_goes_on_and_each_group_and_network_has_its_own(stores: Stores):
    before = stores.transfers.cursor(GROUP, TRON)
    for block, wait in ((10, 0), (8, 2), (12, 1)):
        stores.transfers.advance(GROUP, TRON, block, NOW + wait * MINUTE)
    stores.transfers.advance("TRON/1", TRON, 3, NOW)
    stores.transfers.advance(GROUP, BNB, 4, NOW)

    assert (before, stores.transfers.cursor(GROUP, TRON)) == (None, Cursor(12, NOW + 2 * MINUTE))
    assert stores.transfers.cursors(TRON) == {GROUP: Cursor(12, NOW + 2 * MINUTE), "TRON/1": Cursor(3, NOW)}


def test_what_a_reading_told_is_stored_once_and_then_nothing_has_moved(stores: Stores):
    found = [a_transfer(), a_transfer(2, log=3, recipient=OTHERS)]

    assert [read(stores, *found), read(stores, *found)] == [{MINE, OTHERS}, set()]
    assert units_at(stores, MINE, TRON) == 75


def test_what_is_final_is_told_until_the_cursor_passes_it(stores: Stores):
    read(stores, a_transfer())

    told = [stores.transfers.compared(GROUP, TRON, 0, [a_transfer()], until=100, final=final) for final in (9, 10)]

    assert [(set(one.addresses), len(one.writes)) for one in told] == [(set(), 0), ({MINE}, 0)]


def test_what_is_not_told_of_any_more_is_gone_and_what_moved_counts_once(stores: Stores):
    read(stores, a_transfer(1), a_transfer(2, log=1))

    moved = read(stores, a_transfer(1, block=11))

    assert moved == {MINE}
    assert stores.transfers.final_of(MINE, TRON, 100) == [a_transfer(1, block=11)]


def test_below_what_was_read_and_above_it_nothing_changes(stores: Stores):
    read(stores, a_transfer(1, block=5), a_transfer(2, block=50))

    assert read(stores, after=5, until=49) == set()
    assert units_at(stores, MINE, TRON) == 150


def test_transfers_up_to_a_block_are_told_in_the_chains_order(stores: Stores):
    found = [
        a_transfer(3, block=12),
        a_transfer(2, block=10, log=7, block_time=None),
        a_transfer(1, block=10, log=2, units=2**200),
        a_transfer(4, block=11, recipient=OTHERS),
    ]
    read(stores, *found)

    assert stores.transfers.final_of(MINE, TRON, 11) == [found[2], found[1]]
    assert {one.tx_hash for one in stores.transfers.final_in(GROUP, TRON, 11)} == {one.tx_hash for one in found[1:]}


def test_networks_are_counted_apart(stores: Stores):
    read(stores, a_transfer(1))
    elsewhere = a_transfer(2, network=BNB, units=5)
    stores.transfers.store(stores.transfers.compared("EVM/0", BNB, 0, [elsewhere], until=100, final=0))

    assert stores.transfers.networks_of(MINE) == (TRON, BNB)
    assert [units_at(stores, MINE, network) for network in (TRON, BNB, ETHEREUM)] == [75, 5, 0]
    assert stores.transfers.networks_of(OTHERS) == ()


def test_only_what_is_not_stored_yet_is_unknown(stores: Stores):
    read(stores, a_transfer(1), final=100)

    unknown = stores.transfers.unknown(GROUP, [a_transfer(1, units=1), a_transfer(2, recipient=OTHERS)])
    stores.transfers.store(unknown)

    assert set(unknown.addresses) == {OTHERS}
    assert [units_at(stores, one, TRON) for one in (MINE, OTHERS)] == [75, 75]
    assert read(stores, a_transfer(1), a_transfer(2, recipient=OTHERS)) == set()
