"""What the owner does with one booking by hand, against the stand-ins: where Binance knows better, its word counts."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import requests
from pymongo.database import Database

from inspired.adapters.crypto.vault import CannotDecrypt
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.ledger import OUTSIDE, SALES, balances
from inspired.domain.booking.outbox import Email, SendEmail
from inspired.domain.booking.states import Flag, HandKind, State
from inspired.domain.shared.errors import Conflict, Invalid, SlotTaken
from inspired.domain.shared.money import Money
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import delivery, owner_actions, refreshing
from inspired.flows.site import retention
from inspired.services import Services
from tests.conftest import Mailbox
from tests.flows.steps import confirmed, free_calls, hold, later, live, lost_time, pay, remote_status, starting_in
from tests.harness import Servers

ANN = "ann@example.com"
USDT = Money.parse


def vouched(
    svc: Services, booking: Booking, kind: HandKind = HandKind.OUTSIDE, amount: str = "75", **more: Any
) -> Booking:
    amount = amount if kind is HandKind.OUTSIDE else "0"
    said = {"reason": "Ann paid in cash", "evidence": "receipt 17", **more}
    return owner_actions.vouch(svc, booking.id, "p1", kind=kind, amount=USDT(amount), **said)


def in_the_books(booking: Booking) -> dict[str, str]:
    return {account: str(money) for (account, _), money in balances(booking.ledger).items()}


# --- notes, letters, mails ------------------------------------------------------------------------------------------


def test_a_note_is_sealed_and_read_again(svc: Services, database: Database[Any]):
    booking = hold(svc)

    after = owner_actions.note(svc, booking.id, "p1", "She is Bob's sister")

    assert delivery.words_of(svc, after, "note", 1) == "She is Bob's sister"
    assert "sister" not in str(database["bookings"].find_one({"_id": booking.id}))


def test_a_letter_reaches_the_customer_once(svc: Services, sandbox: Servers, mailbox: Mailbox):
    booking = refreshing.refresh(svc, confirmed(svc, sandbox).id)

    owner_actions.write(svc, booking.id, "p1", "We meet in another room.\nPlease ring twice.")
    for _ in range(2):
        refreshing.refresh(svc, booking.id)

    (mail,) = [one for one in mailbox.messages if "another room" in one.get_body(("plain",)).get_content()]
    assert mail["to"] == ANN
    assert "About your booking" in mail["subject"]
    assert "Please ring twice." in mail.get_body(("html",)).get_content()


def test_a_mail_is_sent_again_as_a_mail_of_its_own(svc: Services, sandbox: Servers, mailbox: Mailbox):
    booking = refreshing.refresh(svc, confirmed(svc, sandbox).id)
    assert owner_actions.may_send_again(svc, booking, SendEmail(Email.CONFIRMED))

    owner_actions.send_again(svc, booking.id, "confirmed")
    for _ in range(2):
        after = refreshing.refresh(svc, booking.id)

    mails = [one for one in mailbox.messages if one["to"] == ANN and one["subject"].startswith("Confirmed")]
    assert len(mails) == 2
    assert len({one["message-id"] for one in mails}) == 2
    assert after.has_owed(SendEmail(Email.CONFIRMED, repeat=1))


def test_a_mail_that_would_lie_is_not_sent_again(svc: Services, sandbox: Servers):
    booking = refreshing.refresh(svc, confirmed(svc, sandbox).id)

    assert not owner_actions.may_send_again(svc, booking, SendEmail(Email.HELD))
    with pytest.raises(Conflict, match="no longer be true"):
        owner_actions.send_again(svc, booking.id, "held")


# --- another time, and none -----------------------------------------------------------------------------------------


def test_the_owner_moves_a_call_to_a_time_nobody_is_offered(svc: Services, sandbox: Servers, mailbox: Mailbox):
    booking = starting_in(svc, refreshing.refresh(svc, confirmed(svc, sandbox).id), hours=1)
    at_night = (svc.now() + timedelta(days=3)).replace(hour=2, minute=35, second=0, microsecond=0)
    assert at_night not in [one.start for one in free_calls(svc)]

    after = booking_flow.move_by_owner(svc, booking.id, at_night, 0)
    refreshing.refresh(svc, booking.id)

    assert after.slot is not None
    assert (after.slot.span.start, after.slot.zone) == (at_night, "Europe/Berlin")
    (mail,) = [one for one in mailbox.messages if one["to"] == ANN and one["subject"].startswith("Moved")]
    assert any(part.get_content_type() == "text/calendar" for part in mail.walk())


def test_what_another_call_takes_the_owner_cannot_have_either(svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)
    other = hold(svc, call=5, email="bob@example.com")
    assert other.slot is not None

    with pytest.raises(SlotTaken):
        booking_flow.move_by_owner(svc, booking.id, other.slot.span.start, 0)


@pytest.mark.parametrize("wrong", [timedelta(days=-1), timedelta(days=3, minutes=1)])
def test_the_past_and_odd_minutes_are_no_times(svc: Services, sandbox: Servers, wrong: timedelta):
    booking = confirmed(svc, sandbox)
    even = svc.now().replace(minute=0, second=0, microsecond=0)

    with pytest.raises(Invalid, match="five minutes"):
        booking_flow.move_by_owner(svc, booking.id, even + wrong, 0)


def test_who_lost_the_time_gets_another_one_by_the_owner(svc: Services, sandbox: Servers):
    booking = lost_time(svc, sandbox)
    free = free_calls(svc)[-1]

    after = booking_flow.move_by_owner(svc, booking.id, free.start, 0)

    assert (after.state, after.choose_by) == (State.CONFIRMED, None)


def test_called_off_without_money_back_the_reason_is_a_note(svc: Services, sandbox: Servers, mailbox: Mailbox):
    booking = refreshing.refresh(svc, confirmed(svc, sandbox).id)

    after = owner_actions.call_off(svc, booking.id, "p1", "came drunk", seen=0)
    refreshing.refresh(svc, booking.id)

    assert (after.state, in_the_books(after)) == (State.CANCELLED, {"binance": "75", SALES: "-75"})
    assert delivery.words_of(svc, after, "note", 1) == "came drunk"
    assert any("Nothing goes back" in one.get_body(("plain",)).get_content() for one in mailbox.messages)
    with pytest.raises(Conflict, match="another refund"):
        owner_actions.call_off(svc, booking.id, "p1", "again", seen=1)


# --- a word that confirms -------------------------------------------------------------------------------------------


def test_cash_confirms_once_binance_has_said_that_nothing_came(svc: Services, sandbox: Servers, mailbox: Mailbox):
    booking = refreshing.refresh(svc, live(svc).id)

    after = vouched(svc, booking)
    refreshing.refresh(svc, booking.id)

    assert after.order is not None
    assert after.by_hand is not None
    assert remote_status(sandbox, after.order.trade_no) == "CANCELED"
    assert (after.state, in_the_books(after)) == (State.CONFIRMED, {OUTSIDE: "75", SALES: "-75"})
    assert (after.by_hand.evidence, owner_actions.reason_of(svc, after)) == ("receipt 17", "Ann paid in cash")
    (mail,) = [one for one in mailbox.messages if one["to"] == ANN and one["subject"].startswith("Confirmed")]
    assert "Paid: 75 USDT, by another way than Binance Pay" in mail.get_body(("plain",)).get_content()


def test_a_gift_says_nothing_of_money(svc: Services, mailbox: Mailbox):
    booking = refreshing.refresh(svc, live(svc).id)

    vouched(svc, booking, HandKind.GIFT)
    refreshing.refresh(svc, booking.id)

    (mail,) = [one for one in mailbox.messages if one["to"] == ANN and one["subject"].startswith("Confirmed")]
    text = mail.get_body(("plain",)).get_content()
    assert "your call is confirmed" in text
    assert "payment has arrived" not in text
    assert "Paid:" not in text


def test_where_binance_knows_of_the_payment_its_word_wins(svc: Services, sandbox: Servers):
    booking = live(svc)
    pay(sandbox, booking)

    with pytest.raises(Conflict, match="its word counts"):
        vouched(svc, booking)

    after = svc.bookings.get(booking.id)
    assert (after.state, after.by_hand) == (State.CONFIRMED, None)
    assert in_the_books(after) == {"binance": "75", SALES: "-75"}


def test_while_binance_does_not_answer_nothing_is_marked(svc: Services, sandbox: Servers):
    booking = live(svc)
    sandbox.control("faults", {"binance": [{"call": "any", "fault": "http_500", "times": 50}]})

    with pytest.raises(Conflict, match="does not answer"):
        vouched(svc, booking)

    assert svc.bookings.get(booking.id).state is State.PENDING
    requests.delete(f"{sandbox.sandbox}/control/faults", timeout=5)


def test_an_order_that_was_paid_for_less_is_not_marked_over(svc: Services, sandbox: Servers):
    booking = live(svc)
    pay(sandbox, booking, amount="70")

    with pytest.raises(Conflict, match="its word counts"):
        vouched(svc, booking)

    after = svc.bookings.get(booking.id)
    assert (after.by_hand, [str(one.amount) for one in after.refunds]) == (None, ["70"])


def test_a_time_that_somebody_else_has_by_now_is_not_given_twice(svc: Services):
    booking = live(svc)
    assert booking.slot is not None
    span = booking.slot.span
    booking_flow.give_up(svc, booking.token)
    refreshing.refresh(svc, booking.id)
    hold(svc, call=free_calls(svc).index(span), email="bob@example.com")

    with pytest.raises(SlotTaken, match="taken by another booking"):
        vouched(svc, booking)

    assert svc.bookings.get(booking.id).state is State.CANCELLED


def test_what_cannot_be_marked_is_refused_before_anybody_is_asked(svc: Services, sandbox: Servers):
    with pytest.raises(Conflict, match="cannot be marked"):
        vouched(svc, confirmed(svc, sandbox))
    with pytest.raises(Invalid, match="at most 75 USDT"):
        vouched(svc, live(svc, call=3), amount="80")


def test_money_that_comes_in_the_end_goes_back(svc: Services, sandbox: Servers):
    booking = vouched(svc, live(svc))

    pay(sandbox, booking, force=True)
    asked, _ = refreshing.ask_about_all(svc, booking, seconds=2.0)
    after = refreshing.refresh(svc, asked.id)

    assert [str(one.amount) for one in after.refunds] == ["75"]
    assert Flag.OVERPAID in after.flags
    assert (after.state, in_the_books(after)) == (State.CONFIRMED, {OUTSIDE: "75", SALES: "-75"})


def test_what_went_back_by_the_same_way_is_written_down(svc: Services):
    booking = owner_actions.call_off(svc, vouched(svc, live(svc)).id, "p1", "ill", seen=0)

    after = owner_actions.returned_outside(svc, booking.id, USDT("75"))

    assert in_the_books(after) == {SALES: "-75", "refunds": "75"}


@pytest.mark.parametrize("env_changes", [{"CALENDAR": "calendly_api"}])
def test_at_calendly_the_event_has_to_stand(svc: Services):
    booking = live(svc)
    assert booking.slot is not None
    svc.calendly.cancel(booking.slot.event_uri, "no")

    with pytest.raises(Conflict, match="Calendly was cancelled"):
        vouched(svc, booking)


@pytest.mark.parametrize("env_changes", [{"CALENDAR": "calendly_api"}])
def test_at_calendly_the_owner_moves_to_a_free_time(svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)
    assert booking.slot is not None
    there = free_calls(svc)[20]

    after = refreshing.refresh(svc, booking_flow.move_by_owner(svc, booking.id, there.start, 0).id)

    assert after.slot is not None
    assert after.slot.span == there
    assert not svc.calendly.is_active(booking.slot.event_uri)
    assert svc.calendly.is_active(after.slot.event_uri)


# --- erasing --------------------------------------------------------------------------------------------------------


def over(svc: Services, sandbox: Servers) -> Booking:
    """A confirmed call that took place, paid by a notice; everything owed is done."""
    booking = live(svc)
    pay(sandbox, booking, notify="lost")
    booking = refreshing.refresh(svc, booking.id)
    owner_actions.note(svc, booking.id, "p1", "She is Bob's sister")
    booking = starting_in(svc, booking, hours=-3)
    svc.bookings.change(booking.id, lambda b: replace(b, outbox=(), check_at=None))
    return svc.bookings.get(booking.id)


def test_after_erasing_nothing_finds_or_reads_the_person(svc: Services, sandbox: Servers, database: Database[Any]):
    booking = over(svc, sandbox)
    index = svc.vault.blind_index("email", ANN)
    assert database["bookings"].find_one({"email_index": index}) is not None

    after = retention.erase(svc, booking.id)

    stored = str(database["bookings"].find_one({"_id": booking.id}))
    assert (delivery.opened(svc, after), after.notes) == ({"email": "", "name": ""}, ())
    assert database["bookings"].find_one({"email_index": index}) is None
    assert index not in stored
    assert (after.state, in_the_books(after)) == (State.CONFIRMED, {"binance": "75", SALES: "-75"})
    with pytest.raises(Conflict, match="was erased"):
        owner_actions.note(svc, booking.id, "p1", "more")


def test_what_notices_held_goes_too(svc: Services, sandbox: Servers, database: Database[Any]):
    booking = over(svc, sandbox)
    assert booking.sealed is not None
    key = booking.sealed.key
    sealed = svc.vault.seal(key, booking.id, "notice", '{"payer": "Ann"}')
    row = {
        "_id": "n1",
        "event": "WEBHOOK_RECEIVED",
        "booking_id": booking.id,
        "at": svc.now(),
        "raw": sealed,
        "key": key,
    }
    database["payment_logs"].insert_one({**row, "work_at": svc.now()})

    with pytest.raises(Conflict, match="still to be worked on"):
        retention.erase(svc, booking.id)
    database["payment_logs"].update_one({"_id": "n1"}, {"$unset": {"work_at": ""}})
    retention.erase(svc, booking.id)
    retention.erase(svc, booking.id)  # again, as after a crash in between

    found = database["payment_logs"].find_one({"_id": "n1"})
    assert found is not None
    assert (found["raw"], found["key"]) == (b"", b"")


def test_no_mail_goes_to_nobody(svc: Services, sandbox: Servers, mailbox: Mailbox):
    booking = retention.erase(svc, over(svc, sandbox).id)
    mailbox.messages.clear()
    svc.bookings.change(booking.id, lambda b: b.owing(svc.now(), SendEmail(Email.CONFIRMED)))

    assert not delivery.still_true(booking, SendEmail(Email.CONFIRMED), svc.now())
    assert not owner_actions.may_send_again(svc, booking, SendEmail(Email.CONFIRMED))
    refreshing.refresh(svc, booking.id)
    assert mailbox.messages == []


def test_a_key_that_is_gone_is_told_and_not_hidden(svc: Services):
    booking = owner_actions.note(svc, hold(svc).id, "p1", "words")
    assert booking.sealed is not None
    broken = replace(booking, sealed=replace(booking.sealed, key=b"v9:gone"))

    with pytest.raises(CannotDecrypt):
        delivery.words_of(svc, broken, "note", 1)
    assert later(svc, hours=1).now() > svc.now()
