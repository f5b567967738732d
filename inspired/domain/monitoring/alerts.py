"""Alerts: when one starts, is reported, repeated, and ends. Pure; `runbook` defines them all.

Nothing is reported twice, and flapping alerts are reported less and less often: an alert ends only after it was not
seen for some minutes, doubled each time it started within a day.
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
KEPT = 20  # past episodes of an alert
LEAST = 50  # with fewer cases no rate is judged
SURE = Decimal("1.645")  # standard deviations: one-sided 95 %


class Severity(StrEnum):
    """How soon a person should look."""

    NOW = "now"
    TODAY = "today"
    KNOW = "know"


class Channel(StrEnum):
    MAIL = "mail"
    WEBHOOK = "webhook"


class Kind(StrEnum):
    """The kinds of messages about an alert."""

    BEGAN = "began"
    STILL = "still"
    OVER = "over"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that can be wrong. `found`: how it is detected; `happened`, `means`, `todo`: its run-book; `drill`: how
    to trigger it on purpose; `drills`: the rehearsal drills that play it. `after`: how long it must last before it is
    reported, if the detection itself has no age."""

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
        """True if there is something to do; otherwise it only informs the owner."""
        return self.severity is not Severity.KNOW


@dataclass(frozen=True, slots=True)
class Seen:
    """The alert is detected now. `detail` has no personal data; `about`: ids of the bookings concerned."""

    detail: str = ""
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """A message to send. `key` is the same in every process that finds it due."""

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
    """The state of one alert. `seen_since`: seen at every check since; `missed_since`: firing, but not seen since.

    `number` counts how often it has started; `told` how often it was reported since then; `owed` is still to be sent.
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
    """The alert's state after one check; unchanged if nothing changes."""
    return _missed(standing, now) if seen is None else _seen(standing, alert, seen, now)


def acknowledged(standing: Standing, by: str, now: datetime) -> Standing:
    """Somebody handles it: no reminders until it starts again."""
    if not standing.is_firing or standing.acknowledged_at is not None:
        return standing
    return replace(standing, acknowledged_at=now, acknowledged_by=by)


def handed_on(standing: Standing, keys: Iterable[str]) -> Standing:
    """Remove messages that were saved for every channel."""
    done = set(keys)
    return replace(standing, owed=tuple(message for message in standing.owed if message.key not in done))


def calm(standing: Standing, now: datetime) -> timedelta:
    """How long it must not be seen before it ends: doubled for each episode within a day."""
    lately = sum(episode.since > now - DAY for episode in standing.episodes)
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
    """`failed` of `of` cases went wrong."""

    failed: int
    of: int

    @property
    def is_enough(self) -> bool:
        return self.of >= LEAST

    @property
    def at_least(self) -> Decimal:
        """The lower end of Wilson's interval for the true share. 0 if there are no cases.

        https://www.itl.nist.gov/div898/handbook/prc/section2/prc241.htm
        """
        if not self.of:
            return Decimal(0)
        n, share, square = Decimal(self.of), Decimal(self.failed) / self.of, SURE * SURE
        spread = SURE * (share * (1 - share) / n + square / (4 * n * n)).sqrt()
        return max(Decimal(0), (share + square / (2 * n) - spread) / (1 + square / n))

    def is_beyond(self, limit: Decimal) -> bool:
        """True if it is above the limit with confidence: few cases, or a share just above by chance, are not."""
        return self.is_enough and self.at_least > limit
