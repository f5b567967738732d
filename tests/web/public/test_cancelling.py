"""The customer's pages about money: the choice after a lost time, cancelling a confirmed call, what is told before."""

import pytest
import requests
from flask.testing import FlaskClient

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.states import State
from inspired.domain.catalogue.meeting_types import MEETING_TYPES
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import payment, refreshing
from inspired.services import Services
from tests.flows.steps import confirmed, free_calls, later, live, lost_time, pay, refunds_there, starting_in
from tests.harness import Servers
from tests.web.pages import hidden, send, words


def page_of(booking: Booking) -> str:
    return f"/booking/{booking.token}"


# --- paid, and there is no time -------------------------------------------------------------------------------------


def test_who_paid_too_late_chooses_another_time_and_is_confirmed_without_paying_again(
    client: FlaskClient, svc: Services, sandbox: Servers
):
    booking = lost_time(svc, sandbox)
    shown = client.get(page_of(booking)).text
    free = free_calls(svc)[-1]
    asked = words(client.get(f"{page_of(booking)}/time").text)

    answer = send(client, f"{page_of(booking)}/time", {"start": free.start.isoformat(), "tz": "Asia/Tokyo"})

    after = svc.bookings.get(booking.id)
    assert 'data-stage="choose"' in shown
    assert "costs nothing again" in asked
    assert "Now held" not in asked
    assert answer.status_code == 303
    assert 'data-stage="confirmed"' in client.get(answer.headers["Location"]).text
    assert (after.state, after.slot.span, after.slot.zone, after.choose_by) == (
        State.CONFIRMED, free, "Asia/Tokyo", None,
    )  # fmt: skip
    assert refunds_there(sandbox) == []


def test_another_time_that_is_taken_leaves_the_choice_open(client: FlaskClient, svc: Services, sandbox: Servers):
    booking = lost_time(svc, sandbox)
    other = live(svc, call=5, email="eve@example.com")

    answer = send(client, f"{page_of(booking)}/time", {"start": other.slot.span.start.isoformat(), "tz": "UTC"})

    assert answer.status_code == 409
    assert "Somebody was faster" in words(answer.text)
    assert svc.bookings.get(booking.id).choose_by is not None


def test_the_money_is_asked_for_twice_and_then_goes_back(client: FlaskClient, svc: Services, sandbox: Servers):
    booking = lost_time(svc, sandbox)
    address = f"{page_of(booking)}/money-back"
    asked = words(client.get(address).text)
    untouched = svc.bookings.get(booking.id)

    answer = send(client, address, {})
    shown = client.get(answer.headers["Location"]).text
    refreshing.refresh(svc, booking.id)
    done = client.get(page_of(booking)).text

    assert "75 USDT, all of your payment, goes back to the Binance account that paid" in asked
    assert untouched.refunds == ()
    assert 'data-stage="returning"' in shown
    assert "75 USDT is going back" in words(shown)
    assert 'data-stage="refunded"' in done
    assert refunds_there(sandbox) == [("75", "REFUND_SUCCESS")]


def test_what_was_chosen_cannot_be_chosen_again(client: FlaskClient, svc: Services, sandbox: Servers):
    booking = lost_time(svc, sandbox)
    send(client, f"{page_of(booking)}/money-back", {})
    start = free_calls(svc)[-1].start.isoformat()

    again = send(client, f"{page_of(booking)}/money-back", {}, page="/admin/login")
    time = send(client, f"{page_of(booking)}/time", {"start": start, "tz": "UTC"}, page="/admin/login")

    assert (again.status_code, time.status_code) == (409, 409)
    assert client.get(f"{page_of(booking)}/money-back").status_code == 303
    assert len(svc.bookings.get(booking.id).refunds) == 1


@pytest.mark.parametrize("path", ["money-back", "cancel"])
def test_whoever_has_not_paid_is_not_asked_about_money(client: FlaskClient, svc: Services, path: str):
    booking = live(svc)

    assert client.get(f"{page_of(booking)}/{path}").headers["Location"] == page_of(booking)
    assert send(client, f"{page_of(booking)}/{path}", {"told": "75"}, page="/admin/login").status_code == 409
    assert svc.bookings.get(booking.id).version == booking.version


@pytest.mark.parametrize("path", ["/money-back", "/cancel"])
def test_an_unknown_booking_is_not_found(client: FlaskClient, path: str):
    assert client.get(f"/booking/{'x' * 28}{path}").status_code == 404


# --- the same in Calendly's frame -----------------------------------------------------------------------------------


def picked(svc: Services, token: str, number: int) -> tuple[str, str]:
    """What the customer does inside the frame: the two addresses it then posts."""
    frame = svc.calendly.frame_url("portfolio-review", token, "localhost")
    start = free_calls(svc)[number].start
    fields = {
        "start_time": start.isoformat().replace("+00:00", "Z"),
        "name": "Ann Example",
        "email": "ann@example.com",
        "utm_content": token,
        "timezone": "Europe/Berlin",
    }
    answer = requests.post(
        frame.partition("?")[0], data=fields, headers={"Accept": "application/json"}, timeout=5
    ).json()
    return answer["event"]["uri"], answer["invitee"]["uri"]


@pytest.mark.parametrize("env_changes", [{"CALENDAR": "calendly"}])
def test_another_time_picked_in_the_frame_confirms_the_paid_call(client: FlaskClient, svc: Services, sandbox: Servers):
    draft = booking_flow.start_draft(svc, MEETING_TYPES[1])
    first = picked(svc, draft.token, 0)
    held = booking_flow.take_scheduled(svc, draft.token, *first, customer=None, address="203.0.113.1", network="")
    booking = payment.open_order(svc, held, seconds=2.0)
    svc.calendly.cancel(first[0], "by somebody, in the calendar")
    pay(sandbox, booking)
    refreshing.refresh(svc, booking.id)
    frame = words(client.get(f"{page_of(booking)}/time").text)
    event, invitee = picked(svc, booking.token, 4)

    fields = {"event_uri": event, "invitee_uri": invitee}
    answer = send(client, f"{page_of(booking)}/scheduled", fields, page=f"{page_of(booking)}/time")

    after = svc.bookings.get(booking.id)
    assert "once you have picked one, your call is confirmed" in frame
    assert answer.status_code == 303
    assert (after.state, after.slot.event_uri, after.choose_by) == (State.CONFIRMED, event, None)
    assert svc.calendly.is_active(event)


# --- a confirmed call that is cancelled -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "told", "amount", "there"),
    [
        (30, "75 USDT go back", "75", [("75", "REFUND_SUCCESS")]),
        (10, "37.5 of 75 USDT go back", "37.5", [("37.5", "REFUND_SUCCESS")]),
        (2, "Nothing of your 75 USDT goes back.", "0", []),
    ],
)
def test_cancelling_does_exactly_what_its_page_told(
    client: FlaskClient, svc: Services, sandbox: Servers, hours: float, told: str, amount: str, there: list[str]
):
    booking = starting_in(svc, confirmed(svc, sandbox), hours)
    address = f"{page_of(booking)}/cancel"
    assert address in client.get(page_of(booking)).text
    page = client.get(address).text

    answer = send(client, address, {"told": hidden(page, "told")})
    refreshing.refresh(svc, booking.id)

    after = svc.bookings.get(booking.id)
    assert told in words(page)
    assert "Cancel 24 hours or more before the call: all of your money goes back." in words(page)
    assert hidden(page, "told") == amount
    assert answer.headers["Location"] == page_of(booking)
    assert after.state is (State.REFUNDED if amount == "75" else State.CANCELLED)
    assert refunds_there(sandbox) == there


def test_a_page_that_was_open_too_long_cancels_nothing_and_tells_the_new_amount(
    client: FlaskClient, svc: Services, sandbox: Servers
):
    booking = starting_in(svc, confirmed(svc, sandbox), 30)
    address = f"{page_of(booking)}/cancel"
    told = hidden(client.get(address).text, "told")
    starting_in(svc, booking, 10)

    answer = send(client, address, {"told": told})

    assert (told, answer.status_code) == ("75", 409)
    assert "has become 37.5 USDT" in words(answer.text)
    assert hidden(answer.text, "told") == "37.5"
    assert svc.bookings.get(booking.id).state is State.CONFIRMED


@pytest.mark.parametrize("told", ["", "all", "-1", "1e3", "75.123456789", "9" * 13])
def test_a_senseless_amount_cancels_nothing(client: FlaskClient, svc: Services, sandbox: Servers, told: str):
    booking = confirmed(svc, sandbox)

    answer = send(client, f"{page_of(booking)}/cancel", {"told": told})

    assert answer.status_code == 422
    assert svc.bookings.get(booking.id).state is State.CONFIRMED


def test_a_call_that_has_begun_cannot_be_cancelled(client: FlaskClient, svc: Services, sandbox: Servers):
    booking = starting_in(svc, confirmed(svc, sandbox), -0.1)
    address = f"{page_of(booking)}/cancel"

    assert address not in client.get(page_of(booking)).text
    assert client.get(address).headers["Location"] == page_of(booking)
    assert send(client, address, {"told": "0"}, page="/admin/login").status_code == 409


def test_getting_these_pages_changes_nothing(client: FlaskClient, svc: Services, sandbox: Servers):
    booking, other = confirmed(svc, sandbox), lost_time(svc, sandbox)

    for one, paths in ((booking, ("", "/cancel", "/money-back")), (other, ("", "/money-back", "/time", "/cancel"))):
        for path in paths:
            client.get(f"{page_of(one)}{path}")

    assert svc.bookings.get(booking.id).version == booking.version
    assert svc.bookings.get(other.id).version == other.version


# --- told before, and by the API ------------------------------------------------------------------------------------

POLICY = "Cancel 4 hours or more before it: 50 % goes back."
LONGER = "Cancel 3 days or more before the call: all of your money goes back."


def test_the_policy_is_told_before_paying_on_every_page_of_the_way(client: FlaskClient, svc: Services):
    booking = live(svc)

    assert POLICY in words(client.get("/book/portfolio-review").text)
    assert LONGER in words(client.get("/book/deep-dive").text)
    assert POLICY in words(client.get(page_of(booking)).text)
    terms = words(client.get("/terms").text)
    assert (POLICY in terms, LONGER in terms) == (True, True)


@pytest.mark.parametrize("env_changes", [{"CALENDAR": "calendly"}])
def test_the_policy_is_told_before_calendlys_frame(client: FlaskClient):
    assert POLICY in words(client.get("/book/portfolio-review").text)


def test_the_status_tells_until_when_to_choose_and_what_goes_back(client: FlaskClient, svc: Services, sandbox: Servers):
    booking = lost_time(svc, sandbox)
    address = f"/api/payments/status/{booking.token}"
    choosing = client.get(address).json

    send(client, f"{page_of(booking)}/money-back", {})
    under_way = client.get(address).json
    refreshing.refresh(later(svc, minutes=1), booking.id)
    done = client.get(address).json

    told = {"amount": "75", "currency": "USDT", "reason": "money_back"}
    assert choosing["chooseBy"]
    assert "refunds" not in choosing
    assert under_way["refunds"] == [{**told, "status": "under_way"}]
    assert (done["status"], done["refunds"]) == ("REFUNDED", [{**told, "status": "done"}])
    assert "chooseBy" not in done
