"""What the supervisor promises, shown with children that start at once."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dev.processes import Started, alive, started
from tests.harness import wait_until


def command(folder: Path) -> list[str]:
    return [sys.executable, "-m", "tests.dev.stand_in", str(folder), str(folder / "ready.json")]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Started]:
    with started(command(tmp_path), tmp_path / "ready.json") as supervisor:
        supervisor.wait_until_ready(15)
        yield supervisor


def everyone(running: Started) -> list[int]:
    grandchild = int((running.ready_file.parent / "grandchild").read_text())
    return [*running.pids.values(), grandchild]


def test_ready_file_is_whole_private_and_names_every_process(running: Started) -> None:
    assert set(running.ready) == {
        *("web", "sandbox", "mail", "mongodb_uri", "database", "redis_url", "admin", "binance", "chains", "pids")
    }
    assert running.ready["admin"] == {"email": "ADMIN_EMAIL", "password": "secret"}
    assert running.ready["pids"]["clock"] is None
    assert len(alive(running.pids)) == 4
    assert running.ready_file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["mongodb", "web", "worker"])
def test_a_child_that_dies_is_started_again_and_its_new_pid_told(running: Started, name: str) -> None:
    before = running.pids
    old = everyone(running)

    os.kill(before[name], signal.SIGKILL)
    new = running.wait_for_a_new(name, before[name])

    assert alive([new]) == [new]
    assert {**running.pids, name: 0} == {**before, name: 0}
    if name == "web":  # what it had started is gone as well, so that its port is free
        assert old[-1] not in alive(old)


def test_a_child_that_lives_but_says_it_is_lost_is_started_again(running: Started) -> None:
    """What it said before counts once, and a word that comes in two pieces is one."""
    before = running.pids["mongodb"]

    (running.ready_file.parent / "wish").touch()
    again = running.wait_for_a_new("mongodb", before)

    assert alive([before, again]) == [again]
    time.sleep(0.5)
    assert running.pids["mongodb"] == again
    assert alive([again]) == [again]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_with_code_0(running: Started, number: int) -> None:
    pids = everyone(running)

    assert running.end(number) == 0

    assert alive(pids) == []
    assert not running.ready_file.exists()


def test_kill_9_of_the_supervisor_leaves_nothing(running: Started) -> None:
    pids = everyone(running)

    running.end(signal.SIGKILL)

    wait_until(lambda: not alive(pids), seconds=10, what="the end of all children")
    wait_until(lambda: not running.ready_file.exists(), what="the end of the ready file")


def test_a_child_that_ignores_sigterm_is_killed_after_five_seconds(tmp_path: Path) -> None:
    environment = {**os.environ, "STUBBORN": "1"}
    with started(command(tmp_path), tmp_path / "ready.json", environment) as supervisor:
        supervisor.wait_until_ready(15)
        pids, begun = everyone(supervisor), time.monotonic()

        assert supervisor.end(signal.SIGTERM) == 0

        assert alive(pids) == []
        assert 4.5 < time.monotonic() - begun < 9


def test_a_step_that_fails_is_shown_with_the_end_of_its_log(tmp_path: Path) -> None:
    environment = {**os.environ, "MIGRATION": "raise SystemExit('the database said no')"}
    with started(command(tmp_path), tmp_path / "ready.json", environment) as supervisor:
        out, err = supervisor.process.communicate(timeout=20)

        assert supervisor.process.returncode == 1
        assert out == ""
        assert err.startswith("migrate does not start.")
        assert "the database said no" in err
