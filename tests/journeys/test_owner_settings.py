"""The owner's settings and the audit log in a real browser: every button, looked at by axe, wide and on a phone."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.harness import wait_until
from tests.journeys.owner import go_to
from tests.journeys.running import Running, running
from tests.journeys.test_accessibility import LOOKS, look_at
from tests.journeys.test_browser import DESKTOP, PHONE, a_page
from tests.journeys.test_door import log_in, site

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def dev() -> Iterator[Running]:
    with running(CALENDAR="builtin", RATE_LIMIT_LOGIN="1000/minute") as one:
        yield one


@pytest.fixture
def errors() -> list[str]:
    return []


def open_section(page: Page, what: str) -> None:
    go_to(page, "Texts & brand")
    page.get_by_role("link", name=f"Change {what}").click()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def saved(page: Page) -> None:
    press(page, "Save")
    expect(page.get_by_role("status").filter(has_text="Saved.")).to_be_visible()


def shown(page: Page, address: str, text: str | re.Pattern[str]) -> None:
    """Each process of the site sees it within seconds."""

    def there() -> bool:
        page.goto(address)
        found = page.locator("body").inner_text()
        return bool(re.search(text, found))

    wait_until(there, seconds=20, what=f"{text} at {address}", pause=0.5)


def test_the_owner_changes_the_site_looks_first_and_customers_see_it_afterwards(
    browser: Browser, dev: Running, errors: list[str]
):
    page, customer = a_page(browser, errors, **DESKTOP), a_page(browser, errors, **PHONE)
    log_in(page, dev)
    open_section(page, "the brand")
    page.get_by_label("Name of the site").fill("")
    page.get_by_label("What it is, in one line").fill("Calls with Ada.")
    page.locator("form.offer").evaluate("form => form.noValidate = true")
    press(page, "Save")
    expect(page.locator("#name-error")).to_contain_text("give the site a name")
    expect(page.get_by_label("What it is, in one line")).to_have_value("Calls with Ada.")
    errors.clear()  # the browser tells of the 422
    page.get_by_label("Name of the site").fill("Ada’s calls")
    page.get_by_label("The analyst’s name").fill("Ada Example")
    page.get_by_label("Mail address for customers").fill("ada@example.org")
    page.get_by_label("Plum").check()
    press(page, "Look at it first")
    preview = page.locator(".preview")
    expect(preview).to_contain_text("Mails end with: Ada Example, Ada’s calls")
    expect(preview.locator(".button").first).to_have_css("background-color", "rgb(107, 42, 110)")
    customer.goto(dev.web)
    expect(customer.locator(".brand")).to_have_text("Inspired Analyst")
    saved(page)

    open_section(page, "the first page")
    page.get_by_label("Headline", exact=True).fill("Ask me anything.")
    page.get_by_label("About you").fill("Ten years of it.\n<b>Really</b>, see https://example.org/work")
    page.get_by_label("Questions and answers").fill("Is it advice?\nNo.")
    press(page, "Look at it first")
    expect(preview).to_contain_text("<b>Really</b>")
    preview.get_by_text("Is it advice?").click()
    expect(preview.get_by_text("No.", exact=True)).to_be_visible()
    saved(page)

    open_section(page, "the small print")
    page.get_by_label("Also in the confirmation mail").fill("Please bring your numbers.")
    page.get_by_label("Terms of your own").fill("Be kind.")
    page.get_by_label("Legal notice").fill("Ada Example\nSome street 1")
    press(page, "Look at it first")
    expect(preview).to_contain_text("Please bring your numbers.")
    saved(page)
    told = "Ask me anything.*About Ada Example.*<b>Really</b>.*Legal notice"
    shown(customer, dev.web, re.compile(told, re.S))
    expect(customer.get_by_role("contentinfo")).to_contain_text("Ada’s calls. Calls with Ada. ada@example.org")
    expect(customer.locator(".button").first).to_have_css("background-color", "rgb(107, 42, 110)")
    customer.get_by_text("Is it advice?").click()
    expect(customer.get_by_text("No.", exact=True)).to_be_visible()
    shown(customer, f"{dev.web}/terms", r"Version [\d-]+\.1\.(.|\n)*Be kind\.")
    shown(customer, f"{dev.web}/legal-notice", "Some street 1")
    booking = dev.create(customerEmail="cara@example.com")
    dev.pay(booking)
    dev.wait_for(booking, "CONFIRMED")
    mail = wait_until(
        lambda: [one for one in dev.mails("cara@example.com") if str(one["subject"]).startswith("Confirmed")],
        seconds=30,
        what="the confirmation",
    )[0]
    assert "Please bring your numbers." in str(mail["text"])
    assert "Ada Example, Ada’s calls" in str(mail["text"])
    assert errors == []
    for one in (page, customer):
        one.context.close()


def test_who_is_told_is_changed_and_tried_and_the_log_tells_of_it(browser: Browser, dev: Running, errors: list[str]):
    page, other = a_page(browser, errors, **PHONE), a_page(browser, errors, **DESKTOP)
    for one in (page, other):
        log_in(one, dev)
    open_section(other, "who is told")
    open_section(page, "who is told")
    page.get_by_label("Of calls that are confirmed or moved").fill("ann@example.org\nbob@example.org")
    saved(page)
    press(page, "Send each of them a mail to try it")
    expect(page.get_by_text("The mail server took 3 of 3 mails.")).to_be_visible()
    assert [one["subject"] for one in dev.mails("bob@example.org")] == ["Mails of your site reach you here"]
    other.get_by_label("Of reports").fill("tax@example.org")
    press(other, "Save")
    expect(other.get_by_role("alert").first).to_contain_text("Somebody changed this meanwhile")
    expect(other.locator(".note")).to_contain_text("who gets calls: 2 addresses at example.org")
    expect(other.get_by_label("Of reports")).to_have_value("tax@example.org")
    errors.clear()  # the browser tells of the 409

    open_section(page, "how long personal data is kept")
    page.get_by_label("Erase after so many months").fill("24")
    saved(page)
    expect(page.get_by_role("main")).to_contain_text("are erased after 24 months")

    page.get_by_role("link", name="audit log").first.click()
    press(page, "Look at it now")
    expect(page.locator(".done")).to_contain_text("each following from the one before")
    expect(page.locator("tbody tr").first).to_contain_text("from “never by itself” to “after 24 months”")
    expect(page.locator("tbody tr").first).to_contain_text("owner@example.com")
    page.goto(f"{site(dev)}/admin/audit?before=2")
    expect(page.get_by_role("heading", name="Older entries")).to_be_visible()
    page.get_by_role("link", name="Newest").click()
    expect(page.get_by_role("heading", name="The newest entries")).to_be_visible()
    assert errors == []
    for one in (page, other):
        one.context.close()


@pytest.mark.parametrize("look", LOOKS, ids=["wide and light", "narrow and dark"])
def test_everybody_can_use_the_settings(browser: Browser, dev: Running, look: dict[str, Any]):
    context = browser.new_context(bypass_csp=True, **look)
    page = context.new_page()
    page.set_default_timeout(45_000)
    log_in(page, dev)
    problems: dict[str, list[str]] = {}
    for path in ("settings", "settings/addresses", "settings/retention", "audit"):
        page.goto(f"{site(dev)}/admin/{path}")
        problems[path] = look_at(page)
    page.goto(f"{site(dev)}/admin/settings/brand")
    page.get_by_label("Rust").check()
    press(page, "Look at it first")
    problems["look at the brand"] = look_at(page)
    page.get_by_label("Mail address for customers").fill("nobody")
    page.locator("form.offer").evaluate("form => form.noValidate = true")
    press(page, "Save")
    problems["refused"] = look_at(page)
    for path in ("home", "small-print"):
        page.goto(f"{site(dev)}/admin/settings/{path}")
        press(page, "Look at it first")
        problems[f"look at {path}"] = look_at(page)

    assert {place: found for place, found in problems.items() if found} == {}
    context.close()
