"""The menu of the admin area: groups of places, and the pages that belong to each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, request, url_for

from inspired.flows.booking.checking import BEGINNING
from inspired.web.shared import auth
from inspired.web.shared.current import services

MOST_COUNTED = 99


@dataclass(frozen=True, slots=True)
class Place:
    """One line of the menu. `pages`: endpoints that belong to it besides its own; "tickets.*" stands for a blueprint.
    An endpoint spelled out goes before a blueprint."""

    label: str
    endpoint: str
    pages: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return url_for(self.endpoint, **dict[str, Any](self.values))


GROUPS: Mapping[str, tuple[Place, ...]] = {
    "Work": (
        Place("Today", "today.today", ("today.*",)),
        Place(
            "Bookings",
            "bookings.bookings",
            (
                *("bookings.*", "booking_details.*", "owner_actions.*"),
                *("money.refund", "money.refund_preview", "money.refund_submit", "money.agree", "money.ask"),
                *("wallet_refunds.send", "wallet_refunds.send_submit"),
            ),
        ),
        Place("Messages", "tickets.index", ("tickets.*",)),
    ),
    "Money": (
        Place("Overview", "money.money", ("money.*",)),
        Place("Refunds", "reports.show", values={"kind": "refunds"}),
        Place("Receiving", "receiving.overview", ("receiving.*", "wallet_refunds.*")),
        Place("Sweeps", "sweeps.overview", ("sweeps.*",)),
        Place("Limits", "payment_limits.allowances", ("payment_limits.*",)),
        Place("Reports", "reports.overview", ("reports.*",)),
        Place("Numbers", "metrics.show", ("metrics.*",)),
    ),
    "Shop": (
        Place("Calls", "catalogue.calls", ("catalogue.*",)),
        Place("Availability", "catalogue.calendar", ("catalogue.calendar_submit", "catalogue.read_own_calendar")),
        Place("Texts & brand", "preferences.settings", ("preferences.*",)),
    ),
    "System": (
        Place("Health & alerts", "alerts.alerts", ("alerts.*", "health.*")),
        Place("Rehearsal", "rehearsals.drills", ("rehearsals.*",)),
        Place("Evidence", "evidence.webhooks", ("evidence.*",)),
        Place("Audit", "preferences.audit", ("preferences.check_audit",)),
        Place("Team", "account.people", ("account.people_submit", "account.change_person")),
        Place("Keys for programs", "api_keys.index", ("api_keys.*",)),
    ),
    "You": (Place("Account", "account.account", ("account.*", "login.*")),),
}
PLACES = tuple(place for places in GROUPS.values() for place in places)


def place_of(endpoint: str, values: Mapping[str, object]) -> Place | None:
    """Where this page stands in the menu."""
    exact = [place for place in PLACES if endpoint == place.endpoint or endpoint in place.pages]
    for place in exact:
        if place.values and dict(place.values) == dict(values):
            return place
    for place in exact:
        if not place.values:
            return place
    blueprint = f"{endpoint.partition('.')[0]}.*"
    return next((place for place in PLACES if blueprint in place.pages), None)


def init_app(app: Flask) -> None:
    app.jinja_env.globals.update(menu_groups=_groups, menu_place=_place, unanswered_messages=_unanswered)


def _groups() -> dict[str, list[Place]]:
    """What the person who is logged in may open."""
    allowed = {group: [place for place in places if auth.may(place.endpoint)] for group, places in GROUPS.items()}
    return {group: places for group, places in allowed.items() if places}


def _place() -> Place | None:
    return place_of(request.endpoint or "", request.view_args or {})


def _unanswered() -> int:
    """Messages that wait for our answer; MOST_COUNTED + 1 if there are more."""
    return services().tickets.count_owed(BEGINNING, MOST_COUNTED + 1)
