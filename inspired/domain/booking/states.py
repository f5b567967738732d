"""Where a booking, an order and a refund can stand, and why money goes back."""

from enum import StrEnum


class State(StrEnum):
    DRAFT = "DRAFT"  # no slot, no deadline; dropped after 24 h and never shown by the public API
    PENDING = "PENDING"  # slot held, waiting for money
    PAID = "PAID"
    CONFIRMED = "CONFIRMED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"
    REFUNDED = "REFUNDED"  # money had come, and all of it went back


HELD = (State.PENDING, State.PAID, State.CONFIRMED)  # a slot is, in these


class Flag(StrEnum):
    """What is odd about a booking, beside its state. In the order of gravity, gravest last."""

    BY_HAND = "by_hand"
    OVERPAID = "overpaid"
    UNDERPAID = "underpaid"
    PAID_TWICE = "paid_twice"
    PAID_LATE = "paid_late"
    SLOT_LOST = "slot_lost"
    REFUND_FAILED = "refund_failed"
    NEEDS_OWNER = "needs_owner"


class Remote(StrEnum):
    """An order's status in the provider's words (Binance Pay, Query Order)."""

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
        """No money can arrive for it any more, and none has."""
        return self in (Remote.CANCELED, Remote.EXPIRED, Remote.ERROR)

    @property
    def has_money(self) -> bool:
        return self in (Remote.PAID, Remote.REFUNDING, Remote.REFUNDED, Remote.FULL_REFUNDED)

    @property
    def tells_of_refunds(self) -> bool:
        return self in (Remote.REFUNDING, Remote.REFUNDED, Remote.FULL_REFUNDED)


class RefundStatus(StrEnum):
    REQUESTED = "requested"  # written down; the provider may or may not have heard of it yet
    SENT = "sent"  # accepted there, its outcome is still to come
    DONE = "done"  # the provider says that the money went back
    REJECTED = "rejected"  # the provider said no for good: the money is still here
    NEEDS_OWNER = "needs_owner"  # it could not be sent: too little balance, or Binance refuses it
    EXTERNAL = "external"  # made in the provider's own console, and found by us


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


class CalendarKind(StrEnum):
    CALENDLY = "calendly"
    BUILTIN = "builtin"


class HandKind(StrEnum):
    """What the owner vouches for, where Binance or the calendar does not."""

    OUTSIDE = "outside"  # the money came by another way than Binance Pay
    GIFT = "gift"  # the call takes place without money, or with less than its price
    TIME = "time"  # the money is here and proven; the calendar does not say whether the time stands
