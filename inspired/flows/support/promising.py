"""Open promises over all bookings and tickets, soonest due first."""

from dataclasses import dataclass
from datetime import timedelta

from inspired.domain.booking.booking import Booking, Refund
from inspired.domain.support.promises import Kind, Promise, promises, replies
from inspired.domain.support.tickets import Ticket
from inspired.flows.booking.checking import BEGINNING
from inspired.services import Services

MOST = 100  # of each kind
CALLS_AHEAD = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Owed:
    """An open promise, and to whom it was made."""

    promise: Promise
    booking: Booking | None
    ticket: Ticket | None = None

    @property
    def refund(self) -> Refund | None:
        return None if self.booking is None else self.booking.find_refund(self.promise.about)


def of_booking(svc: Services, booking: Booking) -> list[Promise]:
    """All promises, kept ones too."""
    return promises(booking, svc.tickets.of_booking(booking.id), place_is_told=place_is_told(svc, booking))


def owed(svc: Services) -> list[Owed]:
    """Each list is bounded and found by an index; bookings without open promises are not read."""
    now = svc.now()
    tickets = svc.tickets.owed(BEGINNING, MOST)
    asked_about = {
        booking.id: booking for booking in svc.bookings.among(sorted({ticket.booking_id for ticket in tickets} - {""}))
    }
    found = [
        Owed(promise, asked_about.get(ticket.booking_id), ticket) for ticket in tickets for promise in replies(ticket)
    ]
    bookings = svc.bookings.promised(BEGINNING, MOST)
    if not svc.settings.meeting_place:
        known = {booking.id for booking in bookings}
        calls = svc.bookings.confirmed_calls(now, now + CALLS_AHEAD, MOST)
        bookings += [call for call in calls if call.id not in known]
    for booking in bookings:
        found += [Owed(promise, booking) for promise in of_booking(svc, booking) if promise.kind is not Kind.REPLY]
    return sorted(
        (promised for promised in found if promised.promise.is_open), key=lambda promised: promised.promise.due
    )


def late(svc: Services) -> list[Owed]:
    """The overdue promises, which need a person now."""
    return [promised for promised in owed(svc) if promised.promise.is_late(svc.now())]


def place_is_told(svc: Services, booking: Booking) -> bool:
    return bool(booking.meeting_type.place or svc.settings.meeting_place)
