"""Template helpers for tickets and promises: their texts, and decrypted tickets."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from flask import Flask

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.customer_links import without_links
from inspired.domain.sentences.owner import RESULTS
from inspired.domain.support.promises import Kind, Promise
from inspired.domain.support.tickets import (
    REPLY_WITHIN,
    Author,
    Mailed,
    Prioritised,
    Priority,
    Ticket,
    TicketEmail,
    TicketEvent,
    TicketEventKind,
    TicketState,
    Topic,
)
from inspired.flows.support import promising, tickets
from inspired.flows.support.tickets import Said
from inspired.services import Services
from inspired.web.shared.current import services

TOPICS = {
    Topic.PAYMENT_DELAYED: "I have paid, and the page does not say so",
    Topic.PAYMENT_FAILED: "I cannot pay",
    Topic.REFUND_REQUEST: "A refund",
    Topic.CALL: "Something about the call",
    Topic.OTHER: "Something else",
}
SUBJECTS = {
    Topic.PAYMENT_DELAYED: "Paid, but not shown",
    Topic.PAYMENT_FAILED: "Cannot pay",
    Topic.REFUND_REQUEST: "Money back",
    Topic.CALL: "About the call",
    Topic.OTHER: "Something else",
}
FOR_US = {TicketState.OPEN: "open", TicketState.WAITING: "waits for the customer", TicketState.DONE: "done"}
FOR_CUSTOMER = {
    TicketState.OPEN: "We answer next",
    TicketState.WAITING: "We have answered",
    TicketState.DONE: "Settled",
}
TONES = {TicketState.OPEN: "wait", TicketState.WAITING: "good", TicketState.DONE: "quiet"}
PRIORITY_TONES = {Priority.LOW: "quiet", Priority.MEDIUM: "quiet", Priority.HIGH: "wait", Priority.CRITICAL: "bad"}
AUTHORS = {
    Author.CUSTOMER: "Customer",
    Author.OWNER: "Answer",
    Author.SYSTEM: "As it was then",
    Author.NOTE: "Note, not seen by the customer",
}
EVENTS = {
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
MAILS = {
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


@dataclass(frozen=True, slots=True)
class Shown:
    """A decrypted ticket. `said` is empty if this reader may see no message."""

    ticket: Ticket
    subject: str
    said: list[Said]


def init_app(app: Flask) -> None:
    app.jinja_env.filters.update(
        topic=TOPICS.__getitem__,
        state_for_us=FOR_US.__getitem__,
        state_for_customer=FOR_CUSTOMER.__getitem__,
        ticket_tone=TONES.__getitem__,
        priority_tone=PRIORITY_TONES.__getitem__,
        author=AUTHORS.__getitem__,
        ticket_event=ticket_event,
        within=within,
        until=until,
        promise=PROMISES.__getitem__,
    )
    app.jinja_env.globals.update(promised_to=promised_to, tickets_of=tickets_of)


def shown(svc: Services, ticket: Ticket, *, for_customer: bool) -> Shown:
    """In the admin area, links that customers pasted into messages are removed."""
    title, said = subject(svc, ticket), tickets.conversation(svc, ticket, for_customer=for_customer)
    if not for_customer:
        title, said = without_links(title), [replace(one, text=without_links(one.text)) for one in said]
    return Shown(ticket, title, said)


def subject(svc: Services, ticket: Ticket) -> str:
    """The owner's subject, else the topic's."""
    return tickets.subject_of(svc, ticket) or SUBJECTS[ticket.topic]


def promised_to(booking: Booking) -> list[Promise]:
    return promising.of_booking(services(), booking)


def tickets_of(booking: Booking) -> list[Shown]:
    svc = services()
    return [shown(svc, one, for_customer=False) for one in svc.tickets.of_booking(booking.id)]


def ticket_event(event: TicketEvent) -> str:
    match event.details:
        case Mailed():
            return f"{MAILS[event.details.template]}: {RESULTS[event.details.result]}."
        case Prioritised():
            return f"Priority: {event.details.priority.lower()}."
    return EVENTS[event.kind]


def within(priority: Priority) -> str:
    """How soon an answer is due: "within 8 hours"."""
    hours = int(REPLY_WITHIN[priority] / timedelta(hours=1))
    return f"within {hours} hours" if hours % 24 else f"within {hours // 24} day{'s' if hours > 24 else ''}"


def until(moment: datetime, now: datetime) -> str:
    """ "in 3 hours", "2 days late" """
    left = moment - now
    for unit, name in ((timedelta(days=1), "day"), (timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute")):
        if number := abs(left) // unit:
            words = f"{number} {name}{'s' if number > 1 else ''}"
            return f"in {words}" if left > timedelta() else f"{words} late"
    return "now"
