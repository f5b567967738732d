"""A small real server that records what is posted to it and answers 200 SUCCESS."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.harness import wait_until


@dataclass
class Catcher:
    url: str
    caught: list[tuple[Any, bytes]] = field(default_factory=list)

    def wait_for(self, number: int) -> list[tuple[Any, bytes]]:
        wait_until(lambda: len(self.caught) >= number, what=f"webhook {number}")
        return self.caught


@contextlib.contextmanager
def catching() -> Iterator[Catcher]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            catcher.caught.append((self.headers, raw))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"returnCode":"SUCCESS","returnMessage":null}')

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    catcher = Catcher(f"http://127.0.0.1:{server.server_address[1]}/hook")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield catcher
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
