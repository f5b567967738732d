"""The owner's pages, small for now: bookings and payments, and one booking with its whole history."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from flask import Blueprint, Response, jsonify, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from spectree import Response as Documented

from inspired.adapters.vault import CannotDecrypt
from inspired.domain.booking import Booking
from inspired.domain.errors import Invalid
from inspired.domain.status import iso
from inspired.flows import booking as booking_flow
from inspired.flows import delivery, door
from inspired.services import Services
from inspired.web import guards, limits
from inspired.web.api import spec
from inspired.web.current import services
from inspired.web.htmx import go
from inspired.web.schemas import PaymentsAnswer, Problem

PER_PAGE = 50
MOST_PER_PAGE = 200
WINDOW = timedelta(days=92)
log = structlog.get_logger()
OWN_PAGE = re.compile(r"/admin(/[A-Za-z0-9_-]+)*/?(\?[A-Za-z0-9=&%:.+-]*)?")
BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
UNREADABLE = {"email": "cannot be read", "name": "cannot be read"}
MOST_EVIDENCE = 300

bp = Blueprint("admin", __name__, url_prefix="/admin")
api_bp = Blueprint("admin_api", __name__, url_prefix="/api/admin")


bp.before_request(guards.admit)
api_bp.before_request(guards.admit_api)


@bp.get("/login")
def login() -> ResponseReturnValue:
    if guards.who(services()) is not None:
        return redirect(url_for("admin.bookings"), 303)
    return render_template("admin/login.html", goal=_goal(request.args.get("next", "")))


@bp.post("/login")
@limits.logging_in
def enter() -> ResponseReturnValue:
    email, password = request.form.get("email", ""), request.form.get("password", "")
    goal = _goal(request.form.get("next", ""))
    person = door.person_with(services(), email, password)
    if person is not None:
        guards.let_in(services(), person)
        return redirect(goal, 303)
    log.warning("login_refused")
    message = "E-mail or password is wrong."
    return render_template("admin/login.html", goal=goal, email=email[:254], message=message), 403


@bp.get("/again")
def again() -> str:
    """Before money is returned or data taken out, whoever is here proves it once more."""
    return render_template("admin/again.html", goal=_goal(request.args.get("next", "")))


@bp.post("/again")
@limits.logging_in
def prove_again() -> ResponseReturnValue:
    svc, goal = services(), _goal(request.form.get("next", ""))
    here = guards.session_of(svc)
    person = door.person_with(svc, svc.people.get(here.person_id).email, request.form.get("password", ""))
    if person is None or person.id != here.person_id:
        log.warning("login_refused")
        return render_template("admin/again.html", goal=goal, message="The password is wrong."), 403
    svc.sessions.freshened(here.id, svc.now())
    return redirect(goal, 303)


@bp.post("/logout")
def logout() -> ResponseReturnValue:
    guards.log_out(services())
    return redirect(url_for("admin.login"), 303)


@bp.get("/")
def bookings() -> str:
    svc = services()
    found = _page(svc, _before(svc), PER_PAGE)
    rows = [(booking, person_of(svc, booking)) for booking in found.bookings]
    waiting = len(svc.orphans.waiting()), len(svc.cases.waiting())
    return render_template(
        "admin/bookings.html",
        rows=rows,
        older=iso(found.next_before),
        waiting=waiting,
        is_open=svc.gate.is_open(),
    )


@bp.get("/bookings/<booking_id>")
def booking(booking_id: str) -> str:
    svc = services()
    return booking_page(svc, svc.bookings.get(booking_id))


def booking_page(svc: Services, booking: Booking, message: str = "") -> str:
    evidence = sorted(svc.logs.of_booking(booking.id, MOST_EVIDENCE), key=lambda one: one["at"])
    person = person_of(svc, booking)
    return render_template(
        "admin/booking.html",
        booking=booking,
        person=person,
        answers=answers_to(svc, booking),
        evidence=evidence,
        message=message,
        now=svc.now(),
    )


@bp.post("/bookings/<booking_id>/no-show")
def no_show(booking_id: str) -> ResponseReturnValue:
    booking_flow.no_show(services(), booking_id, came=request.form.get("came") == "yes")
    return go(url_for("admin.booking", booking_id=booking_id))


@api_bp.get("/payments")
@spec.validate(resp=Documented(HTTP_200=PaymentsAnswer, HTTP_401=Problem), skip_validation=True, tags=["admin"])
def payments() -> Response:
    """?before=2026-11-23T14:02:00.000Z&limit=50, newest first."""
    svc = services()
    limit = request.args.get("limit", default=PER_PAGE, type=int)
    if not 1 <= limit <= MOST_PER_PAGE:
        raise Invalid("Ask for 1 to 200 at a time.", {"limit": "must be between 1 and 200"})
    found = _page(svc, _before(svc), limit)
    body = {"payments": [_shape(one) for one in found.bookings], "nextBefore": iso(found.next_before)}
    response = make_response(jsonify(body))
    response.headers["Cache-Control"] = "no-store"
    return response


@dataclass(frozen=True, slots=True)
class Page:
    """`next_before` is where the next, older page begins; None where nothing is older."""

    bookings: list[Booking]
    next_before: datetime | None


def _page(svc: Services, before: datetime, most: int) -> Page:
    after = before - WINDOW
    found = svc.bookings.newest(before=before, after=after, most=most)
    if len(found) == most:
        return Page(found, found[-1].created_at)
    older = svc.bookings.newest(before=after, after=BEGINNING, most=1)
    return Page(found, older[0].created_at + timedelta(milliseconds=1) if older else None)


def _before(svc: Services) -> datetime:
    asked = request.args.get("before", "")
    if not asked:
        return svc.now() + timedelta(seconds=1)
    try:
        moment = datetime.fromisoformat(asked)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(moment, BEGINNING + WINDOW)
    except ValueError:
        raise Invalid("“before” is a moment such as 2026-11-23T14:02:00Z.", {"before": "is not a moment"}) from None


def person_of(svc: Services, booking: Booking) -> dict[str, str]:
    try:
        return delivery.opened(svc, booking)
    except CannotDecrypt:
        return UNREADABLE


def answers_to(svc: Services, booking: Booking) -> list[tuple[str, str]]:
    try:
        return delivery.answers_of(svc, booking)
    except CannotDecrypt:
        return []


def _goal(wanted: str) -> str:
    """Where to go after the login: one of our own pages, never another site's."""
    return wanted if OWN_PAGE.fullmatch(wanted) else url_for("admin.bookings")


def _shape(booking: Booking) -> dict[str, Any]:
    """Nothing personal: that is on the owner's pages only."""
    paid = next((one for one in booking.attempts if one.has_money), None)
    return {
        "bookingId": booking.token,
        "merchantTradeNo": booking.attempt.trade_no if booking.attempt else None,
        "meetingTypeId": booking.meeting_type.id,
        "status": str(booking.state),
        "flags": sorted(booking.flags),
        "amount": str(booking.price),
        "currency": booking.price.currency,
        "createdAt": iso(booking.created_at),
        "paidAt": iso(booking.paid_at),
        "confirmedAt": iso(booking.confirmed_at),
        "expiresAt": iso(booking.expires_at),
        "transactionId": (paid.transaction_id or None) if paid else None,
    }
