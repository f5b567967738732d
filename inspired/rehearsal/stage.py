"""What a drill is played on. Everything outside is a stand-in, every key is made for it and thrown away.

Of the site's own settings it takes the address of the database server, the owner's time zone and the address pages
would have; nothing else, and no secret.
"""

import base64
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import structlog
from pydantic import SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from inspired.adapters.mail.smtp import Mail, Smtp
from inspired.adapters.mongo import heartbeats
from inspired.adapters.mongo.heartbeats import Outcomes
from inspired.adapters.mongo.rehearsals import scratch
from inspired.adapters.process.processes import ROOT
from inspired.adapters.providers.binance import WebhookHeaders
from inspired.adapters.providers.http import Http
from inspired.adapters.redis.queue import JobQueue, Waiting
from inspired.adapters.redis.redis_server import connect
from inspired.domain.shared.errors import BadSignature, Busy, UpstreamError
from inspired.flows.booking import calendar_webhooks, payment_webhooks
from inspired.services import Services, build, new_token
from inspired.settings import Settings

HOST = "127.0.0.1"
START_SECONDS = 20.0
ALERTS = "/alerts"
NOWHERE = "redis://127.0.0.1:1/0"  # nothing listens there: a drill never meets the site's queue, hints or counts
# What a Python needs to start; the rest of the environment holds secrets, and is not for the stand-in.
PASSED_ON = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "LANG", "TMPDIR")
log = structlog.get_logger()


class StageSettings(Settings):
    """What is given, and defaults: never the environment, where the site's own keys are."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running stand-in for Binance Pay and Calendly, and the keys it takes."""

    url: str
    api_key: str
    secret_key: str
    calendly_token: str
    http: Http

    def control(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One call of its control API: POST with a body, else GET. Raises UpstreamError."""
        method = "GET" if body is None else "POST"
        raw = None if body is None else json.dumps(body).encode()
        answer = self.http.call("stand-in", method, f"{self.url}/control/{path}", body=raw, what=path.partition("/")[0])
        if answer.status != 200:
            raise UpstreamError("stand-in", f"{path}: HTTP {answer.status} {answer.body[:200]!r}")
        return json.loads(answer.body)

    def post(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        return self.http.call("stand-in", "POST", url, body=body, headers=headers).status


@contextmanager
def sandbox(owner_timezone: str) -> Iterator[Sandbox]:
    """A process of its own, gone afterwards, and with ours. Raises UpstreamError where it does not start."""
    port, http = _free_port(), Http()
    found = Sandbox(f"http://{HOST}:{port}", new_token(), new_token(), new_token(), http)
    keys = {
        "SANDBOX_API_KEY": found.api_key,
        "SANDBOX_SECRET_KEY": found.secret_key,
        "SANDBOX_CALENDLY_TOKEN": found.calendly_token,
    }
    command = (sys.executable, "-m", "inspired.sandbox", "--host", HOST, "--port", str(port))
    child = subprocess.Popen(
        (*command, "--owner-timezone", owner_timezone, "--die-with-parent"),
        cwd=ROOT,
        env={**{name: os.environ[name] for name in PASSED_ON if name in os.environ}, **keys},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(found, child)
        yield found
    finally:
        child.kill()
        child.wait()
        http.close()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def _wait_for(found: Sandbox, child: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and child.poll() is None:
        try:
            if found.http.call("stand-in", "GET", f"{found.url}/healthz", seconds=1.0).status == 200:
                return
        except UpstreamError:
            time.sleep(0.05)
    raise UpstreamError("stand-in", "it does not start on this machine")


# --- mails and rings that go nowhere --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outbox(Smtp):
    """Mails are kept instead of sent. `down`: the server does not answer. `refused`: there is nobody of that name."""

    sent: list[Mail] = field(default_factory=list)
    down: threading.Event = field(default_factory=threading.Event)
    refused: set[str] = field(default_factory=set)

    def send(self, mail: Mail) -> None:
        if mail.to in self.refused:
            raise UpstreamError("mail", "refused: 550", retryable=False)
        try:
            self.greet()
        except UpstreamError:
            self.on_outcome(False, "ConnectionRefusedError")
            raise
        self.on_outcome(True, "")
        self.sent.append(mail)

    def greet(self) -> None:
        if self.down.is_set():
            raise UpstreamError("mail", "ConnectionRefusedError")


class CollectedJobs(JobQueue):
    """Rings are kept until the drill's worker takes them. `lost`: Redis is away, and they are gone. `unheard`: there is
    no worker."""

    def __init__(self) -> None:
        super().__init__(connect(NOWHERE, seconds=0.1))
        self._kept: list[tuple[str, tuple[str, ...]]] = []
        self._lock = threading.Lock()
        self.lost = False
        self.unheard = False

    def is_first_run(self, job: str, *ids: str) -> bool:
        """Each is taken once."""
        return True

    def enqueue(self, job: str, *ids: str) -> bool:
        if self.lost:
            return False
        with self._lock:
            self._kept.append((job, ids))
        return True

    enqueue_webhook = enqueue_mail = enqueue_rehearsal = enqueue

    def waiting(self) -> int:
        return 0

    webhooks_waiting = mails_waiting = waiting

    def queues(self) -> list[Waiting]:
        self._reach()
        return []

    def _reach(self) -> None:
        if self.lost:
            raise UpstreamError("redis", "ConnectionError")

    def take(self) -> list[tuple[str, tuple[str, ...]]]:
        with self._lock:
            taken, self._kept = self._kept, []
        return taken


# --- the door where webhooks come in --------------------------------------------------------------------------------


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """What came in stands in the evidence."""


@dataclass
class Door:
    """Takes webhooks as the site does, from the stand-in and from strangers. `answers`: the status of each, in order.
    `overheard`: address, body and headers of each message. `opened_to`: whose; none before the curtain.

    Beside it is the owner's own webhook for alerts. `told`: the number of each message, and what it was answered.
    `is_deaf`: it takes none."""

    url: str
    opened_to: Services | None = None
    answers: list[int] = field(default_factory=list)
    overheard: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)
    told: list[tuple[str, int]] = field(default_factory=list)
    is_deaf: bool = False

    def answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        raw = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if environ["PATH_INFO"] == ALERTS:
            status = 500 if self.is_deaf else 200
            self.told.append((environ.get("HTTP_WEBHOOK_ID", ""), status))
        else:
            status = self._received(environ, raw)
            self.answers.append(status)
        start(f"{status} .", [("Content-Type", "application/json")])
        return [b'{"returnCode":"SUCCESS","returnMessage":null}' if status == 200 else b'{"returnCode":"FAIL"}']

    def _received(self, environ: dict[str, Any], raw: bytes) -> int:
        svc = self.opened_to
        if svc is None:
            return 503
        try:
            if environ["PATH_INFO"] == "/api/calendly/webhook":
                calendar_webhooks.receive(svc, environ.get("HTTP_CALENDLY_WEBHOOK_SIGNATURE", ""), raw)
                return 200
            return self._of_binance(svc, environ, raw)
        except BadSignature:
            return 401
        except (UpstreamError, Busy):
            return 503

    def _of_binance(self, svc: Services, environ: dict[str, Any], raw: bytes) -> int:
        names = ("CERTIFICATE-SN", "NONCE", "TIMESTAMP", "SIGNATURE")
        told = {f"BinancePay-{name}": environ.get(f"HTTP_BINANCEPAY_{name.replace('-', '_')}", "") for name in names}
        self.overheard.append((f"{self.url}{environ['PATH_INFO']}", raw, told))
        headers = WebhookHeaders(*told.values())
        try:
            payment_webhooks.receive(svc, headers, raw)
        except BadSignature as error:
            payment_webhooks.refused(svc, headers, raw, str(error))
            return 401
        return 200


@contextmanager
def _door() -> Iterator[Door]:
    server = _Server((HOST, 0), _Quiet)
    door = Door(f"http://{HOST}:{server.server_port}")
    server.set_app(door.answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True, name="door")
    thread.start()
    try:
        yield door
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# --- all of it ------------------------------------------------------------------------------------------------------


@dataclass
class Stage:
    """`ahead`: how far the drill's clock is ahead of the real one. `skew`: how far our machine's own clock is off."""

    sandbox: Sandbox
    door: Door
    outbox: Outbox
    enqueued: CollectedJobs
    site_url: str
    real_now: Callable[[], datetime]
    ahead: timedelta = timedelta()
    skew: timedelta = timedelta()

    def now(self) -> datetime:
        return self.real_now() + self.ahead

    def machine_now(self) -> datetime:
        """What calls to Binance Pay are stamped with: there no time passes by our word."""
        return self.real_now() + self.skew

    def elapsed(self) -> float:
        return time.monotonic() + self.ahead.total_seconds()


@contextmanager
def staged(svc: Services, stand_in: Sandbox, mark: str, changes: Mapping[str, str]) -> Iterator[tuple[Stage, Services]]:
    """The stage, and the services that play on it. Raises Busy, UpstreamError."""
    stand_in.control("reset", {"everything": True})
    uri = svc.settings.mongodb_uri.get_secret_value()
    with _door() as door, scratch(uri, svc.settings.mongodb_database, mark, now=svc.now(), seconds=15.0) as database:
        enqueued = CollectedJobs()
        outbox = Outbox("", 0, "none", "", "", "", lambda is_well, why: outcomes(is_well, why))
        stage = Stage(stand_in, door, outbox, enqueued, svc.settings.site_url, real_now=svc.now)
        settings = stage_settings(svc, stand_in, door.url, database, changes)
        built = build(
            settings,
            database_seconds=5.0,
            redis_seconds=0.1,
            chance=lambda: 0,
            now=stage.now,
            elapsed=stage.elapsed,
            binance_now=stage.machine_now,
        )
        outcomes = Outcomes(built.heartbeats, heartbeats.MAIL, stage.now)
        player = replace(built, smtp=stage.outbox, queue=stage.enqueued)
        door.opened_to = player
        try:
            yield stage, player
        finally:
            door.opened_to = None
            built.close()


def stage_settings(
    svc: Services, stand_in: Sandbox, door: str, database: str, changes: Mapping[str, str]
) -> StageSettings:
    given: dict[str, Any] = {
        "site_url": door,
        "secret_key": SecretStr(new_token() + new_token()),
        "dev_mode": True,
        "mongodb_uri": svc.settings.mongodb_uri,
        "mongodb_database": database,
        "redis_url": SecretStr(NOWHERE),
        "encryption_keys": SecretStr(f"drill:{_new_key()}"),
        "blind_index_key": SecretStr(_new_key()),
        "binance_pay_environment": "sandbox",
        "binance_pay_api_key": SecretStr(stand_in.api_key),
        "binance_pay_secret_key": SecretStr(stand_in.secret_key),
        "binance_pay_base_url": stand_in.url,
        "binance_pay_webhook_url": f"{door}/api/payments/webhook",
        "binance_calls_per_second": 1000,
        "calendly_base_url": f"{stand_in.url}/calendly",
        "calendly_token": SecretStr(stand_in.calendly_token),
        "calendly_signing_keys": SecretStr(new_token() + new_token()),
        "calendar": "builtin",
        "owner_timezone": svc.settings.owner_timezone,
        "meeting_place": "https://meet.example/rehearsal",
        "smtp_host": "nowhere.invalid",
        "smtp_tls": "none",
        "mail_from": "Rehearsal <site@rehearsal.invalid>",
        "owner_email": "owner@rehearsal.invalid",
        "admin_email": "owner@rehearsal.invalid",
        "admin_password_hash": SecretStr("$argon2id$nobody"),
        "open_bookings_per_visitor": 25,
        "addresses_per_visitor": 25,
    }
    return StageSettings(**{**given, **changes})


def _new_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()
