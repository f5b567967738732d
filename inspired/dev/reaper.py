"""Ends the children of a supervisor that was killed. `python -m inspired.dev.reaper`, told what to end on its input.

The kernel's parent-death signal does most of it on Linux, but reaches neither grandchildren nor other systems. This
process reads `+PID` for a session begun and `-PID` for one ended; when its input ends, nobody is left to look after
the rest, so it kills them, and takes back the ready file: nothing is ready any more.
"""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path


class Reaper:
    """The supervisor's end of the pipe."""

    def __init__(self, ready_file: Path | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "inspired.dev.reaper", *([str(ready_file)] if ready_file else [])],
            cwd=Path(__file__).resolve().parents[2],
            stdin=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is not meant for it
        )

    def watch(self, session: int) -> None:
        self._tell(f"+{session}\n")

    def forget(self, session: int) -> None:
        self._tell(f"-{session}\n")

    def close(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        if self._process.stdin:
            with contextlib.suppress(BrokenPipeError):  # it was killed: the kernel's signal is left
                self._process.stdin.write(line.encode())
                self._process.stdin.flush()


def kill_session(leader: int) -> None:
    """Kill every process of a session; on systems without /proc its first process group."""
    if not Path("/proc/self/stat").exists():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)
        return
    for pid in _members(leader):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _members(leader: int) -> list[int]:
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it ended meanwhile
                # pid (name) state ppid pgrp session …; the name may hold anything, so count from its end
                if int((entry / "stat").read_text().rpartition(")")[2].split()[3]) == leader:
                    members.append(int(entry.name))
    return members


def main() -> None:
    sessions: set[int] = set()
    for line in sys.stdin:
        if line.startswith("+"):
            sessions.add(int(line[1:]))
        else:
            sessions.discard(int(line[1:]))
    for ready_file in sys.argv[1:]:
        Path(ready_file).unlink(missing_ok=True)
    for session in sessions:
        kill_session(session)


if __name__ == "__main__":
    main()
