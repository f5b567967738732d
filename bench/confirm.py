"""From the provider's webhook to "confirmed" on the open page: real pages in Chromium that ask every two seconds."""

import random
import time
from typing import Any

from playwright.sync_api import BrowserContext, Page

from bench.browser import chromium
from bench.findings import Findings, percentile, table
from bench.goals import number
from bench.product import Product, started
from bench.run import Run
from tests.harness import wait_until

PAGES = 12
POLL_SECONDS = 2.0
WATCH = """() => {
  window.confirmedAt = 0;
  const look = () => {
    if (document.querySelector('#payment[data-stage="confirmed"]')) window.confirmedAt ||= Date.now();
  };
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true, attributes: true });
}"""


def measure(run: Run) -> Findings:
    found, rounds = Findings(), []
    with started() as product, chromium() as browser:
        for _ in range(run.rounds):
            with browser.new_context() as context:
                rounds.append(_round(product, context, run.some(PAGES)))
        version = browser.version
    everything = [one for times in rounds for one in times]
    # Over all rounds at once: a round alone has too few pages to tell its p95.
    found.add("confirm", [percentile(everything, 0.95)], f"Chromium {version}, {len(everything)} payments")
    shares = [percentile(everything, share) for share in (0.5, 0.95, 1)]
    found.details = table(["payments", "p50 s", "p95 s", "slowest s"], [[str(len(everything)), *map(number, shares)]])
    return found


def _round(product: Product, context: BrowserContext, count: int) -> list[float]:
    bookings = [product.book()[0] for _ in range(count)]
    pages = [_opened(context, f"{product.dev.web}/booking/{booking['bookingId']}") for booking in bookings]
    for booking in bookings:
        time.sleep(
            random.uniform(0, 2 * POLL_SECONDS / count)
        )  # so that pages are met at any point of their two seconds
        product.dev.pay(booking)
    shown = [_confirmed_at(page) for page in pages]
    told = {one["order"]: one["at"] for one in product.dev.control("deliveries") if one.get("order")}
    return [at - told[booking["merchantTradeNo"]] for at, booking in zip(shown, bookings, strict=True)]


def _opened(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.goto(address, wait_until="load")
    page.evaluate(WATCH)
    return page


def _confirmed_at(page: Page) -> float:
    def at() -> Any:
        return page.evaluate("window.confirmedAt")

    return float(wait_until(at, seconds=60, what="confirmed on the page")) / 1000
