"""Processes of the machine: dying with one's parent, and the web server's command line.

Two killers are allowed for everywhere: `kill -9` of the web server's master must not leave workers that stay bound to
the port, and `kill -9` of `inspired dev` must not leave a database behind. A process told to follow its parent ends
within a second of it.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[3]
SERVER_PID = "INSPIRED_SERVER_PID"
CONNECTIONS = 2048  # at once in each web process; whoever comes then waits until one ends
_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int | None = None) -> None:
    """From now on this process is killed when its parent dies, however that happens.

    `parent` is who the parent was meant to be: where it is given and already gone, the process ends at once. On Linux
    the kernel does it (and does it when the *thread* that started us ends, so start children from a main thread);
    elsewhere a thread looks every half second. Call it in the main thread, after the fork.
    """
    parent = os.getppid() if parent is None else parent
    if sys.platform == "linux":
        _ask_the_kernel(ctypes.CDLL(None, use_errno=True))
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True, name="parent-watch").start()
    if os.getppid() != parent:  # it died before we could ask
        os.kill(os.getpid(), signal.SIGKILL)


def die_with_server() -> None:
    """For `wsgi.py`: a web worker started by `serve` follows its master; in any other process nothing happens.

    So importing `wsgi` from a test, a shell or another server is harmless.
    """
    server = int(os.environ.get(SERVER_PID, "0"))
    if server and server != os.getpid():
        die_with_parent(server)


def following_parent() -> Callable[[], None] | None:
    """A `preexec_fn` for children that are not ours to change; on Linux alone, as no thread survives an exec."""
    if sys.platform != "linux":
        return None
    libc, parent = ctypes.CDLL(None, use_errno=True), os.getpid()  # before the fork: nothing may be loaded after it

    def before_exec() -> None:
        _ask_the_kernel(libc)
        if os.getppid() != parent:
            os._exit(1)

    return before_exec


def serve_command(host: str, port: int, workers: int, target: str = "wsgi:server") -> list[str]:
    """The chosen web server's arguments (why this one, and why by RSGI: docs/decisions.md).

    `target` is a `Gateway`, which has threads of its own in each worker. No access log: the product logs itself. A
    worker that dies is replaced; one that has not finished 25 s after SIGTERM is killed, inside the 30 s a platform
    gives.
    """
    return [
        *(sys.executable, "-m", "granian"),
        *("--interface", "rsgi", "--http", "1", "--no-ws"),
        *("--host", host, "--port", str(port)),
        *("--workers", str(workers), "--backlog", str(CONNECTIONS), "--backpressure", str(CONNECTIONS)),
        *("--respawn-failed-workers", "--respawn-interval", "0.2", "--workers-kill-timeout", "25"),
        *("--no-access-log", "--log-level", "error"),
        *("--working-dir", str(ROOT)),
        target,
    ]


def serve(host: str, port: int, workers: int) -> NoReturn:
    """Become the web server. The folder is changed first: it looks for `wsgi` there before anywhere else."""
    os.chdir(ROOT)
    os.environ[SERVER_PID] = str(os.getpid())  # stays ours: exec keeps the process id
    command = serve_command(host, port, workers)
    os.execv(command[0], command)  # noqa: S606  # no shell is wanted


def _ask_the_kernel(libc: ctypes.CDLL) -> None:
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)
