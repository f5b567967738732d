"""WCAG 2.2 AA as far as a program can tell (axe-core), on every kind of page, light and dark, wide and narrow."""

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page, expect

from tests.harness import wait_until
from tests.journeys.owner import log_in
from tests.journeys.running import Running, running
from tests.journeys.test_browser import hold_a_time, order_on

pytestmark = [pytest.mark.slow, pytest.mark.browser]

RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
# Only this is taken out of the browser: what is well there is a thousand times as much, and nobody reads it.
RUN = """rules => axe.run(document, {...rules, resultTypes: ["violations"]})
    .then(found => found.violations.map(one => `${one.id}: ${one.nodes[0].target}`))"""
LOOKS: list[dict[str, Any]] = [
    {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    {"viewport": {"width": 320, "height": 700}, "color_scheme": "dark"},
]


@pytest.fixture(scope="module")
def dev() -> Iterator[Running]:
    with running(CALENDAR="builtin") as one:
        yield one


def look_at(page: Page) -> list[str]:
    """What axe finds, and whether the page has to be scrolled sideways."""
    page.evaluate(AXE_SCRIPT)
    found: list[str] = page.evaluate(RUN, RULES)
    wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return found + (["scrolls sideways"] if wide else [])


def chosen_late(dev: Running, email: str, page: Page) -> None:
    """A booking that was given up and paid all the same, when somebody else had its time: the page of the choice."""
    wanted = dev.slots("portfolio-review")[40]["start"]
    booking = dev.create("portfolio-review", slotStart=wanted, customerEmail=email)
    page.goto(f"{dev.web}/booking/{booking['bookingId']}/give-up")
    page.get_by_role("button", name="Cancel booking").click()
    dev.wait_for(booking, "CANCELLED")
    dev.create("portfolio-review", slotStart=wanted, customerEmail=f"other-{email}")
    dev.pay(booking, force=True)
    wait_until(lambda: "chooseBy" in dev.status(booking), seconds=90, what="the choice")
    page.goto(f"{dev.web}/booking/{booking['bookingId']}")


@pytest.mark.parametrize("look", LOOKS, ids=["wide and light", "narrow and dark"])
def test_every_kind_of_page_can_be_used_by_everybody(browser: Browser, dev: Running, look: dict[str, Any]):
    context = browser.new_context(timezone_id="Europe/Berlin", bypass_csp=True, **look)
    page = context.new_page()
    page.set_default_timeout(45_000)
    problems: dict[str, list[str]] = {}

    for path in ("/", "/terms", "/privacy", "/how-to-pay", "/book/deep-dive", "/nothing-here", "/admin/login"):
        page.goto(dev.web + path)
        page.wait_for_load_state("networkidle")
        problems[path] = look_at(page)
    hold_a_time(page, dev, f"axe{look['viewport']['width']}@example.com", 30)
    expect(page.locator("#payment svg").first).to_be_visible()
    problems["payment"] = look_at(page)
    for link in ("Change the time", "Cancel booking"):
        page.get_by_role("link", name=link).click()
        problems[link] = look_at(page)
        page.go_back()
    dev.control(f"orders/{order_on(page, dev)['merchantTradeNo']}/pay", {})
    expect(page.locator("#payment")).to_contain_text("Paid and confirmed")
    problems["confirmed"] = look_at(page)
    page.get_by_role("link", name="Cancel this call").click()
    problems["cancel"] = look_at(page)
    chosen_late(dev, f"late{look['viewport']['width']}@example.com", page)
    problems["choose"] = look_at(page)
    for link in ("Choose another time", "Take my money back"):
        page.get_by_role("link", name=link).click()
        problems[link] = look_at(page)
        page.go_back()
    page.get_by_role("link", name="Take my money back").click()
    page.get_by_role("button", name="Take my money back").click()
    expect(page.locator("#payment")).to_contain_text("Money back")
    problems["money back"] = look_at(page)
    log_in(page, dev)
    problems["admin"] = look_at(page)
    if page.locator(".drawer > summary").is_visible():
        page.locator(".drawer > summary").click()
    problems["the menu"] = look_at(page)
    page.goto(f"{dev.web}/admin/bookings")
    problems["bookings"] = look_at(page)
    page.locator("tr", has_text=f"axe{look['viewport']['width']}@").locator("a").first.click()
    problems["one booking"] = look_at(page)
    page.get_by_role("link", name="Refund…").click()
    problems["refund"] = look_at(page)
    page.get_by_label("Amount").fill("1000")
    page.get_by_label("Reason").fill("as agreed")
    page.get_by_role("button", name="Look at the consequence").click()
    problems["refused refund"] = look_at(page)
    page.get_by_label("Amount").fill("10")
    page.get_by_role("button", name="Look at the consequence").click()
    problems["refund preview"] = look_at(page)
    page.get_by_role("button", name="Refund 10 USDT").click()
    expect(page.locator("#money")).to_contain_text("refunded by you")
    problems["booking with a refund"] = look_at(page)
    page.goto(f"{dev.web}/admin/money")
    problems["money"] = look_at(page)
    page.goto(f"{dev.web}/admin/calendar")
    page.get_by_label("Monday").fill("nine")
    page.get_by_role("button", name="Look at the times first").click()
    problems["refused calendar"] = look_at(page)
    page.get_by_label("Monday").fill("9:00-12:00")
    page.get_by_role("button", name="Look at the times first").click()
    expect(page.get_by_role("heading", name="Free times, if you save this")).to_be_visible()
    problems["calendar"] = look_at(page)
    receiving = ("receiving", "receiving/source/TRON", "receiving/nodes/TRC20", "receiving/compare/TRC20")
    others = ("calls", "calls/deep-dive", "calls/new", "account", "account/app", "people", "keys", "promises")
    for path in (*others, *receiving):
        page.goto(f"{dev.web}/admin/{path}")
        problems[path] = look_at(page)

    assert {place: found for place, found in problems.items() if found} == {}
    context.close()
