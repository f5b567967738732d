"""Who else has had a booking's addresses on chain, for the owner who has to say whose money it is."""

from dataclasses import dataclass
from datetime import datetime

from inspired.domain.booking.booking import Booking, booking_id_of
from inspired.domain.booking.rails import CAPABILITIES
from inspired.services import Services


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another booking that one of the addresses was given to, `at` that moment. `waits`: money there waits for the
    owner's word."""

    booking_id: str
    at: datetime
    is_later: bool
    waits: bool


def neighbours(svc: Services, booking: Booking) -> list[Neighbour]:
    """In the order in which they had the addresses."""
    found: dict[str, Neighbour] = {}
    for order in booking.orders:
        if CAPABILITIES[order.rail].network is None or not order.is_offered:
            continue
        given = svc.payment_addresses.find(order.trade_no)
        if given is None or not given.is_shared:
            continue
        holders = {booking_id_of(one.trade_no): one for one in svc.payment_addresses.holders_of(given)}
        waiting = {other.id for other in svc.bookings.among(sorted(holders)) if any(one.held for one in other.orders)}
        for booking_id, one in holders.items():
            if booking_id != booking.id:
                is_later = one.made_at > given.made_at
                found[booking_id] = Neighbour(booking_id, one.made_at, is_later, booking_id in waiting)
    return sorted(found.values(), key=lambda one: one.at)
