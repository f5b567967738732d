"""Fixtures: real servers once per run, a database of its own for every test."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pymongo
import pytest
import redis
from aiosmtpd.controller import Controller
from flask import Flask
from flask.testing import FlaskClient
from pymongo.database import Database

from inspired.adapters.mongo.indexes import create_indexes
from inspired.flows.booking import checking
from inspired.services import Services, build
from inspired.settings import Settings
from tests import clocks, counting, harness, sharing
from tests.harness import Servers
from tests.web.catcher import Catcher, catching

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BROWSER_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

EACH_BY_ITSELF = (
    "test_planted.py",
    "test_crash_points.py",
    "test_clocks.py",
)  # long, and sharing nothing that is dear to start
# These start the whole product and wait for it most of the time: two processes of three have them all, one after the
# other, and leave the processors to the third.
LANES = {
    "waiting for the owner": (
        *(f"journeys/test_{one}.py" for one in ("owner_*", "lists", "accessibility", "door")),
        "dev/test_dev_command.py",
    ),
    "waiting": (
        "journeys/*",
        "bench/test_bench.py",
        *(f"faults/test_{one}.py" for one in ("chaos", "healing", "kills", "frozen")),
    ),
}
FIRST = ("test_machine.py", "test_races.py", "test_crash_points.py", "test_planted.py")


def pytest_configure(config: pytest.Config) -> None:
    counting.begin(config)


def lane_of(path: Path) -> str | None:
    return next((lane for lane, files in LANES.items() if any(path.match(f"tests/{one}") for one in files)), None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests of a file share what it has started, so they stay together. (pytest-xdist 3.8 groups by a suffix of the
    test's id, which pytest 9.2 does not let it write: its own groups keep nothing together.)"""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = Path(nodeid.split("::", 1)[0])
            return lane_of(path) or (nodeid if path.name in EACH_BY_ITSELF else str(path))

    return Together(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones begin first; what shares a running product is in the order in which it is written."""

    def place(item: pytest.Item) -> tuple[int, str, int]:
        if (lane := lane_of(item.path)) is not None:
            return list(LANES).index(lane) - len(LANES), str(item.path), item.location[1] or 0
        return FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST), "", 0

    items.sort(key=place)


@pytest.fixture(autouse=True, scope="session")
def one_clock() -> Iterator[None]:
    """Where clocks are shifted (`tests.clocks`), the stand-in of drills, which is given little of the environment, has
    the same one as everything else. Anywhere else it is given what the product gives it, and no more."""
    with pytest.MonkeyPatch.context() as patch:
        if "FAKETIME" in os.environ:
            from inspired.rehearsal import stage

            patch.setattr(stage, "PASSED_ON", (*stage.PASSED_ON, *clocks.SHIFTING))
        yield


@pytest.fixture(autouse=True, scope="session")
def made_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        sharing.share(patch)
        yield


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """A real one: the system's Chromium where there is one, else Playwright's own."""
    from playwright.sync_api import expect, sync_playwright  # few tests need it, and it is slow to load

    expect.set_options(timeout=45_000)  # what a test claims is that it comes, never how fast on a busy machine
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=path, args=BROWSER_FLAGS)
        yield browser
        browser.close()


@dataclass
class Mailbox:
    """A real SMTP server. `refuse` makes it answer with that line instead of taking the mail."""

    messages: list[Any] = field(default_factory=list)
    refuse: str = ""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        from email import message_from_bytes, policy

        if self.refuse:
            return self.refuse
        message: Any = message_from_bytes(envelope.content, policy=policy.default)
        self.messages.append(message)
        return "250 OK"

    def subjects_to(self, address: str) -> list[str]:
        return [str(one["subject"]) for one in self.messages if one["to"] == address]


@pytest.fixture(scope="session")
def mail_server() -> Iterator[tuple[Mailbox, int]]:
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=harness.free_port())
    controller.start()
    try:
        yield box, controller.port
    finally:
        controller.stop()


@pytest.fixture(scope="session")
def servers(mail_server: tuple[Mailbox, int]) -> Iterator[Servers]:
    with contextlib.ExitStack() as stack:
        yield Servers(
            mongodb_uri=stack.enter_context(harness.mongodb()),
            redis_url=stack.enter_context(harness.redis_server()),
            sandbox=stack.enter_context(harness.sandbox_server()),
            smtp_port=mail_server[1],
        )


@pytest.fixture
def mailbox(mail_server: tuple[Mailbox, int]) -> Mailbox:
    box = mail_server[0]
    box.messages.clear()
    box.refuse = ""
    return box


@pytest.fixture
def sandbox(servers: Servers) -> Servers:
    servers.control("reset", {})
    return servers


@pytest.fixture(scope="session")
def made_database(servers: Servers) -> Iterator[Database[Any]]:
    """One for all tests of a process, with its indexes: to make them anew for each would take a tenth of a second."""
    with pymongo.MongoClient[Any](servers.mongodb_uri, tz_aware=True) as client:
        made = client[f"test-{uuid.uuid4().hex[:12]}"]
        create_indexes(made)
        harness.without_expiry(made)
        yield made
        client.drop_database(made.name)


@pytest.fixture
def database(made_database: Database[Any]) -> Database[Any]:
    """Empty."""
    whole = [f"{made_database.name}.{name}" for name in made_database.list_collection_names()]
    made_database.client.bulk_write([pymongo.DeleteMany({}, namespace=one) for one in whole])  # one request for all
    return made_database


@pytest.fixture
def settings_env(servers: Servers, made_database: Database[Any]) -> dict[str, str]:
    """Change it in a test before asking for `svc`, by overriding this fixture or `env_changes`."""
    return servers.settings_env(MONGODB_DATABASE=made_database.name)


@pytest.fixture
def env_changes() -> dict[str, str]:
    return {}


@pytest.fixture
def settings(settings_env: dict[str, str], env_changes: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in {**settings_env, **env_changes}.items():
        monkeypatch.setenv(name, value)
    return Settings()


@pytest.fixture
def svc(
    settings: Settings, database: Database[Any], sandbox: Servers, mailbox: Mailbox, request: pytest.FixtureRequest
) -> Iterator[Services]:
    """A test leaves everything as it must be, or says by its mark that it broke something on purpose."""
    with redis.Redis.from_url(sandbox.redis_url) as connection:
        connection.flushdb()
    # Chance is never in the way: after a failure of the stand-in a test goes on at once. Five in a row do pause it.
    built = build(settings, database_seconds=5.0, redis_seconds=1.0, chance=lambda: 0)
    built.workers.write_turn("test", built.now())  # else nothing is sold
    yield built
    report = None if request.node.get_closest_marker("breaks_books") else checking.check(built)
    built.close()
    assert report is None or report.is_clean, report.found


@pytest.fixture
def app(svc: Services, settings: Settings) -> Flask:
    from inspired.app import create_app
    from tests.web.described import Caller

    app = create_app(svc, settings)
    app.test_client_class = Caller
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def catcher() -> Iterator[Catcher]:
    """A listener that takes the sandbox's webhooks as they come, for tests to hand on."""
    with catching() as found:
        yield found
