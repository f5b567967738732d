"""The supervisor over small stand-in children: `python -m tests.dev.stand_in DATA READY_FILE`."""

import os
import sys
from pathlib import Path

from inspired.dev import supervisor
from inspired.dev.child import Part
from inspired.dev.plan import CannotStart, Plan

WAITS = "import time; time.sleep(600)"
WITH_GRANDCHILD = f"""
import pathlib, subprocess, sys
grandchild = subprocess.Popen([sys.executable, "-c", {WAITS!r}], process_group=0)
pathlib.Path(sys.argv[1]).write_text(str(grandchild.pid))
grandchild.wait()
"""
LOST_ON_WISH = """
import pathlib, sys, time
wish = pathlib.Path(sys.argv[1])
while not wish.exists():
    time.sleep(0.05)
wish.unlink()
print("the engine says: PAN", end="", flush=True)
time.sleep(0.2)
print("IC, all is lost", flush=True)
time.sleep(600)
"""
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WAITS


def a_plan(data: Path) -> Plan:
    environment = dict(os.environ)

    def part(name: str, code: str, *arguments: str) -> Part:
        return Part(name, [sys.executable, "-c", code, *arguments], environment, lost=b"PANIC")

    known = ("MONGODB_URI", "MONGODB_DATABASE", "REDIS_URL", "ADMIN_EMAIL", "BINANCE_PAY_API_KEY")
    grandchild = data / "grandchild"
    return Plan(
        foundations=[
            part("mongodb", LOST_ON_WISH, str(data / "wish")),
            part("redis", STUBBORN if os.environ.get("STUBBORN") else WAITS),
        ],
        preparations=[part("migrate", os.environ.get("MIGRATION", "pass"))],
        product=[
            Part(
                "web",
                [sys.executable, "-c", WITH_GRANDCHILD, str(grandchild)],
                environment,
                healthy=lambda: bool(grandchild.exists() and grandchild.read_text()),
            ),
            part("worker", WAITS),
        ],
        urls={"web": "http://127.0.0.1:1", "sandbox": "http://127.0.0.1:2", "mail": "http://127.0.0.1:3"},
        environment={name: name for name in (*known, "BINANCE_PAY_SECRET_KEY")},
        admin_password="secret",
    )


def main() -> int:
    data, ready_file = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        supervisor._run(a_plan(data), data / "logs", ready_file)
    except supervisor.Stopped:
        return 0
    except CannotStart as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
