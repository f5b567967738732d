"""Choosing a time and holding it, changing it while unpaid, giving it up."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from inspired.adapters.calendly import Scheduled
from inspired.adapters.mongo import Claimed
from inspired.domain import ordering, steps
from inspired.domain.booking import Booking, CalendarKind, Sealed, Slot, State
from inspired.domain.errors import Conflict, Invalid, Refusal, SlotTaken, TooMany, UpstreamError
from inspired.domain.meeting_types import MeetingType
from inspired.domain.slots import Span, free
from inspired.services import Services

TERMS_VERSION = "2026-12"
LONGEST_WINDOW = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class Customer:
    """`address` is the network address the request came from; only a blind index of it is kept."""

    email: str
    name: str = ""
    address: str = ""


def free_times(svc: Services, meeting_type: MeetingType, window: Span) -> list[Span]:
    """Free calls that start in the window, ascending. 31 days at most; what lies in the past is left out."""
    # A caller who works out "now" and "in 31 days" one after the other is some milliseconds over.
    if window.end <= window.start or window.end - window.start >= LONGEST_WINDOW + timedelta(seconds=1):
        raise Invalid("Ask for a span of at most 31 days.", {"to": "must be at most 31 days after from"})
    if svc.settings.calendar_kind == "calendly":
        start = max(window.start, svc.now() + timedelta(minutes=1))
        return svc.calendly.free(meeting_type.id, Span(start, window.end)) if start < window.end else []
    offered = list(svc.hours.starts(meeting_type.minutes, window, svc.now()))
    return free(offered, svc.bookings.taken(window)) if offered else []


def start_draft(svc: Services, meeting_type: MeetingType) -> Booking:
    """Before the Calendly frame is shown: the frame carries the draft's token, and nothing personal."""
    return svc.bookings.add(_draft(svc, meeting_type, svc.new_token()))


def hold_time(
    svc: Services,
    meeting_type: MeetingType,
    start: datetime,
    zone: str,
    customer: Customer,
    *,
    network: str,
    token: str,
) -> Booking:
    """A booking on the built-in calendar, its slot held by the database itself. Raises SlotTaken, TooMany, Invalid.

    Its first order is leased to the caller, who creates it (`payment.open_held_order`): one write less on the way.
    """
    slot = _builtin_slot(svc, meeting_type, start, zone)
    held = _held(svc, _draft(svc, meeting_type, token), slot, customer, network)
    ready = ordering.creating(held, svc.now())
    return _seated(svc, ready, lambda seats: svc.bookings.add(replace(ready, seats=seats)))


def take_scheduled(
    svc: Services,
    token: str,
    event_uri: str,
    invitee_uri: str,
    *,
    customer: Customer | None,
    address: str,
    network: str,
) -> Booking:
    """The customer picked a time in Calendly's frame: read it back there, then hold it (or move to it).

    What the browser says is a hint. Doing this twice with the same event is harmless.
    """
    booking = svc.bookings.by_token(token)
    if booking.slot is not None and booking.slot.invitee_uri == invitee_uri:
        return booking
    found = _verified(svc, booking, event_uri, invitee_uri)
    try:
        return _taken(svc, booking, found, customer, address, network)
    except Refusal:
        # The event is the customer's and carries this booking's token, but it cannot be its slot: nobody will pay for
        # it, so it must not block the calendar.
        svc.bookings.change(booking.id, lambda b: steps.event_unwanted(b, event_uri, svc.now()))
        svc.bell.ring("refresh", booking.id)
        raise


def _taken(
    svc: Services, booking: Booking, found: Scheduled, customer: Customer | None, address: str, network: str
) -> Booking:
    if found.event_type_uri != svc.calendly.event_type(booking.meeting_type.id).uri:
        raise Invalid("This Calendly booking is for another kind of call.")
    slot = Slot(found.span, found.zone, CalendarKind.CALENDLY, found.event_uri, found.invitee_uri)
    if booking.state is not State.DRAFT:
        return _claiming(lambda: svc.bookings.change(booking.id, lambda b: _moved(b, slot, svc.now())))
    person = customer or Customer(found.email, found.name)
    ready = _held(svc, booking, slot, replace(person, address=address), network)

    def save(seats: tuple[str, ...]) -> Booking:
        return svc.bookings.change(booking.id, lambda b: _once_held(b, replace(ready, seats=seats), slot))

    return _seated(svc, ready, save)


def change_time(svc: Services, token: str, start: datetime, zone: str) -> Booking:
    """Another time on the built-in calendar, while unpaid."""
    booking = svc.bookings.by_token(token)
    slot = _builtin_slot(svc, booking.meeting_type, start, zone)
    return _claiming(lambda: svc.bookings.change(booking.id, lambda b: steps.change_time(b, slot, svc.now())))


def choose_another_time(svc: Services, token: str, start: datetime, zone: str) -> Booking:
    """A time for whoever has paid and has none: paid too late, or the time was lost. Raises SlotTaken, Conflict."""
    booking = svc.bookings.by_token(token)
    slot = _builtin_slot(svc, booking.meeting_type, start, zone)
    booking = _claiming(lambda: svc.bookings.change(booking.id, lambda b: steps.another_time(b, slot, svc.now())))
    svc.bell.ring("refresh", booking.id)
    return booking


def _moved(booking: Booking, slot: Slot, now: datetime) -> Booking:
    """To the time that was picked: for the money that is here already, or while it is waited for."""
    move = steps.another_time if booking.choose_by is not None else steps.change_time
    return move(booking, slot, now)


def give_up(svc: Services, token: str) -> Booking:
    """The order is closed and the slot freed by a job; the page says so meanwhile."""
    booking = svc.bookings.by_token(token)
    booking = svc.bookings.change(booking.id, lambda b: steps.give_up(b, svc.now()))
    svc.bell.ring("refresh", booking.id)
    return booking


def _draft(svc: Services, meeting_type: MeetingType, token: str) -> Booking:
    return steps.draft(
        booking_id=svc.new_id(), token=token, meeting_type=meeting_type, terms_version=TERMS_VERSION, now=svc.now()
    )


def _builtin_slot(svc: Services, meeting_type: MeetingType, start: datetime, zone: str) -> Slot:
    if svc.settings.calendar_kind != "builtin":
        raise Conflict("Times are chosen in Calendly's calendar here.")
    span = Span(start, start + timedelta(minutes=meeting_type.minutes))
    if not svc.hours.allows(span, svc.now()):
        raise Invalid("This time is not offered. Please choose another one.", {"slotStart": "is not offered"})
    return Slot(span, zone, CalendarKind.BUILTIN)


def _held(svc: Services, booking: Booking, slot: Slot, customer: Customer, network: str) -> Booking:
    key = svc.vault.new_key(booking.id)
    sealed = Sealed(
        key=key,
        email=svc.vault.seal(key, booking.id, "email", customer.email.strip()),
        name=svc.vault.seal(key, booking.id, "name", customer.name.strip()),
    )
    return steps.held(
        booking,
        slot=slot,
        sealed=sealed,
        email_index=svc.vault.blind_index("email", customer.email),
        visitor_index=svc.vault.blind_index("address", customer.address) if customer.address else "",
        network=network,
        expiry=svc.settings.payment_expiry,
        now=svc.now(),
    )


def _once_held(current: Booking, ready: Booking, slot: Slot) -> Booking:
    """Only a draft is taken further; whoever came second with the same event is answered with what is."""
    if current.state is State.DRAFT:
        steps.refuse_given_back(current, slot)
        owed = [effect.name for effect in current.effects]
        return replace(ready, version=current.version, edition=current.edition, delivered=current.delivered).owing(
            ready.created_at, *owed
        )
    if current.slot is not None and current.slot.invitee_uri == slot.invitee_uri:
        return current
    raise Conflict("A time was already chosen for this booking.")


def _seated(svc: Services, booking: Booking, save: Callable[[tuple[str, ...]], Booking]) -> Booking:
    """Save with a free place among this visitor's unpaid bookings. The database refuses the one too many."""
    rows = [f"seat:mail:{booking.email_index}"]
    if booking.visitor_index:
        rows.append(f"seat:address:{booking.visitor_index}")
    most = svc.settings.open_bookings_per_visitor
    places = {row: _first_free(svc, row, most) for row in rows}
    while all(place <= most for place in places.values()):
        try:
            return save(tuple(f"{row}:{place}" for row, place in places.items()))
        except Claimed as claimed:
            row = claimed.claim.rpartition(":")[0]
            if row not in places:
                raise _refusal_of(claimed) from None
            places[row] += 1
    raise TooMany(f"You have {most} unpaid bookings open. Please pay or give up one of them first.")


def _first_free(svc: Services, row: str, most: int) -> int:
    """Where to begin; for a large number of places it saves asking for each."""
    if most <= 10:
        return 1
    owned = svc.bookings.owners_of([f"{row}:{place}" for place in range(1, min(most, 2000) + 1)])
    return next(place for place in range(1, most + 2) if f"{row}:{place}" not in owned)


def _claiming(change: Callable[[], Booking]) -> Booking:
    try:
        return change()
    except Claimed as claimed:
        raise _refusal_of(claimed) from None


def _refusal_of(claimed: Claimed) -> Conflict:
    if claimed.claim.startswith("tick:"):
        return SlotTaken("Somebody was faster: this time is taken. Please choose another one.")
    if claimed.claim.startswith("invitee:"):
        return Conflict("This Calendly booking belongs to another booking here.")
    return claimed


def _verified(svc: Services, booking: Booking, event_uri: str, invitee_uri: str) -> Scheduled:
    try:
        found = svc.calendly.scheduled(event_uri, invitee_uri)
    except UpstreamError as error:
        if error.code == "404":
            raise Invalid("Calendly does not know this booking.") from None
        raise
    if found.token != booking.token:
        raise Invalid("This Calendly booking belongs to another booking here.")
    if not found.active:
        raise Conflict("This Calendly booking was cancelled meanwhile. Please choose a time again.")
    return found
