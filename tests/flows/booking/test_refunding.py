"""Money on its way back, against the sandbox: once each, whatever happens to the call."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.ledger import balances
from inspired.domain.booking.refunds import AllOfIt, PartOfIt
from inspired.domain.booking.states import Cause, Flag, RefundStatus, State
from inspired.domain.shared.errors import Conflict, Invalid
from inspired.domain.shared.money import Money
from inspired.flows.booking import payment_webhooks, refreshing, refunding
from inspired.services import Services
from tests.conftest import Mailbox
from tests.flows.steps import confirmed, free_calls, later, lost_time, paid_again, refunds_there
from tests.harness import Servers
from tests.web.catcher import Catcher


def asked(svc: Services, booking: Booking, amount: str | None = None, **how) -> Booking:
    wanted = AllOfIt() if amount is None else PartOfIt(Money.parse(amount))
    given = {"cancels": False, "note": "as agreed", "request": "r1", "seen": None, **how}
    return refunding.refund(svc, booking.id, wanted, **given)


def statuses(booking: Booking) -> list[RefundStatus]:
    return [one.status for one in booking.refunds]


def arm(sandbox: Servers, call: str, fault: str, times: int = 1) -> None:
    sandbox.control("faults", {"binance": [{"call": call, "fault": fault, "times": times, "delay_s": 0.1}]})


# --- the owner's refund ---------------------------------------------------------------------------------------------


def test_a_part_cancels_nothing_unless_the_owner_says_so(svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)

    part = asked(svc, booking, "25", cancels=None)
    rest = asked(svc, booking, "50", cancels=None, request="r2")

    assert (part.state, str(part.agreed_amount)) == (State.CONFIRMED, "50")
    assert rest.state is State.CANCELLED


def test_all_of_it_cancels_the_call_frees_its_time_and_ends_in_refunded(
    svc: Services, sandbox: Servers, mailbox: Mailbox
):
    booking = confirmed(svc, sandbox)

    asked(svc, booking, cancels=True)
    after = refreshing.refresh(svc, booking.id)

    assert (after.state, statuses(after)) == (State.REFUNDED, [RefundStatus.DONE])
    assert refunds_there(sandbox) == [("75", "REFUND_SUCCESS")]
    assert booking.slot.span in free_calls(svc)
    assert svc.ledger.of(booking.id) == after.ledger
    assert balances(after.ledger) == {
        ("sales", "USDT"): Money.parse("-75"),
        ("refunds", "USDT"): Money.parse("75"),
    }


def test_parts_of_it_leave_the_call_as_it_is_and_are_several_refunds(svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)

    asked(svc, booking, "10", request="r1")
    refreshing.refresh(svc, booking.id)
    asked(svc, booking, "5.5", request="r2")
    after = refreshing.refresh(svc, booking.id)

    assert (after.state, after.flags) == (State.CONFIRMED, frozenset())
    assert refunds_there(sandbox) == [("10", "REFUND_SUCCESS"), ("5.5", "REFUND_SUCCESS")]
    assert balances(after.ledger)["binance", "USDT"] == Money.parse("59.5")


def test_the_same_request_is_one_refund_and_another_amount_under_its_name_is_refused(svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)

    for _ in range(3):
        asked(svc, booking, "10", request="same")
    with pytest.raises(Conflict):
        asked(svc, booking, "11", request="same")
    refreshing.refresh(svc, booking.id)

    assert refunds_there(sandbox) == [("10", "REFUND_SUCCESS")]


def test_whoever_decided_on_an_older_page_decides_again(svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)
    asked(svc, booking, "10", request="r1", seen=0)

    with pytest.raises(Conflict):
        asked(svc, booking, "10", request="r2", seen=0)

    assert len(svc.bookings.get(booking.id).refunds) == 1


@pytest.mark.parametrize("amount", ["75.00000001", "0", "-1"])
def test_more_than_there_is_or_nothing_is_refused(svc: Services, sandbox: Servers, amount: str):
    booking = confirmed(svc, sandbox)

    with pytest.raises(Invalid):
        asked(svc, booking, amount)

    assert svc.bookings.get(booking.id).refunds == ()


def test_twenty_at_once_who_want_all_of_it_get_it_once(svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)

    def one(number: int) -> bool:
        try:
            asked(svc, booking, cancels=True, request=f"r{number}")
        except Conflict:
            return False
        refreshing.refresh(svc, booking.id)
        return True

    with ThreadPoolExecutor(20) as pool:
        done = list(pool.map(one, range(20)))
    after = refreshing.refresh(later(svc, minutes=2), booking.id)

    assert done.count(True) == 1
    assert refunds_there(sandbox) == [("75", "REFUND_SUCCESS")]
    assert after.state is State.REFUNDED


# --- what can go wrong on the way -----------------------------------------------------------------------------------


def test_a_refund_accepted_while_the_answer_was_lost_is_asked_for_again_with_its_id(svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)
    arm(sandbox, "refund", "accept_then_timeout")

    asked(svc, booking, "10")
    between = refreshing.refresh(svc, booking.id)
    after = refreshing.refresh(later(svc, minutes=2), booking.id)

    assert statuses(between) == [RefundStatus.REQUESTED]
    assert statuses(after) == [RefundStatus.DONE]
    assert refunds_there(sandbox) == [("10", "REFUND_SUCCESS")]


def test_a_refund_that_could_not_be_sent_is_sent_later(svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)
    arm(sandbox, "refund", "http_500", 2)

    asked(svc, booking, "10")
    moment = svc
    for minutes in (0, 1, 2):
        moment = later(svc, minutes=minutes)
        after = refreshing.refresh(moment, booking.id)

    assert statuses(after) == [RefundStatus.DONE]
    assert refunds_there(sandbox) == [("10", "REFUND_SUCCESS")]


@pytest.mark.parametrize("kind", ["key_refused", "signature_refused", "account_refused", "region_refused"])
def test_a_refund_waits_while_every_call_is_refused_and_goes_out_once_by_itself_afterwards(
    svc: Services, sandbox: Servers, kind: str
):
    booking = confirmed(svc, sandbox)
    arm(sandbox, "refund", kind, 3)

    asked(svc, booking, "10")
    waiting = refreshing.refresh(svc, booking.id)
    after = waiting
    for minutes in (1, 2, 3, 4):
        after = refreshing.refresh(later(svc, minutes=minutes), booking.id)

    assert statuses(waiting) == [RefundStatus.REQUESTED]
    assert waiting.flags == frozenset()
    assert statuses(after) == [RefundStatus.DONE]
    assert refunds_there(sandbox) == [("10", "REFUND_SUCCESS")]


def test_with_too_little_balance_the_owner_is_told_and_it_goes_out_once_there_is_enough(
    svc: Services, sandbox: Servers, mailbox: Mailbox
):
    booking = confirmed(svc, sandbox)
    sandbox.control("settings", {"merchant_balance": "1"})

    asked(svc, booking, "10")
    stuck = refreshing.refresh(svc, booking.id)
    sandbox.control("settings", {"merchant_balance": "100"})
    after = refreshing.refresh(later(svc, minutes=61), booking.id)

    assert statuses(stuck) == [RefundStatus.NEEDS_OWNER]
    assert stuck.flags == {Flag.REFUND_FAILED, Flag.NEEDS_OWNER}
    assert [one for one in mailbox.subjects_to("owner@example.com") if "Please look" in one]
    assert (statuses(after), after.flags) == ([RefundStatus.DONE], frozenset())


def test_a_refund_under_way_is_not_told_as_done_and_a_rejected_one_can_be_tried_again(svc: Services, sandbox: Servers):
    sandbox.control("settings", {"refund_outcome": "pending"})
    booking = confirmed(svc, sandbox)
    asked(svc, booking, "10")

    under_way = refreshing.refresh(svc, booking.id)
    assert statuses(under_way) == [RefundStatus.SENT]
    sandbox.control(f"refunds/{under_way.refunds[0].id}/reject", {"notify": "lost"})
    rejected = refreshing.refresh(later(svc, minutes=1), booking.id)
    sandbox.control("settings", {"refund_outcome": "success"})
    refunding.try_again(svc, booking.id, rejected.refunds[0].id)
    after = refreshing.refresh(later(svc, minutes=2), booking.id)

    assert statuses(rejected) == [RefundStatus.REJECTED]
    assert rejected.flags == {Flag.REFUND_FAILED, Flag.NEEDS_OWNER}
    assert (statuses(after), after.flags) == ([RefundStatus.REJECTED, RefundStatus.DONE], frozenset())
    assert after.refunds[0].replaced_by == after.refunds[1].id
    assert sorted(refunds_there(sandbox)) == [("10", "REFUND_FAIL"), ("10", "REFUND_SUCCESS")]


def test_the_last_refund_binance_allows_is_not_sent_where_it_would_return_more_than_asked(
    svc: Services, sandbox: Servers
):
    booking = confirmed(svc, sandbox)
    for number in range(9):
        asked(svc, booking, "1", request=f"r{number}")
        booking = refreshing.refresh(svc, booking.id)

    with pytest.raises(Conflict, match="everything left"):
        asked(svc, booking, "1", request="tenth")
    asked(svc, booking, request="all of it")
    after = refreshing.refresh(svc, booking.id)

    assert after.order.refunds_left == 0
    assert refunds_there(sandbox)[-1] == ("66", "REFUND_SUCCESS")
    assert len(refunds_there(sandbox)) == 10


# --- refunds made elsewhere -----------------------------------------------------------------------------------------


def test_a_refund_made_in_binances_console_is_found_recorded_and_told(
    svc: Services, sandbox: Servers, mailbox: Mailbox
):
    booking = confirmed(svc, sandbox)
    sandbox.control(f"orders/{booking.order.trade_no}/refund", {})

    found = [svc.binance.query(booking.order.trade_no)]
    from inspired.domain.booking import lifecycle

    svc.bookings.change(booking.id, lambda b: lifecycle.settle(b, found, lifecycle.SlotSeen.UNKNOWN, svc.now()))
    after = refreshing.refresh(svc, booking.id)

    assert [(one.status, one.cause, str(one.amount)) for one in after.refunds] == [
        (RefundStatus.EXTERNAL, Cause.CONSOLE, "75")
    ]
    assert (after.state, after.flags) == (State.CONFIRMED, {Flag.NEEDS_OWNER})
    assert balances(after.ledger).get(("binance", "USDT")) is None


def test_a_refund_of_ours_that_meets_one_from_the_console_gives_way_to_it(svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)
    sandbox.control(f"orders/{booking.order.trade_no}/refund", {})

    asked(svc, booking, cancels=True)
    after = refreshing.refresh(svc, booking.id)

    assert (after.state, after.flags) == (State.REFUNDED, frozenset())
    assert [(one.status, bool(one.replaced_by)) for one in after.refunds] == [
        (RefundStatus.NEEDS_OWNER, True),
        (RefundStatus.EXTERNAL, False),
    ]


class TestNotices:
    @pytest.fixture
    def env_changes(self, catcher: Catcher) -> dict[str, str]:
        return {"BINANCE_PAY_WEBHOOK_URL": catcher.url}

    def test_a_notice_that_a_refund_is_through_is_asked_about_at_once(
        self, svc: Services, sandbox: Servers, catcher: Catcher
    ):
        sandbox.control("settings", {"refund_outcome": "pending"})
        booking = confirmed(svc, sandbox)
        asked(svc, booking, "10")
        booking = refreshing.refresh(svc, booking.id)
        sandbox.control(f"refunds/{booking.refunds[0].id}/complete", {})
        headers, raw = catcher.wait_for(1)[0]

        payment_webhooks.receive(svc, *_as_received(headers, raw))
        for webhook_id in svc.logs.due(svc.now(), 10):
            payment_webhooks.work(svc, webhook_id)

        assert statuses(svc.bookings.get(booking.id)) == [RefundStatus.DONE]


def _as_received(headers, raw):
    from inspired.adapters.providers.binance import WebhookHeaders

    names = ("Certificate-SN", "Nonce", "Timestamp", "Signature")
    return WebhookHeaders(*(headers[f"BinancePay-{name}"] for name in names)), raw


# --- paid twice, late, and without a time ---------------------------------------------------------------------------


def test_late_money_whose_time_is_taken_lets_the_customer_choose(svc: Services, sandbox: Servers, mailbox: Mailbox):
    after = lost_time(svc, sandbox)

    assert (after.state, after.flags) == (State.CANCELLED, {Flag.PAID_LATE, Flag.SLOT_LOST})
    assert after.choose_by is not None
    assert mailbox.subjects_to("ann@example.com")
    assert refunds_there(sandbox) == []


def test_whoever_chooses_the_money_gets_it(svc: Services, sandbox: Servers):
    booking = lost_time(svc, sandbox)

    refunding.money_back(svc, booking.token)
    after = refreshing.refresh(svc, booking.id)

    assert (after.state, after.choose_by) == (State.REFUNDED, None)
    assert refunds_there(sandbox) == [("75", "REFUND_SUCCESS")]
    with pytest.raises(Conflict):
        refunding.money_back(svc, booking.token)


def test_whoever_does_not_choose_gets_the_money_by_itself(svc: Services, sandbox: Servers):
    booking = lost_time(svc, sandbox)
    after_all = replace(svc, now=lambda: booking.choose_by + timedelta(seconds=1))

    after = refreshing.refresh(after_all, booking.id)

    assert after.state is State.REFUNDED
    assert [one.cause for one in after.refunds] == [Cause.NO_TIME]
    assert refunds_there(sandbox) == [("75", "REFUND_SUCCESS")]


def test_a_second_payment_goes_back_by_itself_and_the_call_stands(svc: Services, sandbox: Servers):
    after = paid_again(svc, sandbox)

    assert (after.state, after.flags) == (State.CONFIRMED, {Flag.PAID_TWICE})
    assert [(str(one.amount), one.cause) for one in after.refunds] == [("75", Cause.SECOND)]
    assert refunds_there(sandbox) == [("75", "REFUND_SUCCESS")]


def test_a_second_payment_in_another_currency_is_told_to_both_and_the_call_stands(
    svc: Services, sandbox: Servers, mailbox: Mailbox
):
    booking = paid_again(svc, sandbox, amount="0.3", currency="BNB")

    told = {one["to"]: one.get_body().get_content() for one in mailbox.messages}
    assert "Another payment arrived that cannot be counted" in told["ann@example.com"]
    assert "A payment cannot be counted" in told["owner@example.com"]
    assert (booking.state, booking.flags, booking.refunds) == (State.CONFIRMED, {Flag.NEEDS_OWNER}, ())


# --- the customer cancels -------------------------------------------------------------------------------------------


def test_a_cancelled_call_gives_back_what_the_page_told_and_frees_its_time(
    svc: Services, sandbox: Servers, mailbox: Mailbox
):
    booking = confirmed(svc, sandbox)
    hours = {
        hour: replace(svc, now=lambda hour=hour: booking.slot.span.start - timedelta(hours=hour)) for hour in (30, 5)
    }

    with pytest.raises(Conflict):
        refunding.cancel(hours[5], booking.token, Money.parse("75"))
    refunding.cancel(hours[5], booking.token, Money.parse("37.5"))
    after = refreshing.refresh(hours[5], booking.id)

    assert (after.state, str(after.agreed_amount)) == (State.CANCELLED, "37.5")
    assert refunds_there(sandbox) == [("37.5", "REFUND_SUCCESS")]
    assert booking.slot.span in free_calls(svc)
    assert refreshing.refresh(later(svc, minutes=3), booking.id).refunds == after.refunds
