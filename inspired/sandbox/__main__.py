"""`python -m inspired.sandbox`: starts the stand-in and serves until SIGTERM.

Secrets may come from the environment (SANDBOX_API_KEY, SANDBOX_SECRET_KEY, SANDBOX_CALENDLY_TOKEN) instead of the
command line, where every user of the machine can read them.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path

from .app import create_app
from .config import Config
from .server import Server
from .world import Sandbox

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.die_with_parent:
        die_with_parent()
    try:
        config = _config(options)
    except (ValueError, KeyError, OSError) as wrong:
        print(f"sandbox: {wrong}", file=sys.stderr)
        return 2
    sandbox = Sandbox(config)
    server = Server(options.host, options.port, create_app(sandbox))
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown() waits for the loop that this handler interrupts, so it needs a thread of its own
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start())
    sandbox.start()
    print(f"SANDBOX for Binance Pay and Calendly, no real money: {config.public_url}/", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    sandbox.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m inspired.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--public-url", help="what the URLs in answers begin with (default: http://HOST:PORT)")
    parser.add_argument("--api-key", default=os.environ.get("SANDBOX_API_KEY", ""))
    parser.add_argument("--secret-key", default=os.environ.get("SANDBOX_SECRET_KEY", ""))
    parser.add_argument("--calendly-token", default=os.environ.get("SANDBOX_CALENDLY_TOKEN", "sandbox-calendly-token"))
    parser.add_argument("--data", type=Path, help="folder for what should survive a restart")
    parser.add_argument("--seed", default="sandbox", help="the same seed deals out the same ids")
    parser.add_argument("--owner-timezone", default="Europe/London")
    parser.add_argument("--die-with-parent", action="store_true", help="end when the starting process does")
    return parser


def _config(options: argparse.Namespace) -> Config:
    return Config(
        api_key=options.api_key,
        secret_key=options.secret_key,
        calendly_token=options.calendly_token,
        public_url=(options.public_url or f"http://{options.host}:{options.port}").rstrip("/"),
        data=options.data,
        seed=options.seed,
        owner_timezone=options.owner_timezone,
    )


def die_with_parent() -> None:
    """End at once when the starting process ends, however it ends.

    On Linux the kernel sees to it (the signal comes when the *thread* that started us ends, so start from a main
    thread); elsewhere a thread looks at the parent's id.
    """
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    else:
        threading.Thread(target=_watch_parent, args=(parent,), name="parent", daemon=True).start()


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
