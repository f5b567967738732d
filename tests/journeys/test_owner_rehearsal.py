"""A person rehearses a failure from the browser, without having read anything."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.journeys.owner import go_to, log_in
from tests.journeys.running import Running, running
from tests.journeys.test_accessibility import LOOKS, look_at

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def dev() -> Iterator[Running]:
    with running(CALENDAR="builtin") as one:
        yield one


def test_a_person_rehearses_a_lost_webhook(browser: Browser, dev: Running):
    page = browser.new_page()
    log_in(page, dev)

    go_to(page, "Rehearsal")
    for group in page.locator("#drills summary").all():
        group.click()
    page.get_by_role("button", name="Run “The webhook never comes”").click()

    expect(page.get_by_role("heading", name="Verdict")).to_contain_text("green")
    steps = page.locator(".scenes")
    expect(steps).to_contain_text("Ann has paid. No message comes.")
    expect(steps).to_contain_text("Paid and confirmed.")
    expect(page.locator(".letter summary", has_text="Confirmed: Portfolio review")).to_be_visible()
    expect(page.get_by_role("table")).to_contain_text("75")
    assert dev.mails("ann@customers.example") == []
    go_to(page, "Bookings")
    expect(page.locator("main")).to_contain_text("No bookings here yet")
    page.close()


def test_without_scripts_the_page_looks_again_by_itself(browser: Browser, dev: Running):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    log_in(page, dev)
    page.goto(f"{dev.web}/admin/rehearsal/too-much")

    page.get_by_role("button", name="Run it").click()

    expect(page.get_by_role("heading", name="Verdict")).to_contain_text("green")
    context.close()


def test_all_of_them_are_asked_for_with_one_button(browser: Browser):
    """The first of them is waited for: the rest is a matter of time."""
    with running(CALENDAR="builtin") as dev:
        _run_all(browser, dev)


def _run_all(browser: Browser, dev: Running) -> None:
    page = browser.new_page()
    log_in(page, dev)
    page.goto(f"{dev.web}/admin/rehearsal/")

    page.get_by_role("button", name="Run all").click()

    expect(page.locator("#drills > [role=status]")).to_contain_text("still to come")
    expect(page.locator("li", has_text="A good day").locator(".badge")).to_have_text("green", timeout=40_000)
    page.close()


@pytest.mark.parametrize("look", LOOKS, ids=["wide and light", "narrow and dark"])
def test_the_room_can_be_used_by_everybody(browser: Browser, dev: Running, look):
    context = browser.new_context(bypass_csp=True, **look)
    page = context.new_page()
    log_in(page, dev)
    problems = {}

    page.goto(f"{dev.web}/admin/rehearsal/")
    problems["all"] = look_at(page)
    page.goto(f"{dev.web}/admin/rehearsal/webhook-lost")
    problems["one"] = look_at(page)

    assert {place: found for place, found in problems.items() if found} == {}
    context.close()
