"""The health of each part of the site for the owner, and three public lines for everybody. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

SLOW_DATABASE = timedelta(milliseconds=500)
SILENT_AFTER = timedelta(minutes=2)
KNOWN_FOR = timedelta(minutes=1)  # older facts say nothing about now


class Health(StrEnum):
    WELL = "working"
    SLOW = "slow"
    ILL = "not working"
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Part:
    """`at`: the moment this is about; `runbook`: the alert whose page says what to do, if it is not well."""

    id: str
    title: str
    health: Health
    detail: str
    at: datetime | None = None
    runbook: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to pay that is set up. `since`: when it stopped being offered, if known."""

    name: str
    health: Health
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Cached facts for pages that must not make calls. `firing`: alerts with their start.

    `database_away_since` and `paused_since`: None while the database or any way to pay answers. `clock_at` and
    `worker_at`: the last sign of life; None if there never was one.
    """

    known_at: datetime
    database_took: timedelta = timedelta()
    database_away_since: datetime | None = None
    clock_at: datetime | None = None
    worker_at: datetime | None = None
    paused_since: datetime | None = None
    is_backing_off: bool = False
    ways: tuple[Way, ...] = ()
    firing: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """`since`: when it stopped being well, if known."""

    name: str
    health: Health
    since: datetime | None = None


NAMES = ("Booking", "Payments", "Confirmations")
SLOW_BOOKING = ("calendly",)
SLOW_PAYMENTS = ("payments_failing", "certificates")
SLOW_CONFIRMATIONS = ("unconfirmed_now", "effect_overdue", "notice_waiting", "queue_stuck", "redis", "mail")


def public_lines(facts: Facts | None, now: datetime) -> tuple[Line, ...]:
    """Booking, payments, confirmations."""
    if facts is None or now - facts.known_at > KNOWN_FOR:
        return tuple(Line(name, Health.UNKNOWN) for name in NAMES)
    if facts.database_away_since is not None:
        return tuple(Line(name, Health.ILL, facts.database_away_since) for name in NAMES)
    is_slow = facts.database_took > SLOW_DATABASE
    return (
        _line("Booking", facts, ill=_paused(facts, now), slow=SLOW_BOOKING, is_slow=is_slow),
        _line("Payments", facts, ill=_paused(facts, now), slow=SLOW_PAYMENTS, is_slow=is_slow or facts.is_backing_off),
        _line("Confirmations", facts, ill=_silent(facts, now), slow=SLOW_CONFIRMATIONS, is_slow=is_slow),
    )


def ways_to_pay(facts: Facts | None, now: datetime) -> tuple[Way, ...]:
    """Each way with its state; unknown while the facts are old."""
    if facts is None:
        return ()
    if now - facts.known_at > KNOWN_FOR or facts.database_away_since is not None:
        return tuple(Way(way.name, Health.UNKNOWN) for way in facts.ways)
    return facts.ways


def is_silent(at: datetime | None, now: datetime) -> bool:
    """True if the last sign of life is too old, or there never was one."""
    return at is None or now - at > SILENT_AFTER


def clock_is_silent(facts: Facts | None, now: datetime) -> bool:
    """True if nothing checks for alerts. False while nothing is known."""
    if facts is None or facts.database_away_since is not None:
        return False
    return is_silent(facts.clock_at, now)


def overall(lines: Iterable[Line]) -> Health:
    """The worst of the lines."""
    found = {line.health for line in lines}
    return next(one for one in (Health.ILL, Health.UNKNOWN, Health.SLOW, Health.WELL) if one in found)


Ill = tuple[bool, datetime | None]


def _line(name: str, facts: Facts, *, ill: Ill, slow: Iterable[str], is_slow: bool) -> Line:
    is_ill, since = ill
    if is_ill:
        return Line(name, Health.ILL, since)
    begun = [facts.firing[one] for one in slow if one in facts.firing]
    return Line(name, Health.SLOW, min(begun, default=None)) if begun or is_slow else Line(name, Health.WELL)


def _paused(facts: Facts, now: datetime) -> Ill:
    skewed = facts.firing.get("clock_skew")
    since = facts.paused_since or skewed
    if since is None and is_silent(facts.worker_at, now):
        return True, facts.worker_at  # nothing is sold that could not be confirmed
    return since is not None, since


def _silent(facts: Facts, now: datetime) -> Ill:
    if clock_is_silent(facts, now):
        return True, facts.clock_at
    return is_silent(facts.worker_at, now), facts.worker_at
