"""The memory of each web worker, its share of what is shared counted in (PSS), after what the product went through."""

from pathlib import Path

from bench import load
from bench.findings import Findings, NotMeasured
from bench.goals import number
from bench.run import Run


def measure(run: Run) -> Findings:
    product, found = run.product, Findings()
    if not Path("/proc/self/smaps_rollup").exists():
        raise NotMeasured("PSS is known on Linux only")
    pages = [("/", {}), ("/book/quick-question", {}), (f"/booking/{product.book()[0]['bookingId']}", {})]
    load.run(product.dev.web, pages, 2)
    sizes = [pss_mb(pid) for pid in workers(int(product.dev.ready["pids"]["web"]))]
    after = ", ".join([*product.done, "2 s of pages"])
    found.add("memory", [max(sizes)], f"each: {', '.join(map(number, sizes))}; after {after}")
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
