"""Runs the parts named, or all but `server` and `peers`; prints the table. Where all were run, docs/benchmarks.md is
written."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable

from bench import (
    confirm,
    create,
    expire,
    frozen,
    lists,
    memory,
    on_chain,
    pages,
    peers,
    poll,
    report,
    server,
    slots,
    start,
    storm,
    sweep,
    watch,
    webhook,
)
from bench.findings import Findings, NotMeasured
from bench.run import Run

# Each starts a product of its own, so that none measures what another has left behind.
PARTS: dict[str, Callable[[Run], Findings]] = {
    "start": start.measure,
    "pages": pages.measure,
    "create": create.measure,
    "poll": poll.measure,
    "confirm": confirm.measure,
    "webhook": webhook.measure,
    "storm": storm.measure,
    "frozen": frozen.measure,
    "expire": expire.measure,
    "sweep": sweep.measure,
    "watch": watch.measure,
    "on_chain": on_chain.measure,
    "slots": slots.measure,
    "lists": lists.measure,
    "memory": memory.measure,
    "server": server.measure,
    "peers": peers.measure,
}
ONLY_BY_NAME = {"server", "peers"}


def main() -> None:
    arguments = _arguments()
    default = [part for part in PARTS if part not in ONLY_BY_NAME]
    chosen = [part for part in PARTS if part in arguments.parts] or default
    load_before = os.getloadavg()[0]
    found: dict[str, Findings] = {}
    missing: dict[str, str] = {}
    run = Run(1 if arguments.quick else arguments.rounds, arguments.quick)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    for part in chosen:
        begun = time.monotonic()
        try:
            found[part] = PARTS[part](run)
        except NotMeasured as why:
            missing[part] = str(why)
        print(f"{part}: {time.monotonic() - begun:.0f} s", flush=True)
    named = "" if chosen == default else " " + " ".join(chosen)
    text = report.rendered(f"python -m bench{named}", load_before, found, missing)
    print(f"\n{text}")
    if arguments.quick or not set(default) <= set(found):
        print(f"Not written to docs/{report.FILE.name}: that is for a full run.")
    else:
        report.write(text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; nothing: all but server and peers"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one short round of each, to see that it works")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    return arguments


if __name__ == "__main__":
    main()
