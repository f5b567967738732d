"""Daily metrics, and page views of the calls.

One document per day in the owner's zone, which can be rebuilt from bookings, ledger and logs at any time. Visits
cannot: they are counted in Redis, which costs a page nothing, and copied to MongoDB every half minute.
"""

import json
import time
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from datetime import time as of_day
from decimal import Decimal
from typing import Any

import pymongo
import redis
import structlog
from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document, money_in, money_out
from inspired.adapters.redis.redis_server import why
from inspired.domain.booking.rails import USUAL, RailId
from inspired.domain.booking.states import Cause
from inspired.domain.reporting.metrics import Day, Failure, Figures, Found, Returned, Rolling, Step, together
from inspired.domain.shared.errors import Busy
from inspired.domain.shared.money import Money
from inspired.domain.shared.periods import DAY, FIRST, LAST

SUMS = ("visits", "usage", "failures", "found", "to_pay", "notices", "calls", "outcomes", "customers")
KEYS: dict[str, Callable[[Any], Any]] = {"usage": RailId, "failures": Failure, "found": Found}
COUNTED = "visits"
ALL_TIME = "all time"
PAUSE = 1.0  # seconds without counting after Redis did not answer
log = structlog.get_logger()


class Numbers:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["numbers"]

    def save(self, day: Day) -> None:
        with reaching():
            self._collection.replace_one({"_id": str(day.date)}, _day_out(day), upsert=True)

    def between(self, first: date, last: date, *parts: str) -> list[Day]:
        """The counted days in order, `last` included, with only these parts: "figures", or of them only "accounts" and
        "sales"; "returned", "large"."""
        query = {"at": {"$gte": _at(first), "$lte": _at(last)}}
        shown = dict.fromkeys(("at", "counted_at", *parts), 1)
        with reaching():
            return [_day_in(document) for document in self._collection.find(query, shown).sort("at", pymongo.ASCENDING)]

    def save_all_time(self, before: date) -> None:
        """Store the sum of all days before this one, since adding them up for each page would get slower with the
        years. Later days are still recounted."""
        figures = together(self.between(FIRST, before - DAY, "figures"))
        document = {"figures": figures_out(figures), "before": str(before)}
        with reaching():
            self._collection.replace_one({"_id": ALL_TIME}, document, upsert=True)

    def all_time(self) -> Figures:
        """The sum of all days, as last counted."""
        with reaching():
            found = self._collection.find_one({"_id": ALL_TIME})
        if found is None or "before" not in found:  # never summed, or by a release that included the newest days too
            return together(self.between(FIRST, LAST, "figures"))
        since = self.between(date.fromisoformat(found["before"]), LAST, "figures")
        return figures_in(found["figures"]) + together(since)


class Visits:
    """Page loads by day and meeting type, without cookie, IP address or person."""

    def __init__(self, database: Database[Document], connection: redis.Redis) -> None:
        self._collection: Collection[Document] = database["visits"]
        self._redis = connection
        self._silent_until = 0.0

    def count(self, day: date, type_id: str) -> None:
        """Best effort: after a failed attempt it pauses, so that pages do not wait for an absent Redis."""
        self._count(f"{day}/{type_id}", 1)

    def _count(self, field: str, count: int) -> None:
        if time.monotonic() < self._silent_until:
            return
        try:
            self._redis.hincrby(COUNTED, field, count)
        except redis.RedisError as error:
            self._silent_until = time.monotonic() + PAUSE
            log.warning("visit_uncounted", why=why(error))

    def carry_over(self) -> None:
        """Copy from Redis to MongoDB. A crash in between loses half a minute of visits."""
        left = self._taken()
        try:
            for field, count in list(left.items()):
                day, _, type_id = field.partition("/")
                at = {"at": _at(date.fromisoformat(day))}
                with reaching():
                    change = {"$set": at, "$inc": {f"types.{type_id}": count}}
                    self._collection.update_one({"_id": day}, change, upsert=True)
                del left[field]
        except Busy:
            for field, count in left.items():
                self._count(field, count)
            raise

    def of(self, day: date) -> dict[str, int]:
        with reaching():
            found = self._collection.find_one({"_id": str(day)})
        return dict(found["types"]) if found else {}

    def _taken(self) -> dict[str, int]:
        try:
            with self._redis.pipeline(transaction=True) as together:
                together.hgetall(COUNTED)
                together.delete(COUNTED)
                found = together.execute()[0]
        except redis.RedisError as error:
            log.warning("visits_not_carried_over", why=why(error))
            return {}
        return {field.decode(): int(count) for field, count in found.items()}


def _at(day: date) -> datetime:
    """A date in a form MongoDB can sort."""
    return datetime.combine(day, of_day(), UTC)


# Figures are hundreds of small numbers. Stored as one string they are read ten times as fast as field by field, and no
# query needs a single one.


def _day_out(day: Day) -> Document:
    return {
        "at": _at(day.date),
        "counted_at": day.counted_at,
        "figures": figures_out(day.figures),
        "accounts": _text([[*place, str(amount)] for place, amount in day.figures.accounts.items()]),
        "sales": day.figures.sales,
        "returned": [_returned_out(refund) for refund in day.returned],
        "large": [_rolling_out(rolling) for rolling in day.large],
    }


def _day_in(found: Document) -> Day:
    if "figures" in found:
        figures = figures_in(found["figures"])
    else:
        figures = Figures(accounts=_accounts_in(json.loads(found.get("accounts", "[]"))), sales=found.get("sales", 0))
    return Day(
        date=found["at"].date(),
        figures=figures,
        returned=tuple(_returned_in(refund) for refund in found.get("returned", ())),
        large=tuple(_rolling_in(rolling) for rolling in found.get("large", ())),
        counted_at=found["counted_at"],
    )


def figures_out(figures: Figures) -> str:
    """Each sum as a list of [key, value]; amounts as text without loss of digits."""
    return _text(
        {
            **{name: list(getattr(figures, name).items()) for name in SUMS},
            "steps": [[*key, count] for key, count in figures.steps.items()],
            "accounts": [[*place, str(amount)] for place, amount in figures.accounts.items()],
            "sales": figures.sales,
        }
    )


def figures_in(text: str) -> Figures:
    """Tolerates sums an older release did not count. Before there were other rails, whatever was paid was paid by the
    usual one."""
    found: dict[str, Any] = json.loads(text)
    sums: dict[str, Any] = {
        name: {KEYS.get(name, same)(key): count for key, count in found.get(name, ())} for name in SUMS
    }
    steps = {(type_id, Step(step)): count for type_id, step, count in found.get("steps", ())}
    paid = sum(count for (_, step), count in steps.items() if step is Step.PAID)
    if "usage" not in found and paid:
        sums["usage"] = {USUAL: paid}
    return Figures(
        **sums,
        steps=steps,
        accounts=_accounts_in(found.get("accounts", ())),
        sales=found.get("sales", 0),
    )


def same(key: Any) -> Any:
    return key


def _accounts_in(found: Iterable[list[str]]) -> dict[tuple[str, str], Decimal]:
    return {(account, currency): Decimal(amount) for account, currency, amount in found}


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _returned_out(refund: Returned) -> Document:
    return {
        "at": refund.at,
        "booking_id": refund.booking_id,
        "refund_id": refund.refund_id,
        "money": money_out(refund.money),
        "cause": refund.cause and str(refund.cause),
        "by": refund.by,
    }


def _returned_in(found: Document) -> Returned:
    cause = Cause(found["cause"]) if found["cause"] else None
    return Returned(found["at"], found["booking_id"], found["refund_id"], _money(found["money"]), cause, found["by"])


def _rolling_out(rolling: Rolling) -> Document:
    sums = {"day": money_out(rolling.day), "month": money_out(rolling.month), "year": money_out(rolling.year)}
    return {"customer": rolling.customer, **sums}


def _rolling_in(found: Document) -> Rolling:
    return Rolling(found["customer"], _money(found["day"]), _money(found["month"]), _money(found["year"]))


def _money(found: Document) -> Money:
    money = money_in(found)
    if money is None:
        raise ValueError("an amount without a value was never written")
    return money
