"""Sentences are for people: reworded, they change no rule."""

from random import Random

import pytest

from inspired.adapters.mongo.documents import booking_out
from inspired.domain.booking import history, outbox
from inspired.domain.booking.history import Event, EventKind, TaskDone
from inspired.domain.booking.outbox import AlertKind, AlertOwner, Email, Result, SendEmail
from inspired.domain.booking.states import Cause, HandKind
from inspired.domain.booking.status import numbered
from inspired.domain.monitoring import runbook
from inspired.domain.sentences import customer, explanation, owner, owner_pages
from tests.domain.booking.test_table import CELLS, before_and_after
from tests.domain.booking.test_walk import walked
from tests.factories import NOW, a_live_booking, an_event

SEEDS = range(40)


def played() -> list[object]:
    """What is stored: of walks, and of the table's decisions with the version that customers' pages go by."""
    walks = [booking_out(walked(Random(seed), 30, set()).booking) for seed in SEEDS]
    return [*walks, *(booking_out(numbered(*before_and_after(cell))) for cell in CELLS[::50])]


@pytest.mark.slow
def test_rewording_every_sentence_changes_no_booking(monkeypatch: pytest.MonkeyPatch):
    before = played()
    reworded = 0
    for module in (owner, owner_pages, customer, explanation):
        for name, value in list(vars(module).items()):
            if isinstance(value, dict) and value and all(isinstance(said, str) for said in value.values()):
                reworded += len(value)
                for key in list(value):
                    monkeypatch.setitem(value, key, "{")
            elif isinstance(value, str) and name.isupper():
                reworded += 1
                monkeypatch.setattr(module, name, "{")

    assert reworded > 100
    assert played() == before


def test_there_is_a_sentence_for_everything_that_can_be_told():
    assert set(owner.EMAILS) == set(Email)
    assert set(owner.EVENTS) == set(EventKind)
    assert set(owner.RESULTS) == set(Result)
    assert set(owner.CAUSES) == set(Cause)
    assert set(owner.VOUCHED) == set(HandKind)
    assert set(owner.WINDOWS) == set(history.LimitWindow)
    assert set(AlertKind) == set(runbook.OF_BOOKING)


TOLD = [
    (("started", ""), "Booking started."),
    (("money", "75 USDT, by our query, order 1"), "Money seen: 75 USDT, by our own question, order 1."),
    (("money", "an unreadable amount, by a signed notice, order 2"),
     "Money seen: an amount that cannot be read, by a signed notice, order 2."),
    (("order_closed", "order 1 is EXPIRED"), "Binance Pay says the order is closed: order 1 is EXPIRED."),
    (("create_failed", "order 1: binance: timed out"), "The order could not be created: order 1: binance: timed out."),
    (("above_limit", "order 1, in 30 days"),
     "The order was not made: it would be above what one customer may pay: order 1, in 30 days."),
    (("refund_requested", "25 USDT, owner"), "25 USDT to go back: refunded by you."),
    (("refund_found", "an amount Binance does not tell, order 1"),
     "A refund was found that was not made here: an amount Binance does not tell, order 1."),
    (("refund_stuck", "Too little balance."), "A refund could not be sent: Too little balance."),
    (("refund_rejected", "by Binance"), "Binance Pay rejected a refund."),
    (("refund_done", "25 USDT"), "A refund has gone back: 25 USDT."),
    (("by_hand", "a gift"), "You confirmed it by hand: a gift."),
    (("by_hand", "50 USDT"), "You confirmed it by hand: 50 USDT."),
    (("other_length", "60 minutes"), "Another length was chosen in Calendly than is sold here: 60 minutes."),
    (("letter_written", "2"), "A letter to the customer was written: number 2."),
    (("done", "send:held sent"), "Mail “held”: sent."),
    (("done", "send:held dropped, no longer true"), "Mail “held”: not sent, no longer true."),
    (("done", "post:2 2 entries"), "Post to the ledger: 2 entries."),
    (("done", "post:2"), "Post to the ledger."),
    (("done", "alert:denied owner told"), runbook.OF_BOOKING["denied"].sentence),
    (("done", "alert:denied given up"), "Alert to you “denied”: given up."),
    (("done", "juggle:balls sent"), "juggle:balls: sent."),
    (("done", "send:held as never before"), "Done: send:held as never before."),
    (("paid", "as never before"), "Paid: as never before."),
    (("juggled", "three balls"), "Something that another version of this site wrote down: juggled three balls."),
]  # fmt: skip


@pytest.mark.parametrize(("spelled", "said"), TOLD)
def test_an_event_is_told_in_one_sentence(spelled: tuple[str, str], said: str):
    assert owner.event(an_event(NOW, *spelled), a_live_booking()) == said


STORIES = [
    ("send:confirmed sent", "The mail server accepted the mail “Confirmed”."),
    ("send:confirmed:again:1 sent", "The mail server accepted the mail “Confirmed” once more."),
    ("send:confirmed given up", "The mail “Confirmed” could not be sent, and was given up."),
    ("send:held dropped, no longer true", "The mail “Your time is held” was not sent: it was no longer true."),
    ("alert:denied owner told", f"You were told by mail: {runbook.OF_BOOKING['denied'].sentence}"),
    ("alert:denied given up",
     f"A mail to you could not be sent, and was given up: {runbook.OF_BOOKING['denied'].sentence}"),
    ("release_event:x cancelled in the calendar", "The event in Calendly was cancelled."),
    ("release_event:x dropped, it is this booking's own slot",
     "The event in Calendly was not cancelled: it is this booking’s own time."),
    ("tidy_events 2 cancelled", "Calendly was looked through for other times picked for this booking: 2 cancelled."),
    ("follow_event:x moved", "Calendly was asked what became of the event."),
    ("tell_no_show:3 told in the calendar", "Calendly was told whether the customer came."),
    ("juggle:balls sent", "juggle:balls: sent."),
    ("post:2 2 entries", None),
]  # fmt: skip


@pytest.mark.parametrize(("detail", "said"), STORIES)
def test_the_story_tells_a_task_by_what_it_did(detail: str, said: str | None):
    assert owner.story(an_event(NOW, "done", detail), a_live_booking()) == said


def test_the_story_tells_everything_else_as_the_history_does():
    event, booking = Event(NOW, EventKind.PAID), a_live_booking()

    assert owner.story(event, booking) == owner.event(event, booking) == "Paid."


def test_a_task_is_named_without_the_number_of_its_refund():
    assert owner.task(SendEmail(Email.REFUND_STARTED, "b001R01")) == "Mail “refund started”"
    assert owner.task(AlertOwner(AlertKind.SLOT_LOST)) == "Alert to you “slot lost”"
    assert owner.task(outbox.CancelEvent("https://x")) == "Cancel the event in Calendly"
    assert isinstance(an_event(NOW, "done", "send:held").details, TaskDone)
