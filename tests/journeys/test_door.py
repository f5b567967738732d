"""The door of the admin area in a real browser: an authenticator app, a passkey (Chromium's virtual authenticator),
recovery codes, another account, and logging out everywhere."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.owner import go_to
from tests.journeys.running import Running, running
from tests.journeys.test_browser import DESKTOP, PHONE, a_page

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def dev() -> Iterator[Running]:
    with running(CALENDAR="builtin", RATE_LIMIT_LOGIN="1000/minute") as one:
        yield one


@pytest.fixture
def errors() -> list[str]:
    return []


def site(dev: Running) -> str:
    """By name: a passkey belongs to a name, never to a number."""
    return dev.web.replace("127.0.0.1", "localhost")


def log_in(page: Page, dev: Running, email: str = "", password: str = "") -> None:
    page.goto(f"{site(dev)}/admin/")
    page.get_by_label("E-mail").fill(email or dev.ready["admin"]["email"])
    page.get_by_label("Password").fill(password or dev.ready["admin"]["password"])
    page.get_by_role("button", name="Log in").click()


def open_account(page: Page) -> None:
    go_to(page, "Account")
    expect(page.get_by_role("heading", name="Your account")).to_be_visible()


def log_out(page: Page) -> None:
    page.get_by_role("button", name="Log out", exact=True).first.click()
    expect(page.get_by_role("heading", name="Owner’s login")).to_be_visible()


def test_app_passkey_and_recovery_codes_are_set_up_used_and_switched_off(
    browser: Browser, dev: Running, errors: list[str]
):
    page = a_page(browser, errors, **DESKTOP)
    authenticator = page.context.new_cdp_session(page)
    authenticator.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    authenticator.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    log_in(page, dev)
    open_account(page)
    expect(page.get_by_role("main")).to_contain_text("Only a password protects this account.")

    page.get_by_role("button", name="Set up an authenticator app").click()
    app = pyotp.TOTP(page.locator(".mono").inner_text())
    page.get_by_label("Code").fill(app.now())
    page.get_by_role("button", name="Set it up").click()
    codes = page.locator("pre").inner_text().split()
    assert len(codes) == 10
    page.get_by_role("link", name="I have kept them").click()

    page.get_by_label("Add a passkey").fill("My phone")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("main")).to_contain_text("My phone, since")
    log_out(page)

    log_in(page, dev)
    page.get_by_role("button", name="Use my passkey").click()
    expect(page).to_have_url(re.compile("/admin/$"))
    log_out(page)

    log_in(page, dev)
    page.get_by_label("Code").fill(app.at(datetime.now(UTC) + timedelta(seconds=30)))
    page.get_by_role("button", name="Go on").click()
    expect(page).to_have_url(re.compile("/admin/$"))
    log_out(page)

    log_in(page, dev)
    page.get_by_label("Code").fill(codes[3])
    page.get_by_role("button", name="Go on").click()
    open_account(page)
    expect(page.get_by_role("main")).to_contain_text("9 recovery codes are left")
    page.get_by_role("button", name="New recovery codes").click()
    assert codes[4] not in page.locator("pre").inner_text()
    page.get_by_role("link", name="I have kept them").click()
    page.get_by_role("button", name="Remove My phone").click()
    expect(page.get_by_role("status").filter(has_text="removed")).to_be_visible()
    page.get_by_role("button", name="Switch the second step off").click()
    expect(page.get_by_role("main")).to_contain_text("Only a password protects this account.")
    assert errors == []
    page.context.close()


def test_a_helper_is_let_in_by_a_link_and_out_by_the_owner(browser: Browser, dev: Running, errors: list[str]):
    page = a_page(browser, errors, **DESKTOP)
    log_in(page, dev)
    open_account(page)
    page.get_by_role("link", name="Other accounts").click()
    page.get_by_label("E-mail").fill("helper@example.com")
    page.get_by_label("look after bookings").check()
    page.get_by_role("button", name="Make it").click()
    link = page.locator(".note .mono").inner_text()

    helper = a_page(browser, errors, **PHONE)
    helper.goto(link)
    helper.get_by_label("Password").fill("four words in a row")
    helper.get_by_role("button", name="Choose it and go on").click()
    expect(helper).to_have_url(re.compile("/admin/$"))
    errors.clear()
    helper.goto(f"{dev.web}/admin/people")
    expect(helper.get_by_role("main")).to_contain_text("Your account may not do this")
    errors.clear()

    for name in ("New link for helper@example.com", "Make helper@example.com reader"):
        page.get_by_role("button", name=name).click()
        expect(page.get_by_role("status").filter(has_text=re.compile("is changed|link"))).to_be_visible()
    page.get_by_role("button", name="Switch helper@example.com off").click()
    helper.goto(f"{dev.web}/admin/")
    expect(helper.get_by_role("heading", name="Owner’s login")).to_be_visible()
    page.get_by_role("button", name="Switch helper@example.com on").click()
    expect(page.get_by_role("button", name="Switch helper@example.com off")).to_be_visible()
    assert errors == []
    helper.context.close()
    page.context.close()


def test_the_password_is_changed_and_every_browser_logged_out(browser: Browser, dev: Running, errors: list[str]):
    password = dev.ready["admin"]["password"]
    page, other = a_page(browser, errors, **PHONE), a_page(browser, errors, **DESKTOP)
    for one in (page, other):
        log_in(one, dev)
    open_account(page)
    page.get_by_role("button", name=re.compile("^Log out .* on ")).first.click()
    expect(page.get_by_role("status").filter(has_text="logged out")).to_be_visible()
    change_password(page, password, "four other words here")
    page.get_by_role("button", name="Log out everywhere").click()
    expect(page.get_by_role("heading", name="Owner’s login")).to_be_visible()
    log_in(page, dev, password="four other words here")
    open_account(page)
    change_password(page, "four other words here", password)  # as the other tests know it
    assert errors == []
    page.context.close()
    other.context.close()


def change_password(page: Page, now: str, wanted: str) -> None:
    page.get_by_label("The one you have").fill(now)
    page.get_by_label("The new one").fill(wanted)
    page.get_by_role("button", name="Change it").click()
    expect(page.get_by_role("status").filter(has_text="Your password is changed")).to_be_visible()
