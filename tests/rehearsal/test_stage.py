"""A drill touches nothing of the real site: no key, no mailbox, no queue, no booking, no other machine."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pymongo
import pytest
import redis
from pydantic import SecretStr
from pymongo.database import Database

from inspired.adapters import rehearsals
from inspired.adapters.http import Http
from inspired.adapters.version import content_hash, version
from inspired.domain.errors import Busy
from inspired.domain.rehearsals import Run, Verdict
from inspired.flows import rehearsing, sweeping
from inspired.rehearsal import running, stage
from inspired.rehearsal.stage import Sandbox
from inspired.services import Services
from inspired.settings import Settings
from tests.conftest import Mailbox
from tests.flows.steps import later
from tests.harness import Servers
from tests.test_settings import PRODUCTION

SHARED = {"mongodb_uri", "mongodb_database", "owner_timezone"}


def asked(svc: Services, drill: str = "paid") -> Run:
    rehearsing.ask(svc, [drill], "anna")
    found, _ = svc.rehearsals.newest()[drill]
    assert found is not None
    return found


def secrets_of(settings: Settings) -> set[str]:
    values = (getattr(settings, name) for name in type(settings).model_fields)
    return {one.get_secret_value() for one in values if isinstance(one, SecretStr)} - {""}


def test_of_the_sites_settings_a_drill_takes_the_database_and_the_time_zone(
    svc: Services, stand_in: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    given = {name: value for name, value in PRODUCTION.items() if value is not None}
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in {**given, "BUSY_FEED_URLS": "https://secret.example/feed.ics"}.items():
        monkeypatch.setenv(name, value)
    real = Settings()

    made = stage.stage_settings(replace(svc, settings=real), stand_in, "http://127.0.0.1:1", "scratch", {})

    assert made.is_sandbox
    assert made.mongodb_database == "scratch"
    assert secrets_of(made) & secrets_of(real) == {real.mongodb_uri.get_secret_value()}
    for name in set(type(made).model_fields) - SHARED:
        if name.upper() in given:
            assert getattr(made, name) != getattr(real, name), name


def test_the_stand_in_is_started_without_the_sites_environment(stand_in: Sandbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BINANCE_PAY_SECRET_KEY", "the-real-one")
    with stage.sandbox("Europe/London") as found:
        mine = [one for one in Path("/proc").iterdir() if one.name.isdigit() and _is_child(one, found.url)]
        (child,) = mine
        environment = (child / "environ").read_bytes()

    assert b"the-real-one" not in environment
    assert found.secret_key.encode() in environment
    assert not child.exists()


def _is_child(process: Path, url: str) -> bool:
    try:
        command = (process / "cmdline").read_bytes()
    except OSError:
        return False
    return b"inspired.sandbox" in command and url.rpartition(":")[2].encode() in command


def test_nothing_of_the_site_is_touched(
    svc: Services, database: Database[Any], sandbox: Servers, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
):
    called: list[tuple[str, dict[str, str]]] = []
    call = Http.call

    def noted(self: Http, service: str, method: str, url: str, **more: Any) -> Any:
        called.append((url, more.get("headers") or {}))
        return call(self, service, method, url, **more)

    monkeypatch.setattr(Http, "call", noted)
    run = asked(svc)
    with redis.Redis.from_url(sandbox.redis_url) as connection:
        connection.flushdb()

        after = running.rehearse(svc, run.id)

        assert connection.keys("*") == []
    assert after is not None
    assert after.verdict is Verdict.GREEN, after.why
    own_key = svc.settings.binance_pay_api_key.get_secret_value()
    assert len(called) > 5
    assert {url.partition("//")[2].partition(":")[0] for url, _ in called} == {"127.0.0.1"}
    assert not any(url.startswith(sandbox.sandbox) for url, _ in called)
    assert not any(own_key in headers.values() for _, headers in called)
    assert mailbox.messages == []
    written = {name for name in database.list_collection_names() if database[name].find_one()}
    assert written == {"rehearsals", "drills", "workers"}
    assert [one.name for one in svc.workers.all()] == ["test"], "the drill's worker has its turns elsewhere"
    with pymongo.MongoClient[Any](sandbox.mongodb_uri) as client:
        assert [name for name in client.list_database_names() if rehearsals.SCRATCH in name] == []


def test_all_of_them_share_one_stand_in(svc: Services):
    played = list(running.rehearse_now(svc, running.DRILLS[:2]))

    assert [(drill.id, run.verdict, run.by) for drill, run in played] == [
        (drill.id, Verdict.GREEN, running.BY_HAND) for drill in running.DRILLS[:2]
    ]
    assert [svc.rehearsals.newest()[drill.id][1].id for drill, _ in played] == [run.id for _, run in played]  # type: ignore[union-attr]


def test_what_cannot_be_staged_is_red_and_says_so(svc: Services, stand_in: Sandbox, monkeypatch: pytest.MonkeyPatch):
    def refused(*_: Any, **__: Any) -> Any:
        raise Busy("The database does not answer.")

    monkeypatch.setattr(stage, "scratch", refused)

    record = running.played(svc, stand_in, running.DRILLS[0], svc.new_id())

    assert (record.verdict, record.why) == (Verdict.RED, "It could not be staged: The database does not answer.")


def test_what_does_not_start_is_red_and_says_so(svc: Services, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stage, "START_SECONDS", 0.0)

    after = running.rehearse(svc, asked(svc).id)

    assert after is not None
    assert (after.verdict, after.why) == (
        Verdict.RED, "It could not begin: stand-in: it does not start on this machine."
    )  # fmt: skip


def test_a_drill_that_breaks_off_is_red_and_keeps_what_was_seen(
    svc: Services, stand_in: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    def script(play: Any) -> None:
        play.hold()
        play.scene("Ann holds a time.")
        raise LookupError("something is not there")

    record = running.played(svc, stand_in, replace(running.DRILLS[0], script=script), svc.new_id())

    assert record.verdict is Verdict.RED
    assert record.why == "It broke off: LookupError: something is not there"
    assert [one.what for one in record.scenes] == ["Ann holds a time."]


def test_a_record_is_read_back_as_it_was_written(svc: Services, stand_in: Sandbox):
    run = asked(svc, "too-much")
    begun = svc.rehearsals.begin(run.id, "v", svc.now())
    assert begun is not None
    record = running.played(svc, stand_in, running.drill_called("too-much"), run.id)
    ended = rehearsing.ended(svc, begun, record, running.IDS)

    assert svc.rehearsals.get(run.id) == ended
    assert ended.record == record


def test_rings_that_got_lost_are_rung_again_for_a_while(svc: Services, monkeypatch: pytest.MonkeyPatch):
    rung: list[tuple[str, ...]] = []
    run = asked(svc)
    monkeypatch.setattr(type(svc.bell), "ring_for_rehearsal", lambda _, job, *ids: rung.append((job, *ids)))

    for minutes in (0, 2, 30):
        rehearsing.sweep(later(svc, minutes=minutes))

    assert rung == [("rehearse", run.id)]
    sweeping.sweep_runs(later(svc, minutes=2))
    assert ("rehearse", run.id) in rung[1:]


def test_a_run_whose_worker_is_gone_is_no_longer_waited_for(svc: Services):
    run = asked(svc)
    assert rehearsing.is_at_work(svc, run)
    begun = svc.rehearsals.begin(run.id, "v", svc.now())

    assert rehearsing.is_at_work(svc, begun)
    assert not rehearsing.is_at_work(later(svc, minutes=3), begun)
    assert not rehearsing.is_at_work(later(svc, hours=1), run)


def test_what_a_killed_worker_left_is_cleared_away_by_the_next_drill(
    svc: Services, database: Database[Any], sandbox: Servers
):
    dead = asked(svc, "too-much")
    svc.rehearsals.begin(dead.id, "v", svc.now() - rehearsing.LONGEST - rehearsing.LONGEST)
    with pymongo.MongoClient[Any](sandbox.mongodb_uri) as client:
        client[rehearsals.scratch_name(database.name, dead.id)]["bookings"].insert_one({"_id": "left"})
        young = asked(svc, "too-little")
        svc.rehearsals.begin(young.id, "v", svc.now())
        client[rehearsals.scratch_name(database.name, young.id)]["bookings"].insert_one({"_id": "at work"})

        running.rehearse(svc, asked(svc).id)

        left = [name for name in client.list_database_names() if rehearsals.SCRATCH in name]
        client.drop_database(rehearsals.scratch_name(database.name, young.id))
    assert left == [rehearsals.scratch_name(database.name, young.id)]
    after = svc.rehearsals.get(dead.id)
    assert (after.verdict, after.why) == (Verdict.RED, "Its worker was stopped before the end.")


def test_a_long_name_of_the_database_leaves_room_for_the_drills_own(servers: Servers):
    with rehearsals.scratch(servers.mongodb_uri, "x" * 60, "y" * 24, seconds=10) as name:
        assert len(name.encode()) == 38


def test_the_version_is_another_one_as_soon_as_a_file_is(tmp_path: Path):
    for name in ("inspired/a.py", "inspired/web/b.py", "templates/email/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    before = content_hash(tmp_path)

    hashes = {before}
    for name in ("inspired/web/b.py", "templates/email/c.txt"):
        (tmp_path / name).write_text("two")
        hashes.add(content_hash(tmp_path))
    (tmp_path / "inspired/a.py").rename(tmp_path / "inspired/z.py")
    hashes.add(content_hash(tmp_path))

    assert len(hashes) == 4
    assert version() == version()
    assert "+" in version()


def test_the_version_is_known_in_no_time():
    version.cache_clear()
    began = time.perf_counter()

    version()

    assert time.perf_counter() - began < 1
