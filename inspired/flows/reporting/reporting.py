"""Reports: made on demand from daily metrics, and mailed after each week or month.

Before mailing, a report is compared with the ledger; if a digit differs, its days are recounted first. A plan names the
next period and advances once that was sent. So every period is sent, even after downtime, and none twice (if the worker
dies at the last moment, the mail is repeated under the same id).
"""

from dataclasses import replace
from datetime import timedelta

import structlog

from inspired.domain.booking.booking import Entry
from inspired.domain.reporting import metrics, reports
from inspired.domain.reporting.reports import Kind, Plan, Report
from inspired.domain.shared import periods
from inspired.domain.shared.errors import Invalid, UpstreamError
from inspired.domain.shared.periods import Length, Period
from inspired.domain.shared.timezones import moment_in_words
from inspired.flows.booking import checking, reconciling
from inspired.flows.reporting import counting
from inspired.flows.shared import owner_notifications
from inspired.services import Services

READY = timedelta(hours=6)  # after the period's last midnight, so that late postings are included
LEASE = timedelta(minutes=5)
MOST_ENTRIES = 3_000  # as many as can be read within a request
MOST_ROWS = 50  # in a mail
log = structlog.get_logger()


def make(svc: Services, kind: Kind, period: Period) -> Report:
    """Raises Invalid if a file of all entries would be too long."""
    zone = svc.settings.owner_timezone
    match kind:
        case Kind.TAX:
            return reports.tax(svc.metrics.between(period.first, period.last, "accounts"), period)
        case Kind.REFUNDS:
            return reports.refunds(svc.metrics.between(period.first, period.last, "returned"), period, zone)
        case Kind.LIMITS:
            return reports.limits(svc.metrics.between(period.first, period.last, "large"), period)
        case Kind.RECONCILIATION:
            cases = [(case.difference, case.open_since) for case in svc.cases.waiting()]
            return reports.reconciliation(cases, _runs(svc), period, zone)
    return reports.entries(_entries(svc, period), period, zone)


def _entries(svc: Services, period: Period) -> list[tuple[str, Entry]]:
    span = period.span(svc.settings.owner_timezone)
    found = list(svc.ledger.all(span.start, span.end, most=MOST_ENTRIES + 1))
    if len(found) > MOST_ENTRIES:
        raise Invalid(f"There are more than {MOST_ENTRIES:,} entries. Please ask for a shorter period.")
    return found


def _runs(svc: Services) -> list[str]:
    """Results of the last reconciliation and the last invariant check."""
    lines = []
    for name, what in ((reconciling.NAME, "The last reconciliation"), (checking.NAME, "The last check of the books")):
        run = svc.runs.get(name)
        if run is None:
            lines.append(f"{what} has not run yet.")
            continue
        began = moment_in_words(run.started_at, svc.settings.owner_timezone)
        looked = f"looked at {run.counts.get('bookings', 0)} bookings" if run.finished_at else "is still at work"
        found = f" and found {run.counts['found']} differences" if run.counts.get("found") else ""
        lines.append(f"{what} began {began}, {looked}{found}.")
    return lines


# --- sending by mail ------------------------------------------------------------------------------------------------


def plan(svc: Services, kind: Kind, length: Length | None) -> None:
    """Mail this report from the current period on; None stops it."""
    before = svc.report_plans.all().get(kind)
    if length is None:
        svc.report_plans.stop(kind)
    elif before is None or before.length is not length:
        today = periods.day_of(svc.now(), svc.settings.owner_timezone)
        svc.report_plans.set(Plan(kind, length, periods.period_of(length, today).first, svc.now()))


def sweep(svc: Services) -> None:
    """Enqueue each due report."""
    now = svc.now()
    for planned in svc.report_plans.all().values():
        if _is_due(svc, planned) and planned.leased_until <= now:
            svc.queue.enqueue_mail("send_report", str(planned.kind))


def send(svc: Services, kind_name: str) -> None:
    """Send the next period if it is due. If it is not ready, it is tried again after the lease."""
    planned = svc.report_plans.all().get(Kind(kind_name))
    now = svc.now()
    if planned is None or not _is_due(svc, planned) or not svc.report_plans.lease(planned, now, now + LEASE):
        return
    if planned.kind is not Kind.RECONCILIATION and not _is_ready(svc, planned):
        return
    try:
        _mail(svc, make(svc, planned.kind, planned.period), planned)
    except UpstreamError as error:
        log.warning("report_unsent", kind=kind_name, period=planned.period.name, error=str(error))
        return
    following = periods.after(planned.period, planned.length)
    svc.report_plans.sent(planned, following.first)
    log.info("report_sent", kind=kind_name, period=planned.period.name)
    if _is_due(svc, replace(planned, first=following.first)):
        svc.queue.enqueue_mail("send_report", kind_name)


def _is_due(svc: Services, planned: Plan) -> bool:
    return svc.now() >= planned.period.span(svc.settings.owner_timezone).end + READY


def _is_ready(svc: Services, planned: Plan) -> bool:
    """True if it was counted after its end and matches the ledger."""
    span = planned.period.span(svc.settings.owner_timezone)
    days = svc.metrics.between(planned.period.first, planned.period.last, "accounts")
    in_the_books = (entry for _, entry in svc.ledger.all(span.start, span.end))
    opened = counting.opened(svc)
    if reports.is_counted(days, planned.period, span.end, opened) and reports.agrees(
        metrics.together(days), in_the_books
    ):
        return True
    log.warning("report_counted_again", kind=str(planned.kind), period=planned.period.name)
    counting.start_from(svc, planned.period.first)
    return False


def _mail(svc: Services, report: Report, planned: Plan) -> None:
    address = f"{svc.settings.site_url}/admin/reports/{report.kind}"
    owner_notifications.owner(
        svc,
        "report",
        f"{report.kind}/{planned.period.name}",
        report=report,
        rows=report.rows[:MOST_ROWS],
        more=max(len(report.rows) - MOST_ROWS, 0),
        days=f"{planned.period.first} to {planned.period.last}",
        admin_url=address if report.kind is Kind.RECONCILIATION else f"{address}?period={planned.period.name}",
    )
