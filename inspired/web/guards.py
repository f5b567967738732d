"""Who may enter the owner's pages: one password (argon2id), a signed session that ends by itself."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from flask import request, session

from inspired.domain.errors import Forbidden
from inspired.services import Services

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
NOTE_EVERY = timedelta(minutes=1)  # how exactly the last visit is remembered; saves a cookie on most pages
LONGEST_PASSWORD = 1024
_hasher = PasswordHasher()


def log_in(svc: Services, email: str, password: str) -> bool:
    """The password is always verified, so that the time taken does not tell whether the address was right."""
    known = svc.settings.admin_password_hash.get_secret_value()
    right_password = len(password) <= LONGEST_PASSWORD and _is_right(known, password)
    right_email = hmac.compare_digest(_plain(email), _plain(svc.settings.admin_email))
    if not (right_password and right_email):
        return False
    session.clear()  # nothing of the visitor's session becomes the owner's
    token, now = svc.new_token(), svc.now()
    svc.sessions.add(_hash(token), now)
    session["owner"] = {"id": token, "since": now.timestamp(), "seen": now.timestamp(), "password": _mark_of(svc)}
    return True


def log_out(svc: Services) -> None:
    """A copy of the cookie is worth nothing afterwards."""
    owner = session.get("owner")
    if isinstance(owner, dict):
        svc.sessions.end(_hash(str(owner.get("id", ""))))
    session.clear()


def is_owner(svc: Services) -> bool:
    """True for a session that is neither idle nor too old, and was opened with the password of today."""
    owner = session.get("owner")
    if not isinstance(owner, dict):
        return False
    now = svc.now()
    fresh = now - _moment(owner["seen"]) < IDLE and now - _moment(owner["since"]) < LONGEST
    if not fresh or not hmac.compare_digest(str(owner["password"]), _mark_of(svc)):
        session.pop("owner")
        return False
    if not svc.sessions.has(_hash(str(owner.get("id", "")))):
        session.pop("owner")
        return False
    if now - _moment(owner["seen"]) > NOTE_EVERY:
        session["owner"] = {**owner, "seen": now.timestamp()}
    return True


def refuse_foreign(svc: Services) -> None:
    """For calls that change something and carry no form token: a page of another site must not make them in the
    owner's browser, which says where a call comes from. Programs say nothing of the kind."""
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "none")
    own = {request.host, urlsplit(svc.settings.site_url).netloc}
    if site not in ("same-origin", "none") or (origin is not None and urlsplit(origin).netloc not in own):
        raise Forbidden("This call comes from another site.")


def _is_right(known: str, password: str) -> bool:
    try:
        return _hasher.verify(known, password)
    except (VerificationError, InvalidHashError):
        return False


def _mark_of(svc: Services) -> str:
    """Changes with the password, so that a new one ends every session."""
    return hashlib.sha256(svc.settings.admin_password_hash.get_secret_value().encode()).hexdigest()[:16]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _plain(email: str) -> bytes:
    return email.strip().lower().encode()


def _moment(stamp: float) -> datetime:
    return datetime.fromtimestamp(stamp, UTC)
