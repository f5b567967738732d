"""Figures of days: they can be added, and come to what a slow look at everything comes to."""

import math
import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspired.domain.booking import customer_actions, ledger
from inspired.domain.booking.booking import Booking, Fact, FactKind
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.states import CalendarKind, Flag, Remote, State
from inspired.domain.reporting import metrics
from inspired.domain.reporting.metrics import Day, Failure, Figures, Found, Step, percentile, together, two_digits
from inspired.domain.shared.money import Money
from inspired.domain.shared.periods import day_of
from inspired.domain.shared.slots import Span
from tests.domain.figuring import THOROUGH, ZONE, businesses, days_of, entries_of
from tests.factories import (
    MINUTE,
    NOW,
    SECOND,
    a_booking,
    a_confirmed_booking,
    a_draft,
    a_live_booking,
    an_event,
    an_expired_booking,
    seen,
    settled,
)

USDT = Money.parse
TALLIES = st.dictionaries(st.integers(0, 10**6), st.integers(1, 50))


# --- money ----------------------------------------------------------------------------------------------------------


@THOROUGH
@given(businesses())
def test_the_days_together_hold_what_the_ledger_holds_to_the_last_digit(found: list[Booking]):
    figures = together(days_of(found))

    assert {place: Money(sum_, place[1]) for place, sum_ in figures.accounts.items()} == ledger.balances(
        entry for _, entry in entries_of(found)
    )
    assert figures.net("USDT") == (
        figures.revenue("USDT") - figures.money(ledger.REFUNDS, "USDT") - figures.money(ledger.FEES, "USDT")
    )


@THOROUGH
@given(businesses())
def test_each_refund_that_has_gone_is_told_once_and_together_they_are_what_left(found: list[Booking]):
    told = [one for day in days_of(found) for one in day.returned]
    gone = [(one.id, one.amount) for booking in found for one in booking.refunds if one.is_gone]
    left = sum(
        (
            -line.money.amount
            for _, entry in entries_of(found)
            for line in entry.lines
            if entry.fact.kind is FactKind.REFUND and line.account == "binance"
        ),
        Decimal(),
    )

    assert sorted((one.refund_id, str(one.money)) for one in told) == sorted((name, str(money)) for name, money in gone)
    assert sum((one.money.amount for one in told), Decimal()) == left
    assert all(one.cause is not None and one.by for one in told)


@THOROUGH
@given(businesses(), st.integers(1, 400))
def test_no_window_of_days_holds_more_of_a_customer_than_is_told(found: list[Booking], days: int):
    """The slow way: every window there is."""
    told = {one.customer: one for one in metrics.largest(days_of(found))}
    payments: dict[str, list] = {}
    for booking in found:
        for order in booking.orders:
            at = next(entry.at for entry in booking.ledger if entry.fact == Fact(FactKind.RECEIVED, order.trade_no))
            payments.setdefault(booking.email_index or booking.id, []).append((day_of(at, ZONE), order.received))

    assert set(told) == set(payments)
    for customer, paid in payments.items():
        for name, length in metrics.WINDOWS.items():
            ends = {day + timedelta(days=shift) for day, _ in paid for shift in (0, length - 1, days)}
            most = max(
                sum(
                    (money.amount for day, money in paid if timedelta() <= end - day < timedelta(days=length)),
                    Decimal(),
                )
                for end in ends
            )
            assert getattr(told[customer], name).amount == most, name


def test_a_correction_counts_on_the_day_of_what_it_corrects():
    booking = a_confirmed_booking()
    later = NOW + timedelta(days=40)
    order = replace(booking.orders[0], received=USDT("70"))
    corrected = ledger.booked(booking.with_order(order), later)

    assert metrics.payments_in(corrected.ledger) == [(booking.ledger[0].at, USDT("70"))]


def test_another_currency_has_no_rate_and_counts_in_no_window():
    payments = [(NOW.date(), USDT("75")), (NOW.date(), Money.parse("900", "BUSD"))]

    assert metrics.rolling("ann", payments, NOW.date()).year == USDT("75")


def test_an_entry_about_no_refund_tells_of_none_and_an_unknown_one_says_so():
    booking = a_confirmed_booking()
    gone = customer_actions.refund_all(booking, NOW + MINUTE, cancels=True)
    entry = replace(booking.ledger[0], fact=Fact(FactKind.REFUND, gone.refunds[0].id))

    assert metrics.returned(booking.id, booking, booking.ledger[0]) is None
    assert metrics.returned(booking.id, None, replace(entry, lines=())) is None
    told = metrics.returned(booking.id, None, entry)
    assert told is not None
    assert (told.cause, told.by) == (None, "")


# --- adding ---------------------------------------------------------------------------------------------------------


@given(st.lists(TALLIES, max_size=4))
def test_counts_of_days_add_up_to_the_count_of_everything(tallies: list[dict[int, int]]):
    days = [Day(NOW.date(), Figures(calls=one, visits={str(key): n for key, n in one.items()})) for one in tallies]
    everything = sum((Counter(one) for one in tallies), Counter())

    assert together(days).calls == dict(everything)
    assert together(days).visits == {str(key): n for key, n in everything.items()}


def test_sums_that_come_to_nothing_are_left_out():
    one = Figures(accounts={("suspense", "USDT"): Decimal("-5")})
    other = Figures(accounts={("suspense", "USDT"): Decimal("5"), ("sales", "USDT"): Decimal("-5")})

    assert (one + other).accounts == {("sales", "USDT"): Decimal("-5")}
    assert (one + other).currencies == ["USDT"]


# --- bookings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("booking", "reached"),
    [
        (a_draft(), []),
        (a_booking(), [Step.HELD]),
        (a_live_booking(), [Step.HELD, Step.SHOWN]),
        (an_expired_booking(), [Step.HELD, Step.SHOWN]),
        (settled(a_live_booking(), seen(Remote.PAID, "75", by_query=False)), [Step.HELD, Step.SHOWN, Step.PAID]),
        (a_confirmed_booking(), list(Step)),
    ],
)
def test_how_far_a_booking_has_come_stands_in_its_history(booking: Booking, reached: list[Step]):
    assert metrics.steps_of(booking) == reached


def ended(*what: str, state: State = State.CANCELLED) -> Booking:
    history = tuple(an_event(NOW, one) for one in what)
    return a_booking(state=state, history=history)


@pytest.mark.parametrize(
    ("booking", "failures"),
    [
        (a_confirmed_booking(), []),
        (an_expired_booking(), [Failure.EXPIRED]),
        (ended("held", "given_up"), [Failure.GIVEN_UP]),
        (ended("held", "cancelled_in_calendar"), [Failure.CALENDAR]),
        (ended("held", "given_up", "paid"), []),
        (ended("create_failed", state=State.PENDING), [Failure.NO_ORDER]),
        (ended("refund_stuck", state=State.CONFIRMED), [Failure.REFUND_STUCK]),
        (a_booking(flags=frozenset({Flag.UNDERPAID, Flag.NEEDS_OWNER})), [Failure.UNDERPAID]),
    ],
)
def test_what_went_wrong_is_told_by_cause(booking: Booking, failures: list[Failure]):
    assert metrics.failures_of(booking) == failures


def test_every_odd_payment_has_a_cause():
    odd = [flag for flag in Flag if flag not in (Flag.REFUND_FAILED, Flag.NEEDS_OWNER, Flag.BY_HAND)]

    assert set(metrics.failures_of(a_booking(flags=frozenset(odd)))) == {Failure(flag) for flag in odd}


def test_who_told_of_a_payment_first_stands_in_the_history():
    by_query, by_notice = a_confirmed_booking(), settled(a_live_booking(), seen(Remote.PAID, "75", by_query=False))
    both = settled(by_notice, seen(Remote.PAID, "75", at=NOW + 2 * MINUTE))

    assert metrics.found_by(by_query) == [Found.QUERY]
    assert metrics.found_by(by_notice) == metrics.found_by(both) == [Found.NOTICE]


def test_the_bookings_of_a_day_are_counted_by_call():
    paid = a_confirmed_booking()

    figures = metrics.of_bookings([a_booking(), paid, an_expired_booking()], told_of=())

    kind = paid.meeting_type.id
    assert figures.steps == {
        (kind, Step.HELD): 3,
        (kind, Step.SHOWN): 2,
        (kind, Step.PAID): 1,
        (kind, Step.CONFIRMED): 1,
    }
    assert figures.failures == {Failure.EXPIRED: 1}
    assert figures.found == {Found.QUERY: 1, Found.UNTOLD: 1}
    assert figures.to_pay == {60: 1}
    assert (figures.reached(Step.HELD), figures.reached(Step.PAID)) == (3, 1)
    assert metrics.of_bookings([paid], told_of={paid.id}).found == {Found.QUERY: 1}


def test_paid_bookings_are_counted_by_the_rail_their_money_came_by():
    on_tron = replace(a_confirmed_booking(), orders=(replace(a_confirmed_booking().orders[0], rail=RailId.TRC20),))

    found = metrics.of_bookings([a_confirmed_booking(), on_tron, on_tron, a_live_booking()], told_of=set())

    assert found.usage == {RailId.BINANCE_PAY: 1, RailId.TRC20: 2}
    assert sum(found.usage.values()) == found.reached(Step.PAID)


def test_the_time_to_pay_is_from_the_code_to_the_payment():
    assert metrics.seconds_to_pay(a_live_booking()) is None
    assert metrics.seconds_to_pay(a_confirmed_booking()) == 60
    early = replace(a_confirmed_booking().orders[0], paid_at=NOW - SECOND)
    assert metrics.seconds_to_pay(a_confirmed_booking(orders=(early,))) == 0  # Binance's clock may be behind
    assert metrics.seconds_to_pay(a_confirmed_booking(history=())) is None


def test_calls_and_notices_are_counted_with_two_digits():
    order = a_confirmed_booking().orders[0]
    came = NOW + MINUTE + timedelta(milliseconds=1234)

    figures = metrics.of_calls([("ok", 12), ("ok", 12), ("400202", 1234)]) + metrics.of_notices(
        [(came, order), (came, replace(order, paid_at=None))]
    )

    assert (figures.calls, figures.outcomes) == ({12: 2, 1200: 1}, {"ok": 2, "400202": 1})
    assert figures.notices == {1200: 1}


def test_customers_are_new_once_and_come_back_once():
    day = Span(NOW, NOW + timedelta(days=1))
    before, today, after = NOW - MINUTE, NOW + MINUTE, NOW + timedelta(days=2)

    counted = metrics.of_customers(
        [[today], [today, before], [before, before, today], [after], [], [today, today]], day
    )

    assert counted.customers == {"new": 2, "back": 2}
    assert metrics.earned_at(a_confirmed_booking().ledger) == NOW + MINUTE
    assert metrics.earned_at(a_booking(calendar=CalendarKind.CALENDLY).ledger) is None


# --- many values ----------------------------------------------------------------------------------------------------


@given(st.integers(0, 10**9))
def test_two_digits_are_off_by_at_most_a_twentieth(number: int):
    assert abs(two_digits(number) - number) * 20 <= number
    assert len(str(two_digits(number)).rstrip("0")) <= 2


@given(st.lists(st.integers(0, 10**6), min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_one_of_the_sorted_values(values: list[int], percent: int):
    exact = sorted(values)[math.ceil(len(values) * percent / 100) - 1]

    assert percentile(Counter(values), percent) == exact
    assert percentile(Counter(map(two_digits, values)), percent) == two_digits(exact)


def test_of_nothing_there_is_no_percentile():
    assert percentile({}, 50) is None


# --- the forecast ---------------------------------------------------------------------------------------------------


def weeks(*amounts: int) -> list[Money]:
    return [USDT(one) for one in amounts]


def test_with_too_little_data_nothing_is_said():
    assert metrics.forecast(weeks(*[75] * 7), sales=100) is None
    assert metrics.forecast(weeks(*[75] * 8), sales=9) is None
    assert metrics.forecast(weeks(*[75] * 8), sales=10) is not None


def test_weeks_that_are_all_alike_go_on_without_doubt():
    told = metrics.forecast(weeks(*[70] * 9), sales=20)

    assert told == metrics.Forecast(USDT("300"), USDT("300"), USDT("300"), 9)


def test_only_the_last_weeks_count_and_revenue_does_not_fall_below_nothing():
    told = metrics.forecast(weeks(*[9000] * 5, *[0] * 12, 700), sales=10)

    assert told is not None
    assert (told.weeks, told.low) == (metrics.MOST_WEEKS, USDT("0"))
    assert told.low < told.middle < told.high


def test_four_of_five_times_it_comes_as_told():
    """Weeks that are alike and independent, as the interval takes them to be; a month is 30/7 of a week's spread."""
    chance, hits, rounds = random.Random(7), 0, 1500
    for _ in range(rounds):
        told = metrics.forecast(weeks(*(round(chance.gauss(1000, 200)) for _ in range(13))), sales=100)
        assert told is not None
        ahead = Decimal(round(chance.gauss(1000 * 30 / 7, 200 * math.sqrt(30 / 7))))
        hits += told.low.amount <= ahead <= told.high.amount

    assert 0.77 < hits / rounds < 0.83
