"""One child process: its own session, its own log, its own memory of how often it died."""

import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from inspired.adapters.process.processes import ROOT, following_parent
from inspired.dev.reaper import Reaper, kill_session

STEADY = 10.0  # alive this long, a child is no longer said to die in a loop
LONGEST_PAUSE = 5.0
MANY_DEATHS = 4  # in a row


@dataclass(frozen=True)
class Part:
    """What is to be run. `healthy` asks it, in well under a second, whether it does its work. `lost`: once its log says
    this, it will never work again, though it still runs."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    healthy: Callable[[], bool] = lambda: True
    folder: Path | None = None  # made before every start: a test, or a person, may have deleted it
    lost: bytes = b""


class Child:
    def __init__(self, part: Part, logs: Path, reaper: Reaper) -> None:
        self.part = part
        self.log = logs / f"{part.name}.log"
        self.quick_deaths = 0  # in a row
        self.fresh = False  # started, and not yet seen healthy
        self._reaper = reaper
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._next_start = 0.0
        self._log_read = 0

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def age(self) -> float:
        return time.monotonic() - self._started

    def start(self) -> None:
        if self.part.folder:
            self.part.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._log_read = log.tell()
            self._process = subprocess.Popen(
                self.part.command,
                cwd=ROOT,
                env=dict(self.part.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # else a Ctrl-C reaches the databases first
                preexec_fn=following_parent(),  # safe: the supervisor has one thread
            )
        self._reaper.watch(self._process.pid)
        self._started, self._next_start = time.monotonic(), 0.0
        self.fresh = True

    def tend(self) -> None:
        """Start it again if it died, or is lost: at once the first time, after growing pauses if it dies in a loop."""
        if self.alive() and not self._is_lost():
            return
        if self._next_start == 0.0:
            self.clear()
            self.quick_deaths = 0 if self.age > STEADY else self.quick_deaths + 1
            if self.quick_deaths == MANY_DEATHS:
                print(f"{self.part.name} keeps dying: see {self.log}", flush=True)
            pause = 0.0 if self.quick_deaths <= 1 else 0.25 * 2**self.quick_deaths
            self._next_start = time.monotonic() + min(pause, LONGEST_PAUSE)
        if time.monotonic() >= self._next_start:
            self.start()

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _is_lost(self) -> bool:
        """Looked for in what it has written since the last look."""
        size = self.log.stat().st_size if self.part.lost and self.log.exists() else 0
        if size <= self._log_read:
            return False
        with self.log.open("rb") as log:
            log.seek(max(self._log_read - len(self.part.lost), 0))
            said = log.read()
        self._log_read = size
        return self.part.lost in said

    def seen_healthy(self) -> bool:
        """True once per start, when it is first healthy."""
        if self.fresh and self.alive() and self.part.healthy():
            self.fresh = False
            return True
        return False

    def exit_code(self) -> int | None:
        return self._process.poll() if self._process else None

    def ask_to_end(self) -> None:
        if self._process and self.alive():
            self._process.terminate()

    def clear(self) -> None:
        """Kill whatever is left of its session, itself included, so that its port and files are free."""
        if self._process:
            kill_session(self._process.pid)
            self._process.wait()
            self._reaper.forget(self._process.pid)

    def last_words(self, lines: int = 8) -> str:
        said = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(f"    {line}" for line in said[-lines:])
