"""The owner's buttons about alerts and health, in a real browser against the running product."""

import re
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Browser, Page, expect
from standardwebhooks import Webhook as Verifier

from tests.adapters.listeners import Listener, answer, listening
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
def receiver() -> Iterator[Listener]:
    """The owner's own server."""
    with listening(lambda connection, _: connection.sendall(answer(b"ok"))) as one:
        yield one


@pytest.fixture
def owner(browser: Browser, dev: Running) -> Iterator[Page]:
    context = browser.new_context(bypass_csp=True, **LOOKS[0])
    page = context.new_page()
    page.set_default_timeout(45_000)
    log_in(page, dev)
    yield page
    context.close()


def test_a_webhook_is_set_tested_given_a_new_secret_and_taken_away(owner: Page, dev: Running, receiver: Listener):
    go_to(owner, "Health & alerts")
    owner.get_by_text("Set one…").click()
    owner.get_by_label("Address").fill(f"{receiver.address}/hook")
    owner.get_by_role("button", name="Save the address").click()
    first = owner.locator("#secret").inner_text()
    owner.get_by_role("link", name="I have copied it").click()
    owner.get_by_role("button", name="New secret").click()
    second = owner.locator("#secret").inner_text()
    owner.get_by_role("link", name="I have copied it").click()
    owner.get_by_role("button", name="Send a test").click()
    expect(owner.get_by_text("answered 200")).to_be_visible()

    owner.get_by_role("button", name="Send again").click()
    wait_until(lambda: len(receiver.requests) == 2, what="the second time")
    expect(owner.get_by_text("answered 200")).to_be_visible()

    head, _, body = receiver.requests[1].partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    for secret in (first, second):
        assert Verifier(secret).verify(body, headers)["type"] == "alert.test"
    owner.get_by_role("button", name="Send nothing there any more").click()
    expect(owner.get_by_text("None is set.")).to_be_visible()


def test_a_dead_worker_is_seen_in_health_and_leads_to_what_to_do(owner: Page, dev: Running):
    go_to(owner, "Health & alerts")
    owner.get_by_role("link", name="Health", exact=True).click()
    expect(owner.get_by_role("row", name=re.compile("^Workers"))).to_contain_text("working")
    expect(owner.get_by_role("row", name=re.compile("^Clock"))).to_contain_text("runs")

    owner.get_by_role("link", name="Run-book of Backups").click()

    expect(owner.get_by_role("heading", name="No backup was reported for more than a day")).to_be_visible()
    expect(owner.get_by_text("End it with “inspired backup-done”")).to_be_visible()
    owner.get_by_role("link", name="All alerts").click()
    owner.get_by_role("link", name="The clock does not run.").click()
    expect(owner.get_by_text("exactly one of it")).to_be_visible()


def test_the_running_product_is_well_for_everybody_to_see(owner: Page, dev: Running):
    def answers() -> bool:
        return requests.get(f"{dev.web}/status.json", timeout=5).status_code == 200

    wait_until(answers, seconds=20, what="a site that is well")
    owner.goto(f"{dev.web}/")
    owner.get_by_role("link", name="Status").click()
    expect(owner.get_by_text("Everything works.")).to_be_visible()


@pytest.mark.parametrize("look", LOOKS, ids=["wide and light", "narrow and dark"])
def test_these_pages_can_be_used_by_everybody(browser: Browser, dev: Running, look: dict[str, object]):
    context = browser.new_context(bypass_csp=True, **look)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(45_000)
    log_in(page, dev)
    problems = {}
    for path in ("/admin/alerts", "/admin/health", "/admin/runbook", "/admin/runbook/unclear", "/status"):
        page.goto(dev.web + path)
        page.wait_for_load_state("networkidle")
        problems[path] = look_at(page)
    context.close()

    assert {path: found for path, found in problems.items() if found} == {}
