"""The assurances to customers, each worded once: terms, pages, mails and ready answers all use these texts.

`catalogue/descriptions` describes the offer, `catalogue/refund_policy` what a single call promises; `support/promises`
tracks what was promised to whom.
"""

from inspired.domain.catalogue.refund_policy import RefundPolicy, in_hours

LATE = "If your time is still free, your call is confirmed. If it is taken, you choose another time or your money back."
LATE_IS_NOT_LOST = f"Do not pay again: money that arrives late is not lost. {LATE}"
REFUND_TIME = "Usually this takes minutes, at most a day."
REFUND_TO = "Refunds go back in USDT to the Binance account that paid."
CANCELLED_BY_US = "Should we have to cancel a confirmed call, all of your money goes back."
PLACE = "The owner will write to you where the call takes place."


def moving(*, in_calendly: bool) -> str:
    """How to move a confirmed call. `in_calendly`: times are picked in Calendly's own iframe."""
    if in_calendly:
        return "You move a confirmed call on its page, which takes you to Calendly for it."
    return "You move a confirmed call on its page."


def too_late_to_move(policy: RefundPolicy) -> str:
    if not policy.move_until:
        return "This call can no longer be moved: it has begun."
    return f"This call can no longer be moved: that was possible until {in_hours(policy.move_until)} before it."


def calendar_entry(*, attached: bool) -> str:
    """How the call gets into the customer's calendar. `attached`: our mails carry it; not if Calendly sends an entry of
    its own, since the call would then appear twice."""
    if attached:
        return "A file for your calendar is attached to the mail."
    return "The booking’s page has a file for your calendar."
