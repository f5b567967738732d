"""Refunds: money going back.

requested → sent → done, or rejected, or waiting for the owner. A refund is saved with its id before the provider is
called. Every retry uses the same id, and the provider answers it without refunding again. Only one refund per order is
under way at a time, so that its "refunded in all" can be compared with our own sum.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from inspired.domain.booking import wallet_refunds
from inspired.domain.booking.balance import (
    at_provider,
    came_unclear,
    counted,
    due,
    kept_of,
    left_of,
    nothing,
    refunded,
    total,
)
from inspired.domain.booking.booking import Booking, PaymentOrder, Refund, RefundRequest, SentTransfer, refund_id
from inspired.domain.booking.history import Amount, EventKind, Obstacle, ObstacleKind, RefundFound, RefundRequested
from inspired.domain.booking.outbox import AlertKind, AlertOwner, Email, SendEmail
from inspired.domain.booking.rails import CAPABILITIES
from inspired.domain.booking.states import Cause, RefundStatus, Remote
from inspired.domain.shared.errors import Conflict, Invalid
from inspired.domain.shared.money import Money

REFUND_LEASE = timedelta(seconds=30)  # longer than the call may take
LONGEST_PAUSE = timedelta(minutes=10)
TRY_BALANCE_AGAIN = timedelta(hours=1)
SLOW_AFTER = timedelta(hours=24)  # the plan's promise: refunded within a day
ALERT_AT_TRY = 8
LAST_ONE = 1


class Outcome(StrEnum):
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"
    TAKEN_BACK = "taken_back"  # seen before, and no block has it any more


@dataclass(frozen=True, slots=True)
class RefundSeen:
    """The provider's report on one refund. `refunded_in_all` is all that went back for the order so far, this refund
    included; `remaining` is how many more refunds it allows. `outcome` None: it knows no such refund. `sent_with`:
    where a transfer from the owner's wallet is now."""

    refund_id: str
    asked_at: datetime
    outcome: Outcome | None
    trade_no: str = ""  # the order, for a refund that is not ours
    amount: Money | None = None
    refunded_in_all: Money | None = None
    remaining: int | None = None
    sent_with: SentTransfer | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Who requested a refund. `note` is the owner's reason."""

    by: str = "system"
    note: str = ""
    request: RefundRequest | None = None


SYSTEM, CUSTOMER = Asked(), Asked(by="customer")


# --- requesting a refund --------------------------------------------------------------------------------------------


def going_back(booking: Booking, amount: Money, cause: Cause, now: datetime, asked: Asked = SYSTEM) -> Booking:
    """Refund this amount, taking the newest orders' money first and never more than is left of each."""
    for order, part in _shares(booking, amount):
        booking = _with_refund(booking, order, part, cause, now, asked)
    return booking


def all_of_it(booking: Booking, cause: Cause, now: datetime, asked: Asked = SYSTEM) -> Booking:
    """Refund everything that is left, of every order and in every currency."""
    for order, left in left_of_each(booking):
        booking = _with_refund(booking, order, left, cause, now, asked)
    return booking


def uncounted_back(booking: Booking, number: int, cause: Cause, now: datetime, asked: Asked = SYSTEM) -> Booking:
    """Refund all that is left of one payment that cannot be counted, in its own currency."""
    order, left = _uncounted(booking, number)
    return _with_refund(booking, order, left, cause, now, asked)


def surplus_back(booking: Booking, now: datetime) -> Booking:
    """Refund the surplus. A whole second payment gets a cause of its own."""
    surplus = kept_of(booking) - due(booking)
    newest = next(order for order in reversed(counted(booking)) if not left_of(booking, order).is_nothing)
    is_second = len(counted(booking)) > 1 and not left_of(booking, newest) > surplus
    return going_back(booking, surplus, Cause.SECOND if is_second else Cause.SURPLUS, now)


def _with_refund(
    booking: Booking, order: PaymentOrder, amount: Money, cause: Cause, now: datetime, asked: Asked
) -> Booking:
    refund = Refund(
        id=refund_id(order.trade_no, len(booking.refunds) + 1),
        trade_no=order.trade_no,
        amount=amount,
        cause=cause,
        requested_at=now,
        by=asked.by,
        note=asked.note,
        request=asked.request,
        retry_at=now,
    )
    booking = replace(booking, refunds=(*booking.refunds, refund))
    # The owner's note may name a person: it stays with the refund and is not repeated in the history.
    booking = booking.noted(now, EventKind.REFUND_REQUESTED, RefundRequested(amount, cause))
    if not CAPABILITIES[order.rail].sends_refunds:
        return booking  # nothing is under way before the owner sends it: the page says so
    return booking.owing(now, SendEmail(Email.REFUND_STARTED, refund.id))


# --- requests by the owner ------------------------------------------------------------------------------------------


NOTHING_LEFT = "There is nothing left to refund."


@dataclass(frozen=True, slots=True)
class AllOfIt:
    """Everything that is left, of every order and in every currency."""


@dataclass(frozen=True, slots=True)
class PartOfIt:
    amount: Money


@dataclass(frozen=True, slots=True)
class OfOneOrder:
    """Only this order's money, which cannot be counted; the call and its kept amount stay."""

    number: int


Wanted = AllOfIt | PartOfIt | OfOneOrder  # what the owner wants to refund


@dataclass(frozen=True, slots=True)
class Preview:
    """What a refund would do. `left` is the money before it, `remains` after it; `warnings` are sentences for the
    owner.

    For money that cannot be counted, `amount` is in another currency and `left` does not change.
    """

    amount: Money
    left: Money
    remains: Money
    cancels: bool
    warnings: tuple[str, ...]
    blocked: bool  # the provider would do something other than asked


def refundable(booking: Booking) -> Money:
    """What the owner can still refund, in the price's currency."""
    return kept_of(booking)


def left_of_each(booking: Booking) -> list[tuple[PaymentOrder, Money]]:
    """Every proven payment with money left, and how much, in its own currency."""
    found = ((order, left_of(booking, order)) for order in booking.orders if order.proven)
    return [(order, left) for order, left in found if left > nothing(left.currency)]


def uncounted(booking: Booking) -> list[tuple[PaymentOrder, Money]]:
    """Payments in another currency that have not gone back; each can be refunded separately."""
    return [(order, left) for order, left in left_of_each(booking) if came_unclear(booking, order)]


def _uncounted(booking: Booking, number: int) -> tuple[PaymentOrder, Money]:
    for order, left in uncounted(booking):
        if order.number == number:
            return order, left
    raise Conflict("There is nothing left to refund of this order by itself.")


def checked_all(booking: Booking, *, cancels: bool) -> Preview:
    """Preview refunding all that is left. Raises Conflict."""
    left, shares = refundable(booking), left_of_each(booking)
    if not shares:
        raise Conflict(NOTHING_LEFT)
    return _previewed(booking, shares, left, left, nothing(left.currency), cancels=cancels)


def checked_part(booking: Booking, amount: Money, *, cancels: bool) -> Preview:
    """Preview refunding this amount. Raises Invalid, Conflict."""
    left = refundable(booking)
    if left.is_nothing:
        raise Conflict(NOTHING_LEFT)
    if amount.currency != left.currency:
        raise Invalid(f"The amount has to be in {left.currency}.", {"amount": f"must be in {left.currency}"})
    if not amount > nothing(left.currency):
        raise Invalid("An amount is more than nothing.", {"amount": "must be more than 0"})
    if amount > left:
        raise Invalid(f"At most {left.shown} can be refunded.", {"amount": f"must be at most {left}"})
    return _previewed(booking, _shares(booking, amount), amount, left, left - amount, cancels=cancels)


def checked_order(booking: Booking, number: int) -> Preview:
    """Preview refunding one order that cannot be counted. Raises Conflict."""
    left = refundable(booking)
    order, its = _uncounted(booking, number)
    return _previewed(booking, [(order, its)], its, left, left, cancels=False)


def _previewed(
    booking: Booking,
    shares: list[tuple[PaymentOrder, Money]],
    amount: Money,
    left: Money,
    remains: Money,
    *,
    cancels: bool,
) -> Preview:
    """Warns about the provider's last refund of an order: it ignores the amount and returns everything left."""
    blocking: list[str] = []
    warnings: list[str] = []
    for order, part in shares:
        there = at_provider(booking, order)
        rail = CAPABILITIES[order.rail]
        takes_all = rail.last_takes_all
        if order.refunds_left == 0:
            blocking.append(f"{rail.provider} allows no further refund of this payment. Settle it outside {rail.name}.")
        elif takes_all and order.refunds_left == LAST_ONE and part < there:
            blocking.append(
                f"{rail.provider} allows one last refund of this payment and would return everything left, "
                f"{there.shown}. A smaller amount is not sent."
            )
        elif takes_all and order.refunds_left == LAST_ONE + 1 and part < there:
            warnings.append(f"After this refund {rail.provider} allows one more, which always returns everything left.")
    return Preview(amount, left, remains, cancels, (*blocking, *warnings), bool(blocking))


def _shares(booking: Booking, amount: Money) -> list[tuple[PaymentOrder, Money]]:
    """How much each order contributes: the newest money first, never more than is left of each."""
    shares: list[tuple[PaymentOrder, Money]] = []
    rest = amount
    for order in reversed(counted(booking)):
        left = left_of(booking, order)
        if left > nothing(left.currency):
            part = min(rest, left)
            rest -= part
            if part > nothing(part.currency):
                shares.append((order, part))
    return shares


def refuse_unseen(booking: Booking, seen: int) -> None:
    """Raises Conflict if another refund was made since the owner loaded the page."""
    if len(booking.refunds) != seen:
        raise Conflict("Meanwhile another refund was made for this booking. Please look again.")


def tried_again(booking: Booking, wanted: str, now: datetime) -> Booking:
    """The owner retries a stuck refund. The provider is done with a rejected one, so a new one replaces it. Raises
    Conflict."""
    refund = booking.find_refund(wanted)
    if refund is None or not refund.is_stuck or refund.waits_for_wallet or refund.amount is None:
        raise Conflict("This refund cannot be tried again.")
    if refund.status is RefundStatus.NEEDS_OWNER:
        again = replace(refund, status=RefundStatus.REQUESTED, retry_at=now)
        return booking.with_refund(again).noted(now, EventKind.REFUND_AGAIN, Amount(refund.amount))
    number = len(booking.refunds) + 1
    fresh = refund_id(refund.trade_no, number)
    replaced = booking.with_refund(replace(refund, replaced_by=fresh))
    again = replace(
        refund, id=fresh, requested_at=now, status=RefundStatus.REQUESTED, tries=0, retry_at=now, sent_at=None,
        done_at=None, obstacle=None,
    )  # fmt: skip
    return replace(replaced, refunds=(*replaced.refunds, again)).noted(
        now, EventKind.REFUND_AGAIN, Amount(refund.amount)
    )


def settled_by_hand(booking: Booking, wanted: str, amount: Money, note: str, now: datetime) -> Booking:
    """The owner enters what left by another way, for a stuck refund or one found without its amount. Raises Conflict,
    Invalid."""
    refund = booking.find_refund(wanted)
    if refund is None or not (refund.is_stuck or refund.waits_for_customer):
        raise Conflict("This refund is not waiting for you.")
    order = booking.find_order(refund.trade_no)
    most = left_of(booking, order) + (refund.amount or _planned(booking, refund, amount)) if order else amount
    if amount.currency != most.currency or amount > most or not amount > nothing(amount.currency):
        raise Invalid(f"Between nothing and {most.shown}.", {"amount": f"must be at most {most}"})
    done = replace(
        refund, amount=amount, status=RefundStatus.EXTERNAL, by="owner", note=note, retry_at=None, done_at=now
    )
    booking = booking.with_refund(done).noted(now, EventKind.REFUND_BY_HAND, Amount(amount))
    return _given_way(booking, order, done.id) if order and refund.amount is None else booking


def _planned(booking: Booking, refund: Refund, amount: Money) -> Money:
    """The planned refunds that a console refund whose amount is entered now may displace; it has left already."""
    others = (other for other in booking.refunds if other.trade_no == refund.trade_no and _gives_way(other))
    return refunded(others, amount.currency)


# --- sending --------------------------------------------------------------------------------------------------------


def due_to_send(booking: Booking, now: datetime) -> Refund | None:
    """The next refund whose call is due. Only one refund per order is under way: while one may be at the provider
    already, no other is started."""
    sent = {refund.trade_no for refund in booking.refunds if refund.status is RefundStatus.SENT}
    due = (refund for refund in booking.refunds if _is_due(refund, now) and refund.trade_no not in sent)
    return next((refund for refund in due if not is_held_up(booking, refund)), None)


def _may_be_there(refund: Refund) -> bool:
    """True if the refund was called and its outcome is still unknown."""
    waits = refund.status in (RefundStatus.REQUESTED, RefundStatus.NEEDS_OWNER)
    return waits and refund.tries > 0 and not refund.replaced_by


def _is_due(refund: Refund, now: datetime) -> bool:
    waits = refund.status in (RefundStatus.REQUESTED, RefundStatus.NEEDS_OWNER)
    return waits and refund.retry_at is not None and refund.retry_at <= now and not refund.replaced_by


def is_held_up(booking: Booking, refund: Refund) -> bool:
    """True if this refund was never called and waits for another one of its order."""
    others = (other for other in booking.refunds if other.trade_no == refund.trade_no and other.id != refund.id)
    return not refund.tries and any(other.status is RefundStatus.SENT or _may_be_there(other) for other in others)


def is_calling(booking: Booking, now: datetime) -> bool:
    """True if a refund call or query is due; these do not wait behind mails."""
    return due_to_send(booking, now) is not None or bool(to_ask(booking))


def to_ask(booking: Booking) -> tuple[Refund, ...]:
    """Refunds accepted by the provider and not done."""
    return tuple(refund for refund in booking.refunds if refund.status is RefundStatus.SENT)


def is_asked_about_first(booking: Booking, refund: Refund) -> bool:
    """True if the owner sent some of this order's money by another way. The provider's own limit then no longer
    prevents a double return, so console refunds must be in our books before the call."""
    others = (other for other in booking.refunds if other.trade_no == refund.trade_no)
    return not refund.tries and any(other.is_by_hand for other in others)


def put_off(booking: Booking, wanted: str, now: datetime) -> Booking:
    """The query before the call failed: delay the call."""
    refund = booking.find_refund(wanted)
    return booking if refund is None else booking.with_refund(replace(refund, retry_at=now + REFUND_LEASE))


def sending(booking: Booking, wanted: str, now: datetime, smallest: Money | None = None) -> Booking:
    """Count and lease the call before making it. What the provider would not do as asked is not sent. `smallest`: less
    than that is not sent from a wallet by itself."""
    refund = booking.find_refund(wanted)
    order = booking.find_order(refund.trade_no) if refund else None
    if refund is None or order is None or refund.amount is None:
        return booking
    if not CAPABILITIES[order.rail].sends_refunds:
        return wallet_refunds.handed_over(booking, refund, now, smallest)
    if (obstacle := _impossible(booking, order, refund)) is not None:
        return _needs_owner(booking, refund, obstacle, now, again=None)
    leased = replace(refund, status=RefundStatus.REQUESTED, tries=refund.tries + 1, retry_at=now + REFUND_LEASE)
    return booking.with_refund(leased)


def _impossible(booking: Booking, order: PaymentOrder, refund: Refund) -> Obstacle | None:
    left = at_provider(booking, order)
    if not order.prepay_id:
        return Obstacle(ObstacleKind.NO_NUMBER)
    if refund.tries:
        return None  # it may be at the provider already: only repeating the call tells
    if order.refunds_left == 0:
        return Obstacle(ObstacleKind.NONE_LEFT)
    if _of_unknown_amount(booking, order) is not None and is_asked_about_first(booking, refund):
        return Obstacle(ObstacleKind.AMOUNT_UNKNOWN)
    takes_all = CAPABILITIES[order.rail].last_takes_all
    if takes_all and order.refunds_left == LAST_ONE and refund.amount is not None and refund.amount < left:
        return Obstacle(ObstacleKind.LAST_ONE, left=left)
    return None


def accepted(booking: Booking, observation: RefundSeen, now: datetime) -> Booking:
    """The provider accepted the refund; a query will tell whether the money went back."""
    refund = booking.find_refund(observation.refund_id)
    if refund is None or refund.status not in (RefundStatus.REQUESTED, RefundStatus.NEEDS_OWNER):
        return booking
    sent = replace(refund, status=RefundStatus.SENT, sent_at=now, retry_at=None, obstacle=None)
    booking = booking.with_refund(sent).noted(now, EventKind.REFUND_SENT, _told(refund.amount))
    return _counted_down(booking, sent, observation.remaining)


def not_sent(booking: Booking, wanted: str, now: datetime, *, why: str, refused: bool, low_balance: bool) -> Booking:
    """The call was not accepted. `why`: the provider's answer as it gave it. `refused`: a definite no; otherwise the
    call is repeated with the same id."""
    obstacle = Obstacle(ObstacleKind.PROVIDER, said=why)
    refund = booking.find_refund(wanted)
    if refund is None or refund.status is not RefundStatus.REQUESTED:
        return booking
    if refused:
        if refund.tries == 1:
            refund = replace(refund, tries=0)  # its only call was refused: it is certainly not there
        return _needs_owner(booking, refund, obstacle, now, again=now + TRY_BALANCE_AGAIN if low_balance else None)
    pause = min(timedelta(seconds=2 ** min(refund.tries, 10)), LONGEST_PAUSE)
    booking = booking.with_refund(replace(refund, retry_at=now + pause, obstacle=obstacle))
    return (
        booking.owing(now, AlertOwner(AlertKind.REFUND_UNSENT, refund.id)) if refund.tries == ALERT_AT_TRY else booking
    )


def _needs_owner(booking: Booking, refund: Refund, why: Obstacle, now: datetime, *, again: datetime | None) -> Booking:
    waiting = replace(refund, status=RefundStatus.NEEDS_OWNER, retry_at=again, obstacle=why)
    booking = booking.with_refund(waiting)
    if (instead := _left_otherwise(booking, waiting)) is not None:
        return instead
    booking = booking.owing(now, AlertOwner(AlertKind.REFUND_STUCK, refund.id))
    # Retried every hour: do not record the same refusal again.
    return booking if refund.obstacle == why else booking.noted(now, EventKind.REFUND_STUCK, why)


# --- the provider's answers -----------------------------------------------------------------------------------------


def recorded(booking: Booking, observation: RefundSeen) -> Booking:
    """Apply the observation to its refund. A completed refund never changes."""
    refund, now = booking.find_refund(observation.refund_id), observation.asked_at
    if refund is None:
        return _found(booking, observation)
    if refund.is_gone or refund.status is RefundStatus.REJECTED or observation.outcome is None:
        return booking
    booking = _counted_down(booking, refund, observation.remaining)
    match observation.outcome:
        case Outcome.DONE:
            booking = booking.with_refund(
                replace(
                    refund,
                    status=RefundStatus.DONE,
                    amount=observation.amount or refund.amount,
                    done_at=now,
                    retry_at=None,
                    sent_with=observation.sent_with or refund.sent_with,
                )
            )
            amount = observation.amount or refund.amount
            booking = booking.noted(now, EventKind.REFUND_DONE, _told(amount))
            booking = _gone_with_it(_console_beside(booking, refund, observation), refund)
            return booking.owing(now, SendEmail(Email.REFUND_DONE, refund.id))
        case Outcome.FAILED:
            obstacle = Obstacle(ObstacleKind.REJECTED)
            rejected = replace(refund, status=RefundStatus.REJECTED, retry_at=None, obstacle=obstacle)
            booking = booking.with_refund(rejected).noted(now, EventKind.REFUND_REJECTED)
            if (instead := _left_otherwise(booking, rejected)) is not None:
                return instead
            return booking.owing(now, AlertOwner(AlertKind.REFUND_REJECTED, refund.id))
        case Outcome.TAKEN_BACK:
            return wallet_refunds.taken_back(booking, refund, now)
    if refund.status is not RefundStatus.SENT:
        return accepted(booking, observation, now)
    if observation.sent_with is not None and observation.sent_with != refund.sent_with:
        return booking.with_refund(replace(refund, sent_with=observation.sent_with))
    return booking


def _found(booking: Booking, observation: RefundSeen) -> Booking:
    """A refund whose id is not ours, reported by a signed webhook and verified by query."""
    order = booking.find_order(observation.trade_no)
    if order is None or not order.has_money or observation.outcome is not Outcome.DONE or observation.amount is None:
        return booking
    if order.received is not None and order.received.currency != observation.amount.currency:
        return booking  # the order's own status shows that something went back
    mine = booking.refunds_of(order)
    if any(refund.found_as == observation.refund_id for refund in mine):
        return booking
    if (unknown := _of_unknown_amount(booking, order)) is not None:
        known = booking.with_refund(replace(unknown, amount=observation.amount, found_as=observation.refund_id))
        return _given_way(known, order, unknown.id)
    if order.received is not None and observation.amount > at_provider(booking, order):
        return booking  # accounted for already, by the order's own status
    nameless = next((refund for refund in mine if refund.cause is Cause.CONSOLE and not refund.found_as), None)
    if nameless is not None and nameless.amount is not None and not observation.amount > nameless.amount:
        return _named(booking, nameless, observation, nameless.amount - observation.amount)
    return _console(booking, order, observation.amount, observation.asked_at, observation.refund_id)


def _named(booking: Booking, nameless: Refund, observation: RefundSeen, rest: Money) -> Booking:
    """One of several console refunds of which only the sum was known: split it off the sum."""
    if rest.is_nothing:
        return booking.with_refund(replace(nameless, found_as=observation.refund_id))
    named = replace(nameless, id=observation.refund_id, amount=observation.amount, found_as=observation.refund_id)
    booking = booking.with_refund(replace(nameless, amount=rest))
    return replace(booking, refunds=(*booking.refunds, named))


def console_refunds(booking: Booking, order: PaymentOrder, now: datetime) -> Booking:
    """The order's status says money went back. What our own refunds do not explain was made in the console."""
    mine = [refund for refund in booking.refunds_of(order) if refund.reserves]
    if order.status is None or order.status is Remote.REFUNDING or not order.status.tells_of_refunds:
        return booking
    if any(refund.status is RefundStatus.SENT or _may_be_there(refund) for refund in mine):
        return booking  # ours may explain it: checked again once their outcome is known
    gap = at_provider(booking, order)
    if order.status is Remote.FULL_REFUNDED and gap > nothing(gap.currency):
        if (unknown := _of_unknown_amount(booking, order)) is None:
            return _console(booking, order, gap, now)
        return _given_way(booking.with_refund(replace(unknown, amount=gap)), order, unknown.id)
    if order.status is Remote.REFUNDED and not any(refund.has_left_provider for refund in mine):
        return _console(booking, order, None, now)
    return booking


def _gone_with_it(booking: Booking, refund: Refund) -> Booking:
    """The last refund of an order may return everything left, whatever was asked (see rails); so it may cover other
    planned refunds."""
    order = booking.find_order(refund.trade_no)
    return booking if order is None else _given_way(booking, order, refund.id)


def _of_unknown_amount(booking: Booking, order: PaymentOrder) -> Refund | None:
    return next((refund for refund in booking.refunds_of(order) if refund.is_gone and refund.amount is None), None)


def _console_beside(booking: Booking, refund: Refund, observation: RefundSeen) -> Booking:
    """The provider's sum of refunds exceeds ours: the rest was made in the console."""
    order = booking.find_order(refund.trade_no)
    if order is None or observation.refunded_in_all is None:
        return booking
    known = (other for other in booking.refunds_of(order) if other.has_left_provider)
    ours = refunded(known, observation.refunded_in_all.currency)
    if observation.refunded_in_all > ours and _of_unknown_amount(booking, order) is None:
        return _console(booking, order, observation.refunded_in_all - ours, observation.asked_at)
    return booking


def _console(booking: Booking, order: PaymentOrder, amount: Money | None, now: datetime, found: str = "") -> Booking:
    """Record a console refund. It has happened already, so our own planned refunds give way to it."""
    refund = Refund(
        id=found or refund_id(order.trade_no, len(booking.refunds) + 1),
        trade_no=order.trade_no,
        amount=amount,
        cause=Cause.CONSOLE,
        requested_at=now,
        by="owner",
        found_as=found,
        status=RefundStatus.EXTERNAL,
        done_at=now,
    )
    booking = replace(booking, refunds=(*booking.refunds, refund))
    booking = _given_way(booking, order, refund.id)
    booking = booking.noted(now, EventKind.REFUND_FOUND, RefundFound(order.number, amount))
    return booking.owing(now, AlertOwner(AlertKind.CONSOLE_REFUND, refund.id))


def _given_way(booking: Booking, order: PaymentOrder, to: str) -> Booking:
    """Drop planned refunds no longer covered, newest first; keep any that the provider may have received. The table
    refunds what money is left."""
    for planned in reversed(booking.refunds_of(order)):
        left = left_of(booking, order)
        if _gives_way(planned) and left < nothing(left.currency):
            booking = booking.with_refund(replace(planned, replaced_by=to, retry_at=None))
    return booking


def _gives_way(refund: Refund) -> bool:
    """True if the refund is certainly not at the provider."""
    waits = refund.status in (RefundStatus.REQUESTED, RefundStatus.NEEDS_OWNER) and not refund.tries
    return (waits or refund.status is RefundStatus.REJECTED) and not refund.replaced_by


def _left_otherwise(booking: Booking, refund: Refund) -> Booking | None:
    """This refund failed, and console refunds left too little for it: drop it after all."""
    order = booking.find_order(refund.trade_no)
    console = [other for other in booking.refunds if other.trade_no == refund.trade_no and other.cause is Cause.CONSOLE]
    if order is None or not console:
        return None
    after = _given_way(booking, order, console[-1].id)
    mine = after.find_refund(refund.id)
    return after if mine is not None and mine.replaced_by else None


def _counted_down(booking: Booking, refund: Refund, remaining: int | None) -> Booking:
    order = booking.find_order(refund.trade_no)
    if order is None or remaining is None or (order.refunds_left is not None and remaining >= order.refunds_left):
        return booking
    return booking.with_order(replace(order, refunds_left=remaining))


# --- the booking as a whole -----------------------------------------------------------------------------------------


def all_gone(booking: Booking) -> bool:
    """True if money had arrived and every refund of it is done."""
    live = [refund for refund in booking.refunds if refund.reserves]
    return bool(live) and all(refund.is_gone and refund.amount is not None for refund in live)


def slow(booking: Booking, now: datetime) -> tuple[Refund, ...]:
    """Refunds not done a day after they were requested."""
    return tuple(
        refund for refund in booking.refunds if refund.is_under_way and now >= refund.requested_at + SLOW_AFTER
    )


def of_request(booking: Booking, name: str) -> tuple[Refund, ...]:
    """The refunds made by the owner's request of this name."""
    return tuple(refund for refund in booking.refunds if refund.request is not None and refund.request.name == name)


def _told(amount: Money | None) -> Amount | None:
    return None if amount is None else Amount(amount)


def returned_in_all(booking: Booking) -> Money:
    """All that has gone back, in the price's currency."""
    gone = (refund.amount for refund in booking.refunds if refund.is_gone and refund.amount)
    return total((amount for amount in gone if amount.currency == booking.price.currency), booking.price.currency)
