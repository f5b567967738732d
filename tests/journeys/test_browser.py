"""The whole journey as a visitor walks it, in a real browser: desktop, phone, and with JavaScript off."""

import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Browser, FrameLocator, Page, Route, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.harness import wait_until
from tests.journeys.running import Running, running

pytestmark = [pytest.mark.slow, pytest.mark.browser]

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}


@pytest.fixture(scope="module")
def builtin() -> Iterator[Running]:
    with running(CALENDAR="builtin") as one:
        yield one


@pytest.fixture(scope="module")
def calendly() -> Iterator[Running]:
    with running() as one:
        yield one


@pytest.fixture
def errors() -> list[str]:
    return []


def a_page(browser: Browser, errors: list[str], **options: Any) -> Page:
    context = browser.new_context(**options)
    context.set_default_timeout(45_000)
    page = context.new_page()
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    return page


def hold_a_time(page: Page, dev: Running, email: str, number: int) -> None:
    page.goto(dev.web)
    page.get_by_role("link", name=re.compile("Portfolio review")).first.click()
    page.wait_for_load_state("networkidle")
    page.locator("label.slot").nth(number).click()
    page.get_by_label("Your name").fill("Ann Example")
    page.get_by_label("Your e-mail").fill(email)
    page.get_by_label(re.compile("terms", re.IGNORECASE)).check()
    page.get_by_role("button", name=re.compile("Hold this time")).click()
    expect(page).to_have_url(re.compile(r"/booking/[A-Za-z0-9_-]+$"))


def choose_a_day(frame: FrameLocator | Page) -> None:
    """On Calendly's page: the fourth day that is offered, in the next month where this one has too few left. So it is
    days ahead, and calls of other tests are on the same one, whatever day it is today."""
    expect(frame.locator("table.month")).to_be_visible()
    if frame.locator("a.day").count() < 4:
        frame.get_by_label("Next month").click()
    frame.locator("a.day").nth(3).click()


def decoded_qr(page: Page) -> str:
    """The QR code as a phone's camera would read it: from a picture of the page."""
    picture = page.locator("#payment svg").first.screenshot()
    (found,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)))
    return str(found.text)


def order_on(page: Page, dev: Running) -> dict[str, Any]:
    token = page.url.rsplit("/", 1)[1]
    status = dev.http.get(f"{dev.web}/api/payments/status/{token}", timeout=5).json()
    assert status["status"] == "PENDING"
    found: dict[str, Any] = dev.control("orders")[-1]
    return found


@pytest.mark.parametrize(("name", "device"), [("desktop", DESKTOP), ("phone", PHONE)])
def test_book_see_the_qr_pay_and_be_confirmed_without_reloading(
    browser: Browser, builtin: Running, errors: list[str], name: str, device: dict[str, Any]
):
    page = a_page(browser, errors, timezone_id="America/New_York", **device)
    hold_a_time(page, builtin, f"{name}@example.com", 3)

    expect(page.locator("#payment")).to_contain_text("75 USDT")
    expect(page.locator("#payment")).to_contain_text("America/New_York")
    expect(page.locator("#payment")).to_contain_text("Europe/London")
    order = order_on(page, builtin)
    assert decoded_qr(page) == qr_content(builtin, order)
    page.evaluate("window.stayed = true")
    builtin.control(f"orders/{order['merchantTradeNo']}/pay", {})

    expect(page.locator("#payment")).to_contain_text("Paid and confirmed")
    expect(page.locator("#payment")).to_contain_text("Where:")
    assert page.evaluate("window.stayed") is True
    expect(page.locator("#payment[hx-trigger]")).to_have_count(0)  # once its mail has gone out, it asks no more
    wait_until(lambda: [m for m in builtin.mails(f"{name}@") if m["subject"].startswith("Confirmed")], what="the mail")
    assert errors == []
    page.context.close()


def qr_content(dev: Running, order: dict[str, Any]) -> str:
    """What the provider said the QR code has to hold; read from our database, where its answer is kept."""
    import pymongo

    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(dev.ready["mongodb_uri"])
    with client:
        booking = client[dev.ready["database"]]["bookings"].find_one({"_id": order["merchantTradeNo"][:-3]})
    assert booking is not None
    return str(booking["attempts"][-1]["checkout"]["qr_content"])


@pytest.mark.parametrize(("name", "device"), [("desktop", DESKTOP), ("phone", PHONE)])
def test_a_time_is_kept_while_other_days_are_looked_at(
    browser: Browser, builtin: Running, errors: list[str], name: str, device: dict[str, Any]
):
    page = a_page(browser, errors, timezone_id="America/New_York", **device)
    page.goto(f"{builtin.web}/book/portfolio-review")
    page.wait_for_load_state("networkidle")
    page.get_by_label("Your name").fill("Ann Example")
    first = page.locator(".day legend").last.inner_text()
    page.get_by_role("link", name="Later days").click()
    expect(page.locator(".day legend").last).not_to_have_text(first)
    page.get_by_role("link", name="Earlier days").click()
    expect(page.locator(".day legend").last).to_have_text(first)
    assert errors == [], "looking at other days before one is chosen"
    page.locator("label.slot").nth(5).click()
    chosen = page.locator("[name=start]:checked").get_attribute("value")

    for where in ("Later days", "Later days", "Earlier days"):
        shown = page.locator(".day legend").last.inner_text()
        page.get_by_role("link", name=where).click()
        expect(page.locator(".day legend").last).not_to_have_text(shown)
        expect(page.locator("[name=start]:checked")).to_have_value(str(chosen))
        expect(page.locator(".kept legend")).to_contain_text("Chosen:")

    expect(page.get_by_label("Your name")).to_have_value("Ann Example")
    assert errors == []
    page.context.close()


def test_no_time_can_be_picked_while_other_days_are_on_their_way(browser: Browser, builtin: Running, errors: list[str]):
    page = a_page(browser, errors, timezone_id="Europe/London", **DESKTOP)
    page.goto(f"{builtin.web}/book/portfolio-review")
    page.wait_for_load_state("networkidle")
    first = page.locator(".day legend").last.inner_text()
    waiting: list[Route] = []
    page.route(re.compile(r"\?from="), lambda route: waiting.append(route))
    page.get_by_role("link", name="Later days").click()
    wait_until(lambda: waiting or page.wait_for_timeout(50), what="the request for other days")
    with pytest.raises(PlaywrightTimeout):
        page.locator("label.slot").nth(3).click(timeout=500)

    waiting[0].continue_()
    expect(page.locator(".day legend").last).not_to_have_text(first)
    expect(page.get_by_role("link", name="Later days")).to_be_focused()
    page.locator("label.slot").nth(3).click()
    expect(page.locator("label.slot input").nth(3)).to_be_checked()
    assert errors == []
    page.context.close()


def test_the_whole_journey_without_javascript(browser: Browser, builtin: Running, errors: list[str]):
    page = a_page(browser, errors, java_script_enabled=False, **DESKTOP)
    hold_a_time(page, builtin, "nojs@example.com", 8)
    order = order_on(page, builtin)
    assert decoded_qr(page) == qr_content(builtin, order)

    builtin.control(f"orders/{order['merchantTradeNo']}/pay", {})

    expect(page.locator("#payment")).to_contain_text("Paid and confirmed")  # by meta refresh alone
    assert errors == []
    page.context.close()


@pytest.mark.parametrize(("name", "device"), [("desktop", DESKTOP), ("phone", PHONE)])
def test_a_time_picked_in_calendlys_frame_leads_to_the_payment(
    browser: Browser, calendly: Running, errors: list[str], name: str, device: dict[str, Any]
):
    page = a_page(browser, errors, timezone_id="Europe/Berlin", **device)
    page.goto(f"{calendly.web}/book/deep-dive")
    page.get_by_label(re.compile("terms", re.IGNORECASE)).check()
    page.get_by_role("button", name=re.compile("Choose a time")).click()
    frame = page.frame_locator("iframe.calendly")
    choose_a_day(frame)
    frame.locator("input[name=start_time]").first.check()
    frame.get_by_label("Name").fill("Ann Example")
    frame.get_by_label("Email").fill(f"{name}@example.com")
    frame.get_by_role("button", name="Schedule Event").click()

    expect(page.locator("#payment")).to_contain_text("150 USDT")
    expect(page.locator("#payment")).to_contain_text("Europe/Berlin")
    calendly.control(f"orders/{order_on(page, calendly)['merchantTradeNo']}/pay", {})

    expect(page.locator("#payment")).to_contain_text("Paid and confirmed")
    assert errors == []
    page.context.close()


def test_a_wrong_clock_of_the_visitor_does_not_touch_the_countdown(
    browser: Browser, builtin: Running, errors: list[str]
):
    page = a_page(browser, errors, **DESKTOP)
    page.add_init_script(
        "Date.now = () => 0; const D = Date; window.Date = class extends D { constructor(...a) "
        "{ a.length ? super(...a) : super(0); } static now() { return 0; } };"
    )
    hold_a_time(page, builtin, "clock@example.com", 12)

    shown = page.locator("#payment [data-expires]")
    expect(shown).to_have_text(re.compile(r"^1[45]:\d\d$"))
    page.context.close()


def test_cancelling_before_paying_says_what_happens_and_frees_the_time(
    browser: Browser, builtin: Running, errors: list[str]
):
    page = a_page(browser, errors, **PHONE)
    hold_a_time(page, builtin, "leaving@example.com", 15)
    order = order_on(page, builtin)
    page.get_by_role("link", name="Cancel booking").click()
    page.get_by_role("button", name="Cancel booking").click()

    expect(page.locator("#payment")).to_contain_text("This booking is cancelled")
    assert (
        next(o for o in builtin.control("orders") if o["merchantTradeNo"] == order["merchantTradeNo"])["status"]
        == "CANCELED"
    )
    page.context.close()


def test_the_time_can_be_changed_before_paying(browser: Browser, builtin: Running, errors: list[str]):
    page = a_page(browser, errors, timezone_id="Europe/London", **DESKTOP)
    hold_a_time(page, builtin, "moving@example.com", 18)
    before = page.locator("#payment dl dd").first.inner_text()
    page.get_by_role("link", name="Change the time").click()
    page.locator("label.slot").nth(25).click()
    page.get_by_role("button").last.click()

    expect(page.locator("#payment dl dd").first).not_to_have_text(before)
    assert errors == []
    page.context.close()


def test_create_failing_the_page_says_so_and_then_shows_the_qr(browser: Browser, builtin: Running, errors: list[str]):
    builtin.control("faults", {"binance": [{"call": "create", "fault": "http_500", "times": 2}]})
    page = a_page(browser, errors, **DESKTOP)
    hold_a_time(page, builtin, "retry@example.com", 21)

    expect(page.locator("#payment")).to_contain_text("few seconds")
    expect(page.locator("#payment svg").first).to_be_visible()
    assert errors == []
    page.context.close()
