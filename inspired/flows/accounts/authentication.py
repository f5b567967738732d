"""Login to the admin area: password, second step, sessions, accounts.

The account of ADMIN_EMAIL uses the password from the settings until it has its own, so that the site's operator can
always log in.
"""

import hashlib
import hmac
import secrets
import unicodedata
from collections.abc import Callable
from dataclasses import replace

import pyotp
import structlog
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from email_validator import EmailNotValidError, validate_email

from inspired.adapters.crypto.vault import normalised
from inspired.adapters.mongo.people import RefusedLogin
from inspired.domain.accounts.people import (
    INVITED_FOR,
    LONGEST_PASSWORD,
    Passkey,
    Person,
    Role,
    Session,
    check_password,
)
from inspired.domain.shared.errors import Conflict, Invalid, NotFound
from inspired.services import Services

CODES = 10
CODE_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
STEP = 30  # seconds per code of an authenticator app (RFC 6238)
_hasher = PasswordHasher()
# Verified where there is no such account, so that the time taken tells nothing. It is of a password that nobody knows,
# and written down, since every process of the product would take a tenth of a second to make one.
_nobodys = "$argon2id$v=19$m=65536,t=3,p=4$OVawFe1VTQPRQRV9/UkdUQ$vtARTcerpouZZEYUXGH7oGUKuA49LkVmA31zK+ArwJA"
log = structlog.get_logger()


def person_with(svc: Services, email: str, password: str) -> Person | None:
    """The account of this address, if the password is right. A password is always verified, so that the duration does
    not reveal whether the account exists."""
    person = _first_owner(svc, email) or svc.people.by_email(normalised(email))
    known = _password_of(svc, person) if person is not None and not person.disabled else _nobodys
    is_right = len(password) <= LONGEST_PASSWORD and _fits(known, password)
    return person if is_right and person is not None and not person.disabled else None


def log_in(svc: Services, email: str, password: str, address: str) -> Person | None:
    """As `person_with`. `address` is the browser's IP address; failures are recorded as `refused`."""
    person = person_with(svc, email, password)
    if person is None:
        refused(svc, email, address)
    return person


def refused(svc: Services, email: str, address: str) -> None:
    """Record a wrong password or code, or a login blocked by the rate limit, for this IP address and account."""
    log.warning("login_refused")
    account = svc.vault.fingerprint("refused", f"account {normalised(email)}")
    svc.refused_logins.add(RefusedLogin(svc.now(), svc.vault.fingerprint("refused", f"from {address}"), account))


def hash_password(password: str) -> str:
    return _hasher.hash(password)


def open_session(svc: Services, person: Person, browser: str) -> str:
    """Open a session and return the cookie's value, of which only a hash is stored."""
    token, now = svc.new_token(), svc.now()
    session = Session(hashed(token), person.id, mark_of(svc, person), now, now, now, browser[:120])
    svc.sessions.add(session)
    log.info("logged_in", person=person.id)
    return token


def found_session(svc: Services, token: str) -> tuple[Session, Person] | None:
    """The session of this cookie and its person. None if it is idle or too old, or the password has changed since."""
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
    """The account of ADMIN_EMAIL, created on first use."""
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
    """Its hash. For an invited account without a password, a hash that no password matches."""
    if person.password_hash:
        return person.password_hash
    is_first = person.email == normalised(svc.settings.admin_email)
    return svc.settings.admin_password_hash.get_secret_value() if is_first else _nobodys


def _fits(known: str, password: str) -> bool:
    try:
        return _hasher.verify(known, password)
    except (VerificationError, InvalidHashError):
        return False


# --- the second step ------------------------------------------------------------------------------------------------


def new_app_secret(svc: Services, person_id: str) -> str:
    """For an authenticator app, in base32. It takes effect once a code of it was entered."""
    secret = pyotp.random_base32()
    sealed = svc.vault.seal(svc.people.get(person_id).key, person_id, "totp", secret)
    svc.people.change(person_id, lambda person: replace(person, totp_pending=sealed))
    return secret


def app_address(svc: Services, person: Person, secret: str) -> str:
    """The QR code's content: https://github.com/google/google-authenticator/wiki/Key-Uri-Format"""
    return pyotp.TOTP(secret).provisioning_uri(name=person.email, issuer_name=svc.preferences.now().brand.name)


def pending_secret(svc: Services, person: Person) -> str:
    return svc.vault.open(person.key, person.id, "totp", person.totp_pending)


def confirm_app(svc: Services, person_id: str, code: str) -> list[str]:
    """Make the app the second step. Returns the recovery codes, shown only this once. Raises Invalid."""
    person = svc.people.get(person_id)
    step = _step_of(svc, pending_secret(svc, person), code) if person.totp_pending else None
    if step is None:
        raise Invalid("The code is wrong. Please enter the one your app shows now.", {"code": "is wrong"})
    codes, hashes = _new_codes()

    def decide(current: Person) -> Person:
        return replace(current, totp=current.totp_pending, totp_pending=b"", totp_step=step, recovery=hashes)

    svc.people.change(person_id, decide)
    return codes


def new_recovery_codes(svc: Services, person_id: str) -> list[str]:
    """Replaces the old codes, which become invalid."""
    codes, hashes = _new_codes()
    svc.people.change(person_id, lambda person: replace(person, recovery=hashes))
    return codes


def use_code(svc: Services, person_id: str, code: str) -> Person:
    """Use a code of the app or a recovery code; each works once. Raises Invalid."""
    person = svc.people.get(person_id)
    step = _step_of(svc, svc.vault.open(person.key, person.id, "totp", person.totp), code) if person.totp else None
    if step is not None:
        return svc.people.change(person_id, lambda current: current.with_code_of(step))
    used = hashed("".join(letter for letter in code.lower() if letter in CODE_LETTERS))
    return svc.people.change(person_id, lambda current: current.without_recovery_code(used))


def without_second_step(svc: Services, person_id: str) -> Person:
    return svc.people.change(
        person_id,
        lambda person: replace(person, totp=b"", totp_pending=b"", recovery=(), passkeys=()),
    )


def add_passkey(svc: Services, person_id: str, passkey: Passkey) -> list[str]:
    """Returns recovery codes if there were none yet, so that a lost phone locks nobody out."""
    codes, hashes = _new_codes()
    was_without = not svc.people.get(person_id).recovery

    def decide(person: Person) -> Person:
        others = tuple(other for other in person.passkeys if other.id != passkey.id)
        return replace(person, passkeys=(*others, passkey), recovery=person.recovery or hashes)

    svc.people.change(person_id, decide)
    return codes if was_without else []


def remove_passkey(svc: Services, person_id: str, name: str) -> Person:
    return svc.people.change(
        person_id,
        lambda person: replace(
            person, passkeys=tuple(passkey for passkey in person.passkeys if passkey.id.hex() != name)
        ),
    )


# --- accounts -------------------------------------------------------------------------------------------------------


def invite(svc: Services, email: str, role: Role) -> str:
    """Create an account and return the URL of the page on which to set its password, valid once within a day. Raises
    Invalid, Conflict."""
    email, person_id, token = mail_address(email), svc.new_id(), svc.new_token()
    person = Person(person_id, normalised(email), role, svc.now(), svc.vault.new_key(person_id))
    until = svc.now() + INVITED_FOR
    svc.people.add(replace(person, invitation=hashed(token), invited_until=until))
    return _welcome(svc, token)


def mail_address(text: str) -> str:
    """The address in the form accounts store. Raises Invalid."""
    try:
        return validate_email(text.strip(), check_deliverability=False).normalized
    except EmailNotValidError:
        raise Invalid("Please check the marked fields.", {"email": "is not a mail address"}) from None


def invite_again(svc: Services, person_id: str) -> str:
    """For a forgotten password or an expired invitation. The old password stays valid until the link is used."""
    token = svc.new_token()
    until = svc.now() + INVITED_FOR
    svc.people.change(person_id, lambda person: replace(person, invitation=hashed(token), invited_until=until))
    return _welcome(svc, token)


def invited(svc: Services, token: str) -> Person:
    """Raises NotFound if the link was used, is too old, or never existed."""
    person = svc.people.by_invitation(hashed(token))
    if person is None or not person.is_invited(svc.now()):
        raise NotFound("This link was used already, or is too old. Please ask the owner for a new one.")
    return person


def accept(svc: Services, token: str, password: str) -> Person:
    """Raises NotFound, Invalid."""
    check_password(password)
    invitation, password_hash = hashed(token), hash_password(password)

    def decide(person: Person) -> Person:
        if person.invitation != invitation or not person.is_invited(svc.now()):
            raise NotFound("This link was used already, or is too old. Please ask the owner for a new one.")
        return person.with_password(password_hash)

    return svc.people.change(invited(svc, token).id, decide)


def set_password(svc: Services, person_id: str, password: str) -> Person:
    """Set a new password, which ends every session opened with the old one. Raises Invalid."""
    check_password(password)
    password_hash = hash_password(password)
    return svc.people.change(person_id, lambda person: person.with_password(password_hash))


def change_person(svc: Services, person_id: str, decide: Callable[[Person], Person]) -> Person:
    """Raises Conflict if no owner would be left."""
    only = Conflict("Somebody has to be the owner: this is the only one.")
    before = svc.people.get(person_id)
    others = [person for person in svc.people.all() if person.id != person_id]
    if not any(map(_is_owner, others)) and not _is_owner(decide(before)):
        raise only
    after = svc.people.change(person_id, decide)
    if not any(map(_is_owner, svc.people.all())):
        # Two owners removed each other at the same moment: the one that finds no owner left undoes its change.
        svc.people.change(person_id, lambda person: replace(person, role=before.role, disabled=before.disabled))
        raise only
    return after


def _is_owner(person: Person) -> bool:
    return person.role is Role.OWNER and not person.disabled


def _welcome(svc: Services, token: str) -> str:
    return f"{svc.settings.site_url}/admin/welcome/{token}"


def _new_codes() -> tuple[list[str], tuple[str, ...]]:
    """Sixteen characters each (79 bits), with their hashes."""
    codes = ["".join(secrets.choice(CODE_LETTERS) for _ in range(16)) for _ in range(CODES)]
    return ["-".join(code[i : i + 4] for i in range(0, 16, 4)) for code in codes], tuple(map(hashed, codes))


def _digits(code: str) -> str:
    """Clean up a code as copied from apps and password managers: remove any spaces, invisible characters and dashes,
    and convert full-width digits."""
    plain = unicodedata.normalize("NFKC", code)
    return "".join(one for one in plain if unicodedata.category(one)[0] not in "ZC" and one != "-")


def _step_of(svc: Services, secret: str, code: str) -> int | None:
    """The time step of this code among the current, previous and next one; None if it matches none."""
    digits = _digits(code)
    now = int(svc.now().timestamp()) // STEP
    app = pyotp.TOTP(secret)
    steps = [now + ahead for ahead in (-1, 0, 1)]
    fits = [hmac.compare_digest(app.generate_otp(step).encode(), digits.encode()) for step in steps]
    return next((step for step, is_it in zip(steps, fits, strict=True) if is_it), None)
