"""A run of the tests that is broken off leaves nothing behind: no database, no Redis, no product."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import ROOT, wait_until

TEST = """
import os, sys, time
from pathlib import Path
from tests.harness import running

def test_that_is_broken_off():
    with running([sys.executable, "-c", "import time; time.sleep(600)"]) as child:
        Path({folder!r}, "pids").write_text(f"{{os.getpid()}} {{child.pid}}")
        time.sleep(600)
"""


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux alone tells children of their parent's end")
@pytest.mark.parametrize("end", [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, 0), (0, signal.SIGKILL)])
def test_a_run_that_is_broken_off_leaves_no_process(tmp_path: Path, end: tuple[int, int]):
    """`end`: what is sent to the run, and to the process of it that has the child."""
    (tmp_path / "test_broken_off.py").write_text(TEST.format(folder=str(tmp_path)))
    command = [sys.executable, "-m", "pytest", "-q", "-n", "1", "--no-cov", "-p", "no:cacheprovider", "-c", os.devnull]
    run = subprocess.Popen(
        [*command, "--rootdir", str(tmp_path), str(tmp_path / "test_broken_off.py")],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
        # Whoever runs us in the background has it ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    pids = tmp_path / "pids"
    try:
        wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 2, seconds=60, what="the child of a test")
        worker, child = map(int, pids.read_text().split())
        assert is_running(worker)
        assert is_running(child)

        os.kill(run.pid, end[0])
        os.kill(worker, end[1])

        wait_until(lambda: not is_running(worker) and not is_running(child), seconds=30, what="the end of both")
    finally:
        run.kill()
        run.wait(30)
