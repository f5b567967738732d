"""The site as the web server serves it: bodies that are slow, endless, too large or broken off, and odd headers.

One process with four threads, so that five of anything that held a thread would stop it.
"""

import contextlib
import http.client
import select
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from pymongo.database import Database

from inspired.adapters.process import gateway
from inspired.adapters.process.processes import serve_command
from inspired.app import LARGEST_BODY
from inspired.services import Services
from tests.flows.steps import live, pay
from tests.harness import ROOT, Servers, free_port, listening, running, wait_until
from tests.web.catcher import Catcher
from tests.web.public.test_webhooks import SIGNED

PATIENCE = (
    10.0  # seconds a client waits: nobody else is at work, so an answer that needs a thread of theirs never comes
)
HEAD = "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@dataclass
class Site:
    """A running site, whose settings are the tests' own."""

    port: int

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE, (source, 0))

    def send(self, path: str, rest: bytes, headers: str = "", *, then_close: bool = False) -> tuple[int, bytes]:
        """A request written by hand; the answer's status and body."""
        with self.connect() as connection:
            # Who refuses early closes early: what could not be sent any more is no matter.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(HEAD.format(path=path).encode() + headers.encode() + b"\r\n" + rest)
                if then_close:
                    connection.shutdown(socket.SHUT_WR)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            return answer.status, answer.read()


@contextlib.contextmanager
def serving(env: dict[str, str]) -> Iterator[Site]:
    port = free_port()
    command = [sys.executable, "-m", "inspired.cli", "web", "--host", "127.0.0.1", "--port", str(port)]
    with running(command, {**env, "WEB_CONCURRENCY": "1", "WEB_THREADS": "4"}):
        site = Site(port)
        wait_until(lambda: requests.get(f"{site.url}/livez", timeout=2).ok, seconds=60, what="the site")
        yield site


@pytest.fixture(scope="module")
def plain(servers: Servers, made_database: Database[Any]) -> Iterator[Site]:
    with serving(servers.settings_env(MONGODB_DATABASE=made_database.name)) as site:
        yield site


@pytest.fixture
def site(settings_env: dict[str, str], env_changes: dict[str, str]) -> Iterator[Site]:
    with serving({**settings_env, **env_changes}) as site:
        yield site


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


CHUNKED = "Transfer-Encoding: chunked\r\n"


# --- how large ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/payments/create", "/api/payments/webhook", "/api/newsletter", "/newsletter"])
def test_a_body_over_the_limit_is_refused_however_it_is_framed(plain: Site, path: str):
    start = b'{"email": "ann@example.com"}'
    larger = start + b" " * (LARGEST_BODY + 1 - len(start))

    assert plain.send(path, larger, f"Content-Length: {len(larger)}\r\n")[0] == 413
    assert plain.send(path, chunked(larger), CHUNKED)[0] == 413
    assert plain.send(path, chunked(start, *[larger] * 20), CHUNKED)[0] == 413


def test_what_fits_is_taken_in_pieces_as_in_one(plain: Site):
    start = b'{"email": "ann@example.com"}'
    largest = start + b" " * (LARGEST_BODY - len(start))

    assert plain.send("/api/newsletter", largest, f"Content-Length: {len(largest)}\r\n")[0] == 202
    assert plain.send("/api/newsletter", chunked(largest), CHUNKED)[0] == 202
    assert plain.send("/api/newsletter", chunked(start[:7], start[7:]), CHUNKED)[0] == 202


def test_beyond_any_measure_nothing_is_read_at_all(plain: Site):
    size = gateway.DROPPED_MOST + 1

    assert plain.send("/api/newsletter", b"", f"Content-Length: {size}\r\n")[0] == 413
    assert plain.send("/api/newsletter", b"%x\r\n" % size + b" " * size, CHUNKED)[0] == 413


@pytest.mark.parametrize(
    ("headers", "rest"),
    [
        ("Content-Length: 1000\r\n", b'{"email": "ann@example.com"}'),
        (CHUNKED, chunked(b'{"email": "ann@example.com"}')[:-5]),
        (CHUNKED, chunked(b'{"email": "ann@example.com"}')[:-9]),
    ],
)
def test_a_body_that_was_broken_off_is_handed_to_nobody(plain: Site, headers: str, rest: bytes):
    status, body = plain.send("/api/newsletter", rest, headers, then_close=True)

    assert status == 400
    assert b"not sent to its end" in body


# --- how slow -------------------------------------------------------------------------------------------------------


def begun(site: Site, count: int, *, forwarded: bool) -> list[socket.socket]:
    """Uploads of which half has arrived: each from an address of its own, or all from one."""
    found = []
    for number in range(count):
        own = f"X-Forwarded-For: 198.51.{number // 250}.{number % 250}\r\n" if forwarded else ""
        connection = site.connect()
        connection.sendall(f"{HEAD.format(path='/api/newsletter')}{own}Content-Length: 28\r\n\r\n".encode())
        connection.sendall(b'{"email": "ann@')
        found.append(connection)
    return found


def waiting(uploads: list[socket.socket]) -> list[socket.socket]:
    """Those that have no answer yet."""
    answered, _, _ = select.select(uploads, [], [], 0)
    return [one for one in uploads if one not in answered]


class TestBesideManySlowUploads:
    @pytest.fixture
    def env_changes(self, catcher: Catcher) -> dict[str, str]:
        return {"TRUSTED_PROXIES": "1", "BINANCE_PAY_WEBHOOK_URL": catcher.url}

    def test_pages_forms_and_notices_are_answered_while_three_hundred_others_have_not_arrived(
        self, svc: Services, site: Site, sandbox: Servers, catcher: Catcher
    ):
        pay(sandbox, live(svc), notify="now")
        headers, notice = catcher.wait_for(1)[0]
        uploads = begun(site, 300, forwarded=True)

        page = requests.get(site.url, timeout=PATIENCE)
        posted = requests.post(f"{site.url}/api/newsletter", json={"email": "bob@example.com"}, timeout=PATIENCE)
        noticed = requests.post(
            f"{site.url}/api/payments/webhook",
            data=notice,
            headers={"Content-Type": "application/json", **{name: headers[name] for name in SIGNED}},
            timeout=PATIENCE,
        )
        unfinished = waiting(uploads)
        uploads[0].sendall(b'example.com"}')
        answer = uploads[0].recv(100)
        for one in uploads:
            one.close()

        assert (page.status_code, posted.status_code, noticed.status_code) == (200, 202, 200)
        assert len(unfinished) == 300
        assert answer.startswith(b"HTTP/1.1 202 ")

    def test_one_visitor_has_a_share_of_the_slow_ones_and_others_keep_theirs(self, site: Site):
        of_one = begun(site, gateway.SLOW_SHARE + 20, forwarded=False)
        wait_until(lambda: len(waiting(of_one)) == gateway.SLOW_SHARE, what="the refusal of what is too much")
        of_others = begun(site, 20, forwarded=True)
        refused = [one.recv(1000) for one in of_one if one not in waiting(of_one)]
        still = waiting(of_others)
        for one in (*of_one, *of_others):
            one.close()

        assert len(refused) == 20
        assert all(b" 408 " in one and b"took too long" in one for one in refused)
        assert len(still) == 20
        once_more = requests.post(f"{site.url}/api/newsletter", json={"email": "bob@example.com"}, timeout=PATIENCE)
        assert once_more.status_code == 202


@contextlib.contextmanager
def toy(folder: Path, application: str) -> Iterator[Site]:
    """The gateway around an application of a few lines, with one thread and little patience."""
    (folder / "toy.py").write_text(
        f"from inspired.adapters.process.gateway import Gateway\n{application}\n"
        "server = Gateway(application, threads=1, largest=100, body_seconds=0.3)\n"
    )
    port = free_port()
    command = [*serve_command("127.0.0.1", port, 1, "toy:server"), "--working-dir", str(folder)]
    with running(command, {"PYTHONPATH": str(ROOT)}):
        wait_until(lambda: listening(port), seconds=30, what="the server")
        yield Site(port)


ECHO = """
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [environ['wsgi.input'].read()]
"""
IN_PIECES = """
closed = []
class Pieces:
    def __init__(self):
        self.left = [b'one,', b'', b'two']
    def __iter__(self):
        return self
    def __next__(self):
        if not self.left:
            raise StopIteration
        return self.left.pop(0)
    def close(self):
        closed.append(1)
def application(environ, start_response):
    if environ['PATH_INFO'] == '/fails':
        raise ValueError('as it happens')
    start_response('200 OK', [('X-Closed', str(len(closed)))])
    return Pieces()
"""


def test_who_never_goes_on_is_disconnected(tmp_path: Path):
    with toy(tmp_path, ECHO) as site:
        answers = [
            site.send("/", b"half", "Content-Length: 8\r\n"),
            site.send("/", b"4\r\nhalf\r\n", CHUNKED),
            site.send("/", b"", CHUNKED),
        ]
        whole = site.send("/", b"half", "Content-Length: 4\r\nConnection: close\r\n")

    assert [status for status, _ in answers] == [408] * 3
    assert whole == (200, b"half")


def test_an_answer_in_pieces_goes_out_whole_and_one_that_fails_costs_no_thread(tmp_path: Path):
    with toy(tmp_path, IN_PIECES) as site:
        failed = [requests.get(f"{site.url}/fails", timeout=PATIENCE).status_code for _ in range(3)]
        answers = [requests.get(site.url, timeout=PATIENCE) for _ in range(3)]

    assert failed == [500] * 3
    assert [one.text for one in answers] == ["one,two"] * 3
    assert [one.headers["X-Closed"] for one in answers] == ["0", "1", "2"]


# --- whose header ---------------------------------------------------------------------------------------------------


class TestBehindAProxy:
    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {"TRUSTED_PROXIES": "1", "RATE_LIMIT_CREATE": "2/minute"}

    def test_a_header_with_underscores_is_not_the_proxys(self, site: Site):
        def create(pretended: str) -> int:
            answer = requests.post(
                f"{site.url}/api/payments/create",
                json={},
                headers={"X-Forwarded-For": "203.0.113.1", "X_Forwarded_For": pretended, "X-Forwarded_For": pretended},
                timeout=PATIENCE,
            )
            return answer.status_code

        assert [create(f"198.51.100.{number}") for number in range(4)] == [422, 422, 429, 429]
