"""Open issues of a booking that only a person can settle, for the owner's page "Today"."""

from datetime import datetime
from enum import StrEnum

from inspired.domain.booking.balance import due, kept_of, unclear
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.delivery import ALERT_AT_TRY
from inspired.domain.booking.history import EventKind, TaskDone
from inspired.domain.booking.outbox import Result, Task
from inspired.domain.booking.states import State
from inspired.domain.shared.errors import Conflict


class Matter(StrEnum):
    """Ordered by severity, worst first."""

    REFUND_STUCK = "refund_stuck"  # money should be going back and is not
    REFUND_TO_SEND = "refund_to_send"  # the owner sends it from a wallet
    REFUND_UNCOUNTED = "refund_uncounted"  # money was returned in the provider's console, amount unknown
    HELD = "held"  # money arrived on chain, and only the owner can say whether it counts
    UNCLEAR = "unclear"  # money arrived that cannot be counted against the price
    SHORT = "short"  # a confirmed call, part of whose money was returned outside this site
    UNDELIVERED = "undelivered"  # a mail or a calendar task that keeps failing or was given up


def matters(booking: Booking) -> tuple[Matter, ...]:
    stuck = [refund for refund in booking.refunds if refund.is_stuck]
    found = {
        Matter.REFUND_STUCK: any(refund.amount is not None and not refund.waits_for_wallet for refund in stuck),
        Matter.REFUND_TO_SEND: any(refund.waits_for_wallet for refund in stuck),
        Matter.REFUND_UNCOUNTED: any(refund.amount is None for refund in stuck),
        Matter.HELD: any(order.held for order in unclear(booking)),
        Matter.UNCLEAR: any(not order.held for order in unclear(booking)),
        Matter.SHORT: booking.state is State.CONFIRMED and kept_of(booking) < due(booking),
        Matter.UNDELIVERED: bool(undelivered(booking)),
    }
    return tuple(matter for matter, is_so in found.items() if is_so)


def undelivered(booking: Booking) -> tuple[Task, ...]:
    """Tasks that keep failing, and mails given up since the issue was last acknowledged."""
    failing = [item.task for item in booking.outbox if item.tries >= ALERT_AT_TRY]
    return tuple(dict.fromkeys([*_given_up(booking), *failing]))


def was_given_up(booking: Booking) -> bool:
    return bool(_given_up(booking))


def seen_to(booking: Booking, now: datetime) -> Booking:
    """Acknowledge the given-up tasks: the customer was told another way. Raises Conflict."""
    if not was_given_up(booking):
        raise Conflict("Nothing of this booking was given up.")
    return booking.noted(now, EventKind.SEEN_TO)


def _given_up(booking: Booking) -> list[Task]:
    last = max((number for number, event in enumerate(booking.history) if event.kind is EventKind.SEEN_TO), default=-1)
    done = (event.details for event in booking.history[last + 1 :])
    return [one.task for one in done if isinstance(one, TaskDone) and one.result is Result.GIVEN_UP]
