"""A proxy that counts network boundaries, and cuts one of them on either side.

A *boundary* is one request with its reply. Proxies stand between the product and its servers; all of one test share
one `Boundaries`, so that what a flow does is one list of names in the order it happened, such as "mongo:find bookings",
"binance:/v3/order", "redis:MULTI" or "smtp:DATA". Only as much of each protocol is understood as counting takes.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO, NamedTuple, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit

import bson

NO_BOUNDARY = ""  # the name of what is passed on uncounted: how a driver connects, and how it watches its server


class Side(StrEnum):
    BEFORE = "before"  # the request never arrives
    AFTER = "after"  # it was carried out, and its reply is lost


class Cut(NamedTuple):
    """Where. `is_end`: nothing more goes through after it; else only this one connection breaks."""

    number: int
    side: Side
    is_end: bool = True


@dataclass(frozen=True, slots=True)
class Request:
    """`replies` is how many belong to it: several for a transaction in Redis."""

    name: str
    raw: bytes
    replies: int = 1


class Wire(Protocol):
    """One connection's protocol. Whatever ends in the middle is a ConnectionError.

    `replies` yields all that comes back to one request; where the server `greets`, also what it says to none.
    """

    greets: bool

    def request(self, client: BinaryIO) -> Request: ...

    def replies(self, server: BinaryIO, request: Request) -> Iterator[bytes]: ...


class Boundaries:
    """What went through all proxies since `count` or `cut`, in the order the requests came."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._cut: Cut | None = None
        self._then: Callable[[], None] = _nothing
        self._is_over = False

    def count(self) -> None:
        self._begin(None, _nothing)

    def cut(self, number: int, side: Side, then: Callable[[], None]) -> None:
        """Cut the boundary of this number (the first is 1), and call `then` before the client can notice."""
        self._begin(Cut(number, side), then)

    def lose_reply(self, number: int) -> None:
        """This one request is carried out, its connection breaks, and everything else goes on as ever."""
        self._begin(Cut(number, Side.AFTER, is_end=False), _nothing)

    def _begin(self, cut: Cut | None, then: Callable[[], None]) -> None:
        with self._lock:
            self._drop_all()
            self.names, self._cut, self._then, self._is_over = [], cut, then, False

    def reached(self, name: str) -> Side | None:
        """Counts it. On which side it is cut; None where it goes through."""
        with self._lock:
            if self._is_over:
                return Side.BEFORE  # nothing more goes through for a client that is being killed
            self.names.append(name)
            if self._cut is None or self._cut.number != len(self.names):
                return None
            self._is_over = self._cut.is_end
            return self._cut.side

    def end(self) -> None:
        """After a cut: everybody is dropped, where it is the end."""
        with self._lock:
            if not self._is_over:
                return
            then, self._then = self._then, _nothing
        then()
        with self._lock:
            self._drop_all()

    @contextlib.contextmanager
    def connected(self, *ends: socket.socket) -> Iterator[None]:
        with self._lock:
            self._connections |= set(ends)
        try:
            yield
        finally:
            with self._lock:
                self._connections -= set(ends)

    def _drop_all(self) -> None:
        for one in self._connections:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def _nothing() -> None:
    pass


@contextlib.contextmanager
def proxying(speaks: Callable[[], Wire], server: tuple[str, int], boundaries: Boundaries) -> Iterator[int]:
    """The port of a proxy in front of this server."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def serve(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection(server) as upstream:
            for one in (client, upstream):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with boundaries.connected(client, upstream):
                _pass_on(speaks(), client, upstream, boundaries)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threads[:] = [one for one in threads if one.is_alive()]
                threads.append(threading.Thread(target=serve, args=(client,)))
                threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(5)
        boundaries.count()  # drops whoever is still connected
        for thread in threads:
            thread.join(5)


def server_of(uri: str, port: int) -> tuple[str, int]:
    """Host and port of the (first) server; `port` where the address names none."""
    parts = urlsplit(uri)
    first = parts._replace(netloc=parts.netloc.partition(",")[0])
    return first.hostname or "127.0.0.1", first.port or port


def through(uri: str, port: int, **options: str) -> str:
    """The same address, by way of a proxy on this port."""
    parts = urlsplit(uri)
    user, at, _ = parts.netloc.rpartition("@")
    query = urlencode({**dict(parse_qsl(parts.query)), **options})
    return parts._replace(netloc=f"{user}{at}127.0.0.1:{port}", query=query).geturl()


def _pass_on(wire: Wire, client: socket.socket, upstream: socket.socket, boundaries: Boundaries) -> None:
    """One request after the other, until an end goes away or the cut is reached."""
    with client.makefile("rb") as from_client, upstream.makefile("rb") as from_server:
        if wire.greets:
            client.sendall(b"".join(wire.replies(from_server, Request(NO_BOUNDARY, b""))))
        side: Side | None = None
        while side is None:
            request = wire.request(from_client)
            side = boundaries.reached(request.name) if request.name != NO_BOUNDARY else None
            if side is not Side.BEFORE:
                upstream.sendall(request.raw)
                for reply in wire.replies(from_server, request):
                    if side is None:
                        client.sendall(reply)
        boundaries.end()


class Mongo:
    """OP_MSG, named by command and collection.

    https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
    """

    greets = False
    OP_MSG = 2013
    MORE_TO_COME = 2
    NOT_COUNTED = ("hello", "ismaster", "isMaster", "ping", "endSessions", "saslStart", "saslContinue")

    def request(self, client: BinaryIO) -> Request:
        raw = _frame(client)
        return Request(self._name(raw), raw)

    def replies(self, server: BinaryIO, request: Request) -> Iterator[bytes]:
        """One; but to a connection that watches, the server goes on by itself while a flag says so."""
        more = True
        while more:
            raw = _frame(server)
            yield raw
            more = _code(raw) == self.OP_MSG and bool(struct.unpack_from("<I", raw, 16)[0] & self.MORE_TO_COME)

    def _name(self, raw: bytes) -> str:
        if _code(raw) != self.OP_MSG:
            return NO_BOUNDARY  # the older form, in which drivers still say hello
        end = 21 + struct.unpack_from("<i", raw, 21)[0]
        command, collection = next(iter(bson.decode(raw[21:end]).items()))
        if command in self.NOT_COUNTED:
            return NO_BOUNDARY
        is_whole = command == "update" and not _first_change(raw[end:]).startswith("$")
        return f"mongo:{'replace' if is_whole else command} {collection}"


def _frame(stream: BinaryIO) -> bytes:
    head = _exactly(stream, 16)
    return head + _exactly(stream, struct.unpack_from("<i", head)[0] - 16)


def _code(raw: bytes) -> int:
    return int(struct.unpack_from("<i", raw, 12)[0])


def _first_change(section: bytes) -> str:
    """The first key of what an update writes: an operator, or a field where a whole document is replaced."""
    start = section.index(b"\0", 5) + 1  # kind, size and the section's name come before its documents
    size = struct.unpack_from("<i", section, start)[0]
    return str(next(iter(bson.decode(section[start : start + size])["u"])))


class Http:
    """HTTP/1.1 with Content-Length, named by who is called and the path without its query."""

    greets = False
    CALLED = (("/binancepay/openapi", "binance:"), ("/calendly", "calendly:"))

    def request(self, client: BinaryIO) -> Request:
        raw = self._message(client)
        path = raw.split(b" ", 2)[1].partition(b"?")[0].decode()
        name = next((name + path.removeprefix(prefix) for prefix, name in self.CALLED if path.startswith(prefix)), path)
        return Request(name, raw)

    def replies(self, server: BinaryIO, request: Request) -> Iterator[bytes]:
        yield self._message(server)

    def _message(self, stream: BinaryIO) -> bytes:
        head = _lines(stream, lambda line: line == b"\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return head + _exactly(stream, int(lengths[0].partition(b":")[2]) if lengths else 0)


class Redis:
    """RESP, named by command; a transaction is one boundary.

    https://redis.io/docs/latest/develop/reference/protocol-spec/
    """

    greets = False
    NOT_COUNTED = ("HELLO", "CLIENT", "AUTH", "SELECT", "PING")

    def request(self, client: BinaryIO) -> Request:
        commands = [self._value(client)]
        first = self._word(commands[0])
        while first == "MULTI" and self._word(commands[-1]) not in ("EXEC", "DISCARD"):
            commands.append(self._value(client))
        name = NO_BOUNDARY if first in self.NOT_COUNTED else f"redis:{first}"
        return Request(name, b"".join(commands), len(commands))

    def replies(self, server: BinaryIO, request: Request) -> Iterator[bytes]:
        for _ in range(request.replies):
            yield self._value(server)

    def _word(self, command: bytes) -> str:
        return command.split(b"\r\n", 3)[2].decode().upper()

    def _value(self, stream: BinaryIO) -> bytes:
        """One whole value, with whatever is nested in it."""
        line = _line(stream)
        kind, size = line[:1], line[1:-2]
        if kind in (b"$", b"!", b"="):
            return line + _exactly(stream, int(size) + 2 if int(size) >= 0 else 0)
        nested = int(size) * (2 if kind == b"%" else 1) if kind in (b"*", b"~", b"%", b">") else 0
        return line + b"".join(self._value(stream) for _ in range(nested))


class Smtp:
    """Each turn of the client, named by its word; the text of a mail is a turn of its own."""

    def __init__(self) -> None:
        self.greets = True
        self._text_follows = False

    def request(self, client: BinaryIO) -> Request:
        if self._text_follows:
            return Request("smtp:text", _lines(client, lambda line: line == b".\r\n"))
        raw = _line(client)
        return Request(f"smtp:{raw.split(None, 1)[0].decode().upper()}", raw)

    def replies(self, server: BinaryIO, request: Request) -> Iterator[bytes]:
        reply = _lines(server, lambda line: line[3:4] != b"-")
        self._text_follows = reply.startswith(b"354")
        yield reply


def _exactly(stream: BinaryIO, size: int) -> bytes:
    raw = stream.read(size)
    if len(raw) < size:
        raise ConnectionError("ended in the middle")
    return raw


def _line(stream: BinaryIO) -> bytes:
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise ConnectionError("ended in the middle")
    return line


def _lines(stream: BinaryIO, is_last: Callable[[bytes], bool]) -> bytes:
    lines = [_line(stream)]
    while not is_last(lines[-1]):
        lines.append(_line(stream))
    return b"".join(lines)
