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
    listed = ",".join(map(str, pids.values() if isinstance(pids, Mapping) else pids))
    states = subprocess.run(["ps", "-o", "pid=,stat=", "-p", listed], capture_output=True, text=True, check=False)
    found = [line.split() for line in states.stdout.splitlines()]
    return [int(pid) for pid, state in found if not state.startswith("Z")]
