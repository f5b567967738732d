"""Processes to be killed: a small server that has everything imported forks one for each run of a flow.

Started as `python -m tests.faults.forking`. It has one thread and no connection, so that a fork is safe, and costs
milliseconds where a new Python costs a second. One line of JSON asks for a run; lines tell its `pid`, what it `said`,
and at its end the `code` (negative: the signal that ended it).
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import IO, Any

from inspired import services
from inspired.settings import Settings
from tests.faults.crash_flows import FLOWS, Given
from tests.harness import ROOT


@dataclass(frozen=True, slots=True)
class Ended:
    """`said` is what the flow had told to the outside before it ended: what somebody out there relies on."""

    code: int
    said: tuple[str, ...]


class Forks:
    def __init__(self, server: subprocess.Popen[str], errors: IO[str]) -> None:
        self._server = server
        self._errors = errors
        self._pid: Future[int] = Future()

    def run(self, flow: str, env: dict[str, str], given: Given) -> Ended:
        """Until it ends by itself or is killed."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._pid, said = Future(), []
        print(json.dumps({"flow": flow, "env": env, "given": given}), file=self._server.stdin, flush=True)
        for line in self._server.stdout:
            match json.loads(line):
                case {"pid": pid}:
                    self._pid.set_result(pid)
                case {"said": what}:
                    said.append(what)
                case {"code": code}:
                    return Ended(code, tuple(said))
        raise AssertionError(f"the forking server is gone:\n{self.errors()}")

    def kill(self) -> None:
        """The run of this moment, with no chance to clean up. To be called by another thread."""
        os.kill(self._pid.result(timeout=10), signal.SIGKILL)

    def errors(self) -> str:
        """The end of what the runs have logged so far."""
        self._errors.seek(0)
        return self._errors.read()[-5000:]


@contextlib.contextmanager
def forking() -> Iterator[Forks]:
    with tempfile.TemporaryFile("w+") as errors:
        command = [sys.executable, "-m", "tests.faults.forking"]
        server = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT
        )
        with server:
            yield Forks(server, errors)  # leaving closes its input, which ends it


def main() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os._exit(_run(**json.loads(line)))
        _tell(1, pid=pid)
        _, status = os.waitpid(pid, 0)
        _tell(1, code=os.waitstatus_to_exitcode(status))


def _run(flow: str, env: dict[str, str], given: Given) -> int:
    told = os.dup(1)
    os.dup2(2, 1)  # what is logged is not an answer
    os.environ.update(env)
    try:
        svc = services.build(Settings(), database_seconds=5.0, redis_seconds=1.0)
        later = timedelta(seconds=given.get("later", 0))
        moved = replace(svc, now=lambda: services.now() + later)
        FLOWS[flow].run(moved, given, lambda what: _tell(told, said=what))
    except BaseException:  # noqa: BLE001 - the end of a process: whatever it was, the test shows it
        traceback.print_exc()
        return 1
    return 0


def _tell(descriptor: int, **what: Any) -> None:
    os.write(descriptor, json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    main()
