"""`inspired dev`: starts the parts in order, restarts what dies, ends everything in reverse order.

One thread on purpose: the kernel's parent-death signal belongs to the *thread* that started a child.
"""

import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from inspired.dev.child import MANY_DEATHS, Child, Part
from inspired.dev.plan import CannotStart, Plan, make_plan
from inspired.dev.reaper import Reaper

TICK = 0.05
PATIENCE = 60.0  # for a group of parts to become healthy; the usual is one or two seconds
GRACE = 5.0  # between SIGTERM and SIGKILL


class Stopped(Exception):  # not an error: somebody pressed Ctrl-C
    """A signal asked us to end."""


def run_dev(data: Path, ready_file: Path | None, port: int | None) -> int:
    """Run everything until Ctrl-C or SIGTERM. The exit code: 0, or 1 with a sentence when it cannot start."""
    data = data.resolve()
    ready_file = ready_file.resolve() if ready_file else None
    try:
        _make(data)
        with _alone_on(data), make_plan(data, port) as plan:
            _run(plan, data / "logs", ready_file)
    except CannotStart as problem:
        print(problem, file=sys.stderr)
        return 1
    except Stopped:
        pass
    return 0


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotStart(f"{folder} cannot be made: {error.strerror}.") from None


def _run(plan: Plan, logs: Path, ready_file: Path | None) -> None:
    def publish(pids: dict[str, int]) -> None:
        if ready_file:
            _write_whole(ready_file, plan.ready(pids))

    with Supervisor(logs, ready_file) as supervisor:
        supervisor.start(plan.foundations)
        for preparation in plan.preparations:
            supervisor.run_once(preparation)
        supervisor.start(plan.product)
        publish(supervisor.pids())
        print(plan.welcome(), flush=True)
        supervisor.watch(publish)


class Supervisor:
    """Keeps groups of children alive. As a context manager: whatever happens inside, none outlives it, and the ready
    file is there only while everything is.
    """

    def __init__(self, logs: Path, ready_file: Path | None = None) -> None:
        _remove(ready_file)
        logs.mkdir(parents=True, exist_ok=True)
        self._logs, self._ready_file = logs, ready_file
        self._groups: list[list[Child]] = []
        self._signals = 0
        self._reaper = Reaper(ready_file)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note_signal)

    def __enter__(self) -> "Supervisor":
        return self

    def __exit__(self, *_: object) -> None:
        _remove(self._ready_file)
        for group in reversed(self._groups):
            self._end(group)
        self._reaper.close()

    def start(self, parts: list[Part]) -> None:
        """Start a group side by side and wait until all of it is healthy."""
        group = [Child(part, self._logs, self._reaper) for part in parts]
        self._groups.append(group)
        for child in group:
            child.start()
        deadline = time.monotonic() + PATIENCE
        while any(child.fresh for child in group):
            self._pause()
            self._tend()
            for child in group:
                child.seen_healthy()
                if child.quick_deaths >= MANY_DEATHS or (child.fresh and time.monotonic() > deadline):
                    raise _does_not_start(child)

    def run_once(self, part: Part) -> None:
        """Run something to its end, which must be a good one."""
        child = Child(part, self._logs, self._reaper)
        child.start()
        self._groups.append([child])
        while (code := child.exit_code()) is None:
            self._pause()
        self._groups.remove([child])
        child.clear()
        if code:
            raise _does_not_start(child)

    def watch(self, changed: Callable[[dict[str, int]], None]) -> None:
        """Restart what dies, and tell the new process ids as soon as the new child is healthy, until a signal."""
        while True:
            self._pause()
            self._tend()
            news = [child for child in self._children() if child.seen_healthy()]
            if news:
                print(f"Started again: {', '.join(child.part.name for child in news)}", flush=True)
                changed(self.pids())

    def pids(self) -> dict[str, int]:
        return {child.part.name: child.pid for child in self._children()}

    def _children(self) -> list[Child]:
        return [child for group in self._groups for child in group]

    def _tend(self) -> None:
        for child in self._children():
            child.tend()

    def _pause(self) -> None:
        time.sleep(TICK)
        if self._signals:
            raise Stopped

    def _end(self, group: list[Child]) -> None:
        """SIGTERM, then SIGKILL after five seconds, or at once when somebody asked twice."""
        for child in group:
            child.ask_to_end()
        deadline = time.monotonic() + GRACE
        while any(child.alive() for child in group) and time.monotonic() < deadline and self._signals < 2:
            time.sleep(TICK)
        for child in group:
            child.clear()

    def _note_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1


def _does_not_start(child: Child) -> CannotStart:
    return CannotStart(f"{child.part.name} does not start. The end of {child.log}:\n{child.last_words()}")


@contextlib.contextmanager
def _alone_on(data: Path) -> Iterator[None]:
    """Hold the folder. The lock is the kernel's, so it goes with us however we end."""
    with (data / "supervisor.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise CannotStart(
                f"`inspired dev` already runs on {data} (process {lock.read().strip() or 'unknown'}): "
                "end it first, or give another folder with --data."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _write_whole(path: Path, content: dict[str, Any]) -> None:
    """By rename, so that a reader never sees half of it; for the owner's eyes, as it holds the passwords."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content, file, indent=2)
    draft.replace(path)


def _remove(path: Path | None) -> None:
    if path:
        path.unlink(missing_ok=True)
