"""The stores in memory, for the simulation, keep the promises of the adapters: each claim holds for both."""

import time
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from inspired.adapters.mongo.bookings import Bookings, Claimed
from inspired.adapters.mongo.database import connect
from inspired.adapters.mongo.idempotency_keys import IdempotencyKeys, KeyUse
from inspired.adapters.mongo.indexes import create_indexes
from inspired.adapters.mongo.ledger_store import Ledger, Orphan, Orphans
from inspired.adapters.mongo.payment_logs import PaymentLogs, Webhook
from inspired.domain.booking import customer_actions, delivery, lifecycle
from inspired.domain.booking.booking import Booking, Entry, Fact, FactKind, Line
from inspired.domain.booking.claims import Tick
from inspired.domain.booking.history import Event, EventKind
from inspired.domain.booking.outbox import Email, SendEmail
from inspired.domain.shared.errors import Conflict, NotFound
from inspired.domain.shared.money import Money
from inspired.domain.shared.slots import Span
from tests.factories import (
    CALL,
    MINUTE,
    NOW,
    SECOND,
    a_booking,
    a_confirmed_booking,
    a_draft,
    an_expired_booking,
)
from tests.harness import without_expiry
from tests.simulation.memory import (
    MemoryBookings,
    MemoryKeys,
    MemoryLedger,
    MemoryLogs,
    MemoryOrphans,
    Wire,
)

BOTH = ("real", "memory")
TRADE_NO = "b" * 24 + "001"


def usdt(amount: str) -> Money:
    return Money.parse(amount)


# --- the database ---------------------------------------------------------------------------------------------------


@dataclass
class Stores:
    bookings: Any
    logs: Any
    ledger: Any
    orphans: Any
    keys: Any
    changes: list[Booking]


@pytest.fixture(params=BOTH)
def stores(request):
    changes: list[Booking] = []
    if request.param == "memory":
        wire = Wire()
        yield Stores(
            MemoryBookings(wire, changes.append),
            MemoryLogs(wire),
            MemoryLedger(wire),
            MemoryOrphans(wire),
            MemoryKeys(wire),
            changes,
        )
        return
    uri = request.getfixturevalue("servers").mongodb_uri
    database = connect(uri, f"contracts-{time.monotonic_ns()}", seconds=5.0)
    create_indexes(database)
    without_expiry(database)
    yield Stores(
        Bookings(database, changes.append),
        PaymentLogs(database),
        Ledger(database),
        Orphans(database),
        IdempotencyKeys(database),
        changes,
    )
    database.client.drop_database(database.name)
    database.client.close()


@pytest.fixture
def bookings(stores):
    return stores.bookings


def another(number: int, booking: Booking | None = None, **more: Any) -> Booking:
    return replace(booking or a_booking(), id=f"{number:024d}", token=f"token-{number}", **more)


def starting_in(minutes: int) -> Any:
    start = CALL.start + timedelta(minutes=minutes)
    return replace(a_booking().slot, span=Span(start, start + timedelta(minutes=45)))


def test_what_was_added_is_found_by_id_and_token_and_nothing_else_is(bookings):
    booking = bookings.add(a_booking())

    assert bookings.get(booking.id) == bookings.by_token(booking.token) == booking
    for ask in (lambda: bookings.get("nobody"), lambda: bookings.by_token("nothing")):
        with pytest.raises(NotFound):
            ask()


def test_what_a_customer_paid_and_still_owes_is_told_of_each_of_their_bookings(bookings):
    open_ = bookings.add(another(1, email_index="ann"))
    over = bookings.add(another(2, a_draft(), email_index="ann"))
    bookings.add(another(3, a_draft(), email_index="bob"))

    found = {one.booking_id: one for one in bookings.turnover("ann")}

    assert set(found) == {open_.id, over.id}
    assert (found[open_.id].asks, found[over.id].asks) == (open_.price, None)
    assert (found[open_.id].made_at, found[open_.id].entries) == (open_.created_at, open_.ledger)


def test_a_booking_that_is_there_already_and_another_with_its_token_are_refused(bookings):
    booking = bookings.add(a_booking())

    with pytest.raises(Claimed):
        bookings.add(a_booking())
    with pytest.raises(Claimed):
        bookings.add(replace(a_draft(), id="0" * 24, token=booking.token))


def test_a_change_has_a_version_and_is_told_where_the_customer_sees_it(stores):
    booking = stores.bookings.add(a_booking())

    left = stores.bookings.change(booking.id, lambda b: customer_actions.give_up(b, NOW))
    quiet = stores.bookings.change(booking.id, lambda b: delivery.claimed(b, SendEmail(Email.HELD), NOW))

    assert (left.version, left.status_version) == (booking.version + 1, booking.status_version + 1)
    assert (quiet.version, quiet.status_version) == (left.version + 1, left.status_version)
    assert stores.bookings.get(booking.id) == quiet
    assert stores.changes == [booking, left]


def test_a_decision_that_changes_nothing_writes_nothing(bookings):
    booking = bookings.add(a_booking())

    assert bookings.change(booking.id, lambda b: b) == booking
    assert bookings.get(booking.id).version == booking.version


def test_whoever_comes_second_decides_again_on_what_the_first_has_written(bookings):
    booking = bookings.add(a_booking())
    seen = []

    def second(current: Booking) -> Booking:
        seen.append(current.cancel_requested)
        if len(seen) == 1:
            bookings.change(booking.id, lambda b: customer_actions.give_up(b, NOW))
        return current.noted(NOW, EventKind.SEEN_TO)

    after = bookings.change(booking.id, second)

    assert seen == [False, True]
    assert after.cancel_requested
    assert after.version == booking.version + 2


def test_an_old_copy_brought_along_is_noticed(bookings):
    booking = bookings.add(a_booking())
    bookings.change(booking.id, lambda b: customer_actions.give_up(b, NOW))

    after = bookings.change(booking.id, lambda b: b.noted(NOW, EventKind.SEEN_TO), known=booking)

    assert after.cancel_requested
    assert after.history[-1] == Event(NOW, EventKind.SEEN_TO)


def test_what_a_decision_refuses_passes_through(bookings):
    booking = bookings.add(an_expired_booking())

    with pytest.raises(Conflict):
        bookings.change(booking.id, lambda b: customer_actions.give_up(b, NOW))

    assert bookings.get(booking.id) == booking


@pytest.mark.parametrize("apart", [0, 15, 40])
def test_calls_that_overlap_are_refused_and_the_refusal_names_the_claim(bookings, apart):
    bookings.add(a_booking())

    with pytest.raises(Claimed) as caught:
        bookings.add(another(1, slot=starting_in(apart)))

    assert caught.value.claim in [Tick(number) for number in CALL.ticks()]


def test_calls_that_touch_are_both_held(bookings):
    bookings.add(a_booking())

    assert bookings.add(another(1, slot=starting_in(45)))


def test_a_change_to_a_time_that_is_taken_is_refused_and_changes_nothing(bookings):
    bookings.add(a_booking())
    other = bookings.add(another(1, slot=starting_in(60)))

    with pytest.raises(Claimed):
        bookings.change(other.id, lambda b: customer_actions.change_time(b, starting_in(30), NOW))

    assert bookings.get(other.id) == other


def test_claims_go_with_the_state_and_come_back_with_it(bookings):
    first = bookings.add(an_expired_booking())
    second = bookings.add(another(1))

    with pytest.raises(Claimed):
        bookings.change(first.id, lambda b: lifecycle.moved(b, a_confirmed_booking().state, NOW))

    assert bookings.get(first.id) == first
    assert bookings.owned_of([*second.claims, Tick(1)]) == set(second.claims)


def test_taken_are_the_held_times_that_reach_into_the_window(bookings):
    bookings.add(a_booking())
    bookings.add(another(1, an_expired_booking(slot=starting_in(60))))

    assert bookings.taken(Span(CALL.start + MINUTE, CALL.end + timedelta(hours=3))).spans == [CALL]
    assert bookings.taken(Span(CALL.start - timedelta(hours=1), CALL.start)).spans == []


def test_due_comes_the_most_overdue_first_and_no_more_than_asked_for(bookings):
    for number, seconds in enumerate((30, 10, 20, 90)):
        bookings.add(another(number, a_draft(), check_at=NOW + seconds * SECOND))
    bookings.add(another(9, a_draft(), check_at=None))

    assert bookings.due(NOW + MINUTE, 10) == [f"{number:024d}" for number in (1, 2, 0)]
    assert bookings.due(NOW + MINUTE, 2) == [f"{number:024d}" for number in (1, 2)]


def test_a_lease_puts_off_what_is_due_and_nothing_else_and_is_no_change(bookings):
    due = bookings.add(another(1, a_draft(), check_at=NOW))
    later = bookings.add(another(2, a_draft(), check_at=NOW + MINUTE))

    bookings.lease([due.id, later.id, "nobody"], NOW, NOW + 15 * SECOND)

    assert bookings.get(due.id) == replace(due, check_at=NOW + 15 * SECOND)
    assert bookings.get(later.id) == later


def test_a_check_is_brought_forward_and_never_put_back(bookings):
    booking = bookings.add(another(1, a_draft(), check_at=NOW + MINUTE))
    over = bookings.add(another(2, a_draft(), check_at=None))

    for at in (NOW + SECOND, NOW + 30 * SECOND):
        bookings.check_soon(booking.id, at)
        bookings.check_soon(over.id, at)

    assert bookings.get(booking.id).check_at == NOW + SECOND
    assert bookings.get(over.id).check_at is None


def test_only_a_draft_that_nobody_touched_meanwhile_is_dropped(bookings):
    old = bookings.add(another(1, a_draft()))
    kept = bookings.add(a_booking())
    bookings.change(old.id, lambda b: b.noted(NOW, EventKind.SEEN_TO))

    for one in (old, kept):
        bookings.drop_draft(one)
    assert bookings.get(old.id)
    assert bookings.get(kept.id)

    bookings.drop_draft(bookings.get(old.id))
    with pytest.raises(NotFound):
        bookings.get(old.id)


def test_pages_go_through_all(bookings):
    made = [bookings.add(another(n, slot=starting_in(60 * n), created_at=NOW + n * MINUTE)) for n in range(3)]
    draft = bookings.add(another(9, a_draft(), created_at=NOW + 5 * MINUTE))

    assert bookings.made(NOW, NOW + 10 * MINUTE, 10) == [*made, draft]
    assert bookings.made(NOW + MINUTE, NOW + 2 * MINUTE, 10) == [made[1]]


# --- notices, books, keys -------------------------------------------------------------------------------------------


def a_notice(name: str = "PAY:1:PAY_SUCCESS:abc", **more: Any) -> Webhook:
    given: dict[str, Any] = {
        "id": name,
        "at": NOW,
        "biz_type": "PAY",
        "biz_status": "PAY_SUCCESS",
        "trade_no": TRADE_NO,
        "booking_id": "b" * 24,
        "raw": b"raw",
        "key": b"key",
        "key_owner": "b" * 24,
        "headers": {"serial": "1"},
        "work_at": NOW,
    }
    return Webhook(**{**given, **more})


def test_a_notice_is_kept_once_and_the_first_stays(stores):
    assert stores.logs.add_webhook(a_notice())
    assert not stores.logs.add_webhook(a_notice(raw=b"other"))

    assert stores.logs.get(a_notice().id) == a_notice()
    with pytest.raises(NotFound):
        stores.logs.get("nothing")


def test_a_notice_is_due_until_it_was_worked_on_and_a_lease_only_puts_off(stores):
    webhook = a_notice()
    stores.logs.add_webhook(webhook)
    stores.logs.add_webhook(a_notice("later", work_at=NOW + MINUTE))
    assert stores.logs.due(NOW, 10) == [webhook.id]

    stores.logs.lease(webhook.id, NOW + 15 * SECOND)
    stores.logs.lease(webhook.id, NOW + 5 * SECOND)
    assert stores.logs.due(NOW + 14 * SECOND, 10) == []
    assert stores.logs.due(NOW + MINUTE, 10) == [webhook.id, "later"]
    assert stores.logs.due(NOW + MINUTE, 1) == [webhook.id]

    assert stores.logs.verdict_on(webhook.id) == ""
    stores.logs.finished(webhook, "applied", NOW)
    stores.logs.finished(webhook, "again", NOW)
    stores.logs.lease(webhook.id, NOW + MINUTE)
    assert stores.logs.due(NOW + MINUTE, 10) == ["later"]
    assert stores.logs.verdict_on(webhook.id) == "applied"


def test_the_ledger_takes_each_entry_once_and_lists_them_in_order(stores):
    entries = [
        Entry(number, NOW + number * SECOND, Fact(FactKind.RECEIVED, "1"), "received", (Line("binance", usdt("1")),))
        for number in range(3)
    ]

    assert stores.ledger.post("b1", entries[1:]) == 2
    assert stores.ledger.post("b1", entries) == 1
    assert stores.ledger.post("b2", entries[:1]) == 1

    assert stores.ledger.of("b1") == tuple(entries)
    assert stores.ledger.of("nobody") == ()
    assert sorted(stores.ledger.all(NOW, NOW + SECOND), key=str) == [("b1", entries[0]), ("b2", entries[0])]


def test_a_payment_of_nobodys_waits_until_the_owner_settles_it_once(stores):
    orphan = Orphan("o1", NOW, TRADE_NO, usdt("12.5"), "M_1", open_since=NOW)
    assert stores.orphans.add(orphan)
    assert not stores.orphans.add(orphan)
    assert stores.orphans.waiting() == [orphan]

    assert [stores.orphans.tell("o1", NOW + wait, NOW + MINUTE) for wait in (0 * MINUTE, SECOND)] == [True, False]
    assert stores.orphans.tell("o1", NOW + MINUTE, NOW + 2 * MINUTE), "whoever was at it did not come to an end"
    assert not stores.orphans.tell("nothing", NOW, NOW + MINUTE)

    assert stores.orphans.settle("o1", "given back", NOW + MINUTE)
    assert not stores.orphans.settle("o1", "again", NOW + MINUTE)

    assert stores.orphans.waiting() == []
    assert stores.orphans.get("o1") == replace(orphan, open_since=None, settled_at=NOW + MINUTE, note="given back")
    with pytest.raises(NotFound):
        stores.orphans.get("nothing")


def test_a_key_has_one_owner_and_is_given_back_only_before_its_answer(stores):
    use = KeyUse("body", "token", 0, NOW)
    assert stores.keys.take("k", use) is None
    assert stores.keys.take("k", replace(use, token="other")) == use

    assert stores.keys.taken_over("k", use, NOW + MINUTE)
    assert not stores.keys.taken_over("k", use, NOW + MINUTE)

    stores.keys.answered("k", 201)
    stores.keys.given_back("k")
    assert stores.keys.find("k") == replace(use, status=201, at=NOW + MINUTE)

    stores.keys.take("free", use)
    stores.keys.given_back("free")
    assert stores.keys.find("free") is None
