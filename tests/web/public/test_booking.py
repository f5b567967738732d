"""The journey's pages by a client without JavaScript, and as htmx asks for them."""

import html
import re
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.search_index import Wanted
from inspired.domain.booking.states import State
from inspired.flows.booking import refreshing
from inspired.services import Services
from tests.flows.steps import book_past_us, free_calls, live, pay
from tests.harness import Servers
from tests.web.pages import HTMX, hidden, send, words

START = "/book/portfolio-review"


def choices(page: str) -> list[str]:
    return re.findall(r'name="start" value="([^"]+)"', page)


def typed(page: str, **changes: str) -> dict[str, str]:
    fields = {
        "csrf_token": hidden(page, "csrf_token"),
        "form_token": hidden(page, "form_token"),
        "tz": hidden(page, "tz"),
        "start": choices(page)[0],
        "name": "Ann Example",
        "email": "ann@example.com",
        "terms": "yes",
    }
    return {name: value for name, value in {**fields, **changes}.items() if value != "…"}


def book(client: FlaskClient, **changes: str) -> str:
    answer = client.post(START, data=typed(client.get(START).text, **changes))
    assert answer.status_code == 303, words(answer.text)
    return answer.headers["Location"]


def stored(svc: Services) -> list[Booking]:
    return svc.lists.page(Wanted(), svc.now(), most=50).bookings


# --- choosing and holding a time ------------------------------------------------------------------------------------


def test_times_come_in_the_owners_zone_until_the_visitor_chooses_one(client: FlaskClient):
    first = client.get(START).text
    asked = client.get(START, query_string={"tz": "Asia/Tokyo"}).text

    assert hidden(first, "tz") == "Europe/London"
    assert "data-guess" in first
    assert hidden(asked, "tz") == "Asia/Tokyo"
    assert "data-guess" not in asked
    assert "Asia/Tokyo (UTC+09:00)" in words(asked)
    assert choices(first) == choices(asked)[: len(choices(first))] or set(choices(first)) & set(choices(asked))


@pytest.mark.parametrize("zone", ["Mars/Base", "../../etc/passwd", "", "<b>"])
def test_an_unknown_zone_shows_the_owners(client: FlaskClient, zone: str):
    page = client.get(START, query_string={"tz": zone}).text

    assert hidden(page, "tz") == "Europe/London"
    assert "<b>" not in page


def test_later_days_follow_and_lead_back(client: FlaskClient):
    first = client.get(START).text
    later = re.search(r'href="([^"]+)"[^>]*>Later days', first)
    assert later
    second = client.get(later[1].replace("&amp;", "&")).text
    earlier = re.search(r'href="([^"]+)"[^>]*>Earlier days', second)
    assert earlier

    back = client.get(earlier[1].replace("&amp;", "&")).text

    assert max(choices(first)) < min(choices(second))
    assert choices(back) == choices(first)


def test_htmx_gets_the_list_of_times_alone_with_the_choice_kept(client: FlaskClient):
    chosen = choices(client.get(START).text)[3]

    part = client.get(START, query_string={"tz": "America/New_York", "start": chosen}, headers=HTMX).text

    assert part.strip().startswith('<fieldset id="times"')
    assert re.search(rf'value="{chosen}" required checked', part)


def later_days(page: str) -> str:
    found = re.search(r'href="([^"]+)"[^>]*>Later days', page)
    assert found
    return found[1].replace("&amp;", "&")


def test_a_chosen_time_stays_chosen_on_every_other_page_of_days(client: FlaskClient):
    first = client.get(START).text
    chosen = choices(first)[2]

    second = client.get(f"{later_days(first)}&start={chosen}", headers=HTMX).text
    third = client.get(later_days(second)).text
    back = client.get(START, query_string={"start": chosen}).text

    for page in (second, third):
        assert choices(page)[0] == chosen
        assert min(choices(page)[1:]) > max(choices(first))
        assert re.findall(r'value="([^"]+)" required checked', page) == [chosen]
        assert "Chosen:" in words(page)
    assert choices(back) == choices(first)
    assert "Chosen:" not in words(back)


def test_a_time_that_nobody_can_choose_is_not_kept(client: FlaskClient):
    page = client.get(START, query_string={"from": "2100-01-01", "start": "2030-01-01T10:00:00.000Z"}).text

    assert "Chosen:" not in words(page)
    assert "required checked" not in page


def test_holding_a_time_leads_to_the_payment_page(client: FlaskClient, svc: Services):
    page = client.get(book(client)).text

    booking = stored(svc)[0]
    assert booking.state is State.PENDING
    assert booking.terms_version
    assert 'class="qr"' in page
    assert "Held, not confirmed" in words(page)
    assert '<noscript><meta http-equiv="refresh"' in page
    assert "Ann" not in page


def test_under_htmx_the_browser_is_told_to_go_there(client: FlaskClient):
    answer = client.post(START, data=typed(client.get(START).text), headers=HTMX)

    assert answer.status_code == 204
    assert answer.headers["HX-Redirect"].startswith("/booking/")


def test_the_same_form_sent_twice_is_one_booking(client: FlaskClient, svc: Services):
    fields = typed(client.get(START).text)

    first, second = (client.post(START, data=fields) for _ in range(2))

    assert first.headers["Location"] == second.headers["Location"]
    assert len(stored(svc)) == 1


WRONG = {
    "no name": {"name": ""},
    "markup as a name": {"name": "<script>alert(1)</script>"},
    "no mail address": {"email": "ann"},
    "terms not accepted": {"terms": "…"},
    "no time": {"start": "…"},
    "not a time": {"start": "tomorrow"},
    "a time out of all calendars": {"start": "9999-12-31T23:59:59Z"},
    "a time before all calendars": {"start": "0001-01-01T00:00:00+14:00"},
    "no zone": {"tz": "Mars/Base"},
    "no form": {"form_token": '{"$ne": 1}'},
    "an object for an address": {"email": "…", "email[$ne]": "1"},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_form_comes_back_with_a_sentence_and_everything_typed(client: FlaskClient, svc: Services, wrong: str):
    fields = typed(client.get(START).text, **WRONG[wrong])

    answer = client.post(START, data=fields)

    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert "<script>alert" not in answer.text
    if "name" not in WRONG[wrong]:
        assert 'value="Ann Example"' in answer.text
    if "start" not in WRONG[wrong]:
        assert re.search(rf'value="{fields["start"]}" required checked', answer.text)
    assert stored(svc) == []


def test_all_that_is_missing_is_marked_at_once(client: FlaskClient):
    page = client.get(START).text

    answer = client.post(START, data={name: hidden(page, name) for name in ("csrf_token", "form_token", "tz")})

    assert answer.status_code == 422
    told = re.findall(r'<p class="error"[^>]*>([^<]+)</p>', answer.text)
    assert [one.split(",")[0] for one in told] == [
        "Please choose a time.",
        "Please give your name",
        "Please give a mail address that reaches you",
        "Please accept the terms to go on.",
    ]
    assert set(re.findall(r'aria-describedby="([^"]*error)"', answer.text)) == {
        "start-error",
        "name-error",
        "email-hint email-error",
        "terms-error",
    }


def test_a_form_can_be_mended_and_sent_again(client: FlaskClient):
    page = client.get(START).text
    back = client.post(START, data=typed(page, email="ann")).text

    answer = client.post(START, data={**typed(back), "form_token": hidden(page, "form_token")})

    assert answer.status_code == 303


def test_a_time_that_is_taken_meanwhile_comes_back_with_free_ones(client: FlaskClient, svc: Services):
    fields = typed(client.get(START).text)
    book(client, email="other@example.com")

    answer = client.post(START, data=fields)

    assert answer.status_code == 409
    assert "Somebody was faster" in words(answer.text)
    assert fields["start"] not in choices(answer.text)
    assert 'value="ann@example.com"' in answer.text


def test_an_unknown_kind_of_call_is_not_found(client: FlaskClient):
    assert client.get("/book/tea").status_code == 404
    assert client.get("/book/tea", headers=HTMX).status_code == 404


def test_a_form_without_its_token_changes_nothing(client: FlaskClient, svc: Services):
    fields = {**typed(client.get(START).text), "csrf_token": ""}

    assert client.post(START, data=fields).status_code == 400
    assert stored(svc) == []


@pytest.mark.parametrize("env_changes", [{"OPEN_BOOKINGS_PER_VISITOR": "1"}])
def test_too_many_unpaid_bookings_are_told_with_a_time_to_wait(client: FlaskClient):
    book(client)

    page = client.get(START).text
    answer = client.post(START, data=typed(page, start=choices(page)[2]))

    assert answer.status_code == 429
    assert answer.headers["Retry-After"]
    assert "unpaid bookings open" in words(answer.text)


def test_when_binance_is_away_the_booking_stands_and_says_so(client: FlaskClient, sandbox: Servers):
    sandbox.control("faults", {"binance": [{"call": "create", "fault": "http_500", "times": 9}]})

    page = client.get(book(client)).text

    assert "We are preparing your payment" in words(page)
    assert 'hx-trigger="every 2s"' in page


# --- paying ---------------------------------------------------------------------------------------------------------


def test_the_poll_answers_nothing_while_nothing_changed_and_then_the_fragment(
    client: FlaskClient, svc: Services, sandbox: Servers
):
    booking = live(svc)
    address = f"/booking/{booking.token}/payment"

    same = client.get(address, query_string={"v": booking.status_version})
    pay(sandbox, booking)
    refreshing.refresh(svc, booking.id)
    changed = client.get(address, query_string={"v": booking.status_version})

    assert (same.status_code, same.data) == (204, b"")
    assert int(same.headers["X-Now"]) > 0
    assert changed.status_code == 200
    assert changed.text.strip().startswith('<section id="payment"')
    assert 'data-stage="confirmed"' in changed.text
    assert "hx-trigger" not in changed.text


def test_check_again_asks_binance_at_once(client: FlaskClient, svc: Services, sandbox: Servers):
    booking = live(svc)
    pay(sandbox, booking)

    answer = send(client, f"/booking/{booking.token}/check", {}, page=f"/booking/{booking.token}")

    assert answer.status_code == 303
    assert 'data-stage="confirmed"' in client.get(answer.headers["Location"]).text


def test_check_again_under_htmx_answers_with_the_fragment(client: FlaskClient, svc: Services):
    booking = live(svc)

    answer = send(client, f"/booking/{booking.token}/check", {}, page=f"/booking/{booking.token}", headers=HTMX)

    assert answer.status_code == 200
    assert answer.text.strip().startswith('<section id="payment"')
    assert "No payment has arrived there yet" in words(answer.text)


@pytest.mark.parametrize("env_changes", [{"PAYMENT_RETRY_ATTEMPTS": "1"}])
def test_try_again_brings_the_code(client: FlaskClient, svc: Services, sandbox: Servers):
    sandbox.control("faults", {"binance": [{"call": "create", "fault": "http_500", "times": 1}]})
    address = book(client)
    assert 'data-stage="retry"' in client.get(address).text

    answer = send(client, f"{address}/retry", {}, page=address)

    assert answer.status_code == 303
    assert "We are preparing your payment" in words(client.get(address).text)
    refreshing.refresh(svc, stored(svc)[0].id)
    assert 'class="qr"' in client.get(address).text


def test_the_confirmed_page_tells_the_place_and_offers_the_calendar_file(
    client: FlaskClient, svc: Services, sandbox: Servers
):
    booking = live(svc)
    file = f"/booking/{booking.token}/call.ics"
    before = client.get(f"/booking/{booking.token}").text
    assert client.get(file).status_code == 404
    assert "meet.example" not in before

    pay(sandbox, booking)
    refreshing.refresh(svc, booking.id)

    page = client.get(f"/booking/{booking.token}").text
    assert "https://meet.example/room" in page
    assert file in page
    assert "http-equiv" not in page
    calendar = client.get(file)
    assert calendar.mimetype == "text/calendar"
    assert b"BEGIN:VEVENT" in calendar.data


# --- changing the time, giving up -----------------------------------------------------------------------------------


def test_the_time_can_be_changed_while_unpaid(client: FlaskClient, svc: Services):
    booking = live(svc)
    address = f"/booking/{booking.token}/time"
    page = client.get(address).text
    wanted = choices(page)[-1]

    answer = send(client, address, {"start": wanted, "tz": "Asia/Tokyo"})

    assert answer.status_code == 303
    slot = svc.bookings.get(booking.id).slot
    assert slot is not None
    assert slot.span.start.isoformat(timespec="milliseconds").replace("+00:00", "Z") == wanted
    assert slot.zone == "Asia/Tokyo"


def test_another_time_that_is_taken_leaves_the_one_held(client: FlaskClient, svc: Services):
    booking, other = live(svc), live(svc, call=4, email="other@example.com")
    assert other.slot is not None

    answer = send(
        client,
        f"/booking/{booking.token}/time",
        {"start": other.slot.span.start.isoformat(), "tz": "UTC"},
    )

    assert answer.status_code == 409
    assert svc.bookings.get(booking.id).slot == booking.slot


def test_giving_up_asks_once_and_then_says_that_it_is_being_cancelled(client: FlaskClient, svc: Services):
    booking = live(svc)
    address = f"/booking/{booking.token}/give-up"

    asked = client.get(address).text
    assert "Nothing is owed" in words(asked)
    assert svc.bookings.get(booking.id).cancel_requested is False

    answer = send(client, address, {})
    assert "being cancelled" in words(client.get(answer.headers["Location"]).text)
    refreshing.refresh(svc, booking.id)
    assert 'data-stage="cancelled"' in client.get(f"/booking/{booking.token}").text


def test_a_paid_booking_is_not_given_up_but_cancelled(client: FlaskClient, svc: Services, sandbox: Servers):
    booking = live(svc)
    pay(sandbox, booking)
    refreshing.refresh(svc, booking.id)
    page = f"/booking/{booking.token}"

    assert client.get(f"{page}/give-up").status_code == 303
    assert send(client, f"{page}/give-up", {}, page=START).status_code == 409


@pytest.mark.parametrize("path", ["", "/payment", "/time", "/give-up", "/call.ics"])
def test_an_unknown_booking_is_not_found(client: FlaskClient, path: str):
    assert client.get(f"/booking/{'x' * 28}{path}").status_code == 404


def test_getting_pages_changes_nothing(client: FlaskClient, svc: Services):
    booking = live(svc)

    for path in ("", "/payment", "/time", "/give-up"):
        client.get(f"/booking/{booking.token}{path}")

    assert svc.bookings.get(booking.id).version == booking.version


# --- Calendly's frame -----------------------------------------------------------------------------------------------

CALENDLY: list[dict[str, str]] = [{"CALENDAR": "calendly"}]


def drafted(client: FlaskClient) -> Any:
    return send(client, START, {"terms": "yes"})


@pytest.mark.parametrize("env_changes", CALENDLY)
def test_the_frame_is_shown_on_the_drafts_own_page(client: FlaskClient, sandbox: Servers):
    start = client.get(START).text
    assert "held, not confirmed" in words(start)
    assert 'name="email"' not in start

    answer = drafted(client)
    page = client.get(answer.headers["Location"]).text

    token = answer.headers["Location"].rpartition("/")[2]
    frame = re.search(r'<iframe[^>]*src="([^"]+)" data-origin="([^"]+)"', page)
    assert frame
    assert f"utm_content={token}" in frame[1]
    assert sandbox.sandbox.startswith(frame[2])
    assert 'id="scheduled"' in page
    assert "http-equiv" not in page


@pytest.mark.parametrize("env_changes", CALENDLY)
def test_the_terms_come_before_the_frame(client: FlaskClient, svc: Services):
    answer = send(client, START, {})

    assert answer.status_code == 422
    assert "Please accept the terms" in words(answer.text)


@pytest.mark.parametrize("env_changes", CALENDLY)
@pytest.mark.parametrize("fault", ["http_500", "html"])
def test_calendly_being_away_is_told_and_loses_nothing(client: FlaskClient, sandbox: Servers, fault: str):
    sandbox.control("faults", {"calendly": [{"call": "any", "fault": fault, "times": 9}]})
    address = drafted(client).headers["Location"]

    answer = client.get(address)
    sandbox.control("reset", {})

    assert answer.status_code == 503
    assert "Nothing is lost" in words(answer.text)
    assert client.get(address).status_code == 200


@pytest.mark.parametrize("env_changes", CALENDLY)
def test_a_picked_time_that_cannot_be_read_back_can_be_sent_again(client: FlaskClient, sandbox: Servers, svc: Services):
    address = drafted(client).headers["Location"]
    event = f"{svc.settings.calendly_base_url}/scheduled_events/E1"
    uris = {"event_uri": event, "invitee_uri": f"{event}/invitees/I1"}
    sandbox.control("faults", {"calendly": [{"call": "any", "fault": "http_500", "times": 1}]})

    answer = send(client, f"{address}/scheduled", uris, page=START)

    assert answer.status_code == 503
    assert (hidden(answer.text, "event_uri"), hidden(answer.text, "invitee_uri")) == tuple(uris.values())


@pytest.mark.parametrize("env_changes", CALENDLY)
@pytest.mark.parametrize("event", ["https://evil.example/scheduled_events/E1", "", "{}"])
def test_what_the_frame_said_is_checked_before_anybody_is_asked(client: FlaskClient, event: str):
    address = drafted(client).headers["Location"]
    uris = {"event_uri": event, "invitee_uri": f"{event}/invitees/I1"}

    answer = send(client, f"{address}/scheduled", uris, page=address)

    assert answer.status_code == 422
    assert "does not look like a Calendly booking" in words(answer.text)


@pytest.mark.parametrize("env_changes", CALENDLY)
def test_a_time_picked_on_calendlys_own_page_is_found_when_the_customer_comes_back(
    client: FlaskClient, sandbox: Servers, svc: Services
):
    address = drafted(client).headers["Location"]
    page = client.get(address).text
    link = re.search(r'<a href="([^"]+)" target="_blank"', page)
    assert link
    early = send(client, f"{address}/picked", {}, page=address)
    form = {"start_time": free_calls(svc)[4].start.isoformat(), "name": "Ann", "email": "ann@example.com"}
    form |= {"utm_content": address.rpartition("/")[2]}
    requests.post(html.unescape(link[1]).partition("?")[0], data=form, timeout=5).raise_for_status()

    taken = send(client, f"{address}/picked", {}, page=address)
    shown = client.get(taken.headers["Location"]).text

    assert (early.status_code, taken.status_code) == (409, 303)
    assert "does not show a new time" in words(early.text)
    assert "<svg" in shown
    late = send(client, f"{address}/picked", {"v": "0"}, page=START)
    assert late.headers["Location"] == address, "a webhook was faster than the button"
    again = client.get(f"{address}/time").text
    newer = {"v": hidden(again, "v")}
    assert send(client, f"{address}/picked", newer, page=START).status_code == 409, "there is nothing newer"


@pytest.mark.parametrize("env_changes", CALENDLY)
def test_the_frames_page_goes_on_by_itself_once_a_webhook_has_told(
    client: FlaskClient, sandbox: Servers, svc: Services
):
    address = drafted(client).headers["Location"]
    asked = re.search(r'hx-get="([^"]+)"', client.get(address).text)
    assert asked
    before = client.get(html.unescape(asked[1]), headers={"HX-Request": "true"})
    booking = svc.bookings.by_token(address.rpartition("/")[2])
    book_past_us(svc, token=booking.token)
    refreshing.refresh(svc, booking.id)

    after = client.get(html.unescape(asked[1]), headers={"HX-Request": "true"})

    assert (before.status_code, "HX-Redirect" in before.headers) == (204, False)
    assert after.headers["HX-Redirect"] == address


@pytest.mark.parametrize("env_changes", CALENDLY)
def test_who_chooses_another_time_finds_name_and_mail_filled_in(client: FlaskClient, sandbox: Servers, svc: Services):
    address = drafted(client).headers["Location"]
    booking = svc.bookings.by_token(address.rpartition("/")[2])
    first = client.get(address).text
    book_past_us(svc, token=booking.token, email="ann@example.com")
    refreshing.refresh(svc, booking.id)

    again = client.get(f"{address}/time").text

    assert "email=" not in first
    assert "email=ann%40example.com" in again
    assert "no-store" in client.get(f"{address}/time").headers["Cache-Control"]


@pytest.mark.parametrize("env_changes", [{"CALENDAR": "calendly_api"}])
def test_where_it_is_not_known_whether_a_time_is_held_one_button_sends_the_same_again(
    client: FlaskClient, sandbox: Servers, svc: Services
):
    page = client.get(START).text
    names = ("csrf_token", "form_token", "start", "tz")
    fields = {name: hidden(page, name) for name in names[:3]} | {"name": "Ann", "email": "ann@example.com"}
    fields |= {"tz": "Europe/Berlin", "terms": "yes"}
    sandbox.control("faults", {"calendly": [{"call": "create_invitee", "fault": "accept_then_timeout", "times": 1}]})

    unsure = client.post(START, data=fields)
    again = {name: hidden(unsure.text, name) for name in fields}
    held = client.post(START, data=again)

    assert (unsure.status_code, held.status_code) == (503, 303)
    assert "never booked twice" in words(unsure.text)
    assert [one["status"] for one in sandbox.control("events")] == ["active"]
