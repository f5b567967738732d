"""Paying another way: by choice, or because a provider does not answer. The time stays held, and nobody pays twice
without knowing."""

from datetime import timedelta

import pytest

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.rails import USUAL, RailId
from inspired.domain.booking.states import Flag, Remote, State
from inspired.domain.shared.errors import Conflict, TooMany
from inspired.flows.booking import other_rail, refreshing
from inspired.services import Services
from tests.flows.steps import later, live, pause_is_over, pause_payments, pay, receive_on_chain
from tests.harness import Servers

TRON = RailId.TRC20


@pytest.fixture(autouse=True)
def on_chain(svc: Services, sandbox: Servers) -> None:
    receive_on_chain(svc, sandbox)


def after(svc: Services, **more: float) -> Services:
    """As if so much time had passed, with a worker that has turned meanwhile."""
    then = later(svc, **more)
    then.workers.write_turn("test", then.now())
    return then


def on_tron(svc: Services, booking: Booking) -> Booking:
    return other_rail.choose(svc, booking.token, TRON)


def send(sandbox: Servers, booking: Booking, amount: str = "75") -> None:
    address = booking.order.checkout.qr_content
    sandbox.control("chains/TRC20/send", {"to": address, "amount": amount})
    sandbox.control("chains/TRC20/finalize", {})


def test_the_order_at_the_provider_is_closed_before_an_address_is_offered(svc: Services, sandbox: Servers):
    booking = live(svc)
    assert TRON in other_rail.choices(svc, booking)

    now = on_tron(svc, booking)

    first, second = now.orders
    assert (first.status, second.rail) == (Remote.CANCELED, TRON)
    assert [one["status"] for one in sandbox.control("orders")] == ["CANCELED"]
    assert now.order.checkout.qr_content.startswith("T")
    assert (now.state, now.slot) == (State.PENDING, booking.slot)


def test_the_new_way_gets_its_whole_time_once(svc: Services):
    booking = live(svc)

    once = on_tron(svc, booking)
    time_to_pay = svc.settings.expiry_of(TRON)
    twice = other_rail.choose(after(svc, minutes=5), booking.token, RailId.BEP20)

    assert once.expires_at - booking.expires_at == pytest.approx(
        time_to_pay - svc.settings.expiry_of(USUAL), abs=timedelta(seconds=5)
    )
    assert (twice.expires_at, twice.deadline) == (once.expires_at, once.deadline)
    assert twice.order.rail is RailId.BEP20


def test_what_was_paid_before_the_close_is_found_and_nothing_else_is_offered(svc: Services, sandbox: Servers):
    booking = live(svc)
    pay(sandbox, booking)

    now = on_tron(svc, booking)

    assert (now.state, len(now.orders)) == (State.CONFIRMED, 1)


def test_while_the_provider_is_away_a_shown_order_may_be_paid_so_nothing_else_is_offered(
    svc: Services, sandbox: Servers
):
    booking = live(svc)
    pause_payments(svc, sandbox)

    assert other_rail.choices(svc, booking) == ()
    with pytest.raises(Conflict, match="cannot be closed yet"):
        on_tron(svc, booking)

    assert len(svc.bookings.get(booking.id).orders) == 1


def test_a_minute_after_its_end_the_chains_take_over_and_the_time_is_still_held(svc: Services, sandbox: Servers):
    booking = live(svc)
    over = after(svc, minutes=15, seconds=59)
    pause_payments(over, sandbox)
    assert other_rail.choices(over, booking) == ()

    surely_over = after(svc, minutes=16, seconds=1)
    pause_payments(surely_over, sandbox)
    assert TRON in other_rail.choices(surely_over, svc.bookings.get(booking.id))
    now = on_tron(surely_over, booking)
    send(sandbox, now)
    confirmed = refreshing.refresh(surely_over, booking.id)

    assert now.expires_at > surely_over.now()
    assert (now.slot, confirmed.state) == (booking.slot, State.CONFIRMED)
    assert confirmed.paid_by is TRON


def test_an_order_that_nobody_saw_does_not_keep_the_customer_from_paying(svc: Services, sandbox: Servers):
    sandbox.control("faults", {"binance": [{"call": "any", "fault": "http_500", "times": 50}]})
    booking = live(svc)
    assert booking.order.checkout is None

    now = on_tron(svc, booking)

    assert now.order.checkout.qr_content.startswith("T")


def test_money_by_both_ways_is_a_second_payment(svc: Services, sandbox: Servers):
    booking = on_tron(svc, live(svc))
    address = booking.order.checkout.qr_content
    back = other_rail.choose(svc, booking.token, USUAL)
    assert back.order.rail is USUAL

    pay(sandbox, back)
    refreshing.refresh(svc, back.id)
    sandbox.control("chains/TRC20/send", {"to": address, "amount": "75"})
    sandbox.control("chains/TRC20/finalize", {})
    late = refreshing.queried(svc, back.find_order(booking.order.trade_no), 5.0)
    now = refreshing.update(svc, back.id, [late])

    assert now.state is State.CONFIRMED
    assert Flag.PAID_TWICE in now.flags


def test_once_the_time_is_over_and_the_provider_answers_nothing_is_extended(svc: Services, sandbox: Servers):
    booking = live(svc)
    over = after(svc, minutes=17)
    pause_is_over(over, sandbox)

    now = on_tron(over, booking)

    assert (len(now.orders), now.expires_at) == (1, booking.expires_at)


def test_a_way_that_is_not_offered_is_refused(svc: Services):
    booking = live(svc)
    node = svc.rails[TRON].throttle
    for _ in range(5):
        node.failed(node.take(urgent=True, seconds=1.0))

    assert TRON not in other_rail.choices(svc, booking)
    with pytest.raises(Conflict, match="not available"):
        on_tron(svc, booking)


@pytest.mark.parametrize("env_changes", [{"ADDRESSES_PER_VISITOR": "2"}])
def test_each_change_to_a_network_counts_as_an_address_and_beyond_the_limit_nothing_is_changed(svc: Services):
    booking = live(svc)
    for rail in (RailId.TRC20, RailId.BEP20):
        booking = other_rail.choose(svc, booking.token, rail)

    with pytest.raises(TooMany, match="2 addresses today"):
        other_rail.choose(svc, booking.token, RailId.ERC20)

    kept = svc.bookings.get(booking.id)
    assert [order.rail for order in kept.orders] == [USUAL, RailId.TRC20, RailId.BEP20]
    assert len(kept.address_places) == 4
    assert other_rail.choose(svc, booking.token, USUAL).orders[-1].rail is USUAL


@pytest.mark.parametrize("env_changes", [{"ADDRESSES_PER_VISITOR": "2"}])
def test_the_same_visitors_other_booking_gets_none_either(svc: Services):
    for number in range(2):
        other_rail.choose(svc, live(svc, call=number * 3).token, RailId.TRC20)

    with pytest.raises(TooMany):
        other_rail.choose(svc, live(svc, call=9, email="eve@example.com").token, RailId.TRC20)
