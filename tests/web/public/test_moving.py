"""A confirmed call is moved by its customer: said before the click what it means, done once, told to both."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from icalendar import Calendar, Event

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.states import State
from inspired.flows.booking import refreshing
from inspired.services import Services
from tests.conftest import Mailbox
from tests.flows.steps import confirmed, free_calls, later, live, starting_in
from tests.harness import Servers
from tests.web.pages import hidden, send, words


def page_of(booking: Booking) -> str:
    return f"/booking/{booking.token}"


def move(client: FlaskClient, booking: Booking, start: str, **changes: str):
    address = f"{page_of(booking)}/time"
    seen = hidden(client.get(address).text, "seen")
    return send(client, address, {"start": start, "tz": "UTC", "seen": seen, **changes})


def free_start(svc: Services, number: int = 9) -> str:
    return free_calls(svc)[number].start.isoformat()


def call_in(message) -> tuple[str, Event]:
    """What the mail's file asks for, and its event."""
    (attachment,) = message.iter_attachments()
    calendar = Calendar.from_ical(attachment.get_content())
    assert attachment.get_param("method") == calendar["method"]
    return calendar["method"], next(one for one in calendar.walk("VEVENT"))


def calls_in(mailbox: Mailbox, *beginnings: str) -> dict[str, tuple[str, Event]]:
    """By receiver, of the mails whose subject begins like this (a long one is folded, and keeps a space)."""
    return {one["to"]: call_in(one) for one in mailbox.messages if one["subject"].strip().startswith(beginnings)}


def test_a_call_is_moved_from_its_page_and_stays_confirmed(client: FlaskClient, svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)
    shown = client.get(page_of(booking)).text
    asked = words(client.get(f"{page_of(booking)}/time").text)
    start = free_start(svc)

    answer = move(client, booking, start)
    after = svc.bookings.get(booking.id)

    assert f'href="{page_of(booking)}/time"' in shown
    assert "It is moved only when you choose another time. Moving it costs nothing." in asked
    assert "Move the call" in asked
    assert (answer.status_code, answer.headers["Location"]) == (303, page_of(booking))
    assert (after.state, after.slot.span.start.isoformat(), after.moves) == (State.CONFIRMED, start, 1)
    assert booking.slot.span in free_calls(svc)


def test_the_same_page_sent_twice_moves_once_and_an_old_one_says_so(
    client: FlaskClient, svc: Services, sandbox: Servers
):
    booking = confirmed(svc, sandbox)
    starts = [free_start(svc, number) for number in (9, 12)]

    move(client, booking, starts[0])
    answer = move(client, booking, starts[1], seen="0")

    assert answer.status_code == 409
    assert "moved meanwhile" in words(answer.text)
    assert svc.bookings.get(booking.id).slot.span.start.isoformat() == starts[0]
    assert move(client, booking, starts[1]).status_code == 303


def test_moving_late_says_what_cancelling_gives_back_afterwards(client: FlaskClient, svc: Services, sandbox: Servers):
    booking = starting_in(svc, confirmed(svc, sandbox), hours=10)

    asked = words(client.get(f"{page_of(booking)}/time").text)
    move(client, booking, free_start(svc, 40))
    cancelling = words(client.get(f"{page_of(booking)}/cancel").text)

    assert "If you cancel it afterwards, at most 37.5 USDT goes back, since it is moved so late." in asked
    assert "37.5 of 75 USDT go back to the Binance account that paid." in cancelling
    again = words(client.get(f"{page_of(booking)}/time").text)
    assert "at most 37.5 USDT goes back, as before." in again


def test_too_late_a_call_is_moved_by_the_owner_only(client: FlaskClient, svc: Services, sandbox: Servers):
    booking = starting_in(svc, confirmed(svc, sandbox), hours=3)

    page, answer = client.get(page_of(booking)).text, client.get(f"{page_of(booking)}/time")

    assert "Move this call" not in page
    assert (answer.status_code, "that was possible until 4 hours before it" in words(answer.text)) == (409, True)


@pytest.mark.parametrize("wrong", [{"seen": "-1"}, {"seen": ""}, {"start": "2001-01-01T00:00:00Z"}, {"tz": "Mars"}])
def test_a_form_that_is_not_right_moves_nothing(
    client: FlaskClient, svc: Services, sandbox: Servers, wrong: dict[str, str]
):
    booking = confirmed(svc, sandbox)

    answer = move(client, booking, wrong.pop("start", free_start(svc)), **wrong)

    assert answer.status_code == 422
    assert svc.bookings.get(booking.id).slot == booking.slot


def test_both_are_told_and_their_calendars_move_the_same_entry(
    client: FlaskClient, svc: Services, sandbox: Servers, mailbox: Mailbox
):
    booking = confirmed(svc, sandbox)
    first = calls_in(mailbox, "Confirmed", "New")

    move(client, booking, free_start(svc))
    refreshing.refresh(svc, booking.id)
    moved = calls_in(mailbox, "Moved")

    after = svc.bookings.get(booking.id)
    assert set(first) == set(moved) == {"ann@example.com", "owner@example.com"}
    for to in first:
        (method, event), (again, new) = first[to], moved[to]
        assert (method, again, event["uid"] == new["uid"]) == ("REQUEST", "REQUEST", True)
        assert (event["sequence"], new["sequence"]) == (0, 1)
        assert new["dtstart"].dt == after.slot.span.start
        assert str(new["attendee"]) == f"mailto:{to}"


def test_a_cancelled_call_is_taken_out_of_both_calendars(
    client: FlaskClient, svc: Services, sandbox: Servers, mailbox: Mailbox
):
    booking = confirmed(svc, sandbox)
    move(client, booking, free_start(svc))
    told = hidden(client.get(f"{page_of(booking)}/cancel").text, "told")

    send(client, f"{page_of(booking)}/cancel", {"told": told})
    mailbox.messages.clear()
    refreshing.refresh(svc, booking.id)

    taken_out = {one["to"]: call_in(one) for one in mailbox.messages if list(one.iter_attachments())}
    assert {to: (method, event["sequence"], event["status"]) for to, (method, event) in taken_out.items()} == {
        "ann@example.com": ("CANCEL", 2, "CANCELLED"),
        "owner@example.com": ("CANCEL", 2, "CANCELLED"),
    }


def test_a_reminder_comes_a_day_and_an_hour_before_and_tells_the_place(
    svc: Services, sandbox: Servers, mailbox: Mailbox
):
    booking = confirmed(svc, sandbox, call=80)
    mailbox.messages.clear()
    start = booking.slot.span.start

    told = []
    for hours in (24.1, 24, 23, 1, 0.9):
        at = start - timedelta(hours=hours)
        refreshing.refresh(later(svc, seconds=(at - svc.now()).total_seconds() + 1), booking.id)
        told.append([one["subject"] for one in mailbox.messages if "Reminder" in one["subject"]])

    assert [len(one) for one in told] == [0, 1, 1, 2, 2]
    assert "https://meet.example/room" in mailbox.messages[-1].get_body(("plain",)).get_content()
    assert {one["to"] for one in mailbox.messages} == {"ann@example.com"}


def test_nobody_is_reminded_of_a_call_that_was_moved_away(
    client: FlaskClient, svc: Services, sandbox: Servers, mailbox: Mailbox
):
    booking = confirmed(svc, sandbox, call=40)
    old = booking.slot.span.start
    move(client, booking, free_start(svc, 120))
    refreshing.refresh(svc, booking.id)
    mailbox.messages.clear()

    refreshing.refresh(later(svc, seconds=(old - svc.now()).total_seconds() - 60), booking.id)

    assert [one["subject"] for one in mailbox.messages] == []


def test_an_unpaid_booking_changes_its_time_as_before(client: FlaskClient, svc: Services):
    booking = live(svc)

    page = client.get(f"{page_of(booking)}/time").text

    assert "Price and countdown stay as they are" in words(page)
    assert 'name="seen"' not in page
