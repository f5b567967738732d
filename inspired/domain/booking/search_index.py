"""Search labels for the lists of bookings.

A booking is stored with one label for every combination of its state, call type, flag, amount and rail. A query is
exactly one label. So one range of one index answers any combination of filters, however many bookings there are.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import product

from inspired.domain.booking.attention import matters
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.history import Event, TaskDone
from inspired.domain.booking.outbox import AlertOwner
from inspired.domain.booking.states import State
from inspired.domain.booking.status import iso

MOST_AMOUNTS = 6
ATTENTION = "attention"  # listed among the flags: bookings that need a person


class By(StrEnum):
    """The moment by which a list is sorted and bounded."""

    MADE = "made"
    CALL = "call"
    PAID = "paid"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Filters and sort order; an empty filter matches all. `flag` may be ATTENTION; `amount` is a number such as "75",
    the price or a received amount; `rail` the one that the newest money came by, or would. `since` is inclusive,
    `until` exclusive."""

    by: By = By.MADE
    state: str = ""
    type_id: str = ""
    flag: str = ""
    amount: str = ""
    rail: str = ""
    since: datetime | None = None
    until: datetime | None = None
    oldest_first: bool = False

    @property
    def label(self) -> str:
        return _label(self.state, self.type_id, self.flag, self.amount, self.rail)


def labels(booking: Booking) -> tuple[str, ...]:
    """Every label this booking matches. Drafts have none and are in no list."""
    if booking.state is State.DRAFT:
        return ()
    flags = sorted(booking.flags) + ([ATTENTION] if matters(booking) else [])
    amounts = amounts_of(booking)[:MOST_AMOUNTS]
    state, type_id, rail = str(booking.state), booking.meeting_type.id, str(booking.paid_by)
    every = product(("", state), ("", type_id), ("", *flags), ("", *amounts), ("", rail))
    return tuple(_label(*one) for one in every)


def amounts_of(booking: Booking) -> list[str]:
    """The price, and received amounts that differ from it."""
    came = [str(order.received) for order in booking.orders if order.received is not None]
    return list(dict.fromkeys([str(booking.price), *came]))


def moments(booking: Booking) -> dict[By, datetime]:
    """The sort moments; missing ones are left out. Short payments count as paid too."""
    came = (order.paid_at for order in booking.orders if order.has_money and order.paid_at is not None)
    found = {
        By.MADE: booking.created_at,
        By.CALL: booking.slot.span.start if booking.slot else None,
        By.PAID: booking.paid_at or min(came, default=None),
    }
    return {by: moment for by, moment in found.items() if moment is not None}


def mark(moment: datetime, booking_id: str) -> str:
    """A booking's sort key: unique, and in text order the same as in time order."""
    return f"{iso(moment)}/{booking_id}"


def place_of(booking: Booking, by: By) -> str:
    found = moments(booking).get(by)
    return mark(found, booking.id) if found is not None else ""


def numbers(booking: Booking) -> tuple[str, ...]:
    """The numbers by which others know this booking's money: transactions and the provider's orders; on chain the
    addresses as they are shown, and what refunds were sent with."""
    found = [number for order in booking.orders for number in (order.transaction_id, order.prepay_id) if number]
    found += [refund.sent_with.log.tx_hash for refund in booking.refunds if refund.sent_with is not None]
    return tuple(dict.fromkeys(found))


def alerted_at(booking: Booking) -> datetime | None:
    """When the owner was last alerted about it."""
    return max((event.at for event in booking.history if is_alert(event)), default=None)


def is_alert(event: Event) -> bool:
    """True if an alert mail was sent to the owner or given up."""
    return isinstance(event.details, TaskDone) and isinstance(event.details.task, AlertOwner)


def _label(state: str, type_id: str, flag: str, amount: str, rail: str) -> str:
    return f"{state}|{type_id}|{flag}|{amount}|{rail}"
