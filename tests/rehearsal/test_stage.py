"""A drill touches nothing of the real site: no key, no mailbox, no queue, no booking, no other machine."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pymongo
import pytest
import redis
from pydantic import SecretStr
from pymongo import errors
from pymongo.database import Database

from inspired.adapters.mongo import rehearsals
from inspired.adapters.process.version import content_hash, version
from inspired.adapters.providers.http import Http
from inspired.domain.monitoring.rehearsals import Run, Verdict
from inspired.domain.shared.errors import Busy
from inspired.flows.monitoring import rehearsing, sweeping
from inspired.rehearsal import running, stage
from inspired.rehearsal.stage import Sandbox
from inspired.services import Services
from inspired.services import now as services_now
from inspired.settings import Settings
from tests.conftest import Mailbox
from tests.flows.steps import later
from tests.harness import Servers, mongodb_with_role
from tests.test_settings import PRODUCTION

SHARED = {"mongodb_uri", "mongodb_database", "owner_timezone"}


@pytest.fixture(scope="module")
def strict() -> Iterator[str]:
    """The address of a server that lets nobody in without a password, and of a user with one role."""
    with mongodb_with_role("readWriteAnyDatabase") as address:
        yield address


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
    monkeypatch.setattr(type(svc.queue), "enqueue_rehearsal", lambda _, job, *ids: rung.append((job, *ids)))

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


def left(servers: Servers, beside: str, mark: str, at: datetime) -> str:
    """The database of a drill whose worker was killed, as `scratch` makes it. Answers its name."""
    name = rehearsals.scratch_name(beside, mark)
    with pymongo.MongoClient[Any](servers.mongodb_uri) as client:
        client[name][rehearsals.MARKER].insert_one({"_id": rehearsals.MARKER, "beside": beside, "at": at})
        client[name]["bookings"].insert_one({"_id": "left"})
    return name


def scratches(servers: Servers) -> set[str]:
    with pymongo.MongoClient[Any](servers.mongodb_uri) as client:
        return {name for name in client.list_database_names() if rehearsals.SCRATCH in name}


def test_what_a_killed_worker_left_is_cleared_away_by_the_next_drill(
    svc: Services, database: Database[Any], sandbox: Servers
):
    dead = asked(svc, "too-much")
    svc.rehearsals.begin(dead.id, "v", svc.now() - rehearsing.LONGEST - rehearsing.LONGEST)
    left(sandbox, database.name, dead.id, svc.now() - timedelta(minutes=61))
    young = left(sandbox, database.name, "y" * 8, svc.now() - timedelta(minutes=59))

    running.rehearse(svc, asked(svc).id)

    found = scratches(sandbox)
    with pymongo.MongoClient[Any](sandbox.mongodb_uri) as client:
        client.drop_database(young)
    assert found == {young}
    after = svc.rehearsals.get(dead.id)
    assert (after.verdict, after.why) == (Verdict.RED, "Its worker was stopped before the end.")


def test_what_does_not_say_that_it_is_this_sites_own_is_left_alone(servers: Servers):
    """Two sites on one server, whose databases' names begin alike: so do those of their drills."""
    long_ago = services_now() - timedelta(days=9)
    mine, theirs = "site-of-inspired-analyst-one", "site-of-inspired-analyst-two"
    my_drill = left(servers, mine, "11111111", long_ago)
    their_drill = left(servers, theirs, "22222222", long_ago)
    with pymongo.MongoClient[Any](servers.mongodb_uri) as client:
        unmarked = rehearsals.scratch_name(mine, "33333333")
        client[unmarked]["bookings"].insert_one({"_id": "somebody's"})

        swept = rehearsals.sweep_scratch(servers.mongodb_uri, mine, before=services_now(), seconds=10)

        found = scratches(servers)
        for name in (their_drill, unmarked):
            client.drop_database(name)
    assert my_drill.rpartition("-")[0] == their_drill.rpartition("-")[0]
    assert swept == [my_drill]
    assert {their_drill, unmarked} <= found
    assert my_drill not in found


def test_with_the_documented_role_a_drill_is_green_and_leaves_nothing(svc: Services, strict: str, stand_in: Sandbox):
    """`readWriteAnyDatabase`: it may drop collections, and no database."""
    address = SecretStr(strict)
    site = replace(svc, settings=svc.settings.model_copy(update={"mongodb_uri": address}))

    with pymongo.MongoClient[Any](strict, timeoutMS=5000) as client:
        with pytest.raises(errors.OperationFailure, match="dropDatabase"):
            client.drop_database("anything")
        record = running.played(site, stand_in, running.drill_called("too-much"), svc.new_id())
        mark = rehearsals.scratch_name(svc.settings.mongodb_database, "n" * 8)
        with rehearsals.scratch(strict, svc.settings.mongodb_database, "n" * 8, now=svc.now(), seconds=10):
            during = client[mark].list_collection_names()
        after = client[mark].list_collection_names()

    assert (record.why, record.verdict) == ("", Verdict.GREEN)
    assert len(during) > 5
    assert after == []


def test_whoever_may_not_even_list_databases_sweeps_nothing_and_goes_on(strict: str):
    assert rehearsals.sweep_scratch(strict, "site", before=services_now(), seconds=10) == []


def test_a_long_name_of_the_database_leaves_room_for_the_drills_own(servers: Servers):
    with rehearsals.scratch(servers.mongodb_uri, "x" * 60, "y" * 24, now=services_now(), seconds=10) as name:
        with pymongo.MongoClient[Any](servers.mongodb_uri, tz_aware=True) as client:
            marked = client[name][rehearsals.MARKER].find_one()
        assert len(name.encode()) == 38
    assert marked["beside"] == "x" * 60
    assert abs(marked["at"] - services_now()) < timedelta(minutes=5)


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
