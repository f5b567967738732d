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
    release_of,
    trade_number,
)
from inspired.domain.errors import Conflict
from inspired.domain.meeting_types import MeetingType
from inspired.domain.money import Money

ASK_EVERY = timedelta(seconds=30)  # a live order is asked about this often when nobody looks at the page
ASK_SOON = timedelta(seconds=5)  # … and this often when an answer is due (deadline passed, paid but not confirmed)
ASK_AGAIN_LATE = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1))  # after the end, for late money
WAIT_FOR_OWNER = timedelta(hours=1)
ALERT_AFTER = timedelta(minutes=10)
ASK_PATIENTLY = timedelta(minutes=5)
TIDY_AFTER = timedelta(minutes=5)
RETRY_PAUSE = timedelta(seconds=2)
CREATE_LEASE = timedelta(seconds=15)  # longer than any call of create may take
EFFECT_LEASE = timedelta(seconds=60)
LONGEST_BACKOFF = timedelta(minutes=10)
ALERT_AT_TRY = 8
MOST_MAIL_TRIES = 300  # about two days of a mail server that is down


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
    NOTIFIED = "notified"  # a signed notice says so, our own query does not yet
    EXACT = "exact"
    SHORT = "short"
    OVER = "over"
    FOREIGN = "foreign"  # another currency, or an amount nobody could read
    RETURNED = "returned"  # it was here, and is going or gone back


# --- deciding -------------------------------------------------------------------------------------------------------


def settle(booking: Booking, seen: Iterable[Seen], slot: SlotSeen, now: datetime) -> Booking:
    """What the booking becomes, given these observations."""
    for observation in seen:
        booking = _recorded(booking, observation)
    while (after := _step(booking, slot, now)) != booking:
        booking = after
    return scheduled(_second_payment(booking, now), now)


def _step(booking: Booking, slot: SlotSeen, now: datetime) -> Booking:
    """One row of the table: the first case that fits. Rules of money: docs/architecture.md."""
    payment = payment_of(booking)
    over = no_money_can_arrive(booking, now)
    match booking.state, payment:
        # Rule 3: money that matches, authenticated, is PAID; our own query and a secured slot make it CONFIRMED.
        case State.PENDING, Payment.NOTIFIED if _notified_amount_fits(booking):
            return _moved(booking, State.PAID, now, paid_at=now)
        case State.PENDING, Payment.EXACT:
            return _moved(booking, State.PAID, now, paid_at=now)
        case State.PAID, Payment.EXACT if slot is SlotSeen.SECURED:
            after = _moved(_slot_found(booking), State.CONFIRMED, now, confirmed_at=now)
            return _left_pending(after.owing(now, "send:confirmed", "send:owner_confirmed"), now)
        case State.PAID, Payment.EXACT if slot is SlotSeen.LOST:
            return _odd(booking, now, Flag.SLOT_LOST, Flag.NEEDS_OWNER, mail="send:problem", alert="alert:slot_lost")
        case State.PAID, _ if _unconfirmed_for_long(booking, now):
            return booking.owing(now, "alert:unconfirmed")
        # Rule 6: money that does not match confirms nothing and is never dropped.
        case ((State.PENDING | State.PAID), Payment.SHORT):
            return _odd(booking, now, Flag.UNDERPAID, Flag.NEEDS_OWNER, mail="send:problem", alert="alert:amount")
        case ((State.PENDING | State.PAID), Payment.OVER):
            return _odd(booking, now, Flag.OVERPAID, Flag.NEEDS_OWNER, mail="send:problem", alert="alert:amount")
        case ((State.PENDING | State.PAID), Payment.FOREIGN):
            return _odd(booking, now, Flag.NEEDS_OWNER, mail="send:problem", alert="alert:amount")
        # Money that went back confirms nothing either: the owner refunded it in the provider's own console.
        case ((State.PENDING | State.PAID | State.EXPIRED | State.CANCELLED), Payment.RETURNED):
            return _odd(booking, now, Flag.NEEDS_OWNER, mail="", alert="alert:returned")
        # Rule 5: the slot goes only when every order was seen closed.
        case State.PENDING, Payment.NONE if over and booking.leaving:
            return _released(_moved(booking, State.CANCELLED, now, ended_at=now), now)
        case State.PENDING, Payment.NONE if over and _passed(booking.deadline, now):
            return _released(_moved(booking, State.EXPIRED, now, ended_at=now), now).owing(now, "send:expired")
        case State.PENDING, (Payment.NONE | Payment.NOTIFIED) if _unreachable_for_long(booking, now):
            return booking.owing(now, "alert:unreachable")
        # Rule 6: late money.
        case ((State.EXPIRED | State.CANCELLED), payment) if payment is not Payment.NONE:
            return _odd(booking, now, Flag.PAID_LATE, Flag.NEEDS_OWNER, mail="send:late", alert="alert:late")
    return booking


def _second_payment(booking: Booking, now: datetime) -> Booking:
    """Two orders with money, whatever else is odd: one of them has to go back."""
    if sum(one.has_money for one in booking.attempts) < 2:
        return booking
    return _odd(
        booking, now, Flag.PAID_TWICE, Flag.NEEDS_OWNER, mail="send:problem:paid_twice", alert="alert:paid_twice"
    )


def payment_of(booking: Booking) -> Payment:
    """The first order with money decides; a second one is `paid_twice`, which the table looks at by itself."""
    paid = next((one for one in booking.attempts if one.has_money), None)
    if paid is None:
        return Payment.NONE
    if paid.status is not Remote.PAID:
        return Payment.RETURNED
    if not paid.proven:
        return Payment.NOTIFIED
    if paid.received is None or paid.received.currency != booking.price.currency:
        return Payment.FOREIGN
    if paid.received < booking.price:
        return Payment.SHORT
    if paid.received > booking.price:
        return Payment.OVER
    return Payment.EXACT


def no_money_can_arrive(booking: Booking, now: datetime) -> bool:
    """Every order was seen closed, or was never sent and nobody is sending it now."""
    return all(
        one.is_closed or (not one.was_sent and not (one.retry_at and one.retry_at > now)) for one in booking.attempts
    )


def _notified_amount_fits(booking: Booking) -> bool:
    """A notice with another amount decides nothing: our own query is asked soon, and its word counts."""
    return any(one.has_money and one.received == booking.price for one in booking.attempts)


def _unconfirmed_for_long(booking: Booking, now: datetime) -> bool:
    overdue = booking.paid_at is not None and now >= booking.paid_at + ALERT_AFTER
    waiting = payment_of(booking) in (Payment.EXACT, Payment.NOTIFIED) and Flag.SLOT_LOST not in booking.flags
    return overdue and waiting and not booking.has_owed("alert:unconfirmed")


def _unreachable_for_long(booking: Booking, now: datetime) -> bool:
    return booking.deadline is not None and now >= booking.deadline + ALERT_AFTER


def _slot_found(booking: Booking) -> Booking:
    """The calendar has the slot after all: what was odd about it is over."""
    left = booking.flags - {Flag.SLOT_LOST}
    return replace(booking, flags=frozenset() if left == {Flag.NEEDS_OWNER} else left)


def _recorded(booking: Booking, seen: Seen) -> Booking:
    """The observation in its attempt. An older one changes nothing, and nothing undoes money that was seen.

    Money is the exception to age: clocks of two processes differ, and it cannot have been there and then not.
    """
    attempt = booking.find_attempt(seen.trade_no)
    if attempt is None:
        return booking
    if seen.status is not None and seen.status.has_money:
        return _with_money(booking, attempt, seen)
    if attempt.seen_at is not None and seen.asked_at < attempt.seen_at:
        return booking
    if attempt.has_money:
        return booking.with_attempt(replace(attempt, seen_at=seen.asked_at))
    if seen.status is None:
        return booking.with_attempt(_unknown_there(booking, attempt, seen.asked_at))
    return _with_status(booking, attempt, seen)


def _with_money(booking: Booking, attempt: Attempt, seen: Seen) -> Booking:
    if attempt.proven and not (seen.by_query and attempt.status is not seen.status):
        return booking
    changed = replace(
        attempt,
        status=seen.status if seen.by_query or not attempt.has_money else attempt.status,
        # A notice says nothing about when *we* asked; its clock may be another process's.
        seen_at=seen.asked_at if seen.by_query else attempt.seen_at,
        uncertain=False,
        # What our own query has proven once is never rewritten; a notice's amount gives way to the query's.
        received=attempt.received if attempt.proven or (attempt.has_money and not seen.by_query) else seen.money,
        proven=attempt.proven or seen.by_query,
        transaction_id=seen.transaction_id or attempt.transaction_id,
        paid_at=seen.paid_at or attempt.paid_at or seen.asked_at,
    )
    booking = booking.with_attempt(changed)
    if attempt.has_money:
        return booking
    source = "our query" if seen.by_query else "a signed notice"
    amount = seen.money.shown if seen.money else "an unreadable amount"
    return booking.noted(seen.asked_at, "money", f"{amount}, by {source}, order {attempt.number}")


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

    While somebody may be creating it this very moment (the lease in `retry_at`), nothing can be said. An order that was
    created once is not gone because one answer says so: only its expiry makes that certain.
    """
    leased = attempt.retry_at is not None and attempt.retry_at > asked_at
    expired = _passed(booking.expires_at, asked_at)
    if leased:
        return attempt
    if expired or (booking.leaving and attempt.checkout is None):
        return replace(attempt, status=Remote.EXPIRED, seen_at=asked_at, uncertain=False)
    if attempt.checkout is not None:
        return replace(attempt, seen_at=asked_at)
    return replace(attempt, status=None, seen_at=asked_at, uncertain=False)


def _moved(booking: Booking, state: State, now: datetime, **when: datetime) -> Booking:
    booking = replace(booking, state=state, **when)  # type: ignore[arg-type]
    return booking.noted(now, state.lower())


def _odd(booking: Booking, now: datetime, *flags: Flag, mail: str, alert: str) -> Booking:
    """Flagged and told, once for each alert: another oddity may carry the same flags."""
    told = booking.owing(now, *(name for name in (mail, alert) if name))
    if told == booking and booking.flags >= set(flags):
        return booking
    return told.flagged(*flags).noted(now, "flagged", ", ".join(flags))


def _released(booking: Booking, now: datetime) -> Booking:
    """The built-in calendar's slot goes with the state itself; an event at Calendly has to be cancelled there."""
    if booking.slot is not None and booking.slot.event_uri:
        booking = booking.owing(now, release_of(booking.slot.event_uri))
    return _left_pending(booking, now)


def _left_pending(booking: Booking, now: datetime) -> Booking:
    """Events picked in the frame that never became the slot are looked for once more, a little later."""
    if booking.slot is None or booking.slot.calendar is CalendarKind.CALENDLY:
        return booking.owing(now + TIDY_AFTER, "tidy_events")
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
            moments += [at for wait in DRAFT_CHECKS if (at := booking.created_at + wait) > now][:1] or [now + ASK_EVERY]
        case State.PENDING:
            moments += _pending_moments(booking, now)
        case State.PAID if _only_the_owner_can_go_on(booking, now):
            moments.append(now + WAIT_FOR_OWNER)
        case State.PAID:
            moments.append(now + _pause(booking.paid_at, now))
        case State.CONFIRMED if orders_to_ask(booking, now):
            moments.append(now + ASK_EVERY)
        case State.EXPIRED | State.CANCELLED:
            moments += _late_moments(booking, now)
        case _:
            pass
    return replace(booking, check_at=min(moments, default=None))


def _only_the_owner_can_go_on(booking: Booking, now: datetime) -> bool:
    """Neither the provider nor the calendar has an answer to come."""
    settled = payment_of(booking) is not Payment.EXACT or Flag.SLOT_LOST in booking.flags
    return Flag.NEEDS_OWNER in booking.flags and settled and not orders_to_ask(booking, now)


def _pending_moments(booking: Booking, now: datetime) -> list[datetime]:
    if payment_of(booking) not in (Payment.NONE, Payment.NOTIFIED):
        return [now + (ASK_EVERY if orders_to_ask(booking, now) else WAIT_FOR_OWNER)]
    moments = []
    if booking.deadline and now < booking.deadline:
        moments.append(booking.deadline)
    for attempt in booking.attempts:
        if attempt.checkout is None and attempt.retry_at is not None and not attempt.is_closed:
            moments.append(max(attempt.retry_at, now + RETRY_PAUSE))
        if attempt.was_sent and not attempt.is_settled:
            urgent = booking.leaving or attempt.has_money or _passed(booking.deadline, now)
            moments.append(now + (_pause(booking.deadline, now) if urgent else ASK_EVERY))
    if booking.leaving or not moments:
        # Its end is due and only has to be decided: whoever writes in between must not take it off the list.
        moments.append(now + _pause(booking.deadline, now))
    return moments


def _pause(since: datetime | None, now: datetime) -> timedelta:
    """How long to wait before asking again for an answer that is due: soon at first, then ever more patiently."""
    waited = now - since if since else timedelta()
    if waited < timedelta(minutes=2):
        return ASK_SOON
    return ASK_EVERY if waited < ALERT_AFTER else ASK_PATIENTLY


def _late_moments(booking: Booking, now: datetime) -> list[datetime]:
    """A question that could not be asked is asked again; one that was answered is done."""
    due = _next_late_question(booking)
    if any(one.has_money and not one.proven for one in booking.attempts):
        due = now
    return [] if due is None else [due if due > now else now + ASK_EVERY]


def _next_late_question(booking: Booking) -> datetime | None:
    unpaid = [one for one in booking.attempts if one.was_sent and not one.has_money]
    if booking.ended_at is None or not unpaid:
        return None
    asked = min(one.seen_at or booking.ended_at for one in unpaid)
    return next((at for wait in ASK_AGAIN_LATE if (at := booking.ended_at + wait) > asked), None)


def orders_to_close(booking: Booking, now: datetime) -> tuple[Attempt, ...]:
    """Orders that must not stay payable: those of a booking whose time is over, that was given up or that has its
    money, and one whose checkout was in a lost answer (query does not repeat it, so nobody can pay it on our page)."""
    all_of_them = booking.state is State.PENDING and (booking.leaving or _passed(booking.deadline, now))
    all_of_them = all_of_them or payment_of(booking) is not Payment.NONE
    return tuple(
        one
        for one in booking.attempts
        if one.was_sent
        and not one.is_settled
        and not one.has_money
        and (all_of_them or (one.checkout is None and one.status is not None and _passed(one.retry_at or now, now)))
    )


def orders_to_ask(booking: Booking, now: datetime) -> tuple[Attempt, ...]:
    """The orders whose state at the provider still matters. After the end: all that were ever sent, now and then."""
    if booking.state in (State.EXPIRED, State.CANCELLED):
        unproven = tuple(one for one in booking.attempts if one.has_money and not one.proven)
        if not _passed(_next_late_question(booking), now):
            return unproven
        return tuple(one for one in booking.attempts if one.was_sent and not (one.has_money and one.proven))
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
        return scheduled(_left_pending(_moved(booking, State.CANCELLED, now, ended_at=now), now), now)
    if booking.state is not State.PENDING:
        raise Conflict("This booking can no longer be given up here.")
    if booking.leaving:
        return booking
    return replace(booking, leaving=True, check_at=now).noted(now, "given_up")


def change_time(booking: Booking, slot: Slot, now: datetime) -> Booking:
    """Another slot for the same unpaid booking. Price, order and deadline stay."""
    if booking.state is not State.PENDING or booking.leaving or _passed(booking.expires_at, now):
        raise Conflict("The time can be changed only while the booking waits for its payment.")
    refuse_given_back(booking, slot)
    before = booking
    booking = replace(booking, slot=slot).noted(now, "time_changed")
    if before.slot and before.slot.event_uri and before.slot.event_uri != slot.event_uri:
        booking = booking.owing(now, release_of(before.slot.event_uri))
    return scheduled(booking, now)


def refuse_given_back(booking: Booking, slot: Slot) -> None:
    if slot.event_uri and booking.gave_back(slot.event_uri):
        raise Conflict("That time was given back already. Please choose another one.")


def event_unwanted(booking: Booking, event_uri: str, now: datetime) -> Booking:
    """An event with this booking's token that is not its slot is owed its cancelling."""
    if booking.slot is not None and booking.slot.event_uri == event_uri:
        return booking
    return scheduled(booking.owing(now, release_of(event_uri)), now)


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
    # Until an answer says otherwise the outcome is unknown: whoever finds this after a crash has to ask first.
    started = replace(attempt, tries=attempt.tries + 1, retry_at=now + CREATE_LEASE, uncertain=True)
    return scheduled(booking.with_attempt(started), now)


def created(booking: Booking, trade_no: str, checkout: Checkout, now: datetime) -> Booking:
    """The provider has the order and told us how to pay it."""
    attempt = booking.find_attempt(trade_no)
    if attempt is None or attempt.checkout is not None:
        return booking
    status = attempt.status or Remote.INITIAL
    # Seen now: an answer "no such order" to a question asked before this one is older, and changes nothing.
    ready = replace(attempt, checkout=checkout, status=status, seen_at=now, retry_at=None, uncertain=False)
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
        uncertain=uncertain,
        retry_at=now + timedelta(seconds=2**attempt.tries) if again else None,
    )
    booking = booking.with_attempt(failed).noted(now, "create_failed", f"order {attempt.number}: {why}")
    if not again:
        booking = booking.owing(now, "alert:create_failed")
    return scheduled(booking, now)


def lost_checkout(booking: Booking, trade_no: str, *, most_tries: int, now: datetime) -> Booking:
    """The order exists there, but how to pay it was in the answer that got lost, and query does not repeat it.

    It was seen closed; a new order takes its place while there is time. The tries go on counting: once they are used
    up, the customer's button is the way on.
    """
    attempt = booking.find_attempt(trade_no)
    if attempt is None or attempt is not booking.attempt or not attempt.is_closed or attempt.checkout is not None:
        return booking
    if _passed(booking.expires_at, now) or booking.leaving or attempt.tries >= most_tries:
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


def effect_failed(booking: Booking, name: str, now: datetime, *, for_good: bool = False) -> Booking:
    """Tried again, ever more slowly. A mail that was refused for good, or for two days, is given up; and told."""
    effect = next((one for one in booking.effects if one.name == name), None)
    if effect is None:
        return booking
    is_mail = name.startswith(("send:", "alert:"))
    if is_mail and (for_good or effect.tries >= MOST_MAIL_TRIES):
        booking = effect_done(booking, name, now, "given up")
        return booking if name.startswith("alert:") else scheduled(booking.owing(now, "alert:undelivered"), now)
    wait = min(timedelta(seconds=2 ** min(effect.tries, 10)), LONGEST_BACKOFF)
    effects = tuple(replace(one, due=now + wait) if one.name == name else one for one in booking.effects)
    booking = replace(booking, effects=effects)
    if effect.tries == ALERT_AT_TRY and not name.startswith("alert:"):
        booking = booking.owing(now, "alert:undelivered")
    return scheduled(booking, now)
