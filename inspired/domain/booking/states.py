"""States of bookings, orders and refunds, and the causes of refunds."""

from enum import StrEnum


class State(StrEnum):
    DRAFT = "DRAFT"  # no slot, no deadline; dropped after 24 h and never shown by the public API
    PENDING = "PENDING"  # slot held, waiting for money
    PAID = "PAID"
    CONFIRMED = "CONFIRMED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"
    REFUNDED = "REFUNDED"  # money had come, and all of it went back


HELD = (State.PENDING, State.PAID, State.CONFIRMED)  # the states that hold a slot


class Flag(StrEnum):
    """What is unusual about a booking, besides its state. Ordered by severity, worst last."""

    BY_HAND = "by_hand"
    OVERPAID = "overpaid"
    UNDERPAID = "underpaid"
    PAID_TWICE = "paid_twice"
    PAID_LATE = "paid_late"
    SLOT_LOST = "slot_lost"
    REFUND_FAILED = "refund_failed"
    NEEDS_OWNER = "needs_owner"


class Remote(StrEnum):
    """An order's status as the first rail's provider names it."""

    INITIAL = "INITIAL"
    PENDING = "PENDING"
    PAID = "PAID"
    CANCELED = "CANCELED"
    ERROR = "ERROR"
    EXPIRED = "EXPIRED"
    REFUNDING = "REFUNDING"
    REFUNDED = "REFUNDED"
    FULL_REFUNDED = "FULL_REFUNDED"
    UNKNOWN = "UNKNOWN"

    @property
    def is_closed(self) -> bool:
        """True if no money has arrived for the order or can still arrive."""
        return self in (Remote.CANCELED, Remote.EXPIRED, Remote.ERROR)

    @property
    def has_money(self) -> bool:
        return self in (Remote.PAID, Remote.REFUNDING, Remote.REFUNDED, Remote.FULL_REFUNDED)

    @property
    def tells_of_refunds(self) -> bool:
        return self in (Remote.REFUNDING, Remote.REFUNDED, Remote.FULL_REFUNDED)


class RefundStatus(StrEnum):
    REQUESTED = "requested"  # saved; the provider may not have received it yet
    SENT = "sent"  # accepted by the provider, outcome pending
    DONE = "done"  # the provider says the money went back
    REJECTED = "rejected"  # refused by the provider for good: the money is still here
    NEEDS_OWNER = "needs_owner"  # could not be sent: too little balance, or the provider refuses it
    EXTERNAL = "external"  # made in the provider's own console, or sent by the owner outside it


class Cause(StrEnum):
    """Why money goes back."""

    SURPLUS = "surplus"
    SECOND = "second"
    SHORT = "short"
    NO_TIME = "no_time"  # paid late or slot lost, and no other time was chosen
    MONEY_BACK = "money_back"  # … and the customer asked for the money
    CANCELLED = "cancelled"  # the customer cancelled a confirmed call
    OWNER = "owner"
    CONSOLE = "console"


class Held(StrEnum):
    """Why money on chain counts for nothing before the owner has decided."""

    EARLIER_HOLDER = "earlier_holder"  # somebody else had the address before, and it may be theirs
    SCREENED = "screened"  # its sender is on the owner's screening list


class CalendarKind(StrEnum):
    CALENDLY = "calendly"
    BUILTIN = "builtin"


class HandKind(StrEnum):
    """What the owner confirms in place of the provider or the calendar."""

    OUTSIDE = "outside"  # the money arrived outside the orders
    GIFT = "gift"  # the call takes place unpaid, or for less than its price
    TIME = "time"  # the money is proven; the calendar does not say whether the time is secured
