"""The nodes of the chains: their JSON-RPC, the limits of real ones, and what goes wrong with them on purpose."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.sandbox.chains import (
    ADA,
    ADA_ON_TRON_HEX,
    BOB,
    DECIMALS,
    DEPTH,
    EVE,
    NETWORKS,
    TRANSFER,
    Net,
    topic,
)
from tests.sandbox.world import World

EVM = ("BEP20", "ERC20")
INVALID = -32602


@pytest.fixture(params=NETWORKS)
def net(request: pytest.FixtureRequest, world: World) -> Net:
    return Net(world, request.param)


@pytest.fixture(params=EVM)
def evm(request: pytest.FixtureRequest, world: World) -> Net:
    return Net(world, request.param)


@pytest.fixture
def tron(world: World) -> Net:
    return Net(world, "TRC20")


@pytest.mark.parametrize(
    ("name", "chain_id", "version"),
    [("TRC20", 728126428, "0x2b6653dc"), ("BEP20", 56, "56"), ("ERC20", 1, "1")],
)
def test_a_node_says_which_chain_it_is_on(world: World, name: str, chain_id: int, version: str) -> None:
    net = Net(world, name)

    assert int(net.get("eth_chainId"), 16) == chain_id
    assert net.get("net_version") == version
    assert "/" in net.get("web3_clientVersion")


def test_usdt_is_at_its_real_address_and_nothing_is_at_others(net: Net) -> None:
    fake = _fake(net)
    decimals = {"to": net.usdt, "data": "0x313ce567"}

    assert len(net.get("eth_getCode", net.usdt, "latest")) > 2
    assert len(net.get("eth_getCode", fake, "latest")) > 2
    assert net.get("eth_getCode", ADA, "latest") == "0x"
    assert int(net.get("eth_call", decimals, "latest"), 16) == DECIMALS[net.name]
    assert net.get("eth_call", decimals | {"to": ADA}, "latest") == "0x"
    assert net.refused("eth_call", {"to": net.usdt, "data": "0x12345678"}, "latest")[0] == -32000
    assert net.get("eth_getBalance", ADA, "latest") == "0x0"


def _fake(net: Net) -> str:
    sent = net.send(EVE, "1", token="FAKE")
    receipt = net.get("eth_getTransactionReceipt", sent["txHash"])
    return str(receipt["logs"][0]["address"])


def test_tags_stand_for_blocks_by_one_rule(net: Net) -> None:
    net.stop()
    head = net.head()
    numbers = {tag: int(net.get("eth_getBlockByNumber", tag, False)["number"], 16) for tag in _TAGS}

    assert numbers == {"latest": head, "finalized": head - DEPTH[net.name], "earliest": 0}
    assert net.get("eth_getBlockByNumber", hex(head + 1), False) is None
    assert net.get("eth_getBlockByHash", "0x" + 64 * "1", False) is None


_TAGS = ("latest", "finalized", "earliest")


def test_safe_is_between_final_and_newest_and_unknown_to_tron(evm: Net, tron: Net) -> None:
    evm.stop()
    safe = int(evm.get("eth_getBlockByNumber", "safe", False)["number"], 16)

    assert evm.head() - DEPTH[evm.name] < safe < evm.head()
    assert tron.refused("eth_getBlockByNumber", "safe", False) == (INVALID, "TAG safe not supported")
    assert tron.refused("eth_getLogs", {"fromBlock": "safe"})[0] == INVALID


def test_tron_knows_only_the_newest_state(tron: Net) -> None:
    ask = {"to": tron.usdt, "data": "0x313ce567"}

    assert tron.get("eth_call", ask, "latest")
    assert tron.refused("eth_call", ask, hex(tron.head())) == (
        INVALID,
        "QUANTITY not supported, just support TAG as latest",
    )
    assert tron.refused("eth_call", ask, "finalized")[0] == INVALID
    assert tron.refused("eth_getBalance", ADA, "earliest")[0] == INVALID


# --- JSON-RPC ---


def _post(net: Net, body: object) -> requests.Response:
    return net.world.session.post(net.url, json=body, timeout=5)


def test_errors_come_with_http_200(net: Net) -> None:
    broken = net.world.session.post(net.url, data=b"{", timeout=5)

    assert net.refused("eth_mine")[0] == -32601
    assert net.refused("eth_getBlockByNumber")[0] == INVALID
    assert net.refused("eth_getBlockByNumber", "0x1", False, 3)[0] == INVALID
    assert net.refused("eth_getBlockByNumber", 7, False)[0] == INVALID
    assert net.refused("eth_getBlockByNumber", "0x01", False)[0] == INVALID
    assert net.refused("eth_getTransactionReceipt", "0x12")[0] == INVALID
    assert (broken.status_code, broken.json()["error"]["code"]) == (200, -32700)
    for nonsense in ([], 7, "eth_chainId", {"id": 1}, {"id": 1, "method": ["eth_chainId"]}):
        answer = _post(net, nonsense)
        assert (answer.status_code, answer.json()["error"]["code"]) == (200, -32600)


def test_a_batch_mixes_results_and_errors_in_its_order(net: Net) -> None:
    asked = [
        {"jsonrpc": "2.0", "id": "a", "method": "eth_chainId", "params": []},
        {"jsonrpc": "2.0", "id": 2, "method": "eth_mine", "params": []},
        {"jsonrpc": "2.0", "method": "eth_chainId"},
        {"jsonrpc": "2.0", "id": None, "method": "eth_blockNumber"},
    ]
    answers = _post(net, asked).json()

    assert [answer["id"] for answer in answers] == ["a", 2, None]
    assert ["error" in answer for answer in answers] == [False, True, False]
    assert _post(net, asked[2]).content == b""


# --- eth_getLogs ---


def test_alternatives_of_a_place_and_empty_places(net: Net) -> None:
    first = net.head()
    for to in (ADA, BOB, EVE):
        net.send(to, "1")
    net.send(ADA, "2", token="FAKE")

    def to_of(**asked: Any) -> list[str]:
        found = net.get("eth_getLogs", {"fromBlock": hex(first), "toBlock": "latest"} | asked)
        return [log["topics"][2] for log in found]

    ada, bob, eve = (topic(one) for one in (ADA, BOB, EVE))
    token: dict[str, Any] = {"address": net.usdt}
    assert to_of(**token, topics=[TRANSFER, None, [ada, eve]]) == [ada, eve]
    assert to_of(**token, topics=[TRANSFER, None, "0x" + ada[2:].upper()]) == [ada]
    assert to_of(**token, topics=[None, [], bob]) == [bob]
    assert to_of(**token) == to_of(**token, topics=[]) == to_of(**token, topics=[[], []]) == [ada, bob, eve]
    assert to_of(address=[]) == to_of() == [ada, bob, eve, ada]
    assert to_of(address=[net.usdt, ADA]) == [ada, bob, eve]
    assert to_of(address=ADA) == to_of(**token, topics=[TRANSFER, None, None, None]) == []
    assert to_of(**token, topics=["0x" + 64 * "9"]) == []


def test_logs_of_one_block_by_its_hash(net: Net) -> None:
    sent = net.send(ADA, "1")
    net.send(ADA, "2")
    block_hash = net.get("eth_getBlockByNumber", hex(sent["block"]), False)["hash"]
    (log,) = net.get("eth_getLogs", {"blockHash": block_hash})

    assert log["transactionHash"] == sent["txHash"]
    both = {"blockHash": block_hash, "fromBlock": "0x1"}
    assert net.refused("eth_getLogs", both)[0] == INVALID
    assert "error" in net.ask("eth_getLogs", {"blockHash": "0x" + 64 * "1"})


@pytest.mark.parametrize(
    "asked",
    [
        {"topics": ["0x" + 40 * "1"]},
        {"topics": [TRANSFER, None, [topic(ADA), ADA]]},
        {"topics": TRANSFER},
        {"topics": [None] * 5},
        {"address": "0x12"},
        {"address": ["TWer2Ygk5TEheHp3TPuYeqxmB6SsGZmaL6"]},
        {"fromBlock": "0x0064"},
        {"fromBlock": "soon"},
        {"fromBlock": "0x2", "toBlock": "0x1"},
    ],
)
def test_filters_that_mean_nothing_are_refused(net: Net, asked: dict[str, Any]) -> None:
    assert net.refused("eth_getLogs", asked)[0] == INVALID


def test_blocks_that_are_not_there_yet(evm: Net, tron: Net) -> None:
    for one in (evm, tron):
        one.stop()
    ahead = {"fromBlock": hex(evm.head() - 1), "toBlock": hex(evm.head() + 1)}

    assert evm.refused("eth_getLogs", ahead) == (INVALID, "block range extends beyond current head block")
    assert evm.refused("eth_getLogs", {"fromBlock": hex(evm.head() + 1)})[0] == INVALID
    assert tron.get("eth_getLogs", {"fromBlock": hex(tron.head() + 1), "toBlock": hex(tron.head() + 9)}) == []


def test_tron_allows_five_thousand_blocks_and_a_thousand_alternatives(tron: Net) -> None:
    tron.stop()
    head = tron.head()
    many = [f"0x{number:064x}" for number in range(1_001)]

    assert tron.logs(head - 5_000, head) == []
    assert tron.refused("eth_getLogs", {"fromBlock": hex(head - 5_001), "toBlock": hex(head)}) == (
        INVALID,
        "exceed max block range: 5000",
    )
    assert tron.get("eth_getLogs", {"topics": [None, None, many[:1_000]]}) == []
    assert tron.refused("eth_getLogs", {"topics": [None, None, many]}) == (INVALID, "exceed max topics: 1000")


def test_tron_wants_twenty_bytes_in_filters_and_takes_twenty_one_in_calls(tron: Net) -> None:
    tron.send(ADA_ON_TRON_HEX, "75")
    with_prefix = "0x41" + tron.usdt[2:]
    balance_of = "0x70a08231" + topic(ADA_ON_TRON_HEX)[2:]

    assert tron.refused("eth_getLogs", {"address": with_prefix})[0] == INVALID
    assert int(tron.get("eth_call", {"to": with_prefix, "data": balance_of}, "latest"), 16) == 75_000_000
    assert tron.get("eth_getBalance", "0x41" + ADA_ON_TRON_HEX[2:], "latest") == "0x0"


def test_tron_answers_with_ten_thousand_logs_at_most(tron: Net) -> None:
    also = [{"to": BOB, "amount": "1"}] * 999
    sent = [tron.send(BOB, "1", also=also) for _ in range(10)]
    first = sent[0]["block"]

    assert len(tron.logs(first)) == 10_000
    tron.send(BOB, "1")
    assert tron.refused("eth_getLogs", {"fromBlock": hex(first)})[0] == -32005


def test_other_nodes_have_the_limits_that_are_set(evm: Net) -> None:
    evm.stop()
    evm.world.control("settings", {"chain_log_range": 5, "chain_log_results": 2})
    head = evm.head()
    wide = evm.refused("eth_getLogs", {"fromBlock": hex(head - 6), "toBlock": hex(head)})
    for _ in range(3):
        evm.send(ADA, "1")

    assert wide == (-32005, "block range exceeds limit of 5 blocks")
    assert evm.refused("eth_getLogs", {"fromBlock": hex(head)}) == (-32005, "query returned more than 2 results")
    assert len(evm.logs(head, head + 2)) == 2


# --- faults ---


@pytest.mark.parametrize("fault", ["refuse", "timeout"])
def test_a_broken_connection_ends_without_an_answer(net: Net, fault: str) -> None:
    net.world.control("settings", {"hang_s": 0.3})
    net.control("faults", {"fault": fault})
    with pytest.raises(requests.ConnectionError):
        requests.post(net.url, json={"id": 1, "method": "eth_chainId"}, timeout=5)

    assert net.get("eth_chainId")


def test_a_hanging_node_outlasts_a_clients_patience(net: Net) -> None:
    net.world.control("settings", {"hang_s": 0.5})
    net.control("faults", {"fault": "timeout"})
    with pytest.raises(requests.Timeout):
        requests.post(net.url, json={"id": 1, "method": "eth_chainId"}, timeout=0.1)


def test_a_throttled_call_is_429_for_as_often_as_was_said(net: Net) -> None:
    net.control("faults", {"fault": "throttle", "times": 2})
    answers = [_post(net, {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "1"


def test_a_node_that_lags_does_not_know_what_came_lately(net: Net) -> None:
    net.control("faults", {"fault": "lag", "times": 5})
    before, sent = Net(net.world, net.name, node=2).final(), net.send(ADA, "75")
    head, newest = net.head(), net.get("eth_getBlockByNumber", "latest", False)

    assert net.get("eth_getBlockByNumber", hex(sent["block"]), False) is None
    assert head < before < sent["block"]
    assert int(newest["number"], 16) == head
    assert net.get("eth_getTransactionReceipt", sent["txHash"]) is None
    assert net.logs(head - 1) == []
    assert net.head() >= sent["block"]
    assert len(net.logs(head - 1)) == 1


def test_a_lying_node_doubles_what_moved_and_the_other_node_does_not(net: Net) -> None:
    sent = net.send(ADA, "75")
    honest = Net(net.world, net.name, node=2)
    ask = {"to": net.usdt, "data": "0x70a08231" + topic(ADA)[2:]}
    net.control("faults", {"fault": "lie", "times": 3})

    def seen(one: Net) -> list[int]:
        receipt = one.get("eth_getTransactionReceipt", sent["txHash"])
        words = [one.logs(sent["block"])[0]["data"], receipt["logs"][0]["data"], one.get("eth_call", ask, "latest")]
        return [int(word, 16) // 10 ** DECIMALS[one.name] for word in words]

    assert net.get("eth_chainId") == honest.get("eth_chainId")
    assert (seen(net), seen(honest)) == ([150] * 3, [75] * 3)
    assert seen(net) == [75] * 3


def test_an_empty_node_has_no_logs_where_there_are_some(net: Net) -> None:
    sent = net.send(ADA, "75")
    net.control("faults", {"fault": "empty", "times": 2})

    assert net.logs(sent["block"]) == []
    assert net.get("eth_getTransactionReceipt", sent["txHash"]) is None
    assert len(net.logs(sent["block"])) == 1


def test_a_pruned_node_has_nothing_old_and_says_so_but_for_tron(net: Net) -> None:
    net.stop()
    sent = net.send(ADA, "75")
    net.control("finalize")
    net.control("mine", {"blocks": 1})
    net.control("faults", {"fault": "prune", "times": 3})
    answer = net.ask("eth_getLogs", {"fromBlock": hex(sent["block"]), "address": net.usdt})
    old, young = (net.get("eth_getBlockByNumber", hex(number), False) for number in (sent["block"], net.head()))

    assert (answer.get("result"), "error" in answer) == (([], False) if net.name == "TRC20" else (None, True))
    assert (old, bool(young)) == (None, True)
    assert len(net.logs(sent["block"])) == 1


def test_faults_of_a_node_are_its_own_and_can_be_disarmed(net: Net) -> None:
    net.control("faults", {"fault": "throttle", "node": 2, "times": 9})
    other = Net(net.world, net.name, node=2)

    assert net.get("eth_chainId")
    assert _post(other, {}).status_code == 429
    assert net.control("faults", method="GET") == [{"node": 2, "fault": "throttle", "times": 8}]
    assert net.control("faults", method="DELETE") == []
    assert other.get("eth_chainId")


def test_requests_to_a_node_are_listed(net: Net) -> None:
    net.get("eth_chainId")
    net.control("faults", {"fault": "empty"})
    net.logs(net.head() - 1)
    calls = net.control("calls", method="GET")

    assert [(call["methods"], call["fault"]) for call in calls] == [
        (["eth_chainId"], None),
        (["eth_blockNumber"], None),
        (["eth_getLogs"], "empty"),
    ]
    assert net.control("calls?node=2", method="GET") == []
