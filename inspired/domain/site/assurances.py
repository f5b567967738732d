"""The assurances to customers, each made once: terms, pages, mails and ready answers all use these messages.

`catalogue/refund_policy` tells what a single call promises; `support/promises` tracks what was promised to whom. The
texts are in `sentences/customer`.
"""

from inspired.domain.booking.rails import CAPABILITIES, RailId
from inspired.domain.catalogue.refund_policy import RefundPolicy
from inspired.domain.shared.messages import Message, MessageId

LATE = Message(MessageId.LATE)
LATE_IS_NOT_LOST = Message(MessageId.LATE_IS_NOT_LOST)
CANCELLED_BY_US = Message(MessageId.CANCELLED_BY_US)
PLACE = Message(MessageId.PLACE_FOLLOWS)


def refund_time(rail: RailId) -> Message:
    by_itself = CAPABILITIES[rail].sends_refunds
    return Message(MessageId.REFUND_TIME if by_itself else MessageId.REFUND_TIME_BY_WALLET)


def refund_to(rail: RailId) -> Message:
    return Message.of(MessageId.REFUND_TO, rail=rail)


def moving(*, in_calendly: bool) -> Message:
    """How to move a confirmed call. `in_calendly`: times are picked in Calendly's own iframe."""
    return Message(MessageId.MOVING_IN_CALENDLY if in_calendly else MessageId.MOVING)


def too_late_to_move(policy: RefundPolicy) -> Message:
    if not policy.move_until:
        return Message(MessageId.TOO_LATE_TO_MOVE_BEGUN)
    return Message.of(MessageId.TOO_LATE_TO_MOVE, until=policy.move_until)


def calendar_entry(*, attached: bool) -> Message:
    """How the call gets into the customer's calendar. `attached`: our mails carry it; not if Calendly sends an entry of
    its own, since the call would then appear twice."""
    return Message(MessageId.CALENDAR_FILE_ATTACHED if attached else MessageId.CALENDAR_FILE_ON_PAGE)
