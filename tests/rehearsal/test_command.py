"""`inspired rehearse`, as the owner's helper or a release runs it."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo.database import Database

from inspired.adapters.mongo.audit import Audit
from inspired.adapters.mongo.rehearsals import Rehearsals
from inspired.adapters.process.version import version
from inspired.domain.monitoring.rehearsals import Record, Run, Verdict
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


def was_green(database: Database[Any], drill: str) -> None:
    rehearsals, now = Rehearsals(database), datetime.now(UTC)
    rehearsals.ask([Run(drill, drill, "somebody", now)])
    run = rehearsals.begin(drill, version(), now)
    assert run is not None
    rehearsals.end(replace(run, verdict=Verdict.GREEN, ended_at=now, record=Record()))


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


def test_with_real_keys_the_last_green_one_opens_the_gate_and_the_next_release_has_nothing_to_do(
    real_keys: dict[str, str], database: Database[Any]
):
    """Each drill by itself is played in test_drills: here all but three were, by somebody before."""
    left = ("paid", "webhook-lost", "too-much")
    for drill in DRILLS:
        if drill.id not in left:
            was_green(database, drill.id)
    some = rehearse(real_keys, "paid")
    assert some.stdout.splitlines()[-1] == "Payments stay closed until every drill is green."

    done, again = rehearse(real_keys, "--if-closed"), rehearse(real_keys, "--if-closed")

    assert done.returncode == 0, done.stdout
    assert [line.split()[:2] for line in done.stdout.splitlines()[:-1]] == [["green", one] for one in left[1:]]
    assert done.stdout.splitlines()[-1] == "Payments are open."
    assert again.stdout.strip() == "Payments are open for this version: nothing to rehearse."
    (entry,) = Audit(database).newest(5)
    assert (entry.who, entry.what) == ("command line", "gate opened")
