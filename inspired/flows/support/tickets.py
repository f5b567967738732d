"""Tickets: a customer writes, the owner answers, and each answer is mailed. Texts are sealed here."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from inspired.adapters.crypto.vault import CannotDecrypt
from inspired.adapters.mail.smtp import Mail
from inspired.adapters.process.languages import language
from inspired.domain.accounts.people import Person
from inspired.domain.booking.balance import received_of
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.outbox import Result, UnknownTask
from inspired.domain.sentences import rails
from inspired.domain.shared.errors import Busy, Conflict, NotFound, TooMany, UpstreamError
from inspired.domain.shared.languages import ENGLISH, Text, current, reading
from inspired.domain.support import tickets
from inspired.domain.support.tickets import (
    Author,
    Message,
    Priority,
    Ticket,
    TicketEmail,
    TicketState,
    TicketTask,
    Topic,
)
from inspired.flows.booking import delivery
from inspired.flows.shared import owner_notifications
from inspired.services import Services

LETTERS_TO_OWNER = {TicketEmail.TO_OWNER: "ticket_new", TicketEmail.LATE: "ticket_late"}
log = structlog.get_logger()
MOST_NUMBERS_TRIED = 50
LOST = "cannot be read"


# --- the customer ---------------------------------------------------------------------------------------------------


def write(svc: Services, booking: Booking, topic: Topic, text: str, request: str) -> Ticket:
    """A question about a booking, from its page. `request` identifies the form, so that sending it twice makes one
    ticket."""
    if booking.sealed is None:
        raise Conflict("We have no mail address for this booking. Please use the contact form.")
    text = tickets.checked_text(text)
    token = svc.vault.fingerprint("ticket", f"{booking.id} {request}")
    ticket = _new(svc, topic, tickets.first_priority(topic, booking, svc.now()), token)
    ticket = _with_facts(svc, replace(ticket, booking_id=booking.id), booking)
    return _begun(svc, ticket, svc.tickets.of_booking(booking.id), text, request)


def write_as_stranger(svc: Services, email: str, topic: Topic, text: str, request: str) -> Ticket:
    """From the contact form. Only the owner's answer is sent to the address, since nobody has proven that it is
    theirs."""
    text = tickets.checked_text(text)
    index = svc.vault.blind_index("ticket", email)
    ticket = _new(
        svc,
        topic,
        tickets.first_priority(topic, None, svc.now()),
        svc.vault.fingerprint("ticket", f"{index} {request}"),
    )
    sealed = svc.vault.seal(ticket.key, ticket.id, "email", email.strip())
    ticket = replace(ticket, email=sealed, email_index=index)
    return _begun(svc, ticket, svc.tickets.of_stranger(index), text, request)


def write_again(svc: Services, ticket: Ticket, text: str, request: str) -> Ticket:
    text = tickets.checked_text(text)
    return _changed(
        svc, ticket.id, lambda t: tickets.customer_wrote(t, _sealed(svc, t, Author.CUSTOMER, text, request), svc.now())
    )


def of_booking(svc: Services, booking: Booking, number: str) -> Ticket:
    """Raises NotFound if the ticket belongs to another booking."""
    ticket = svc.tickets.get(number)
    if ticket.booking_id != booking.id:
        raise NotFound("There is no such ticket.")
    return ticket


def of_stranger(svc: Services, token: str) -> Ticket:
    ticket = svc.tickets.by_token(token)
    if ticket.booking_id or not ticket.email:
        raise NotFound("This link is not valid.")
    return ticket


def _begun(svc: Services, ticket: Ticket, others: list[Ticket], text: str, request: str) -> Ticket:
    known = [other for other in others if other.token == ticket.token]
    if known:
        return known[0]
    if sum(other.state is not TicketState.DONE for other in others) >= tickets.MOST_OPEN:
        raise TooMany(
            Text.of(
                "{most} questions of yours are open already. Please write on in one of them.", most=tickets.MOST_OPEN
            )
        )
    return _added(
        svc, ticket, lambda t: tickets.customer_wrote(t, _sealed(svc, t, Author.CUSTOMER, text, request), svc.now())
    )


def _with_facts(svc: Services, ticket: Ticket, booking: Booking) -> Ticket:
    """Record the booking's state at that moment, for the person who answers."""
    parts = [f"The booking was {booking.state}"]
    parts += [f"flagged {', '.join(sorted(booking.flags))}"] if booking.flags else []
    parts += [f"{received_of(booking).shown} received of {booking.price.shown}"]
    parts += [
        f"order {order.trade_no} {order.status or f'not known to {rails.of(order.rail).rail}'}"
        + (f", transaction {order.transaction_id}" if order.transaction_id else "")
        for order in booking.orders
    ]
    message = _sealed(svc, ticket, Author.SYSTEM, f"{'; '.join(parts)}.", svc.new_token())
    return replace(ticket, messages=(message,))


# --- the owner ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sent:
    """A text from one of the owner's forms. `seen`: how many messages its page showed; `request` identifies the
    form."""

    text: str
    request: str
    seen: int = 0


def begin(
    svc: Services, person: Person, booking: Booking | None, subject: str, sent: Sent, priority: Priority
) -> Ticket:
    """Start a ticket: a first message to a customer, or without a booking a note to self."""
    text = tickets.checked_text(sent.text)
    subject = tickets.checked_text(subject, "subject", tickets.LONGEST_SUBJECT)
    about = booking.id if booking else person.id
    ticket = _new(svc, Topic.OTHER, priority, svc.vault.fingerprint("ticket", f"{about} {sent.request}"))
    ticket = replace(
        ticket,
        booking_id=booking.id if booking else "",
        language=booking.language if booking else ENGLISH,
        subject=svc.vault.seal(ticket.key, ticket.id, "subject", subject),
        assigned=person.id,
    )
    message = _sealed(svc, ticket, Author.OWNER, text, sent.request, person)
    ticket = _added(svc, ticket, lambda t: tickets.begun_by_us(t, message, svc.now()))
    svc.audit.add(svc.now(), person.id, "ticket begun", ticket.id, f"booking {booking.id}" if booking else "")
    return ticket


def answer(svc: Services, person: Person, number: str, sent: Sent, *, done: bool) -> Ticket:
    """Raises Conflict if the customer wrote meanwhile."""
    text = tickets.checked_text(sent.text)

    def decide(ticket: Ticket) -> Ticket:
        message = _sealed(svc, ticket, Author.OWNER, text, sent.request, person)
        return tickets.answered(ticket, message, sent.seen, svc.now(), done=done)

    return _by(svc, person, number, "ticket answered and done" if done else "ticket answered", decide)


def note(svc: Services, person: Person, number: str, sent: Sent) -> Ticket:
    text = tickets.checked_text(sent.text)

    def decide(ticket: Ticket) -> Ticket:
        message = _sealed(svc, ticket, Author.NOTE, text, sent.request, person)
        return tickets.noted_for_us(ticket, message, svc.now())

    return _by(svc, person, number, "ticket note", decide)


def prioritise(svc: Services, person: Person, number: str, priority: Priority) -> Ticket:
    return _by(
        svc,
        person,
        number,
        "ticket priority",
        lambda t: tickets.prioritised(t, priority, person.id, svc.now()),
        str(priority),
    )


def take(svc: Services, person: Person, number: str, *, back: bool) -> Ticket:
    assigned = "" if back else person.id
    what = "ticket given back" if back else "ticket taken"
    return _by(svc, person, number, what, lambda t: tickets.taken(t, assigned, person.id, svc.now()))


def close(svc: Services, person: Person, number: str, seen: int) -> Ticket:
    return _by(svc, person, number, "ticket done", lambda t: tickets.closed(t, seen, person.id, svc.now()))


def reopen(svc: Services, person: Person, number: str) -> Ticket:
    return _by(svc, person, number, "ticket open again", lambda t: tickets.reopened(t, person.id, svc.now()))


def erase(svc: Services, booking_id: str) -> int:
    """Erase what was written about this booking; returns the number of tickets. Part of its erasure."""
    return _erased(svc, svc.tickets.of_booking(booking_id))


def erase_stranger(svc: Services, email: str) -> int:
    """The same for tickets of a person without a booking."""
    return _erased(svc, svc.tickets.of_stranger(svc.vault.blind_index("ticket", email)))


def _erased(svc: Services, tickets_: list[Ticket]) -> int:
    found = [ticket for ticket in tickets_ if not ticket.is_forgotten]
    for ticket in found:
        svc.tickets.change(ticket.id, lambda t: tickets.forgotten(t, svc.now()))
    return len(found)


def _by(
    svc: Services, person: Person, number: str, what: str, decide: Callable[[Ticket], Ticket], detail: str = ""
) -> Ticket:
    """Change the ticket, and write an audit entry if it did change."""
    before: list[Ticket] = []

    def seen(ticket: Ticket) -> Ticket:
        before[:] = [ticket]
        return decide(ticket)

    after = _changed(svc, number, seen)
    if after.version != before[0].version:
        svc.audit.add(svc.now(), person.id, what, number, detail)
    return after


# --- reading --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Said:
    at: datetime
    author: Author
    text: str
    person: str


def conversation(svc: Services, ticket: Ticket, *, for_customer: bool) -> list[Said]:
    """Decrypted, oldest first."""
    return [
        Said(message.at, message.author, _opened(svc, ticket, f"message/{message.id}", message.text), message.person)
        for message in ticket.messages
        if message.is_seen_by_customer or not for_customer
    ]


def subject_of(svc: Services, ticket: Ticket) -> str:
    """The owner's subject; "" if the topic serves as the subject."""
    return _opened(svc, ticket, "subject", ticket.subject) if ticket.subject else ""


def address_of(svc: Services, ticket: Ticket) -> str:
    """The address for answers; "" if there is none (any more). Raises CannotDecrypt."""
    if ticket.booking_id:
        return delivery.opened(svc, svc.bookings.get(ticket.booking_id))["email"]
    return svc.vault.open(ticket.key, ticket.id, "email", ticket.email) if ticket.email else ""


def page_of(svc: Services, ticket: Ticket) -> str:
    """The customer's page of this ticket."""
    if not ticket.booking_id:
        return f"{svc.settings.site_url}/help/{ticket.token}"
    return f"{svc.settings.site_url}/booking/{svc.bookings.get(ticket.booking_id).token}/help#t{ticket.id}"


def _opened(svc: Services, ticket: Ticket, field: str, sealed: bytes) -> str:
    if ticket.is_forgotten:
        return "erased"
    try:
        return svc.vault.open(ticket.key, ticket.id, field, sealed)
    except CannotDecrypt:
        return LOST


def _sealed(
    svc: Services, ticket: Ticket, author: Author, text: str, request: str, person: Person | None = None
) -> Message:
    if ticket.is_forgotten:
        raise Conflict("What was said here has been erased.")
    message_id = svc.vault.fingerprint("message", f"{ticket.id} {author} {request}")
    sealed = svc.vault.seal(ticket.key, ticket.id, f"message/{message_id}", text)
    return Message(message_id, svc.now(), author, sealed, person.id if person else "")


# --- pending mails --------------------------------------------------------------------------------------------------


def send_mails(svc: Services, number: str) -> None:
    """Send every due mail. A failed one is retried later and does not hold up the others."""
    for item in svc.tickets.get(number).outbox:
        ticket, is_ours = _claimed(svc, number, item.task)
        if is_ours:
            _mail(svc, ticket, item.task)


def _claimed(svc: Services, number: str, task: TicketTask) -> tuple[Ticket, bool]:
    """The current ticket, and whether this worker got the mail: the try is counted before sending."""

    def decide(ticket: Ticket) -> Ticket | None:
        is_due = any(item.task == task and item.due <= svc.now() for item in ticket.outbox)
        return tickets.claimed(ticket, task, svc.now()) if is_due else None

    return svc.tickets.claim(number, decide)


def _mail(svc: Services, ticket: Ticket, task: TicketTask) -> None:
    for_good = False
    try:
        result = _sent(svc, ticket, task)
    except UpstreamError as error:
        for_good = not error.retryable
        log.warning("ticket_mail_failed", ticket=ticket.id, task=task.key, error=str(error))
    except Busy:
        raise
    except Exception:
        log.exception("ticket_mail_broken", ticket=ticket.id, task=task.key)
    else:
        svc.tickets.change(ticket.id, lambda t: tickets.mailed(t, task, svc.now(), result))
        return
    svc.tickets.change(ticket.id, lambda t: tickets.mail_failed(t, task, svc.now(), for_good=for_good))


def _sent(svc: Services, ticket: Ticket, task: TicketTask) -> Result:
    if isinstance(task, UnknownTask):
        raise UpstreamError("delivery", f"nobody here knows how to send {task.key}")
    if task.template is TicketEmail.LATE and not ticket.is_late(svc.now()):
        return Result.STALE
    if task.template in LETTERS_TO_OWNER:
        letter, url = LETTERS_TO_OWNER[task.template], f"{svc.settings.site_url}/admin/tickets/{ticket.id}"
        occasion = f"{ticket.id}/{task.key}"
        owner_notifications.owner(svc, letter, occasion, number=ticket.id, priority=str(ticket.priority), url=url)
        return Result.SENT
    to = address_of(svc, ticket)
    if not to:
        return Result.NO_ADDRESS
    context = {
        "number": ticket.id,
        "text": next((said for message, said in _texts(svc, ticket) if message.id == task.subject_id), ""),
        "is_answer": any(message.author is Author.CUSTOMER for message in ticket.messages),
        "url": page_of(svc, ticket),
        "site_url": svc.settings.site_url,
    }
    with reading(language(ticket.language)):
        subject, plain, html = svc.mail_templates.write(f"ticket_{task.template}", context)
    mail_id = hashlib.sha256(f"{ticket.id}/{task.key}".encode()).hexdigest()[:32]
    svc.smtp.send(Mail(mail_id, to, subject, plain, html))
    return Result.SENT


def _texts(svc: Services, ticket: Ticket) -> list[tuple[Message, str]]:
    return [
        (message, svc.vault.open(ticket.key, ticket.id, f"message/{message.id}", message.text))
        for message in ticket.messages
    ]


# --- helpers --------------------------------------------------------------------------------------------------------


def _new(svc: Services, topic: Topic, priority: Priority, token: str) -> Ticket:
    number = _number(svc)
    return Ticket(number, token, svc.vault.new_key(number), svc.now(), topic, priority, language=current().code)


def _number(svc: Services) -> str:
    """Six random digits: short enough to say, and hiding how many tickets there are."""
    for _ in range(MOST_NUMBERS_TRIED):
        number = str(100_000 + int(svc.new_id(), 36) % 900_000)
        try:
            svc.tickets.get(number)
        except NotFound:
            return number
    raise Busy("No free number was found.")


def _added(svc: Services, ticket: Ticket, decide: Callable[[Ticket], Ticket]) -> Ticket:
    after = decide(ticket)
    if not svc.tickets.add(after):
        try:
            return svc.tickets.by_token(ticket.token)  # the same form, sent twice at once
        except NotFound:
            raise Busy("Its number was taken this very moment.") from None
    log.info("ticket", what="added", ticket=after.id, booking=after.booking_id, priority=str(after.priority))
    svc.queue.enqueue_mail("ticket_mail", after.id)
    return after


def _changed(svc: Services, number: str, decide: Callable[[Ticket], Ticket]) -> Ticket:
    after = svc.tickets.change(number, decide)
    log.info("ticket", what="changed", ticket=number, state=str(after.state), version=after.version)
    if after.mail_due is not None and after.mail_due <= svc.now():
        svc.queue.enqueue_mail("ticket_mail", number)
    return after
