"""Addresses given out: each to one order and to no other, whoever asks at once; what was seen or closed stays so."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from inspired.adapters.mongo.payment_addresses import Given, NoneLeft, PaymentAddress, PaymentAddresses
from inspired.domain.shared.errors import Busy
from inspired.domain.shared.networks import Network
from tests.factories import MINUTE, NOW, SECOND

TRADE_NO, OTHER = (letter * 24 + "001" for letter in "bc")
LARGEST = str(2**256 - 1)


def address_of(number: int) -> str:
    return f"0x{number + 0xA0:040x}"


def trade_no(number: int) -> str:
    return f"{number:024}001"


def give(addresses: PaymentAddresses, trade_no: str = TRADE_NO, **changes: Any) -> PaymentAddress:
    network = changes.pop("network", Network.BEP20)
    asked = {
        "address_of": address_of,
        "source": "s1",
        "longest_gap": None,
        "from_blocks": {network: 72_000_000},
        "wanted": "75",
        "enough": "74",
        "now": NOW,
        **changes,
    }
    return addresses.give(trade_no, network, **asked)


FIRST = PaymentAddress(
    TRADE_NO, Network.BEP20, address_of(0), 0, {Network.BEP20: 72_000_000}, "75", "74", NOW, source="s1"
)


@pytest.fixture
def addresses(database: Database) -> PaymentAddresses:
    return PaymentAddresses(database)


# --- giving them out ------------------------------------------------------------------------------------------------


def test_addresses_are_given_out_from_the_first_and_none_is_left_out(addresses: PaymentAddresses):
    given = [give(addresses, trade_no(number)) for number in range(3)]

    assert [(one.index, one.address) for one in given] == [(number, address_of(number)) for number in range(3)]


def test_networks_of_one_kind_share_their_addresses_and_another_kind_has_its_own(addresses: PaymentAddresses):
    asked = (Network.BEP20, Network.ERC20, Network.TRC20, Network.BEP20, Network.TRC20)

    given = [give(addresses, trade_no(number), network=network) for number, network in enumerate(asked)]

    assert [(one.network, one.index) for one in given] == list(zip(asked, (0, 1, 0, 2, 1), strict=True))


@pytest.mark.parametrize("network", Network)
def test_what_was_given_out_is_read_back_whole(database: Database, network: Network):
    blocks = {Network.BEP20: 2**40, Network.ERC20: 24_000_000}

    given = give(PaymentAddresses(database), network=network, from_blocks=blocks, wanted=LARGEST)

    assert given == PaymentAddress(TRADE_NO, network, address_of(0), 0, blocks, LARGEST, "74", NOW, None, 0, "s1")
    assert PaymentAddresses(database).find(TRADE_NO) == given


def test_an_order_without_an_address_has_none(addresses: PaymentAddresses):
    give(addresses, OTHER)

    assert addresses.find(TRADE_NO) is None


def test_an_order_keeps_its_address_and_its_price_however_often_one_is_asked_for(addresses: PaymentAddresses):
    first = give(addresses)
    give(addresses, OTHER)

    again = give(addresses, wanted="1", from_blocks={Network.BEP20: 1}, now=NOW + MINUTE)

    assert again == first == FIRST == addresses.find(TRADE_NO)
    assert give(addresses, trade_no(1)).index == 2


def test_however_many_orders_ask_at_once_each_gets_an_address_of_its_own_and_none_is_left_out(database: Database):
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda number: give(PaymentAddresses(database), trade_no(number)), range(60)))

    assert sorted(one.index for one in given) == list(range(60))
    assert {one.address for one in given} == {address_of(number) for number in range(60)}
    assert [PaymentAddresses(database).find(trade_no(number)) for number in range(60)] == given


def test_of_many_who_ask_for_one_order_at_once_all_are_told_the_same_address(database: Database):
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda _: give(PaymentAddresses(database)), range(32)))

    assert given == 32 * [FIRST]
    assert database["payment_addresses"].count_documents({}) == 1


@pytest.mark.parametrize("network", [Network.BEP20, Network.ERC20])
def test_an_address_that_has_an_order_is_given_to_no_other(addresses: PaymentAddresses, network: Network):
    """Not even by a key that derives the same one twice."""
    give(addresses, address_of=lambda _: address_of(0))

    with pytest.raises(Busy):
        give(addresses, OTHER, network=network, address_of=lambda _: address_of(0))

    assert addresses.find(OTHER) is None


@pytest.mark.parametrize("same", ["address", "index"])
def test_the_database_itself_refuses_a_second_order_with_the_same_address_or_number(
    database: Database, addresses: PaymentAddresses, same: str
):
    give(addresses)
    [stored] = database["payment_addresses"].find()
    fresh = {"address": address_of(7), "index": 7}

    with pytest.raises(DuplicateKeyError):
        database["payment_addresses"].insert_one({**stored, **fresh, same: stored[same], "_id": OTHER})

    database["payment_addresses"].insert_one({**stored, **fresh, "_id": OTHER})


def test_each_source_has_its_own_numbers_and_an_address_of_another_is_passed_over(addresses: PaymentAddresses):
    first = [give(addresses, trade_no(number)) for number in range(2)]

    other = [
        give(addresses, trade_no(number + 2), source="s2", address_of=lambda index: address_of(index + 1))
        for number in range(2)
    ]

    assert [(one.index, one.address) for one in first] == [(0, address_of(0)), (1, address_of(1))]
    assert [(one.index, one.number, one.address) for one in other] == [(2, 1, address_of(2)), (3, 2, address_of(3))]
    assert addresses.sources(Network.BEP20.facts.kind) == {"s1", "s2"}
    assert addresses.sources(Network.TRC20.facts.kind) == set()


def test_what_was_stored_before_sources_had_ids_goes_on_with_its_numbers(
    database: Database, addresses: PaymentAddresses
):
    give(addresses, source="")
    database["payment_addresses"].update_one({}, {"$unset": {"source": 1, "number": 1}})

    found, following = addresses.find(TRADE_NO), give(addresses, OTHER, source="")

    assert found is not None
    assert (found.source, found.number, following.number) == ("", 0, 1)


def test_a_list_that_is_used_up_gives_nothing_more(addresses: PaymentAddresses):
    def of_two(index: int) -> str:
        if index > 1:
            raise ValueError
        return address_of(index)

    for number in range(2):
        give(addresses, trade_no(number), address_of=of_two)

    with pytest.raises(NoneLeft):
        give(addresses, OTHER, address_of=of_two)
    assert give(addresses, trade_no(0), address_of=of_two).index == 0


def test_only_so_many_follow_the_last_one_with_money_however_many_ask_at_once(database: Database):
    def try_to(number: int) -> bool:
        try:
            give(PaymentAddresses(database), trade_no(number), longest_gap=5)
        except NoneLeft:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        done = sum(pool.map(try_to, range(16)))
    addresses = PaymentAddresses(database)
    [third] = database["payment_addresses"].find({"index": 2})
    addresses.saw(third["_id"], 7)

    assert done == 5
    assert addresses.given_of(Network.BEP20.facts.kind, "s1") == Given(next_number=5, last_with_money=2)
    assert sum(try_to(number + 100) for number in range(5)) == 3


def test_those_of_a_list_that_were_given_out_before_are_found(addresses: PaymentAddresses):
    give(addresses)

    assert addresses.among(Network.ERC20.facts.kind, [address_of(0), address_of(1)]) == {address_of(0)}
    assert addresses.among(Network.TRC20.facts.kind, [address_of(0)]) == set()


# --- what becomes of them -------------------------------------------------------------------------------------------


def test_closing_again_keeps_the_first_moment(addresses: PaymentAddresses):
    give(addresses)

    addresses.close(TRADE_NO, NOW + MINUTE)
    addresses.close(TRADE_NO, NOW + 2 * MINUTE)
    addresses.close(TRADE_NO, NOW)

    assert addresses.find(TRADE_NO) == replace(FIRST, closing_at=NOW + MINUTE)


def test_of_many_who_close_at_once_the_first_moment_stays(database: Database):
    addresses = PaymentAddresses(database)
    give(addresses)
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda number: _closed(database, number), range(16)))

    assert len(set(seen)) == 1


def _closed(database: Database, number: int) -> object:
    addresses = PaymentAddresses(database)
    addresses.close(TRADE_NO, NOW + number * SECOND)
    found = addresses.find(TRADE_NO)
    return found and found.closing_at


def test_closing_touches_no_other_order_and_none_that_is_not_there(addresses: PaymentAddresses):
    give(addresses)
    give(addresses, OTHER)

    addresses.close(OTHER, NOW)
    addresses.close("d" * 24 + "001", NOW)

    assert addresses.find(TRADE_NO) == FIRST
    assert addresses.find("d" * 24 + "001") is None


def test_the_newest_block_with_money_never_goes_back(addresses: PaymentAddresses):
    give(addresses)
    seen = []

    for block in (100, 103, 101, 0):
        addresses.saw(TRADE_NO, block)
        found = addresses.find(TRADE_NO)
        seen.append(found and found.seen_block)

    assert seen == [100, 103, 103, 103]


def test_blocks_seen_by_many_at_once_leave_the_newest(database: Database):
    give(PaymentAddresses(database))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda block: PaymentAddresses(database).saw(TRADE_NO, block), range(1, 41)))

    assert PaymentAddresses(database).find(TRADE_NO) == replace(FIRST, seen_block=40)


def test_money_that_was_seen_makes_no_order_of_a_number_nobody_knows(addresses: PaymentAddresses):
    addresses.saw(TRADE_NO, 100)

    assert addresses.find(TRADE_NO) is None
