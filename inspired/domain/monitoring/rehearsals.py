"""The record of a rehearsal: what was seen step by step, and what was checked at the end."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from inspired.domain.booking.booking import Booking, Entry


class Verdict(StrEnum):
    WAITING = "waiting"  # requested; no worker has started it yet
    RUNNING = "running"
    GREEN = "green"
    RED = "red"

    @property
    def is_final(self) -> bool:
        return self in (Verdict.GREEN, Verdict.RED)


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail of the drill, as it would have been sent."""

    to: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Scene:
    """One step: what happened, the resulting bookings and their customers, and the mails since the previous step. `at`
    is the drill's own clock, on which hours pass in a moment."""

    at: datetime
    what: str
    bookings: tuple[Booking, ...] = ()
    customers: tuple[str, ...] = ()
    letters: tuple[Letter, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """A claim that must hold, and whether it did."""

    claim: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Record:
    """`ledger`: everything posted there. `broken_off`: why the drill was aborted, if it was."""

    scenes: tuple[Scene, ...] = ()
    checks: tuple[Check, ...] = ()
    ledger: tuple[Entry, ...] = ()
    broken_off: str = ""

    @property
    def verdict(self) -> Verdict:
        """Green only if something was checked and everything holds."""
        is_well = bool(self.checks) and not self.broken_off and all(check.holds for check in self.checks)
        return Verdict.GREEN if is_well else Verdict.RED

    @property
    def why(self) -> str:
        """Why it is red, in one line; "" if it is green."""
        failed = [f"Not so: {check.claim}" for check in self.checks if not check.holds]
        return " ".join([*failed, self.broken_off]).strip()


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a drill. `version` is the code's version; "" until a worker has started it."""

    id: str
    drill: str
    by: str
    asked_at: datetime
    verdict: Verdict = Verdict.WAITING
    version: str = ""
    began_at: datetime | None = None
    ended_at: datetime | None = None
    why: str = ""
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """Since when this version may take payments, and by whose rehearsal."""

    version: str
    at: datetime
    by: str
