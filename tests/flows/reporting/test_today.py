"""What the first page gathers: what needs a person, today's calls, the money as the books have it."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from inspired.adapters.mongo.ledger_store import Orphan
from inspired.domain.accounts.people import Person, Role
from inspired.domain.booking import delivery
from inspired.domain.booking.attention import Matter
from inspired.domain.booking.history import EventKind, TaskDone
from inspired.domain.booking.outbox import AlertKind, AlertOwner, Email, Result, SendEmail
from inspired.domain.booking.refunds import PartOfIt
from inspired.domain.shared.money import Money
from inspired.domain.support.tickets import Topic
from inspired.flows.booking import refreshing, refunding
from inspired.flows.booking.booking_search import day_of
from inspired.flows.reporting import today
from inspired.flows.support import tickets
from inspired.flows.support.tickets import Sent
from inspired.services import Services
from tests.flows.steps import confirmed, later, live, pay, starting_in
from tests.harness import Servers

HOUR = timedelta(hours=1)


def test_a_quiet_day_has_nothing(svc: Services):
    found = today.gather(svc)

    assert (found.needs, found.orphans, found.cases, found.calls, found.alerts) == ([], [], [], [], [])
    assert found.today == found.week == today.Moved((), 0, (), 0)


def test_bookings_that_need_a_person_with_what_it_is(svc: Services, sandbox: Servers):
    confirmed(svc, sandbox)
    odd = live(svc, call=1, email="bob@example.com")
    pay(sandbox, odd, amount="1", currency="BNB")
    refreshing.refresh(svc, odd.id)

    found = today.gather(svc)

    assert [(booking.id, why) for booking, why in found.needs] == [(odd.id, (Matter.UNCLEAR,))]
    assert not found.more


def test_a_mail_that_was_given_up_is_there_until_somebody_saw_to_it(svc: Services):
    booking = live(svc)
    svc.bookings.change(booking.id, lambda b: delivery.failed(b, SendEmail(Email.HELD), svc.now(), for_good=True))

    assert [why for _, why in today.gather(svc).needs] == [(Matter.UNDELIVERED,)]


def test_confirmed_calls_of_this_day_of_the_owners_and_no_other(svc: Services, sandbox: Servers):
    begin, end = day_of(svc.now().astimezone(ZoneInfo(svc.settings.owner_timezone)).date(), svc.settings.owner_timezone)
    made = [confirmed(svc, sandbox, call=call, email=f"a{call}@example.com") for call in range(4)]
    unpaid = live(svc, call=9, email="unpaid@example.com")
    moments = (end - 2 * HOUR, begin, end, begin - 2 * HOUR, begin + 2 * HOUR)
    late, early, *_ = [
        starting_in(svc, one, (at - svc.now()) / HOUR) for one, at in zip((*made, unpaid), moments, strict=True)
    ]

    assert [one.id for one in today.gather(svc).calls] == [early.id, late.id]


def test_calls_are_counted_by_the_days_of_the_owner(svc: Services, sandbox: Servers):
    begin, end = day_of(svc.now().astimezone(ZoneInfo(svc.settings.owner_timezone)).date(), svc.settings.owner_timezone)
    moments = (begin - HOUR, begin, end - HOUR, end, end + timedelta(days=7, hours=-2), end + timedelta(days=8))
    for call, at in enumerate(moments):
        starting_in(svc, confirmed(svc, sandbox, call=call, email=f"a{call}@example.com"), (at - svc.now()) / HOUR)
    live(svc, call=9, email="unpaid@example.com")

    found = today.gather(svc)

    assert found.counts.calls == today.Count(2, (0, 0, 0, 0, 0, 1, 2))
    assert found.counts.ahead == today.Count(2, (1, 0, 0, 0, 0, 0, 1))
    assert found.counts.unpaid == today.Count(1, (0, 0, 0, 0, 0, 0, 0)), "nothing is counted for the numbers yet"
    assert len(found.next_calls) == 2


def test_money_in_is_what_the_ledger_has(svc: Services, sandbox: Servers):
    confirmed(svc, sandbox)
    booking = confirmed(svc, sandbox, call=2, type_id="deep-dive", email="bob@example.com")
    refunding.refund(
        svc, booking.id, PartOfIt(Money.parse("20.5")), cancels=False, note="as agreed", request="r", seen=None
    )
    refreshing.refresh(svc, booking.id)
    refreshing.refresh(svc, booking.id)

    found, in_two_days = today.gather(svc), today.gather(later(svc, days=2))

    assert found.today == today.Moved((Money.parse("225"),), 2, (Money.parse("20.5"),), 1)
    assert (in_two_days.today, in_two_days.week) == (today.Moved((), 0, (), 0), found.week)
    assert today.gather(later(svc, days=8)).week == today.Moved((), 0, (), 0)


def test_every_message_that_waits_for_an_answer_is_there_late_or_not(svc: Services):
    booking = live(svc)
    first = tickets.write(svc, booking, Topic.OTHER, "Where are you?", "r1")
    second = tickets.write_as_stranger(svc, "eve@example.com", Topic.CALL, "What is this?", "r2")
    helper = svc.people.add(Person("p1", "helper@example.com", Role.HELPER, svc.now(), svc.vault.new_key("p1")))

    soon, late = today.gather(svc), today.gather(later(svc, hours=30))
    tickets.answer(svc, helper, second.id, Sent("Ours", "a1", len(second.messages)), done=False)
    answered = today.gather(svc)

    assert [one.id for one in soon.unanswered] == [second.id, first.id], "the most urgent first"
    assert soon.late == []
    assert [one.id for one in late.unanswered] == [first.id]
    assert [one.ticket and one.ticket.id for one in late.late] == [second.id]
    assert [one.id for one in answered.unanswered] == [first.id]
    assert not soon.more_unanswered


def alerted(kind: AlertKind) -> TaskDone:
    return TaskDone(AlertOwner(kind), Result.OWNER_TOLD)


def test_payments_of_nobodys_and_what_was_told_lately(svc: Services, sandbox: Servers):
    svc.orphans.add(Orphan("o1", svc.now(), "x", Money.parse("5"), "t", svc.now()))
    booking = live(svc)
    svc.bookings.change(
        booking.id, lambda b: b.noted(svc.now() - timedelta(days=9), EventKind.DONE, alerted(AlertKind.SLOT_LOST))
        .noted(svc.now(), EventKind.DONE, alerted(AlertKind.LATE))
    )  # fmt: skip

    found = today.gather(svc)

    assert [one.id for one in found.orphans] == ["o1"]
    assert [event.details for _, event in found.alerts] == [alerted(AlertKind.LATE)]
