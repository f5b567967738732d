"""An older build beside this one, part by part in turn: `python -m bench.sides FOLDER`, a checkout with its own .venv.

Each measurement starts a product of its own from the build's folder (bench/side.py), the older one first and then this
one, so that what else the machine does weighs on both; a ratio is made within its round. It prints a table.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from bench.findings import table
from bench.goals import number
from bench.side import PARTS
from tests.harness import ROOT

SIDE = Path(__file__).with_name("side.py")
PART_SECONDS = 900
# What is measured: its name and unit, and the goal of the ratio new / old.
MEASURED = {
    "create": ("added to a create, p50 ms", "≤ 1.05"),
    "poll": ("status polls a second", "≥ 0.95"),
    "poll-p99": ("status poll at full load, p99 ms", ""),
    "webhook": ("webhook acknowledged at 30/s, p99 ms", "≤ 1.05"),
    "expire-rate": ("expired a second, one worker", "≥ 2"),
    "expire-processor": ("processor ms per expired booking", "≤ 0.4"),
    "expire-worker": ("… of it the worker’s", ""),
    "expire-clock": ("… the clock’s", ""),
    "expire-mongodb": ("… the database’s", ""),
    "expire-redis": ("… Redis’s", ""),
    "expire-calls": ("calls to the provider per expired booking", "≤ 1"),
    "slots": ("slots right after a change, p50 ms", "≤ 0.35"),
    "memory-web": ("largest web worker, PSS MB", "≤ 0.75"),
    "memory-jobs": ("worker and clock together, PSS MB", "≤ 0.8"),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.sides", description=__doc__)
    parser.add_argument("older", type=Path, help="a checkout of the older build, with its .venv")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=list(PARTS))
    arguments = parser.parse_args()
    builds = (arguments.older.resolve(), ROOT)
    rounds: dict[str, list[tuple[float, float]]] = {}
    for part in arguments.parts:
        for place in range(arguments.rounds):
            old, new = (_measured(build, part) for build in builds)
            for name in new:
                rounds.setdefault(name, []).append((old[name], new[name]))
            print(f"{part} {place + 1}: {old} {new}", file=sys.stderr, flush=True)
    rows = []
    for name, pairs in rounds.items():
        what, goal = MEASURED[name]
        ratio = median(new / old if old else float(new == old) for old, new in pairs)
        middle = [number(median(values)) for values in zip(*pairs, strict=True)]
        rows.append([what, *middle, f"{ratio:.2f} ×", goal])
    print("\n".join(table(["", "older", "this", "this / older", "goal"], rows)))


def _measured(build: Path, part: str) -> dict[str, float]:
    python, env = build / ".venv" / "bin" / "python", {**os.environ, "PYTHONPATH": str(build)}
    done = subprocess.run(
        [python, "-P", SIDE, part], cwd=build, env=env, stdout=subprocess.PIPE, text=True, timeout=PART_SECONDS
    )
    if done.returncode:
        raise SystemExit(f"{part} of {build} was not measured.")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
