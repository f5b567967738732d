"""The composition root: everything the flows need, and the only source of time, ids and randomness.

`build` is called once per process, after any fork, because the database client does not survive one.
"""

import json
import secrets
import string
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import structlog

from inspired.adapters.crypto.vault import Vault
from inspired.adapters.mail.mail_templates import Letters
from inspired.adapters.mail.smtp import Smtp
from inspired.adapters.mongo import heartbeats
from inspired.adapters.mongo.alerts import Alerts, Deliveries, WebhookSetting
from inspired.adapters.mongo.allowances import Allowances
from inspired.adapters.mongo.api_keys import ApiKeys
from inspired.adapters.mongo.audit import Audit
from inspired.adapters.mongo.availability_cache import AvailabilityCache
from inspired.adapters.mongo.bookings import Bookings
from inspired.adapters.mongo.bulk_jobs import BulkJobs
from inspired.adapters.mongo.calendly_sync_state import CalendlySyncState
from inspired.adapters.mongo.catalogue import Catalogue
from inspired.adapters.mongo.chain_books import ChainBalances, Departures
from inspired.adapters.mongo.database import connect, ping, server_version
from inspired.adapters.mongo.documents import to_the_millisecond
from inspired.adapters.mongo.heartbeats import Heartbeats, Outcomes, RefusedJobs, Workers
from inspired.adapters.mongo.idempotency_keys import IdempotencyKeys
from inspired.adapters.mongo.ledger_store import Cases, Ledger, Orphans, Runs
from inspired.adapters.mongo.lists import Lists
from inspired.adapters.mongo.metrics import Numbers, Visits
from inspired.adapters.mongo.own_calendar import OwnCalendar
from inspired.adapters.mongo.payment_addresses import PaymentAddresses
from inspired.adapters.mongo.payment_logs import PaymentLogs
from inspired.adapters.mongo.people import AdminSessions, People, RefusedLogins
from inspired.adapters.mongo.preferences import Preferences
from inspired.adapters.mongo.receiving import Receiving
from inspired.adapters.mongo.refund_searches import RefundSearches
from inspired.adapters.mongo.rehearsals import Gate, Rehearsals
from inspired.adapters.mongo.report_plans import ReportPlans
from inspired.adapters.mongo.saved_views import Views
from inspired.adapters.mongo.screening_list import ScreeningList
from inspired.adapters.mongo.subscribers import Subscribers
from inspired.adapters.mongo.tickets import Tickets
from inspired.adapters.mongo.transfers import Transfers
from inspired.adapters.process.languages import language
from inspired.adapters.process.version import version
from inspired.adapters.providers.binance import SERVICE as BINANCE
from inspired.adapters.providers.binance import BinancePay, CallMade
from inspired.adapters.providers.binance_certificates import MongoShelf
from inspired.adapters.providers.calendly import Calendly
from inspired.adapters.providers.http import Http
from inspired.adapters.providers.ics_feeds import Feed
from inspired.adapters.providers.on_chain import OnChain
from inspired.adapters.providers.rail import Rail
from inspired.adapters.redis import queue as queues
from inspired.adapters.redis import redis_server
from inspired.adapters.redis.status_cache import CachedStatus, StatusCache
from inspired.adapters.redis.throttle import Silence, Throttle
from inspired.domain.booking import address_reuse
from inspired.domain.booking.address_reuse import Rest
from inspired.domain.booking.booking import Booking, Refund, booking_id_of
from inspired.domain.booking.rails import USUAL, RailId
from inspired.domain.booking.status import public_status
from inspired.domain.sentences import customer
from inspired.domain.shared.errors import Busy
from inspired.domain.shared.languages import reading
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Network
from inspired.settings import Settings

log = structlog.get_logger()
NODE_CALLS_PER_SECOND = 20  # to each network's node, of all processes together
ID_LETTERS = string.ascii_lowercase + string.digits


@dataclass(frozen=True, slots=True)
class Services:
    """Passed to every flow. `ping` and `database_version` raise Busy if the database does not answer.

    `redis_pool`: the connections shared with other users of Redis. `outside`: the HTTP client for URLs that people
    typed in; outside development it reaches only public addresses.
    """

    settings: Settings
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    new_token: Callable[[], str]
    bookings: Bookings
    availability_cache: AvailabilityCache
    lists: Lists
    logs: PaymentLogs
    ledger: Ledger
    orphans: Orphans
    cases: Cases
    runs: Runs
    calendly_sync_state: CalendlySyncState
    alerts: Alerts
    deliveries: Deliveries
    outgoing_webhook: WebhookSetting
    heartbeats: Heartbeats
    workers: Workers
    refused_jobs: RefusedJobs
    metrics: Numbers
    visits: Visits
    report_plans: ReportPlans
    allowances: Allowances
    keys: IdempotencyKeys
    subscribers: Subscribers
    audit: Audit
    tickets: Tickets
    rehearsals: Rehearsals
    gate: Gate
    people: People
    sessions: AdminSessions
    refused_logins: RefusedLogins
    api_keys: ApiKeys
    saved_views: Views
    bulk_jobs: BulkJobs
    vault: Vault
    rails: Mapping[RailId, Rail]
    chains: Mapping[Network, OnChain]  # for what only they have; payment orders go by `rails`
    payment_addresses: PaymentAddresses
    transfers: Transfers
    screening: ScreeningList
    departures: Departures
    chain_balances: ChainBalances
    receiving: Receiving
    refund_searches: RefundSearches
    binance: BinancePay  # for its webhooks and certificates; payment orders and refunds go by `rails`
    calendly: Calendly
    catalogue: Catalogue
    preferences: Preferences
    own_calendar: OwnCalendar
    feeds: Mapping[str, Feed]
    smtp: Smtp
    mail_templates: Letters
    queue: queues.JobQueue
    redis_pool: redis_server.Pool
    status_cache: StatusCache
    outside: Http
    ping: Callable[[], None]
    database_version: Callable[[], str]
    close: Callable[[], None]

    @property
    def rails_on(self) -> tuple[RailId, ...]:
        """The rails by which the owner can be paid, the usual one first."""
        return tuple(rail for rail, by in self.rails.items() if by.is_set_up())

    @property
    def usual(self) -> RailId:
        """The rail of what is booked without a choice."""
        return next(iter(self.rails_on), USUAL)

    def rail_of(self, booking: Booking, refund: Refund) -> Rail:
        return self.rails[booking.rail_of(refund)]


def chance() -> float:
    """A random number in [0, 1), to spread retries of several processes; nothing secret depends on it."""
    return secrets.randbelow(1_000_000) / 1_000_000


def now() -> datetime:
    return to_the_millisecond(datetime.now(UTC))


def build(
    settings: Settings,
    *,
    database_seconds: float,
    redis_seconds: float,
    redis_connections: int | None = None,
    chance: Callable[[], float] = chance,
    now: Callable[[], datetime] = now,
    elapsed: Callable[[], float] = time.monotonic,
    binance_now: Callable[[], datetime] | None = None,
) -> Services:
    """`database_seconds` and `redis_seconds` limit one operation (short on the web path), including the wait for one of
    the process's connections; their number comes from the settings, or is `redis_connections`. A rehearsal has its own
    clocks: `now` for moments, `elapsed` for the pauses between calls to a provider, and `binance_now` for the time that
    calls to Binance Pay are stamped with."""
    database = connect(
        settings.mongodb_uri.get_secret_value(),
        settings.mongodb_database,
        seconds=database_seconds,
        most=settings.mongodb_connections,
    )
    redis = redis_server.connect(
        settings.redis_url.get_secret_value(),
        seconds=redis_seconds,
        most=redis_connections or settings.redis_connections,
        verify_certificate=settings.verifies_redis,
    )
    status_cache = StatusCache(redis)
    bookings = Bookings(
        database, lambda booking: status_cache.publish(booking.token, cached_status(booking), changed=booking.id)
    )
    logs = PaymentLogs(database)

    silence = Silence(elapsed)

    def throttle(service: str, per_second: int) -> Throttle:
        return Throttle(
            redis, service=service, per_second=per_second, now=now, chance=chance, elapsed=elapsed, silence=silence
        )

    http, outside = Http(), Http(public_only=not settings.dev_mode)
    binance = BinancePay(
        http,
        throttle=throttle(BINANCE, settings.binance_calls_per_second),
        base_url=settings.binance_pay_base_url,
        api_key=settings.binance_pay_api_key.get_secret_value(),
        secret_key=settings.binance_pay_secret_key.get_secret_value(),
        webhook_url=settings.binance_pay_webhook_url,
        merchant_id=settings.binance_pay_merchant_id,
        pinned_serial=settings.binance_pay_cert_id,
        now=binance_now or now,
        on_call=lambda call: _evidence(logs, call),
        shelf=MongoShelf(database),
        elapsed=elapsed,
    )
    vault = Vault(settings.encryption_keys.get_secret_value(), settings.blind_index_key.get_secret_value())
    beats = Heartbeats(database)
    receiving, payment_addresses, transfers = (
        Receiving(database, vault, is_sandbox=settings.is_sandbox),
        PaymentAddresses(database),
        Transfers(database),
    )

    screening = ScreeningList(database, is_used=bool(settings.screening_list.get_secret_value()))

    def rest_of(trade_nos: Sequence[str]) -> Rest:
        found = list(bookings.among(sorted({booking_id_of(one) for one in trade_nos})))
        return address_reuse.rest_of(found, trade_nos, now())

    chains = {
        network: OnChain(
            network,
            outside,
            throttle=throttle(f"node-{network}", NODE_CALLS_PER_SECOND),
            receiving=receiving,
            addresses=payment_addresses,
            transfers=transfers,
            now=now,
            rest_of=rest_of,
            is_screened=screening.has,
            gap_limit=settings.address_gap_limit,
            tolerance=settings.sender_fee_tolerance,
            two_nodes_from=Money(settings.two_nodes_from, "USDT"),
            on_second=Outcomes(beats, heartbeats.SECOND_NODE.format(network), now),
        )
        for network in Network
    }
    zone = ZoneInfo(settings.owner_timezone)
    preferences = Preferences(database)
    # Calendly reads the owner's calendar itself.
    urls = () if settings.uses_calendly else settings.busy_feeds
    read = [Feed(http, url, zone, outside=outside, addresses=settings.invited_as) for url in urls]
    feeds = {feed.id: feed for feed in read}

    def close() -> None:
        http.close()
        outside.close()
        redis.close()
        database.client.close()

    return Services(
        settings=settings,
        now=now,
        new_id=new_id,
        new_token=new_token,
        bookings=bookings,
        availability_cache=AvailabilityCache(bookings, status_cache, elapsed),
        lists=Lists(database),
        logs=logs,
        ledger=Ledger(database),
        orphans=Orphans(database),
        cases=Cases(database),
        runs=Runs(database),
        calendly_sync_state=CalendlySyncState(database),
        alerts=Alerts(database),
        deliveries=Deliveries(database),
        outgoing_webhook=WebhookSetting(database, vault),
        heartbeats=beats,
        workers=Workers(database),
        refused_jobs=RefusedJobs(database),
        metrics=Numbers(database),
        visits=Visits(database, redis),
        report_plans=ReportPlans(database),
        allowances=Allowances(database),
        keys=IdempotencyKeys(database),
        subscribers=Subscribers(database),
        audit=Audit(database),
        tickets=Tickets(database),
        rehearsals=Rehearsals(database),
        gate=Gate(database, version(), is_needed=not settings.is_sandbox),
        people=People(database),
        sessions=AdminSessions(database),
        refused_logins=RefusedLogins(database),
        api_keys=ApiKeys(database),
        saved_views=Views(database),
        bulk_jobs=BulkJobs(database),
        vault=vault,
        rails={RailId.BINANCE_PAY: binance, **{RailId(network): chain for network, chain in chains.items()}},
        chains=chains,
        payment_addresses=payment_addresses,
        transfers=transfers,
        screening=screening,
        departures=Departures(database),
        chain_balances=ChainBalances(database),
        receiving=receiving,
        refund_searches=RefundSearches(database),
        binance=binance,
        calendly=Calendly(http, base_url=settings.calendly_base_url, token=settings.calendly_token.get_secret_value()),
        catalogue=Catalogue(database, zone),
        preferences=preferences,
        own_calendar=OwnCalendar(database, feeds),
        feeds=feeds,
        smtp=Smtp(
            settings.smtp_host,
            settings.smtp_port,
            settings.smtp_tls,
            settings.smtp_username,
            settings.smtp_password.get_secret_value(),
            settings.mail_from,
            Outcomes(beats, heartbeats.MAIL, now),
            lambda: _sender_name(preferences),
            Outcomes(beats, heartbeats.MAIL_UTF8, now, said=None),
        ),
        mail_templates=Letters(brand=lambda: preferences.now().brand),
        queue=queues.JobQueue(redis),
        redis_pool=redis.connection_pool,
        status_cache=status_cache,
        outside=outside,
        ping=lambda: ping(database),
        database_version=lambda: server_version(database),
        close=close,
    )


def _evidence(logs: PaymentLogs, call: CallMade) -> None:
    """Best effort: a call is not undone because it could not be logged."""
    try:
        logs.add_call(
            call.at,
            path=call.path,
            reference=call.reference,
            booking_id=booking_id_of(call.reference.partition("R")[0]),
            outcome=call.outcome,
            ms=round(call.seconds * 1000),
        )
    except Busy:
        log.warning("call_unrecorded", path=call.path, reference=call.reference, outcome=call.outcome)


def _sender_name(preferences: Preferences) -> str:
    """The site's name once the owner has set it; until then the name in MAIL_FROM."""
    chosen = preferences.now()
    return chosen.brand.name if chosen.versions["brand"] else ""


def cached_status(booking: Booking) -> CachedStatus:
    body = json.dumps(public_status(booking, status_message(booking)), separators=(",", ":")).encode()
    return CachedStatus(status_version=booking.status_version, is_open=booking.is_open, body=body)


def status_message(booking: Booking) -> str:
    """In the booking's language, whoever asks: the same version of a status is the same text for everybody."""
    with reading(language(booking.language)):
        return customer.message(booking)


def new_id() -> str:
    """24 letters and digits (124 bits): short enough that an order's number, built from it, fits Binance's 32."""
    return "".join(secrets.choice(ID_LETTERS) for _ in range(24))


def new_token() -> str:
    """For public URLs: 168 bits, never a database id."""
    return secrets.token_urlsafe(21)
