"""Steps several tests of flows take: a slot, a booking on it, an order paid at the sandbox."""

import contextlib
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import redis
import requests

from inspired.domain.booking import lifecycle
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.rails import USUAL
from inspired.domain.booking.states import State
from inspired.domain.catalogue.meeting_types import get_meeting_type
from inspired.domain.shared.errors import UpstreamError
from inspired.domain.shared.networks import Network
from inspired.domain.shared.slots import Span
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import payment, refreshing
from inspired.flows.booking.booking import Customer
from inspired.flows.site import sandbox_chains
from inspired.services import Services
from tests.harness import Servers, wait_until


def free_calls(svc: Services, type_id: str = "portfolio-review") -> list[Span]:
    """So far ahead that every reminder is still owed and cancelling costs nothing, whatever hour and day it is now: no
    call's policy looks further ahead. Tests of what holds shortly before a call use `starting_in`."""
    begin = svc.now() + timedelta(hours=74)
    return booking_flow.free_times(svc, get_meeting_type(type_id), Span(begin, begin + timedelta(days=14)))


def owners_clock(svc: Services, call: Span) -> datetime:
    """When it begins, by the clock on the owner's wall: hours of work are written by that one."""
    return call.start.astimezone(ZoneInfo(svc.settings.owner_timezone))


def receive_on_chain(svc: Services, sandbox: Servers) -> None:
    """The owner receives on all three networks of the stand-in, whose blocks come only when a test mines them."""
    sandbox.control("settings", {f"{network.lower()}_speed_up": 0 for network in Network})
    sandbox_chains.receive(svc, sandbox.sandbox)


def hold(
    svc: Services, *, call: int = 0, type_id: str = "portfolio-review", email: str = "ann@example.com", **more: Any
) -> Booking:
    """`reminders`: hours before the call, in place of the meeting type's own."""
    span, meeting_type = free_calls(svc, type_id)[call], get_meeting_type(type_id)
    return booking_flow.hold_time(
        svc,
        replace(meeting_type, reminders=more.pop("reminders", meeting_type.reminders)),
        span.start,
        more.pop("zone", "Europe/Berlin"),
        Customer(email, more.pop("name", "Ann Example"), more.pop("address", "203.0.113.7")),
        rail=more.pop("rail", USUAL),
        network="",
        token=svc.new_token(),
    )


def live(svc: Services, **more: Any) -> Booking:
    """Held, with an order that can be paid at the sandbox."""
    return payment.open_held_order(svc, hold(svc, **more), seconds=2.0)


def pay(sandbox: Servers, booking: Booking, **how: Any) -> Any:
    assert booking.order is not None
    return sandbox.control(f"orders/{booking.order.trade_no}/pay", {"notify": "lost", **how})


def book_past_us(
    svc: Services, *, call: int = 40, token: str = "", email: str = "eve@example.com", minutes: int | None = None
) -> str:
    """As somebody who has the address of Calendly's own page. Answers the event's address."""
    page = svc.calendly.page_url("portfolio-review", token)
    start = free_calls(svc)[call].start.isoformat()
    form = {"start_time": start, "name": "Eve", "email": email, **({"utm_content": token} if token else {})}
    form |= {"duration": str(minutes)} if minutes else {}
    answer = requests.post(page.partition("?")[0], data=form, headers={"Accept": "application/json"}, timeout=5)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["event"]["uri"])


def pause_payments(svc: Services, sandbox: Servers) -> None:
    """Binance Pay answers nothing usable, five times in a row."""
    sandbox.control("faults", {"binance": [{"call": "any", "fault": "http_500", "times": 50}]})
    for _ in range(5):
        with contextlib.suppress(UpstreamError):
            svc.binance.query("x" * 27)


def refuse_calls(svc: Services, sandbox: Servers, kind: str = "key_refused") -> None:
    """Binance Pay answers, and refuses every call from now on; three in a row have been."""
    sandbox.control("faults", {"binance": [{"call": "any", "fault": kind, "times": 1000}]})
    for _ in range(3):
        with contextlib.suppress(UpstreamError):
            svc.binance.query("x" * 27)


def pause_is_over(svc: Services, sandbox: Servers) -> None:
    """As if its time had passed: the next call is let through, and answered again."""
    requests.delete(f"{sandbox.sandbox}/control/faults", timeout=5).raise_for_status()
    with redis.Redis.from_url(sandbox.redis_url) as connection:
        connection.hset("throttle:binance", "held_until", 0)
    wait_until(lambda: not svc.binance.throttle.state().open, what="the end of the pause")


def remote_status(sandbox: Servers, trade_no: str) -> str:
    return next(one["status"] for one in sandbox.control("orders") if one["merchantTradeNo"] == trade_no)


def later(svc: Services, **span: float) -> Services:
    """The same services, with their clock moved on (Binance's own stays)."""
    return replace(svc, now=lambda: svc.now() + timedelta(**span))


def confirmed(svc: Services, sandbox: Servers, **more: Any) -> Booking:
    booking = live(svc, **more)
    pay(sandbox, booking)
    booking = refreshing.refresh(svc, booking.id)
    assert booking.state is State.CONFIRMED
    return booking


def refunds_there(sandbox: Servers) -> list[tuple[str, str]]:
    return [(one["amount"], one["status"]) for one in sandbox.control("refunds")]


def paid_again(svc: Services, sandbox: Servers, **how: Any) -> Booking:
    """A confirmed call, whose first order was closed and is paid after all."""
    booking = live(svc)
    assert booking.order is not None
    first = booking.order.trade_no
    sandbox.control(f"orders/{first}/close", {})
    booking = payment.try_again(svc, refreshing.refresh(svc, booking.id).token)
    pay(sandbox, booking)
    sandbox.control(f"orders/{first}/pay", {"notify": "lost", "force": True, **how})
    booking = refreshing.refresh(svc, booking.id)
    seen = [svc.binance.query(first)]
    svc.bookings.change(booking.id, lambda b: lifecycle.settle(b, seen, lifecycle.SlotSeen.UNKNOWN, svc.now()))
    return refreshing.refresh(svc, booking.id)


def lost_time(svc: Services, sandbox: Servers) -> Booking:
    """Paid after the end, and somebody else has the time by then."""
    booking = live(svc)
    assert booking.slot is not None
    span = booking.slot.span
    booking_flow.give_up(svc, booking.token)
    refreshing.refresh(svc, booking.id)
    other = hold(svc, call=free_calls(svc).index(span), email="bob@example.com")
    assert other.slot is not None
    assert other.slot.span == span
    pay(sandbox, booking, force=True)
    return refreshing.refresh(later(svc, minutes=2), booking.id)


def starting_in(svc: Services, booking: Booking, hours: float) -> Booking:
    """The same booking, so long before its call."""
    start = svc.now() + timedelta(hours=hours)
    span = Span(start, start + timedelta(minutes=45))
    slot = booking.slot
    assert slot is not None
    return svc.bookings.change(booking.id, lambda b: replace(b, slot=replace(slot, span=span)))
