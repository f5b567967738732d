"""A booking's money as its mails tell it; that the lines add up on every walk is a rule of `test_walk`."""

from datetime import timedelta

from inspired.domain.booking import customer_actions
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.statement import statement
from inspired.domain.booking.states import Remote
from inspired.domain.shared.money import Money
from tests.factories import MINUTE, NOW, a_confirmed_booking, a_live_booking, a_returned, seen, settled

LATER = NOW + timedelta(hours=1)


def shown(booking: Booking) -> tuple[str, ...]:
    """Received, too much, returned before, goes back, kept; and what was paid for the call."""
    money = statement(booking)
    return tuple(
        str(one) for one in (money.received, money.too_much, money.before, money.goes_back, money.kept, money.paid)
    )


def overpaid() -> Booking:
    return settled(a_live_booking(), seen(Remote.PAID, "100"))


def test_a_plain_call_is_paid_and_kept():
    assert shown(a_confirmed_booking()) == ("75", "0", "0", "0", "75", "75")


def test_what_is_too_much_was_never_paid_for_the_call():
    assert shown(overpaid()) == ("100", "25", "0", "0", "75", "75")


def test_cancelled_it_gives_back_the_price_and_not_the_surplus_a_second_time():
    booking = a_returned(overpaid(), NOW + 2 * MINUTE)

    after = customer_actions.cancel(booking, Money.parse("75"), LATER)

    assert shown(after) == ("100", "25", "0", "75", "0", "75")


def test_a_part_that_went_back_before_is_told_apart_from_what_goes_back_now():
    part = customer_actions.refund_part(a_confirmed_booking(), Money.parse("20"), NOW + 2 * MINUTE, cancels=False)

    after = customer_actions.cancel(part, Money.parse("55"), LATER)

    assert shown(after) == ("75", "0", "20", "55", "0", "75")
