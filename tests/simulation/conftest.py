"""The simulated product: jobs find the world's services, and what is logged as an error fails the test."""

import sys

import pytest
import structlog

from inspired import jobs
from inspired.domain.shared.errors import Busy, UpstreamError
from inspired.flows.booking import refreshing
from inspired.flows.shared import idempotency
from tests.simulation.world import World

AWAY = (Busy, UpstreamError)


class Broken(Exception):
    """The product has caught an error it does not know."""


class InTurn:
    """A pool whose one thread is the caller's: the same run can be run again."""

    def __init__(self, most):
        pass

    def map(self, work, items):
        return [work(item) for item in items]

    def shutdown(self, *, cancel_futures):
        pass


@pytest.fixture
def product(monkeypatch):
    def listen(logger, method, event):
        if method in ("error", "exception", "critical") and not isinstance(sys.exc_info()[1], AWAY):
            raise Broken(event)
        raise structlog.DropEvent

    monkeypatch.setattr(jobs, "services", lambda: World.latest.svc)
    monkeypatch.setattr(refreshing, "ThreadPoolExecutor", InTurn)
    monkeypatch.setattr(
        idempotency, "WAIT_SECONDS", 0
    )  # real ones: whoever it would wait for is never at work beside it
    before = structlog.get_config()
    structlog.configure(processors=[listen], wrapper_class=structlog.make_filtering_bound_logger(40))
    yield
    structlog.configure(**before)
