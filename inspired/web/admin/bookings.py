"""Lists of bookings and payments: filters, sorting, paging, saved views, exports, bulk jobs; also as an API."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from spectree import Response as Documented

from inspired.adapters.mongo.lists import Page
from inspired.adapters.mongo.saved_views import View
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.rails import CAPABILITIES, RailId, method_of
from inspired.domain.booking.search_index import ATTENTION, By, Wanted
from inspired.domain.booking.states import Flag, State
from inspired.domain.booking.status import iso
from inspired.domain.sentences import rails
from inspired.domain.sentences.rails import Words
from inspired.domain.shared.errors import Invalid
from inspired.domain.shared.money import Money
from inspired.flows.booking import bulk_jobs
from inspired.flows.booking.booking_search import day_of
from inspired.services import Services
from inspired.web.admin import exports
from inspired.web.admin.booking_details import person_of
from inspired.web.public.api import spec
from inspired.web.public.api_document import KEY, SESSION
from inspired.web.public.schemas import PaymentsAnswer, PaymentsQuery, Problem
from inspired.web.shared import auth, parsing
from inspired.web.shared.current import services
from inspired.web.shared.display import capital
from inspired.web.shared.forms import NamedForm, read
from inspired.web.shared.htmx import go, wants_fragment

bp = Blueprint("bookings", __name__, url_prefix="/admin")
api_bp = Blueprint("bookings_api", __name__, url_prefix="/api/admin")
bp.before_request(auth.admit)
api_bp.before_request(auth.admit_api)
PER_PAGE = 50
MOST_PER_PAGE = 200
MOST_EXPORTED = 20_000
PLACE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/[a-z0-9]{1,40}")
TYPE = re.compile(r"[a-z0-9-]{1,64}")
AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,8})?")
DAY = re.compile(r"\d{4}-\d\d-\d\d")
RAILS = tuple(str(rail) for rail in RailId)
STATES = tuple(str(state) for state in State if state is not State.DRAFT)
FLAGS = (ATTENTION, *(str(flag) for flag in Flag))
# Sort orders: the moment, whether oldest first, and the label.
SORTS: Mapping[str, tuple[By, bool, str]] = {
    "made-newest": (By.MADE, False, "made, newest first"),
    "made-oldest": (By.MADE, True, "made, oldest first"),
    "call-next": (By.CALL, True, "call, next first"),
    "call-last": (By.CALL, False, "call, latest first"),
    "paid-newest": (By.PAID, False, "paid, newest first"),
    "paid-oldest": (By.PAID, True, "paid, oldest first"),
}
USUAL = "made-newest"
# The lists people ask for most, before those a person has saved.
CHIPS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("All", {}),
    ("Upcoming", {"state": "CONFIRMED", "sort": "call-next"}),
    ("Needs you", {"flag": ATTENTION}),
    ("Unpaid", {"state": "PENDING"}),
    ("Refunded", {"state": "REFUNDED"}),
    ("Expired", {"state": "EXPIRED"}),
    ("Cancelled", {"state": "CANCELLED"}),
)
NAMES = ("state", "flag", "type", "rail", "amount", "sort", "from", "to")


@dataclass(frozen=True, slots=True)
class Question:
    """The list's query: as URL parameters, without personal data, and parsed."""

    values: dict[str, str]
    wanted: Wanted

    @property
    def query(self) -> str:
        return urlencode(self.values)


def question(svc: Services, given: Mapping[str, str]) -> Question:
    """`from` and `to` bound the moment the list is sorted by: days in the owner's zone with the last included, or RFC
    3339 moments with the last excluded. Raises Invalid."""
    values = {name: given[name].strip() for name in NAMES if given.get(name, "").strip()}
    wrong = {name: sentence for name, sentence in _wrong(values) if sentence}
    since, until = _bound(svc, values, "from", wrong), _bound(svc, values, "to", wrong)
    if wrong:
        raise Invalid(f"Please check: {', '.join(wrong)}.", wrong)
    by, oldest_first, _ = SORTS[values.get("sort", USUAL)]
    if values.get("sort") == "call-next" and since is None and until is None:
        since = svc.now()
    wanted = Wanted(
        by=by,
        state=values.get("state", ""),
        type_id=values.get("type", ""),
        flag=values.get("flag", ""),
        rail=values.get("rail", ""),
        amount=str(Money.parse(values["amount"])) if "amount" in values else "",
        since=since,
        until=until,
        oldest_first=oldest_first,
    )
    return Question(values, wanted)


def _wrong(values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield "state", "" if values.get("state", STATES[0]) in STATES else "is not known"
    yield "flag", "" if values.get("flag", ATTENTION) in FLAGS else "is not known"
    yield "type", "" if TYPE.fullmatch(values.get("type", "x")) else "is not known"
    yield "rail", "" if values.get("rail", RAILS[0]) in RAILS else "is not known"
    yield "amount", "" if AMOUNT.fullmatch(values.get("amount", "1")) else "is a number such as 75 or 37.5"
    yield "sort", "" if values.get("sort", USUAL) in SORTS else "is not known"


def _bound(svc: Services, values: Mapping[str, str], name: str, wrong: dict[str, str]) -> datetime | None:
    text = values.get(name, "")
    if DAY.fullmatch(text) and (day := parsing.day(text)) is not None:
        begin, end = day_of(day, svc.settings.owner_timezone)
        return end if name == "to" else begin
    moment = None if DAY.fullmatch(text) else parsing.moment(text)
    if text and moment is None:
        wrong[name] = "is a day such as 2026-11-23, or a moment such as 2026-11-23T14:02:00Z"
    return moment


def _page(svc: Services, asked: Question, most: int, given: Mapping[str, str]) -> Page:
    cursor = given.get("cursor", "")
    if cursor and not PLACE.fullmatch(cursor):
        raise Invalid("This is no place in the list.", {"cursor": "is not one that this list has given"})
    return svc.lists.page(asked.wanted, svc.now(), most=most, cursor=cursor, back=given.get("back") == "1")


# --- the owner's list -----------------------------------------------------------------------------------------------


@bp.get("/bookings")
def bookings() -> ResponseReturnValue:
    svc = services()
    try:
        asked = question(svc, request.args)
        found = _page(svc, asked, PER_PAGE, request.args)
    except Invalid as refusal:
        return _list(svc, Question({}, Wanted()), Page([]), refusal.fields), refusal.status
    return _list(svc, asked, found)


def _list(svc: Services, asked: Question, found: Page, errors: dict[str, str] | None = None, message: str = "") -> str:
    values = asked.values if not errors else {name: request.args.get(name, "")[:64] for name in NAMES}
    views = svc.saved_views.of(auth.session_of(svc).person_id)
    queries = [(words, urlencode(chosen)) for words, chosen in CHIPS] + [(view.name, view.query) for view in views]
    return render_template(
        "admin/bookings/bookings.html",
        rows=[(booking, person_of(svc, booking)) for booking in found.bookings],
        values=values,
        query=asked.query,
        errors=errors or {},
        message=message,
        onward=_address(asked, cursor=found.after) if found.after else "",
        backward=_address(asked, cursor=found.before, back="1") if found.before else "",
        is_first="cursor" not in request.args,
        states=STATES,
        flags=FLAGS,
        rails=[(str(rail), words.rail) for rail, words in _rails_by_use(svc)],
        sorts={name: words for name, (_, _, words) in SORTS.items()},
        moment=asked.wanted.by,
        types=svc.catalogue.types(),
        views=views,
        chosen_lists=[
            (words, f"{url_for('bookings.bookings')}?{query}".rstrip("?"), query == asked.query and not errors)
            for words, query in queries
        ],
        is_a_chip=asked.query in [urlencode(chosen) for _, chosen in CHIPS],
        kinds=exports.KINDS,
    )


def _rails_by_use(svc: Services) -> list[tuple[RailId, Words]]:
    """Those that are set up first: also what is off today may have been paid by."""
    return [(rail, rails.of(rail)) for rail in sorted(RailId, key=lambda one: one not in svc.rails_on)]


def _address(asked: Question, **place: str) -> str:
    return f"{url_for('bookings.bookings')}?{urlencode({**asked.values, **place})}"


@bp.post("/views")
def save_view() -> ResponseReturnValue:
    """Save the current query under a name, for the logged-in person."""
    svc = services()
    given = {name: request.form.get(name, "") for name in NAMES}
    asked = question(svc, given)
    try:
        form = read(NamedForm, request.form)
    except Invalid as refusal:
        found = svc.lists.page(asked.wanted, svc.now(), most=PER_PAGE)
        return _list(svc, asked, found, message=refusal.fields["name"]), refusal.status
    svc.saved_views.add(View(svc.new_id(), auth.session_of(svc).person_id, form.name, asked.query))
    return go(_address(asked), said="This list is kept under its name, for you alone.")


@bp.post("/views/<view_id>/remove")
def remove_view(view_id: str) -> ResponseReturnValue:
    svc = services()
    svc.saved_views.remove(view_id, auth.session_of(svc).person_id)
    return go(url_for("bookings.bookings"), said="That view is gone. The bookings it showed are as they were.")


@bp.get("/bookings/export")
def export() -> ResponseReturnValue:
    """The whole filtered list, in its order, as a file. It contains names and email addresses, so it is audited."""
    svc = services()
    asked, kind = question(svc, request.args), request.args.get("kind", "")
    if kind not in exports.KINDS:
        raise Invalid("There is no such kind of file.", {"kind": f"must be one of {', '.join(exports.KINDS)}"})
    auth.note(svc, "exported", f"bookings.{kind}", asked.query)
    mimetype, written = exports.KINDS[kind]
    name = f"bookings-{svc.now().date().isoformat()}.{kind}"
    headers = {"Content-Disposition": f"attachment; filename={name}"}
    rows = _rows(svc, asked.wanted)
    first = list(islice(rows, 1))  # a database outage must give an error page, not an empty file
    return Response(written(chain(first, rows)), mimetype=mimetype, headers=headers)


def _rows(svc: Services, wanted: Wanted) -> Iterator[exports.Row]:
    """If there are more, the last row says so."""
    for number, booking in enumerate(svc.lists.each(wanted, svc.now(), most=MOST_EXPORTED + 1)):
        if number == MOST_EXPORTED:
            yield dict.fromkeys(exports.COLUMNS, "") | {"booking": f"There are more than {MOST_EXPORTED} bookings."}
            return
        yield exports.row_of(booking, person_of(svc, booking))


# --- bulk jobs ------------------------------------------------------------------------------------------------------


@bp.post("/bookings/chosen")
def chosen() -> ResponseReturnValue:
    """Preview for the ticked bookings, or the whole page. Nothing is changed."""
    svc = services()
    found = _chosen(svc, "shown" if request.form.get("all") == "yes" else "chosen")
    asked = [booking for booking in found if bulk_jobs.can_be_asked_about(booking)]
    return render_template("admin/bookings/chosen.html", found=found, asked=asked, back=request.form.get("query", ""))


@bp.post("/bookings/chosen/begin")
def begin_bulk_job() -> ResponseReturnValue:
    svc = services()
    bulk_job = bulk_jobs.start(svc, _chosen(svc, "chosen"), auth.session_of(svc).person_id)
    return go(
        url_for("bookings.bulk_job", bulk_job_id=bulk_job.id),
        said=f"{capital(rails.asked(svc.rails_on))} is being asked about each of these bookings.",
    )


@bp.get("/chores/<bulk_job_id>")
def bulk_job(bulk_job_id: str) -> str:
    page = "admin/bookings/_bulk_job.html" if wants_fragment() else "admin/bookings/bulk_job.html"
    return render_template(page, bulk_job=services().bulk_jobs.get(bulk_job_id))


def _chosen(svc: Services, field: str) -> list[Booking]:
    ids = list(dict.fromkeys(request.form.getlist(field)))
    if len(ids) > bulk_jobs.MOST:
        raise Invalid(f"At most {bulk_jobs.MOST} at once.")
    return [svc.bookings.get(booking_id) for booking_id in ids]


# --- the API --------------------------------------------------------------------------------------------------------


@api_bp.get("/payments")
@spec.validate(
    query=PaymentsQuery,
    resp=Documented(HTTP_200=PaymentsAnswer, HTTP_401=Problem, HTTP_403=Problem, HTTP_422=Problem),
    security=[{KEY: []}, {SESSION: []}],
    skip_validation=True,
    tags=["admin"],
)
def payments() -> Response:
    """Bookings with their newest order. Needs `Authorization: Bearer` with a key of the scope `payments:read`, or a
    session of the admin area. Go on with `nextCursor` as `cursor`."""
    svc = services()
    limit = parsing.number(request.args.get("limit", str(PER_PAGE)))
    if limit is None or not 1 <= limit <= MOST_PER_PAGE:
        raise Invalid("Ask for 1 to 200 at a time.", {"limit": "must be between 1 and 200"})
    found = _page(svc, question(svc, _named_as_before(request.args)), limit, request.args)
    oldest = found.bookings[-1].created_at if found.after else None
    body = {
        "payments": [_shape(booking) for booking in found.bookings],
        "nextCursor": found.after or None,
        "nextBefore": iso(oldest),
    }
    response = make_response(jsonify(body))
    response.headers["Cache-Control"] = "no-store"
    return response


def _named_as_before(given: Mapping[str, str]) -> Mapping[str, str]:
    """`before`, used by older clients, is an upper limit of the creation date."""
    if not given.get("before"):
        return given
    if given.get("sort", USUAL) != USUAL or given.get("to"):
        raise Invalid("“before” does not go with “sort” and “to”.", {"before": "use to and cursor instead"})
    before = parsing.moment(given["before"])
    if before is None:
        raise Invalid("“before” is a moment such as 2026-11-23T14:02:00Z.", {"before": "is not a moment"})
    return {**given, "to": iso(before) or ""}


def _shape(booking: Booking) -> dict[str, Any]:
    """No personal data: that is only on the owner's pages. Unlike the customer's token, the id opens nothing."""
    paid = next((order for order in booking.orders if order.has_money), None)
    return {
        "bookingId": booking.id,
        "merchantTradeNo": booking.order.trade_no if booking.order else None,
        "meetingTypeId": booking.meeting_type.id,
        "status": str(booking.state),
        "flags": sorted(booking.flags),
        "amount": str(booking.price),
        "currency": booking.price.currency,
        "callAt": iso(booking.slot.span.start) if booking.slot else None,
        "createdAt": iso(booking.created_at),
        "paidAt": iso(booking.paid_at),
        "confirmedAt": iso(booking.confirmed_at),
        "expiresAt": iso(booking.expires_at),
        "transactionId": (paid.transaction_id or None) if paid else None,
        "method": str(method_of(booking.paid_by)),
        "network": CAPABILITIES[booking.paid_by].network,
        "paymentAddress": booking.receiving_address or None,
    }
