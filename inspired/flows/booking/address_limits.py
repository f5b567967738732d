"""How many addresses on chain one visitor is given in a day, so that nobody can use up the owner's."""

from collections.abc import Callable
from dataclasses import replace

from inspired.adapters.mongo.bookings import Claimed
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.claims import AddressesOf, Place, Visitor
from inspired.domain.booking.rails import CAPABILITIES, USUAL, RailId
from inspired.domain.sentences import rails
from inspired.domain.shared.errors import TooMany
from inspired.domain.shared.languages import Text
from inspired.flows.booking import payment
from inspired.services import Services


def rows(svc: Services, booking: Booking, rail: RailId) -> list[AddressesOf]:
    """The rows in which an order on this rail needs a place; none where it needs no address."""
    if CAPABILITIES[rail].network is None:
        return []
    day = svc.now().date()
    known = ((Visitor.MAIL, booking.email_index), (Visitor.ADDRESS, booking.visitor_index))
    return [AddressesOf(by, index, day) for by, index in known if index]


def refusal(svc: Services) -> TooMany:
    most = svc.settings.addresses_per_visitor
    if USUAL not in payment.offered(svc):
        return TooMany(
            Text.of(
                "You were given {most} addresses today, and more are not given out to one visitor. Please come back "
                "tomorrow.",
                most=most,
            )
        )
    return TooMany(
        Text.of(
            "You were given {most} addresses today, and more are not given out to one visitor. Please pay {how} "
            "instead.",
            most=most,
            how=rails.of(USUAL).how,
        )
    )


def with_one_more(svc: Services, booking: Booking, rail: RailId, step: Callable[[Booking], Booking]) -> Booking:
    """Change the booking by `step`, which adds an order on this rail, and count its address. Raises TooMany."""
    most, wanted = svc.settings.addresses_per_visitor, rows(svc, booking, rail)
    all_places = [Place(row, number) for row in wanted for number in range(1, most + 1)]
    taken = svc.bookings.owned_of(all_places) if all_places else set()
    while True:
        free = {row: [number for number in range(1, most + 1) if Place(row, number) not in taken] for row in wanted}
        if not all(free.values()):
            raise refusal(svc)
        places = tuple(Place(row, numbers[0]) for row, numbers in free.items())

        def decide(current: Booking, places: tuple[Place, ...] = places) -> Booking:
            after = step(current)
            return after if after == current else replace(after, address_places=(*after.address_places, *places))

        try:
            return svc.bookings.change(booking.id, decide, known=booking)
        except Claimed as claimed:
            if claimed.claim not in places:
                raise
            taken.add(claimed.claim)
