from dataclasses import replace

import pytest

from inspired.domain.booking import refunds
from inspired.domain.booking.balance import (
    Payment,
    at_provider,
    due,
    is_unclear,
    kept_of,
    left_of,
    missing,
    nothing,
    payment_of,
    received_of,
    still_there,
)
from inspired.domain.booking.booking import Booking, Refund
from inspired.domain.booking.states import Cause, RefundStatus, Remote
from inspired.domain.shared.money import Money
from tests.factories import NOW, a_live_booking, seen, settled

USDT = Money.parse


def a_paid_one(*amounts: str | None, currency: str = "USDT", proven: bool = True) -> Booking:
    """So many orders, each with its money, and nothing decided yet."""
    live = a_live_booking()
    orders = tuple(
        replace(
            live.orders[0],
            number=number,
            trade_no=f"{'b' * 24}{number:03d}",
            status=Remote.PAID,
            received=Money.parse(amount, currency) if amount else None,
            proven=proven,
        )
        for number, amount in enumerate(amounts, start=1)
    )
    return replace(live, orders=orders)


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
        (replace(a_paid_one("50"), agreed_amount=USDT("50")), Payment.EXACT),
        (replace(a_paid_one("50"), agreed_amount=USDT("0")), Payment.OVER),
    ],
)
def test_all_money_of_a_booking_is_held_against_what_it_may_keep(booking, payment):
    assert payment_of(booking) is payment


def test_money_promised_back_is_not_the_bookings_any_more_but_still_there():
    booking = refunds.going_back(a_paid_one("75"), USDT("30"), Cause.OWNER, NOW)
    order = booking.orders[0]

    assert (str(received_of(booking)), str(kept_of(booking)), str(missing(booking))) == ("75", "45", "30")
    assert (str(left_of(booking, order)), str(still_there(booking, order))) == ("45", "75")


def test_nothing_is_missing_where_there_is_enough():
    assert missing(a_paid_one("80")).is_nothing
    assert str(due(a_paid_one("80"))) == "75"
    assert str(due(replace(a_paid_one("80"), agreed_amount=USDT("10")))) == "10"


def test_money_in_another_currency_counts_for_nothing_and_is_not_lost():
    booking = a_paid_one("75", currency="BNB")

    assert kept_of(booking).is_nothing
    assert received_of(booking).is_nothing
    assert left_of(booking, booking.orders[0]).shown == "75 BNB"


def test_an_order_without_readable_money_has_nothing_to_return():
    booking = a_paid_one(None)

    assert still_there(booking, booking.orders[0]).is_nothing
    assert refunds.all_of_it(booking, Cause.OWNER, NOW) == booking


def test_going_back_takes_the_newest_money_first_and_never_more_than_is_left_of_each():
    booking = refunds.going_back(a_paid_one("70", "10"), USDT("15"), Cause.OWNER, NOW)

    assert [(one.trade_no[-3:], str(one.amount)) for one in booking.refunds] == [("002", "10"), ("001", "5")]
    assert refunds.going_back(booking, USDT("0"), Cause.OWNER, NOW) == booking


def test_money_that_went_back_by_an_amount_nobody_knows_is_unclear():
    after = settled(a_live_booking(), seen(Remote.REFUNDED, "75"))

    assert payment_of(after) is Payment.UNCLEAR
    assert kept_of(after).is_nothing


REFUNDING = {"status": Remote.REFUNDING}
BY_CONSOLE = Refund("r", f"{'b' * 24}001", USDT("10"), Cause.CONSOLE, NOW, status=RefundStatus.EXTERNAL)


def with_refunds(booking: Booking, *refunds: Refund, **order) -> Booking:
    return replace(booking.with_order(replace(booking.orders[0], **order)), refunds=refunds)


MONEY = {
    # what is kept, what is left of the order, what is there, what the provider would return with its last refund
    "paid": (a_paid_one("75"), Payment.EXACT, "75 75 75 75"),
    "promised": (
        with_refunds(a_paid_one("75"), replace(BY_CONSOLE, cause=Cause.OWNER, status=RefundStatus.SENT)),
        Payment.SHORT, "65 65 75 75",
    ),
    "gone": (
        with_refunds(a_paid_one("75"), replace(BY_CONSOLE, cause=Cause.OWNER, status=RefundStatus.DONE)),
        Payment.SHORT, "65 65 65 65",
    ),
    "by the console": (with_refunds(a_paid_one("75"), BY_CONSOLE), Payment.SHORT, "65 65 65 65"),
    "by hand": (
        with_refunds(a_paid_one("75"), replace(BY_CONSOLE, cause=Cause.OWNER)), Payment.SHORT, "65 65 65 75",
    ),
    "replaced": (with_refunds(a_paid_one("75"), replace(
        BY_CONSOLE, cause=Cause.OWNER, status=RefundStatus.REJECTED, replaced_by="x"
    )), Payment.EXACT, "75 75 75 75"),
    "of another order": (with_refunds(a_paid_one("75"), replace(BY_CONSOLE, trade_no="x")), Payment.EXACT,
        "75 75 75 75"),
    "of unknown amount": (
        with_refunds(a_paid_one("75"), replace(BY_CONSOLE, amount=None)), Payment.UNCLEAR, "0 75 75 75",
    ),
    "being returned by the console": (with_refunds(a_paid_one("75"), **REFUNDING), Payment.UNCLEAR, "0 75 75 75"),
    "being returned by us": (
        with_refunds(
            a_paid_one("75"), replace(BY_CONSOLE, cause=Cause.OWNER, status=RefundStatus.SENT), **REFUNDING
        ),
        Payment.SHORT, "65 65 75 75",
    ),
    "being returned, and ours was replaced": (
        with_refunds(a_paid_one("75"), replace(BY_CONSOLE, status=RefundStatus.REJECTED, replaced_by="x"), **REFUNDING),
        Payment.UNCLEAR, "0 75 75 75",
    ),
    "promised twice": (
        with_refunds(a_paid_one("75"), BY_CONSOLE, replace(BY_CONSOLE, id="s", amount=USDT("70"), cause=Cause.OWNER,
            status=RefundStatus.SENT)),
        Payment.RETURNED, "-5 -5 65 65",
    ),
    "unreadable": (a_paid_one(None), Payment.UNCLEAR, "0 0 0 0"),
    "unreadable, and a part went back": (with_refunds(a_paid_one(None), BY_CONSOLE), Payment.RETURNED, "0 0 0 0"),
    "unreadable, and a part is promised": (
        with_refunds(a_paid_one(None), replace(BY_CONSOLE, status=RefundStatus.SENT)), Payment.UNCLEAR, "0 0 0 0",
    ),
    "unreadable, and a part of unknown amount went back": (
        with_refunds(a_paid_one(None), replace(BY_CONSOLE, amount=None)), Payment.UNCLEAR, "0 0 0 0",
    ),
    "unreadable, and all of it went back": (
        with_refunds(a_paid_one(None), status=Remote.FULL_REFUNDED), Payment.RETURNED, "0 0 0 0",
    ),
    "foreign": (a_paid_one("75", currency="BNB"), Payment.UNCLEAR, "0 75 75 75"),
    "foreign, and all of it went back": (
        with_refunds(a_paid_one("10", currency="BNB"), replace(BY_CONSOLE, amount=Money.parse("10", "BNB"))),
        Payment.RETURNED, "0 0 0 0",
    ),
    "not proven": (a_paid_one("75", proven=False), Payment.NOTIFIED, "0 75 75 75"),
    "not proven, and unreadable": (a_paid_one(None, proven=False), Payment.NOTIFIED, "0 0 0 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", MONEY)
def test_what_is_kept_what_is_left_what_is_there_and_what_the_last_refund_would_return(name):
    booking, payment, amounts = MONEY[name]
    order = booking.orders[0]

    assert payment_of(booking) is payment
    assert is_unclear(booking, order) is (payment is Payment.UNCLEAR)
    of_order = [how(booking, order) for how in (left_of, still_there, at_provider)]
    assert " ".join(str(one) for one in (kept_of(booking), *of_order)) == amounts
    assert {one.currency for one in of_order} == {order.received.currency if order.received else "USDT"}


def test_what_has_arrived_is_counted_in_the_prices_currency_and_where_it_is_proven():
    booking = a_paid_one("75", "5")
    first, second = booking.orders
    others = {
        "both": second,
        "not proven": replace(second, proven=False),
        "foreign": replace(second, received=Money.parse("5", "BNB")),
        "closed": replace(second, status=Remote.EXPIRED),
        "unreadable": replace(second, received=None),
    }

    got = {name: received_of(replace(booking, orders=(first, other))) for name, other in others.items()}

    assert got == {"both": USDT("80"), **dict.fromkeys(("not proven", "foreign", "closed", "unreadable"), USDT("75"))}


def test_nothing_is_nothing_in_its_own_currency():
    unpaid = a_live_booking()

    assert [nothing("BNB"), kept_of(unpaid), missing(a_paid_one("80"))] == [
        Money.parse("0", "BNB"),
        USDT("0"),
        USDT("0"),
    ]
