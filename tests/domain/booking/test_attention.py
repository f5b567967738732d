"""What only a person can settle, and when it needs nobody any more."""

from dataclasses import replace

import pytest

from inspired.adapters.mongo.spellings import task_in
from inspired.domain.booking import attention, delivery
from inspired.domain.booking.attention import Matter, matters
from inspired.domain.booking.booking import Refund
from inspired.domain.booking.delivery import ALERT_AT_TRY
from inspired.domain.booking.states import Cause, Flag, RefundStatus, Remote
from inspired.domain.shared.errors import Conflict
from inspired.domain.shared.money import Money
from tests.factories import (
    MINUTE,
    NOW,
    a_booking,
    a_confirmed_booking,
    a_live_booking,
    an_expired_booking,
    seen,
    settled,
)


def a_refund(status: RefundStatus, amount: str | None = "75") -> Refund:
    trade_no = a_confirmed_booking().orders[0].trade_no
    return Refund(f"{trade_no}R01", trade_no, Money.parse(amount) if amount else None, Cause.OWNER, NOW, status=status)


def with_refund(refund: Refund):
    return replace(a_confirmed_booking(), refunds=(refund,))


@pytest.mark.parametrize("booking", [a_booking(), a_live_booking(), a_confirmed_booking(), an_expired_booking()])
def test_what_goes_by_itself_needs_nobody(booking):
    assert matters(booking) == ()


def test_a_refund_that_does_not_get_through_needs_somebody():
    rejected = replace(with_refund(a_refund(RefundStatus.REJECTED)), agreed_amount=Money.parse("0"))

    assert matters(rejected) == (Matter.REFUND_STUCK,)


def test_money_returned_elsewhere_that_nobody_can_count_needs_somebody():
    found = with_refund(a_refund(RefundStatus.EXTERNAL, None))

    assert Matter.REFUND_UNCOUNTED in matters(found)
    assert Matter.REFUND_STUCK not in matters(found)


def test_money_that_cannot_be_held_against_the_price_needs_somebody():
    assert matters(settled(a_live_booking(), seen(Remote.PAID, "1", currency="BNB"))) == (Matter.UNCLEAR,)


def test_a_call_of_whose_money_a_part_went_back_elsewhere_needs_somebody():
    assert matters(with_refund(a_refund(RefundStatus.EXTERNAL, "10"))) == (Matter.SHORT,)


@pytest.mark.parametrize(
    "booking",
    [settled(a_live_booking(), seen(Remote.PAID, "1", currency="BNB")), with_refund(a_refund(RefundStatus.REJECTED))],
)
def test_whatever_is_flagged_for_the_owner_has_a_matter(booking):
    flagged = settled(booking, now=NOW + MINUTE)

    assert Flag.NEEDS_OWNER in flagged.flags
    assert matters(flagged)


def test_what_keeps_failing_needs_somebody_until_it_is_through():
    booking = a_booking()
    failing = replace(booking, outbox=(replace(booking.outbox[0], tries=ALERT_AT_TRY),))

    assert attention.undelivered(failing) == (task_in("send:held"),)
    assert matters(failing) == (Matter.UNDELIVERED,)
    assert not attention.was_given_up(failing)


def test_a_mail_that_was_given_up_needs_somebody_until_it_is_seen_to():
    given_up = delivery.failed(a_booking(), task_in("send:held"), NOW, for_good=True)
    seen_to = attention.seen_to(given_up, NOW + MINUTE)

    assert attention.undelivered(given_up) == (task_in("send:held"),)
    assert matters(given_up) == (Matter.UNDELIVERED,)
    assert matters(seen_to) == ()
    with pytest.raises(Conflict):
        attention.seen_to(seen_to, NOW + MINUTE)
