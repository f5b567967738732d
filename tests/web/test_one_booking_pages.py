"""One booking in the owner's room: why it stands as it does, what can be done about it, and who may."""

import pytest
from flask.testing import FlaskClient

from inspired.services import Services
from tests.flows.steps import confirmed
from tests.harness import Servers
from tests.web.pages import words
from tests.web.test_admin_pages import log_in


@pytest.fixture
def owner(client: FlaskClient) -> FlaskClient:
    assert log_in(client).status_code == 303
    return client


def page_of(booking_id: str, part: str = "") -> str:
    return f"/admin/bookings/{booking_id}{part}"


def test_the_story_is_told_in_order_and_says_what_happens_next(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)

    text = words(owner.get(page_of(booking.id)).text)

    told = [
        "Time chosen and held.",
        "Binance Pay has the order",
        "75 USDT, by our query",
        "Confirmed.",
        "accepted the mail",
    ]
    places = [text.index(step, text.index("What happened")) for step in told]
    assert places == sorted(places)
    assert "Binance answered our own question with 75 USDT paid, and the time is secured." in text
    assert "The call takes place." in text
