"""The look at Calendly: what was booked past our pages, what no webhook told of, and what the owner is told."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient

from inspired.domain.booking import customer_actions
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.history import EventKind, Length
from inspired.domain.booking.states import State
from inspired.domain.shared.errors import Conflict
from inspired.domain.shared.slots import Span
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import calendly_sync, delivery, payment, refreshing
from inspired.services import Services
from tests.conftest import Mailbox
from tests.flows.steps import book_past_us, hold, later, pay, remote_status
from tests.harness import Servers
from tests.web.admin.test_admin import log_in
from tests.web.pages import send, words

OWNER = "owner@example.com"


@pytest.fixture
def env_changes() -> dict[str, str]:
    return {"CALENDAR": "calendly", "CALENDLY_ORPHAN_HOURS": "6"}


def all_bookings(svc: Services) -> list[Booking]:
    return svc.bookings.made(svc.now() - timedelta(days=1), svc.now() + timedelta(days=1), 50)


def the_booking(svc: Services) -> Booking:
    (found,) = all_bookings(svc)
    return found


def active(sandbox: Servers) -> list[bool]:
    return [one["status"] == "active" for one in sandbox.control("events")]


def test_what_was_booked_past_us_becomes_a_booking_with_hours_to_pay(svc: Services, sandbox: Servers, mailbox: Mailbox):
    event = book_past_us(svc)

    calendly_sync.look(svc)
    booking = refreshing.refresh(svc, the_booking(svc).id)

    assert (booking.state, booking.slot.event_uri, booking.terms_version) == (State.PENDING, event, "")
    assert booking.expires_at - booking.created_at == pytest.approx(timedelta(hours=6), abs=timedelta(seconds=1))
    assert delivery.opened(svc, booking) == {"email": "eve@example.com", "name": "Eve"}
    assert mailbox.subjects_to("eve@example.com") == ["Please pay for your call: Portfolio review"]
    assert len(mailbox.subjects_to(OWNER)) == 1
    assert f"/booking/{booking.token}" in mailbox.messages[0].get_body(("plain",)).get_content()


def test_it_is_taken_in_once_however_often_and_by_however_many(svc: Services):
    book_past_us(svc)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: calendly_sync.look(svc), range(6)))
    calendly_sync.look(svc)

    assert [one.state for one in all_bookings(svc)] == [State.PENDING]


def test_paid_it_is_a_call_like_any_other(svc: Services, sandbox: Servers, mailbox: Mailbox):
    book_past_us(svc)
    calendly_sync.look(svc)
    booking = refreshing.refresh(svc, the_booking(svc).id)

    pay(sandbox, booking)
    after = refreshing.refresh(svc, booking.id)

    assert (after.state, active(sandbox)) == (State.CONFIRMED, [True])


def test_unpaid_it_is_cancelled_in_the_calendar_when_its_hours_are_over(
    svc: Services, sandbox: Servers, mailbox: Mailbox
):
    book_past_us(svc)
    calendly_sync.look(svc)
    booking = refreshing.refresh(svc, the_booking(svc).id)
    before = refreshing.refresh(later(svc, hours=5, minutes=59), booking.id)

    after = refreshing.refresh(later(svc, hours=6, minutes=2), booking.id)
    after = refreshing.refresh(later(svc, hours=6, minutes=3), after.id)

    assert (before.state, after.state, active(sandbox)) == (State.PENDING, State.EXPIRED, [False])
    assert len(mailbox.subjects_to("eve@example.com")) == 2, "the way to pay, and that it is over"


def test_an_order_lasts_an_hour_and_the_customer_gets_another_while_there_is_time(
    svc: Services, sandbox: Servers, mailbox: Mailbox
):
    book_past_us(svc)
    calendly_sync.look(svc)
    booking = refreshing.refresh(svc, the_booking(svc).id)
    first = booking.order
    assert first.expires_at - first.created_at <= timedelta(hours=1, seconds=1)

    sandbox.control(f"orders/{first.trade_no}/expire", {})
    closed = refreshing.refresh(svc, booking.id)
    renewed = payment.try_again(svc, closed.token)
    pay(sandbox, renewed)

    assert (closed.state, closed.order.is_closed) == (State.PENDING, True)
    assert renewed.order.trade_no != first.trade_no
    assert refreshing.refresh(svc, booking.id).state is State.CONFIRMED


def test_hours_end_with_the_call_itself(svc: Services, mailbox: Mailbox):
    event = book_past_us(svc, call=0)

    calendly_sync.look(svc)

    booking = the_booking(svc)
    assert booking.slot.event_uri == event
    assert booking.expires_at <= max(booking.slot.span.start, booking.created_at + timedelta(minutes=15))


def test_another_kind_of_call_of_the_owners_is_none_of_our_business(svc: Services):
    book_past_us(svc)
    listed = svc.catalogue.fresh()
    others = tuple(one for one in listed.types if one.type.id != "portfolio-review")
    svc.catalogue.save_types(others, listed.types_version)

    calendly_sync.look(svc)

    assert all_bookings(svc) == []


def test_another_length_booked_past_us_is_refused_there_and_nobody_is_asked_to_pay(
    svc: Services, sandbox: Servers, mailbox: Mailbox
):
    sandbox.control("settings", {"duration_options": "30 90"})
    for call, minutes in ((40, 90), (50, 30)):
        book_past_us(svc, call=call, minutes=minutes)

    calendly_sync.look(svc)

    assert (all_bookings(svc), active(sandbox)) == ([], [False, False])
    assert mailbox.subjects_to("eve@example.com") == []
    reasons = {one["cancellation"]["reason"] for one in sandbox.control("events")}
    assert reasons == {
        "Portfolio review takes 45 minutes, and another length cannot be booked. "
        f"Please choose a time of 45 minutes, best here: {svc.settings.site_url}"
    }


def test_a_length_that_is_sold_is_taken_in_beside_others(svc: Services, sandbox: Servers, mailbox: Mailbox):
    sandbox.control("settings", {"duration_options": "90"})
    book_past_us(svc, minutes=45)

    calendly_sync.look(svc)

    assert (the_booking(svc).state, active(sandbox)) == (State.PENDING, [True])


class TestSwitchedOff:
    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {"CALENDAR": "calendly", "CALENDLY_ORPHAN_HOURS": "0"}

    def test_the_owner_may_have_guests_who_pay_nothing(self, svc: Services, sandbox: Servers):
        book_past_us(svc)

        calendly_sync.look(svc)

        assert (all_bookings(svc), active(sandbox)) == ([], [True])


# --- events that carry a token of ours ------------------------------------------------------------------------------


def test_a_draft_whose_page_never_told_is_not_taken_for_a_stranger(svc: Services):
    draft = booking_flow.start_draft(svc, svc.catalogue.type("portfolio-review"))
    event = book_past_us(svc, token=draft.token)

    calendly_sync.look(svc)
    refreshing.refresh(svc, draft.id)

    booking = the_booking(svc)
    assert (booking.id, booking.state, booking.slot.event_uri) == (draft.id, State.PENDING, event)


def confirmed_in_frame(svc: Services, sandbox: Servers) -> Booking:
    draft = booking_flow.start_draft(svc, svc.catalogue.type("portfolio-review"))
    book_past_us(svc, token=draft.token, call=30)
    booking = refreshing.refresh(later(svc, minutes=2), draft.id)
    booking = payment.open_order(svc, booking, seconds=2.0)
    pay(sandbox, booking)
    booking = refreshing.refresh(svc, booking.id)
    assert booking.state is State.CONFIRMED
    return booking


def tidied(svc: Services, booking: Booking) -> Booking:
    return refreshing.refresh(later(svc, minutes=6), booking.id)


def test_an_old_address_used_again_is_a_booking_of_its_own(svc: Services, sandbox: Servers, mailbox: Mailbox):
    first = tidied(svc, confirmed_in_frame(svc, sandbox))
    second = book_past_us(svc, token=first.token, call=50)

    calendly_sync.look(svc)
    assert the_booking(svc).id == first.id, "its page may still tell of it"
    calendly_sync.look(later(svc, minutes=11))

    (again,) = (one for one in all_bookings(svc) if one.id != first.id)
    assert (again.state, again.slot.event_uri) == (State.PENDING, second)
    assert svc.bookings.get(first.id).slot == first.slot


def test_a_longer_time_picked_in_the_frame_is_refused_and_given_back(svc: Services, sandbox: Servers, mailbox: Mailbox):
    sandbox.control("settings", {"duration_options": "90"})
    draft = booking_flow.start_draft(svc, svc.catalogue.type("portfolio-review"))
    book_past_us(svc, token=draft.token, minutes=90)

    after = refreshing.refresh(later(svc, minutes=2), draft.id)
    after = refreshing.refresh(later(svc, minutes=3), after.id)

    assert (after.state, after.slot, after.orders, active(sandbox)) == (State.DRAFT, None, (), [False])
    assert sandbox.control("events")[0]["cancellation"]["reason"].startswith("This call takes 45 minutes")
    assert [one.details for one in after.history if one.kind is EventKind.OTHER_LENGTH] == [Length(90)]
    assert mailbox.messages == []


def test_the_page_says_what_was_wrong_and_takes_the_right_length_then(
    svc: Services, sandbox: Servers, client: FlaskClient
):
    sandbox.control("settings", {"duration_options": "90"})
    draft = booking_flow.start_draft(svc, svc.catalogue.type("portfolio-review"))
    book_past_us(svc, token=draft.token, minutes=90)
    address = f"/booking/{draft.token}"
    refused = send(client, f"{address}/picked", {}, page=address)
    refreshing.refresh(svc, draft.id)
    book_past_us(svc, token=draft.token, minutes=45, call=60)
    taken = send(client, f"{address}/picked", {}, page=address)

    assert refused.status_code == 409
    assert "This call takes 45 minutes, and 90 minutes were chosen in Calendly." in words(refused.text)
    assert (taken.status_code, svc.bookings.get(draft.id).state) == (303, State.PENDING)


def test_a_call_whose_length_calendly_does_not_offer_begins_no_booking(svc: Services, client: FlaskClient):
    listed = svc.catalogue.fresh()
    review = listed.types[1]
    longer = replace(review, type=replace(review.type, minutes=60))
    svc.catalogue.save_types((listed.types[0], longer, *listed.types[2:]), listed.types_version)
    offered = svc.catalogue.fresh().types[1].type

    with pytest.raises(Conflict, match="its length is being changed"):
        booking_flow.start_draft(svc, offered)

    begin = svc.now() + timedelta(hours=5)
    assert booking_flow.free_times(svc, offered, Span(begin, begin + timedelta(days=14))) == []
    assert all_bookings(svc) == []


@pytest.mark.parametrize("minutes", [30, 90])
def test_an_unpaid_call_moved_there_to_another_length_is_given_up_and_paid_for_by_nobody(
    svc: Services, sandbox: Servers, mailbox: Mailbox, minutes: int
):
    booking = payment.open_order(svc, held_in_frame(svc), seconds=2.0)
    sandbox.control("settings", {"duration_options": "30 90"})
    moved_there(sandbox, svc, booking, duration=minutes)

    calendly_sync.look(svc)
    for at in (0, 1, 2):
        after = refreshing.refresh(later(svc, minutes=at), booking.id)

    assert (after.state, active(sandbox)) == (State.CANCELLED, [False, False])
    assert remote_status(sandbox, booking.order.trade_no) == "CANCELED"


def test_a_paid_call_made_longer_there_is_followed_as_long_as_was_paid_for_and_told_once(
    svc: Services, sandbox: Servers, mailbox: Mailbox
):
    booking = confirmed_in_frame(svc, sandbox)
    sandbox.control("settings", {"duration_options": "90"})
    moved_there(sandbox, svc, booking, duration=90)

    for at in (0, 10, 20):
        calendly_sync.look(later(svc, minutes=at))
        svc.bookings.change(booking.id, lambda b, n=at: customer_actions.to_follow(b, f"again{n}", svc.now()))
        after = refreshing.refresh(later(svc, minutes=at), booking.id)

    assert (after.state, after.moves, active(sandbox)) == (State.CONFIRMED, 1, [False, True])
    assert after.slot.span.end - after.slot.span.start == timedelta(minutes=45)
    told = [one for one in mailbox.messages if one["To"] == OWNER and "another length" in str(one.get_body(("plain",)))]
    assert len(told) == 1


# --- what no webhook told of ----------------------------------------------------------------------------------------


def moved_there(sandbox: Servers, svc: Services, booking: Booking, **how: Any) -> None:
    sandbox.control(f"events/{booking.slot.event_uri.rpartition('/')[2]}/reschedule", how)


def cancelled_there(sandbox: Servers, svc: Services, booking: Booking, **how: Any) -> None:
    sandbox.control(f"events/{booking.slot.event_uri.rpartition('/')[2]}/cancel", how)


@pytest.mark.parametrize(
    ("happens", "state", "moves"), [(moved_there, State.CONFIRMED, 1), (cancelled_there, State.CANCELLED, 0)]
)
def test_what_happened_there_without_a_webhook_is_followed(
    svc: Services,
    sandbox: Servers,
    mailbox: Mailbox,
    happens: Callable[..., None],
    state: State,
    moves: int,
):
    booking = confirmed_in_frame(svc, sandbox)
    happens(sandbox, svc, booking)

    calendly_sync.look(svc)
    after = refreshing.refresh(svc, booking.id)
    calendly_sync.look(svc)

    assert (after.state, after.moves) == (state, moves)
    assert the_booking(svc).id == booking.id
    assert svc.calendly_sync_state.get().by_looking >= 1


def test_what_is_as_it_was_is_left_alone(svc: Services, sandbox: Servers, mailbox: Mailbox):
    booking = confirmed_in_frame(svc, sandbox)
    before = svc.calendly_sync_state.get().by_looking

    calendly_sync.look(svc)

    assert svc.bookings.get(booking.id) == booking
    assert svc.calendly_sync_state.get().by_looking == before


def test_who_waits_for_a_choice_is_not_asked_about_at_every_look(svc: Services, sandbox: Servers, mailbox: Mailbox):
    booking = payment.open_order(svc, held_in_frame(svc), seconds=2.0)
    cancelled_there(sandbox, svc, booking)
    pay(sandbox, booking)
    booking = refreshing.refresh(svc, booking.id)
    assert booking.choose_by is not None

    calendly_sync.look(svc)

    assert svc.bookings.get(booking.id) == booking


def test_a_time_chosen_for_money_that_is_here_is_taken_up_and_costs_nothing_again(
    svc: Services, sandbox: Servers, mailbox: Mailbox
):
    booking = payment.open_order(svc, held_in_frame(svc), seconds=2.0)
    cancelled_there(sandbox, svc, booking)
    pay(sandbox, booking)
    refreshing.refresh(svc, booking.id)
    event = book_past_us(svc, token=booking.token, call=60)

    calendly_sync.look(later(svc, minutes=30))

    after = the_booking(svc)
    assert (after.id, after.state, after.slot.event_uri) == (booking.id, State.CONFIRMED, event)
    assert "Please pay for your call: Portfolio review" not in mailbox.subjects_to("eve@example.com")


def held_in_frame(svc: Services) -> Booking:
    draft = booking_flow.start_draft(svc, svc.catalogue.type("portfolio-review"))
    book_past_us(svc, token=draft.token, call=30)
    return refreshing.refresh(later(svc, minutes=2), draft.id)


# --- what the owner is told -----------------------------------------------------------------------------------------


def test_a_difference_is_told_once_and_a_new_one_again(svc: Services, mailbox: Mailbox):
    offered = svc.catalogue.fresh()
    review = offered.types[1]
    longer = replace(review, type=replace(review.type, minutes=60))
    svc.catalogue.save_types((offered.types[0], longer, *offered.types[2:]), offered.types_version)
    svc.catalogue.fresh()

    for _ in range(2):
        calendly_sync.look(svc)

    assert mailbox.subjects_to(OWNER) == ["Calendly differs from what your site offers"]
    assert "60 minutes here, 45 at Calendly" in mailbox.messages[0].get_body(("plain",)).get_content()


def test_a_token_that_is_refused_is_told_at_once_and_only_once(svc: Services, sandbox: Servers, mailbox: Mailbox):
    sandbox.control("settings", {"calendly_scopes": "users:read event_types:read"})

    for _ in range(2):
        calendly_sync.look(svc)

    assert mailbox.subjects_to(OWNER) == ["Your site cannot ask Calendly"]
    assert "inspired doctor" in mailbox.messages[0].get_body(("plain",)).get_content()
    assert svc.calendly_sync_state.get().trouble == "calendly: our token is not allowed to do this"


def test_a_calendly_that_does_not_answer_is_told_after_an_hour_and_again_the_next_time(
    svc: Services, sandbox: Servers, mailbox: Mailbox
):
    def broken(at: Services) -> None:
        sandbox.control("faults", {"calendly": [{"call": "any", "fault": "http_500", "times": 1}]})
        calendly_sync.look(at)

    broken(svc)
    broken(later(svc, minutes=59))
    before = list(mailbox.messages)
    broken(later(svc, minutes=61))
    broken(later(svc, minutes=71))
    once = mailbox.subjects_to(OWNER)
    calendly_sync.look(later(svc, minutes=81))
    broken(later(svc, minutes=91))
    broken(later(svc, minutes=155))

    assert (before, once) == ([], ["Your site cannot ask Calendly"])
    assert mailbox.subjects_to(OWNER) == ["Your site cannot ask Calendly"] * 2


def test_the_clock_has_it_looked_at_every_ten_minutes(svc: Services):
    now = svc.now()
    taken = [
        svc.calendly_sync_state.take(now + timedelta(minutes=at), now + timedelta(minutes=at + 10))
        for at in (0, 1, 9, 10, 11)
    ]

    assert taken == [True, False, False, True, False]


def test_a_booking_of_our_own_pages_is_no_stranger(svc: Services):
    own = replace(svc, settings=svc.settings.model_copy(update={"calendar": "calendly_api"}))
    booking = hold(own)

    calendly_sync.look(svc)

    assert the_booking(svc).id == booking.id


# --- who did not come -----------------------------------------------------------------------------------------------


def no_show_there(sandbox: Servers, svc: Services, booking: Booking) -> bool:
    headers = {"Authorization": f"Bearer {svc.settings.calendly_token.get_secret_value()}"}
    found = requests.get(booking.slot.invitee_uri, headers=headers, timeout=5).json()["resource"]
    return found["no_show"] is not None


def test_who_did_not_come_is_written_down_at_calendly_too_and_taken_back(
    svc: Services, sandbox: Servers, mailbox: Mailbox
):
    booking = confirmed_in_frame(svc, sandbox)
    wait = booking.slot.span.start - svc.now() + timedelta(minutes=5)
    sandbox.control("clock", {"advance_s": wait.total_seconds()})
    begun = later(svc, seconds=wait.total_seconds())
    told = []
    for came in (False, False, True):
        booking_flow.no_show(begun, booking.id, came=came)
        delivery.deliver(begun, svc.bookings.get(booking.id))
        told.append(no_show_there(sandbox, svc, booking))

    assert told == [True, True, False]
    assert not svc.bookings.get(booking.id).outbox


def test_the_owner_reads_how_the_watch_stands(svc: Services, client: FlaskClient, sandbox: Servers, mailbox: Mailbox):
    log_in(client)
    before = words(client.get("/admin/calls").text)
    svc.calendly_sync_state.noticed(svc.now())
    book_past_us(svc)
    sandbox.control("settings", {"calendly_scopes": "users:read"})
    calendly_sync.look(svc)
    refused = words(client.get("/admin/calls").text)
    sandbox.control("settings", {"calendly_scopes": ""})
    calendly_sync.look(svc)
    after = words(client.get("/admin/calls").text)

    assert "Last looked at not yet Last notice from Calendly none yet Found" in before
    assert "could not ask Calendly since" in refused
    assert "could not ask Calendly since" not in after
    assert ", 1 in all Found by looking, before any notice 1" in after
