"""Deliveries, and everything that can be made to go wrong."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
import requests

from tests.sandbox.world import Receiver, World, eventually


def test_a_notice_that_is_taken_comes_once(world: World, receiver: Receiver) -> None:
    order = world.create(webhookUrl=receiver.url)
    world.pay(order)
    receiver.wait_for(1)
    receiver.stays_at(1, 0.9)
    delivery = world.look("deliveries")[0]

    assert (delivery["order"], delivery["attempt"], delivery["status"]) == (order["merchantTradeNo"], 1, 200)
    assert delivery["accepted"] is True


@pytest.mark.parametrize("answer", [(500, "SUCCESS"), (200, '{"returnCode":"FAIL"}'), (204, ""), (302, "SUCCESS")])
def test_a_notice_that_is_not_taken_comes_again_signed_anew(
    world: World, receiver: Receiver, answer: tuple[int, str]
) -> None:
    receiver.answers.insert(0, answer)
    world.pay(world.create(webhookUrl=receiver.url))
    first, second = receiver.wait_for(2)

    assert 0.4 < second.at - first.at < 2
    assert first.body == second.body
    assert first.headers["binancepay-nonce"] != second.headers["binancepay-nonce"]
    assert first.headers["binancepay-timestamp"] < second.headers["binancepay-timestamp"]


def test_a_notice_is_given_up_after_six_more_tries_at_doubling_intervals(world: World, receiver: Receiver) -> None:
    world.control("settings", {"webhook_retry_base_s": 0.05})
    receiver.answers = [(500, "no")]
    world.pay(world.create(webhookUrl=receiver.url))
    received = receiver.wait_for(7, within=10)
    gaps = [later.at - sooner.at for sooner, later in pairwise(received)]

    assert [gap > 0.05 * 2**number for number, gap in enumerate(gaps)] == [True] * 6
    receiver.stays_at(7, 0.5)
    assert [one["attempt"] for one in world.look("deliveries")] == [1, 2, 3, 4, 5, 6, 7]


def test_nobody_listening_is_a_failed_attempt(world: World) -> None:
    world.pay(world.create(webhookUrl="http://127.0.0.1:9/hook"))
    delivery = eventually(lambda: world.look("deliveries"))[0]

    assert (delivery["status"], delivery["accepted"], delivery["error"]) == (None, False, "ConnectionError")


def test_a_lost_notice_is_never_sent(world: World, receiver: Receiver) -> None:
    order = world.create(webhookUrl=receiver.url)
    world.pay(order, notify="lost")

    assert world.status(order) == "PAID"
    receiver.stays_at(0, 0.7)


def test_a_notice_can_come_twice(world: World, receiver: Receiver) -> None:
    world.pay(world.create(webhookUrl=receiver.url), notify="twice")
    first, second = receiver.wait_for(2)

    assert first.body == second.body
    receiver.stays_at(2, 0.7)


def test_a_notice_can_come_late(world: World, receiver: Receiver) -> None:
    order = world.create(webhookUrl=receiver.url)
    paid_at = time.time()
    world.pay(order, notify="late", delay_s=0.8)

    assert world.status(order) == "PAID"
    assert receiver.wait_for(1)[0].at - paid_at >= 0.8


@pytest.mark.parametrize("lie", ["forged", "altered"])
def test_a_lie_is_sent_once_even_if_refused(world: World, receiver: Receiver, lie: str) -> None:
    receiver.answers = [(401, '{"returnCode":"FAIL"}')]
    world.pay(world.create(webhookUrl=receiver.url), notify=lie)
    receiver.wait_for(1)
    receiver.stays_at(1, 0.8)


# --- faults ---


def test_a_refused_call_is_cut_without_an_answer_and_not_applied(world: World) -> None:
    world.control("faults", {"binance": [{"call": "create", "fault": "refuse", "times": 2}]})
    for _ in range(2):
        with pytest.raises(requests.ConnectionError):
            world.post("v3/order", world.order())

    assert world.look("orders") == []
    assert world.create()["prepayId"]


def test_a_timed_out_call_hangs_and_is_not_applied(world: World) -> None:
    world.control("faults", {"binance": [{"call": "create", "fault": "timeout", "delay_s": 0.6}]})
    started = time.monotonic()
    with pytest.raises(requests.ConnectionError):
        world.post("v3/order", world.order())

    assert time.monotonic() - started >= 0.6
    assert world.look("orders") == []


def test_an_accepted_call_is_applied_and_its_answer_lost(world: World) -> None:
    world.control("faults", {"binance": [{"call": "create", "fault": "accept_then_timeout", "delay_s": 0.3}]})
    body = world.order()
    with pytest.raises(requests.ConnectionError):
        world.post("v3/order", body)

    assert world.status(body) == "INITIAL"
    assert world.call("v3/order", body)["code"] == "400201"


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [("http_500", 500, "application/json"), ("http_429", 429, "text/plain"), ("html", 200, "text/html")],
)
def test_wrong_answers_leave_the_order_alone(world: World, fault: str, status: int, kind: str) -> None:
    order = world.create()
    world.control("faults", {"binance": [{"call": "close", "fault": fault}]})
    answer = world.post("order/close", {"prepayId": order["prepayId"]})

    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (status, kind)
    assert world.status(order) == "INITIAL"


def test_a_slow_call_is_answered_late(world: World) -> None:
    world.control("faults", {"binance": [{"call": "any", "fault": "slow", "delay_s": 0.4}]})
    started = time.monotonic()

    assert world.create()["prepayId"]
    assert time.monotonic() - started >= 0.4


def test_faults_are_used_up_call_by_call_and_can_be_seen(world: World) -> None:
    armed = {"binance": [{"call": "query", "fault": "html", "times": 2}], "calendly": [{"call": "me", "fault": "html"}]}
    world.control("faults", armed)
    world.create()
    world.post("v2/order/query", {"merchantTradeNo": "x"})

    assert world.look("faults") == {
        "binance": [{"call": "query", "fault": "html", "times": 1}],
        "calendly": [{"call": "me", "fault": "html", "times": 1}],
    }
    assert world.control("faults", method="DELETE") == {"binance": [], "calendly": []}


@pytest.mark.parametrize(
    "body",
    [
        {"paypal": []},
        {"binance": {}},
        {"binance": [{"call": "create"}]},
        {"binance": [{"call": "invent", "fault": "html"}]},
        {"binance": [{"call": "create", "fault": "explode"}]},
        {"binance": [{"call": "create", "fault": "html", "times": 0}]},
        {"binance": [{"call": "create", "fault": "html", "often": 1}]},
        {"binance": [{"call": "create", "fault": "slow", "delay_s": "1"}]},
        [],
    ],
)
def test_wrong_faults_are_refused_with_a_reason(world: World, body: object) -> None:
    answer = world.session.post(f"{world.url}/control/faults", json=body, timeout=5)

    assert answer.status_code == 400
    assert answer.json()["error"]
    assert world.look("faults") == {"binance": [], "calendly": []}


# --- notices of anything at all ---


def test_a_genuine_notice_can_tell_of_a_payment_nobody_knows(world: World, receiver: Receiver) -> None:
    data = '{"merchantTradeNo":"nobodys","totalFee":75.10000000,"currency":"USDT"}'
    sent = world.session.post(
        f"{world.url}/control/notices", data=f'{{"data":{data},"url":"{receiver.url}"}}', timeout=5
    ).json()
    notice = receiver.wait_for(1)[0]

    assert notice.outer == {
        "bizType": "PAY", "data": data, "bizIdStr": sent["bizIdStr"], "bizId": int(sent["bizIdStr"]),
        "bizStatus": "PAY_SUCCESS",
    }  # fmt: skip
    assert world.call("v2/order/query", {"prepayId": sent["bizIdStr"]})["code"] == "400202"
    assert [one["accepted"] for one in eventually(lambda: world.look("deliveries?order=nobodys"))] == [True]


def test_a_genuine_notice_can_tell_of_a_refund_nobody_knows_where_an_orders_notices_go(
    world: World, receiver: Receiver
) -> None:
    order = world.create(webhookUrl=receiver.url)
    data = {"merchantTradeNo": order["merchantTradeNo"], "refundInfo": {"refundRequestId": "nobodys"}}
    about = {"order": order["merchantTradeNo"], "biz_id": order["prepayId"]}
    sent = world.control("notices", {"biz_type": "PAY_REFUND", "data": data, **about})
    notice = receiver.wait_for(1)[0]

    assert sent == {"bizIdStr": order["prepayId"], "order": order["merchantTradeNo"], "url": receiver.url}
    assert (notice.outer["bizType"], notice.outer["bizStatus"]) == ("PAY_REFUND", "REFUND_SUCCESS")
    assert notice.outer["bizIdStr"] == order["prepayId"]
    assert notice.data == data


def test_a_genuine_notice_can_be_of_any_kind_and_hold_what_is_no_json(world: World, receiver: Receiver) -> None:
    body = {"biz_type": "BALANCE", "biz_status": "BALANCE_SUCCESS", "data": "{", "url": receiver.url}
    world.control("notices", body)
    outer = receiver.wait_for(1)[0].outer

    assert (outer["bizType"], outer["bizStatus"], outer["data"]) == ("BALANCE", "BALANCE_SUCCESS", "{")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"data": {}}, 400),
        ({"data": {}, "url": "https://example.com/hook"}, 400),
        ({"data": {}, "order": "nobody"}, 404),
        ({"url": "http://127.0.0.1:9/hook"}, 400),
        ({"data": [], "url": "http://127.0.0.1:9/hook"}, 400),
        ({"data": {}, "url": "http://127.0.0.1:9/hook", "biz_type": "BALANCE"}, 400),
        ({"data": {}, "url": "http://127.0.0.1:9/hook", "biz_type": 7}, 400),
        ({"data": {}, "url": "http://127.0.0.1:9/hook", "biz_id": "12x"}, 400),
        ({"data": {}, "url": "http://127.0.0.1:9/hook", "biz_id": 10**19}, 400),
        ({"data": {}, "url": "http://127.0.0.1:9/hook", "status": "x"}, 400),
    ],
)
def test_a_notice_that_cannot_be_sent_is_refused(world: World, body: object, status: int) -> None:
    answer = world.session.post(f"{world.url}/control/notices", json=body, timeout=5)

    assert (answer.status_code, world.look("deliveries")) == (status, [])
    assert answer.json()["error"]
