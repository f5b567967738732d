"""Planting a bug: a copy of the project with one place changed, and the one test that has to notice."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.harness import Servers

ROOT = Path(__file__).resolve().parents[2]
TREES = ("inspired", "tests", "templates", "static")
FILES = ("pyproject.toml", "wsgi.py")
LEFT_BEHIND = 'failed on teardown with "AssertionError'
NOTICED = ("AssertionError", "assert ", "Failed: DID NOT RAISE")


@dataclass(frozen=True)
class Bug:
    """`old` stands exactly once in `file`; with `new` in its place, `test` must fail."""

    name: str
    rule: str  # the rule of money it breaks (docs/money.md), or what else
    file: str
    old: str
    new: str
    test: str


@dataclass(frozen=True)
class Outcome:
    """What became of one test: "passed", or the failure's or error's first words."""

    name: str
    kind: str
    words: str = ""

    @property
    def is_noticed(self) -> bool:
        """Failed by what it claims, not because nothing could be imported or started."""
        return self.kind == "failure" and self.words.startswith(NOTICED)

    @property
    def is_checked(self) -> bool:
        """It passed or was noticed, and `inspired check` found after it what the bug had left behind."""
        return self.kind == "error" and self.words.startswith(LEFT_BEHIND)


def copied(folder: Path) -> Path:
    for name in TREES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    return folder


def planted(bug: Bug, text: str) -> str:
    """The file's text with the bug in it. Whoever changes that place has to plant the bug anew."""
    found = text.count(bug.old)
    assert found == 1, f"{bug.name}: the place to change stands {found} times in {bug.file}"
    return text.replace(bug.old, bug.new)


@dataclass(frozen=True)
class Workshop:
    """A copy of the project, the servers its tests use, and a warm Python to run them."""

    project: Path
    servers: Servers
    python: subprocess.Popen[str]

    def run(self, tests: Iterable[str], *options: str) -> list[Outcome]:
        """These tests in a process of their own, in their own order, on databases of their own in our servers."""
        report, output = self.project / "report.xml", self.project / "output.txt"
        report.unlink(missing_ok=True)
        env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
        env |= {
            "MONGODB_URI": self.servers.mongodb_uri,
            "REDIS_URL": self.servers.redis_url,
            "SANDBOX_URL": self.servers.sandbox,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        plugins = ["-p", "pytest_socket", "-p", "pytest_timeout", "-p", "no:cacheprovider"]
        asked = {
            "folder": str(self.project),
            "env": env,
            "arguments": [*plugins, "-q", *options, f"--junit-xml={report}", *tests],
            "output": str(output),
        }
        assert self.python.stdin is not None
        assert self.python.stdout is not None
        print(json.dumps(asked), file=self.python.stdin, flush=True)
        assert self.python.stdout.readline() == "ended\n", "the warm Python is gone"
        assert report.exists(), output.read_text()
        return [_outcome(case) for case in ElementTree.parse(report).iter("testcase")]  # noqa: S314 - our own report

    def with_bug(self, bug: Bug) -> list[Outcome]:
        file = self.project / bug.file
        before = file.read_text(encoding="utf-8")
        _write(file, planted(bug, before))
        try:
            return self.run([bug.test], "-x")
        finally:
            _write(file, before)


@contextlib.contextmanager
def workshop(project: Path, servers: Servers) -> Iterator[Workshop]:
    command = [sys.executable, str(Path(__file__).with_name("warm.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=project) as python:
        yield Workshop(project, servers, python)  # leaving closes its input, which ends it


def _write(file: Path, text: str) -> None:
    """With a time no earlier version had, so that nobody takes a compiled one for this one."""
    newer = file.stat().st_mtime + 10
    file.write_text(text, encoding="utf-8")
    os.utime(file, (newer, newer))


def of_test(outcomes: Iterable[Outcome], test: str) -> list[Outcome]:
    """The outcomes of this test, all its parameters included."""
    path, _, name = test.partition("::")
    whole = f"{path.removesuffix('.py').replace('/', '.')}::{name.partition('[')[0].replace('::', '.')}"
    return [one for one in outcomes if one.name.partition("[")[0] == whole]


def _outcome(case: ElementTree.Element) -> Outcome:
    name = f"{case.get('classname')}::{case.get('name')}"
    for kind in ("error", "failure", "skipped"):
        if (found := case.find(kind)) is not None:
            return Outcome(name, kind, found.get("message", ""))
    return Outcome(name, "passed")
