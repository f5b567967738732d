"""Our status poll beside two peers that answer from one read of the same database: Next.js 15 and Fastify.

Each has a server of its own, asked in turn by the same load as fast as it answers; ratios are made within a round. The
product's poll counts each poll, sends an ETag and knows a booking's newest version; the peers only read.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import requests

from bench import load
from bench.findings import Findings, NotMeasured, table
from bench.goals import number
from bench.load import Asked, Load
from bench.product import Product, started
from bench.run import Run
from inspired.adapters.process.processes import following_parent
from tests.harness import ROOT, free_port, wait_until

SOURCES = Path(__file__).parent / "peers"
BUILT = ROOT / ".cache" / "peers"
DOCUMENTS = 5_000
ASKED = 40
SECONDS = 5
WARM_SECONDS = 2
NPM_SECONDS = 600
NAMES = {"product": "this product, status JSON", "fastify": "Fastify", "next": "Next.js 15"}


def measure(run: Run) -> Findings:
    for tool in ("node", "npm", "wrk"):
        if shutil.which(tool) is None:
            raise NotMeasured(f"{tool} is not installed")
    for name in ("fastify", "next"):
        _build(name)
    found, rounds = Findings(), list[dict[str, Load]]()
    with started() as product, _peers(product) as peers:
        tokens = [product.book()[0]["bookingId"] for _ in range(ASKED)]
        ids: Asked = [(f"/api/status?id={place * (DOCUMENTS // ASKED)}", {}) for place in range(ASKED)]
        wanted: dict[str, tuple[str, Asked]] = {
            "product": (product.dev.web, [(f"/api/payments/status/{token}", {}) for token in tokens]),
            **{name: (base, ids) for name, base in peers.items()},
        }
        for _ in range(run.rounds):
            rounds.append({name: _loaded(base, asked, run) for name, (base, asked) in wanted.items()})
    for name in ("next", "fastify"):
        found.add(f"peers-{name}", [one["product"].rate / one[name].rate for one in rounds])
    found.add("peers-p99", [one["product"].p99 / one["fastify"].p99 for one in rounds])
    rows = [
        [name, *(number(median(getattr(one[kind], what) for one in rounds)) for what in ("rate", "p50", "p99"))]
        for kind, name in NAMES.items()
    ]
    found.details = [
        f"{load.tool()}; median of {len(rounds)} rounds.",
        "",
        *table(["", "a second", "p50 ms", "p99 ms"], rows),
    ]
    return found


def _loaded(base: str, asked: Asked, run: Run) -> Load:
    """Not measured cold: while another server is asked, pages that poll every two seconds would go on polling this."""
    load.run(base, asked, WARM_SECONDS)
    return load.run(base, asked, 1 if run.quick else SECONDS)


def _build(name: str) -> None:
    """Installs what the lock file names, once for each change of the sources."""
    there, sources = BUILT / name, SOURCES / name
    mark = there / ".built"
    newest = max(path.stat().st_mtime for path in sources.rglob("*"))
    if mark.exists() and mark.stat().st_mtime >= newest:
        return
    shutil.rmtree(there, ignore_errors=True)
    shutil.copytree(sources, there)
    env = {**os.environ, "NEXT_TELEMETRY_DISABLED": "1"}
    commands = [["npm", "ci", "--no-audit", "--no-fund", "--silent"]]
    if name == "next":
        commands.append(["node", "node_modules/next/dist/bin/next", "build"])
    for command in commands:
        done = subprocess.run(command, cwd=there, env=env, capture_output=True, text=True, timeout=NPM_SECONDS)
        if done.returncode:
            raise NotMeasured(f"{' '.join(command)} failed: {(done.stderr or done.stdout).strip()[-300:]}")
    mark.touch()


@contextlib.contextmanager
def _peers(product: Product) -> Iterator[dict[str, str]]:
    client = product.bookings.database.client
    payments = client["peers"]["payments"]
    payments.insert_many(
        [{"_id": place, "reference": f"r{place}", "status": "PENDING", "amount": "50.00"} for place in range(DOCUMENTS)]
    )
    ports = {"fastify": free_port(), "next": free_port()}
    commands = {
        "fastify": ["node", "server.mjs", str(ports["fastify"])],
        "next": ["node", "node_modules/next/dist/bin/next", "start", "-H", "127.0.0.1", "-p", str(ports["next"])],
    }
    env = {
        **os.environ,
        "MONGODB_URI": product.dev.ready["mongodb_uri"],
        "NODE_ENV": "production",
        "NEXT_TELEMETRY_DISABLED": "1",
    }
    with contextlib.ExitStack() as stack:
        for name, command in commands.items():
            server = subprocess.Popen(
                command, cwd=BUILT / name, env=env, stdout=subprocess.DEVNULL, preexec_fn=following_parent()
            )
            stack.callback(server.wait, 10)
            stack.callback(server.terminate)
        bases = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        for name, base in bases.items():
            wait_until(lambda url=f"{base}/api/status?id=1": _answers(url), seconds=30, what=NAMES[name])
        yield bases


def _answers(url: str) -> bool:
    answer = requests.get(url, timeout=5)
    return answer.status_code == 200 and answer.json()["status"] == "PENDING"
