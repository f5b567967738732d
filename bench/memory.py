"""The memory of each web worker, its share of what is shared counted in (PSS), after a load of everything it does."""

from pathlib import Path

from bench import load
from bench.findings import Findings, NotMeasured
from bench.goals import number
from bench.product import started
from bench.run import Run

BOOKINGS = 40
SECONDS = 6


def measure(run: Run) -> Findings:
    if not Path("/proc/self/smaps_rollup").exists():
        raise NotMeasured("PSS is known on Linux only")
    found, count = Findings(), run.some(BOOKINGS)
    with started() as product:
        tokens = [product.book()[0]["bookingId"] for _ in range(count)]
        pages = ["/", "/book/quick-question", "/booking/{}", "/booking/{}/payment", "/api/payments/status/{}"]
        load.run(product.dev.web, [(page.format(token), {}) for token in tokens for page in pages], SECONDS)
        pids = {name: int(pid) for name, pid in product.dev.ready["pids"].items()}
        sizes = [pss_mb(pid) for pid in workers(pids["web"])]
        others = {name: pss_mb(pids[name]) for name in ("web", "worker", "clock")}
    found.add("memory", [max(sizes)], f"each: {', '.join(map(number, sizes))}")
    told = ", ".join(f"{name} {number(size)} MB" for name, size in others.items())
    found.details = [
        f"After {count} creates, then {SECONDS} s of pages, fragments and status calls at full speed.",
        f"The other processes: {told} (`web` is the one that the web workers are forked from).",
    ]
    return found


def workers(master: int) -> list[int]:
    """Its children that serve: Python's own helper beside them does not."""
    children = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit() and _parent(entry) == master]
    return [int(entry.name) for entry in children if b"resource_tracker" not in (entry / "cmdline").read_bytes()]


def pss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
