"""The owner's own steps with one booking: notes, letters, another time, calling it off, a word that confirms, erasing.

What the customer may do is in `steps`. Nothing here believes anything about money that Binance knows: a word of the
owner's stands beside what was proven, with an account of its own in the books.
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
from inspired.domain.booking.states import Flag, HandKind, State
from inspired.domain.shared.errors import Conflict, Invalid
from inspired.domain.shared.money import Money

LONGEST_NOTE = 1000  # letters
MOST_NOTES = 200
LONGEST_LETTER = 4000
MOST_LETTERS = 100
ERASED = "The personal data of this booking was erased."

# --- notes and letters ----------------------------------------------------------------------------------------------


def noted_down(booking: Booking, words: Words) -> Booking:
    """For whoever looks after it; the customer does not see it."""
    refuse_erased(booking)
    if len(booking.notes) >= MOST_NOTES:
        raise Conflict(f"A booking holds {MOST_NOTES} notes.")
    return replace(booking, notes=(*booking.notes, words))


def may_write(booking: Booking) -> bool:
    return booking.sealed is not None and len(booking.letters) < MOST_LETTERS


def written(booking: Booking, words: Words, now: datetime) -> Booking:
    """A letter to the customer, owed like every mail."""
    refuse_erased(booking)
    if not may_write(booking):
        raise Conflict(f"A booking holds {MOST_LETTERS} letters.")
    number = len(booking.letters) + 1
    booking = replace(booking, letters=(*booking.letters, words)).noted(now, EventKind.LETTER_WRITTEN, Letter(number))
    return scheduled(booking.owing(now, SendEmail(Email.LETTER, str(number))), now)


def refuse_erased(booking: Booking) -> None:
    """Without the booking's key nothing personal can be kept with it."""
    if booking.erased_at is not None:
        raise Conflict(ERASED)
    if booking.sealed is None:
        raise Conflict("Nobody has chosen a time for this booking yet.")


# --- another time ---------------------------------------------------------------------------------------------------


def may_move(booking: Booking, now: datetime) -> bool:
    """A confirmed call, whenever; or one that is paid and has lost its time."""
    is_confirmed = booking.state is State.CONFIRMED and booking.slot is not None
    return (is_confirmed or may_choose(booking, now)) and booking.erased_at is None


def move(booking: Booking, slot: Slot, seen: int, now: datetime) -> Booking:
    """To another time, also past the customer's own deadline. It costs the customer no right. `seen`: how often it had
    been moved when the owner decided."""
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


# --- calling it off -------------------------------------------------------------------------------------------------


def may_call_off(booking: Booking) -> bool:
    """Paid money that is not confirmed goes back by a refund, which ends the booking by itself."""
    return booking.state is State.CONFIRMED or (booking.state is State.PENDING and not booking.cancel_requested)


def call_off(booking: Booking, now: datetime) -> Booking:
    """No call, and no money goes back: what is here is kept. An unpaid one ends when its orders are seen closed."""
    if not may_call_off(booking):
        raise Conflict("This booking can no longer be cancelled.")
    if booking.state is State.PENDING:
        return replace(booking, cancel_requested=True, check_at=now).noted(now, EventKind.OWNER_GAVE_UP)
    booking = called_off(booking.noted(now, EventKind.CALLED_OFF), now).owing(
        now, AlertOwner(AlertKind.CANCELLED_BY_OWNER)
    )
    return decided(booking, SlotSeen.UNKNOWN, now)


# --- a word that confirms -------------------------------------------------------------------------------------------


def may_vouch(booking: Booking, now: datetime) -> tuple[HandKind, ...]:
    """What the owner's word can be about now; nothing where Binance's own word is still to come, or says it better."""
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
    """Confirmed on the owner's word, once no order of it can bring money any more: what came by Binance is kept as it
    is and earned, the rest is the owner's word and stands in an account of its own. Money of Binance's that comes
    after all is too much, and goes back."""
    if word.kind not in may_vouch(booking, now):
        raise Conflict("This booking cannot be marked by hand as it stands now. Please look at it again.")
    if word.kind is HandKind.TIME:
        marked = _marked(booking, word, now)
        return decided(marked, SlotSeen.SECURED, now)
    if not no_money_can_arrive(booking, now):
        raise Conflict("An order of this booking can still be paid at Binance. Please try again in a minute.")
    refuse_amount(booking, word)
    kept = max(kept_of(booking), nothing(booking.price.currency))
    marked = replace(
        _marked(booking, word, now), agreed_amount=kept, choose_by=None, cancel_requested=False, ended_at=None
    )
    paid_at = now if word.kind is HandKind.OUTSIDE else None
    return decided(confirmed(moved(marked, State.PAID, now, paid_at=paid_at), now), SlotSeen.UNKNOWN, now)


def refuse_amount(booking: Booking, word: ByHand) -> None:
    """Money that came by another way is some, in the price's currency, and not more than the price."""
    none, price = nothing(booking.price.currency), booking.price
    if word.kind is HandKind.OUTSIDE and (word.amount > price or not word.amount > none):
        raise Invalid(f"More than nothing, and at most {price.shown}.", {"amount": f"must be at most {price}"})


def _marked(booking: Booking, word: ByHand, now: datetime) -> Booking:
    told = Vouched(word.kind, word.amount if word.kind is HandKind.OUTSIDE else None)
    return replace(booking, by_hand=word).flagged(Flag.BY_HAND).noted(now, EventKind.BY_HAND, told)


def may_return_outside(booking: Booking) -> bool:
    """Money that came by another way goes back by that way: the owner's books follow."""
    word = booking.by_hand
    return word is not None and not word.amount.is_nothing and word.returned is None


def returned_outside(booking: Booking, amount: Money, now: datetime) -> Booking:
    """What the owner sent back of it, once."""
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
    """Why its personal data is still needed; "" where it is not."""
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
    if booking.is_open or any(one.is_stuck for one in booking.refunds) or Flag.NEEDS_OWNER in booking.flags:
        return "Money of it is still open."
    if booking.outbox:
        return "Mails or other things of it are still owed."
    if booking.check_at is not None:
        return "Binance is still asked about late money."
    return ""


def erased(booking: Booking, now: datetime) -> Booking:
    """Nothing personal is left: neither the sealed fields nor their key, nor what finds a person again. Facts, money
    and times stay. Raises Conflict."""
    if reason := why_not_erase(booking, now):
        raise Conflict(reason)
    # The owner's own words about a refund may name somebody.
    quiet = tuple(replace(one, note="") for one in booking.refunds)
    word = booking.by_hand and replace(booking.by_hand, reason=b"")
    booking = replace(
        booking,
        sealed=None,
        email_index="",
        visitor_index="",
        name_index=(),
        seats=(),
        notes=(),
        letters=(),
        refunds=quiet,
        by_hand=word,
        erased_at=now,
    )
    return booking.noted(now, EventKind.ERASED)
