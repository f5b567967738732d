"""The business metrics page: a period beside the one before it; also as an API. Reads the counted figures, never the
bookings."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from spectree import Response as Documented

from inspired.domain.booking import ledger
from inspired.domain.booking.rails import CAPABILITIES, ON_CHAIN, USUAL, Capabilities
from inspired.domain.booking.status import iso
from inspired.domain.reporting import metrics
from inspired.domain.reporting.metrics import AHEAD_DAYS, Day, Failure, Figures, Forecast, Found, Step, percentile
from inspired.domain.shared import periods
from inspired.domain.shared.errors import Invalid
from inspired.domain.shared.money import Money
from inspired.domain.shared.periods import DAY, Length, Period
from inspired.flows.reporting import counting
from inspired.services import Services
from inspired.web.admin import charts
from inspired.web.public.api import spec
from inspired.web.public.api_document import KEY, SESSION
from inspired.web.public.schemas import NumbersAnswer, NumbersQuery, Problem
from inspired.web.shared import auth, parsing
from inspired.web.shared.current import services
from inspired.web.shared.htmx import go

CHOICES = (7, 30, 90)
MOST_DAYS = 366
MOST_COLUMNS = 45  # longer periods are shown by week
STEPS = {
    Step.HELD: ("Time held", "Bookings made in these days with a time that was held for them."),
    Step.SHOWN: ("QR code shown", "Of these, those for which an order was made, so that they could be paid."),
    Step.PAID: ("Paid", "Of these, those whose payment arrived and fits the price."),
    Step.CONFIRMED: (
        "Confirmed",
        "Of these, those where our own question agreed and the time was kept.",
    ),
}
VISITED = (
    "Page of a call opened",
    "How often the page of a call was loaded. Loads, not people: reloading counts again, and so do robots.",
)
FAILURES = {
    Failure.EXPIRED: "The time to pay ran out, and nothing was paid",
    Failure.GIVEN_UP: "The customer gave it up before paying",
    Failure.CALENDAR: "Cancelled in the calendar before it was paid",
    Failure.NO_ORDER: "No order could be made at the first try",
    Failure.UNDERPAID: "Paid too little",
    Failure.OVERPAID: "Paid too much",
    Failure.PAID_TWICE: "Paid twice",
    Failure.PAID_LATE: "Paid after the end",
    Failure.SLOT_LOST: "Paid, and the time was gone",
    Failure.REFUND_STUCK: "A refund was refused or could not be sent",
}

bp = Blueprint("metrics", __name__, url_prefix="/admin/numbers")
api_bp = Blueprint("metrics_api", __name__, url_prefix="/api/admin")
bp.before_request(auth.admit)
api_bp.before_request(auth.admit_api)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure with its meaning, and its value in the previous period."""

    name: str
    value: str
    before: str
    change: str
    meaning: str


@bp.get("")
def show() -> ResponseReturnValue:
    svc = services()
    try:
        period, message = _wanted(svc), ""
    except Invalid as refusal:
        period, message = _last(svc, 30), str(refusal)
    return _page(svc, period, message), 422 if message else 200


@bp.post("/count")
def count_again() -> ResponseReturnValue:
    """Recount all days, from the first booking on."""
    svc = services()
    counting.start_from(svc, periods.FIRST)
    return go(url_for("metrics.show"), said="All days are counted again in the background; nothing else is changed.")


@api_bp.get("/numbers")
@spec.validate(
    query=NumbersQuery,
    resp=Documented(HTTP_200=NumbersAnswer, HTTP_401=Problem, HTTP_403=Problem, HTTP_422=Problem),
    security=[{KEY: []}, {SESSION: []}],
    skip_validation=True,
    tags=["admin"],
)
def numbers() -> Response:
    """Paid bookings by the way to pay, as on the page *Numbers*. Needs `Authorization: Bearer` with a key of the scope
    `payments:read`, or a session of the admin area."""
    svc = services()
    period = _wanted(svc)
    days = svc.metrics.between(period.first, period.last, "figures")
    usage = metrics.together(days).usage
    body = {
        "from": str(period.first),
        "to": str(period.last),
        "countedAt": iso(max((day.counted_at for day in days if day.counted_at), default=None)),
        "paid": sum(usage.values()),
        "binancePay": usage.get(USUAL, 0),
        "networkUsage": {str(rail): usage.get(rail, 0) for rail in ON_CHAIN},
    }
    response = make_response(jsonify(body))
    response.headers["Cache-Control"] = "no-store"
    return response


def _wanted(svc: Services) -> Period:
    if request.args.get("from") or request.args.get("to"):
        first, last = (parsing.day(request.args.get(name, "")) for name in ("from", "to"))
        if first is None or last is None:
            raise Invalid("Please give both days, such as 2026-11-01 and 2026-11-30.")
        if not periods.FIRST <= first <= last < periods.LAST:
            raise Invalid("The first day must not be after the last one.")
        if (last - first) // DAY >= MOST_DAYS:
            raise Invalid(f"Please ask for at most {MOST_DAYS} days.")
        return periods.between(first, last)
    days = parsing.number(request.args.get("days", ""))
    return _last(svc, days if days in CHOICES else 30)


def _last(svc: Services, days: int) -> Period:
    today = periods.day_of(svc.now(), svc.settings.owner_timezone)
    return periods.between(today - (days - 1) * DAY, today)


def _page(svc: Services, period: Period, message: str) -> str:
    today = periods.day_of(svc.now(), svc.settings.owner_timezone)
    found = svc.metrics.between(period.before.first, period.last, "figures")
    days, days_before = (
        [day for day in found if part.first <= day.date <= part.last] for part in (period, period.before)
    )
    now, before = metrics.together(days), metrics.together(days_before)
    all_time = svc.metrics.all_time()
    currencies = sorted({*now.currencies, *before.currencies}) or [metrics.USDT]
    funnel = _funnel(now, before)
    return render_template(
        "admin/metrics/metrics.html",
        period=period,
        choices=CHOICES,
        chosen=period.days if period.last == today and period.days in CHOICES else 0,
        message=message,
        counted_at=max((day.counted_at for day in found if day.counted_at), default=None),
        run=svc.runs.get(counting.NAME),
        money=[(currency, _money(now, before, currency)) for currency in currencies],
        days=[(label, sums.revenue(metrics.USDT), sums.net(metrics.USDT)) for label, sums in _parts(days, period)],
        income=_income(days, days_before, period),
        funnel=funnel,
        funnel_chart=_funnel_chart(funnel, now),
        types=_by_type(svc, now),
        conversion=_conversion(now, before),
        usage=_usage(svc, now, before, currencies),
        speed=_speed(now, before),
        failures=_failures(now, before),
        failures_chart=_failures_chart(now),
        outcomes=sorted((pair for pair in now.outcomes.items() if pair[0] != "ok"), key=lambda pair: -pair[1]),
        customers=_customers(now, before, all_time),
        forecast=_forecast(svc, today),
        ahead=AHEAD_DAYS,
    )


# --- money ----------------------------------------------------------------------------------------------------------


def _money(now: Figures, before: Figures, currency: str) -> list[Figure]:
    def line(name: str, of: Any, meaning: str) -> Figure:
        now_sum, before_sum = of(now), of(before)
        return Figure(name, now_sum.shown, before_sum.shown, _change(now_sum.amount, before_sum.amount), meaning)

    return [
        line(
            "Revenue", lambda figures: figures.revenue(currency), "Earned by calls that were confirmed in these days."
        ),
        line(
            "Refunds",
            lambda figures: figures.money(ledger.REFUNDS, currency),
            "Returned in these days of what had been earned. Money that was never earned (short, surplus, second "
            "payments) is not in it.",
        ),
        line(
            "Commission", lambda figures: figures.money(ledger.FEES, currency), "What the provider kept, where it told."
        ),
        line(
            "Net",
            lambda figures: figures.net(currency),
            "Revenue, less refunds and commission. All four are the ledger’s.",
        ),
    ]


def _parts(days: list[Day], period: Period) -> list[tuple[str, Figures]]:
    """The figures per day, or per week for longer periods."""
    sums: dict[date, Figures] = {}
    step = 1 if period.days <= MOST_COLUMNS else 7
    for day in period.dates():
        sums.setdefault(period.first + (day - period.first) // DAY // step * step * DAY, Figures())
    for counted in days:
        start = period.first + (counted.date - period.first) // DAY // step * step * DAY
        sums[start] += counted.figures
    return [(f"{start.day} {start:%b}", figures) for start, figures in sums.items()]


def _income(days: list[Day], before: list[Day], period: Period) -> charts.Chart:
    parts = [(label, sums.revenue(metrics.USDT).amount) for label, sums in _parts(days, period)]
    was = [sums.revenue(metrics.USDT).amount for _, sums in _parts(before, period.before)]
    each = "day" if period.days <= MOST_COLUMNS else "week"
    told = f"Revenue of each {each} in USDT, as columns; the days before as a line."
    return charts.columns("income", f"Revenue by {each}", told, parts, was)


# --- the funnel -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stage:
    name: str
    count: int
    share: str  # of the previous step
    before: int
    meaning: str


def _funnel(now: Figures, before: Figures) -> list[Stage]:
    counts = [(VISITED, sum(now.visits.values()), sum(before.visits.values()))]
    counts += [(words, now.reached(step), before.reached(step)) for step, words in STEPS.items()]
    stages, last = [], 0
    for (name, meaning), count, was in counts:
        stages.append(Stage(name, count, _percent(count, last), was, meaning))
        last = count
    return stages


def _funnel_chart(funnel: list[Stage], now: Figures) -> charts.Chart:
    told = "; ".join(f"{stage.name}: {stage.count}" for stage in funnel)
    return charts.rows("funnel", "From the page to the confirmed call", told,
                       [(stage.name, stage.count, str(stage.count)) for stage in funnel])  # fmt: skip


def _by_type(svc: Services, now: Figures) -> list[tuple[str, list[int]]]:
    known = {meeting_type.id: meeting_type.title for meeting_type in svc.catalogue.types()}
    names = sorted({*now.visits, *(type_id for type_id, _ in now.steps)})
    return [
        (known.get(name, name), [now.visits.get(name, 0), *(now.steps.get((name, step), 0) for step in Step)])
        for name in names
    ]


def _conversion(now: Figures, before: Figures) -> list[Figure]:
    def line(name: str, part: Step, whole: Step, meaning: str) -> Figure:
        this, previous = (_percent(each.reached(part), each.reached(whole)) for each in (now, before))
        return Figure(name, this or "–", previous or "–", "", meaning)

    return [
        line("Conversion", Step.CONFIRMED, Step.HELD, "Confirmed calls, of the bookings made in the same days."),
        line("Paid of those who could", Step.PAID, Step.SHOWN, "Paid bookings, of those that were shown a QR code."),
    ]


@dataclass(frozen=True, slots=True)
class Way:
    """One way to pay. `share`: of all paid bookings. `kept`: what came less what went back, in each currency."""

    name: str
    count: int
    share: str
    before: int
    kept: str


def _usage(svc: Services, now: Figures, before: Figures, currencies: list[str]) -> list[Way]:
    """Ways that are set up or were used, the most used first."""
    paid, ways = sum(now.usage.values()), []
    for rail, able in CAPABILITIES.items():
        sums = [_kept(now, able, currency) for currency in currencies]
        kept = ", ".join(money.shown for money in sums if money.amount) or "–"
        count, was = now.usage.get(rail, 0), before.usage.get(rail, 0)
        if count or was or kept != "–" or rail in svc.rails_on:
            ways.append(Way(able.name, count, _percent(count, paid), was, kept))
    return sorted(ways, key=lambda way: -way.count)


def _kept(figures: Figures, able: Capabilities, currency: str) -> Money:
    """What is swept leaves the one account for the other."""
    there = figures.money(able.account, currency)
    return there + figures.money(able.wallet, currency) if able.wallet else there


# --- speed and failures -----------------------------------------------------------------------------------------------


def _speed(now: Figures, before: Figures) -> list[Figure]:
    def times(name: str, of: str, unit: str, meaning: str) -> list[Figure]:
        def line(percent: int, word: str, rest: str) -> Figure:
            this, previous = (_time(percentile(getattr(each, of), percent), unit) for each in (now, before))
            return Figure(f"{name}, {word}", this, previous, "", f"{meaning} {rest}")

        return [
            line(50, "median", "Half took no longer."),
            line(90, "nine of ten", "Nine of ten took no longer."),
        ]

    found, was = (_shares(figures.found) for figures in (now, before))
    return [
        *times("Time to pay", "to_pay", "s", "From the QR code to the payment, by the provider’s clock."),
        *times("Answers to our calls", "calls", "ms", "How long our calls took, failed ones too."),
        *times("Delay of notices", "notices", "ms", "From a payment, by the provider’s clock, to its first "
            "notice here."),
        Figure(
            "Found by asking", found[0], was[0], "",
            "Of all payments, those our own question found before a notice had come.",
        ),
        Figure(
            "Never told of", found[1], was[1], "",
            "Of all payments, those no notice has come of at all. Asking found them, so nothing was lost.",
        ),
    ]  # fmt: skip


def _shares(found: Mapping[Found, int]) -> tuple[str, str]:
    every = found.get(Found.NOTICE, 0) + found.get(Found.QUERY, 0)
    return (
        _percent(found.get(Found.QUERY, 0), every) or "–",
        _percent(found.get(Found.UNTOLD, 0), every) or "–",
    )


def _failures(now: Figures, before: Figures) -> list[tuple[str, int, int]]:
    rows = [
        (words, now.failures.get(failure, 0), before.failures.get(failure, 0)) for failure, words in FAILURES.items()
    ]
    return sorted((row for row in rows if row[1] or row[2]), key=lambda row: -row[1])


def _failures_chart(now: Figures) -> charts.Chart:
    rows = [
        (words, now.failures[failure], str(now.failures[failure]))
        for failure, words in FAILURES.items()
        if failure in now.failures
    ]
    told = "; ".join(f"{label}: {count}" for label, count, _ in rows)
    return charts.rows("failures", "What went wrong", told, sorted(rows, key=lambda row: -row[1]))


# --- customers and forecast -------------------------------------------------------------------------------------------


def _customers(now: Figures, before: Figures, all_time: Figures) -> list[Figure]:
    def line(name: str, key: str, meaning: str) -> Figure:
        this, previous = now.customers.get(key, 0), before.customers.get(key, 0)
        return Figure(name, str(this), str(previous), _change(Decimal(this), Decimal(previous)), meaning)

    people, back = (all_time.customers.get(key, 0) for key in ("new", "back"))
    worth = all_time.net(metrics.USDT).amount / people if people else None
    return [
        line("New customers", "new", "Mail addresses whose first call was earned in these days."),
        line("Came back", "back", "Mail addresses whose second call was earned in these days."),
        Figure(
            "Value of a customer so far",
            "–" if worth is None else f"{worth:.2f} USDT",
            "",
            "",
            f"Net of all time by {people} paying customers, divided by them. A customer is a mail address.",
        ),
        Figure(
            "Came back, of all",
            _percent(back, people) or "–",
            "",
            "",
            "Of all customers who ever paid, those who have paid for a second call.",
        ),
    ]


def _forecast(svc: Services, today: date) -> Forecast | None:
    """From whole weeks; weeks before counting started are ignored."""
    this_week = periods.period_of(Length.WEEK, today)
    first = this_week.first - metrics.MOST_WEEKS * 7 * DAY
    by_week: dict[date, list[Day]] = {}
    for day in svc.metrics.between(first, this_week.first - DAY, "accounts", "sales"):
        by_week.setdefault(periods.period_of(Length.WEEK, day.date).first, []).append(day)
    whole = [metrics.together(days) for _, days in sorted(by_week.items()) if len(days) == 7]
    return metrics.forecast(
        [figures.revenue(metrics.USDT) for figures in whole], sum(figures.sales for figures in whole)
    )


# --- formatting -------------------------------------------------------------------------------------------------------


def _percent(part: int, whole: int) -> str:
    return f"{round(Decimal(part * 100) / whole)} %" if whole else ""


def _change(now: Decimal, before: Decimal) -> str:
    if not before:
        return ""
    percent = round((now - before) * 100 / abs(before))
    return f"{'+' if percent > 0 else '−' if percent < 0 else '±'}{abs(percent)} %"


def _time(value: int | None, unit: str) -> str:
    """ "340 ms", "1.2 s", "63 s", "3 min" """
    if value is None:
        return "–"
    if unit == "ms":
        return f"{value} ms" if value < 1000 else f"{(Decimal(value) / 1000).normalize():f} s"
    return f"{value} s" if value < 100 else f"{(Decimal(value) / 60):.1f} min"
