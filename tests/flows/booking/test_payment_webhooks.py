import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import requests

from inspired.adapters.providers.binance import WebhookHeaders
from inspired.adapters.providers.binance_webhooks import read_webhook
from inspired.domain.booking.history import EventKind
from inspired.domain.booking.ledger import balances
from inspired.domain.booking.states import Flag, State
from inspired.domain.shared.errors import BadSignature
from inspired.domain.shared.money import Money
from inspired.flows.booking import payment_webhooks
from inspired.services import Services
from tests.conftest import Mailbox
from tests.flows.steps import later, live, pay
from tests.harness import Servers, wait_until
from tests.web.catcher import Catcher


@pytest.fixture
def env_changes(catcher: Catcher) -> dict[str, str]:
    return {"BINANCE_PAY_WEBHOOK_URL": catcher.url}


def caught(catcher: Catcher, number: int = 1) -> tuple[WebhookHeaders, bytes]:
    headers, raw = catcher.wait_for(number)[number - 1]
    return (
        WebhookHeaders(
            headers["BinancePay-Certificate-SN"],
            headers["BinancePay-Nonce"],
            headers["BinancePay-Timestamp"],
            headers["BinancePay-Signature"],
        ),
        raw,
    )


def test_a_signed_notice_is_written_down_and_leads_to_the_confirmation(
    svc: Services, sandbox: Servers, catcher: Catcher
):
    booking = live(svc)
    pay(sandbox, booking, notify="now")
    headers, raw = caught(catcher)

    assert payment_webhooks.receive(svc, headers, raw) is True

    (webhook_id,) = svc.logs.due(svc.now(), 10)
    webhook = svc.logs.get(webhook_id)
    assert webhook.booking_id == booking.id
    assert b"totalFee" not in webhook.raw, "raw notices are sealed"
    payment_webhooks.work(svc, webhook_id)
    assert svc.bookings.get(booking.id).state is State.CONFIRMED
    assert svc.logs.verdict_on(webhook_id) == "applied: CONFIRMED"
    assert svc.logs.due(svc.now(), 10) == []


def test_the_same_notice_twice_is_one_entry_and_one_effect(svc: Services, sandbox: Servers, catcher: Catcher):
    booking = live(svc)
    pay(sandbox, booking, notify="now")
    headers, raw = caught(catcher)

    assert [payment_webhooks.receive(svc, headers, raw) for _ in range(3)] == [True, False, False]
    (webhook_id,) = svc.logs.due(svc.now(), 10)
    for _ in range(3):
        payment_webhooks.work(svc, webhook_id)

    history = [event.kind for event in svc.bookings.get(booking.id).history]
    assert history.count(EventKind.CONFIRMED) == 1


def test_an_altered_notice_changes_nothing(svc: Services, sandbox: Servers, catcher: Catcher):
    booking = live(svc)
    pay(sandbox, booking, notify="now")
    headers, raw = caught(catcher)

    with pytest.raises(BadSignature):
        payment_webhooks.receive(svc, headers, raw.replace(b"PAY_SUCCESS", b"PAY_CLOSED "))

    assert svc.logs.due(svc.now(), 10) == []


def test_a_notice_alone_makes_it_paid_while_the_provider_cannot_be_asked(
    svc: Services, sandbox: Servers, catcher: Catcher
):
    booking = live(svc)
    pay(sandbox, booking, notify="now")
    payment_webhooks.receive(svc, *caught(catcher))
    sandbox.control("faults", {"binance": [{"call": "query", "fault": "http_500", "times": 1}]})

    (webhook_id,) = svc.logs.due(svc.now(), 10)
    payment_webhooks.work(svc, webhook_id)

    assert svc.bookings.get(booking.id).state is State.PAID


def test_a_notice_of_an_order_we_do_not_know_is_kept_and_the_owner_told(svc: Services, mailbox: Mailbox):
    svc.logs.add_webhook(_a_notice_about_nobody(svc))

    payment_webhooks.work(svc, "orphan-1")

    assert svc.logs.verdict_on("orphan-1") == "orphan"
    assert len(mailbox.subjects_to("owner@example.com")) == 1
    (orphan,) = svc.orphans.waiting()
    assert (orphan.id, orphan.trade_no, orphan.money) == ("orphan-1", "z" * 27, Money.parse("50"))
    assert balances(svc.ledger.of("orphan-1")) == {
        ("binance", "USDT"): Money.parse("50"),
        ("suspense", "USDT"): Money.parse("-50"),
    }


def test_an_orphan_payment_that_the_owner_settled_is_out_of_the_list_and_out_of_the_books(svc: Services):
    svc.logs.add_webhook(_a_notice_about_nobody(svc))
    payment_webhooks.work(svc, "orphan-1")

    for _ in range(2):
        payment_webhooks.settle_orphan(svc, "orphan-1", "refunded in the console")

    assert svc.orphans.waiting() == []
    assert svc.orphans.get("orphan-1").note == "refunded in the console"
    assert balances(svc.ledger.of("orphan-1")) == {}
    assert len(svc.ledger.of("orphan-1")) == 2


def test_the_closing_of_an_order_we_do_not_know_is_no_payment_and_troubles_nobody(svc: Services, mailbox: Mailbox):
    svc.logs.add_webhook(replace(_a_notice_about_nobody(svc), biz_status="PAY_CLOSED", raw=b"", key=b""))

    payment_webhooks.work(svc, "orphan-1")

    assert svc.logs.verdict_on("orphan-1").startswith("ignored")
    assert (svc.orphans.waiting(), mailbox.messages) == ([], [])


def test_the_owner_is_tried_to_be_told_of_it_for_days(svc: Services, mailbox: Mailbox):
    svc.logs.add_webhook(_a_notice_about_nobody(svc))
    mailbox.refuse = "451 later"
    for hours in range(0, 40, 2):
        payment_webhooks.work(later(svc, hours=hours), "orphan-1")
    assert svc.logs.verdict_on("orphan-1") == ""
    mailbox.refuse = ""

    payment_webhooks.work(later(svc, hours=40), "orphan-1")

    assert svc.logs.verdict_on("orphan-1") == "orphan"
    assert len(mailbox.subjects_to("owner@example.com")) == 1


def test_ten_at_once_tell_the_owner_of_it_once(svc: Services, mailbox: Mailbox):
    svc.logs.add_webhook(_a_notice_about_nobody(svc))

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: payment_webhooks.work(svc, "orphan-1"), range(10)))

    assert svc.logs.verdict_on("orphan-1") == "orphan"
    assert len(mailbox.subjects_to("owner@example.com")) == 1


def _a_notice_about_nobody(svc: Services):
    from inspired.adapters.mongo.payment_logs import Webhook

    key = svc.vault.new_key("orphan-1")
    told = {"bizStatus": "PAY_SUCCESS", "data": {"totalFee": "50", "currency": "USDT"}}
    raw = svc.vault.seal(key, "orphan-1", "notice", json.dumps(told))
    return Webhook("orphan-1", svc.now(), "PAY", "PAY_SUCCESS", "z" * 27, "", raw, key, "orphan-1", {}, svc.now())


def test_two_partial_refunds_of_one_order_stay_two_entries():
    def webhook(request: str) -> bytes:
        data = json.dumps({"merchantTradeNo": "T1", "refundInfo": {"refundRequestId": request}})
        return json.dumps(
            {"bizType": "PAY_REFUND", "data": data, "bizIdStr": "1", "bizId": 1, "bizStatus": "REFUND_SUCCESS"}
        ).encode()

    first, second = read_webhook(webhook("r1")), read_webhook(webhook("r2"))

    assert (first.biz_type, first.biz_id, first.biz_status) == (second.biz_type, second.biz_id, second.biz_status)
    assert first.data_hash != second.data_hash


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"data": 7}',
        b'{"data": "{"}',
        b'{"bizId": 1e400}',
        b"[" * 50_000,
        b'{"a":NaN}',
        b'{"data":{"totalFee":1E+999999999,"transactTime":1E+999999999,"currency":"USDT"}}',
    ],
)
def test_a_signed_body_of_any_shape_is_read_without_failing(raw):
    facts = read_webhook(raw)

    assert facts.money is None
    assert facts.trade_no == ""


def test_data_as_an_object_and_numbers_in_scientific_notation_are_read():
    facts = read_webhook(
        b'{"bizType":"PAY","data":{"merchantTradeNo":"T1","totalFee":1.0E-7,"currency":"USDT","transactTime":1},'
        b'"bizId":29383937493038367292,"bizStatus":"PAY_SUCCESS"}'
    )

    assert (facts.biz_id, str(facts.money), facts.trade_no) == ("29383937493038367292", "0.0000001", "T1")


def test_late_money_by_notice_gets_its_time_back_where_that_is_still_free(
    svc: Services, sandbox: Servers, catcher: Catcher
):
    from inspired.flows.booking import booking as booking_flow
    from inspired.flows.booking import refreshing

    booking = live(svc)
    booking_flow.give_up(svc, booking.token)
    refreshing.refresh(svc, booking.id)
    catcher.wait_for(1)  # PAY_CLOSED
    pay(sandbox, booking, notify="now", force=True)
    headers, raw = caught(catcher, 2)

    payment_webhooks.receive(svc, headers, raw)
    for webhook_id in svc.logs.due(svc.now(), 10):
        payment_webhooks.work(svc, webhook_id)

    after = svc.bookings.get(booking.id)
    assert (after.state, after.flags) == (State.CONFIRMED, {Flag.PAID_LATE})


def test_a_rotated_key_is_fetched_once_and_no_notice_is_lost(svc: Services, sandbox: Servers, catcher: Catcher):
    first, second = live(svc), live(svc, call=6, email="bob@example.com")
    pay(sandbox, first, notify="now")
    payment_webhooks.receive(svc, *caught(catcher))
    requests.post(f"{sandbox.sandbox}/control/rotate-key", json={}, timeout=5).raise_for_status()
    pay(sandbox, second, notify="now")

    again = caught(catcher, 2)

    def is_taken() -> bool:
        """Binance sends again what was not acknowledged; the keys are asked for at most every five seconds."""
        try:
            return payment_webhooks.receive(svc, *again)
        except BadSignature:
            return False

    wait_until(is_taken, what="the new key")
