"""The books: double entry, only ever added to, and made again from the facts at any time."""

from dataclasses import replace

import pytest

from inspired.domain.booking import customer_actions, ledger
from inspired.domain.booking.booking import Entry, Fact, FactKind, Line
from inspired.domain.booking.ledger import FEES, REFUNDS, SALES, SUSPENSE, balances, booked, is_balanced
from inspired.domain.booking.lifecycle import SlotSeen
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.states import Remote
from inspired.domain.shared.money import Money
from tests.factories import MINUTE, NOW, a_confirmed_booking, a_live_booking, a_returned, an_item, seen, settled

THEN, LATER = NOW + MINUTE, NOW + 2 * MINUTE
ORDER = f"{'b' * 24}001"
USDT = Money.parse


RECEIVED, EARNED = Fact(FactKind.RECEIVED, ORDER), Fact(FactKind.EARNED)
ORPHAN = Fact(FactKind.ORPHAN, "k")


def in_the_books(booking):
    return {account: str(money) for (account, _), money in balances(booking.ledger).items()}


def returned(booking):
    """Every refund sent and done."""
    ready = booking.with_order(replace(booking.orders[0], prepay_id="P1"))
    return a_returned(ready, LATER)


def test_a_confirmed_call_is_in_the_account_and_earned():
    booking = a_confirmed_booking()

    assert in_the_books(booking) == {"binance": "75", SALES: "-75"}
    assert booking.ledger == (
        Entry(
            0,
            THEN,
            RECEIVED,
            "received",
            (Line("binance", USDT("75")), Line(SUSPENSE, USDT("-75"))),
        ),
        Entry(
            1,
            THEN,
            EARNED,
            "earned by the confirmed call",
            (Line(SUSPENSE, USDT("75")), Line(SALES, USDT("-75"))),
        ),
    )
    assert an_item("post:2", THEN) in booking.outbox


def test_what_the_provider_kept_is_a_cost():
    told = replace(seen(Remote.PAID, "75"), commission=USDT("0.75"))

    booking = settled(a_live_booking(), told)

    assert in_the_books(booking) == {"binance": "74.25", SALES: "-75", FEES: "0.75"}
    assert booking.ledger[1] == Entry(
        1, THEN, Fact(FactKind.FEE, ORDER), "commission", (Line(FEES, USDT("0.75")), Line("binance", USDT("-0.75")))
    )


def test_a_commission_of_nothing_is_no_entry():
    told = replace(seen(Remote.PAID, "75"), commission=USDT("0"))

    assert len(settled(a_live_booking(), told).ledger) == 2


def test_money_is_booked_only_once_it_is_proven():
    noticed = settled(a_live_booking(), seen(Remote.PAID, "75", by_query=False))

    assert noticed.ledger == ()


def test_short_money_is_owed_to_its_payer_until_it_has_gone():
    short = settled(a_live_booking(), seen(Remote.PAID, "74"))

    assert in_the_books(short) == {"binance": "74", SUSPENSE: "-74"}
    assert in_the_books(returned(short)) == {}


def test_surplus_leaves_what_is_owed_and_never_the_income():
    over = settled(a_live_booking(), seen(Remote.PAID, "80"))

    assert in_the_books(over) == {"binance": "80", SALES: "-75", SUSPENSE: "-5"}
    assert in_the_books(returned(over)) == {"binance": "75", SALES: "-75"}


def test_what_was_earned_and_goes_back_makes_the_income_smaller_and_is_no_hidden_loss():
    cancelled = customer_actions.refund_part(a_confirmed_booking(), USDT("30"), LATER, cancels=True)

    assert in_the_books(returned(cancelled)) == {"binance": "45", SALES: "-75", REFUNDS: "30"}


def test_one_refund_of_surplus_and_income_is_split_between_them():
    over = settled(a_live_booking(), seen(Remote.PAID, "80"))

    after = settled(over, seen(Remote.FULL_REFUNDED, "80", at=LATER), now=LATER)

    assert after.ledger[-1] == Entry(
        2,
        LATER,
        Fact(FactKind.REFUND, after.refunds[-1].id),
        "returned",
        (Line(SUSPENSE, USDT("5")), Line(REFUNDS, USDT("75")), Line("binance", USDT("-80"))),
    )


def test_surplus_that_has_gone_back_does_not_pay_for_a_later_refund_too():
    over = returned(settled(a_live_booking(), seen(Remote.PAID, "80")))

    after = returned(customer_actions.refund_part(over, USDT("30"), LATER, cancels=False))

    assert in_the_books(after) == {"binance": "45", SALES: "-75", REFUNDS: "30"}
    assert [one.lines for one in after.ledger[-2:]] == [
        (Line(SUSPENSE, USDT("5")), Line("binance", USDT("-5"))),
        (Line(REFUNDS, USDT("30")), Line("binance", USDT("-30"))),
    ]


def test_a_refund_in_another_currency_hides_none_that_comes_after_it():
    foreign = settled(a_live_booking(), seen(Remote.PAID, "75", currency="BNB"))
    back = returned(customer_actions.refund_all(foreign, LATER, cancels=False))
    second = replace(
        back.orders[0], number=2, trade_no=f"{'b' * 24}002", status=Remote.INITIAL, proven=False, received=None
    )

    short = settled(replace(back, orders=(*back.orders, second)), seen(Remote.PAID, "74", order=2), now=LATER)
    gone = a_returned(short, LATER)

    assert in_the_books(short) == {"binance": "74", SUSPENSE: "-74"}
    assert [one.amount.shown for one in gone.refunds if one.is_gone] == ["75 BNB", "74 USDT"]
    assert in_the_books(gone) == {}


def test_another_currency_has_books_of_its_own():
    foreign = settled(a_live_booking(), seen(Remote.PAID, "75", currency="BNB"))
    back = customer_actions.refund_all(foreign, LATER, cancels=False)

    assert balances(foreign.ledger) == {
        ("binance", "BNB"): Money.parse("75", "BNB"),
        (SUSPENSE, "BNB"): Money.parse("-75", "BNB"),
    }
    assert balances(returned(back).ledger) == {}
    assert returned(back).ledger[-1] == Entry(
        1,
        LATER,
        Fact(FactKind.REFUND, f"{ORDER}R01"),
        "returned",
        (Line(SUSPENSE, Money.parse("75", "BNB")), Line("binance", Money.parse("-75", "BNB"))),
    )


def test_a_correction_is_an_entry_of_its_own_and_the_old_one_stays():
    booking = a_confirmed_booking()
    corrected = booking.with_order(replace(booking.orders[0], received=USDT("80")))

    after = booked(corrected, LATER)

    assert after.ledger[:2] == booking.ledger
    assert [(one.number, one.lines) for one in after.ledger[2:]] == [
        (2, (Line("binance", USDT("5")), Line(SUSPENSE, USDT("-5"))))
    ]


def test_a_fact_that_is_no_more_is_taken_back_by_an_entry():
    booking = a_confirmed_booking()

    after = booked(replace(booking, earned=None), LATER)

    taken_back = Entry(2, LATER, EARNED, "taken back", (Line(SUSPENSE, USDT("-75")), Line(SALES, USDT("75"))))
    assert after.ledger == (*booking.ledger, taken_back)
    assert booked(after, LATER + MINUTE) is after


def test_the_books_can_be_made_again_from_the_facts():
    booking = returned(customer_actions.refund_part(a_confirmed_booking(), USDT("30"), LATER, cancels=False))

    again = booked(replace(booking, ledger=()), LATER)

    assert balances(again.ledger) == balances(booking.ledger)


def test_books_that_are_right_are_left_alone():
    booking = a_confirmed_booking()

    assert booked(booking, LATER) is booking


@pytest.mark.parametrize("amount", ["75", "0.00000001"])
def test_money_of_an_unknown_order_is_owed_until_the_owner_settles_it(amount):
    taken, by_hand = (
        make("k", RailId.BINANCE_PAY, USDT(amount), at)
        for make, at in ((ledger.orphan, NOW), (ledger.orphan_settled, LATER))
    )
    here, owed_ = Line("binance", USDT(amount)), Line(SUSPENSE, -USDT(amount))

    assert taken == Entry(0, NOW, ORPHAN, "received for an unknown order", (here, owed_))
    assert by_hand == Entry(
        1,
        LATER,
        ORPHAN,
        "settled by hand",
        (Line(SUSPENSE, USDT(amount)), Line("binance", -USDT(amount))),
    )
    assert balances([taken, by_hand]) == {}


def test_an_entry_is_balanced_in_each_currency_by_itself():
    assert is_balanced([Line("binance", USDT("1")), Line(SALES, USDT("-1"))])
    assert not is_balanced([Line("binance", USDT("1")), Line(SALES, Money.parse("-1", "BNB"))])


def test_what_is_only_promised_is_not_booked_as_gone():
    promised = customer_actions.refund_part(a_confirmed_booking(), USDT("30"), LATER, cancels=False)
    unknown = settled(a_confirmed_booking(), seen(Remote.REFUNDED, "75", at=LATER), slot=SlotSeen.UNKNOWN, now=LATER)

    assert in_the_books(promised) == in_the_books(unknown) == {"binance": "75", SALES: "-75"}
