"""What no honest node says: it is neither taken for money nor passed over where it could hide some."""

import json
from datetime import UTC, datetime

import pytest

from inspired.adapters.providers.chain_node import TRANSFER, ChainNode
from inspired.adapters.providers.http import Http
from inspired.domain.shared.errors import UpstreamError
from inspired.domain.shared.networks import Network
from tests.adapters.listeners import answer, answering, answering_json, failure_of, listening
from tests.harness import free_port

OURS = "0x" + "a1" * 20
SOMEBODY = "0x" + "c3" * 20
USDT = Network.ERC20.facts.usdt
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
TX, BLOCK, OTHER_BLOCK = "0x" + "1" * 64, "0x" + "2" * 64, "0x" + "3" * 64


def topic(address: str) -> str:
    return "0x" + "0" * 24 + address[2:]


def log(**changes):
    """As a node tells of 75 USDT to us, in block 10."""
    return {
        "address": USDT,
        "topics": [TRANSFER, topic(SOMEBODY), topic(OURS)],
        "data": f"0x{75_000_000:064x}",
        "blockNumber": "0xa",
        "blockHash": BLOCK,
        "transactionHash": TX,
        "transactionIndex": "0x0",
        "logIndex": "0x4",
        "removed": False,
        **changes,
    }


def block(**changes):
    return {"number": "0xa", "hash": BLOCK, "timestamp": hex(int(NOW.timestamp())), **changes}


RIGHT = {"eth_chainId": "0x1", "eth_blockNumber": "0x64"}


def asking(ask, **results):
    """What `ask` makes of a node that answers each method with this."""

    def behave(connection, request):
        call = json.loads(request.partition(b"\r\n\r\n")[2])
        result = {**RIGHT, **results}[call["method"]]
        if callable(result):
            result = result(*call["params"])
        connection.sendall(answer(json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": result}).encode()))

    with listening(behave) as server:
        return ask(ChainNode(Http(), network=Network.ERC20, url=server.address, headers={}, now=lambda: NOW))


def told(*logs):
    return asking(lambda node: node.transfers([OURS], 5, 15), eth_getLogs=list(logs))


def why(ask, **results) -> str:
    with pytest.raises(UpstreamError) as caught:
        asking(ask, **results)
    return caught.value.message


def test_a_right_log_is_money_and_the_time_of_its_block_need_not_be_told():
    [found] = told(log())

    assert (found.units, found.recipient, found.sender, found.block_time) == (75_000_000, OURS, SOMEBODY, None)


@pytest.mark.parametrize("stamp", [hex(int(NOW.timestamp())), int(NOW.timestamp())])
def test_the_time_of_a_block_is_read_in_both_forms_that_nodes_write(stamp):
    assert [one.block_time for one in told(log(blockTimestamp=stamp))] == [NOW]


@pytest.mark.parametrize("stamp", ["yesterday", None, 1.5, [], 10**30])
def test_a_time_that_cannot_be_read_hides_no_money(stamp):
    assert [one.block_time for one in told(log(blockTimestamp=stamp))] == [None]


def test_hashes_and_addresses_in_capitals_are_the_same_ones():
    capital = log(
        address="0x" + USDT[2:].upper(),
        topics=["0x" + one[2:].upper() for one in log()["topics"]],
        blockHash="0x" + "AB" * 32,
        transactionHash="0x" + "CD" * 32,
    )

    [found] = told(capital)

    assert (found.block_hash, found.tx_hash, found.recipient) == ("0x" + "ab" * 32, "0x" + "cd" * 32, OURS)


@pytest.mark.parametrize(
    "changes",
    [
        {"address": "0x" + "fa" * 20},
        {"address": Network.BEP20.facts.usdt},
        {"topics": ["0x" + "9" * 64, topic(SOMEBODY), topic(OURS)]},
        {"topics": [TRANSFER, topic(OURS), topic(SOMEBODY)]},
        {"topics": [TRANSFER, topic(SOMEBODY), topic(OURS), topic(OURS)], "data": "0x"},
        {"data": "0x" + "0" * 64},
        {"removed": True},
    ],
)
def test_what_is_no_money_to_us_is_left_out_even_if_a_node_ignores_what_was_asked(changes):
    assert [one.log_index for one in told(log(**changes), log(logIndex="0x5"))] == [5]


@pytest.mark.parametrize(
    "changes",
    [
        {"address": None},
        {"address": USDT[:-2]},
        {"topics": None},
        {"topics": []},
        {"topics": [TRANSFER]},
        {"topics": [TRANSFER, topic(SOMEBODY)]},
        {"topics": [TRANSFER, topic(SOMEBODY), OURS]},
        {"topics": [TRANSFER, topic(SOMEBODY), None]},
        {"topics": [TRANSFER, topic(SOMEBODY), "0x" + "f" * 24 + OURS[2:]]},
        {"data": "0x"},
        {"data": None},
        {"data": "0x4b"},
        {"data": 75_000_000},
        {"data": f"0x{75:064x}" + "0" * 64},
        {"data": "0x" + "g" * 64},
        {"blockNumber": None},
        {"blockNumber": 10},
        {"blockNumber": "10"},
        {"blockNumber": "0x"},
        {"blockHash": None},
        {"blockHash": "0x2"},
        {"transactionHash": None},
        {"logIndex": None},
        {"logIndex": -1},
        {"removed": "false"},
    ],
)
def test_a_log_that_cannot_be_read_fails_the_reading_instead_of_hiding_money(changes):
    assert "cannot be read" in why(lambda node: node.transfers([OURS], 5, 15), eth_getLogs=[log(**changes)])


@pytest.mark.parametrize("logs", [None, {}, "0x", [None], ["0x"], [[]]])
def test_what_is_no_list_of_logs_fails_the_reading(logs):
    assert "cannot be read" in why(lambda node: node.transfers([OURS], 5, 15), eth_getLogs=logs)


@pytest.mark.parametrize("number", ["0x4", "0x10", "0x0"])
def test_money_in_a_block_that_was_not_asked_for_fails_the_reading(number):
    said = why(lambda node: node.transfers([OURS], 5, 15), eth_getLogs=[log(blockNumber=number)])

    assert said == f"asked for blocks 5 to 15, it told of block {int(number, 16)}"


def test_a_log_that_is_told_twice_is_one_transfer():
    assert len(told(log(), log())) == 1


def test_two_transfers_in_one_place_of_the_chain_fail_the_reading():
    said = why(lambda node: node.transfers([OURS], 5, 15), eth_getLogs=[log(), log(transactionHash="0x" + "9" * 64)])

    assert said == "it told of two transfers in the same place"


@pytest.mark.parametrize("changes", [{"blockHash": OTHER_BLOCK}, {"blockNumber": "0xb"}])
def test_a_chain_that_changes_while_it_is_read_fails_the_reading(changes):
    said = why(lambda node: node.transfers([OURS], 5, 15), eth_getLogs=[log(), log(logIndex="0x5", **changes)])

    assert said == "the chain changed while it was read"


# --- blocks ---------------------------------------------------------------------------------------------------------


def by_tag(**blocks):
    return lambda tag, _: blocks[tag]


def test_a_final_block_above_the_newest_is_no_answer():
    both = by_tag(latest=block(), finalized=block(number="0xb"))

    assert why(lambda node: node.head(), eth_getBlockByNumber=both) == "its final block 11 is above its newest, 10"


def test_a_node_without_a_final_block_is_no_answer():
    both = by_tag(latest=block(), finalized=None)

    assert why(lambda node: node.head(), eth_getBlockByNumber=both) == "it has no finalized block"


@pytest.mark.parametrize(
    "changes", [{"number": None}, {"hash": "0x"}, {"timestamp": None}, {"timestamp": "now"}, {"timestamp": "0x"}]
)
def test_a_block_that_cannot_be_read_is_no_answer(changes):
    assert "cannot be read" in why(lambda node: node.block(10), eth_getBlockByNumber=block(**changes))


def test_another_block_than_asked_for_is_no_answer():
    assert why(lambda node: node.block(9), eth_getBlockByNumber=block()) == "asked for block 9, it told of block 10"


# --- receipts, balances, code ---------------------------------------------------------------------------------------


def receipt(*logs, **changes):
    return {"transactionHash": TX, "blockNumber": "0xa", "blockHash": BLOCK, "logs": list(logs), **changes}


def test_a_transaction_that_still_waits_is_in_no_block():
    waiting = receipt(blockHash=None, blockNumber=None)

    assert asking(lambda node: node.transaction(TX), eth_getTransactionReceipt=waiting) is None


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (receipt(transactionHash="0x" + "9" * 64), "asked for one transaction, it told of another"),
        (receipt(log(transactionHash="0x" + "9" * 64)), "a log in a receipt is of another transaction or block"),
        (receipt(log(blockHash=OTHER_BLOCK)), "a log in a receipt is of another transaction or block"),
        (receipt(log(blockNumber="0xb")), "asked for blocks 10 to 10, it told of block 11"),
        (receipt(log(data="0x")), "an answer cannot be read: not 32 bytes"),
        (receipt(logs=None), "an answer cannot be read: no list"),
        ("0x", "an answer cannot be read: no object"),
    ],
)
def test_a_receipt_that_contradicts_itself_is_no_answer(said, reason):
    assert why(lambda node: node.transaction(TX), eth_getTransactionReceipt=said) == reason


@pytest.mark.parametrize("said", ["0x", "0x4b", None, 75, "0x" + "0" * 65])
def test_a_balance_is_a_whole_word_or_no_answer(said):
    assert "cannot be read" in why(lambda node: node.balance(OURS, at=10), eth_call=said)


@pytest.mark.parametrize("said", [None, "", "0x1", 0, {}])
def test_code_that_cannot_be_read_is_no_answer(said):
    assert "cannot be read" in why(lambda node: node.has_code(OURS), eth_getCode=said)


# --- the protocol ---------------------------------------------------------------------------------------------------


def asked_by(behave, *, url: str = "", headers=None, seconds: float = 5.0):
    """The error of a question, and what was sent."""
    with listening(behave) as server:
        address = server.address + url
        node = ChainNode(Http(), network=Network.ERC20, url=address, headers=headers or {}, now=lambda: NOW)
        error = failure_of(lambda: node.block(10, seconds=seconds))
    assert error is not None
    return error, server.requests


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"<html>", "200 OK", "HTTP 200, not JSON"),
        (b"", "502 Bad Gateway", "HTTP 502, not JSON"),
        (b"[" * 100_000, "200 OK", "HTTP 200, not JSON"),
        (b"{}", "401 Unauthorized", "HTTP 401"),
        (b'{"result": "0x1"}', "500 Internal Server Error", "HTTP 500"),
        (b"{}", "200 OK", "no answer of JSON-RPC"),
        (b"[]", "200 OK", "no answer of JSON-RPC"),
        (b'{"result": "0x1", "error": "no"}', "200 OK", "no answer of JSON-RPC"),
        (b'{"error": {}}', "200 OK", "None None"),
        (b'{"error": {"code": -32603, "message": "a\\n b\\ud800"}}', "200 OK", "-32603 a b?"),
        (b'{"error": {"code": -32603, "message": "gone"}}', "400 Bad Request", "-32603 gone"),
    ],
)
def test_every_other_answer_is_a_failure_that_says_what_came(body, status, message):
    error, _ = asked_by(answering(body, status=status))

    assert (error.message, error.service, error.maybe_applied) == (message, "ERC20 node", False)


def test_a_providers_words_are_told_without_the_keys_they_repeat():
    said = "no project 0123456789abcdef for 0123456789abcdef-token or another/secret: ask support"
    behave = answering_json(lambda: {"error": {"code": -32001, "message": said}})

    error, requests = asked_by(
        behave, url="/v3/0123456789abcdef?key=another/secret", headers={"TRON-PRO-API-KEY": "0123456789abcdef-token"}
    )

    assert error.message == "-32001 no project … for … or …: ask support"
    assert b"\r\nTRON-PRO-API-KEY: 0123456789abcdef-token\r\n" in requests[0]
    assert b"\r\ncontent-type: application/json\r\n" in requests[0].lower()


def test_a_silent_node_takes_no_longer_than_it_may():
    error, _ = asked_by(lambda connection, request: None, seconds=0.3)

    assert error.retryable


def test_a_node_that_is_away_is_a_failure():
    node = ChainNode(Http(), network=Network.ERC20, url=f"http://127.0.0.1:{free_port()}", headers={}, now=lambda: NOW)

    with pytest.raises(UpstreamError, match="ERC20 node: "):
        node.head()


def test_all_calls_of_one_question_share_its_time():
    with pytest.raises(UpstreamError, match="the time was over"):
        asking(lambda node: node.transfers([OURS], 5, 15, seconds=0), eth_getLogs=[])


def test_what_left_somebody_else_is_no_sweep_whatever_the_node_says():
    ours, theirs = (
        log(topics=[TRANSFER, topic(one), topic(SOMEBODY)], logIndex=at)
        for one, at in ((OURS, "0x1"), (SOMEBODY, "0x2"))
    )

    found = asking(lambda node: node.departures([OURS], 5, 15), eth_getLogs=[ours, theirs, log()])

    assert [(one.sender, one.log_index) for one in found] == [(OURS, 1)]


@pytest.mark.parametrize("changes", [{"blockNumber": "0x10"}, {"data": "0x1"}, {"removed": "no"}, {"blockHash": "0x2"}])
def test_a_sweep_that_cannot_be_read_raises(changes):
    sweep = log(topics=[TRANSFER, topic(OURS), topic(SOMEBODY)], **changes)

    assert why(lambda node: node.departures([OURS], 5, 15), eth_getLogs=[sweep])
