"""The owner's settings, section by section, each with a preview; and the audit log."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from inspired.domain.booking.status import iso
from inspired.domain.shared.errors import Conflict, Invalid, NotFound, Refusal
from inspired.domain.site.preferences import COLOURS, LEAST_MONTHS, LONGEST, MOST_MONTHS, SECTIONS, Section, checked
from inspired.flows.monitoring import auditing
from inspired.flows.shared import owner_notifications
from inspired.flows.site import preferences
from inspired.services import Services
from inspired.web.shared import auth, parsing
from inspired.web.shared.current import services
from inspired.web.shared.forms import ChoiceForm, read
from inspired.web.shared.htmx import go

SHOWN_TO_CUSTOMERS = ("brand", "home", "small_print")
PER_PAGE = 50
WAITING = timedelta(minutes=1)  # how long a page waits for the worker

bp = Blueprint("preferences", __name__, url_prefix="/admin")
bp.before_request(auth.admit)


@bp.get("/settings")
def settings() -> str:
    svc = services()
    tried = svc.preferences.tried()
    return render_template(
        "admin/preferences/settings.html",
        chosen=svc.preferences.fresh(),
        told={kind: owner_notifications.addresses(svc, kind) for kind in owner_notifications.KINDS},
        kinds=owner_notifications.KINDS,
        tried=tried,
        is_trying=_is_waiting(svc, tried.at if tried else None),
        saved=request.args.get("saved", ""),
    )


@bp.get("/settings/<name>")
def section(name: str) -> str:
    return _section_page(services(), _known(name))


@bp.post("/settings/<name>")
def section_submit(name: str) -> ResponseReturnValue:
    return _change(services(), _known(name))


@bp.get("/settings/addresses")
def addresses() -> str:
    return _section_page(services(), "addresses")


@bp.post("/settings/addresses")
def addresses_submit() -> ResponseReturnValue:
    return _change(services(), "addresses")


@bp.post("/settings/addresses/try")
def try_addresses() -> ResponseReturnValue:
    """Done by the worker, since a mail server may be slow."""
    svc = services()
    now = svc.now()
    svc.queue.enqueue_mail("try_addresses")
    return go(url_for("preferences.settings", asked=iso(now)))


@bp.get("/settings/retention")
def retention() -> str:
    return _section_page(services(), "retention")


@bp.post("/settings/retention")
def retention_submit() -> ResponseReturnValue:
    return _change(services(), "retention")


def _known(name: str) -> str:
    section_name = name.replace("-", "_")
    if section_name not in SHOWN_TO_CUSTOMERS:
        raise NotFound("There is no such setting.")
    return section_name


def _change(svc: Services, name: str) -> ResponseReturnValue:
    """Preview or save. Invalid input is shown again with its messages, and nothing is lost."""
    wanted = SECTIONS[name](request.form)
    try:
        form = read(ChoiceForm, request.form)
        if form.do == "look":
            return _section_page(svc, name, wanted=checked(wanted))
        preferences.save(svc, auth.session_of(svc).person_id, wanted, form.version)
    except Refusal as refusal:
        return _section_page(svc, name, wanted=wanted, refusal=refusal), refusal.status
    return go(url_for("preferences.settings", saved=name))


def _section_page(svc: Services, name: str, *, wanted: Section | None = None, refusal: Refusal | None = None) -> str:
    chosen = svc.preferences.fresh()
    saved = chosen.section(name)
    values: Mapping[str, str] = request.form.to_dict() if wanted else saved.values
    other = saved.words if wanted and isinstance(refusal, Conflict) else {}
    return render_template(
        f"admin/preferences/{name}.html",
        name=name,
        values=values,
        version=chosen.versions[name],
        wanted=wanted if refusal is None else None,
        meanwhile=[(label, words) for label, words in other.items() if wanted and wanted.words[label] != words],
        errors=refusal.fields if isinstance(refusal, Invalid) else {},
        message=str(refusal) if refusal else "",
        longest=LONGEST,
        accents=list(COLOURS),
        kinds=owner_notifications.KINDS,
        owner_email=svc.settings.owner_email,
        months=(LEAST_MONTHS, MOST_MONTHS),
    )


# --- the audit log --------------------------------------------------------------------------------------------------


@bp.get("/audit")
def audit() -> str:
    """?before=51: the entries with smaller numbers, newest first."""
    svc = services()
    before = parsing.number(request.args.get("before", ""))
    entries = svc.audit.newest(PER_PAGE + 1, before=before)
    checked = svc.audit.checked()
    of_bookings = svc.bookings.known_among(sorted({entry.about for entry in entries if entry.about}))
    return render_template(
        "admin/preferences/audit.html",
        entries=entries[:PER_PAGE],
        older=entries[PER_PAGE - 1].number if len(entries) > PER_PAGE else None,
        is_newest=before is None,
        people={person.id: person.email for person in svc.people.all()},
        keys={api_key.id: api_key.name for api_key in svc.api_keys.all()},
        of_bookings=of_bookings,
        checked=checked,
        is_checking=_is_waiting(svc, checked.at if checked else None),
    )


@bp.post("/audit/check")
def check_audit() -> ResponseReturnValue:
    svc = services()
    now = svc.now()
    auditing.check_soon(svc)
    return go(url_for("preferences.audit", asked=iso(now)))


def _is_waiting(svc: Services, done_at: datetime | None) -> bool:
    """True if the worker was asked recently, as the page's URL says, and has not finished."""
    since = parsing.moment(request.args.get("asked", ""))
    if since is None or (done_at is not None and done_at >= since):
        return False
    return timedelta() <= svc.now() - since < WAITING
