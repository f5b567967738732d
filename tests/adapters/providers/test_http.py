import gzip
import socket
import time

import pytest

from inspired.adapters.process.deadline import left, within
from inspired.adapters.providers.http import LARGEST_ANSWER, Http
from inspired.domain.shared.errors import UpstreamError
from tests.adapters.listeners import answer, answering, listening
from tests.harness import free_port

BUDGET = 0.5


def failure(address: str, *, seconds: float = BUDGET) -> tuple[UpstreamError, float]:
    """The error of one call, and how long it took."""
    started = time.monotonic()
    with pytest.raises(UpstreamError) as caught:
        Http().call("somebody", "POST", address, body=b"{}", seconds=seconds)
    return caught.value, time.monotonic() - started


def test_a_call_sends_what_it_was_given_and_brings_back_the_whole_answer():
    with listening(answering(b'{"a":1}', status="418 No", headers="Date: Thu, 01 Jan 1970 00:01:00 GMT\r\n")) as server:
        got = Http().call(
            "somebody", "POST", f"{server.address}/x", body=b"raw \xff", headers={"X-One": "1"}, params={"q": "a b"}
        )

    assert (got.status, got.body, got.date) == (418, b'{"a":1}', 60.0)
    assert got.headers["content-length"] == "7"
    assert 0 <= got.seconds < 5
    [request] = server.requests
    assert request.startswith(b"POST /x?q=a+b HTTP/1.1\r\n")
    assert b"X-One: 1\r\n" in request
    assert request.endswith(b"\r\n\r\nraw \xff")


def test_connections_are_kept_for_the_next_call():
    peers = set()

    def behave(connection, request):
        peers.add(connection.getpeername())
        connection.sendall(answer(b"ok"))

    with listening(behave) as server:
        http = Http()
        for _ in range(3):
            http.call("somebody", "GET", server.address)

    assert (len(server.requests), len(peers)) == (3, 1)


@pytest.mark.parametrize("date", ["", "Date: yesterday\r\n"])
def test_a_clock_that_does_not_tell_is_no_failure(date):
    with listening(answering(b"", headers=date)) as server:
        assert Http().call("somebody", "GET", server.address).date is None


def test_a_packed_answer_is_unpacked():
    with listening(answering(gzip.compress(b"hello"), headers="Content-Encoding: gzip\r\n")) as server:
        assert Http().call("somebody", "GET", server.address).body == b"hello"


def test_a_redirect_is_an_answer_and_is_not_followed():
    with listening(answering(b"")) as elsewhere:
        location = f"Location: {elsewhere.address}/steal\r\n"
        with listening(answering(b"", status="307 Temporary Redirect", headers=location)) as server:
            got = Http().call("somebody", "POST", server.address, body=b"{}", headers={"Authorization": "secret"})

    assert got.status == 307
    assert elsewhere.requests == []


def test_settings_of_the_machine_such_as_a_proxy_are_not_used(monkeypatch):
    with listening(answering(b"proxy")) as proxy, listening(answering(b"direct")) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.address)
        monkeypatch.delenv("NO_PROXY", raising=False)

        assert Http().call("somebody", "GET", server.address).body == b"direct"
    assert proxy.requests == []


# --- failures -------------------------------------------------------------------------------------------------------


def test_nobody_listening_means_nothing_was_applied():
    error, took = failure(f"http://127.0.0.1:{free_port()}")

    assert (error.service, error.retryable, error.maybe_applied) == ("somebody", True, False)
    assert took < BUDGET + 1


def test_a_name_nobody_has_means_nothing_was_applied():
    error, _ = failure("http://no-such-host.invalid", seconds=5)

    assert not error.maybe_applied


def test_a_connection_that_is_never_accepted_means_nothing_was_applied():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = []
        try:
            for _ in range(4):  # fill the queue, so that the next one gets no answer at all
                waiting.append(socket.socket())
                waiting[-1].setblocking(False)
                waiting[-1].connect_ex(address)
            error, took = failure(f"http://127.0.0.1:{address[1]}")
        finally:
            for one in waiting:
                one.close()

    assert not error.maybe_applied
    assert took < BUDGET + 1


def never(connection, request):
    """Says nothing, keeps the line open."""


def dripping(prefix: bytes):
    """A byte now and then, for ever: each comes well within any single time-out."""

    def behave(connection, request):
        connection.sendall(prefix)
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)

    return behave


def stalling_late(connection, request):
    """The head just before the time is over, the body never."""
    time.sleep(BUDGET * 0.8)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12")


@pytest.mark.parametrize(
    "behave",
    [
        never,
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"),
        dripping(b"HTTP/1.1 200 OK\r\nX-Long: "),
        dripping(b""),
        stalling_late,
    ],
    ids=["never answers", "drips the body", "drips a header", "drips nonsense", "stalls in the middle"],
)
def test_whoever_is_too_slow_is_given_up_within_the_time_and_may_have_done_it(behave):
    with listening(behave) as server:
        error, took = failure(server.address)

    assert error.maybe_applied
    assert error.retryable
    assert BUDGET * 0.5 < took < BUDGET + 1


def huge(connection, request):
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(bytes(65536))


def bomb(connection, request):
    connection.sendall(answer(gzip.compress(bytes(200 * LARGEST_ANSWER)), headers="Content-Encoding: gzip\r\n"))


@pytest.mark.parametrize("behave", [huge, bomb])
def test_an_answer_that_is_too_large_is_not_read_to_its_end(behave):
    with listening(behave) as server:
        error, took = failure(server.address, seconds=20)

    assert error.maybe_applied
    assert took < 10


def closing(data: bytes):
    def behave(connection, request):
        connection.sendall(data)
        connection.close()

    return behave


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    ],
    ids=["at once", "in the body", "in a chunk", "not gzip", "not HTTP", "a head too long"],
)
def test_an_answer_that_is_broken_is_a_failure_of_unknown_outcome(data):
    with listening(closing(data)) as server:
        error, took = failure(server.address, seconds=5)

    assert error.maybe_applied
    assert took < 5


# --- the deadline around a request ----------------------------------------------------------------------------------


def test_a_deadline_around_the_call_shortens_it():
    started = time.monotonic()
    with listening(never) as server, within(0.3), pytest.raises(UpstreamError):
        Http().call("somebody", "GET", server.address, seconds=30)

    assert time.monotonic() - started < 0.3 + 1 + 1  # and the end of the listener


def test_a_deadline_inside_another_can_only_be_earlier():
    assert left(7) == 7
    with within(60):
        assert left(7) == 7
        with within(1):
            assert left(7) <= 1
            with within(30):
                assert left(7) <= 1
        assert 7 < left(100) <= 60
    assert left(7) == 7


def test_a_deadline_that_has_passed_still_leaves_a_moment():
    with within(0.01):
        time.sleep(0.02)
        assert left(7) == 0.05
