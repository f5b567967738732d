"""The owner's texts about one booking: what happened, pending tasks, and what happens next."""

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.history import (
    Amount,
    Details,
    Event,
    EventKind,
    FailedOrder,
    Length,
    Letter,
    LimitWindow,
    MoneySeen,
    Obstacle,
    ObstacleKind,
    Order,
    OrderAboveLimit,
    OrderStatus,
    RefundFound,
    RefundRequested,
    TaskDone,
    Unread,
    Vouched,
)
from inspired.domain.booking.outbox import (
    AlertOwner,
    CancelEvent,
    CancelStrayEvents,
    Email,
    PostLedger,
    ReportNoShow,
    Result,
    SendEmail,
    SyncEvent,
    Task,
    UnknownTask,
)
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.states import Cause, HandKind
from inspired.domain.monitoring import runbook
from inspired.domain.sentences import rails

EMAILS = {
    Email.HELD: "Your time is held",
    Email.UNPAID: "How to pay",
    Email.CONFIRMED: "Confirmed",
    Email.OWNER_CONFIRMED: "New call (to you)",
    Email.MOVED: "Moved to another time",
    Email.OWNER_MOVED: "Call moved (to you)",
    Email.REMINDER: "Reminder",
    Email.EXPIRED: "Not paid in time",
    Email.CHOOSE: "Another time, or the money",
    Email.SHORT: "Too little arrived",
    Email.CANCELLED: "Cancelled",
    Email.REFUND_STARTED: "Money is going back",
    Email.REFUND_DONE: "Money has gone back",
    Email.REFUND_ADDRESS_WANTED: "Where money should go back to",
    Email.REFUND_ADDRESS: "Please confirm your address",
    Email.REFUND_TOO_SMALL: "A little money is left",
    Email.PROBLEM: "A payment that cannot be counted",
    Email.LETTER: "Your letter",
}
EVENTS = {
    EventKind.STARTED: "Booking started.",
    EventKind.HELD: "Time chosen and held.",
    EventKind.TIME_CHANGED: "Moved to another time.",
    EventKind.GIVEN_UP: "The customer gave the booking up.",
    EventKind.ORDER_CREATED: "{made}",
    EventKind.CREATE_FAILED: "The order could not be created.",
    EventKind.ABOVE_LIMIT: "The order was not made: it would be above what one customer may pay.",
    EventKind.NEW_ORDER: "A new order takes the place of the old one.",
    EventKind.ORDER_CLOSED: "{rail} says the order is closed.",
    EventKind.TAKEN_BACK: "The network replaced the block that had the payment, before it was final.",
    EventKind.PAYS_OTHERWISE: "The customer chose another way to pay, which gets its whole time once.",
    EventKind.FEE_TOLERATED: "A little less arrived than the price, within what you let a sender’s fee take.",
    EventKind.NETWORK_SLOW: "The time to pay was over, and the network had not made the payment final yet.",
    EventKind.OTHER_NETWORK: "USDT reached the booking’s address on another network than the one chosen. It counts.",
    EventKind.HELD_BACK: "USDT reached the booking’s address, and only you can say whether it counts.",
    EventKind.LET_COUNT: "You let the money count that waited for you.",
    EventKind.DENIED: "{rail}, asked, says that the order is closed without the payment it had told of.",
    EventKind.MONEY: "Money seen.",
    EventKind.PAID: "Paid.",
    EventKind.PENDING: "It waits for money again.",
    EventKind.CONFIRMED: "Confirmed.",
    EventKind.AGREED: "You agreed that the call stands with what is left of its money.",
    EventKind.NO_SHOW: "The customer did not come.",
    EventKind.CAME_AFTER_ALL: "The customer came after all.",
    EventKind.FOUND_IN_CALENDAR: "It was booked in Calendly itself, past this site.",
    EventKind.OTHER_LENGTH: "Another length was chosen in Calendly than is sold here.",
    EventKind.MOVED_IN_CALENDAR: "The customer moved the call in Calendly.",
    EventKind.CANCELLED_IN_CALENDAR: "The event was cancelled in Calendly.",
    EventKind.MOVED: "The customer moved the call to another time.",
    EventKind.MOVED_BY_OWNER: "You moved the call to another time.",
    EventKind.OWNER_GAVE_UP: "You cancelled it before it was paid.",
    EventKind.CALLED_OFF: "You cancelled the call, and no money goes back.",
    EventKind.BY_HAND: "You confirmed it by hand.",
    EventKind.RETURNED_OUTSIDE: "You sent money back by the way it came.",
    EventKind.LETTER_WRITTEN: "A letter to the customer was written.",
    EventKind.ERASED: "The personal data was erased.",
    EventKind.EXPIRED: "Expired, the time is free again.",
    EventKind.CANCELLED: "Cancelled, the time is free again.",
    EventKind.REFUNDED: "Refunded: everything has gone back.",
    EventKind.CHOICE_OFFERED: "The time is gone: the customer was asked to choose another one, or the money.",
    EventKind.MONEY_BACK_CHOSEN: "The customer chose the money.",
    EventKind.REFUND_REQUESTED: "A refund was asked for.",
    EventKind.REFUND_AGAIN: "A refund is tried again.",
    EventKind.REFUND_BY_HAND: "A refund was settled by hand.",
    EventKind.REFUND_SENT: "{refund_accepted}",
    EventKind.REFUND_WAITS: "A refund waits.",
    EventKind.REFUND_APPROVED: "An owner approved that another one sends a refund.",
    EventKind.REFUND_TAKEN_BACK: "The network took back the block that had a refund.",
    EventKind.ADDRESS_NAMED: "The customer named an address for refunds.",
    EventKind.ADDRESS_CONFIRMED: "The customer confirmed the address for refunds.",
    EventKind.REFUND_STUCK: "A refund could not be sent.",
    EventKind.REFUND_DONE: "A refund has gone back.",
    EventKind.REFUND_REJECTED: "{rail} rejected a refund.",
    EventKind.REFUND_FOUND: "A refund was found that was not made here.",
    EventKind.SEEN_TO: "Seen to: the customer was told by another way.",
    EventKind.DONE: "Done.",
    EventKind.OTHER: "Something that another version of this site wrote down.",
}
CAUSES = {
    Cause.SURPLUS: "more than the price arrived",
    Cause.SECOND: "paid twice",
    Cause.SHORT: "less than the price arrived",
    Cause.NO_TIME: "no other time was chosen",
    Cause.MONEY_BACK: "the customer chose the money",
    Cause.CANCELLED: "the customer cancelled the call",
    Cause.OWNER: "refunded by you",
    Cause.CONSOLE: "found, not made here",
}
OBSTACLES = {
    ObstacleKind.PROVIDER: "{said}",
    ObstacleKind.OWNER_SENDS: "It was paid on chain: send it from your wallet, and enter its transaction.",
    ObstacleKind.ADDRESS_WANTED: "The customer is asked to confirm an address to send it to.",
    ObstacleKind.TOO_SMALL: "So little is sent only if the customer asks for it.",
    ObstacleKind.TAKEN_BACK: (
        "The network took its transfer back: look in your wallet whether it was sent once more, before you send it "
        "again."
    ),
    ObstacleKind.REJECTED: "{asked} rejected it.",
    ObstacleKind.NO_NUMBER: "The order's own number {at} is not known.",
    ObstacleKind.NONE_LEFT: "{asked} allows no further refund of this payment.",
    ObstacleKind.LAST_ONE: "It would be {asked}'s last refund of this payment, which returns everything left, {left}.",
    ObstacleKind.AMOUNT_UNKNOWN: (
        "Some of this payment went back by {asked}'s console, and how much is not known yet."
    ),
}
WINDOWS = {LimitWindow.DAY: "in a day", LimitWindow.MONTH: "in 30 days", LimitWindow.YEAR: "in 365 days"}
VOUCHED = {HandKind.TIME: "the time", HandKind.GIFT: "a gift", HandKind.OUTSIDE: "paid another way"}
RESULTS = {
    Result.DONE: "",
    Result.SENT: "sent",
    Result.STALE: "not sent, no longer true",
    Result.NO_ADDRESS: "not sent, there is no address",
    Result.GIVEN_UP: "given up",
    Result.OWNER_TOLD: "you were told",
    Result.CANCELLED: "cancelled",
    Result.OWN_SLOT: "left alone, it is this booking’s own time",
    Result.STRAYS_CANCELLED: "{count} cancelled",
    Result.NO_EVENT: "there is no event any more",
    Result.MOVED: "it was moved",
    Result.UNCHANGED: "it is as it was",
    Result.CANCELLED_THERE: "it was cancelled there",
    Result.REPORTED: "told",
    Result.POSTED: "{count} entries",
}


# --- what happened --------------------------------------------------------------------------------------------------


def event(one: Event, booking: Booking) -> str:
    """One event of the booking's history, in one sentence."""
    details, rail = one.details, _rail_of(one, booking)
    if isinstance(details, TaskDone):
        return _done(details)
    if isinstance(details, RefundRequested):
        return f"{details.amount.shown} to go back: {CAUSES[details.cause]}."
    happened, said = EVENTS[one.kind].format_map(rails.by_name(rails.of(rail))), _details(details, rail)
    return f"{happened.rstrip('.')}: {said}." if said else happened


def _rail_of(one: Event, booking: Booking) -> RailId:
    """The rail of the order it is about, if it names one."""
    match one.details:
        case Order(number) | OrderStatus(number=number) | FailedOrder(number=number) | MoneySeen(number=number):
            return next((order.rail for order in booking.orders if order.number == number), booking.rail)
        case RefundFound(number=number):
            return next((order.rail for order in booking.orders if order.number == number), booking.rail)
    return booking.rail


def _done(done: TaskDone) -> str:
    if isinstance(done.task, AlertOwner) and done.result is Result.OWNER_TOLD:
        return runbook.OF_BOOKING[done.task.kind].sentence
    said = RESULTS[done.result].format(count=done.count)
    return f"{task(done.task)}: {said}." if said else f"{task(done.task)}."


def _details(details: Details | None, rail: RailId) -> str:
    match details:
        case Order():
            return f"order {details.number}"
        case OrderStatus():
            return f"order {details.number} is {details.status}"
        case FailedOrder():
            return f"order {details.number}: {details.reason}"
        case OrderAboveLimit():
            return f"order {details.number}, {WINDOWS[details.window]}"
        case MoneySeen():
            amount = details.money.shown if details.money else "an amount that cannot be read"
            words = rails.of(rail)
            source = words.by_proof if details.by_query else words.by_word
            return f"{amount}, {source}, order {details.number}"
        case RefundFound():
            amount = details.amount.shown if details.amount else f"an amount {rails.of(rail).asked} does not tell"
            return f"{amount}, order {details.number}"
        case Amount():
            return details.money.shown
        case Vouched():
            return details.amount.shown if details.amount else VOUCHED[details.kind]
        case Length():
            return f"{details.minutes} minutes"
        case Letter():
            return f"number {details.number}"
        case Obstacle():
            return obstacle(details, rail).rstrip(".")
        case Unread():
            return f"{details.what} {details.detail}".strip().rstrip(".")
    return ""


def obstacle(one: Obstacle, rail: RailId) -> str:
    """Why a refund has not gone through: the provider's own words, or a sentence of ours."""
    facts = {"said": one.said, "left": one.left.shown if one.left else ""}
    return OBSTACLES[one.kind].format_map({**rails.by_name(rails.of(rail)), **facts})


def story(one: Event, booking: Booking) -> str | None:
    """The same for the booking's story, where tasks are described by their effect; None for tasks of no interest."""
    if not isinstance(one.details, TaskDone):
        return event(one, booking)
    done = one.details
    match done.task:
        case PostLedger():
            return None
        case SendEmail():
            return _mailed(done.task, done.result)
        case AlertOwner() if done.result is Result.GIVEN_UP:
            return f"A mail to you could not be sent, and was given up: {_alert(done.task)}"
        case AlertOwner():
            return f"You were told by mail: {_alert(done.task)}"
        case CancelEvent() if done.result is Result.OWN_SLOT:
            return "The event in Calendly was not cancelled: it is this booking’s own time."
        case CancelEvent():
            return "The event in Calendly was cancelled."
        case CancelStrayEvents():
            return f"Calendly was looked through for other times picked for this booking: {done.count} cancelled."
        case SyncEvent():
            return "Calendly was asked what became of the event."
        case ReportNoShow():
            return "Calendly was told whether the customer came."
        case UnknownTask():
            return event(one, booking)


def _mailed(email: SendEmail, result: Result) -> str:
    name, once_more = EMAILS[email.template], " once more" if email.repeat else ""
    match result:
        case Result.SENT:
            return f"The mail server accepted the mail “{name}”{once_more}."
        case Result.GIVEN_UP:
            return f"The mail “{name}” could not be sent{once_more}, and was given up."
    return f"The mail “{name}” was not sent{once_more}: it was no longer true."


def _alert(alert: AlertOwner) -> str:
    return runbook.OF_BOOKING[alert.kind].sentence


# --- pending tasks --------------------------------------------------------------------------------------------------


def task(one: Task) -> str:
    """A task's name: "Mail “held”". Without the id of its refund or order, which means nothing to a person."""
    match one:
        case SendEmail():
            return f"Mail “{_plain(one.template)}”"
        case AlertOwner():
            return f"Alert to you “{_plain(one.kind)}”"
        case CancelEvent():
            return "Cancel the event in Calendly"
        case CancelStrayEvents():
            return "Look for other times picked in Calendly"
        case SyncEvent():
            return "Ask Calendly what became of the event"
        case ReportNoShow():
            return "Tell Calendly whether the customer came"
        case PostLedger():
            return "Post to the ledger"
        case UnknownTask():
            return one.key


def task_to_come(one: Task) -> str | None:
    """What will happen: "The mail “Confirmed” goes out". None for tasks of no interest."""
    match one:
        case SendEmail():
            return f"The mail “{EMAILS[one.template]}” goes out"
        case AlertOwner():
            return "You are told by mail"
        case CancelEvent():
            return "The event in Calendly is cancelled"
        case CancelStrayEvents():
            return "Calendly is looked through for other times picked for this booking"
        case SyncEvent():
            return "Calendly is asked what became of the event"
        case ReportNoShow():
            return "Calendly is told whether the customer came"
    return None


def _plain(name: str) -> str:
    return name.replace("_", " ")
