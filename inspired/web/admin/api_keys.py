"""The owner's API keys: created with a name, shown once, listed, revoked."""

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from inspired.domain.accounts.api_keys import Scope
from inspired.domain.shared.errors import Invalid
from inspired.flows.accounts import api_keys
from inspired.services import Services
from inspired.web.shared import auth
from inspired.web.shared.current import services
from inspired.web.shared.forms import NamedForm, read
from inspired.web.shared.htmx import go
from inspired.web.shared.refusals import refusals_shown_by

bp = Blueprint("api_keys", __name__, url_prefix="/admin")
bp.before_request(auth.admit)


@bp.get("/keys")
def index(refusal: Invalid | None = None) -> str:
    return _page(services(), errors=refusal.fields if refusal else None)


@bp.post("/keys")
@refusals_shown_by(index, Invalid)
def api_keys_submit() -> ResponseReturnValue:
    """The answer is the only page that shows the key."""
    svc = services()
    form = read(NamedForm, request.form)
    made, secret = api_keys.make(svc, form.name, frozenset({Scope.READ_PAYMENTS}), auth.session_of(svc).person_id)
    return _page(svc, made=made.name, secret=secret)


@bp.post("/keys/<key_id>/revoke")
def revoke(key_id: str) -> ResponseReturnValue:
    svc = services()
    api_keys.revoke(svc, key_id, auth.session_of(svc).person_id)
    return go(url_for("api_keys.index"), said="The key is revoked: no program gets in with it any more.")


def _page(svc: Services, *, made: str = "", secret: str = "", errors: dict[str, str] | None = None) -> str:
    return render_template(
        "admin/api_keys/api_keys.html",
        keys=svc.api_keys.all(),
        made=made,
        secret=secret,
        errors=errors or {},
        name=request.form.get("name", "")[:60] if errors else "",
        site_url=svc.settings.site_url,
    )
