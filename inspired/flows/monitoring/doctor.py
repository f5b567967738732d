"""`inspired doctor`: are all outside services reachable, and do we have the permissions we need? Read-only."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from inspired.adapters.providers.calendly import SCOPES
from inspired.domain.booking.rails import CAPABILITIES, RailId
from inspired.domain.monitoring.provider_refusals import CAUSES
from inspired.domain.shared.errors import Busy, UpstreamError
from inspired.flows.booking import calendar_webhooks
from inspired.flows.catalogue import calendar_drift
from inspired.flows.monitoring.health import NO_RAIL
from inspired.services import Services

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
    """Only those that are set up: the others are nobody's fault."""
    for rail in svc.rails_on:
        is_binance = rail is RailId.BINANCE_PAY
        well = "accepts our keys" if is_binance else "has a node that answers"
        yield _asked(CAPABILITIES[rail].name, svc.rails[rail].probe, well)
        if is_binance:
            yield _clock(svc)
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
