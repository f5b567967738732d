"""Allowances above the payment limit per customer: listed, granted and revoked by the owner."""

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from inspired.domain.catalogue.meeting_types import LIMIT
from inspired.domain.reporting.payment_limits import LONGEST, MOST_ALLOWED
from inspired.domain.shared.errors import Invalid
from inspired.domain.shared.money import Money
from inspired.domain.shared.timezones import moment_in_words
from inspired.flows.booking import payment_limits
from inspired.web.admin.booking_details import person_of
from inspired.web.shared import auth
from inspired.web.shared.current import services
from inspired.web.shared.forms import AllowanceForm, read
from inspired.web.shared.htmx import go
from inspired.web.shared.refusals import refusals_shown_by

bp = Blueprint("payment_limits", __name__, url_prefix="/admin/limits")
bp.before_request(auth.admit)


@bp.get("")
def allowances(refusal: Invalid | None = None) -> str:
    """?booking=…: fills in that booking's customer."""
    svc, booking_id = services(), request.args.get("booking", "")
    about = auth.may("payment_limits.allowances_submit") and booking_id
    email = person_of(svc, svc.bookings.get(booking_id))["email"] if about else ""
    values = {"email": email, "days": str(LONGEST.days), **request.form.to_dict()}
    return render_template(
        "admin/payment_limits/allowances.html",
        allowed=svc.allowances.all(svc.now()),
        people={person.id: person.email for person in svc.people.all()},
        short=payment_limits.SHORT_INDEX,
        limit=LIMIT,
        most=MOST_ALLOWED,
        values=values,
        errors=refusal.fields if refusal else {},
        message=str(refusal) if refusal else "",
    )


@bp.post("")
@refusals_shown_by(allowances, Invalid)
def allowances_submit() -> ResponseReturnValue:
    svc = services()
    form = read(AllowanceForm, request.form)
    by = auth.session_of(svc).person_id
    made = payment_limits.allow(svc, form.email, Money.parse(form.amount), form.days, by, form.reason)
    until = moment_in_words(made.until, svc.settings.owner_timezone)
    said = f"This customer may pay up to {made.most.shown} in a day, in 30 and in 365 days, until {until}."
    return go(url_for("payment_limits.allowances"), said=f"{said} It stands in the audit log. No mail goes out.")


@bp.post("/<customer>/end")
def end(customer: str) -> ResponseReturnValue:
    svc = services()
    payment_limits.end(svc, customer, auth.session_of(svc).person_id)
    said = f"Taken back: {LIMIT.shown} is the limit for this customer again. What was paid stays."
    return go(url_for("payment_limits.allowances"), said=said)
