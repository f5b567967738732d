"""`inspired rehearse`, as the owner's helper or a release runs it."""

import os
import subprocess
import sys
from typing import Any

import pytest
from pymongo.database import Database

from inspired.adapters.audit import Audit
from inspired.rehearsal.running import DRILLS
from tests.harness import ROOT, Servers
from tests.test_settings import PRODUCTION


def rehearse(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "inspired.cli", "rehearse", *arguments]
    whole = {"PATH": os.environ["PATH"], "LOG_LEVEL": "ERROR", **env}
    return subprocess.run(command, env=whole, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False)


@pytest.fixture
def real_keys(servers: Servers, database: Database[Any]) -> dict[str, str]:
    """A production environment on our own database. Redis is not needed for it."""
    given = {name: value for name, value in PRODUCTION.items() if value is not None}
    return {**given, "MONGODB_URI": servers.mongodb_uri, "MONGODB_DATABASE": database.name}


def test_some_drills_are_played_and_their_verdicts_told(settings_env: dict[str, str], database: Database[Any]):
    done = rehearse(settings_env, "webhook-lost", "too-much")

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [["green", "webhook-lost"], ["green", "too-much"]]


def test_a_drill_nobody_knows_is_said(settings_env: dict[str, str]):
    done = rehearse(settings_env, "no-such-thing")

    assert (done.returncode, done.stderr.strip()) == (2, "There is no drill called no-such-thing.")


def test_a_release_of_the_sandbox_has_nothing_to_rehearse(settings_env: dict[str, str]):
    done = rehearse(settings_env, "--if-closed")

    assert (done.returncode, done.stdout.strip()) == (0, "Payments are open for this version: nothing to rehearse.")


@pytest.mark.slow
def test_with_real_keys_all_of_them_open_the_gate_and_the_next_release_has_nothing_to_do(
    real_keys: dict[str, str], database: Database[Any]
):
    some = rehearse(real_keys, "paid")
    assert some.stdout.splitlines()[-1] == "Payments stay closed until every drill is green."

    done, again = rehearse(real_keys, "--if-closed"), rehearse(real_keys, "--if-closed")

    assert done.returncode == 0, done.stdout
    assert done.stdout.count("green") == len(DRILLS)
    assert done.stdout.splitlines()[-1] == "Payments are open."
    assert again.stdout.strip() == "Payments are open for this version: nothing to rehearse."
    (entry,) = Audit(database).newest(5)
    assert (entry.who, entry.what) == ("command line", "gate opened")
