"""Receiving set up in one go, as the stand-in's chains are."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

from inspired.adapters.mongo.receiving import BY_COMMAND, NodeAddress, Receiving
from inspired.domain.shared.errors import Unchanged
from inspired.domain.shared.networks import Kind, Network


def receive(receiving: Receiving, kind: Kind, text: str, nodes: Mapping[Network, NodeAddress], now: datetime) -> None:
    """In force since `now`, compared, and switched on. What is so already stays."""
    source = give_source(receiving, kind, text, now)
    for network, node in nodes.items():
        give_node(receiving, network, node, now)
        if not receiving.is_on(network, now):
            receiving.switch_on(network, source, now, by=BY_COMMAND)


def give_source(receiving: Receiving, kind: Kind, text: str, now: datetime) -> str:
    """Its id."""
    try:
        return receiving.set_source(kind, text, now, by=BY_COMMAND, in_force_at=now).id
    except Unchanged:
        source = receiving.source(kind, now)
        assert source is not None
        return source.id


def give_node(receiving: Receiving, network: Network, node: NodeAddress, now: datetime) -> None:
    with suppress(Unchanged):
        receiving.set_nodes(network, (node,), now, by=BY_COMMAND, in_force_at=now)
