"""The three chains: what a payment looks like to whoever watches, when it is final, and how it can vanish."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.sandbox.chains import (
    ADA,
    ADA_ON_TRON,
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
from tests.sandbox.world import World, free_port, start_sandbox


@pytest.fixture(params=NETWORKS)
def net(request: pytest.FixtureRequest, world: World) -> Net:
    return Net(world, request.param)


def test_a_payment_is_seen_by_whoever_asks_for_the_address_it_went_to(net: Net) -> None:
    before = net.head()
    sent = net.send(ADA, "75.5")
    net.send(BOB, "1")

    (log,) = net.logs(before, "latest", ADA)
    assert log["address"] == net.usdt
    assert (log["topics"][0], log["topics"][2]) == (TRANSFER, topic(ADA))
    assert int(log["data"], 16) == 755 * 10 ** (DECIMALS[net.name] - 1)
    assert len(log["data"]) == 66
    assert (log["transactionHash"], int(log["blockNumber"], 16)) == (sent["txHash"], sent["block"])
    assert log["blockHash"] == net.get("eth_getBlockByNumber", hex(sent["block"]), False)["hash"]
    assert (log["removed"], log["logIndex"]) == (False, "0x0")


def test_money_is_final_within_seconds_without_anybody_doing_anything(net: Net) -> None:
    sent = net.send(ADA, "75")
    begun, before = time.monotonic(), net.final()
    net.comes_to(sent["block"] + DEPTH[net.name])

    assert before < sent["block"] <= net.final()
    assert time.monotonic() - begun < 15


def test_finalize_makes_what_was_sent_final_at_once(net: Net) -> None:
    net.stop()
    sent = net.send(ADA, "75")
    before = net.final()
    done = net.control("finalize")

    assert before < sent["block"]
    assert done == {"block": sent["block"] + DEPTH[net.name], "final": sent["block"]}
    assert (net.head(), net.final()) == (done["block"], done["final"])


def test_blocks_come_at_the_pace_that_is_set_and_say_the_time_in_seconds(net: Net) -> None:
    net.world.control("settings", {f"{net.name.lower()}_speed_up": {"TRC20": 60, "BEP20": 9, "ERC20": 240}[net.name]})
    first, begun = net.head(), time.monotonic()
    time.sleep(1)
    came, took = net.head() - first, time.monotonic() - begun
    newest = int(net.get("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    older = int(net.get("eth_getBlockByNumber", hex(net.head() - 1000), False)["timestamp"], 16)

    assert abs(came - took * 20) <= 3
    assert abs(newest - time.time()) <= 2
    assert older < newest


def test_each_block_names_the_one_before_it(net: Net) -> None:
    net.send(ADA, "75")
    net.control("mine", {"blocks": 3})
    head = net.head()
    blocks = [net.get("eth_getBlockByNumber", hex(number), False) for number in range(head - 6, head + 1)]

    assert [block["parentHash"] for block in blocks[1:]] == [block["hash"] for block in blocks[:-1]]
    assert len({block["hash"] for block in blocks}) == 7
    assert [net.get("eth_getBlockByHash", block["hash"], False) for block in blocks] == blocks


def test_stamps_follow_the_clock_of_the_sandbox_and_never_go_back(net: Net) -> None:
    def stamp() -> int:
        net.control("mine", {"blocks": 1})
        return int(net.get("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    net.stop()
    before = stamp()
    net.world.control("clock", {"advance_s": 1800})
    later = stamp()
    net.world.control("clock", {"advance_s": -900})

    assert 1800 <= later - before <= 1810
    assert stamp() == later


def test_payments_made_at_once_are_all_mined_each_in_a_block_of_its_own(net: Net) -> None:
    def pay(number: int) -> dict[str, Any]:
        url = f"{net.world.url}/control/chains/{net.name}/send"
        sent: dict[str, Any] = requests.post(url, json={"to": ADA, "amount": str(number)}, timeout=20).json()
        return sent

    with ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(pay, range(1, 25)))

    assert len({one["block"] for one in sent}) == len({one["txHash"] for one in sent}) == 24
    listed = net.control("transfers", method="GET")
    assert sorted(int(one["amount"]) for one in listed) == list(range(1, 25))
    assert {(one["txHash"], one["block"]) for one in listed} == {(one["txHash"], one["block"]) for one in sent}


# --- several transfers, other tokens ---


def test_several_transfers_of_one_transaction_differ_in_their_log_index_only(net: Net) -> None:
    before = net.head()
    also = [{"to": ADA, "amount": "2"}, {"to": BOB, "amount": "3"}, {"to": ADA, "amount": "4", "token": "FAKE"}]
    sent = net.send(ADA, "1", also=also)
    logs = net.logs(before, "latest", ADA)

    assert [(log["transactionHash"], log["logIndex"]) for log in logs] == [
        (sent["txHash"], "0x0"),
        (sent["txHash"], "0x1"),
    ]
    receipt = net.get("eth_getTransactionReceipt", sent["txHash"])
    assert [log["logIndex"] for log in receipt["logs"]] == ["0x0", "0x1", "0x2", "0x3"]
    assert receipt["to"] not in (net.usdt, ADA.lower())


def test_a_fake_has_the_symbol_and_the_event_but_not_the_address(net: Net) -> None:
    before = net.head()
    net.send(ADA, "75", token="FAKE")
    (fake,) = net.logs(before, "latest", ADA, address=None)

    assert net.logs(before, "latest", ADA) == []
    assert fake["address"] != net.usdt
    ask = {"to": fake["address"], "data": "0x95d89b41"}
    assert bytes.fromhex(net.get("eth_call", ask, "latest")[130:138]) == b"USDT"
    assert net.get("eth_call", ask, "latest") == net.get("eth_call", ask | {"to": net.usdt}, "latest")


def test_a_transfer_of_nothing_in_somebody_elses_name_is_possible(net: Net) -> None:
    before = net.head()
    sent = net.send(EVE, "0", **{"from": ADA})
    (log,) = net.logs(before)

    assert (int(log["data"], 16), log["topics"][1]) == (0, topic(ADA))
    assert net.get("eth_getTransactionByHash", sent["txHash"])["from"] != ADA.lower()


def test_balances_follow_the_transfers_block_by_block(net: Net) -> None:
    def balance(who: str, block: int | str = "latest") -> float:
        data = "0x70a08231" + topic(who)[2:]
        tag = block if isinstance(block, str) else hex(block)
        return int(net.get("eth_call", {"to": net.usdt, "data": data}, tag), 16) / 10 ** DECIMALS[net.name]

    net.stop()
    came = net.send(ADA, "75")
    went = net.send(BOB, "30", **{"from": ADA})

    assert (balance(ADA), balance(BOB), balance(EVE)) == (45, 30, 0)
    if net.name != "TRC20":
        assert [balance(ADA, block) for block in (came["block"] - 1, came["block"], went["block"])] == [0, 75, 45]


@pytest.mark.parametrize("to", [ADA_ON_TRON, ADA_ON_TRON_HEX])
def test_an_address_of_tron_is_the_same_in_both_spellings(world: World, to: str) -> None:
    net = Net(world, "TRC20")
    before = net.head()
    net.send(to, "75")

    assert [log["topics"][2] for log in net.logs(before)] == [topic(ADA_ON_TRON_HEX)]
    assert net.control("transfers", method="GET")[0]["to"] == ADA_ON_TRON


def test_who_pays_without_having_got_anything_had_it_before(net: Net) -> None:
    net.stop()
    net.send(ADA, "75", **{"from": EVE})
    usdt, data = net.usdt, "0x70a08231" + topic(EVE)[2:]
    balances = [net.get("eth_call", {"to": usdt, "data": data}, "latest")]
    if net.name != "TRC20":
        balances.append(net.get("eth_call", {"to": usdt, "data": data}, hex(net.head() - 1)))

    assert [int(one, 16) for one in balances] == [0, 75 * 10 ** DECIMALS[net.name]][: len(balances)]


# --- reorganisations ---


def test_a_reorganised_transfer_has_another_block_hash_and_log_index(net: Net) -> None:
    net.stop()
    sent = net.send(ADA, "75")
    net.control("mine", {"blocks": 1})
    (before,), empty = net.logs(sent["block"]), net.get("eth_getBlockByNumber", "latest", False)
    done = net.control("reorg", {"depth": 2})
    (after,) = net.logs(sent["block"], "latest", ADA)

    assert done["moved"] == [{"txHash": sent["txHash"], "block": sent["block"] + 1}]
    assert (done["first"], done["block"], done["dropped"]) == (sent["block"], net.head(), [])
    assert after["transactionHash"] == before["transactionHash"]
    assert after["blockHash"] != before["blockHash"]
    assert after["logIndex"] != before["logIndex"]
    assert net.get("eth_getBlockByNumber", "latest", False)["hash"] != empty["hash"]
    # What was orphaned is unknown, not empty
    assert net.get("eth_getBlockByHash", before["blockHash"], False) is None
    assert "error" in net.ask("eth_getLogs", {"blockHash": before["blockHash"]})
    assert net.get("eth_getTransactionReceipt", sent["txHash"])["blockHash"] == after["blockHash"]


def test_a_dropped_transfer_is_gone_with_its_money(net: Net) -> None:
    net.stop()
    kept, lost = net.send(ADA, "75"), net.send(BOB, "30")
    done = net.control("reorg", {"depth": 2, "drop": [lost["txHash"]]})
    listed = net.control("transfers", method="GET")

    assert (done["dropped"], [one["txHash"] for one in done["moved"]]) == ([lost["txHash"]], [kept["txHash"]])
    assert net.logs(kept["block"], "latest", BOB) == []
    assert len(net.logs(kept["block"], "latest", ADA)) == 1
    assert net.get("eth_getTransactionReceipt", lost["txHash"]) is None
    assert net.get("eth_getTransactionByHash", lost["txHash"]) is None
    assert [one["txHash"] for one in listed] == [kept["txHash"]]


def test_blocks_below_a_reorganisation_and_blocks_after_it_stay_as_they_are(net: Net) -> None:
    def hashes(first: int, last: int) -> list[str]:
        return [net.get("eth_getBlockByNumber", hex(number), False)["hash"] for number in range(first, last + 1)]

    net.stop()
    sent = net.send(ADA, "75")
    net.control("mine", {"blocks": 4})
    first, head = sent["block"], net.head()
    before = hashes(first, head)
    net.control("reorg", {"depth": 2})
    once = hashes(first, head)
    net.control("mine", {"blocks": 2})
    after = hashes(first, head)

    assert (once[:3], after) == (before[:3], once)
    assert not set(once[3:]) & set(before[3:])


def test_a_reorganised_block_keeps_its_number_and_its_stamp(net: Net) -> None:
    def old() -> dict[str, Any]:
        block: dict[str, Any] = net.get("eth_getBlockByNumber", hex(head - 200), False)
        return block

    net.stop()
    head = net.head()
    before = old()
    net.control("reorg", {"depth": 400})

    assert old()["hash"] != before["hash"]
    assert old()["timestamp"] == before["timestamp"]
    assert net.head() == head


# --- what a person at the control API meets ---


def test_transfers_are_listed_as_people_write_them(net: Net) -> None:
    net.stop()
    sent = net.send(ADA, "75.5")
    (before,) = net.control("transfers", method="GET")
    net.control("finalize")
    (after,) = net.control("transfers", method="GET")

    assert (before["txHash"], before["block"], before["token"], before["amount"]) == (
        sent["txHash"], sent["block"], "USDT", "75.5",
    )  # fmt: skip
    assert before["units"] == str(755 * 10 ** (DECIMALS[net.name] - 1))
    assert (before["final"], after["final"]) == (False, True)
    assert before["to"] == (before["to"] if net.name == "TRC20" else ADA)


def test_amounts_of_eighteen_places_arrive_to_the_last_of_them(world: World) -> None:
    net = Net(world, "BEP20")
    before = net.head()
    net.send(ADA, "75.000000000000000001")
    net.send(ADA, "0.000000000000000001")

    assert [int(log["data"], 16) for log in net.logs(before)] == [75 * 10**18 + 1, 1]
    assert [one["amount"] for one in net.control("transfers", method="GET")] == [
        "75.000000000000000001", "0.000000000000000001",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "body", "word"),
    [
        ("send", {}, "to"),
        ("send", {"to": ADA}, "amount"),
        ("send", {"to": ADA, "amount": 75}, "text"),
        ("send", {"to": ADA, "amount": "-1"}, "number"),
        ("send", {"to": ADA, "amount": "much"}, "number"),
        ("send", {"to": ADA, "amount": "NaN"}, "number"),
        ("send", {"to": ADA, "amount": "1e999999"}, "256 bits"),
        ("send", {"to": ADA, "amount": "0.0000001"}, "decimal places"),
        ("send", {"to": ADA[:-1], "amount": "1"}, "address"),
        ("send", {"to": ADA[:-1] + "7", "amount": "1"}, "checksum"),
        ("send", {"to": ADA_ON_TRON, "amount": "1"}, "TRON"),
        ("send", {"to": ADA, "amount": "1", "token": "DAI"}, "token"),
        ("send", {"to": ADA, "amount": "1", "memo": "x"}, "memo"),
        ("send", {"to": ADA, "amount": "1", "from": "me"}, "address"),
        ("send", {"to": ADA, "amount": "1", "also": {}}, "list"),
        ("send", {"to": ADA, "amount": "1", "also": [{"to": BOB}]}, "amount"),
        ("mine", {"blocks": 0}, "blocks"),
        ("mine", {"blocks": "3"}, "whole"),
        ("mine", {"blocks": True}, "whole"),
        ("finalize", {"now": 1}, "now"),
        ("reorg", {}, "depth"),
        ("reorg", {"depth": 0}, "reorganised"),
        ("reorg", {"depth": 2, "drop": "0x1"}, "list"),
        ("reorg", {"depth": 2, "drop": ["0x1"]}, "none of the newest"),
        ("faults", {"fault": "flood"}, "refuse"),
        ("faults", {"fault": "lie", "times": 0}, "times"),
        ("faults", {"fault": "lie", "node": 3}, "node"),
        ("faults", {"fault": ["lie"]}, "fault"),
        ("faults", {"fault": "lie", "node": []}, "node"),
        ("send", [], "object"),
    ],
)
def test_what_cannot_be_done_gets_a_sentence_and_changes_nothing(world: World, what: str, body: Any, word: str) -> None:
    net = Net(world, "ERC20")
    net.stop()
    before = net.head()
    answer = world.session.post(f"{world.url}/control/chains/ERC20/{what}", json=body, timeout=5)

    assert answer.status_code == 422
    assert word in answer.json()["error"]
    assert answer.json()["error"].endswith(".")
    assert (net.head(), net.control("transfers", method="GET"), net.control("faults", method="GET")) == (before, [], [])


def test_an_address_of_tron_with_one_letter_changed_is_refused(world: World) -> None:
    for wrong in (ADA_ON_TRON[:-1] + "7", ADA_ON_TRON.replace("e", "f", 1), ADA_ON_TRON + "a", "T" + 33 * "z"):
        body = {"to": wrong, "amount": "1"}
        assert world.session.post(f"{world.url}/control/chains/TRC20/send", json=body, timeout=5).status_code == 422


def test_a_network_that_does_not_exist_is_not_found(world: World) -> None:
    for method, path in (("POST", "control/chains/SOL/mine"), ("GET", "control/chains/SOL/transfers")):
        assert world.session.request(method, f"{world.url}/{path}", timeout=5).status_code == 404
    assert world.session.post(f"{world.url}/chains/SOL/jsonrpc", json={}, timeout=5).status_code == 404
    assert world.session.post(f"{world.url}/chains/TRC20/nodes/3/jsonrpc", json={}, timeout=5).status_code == 404


def test_a_reset_takes_the_transfers_and_the_faults_but_not_the_height(net: Net) -> None:
    sent = net.send(ADA, "75")
    net.control("faults", {"fault": "lie", "times": 5})
    net.world.control("settings", {"trc20_speed_up": 0, "bep20_speed_up": 0, "erc20_speed_up": 0})
    net.world.control("reset")

    assert net.head() >= sent["block"]
    assert net.logs(sent["block"]) == []
    assert net.control("transfers", method="GET") == []
    assert net.control("faults", method="GET") == []
    assert net.world.look("settings")["trc20_speed_up"] > 0


def test_chains_survive_a_killed_process_and_go_on_meanwhile(tmp_path: Path) -> None:
    def start() -> Any:
        return start_sandbox(port, "--data", str(tmp_path))

    port = free_port()
    process = start()
    with requests.Session() as session:
        nets = [Net(World(f"http://127.0.0.1:{port}", session), name) for name in NETWORKS]
        try:
            sent = [net.send(ADA, "75") for net in nets]
            dropped = [net.send(BOB, "1") for net in nets]
            for net, one in zip(nets, dropped, strict=True):
                net.control("reorg", {"depth": 1, "drop": [one["txHash"]]})
            before = [net.logs(one["block"]) for net, one in zip(nets, sent, strict=True)]
            heights = [net.head() for net in nets]
            process.send_signal(signal.SIGKILL)
            process.wait(10)
            time.sleep(0.5)
            process = start()
            after = [net.logs(one["block"]) for net, one in zip(nets, sent, strict=True)]
            later = [net.head() for net in nets]
        finally:
            process.terminate()
            process.wait(10)

    assert before == after
    assert [len(logs) for logs in after] == [1, 1, 1]
    assert all(height < newest for height, newest in zip(heights, later, strict=True))


# --- the page ---


def test_a_person_can_pay_look_and_play_fate_without_scripts(net: Net) -> None:
    def press(action: str, **fields: str) -> requests.Response:
        url = f"{net.world.url}/wallet/{net.name}/{action}"
        return net.world.session.post(url, data=fields, timeout=5)

    net.stop()
    home = net.world.session.get(f"{net.world.url}/", timeout=5).text
    page = press("send", to=f" {ADA} ", amount="75.5", token="USDT", **{"from": ""})
    (sent,) = net.control("transfers", method="GET")
    mined = press("mine", blocks="1")
    refused = press("send", to="0x12", amount="75.5", token="USDT")
    gone = press("reorg", depth="2", drop=sent["txHash"])
    press("send", to=ADA, amount="3", token="FAKE")
    final = press("finalize")

    assert f"/wallet/{net.name}" in home
    assert page.ok
    assert "<script" not in page.text
    assert (sent["amount"], sent["to"] in page.text, f"{DEPTH[net.name]} to go" in page.text) == ("75.5", True, True)
    assert f"{DEPTH[net.name] - 1} to go" in mined.text
    assert (refused.status_code, "0x12" in refused.text, "An address is" in refused.text) == (422, True, True)
    assert sent["txHash"] not in gone.text
    assert ("fake USDT" in final.text, ">final<" in final.text) == (True, True)
    assert press("fault", fault="lie", times="2").ok
    assert net.control("faults", method="GET") == [{"node": 1, "fault": "lie", "times": 2}]
    assert press("disarm").ok
    assert net.control("faults", method="GET") == []
    assert press("mine", blocks="many").status_code == 422
    assert press("fault", fault="flood", times="1").status_code == 422
    assert press("burn").status_code == 404
