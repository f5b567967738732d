"""Paying in USDT on chain as a customer does it: with and without JavaScript, and when the network changes its mind."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.harness import wait_until
from tests.journeys.running import Running, running
from tests.journeys.test_browser import DESKTOP, PHONE, a_page, decoded_qr, errors

pytestmark = [pytest.mark.slow, pytest.mark.browser]
__all__ = ["errors"]  # a fixture

CONFIRMED = re.compile("Paid and confirmed")


@pytest.fixture(scope="module")
def dev() -> Iterator[Running]:
    with running(CALENDAR="builtin") as one:
        yield one


def hold_a_time_to_pay_on_tron(page: Page, dev: Running, email: str, number: int) -> str:
    """The address that the page shows."""
    page.goto(f"{dev.web}/book/portfolio-review")
    page.locator("label.slot").nth(number).click()
    page.get_by_label("Your name").fill("Ann Example")
    page.get_by_label("Your e-mail").fill(email)
    page.get_by_label(re.compile(r"USDT on TRON \(TRC20\)")).check()
    page.get_by_label(re.compile("terms", re.IGNORECASE)).check()
    page.get_by_role("button", name=re.compile("Hold this time")).click()
    expect(page).to_have_url(re.compile(r"/booking/[A-Za-z0-9_-]+$"))
    return page.locator("#payment .address").inner_text()


def send(dev: Running, address: str, amount: str) -> str:
    return str(dev.control("chains/TRC20/send", {"to": address, "amount": amount})["txHash"])


def test_the_address_is_read_by_a_camera_and_the_payment_is_confirmed_without_reloading(
    browser: Browser, dev: Running, errors: list[str]
):
    page = a_page(browser, errors, **DESKTOP)
    address = hold_a_time_to_pay_on_tron(page, dev, "desktop@example.com", 3)

    assert decoded_qr(page) == address
    expect(page.locator("#payment")).to_contain_text("Only USDT, only on TRON (TRC20).")
    page.evaluate("window.stayed = true")
    hashed = send(dev, address, "75")

    expect(page.locator("#payment")).to_contain_text(CONFIRMED)
    expect(page.locator("#payment")).to_contain_text(hashed)
    assert page.evaluate("window.stayed") is True
    wait_until(lambda: [m for m in dev.mails("desktop@") if m["subject"].startswith("Confirmed")], what="the mail")
    assert errors == []


def test_money_that_comes_twice_is_found_though_nobody_asks_about_a_confirmed_booking(dev: Running):
    booking = dev.create(slot=9, method="onchain", network="TRC20", customerEmail="twice@example.com")
    send(dev, booking["paymentAddress"], booking["amount"])
    dev.wait_for(booking, "CONFIRMED", seconds=60)
    send(dev, booking["paymentAddress"], booking["amount"])

    def flags() -> list[str]:
        return list(dev.http.get(f"{dev.web}/api/payments/status/{booking['bookingId']}", timeout=5).json()["flags"])

    wait_until(lambda: "overpaid" in flags() or "paid_twice" in flags(), seconds=60, what="the second payment")


def test_without_javascript_the_button_shows_what_the_network_has(browser: Browser, dev: Running, errors: list[str]):
    page = a_page(browser, errors, java_script_enabled=False, **PHONE)
    address = hold_a_time_to_pay_on_tron(page, dev, "phone@example.com", 5)
    send(dev, address, "75")

    def is_confirmed() -> bool:
        page.reload()
        return page.get_by_text(CONFIRMED).count() > 0

    page.get_by_role("button", name="I have sent it – check again").click()
    wait_until(is_confirmed, seconds=60, what="the confirmation")
    assert errors == []


@pytest.fixture
def stopped(dev: Running) -> Iterator[None]:
    """Blocks come when they are asked for; afterwards by themselves again, for the other tests of this product."""
    speed_up = dev.control("settings")["trc20_speed_up"]
    dev.control("settings", {"trc20_speed_up": 0})
    yield
    dev.control("settings", {"trc20_speed_up": speed_up})


@pytest.mark.usefixtures("stopped")
def test_a_payment_that_the_network_takes_back_is_waited_for_and_can_be_sent_again(dev: Running):
    booking = dev.create(method="onchain", network="TRC20", customerEmail="ben@example.com", slot=9)
    address = booking["paymentAddress"]
    hashed = send(dev, address, "50")
    dev.wait_for(booking, "PAID")

    dev.control("chains/TRC20/reorg", {"depth": 2, "drop": [hashed]})
    dev.control("chains/TRC20/mine", {"blocks": 3})
    waiting = dev.wait_for(booking, "PENDING")
    send(dev, address, "50")
    dev.control("chains/TRC20/finalize", {})
    confirmed = dev.wait_for(booking, "CONFIRMED")

    assert "paymentDetails" not in waiting
    assert waiting["confirmations"] is None
    assert confirmed["confirmations"] >= 1
    assert confirmed["paymentDetails"]["amount"] == "50"
    assert (confirmed["network"], confirmed["final"]) == ("TRC20", True)
    wait_until(lambda: [m for m in dev.mails("ben@") if m["subject"].startswith("Confirmed")], what="the mail")
    assert len([one for one in dev.mails("ben@") if one["subject"].startswith("Confirmed")]) == 1


def test_the_whole_product_starts_without_binance_pay_and_is_paid_on_tron():
    with running(CALENDAR="builtin", BINANCE_PAY_API_KEY="", BINANCE_PAY_SECRET_KEY="") as alone:
        booking = alone.create()
        assert (booking["method"], booking["network"]) == ("onchain", "TRC20")

        send(alone, booking["paymentAddress"], booking["amount"])

        assert alone.wait_for(booking, "CONFIRMED")["final"] is True
        wait_until(lambda: [m for m in alone.mails("ann@") if m["subject"].startswith("Confirmed")], what="the mail")
