from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.world import Receiver, World, running_sandbox


@pytest.fixture(scope="module")
def _running() -> Iterator[World]:
    with running_sandbox() as world:
        yield world


@pytest.fixture
def world(_running: World) -> World:
    """A sandbox as new."""
    _running.control("reset", {"everything": True})
    return _running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.close()
