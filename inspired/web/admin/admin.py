"""The door of the owner's pages, and one booking with its whole history. Lists: listing.py; what is new: today.py."""

from datetime import UTC, datetime

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from inspired.adapters.crypto.vault import CannotDecrypt
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.customer_links import without_links
from inspired.domain.shared.errors import Invalid, TooMany
from inspired.flows.accounts import authentication
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import delivery
from inspired.services import Services
from inspired.web.admin import timeline
from inspired.web.shared import auth, rate_limits
from inspired.web.shared.current import services, visitor_address
from inspired.web.shared.htmx import go

BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
UNREADABLE = {"email": "cannot be read", "name": "cannot be read"}

bp = Blueprint("admin", __name__, url_prefix="/admin")
api_bp = Blueprint("admin_api", __name__, url_prefix="/api/admin")


bp.before_request(auth.admit)
api_bp.before_request(auth.admit_api)


@bp.get("/login")
def login() -> ResponseReturnValue:
    if auth.who(services()) is not None:
        return redirect(url_for("today.today"), 303)
    return render_template("admin/login.html", goal=auth.own_page(request.args.get("next", "")))


@bp.post("/login")
@rate_limits.logging_in
def enter() -> ResponseReturnValue:
    email, password = request.form.get("email", ""), request.form.get("password", "")
    goal = auth.own_page(request.form.get("next", ""))
    svc, address = services(), visitor_address()
    try:
        rate_limits.guessing.count(svc, auth.account_key(svc, email))
    except TooMany:
        authentication.refused(svc, email, address)
        raise
    person = authentication.log_in(svc, email, password, address)
    if person is not None:
        return redirect(auth.begin(svc, person, goal), 303)
    message = "E-mail or password is wrong."
    return render_template("admin/login.html", goal=goal, email=email[:254], message=message), 403


@bp.get("/again")
def again() -> str:
    """Before money is returned or data taken out, whoever is here proves it once more."""
    return render_template("admin/again.html", goal=auth.own_page(request.args.get("next", "")))


@bp.post("/again")
@rate_limits.proving
def prove_again() -> ResponseReturnValue:
    svc, goal = services(), auth.own_page(request.form.get("next", ""))
    try:
        auth.guess_password(svc, request.form.get("password", ""), "password")
    except Invalid:
        return render_template("admin/again.html", goal=goal, message="The password is wrong."), 403
    svc.sessions.freshened(auth.session_of(svc).id, svc.now())
    return redirect(goal, 303)


@bp.post("/logout")
def logout() -> ResponseReturnValue:
    auth.log_out(services())
    return redirect(url_for("admin.login"), 303)


@bp.get("/bookings/<booking_id>")
def booking(booking_id: str) -> str:
    svc = services()
    return booking_page(svc, svc.bookings.get(booking_id))


def booking_page(svc: Services, booking: Booking, message: str = "") -> str:
    person = person_of(svc, booking)
    return render_template(
        "admin/booking.html",
        booking=booking,
        person=person,
        answers=answers_to(svc, booking),
        message=message,
        now=svc.now(),
        **timeline.of_page(svc, booking),
    )


@bp.post("/bookings/<booking_id>/no-show")
def no_show(booking_id: str) -> ResponseReturnValue:
    svc, came = services(), request.form.get("came") == "yes"
    booking_flow.no_show(svc, booking_id, came=came)
    auth.note(svc, "came" if came else "no_show", booking_id)
    what = "the customer came after all" if came else "the customer did not come"
    return go(url_for("admin.booking", booking_id=booking_id), said=f"Written down: {what}. No money moves by it.")


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
