"""What a customer was promised, when it is due, and whether it was kept."""

from dataclasses import replace
from datetime import datetime, timedelta

from inspired.domain.booking import customer_actions, delivery
from inspired.domain.booking.booking import Booking, Refund, Words
from inspired.domain.booking.outbox import AlertKind, AlertOwner, Result
from inspired.domain.booking.states import Cause, RefundStatus, Remote
from inspired.domain.support import tickets
from inspired.domain.support.promises import PLACE_BEFORE, WORD_WITHIN, Kind, promised_by, promises
from inspired.domain.support.tickets import REPLY_WITHIN, Author, Priority
from tests.domain.support.test_tickets import HOUR, answered, asked, said
from tests.factories import CALL, MINUTE, NOW, a_confirmed_booking, a_live_booking, a_returned, seen, settled

DAY = timedelta(days=1)
LATER = NOW + 2 * MINUTE


def cancelled() -> Booking:
    return customer_actions.refund_all(a_confirmed_booking(), LATER, cancels=True)


def with_refunds(*refunds: Refund) -> Booking:
    return replace(a_confirmed_booking(), refunds=refunds)


def a_refund(name: str = "r1", **changes) -> Refund:
    booking = a_confirmed_booking()
    assert booking.order is not None
    given = {"amount": booking.price, "cause": Cause.OWNER, "requested_at": LATER, **changes}
    return Refund(name, booking.order.trade_no, **given)


def test_nothing_is_promised_where_nothing_is_owed():
    assert promises(a_confirmed_booking()) == []
    assert promises(None) == []
    assert promised_by(a_confirmed_booking()) is None


def test_money_is_promised_within_a_day_of_the_refund():
    (open_,) = promises(cancelled())
    (kept,) = promises(a_returned(cancelled(), LATER + HOUR))
    (late,) = promises(a_returned(cancelled(), LATER + 2 * DAY))

    assert (open_.kind, open_.made_at, open_.due) == (Kind.REFUND, LATER, LATER + DAY)
    assert open_.is_open
    assert not open_.is_late(open_.due)
    assert open_.is_late(open_.due + MINUTE)
    assert not kept.is_late(LATER + 9 * DAY)
    assert late.is_late(LATER + 9 * DAY)
    assert promised_by(cancelled()) == open_.due
    assert promised_by(a_returned(cancelled(), LATER + HOUR)) is None


def test_a_refund_that_takes_a_rejected_ones_place_does_not_begin_the_day_anew():
    rejected = a_refund("r1", status=RefundStatus.REJECTED, replaced_by="r2")
    booking = with_refunds(rejected, a_refund("r2", requested_at=LATER + 20 * HOUR))

    (promise,) = promises(booking)

    assert (promise.about, promise.made_at, promise.due) == ("r2", LATER, LATER + DAY)


def test_money_returned_in_the_providers_console_was_promised_by_nobody_and_by_hand_it_keeps_the_promise():
    console = with_refunds(a_refund(status=RefundStatus.EXTERNAL, cause=Cause.CONSOLE, done_at=LATER))
    by_hand = with_refunds(a_refund(status=RefundStatus.EXTERNAL, done_at=LATER + HOUR))
    undated = with_refunds(a_refund(status=RefundStatus.DONE))

    assert promises(console) == []
    assert [one.kept_at for one in promises(by_hand)] == [LATER + HOUR]
    assert [one.kept_at for one in promises(undated)] == [LATER]


def test_a_refund_that_only_the_owner_can_go_on_with_stays_promised():
    stuck = with_refunds(a_refund(status=RefundStatus.NEEDS_OWNER))

    assert promised_by(stuck) == LATER + DAY


def test_a_payment_that_cannot_be_counted_is_owed_a_word_until_it_is_settled():
    unclear = settled(a_live_booking(), seen(Remote.PAID, "75", currency="BUSD"))
    alert = AlertOwner(AlertKind.UNCLEAR, unclear.orders[0].trade_no)
    told = delivery.done(unclear, alert, LATER, Result.OWNER_TOLD)
    answer = answered(asked(), LATER + HOUR)

    assert [(one.kind, one.made_at) for one in promises(unclear)] == [(Kind.WORD, NOW + MINUTE)]
    undated = replace(unclear, orders=tuple(replace(one, paid_at=None) for one in unclear.orders))
    assert [one.made_at for one in promises(undated)] == [NOW]
    (open_,) = promises(told)
    assert (open_.made_at, open_.due, open_.kept_at) == (LATER, LATER + WORD_WITHIN, None)
    kept = [one for one in promises(told, [answer]) if one.kind is Kind.WORD]
    assert [one.kept_at for one in kept] == [LATER + HOUR]
    assert promised_by(told) == LATER + WORD_WITHIN


def test_where_the_call_takes_place_is_owed_before_it_unless_the_confirmation_said_so():
    booking = a_confirmed_booking()
    (open_,) = promises(booking, place_is_told=False)
    late = replace(booking, confirmed_at=CALL.start - MINUTE)

    assert (open_.kind, open_.due, open_.kept_at) == (Kind.PLACE, CALL.start - PLACE_BEFORE, None)
    assert promises(late, place_is_told=False)[0].due == CALL.start - MINUTE
    assert promises(a_live_booking(), place_is_told=False) == []
    assert [one.kept_at for one in promises(booking, [answered()], place_is_told=False) if one.kind is Kind.PLACE] == [
        NOW + HOUR
    ]


def test_a_letter_about_the_booking_is_a_word_of_ours_as_a_message_in_a_ticket_is():
    early, letter = Words(NOW - MINUTE, "p1", b"sealed"), Words(NOW + HOUR, "p1", b"sealed")

    def kept_at(*letters: Words) -> list[datetime | None]:
        booking = a_confirmed_booking(letters=letters)
        return [one.kept_at for one in promises(booking, place_is_told=False) if one.kind is Kind.PLACE]

    assert kept_at(early) == [None], "it was written before anything was promised"
    assert kept_at(early, letter) == [NOW + HOUR]


def test_each_time_the_customer_waits_is_one_promise_and_any_last_word_of_ours_keeps_it():
    again = tickets.customer_wrote(asked(), said("q2", at=NOW + MINUTE), NOW + MINUTE)
    late = NOW + 30 * HOUR
    answer = answered(again, late)
    twice = tickets.customer_wrote(answer, said("q3", at=late + HOUR), late + HOUR)
    done = tickets.closed(twice, len(twice.messages), "p1", late + 2 * HOUR)

    assert [(one.due, one.kept_at) for one in promises(None, [again])] == [(NOW + REPLY_WITHIN[Priority.HIGH], None)]
    first, second = promises(None, [done])
    assert (first.kept_at, first.is_late(late)) == (late, True)
    assert (second.made_at, second.kept_at, second.is_late(late)) == (late + HOUR, late + 2 * HOUR, False)


def test_a_note_keeps_no_promise():
    ticket = tickets.noted_for_us(asked(), said("n1", Author.NOTE, NOW + HOUR), NOW + HOUR)

    assert [one.kept_at for one in promises(None, [ticket])] == [None]


def test_what_is_due_first_stands_first():
    booking = cancelled()
    found = promises(booking, [asked()])

    assert [one.kind for one in found] == [Kind.REPLY, Kind.REFUND]
