"""Who works in the admin area, and what each may do."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

IDLE = timedelta(minutes=30)
LONGEST_SESSION = timedelta(hours=12)
FRESH = timedelta(minutes=15)  # how long after a login money may be returned, and data taken out
INVITED_FOR = timedelta(hours=24)


class Role(StrEnum):
    """Each may do what those before it may."""

    READER = "reader"  # sees everything that is not personal settings, changes nothing
    HELPER = "helper"  # looks after bookings and customers; no refunds, no settings
    OWNER = "owner"

    def covers(self, least: "Role") -> bool:
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(least)


@dataclass(frozen=True, slots=True)
class Passkey:
    """A WebAuthn credential. `count` is its signature counter, which must grow where it is used at all."""

    id: bytes
    public_key: bytes
    count: int
    name: str
    added_at: datetime


@dataclass(frozen=True, slots=True)
class Person:
    """`password_hash` "": the one of the settings holds, for the account of ADMIN_EMAIL. `key` is wrapped by the vault
    and seals `totp`, the secret of the authenticator app; `totp_step` is the last time step a code was accepted for.
    `recovery` and `invitation` hold hashes only."""

    id: str
    email: str
    role: Role
    created_at: datetime
    key: bytes
    version: int = 0
    password_hash: str = ""
    totp: bytes = b""
    totp_step: int = 0
    recovery: tuple[str, ...] = ()
    passkeys: tuple[Passkey, ...] = ()
    invitation: str = ""
    invited_until: datetime | None = None
    disabled: bool = False

    @property
    def has_second_step(self) -> bool:
        return bool(self.totp or self.passkeys)


@dataclass(frozen=True, slots=True)
class Session:
    """One browser that is logged in. `id` is a hash of what its cookie holds; `mark` changes with the password."""

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
