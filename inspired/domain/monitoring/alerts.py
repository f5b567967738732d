"""Alerts: when one begins, is told, is told again, and is over. Pure; `runbook` has them all in words.

Nobody is told of the same twice, and one that comes and goes is told ever more rarely: it counts as over only after it
was not seen for some minutes, and for twice as long with each time it began within a day.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

REMIND_AFTER = timedelta(hours=24)
CALM = timedelta(minutes=5)
LONGEST_CALM = timedelta(hours=4)
DAY = timedelta(hours=24)
KEPT = 20  # of the times one has been over
LEAST = 50  # of fewer no rate says anything
SURE = Decimal("1.645")  # standard deviations: nineteen times of twenty on this side


class Severity(StrEnum):
    """How soon a person should look."""

    NOW = "now"
    TODAY = "today"
    KNOW = "know"


class Channel(StrEnum):
    MAIL = "mail"
    WEBHOOK = "webhook"


class Kind(StrEnum):
    """What is told of an alert."""

    BEGAN = "began"
    STILL = "still"
    OVER = "over"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that can be wrong. `found`: how it is seen; `happened`, `means`, `todo`: its run-book; `drill`: how to
    see it on purpose; `drills`: those of the rehearsal that play what it tells of. `after`: how long it must last
    before anybody is told, where the sight itself has no age.
    """

    id: str
    sentence: str
    severity: Severity
    found: str
    happened: str
    means: str
    todo: tuple[str, ...]
    drill: str
    drills: tuple[str, ...] = ()
    after: timedelta = timedelta()
    channels: tuple[Channel, ...] = (Channel.MAIL, Channel.WEBHOOK)

    @property
    def needs_you(self) -> bool:
        """There is something to do; otherwise it is told so that the owner knows, and nobody is asked to look."""
        return self.severity is not Severity.KNOW


@dataclass(frozen=True, slots=True)
class Seen:
    """It is so now. `detail` in words, without anything personal; `about`: ids of the bookings it is about."""

    detail: str = ""
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """Something to tell. `key` is the same for all who find that it is to be told."""

    kind: Kind
    key: str
    at: datetime
    since: datetime
    detail: str


@dataclass(frozen=True, slots=True)
class Episode:
    since: datetime
    until: datetime
    acknowledged_by: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How one alert stands. `seen_since`: seen at every look since; `missed_since`: firing, and not seen since.

    `number` counts how often it has begun; `told` how often it was told since then; `owed` is still to be told.
    """

    id: str
    version: int = 0
    seen_since: datetime | None = None
    firing_since: datetime | None = None
    missed_since: datetime | None = None
    detail: str = ""
    about: tuple[str, ...] = ()
    number: int = 0
    told: int = 0
    told_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    episodes: tuple[Episode, ...] = ()
    owed: tuple[Message, ...] = ()

    @property
    def is_firing(self) -> bool:
        return self.firing_since is not None


def judged(standing: Standing, alert: Alert, seen: Seen | None, now: datetime) -> Standing:
    """What becomes of it by one look; the same where nothing does."""
    return _missed(standing, now) if seen is None else _seen(standing, alert, seen, now)


def acknowledged(standing: Standing, by: str, now: datetime) -> Standing:
    """Somebody has it in hand: no reminders any more, until it begins anew."""
    if not standing.is_firing or standing.acknowledged_at is not None:
        return standing
    return replace(standing, acknowledged_at=now, acknowledged_by=by)


def handed_on(standing: Standing, keys: Iterable[str]) -> Standing:
    """These are written down for every channel, and owed no more."""
    done = set(keys)
    return replace(standing, owed=tuple(one for one in standing.owed if one.key not in done))


def calm(standing: Standing, now: datetime) -> timedelta:
    """How long it must not have been seen to be over: twice as long with each time it was over within a day."""
    lately = sum(one.since > now - DAY for one in standing.episodes)
    return min(CALM * (1 << lately), LONGEST_CALM)


def _seen(standing: Standing, alert: Alert, seen: Seen, now: datetime) -> Standing:
    since = standing.seen_since or now
    standing = replace(standing, seen_since=since, missed_since=None, detail=seen.detail, about=seen.about)
    if not standing.is_firing:
        if now - since < alert.after:
            return standing
        begun = replace(standing, firing_since=since, number=standing.number + 1, told=0)
        return _owing(begun, Kind.BEGAN, now)
    is_due = standing.told_at is not None and now - standing.told_at >= REMIND_AFTER
    return _owing(standing, Kind.STILL, now) if is_due and standing.acknowledged_at is None else standing


def _missed(standing: Standing, now: datetime) -> Standing:
    since = standing.firing_since
    if since is None:
        return replace(standing, seen_since=None)
    until = standing.missed_since or now
    if now - until < calm(standing, now):
        return replace(standing, missed_since=until)
    episode = Episode(since, until, standing.acknowledged_by)
    over = replace(
        _owing(standing, Kind.OVER, now),
        seen_since=None,
        firing_since=None,
        missed_since=None,
        about=(),
        acknowledged_at=None,
        acknowledged_by="",
        episodes=(episode, *standing.episodes)[:KEPT],
    )
    return over


def _owing(standing: Standing, kind: Kind, now: datetime) -> Standing:
    key = f"{standing.id}:{standing.number}:{kind}:{standing.told}"
    message = Message(kind, key, now, standing.firing_since or now, standing.detail)
    return replace(standing, told=standing.told + 1, told_at=now, owed=(*standing.owed, message))


@dataclass(frozen=True, slots=True)
class Rate:
    """So many of so many went wrong."""

    failed: int
    of: int

    @property
    def is_enough(self) -> bool:
        return self.of >= LEAST

    @property
    def at_least(self) -> Decimal:
        """What the true share is at least, by the lower end of Wilson's interval. 0 where there is nothing to judge.

        https://www.itl.nist.gov/div898/handbook/prc/section2/prc241.htm
        """
        if not self.of:
            return Decimal(0)
        n, share, square = Decimal(self.of), Decimal(self.failed) / self.of, SURE * SURE
        spread = SURE * (share * (1 - share) / n + square / (4 * n * n)).sqrt()
        return max(Decimal(0), (share + square / (2 * n) - spread) / (1 + square / n))

    def is_beyond(self, limit: Decimal) -> bool:
        """Surely above the limit: few cases, or a share just above it by chance, are not."""
        return self.is_enough and self.at_least > limit
