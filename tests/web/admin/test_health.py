"""How the site is: for machines, for the owner, and in public; also when what is behind it is frozen or gone."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from pymongo.database import Database
from pymongo.synchronous.topology import Topology

from inspired.adapters.mongo import heartbeats
from inspired.app import create_app
from inspired.domain.booking.rails import RailId
from inspired.domain.monitoring.health import Health
from inspired.domain.shared.errors import Busy
from inspired.flows.monitoring import alerting, health
from inspired.services import Services, build
from inspired.settings import Settings
from inspired.web.shared import status_snapshot
from tests.flows.steps import later, pause_payments, receive_on_chain, refuse_calls
from tests.harness import Servers, wait_until
from tests.web.admin.test_admin import log_in
from tests.web.pages import words


@pytest.fixture
def away(settings_env: dict[str, str], settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """A site whose database is not there."""
    monkeypatch.setenv("MONGODB_URI", "mongodb://127.0.0.1:9/?directConnection=true")
    built = build(Settings(), database_seconds=0.2, redis_seconds=0.3)
    yield built
    built.close()


def states(svc: Services) -> dict[str, str]:
    return {one.title: str(one.health) for one in health.examine(svc)}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch):
    """Here pages wait for what they ask, however busy the machine is; how long they may is `tests/faults`' matter."""
    monkeypatch.setattr(status_snapshot, "PATIENCE", 30.0)


def lines(client: FlaskClient) -> dict[str, str]:
    return {one["name"]: one["state"] for one in client.get("/status.json").json["parts"]}


# --- live and ready ---------------------------------------------------------------------------------------------------


def test_a_process_is_alive_without_its_database_and_ready_only_with_it(
    client: FlaskClient, away: Services, settings: Settings
):
    without = create_app(away, settings).test_client()

    assert (client.get("/livez").status_code, client.get("/readyz").status_code) == (200, 200)
    assert (without.get("/livez").status_code, without.get("/readyz").status_code) == (200, 503)


@pytest.mark.parametrize("probe", ["/livez", "/readyz", "/status.json"])
def test_probes_may_ask_by_address(app: Flask, probe: str):
    assert app.test_client().get(probe, headers={"Host": "10.0.0.7:8000"}).status_code != 400


def test_being_alive_asks_nobody(away: Services, settings: Settings, monkeypatch: pytest.MonkeyPatch):
    asked: list[Any] = []
    monkeypatch.setattr(Topology, "select_servers", lambda *args, **_: asked.append(args) or [])

    create_app(away, settings).test_client().get("/livez")

    assert asked == []


# --- the public page --------------------------------------------------------------------------------------------------


def test_the_public_page_says_how_the_three_things_are(client: FlaskClient, svc: Services):
    svc.heartbeats.beat(heartbeats.CLOCK, svc.now())

    page = words(client.get("/status").text)

    assert "Everything works." in page
    for name in ("Booking", "Payments", "Confirmations"):
        assert f"{name} working" in page
    assert client.get("/status.json").status_code == 200
    assert 'href="/status"' in client.get("/").text


def test_one_way_to_pay_that_is_away_is_told_and_the_site_goes_on(svc: Services, sandbox: Servers, settings: Settings):
    for name in (heartbeats.CLOCK, heartbeats.BINANCE):
        svc.heartbeats.beat(name, svc.now())
    receive_on_chain(svc, sandbox)
    node = svc.rails[RailId.TRC20].throttle
    for _ in range(5):
        node.failed(node.take(urgent=True, seconds=1.0))
    client = create_app(svc, settings).test_client()

    found = client.get("/status.json")

    assert found.status_code == 200
    ways = {one["name"]: one["state"] for one in found.json["waysToPay"]}
    assert ways.pop("USDT on TRON") == "not working"
    assert set(ways.values()) == {"working"}
    assert lines(client)["Booking"] == "working"
    page = words(client.get("/status").text)
    assert "USDT on TRON not working since" in page
    assert "Binance Pay working" in page
    assert "USDT on TRON" not in words(client.get("/book/deep-dive").text)
    [part] = [one for one in health.examine(svc) if one.title == "USDT on TRON"]
    assert (part.health, part.runbook) == (Health.ILL, "chain_unread")


def test_where_there_is_one_way_to_pay_it_needs_no_list(client: FlaskClient):
    assert "Ways to pay" not in client.get("/status").text


def test_payments_that_are_paused_and_a_dead_clock_are_said_with_since_when(
    svc: Services, sandbox: Servers, settings: Settings
):
    svc.heartbeats.beat(heartbeats.CLOCK, svc.now() - timedelta(minutes=7))
    pause_payments(svc, sandbox)
    client = create_app(svc, settings).test_client()

    found = client.get("/status.json")

    assert found.status_code == 503
    assert {one["state"] for one in found.json["parts"]} == {"not working"}
    assert all(one["since"] for one in found.json["parts"])
    assert "Something does not work just now." in words(client.get("/status").text)


def test_a_binance_that_refuses_every_call_is_not_working_and_the_owner_reads_why(
    svc: Services, sandbox: Servers, settings: Settings
):
    svc.heartbeats.beat(heartbeats.CLOCK, svc.now())
    refuse_calls(svc, sandbox)
    client = create_app(svc, settings).test_client()

    (part,) = [one for one in health.examine(svc) if one.title == "Binance Pay"]
    log_in(client)
    page = words(client.get("/admin/health").text)

    assert lines(client)["Booking"] == lines(client)["Payments"] == "not working"
    assert (str(part.health), part.runbook) == ("not working", "binance_refuses")
    assert "refuses every call: 400004 “Invalid API-key, IP, or permissions for action.”: The key was revoked" in page
    assert client.get("/admin/runbook/binance_refuses").status_code == 200


def test_alerts_that_are_firing_make_it_slow(svc: Services, settings: Settings):
    svc.heartbeats.beat(heartbeats.CLOCK, svc.now())
    svc.heartbeats.beat(heartbeats.MAIL, svc.now(), is_well=False, detail="TimeoutError")
    for minute in (0, 11):
        svc.heartbeats.beat(heartbeats.CLOCK, later(svc, minutes=minute).now())
        svc.workers.write_turn("w1", later(svc, minutes=minute).now())
        alerting.look(replace(later(svc, minutes=minute), smtp=replace(svc.smtp, port=9)))
    client = create_app(svc, settings).test_client()

    assert lines(client) == {"Booking": "working", "Payments": "working", "Confirmations": "slow"}


def test_without_a_database_the_public_page_answers_at_once_and_says_so(away: Services, settings: Settings):
    gave_up = threading.Event()

    def waits_for_ever() -> None:
        gave_up.wait(120)
        raise Busy("The database does not answer.")

    client = create_app(replace(away, ping=waits_for_ever), settings).test_client()

    first = client.get("/status.json")
    gave_up.set()
    wait_until(lambda: set(lines(client).values()) == {"not working"}, what="the page to say so")

    assert {one["state"] for one in first.json["parts"]} == {"not known"}
    assert all(one["since"] for one in client.get("/status.json").json["parts"])


def test_nothing_personal_and_no_secret_is_public(client: FlaskClient, svc: Services):
    page, told = client.get("/status").text, client.get("/status.json").text

    for secret in ("owner@example.com", "mongodb", "redis", "127.0.0.1:"):
        assert secret not in page + told


def test_without_a_database_the_owners_pages_say_to_try_again(client: FlaskClient, away: Services, settings: Settings):
    log_in(client)
    without = create_app(away, settings).test_client()
    with client.session_transaction() as known, without.session_transaction() as same:
        same.update(known)

    for page in ("/admin/health", "/admin/alerts", "/admin/"):
        answer = without.get(page)
        assert (answer.status_code, "Please try again" in answer.text) == (503, True), page


# --- the owner's page -------------------------------------------------------------------------------------------------


def test_a_new_site_says_honestly_what_nobody_knows(client: FlaskClient, svc: Services, database: Database[Any]):
    database["workers"].delete_many({})
    log_in(client)

    page = words(client.get("/admin/health").text)

    assert states(svc)["Backups"] == "not known"
    assert "nobody has told this site of one" in page
    assert "Workers not working none runs, or none reaches Redis; no bookings are taken" in page
    assert "Clock not working gives no sign of life" in page
    assert 'href="/admin/runbook/clock"' in client.get("/admin/health").text
    assert "This product 0.1.0" in page


def test_a_part_that_is_well_needs_nothing_to_do(svc: Services, sandbox: Servers):
    for name in (heartbeats.CLOCK, heartbeats.WATCHER, heartbeats.MAIL, heartbeats.BACKUP, heartbeats.CHECK):
        svc.heartbeats.beat(name, svc.now())
    alerting.probe_binance(svc)
    found = states(svc)

    not_yet = {title for title, state in found.items() if state != "working"}
    assert not_yet == {"Reconciliation", "Balances on chain", "Hourly check"}


def test_workers_are_known_by_their_turns_whatever_became_of_redis(
    client: FlaskClient, svc: Services, sandbox: Servers, settings: Settings
):
    svc.heartbeats.beat(heartbeats.CLOCK, svc.now())
    svc.workers.write_turn("0123456789abcdef", svc.now())
    with redis.Redis.from_url(sandbox.redis_url) as connection:
        connection.flushall()
    log_in(client)

    assert "Workers working 2 at work: 01234567" in words(client.get("/admin/health").text)
    assert set(lines(create_app(svc, settings).test_client()).values()) == {"working"}


def test_where_no_worker_turns_nothing_works_in_public_and_the_machine_says_so(svc: Services, settings: Settings):
    svc.heartbeats.beat(heartbeats.CLOCK, later(svc, minutes=3).now())
    client = create_app(later(svc, minutes=3), settings).test_client()

    found = client.get("/status.json")

    assert found.status_code == 503
    assert {one["state"] for one in found.json["parts"]} == {"not working"}
    assert all(one["since"] for one in found.json["parts"])
    assert client.get("/healthz").json["worker"] == "silent"
    assert create_app(svc, settings).test_client().get("/healthz").json["worker"] == "ok"


def test_every_page_of_the_owner_says_that_the_clock_is_dead(client: FlaskClient, svc: Services):
    log_in(client)

    assert "The clock does not run" in words(client.get("/admin/calls").text)
    assert "The clock does not run" not in words(client.get("/").text)


def test_the_owners_pages_count_what_is_firing(svc: Services, settings: Settings):
    svc.heartbeats.beat(heartbeats.CLOCK, svc.now())
    svc.heartbeats.beat(heartbeats.BACKUP, svc.now() - timedelta(hours=27))
    alerting.look(svc)
    client = create_app(svc, settings).test_client()
    log_in(client)

    page = words(client.get("/admin/calls").text)

    assert "Health & alerts 1 now" in page
    assert "The clock does not run" not in page


def test_the_deep_answer_has_every_part_with_state_age_and_run_book(client: FlaskClient, svc: Services):
    assert client.get("/api/admin/health").status_code == 401
    log_in(client)

    found = client.get("/api/admin/health").json

    parts = {one["title"]: one for one in found["parts"]}
    assert found["ok"] is False
    assert parts["Database"]["state"] == "working"
    assert parts["Database"]["ageSeconds"] == 0
    assert parts["Clock"]["runbook"] == "/admin/runbook/clock"
    assert set(found["versions"]) == {"product", "python", "database"}
    assert found["versions"]["database"]


def test_without_a_database_what_is_not_in_it_is_still_told(away: Services):
    found = states(away)

    assert found["Database"] == "not working"
    assert found["Redis"] == "working"
    assert "Mail" not in found
    assert health.versions(away)["database"] == "does not answer"


def test_a_database_that_goes_while_it_is_asked_is_told(svc: Services):
    class Gone:
        def all(self) -> None:
            raise Busy("The database does not answer.")

    found = states(replace(svc, heartbeats=Gone()))  # type: ignore[arg-type]

    assert found["Database"] == "not working"


class TestCalendars:
    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {"CALENDAR": "calendly_api"}

    def test_calendly_is_a_part_where_it_is_used(self, svc: Services, sandbox: Servers):
        from inspired.flows.booking import calendly_sync

        assert states(svc)["Calendly"] == "not known"
        calendly_sync.look(svc)
        assert states(svc)["Calendly"] == "working"
        sandbox.control("faults", {"calendly": [{"call": "any", "fault": "http_500", "times": 50}]})
        calendly_sync.look(svc)
        assert states(svc)["Calendly"] == "not working"
