"""When Binance Pay may be asked for its certificates again. Pure.

A webhook names its certificate, and a stranger may name any. Asking for each unknown one would let strangers spend our
calls; never asking would reject genuine webhooks after Binance changed its key. So there is a pause between two
queries, and an hourly limit for strangers. A webhook that names one of our orders is more credible: such webhooks have
a limit of their own, and each order a few queries.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

PAUSE = timedelta(seconds=5)
MOST_FOR_STRANGERS = MOST_FOR_ORDERS = 30  # per hour
MOST_FOR_ONE_ORDER = 3
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """One query. `order`: the order number it was made for; empty for a stranger's webhook."""

    at: datetime
    order: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What all processes share. `keys`: public keys as PEM by serial, as of `fetched_at`; `asked`: the queries of the
    last hour, newest first."""

    keys: tuple[tuple[str, str], ...] = ()
    fetched_at: datetime | None = None
    asked: tuple[Asked, ...] = ()
    version: int = 0

    def is_pausing(self, now: datetime) -> bool:
        return any(_is_within(PAUSE, question, now) for question in self.asked)


def claimed(known: Known, now: datetime, order: str = "") -> Known | None:
    """Count one more query before it is made. None if it is not allowed now."""
    lately = tuple(question for question in known.asked if _is_within(HOUR, question, now))
    of_same_kind = [question for question in lately if bool(question.order) is bool(order)]
    most = MOST_FOR_ORDERS if order else MOST_FOR_STRANGERS
    is_worn = order and sum(question.order == order for question in lately) >= MOST_FOR_ONE_ORDER
    if known.is_pausing(now) or len(of_same_kind) >= most or is_worn:
        return None
    return replace(known, asked=(Asked(now, order), *lately), version=known.version + 1)


def fetched(known: Known, keys: dict[str, str], now: datetime) -> Known:
    return replace(known, keys=tuple(keys.items()), fetched_at=now, version=known.version + 1)


def _is_within(span: timedelta, question: Asked, now: datetime) -> bool:
    """Also true for a moment slightly ahead, from a clock that is fast; one far ahead does not count."""
    return abs(now - question.at) < span
