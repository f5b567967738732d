"""When Binance Pay may be asked for its certificates again. Pure.

A notice names its certificate, and whoever sends one may name any: asking for each unknown one would let strangers
spend our calls, and asking for none would keep genuine notices out after Binance has changed its key. So there is a
pause between two questions, and a limit in an hour for strangers. A notice that names an order of ours is not just
anybody's: such notices have a limit of their own, and each order a few questions.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

PAUSE = timedelta(seconds=5)
MOST_FOR_STRANGERS = MOST_FOR_ORDERS = 30  # in an hour
MOST_FOR_ONE_ORDER = 3
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question. `order`: the number of the order it was asked for; empty for a stranger's sake."""

    at: datetime
    order: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What all processes know together. `keys`: public keys as PEM by their serial, as they were at `fetched_at`;
    `asked`: the questions of the last hour, newest first."""

    keys: tuple[tuple[str, str], ...] = ()
    fetched_at: datetime | None = None
    asked: tuple[Asked, ...] = ()
    version: int = 0

    def is_pausing(self, now: datetime) -> bool:
        return any(_is_within(PAUSE, one, now) for one in self.asked)


def claimed(known: Known, now: datetime, order: str = "") -> Known | None:
    """With one more question counted, before it is asked. None where it may not be asked now."""
    lately = tuple(one for one in known.asked if _is_within(HOUR, one, now))
    of_same_kind = [one for one in lately if bool(one.order) is bool(order)]
    most = MOST_FOR_ORDERS if order else MOST_FOR_STRANGERS
    is_worn = order and sum(one.order == order for one in lately) >= MOST_FOR_ONE_ORDER
    if known.is_pausing(now) or len(of_same_kind) >= most or is_worn:
        return None
    return replace(known, asked=(Asked(now, order), *lately), version=known.version + 1)


def fetched(known: Known, keys: dict[str, str], now: datetime) -> Known:
    return replace(known, keys=tuple(keys.items()), fetched_at=now, version=known.version + 1)


def _is_within(span: timedelta, one: Asked, now: datetime) -> bool:
    """Also for a moment ahead, by a clock that is a little fast; one that is far ahead binds nobody for long."""
    return abs(now - one.at) < span
