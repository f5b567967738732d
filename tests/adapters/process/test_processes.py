"""Processes that follow their parent, shown with real ones."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.dev.processes import alive, children
from tests.harness import ROOT, free_port, listening, wait_until

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""
CHILD = """
from inspired.adapters.process import processes
import sys, time
{before}
processes.die_with_parent()
print("following", flush=True)
time.sleep(600)
"""


def followed_by(child: str) -> tuple[subprocess.Popen[str], int]:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, child], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    return parent, int(parent.stdout.readline())


def test_a_child_dies_with_its_parent() -> None:
    parent, child = followed_by(CHILD.format(before=""))
    with parent:
        assert alive([child]) == [child]
        parent.kill()

    wait_until(lambda: not alive([child]), what="the child's end")


def test_where_the_kernel_does_not_help_a_thread_watches() -> None:
    parent, child = followed_by(CHILD.format(before="sys.platform = 'darwin'"))
    with parent:
        assert alive([child]) == [child]
        parent.kill()

    wait_until(lambda: not alive([child]), what="the child's end")


def test_importing_wsgi_outside_the_server_follows_nobody() -> None:
    parent, child = followed_by(CHILD.format(before="").replace("die_with_parent", "die_with_server"))
    with parent:
        parent.kill()

    time.sleep(0.3)
    assert alive([child]) == [child]
    os.kill(child, signal.SIGKILL)


def test_kill_9_of_the_web_servers_master_leaves_no_worker(tmp_path: Path) -> None:
    (tmp_path / "wsgi.py").write_text(
        "from inspired.adapters.process.processes import die_with_server\n"
        "die_with_server()\n"
        "async def server(scope, exchange):\n"
        "    exchange.response_bytes(200, [], b'')\n"
    )
    port = free_port()
    code = (
        "import pathlib, sys; from inspired.adapters.process import processes; "
        "processes.ROOT = pathlib.Path(sys.argv[1]); processes.serve('127.0.0.1', int(sys.argv[2]), 2)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(port)], cwd=ROOT) as master:
        wait_until(lambda: listening(port), what="the web server")
        workers = wait_until(lambda: len(found := children(master.pid)) == 2 and found, what="both workers")

        master.send_signal(signal.SIGKILL)

    wait_until(lambda: not alive(workers), seconds=10, what="the workers' end")
    # One that was only being started at the kill is in no list; it ends by itself as well.
    wait_until(lambda: not listening(port), seconds=10, what="the end of the last one")


@pytest.mark.parametrize(("asks", "most"), [("processes.few_arenas()", 2), ("", 99)])
def test_threads_share_two_arenas_of_memory(asks: str, most: int) -> None:
    """`malloc_stats` names each arena: https://man7.org/linux/man-pages/man3/malloc_stats.3.html"""
    libc = ctypes.CDLL(None)
    if not (hasattr(libc, "malloc_stats") and hasattr(libc, "mallopt")):
        pytest.skip("no glibc")
    code = f"""
import ctypes, threading
from inspired.adapters.process import processes
{asks}
libc, together = ctypes.CDLL(None), threading.Barrier(13)
libc.malloc.restype = ctypes.c_void_p
def hold():
    libc.malloc(5000)
    together.wait()
    together.wait()
for _ in range(12):
    threading.Thread(target=hold).start()
together.wait()
libc.malloc_stats()
together.wait()
"""
    environment = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}

    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )

    arenas = ran.stderr.count("Arena ")
    assert arenas <= most
    assert bool(asks) == (arenas <= 2), "without being asked glibc takes more"
