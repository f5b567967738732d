"""The owner's numbers and reports in a real browser: every button, against the running product."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.harness import wait_until
from tests.journeys.owner import go_to, log_in
from tests.journeys.running import Running, running
from tests.journeys.test_accessibility import LOOKS, look_at

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def dev() -> Iterator[Running]:
    """With one call that was paid for, and the page of it opened."""
    with running(CALENDAR="builtin") as one:
        one.http.get(f"{one.web}/book/quick-question", timeout=5)
        booking = one.create()
        one.pay(booking)
        one.wait_for(booking, "CONFIRMED", seconds=20)
        yield one


def opened(browser: Browser, dev: Running, **look: Any) -> Page:
    context = browser.new_context(timezone_id="Europe/Berlin", bypass_csp=True, **look)
    page = context.new_page()
    page.set_default_timeout(45_000)
    log_in(page, dev)
    return page


def test_the_numbers_are_counted_at_the_owners_word_and_shown_for_the_days_asked_for(browser: Browser, dev: Running):
    page = opened(browser, dev)
    go_to(page, "Numbers")

    with page.expect_navigation():
        page.get_by_role("button", name="Count all days again").click()

    def is_counted() -> bool:
        page.reload()
        return "Revenue\n50 USDT" in page.locator("main").inner_text()

    wait_until(is_counted, seconds=30, what="the numbers", pause=0.5)
    page.get_by_role("link", name="Last 7 days").click()
    expect(page.locator("main")).to_contain_text("beside the 7 days before")
    page.get_by_label("From", exact=True).fill("2026-01-01")
    page.get_by_label("To", exact=True).fill("2025-01-01")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("alert").first).to_contain_text("must not be after")
    page.get_by_text("The same as a table").click()
    expect(page.get_by_role("table", name="Revenue by day")).to_be_visible()
    page.context.close()


def test_a_report_is_taken_out_as_a_file_and_ordered_by_mail(browser: Browser, dev: Running, tmp_path: Path):
    page = opened(browser, dev)
    go_to(page, "Reports")
    page.get_by_role("link", name="Tax summary in USD, this year").click()

    for button, holds in (("As a file (CSV)", "Gross"), ("Every entry of the ledger (CSV)", "suspense")):
        with page.expect_download() as download:
            page.get_by_role("button", name=button).click()
        download.value.save_as(tmp_path / "report.csv")
        assert holds in (tmp_path / "report.csv").read_text(encoding="utf-8-sig")
    page.get_by_role("link", name="All reports").click()
    page.get_by_role("link", name="Show it as it is now").click()
    expect(page.locator("main")).to_contain_text("What differs between the payments’ providers")
    page.get_by_role("link", name="All reports").click()
    page.get_by_label("Refunds", exact=True).select_option("Every week")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_contain_text("Saved.")
    expect(page.get_by_label("Refunds", exact=True)).to_have_value("week")
    page.context.close()


@pytest.mark.parametrize("look", LOOKS, ids=["wide and light", "narrow and dark"])
def test_numbers_and_reports_can_be_used_by_everybody(browser: Browser, dev: Running, look: dict[str, Any]):
    page = opened(browser, dev, **look)
    problems = {}

    for path in ("numbers", "numbers?days=90", "reports", "reports/tax", "reports/refunds", "reports/reconciliation"):
        page.goto(f"{dev.web}/admin/{path}")
        for summary in page.locator("main summary").all():
            summary.click()
        problems[path] = look_at(page)

    assert {path: found for path, found in problems.items() if found} == {}
    page.context.close()
