"""Today, search, list, views, files, work on many, keys: every button in a real browser, and axe on every page."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.owner import go_to, log_in
from tests.journeys.running import Running, running
from tests.journeys.test_accessibility import LOOKS, look_at

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def dev() -> Iterator[Running]:
    with running(CALENDAR="builtin", RATE_LIMIT_LOGIN="1000/minute") as one:
        for number in range(3):
            one.create("portfolio-review", slot=number, customerEmail=f"ann{number}@example.com", customerName="Ann Li")
        paid = one.create("deep-dive", slot=30, customerEmail="bob@example.com", customerName="Bob Example")
        one.pay(paid)
        one.wait_for(paid, "CONFIRMED")
        odd = one.create("mentoring", slot=60, customerEmail="odd@example.com", customerName="Odd One")
        one.pay(odd, amount="1", currency="BNB")
        one.wait_for(odd, "PENDING")
        yield one


@pytest.fixture(scope="module")
def cookies(browser: Browser, dev: Running) -> Any:
    """Of one log-in: an account takes only so many in a quarter of an hour."""
    context = browser.new_context()
    page = context.new_page()
    log_in(page, dev)
    expect(page.get_by_role("heading", name="Today", exact=True)).to_be_visible()
    kept = context.storage_state()
    context.close()
    return kept


@pytest.fixture(params=LOOKS, ids=["wide and light", "narrow and dark"])
def page(request: pytest.FixtureRequest, browser: Browser, dev: Running, cookies: Any) -> Iterator[Page]:
    look: dict[str, Any] = request.param
    context = browser.new_context(timezone_id="Europe/Berlin", bypass_csp=True, storage_state=cookies, **look)
    opened = context.new_page()
    opened.set_default_timeout(45_000)
    opened.goto(f"{dev.web}/admin/")
    yield opened
    context.close()


def rows(page: Page) -> int:
    return page.locator("table.cards tbody tr").count()


def test_whoever_is_looked_for_is_found_from_the_first_page(page: Page, dev: Running):
    problems = {"today": look_at(page)}
    expect(page.locator("main")).to_contain_text("Money came that cannot be held against the price")
    page.get_by_label("Find a booking").fill("example bob")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("main")).to_contain_text("bob@example.com")
    problems["found"] = look_at(page)
    page.get_by_label("Find a booking").fill("somebody else")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    problems["not found"] = look_at(page)
    page.get_by_label("Find a booking").fill("bob@example.com")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Deep dive, 150 USDT").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("Deep dive")
    assert not any(problems.values()), problems


def test_a_list_is_narrowed_down_and_kept_as_a_view(page: Page, dev: Running):
    go_to(page, "Bookings")
    problems = {"list": look_at(page)}
    assert rows(page) == 5
    page.get_by_text("Filter and sort").click()
    page.get_by_label("State", exact=True).select_option("CONFIRMED")
    page.get_by_label("Sorted by", exact=True).select_option("call-next")
    page.get_by_role("button", name="Show").click()
    assert rows(page) == 1
    problems["filtered"] = look_at(page)

    page.get_by_text("Views of your own").click()
    page.get_by_label("Keep this list under the name").fill("Next calls")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="All", exact=True).click()
    assert rows(page) == 5
    page.get_by_role("link", name="Next calls").click()
    assert rows(page) == 1
    page.get_by_text("Views of your own").click()
    page.get_by_role("button", name="Remove the view Next calls").click()

    expect(page.get_by_role("link", name="Next calls")).to_have_count(0)
    assert not any(problems.values()), problems


def test_a_list_is_taken_along_as_a_file(page: Page, dev: Running):
    page.goto(f"{dev.web}/admin/bookings?state=CONFIRMED")
    page.get_by_text("Export", exact=True).click()
    for kind in ("CSV", "JSON", "XLSX"):
        with page.expect_download() as download:
            page.get_by_role("link", name=kind).click()
        assert re.fullmatch(rf"bookings-\d{{4}}-\d\d-\d\d\.{kind.lower()}", download.value.suggested_filename)
        assert b"bob@example.com" in download.value.path().read_bytes() or kind == "XLSX"


@pytest.mark.parametrize("all_of_them", [False, True], ids=["ticked", "all"])
def test_binance_is_asked_about_many_and_the_page_follows_by_itself(page: Page, dev: Running, all_of_them: bool):
    go_to(page, "Bookings")
    if all_of_them:
        page.get_by_role("button", name="… about all on this page").click()
    else:
        page.get_by_role("checkbox").first.check()
        page.get_by_role("button", name=re.compile("about the ticked ones")).click()
    count = 5 if all_of_them else 1
    problems = {"chosen": look_at(page)}
    page.get_by_role("button", name=f"Ask about {count} booking").click()
    problems["asking"] = look_at(page)

    expect(page.locator("#bulk_job")).to_contain_text(f"{count} of {count} asked: that is all of them.")
    problems["asked"] = look_at(page)
    assert not any(problems.values()), problems


def test_the_work_goes_on_without_javascript_too(browser: Browser, dev: Running, cookies: Any):
    context = browser.new_context(java_script_enabled=False, storage_state=cookies)
    page = context.new_page()
    page.goto(f"{dev.web}/admin/bookings")
    page.get_by_role("button", name="… about all on this page").click()
    page.get_by_role("button", name="Ask about 5 bookings").click()

    expect(page.locator("#bulk_job")).to_contain_text("5 of 5 asked")
    context.close()


def test_a_key_is_made_shown_once_and_revoked(page: Page, dev: Running):
    page.goto(f"{dev.web}/admin/bookings")
    go_to(page, "Keys for programs")
    page.get_by_label("What it is for").fill("Bookkeeping")
    page.get_by_role("button", name="Make it").click()
    secret = page.locator("#secret").inner_text()
    problems = {"made": look_at(page)}
    asked = dev.http.get(f"{dev.web}/api/admin/payments", headers={"Authorization": f"Bearer {secret}"}, timeout=5)
    page.get_by_role("button", name="Revoke the key Bookkeeping").first.click()
    expect(page.locator("main")).to_contain_text("revoked")
    refused = dev.http.get(f"{dev.web}/api/admin/payments", headers={"Authorization": f"Bearer {secret}"}, timeout=5)

    assert (asked.status_code, len(asked.json()["payments"]), refused.status_code) == (200, 5, 401)
    assert not any(problems.values()), problems
