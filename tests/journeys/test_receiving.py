"""Where money on chain goes, as the owner sets it in a browser: at once before the first sale, and a day later after
it, with time to take it back."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from inspired.adapters.crypto.chain_addresses import shown
from inspired.domain.shared.networks import Network
from tests.journeys.owner import log_in
from tests.journeys.running import Running, running
from tests.journeys.test_browser import DESKTOP, a_page, errors

pytestmark = [pytest.mark.slow, pytest.mark.browser]
__all__ = ["errors"]  # a fixture

MINE = [shown(Network.TRC20, f"0x{number:040x}") for number in range(0xB0, 0xB6)]


@pytest.fixture(scope="module")
def dev() -> Iterator[Running]:
    with running(CALENDAR="builtin") as one:
        yield one


def set_node(page: Page, dev: Running, path: str) -> None:
    page.goto(f"{dev.web}/admin/receiving/nodes/TRC20")
    page.get_by_label("Address").first.fill(f"{dev.ready['sandbox']}/chains/TRC20/{path}jsonrpc")
    page.get_by_role("button", name="Ask it and set").click()
    expect(page.get_by_role("heading", name="Receiving on chain")).to_be_visible()


def test_at_once_before_the_first_sale_and_a_day_later_after_it(browser: Browser, dev: Running, errors: list[str]):
    page = a_page(browser, errors, **DESKTOP)
    log_in(page, dev)

    page.goto(f"{dev.web}/admin/receiving/source/TRON")
    page.get_by_label("Public key or addresses").fill("\n".join(MINE))
    page.get_by_role("button", name="Check and set").click()
    expect(page.get_by_text("list of 6 addresses").first).to_be_visible()
    set_node(page, dev, "nodes/2/")
    expect(page.get_by_role("button", name=re.compile("^Withdraw it"))).to_have_count(0)

    booking = dev.create(slot=2)
    dev.pay(booking)
    dev.wait_for(booking, "CONFIRMED")
    set_node(page, dev, "")
    expect(page.get_by_role("heading", name="What waits to count")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Withdraw it")).click()

    expect(page.get_by_role("heading", name="What waits to count")).to_have_count(0)
    assert errors == []


def test_addresses_are_given_out_again_once_the_owner_wants_it_and_not_any_more_after(
    browser: Browser, dev: Running, errors: list[str]
):
    page = a_page(browser, errors, **DESKTOP)
    log_in(page, dev)

    page.goto(f"{dev.web}/admin/receiving/again/TRON")
    page.get_by_role("button", name="Give addresses out again").click()
    expect(page.get_by_text("given out again after their rest")).to_be_visible()
    page.goto(f"{dev.web}/admin/receiving/again/TRON")
    page.get_by_role("button", name="Give out new addresses only").click()

    expect(page.get_by_text("given out again after their rest")).to_have_count(0)
    assert errors == []
