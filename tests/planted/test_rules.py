"""Rules of money that no other test holds as directly: each is the target of a planted bug."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from aiosmtpd.controller import Controller

from inspired.adapters.mail.smtp import Smtp
from inspired.adapters.mongo.bookings import Claimed
from inspired.adapters.mongo.database import connect
from inspired.adapters.mongo.payment_logs import PaymentLogs
from inspired.adapters.providers.binance_certificates import MongoShelf
from inspired.app import create_app
from inspired.domain.booking import lifecycle, refunds
from inspired.domain.booking.balance import Payment
from inspired.domain.booking.claims import Tick
from inspired.domain.booking.outbox import Email, SendEmail
from inspired.domain.booking.states import Cause, Flag, Remote, State
from inspired.domain.monitoring.certificates import MOST_FOR_STRANGERS, Asked, Known
from inspired.domain.shared.errors import UpstreamError
from inspired.domain.shared.money import Money
from inspired.flows.booking import payment_webhooks, refreshing
from tests.adapters.listeners import answering_json, listening
from tests.adapters.merchants import PRIVATE_KEY, a_merchant, certificates, signed
from tests.factories import MINUTE, NOW, a_confirmed_booking, a_live_booking, seen, settled
from tests.flows.steps import hold, live
from tests.harness import free_port

# --- an order said to be closed -------------------------------------------------------------------------------------

LONG_AFTER = NOW + timedelta(hours=3)


@pytest.mark.parametrize(
    ("amount", "by_query", "payment"),
    [
        ("75", False, Payment.NOTIFIED),
        ("75", True, Payment.EXACT),
        ("76", True, Payment.EXACT),
        ("74", False, Payment.NOTIFIED),
    ],
)
@pytest.mark.parametrize("status", [Remote.CANCELED, Remote.EXPIRED, Remote.ERROR, None])
def test_an_order_said_to_be_closed_after_its_money_keeps_the_money_and_the_slot(amount, by_query, payment, status):
    paid = settled(a_live_booking(), seen(Remote.PAID, amount, by_query=by_query))

    after = settled(paid, seen(status, at=LONG_AFTER), now=LONG_AFTER)

    assert lifecycle.payment_of(after) is payment
    assert after.state is paid.state
    assert [claim for claim in after.claims if isinstance(claim, Tick)]


@pytest.mark.parametrize("status", [Remote.CANCELED, Remote.EXPIRED, Remote.ERROR, None])
def test_an_order_said_to_be_closed_after_a_short_payment_still_gives_all_of_it_back(status):
    paid = settled(a_live_booking(), seen(Remote.PAID, "74"))

    after = settled(paid, seen(status, at=LONG_AFTER), now=LONG_AFTER)

    assert [one.amount.shown for one in after.refunds] == ["74 USDT"]
    assert lifecycle.payment_of(after) is Payment.RETURNED


# --- money that goes back -------------------------------------------------------------------------------------------


def test_money_that_is_promised_back_cannot_be_promised_again():
    promised = refunds.going_back(a_confirmed_booking(), Money.parse("50"), Cause.OWNER, NOW)

    assert refunds.refundable(promised) == Money.parse("25")


# --- webhooks -------------------------------------------------------------------------------------------------------


@pytest.fixture
def signing(svc):
    """The services, with a provider whose certificates list our own key."""
    with listening(answering_json(lambda: certificates(ONE=PRIVATE_KEY))) as provider:
        yield replace(svc, binance=a_merchant(provider.address))


def a_refund_notice(request: str) -> bytes:
    data = json.dumps({"merchantTradeNo": "T1", "refundInfo": {"refundRequestId": request, "refundAmount": "10"}})
    outer = {"bizType": "PAY_REFUND", "data": data, "bizIdStr": "1", "bizId": 1, "bizStatus": "REFUND_SUCCESS"}
    return json.dumps(outer).encode()


def test_two_partial_refunds_are_two_entries_and_a_repetition_is_none(signing):
    told = [
        payment_webhooks.receive(signing, signed(raw), raw)
        for raw in (a_refund_notice("r1"), a_refund_notice("r2"), a_refund_notice("r1"))
    ]

    assert told == [True, True, False]
    assert len(signing.logs.due(signing.now(), 10)) == 2


def test_a_notice_is_not_acknowledged_while_it_cannot_be_written_down(signing, settings):
    nobody = f"mongodb://127.0.0.1:{free_port()}/?directConnection=true"
    away = connect(nobody, "away", seconds=0.3)
    raw = a_refund_notice("r1")
    headers = signed(raw)

    answer = create_app(replace(signing, logs=PaymentLogs(away)), settings).test_client().post(
        "/api/payments/webhook",
        data=raw,
        content_type="application/json",
        headers={
            "BinancePay-Certificate-SN": headers.serial,
            "BinancePay-Nonce": headers.nonce,
            "BinancePay-Timestamp": headers.timestamp,
            "BinancePay-Signature": headers.signature,
        },
    )  # fmt: skip
    away.client.close()

    assert answer.status_code == 503
    assert answer.json["returnCode"] == "FAIL"


def test_a_changed_key_is_taken_up_for_our_own_order_though_strangers_have_spent_everything(svc, database):
    booking, now = live(svc), svc.now()
    asked = tuple(Asked(now - timedelta(seconds=60 + second)) for second in range(MOST_FOR_STRANGERS))
    shelf = MongoShelf(database)
    assert shelf.put(Known((), now - timedelta(minutes=1), asked, version=1))
    data = json.dumps({"merchantTradeNo": booking.order.trade_no, "totalFee": "75", "currency": "USDT"})
    paid = json.dumps({"bizType": "PAY", "data": data, "bizIdStr": "1", "bizStatus": "PAY_SUCCESS"}).encode()
    nobodys = a_refund_notice("r1")

    with listening(answering_json(lambda: certificates(TWO=PRIVATE_KEY))) as provider:
        changed = replace(svc, binance=a_merchant(provider.address, shelf=shelf))

        def sent(raw: bytes) -> str:
            try:
                return f"new: {payment_webhooks.receive(changed, signed(raw, serial='TWO'), raw)}"
            except UpstreamError as error:
                return str(error)

        became = [sent(raw) for raw in (nobodys, paid, nobodys)]

    assert became == ["binance: certificates may not be asked for again yet", "new: True", "new: True"]
    assert len(provider.requests) == 1


# --- slots and mails ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.PENDING, State.PAID, State.CONFIRMED])
@pytest.mark.breaks_books
def test_a_confirmed_call_keeps_its_slot_against_everybody(svc, state):
    svc.bookings.add(a_confirmed_booking(state=state))

    with pytest.raises(Claimed):
        svc.bookings.add(replace(a_live_booking(), id="x" * 24, token="another", orders=()))


class Forgetful:
    """Takes every mail, and loses the first acceptance on the way back."""

    def __init__(self) -> None:
        self.ids = []

    async def handle_DATA(self, server, session, envelope):
        head = envelope.content.decode().split("\r\n\r\n")[0]
        self.ids += [line for line in head.split("\r\n") if line.lower().startswith("message-id:")]
        return "451 something broke" if len(self.ids) == 1 else "250 OK"


def test_a_mail_whose_acceptance_was_lost_is_sent_again_as_the_same_mail(svc):
    server = Forgetful()
    controller = Controller(server, hostname="127.0.0.1", port=free_port())
    controller.start()
    svc = replace(svc, smtp=Smtp("127.0.0.1", controller.port, "none", "", "", "calls@example.com"))
    booking = hold(svc)

    refreshing.refresh(svc, booking.id)
    later = replace(svc, now=lambda: booking.created_at + MINUTE)
    after = refreshing.refresh(later, booking.id)
    controller.stop()

    assert SendEmail(Email.HELD) in after.delivered
    assert len(server.ids) == 2
    assert len(set(server.ids)) == 1
    assert Flag.NEEDS_OWNER not in after.flags
