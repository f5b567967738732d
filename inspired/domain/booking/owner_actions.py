"""The owner's actions on one booking: notes, letters, moving, cancelling, confirming manually, erasing.

The customer's actions are in `customer_actions`. Nothing here overrides what a provider knows about money: the owner's
word is recorded beside what was proven, in a ledger account of its own.
"""

from dataclasses import replace
from datetime import datetime

from inspired.domain.booking.balance import Payment, kept_of, nothing, payment_of
from inspired.domain.booking.booking import Booking, ByHand, Slot, Words
from inspired.domain.booking.customer_actions import (
    another_time,
    called_off,
    mails_of_move,
    may_choose,
    refuse_unfit,
    without_event_of,
)
from inspired.domain.booking.history import Amount, EventKind, Letter, Vouched
from inspired.domain.booking.lifecycle import SlotSeen, confirmed, decided, moved, no_money_can_arrive, reminded
from inspired.domain.booking.outbox import AlertKind, AlertOwner, Email, SendEmail
from inspired.domain.booking.polling import ENDED, passed, scheduled
from inspired.domain.booking.rails import CAPABILITIES
from inspired.domain.booking.states import Flag, HandKind, State
from inspired.domain.shared.errors import Conflict, Invalid
from inspired.domain.shared.money import Money

LONGEST_NOTE = 1000  # characters
MOST_NOTES = 200
LONGEST_LETTER = 4000
MOST_LETTERS = 100
ERASED = "The personal data of this booking was erased."

# --- notes and letters ----------------------------------------------------------------------------------------------


def noted_down(booking: Booking, words: Words) -> Booking:
    """Add a note for the staff; the customer does not see it. Raises Conflict."""
    refuse_erased(booking)
    if len(booking.notes) >= MOST_NOTES:
        raise Conflict(f"A booking holds {MOST_NOTES} notes.")
    return replace(booking, notes=(*booking.notes, words))


def may_write(booking: Booking) -> bool:
    return booking.sealed is not None and len(booking.letters) < MOST_LETTERS


def written(booking: Booking, words: Words, now: datetime) -> Booking:
    """Write a letter to the customer, sent like every mail. Raises Conflict."""
    refuse_erased(booking)
    if not may_write(booking):
        raise Conflict(f"A booking holds {MOST_LETTERS} letters.")
    number = len(booking.letters) + 1
    booking = replace(booking, letters=(*booking.letters, words)).noted(now, EventKind.LETTER_WRITTEN, Letter(number))
    return scheduled(booking.owing(now, SendEmail(Email.LETTER, str(number))), now)


def refuse_erased(booking: Booking) -> None:
    """Raises Conflict without the booking's key: no personal text can be stored then."""
    if booking.erased_at is not None:
        raise Conflict(ERASED)
    if booking.sealed is None:
        raise Conflict("Nobody has chosen a time for this booking yet.")


# --- moving ---------------------------------------------------------------------------------------------------------


def may_move(booking: Booking, now: datetime) -> bool:
    """True for a confirmed call at any time, and for a paid booking that lost its time."""
    is_confirmed = booking.state is State.CONFIRMED and booking.slot is not None
    return (is_confirmed or may_choose(booking, now)) and booking.erased_at is None


def move(booking: Booking, slot: Slot, seen: int, now: datetime) -> Booking:
    """Move the call, even past the customer's own deadline. The customer loses no right. `seen`: the number of moves
    when the owner decided. Raises Conflict."""
    if not may_move(booking, now):
        raise Conflict("This booking has no call that could be moved.")
    if booking.moves != seen:
        raise Conflict("This call was moved meanwhile. Please look at its time again.")
    if booking.state is not State.CONFIRMED:
        return another_time(booking, slot, now)
    refuse_unfit(booking, slot)
    old = booking.slot
    after = replace(booking, slot=slot, moves=booking.moves + 1, no_show_at=None)
    after = without_event_of(old, after, now)
    after = after.noted(now, EventKind.MOVED_BY_OWNER).owing(now, *mails_of_move(after))
    return scheduled(reminded(after, now), now)


# --- cancelling -----------------------------------------------------------------------------------------------------


def may_call_off(booking: Booking) -> bool:
    """False for paid but unconfirmed bookings: refunding their money ends them."""
    return booking.state is State.CONFIRMED or (booking.state is State.PENDING and not booking.cancel_requested)


def call_off(booking: Booking, now: datetime) -> Booking:
    """Cancel the call without a refund. An unpaid booking ends when its orders are seen closed. Raises Conflict."""
    if not may_call_off(booking):
        raise Conflict("This booking can no longer be cancelled.")
    if booking.state is State.PENDING:
        return replace(booking, cancel_requested=True, check_at=now).noted(now, EventKind.OWNER_GAVE_UP)
    booking = called_off(booking.noted(now, EventKind.CALLED_OFF), now).owing(
        now, AlertOwner(AlertKind.CANCELLED_BY_OWNER)
    )
    return decided(booking, SlotSeen.UNKNOWN, now)


# --- manual confirmation --------------------------------------------------------------------------------------------


def may_vouch(booking: Booking, now: datetime) -> tuple[HandKind, ...]:
    """What the owner may confirm now; nothing while the provider's own answer is pending or more reliable."""
    if booking.slot is None or booking.by_hand is not None or booking.slot.span.start <= now:
        return ()
    payment = payment_of(booking)
    if booking.state is State.PAID and payment is Payment.EXACT and booking.choose_by is None:
        return (HandKind.TIME,)
    is_unpaid = booking.state is State.PENDING or (booking.state in ENDED and booking.confirmed_at is None)
    without_money = payment in (Payment.NONE, Payment.RETURNED)
    is_short = payment is Payment.SHORT and booking.state is State.PENDING
    if is_unpaid and booking.erased_at is None and booking.state is not State.REFUNDED and (without_money or is_short):
        return (HandKind.OUTSIDE, HandKind.GIFT)
    return ()


def confirmed_by_hand(booking: Booking, word: ByHand, now: datetime) -> Booking:
    """Confirm on the owner's word, once no order can bring money any more. An order's money is kept and earned; the
    rest is booked on the owner's word in a separate account. An order's money arriving later is surplus and goes back.
    Raises Conflict, Invalid."""
    if word.kind not in may_vouch(booking, now):
        raise Conflict("This booking cannot be marked by hand as it stands now. Please look at it again.")
    if word.kind is HandKind.TIME:
        marked = _marked(booking, word, now)
        return decided(marked, SlotSeen.SECURED, now)
    if not no_money_can_arrive(booking, now):
        raise Conflict(
            f"An order of this booking can still be paid at {_asked(booking)}. Please try again in a minute."
        )
    refuse_amount(booking, word)
    kept = max(kept_of(booking), nothing(booking.price.currency))
    marked = replace(
        _marked(booking, word, now), agreed_amount=kept, choose_by=None, cancel_requested=False, ended_at=None
    )
    paid_at = now if word.kind is HandKind.OUTSIDE else None
    return decided(confirmed(moved(marked, State.PAID, now, paid_at=paid_at), now), SlotSeen.UNKNOWN, now)


def _asked(booking: Booking) -> str:
    return CAPABILITIES[booking.rail].provider


def refuse_amount(booking: Booking, word: ByHand) -> None:
    """Raises Invalid unless outside money is more than zero and at most the price, in its currency."""
    none, price = nothing(booking.price.currency), booking.price
    if word.kind is HandKind.OUTSIDE and (word.amount > price or not word.amount > none):
        raise Invalid(f"More than nothing, and at most {price.shown}.", {"amount": f"must be at most {price}"})


def _marked(booking: Booking, word: ByHand, now: datetime) -> Booking:
    vouched = Vouched(word.kind, word.amount if word.kind is HandKind.OUTSIDE else None)
    return replace(booking, by_hand=word).flagged(Flag.BY_HAND).noted(now, EventKind.BY_HAND, vouched)


def may_return_outside(booking: Booking) -> bool:
    """True if money received outside the orders has not been returned the same way; the books record such a return."""
    word = booking.by_hand
    return word is not None and not word.amount.is_nothing and word.returned is None


def returned_outside(booking: Booking, amount: Money, now: datetime) -> Booking:
    """Record what the owner sent back outside the orders; once only. Raises Conflict, Invalid."""
    word = booking.by_hand
    if word is None or not may_return_outside(booking):
        raise Conflict("Nothing of this booking came by another way, or its return is written down already.")
    if amount > word.amount or not amount > nothing(amount.currency):
        raise Invalid(f"At most {word.amount.shown}.", {"amount": f"must be at most {word.amount}"})
    booking = replace(booking, by_hand=replace(word, returned=amount)).noted(
        now, EventKind.RETURNED_OUTSIDE, Amount(amount)
    )
    return decided(booking, SlotSeen.UNKNOWN, now)


# --- erasing --------------------------------------------------------------------------------------------------------


def why_not_erase(booking: Booking, now: datetime) -> str:
    """Why the personal data is still needed; "" if it is not."""
    if booking.erased_at is not None:
        return "It was erased already."
    if booking.sealed is None:
        return "There is none: nobody has chosen a time yet."
    if booking.state is State.CONFIRMED:
        is_over = booking.slot is not None and passed(booking.slot.span.end, now)
    else:
        is_over = booking.state in ENDED
    if not is_over:
        return "The booking is not over yet."
    waits = any(refund.is_stuck or refund.awaits_address for refund in booking.refunds)
    if booking.is_open or waits or Flag.NEEDS_OWNER in booking.flags:
        return "Money of it is still open."
    if booking.outbox:
        return "Mails or other things of it are still owed."
    if booking.check_at is not None:
        return f"{_asked(booking)} is still asked about late money."
    return ""


def erased(booking: Booking, now: datetime) -> Booking:
    """Delete all personal data: the sealed fields, their key and the search indexes. Facts, money and times stay.
    Raises Conflict."""
    if reason := why_not_erase(booking, now):
        raise Conflict(reason)
    # The owner's note on a refund may name a person.
    quiet = tuple(replace(refund, note="") for refund in booking.refunds)
    word = booking.by_hand and replace(booking.by_hand, reason=b"")
    booking = replace(
        booking,
        sealed=None,
        email_index="",
        visitor_index="",
        name_index=(),
        seats=(),
        address_places=(),
        notes=(),
        letters=(),
        refunds=quiet,
        refund_addresses=(),
        by_hand=word,
        erased_at=now,
    )
    return booking.noted(now, EventKind.ERASED)
