"""The owner's reports in the browser: who may see what, and files that are safe to open."""

import csv
import io

import pytest
from flask import Flask
from flask.testing import FlaskClient

from inspired.domain.accounts.people import Role
from inspired.domain.booking.refunds import PartOfIt
from inspired.domain.reporting import metrics, reports
from inspired.domain.reporting.reports import Kind
from inspired.domain.shared.money import Money
from inspired.domain.shared.periods import Length, period_of
from inspired.flows.booking import refreshing, refunding
from inspired.flows.reporting import counting
from inspired.services import Services
from inspired.web.admin import sheets
from tests.flows.reporting.test_counting import counted, today
from tests.flows.steps import confirmed, later
from tests.harness import Servers
from tests.web.admin.test_permissions import logged_in
from tests.web.pages import hidden, send, words


def rows_of(answer: object) -> list[list[str]]:
    return list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))  # type: ignore[attr-defined]


@pytest.fixture
def business(svc: Services, sandbox: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call, and 30 USDT of it returned."""
    monkeypatch.setattr(metrics, "REPORTED", Money.parse("70").amount)
    booking = confirmed(svc, sandbox, name="Canary Bird")
    refunding.refund(svc, booking.id, PartOfIt(Money.parse("30")), cancels=False, note="", request="r", seen=None)
    refreshing.refresh(svc, booking.id)
    refreshing.refresh(later(svc, minutes=2), booking.id)
    counted(later(svc, minutes=3))


@pytest.mark.usefixtures("business")
def test_each_report_is_there_as_a_page_and_as_the_same_file(owner: FlaskClient, svc: Services):
    year = period_of(Length.YEAR, today(svc)).name
    for kind in (Kind.TAX, Kind.REFUNDS, Kind.LIMITS, Kind.RECONCILIATION):
        address = f"/admin/reports/{kind}?period={year}"
        page = owner.get(address)
        answer = send(owner, f"/admin/reports/{kind}", {"period": year}, page=address)

        assert page.status_code == answer.status_code == 200
        assert reports.TITLES[kind] in words(page.text)
        heads, *rows = rows_of(answer)
        assert (kind is Kind.RECONCILIATION) is (rows == [])
        for cell in (cell for row in ([heads, *rows] if rows else []) for cell in row):
            assert cell in words(page.text)
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{kind}-{year}.csv"'
        assert answer.content_type == "text/csv; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"
    tax = rows_of(send(owner, "/admin/reports/tax", {"period": year}, page="/admin/reports"))
    assert tax[-1] == ["Together", "USDT", "75", "30", "0", "45", "1", "45"]


@pytest.mark.usefixtures("business")
def test_every_entry_is_there_as_a_file_only(owner: FlaskClient, svc: Services):
    year = period_of(Length.YEAR, today(svc)).name

    answer = send(owner, "/admin/reports/entries", {"period": year}, page="/admin/reports")

    assert owner.get("/admin/reports/entries").status_code == 404
    assert [row[4] for row in rows_of(answer)[1:5]] == ["binance", "suspense", "suspense", "sales"]


def test_taking_a_file_out_needs_a_fresh_login_and_is_written_down(owner: FlaskClient, svc: Services):
    answer = send(owner, "/admin/reports/tax", {"period": "2026-11"}, page="/admin/reports")
    person = svc.people.by_email("owner@example.com")
    assert person is not None
    (session,) = svc.sessions.of(person.id)
    svc.sessions.freshened(session.id, session.fresh_at.replace(year=2025))

    stale = send(owner, "/admin/reports/tax", {"period": "2026-11"}, page="/admin/reports")

    assert answer.status_code == 200
    assert stale.headers["Location"].startswith("/admin/again")
    (entry,) = svc.audit.newest(5)
    assert (entry.who, entry.what, entry.about, entry.detail) == (person.id, "report_exported", "tax", "2026-11")


@pytest.mark.usefixtures("business")
def test_a_customer_is_named_on_the_owners_page_alone(app: Flask, svc: Services):
    year = period_of(Length.YEAR, today(svc)).name
    address = f"/admin/reports/limits?period={year}"
    pages = {role: logged_in(app, svc, role).get(address).text for role in Role}
    owner = logged_in(app, svc, Role.OWNER)

    assert [role for role, page in pages.items() if "Canary Bird" in page] == [Role.OWNER]
    assert [role for role, page in pages.items() if "As a file" in page] == [Role.OWNER]
    assert "Canary" not in send(owner, "/admin/reports/limits", {"period": year}, page=address).text


@pytest.mark.parametrize("period", ["nothing", "2026-13", "=1+1", "2026-11-01"])
def test_a_period_that_is_none_is_refused_with_a_sentence(owner: FlaskClient, period: str):
    assert owner.get("/admin/reports/tax", query_string={"period": period}).status_code == 422
    assert owner.get("/admin/reports/nothing").status_code == 404


def test_reports_by_mail_are_chosen_on_the_page_and_written_down(owner: FlaskClient, svc: Services):
    form = {"tax": "month", "refunds": "week", "limits": "never", "reconciliation": "never"}

    answer = send(owner, "/admin/reports/plan", form, page="/admin/reports")
    again = send(owner, "/admin/reports/plan", form, page="/admin/reports")
    wrong = send(owner, "/admin/reports/plan", {"tax": "daily"}, page="/admin/reports")

    page = owner.get(answer.headers["Location"]).text
    assert answer.status_code == again.status_code == 303
    assert "Saved." in words(page)
    assert f"Next: {period_of(Length.MONTH, today(svc)).name}" in words(page)
    assert (wrong.status_code, "never, every week or every month" in words(wrong.text)) == (422, True)
    assert {kind: plan.length for kind, plan in svc.report_plans.all().items()} == {
        Kind.TAX: Length.MONTH,
        Kind.REFUNDS: Length.WEEK,
    }
    assert [(one.what, one.about, one.detail) for one in svc.audit.newest(5)] == [
        ("report_planned", "refunds", "never → week"),
        ("report_planned", "tax", "never → month"),
    ]


def test_who_may_not_choose_sees_what_is_chosen(app: Flask, svc: Services):
    page = logged_in(app, svc, Role.READER).get("/admin/reports").text

    assert "Tax summary in USD: never" in words(page)
    assert "/admin/reports/plan" not in page


@pytest.mark.parametrize(
    ("cell", "plain"),
    [
        ("=1+1", "'=1+1"), ("+49", "'+49"), ("-5", "-5"), ("-5.00000001", "-5.00000001"), ("-a", "'-a"), ("@x", "'@x"),
        ("\tx", "'\tx"), ("\r=x", "'\r=x"), ("a=b", "a=b"), ("", ""), ("-1+1", "'-1+1"),
    ],
)  # fmt: skip
def test_no_cell_is_a_formula(cell: str, plain: str):
    assert sheets.plain(cell) == plain
    assert next(csv.reader(io.StringIO(sheets.csv_of(["a"], [[cell]]).decode("utf-8-sig").split("\r\n", 1)[1]))) in (
        [plain], [],
    )  # fmt: skip


def test_the_page_says_while_the_days_are_being_counted(owner: FlaskClient, svc: Services):
    assert "Nothing is counted yet" in words(owner.get("/admin/reports/tax").text)
    counting.start(svc)
    assert "are being counted just now" in words(owner.get("/admin/reports/tax").text)
    while counting.turn_page(svc):
        pass
    assert "today anew every minute" in words(owner.get("/admin/reports/tax").text)
    assert hidden(owner.get("/admin/reports/tax?period=2026-Q4").text, "period") == "2026-Q4"
