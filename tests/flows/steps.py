"""Steps several tests of flows take: a slot, a booking on it, an order paid at the sandbox."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from inspired.domain.booking import Booking
from inspired.domain.meeting_types import get_meeting_type
from inspired.domain.slots import Span
from inspired.flows import booking as booking_flow
from inspired.flows import payment
from inspired.flows.booking import Customer
from inspired.services import Services
from tests.harness import Servers


def free_calls(svc: Services, type_id: str = "portfolio-review") -> list[Span]:
    now = svc.now()
    return booking_flow.free_times(svc, get_meeting_type(type_id), Span(now, now + timedelta(days=14)))


def hold(
    svc: Services, *, call: int = 0, type_id: str = "portfolio-review", email: str = "ann@example.com", **more: Any
) -> Booking:
    span = free_calls(svc, type_id)[call]
    return booking_flow.hold_time(
        svc,
        get_meeting_type(type_id),
        span.start,
        more.pop("zone", "Europe/Berlin"),
        Customer(email, more.pop("name", "Ann Example"), more.pop("address", "203.0.113.7")),
        network="",
        token=svc.new_token(),
    )


def live(svc: Services, **more: Any) -> Booking:
    """Held, with an order that can be paid at the sandbox."""
    return payment.open_held_order(svc, hold(svc, **more), seconds=2.0)


def pay(sandbox: Servers, booking: Booking, **how: Any) -> Any:
    assert booking.attempt is not None
    return sandbox.control(f"orders/{booking.attempt.trade_no}/pay", {"notify": "lost", **how})


def remote_status(sandbox: Servers, trade_no: str) -> str:
    return next(one["status"] for one in sandbox.control("orders") if one["merchantTradeNo"] == trade_no)


def later(svc: Services, **span: float) -> Services:
    """The same services, with their clock moved on (Binance's own stays)."""
    return replace(svc, now=lambda: svc.now() + timedelta(**span))
