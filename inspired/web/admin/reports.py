"""The owner's reports: on demand as page and file, and by mail after each week or month."""

from datetime import date

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from inspired.domain.reporting import reports
from inspired.domain.reporting.reports import Kind, Report
from inspired.domain.shared import periods
from inspired.domain.shared.errors import Invalid, NotFound
from inspired.domain.shared.periods import DAY, Length, Period, period_of
from inspired.flows.reporting import counting, reporting
from inspired.services import Services
from inspired.web.admin.booking_details import person_of
from inspired.web.admin.sheets import csv_of
from inspired.web.shared import auth
from inspired.web.shared.current import services
from inspired.web.shared.htmx import go

RHYTHMS = {"never": None, "week": Length.WEEK, "month": Length.MONTH}
MOST_ON_A_PAGE = 500  # rows; the file has all
ON_A_PAGE = tuple(kind for kind in Kind if kind is not Kind.ENTRIES)

bp = Blueprint("reports", __name__, url_prefix="/admin/reports")
bp.before_request(auth.admit)


@bp.get("")
def overview() -> str:
    return _overview(services())


def _overview(svc: Services, message: str = "") -> str:
    return render_template(
        "admin/reports/reports.html",
        kinds=[(kind, reports.TITLES[kind], reports.ABOUT[kind][0]) for kind in ON_A_PAGE],
        plans=svc.report_plans.all(),
        choices=_choices(_today(svc)),
        saved=request.args.get("saved", ""),
        message=message,
    )


@bp.get("/<kind>")
def show(kind: str) -> str:
    svc, wanted = services(), _kind(kind)
    if wanted is Kind.ENTRIES:
        raise NotFound("This report is there as a file only.")
    report = reporting.make(svc, wanted, _period(svc, request.args.get("period", "")))
    return render_template(
        "admin/reports/report.html",
        report=report,
        names=_names(svc, report) if auth.may("reports.export") else {},
        choices=_choices(_today(svc)),
        run=svc.runs.get(counting.NAME),
        counted_at=counting.counted_at(svc, report.period),
        most=MOST_ON_A_PAGE,
        as_it_is_now=wanted is Kind.RECONCILIATION,
        entries=wanted is Kind.TAX,
    )


@bp.post("/<kind>")
def export(kind: str) -> Response:
    """The same as a file, without names. Recorded in the audit log."""
    svc, wanted = services(), _kind(kind)
    report = reporting.make(svc, wanted, _period(svc, request.form.get("period", "")))
    auth.note(svc, "report_exported", str(wanted), report.period.name)
    response = make_response(csv_of(report.columns, [row.cells for row in (*report.rows, *report.totals)]))
    response.mimetype = "text/csv"
    name = f"{wanted}-{report.period.name.replace(' ', '-')}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@bp.post("/plan")
def plan() -> ResponseReturnValue:
    svc = services()
    wanted = {kind: request.form.get(str(kind), "never") for kind in ON_A_PAGE}
    if not set(wanted.values()) <= set(RHYTHMS):
        message = "Please choose never, every week or every month."
        return _overview(svc, message), Invalid.status
    before = svc.report_plans.all()
    for kind, rhythm in wanted.items():
        was = before[kind].length if kind in before else None
        if was is not RHYTHMS[rhythm]:
            reporting.plan(svc, kind, RHYTHMS[rhythm])
            auth.note(svc, "report_planned", str(kind), f"{was or 'never'} → {rhythm}")
    return go(url_for("reports.overview", saved="yes"))


def _kind(text: str) -> Kind:
    if text not in set(Kind):
        raise NotFound("There is no such report.")
    return Kind(text)


def _period(svc: Services, name: str) -> Period:
    """The period of this name; the current month if none is given."""
    if not name:
        return period_of(Length.MONTH, _today(svc))
    try:
        return periods.parsed(name)
    except ValueError:
        raise Invalid("A period is a name such as 2026, 2026-Q4, 2026-11 or 2026-W48.") from None


def _today(svc: Services) -> date:
    return periods.day_of(svc.now(), svc.settings.owner_timezone)


def _choices(today: date) -> list[tuple[str, Period]]:
    """The usual periods: the current and the previous one of each length."""
    found = []
    for length in (Length.MONTH, Length.QUARTER, Length.YEAR):
        running = period_of(length, today)
        found += [(f"This {length}", running), (f"Last {length}", period_of(length, running.first - DAY))]
    return found


def _names(svc: Services, report: Report) -> dict[str, str]:
    """Names of customers, only for the owner's page."""
    found = {}
    for customer in {row.customer for row in report.rows if row.customer}:
        booking = svc.bookings.one_of(customer)
        if booking is not None:
            person = person_of(svc, booking)
            found[customer] = f"{person['name']} {person['email']}".strip()
    return found
