"""The booking's state machine: its next state and tasks, given what the provider and the calendar report.

Every trigger (webhook, timer, click, restart) ends in `settle`. It is pure and idempotent; every outside effect is
recorded as a task or a refund in the same value. Read `TABLE` first.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from inspired.domain.booking import refunds
from inspired.domain.booking.balance import (
    Payment,
    came_unclear,
    denied,
    due,
    kept_of,
    missing,
    nothing,
    payment_of,
    unclear,
)
from inspired.domain.booking.booking import Booking, PaymentOrder, trade_number
from inspired.domain.booking.history import Amount, EventKind, MoneySeen, Order, OrderStatus
from inspired.domain.booking.ledger import booked
from inspired.domain.booking.outbox import AlertKind, AlertOwner, CancelEvent, CancelStrayEvents, Email, SendEmail, Task
from inspired.domain.booking.polling import ALERT_AFTER, may_still_pay, passed, scheduled
from inspired.domain.booking.rails import CAPABILITIES
from inspired.domain.booking.refunds import RefundSeen
from inspired.domain.booking.states import CalendarKind, Cause, Flag, Held, Remote, State
from inspired.domain.shared.money import Money

TIDY_AFTER = ALERT_AFTER / 2


@dataclass(frozen=True, slots=True)
class OrderObservation:
    """The provider's report on one order, and when it was asked for. `status` None: it knows no such order.

    `by_query`: from our own signed query; otherwise from a webhook with a valid signature. `confirmations`: blocks on
    top of the one whose money completed it; None where there are none. `money` beside a status without
    money: a part that is there while the rest is awaited.
    """

    trade_no: str
    asked_at: datetime
    status: Remote | None
    money: Money | None = None
    commission: Money | None = None
    prepay_id: str = ""
    transaction_id: str = ""
    paid_at: datetime | None = None
    by_query: bool = True
    confirmations: int | None = None


class SlotSeen(StrEnum):
    SECURED = "secured"
    LOST = "lost"
    UNKNOWN = "unknown"  # not asked, or the calendar did not answer


# --- input of a row -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Moment:
    """What a row may read besides state and payment."""

    booking: Booking
    slot: SlotSeen
    now: datetime


PENDING, PAID, CONFIRMED = State.PENDING, State.PAID, State.CONFIRMED
EXPIRED, CANCELLED, REFUNDED = State.EXPIRED, State.CANCELLED, State.REFUNDED
NONE, NOTIFIED, EXACT, SHORT = Payment.NONE, Payment.NOTIFIED, Payment.EXACT, Payment.SHORT
OVER, UNCLEAR, RETURNED = Payment.OVER, Payment.UNCLEAR, Payment.RETURNED
SECURED, LOST = SlotSeen.SECURED, SlotSeen.LOST

HAS_ENDED = (EXPIRED, CANCELLED)
ALIVE = (PENDING, PAID, CONFIRMED, EXPIRED, CANCELLED, REFUNDED)
UNPAID = (NONE, RETURNED, UNCLEAR)  # no money here that could pay for the call

# --- shared steps ---------------------------------------------------------------------------------------------------


def moved(booking: Booking, state: State, now: datetime, **changes: object) -> Booking:
    booking = replace(booking, state=state, **changes)  # type: ignore[arg-type]
    return booking.noted(now, EventKind(state.lower()))


def released(booking: Booking, now: datetime) -> Booking:
    """Release the slot. The state change alone frees a built-in slot; a Calendly event must be cancelled there."""
    if booking.slot is not None and booking.slot.event_uri:
        booking = booking.owing(now, CancelEvent(booking.slot.event_uri))
    return left_pending(booking, now)


def is_reminder(task: Task) -> bool:
    return isinstance(task, SendEmail) and task.template is Email.REMINDER


def reminded(booking: Booking, now: datetime) -> Booking:
    """Schedule the reminder mails. A reminder whose hour has passed is skipped: the confirmation has just been sent."""
    booking = booking.not_owing(is_reminder)
    if booking.slot is None:
        return booking
    for hours in booking.meeting_type.reminders:
        due = booking.slot.span.start - timedelta(hours=hours)
        if due > now:
            booking = booking.owing(due, SendEmail(Email.REMINDER, f"{hours}:{booking.moves}"))
    return booking


def left_pending(booking: Booking, now: datetime) -> Booking:
    """Search once more, a little later, for events picked in the iframe that never became the slot."""
    if booking.slot is None or booking.slot.calendar is CalendarKind.CALENDLY:
        return booking.owing(now + TIDY_AFTER, CancelStrayEvents())
    return booking


def with_new_order(booking: Booking, now: datetime, *, tries: int) -> Booking:
    """Add an order for the missing amount. Its number is saved before anything is sent."""
    number = len(booking.orders) + 1
    order = PaymentOrder(
        number=number,
        trade_no=trade_number(booking.id, number),
        created_at=now,
        amount=missing(booking),
        tries=tries,
        retry_at=now,
        rail=booking.pays_by,
    )
    return replace(booking, orders=(*booking.orders, order)).noted(now, EventKind.NEW_ORDER, Order(number))


# --- conditions of rows ---------------------------------------------------------------------------------------------


def no_money_can_arrive(booking: Booking, now: datetime) -> bool:
    """True if every order is closed, has its money, or was never sent and is not being sent now."""
    return all(
        order.is_closed or order.has_money or (not order.was_sent and not (order.retry_at and order.retry_at > now))
        for order in booking.orders
    )


def _notified_amount_fits(moment: Moment) -> bool:
    """A webhook with another amount decides nothing: our own query follows soon and its amount counts."""
    wanted = missing(moment.booking)
    return any(order.has_money and not order.proven and order.received == wanted for order in moment.booking.orders)


def _unconfirmed_for_long(moment: Moment) -> bool:
    booking = moment.booking
    overdue = booking.paid_at is not None and moment.now >= booking.paid_at + ALERT_AFTER + _usual_wait(booking)
    return overdue and Flag.SLOT_LOST not in booking.flags


def _usual_wait(booking: Booking) -> timedelta:
    """How long a payment that was seen usually takes until it is final."""
    waiting = (CAPABILITIES[order.rail] for order in booking.orders if order.has_money and not order.proven)
    return max(
        (timedelta(minutes=able.minutes[1]) for able in waiting if not able.is_final_at_once), default=timedelta()
    )


def _unreachable_for_long(moment: Moment) -> bool:
    deadline = moment.booking.deadline
    return deadline is not None and moment.now >= deadline + ALERT_AFTER


def _is_on_chain(moment: Moment) -> bool:
    """True if a payment may be seen before it is final."""
    return not all(CAPABILITIES[order.rail].is_final_at_once for order in moment.booking.orders)


def _awaits_finality(moment: Moment) -> timedelta | None:
    """For how long a payment that was seen and is not final keeps the call after the time to pay; None: there is
    none."""
    waiting = [order for order in moment.booking.orders if order.has_money and not order.proven]
    waits = [able.longest_wait for order in waiting if not (able := CAPABILITIES[order.rail]).is_final_at_once]
    return max(waits, default=None)


def _is_slow_to_be_final(moment: Moment) -> bool:
    is_told = any(event.kind is EventKind.NETWORK_SLOW for event in moment.booking.history)
    return not is_told and _awaits_finality(moment) is not None and passed(moment.booking.deadline, moment.now)


def _is_too_slow_to_be_final(moment: Moment) -> bool:
    wait, deadline = _awaits_finality(moment), moment.booking.deadline
    return wait is not None and deadline is not None and moment.now >= deadline + wait


def _is_denied(moment: Moment) -> bool:
    return denied(moment.booking) is not None


def _may_top_up(moment: Moment) -> bool:
    return may_still_pay(moment.booking, moment.now)


def _is_tolerated(moment: Moment) -> bool:
    """True if all of its money came on chain and no more is missing than a sender's fee may have taken."""
    booking = moment.booking
    paid = [order for order in booking.orders if order.has_money]
    if booking.agreed_amount is not None or booking.refunds or any(not _may_lack(order) for order in paid):
        return False
    return missing(booking).amount * 100 <= booking.price.amount * booking.tolerance


def _may_lack(order: PaymentOrder) -> bool:
    return order.proven and CAPABILITIES[order.rail].takes_more


def _no_rest_comes(moment: Moment) -> bool:
    """True if nothing was agreed about a short payment and the rest can no longer arrive."""
    awaits = _may_top_up(moment) or (moment.booking.meeting_type.policy.top_up and not _is_closed(moment))
    return moment.booking.agreed_amount is None and not awaits


def _was_agreed(moment: Moment) -> bool:
    return moment.booking.agreed_amount is not None


def _has_uncounted(moment: Moment) -> bool:
    return bool(_uncounted(moment))


def _uncounted(moment: Moment) -> list[PaymentOrder]:
    """Orders that cannot be counted. A confirmed call that lost part of its money has a row of its own."""
    booking = moment.booking
    return [order for order in unclear(booking) if came_unclear(booking, order) or booking.state is not CONFIRMED]


def _is_short_of_its_price(moment: Moment) -> bool:
    return kept_of(moment.booking) < due(moment.booking)


def _is_undecided(moment: Moment) -> bool:
    """True if nothing was agreed or offered since the money arrived."""
    return moment.booking.agreed_amount is None and moment.booking.choose_by is None


def _choice_is_over(moment: Moment) -> bool:
    return passed(moment.booking.choose_by, moment.now)


def _is_closed(moment: Moment) -> bool:
    return no_money_can_arrive(moment.booking, moment.now)


def _given_up_and_closed(moment: Moment) -> bool:
    return moment.booking.cancel_requested and _is_closed(moment)


def _over_and_closed(moment: Moment) -> bool:
    return passed(moment.booking.deadline, moment.now) and _is_closed(moment)


def _all_has_gone(moment: Moment) -> bool:
    return refunds.all_gone(moment.booking)


def _is_slow(moment: Moment) -> bool:
    return bool(refunds.slow(moment.booking, moment.now))


# --- actions of rows ------------------------------------------------------------------------------------------------


def _paid(moment: Moment) -> Booking:
    return moved(moment.booking, PAID, moment.now, paid_at=moment.now)


def _waits_again(moment: Moment) -> Booking:
    return moved(moment.booking, PENDING, moment.now, paid_at=None)


def _told_of_slowness(moment: Moment) -> Booking:
    return moment.booking.noted(moment.now, EventKind.NETWORK_SLOW)


def _alerting(kind: AlertKind) -> Callable[[Moment], Booking]:
    """Alert the owner and change nothing else."""
    return lambda moment: moment.booking.owing(moment.now, AlertOwner(kind))


def _confirmed(moment: Moment) -> Booking:
    return confirmed(moment.booking, moment.now)


def confirmed(booking: Booking, now: datetime) -> Booking:
    after = moved(booking, CONFIRMED, now, confirmed_at=now, earned=due(booking), choose_by=None)
    after = replace(after, flags=after.flags - {Flag.SLOT_LOST})
    return left_pending(
        reminded(after.owing(now, SendEmail(Email.CONFIRMED), SendEmail(Email.OWNER_CONFIRMED)), now), now
    )


def _choosing(moment: Moment, alert: AlertKind, *more: Flag) -> Booking:
    """Paid, but the time is gone: offer another time or the money back; without an answer the money goes back."""
    booking, now = moment.booking, moment.now
    chosen_by = now + booking.meeting_type.policy.choice_time
    told = replace(booking, choose_by=chosen_by).flagged(Flag.SLOT_LOST, *more)
    offered = sum(event.kind is EventKind.CHOICE_OFFERED for event in booking.history)
    occasion = str(offered + 1) if offered else ""
    told = told.noted(now, EventKind.CHOICE_OFFERED)
    return told.owing(now, SendEmail(Email.CHOOSE, occasion), AlertOwner(alert, occasion))


def _chooses(moment: Moment) -> Booking:
    return _choosing(moment, AlertKind.SLOT_LOST)


def _late_chooses(moment: Moment) -> Booking:
    return _choosing(moment, AlertKind.LATE, Flag.PAID_LATE)


def _not_chosen(moment: Moment) -> Booking:
    booking = replace(moment.booking, choose_by=None)
    return refunds.all_of_it(booking, Cause.NO_TIME, moment.now)


def _surplus_back(moment: Moment) -> Booking:
    booking, now = moment.booking, moment.now
    after = refunds.surplus_back(booking, now)
    is_second = any(refund.cause is Cause.SECOND for refund in after.refunds[len(booking.refunds) :])
    if booking.state in (EXPIRED, CANCELLED, REFUNDED):
        after = after.flagged(Flag.PAID_LATE)
    if is_second:
        return after.flagged(Flag.PAID_TWICE).owing(now, AlertOwner(AlertKind.PAID_TWICE))
    return after.flagged(Flag.OVERPAID).owing(now, AlertOwner(AlertKind.AMOUNT))


def _agreed_less(moment: Moment) -> Booking:
    booking, kept = moment.booking, kept_of(moment.booking)
    return replace(booking, agreed_amount=kept).noted(moment.now, EventKind.FEE_TOLERATED, Amount(missing(booking)))


def _rest_asked_for(moment: Moment) -> Booking:
    booking, now = moment.booking, moment.now
    told = booking.flagged(Flag.UNDERPAID).owing(now, SendEmail(Email.SHORT), AlertOwner(AlertKind.AMOUNT))
    if any(not order.has_money and not order.is_closed for order in booking.orders):
        return told
    if any(order.amount == missing(booking) and order.number > 1 and not order.has_money for order in booking.orders):
        return told  # asked for once automatically; after that the customer uses the button
    return with_new_order(told, now, tries=0)


def _short_back(moment: Moment) -> Booking:
    booking = replace(moment.booking, choose_by=None)
    booking = refunds.all_of_it(booking, Cause.SHORT, moment.now).flagged(Flag.UNDERPAID)
    if booking.state in (EXPIRED, CANCELLED):
        booking = booking.flagged(Flag.PAID_LATE)
    return booking.owing(moment.now, AlertOwner(AlertKind.AMOUNT))


def _unclear(moment: Moment) -> Booking:
    """Alert the owner once per such order, whatever other money there is."""
    booking, now = moment.booking, moment.now
    uncounted = _uncounted(moment)
    told = booking.owing(now, *(alert_of_uncounted(order) for order in uncounted))
    may_be_somebody_elses = all(order.held is Held.EARLIER_HOLDER for order in uncounted)
    if may_be_somebody_elses and booking.state in (PENDING, PAID, CONFIRMED):
        return told
    return told.owing(now, SendEmail(Email.PROBLEM))


def alert_of_uncounted(order: PaymentOrder) -> AlertOwner:
    kinds = {Held.EARLIER_HOLDER: AlertKind.HELD, Held.SCREENED: AlertKind.SCREENED, None: AlertKind.UNCLEAR}
    return AlertOwner(kinds[order.held], order.trade_no)


def _keeps_what_is_left(moment: Moment) -> Booking:
    return replace(moment.booking, agreed_amount=kept_of(moment.booking))


def _flagged_late(moment: Moment) -> Booking:
    return moment.booking.flagged(Flag.PAID_LATE)


def _taken_up_again(moment: Moment) -> Booking:
    """The claims return with the state; if another booking has them now, MongoDB refuses the write."""
    booking = moment.booking.flagged(Flag.PAID_LATE)
    return moved(booking, PAID, moment.now, paid_at=moment.now, ended_at=None, cancel_requested=False)


def _ended(moment: Moment, state: State) -> Booking:
    after = moved(moment.booking, state, moment.now, ended_at=moment.now, choose_by=None)
    return released(after, moment.now)


def _cancelled(moment: Moment) -> Booking:
    return _ended(moment, CANCELLED)


def _left_paid(moment: Moment) -> Booking:
    """Our own refunds mail the customer already; a refund made in the provider's console does not."""
    after = _ended(moment, CANCELLED)
    is_told = any(refund.cause is not Cause.CONSOLE for refund in after.refunds)
    return after if is_told else after.owing(moment.now, SendEmail(Email.CANCELLED))


def _expired(moment: Moment) -> Booking:
    after = _ended(moment, EXPIRED)
    return after.owing(moment.now, SendEmail(Email.EXPIRED)) if payment_of(after) is NONE else after


def _slow(moment: Moment) -> Booking:
    late = refunds.slow(moment.booking, moment.now)
    return moment.booking.owing(moment.now, *(AlertOwner(AlertKind.REFUND_SLOW, refund.id) for refund in late))


def _refunded(moment: Moment) -> Booking:
    """From now on nothing may be kept: any later money goes back."""
    nothing_left = nothing(moment.booking.price.currency)
    return moved(moment.booking, REFUNDED, moment.now, agreed_amount=nothing_left, choose_by=None)


# --- the table -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """In this case (states, payments and `when`) the booking becomes what `then` returns, by this money rule.

    `slots`: what the calendar must have answered, if that matters. Every `then` is safe to repeat.
    """

    name: str
    rule: int
    states: tuple[State, ...]
    payments: tuple[Payment, ...]
    slots: tuple[SlotSeen, ...] = tuple(SlotSeen)
    when: Callable[[Moment], bool] = lambda moment: True
    then: Callable[[Moment], Booking] = lambda moment: moment.booking

    def fits(self, payment: Payment, moment: Moment) -> bool:
        return (
            moment.booking.state in self.states
            and payment in self.payments
            and moment.slot in self.slots
            and self.when(moment)
        )


TABLE = (
    # Rule 3: a matching, authenticated payment makes it PAID; our own query and a secured slot make it CONFIRMED.
    Row("a signed notice that fits makes it paid", 3,
        (PENDING,), (NOTIFIED,), when=_notified_amount_fits, then=_paid),
    Row("money that matches makes it paid", 3,
        (PENDING,), (EXACT,), then=_paid),
    Row("paid, proven and the slot secured: confirmed", 3,
        (PAID,), (EXACT,), slots=(SECURED,), then=_confirmed),
    Row("seen before it was final, and taken back: it waits for money again", 3,
        (PAID,), (NONE,), when=_is_on_chain, then=_waits_again),
    Row("paid for long and not confirmed: the owner is told", 3,
        (PAID,), (EXACT, NOTIFIED), when=_unconfirmed_for_long, then=_alerting(AlertKind.UNCONFIRMED)),
    Row("told of by a notice, and denied when asked: the owner is told", 3,
        (PENDING, PAID, *HAS_ENDED), (NOTIFIED,), when=_is_denied, then=_alerting(AlertKind.DENIED)),
    # Rule 6: money that does not match confirms nothing and is never dropped.
    Row("too much, or twice: the surplus goes back", 6,
        ALIVE, (OVER,), then=_surplus_back),
    Row("short by no more than a sender's fee: that much is agreed", 6,
        (PENDING, PAID), (SHORT,), when=_is_tolerated, then=_agreed_less),
    Row("short, and the rest may come: asked for", 6,
        (PENDING,), (SHORT,), when=_may_top_up, then=_rest_asked_for),
    Row("short: all of it goes back", 6,
        (PENDING, PAID, *HAS_ENDED), (SHORT,), when=_no_rest_comes, then=_short_back),
    Row("more has gone back than was agreed: it keeps what is left", 6,
        HAS_ENDED, (SHORT,), when=_was_agreed, then=_keeps_what_is_left),
    Row("money that cannot be counted: the owner decides", 6,
        ALIVE, tuple(Payment), when=_has_uncounted, then=_unclear),
    Row("a confirmed call's money left by another way: the owner decides", 6,
        (CONFIRMED,), (SHORT, RETURNED, UNCLEAR), when=_is_short_of_its_price, then=_alerting(AlertKind.RETURNED)),
    # Rule 6: late money or a lost slot. Try the same slot again; if it is gone, the customer chooses.
    Row("late money by notice: flagged, and asked about", 6,
        HAS_ENDED, (NOTIFIED,), then=_flagged_late),
    Row("late money by our own query: flagged, whatever the calendar says", 6,
        HAS_ENDED, (EXACT,), when=_is_undecided, then=_flagged_late),
    Row("late money and the slot is still free: taken up again", 6,
        HAS_ENDED, (EXACT,), slots=(SECURED,), when=_is_undecided, then=_taken_up_again),
    Row("late money and the slot is gone: the customer chooses", 6,
        HAS_ENDED, (EXACT,), slots=(LOST,), when=_is_undecided, then=_late_chooses),
    Row("paid, and the slot is gone: the customer chooses", 6,
        (PAID,), (EXACT,), slots=(LOST,), when=_is_undecided, then=_chooses),
    Row("nothing was chosen in time: the money goes back", 6,
        (PAID, *HAS_ENDED), (EXACT,), when=_choice_is_over, then=_not_chosen),
    # Rule 5: release the slot only when every order was seen closed.
    Row("given up and seen closed: the slot is free", 5,
        (PENDING,), UNPAID, when=_given_up_and_closed, then=_cancelled),
    Row("not paid in time and seen closed: the slot is free", 5,
        (PENDING,), UNPAID, when=_over_and_closed, then=_expired),
    Row("seen in time and not final when it is over: the customer is told", 5,
        (PENDING, PAID), (NOTIFIED,), when=_is_slow_to_be_final, then=_told_of_slowness),
    Row("seen in time and not final long after: the slot is free", 5,
        (PENDING, PAID), (NOTIFIED,), when=_is_too_slow_to_be_final, then=_expired),
    Row("the provider cannot be asked for long: the owner is told", 5,
        (PENDING,), (NONE, NOTIFIED), when=_unreachable_for_long, then=_alerting(AlertKind.UNREACHABLE)),
    Row("paid, but it cannot be counted: in the end the slot is free", 5,
        (PAID,), (UNCLEAR,), when=_over_and_closed, then=_cancelled),
    # Rule 7: a booking whose money is leaving keeps no slot; REFUNDED means the money was seen to have gone back.
    Row("paid money that is leaving: the slot is free", 7,
        (PAID,), (RETURNED,), then=_left_paid),
    Row("everything has gone back: refunded", 7,
        HAS_ENDED, (RETURNED,), when=_all_has_gone, then=_refunded),
    Row("a refund takes more than a day: the owner is told", 7,
        ALIVE, tuple(Payment), when=_is_slow, then=_slow),
)  # fmt: skip


# --- settling -------------------------------------------------------------------------------------------------------


def settle(
    booking: Booking,
    observations: Iterable[OrderObservation],
    slot: SlotSeen,
    now: datetime,
    refund_observations: Iterable[RefundSeen] = (),
) -> Booking:
    """Apply the observations and return the resulting booking."""
    for observation in observations:
        booking = _recorded(booking, observation)
    for refund_observation in refund_observations:
        booking = refunds.recorded(booking, refund_observation)
    return decided(booking, slot, now)


def decided(booking: Booking, slot: SlotSeen, now: datetime) -> Booking:
    """Apply the table until nothing changes; then update the ledger, the flags and the next check."""
    while (step := next_step(booking, slot, now)) is not None:
        _, booking = step
    return scheduled(_flags(booked(booking, now)), now)


def next_step(booking: Booking, slot: SlotSeen, now: datetime) -> tuple[Row, Booking] | None:
    """The first matching row that changes something, and the resulting booking."""
    payment, moment = payment_of(booking), Moment(booking, slot, now)
    fitting = (row for row in TABLE if row.fits(payment, moment))
    return next(((row, after) for row in fitting if (after := row.then(moment)) != booking), None)


def _flags(booking: Booking) -> Booking:
    """Recompute the two flags that follow from what is open now; they are not facts of their own."""
    stuck = any(refund.is_stuck for refund in booking.refunds)
    lost = booking.state is CONFIRMED and kept_of(booking) < due(booking)
    open_ = stuck or lost or bool(unclear(booking))
    flags = booking.flags - {Flag.REFUND_FAILED, Flag.NEEDS_OWNER}
    failed = any(refund.is_stuck and refund.amount and not refund.waits_for_wallet for refund in booking.refunds)
    flags |= {Flag.REFUND_FAILED} if failed else set()
    flags |= {Flag.NEEDS_OWNER} if open_ else set()
    return replace(booking, flags=flags)


# --- observations ---------------------------------------------------------------------------------------------------


def _recorded(booking: Booking, observation: OrderObservation) -> Booking:
    """Apply the observation to its order. Older observations are ignored, except those of money: clocks of two
    processes differ, and money that was seen cannot disappear."""
    order = booking.find_order(observation.trade_no)
    if order is None:
        return booking
    if observation.status is not None and observation.status.has_money:
        return _with_money(booking, order, observation)
    if order.seen_at is not None and observation.asked_at < order.seen_at:
        return booking
    if order.has_money:
        return _denied(booking, order, observation)
    if observation.status is None:
        return booking.with_order(_unknown_there(booking, order, observation.asked_at))
    return _with_status(booking, order, observation)


def _with_money(booking: Booking, order: PaymentOrder, observation: OrderObservation) -> Booking:
    if order.proven and not observation.by_query:
        return booking
    is_older = order.proven and order.seen_at is not None and observation.asked_at < order.seen_at
    has_more = _has_more(order, observation)
    tells_more = (
        has_more
        or order.status is not observation.status
        or (observation.status is not None and observation.status.tells_of_refunds)
    )
    # More final money is true whenever it was asked for: the clock of whoever asked before may have been ahead.
    if (is_older and not has_more) or (order.proven and not tells_more):
        return booking
    changed = replace(
        order,
        status=observation.status if observation.by_query or not order.has_money else order.status,
        # A webhook says nothing about when *we* asked; its clock may be another process's.
        seen_at=observation.asked_at if observation.by_query and not is_older else order.seen_at,
        uncertain=False,
        # An amount proven by our own query only grows, where more may follow; another is replaced by the query's.
        received=order.received
        if (order.proven and not has_more) or (order.has_money and not observation.by_query)
        else observation.money,
        commission=order.commission or observation.commission,
        proven=order.proven or observation.by_query,
        denied=None if observation.by_query else order.denied,
        arrived=None,
        prepay_id=order.prepay_id or observation.prepay_id,
        transaction_id=observation.transaction_id or order.transaction_id,
        paid_at=observation.paid_at or order.paid_at or observation.asked_at,
        confirmations=observation.confirmations,
    )
    booking = booking.with_order(changed)
    if changed.proven:
        booking = refunds.console_refunds(booking, changed, observation.asked_at)
    if order.has_money:
        return booking
    return booking.noted(
        observation.asked_at, EventKind.MONEY, MoneySeen(order.number, observation.money, observation.by_query)
    )


def _has_more(order: PaymentOrder, observation: OrderObservation) -> bool:
    """True if more proven money has come for an order that may get more."""
    before, money = order.received, observation.money
    if not (order.proven and observation.by_query and CAPABILITIES[order.rail].takes_more):
        return False
    return before is not None and money is not None and before.currency == money.currency and money > before


def _denied(booking: Booking, order: PaymentOrder, observation: OrderObservation) -> Booking:
    """Money that was seen stays. If only a webhook reported it and our own query finds the order closed unpaid, keep it
    unconfirmed; the customer and the owner are told. Money that was not final yet may have been taken back."""
    after = replace(order, seen_at=observation.asked_at)
    if not order.proven and observation.by_query and not CAPABILITIES[order.rail].is_final_at_once:
        return _taken_back(booking, after, observation)
    if order.proven or not observation.by_query or observation.status is None or not observation.status.is_closed:
        return booking.with_order(after)
    booking = booking.with_order(replace(after, denied=observation.status))
    if order.denied is observation.status:
        return booking
    return booking.noted(observation.asked_at, EventKind.DENIED, OrderStatus(order.number, observation.status))


def _taken_back(booking: Booking, order: PaymentOrder, observation: OrderObservation) -> Booking:
    """A reorganisation of the network replaced the block that had the money."""
    unpaid = replace(
        order,
        status=observation.status,
        received=None,
        arrived=observation.money,
        transaction_id="",
        paid_at=None,
        confirmations=None,
    )
    return booking.with_order(unpaid).noted(observation.asked_at, EventKind.TAKEN_BACK, Order(order.number))


def _with_status(booking: Booking, order: PaymentOrder, observation: OrderObservation) -> Booking:
    """A closed order stays closed: a later "open" comes from a server that lags, and would make it payable beside the
    order that replaced it."""
    still_closed = order.is_closed and observation.status is not None and not observation.status.is_closed
    changed = replace(
        order,
        status=order.status if still_closed else observation.status,
        arrived=observation.money if CAPABILITIES[order.rail].takes_more else None,
        seen_at=observation.asked_at,
        uncertain=False,
        prepay_id=order.prepay_id or observation.prepay_id,
    )
    booking = booking.with_order(changed)
    if observation.status is Remote.UNKNOWN:
        booking = booking.owing(observation.asked_at, AlertOwner(AlertKind.UNKNOWN_STATUS))
    if changed.status is not None and changed.is_closed and not order.is_closed:
        booking = booking.noted(observation.asked_at, EventKind.ORDER_CLOSED, OrderStatus(order.number, changed.status))
    return booking


def _unknown_there(booking: Booking, order: PaymentOrder, asked_at: datetime) -> PaymentOrder:
    """The provider knows no such order: call create again, or close the order if it is too late for that.

    While another worker may be creating it (the lease in `retry_at`), conclude nothing. An order that was created once
    is not gone because of one answer: only its expiry proves that.
    """
    leased = order.retry_at is not None and order.retry_at > asked_at
    expired = passed(booking.expires_at, asked_at)
    if leased:
        return order
    if expired or (booking.cancel_requested and order.checkout is None):
        return replace(order, status=Remote.EXPIRED, seen_at=asked_at, uncertain=False)
    if order.checkout is not None:
        return replace(order, seen_at=asked_at)
    return replace(order, status=None, seen_at=asked_at, uncertain=False)
