"""A message to a person as data: which message it is, and its parameters.

Rules and pages choose messages. `domain/sentences` alone has their texts, so that another language needs no other rule.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum, auto
from typing import Self

from inspired.domain.shared.money import Money


class MessageId(StrEnum):
    """The messages to customers. Their texts are in `domain/sentences/customer`."""

    # How a booking stands.
    CHOOSE_A_TIME = auto()
    HELD = auto()
    PAID = auto()
    CONFIRMED = auto()
    CONFIRMED_BY_OWNER = auto()
    EXPIRED = auto()
    CANCELLED_UNPAID = auto()
    CANCELLED_UNPAID_BY_OWNER = auto()
    CANCELLED_UNPAID_IN_CALENDLY = auto()
    CALLED_OFF = auto()
    CALLED_OFF_BY_OWNER = auto()
    OVER = auto()
    REFUNDED = auto()
    REFUNDED_BY_HAND = auto()
    MORE_AFTER_REFUND = auto()

    # What is open about its money.
    REFUND_STUCK = auto()
    UNCLEAR = auto()
    UNCLEAR_BESIDE = auto()
    LATE_CHECK = auto()
    CHOOSE = auto()
    CHOOSE_LATE = auto()
    SHORT = auto()
    DENIED_EXPIRED = auto()
    DENIED_CLOSED = auto()
    DENIED_FAILED = auto()

    # Why money goes back, and where it is.
    BACK_SURPLUS = auto()
    BACK_SECOND = auto()
    BACK_SHORT = auto()
    BACK_NO_TIME = auto()
    BACK_MONEY_CHOSEN = auto()
    BACK_CANCELLED = auto()
    BACK_OWNER_RETURNS = auto()
    BACK_OWNER_RETURNED = auto()
    GOING_BACK = auto()
    GONE_BACK = auto()
    SENT_BACK_BY_HAND = auto()

    # Whether our mails arrive.
    MAILS_DELAYED = auto()
    MAILS_REFUSED = auto()

    # What is assured to every customer.
    LATE = auto()
    LATE_IS_NOT_LOST = auto()
    REFUND_TIME = auto()
    REFUND_TO = auto()
    CANCELLED_BY_US = auto()
    PLACE_FOLLOWS = auto()
    MOVING = auto()
    MOVING_IN_CALENDLY = auto()
    TOO_LATE_TO_MOVE = auto()
    TOO_LATE_TO_MOVE_BEGUN = auto()
    CALENDAR_FILE_ATTACHED = auto()
    CALENDAR_FILE_ON_PAGE = auto()

    # What a call's refund policy promises.
    POLICY_ALL = auto()
    POLICY_PART = auto()
    POLICY_NOTHING = auto()
    POLICY_MOVING = auto()
    POLICY_MOVING_TO_THE_START = auto()


Parameter = Money | timedelta | int | str


@dataclass(frozen=True, slots=True)
class Message:
    """`parameters`: the facts that stand in the text, by name."""

    id: MessageId
    parameters: tuple[tuple[str, Parameter], ...] = ()

    @classmethod
    def of(cls, message_id: MessageId, **parameters: Parameter) -> Self:
        return cls(message_id, tuple(parameters.items()))
