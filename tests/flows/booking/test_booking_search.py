"""Finding a booking by whatever is at hand, and filing what an older release has written."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo.database import Database

from inspired.adapters.mongo.ledger_store import Orphan
from inspired.domain.booking.booking import Booking, Sealed
from inspired.domain.catalogue.meeting_types import get_meeting_type
from inspired.domain.shared.money import Money
from inspired.domain.support.tickets import Topic
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import booking_search
from inspired.flows.support import tickets
from inspired.services import Services
from tests.flows.steps import confirmed, hold
from tests.harness import Servers


def found(svc: Services, text: str) -> list[str]:
    return [hit.booking.id for hit in booking_search.search(svc, text).hits]


@pytest.fixture
def ann(svc: Services, sandbox: Servers) -> Booking:
    return confirmed(svc, sandbox, name="Ann-Sofie Édouard van Example", email="ann@example.com")


@pytest.fixture
def bob(svc: Services, ann: Booking) -> Booking:
    return hold(svc, call=3, type_id="deep-dive", name="Bob Example", email="bob@example.com")


@pytest.mark.parametrize("text", ["ann@example.com", " ANN@Example.com "])
def test_by_the_exact_mail_address(svc: Services, ann: Booking, bob: Booking, text: str):
    (hit,) = booking_search.search(svc, text).hits

    assert (hit.booking.id, hit.why) == (ann.id, ("the mail address",))
    assert found(svc, "nn@example.com") == []


@pytest.mark.parametrize("text", ["edouard", "Édouard", "ÉDOUARD ann", "sofie van", "example edouard sofie", "van"])
def test_by_words_of_the_name_whatever_their_case_accents_and_order(
    svc: Services, ann: Booking, bob: Booking, text: str
):
    assert found(svc, text) == [ann.id]


def test_a_word_that_several_have_finds_them_all_newest_first(svc: Services, ann: Booking, bob: Booking):
    assert found(svc, "example") == [bob.id, ann.id]
    assert found(svc, "bob example") == [bob.id]
    assert found(svc, "bob edouard") == []
    assert found(svc, "exam") == []


def test_by_any_number(svc: Services, ann: Booking, bob: Booking):
    order = ann.orders[0]

    for text, why in (
        (ann.id, "its number"),
        (ann.token, "the customer’s page"),
        (order.trade_no, "the number of an order"),
        (f"{order.trade_no}R01", "the number of a refund"),
        (order.transaction_id, "a number of Binance Pay’s"),
        (order.prepay_id, "a number of Binance Pay’s"),
    ):
        (hit,) = booking_search.search(svc, text).hits
        assert hit.booking.id == ann.id, text
        assert why in hit.why


@pytest.mark.parametrize("written", ["{}", "Reference: {}", "reference {}"])
def test_by_the_reference_that_mails_and_pages_tell(svc: Services, ann: Booking, bob: Booking, written: str):
    reference = written.format(ann.id[:8])

    assert found(svc, reference) == found(svc, reference.upper()) == [ann.id]
    assert found(svc, written.format(ann.id[:7])) == []


@pytest.mark.parametrize("written", ["{}", "Ticket {}", "ticket: {}"])
def test_by_a_tickets_number(svc: Services, ann: Booking, written: str):
    ticket = tickets.write(svc, ann, Topic.OTHER, "Where do we meet?", "r1")

    assert booking_search.search(svc, written.format(ticket.id)).ticket == ticket
    assert booking_search.search(svc, written.format("999999")).ticket is None


@pytest.mark.parametrize(
    ("text", "count"), [("75", 1), ("75 USDT", 1), ("75.00 usdt", 1), ("150", 1), ("75 EUR", 0), ("7", 0)]
)
def test_by_an_amount(svc: Services, ann: Booking, bob: Booking, text: str, count: int):
    assert len(found(svc, text)) == count


def test_by_a_day_of_the_owners(svc: Services, ann: Booking, bob: Booking):
    assert ann.slot is not None
    own = ZoneInfo(svc.settings.owner_timezone)
    call_day = ann.slot.span.start.astimezone(own).date().isoformat()
    made_day = ann.created_at.astimezone(own).date().isoformat()

    why = {hit.booking.id: hit.why for hit in booking_search.search(svc, call_day).hits}
    made = {hit.booking.id: hit.why for hit in booking_search.search(svc, made_day).hits}

    assert "a call on that day" in why[ann.id]
    assert {"made on that day", "paid on that day"} <= set(made[ann.id])
    assert "paid on that day" not in made[bob.id]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "2026-13-45",
        "nobody@example.com",
        "x" * 5000,
        "|||",
        "€ $gt {}",
        "0",
        "0001-01-01",
        "1066-10-14",
        "9999-12-31",
    ],
)
def test_what_is_nothing_finds_nothing(svc: Services, ann: Booking, text: str):
    assert booking_search.search(svc, text) == booking_search.Found([], [], more=False)


def test_a_draft_is_not_found(svc: Services):
    draft = booking_flow.start_draft(svc, get_meeting_type("deep-dive"))

    assert found(svc, draft.id) == found(svc, draft.token) == []


def test_a_payment_of_nobodys_is_found_by_its_numbers(svc: Services):
    svc.orphans.add(Orphan("o1", svc.now(), "x1", Money.parse("5"), "T-99999", svc.now()))

    assert [one.id for one in booking_search.search(svc, "T-99999").orphans] == ["o1"]
    assert booking_search.search(svc, "T-9999").orphans == []


def test_fifty_at_most_and_it_is_said_that_there_are_more(svc: Services, sandbox: Servers, monkeypatch: Any):
    monkeypatch.setattr(booking_search, "MOST", 2)
    made = [hold(svc, call=call, email="a@example.com", name="Same Name") for call in range(3)]

    seen = booking_search.search(svc, "a@example.com")

    assert [hit.booking.id for hit in seen.hits] == [made[2].id, made[1].id]
    assert seen.more


def test_nothing_readable_of_a_name_is_kept_or_logged(svc: Services, database: Database[Any], capsys: Any):
    booking = hold(svc, name="Zacharias Quirinus")
    booking_search.search(svc, "Zacharias Quirinus")

    document = str(database["bookings"].find_one({"_id": booking.id})).lower()
    assert "zacharias" not in document
    assert "quirinus" not in capsys.readouterr().out.lower()
    assert len(booking.name_index) == 3


# --- filing ---------------------------------------------------------------------------------------------------------


def as_an_older_release_wrote_it(database: Database[Any], booking: Booking, **changes: Any) -> None:
    fields = ["filing", "filed", "words", "numbers", "name_index", "by_made", "by_call", "by_paid", "alerted_at"]
    database["bookings"].update_one(
        {"_id": booking.id}, {"$unset": dict.fromkeys(fields, ""), **({"$set": changes} if changes else {})}
    )


def test_what_an_older_release_has_written_is_filed_at_the_next_one(
    svc: Services, ann: Booking, bob: Booking, database: Database[Any]
):
    made_at = svc.now() - timedelta(days=400)
    as_an_older_release_wrote_it(database, ann, created_at=made_at)
    as_an_older_release_wrote_it(database, bob)
    assert found(svc, "example") == []
    assert svc.bookings.get(bob.id).name_index == ()

    assert (booking_search.file_all(svc), booking_search.file_all(svc)) == (2, 0)

    assert found(svc, "example") == [bob.id, ann.id]
    assert found(svc, ann.orders[0].transaction_id) == [ann.id]
    assert svc.lists.beginning() == made_at
    assert svc.bookings.get(bob.id) == bob


def test_one_that_cannot_be_decrypted_is_filed_without_its_name(svc: Services, database: Database[Any]):
    booking = hold(svc)
    svc.bookings.change(booking.id, lambda b: replace(b, sealed=Sealed(b"v9:gone", b"x", b"x")))
    as_an_older_release_wrote_it(database, booking)

    assert booking_search.file_all(svc) == 1

    assert found(svc, "Ann") == []
    assert found(svc, "ann@example.com") == [booking.id]
    assert found(svc, "75") == [booking.id]
