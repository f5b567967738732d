import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from inspired.domain.booking.outbox import AlertKind, AlertOwner
from inspired.domain.booking.payment_orders import may_try_again
from inspired.domain.booking.states import Cause, Flag, RefundStatus, Remote, State
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import payment, refreshing
from inspired.services import Services
from tests.flows.steps import free_calls, hold, later, live, pause_is_over, pay, remote_status
from tests.harness import Servers


def arm(sandbox: Servers, call: str, fault: str, times: int = 1) -> None:
    sandbox.control("faults", {"binance": [{"call": call, "fault": fault, "times": times}]})


def test_an_order_is_created_once_however_many_ask(svc: Services, sandbox: Servers):
    booking = hold(svc)  # and whoever was to create it is gone
    after = later(svc, seconds=20)

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda _: refreshing.refresh(after, booking.id), range(20)))

    assert len(sandbox.control("orders")) == 1
    assert svc.bookings.get(booking.id).order.tries == 2


def test_the_order_expires_with_the_countdown_and_before_the_slot(svc: Services, sandbox: Servers):
    booking = live(svc)

    order = sandbox.control("orders")[0]
    assert order["expireTime"] == round(booking.expires_at.timestamp() * 1000)
    assert booking.deadline > booking.expires_at
    assert (order["amount"], order["currency"]) == ("75", "USDT")


def test_paid_with_the_notice_lost_is_confirmed_by_asking(svc: Services, sandbox: Servers):
    booking = live(svc)
    pay(sandbox, booking)

    after = refreshing.refresh(svc, booking.id)

    assert after.state is State.CONFIRMED


def test_too_much_is_confirmed_and_the_surplus_goes_back_by_itself(svc: Services, sandbox: Servers):
    booking = live(svc)
    pay(sandbox, booking, amount="75.01")

    after = refreshing.refresh(svc, booking.id)

    assert (after.state, after.flags) == (State.CONFIRMED, {Flag.OVERPAID})
    assert [(str(one.amount), one.cause, one.status) for one in after.refunds] == [
        ("0.01", Cause.SURPLUS, RefundStatus.DONE)
    ]
    assert [one["amount"] for one in sandbox.control("refunds")] == ["0.01"]


def test_too_little_confirms_nothing_and_all_of_it_goes_back_by_itself(svc: Services, sandbox: Servers):
    booking = live(svc)
    pay(sandbox, booking, amount="74.99")

    after = refreshing.refresh(svc, booking.id)

    assert (after.state, after.flags) == (State.PENDING, {Flag.UNDERPAID})
    assert [(str(one.amount), one.cause, one.status) for one in after.refunds] == [
        ("74.99", Cause.SHORT, RefundStatus.DONE)
    ]
    assert may_try_again(after, svc.now()), "there is time to pay the right amount"
    expired = refreshing.refresh(later(svc, minutes=17), booking.id)
    assert expired.state is State.REFUNDED


def test_create_failing_twice_and_then_working(svc: Services, sandbox: Servers):
    arm(sandbox, "create", "refuse", 2)
    booking = live(svc)
    assert booking.order.checkout is None

    for seconds in (3, 10):
        booking = refreshing.refresh(later(svc, seconds=seconds), booking.id)

    assert booking.order.checkout is not None
    assert booking.order.tries == 3
    assert len(sandbox.control("orders")) == 1


def test_after_a_time_out_the_same_number_is_asked_for_before_anything_is_created(svc: Services, sandbox: Servers):
    arm(sandbox, "create", "timeout")
    booking = payment.open_held_order(svc, hold(svc), seconds=0.5)
    assert booking.order.uncertain
    before = len(sandbox.control("calls"))

    booking = refreshing.refresh(later(svc, seconds=5), booking.id)

    paths = [call["path"] for call in sandbox.control("calls")[before:]]
    binance = [path for path in paths if "binancepay" in path]
    assert binance[0].endswith("/v2/order/query")
    assert binance[1].endswith("/v3/order")
    assert booking.order.number == 1
    assert booking.order.checkout is not None


def test_an_order_that_arrived_while_its_answer_was_lost_is_closed_and_replaced(svc: Services, sandbox: Servers):
    arm(sandbox, "create", "accept_then_timeout")
    booking = payment.open_held_order(svc, hold(svc), seconds=0.5)

    booking = refreshing.refresh(later(svc, seconds=5), booking.id)
    if booking.order.number == 1:
        booking = refreshing.refresh(later(svc, seconds=10), booking.id)

    assert [one.status for one in booking.orders] == [Remote.CANCELED, Remote.INITIAL]
    assert booking.order.checkout is not None
    statuses = [remote_status(sandbox, one.trade_no) for one in booking.orders]
    assert statuses == ["CANCELED", "INITIAL"]


def test_a_lost_answer_to_an_order_that_was_then_paid_is_confirmed(svc: Services, sandbox: Servers):
    arm(sandbox, "create", "accept_then_timeout")
    booking = payment.open_held_order(svc, hold(svc), seconds=0.5)
    pay(sandbox, booking)

    after = refreshing.refresh(later(svc, seconds=5), booking.id)

    assert after.state is State.CONFIRMED
    assert len(after.orders) == 1


def test_a_create_that_was_held_back_is_not_asked_about_and_uses_up_none_of_the_tries(svc: Services, sandbox: Servers):
    for _ in range(5):
        svc.binance.throttle.failed(svc.binance.throttle.take(urgent=True, seconds=1.0))
    booking = live(svc)

    for seconds in (3, 10, 20):
        booking = refreshing.refresh(later(svc, seconds=seconds), booking.id)

    assert sandbox.control("calls") == []
    assert (booking.order.tries, booking.order.uncertain, booking.order.checkout) == (4, False, None)
    assert not may_try_again(booking, svc.now() + timedelta(seconds=20))
    assert not booking.has_owed(AlertOwner(AlertKind.CREATE_FAILED))


def test_when_payments_are_no_longer_paused_the_order_follows_by_itself(svc: Services, sandbox: Servers):
    for _ in range(5):
        svc.binance.throttle.failed(svc.binance.throttle.take(urgent=True, seconds=1.0))
    booking = live(svc)
    pause_is_over(svc, sandbox)

    booking = refreshing.refresh(later(svc, seconds=3), booking.id)

    assert booking.order.checkout is not None
    assert svc.binance.throttle.state().word == "ok"


class TestButton:
    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {"PAYMENT_RETRY_ATTEMPTS": "1"}

    def test_after_the_tries_the_customers_button_makes_the_order(self, svc: Services, sandbox: Servers):
        arm(sandbox, "create", "http_500")
        booking = live(svc)
        assert may_try_again(booking, svc.now())
        booking = refreshing.refresh(svc, booking.id)
        assert booking.order.checkout is None

        payment.try_again(svc, booking.token)
        booking = refreshing.refresh(svc, booking.id)

        assert booking.order.checkout is not None
        assert len(sandbox.control("orders")) == 1

    def test_the_button_after_a_time_out_asks_first_and_then_makes_the_order(self, svc: Services, sandbox: Servers):
        arm(sandbox, "create", "timeout")
        booking = payment.open_held_order(svc, hold(svc), seconds=0.4)

        again = payment.try_again(svc, booking.token)
        assert again.order.checkout is None
        booking = refreshing.refresh(svc, booking.id)

        assert booking.order.checkout is not None
        assert len(sandbox.control("orders")) == 1


def test_the_button_with_a_live_order_gives_the_same_order(svc: Services, sandbox: Servers):
    booking = live(svc)

    again = payment.try_again(svc, booking.token)

    assert again.order == booking.order
    assert len(sandbox.control("orders")) == 1


def test_not_paid_the_order_is_closed_and_then_the_slot_is_free(svc: Services, sandbox: Servers):
    booking = live(svc)
    call = booking.slot.span
    after_deadline = later(svc, minutes=17)

    for _ in range(20):
        booking = refreshing.refresh(after_deadline, booking.id)
        if booking.state is State.EXPIRED:
            break
        time.sleep(0.1)

    assert booking.state is State.EXPIRED
    assert remote_status(sandbox, booking.order.trade_no) == "CANCELED"
    assert call in free_calls(svc)


def test_an_order_that_has_ended_by_itself_is_asked_about_once_and_not_closed(svc: Services, sandbox: Servers):
    booking = live(svc)
    sandbox.control(f"orders/{booking.order.trade_no}/expire", {})
    before = len(sandbox.control("calls"))

    after = refreshing.refresh(later(svc, minutes=17), booking.id)

    assert after.state is State.EXPIRED
    assert [call["call"] for call in sandbox.control("calls")[before:]] == ["query"]


def test_a_live_order_at_the_deadline_is_asked_about_closed_and_seen_closed(svc: Services, sandbox: Servers):
    booking = live(svc)
    before = len(sandbox.control("calls"))

    after = refreshing.refresh(later(svc, minutes=17), booking.id)

    assert after.state is State.EXPIRED
    assert [call["call"] for call in sandbox.control("calls")[before:]] == ["query", "close", "query"]


def test_the_slot_stays_held_while_the_provider_cannot_be_asked(svc: Services, sandbox: Servers):
    booking = live(svc)
    arm(sandbox, "any", "http_500", 4)

    booking = refreshing.refresh(later(svc, minutes=17), booking.id)

    assert booking.state is State.PENDING
    assert booking.slot.span not in free_calls(svc)


def test_paid_at_the_last_second_wins_over_the_deadline(svc: Services, sandbox: Servers):
    booking = live(svc)
    pay(sandbox, booking)

    after = refreshing.refresh(later(svc, minutes=17), booking.id)

    assert after.state is State.CONFIRMED


def test_giving_up_closes_the_order_and_frees_the_slot(svc: Services, sandbox: Servers):
    booking = live(svc)

    booking_flow.give_up(svc, booking.token)
    after = refreshing.refresh(svc, booking.id)

    assert after.state is State.CANCELLED
    assert remote_status(sandbox, booking.order.trade_no) == "CANCELED"
    assert booking.slot.span in free_calls(svc)


def test_late_money_found_by_asking_gets_its_time_back_where_that_is_free(svc: Services, sandbox: Servers):
    booking = live(svc)
    booking_flow.give_up(svc, booking.token)
    refreshing.refresh(svc, booking.id)
    pay(sandbox, booking, force=True)

    after = refreshing.refresh(later(svc, minutes=2), booking.id)

    assert (after.state, after.flags) == (State.CONFIRMED, {Flag.PAID_LATE})
    assert booking.slot.span not in free_calls(svc)
