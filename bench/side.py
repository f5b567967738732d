"""One part, once, of the build in whose folder this is run; prints what it measured as JSON. See bench/sides.py.

It uses only what an older build's `bench` has as well.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import create, expire, load, memory, slots, webhook
from bench.freezing import frozen
from bench.product import Product, started
from bench.run import Run

ONCE = Run(1, quick=False)
EXPIRED = 1_000
POLLED, SECONDS = 40, 5
TICKS = 100  # a second, in /proc (Linux: USER_HZ)
PATIENCE = 600


def created() -> dict[str, float]:
    return {"create": create.measure(ONCE).values["create"]}


def webhooks() -> dict[str, float]:
    return {"webhook": webhook.measure(ONCE).values["webhook"]}


def changed_slots() -> dict[str, float]:
    return {"slots": slots.measure(ONCE).values["slots-changing"]}


def polled() -> dict[str, float]:
    with started() as product:
        tokens = [product.book()[0]["bookingId"] for _ in range(POLLED)]
        asked = [(f"/api/payments/status/{token}", {}) for token in tokens]
        load.run(product.dev.web, asked, 1)
        found = load.run(product.dev.web, asked, SECONDS)
    return {"poll": found.rate, "poll-p99": found.p99}


def remembered() -> dict[str, float]:
    with started() as product:
        tokens = [product.book()[0]["bookingId"] for _ in range(POLLED)]
        pages = ["/", "/book/quick-question", "/booking/{}", "/booking/{}/payment", "/api/payments/status/{}"]
        load.run(product.dev.web, [(page.format(token), {}) for token in tokens for page in pages], SECONDS)
        pids = {name: int(product.dev.ready["pids"][name]) for name in ("web", "worker", "clock")}
        largest = max(memory.pss_mb(pid) for pid in memory.workers(pids["web"]))
        rest = memory.pss_mb(pids["worker"]) + memory.pss_mb(pids["clock"])
    return {"memory-web": largest, "memory-jobs": rest}


def expired() -> dict[str, float]:
    """The rate until all are EXPIRED; processor time until their mails are out as well."""
    with started() as product:
        with frozen(product, "clock", "worker"):
            ids = expire._due(product, EXPIRED)
            before, calls = _processor_seconds(product), _queries(product)
        took = expire._until_expired(product, ids)[-1]
        _until_quiet(product, ids)
        spent = {name: after - before[name] for name, after in _processor_seconds(product).items()}
        calls = _queries(product) - calls
    return {
        "expire-rate": EXPIRED / took,
        "expire-processor": 1000 * sum(spent.values()) / EXPIRED,
        **{f"expire-{name}": 1000 * seconds / EXPIRED for name, seconds in spent.items()},
        "expire-calls": calls / EXPIRED,
    }


def _queries(product: Product) -> int:
    return len(product.dev.control("calls?call=query"))


def _until_quiet(product: Product, ids: Sequence[str]) -> None:
    begun = time.monotonic()
    while product.bookings.count_documents({"_id": {"$in": list(ids)}, "effects.0": {"$exists": True}}):
        if time.monotonic() - begun > PATIENCE:
            raise SystemExit(f"The mails were not out within {PATIENCE} s.")
        time.sleep(2)


def _processor_seconds(product: Product) -> dict[str, float]:
    pids = product.dev.ready["pids"]
    return {name: _spent(int(pids[name])) for name in ("worker", "clock", "mongodb", "redis") if pids.get(name)}


def _spent(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


PARTS: dict[str, Callable[[], dict[str, float]]] = {
    "create": created,
    "poll": polled,
    "webhook": webhooks,
    "expire": expired,
    "slots": changed_slots,
    "memory": remembered,
}

if __name__ == "__main__":
    print(json.dumps(PARTS[sys.argv[1]]()))
