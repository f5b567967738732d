"""Information pages: home, terms, privacy, how to pay, the legal notice."""

from flask import Blueprint, render_template

from inspired.domain.sentences.values import in_hours
from inspired.domain.shared.errors import NotFound
from inspired.domain.shared.languages import current
from inspired.flows.booking.booking import terms_version
from inspired.web.shared.current import services

bp = Blueprint("site", __name__)


@bp.get("/")
def home() -> str:
    svc = services()
    return render_template("site/home.html", meeting_types=svc.catalogue.shown(), home=svc.preferences.now().home)


@bp.get("/terms")
def terms() -> str:
    svc = services()
    types = svc.catalogue.shown()
    choice_times = sorted({in_hours(meeting_type.policy.choice_time) for meeting_type in types})
    return render_template(
        "site/terms.html",
        version=terms_version(svc),
        meeting_types=types,
        choice_times=current().any_of(choice_times),
        own_terms=svc.preferences.now().small_print.terms,
    )


@bp.get("/privacy")
def privacy() -> str:
    svc = services()
    months = svc.preferences.now().retention.months
    return render_template("site/privacy.html", months=months)


@bp.get("/legal-notice")
def imprint() -> str:
    text = services().preferences.now().small_print.imprint
    if not text:
        raise NotFound("There is no legal notice on this site.")
    return render_template("site/imprint.html", text=text)


@bp.get("/how-to-pay")
def how_to_pay() -> str:
    return render_template("site/how_to_pay.html")
