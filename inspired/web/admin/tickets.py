"""Tickets in the admin area: lists, one conversation beside its booking, and open promises."""

from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from inspired.adapters.crypto.vault import CannotDecrypt
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.status import iso
from inspired.domain.sentences.ready_answers import Ready, ready_answers
from inspired.domain.shared.errors import Invalid, Refusal
from inspired.domain.support.tickets import Priority, Ticket, is_told_of_closing
from inspired.flows.support import promising, tickets
from inspired.flows.support.tickets import Sent
from inspired.services import Services
from inspired.web.admin.booking_details import BEGINNING, UNREADABLE, person_of
from inspired.web.shared import auth, parsing
from inspired.web.shared.current import services
from inspired.web.shared.display_tickets import Shown, shown
from inspired.web.shared.forms import BeginForm, OwnAnswerForm, TicketForm, read
from inspired.web.shared.htmx import go
from inspired.web.shared.refusals import refusals_shown_by

PER_PAGE = 50
LISTS = {
    "open": "Open",
    "mine": "Mine",
    "late": "Late",
    "waiting": "Waiting for the customer",
    "done": "Done",
}

SAID = {
    "answer": "Your answer goes out to the customer by mail.",
    "answer-done": "Your answer goes out to the customer by mail, and the ticket is done.",
    "note": "Your note is kept. The customer does not see it.",
    "take": "You look after this ticket now.",
    "back": "Nobody looks after this ticket now.",
    "priority": "The priority is changed, and with it when an answer is due.",
    "done": "The ticket is done.",
    "open": "The ticket is open again.",
}

bp = Blueprint("tickets", __name__, url_prefix="/admin")
bp.before_request(auth.admit)


# --- the lists ------------------------------------------------------------------------------------------------------


@bp.get("/tickets")
def index() -> str:
    svc = services()
    chosen = request.args.get("show", "open")
    chosen = chosen if chosen in LISTS else "open"
    found, more = _listed(svc, chosen, _beyond())
    names, bookings = (
        names_of(svc),
        {booking.id: booking for booking in svc.bookings.among(sorted({ticket.booking_id for ticket in found} - {""}))},
    )
    rows = [
        (_shown(svc, ticket), _about(svc, ticket, bookings.get(ticket.booking_id)), names.get(ticket.assigned))
        for ticket in found
    ]
    return render_template(
        "admin/tickets/tickets.html", rows=rows, lists=LISTS, chosen=chosen, more=iso(more), now=svc.now()
    )


def _listed(svc: Services, chosen: str, beyond: datetime | None) -> tuple[list[Ticket], datetime | None]:
    """A page of one list, and where the next starts: after a due time, or before the moment of the last message."""
    now, me = svc.now(), auth.session_of(svc).person_id
    after, before = beyond or BEGINNING, beyond or now + timedelta(minutes=1)
    match chosen:
        case "waiting":
            found = svc.tickets.waiting(before, PER_PAGE)
            return found, found[-1].messages[-1].at if len(found) == PER_PAGE else None
        case "done":
            found = svc.tickets.done(before, PER_PAGE)
            return found, found[-1].done_at if len(found) == PER_PAGE else None
        case "mine":
            found = svc.tickets.owed(after, PER_PAGE, assigned=me)
            if beyond is None:
                found += svc.tickets.waiting(before, PER_PAGE, assigned=me)
        case "late":
            found = svc.tickets.owed(after, PER_PAGE, before=now)
        case _:
            found = svc.tickets.owed(after, PER_PAGE)
    owed = [ticket.due for ticket in found if ticket.due]
    return found, owed[-1] if len(owed) == PER_PAGE else None


def _beyond() -> datetime | None:
    text = request.args.get("beyond", "")
    if not text:
        return None
    moment = parsing.moment(text)
    if moment is None:
        raise Invalid("“beyond” is a moment such as 2026-11-23T14:02:00Z.", {"beyond": "is not a moment"})
    return max(moment, BEGINNING)


def _about(svc: Services, ticket: Ticket, booking: Booking | None) -> str:
    """Who wrote it."""
    if booking is not None:
        return person_of(svc, booking)["name"]
    try:
        return tickets.address_of(svc, ticket)
    except CannotDecrypt:
        return UNREADABLE["email"]


def names_of(svc: Services) -> dict[str, str]:
    """The accounts' email addresses by id."""
    return {person.id: person.email for person in svc.people.all()}


# --- one ticket -----------------------------------------------------------------------------------------------------


@bp.get("/tickets/<number>")
def ticket(number: str, refusal: Refusal | None = None) -> str:
    svc = services()
    return _page(svc, svc.tickets.get(number), refusal)


@bp.post("/tickets/<number>/answer")
@refusals_shown_by(ticket)
def ticket_submit(number: str) -> ResponseReturnValue:
    svc = services()
    person, form = auth.here(svc), read(OwnAnswerForm, request.form)
    sent = Sent(form.text, form.form_token, form.seen)
    if form.do == "note":
        tickets.note(svc, person, number, sent)
    else:
        tickets.answer(svc, person, number, sent, done=form.do == "done")
    return go(url_for("tickets.ticket", number=number), said=SAID[form.do if form.do != "done" else "answer-done"])


@bp.post("/tickets/<number>")
@refusals_shown_by(ticket)
def change(number: str) -> ResponseReturnValue:
    svc = services()
    person, form = auth.here(svc), read(TicketForm, request.form)
    tells = form.do == "done" and is_told_of_closing(svc.tickets.get(number))
    match form.do:
        case "take" | "back":
            tickets.take(svc, person, number, back=form.do == "back")
        case "priority":
            tickets.prioritise(svc, person, number, form.priority)
        case "done":
            tickets.close(svc, person, number, form.seen)
        case "open":
            tickets.reopen(svc, person, number)
    said = SAID[form.do] + (" The customer is told by mail." if tells else "")
    return go(url_for("tickets.ticket", number=number), said=said)


def _page(svc: Services, ticket: Ticket, refusal: Refusal | None = None) -> str:
    booking = svc.bookings.get(ticket.booking_id) if ticket.booking_id else None
    person = person_of(svc, booking) if booking else {"name": "", "email": _about(svc, ticket, None)}
    ready = ready_answers(booking, person["name"] if person is not UNREADABLE else "", svc.now())
    return render_template(
        "admin/tickets/ticket.html",
        one=_shown(svc, ticket),
        booking=booking,
        person=person,
        names=names_of(svc),
        me=auth.session_of(svc).person_id,
        priorities=list(Priority),
        ready=ready,
        is_told_of_closing=is_told_of_closing(ticket),
        text=request.form.get("text", "") if refusal else _ready_text(ready),
        **_form(svc, refusal),
    )


def _ready_text(ready: list[Ready]) -> str:
    return next((answer.text for answer in ready if answer.id == request.args.get("ready", "")), "")


def _form(svc: Services, refusal: Refusal | None) -> dict[str, Any]:
    return {
        "now": svc.now(),
        "request_token": svc.new_token(),
        "errors": refusal.fields if isinstance(refusal, Invalid) else {},
        "message": str(refusal) if refusal else "",
    }


def _shown(svc: Services, ticket: Ticket) -> Shown:
    return shown(svc, ticket, for_customer=False)


# --- promises -------------------------------------------------------------------------------------------------------


@bp.get("/promises")
def promises() -> str:
    """Promises to customers with a deadline that are not kept yet, soonest due first."""
    svc = services()
    rows = [(owed, _who(svc, owed)) for owed in promising.owed(svc)]
    return render_template("admin/tickets/promises.html", rows=rows, now=svc.now())


def _who(svc: Services, owed: promising.Owed) -> str:
    if owed.booking is not None:
        return person_of(svc, owed.booking)["name"]
    return _about(svc, owed.ticket, None) if owed.ticket else ""


# --- tickets opened by us -------------------------------------------------------------------------------------------


@bp.get("/tickets/new")
def new(refusal: Refusal | None = None) -> str:
    svc = services()
    booking_id = request.values.get("booking", "")
    booking = svc.bookings.get(booking_id) if booking_id else None
    return render_template(
        "admin/tickets/ticket_new.html",
        booking=booking,
        person=person_of(svc, booking) if booking else None,
        priorities=list(Priority),
        values=request.form.to_dict() if refusal else {},
        **_form(svc, refusal),
    )


@bp.post("/tickets/new")
@refusals_shown_by(new)
def new_submit() -> ResponseReturnValue:
    svc = services()
    booking_id = request.form.get("booking", "")
    booking = svc.bookings.get(booking_id) if booking_id else None
    form = read(BeginForm, request.form)
    sent = Sent(form.text, form.form_token)
    begun = tickets.begin(svc, auth.here(svc), booking, form.subject, sent, form.priority)
    goes = " It goes to the customer by mail." if begun.has_customer else ""
    return go(url_for("tickets.ticket", number=begun.id), said=f"The ticket is begun.{goes}")
