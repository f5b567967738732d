"""The crux: what a booking becomes, given what the provider and the calendar say, and what is then owed.

Every trigger (webhook, timer, click, restart) ends in `settle`. It is pure and gives the same answer however often it
is asked; whatever has to happen outside is recorded as an effect in the same value. Read `_step` first.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from inspired.domain.booking import (
    DRAFT_CHECKS,
    Attempt,
    Booking,
    CalendarKind,
    Checkout,
    Flag,
    Remote,
    Sealed,
    Slot,
    State,
    trade_number,
)
from inspired.domain.errors import Conflict
from inspired.domain.meeting_types import MeetingType
from inspired.domain.money import Money

ASK_EVERY = timedelta(seconds=30)  # a live order is asked about this often when nobody looks at the page
ASK_SOON = timedelta(seconds=5)  # … and this often when an answer is due (deadline passed, paid but not confirmed)
ASK_AGAIN_LATE = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1))  # after the end, for late money
WAIT_FOR_OWNER = timedelta(hours=1)
ALERT_UNREACHABLE = timedelta(minutes=10)
RETRY_PAUSE = timedelta(seconds=2)
CREATE_LEASE = timedelta(seconds=15)  # longer than any call of create may take
EFFECT_LEASE = timedelta(seconds=60)
LONGEST_BACKOFF = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the provider said about one order, and when it was asked. `status` None: it knows no such order.

    `by_query` is our own signed question; otherwise it is a webhook whose signature was right.
    """

    trade_no: str
    asked_at: datetime
    status: Remote | None
    money: Money | None = None
    transaction_id: str = ""
    paid_at: datetime | None = None
    by_query: bool = True


class SlotSeen(StrEnum):
    SECURED = "secured"
    LOST = "lost"
    UNKNOWN = "unknown"  # not asked, or the calendar did not answer


class Payment(StrEnum):
    """All money seen for a booking, held against its price."""

    NONE = "none"
    NOTIFIED = "notified"  # exact, but only a notice says so yet
    EXACT = "exact"
    SHORT = "short"
    OVER = "over"
    FOREIGN = "foreign"  # another currency, or an amount nobody could read


# --- deciding -------------------------------------------------------------------------------------------------------


def settle(booking: Booking, seen: Iterable[Seen], slot: SlotSeen, now: datetime) -> Booking:
    """What the booking becomes, given these observations."""
    for observation in seen:
        booking = _recorded(booking, observation)
    while (after := _step(booking, slot, now)) != booking:
        booking = after
    return scheduled(booking, now)


def _step(booking: Booking, slot: SlotSeen, now: datetime) -> Booking:
    """One row of the table: the first case that fits and changes something. Rules of money: docs/architecture.md."""
    payment = payment_of(booking)
    over = no_money_can_arrive(booking, now)
    match booking.state, payment:
        # Rule 3: exact money, authenticated, is PAID; our own query and a secured slot make it CONFIRMED.
        case State.PENDING, Payment.EXACT | Payment.NOTIFIED:
            return _moved(booking, State.PAID, now, paid_at=now)
        case State.PAID, Payment.EXACT if slot is SlotSeen.SECURED:
            after = _moved(booking, State.CONFIRMED, now, confirmed_at=now)
            return after.owing(now, "send:confirmed", "send:owner_confirmed")
        case State.PAID, Payment.EXACT if slot is SlotSeen.LOST:
            return _odd(booking, now, Flag.SLOT_LOST, Flag.NEEDS_OWNER, mail="send:problem", alert="alert:slot_lost")
        # Rule 6: money that does not match confirms nothing and is never dropped.
        case ((State.PENDING | State.PAID), Payment.SHORT):
            return _odd(booking, now, Flag.UNDERPAID, Flag.NEEDS_OWNER, mail="send:problem", alert="alert:amount")
        case ((State.PENDING | State.PAID), Payment.OVER):
            return _odd(booking, now, Flag.OVERPAID, Flag.NEEDS_OWNER, mail="send:problem", alert="alert:amount")
        case ((State.PENDING | State.PAID), Payment.FOREIGN):
            return _odd(booking, now, Flag.NEEDS_OWNER, mail="send:problem", alert="alert:amount")
        # Rule 5: the slot goes only when every order was seen closed.
        case State.PENDING, Payment.NONE if over and booking.leaving:
            return _released(_moved(booking, State.CANCELLED, now, ended_at=now), now)
        case State.PENDING, Payment.NONE if over and _passed(booking.deadline, now):
            return _released(_moved(booking, State.EXPIRED, now, ended_at=now), now).owing(now, "send:expired")
        case State.PENDING, Payment.NONE if booking.deadline and now >= booking.deadline + ALERT_UNREACHABLE:
            return booking.owing(now, "alert:unreachable")
        # Rule 6: late money.
        case ((State.EXPIRED | State.CANCELLED), payment) if payment is not Payment.NONE:
            return _odd(booking, now, Flag.PAID_LATE, Flag.NEEDS_OWNER, mail="send:late", alert="alert:late")
        case ((State.PAID | State.CONFIRMED), _) if sum(one.has_money for one in booking.attempts) > 1:
            return _odd(booking, now, Flag.PAID_TWICE, Flag.NEEDS_OWNER, mail="send:problem", alert="alert:paid_twice")
    return booking


def payment_of(booking: Booking) -> Payment:
    """The first order with money decides; a second one is `paid_twice`, which the table looks at by itself."""
    paid = next((one for one in booking.attempts if one.has_money), None)
    if paid is None:
        return Payment.NONE
    if paid.received is None or paid.received.currency != booking.price.currency:
        return Payment.FOREIGN
    if paid.received < booking.price:
        return Payment.SHORT
    if paid.received > booking.price:
        return Payment.OVER
    return Payment.EXACT if paid.proven else Payment.NOTIFIED


def no_money_can_arrive(booking: Booking, now: datetime) -> bool:
    """Every order was seen closed, or was never sent and nobody is sending it now."""
    return all(
        one.is_closed or (not one.was_sent and not (one.retry_at and one.retry_at > now)) for one in booking.attempts
    )


def _recorded(booking: Booking, seen: Seen) -> Booking:
    """The observation in its attempt. An older one changes nothing, and nothing undoes money that was seen."""
    attempt = booking.find_attempt(seen.trade_no)
    if attempt is None or (attempt.seen_at is not None and seen.asked_at < attempt.seen_at):
        return booking
    if seen.status is None:
        return booking.with_attempt(_unknown_there(booking, attempt, seen.asked_at))
    if attempt.has_money and not seen.status.has_money:
        return booking.with_attempt(replace(attempt, seen_at=seen.asked_at))
    if not seen.status.has_money:
        return _with_status(booking, attempt, seen)
    changed = replace(
        attempt,
        status=seen.status,
        seen_at=seen.asked_at,
        uncertain=False,
        # What our own query has proven once is never rewritten; a notice's amount gives way to the query's.
        received=attempt.received if attempt.proven else seen.money,
        proven=attempt.proven or seen.by_query,
        transaction_id=seen.transaction_id or attempt.transaction_id,
        paid_at=seen.paid_at or attempt.paid_at or seen.asked_at,
    )
    booking = booking.with_attempt(changed)
    if not attempt.has_money:
        source = "our query" if seen.by_query else "a signed notice"
        amount = seen.money.shown if seen.money else "an unreadable amount"
        booking = booking.noted(seen.asked_at, "money", f"{amount}, by {source}, order {attempt.number}")
    return booking


def _with_status(booking: Booking, attempt: Attempt, seen: Seen) -> Booking:
    changed = replace(attempt, status=seen.status, seen_at=seen.asked_at, uncertain=False)
    booking = booking.with_attempt(changed)
    if seen.status is Remote.UNKNOWN:
        booking = booking.owing(seen.asked_at, "alert:unknown_status")
    if changed.is_closed and not attempt.is_closed:
        booking = booking.noted(seen.asked_at, "order_closed", f"order {attempt.number} is {seen.status}")
    return booking


def _unknown_there(booking: Booking, attempt: Attempt, asked_at: datetime) -> Attempt:
    """The provider knows no such order: create may be called again, or, when it is too late for that, it is over.

    While somebody may be creating it this very moment (the lease in `retry_at`), nothing can be said.
    """
    leased = attempt.retry_at is not None and attempt.retry_at > asked_at
    too_late = booking.leaving or _passed(booking.expires_at, asked_at)
    if attempt.has_money or leased:
        return attempt
    if too_late or attempt.checkout is not None:
        return replace(attempt, status=Remote.EXPIRED, seen_at=asked_at, uncertain=False)
    return replace(attempt, status=None, seen_at=asked_at, uncertain=False)


def _moved(booking: Booking, state: State, now: datetime, **when: datetime) -> Booking:
    booking = replace(booking, state=state, **when)  # type: ignore[arg-type]
    return booking.noted(now, state.lower())


def _odd(booking: Booking, now: datetime, *flags: Flag, mail: str, alert: str) -> Booking:
    if booking.flags >= set(flags):
        return booking
    return booking.flagged(*flags).noted(now, "flagged", ", ".join(flags)).owing(now, mail, alert)


def _released(booking: Booking, now: datetime) -> Booking:
    """The built-in calendar's slot goes with the state itself; an event at Calendly has to be cancelled there."""
    if booking.slot is not None and booking.slot.calendar is CalendarKind.CALENDLY:
        booking = booking.owing(now, f"release_event:{booking.slot.event_uri}")
    return booking


def _passed(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and now >= moment


# --- when to look again ---------------------------------------------------------------------------------------------


def scheduled(booking: Booking, now: datetime) -> Booking:
    """With `check_at` set to the next moment anything could change; None when nothing can."""
    moments = [effect.due for effect in booking.effects]
    match booking.state:
        case State.DRAFT:
            # The customer may have picked a time in the frame, and the page never told us.
            moments += [at for wait in DRAFT_CHECKS if (at := booking.created_at + wait) > now][:1] or [now]
        case State.PENDING:
            moments += _pending_moments(booking, now)
        case State.PAID:
            moments.append(now + (WAIT_FOR_OWNER if Flag.NEEDS_OWNER in booking.flags else ASK_SOON))
        case State.EXPIRED | State.CANCELLED if booking.ended_at and any(one.was_sent for one in booking.attempts):
            moments += [at for wait in ASK_AGAIN_LATE if (at := booking.ended_at + wait) > now][:1]
        case _:
            pass
    return replace(booking, check_at=min(moments, default=None))


def _pending_moments(booking: Booking, now: datetime) -> list[datetime]:
    if payment_of(booking) is not Payment.NONE:
        return [now + WAIT_FOR_OWNER]
    moments = []
    if booking.deadline and now < booking.deadline:
        moments.append(booking.deadline)
    for attempt in booking.attempts:
        if attempt.checkout is None and attempt.retry_at is not None and not attempt.is_closed:
            moments.append(max(attempt.retry_at, now + RETRY_PAUSE))
        if attempt.was_sent and not attempt.is_settled:
            due = booking.leaving or _passed(booking.deadline, now)
            moments.append(now + (ASK_SOON if due else ASK_EVERY))
    return moments


def orders_to_close(booking: Booking, now: datetime) -> tuple[Attempt, ...]:
    """Orders that must not stay payable: those of a booking whose time is over or that was given up, and one whose
    checkout was in a lost answer (query does not repeat it, so nobody can ever pay it on our page)."""
    all_of_them = booking.state is State.PENDING and (booking.leaving or _passed(booking.deadline, now))
    return tuple(
        one
        for one in booking.attempts
        if one.was_sent
        and not one.is_settled
        and not one.has_money
        and (all_of_them or (one.checkout is None and one.status is not None and _passed(one.retry_at or now, now)))
    )


def orders_to_ask(booking: Booking) -> tuple[Attempt, ...]:
    """The orders whose state at the provider still matters. After the end: all that were ever sent (late money)."""
    if booking.state in (State.EXPIRED, State.CANCELLED):
        return tuple(one for one in booking.attempts if one.was_sent and not one.has_money)
    return tuple(one for one in booking.attempts if one.was_sent and not one.is_settled)


# --- the customer's steps -------------------------------------------------------------------------------------------


def draft(*, booking_id: str, token: str, meeting_type: MeetingType, terms_version: str, now: datetime) -> Booking:
    """A booking without a slot yet: the Calendly frame carries its token."""
    booking = Booking(
        id=booking_id, token=token, meeting_type=meeting_type, created_at=now, terms_version=terms_version
    )
    return scheduled(booking.noted(now, "started"), now)


def held(
    booking: Booking,
    *,
    slot: Slot,
    sealed: Sealed,
    email_index: str,
    visitor_index: str,
    network: str,
    expiry: timedelta,
    now: datetime,
) -> Booking:
    """The draft with its slot: PENDING, with a first order that may be created at once, and the mail that says so."""
    expires_at = now + expiry
    booking = replace(
        booking,
        state=State.PENDING,
        slot=slot,
        sealed=sealed,
        email_index=email_index,
        visitor_index=visitor_index,
        network=network,
        expires_at=expires_at,
        deadline=expires_at + min(timedelta(seconds=60), expiry / 5),
        attempts=(Attempt(number=1, trade_no=trade_number(booking.id, 1), created_at=now, retry_at=now),),
    )
    return scheduled(booking.noted(now, "held").owing(now, "send:held"), now)


def give_up(booking: Booking, now: datetime) -> Booking:
    """The customer does not want it any more. The slot goes when the order is seen closed, not before."""
    if booking.state is State.DRAFT:
        return scheduled(_moved(booking, State.CANCELLED, now, ended_at=now), now)
    if booking.state is not State.PENDING:
        raise Conflict("This booking can no longer be given up here.")
    if booking.leaving:
        return booking
    return replace(booking, leaving=True, check_at=now).noted(now, "given_up")


def change_time(booking: Booking, slot: Slot, now: datetime) -> Booking:
    """Another slot for the same unpaid booking. Price, order and deadline stay."""
    if booking.state is not State.PENDING or booking.leaving or _passed(booking.expires_at, now):
        raise Conflict("The time can be changed only while the booking waits for its payment.")
    before = booking
    booking = replace(booking, slot=slot).noted(now, "time_changed")
    if before.slot and before.slot.event_uri and before.slot.event_uri != slot.event_uri:
        booking = booking.owing(now, f"release_event:{before.slot.event_uri}")
    return scheduled(booking, now)


# --- creating the order ---------------------------------------------------------------------------------------------


def may_create(booking: Booking, now: datetime) -> bool:
    """The newest order still has no checkout, its turn has come, and there is time left to pay."""
    attempt = booking.attempt
    return (
        booking.state is State.PENDING
        and not booking.leaving
        and not _passed(booking.expires_at, now)
        and attempt is not None
        and attempt.checkout is None
        and attempt.status is None
        and not attempt.uncertain
        and attempt.retry_at is not None
        and attempt.retry_at <= now
    )


def may_try_again(booking: Booking, now: datetime) -> bool:
    """No order is payable or about to be: the page offers a button."""
    attempt = booking.attempt
    if booking.state is not State.PENDING or booking.leaving or attempt is None or _passed(booking.expires_at, now):
        return False
    if payment_of(booking) is not Payment.NONE:
        return False
    return attempt.is_closed or (attempt.checkout is None and attempt.retry_at is None)


def creating(booking: Booking, now: datetime) -> Booking:
    """Somebody calls create now: counted before the call, and leased, so that nobody else does it meanwhile."""
    attempt = booking.attempt
    if attempt is None or not may_create(booking, now):
        return booking
    started = replace(attempt, tries=attempt.tries + 1, retry_at=now + CREATE_LEASE)
    return scheduled(booking.with_attempt(started), now)


def created(booking: Booking, trade_no: str, checkout: Checkout, now: datetime) -> Booking:
    """The provider has the order and told us how to pay it."""
    attempt = booking.find_attempt(trade_no)
    if attempt is None or attempt.checkout is not None:
        return booking
    status = attempt.status or Remote.INITIAL
    ready = replace(attempt, checkout=checkout, status=status, retry_at=None, uncertain=False)
    return scheduled(booking.with_attempt(ready).noted(now, "order_created", f"order {attempt.number}"), now)


def create_failed(
    booking: Booking, trade_no: str, *, uncertain: bool, retryable: bool, most_tries: int, now: datetime, why: str
) -> Booking:
    """Create gave no usable answer. Jobs try again later; after `most_tries` the page offers a button."""
    attempt = booking.find_attempt(trade_no)
    if attempt is None or attempt.checkout is not None:
        return booking
    again = retryable and attempt.tries < most_tries
    failed = replace(
        attempt,
        uncertain=attempt.uncertain or uncertain,
        retry_at=now + timedelta(seconds=2**attempt.tries) if again else None,
    )
    booking = booking.with_attempt(failed).noted(now, "create_failed", f"order {attempt.number}: {why}")
    if not again:
        booking = booking.owing(now, "alert:create_failed")
    return scheduled(booking, now)


def lost_checkout(booking: Booking, trade_no: str, now: datetime) -> Booking:
    """The order exists there, but how to pay it was in the answer that got lost, and query does not repeat it.

    It was seen closed; a new order takes its place while there is time.
    """
    attempt = booking.find_attempt(trade_no)
    if attempt is None or attempt is not booking.attempt or not attempt.is_closed or attempt.checkout is not None:
        return booking
    if _passed(booking.expires_at, now) or booking.leaving:
        return booking
    return scheduled(_with_new_attempt(booking, now, tries=attempt.tries), now)


def try_again(booking: Booking, now: datetime) -> Booking:
    """The customer's button: a new round for the same order, or a new order once the old one is closed."""
    attempt = booking.attempt
    if attempt is None or not may_try_again(booking, now):
        return booking
    if attempt.is_closed:
        return scheduled(_with_new_attempt(booking, now, tries=0), now)
    again = replace(attempt, tries=0, retry_at=now)
    return scheduled(booking.with_attempt(again), now)


def _with_new_attempt(booking: Booking, now: datetime, *, tries: int) -> Booking:
    number = len(booking.attempts) + 1
    attempt = Attempt(
        number=number, trade_no=trade_number(booking.id, number), created_at=now, tries=tries, retry_at=now
    )
    return replace(booking, attempts=(*booking.attempts, attempt)).noted(now, "new_order", f"order {number}")


# --- what is owed outside -------------------------------------------------------------------------------------------


def claimed_effect(booking: Booking, name: str, now: datetime) -> Booking:
    """Somebody does it now. Counted before it is done, so that a job that kills its worker still counts."""
    effects = tuple(
        replace(effect, tries=effect.tries + 1, due=now + EFFECT_LEASE) if effect.name == name else effect
        for effect in booking.effects
    )
    return scheduled(replace(booking, effects=effects), now)


def effect_done(booking: Booking, name: str, now: datetime, note: str = "") -> Booking:
    if name in booking.delivered:
        return booking
    effects = tuple(effect for effect in booking.effects if effect.name != name)
    booking = replace(booking, effects=effects, delivered=booking.delivered | {name})
    return scheduled(booking.noted(now, "done", f"{name} {note}".strip()), now)


def effect_failed(booking: Booking, name: str, now: datetime) -> Booking:
    """Tried again, ever more slowly, for as long as it is owed."""
    effects = tuple(
        replace(effect, due=now + min(timedelta(seconds=2**effect.tries), LONGEST_BACKOFF))
        if effect.name == name
        else effect
        for effect in booking.effects
    )
    return scheduled(replace(booking, effects=effects), now)
