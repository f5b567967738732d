"""The three networks, read from a real EVM node: what counts as money that reached us, where, and when it is final.

TRON's own nodes cannot be run here. For it the EVM node stands behind a front that refuses what TRON's nodes refuse.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from inspired.adapters.providers.chain_node import WIDEST, AskedToWait, ChainNode, NodeCall
from inspired.adapters.providers.http import Http
from inspired.domain.booking.wallet_refunds import settling
from inspired.domain.shared.errors import Conflict, UpstreamError
from inspired.domain.shared.networks import Head, Network, Transfer
from tests.adapters.listeners import answer
from tests.anvil import (
    ANY_NFT_TRANSFER,
    ANY_TRANSFER,
    EPOCHS,
    KNOWS_BALANCES,
    SENDER,
    Anvil,
    as_tron,
    blocks_of,
    chain,
    front,
)

OURS = "0x" + "a1" * 20
OURS_TOO = "0x" + "b2" * 20
SOMEBODY = "0x" + "c3" * 20
FAKE = "0x" + "fa" * 20


def now() -> datetime:
    return datetime.now(UTC)


def reading(network: Network, url: str) -> ChainNode:
    return ChainNode(Http(), network=network, url=url, headers={}, now=now)


@pytest.fixture(scope="module", params=Network)
def chain_of_network(request) -> Iterator[Anvil]:
    with chain(request.param) as made:
        made.put_code(FAKE, ANY_TRANSFER)
        yield made


@pytest.fixture
def anvil(chain_of_network) -> Iterator[Anvil]:
    """One of each network. Whatever a test does there is taken back."""
    with chain_of_network.undone():
        yield chain_of_network


@pytest.fixture
def node(anvil) -> Iterator[ChainNode]:
    with front(anvil, as_tron if anvil.network is Network.TRC20 else lambda _: None) as limited:
        yield reading(anvil.network, limited.url)


@pytest.fixture(scope="module")
def one_chain() -> Iterator[Anvil]:
    with chain(Network.ERC20) as made:
        yield made


@pytest.fixture
def ethereum(one_chain) -> Iterator[Anvil]:
    """Where one network tells as much as three."""
    with one_chain.undone():
        yield one_chain


def received(node: ChainNode, anvil: Anvil, *addresses: str) -> list[tuple[str, int]]:
    found = node.transfers(addresses or [OURS, OURS_TOO], 0, anvil.number())
    return [(one.recipient, one.units) for one in found]


# --- what counts ----------------------------------------------------------------------------------------------------


def test_a_transfer_is_told_whole_and_in_the_units_of_its_network(node, anvil):
    price = 75 * 10**anvil.network.facts.decimals

    receipt = anvil.say(to=OURS, units=price, sender=SOMEBODY)

    number = anvil.number()
    [found] = node.transfers([OURS], number, number)
    assert found == Transfer(
        network=anvil.network,
        block_number=number,
        block_hash=receipt["blockHash"],
        block_time=node.block(number).time,
        tx_hash=receipt["transactionHash"],
        log_index=0,
        sender=SOMEBODY,
        recipient=OURS,
        units=price,
    )
    assert found.money.shown == "75 USDT"
    assert now() - timedelta(minutes=5) < node.block(number).time < now() + timedelta(minutes=5)


def test_the_largest_value_a_token_can_say_is_read_exactly(node, anvil):
    anvil.say(to=OURS, units=2**256 - 1)

    assert received(node, anvil) == [(OURS, 2**256 - 1)]


def test_several_transfers_in_one_transaction_count_each_for_itself(node, anvil):
    receipt = anvil.say_many((OURS, 5), (SOMEBODY, 6), (OURS, 5), (OURS_TOO, 7))

    number = anvil.number()
    found = node.transfers([OURS_TOO, OURS], number, number)
    assert [(one.recipient, one.units, one.log_index) for one in found] == [
        (OURS, 5, 0),
        (OURS, 5, 2),
        (OURS_TOO, 7, 3),
    ]
    assert {one.tx_hash for one in found} == {receipt["transactionHash"]}


def test_transfers_come_in_the_order_of_the_chain(node, anvil):
    for units in (3, 1, 2):
        anvil.say(to=OURS, units=units)
        anvil.say(to=OURS_TOO, units=units + 10)

    assert [units for _, units in received(node, anvil)] == [3, 13, 1, 11, 2, 12]


def test_another_contract_is_no_money_whatever_it_says(node, anvil):
    anvil.say(to=OURS, units=75 * 10**18, token=FAKE)
    anvil.say(to=OURS, units=1)

    assert received(node, anvil) == [(OURS, 1)]


def test_an_nft_is_no_money_although_it_is_found_by_the_same_query(node, anvil):
    anvil.put_code(anvil.usdt, ANY_NFT_TRANSFER)
    [log] = anvil.say(to=OURS, units=75)["logs"]
    anvil.put_code(anvil.usdt, ANY_TRANSFER)
    anvil.say(to=OURS, units=1)

    assert len(log["topics"]) == 4
    assert received(node, anvil) == [(OURS, 1)]


def test_a_transfer_of_nothing_is_no_money(node, anvil):
    anvil.say(to=OURS, units=0, sender=OURS_TOO)
    anvil.say(to=OURS, units=1)

    assert received(node, anvil) == [(OURS, 1)]


def test_what_leaves_our_address_is_no_money_to_us(node, anvil):
    anvil.say(to=SOMEBODY, units=4, sender=OURS)

    assert received(node, anvil) == []


def test_only_the_blocks_asked_for_are_told(node, anvil):
    for units in (1, 2, 3):
        anvil.say(to=OURS, units=units)
    last = anvil.number()

    assert [one.units for one in node.transfers([OURS], last - 1, last - 1)] == [2]
    assert [one.units for one in node.transfers([OURS], last - 1, last)] == [2, 3]
    assert node.transfers([OURS], last, last - 1) == []


def test_more_addresses_than_a_node_takes_at_once_are_watched_together(node, anvil):
    many = [f"0x{index + 2**100:040x}" for index in range(1001)]
    paid = {many[0]: 1, many[499]: 2, many[500]: 3, many[1000]: 4}
    for address, units in paid.items():
        anvil.say(to=address, units=units)

    assert received(node, anvil, *many) == list(paid.items())


# --- the head, finality and reorganisations -------------------------------------------------------------------------


def test_final_is_what_the_node_says_and_not_a_count_of_ours(node, anvil):
    number = anvil.mine(70)

    head = node.head()

    assert head == Head(number, node.block(number).hash, node.block(number).time, number - 2 * EPOCHS[anvil.network])


def test_a_transfer_becomes_final_by_the_blocks_after_it(node, anvil):
    anvil.mine(2)
    anvil.say(to=OURS, units=1)
    [seen] = node.transfers([OURS], 0, anvil.number())
    assert node.head().finalized < seen.block_number

    anvil.mine(2 * EPOCHS[anvil.network])

    final = node.head().finalized
    assert final >= seen.block_number
    assert node.transfers([OURS], 0, final) == [seen]


def test_after_a_reorganisation_a_transfer_is_in_another_block_or_gone(node, anvil):
    kept, lost = anvil.say(to=OURS, units=1), anvil.say(to=OURS_TOO, units=2)
    [before, _] = node.transfers([OURS, OURS_TOO], 0, anvil.number())

    anvil.say_in_another_block(kept)

    [after] = node.transfers([OURS, OURS_TOO], 0, anvil.number())
    assert after.tx_hash == before.tx_hash
    assert (after.block_number, after.units) == (before.block_number + 1, 1)
    assert after.block_hash != before.block_hash
    assert node.block(before.block_number).hash != before.block_hash
    assert node.transaction(lost["transactionHash"]) is None
    assert node.transaction(kept["transactionHash"]).block_hash == after.block_hash


def test_a_node_that_has_not_come_so_far_fails_instead_of_telling_that_nothing_is_there(node, anvil):
    last = anvil.mine()

    with pytest.raises(UpstreamError, match=f"it is at block {last} and has not reached block {last + 1}"):
        node.transfers([OURS], 0, last + 1)
    with pytest.raises(UpstreamError, match=f"it has no block {last + 1}"):
        node.block(last + 1)


def test_a_head_that_is_too_old_is_no_answer(ethereum):
    ethereum.mine()
    minutes = {2: None, 4: "s old: it is behind, or the network stands still"}

    for late, why in minutes.items():
        clock = now() + timedelta(minutes=late)
        node = ChainNode(Http(), network=Network.ERC20, url=ethereum.url, headers={}, now=lambda clock=clock: clock)
        if why is None:
            assert node.head().number == ethereum.number()
        else:
            with pytest.raises(UpstreamError, match=why):
                node.head()


def test_a_node_of_another_chain_is_never_read():
    with chain(Network.ERC20, chain_id=11155111) as anvil:
        anvil.say(to=OURS, units=75)
        node = reading(Network.ERC20, anvil.url)

        for ask in (
            node.head,
            lambda: node.transfers([OURS], 0, 1),
            lambda: node.block(1),
            lambda: node.balance(OURS, at=None),
            lambda: node.has_code(OURS),
            lambda: node.transaction("0x" + "1" * 64),
        ):
            with pytest.raises(UpstreamError, match="it belongs to chain 11155111, not to 1") as caught:
                ask()
            assert not caught.value.retryable


def test_which_chain_it_is_is_asked_once(ethereum):
    with front(ethereum, lambda _: None) as watched:
        node = reading(Network.ERC20, watched.url)
        for _ in range(3):
            node.head()

    assert [one["method"] for one in watched.asked].count("eth_chainId") == 1


# --- other questions ------------------------------------------------------------------------------------------------


def test_a_transaction_is_told_with_all_it_moved(node, anvil):
    receipt = anvil.say_many((OURS, 5), (SOMEBODY, 6), (OURS, 0))
    anvil.say(to=OURS, units=9)

    found = node.transaction(receipt["transactionHash"].upper().replace("0X", "0x"))

    assert found is not None
    assert (found.tx_hash, found.block_hash) == (receipt["transactionHash"], receipt["blockHash"])
    assert hex(found.block_number) == receipt["blockNumber"]
    assert [(one.recipient, one.units) for one in found.transfers] == [(OURS, 5), (SOMEBODY, 6)]
    block = node.block(found.block_number)
    assert {(one.block_hash, one.block_time) for one in found.transfers} == {(block.hash, block.time)}


def test_one_transaction_settles_as_many_refunds_as_it_has_transfers_that_fit(node, anvil):
    receipt = anvil.say_many((OURS, 5), (SOMEBODY, 5), (OURS, 5), (OURS, 6))
    mined = node.transaction(receipt["transactionHash"])
    assert mined is not None

    def settled_by(*taken: int) -> int:
        return settling(mined.transfers, to=OURS, units=5, wallets={SENDER}, taken=taken).log_index

    assert (settled_by(), settled_by(0)) == (0, 2)
    with pytest.raises(Conflict, match="settles another refund"):
        settled_by(0, 2)


def test_a_transaction_that_moved_no_usdt_is_told_as_that(node, anvil):
    receipt = anvil.say(to=OURS, units=75, token=FAKE)

    found = node.transaction(receipt["transactionHash"])

    assert found is not None
    assert found.transfers == ()


def test_a_transaction_nobody_knows_is_none(node):
    assert node.transaction("0x" + "ab" * 32) is None


@pytest.mark.parametrize("text", ["", "ab" * 32, "0x" + "ab" * 31, "0x" + "xy" * 32, "0x" + "ab" * 32 + "\n"])
def test_what_is_no_hash_is_not_asked_about(text):
    with pytest.raises(ValueError, match="a transaction's hash"):
        reading(Network.ERC20, "http://127.0.0.1:9").transaction(text)


def test_a_balance_is_told_after_the_newest_block(node, anvil):
    anvil.put_code(anvil.usdt, KNOWS_BALANCES)
    anvil.call("anvil_setStorageAt", anvil.usdt, "0x" + OURS[2:].rjust(64, "0"), f"0x{10**24 + 1:064x}")

    assert (node.balance(OURS, at=None), node.balance(SOMEBODY, at=None)) == (10**24 + 1, 0)


def test_a_balance_is_told_after_an_older_block_but_not_by_trons_nodes(node, anvil):
    anvil.put_code(anvil.usdt, KNOWS_BALANCES)
    before = anvil.mine()
    after = anvil.mine()  # what is set from outside holds after the newest block
    anvil.call("anvil_setStorageAt", anvil.usdt, "0x" + OURS[2:].rjust(64, "0"), f"0x{7:064x}")

    if anvil.network is Network.TRC20:
        with pytest.raises(ValueError, match="newest block only"):
            node.balance(OURS, at=before)
    else:
        assert [node.balance(OURS, at=one) for one in (before, after)] == [0, 7]


def test_a_balance_of_no_contract_is_no_answer(node, anvil):
    anvil.put_code(anvil.usdt, "0x")

    with pytest.raises(UpstreamError, match="cannot be read"):
        node.balance(OURS, at=None)


def test_an_address_with_a_contract_is_known_from_one_without(node, anvil):
    assert node.has_code(anvil.usdt)
    assert not node.has_code(OURS)
    assert not node.has_code(SENDER)


# --- what nodes refuse ----------------------------------------------------------------------------------------------


def test_with_nothing_to_wait_for_nothing_is_asked(ethereum):
    ethereum.say(to=OURS, units=1)
    with front(ethereum, lambda _: None) as watched:
        assert reading(Network.ERC20, watched.url).transfers([], 0, ethereum.number()) == []

    assert watched.asked == []


@pytest.mark.parametrize("address", ["", "0xabc", OURS.upper(), OURS[2:], "0x41" + OURS[2:]])
def test_an_address_of_another_form_is_never_asked_about(address):
    node = reading(Network.ERC20, "http://127.0.0.1:9")

    for ask in (
        lambda: node.transfers([OURS, address], 0, 1),
        lambda: node.balance(address, at=None),
        lambda: node.has_code(address),
    ):
        with pytest.raises(ValueError, match="20 bytes as lower-case hex"):
            ask()


TOO_WIDE = {
    "-32005": {"code": -32005, "message": "query returned more than 10000 results"},
    "-32602 range": {"code": -32602, "message": "exceed max block RANGE: 5000"},
    "-32602 limit": {"code": -32602, "message": "query exceeds limit"},
    "-32000": {"code": -32000, "message": "something"},
    "413": answer(b"<html>", status="413 Content Too Large"),
    "413 in JSON": answer(b'{"error": {"code": 1, "message": ""}}', status="413 Content Too Large"),
    "400": answer(b'{"id": 1, "error": {"code": -32602, "message": "block range"}}', status="400 Bad Request"),
    "larger than we read": answer(b"[" + b" " * (16 * 1024 * 1024) + b"]"),
}


@pytest.mark.parametrize("how", TOO_WIDE)
def test_where_a_node_takes_fewer_blocks_at_once_nothing_is_lost(how, ethereum):
    ethereum.mine(10)
    for units in (1, 2, 3):
        ethereum.say(to=OURS, units=units)
        ethereum.mine(6)

    def refuse(call):
        is_wide = call["method"] == "eth_getLogs" and blocks_of(call) > 5
        return TOO_WIDE[how] if is_wide else None

    with front(ethereum, refuse) as limited:
        node = reading(Network.ERC20, limited.url)
        last = ethereum.number()
        assert received(node, ethereum) == [(OURS, 1), (OURS, 2), (OURS, 3)]

    taken = [one for one in limited.ranges() if one <= 5]
    assert sum(taken) == last + 1, "each block is read once"
    assert len(limited.ranges()) - len(taken) < 6


def test_what_a_node_takes_is_remembered_and_tried_for_more(ethereum):
    last = ethereum.mine(63)

    def refuse(call):
        return TOO_WIDE["-32005"] if call["method"] == "eth_getLogs" and blocks_of(call) > 20 else None

    with front(ethereum, refuse) as limited:
        node = reading(Network.ERC20, limited.url)
        node.transfers([OURS], last - 63, last)
        first = limited.ranges()
        node.transfers([OURS], last - 15, last)
        node.transfers([OURS], last - 63, last)

    assert first == [64, 32, 16, 16, 16, 16]
    assert limited.ranges()[len(first) :] == [16, 32, 16, 16, 16, 16]


def test_a_range_wider_than_trons_nodes_take_is_cut_beforehand():
    with chain(Network.TRC20, options=("--number", "20000")) as anvil:
        anvil.mine(40)  # so that some block is final
        anvil.say(to=OURS, units=1)
        with front(anvil, as_tron) as limited:
            found = reading(Network.TRC20, limited.url).transfers([OURS], 0, anvil.number())

    assert [one.units for one in found] == [1]
    assert max(limited.ranges()) == WIDEST == 5000
    assert sum(limited.ranges()) == 20000 + 41 + 1


def test_a_node_that_refuses_even_one_block_is_given_up(ethereum):
    ethereum.mine(20)

    def refuse(call):
        return {"code": -32005, "message": "limit exceeded"} if call["method"] == "eth_getLogs" else None

    with front(ethereum, refuse) as limited:
        node = reading(Network.ERC20, limited.url)
        with pytest.raises(UpstreamError, match="-32005 limit exceeded"):
            node.transfers([OURS], 0, ethereum.number())

    assert limited.ranges()[-1] == 1
    assert len(limited.ranges()) < 8


def test_another_refusal_is_told_and_not_asked_again(ethereum):
    def refuse(call):
        return {"code": -32601, "message": "no such method"} if call["method"] == "eth_getLogs" else None

    with front(ethereum, refuse) as limited:
        node = reading(Network.ERC20, limited.url)
        with pytest.raises(UpstreamError, match="-32601 no such method") as caught:
            node.transfers([OURS], 0, ethereum.number())

    assert caught.value.code == "-32601"
    assert len(limited.ranges()) == 1


@pytest.mark.parametrize("status", ["429 Too Many Requests", "403 Forbidden", "503 Service Unavailable"])
@pytest.mark.parametrize(("header", "wait"), [("Retry-After: 17\r\n", 17), ("", 0), ("Retry-After: tomorrow\r\n", 0)])
def test_a_node_that_wants_fewer_calls_is_asked_no_more_and_says_how_long(status, header, wait, ethereum):
    refused = answer(b'{"error": {"code": -32005, "message": "limit"}}', status=status, headers=header)

    with front(ethereum, lambda call: refused if call["method"] == "eth_getLogs" else None) as limited:
        node = reading(Network.ERC20, limited.url)
        with pytest.raises(AskedToWait) as caught:
            node.transfers([OURS], 0, ethereum.number())

    assert (caught.value.wait, caught.value.code) == (wait, f"HTTP {status[:3]}")
    assert caught.value.retryable
    assert len(limited.ranges()) == 1


def test_every_call_leaves_evidence_without_the_url_its_key_or_addresses(ethereum):
    calls: list[NodeCall] = []
    with front(
        ethereum, lambda call: {"code": -32601, "message": "no"} if call["method"] == "eth_getCode" else None
    ) as it:
        node = ChainNode(
            Http(), network=Network.ERC20, url=it.url, headers={"X-Key": "secret"}, now=now, on_call=calls.append
        )
        node.block(0)
        with pytest.raises(UpstreamError):
            node.has_code(OURS)

    assert [(one.network, one.method, one.outcome) for one in calls] == [
        (Network.ERC20, "eth_chainId", "ok"),
        (Network.ERC20, "eth_getBlockByNumber", "ok"),
        (Network.ERC20, "eth_getCode", "-32601"),
    ]
    assert all(0 <= one.seconds < 30 and one.at <= now() for one in calls)


# --- what leaves ----------------------------------------------------------------------------------------------------


def test_what_leaves_is_found_by_its_sender_and_checked_as_strictly_as_what_arrives(node, anvil):
    anvil.put_code(FAKE, ANY_TRANSFER)
    anvil.say(sender=OURS, to=SOMEBODY, units=70)
    anvil.say(sender=SOMEBODY, to=OURS, units=5)
    anvil.say(sender=OURS, to=SOMEBODY, units=0)
    anvil.say(sender=OURS, to=SOMEBODY, units=9, token=FAKE)
    anvil.say(sender=OURS_TOO, to=OURS, units=3)

    found = node.departures([OURS, OURS_TOO], 0, anvil.number())

    assert [(one.sender, one.recipient, one.units) for one in found] == [(OURS, SOMEBODY, 70), (OURS_TOO, OURS, 3)]
    assert node.departures([], 0, anvil.number()) == []
    with pytest.raises(UpstreamError, match="has not reached"):
        node.departures([OURS], 0, anvil.number() + 1)


def test_what_leaves_in_one_transaction_is_told_log_by_log_with_the_tokens_fee(node, anvil):
    """USDT on Ethereum may take a fee, which is a transfer of its own."""
    receipt = anvil.say_many((SOMEBODY, 70), (OURS_TOO, 5), (SOMEBODY, 1))

    found = node.departures([SENDER], 0, anvil.number())

    assert [(one.log_index, one.units) for one in found] == [(0, 70), (1, 5), (2, 1)]
    assert {one.tx_hash for one in found} == {receipt["transactionHash"]}
