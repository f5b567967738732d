"""The same exits on Calendly: the event is read back, kept when paid, cancelled when not."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.harness import wait_until
from tests.journeys.running import Running, running

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dev() -> Iterator[Running]:
    with running(PAYMENT_EXPIRY_MINUTES="0.2") as one:
        yield one


def draft(dev: Running, type_id: str = "portfolio-review") -> tuple[str, str]:
    """The token of a draft, and the address of its scheduling frame, as the page shows them."""
    page = dev.http.get(f"{dev.web}/book/{type_id}", timeout=5).text
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert token
    shown = dev.http.post(f"{dev.web}/book/{type_id}", data={"csrf_token": token[1], "terms": "yes"}, timeout=5)
    assert shown.status_code == 200, shown.text
    frame = re.search(r'<iframe[^>]*src="([^"]+)"', shown.text, re.DOTALL)
    assert frame
    return shown.url.rsplit("/", 1)[1], frame[1].replace("&amp;", "&")


def schedule(dev: Running, draft: tuple[str, str], number: int = 0) -> dict[str, Any]:
    start = dev.slots("portfolio-review")[number]["start"]
    answer = requests.post(
        draft[1],
        data={"start_time": start, "name": "Ann", "email": "ann@example.com", "utm_content": draft[0]},
        headers={"Accept": "application/json"},
        timeout=5,
    )
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def create_from(dev: Running, draft: tuple[str, str], event: dict[str, Any]) -> dict[str, Any]:
    body = {
        "meetingTypeId": "portfolio-review",
        "customerEmail": "ann@example.com",
        "bookingId": draft[0],
        "calendly": {"eventUri": event["event"]["uri"], "inviteeUri": event["invitee"]["uri"]},
    }
    answer = dev.http.post(f"{dev.web}/api/payments/create", json=body, timeout=5)
    assert answer.status_code in (201, 202), answer.text  # 202: a busy machine, the order follows
    found: dict[str, Any] = answer.json()
    if answer.status_code == 202:
        wait_until(lambda: dev.order_of(found), seconds=30, what="the order")
    return found


def event_status(dev: Running, event: dict[str, Any]) -> str:
    return str(next(one for one in dev.control("events") if one["uri"] == event["event"]["uri"])["status"])


def test_paid_keeps_the_event(dev: Running):
    chosen = draft(dev)
    event = schedule(dev, chosen)
    booking = create_from(dev, chosen, event)

    dev.pay(booking)

    dev.wait_for(booking, "CONFIRMED", seconds=10)
    assert event_status(dev, event) == "active"


def test_not_paid_cancels_the_event_and_closes_the_order(dev: Running):
    chosen = draft(dev)
    event = schedule(dev, chosen, 3)
    booking = create_from(dev, chosen, event)

    dev.wait_for(booking, "EXPIRED", seconds=60)

    wait_until(lambda: event_status(dev, event) == "canceled", seconds=20, what="the cancelled event")
    assert dev.order(booking)["status"] in ("CANCELED", "EXPIRED")


def test_an_event_cancelled_while_it_was_being_paid_is_told_and_not_confirmed(dev: Running):
    chosen = draft(dev)
    event = schedule(dev, chosen, 6)
    booking = create_from(dev, chosen, event)
    found = next(one for one in dev.control("events") if one["uri"] == event["event"]["uri"])
    dev.control(f"events/{found['id']}/cancel", {})

    dev.pay(booking)

    status = dev.wait_for(booking, "PAID", seconds=10)
    wait_until(lambda: "slot_lost" in dev.status(booking)["flags"], seconds=10, what="the flag")
    assert status["status"] == "PAID"
