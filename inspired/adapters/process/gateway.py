"""Between web server and application: a request occupies a thread only once all of it has arrived.

The server hands over requests by RSGI (https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md) while
their bodies are still arriving. An event loop waits for bodies, where a thousand of them cost memory but no threads;
then the WSGI application runs in one of `threads` threads.

- A body has `BODY_SECONDS` to arrive. Per process, one visitor may have `SLOW_SHARE` bodies at once that take longer
  than a moment. Slower or further ones are answered 408 and disconnected.
- A body larger than `largest` is read and dropped, so that a proxy in front does not lose the answer while still
  sending; the application is told its length and refuses it. Reading stops at `DROPPED_MOST`.
- An incomplete body is never handed on: a request the client broke off gets 400, which nobody receives.
- A header whose name has an underscore is dropped. To an application it would look like the one with hyphens
  (`X_Forwarded_For`), which a trusted proxy sets while passing this one on.
"""

import asyncio
import io
import json
import sys
import threading
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from queue import SimpleQueue
from typing import Any, Protocol

import structlog
from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]  # said for users of RSGI, not for mypy

from inspired.domain.shared import addresses

BODY_SECONDS = 15.0
MOMENT_SECONDS = 1.0  # by then a body sent in one go has arrived
SLOW_SHARE = 32
DROPPED_MOST = 4 * 1024 * 1024
ROUND_SECONDS = 0.02
log = structlog.get_logger()

Environ = dict[str, Any]
HeaderList = list[tuple[str, str]]
Done = asyncio.Future[None]
Application = Callable[[Environ, Any], Iterable[bytes]]


class Headers(Protocol):
    def items(self) -> Iterable[tuple[str, str]]: ...


class Scope(Protocol):
    """RSGI's description of a request. `client` and `server` are `host:port`; `path` is decoded."""

    http_version: str
    scheme: str
    method: str
    path: str
    query_string: str
    client: str
    server: str
    authority: str | None
    headers: Headers


class Stream(Protocol):
    def send_bytes(self, data: bytes) -> Awaitable[None]: ...


class Exchange(Protocol):
    """RSGI's side of a request: awaiting it gives the whole body, iterating its pieces."""

    def __call__(self) -> Awaitable[bytes]: ...

    def __aiter__(self) -> Any: ...

    def response_bytes(self, status: int, headers: HeaderList, body: bytes) -> None: ...

    def response_stream(self, status: int, headers: HeaderList) -> Stream: ...


class Refused(Exception):
    """The request is rejected. Holds the answer: status, its name, and a sentence."""

    def __init__(self, status: int, title: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.title = title
        self.sentence = sentence


class Gateway:
    """`headers` are added to every answer made here. `visitor` identifies the visitor from a request's environment."""

    def __init__(
        self,
        application: Application,
        *,
        threads: int,
        largest: int,
        headers: Sequence[tuple[str, str]] = (),
        visitor: Callable[[Environ], str] = lambda environ: addresses.visitor(environ["REMOTE_ADDR"]),
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._application = application
        self._threads = threads
        self._largest = largest
        self._headers = list(headers)
        self._visitor = visitor
        self._body_seconds = body_seconds
        self._slow: Counter[str] = Counter()
        self._work: SimpleQueue[tuple[Environ, Exchange, asyncio.AbstractEventLoop, Done]] = SimpleQueue()
        self._done: deque[Done] = deque()
        self._under_way = 0

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called when the server has started this process."""
        for number in range(self._threads):
            threading.Thread(target=self._serve, name=f"request-{number}", daemon=True).start()

    async def __rsgi__(self, scope: Scope, exchange: Exchange) -> None:
        environ = environ_of(scope)
        try:
            size, body = await self._received(environ, exchange)
        except Refused as refused:
            log.warning("request_refused", http=refused.status, why=refused.sentence)
            return self._refuse(exchange, environ, refused)
        environ["wsgi.input"] = io.BytesIO(body)
        if environ.pop("HTTP_TRANSFER_ENCODING", None) is not None:
            environ["CONTENT_LENGTH"] = str(size)  # to the application it is a normal body
        await self._answered(environ, exchange)

    # --- incoming bodies --------------------------------------------------------------------------------------------

    async def _received(self, environ: Environ, exchange: Exchange) -> tuple[int, bytes]:
        """The body's size, and the body; a body over the limit is dropped. Raises Refused."""
        is_measured = "HTTP_TRANSFER_ENCODING" not in environ
        told = int(environ.get("CONTENT_LENGTH") or 0)
        if is_measured and (told == 0 or told > DROPPED_MOST):
            return told, b""
        pieces = self._whole(exchange) if is_measured and told <= self._largest else self._counted(exchange)
        return await self._in_time(pieces, self._visitor(environ))

    async def _in_time(self, pieces: Awaitable[tuple[int, bytes]], visitor: str) -> tuple[int, bytes]:
        """Raises Refused if the time is over, or the visitor has too many slow bodies."""
        loop, counted = asyncio.get_running_loop(), False

        def look() -> None:
            nonlocal counted
            counted = self._slow[visitor] < SLOW_SHARE
            if counted:
                self._slow[visitor] += 1
            else:
                limit.reschedule(loop.time())

        try:
            async with asyncio.timeout(self._body_seconds) as limit:
                looking = loop.call_later(MOMENT_SECONDS, look)
                try:
                    return await pieces
                finally:
                    looking.cancel()
        except TimeoutError:
            raise Refused(408, "Request Timeout", "The request took too long to arrive.") from None
        finally:
            if counted:
                self._slow[visitor] -= 1
                self._slow += Counter()  # drops visitors whose count is zero

    async def _whole(self, exchange: Exchange) -> tuple[int, bytes]:
        """A body with an acceptable declared length; the server ensures that length."""
        try:
            body = await exchange()
        except ProtocolClosed:
            raise _broken_off() from None
        return len(body), body

    async def _counted(self, exchange: Exchange) -> tuple[int, bytes]:
        """Kept up to the limit, dropped beyond. The server's pieces end with an empty one, or with two if the body
        broke off (or has trailers, which are not needed here)."""
        kept, size, empty = bytearray(), 0, 0
        async for piece in exchange:
            empty += not piece
            size += len(piece)
            if size <= self._largest:
                kept += piece
            if size > DROPPED_MOST:
                break
        if size <= DROPPED_MOST and empty > 1:
            raise _broken_off()
        return size, bytes(kept) if size <= self._largest else b""

    # --- answers ----------------------------------------------------------------------------------------------------

    async def _answered(self, environ: Environ, exchange: Exchange) -> None:
        """Runs in a thread, which sends the answer. Completion is polled in rounds: waking the loop per request would
        cost half of what a small request costs."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self._under_way += 1
        if self._under_way == 1:
            loop.call_later(ROUND_SECONDS, self._release, loop)
        self._work.put((environ, exchange, loop, done))
        await done

    def _release(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._done:
            done = self._done.popleft()
            self._under_way -= 1
            if not done.done():
                done.set_result(None)
        if self._under_way:
            loop.call_later(ROUND_SECONDS, self._release, loop)

    def _serve(self) -> None:
        """The main loop of one thread. If it fails before answering, the server answers 500."""
        while True:
            environ, exchange, loop, done = self._work.get()
            try:
                self._answer(environ, exchange, loop)
            except BaseException:
                log.exception("request_failed")
            self._done.append(done)

    def _answer(self, environ: Environ, exchange: Exchange, loop: asyncio.AbstractEventLoop) -> None:
        """Send the application's answer: whole if its length is known, else in pieces."""
        begun = _Begun()
        pieces = self._application(environ, begun)
        try:
            if isinstance(pieces, list | tuple) or begun.has_length:
                return exchange.response_bytes(begun.status, begun.headers, b"".join(pieces))
            stream = exchange.response_stream(begun.status, begun.headers)
            for piece in pieces:
                asyncio.run_coroutine_threadsafe(_sent(stream, piece), loop).result()
        finally:
            if hasattr(pieces, "close"):
                pieces.close()

    def _refuse(self, exchange: Exchange, environ: Environ, refused: Refused) -> None:
        if environ["PATH_INFO"].startswith("/api/"):
            kind = "application/problem+json"
            problem = {"type": "about:blank", "title": refused.title, "status": refused.status}
            text = json.dumps({**problem, "detail": refused.sentence})
        else:
            kind, text = "text/plain; charset=utf-8", f"{refused.sentence}\n"
        body = text.encode()
        own = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Connection", "close")]
        exchange.response_bytes(refused.status, [*own, ("Cache-Control", "no-store"), *self._headers], body)


class _Begun:
    """WSGI's `start_response`, recording its arguments."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: HeaderList = []

    def __call__(self, status: str, headers: HeaderList, exc_info: object = None) -> None:
        self.status, self.headers = int(status.split(" ", 1)[0]), headers

    @property
    def has_length(self) -> bool:
        return any(name.lower() == "content-length" for name, _ in self.headers)


def environ_of(scope: Scope) -> Environ:
    """PEP 3333's environment, without a body. Repeated headers are joined by commas, cookies by semicolons."""
    host, _, port = scope.server.rpartition(":")
    environ: Environ = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": host.strip("[]"),
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope.headers.items():
        if "_" in name:
            continue
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        glue = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{glue}{value}" if key in environ else value
    environ.setdefault("HTTP_HOST", scope.authority or "")
    return environ


async def _sent(stream: Stream, piece: bytes) -> None:
    await stream.send_bytes(piece)


def _broken_off() -> Refused:
    return Refused(400, "Bad Request", "The request was not sent to its end.")
