"""Database keys of tasks, history events, claims and ledger facts.

Only this module parses stored keys. Everything is written back exactly as it was read: a key of another release that
would come out differently is kept whole, as UnknownTask, UnknownClaim or Unread.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import Any

from inspired.domain.booking.booking import Fact, FactKind, Refund, RefundRequest
from inspired.domain.booking.claims import (
    AddressesOf,
    CallsOn,
    Claim,
    Invitee,
    Place,
    RefundTransfer,
    Row,
    Tick,
    UnknownClaim,
    UnpaidOf,
    Visitor,
)
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
    AlertKind,
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
from inspired.domain.booking.states import Cause, HandKind, Remote, State
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Network
from inspired.domain.support.tickets import (
    Mailed,
    Prioritised,
    Priority,
    SendTicketEmail,
    TicketEmail,
    TicketEvent,
    TicketEventKind,
    TicketTask,
)

Document = dict[str, Any]
CACHED = 4096  # bookings are read far more often than new keys appear


# --- tasks ----------------------------------------------------------------------------------------------------------


@lru_cache(CACHED)
def task_in(key: str) -> Task:
    kind, _, rest = key.partition(":")
    try:
        task = TASKS[kind](rest)
    except (KeyError, ValueError):
        return UnknownTask(key)
    return task if task.key == key else UnknownTask(key)


def _send_email(name: str) -> Task:
    first, _, repeat = name.partition(":again:")
    template, _, subject_id = first.partition(":")
    return SendEmail(Email(template), subject_id, int(repeat or 0))


def _alert_owner(name: str) -> Task:
    kind, _, subject_id = name.partition(":")
    return AlertOwner(AlertKind(kind), subject_id)


TASKS: Mapping[str, Callable[[str], Task]] = {
    "send": _send_email,
    "alert": _alert_owner,
    "release_event": CancelEvent,
    "tidy_events": CancelStrayEvents,
    "follow_event": SyncEvent,
    "tell_no_show": lambda rest: ReportNoShow(int(rest)),
    "post": lambda rest: PostLedger(int(rest)),
}


@lru_cache(CACHED)
def ticket_task_in(key: str) -> TicketTask:
    template, _, subject_id = key.partition(":")
    try:
        task = SendTicketEmail(TicketEmail(template), subject_id)
    except ValueError:
        return UnknownTask(key)
    return task if task.key == key else UnknownTask(key)


# --- results --------------------------------------------------------------------------------------------------------

RESULTS = {
    Result.DONE: "",
    Result.SENT: "sent",
    Result.STALE: "dropped, no longer true",
    Result.NO_ADDRESS: "dropped, there is no address",
    Result.GIVEN_UP: "given up",
    Result.OWNER_TOLD: "owner told",
    Result.CANCELLED: "cancelled in the calendar",
    Result.OWN_SLOT: "dropped, it is this booking's own slot",
    Result.NO_EVENT: "no event to follow",
    Result.MOVED: "moved",
    Result.UNCHANGED: "as it was",
    Result.CANCELLED_THERE: "cancelled there",
    Result.REPORTED: "told in the calendar",
}
COUNTED = {Result.STRAYS_CANCELLED: "cancelled", Result.POSTED: "entries"}
RESULT_OF = {text: result for result, text in RESULTS.items()}
COUNTED_OF = {word: result for result, word in COUNTED.items()}


def _result_out(result: Result, count: int) -> str:
    return f"{count} {COUNTED[result]}" if result in COUNTED else RESULTS[result]


def _result_in(text: str) -> tuple[Result, int]:
    if text in RESULT_OF:
        return RESULT_OF[text], 0
    count, _, word = text.partition(" ")
    if word not in COUNTED_OF:
        raise ValueError(text)
    return COUNTED_OF[word], int(count)


def _task_done_in(detail: str) -> Details:
    key, _, note = detail.partition(" ")
    return TaskDone(task_in(key), *_result_in(note))


# --- the history of a booking ---------------------------------------------------------------------------------------

WINDOWS = {LimitWindow.DAY: "in a day", LimitWindow.MONTH: "in 30 days", LimitWindow.YEAR: "in 365 days"}
WINDOW_OF = {text: window for window, text in WINDOWS.items()}
VOUCHED = {HandKind.TIME: "the time", HandKind.GIFT: "a gift"}
VOUCHED_OF = {text: kind for kind, text in VOUCHED.items()}
BY_QUERY, BY_NOTICE = "by our query", "by a signed notice"
UNREADABLE, UNTOLD = "an unreadable amount", "an amount Binance does not tell"


def event_out(event: Event) -> Document:
    details = event.details
    if event.kind is EventKind.OTHER and isinstance(details, Unread):
        return {"at": event.at, "what": details.what, "detail": details.detail}
    return {"at": event.at, "what": str(event.kind), "detail": _details_out(event.kind, details)}


def event_in(found: Document) -> Event:
    kind = event_kind_in(found["what"])
    if kind is EventKind.OTHER:
        return Event(found["at"], kind, Unread(found["detail"], found["what"]))
    return Event(found["at"], kind, _details_in(kind, found["detail"]))


def event_kind_in(what: str) -> EventKind:
    return KIND_OF.get(what, EventKind.OTHER)


KIND_OF = {str(kind): kind for kind in EventKind}


@lru_cache(CACHED)
def _details_in(kind: EventKind, detail: str) -> Details | None:
    read = READERS.get(kind)
    try:
        details = read(detail) if read is not None and detail else None
    except (ValueError, KeyError):
        return Unread(detail)
    return details if _details_out(kind, details) == detail else Unread(detail)


def _details_out(kind: EventKind, details: Details | None) -> str:
    match details:
        case None:
            return "by Binance" if kind is EventKind.REFUND_REJECTED else ""
        case TaskDone():
            return f"{details.task.key} {_result_out(details.result, details.count)}".strip()
        case Order():
            return f"order {details.number}"
        case OrderStatus():
            return f"order {details.number} is {details.status}"
        case FailedOrder():
            return f"order {details.number}: {details.reason}"
        case OrderAboveLimit():
            return f"order {details.number}, {WINDOWS[details.window]}"
        case MoneySeen():
            amount = details.money.shown if details.money else UNREADABLE
            return f"{amount}, {BY_QUERY if details.by_query else BY_NOTICE}, order {details.number}"
        case RefundRequested():
            return f"{details.amount.shown}, {details.cause}"
        case RefundFound():
            return f"{details.amount.shown if details.amount else UNTOLD}, order {details.number}"
        case Amount():
            return details.money.shown
        case Vouched():
            return details.amount.shown if details.amount else VOUCHED[details.kind]
        case Length():
            return f"{details.minutes} minutes"
        case Letter():
            return str(details.number)
        case Obstacle():
            return obstacle_out(details)
        case Unread():
            return details.detail


def _matched(pattern: str, detail: str) -> tuple[str, ...]:
    found = re.fullmatch(pattern, detail, re.DOTALL)
    if found is None:
        raise ValueError(detail)
    return found.groups()


def _money(shown: str) -> Money:
    amount, currency = _matched(r"(-?[0-9.]+) (\S+)", shown)
    return Money.parse(amount, currency)


def _order(detail: str) -> Details:
    (number,) = _matched(r"order (\d+)", detail)
    return Order(int(number))


def _order_status(detail: str) -> Details:
    number, status = _matched(r"order (\d+) is (\w+)", detail)
    return OrderStatus(int(number), Remote(status))


def _failed_order(detail: str) -> Details:
    number, reason = _matched(r"order (\d+): (.*)", detail)
    return FailedOrder(int(number), reason)


def _above_limit(detail: str) -> Details:
    number, window = _matched(r"order (\d+), (.*)", detail)
    return OrderAboveLimit(int(number), WINDOW_OF[window])


def _money_seen(detail: str) -> Details:
    amount, source, number = _matched(rf"(.*), ({BY_QUERY}|{BY_NOTICE}), order (\d+)", detail)
    return MoneySeen(int(number), None if amount == UNREADABLE else _money(amount), source == BY_QUERY)


def _refund_requested(detail: str) -> Details:
    amount, cause = _matched(r"(.*), (\w+)", detail)
    return RefundRequested(_money(amount), Cause(cause))


def _refund_found(detail: str) -> Details:
    amount, number = _matched(r"(.*), order (\d+)", detail)
    return RefundFound(int(number), None if amount == UNTOLD else _money(amount))


def _vouched(detail: str) -> Details:
    if detail in VOUCHED_OF:
        return Vouched(VOUCHED_OF[detail])
    return Vouched(HandKind.OUTSIDE, _money(detail))


def _length(detail: str) -> Details:
    (minutes,) = _matched(r"(-?\d+) minutes", detail)
    return Length(int(minutes))


# These were sentences once, and stay as they were written; what the owner reads is in `sentences/owner`.
OBSTACLES = {
    ObstacleKind.OWNER_SENDS: "sent by the owner from a wallet",
    ObstacleKind.ADDRESS_WANTED: "waits for an address of the customer",
    ObstacleKind.TOO_SMALL: "too small to be sent unasked",
    ObstacleKind.TAKEN_BACK: "its transfer was taken back by the network",
    ObstacleKind.REJECTED: "Binance rejected it.",
    ObstacleKind.NO_NUMBER: "The order's own number at Binance is not known.",
    ObstacleKind.NONE_LEFT: "Binance allows no further refund of this payment.",
    ObstacleKind.AMOUNT_UNKNOWN: "Some of this payment went back by Binance's console, and how much is not known yet.",
}
OBSTACLE_KINDS = {spelled: kind for kind, spelled in OBSTACLES.items()}
LAST_ONE = "It would be Binance's last refund of this payment, which returns everything left, "


def obstacle_out(obstacle: Obstacle | None) -> str:
    if obstacle is None:
        return ""
    if obstacle.kind is ObstacleKind.LAST_ONE and obstacle.left is not None:
        return f"{LAST_ONE}{obstacle.left.shown}."
    return OBSTACLES.get(obstacle.kind, obstacle.said)


def obstacle_in(spelled: str) -> Obstacle | None:
    """Whatever is not ours is the provider's answer."""
    if not spelled:
        return None
    if spelled in OBSTACLE_KINDS:
        return Obstacle(OBSTACLE_KINDS[spelled])
    return _last_one(spelled) or Obstacle(ObstacleKind.PROVIDER, said=spelled)


def _last_one(spelled: str) -> Obstacle | None:
    try:
        left = _money(*_matched(f"{re.escape(LAST_ONE)}(.+)\\.", spelled))
    except ValueError:
        return None
    read = Obstacle(ObstacleKind.LAST_ONE, left=left)
    return read if obstacle_out(read) == spelled else None


def _amount(detail: str) -> Details:
    return Amount(_money(detail))


READERS: Mapping[EventKind, Callable[[str], Details | None]] = {
    EventKind.NEW_ORDER: _order,
    EventKind.ORDER_CREATED: _order,
    EventKind.ORDER_CLOSED: _order_status,
    EventKind.DENIED: _order_status,
    EventKind.TAKEN_BACK: _order,
    EventKind.OTHER_NETWORK: _order,
    EventKind.HELD_BACK: _order,
    EventKind.LET_COUNT: _order,
    EventKind.CREATE_FAILED: _failed_order,
    EventKind.ABOVE_LIMIT: _above_limit,
    EventKind.MONEY: _money_seen,
    EventKind.REFUND_REQUESTED: _refund_requested,
    EventKind.REFUND_FOUND: _refund_found,
    EventKind.REFUND_SENT: _amount,
    EventKind.REFUND_DONE: _amount,
    EventKind.REFUND_AGAIN: _amount,
    EventKind.REFUND_BY_HAND: _amount,
    EventKind.REFUND_STUCK: obstacle_in,
    EventKind.REFUND_REJECTED: lambda detail: None,
    EventKind.REFUND_WAITS: obstacle_in,
    EventKind.REFUND_APPROVED: _amount,
    EventKind.REFUND_TAKEN_BACK: _amount,
    EventKind.RETURNED_OUTSIDE: _amount,
    EventKind.AGREED: _amount,
    EventKind.FEE_TOLERATED: _amount,
    EventKind.BY_HAND: _vouched,
    EventKind.OTHER_LENGTH: _length,
    EventKind.LETTER_WRITTEN: lambda detail: Letter(int(detail)),
    EventKind.DONE: _task_done_in,
}


# --- the history of a ticket ----------------------------------------------------------------------------------------


def ticket_event_out(event: TicketEvent) -> Document:
    match event.details:
        case Unread() if event.kind is TicketEventKind.OTHER:
            what, detail = event.details.what, event.details.detail
        case Unread():
            what, detail = str(event.kind), event.details.detail
        case Mailed():
            what, detail = str(event.kind), f"{event.details.template} {RESULTS[event.details.result]}".strip()
        case Prioritised():
            what, detail = str(event.kind), f"{event.details.priority} {event.person}"
        case None:
            what, detail = str(event.kind), event.person
    return {"at": event.at, "what": what, "detail": detail}


def ticket_event_in(found: Document) -> TicketEvent:
    at, what, detail = found["at"], found["what"], found["detail"]
    if what not in TICKET_KIND_OF:
        return TicketEvent(at, TicketEventKind.OTHER, details=Unread(detail, what))
    event = _ticket_event(at, TICKET_KIND_OF[what], detail)
    is_same = ticket_event_out(event)["detail"] == detail
    return event if is_same else TicketEvent(at, event.kind, details=Unread(detail))


TICKET_KIND_OF = {str(kind): kind for kind in TicketEventKind if kind is not TicketEventKind.OTHER}


def _ticket_event(at: Any, kind: TicketEventKind, detail: str) -> TicketEvent:
    first, _, rest = detail.partition(" ")
    try:
        match kind:
            case TicketEventKind.MAILED:
                return TicketEvent(at, kind, details=Mailed(TicketEmail(first), RESULT_OF[rest]))
            case TicketEventKind.PRIORITY:
                return TicketEvent(at, kind, rest, Prioritised(Priority(first)))
    except (KeyError, ValueError):
        return TicketEvent(at, kind, details=Unread(detail))
    return TicketEvent(at, kind, detail)


# --- claims ---------------------------------------------------------------------------------------------------------


@lru_cache(CACHED)
def claim_in(key: str) -> Claim:
    claim = _claim(key)
    return claim if claim is not None and claim.key == key else UnknownClaim(key)


def day_place_out(claim: Claim | None) -> str:
    return "" if claim is None else claim.key


def day_place_in(key: str) -> Claim | None:
    return claim_in(key) if key else None


def _claim(key: str) -> Claim | None:
    kind, _, rest = key.partition(":")
    try:
        match kind:
            case "tick":
                return Tick(int(rest))
            case "invitee":
                return Invitee(rest)
            case "seat" | "day" | "addresses":
                row, _, number = rest.rpartition(":")
                return Place(_row(kind, row), int(number))
            case "refund":
                network, tx_hash, log_index = rest.split(":")
                return RefundTransfer(Network(network), tx_hash, int(log_index))
    except ValueError:
        pass
    return None


def _row(kind: str, rest: str) -> Row:
    first, _, last = rest.partition(":")
    if kind == "addresses":
        day, _, index = last.partition(":")
        return AddressesOf(Visitor(first), index, date.fromisoformat(day))
    return UnpaidOf(Visitor(first), last) if kind == "seat" else CallsOn(date.fromisoformat(first), last)


# --- ledger facts and refunds ---------------------------------------------------------------------------------------


@lru_cache(CACHED)
def fact_in(key: str) -> Fact:
    kind, _, subject_id = key.partition(":")
    try:
        fact = Fact(FactKind(kind), subject_id)
    except ValueError:
        return Fact(FactKind.OTHER, key)
    return fact if fact.kind is not FactKind.OTHER and fact.key == key else Fact(FactKind.OTHER, key)


def refund_key_out(refund: Refund) -> str:
    """One field holds either the provider's number of a refund it reported, or the owner's request."""
    if refund.found_as:
        return refund.found_as
    if refund.request is None:
        return ""
    return f"{refund.request.name}:{refund.request.asked}" if refund.request.asked else refund.request.name


def refund_key_in(cause: Cause, key: str) -> tuple[RefundRequest | None, str]:
    """The owner's request, and the provider's number, which only console refunds have."""
    if cause is Cause.CONSOLE or not key:
        return None, key
    name, _, asked = key.partition(":")
    return RefundRequest(name, asked), ""


# --- webhook results ------------------------------------------------------------------------------------------------

APPLIED = "applied: "


def applied_out(state: State) -> str:
    """The webhook was processed; the booking's state afterwards."""
    return f"{APPLIED}{state}"


def applied_in(followed: str) -> State | None:
    """None if the result was something else."""
    name = followed.removeprefix(APPLIED)
    return State(name) if name != followed and name in State.__members__ else None
