"""Reports by mail: each period once, also after a standstill, and never with figures the ledger does not hold."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from inspired.domain.booking import ledger
from inspired.domain.booking.refunds import PartOfIt
from inspired.domain.reporting import reports
from inspired.domain.reporting.reports import Kind, Plan
from inspired.domain.shared.errors import Invalid
from inspired.domain.shared.money import Money
from inspired.domain.shared.periods import Length, parsed, period_of
from inspired.flows.booking import refreshing, refunding
from inspired.flows.booking.checking import BEGINNING
from inspired.flows.monitoring import sweeping
from inspired.flows.reporting import counting, reporting
from inspired.services import Services
from tests.conftest import Mailbox
from tests.flows.monitoring.test_sweeping import waiting
from tests.flows.reporting.test_counting import counted, today
from tests.flows.steps import confirmed
from tests.harness import Servers

OWNER = "owner@example.com"


def at(svc: Services, moment: datetime) -> Services:
    return replace(svc, now=lambda: moment)


def after_the_month(svc: Services, *, days: int = 0) -> Services:
    """On the morning after this month, and so many days later."""
    end = period_of(Length.MONTH, today(svc)).span(svc.settings.owner_timezone).end
    return at(svc, end + timedelta(days=days, hours=7))


def sent(mailbox: Mailbox) -> list[str]:
    return [subject for subject in mailbox.subjects_to(OWNER) if subject.startswith(tuple(reports.TITLES.values()))]


def work(svc: Services) -> None:
    """What the clock and a worker do in some minutes."""
    for minutes in (0, 6, 12, 18):
        then = at(svc, svc.now() + timedelta(minutes=minutes))
        for kind in then.report_plans.all():
            reporting.send(then, kind)
        while counting.turn_page(then):
            pass


# --- once, and once only ----------------------------------------------------------------------------------------------


def test_a_months_report_goes_out_once_on_the_morning_after(svc: Services, sandbox: Servers, mailbox: Mailbox):
    confirmed(svc, sandbox)
    counted(svc)
    reporting.plan(svc, Kind.TAX, Length.MONTH)
    month = period_of(Length.MONTH, today(svc))
    work(svc)
    before = sent(mailbox)

    for days in (0, 0, 1):
        work(after_the_month(svc, days=days))

    assert before == []
    assert sent(mailbox) == [f"Tax summary in USD, {month.name}"]
    (mail,) = [one for one in mailbox.messages if str(one["subject"]).startswith("Tax summary")]
    text = mail.get_body(("plain",)).get_content()
    assert "Gross: 75" in text
    assert f"/admin/reports/tax?period={month.name}" in text


def test_what_was_missed_in_a_standstill_is_sent_period_by_period(svc: Services, mailbox: Mailbox):
    start = datetime(2026, 11, 24, 12, tzinfo=UTC)
    reporting.plan(at(svc, start), Kind.RECONCILIATION, Length.WEEK)

    for _ in range(9):
        reporting.send(at(svc, start + timedelta(days=28)), Kind.RECONCILIATION)

    assert sent(mailbox) == [f"Reconciliation, 2026-W{week}" for week in (48, 49, 50, 51)]


def test_two_at_once_send_one_and_a_mail_that_fails_is_tried_again(svc: Services, mailbox: Mailbox):
    start = datetime(2026, 11, 24, 12, tzinfo=UTC)
    due = at(svc, start + timedelta(days=7))
    reporting.plan(at(svc, start), Kind.RECONCILIATION, Length.WEEK)
    plan = svc.report_plans.all()[Kind.RECONCILIATION]
    mailbox.refuse = "451 not now"
    reporting.send(due, Kind.RECONCILIATION)
    mailbox.refuse = ""
    reporting.send(due, Kind.RECONCILIATION)  # the lease of the one that failed holds
    in_between = sent(mailbox)

    reporting.send(at(svc, due.now() + timedelta(minutes=6)), Kind.RECONCILIATION)

    assert in_between == []
    assert sent(mailbox) == ["Reconciliation, 2026-W48"]
    assert not svc.report_plans.lease(plan, due.now(), due.now()), "that period is over"


def test_a_repetition_after_a_crash_is_the_same_mail(svc: Services, mailbox: Mailbox):
    start = datetime(2026, 11, 24, 12, tzinfo=UTC)
    reporting.plan(at(svc, start), Kind.RECONCILIATION, Length.WEEK)
    plan = svc.report_plans.all()[Kind.RECONCILIATION]
    for _ in range(2):
        svc.report_plans.set(plan)  # as if nobody had written down that it went
        reporting.send(at(svc, start + timedelta(days=7)), Kind.RECONCILIATION)

    assert len({one["Message-ID"] for one in mailbox.messages}) == 1
    assert len(sent(mailbox)) == 2


def test_a_plan_begins_with_the_period_that_is_running_and_ends_when_it_is_not_wanted(svc: Services):
    now = datetime(2026, 11, 25, 12, tzinfo=UTC)
    reporting.plan(at(svc, now), Kind.TAX, Length.MONTH)
    once = svc.report_plans.all()
    reporting.plan(at(svc, now + timedelta(days=40)), Kind.TAX, Length.MONTH)
    again = svc.report_plans.all()
    reporting.plan(at(svc, now), Kind.TAX, Length.WEEK)
    weekly = svc.report_plans.all()
    reporting.plan(svc, Kind.TAX, None)

    assert once == again == {Kind.TAX: Plan(Kind.TAX, Length.MONTH, date(2026, 11, 1), now)}
    assert weekly[Kind.TAX].first == date(2026, 11, 23)
    assert svc.report_plans.all() == {}
    reporting.send(svc, Kind.TAX)


def test_the_clock_rings_for_what_is_due_and_for_nothing_else(svc: Services, sandbox: Servers):
    reporting.plan(svc, Kind.TAX, Length.MONTH)
    sweeping.sweep_runs(svc)
    before = waiting(sandbox)

    sweeping.sweep_runs(after_the_month(svc))

    enqueue = ("inspired.jobs.send_report", ("tax",))
    assert enqueue not in before
    assert enqueue in waiting(sandbox)


# --- equal to the ledger ----------------------------------------------------------------------------------------------


@pytest.mark.breaks_books
def test_a_report_waits_until_its_days_are_counted_and_hold_what_the_ledger_holds(
    svc: Services, sandbox: Servers, mailbox: Mailbox
):
    booking = confirmed(svc, sandbox)
    reporting.plan(svc, Kind.TAX, Length.MONTH)
    month = after_the_month(svc)
    reporting.send(month, Kind.TAX)
    uncounted = sent(mailbox)
    counted(month)
    # Something is posted after its day was counted.
    late = replace(booking.ledger[0], number=7, at=svc.now())
    svc.ledger.post("n1", [late])

    reporting.send(at(svc, month.now() + timedelta(minutes=6)), Kind.TAX)
    differing = sent(mailbox)
    run = svc.runs.get(counting.NAME)
    assert run is not None
    assert run.finished_at is None, "it is being counted again"
    afterwards = at(svc, month.now() + timedelta(minutes=12))
    while counting.turn_page(afterwards):
        pass
    reporting.send(afterwards, Kind.TAX)

    assert uncounted == differing == []
    assert len(sent(mailbox)) == 1


def test_on_demand_each_is_what_the_ledger_holds(svc: Services, sandbox: Servers):
    for call, email, back in ((0, "ann@example.com", "0.00000001"), (4, "bob@example.com", "75")):
        booking = confirmed(svc, sandbox, call=call, email=email)
        refunding.refund(svc, booking.id, PartOfIt(Money.parse(back)), cancels=False, note="", request="r", seen=None)
        refreshing.refresh(svc, booking.id)
        refreshing.refresh(at(svc, svc.now() + timedelta(minutes=2)), booking.id)
    later = at(svc, svc.now() + timedelta(minutes=3))
    counted(later)
    year = period_of(Length.YEAR, today(svc))
    held = ledger.balances(entry for _, entry in svc.ledger.all(BEGINNING, later.now()))

    tax, refunds, entries = (reporting.make(svc, kind, year) for kind in (Kind.TAX, Kind.REFUNDS, Kind.ENTRIES))

    returned = held[ledger.REFUNDS, "USDT"]
    assert tax.totals[0].cells[2:4] == ("150", str(returned))
    assert Decimal(tax.totals[0].cells[5]) == 150 - returned.amount
    assert refunds.totals[0].cells[1] == str(returned) == "75.00000001"
    assert sum(Decimal(row.cells[5]) for row in entries.rows if row.cells[4] == "binance") == (
        held["binance", "USDT"].amount
    )


def test_a_file_of_every_entry_has_an_end(svc: Services, sandbox: Servers, monkeypatch: pytest.MonkeyPatch):
    confirmed(svc, sandbox)
    monkeypatch.setattr(reporting, "MOST_ENTRIES", 1)

    with pytest.raises(Invalid, match="shorter period"):
        reporting.make(svc, Kind.ENTRIES, period_of(Length.YEAR, today(svc)))


def test_the_reconciliation_says_when_it_ran(svc: Services, sandbox: Servers):
    from inspired.flows.booking import reconciling

    month = parsed("2026-11")
    never = reporting.make(svc, Kind.RECONCILIATION, month)
    confirmed(svc, sandbox)
    reconciling.start(svc)
    at_work = reporting.make(svc, Kind.RECONCILIATION, month)
    while reconciling.turn_page(svc):
        pass
    done = reporting.make(svc, Kind.RECONCILIATION, month)

    assert "has not run yet" in never.notes[1]
    assert "is still at work" in at_work.notes[1]
    assert "looked at 1 booking" in done.notes[1]
    assert done.rows == ()


def test_nobody_is_named_in_a_mail(svc: Services, sandbox: Servers, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch):
    from inspired.domain.reporting import metrics

    monkeypatch.setattr(metrics, "REPORTED", Decimal(1))
    booking = confirmed(svc, sandbox, email="canary@example.com", name="Canary Bird")
    reporting.plan(svc, Kind.LIMITS, Length.MONTH)
    month = after_the_month(svc)
    counted(month)

    work(month)

    (mail,) = [one for one in mailbox.messages if str(one["subject"]).startswith("Customers above")]
    assert booking.email_index[:12] in mail.as_string()
    assert "anary" not in mail.as_string()
