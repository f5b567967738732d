"""One booking with its whole history. Lists: bookings.py; actions on it: owner_actions.py."""

from datetime import UTC, datetime

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from inspired.adapters.crypto.vault import CannotDecrypt
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.customer_links import without_links
from inspired.domain.shared.errors import Refusal
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import delivery
from inspired.services import Services
from inspired.web.admin import timeline
from inspired.web.shared import auth
from inspired.web.shared.current import services
from inspired.web.shared.htmx import go

BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
UNREADABLE = {"email": "cannot be read", "name": "cannot be read"}

bp = Blueprint("booking_details", __name__, url_prefix="/admin")
bp.before_request(auth.admit)


@bp.get("/bookings/<booking_id>")
def booking(booking_id: str, refusal: Refusal | None = None) -> str:
    svc = services()
    found = svc.bookings.get(booking_id)
    return render_template(
        "admin/booking_details/booking.html",
        booking=found,
        person=person_of(svc, found),
        answers=answers_to(svc, found),
        message=str(refusal) if refusal else "",
        now=svc.now(),
        **timeline.of_page(svc, found),
    )


@bp.post("/bookings/<booking_id>/no-show")
def no_show(booking_id: str) -> ResponseReturnValue:
    svc, came = services(), request.form.get("came") == "yes"
    booking_flow.no_show(svc, booking_id, came=came)
    auth.note(svc, "came" if came else "no_show", booking_id)
    what = "the customer came after all" if came else "the customer did not come"
    return go(
        url_for("booking_details.booking", booking_id=booking_id), said=f"Written down: {what}. No money moves by it."
    )


def person_of(svc: Services, booking: Booking) -> dict[str, str]:
    try:
        return delivery.opened(svc, booking)
    except CannotDecrypt:
        return UNREADABLE


def answers_to(svc: Services, booking: Booking) -> list[tuple[str, str]]:
    try:
        return [(question, without_links(answer)) for question, answer in delivery.answers_of(svc, booking)]
    except CannotDecrypt:
        return []
