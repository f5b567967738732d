"""What the owner does on every way through the admin area."""

import re

from playwright.sync_api import Page, expect

from tests.journeys.running import Running


def log_in(page: Page, dev: Running, path: str = "/admin/") -> None:
    """Asks for this page, and logs in on the way."""
    page.goto(f"{dev.web}{path}")
    page.get_by_label("E-mail").fill(dev.ready["admin"]["email"])
    page.get_by_label("Password").fill(dev.ready["admin"]["password"])
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(re.compile(f"{path}$"))


def go_to(page: Page, place: str) -> None:
    """By the menu: beside the page, or behind "Menu" on a phone."""
    page.wait_for_load_state()  # only the stylesheet says which of the two is there
    drawer = page.locator(".drawer > summary")
    if drawer.is_visible():
        drawer.click()
    menu = page.get_by_role("navigation", name=re.compile("^(Main|Menu)$"))
    menu.get_by_role("link", name=re.compile(f"^{place}")).click()
