"""Every network boundary of what moves money, cut on both sides: the process is killed, started again, and heals.

The numbers are asserted, so that a new call cannot escape: whoever adds one sees here that it is cut as well.
"""

from collections.abc import Iterator

import pymongo
import pytest

from inspired.services import Services
from tests.conftest import Mailbox
from tests.faults import crash_flows
from tests.faults.crash_flows import Flow
from tests.faults.crashes import Killing, World, problems, server_of, through
from tests.faults.forking import Forks, forking
from tests.faults.proxy import Boundaries, Http, Mongo, Redis, Side, Smtp, proxying
from tests.harness import Servers
from tests.web.catcher import Catcher, catching

pytestmark = pytest.mark.slow

FLOWS = [
    (crash_flows.CREATE_AND_LEAVE, 0),
    (crash_flows.CREATE_AND_PAY, 0),
    (crash_flows.WEBHOOK, 0),
    (crash_flows.EXPIRY, 0),
    (crash_flows.GIVE_UP, 0),
]


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with forking() as found:
        yield found


@pytest.fixture
def catcher() -> Iterator[Catcher]:
    with catching() as found:
        yield found


@pytest.fixture
def env_changes(catcher: Catcher) -> dict[str, str]:
    return {"BINANCE_PAY_WEBHOOK_URL": catcher.url}


@pytest.fixture
def world(svc: Services, sandbox: Servers, mailbox: Mailbox, catcher: Catcher) -> Iterator[World]:
    with pymongo.MongoClient(sandbox.mongodb_uri, tz_aware=True) as client:
        yield World(sandbox, svc, mailbox, catcher, client[svc.settings.mongodb_database])


@pytest.fixture
def killing(world: World, forks: Forks, settings_env: dict[str, str], env_changes: dict[str, str]) -> Iterator[Killing]:
    servers, boundaries = world.servers, Boundaries()
    with (
        proxying(Mongo, server_of(servers.mongodb_uri, 27017), boundaries) as mongodb,
        proxying(Redis, server_of(servers.redis_url, 6379), boundaries) as redis,
        proxying(Http, server_of(servers.sandbox, 80), boundaries) as sandbox,
        proxying(Smtp, ("127.0.0.1", servers.smtp_port), boundaries) as smtp,
    ):
        by_proxy = {
            "MONGODB_URI": through(servers.mongodb_uri, mongodb, directConnection="true"),
            "REDIS_URL": through(servers.redis_url, redis),
            "BINANCE_PAY_BASE_URL": through(servers.sandbox, sandbox),
            "SMTP_PORT": str(smtp),
        }
        yield Killing(world, boundaries, forks, {**settings_env, **env_changes, **by_proxy})


@pytest.mark.parametrize(("flow", "number"), FLOWS, ids=[flow.name for flow, _ in FLOWS])
def test_killed_at_any_boundary_everything_still_ends_right(killing: Killing, flow: Flow, number: int):
    names, wrong = killing.uncut(flow)
    again, _ = killing.uncut(flow)
    for at in range(1, len(names) + 1):
        for side in Side:
            wrong += killing.cut(flow, names, at, side)

    assert wrong == []
    assert names == again, "the order of a flow's calls is the same in every run"
    assert len(names) == number, "\n".join(f"{at:3} {name}" for at, name in enumerate(names, 1))


def test_a_flow_that_acknowledges_too_early_is_found_out(killing: Killing):
    flow = crash_flows.TOO_EARLY
    names, wrong = killing.uncut(flow)
    at = names.index("mongo:insert payment_logs") + 1

    before, after = (killing.cut(flow, names, at, side) for side in Side)

    assert wrong == []
    assert before == [f"killed before {at} mongo:insert payment_logs: a notice was acknowledged and is not stored"]
    assert after == []
