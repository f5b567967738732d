"""Tickets over real servers: mails that are owed until they are accepted, and words only their key opens."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pymongo.database import Database

from inspired.domain.accounts.people import Person, Role
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.outbox import Result
from inspired.domain.booking.refunds import AllOfIt
from inspired.domain.booking.states import State
from inspired.domain.shared.errors import Busy, NotFound
from inspired.domain.support.promises import Kind
from inspired.domain.support.tickets import Mailed, Priority, Ticket, TicketEmail, TicketState, Topic
from inspired.flows.booking import refreshing, refunding
from inspired.flows.monitoring import sweeping
from inspired.flows.support import promising, tickets
from inspired.flows.support.tickets import LOST, Sent
from inspired.services import Services
from tests.conftest import Mailbox
from tests.flows.steps import confirmed, later, live
from tests.harness import Servers, wait_until

ANN, OWNER = "ann@example.com", "owner@example.com"
WORDS = "My call, my money, my secret words"


@pytest.fixture
def booking(svc: Services) -> Booking:
    return live(svc)


@pytest.fixture
def helper(svc: Services) -> Person:
    return svc.people.add(Person("p1", "helper@example.com", Role.HELPER, svc.now(), svc.vault.new_key("p1")))


def ask(svc: Services, booking: Booking, request: str = "r1", text: str = WORDS) -> Ticket:
    return tickets.write(svc, booking, Topic.PAYMENT_DELAYED, text, request)


def answer(svc: Services, person: Person, ticket: Ticket, text: str = "An answer") -> Ticket:
    return tickets.answer(svc, person, ticket.id, Sent(text, "a1", len(ticket.messages)), done=False)


def test_what_was_written_is_neither_in_the_database_nor_in_the_log(
    svc: Services, booking: Booking, helper: Person, database: Database[Any], capsys: pytest.CaptureFixture[str]
):
    ticket = answer(svc, helper, ask(svc, booking), "Our words")
    stranger = tickets.write_as_stranger(svc, "eve@example.com", Topic.OTHER, WORDS, "r2")
    tickets.send_mails(svc, ticket.id)

    kept = repr(list(database["tickets"].find({}))) + repr(list(database["audit"].find({})))
    logged = capsys.readouterr()
    for secret in (WORDS, "secret", "Our words", "eve@example.com", ANN):
        assert secret not in kept + logged.out + logged.err
    assert [one.text for one in tickets.conversation(svc, stranger, for_customer=True)] == [WORDS]


def test_words_under_a_key_that_is_gone_or_moved_elsewhere_cannot_be_read(svc: Services, booking: Booking):
    ticket, other = ask(svc, booking), ask(svc, booking, "r2", "Other words")
    moved = replace(ticket, messages=other.messages)

    assert [one.text for one in tickets.conversation(svc, moved, for_customer=True)] == [LOST]


def test_an_answer_is_mailed_once_however_often_it_is_rung_for(
    svc: Services, booking: Booking, helper: Person, mailbox: Mailbox
):
    ticket = answer(svc, helper, ask(svc, booking))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: tickets.send_mails(svc, ticket.id), range(4)))

    assert len([one for one in mailbox.subjects_to(ANN) if "Our answer" in one]) == 1
    assert len(mailbox.subjects_to(OWNER)) == 1


def test_an_answer_is_tried_again_until_the_server_takes_it(
    svc: Services, booking: Booking, helper: Person, mailbox: Mailbox
):
    ticket = answer(svc, helper, ask(svc, booking))
    mailbox.refuse = "451 later"
    tickets.send_mails(svc, ticket.id)
    tickets.send_mails(svc, ticket.id)
    assert mailbox.messages == []
    mailbox.refuse = ""

    soon = later(svc, minutes=5)
    assert ticket.id in svc.tickets.mail_due(soon.now(), 10)
    tickets.send_mails(soon, ticket.id)

    assert f"Our answer to your question, ticket {ticket.id}" in mailbox.subjects_to(ANN)
    assert svc.tickets.mail_due(soon.now(), 10) == []


def test_an_answer_that_is_refused_for_good_comes_back_to_the_owner(
    svc: Services, booking: Booking, helper: Person, mailbox: Mailbox
):
    ticket = answer(svc, helper, ask(svc, booking))
    assert ticket.state is TicketState.WAITING
    mailbox.refuse = "550 no such mailbox"

    tickets.send_mails(svc, ticket.id)

    ticket = svc.tickets.get(ticket.id)
    assert ticket.state is TicketState.OPEN
    assert Mailed(TicketEmail.ANSWER, Result.GIVEN_UP) in [one.details for one in ticket.history]


def test_the_clock_rings_for_mails_that_are_owed(svc: Services, booking: Booking):
    ticket = ask(svc, booking)
    assert svc.tickets.mail_due(svc.now(), 10) == [ticket.id]

    sweeping.sweep(svc, sweeping.Enqueued())

    assert svc.tickets.mail_due(svc.now(), 10) == []
    assert svc.tickets.mail_due(svc.now() + timedelta(minutes=1), 10) == [ticket.id]


def test_the_owner_is_told_when_an_answer_is_late_and_only_then(
    svc: Services, booking: Booking, helper: Person, mailbox: Mailbox
):
    late, answered = ask(svc, booking), ask(svc, booking, "r2")
    answer(svc, helper, answered)
    tomorrow = later(svc, hours=25)

    for ticket in (late, answered):
        tickets.send_mails(tomorrow, ticket.id)

    assert [one for one in mailbox.subjects_to(OWNER) if one.startswith("Late")] == [
        f"Late: ticket {late.id} waits for your answer"
    ]


def test_a_late_answer_that_was_put_off_meanwhile_is_not_told(svc: Services, booking: Booking, mailbox: Mailbox):
    ticket = ask(svc, booking)
    tickets.send_mails(svc, ticket.id)
    svc.tickets.change(ticket.id, lambda t: replace(t, since=svc.now() + timedelta(days=9), promised=None))

    tickets.send_mails(later(svc, hours=25), ticket.id)

    assert len(mailbox.subjects_to(OWNER)) == 1
    assert Mailed(TicketEmail.LATE, Result.STALE) in [one.details for one in svc.tickets.get(ticket.id).history]


def test_nothing_is_mailed_to_whoever_was_erased(svc: Services, booking: Booking, helper: Person, mailbox: Mailbox):
    ticket = answer(svc, helper, ask(svc, booking))
    svc.bookings.change(booking.id, lambda b: replace(b, sealed=None))

    tickets.send_mails(svc, ticket.id)

    assert mailbox.subjects_to(ANN) == []
    assert Mailed(TicketEmail.ANSWER, Result.NO_ADDRESS) in [one.details for one in svc.tickets.get(ticket.id).history]


def test_a_mail_that_cannot_even_be_written_holds_up_no_other(
    svc: Services, booking: Booking, helper: Person, mailbox: Mailbox
):
    ticket = answer(svc, helper, ask(svc, booking))
    svc.tickets.change(ticket.id, lambda t: replace(t, messages=(replace(t.messages[0], text=b"nonsense"),)))

    tickets.send_mails(svc, ticket.id)

    assert len(mailbox.subjects_to(OWNER)) == 1
    assert mailbox.subjects_to(ANN) == []


def test_erasing_takes_the_key_and_the_words_of_every_ticket_of_a_booking(
    svc: Services, booking: Booking, helper: Person, database: Database[Any]
):
    other = live(svc, call=9, email="bob@example.com")
    mine, twice, his = ask(svc, booking), ask(svc, booking, "r2"), ask(svc, other)
    tickets.begin(svc, helper, booking, "A subject", Sent("Words", "r3"), Priority.LOW)

    assert tickets.erase(svc, booking.id) == 3

    for document in database["tickets"].find({"booking_id": booking.id}):
        assert (document["key"], document["subject"], document["email"]) == (b"", b"", b"")
        assert {one["text"] for one in document["messages"]} == {b""}
    assert svc.tickets.get(his.id).key
    stranger = tickets.write_as_stranger(svc, "eve@example.com", Topic.OTHER, WORDS, "r9")
    assert tickets.erase_stranger(svc, "Eve@example.com") == 1
    assert not svc.tickets.get(stranger.id).email
    assert svc.tickets.get(mine.id).state is svc.tickets.get(twice.id).state is TicketState.DONE


def test_the_same_form_sent_at_once_is_one_ticket(svc: Services, booking: Booking):
    with ThreadPoolExecutor(4) as pool:
        found = {one.id for one in pool.map(lambda _: ask(svc, booking), range(4))}

    assert found == {one.id for one in svc.tickets.of_booking(booking.id)}
    assert len(found) == 1


def test_numbers_have_six_digits_and_belong_to_one_ticket_only(svc: Services, booking: Booking):
    first = ask(svc, booking)
    ids: Iterator[str] = iter([_id_of(first.id), _id_of("123456")])
    scripted = replace(svc, new_id=lambda: next(ids))
    always = replace(svc, new_id=lambda: _id_of(first.id))

    assert first.id.isdigit()
    assert len(first.id) == 6
    assert ask(scripted, booking, "r2").id == "123456"
    with pytest.raises(Busy):
        ask(always, booking, "r3")


def _id_of(number: str) -> str:
    """An id this number is made of."""
    letters, value = "", int(number) - 100_000
    while value:
        value, rest = divmod(value, 36)
        letters = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + letters
    return letters or "0"


def test_a_number_that_is_taken_this_very_moment_is_busy(svc: Services, booking: Booking):
    """Between looking for it and writing, somebody else took it: nothing is lost, the form can be sent again."""
    first = ask(svc, booking)
    other = replace(first, token="another")

    assert not svc.tickets.add(other)
    with pytest.raises(NotFound):
        svc.tickets.by_token("another")
    with pytest.raises(Busy):
        tickets._added(svc, other, lambda t: t)


def test_everybody_at_once_is_busy_in_the_end(svc: Services, booking: Booking):
    ticket = ask(svc, booking)

    def decide(before: Ticket) -> Ticket:
        svc.tickets.lease(ticket.id, svc.now())
        database = svc.tickets._collection
        database.update_one({"_id": ticket.id}, {"$inc": {"version": 1}})
        return replace(before, assigned="x")

    with pytest.raises(Busy):
        svc.tickets.change(ticket.id, decide)


def test_a_refund_is_an_open_promise_until_it_is_done(svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)
    assert promising.owed(svc) == []
    sandbox.control("faults", {"binance": [{"call": "refund", "fault": "http_500", "times": 1}]})

    refunding.refund(svc, booking.id, AllOfIt(), cancels=True, note="", request="r1", seen=0)
    (owed,) = promising.owed(svc)
    soon = later(svc, minutes=1)
    booking = wait_until(lambda: _refunded(soon, booking), what="the refund")

    assert (owed.promise.kind, owed.booking and owed.booking.id) == (Kind.REFUND, booking.id)
    assert promising.owed(svc) == []
    assert [one.is_late(svc.now()) for one in promising.of_booking(svc, booking)] == [False]


def _refunded(svc: Services, booking: Booking) -> Booking | None:
    booking = refreshing.refresh(svc, booking.id)
    return booking if booking.state is State.REFUNDED else None
