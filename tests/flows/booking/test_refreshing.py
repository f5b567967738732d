"""Each order is asked about once by whatever looks at its booking, and a notice by itself proves nothing."""

from inspired.domain.booking import customer_actions
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.lifecycle import OrderObservation
from inspired.domain.booking.states import Remote, State
from inspired.domain.shared.money import Money
from inspired.flows.booking import bulk_jobs, refreshing
from inspired.services import Services
from tests.flows.steps import live, pay, remote_status
from tests.harness import Servers


def asked(sandbox: Servers, call: str = "query") -> int:
    return len(sandbox.control(f"calls?call={call}"))


def notice_of(svc: Services, booking: Booking) -> OrderObservation:
    """As a signed webhook tells of the whole price."""
    return OrderObservation(booking.order.trade_no, svc.now(), Remote.PAID, Money.parse("75"), by_query=False)


def test_the_owners_question_is_put_once(svc: Services, sandbox: Servers):
    booking, before = live(svc), asked(sandbox)

    refreshing.ask_about_all(svc, booking, seconds=2.0)

    assert asked(sandbox) == before + 1


def test_a_question_about_many_is_put_once_for_each(svc: Services, sandbox: Servers):
    bulk_job, before = bulk_jobs.start(svc, [live(svc), live(svc, call=1)], "somebody"), asked(sandbox)

    for booking_id in bulk_job.left:
        bulk_jobs.work(svc, bulk_job.id, booking_id)

    assert asked(sandbox) == before + 2


def test_what_is_closed_is_asked_about_before_and_after_it(svc: Services, sandbox: Servers):
    booking, before = live(svc), asked(sandbox)

    refreshing.ask_and_close(svc, booking, seconds=2.0)

    assert (asked(sandbox), asked(sandbox, "close")) == (before + 2, 1)


def test_an_order_that_was_asked_about_and_must_not_stay_payable_is_still_closed(svc: Services, sandbox: Servers):
    booking = live(svc)
    over = svc.bookings.change(booking.id, lambda b: customer_actions.give_up(b, svc.now()))

    refreshing.ask_about_all(svc, over, seconds=2.0)

    assert remote_status(sandbox, booking.order.trade_no) == "CANCELED"


def test_after_a_notice_the_provider_is_asked(svc: Services, sandbox: Servers):
    booking, before = live(svc), asked(sandbox)
    pay(sandbox, booking)

    after = refreshing.refresh(svc, booking.id, [notice_of(svc, booking)])

    assert (after.state, asked(sandbox)) == (State.CONFIRMED, before + 1)


def test_a_notice_that_the_provider_does_not_agree_with_confirms_nothing(svc: Services, sandbox: Servers):
    booking = live(svc)

    after = refreshing.refresh(svc, booking.id, [notice_of(svc, booking)])

    assert (after.state, after.order.proven) == (State.PAID, False)
