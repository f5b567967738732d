"""The newsletter form, and the subscriber's page behind the link in the mail."""

from flask import Blueprint, Response, current_app, render_template, request
from flask.typing import ResponseReturnValue

from inspired.domain.shared.errors import Invalid
from inspired.flows.shared import mail_reachability
from inspired.flows.site import newsletter as newsletters
from inspired.web.shared import rate_limits
from inspired.web.shared.current import services
from inspired.web.shared.forms import MailForm, read
from inspired.web.shared.htmx import go, wants_fragment

bp = Blueprint("newsletter", __name__, url_prefix="/newsletter")


@bp.post("")
@rate_limits.subscribing
def subscribe_submit() -> ResponseReturnValue:
    """The answer never reveals whether the address is known."""
    template = "newsletter/_form.html" if wants_fragment() else "newsletter/asked.html"
    try:
        form = read(MailForm, request.form)
        mail_reachability.refuse_unreachable(services(), form.email, "email")
    except Invalid as error:
        return render_template(template, errors=error.fields, email=request.form.get("email", "")[:254]), 422
    newsletters.subscribe(services(), form.email)
    return render_template(template, asked=True)


@bp.get("/<token>")
def manage(token: str) -> str:
    return render_template("newsletter/manage.html", subscriber=newsletters.find(services(), token))


@bp.post("/<token>")
def manage_submit(token: str) -> ResponseReturnValue:
    """A button on the page, or a mail program's one-click unsubscribe, which sends no cookie and follows no redirect
    (RFC 8058). Both need the link's secret; a button also needs the form token of our page."""
    if request.form.get("List-Unsubscribe") == "One-Click":
        newsletters.unsubscribe(services(), token)
        return Response("Unsubscribed.\n", mimetype="text/plain")
    current_app.extensions["csrf"].protect()
    match request.form.get("button"):
        case "confirm":
            newsletters.confirm(services(), token)
        case "unsubscribe":
            newsletters.unsubscribe(services(), token)
        case _:
            raise Invalid("Please use one of the buttons.")
    return go(f"/newsletter/{token}")
