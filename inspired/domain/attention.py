"""What of a booking only a person can settle: the owner's page "Today" is made of it."""

from datetime import datetime
from enum import StrEnum

from inspired.domain.booking import Booking, State
from inspired.domain.effects import ALERT_AT_TRY
from inspired.domain.errors import Conflict
from inspired.domain.funds import due, kept_of, unclear


class Matter(StrEnum):
    """In the order of gravity, gravest first."""

    REFUND_STUCK = "refund_stuck"  # money should be going back, and does not
    REFUND_UNCOUNTED = "refund_uncounted"  # money went back in the provider's console, and nobody knows how much
    UNCLEAR = "unclear"  # money came that cannot be held against the price
    SHORT = "short"  # a confirmed call of whose money a part was returned by another way
    UNDELIVERED = "undelivered"  # a mail, or something owed to the calendar, that keeps failing or was given up


def matters(booking: Booking) -> tuple[Matter, ...]:
    stuck = [one for one in booking.refunds if one.is_stuck]
    found = {
        Matter.REFUND_STUCK: any(one.amount is not None for one in stuck),
        Matter.REFUND_UNCOUNTED: any(one.amount is None for one in stuck),
        Matter.UNCLEAR: bool(unclear(booking)),
        Matter.SHORT: booking.state is State.CONFIRMED and kept_of(booking) < due(booking),
        Matter.UNDELIVERED: bool(undelivered(booking)),
    }
    return tuple(matter for matter, is_so in found.items() if is_so)


def undelivered(booking: Booking) -> tuple[str, ...]:
    """Names of effects that keep failing, and of mails that were given up since somebody last saw to it."""
    failing = [one.name for one in booking.effects if one.tries >= ALERT_AT_TRY]
    return tuple(dict.fromkeys([*_given_up(booking), *failing]))


def was_given_up(booking: Booking) -> bool:
    return bool(_given_up(booking))


def seen_to(booking: Booking, now: datetime) -> Booking:
    """Somebody has told the customer by another way: what was given up needs nobody any more."""
    if not was_given_up(booking):
        raise Conflict("Nothing of this booking was given up.")
    return booking.noted(now, SEEN_TO)


def _given_up(booking: Booking) -> list[str]:
    last = max((number for number, one in enumerate(booking.history) if one.what == SEEN_TO), default=-1)
    later = [one.detail for one in booking.history[last + 1 :] if one.what == "done"]
    return [detail.removesuffix(GIVEN_UP) for detail in later if detail.endswith(GIVEN_UP)]


SEEN_TO = "seen_to"
GIVEN_UP = " given up"
