"""The owner's texts on pages: what names stand for, how orders, refunds and tickets are, and what an action did."""

from collections.abc import Iterable

from inspired.domain.accounts.people import Role
from inspired.domain.booking import ledger, refunds
from inspired.domain.booking.attention import Matter
from inspired.domain.booking.booking import Booking, PaymentOrder, Refund
from inspired.domain.booking.rails import CAPABILITIES, RailId
from inspired.domain.booking.reconciliation import Difference, Step
from inspired.domain.booking.reconciliation import Kind as DifferenceKind
from inspired.domain.booking.states import Flag, Held, RefundStatus, State
from inspired.domain.sentences import rails
from inspired.domain.sentences.owner import RESULTS
from inspired.domain.support.promises import Kind
from inspired.domain.support.tickets import (
    Author,
    Mailed,
    Prioritised,
    TicketEmail,
    TicketEvent,
    TicketEventKind,
    TicketState,
)

ROLES = {
    Role.READER: "see bookings, money and messages, and change nothing",
    Role.HELPER: "look after bookings and customers; no refunds, no settings",
    Role.OWNER: "do everything: the owner",
}
FLAGS = {
    Flag.BY_HAND: "confirmed by hand",
    Flag.OVERPAID: "paid too much",
    Flag.UNDERPAID: "paid too little",
    Flag.PAID_TWICE: "paid twice",
    Flag.PAID_LATE: "paid late",
    Flag.SLOT_LOST: "time lost",
    Flag.REFUND_FAILED: "refund failed",
    Flag.NEEDS_OWNER: "needs you",
}
# Manual actions in the audit log; names missing here are shown as they are.
ACTS = {
    "note": "note written",
    "letter": "letter to the customer",
    "mail_again": "mail sent again",
    "moved": "call moved",
    "called_off": "call cancelled",
    "by_hand": "marked by hand",
    "returned_outside": "money sent back another way, entered",
    "erased": "personal data erased",
    "seen_to": "customer told another way",
    "no_show": "customer did not come",
    "came": "customer came after all",
    "refunded": "refund",
    "receiving_source_set": "addresses to receive on chain set",
    "receiving_nodes_set": "nodes of a network set",
    "receiving_withdrawn": "change of where money goes withdrawn",
    "receiving_on": "addresses compared, network switched on",
    "receiving_off": "network switched off",
    "refund_again": "refund tried again",
    "refund_by_hand": "refund settled by hand",
    "part_agreed": "agreed that the call stands",
    "orphan_settled": "payment of nobody's settled",
    "reconciled": "reconciliation begun",
    "exported": "list exported",
    "guessed_out": "logged out after ten wrong guesses",
    "opened_customers_page": "customer’s page opened",
    "report_exported": "report exported",
    "sweeps_exported": "list of funded addresses exported",
    "report_planned": "report by mail changed",
    "made_key": "API key made",
    "revoked_key": "API key taken back",
    "limit_raised": "a customer allowed above the limit",
    "limit_restored": "a customer under the limit again",
    "asked_binance_about_many": "Binance asked about many",  # written before there were rails
    "money_let_count": "money that waited counted for its booking",
    "receiving_again_on": "addresses given out again from now on",
    "receiving_again_off": "addresses no longer given out again",
    "refund_sent_from_wallet": "transaction of a refund entered",
    "refund_approved": "refund approved for another owner to send",
    "refund_wallets_named": "wallets named that refunds are sent from",
    "asked_about_many": "payments of many bookings asked about",
}
HELD = {
    Held.EARLIER_HOLDER: "Somebody else had this address before. It is not exactly what this booking asks for, in a "
    "block of its time to pay, so it may be theirs.",
    Held.SCREENED: "Its sender is on your screening list.",
}
# With the phrases of the booking's rail.
MATTERS = {
    Matter.REFUND_STUCK: "A refund does not get through: try it again, or send the money by another way and say so.",
    Matter.REFUND_TO_SEND: "A refund is yours to send from your wallet.",
    Matter.REFUND_UNCOUNTED: "Money went back in {console}: say how much it was.",
    Matter.HELD: "USDT came of which only you can say whether it counts: look it up, and accept or return it.",
    Matter.UNCLEAR: "Money came that cannot be held against the price: look it up {at}, and return it or agree.",
    Matter.SHORT: "A part of the money of this call went back by another way: does the call stand with the rest?",
    Matter.UNDELIVERED: "Could not be delivered:",
}
ACCOUNTS = {
    **{CAPABILITIES[rail].account: rails.of(rail).account for rail in rails.WORDS},
    **{
        able.wallet: f"Swept to your wallet on {able.provider}, less refunds"
        for able in CAPABILITIES.values()
        if able.wallet
    },
    ledger.SUSPENSE: "Received, neither earned nor returned",
    ledger.UNASSIGNED: "Reached an address, and belongs to no order",
    ledger.OUTSIDE: "Received by another way, on your word",
    ledger.SALES: "Earned by confirmed calls",
    ledger.REFUNDS: "Returned of what was earned",
    ledger.FEES: f"Kept by {rails.of(RailId.BINANCE_PAY).asked} as commission",  # no other rail takes one,
}
# With the phrases of the rail it was found on.
DIFFERENCES = {
    DifferenceKind.UNKNOWN_PAYMENT: "{asked} has a payment that is not in our books.",
    DifferenceKind.MISSING_PAYMENT: "Our books have a payment that {asked} does not show.",
    DifferenceKind.AMOUNT: "{asked} and our books name different amounts for a payment.",
    DifferenceKind.STILL_PAYABLE: "An order can still be paid though its booking is over.",
    DifferenceKind.UNKNOWN_REFUND: "{asked} has returned money that is not in our books.",
    DifferenceKind.MISSING_REFUND: "Our books have a refund that {asked} does not know.",
    DifferenceKind.REFUND_STATE: "A refund stands elsewhere {at} than in our books.",
    DifferenceKind.REFUND_AMOUNT: "{asked} and our books name different amounts for a refund.",
    DifferenceKind.LEDGER: "The ledger does not hold what its booking says.",
    DifferenceKind.CALL_WITHOUT_EVENT: "A confirmed call is not in the calendar.",
    DifferenceKind.EVENT_MOVED: "The calendar has a confirmed call at another time.",
    DifferenceKind.EVENT_WITHOUT_CALL: "The calendar holds a time for a booking that is over.",
    DifferenceKind.BALANCE: "An address holds something else than what came there less what left.",
}
STEPS = {
    Step.ASK_AGAIN: "Asking {asked} again brings it in line.",
    Step.POST: "It is posted again at the next run.",
    Step.OWNER: "Please look at it.",
}
TICKET_STATES = {TicketState.OPEN: "open", TicketState.WAITING: "waits for the customer", TicketState.DONE: "done"}
AUTHORS = {
    Author.CUSTOMER: "Customer",
    Author.OWNER: "Answer",
    Author.SYSTEM: "As it was then",
    Author.NOTE: "Note, not seen by the customer",
}
TICKET_EVENTS = {
    TicketEventKind.CUSTOMER_WROTE: "The customer wrote.",
    TicketEventKind.ANSWERED: "Answered.",
    TicketEventKind.NOTE_WRITTEN: "A note was written.",
    TicketEventKind.BEGUN: "Begun by us.",
    TicketEventKind.PRIORITY: "Priority changed.",
    TicketEventKind.MAILED: "A mail was sent.",
    TicketEventKind.OTHER: "Something that another version of this site wrote down.",
    TicketEventKind.TAKEN: "Taken.",
    TicketEventKind.GIVEN_BACK: "Given back.",
    TicketEventKind.CLOSED: "Done.",
    TicketEventKind.REOPENED: "Open again.",
    TicketEventKind.ERASED: "What was said was erased.",
}
TICKET_MAILS = {
    TicketEmail.ANSWER: "Mail with the answer to the customer",
    TicketEmail.CLOSED: "Mail that it is done to the customer",
    TicketEmail.TO_OWNER: "Mail to you",
    TicketEmail.LATE: "Mail to you that it is late",
}


PROMISES = {
    Kind.REFUND: "Money back within a day",
    Kind.REPLY: "An answer",
    Kind.WORD: "You write about a payment that cannot be counted",
    Kind.PLACE: "You write where the call takes place",
}


def matter(one: Matter, booking: Booking) -> str:
    return MATTERS[one].format_map(rails.by_name(rails.of(booking.rail)))


def difference(one: Difference) -> str:
    return DIFFERENCES[one.kind].format_map(rails.by_name(rails.of(one.rail)))


def next_step(one: Difference) -> str:
    return STEPS[one.step].format_map(rails.by_name(rails.of(one.rail)))


def order_line(order: PaymentOrder) -> str:
    if order.has_money and order.received:
        proof = "our own query agrees" if order.proven else "by notice only so far"
        if CAPABILITIES[order.rail].network is not None:
            words = rails.of(order.rail)
            proof = words.by_proof if order.proven else words.by_word
        fee = f", commission {order.commission.shown}" if order.commission else ""
        return f"{order.status}, {order.received.shown}{fee} ({proof})"
    if order.status is not None:
        return str(order.status)
    return f"not known to {rails.of(order.rail).rail} yet" if order.tries else "not sent yet"


def lefts(booking: Booking) -> list[str]:
    """What is left of each payment, which “all of it” returns. A single payment needs no order number."""
    found = refunds.left_of_each(booking)
    return [left.shown if len(found) == 1 else f"{left.shown} of order {one.number}" for one, left in found]


def refund_state(refund: Refund, rail: RailId) -> str:
    name = rails.of(rail).rail
    if refund.replaced_by:
        return "did not go out, another one took its place"
    match refund.status:
        case RefundStatus.REQUESTED:
            return f"on its way, {name} has not answered clearly yet" if refund.tries else "about to be sent"
        case RefundStatus.SENT if refund.sent_with is not None:
            return "sent by you, not final yet"
        case RefundStatus.SENT:
            return f"taken by {name}, not done yet"
        case RefundStatus.DONE if refund.sent_with is not None:
            return "gone back: your transfer is final"
        case RefundStatus.DONE:
            return f"gone back, says {name}"
        case RefundStatus.NEEDS_OWNER if refund.waits_for_customer:
            return "waits for the customer"
        case RefundStatus.REJECTED:
            return "rejected, the money is still here"
        case RefundStatus.NEEDS_OWNER:
            return "not sent, waits for you"
    return "gone, but nobody knows how much" if refund.amount is None else "gone by another way"


def refund_said(booking: Booking, made: Iterable[Refund]) -> str:
    """The effects of the owner's refund: on the money, the call and the customer's mail."""
    sums = [(one.amount.shown, booking.rail_of(one)) for one in made if one.amount]
    amounts = ", ".join(amount for amount, _ in sums)
    to = " and ".join(dict.fromkeys(rails.of(rail).goes_to for _, rail in sums))
    goes = f"{amounts} {'go' if ',' in amounts else 'goes'} back to {to}"
    match booking.state:
        case State.CONFIRMED:
            return f"{goes}. The call stays confirmed. The customer is told by mail."
        case State.CANCELLED | State.REFUNDED if booking.confirmed_at is not None:
            return f"{goes}, and the call is cancelled: its time is free for others. The customer is told by mail."
    return f"{goes}. The customer is told by mail."


def asked_said(before: Booking, after: Booking, answers: int) -> str:
    """The result of asking the provider about every order; `answers`: how many of these queries it answered."""
    asked = [one for one in before.orders if one.was_sent]
    words = rails.of(before.rail)
    if not asked:
        return f"There is no order {words.at} yet that it could be asked about."
    if answers < len(asked):
        return f"{words.asked} does not answer just now. What is open is asked about again by itself."
    if after.state is not before.state:
        return f"{words.asked} has answered, and the booking is {after.state} now."
    return f"{words.asked} has answered, and the booking stands as before."


def returned_lines(booking: Booking) -> list[str]:
    """For the list of bookings: what has been returned and what is pending."""
    gone = refunds.returned_in_all(booking)
    waiting = [one.amount for one in booking.refunds if one.reserves and not one.is_gone and one.amount]
    lines = [f"returned {gone.shown}"] if not gone.is_nothing else []
    return [*lines, *(f"{one.shown} not returned yet" for one in waiting)]


def ticket_event(event: TicketEvent) -> str:
    match event.details:
        case Mailed():
            return f"{TICKET_MAILS[event.details.template]}: {RESULTS[event.details.result]}."
        case Prioritised():
            return f"Priority: {event.details.priority.lower()}."
    return TICKET_EVENTS[event.kind]
