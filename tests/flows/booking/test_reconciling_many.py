"""Many orders and fifty planted differences: all are found, none is invented, and a second look changes nothing.

`make soak` does it with a thousand orders.
"""

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import requests
from structlog.testing import capture_logs

from inspired.adapters.mongo.documents import booking_out
from inspired.domain.booking import customer_actions, delivery, payment_orders
from inspired.domain.booking.booking import Booking, Checkout, Sealed, Slot
from inspired.domain.booking.lifecycle import OrderObservation, SlotSeen, settle
from inspired.domain.booking.reconciliation import STEPS, Kind, Step
from inspired.domain.booking.refunds import Outcome, RefundSeen
from inspired.domain.booking.states import CalendarKind, Remote
from inspired.domain.catalogue.meeting_types import get_meeting_type
from inspired.domain.shared.money import Money
from inspired.domain.shared.slots import Span
from inspired.flows.booking import reconciling
from inspired.services import Services
from tests.flows.steps import free_calls
from tests.harness import Servers

ORDERS = int(os.environ.get("RECONCILED_ORDERS", "250"))
EACH = {
    Kind.UNKNOWN_PAYMENT: 5,
    Kind.MISSING_PAYMENT: 4,
    Kind.AMOUNT: 4,
    Kind.STILL_PAYABLE: 5,
    Kind.UNKNOWN_REFUND: 5,
    Kind.MISSING_REFUND: 4,
    Kind.REFUND_STATE: 4,
    Kind.REFUND_AMOUNT: 3,
    Kind.LEDGER: 5,
    Kind.CALL_WITHOUT_EVENT: 4,
    Kind.EVENT_MOVED: 3,
    Kind.EVENT_WITHOUT_CALL: 4,
}
TYPE = get_meeting_type("portfolio-review")
PRICE, TEN, NINE = Money.parse("75"), Money.parse("10"), Money.parse("9")
FAR = timedelta(days=4000)  # beyond what the calendar offers: no real hold is in the way

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def env_changes() -> dict[str, str]:
    return {"CALENDAR": "calendly", "BINANCE_CALLS_PER_SECOND": "1000"}


class Books:
    """Bookings and their real orders. Every one agrees with Binance and the calendar until something is planted."""

    def __init__(self, svc: Services, sandbox: Servers) -> None:
        self.svc, self.sandbox = svc, sandbox
        self.made: dict[str, Booking] = {}
        self.unposted: set[str] = set()
        self.begun_at = svc.now()
        self._orders: Iterator[Booking] = iter(())
        self._starts = self._apart([span.start for span in free_calls(svc)])

    @staticmethod
    def _apart(starts: list[Any]) -> Iterator[Any]:
        last = None
        for start in starts:
            if last is None or start - last >= timedelta(hours=1):
                last = start
                yield start

    def open(self, count: int) -> None:
        """Held, each with an order that can be paid."""
        held = [self._held(number) for number in range(count)]
        wishes = [{"merchantTradeNo": one.orders[0].trade_no, "amount": "75"} for one in held]
        for one, order in zip(held, self.sandbox.control("bulk/orders", {"orders": wishes}), strict=True):
            checkout = Checkout(order["prepayId"], "http://x/", "http://x/", "bnc://x", "http://x/")
            live = payment_orders.created(one, one.orders[0].trade_no, checkout, one.created_at)
            self.made[live.id] = live
        self._orders = iter(list(self.made.values()))

    def _held(self, number: int) -> Booking:
        made_at = self.begun_at - timedelta(seconds=60) + timedelta(milliseconds=number)
        booking = customer_actions.draft(
            booking_id=self.svc.new_id(),
            token=self.svc.new_token(),
            meeting_type=TYPE,
            terms_version="1",
            now=made_at,
        )
        key = self.svc.vault.new_key(booking.id)
        fields = (("email", f"{number}@example.com"), ("name", "Ann"))
        start = made_at.replace(minute=0, second=0, microsecond=0) + FAR + number * timedelta(hours=1)
        booking = customer_actions.held(
            booking,
            slot=Slot(Span(start, start + timedelta(minutes=TYPE.minutes)), "UTC", CalendarKind.BUILTIN),
            sealed=Sealed(key, *(self.svc.vault.seal(key, booking.id, *field) for field in fields)),
            email_index=self.svc.vault.blind_index("email", f"{number}@example.com"),
            visitor_index="",
            network="",
            expiry=timedelta(minutes=15),
            now=made_at,
        )
        return payment_orders.creating(booking, made_at)

    # --- what becomes of them ---

    def take(self, count: int, *becoming: Callable[[Booking], Booking]) -> list[Booking]:
        taken = list(itertools.islice(self._orders, count))
        assert len(taken) == count
        for booking in taken:
            for step in becoming:
                booking = step(booking)
            self.made[booking.id] = booking
        return [self.made[one.id] for one in taken]

    def pay(self, booking: Booking, amount: str = "75") -> Booking:
        self.sandbox.control(f"orders/{booking.orders[0].trade_no}/pay", {"notify": "lost", "amount": amount})
        return booking

    def close(self, booking: Booking) -> Booking:
        self.svc.binance.close(booking.orders[0].trade_no)
        return booking

    def ask(self, booking: Booking) -> Booking:
        """Ours is what Binance says."""
        now, trade_no = self.svc.now(), booking.orders[0].trade_no
        answer = self.svc.binance.query(trade_no, asked_at=now)
        known = [one for one in booking.refunds if one.tries]
        refunds = [self.svc.binance.query_refund(one.id, "USDT", trade_no=trade_no) for one in known]
        return settle(booking, (answer,), SlotSeen.SECURED, now, refunds)

    def believe(self, booking: Booking, status: Remote, money: Money | None = None) -> Booking:
        """Ours is what nobody said."""
        now = self.svc.now()
        told = OrderObservation(booking.orders[0].trade_no, now, status, money=money, transaction_id="P_1", paid_at=now)
        return settle(booking, (told,), SlotSeen.SECURED, now)

    def believe_paid(self, booking: Booking) -> Booking:
        return self.believe(booking, Remote.PAID, PRICE)

    def believe_closed(self, booking: Booking) -> Booking:
        return self.believe(customer_actions.give_up(booking, self.svc.now()), Remote.CANCELED)

    def expire(self, booking: Booking) -> Booking:
        return self.ask(self.close(customer_actions.give_up(booking, self.svc.now())))

    def asking_back(self, booking: Booking, amount: Money | None = None) -> Booking:
        """The owner wants it back, and the call to Binance is about to be made."""
        now = self.svc.now()
        if amount is None:
            booking = customer_actions.refund_all(booking, now, cancels=True)
        else:
            booking = customer_actions.refund_part(booking, amount, now, cancels=False)
        return booking.with_refund(replace(booking.refunds[0], tries=1))

    def send(self, booking: Booking, amount: Money | None = None) -> Booking:
        refund = booking.refunds[0]
        amount = amount or refund.amount
        assert amount is not None
        self.svc.binance.refund(
            refund_request_id=refund.id, prepay_id=booking.orders[0].prepay_id, amount=amount, reason="test"
        )
        return booking

    def believe_refunded(self, booking: Booking) -> Booking:
        return self._believe_refund(booking, Outcome.DONE)

    def believe_pending(self, booking: Booking) -> Booking:
        return self._believe_refund(booking, Outcome.PENDING)

    def _believe_refund(self, booking: Booking, outcome: Outcome) -> Booking:
        refund = booking.refunds[0]
        told = RefundSeen(refund.id, self.svc.now(), outcome, refund.trade_no, amount=refund.amount)
        return settle(booking, (), SlotSeen.UNKNOWN, self.svc.now(), (told,))

    def refund_in_console(self, booking: Booking) -> Booking:
        self.sandbox.control(f"orders/{booking.orders[0].trade_no}/refund", {})
        return booking

    def never_posted(self, booking: Booking) -> Booking:
        self.unposted.add(booking.id)
        return booking

    def in_calendly(self, booking: Booking) -> Booking:
        page = self.svc.calendly.frame_url(TYPE.id, booking.token, "localhost")
        start = next(self._starts)
        wish = {
            "start_time": start.isoformat().replace("+00:00", "Z"),
            "name": "Ann",
            "email": "ann@example.com",
            "utm_content": booking.token,
            "timezone": "UTC",
        }
        answer = requests.post(page.split("?")[0], data=wish, headers={"Accept": "application/json"}, timeout=5)
        made = answer.json()
        span = Span(start, start + timedelta(minutes=TYPE.minutes))
        slot = Slot(span, "UTC", CalendarKind.CALENDLY, made["event"]["uri"], made["invitee"]["uri"])
        return replace(booking, slot=slot)

    def cancel_event(self, booking: Booking) -> Booking:
        assert booking.slot is not None
        self.svc.calendly.cancel(booking.slot.event_uri, "test")
        return booking

    def move_ours(self, booking: Booking) -> Booking:
        assert booking.slot is not None
        span = Span(booking.slot.span.start + timedelta(hours=1), booking.slot.span.end + timedelta(hours=1))
        return replace(booking, slot=replace(booking.slot, span=span))

    # --- writing ---

    def write(self, database: Any) -> None:
        """As they are an hour later: everything owed has been done."""
        done = [self._done(one) for one in self.made.values()]
        database["bookings"].insert_many([booking_out(one) for one in done])
        for one in done:
            if one.id not in self.unposted:
                self.svc.ledger.post(one.id, one.ledger)

    def _done(self, booking: Booking) -> Booking:
        for item in booking.outbox:
            booking = delivery.done(booking, item.task, self.svc.now())
        return booking


def healthy(books: Books, count: int) -> None:
    confirmed = (books.pay, books.ask)
    partly = (*confirmed, partial(books.asking_back, amount=TEN), books.send, books.ask)
    books.take(10, books.in_calendly, *confirmed)
    books.take(count // 5, books.expire)
    books.take(count // 20, *confirmed, books.asking_back, books.send, books.ask)
    books.take(count // 20, *partly)
    books.take(count // 20)  # still open
    books.take(count - 10 - count // 5 - 3 * (count // 20), *confirmed)


def plant(books: Books) -> set[tuple[str, Kind]]:
    """Of each kind as many as EACH says: how a booking gets there."""
    confirmed = (books.pay, books.ask)
    back = (*confirmed, partial(books.asking_back, amount=TEN))
    ways: dict[Kind, tuple[Callable[[Booking], Booking], ...]] = {
        Kind.UNKNOWN_PAYMENT: (books.pay,),
        Kind.MISSING_PAYMENT: (books.close, books.believe_paid),
        Kind.AMOUNT: (partial(books.pay, amount="80"), books.believe_paid),
        Kind.STILL_PAYABLE: (books.believe_closed,),
        Kind.UNKNOWN_REFUND: (*confirmed, books.refund_in_console),
        Kind.MISSING_REFUND: (*back, books.believe_refunded),
        Kind.REFUND_STATE: (*back, books.send, books.believe_pending),
        Kind.REFUND_AMOUNT: (*back, partial(books.send, amount=NINE), books.believe_refunded),
        Kind.LEDGER: (*confirmed, books.never_posted),
        Kind.CALL_WITHOUT_EVENT: (books.in_calendly, *confirmed, books.cancel_event),
        Kind.EVENT_MOVED: (books.in_calendly, *confirmed, books.move_ours),
        Kind.EVENT_WITHOUT_CALL: (books.in_calendly, books.expire),
    }
    # A balance is compared by address: see test_chain_reconciling.
    assert set(ways) == set(Kind) - {Kind.BALANCE} == set(EACH)
    return {(booking.id, kind) for kind, way in ways.items() for booking in books.take(EACH[kind], *way)}


def found_by(svc: Services) -> tuple[set[tuple[str, Kind]], dict[str, int]]:
    """One reconciliation: what it put right and told in the log, with what it left for the owner."""
    with capture_logs() as lines:
        reconciling.start(svc)
        while reconciling.turn_page(svc):
            pass
    healed = {(line["booking"], Kind(line["kind"])) for line in lines if line["event"] == "difference"}
    left = {(case.difference.booking_id, case.difference.kind) for case in svc.cases.waiting()}
    run = svc.runs.get(reconciling.NAME)
    assert run is not None
    return healed | left, run.counts


def test_fifty_differences_among_many_orders_are_found_and_none_is_invented(
    svc: Services, sandbox: Servers, database: Any
) -> None:
    books = Books(svc, sandbox)
    books.open(ORDERS)
    expected = plant(books)
    healthy(books, ORDERS - len(expected))
    books.write(database)
    owners = {one for one in expected if STEPS[one[1]] is Step.OWNER}

    found, counts = found_by(svc)

    assert found == expected
    assert (len(expected), counts["bookings"]) == (50, ORDERS)
    assert {(case.difference.booking_id, case.difference.kind) for case in svc.cases.waiting()} == owners

    before = list(database["bookings"].find().sort("_id", 1)), list(database["ledger"].find().sort("_id", 1))
    found, counts = found_by(svc)

    assert found == owners
    assert (counts["healed"], counts["opened"], counts["closed"]) == (0, 0, 0)
    assert before == (list(database["bookings"].find().sort("_id", 1)), list(database["ledger"].find().sort("_id", 1)))
