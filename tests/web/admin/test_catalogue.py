"""The owner's calendar and meeting types: looked at before they are saved, refused with a reason, never half saved."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from inspired.domain.catalogue.availability import in_words
from inspired.domain.catalogue.meeting_types import MEETING_TYPES
from inspired.domain.shared.money import Money
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import payment
from inspired.flows.booking.booking import Customer
from inspired.services import Services
from tests.flows.steps import free_calls, live, owners_clock
from tests.harness import Servers
from tests.web.pages import filled, hidden, send, words

CALENDAR, CALLS = "/admin/calendar", "/admin/calls"
REVIEW = "/admin/calls/portfolio-review"


def save(owner: FlaskClient, address: str, **changes: str) -> Any:
    return owner.post(address, data={**filled(owner.get(address).text), "do": "save", **changes})


# --- the calendar ---------------------------------------------------------------------------------------------------


def test_the_calendar_is_shown_as_it_is_with_the_times_that_come_of_it(owner: FlaskClient):
    page = owner.get(CALENDAR).text

    assert filled(page)["monday"] == "09:00-17:00"
    assert filled(page)["sunday"] == ""
    assert "Free times now" in words(page)
    assert "09:00 09:30 10:00" in words(page)


def test_a_look_shows_what_would_come_of_it_and_saves_nothing(owner: FlaskClient, svc: Services):
    week = dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday"), "12:00-13:00")

    page = save(owner, CALENDAR, **week, saturday="8:00-9:00", look="quick-question", do="look")

    assert page.status_code == 200
    assert "Free times, if you save this" in words(page.text)
    assert {"08:00 08:30", "12:00 12:30"} <= set(re.findall(r"\d\d:\d\d \d\d:\d\d", words(page.text)))
    assert filled(page.text)["saturday"] == "8:00-9:00"
    assert svc.catalogue.fresh().calendar_version == 0


def test_what_is_saved_is_offered_to_customers(owner: FlaskClient, svc: Services):
    answer = save(
        owner, CALENDAR, monday="10:00-12:00, 14:00-16:00", special="2030-01-07 closed\n2030-01-08 8:00-9:00",
        days_off="2030-02-01 to 2030-02-03\n2030-03-01",
    )  # fmt: skip
    calendar = svc.catalogue.fresh().calendar
    page = owner.get(answer.headers["Location"])

    assert answer.status_code == 303
    assert in_words(calendar.week[0]) == "10:00-12:00, 14:00-16:00"
    assert [(str(one.date), in_words(one.hours)) for one in calendar.special] == [
        ("2030-01-07", ""), ("2030-01-08", "08:00-09:00"),
    ]  # fmt: skip
    assert [(str(one.first), str(one.last)) for one in calendar.days_off] == [
        ("2030-02-01", "2030-02-03"), ("2030-03-01", "2030-03-01"),
    ]  # fmt: skip
    assert "Saved." in words(page.text)
    assert filled(page.text)["special"] == "2030-01-07 closed\n2030-01-08 08:00-09:00"
    begin = [owners_clock(svc, call) for call in free_calls(svc)]
    mondays = {f"{at:%H:%M}" for at in begin if at.weekday() == 0}
    assert mondays <= {"10:00", "10:30", "11:00", "14:00", "14:30", "15:00"}


@pytest.mark.parametrize(
    ("changes", "field", "told"),
    [
        ({"monday": "nine to five"}, "monday", "is not a range"),
        ({"friday": "17:00-9:00"}, "friday", "end after they begin"),
        ({"special": "tomorrow closed"}, "special", "does not begin with a date"),
        ({"special": "2030-01-07"}, "special", "needs hours, or the word closed"),
        ({"special": "2030-01-07 closed\n2030-01-07 9:00-10:00"}, "special", "one set of special hours"),
        ({"special": "\n".join(["2030-01-07 closed"] * 201)}, "special", "At most 200 lines"),
        ({"days_off": "2030-02-03 to 2030-02-01"}, "days_off", "end after they begin"),
        ({"days_off": "2030-02-30"}, "days_off", "does not begin with a date"),
        ({"days_off": "x" * 8001}, "days_off", "Please check this"),
    ],
)
def test_what_is_wrong_comes_back_with_its_reason_and_nothing_is_lost(
    owner: FlaskClient, svc: Services, changes: dict[str, str], field: str, told: str
):
    answer = save(owner, CALENDAR, tuesday="7:00-8:00", **changes)

    assert answer.status_code == 422
    error = re.search(rf'id="{field}-error">([^<]*)', answer.text)
    assert error
    assert told in words(error[0] + ">")
    assert filled(answer.text)["tuesday"] == "7:00-8:00"
    assert svc.catalogue.fresh().calendar_version == 0


def test_two_who_change_the_calendar_do_not_undo_each_other(owner: FlaskClient, svc: Services):
    old = filled(owner.get(CALENDAR).text)
    save(owner, CALENDAR, monday="10:00-11:00")

    answer = owner.post(CALENDAR, data={**old, "tuesday": "", "do": "save"})

    assert (answer.status_code, "Please look again" in words(answer.text)) == (409, True)
    assert in_words(svc.catalogue.fresh().calendar.week[0]) == "10:00-11:00"


# --- meeting types --------------------------------------------------------------------------------------------------


def listed(svc: Services) -> list[str]:
    return [f"{'-' if one.hidden else ''}{one.type.id}" for one in svc.catalogue.fresh().types]


def press(owner: FlaskClient, type_id: str, do: str) -> Any:
    version = hidden(owner.get(CALLS).text, "version")
    return send(owner, CALLS, {"id": type_id, "do": do, "version": version})


def test_calls_are_put_in_order_hidden_and_shown_again(owner: FlaskClient, svc: Services):
    first, second, third, last = (one.id for one in MEETING_TYPES)

    for type_id, do in (
        (first, "down"),
        (last, "up"),
        (third, "hide"),
        (second, "up"),
        (first, "hide"),
        (first, "show"),
    ):
        assert press(owner, type_id, do).status_code == 303

    assert listed(svc) == [second, first, last, f"-{third}"]
    home = owner.get("/").text
    assert (f"/book/{third}" in home, home.index(second) < home.index(first)) == (False, True)
    assert owner.get(f"/book/{third}").status_code == 404
    assert "hidden" in words(owner.get(CALLS).text)


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"id": "nothing", "do": "up"}, 404), ({"do": "burn"}, 422), ({"version": "7"}, 409), ({"version": "x"}, 422)],
)
def test_a_list_changed_meanwhile_or_by_nonsense_stays(
    owner: FlaskClient, svc: Services, fields: dict[str, str], code: int
):
    before = listed(svc)

    answer = send(owner, CALLS, {"id": "deep-dive", "do": "up", "version": "0", **fields})

    assert answer.status_code == code
    assert listed(svc) == before


def test_saving_a_call_untouched_changes_nothing_of_it(owner: FlaskClient, svc: Services):
    for one in MEETING_TYPES:
        assert save(owner, f"{CALLS}/{one.id}").status_code == 303

    assert tuple(one.type for one in svc.catalogue.fresh().types) == MEETING_TYPES


def test_a_name_that_binance_would_refuse_is_sold_all_the_same_and_the_owner_sees_how_it_reads(
    owner: FlaskClient, svc: Services, sandbox: Servers
):
    name = 'The “big” \\ "review" \N{ROCKET}'

    looked = save(owner, REVIEW, title=name, place="Room 1\x0b\nsecond floor", do="look")
    saved = save(owner, REVIEW, title=name)
    landed = words(owner.get(saved.headers["Location"]).text)
    again = save(owner, REVIEW, title="Plain review")
    quiet = words(owner.get(again.headers["Location"]).text)

    for said in (
        "Binance Pay, to whoever pays The big review",
        f"Subject of the confirmation Confirmed: {name}, …",
        f"Entry in calendars {name} – Inspired Analyst",
        "Place in calendars Room 1 second floor",
    ):
        assert said in words(looked.text)
    assert "At Binance Pay, which does not take every sign, it reads “The big review”." in landed
    assert "At Binance Pay" not in quiet
    save(owner, REVIEW, title=name)
    span = free_calls(svc)[0]
    held = booking_flow.hold_time(
        svc, svc.catalogue.type("portfolio-review"), span.start, "Europe/Berlin", Customer("ann@example.com"),
        network="", token=svc.new_token(),
    )  # fmt: skip
    booking = payment.open_held_order(svc, held, seconds=2.0)
    assert booking.order is not None
    assert booking.order.checkout is not None, "it can be paid"
    assert booking.meeting_type.title == name


def test_a_changed_call_holds_for_new_bookings_only(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = live(svc)

    answer = save(
        owner, REVIEW, title="Portfolio check", minutes="60", price="99.50", summary="All.", includes="One\n\nTwo ",
        full_until="48", part_until="12", part_percent="25", move_until="12", choice_time="24", top_up="yes",
        before="10", after="15", step="15", notice="5", horizon="60", most_per_day="3", reminders="48, 2",
        questions="What do you hold? *\n\nAnything else?", place="https://meet.example/review",
    )  # fmt: skip
    changed = svc.catalogue.type("portfolio-review")

    assert answer.headers["Location"] == f"{CALLS}?saved=portfolio-review"
    assert (changed.title, changed.minutes, changed.price, changed.summary) == (
        "Portfolio check", 60, Money.parse("99.5"), "All.",
    )  # fmt: skip
    assert (changed.includes, changed.reminders) == (("One", "Two"), (48, 2))
    assert [(one.text, one.is_required) for one in changed.questions] == [
        ("What do you hold?", True), ("Anything else?", False),
    ]  # fmt: skip
    assert changed.place == "https://meet.example/review"
    assert filled(owner.get(REVIEW).text)["questions"] == "What do you hold? *\nAnything else?"
    policy, rules, hour, minute = changed.policy, changed.rules, timedelta(hours=1), timedelta(minutes=1)
    assert (policy.full_until, policy.part_until, policy.part_percent, policy.move_until, policy.choice_time) == (
        48 * hour, 12 * hour, 25, 12 * hour, 24 * hour,
    )  # fmt: skip
    assert policy.top_up
    assert (rules.before, rules.after, rules.step, rules.notice, rules.horizon, rules.most_per_day, rules.week) == (
        10 * minute, 15 * minute, 15 * minute, 5 * hour, timedelta(days=60), 3, None,
    )  # fmt: skip
    home, page = words(owner.get("/").text), words(owner.get(f"/booking/{booking.token}").text)
    assert "Portfolio check" in home
    assert "99.5 USDT" in home
    assert "75 USDT" in page
    assert svc.bookings.get(booking.id).meeting_type == replace(MEETING_TYPES[1], rules=booking.meeting_type.rules)


def test_a_call_can_have_hours_of_its_own_and_be_looked_at_first(owner: FlaskClient, svc: Services):
    own = {**dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday"), ""), "sunday": "20:00-21:30"}

    look = save(owner, REVIEW, own_hours="yes", do="look", **own)
    saved = save(owner, REVIEW, own_hours="yes", **own)

    assert "20:00 20:30" in words(look.text)
    assert look.status_code == 200
    assert saved.status_code == 303
    week = svc.catalogue.type("portfolio-review").rules.week
    assert week is not None
    assert [in_words(day) for day in week] == ["", "", "", "", "", "", "20:00-21:30"]
    assert {owners_clock(svc, call).weekday() for call in free_calls(svc)} == {6}
    assert save(owner, REVIEW, own_hours="").status_code == 303
    assert svc.catalogue.type("portfolio-review").rules.week is None


def test_a_new_call_is_added_at_the_end_and_can_be_booked(owner: FlaskClient, svc: Services):
    answer = save(owner, f"{CALLS}/new", id="second-opinion", title="Second opinion", price="60")

    assert answer.status_code == 303
    assert listed(svc)[-1] == "second-opinion"
    assert "Second opinion" in words(owner.get("/book/second-opinion").text)


@pytest.mark.parametrize(
    ("changes", "field", "told"),
    [
        ({"id": "Second Opinion"}, "id", "Small letters, digits and hyphens"),
        ({"id": "new"}, "id", "Another call has this address"),
        ({"id": "deep-dive"}, "id", "Another call has this address"),
        ({"title": ""}, "title", "give it a name"),
        ({"minutes": "7"}, "minutes", "Whole five minutes"),
        ({"minutes": "365"}, "minutes", "from 5 to 360"),
        ({"minutes": "many"}, "minutes", "whole number"),
        ({"price": "0"}, "price", "From 0.01 to 20000 USDT"),
        ({"price": "20000.01"}, "price", "From 0.01 to 20000 USDT"),
        ({"price": "15000"}, "price", "above what one customer may pay"),
        ({"price": "free"}, "price", "number such as 75"),
        ({"full_until": "1", "part_until": "2"}, "full_until", "ends after the time for all of it"),
        ({"part_percent": "101"}, "part_percent", "whole number"),
        ({"choice_time": "0"}, "full_until", "some time to choose"),
        ({"before": "7"}, "before", "whole five minutes"),
        ({"notice": "2000", "horizon": "3"}, "before", "notice is shorter"),
        ({"own_hours": "yes", "monday": "noon"}, "monday", "is not a range"),
        ({"reminders": "a day before"}, "reminders", "such as 24, 1"),
        ({"reminders": "1, 2, 3, 4, 5"}, "reminders", "Up to four"),
        ({"reminders": "0"}, "reminders", "1 to 336 hours"),
        ({"questions": "\n".join("abcdefg")}, "questions", "At most 6 questions"),
        ({"questions": "x" * 201}, "questions", "at most 200 letters"),
    ],
)
def test_a_call_that_cannot_be_is_refused_with_its_reason(
    owner: FlaskClient, svc: Services, changes: dict[str, str], field: str, told: str
):
    answer = save(owner, f"{CALLS}/new", **{"id": "second-opinion", "title": "Second opinion", **changes})

    assert answer.status_code == 422
    error = re.search(rf'id="{field}-error">([^<]*)', answer.text)
    assert error
    assert told in words(error[0] + ">")
    assert svc.catalogue.fresh().types_version == 0


def test_a_call_nobody_offers_is_not_found(owner: FlaskClient):
    assert owner.get(f"{CALLS}/nothing").status_code == 404
    assert owner.post(f"{CALLS}/nothing", data=filled(owner.get(REVIEW).text)).status_code == 404


def test_an_old_page_of_a_call_changes_nothing(owner: FlaskClient, svc: Services):
    old = filled(owner.get(REVIEW).text)
    save(owner, REVIEW, price="80")

    answer = owner.post(REVIEW, data={**old, "price": "90", "do": "save"})

    assert answer.status_code == 409
    assert svc.catalogue.type("portfolio-review").price == Money.parse("80")


@pytest.mark.parametrize("path", [CALENDAR, CALLS, REVIEW, f"{CALLS}/new"])
def test_only_the_owner_sees_and_changes_what_is_offered(client: FlaskClient, svc: Services, path: str):
    token = {"csrf_token": hidden(client.get("/admin/login").text, "csrf_token")}

    assert client.get(path).headers["Location"].startswith("/admin/login")
    assert client.post(path, data={**token, "do": "save"}).headers["Location"].startswith("/admin/login")
    assert svc.catalogue.fresh().types_version == svc.catalogue.fresh().calendar_version == 0
