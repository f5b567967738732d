"""Webhooks of Calendly, signed by the stand-in itself: moved and cancelled there, in any order, and from strangers."""

from datetime import timedelta

import pytest
import requests
from flask.testing import FlaskClient

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.outbox import SyncEvent
from inspired.domain.booking.states import Flag, State
from inspired.domain.shared.errors import BadSignature, Invalid, UpstreamError
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import calendar_webhooks, calendly_sync, payment, refreshing
from inspired.services import Services
from tests.adapters.providers.test_calendly_signing import NEW, OLD, a_notice, signed
from tests.conftest import Mailbox
from tests.flows.steps import free_calls, hold, later, pay, refunds_there
from tests.harness import Servers
from tests.web.catcher import Catcher

HEADER = "Calendly-Webhook-Signature"


@pytest.fixture
def env_changes() -> dict[str, str]:
    return {"CALENDAR": "calendly_api", "CALENDLY_SIGNING_KEYS": f"{NEW}, {OLD}"}


@pytest.fixture
def subscribed(sandbox: Servers, svc: Services, catcher: Catcher) -> Catcher:
    """The stand-in sends its webhooks there, signed with the older of our two keys."""
    headers = {"Authorization": f"Bearer {svc.settings.calendly_token.get_secret_value()}"}
    base = svc.settings.calendly_base_url
    me = requests.get(f"{base}/users/me", headers=headers, timeout=5).json()["resource"]
    body = {
        "url": catcher.url, "events": ["invitee.created", "invitee.canceled"], "scope": "user", "user": me["uri"],
        "organization": me["current_organization"], "signing_key": OLD,
    }  # fmt: skip
    made = requests.post(f"{base}/webhook_subscriptions", json=body, headers=headers, timeout=5)
    assert made.status_code == 201
    return catcher


def confirmed(svc: Services, sandbox: Servers, call: int = 40) -> Booking:
    booking = payment.open_held_order(svc, hold(svc, call=call), seconds=2.0)
    pay(sandbox, booking)
    booking = refreshing.refresh(svc, booking.id)
    assert booking.state is State.CONFIRMED
    return booking


def event_of(booking: Booking) -> str:
    return booking.slot.event_uri.rpartition("/")[2]


def take_all(svc: Services, caught: Catcher, booking: Booking, number: int, *, backwards: bool = False) -> Booking:
    """The notices so far, in their order or the other way round, and what a worker then does."""
    webhooks = list(caught.wait_for(number))
    for headers, raw in reversed(webhooks) if backwards else webhooks:
        calendar_webhooks.receive(svc, headers[HEADER], raw)
    return refreshing.refresh(svc, booking.id)


def test_a_new_event_of_ours_says_nothing_new(svc: Services, sandbox: Servers, subscribed: Catcher):
    booking = confirmed(svc, sandbox)

    after = take_all(svc, subscribed, booking, 1)

    assert (after.state, after.slot, after.moves) == (State.CONFIRMED, booking.slot, 0)


@pytest.mark.parametrize("backwards", [False, True])
def test_a_call_moved_there_is_followed_whatever_order_its_two_notices_come_in(
    svc: Services, sandbox: Servers, subscribed: Catcher, backwards: bool
):
    booking = confirmed(svc, sandbox)
    other = free_calls(svc)[60]
    start = other.start.isoformat().replace("+00:00", "Z")

    sandbox.control(f"events/{event_of(booking)}/reschedule", {"start_time": start})
    after = take_all(svc, subscribed, booking, 3, backwards=backwards)

    assert (after.state, after.slot.span, after.moves, after.refunds) == (State.CONFIRMED, other, 1, ())
    assert svc.calendly.is_active(after.slot.event_uri)
    assert not after.flags


def test_an_unpaid_booking_moved_there_is_paid_at_its_new_time(svc: Services, sandbox: Servers, subscribed: Catcher):
    booking = payment.open_held_order(svc, hold(svc, call=40), seconds=2.0)
    sandbox.control(f"events/{event_of(booking)}/reschedule", {})
    moved = take_all(svc, subscribed, booking, 3)

    pay(sandbox, booking)
    after = refreshing.refresh(svc, booking.id)

    assert (after.state, after.slot) == (State.CONFIRMED, moved.slot)
    assert after.slot.span.start > booking.slot.span.start


def test_cancelled_there_by_the_customer_the_policy_holds(
    svc: Services, sandbox: Servers, subscribed: Catcher, mailbox: Mailbox
):
    booking = confirmed(svc, sandbox)
    mailbox.messages.clear()
    ten_hours_before = booking.slot.span.start - timedelta(hours=10)

    sandbox.control("clock", {"advance_s": (ten_hours_before - svc.now()).total_seconds()})
    sandbox.control(f"events/{event_of(booking)}/cancel", {"reason": "no time", "canceler_type": "invitee"})
    take_all(svc, subscribed, booking, 2)
    after = refreshing.refresh(svc, booking.id)

    assert after.state is State.CANCELLED
    assert refunds_there(sandbox) == [("37.5", "REFUND_SUCCESS")]
    assert "owner@example.com" in {one["to"] for one in mailbox.messages}


def test_cancelled_there_by_the_owner_everything_goes_back(svc: Services, sandbox: Servers, subscribed: Catcher):
    booking = confirmed(svc, sandbox, call=2)

    sandbox.control(f"events/{event_of(booking)}/cancel", {"reason": "ill", "canceler_type": "host"})
    take_all(svc, subscribed, booking, 2)
    after = refreshing.refresh(svc, booking.id)

    assert after.state is State.REFUNDED
    assert refunds_there(sandbox) == [("75", "REFUND_SUCCESS")]


def test_cancelled_there_while_unpaid_the_booking_is_given_up(svc: Services, sandbox: Servers, subscribed: Catcher):
    booking = payment.open_held_order(svc, hold(svc, call=40), seconds=2.0)

    sandbox.control(f"events/{event_of(booking)}/cancel", {"canceler_type": "invitee"})
    take_all(svc, subscribed, booking, 2)
    after = refreshing.refresh(svc, booking.id)

    assert (after.state, after.flags) == (State.CANCELLED, frozenset())


def test_the_same_notice_again_changes_nothing(svc: Services, sandbox: Servers, subscribed: Catcher):
    booking = confirmed(svc, sandbox)
    sandbox.control(f"events/{event_of(booking)}/reschedule", {})
    once = take_all(svc, subscribed, booking, 3)

    twice = take_all(svc, subscribed, booking, 3)

    assert (twice.slot, twice.moves, twice.history) == (once.slot, 1, once.history)


def test_while_calendly_does_not_answer_the_question_stays_owed(svc: Services, sandbox: Servers, subscribed: Catcher):
    booking = confirmed(svc, sandbox)
    sandbox.control(f"events/{event_of(booking)}/reschedule", {})
    subscribed.wait_for(3)
    sandbox.control("faults", {"calendly": [{"call": "any", "fault": "http_500", "times": 30}]})

    waiting = take_all(svc, subscribed, booking, 3)
    requests.delete(f"{sandbox.sandbox}/control/faults", timeout=5).raise_for_status()
    after = refreshing.refresh(later(svc, minutes=5), booking.id)

    assert waiting.owes(SyncEvent)
    assert (waiting.moves, after.moves) == (0, 1)


def test_our_own_cancelling_of_an_unpaid_event_is_no_news(svc: Services, sandbox: Servers, subscribed: Catcher):
    booking = payment.open_held_order(svc, hold(svc, call=40), seconds=2.0)
    booking_flow.give_up(svc, booking.token)
    ended = refreshing.refresh(svc, booking.id)

    after = take_all(svc, subscribed, booking, 2)

    assert (ended.state, after.state, after.flags & {Flag.SLOT_LOST}) == (
        State.CANCELLED, State.CANCELLED, frozenset(),
    )  # fmt: skip


# --- the subscription -----------------------------------------------------------------------------------------------


def test_connecting_makes_one_subscription_under_the_newest_key_however_often(svc: Services, sandbox: Servers):
    for _ in range(2):
        url = calendar_webhooks.connect(svc)
    ours = [one for one in svc.calendly.subscriptions() if one.url == url]
    connected = calendar_webhooks.is_connected(svc)
    svc.calendly.unsubscribe(ours[0].uri)

    assert url == f"{svc.settings.site_url}/api/calendly/webhook"
    assert [one.is_active for one in ours] == [True]
    assert (connected, calendar_webhooks.is_connected(svc)) == (True, False)


def test_subscriptions_of_others_are_left_alone(svc: Services, sandbox: Servers, subscribed: Catcher):
    calendar_webhooks.connect(svc)

    assert {one.url for one in svc.calendly.subscriptions()} >= {subscribed.url, calendar_webhooks.address(svc)}
    with pytest.raises(UpstreamError):
        svc.calendly.unsubscribe("http://elsewhere/webhook_subscriptions/1")


def test_a_subscription_that_is_gone_is_made_anew_and_the_owner_told_once(
    svc: Services, sandbox: Servers, mailbox: Mailbox
):
    calendar_webhooks.connect(svc)
    quiet = calendar_webhooks.watch(svc)
    for one in svc.calendly.subscriptions():
        svc.calendly.unsubscribe(one.uri)

    needed = [calendar_webhooks.watch(svc) for _ in range(2)]

    assert (quiet, needed, calendar_webhooks.is_connected(svc)) == (False, [True, False], True)
    assert mailbox.subjects_to("owner@example.com") == ["Calendly sends its webhooks again"]


def test_the_first_time_it_connects_by_itself_and_quietly(svc: Services, sandbox: Servers, mailbox: Mailbox):
    for one in svc.calendly.subscriptions():
        svc.calendly.unsubscribe(one.uri)

    made = [calendar_webhooks.watch(svc) for _ in range(2)]

    assert (made, calendar_webhooks.is_connected(svc), mailbox.messages) == ([True, False], True, [])


def test_while_calendly_does_not_answer_nothing_is_made_anew(svc: Services, sandbox: Servers, mailbox: Mailbox):
    sandbox.control("faults", {"calendly": [{"call": "webhook_subscriptions", "fault": "http_500", "times": 9}]})

    with pytest.raises(UpstreamError):
        calendar_webhooks.watch(svc)
    calendly_sync.look(svc)

    assert mailbox.messages == []
    assert svc.calendly_sync_state.get().trouble


class TestNotConnected:
    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {"CALENDAR": "calendly"}

    def test_without_a_key_it_says_what_is_missing(self, svc: Services):
        with pytest.raises(Invalid, match="CALENDLY_SIGNING_KEYS is missing"):
            calendar_webhooks.connect(svc)
        with pytest.raises(BadSignature):
            calendar_webhooks.receive(svc, signed(a_notice(), ""), a_notice())
        assert not calendar_webhooks.watch(svc)


# --- who knocks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [OLD, NEW])
def test_both_keys_are_good_while_one_is_replaced_and_an_old_notice_is_looked_into(svc: Services, key: str):
    """Signed three years ago: what it says is asked for anyway."""
    assert calendar_webhooks.receive(svc, signed(a_notice(), key), a_notice()) is None


def test_the_door_answers_calendly_and_strangers(client: FlaskClient, svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)
    raw = a_notice(uri=booking.slot.invitee_uri)

    good = client.post("/api/calendly/webhook", data=raw, headers={HEADER: signed(raw, NEW)})
    bad = client.post("/api/calendly/webhook", data=raw, headers={HEADER: signed(raw, "x")})
    many = [client.post("/api/calendly/webhook", data=raw).status_code for _ in range(35)]

    assert (good.status_code, bad.status_code) == (200, 401)
    assert svc.bookings.get(booking.id).owes(SyncEvent)
    assert 429 in many


def test_a_notice_is_kept_sealed_with_what_followed_from_it(svc: Services, sandbox: Servers, subscribed: Catcher):
    booking = confirmed(svc, sandbox)
    take_all(svc, subscribed, booking, 1)
    take_all(svc, subscribed, booking, 1)

    now = svc.now()
    (row,) = svc.logs.inbound(before=later(svc, minutes=1).now(), after=later(svc, hours=-1).now(), most=10)
    kept = svc.logs.get(row["_id"])
    opened = svc.vault.open(kept.key, kept.key_owner, "notice", kept.raw)
    assert row["at"] <= now
    assert (row["booking_id"], row["biz_type"]) == (booking.id, "CALENDLY")
    assert row["followed"] == "Calendly is asked what became of the event"
    assert "ann@example.com" in opened
    assert b"ann@example.com" not in kept.raw
