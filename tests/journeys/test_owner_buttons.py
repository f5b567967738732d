"""The owner's rarer buttons in a real browser: each pressed where it stands, and its effect seen on a page.

What leads to them (a rejected refund, a call that has begun, a mail that nobody takes) is brought about in the stand-in
or written into the database, as nobody waits for it here.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pymongo
import pytest
from playwright.sync_api import Browser, Page, expect
from pymongo.database import Database

from inspired.adapters.mongo.alerts import Alerts
from inspired.adapters.mongo.bookings import Bookings
from inspired.adapters.mongo.ledger_store import Cases, Orphans
from inspired.adapters.mongo.ledger_store import Orphan as OrphanPayment
from inspired.adapters.mongo.people import People
from inspired.domain.booking import delivery
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.outbox import Email, SendEmail
from inspired.domain.booking.reconciliation import Difference
from inspired.domain.monitoring import alerts, runbook
from inspired.domain.monitoring.alerts import Seen
from inspired.domain.shared.money import Money
from inspired.domain.shared.slots import Span
from tests.harness import ROOT, wait_until
from tests.journeys.running import Running, running
from tests.journeys.test_browser import DESKTOP, a_page
from tests.journeys.test_door import log_in, site

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def dev() -> Iterator[Running]:
    with running(CALENDAR="builtin", BUSY_FEED_URLS="http://127.0.0.1:1/calendar.ics") as one:
        yield one


@pytest.fixture(scope="module")
def database(dev: Running) -> Iterator[Database[dict[str, Any]]]:
    with pymongo.MongoClient[dict[str, Any]](dev.ready["mongodb_uri"], tz_aware=True) as client:
        yield client[dev.ready["database"]]


@pytest.fixture(scope="module")
def bookings(database: Database[dict[str, Any]]) -> Bookings:
    return Bookings(database, lambda _: None)


@pytest.fixture(scope="module")
def page(browser: Browser, dev: Running) -> Iterator[Page]:
    errors: list[str] = []
    one = a_page(browser, errors, **DESKTOP)
    log_in(one, dev)
    expect(one.get_by_role("heading", name="Today", exact=True)).to_be_visible()
    yield one
    assert errors == []
    one.context.close()


def confirmed(dev: Running, slot: int, email: str) -> dict[str, Any]:
    booking = dev.create("portfolio-review", slot=slot, customerEmail=email)
    dev.pay(booking)
    dev.wait_for(booking, "CONFIRMED")
    return booking


def id_of(booking: dict[str, Any]) -> str:
    return str(booking["merchantTradeNo"])[:24]


def open_booking(page: Page, dev: Running, booking: dict[str, Any]) -> None:
    page.goto(f"{site(dev)}/admin/bookings/{id_of(booking)}")


def press(page: Page, name: str | re.Pattern[str]) -> None:
    page.get_by_role("button", name=name).first.click()


def until(page: Page, text: str, again: Callable[[], object] | None = None) -> None:
    """The page says so at last; it is asked for again meanwhile."""

    def there() -> bool:
        if text in page.locator("main").inner_text():
            return True
        (again or page.reload)()
        return False

    wait_until(there, seconds=40, what=text, pause=0.5)


def stuck(page: Page, dev: Running, slot: int, email: str) -> dict[str, Any]:
    """A confirmed call of which 10 USDT should go back, and Binance has rejected that."""
    dev.control("settings", {"refund_outcome": "pending"})
    booking = confirmed(dev, slot, email)
    open_booking(page, dev, booking)
    page.get_by_role("link", name="Refund…").click()
    page.get_by_label("Amount").fill("10")
    page.get_by_label("Reason").fill("as agreed")
    press(page, "Look at the consequence")
    press(page, "Refund 10 USDT, the call stays")

    def there() -> list[Any]:
        return [one for one in dev.control("refunds") if one["merchantTradeNo"] == booking["merchantTradeNo"]]

    (refund,) = wait_until(there, seconds=20, what="the refund at Binance")
    dev.control(f"refunds/{refund['refundRequestId']}/reject", {"notify": "lost"})
    dev.control("settings", {"refund_outcome": "success"})
    until(page, "rejected, the money is still here", lambda: press(page, "Ask Binance again"))
    return booking


def test_a_rejected_refund_is_tried_again_from_its_booking_and_from_today(page: Page, dev: Running):
    stuck(page, dev, 20, "ann@example.com")
    press(page, "Try again")
    until(page, "gone back, says Binance Pay")

    stuck(page, dev, 24, "bob@example.com")
    page.goto(f"{site(dev)}/admin/")
    press(page, "Try the refund of 10 USDT again")
    until(page, "gone back, says Binance Pay")


def test_a_refund_that_was_settled_by_hand_is_written_down(page: Page, dev: Running):
    stuck(page, dev, 28, "cat@example.com")

    page.get_by_text("I settled it by hand…").click()
    page.get_by_label("What has gone back").fill("10")
    page.get_by_label("How", exact=True).fill("sent by another way")
    press(page, "It is settled")

    until(page, "gone by another way")


def test_a_call_stands_with_what_is_left_after_a_refund_in_the_console(page: Page, dev: Running):
    booking = confirmed(dev, 32, "dan@example.com")
    dev.control(f"orders/{booking['merchantTradeNo']}/refund", {"amount": "25"})
    open_booking(page, dev, booking)
    until(page, "An unknown amount", lambda: press(page, "Ask Binance again"))
    page.get_by_text("I settled it by hand…").click()
    page.get_by_label("What has gone back").fill("25")
    page.get_by_label("How", exact=True).fill("in the console")
    press(page, "It is settled")

    press(page, "The call stands with 50 USDT")

    until(page, "You agreed that the call stands")


def test_who_did_not_come_is_written_down_and_taken_back(page: Page, dev: Running, bookings: Bookings):
    booking = confirmed(dev, 36, "eve@example.com")
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=20)

    def begun(one: Booking) -> Booking:
        assert one.slot is not None
        return replace(one, slot=replace(one.slot, span=Span(start, start + timedelta(minutes=45))))

    bookings.change(id_of(booking), begun)
    open_booking(page, dev, booking)

    press(page, "The customer did not come")
    expect(page.locator("#doing")).to_contain_text("The customer did not come.")
    press(page, "The customer came after all")

    expect(page.get_by_role("button", name="The customer did not come")).to_be_visible()


def test_a_customer_who_was_told_another_way_needs_nobody_any_more(page: Page, dev: Running, bookings: Bookings):
    booking, now, email = confirmed(dev, 40, "fay@example.com"), datetime.now(UTC), SendEmail(Email.PROBLEM)
    bookings.change(id_of(booking), lambda one: delivery.failed(one.owing(now, email), email, now, for_good=True))
    page.goto(f"{site(dev)}/admin/")

    press(page, "I told the customer myself")

    open_booking(page, dev, booking)
    expect(page.locator("#story")).to_contain_text("Seen to: the customer was told by another way.")


def test_what_nobody_knows_and_what_does_not_agree_is_settled_under_money(
    page: Page, dev: Running, database: Database[dict[str, Any]]
):
    booking, now = confirmed(dev, 44, "gil@example.com"), datetime.now(UTC)
    Orphans(database).add(OrphanPayment("PAY:9:9", now, "z" * 27, Money.parse("50"), "P_9", open_since=now))
    Cases(database).record([Difference.of("still_payable", id_of(booking), "R01", "told")], now)

    page.goto(f"{site(dev)}/admin/")
    page.get_by_role("listitem").filter(has_text="can still be paid").get_by_role(
        "button", name="Ask Binance again"
    ).click()
    expect(page.locator("#money")).to_be_visible()
    page.goto(f"{site(dev)}/admin/money")
    page.get_by_text("Settled by hand…").click()
    page.get_by_label("How", exact=True).fill("sent back in the console")
    press(page, "It is settled")
    expect(page.get_by_text("Settled by hand…")).to_have_count(0)
    press(page, "Reconcile now")

    expect(page.locator("main")).to_contain_text("The reconciliation has begun.")


def test_an_alert_is_taken_in_hand(page: Page, dev: Running, database: Database[dict[str, Any]]):
    alert, now = runbook.SITE["reconciliation_missed"], datetime.now(UTC)
    standings = Alerts(database)
    for at in (now - timedelta(hours=1), now):
        standings.change(alert.id, lambda one, at=at: alerts.judged(one, alert, Seen(), at))  # type: ignore[misc]
    page.goto(f"{site(dev)}/admin/alerts")

    press(page, re.compile("I have it in hand.*held against each other"))

    expect(page.locator("main")).to_contain_text("in hand")
    expect(page.get_by_role("button", name=re.compile("I have it in hand.*held against"))).to_have_count(0)


def test_calls_are_ordered_hidden_shown_and_looked_at_before_they_change(page: Page, dev: Running):
    address = f"{site(dev)}/admin/calls"
    page.goto(address)
    before = [one.inner_text() for one in page.get_by_role("button", name=re.compile("^Move .* up$")).all()]

    press(page, "Move Deep dive down")
    press(page, "Move Deep dive up")
    press(page, "Hide Mentoring")
    expect(page.get_by_role("button", name="Show Mentoring")).to_be_visible()
    press(page, "Show Mentoring")
    expect(page.get_by_role("button", name="Hide Mentoring")).to_be_visible()
    assert len(page.get_by_role("button", name=re.compile("^Move .* up$")).all()) == len(before)

    page.get_by_role("link", name=re.compile("Deep dive|Change")).first.click()
    press(page, "Look at its times first")

    expect(page.get_by_role("heading", name="Free times, if you save this")).to_be_visible()


def test_the_own_calendar_is_read_at_a_word(page: Page, dev: Running):
    page.goto(f"{site(dev)}/admin/calendar")

    press(page, "Read it now")

    expect(page.locator("main")).to_contain_text(re.compile("read", re.IGNORECASE))


def test_the_second_step_of_somebody_who_lost_their_phone_is_switched_off(
    page: Page, dev: Running, database: Database[dict[str, Any]]
):
    page.goto(f"{site(dev)}/admin/people")
    page.get_by_label("E-mail").fill("lost@example.com")
    press(page, "Make it")
    people = People(database)
    person = people.by_email("lost@example.com")
    assert person is not None
    people.change(person.id, lambda one: replace(one, totp=b"sealed"))
    page.goto(f"{site(dev)}/admin/people")

    press(page, "Switch the second step of lost@example.com off")

    expect(page.get_by_role("button", name="Switch the second step of lost@example.com off")).to_have_count(0)
    after = people.by_email("lost@example.com")
    assert after is not None
    assert not after.has_second_step


def test_a_customer_is_allowed_more_than_the_limit_and_it_is_taken_back(page: Page, dev: Running):
    page.goto(f"{site(dev)}/admin/limits")
    page.get_by_label("Their mail address").fill("rich@example.com")
    page.get_by_label("Up to how much").fill("12000")
    page.get_by_label("For how many days").fill("30")
    page.get_by_label("Reason").fill("known for years")
    press(page, "Allow it")
    expect(page.locator("main")).to_contain_text("Up to 12000 USDT")

    page.get_by_role("button", name=re.compile("^Take it back from the customer")).click()

    expect(page.locator("main")).to_contain_text("Nobody.")


# --- none is forgotten ----------------------------------------------------------------------------------------------

# Pressed by another name: what the page calls it for those who hear it, or with words of the case.
CALLED = {
    "Up": "Move Deep dive up",
    "Down": "Move Deep dive down",
    "Hide": "Hide Mentoring",
    "Switch on": "Switch helper@example.com on",
    "Switch off": "Switch helper@example.com off",
    "Second step off": "Switch the second step of",
    "I have it in hand": "I have it in hand",
    "Send again": "Send again",
    "Ask Binance about the ticked ones…": "ticked",
}


# They need two owners, a night, or 90 days: pressed in tests/web/admin (test_wallet_refunds, test_sweeps, test_money).
WITHOUT_A_BROWSER = {
    "Approve it, so that another owner can send it",
    "Export as CSV",
    "It is this booking’s: let",
}


def labels() -> Iterator[tuple[str, list[str]]]:
    """Every button of the admin area's templates: the file, and the words that may stand on it."""
    for path in sorted((ROOT / "templates" / "admin").rglob("*.html")):
        for button in re.findall(r"<button[^>]*>(.*?)</button>", path.read_text(), re.DOTALL):
            bare = re.sub(r"<span class=.unseen.>.*?</span>|<[^>]+>", "", button)
            words = [one.strip() for one in re.split(r"\{[{%].*?[}%]\}", bare)]
            yield path.name, [one for one in (*words, *re.findall(r'"([^"]{3,})"', bare)) if len(one) > 1]


def test_every_button_of_the_admin_area_is_pressed_in_a_browser():
    journeys = "\n".join(
        path.read_text().partition("# --- none is forgotten")[0] for path in Path(__file__).parent.glob("test_*.py")
    )
    known = [*labels()]

    unpressed = [
        (where, words)
        for where, words in known
        if words and not any(CALLED.get(one, one) in journeys or one in WITHOUT_A_BROWSER for one in words)
    ]

    assert len(known) > 60
    assert unpressed == []
