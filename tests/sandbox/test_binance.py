"""The shapes and rules of the merchant API."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest
import requests

from tests.sandbox.world import Receiver, World, eventually

HOUR_MS = 3_600_000


# --- create ---


def test_a_created_order_has_the_captured_members_in_their_order_and_types(world: World) -> None:
    before = int(time.time() * 1000)
    answer = world.call("v3/order", world.order(orderAmount="10.50"))
    data = answer["data"]
    token = data["checkoutUrl"].rpartition("/")[2]

    assert list(answer) == ["status", "code", "data"]
    assert (answer["status"], answer["code"]) == ("SUCCESS", "000000")
    assert list(data) == [
        "currency", "totalFee", "prepayId", "terminalType", "expireTime", "qrcodeLink", "qrContent", "checkoutUrl",
        "deeplink", "universalUrl",
    ]  # fmt: skip
    assert data["totalFee"] == "10.5"
    assert isinstance(data["prepayId"], str)
    assert int(data["prepayId"]) > 2**53
    assert int(float(data["prepayId"])) != int(data["prepayId"])
    assert len(data["prepayId"]) == 18
    assert before + HOUR_MS <= data["expireTime"] <= int(time.time() * 1000) + HOUR_MS
    assert data["checkoutUrl"] == f"{world.url}/checkout/{token}"
    assert data["qrContent"] == f"{world.url}/qr/dplk{token}"
    assert data["deeplink"].startswith("bnc://app.binance.com/payment/secpay?tempToken=")


def test_v2_takes_goods_and_no_description(world: World) -> None:
    body = world.order(description=None, goodsDetails=None, goods=world.order()["goodsDetails"][0])

    assert world.call("v2/order", body)["status"] == "SUCCESS"
    assert world.call("v3/order", body)["code"] == "400100"


@pytest.mark.parametrize("amount", [25.17, "25.17", 1, "1E-8", "20000.00000001"])
def test_amounts_may_be_numbers_or_text(world: World, amount: Any) -> None:
    order = world.create(orderAmount=amount)
    asked = world.call("v2/order/query", {"prepayId": order["prepayId"]})["data"]

    assert Decimal(asked["orderAmount"]) == Decimal(str(amount))
    assert len(asked["orderAmount"].partition(".")[2]) == 8


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"merchantTradeNo": None}, "400100"),
        ({"merchantTradeNo": "a" * 33}, "400101"),
        ({"merchantTradeNo": "with-hyphen"}, "400103"),
        ({"merchantTradeNo": {"$ne": 1}}, "400100"),
        ({"env": None}, "400100"),
        ({"env": {"terminalType": "TV"}}, "400102"),
        ({"currency": None}, "400100"),
        ({"currency": "usdt"}, "400102"),
        ({"orderAmount": None}, "400100"),
        ({"orderAmount": 0}, "400102"),
        ({"orderAmount": "-1"}, "400102"),
        ({"orderAmount": "1.000000001"}, "400102"),
        ({"orderAmount": "NaN"}, "400102"),
        ({"orderAmount": True}, "400102"),
        ({"goodsDetails": []}, "400100"),
        ({"goodsDetails": {"goodsType": "02"}}, "400100"),
        ({"description": None}, "400100"),
        ({"returnUrl": "http://x/" + "a" * 256}, "400101"),
        ({"passThroughInfo": "a" * 513}, "400101"),
        ({"orderExpireTime": 60_000}, "400102"),
        ({"orderExpireTime": "soon"}, "400100"),
        ({"webhookUrl": "https://example.com/hook"}, "400102"),
        ({"webhookUrl": "http://127.0.0.1.example.com/hook"}, "400102"),
    ],
)
def test_wrong_fields_are_refused_by_kind(world: World, changed: dict[str, Any], code: str) -> None:
    answer = world.post("v3/order", world.order(**changed))

    assert (answer.status_code, answer.json()["status"], answer.json()["code"]) == (400, "FAIL", code)
    assert world.look("orders") == []


@pytest.mark.parametrize("name", ['with "quotes"', "back\\slash", "emoji \N{GRINNING FACE}"])
def test_goods_names_with_special_characters_are_refused(world: World, name: str) -> None:
    goods = world.order()["goodsDetails"][0] | {"goodsName": name}

    assert world.call("v3/order", world.order(goodsDetails=[goods]))["code"] == "400103"


def test_unknown_fields_are_ignored(world: World) -> None:
    assert world.create(merchantId="98765987", somethingElse=[1])["prepayId"]


def test_a_used_trade_number_is_refused_even_with_the_same_content(world: World) -> None:
    body = world.order()
    world.call("v3/order", body)
    again = world.call("v3/order", body)

    assert again == {"status": "FAIL", "code": "400201", "errorMessage": "merchantTradeNo is invalid or duplicated"}


def test_fiat_prices_become_usdt(world: World) -> None:
    order = world.create(orderAmount=None, currency=None, fiatAmount="75", fiatCurrency="USD")

    assert (order["currency"], order["totalFee"], order["fiatAmount"]) == ("USDT", "75", "75")


# --- who may ask ---


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"BinancePay-Certificate-SN": "another"}, 401, "400004"),
        ({"timestamp": "1700000000000"}, 406, "400003"),
        ({"timestamp": "1700000000"}, 406, "400003"),
        ({"nonce": "short"}, 406, "400002"),
        ({"nonce": "x" * 31 + "-"}, 406, "400002"),
        ({"secret": "another"}, 406, "400002"),
        ({"BinancePay-Signature": ""}, 406, "400002"),
        ({"Content-Type": "text/plain"}, 415, "400007"),
    ],
)
def test_calls_must_be_signed_fresh_and_json(world: World, changed: dict[str, str], status: int, code: str) -> None:
    answer = world.post("v3/order", world.order(), **changed)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert world.look("orders") == []


def test_checks_come_in_their_order_key_then_time_then_signature_then_body(world: World) -> None:
    wrong: dict[str, str] = {"BinancePay-Certificate-SN": "x", "timestamp": "1", "secret": "x"}
    codes = []
    for name in (*wrong, "body"):
        codes.append(world.post("v3/order", b"[]", **wrong).json()["code"])
        wrong.pop(name, None)

    assert codes == ["400004", "400003", "400002", "400008"]


def test_the_signature_covers_the_raw_bytes(world: World) -> None:
    spaced = b'{ "merchantTradeNo" :  "none" }'
    headers = world.signed_headers(spaced.replace(b" ", b""))
    url = f"{world.url}/binancepay/openapi/v2/order/query"

    assert world.post("v2/order/query", spaced).json()["code"] == "400202"
    assert requests.post(url, data=spaced, headers=headers, timeout=5).json()["code"] == "400002"


def test_refusals_can_all_come_with_http_200(world: World) -> None:
    world.control("settings", {"always_200": True})
    answer = world.post("v3/order", world.order(), secret="another")

    assert (answer.status_code, answer.json()["code"]) == (200, "400002")


def test_the_time_window_is_a_setting_and_stays_on_the_real_clock(world: World) -> None:
    old = str(int(time.time() * 1000) - 8_000)
    world.control("clock", {"advance_s": -8})
    strict = world.post("certificates", {}, timestamp=old).json()["code"]
    world.control("settings", {"timestamp_window_ms": 60_000})
    wide = world.post("certificates", {}, timestamp=old).json()["code"]

    assert (strict, wide) == ("400003", "000000")


def test_what_never_reaches_the_api_is_not_answered_with_its_envelope(world: World) -> None:
    base = f"{world.url}/binancepay/openapi"
    system = {"status": "ERROR", "type": "SYS", "code": "100001001", "errorData": "System abnormality"}
    wrong_path = world.post("v3/order/create", {})

    assert world.session.get(f"{base}/v3/order", timeout=5).json() == system
    assert world.session.post(f"{base}/v3/order", timeout=5).json() == system
    assert (wrong_path.status_code, wrong_path.headers["Content-Type"].split(";")[0]) == (403, "text/html")


# --- query, close, expire, pay ---


def test_an_unpaid_order_is_queried_with_exactly_the_captured_members(world: World) -> None:
    order = world.create()
    answer = world.call("v2/order/query", {"merchantTradeNo": order["merchantTradeNo"]})

    assert list(answer["data"]) == [
        "merchantId", "prepayId", "merchantTradeNo", "status", "currency", "createTime", "orderAmount"
    ]  # fmt: skip
    assert answer["data"] | {"createTime": 0, "merchantId": 0} == {
        "merchantId": 0, "prepayId": order["prepayId"], "merchantTradeNo": order["merchantTradeNo"],
        "status": "INITIAL", "currency": "USDT", "createTime": 0, "orderAmount": "150.00000000",
    }  # fmt: skip


def test_a_paid_order_is_queried_with_the_payment_as_text(world: World) -> None:
    order = world.create(passThroughInfo="token")
    world.pay(order)
    data = world.call("v2/order/query", {"prepayId": order["prepayId"], "merchantTradeNo": "ignored"})["data"]

    assert (data["status"], data["orderAmount"], data["passThroughInfo"]) == ("PAID", "150.00000000", "token")
    assert data["transactionId"].startswith("M_S_")
    assert isinstance(data["transactTime"], int)
    assert data["paymentInfo"] | {"payerId": ""} == {
        "payerId": "", "payMethod": "funding", "channel": "DEFAULT",
        "paymentInstructions": [{"currency": "USDT", "amount": "150.00000000", "price": "1"}],
    }  # fmt: skip


def test_an_unknown_order_is_not_found(world: World) -> None:
    answer = world.call("v2/order/query", {"merchantTradeNo": "nobody"})

    assert answer == {"status": "FAIL", "code": "400202", "errorMessage": "Order not found."}
    assert world.call("v2/order/query", {})["code"] == "400100"


def test_close_answers_true_and_tells_by_webhook(world: World, receiver: Receiver) -> None:
    order = world.create(webhookUrl=receiver.url)
    answer = world.call("order/close", {"merchantTradeNo": order["merchantTradeNo"], "prepayId": None})
    notice = receiver.wait_for(1)[0]

    assert answer == {"status": "SUCCESS", "code": "000000", "data": True, "errorMessage": None}
    assert world.status(order) == "CANCELED"
    assert notice.outer["bizStatus"] == "PAY_CLOSED"
    assert list(notice.data) == [
        "merchantTradeNo", "productType", "productName", "transactTime", "tradeType", "totalFee", "currency",
        "commission",
    ]  # fmt: skip


@pytest.mark.parametrize("before", ["pay", "pending", "close"])
def test_an_order_with_activity_cannot_be_closed(world: World, before: str) -> None:
    order = world.create()
    world.control(f"orders/{order['merchantTradeNo']}/{before}")

    assert world.call("order/close", {"prepayId": order["prepayId"]})["code"] == "400204"


def test_a_delayed_close_can_lose_against_a_payment(world: World) -> None:
    world.control("settings", {"close_delay_s": 0.6})
    paid, closed = world.create(), world.create()
    for order in (paid, closed):
        world.call("order/close", {"prepayId": order["prepayId"]})
    world.pay(paid)

    assert world.status(closed) == "INITIAL"
    eventually(lambda: world.status(closed) == "CANCELED")
    assert world.status(paid) == "PAID"


def test_an_order_expires_on_time_and_tells(world: World, receiver: Receiver) -> None:
    due = int(time.time() * 1000) + 700
    order = world.create(orderExpireTime=due, webhookUrl=receiver.url)
    notice = receiver.wait_for(1)[0]

    assert order["expireTime"] == due
    assert 0 <= notice.at * 1000 - due < 1_000
    assert notice.outer["bizStatus"] == "PAY_CLOSED"
    assert world.status(order) == "EXPIRED"


def test_the_clock_expires_orders_that_are_there_and_not_later_ones(world: World, receiver: Receiver) -> None:
    old = world.create(webhookUrl=receiver.url)
    world.control("clock", {"advance_s": 3_601})
    new = world.create()

    assert (world.status(old), world.status(new)) == ("EXPIRED", "INITIAL")
    receiver.wait_for(1)


def test_pay_success_has_the_captured_shape_and_exact_numbers(world: World, receiver: Receiver) -> None:
    order = world.create(orderAmount="75.10", webhookUrl=receiver.url, passThroughInfo="token")
    world.pay(order)
    notice = receiver.wait_for(1)[0]
    outer, data = notice.outer, notice.data

    assert list(outer) == ["bizType", "data", "bizIdStr", "bizId", "bizStatus"]
    assert (outer["bizType"], outer["bizStatus"]) == ("PAY", "PAY_SUCCESS")
    assert (outer["bizIdStr"], outer["bizId"]) == (order["prepayId"], int(order["prepayId"]))
    assert b'\\"totalFee\\":75.10000000,' in notice.body
    assert b": " not in notice.body
    assert data["paymentInfo"]["paymentInstructions"] == [{"currency": "USDT", "amount": 75.1, "price": 1}]
    assert (data["merchantTradeNo"], data["passThroughInfo"]) == (order["merchantTradeNo"], "token")


def test_amounts_can_come_in_scientific_notation(world: World, receiver: Receiver) -> None:
    world.control("settings", {"scientific_amounts": True})
    order = world.create(orderAmount="10.5", webhookUrl=receiver.url)
    world.pay(order)

    assert b'\\"totalFee\\":1.05E+1,' in receiver.wait_for(1)[0].body
    assert world.call("v2/order/query", {"prepayId": order["prepayId"]})["data"]["orderAmount"] == "1.05E+1"


@pytest.mark.parametrize("arrives", ["149.99", "150.01"])
def test_short_and_over_payments_show_what_arrived_everywhere(world: World, receiver: Receiver, arrives: str) -> None:
    order = world.create(webhookUrl=receiver.url)
    world.pay(order, amount=arrives)
    asked = world.call("v2/order/query", {"prepayId": order["prepayId"]})["data"]

    assert receiver.wait_for(1)[0].data["totalFee"] == float(arrives)
    assert Decimal(asked["orderAmount"]) == Decimal(arrives)
    assert Decimal(asked["paymentInfo"]["paymentInstructions"][0]["amount"]) == Decimal(arrives)


def test_money_can_come_in_another_currency_than_was_asked_for(world: World, receiver: Receiver) -> None:
    order = world.create(webhookUrl=receiver.url)
    shown = world.pay(order, currency="BUSD")
    asked = world.call("v2/order/query", {"prepayId": order["prepayId"]})["data"]
    told = receiver.wait_for(1)[0].data

    assert (shown["currency"], shown["paidCurrency"]) == ("USDT", "BUSD")
    assert (asked["currency"], asked["orderAmount"], asked["status"]) == ("BUSD", "150.00000000", "PAID")
    assert asked["paymentInfo"]["paymentInstructions"][0]["currency"] == "BUSD"
    assert (told["currency"], told["totalFee"]) == ("BUSD", 150)
    assert told["paymentInfo"]["paymentInstructions"] == [{"currency": "BUSD", "amount": 150, "price": 1}]


def test_a_lie_can_be_about_another_currency(world: World, receiver: Receiver) -> None:
    order = world.create(webhookUrl=receiver.url)
    world.pay(order, currency="BUSD", notify="forged")

    assert receiver.wait_for(1)[0].data["currency"] == "BUSD"
    assert world.call("v2/order/query", {"prepayId": order["prepayId"]})["data"]["currency"] == "USDT"


def test_the_commission_of_a_payment_is_told_exactly_and_an_unpaid_order_has_none(
    world: World, receiver: Receiver
) -> None:
    world.control("settings", {"commission": "0.0125"})
    paid, closed = world.create(orderAmount="75.10", webhookUrl=receiver.url), world.create(webhookUrl=receiver.url)
    world.pay(paid)
    world.call("order/close", {"prepayId": closed["prepayId"]})
    told = {one.outer["bizStatus"]: one for one in receiver.wait_for(2)}

    assert b'\\"commission\\":0.93875000,' in told["PAY_SUCCESS"].body
    assert told["PAY_CLOSED"].data["commission"] == 0
    assert "commission" not in world.call("v2/order/query", {"prepayId": paid["prepayId"]})["data"]


def test_the_commission_in_a_query_is_text_and_has_its_own_switch(world: World) -> None:
    world.control("settings", {"commission": "0.01", "commission_in_query": True})
    paid, unpaid = world.create(), world.create()
    world.pay(paid, amount="149.99")

    assert world.call("v2/order/query", {"prepayId": paid["prepayId"]})["data"]["commission"] == "1.49990000"
    assert "commission" not in world.call("v2/order/query", {"prepayId": unpaid["prepayId"]})["data"]


def test_late_money_arrives_unless_it_is_told_not_to(world: World, receiver: Receiver) -> None:
    order = world.create(webhookUrl=receiver.url)
    path = f"orders/{order['merchantTradeNo']}"
    world.control(f"{path}/close")
    refused = world.session.post(f"{world.url}/control/{path}/pay", json={"force": False}, timeout=5)
    world.pay(order)

    assert refused.status_code == 409
    assert world.status(order) == "PAID"
    assert {one.outer["bizStatus"] for one in receiver.wait_for(2)} == {"PAY_CLOSED", "PAY_SUCCESS"}


# --- refunds ---


def _paid(world: World, receiver: Receiver | None = None, amount: str = "150.00") -> dict[str, Any]:
    order = world.create(orderAmount=amount, webhookUrl=receiver.url if receiver else None)
    world.pay(order, notify="lost")
    return order


def _refund(world: World, order: dict[str, Any], request_id: str, amount: object) -> Any:
    body = {"refundRequestId": request_id, "prepayId": order["prepayId"], "refundAmount": amount}
    return world.call("order/refund", body)


def test_refunds_add_up_and_tell(world: World, receiver: Receiver) -> None:
    order = _paid(world, receiver)
    first = _refund(world, order, "refund-1", 50.5)["data"]
    partly = world.status(order)
    _refund(world, order, "refund-2", "99.5")
    notices = receiver.wait_for(2)

    assert first | {"refundId": 0, "payerOpenId": ""} == {
        "refundId": 0, "refundRequestId": "refund-1", "prepayId": order["prepayId"], "orderAmount": "150.00000000",
        "refundedAmount": "50.50000000", "refundAmount": "50.50000000", "remainingAttempts": 9, "payerOpenId": "",
        "duplicateRequest": "N",
    }  # fmt: skip
    assert (partly, world.status(order)) == ("REFUNDED", "FULL_REFUNDED")
    assert {one.outer["bizType"] for one in notices} == {"PAY_REFUND"}
    assert {one.data["refundInfo"]["refundRequestId"] for one in notices} == {"refund-1", "refund-2"}


def test_a_repeated_refund_is_answered_and_not_done_again(world: World) -> None:
    order = _paid(world)
    _refund(world, order, "same", 10)
    again = _refund(world, order, "same", 10)["data"]
    asked = world.call("order/refund/query", {"refundRequestId": "same"})["data"]

    assert (again["duplicateRequest"], again["refundedAmount"]) == ("Y", "10.00000000")
    assert (asked["refundStatus"], asked["remainingAttempts"]) == ("REFUND_SUCCESS", 9)
    assert len(world.look("refunds")) == 1


def test_refund_refusals(world: World) -> None:
    order, unpaid = _paid(world), world.create()
    _refund(world, order, "some", 100)

    assert _refund(world, order, "more", "50.01")["code"] == "400303"
    assert _refund(world, unpaid, "unpaid", 1)["code"] == "400301"
    assert _refund(world, {"prepayId": "1"}, "unknown", 1)["code"] == "400301"
    assert world.call("order/refund/query", {"refundRequestId": "more"})["code"] == "400202"
    world.control("settings", {"merchant_balance": "5"})
    assert _refund(world, order, "poor", 6)["code"] == "400304"


def test_the_tenth_refund_gives_back_everything_and_an_eleventh_is_refused(world: World) -> None:
    order = _paid(world)
    nine = [_refund(world, order, f"part{number}", 1)["data"] for number in range(9)]
    tenth = _refund(world, order, "part9", 1)["data"]

    assert [one["remainingAttempts"] for one in nine] == [9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert (tenth["refundAmount"], tenth["remainingAttempts"]) == ("141.00000000", 0)
    assert world.status(order) == "FULL_REFUNDED"
    assert _refund(world, order, "part10", 1)["code"] == "400302"


@pytest.mark.parametrize(
    ("action", "refund_status", "biz_status", "order_status"),
    [
        ("complete", "REFUND_SUCCESS", "REFUND_SUCCESS", "FULL_REFUNDED"),
        ("reject", "REFUND_FAIL", "REFUND_REJECTED", "PAID"),
    ],
)
def test_a_pending_refund_ends_by_hand(
    world: World, receiver: Receiver, action: str, refund_status: str, biz_status: str, order_status: str
) -> None:
    world.control("settings", {"refund_outcome": "pending"})
    order = _paid(world, receiver)
    _refund(world, order, "slow", 150)
    before = world.call("order/refund/query", {"refundRequestId": "slow"})["data"]["refundStatus"], world.status(order)
    world.control(f"refunds/slow/{action}")

    assert before == ("REFUND_PENDING", "REFUNDING")
    assert receiver.wait_for(1)[0].outer["bizStatus"] == biz_status
    assert world.call("order/refund/query", {"refundRequestId": "slow"})["data"]["refundStatus"] == refund_status
    assert world.status(order) == order_status


def test_a_refund_that_is_rejected_at_once_was_never_refunded(world: World, receiver: Receiver) -> None:
    order = _paid(world, receiver)
    world.control("settings", {"refund_outcome": "fail", "merchant_balance": "200"})
    _refund(world, order, "no", 100)
    world.control("settings", {"refund_outcome": "success"})
    after = _refund(world, order, "yes", 60)["data"]
    asked = world.call("order/refund/query", {"refundRequestId": "no"})["data"]
    told = {one.outer["bizStatus"]: one.data["refundInfo"]["refundedAmount"] for one in receiver.wait_for(2)}

    assert (asked["refundStatus"], asked["refundedAmount"], asked["refundAmount"]) == (
        "REFUND_FAIL", "0.00000000", "100.00000000"
    )  # fmt: skip
    assert (after["refundedAmount"], after["remainingAttempts"]) == ("60.00000000", 8)
    assert told == {"REFUND_REJECTED": 0, "REFUND_SUCCESS": 60}
    assert world.look("settings")["merchant_balance"] == "140"
    assert world.status(order) == "REFUNDED"


def test_a_refund_rejected_later_counts_in_no_refund_after_it_and_the_balance_has_it_back(world: World) -> None:
    world.control("settings", {"refund_outcome": "pending", "merchant_balance": "150"})
    order = _paid(world)
    cumulative = [_refund(world, order, name, 50)["data"]["refundedAmount"] for name in ("first", "second", "third")]
    held = world.look("settings")["merchant_balance"]
    world.control("refunds/second/reject")
    after = [
        world.call("order/refund/query", {"refundRequestId": name})["data"]["refundedAmount"]
        for name in ("first", "second", "third")
    ]
    again = _refund(world, order, "fourth", 50)["data"]

    assert cumulative == ["50.00000000", "100.00000000", "150.00000000"]
    assert after == ["50.00000000", "50.00000000", "100.00000000"]
    assert (held, again["refundedAmount"], again["remainingAttempts"]) == ("0", "150.00000000", 6)


def test_rejected_refunds_use_up_attempts_too_and_the_tenth_ignores_its_amount(world: World) -> None:
    world.control("settings", {"refund_outcome": "fail"})
    order = _paid(world)
    nine = [_refund(world, order, f"part{number}", 1)["data"] for number in range(9)]
    world.control("settings", {"refund_outcome": "success"})
    tenth = _refund(world, order, "part9", 1_000)["data"]

    assert nine[-1]["remainingAttempts"] == 1
    assert (tenth["refundAmount"], tenth["refundedAmount"], tenth["remainingAttempts"]) == (
        "150.00000000", "150.00000000", 0
    )  # fmt: skip


@pytest.mark.parametrize(("notify", "notices"), [("lost", 0), ("twice", 2)])
def test_the_notice_of_a_refunds_end_can_be_lost_or_doubled(
    world: World, receiver: Receiver, notify: str, notices: int
) -> None:
    world.control("settings", {"refund_outcome": "pending"})
    order = _paid(world, receiver)
    _refund(world, order, "slow", 150)
    world.control("refunds/slow/complete", {"notify": notify})

    assert world.status(order) == "FULL_REFUNDED"
    receiver.wait_for(notices)
    receiver.stays_at(notices, 0.5)


# --- refunds by hand, in Binance's own console ---


def _refund_by_hand(world: World, order: dict[str, Any], **what: object) -> Any:
    return world.control(f"orders/{order['merchantTradeNo']}/refund", what)


def test_a_refund_by_hand_gives_back_all_that_is_left_and_tells_nobody(world: World, receiver: Receiver) -> None:
    order = _paid(world, receiver)
    _refund(world, order, "ours", 50)
    receiver.wait_for(1)
    shown = _refund_by_hand(world, order)

    assert shown | {"refundRequestId": "", "reason": None} == {
        "refundRequestId": "", "prepayId": order["prepayId"], "console": True, "reason": None,
        "merchantTradeNo": order["merchantTradeNo"], "amount": "100", "refundedAmount": "150",
        "status": "REFUND_SUCCESS", "remainingAttempts": 8,
    }  # fmt: skip
    assert [one["console"] for one in world.look("refunds")] == [False, True]
    assert world.status(order) == "FULL_REFUNDED"
    receiver.stays_at(1, 0.7)


def test_a_refund_by_hand_uses_an_attempt_and_counts_in_later_ones(world: World) -> None:
    world.control("settings", {"merchant_balance": "100", "refund_outcome": "pending"})
    order = _paid(world)
    _refund_by_hand(world, order, amount="30.5")
    partly = world.status(order)
    ours = _refund(world, order, "ours", 10)["data"]

    assert partly == "REFUNDED"
    assert (ours["refundedAmount"], ours["remainingAttempts"]) == ("40.50000000", 8)
    assert _refund(world, order, "more", 110)["code"] == "400303"
    assert world.look("settings")["merchant_balance"] == "59.5"


def test_the_api_knows_a_refund_by_hand_by_no_id(world: World) -> None:
    made = _refund_by_hand(world, _paid(world))

    assert world.call("order/refund/query", {"refundRequestId": made["refundRequestId"]})["code"] == "400202"


@pytest.mark.parametrize(("amount", "status"), [("150.01", 409), ("0", 400), ("much", 400)])
def test_a_refund_by_hand_of_a_wrong_amount_is_refused(world: World, amount: str, status: int) -> None:
    order = _paid(world)
    url = f"{world.url}/control/orders/{order['merchantTradeNo']}/refund"
    answer = world.session.post(url, json={"amount": amount}, timeout=5)

    assert (answer.status_code, world.look("refunds"), world.status(order)) == (status, [], "PAID")


def test_what_was_never_paid_is_not_refunded_by_hand(world: World) -> None:
    order = world.create()
    answer = world.session.post(f"{world.url}/control/orders/{order['merchantTradeNo']}/refund", timeout=5)

    assert (answer.status_code, answer.json()["code"], world.status(order)) == (409, "400301", "INITIAL")
