"""Work on many bookings at once, each in a job of its own: begun on a page, and seen through by the clock."""

from datetime import timedelta

from inspired.adapters.mongo.bulk_jobs import Chore
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.states import State
from inspired.domain.shared.errors import Conflict, Invalid
from inspired.flows.booking import refreshing
from inspired.services import Services

ASK = "ask"
ASK_SECONDS = 3.0
MOST = 100
RING_AGAIN = timedelta(minutes=2)
KEEP_RINGING = timedelta(hours=1)
ASKED, UNANSWERED = "asked", "no answer"


def can_be_asked_about(booking: Booking) -> bool:
    """An order of it was sent to Binance."""
    return booking.state is not State.DRAFT and any(one.was_sent for one in booking.attempts)


def start(svc: Services, bookings: list[Booking], by: str) -> Chore:
    """Binance is asked again about every order of these."""
    wanted = [one.id for one in bookings if can_be_asked_about(one)]
    if not wanted:
        raise Conflict("There is nothing to ask Binance about.")
    if len(wanted) > MOST:
        raise Invalid(f"At most {MOST} at once.")
    chore = Chore(svc.new_id(), ASK, by, svc.now(), tuple(wanted))
    svc.chores.add(chore, svc.now() + RING_AGAIN)
    svc.audit.add(svc.now(), by, "asked_binance_about_many", chore.id, f"{len(wanted)} bookings")
    _ring(svc, chore)
    return chore


def work(svc: Services, chore_id: str, booking_id: str) -> None:
    """Safe to repeat: what was done is not done again."""
    if booking_id in svc.chores.get(chore_id).done:
        return
    before = svc.bookings.get(booking_id)
    answers = [refreshing.queried(svc, one, ASK_SECONDS) for one in before.attempts if one.was_sent]
    after = refreshing.ask(svc, before, [one for one in answers if one is not None], seconds=ASK_SECONDS)
    svc.bell.ring("refresh", booking_id)
    told = f"{before.state} → {after.state}" if after.state is not before.state else ASKED
    svc.chores.done(chore_id, booking_id, UNANSWERED if None in answers else told)


def sweep(svc: Services) -> None:
    """Rung again for what was lost on the way; given up after an hour, which the page shows."""
    for chore in svc.chores.due(svc.now(), MOST):
        if svc.now() - chore.at > KEEP_RINGING:
            for booking_id in chore.left:
                svc.chores.done(chore.id, booking_id, UNANSWERED)
        else:
            svc.chores.lease(chore.id, svc.now() + RING_AGAIN)
            _ring(svc, chore)


def _ring(svc: Services, chore: Chore) -> None:
    for booking_id in chore.left:
        svc.bell.ring("chore", chore.id, booking_id)
