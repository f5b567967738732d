"""What the owner does on every way through the admin area."""

import re

from playwright.sync_api import Page, expect

from tests.journeys.running import Running


def log_in(page: Page, dev: Running, path: str = "/admin/", errors: list[str] | None = None) -> None:
    """Asks for this page and logs in on the way. Who is told to try again does so: a machine with a lot to do may say
    that. `errors`: of the browser's console, which notes such an answer too."""
    for _ in range(5):
        page.goto(f"{dev.web}{path}")
        page.get_by_label("E-mail").fill(dev.ready["admin"]["email"])
        page.get_by_label("Password").fill(dev.ready["admin"]["password"])
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", level=1)).not_to_have_text("Owner’s login")
        if not page.get_by_role("heading", name="Please try again").is_visible():
            break
        if errors is not None:
            errors[:] = [one for one in errors if "503" not in one]
    expect(page).not_to_have_url(re.compile("login"))
