"""Authentication and authorisation for the admin area."""

import re
import secrets
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

import structlog
from flask import Response, after_this_request, current_app, g, request, session, url_for
from flask.typing import ResponseReturnValue
from itsdangerous import BadSignature, URLSafeTimedSerializer

from inspired.adapters.crypto.vault import normalised
from inspired.domain.accounts.people import MOST_GUESSES, Person, Session
from inspired.domain.shared.errors import Forbidden, Invalid
from inspired.flows.accounts import api_keys, authentication
from inspired.services import Services
from inspired.web.shared import rate_limits
from inspired.web.shared.current import services, visitor_address
from inspired.web.shared.errors import problem
from inspired.web.shared.htmx import go
from inspired.web.shared.permissions import ALLOWED, FRESH_LOGIN, OPEN_TO_ALL, SCOPES

OWN_PAGE = re.compile(r"/admin(/[A-Za-z0-9_-]+)*/?(\?[A-Za-z0-9_=&%:.+-]*)?")
HALF_WAY = 300.0  # seconds for the second step of the login
KNOWN, KNOWN_FOR = "known", 180 * 24 * 3600  # the cookie of a browser that has logged in before, and its lifetime
NOTE_EVERY = 60.0  # seconds: precision of the recorded last visit
BEARER = "Bearer "
GUESSED_OUT = f"That was wrong {MOST_GUESSES} times. You are logged out; please log in again."
T = TypeVar("T")
log = structlog.get_logger()


def admit() -> ResponseReturnValue | None:
    """Runs before every page of the admin area."""
    if request.endpoint in OPEN_TO_ALL:
        return None
    person = who(services())
    if person is None:
        return go(url_for("login.login", next=request.path if request.method == "GET" else None))
    _refuse_beyond(person)
    return go(url_for("login.reauthenticate", next=_page())) if _is_stale() else None


def admit_api() -> Response | None:
    """Requires a session, or an API key with the scope for this call."""
    if request.headers.get("Authorization", "").startswith(BEARER):
        return _admit_key(request.headers["Authorization"].removeprefix(BEARER).strip())
    person = who(services())
    if person is None:
        return problem(401, "Not logged in", "Log in at /admin/login first.")
    _refuse_beyond(person)
    if _is_stale():
        return problem(403, "Please prove it is you", "Your login is too old for this. Prove it at /admin/again first.")
    return None


def _is_stale() -> bool:
    """One rule for pages and API: moving money or exporting data needs a recent login."""
    return request.endpoint in FRESH_LOGIN and not session_of(services()).is_fresh(services().now())


def _admit_key(secret: str) -> Response | None:
    key = api_keys.found(services(), secret)
    if key is None:
        answer = problem(401, "Not logged in", "This key is not known, or was revoked.")
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    if SCOPES.get(request.endpoint or "") not in key.scopes:
        log.warning("not_allowed", api_key=key.id, endpoint=request.endpoint)
        raise Forbidden("This key may not do this.")
    return None


def may(endpoint: str) -> bool:
    """True if the logged-in person may open this endpoint, so that pages hide buttons that would be refused."""
    person = who(services())
    return person is not None and endpoint in ALLOWED and person.role.covers(ALLOWED[endpoint])


def who(svc: Services) -> Person | None:
    """The person logged in with this browser."""
    if "door" not in g:
        token = session.get("admin")
        g.door = authentication.found_session(svc, token) if isinstance(token, str) else None
        if g.door is None:
            session.pop("admin", None)
        elif (svc.now() - g.door[0].seen).total_seconds() > NOTE_EVERY:
            svc.sessions.seen(g.door[0].id, svc.now())
    return None if g.door is None else g.door[1]


def is_known() -> bool:
    """True if this request was found to be logged in. Makes no calls, so error pages may use it."""
    return g.get("door") is not None


def session_of(svc: Services) -> Session:
    if who(svc) is None:
        raise Forbidden("Please log in first.")
    found: Session = g.door[0]
    return found


def note(svc: Services, what: str, about: str, detail: str = "") -> None:
    """Write the logged-in person's action to the audit log."""
    svc.audit.add(svc.now(), session_of(svc).person_id, what, about, detail)


def here(svc: Services) -> Person:
    """The logged-in person, freshly loaded."""
    return svc.people.get(session_of(svc).person_id)


def guess(svc: Services, check: Callable[[], T]) -> T:
    """Check a password or code of the logged-in person. `check` raises Invalid if it is wrong. The guess is counted
    before it is checked, so that parallel guesses gain nothing. The last allowed one ends the session, since a guesser
    has no right to it. Raises Invalid, Forbidden."""
    here = session_of(svc)
    number = svc.sessions.guessed(here.id)
    try:
        if number > MOST_GUESSES:
            raise Invalid("The password is wrong.")
        return check()
    except Invalid:
        authentication.refused(svc, svc.people.get(here.person_id).email, visitor_address())
        if number < MOST_GUESSES:
            raise
    _thrown_out(svc, here.person_id)
    raise Forbidden(GUESSED_OUT)


def guess_password(svc: Services, password: str, field: str) -> None:
    """Ask the logged-in person for the password again. A right password resets the count; a right code does not, since
    setting up an app gives unlimited codes. Raises Invalid, Forbidden."""
    here = session_of(svc)

    def check() -> None:
        person = authentication.person_with(svc, svc.people.get(here.person_id).email, password)
        if person is None or person.id != here.person_id:
            raise Invalid("Please check the marked fields.", {field: "is wrong"})

    guess(svc, check)
    svc.sessions.guessed_right(here.id)


def guess_code(svc: Services, person: Person, code: str) -> Person:
    """The second step of the login. Guesses are counted per account, across browsers; the last wrong code voids the
    right password. Raises Invalid, Forbidden, TooMany."""
    rate_limits.guessing.count(svc, svc.vault.fingerprint("limit", f"code {person.id}"))
    try:
        return authentication.use_code(svc, person.id, code)
    except Invalid:
        authentication.refused(svc, person.email, visitor_address())
        half = session["half"]
        session["half"] = {**half, "wrong": half.get("wrong", 0) + 1}
        if session["half"]["wrong"] < MOST_GUESSES:
            raise
    _thrown_out(svc, person.id)
    raise Forbidden(GUESSED_OUT)


def _thrown_out(svc: Services, person_id: str) -> None:
    svc.audit.add(svc.now(), person_id, "guessed_out", person_id)
    log_out(svc)


def begin(svc: Services, person: Person, goal: str) -> str:
    """After the right password: log in, or go on to the second step if there is one. Returns the next URL."""
    if not person.has_second_step:
        let_in(svc, person)
        return goal
    session.clear()
    session["half"] = {
        "id": person.id,
        "at": svc.now().timestamp(),
        "mark": authentication.mark_of(svc, person),
        "goal": goal,
    }
    return url_for("account.second_step")


def half_way(svc: Services) -> Person | None:
    """The person who entered the right password and still needs the second step."""
    half = session.get("half")
    if not isinstance(half, dict) or svc.now().timestamp() - half["at"] > HALF_WAY:
        return None
    person = svc.people.get(half["id"])
    return None if person.disabled or half["mark"] != authentication.mark_of(svc, person) else person


def let_in(svc: Services, person: Person) -> None:
    """Start a new session; nothing of the previous one is kept."""
    session.clear()
    session["admin"] = authentication.open_session(svc, person, _browser())
    g.pop("door", None)
    if _known() is None:
        after_this_request(_remember)


def account_key(svc: Services, email: str) -> str:
    """Login rate-limit key: the account, or the browser if it is recognised, so that an attacker cannot lock the owner
    out."""
    return svc.vault.fingerprint("limit", f"known {_known()}" if _known() else f"account {normalised(email)}")


def log_out(svc: Services) -> None:
    """A copy of the cookie is worthless afterwards."""
    if isinstance(token := session.get("admin"), str):
        svc.sessions.end(authentication.hashed(token))
    session.clear()
    g.pop("door", None)


def refuse_foreign(svc: Services) -> None:
    """For calls that change something without a form token: another site's page must not make them in the owner's
    browser. Browsers send the origin; programs send none."""
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


def own_page(wanted: str) -> str:
    """Where to go after the login: only to our own pages."""
    return wanted if OWN_PAGE.fullmatch(wanted) else url_for("today.today")


def _known() -> str | None:
    try:
        return str(_signer().loads(request.cookies.get(KNOWN, ""), max_age=KNOWN_FOR))
    except BadSignature:
        return None


def _remember(response: Response) -> Response:
    """This cookie grants no access."""
    text = _signer().dumps(secrets.token_hex(16))
    secure = current_app.config["SESSION_COOKIE_SECURE"]
    response.set_cookie(KNOWN, text, KNOWN_FOR, path="/admin", secure=secure, httponly=True, samesite="Lax")
    return response


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="a browser that has been in before")


def _page() -> str:
    """Where to return to: the page itself, or the page of its form; if that was the answer to a form, the page before
    it."""
    if request.method == "GET":
        return request.full_path.rstrip("?")
    path, addresses = urlsplit(request.referrer or "").path, current_app.create_url_adapter(request)
    while path.count("/") > 2 and addresses is not None and not addresses.test(path, "GET"):
        path = path.rpartition("/")[0]
    return path


def _browser() -> str:
    """ "Firefox on Windows", as far as the browser says; for the owner's list of sessions."""
    said = request.user_agent.string
    names = {"Edg/": "Edge", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}
    systems = ("Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux")
    name = next((name for mark, name in names.items() if mark in said), "A browser")
    system = next((system for system in systems if system in said), "")
    return f"{name} on {system}" if system else name
