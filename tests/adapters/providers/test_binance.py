"""The merchant API: against the sandbox, and against every odd answer its contract knows."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import requests
import responses
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspired.adapters.providers.binance import Refused
from inspired.adapters.redis import redis_server
from inspired.adapters.redis.throttle import HeldBack, Throttle
from inspired.domain.booking.booking import Checkout
from inspired.domain.booking.lifecycle import OrderObservation
from inspired.domain.booking.refunds import Outcome, RefundSeen
from inspired.domain.booking.states import Remote
from inspired.domain.shared.errors import UpstreamError
from inspired.domain.shared.money import Money
from inspired.settings import BINANCE_HOST
from tests.adapters.listeners import answering, failure_of, listening
from tests.adapters.merchants import WEBHOOK_URL, a_merchant
from tests.harness import free_port

TRADE_NO = "b" * 24 + "001"
NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
API = f"{BINANCE_HOST}/binancepay/openapi"


def usdt(amount: str) -> Money:
    return Money.parse(amount)


def create(merchant, *, price="75", trade_no=TRADE_NO, expires_at=None, seconds=5.0):
    return merchant.create(
        trade_no=trade_no,
        price=usdt(price),
        title="Portfolio review",
        reference="portfolio-review",
        expires_at=expires_at or datetime.now(UTC) + timedelta(minutes=15),
        page_url="http://127.0.0.1:9/booking/t",
        seconds=seconds,
    )


# --- against the sandbox --------------------------------------------------------------------------------------------


@pytest.fixture
def merchant(sandbox):
    return a_merchant(sandbox.sandbox)


@pytest.mark.parametrize("price", ["75", "0.1", "25.17", "0.00000001", "1000"])
def test_an_order_is_created_with_its_exact_price_and_end(merchant, sandbox, price):
    expires_at = datetime.now(UTC).replace(microsecond=123_000) + timedelta(minutes=15)

    checkout = create(merchant, price=price, expires_at=expires_at)

    [order] = sandbox.control("orders")
    assert order["merchantTradeNo"] == TRADE_NO
    assert usdt(order["amount"]) == usdt(price)
    assert order["currency"] == "USDT"
    assert order["status"] == "INITIAL"
    assert order["expireTime"] == round(expires_at.timestamp() * 1000)
    assert order["webhookUrl"] == WEBHOOK_URL
    assert checkout.prepay_id == order["prepayId"]
    assert checkout.checkout_url.startswith(f"{sandbox.sandbox}/checkout/")
    assert checkout.qr_content.startswith(f"{sandbox.sandbox}/qr/dplk")
    assert checkout.universal_url.startswith(f"{sandbox.sandbox}/payment/secpay?linkToken=")
    assert checkout.deep_link.startswith("bnc://app.binance.com/payment/secpay?")


def test_a_number_that_was_used_means_that_an_earlier_call_arrived(merchant):
    create(merchant)

    with pytest.raises(UpstreamError) as caught:
        create(merchant)

    assert (caught.value.code, caught.value.retryable, caught.value.maybe_applied) == ("400201", True, True)


def test_an_order_that_nobody_paid_has_no_money(merchant):
    create(merchant)
    before = datetime.now(UTC)

    seen = merchant.query(TRADE_NO)

    assert seen == OrderObservation(TRADE_NO, seen.asked_at, Remote.INITIAL, prepay_id=seen.prepay_id)
    assert seen.prepay_id
    assert seen.by_query
    assert before <= seen.asked_at <= datetime.now(UTC)


def test_when_it_was_asked_is_before_the_question_not_after_the_answer(merchant, sandbox):
    create(merchant)
    sandbox.control("faults", {"binance": [{"call": "query", "fault": "slow", "delay_s": 0.3}]})
    started = datetime.now(UTC)

    assert merchant.query(TRADE_NO).asked_at - started < timedelta(seconds=0.3)


@pytest.mark.parametrize("scientific", [False, True])
@pytest.mark.parametrize("amount", ["75", "0.00000001"])
def test_a_paid_order_tells_its_money_in_whatever_notation(merchant, sandbox, scientific, amount):
    create(merchant, price=amount)
    sandbox.control("settings", {"scientific_amounts": scientific})
    sandbox.control(f"orders/{TRADE_NO}/pay", {"notify": "lost"})

    seen = merchant.query(TRADE_NO)

    assert (seen.status, seen.money) == (Remote.PAID, usdt(amount))
    assert seen.transaction_id
    assert abs(seen.paid_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_an_order_the_provider_does_not_know_has_no_status(merchant):
    seen = merchant.query(TRADE_NO)

    assert seen == OrderObservation(TRADE_NO, seen.asked_at, None)


def test_an_answer_for_another_merchant_is_not_believed(sandbox):
    create(a_merchant(sandbox.sandbox))

    assert a_merchant(sandbox.sandbox, merchant_id="100000002").query(TRADE_NO).status is Remote.INITIAL
    with pytest.raises(UpstreamError, match="another merchant"):
        a_merchant(sandbox.sandbox, merchant_id="100000003").query(TRADE_NO)


def test_a_closed_order_is_seen_closed(merchant):
    create(merchant)

    merchant.close(TRADE_NO)

    assert merchant.query(TRADE_NO).status is Remote.CANCELED


def test_closing_what_is_paid_closed_or_unknown_is_no_failure(merchant, sandbox):
    merchant.close("c" * 24 + "001")
    create(merchant)
    sandbox.control(f"orders/{TRADE_NO}/pay", {"notify": "lost"})

    merchant.close(TRADE_NO)
    merchant.close(TRADE_NO)

    assert merchant.query(TRADE_NO).status is Remote.PAID


def test_an_order_past_its_time_is_seen_expired(merchant, sandbox):
    create(merchant)

    sandbox.control("clock", {"advance_s": 16 * 60})

    assert merchant.query(TRADE_NO).status is Remote.EXPIRED


@pytest.fixture
def paid(merchant, sandbox):
    """The prepay id of a paid order of 75 USDT."""
    checkout = create(merchant)
    sandbox.control(f"orders/{TRADE_NO}/pay", {"notify": "lost"})
    return checkout.prepay_id


def refund(merchant, prepay_id, amount, request_id="r1"):
    return merchant.refund(refund_request_id=request_id, prepay_id=prepay_id, amount=usdt(amount), reason="x" * 300)


def answered(refund_id, amount, in_all, remaining, seen):
    """Accepted, which tells nothing yet of the outcome."""
    return RefundSeen(
        refund_id,
        seen.asked_at,
        Outcome.PENDING,
        amount=usdt(amount),
        refunded_in_all=usdt(in_all),
        remaining=remaining,
    )


def test_parts_of_a_payment_are_refunded_one_after_the_other(merchant, paid):
    first = refund(merchant, paid, "25.5", "r1")
    second = refund(merchant, paid, "49.5", "r2")

    assert first == answered("r1", "25.5", "25.5", 9, first)
    assert second == answered("r2", "49.5", "75", 8, second)
    assert merchant.query(TRADE_NO).status is Remote.FULL_REFUNDED


def test_a_refund_repeated_with_its_id_is_answered_and_not_paid_again(merchant, sandbox, paid):
    refund(merchant, paid, "25")

    again = refund(merchant, paid, "25")

    assert again == answered("r1", "25", "25", 9, again)
    assert len(sandbox.control("refunds")) == 1


def test_more_than_was_paid_is_never_refunded(merchant, paid):
    refund(merchant, paid, "74", "r1")

    with pytest.raises(Refused) as caught:
        refund(merchant, paid, "1.00000001", "r2")

    assert caught.value.code == "400303"


@pytest.mark.parametrize(
    ("outcome", "told"),
    [("success", Outcome.DONE), ("pending", Outcome.PENDING), ("fail", Outcome.FAILED)],
)
def test_what_became_of_a_refund_is_asked_by_its_id(merchant, sandbox, paid, outcome, told):
    sandbox.control("settings", {"refund_outcome": outcome})
    refund(merchant, paid, "10")

    seen = merchant.query_refund("r1", "USDT", trade_no=TRADE_NO)

    assert (seen.refund_id, seen.trade_no, seen.amount, seen.outcome) == ("r1", TRADE_NO, usdt("10"), told)


def test_a_refund_nobody_asked_for_is_not_known_there(merchant):
    seen = merchant.query_refund("never", "USDT", trade_no=TRADE_NO)

    assert seen == RefundSeen("never", seen.asked_at, None, TRADE_NO)


def test_a_commission_told_by_the_query_is_read(merchant, sandbox):
    sandbox.control("settings", {"commission": "0.01", "commission_in_query": True})
    create(merchant)
    sandbox.control(f"orders/{TRADE_NO}/pay", {"notify": "lost"})

    assert merchant.query(TRADE_NO).commission == usdt("0.75")


def test_every_call_leaves_evidence_of_its_outcome_and_nothing_else(sandbox):
    calls = []
    merchant = a_merchant(sandbox.sandbox, on_call=calls.append)
    create(merchant)

    merchant.query(TRADE_NO)
    merchant.query_refund("never", "USDT")

    assert [(call.path, call.reference, call.outcome) for call in calls] == [
        ("/v3/order", TRADE_NO, "ok"),
        ("/v2/order/query", TRADE_NO, "ok"),
        ("/order/refund/query", "never", "400202"),
    ]


@pytest.mark.parametrize("always_200", [False, True])
@pytest.mark.parametrize(("wrong", "code"), [({"secret_key": "wrong"}, "400002"), ({"api_key": "wrong"}, "400004")])
def test_a_refusal_of_every_call_is_worth_another_try_whatever_the_http_status(sandbox, wrong, code, always_200):
    sandbox.control("settings", {"always_200": always_200})

    with pytest.raises(Refused) as caught:
        a_merchant(sandbox.sandbox, **wrong).query(TRADE_NO)

    assert (caught.value.code, caught.value.retryable, caught.value.maybe_applied) == (code, True, False)


def test_a_clock_that_is_off_is_noticed_and_is_worth_another_try(sandbox):
    merchant = a_merchant(sandbox.sandbox, now=lambda: datetime.now(UTC) - timedelta(hours=1))
    assert merchant.clock_skew is None

    with pytest.raises(UpstreamError) as caught:
        create(merchant)

    assert (caught.value.code, caught.value.retryable, caught.value.maybe_applied) == ("400003", True, False)
    assert abs(merchant.clock_skew - 3600) < 10
    assert sandbox.control("orders") == []


def test_a_clock_that_is_right_shows_no_skew(merchant):
    merchant.query(TRADE_NO)

    assert abs(merchant.clock_skew) < 5


@pytest.mark.parametrize("fault", ["refuse", "timeout", "accept_then_timeout", "http_500", "http_429", "html"])
def test_after_a_fault_the_outcome_of_create_is_unknown_and_the_query_tells_it(merchant, sandbox, fault):
    sandbox.control("settings", {"hang_s": 1})
    sandbox.control("faults", {"binance": [{"call": "create", "fault": fault}]})

    with pytest.raises(UpstreamError) as caught:
        create(merchant, seconds=0.5)

    assert (caught.value.retryable, caught.value.maybe_applied) == (True, True)
    assert not isinstance(caught.value, Refused)
    assert merchant.query(TRADE_NO).status is (Remote.INITIAL if fault == "accept_then_timeout" else None)


def test_where_nobody_listens_nothing_was_applied():
    with pytest.raises(UpstreamError) as caught:
        create(a_merchant(f"http://127.0.0.1:{free_port()}"))

    assert not caught.value.maybe_applied


# --- the throttle ---------------------------------------------------------------------------------------------------


@pytest.fixture
def throttle(servers):
    """As in production, but that chance never makes anybody wait."""
    connection = redis_server.connect(servers.redis_url, seconds=2.0)
    connection.flushdb()
    yield Throttle(connection, service="binance", per_second=20, now=lambda: datetime.now(UTC), chance=lambda: 0)
    connection.close()


def ask(merchant, times=1):
    return [failure_of(lambda: merchant.query(TRADE_NO, seconds=0.5)) for _ in range(times)]


@pytest.mark.parametrize("fault", ["refuse", "timeout", "accept_then_timeout", "http_500", "http_429", "html"])
def test_whatever_is_no_usable_answer_is_told_as_a_failure_and_the_next_answer_ends_it(sandbox, throttle, fault):
    sandbox.control("settings", {"hang_s": 1})
    sandbox.control("faults", {"binance": [{"call": "query", "fault": fault}]})
    merchant = a_merchant(sandbox.sandbox, throttle=throttle)

    ask(merchant)
    failures = throttle.state().failures
    ask(merchant)

    assert (failures, throttle.state().failures) == (1, 0)


@pytest.mark.parametrize(
    ("status", "body", "failures"),
    [
        ("200 OK", {"status": "FAIL", "code": "400202"}, 0),
        ("400 Bad Request", {"status": "FAIL", "code": "400201"}, 0),
        ("200 OK", {"status": "ERROR", "code": "400000"}, 0),
        ("500 Internal Server Error", {"status": "FAIL", "code": "400000"}, 1),
        ("429 Too Many Requests", {"status": "FAIL", "code": "400007"}, 1),
        ("200 OK", ["no envelope"], 1),
    ],
)
def test_an_answer_in_the_services_own_words_is_none(throttle, status, body, failures):
    with listening(answering(json.dumps(body).encode(), status=status)) as provider:
        ask(a_merchant(provider.address, throttle=throttle))

    assert throttle.state().failures == failures


REFUSALS_OF_EVERY_CALL = {
    "the key": (401, {"status": "FAIL", "code": "400004", "errorMessage": "Invalid key"}, "400004 “Invalid key”"),
    "the key, with 200": (200, {"status": "FAIL", "code": "400004", "errorMessage": "No"}, "400004 “No”"),
    "as the FAQ prints it": (406, {"code": "400002", "msg": "Signature for"}, "400002 “Signature for”"),
    "our clock": (406, {"status": "FAIL", "code": "400003", "errorMessage": None}, "400003"),
    "the account": (403, {"status": "FAIL", "code": "400606"}, "400606"),
    "the region": (451, {"code": 0, "msg": "a restricted location"}, "HTTP 451 “a restricted location”"),
    "the region, with 200": (200, {"code": 0, "msg": "a restricted location"}, "HTTP 451 “a restricted location”"),
    "a web page of the network": (403, "<html>Request blocked.</html>", "HTTP 403"),
}


@pytest.mark.parametrize(("status", "body", "told"), REFUSALS_OF_EVERY_CALL.values(), ids=REFUSALS_OF_EVERY_CALL)
def test_whoever_is_refused_whatever_he_asks_for_is_paused_and_told_in_binances_words(throttle, status, body, told):
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    with listening(answering(raw, status=f"{status} .")) as provider:
        ask(a_merchant(provider.address, throttle=throttle), 3)

    state = throttle.state()
    assert state.refusal is not None
    assert state.refusal.told.startswith(f"{told}: ")
    assert "does not know" not in state.refusal.told
    assert (state.word, state.failures, state.open) == ("refused", 0, False)


def test_a_success_is_no_refusal_whatever_the_http_status(throttle):
    with listening(answering(ok(True).encode(), status="403 .")) as provider:
        for _ in range(5):
            a_merchant(provider.address, throttle=throttle).close(TRADE_NO)

    assert throttle.state().word == "ok"


@pytest.mark.parametrize(
    ("status", "code"), [(400, "400201"), (400, "400202"), (400, "400103"), (403, "400301"), (400, "400100")]
)
def test_a_refusal_of_what_was_asked_is_none_of_who_asks(throttle, status, code):
    with listening(answering(json.dumps({"status": "FAIL", "code": code}).encode(), status=f"{status} .")) as provider:
        ask(a_merchant(provider.address, throttle=throttle), 5)

    assert throttle.state().word == "ok"


@pytest.mark.parametrize(("asked", "least", "most"), [("20", 15, 20), ("soon", 0, 0), ("99999999", 0, 0)])
def test_a_429_says_how_long_to_stay_away(throttle, asked, least, most):
    many = answering(b"Too many", status="429 Too Many Requests", headers=f"Retry-After: {asked}\r\n")
    with listening(many) as provider:
        ask(a_merchant(provider.address, throttle=throttle))

    until = throttle.state().until
    left = (until - datetime.now(UTC)).total_seconds() if until else 0
    assert least <= left <= most


def test_while_the_breaker_is_open_nothing_goes_out(throttle):
    with listening(answering(b"away", status="503 Service Unavailable")) as provider:
        merchant = a_merchant(provider.address, throttle=throttle)

        seen = ask(merchant, 9)
        created = failure_of(lambda: create(merchant))

    assert len(provider.requests) == 5
    assert [isinstance(one, HeldBack) for one in [*seen, created]] == [False] * 5 + [True] * 5
    assert (created.retryable, created.maybe_applied) == (True, False)


def test_queries_leave_room_for_orders_refunds_and_certificates(sandbox, throttle):
    merchant = a_merchant(sandbox.sandbox, throttle=throttle)
    while throttle_lets_through(throttle):
        pass

    held_back = ask(merchant)
    closing = failure_of(lambda: merchant.close(TRADE_NO))
    create(merchant)
    merchant.certificates()
    refund = failure_of(
        lambda: merchant.refund(refund_request_id="r1", prepay_id="1", amount=usdt("1"), reason="because")
    )

    assert [type(one) for one in (*held_back, closing, refund)] == [HeldBack, HeldBack, Refused]


def throttle_lets_through(throttle):
    return failure_of(lambda: throttle.take(urgent=False, seconds=1.0)) is None


# --- odd answers ----------------------------------------------------------------------------------------------------


@pytest.fixture
def door():
    """The real host's address, with nobody behind it but the test."""
    with responses.RequestsMock() as mocked:
        yield mocked


def ok(data) -> str:
    return json.dumps({"status": "SUCCESS", "code": "000000", "data": data})


def no(code, **more) -> str:
    return json.dumps({"status": "FAIL", "code": code, **more})


UNKNOWN_OUTCOMES = {
    "the gateway's own error": (400, '{"status":"ERROR","type":"SYS","code":"100001001","errorData":"abnormal"}'),
    "an error with a code that looks definite": (200, '{"status":"ERROR","code":"400201"}'),
    "a web page of the network": (403, "<HTML><TITLE>403 ERROR</TITLE>CloudFront</HTML>"),
    "a restricted location": (451, '{"code":0,"msg":"Service unavailable from a restricted location"}'),
    "an unknown error": (500, no("400000", errorMessage="Unknown error")),
    "an unknown error with 200": (200, no("400000")),
    "a code of another kind": (200, no("50001")),
    "a long code": (200, no("4002010")),
    "no code": (200, '{"status":"FAIL"}'),
    "nothing": (200, ""),
    "a failing gateway": (502, "Bad Gateway"),
    "too many": (429, "slow down"),
    "too many, with an envelope": (429, no("400001")),
    "a list": (200, "[]"),
    "a number": (200, "7"),
    "null": (200, "null"),
    "half an answer": (200, '{"status":"SUCC'),
    "not a number": (200, '{"status":"SUCCESS","code":"000000","data":NaN}'),
    "too deep": (200, "[" * 100_000),
    "not UTF-8": (200, b"\xff\xfe\xfd"),
    "success with an error code": (200, '{"status":"SUCCESS","code":"400000"}'),
    "failure with the code of success": (200, no("000000")),
    "the code as a number": (200, '{"status":"SUCCESS","code":0,"data":{}}'),
    "success without data": (200, ok(None)),
    "success with a list": (200, ok([])),
    "success with a text": (200, ok("x")),
    "success with nothing in it": (200, ok({})),
}


@pytest.mark.parametrize(("status", "body"), UNKNOWN_OUTCOMES.values(), ids=UNKNOWN_OUTCOMES)
def test_an_answer_that_says_nothing_definite_leaves_the_outcome_unknown(door, status, body):
    door.post(f"{API}/v3/order", body=body, status=status)

    with pytest.raises(UpstreamError) as caught:
        create(a_merchant())

    assert (caught.value.retryable, caught.value.maybe_applied) == (True, True)


DEFINITE = {
    "as documented": (400, no("400101", errorMessage="a parameter is missing"), "missing"),
    "with 200": (200, no("400205", errorMessage="order"), "order"),
    "as the FAQ prints it": (406, '{"code":"400103","msg":"goodsName is not valid."}', "goodsName is not valid."),
    "the code as a number": (400, '{"status":"FAIL","code":400608,"errorMessage":null}', "400608"),
    "a very long message": (400, no("400101", errorMessage="x" * 5000), "xxx"),
}


@pytest.mark.parametrize(("status", "body", "words"), DEFINITE.values(), ids=DEFINITE)
def test_a_code_of_the_api_is_a_definite_no_in_whatever_form(door, status, body, words):
    door.post(f"{API}/v3/order", body=body, status=status)

    with pytest.raises(Refused, match=words) as caught:
        create(a_merchant())

    assert (caught.value.retryable, caught.value.maybe_applied) == (False, False)
    assert len(str(caught.value)) < 300


def test_a_success_is_a_success_whatever_the_http_status(door):
    door.post(f"{API}/order/close", body=ok(True), status=500)

    a_merchant().close(TRADE_NO)


def test_a_refused_close_that_is_neither_paid_nor_unknown_is_told(door):
    door.post(f"{API}/order/close", body=no("400004"), status=401)

    with pytest.raises(Refused):
        a_merchant().close(TRADE_NO)


@pytest.mark.parametrize(
    "error",
    [requests.ReadTimeout(), requests.ConnectionError("reset"), requests.exceptions.ChunkedEncodingError()],
    ids=lambda error: type(error).__name__,
)
def test_after_a_broken_connection_the_outcome_is_unknown(door, error):
    door.post(f"{API}/v3/order", body=error)

    with pytest.raises(UpstreamError) as caught:
        create(a_merchant())

    assert (caught.value.retryable, caught.value.maybe_applied) == (True, True)


@pytest.mark.parametrize("error", [requests.ConnectTimeout()], ids=["ConnectTimeout"])
def test_a_connection_that_never_came_about_applied_nothing(door, error):
    door.post(f"{API}/v3/order", body=error)

    with pytest.raises(UpstreamError) as caught:
        create(a_merchant())

    assert not caught.value.maybe_applied


# --- create's answer ------------------------------------------------------------------------------------------------

CREATED = {
    "currency": "USDT",
    "totalFee": "75",
    "prepayId": "363969700195475457",
    "terminalType": "WEB",
    "expireTime": 1700003600000,
    "qrcodeLink": "https://public.bnbstatic.com/static/payment/20231114/0.jpg",
    "qrContent": "https://app.binance.com/qr/dplk0",
    "checkoutUrl": "https://pay.binance.com/en/checkout/0",
    "deeplink": "bnc://app.binance.com/payment/secpay?tempToken=A",
    "universalUrl": "https://app.binance.com/payment/secpay?linkToken=0&_dp=Ym5jOi8v",
}


def created(door, **changes) -> Checkout:
    """What create makes of the real host's answer with these changes; None leaves a member out."""
    data = {name: value for name, value in {**CREATED, **changes}.items() if value is not None}
    door.post(f"{API}/v3/order", body=ok(data))
    return create(a_merchant())


def test_create_asks_for_what_the_contract_wants(door):
    door.post(f"{API}/v3/order", body=ok(CREATED))

    create(a_merchant(), expires_at=NOW)

    assert json.loads(door.calls[0].request.body) == {
        "env": {"terminalType": "WEB"},
        "merchantTradeNo": TRADE_NO,
        "orderAmount": 75,
        "currency": "USDT",
        "description": "Portfolio review",
        "goodsDetails": [
            {
                "goodsType": "02",
                "goodsCategory": "Z000",
                "referenceGoodsId": "portfolio-review",
                "goodsName": "Portfolio review",
            }
        ],
        "returnUrl": "http://127.0.0.1:9/booking/t",
        "cancelUrl": "http://127.0.0.1:9/booking/t",
        "orderExpireTime": 1795514400000,
        "webhookUrl": WEBHOOK_URL,
    }


def test_a_captured_answer_is_read_whole(door):
    assert created(door) == Checkout(
        prepay_id=CREATED["prepayId"],
        qr_content=CREATED["qrContent"],
        checkout_url=CREATED["checkoutUrl"],
        deep_link=CREATED["deeplink"],
        universal_url=CREATED["universalUrl"],
    )


ELSEWHERE = [
    "http://pay.binance.com/en/checkout/0",
    "https://binance.com.evil.example/",
    "https://evilbinance.com/",
    "https://pay.binance.com@evil.example/",
    "https://evil.example\\@pay.binance.com/",
    "https://evil.example/?pay.binance.com",
    "//evil.example/",
    "javascript:alert(1)//pay.binance.com",
    "data:text/html,<script>",
    "https://[pay.binance.com/",
    "https://pay.binance.com/" + "x" * 600,
    "https://pay.binance.com/\ud800",
    "",
    7,
    True,
    ["https://pay.binance.com/"],
    {},
    None,
]


@pytest.mark.parametrize("url", ELSEWHERE, ids=lambda url: str(url)[:30].encode("ascii", "replace").decode())
def test_addresses_that_lead_elsewhere_are_dropped(door, url):
    checkout = created(door, checkoutUrl=url, universalUrl=url, deeplink=url)

    assert checkout == Checkout(CREATED["prepayId"], CREATED["qrContent"], "", "", "")


@pytest.mark.parametrize(
    "url",
    ["https://pay.binance.com/x", "https://www.binance.com/x", "https://binance.com", "https://pay.binance.me/a?b=c"],
)
def test_binances_own_addresses_are_kept(door, url):
    assert created(door, checkoutUrl=url).checkout_url == url


def test_in_the_sandbox_only_the_sandboxs_own_addresses_are_kept():
    base = "http://127.0.0.1:4711"
    data = {
        **CREATED,
        "qrContent": f"{base}/qr/1",
        "checkoutUrl": "http://127.0.0.1:4712/checkout",
        "universalUrl": "https://app.binance.com/payment/secpay",
    }
    with responses.RequestsMock() as door:
        door.post(f"{base}/binancepay/openapi/v3/order", body=ok(data))
        checkout = create(a_merchant(base))

    assert (checkout.qr_content, checkout.checkout_url, checkout.universal_url) == (f"{base}/qr/1", "", "")


@pytest.mark.parametrize(
    "changes",
    [
        {"totalFee": "74.99999999"},
        {"totalFee": "750"},
        {"totalFee": "seventy-five"},
        {"totalFee": True},
        {"totalFee": {}},
        {"currency": "BUSD"},
        {"currency": None},
        {"prepayId": None},
        {"prepayId": ""},
        {"prepayId": {"$ne": 1}},
        {"qrContent": None, "checkoutUrl": None},
        {"qrContent": "https://evil.example/", "checkoutUrl": "https://evil.example/"},
    ],
    ids=str,
)
def test_an_order_with_another_price_or_without_a_way_to_pay_is_not_used(door, changes):
    with pytest.raises(UpstreamError, match="cannot be used") as caught:
        created(door, **changes)

    assert caught.value.maybe_applied


@pytest.mark.parametrize(
    "changes",
    [
        {"totalFee": "75.00000000"},
        {"totalFee": "7.5E+1"},
        {"totalFee": 75},
        {"totalFee": None},
        {"prepayId": 363969700195475457},
        {"qrContent": None},
        {"checkoutUrl": None},
        {"expireTime": "soon", "terminalType": None, "qrcodeLink": 7},
    ],
    ids=str,
)
def test_small_differences_do_not_matter(door, changes):
    checkout = created(door, **changes)

    assert checkout.prepay_id == CREATED["prepayId"]
    assert checkout.qr_content or checkout.checkout_url


# --- query's answer -------------------------------------------------------------------------------------------------

QUERIED = {
    "merchantId": 100000002,
    "prepayId": "363969700195475457",
    "transactionId": "M_S_000000000000000001",
    "merchantTradeNo": TRADE_NO,
    "status": "PAID",
    "currency": "USDT",
    "openUserId": "0" * 32,
    "transactTime": 1700000123456,
    "createTime": 1700000000000,
    "paymentInfo": {"payerId": "1", "payMethod": "spot", "paymentInstructions": [], "channel": "DEFAULT"},
    "orderAmount": "75.00000000",
}


def queried(door, *, raw: str = "", **changes) -> OrderObservation:
    data = {name: value for name, value in {**QUERIED, **changes}.items() if value is not None}
    door.post(f"{API}/v2/order/query", body=raw or ok(data))
    return a_merchant(now=lambda: NOW).query(TRADE_NO)


def test_a_captured_query_is_read_whole(door):
    assert queried(door) == OrderObservation(
        trade_no=TRADE_NO,
        asked_at=NOW,
        status=Remote.PAID,
        money=usdt("75"),
        prepay_id="363969700195475457",
        transaction_id="M_S_000000000000000001",
        paid_at=datetime(2023, 11, 14, 22, 15, 23, 456_000, tzinfo=UTC),
        by_query=True,
    )
    assert json.loads(door.calls[0].request.body) == {"merchantTradeNo": TRADE_NO}


@pytest.mark.parametrize(
    ("word", "status"),
    [
        *((str(one), one) for one in Remote),
        ("PAY_SUCCESS", Remote.UNKNOWN),
        ("paid", Remote.UNKNOWN),
        ("", Remote.UNKNOWN),
        (None, Remote.UNKNOWN),
        (True, Remote.UNKNOWN),
        (["PAID"], Remote.UNKNOWN),
    ],
    ids=str,
)
def test_a_status_is_the_providers_word_and_anything_else_is_unknown(door, word, status):
    seen = queried(door, status=word)

    assert seen.status is status
    assert (seen.money is not None) == status.has_money


@pytest.mark.parametrize(
    ("wire", "amount"),
    [
        ('"75.00000000"', "75"),
        ('"7.5E+1"', "75"),
        ("75", "75"),
        ("75.00000000", "75"),
        ("7.5E1", "75"),
        ('"1E-8"', "0.00000001"),
        ("1.0E-7", "0.0000001"),
        ("74.99999999999999", None),
        ("123456789012.12345678", "123456789012.12345678"),
        ('"NaN"', None),
        ('"75,00"', None),
        ("1E+999999999", None),
        ("true", None),
        ("{}", None),
        ("null", None),
    ],
)
def test_amounts_are_exact_in_every_notation_and_what_cannot_be_read_is_no_money(door, wire, amount):
    raw = ok(QUERIED).replace('"75.00000000"', wire)

    seen = queried(door, raw=raw)

    assert seen.status is Remote.PAID
    assert seen.money == (None if amount is None else usdt(amount))


def test_the_currency_is_told_as_it_is(door):
    assert queried(door, currency="BNB").money == Money.parse("75", "BNB")


@pytest.mark.parametrize("number", ["c" * 24 + "001", "", None, 7], ids=str)
def test_an_answer_about_another_order_is_not_believed(door, number):
    with pytest.raises(UpstreamError, match="another order"):
        queried(door, merchantTradeNo=number)


@pytest.mark.parametrize("moment", ["soon", None, {}, 10**30, -(10**30), True, "1E3"], ids=str)
def test_a_time_that_is_none_is_left_out(door, moment):
    paid_at = queried(door, transactTime=moment).paid_at

    assert paid_at is None or paid_at.year == 1970


def test_a_time_out_of_all_bounds_does_not_hold_us_up(door):
    raw = ok(QUERIED).replace("1700000123456", "1E+999999999")

    assert queried(door, raw=raw).paid_at is None


def test_a_text_that_cannot_be_stored_is_mended(door):
    assert queried(door, transactionId="P_\ud800").transaction_id.encode()


NONSENSE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)

SUCCESS = {"status": st.just("SUCCESS"), "code": st.just("000000")}
ABOUT_IT = {"merchantTradeNo": st.just(TRADE_NO)}
MEMBERS = dict.fromkeys(
    (
        *("status", "orderAmount", "currency", "transactTime", "transactionId"),
        *("prepayId", "totalFee", "qrContent", "checkoutUrl", "deeplink", "universalUrl"),
        *("refundAmount", "refundedAmount", "remainingAttempts", "refundStatus"),
    ),
    NONSENSE,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(
    answers=st.one_of(
        NONSENSE,
        st.fixed_dictionaries({}, optional=dict.fromkeys(("status", "code", "data", "errorMessage"), NONSENSE)),
        st.fixed_dictionaries({**SUCCESS, "data": st.fixed_dictionaries(ABOUT_IT, optional=MEMBERS)}),
    )
)
def test_nonsense_of_any_shape_is_a_value_or_one_kind_of_failure(answers):
    with responses.RequestsMock() as door:
        for path in ("v3/order", "v2/order/query", "order/refund", "certificates"):
            door.post(f"{API}/{path}", body=json.dumps(answers))
        merchant = a_merchant()
        for call in (
            lambda: create(merchant),
            lambda: merchant.query(TRADE_NO),
            lambda: refund(merchant, "1", "1"),
            merchant.certificates,
        ):
            error = failure_of(call)
            assert error is None or error.service == "binance"


# --- refund's answer ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"refundAmount": None},
        {"refundedAmount": "much"},
        {"remainingAttempts": "nine"},
        {"remainingAttempts": None},
    ],
    ids=str,
)
def test_a_refund_whose_answer_cannot_be_read_has_an_unknown_outcome(door, changes):
    data = {"refundRequestId": "r1", "refundAmount": "1", "refundedAmount": "1", "remainingAttempts": 9, **changes}
    door.post(f"{API}/order/refund", body=ok(data))

    with pytest.raises(UpstreamError) as caught:
        refund(a_merchant(), "1", "1")

    assert caught.value.maybe_applied


def test_a_refund_is_asked_for_in_exact_numbers(door):
    data = {"refundRequestId": "r1", "refundAmount": "25.5", "refundedAmount": "25.5", "remainingAttempts": 9}
    door.post(f"{API}/order/refund", body=ok(data))

    refund(a_merchant(), "363969700195475457", "25.5")

    assert json.loads(door.calls[0].request.body) == {
        "refundRequestId": "r1",
        "prepayId": "363969700195475457",
        "refundAmount": "25.5",
        "refundReason": "x" * 256,
        "webhookUrl": WEBHOOK_URL,
    }
