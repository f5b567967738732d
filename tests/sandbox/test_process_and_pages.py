"""Starting, stopping, surviving; the control API's manners; the pages for people."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.sandbox.world import API_KEY, ROOT, SECRET, Receiver, World, eventually, free_port, start_sandbox


def test_a_paid_order_a_booking_and_the_keys_survive_a_killed_process(tmp_path: Path) -> None:
    port = free_port()
    process = start_sandbox(port, "--data", str(tmp_path))
    with requests.Session() as session:
        world = World(f"http://127.0.0.1:{port}", session)
        try:
            order, other = world.create(), world.create()
            world.pay(order, amount="149.5")
            world.schedule("deep-dive", world.free_times("deep-dive")[0], utm_content="token")
            world.control("clock", {"advance_s": 60})
            before = [world.look(what) for what in ("orders", "events")], world.call("certificates", {})["data"]
            process.send_signal(signal.SIGKILL)
            process.wait(10)
            process = start_sandbox(port, "--data", str(tmp_path))
            after = [world.look(what) for what in ("orders", "events")], world.call("certificates", {})["data"]
            fresh = world.create()
        finally:
            process.terminate()
            process.wait(10)

    assert after == before
    assert (before[0][0][0]["status"], before[0][0][0]["paidAmount"]) == ("PAID", "149.5")
    assert fresh["prepayId"] not in (order["prepayId"], other["prepayId"])


def test_a_notice_on_its_way_survives_too(tmp_path: Path, receiver: Receiver) -> None:
    port = free_port()
    process = start_sandbox(port, "--data", str(tmp_path))
    with requests.Session() as session:
        world = World(f"http://127.0.0.1:{port}", session)
        try:
            world.pay(world.create(webhookUrl=receiver.url), notify="late", delay_s=1.5)
            process.send_signal(signal.SIGKILL)
            process.wait(10)
            assert receiver.received == []
            process = start_sandbox(port, "--data", str(tmp_path))
            receiver.wait_for(1)
        finally:
            process.terminate()
            process.wait(10)


def test_it_ends_within_two_seconds_even_with_a_call_hanging() -> None:
    port = free_port()
    process = start_sandbox(port)
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        url = f"http://127.0.0.1:{port}/control/faults"
        requests.post(url, json={"calendly": [{"call": "me", "fault": "timeout", "delay_s": 60}]}, timeout=5)
        connection.request("GET", "/calendly/users/me")
        time.sleep(0.2)
        process.terminate()
        assert process.wait(2) == 0
    finally:
        connection.close()
        process.kill()
        process.wait(10)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread looks every half second")
def test_it_dies_with_its_parent_when_asked_to() -> None:
    port = free_port()
    command = [
        sys.executable, "-m", "inspired.sandbox", "--port", str(port), "--api-key", API_KEY, "--secret-key", SECRET,
        "--die-with-parent",
    ]  # fmt: skip
    code = f"import subprocess,time; subprocess.Popen({command!r}); time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    eventually(lambda: _is_up(port), within=15)
    parent.kill()
    parent.wait(10)

    eventually(lambda: not _is_up(port), within=3)


def _is_up(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=1).ok
    except requests.RequestException:
        return False


@pytest.mark.parametrize("key", ["a" * 64, ""])
def test_it_does_not_start_with_a_key_that_looks_real_or_is_missing(key: str) -> None:
    command = [sys.executable, "-m", "inspired.sandbox", "--port", str(free_port()), "--secret-key", "s"]
    done = subprocess.run([*command, "--api-key", key], cwd=ROOT, capture_output=True, text=True, timeout=20)

    assert done.returncode == 2
    assert "api_key" in done.stderr


def test_connections_stay_open_and_answers_are_quick(world: World) -> None:
    host, _, port = world.url.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port))
    taken = []
    for _ in range(50):
        started = time.perf_counter()
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        answer.read()
        taken.append(time.perf_counter() - started)
        assert not answer.will_close
    connection.close()

    assert sorted(taken)[25] < 0.02  # 40 ms is what Nagle's algorithm and a delayed ACK would cost


# --- the control API ---


def test_orders_are_shown_as_agreed_oldest_first(world: World) -> None:
    first, second = world.create(webhookUrl="http://localhost:9/hook"), world.create()
    shown = world.look("orders")
    agreed = ("prepayId", "amount", "currency", "status", "expireTime", "webhookUrl")

    assert [one["merchantTradeNo"] for one in shown] == [first["merchantTradeNo"], second["merchantTradeNo"]]
    assert {name: shown[0][name] for name in agreed} == {
        "prepayId": first["prepayId"], "amount": "150", "currency": "USDT", "status": "INITIAL",
        "expireTime": first["expireTime"], "webhookUrl": "http://localhost:9/hook",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("orders/nobody/pay", {}, 404),
        ("orders/{order}/pay", {"amount": "-1"}, 400),
        ("orders/{order}/pay", {"amount": {"$gt": 0}}, 400),
        ("orders/{order}/pay", {"notify": "loudly"}, 400),
        ("orders/{order}/pay", {"delay_s": "1"}, 400),
        ("orders/{order}/pay", {"tip": 1}, 400),
        ("orders/{order}/pay", {"currency": "busd"}, 400),
        ("orders/{order}/pay", {"currency": 7}, 400),
        ("orders/{order}/refund", {"all": True}, 400),
        ("orders/nobody/refund", {}, 404),
        ("orders/{order}/pay", [], 400),
        ("orders/{order}/close", {"now": True}, 400),
        ("clock", {}, 400),
        ("clock", {"advance_s": "1"}, 400),
        ("settings", {"unknown": 1}, 400),
        ("settings", {"always_200": "yes"}, 400),
        ("settings", {"refund_outcome": "maybe"}, 400),
        ("settings", {"commission": "1.01"}, 400),
        ("settings", {"commission": "-0.01"}, 400),
        ("settings", {"commission": "a little"}, 400),
        ("settings", {"commission": "NaN"}, 400),
        ("settings", {"commission": 0.01}, 400),
        ("events/nobody/cancel", {}, 404),
        ("refunds/nobody/complete", {}, 404),
        ("nothing", {}, 404),
    ],
)
def test_wrong_control_calls_get_a_clear_refusal(world: World, path: str, body: Any, status: int) -> None:
    order = world.create()
    url = f"{world.url}/control/{path.format(order=order['merchantTradeNo'])}"
    answer = world.session.post(url, json=body, timeout=5)

    assert answer.status_code == status
    assert answer.json()["error"]
    assert world.status(order) == "INITIAL"


def test_calls_are_listed_with_outcome_and_time(world: World) -> None:
    order = world.create()
    world.call("v2/order/query", {"merchantTradeNo": "nobody"})
    create, query = world.look("calls")

    assert (create["call"], create["outcome"], create["merchantTradeNo"]) == (
        "create", "000000", order["merchantTradeNo"]
    )  # fmt: skip
    assert (query["call"], query["outcome"], query["status"]) == ("query", "400202", 400)
    assert 0 < create["ms"] < 1_000


def test_reset_forgets_orders_and_faults_but_not_who_listens(world: World, receiver: Receiver) -> None:
    me = world.calendly("GET", "users/me").json()["resource"]
    hook = {"url": receiver.url, "events": ["invitee.created"], "organization": me["current_organization"]}
    world.calendly("POST", "webhook_subscriptions", json=hook)
    world.create()
    world.control("clock", {"advance_s": 5})
    world.control("faults", {"binance": [{"call": "any", "fault": "html"}]})
    world.control("reset")
    world.schedule("deep-dive", world.free_times("deep-dive")[0])

    assert world.look("orders") == []
    assert world.look("faults") == {"binance": [], "calendly": []}
    assert world.look("clock")["offset_s"] == 0
    receiver.wait_for(1)


def test_a_call_that_hangs_over_a_reset_is_not_listed_after_it(world: World) -> None:
    world.control("faults", {"binance": [{"call": "create", "fault": "timeout", "delay_s": 0.6}]})
    with pytest.raises(requests.Timeout):
        requests.post(f"{world.url}/binancepay/openapi/v3/order", data=b"{}", timeout=0.2)
    world.control("reset")
    time.sleep(0.8)

    assert world.look("calls") == []


# --- pages ---


def test_a_person_can_pay_from_the_qr_code(world: World) -> None:
    order = world.create()
    page = world.session.get(order["qrContent"], timeout=5)
    assert page.url == order["checkoutUrl"]
    assert "SANDBOX" in page.text
    assert "Pay 150 USDT" in page.text
    done = world.session.post(page.url, data={"action": "pay"}, timeout=5)

    assert ">PAID<" in done.text
    assert world.status(order) == "PAID"


def test_every_link_of_an_order_leads_to_its_checkout(world: World) -> None:
    order = world.create()
    links = [order["qrcodeLink"], order["universalUrl"], order["checkoutUrl"]]

    assert {world.session.get(link, timeout=5).url for link in links} == {order["checkoutUrl"]}


def test_a_person_can_pay_less_close_and_pay_late(world: World) -> None:
    short, closed = world.create(), world.create()
    world.session.post(short["checkoutUrl"], data={"action": "pay", "amount": "1.5", "notify": "lost"}, timeout=5)
    world.session.post(closed["checkoutUrl"], data={"action": "close"}, timeout=5)
    refused = world.session.post(closed["checkoutUrl"], data={"action": "pay"}, timeout=5)
    before = world.status(closed)
    world.session.post(closed["checkoutUrl"], data={"action": "pay", "force": "1"}, timeout=5)

    assert world.look("orders")[0]["paidAmount"] == "1.5"
    assert (refused.status_code, before, world.status(closed)) == (409, "CANCELED", "PAID")


def test_the_page_of_buttons_works_without_scripts(world: World) -> None:
    order = world.create()
    booked = world.schedule("deep-dive", world.free_times("deep-dive")[0]).json()
    number = order["merchantTradeNo"]

    def press(path: str, **fields: str) -> requests.Response:
        return world.session.post(f"{world.url}/buttons/{path}", data=fields, timeout=5)

    home = world.session.get(f"{world.url}/", timeout=5).text
    assert number in home
    assert "<script" not in home
    assert press(f"orders/{number}/pending").ok
    assert press(f"orders/{number}/pay", notify="lost").ok
    assert press(f"orders/{number}/close").status_code == 409
    assert press(f"events/{booked['id']}/reschedule").ok
    assert press("fault", call="binance create", fault="html", times="3").ok
    assert press("fault", call="binance create", fault="html", times="many").status_code == 400
    assert press("clock", minutes="5").ok
    assert world.status(order) == "PAID"
    assert world.look("faults")["binance"] == [{"call": "create", "fault": "html", "times": 3}]
    assert world.look("clock")["offset_s"] == 300
    assert press("reset").ok
    assert world.look("orders") == []


def test_money_can_be_given_back_by_hand_from_the_page_once_it_is_there(world: World) -> None:
    order = world.create()
    path = f"/buttons/orders/{order['merchantTradeNo']}/refund"
    before = world.session.get(f"{world.url}/", timeout=5).text
    world.pay(order, currency="BUSD")
    paid = world.session.get(f"{world.url}/", timeout=5).text
    world.session.post(f"{world.url}{path}", data={"amount": "50"}, timeout=5)
    too_much = world.session.post(f"{world.url}{path}", data={"amount": "100.01"}, timeout=5)
    partly = world.status(order)
    after = world.session.post(f"{world.url}{path}", data={"amount": ""}, timeout=5).text

    assert [path in page for page in (before, paid, after)] == [False, True, False]
    assert "arrived: 150 BUSD" in paid
    assert (too_much.status_code, partly, world.status(order)) == (409, "REFUNDED", "FULL_REFUNDED")
    assert [one["amount"] for one in world.look("refunds")] == ["50", "100"]


def test_a_customer_can_cancel_and_move_by_the_links_in_the_invitee(world: World) -> None:
    booked = world.schedule("deep-dive", world.free_times("deep-dive")[0]).json()
    invitee = world.calendly("GET", booked["invitee"]["uri"]).json()["resource"]
    moved = world.session.get(invitee["reschedule_url"], timeout=5)
    world.session.post(
        invitee["reschedule_url"], data={"start_time": world.free_times("deep-dive")[-1]}, timeout=5
    )  # fmt: skip
    fresh = world.look("events")[1]
    link = world.calendly("GET", fresh["invitee"]["uri"]).json()["resource"]["cancel_url"]
    world.session.post(link, data={"reason": "ill"}, timeout=5)

    assert moved.ok
    assert [one["status"] for one in world.look("events")] == ["canceled", "canceled"]
    assert world.look("events")[1]["cancellation"]["reason"] == "ill"
