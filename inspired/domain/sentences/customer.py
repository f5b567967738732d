"""What customers read: one text for each message, and the one function that puts the facts into it.

A message about a payment carries its rail, and its text takes that rail's phrases by their names in `rails.Words`.
"""

import re
from functools import cache

from inspired.domain.booking import status
from inspired.domain.booking.booking import Booking, Refund
from inspired.domain.booking.rails import RailId
from inspired.domain.sentences import rails
from inspired.domain.sentences.values import shown
from inspired.domain.shared.languages import Text
from inspired.domain.shared.messages import Message, MessageId

PLACEHOLDER = re.compile(r"\{(\w+)\}")
_DENIED = (
    "{{rail}} told us of your payment and says now, when we ask, that {}. Nothing is confirmed by it. If the "
    "money has left your account it is not lost: keep {{receipt}}, and do not pay again. We keep "
    "asking, and the owner has been told."
)
_LATE = (
    "If your time is still free, your call is confirmed. If it is taken, you choose another time or your money back."
)

TEXTS = {
    # How a booking stands.
    MessageId.CHOOSE_A_TIME: "Choose a time.",
    MessageId.HELD: "Your time is held. It is confirmed once the payment has arrived.",
    MessageId.PAID: "Your payment has arrived. We are securing your time.",
    MessageId.CONFIRMED: "Paid and confirmed.",
    MessageId.CONFIRMED_BY_OWNER: "Confirmed by the owner.",
    MessageId.EXPIRED: "The time to pay is over. Nothing was paid, and the time is free for others again.",
    MessageId.CANCELLED_UNPAID: "This booking is cancelled. Nothing was paid.",
    MessageId.CANCELLED_UNPAID_BY_OWNER: "The owner cancelled this booking. Nothing was paid.",
    MessageId.CANCELLED_UNPAID_IN_CALENDLY: ("The time of this booking was cancelled in Calendly. Nothing was paid."),
    MessageId.CALLED_OFF: "This call is cancelled, and its time is free for others again.",
    MessageId.CALLED_OFF_BY_OWNER: "The owner cancelled this call, and its time is free for others again.",
    MessageId.OVER: "This booking is over. Its time is free for others again.",
    MessageId.REFUNDED: "All of your money went back to {refund_done}.",
    MessageId.REFUNDED_BY_HAND: "All of your money has been sent back to you.",
    MessageId.MORE_AFTER_REFUND: "Another payment arrived after your money had gone back.",
    # What is open about its money.
    MessageId.REFUND_STUCK: (
        "Your refund of {amount} has not gone through yet. The owner has been told and sees to it."
    ),
    MessageId.UNCLEAR: (
        "A payment arrived that cannot be counted by itself. It is not lost: the owner has been told and writes to you."
    ),
    MessageId.UNCLEAR_BESIDE: (
        "Another payment arrived that cannot be counted by itself. "
        "It is not lost: the owner has been told and writes to you."
    ),
    MessageId.NETWORK_SLOW: (
        "Your payment was seen. The network takes longer than usual to make it final. Your call stays held for you. Do "
        "not pay again."
    ),
    MessageId.NETWORK_TOO_SLOW: (
        "Your payment was seen, but the network has not made it final yet, and your time is free for others again. "
        "Your money is not lost: once it is final we look whether your time is still free. Do not pay again."
    ),
    MessageId.LATE_CHECK: (
        "Your payment arrived after the time to pay was over. "
        "It is not lost: we are looking whether your time is still free."
    ),
    MessageId.CHOOSE: (
        "Your payment has arrived, but your time is no longer free. Choose another time, or take your money back."
    ),
    MessageId.CHOOSE_LATE: (
        "Your payment arrived after the time to pay was over, and your time is no longer free. "
        "Choose another time, or take your money back."
    ),
    MessageId.SHORT: "{received} of {price} arrived. {missing} is missing.",
    MessageId.DENIED_EXPIRED: _DENIED.format("the order has expired without one"),
    MessageId.DENIED_CLOSED: _DENIED.format("the order was closed without one"),
    MessageId.DENIED_FAILED: _DENIED.format("the payment failed"),
    # Why money goes back, and where it is.
    MessageId.BACK_SURPLUS: "More arrived than the price.",
    MessageId.BACK_SECOND: "Your payment arrived twice.",
    MessageId.BACK_SHORT: "{received} arrived instead of {price}, too little to book the call.",
    MessageId.BACK_NO_TIME: "No other time was chosen.",
    MessageId.BACK_MONEY_CHOSEN: "You asked for your money back.",
    MessageId.BACK_CANCELLED: "You cancelled this call.",
    MessageId.BACK_OWNER_RETURNS: "The owner returns money to you.",
    MessageId.BACK_OWNER_RETURNED: "The owner returned money to you.",
    MessageId.GOING_BACK: "{amount} is going back to {back_to}.",
    MessageId.GONE_BACK: "{amount} went back to {refund_done}.",
    MessageId.BACK_ADDRESS_WANTED: "{amount} is yours: please name an address below, to which the owner sends it.",
    MessageId.BACK_BY_WALLET: "{amount} is going back to {refund_done}.",
    MessageId.BACK_IF_ASKED: "{amount} is left, and so little is sent only if you ask for it.",
    MessageId.SENT_BACK_BY_HAND: "{amount} has been sent back to you.",
    # The same in mails.
    MessageId.GOES_BACK_TO: "{amount} goes back to {back_to}.",
    MessageId.GOES_BACK_FROM_NOW_ON: "{amount} goes back to {back_to}, where it has not already.",
    MessageId.HAS_GONE_BACK: "{amount} has gone back to {refund_done}. {asked} has confirmed it.",
    MessageId.WE_WRITE_AGAIN: "You need not do anything: we write again when {asked} says that it has gone back.",
    MessageId.CHOOSE_THE_MONEY: "If you take your money back, all of it goes back to {back_to}.",
    MessageId.CHOOSE_NOTHING: "If you do nothing until then, the money {goes_back}. Please do not pay again.",
    MessageId.WITHOUT_THE_REST: (
        "Without the rest the time is free for others again after that, and what has arrived goes back to {back_to}."
    ),
    MessageId.HOW_YOU_PAY: "You pay {how}, {source}. {never}",
    # Whether our mails arrive.
    MessageId.MAILS_DELAYED: (
        "Our mails to you are delayed: please keep the address of this page, it says everything they say."
    ),
    MessageId.MAILS_REFUSED: (
        "Our mails cannot reach the address you gave: please keep the address of this page, "
        "it says everything they say."
    ),
    # Why a time in Calendly is free again; Calendly mails it to the customer.
    MessageId.FREED_UNPAID: "Not paid, so this time is free for others again.",
    MessageId.FREED_NOT_YOURS: "This is not the time of your booking, so it is free for others again.",
    MessageId.FREED_OTHER_LENGTH: "This call takes {minutes} minutes: a time of another length cannot be booked.",
    MessageId.FREED_NOT_AS_PAID: "This time is not as long as the call that was paid for.",
    # What is assured to every customer.
    MessageId.LATE: _LATE,
    MessageId.LATE_IS_NOT_LOST: f"Do not pay again: money that arrives late is not lost. {_LATE}",
    MessageId.REFUND_TIME: "Usually this takes minutes, at most a day.",
    MessageId.REFUND_TIME_BY_WALLET: "It is sent at most a day after you have confirmed that address.",
    MessageId.REFUND_TO: "{refunds}",
    MessageId.CANCELLED_BY_US: "Should we have to cancel a confirmed call, all of your money goes back.",
    MessageId.PLACE_FOLLOWS: "The owner will write to you where the call takes place.",
    MessageId.MOVING: "You move a confirmed call on its page.",
    MessageId.MOVING_IN_CALENDLY: "You move a confirmed call on its page, which takes you to Calendly for it.",
    MessageId.TOO_LATE_TO_MOVE: ("This call can no longer be moved: that was possible until {until} before it."),
    MessageId.TOO_LATE_TO_MOVE_BEGUN: "This call can no longer be moved: it has begun.",
    MessageId.CALENDAR_FILE_ATTACHED: "A file for your calendar is attached to the mail.",
    MessageId.CALENDAR_FILE_ON_PAGE: "The booking’s page has a file for your calendar.",
    # What a call's refund policy promises.
    MessageId.POLICY_ALL: "Cancel {until} or more before the call: all of your money goes back.",
    MessageId.POLICY_PART: "Cancel {until} or more before it: {percent} % goes back.",
    MessageId.POLICY_NOTHING: "Later than {until} before it: nothing goes back.",
    MessageId.POLICY_MOVING: "Moving it costs nothing, until {until} before it.",
    MessageId.POLICY_MOVING_TO_THE_START: "Moving it costs nothing, until it starts.",
    # The booking's page while it is being paid.
    MessageId.PREPARING_PAYMENT: "We are preparing your payment. Your time is held meanwhile.",
    MessageId.PAYMENT_NOT_PREPARED: "The payment could not be prepared. Your time is still held.",
    MessageId.STILL_CHECKING: "The time to pay is over. We are still checking with {asked}. Do not pay again.",
    MessageId.BEING_CANCELLED: "Your booking is being cancelled. Do not pay for it any more.",
    MessageId.ABOVE_LIMIT: (
        "This payment would be above what one customer may pay here without the owner’s word. The owner "
        "has been told. Your time is held meanwhile, and nothing is owed."
    ),
    MessageId.NOTIFIED: "{seen}",
    MessageId.NOT_CHOSEN: "The time to choose is over. Your money goes back to {back_to}.",
    MessageId.PAYMENT_CLOSING: "The payment is being {closed}. This takes a few seconds.",
    MessageId.IF_NOT_CHOSEN: ("If you do not, all of your money {goes_back} to {back_to}. Do not pay again."),
    MessageId.CHOOSE_UNTIL: "Please choose until {until}; otherwise all of your money {goes_back}.",
    # Before and while a customer pays or gives up.
    MessageId.HOW_TO_PAY: "You pay {how}, {source}. It usually takes {speed}.",
    MessageId.NEXT_YOU_PAY: "Next you get {time} minutes to pay {how}.",
    MessageId.WAY_TO_PAY: "{source}; usually {speed}. {fee} You have {time} minutes to pay.",
    MessageId.GIVING_UP: "Your time is freed for others and the payment is {closed}. Nothing is owed.",
    MessageId.TAKING_IT_BACK: ("{amount}, all of your payment, goes back to {back_to}."),
    # Its badge.
    MessageId.BADGE_NO_TIME: "No time chosen",
    MessageId.BADGE_HELD: "Held, not confirmed",
    MessageId.BADGE_CHECKING: "Checking with {asked}",
    MessageId.BADGE_LEAVING: "Being cancelled",
    MessageId.BADGE_PAID: "Payment received",
    MessageId.BADGE_CONFIRMED: "Confirmed",
    MessageId.BADGE_LATE: "Paid late, being checked",
    MessageId.BADGE_CHOOSE: "Please choose",
    MessageId.BADGE_UNCLEAR: "The owner is looking at it",
    MessageId.BADGE_RETURNING: "Money going back",
    MessageId.BADGE_STUCK: "Refund delayed",
    MessageId.BADGE_EXPIRED: "Expired",
    MessageId.BADGE_CANCELLED: "Cancelled",
    MessageId.BADGE_REFUNDED: "Refunded",
    # Its list of refunds.
    MessageId.REFUND_ADDRESS_WANTED: "It waits for an address that you confirm.",
    MessageId.REFUND_IF_ASKED: "So little is sent only if you ask for it: name an address, and confirm it.",
    MessageId.REFUND_OWNER_SENDS: "The owner sends it to the address that you confirmed.",
    MessageId.REFUND_WAITS: "It has not gone through yet. The owner has been told and sees to it.",
    MessageId.REFUND_BEING_SENT: "{refund_sent}",
    MessageId.REFUND_TAKEN: "{refund_taken}",
    MessageId.REFUND_RETURNED_BY_OWNER: "Returned by the owner.",
    MessageId.REFUND_RETURNED: "Returned to {refund_done}.",
    # What cancelling a call would mean, and why.
    MessageId.BACK_NOT_BY_ITSELF: "Nothing goes back by itself.",
    MessageId.BACK_NO_MORE: "Nothing more goes back.",
    MessageId.BACK_NOTHING: "Nothing of your {kept} goes back.",
    MessageId.BACK_ALL: "{amount} go back to {back_to}.",
    MessageId.BACK_PART: "{number} of {kept} go back to {back_to}.",
    MessageId.SINCE_PAID_OUTSIDE: "It was not paid by {rail}: the owner sees to it.",
    MessageId.SINCE_ALL_IS_BACK: "All of your money was returned already.",
    MessageId.SINCE_STARTS_WITHIN: "The call starts in less than {time}.",
    MessageId.SINCE_STARTS_LATER: "It is {time} or more before the call.",
    MessageId.SINCE_ALL_THAT_IS_LEFT: "That is all that is left of your payment.",
    # A transaction whose hash the customer names.
    MessageId.SENT_SEEN: (
        "We see it: {amount} reached your booking’s address ({rail}). It counts as soon as the network cannot take it "
        "back any more. Do not send it again."
    ),
    MessageId.SENT_FINAL: (
        "We see it: {amount} reached your booking’s address for good ({rail}). Your booking’s page shows what follows."
    ),
    MessageId.SENT_HELD: (
        "We see it: {amount} reached your booking’s address ({rail}). It cannot be counted by itself, so the owner "
        "looks at it and writes to you. Do not send it again."
    ),
    MessageId.SENT_NOT_YOURS: (
        "We see it ({rail}), but it reached the address at a time when that was not your booking’s. If it is yours, "
        "please write to us; it is not lost."
    ),
    MessageId.SENT_ELSEWHERE: (
        "We see it ({rail}), but it went to another address than your booking’s. Please compare the address in your "
        "wallet with the one on your booking’s page, and write to us before you send anything again."
    ),
    MessageId.SENT_NO_USDT: (
        "We see it, but no USDT was moved by it ({rail}): it failed, or it moved another coin. Look in your wallet "
        "what became of it, and write to us before you send anything again."
    ),
    MessageId.SENT_NOT_SEEN: (
        "We do not see it in any block yet ({rail}). A transaction may need some minutes, and an exchange may hold it "
        "back for longer. Please compare the network in your wallet or exchange, and look again in a while."
    ),
    # What moving a call would mean.
    MessageId.MOVE_FREE: "Moving it costs nothing.",
    MessageId.MOVE_THEN_NOTHING: (
        "Moving it costs nothing. If you cancel it afterwards, nothing goes back, as before."
    ),
    MessageId.MOVE_THEN_NOTHING_SINCE_LATE: (
        "Moving it costs nothing. If you cancel it afterwards, nothing goes back, since it is moved so late."
    ),
    MessageId.MOVE_THEN_MOST: (
        "Moving it costs nothing. If you cancel it afterwards, at most {most} goes back, as before."
    ),
    MessageId.MOVE_THEN_MOST_SINCE_LATE: (
        "Moving it costs nothing. If you cancel it afterwards, at most {most} goes back, since it is moved so late."
    ),
    # What a ticket is about, and how it stands.
    MessageId.TOPIC_PAYMENT_DELAYED: "I have paid, and the page does not say so",
    MessageId.TOPIC_PAYMENT_FAILED: "I cannot pay",
    MessageId.TOPIC_REFUND: "A refund",
    MessageId.TOPIC_CALL: "Something about the call",
    MessageId.TOPIC_OTHER: "Something else",
    MessageId.SUBJECT_PAYMENT_DELAYED: "Paid, but not shown",
    MessageId.SUBJECT_PAYMENT_FAILED: "Cannot pay",
    MessageId.SUBJECT_REFUND: "Money back",
    MessageId.SUBJECT_CALL: "About the call",
    MessageId.SUBJECT_OTHER: "Something else",
    MessageId.TICKET_OPEN: "We answer next",
    MessageId.TICKET_ANSWERED: "We have answered",
    MessageId.TICKET_DONE: "Settled",
}


def said(message: Message) -> str:
    """The message's text with its facts, in the reader's language."""
    return str(text_of(message))


def text_of(message: Message) -> Text:
    """The same for a refusal, which is put into words when it is told."""
    text, facts = TEXTS[message.id], dict[str, str]()
    for name, value in message.parameters:
        if isinstance(value, RailId):
            text = with_phrases(text, rails.WORDS[value])
            facts |= rails.facts_of(value)
        else:
            facts[name] = shown(value)
    return Text.of(text, **facts)


@cache
def with_phrases(text: str, words: rails.Words) -> str:
    """The English text with the rail's phrases in it; its facts are still placeholders."""
    phrases = rails.by_name(words)
    return PLACEHOLDER.sub(lambda found: phrases.get(found[1], found[0]), text)


def sentence(booking: Booking) -> str:
    """What the customer is told of the booking."""
    return " ".join(said(one) for one in status.messages(booking))


def message(booking: Booking) -> str:
    """The same, plus a warning if our mails do not reach the customer."""
    return f"{sentence(booking)} {mail_warning(booking)}".strip()


def mail_warning(booking: Booking) -> str:
    """ "" if our mails reach the customer."""
    warning = status.mail_warning(booking)
    return said(warning) if warning else ""


def why_back(booking: Booking, refund: Refund) -> str:
    return said(status.why_back(booking, refund))
