"""One round of the watcher over all three networks: beside 100 live addresses, and beside 1,000 live ones and 100,000
that were given out long ago.

The nodes are the stand-in's; what is measured is the product's side and the number of questions it asks.
"""

import os
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from statistics import median
from typing import Any
from unittest.mock import patch

from bench.findings import Findings, table
from bench.goals import number
from bench.run import Run
from bench.stock import AT_ONCE
from inspired import services
from inspired.adapters.mongo.database import connect
from inspired.adapters.mongo.indexes import create_indexes
from inspired.domain.shared.networks import Kind, Network
from inspired.flows.booking.chain_watching import ChainWatch
from inspired.flows.site import sandbox_chains
from inspired.services import Services
from inspired.settings import Settings
from tests import harness

LIVE, OLD = (100, 1_000), (0, 100_000)
QUICK_OLD = (0, 1_000)
ROUNDS, QUICK_ROUNDS = 15, 5
LONG_AGO = timedelta(days=30)
NETWORK = {Kind.EVM: Network.BEP20, Kind.TRON: Network.TRC20}


def measure(run: Run) -> Findings:
    found = Findings()
    with harness.mongodb() as uri, harness.redis_server() as redis_url, harness.sandbox_server() as sandbox:
        servers = harness.Servers(uri, redis_url, sandbox)
        servers.control("settings", {f"{network.lower()}_speed_up": 0 for network in Network})
        took = {
            (live, old): _rounds(servers, f"bench-{live}", live, old, QUICK_ROUNDS if run.quick else ROUNDS)
            for live, old in zip(LIVE, QUICK_OLD if run.quick else OLD, strict=True)
        }
    few, many = took.values()
    found.add("watch", [median(many) / median(few)], "1,000 live and 100,000 old addresses against 100")
    found.details = table(
        ["live", "given out long ago", "median ms", "fastest ms", "slowest ms"],
        [
            [f"{live:,}", f"{old:,}", *map(number, (median(times), min(times), max(times)))]
            for (live, old), times in took.items()
        ],
    )
    return found


def _rounds(servers: harness.Servers, name: str, live: int, old: int, rounds: int) -> list[float]:
    """In ms."""
    environment = servers.settings_env(MONGODB_DATABASE=name, ADDRESS_GAP_LIMIT="10000")
    with patch.dict(os.environ, environment):  # a part after this one has other servers
        svc = services.build(Settings(), database_seconds=30.0, redis_seconds=5.0)
    try:
        sandbox_chains.receive(svc, servers.sandbox)
        database = connect(environment["MONGODB_URI"], name, seconds=60)
        create_indexes(database)
        for kind in Kind:
            documents = list(_addresses(kind, live, old, svc.now()))
            for place in range(0, len(documents), AT_ONCE):
                database["payment_addresses"].insert_many(documents[place : place + AT_ONCE], ordered=False)
        for network in Network:
            _read_lately(svc, network, old)
        watches = [ChainWatch(svc, network) for network in Network]
        for watch in watches:
            watch.round()  # loads the addresses
        return [_round(servers, watches) for _ in range(rounds)]
    finally:
        svc.close()


def _round(servers: harness.Servers, watches: list[ChainWatch]) -> float:
    for network in Network:
        servers.control(f"chains/{network}/mine", {"blocks": 1})
    begun = time.perf_counter()
    for watch in watches:
        watch.round()
    return 1000 * (time.perf_counter() - begun)


def _addresses(kind: Kind, live: int, old: int, now: datetime) -> Iterator[dict[str, Any]]:
    for index in range(old + live):
        yield {
            "_id": f"{kind.lower():>4}{index:020}001",
            "network": str(NETWORK[kind]),
            "kind": str(kind),
            "address": f"0x{index + 1:040x}",
            "index": index,
            "from_blocks": {},
            "wanted": "75000000",
            "enough": "75000000",
            "made_at": now - LONG_AGO if index < old else now,
            "closing_at": None,
            "seen_block": 0,
            "source": "bench",
            "number": index,
        }


def _read_lately(svc: Services, network: Network, old: int) -> None:
    """Old groups are read twice a day; these were just now."""
    head = svc.chains[network].head()
    for group in range(old // 500):
        svc.transfers.advance(f"{network.facts.kind}/{group}", network, head.finalized, svc.now())
