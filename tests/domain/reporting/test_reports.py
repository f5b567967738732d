"""Reports: each comes to what the ledger holds, to the last digit, and names nobody."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from hypothesis import given

from inspired.domain.booking.booking import Booking, Entry, Fact, FactKind, Line
from inspired.domain.booking.ledger import FEES, REFUNDS, SALES, SUSPENSE, balances
from inspired.domain.booking.reconciliation import Difference, Kind
from inspired.domain.booking.states import Cause
from inspired.domain.reporting import metrics, reports
from inspired.domain.reporting.metrics import Day, Figures, Returned, Rolling
from inspired.domain.reporting.reports import Plan
from inspired.domain.shared.money import Money
from inspired.domain.shared.periods import Length, Period, between, parsed
from tests.domain.figuring import THOROUGH, ZONE, businesses, days_of, entries_of
from tests.factories import NOW

USDT = Money.parse
YEARS = between(date(2026, 1, 1), date(2029, 12, 31))


def column(report: reports.Report, name: str, *, totals: bool = False) -> Decimal:
    place = report.columns.index(name)
    return sum((Decimal(row.cells[place]) for row in (report.totals if totals else report.rows)), Decimal())


# --- equal to the ledger --------------------------------------------------------------------------------------------


@THOROUGH
@given(businesses())
def test_the_tax_summary_is_the_ledgers_income_and_cost(found: list[Booking]):
    held = {name: money.amount for (name, _), money in balances(one for _, one in entries_of(found)).items()}

    report = reports.tax(days_of(found), YEARS)

    for totals in (False, True):
        assert column(report, "Gross", totals=totals) == -held.get(SALES, Decimal())
        assert column(report, "Refunds", totals=totals) == held.get(REFUNDS, Decimal())
        assert column(report, "Commission", totals=totals) == held.get(FEES, Decimal())
        net = -held.get(SALES, Decimal()) - held.get(REFUNDS, Decimal()) - held.get(FEES, Decimal())
        assert column(report, "Net in USD", totals=totals) == column(report, "Net", totals=totals) == net
    # What is left in the account is what was earned, and what is still owed to somebody.
    assert column(report, "Net") == held.get("binance", Decimal()) + held.get(SUSPENSE, Decimal())


@THOROUGH
@given(businesses())
def test_the_refunds_are_what_has_left_the_account(found: list[Booking]):
    everything = [one for _, one in entries_of(found)]
    received = [one for one in everything if one.fact.kind in (FactKind.RECEIVED, FactKind.FEE)]
    left = [balances(some).get(("binance", "USDT"), Money(Decimal())).amount for some in (received, everything)]

    report = reports.refunds(days_of(found), YEARS, ZONE)

    assert column(report, "Amount") == column(report, "Amount", totals=True) == left[0] - left[1]
    assert {row.booking_id for row in report.rows} <= {one.id for one in found}


@THOROUGH
@given(businesses())
def test_every_entry_is_in_the_file_and_its_lines_are_nothing_together(found: list[Booking]):
    report = reports.entries(entries_of(found), YEARS, ZONE)

    assert len(report.rows) == sum(len(entry.lines) for _, entry in entries_of(found))
    assert column(report, "Amount") == 0
    assert [row.cells[0] for row in report.rows] == sorted(row.cells[0] for row in report.rows)


@THOROUGH
@given(businesses())
def test_what_was_counted_is_held_against_the_ledger(found: list[Booking]):
    figures, entries = metrics.together(days_of(found)), [one for _, one in entries_of(found)]
    one_more = Entry(
        9, NOW, Fact(FactKind.EARNED), "", (Line(SUSPENSE, USDT("0.00000001")), Line(SALES, USDT("-0.00000001")))
    )

    assert reports.agrees(figures, entries)
    assert not reports.agrees(figures, [*entries, one_more])


# --- how they look --------------------------------------------------------------------------------------------------


def a_day(day: str, gross: str, currency: str = "USDT", **more: object) -> Day:
    accounts = {(SALES, currency): -Decimal(gross), ("binance", currency): Decimal(gross)}
    return Day(date.fromisoformat(day), Figures(accounts=accounts), **more)  # type: ignore[arg-type]


def test_a_month_is_told_by_days_and_a_year_by_months():
    days = [a_day("2026-11-03", "75"), a_day("2026-11-24", "150"), Day(date(2026, 11, 25))]

    month, year = reports.tax(days, parsed("2026-11")), reports.tax(days, parsed("2026"))

    assert [row.cells[:3] for row in month.rows] == [("2026-11-03", "USDT", "75"), ("2026-11-24", "USDT", "150")]
    assert [row.cells for row in year.rows] == [("2026-11", "USDT", "225", "0", "0", "225", "1", "225")]
    assert year.totals[0].cells == ("Together", "USDT", "225", "0", "0", "225", "1", "225")


def test_what_came_in_another_currency_is_not_converted():
    report = reports.tax([a_day("2026-11-03", "75", "EUR")], parsed("2026-11"))

    assert report.rows[0].cells == ("2026-11-03", "EUR", "75", "0", "0", "75", "", "")
    entry = Entry(0, NOW, Fact(FactKind.RECEIVED, "x"), "received", (Line("binance", Money.parse("5", "EUR")),))
    assert reports.entries([("b", entry)], parsed("2026-11"), ZONE).rows[0].cells[-1] == ""


def test_a_refund_tells_when_it_had_gone_why_and_who_asked():
    known = Returned(NOW, "b1", "R1", USDT("30"), Cause.CANCELLED, "customer")
    unknown = replace(known, refund_id="R2", cause=None, by="", money=Money.parse("1", "EUR"))

    report = reports.refunds([Day(NOW.date(), returned=(known, unknown))], parsed("2026-11"), ZONE)

    assert [row.cells for row in report.rows] == [
        ("2026-11-24 11:00:00", "30", "USDT", "the customer cancelled the call", "by the customer", "R1"),
        ("2026-11-24 11:00:00", "1", "EUR", "not known", "", "R2"),
    ]
    assert [row.cells[:3] for row in report.totals] == [("Together", "1", "EUR"), ("Together", "30", "USDT")]


def rolling(customer: str, day: str, month: str, year: str) -> Rolling:
    return Rolling(customer, USDT(day), USDT(month), USDT(year))


def test_a_customer_above_a_limit_is_told_with_the_most_of_each_window_and_no_name():
    days = [
        Day(
            date(2026, 11, 1),
            large=(rolling("a" * 64, "150", "900", "1200"), rolling("b" * 64, "1001", "1001", "1001")),
        ),
        Day(
            date(2026, 11, 9),
            large=(rolling("a" * 64, "75", "1000", "10000.00000001"), rolling("c", "1", "2", "10000")),
        ),
    ]

    report = reports.limits(days, parsed("2026-11"))

    assert [(row.cells, row.customer) for row in report.rows] == [
        (("a" * 12, "150", "1000", "10000.00000001", "10,000 in 365 days"), "a" * 64),
        (("c", "1", "2", "10000", "1,000 in 365 days"), "c"),
        (("b" * 12, "1001", "1001", "1001", "1,000 in a day"), "b" * 64),
    ]
    assert (
        reports.limits([Day(NOW.date(), large=(rolling("d", "1", "1", "1"),))], parsed("2026")).rows[0].cells[4] == ""
    )


def test_open_cases_stand_with_since_when():
    case = Difference(Kind.LEDGER, "b1", "b1", "2 entries, 1 in the ledger")

    report = reports.reconciliation([(case, NOW), (case, None)], ["It ran."], parsed("2026-11"), ZONE)

    assert [row.cells[0] for row in report.rows] == ["2026-11-24 11:00:00", ""]
    assert report.rows[0].booking_id == "b1"
    assert report.notes[-1] == "It ran."
    assert report.title == "Reconciliation"
    assert report.named(report.rows[1])[0][0] == "What differs"


# --- sent by themselves ---------------------------------------------------------------------------------------------


def test_a_period_is_counted_once_every_day_was_looked_at_after_its_end():
    week = parsed("2026-W48")
    end = week.span(ZONE).end
    days = [Day(day, counted_at=end) for day in week.dates()]

    early = replace(days[0], counted_at=end - timedelta(milliseconds=1))
    never = replace(days[0], counted_at=None)

    def is_counted(*found: Day, opened: date = week.first) -> bool:
        return reports.is_counted(found, week, end, opened)

    assert is_counted(*days)
    assert not is_counted(*days[1:])
    assert not is_counted(early, *days[1:])
    assert not is_counted(never, *days[1:])
    assert is_counted(*days[1:], opened=week.first + timedelta(days=1)), "there was nothing to count before"


def test_a_plan_names_the_period_that_comes_next():
    plan = Plan(reports.Kind.TAX, Length.MONTH, date(2026, 11, 1), datetime(2026, 11, 1, tzinfo=NOW.tzinfo))

    assert plan.period == Period("2026-11", date(2026, 11, 1), date(2026, 11, 30))


def test_every_report_has_a_title_and_says_what_it_is():
    assert set(reports.TITLES) == set(reports.ABOUT) == set(reports.Kind)
