"""`inspired doctor`: are all outside services reachable, and do we have the permissions we need? Read-only."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from inspired.adapters.providers.calendly import SCOPES
from inspired.domain.booking.rails import CAPABILITIES, RailId
from inspired.domain.monitoring.provider_refusals import CAUSES
from inspired.domain.shared.errors import Busy, UpstreamError
from inspired.domain.shared.networks import Network
from inspired.flows.booking import calendar_webhooks
from inspired.flows.catalogue import calendar_drift
from inspired.flows.monitoring.health import NO_RAIL
from inspired.flows.site import receiving
from inspired.services import Services

NODE_SECONDS = 5.0
MOST_SKEW = 0.9  # seconds; Binance refuses requests more than about one off


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    is_well: bool
    told: str


def examine(svc: Services) -> Iterator[Finding]:
    """The findings one after the other, each as soon as it is known."""
    yield _asked("The database", svc.ping, "answers")
    yield _asked("Redis", svc.queue.ping, "answers")
    yield _asked("The mail server", svc.smtp.greet, "lets us in")
    yield from _rails(svc)
    if svc.settings.uses_calendly:
        yield from _calendly(svc)


def _rails(svc: Services) -> Iterator[Finding]:
    """Of what is not set up nothing is said: that is nobody's fault."""
    if RailId.BINANCE_PAY in svc.rails_on:
        name = CAPABILITIES[RailId.BINANCE_PAY].name
        yield _asked(name, svc.rails[RailId.BINANCE_PAY].probe, "accepts our keys")
        yield _clock(svc)
    for network in Network:
        yield from _chain(svc, network)
    if not svc.rails_on:
        yield Finding("A way to pay", False, NO_RAIL)


def _asked(what: str, ask: Callable[[], object], well: str) -> Finding:
    try:
        ask()
    except Busy as error:
        return Finding(what, False, str(error))
    except UpstreamError as error:
        return Finding(what, False, f"{error} {CAUSES.get(error.code, '')}".strip())
    return Finding(what, True, well)


def _clock(svc: Services) -> Finding:
    skew = svc.binance.clock_skew
    if skew is None:
        return Finding("This machine’s clock", False, "could not be compared with Binance’s")
    # Binance's clock comes in whole seconds only.
    is_right = abs(skew) <= MOST_SKEW + 1
    told = "agrees with Binance’s" if is_right else f"differs from Binance’s by {skew:.0f} s, which refuses us then"
    return Finding("This machine’s clock", is_right, told)


def _chain(svc: Services, network: Network) -> Iterator[Finding]:
    """Nothing is said of a network on which the owner receives nothing."""
    standing, name = receiving.standing(svc, network), CAPABILITIES[RailId(network)].name
    if standing.trouble:
        yield Finding(f"{name}, addresses", False, f"cannot be used: {standing.trouble}")
        return
    for number, node in enumerate(standing.nodes, 1):
        what = name if number == 1 else f"{name}, node {number}"
        try:
            head = receiving.head_of(svc, network, node, NODE_SECONDS)
        except UpstreamError as error:
            yield Finding(what, False, f"{node.host}: {error.message}")
            continue
        age = max(0, (svc.now() - head.time) // timedelta(seconds=1))
        yield Finding(what, True, f"{node.host} is of the right chain; its newest block is {head.number}, {age} s old")
    if standing.source is not None:
        is_left = standing.stock is not None and standing.stock.left > 0
        left = f"{standing.stock.left} left to be given out" if standing.stock else "cannot be counted"
        is_on = "" if standing.is_on else "; the network is not switched on"
        told = f"come from your {receiving.described(standing.source)}, {left}{is_on}"
        yield Finding(f"{name}, addresses", is_left or not standing.is_on, told)


def _calendly(svc: Services) -> Iterator[Finding]:
    for scope in SCOPES:
        yield _asked(f"Calendly, {scope}", lambda scope=scope: svc.calendly.try_scope(scope, svc.now()), "allowed")  # type: ignore[misc]
    yield _subscription(svc)
    try:
        differences = calendar_drift.drift(svc)
    except UpstreamError as error:
        differences = [str(error)]
    told = " ".join(differences) or "are what the site offers"
    yield Finding("Calendly’s event types", not differences, told)


def _subscription(svc: Services) -> Finding:
    what = "Calendly’s webhooks"
    if not svc.settings.calendly_keys:
        return Finding(what, False, "CALENDLY_SIGNING_KEYS is missing, so what happens there is seen by asking only")
    try:
        is_connected = calendar_webhooks.is_connected(svc)
    except UpstreamError as error:
        return Finding(what, False, str(error))
    return Finding(what, is_connected, "come here" if is_connected else "do not come here: `inspired calendly connect`")
