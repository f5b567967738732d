"""Support pages: the help page of a booking, the contact form, and the page of a person without a booking."""

from typing import Any

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from inspired.domain.booking.booking import Booking
from inspired.domain.shared.errors import Invalid, Refusal
from inspired.domain.support.tickets import TicketState, Topic
from inspired.flows.shared import mail_reachability
from inspired.flows.support import tickets
from inspired.services import Services
from inspired.web.shared import languages, rate_limits
from inspired.web.shared.current import services
from inspired.web.shared.display_tickets import shown
from inspired.web.shared.forms import AnswerForm, ContactForm, QuestionForm, read
from inspired.web.shared.htmx import go
from inspired.web.shared.refusals import refusals_shown_by

bp = Blueprint("support", __name__)


# --- about a booking ------------------------------------------------------------------------------------------------


@bp.get("/booking/<token>/help")
def booking(token: str, refusal: Refusal | None = None) -> str:
    svc = services()
    return _page(svc, languages.booking_of(svc, token), refusal)


@bp.post("/booking/<token>/help")
@rate_limits.writing
@refusals_shown_by(booking)
def booking_submit(token: str) -> ResponseReturnValue:
    svc = services()
    booking = languages.booking_of(svc, token)
    form = read(QuestionForm, request.form)
    ticket = tickets.write(svc, booking, form.topic, form.text, form.form_token)
    return go(_place(booking, ticket.id))


def _refused_answer(token: str, number: str, refusal: Refusal) -> str:
    svc = services()
    booking = languages.booking_of(svc, token)
    return _page(svc, booking, refusal, tickets.of_booking(svc, booking, number).id)


@bp.post("/booking/<token>/help/<number>")
@rate_limits.writing
@refusals_shown_by(_refused_answer)
def answer(token: str, number: str) -> ResponseReturnValue:
    svc = services()
    booking = languages.booking_of(svc, token)
    ticket = tickets.of_booking(svc, booking, number)
    form = read(AnswerForm, request.form)
    tickets.write_again(svc, ticket, form.text, form.form_token)
    return go(_place(booking, number))


def _place(booking: Booking, number: str) -> str:
    return url_for("support.booking", token=booking.token, _anchor=f"t{number}")


def _page(svc: Services, booking: Booking, refusal: Refusal | None = None, number: str = "") -> str:
    """`number`: the conversation whose form was refused; "" for the form of a new question."""
    found = [shown(svc, ticket, for_customer=True) for ticket in svc.tickets.of_booking(booking.id)]
    found = [shown_ticket for shown_ticket in found if shown_ticket.said]
    return render_template(
        "support/booking.html",
        booking=booking,
        tickets=found,
        may_ask=not found
        or all(shown_ticket.ticket.state is TicketState.DONE for shown_ticket in found)
        or (refusal and not number),
        refused=number,
        zone=booking.slot.zone if booking.slot else svc.settings.owner_timezone,
        **_refused(svc, refusal),
    )


def _refused(svc: Services, refusal: Refusal | None) -> dict[str, Any]:
    return {
        "topics": list(Topic),
        "request_token": svc.new_token(),
        "values": request.form.to_dict() if refusal else {},
        "errors": refusal.fields if isinstance(refusal, Invalid) else {},
        "message": str(refusal) if refusal else "",
    }


# --- without a booking ----------------------------------------------------------------------------------------------


@bp.get("/help")
def contact(refusal: Refusal | None = None) -> str:
    return render_template("support/contact.html", **_refused(services(), refusal))


@bp.post("/help")
@rate_limits.writing
@refusals_shown_by(contact)
def contact_submit() -> ResponseReturnValue:
    svc = services()
    form = read(ContactForm, request.form)
    mail_reachability.refuse_unreachable(svc, form.email, "email")
    ticket = tickets.write_as_stranger(svc, form.email, form.topic, form.text, form.form_token)
    return go(url_for("support.conversation", token=ticket.token))


@bp.get("/help/<token>")
def conversation(token: str, refusal: Refusal | None = None) -> str:
    svc = services()
    one = shown(svc, tickets.of_stranger(svc, token), for_customer=True)
    zone = svc.settings.owner_timezone
    return render_template("support/conversation.html", one=one, zone=zone, **_refused(svc, refusal))


@bp.post("/help/<token>")
@rate_limits.writing
@refusals_shown_by(conversation)
def conversation_submit(token: str) -> ResponseReturnValue:
    svc = services()
    ticket = tickets.of_stranger(svc, token)
    form = read(AnswerForm, request.form)
    tickets.write_again(svc, ticket, form.text, form.form_token)
    return go(url_for("support.conversation", token=token))
