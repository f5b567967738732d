"""The tests at other moments than now: on every day of a week, at both changes of the clocks, at the end of a year.

`python -m tests.clocks` runs the suites that depend on a clock at each of MOMENTS, and says which failed. The clocks of
all processes that a run starts (Python, the web server, the database, Redis, the stand-ins) are shifted together by
libfaketime, by the same span, and go on from there. Spans of time (`time.monotonic`) pass as they do.
"""

import argparse
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path

from tests.harness import ROOT

SUITES = ("domain", "adapters", "flows", "web", "rehearsal")
MONDAY = datetime(2027, 1, 25, 5, 50, tzinfo=UTC)  # its week ends with a month, on a Sunday
WEEK = tuple(MONDAY + number * timedelta(hours=6) for number in range(28))
# Of the owner's zone in the tests, Europe/London: ten minutes before its clocks are put forward, and back.
CHANGES = (datetime(2027, 3, 28, 0, 50, tzinfo=UTC), datetime(2027, 10, 31, 0, 50, tzinfo=UTC))
YEARS_END = datetime(2027, 12, 31, 23, 50, tzinfo=UTC)
LEAP_DAY = datetime(2028, 2, 29, 12, 0, tzinfo=UTC)
MOMENTS = (*WEEK, *CHANGES, YEARS_END, LEAP_DAY)
# Where the machine stands: ahead of and behind UTC by up to a day, by halves and quarters of an hour, and on the half.
ZONES = ("UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Australia/Lord_Howe")
# What a run of pytest inside one of pytest's own must not inherit: whose worker it is, and whose coverage it adds to.
OF_THE_OUTER_RUN = ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_CURRENT_TEST", "COV_CORE_SOURCE")


def library() -> Path | None:
    """libfaketime's own; the wheel holds it for Linux on x86-64 alone."""
    found = find_spec("libfaketime")
    if found is None or found.origin is None or sys.platform != "linux" or os.uname().machine != "x86_64":
        return None
    return Path(found.origin).parent / "vendor/libfaketime/src/libfaketime.so.1"


def shifted(moment: datetime, zone: str, *, now: datetime) -> dict[str, str]:
    """What makes the clock of a process, and of its children, show `moment` instead of `now`. By a span, since
    libfaketime reads a date by the clock of the zone."""
    return {
        "LD_PRELOAD": str(library()),
        "FAKETIME": f"{math.ceil((moment - now).total_seconds()):+d}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        # Else its own remedy for waits by the monotonic clock makes them end at once: the embedded database spins.
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        "TZ": zone,
    }


SHIFTING = tuple(shifted(MONDAY, "UTC", now=MONDAY))  # the names of these in an environment


def run(tests: Sequence[str], moment: datetime, zone: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """pytest on these files and folders at this moment."""
    env = {name: value for name, value in os.environ.items() if name not in OF_THE_OUTER_RUN}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-cov", *options, *tests],
        env={**env, **shifted(moment, zone, now=datetime.now(UTC))},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.clocks", description=__doc__)
    parser.add_argument("--only", type=int, action="append", metavar="N", help=f"moment N of {len(MOMENTS)} alone")
    parser.add_argument("-n", default="2", help="processes of pytest (2)")
    parser.add_argument("tests", nargs="*", default=[f"tests/{suite}" for suite in SUITES])
    asked = parser.parse_args()
    if library() is None:
        print("libfaketime's wheel has a library for Linux on x86-64 alone: nothing was run.", file=sys.stderr)
        return 1
    failed = 0
    for number, (moment, zone) in enumerate(zip(MOMENTS, cycle(ZONES), strict=False), 1):
        if asked.only and number not in asked.only:
            continue
        done = run(asked.tests, moment, zone, "-n", asked.n, "--dist", "loadgroup")
        failed += done.returncode != 0
        lines = done.stdout.splitlines()
        print(f"{number:2} {moment:%a %Y-%m-%d %H:%M} UTC in {zone}: {lines[-1] if lines else done.stderr}", flush=True)
        for line in lines:
            if line.startswith(("FAILED", "ERROR")):
                print(f"   {line}", flush=True)
    print(f"{failed} of {len(asked.only or MOMENTS)} moments failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
