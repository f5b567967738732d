"""The three chains: what a payment looks like to whoever watches, when it is final, and how it can vanish."""

from __future__ import annotations

import time

import pytest

from tests.sandbox.chains import ADA, BOB, DECIMALS, DEPTH, NETWORKS, TRANSFER, Net, topic
from tests.sandbox.world import World


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
