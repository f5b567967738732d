"""Replays a stored webhook as a dry run: today's code applied to copies in memory. Nothing is saved.

Twice on a copy of the booking from before any money, to show what the webhook does and that repeating it does nothing.
Once on the current booking, to show whether anything remains to be done.
"""

from dataclasses import dataclass, replace

from inspired.adapters.mongo.payment_logs import Webhook
from inspired.adapters.providers.binance_webhooks import Facts, read_webhook
from inspired.domain.booking import lifecycle
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.history import EventKind
from inspired.domain.booking.lifecycle import OrderObservation, SlotSeen
from inspired.domain.booking.states import State
from inspired.flows.booking import payment_webhooks
from inspired.services import Services

NO_MONEY_YET = (
    EventKind.STARTED,
    EventKind.HELD,
    EventKind.ORDER_CREATED,
    EventKind.NEW_ORDER,
    EventKind.CREATE_FAILED,
    EventKind.TIME_CHANGED,
)


@dataclass(frozen=True, slots=True)
class Replay:
    """`before`, `once`, `twice`: the copy from before any money. `stored`, `now`: the current booking."""

    facts: Facts
    before: Booking
    once: Booking
    twice: Booking
    stored: Booking
    now: Booking

    @property
    def is_harmless(self) -> bool:
        """True if the second application changes nothing."""
        return self.twice == self.once


def replay(svc: Services, webhook: Webhook) -> Replay | None:
    """None if the webhook is for no booking of ours. Raises CannotDecrypt."""
    facts = read_webhook(opened(svc, webhook).encode())
    booking = payment_webhooks.booking_of(svc, webhook.trade_no)
    if booking is None:
        return None
    observations = payment_webhooks.payments(webhook, facts)
    before = untouched(booking)
    once = _applied(before, observations, webhook)
    twice = _applied(once, observations, webhook)
    return Replay(
        facts, before, once, twice, booking, lifecycle.settle(booking, observations, SlotSeen.UNKNOWN, svc.now())
    )


def opened(svc: Services, webhook: Webhook) -> str:
    """The body as received; "" once erased. Raises CannotDecrypt."""
    return svc.vault.open(webhook.key, webhook.key_owner, "notice", webhook.raw)


def _applied(booking: Booking, observations: list[OrderObservation], webhook: Webhook) -> Booking:
    return lifecycle.settle(booking, observations, SlotSeen.UNKNOWN, webhook.at)


def untouched(booking: Booking) -> Booking:
    """The booking before any money and before its end: held, with its orders unpaid."""
    orders = tuple(
        replace(
            order,
            status=None,
            seen_at=None,
            received=None,
            commission=None,
            proven=False,
            transaction_id="",
            paid_at=None,
        )
        for order in booking.orders
    )
    return replace(
        booking,
        state=State.PENDING,
        flags=frozenset(),
        orders=orders,
        refunds=(),
        ledger=(),
        agreed_amount=None,
        earned=None,
        by_hand=None,
        cancel_requested=False,
        choose_by=None,
        outbox=(),
        delivered=frozenset(),
        history=tuple(event for event in booking.history if event.kind in NO_MONEY_YET),
        paid_at=None,
        confirmed_at=None,
        ended_at=None,
    )
