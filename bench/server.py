"""The choice of the web server (`bench/server_choice`): two minutes by itself, so only where asked for by name."""

import subprocess
import sys

from bench.findings import Findings, NotMeasured
from bench.run import Run
from tests.harness import ROOT


def measure(run: Run) -> Findings:
    command = [sys.executable, "-m", "bench.server_choice", "--rounds", str(run.rounds)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    if said.returncode:
        raise NotMeasured(said.stderr.strip())
    return Findings(details=["```", *said.stdout.strip().splitlines(), "```"])
