"""Promises to customers: what, by when, and whether it was kept. Pure: derived from the booking and its tickets."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from inspired.domain.booking.balance import unclear
from inspired.domain.booking.booking import Booking, PaymentOrder, Refund
from inspired.domain.booking.history import TaskDone
from inspired.domain.booking.lifecycle import alert_of_uncounted
from inspired.domain.booking.refunds import SLOW_AFTER
from inspired.domain.booking.states import RefundStatus, State
from inspired.domain.booking.wallet_refunds import network_of
from inspired.domain.support.tickets import Author, Ticket, TicketEventKind

ADDRESS_WITHIN = timedelta(days=7)  # for the customer to confirm an address; after that the owner should write
WORD_WITHIN = timedelta(hours=24)  # "the owner writes to you" names no time; customers expect this
PLACE_BEFORE = timedelta(hours=1)  # before the call; any later is useless


class Kind(StrEnum):
    REFUND = "refund"  # "at most a day"
    REPLY = "reply"  # "you hear from us by …"
    WORD = "word"  # "the owner has been told and writes to you"
    PLACE = "place"  # "the owner will write to you where the call takes place"


@dataclass(frozen=True, slots=True)
class Promise:
    """`about`: the id of a refund, ticket, order or booking. `kept_at` None: not kept yet."""

    kind: Kind
    about: str
    made_at: datetime
    due: datetime
    kept_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.kept_at is None

    def is_late(self, now: datetime) -> bool:
        """True if it was kept too late, or is overdue."""
        return (self.kept_at or now) > self.due


def promises(booking: Booking | None, tickets: Iterable[Ticket] = (), *, place_is_told: bool = True) -> list[Promise]:
    """All promises, soonest due first. `place_is_told`: the confirmation names the place."""
    tickets = list(tickets)
    found = [promise for ticket in tickets for promise in replies(ticket)]
    if booking is not None:
        found += _refunds(booking)
        found += _words(booking, tickets)
        found += [] if place_is_told else _place(booking, tickets)
    return sorted(found, key=lambda promise: (promise.due, promise.about))


def promised_by(booking: Booking) -> datetime | None:
    """When the first open promise about the booking's money is due; None if there is none. Stored with the booking, so
    that the list of promises finds it."""
    return min((promise.due for promise in promises(booking) if promise.is_open), default=None)


def replies(ticket: Ticket) -> list[Promise]:
    """One per period in which the customer waited. An answer keeps it, and so does closing the ticket."""
    ends = [other.at for other in ticket.messages if other.author is Author.OWNER]
    ends += [event.at for event in ticket.history if event.kind is TicketEventKind.CLOSED]
    found: dict[datetime, Promise] = {}
    for message in ticket.messages:
        if message.promised is not None and message.promised not in found:
            kept_at = min((at for at in ends if at >= message.at), default=None)
            found[message.promised] = Promise(Kind.REPLY, ticket.id, message.at, message.promised, kept_at)
    return list(found.values())


def _refunds(booking: Booking) -> list[Promise]:
    """Counted from when the customer was first told: replacing a rejected refund does not restart the time."""
    refunds = [refund for refund in booking.refunds if refund.reserves and refund.status is not RefundStatus.EXTERNAL]
    refunds += [refund for refund in booking.refunds if refund.reserves and refund.is_by_hand]
    # One that is sent only if the customer asks for it is owed from then on.
    return [_of_refund(booking, refund) for refund in refunds if refund.awaits_address or not refund.waits_for_customer]


def _of_refund(booking: Booking, refund: Refund) -> Promise:
    first, within = _first_told(booking, refund), SLOW_AFTER
    network = network_of(booking, refund)
    address = None if network is None else booking.refund_address(network)
    if refund.awaits_address:
        within = ADDRESS_WITHIN
    elif address is not None and address.confirmed_at is not None:
        first = max(first, address.confirmed_at)  # nobody could send it before
    return Promise(Kind.REFUND, refund.id, first, first + within, (refund.done_at or first) if refund.is_gone else None)


def _first_told(booking: Booking, refund: Refund) -> datetime:
    moments = [refund.requested_at]
    while before := next((other for other in booking.refunds if other.replaced_by == refund.id), None):
        moments.append(before.requested_at)
        refund = before
    return min(moments)


def _words(booking: Booking, tickets: list[Ticket]) -> list[Promise]:
    """One for each payment that waits for the owner, while it waits."""
    found = []
    for order in unclear(booking):
        made_at = _seen_unclear(booking, order)
        due = made_at + WORD_WITHIN
        found.append(Promise(Kind.WORD, order.trade_no, made_at, due, _first_word(booking, tickets, made_at)))
    return found


def _seen_unclear(booking: Booking, order: PaymentOrder) -> datetime:
    """When the owner was told of it, and the page began to say so."""
    alert = alert_of_uncounted(order)
    told = (
        event.at for event in booking.history if isinstance(event.details, TaskDone) and event.details.task == alert
    )
    return next(told, None) or order.paid_at or order.created_at


def _place(booking: Booking, tickets: list[Ticket]) -> list[Promise]:
    if booking.state is not State.CONFIRMED or booking.slot is None or booking.confirmed_at is None:
        return []
    due = max(booking.slot.span.start - PLACE_BEFORE, booking.confirmed_at)
    return [
        Promise(Kind.PLACE, booking.id, booking.confirmed_at, due, _first_word(booking, tickets, booking.confirmed_at))
    ]


def _first_word(booking: Booking, tickets: list[Ticket], after: datetime) -> datetime | None:
    """When we first wrote to the customer after that: a message of a ticket, or a letter about the booking."""
    messages = (message.at for ticket in tickets for message in ticket.messages if message.author is Author.OWNER)
    letters = (letter.at for letter in booking.letters)
    return min((at for at in (*messages, *letters) if at >= after), default=None)
