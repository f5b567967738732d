"""Getting into the admin area: password, sessions, and what each account is allowed.

The account of ADMIN_EMAIL has the password of the settings for as long as it has none of its own, so that whoever runs
the site can always get in.
"""

import hashlib
import hmac

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from inspired.adapters.vault import normalised
from inspired.domain.errors import Conflict
from inspired.domain.people import Person, Role, Session
from inspired.services import Services

LONGEST_PASSWORD = 1024
_hasher = PasswordHasher()
_nobodys = _hasher.hash("verified where there is no such account, so that the time taken tells nothing")
log = structlog.get_logger()


def person_with(svc: Services, email: str, password: str) -> Person | None:
    """The account of this address, where this is its password. A password is always verified, so that the time taken
    does not tell whether there is an account."""
    person = _first_owner(svc, email) or svc.people.by_email(normalised(email))
    known = _password_of(svc, person) if person is not None and not person.disabled else _nobodys
    is_right = len(password) <= LONGEST_PASSWORD and _fits(known, password)
    return person if is_right and person is not None and not person.disabled else None


def hash_password(password: str) -> str:
    return _hasher.hash(password)


def open_session(svc: Services, person: Person, browser: str) -> str:
    """What the browser's cookie has to hold. Of it only a hash is kept."""
    token, now = svc.new_token(), svc.now()
    session = Session(hashed(token), person.id, mark_of(svc, person), now, now, now, browser[:120])
    svc.sessions.add(session)
    log.info("logged_in", person=person.id)
    return token


def found_session(svc: Services, token: str) -> tuple[Session, Person] | None:
    """The session of this cookie with its person, while it is neither idle nor too old, and the password is still the
    one it was opened with."""
    session = svc.sessions.get(hashed(token)) if token else None
    if session is None or not session.is_alive(svc.now()):
        return None
    person = svc.people.get(session.person_id)
    if person.disabled or not hmac.compare_digest(session.mark, mark_of(svc, person)):
        return None
    return session, person


def mark_of(svc: Services, person: Person) -> str:
    return hashlib.sha256(_password_of(svc, person).encode()).hexdigest()[:16]


def hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _first_owner(svc: Services, email: str) -> Person | None:
    """The account of ADMIN_EMAIL exists from its first use on."""
    address = normalised(svc.settings.admin_email)
    if normalised(email) != address:
        return None
    known = svc.people.by_email(address)
    if known is not None:
        return known
    person_id = svc.new_id()
    owner = Person(person_id, address, Role.OWNER, svc.now(), svc.vault.new_key(person_id))
    try:
        return svc.people.add(owner)
    except Conflict:
        return svc.people.by_email(address)


def _password_of(svc: Services, person: Person) -> str:
    """Its hash. Nobody's, where there is none: an account that was invited and has not been to the site yet."""
    if person.password_hash:
        return person.password_hash
    is_first = person.email == normalised(svc.settings.admin_email)
    return svc.settings.admin_password_hash.get_secret_value() if is_first else _nobodys


def _fits(known: str, password: str) -> bool:
    try:
        return _hasher.verify(known, password)
    except (VerificationError, InvalidHashError):
        return False
