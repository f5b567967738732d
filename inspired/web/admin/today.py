"""The owner's start page: what needs a person, today's calls, money received, alerts; and the search."""

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from inspired.domain.booking import attention
from inspired.flows.booking import booking_search, delivery
from inspired.flows.reporting import today as today_flow
from inspired.flows.reporting.today import Counts
from inspired.web.admin.booking_details import person_of
from inspired.web.admin.charts import Sparkline, sparkline
from inspired.web.shared import auth, display_tickets
from inspired.web.shared.current import services
from inspired.web.shared.htmx import go, wants_fragment

bp = Blueprint("today", __name__, url_prefix="/admin")
bp.before_request(auth.admit)


@bp.get("/")
def today() -> str:
    svc = services()
    found = today_flow.gather(svc)
    return render_template(
        "admin/today/today.html",
        today=found,
        needs=[(booking, person_of(svc, booking), why) for booking, why in found.needs],
        unanswered=[(ticket, display_tickets.subject(svc, ticket)) for ticket in found.unanswered],
        calls=[(booking, person_of(svc, booking), delivery.place_of(svc, booking)) for booking in found.calls],
        next_calls=[(booking, person_of(svc, booking)) for booking in found.next_calls],
        tiles=_tiles(found.counts),
        now=svc.now(),
        is_open=svc.gate.is_open(),
    )


def _tiles(counts: Counts) -> list[tuple[str, int, str, Sparkline | None]]:
    """Name, number, address of the list, and the seven days as a line."""
    calls, messages, ahead, unpaid = counts.calls, counts.messages, counts.ahead, counts.unpaid
    called = url_for("bookings.bookings", state="CONFIRMED", sort="call-next")
    return [
        ("Calls today", calls.number, "#calls", sparkline(calls.days, "Calls a day, the last seven days")),
        ("Waiting for an answer", messages.number, url_for("tickets.index"), None),
        ("Calls in the next 7 days", ahead.number, called, sparkline(ahead.days, "Calls a day, the next seven days")),
        (
            "Awaiting payment",
            unpaid.number,
            url_for("bookings.bookings", state="PENDING"),
            sparkline(unpaid.days, "Times held a day, the last seven days"),
        ),
    ]


@bp.get("/search")
def search() -> str:
    return render_template("admin/today/search.html", text="", found=None)


@bp.post("/search")
def search_submit() -> str:
    """By POST, so that no name or email address is in a URL or log. Changes nothing."""
    svc, text = services(), request.form.get("text", "").strip()[: booking_search.LONGEST]
    found = booking_search.search(svc, text)
    hits = [(hit.booking, person_of(svc, hit.booking), hit.why) for hit in found.hits]
    page = "admin/today/_hits.html" if wants_fragment() else "admin/today/search.html"
    return render_template(page, text=text, found=found, hits=hits)


@bp.post("/bookings/<booking_id>/seen-to")
def seen_to(booking_id: str) -> ResponseReturnValue:
    """The customer was informed another way of what could not be delivered."""
    svc = services()
    svc.bookings.change(booking_id, lambda booking: attention.seen_to(booking, svc.now()))
    auth.note(svc, "seen_to", booking_id)
    return go(url_for("today.today"), said="Written down: the customer was told by another way. No mail goes out.")
