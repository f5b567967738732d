"""Addresses given out: each to one order and to no other, whoever asks at once; what was seen or closed stays so."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from inspired.adapters.mongo.payment_addresses import Given, NoneLeft, PaymentAddress, PaymentAddresses
from inspired.domain.booking.address_reuse import REST, Handover
from inspired.domain.shared.errors import Busy
from inspired.domain.shared.networks import Kind, Network
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
    fresh = {"address": address_of(7), "index": 7, "holders": [OTHER]}

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


# --- giving them out again ------------------------------------------------------------------------------------------


LATER = NOW + REST
RESTED = LATER + MINUTE


def give_again(addresses: PaymentAddresses, trade_no: str = OTHER, **changes: Any) -> PaymentAddress | None:
    [resting] = addresses.resting(Kind.EVM, "s1", changes.pop("at", RESTED), 1)
    asked = {"block": 80_000_000, "wanted": "90", "pays_until": RESTED + 30 * MINUTE, "now": RESTED, **changes}
    return addresses.give_again(resting, trade_no, Network.ERC20, **asked)


def is_resting(addresses: PaymentAddresses, at: datetime, source: str = "s1") -> bool:
    return bool(addresses.resting(Kind.EVM, source, at, 1))


def test_an_address_rests_from_the_moment_it_was_given_out(addresses: PaymentAddresses):
    give(addresses)

    assert not is_resting(addresses, LATER - SECOND)
    assert is_resting(addresses, LATER)
    assert addresses.count_resting(Kind.EVM, "s1", LATER, 10) == 1


def test_whatever_moves_there_begins_its_rest_anew(addresses: PaymentAddresses):
    give(addresses)
    addresses.mark(Network.BEP20, [address_of(0)], NOW + MINUTE)
    addresses.done(addresses.moved(TRADE_NO))
    assert not is_resting(addresses, LATER)

    addresses.left(Kind.EVM, [address_of(0)], NOW + 2 * MINUTE)

    assert not is_resting(addresses, LATER + MINUTE)
    assert is_resting(addresses, LATER + 2 * MINUTE)


def test_only_addresses_of_the_wallet_in_force_are_given_out_again(addresses: PaymentAddresses):
    give(addresses, source="an old wallet")

    assert not is_resting(addresses, RESTED)


def test_the_next_holder_has_the_address_and_the_first_keeps_what_it_was_asked_for(addresses: PaymentAddresses):
    give(addresses)
    block = {Network.ERC20: 80_000_000}

    again = give_again(addresses)

    handover = Handover(Network.ERC20, 80_000_000, RESTED)
    assert again == addresses.find(OTHER)
    assert again == PaymentAddress(
        OTHER, Network.ERC20, address_of(0), 0, block, "90", "90", RESTED, source="s1", since=handover,
        pays_until=RESTED + 30 * MINUTE,
    )  # fmt: skip
    assert addresses.find(TRADE_NO) == replace(FIRST, until=handover)
    assert [one.trade_no for one in addresses.holders_of(again)] == [TRADE_NO, OTHER]
    assert not is_resting(addresses, RESTED + MINUTE)
    assert addresses.given_again(Kind.EVM, RESTED) == [again]
    assert addresses.given_again(Kind.TRON, RESTED) == []


def test_however_many_want_a_rested_address_at_once_one_gets_it(database: Database, addresses: PaymentAddresses):
    give(addresses)
    [resting] = addresses.resting(Kind.EVM, "s1", RESTED, 1)

    def want(number: int) -> PaymentAddress | None:
        return PaymentAddresses(database).give_again(
            resting, trade_no(number), Network.BEP20, block=1, wanted="1", pays_until=RESTED, now=RESTED
        )

    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(want, range(24)))

    assert sum(one is not None for one in given) == 1


def test_an_order_that_has_an_address_gets_no_second_one(addresses: PaymentAddresses):
    give(addresses)
    give(addresses, OTHER)

    again = give_again(addresses, OTHER)

    assert again is not None
    assert again.address == address_of(1)
    assert [one.trade_no for one in addresses.holders_of(FIRST)] == [TRADE_NO]


def test_what_moves_while_it_is_given_again_keeps_it_with_its_holder(addresses: PaymentAddresses):
    give(addresses)
    [resting] = addresses.resting(Kind.EVM, "s1", RESTED, 1)
    addresses.mark(Network.BEP20, [address_of(0)], RESTED)

    again = addresses.give_again(
        resting, OTHER, Network.BEP20, block=1, wanted="1", pays_until=RESTED, now=RESTED + REST * 2
    )

    assert again is None
    assert addresses.find(OTHER) is None


def test_closing_and_seeing_money_is_each_holders_own(addresses: PaymentAddresses):
    give(addresses)
    give_again(addresses)

    addresses.close(OTHER, RESTED)
    addresses.close(OTHER, RESTED + MINUTE)
    addresses.saw(OTHER, 5)
    addresses.saw(TRADE_NO, 3)

    first, second = addresses.find(TRADE_NO), addresses.find(OTHER)
    assert (first.closing_at, first.seen_block) == (None, 3)
    assert (second.closing_at, second.seen_block) == (RESTED, 5)


def test_a_third_holder_ends_the_seconds_time(addresses: PaymentAddresses):
    give(addresses)
    give_again(addresses)
    third = give_again(addresses, trade_no(3), at=RESTED + REST, now=RESTED + REST)

    assert third is not None
    assert addresses.find(OTHER).until == third.since
    assert [one.trade_no for one in addresses.holders_of(third)] == [TRADE_NO, OTHER, trade_no(3)]


def test_an_order_for_one_transfer_shares_the_address_of_the_holder_it_was_found_beside(addresses: PaymentAddresses):
    give(addresses)
    again = give_again(addresses)

    addresses.share(again, trade_no(9), Network.BEP20, RESTED, transfer="BEP20:0xaa:1")
    addresses.share(again, trade_no(9), Network.BEP20, RESTED, transfer="BEP20:0xaa:1")

    shared = addresses.find(trade_no(9))
    assert (shared.network, shared.transfer, shared.of, shared.since) == (
        Network.BEP20,
        "BEP20:0xaa:1",
        OTHER,
        again.since,
    )


def test_an_address_that_may_not_be_given_out_is_not_looked_at_again_for_a_while(addresses: PaymentAddresses):
    give(addresses)
    [resting] = addresses.resting(Kind.EVM, "s1", RESTED, 1)

    addresses.rest_on(resting, RESTED + MINUTE)
    looked_at = is_resting(addresses, RESTED), is_resting(addresses, RESTED + MINUTE)
    addresses.rest_on(resting, None)

    assert looked_at == (False, True)
    assert not is_resting(addresses, RESTED + REST * 9)
