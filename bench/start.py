"""`inspired dev` from installed to healthy: from the command to the ready file."""

import tempfile
import time
from pathlib import Path

from bench.findings import Findings
from bench.product import ENVIRONMENT
from bench.run import Run
from tests.journeys.running import running

NEW, WARM = 3, 5


def measure(run: Run) -> Findings:
    found, new, warm = Findings(), [], []
    for number in range(1 if run.quick else NEW):
        with tempfile.TemporaryDirectory() as folder:
            new.append(_seconds_to_start(Path(folder)))
            for _ in range((WARM - number + NEW - 1) // NEW):  # spread over the new ones
                warm.append(_seconds_to_start(Path(folder)))
    found.add("start-warm", warm, f"{len(warm)} starts")
    found.add("start-new", new, f"{len(new)} starts")
    return found


def _seconds_to_start(data: Path) -> float:
    begun = time.monotonic()
    with running(data, **ENVIRONMENT):
        return time.monotonic() - begun
