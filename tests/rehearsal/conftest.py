"""A stand-in for all drills of a process."""

from collections.abc import Iterator

import pytest

from inspired.rehearsal.stage import Sandbox, sandbox


@pytest.fixture(scope="session")
def stand_in() -> Iterator[Sandbox]:
    with sandbox("Europe/London") as found:
        yield found
