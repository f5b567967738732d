"""Nobody pays more than the limit without the owner's word: refused before a time is held or an order is made."""

from dataclasses import replace
from datetime import timedelta

import pytest

from inspired.adapters.mongo.catalogue import Listed
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.history import LimitWindow
from inspired.domain.booking.outbox import AlertKind, AlertOwner
from inspired.domain.booking.states import State
from inspired.domain.catalogue.meeting_types import LIMIT, get_meeting_type
from inspired.domain.shared.errors import AboveLimit, Invalid
from inspired.domain.shared.money import Money
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import payment, payment_limits, refreshing
from inspired.flows.booking.booking import Customer
from inspired.services import Services
from tests.flows.steps import free_calls, later, live, pay
from tests.harness import Servers

DEAR = replace(get_meeting_type("portfolio-review"), price=Money.parse("6000"))


def offered(svc: Services, price: str = "6000", *, above_limit: bool = False) -> None:
    dear = replace(DEAR, price=Money.parse(price), above_limit=above_limit)
    svc.catalogue.save_types((Listed(dear),), svc.catalogue.fresh().types_version)


def held(svc: Services, call: int, email: str = "ann@example.com") -> Booking:
    return booking_flow.hold_time(
        svc,
        svc.catalogue.fresh().types[0].type,
        free_calls(svc)[call].start,
        "Europe/Berlin",
        Customer(email, "Ann", "203.0.113.7"),
        network="",
        token=svc.new_token(),
    )


def paid(svc: Services, sandbox: Servers, call: int, email: str = "ann@example.com") -> Booking:
    booking = payment.open_held_order(svc, held(svc, call, email), seconds=2.0)
    pay(sandbox, booking)
    booking = refreshing.refresh(svc, booking.id)
    assert booking.state is State.CONFIRMED
    return booking


def orders(sandbox: Servers) -> int:
    return len(sandbox.control("orders"))


def test_who_has_paid_much_already_is_refused_before_a_time_is_held_and_loses_nothing(svc: Services, sandbox: Servers):
    offered(svc)
    first = paid(svc, sandbox, 0)
    before = free_calls(svc)

    with pytest.raises(AboveLimit) as refused:
        held(svc, 20)

    assert "above our limit of 10000 USDT in a day" in str(refused.value)
    assert free_calls(svc) == before
    assert orders(sandbox) == 1
    assert refreshing.refresh(svc, first.id).state is State.CONFIRMED
    assert held(svc, 20, "bob@example.com").state is State.PENDING, "another customer is not concerned"


def test_what_is_asked_for_and_not_paid_counts_while_it_can_be_paid(svc: Services, sandbox: Servers):
    offered(svc)
    first = payment.open_held_order(svc, held(svc, 0), seconds=2.0)

    with pytest.raises(AboveLimit):
        held(svc, 20)
    booking_flow.give_up(svc, first.token)
    refreshing.refresh(svc, first.id)

    assert held(svc, 20).state is State.PENDING


@pytest.mark.parametrize(("days", "window"), [(3, LimitWindow.MONTH), (100, LimitWindow.YEAR), (366, None)])
def test_the_windows_are_those_of_the_report(svc: Services, sandbox: Servers, days: int, window: LimitWindow | None):
    offered(svc)
    booking = paid(svc, sandbox, 0)
    order = svc.bookings.get(booking.id).price
    after = later(svc, days=days)

    found = payment_limits.above(after, replace(booking, id="z" * 24, created_at=after.now()), order)

    assert (found.window if found else None) is window


def test_an_order_that_became_too_much_meanwhile_is_not_made_and_the_owner_decides(svc: Services, sandbox: Servers):
    offered(svc)
    booking = held(svc, 0)
    offered(svc, "9000")
    # As when both were held at the same moment, and neither could see the other.
    other = svc.bookings.add(
        replace(
            live(svc, email="bob@example.com", call=30),
            id=svc.new_id(),
            token=svc.new_token(),
            email_index=booking.email_index,
            created_at=booking.created_at - timedelta(seconds=1),
            meeting_type=replace(DEAR, price=Money.parse("9000")),
            slot=None,
            seats=(),
        )
    )
    made = orders(sandbox)

    refused = payment.open_held_order(svc, booking, seconds=2.0)
    again = refreshing.refresh(svc, booking.id)

    assert other.state is State.PENDING
    assert (refused.state, refused.order and refused.order.checkout) == (State.PENDING, None)
    assert orders(sandbox) == made, "nothing was asked of Binance"
    assert again.has_owed(AlertOwner(AlertKind.ABOVE_LIMIT))
    payment_limits.allow(svc, "ann@example.com", Money.parse("20000"), 30, "p", "known for years")
    paying = payment.try_again(svc, booking.token)
    assert paying.order is not None
    assert paying.order.checkout is not None


def test_the_owner_allows_a_customer_more_for_a_while_and_takes_it_back(svc: Services, sandbox: Servers):
    offered(svc)
    paid(svc, sandbox, 0)

    made = payment_limits.allow(svc, "Ann@Example.com ", Money.parse("12000"), 7, "p", "known for years")
    second = paid(svc, sandbox, 20)
    with pytest.raises(AboveLimit) as third:
        held(svc, 40)
    payment_limits.end(svc, made.customer, "p")
    with pytest.raises(AboveLimit) as fourth:
        held(svc, 40)

    assert second.state is State.CONFIRMED
    assert "12000 USDT" in str(third.value)
    assert "10000 USDT" in str(fourth.value)
    short = made.customer[: payment_limits.SHORT_INDEX]
    assert [(one.what, one.about) for one in svc.audit.newest(2)] == [
        ("limit_restored", short),
        ("limit_raised", short),
    ]
    assert "up to 12000 USDT until" in svc.audit.newest(2)[1].detail
    assert svc.allowances.of(made.customer, svc.now()) is None


def test_what_was_allowed_ends_by_itself(svc: Services):
    made = payment_limits.allow(svc, "ann@example.com", Money.parse("12000"), 1, "p", "once")

    assert svc.allowances.of(made.customer, svc.now()) == made
    assert svc.allowances.of(made.customer, svc.now() + timedelta(days=1)) is None
    assert svc.allowances.all(svc.now() + timedelta(days=1)) == []
    with pytest.raises(Invalid):
        payment_limits.allow(svc, "ann@example.com", LIMIT, 1, "p", "no more than everybody")


def test_a_call_above_the_limit_is_sold_only_where_the_owner_allowed_it(svc: Services, sandbox: Servers):
    offered(svc, "15000")  # as one that was saved before there was a limit
    with pytest.raises(AboveLimit):
        held(svc, 0)

    offered(svc, "15000", above_limit=True)
    booking = paid(svc, sandbox, 0)

    assert booking.price == Money.parse("15000")
    with pytest.raises(AboveLimit):
        held(svc, 20)
