"""Every alert begins by the very situation it is about and ends with it; each is told once, by both ways."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
import redis
import requests
import time_machine
from pymongo.database import Database
from standardwebhooks import Webhook as Verifier

from inspired.adapters.mongo import heartbeats
from inspired.adapters.mongo.alerts import PAUSES
from inspired.adapters.mongo.receiving import NodeAddress
from inspired.adapters.providers import outgoing_webhooks
from inspired.adapters.providers.binance import WebhookHeaders
from inspired.adapters.providers.binance_webhooks import Facts, read_webhook
from inspired.adapters.providers.http import Http
from inspired.adapters.redis import queue as queues
from inspired.adapters.redis import redis_server
from inspired.adapters.redis.queue import JobQueue
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.reconciliation import Difference
from inspired.domain.booking.reconciliation import Kind as Differs
from inspired.domain.booking.states import State
from inspired.domain.monitoring import runbook
from inspired.domain.monitoring.alerts import Channel, Kind
from inspired.domain.shared.errors import Conflict, UpstreamError
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Kind as KindOfNetwork
from inspired.domain.shared.networks import Network
from inspired.flows.accounts import authentication
from inspired.flows.booking import (
    calendly_sync,
    chain_reconciling,
    checking,
    delivery,
    payment_webhooks,
    reconciling,
    refreshing,
)
from inspired.flows.booking.chain_watching import ChainWatch
from inspired.flows.monitoring import alerting
from inspired.flows.shared import owner_notifications
from inspired.flows.site import receiving
from inspired.services import Services, build
from tests.adapters.crypto.test_account_keys import XPUB_TRON
from tests.adapters.listeners import answer, listening
from tests.conftest import Mailbox
from tests.flows.booking.test_payment_webhooks import caught
from tests.flows.catalogue.test_own_calendar import Calendar, read
from tests.flows.catalogue.test_own_calendar import theirs as theirs
from tests.flows.steps import confirmed, later, live, pause_is_over, pause_payments, pay, receive_on_chain, refuse_calls
from tests.harness import ADMIN_PASSWORD, ROOT, Servers, wait_until
from tests.web.catcher import Catcher

OWNER = "owner@example.com"
pytestmark = pytest.mark.breaks_books  # situations in which something is left lying, on purpose


@dataclass
class Receiver:
    """The owner's own server. `status` is what it answers with."""

    url: str = ""
    status: str = "200 OK"
    taken: list[bytes] = field(default_factory=list)

    @property
    def messages(self) -> list[tuple[dict[str, str], bytes]]:
        found = []
        for request in self.taken:
            head, _, body = request.partition(b"\r\n\r\n")
            lines = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
            found.append(({name.lower(): value for name, _, value in lines}, body))
        return found


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()

    def take(connection: Any, request: bytes) -> None:
        one.taken.append(request)
        connection.sendall(answer(b"ok", status=one.status))

    with listening(take) as server:
        one.url = f"{server.address}/hook"
        yield one


@pytest.fixture
def env_changes(catcher: Catcher, theirs: Calendar) -> dict[str, str]:
    return {"BINANCE_PAY_WEBHOOK_URL": catcher.url, "BUSY_FEED_URLS": theirs.url}


def seen(svc: Services, alert_id: str) -> bool:
    return alerting.find(svc)[alert_id] is not None


def firing(svc: Services) -> set[str]:
    return {one.id for one in svc.alerts.all().values() if one.is_firing}


def fail(sandbox: Servers, **calls: str) -> None:
    fault = {"fault": "http_500", "times": 99}
    sandbox.control("faults", {name: [{"call": call, **fault}] for name, call in calls.items()})


def mend(sandbox: Servers) -> None:
    requests.delete(f"{sandbox.sandbox}/control/faults", timeout=5).raise_for_status()


# --- each situation, before, during and after -------------------------------------------------------------------------


def test_money_that_is_not_confirmed_for_five_minutes(svc: Services, sandbox: Servers, catcher: Catcher):
    booking = live(svc)
    pay(sandbox, booking, notify="now")
    payment_webhooks.receive(svc, *caught(catcher))
    assert not seen(svc, "unconfirmed_now")
    sandbox.control("faults", {"binance": [{"call": "query", "fault": "http_500", "times": 3}]})
    refreshing.update(
        svc, booking.id, payment_webhooks.payments(svc.logs.get(svc.logs.due(svc.now(), 1)[0]), _facts(svc))
    )
    assert svc.bookings.get(booking.id).state is State.PAID
    assert not seen(later(svc, minutes=4), "unconfirmed_now")

    found = alerting.find(later(svc, minutes=6))["unconfirmed_now"]

    assert found is not None
    assert (found.detail, found.about) == ("1 booking", (booking.id,))
    mend(sandbox)
    refreshing.refresh(svc, booking.id)
    assert not seen(later(svc, minutes=6), "unconfirmed_now")


def _facts(svc: Services) -> Facts:
    webhook = svc.logs.get(svc.logs.due(svc.now(), 1)[0])
    return read_webhook(svc.vault.open(webhook.key, webhook.key_owner, "notice", webhook.raw).encode())


def test_a_mail_that_nobody_has_begun_to_send_for_two_minutes(svc: Services, sandbox: Servers):
    booking = live(svc)
    pay(sandbox, booking)
    booking = refreshing.update(svc, booking.id)
    assert not seen(later(svc, seconds=90), "effect_overdue")

    assert seen(later(svc, minutes=3), "effect_overdue")

    delivery.deliver(svc, booking)
    assert not seen(later(svc, minutes=3), "effect_overdue")


def test_a_notice_that_nobody_works_on(svc: Services, sandbox: Servers, catcher: Catcher):
    booking = live(svc)
    pay(sandbox, booking, notify="now")
    payment_webhooks.receive(svc, *caught(catcher))
    (webhook_id,) = svc.logs.due(svc.now(), 10)
    svc.logs.lease(webhook_id, svc.now() + timedelta(minutes=4))
    assert not seen(svc, "notice_waiting")

    assert seen(later(svc, minutes=3), "notice_waiting"), "also while somebody was rung for it"

    payment_webhooks.work(svc, webhook_id)
    assert not seen(later(svc, minutes=3), "notice_waiting")


def test_notices_of_a_stranger(svc: Services):
    for number in range(20):
        assert not seen(svc, "notices_refused"), number
        payment_webhooks.refused(svc, WebhookHeaders("s", "n", "1", "x"), b"{}", "the signature is wrong")

    assert seen(svc, "notices_refused")
    assert not seen(later(svc, hours=2), "notices_refused")


def test_passwords_tried_from_many_places_for_many_accounts(svc: Services):
    """Each place and each account is below every limit of its own."""
    for number in range(20):
        assert number < 19 or not seen(svc, "logins_refused")
        assert authentication.log_in(svc, f"a{number}@example.com", "Summer2026!", f"203.0.113.{number}") is None

    found = alerting.find(svc)["logins_refused"]
    assert found is not None
    assert found.detail == "20 within an hour, from 20 places, for 20 accounts"
    assert not seen(later(svc, hours=2), "logins_refused")


def test_passwords_tried_so_slowly_that_no_hour_is_striking(svc: Services):
    for number in range(60):
        assert number < 59 or not seen(svc, "logins_refused")
        long_ago = later(svc, hours=-(number % 20))
        authentication.refused(long_ago, "owner@example.com", f"203.0.113.{number % 7}")

    found = alerting.find(svc)["logins_refused"]
    assert found is not None
    assert found.detail == "60 within a day, from 7 places, for 1 account"


def test_who_gets_in_at_last_is_nobody_to_be_told_of(svc: Services):
    for _ in range(19):
        authentication.log_in(svc, "owner@example.com", "what was it", "203.0.113.7")
    for _ in range(5):
        assert authentication.log_in(svc, "owner@example.com", ADMIN_PASSWORD, "203.0.113.7") is not None

    assert not seen(svc, "logins_refused")


def copies(database: Database[Any], booking_id: str, count: int, **changes: Any) -> None:
    """As many bookings like this one."""
    document = database["bookings"].find_one({"_id": booking_id})
    assert document is not None
    for name in ("claims", "check_at"):
        document.pop(name, None)
    for number in range(count):
        name = f"{number:03d}{changes.get('state', '')[:3]}"
        database["bookings"].insert_one({**document, **changes, "_id": booking_id[:-6] + name, "token": f"t{name}"})


def test_a_rate_of_failed_payments_counts_from_fifty_on_and_what_nobody_paid_does_not(
    svc: Services, sandbox: Servers, database: Database[Any]
):
    booking = confirmed(svc, sandbox)
    failed = [{"at": svc.now(), "what": "create_failed", "detail": ""}]
    copies(database, booking.id, 10, state="PENDING", paid_at=None, orders=[], history=failed)
    assert alerting.rates(svc)[0] == alerting.Rate(10, 11)
    assert not seen(svc, "payments_failing"), "ten of eleven are a case, not a rate"

    copies(database, booking.id, 45)
    copies(database, booking.id, 80, state="EXPIRED", paid_at=None, orders=[], history=[])

    assert alerting.rates(svc)[0] == alerting.Rate(10, 56)
    assert seen(svc, "payments_failing")
    assert not seen(later(svc, hours=25), "payments_failing")


def test_payments_of_which_no_notice_came(svc: Services, sandbox: Servers, database: Database[Any]):
    booking = confirmed(svc, sandbox)
    copies(database, booking.id, 48)
    assert not seen(later(svc, minutes=6), "notices_failing"), "49 are too few"
    copies(database, booking.id, 2, state="CONFIRMED", created_at=svc.now())
    assert not seen(svc, "notices_failing"), "a notice may still come within five minutes"

    assert alerting.rates(later(svc, minutes=6))[1] == alerting.Rate(51, 51)
    assert seen(later(svc, minutes=6), "notices_failing")


def test_a_payment_on_chain_has_no_notice_and_misses_none(svc: Services, sandbox: Servers, database: Database[Any]):
    booking = confirmed(svc, sandbox)
    copies(database, booking.id, 60)
    on_chain = {"$set": {"attempts.0.rail": "TRC20"}}
    database["bookings"].update_many({}, on_chain)

    assert alerting.rates(later(svc, minutes=6))[1] == alerting.Rate(0, 0)
    assert not seen(later(svc, minutes=6), "notices_failing")


def test_a_payment_with_its_notice_does_not_count_as_one_without(svc: Services, sandbox: Servers, catcher: Catcher):
    booking = live(svc)
    pay(sandbox, booking, notify="now")
    payment_webhooks.receive(svc, *caught(catcher))
    payment_webhooks.work(svc, svc.logs.due(svc.now(), 10)[0])

    assert alerting.rates(later(svc, minutes=6))[1] == alerting.Rate(0, 1)


@pytest.mark.parametrize(
    ("alert_id", "run", "hours"),
    [
        ("reconciliation_missed", reconciling, 26),
        ("balances_missed", chain_reconciling, 26),
        ("check_missed", checking, 3),
    ],
)
def test_a_run_that_is_missed_hangs_or_never_was(svc: Services, alert_id: str, run: Any, hours: int):
    assert seen(svc, alert_id), "never"
    run.start(svc)
    assert not seen(svc, alert_id)
    assert seen(later(svc, hours=2, minutes=1), alert_id), "begun and not finished"
    while run.turn_page(svc):
        pass
    assert not seen(later(svc, hours=hours - 0.1), alert_id)

    assert seen(later(svc, hours=hours + 0.1), alert_id)


def test_what_is_not_as_it_must_be(svc: Services, sandbox: Servers, database: Database[Any]):
    booking = confirmed(svc, sandbox)
    earned = database["bookings"].find_one({"_id": booking.id})["earned"]  # type: ignore[index]
    assert not seen(svc, "invariant_broken")
    database["bookings"].update_one({"_id": booking.id}, {"$set": {"earned": None}})
    _check(svc)
    found = alerting.find(svc)["invariant_broken"]
    assert found is not None
    assert "Nothing is confirmed without money" in found.detail

    database["bookings"].update_one({"_id": booking.id}, {"$set": {"earned": earned}})
    _check(later(svc, hours=1))
    assert not seen(svc, "invariant_broken")


def _check(svc: Services) -> None:
    checking.start(svc)
    while checking.turn_page(svc):
        pass


def test_a_payment_of_nobodys_until_it_is_settled(svc: Services, sandbox: Servers, catcher: Catcher, mailbox: Mailbox):
    data = {"merchantTradeNo": "0" * 27, "totalFee": "12", "currency": "USDT", "transactTime": 1}
    sandbox.control("notices", {"data": data, "biz_type": "PAY", "biz_status": "PAY_SUCCESS", "url": catcher.url})
    payment_webhooks.receive(svc, *caught(catcher))
    (webhook_id,) = svc.logs.due(svc.now(), 10)
    assert not seen(svc, "orphan")
    payment_webhooks.work(svc, webhook_id)

    assert seen(svc, "orphan")
    alerting.look(svc)
    alerting.send_due(svc)
    assert len(mailbox.messages) == 1, "the mail about the payment itself, and none about there being one"
    assert "/admin/runbook/orphan" in mailbox.messages[0].get_body(("plain",)).get_content()

    payment_webhooks.settle_orphan(svc, webhook_id, "returned")
    assert not seen(svc, "orphan")


def test_a_case_of_the_reconciliation(svc: Services):
    case = Difference.of(str(Differs.AMOUNT), "a" * 24, "order", "75 and 57")
    svc.cases.record([case], svc.now())
    assert seen(svc, "case_open")

    svc.cases.close_others("a" * 24, [], svc.now())
    assert not seen(svc, "case_open")


def test_certificates_that_cannot_be_fetched_for_ten_minutes(svc: Services, sandbox: Servers):
    alerting.look(svc)
    fail(sandbox, binance="certificates")
    for minute in (11, 14, 17, 20):
        alerting.look(later(svc, minutes=minute))
        mend(sandbox) if minute == 20 else None
        pause_is_over(svc, sandbox)
        fail(sandbox, binance="certificates")
    assert "certificates" not in firing(svc)
    alerting.look(later(svc, minutes=22))
    assert "certificates" in firing(svc)

    mend(sandbox)
    pause_is_over(svc, sandbox)
    alerting.look(later(svc, minutes=25))
    alerting.look(later(svc, minutes=31))
    assert "certificates" not in firing(svc)


def test_binance_is_asked_for_certificates_every_ten_minutes_and_not_while_paused(svc: Services, sandbox: Servers):
    def asked() -> int:
        return len(sandbox.control("calls?call=certificates"))

    for minute in (0, 1, 5, 9):
        alerting.look(later(svc, minutes=minute))
    assert asked() == 1
    alerting.look(later(svc, minutes=10))
    assert asked() == 2
    pause_payments(svc, sandbox)
    alerting.look(later(svc, minutes=21))
    assert asked() == 2


def test_a_clock_that_differs_from_binances(svc: Services, sandbox: Servers):
    assert not seen(svc, "clock_skew")
    with time_machine.travel(svc.now() + timedelta(minutes=11)):
        assert seen(svc, "clock_skew")

    with redis.Redis.from_url(sandbox.redis_url) as connection:
        connection.flushdb()  # what the wrong clock has left there
    assert not seen(later(svc, minutes=22), "clock_skew")


def test_a_network_that_nobody_can_or_does_read(svc: Services, sandbox: Servers):
    receive_on_chain(svc, sandbox)
    assert not seen(svc, "chain_unread")

    live(svc, rail=RailId.TRC20)
    watch = ChainWatch(svc, Network.TRC20)
    watch.turn()
    assert not seen(svc, "chain_unread")
    assert "not read since" in alerting.find(later(svc, minutes=3))["chain_unread"].detail

    sandbox.control("chains/TRC20/faults", {"fault": "refuse", "times": 1})
    watch.turn()
    assert alerting.find(svc)["chain_unread"].detail.startswith("TRON: ")
    watch.turn()
    assert not seen(svc, "chain_unread")


def test_a_second_node_that_does_not_answer_or_agree(svc: Services, sandbox: Servers):
    receive_on_chain(svc, sandbox)
    nodes = [NodeAddress(f"{sandbox.sandbox}/chains/TRC20/{path}jsonrpc") for path in ("", "nodes/2/")]
    svc.receiving.set_nodes(Network.TRC20, tuple(nodes), svc.now(), by="anna", in_force_at=svc.now())
    booking = live(svc, rail=RailId.TRC20)
    sandbox.control("chains/TRC20/send", {"to": booking.order.checkout.qr_content, "amount": "75"})
    sandbox.control("chains/TRC20/finalize", {})
    assert not seen(svc, "nodes_differ")

    sandbox.control("chains/TRC20/faults", {"fault": "refuse", "times": 1, "node": 2})
    waiting = refreshing.refresh(svc, booking.id)
    assert alerting.find(svc)["nodes_differ"].detail.startswith("TRON: the second node does not answer")
    confirmed = refreshing.refresh(svc, booking.id)

    assert (waiting.state, confirmed.state) == (State.PAID, State.CONFIRMED)
    assert not seen(svc, "nodes_differ")


def test_calls_to_binance_that_are_paused(svc: Services, sandbox: Servers):
    assert not seen(svc, "binance_paused")
    pause_payments(svc, sandbox)
    assert seen(svc, "binance_paused")

    pause_is_over(svc, sandbox)
    assert not seen(svc, "binance_paused")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("key_refused", "400004 “Invalid API-key, IP, or permissions for action.”: The key was revoked"),
        ("region_refused", "HTTP 451 “Service unavailable from a restricted location according to"),
    ],
)
def test_calls_to_binance_that_are_all_refused_are_told_at_once_in_its_words_and_ours(
    svc: Services, sandbox: Servers, mailbox: Mailbox, kind: str, words: str
):
    assert not seen(svc, "binance_refuses")
    refuse_calls(svc, sandbox, kind)
    alerting.look(svc)
    alerting.send_due(svc)

    assert "binance_refuses" in firing(svc)
    assert "binance_paused" not in firing(svc)
    (told,) = [one for one in mailbox.messages if "Binance Pay refuses every call" in str(one["subject"])]
    assert words in " ".join(told.get_body(("plain",)).get_content().split())

    mend(sandbox)
    alerting.look(later(svc, minutes=2))
    wait_until(lambda: svc.binance.throttle.state().refusal is None, what="the end of it")
    for minutes in (4, 10):
        alerting.look(later(svc, minutes=minutes))
    assert "binance_refuses" not in firing(svc)


class TestCalendly:
    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {"CALENDAR": "calendly_api"}

    def test_calendly_that_cannot_be_asked_for_an_hour(self, svc: Services, sandbox: Servers):
        fail(sandbox, calendly="any")
        calendly_sync.look(svc)
        assert not seen(svc, "calendly")
        calendly_sync.look(later(svc, minutes=61))
        assert seen(later(svc, minutes=61), "calendly")

        mend(sandbox)
        calendly_sync.look(later(svc, minutes=70))
        assert not seen(later(svc, minutes=70), "calendly")


def test_an_own_calendar_that_cannot_be_read_for_an_hour(svc: Services, theirs: Calendar):
    theirs.status = "404 Not Found"
    read(svc)
    assert not seen(svc, "own_calendar")
    assert seen(later(svc, minutes=61), "own_calendar")

    theirs.status = "200 OK"
    read(svc)
    assert not seen(later(svc, minutes=61), "own_calendar")


def test_workers_that_are_gone(svc: Services, sandbox: Servers):
    svc.workers.write_turn("w1", svc.now())
    assert not seen(svc, "workers_gone")
    assert not seen(later(svc, seconds=115), "workers_gone")
    assert seen(later(svc, minutes=3), "workers_gone"), "one that hangs gives no sign of life"

    svc.workers.write_turn("w2", later(svc, minutes=3).now())
    assert not seen(later(svc, minutes=3), "workers_gone")
    with redis.Redis.from_url(sandbox.redis_url) as connection:
        connection.flushall()
    assert not seen(later(svc, minutes=3), "workers_gone"), "an empty Redis says nothing of workers"


def test_work_that_waits(svc: Services, sandbox: Servers):
    svc.queue.enqueue("refresh", "x")
    assert not seen(svc, "queue_stuck")
    found = alerting.find(later(svc, minutes=3))["queue_stuck"]
    assert found is not None
    assert found.detail == "bookings: 1"

    with redis.Redis.from_url(sandbox.redis_url) as connection:
        for queue in queues.queues_on(connection):
            queue.empty()
    assert not seen(later(svc, minutes=3), "queue_stuck")


def test_a_clock_that_gives_no_sign_of_life(svc: Services):
    assert seen(svc, "clock")
    svc.heartbeats.beat(heartbeats.CLOCK, svc.now())
    assert not seen(later(svc, seconds=110), "clock")
    assert seen(later(svc, minutes=3), "clock")


def test_redis_that_is_away(svc: Services, sandbox: Servers):
    away = replace(svc, queue=JobQueue(redis_server.connect("redis://127.0.0.1:9/0", seconds=0.2)))
    assert seen(away, "redis")
    assert "workers_gone" not in alerting.find(away), "nobody can tell"
    assert not seen(svc, "redis")


def test_a_mail_server_that_is_away_and_one_that_refuses_somebody(svc: Services, mailbox: Mailbox):
    away = replace(svc, smtp=replace(svc.smtp, port=9))
    with pytest.raises(UpstreamError):
        owner_notifications.owner(away, "orphan", "1", **_orphan())
    assert seen(away, "mail")

    assert not seen(svc, "mail"), "its server lets us in again, though nobody has had a mail to send since"
    with pytest.raises(UpstreamError):
        owner_notifications.owner(away, "orphan", "1", **_orphan())
    owner_notifications.owner(svc, "orphan", "1", **_orphan())
    assert not seen(away, "mail"), "a mail was sent"
    mailbox.refuse = "550 nobody here"
    with pytest.raises(UpstreamError):
        owner_notifications.owner(svc, "orphan", "1", **_orphan())
    assert not seen(svc, "mail"), "one address says nothing about the server"


def _orphan() -> dict[str, str]:
    return {"biz_status": "PAY_SUCCESS", "trade_no": "", "amount": "1", "at": "now"}


def test_a_backup_that_was_made_before_and_is_late(svc: Services):
    assert not seen(svc, "backup_late"), "nobody has ever told of one"
    svc.heartbeats.beat(heartbeats.BACKUP, svc.now(), detail="2 GB")
    assert not seen(later(svc, hours=25), "backup_late")

    assert seen(later(svc, hours=27), "backup_late")


def test_there_is_no_alert_that_no_look_can_find(svc: Services):
    assert set(alerting.find(svc)) | {"clock_skew", "database"} == set(runbook.SITE)


def test_each_alert_is_named_where_it_is_looked_for():
    """By a test that has it found: of one that nobody names, nobody has seen that it begins and ends."""
    texts = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    looking = [text for text in texts if "alerting.find(" in text]

    assert [alert_id for alert_id in runbook.SITE if not any(f'"{alert_id}"' in text for text in looking)] == []


# --- telling ----------------------------------------------------------------------------------------------------------


def subscribed(svc: Services, receiver: Receiver) -> str:
    secret = outgoing_webhooks.new_secret()
    svc.outgoing_webhook.set(receiver.url, "127.0.0.1", secret, svc.now())
    return secret


def well(svc: Services) -> None:
    """A site of which nothing is to be told yet."""
    svc.heartbeats.beat(heartbeats.CLOCK, svc.now())


def test_a_backup_that_is_late_is_told_by_both_ways_once_and_so_is_its_end(
    svc: Services, mailbox: Mailbox, receiver: Receiver
):
    secret = subscribed(svc, receiver)
    well(svc)
    svc.heartbeats.beat(heartbeats.BACKUP, svc.now() - timedelta(hours=27))
    for _ in range(3):
        alerting.look(svc)
        alerting.send_due(svc)
    svc.heartbeats.beat(heartbeats.BACKUP, svc.now())
    for minute in (1, 7, 8):
        well(later(svc, minutes=minute))
        alerting.look(later(svc, minutes=minute))
        alerting.send_due(later(svc, minutes=minute))

    sentence = "No backup was reported for more than a day."
    about_it = [one for one in mailbox.subjects_to(OWNER) if sentence in one]
    assert about_it == [f"Please look: {sentence}", f"Over: {sentence}"]
    assert "http://localhost/admin/runbook/backup_late" in mailbox.messages[0].get_body(("plain",)).get_content()
    told = [Verifier(secret).verify(body, headers) for headers, body in receiver.messages[:1]]
    bodies = [json.loads(body) for _, body in receiver.messages]
    kinds = [one["type"] for one in bodies if one["data"]["alert"] == "backup_late"]
    assert kinds == ["alert.began", "alert.over"]
    assert told[0]["data"] == {
        "alert": "backup_late",
        "sentence": sentence,
        "severity": "today",
        "since": told[0]["timestamp"],
        "detail": "",
        "runbook": "http://localhost/admin/runbook/backup_late",
    }


def test_however_many_look_and_send_at_once_each_is_told_once(svc: Services, mailbox: Mailbox, receiver: Receiver):
    subscribed(svc, receiver)
    well(svc)
    svc.heartbeats.beat(heartbeats.BACKUP, svc.now() - timedelta(hours=27))
    alerting.probe_binance(svc)

    def both(_: int) -> None:
        alerting.look(svc)
        alerting.send_due(svc)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(both, range(12)))

    assert len(mailbox.messages) == 1
    assert len(receiver.taken) == 1


def test_whoever_dies_between_finding_and_telling_leaves_it_to_be_told(svc: Services, mailbox: Mailbox):
    well(svc)
    svc.heartbeats.beat(heartbeats.BACKUP, svc.now() - timedelta(hours=27))

    class Dead(Exception):
        pass

    def dies(_: object) -> bool:
        raise Dead

    dying = replace(svc, deliveries=_Dying(svc.deliveries, dies))
    with pytest.raises(Dead):
        alerting.look(dying)
    alerting.look(svc)
    alerting.send_due(svc)

    assert len(mailbox.messages) == 1


class _Dying:
    """The real thing, but for adding."""

    def __init__(self, real: Any, add: Any) -> None:
        self._real, self.add = real, add

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def a_test(svc: Services) -> str:
    """The id of a test message that is due."""
    alerting.send_test(svc)
    return svc.deliveries.newest(svc.now() - timedelta(hours=1), 1)[0].id


def test_what_is_not_taken_is_tried_again_ever_more_slowly_for_a_day_and_then_given_up(
    svc: Services, receiver: Receiver
):
    subscribed(svc, receiver)
    receiver.status = "500 Oops"
    message = a_test(svc)

    due = []
    while (found := svc.deliveries.get(message)).due_at is not None:
        moment = found.due_at
        due.append(moment - found.at)
        assert alerting.send_due(replace(svc, now=lambda m=moment - timedelta(milliseconds=1): m)) == 0
        alerting.send_due(replace(svc, now=lambda m=moment: m))

    assert len(receiver.taken) == len(due) == len(PAUSES) + 1
    assert timedelta(hours=23) < due[-1] < timedelta(hours=24)
    gaps = [after - before for before, after in pairwise(due)]
    assert gaps == sorted(gaps)
    assert found.is_given_up
    assert found.answer == "answered 500"
    assert len({headers["webhook-id"] for headers, _ in receiver.messages}) == 1, "one message at every try"
    assert len({headers["webhook-signature"] for headers, _ in receiver.messages}) > 1, "signed anew each time"


def test_one_that_was_given_up_is_sent_again_with_the_same_number(svc: Services, receiver: Receiver):
    secret = subscribed(svc, receiver)
    receiver.status = "410 Gone"
    message = a_test(svc)
    alerting.send_due(svc)
    assert svc.deliveries.get(message).is_given_up, "whoever is gone is asked no more"
    receiver.status = "204 No Content"

    alerting.send_again(svc, message)
    with pytest.raises(Conflict):
        alerting.send_again(svc, message)
    assert alerting.send_due(svc) == 1

    (first, _), (second, body) = receiver.messages
    assert first["webhook-id"] == second["webhook-id"]
    assert Verifier(secret).verify(body, second)["type"] == "alert.test"
    assert svc.deliveries.get(message).done_at is not None


def test_for_a_day_after_a_change_both_secrets_prove_a_message_and_then_the_new_one_alone(
    svc: Services, receiver: Receiver
):
    old, new = subscribed(svc, receiver), outgoing_webhooks.new_secret()
    before = svc.outgoing_webhook.get(svc.now())
    assert before is not None
    svc.outgoing_webhook.rotated(before, new, svc.now())
    a_test(svc)
    alerting.send_due(svc)

    headers, body = receiver.messages[0]
    for secret in (old, new):
        assert Verifier(secret).verify(body, headers)["type"] == "alert.test"
    with pytest.raises(Exception, match="No matching signature"):
        Verifier(outgoing_webhooks.new_secret()).verify(body, headers)
    after = svc.outgoing_webhook.get(svc.now() + timedelta(hours=24))
    assert after is not None
    assert after.secrets == (new,)


def test_address_and_secret_are_sealed_where_they_are_kept(svc: Services, receiver: Receiver, database: Database[Any]):
    secret = subscribed(svc, receiver)

    kept = repr(list(database["alert_channels"].find({})))

    assert receiver.url not in kept
    assert secret not in kept
    assert secret.removeprefix("whsec_") not in kept


def test_without_a_webhook_nothing_is_left_waiting_for_one(svc: Services, receiver: Receiver):
    subscribed(svc, receiver)
    message = a_test(svc)
    svc.outgoing_webhook.remove()

    alerting.send_due(svc)

    assert svc.deliveries.get(message).is_given_up
    assert receiver.taken == []


def test_a_webhook_that_does_not_take_what_is_sent_is_an_alert_by_mail(svc: Services, receiver: Receiver):
    subscribed(svc, receiver)
    receiver.status = "302 Found"
    a_test(svc)
    for minutes in (0, 1, 6):
        alerting.send_due(later(svc, minutes=minutes))
    assert not seen(svc, "webhook_undelivered")
    alerting.send_due(later(svc, minutes=36))
    assert seen(svc, "webhook_undelivered")
    well(svc)
    alerting.look(svc)
    found = [one for one in svc.deliveries.newest(svc.now() - timedelta(hours=1), 9) if one.kind is Kind.BEGAN]
    assert [one.channel for one in found] == [Channel.MAIL]

    receiver.status = "200 OK"
    assert alerting.send_due(later(svc, hours=3)) == 2
    assert not seen(svc, "webhook_undelivered")


def test_outside_development_no_address_of_our_own_network_is_called(svc: Services, receiver: Receiver):
    subscribed(svc, receiver)
    strict = replace(svc, outside=Http(public_only=True))
    message = a_test(svc)

    alerting.send_due(strict)

    assert receiver.taken == []
    assert svc.deliveries.get(message).due_at is not None
    strict.outside.close()


# --- without the database ---------------------------------------------------------------------------------------------


def test_a_database_that_is_away_is_told_without_it_once_and_so_is_its_end(
    svc: Services, mailbox: Mailbox, settings_env: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    from inspired.settings import Settings

    monkeypatch.setenv("MONGODB_URI", "mongodb://127.0.0.1:9/?directConnection=true")
    away = build(Settings(), database_seconds=0.05, redis_seconds=1.0)
    well(svc)
    elapsed = [0.0]
    watcher = alerting.Watcher(away, elapsed=lambda: elapsed[0])

    for minute in (0, 1, 3, 4, 9):
        elapsed[0] = minute * 60.0
        watcher._svc = later(away, minutes=minute)
        watcher.turn()
    assert mailbox.subjects_to(OWNER) == ["Please look: The database does not answer."]
    away.close()

    watcher._svc = later(svc, minutes=10)
    for _ in range(2):
        watcher.turn()
    assert mailbox.subjects_to(OWNER)[1:] == ["Over: The database does not answer."]


def test_a_fault_in_one_look_does_not_end_the_watch(svc: Services, mailbox: Mailbox):
    broken = replace(svc, calendly_sync_state=None, own_calendar=None)  # type: ignore[arg-type]
    watcher = alerting.Watcher(broken, elapsed=lambda: 0.0)

    watcher.turn()
    watcher._svc, watcher._looked = svc, -99.0
    watcher.turn()

    assert svc.heartbeats.all()[heartbeats.WATCHER].is_well


# --- where money on chain goes --------------------------------------------------------------------------------------


def receive(svc: Services, sandbox: Servers, text: str) -> None:
    node = NodeAddress(f"{sandbox.sandbox}/chains/TRC20/jsonrpc")
    receiving.receive_at_once(svc, KindOfNetwork.TRON, text, {Network.TRC20: node})
    svc.chains[Network.TRC20].count_again()


def give(svc: Services, number: int) -> None:
    svc.chains[Network.TRC20].create(
        trade_no=f"{number:024}001",
        price=Money.parse("75"),
        title="",
        reference="",
        expires_at=svc.now(),
        page_url="",
        seconds=5.0,
    )
    svc.chains[Network.TRC20].count_again()


def test_few_addresses_left_and_none_left_are_two_alerts(svc: Services, sandbox: Servers):
    receive(svc, sandbox, XPUB_TRON)
    found = {}
    for number in range(20):
        give(svc, number)
        looked = alerting.find(svc)
        found[number + 1] = [name for name in ("addresses_low", "addresses_out") if looked[name]]

    assert found == {number: [] for number in range(1, 15)} | {
        **{number: ["addresses_low"] for number in range(15, 20)},
        20: ["addresses_out"],
    }


def test_a_register_that_was_altered_is_told(svc: Services, sandbox: Servers, database: Database):
    receive(svc, sandbox, XPUB_TRON)
    before = alerting.find(svc)["receiving_altered"]
    database["receiving"].update_one({"_id": "switch:TRC20"}, {"$set": {"value": b"x" * 40}})
    svc.receiving.read_again()

    after = alerting.find(svc)["receiving_altered"]

    assert before is None
    assert after is not None
    assert after.detail == "TRON: altered, or not from here"
