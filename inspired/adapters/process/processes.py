"""Operating system processes: dying with the parent, and the web server's command line.

Both must survive `kill -9`: killing the web server's master must not leave workers bound to the port, and killing
`inspired dev` must not leave a database running. A process told to follow its parent ends within a second of it.
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
CONNECTIONS = 2048  # at once per web process; further ones wait until one ends
M_ARENA_MAX = -8
_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int | None = None) -> None:
    """From now on this process is killed when its parent dies, for whatever reason.

    `parent` is the expected parent: if it is already gone, the process ends at once. On Linux the kernel does this
    (also when the *thread* that started us ends, so start children from a main thread); elsewhere a thread checks every
    half second. Call it in the main thread, after the fork.
    """
    parent = os.getppid() if parent is None else parent
    if sys.platform == "linux":
        _ask_the_kernel(ctypes.CDLL(None, use_errno=True))
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True, name="parent-watch").start()
    if os.getppid() != parent:  # it died before we could ask
        os.kill(os.getpid(), signal.SIGKILL)


def die_with_server() -> None:
    """For `wsgi.py`: a web worker started by `serve` follows its master; any other process is unaffected.

    So importing `wsgi` from a test, a shell or another server is harmless.
    """
    server = int(os.environ.get(SERVER_PID, "0"))
    if server and server != os.getpid():
        die_with_parent(server)


def following_parent() -> Callable[[], None] | None:
    """A `preexec_fn` for child programs we cannot change; Linux only, since no thread survives an exec."""
    if sys.platform != "linux":
        return None
    libc, parent = ctypes.CDLL(None, use_errno=True), os.getpid()  # before the fork: nothing may be loaded after it

    def before_exec() -> None:
        _ask_the_kernel(libc)
        if os.getppid() != parent:
            os._exit(1)

    return before_exec


def few_arenas() -> None:
    """Let all threads of this process, and of those forked from it, share two of glibc's memory arenas.

    By default there are eight for each processor, and each keeps what its threads have freed. Only one thread runs
    Python at a time, so more of them gain nothing. Does nothing where there is no `mallopt` (macOS, musl).
    https://www.gnu.org/software/libc/manual/html_node/Malloc-Tunable-Parameters.html
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(M_ARENA_MAX, 2)


def serve_command(host: str, port: int, workers: int, target: str = "wsgi:server") -> list[str]:
    """The web server's arguments (why this server, and why RSGI: docs/decisions.md).

    `inspired.preloaded` is granian with our modules loaded before it forks its workers, which then share their memory.
    `target` is a `Gateway`, which has its own threads in each worker. No access log: the product logs requests itself.
    A worker that dies is replaced; one that has not finished 25 s after SIGTERM is killed, within the 30 s a platform
    allows.
    """
    return [
        *(sys.executable, "-m", "inspired.preloaded"),
        *("--interface", "rsgi", "--http", "1", "--no-ws"),
        *("--host", host, "--port", str(port)),
        *("--workers", str(workers), "--backlog", str(CONNECTIONS), "--backpressure", str(CONNECTIONS)),
        *("--respawn-failed-workers", "--respawn-interval", "0.2", "--workers-kill-timeout", "25"),
        *("--no-access-log", "--log-level", "error"),
        *("--working-dir", str(ROOT)),
        target,
    ]


def serve(host: str, port: int, workers: int) -> NoReturn:
    """Replace this process by the web server. The folder is changed first, because the server looks for `wsgi` there
    first."""
    os.chdir(ROOT)
    os.environ[SERVER_PID] = str(os.getpid())  # stays valid: exec keeps the process id
    command = serve_command(host, port, workers)
    os.execv(command[0], command)  # noqa: S606  # no shell is wanted


def _ask_the_kernel(libc: ctypes.CDLL) -> None:
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)
