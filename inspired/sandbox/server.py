"""A small threaded HTTP/1.1 server for one WSGI application.

Why not a ready one: it keeps connections alive, sends each answer in one piece without delay (the sandbox's own time
must not blur measurements), and lets the application drop a connection without an answer, which is what broken
networks do.
"""

from __future__ import annotations

import contextlib
import io
import socket
import socketserver
import struct
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote

MAX_BODY = 2 * 1024 * 1024
IDLE_S = 60.0
WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Any]


class Connection:
    """What the application may do to the connection: end it without an answer."""

    def __init__(self) -> None:
        self.dropped = False

    def drop(self) -> None:
        self.dropped = True


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, host: str, port: int, app: WsgiApp) -> None:
        self.app = app
        super().__init__((host, port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_S
    server: Server

    def do_GET(self) -> None:
        body = self._body()
        if body is None:
            return
        connection = Connection()
        answer = _Answer()
        result = self.server.app(self._environ(body, connection), answer.start)
        try:
            content = b"".join(result)
        finally:
            if hasattr(result, "close"):
                result.close()
        if connection.dropped:
            self._reset()
        else:
            self._send(answer, content)

    do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = do_GET

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdigit():
            self._refuse(411)
            return None
        if int(length) > MAX_BODY:
            self._refuse(413)
            return None
        return self.rfile.read(int(length))

    def _refuse(self, status: int) -> None:
        self.close_connection = True
        self.send_error(status)

    def _environ(self, body: bytes, connection: Connection) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        host, port = self.server.server_address[:2]
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": str(host),
            "SERVER_PORT": str(port),
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": self.client_address[0],
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "sandbox.connection": connection,
        }
        for name, value in self.headers.items():
            key = name.upper().replace("-", "_")
            environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
        return environ

    def _send(self, answer: _Answer, content: bytes) -> None:
        lines = [f"HTTP/1.1 {answer.status}", f"Date: {self.date_time_string()}"]
        lines += [f"{name}: {value}" for name, value in answer.headers if name.lower() != "content-length"]
        if not answer.status.startswith(("204", "304")):
            lines.append(f"Content-Length: {len(content)}")
        if self.close_connection:
            lines.append("Connection: close")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        self.wfile.write(head if self.command == "HEAD" else head + content)

    def _reset(self) -> None:
        """End with RST instead of FIN, so that nobody takes it for an empty answer."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        """No access log: `GET /control/calls` has it."""


class _Answer:
    def __init__(self) -> None:
        self.status = "500 Internal Server Error"
        self.headers: list[tuple[str, str]] = []

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        self.status, self.headers = status, headers
        return lambda _chunk: None
