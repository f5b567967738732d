"""Accounts of the admin area and what each may do."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from inspired.domain.shared.errors import Invalid

IDLE = timedelta(minutes=30)
LONGEST_SESSION = timedelta(hours=12)
FRESH = timedelta(minutes=15)  # how long after a login refunds and data exports are allowed
INVITED_FOR = timedelta(hours=24)
MOST_GUESSES = 10  # of a password or code in one session; the last of them ends it
LEAST_PASSWORD, LONGEST_PASSWORD = 12, 1024


def check_password(password: str) -> None:
    """Only the length matters (NIST SP 800-63B). Raises Invalid."""
    if not LEAST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise Invalid("Please check the marked fields.", {"password": f"At least {LEAST_PASSWORD} characters."})


class Role(StrEnum):
    """Each role may also do what those before it may."""

    READER = "reader"  # sees everything except personal settings, changes nothing
    HELPER = "helper"  # handles bookings and customers; no refunds, no settings
    OWNER = "owner"

    def covers(self, least: "Role") -> bool:
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(least)


@dataclass(frozen=True, slots=True)
class Passkey:
    """A WebAuthn credential. `count` is its signature counter, which must grow if it is used at all."""

    id: bytes
    public_key: bytes
    count: int
    name: str
    added_at: datetime


@dataclass(frozen=True, slots=True)
class Person:
    """`password_hash` "": the password from the settings applies, for the account of ADMIN_EMAIL. `key` is wrapped by
    the vault and seals `totp`, the authenticator app's secret; `totp_step` is the last time step whose code was
    accepted. `recovery` and `invitation` hold only hashes."""

    id: str
    email: str
    role: Role
    created_at: datetime
    key: bytes
    version: int = 0
    password_hash: str = ""
    totp: bytes = b""
    totp_pending: bytes = b""  # shown, not confirmed by a code yet
    totp_step: int = 0
    recovery: tuple[str, ...] = ()
    passkeys: tuple[Passkey, ...] = ()
    invitation: str = ""
    invited_until: datetime | None = None
    disabled: bool = False

    @property
    def has_second_step(self) -> bool:
        return bool(self.totp or self.passkeys)

    def with_code_of(self, step: int) -> "Person":
        """An authenticator code was accepted: neither it nor an older one is accepted again. Raises Invalid.

        https://www.rfc-editor.org/rfc/rfc6238#section-5.2
        """
        if step <= self.totp_step:
            raise Invalid("This code was used already. Please wait for the next one.")
        return replace(self, totp_step=step)

    def without_recovery_code(self, hashed: str) -> "Person":
        """A recovery code was used and is now invalid. Raises Invalid."""
        if hashed not in self.recovery:
            raise Invalid("The code is wrong.")
        return replace(self, recovery=tuple(one for one in self.recovery if one != hashed))

    def with_passkey_used(self, credential_id: bytes, count: int) -> "Person":
        used = (replace(passkey, count=count) if passkey.id == credential_id else passkey for passkey in self.passkeys)
        return replace(self, passkeys=tuple(used))

    def with_password(self, password_hash: str) -> "Person":
        """Setting the password uses up the invitation, if there was one."""
        return replace(self, password_hash=password_hash, invitation="", invited_until=None)

    def is_invited(self, now: datetime) -> bool:
        return (
            bool(self.invitation) and self.invited_until is not None and now < self.invited_until and not self.disabled
        )


@dataclass(frozen=True, slots=True)
class Session:
    """One logged-in browser. `id` is a hash of the cookie's value; `mark` changes with the password."""

    id: str
    person_id: str
    mark: str
    since: datetime
    seen: datetime
    fresh_at: datetime
    browser: str = ""

    def is_alive(self, now: datetime) -> bool:
        return now - self.seen < IDLE and now - self.since < LONGEST_SESSION

    def is_fresh(self, now: datetime) -> bool:
        return now - self.fresh_at < FRESH

    def seen_again(self, now: datetime) -> "Session":
        return replace(self, seen=now)
