"""Calendly API v2 against the stand-in, and against answers no calendar should give."""

import json
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from inspired.adapters.providers.calendly import Calendly, Scheduled
from inspired.adapters.providers.http import Http
from inspired.domain.shared.errors import Invalid, SlotTaken, UpstreamError
from inspired.domain.shared.slots import Span
from tests.adapters.listeners import answer, answering, answering_json, failure_of, listening
from tests.harness import CALENDLY_TOKEN, free_port

TOKEN = "T0ken-of-the_booking"


@pytest.fixture
def calendly(sandbox):
    return Calendly(Http(), base_url=f"{sandbox.sandbox}/calendly", token=CALENDLY_TOKEN)


def a_calendar(base_url: str) -> Calendly:
    return Calendly(Http(), base_url=base_url, token="a secret token")


def fortnight() -> Span:
    start = datetime.now(UTC) + timedelta(minutes=1)
    return Span(start, start + timedelta(days=14))


@pytest.fixture
def booked(calendly, sandbox):
    """(event uri, invitee uri, span) of a call somebody has chosen in the frame."""
    slot = calendly.free("portfolio-review", fortnight())[3]
    made = requests.post(
        f"{sandbox.sandbox}/calendly/invitees",
        headers={"Authorization": f"Bearer {CALENDLY_TOKEN}"},
        json={
            "event_type": calendly.event_type("portfolio-review").uri,
            "start_time": slot.start.isoformat(),
            "invitee": {"name": "Ada Lovelace", "email": "ada@example.com", "timezone": "Asia/Kolkata"},
            "tracking": {
                "utm_content": TOKEN,
                "utm_source": "inspired-analyst",
                "utm_medium": None,
                "utm_campaign": None,
                "utm_term": None,
                "salesforce_uuid": None,
            },
        },
        timeout=5,
    ).json()["resource"]
    return made["event"], made["uri"], slot


# --- types and times ------------------------------------------------------------------------------------------------


def test_the_accounts_types_are_known_by_their_slug(calendly):
    types = calendly.event_types()

    assert {slug: one.minutes for slug, one in types.items()} == {
        "quick-question": 30,
        "portfolio-review": 45,
        "deep-dive": 90,
        "mentoring": 45,
    }
    assert all(one.uri.startswith("http") and one.slug == slug for slug, one in types.items())


def test_types_are_asked_for_once_for_many_calls(calendly, sandbox):
    for _ in range(5):
        calendly.event_type("deep-dive")

    assert [call["call"] for call in sandbox.control("calls")] == ["me", "event_types"]


def test_a_type_nobody_made_is_a_failure_that_no_repetition_mends(calendly):
    with pytest.raises(UpstreamError, match="slug no-such-type") as caught:
        calendly.event_type("no-such-type")

    assert not caught.value.retryable


def test_free_times_are_whole_calls_in_order_within_the_window(calendly):
    window = fortnight()

    free = calendly.free("deep-dive", window)

    assert len(free) > 20
    assert free == sorted(free, key=lambda span: span.start)
    assert {span.end - span.start for span in free} == {timedelta(minutes=90)}
    assert all(window.start <= span.start < window.end for span in free)
    assert {span.start.tzinfo for span in free} == {UTC}


def test_a_time_somebody_took_is_free_no_more(calendly, booked):
    assert booked[2] not in calendly.free("portfolio-review", fortnight())


def test_the_frame_carries_the_bookings_token_and_our_host_and_nothing_personal(calendly, sandbox):
    url = calendly.frame_url("mentoring", "t&1", "shop.example")

    assert url.startswith(f"{sandbox.sandbox}/calendly/schedule/inspired-analyst/mentoring?")
    assert parse_qs(urlsplit(url).query) == {
        "embed_domain": ["shop.example"],
        "embed_type": ["Inline"],
        "hide_event_type_details": ["1"],
        "utm_source": ["inspired-analyst"],
        "utm_content": ["t&1"],
        "background_color": ["ffffff"],
        "text_color": ["17221e"],
        "primary_color": ["0b5d4a"],
    }


def test_who_chooses_again_need_not_type_again(calendly):
    url = calendly.page_url("mentoring", "t", name="Ann Möller", email="")

    assert parse_qs(urlsplit(url).query)["name"] == ["Ann Möller"]
    assert "email" not in url


# --- reading back ---------------------------------------------------------------------------------------------------


def test_what_was_chosen_in_the_frame_is_read_back_by_our_own_call(calendly, booked):
    event, invitee, slot = booked

    assert calendly.scheduled(event, invitee) == Scheduled(
        event_uri=event,
        invitee_uri=invitee,
        event_type_uri=calendly.event_type("portfolio-review").uri,
        span=slot,
        active=True,
        token=TOKEN,
        email="ada@example.com",
        name="Ada Lovelace",
        zone="Asia/Kolkata",
    )


def test_a_cancelled_event_is_read_back_as_such(calendly, sandbox, booked):
    event, invitee, _ = booked
    sandbox.control(f"events/{event.rpartition('/')[2]}/cancel", {})

    assert not calendly.scheduled(event, invitee).active
    assert not calendly.is_active(event)


def test_an_event_nobody_made_is_not_active(calendly, sandbox):
    assert not calendly.is_active(f"{sandbox.sandbox}/calendly/scheduled_events/0-0")


FOREIGN = [
    ("{other}/scheduled_events/E", "{other}/scheduled_events/E/invitees/I"),
    ("{base}/scheduled_events/E", "{other}/scheduled_events/E/invitees/I"),
    ("{other}/scheduled_events/E", "{base}/scheduled_events/E/invitees/I"),
    ("{base}/scheduled_events/E1", "{base}/scheduled_events/E2/invitees/I"),
    ("{base}/scheduled_events/E/../../x", "{base}/scheduled_events/E/../../x/invitees/I"),
    ("{base}/users/me", "{base}/users/me/invitees/I"),
    ("{base}/scheduled_events/E", "{base}/scheduled_events/E/invitees/I?x=1"),
    ("{base}/scheduled_events/E", "{base}/scheduled_events/E/invitees/I\n"),
    ("{base}/scheduled_events/E", "{base}/scheduled_events/E/invitees/"),
    ("{base}/scheduled_events/E%2f", "{base}/scheduled_events/E%2f/invitees/I"),
    ("{base}@{other}/scheduled_events/E", "{base}@{other}/scheduled_events/E/invitees/I"),
    ("{base}.evil/scheduled_events/E", "{base}.evil/scheduled_events/E/invitees/I"),
    ("{base}/scheduled_events/" + "E" * 65, "{base}/scheduled_events/" + "E" * 65 + "/invitees/I"),
    ("", ""),
]


@pytest.mark.parametrize(("event", "invitee"), FOREIGN)
def test_addresses_of_others_are_refused_before_our_token_goes_anywhere(event, invitee):
    with listening(answering(b"{}")) as ours, listening(answering(b"{}")) as theirs:
        calendar = a_calendar(ours.address)
        event, invitee = (text.format(base=ours.address, other=theirs.address) for text in (event, invitee))

        with pytest.raises(Invalid, match="does not look like a Calendly booking"):
            calendar.scheduled(event, invitee)

    assert (ours.requests, theirs.requests) == ([], [])


@pytest.mark.parametrize("event", ["{other}/scheduled_events/E", "{base}/scheduled_events/E/x", "{base}/users/me", ""])
def test_only_events_of_ours_are_asked_about_or_cancelled(event):
    with listening(answering(b"{}")) as ours, listening(answering(b"{}")) as theirs:
        calendar = a_calendar(ours.address)
        event = event.format(base=ours.address, other=theirs.address)

        for call in (calendar.is_active, lambda uri: calendar.cancel(uri, "x")):
            with pytest.raises(UpstreamError, match="not an event of ours") as caught:
                call(event)
            assert not caught.value.retryable

    assert (ours.requests, theirs.requests) == ([], [])


def test_the_pattern_takes_a_dot_of_our_host_for_a_dot():
    calendar = a_calendar("https://api.calendly.com")

    with pytest.raises(Invalid):
        calendar.scheduled("https://apiXcalendly.com/scheduled_events/E", "https://apiXcalendly.com/scheduled_events/E")


def test_the_log_tells_the_call_and_no_ids(calendly, booked, capsys):
    event, invitee, _ = booked
    capsys.readouterr()

    calendly.scheduled(event, invitee)

    logged = capsys.readouterr().out
    assert "scheduled_events" in logged
    for secret in (event.rpartition("/")[2], invitee.rpartition("/")[2], CALENDLY_TOKEN, "ada@example.com"):
        assert secret not in logged


# --- a time picked behind our back ----------------------------------------------------------------------------------


def test_a_time_picked_without_our_being_told_is_found_by_its_token(calendly, booked):
    event, invitee, _ = booked
    an_hour_ago, in_an_hour = (datetime.now(UTC) + timedelta(hours=hours) for hours in (-1, 1))

    assert calendly.find(TOKEN, an_hour_ago) == [(event, invitee)]
    assert calendly.find("another-token", an_hour_ago) == []
    assert calendly.find(TOKEN, in_an_hour) == []


def test_a_time_that_was_cancelled_again_is_not_found(calendly, booked):
    calendly.cancel(booked[0], "changed my mind")

    assert calendly.find(TOKEN, datetime.now(UTC) - timedelta(hours=1)) == []


def test_an_event_at_another_address_is_not_looked_into():
    with listening(answering(b"{}")) as theirs:
        listed = {
            "resource": {"uri": "u"},
            "collection": [{"uri": f"{theirs.address}/scheduled_events/E", "created_at": "2030-01-01T00:00:00Z"}],
        }
        with listening(answering_json(lambda: listed)) as ours:
            assert a_calendar(ours.address).find(TOKEN, datetime.now(UTC)) == []

    assert theirs.requests == []


def paged(base: str, pages: int):
    """A list of events in pages of one; the newest first, each with an invitee that carries the token."""

    def answer_to(path: str) -> dict:
        if path.startswith("/users/me"):
            return {"resource": {"uri": "u"}}
        if "/invitees" in path:
            number = path.split("/")[2]
            return {"collection": [{"uri": f"I{number}", "tracking": {"utm_content": TOKEN}}, {"uri": "J"}]}
        number = int(parse_qs(urlsplit(path).query).get("page_token", ["1"])[0])
        made_at = f"2030-01-01T00:00:{59 - number:02d}Z"
        event = {"uri": f"{base}/scheduled_events/{number}", "created_at": made_at}
        return {"collection": [event], "pagination": {"next_page_token": str(number + 1) if number < pages else None}}

    return answer_to


@pytest.mark.parametrize(("pages", "asked"), [(1, 1), (3, 3), (50, 20)])
def test_all_pages_are_looked_into_the_oldest_event_comes_first_and_it_ends(pages, asked):
    answer_to = {}

    def behave(connection, request):
        connection.sendall(answer(json.dumps(answer_to["it"](request.split(b" ")[1].decode())).encode()))

    with listening(behave) as ours:
        answer_to["it"] = paged(ours.address, pages)
        found = a_calendar(ours.address).find(TOKEN, datetime.now(UTC))

    assert found == [(f"{ours.address}/scheduled_events/{n}", f"I{n}") for n in range(asked, 0, -1)]


# --- booking --------------------------------------------------------------------------------------------------------


@pytest.fixture
def book(calendly):
    """Book the same free time for the same person with the same token, as often as it is called."""
    return booking_of(calendly, calendly.free("deep-dive", fortnight())[5].start)


def booking_of(calendar: Calendly, start: datetime):
    def book(seconds: float = 5.0, **changed) -> Scheduled:
        wish = {
            "slug": "deep-dive",
            "start": start,
            "name": "Ada Lovelace",
            "email": "ada@example.com",
            "zone": "Asia/Kolkata",
            "token": TOKEN,
            "made_after": datetime.now(UTC) - timedelta(hours=1),
        }
        return calendar.book(**{**wish, **changed}, seconds=seconds)

    return book


def booking_calls(sandbox) -> int:
    return len(sandbox.control("calls?call=create_invitee"))


def test_a_booking_is_made_with_our_token_and_read_back(calendly, sandbox, book):
    slot = calendly.free("deep-dive", fortnight())[5]

    made = book()

    [shown] = sandbox.control("events")
    assert made == Scheduled(
        event_uri=shown["uri"],
        invitee_uri=shown["invitee"]["uri"],
        event_type_uri=calendly.event_type("deep-dive").uri,
        span=slot,
        active=True,
        token=TOKEN,
        email="ada@example.com",
        name="Ada Lovelace",
        zone="Asia/Kolkata",
    )
    assert shown["tracking"] == {
        "utm_campaign": None,
        "utm_source": "inspired-analyst",
        "utm_medium": None,
        "utm_content": TOKEN,
        "utm_term": None,
        "salesforce_uuid": None,
    }
    assert slot not in calendly.free("deep-dive", fortnight())


def test_booking_the_same_again_is_answered_with_what_is_there(sandbox, book):
    first = book()

    again = book()

    assert again == first
    assert (len(sandbox.control("events")), booking_calls(sandbox)) == (1, 1)


def test_a_booking_whose_answer_was_lost_is_made_once(sandbox, book):
    sandbox.control("settings", {"hang_s": 0.6})
    sandbox.control("faults", {"calendly": [{"call": "create_invitee", "fault": "accept_then_timeout"}]})

    with pytest.raises(UpstreamError) as caught:
        book(seconds=0.4)
    made = book()

    [shown] = sandbox.control("events")
    assert (caught.value.retryable, caught.value.maybe_applied) == (True, True)
    assert (made.event_uri, booking_calls(sandbox)) == (shown["uri"], 1)


@pytest.mark.parametrize("fault", ["refuse", "timeout", "http_500", "http_429", "html"])
def test_a_booking_that_failed_is_worth_another_call_which_works(sandbox, book, fault):
    sandbox.control("settings", {"hang_s": 0.6})
    sandbox.control("faults", {"calendly": [{"call": "create_invitee", "fault": fault}]})

    with pytest.raises(UpstreamError) as caught:
        book(seconds=0.4)
    before = sandbox.control("events")
    made = book()

    [shown] = sandbox.control("events")
    assert (before, caught.value.retryable) == ([], True)
    assert made.event_uri == shown["uri"]


@pytest.mark.parametrize("call", ["event", "invitee"])
def test_a_booking_that_could_not_be_read_back_is_made_once(sandbox, book, call):
    sandbox.control("faults", {"calendly": [{"call": call, "fault": "http_500"}]})

    with pytest.raises(UpstreamError) as caught:
        book()
    made = book()

    [shown] = sandbox.control("events")
    assert (caught.value.retryable, caught.value.maybe_applied) == (True, True)
    assert (made.event_uri, booking_calls(sandbox)) == (shown["uri"], 1)


def test_nothing_is_booked_where_looking_first_has_failed(sandbox, book):
    sandbox.control("faults", {"calendly": [{"call": "events", "fault": "http_500"}]})

    with pytest.raises(UpstreamError):
        book()

    assert (sandbox.control("events"), booking_calls(sandbox)) == ([], 0)


def test_a_time_somebody_else_took_is_refused_as_taken(sandbox, book):
    book(token="another-token", email="charles@example.com")

    with pytest.raises(SlotTaken, match="this time is taken"):
        book()

    assert [one["invitee"]["email"] for one in sandbox.control("events")] == ["charles@example.com"]


def test_a_refusal_of_a_time_that_is_still_free_is_not_taken_for_a_taken_one(sandbox, book):
    with pytest.raises(UpstreamError) as caught:
        book(email="no address")

    assert (caught.value.code, caught.value.retryable, caught.value.maybe_applied) == ("400", False, False)
    assert sandbox.control("events") == []


def test_a_refusal_is_not_called_a_taken_time_where_the_look_at_the_times_has_failed(sandbox, book):
    book(token="another-token")
    sandbox.control("faults", {"calendly": [{"call": "available_times", "fault": "http_500"}]})

    with pytest.raises(UpstreamError) as caught:
        book()

    assert caught.value.retryable


def test_another_time_with_our_token_and_a_cancelled_one_are_no_bookings_of_this_time(calendly, sandbox, book):
    other = book(start=calendly.free("deep-dive", fortnight())[20].start)
    cancelled = book()
    calendly.cancel(cancelled.event_uri, "changed my mind")

    made = book()

    assert made.active
    assert len({other.event_uri, cancelled.event_uri, made.event_uri}) == 3
    assert [one["status"] for one in sandbox.control("events")] == ["active", "canceled", "active"]


def scripted(base: str, start: datetime, *, booked: list[bool], made: tuple[str, str], readable: bool = True):
    """A calendar whose look-ups find our event or not, one after the other, and that answers a booking with a 400 or,
    where `made` names addresses, with those. No time is free."""
    event = f"{base}/scheduled_events/E"
    times = {"start_time": start.isoformat(), "end_time": (start + timedelta(hours=1)).isoformat()}
    shapes = {
        "GET /users/me": {"resource": {"uri": "u"}},
        "GET /event_types?": {"collection": [{"uri": "t", "slug": "deep-dive", "scheduling_url": "p", "duration": 60}]},
        "GET /event_type_available_times": {"collection": []},
        "GET /scheduled_events/E/invitees?": {
            "collection": [{"uri": f"{event}/invitees/I", "tracking": {"utm_content": TOKEN}}]
        },
        "GET /scheduled_events/E/invitees/I": {
            "resource": {"status": "active", "tracking": {"utm_content": TOKEN}, "timezone": "UTC"}
        },
        "GET /scheduled_events/E ": {"resource": {"status": "active", "event_type": "t", **times}},
    }

    def behave(connection, request):
        line = request.decode().splitlines()[0]
        status, shape = "200 OK", next((shape for start, shape in shapes.items() if line.startswith(start)), {})
        if line.startswith("GET /scheduled_events?"):
            there = {"uri": event, "created_at": "2030-01-01T00:00:00Z", "start_time": start.isoformat()}
            found = [there] if booked.pop(0) else []
            shape = {"collection": found, "pagination": {}}
        elif line.startswith("GET /scheduled_events/E ") and not readable:
            status = "404 Not Found"
        elif line.startswith("POST /invitees"):
            status = "201 Created" if made[0] else "400 Bad Request"
            shape = {"resource": {"event": made[0], "uri": made[1]}}
        connection.sendall(answer(json.dumps(shape).encode(), status=status))

    return behave


def test_a_time_taken_by_our_own_earlier_call_that_came_late_is_ours():
    start, behaviour = fortnight().start, {}
    with listening(lambda connection, request: behaviour["it"](connection, request)) as server:
        behaviour["it"] = scripted(server.address, start, booked=[False, True], made=("", ""))

        made = booking_of(a_calendar(server.address), start)()

    assert (made.event_uri, made.span.start) == (f"{server.address}/scheduled_events/E", start)


def test_what_was_booked_but_is_not_there_yet_is_worth_another_call():
    start, behaviour = fortnight().start, {}
    with listening(lambda connection, request: behaviour["it"](connection, request)) as server:
        event = f"{server.address}/scheduled_events/E"
        made = (event, f"{event}/invitees/I")
        behaviour["it"] = scripted(server.address, start, booked=[False], made=made, readable=False)

        error = failure_of(booking_of(a_calendar(server.address), start))

    assert error is not None
    assert (error.code, error.retryable, error.maybe_applied) == ("404", True, True)


def test_an_answer_that_names_an_event_at_another_address_is_a_failure_and_our_token_stays_here():
    start, behaviour = fortnight().start, {}
    with (
        listening(answering(b"{}")) as theirs,
        listening(lambda connection, request: behaviour["it"](connection, request)) as ours,
    ):
        event = f"{theirs.address}/scheduled_events/E"
        behaviour["it"] = scripted(ours.address, start, booked=[False], made=(event, f"{event}/invitees/I"))

        error = failure_of(booking_of(a_calendar(ours.address), start))

    assert error is not None
    assert (error.retryable, theirs.requests) == (True, [])


# --- cancelling -----------------------------------------------------------------------------------------------------


def test_cancelling_frees_the_time_and_twice_is_once(calendly, sandbox, booked):
    event, _, slot = booked

    calendly.cancel(event, "not paid")
    calendly.cancel(event, "not paid")

    [shown] = sandbox.control("events")
    assert (shown["status"], shown["cancellation"]["reason"]) == ("canceled", "not paid")
    assert slot in calendly.free("portfolio-review", fortnight())


def test_cancelling_what_is_gone_is_no_failure(calendly, sandbox):
    calendly.cancel(f"{sandbox.sandbox}/calendly/scheduled_events/0-0", "not paid")


def test_a_cancellation_whose_answer_was_lost_is_looked_up(calendly, sandbox, booked):
    sandbox.control("settings", {"hang_s": 0.5})
    sandbox.control("faults", {"calendly": [{"call": "cancel", "fault": "accept_then_timeout"}]})

    calendly.cancel(booked[0], "not paid", seconds=0.3)

    assert not calendly.is_active(booked[0])


def test_a_cancellation_that_did_not_happen_is_told(calendly, sandbox, booked):
    sandbox.control("faults", {"calendly": [{"call": "cancel", "fault": "http_500"}]})

    with pytest.raises(UpstreamError) as caught:
        calendly.cancel(booked[0], "not paid")

    assert caught.value.retryable
    assert calendly.is_active(booked[0])


# --- failures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["refuse", "timeout", "http_500", "http_429", "html"])
def test_a_fault_is_worth_another_try_and_the_next_call_works(calendly, sandbox, booked, fault):
    event, invitee, _ = booked
    sandbox.control("settings", {"hang_s": 0.6})
    sandbox.control("faults", {"calendly": [{"call": "event", "fault": fault}]})

    with pytest.raises(UpstreamError) as caught:
        calendly.scheduled(event, invitee, seconds=0.4)

    assert (caught.value.service, caught.value.retryable) == ("calendly", True)
    assert calendly.scheduled(event, invitee).active


def test_a_wrong_token_is_a_failure_until_the_owner_sets_another(sandbox):
    with pytest.raises(UpstreamError) as caught:
        Calendly(Http(), base_url=f"{sandbox.sandbox}/calendly", token="wrong").event_types()

    assert (caught.value.code, caught.value.retryable, caught.value.maybe_applied) == ("401", True, False)


def limited(status: str, left: int, seconds: int):
    told = f"X-RateLimit-Limit: 500\r\nX-RateLimit-Remaining: {left}\r\nX-RateLimit-Reset: {seconds}\r\n"
    body = b'{"resource":{"uri":"u","current_organization":"o"},"collection":[]}'
    return answering(body, status=status, headers=told)


def test_once_its_calls_are_used_up_nothing_is_sent_until_the_minute_is_over(monkeypatch):
    with listening(limited("429 Too Many Requests", 0, 30)) as server:
        calendar = a_calendar(server.address)
        for _ in range(3):
            with pytest.raises(UpstreamError) as caught:
                calendar.event_types()
        assert (caught.value.code, caught.value.retryable, caught.value.maybe_applied) == ("429", True, False)
        assert len(server.requests) == 1

        clock = time.monotonic
        monkeypatch.setattr("inspired.adapters.providers.calendly.time.monotonic", lambda: clock() + 31)
        with pytest.raises(UpstreamError):
            calendar.event_types()

    assert len(server.requests) == 2


@pytest.mark.parametrize(("left", "short"), [(500, False), (50, False), (49, True), (1, True)])
def test_what_can_wait_leaves_the_last_calls_to_customers(left, short):
    with listening(limited("200 OK", left, 30)) as server:
        calendar = a_calendar(server.address)
        calendar.subscriptions()

        assert calendar.is_short is short


def test_bookings_have_limits_of_their_own(sandbox):
    """A 429 for booking says nothing of reading."""
    with listening(limited("429 Too Many Requests", 0, 30)) as server:
        calendar = a_calendar(server.address)
        with pytest.raises(UpstreamError):
            calendar._call("POST", f"{server.address}/invitees", 1.0, body={})
        with pytest.raises(UpstreamError):
            calendar.event_types()

    assert len(server.requests) == 2


def test_nobody_there_is_a_failure_and_not_a_cancelled_event():
    base = f"http://127.0.0.1:{free_port()}"

    with pytest.raises(UpstreamError):
        a_calendar(base).is_active(f"{base}/scheduled_events/E")


NONSENSE = [
    b"",
    b"[]",
    b"7",
    b"{}",
    b"\xff",
    b'{"resource":null}',
    b'{"resource":{}}',
    b'{"resource":[]}',
    b'{"resource":{"uri":"x","status":"active","start_time":"soon","end_time":7},"collection":[{}]}',
    b'{"resource":{"uri":"x","status":"active","event_type":"t","start_time":"2026-11-24","end_time":null}}',
    b'{"resource":{"uri":"x"},"collection":7}',
    b'{"resource":{"uri":"x"},"collection":[7]}',
    b'{"resource":{"uri":"x"},"collection":[{"uri":"u","slug":"s","scheduling_url":"u","duration":"long"}]}',
    b'{"collection":[]}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("body", NONSENSE, ids=lambda body: body[:40].decode("ascii", "replace"))
def test_nonsense_is_a_failure_of_the_service_and_nothing_else(body):
    with listening(answering(body)) as server:
        calendar = a_calendar(server.address)
        event = f"{server.address}/scheduled_events/E"

        for call in (
            calendar.event_types,
            lambda: calendar.event_type("s"),
            lambda: calendar.free("s", fortnight()),
            lambda: calendar.frame_url("s", TOKEN, "localhost"),
            lambda: calendar.scheduled(event, f"{event}/invitees/I"),
            lambda: calendar.find(TOKEN, datetime.now(UTC)),
            booking_of(calendar, fortnight().start),
        ):
            error = failure_of(call)
            assert error is None or error.service == "calendly"


@pytest.mark.parametrize("times", [[{"status": "available"}], [{"start_time": "soon", "status": "available"}], [7], 7])
def test_times_that_are_none_are_a_failure_of_the_service(times):
    def behave(connection, request):
        shapes = {
            b"/users/me": {"resource": {"uri": "u"}},
            b"/event_types?": {"collection": [{"uri": "t", "slug": "s", "scheduling_url": "p", "duration": 45}]},
            b"/event_type_available_times": {"collection": times},
        }
        path = request.split(b" ")[1]
        connection.sendall(answer(json.dumps(next(v for k, v in shapes.items() if path.startswith(k))).encode()))

    with listening(behave) as server, pytest.raises(UpstreamError):
        a_calendar(server.address).free("s", fortnight())


def test_an_event_without_its_status_is_neither_active_nor_cancelled():
    with listening(answering(b'{"resource":{}}')) as server, pytest.raises(UpstreamError):
        a_calendar(server.address).is_active(f"{server.address}/scheduled_events/E")
