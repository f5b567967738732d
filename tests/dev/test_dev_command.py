"""`inspired dev` itself, with the real product: healthy, restarted, ended, started again."""

import os
import signal
import sys
from pathlib import Path

import pytest
import requests

from tests.dev.processes import Started, alive, started
from tests.harness import free_port, listening, wait_until

pytestmark = pytest.mark.slow
PARTS = ["web", "worker", "clock", "watcher", "mongodb", "redis", "sandbox", "mail_catcher"]


def dev(folder: Path, port: int) -> list[str]:
    options = ["--data", str(folder / "data"), "--ready-file", str(folder / "ready.json"), "--port", str(port)]
    return [sys.executable, "-m", "inspired.cli", "dev", *options]


def environment() -> dict[str, str]:
    """Without what points the tests at servers of one's own: here the embedded ones are wanted."""
    return {name: value for name, value in os.environ.items() if name not in ("MONGODB_URI", "REDIS_URL")}


def answers_everywhere(site: Started) -> bool:
    ready = site.ready
    pages = (f"{ready['web']}/healthz", ready["web"], f"{ready['mail']}/api/messages", f"{ready['sandbox']}/")
    return all(requests.get(page, timeout=5).status_code == 200 for page in pages)


def test_everything_is_healthy_restarted_and_ended_without_a_trace(tmp_path: Path) -> None:
    port = free_port()
    with started(dev(tmp_path, port), tmp_path / "ready.json", environment()) as site:
        site.wait_until_ready(60)
        first = site.ready
        assert first["web"] == f"http://127.0.0.1:{port}"
        assert sorted(site.pids) == sorted(PARTS)
        assert answers_everywhere(site)

        for name in PARTS:
            old = site.pids[name]
            os.kill(old, signal.SIGKILL)
            site.wait_for_a_new(name, old)
        assert {**site.ready, "pids": None} == {**first, "pids": None}
        wait_until(lambda: answers_everywhere(site), seconds=20, what="every part's answer")

        pids = site.pids
        assert site.end(signal.SIGINT) == 0
        assert alive(pids) == []
        assert not listening(port)


def test_after_kill_9_nothing_is_left_and_a_second_start_works(tmp_path: Path) -> None:
    port = free_port()
    with started(dev(tmp_path, port), tmp_path / "ready.json", environment()) as site:
        site.wait_until_ready(60)
        first, pids = site.ready, site.pids
        site.end(signal.SIGKILL)
        wait_until(lambda: not alive(pids) and not listening(port), seconds=10, what="the end of all")

    with started(dev(tmp_path, port), tmp_path / "ready.json", environment()) as site:
        site.wait_until_ready(60)

        assert {**site.ready, "pids": None} == {**first, "pids": None}
        assert answers_everywhere(site)
        assert site.end(signal.SIGTERM) == 0


def test_a_second_supervisor_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with started(dev(tmp_path, free_port()), tmp_path / "ready.json", environment()) as site:
        site.wait_until_ready(60)

        with started(dev(tmp_path, free_port()), tmp_path / "none.json", environment()) as other:
            out, err = other.process.communicate(timeout=20)

        assert (other.process.returncode, out) == (1, "")
        assert err.startswith("`inspired dev` already runs on ")
        assert answers_everywhere(site)
