"""The figures of days as jobs count them: from what is in the database, as often as one likes."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import redis
from pymongo.database import Database

from inspired.adapters.mongo.ledger_store import Run
from inspired.adapters.mongo.payment_logs import Webhook
from inspired.domain.booking import ledger
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.refunds import PartOfIt
from inspired.domain.reporting import metrics
from inspired.domain.reporting.metrics import Day, Found, Step
from inspired.domain.shared import periods
from inspired.domain.shared.errors import Busy
from inspired.domain.shared.money import Money
from inspired.flows.booking import checking, refreshing, refunding
from inspired.flows.booking.checking import BEGINNING
from inspired.flows.monitoring import sweeping
from inspired.flows.reporting import counting
from inspired.services import Services
from tests.flows.monitoring.test_sweeping import waiting
from tests.flows.steps import confirmed, hold, later, live, pay
from tests.harness import Servers

ALL = ("figures", "returned", "large")


def counted(svc: Services) -> None:
    counting.start(svc)
    while counting.turn_page(svc):
        pass


def today(svc: Services) -> date:
    return periods.day_of(svc.now(), svc.settings.owner_timezone)


def all_days(svc: Services) -> list[Day]:
    return svc.metrics.between(periods.FIRST, periods.LAST, *ALL)


def told(svc: Services, booking: Booking, *, after: timedelta) -> None:
    """A notice of its payment has come, so long after it."""
    order = booking.orders[0]
    assert order.paid_at is not None
    raw = svc.vault.seal(booking.sealed.key, booking.id, "notice", "{}")  # type: ignore[union-attr]
    svc.logs.add_webhook(
        Webhook(
            f"n-{booking.id}-{after}", order.paid_at + after, "PAY", "PAY_SUCCESS", order.trade_no, booking.id,
            raw, booking.sealed.key, booking.id, {}, None,  # type: ignore[union-attr]
        )
    )  # fmt: skip


def test_what_all_days_come_to_holds_today_too_as_it_was_counted_last(svc: Services, sandbox: Servers):
    counted(svc)
    confirmed(svc, sandbox)
    svc.metrics.save(counting.count(svc, today(svc)))

    assert svc.metrics.all_time().customers == {"new": 1}
    assert svc.metrics.all_time().net("USDT") == Money.parse("75")
    counted(svc)
    assert svc.metrics.all_time().net("USDT") == Money.parse("75")


def test_what_an_older_release_summed_is_summed_anew(svc: Services, sandbox: Servers, database: Database[Any]):
    confirmed(svc, sandbox)
    counted(svc)
    database["numbers"].update_one({"_id": "all time"}, {"$unset": {"before": 1}})

    assert svc.metrics.all_time().net("USDT") == Money.parse("75")


def test_a_day_is_what_happened_on_it(svc: Services, sandbox: Servers):
    paid = confirmed(svc, sandbox)
    live(svc, call=4, email="bob@example.com")
    told(svc, paid, after=timedelta(milliseconds=1540))
    told(svc, paid, after=timedelta(milliseconds=9000))  # sent again: the first one counts

    counted(svc)

    (day,) = all_days(svc)
    figures, kind = day.figures, paid.meeting_type.id
    assert day.date == today(svc)
    assert figures.steps == {
        (kind, Step.HELD): 2,
        (kind, Step.SHOWN): 2,
        (kind, Step.PAID): 1,
        (kind, Step.CONFIRMED): 1,
    }
    assert (figures.revenue("USDT"), figures.sales) == (Money.parse("75"), 1)
    assert figures.notices == {1500: 1}
    assert figures.found == {Found.QUERY: 1}
    assert sum(figures.calls.values()) == figures.outcomes["ok"] == 3  # two orders made, one asked about
    assert figures.customers == {"new": 1}
    assert day.counted_at is not None


def test_money_that_no_notice_told_of_is_counted_as_that(svc: Services, sandbox: Servers):
    confirmed(svc, sandbox)

    counted(svc)

    assert all_days(svc)[0].figures.found == {Found.QUERY: 1, Found.UNTOLD: 1}


def test_counting_again_changes_nothing_but_when_it_was_counted(svc: Services, sandbox: Servers):
    refunding.refund(
        svc, confirmed(svc, sandbox).id, PartOfIt(Money.parse("30")), cancels=False, note="", request="r1", seen=None
    )
    counted(svc)
    once = all_days(svc)

    counted(svc)
    counted(svc)

    assert [replace(one, counted_at=None) for one in all_days(svc)] == [replace(one, counted_at=None) for one in once]


def test_days_hold_what_the_ledger_holds_refunds_included(svc: Services, sandbox: Servers):
    first, second = confirmed(svc, sandbox), confirmed(svc, sandbox, call=4, email="bob@example.com")
    for booking, amount in ((first, "30.00000001"), (second, "75")):
        refunding.refund(
            svc, booking.id, PartOfIt(Money.parse(amount)), cancels=False, note="", request=amount, seen=None
        )
        refreshing.refresh(svc, booking.id)
        refreshing.refresh(later(svc, minutes=2), booking.id)

    # Two minutes of the second refund lie ahead of the clock, which may be tomorrow.
    counted(later(svc, minutes=3))

    days = all_days(svc)
    in_the_books = ledger.balances(entry for _, entry in svc.ledger.all(BEGINNING, later(svc, hours=1).now()))
    sums = metrics.together(days).accounts
    assert {place: str(Money(amount)) for place, amount in sums.items()} == {
        place: str(money) for place, money in in_the_books.items()
    }
    gone = sorted((one.booking_id, str(one.money), str(one.cause), one.by) for day in days for one in day.returned)
    assert gone == sorted([(first.id, "30.00000001", "owner", "owner"), (second.id, "75", "owner", "owner")])


def test_who_comes_back_is_one_customer_and_what_they_paid_is_added_up(
    svc: Services, sandbox: Servers, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(metrics, "REPORTED", Money.parse("149").amount)
    first = confirmed(svc, sandbox)
    confirmed(svc, sandbox, call=4)
    confirmed(svc, sandbox, call=8, email="bob@example.com")

    counted(svc)

    (day,) = all_days(svc)
    assert day.figures.customers == {"new": 2, "back": 1}
    assert [(one.customer, str(one.day), str(one.year)) for one in day.large] == [(first.email_index, "150", "150")]


def test_one_whose_address_is_erased_is_a_customer_for_each_booking(svc: Services, sandbox: Servers):
    for call in (0, 4):
        booking = confirmed(svc, sandbox, call=call)
        svc.bookings.change(booking.id, lambda one: replace(one, email_index=""))

    counted(svc)

    assert all_days(svc)[0].figures.customers == {"new": 2}


@pytest.mark.breaks_books
def test_money_of_an_unknown_order_is_in_the_sums_and_is_nobodys(svc: Services):
    svc.ledger.post("n1", [ledger.orphan("orphan:n1", RailId.BINANCE_PAY, Money.parse("5"), svc.now())])

    counted(svc)

    (day,) = all_days(svc)
    assert day.figures.accounts["binance", "USDT"] == Money.parse("5").amount
    assert (day.large, day.returned, day.figures.customers) == ((), (), {})


# --- which days, and when ---------------------------------------------------------------------------------------------


def began(svc: Services) -> date:
    run = svc.runs.get(counting.NAME)
    assert run is not None
    return periods.day_of(run.cursor, svc.settings.owner_timezone)


def finished(svc: Services) -> Services:
    while counting.turn_page(svc):
        pass
    return svc


def test_the_first_counting_begins_with_the_first_booking(svc: Services):
    booking = live(svc)
    made = svc.now() - timedelta(days=9)
    svc.bookings.change(booking.id, lambda one: replace(one, created_at=made))

    counted(svc)

    days = all_days(svc)
    assert [one.date for one in days] == [today(svc) - number * periods.DAY for number in range(9, -1, -1)]
    assert days[0].figures.reached(Step.HELD) == 1


def test_an_hour_later_three_days_and_a_day_later_the_last_weeks_and_after_a_standstill_all_of_it(svc: Services):
    made = svc.now() - timedelta(days=400)
    svc.bookings.change(live(svc).id, lambda one: replace(one, created_at=made))
    noon = datetime.combine(today(svc), datetime.min.time(), tzinfo=svc.now().tzinfo) + timedelta(hours=12)
    at_noon = replace(svc, now=lambda: noon)
    counting.start_from(at_noon, today(at_noon))
    assert began(svc) == today(at_noon)

    an_hour = replace(finished(at_noon), now=lambda: noon + timedelta(hours=1))
    counting.start(an_hour)
    assert began(svc) == today(at_noon) - 2 * periods.DAY

    a_day = replace(finished(an_hour), now=lambda: noon + timedelta(days=1))
    counting.start(a_day)
    assert began(svc) == today(a_day) - 35 * periods.DAY

    months = replace(finished(a_day), now=lambda: noon + timedelta(days=91))
    counting.start(months)
    assert began(svc) == today(a_day) - 3 * periods.DAY


def test_no_day_before_the_first_booking_is_counted(svc: Services):
    live(svc)

    counting.start_from(svc, today(svc) - 60 * periods.DAY)

    assert began(svc) == today(svc)


def test_the_clock_starts_it_and_rings_on_where_a_job_was_lost(svc: Services, sandbox: Servers):
    sweeping.sweep_runs(svc)
    sweeping.sweep_runs(svc)
    assert ("inspired.jobs.turn_page", ("numbers",)) in waiting(sandbox)
    with redis.Redis.from_url(sandbox.redis_url) as connection:
        connection.flushdb()

    sweeping.sweep_runs(svc)

    assert ("inspired.jobs.turn_page", ("numbers",)) in waiting(sandbox)
    assert counting.turn_page(svc) is False
    assert counting.turn_page(svc) is False


def test_a_page_of_many_days_stops_in_time_and_the_next_goes_on(svc: Services, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(counting.paging, "PAGE_TIME", timedelta())
    made = svc.now() - timedelta(days=9)
    svc.bookings.change(live(svc).id, lambda one: replace(one, created_at=made))
    counting.start_from(svc, today(svc) - 2 * periods.DAY)

    more = [counting.turn_page(svc) for _ in range(3)]

    assert more == [True, True, False]
    assert len(all_days(svc)) == 3


# --- visits -----------------------------------------------------------------------------------------------------------


def test_visits_are_carried_over_once_and_add_up(svc: Services):
    for _ in range(3):
        counting.visited(svc, "deep-dive")
    svc.visits.carry_over()
    counting.visited(svc, "deep-dive")
    counting.visited(svc, "quick-question")
    svc.visits.carry_over()
    svc.visits.carry_over()

    assert svc.visits.of(today(svc)) == {"deep-dive": 4, "quick-question": 1}
    assert svc.visits.of(today(svc) - periods.DAY) == {}


def test_nothing_of_a_visitor_is_kept(svc: Services, database: Any, sandbox: Servers):
    counting.visited(svc, "deep-dive")
    with redis.Redis.from_url(sandbox.redis_url) as connection:
        assert connection.hgetall("visits") == {f"{today(svc)}/deep-dive".encode(): b"1"}

    svc.visits.carry_over()

    (kept,) = database["visits"].find({})
    assert set(kept) == {"_id", "at", "types"}


def test_visits_are_not_lost_while_the_database_is_away(svc: Services, monkeypatch: pytest.MonkeyPatch):
    from pymongo import errors
    from pymongo.collection import Collection

    counting.visited(svc, "deep-dive")
    counting.visited(svc, "quick-question")

    def away(*_: Any, **__: Any) -> None:
        raise errors.ServerSelectionTimeoutError("away")

    with monkeypatch.context() as patched:
        patched.setattr(Collection, "update_one", away)
        with pytest.raises(Busy):
            svc.visits.carry_over()
    svc.visits.carry_over()

    assert svc.visits.of(today(svc)) == {"deep-dive": 1, "quick-question": 1}


def test_the_check_of_the_books_is_not_disturbed(svc: Services, sandbox: Servers):
    confirmed(svc, sandbox)
    counted(svc)

    assert checking.check(svc).is_clean


def test_a_late_payment_is_found_in_the_day_its_booking_was_made(svc: Services, sandbox: Servers):
    booking = live(svc)
    counted(svc)
    pay(sandbox, booking)
    refreshing.refresh(svc, booking.id)

    counted(svc)

    assert all_days(svc)[0].figures.reached(Step.CONFIRMED) == 1


# --- today ----------------------------------------------------------------------------------------------------------


def today_counted(svc: Services) -> None:
    """As the clock and a worker do every half minute."""
    sweeping.sweep_runs(svc)
    while counting.turn_page(svc, counting.TODAY):
        pass


def test_what_was_sold_a_moment_ago_is_in_the_numbers_within_a_minute(svc: Services, sandbox: Servers):
    counted(svc)
    today_counted(svc)
    booking = confirmed(svc, sandbox)

    half_a_minute_on = later(svc, seconds=30)
    today_counted(half_a_minute_on)

    days = [one for one in all_days(svc) if one.figures.sales]
    assert [one.figures.revenue("USDT") for one in days] == [booking.price]
    assert ("inspired.jobs.turn_page", (counting.TODAY,)) in waiting(sandbox)
    assert svc.runs.get(counting.NAME).started_at < booking.created_at  # type: ignore[union-attr]


def test_the_last_minute_of_a_day_is_counted_after_it(svc: Services):
    midnight = periods.midnight(today(svc) + periods.DAY, svc.settings.owner_timezone)
    before, last, after = (
        replace(svc, now=lambda moment=moment: moment)
        for moment in (
            midnight - timedelta(seconds=40),
            midnight - timedelta(seconds=20),
            midnight + timedelta(seconds=5),
        )
    )
    today_counted(before)
    hold(last)

    today_counted(after)

    assert [(one.date, one.figures.reached(Step.HELD)) for one in all_days(svc)] == [
        (today(before), 1),
        (today(after), 0),
    ]


def test_a_day_that_takes_long_to_count_is_counted_less_often(svc: Services):
    run = Run(counting.TODAY, *[svc.now()] * 4, finished_at=svc.now(), counts={})

    assert counting.pause_of_today(None) == counting.pause_of_today(run) == timedelta(seconds=25)
    assert counting.pause_of_today(replace(run, counts={"ms": 5000})) == timedelta(seconds=100)
