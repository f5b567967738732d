"""Every network boundary of what moves money, cut on both sides: the process is killed, started again, and heals.

The numbers are asserted, so that a new call cannot escape: whoever adds one sees here that it is cut as well.
A reply that gets lost on its way to a process that lives on is another matter, and tried as well.
"""

import os
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pymongo.database import Database

from inspired.domain.booking.states import State
from inspired.services import Services
from tests.conftest import Mailbox
from tests.faults import crash_flows
from tests.faults.crash_flows import Flow
from tests.faults.crashes import Killing, World, problems
from tests.faults.forking import Forks, forking
from tests.faults.proxy import Boundaries, Http, Mongo, Redis, Side, Smtp, proxying, server_of, through
from tests.flows.steps import live, pay
from tests.harness import Servers
from tests.web.catcher import Catcher

pytestmark = [pytest.mark.slow, pytest.mark.no_cover, pytest.mark.timeout(900)]

FLOWS = [
    (crash_flows.CREATE_AND_LEAVE, 15),
    (crash_flows.CREATE_AND_PAY, 15),
    (crash_flows.WEBHOOK, 48),
    (crash_flows.EXPIRY, 26),
    (crash_flows.GIVE_UP, 19),
    (crash_flows.REFUND, 60),
    (crash_flows.LATE_MONEY, 34),
    (crash_flows.RECONCILIATION, 71),
    (crash_flows.CREATE_ON_CHAIN, 44),
    (crash_flows.TOLD_OF_A_TRANSFER, 42),
    (crash_flows.WATCHERS_ROUND, 21),
]
# Killed after reply n was lost, or before request n + 1 was applied: what is left behind is the same, so that one run
# covers both. The same holds for all requests in a row that alter nothing, and the one that follows them. `make soak`
# does all of them all the same, on both sides, in EVERY_SIDE.
ALTERING_NOTHING = re.compile(
    r"mongo:(find|distinct) .*|redis:(INFO|LLEN)|smtp:(EHLO|MAIL|RCPT|DATA|QUIT)"
    r"|binance:(/v2/order/query|/order/refund/query|/certificates)|/chains/.*"
)
EVERY_SIDE = bool(os.environ.get("EVERY_SIDE"))
# A driver that reconnects costs half a second each time, so the longer ones are for `make soak`.
LOSING = [flow for flow, _ in FLOWS] if EVERY_SIDE else [crash_flows.CREATE_AND_PAY]


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with forking() as found:
        yield found


@pytest.fixture
def env_changes(catcher: Catcher) -> dict[str, str]:
    return {"BINANCE_PAY_WEBHOOK_URL": catcher.url, "OPEN_BOOKINGS_PER_VISITOR": "3"}


@pytest.fixture
def world(
    svc: Services, sandbox: Servers, mailbox: Mailbox, catcher: Catcher, database: Database[dict[str, Any]]
) -> World:
    return World(sandbox, svc, mailbox, catcher, database)


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
    for at, name in enumerate(names, 1):
        if EVERY_SIDE or at == len(names):
            sides = tuple(Side)
        else:
            sides = () if ALTERING_NOTHING.fullmatch(name) else (Side.BEFORE,)
        for side in sides:
            wrong += killing.cut(flow, names, at, side)

    assert wrong == []
    assert names == again, "the order of a flow's calls is the same in every run"
    assert len(names) == number, "\n".join(f"{at:3} {name}" for at, name in enumerate(names, 1))


def test_a_flow_that_acknowledges_too_early_is_found_out(killing: Killing):
    flow = crash_flows.TOO_EARLY
    names, wrong = killing.uncut(flow)
    # The first of these is the evidence of our own question for the certificates.
    at = [number for number, name in enumerate(names, 1) if name == "mongo:insert payment_logs"][-1]

    before, after = (killing.cut(flow, names, at, side) for side in Side)

    assert wrong == []
    assert before == [f"killed before {at} mongo:insert payment_logs: a notice was acknowledged and is not stored"]
    assert after == []


def test_whatever_has_not_come_to_its_end_is_told(world: World):
    world.clean()
    booking = live(world.svc, reminders=())
    other = live(world.svc, call=1, email="bob@example.com")
    assert other.order is not None
    pay(world.servers, booking)
    world.database["bookings"].delete_one({"_id": other.id})
    before = problems(world, ("acknowledged",), [State.CONFIRMED])

    world.pass_time(timedelta(minutes=1))
    after = problems(world, (), [State.CONFIRMED])

    stray = f"order {other.order.trade_no} can be paid and belongs to no booking"
    assert before == [
        "ended ['PENDING'] instead of ['CONFIRMED']",
        "booking is PENDING, with 1 paid orders",
        "booking still owes ['send:held']",
        f"booking is to be looked at again at {booking.check_at}",
        "booking is PENDING and has its slot",
        stray,
        "a notice was acknowledged and is not stored",
    ]
    assert after == [stray]


@pytest.mark.parametrize("flow", LOSING, ids=lambda flow: flow.name)
def test_whichever_reply_is_lost_everything_still_ends_right(killing: Killing, flow: Flow):
    names, wrong = killing.uncut(flow)
    for at in range(1, len(names) + 1):
        wrong += killing.lost(flow, names, at)

    assert wrong == []
