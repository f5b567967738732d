"""Compares granian and gunicorn (gthread) on this machine's loopback; ends by itself in about two minutes.

gunicorn is no dependency of the product: `pip install gunicorn` to see its rows. `wrk` gives the throughput.
"""

import argparse
import contextlib
import http.client
import importlib.util
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORKERS = 2
SLOW_CLIENTS = 50
APP = "bench.server_choice.app:application"


def granian(port: int, threads: int) -> list[str]:
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--http", "1", "--no-ws", "--host", "127.0.0.1"),
        *("--port", str(port), "--workers", str(WORKERS), "--blocking-threads", str(threads)),
        *("--respawn-failed-workers", "--workers-kill-timeout", "25", "--log-level", "error"),
        *("--working-dir", str(ROOT), APP),
    ]


def gunicorn(port: int, threads: int) -> list[str]:
    return [
        *(sys.executable, "-m", "gunicorn", "-k", "gthread", "-b", f"127.0.0.1:{port}", "-w", str(WORKERS)),
        *("--threads", str(threads), "--timeout", "30", "--graceful-timeout", "25", "--no-control-socket"),
        *("--log-level", "warning", APP),
    ]


Command = Callable[[int, int], list[str]]


@contextlib.contextmanager
def serving(command: Command, threads: int, follow: bool = True) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    server = subprocess.Popen(
        command(port, threads),
        cwd=ROOT,
        start_new_session=True,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "BENCH_FOLLOW": "1" if follow else "0"},
    )
    try:
        wait_until_answering(port)
        yield server, port
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_until_answering(port: int) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if fetch(port, "/", 1)[0] == 200:
                return
        time.sleep(0.05)
    raise SystemExit("the server did not start")


def fetch(port: int, path: str, timeout: float) -> tuple[int, float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    begun = time.monotonic()
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status, time.monotonic() - begun
    finally:
        connection.close()


# --- the four questions ----------------------------------------------------------------------------------


def throughput(command: Command, threads: int, seconds: int) -> dict[str, str]:
    """Requests a second of the constant view, and the memory of all its processes after it."""
    with serving(command, threads) as (server, port):
        wrk = ["wrk", "-t1", "-c16", f"-d{seconds}s", "--latency", f"http://127.0.0.1:{port}/"]
        said = subprocess.run(wrk, capture_output=True, text=True, check=True).stdout
        rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
        p99 = re.search(r"99%\s+(\S+)", said)
        if not rate or not p99:
            raise SystemExit(said)
        return {"rate": rate[1], "p99": p99[1], "pss": f"{sum(map(pss_mb, session(server.pid))):.0f}"}


def drain(command: Command, threads: int) -> str:
    """SIGTERM with every thread at work for 3 s more, beside idle keep-alive connections."""
    with serving(command, threads) as (server, port):
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
        for one in idle:
            one.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        outcomes: list[int] = []
        visitors = [threading.Thread(target=slow_visit, args=(port, outcomes)) for _ in range(WORKERS * 4)]
        for visitor in visitors:
            visitor.start()
        time.sleep(0.7)
        begun = time.monotonic()
        server.terminate()
        try:
            server.wait(30)
            ended = f"{time.monotonic() - begun:.1f} s"
        except subprocess.TimeoutExpired:
            ended = "not within 30 s"
        for visitor in visitors:
            visitor.join(5)
        for one in idle:
            one.close()
        return f"{outcomes.count(200)} of {len(visitors)} answered, ended after {ended}"


def slow_visit(port: int, outcomes: list[int]) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        outcomes.append(fetch(port, "/slow?seconds=3", 30)[0])


SLOW_KINDS = {
    "headers": b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
    "body": b"POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n",
    "reader": b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "idle": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


def beside_slow_clients(command: Command, threads: int, kind: str, seconds: float) -> str:
    """The slowest answer to ordinary visitors beside 50 clients that send, or read, one byte a second."""
    with serving(command, threads) as (_, port), contextlib.ExitStack() as clients:
        slow = [clients.enter_context(slow_client(port, SLOW_KINDS[kind])) for _ in range(SLOW_CLIENTS)]
        times: list[float] = []
        failures = 0
        end, next_byte = time.monotonic() + seconds, 0.0
        while time.monotonic() < end:
            if time.monotonic() >= next_byte:
                trickle(slow, kind)
                next_byte = time.monotonic() + 1
            try:
                times.append(fetch(port, "/", 2)[1])
            except OSError:
                failures += 1
            time.sleep(0.02)
    slowest = f"{max(times) * 1000:.0f} ms" if times else "none"
    return f"slowest {slowest} of {len(times)}" + (f", {failures} without an answer in 2 s" if failures else "")


@contextlib.contextmanager
def slow_client(port: int, opening: bytes) -> Iterator[socket.socket]:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)  # or the kernel would read ahead for it
    client.connect(("127.0.0.1", port))
    client.sendall(opening)
    client.setblocking(False)
    try:
        yield client
    finally:
        client.close()


def trickle(clients: list[socket.socket], kind: str) -> None:
    for client in clients:
        with contextlib.suppress(OSError):
            if kind in ("headers", "body"):
                client.send(b"x")
            elif kind == "reader":
                client.recv(1)


def orphans(command: Command, threads: int, follow: bool) -> str:
    """Workers alive 10 s after kill -9 of their master."""
    with serving(command, threads, follow) as (server, _):
        workers = [pid for pid in session(server.pid) if pid != server.pid]
        server.kill()
        server.wait()
        begun = time.monotonic()
        while (left := living(workers)) and time.monotonic() - begun < 10:
            time.sleep(0.1)
        said = f"{len(left)} of {len(workers)} left"
        if left:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            return f"{said} after 10 s"
        return f"{said} after {time.monotonic() - begun:.1f} s"


# --- /proc -----------------------------------------------------------------------------------------------


def session(leader: int) -> list[int]:
    """The processes of one session that are not zombies."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                state, _, _, sid = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(sid) == leader and state != "Z":
                    found.append(int(entry.name))
    return found


def living(pids: list[int]) -> list[int]:
    alive = []
    for pid in pids:
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                alive.append(pid)
    return alive


def pss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


# --- the table -------------------------------------------------------------------------------------------


def compare(name: str, command: Command, threads: int, rounds: int) -> None:
    runs = [throughput(command, threads, seconds=3) for _ in range(rounds)]
    rates = [float(run["rate"]) for run in runs]
    print(f"\n{name}, {WORKERS} workers x {threads} threads")
    print(f"  throughput     {statistics.median(rates):,.0f}/s ({min(rates):,.0f} to {max(rates):,.0f})", end="")
    print(f", p99 {runs[-1]['p99']}, {runs[-1]['pss']} MB")
    print(f"  drain          {drain(command, threads)}")
    for kind in SLOW_KINDS:
        print(f"  slow {kind:<9} {beside_slow_clients(command, threads, kind, seconds=4)}", flush=True)
    print(f"  kill -9        {orphans(command, threads, follow=True)} (workers follow their parent)")
    print(f"  kill -9        {orphans(command, threads, follow=False)} (server as it is)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[8])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--server", choices=["granian", "gunicorn"])
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is needed: it is a package of that name.")
    for name, command in {"granian": granian, "gunicorn": gunicorn}.items():
        if arguments.server not in (None, name):
            continue
        if importlib.util.find_spec(name) is None:
            print(f"\n{name} is not installed: left out")
            continue
        for threads in arguments.threads:
            compare(name, command, threads, arguments.rounds)


if __name__ == "__main__":
    main()
