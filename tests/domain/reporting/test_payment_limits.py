"""How much one customer may pay: the plan's 10,000 in each of the report's windows, and what the owner decides."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inspired.domain.booking.booking import Entry, Fact, FactKind, Line
from inspired.domain.booking.history import LimitWindow
from inspired.domain.catalogue.meeting_types import LIMIT, MEETING_TYPES
from inspired.domain.reporting import metrics, payment_limits
from inspired.domain.reporting.payment_limits import Turnover
from inspired.domain.sentences.owner import WINDOWS
from inspired.domain.shared.errors import Invalid
from inspired.domain.shared.money import Money

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
ZONE = "Europe/Berlin"
DAY = timedelta(days=1)


def arrived(
    amount: str, ago: timedelta, booking: str = "a", asks: str | None = None, currency: str = "USDT"
) -> Turnover:
    money, at = Money.parse(amount, currency), NOW - ago
    lines = (Line("binance", money), Line("suspense", -money))
    return Turnover(
        booking,
        at,
        (Entry(0, at, Fact(FactKind.RECEIVED, "x"), "received", lines),),
        Money.parse(asks) if asks else None,
    )


def unpaid(price: str, ago: timedelta = timedelta(minutes=5), booking: str = "u") -> Turnover:
    return Turnover(booking, NOW - ago, (), Money.parse(price))


def above(turnover: list[Turnover], amount: str, most: Money = LIMIT) -> str:
    found = payment_limits.above(turnover, Money.parse(amount), most, NOW, ZONE)
    return WINDOWS[found.window] if found else ""


@pytest.mark.parametrize(
    ("turnover", "amount", "window"),
    [
        ([], "10000", ""),
        ([], "10000.00000001", "in a day"),
        ([], "15000", "in a day"),
        ([arrived("9950", timedelta(hours=1))], "50", ""),
        ([arrived("9950", timedelta(hours=1))], "75", "in a day"),
        ([arrived("9950", 1 * DAY)], "75", "in 30 days"),
        ([arrived("9950", 29 * DAY)], "75", "in 30 days"),
        ([arrived("9950", 30 * DAY)], "75", "in 365 days"),
        ([arrived("9950", 364 * DAY)], "75", "in 365 days"),
        ([arrived("9950", 365 * DAY)], "75", ""),
        ([arrived("5000", 40 * DAY), arrived("4950", 20 * DAY, "b")], "75", "in 365 days"),
        ([unpaid("6000")], "6000", "in a day"),
        ([arrived("4000", DAY, asks="6000")], "5000", "in 30 days"),
        ([arrived("6000", DAY, asks="6000")], "4000", ""),
        ([arrived("99999", DAY, currency="BNB")], "10000", ""),
    ],
)
def test_an_order_that_would_bring_a_customer_above_the_limit_is_found_in_its_shortest_window(
    turnover: list[Turnover], amount: str, window: str
):
    assert above(turnover, amount) == window


def test_a_day_is_the_owners():
    just_before_midnight_in_berlin = arrived("9950", NOW - datetime(2027, 2, 28, 22, 59, tzinfo=UTC))
    just_after = arrived("9950", NOW - datetime(2027, 2, 28, 23, 1, tzinfo=UTC))

    assert above([just_before_midnight_in_berlin], "75") == "in 30 days"
    assert above([just_after], "75") == "in a day"


def test_the_limit_and_its_windows_are_those_of_the_report():
    assert metrics.MOST == LIMIT.amount == 10_000
    assert set(LimitWindow) == set(WINDOWS) == set(metrics.WINDOWS)


def test_of_two_unpaid_bookings_at_once_the_earlier_one_is_let_through():
    first, second = unpaid("6000", timedelta(minutes=2), "a"), unpaid("6000", timedelta(minutes=1), "b")
    both = [first, second]

    assert above(payment_limits.before(both, "a", first.made_at), "6000") == ""
    assert above(payment_limits.before(both, "b", second.made_at), "6000") == "in a day"
    at_once = [first, replace(second, made_at=first.made_at)]
    let_through = [one for one in "ab" if not above(payment_limits.before(at_once, one, first.made_at), "6000")]
    assert let_through == ["a"]


def test_a_call_that_the_owner_knowingly_offers_above_the_limit_may_be_paid_once():
    dear = replace(MEETING_TYPES[0], price=Money.parse("15000"), above_limit=True)

    assert payment_limits.limit_for(dear) == dear.price
    assert payment_limits.limit_for(replace(dear, above_limit=False)) == LIMIT
    assert above([], "15000", payment_limits.limit_for(dear)) == ""
    assert above([arrived("15000", DAY)], "15000", payment_limits.limit_for(dear)) == "in 30 days"


def test_the_customers_sentence_tells_the_limit_and_not_what_was_paid():
    found = payment_limits.above([arrived("9987.65", DAY)], Money.parse("75"), LIMIT, NOW, ZONE)
    assert found is not None

    told = str(payment_limits.refusal(found))

    assert "above our limit of 10000 USDT in 30 days" in told
    assert "Nothing was held and nothing is owed. Please write to us" in told
    assert "87.65" not in told


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"most": "10000"}, "amount"), ({"most": "1000000.01"}, "amount"), ({"days": 0}, "days"), ({"days": 366}, "days")],
)
def test_the_owners_word_is_more_than_everybody_may_and_ends(wrong: dict[str, Any], field: str):
    given: dict[str, Any] = {"most": "12000", "days": 30} | wrong

    with pytest.raises(Invalid) as refused:
        payment_limits.allowance("c", Money.parse(given["most"]), given["days"], "p", NOW)

    assert list(refused.value.fields) == [field]
