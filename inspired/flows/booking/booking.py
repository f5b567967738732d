"""Choosing and holding a time, changing it while unpaid, moving it, giving it up."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from inspired.adapters.mail.smtp import with_ascii_domain
from inspired.adapters.mongo.bookings import Claimed
from inspired.adapters.providers.calendly import Scheduled
from inspired.domain.booking import customer_actions, owner_actions, payment_orders, polling
from inspired.domain.booking.booking import Booking, Sealed, Slot
from inspired.domain.booking.claims import AddressesOf, CallsOn, Invitee, Place, Row, Tick, UnpaidOf, Visitor
from inspired.domain.booking.lifecycle import TIDY_AFTER
from inspired.domain.booking.outbox import CancelStrayEvents
from inspired.domain.booking.rails import USUAL, RailId
from inspired.domain.booking.states import CalendarKind, State
from inspired.domain.catalogue.availability import Availability, Rules
from inspired.domain.catalogue.meeting_types import MeetingType
from inspired.domain.shared.errors import Conflict, Invalid, NotFound, Refusal, SlotTaken, TooMany, UpstreamError
from inspired.domain.shared.languages import Text, current
from inspired.domain.shared.slots import TICK, Span, free
from inspired.flows.booking import address_limits, booking_search, delivery, payment_limits
from inspired.services import Services

TERMS_VERSION = "2026-12-2"  # version of the terms shipped with the site
LONGEST_WINDOW = timedelta(days=31)
MINUTE = timedelta(minutes=1)
NOT_SOLD_NOW = "This call cannot be booked just now: its length is being changed. Please come back a little later."
TICK_ZERO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Customer:
    """`address` is the IP address of the request; only a blind index of it is kept."""

    email: str
    name: str = ""
    address: str = ""
    answers: tuple[tuple[str, str], ...] = ()  # the meeting type's questions, each with its answer


def free_times(
    svc: Services, meeting_type: MeetingType, window: Span, *, instead: Availability | None = None, mine: str = ""
) -> list[Span]:
    """Free calls that start in the window, ascending, without past times. The window is at most 31 days. Raises
    Invalid.

    `instead`: use this calendar and the rules of `meeting_type` as given, for a preview. `mine`: the booking to be
    moved, whose own call does not count against the day's limit.
    """
    # Tolerate callers that compute "now" and "in 31 days" some milliseconds apart.
    if window.end <= window.start or window.end - window.start >= LONGEST_WINDOW + timedelta(seconds=1):
        raise Invalid("Ask for a span of at most 31 days.", {"to": "must be at most 31 days after from"})
    if svc.settings.uses_calendly and instead is None:
        start = max(window.start, svc.now() + timedelta(minutes=1))
        if not _is_sold_at_calendly(svc, meeting_type):
            return []
        return svc.calendly.free(meeting_type.id, Span(start, window.end)) if start < window.end else []
    rules = meeting_type.rules if instead else rules_today(svc, meeting_type)
    offered = list((instead or svc.catalogue.calendar()).calls(meeting_type.minutes, rules, window, svc.now()))
    if not offered:
        return []
    all_of_it = Span(rules.around(offered[0]).start, rules.around(offered[-1]).end)
    taken = svc.availability_cache.taken(all_of_it)
    left = free(offered, [*taken.spans, *svc.own_calendar.busy(all_of_it)], rules.before, rules.after)
    if not rules.most_per_day:
        return left
    others = [hold.span for hold in taken.holds if hold.type_id == meeting_type.id and hold.booking_id != mine]
    days = Counter(_day_row(svc, meeting_type, call) for call in others)
    return [call for call in left if days[_day_row(svc, meeting_type, call)] < rules.most_per_day]


def all_free_times(svc: Services, meeting_type: MeetingType, *, mine: str = "") -> list[Span]:
    """All free times as far ahead as the type is offered; with Calendly the next 31 days."""
    now = svc.now()
    ahead = LONGEST_WINDOW if svc.settings.uses_calendly else rules_today(svc, meeting_type).horizon
    found: list[Span] = []
    for days in range(0, ahead.days + 1, LONGEST_WINDOW.days):
        begin = now + timedelta(days=days)
        found += free_times(
            svc, meeting_type, Span(begin, min(begin + LONGEST_WINDOW, now + ahead + MINUTE)), mine=mine
        )
    return found


def start_draft(svc: Services, meeting_type: MeetingType, rail: RailId = USUAL) -> Booking:
    """Create the draft before the Calendly iframe is shown; the iframe carries its token and no personal data. Raises
    Conflict if no time picked there could be accepted."""
    with suppress(UpstreamError):  # the iframe's own page reports that Calendly does not answer
        if not _is_sold_at_calendly(svc, meeting_type):
            raise Conflict(NOT_SOLD_NOW)
    return svc.bookings.add(_draft(svc, meeting_type, svc.new_token(), rail))


def hold_time(
    svc: Services,
    meeting_type: MeetingType,
    start: datetime,
    zone: str,
    customer: Customer,
    *,
    rail: RailId = USUAL,
    network: str = "",
    token: str,
) -> Booking:
    """Hold a time picked on our pages: in MongoDB for the built-in calendar, through the API at Calendly. Raises
    SlotTaken, TooMany, Invalid, and UpstreamError if Calendly does not answer.

    The first order is already leased to the caller, who creates it with `payment.open_held_order`; that saves a write.
    """
    if svc.settings.uses_calendly:
        return _held_at_calendly(svc, meeting_type, start, zone, customer, rail=rail, network=network, token=token)
    slot = _builtin_slot(svc, meeting_type, start, zone)
    ready = _ready(svc, _draft(svc, meeting_type, token, rail), slot, customer, network)
    reservation = _reservation(svc, ready, slot)
    while True:
        with reservation.saving() as places:
            return svc.bookings.add(_placed(ready, slot, places))


def _held_at_calendly(
    svc: Services,
    meeting_type: MeetingType,
    start: datetime,
    zone: str,
    customer: Customer,
    *,
    rail: RailId,
    network: str,
    token: str,
) -> Booking:
    """The draft is saved first: if Calendly's answer is lost, the event is found again by the draft's token. A repeated
    request with that token continues the same draft."""
    known = _known_draft(svc, token)
    draft = known or _draft(svc, meeting_type, token, rail)
    asking = _with_customer(svc, draft, customer)
    payment_limits.refuse_above(svc, asking)
    for limit in _limits_of_visitor(svc, asking):
        if _first_free(svc, limit, asking=True) > limit.most:
            raise limit.full
    if known is None:
        draft = svc.bookings.add(draft)
    slot = _booked_at_calendly(svc, draft, start, zone, customer)
    with _freed_if_refused(svc, draft, slot):
        return _taken_further(svc, _ready(svc, draft, slot, customer, network), slot)


def _is_sold_at_calendly(svc: Services, meeting_type: MeetingType) -> bool:
    """True if a Calendly event can have the length of the call sold here."""
    there = svc.calendly.event_type(meeting_type.id)
    return meeting_type.minutes in there.lengths(in_frame=svc.settings.in_frame)


def _known_draft(svc: Services, token: str) -> Booking | None:
    try:
        return svc.bookings.by_token(token)
    except NotFound:
        return None


def _taken_further(svc: Services, ready: Booking, slot: Slot) -> Booking:
    """Replace the stored draft by the ready booking, with a free place in every limited row."""
    reservation = _reservation(svc, ready, slot)
    while True:
        with reservation.saving() as places:
            placed = _placed(ready, slot, places)
            return svc.bookings.change(ready.id, partial(_once_held, ready=placed, slot=slot))


def _booked_at_calendly(svc: Services, booking: Booking, start: datetime, zone: str, customer: Customer) -> Slot:
    if not _is_sold_at_calendly(svc, booking.meeting_type):
        raise Conflict(NOT_SOLD_NOW)
    found = svc.calendly.book(
        slug=booking.meeting_type.id,
        start=start,
        name=customer.name or customer.email,
        email=with_ascii_domain(customer.email),
        zone=zone,
        token=booking.token,
        made_after=booking.created_at,
    )
    return replace(found.slot, zone=zone)


@contextmanager
def _freed_if_refused(svc: Services, booking: Booking, slot: Slot) -> Iterator[None]:
    """If the event booked at Calendly cannot become the slot, cancel it so that it does not block the calendar."""
    try:
        yield
    except Refusal:
        svc.bookings.change(booking.id, lambda b: customer_actions.event_refused(b, slot, svc.now()))
        svc.queue.enqueue("refresh", booking.id)
        raise


def take_scheduled(
    svc: Services,
    token: str,
    event_uri: str,
    invitee_uri: str,
    *,
    customer: Customer | None,
    address: str,
    rail: RailId | None = None,
    network: str = "",
) -> Booking:
    """The customer picked a time in Calendly's iframe: read it back from Calendly, then hold it or move to it.

    The browser's data is verified, not trusted. Repeating this for the same event is harmless.
    """
    booking = svc.bookings.by_token(token)
    if booking.slot is not None and booking.slot.invitee_uri == invitee_uri:
        return booking
    if booking.state is State.DRAFT and rail is not None:
        booking = customer_actions.paying_by(booking, rail)
    found = _verified(svc, booking, event_uri, invitee_uri)
    slot = found.slot
    with _freed_if_refused(svc, booking, slot):
        if found.event_type_uri != svc.calendly.event_type(booking.meeting_type.id).uri:
            raise Invalid("This Calendly booking is for another kind of call.")
        if booking.state is not State.DRAFT:
            with _taken_by_others():
                return svc.bookings.change(booking.id, lambda b: _moved(b, slot, svc.now()))
        person = replace(customer or Customer(found.email, found.name), address=address)
        return _taken_further(svc, _held(svc, booking, slot, person, network), slot)


def take_in(svc: Services, meeting_type: MeetingType, found: Scheduled) -> Booking | None:
    """Make a booking of an event booked directly in Calendly, with hours to pay instead of minutes. None if another
    booking has the event.

    It skips the limit of unpaid bookings per visitor: a refusal would leave the event blocking the calendar.
    """
    now, draft = svc.now(), replace(_draft(svc, meeting_type, svc.new_token(), svc.usual), terms_version="")
    until_call = max(found.span.start - now, svc.settings.expiry_of(svc.usual))
    expiry = min(timedelta(hours=svc.settings.calendly_orphan_hours), until_call)
    held = _held(svc, draft, found.slot, Customer(found.email, found.name), "", expiry=expiry, now=now)
    try:
        return svc.bookings.add(customer_actions.past_our_pages(held, now))
    except Claimed:
        return None


def change_time(svc: Services, token: str, start: datetime, zone: str) -> Booking:
    """Move an unpaid booking to another time picked on our pages. Raises SlotTaken, Conflict, Invalid."""
    return _moved_to(svc, svc.bookings.by_token(token), start, zone, customer_actions.change_time)


def choose_another_time(svc: Services, token: str, start: datetime, zone: str) -> Booking:
    """A new time for a customer who paid too late or whose slot was lost. Raises SlotTaken, Conflict."""
    booking = _moved_to(svc, svc.bookings.by_token(token), start, zone, customer_actions.another_time)
    svc.queue.enqueue("refresh", booking.id)
    return booking


def move(svc: Services, token: str, start: datetime, zone: str, seen: int) -> Booking:
    """Move a confirmed call to another time. Raises SlotTaken, Conflict."""
    booking = svc.bookings.by_token(token)
    booking = _moved_to(svc, booking, start, zone, lambda b, slot, now: customer_actions.move(b, slot, seen, now))
    svc.queue.enqueue("refresh", booking.id)
    return booking


def move_by_owner(svc: Services, booking_id: str, start: datetime, seen: int) -> Booking:
    """Move a paid call to any free time of the built-in calendar, offered or not, or to a time Calendly offers. Raises
    SlotTaken, Conflict, Invalid."""
    booking = svc.bookings.get(booking_id)
    zone = booking.slot.zone if booking.slot else "UTC"

    def step(current: Booking, slot: Slot, now: datetime) -> Booking:
        return owner_actions.move(current, slot, seen, now)

    booking = _moved_to(svc, booking, start, zone, step, slot_at=_owners_slot)
    svc.queue.enqueue("refresh", booking.id)
    return booking


def _moved(booking: Booking, slot: Slot, now: datetime) -> Booking:
    """Move to the picked time: a paid booking chooses again, an unpaid one changes its time."""
    move = customer_actions.another_time if booking.choose_by is not None else customer_actions.change_time
    return move(booking, slot, now)


def no_show(svc: Services, booking_id: str, *, came: bool) -> Booking:
    booking = svc.bookings.change(booking_id, lambda b: customer_actions.no_show(b, svc.now(), came=came))
    svc.queue.enqueue("refresh", booking.id)
    return booking


def give_up(svc: Services, token: str) -> Booking:
    """A background job closes the order and frees the slot; the page says so meanwhile."""
    booking = svc.bookings.by_token(token)
    booking = svc.bookings.change(booking.id, lambda b: customer_actions.give_up(b, svc.now()))
    svc.queue.enqueue("refresh", booking.id)
    return booking


def terms_version(svc: Services) -> str:
    """The current terms' version; every change by the owner, to the terms or a call's policy, counts up."""
    changes = svc.preferences.now().small_print.terms_changes + svc.catalogue.terms_changes()
    return f"{TERMS_VERSION}.{changes}" if changes else TERMS_VERSION


def _draft(svc: Services, meeting_type: MeetingType, token: str, rail: RailId) -> Booking:
    return customer_actions.draft(
        booking_id=svc.new_id(),
        token=token,
        meeting_type=meeting_type,
        terms_version=terms_version(svc),
        now=svc.now(),
        pays_by=rail,
        language=current().code,
        tolerance=svc.settings.sender_fee_tolerance,
    )


def _builtin_slot(svc: Services, meeting_type: MeetingType, start: datetime, zone: str) -> Slot:
    span = Span(start, start + timedelta(minutes=meeting_type.minutes))
    rules = rules_today(svc, meeting_type)
    if not svc.catalogue.calendar().allows(span, rules, svc.now()):
        raise Invalid("This time is not offered. Please choose another one.", {"slotStart": "is not offered"})
    if svc.own_calendar.busy(rules.around(span)):
        raise SlotTaken("Meanwhile this time was taken. Please choose another one.")
    return Slot(span, zone, CalendarKind.BUILTIN, before=rules.before, after=rules.after)


def _owners_slot(svc: Services, meeting_type: MeetingType, start: datetime, zone: str) -> Slot:
    """Any future time: offered hours bind only customers. MongoDB refuses overlaps with other calls."""
    if start <= svc.now() or start != TICK_ZERO + (start - TICK_ZERO) // TICK * TICK:
        raise Invalid("Please give a time to come, on a full five minutes.", {"start": "is not possible"})
    rules = rules_today(svc, meeting_type)
    span = Span(start, start + timedelta(minutes=meeting_type.minutes))
    return Slot(span, zone, CalendarKind.BUILTIN, before=rules.before, after=rules.after)


def rules_today(svc: Services, meeting_type: MeetingType) -> Rules:
    """The type's current rules, not those stored in its bookings; a type no longer listed keeps its own."""
    listed = (offered.type.rules for offered in svc.catalogue.now().types if offered.type.id == meeting_type.id)
    return next(listed, meeting_type.rules)


def _with_customer(svc: Services, booking: Booking, customer: Customer) -> Booking:
    """Set the blind indexes that identify the customer."""
    return replace(
        booking,
        email_index=svc.vault.blind_index("email", customer.email),
        visitor_index=svc.vault.blind_index("address", customer.address) if customer.address else "",
    )


def _held(
    svc: Services,
    booking: Booking,
    slot: Slot,
    customer: Customer,
    network: str,
    *,
    expiry: timedelta | None = None,
    now: datetime | None = None,
) -> Booking:
    known = _with_customer(svc, booking, customer)
    key = svc.vault.new_key(booking.id)
    sealed = Sealed(
        key=key,
        email=svc.vault.seal(key, booking.id, "email", customer.email.strip()),
        name=svc.vault.seal(key, booking.id, "name", customer.name.strip()),
        answers=svc.vault.seal(key, booking.id, "answers", json.dumps(customer.answers)) if customer.answers else b"",
    )
    held = customer_actions.held(
        booking,
        slot=slot,
        sealed=sealed,
        email_index=known.email_index,
        visitor_index=known.visitor_index,
        network=network,
        expiry=expiry or svc.settings.expiry_of(booking.pays_by),
        now=now or svc.now(),
    )
    return replace(held, name_index=booking_search.name_index(svc.vault, customer.name))


def _ready(svc: Services, booking: Booking, slot: Slot, customer: Customer, network: str) -> Booking:
    """Hold the slot and lease the first order to the caller."""
    return payment_orders.creating(_held(svc, booking, slot, customer, network), svc.now())


def _once_held(current: Booking, ready: Booking, slot: Slot) -> Booking:
    """Only a draft is replaced. A second request with the same event gets the existing booking."""
    if current.state is State.DRAFT:
        customer_actions.refuse_unfit(current, slot)
        ready = replace(
            ready, version=current.version, status_version=current.status_version, delivered=current.delivered
        )
        return ready.owing(ready.created_at, *(item.task for item in current.outbox))
    if current.slot is not None and current.slot.invitee_uri == slot.invitee_uri:
        return current
    raise Conflict("A time was already chosen for this booking.")


@dataclass(frozen=True, slots=True)
class _Limit:
    """At most `most` places in a row. MongoDB refuses any more, and the visitor gets `full`."""

    row: Row
    most: int
    full: Refusal


def _limits_of_visitor(svc: Services, booking: Booking) -> list[_Limit]:
    """The limits on one visitor's unpaid bookings, and on the addresses the visitor is given in a day."""
    most = svc.settings.open_bookings_per_visitor
    full = TooMany(Text.of("You have {most} unpaid bookings open. Please pay or give up one of them first.", most=most))
    rows = [UnpaidOf(Visitor.MAIL, booking.email_index)]
    rows += [UnpaidOf(Visitor.ADDRESS, booking.visitor_index)] if booking.visitor_index else []
    of_addresses = address_limits.rows(svc, booking, booking.pays_by)
    limits = [_Limit(row, most, full) for row in rows]
    if of_addresses:
        most, full = svc.settings.addresses_per_visitor, address_limits.refusal(svc)
        limits += [_Limit(row, most, full) for row in of_addresses]
    return limits


def _limits_of_day(svc: Services, meeting_type: MeetingType, slot: Slot, mine: str = "") -> list[_Limit]:
    """The limit on this type's calls on the slot's day, in the owner's zone, if there is one."""
    most = rules_today(svc, meeting_type).most_per_day
    if slot.calendar is not CalendarKind.BUILTIN or not most:
        return []
    full = SlotTaken("Meanwhile this day has become full. Please choose another one.")
    row = _day_row(svc, meeting_type, slot.span)
    around = Span(slot.span.start - timedelta(days=1), slot.span.end + timedelta(days=1))
    # Calls made before the limit existed have no place.
    unplaced = sum(
        _day_row(svc, meeting_type, other.span) == row
        for other in svc.bookings.taken(around).holds
        if other.type_id == meeting_type.id and other.booking_id != mine and not other.day_place
    )
    return [_Limit(row, most - unplaced, full)]


def _day_row(svc: Services, meeting_type: MeetingType, call: Span) -> CallsOn:
    return CallsOn(svc.catalogue.calendar().day_of(call.start), meeting_type.id)


class _Reservation:
    """Finds a place in every row: starts with the likely free one and moves on when MongoDB says it is taken."""

    def __init__(self, svc: Services, limits: list[_Limit]) -> None:
        self._limits = limits
        self._numbers = {limit.row: _first_free(svc, limit) for limit in limits}

    @contextmanager
    def saving(self) -> Iterator[list[Place]]:
        """Yields the places to save with. If the block ends without returning, a place was taken: the caller repeats
        it. Raises the full row's refusal, SlotTaken, Conflict."""
        for limit in self._limits:
            if self._numbers[limit.row] > limit.most:
                raise limit.full
        try:
            yield [Place(row, number) for row, number in self._numbers.items()]
        except Claimed as claimed:
            if not isinstance(claimed.claim, Place) or claimed.claim.row not in self._numbers:
                raise _refusal_of(claimed) from None
            self._numbers[claimed.claim.row] += 1


def _reservation(svc: Services, booking: Booking, slot: Slot) -> _Reservation:
    """The reservation for a new booking. Raises AboveLimit."""
    payment_limits.refuse_above(svc, booking)
    return _Reservation(svc, [*_limits_of_visitor(svc, booking), *_limits_of_day(svc, booking.meeting_type, slot)])


def _placed(booking: Booking, slot: Slot, places: list[Place]) -> Booking:
    seats = tuple(place for place in places if isinstance(place.row, UnpaidOf))
    day_place = next((place for place in places if isinstance(place.row, CallsOn)), None)
    addresses = tuple(place for place in places if isinstance(place.row, AddressesOf))
    return replace(booking, seats=seats, address_places=addresses, slot=replace(slot, day_place=day_place))


def _moved_to(
    svc: Services,
    booking: Booking,
    start: datetime,
    zone: str,
    move: Callable[[Booking, Slot, datetime], Booking],
    slot_at: Callable[[Services, MeetingType, datetime, str], Slot] | None = None,
) -> Booking:
    """Move to a time picked on our pages. A move within the same day of the built-in calendar keeps its place of that
    day. `slot_at` decides which times are allowed; by default those on offer."""
    if svc.settings.uses_calendly:
        return _moved_at_calendly(svc, booking, start, zone, move)
    slot = (slot_at or _builtin_slot)(svc, booking.meeting_type, start, zone)
    limits_of_day = _limits_of_day(svc, booking.meeting_type, slot, mine=booking.id)
    kept = booking.slot.day_place if booking.slot and booking.slot.day_place in booking.claims else None
    if isinstance(kept, Place) and [limit.row for limit in limits_of_day] == [kept.row]:
        slot, limits_of_day = replace(slot, day_place=kept), []
    reservation = _Reservation(svc, limits_of_day)
    while True:
        with reservation.saving() as places:
            there = replace(slot, day_place=places[0]) if places else slot

            def moved(current: Booking, there: Slot = there) -> Booking:
                return move(current, there, svc.now())

            return svc.bookings.change(booking.id, moved)


def _moved_at_calendly(
    svc: Services, booking: Booking, start: datetime, zone: str, move: Callable[[Booking, Slot, datetime], Booking]
) -> Booking:
    """Calendly cannot move an event for us: book another one; the step then cancels the old one. Check first that the
    step is allowed, so that no event is booked in vain."""
    if svc.settings.in_frame:
        raise Conflict("Times are chosen in Calendly's calendar here.")
    if booking.slot is None:
        raise Conflict("No time was chosen for this booking yet.")
    move(booking, replace(booking.slot, event_uri="", invitee_uri=""), svc.now())
    # If Calendly's answer is lost, search for the new event a little later.
    look = CancelStrayEvents(str(booking.version))
    booking = svc.bookings.change(
        booking.id, lambda b: polling.scheduled(b.owing(svc.now() + TIDY_AFTER, look), svc.now()), known=booking
    )
    person = delivery.opened(svc, booking)
    slot = _booked_at_calendly(svc, booking, start, zone, Customer(person["email"], person["name"]))
    with _freed_if_refused(svc, booking, slot), _taken_by_others():
        return svc.bookings.change(booking.id, lambda b: move(b, slot, svc.now()))


def _first_free(svc: Services, limit: _Limit, *, asking: bool = False) -> int:
    """First seat to try. With many seats, fetch the taken ones instead of probing."""
    if limit.most <= 10 and not asking:
        return 1
    places = [Place(limit.row, number) for number in range(1, min(limit.most, 2000) + 1)]
    owned = svc.bookings.owned_of(places)
    return next(number for number in range(1, limit.most + 2) if Place(limit.row, number) not in owned)


@contextmanager
def _taken_by_others() -> Iterator[None]:
    """Turn a claim conflict into a message for the customer."""
    try:
        yield
    except Claimed as claimed:
        raise _refusal_of(claimed) from None


def _refusal_of(claimed: Claimed) -> Conflict:
    if isinstance(claimed.claim, Tick):
        return SlotTaken("Somebody was faster: this time is taken. Please choose another one.")
    if isinstance(claimed.claim, Invitee):
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
