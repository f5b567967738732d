"""Detects and reports alerts about the whole site.

The clock checks every minute in a separate thread, so that slow checks delay no payment. Several processes may check at
once; each alert is still reported once.

An alert that cannot be checked (because the database is away) keeps its state.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Event

import structlog

from inspired.adapters.mongo import heartbeats
from inspired.adapters.mongo.alerts import Delivery
from inspired.adapters.mongo.bookings import Outcome
from inspired.adapters.mongo.heartbeats import Beat
from inspired.adapters.providers import outgoing_webhooks
from inspired.adapters.redis.throttle import HeldBack
from inspired.domain.booking.history import EventKind
from inspired.domain.booking.reconciliation import Kind as DifferenceKind
from inspired.domain.booking.states import Flag, Remote
from inspired.domain.booking.status import iso
from inspired.domain.monitoring import alerts, runbook
from inspired.domain.monitoring.alerts import Alert, Channel, Kind, Message, Rate, Seen, Standing
from inspired.domain.monitoring.health import is_silent
from inspired.domain.shared.errors import Busy, UpstreamError
from inspired.domain.shared.networks import Network
from inspired.domain.shared.timezones import moment_in_words
from inspired.flows.booking import chain_reconciling, checking, reconciling, screening
from inspired.flows.catalogue import own_calendar
from inspired.flows.shared import owner_notifications
from inspired.flows.site import receiving
from inspired.services import Services

LOOK_EVERY, SEND_EVERY, BEAT_EVERY = 60.0, 5.0, 10.0  # seconds
UNCONFIRMED_AFTER = timedelta(minutes=5)
OVERDUE_AFTER = timedelta(minutes=2)
UNWORKED_AFTER = timedelta(minutes=2)
RECONCILED_WITHIN = timedelta(hours=26)
CHECKED_WITHIN = timedelta(hours=3)
LONGEST_RUN = timedelta(hours=2)
SILENT_AFTER = timedelta(minutes=2)
BACKUP_WITHIN = timedelta(hours=26)
UNSAID_WITHIN = timedelta(minutes=15)
RATES_OVER = timedelta(hours=24)
NOTICE_WITHIN = timedelta(minutes=5)
PAYMENTS_LIMIT, NOTICES_LIMIT = Decimal("0.05"), Decimal("0.02")
REFUSED_LIMIT = 20  # in an hour
LOGINS_LIMITS = ((20, timedelta(hours=1), "an hour"), (60, timedelta(days=1), "a day"))
TWO_NIGHTS = timedelta(hours=20)  # from one night's failure to the next one's
HIDDEN_TOLD = timedelta(days=1)
MOST_SKEW = timedelta(seconds=1.9)  # as in the doctor: Binance's clock comes in whole seconds only
PROBE_WELL, PROBE_ILL = timedelta(minutes=10), timedelta(minutes=2)
TROUBLED_AFTER = timedelta(hours=1)
STUBBORN_TRIES = 4
LOOK_AHEAD = timedelta(hours=2)  # everything in progress is checked again by then
MOST = 2000  # bookings used for rates
MOST_ABOUT = 5
SEND_AT_ONCE = 50
DATABASE = runbook.SITE["database"]
log = structlog.get_logger()

Found = dict[str, Seen | None]  # by alert: seen or not; left out if unknown


# --- checking ---------------------------------------------------------------------------------------------------------


def look(svc: Services) -> None:
    """Check every alert and save what is to be reported. Raises Busy while the database is away."""
    for alert_id, seen in find(svc).items():
        alert = runbook.SITE[alert_id]
        standing = svc.alerts.change(alert_id, lambda one, a=alert, s=seen: alerts.judged(one, a, s, svc.now()))  # type: ignore[misc]
        if standing.owed:
            _write_down(svc, alert, standing)
    svc.heartbeats.beat(heartbeats.WATCHER, svc.now())


def find(svc: Services) -> Found:
    """Which alerts are seen now, and which are not."""
    probe_binance(svc)
    _probe_mail(svc)
    beats, found = svc.heartbeats.all(), Found()
    looks = (
        *(_of_bookings, _of_notices, _of_logins, _of_rates, _of_runs, _of_calendars, _of_receiving),
        *(_of_queues, _of_channels),
    )
    for look_at in looks:
        found |= dict(look_at(svc))
    return found | dict(_of_beats(svc, beats))


Looked = Iterator[tuple[str, Seen | None]]


def _of_bookings(svc: Services) -> Looked:
    now = svc.now()
    unconfirmed = svc.bookings.unconfirmed(now, now + LOOK_AHEAD, now - UNCONFIRMED_AFTER, MOST_ABOUT + 1)
    yield "unconfirmed_now", _about(unconfirmed)
    # Enqueued bookings are postponed for a moment, but may still be late.
    overdue = svc.bookings.left_lying(now, now + OVERDUE_AFTER, now - OVERDUE_AFTER, MOST_ABOUT + 1)
    yield "effect_overdue", _about(overdue)


def _about(booking_ids: list[str]) -> Seen | None:
    if not booking_ids:
        return None
    count = f"{len(booking_ids)}" if len(booking_ids) <= MOST_ABOUT else f"more than {MOST_ABOUT}"
    return Seen(f"{count} booking{'' if len(booking_ids) == 1 else 's'}", tuple(booking_ids[:MOST_ABOUT]))


def _of_notices(svc: Services) -> Looked:
    now = svc.now()
    waiting = len(svc.logs.unworked(now, now - UNWORKED_AFTER, MOST_ABOUT + 1))
    yield "notice_waiting", Seen(f"{waiting} or more notices" if waiting > 1 else "one notice") if waiting else None
    refused = svc.logs.refused_since(now - timedelta(hours=1), MOST)
    yield "notices_refused", Seen(f"{refused} within an hour") if refused >= REFUSED_LIMIT else None
    orphans = svc.orphans.waiting()
    yield "orphan", Seen(f"{len(orphans)} to be settled") if orphans else None


def _of_logins(svc: Services) -> Looked:
    """Each IP address and each account has its own rate limit; guesses spread over many show only in the total."""
    refused = svc.refused_logins.since(svc.now() - LOGINS_LIMITS[-1][1], MOST)
    seen = None
    for most, span, words in LOGINS_LIMITS:
        lately = [login for login in refused if login.at > svc.now() - span]
        if len(lately) >= most and seen is None:
            places, accounts = (
                len({login.address for login in lately}),
                len({login.account for login in lately}),
            )
            seen = Seen(
                f"{len(lately)} within {words}, from {_count(places, 'place')}, for {_count(accounts, 'account')}"
            )
    yield "logins_refused", seen


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def rates(svc: Services) -> tuple[Rate, Rate]:
    """Over the last day: failed payments, and payments without a webhook."""
    now = svc.now()
    made = svc.bookings.outcomes(now - RATES_OVER, now, MOST)
    paid = [outcome for outcome in made if outcome.paid_at is not None]
    failed = sum(_failed(outcome) for outcome in made)
    told_of = [outcome for outcome in paid if outcome.has_notices]
    old = [outcome for outcome in told_of if outcome.paid_at is not None and outcome.paid_at <= now - NOTICE_WITHIN]
    told = svc.logs.told_of_payment(now - RATES_OVER, MOST * 2) if old else set()
    return Rate(failed, failed + len(paid)), Rate(sum(outcome.booking_id not in told for outcome in old), len(old))


def _failed(outcome: Outcome) -> bool:
    """True if the customer tried to pay and it failed; an unpaid booking alone is not a failure."""
    no_order = EventKind.CREATE_FAILED in outcome.happened and EventKind.ORDER_CREATED not in outcome.happened
    return outcome.paid_at is None and (no_order or Remote.ERROR in outcome.statuses or Flag.UNDERPAID in outcome.flags)


def _of_rates(svc: Services) -> Looked:
    payments, webhooks = rates(svc)
    for alert_id, rate, limit in (
        ("payments_failing", payments, PAYMENTS_LIMIT),
        ("notices_failing", webhooks, NOTICES_LIMIT),
    ):
        yield alert_id, Seen(f"{rate.failed} of {rate.of} in 24 hours") if rate.is_beyond(limit) else None


def _of_runs(svc: Services) -> Looked:
    for alert_id, name, within in (
        ("reconciliation_missed", reconciling.NAME, RECONCILED_WITHIN),
        ("balances_missed", chain_reconciling.NAME, RECONCILED_WITHIN),
        ("check_missed", checking.NAME, CHECKED_WITHIN),
    ):
        run, now = svc.runs.get(name), svc.now()
        if run is None:
            yield alert_id, Seen("none so far")
        elif run.finished_at is None:
            # The previous run had finished when this one started.
            is_late = now - run.started_at > min(LONGEST_RUN, within)
            yield alert_id, Seen("begun and not finished") if is_late else None
        else:
            yield alert_id, Seen() if now - run.finished_at > within else None
    cases = [case for case in svc.cases.waiting() if case.difference.kind is not DifferenceKind.BALANCE]
    yield "case_open", Seen(f"{len(cases)} to look at") if cases else None
    differing = [f"{one.network.facts.name}: {one.told}" for one in svc.chain_balances.differing()]
    yield "balance_differs", Seen("; ".join(differing[:MOST_ABOUT])) if differing else None


def _of_calendars(svc: Services) -> Looked:
    now = svc.now()
    trouble = svc.calendly_sync_state.get() if svc.settings.uses_calendly else None
    is_long = (
        trouble is not None
        and trouble.trouble_since is not None
        and (trouble.trouble_told or now - trouble.trouble_since >= TROUBLED_AFTER)
    )
    yield "calendly", Seen(trouble.trouble) if trouble is not None and is_long else None
    known = svc.own_calendar.known().values() if svc.own_calendar.feeds else ()
    since = [feed.failing_since for feed in known if feed.failing_since is not None]
    is_unread = bool(since) and now - min(since) >= own_calendar.TELL_AFTER
    yield "own_calendar", Seen() if is_unread else None


def _of_receiving(svc: Services) -> Looked:
    found = [receiving.standing(svc, network) for network in Network]
    on = [(one.network.facts.name, one.stock) for one in found if one.state == "on" and one.stock is not None]
    troubled = [f"{one.network.facts.name}: {one.trouble}" for one in found if one.trouble]
    troubled += receiving.wallets_troubled(svc)
    yield "receiving_altered", Seen("; ".join(troubled)) if troubled else None
    state = svc.screening.state() if screening.is_old(svc) else None
    yield "screening_old", Seen(state.why) if state is not None else None
    out = [name for name, stock in on if not stock.left]
    yield "addresses_out", Seen(", ".join(out)) if out else None
    low = [f"{name}: {stock.left}" for name, stock in on if stock.left and stock.is_low]
    yield "addresses_low", Seen(", ".join(low)) if low else None


def _of_queues(svc: Services) -> Looked:
    try:
        queues = svc.queue.queues()
    except UpstreamError as error:
        yield "redis", Seen(str(error))
        return
    yield "redis", None
    now = svc.now()
    yield "workers_gone", Seen() if is_silent(svc.workers.last_turn(), now) else None
    late = [waiting for waiting in queues if waiting.since is not None and now - waiting.since > OVERDUE_AFTER]
    yield "queue_stuck", Seen(", ".join(f"{waiting.queue}: {waiting.count}" for waiting in late)) if late else None
    strange = svc.refused_jobs.recent(now)
    yield "strange_job", Seen(f"{strange.count}, the last one {strange.what}") if strange else None
    breaker, is_on = svc.binance.state(), svc.binance.is_set_up()
    yield "binance_paused", Seen(f"{breaker.failures} calls in a row") if is_on and breaker.open else None
    yield "binance_refuses", Seen(breaker.refusal.told) if is_on and breaker.refusal is not None else None


def _of_channels(svc: Services) -> Looked:
    sent = svc.deliveries.newest(svc.now() - timedelta(days=1), 200)
    stubborn = [delivery for delivery in sent if delivery.channel is Channel.WEBHOOK and not delivery.done_at]
    stubborn = [delivery for delivery in stubborn if delivery.tries >= STUBBORN_TRIES]
    is_wanted = svc.outgoing_webhook.get(svc.now()) is not None
    yield "webhook_undelivered", Seen(stubborn[0].answer) if stubborn and is_wanted else None


def _of_beats(svc: Services, beats: dict[str, Beat]) -> Looked:
    now = svc.now()
    clock = beats.get(heartbeats.CLOCK)
    yield "clock", Seen() if clock is None or now - clock.at > SILENT_AFTER else None
    is_on = svc.binance.is_set_up()
    for alert_id, name, is_asked in (("mail", heartbeats.MAIL, True), ("certificates", heartbeats.BINANCE, is_on)):
        beat = beats.get(name)
        yield alert_id, Seen(beat.detail) if is_asked and beat is not None and not beat.is_well else None
    unread = ", ".join(_unread_chains(svc, beats))
    yield "chain_unread", Seen(unread) if unread else None
    differing = ", ".join(_differing_nodes(svc, beats))
    yield "nodes_differ", Seen(differing) if differing else None
    unknown = ", ".join(_unread_balances(svc, beats))
    yield "balances_unread", Seen(unknown) if unknown else None
    hidden = ", ".join(_hidden_by_nodes(svc, beats))
    yield "node_hid_money", Seen(hidden) if hidden else None
    check = beats.get(heartbeats.CHECK)
    yield "invariant_broken", Seen(check.detail) if check is not None and not check.is_well else None
    skew = svc.binance.clock_skew
    if not is_on:
        yield "clock_skew", None  # nobody to compare it with, and nobody who refuses us for it
    elif skew is not None:
        is_off = abs(timedelta(seconds=skew)) > MOST_SKEW
        yield "clock_skew", Seen(f"{skew:.0f} seconds") if is_off else None
    backup = beats.get(heartbeats.BACKUP)
    yield "backup_late", Seen() if backup is not None and now - backup.at > BACKUP_WITHIN else None
    silence = beats.get(heartbeats.SCHEME)
    yield "scheme_unsaid", Seen() if silence is not None and now - silence.at <= UNSAID_WITHIN else None


def _unread_chains(svc: Services, beats: dict[str, Beat]) -> Iterator[str]:
    """Networks on which addresses were given out, and which the watcher cannot read or no longer reads."""
    for network, chain in svc.chains.items():
        beat = beats.get(heartbeats.CHAIN.format(network))
        if beat is None or not chain.is_set_up():
            continue
        if svc.now() - beat.at > SILENT_AFTER:
            yield f"{network.facts.name}: not read since {beat.at:%H:%M} UTC"
        elif not beat.is_well:
            yield f"{network.facts.name}: {beat.detail}"


def _differing_nodes(svc: Services, beats: dict[str, Beat]) -> Iterator[str]:
    """Networks with two nodes whose second one does not answer or does not agree."""
    for network in svc.chains:
        beat = beats.get(heartbeats.SECOND_NODE.format(network))
        if beat is not None and not beat.is_well:
            yield f"{network.facts.name}: {beat.detail}"


def _unread_balances(svc: Services, beats: dict[str, Beat]) -> Iterator[str]:
    """Networks whose balances could not be read two nights in a row."""
    for network in svc.chains:
        beat = beats.get(heartbeats.BALANCES.format(network))
        if beat is not None and not beat.is_well and beat.at - beat.since >= TWO_NIGHTS:
            yield f"{network.facts.name}: {beat.detail}, since {beat.since:%d %B} UTC"


def _hidden_by_nodes(svc: Services, beats: dict[str, Beat]) -> Iterator[str]:
    """Networks on which a replaced node was found within a day to have hidden money."""
    for network in svc.chains:
        beat = beats.get(heartbeats.HIDDEN.format(network))
        if beat is not None and svc.now() - beat.at <= HIDDEN_TOLD:
            yield f"{network.facts.name}: {beat.detail}"


def probe_binance(svc: Services) -> None:
    """Where it is on, check that the certificates can be fetched: every ten minutes, more often while that fails or
    every call is refused (which its answer ends), and not while calls are paused."""
    if not svc.binance.is_set_up():
        return
    now, before, breaker = svc.now(), svc.heartbeats.all().get(heartbeats.BINANCE), svc.binance.state()
    is_well = (before is None or before.is_well) and breaker.refusal is None
    pause = PROBE_WELL if is_well else PROBE_ILL
    if (before is not None and now - before.at < pause) or breaker.open:
        return
    try:
        found = svc.binance.certificates(seconds=3.0)
    except HeldBack:
        return  # never sent, so it says nothing
    except UpstreamError as error:
        log.warning("certificates_unread", error=str(error))
        svc.heartbeats.beat(heartbeats.BINANCE, now, is_well=False, detail=str(error))
    else:
        svc.heartbeats.beat(heartbeats.BINANCE, now, is_well=bool(found), detail=f"{len(found)} of them")


def _probe_mail(svc: Services) -> None:
    """After a failed mail: check whether the next one could be sent, since none may be due for hours. Also once before
    any mail, to learn the server's abilities, which a form needs (see `mail_reachability`)."""
    beats = svc.heartbeats.all()
    beat = beats.get(heartbeats.MAIL)
    is_ill = beat is not None and not beat.is_well
    if not is_ill and heartbeats.MAIL_UTF8 in beats:
        return
    try:
        svc.smtp.greet()
    except UpstreamError:
        return
    if is_ill:
        svc.heartbeats.beat(heartbeats.MAIL, svc.now(), detail="the server lets us in again")


# --- reporting --------------------------------------------------------------------------------------------------------


def _write_down(svc: Services, alert: Alert, standing: Standing) -> None:
    """Save a delivery for every channel, then clear the debt. If the process dies in between, it stays owed."""
    is_wanted = svc.outgoing_webhook.get(svc.now()) is not None
    for message in standing.owed:
        for channel in alert.channels:
            if channel is Channel.MAIL or is_wanted:
                svc.deliveries.add(_delivery(svc, alert, message, channel))
        log.warning("alert", alert=alert.id, kind=str(message.kind), number=standing.number)
    keys = [message.key for message in standing.owed]
    svc.alerts.change(alert.id, lambda one: alerts.handed_on(one, keys))


def _delivery(svc: Services, alert: Alert, message: Message, channel: Channel) -> Delivery:
    site = svc.settings.site_url
    message_id = "msg_" + hashlib.sha256(f"{site}/{message.key}".encode()).hexdigest()[:24]
    body = {
        "type": f"alert.{message.kind}",
        "timestamp": iso(message.at),
        "data": {
            "alert": alert.id,
            "sentence": alert.sentence,
            "severity": str(alert.severity),
            "since": iso(message.since),
            "detail": message.detail,
            "runbook": f"{site}/admin/runbook/{alert.id}",
        },
    }
    text = json.dumps(body, separators=(",", ":"))
    return Delivery(
        f"{message_id}:{channel}", message_id, channel, alert.id, message.kind, message.at, text, message.at
    )


TEST = Alert(
    "test", "This is a test. Nothing is wrong.", alerts.Severity.KNOW, "", "", "", (), "", channels=(Channel.WEBHOOK,)
)


def send_test(svc: Services) -> None:
    now = svc.now()
    message = Message(Kind.TEST, f"test:{svc.new_id()}", now, now, "")
    svc.deliveries.add(_delivery(svc, TEST, message, Channel.WEBHOOK))
    svc.queue.enqueue_mail("send_alerts")


def send_again(svc: Services, delivery_id: str) -> None:
    svc.deliveries.again(delivery_id, svc.now())
    svc.queue.enqueue_mail("send_alerts")


def send_due(svc: Services) -> int:
    """Send what is due. A failed delivery does not hold up the others."""
    due = svc.deliveries.due(svc.now(), SEND_AT_ONCE)
    return sum(_sent(svc, delivery) for delivery in due)


def _sent(svc: Services, delivery: Delivery) -> bool:
    if not svc.deliveries.claim(delivery, svc.now()):
        return False
    send = _by_mail if delivery.channel is Channel.MAIL else _by_webhook
    try:
        answer = send(svc, delivery)
    except UpstreamError as error:
        log.warning("alert_unsent", message=delivery.message_id, channel=str(delivery.channel), error=error.message)
        svc.deliveries.failed(delivery, error.message, for_good=not error.retryable)
        return False
    svc.deliveries.went(delivery, answer, svc.now())
    return True


def _by_webhook(svc: Services, delivery: Delivery) -> str:
    webhook = svc.outgoing_webhook.get(svc.now())
    if webhook is None:
        raise UpstreamError(outgoing_webhooks.SERVICE, "no address is set any more", retryable=False)
    body = delivery.body.encode()
    return outgoing_webhooks.send(svc.outside, webhook.url, webhook.secrets, delivery.message_id, svc.now(), body)


def _by_mail(svc: Services, delivery: Delivery) -> str:
    alert, data = runbook.SITE[delivery.alert], json.loads(delivery.body)["data"]
    since, zone = datetime.fromisoformat(data["since"]), svc.settings.owner_timezone
    owner_notifications.owner(
        svc,
        "site_alert",
        delivery.message_id,
        what=str(delivery.kind),
        alert=alert,
        detail=data["detail"],
        since=moment_in_words(since, zone),
        told_at=moment_in_words(delivery.at, zone),
        runbook_url=data["runbook"],
    )
    return "sent"


# --- the clock's own thread -------------------------------------------------------------------------------------------


class Watcher:
    """Checks every minute and sends every few seconds. Reports a database outage without the database, once."""

    def __init__(self, svc: Services, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._svc = svc
        self._elapsed = elapsed
        self._looked = -LOOK_EVERY
        self._away_since: datetime | None = None
        self._told_away = False

    def run(self, stop: Event) -> None:
        while not stop.is_set():
            self.turn()
            stop.wait(SEND_EVERY)

    def turn(self) -> None:
        """Never raises: a failing check must not stop later ones."""
        try:
            if self._elapsed() - self._looked >= LOOK_EVERY:
                self._looked = self._elapsed()
                look(self._svc)
            send_due(self._svc)
            self._reached()
        except Busy as error:
            self._away(str(error))
        except Exception:
            log.exception("watcher_failed")

    def _away(self, why: str) -> None:
        now = self._svc.now()
        self._away_since = self._away_since or now
        if not self._told_away and now - self._away_since >= SILENT_AFTER:
            # The cause MongoDB itself reported, if any.
            detail = why if why != DATABASE.sentence else ""
            self._told_away = self._tell(Kind.BEGAN, self._away_since, detail)

    def _reached(self) -> None:
        if self._told_away and self._away_since is not None and not self._tell(Kind.OVER, self._away_since):
            return
        self._away_since, self._told_away = None, False

    def _tell(self, kind: Kind, since: datetime, detail: str = "") -> bool:
        message = Message(kind, f"database:{iso(since)}:{kind}", self._svc.now(), since, detail)
        try:
            _by_mail(self._svc, _delivery(self._svc, DATABASE, message, Channel.MAIL))
        except UpstreamError as error:
            log.warning("owner_not_told", about="database", error=str(error))
            return False
        return True
