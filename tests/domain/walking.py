"""A booking on a random walk, beside a provider in miniature that only ever tells the truth of some moment.

The provider keeps its own books: what was paid, what it has returned. What our side believes is held against them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from inspired.domain.booking import customer_actions, delivery, ledger, lifecycle, payment_orders, polling, refunds
from inspired.domain.booking.booking import Booking, refund_id
from inspired.domain.booking.lifecycle import OrderObservation, SlotSeen
from inspired.domain.booking.refunds import Outcome, RefundSeen
from inspired.domain.booking.states import CalendarKind, Remote, State
from inspired.domain.shared.errors import Refusal
from inspired.domain.shared.money import Money
from inspired.domain.shared.slots import Span
from tests.factories import CHECKOUT, MINUTE, NOW, SECOND, a_booking, topping_up

HOUR = 60 * MINUTE
AMOUNTS = ("exact", "exact", "exact", "74", "80", "0.00000001", "75.00000001", "BNB", "unreadable")
MONEY_STATES = (State.PAID, State.CONFIRMED)


@dataclass
class Order:
    """One order as the provider has it. `returned`: refund id → amount and outcome."""

    amount: Money
    status: Remote = Remote.INITIAL
    received: Money | None = None
    is_readable: bool = True
    remaining: int = 10
    returned: dict[str, tuple[Money, Outcome]] = field(default_factory=dict)

    @property
    def is_payable(self) -> bool:
        return self.status in (Remote.INITIAL, Remote.PENDING)

    def sum_of(self, *outcomes: Outcome) -> Decimal:
        return sum((one.amount for one, outcome in self.returned.values() if outcome in outcomes), Decimal())

    @property
    def left(self) -> Money:
        """What has neither gone back nor is being returned."""
        assert self.received is not None
        return Money(self.received.amount - self.sum_of(Outcome.DONE, Outcome.PENDING), self.received.currency)

    def told(self) -> Remote:
        if self.received is None:
            return self.status
        if any(outcome is Outcome.PENDING for _, outcome in self.returned.values()):
            return Remote.REFUNDING
        if not self.sum_of(Outcome.DONE):
            return Remote.PAID
        return Remote.FULL_REFUNDED if self.left.is_nothing else Remote.REFUNDED

    def refund(self, request: str, amount: Money) -> bool:
        """Repeated, it is answered and not done again. The last one returns everything that is left."""
        if request in self.returned:
            return True
        if self.remaining == 0 or amount > self.left:
            return False
        self.returned[request] = (self.left if self.remaining == 1 else amount, Outcome.PENDING)
        self.remaining -= 1
        return True

    def decided(self, outcome: Outcome) -> None:
        for request, (amount, before) in self.returned.items():
            if before is Outcome.PENDING:
                self.returned[request] = (amount, outcome)


@dataclass
class Walk:
    """`pairs` collects which states have met which status of the provider's."""

    random: Random
    pairs: set[tuple[State, Remote | None]] = field(default_factory=set)
    states: set[State] = field(default_factory=set)
    now: datetime = NOW
    orders: dict[str, Order] = field(default_factory=dict)
    answers: list[OrderObservation] = field(default_factory=list)
    booking: Booking = field(default_factory=a_booking)

    def __post_init__(self) -> None:
        calendar = self.random.choice(list(CalendarKind))
        booking = a_booking(calendar=calendar)
        self.booking = topping_up(booking) if self.random.random() < 0.4 else booking
        self.fewest = self.random.choice((10, 3))
        for action in self.random.choice(OPENINGS):
            self.did(action)

    def everything_arrives_again(self) -> None:
        for one in list(self.answers):
            self.settle(one, slot=SlotSeen.UNKNOWN)

    # --- one step -----------------------------------------------------------------------------------------------

    def step(self) -> str:
        """Something happens. Its name; a refusal is an answer too, and changes nothing."""
        return self.did(self.random.choice(ACTIONS))

    def did(self, action: "Callable[[Walk], None]") -> str:
        try:
            action(self)
        except Refusal:
            return f"{action.__name__} (refused)"
        return action.__name__

    def seen(self, trade_no: str, *, by_query: bool = True) -> OrderObservation:
        order = self.orders.get(trade_no)
        if order is None:
            return OrderObservation(trade_no, self.now, None, by_query=by_query)
        return OrderObservation(
            trade_no,
            self.now,
            order.told(),
            money=order.received if order.is_readable else None,
            prepay_id="P1",
            transaction_id="T1" if order.received else "",
            by_query=by_query,
        )

    def settle(self, *seen: OrderObservation, slot: SlotSeen, told: tuple[RefundSeen, ...] = ()) -> None:
        for one in seen:
            self.pairs.add((self.booking.state, one.status))
        self.answers += [one for one in seen if one not in self.answers]
        self.booking = lifecycle.settle(self.booking, seen, slot, self.now, told)
        again = lifecycle.settle(self.booking, seen, slot, self.now, told)
        assert again == self.booking, "the same answers once more change nothing"

    def decided(self, booking: Booking) -> None:
        self.booking = lifecycle.decided(booking, SlotSeen.UNKNOWN, self.now)

    def refund_seen(self, request: str, trade_no: str) -> RefundSeen:
        order = self.orders[trade_no]
        if request not in order.returned:
            return RefundSeen(request, self.now, None, trade_no)
        amount, outcome = order.returned[request]
        in_all = order.sum_of(Outcome.DONE) + (amount.amount if outcome is Outcome.PENDING else 0)
        in_all_money = Money(Decimal(in_all), amount.currency)
        return RefundSeen(request, self.now, outcome, trade_no, amount, in_all_money, order.remaining)

    def is_settled_there(self, trade_no: str) -> bool:
        return trade_no in self.orders and self.orders[trade_no].received is not None


# --- what can happen --------------------------------------------------------------------------------------------------


def time_passes(walk: Walk) -> None:
    short, long = (SECOND, 20 * SECOND, MINUTE, 5 * MINUTE), (HOUR, 13 * HOUR)
    hurried = walk.booking.state is State.PENDING and walk.random.random() < 0.97
    walk.now += walk.random.choice(short if hurried else short + long)
    for order in walk.orders.values():
        expires = walk.booking.expires_at
        if order.is_payable and expires is not None and walk.now >= expires:
            order.status = Remote.EXPIRED


def the_time_to_pay_is_over(walk: Walk) -> None:
    walk.now = max(walk.now, NOW + 17 * MINUTE)
    time_passes(walk)


def create(walk: Walk) -> None:
    before = walk.booking
    walk.booking = payment_orders.creating(before, walk.now)
    order = walk.booking.order
    if walk.booking == before or order is None:
        return
    fate = walk.random.choice(("fine",) * 8 + ("lost answer", "refused", "crashed"))
    if fate != "refused":
        walk.orders[order.trade_no] = Order(order.amount, remaining=walk.fewest)
    if fate == "fine":
        walk.booking = payment_orders.created(walk.booking, order.trade_no, CHECKOUT, walk.now)
    elif fate != "crashed":
        walk.booking = payment_orders.create_failed(
            walk.booking, order.trade_no, uncertain=fate == "lost answer", retryable=True, most_tries=3,
            now=walk.now, why=fate,
        )  # fmt: skip


def pay(walk: Walk) -> None:
    for order in walk.orders.values():
        if order.is_payable and walk.random.random() < 0.6:
            amount = walk.random.choice(AMOUNTS)
            order.is_readable = amount != "unreadable"
            order.received = {
                "exact": order.amount,
                "unreadable": order.amount,
                "BNB": Money.parse("75", "BNB"),
            }.get(amount) or Money.parse(amount)
            order.status = Remote.PAID


def begin_to_pay_or_fail(walk: Walk) -> None:
    for order in walk.orders.values():
        if order.is_payable:
            order.status = walk.random.choice(
                (Remote.PENDING, Remote.PENDING, Remote.ERROR, Remote.CANCELED, Remote.EXPIRED)
            )


def ask(walk: Walk) -> None:
    """As `refresh` does: what has to be closed is closed first; then every answer, and the calendar's."""
    for one in polling.orders_to_close(walk.booking, walk.now):
        order = walk.orders.get(one.trade_no)
        if order is not None and order.is_payable and walk.random.random() < 0.8:
            order.status = Remote.CANCELED
    seen = [walk.seen(one.trade_no) for one in polling.orders_to_ask(walk.booking, walk.now)]
    told = tuple(walk.refund_seen(one.id, one.trade_no) for one in refunds.to_ask(walk.booking))
    walk.settle(*seen, slot=walk.random.choice((SlotSeen.SECURED, *SlotSeen)), told=told)


def a_notice(walk: Walk) -> None:
    if walk.orders:
        walk.settle(walk.seen(walk.random.choice(list(walk.orders)), by_query=False), slot=SlotSeen.UNKNOWN)


def an_old_answer(walk: Walk) -> None:
    if walk.answers:
        walk.settle(walk.random.choice(walk.answers), slot=SlotSeen.UNKNOWN)


def an_unknown_word(walk: Walk) -> None:
    unpaid = [trade_no for trade_no, order in walk.orders.items() if order.received is None]
    if unpaid:
        walk.settle(replace(walk.seen(walk.random.choice(unpaid)), status=Remote.UNKNOWN), slot=SlotSeen.UNKNOWN)


def no_such_order(walk: Walk) -> None:
    """An answer from a replica that is behind."""
    if walk.orders:
        walk.settle(OrderObservation(walk.random.choice(list(walk.orders)), walk.now, None), slot=SlotSeen.UNKNOWN)


def send_refunds(walk: Walk) -> None:
    while (due := refunds.due_to_send(walk.booking, walk.now)) is not None:
        walk.decided(refunds.sending(walk.booking, due.id, walk.now))
        leased = walk.booking.find_refund(due.id)
        if leased is None or leased.retry_at is None or leased.retry_at <= walk.now or leased.amount is None:
            continue
        fate = walk.random.choice(("fine", "fine", "lost answer", "low balance", "unreachable"))
        order = walk.orders[leased.trade_no]
        is_taken = fate in ("fine", "lost answer") and order.refund(leased.id, leased.amount)
        if is_taken and fate == "fine":
            walk.decided(refunds.accepted(walk.booking, walk.refund_seen(leased.id, leased.trade_no), walk.now))
        else:
            refused = fate == "low balance" or (fate == "fine" and not is_taken)
            walk.decided(
                refunds.not_sent(
                    walk.booking, leased.id, walk.now, why=fate, refused=refused, low_balance=fate == "low balance"
                )
            )


def refunds_are_decided(walk: Walk) -> None:
    for order in walk.orders.values():
        order.decided(walk.random.choice((Outcome.DONE, Outcome.DONE, Outcome.FAILED)))


def a_refund_by_console(walk: Walk) -> None:
    for trade_no, order in walk.orders.items():
        if order.received is not None and not order.left.is_nothing and walk.random.random() < 0.3:
            part = order.left if walk.random.random() < 0.5 else order.left.share(25)
            number = len(order.returned) + 1
            if order.refund(f"{refund_id(trade_no, number)}console", part) and walk.random.random() < 0.5:
                order.decided(Outcome.DONE)


def a_refund_notice(walk: Walk) -> None:
    """A refund of any source, told by a notice and read back by query."""
    found = [(request, no) for no, order in walk.orders.items() for request in order.returned]
    if found:
        told = walk.refund_seen(*walk.random.choice(found))
        walk.settle(slot=SlotSeen.UNKNOWN, told=(told,))


def another_slot(walk: Walk) -> None:
    slot = walk.booking.slot
    assert slot is not None
    number = len(walk.booking.history)
    span = Span(slot.span.start + MINUTE, slot.span.end + MINUTE)
    event = f"http://calendly/scheduled_events/E{number}" if slot.event_uri else ""
    moved = replace(slot, span=span, event_uri=event)
    if customer_actions.may_choose(walk.booking, walk.now):
        walk.booking = customer_actions.another_time(walk.booking, moved, walk.now)
    else:
        walk.booking = customer_actions.change_time(walk.booking, moved, walk.now)


def give_up(walk: Walk) -> None:
    if walk.random.random() < 0.3:
        walk.booking = customer_actions.give_up(walk.booking, walk.now)


def try_again(walk: Walk) -> None:
    walk.booking = payment_orders.try_again(walk.booking, walk.now)


def money_back(walk: Walk) -> None:
    walk.booking = customer_actions.money_back(walk.booking, walk.now)


def cancel(walk: Walk) -> None:
    if walk.random.random() < 0.3:
        walk.booking = customer_actions.cancel(
            walk.booking, customer_actions.goes_back(walk.booking, walk.now), walk.now
        )


def owner_refunds(walk: Walk) -> None:
    if walk.random.random() < 0.4:
        amount = walk.random.choice((None, Money.parse("10"), Money.parse("25.5")))
        cancels = walk.random.random() < 0.5
        if amount is None:
            walk.booking = customer_actions.refund_all(walk.booking, walk.now, cancels=cancels)
        else:
            walk.booking = customer_actions.refund_part(walk.booking, amount, walk.now, cancels=cancels)


def owner_tries_again(walk: Walk) -> None:
    if walk.booking.refunds:
        walk.decided(refunds.tried_again(walk.booking, walk.random.choice(walk.booking.refunds).id, walk.now))


def effects_are_done(walk: Walk) -> None:
    for one in walk.booking.outbox:
        if one.due <= walk.now:
            walk.booking = delivery.claimed(walk.booking, one.task, walk.now)
            walk.booking = delivery.done(walk.booking, one.task, walk.now)


ACTIONS: tuple[Callable[[Walk], None], ...] = (
    time_passes, time_passes, time_passes, create, create, pay, pay, begin_to_pay_or_fail, ask, ask, ask, a_notice,
    an_old_answer, an_unknown_word, no_such_order, send_refunds, send_refunds, refunds_are_decided, a_refund_by_console,
    a_refund_notice, another_slot, give_up, try_again, try_again, money_back, cancel, owner_refunds, owner_tries_again,
    effects_are_done,
)  # fmt: skip


OPENINGS: tuple[tuple[Callable[[Walk], None], ...], ...] = (
    (),
    (create,),
    (create, pay, ask),
    (create, begin_to_pay_or_fail, ask, try_again, create, pay, ask),
    (create, pay, a_refund_by_console),
    (create, pay, a_notice),
    (create, begin_to_pay_or_fail, ask, try_again, create, pay, a_notice),
    (create, pay, a_refund_by_console, refunds_are_decided, ask, the_time_to_pay_is_over, ask, ask),
    (create, begin_to_pay_or_fail, a_notice, pay, a_refund_by_console, a_notice, a_refund_by_console, a_notice, ask),
    (create, begin_to_pay_or_fail, ask, try_again, create, pay, ask, cancel, send_refunds, refunds_are_decided, ask),
)


def quieted(walk: Walk, *, days: int = 6) -> None:
    """From here on everybody answers, every refund succeeds, and the clock does what `check_at` says."""
    end = walk.now + timedelta(days=days)
    for trade_no, order in walk.orders.items():
        order.decided(Outcome.DONE)
        told = tuple(walk.refund_seen(request, trade_no) for request in order.returned)
        walk.settle(walk.seen(trade_no), slot=SlotSeen.SECURED, told=told)
    while walk.booking.check_at is not None and walk.now < end:
        walk.now = max(walk.booking.check_at, walk.now + SECOND)
        time_passes_for(walk)
        for one in polling.orders_to_close(walk.booking, walk.now):
            if one.trade_no in walk.orders and walk.orders[one.trade_no].is_payable:
                walk.orders[one.trade_no].status = Remote.CANCELED
        seen = [walk.seen(one.trade_no) for one in polling.orders_to_ask(walk.booking, walk.now)]
        told = tuple(walk.refund_seen(one.id, one.trade_no) for one in refunds.to_ask(walk.booking))
        walk.settle(*seen, slot=SlotSeen.SECURED, told=told)
        send_for_sure(walk)
        effects_are_done(walk)


def time_passes_for(walk: Walk) -> None:
    for order in walk.orders.values():
        if order.is_payable and walk.booking.expires_at is not None and walk.now >= walk.booking.expires_at:
            order.status = Remote.EXPIRED
        order.decided(Outcome.DONE)


def send_for_sure(walk: Walk) -> None:
    while (due := refunds.due_to_send(walk.booking, walk.now)) is not None:
        walk.decided(refunds.sending(walk.booking, due.id, walk.now))
        leased = walk.booking.find_refund(due.id)
        if leased is None or leased.retry_at is None or leased.retry_at <= walk.now or leased.amount is None:
            continue
        if walk.orders[leased.trade_no].refund(leased.id, leased.amount):
            walk.decided(refunds.accepted(walk.booking, walk.refund_seen(leased.id, leased.trade_no), walk.now))
        else:
            walk.decided(
                refunds.not_sent(walk.booking, leased.id, walk.now, why="refused", refused=True, low_balance=False)
            )
            walk.settle(walk.seen(leased.trade_no), slot=SlotSeen.UNKNOWN)


def targets_of(booking: Booking) -> dict[tuple[str, str], Decimal]:
    sums: dict[tuple[str, str], Decimal] = {}
    for _, _, lines in ledger.targets(booking):
        for line in lines:
            place = (line.account, line.money.currency)
            sums[place] = sums.get(place, Decimal()) + line.money.amount
    return {place: amount for place, amount in sums.items() if amount}
