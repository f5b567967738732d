"""When a booking is looked at again, what is asked then, and what is closed. Each at exactly its moment."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from inspired.domain.booking import customer_actions, payment_orders, polling, refunds
from inspired.domain.booking.booking import Booking, PaymentOrder
from inspired.domain.booking.lifecycle import SlotSeen
from inspired.domain.booking.states import Remote
from inspired.domain.shared.money import Money
from tests.domain.booking.test_lifecycle import failing
from tests.domain.booking.test_refunds import LATER, choosing, heard, lost_answer, low, sent, with_refund
from tests.factories import (
    EXPIRY,
    MINUTE,
    NOW,
    SECOND,
    a_booking,
    a_confirmed_booking,
    a_draft,
    a_live_booking,
    an_expired_booking,
    an_item,
    seen,
    settled,
    told,
    topping_up,
)

END = NOW + EXPIRY  # of the time to pay
DEADLINE = END + MINUTE
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def paid(**changes) -> Booking:
    """At NOW + 1 min, by a notice only."""
    return replace(settled(a_live_booking(), seen(Remote.PAID, "75", by_query=False)), **changes)


def uncertain() -> Booking:
    """Create was called and its outcome is unknown."""
    return failing(a_booking(), uncertain=True)


def found_there() -> Booking:
    return settled(uncertain(), seen(Remote.INITIAL, at=NOW + SECOND), now=NOW + SECOND)


def replace_refund(booking: Booking, **changes) -> Booking:
    return booking.with_refund(replace(booking.refunds[0], **changes))


def another_order(booking: Booking, **changes) -> Booking:
    live = a_live_booking().orders[0]
    number = len(booking.orders) + 1
    other = replace(live, number=number, trade_no=f"{'b' * 24}{number:03d}", **changes)
    return replace(booking, orders=(*booking.orders, other))


def short_with_rest(**changes) -> Booking:
    """70 of 75 came, and an order for the rest can be paid."""
    short = settled(topping_up(a_live_booking()), seen(Remote.PAID, "70"))
    return another_order(replace(short, orders=short.orders[:1]), amount=Money.parse("5"), **changes)


# --- the next look --------------------------------------------------------------------------------------------------

NEXT_LOOKS = {
    "a draft": (a_draft, NOW, 2 * MINUTE),
    "a draft at its first look": (a_draft, NOW + 2 * MINUTE, 8 * MINUTE),
    "a draft at its second look": (a_draft, NOW + 10 * MINUTE, 50 * MINUTE),
    "a draft whose day ends now": (a_draft, NOW + DAY, 30 * SECOND),
    "to be created": (a_booking, NOW, 2 * SECOND),
    "somebody is creating it": (lambda: payment_orders.creating(a_booking(), NOW), NOW, 15 * SECOND),
    "that somebody's time is over": (lambda: payment_orders.creating(a_booking(), NOW), NOW + 14 * SECOND, 2 * SECOND),
    "payable": (a_live_booking, NOW, 30 * SECOND),
    "payable, and the slot goes in ten seconds": (a_live_booking, DEADLINE - 10 * SECOND, 10 * SECOND),
    "not paid, and the slot may go": (a_live_booking, DEADLINE, 5 * SECOND),
    "not paid, and the slot might go for long": (
        lambda: a_live_booking(unanswered_checks=40), DEADLINE + HOUR, 5 * MINUTE,
    ),
    "given up": (lambda: a_live_booking(cancel_requested=True), NOW, 5 * SECOND),
    "closed before its end": (lambda: settled(a_live_booking(), seen(Remote.ERROR)), DEADLINE - HOUR, HOUR),
    "closed, and its end is due": (lambda: settled(a_live_booking(), seen(Remote.ERROR)), DEADLINE, 5 * SECOND),
    "told of its money, not proven": (paid, NOW + MINUTE, 5 * SECOND),
    "told of another amount": (
        lambda: settled(a_live_booking(), seen(Remote.PAID, "74", by_query=False)), NOW + MINUTE, 5 * SECOND,
    ),
    "without a time: the choice ends first": (choosing, choosing().choose_by - HOUR / 2, HOUR / 2),
    "without a time: nobody but people can go on": (choosing, LATER, HOUR),
    "without a time at the end of the choice": (choosing, choosing().choose_by, 2 * SECOND),
    "confirmed": (a_confirmed_booking, NOW, None),
    "confirmed, and another order is open": (lambda: another_order(a_confirmed_booking()), NOW, 30 * SECOND),
    "a refund that is due": (with_refund, LATER, timedelta()),
    "a refund that is due for long": (with_refund, LATER + HOUR, -HOUR),
    "a refund that is called for": (lambda: refunds.sending(with_refund(), with_refund().refunds[0].id, LATER), LATER,
        30 * SECOND),
    "a refund that was called for and is due again": (lost_answer, LATER + HOUR, 2 * SECOND),
    "a refund that was accepted": (lambda: sent(with_refund()), LATER, 5 * SECOND),
    "a refund that waits for balance": (low, LATER, HOUR),
    "a refund that was refused": (lambda: replace_refund(low(), retry_at=None), LATER, None),
    "a refund that is slow": (
        lambda: replace_refund(with_refund(), retry_at=None), LATER + DAY - MINUTE, MINUTE,
    ),
    "a refund that was slow": (lambda: replace_refund(with_refund(), retry_at=None), LATER + DAY, None),
    "a refund that gave way": (lambda: replace_refund(with_refund(), replaced_by="x"), LATER, None),
    "a refund that is done": (lambda: heard(sent(with_refund()), told(with_refund().refunds[0])), LATER, None),
    "refunds of one payment, the first accepted": (
        lambda: customer_actions.refund_part(sent(with_refund()), Money.parse("20"), LATER, cancels=False),
        LATER,
        5 * SECOND,
    ),
    "ended": (an_expired_booking, NOW + 17 * MINUTE, MINUTE),
    "ended, and a question is due": (an_expired_booking, NOW + 18 * MINUTE, 30 * SECOND),
    "ended, and a notice tells of money": (
        lambda: settled(an_expired_booking(), seen(Remote.PAID, "75", by_query=False)), NOW + 17 * MINUTE, 30 * SECOND,
    ),
    "ended, and the calendar is to say whether the late money has its slot": (
        lambda: settled(an_expired_booking(), seen(Remote.PAID, "75"), slot=SlotSeen.UNKNOWN),
        NOW + 17 * MINUTE, 30 * SECOND,
    ),
    "ended, and a rest of the money was agreed to stay": (
        lambda: customer_actions.cancel(a_confirmed_booking(), Money.parse("0"), a_booking().slot.span.start - SECOND),
        NOW + DAY, None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NEXT_LOOKS)
def test_the_next_look_is_at_the_first_moment_something_could_change(name):
    make, now, wait = NEXT_LOOKS[name]

    after = polling.scheduled(replace(make(), outbox=()), now)

    assert after.check_at == (None if wait is None else now + wait)


def test_what_is_owed_is_looked_at_when_its_first_is_due():
    booking = a_confirmed_booking(outbox=(an_item("a", NOW + HOUR), an_item("b", NOW + MINUTE)))

    assert polling.scheduled(booking, NOW).check_at == NOW + MINUTE


@pytest.mark.parametrize(
    ("waited", "unanswered_checks", "pause"),
    [
        (0, 100, 5),
        (119, 100, 5),
        (120, 23, 5),
        (120, 24, 30),
        (599, 100, 30),
        (600, 39, 30),
        (600, 40, 300),
        (10**6, 24, 30),
        (10**6, 0, 5),
    ],
)
def test_asking_grows_patient_with_the_time_and_the_questions_that_brought_nothing(waited, unanswered_checks, pause):
    """Twenty-four and forty questions, two and ten minutes."""
    now = NOW + MINUTE + waited * SECOND

    after = polling.scheduled(paid(outbox=(), unanswered_checks=unanswered_checks), now)

    assert after.check_at == now + pause * SECOND


LOOKS = {
    "paid by a notice": (paid, NOW + MINUTE, 8),
    "nobody but people can go on": (choosing, LATER, 0),
    "payable": (a_live_booking, DEADLINE - SECOND, 0),
    "payable, and the slot may go": (a_live_booking, DEADLINE, 8),
    "given up, and never sent": (lambda: a_booking(cancel_requested=True), NOW, 8),
    "never sent": (a_booking, DEADLINE, 0),
    "closed": (lambda: settled(a_live_booking(), seen(Remote.ERROR)), DEADLINE, 0),
    "told of another amount": (
        lambda: settled(a_live_booking(), seen(Remote.PAID, "74", by_query=False)), NOW + MINUTE, 8,
    ),
    "confirmed": (a_confirmed_booking, NOW, 0),
    "confirmed, and a refund is accepted": (lambda: sent(with_refund()), LATER, 8),
    "confirmed, and a refund is planned": (with_refund, LATER, 0),
    "ended": (an_expired_booking, NOW + HOUR, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOKS)
def test_only_a_look_for_an_answer_that_is_due_counts(name):
    make, now, unanswered_checks = LOOKS[name]
    booking = replace(make(), unanswered_checks=7, outbox=())

    after = polling.looked_at(booking, booking, now)

    assert after == polling.scheduled(replace(booking, unanswered_checks=unanswered_checks), now)


# --- what is asked, what is closed, who may still pay ---------------------------------------------------------------


def numbers(orders: tuple[PaymentOrder, ...]) -> list[int]:
    return [one.number for one in orders]


CLOSED = {
    "payable": (a_live_booking, NOW, []),
    "over, and the slot still kept": (a_live_booking, DEADLINE - SECOND, []),
    "over, and the slot may go": (a_live_booking, DEADLINE, [1]),
    "over, and never sent": (a_booking, DEADLINE, []),
    "given up": (lambda: a_live_booking(cancel_requested=True), NOW, [1]),
    "closed already": (lambda: settled(a_live_booking(), seen(Remote.ERROR)), DEADLINE, []),
    "told of its money": (paid, DEADLINE, []),
    "told of its money, and another order is open": (lambda: another_order(paid()), NOW, [2]),
    "confirmed, and others are open": (lambda: another_order(another_order(a_confirmed_booking())), NOW, [2, 3]),
    "ended, and still open": (lambda: another_order(an_expired_booking()), DEADLINE + HOUR, []),
    "the rest can be paid": (short_with_rest, NOW + MINUTE, []),
    "the rest can be paid no more": (short_with_rest, END, [2]),
    "the whole price would be paid where the rest is missing": (
        lambda: another_order(short_with_rest()), NOW + MINUTE, [3],
    ),
    "not known whether it is there": (uncertain, NOW + MINUTE, []),
    "there, and its checkout was lost": (found_there, NOW + 2 * SECOND, [1]),
    "there, and somebody may still have its checkout": (found_there, NOW + 2 * SECOND - SECOND / 1000, []),
    "there, its checkout lost, and the tries used up": (
        lambda: found_there().with_order(replace(found_there().orders[0], retry_at=None)), NOW, [1],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CLOSED)
def test_orders_are_closed_that_must_not_be_paid_any_more_and_no_others(name):
    make, now, wanted = CLOSED[name]

    assert numbers(polling.orders_to_close(make(), now)) == wanted


FIRST_QUESTION = NOW + 18 * MINUTE  # a minute after an_expired_booking has ended
ASKED = {
    "never sent": (a_booking, NOW, []),
    "payable": (a_live_booking, NOW, [1]),
    "closed": (lambda: settled(a_live_booking(), seen(Remote.ERROR)), NOW, []),
    "told of its money": (paid, NOW, [1]),
    "proven": (a_confirmed_booking, NOW, []),
    "being returned by the console": (lambda: settled(a_live_booking(), seen(Remote.REFUNDING, "75")), NOW, [1]),
    "ended, before its first question": (an_expired_booking, FIRST_QUESTION - SECOND, []),
    "ended, at its first question": (an_expired_booking, FIRST_QUESTION, [1]),
    "ended, and told of money": (
        lambda: another_order(settled(an_expired_booking(), seen(Remote.PAID, "75", by_query=False))),
        NOW + 17 * MINUTE, [1],
    ),
    "ended, one never sent and one proven beside it": (
        lambda: another_order(
            another_order(an_expired_booking(), status=Remote.PAID, proven=True), status=None, tries=0, checkout=None,
        ),
        FIRST_QUESTION, [1],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ASKED)
def test_orders_are_asked_about_whose_answer_still_matters(name):
    make, now, wanted = ASKED[name]

    assert numbers(polling.orders_to_ask(make(), now)) == wanted


def test_after_the_end_late_money_is_asked_for_after_one_ten_and_sixty_minutes():
    end = an_expired_booking().ended_at
    booking, asked = polling.scheduled(an_expired_booking(outbox=()), end), []
    while booking.check_at is not None:
        now = booking.check_at
        asked.append(now - end)
        booking = settled(booking, seen(Remote.EXPIRED, at=now), now=now)

    assert asked == [MINUTE, 10 * MINUTE, HOUR]


def test_the_one_that_was_asked_about_longest_ago_says_when_to_ask():
    ended = an_expired_booking(outbox=())
    end = ended.ended_at

    both = another_order(ended, status=Remote.EXPIRED, seen_at=end + 10 * MINUTE)
    never_asked = another_order(ended, status=Remote.EXPIRED, seen_at=None)

    assert [polling.scheduled(one, end).check_at for one in (both, never_asked)] == [end + MINUTE] * 2


MAY_PAY = {
    "payable": (a_live_booking, END - SECOND, True),
    "over": (a_live_booking, END, False),
    "given up": (lambda: a_live_booking(cancel_requested=True), NOW, False),
    "ended": (lambda: an_expired_booking(expires_at=DEADLINE + DAY), DEADLINE, False),
    "paid": (paid, NOW + MINUTE, False),
    "told of another amount": (
        lambda: settled(a_live_booking(), seen(Remote.PAID, "74", by_query=False)), NOW + MINUTE, False,
    ),
    "short, and on its way back": (lambda: settled(a_live_booking(), seen(Remote.PAID, "74")), NOW + MINUTE, True),
    "short, and the rest may come": (short_with_rest, NOW + MINUTE, True),
    "short, and the rest may not come": (
        lambda: replace(short_with_rest(), meeting_type=a_booking().meeting_type), NOW + MINUTE, False,
    ),
    "money nobody can count": (lambda: settled(a_live_booking(), seen(Remote.PAID, None)), NOW + MINUTE, False),
}  # fmt: skip


@pytest.mark.parametrize("name", MAY_PAY)
def test_paying_is_open_while_there_is_time_and_something_is_missing(name):
    make, now, wanted = MAY_PAY[name]

    assert polling.may_still_pay(make(), now) is wanted


@pytest.mark.parametrize(("moment", "is_passed"), [(None, False), (NOW + SECOND, False), (NOW, True)])
def test_a_moment_has_passed_once_it_is_there(moment: datetime | None, is_passed):
    assert polling.passed(moment, NOW) is is_passed
