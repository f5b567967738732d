"""A visitor books, pays, moves the call and cancels it: on our own calendar on a phone, and with the times of Calendly
on our own pages without JavaScript."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.harness import wait_until
from tests.journeys.running import Running, running
from tests.journeys.test_browser import PHONE, a_page, hold_a_time, order_on

pytestmark = [pytest.mark.slow, pytest.mark.browser]
WAYS = {"builtin": PHONE, "calendly_api": {"java_script_enabled": False}}


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest) -> Iterator[tuple[Running, dict[str, Any]]]:
    with running(CALENDAR=request.param) as dev:
        yield dev, WAYS[request.param]


def paid(page: Page, dev: Running, email: str, number: int) -> None:
    hold_a_time(page, dev, email, number)
    expect(page.locator("#payment")).to_contain_text("75 USDT")
    dev.control(f"orders/{order_on(page, dev)['merchantTradeNo']}/pay", {})
    expect(page.locator("#payment")).to_contain_text("Paid and confirmed")


def times_of(page: Page) -> str:
    return page.locator("dl.facts div", has_text="Your time").first.inner_text()


def test_a_paid_call_is_moved_and_then_cancelled(browser: Browser, way: tuple[Running, dict[str, Any]]):
    dev, look = way
    errors: list[str] = []
    page = a_page(browser, errors, timezone_id="America/New_York", **look)
    paid(page, dev, "mover@example.com", 40)
    before = times_of(page)

    page.get_by_role("link", name="Move this call").click()
    expect(page.get_by_role("main")).to_contain_text("Moving it costs nothing.")
    page.locator("label.slot").nth(12).click()
    page.get_by_role("button", name="Move the call").click()
    expect(page.locator("#payment")).to_contain_text("Paid and confirmed")
    moved = times_of(page)
    wait_until(lambda: [one for one in dev.mails("mover@") if "Moved" in one["subject"]], what="the mail about it")

    page.get_by_role("link", name="Cancel this call").click()
    expect(page.get_by_role("main")).to_contain_text(re.compile(r"go(es)? back|goes back"))
    page.get_by_role("button", name=re.compile("Cancel the call")).click()
    expect(page.locator("#payment")).not_to_contain_text("Paid and confirmed")

    assert moved != before
    wait_until(lambda: [one for one in dev.mails("mover@") if "Cancelled" in one["subject"]], what="the mail about it")
    assert errors == []
    page.context.close()


def test_a_time_that_is_not_paid_is_changed_and_then_given_up(browser: Browser, way: tuple[Running, dict[str, Any]]):
    dev, look = way
    errors: list[str] = []
    page = a_page(browser, errors, **look)
    hold_a_time(page, dev, "changer@example.com", 44)
    before = times_of(page)

    page.get_by_role("link", name="Change the time").click()
    page.locator("label.slot").nth(7).click()
    page.get_by_role("button", name="Take this time instead").click()
    expect(page.locator("#payment")).to_contain_text("Your time")
    assert times_of(page) != before

    page.get_by_role("link", name="Cancel booking").click()
    page.get_by_role("button").last.click()
    expect(page.locator("#payment")).to_contain_text("Nothing was paid")
    assert errors == []
    page.context.close()
