"""A refund on chain as people do it: the customer names and confirms an address, the owner sends from a wallet."""

import os
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from inspired.adapters.crypto.chain_addresses import shown
from inspired.domain.shared.networks import Network
from inspired.flows.site.sandbox_chains import OWNERS_WALLET
from tests.harness import wait_until
from tests.journeys.owner import log_in
from tests.journeys.running import Running, running
from tests.journeys.test_browser import DESKTOP, PHONE, a_page, errors
from tests.journeys.test_on_chain import hold_a_time_to_pay_on_tron, send

pytestmark = [pytest.mark.slow, pytest.mark.browser]
__all__ = ["errors"]  # a fixture

MINE = shown(Network.TRC20, "0x" + "a" * 40)
WALLET, NEW_WALLET = (shown(Network.TRC20, one) for one in (OWNERS_WALLET, "0x" + "c" * 40))
SHOTS = os.environ.get("SHOTS")  # a folder: the pages are photographed into it


@pytest.fixture(scope="module")
def dev() -> Iterator[Running]:
    with running(CALENDAR="builtin") as one:
        yield one


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def letter_to(dev: Running, who: str, subject: str) -> str:
    """The text of the newest mail whose subject begins like this."""
    found = wait_until(
        lambda: [one for one in dev.mails(who) if one["subject"].startswith(subject)],
        seconds=60,
        what=f"mail {subject}",
    )
    return str(found[-1]["text"])


def link_in(text: str) -> str:
    found = re.search(r"https?://\S+/refund-address/\S+", text)
    assert found, text
    return found[0]


def name_another_wallet_and_withdraw_it(owner: Page, dev: Running) -> None:
    """It counts a day later, and every owner is told by mail."""
    owner.goto(f"{dev.web}/admin/receiving/wallets/TRON")
    shot(owner, "wallets")
    expect(owner.get_by_label("Your wallets on TRON")).to_have_value(WALLET)
    owner.get_by_label("Your wallets on TRON").fill(NEW_WALLET)
    owner.get_by_role("button", name="Name these wallets").click()
    expect(owner.get_by_text(re.compile("It counts from .* on; until then it can be withdrawn"))).to_be_visible()
    shot(owner, "receiving")
    told = letter_to(dev, "owner@", "Please check: the refund wallets")
    assert "has set other wallets that refunds are sent from" in " ".join(told.split())
    owner.get_by_role("button", name=re.compile("Withdraw it.*Refund wallets for TRON")).click()
    expect(owner.get_by_text("Withdrawn. What was in force stays so.")).to_be_visible()


@pytest.mark.parametrize(("who", "device", "number"), [("rita", DESKTOP, 3), ("paul", PHONE, 6)])
def test_from_a_cancelled_call_to_money_that_is_back(
    browser: Browser, dev: Running, errors: list[str], who: str, device: dict[str, object], number: int
):
    customer = a_page(browser, errors, java_script_enabled=device is DESKTOP, **device)
    address = hold_a_time_to_pay_on_tron(customer, dev, f"{who}@example.com", number)
    send(dev, address.replace(" ", "").replace("\n", ""), "75")
    booking_url = customer.url
    wait_until(lambda: "Paid and confirmed" in customer.request.get(booking_url).text(), seconds=60, what="the payment")

    owner = a_page(browser, errors, **device)
    log_in(owner, dev)
    owner.goto(f"{dev.web}/admin/bookings")
    [newest, *_] = re.findall(r"/admin/bookings/[a-z0-9]{24}", owner.content())
    room = f"{dev.web}{newest}"
    owner.goto(f"{room}/refund")
    owner.get_by_label(re.compile("Reason")).fill("I am ill")
    owner.get_by_role("button", name=re.compile("Look at the consequence")).click()
    owner.get_by_role("button", name=re.compile("Refund")).click()
    expect(
        owner.get_by_text("an address that the customer confirms; you send it from your wallet").first
    ).to_be_visible()

    customer.goto(link_in(letter_to(dev, f"{who}@", "Where should 75 USDT go?")))
    shot(customer, f"name-{who}")
    customer.get_by_label("Address on TRON").fill(MINE)
    customer.get_by_role("button", name="Name this address").click()
    expect(customer.get_by_text("We have sent you a mail.")).to_be_visible()
    shot(customer, f"named-{who}")
    customer.goto(link_in(letter_to(dev, f"{who}@", "Please confirm your address")))
    shot(customer, f"confirm-{who}")
    customer.get_by_role("button", name="Yes, send my refunds there").click()
    expect(customer.get_by_text("The owner sends it to the address that you confirmed").first).to_be_visible()
    shot(customer, f"waits-{who}")

    owner.goto(room)
    shot(owner, f"room-{who}")
    owner.get_by_role("link", name=re.compile("Send it from your wallet")).first.click()
    expect(owner.locator(".address")).to_contain_text(MINE[:4])
    shot(owner, f"send-{who}")
    owner.get_by_role("button", name="Copy amount").click()
    owner.get_by_role("button", name="Copy address").click()
    hashed = str(dev.control("chains/TRC20/send", {"to": MINE, "amount": "75", "from": WALLET})["txHash"])
    if who == "rita":
        owner.get_by_label("Hash of the transaction").fill(hashed)
        owner.get_by_role("button", name="This is the transaction").click()
    else:
        owner.get_by_role("button", name="Look for it now").click()
    expect(owner.get_by_text(re.compile("The refund of 75 USDT (has gone back|was seen)")).first).to_be_visible()

    assert hashed in letter_to(dev, f"{who}@", "75 USDT has gone back to you")
    customer.goto(booking_url)
    expect(customer.get_by_text("All of your money went back to the address that you confirmed")).to_be_visible()
    expect(customer.locator("#payment .back")).to_contain_text(hashed)
    shot(customer, f"refunded-{who}")
    owner.goto(room)
    expect(owner.get_by_text("REFUNDED", exact=True).first).to_be_visible()
    owner.get_by_text(re.compile("^Orders")).click()
    owner.get_by_role("button", name="Copy transaction").first.click()
    if device is PHONE:
        name_another_wallet_and_withdraw_it(owner, dev)
    assert errors == []
