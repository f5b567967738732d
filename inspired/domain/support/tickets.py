"""A ticket: what a customer or stranger wrote, our answers, and when an answer is due.

Texts are sealed under the ticket's own key, and nothing here reads them. Values are frozen, like a booking's.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.delivery import MOST_MAIL_TRIES, leased, put_off, without
from inspired.domain.booking.history import Unread
from inspired.domain.booking.outbox import OutboxItem, Result, UnknownTask
from inspired.domain.booking.states import Flag, State
from inspired.domain.shared.errors import Conflict, Invalid, TooMany
from inspired.domain.shared.languages import ENGLISH, Text

LONGEST_TEXT = 4000  # characters
LONGEST_SUBJECT = 120
MOST_MESSAGES = 100
MOST_OPEN = 3  # per booking, or per stranger
SOON = timedelta(hours=24)  # a call this soon cannot wait for its answer


class Topic(StrEnum):
    """The subject: the plan's three, and two more."""

    PAYMENT_DELAYED = "PAYMENT_DELAYED"
    PAYMENT_FAILED = "PAYMENT_FAILED"
    REFUND_REQUEST = "REFUND_REQUEST"
    CALL = "CALL"
    OTHER = "OTHER"


class Priority(StrEnum):
    """The plan's priorities, most urgent last."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"


REPLY_WITHIN = {
    Priority.LOW: timedelta(hours=72),
    Priority.MEDIUM: timedelta(hours=24),
    Priority.HIGH: timedelta(hours=8),
    Priority.CRITICAL: timedelta(hours=2),
}


class TicketState(StrEnum):
    OPEN = "open"  # our answer is due
    WAITING = "waiting"  # for the customer
    DONE = "done"


class Author(StrEnum):
    CUSTOMER = "customer"
    OWNER = "owner"  # or a helper
    SYSTEM = "system"  # the situation at that moment; not shown to the customer
    NOTE = "note"  # an internal note


class TicketEmail(StrEnum):
    """The mails about a ticket."""

    ANSWER = "answer"  # to the customer: our answer
    CLOSED = "closed"  # to the customer: the ticket was closed
    TO_OWNER = "tell_owner"  # to the owner: the customer wrote
    LATE = "late"  # to the owner: our answer is late


@dataclass(frozen=True, slots=True)
class SendTicketEmail:
    """`subject_id`: the message's id, or the length of the history when the task was added."""

    template: TicketEmail
    subject_id: str

    @property
    def key(self) -> str:
        return f"{self.template}:{self.subject_id}"


TicketTask = SendTicketEmail | UnknownTask


class TicketEventKind(StrEnum):
    CUSTOMER_WROTE = "customer_wrote"
    ANSWERED = "answered"
    NOTE_WRITTEN = "note_written"
    BEGUN = "begun"
    PRIORITY = "priority"  # Prioritised
    TAKEN = "taken"
    GIVEN_BACK = "given_back"
    CLOSED = "closed"
    REOPENED = "reopened"
    ERASED = "erased"
    MAILED = "mailed"  # Mailed
    OTHER = "other"  # Unread, of another release


@dataclass(frozen=True, slots=True)
class Prioritised:
    priority: Priority


@dataclass(frozen=True, slots=True)
class Mailed:
    template: TicketEmail
    result: Result


@dataclass(frozen=True, slots=True)
class TicketEvent:
    """`person`: the account that acted, or "system"."""

    at: datetime
    kind: TicketEventKind
    person: str = ""
    details: Prioritised | Mailed | Unread | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """`id` comes from the form, so that sending it twice makes one message. `promised`: until when its writer was
    promised an answer. `person`: the account that wrote it, if it is ours."""

    id: str
    at: datetime
    author: Author
    text: bytes
    person: str = ""
    promised: datetime | None = None

    @property
    def is_seen_by_customer(self) -> bool:
        return self.author in (Author.CUSTOMER, Author.OWNER)


@dataclass(frozen=True, slots=True)
class Ticket:
    """`id` is the number people use. `token` opens the page of a person without a booking, whose address is `email`.

    `since`: since when our answer is due. `promised`: until when it was promised to the customer; a promise stands even
    if the priority is lowered later.
    """

    id: str
    token: str
    key: bytes
    created_at: datetime
    topic: Topic
    priority: Priority
    booking_id: str = ""
    email: bytes = b""
    email_index: str = ""  # blind index of `email`
    subject: bytes = b""
    state: TicketState = TicketState.OPEN
    messages: tuple[Message, ...] = ()
    since: datetime | None = None
    promised: datetime | None = None
    done_at: datetime | None = None
    assigned: str = ""  # the responsible account
    language: str = ENGLISH  # in which its customer reads pages and mails
    outbox: tuple[OutboxItem[TicketTask], ...] = ()
    history: tuple[TicketEvent, ...] = ()
    version: int = 0

    @property
    def due(self) -> datetime | None:
        """When our answer is due; None if it is not our turn."""
        if self.state is not TicketState.OPEN or self.since is None:
            return None
        by_priority = self.since + REPLY_WITHIN[self.priority]
        return min(by_priority, self.promised) if self.promised else by_priority

    @property
    def mail_due(self) -> datetime | None:
        return min((item.due for item in self.outbox), default=None)

    @property
    def has_customer(self) -> bool:
        """True if there is somebody to answer."""
        return bool(self.booking_id or self.email)

    @property
    def is_forgotten(self) -> bool:
        return not self.key

    def is_late(self, now: datetime) -> bool:
        return self.due is not None and now >= self.due

    def has(self, message_id: str) -> bool:
        return any(message.id == message_id for message in self.messages)

    def noted(
        self,
        at: datetime,
        kind: TicketEventKind,
        person: str = "",
        details: Prioritised | Mailed | None = None,
    ) -> "Ticket":
        return replace(self, history=(*self.history, TicketEvent(at, kind, person, details)))

    def owing(self, due: datetime, template: TicketEmail, subject_id: str) -> "Ticket":
        return replace(self, outbox=(*self.outbox, OutboxItem(SendTicketEmail(template, subject_id), due)))

    def not_owing(self, template: TicketEmail) -> "Ticket":
        return replace(self, outbox=tuple(item for item in self.outbox if not _is(item.task, template)))


def _is(task: TicketTask, template: TicketEmail) -> bool:
    return isinstance(task, SendTicketEmail) and task.template is template


def checked_text(text: str, name: str = "text", longest: int = LONGEST_TEXT) -> str:
    """The text as it is stored, with line ends unified. Raises Invalid."""
    text = text.replace("\r\n", "\n").strip()
    if not text:
        raise Invalid("Please write something.", {name: "Please write something."})
    if len(text) > longest:
        message = Text.of(
            "At most {most} letters, please; these are {there}.", most=f"{longest:,}", there=f"{len(text):,}"
        )
        raise Invalid(message, {name: message})
    return text


def first_priority(topic: Topic, booking: Booking | None, now: datetime) -> Priority:
    """The initial priority, by topic and the booking's state."""
    if booking is None:
        return Priority.LOW if topic is Topic.OTHER else Priority.MEDIUM
    paid_for_nothing = booking.state is State.PAID or any(refund.is_stuck for refund in booking.refunds)
    if paid_for_nothing or Flag.NEEDS_OWNER in booking.flags:
        return Priority.CRITICAL
    call_is_near = booking.state is State.CONFIRMED and booking.slot and booking.slot.span.start - now < SOON
    if call_is_near and booking.slot and now < booking.slot.span.end:
        return Priority.HIGH
    match topic:
        case Topic.PAYMENT_DELAYED | Topic.PAYMENT_FAILED:
            return Priority.HIGH
        case Topic.REFUND_REQUEST | Topic.CALL:
            return Priority.MEDIUM
    return Priority.LOW


# --- messages -------------------------------------------------------------------------------------------------------


def customer_wrote(ticket: Ticket, message: Message, now: datetime) -> Ticket:
    """The customer wrote: tell the owner and promise an answer."""
    if ticket.has(message.id):
        return ticket
    _refuse_more(ticket)
    promised = ticket.promised if ticket.state is TicketState.OPEN else None
    promised = promised or now + REPLY_WITHIN[ticket.priority]
    since = ticket.since if ticket.state is TicketState.OPEN and ticket.since else now
    ticket = _with(ticket, replace(message, promised=promised))
    ticket = replace(ticket, state=TicketState.OPEN, since=since, promised=promised, done_at=None)
    ticket = _watched(ticket.noted(now, TicketEventKind.CUSTOMER_WROTE))
    is_told = any(_is(item.task, TicketEmail.TO_OWNER) for item in ticket.outbox)  # that mail covers this one too
    return ticket if is_told else ticket.owing(now, TicketEmail.TO_OWNER, message.id)


def answered(ticket: Ticket, message: Message, seen: int, now: datetime, *, done: bool) -> Ticket:
    """Our answer, mailed to the customer. `seen`: how many messages the page showed when it was written. Raises
    Conflict."""
    if ticket.has(message.id):
        return ticket
    if not ticket.has_customer:
        raise Conflict("There is nobody to answer: this ticket is for ourselves. Write a note instead.")
    _refuse_unseen(ticket, seen)
    _refuse_more(ticket)
    ticket = _with(ticket, message).not_owing(TicketEmail.LATE)
    ticket = replace(ticket, state=TicketState.WAITING, since=None, promised=None, done_at=None)
    ticket = ticket.noted(now, TicketEventKind.ANSWERED, message.person).owing(now, TicketEmail.ANSWER, message.id)
    return _ended(ticket, now, message.person) if done else ticket


def noted_for_us(ticket: Ticket, message: Message, now: datetime) -> Ticket:
    """Add an internal note; nothing else changes, the customer still waits."""
    if ticket.has(message.id):
        return ticket
    _refuse_more(ticket)
    return _with(ticket, message).noted(now, TicketEventKind.NOTE_WRITTEN, message.person)


def begun_by_us(ticket: Ticket, message: Message, now: datetime) -> Ticket:
    """A ticket opened by the owner: a first message to a customer, or a note to self."""
    if ticket.has_customer:
        ticket = _with(ticket, message).noted(now, TicketEventKind.BEGUN, message.person)
        return replace(ticket, state=TicketState.WAITING).owing(now, TicketEmail.ANSWER, message.id)
    ticket = _with(ticket, replace(message, author=Author.NOTE)).noted(now, TicketEventKind.BEGUN, message.person)
    return _watched(replace(ticket, since=now))


# --- managing the ticket --------------------------------------------------------------------------------------------


def prioritised(ticket: Ticket, priority: Priority, person: str, now: datetime) -> Ticket:
    if ticket.priority is priority:
        return ticket
    return _watched(
        replace(ticket, priority=priority).noted(now, TicketEventKind.PRIORITY, person, Prioritised(priority))
    )


def taken(ticket: Ticket, assigned: str, person: str, now: datetime) -> Ticket:
    """Assign it to an account; "" unassigns it."""
    if ticket.assigned == assigned:
        return ticket
    return replace(ticket, assigned=assigned).noted(
        now, TicketEventKind.TAKEN if assigned else TicketEventKind.GIVEN_BACK, person
    )


def closed(ticket: Ticket, seen: int, person: str, now: datetime) -> Ticket:
    """Close the ticket. A customer who wrote last and got no answer is told by mail. Raises Conflict."""
    if ticket.state is TicketState.DONE:
        return ticket
    _refuse_unseen(ticket, seen)
    untold = is_told_of_closing(ticket)
    ticket = _ended(ticket, now, person)
    return ticket.owing(now, TicketEmail.CLOSED, str(len(ticket.history))) if untold else ticket


def is_told_of_closing(ticket: Ticket) -> bool:
    """True if the customer wrote last without an answer, so that closing is mailed."""
    spoken = [message for message in ticket.messages if message.is_seen_by_customer]
    return bool(spoken) and spoken[-1].author is Author.CUSTOMER and ticket.has_customer


def reopened(ticket: Ticket, person: str, now: datetime) -> Ticket:
    if ticket.state is TicketState.OPEN:
        return ticket
    ticket = replace(ticket, state=TicketState.OPEN, since=now, promised=None, done_at=None)
    return _watched(ticket.noted(now, TicketEventKind.REOPENED, person))


def forgotten(ticket: Ticket, now: datetime) -> Ticket:
    """Remove the key and all content: only the fact that there was a ticket stays."""
    if ticket.is_forgotten:
        return ticket
    messages = tuple(replace(message, text=b"") for message in ticket.messages)
    ticket = replace(ticket, key=b"", email=b"", email_index="", subject=b"", messages=messages, outbox=())
    return replace(ticket, state=TicketState.DONE, done_at=ticket.done_at or now).noted(now, TicketEventKind.ERASED)


def _with(ticket: Ticket, message: Message) -> Ticket:
    return replace(ticket, messages=(*ticket.messages, message))


def _ended(ticket: Ticket, now: datetime, person: str) -> Ticket:
    ticket = replace(ticket.not_owing(TicketEmail.LATE), state=TicketState.DONE, since=None, promised=None, done_at=now)
    return ticket.noted(now, TicketEventKind.CLOSED, person)


def _watched(ticket: Ticket) -> Ticket:
    """Schedule the mail to the owner for when our answer is late."""
    ticket = ticket.not_owing(TicketEmail.LATE)
    return ticket.owing(ticket.due, TicketEmail.LATE, str(len(ticket.history))) if ticket.due else ticket


def _refuse_unseen(ticket: Ticket, seen: int) -> None:
    if any(message.author is Author.CUSTOMER for message in ticket.messages[seen:]):
        raise Conflict("The customer wrote again meanwhile. Please read it first; what you wrote is still here.")


def _refuse_more(ticket: Ticket) -> None:
    if ticket.is_forgotten:
        raise Conflict("What was said here has been erased.")
    if len(ticket.messages) >= MOST_MESSAGES:
        raise TooMany(
            Text.of("This conversation has {most} messages already. Please begin a new one.", most=MOST_MESSAGES)
        )


# --- pending mails: leased before they are sent, removed after ------------------------------------------------------


def claimed(ticket: Ticket, task: TicketTask, now: datetime) -> Ticket:
    return replace(ticket, outbox=leased(ticket.outbox, task, now))


def mailed(ticket: Ticket, task: TicketTask, now: datetime, result: Result) -> Ticket:
    if not any(item.task == task for item in ticket.outbox):
        return ticket
    ticket = replace(ticket, outbox=without(ticket.outbox, task))
    if isinstance(task, UnknownTask):
        return ticket
    return ticket.noted(now, TicketEventKind.MAILED, details=Mailed(task.template, result))


def mail_failed(ticket: Ticket, task: TicketTask, now: datetime, *, for_good: bool) -> Ticket:
    """Retry with growing delays. If an answer cannot be delivered, the ticket is reopened."""
    failed = next((item for item in ticket.outbox if item.task == task), None)
    if failed is None:
        return ticket
    if for_good or failed.tries >= MOST_MAIL_TRIES:
        ticket = mailed(ticket, task, now, Result.GIVEN_UP)
        return reopened(ticket, "system", now) if _is(task, TicketEmail.ANSWER) else ticket
    return replace(ticket, outbox=put_off(ticket.outbox, task, now))
