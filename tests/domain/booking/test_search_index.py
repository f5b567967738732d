"""What a booking is filed under: every question it answers, and no other."""

from dataclasses import replace
from itertools import product

import pytest

from inspired.domain.booking import delivery, search_index
from inspired.domain.booking.outbox import AlertKind, AlertOwner, Email, Result, SendEmail
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.search_index import ATTENTION, By, Wanted, labels
from inspired.domain.booking.states import Flag, Remote, State
from tests.factories import (
    CALL,
    MINUTE,
    NOW,
    a_booking,
    a_confirmed_booking,
    a_draft,
    a_live_booking,
    an_expired_booking,
    seen,
    settled,
)

ODD = settled(a_live_booking(), seen(Remote.PAID, "70"))
UNREADABLE = settled(a_live_booking(), seen(Remote.PAID, "1", currency="BNB"))
ON_TRON = replace(a_confirmed_booking(), orders=(replace(a_confirmed_booking().orders[0], rail=RailId.TRC20),))
BOOKINGS = (a_booking(), a_confirmed_booking(), an_expired_booking(), ODD, UNREADABLE, ON_TRON)


def answers(booking, state, type_id, flag, amount, rail) -> bool:
    """Asked one by one."""
    flags = {*map(str, booking.flags), *([ATTENTION] if booking is UNREADABLE else [])}
    amounts = {str(booking.price), *(str(one.received) for one in booking.orders if one.received)}
    return (
        state in ("", booking.state)
        and type_id in ("", booking.meeting_type.id)
        and flag in {"", *flags}
        and amount in {"", *amounts}
        and rail in ("", "TRC20" if booking is ON_TRON else "binance_pay")
    )


@pytest.mark.parametrize("booking", BOOKINGS, ids=lambda one: f"{one.state} {sorted(one.flags)}")
def test_a_booking_is_found_by_a_question_if_and_only_if_it_answers_it(booking):
    states = ("", *map(str, State))
    flags = ("", ATTENTION, *map(str, Flag))
    questions = product(
        states, ("", "portfolio-review", "deep-dive"), flags, ("", "75", "70", "1", "150"), ("", *map(str, RailId))
    )

    for state, type_id, flag, amount, rail in questions:
        label = Wanted(state=state, type_id=type_id, flag=flag, amount=amount, rail=rail).label
        assert (label in labels(booking)) is answers(booking, state, type_id, flag, amount, rail), label


def test_nothing_is_filed_twice_and_an_ordinary_booking_under_few_labels():
    assert len(set(labels(ODD))) == len(labels(ODD))
    assert len(labels(a_confirmed_booking())) == 16


def test_a_draft_is_in_no_list():
    assert labels(a_draft()) == ()


def test_the_moments_a_booking_is_ordered_by():
    paid = a_confirmed_booking()

    assert search_index.moments(a_draft()) == {By.MADE: NOW}
    assert search_index.moments(a_booking()) == {By.MADE: NOW, By.CALL: CALL.start}
    assert search_index.moments(paid) == {By.MADE: NOW, By.CALL: CALL.start, By.PAID: paid.paid_at}
    assert search_index.moments(ODD)[By.PAID] == ODD.orders[0].paid_at
    assert search_index.place_of(a_booking(), By.PAID) == ""


def test_places_stand_in_the_order_of_time_and_no_two_are_the_same():
    places = [search_index.mark(NOW, "b"), search_index.mark(NOW, "a"), search_index.mark(NOW + MINUTE, "a")]

    assert sorted(places) == [places[1], places[0], places[2]]
    assert len(set(places)) == 3


def test_numbers_are_those_of_the_provider():
    assert search_index.numbers(a_confirmed_booking()) == ("P_1", "363969700195475457")
    assert search_index.numbers(a_booking()) == ()


def test_an_alert_is_dated_by_when_it_was_told():
    told = delivery.done(a_booking(), AlertOwner(AlertKind.LATE), NOW + MINUTE, Result.OWNER_TOLD)
    told = delivery.done(told, SendEmail(Email.HELD), NOW + 2 * MINUTE)

    assert search_index.alerted_at(told) == NOW + MINUTE
    assert search_index.alerted_at(a_booking()) is None


def test_only_so_many_amounts_are_filed():
    orders = tuple(
        replace(
            a_confirmed_booking().orders[0],
            number=number,
            received=replace(ODD.price, amount=ODD.price.amount + number),
        )
        for number in range(20)
    )

    assert len(labels(replace(a_booking(), orders=orders))) == 8 * (1 + search_index.MOST_AMOUNTS)
