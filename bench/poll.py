"""The pulse: polls of unchanged bookings against a bare Flask view and one with a database read.

All on the same server with the same flags, taken in turn; a ratio is made within its round, so that what else the
machine does at that time weighs on both.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from statistics import median

import requests

from bench import load
from bench.findings import Findings, table
from bench.goals import number
from bench.load import Asked, Load
from bench.product import SERVER, Product, started
from bench.run import Run
from inspired.adapters.process.processes import serve_command
from tests.harness import ROOT, free_port, wait_until

BOOKINGS = 40
SECONDS = 4
NAMES = {
    "bare": "bare Flask view, a constant",
    "read": "Flask view, one database read",
    "json": "status JSON (200)",
    "etag": "status JSON with ETag (304)",
    "fragment": "payment fragment (204)",
}


def measure(run: Run) -> Findings:
    found = Findings()
    rounds: list[dict[str, Load]] = []
    with started() as product, _baselines(product) as baselines:
        tokens = [product.book()[0]["bookingId"] for _ in range(BOOKINGS)]
        wanted: dict[str, tuple[str, Asked]] = {
            "bare": (baselines, [("/", {})]),
            "read": (baselines, [(f"/read/{token}", {}) for token in tokens]),
            "json": (product.dev.web, [(f"/api/payments/status/{token}", {}) for token in tokens]),
            "etag": (product.dev.web, [_with_tag(product, token) for token in tokens]),
            "fragment": (product.dev.web, [_fragment(product, token) for token in tokens]),
        }
        for kind, (base, asked) in wanted.items():
            _check(kind, base, asked)
            load.run(base, asked, 1)  # so that nothing is measured cold
        for _ in range(run.rounds):
            rounds.append(
                {k: load.run(base, asked, 1 if run.quick else SECONDS) for k, (base, asked) in wanted.items()}
            )
    for kind in ("json", "etag", "fragment"):
        for base in ("bare", "read"):
            found.add(f"poll-{kind}-{base}", [one[kind].rate / one[base].rate for one in rounds])
    found.details = _details(rounds)
    return found


def _details(rounds: list[dict[str, Load]]) -> list[str]:
    rows = []
    for kind, name in NAMES.items():
        loads = [one[kind] for one in rounds]
        rows.append([name, *(number(median(getattr(one, what) for one in loads)) for what in ("rate", "p50", "p99"))])
    return [
        f"{BOOKINGS} bookings in turn, the limiter counting each poll; median of {len(rounds)} rounds. Each server is "
        "asked as fast as it answers: times are those of a server that has all it can do.",
        "",
        *table(["", "a second", "p50 ms", "p99 ms"], rows),
    ]


def _with_tag(product: Product, token: str) -> tuple[str, dict[str, str]]:
    path = f"/api/payments/status/{token}"
    tag = product.dev.http.get(f"{product.dev.web}{path}", timeout=5).headers["ETag"].strip('"')
    return path, {"If-None-Match": tag}  # the bare number is taken as well, and needs no quoting on its way


def _fragment(product: Product, token: str) -> tuple[str, dict[str, str]]:
    status_version = _with_tag(product, token)[1]["If-None-Match"]
    return f"/booking/{token}/payment?v={status_version}", {"HX-Request": "true"}


def _check(kind: str, base: str, asked: Asked) -> None:
    wanted = {"etag": 304, "fragment": 204}.get(kind, 200)
    for path, headers in asked:
        status = requests.get(base + path, headers=dict(headers), timeout=5).status_code
        if status != wanted:
            raise SystemExit(f"{NAMES[kind]} answered {status} instead of {wanted}: the bookings are not unchanged")


@contextlib.contextmanager
def _baselines(product: Product) -> Iterator[str]:
    port, ready = free_port(), product.dev.ready
    command = serve_command("127.0.0.1", port, int(SERVER["WEB_CONCURRENCY"]), "bench.baseline:server")
    env = {**os.environ, "MONGODB_URI": ready["mongodb_uri"], "MONGODB_DATABASE": ready["database"]}
    server = subprocess.Popen(command, cwd=ROOT, env=env)
    try:
        base = f"http://127.0.0.1:{port}"
        wait_until(lambda: requests.get(base, timeout=1).ok, what="the baseline server")
        yield base
    finally:
        server.terminate()
        server.wait(10)
