from dataclasses import replace

import pytest

from inspired.domain import refunds
from inspired.domain.booking import Booking, Cause, Remote
from inspired.domain.funds import (
    Payment,
    due,
    kept_of,
    left_of,
    missing,
    payment_of,
    received_of,
    still_there,
)
from inspired.domain.money import Money
from tests.factories import NOW, a_live_booking, seen, settled

USDT = Money.parse


def a_paid_one(*amounts: str | None, currency: str = "USDT", proven: bool = True) -> Booking:
    """So many orders, each with its money, and nothing decided yet."""
    live = a_live_booking()
    attempts = tuple(
        replace(
            live.attempts[0],
            number=number,
            trade_no=f"{'b' * 24}{number:03d}",
            status=Remote.PAID,
            received=Money.parse(amount, currency) if amount else None,
            proven=proven,
        )
        for number, amount in enumerate(amounts, start=1)
    )
    return replace(live, attempts=attempts)


@pytest.mark.parametrize(
    ("booking", "payment"),
    [
        (a_live_booking(), Payment.NONE),
        (a_paid_one("75", proven=False), Payment.NOTIFIED),
        (a_paid_one("75"), Payment.EXACT),
        (a_paid_one("70", "5"), Payment.EXACT),
        (a_paid_one("74.99999999"), Payment.SHORT),
        (a_paid_one("75.00000001"), Payment.OVER),
        (a_paid_one("75", "75"), Payment.OVER),
        (a_paid_one("75", currency="BNB"), Payment.UNCLEAR),
        (a_paid_one(None), Payment.UNCLEAR),
        (refunds.all_of_it(a_paid_one("75"), Cause.OWNER, NOW), Payment.RETURNED),
        (replace(a_paid_one("50"), keeps=USDT("50")), Payment.EXACT),
        (replace(a_paid_one("50"), keeps=USDT("0")), Payment.OVER),
    ],
)
def test_all_money_of_a_booking_is_held_against_what_it_may_keep(booking, payment):
    assert payment_of(booking) is payment


def test_money_promised_back_is_not_the_bookings_any_more_but_still_there():
    booking = refunds.going_back(a_paid_one("75"), USDT("30"), Cause.OWNER, NOW)
    attempt = booking.attempts[0]

    assert (str(received_of(booking)), str(kept_of(booking)), str(missing(booking))) == ("75", "45", "30")
    assert (str(left_of(booking, attempt)), str(still_there(booking, attempt))) == ("45", "75")


def test_nothing_is_missing_where_there_is_enough():
    assert missing(a_paid_one("80")).is_nothing
    assert str(due(a_paid_one("80"))) == "75"
    assert str(due(replace(a_paid_one("80"), keeps=USDT("10")))) == "10"


def test_money_in_another_currency_counts_for_nothing_and_is_not_lost():
    booking = a_paid_one("75", currency="BNB")

    assert kept_of(booking).is_nothing
    assert received_of(booking).is_nothing
    assert left_of(booking, booking.attempts[0]).shown == "75 BNB"


def test_an_order_without_readable_money_has_nothing_to_return():
    booking = a_paid_one(None)

    assert still_there(booking, booking.attempts[0]).is_nothing
    assert refunds.all_of_it(booking, Cause.OWNER, NOW) == booking


def test_going_back_takes_the_newest_money_first_and_never_more_than_is_left_of_each():
    booking = refunds.going_back(a_paid_one("70", "10"), USDT("15"), Cause.OWNER, NOW)

    assert [(one.trade_no[-3:], str(one.amount)) for one in booking.refunds] == [("002", "10"), ("001", "5")]
    assert refunds.going_back(booking, USDT("0"), Cause.OWNER, NOW) == booking


def test_money_that_went_back_by_an_amount_nobody_knows_is_unclear():
    after = settled(a_live_booking(), seen(Remote.REFUNDED, "75"))

    assert payment_of(after) is Payment.UNCLEAR
    assert kept_of(after).is_nothing
