"""Tickets: who owes the next word, by when, and the mails that tell of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from inspired.domain.booking import customer_actions
from inspired.domain.booking.delivery import LEASE, LONGEST_BACKOFF, MOST_MAIL_TRIES
from inspired.domain.booking.lifecycle import SlotSeen
from inspired.domain.booking.outbox import Result
from inspired.domain.booking.states import Flag, Remote, State
from inspired.domain.sentences.ready_answers import ready_answers
from inspired.domain.shared.errors import Conflict, Invalid, TooMany
from inspired.domain.support import tickets
from inspired.domain.support.tickets import (
    MOST_MESSAGES,
    REPLY_WITHIN,
    Author,
    Mailed,
    Message,
    Priority,
    SendTicketEmail,
    Ticket,
    TicketEmail,
    TicketState,
    Topic,
    checked_text,
    first_priority,
)
from tests.factories import (
    CALL,
    MINUTE,
    NOW,
    a_booking,
    a_confirmed_booking,
    a_live_booking,
    a_returned,
    an_expired_booking,
    owed,
    seen,
    settled,
)

HOUR = timedelta(hours=1)


def said(name: str, author: Author = Author.CUSTOMER, at=NOW) -> Message:
    return Message(name, at, author, name.encode(), "" if author is Author.CUSTOMER else "p1")


def a_ticket(**changes) -> Ticket:
    given = {"priority": Priority.HIGH, "booking_id": "b1", **changes}
    return Ticket("482913", "token", b"key", NOW, Topic.CALL, **given)


def asked(**changes) -> Ticket:
    return tickets.customer_wrote(a_ticket(**changes), said("q1"), NOW)


def answered(ticket: Ticket | None = None, at=NOW + HOUR, *, done: bool = False) -> Ticket:
    ticket = ticket or asked()
    return tickets.answered(ticket, said("a1", Author.OWNER, at), len(ticket.messages), at, done=done)


def test_a_question_is_owed_its_answer_by_its_priority_and_the_owner_a_mail():
    ticket = asked()

    assert ticket.state is TicketState.OPEN
    assert ticket.due == ticket.promised == ticket.messages[0].promised == NOW + REPLY_WITHIN[Priority.HIGH]
    assert {(one.task.key.partition(":")[0], one.due) for one in ticket.outbox} == {
        ("tell_owner", NOW),
        ("late", ticket.due),
    }
    assert ticket.mail_due == NOW
    assert not ticket.is_late(ticket.due - MINUTE)
    assert ticket.is_late(ticket.due)


def test_who_writes_again_while_waiting_waits_no_longer_for_it():
    again = tickets.customer_wrote(asked(), said("q2", at=NOW + HOUR), NOW + HOUR)

    assert again.due == asked().due
    assert again.messages[1].promised == again.messages[0].promised
    assert len([name for name in owed(again) if name.startswith("tell_owner")]) == 1


def test_an_answer_goes_out_by_mail_and_then_it_is_the_customers_turn():
    ticket = answered()

    assert (ticket.state, ticket.due, ticket.promised) == (TicketState.WAITING, None, None)
    assert "answer:a1" in owed(ticket)
    assert not any(name.startswith("late") for name in owed(ticket))
    assert not ticket.is_late(NOW + 900 * HOUR)


def test_an_answer_to_the_answer_is_promised_anew():
    later = NOW + 5 * HOUR
    ticket = tickets.customer_wrote(answered(), said("q2", at=later), later)

    assert ticket.state is TicketState.OPEN
    assert ticket.due == later + REPLY_WITHIN[Priority.HIGH]


def test_the_same_form_is_one_message_whoever_sends_it_twice():
    ticket = asked()
    with_answer = answered(ticket)
    note = tickets.noted_for_us(ticket, said("n1", Author.NOTE), NOW)

    assert tickets.customer_wrote(ticket, said("q1"), NOW + HOUR) == ticket
    assert tickets.answered(with_answer, said("a1", Author.OWNER), 0, NOW + 2 * HOUR, done=True) == with_answer
    assert tickets.noted_for_us(note, said("n1", Author.NOTE), NOW + HOUR) == note


def test_nobody_answers_past_what_the_customer_wrote_meanwhile():
    ticket = tickets.customer_wrote(asked(), said("q2"), NOW)

    with pytest.raises(Conflict, match="wrote again meanwhile"):
        tickets.answered(ticket, said("a1", Author.OWNER), 1, NOW, done=False)
    with pytest.raises(Conflict, match="wrote again meanwhile"):
        tickets.closed(ticket, 1, "p1", NOW)


def test_a_note_is_no_answer():
    ticket = tickets.noted_for_us(asked(), said("n1", Author.NOTE), NOW)

    assert ticket.due == asked().due
    assert [one.is_seen_by_customer for one in ticket.messages] == [True, False]
    assert owed(ticket) == owed(asked())


def test_raising_the_priority_brings_the_answer_forward_and_lowering_breaks_no_promise():
    urgent = tickets.prioritised(asked(), Priority.CRITICAL, "p1", NOW)
    patient = tickets.prioritised(asked(), Priority.LOW, "p1", NOW)

    assert urgent.due == NOW + REPLY_WITHIN[Priority.CRITICAL]
    assert [one.due for one in urgent.outbox if one.task.key.startswith("late")] == [urgent.due]
    assert patient.due == asked().promised
    assert tickets.prioritised(patient, Priority.LOW, "p1", NOW) == patient
    assert tickets.prioritised(answered(), Priority.LOW, "p1", NOW).due is None


def test_somebody_takes_it_and_gives_it_back():
    taken = tickets.taken(asked(), "p1", "p1", NOW)
    back = tickets.taken(taken, "", "p1", NOW)

    assert (taken.assigned, back.assigned) == ("p1", "")
    assert [one.kind for one in back.history] == ["customer_wrote", "taken", "given_back"]
    assert tickets.taken(taken, "p1", "p1", NOW) == taken


def test_who_wrote_last_is_told_that_it_is_done():
    without_answer = tickets.closed(asked(), 1, "p1", NOW)
    with_answer = tickets.closed(answered(), 2, "p1", NOW)
    for_us = tickets.closed(begun(booking_id=""), 1, "p1", NOW)

    assert without_answer.state is with_answer.state is TicketState.DONE
    assert {name.partition(":")[0] for name in owed(without_answer)} == {"tell_owner", "closed"}
    assert not any(name.startswith("closed") for name in owed(with_answer) | owed(for_us))
    assert with_answer.done_at == NOW
    assert tickets.closed(with_answer, 2, "p1", NOW + HOUR) == with_answer


def test_answered_and_done_in_one():
    ticket = answered(done=True)

    assert (ticket.state, ticket.done_at, ticket.due) == (TicketState.DONE, NOW + HOUR, None)
    assert "answer:a1" in owed(ticket)


@pytest.mark.parametrize("ticket", [answered(), answered(done=True)])
def test_opened_again_it_is_our_turn_but_nobody_was_promised_anything(ticket: Ticket):
    again = tickets.reopened(ticket, "p1", NOW + 9 * HOUR)

    assert (again.state, again.promised, again.done_at) == (TicketState.OPEN, None, None)
    assert again.due == NOW + 9 * HOUR + REPLY_WITHIN[Priority.HIGH]
    assert tickets.reopened(again, "p1", NOW + 10 * HOUR) == again


def test_the_customers_word_opens_what_was_done():
    later = NOW + 90 * HOUR
    ticket = tickets.customer_wrote(answered(done=True), said("q2", at=later), later)

    assert (ticket.state, ticket.done_at) == (TicketState.OPEN, None)
    assert ticket.due == later + REPLY_WITHIN[Priority.HIGH]


def begun(**changes) -> Ticket:
    return tickets.begun_by_us(a_ticket(**changes), said("w1", Author.OWNER), NOW)


def test_the_first_word_to_a_customer_is_a_mail_and_to_ourselves_a_note():
    to_customer, for_us = begun(), begun(booking_id="")

    assert (to_customer.state, owed(to_customer)) == (TicketState.WAITING, {"answer:w1"})
    assert (for_us.state, for_us.messages[0].author) == (TicketState.OPEN, Author.NOTE)
    assert for_us.due == NOW + REPLY_WITHIN[Priority.HIGH]
    with pytest.raises(Conflict, match="nobody to answer"):
        tickets.answered(for_us, said("a1", Author.OWNER), 1, NOW, done=False)


def test_a_conversation_is_bounded():
    full = a_ticket(messages=tuple(said(str(number)) for number in range(MOST_MESSAGES)))

    for write in (
        lambda: tickets.customer_wrote(full, said("more"), NOW),
        lambda: tickets.answered(full, said("more", Author.OWNER), MOST_MESSAGES, NOW, done=False),
        lambda: tickets.noted_for_us(full, said("more", Author.NOTE), NOW),
    ):
        with pytest.raises(TooMany, match="100 messages"):
            write()


def test_what_is_erased_keeps_neither_key_nor_words_and_takes_no_more():
    full = replace(answered(), email=b"sealed", email_index="index", subject=b"sealed")
    gone = tickets.forgotten(full, NOW + 9 * HOUR)

    assert (gone.key, gone.email, gone.email_index, gone.subject) == (b"", b"", "", b"")
    assert {one.text for one in gone.messages} == {b""}
    assert (gone.state, gone.done_at, gone.outbox) == (TicketState.DONE, NOW + 9 * HOUR, ())
    assert tickets.forgotten(gone, NOW + 10 * HOUR) == gone
    assert tickets.forgotten(answered(done=True), NOW + 9 * HOUR).done_at == NOW + HOUR
    with pytest.raises(Conflict, match="erased"):
        tickets.customer_wrote(gone, said("q2"), NOW)


# --- texts and priorities -------------------------------------------------------------------------------------------


def test_a_text_has_words_and_an_end():
    assert checked_text(" One\r\ntwo\n") == "One\ntwo"
    assert checked_text("\r\n".join(["x"] * 2000)) == "\n".join(["x"] * 2000)  # 3,999 as we keep it, 5,998 as sent
    with pytest.raises(Invalid, match="write something") as refusal:
        checked_text(" \r\n ", "subject")
    assert set(refusal.value.fields) == {"subject"}
    with pytest.raises(Invalid, match="At most 4,000 letters, please; these are 4,001"):
        checked_text("x" * 4001)


@pytest.mark.parametrize(
    ("booking", "topic", "at", "priority"),
    [
        (None, Topic.OTHER, NOW, Priority.LOW),
        (None, Topic.PAYMENT_FAILED, NOW, Priority.MEDIUM),
        (a_booking(state=State.PAID), Topic.OTHER, NOW, Priority.CRITICAL),
        (a_confirmed_booking(flags=frozenset({Flag.NEEDS_OWNER})), Topic.OTHER, NOW, Priority.CRITICAL),
        (a_confirmed_booking(), Topic.OTHER, CALL.start - HOUR, Priority.HIGH),
        (a_confirmed_booking(), Topic.OTHER, CALL.end - MINUTE, Priority.HIGH),
        (a_confirmed_booking(), Topic.OTHER, CALL.end, Priority.LOW),
        (a_confirmed_booking(), Topic.CALL, NOW, Priority.MEDIUM),
        (a_confirmed_booking(), Topic.REFUND_REQUEST, NOW, Priority.MEDIUM),
        (a_live_booking(), Topic.PAYMENT_FAILED, NOW, Priority.HIGH),
        (a_live_booking(), Topic.PAYMENT_DELAYED, NOW, Priority.HIGH),
        (a_live_booking(), Topic.OTHER, NOW, Priority.LOW),
    ],
)
def test_what_is_urgent_follows_from_the_booking_before_the_words(booking, topic, at, priority):
    assert first_priority(topic, booking, at) is priority


# --- ready-made answers ---------------------------------------------------------------------------------------------


def ready(booking, at=NOW + MINUTE) -> dict[str, str]:
    return {one.id: one.text for one in ready_answers(booking, "Ann", at)}


def test_ready_answers_say_only_what_is_true_of_the_booking():
    going_back = customer_actions.refund_all(a_confirmed_booking(), NOW + MINUTE, cancels=True)
    back = a_returned(going_back, NOW + 2 * MINUTE)
    by_hand = replace(going_back, refunds=tuple(
        replace(one, status=type(one.status).EXTERNAL) for one in going_back.refunds
    ))  # fmt: skip

    assert "75 USDT is on its way" in ready(going_back)["refund-on-its-way"]
    assert "refund-on-its-way" not in ready(back)
    assert "75 USDT went back to you on 24 November 2026" in ready(back)["refund-done"]
    assert "Binance account" not in ready(by_hand)["refund-done"]
    assert {"confirmed", "move"} <= set(ready(a_confirmed_booking()))
    assert "confirmed" not in ready(back)
    assert "how to pay" in ready(a_live_booking())["nothing-paid"]
    assert "tell us the order number" in ready(an_expired_booking(), NOW + HOUR)["nothing-paid"]
    assert "nothing-paid" not in ready(a_confirmed_booking())
    late = NOW + HOUR
    choosing = settled(an_expired_booking(), seen(Remote.PAID, "75", at=late), slot=SlotSeen.LOST, now=late)
    assert "your payment of 75 USDT has arrived, but your time was no longer free" in ready(choosing, late)["choose"]
    assert set(ready(None)) == {"looking", "more", "done"}
    assert ready_answers(None, "", NOW)[0].text.startswith("Hello,\n")


ANSWER = SendTicketEmail(TicketEmail.ANSWER, "a1")

# --- mails ----------------------------------------------------------------------------------------------------------


def test_a_mail_is_claimed_before_it_is_sent_and_ticked_off_after():
    ticket = answered()
    leased = tickets.claimed(ticket, ANSWER, NOW)

    (lease,) = [one for one in leased.outbox if one.task == ANSWER]
    assert (lease.due, lease.tries) == (NOW + LEASE, 1)
    sent = tickets.mailed(leased, ANSWER, NOW, Result.SENT)
    assert "answer:a1" not in owed(sent)
    assert (sent.history[-1].kind, sent.history[-1].details) == ("mailed", Mailed(TicketEmail.ANSWER, Result.SENT))
    assert tickets.mailed(sent, ANSWER, NOW, Result.SENT) == sent
    assert tickets.mail_failed(sent, ANSWER, NOW, for_good=True) == sent


def test_a_mail_that_fails_is_tried_again_ever_more_slowly():
    ticket, waits = answered(), []
    for _ in range(12):
        ticket = tickets.claimed(ticket, ANSWER, NOW)
        ticket = tickets.mail_failed(ticket, ANSWER, NOW, for_good=False)
        waits += [one.due - NOW for one in ticket.outbox if one.task == ANSWER]

    assert waits == sorted(waits)
    assert waits[0] == timedelta(seconds=2)
    assert waits[-1] == LONGEST_BACKOFF


@pytest.mark.parametrize("for_good", [True, False])
def test_an_answer_nobody_can_be_sent_makes_it_our_turn_again(for_good: bool):
    tries = 1 if for_good else MOST_MAIL_TRIES
    ticket = answered()
    ticket = replace(ticket, outbox=tuple(replace(one, tries=tries) for one in ticket.outbox))

    failed = tickets.mail_failed(ticket, ANSWER, NOW + HOUR, for_good=for_good)

    assert failed.state is TicketState.OPEN
    assert failed.due is not None
    assert "answer:a1" not in owed(failed)
    told = tickets.mail_failed(ticket, "tell_owner:q1", NOW, for_good=True)
    assert told.state is TicketState.WAITING
