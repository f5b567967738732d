"""Small servers that misbehave on purpose, on the loopback, one thread for each connection."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from inspired.domain.shared.errors import UpstreamError

Behaviour = Callable[[socket.socket, bytes], None]


@dataclass
class Listener:
    """`requests` is everything that was sent to it, head and body, one entry for each request."""

    address: str
    requests: list[bytes] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


def failure_of(call: Callable[[], Any]) -> UpstreamError | None:
    """The one kind of error an adapter may raise, where it did; any other goes through."""
    try:
        call()
    except UpstreamError as error:
        return error
    return None


@contextlib.contextmanager
def listening(behave: Behaviour, *, read: Callable[[socket.socket], bytes] | None = None) -> Iterator[Listener]:
    """`behave(connection, request)` answers one request; the connection stays until it closes it or the test ends.

    `read` takes one request from a connection; HTTP where it is not given.
    """
    server = socket.create_server(("127.0.0.1", 0))
    listener = Listener(f"http://127.0.0.1:{server.getsockname()[1]}")
    open_ones: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while request := (read or _read_request)(connection):
                listener.requests.append(request)
                behave(connection, request)
        connection.close()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                open_ones.append(connection)
                threads.append(threading.Thread(target=serve, args=(connection,)))
                threads[-1].start()

    threads.append(threading.Thread(target=accept))
    threads[0].start()
    try:
        yield listener
    finally:
        listener.over.set()
        for one in (server, *open_ones):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        server.close()
        for thread in threads:
            thread.join(5)


def answer(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def answering(body: bytes, *, status: str = "200 OK", headers: str = "") -> Behaviour:
    return lambda connection, _: connection.sendall(answer(body, status=status, headers=headers))


def answering_json(make: Callable[[], Any]) -> Behaviour:
    """What `make` returns at that moment."""
    return lambda connection, _: connection.sendall(answer(json.dumps(make()).encode()))


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    wanted = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < wanted and (chunk := connection.recv(65536)):
        body += chunk
    return head + b"\r\n\r\n" + body
