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
