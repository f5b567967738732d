"""The Calendly side: API, scheduling page, webhooks."""

from __future__ import annotations

import hashlib
import hmac
import html
import re
import time
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests

from tests.sandbox.world import Receiver, World, stamp

LONDON = ZoneInfo("Europe/London")
TRACKING = ("utm_campaign", "utm_source", "utm_medium", "utm_content", "utm_term", "salesforce_uuid")
INLINE = {"embed_domain": "127.0.0.1", "embed_type": "Inline"}


def _booked(world: World, slug: str = "deep-dive", nth: int = 0, **more: str) -> dict[str, Any]:
    answer = world.schedule(slug, world.free_times(slug)[nth], **more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def _subscribe(world: World, url: str, **more: object) -> requests.Response:
    me = world.calendly("GET", "users/me").json()["resource"]
    body = {
        "url": url, "events": ["invitee.created", "invitee.canceled"], "organization": me["current_organization"],
        "scope": "organization", "signing_key": "hook-signing-key",
    }  # fmt: skip
    return world.calendly("POST", "webhook_subscriptions", json=body | more)


# --- account, types, times ---


def test_a_wrong_token_is_unauthenticated(world: World) -> None:
    answer = world.session.get(f"{world.url}/calendly/users/me", headers={"Authorization": "Bearer x"}, timeout=5)

    assert answer.status_code == 401
    assert answer.json() == {"title": "Unauthenticated", "message": "The access token is invalid"}


def test_every_answer_tells_the_rate_limit(world: World) -> None:
    headers = world.calendly("GET", "users/me").headers

    assert headers["X-RateLimit-Limit"] == "500"
    assert 0 <= int(headers["X-RateLimit-Remaining"]) < 500
    assert 0 <= int(headers["X-RateLimit-Reset"]) <= 60


def test_a_reset_gives_the_minutes_calls_back(world: World) -> None:
    for _ in range(3):
        world.calendly("GET", "users/me")
    world.control("reset")

    assert world.calendly("GET", "users/me").headers["X-RateLimit-Remaining"] == "499"


def test_uris_begin_with_the_base_and_stay_the_same(world: World) -> None:
    kind = world.event_type("deep-dive")
    world.control("reset")

    assert kind["uri"].startswith(f"{world.url}/calendly/event_types/")
    assert world.calendly("GET", kind["uri"]).json() == {"resource": kind}
    assert world.event_type("deep-dive")["uri"] == kind["uri"]


def test_the_account_has_the_four_types(world: World) -> None:
    user = world.calendly("GET", "users/me").json()["resource"]["uri"]
    listed = world.calendly("GET", "event_types", params={"user": user, "active": "true"}).json()

    assert {kind["slug"]: kind["duration"] for kind in listed["collection"]} == {
        "quick-question": 30, "portfolio-review": 45, "deep-dive": 90, "mentoring": 45
    }  # fmt: skip
    assert all(kind["active"] and kind["type"] == "StandardEventType" for kind in listed["collection"])
    assert listed["pagination"]["count"] == 4


def test_lists_need_an_owner_who_is_ours(world: World) -> None:
    other = {"user": f"{world.url}/calendly/users/somebody"}

    assert world.calendly("GET", "event_types").status_code == 400
    assert world.calendly("GET", "event_types", params=other).status_code == 403


def test_times_are_in_the_owners_hours_with_notice_and_room_for_the_whole_call(world: World) -> None:
    starts = [datetime.fromisoformat(text) for text in world.free_times("deep-dive", days=30, beyond_notice_s=0)]
    local = [start.astimezone(LONDON) for start in starts]

    assert starts == sorted(starts)
    assert starts[0].timestamp() >= time.time() + 2 * 3600 - 5
    assert {start.weekday() for start in local} == {0, 1, 2, 3, 4}
    assert {start.minute for start in local} == {0, 30}
    assert min(start.strftime("%H:%M") for start in local) == "09:00"
    assert max(start.strftime("%H:%M") for start in local) == "15:30"


@pytest.mark.parametrize(
    ("start", "end", "parameter"),
    [(-3_600, 86_400, "start_time"), (60, 32 * 86_400, "end_time"), (7_200, 3_600, "end_time")],
)
def test_a_wrong_span_of_times_is_refused(world: World, start: int, end: int, parameter: str) -> None:
    now, kind = time.time(), world.event_type("deep-dive")["uri"]
    span = {"event_type": kind, "start_time": stamp(now + start), "end_time": stamp(now + end)}
    answer = world.calendly("GET", "event_type_available_times", params=span)

    assert (answer.status_code, answer.json()["title"]) == (400, "Invalid Argument")
    assert answer.json()["details"][0]["parameter"] == parameter


def test_a_booked_time_is_gone_for_every_overlapping_call(world: World) -> None:
    start = world.free_times("deep-dive")[0]
    before = world.free_times("quick-question")
    world.schedule("deep-dive", start)
    gone = set(before) - set(world.free_times("quick-question"))
    begin = datetime.fromisoformat(start).timestamp()

    assert gone == {stamp(begin), stamp(begin + 1_800), stamp(begin + 3_600)}
    assert start not in world.free_times("deep-dive")
    assert world.schedule("quick-question", start).status_code == 409


# --- the scheduling page ---


def test_a_plain_form_post_books_and_keeps_the_tracking(world: World) -> None:
    booked = _booked(world, utm_content="token-1", timezone="Asia/Tokyo")
    event = world.calendly("GET", booked["event"]["uri"]).json()["resource"]
    invitee = world.calendly("GET", booked["invitee"]["uri"]).json()["resource"]

    assert booked["event"]["uri"].startswith(f"{world.url}/calendly/scheduled_events/")
    assert booked["invitee"]["uri"].startswith(booked["event"]["uri"] + "/invitees/")
    assert (event["status"], event["event_type"]) == ("active", world.event_type("deep-dive")["uri"])
    assert event["start_time"].endswith(".000000Z")
    assert event["invitees_counter"] == {"total": 1, "active": 1, "limit": 1}
    assert (invitee["email"], invitee["timezone"], invitee["event"]) == ("ada@example.com", "Asia/Tokyo", event["uri"])
    assert invitee["tracking"] == dict.fromkeys(TRACKING) | {"utm_content": "token-1"}
    assert (invitee["rescheduled"], invitee["old_invitee"], invitee["new_invitee"]) == (False, None, None)


def _page(world: World, **asked: str) -> str:
    return world.session.get(world.event_type("deep-dive")["scheduling_url"], params=asked, timeout=5).text


def test_the_page_shows_times_and_what_is_known_of_who_comes(world: World) -> None:
    page = _page(world, name="Ada <b>", email="ada@example.com")

    assert 'name="start_time"' in page
    assert 'value="Ada &lt;b&gt;"' in page


def test_messages_are_posted_only_where_the_address_names_the_domain_and_the_type(world: World) -> None:
    assert "if (true && window.parent" in _page(world, **INLINE)
    for incomplete in ({}, {"embed_domain": "127.0.0.1"}, {"embed_type": "Inline"}, INLINE | {"embed_domain": ""}):
        assert "if (false && window.parent" in _page(world, **incomplete)


def test_another_month_or_day_and_a_refused_form_are_no_other_look_at_the_event_type(world: World) -> None:
    first = _page(world, **INLINE)
    links = [html.unescape(link) for link in re.findall(r'href="(\?[^"]+)"', first)]
    page = world.event_type("deep-dive")["scheduling_url"]
    refused = world.session.post(page, params=INLINE, data={"name": "Ada"}, timeout=5)

    assert "calendly.event_type_viewed" in first
    assert len(links) > 2
    for link in links[:3]:
        after = world.session.get(page + link, timeout=5).text
        assert "calendly.event_type_viewed" not in after
        assert "if (true && window.parent" in after
    assert refused.status_code == 422
    assert "calendly.event_type_viewed" not in refused.text


def test_the_profile_posts_its_message_and_hands_on_what_it_was_asked(world: World) -> None:
    profile = world.event_type("deep-dive")["scheduling_url"].rpartition("/")[0]
    embedded = world.session.get(profile, params=INLINE | {"name": "Ada & co"}, timeout=5).text
    alone = world.session.get(profile, timeout=5).text

    assert 'post("calendly.profile_page_viewed")' in embedded
    assert "/inspired-analyst/deep-dive?embed_domain=127.0.0.1&amp;embed_type=Inline&amp;name=Ada+%26+co" in embedded
    assert '/inspired-analyst/deep-dive"' in alone


def test_only_colours_are_taken_for_colours(world: World) -> None:
    page = _page(world, background_color="00aaFF", text_color="red;}</style><script>", primary_color="#00aa00")

    assert "body { background: #00aaFF; }" in page
    assert "red;}" not in page
    assert "#00aa00" not in page


def test_booking_in_the_frame_posts_both_uris_to_the_parent(world: World) -> None:
    page = world.event_type("mentoring")["scheduling_url"] + "?embed_domain=x&embed_type=Inline&utm_content=token-2"
    fields = {"start_time": world.free_times("mentoring")[0], "name": "Ada", "email": "ada@example.com"}
    done = world.session.post(page, data=fields, timeout=5)
    event = world.look("events")[0]

    assert done.status_code == 201
    assert "You are scheduled" in done.text
    assert "calendly.event_scheduled" in done.text
    assert event["uri"] in done.text
    assert event["invitee"]["uri"] in done.text
    assert event["tracking"]["utm_content"] == "token-2"


@pytest.mark.parametrize(
    "changed", [{"start_time": "soon"}, {"start_time": ""}, {"name": " "}, {"email": "nobody"}, {"email": "<a@b.c>"}]
)
def test_a_wrong_form_books_nothing(world: World, changed: dict[str, str]) -> None:
    start = world.free_times("deep-dive")[0]

    assert world.schedule("deep-dive", **({"start": start} | _as_start(changed))).status_code == 422
    assert world.look("events") == []


def _as_start(changed: dict[str, str]) -> dict[str, str]:
    return {"start" if name == "start_time" else name: value for name, value in changed.items()}


def test_a_time_outside_the_hours_is_not_bookable(world: World) -> None:
    saturday_night = datetime(2031, 3, 1, 23, 0, tzinfo=LONDON).isoformat()

    assert world.schedule("deep-dive", saturday_night).status_code == 409


# --- events by API ---


def test_events_are_listed_filtered_and_paged(world: World) -> None:
    times = world.free_times("quick-question")
    for number in (2, 0, 1):
        world.schedule("quick-question", times[number], email=f"guest{number}@example.com")
    user = {"user": world.calendly("GET", "users/me").json()["resource"]["uri"]}

    def listed(**more: str) -> Any:
        return world.calendly("GET", "scheduled_events", params=user | more).json()

    first = listed(count="2")
    second = world.calendly("GET", first["pagination"]["next_page"]).json()
    starts = [one["start_time"] for one in first["collection"] + second["collection"]]
    assert starts == sorted(starts)
    assert [len(first["collection"]), len(second["collection"])] == [2, 1]
    assert second["pagination"]["next_page"] is None
    assert len(listed(invitee_email="GUEST1@example.com")["collection"]) == 1
    assert listed(status="canceled")["collection"] == []
    assert len(listed(min_start_time=times[1], max_start_time=times[1])["collection"]) == 1


def test_cancellation_is_created_once(world: World) -> None:
    event = _booked(world)["event"]["uri"]
    first = world.calendly("POST", f"{event}/cancellation", json={"reason": "not paid"})
    second = world.calendly("POST", f"{event}/cancellation", json={})
    seen = world.calendly("GET", event).json()["resource"]

    assert first.status_code == 201
    assert first.json()["resource"] | {"created_at": ""} == {
        "canceled_by": "Inspired Analyst", "reason": "not paid", "canceler_type": "host", "created_at": ""
    }  # fmt: skip
    assert (second.status_code, second.json()["title"]) == (403, "Permission Denied")
    assert second.json()["message"] == "Event is already canceled"
    assert (seen["status"], seen["cancellation"]["reason"]) == ("canceled", "not paid")


def test_a_cancelled_time_is_free_again(world: World) -> None:
    start = world.free_times("deep-dive")[0]
    event = world.schedule("deep-dive", start).json()["event"]["uri"]
    world.calendly("POST", f"{event}/cancellation")

    assert start in world.free_times("deep-dive")


def test_what_is_not_there_is_not_found(world: World) -> None:
    booked = _booked(world)
    paths = ["scheduled_events/nobody", "event_types/nobody", "users/nobody", "nothing"]
    paths += [f"{booked['event']['uri']}/invitees/nobody"]

    assert {world.calendly("GET", path).status_code for path in paths} == {404}
    assert world.calendly("GET", "nothing").json()["title"] == "Resource Not Found"


def test_invitees_can_be_made_without_the_page(world: World) -> None:
    body = _invitee_body(world)
    made = world.calendly("POST", "invitees", json=body)
    again = world.calendly("POST", "invitees", json=body)
    invitee = made.json()["resource"]
    event = world.calendly("GET", invitee["event"]).json()["resource"]

    assert made.status_code == 201
    assert (invitee["name"], invitee["scheduling_method"]) == ("Ada Lovelace", "api")
    assert invitee["tracking"]["utm_content"] == "token-3"
    assert datetime.fromisoformat(event["start_time"]) == datetime.fromisoformat(body["start_time"])
    assert (again.status_code, again.json()["title"]) == (400, "Invalid Argument")


def _invitee_body(world: World) -> dict[str, Any]:
    return {
        "event_type": world.event_type("mentoring")["uri"], "start_time": world.free_times("mentoring")[0],
        "invitee": {"name": "Ada Lovelace", "email": "ada@example.com", "timezone": "Europe/Paris"},
        "tracking": dict.fromkeys(TRACKING) | {"utm_content": "token-3"},
    }  # fmt: skip


@pytest.mark.parametrize(
    "changed",
    [
        {"event_type": "https://example.com/x"},
        {"start_time": "2020-01-06T10:00:00Z"},
        {"start_time": None},
        {"invitee": {"name": "Ada", "email": "ada@example.com", "timezone": "Mars/Base"}},
        {"invitee": {"name": "Ada", "email": {"$ne": 1}, "timezone": "UTC"}},
        {"tracking": {"utm_content": "alone"}},
        {"event_guests": ["a@b.example"] * 11},
    ],
)
def test_wrong_invitees_are_refused(world: World, changed: dict[str, Any]) -> None:
    answer = world.calendly("POST", "invitees", json=_invitee_body(world) | changed)

    assert (answer.status_code, answer.json()["title"]) == (400, "Invalid Argument")
    assert world.look("events") == []


# --- webhooks ---


def test_a_subscription_is_told_signed_what_happens(world: World, receiver: Receiver) -> None:
    made = _subscribe(world, receiver.url)
    booked = _booked(world, utm_content="token-4")
    world.calendly("POST", f"{booked['event']['uri']}/cancellation")
    notices = receiver.wait_for(2)
    by_name = {one.outer["event"]: one for one in notices}
    created, canceled = by_name["invitee.created"].outer["payload"], by_name["invitee.canceled"].outer["payload"]

    assert made.status_code == 201
    assert made.json()["resource"]["state"] == "active"
    assert all(_calendly_signature_is_right(one) for one in notices)
    assert (created["uri"], created["tracking"]["utm_content"]) == (booked["invitee"]["uri"], "token-4")
    assert created["scheduled_event"]["uri"] == booked["event"]["uri"]
    assert (canceled["status"], canceled["scheduled_event"]["status"]) == ("canceled", "canceled")
    assert canceled["cancellation"] == canceled["scheduled_event"]["cancellation"]


def _calendly_signature_is_right(notice: Any) -> bool:
    parts = dict(part.split("=", 1) for part in notice.headers["calendly-webhook-signature"].split(","))
    message = parts["t"].encode() + b"." + notice.body
    fresh = abs(int(parts["t"]) - time.time()) < 10
    return fresh and hmac.new(b"hook-signing-key", message, hashlib.sha256).hexdigest() == parts["v1"]


def test_subscriptions_are_listed_unique_local_and_removable(world: World, receiver: Receiver) -> None:
    one = _subscribe(world, receiver.url).json()["resource"]
    again, outside = _subscribe(world, receiver.url), _subscribe(world, "https://example.com/hook")
    query = {"organization": one["organization"], "scope": "organization"}
    listed = world.calendly("GET", "webhook_subscriptions", params=query).json()["collection"]
    gone = world.calendly("DELETE", one["uri"])

    assert (again.status_code, again.json()["title"]) == (409, "Already Exists")
    assert outside.status_code == 400
    assert listed == [one]
    assert gone.status_code == 204
    assert world.calendly("GET", one["uri"]).status_code == 404


def test_a_customer_who_reschedules_leaves_two_linked_events_and_two_notices(world: World, receiver: Receiver) -> None:
    _subscribe(world, receiver.url)
    booked = _booked(world, utm_content="token-5")
    start = world.free_times("deep-dive")[4]
    fresh = world.control(f"events/{booked['id']}/reschedule", {"start_time": start})
    old = world.calendly("GET", booked["invitee"]["uri"]).json()["resource"]
    new = world.calendly("GET", fresh["invitee"]["uri"]).json()["resource"]
    notices = receiver.wait_for(3)

    assert (old["status"], old["rescheduled"], old["new_invitee"]) == ("canceled", True, new["uri"])
    assert (new["status"], new["old_invitee"], new["tracking"]["utm_content"]) == ("active", old["uri"], None)
    assert datetime.fromisoformat(fresh["start_time"]) == datetime.fromisoformat(start)
    assert sorted(one.outer["event"] for one in notices) == ["invitee.canceled", "invitee.created", "invitee.created"]


def test_a_customer_can_cancel_or_move_to_the_next_time(world: World) -> None:
    moved = world.control(f"events/{_booked(world)['id']}/reschedule")
    canceled = world.control(f"events/{moved['id']}/cancel", {"reason": "ill"})

    assert [one["status"] for one in world.look("events")] == ["canceled", "canceled"]
    assert canceled["cancellation"]["canceler_type"] == "invitee"
    assert world.session.post(f"{world.url}/control/events/{moved['id']}/cancel", timeout=5).status_code == 409


@pytest.mark.parametrize("call", ["event", "any"])
def test_calendly_calls_fail_on_demand(world: World, call: str) -> None:
    booked = _booked(world)
    world.control("faults", {"calendly": [{"call": call, "fault": "http_500"}]})

    assert world.calendly("GET", booked["event"]["uri"]).status_code == 500
    assert world.calendly("GET", booked["event"]["uri"]).status_code == 200


def test_an_accepted_cancellation_whose_answer_is_lost_is_a_cancellation(world: World) -> None:
    booked = _booked(world)
    world.control("faults", {"calendly": [{"call": "cancel", "fault": "accept_then_timeout", "delay_s": 0.2}]})
    with pytest.raises(requests.ConnectionError):
        world.calendly("POST", f"{booked['event']['uri']}/cancellation")

    assert world.look("events")[0]["status"] == "canceled"


def test_an_event_that_is_over_cannot_be_cancelled(world: World) -> None:
    booked = _booked(world)
    world.control("clock", {"advance_s": 7 * 86_400})
    answer = world.calendly("POST", f"{booked['event']['uri']}/cancellation")

    assert (answer.status_code, answer.json()["message"]) == (403, "Event in the past")
