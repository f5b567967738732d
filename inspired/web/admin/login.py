"""Logging in and out of the admin area, and proving it once more before money moves."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from inspired.domain.shared.errors import Invalid, TooMany
from inspired.flows.accounts import authentication
from inspired.web.shared import auth, rate_limits
from inspired.web.shared.current import services, visitor_address

bp = Blueprint("login", __name__, url_prefix="/admin")
bp.before_request(auth.admit)


@bp.get("/login")
def login() -> ResponseReturnValue:
    if auth.who(services()) is not None:
        return redirect(url_for("today.today"), 303)
    return render_template("admin/login/login.html", goal=auth.own_page(request.args.get("next", "")))


@bp.post("/login")
@rate_limits.logging_in
def login_submit() -> ResponseReturnValue:
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
    return render_template("admin/login/login.html", goal=goal, email=email[:254], message=message), 403


@bp.get("/again")
def reauthenticate() -> str:
    """Before a refund or a data export, the person proves their identity once more."""
    return render_template("admin/login/reauthenticate.html", goal=auth.own_page(request.args.get("next", "")))


@bp.post("/again")
@rate_limits.proving
def reauthenticate_submit() -> ResponseReturnValue:
    svc, goal = services(), auth.own_page(request.form.get("next", ""))
    try:
        auth.guess_password(svc, request.form.get("password", ""), "password")
    except Invalid:
        return render_template("admin/login/reauthenticate.html", goal=goal, message="The password is wrong."), 403
    svc.sessions.freshened(auth.session_of(svc).id, svc.now())
    return redirect(goal, 303)


@bp.post("/logout")
def logout() -> ResponseReturnValue:
    auth.log_out(services())
    return redirect(url_for("login.login"), 303)
