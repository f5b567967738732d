"""The owner's lists and search beside ever more bookings: whole pages, one after the other, the site in this process.

The bookings are two years of business: copies of a confirmed and an expired one that the domain's own steps have made,
spread evenly, with customers, names, calls and states of their own.
"""

import contextlib
import logging
import os
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from statistics import median
from typing import Any

import pymongo
import structlog
from flask import Flask
from pymongo import monitoring
from pymongo.collection import Collection

from bench.findings import Findings, percentile, table
from bench.goals import number
from bench.product import ENVIRONMENT
from bench.run import Run
from bench.stock import AT_ONCE, settled
from inspired import services
from inspired.adapters.crypto.vault import Vault
from inspired.adapters.mongo.documents import booking_out
from inspired.adapters.mongo.indexes import create_indexes
from inspired.adapters.mongo.lists import Lists
from inspired.app import create_app
from inspired.domain.booking.booking import Booking, Sealed, Slot
from inspired.domain.booking.search_index import By, Wanted
from inspired.domain.booking.states import CalendarKind, Flag, Remote, State
from inspired.domain.catalogue.meeting_types import MEETING_TYPES
from inspired.domain.shared.slots import Span
from inspired.flows.booking.booking_search import name_index
from inspired.services import Services
from inspired.settings import Settings, read_settings
from inspired.web.admin.bookings import PER_PAGE
from tests import harness
from tests.harness import ADMIN_PASSWORD

FEW, MANY = 10_000, 100_000
QUICK_FEW, QUICK_MANY = 500, 2_000
BUSINESS = timedelta(days=730)
TIMES, QUICK_TIMES = 15, 3
CALL_AHEAD = timedelta(days=30)
STATES = [State.CONFIRMED] * 60 + [State.EXPIRED] * 34 + [State.CANCELLED] * 4 + [State.REFUNDED] * 2
ODD = {Flag.PAID_LATE: 0.01, Flag.OVERPAID: 0.003, Flag.PAID_TWICE: 0.0005}
# Their answers are the longer, the more bookings there are, up to the fifty that are shown: left out of the ratio.
LONGER = ("search: a day", "search: one word of the name")
SYLLABLES = ("an", "bo", "ca", "do", "el", "fa", "gi", "ho", "in", "ju", "ka", "lo", "mi", "no", "or", "pa", "ru", "si")


def measure(run: Run) -> Findings:
    found = Findings()
    sizes = (QUICK_FEW, QUICK_MANY) if run.quick else (FEW, MANY)
    took: dict[int, dict[str, list[float]]] = {}
    database: dict[int, dict[str, tuple[float, float]]] = {}
    for size in sizes:
        with _product() as (app, svc, collection):
            customers = _filled(collection, size)
            svc.bookings.keep_beginning(svc.now() - BUSINESS)
            times = QUICK_TIMES if run.quick else TIMES
            took[size] = _asked(Owner(app), customers, times)
            database[size] = _in_database(svc.settings, times)
    few, many = sizes
    for goal, kind in (("lists-page", "list:"), ("lists-search", "search:"), ("lists-today", "today")):
        slow = [ms for what, times_ in took[many].items() if what.startswith(kind) for ms in times_]
        found.add(goal, [percentile(slow, 0.95)], f"{len(slow)} requests beside {many:,} bookings")
    for goal, kind in (("lists-page-flat", "list:"), ("lists-search-flat", "search:")):
        same = [what for what in took[many] if what.startswith(kind) and what not in LONGER]
        middle = [sum(median(took[size][what]) for what in same) for size in (many, few)]
        found.add(goal, [middle[0] / middle[1]], f"sum of the medians, {many:,} against {few:,}")
    found.details = [*_table(took, few, many), "", *_database_table(database, few, many)]
    return found


def _filled(collection: Collection[dict[str, Any]], size: int) -> list[dict[str, str]]:
    """Two years of business; what some of the customers would be looked for by."""
    customers: list[dict[str, str]] = []
    stock = _bookings(random.Random(1))
    for done in range(0, size, AT_ONCE):
        some = [next(stock) for _ in range(min(AT_ONCE, size - done))]
        collection.insert_many([booking_out(one) for one, _ in some], ordered=False)
        customers += [said for one, said in some if one.state is State.CONFIRMED][:2]
    return customers


def _table(took: Mapping[int, Mapping[str, list[float]]], few: int, many: int) -> list[str]:
    heads = ["asked", f"p50 ms, {few:,}", f"p95 ms, {few:,}", f"p50 ms, {many:,}", f"p95 ms, {many:,}"]
    rows = [
        [what, *(number(percentile(took[size][what], share)) for size in (few, many) for share in (0.5, 0.95))]
        for what in took[many]
    ]
    return table(heads, rows)


def _database_table(database: Mapping[int, Mapping[str, tuple[float, float]]], few: int, many: int) -> list[str]:
    heads = ["50 bookings by themselves", f"all ms, {few:,}", f"the server ms, {few:,}"]
    heads += [f"all ms, {many:,}", f"the server ms, {many:,}"]
    rows = [[what, *(number(one) for size in (few, many) for one in database[size][what])] for what in database[many]]
    return table(heads, rows)


# --- asking ---------------------------------------------------------------------------------------------------------


class Owner:
    """Somebody who is logged in, and times what they ask for."""

    def __init__(self, app: Flask) -> None:
        self._client = app.test_client()
        self._token = ""
        self.ask("/admin/login")
        self.ask("/admin/login", {"email": "owner@example.com", "password": ADMIN_PASSWORD}, expected=303)

    def ask(self, path: str, form: Mapping[str, str] | None = None, *, expected: int = 200) -> tuple[float, str]:
        """How many ms it took, and the page."""
        begun = time.perf_counter()
        if form is None:
            answer = self._client.get(path)
        else:
            answer = self._client.post(path, data={"csrf_token": self._token, **form})
        text = answer.get_data(as_text=True)
        took = 1000 * (time.perf_counter() - begun)
        if answer.status_code != expected:
            raise SystemExit(f"{path} answered {answer.status_code}: {text[:500]}")
        if token := re.search(r'name="csrf_token" value="([^"]+)"', text):
            self._token = token[1]
        return took, text


@contextlib.contextmanager
def _product() -> Iterator[tuple[Flask, Services, Collection[dict[str, Any]]]]:
    """The site in this process, on a database and a Redis of its own."""
    with harness.mongodb(cache="8G") as uri, harness.redis_server() as redis_url, contextlib.ExitStack() as stack:
        keys = {name: ENVIRONMENT[name] for name in ("ENCRYPTION_KEYS", "BLIND_INDEX_KEY")}
        env = harness.Servers(uri, redis_url, "http://127.0.0.1:9").settings_env(MONGODB_DATABASE="bench", **keys)
        before = dict(os.environ)
        os.environ.update(env)
        stack.callback(lambda: (os.environ.clear(), os.environ.update(before)))
        settings = read_settings()
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
        stack.callback(structlog.reset_defaults)
        svc = services.build(settings, database_seconds=60, redis_seconds=1)
        stack.callback(svc.close)
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(uri, tz_aware=True)
        stack.callback(client.close)
        create_indexes(client["bench"])
        yield create_app(svc, settings), svc, client["bench"]["bookings"]


def _asked(owner: Owner, customers: list[dict[str, str]], times: int) -> dict[str, list[float]]:
    chance = random.Random(2)

    def search(field: str) -> Callable[[], float]:
        return lambda: owner.ask("/admin/search", {"text": chance.choice(customers)[field]})[0]

    def listed(query: str) -> Callable[[], float]:
        return lambda: owner.ask(f"/admin/bookings?{query}")[0]

    month = (services.now() - timedelta(days=200)).date()
    asked: dict[str, Callable[[], float]] = {
        "today": lambda: owner.ask("/admin/")[0],
        "list: all": listed(""),
        "list: oldest first": listed("sort=made-oldest"),
        "list: confirmed": listed("state=CONFIRMED"),
        "list: refunded (2 %)": listed("state=REFUNDED"),
        "list: paid twice (0.05 %)": listed("flag=paid_twice"),
        "list: needs a person (none)": listed("flag=attention"),
        "list: one call, confirmed, 150": listed("type=deep-dive&state=CONFIRMED&amount=150"),
        "list: a rare combination (0.006 %)": listed("type=deep-dive&state=REFUNDED&flag=overpaid"),
        "list: by call, next first": listed("sort=call-next&state=CONFIRMED"),
        "list: by call, latest first": listed("sort=call-last"),
        "list: paid within a month": listed(f"sort=paid-newest&from={month}&to={month + timedelta(days=30)}"),
        "list: the API, 50 of them": lambda: owner.ask("/api/admin/payments?state=CONFIRMED")[0],
        "search: mail address": search("email"),
        "search: one word of the name": search("word"),
        "search: two words of the name": search("name"),
        "search: a transaction": search("transaction"),
        "search: an order": search("order"),
        "search: an amount": lambda: owner.ask("/admin/search", {"text": "150"})[0],
        "search: a day": search("day"),
        "search: nothing there": lambda: owner.ask("/admin/search", {"text": "nobody at all"})[0],
    }
    for ask in asked.values():
        ask()  # each web worker has to load templates once
        ask()
    took: dict[str, list[float]] = {what: [ask() for _ in range(times)] for what, ask in asked.items()}
    took["list: pages on and on"] = _pages(owner, 2 * times)
    return took


def _pages(owner: Owner, times: int) -> list[float]:
    took, address = [], "/admin/bookings"
    for _ in range(times):
        ms, text = owner.ask(address)
        took.append(ms)
        following = re.search(r'rel="next" href="([^"]+)"', text)
        if following is None or text.count('name="shown"') != PER_PAGE:
            raise SystemExit("The list is not as long as it should be.")
        address = following[1].replace("&amp;", "&")
    return took


class _Server(monitoring.CommandListener):
    """How long the database took, as the driver sees it."""

    def __init__(self) -> None:
        self.ms = 0.0

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        pass

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        self.ms += event.duration_micros / 1000

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


def _in_database(settings: Settings, times: int) -> dict[str, tuple[float, float]]:
    """Median of all of a list without its page, and of the server's part of that."""
    server, uri = _Server(), settings.mongodb_uri.get_secret_value()
    with pymongo.MongoClient[dict[str, Any]](uri, tz_aware=True, event_listeners=[server]) as client:
        found_in = Lists(client[settings.mongodb_database])
        questions = {
            "all": Wanted(),
            "confirmed": Wanted(state=State.CONFIRMED),
            "refunded": Wanted(state=State.REFUNDED),
            "paid twice": Wanted(flag=Flag.PAID_TWICE),
            "by call, latest first": Wanted(by=By.CALL),
        }
        found = {}
        for what, wanted in questions.items():
            both = []
            for _ in range(times):
                server.ms, begun = 0.0, time.perf_counter()
                found_in.page(wanted, services.now(), most=50)
                both.append((1000 * (time.perf_counter() - begun), server.ms))
            found[what] = (median(one for one, _ in both), median(one for _, one in both))
        return found


# --- two years of business ------------------------------------------------------------------------------------------


def _bookings(chance: random.Random) -> Iterator[tuple[Booking, dict[str, str]]]:
    """Each with what its customer would be looked for by."""
    vault, now = Vault(ENVIRONMENT["ENCRYPTION_KEYS"], ENVIRONMENT["BLIND_INDEX_KEY"]), services.now()
    paid, expired = settled(Remote.PAID, now), settled(Remote.EXPIRED, now)
    firsts = [_word(chance, 2) for _ in range(200)]
    lasts = [_word(chance, 4) for _ in range(5000)]
    while True:
        state = chance.choice(STATES)
        like = expired if state in (State.EXPIRED, State.CANCELLED) else paid
        word = chance.choice(lasts)
        name = f"{chance.choice(firsts)} {word}"
        at = now - BUSINESS * chance.random()
        booking = _dressed(like, vault, chance, state, name, at)
        day = booking.slot.span.start.date().isoformat() if booking.slot else ""
        yield (
            booking,
            {
                "email": f"{booking.id}@example.com",
                "name": name,
                "word": word,
                "transaction": booking.orders[0].transaction_id,
                "order": booking.orders[0].trade_no,
                "day": day,
            },
        )


def _dressed(like: Booking, vault: Vault, chance: random.Random, state: State, name: str, at: datetime) -> Booking:
    id_ = services.new_id()
    kind = replace(chance.choice(MEETING_TYPES), reminders=())
    start = at + timedelta(hours=1) + CALL_AHEAD * chance.random()
    key, email = vault.new_key(id_), f"{id_}@example.com"
    has_money = like.paid_at is not None
    order = replace(
        like.orders[0],
        trade_no=f"{id_}001",
        amount=kind.price,
        received=kind.price if has_money else None,
        transaction_id=f"P{id_.upper()}" if has_money else "",
        prepay_id=f"{chance.randrange(10**17, 10**18)}",
        paid_at=at + timedelta(minutes=3) if has_money else None,
    )
    return replace(
        like,
        id=id_,
        token=services.new_token(),
        meeting_type=kind,
        created_at=at,
        state=state,
        flags=frozenset(flag for flag, share in ODD.items() if has_money and chance.random() < share),
        slot=Slot(Span(start, start + timedelta(minutes=kind.minutes)), "Europe/Berlin", CalendarKind.CALENDLY),
        sealed=Sealed(key, vault.seal(key, id_, "email", email), vault.seal(key, id_, "name", name)),
        email_index=vault.blind_index("email", email),
        name_index=name_index(vault, name),
        orders=(order,),
        earned=kind.price if like.earned else None,
        agreed_amount=None,
        paid_at=order.paid_at,
        confirmed_at=order.paid_at,
    )


def _word(chance: random.Random, syllables: int) -> str:
    return "".join(chance.choice(SYLLABLES) for _ in range(syllables))
