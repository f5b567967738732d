"""Who is at the owner's pages, and whether they may open this one."""

from urllib.parse import urlsplit

import structlog
from flask import Response, g, request, session, url_for
from flask.typing import ResponseReturnValue

from inspired.domain.errors import Forbidden
from inspired.domain.people import Person, Session
from inspired.flows import door
from inspired.services import Services
from inspired.web.current import services
from inspired.web.errors import problem
from inspired.web.htmx import go
from inspired.web.permissions import ALLOWED, FRESH_LOGIN, OPEN_TO_ALL

NOTE_EVERY = 60.0  # seconds: how exactly the last visit is remembered
log = structlog.get_logger()


def admit() -> ResponseReturnValue | None:
    """Before every page of the admin area."""
    if request.endpoint in OPEN_TO_ALL:
        return None
    person = who(services())
    if person is None:
        return go(url_for("admin.login", next=request.path if request.method == "GET" else None))
    _refuse_beyond(person)
    if request.endpoint in FRESH_LOGIN and not session_of(services()).is_fresh(services().now()):
        return go(url_for("admin.again", next=_page()))
    return None


def admit_api() -> Response | None:
    person = who(services())
    if person is None:
        return problem(401, "Not logged in", "Log in at /admin/login first.")
    _refuse_beyond(person)
    return None


def may(endpoint: str) -> bool:
    """Whether whoever is here may open this: pages show no button that would be refused."""
    person = who(services())
    return person is not None and endpoint in ALLOWED and person.role.covers(ALLOWED[endpoint])


def who(svc: Services) -> Person | None:
    """The person this browser is logged in as."""
    if "door" not in g:
        token = session.get("admin")
        g.door = door.found_session(svc, token) if isinstance(token, str) else None
        if g.door is None:
            session.pop("admin", None)
        elif (svc.now() - g.door[0].seen).total_seconds() > NOTE_EVERY:
            svc.sessions.seen(g.door[0].id, svc.now())
    return None if g.door is None else g.door[1]


def is_known() -> bool:
    """Somebody was found to be logged in during this request. Asks nobody, so that error pages may."""
    return g.get("door") is not None


def session_of(svc: Services) -> Session:
    if who(svc) is None:
        raise Forbidden("Please log in first.")
    found: Session = g.door[0]
    return found


def let_in(svc: Services, person: Person) -> None:
    """A new session: nothing of the visitor's becomes the owner's."""
    session.clear()
    session["admin"] = door.open_session(svc, person, _browser())
    g.pop("door", None)


def log_out(svc: Services) -> None:
    """A copy of the cookie is worth nothing afterwards."""
    if isinstance(token := session.get("admin"), str):
        svc.sessions.end(door.hashed(token))
    session.clear()
    g.pop("door", None)


def refuse_foreign(svc: Services) -> None:
    """For calls that change something and carry no form token: a page of another site must not make them in the
    owner's browser, which says where a call comes from. Programs say nothing of the kind."""
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "none")
    own = {request.host, urlsplit(svc.settings.site_url).netloc}
    if site not in ("same-origin", "none") or (origin is not None and urlsplit(origin).netloc not in own):
        raise Forbidden("This call comes from another site.")


def _refuse_beyond(person: Person) -> None:
    endpoint = request.endpoint or ""
    if endpoint in ALLOWED and person.role.covers(ALLOWED[endpoint]):
        return
    log.warning("not_allowed", person=person.id, endpoint=endpoint)
    raise Forbidden("Your account may not do this. Please ask the owner.")


def _page() -> str:
    """Where to come back to: the page itself, or the one its form stands on."""
    return request.path if request.method == "GET" else urlsplit(request.referrer or "").path


def _browser() -> str:
    """ "Firefox on Windows", as far as the browser tells; for the owner's list of sessions."""
    said = request.user_agent.string
    names = {"Edg/": "Edge", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}
    systems = ("Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux")
    name = next((name for mark, name in names.items() if mark in said), "A browser")
    system = next((system for system in systems if system in said), "")
    return f"{name} on {system}" if system else name
