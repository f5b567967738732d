"""Template helpers for tickets and promises: their messages, and decrypted tickets."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from flask import Flask

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.customer_links import without_links
from inspired.domain.sentences import owner_pages
from inspired.domain.sentences.customer import said
from inspired.domain.shared.messages import Message, MessageId
from inspired.domain.support.promises import Promise
from inspired.domain.support.tickets import (
    REPLY_WITHIN,
    Priority,
    Ticket,
    TicketState,
    Topic,
)
from inspired.flows.support import promising, tickets
from inspired.flows.support.tickets import Said
from inspired.services import Services
from inspired.web.shared.current import services

OF_TOPIC = {
    Topic.PAYMENT_DELAYED: MessageId.TOPIC_PAYMENT_DELAYED,
    Topic.PAYMENT_FAILED: MessageId.TOPIC_PAYMENT_FAILED,
    Topic.REFUND_REQUEST: MessageId.TOPIC_REFUND,
    Topic.CALL: MessageId.TOPIC_CALL,
    Topic.OTHER: MessageId.TOPIC_OTHER,
}
SUBJECTS = {
    Topic.PAYMENT_DELAYED: MessageId.SUBJECT_PAYMENT_DELAYED,
    Topic.PAYMENT_FAILED: MessageId.SUBJECT_PAYMENT_FAILED,
    Topic.REFUND_REQUEST: MessageId.SUBJECT_REFUND,
    Topic.CALL: MessageId.SUBJECT_CALL,
    Topic.OTHER: MessageId.SUBJECT_OTHER,
}
FOR_CUSTOMER = {
    TicketState.OPEN: MessageId.TICKET_OPEN,
    TicketState.WAITING: MessageId.TICKET_ANSWERED,
    TicketState.DONE: MessageId.TICKET_DONE,
}
TONES = {TicketState.OPEN: "wait", TicketState.WAITING: "good", TicketState.DONE: "quiet"}
PRIORITY_TONES = {Priority.LOW: "quiet", Priority.MEDIUM: "quiet", Priority.HIGH: "wait", Priority.CRITICAL: "bad"}


@dataclass(frozen=True, slots=True)
class Shown:
    """A decrypted ticket. `said` is empty if this reader may see no message."""

    ticket: Ticket
    subject: str
    said: list[Said]


def init_app(app: Flask) -> None:
    app.jinja_env.filters.update(
        topic=lambda topic: said(Message(OF_TOPIC[topic])),
        state_for_us=owner_pages.TICKET_STATES.__getitem__,
        state_for_customer=lambda state: said(Message(FOR_CUSTOMER[state])),
        ticket_tone=TONES.__getitem__,
        priority_tone=PRIORITY_TONES.__getitem__,
        author=owner_pages.AUTHORS.__getitem__,
        ticket_event=owner_pages.ticket_event,
        within=within,
        until=until,
        promise=owner_pages.PROMISES.__getitem__,
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
    return tickets.subject_of(svc, ticket) or said(Message(SUBJECTS[ticket.topic]))


def promised_to(booking: Booking) -> list[Promise]:
    return promising.of_booking(services(), booking)


def tickets_of(booking: Booking) -> list[Shown]:
    svc = services()
    return [shown(svc, one, for_customer=False) for one in svc.tickets.of_booking(booking.id)]


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
