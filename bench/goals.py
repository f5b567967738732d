"""What was promised, and by which part it is measured."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Goal:
    """Below `limit`, at least or at most `limit`; the unit is that of the numbers in the table."""

    part: str
    what: str
    limit: float
    unit: str
    at_least: bool = False
    at_most: bool = False

    def met(self, value: float) -> bool:
        if self.at_most:
            return value <= self.limit
        return value >= self.limit if self.at_least else value < self.limit

    @property
    def wanted(self) -> str:
        return f"{'≥' if self.at_least else '≤' if self.at_most else '<'} {number(self.limit)} {self.unit}".strip()


def _poll(kind: str, base: str, limit: float) -> Goal:
    return Goal("poll", f"{kind}, rate against {base}", limit, "×", at_least=True)


BARE, READ = "a bare Flask view", "a view with one database read"
GOALS = {
    "poll-json-bare": _poll("JSON status poll (200)", BARE, 0.4),
    "poll-json-read": _poll("JSON status poll (200)", READ, 2),
    "poll-etag-bare": _poll("JSON status poll with ETag (304)", BARE, 0.4),
    "poll-etag-read": _poll("JSON status poll with ETag (304)", READ, 2),
    "poll-fragment-bare": _poll("fragment poll (204)", BARE, 0.4),
    "poll-fragment-read": _poll("fragment poll (204)", READ, 2),
    "webhook": Goal("webhook", "webhook acknowledged at 30/s, p99", 150, "ms"),
    "create": Goal("create", "added to a create, p50", 25, "ms"),
    "create-keyed": Goal("create", "the same with an Idempotency-Key, p50", 25, "ms"),
    "confirm": Goal("confirm", "provider's webhook to “confirmed” on the open page, p95", 3, "s"),
    "page-home": Goal("pages", "home page, transferred", 60, "kB"),
    "page-book": Goal("pages", "booking page (choosing a time), transferred", 60, "kB"),
    "page-pay": Goal("pages", "booking page (paying), transferred", 60, "kB"),
    "third-party": Goal("pages", "third-party requests of these pages", 1, ""),
    "storm-rate": Goal(
        "storm", "webhooks sent while web, worker, Redis, database are killed", 100, "/s", at_least=True
    ),
    "storm-missing": Goal("storm", "acknowledged and missing in the log", 1, ""),
    "storm-refused": Goal("storm", "not acknowledged in seven tries", 1, ""),
    "storm-doubled": Goal("storm", "effects doubled", 1, ""),
    "storm-unconfirmed": Goal("storm", "paid and not confirmed at the end", 1, ""),
    "frozen-database": Goal("frozen", "database frozen: webhooks not answered by 503", 1, ""),
    "frozen-database-slowest": Goal("frozen", "database frozen: the slowest answer", 3, "s"),
    "frozen-redis": Goal("frozen", "Redis frozen: webhooks not acknowledged", 1, ""),
    "frozen-redis-slowest": Goal("frozen", "Redis frozen: the slowest answer", 1, "s"),
    "frozen-status-slowest": Goal("frozen", "everything frozen: the slowest status page", 3, "s"),
    "expire": Goal("expire", "due at once, expired by one worker, against two updates each", 0.4, "×", at_least=True),
    "sweep": Goal("sweep", "a sweep of 200 beside 100,000 settled bookings, against 1,000", 1.5, "×"),
    "watch": Goal("watch", "a watcher's round beside 100,000 old and 1,000 live addresses, against 100", 3, "×"),
    "chain-seen": Goal("on_chain", "in a block to “seen” on the open page, p95", 6, "s"),
    "chain-confirmed": Goal("on_chain", "final to “confirmed” on the open page, p95", 4, "s"),
    "chain-processor": Goal(
        "on_chain", "processor time per confirmed booking, against Binance Pay’s", 1, "×", at_most=True
    ),
    "chain-writes": Goal(
        "on_chain", "documents the watcher writes per transfer, each time it tells", 2, "", at_most=True
    ),
    "slots": Goal("slots", "slot list for 31 days at 10,000 bookings, p95", 50, "ms"),
    "slots-changing": Goal("slots", "the same, each list right after a booking has changed, p50", 50, "ms"),
    "slots-flat": Goal("slots", "such a list, p50, against that month's bookings and little else", 1.5, "×"),
    "lists-page": Goal("lists", "a list beside 100,000 bookings, every filter, p95", 150, "ms"),
    "lists-page-flat": Goal("lists", "the same against 10,000", 1.5, "×"),
    "lists-search": Goal("lists", "a search beside 100,000 bookings, p95", 150, "ms"),
    "lists-search-flat": Goal("lists", "the same against 10,000", 1.5, "×"),
    "lists-today": Goal("lists", "the page “Today” beside 100,000 bookings, p95", 150, "ms"),
    "peers-next": Goal("peers", "JSON status poll, rate against Next.js 15", 12, "×", at_least=True),
    "peers-fastify": Goal("peers", "JSON status poll, rate against Fastify", 4, "×", at_least=True),
    "peers-p99": Goal("peers", "JSON status poll, p99 against Fastify’s", 1, "×"),
    "memory": Goal("memory", "largest web worker after the load, PSS", 120, "MB"),
    "start-warm": Goal("start", "`inspired dev` to healthy, known data folder, median", 5, "s"),
    "start-new": Goal("start", "`inspired dev` to healthy, new data folder, median", 5, "s"),
}


def number(value: float) -> str:
    """Three figures are enough for anything measured here."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
