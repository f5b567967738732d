"""`inspired doctor`: what it says of each thing outside, well and not."""

from dataclasses import replace

import pytest

from inspired.adapters.providers.calendly import SCOPES
from inspired.flows.booking import calendar_webhooks
from inspired.flows.monitoring import doctor
from inspired.services import Services
from tests.adapters.providers.test_calendly_signing import NEW
from tests.conftest import Mailbox
from tests.harness import Servers, free_port

ALL = ("users:read", "event_types:read", "availability:read", "scheduled_events:write", "webhooks:write")


@pytest.fixture
def env_changes() -> dict[str, str]:
    return {"CALENDAR": "calendly_api", "CALENDLY_SIGNING_KEYS": NEW}


def wrong(svc: Services) -> dict[str, str]:
    return {one.what: one.told for one in doctor.examine(svc) if not one.is_well}


def test_where_all_is_well_nothing_is_wrong_and_nothing_is_changed(svc: Services, sandbox: Servers, mailbox: Mailbox):
    calendar_webhooks.connect(svc)
    before = sandbox.control("events"), svc.calendly.subscriptions()

    assert wrong(svc) == {}
    assert (sandbox.control("events"), svc.calendly.subscriptions()) == before
    assert mailbox.messages == []


@pytest.mark.parametrize("missing", SCOPES)
def test_each_permission_the_token_lacks_is_named(svc: Services, sandbox: Servers, missing: str):
    calendar_webhooks.connect(svc)
    granted = " ".join(one for one in ALL if one != missing)
    sandbox.control("settings", {"calendly_scopes": granted})

    assert wrong(svc)[f"Calendly, {missing}"] == "calendly: our token is not allowed to do this"


def test_reading_is_not_enough_where_something_has_to_be_written(svc: Services, sandbox: Servers):
    granted = " ".join(one.replace(":write", ":read") for one in ALL)
    sandbox.control("settings", {"calendly_scopes": granted})

    assert {"Calendly, scheduled_events:write", "Calendly, webhooks:write"} <= wrong(svc).keys()


def test_webhooks_that_do_not_come_here_are_told_with_the_way_out(svc: Services):
    for one in svc.calendly.subscriptions():
        svc.calendly.unsubscribe(one.uri)

    assert "inspired calendly connect" in wrong(svc)["Calendly’s webhooks"]


def test_without_signing_keys_it_says_so(svc: Services):
    without = replace(svc, settings=svc.settings.model_copy(update={"calendly_signing_keys": NoKeys()}))

    assert "CALENDLY_SIGNING_KEYS is missing" in wrong(without)["Calendly’s webhooks"]


class NoKeys:
    def get_secret_value(self) -> str:
        return ""


def test_what_is_away_is_told_and_the_rest_is_looked_at_all_the_same(svc: Services, sandbox: Servers):
    sandbox.control("faults", {"binance": [{"call": "certificates", "fault": "http_500", "times": 9}]})
    nobody = replace(svc.smtp, port=free_port())

    found = wrong(replace(svc, smtp=nobody))

    assert found["The mail server"] == "mail: ConnectionRefusedError"
    assert "Binance Pay" in found
    assert "The database" not in found


def test_a_clock_that_is_off_is_told(svc: Services):
    svc.binance.certificates()
    svc.binance.clock_skew = 40.0
    ahead = replace(svc, binance=_Answering(svc.binance))

    assert "differs from Binance’s by 40 s" in wrong(ahead)["This machine’s clock"]


class _Answering:
    """As if certificates were known already, so that nothing is asked and the skew stays."""

    def __init__(self, pay) -> None:
        self.clock_skew = pay.clock_skew

    def certificates(self) -> None:
        pass
