"""The pages that say what this is: home, terms, privacy, how to pay."""

from flask import Blueprint, render_template

from inspired.domain.policy import in_hours
from inspired.flows.booking import TERMS_VERSION
from inspired.web.current import services

bp = Blueprint("site", __name__)


@bp.get("/")
def home() -> str:
    return render_template("site/home.html", meeting_types=services().offer.shown())


@bp.get("/terms")
def terms() -> str:
    types = services().offer.shown()
    choice_times = sorted({in_hours(one.policy.choice_time) for one in types})
    return render_template("site/terms.html", version=TERMS_VERSION, meeting_types=types, choice_times=choice_times)


@bp.get("/privacy")
def privacy() -> str:
    return render_template("site/privacy.html", uses_calendly=services().settings.uses_calendly)


@bp.get("/how-to-pay")
def how_to_pay() -> str:
    return render_template("site/how_to_pay.html")
