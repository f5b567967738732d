"""web3.py, unchanged, reads all three chains: a client that shares no code with us believes them."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tests.sandbox.chains import ADA, BOB, DECIMALS, DEPTH, NETWORKS, Net
from tests.sandbox.unchanged_web3 import (
    ExtraDataLengthError,
    ExtraDataToPOAMiddleware,
    HTTPProvider,
    TransactionNotFound,
    Web3,
    Web3RPCError,
)
from tests.sandbox.world import World

_ADDRESS = {"name": "who", "type": "address"}
ABI: list[dict[str, Any]] = [
    {
        "type": "event", "name": "Transfer", "anonymous": False,
        "inputs": [
            {"name": "from", "type": "address", "indexed": True}, {"name": "to", "type": "address", "indexed": True},
            {"name": "value", "type": "uint256", "indexed": False},
        ],
    },
    *(
        {"type": "function", "name": name, "inputs": inputs, "outputs": [{"type": kind}], "stateMutability": "view"}
        for name, inputs, kind in (
            ("balanceOf", [_ADDRESS], "uint256"), ("decimals", [], "uint8"), ("symbol", [], "string")
        )
    ),
]  # fmt: skip


@pytest.fixture(params=NETWORKS)
def net(request: pytest.FixtureRequest, world: World) -> Net:
    return Net(world, request.param)


@pytest.fixture
def web3(net: Net) -> Web3:
    client = Web3(HTTPProvider(net.url))
    if net.name == "BEP20":
        client.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
    return client


def test_it_reads_the_chain_and_its_blocks(net: Net, web3: Web3) -> None:
    net.stop()
    sent = net.send(ADA, "75")
    head = web3.eth.block_number
    block = web3.eth.get_block(sent["block"], full_transactions=True)

    assert web3.is_connected()
    assert web3.eth.chain_id == {"TRC20": 728126428, "BEP20": 56, "ERC20": 1}[net.name]
    assert web3.eth.get_block("finalized")["number"] == head - DEPTH[net.name]
    assert web3.eth.get_block("earliest")["number"] == 0
    assert web3.eth.get_block(block["hash"])["number"] == block["number"] == sent["block"] == head
    assert block["parentHash"] == web3.eth.get_block(sent["block"] - 1)["hash"]
    assert [one["hash"].to_0x_hex() for one in block["transactions"]] == [sent["txHash"]]
    assert block["timestamp"] > 1_700_000_000


def test_it_finds_transfers_as_events_of_the_contract(net: Net, web3: Web3) -> None:
    usdt = web3.eth.contract(Web3.to_checksum_address(net.usdt), abi=ABI)
    before = web3.eth.block_number
    sent = net.send(ADA, "75.5", also=[{"to": BOB, "amount": "1"}, {"to": ADA, "amount": "2"}])
    events = usdt.events.Transfer.get_logs(from_block=before, argument_filters={"to": ADA})
    receipt = web3.eth.get_transaction_receipt(sent["txHash"])

    units = [event["args"]["value"] / 10 ** DECIMALS[net.name] for event in events]
    assert (units, [event["logIndex"] for event in events]) == ([75.5, 2], [0, 2])
    assert {event["args"]["to"] for event in events} == {ADA}
    assert [event["args"]["value"] for event in usdt.events.Transfer().process_receipt(receipt)] == [
        event["args"]["value"] for event in usdt.events.Transfer.get_logs(from_block=before)
    ]
    assert (receipt["status"], receipt["blockNumber"]) == (1, sent["block"])
    assert web3.eth.get_transaction(sent["txHash"])["blockHash"] == receipt["blockHash"]


def test_it_asks_the_contract(net: Net, web3: Web3) -> None:
    usdt = web3.eth.contract(Web3.to_checksum_address(net.usdt), abi=ABI)
    net.send(ADA, "75")

    assert usdt.functions.symbol().call() == "USDT"
    assert usdt.functions.decimals().call() == DECIMALS[net.name]
    assert usdt.functions.balanceOf(ADA).call() == 75 * 10 ** DECIMALS[net.name]
    assert (len(web3.eth.get_code(usdt.address)) > 0, len(web3.eth.get_code(ADA))) == (True, 0)
    assert web3.eth.get_balance(ADA) == 0


def test_it_calls_a_single_transfer_by_its_name(net: Net, web3: Web3) -> None:
    transfer = {
        "type": "function", "name": "transfer", "outputs": [], "stateMutability": "nonpayable",
        "inputs": [_ADDRESS, {"name": "value", "type": "uint256"}],
    }  # fmt: skip
    usdt = web3.eth.contract(Web3.to_checksum_address(net.usdt), abi=[transfer])
    sent = net.send(ADA, "75")
    function, given = usdt.decode_function_input(web3.eth.get_transaction(sent["txHash"])["input"])

    assert (function.fn_name, given) == ("transfer", {"who": ADA, "value": 75 * 10 ** DECIMALS[net.name]})


def test_it_sees_a_reorganisation(net: Net, web3: Web3) -> None:
    net.stop()
    moved, lost = net.send(ADA, "75"), net.send(BOB, "75")
    before = web3.eth.get_transaction_receipt(moved["txHash"])
    net.control("reorg", {"depth": 2, "drop": [lost["txHash"]]})
    after = web3.eth.get_transaction_receipt(moved["txHash"])

    assert before["blockHash"] != after["blockHash"]
    assert before["logs"][0]["logIndex"] != after["logs"][0]["logIndex"]
    with pytest.raises(TransactionNotFound):
        web3.eth.get_transaction_receipt(lost["txHash"])


def test_it_meets_the_limits_of_real_nodes(net: Net, web3: Web3) -> None:
    net.world.control("settings", {"chain_log_range": 1_000})
    with pytest.raises(Web3RPCError):
        web3.eth.get_logs({"fromBlock": web3.eth.block_number - 6_000, "toBlock": web3.eth.block_number})
    if net.name == "TRC20":
        with pytest.raises(Web3RPCError):
            web3.eth.get_block("safe")


def test_bnb_smart_chain_needs_the_middleware_that_the_real_one_needs(world: World) -> None:
    bare = Web3(HTTPProvider(Net(world, "BEP20").url))

    with pytest.raises(ExtraDataLengthError):
        bare.eth.get_block("latest")
    assert Web3(HTTPProvider(Net(world, "ERC20").url)).eth.get_block("latest")["number"] > 0


def test_reading_with_it_leaves_the_process_as_it_was():
    assert sys.getrecursionlimit() < 10_000
