"""A bounded closed-loop load on the loopback: 16 connections that ask as fast as they are answered."""

import re
import selectors
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from urllib.parse import urlsplit

from bench.findings import percentile

CONNECTIONS = 16
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True, slots=True)
class Load:
    """Answers a second, and how long they took, in ms."""

    rate: float
    p50: float
    p99: float


Asked = Sequence[tuple[str, Mapping[str, str]]]  # path and headers, taken in turn


@cache
def tool() -> str:
    if shutil.which("wrk") is None:
        return "bench/load.py (wrk is not installed: it is slower than what it measures, which flatters the product)"
    said = subprocess.run(["wrk", "-v"], capture_output=True, text=True).stdout
    return f"wrk {said.split()[1].removeprefix('debian/').partition('-')[0]}, 1 thread, {CONNECTIONS} connections"


def run(base: str, asked: Asked, seconds: float) -> Load:
    return _wrk(base, asked, seconds) if shutil.which("wrk") else _python(base, asked, seconds)


def _wrk(base: str, asked: Asked, seconds: float) -> Load:
    requests = "".join(f"  wrk.format('GET', '{path}', {_lua(headers)}),\n" for path, headers in asked)
    script = (
        f"local requests, n = nil, 0\nfunction init()\n requests = {{\n{requests} }}\nend\n"
        "function request()\n n = n + 1\n return requests[n % #requests + 1]\nend\n"
    )
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "--latency", "-s", file.name, base]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 30).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    times = {share: re.search(rf"{share}%\s+([\d.]+)(us|ms|s)", said) for share in (50, 99)}
    if rate is None or None in times.values() or "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"The load did not go through:\n{said}")
    p50, p99 = (float(found[1]) * UNITS[found[2]] for found in times.values() if found)
    return Load(float(rate[1]), p50, p99)


def _lua(headers: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"['{name}'] = '{value}'" for name, value in headers.items()) + "}"


def _python(base: str, asked: Asked, seconds: float) -> Load:
    where = urlsplit(base)
    requests = cycle([_request(where.netloc, path, headers) for path, headers in asked])
    times: list[float] = []
    with selectors.DefaultSelector() as selector:
        sockets = [socket.create_connection((where.hostname, where.port)) for _ in range(CONNECTIONS)]
        for one in sockets:
            one.sendall(next(requests))
            selector.register(one, selectors.EVENT_READ, [time.perf_counter(), b""])
        begun = time.perf_counter()
        while time.perf_counter() < begun + seconds:
            for key, _ in selector.select(1):
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                key.data[1] += connection.recv(65536)
                if _is_whole(key.data[1]):
                    now = time.perf_counter()
                    times.append(1000 * (now - key.data[0]))
                    key.data[:] = [now, b""]
                    connection.sendall(next(requests))
        took = time.perf_counter() - begun
        for one in sockets:
            one.close()
    return Load(len(times) / took, percentile(times, 0.5), percentile(times, 0.99))


def _request(host: str, path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def _is_whole(answer: bytes) -> bool:
    head, gap, body = answer.partition(b"\r\n\r\n")
    if not gap:
        return False
    if not re.match(rb"HTTP/1\.1 [23]", head):
        raise SystemExit(f"The load did not go through:\n{head.decode()}")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    return len(body) >= (int(length[1]) if length else 0)
