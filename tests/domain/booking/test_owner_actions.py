"""The owner's own steps: every one when it may be taken and when not, and that no invariant breaks by them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from inspired.domain.booking import customer_actions, owner_actions
from inspired.domain.booking.booking import Booking, ByHand, Slot, Words
from inspired.domain.booking.claims import AddressesOf, Place, Tick, UnpaidOf, Visitor
from inspired.domain.booking.invariants import violations
from inspired.domain.booking.ledger import OUTSIDE, REFUNDS, SALES, SUSPENSE, balances
from inspired.domain.booking.lifecycle import SlotSeen
from inspired.domain.booking.polling import scheduled
from inspired.domain.booking.states import CalendarKind, Flag, HandKind, Remote, State
from inspired.domain.sentences.customer import sentence
from inspired.domain.shared.errors import Conflict, Invalid
from inspired.domain.shared.money import Money
from inspired.domain.shared.slots import Span
from tests.factories import (
    CALL,
    EVENT,
    MINUTE,
    NOW,
    a_booking,
    a_confirmed_booking,
    a_draft,
    a_live_booking,
    a_returned,
    an_expired_booking,
    owed,
    seen,
    settled,
    topping_up,
)

LATER = NOW + 5 * MINUTE
LATE = NOW + timedelta(minutes=30)
WORDS = Words(NOW, "p1", b"sealed")
OTHER = Span(CALL.start + timedelta(days=1), CALL.end + timedelta(days=1))
USDT = Money.parse


def word(kind: HandKind = HandKind.OUTSIDE, amount: str = "75") -> ByHand:
    return ByHand(kind, LATER, "p1", USDT(amount if kind is HandKind.OUTSIDE else "0"), "tx 0xabc", b"sealed")


def closed() -> Booking:
    """Pending, with an order that was seen closed."""
    return settled(a_live_booking(), seen(Remote.CANCELED), now=NOW + MINUTE)


def in_the_books(booking: Booking) -> dict[str, str]:
    return {account: str(money) for (account, _), money in balances(booking.ledger).items()}


def done(booking: Booking) -> Booking:
    """Whatever was owed is delivered, and nobody looks again."""
    return scheduled(replace(booking, outbox=()), LATE)


# --- notes and letters ----------------------------------------------------------------------------------------------


def test_a_note_is_kept_and_changes_nothing_else():
    booking = a_confirmed_booking()

    assert owner_actions.noted_down(booking, WORDS) == replace(booking, notes=(WORDS,))


def test_a_letter_is_owed_like_every_mail_and_each_by_its_own_number():
    once = owner_actions.written(a_confirmed_booking(), WORDS, LATER)
    twice = owner_actions.written(once, WORDS, LATER)

    assert {"send:letter:1", "send:letter:2"} <= owed(twice)
    assert twice.check_at == NOW
    assert list(violations(twice, LATER)) == []


def test_without_a_key_nothing_personal_can_be_written():
    for step in (lambda b: owner_actions.noted_down(b, WORDS), lambda b: owner_actions.written(b, WORDS, LATER)):
        with pytest.raises(Conflict, match="Nobody has chosen"):
            step(a_draft())
        with pytest.raises(Conflict, match="erased"):
            step(a_booking(erased_at=NOW, sealed=None))
    assert not owner_actions.may_write(a_draft())


def test_there_is_an_end_to_notes_and_letters():
    with pytest.raises(Conflict, match="200 notes"):
        owner_actions.noted_down(a_booking(notes=(WORDS,) * 200), WORDS)
    with pytest.raises(Conflict, match="100 letters"):
        owner_actions.written(a_booking(letters=(WORDS,) * 100), WORDS, NOW)


# --- another time ---------------------------------------------------------------------------------------------------


def test_the_owner_moves_a_call_past_the_customers_deadline_and_takes_no_right_from_them():
    booking = a_confirmed_booking()
    shortly_before = CALL.start - MINUTE
    assert not customer_actions.may_move(booking, shortly_before)

    moved = owner_actions.move(booking, Slot(OTHER, "Europe/Berlin", CalendarKind.BUILTIN), 0, shortly_before)

    assert moved.slot is not None
    assert (moved.slot.span, moved.moves, moved.most_back, moved.history[-1].kind) == (OTHER, 1, 100, "moved_by_owner")
    assert {"send:moved:1", "send:owner_moved:1"} <= owed(moved)
    assert list(violations(moved, shortly_before)) == []


def test_at_calendly_the_old_event_is_owed_its_cancelling():
    booking = settled(a_live_booking(calendar=CalendarKind.CALENDLY), seen(Remote.PAID, "75"))
    there = Slot(OTHER, "Europe/Berlin", CalendarKind.CALENDLY, f"{EVENT}2", f"{EVENT}2/invitees/I2")

    moved = owner_actions.move(booking, there, 0, LATER)

    assert f"release_event:{EVENT}" in owed(moved)


def test_who_has_paid_and_lost_the_time_gets_another_by_the_owner():
    lost = settled(a_live_booking(), seen(Remote.PAID, "75"), slot=SlotSeen.LOST)
    assert lost.choose_by is not None

    moved = owner_actions.move(lost, Slot(OTHER, "Europe/Berlin", CalendarKind.BUILTIN), 0, LATER)

    assert (moved.state, moved.choose_by) == (State.CONFIRMED, None)


def test_what_has_no_call_is_not_moved_and_an_old_page_moves_nothing_twice():
    slot = Slot(OTHER, "Europe/Berlin", CalendarKind.BUILTIN)

    with pytest.raises(Conflict, match="no call"):
        owner_actions.move(a_booking(), slot, 0, LATER)
    with pytest.raises(Conflict, match="moved meanwhile"):
        owner_actions.move(a_confirmed_booking(moves=1), slot, 0, LATER)
    assert not owner_actions.may_move(a_confirmed_booking(slot=None), LATER)


# --- calling it off -------------------------------------------------------------------------------------------------


def test_called_off_without_money_back_it_keeps_all_of_it():
    after = owner_actions.call_off(a_confirmed_booking(), LATER)

    assert (after.state, after.agreed_amount, after.refunds) == (State.CANCELLED, USDT("75"), ())
    assert {"send:cancelled", "alert:cancelled_by_owner"} <= owed(after)
    assert in_the_books(after) == {"binance": "75", SALES: "-75"}
    assert list(violations(after, LATER)) == []


def test_an_unpaid_one_ends_when_its_order_is_seen_closed():
    asked = owner_actions.call_off(a_live_booking(), LATER)
    after = settled(asked, seen(Remote.CANCELED, at=LATER), now=LATER)

    assert (asked.state, asked.cancel_requested) == (State.PENDING, True)
    assert after.state is State.CANCELLED
    assert list(violations(after, LATER)) == []


@pytest.mark.parametrize("booking", [a_draft(), an_expired_booking(), a_booking(cancel_requested=True)])
def test_what_is_over_is_not_cancelled(booking: Booking):
    with pytest.raises(Conflict, match="no longer be cancelled"):
        owner_actions.call_off(booking, LATER)


# --- a word that confirms -------------------------------------------------------------------------------------------


def test_money_that_came_by_another_way_confirms_and_stands_in_an_account_of_its_own():
    after = owner_actions.confirmed_by_hand(closed(), word(), LATER)

    assert (after.state, after.agreed_amount, after.earned) == (State.CONFIRMED, USDT("0"), USDT("0"))
    assert Flag.BY_HAND in after.flags
    assert {"send:confirmed", "send:owner_confirmed"} <= owed(after)
    assert in_the_books(after) == {OUTSIDE: "75", SALES: "-75"}
    assert list(violations(after, LATER)) == []


def test_its_customer_is_not_told_of_a_payment():
    gift = owner_actions.confirmed_by_hand(closed(), word(HandKind.GIFT), LATER)

    assert sentence(gift) == "Confirmed by the owner."
    assert sentence(a_confirmed_booking()) == "Paid and confirmed."


def test_a_gift_confirms_and_is_nothing_in_the_books():
    after = owner_actions.confirmed_by_hand(closed(), word(HandKind.GIFT), LATER)

    assert (after.state, after.ledger, after.paid_at) == (State.CONFIRMED, (), None)
    assert list(violations(after, LATER)) == []


def test_an_ended_booking_is_taken_up_again_with_its_time():
    after = owner_actions.confirmed_by_hand(an_expired_booking(), word(), LATE)

    assert (after.state, after.ended_at) == (State.CONFIRMED, None)
    assert any(isinstance(claim, Tick) for claim in after.claims)
    assert list(violations(after, LATE)) == []


def test_the_rest_of_a_short_payment_came_by_another_way():
    short = settled(topping_up(a_live_booking()), seen(Remote.PAID, "50"))
    orders = tuple(replace(one, status=Remote.CANCELED) if not one.has_money else one for one in short.orders)

    after = owner_actions.confirmed_by_hand(replace(short, orders=orders), word(amount="25"), LATER)

    assert (after.state, after.earned, after.agreed_amount) == (State.CONFIRMED, USDT("50"), USDT("50"))
    assert in_the_books(after) == {"binance": "50", OUTSIDE: "25", SALES: "-75"}
    assert list(violations(after, LATER)) == []


def test_money_of_binances_that_comes_after_all_goes_back():
    after = owner_actions.confirmed_by_hand(closed(), word(), LATER)

    paid = settled(after, seen(Remote.PAID, "75", at=LATER), now=LATER)

    assert [(str(one.amount), one.trade_no) for one in paid.refunds] == [("75", after.orders[0].trade_no)]
    assert Flag.OVERPAID in paid.flags
    assert paid.state is State.CONFIRMED
    assert list(violations(paid, LATER)) == []
    assert in_the_books(a_returned(paid, LATER)) == {OUTSIDE: "75", SALES: "-75"}


def test_nothing_is_marked_while_an_order_can_still_be_paid():
    with pytest.raises(Conflict, match="can still be paid"):
        owner_actions.confirmed_by_hand(a_live_booking(), word(), LATER)


@pytest.mark.parametrize("amount", ["0", "75.00000001"])
def test_an_amount_is_some_and_at_most_the_price(amount: str):
    with pytest.raises(Invalid, match="at most 75 USDT"):
        owner_actions.confirmed_by_hand(closed(), word(amount=amount), LATER)


def test_the_owner_vouches_for_the_time_where_the_calendar_is_silent():
    paid = settled(a_live_booking(), seen(Remote.PAID, "75"), slot=SlotSeen.UNKNOWN)
    assert owner_actions.may_vouch(paid, LATER) == (HandKind.TIME,)

    after = owner_actions.confirmed_by_hand(paid, word(HandKind.TIME), LATER)

    assert (after.state, after.earned) == (State.CONFIRMED, USDT("75"))
    assert in_the_books(after) == {"binance": "75", SALES: "-75"}
    assert list(violations(after, LATER)) == []


NOT_BY_HAND = {
    "a draft": a_draft(),
    "confirmed": a_confirmed_booking(),
    "by hand before": replace(closed(), by_hand=word()),
    "told by a notice": settled(a_live_booking(), seen(Remote.PAID, "75", by_query=False)),
    "another currency": settled(a_live_booking(), seen(Remote.PAID, "75", currency="BNB")),
    "the time is lost": settled(a_live_booking(), seen(Remote.PAID, "75"), slot=SlotSeen.LOST),
    "refunded": a_returned(customer_actions.refund_all(a_confirmed_booking(), LATER, cancels=True), LATER),
    "was confirmed": owner_actions.call_off(a_confirmed_booking(), LATER),
    "erased": an_expired_booking(erased_at=LATE),
}


@pytest.mark.parametrize("case", NOT_BY_HAND)
def test_where_binances_word_is_better_or_nothing_is_to_be_confirmed_it_is_refused(case: str):
    booking = NOT_BY_HAND[case]

    assert owner_actions.may_vouch(booking, LATER) == ()
    with pytest.raises(Conflict, match="cannot be marked by hand"):
        owner_actions.confirmed_by_hand(booking, word(), LATER)


def test_a_call_that_has_begun_is_not_marked():
    assert owner_actions.may_vouch(closed(), CALL.start) == ()


def test_what_went_back_by_the_same_way_is_booked_once():
    after = owner_actions.call_off(owner_actions.confirmed_by_hand(closed(), word(), LATER), LATER)

    returned = owner_actions.returned_outside(after, USDT("50"), LATER)

    assert in_the_books(returned) == {OUTSIDE: "25", SALES: "-75", REFUNDS: "50"}
    assert list(violations(returned, LATER)) == []
    with pytest.raises(Conflict, match="written down already"):
        owner_actions.returned_outside(returned, USDT("1"), LATER)
    with pytest.raises(Conflict, match="by another way"):
        owner_actions.returned_outside(a_confirmed_booking(), USDT("1"), LATER)


@pytest.mark.parametrize("amount", ["0", "76"])
def test_no_more_goes_back_outside_than_came(amount: str):
    marked = owner_actions.confirmed_by_hand(closed(), word(), LATER)

    with pytest.raises(Invalid, match="At most 75 USDT"):
        owner_actions.returned_outside(marked, USDT(amount), LATER)


def test_whoever_confirms_without_money_or_word_breaks_an_invariant():
    silent = replace(a_confirmed_booking(), earned=USDT("0"))
    unmarked = replace(owner_actions.confirmed_by_hand(closed(), word(), LATER), flags=frozenset())

    assert "confirmed without money, and without anybody's word" in [wrong for _, wrong in violations(silent, LATER)]
    assert "confirmed by hand, and not marked as that" in [wrong for _, wrong in violations(unmarked, LATER)]


# --- erasing --------------------------------------------------------------------------------------------------------


def test_erasing_leaves_facts_and_nothing_personal():
    refund = customer_actions.refund_part(a_confirmed_booking(), USDT("10"), LATER, cancels=True, note="for Ann")
    over = done(a_returned(refund, LATER))
    booking = replace(over, notes=(WORDS,), letters=(WORDS,), seats=(Place(UnpaidOf(Visitor.MAIL, "mailindex"), 1),))
    booking = replace(booking, address_places=(Place(AddressesOf(Visitor.MAIL, "mailindex", NOW.date()), 1),))
    assert owner_actions.why_not_erase(booking, LATE) == ""

    after = owner_actions.erased(booking, LATE)

    assert (after.sealed, after.notes, after.letters, after.seats) == (None, (), (), ())
    assert after.claims == ()
    assert (after.email_index, after.visitor_index, after.name_index) == ("", "", ())
    assert [one.note for one in after.refunds] == [""]
    assert (after.ledger, after.orders, after.state) == (booking.ledger, booking.orders, booking.state)
    assert list(violations(after, LATE)) == []
    assert owner_actions.why_not_erase(after, LATE) == "It was erased already."


def test_the_reason_of_a_word_goes_and_its_proof_stays():
    over = CALL.end + MINUTE
    booking = done(owner_actions.confirmed_by_hand(closed(), word(), LATER))

    after = owner_actions.erased(booking, over)

    assert after.by_hand is not None
    assert (after.by_hand.reason, after.by_hand.evidence) == (b"", "tx 0xabc")
    assert in_the_books(after) == {OUTSIDE: "75", SALES: "-75"}


@pytest.mark.parametrize(
    ("booking", "why"),
    [
        (a_draft(), "nobody has chosen"),
        (a_live_booking(), "not over yet"),
        (a_confirmed_booking(), "not over yet"),
        (customer_actions.refund_all(a_confirmed_booking(), LATER, cancels=True), "still open"),
        (replace(done(an_expired_booking()), flags=frozenset({Flag.NEEDS_OWNER})), "still open"),
        (owner_actions.call_off(a_confirmed_booking(), LATER), "still owed"),
        (replace(an_expired_booking(), outbox=()), "late money"),
    ],
)
def test_what_is_still_needed_is_not_erased(booking: Booking, why: str):
    assert why in owner_actions.why_not_erase(booking, LATE)
    with pytest.raises(Conflict, match=why):
        owner_actions.erased(booking, LATE)


def test_unearned_money_stays_where_it_is():
    """What is in the account without being earned is nobody's to mark."""
    short = settled(topping_up(a_live_booking()), seen(Remote.PAID, "50"))

    assert in_the_books(short) == {"binance": "50", SUSPENSE: "-50"}
