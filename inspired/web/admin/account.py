"""Account pages: the second step of the login, one's own account, and the owner's list of accounts."""

import base64
import json
from dataclasses import replace
from typing import Any

import structlog
from flask import Blueprint, Response, jsonify, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from inspired.adapters.crypto.vault import normalised
from inspired.domain.accounts.people import Passkey, Person, Role
from inspired.domain.shared.errors import Forbidden, Invalid, Refusal
from inspired.flows.accounts import authentication
from inspired.services import Services
from inspired.web.shared import auth, rate_limits
from inspired.web.shared.current import json_sent, services
from inspired.web.shared.display import qr_svg
from inspired.web.shared.htmx import go
from inspired.web.shared.refusals import refusals_shown_by

MOST_NAME = 40
MOST_CODE = 64
# Texts for the audit log; any other action is a change of role.
CHANGES = {
    "off": "switched off",
    "on": "switched on",
    "link": "a new link to choose the password",
    "no-second-step": "second step switched off",
}
bp = Blueprint("account", __name__, url_prefix="/admin")
bp.before_request(auth.admit)
log = structlog.get_logger()


# --- the second step of the login -----------------------------------------------------------------------------------


@bp.get("/login/step")
def second_step() -> ResponseReturnValue:
    person = auth.half_way(services())
    if person is None:
        return redirect(url_for("login.login"), 303)
    return _step_page(person)


@bp.post("/login/step")
@rate_limits.proving
def second_step_submit() -> ResponseReturnValue:
    svc = services()
    person = auth.half_way(svc)
    if person is None:
        return redirect(url_for("login.login"), 303)
    try:
        person = auth.guess_code(svc, person, request.form.get("code", "")[:MOST_CODE])
    except Invalid as refusal:
        return _step_page(person, str(refusal)), 403
    return redirect(_enter(svc, person), 303)


@bp.post("/login/passkey/options")
@rate_limits.proving
def passkey() -> Response:
    from webauthn import generate_authentication_options, options_to_json
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

    person = auth.half_way(services())
    if person is None:
        raise Forbidden("Please begin with your password.")
    options = generate_authentication_options(
        rp_id=_host(), allow_credentials=[PublicKeyCredentialDescriptor(id=key.id) for key in person.passkeys]
    )
    session["challenge"] = base64.b64encode(options.challenge).decode()
    return Response(options_to_json(options), mimetype="application/json")


@bp.post("/login/passkey")
@rate_limits.proving
def passkey_submit() -> ResponseReturnValue:
    from webauthn import verify_authentication_response
    from webauthn.helpers.exceptions import WebAuthnException

    svc = services()
    person, said = auth.half_way(svc), json_sent()
    passkey = _named(person, said) if person else None
    if person is None or passkey is None:
        raise Forbidden("This passkey is not known here.")
    try:
        seen = verify_authentication_response(
            credential=json.dumps(said),
            expected_challenge=_challenge(),
            expected_rp_id=_host(),
            expected_origin=_origin(),
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.count,
        )
    except WebAuthnException:
        log.warning("passkey_refused", person=person.id)
        raise Forbidden("This passkey was not accepted.") from None
    count = seen.new_sign_count
    person = svc.people.change(person.id, lambda known: known.with_passkey_used(passkey.id, count))
    return jsonify(goal=_enter(svc, person))


def _enter(svc: Services, person: Person) -> str:
    goal = auth.own_page(str(session["half"]["goal"]))
    auth.let_in(svc, person)
    return goal


def _step_page(person: Person, message: str = "") -> str:
    return render_template("admin/account/second_step.html", person=person, message=message)


# --- one's own account ----------------------------------------------------------------------------------------------


@bp.get("/account")
def account(refusal: Invalid | None = None) -> str:
    svc = services()
    me, here = auth.here(svc), auth.session_of(svc)
    alive = [login for login in svc.sessions.of(me.id) if login.is_alive(svc.now())]
    return render_template(
        "admin/account/account.html",
        me=me,
        here=here,
        sessions=alive,
        done=request.args.get("done", ""),
        errors=refusal.fields if refusal else {},
        message=str(refusal) if refusal else "",
    )


@bp.post("/account/password")
@rate_limits.proving
@refusals_shown_by(account, Invalid)
def change_password() -> ResponseReturnValue:
    svc, me = services(), auth.here(services())
    now, wanted = request.form.get("now", ""), request.form.get("password", "")
    auth.guess_password(svc, now, "now")
    me = authentication.set_password(svc, me.id, wanted)
    auth.note(svc, "password changed", me.id)
    svc.sessions.end_all(me.id)
    auth.let_in(svc, me)
    return go(url_for("account.account", done="password"))


@bp.post("/account/app")
def begin_app() -> ResponseReturnValue:
    authentication.new_app_secret(services(), auth.here(services()).id)
    return go(url_for("account.app"))


@bp.get("/account/app")
def app() -> ResponseReturnValue:
    svc, me = services(), auth.here(services())
    if not me.totp_pending:
        return go(url_for("account.account"))
    return _app_page(svc, me)


@bp.post("/account/app/code")
@rate_limits.proving
def app_submit() -> ResponseReturnValue:
    svc, me = services(), auth.here(services())
    if not me.totp_pending:
        nothing = Invalid("No app is being set up. Begin with the button below; if you had begun, it is done.")
        return account(nothing), nothing.status
    try:
        codes = auth.guess(
            svc, lambda: authentication.confirm_app(svc, me.id, request.form.get("code", "")[:MOST_CODE])
        )
    except Invalid as refusal:
        return _app_page(svc, me, str(refusal)), refusal.status
    auth.note(svc, "authenticator app set up", me.id)
    return render_template("admin/account/codes.html", codes=codes)


@bp.post("/account/codes")
def new_codes() -> ResponseReturnValue:
    svc, me = services(), auth.here(services())
    codes = authentication.new_recovery_codes(svc, me.id)
    auth.note(svc, "recovery codes made anew", me.id)
    return render_template("admin/account/codes.html", codes=codes)


@bp.post("/account/no-second-step")
def drop_second_step() -> ResponseReturnValue:
    svc, me = services(), auth.here(services())
    authentication.without_second_step(svc, me.id)
    auth.note(svc, "second step switched off", me.id)
    return go(url_for("account.account", done="second-step"))


@bp.post("/account/passkey/options")
def new_passkey_challenge() -> Response:
    from webauthn import generate_registration_options, options_to_json
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

    me = auth.here(services())
    options = generate_registration_options(
        rp_id=_host(),
        rp_name=services().preferences.now().brand.name,
        user_name=me.email,
        user_id=me.id.encode(),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=key.id) for key in me.passkeys],
    )
    session["challenge"] = base64.b64encode(options.challenge).decode()
    return Response(options_to_json(options), mimetype="application/json")


@bp.post("/account/passkey")
def add_passkey() -> ResponseReturnValue:
    from webauthn import verify_registration_response
    from webauthn.helpers.exceptions import WebAuthnException

    svc, me = services(), auth.here(services())
    said = json_sent()
    if not isinstance(said, dict):
        raise Invalid("This passkey cannot be read.")
    # JSON may contain a lone surrogate, which MongoDB does not accept.
    name = str(said.pop("name", "")).encode(errors="ignore").decode()[:MOST_NAME].strip() or "Passkey"
    try:
        made = verify_registration_response(
            credential=json.dumps(said),
            expected_challenge=_challenge(),
            expected_rp_id=_host(),
            expected_origin=_origin(),
        )
    except WebAuthnException:
        raise Forbidden("This passkey was not accepted.") from None
    passkey = Passkey(made.credential_id, made.credential_public_key, made.sign_count, name, svc.now())
    codes = authentication.add_passkey(svc, me.id, passkey)
    auth.note(svc, "passkey added", me.id)
    return jsonify(codes=codes, goal=url_for("account.account", done="passkey"))


@bp.post("/account/passkey/<passkey>/remove")
def remove_passkey(passkey: str) -> ResponseReturnValue:
    svc, me = services(), auth.here(services())
    authentication.remove_passkey(svc, me.id, passkey)
    auth.note(svc, "passkey removed", me.id)
    return go(url_for("account.account", done="passkey-gone"))


@bp.post("/account/sessions/<session_id>/end")
def end_session(session_id: str) -> ResponseReturnValue:
    svc, me = services(), auth.here(services())
    if session_id in (login.id for login in svc.sessions.of(me.id)):
        svc.sessions.end(session_id)
    return go(url_for("account.account", done="session"))


@bp.post("/account/sessions/end-all")
def end_all_sessions() -> ResponseReturnValue:
    svc, me = services(), auth.here(services())
    svc.sessions.end_all(me.id)
    auth.note(svc, "logged out everywhere", me.id)
    auth.log_out(svc)
    return go(url_for("login.login"))


def _app_page(svc: Services, me: Person, message: str = "") -> str:
    secret = authentication.pending_secret(svc, me)
    picture = qr_svg(authentication.app_address(svc, me, secret), "QR code for your authenticator app")
    return render_template("admin/account/app.html", secret=secret, picture=picture, message=message)


# --- accounts -------------------------------------------------------------------------------------------------------


@bp.get("/people")
def people(person_id: str = "", refusal: Refusal | None = None) -> str:
    """`person_id`: whom a change was refused for."""
    return _people_page(services(), refusal=refusal)


@bp.post("/people")
@refusals_shown_by(people)
def people_submit() -> ResponseReturnValue:
    svc = services()
    role = _role(request.form.get("role", ""))
    address = authentication.mail_address(request.form.get("email", ""))
    link = authentication.invite(svc, address, role)
    made = svc.people.by_email(normalised(address))
    auth.note(svc, "account made", made.id if made else "", f"role: {role}")
    return _people_page(svc, link=link)


@bp.post("/people/<person_id>")
@refusals_shown_by(people)
def change_person(person_id: str) -> ResponseReturnValue:
    """Change the role, switch off or on, create a new link, or remove the second step."""
    svc = services()
    wanted = request.form.get("do", "")
    before = svc.people.get(person_id)
    link = _changed(svc, person_id, wanted)
    told = CHANGES.get(wanted, f"role: from “{before.role}” to “{wanted}”")
    auth.note(svc, "account changed", person_id, told)
    return _people_page(svc, link=link) if link else go(url_for("account.people", done=wanted))


def _changed(svc: Services, person_id: str, wanted: str) -> str:
    match wanted:
        case "off" | "on":
            authentication.change_person(svc, person_id, lambda person: replace(person, disabled=wanted == "off"))
            svc.sessions.end_all(person_id)
        case "link":
            return authentication.invite_again(svc, person_id)
        case "no-second-step":
            authentication.without_second_step(svc, person_id)
        case _:
            role = _role(wanted)
            authentication.change_person(svc, person_id, lambda person: replace(person, role=role))
    return ""


@bp.get("/welcome/<token>")
def welcome(token: str, refusal: Invalid | None = None) -> str:
    person, errors = authentication.invited(services(), token), refusal.fields if refusal else {}
    return render_template("admin/account/welcome.html", person=person, errors=errors)


@bp.post("/welcome/<token>")
@rate_limits.proving
@refusals_shown_by(welcome, Invalid)
def welcome_submit(token: str) -> ResponseReturnValue:
    svc = services()
    person = authentication.accept(svc, token, request.form.get("password", ""))
    svc.audit.add(svc.now(), person.id, "password set by invitation", person.id)
    return redirect(auth.begin(svc, person, url_for("today.today")), 303)


def _people_page(svc: Services, *, link: str = "", refusal: Refusal | None = None) -> str:
    return render_template(
        "admin/account/people.html",
        people=svc.people.all(),
        me=auth.here(svc),
        roles=list(Role),
        link=link,
        done=request.args.get("done", ""),
        email=request.form.get("email", "") if refusal else "",
        errors=refusal.fields if isinstance(refusal, Invalid) else {},
        message=str(refusal) if refusal else "",
    )


def _role(text: str) -> Role:
    if text not in list(Role):
        raise Invalid("Please choose what the account may do.")
    return Role(text)


# --- passkeys: https://www.w3.org/TR/webauthn-3/ --------------------------------------------------------------------


def _host() -> str:
    """The relying party: the site's host name. Other hosts are not served."""
    return request.host.partition(":")[0]


def _origin() -> str:
    return request.host_url.rstrip("/")


def _challenge() -> bytes:
    """Each challenge is used once."""
    return base64.b64decode(str(session.pop("challenge", "")))


def _named(person: Person, said: Any) -> Passkey | None:
    text = said.get("rawId") if isinstance(said, dict) else None
    if not isinstance(text, str):
        return None
    try:
        wanted = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    return next((key for key in person.passkeys if key.id == wanted), None)
