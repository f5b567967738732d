"""The owner looks after single bookings, in a real browser: every button of a booking's page, and the evidence."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.harness import wait_until
from tests.journeys.owner import go_to, log_in
from tests.journeys.running import Running, running
from tests.journeys.test_accessibility import LOOKS, look_at

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def dev() -> Iterator[Running]:
    with running(CALENDAR="builtin") as one:
        yield one


@pytest.fixture(scope="module")
def page(browser: Browser, dev: Running) -> Iterator[Page]:
    """The owner, logged in, on a wide and light screen. An error in the browser's console fails the test."""
    context = browser.new_context(timezone_id="Europe/Berlin", bypass_csp=True, **LOOKS[0])
    one = context.new_page()
    one.set_default_timeout(45_000)
    errors: list[str] = []
    one.on("pageerror", lambda error: errors.append(str(error)))
    log_in(one, dev)
    expect(one.get_by_role("heading", name="Today", exact=True)).to_be_visible()
    yield one
    assert errors == []
    context.close()


def open_booking(page: Page, dev: Running, booking: dict[str, Any]) -> None:
    page.goto(f"{dev.web}/admin/bookings/{str(booking['merchantTradeNo'])[:24]}")


def a_confirmed(dev: Running, slot: int, email: str) -> dict[str, Any]:
    booking = dev.create(slot=slot, customerEmail=email)
    dev.pay(booking)
    dev.wait_for(booking, "CONFIRMED")
    wait_until(lambda: [m for m in dev.mails(email) if m["subject"].startswith("Confirmed")], what="the confirmation")
    return booking


def test_the_story_notes_letters_and_mails_of_a_confirmed_call(page: Page, dev: Running):
    booking = a_confirmed(dev, 20, "ann@example.com")
    open_booking(page, dev, booking)
    expect(page.locator("#why")).to_contain_text("Binance answered our own question with 50 USDT paid")
    accepted = page.locator("#story").get_by_text("The mail server accepted the mail “Confirmed”.")
    wait_until(lambda: accepted.count() or (page.reload() and accepted.count()), what="the mail to be told of")

    page.get_by_label("A note for yourselves").fill("Wants to talk about taxes")
    page.get_by_role("button", name="Keep this note").click()
    expect(page.locator("#notes")).to_contain_text("Wants to talk about taxes")

    page.get_by_role("button", name="Send the mail “Confirmed” again").click()
    expect(page.locator("#mails")).to_contain_text("Confirmed (once more)")
    wait_until(
        lambda: len([m for m in dev.mails("ann@") if m["subject"].startswith("Confirmed")]) == 2, what="the mail again"
    )

    page.get_by_role("link", name="Write to the customer…").click()
    page.get_by_label("Your words").fill("Please ring twice.")
    page.get_by_role("button", name="Send it").click()
    wait_until(lambda: [m for m in dev.mails("ann@") if "Please ring twice." in m["text"]], what="the letter")

    page.get_by_role("button", name="Ask Binance again").click()
    expect(page.locator("#why")).to_contain_text("the time is secured")


def test_a_call_is_moved_by_a_click_and_by_the_own_clock(page: Page, dev: Running):
    booking = a_confirmed(dev, 30, "bob@example.com")
    open_booking(page, dev, booking)
    page.get_by_role("link", name="Move the call…").click()
    page.get_by_role("link", name="Later days").click()
    page.locator("label.slot").nth(3).click()
    page.get_by_role("button", name="Move the call to this time").click()
    expect(page.locator("#story")).to_contain_text("You moved the call to another time.")
    wait_until(lambda: [m for m in dev.mails("bob@") if m["subject"].startswith("Moved")], what="the mail")

    page.get_by_role("link", name="Move the call…").click()
    day = datetime.now(UTC).date() + timedelta(days=9)
    page.get_by_label("Day", exact=True).fill(f"{day}")
    page.get_by_label("Time", exact=True).fill("04:05")
    page.get_by_role("button", name="Move the call to that time").click()
    expect(page.locator(".facts").first).to_contain_text("04:05")


@pytest.mark.parametrize(
    ("choice", "button"),
    [("A part of it goes back", "Refund 20 USDT"), ("None of it", "Cancel the call, keep 50 USDT")],
)
def test_a_call_is_cancelled_and_the_money_goes_as_was_chosen(page: Page, dev: Running, choice: str, button: str):
    booking = a_confirmed(dev, 40, "cat@example.com")
    open_booking(page, dev, booking)
    page.get_by_role("link", name="Cancel…").click()
    page.get_by_label(choice).check()
    if "20" in button:
        page.get_by_label("How much, if a part").fill("20")
    page.get_by_label("Reason").fill("I am ill")
    page.get_by_role("button", name="Look at the consequence").click()
    expect(page.get_by_text("Nothing has been done yet.")).to_be_visible()
    page.get_by_role("button", name=button).click()
    expect(page.locator("#why")).to_contain_text("You cancelled the confirmed call")


def test_personal_data_is_erased_once_everything_is_over(page: Page, dev: Running):
    booking = a_confirmed(dev, 45, "ivy@example.com")
    open_booking(page, dev, booking)
    expect(page.locator("#doing")).to_contain_text("cannot be erased yet: The booking is not over yet.")
    page.get_by_role("link", name="Refund…").click()
    page.get_by_label("Reason").fill("as agreed")
    page.get_by_role("button", name="Look at the consequence").click()
    with page.expect_navigation():
        page.get_by_role("button", name="Refund 50 USDT").click()
    dev.wait_for(booking, "REFUNDED")
    link = page.get_by_role("link", name="Erase personal data…")
    wait_until(lambda: page.reload() and link.is_visible(), what="the end of what is owed")
    link.click()
    page.get_by_role("button", name="Erase it for good").click()
    expect(page.locator("#story")).to_contain_text("The personal data was erased.")
    expect(page.locator("main")).not_to_contain_text("ivy@example.com")


def test_cash_confirms_by_hand_and_goes_back_by_hand(page: Page, dev: Running):
    booking = dev.create(slot=50, customerEmail="dan@example.com")
    open_booking(page, dev, booking)
    expect(page.locator("#why")).to_contain_text("nothing was paid yet")
    page.get_by_role("link", name="Confirm by hand…").click()
    page.get_by_label("The money came by another way").check()
    page.get_by_label("How much came").fill("50")
    page.get_by_label("What proves it").fill("receipt 17")
    page.get_by_label("Reason").fill("paid in cash")
    page.get_by_role("button", name="Ask Binance, then confirm").click()
    expect(page.locator("#why")).to_contain_text("You confirmed it by hand: 50 USDT came by another way")
    dev.wait_for(booking, "CONFIRMED")

    page.get_by_text("I sent money back by the way it came…").click()
    page.get_by_label("What has gone back").fill("50")
    page.get_by_role("button", name="Write it down").click()
    expect(page.locator("#doing")).to_contain_text("Sent back by the same way")


def test_an_unpaid_booking_is_cancelled(page: Page, dev: Running):
    booking = dev.create(slot=60, customerEmail="eve@example.com")
    open_booking(page, dev, booking)
    page.get_by_role("link", name="Cancel…").click()
    page.get_by_label("Reason").fill("a mistake")
    page.get_by_role("button", name="Look at the consequence").click()
    with page.expect_navigation():
        page.get_by_role("button", name="Cancel the booking").click()
    dev.wait_for(booking, "CANCELLED")
    page.reload()
    expect(page.locator("#why")).to_contain_text("You cancelled it before anything was paid.")


def test_a_notice_is_looked_at_and_replayed_without_changing_anything(page: Page, dev: Running):
    booking = a_confirmed(dev, 70, "fay@example.com")
    open_booking(page, dev, booking)
    for summary in page.locator("#story summary").all():
        summary.click()
    page.locator("#story").get_by_role("link", name="Look at it").first.click()
    expect(page.locator("pre").last).to_contain_text(f'"merchantTradeNo": "{booking["merchantTradeNo"]}"')
    page.get_by_role("link", name="Replay it, changing nothing").click()
    expect(page.get_by_text("it is the same, to the last field")).to_be_visible()
    expect(page.get_by_text("Proven harmless")).to_be_visible()
    go_to(page, "Evidence")
    expect(page.get_by_role("table")).to_contain_text("A notice of Binance said that it was paid.")


@pytest.mark.parametrize("look", LOOKS, ids=["wide and light", "narrow and dark"])
def test_everybody_can_use_these_pages(browser: Browser, page: Page, dev: Running, look: dict[str, Any]):
    number = 80 + LOOKS.index(look)
    paid = a_confirmed(dev, number, "gil@example.com")
    unpaid = dev.create(slot=number + 8, customerEmail="hal@example.com")
    parts = [(paid, one) for one in ("", "/letter", "/move", "/call-off", "/erase")]
    parts += [(unpaid, one) for one in ("", "/by-hand", "/call-off")]
    context = browser.new_context(bypass_csp=True, storage_state=page.context.storage_state(), **look)
    one = context.new_page()
    problems: dict[str, list[str]] = {}
    for booking, part in parts:
        open_booking(one, dev, booking)
        one.goto(one.url + part)
        problems[f"{booking['bookingId']}{part}"] = look_at(one)
    one.get_by_label("Reason").fill("a mistake")
    one.get_by_role("button", name="Look at the consequence").click()
    problems["call-off preview"] = look_at(one)
    one.goto(f"{dev.web}/admin/evidence/")
    problems["evidence"] = look_at(one)
    one.locator("td a").first.click()
    problems["notice"] = look_at(one)
    one.get_by_role("link", name=re.compile("Replay it")).click()
    problems["replay"] = look_at(one)

    assert {place: found for place, found in problems.items() if found} == {}
    context.close()


def test_half_of_a_payment_goes_back_in_five_taps_on_a_phone(browser: Browser, dev: Running):
    """Found by typing the name, without a search page between: booking, form and preview are the screens."""
    booking = dev.create(slot=80, customerEmail="gil@example.com", customerName="Gil Tavares")
    dev.pay(booking)
    dev.wait_for(booking, "CONFIRMED")
    context = browser.new_context(bypass_csp=True, **LOOKS[1])
    phone = context.new_page()
    phone.set_default_timeout(45_000)
    log_in(phone, dev)
    screens: list[str] = []
    phone.on("framenavigated", lambda frame: screens.append(frame.url))

    phone.get_by_label("Find a booking").click()
    phone.keyboard.type("tavares")
    phone.get_by_role("link", name="Gil Tavares").click()
    phone.get_by_role("link", name="Refund…").click()
    phone.get_by_label("Amount").fill("25")
    phone.get_by_label("Reason").fill("as agreed")
    phone.get_by_role("button", name="Look at the consequence").click()
    expect(phone.get_by_role("heading", level=1)).to_have_text("Refund 25 USDT, the call stays?")

    assert len(screens) == 3
    phone.get_by_role("button", name="Refund 25 USDT, the call stays").click()
    expect(phone.locator("#money")).to_contain_text("refunded by you")
    dev.wait_for(booking, "CONFIRMED")
    context.close()
