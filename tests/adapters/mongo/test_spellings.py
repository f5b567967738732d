"""What an older release wrote is read, and written back letter by letter.

`stored/older_release.json` was written by the release before tasks and events were typed: bookings on random walks and
every step of the owner's, few that hold every spelling.
"""

from pathlib import Path
from typing import Any

import bson
import pytest
from bson import json_util
from hypothesis import given
from hypothesis import strategies as st

from inspired.adapters.mongo import spellings
from inspired.adapters.mongo.documents import booking_in, booking_out
from inspired.adapters.mongo.tickets import _in as ticket_in
from inspired.adapters.mongo.tickets import _out as ticket_out
from inspired.domain.booking import customer_actions, refunds
from inspired.domain.booking.booking import FactKind, RefundRequest
from inspired.domain.booking.claims import CallsOn, Invitee, Place, Tick, UnknownClaim, UnpaidOf
from inspired.domain.booking.history import EventKind, Obstacle, ObstacleKind, TaskDone, Unread
from inspired.domain.booking.outbox import AlertKind, AlertOwner, Email, Result, SendEmail, UnknownTask
from inspired.domain.booking.rails import USUAL
from inspired.domain.booking.states import Cause, State
from inspired.domain.sentences import owner
from inspired.domain.shared.money import Money
from inspired.domain.support.tickets import TicketEventKind
from tests.factories import NOW, a_confirmed_booking

STORED = json_util.loads(
    (Path(__file__).parents[1] / "stored/older_release.json").read_text(encoding="utf-8"),
    json_options=json_util.JSONOptions(tz_aware=True),
)
KINDS = [*EventKind, "flagged", "juggled", ""]


def stored(document: dict[str, Any]) -> dict[str, Any]:
    """As the database gives it back."""
    return bson.decode(bson.encode(document), bson.CodecOptions(tz_aware=True))


def but_filed(document: dict[str, Any]) -> dict[str, Any]:
    """Without what the owner's lists are found by, which each release files in its own way (`inspired migrate`)."""
    return {name: value for name, value in document.items() if name not in ("filed", "filing")}


@pytest.mark.parametrize("number", range(len(STORED["bookings"])))
def test_a_booking_of_an_older_release_is_written_back_letter_by_letter(number: int):
    found = STORED["bookings"][number]

    assert but_filed(stored(booking_out(booking_in(found)))) == but_filed(stored(found))


@pytest.mark.parametrize("number", range(len(STORED["tickets"])))
def test_a_ticket_of_an_older_release_is_written_back_letter_by_letter(number: int):
    found = STORED["tickets"][number]

    assert stored(ticket_out(ticket_in(found))) == stored(found)


def test_everything_an_older_release_wrote_is_understood():
    bookings = [booking_in(found) for found in STORED["bookings"]]
    tasks = {item.task for one in bookings for item in one.outbox} | {
        task for one in bookings for task in one.delivered
    }
    events = [event for one in bookings for event in one.history]
    claims = {claim for one in bookings for claim in one.claims}
    facts = {entry.fact.kind for one in bookings for entry in one.ledger}
    told = [event for found in STORED["tickets"] for event in ticket_in(found).history]

    assert not [task for task in tasks if isinstance(task, UnknownTask)]
    assert not [event for event in events if isinstance(event.details, Unread)]
    assert not [claim for claim in claims if isinstance(claim, UnknownClaim)]
    assert FactKind.OTHER not in facts
    assert {type(claim.row) for claim in claims if isinstance(claim, Place)} == {UnpaidOf, CallsOn}
    assert {Tick, Invitee} <= {type(claim) for claim in claims}
    assert {event.kind for event in events} >= set(EventKind) - {
        EventKind.OTHER,
        EventKind.PENDING,
        EventKind.TAKEN_BACK,
        EventKind.PAYS_OTHERWISE,
        EventKind.FEE_TOLERATED,
        EventKind.NETWORK_SLOW,
        *(EventKind.OTHER_NETWORK, EventKind.HELD_BACK, EventKind.LET_COUNT),
        *(EventKind.REFUND_WAITS, EventKind.REFUND_APPROVED, EventKind.REFUND_TAKEN_BACK),
        *(EventKind.ADDRESS_NAMED, EventKind.ADDRESS_CONFIRMED),
    }
    assert {event.kind for event in told} >= set(TicketEventKind) - {TicketEventKind.OTHER, TicketEventKind.BEGUN}
    of_tasks = {event.details.result for event in events if isinstance(event.details, TaskDone)}
    assert of_tasks == set(Result) - {Result.NO_ADDRESS}  # that is a ticket's


OLDER = [
    "send:problem:paid_twice",
    "send:late",
    "send:moved:2:again:0",
    "send:moved:2:again:x",
    "alert:flood",
    "post",
    "post:x",
    "post:02",
    "tell_no_show",
    "tidy_events:",
    "juggle:balls",
    "",
]


@pytest.mark.parametrize("key", OLDER)
def test_a_task_that_only_another_release_knows_is_kept_as_it_is_spelled(key: str):
    assert spellings.task_in(key).key == key


def test_a_task_that_nobody_knows_is_told_apart_from_those_that_are_known():
    assert spellings.task_in("send:problem:paid_twice") == SendEmail(Email.PROBLEM, "paid_twice")
    assert spellings.task_in("send:late") == UnknownTask("send:late")
    assert spellings.task_in("alert:late") == AlertOwner(AlertKind.LATE)


@given(st.sampled_from(KINDS), st.text(max_size=40) | st.from_regex(r"order \d+(: .*| is \w+|, .*)?", fullmatch=True))
def test_an_event_is_written_back_letter_by_letter_whatever_it_says(what: str, detail: str):
    found = {"at": NOW, "what": what, "detail": detail}

    assert spellings.event_out(spellings.event_in(found)) == found


@given(st.sampled_from([*TicketEventKind, "juggled"]), st.text(max_size=40))
def test_an_event_of_a_ticket_is_written_back_letter_by_letter_whatever_it_says(what: str, detail: str):
    found = {"at": NOW, "what": what, "detail": detail}

    assert spellings.ticket_event_out(spellings.ticket_event_in(found)) == found


TASKS = ("", "send:", "alert:", "release_event:", "tidy_events", "follow_event:", "tell_no_show:", "post:", "answer:")


@given(st.sampled_from(TASKS), st.text(max_size=30))
def test_a_task_is_written_back_letter_by_letter_whatever_it_is_called(kind: str, rest: str):
    assert spellings.task_in(kind + rest).key == kind + rest
    assert spellings.ticket_task_in(kind + rest).key == kind + rest


@given(
    st.sampled_from(["", "tick:", "invitee:", "seat:mail:", "seat:", "day:", "day:2026-11-29:"]), st.text(max_size=30)
)
def test_a_claim_and_a_fact_are_written_back_letter_by_letter_whatever_they_name(kind: str, rest: str):
    assert spellings.claim_in(kind + rest).key == kind + rest
    assert spellings.fact_in(kind + rest).key == kind + rest
    assert spellings.fact_in(f"orphan:{rest}").key == f"orphan:{rest}"


def test_money_that_an_older_release_could_not_read_is_still_money():
    found = {"at": NOW, "what": "money", "detail": "an unreadable amount, by a signed notice, order 2"}
    details = spellings.event_in(found).details

    assert (details.money, details.by_query, details.number) == (None, False, 2)


def test_the_providers_number_of_a_refund_is_no_request_of_the_owners():
    assert spellings.refund_key_in(Cause.CONSOLE, "a:b") == (None, "a:b")
    assert spellings.refund_key_in(Cause.SURPLUS, "") == (None, "")
    for key, wanted in (("0a1b:2c3d", RefundRequest("0a1b", "2c3d")), ("0a1b", RefundRequest("0a1b", ""))):
        assert spellings.refund_key_in(Cause.OWNER, key) == (wanted, "")
        (asked,) = refunds.all_of_it(a_confirmed_booking(), Cause.OWNER, NOW, refunds.Asked(request=wanted)).refunds
        assert spellings.refund_key_out(asked) == key


@pytest.mark.parametrize(
    ("followed", "state"), [("applied: PAID", State.PAID), ("applied: JUGGLED", None), ("PAID", None)]
)
def test_what_followed_from_a_notice_is_a_state_or_something_else(followed: str, state: State | None):
    assert spellings.applied_in(followed) == state
    assert state is None or spellings.applied_out(state) == followed


# As the release before obstacles had types wrote them.
OBSTACLES = {
    "": None,
    "Binance rejected it.": Obstacle(ObstacleKind.REJECTED),
    "The order's own number at Binance is not known.": Obstacle(ObstacleKind.NO_NUMBER),
    "Binance allows no further refund of this payment.": Obstacle(ObstacleKind.NONE_LEFT),
    "Some of this payment went back by Binance's console, and how much is not known yet.": Obstacle(
        ObstacleKind.AMOUNT_UNKNOWN
    ),
    "It would be Binance's last refund of this payment, which returns everything left, 37.5 USDT.": Obstacle(
        ObstacleKind.LAST_ONE, left=Money.parse("37.5")
    ),
    "It would be Binance's last refund of this payment, which returns everything left, much.": Obstacle(
        ObstacleKind.PROVIDER,
        said="It would be Binance's last refund of this payment, which returns everything left, much.",
    ),
    "binance: 400202 Insufficient balance": Obstacle(
        ObstacleKind.PROVIDER, said="binance: 400202 Insufficient balance"
    ),
}


@pytest.mark.parametrize(("spelled", "obstacle"), OBSTACLES.items())
def test_why_a_refund_has_not_gone_through_is_read_and_written_back_letter_by_letter(
    spelled: str, obstacle: Obstacle | None
):
    asked = customer_actions.refund_part(a_confirmed_booking(), Money.parse("10"), NOW, cancels=False)
    found = stored(booking_out(asked))
    found["refunds"][0]["why"] = spelled
    found["history"].append({"at": NOW, "what": "refund_stuck", "detail": spelled})

    booking = booking_in(found)

    assert (booking.refunds[0].obstacle, booking.history[-1].details) == (obstacle, obstacle)
    assert stored(booking_out(booking)) == stored(found)


@given(st.text(max_size=40), st.sampled_from([*OBSTACLES, "It would be Binance's last refund of this payment"]))
def test_whatever_a_provider_says_is_kept(said: str, known: str):
    for spelled in (said, known + said, said + known):
        assert spellings.obstacle_out(spellings.obstacle_in(spelled)) == spelled


def test_the_owner_reads_every_obstacle_in_a_sentence():
    assert set(owner.OBSTACLES) == set(ObstacleKind)
    for spelled, obstacle in OBSTACLES.items():
        assert obstacle is None or owner.obstacle(obstacle, USUAL) == spelled
