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
    NETWORK_SLOW = auto()
    NETWORK_TOO_SLOW = auto()
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
    BACK_ADDRESS_WANTED = auto()
    BACK_IF_ASKED = auto()
    BACK_BY_WALLET = auto()
    SENT_BACK_BY_HAND = auto()
    GOES_BACK_TO = auto()
    GOES_BACK_FROM_NOW_ON = auto()
    HAS_GONE_BACK = auto()
    WE_WRITE_AGAIN = auto()
    CHOOSE_THE_MONEY = auto()
    CHOOSE_NOTHING = auto()
    WITHOUT_THE_REST = auto()
    HOW_YOU_PAY = auto()

    # Whether our mails arrive.
    MAILS_DELAYED = auto()
    MAILS_REFUSED = auto()

    # Why a time in Calendly is free again; Calendly mails it to the customer.
    FREED_UNPAID = auto()
    FREED_NOT_YOURS = auto()
    FREED_OTHER_LENGTH = auto()
    FREED_NOT_AS_PAID = auto()

    # What is assured to every customer.
    LATE = auto()
    LATE_IS_NOT_LOST = auto()
    REFUND_TIME = auto()
    REFUND_TIME_BY_WALLET = auto()
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

    # The booking's page while it is being paid.
    PREPARING_PAYMENT = auto()
    PAYMENT_NOT_PREPARED = auto()
    STILL_CHECKING = auto()
    BEING_CANCELLED = auto()
    ABOVE_LIMIT = auto()
    NOTIFIED = auto()
    NOT_CHOSEN = auto()
    PAYMENT_CLOSING = auto()
    IF_NOT_CHOSEN = auto()
    CHOOSE_UNTIL = auto()

    # Before and while a customer pays or gives up.
    HOW_TO_PAY = auto()
    NEXT_YOU_PAY = auto()
    WAY_TO_PAY = auto()
    GIVING_UP = auto()
    TAKING_IT_BACK = auto()

    # Its badge.
    BADGE_NO_TIME = auto()
    BADGE_HELD = auto()
    BADGE_CHECKING = auto()
    BADGE_LEAVING = auto()
    BADGE_PAID = auto()
    BADGE_CONFIRMED = auto()
    BADGE_LATE = auto()
    BADGE_CHOOSE = auto()
    BADGE_UNCLEAR = auto()
    BADGE_RETURNING = auto()
    BADGE_STUCK = auto()
    BADGE_EXPIRED = auto()
    BADGE_CANCELLED = auto()
    BADGE_REFUNDED = auto()

    # Its list of refunds.
    REFUND_WAITS = auto()
    REFUND_ADDRESS_WANTED = auto()
    REFUND_IF_ASKED = auto()
    REFUND_OWNER_SENDS = auto()
    REFUND_BEING_SENT = auto()
    REFUND_TAKEN = auto()
    REFUND_RETURNED_BY_OWNER = auto()
    REFUND_RETURNED = auto()

    # A transaction whose hash the customer names.
    SENT_SEEN = auto()
    SENT_FINAL = auto()
    SENT_HELD = auto()
    SENT_NOT_YOURS = auto()
    SENT_ELSEWHERE = auto()
    SENT_NO_USDT = auto()
    SENT_NOT_SEEN = auto()

    # What cancelling a call would mean, and why.
    BACK_NOT_BY_ITSELF = auto()
    BACK_NO_MORE = auto()
    BACK_NOTHING = auto()
    BACK_ALL = auto()
    BACK_PART = auto()
    SINCE_PAID_OUTSIDE = auto()
    SINCE_ALL_IS_BACK = auto()
    SINCE_STARTS_WITHIN = auto()
    SINCE_STARTS_LATER = auto()
    SINCE_ALL_THAT_IS_LEFT = auto()

    # What moving a call would mean.
    MOVE_FREE = auto()
    MOVE_THEN_NOTHING = auto()
    MOVE_THEN_NOTHING_SINCE_LATE = auto()
    MOVE_THEN_MOST = auto()
    MOVE_THEN_MOST_SINCE_LATE = auto()

    # What a ticket is about, and how it stands.
    TOPIC_PAYMENT_DELAYED = auto()
    TOPIC_PAYMENT_FAILED = auto()
    TOPIC_REFUND = auto()
    TOPIC_CALL = auto()
    TOPIC_OTHER = auto()
    SUBJECT_PAYMENT_DELAYED = auto()
    SUBJECT_PAYMENT_FAILED = auto()
    SUBJECT_REFUND = auto()
    SUBJECT_CALL = auto()
    SUBJECT_OTHER = auto()
    TICKET_OPEN = auto()
    TICKET_ANSWERED = auto()
    TICKET_DONE = auto()


Parameter = Money | timedelta | int | str


@dataclass(frozen=True, slots=True)
class Message:
    """`parameters`: the facts that stand in the text, by name. A payment rail brings all its phrases."""

    id: MessageId
    parameters: tuple[tuple[str, Parameter], ...] = ()

    @classmethod
    def of(cls, message_id: MessageId, **parameters: Parameter) -> Self:
        return cls(message_id, tuple(parameters.items()))


def message_of(name: str, **parameters: Parameter) -> Message:
    """For templates: `{{ message_of("payment_closing", rail=rail) | said }}`."""
    return Message.of(MessageId(name), **parameters)
