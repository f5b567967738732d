"""Each calendar in a real browser: Calendly's frame, its times on our own pages, and our own calendar. Not paid in
time, moved, cancelled, booked past our pages, and with a frame that is blocked."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect

from tests.harness import wait_until
from tests.journeys.owner import log_in
from tests.journeys.running import Running, running
from tests.journeys.test_browser import DESKTOP, PHONE, a_page, choose_a_day, hold_a_time, order_on

pytestmark = [pytest.mark.slow, pytest.mark.browser]
PAYMENT = "#payment"


@pytest.fixture(scope="module")
def calendly() -> Iterator[Running]:
    """With its webhooks coming here: the first look connects by itself."""
    with running() as dev:
        yield dev


@pytest.fixture(scope="module")
def builtin() -> Iterator[Running]:
    with running(CALENDAR="builtin") as dev:
        yield dev


@pytest.fixture
def errors() -> list[str]:
    return []


def pick(frame: FrameLocator | Page, email: str, *, time: int = 0) -> None:
    """Like a customer on Calendly's page, in a frame or not."""
    choose_a_day(frame)
    frame.locator("input[name=start_time]").nth(time).check()
    frame.get_by_label("Name").fill("Ann Example")
    frame.get_by_label("Email").fill(email)
    frame.get_by_role("button", name="Schedule Event").click()


def open_frame(page: Page, dev: Running, type_id: str = "portfolio-review") -> FrameLocator:
    page.goto(f"{dev.web}/book/{type_id}")
    page.get_by_label(re.compile("terms", re.IGNORECASE)).check()
    page.get_by_role("button", name=re.compile("Choose a time")).click()
    return page.frame_locator("iframe.calendly")


def your_time(page: Page) -> str:
    return page.locator("dl.facts div", has_text="Your time").first.inner_text()


def pay(page: Page, dev: Running) -> None:
    dev.control(f"orders/{order_on(page, dev)['merchantTradeNo']}/pay", {})
    expect(page.locator(PAYMENT)).to_contain_text("Paid and confirmed")


def event_on(page: Page, dev: Running) -> dict[str, Any]:
    """The stand-in's newest event."""
    found: dict[str, Any] = dev.control("events")[-1]
    return found


def is_subscribed(dev: Running) -> bool:
    calls = dev.control("calls?call=webhook_subscriptions")
    return any((one["method"], one["status"]) == ("POST", 201) for one in calls)


@pytest.mark.parametrize("way", ["calendly", "calendly_api", "builtin"])
def test_a_time_that_is_not_paid_is_offered_to_others_again(browser: Browser, errors: list[str], way: str):
    with running(CALENDAR=way, PAYMENT_EXPIRY_MINUTES="0.15") as dev:
        page = a_page(browser, errors, **PHONE)
        before = dev.slots("portfolio-review")
        if way == "calendly":
            pick(open_frame(page, dev), "late@example.com")
        else:
            hold_a_time(page, dev, "late@example.com", 5)
        expect(page.locator(PAYMENT)).to_contain_text("75 USDT")
        held = dev.slots("portfolio-review")

        expect(page.locator(PAYMENT)).to_contain_text("The time to pay is over")
        expect(page.locator(PAYMENT)).to_contain_text("Nothing was paid")

        assert len(held) < len(before)
        first, last = held[0]["start"], held[-1]["start"]
        wanted = [one for one in before if first <= one["start"] <= last]
        wait_until(
            lambda: [one for one in dev.slots("portfolio-review") if first <= one["start"] <= last] == wanted,
            seconds=30,
            what="the time that is free again",
        )
        wait_until(lambda: [one for one in dev.mails("late@") if "Nothing is owed" in str(one)], what="the mail")
        assert errors == []
        page.context.close()


def test_in_the_frame_another_time_is_chosen_before_paying(browser: Browser, calendly: Running, errors: list[str]):
    page = a_page(browser, errors, **DESKTOP)
    pick(open_frame(page, calendly), "changer@example.com", time=2)
    expect(page.locator(PAYMENT)).to_contain_text("75 USDT")
    before, first = your_time(page), event_on(page, calendly)

    page.get_by_role("link", name="Change the time").click()
    frame = page.frame_locator("iframe.calendly")
    choose_a_day(frame)
    frame.locator("input[name=start_time]").nth(6).check()
    expect(frame.get_by_label("Email")).to_have_value("changer@example.com")
    frame.get_by_role("button", name="Schedule Event").click()
    expect(page.locator(PAYMENT)).to_contain_text("75 USDT")

    assert your_time(page) != before
    wait_until(lambda: _status(calendly, first) == "canceled", what="the first time freed")
    pay(page, calendly)
    assert len([one for one in calendly.control("events") if one["status"] == "active"]) >= 1
    assert errors == []
    page.context.close()


def _status(dev: Running, event: dict[str, Any]) -> str:
    return str(next(one["status"] for one in dev.control("events") if one["id"] == event["id"]))


def test_a_paid_call_moved_in_calendlys_own_mail_is_followed_on_our_page(
    browser: Browser, calendly: Running, errors: list[str]
):
    page = a_page(browser, errors, **PHONE)
    pick(open_frame(page, calendly), "mover@example.com")
    expect(page.locator(PAYMENT)).to_contain_text("75 USDT")
    pay(page, calendly)
    before = your_time(page)

    calendly.control(f"events/{event_on(page, calendly)['id']}/reschedule", {})

    def is_moved() -> bool:
        page.reload()
        return your_time(page) != before

    wait_until(is_moved, seconds=30, what="the new time")
    expect(page.locator(PAYMENT)).to_contain_text("Paid and confirmed")
    assert not calendly.control("refunds")
    assert errors == []
    page.context.close()


def test_who_books_past_our_pages_pays_by_the_mails_link(browser: Browser, calendly: Running, errors: list[str]):
    page = a_page(browser, errors, **PHONE)
    wait_until(lambda: is_subscribed(calendly), seconds=60, what="the subscription")
    page.goto(f"{calendly.ready['sandbox']}/calendly/schedule/inspired-analyst/mentoring")
    pick(page, "past@example.com", time=1)
    (mail,) = wait_until(lambda: calendly.mails("past@"), seconds=60, what="the mail with the way to pay")
    link = re.search(r"http://\S+/booking/[\w-]+", str(mail))
    assert link

    errors.clear()  # of the stand-in's own page
    page.goto(link[0])
    expect(page.locator(PAYMENT)).to_contain_text("75 USDT")
    pay(page, calendly)

    assert errors == []
    page.context.close()


def test_a_blocked_frame_gives_way_to_calendlys_own_page_and_back(
    browser: Browser, calendly: Running, errors: list[str]
):
    page = a_page(browser, errors, **DESKTOP)
    page.route("**/calendly/schedule/**", lambda route: route.abort())
    open_frame(page, calendly)
    expect(page.locator("#no-frame")).to_contain_text("The calendar cannot be shown here")
    expect(page.locator("iframe.calendly")).to_be_hidden()
    address = page.url
    page.get_by_role("button", name="I have picked a time").click()
    expect(page.get_by_role("alert").first).to_contain_text("does not show a new time of yours yet")
    page.goto(address)

    with page.context.expect_page() as opened:
        page.get_by_role("link", name=re.compile("own page")).click()
    other = opened.value
    pick(other, "blocked@example.com")
    other.close()
    if not page.locator(PAYMENT).count():  # its webhook may have been faster
        page.get_by_role("button", name="I have picked a time").click()

    expect(page.locator(PAYMENT)).to_contain_text("75 USDT")
    pay(page, calendly)
    page.context.close()


@pytest.mark.parametrize(
    ("hours", "back"), [(72, "75 USDT goes back"), (14, "37.5 USDT goes back"), (1, "Nothing goes back")]
)
def test_a_call_is_cancelled_in_each_refund_window(
    browser: Browser, builtin: Running, errors: list[str], hours: int, back: str
):
    owner_opens_day_and_night(browser, builtin, errors)
    page = a_page(browser, errors, timezone_id="Europe/London", **PHONE)
    page.goto(f"{builtin.web}/book/portfolio-review")
    page.wait_for_load_state("networkidle")
    wanted = datetime.now(UTC) + timedelta(hours=hours)
    while page.locator("label.slot input").last.get_attribute("value") < wanted.isoformat():  # type: ignore[operator]
        page.get_by_role("link", name=re.compile("Later|later")).first.click()
        page.wait_for_load_state("networkidle")
    values = [one.get_attribute("value") or "" for one in page.locator("label.slot input").all()]
    place = next(place for place, value in enumerate(values) if value >= wanted.isoformat()[:19])
    page.locator("label.slot").nth(place).click()
    page.get_by_label("Your name").fill("Ann Example")
    page.get_by_label("Your e-mail").fill(f"window{hours}@example.com")
    page.get_by_label(re.compile("terms", re.IGNORECASE)).check()
    page.get_by_role("button", name=re.compile("Hold this time")).click()
    expect(page.locator(PAYMENT)).to_contain_text("75 USDT")
    pay(page, builtin)

    page.get_by_role("link", name="Cancel this call").click()
    expect(page.get_by_role("main")).to_contain_text(back.split(" goes")[0])
    page.get_by_role("button", name=re.compile("Cancel the call")).click()
    expect(page.locator(PAYMENT)).to_contain_text("This call is cancelled")
    mail = wait_until(
        lambda: [one for one in builtin.mails(f"window{hours}@") if "Cancelled" in one["subject"]], what="the mail"
    )

    assert back.split(" goes")[0] in str(mail)
    assert errors == []
    page.context.close()


def owner_opens_day_and_night(browser: Browser, dev: Running, errors: list[str]) -> None:
    """In the admin area, as the owner does it: every hour of the week, without notice."""
    page = a_page(browser, errors, **DESKTOP)
    log_in(page, dev, "/admin/calls/portfolio-review")
    expect(page).to_have_url(re.compile("/admin/calls/portfolio-review"))
    page.locator("input[name=notice]").fill("0")
    if not page.locator("input[name=own_hours]").is_visible():
        page.get_by_text("Hours of its own").click()
    page.locator("input[name=own_hours]").check()
    for name in ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"):
        page.locator(f"input[name={name}]").fill("0:00-24:00")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible()
    page.context.close()
