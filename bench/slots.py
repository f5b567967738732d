"""The free times of the next 31 days of the built-in calendar, asked for over HTTP beside ever more bookings.

More than half of the month is taken, by calls with and without time kept free around them, each picked at random from
what was free. As many bookings were made for the same month and ran out. All others are over: every second one took
place, every second one ran out. The lists asked for in turn are of a type without rules of its own, of one with buffers
and of one with a limit a day; every answer is compared with what it has to be.

The same lists are then made in this process, to see what is the database's part in them.
"""

import contextlib
import http.client
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import Any
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo

import pymongo
import redis
from pymongo import monitoring

from bench.findings import Findings, percentile, table
from bench.goals import number
from bench.product import Product, started
from bench.run import Run
from bench.stock import AT_ONCE, settled
from inspired import services
from inspired.adapters.mongo import catalogue
from inspired.adapters.mongo.bookings import Bookings, Taken
from inspired.adapters.mongo.documents import booking_out
from inspired.adapters.redis.status_cache import CachedStatus, StatusCache
from inspired.domain.booking.booking import Booking, Slot
from inspired.domain.booking.claims import CallsOn, Place
from inspired.domain.booking.states import CalendarKind, Remote
from inspired.domain.catalogue.availability import Availability, Hours, Rules
from inspired.domain.catalogue.meeting_types import MeetingType, get_meeting_type
from inspired.domain.shared.batches import batches
from inspired.domain.shared.slots import Span, free
from inspired.flows.booking.booking import LONGEST_WINDOW, free_times
from inspired.settings import Settings
from tests.harness import Servers

BOOKINGS, QUICK = 10_000, 1_000
FEW = 100
HELD = 300  # of the month's times; as many more ran out
ASKED, WARM_UP = 150, 45  # requests in a round, and before the first
INSIDE = 90  # lists in our own process
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ZONE = ZoneInfo("Europe/London")
CALENDAR = Availability(ZONE, ((Hours(8 * 60, 13 * 60), Hours(14 * 60, 22 * 60)),) * 7)
FAR = 60 * DAY  # so that the 31 days are listed whole
RULES = {
    "quick-question": Rules(horizon=FAR),
    "portfolio-review": Rules(horizon=FAR, before=10 * MINUTE, after=15 * MINUTE),
    "mentoring": Rules(horizon=FAR, most_per_day=4),
}
TYPES = [replace(get_meeting_type(type_id), rules=rules, reminders=()) for type_id, rules in RULES.items()]


@dataclass(frozen=True, slots=True)
class Month:
    """31 days, the first of them in two days (so that none begins while we measure), and who has which time in them."""

    window: Span
    held: list[tuple[MeetingType, Slot]]

    def free(self, kind: MeetingType) -> list[Span]:
        """What is to be listed, found the long way."""
        full = {day for day, count in _calls_a_day(kind, self.held).items() if 0 < kind.rules.most_per_day <= count}
        return [
            call
            for call in CALENDAR.calls(kind.minutes, kind.rules, self.window, services.now())
            if not any(kind.rules.around(call).overlaps(slot.around) for _, slot in self.held)
            and CALENDAR.day_of(call.start) not in full
        ]


@dataclass(frozen=True, slots=True)
class Inside:
    """One list, in ms: in the database and its driver; in `taken`, these included; in all."""

    database: float
    taken: float
    whole: float


def measure(run: Run) -> Findings:
    found, there = Findings(), 0
    took: dict[int, list[list[float]]] = {}
    changing: dict[int, list[list[float]]] = {}
    month = _month(services.now(), run.some(HELD))
    ahead = _documents_of(month)
    over = _documents_over(month.window.start - 3 * DAY, (QUICK if run.quick else BOOKINGS) - len(ahead))
    nearly_empty = replace(month, held=month.held[:3])
    few, others = [*ahead[:3], *ahead[-3:], *over[: FEW - 6]], [*ahead[3:-3]]
    with started() as product:
        _offered(product)
        for then, documents in ((nearly_empty, few), (month, others), (month, over[FEW - 6 :])):
            for some in batches(documents, AT_ONCE):
                product.bookings.insert_many(some, ordered=False)
            there += len(documents)
            changing[there] = _asked(product, then, run, after_changes=True)
            took[there] = _asked(product, then, run)
        inside = _inside(product, month, run.some(INSIDE))
    _, base, most = took
    found.add("slots", [percentile(one, 0.95) for one in took[most]], f"{len(month.held)} calls in these days")
    found.add("slots-changing", [median(one) for one in changing[most]])
    middle = {count: median(one for some in rounds for one in some) for count, rounds in changing.items()}
    found.add("slots-flat", [middle[most] / middle[base]], f"{most:,} bookings against {base:,}")
    found.details = _details(month, took, changing, inside)
    return found


def _details(
    month: Month, took: dict[int, list[list[float]]], changing: dict[int, list[list[float]]], inside: list[Inside]
) -> list[str]:
    rows = []
    for what, rounds_of in (("", took), (", each after a change", changing)):
        for count, rounds in rounds_of.items():
            everything = [one for some in rounds for one in some]
            shown = (number(percentile(everything, share)) for share in (0.5, 0.95, 0.99))
            calls = 3 if count == FEW else len(month.held)
            rows.append([f"{count:,}{what}", f"{calls:,}", str(len(everything)), *shown])
    parts = {
        "the database and its driver": [one.database for one in inside],
        "reading what they answer": [one.taken - one.database for one in inside],
        "working out what is offered, and what of it is free": [one.whole - one.taken for one in inside],
    }
    return [
        *table(["bookings", "calls in these days", "lists", "p50 ms", "p95 ms", "p99 ms"], rows),
        "",
        f"Made in this process beside {max(took):,} bookings, without HTTP and JSON, each as after a change (median of "
        f"{len(inside)} lists):",
        "",
        *table(["part of a list", "ms"], [[what, number(median(times))] for what, times in parts.items()]),
    ]


# --- asking ---------------------------------------------------------------------------------------------------------


def _asked(product: Product, month: Month, run: Run, *, after_changes: bool = False) -> list[list[float]]:
    """How long each answer took in each round, in ms: one after the other on one connection. `after_changes`: before
    each of them the word goes round that a booking has changed, so that what is taken may be another."""
    expected = {kind.id: [one.start.isoformat() for one in month.free(kind)] for kind in TYPES}
    with (
        contextlib.closing(http.client.HTTPConnection(urlsplit(product.dev.web).netloc, timeout=10)) as connection,
        redis.Redis.from_url(product.dev.ready["redis_url"]) as words,
    ):
        hints = StatusCache(words)
        changed = str(product.bookings.find_one({"hold": {"$exists": True}}, {"_id": 1})["_id"])

        def some(count: int) -> list[float]:
            took = []
            for place in range(count):
                if after_changes:
                    hints.publish("somebody", CachedStatus(0, False, b""), changed=changed)
                kind = TYPES[place % len(TYPES)]
                starts, ms = _list(connection, kind, month.window)
                if starts != expected[kind.id]:
                    raise SystemExit(f"The list of {kind.id} has {len(starts)} times, not {len(expected[kind.id])}.")
                took.append(ms)
            return took

        some(WARM_UP)
        return [some(run.some(ASKED)) for _ in range(run.rounds)]


def _list(connection: http.client.HTTPConnection, kind: MeetingType, window: Span) -> tuple[list[str], float]:
    asked = urlencode({"from": window.start.isoformat(), "to": window.end.isoformat(), "tz": "UTC"})
    begun = time.perf_counter()
    connection.request("GET", f"/api/meeting-types/{kind.id}/slots?{asked}")
    answer = connection.getresponse()
    said = answer.read()
    took = 1000 * (time.perf_counter() - begun)
    if answer.status != 200:
        raise SystemExit(f"The list answered {answer.status}: {said.decode()}")
    return [one["start"] for one in json.loads(said)["slots"]], took


def _inside(product: Product, month: Month, count: int) -> list[Inside]:
    ready = product.dev.ready
    servers = Servers(ready["mongodb_uri"], ready["redis_url"], ready["sandbox"])
    environment = servers.settings_env(MONGODB_DATABASE=ready["database"], OWNER_TIMEZONE=str(ZONE))
    settings = Settings.model_validate({name.lower(): value for name, value in environment.items()})
    commands = _Commands()
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
        ready["mongodb_uri"], tz_aware=True, event_listeners=[commands]
    )
    bookings = _Watched(client[ready["database"]], lambda booking: None)
    svc = services.build(settings, database_seconds=5.0, redis_seconds=1.0)
    watched = replace(svc, availability_cache=bookings)  # as after a change
    made = []
    for place in range(WARM_UP + count):
        kind = TYPES[place % len(TYPES)]
        commands.ms = 0.0
        begun = time.perf_counter()
        left = free_times(watched, kind, month.window)
        whole = 1000 * (time.perf_counter() - begun)
        if not left:
            raise SystemExit(f"Nothing is free of {kind.id}.")
        made.append(Inside(commands.ms, bookings.ms, whole))
    client.close()
    svc.close()
    return made[WARM_UP:]


class _Watched(Bookings):
    """`ms`: what the last question for what is taken took."""

    ms = 0.0

    def taken(self, window: Span) -> Taken:
        begun = time.perf_counter()
        taken = super().taken(window)
        self.ms = 1000 * (time.perf_counter() - begun)
        return taken


class _Commands(monitoring.CommandListener):
    """`ms`: how long all answers took, as the driver counts it."""

    ms = 0.0

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        pass

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        self.ms += event.duration_micros / 1000

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


# --- what is there --------------------------------------------------------------------------------------------------


def _offered(product: Product) -> None:
    """The types and the hours, and until every process knows them."""
    saved = catalogue.Catalogue(product.bookings.database, ZONE)
    saved.save_types(tuple(catalogue.Listed(kind) for kind in TYPES), 0)
    saved.save_calendar(CALENDAR, 0)
    time.sleep(catalogue.KEEP)


def _month(now: datetime, count: int) -> Month:
    """As customers fill it: each type in turn, at a time that is free."""
    begin = datetime.combine(now.date(), datetime.min.time(), UTC) + 2 * DAY
    month, luck = Month(Span(begin, begin + LONGEST_WINDOW), []), random.Random(1)
    offered = {kind.id: list(CALENDAR.calls(kind.minutes, kind.rules, month.window, now)) for kind in TYPES}
    for place in range(count):
        kind = TYPES[place % len(TYPES)]
        before, after, most = kind.rules.before, kind.rules.after, kind.rules.most_per_day
        a_day = _calls_a_day(kind, month.held)
        left = free(offered[kind.id], [slot.around for _, slot in month.held], before, after)
        call = luck.choice([one for one in left if not most or a_day[CALENDAR.day_of(one.start)] < most])
        day = CALENDAR.day_of(call.start)
        day_place = Place(CallsOn(day, kind.id), a_day[day] + 1) if most else None
        month.held.append((kind, Slot(call, str(ZONE), CalendarKind.BUILTIN, "", "", before, after, day_place)))
    return month


def _calls_a_day(kind: MeetingType, held: list[tuple[MeetingType, Slot]]) -> Counter[date]:
    return Counter(CALENDAR.day_of(slot.span.start) for of, slot in held if of is kind)


def _documents_of(month: Month) -> list[dict[str, Any]]:
    """Those who have a time in it, then those who had the same ones and let them go."""
    confirmed, expired = (settled(status, services.now()) for status in (Remote.PAID, Remote.EXPIRED))
    return [_document(one, kind, slot) for one in (confirmed, expired) for kind, slot in month.held]


def _documents_over(until: datetime, count: int) -> list[dict[str, Any]]:
    """Ten times a day, back from this day on; each was let go by one and kept by the next."""
    stock, kind = [settled(status, services.now()) for status in (Remote.EXPIRED, Remote.PAID)], TYPES[0]
    starts = [until - place // 20 * DAY + (8 + place // 2 % 10) * HOUR for place in range(count)]
    slots = [Slot(Span(one, one + kind.minutes * MINUTE), str(ZONE), CalendarKind.BUILTIN) for one in starts]
    return [_document(stock[place % 2], kind, slot) for place, slot in enumerate(slots)]


def _document(like: Booking, kind: MeetingType, slot: Slot) -> dict[str, Any]:
    made_at = min(like.created_at, slot.span.start - 3 * DAY)
    own = {"id": services.new_id(), "token": services.new_token(), "created_at": made_at}
    return booking_out(replace(like, **own, meeting_type=kind, slot=slot))
