"""The database's promises, kept by a real server: one writer wins, a claim has one owner, away is Busy."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta

import pytest
from bson import Decimal128
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import errors
from pymongo.read_preferences import ReadPreference

from inspired.adapters.mongo import bookings as mongo
from inspired.adapters.mongo.bookings import Bookings, Claimed
from inspired.adapters.mongo.database import connect, ping, trouble_of
from inspired.adapters.mongo.documents import booking_in, booking_out, hold_in, money_in, money_out, subscriber_in
from inspired.adapters.mongo.idempotency_keys import IdempotencyKeys, KeyUse
from inspired.adapters.mongo.indexes import create_indexes
from inspired.adapters.mongo.payment_logs import PaymentLogs, RejectedWebhook, Webhook
from inspired.adapters.mongo.subscribers import Subscribers
from inspired.adapters.process.deadline import within
from inspired.domain.booking import customer_actions, delivery, lifecycle, payment_orders, refunds
from inspired.domain.booking.booking import RefundRequest, Sealed
from inspired.domain.booking.claims import CallsOn, Invitee, Place, Tick, UnknownClaim, UnpaidOf, Visitor
from inspired.domain.booking.history import Event, EventKind, Letter
from inspired.domain.booking.outbox import Result
from inspired.domain.booking.states import CalendarKind, Flag, Remote, State
from inspired.domain.shared.errors import Busy, Conflict, NotFound
from inspired.domain.shared.money import Money
from inspired.domain.shared.slots import Span
from inspired.domain.site import newsletter
from inspired.domain.site.newsletter import Subscriber, SubscriberState
from tests.factories import (
    CALL,
    MINUTE,
    NOW,
    SECOND,
    a_booking,
    a_confirmed_booking,
    a_draft,
    a_live_booking,
    an_expired_booking,
    seen,
    settled,
)
from tests.harness import free_port, mongodb_with_role, without_expiry

SEAT = Place(UnpaidOf(Visitor.MAIL, "x"), 1)


@pytest.fixture
def database(servers):
    made = connect(servers.mongodb_uri, f"adapters-{time.monotonic_ns()}", seconds=5.0)
    create_indexes(made)
    without_expiry(made)
    yield made
    made.client.drop_database(made.name)
    made.client.close()


@pytest.fixture
def changes():
    """What was told to whoever wants to know of changes."""
    return []


@pytest.fixture
def bookings(database, changes):
    return Bookings(database, changes.append)


def another(number: int, booking=None, **more):
    """The same booking by somebody else."""
    return replace(booking or a_booking(), id=f"{number:024d}", token=f"token-{number}", **more)


def later(hours: int):
    """The same slot, some hours later."""
    slot = a_booking().slot
    return replace(slot, span=Span(CALL.start + timedelta(hours=hours), CALL.end + timedelta(hours=hours)))


def starting_in(minutes: int, length: int = 45):
    start = CALL.start + timedelta(minutes=minutes)
    return replace(a_booking().slot, span=Span(start, start + timedelta(minutes=length)))


# --- one booking ----------------------------------------------------------------------------------------------------

EVERY_KIND = {
    "draft": a_draft,
    "held": a_booking,
    "at calendly": lambda: a_booking(calendar=CalendarKind.CALENDLY),
    "live": a_live_booking,
    "confirmed": a_confirmed_booking,
    "expired": an_expired_booking,
    "left": lambda: customer_actions.give_up(a_live_booking(), NOW),
    "short": lambda: settled(a_live_booking(), seen(Remote.PAID, "74.99999999")),
    "unreadable": lambda: settled(a_live_booking(), seen(Remote.PAID, None)),
    "foreign": lambda: settled(a_live_booking(), seen(Remote.PAID, "0.00000001", currency="BNB")),
    "two orders": lambda: payment_orders.try_again(settled(a_live_booking(), seen(Remote.ERROR)), NOW + 2 * MINUTE),
    "with answers": lambda: a_booking(
        sealed=Sealed(b"\x00\xff", b"m", b"n", b"a"), network="TRC20", seats=(SEAT, UnknownClaim("s:1"))
    ),
}


@pytest.mark.parametrize("make", EVERY_KIND.values(), ids=EVERY_KIND)
def test_what_is_written_is_read_back_equal(bookings, make):
    booking = bookings.add(make())

    assert bookings.get(booking.id) == booking
    assert bookings.by_token(booking.token) == booking


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from([None, *Remote]),
        st.sampled_from(["75", "74.99999999", "75.00000001", "0.00000001", None]),
        st.booleans(),
        st.sampled_from(lifecycle.SlotSeen),
        st.sampled_from(["settle", "give_up", "try_again", "create", "fail", "deliver", "send", "refund", "back"]),
    ),
    max_size=12,
)


def walked(moves):
    """A booking after these steps, a minute apart."""
    booking, now = a_booking(seats=(SEAT,)), NOW
    for status, amount, by_query, slot, action in moves:
        now += MINUTE
        match action:
            case "give_up" if booking.state is State.PENDING:
                booking = customer_actions.give_up(booking, now)
            case "try_again":
                booking = payment_orders.try_again(booking, now)
            case "create":
                booking = payment_orders.creating(booking, now)
            case "fail":
                number = booking.order.trade_no
                booking = payment_orders.create_failed(
                    booking, number, uncertain=by_query, retryable=True, most_tries=3, now=now, why="time-out"
                )
            case "send" if (due := refunds.due_to_send(booking, now)) is not None:
                booking = refunds.sending(booking, due.id, now)
            case "refund" if booking.state is State.CONFIRMED and not refunds.refundable(booking).is_nothing:
                request = RefundRequest("k", "b")
                booking = customer_actions.refund_all(booking, now, cancels=by_query, note="as agreed", request=request)
            case "back" if customer_actions.may_choose(booking, now):
                booking = customer_actions.money_back(booking, now)
            case "deliver" if booking.outbox:
                task = booking.outbox[0].task
                booking = delivery.done(delivery.claimed(booking, task, now), task, now, Result.SENT)
            case _:
                money = amount if status is not None and status.has_money else None
                order = len(booking.orders)
                look = seen(status, money, at=now, by_query=by_query, order=order)
                booking = settled(booking, look, slot=slot, now=now)
    return booking


@settings(max_examples=200, deadline=None)
@given(ACTIONS)
def test_whatever_a_booking_has_been_through_its_document_says_the_same(moves):
    booking = walked(moves)

    assert booking_in(booking_out(booking)) == booking


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ACTIONS)
def test_whatever_a_booking_has_been_through_the_database_keeps_it(database, moves):
    booking = walked(moves)
    collection = database["walks"]

    collection.replace_one({"_id": booking.id}, booking_out(booking), upsert=True)

    assert booking_in(collection.find_one({"_id": booking.id})) == booking


def test_money_is_exact_decimals_in_the_database(bookings, database):
    bookings.add(settled(a_live_booking(), seen(Remote.PAID, "74.99999999")))

    [document] = database["bookings"].find()
    assert document["meeting_type"]["price"] == {"amount": Decimal128("75"), "currency": "USDT"}
    assert document["attempts"][0]["received"] == {"amount": Decimal128("74.99999999"), "currency": "USDT"}


@given(st.decimals("0", "99999999999", places=8))
def test_every_amount_survives_the_document(amount):
    assert money_in(money_out(Money(amount))) == Money(amount)


def test_fields_that_a_newer_release_added_are_no_obstacle(bookings, database):
    booking = bookings.add(a_booking())
    database["bookings"].update_one({"_id": booking.id}, {"$set": {"from_the_future": {"a": 1}}})

    assert bookings.get(booking.id) == booking


def test_what_is_not_there_is_not_found(bookings):
    with pytest.raises(NotFound):
        bookings.get("nobody")
    with pytest.raises(NotFound):
        bookings.by_token("nothing")
    with pytest.raises(NotFound):
        bookings.change("nobody", lambda booking: booking)


def test_settled_bookings_cost_nothing_in_the_sparse_indexes(bookings, database):
    bookings.add(an_expired_booking(outbox=(), check_at=None))

    [document] = database["bookings"].find()
    assert "claims" not in document
    assert "check_at" not in document


# --- one writer wins ------------------------------------------------------------------------------------------------


def test_a_change_is_saved_with_its_version_and_told(bookings, changes):
    booking = bookings.add(a_booking())

    after = bookings.change(booking.id, lambda one: customer_actions.give_up(one, NOW + SECOND))

    assert after.cancel_requested
    assert (after.version, after.status_version) == (1, 1)
    assert bookings.get(booking.id) == after
    assert changes == [booking, after]


def test_a_decision_that_changes_nothing_is_not_written(bookings, changes):
    booking = bookings.add(a_booking())

    assert bookings.change(booking.id, lambda one: one) == booking
    assert bookings.get(booking.id).version == 0
    assert changes == [booking]


def test_a_change_the_customer_cannot_see_is_not_told_while_the_booking_is_open(bookings, changes):
    booking = bookings.add(a_booking())

    after = bookings.change(booking.id, lambda one: one.noted(NOW, EventKind.SEEN_TO))

    assert (after.version, after.status_version) == (1, 0)
    assert changes == [booking]


def test_whoever_comes_second_decides_again_on_what_the_first_has_written(bookings):
    booking = bookings.add(a_booking())
    seen_versions = []

    def decide(current):
        seen_versions.append(current.version)
        if len(seen_versions) == 1:
            bookings.change(booking.id, lambda one: one.flagged(Flag.NEEDS_OWNER))
        return current.noted(NOW, EventKind.SEEN_TO)

    after = bookings.change(booking.id, decide)

    assert seen_versions == [0, 1]
    assert after.flags == {Flag.NEEDS_OWNER}
    assert after.history[-1] == Event(NOW, EventKind.SEEN_TO)
    assert bookings.get(booking.id) == after


def test_of_many_writers_none_is_lost(bookings):
    booking = bookings.add(a_booking(history=()))

    def write(number):
        for step in range(3):
            letter = Letter(3 * number + step)
            bookings.change(booking.id, lambda one, letter=letter: one.noted(NOW, EventKind.LETTER_WRITTEN, letter))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))

    after = bookings.get(booking.id)
    assert sorted(event.details.number for event in after.history) == list(range(24))
    assert after.version == 24


def test_a_booking_that_everybody_changes_at_once_is_busy_in_the_end(bookings, database):
    booking = bookings.add(a_booking())

    def always_too_late(current):
        database["bookings"].update_one({"_id": booking.id}, {"$inc": {"version": 1}})
        return current.noted(NOW, EventKind.SEEN_TO)

    with pytest.raises(Busy):
        bookings.change(booking.id, always_too_late)

    assert bookings.get(booking.id).history == booking.history


def test_what_a_decision_refuses_passes_through_and_nothing_is_written(bookings):
    booking = bookings.add(a_confirmed_booking())

    with pytest.raises(Conflict):
        bookings.change(booking.id, lambda one: customer_actions.give_up(one, NOW))

    assert bookings.get(booking.id) == booking


# --- claims ---------------------------------------------------------------------------------------------------------


def test_a_claim_has_one_owner_and_the_refusal_tells_which(bookings):
    bookings.add(a_booking())

    with pytest.raises(Claimed) as caught:
        bookings.add(another(2))

    assert caught.value.claim in a_booking().claims


@pytest.mark.parametrize("apart", [-40, 5, 40])
def test_calls_that_overlap_by_minutes_are_refused_by_the_database(bookings, apart):
    bookings.add(a_booking())

    with pytest.raises(Claimed, match="Somebody else"):
        bookings.add(another(2, slot=starting_in(apart)))


@pytest.mark.parametrize("apart", [-45, 45])
def test_calls_that_touch_are_both_held(bookings, apart):
    bookings.add(a_booking())
    bookings.add(another(2, slot=starting_in(apart)))

    assert len(bookings.taken(Span(CALL.start - timedelta(hours=1), CALL.end + timedelta(hours=1))).spans) == 2


def test_a_change_may_not_take_what_somebody_owns(bookings):
    bookings.add(a_booking())
    second = bookings.add(another(2, slot=later(3)))

    with pytest.raises(Claimed) as caught:
        bookings.change(second.id, lambda one: replace(one, slot=starting_in(30)))

    assert caught.value.claim in [Tick(number) for number in CALL.ticks()]
    assert bookings.get(second.id) == second


def test_a_slot_given_back_can_be_taken_at_once(bookings):
    first = bookings.add(a_booking())
    bookings.change(first.id, lambda one: replace(one, state=State.EXPIRED))

    assert bookings.add(another(2)).claims == first.claims


def test_one_calendly_event_belongs_to_one_booking_for_ever(bookings):
    at_calendly = a_booking(calendar=CalendarKind.CALENDLY, state=State.CANCELLED)
    bookings.add(at_calendly)

    with pytest.raises(Claimed) as caught:
        bookings.add(another(2, at_calendly))

    assert caught.value.claim == Invitee(at_calendly.slot.invitee_uri)


def test_a_seat_is_taken_while_unpaid_and_free_after(bookings):
    first = bookings.add(a_booking(seats=(SEAT,)))
    with pytest.raises(Claimed) as caught:
        bookings.add(another(2, slot=later(3), seats=(SEAT,)))
    assert caught.value.claim == SEAT
    assert bookings.owned_of([SEAT, replace(SEAT, number=2)]) == {SEAT}

    bookings.change(first.id, lambda one: replace(one, state=State.PAID))

    assert bookings.add(another(3, slot=later(4), seats=(SEAT,))).seats == (SEAT,)


def test_twenty_at_once_never_get_overlapping_slots(bookings, database):
    together = threading.Barrier(20)

    def take(number):
        wish = starting_in((number * 15) % 120, length=(30, 45, 90)[number % 3])
        together.wait(10)
        try:
            return bookings.add(another(number, slot=wish)).slot.span
        except Claimed:
            return None

    with ThreadPoolExecutor(20) as pool:
        won = [span for span in pool.map(take, range(20)) if span]

    assert won
    assert not any(one.overlaps(other) for one in won for other in won if one is not other)
    window = Span(CALL.start - timedelta(hours=1), CALL.end + timedelta(hours=5))
    assert sorted(bookings.taken(window).spans, key=lambda span: span.start) == sorted(won, key=lambda span: span.start)
    assert database["bookings"].count_documents({}) == len(won)


def test_two_drafts_may_not_share_a_token(bookings):
    bookings.add(a_draft())

    with pytest.raises(Claimed) as caught:
        bookings.add(a_draft(id="x" * 24))

    assert caught.value.claim.key == a_draft().token


def test_taken_are_the_slots_that_reach_into_the_window_and_are_still_held(bookings):
    held = bookings.add(a_booking())
    bookings.add(another(2, slot=later(24)))
    bookings.add(another(3, an_expired_booking(), slot=later(1)))
    bookings.add(another(4, a_booking(calendar=CalendarKind.CALENDLY)))

    inside = Span(CALL.start + 30 * MINUTE, CALL.end + timedelta(hours=5))

    assert bookings.taken(inside).spans == [held.slot.span]
    assert bookings.taken(Span(CALL.start - timedelta(days=2), CALL.start)).spans == []


@pytest.mark.parametrize("state", State)
def test_taken_is_what_claims_its_time(bookings, state):
    booking = bookings.add(a_booking(state=state))

    assert bookings.taken(CALL).spans == ([CALL] if booking.claims else [])


@pytest.mark.parametrize("calendar", CalendarKind)
def test_a_hold_is_read_as_it_was_made(calendar):
    slot = a_booking(calendar=calendar).slot
    day_place = Place(CallsOn(date(2026, 11, 25), "mentoring"), 1) if calendar is CalendarKind.BUILTIN else None
    booking = a_booking(slot=replace(slot, before=10 * MINUTE, after=15 * MINUTE, day_place=day_place))

    assert hold_in(booking.id, booking_out(booking)["hold"]) == booking.hold
    assert booking.hold.around == Span(CALL.start - 10 * MINUTE, CALL.end + 15 * MINUTE)


def test_what_holds_no_time_leaves_nothing_in_the_index_of_holds():
    assert "hold" not in booking_out(an_expired_booking())
    assert "hold" not in booking_out(a_draft())


# --- what is due ----------------------------------------------------------------------------------------------------


def test_due_is_what_should_have_been_looked_at_the_most_overdue_first(bookings):
    for number, minutes in ((1, 3), (2, 1), (3, 2), (4, 60)):
        bookings.add(another(number, slot=later(number), check_at=NOW + minutes * MINUTE))
    bookings.add(another(5, an_expired_booking(check_at=None)))

    assert bookings.due(NOW + 3 * MINUTE, 10) == [another(2).id, another(3).id, another(1).id]
    assert bookings.due(NOW + 3 * MINUTE, 2) == [another(2).id, another(3).id]
    assert bookings.due(NOW, 10) == []


def test_a_leased_booking_is_due_again_later_and_its_own_change_is_not_disturbed(bookings):
    booking = bookings.add(a_booking(check_at=NOW))

    bookings.lease([booking.id, "nobody"], NOW, NOW + 15 * SECOND)

    assert bookings.due(NOW + 14 * SECOND, 10) == []
    assert bookings.due(NOW + 15 * SECOND, 10) == [booking.id]
    assert bookings.get(booking.id).version == 0


def test_more_bookings_than_are_leased_at_once_are_all_leased(bookings, monkeypatch):
    monkeypatch.setattr(mongo, "LEASED_AT_ONCE", 2)
    due = [bookings.add(another(number, an_expired_booking(check_at=NOW))).id for number in range(5)]

    bookings.lease(due, NOW, NOW + 15 * SECOND)

    assert bookings.due(NOW + 14 * SECOND, 10) == []
    assert sorted(bookings.due(NOW + 15 * SECOND, 10)) == sorted(due)


def test_a_lease_that_comes_late_does_not_put_off_what_a_job_has_set_meanwhile(bookings):
    booking = bookings.add(a_booking(check_at=NOW + 5 * SECOND))

    bookings.lease([booking.id], NOW, NOW + 15 * SECOND)

    assert bookings.get(booking.id).check_at == NOW + 5 * SECOND


def test_a_check_is_brought_forward_and_never_put_back(bookings):
    booking = bookings.add(a_booking(check_at=NOW + MINUTE))
    done = bookings.add(another(2, an_expired_booking(check_at=None)))

    bookings.check_soon(booking.id, NOW + 2 * MINUTE)
    bookings.check_soon(done.id, NOW)
    assert bookings.get(booking.id).check_at == NOW + MINUTE
    bookings.check_soon(booking.id, NOW)

    assert bookings.get(booking.id) == replace(booking, check_at=NOW)
    assert bookings.get(done.id).check_at is None


def test_only_a_draft_that_nobody_touched_meanwhile_is_dropped(bookings):
    draft, held = bookings.add(a_draft()), bookings.add(another(2))

    bookings.drop_draft(replace(draft, version=7))
    bookings.drop_draft(held)
    assert {bookings.get(one.id).id for one in (draft, held)} == {draft.id, held.id}
    bookings.drop_draft(draft)

    with pytest.raises(NotFound):
        bookings.get(draft.id)


# --- the log of payments --------------------------------------------------------------------------------------------


@pytest.fixture
def logs(database):
    return PaymentLogs(database)


def a_notice(**changes) -> Webhook:
    return replace(
        Webhook(
            id="PAY:1:PAY_SUCCESS:abc",
            at=NOW,
            biz_type="PAY",
            biz_status="PAY_SUCCESS",
            trade_no="b" * 24 + "001",
            booking_id="b" * 24,
            raw=b"\x00sealed",
            key=b"v1:key",
            key_owner="b" * 24,
            headers={"serial": "S", "nonce": "N", "timestamp": "T", "signature": "X"},
            work_at=NOW,
        ),
        **changes,
    )


def test_a_notice_is_kept_as_it_came(logs):
    assert logs.add_webhook(a_notice())

    assert logs.get(a_notice().id) == a_notice()
    with pytest.raises(NotFound):
        logs.get("another")


def test_the_same_notice_twice_is_one_and_the_first_stays(logs):
    logs.add_webhook(a_notice())

    assert not logs.add_webhook(a_notice(raw=b"other", at=NOW + MINUTE))
    assert logs.get(a_notice().id) == a_notice()


def test_a_notice_is_due_until_it_was_worked_on(logs):
    logs.add_webhook(a_notice())
    logs.add_webhook(a_notice(id="later", work_at=NOW + MINUTE))
    assert logs.due(NOW, 10) == [a_notice().id]

    logs.lease(a_notice().id, NOW + 5 * SECOND)
    logs.lease(a_notice().id, NOW)
    assert logs.due(NOW + 4 * SECOND, 10) == []
    assert logs.due(NOW + MINUTE, 10) == [a_notice().id, "later"]

    logs.finished(a_notice(), "applied: CONFIRMED", NOW + MINUTE)
    assert logs.get(a_notice().id) == a_notice(work_at=None)
    assert logs.verdict_on(a_notice().id) == "applied: CONFIRMED"
    assert logs.verdict_on("later") == ""
    assert logs.due(NOW + MINUTE, 10) == ["later"]


def test_the_evidence_of_a_booking_is_its_notices_what_followed_and_its_calls_without_what_is_sealed(logs):
    logs.add_webhook(a_notice())
    logs.add_webhook(a_notice(id="another's", booking_id="c" * 24))
    logs.finished(a_notice(), "applied: PAID", NOW + MINUTE)
    logs.finished(a_notice(), "applied: again", NOW + 2 * MINUTE)
    logs.add_call(NOW, path="/v2/order/query", reference="T1", booking_id="b" * 24, outcome="ok", ms=7)

    found = logs.of_booking("b" * 24, 10)

    assert sorted((one["event"], one["verdict"]) for one in found) == [
        ("CALL", "ok"),
        ("WEBHOOK_RECEIVED", "accepted"),
        ("WEBHOOK_WORKED", "applied: PAID"),
    ]
    assert not any({"raw", "key", "headers"} & one.keys() for one in found)
    assert [one["event"] for one in logs.since(NOW + SECOND, 10)] == ["WEBHOOK_WORKED"]


def test_of_refused_notices_only_so_many_are_kept_in_an_hour(logs):
    def refusal(number, at):
        return RejectedWebhook(f"r{number}", at, "the signature is wrong", {"serial": "S"}, b"raw", b"key")

    kept = [
        logs.add_rejected(refusal(number, NOW + number * SECOND), most=2, within=timedelta(hours=1))
        for number in range(3)
    ]
    later = logs.add_rejected(refusal(9, NOW + timedelta(hours=2)), most=2, within=timedelta(hours=1))

    assert kept == [True, True, False]
    assert later is True
    assert logs.due(NOW + timedelta(days=1), 10) == []


# --- idempotency keys -----------------------------------------------------------------------------------------------


@pytest.fixture
def idempotency(database):
    return IdempotencyKeys(database)


USE = KeyUse("body", "token", 0, NOW)


def test_a_key_belongs_to_the_first_and_the_second_learns_how_it_was_used(idempotency):
    assert idempotency.take("k", USE) is None
    assert idempotency.take("k", KeyUse("other", "other", 0, NOW + MINUTE)) == USE

    idempotency.answered("k", 201)

    assert idempotency.find("k") == replace(USE, status=201)
    assert idempotency.find("unknown") is None


def test_of_twenty_at_once_one_gets_the_key(idempotency):
    together = threading.Barrier(20)

    def take(number):
        together.wait(10)
        return idempotency.take("k", replace(USE, token=str(number)))

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(take, range(20)))

    [winner] = {one.token for one in answers if one is not None}
    assert answers.count(None) == 1
    assert answers[int(winner)] is None


def test_one_may_go_on_where_a_process_died(idempotency):
    idempotency.take("k", USE)

    assert idempotency.taken_over("k", USE, NOW + MINUTE)
    assert not idempotency.taken_over("k", USE, NOW + MINUTE)
    idempotency.answered("k", 201)
    assert not idempotency.taken_over("k", replace(USE, at=NOW + MINUTE), NOW + 2 * MINUTE)


def test_a_key_is_given_back_only_before_it_has_an_answer(idempotency):
    idempotency.take("k", USE)
    idempotency.given_back("k")
    assert idempotency.take("k", USE) is None

    idempotency.answered("k", 201)
    idempotency.given_back("k")

    assert idempotency.find("k").status == 201


def test_a_key_given_back_while_somebody_waits_for_it_is_taken_by_one_who_waits(idempotency):
    """Between "somebody has it" and "how was it used" it may be gone: then it is free after all."""
    idempotency.take("k", USE)
    over = threading.Event()

    def take_and_give_back():
        while not over.is_set():
            idempotency.given_back("k")
            idempotency.take("k", USE)

    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(take_and_give_back)
        answers = [idempotency.take("k", replace(USE, token=str(number))) for number in range(100)]
        over.set()
        busy.result(10)

    assert all(one is None or one.body == "body" for one in answers)


# --- the owner's log-ins --------------------------------------------------------------------------------------------


# --- subscribers ----------------------------------------------------------------------------------------------------


@pytest.fixture
def subscribers(database):
    return Subscribers(database)


def a_subscriber(**changes) -> Subscriber:
    base = Subscriber("s1", "t1", Sealed(b"key", b"mail"), "index", NOW, asked_at=NOW, mail_due=NOW)
    return replace(base, **changes)


def test_an_address_subscribes_once(subscribers):
    assert subscribers.add(a_subscriber())
    assert not subscribers.add(a_subscriber(id="s2", token="t2"))

    for found in (subscribers.get("s1"), subscribers.by_token("t1"), subscribers.by_email("index")):
        assert found == a_subscriber()
    assert subscribers.get("s2") is None


def test_a_subscription_changes_by_version(subscribers):
    subscribers.add(a_subscriber())
    tries = []

    def decide(one):
        tries.append(one.version)
        if len(tries) == 1:
            subscribers.change("s1", lambda other: replace(other, mail_tries=5))
        return newsletter.confirmed(one, NOW)

    after = subscribers.change("s1", decide)

    assert tries == [0, 1]
    assert after == a_subscriber(
        state=SubscriberState.SUBSCRIBED, confirmed_at=NOW, mail_due=None, mail_tries=5, version=2
    )
    assert subscribers.get("s1") == after
    assert subscribers.change("s1", lambda one: one) == after
    with pytest.raises(NotFound):
        subscribers.change("nobody", lambda one: one)


def test_a_subscription_everybody_changes_at_once_is_busy_in_the_end(subscribers, database):
    subscribers.add(a_subscriber())

    def always_too_late(one):
        database["newsletter"].update_one({"_id": "s1"}, {"$inc": {"version": 1}})
        return replace(one, mail_tries=one.mail_tries + 1)

    with pytest.raises(Busy):
        subscribers.change("s1", always_too_late)


def test_opt_in_mails_are_due_until_sent(subscribers, database):
    subscribers.add(a_subscriber())
    subscribers.add(a_subscriber(id="s2", token="t2", email_index="i2", mail_due=None))

    assert subscribers.due(NOW, 10) == ["s1"]
    assert subscribers.due(NOW - SECOND, 10) == []
    assert "mail_due" not in database["newsletter"].find_one({"_id": "s2"})


def test_an_opt_in_mail_that_was_rung_for_is_due_again_later(subscribers):
    subscribers.add(a_subscriber())

    subscribers.lease("s1", NOW + 15 * SECOND)
    subscribers.lease("s1", NOW + 5 * SECOND)

    assert subscribers.due(NOW + 14 * SECOND, 10) == []
    assert subscribers.due(NOW + 15 * SECOND, 10) == ["s1"]


def test_a_subscriber_without_an_address_is_nonsense(subscribers, database):
    subscribers.add(a_subscriber())
    document = database["newsletter"].find_one({"_id": "s1"})

    with pytest.raises(ValueError, match="without an address"):
        subscriber_in({**document, "sealed": None})


# --- indexes --------------------------------------------------------------------------------------------------------


def test_indexes_are_made_twice_without_harm(database):
    create_indexes(database)
    before = {name: database[name].index_information() for name in database.list_collection_names()}

    create_indexes(database)

    assert {name: database[name].index_information() for name in before} == before


def test_nothing_that_carries_money_ever_expires_by_itself(database):
    create_indexes(database)
    for name in ("bookings", "payment_logs", "newsletter"):
        indexes = database[name].index_information()
        assert len(indexes) > 2
        assert not [one for one in indexes.values() if "expireAfterSeconds" in one], name


def test_idempotency_keys_are_kept_thirty_days(database):
    create_indexes(database)
    [at] = [one for one in database["idempotency_keys"].index_information().values() if one["key"] == [("at", 1)]]

    assert at["expireAfterSeconds"] == 30 * 24 * 3600


# --- away -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def away():
    """A database where nobody listens."""
    made = connect(f"mongodb://127.0.0.1:{free_port()}/?directConnection=true", "away", seconds=0.3)
    yield made
    made.client.close()


def test_a_database_that_is_away_is_busy_within_its_time(away):
    told = []
    bookings, logs = Bookings(away, told.append), PaymentLogs(away)
    idempotency, subscribers = IdempotencyKeys(away), Subscribers(away)

    for call in (
        lambda: ping(away),
        lambda: bookings.add(a_booking()),
        lambda: bookings.get("b"),
        lambda: bookings.change("b", lambda one: one),
        lambda: bookings.taken(CALL),
        lambda: logs.add_webhook(a_notice()),
        lambda: idempotency.take("k", USE),
        lambda: subscribers.add(a_subscriber()),
    ):
        started = time.monotonic()
        with pytest.raises(Busy):
            call()
        assert time.monotonic() - started < 0.3 + 1
    assert told == [], "nothing is told that was not written"


def test_a_deadline_around_it_shortens_the_wait():
    made = connect(f"mongodb://127.0.0.1:{free_port()}/?directConnection=true", "away", seconds=30)
    started = time.monotonic()

    with within(0.2), pytest.raises(Busy):
        Bookings(made, lambda booking: None).get("b")

    assert time.monotonic() - started < 0.2 + 1
    made.client.close()


# --- a database that refuses us -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def strict():
    with mongodb_with_role("read") as address:
        yield address


def told_by(uri, do, *, seconds=2.0):
    """What the trouble is in words."""
    database = connect(uri, "x", seconds=seconds)
    try:
        with pytest.raises(Busy) as caught:
            do(database)
    finally:
        database.client.close()
    return str(caught.value)


def test_a_wrong_password_and_a_role_that_is_too_small_are_told_with_code_and_name(strict):
    wrong = told_by(strict.replace("secret", "another"), ping)
    no_user = told_by(strict.replace("site:secret@", ""), lambda database: create_indexes(database))
    small = told_by(strict, create_indexes)

    assert wrong.startswith("The database refuses us, AuthenticationFailed (18). It does not let us in")
    assert no_user.startswith("The database refuses us, Unauthorized (13).")
    assert small == (
        "The database refuses us, Unauthorized (13). "
        "The user in MONGODB_URI may not do this: its role has to be readWriteAnyDatabase."
    )


@pytest.mark.parametrize("how", ["", "&directConnection=true"], ids=["by the set", "directly"])
def test_another_replica_set_than_the_address_names_is_told(servers, how):
    place = servers.mongodb_uri.partition("?")[0]

    told = told_by(f"{place}?replicaSet=another{how}", ping, seconds=1.0)

    assert told == "The database belongs to another replica set than MONGODB_URI names (replicaSet)."


@pytest.mark.parametrize(
    ("index", "told"),
    [
        ({"keys": "token", "name": "token_1", "sparse": True}, "IndexKeySpecsConflict (86)"),
        ({"keys": "token", "name": "another", "unique": True}, "IndexOptionsConflict (85)"),
    ],
)
def test_an_index_that_is_there_in_another_way_is_told_and_which_it_is(servers, index, told):
    database = connect(servers.mongodb_uri, f"adapters-{time.monotonic_ns()}", seconds=5.0)
    database["bookings"].create_index(**index)
    try:
        with pytest.raises(Busy) as caught:
            create_indexes(database)
    finally:
        database.client.drop_database(database.name)
        database.client.close()

    assert str(caught.value).startswith(f"The database refuses us, {told}. An index differs")
    assert index["name"] in str(caught.value)


def test_what_is_not_there_does_not_answer():
    assert told_by(f"mongodb://127.0.0.1:{free_port()}/", ping, seconds=0.3) == "The database does not answer."


def test_what_passes_by_itself_is_no_refusal_and_no_word_of_the_command_is_told():
    stepping_down = trouble_of(errors.OperationFailure("x", 189, {"codeName": "PrimarySteppedDown"}))
    refused = trouble_of(errors.OperationFailure("ann@example.com", 13, {"errmsg": "{ insert: ann@example.com }"}))
    odd = trouble_of(errors.OperationFailure("ann@example.com", 4711, {"codeName": "Odd"}))

    assert (stepping_down.told, stepping_down.code) == ("The database does not answer.", 189)
    assert "ann" not in refused.told + odd.told
    assert odd.told == "The database does not do what it is asked, Odd (4711)."


@pytest.mark.parametrize(
    "options",
    ["w=1&readPreference=secondaryPreferred", "w=0&journal=false", "readPreference=secondary&maxStalenessSeconds=120"],
)
def test_money_is_written_to_the_majority_and_read_from_the_primary_whatever_the_address_says(servers, options):
    uri = servers.mongodb_uri.replace("journal=true&", "") + f"&{options}"
    database = connect(uri, f"adapters-{time.monotonic_ns()}", seconds=5.0)
    bookings = database["bookings"]
    try:
        bookings.insert_one({"_id": "one"})
        assert bookings.find_one({"_id": "one"}) is not None
    finally:
        database.client.drop_database(database.name)
        database.client.close()

    assert bookings.write_concern.document == {"w": "majority", "j": True}
    assert bookings.read_preference == ReadPreference.PRIMARY


class TestManyInOneWrite:
    def test_each_goes_by_its_own_version_and_the_unsure_are_told(self, bookings):
        first, second = bookings.add(a_booking()), bookings.add(a_draft_named("d"))
        newer = bookings.change(second.id, lambda b: replace(b, unanswered_checks=7))

        now, unsaved = bookings.change_together([first, second], lambda b: replace(b, unanswered_checks=3))

        assert unsaved == [first, second], "the server does not say which of them it wrote"
        assert now == []
        assert bookings.get(second.id) == newer
        assert bookings.get(first.id).unanswered_checks == 3

    def test_one_that_needs_what_another_has_is_not_saved_and_the_others_are(self, bookings):
        holder, wanting, other = (
            bookings.add(a_booking()),
            bookings.add(a_draft_named("w")),
            bookings.add(a_draft_named("o")),
        )

        now, unsaved = bookings.change_together(
            [wanting, other],
            lambda b: replace(b, slot=holder.slot, state=State.PENDING) if b.id == wanting.id else replace(b, moves=1),
        )

        assert unsaved == [wanting]
        assert [booking.moves for booking in now] == [1]
        assert bookings.get(wanting.id) == wanting

    def test_what_does_not_change_is_not_written(self, bookings):
        booking = bookings.add(a_booking())

        assert bookings.change_together([booking], lambda b: b) == ([booking], [])
        assert bookings.get(booking.id).version == booking.version


def a_draft_named(letter: str):
    return replace(a_draft(), id=letter * 24, token=letter * 28)


def test_calls_of_a_batch_are_logged_together(database):
    logs = PaymentLogs(database)

    with logs.together():
        logs.add_call(NOW, path="/v2/order/query", reference="a", booking_id="b", outcome="SUCCESS", ms=3)
        assert database["payment_logs"].count_documents({}) == 0
    logs.add_call(NOW, path="/v2/order/query", reference="c", booking_id="b", outcome="SUCCESS", ms=3)

    assert database["payment_logs"].count_documents({}) == 2
