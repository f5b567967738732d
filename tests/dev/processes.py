"""Starting a supervisor in a test, reading what it says, and seeing who is still alive."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.harness import ROOT, wait_until


@dataclass
class Started:
    """A supervisor at work. `pids` and `ready` are read anew every time."""

    process: subprocess.Popen[str]
    ready_file: Path

    @property
    def ready(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.ready_file.read_text())
        return content

    @property
    def pids(self) -> dict[str, int]:
        return {name: pid for name, pid in self.ready["pids"].items() if pid}

    def wait_until_ready(self, seconds: float) -> None:
        wait_until(lambda: self.ready_file.exists() or self.process.poll() is not None, seconds=seconds, what="start")
        assert self.process.poll() is None, self.said()

    def wait_for_a_new(self, name: str, old: int) -> int:
        wait_until(lambda: self.pids[name] != old, seconds=30, what=f"a new {name}")
        return self.pids[name]

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(40)

    def said(self) -> str:
        out, err = self.process.communicate(timeout=5)
        return f"{out}{err}"


@contextlib.contextmanager
def started(command: list[str], ready_file: Path, environment: Mapping[str, str] = os.environ) -> Iterator[Started]:
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield Started(process, ready_file)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.send_signal(signal.SIGTERM)


def alive(pids: Mapping[str, int] | list[int]) -> list[int]:
    """Those that still run; a zombie that nobody has collected yet does not."""
    running = {pid for pid, _, state in _table() if state != "Z"}
    return [pid for pid in (pids.values() if isinstance(pids, Mapping) else pids) if pid in running]


def children(parent: int) -> list[int]:
    return [pid for pid, its_parent, _ in _table() if its_parent == parent]


def _table() -> list[tuple[int, int, str]]:
    """Process id, parent and state of every process: from /proc where there is one, else from ps."""
    if not Path("/proc/self/stat").exists():
        said = subprocess.run(["ps", "-axo", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
        return [(int(pid), int(parent), state[0]) for pid, parent, state in map(str.split, said.splitlines())]
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it ended meanwhile
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                found.append((int(entry.name), int(parent), state))
    return found
