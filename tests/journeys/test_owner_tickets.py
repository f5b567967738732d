"""Tickets in a real browser, without JavaScript too: written, answered by mail, answered again, done; every button."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.harness import wait_until
from tests.journeys.owner import go_to, log_in
from tests.journeys.running import Running, running
from tests.journeys.test_accessibility import LOOKS, look_at
from tests.journeys.test_browser import DESKTOP, PHONE, a_page
from tests.journeys.test_calendars import owner_opens_day_and_night

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def dev() -> Iterator[Running]:
    with running(CALENDAR="builtin", RATE_LIMIT_LOGIN="1000/minute", MEETING_PLACE="") as one:
        yield one


@pytest.fixture
def errors() -> list[str]:
    return []


def mail_to(dev: Running, address: str, subject: str) -> dict[str, Any]:
    def there() -> dict[str, Any] | None:
        return next((one for one in dev.mails(address) if str(one["subject"]).startswith(subject)), None)

    found: dict[str, Any] = wait_until(there, seconds=30, what=f"the mail {subject!r}")
    return found


def link_in(mail: dict[str, Any]) -> str:
    found = re.search(r"http://\S+/(?:booking|help)/\S+", str(mail["text"]))
    assert found, mail
    return found[0]


def test_a_customer_writes_the_owner_answers_and_both_go_on_until_it_is_done(
    browser: Browser, dev: Running, errors: list[str]
):
    owner_opens_day_and_night(browser, dev, errors)
    some_hours_ahead = 10  # so that the place is to be told by tomorrow
    booking = dev.create(
        "portfolio-review", slot=some_hours_ahead, customerName="Ann Example", customerEmail="ann@tickets.example"
    )
    dev.pay(booking)
    dev.wait_for(booking, "CONFIRMED")
    customer = a_page(browser, errors, java_script_enabled=False, **PHONE)
    owner = a_page(browser, errors, **DESKTOP)

    customer.goto(f"{dev.web}/booking/{booking['bookingId']}")
    customer.get_by_role("link", name="Something is wrong? Write to us").click()
    customer.get_by_label("Something about the call").check()
    customer.get_by_label("What has happened?").fill("Where does it take place?")
    customer.get_by_role("button", name="Send").click()
    expect(customer.get_by_role("main")).to_contain_text("You hear from us by")
    number = re.search(r"\d{6}", customer.get_by_role("heading", level=2).inner_text())
    assert number
    mail_to(dev, dev.ready["admin"]["email"], f"A customer wrote: ticket {number[0]}")

    log_in(owner, dev)
    go_to(owner, "Messages")
    owner.get_by_role("link", name="Promises").click()
    expect(owner.get_by_role("table")).to_contain_text("You write where the call takes place")
    owner.get_by_role("link", name=f"An answer, ticket {number[0]}").click()
    expect(owner.get_by_role("main")).to_contain_text("Paid and confirmed.")
    owner.get_by_role("button", name="Take it").click()
    owner.get_by_role("button", name="Give it back").click()
    owner.get_by_role("button", name="Take it").click()
    owner.get_by_label("Priority").select_option("CRITICAL")
    owner.get_by_role("button", name="Change").click()
    expect(owner.get_by_role("main")).to_contain_text("critical priority")
    owner.get_by_label("Your words").fill("She asked before.")
    owner.get_by_role("button", name="Keep it as a note").click()
    expect(owner.locator(".talk")).to_contain_text("She asked before.")
    owner.get_by_role("link", name="Paid and confirmed").click()
    expect(owner.get_by_label("Your words")).to_have_value(re.compile("^Hello Ann Example,"))
    owner.get_by_label("Your words").fill("In our room:\nhttps://meet.example/room")
    owner.get_by_role("button", name="Send the answer").click()
    expect(owner.get_by_role("main")).to_contain_text("waits for the customer")

    mail = mail_to(dev, "ann@tickets.example", "Our answer")
    assert "https://meet.example/room" in mail["text"]
    assert "She asked before" not in mail["text"]
    customer.goto(dev.web)
    customer.goto(link_in(mail))
    expect(customer.locator(".talk")).to_contain_text("https://meet.example/room")
    expect(customer.locator(".talk")).not_to_contain_text("She asked before")
    customer.get_by_label("Your answer").fill("Thank you, found it.")
    customer.get_by_role("button", name="Send").first.click()
    expect(customer.locator(".talk")).to_contain_text("Thank you, found it.")

    owner.get_by_role("link", name="All messages").click()
    owner.get_by_role("link", name="Mine").click()
    owner.get_by_role("link", name=number[0]).click()
    expect(owner.locator(".talk")).to_contain_text("Thank you, found it.")
    owner.get_by_role("button", name="Done", exact=True).click()
    expect(owner.get_by_role("button", name="Open again")).to_be_visible()
    owner.get_by_role("button", name="Open again").click()
    owner.get_by_label("Your words").fill("See you there.")
    owner.get_by_role("button", name="Send it, and done").click()
    expect(owner.get_by_role("button", name="Open again")).to_be_visible()
    for name in ("Open", "Late", "Waiting for the customer", "Done"):
        owner.goto(f"{dev.web}/admin/tickets")
        owner.get_by_role("link", name=name, exact=True).click()
        expect(owner.get_by_role("link", name=number[0])).to_have_count(int(name == "Done"))
    customer.reload()
    expect(customer.get_by_role("main")).to_contain_text("Settled")
    assert errors == []
    customer.context.close()
    owner.context.close()


@pytest.mark.parametrize("look", LOOKS, ids=["wide and light", "narrow and dark"])
def test_every_page_of_tickets_can_be_used_by_everybody(browser: Browser, dev: Running, look: dict[str, Any]):
    booking = dev.create("deep-dive", customerEmail=f"axe{look['viewport']['width']}@tickets.example")
    page = browser.new_context(bypass_csp=True, **look).new_page()
    page.set_default_timeout(45_000)
    problems: dict[str, list[str]] = {}

    page.goto(f"{dev.web}/help")
    problems["contact"] = look_at(page)
    page.goto(f"{dev.web}/booking/{booking['bookingId']}/help")
    problems["question"] = look_at(page)
    page.get_by_label("I cannot pay").check()
    page.get_by_label("What has happened?").fill("The app does not open.")
    page.get_by_role("button", name="Send").click()
    problems["conversation"] = look_at(page)
    log_in(page, dev)
    page.goto(f"{dev.web}/admin/promises")
    problems["promises"] = look_at(page)
    page.goto(f"{dev.web}/admin/tickets")
    problems["tickets"] = look_at(page)
    page.get_by_role("table").get_by_role("link").first.click()
    problems["ticket"] = look_at(page)
    page.get_by_label("Your words").fill("x" * 4000)
    page.evaluate("document.getElementById('text').value += 'x'")
    page.get_by_role("button", name="Send the answer").click()
    problems["refused answer"] = look_at(page)
    page.goto(f"{dev.web}/admin/bookings/{str(booking['merchantTradeNo'])[:24]}")
    problems["booking"] = look_at(page)
    page.get_by_role("link", name="Begin a conversation…").click()
    problems["first word"] = look_at(page)

    assert {place: found for place, found in problems.items() if found} == {}
    page.context.close()


def test_the_owner_writes_first_and_keeps_something_in_mind(browser: Browser, dev: Running, errors: list[str]):
    booking = dev.create("quick-question", customerName="Bob", customerEmail="bob@tickets.example")
    page = a_page(browser, errors, **PHONE)
    log_in(page, dev)
    page.goto(f"{dev.web}/admin/bookings/{str(booking['merchantTradeNo'])[:24]}")
    page.get_by_role("link", name="Begin a conversation…").click()
    page.get_by_label("Subject").fill("Your question")
    page.get_by_label("Your words").fill("What is it about?")
    page.get_by_label("Priority").select_option("LOW")
    page.get_by_role("button", name="Send it").click()
    expect(page.get_by_role("main")).to_contain_text("waits for the customer")
    page.goto(link_in(mail_to(dev, "bob@tickets.example", "A message for you")))
    expect(page.locator(".talk")).to_contain_text("What is it about?")

    page.goto(f"{dev.web}/admin/tickets")
    page.get_by_role("link", name="New ticket for ourselves").click()
    page.get_by_label("Subject").fill("The room")
    page.get_by_label("Your words").fill("Pay its rent")
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_role("button", name="Send the answer")).to_have_count(0)
    page.get_by_role("button", name="Done", exact=True).click()
    expect(page.get_by_role("button", name="Open again")).to_be_visible()
    assert errors == []
    page.context.close()


def test_a_stranger_uses_the_contact_form(browser: Browser, dev: Running, errors: list[str]):
    page = a_page(browser, errors, **DESKTOP)
    page.goto(dev.web)
    page.get_by_role("link", name="Write to us").click()
    page.get_by_label("Your e-mail").fill("eve@tickets.example")
    page.get_by_label("Something else").check()
    page.get_by_label("What has happened?").fill("Do you speak French?")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".talk")).to_contain_text("Do you speak French?")
    own = page.url
    log_in(page, dev)
    page.goto(f"{dev.web}/admin/tickets")
    page.locator("tr", has_text="eve@tickets.example").get_by_role("link").click()
    page.get_by_label("Your words").fill("A little.")
    page.get_by_role("button", name="Send the answer").click()
    assert link_in(mail_to(dev, "eve@tickets.example", "Our answer")) == own
    page.goto(own)
    page.get_by_label("Your answer").fill("Très bien.")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".talk")).to_contain_text("Très bien.")
    assert errors == []
    page.context.close()
