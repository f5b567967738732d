"""Lists against the same question asked of every booking one by one."""

import random
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from inspired.adapters.mongo.bookings import Bookings
from inspired.adapters.mongo.lists import BEGINNING, Lists
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.history import EventKind, TaskDone
from inspired.domain.booking.outbox import AlertKind, AlertOwner, Result
from inspired.domain.booking.search_index import By, Wanted, labels, moments, place_of
from inspired.domain.booking.states import CalendarKind, Remote, State
from inspired.domain.catalogue.meeting_types import get_meeting_type
from inspired.domain.shared.slots import Span
from tests.factories import (
    NOW,
    a_booking,
    a_confirmed_booking,
    a_draft,
    a_live_booking,
    an_expired_booking,
    seen,
    settled,
)

KINDS = (
    a_booking(),
    a_confirmed_booking(),
    an_expired_booking(),
    a_draft(),
    settled(a_live_booking(), seen(Remote.PAID, "70")),
)


def some_bookings(count: int, seed: int) -> list[Booking]:
    """Of all kinds, from minutes to years apart, some in the very same millisecond, some with the call far ahead."""
    chance, made, at = random.Random(seed), [], NOW
    for number in range(count):
        at -= chance.choice([timedelta(), timedelta(minutes=3), timedelta(hours=7), timedelta(days=40)])
        kind = chance.choice(KINDS)
        start = at + chance.choice([timedelta(hours=5), timedelta(days=3), timedelta(days=200)])
        span = Span(start, start + timedelta(minutes=45))
        slot = kind.slot and replace(kind.slot, span=span, calendar=CalendarKind.CALENDLY)  # several may have one time
        paid = kind.paid_at and at + timedelta(minutes=chance.randrange(3))
        type_ = get_meeting_type(chance.choice(["portfolio-review", "mentoring"]))
        id_ = f"{chance.randrange(10**9):09d}{number:03d}"
        kind = replace(kind, id=id_, token=f"t{number}", created_at=at, slot=slot, paid_at=paid, meeting_type=type_)
        orders = tuple(replace(one, paid_at=one.paid_at and at + timedelta(minutes=2)) for one in kind.orders)
        made.append(replace(kind, orders=orders))
    return made


@pytest.fixture
def stored(database) -> list[Booking]:
    bookings = some_bookings(60, seed=5)
    writing = Bookings(database, lambda booking: None)
    for one in bookings:
        writing.add(one)
    return bookings


@pytest.fixture
def lists(database) -> Lists:
    return Lists(database)


def asked_one_by_one(bookings: list[Booking], wanted: Wanted) -> list[str]:
    def fits(one: Booking) -> bool:
        moment = moments(one).get(wanted.by)
        within = moment is not None and (wanted.since or moment) <= moment < (wanted.until or moment + timedelta(1))
        return within and wanted.label in labels(one)

    found = sorted((one for one in bookings if fits(one)), key=lambda one: place_of(one, wanted.by))
    return [one.id for one in (found if wanted.oldest_first else reversed(found))]


QUESTIONS = [
    Wanted(by=by, state=state, type_id=type_id, flag=flag, amount=amount, since=since, until=until, oldest_first=oldest)
    for by, (state, type_id, flag, amount), (since, until), oldest in product(
        By,
        [
            ("", "", "", ""),
            (State.CONFIRMED, "", "", ""),
            ("", "mentoring", "underpaid", "70"),
            (State.CONFIRMED, "mentoring", "", "75"),
            (State.REFUNDED, "", "", ""),
        ],
        [(None, None), (NOW - timedelta(days=400), NOW - timedelta(days=90))],
        [False, True],
    )
]


def test_every_question_gets_what_asking_each_booking_would_bring_in_order_and_page_by_page(lists, stored):
    for wanted in QUESTIONS:
        expected = asked_one_by_one(stored, wanted)
        walked, page = [], lists.page(wanted, NOW, most=7)
        assert page.before == ""
        walked += [one.id for one in page.bookings]
        while page.after:
            page = lists.page(wanted, NOW, most=7, cursor=page.after)
            walked += [one.id for one in page.bookings]

        assert walked == expected, wanted
        assert [one.id for one in lists.each(wanted, NOW, most=1000, at_once=9)] == expected


def test_pages_go_back_to_where_they_came_from(lists, stored):
    for wanted in (Wanted(), Wanted(by=By.CALL, oldest_first=True), Wanted(state=State.CONFIRMED)):
        there = [lists.page(wanted, NOW, most=5)]
        while there[-1].after:
            there.append(lists.page(wanted, NOW, most=5, cursor=there[-1].after))
        back = [there[-1]]
        while back[-1].before:
            back.append(lists.page(wanted, NOW, most=5, cursor=back[-1].before, back=True))

        assert len(there) > 2
        assert [page.bookings for page in reversed(back)] == [page.bookings for page in there]
        assert back[-1].after == there[0].after


def test_a_list_is_never_longer_than_asked_for(lists, stored):
    assert len(list(lists.each(Wanted(), NOW, most=11, at_once=4))) == 11


def test_moments_are_those_of_the_list(lists, stored):
    first, last = min(one.created_at for one in stored), max(one.created_at for one in stored)
    wanted = Wanted(state=State.CONFIRMED, since=first, until=last)
    fitting = [one.created_at for one in stored if one.state is State.CONFIRMED and one.created_at < last]

    assert sorted(lists.moments(wanted, 1000)) == sorted(fitting)
    assert len(lists.moments(wanted, 2)) == 2


def test_a_change_moves_a_booking_to_another_list_in_the_same_write(lists, database):
    bookings = Bookings(database, lambda booking: None)
    bookings.add(a_booking())
    waiting, ended = Wanted(state=State.PENDING), Wanted(state=State.CANCELLED)

    bookings.change(a_booking().id, lambda one: replace(one, state=State.CANCELLED))

    assert lists.page(waiting, NOW, most=5).bookings == []
    assert [one.id for one in lists.page(ended, NOW, most=5).bookings] == [a_booking().id]


def test_names_mail_addresses_and_numbers_lead_to_their_bookings_newest_first(lists, database):
    bookings = Bookings(database, lambda booking: None)
    for number in range(3):
        at = NOW - timedelta(days=number)
        bookings.add(
            replace(a_confirmed_booking(), id=f"b{number}", token=f"t{number}", created_at=at, slot=None,
                    name_index=("ann", "ann example"))
        )  # fmt: skip
    bookings.add(replace(a_booking(), id="other", email_index="else"))

    assert [one.id for one in lists.with_word("ann", NOW, 2)] == ["b0", "b1"]
    assert lists.with_word("nobody", NOW, 2) == []
    assert [one.id for one in lists.of_email("else", 9)] == ["other"]
    assert [one.id for one in lists.with_number("P_1", 9)] == ["b0", "b1", "b2"]


def test_what_the_owner_was_told_lately_is_found(lists, database):
    bookings = Bookings(database, lambda booking: None)
    alerted = TaskDone(AlertOwner(AlertKind.LATE), Result.OWNER_TOLD)
    for number in range(3):
        told = a_booking().noted(NOW - timedelta(days=number), EventKind.DONE, alerted)
        bookings.add(replace(told, id=f"b{number}", token=f"t{number}", slot=None, seats=()))

    assert [one.id for one in lists.alerted(NOW - timedelta(days=1), NOW + timedelta(1), 9)] == ["b0", "b1"]


def test_where_the_oldest_is_looked_for_only_ever_moves_back(lists, database):
    bookings = Bookings(database, lambda booking: None)
    assert lists.beginning() == BEGINNING

    for at in (NOW, NOW - timedelta(days=9), NOW - timedelta(days=2)):
        bookings.keep_beginning(at)

    assert lists.beginning() == NOW - timedelta(days=9)


def test_what_is_found_by_is_gone_from_the_document_when_it_is_forgotten(lists, database):
    bookings = Bookings(database, lambda booking: None)
    bookings.add(replace(a_booking(), name_index=("ann",)))

    bookings.change(a_booking().id, lambda one: replace(one, name_index=(), email_index="", sealed=None))

    document = database["bookings"].find_one({"_id": a_booking().id})
    assert "words" not in document
    assert "ann" not in str(document)
