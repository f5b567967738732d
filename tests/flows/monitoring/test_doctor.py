"""`inspired doctor`: what it says of each thing outside, well and not."""

from dataclasses import replace

import pytest
from pymongo.database import Database

from inspired.adapters.mongo.receiving import NodeAddress
from inspired.adapters.providers.calendly import SCOPES
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Kind, Network
from inspired.flows.booking import calendar_webhooks
from inspired.flows.monitoring import doctor
from inspired.flows.site import receiving
from inspired.services import Services
from tests.adapters.crypto.test_account_keys import ADDRESSES_TRON, XPUB_TRON
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


class TestNetworks:
    def found(self, svc: Services) -> dict[str, tuple[bool, str]]:
        return {one.what: (one.is_well, one.told) for one in doctor.examine(svc) if "TRON" in one.what}

    def receive(self, svc: Services, sandbox: Servers, text: str = XPUB_TRON) -> None:
        node = NodeAddress(f"{sandbox.sandbox}/chains/TRC20/jsonrpc")
        receiving.receive_at_once(svc, Kind.TRON, text, {Network.TRC20: node})

    def test_of_a_network_that_is_not_set_up_nothing_is_said(self, svc: Services):
        assert self.found(svc) == {}

    def test_source_node_chain_head_and_stock_are_told(self, svc: Services, sandbox: Servers):
        self.receive(svc, sandbox)

        found = self.found(svc)

        is_well, told = found["USDT on TRON"]
        assert is_well
        assert "127.0.0.1 is of the right chain; its newest block is" in told
        assert found["USDT on TRON, addresses"] == (
            True,
            f"come from your account key …{XPUB_TRON[-6:]} (account 0), 20 left to be given out",
        )

    def test_a_node_that_does_not_answer_is_wrong(self, svc: Services, sandbox: Servers):
        self.receive(svc, sandbox)
        sandbox.control("chains/TRC20/faults", {"fault": "refuse", "times": 10})

        assert self.found(svc)["USDT on TRON"][0] is False

    def test_what_was_altered_is_wrong(self, svc: Services, sandbox: Servers, database: Database):
        self.receive(svc, sandbox)
        database["receiving"].update_one({"_id": "source:TRON"}, {"$set": {"value": b"x" * 40}})
        svc.receiving.read_again()

        assert self.found(svc) == {"USDT on TRON, addresses": (False, "cannot be used: altered, or not from here")}

    def test_no_address_left_is_wrong_where_the_network_is_on(self, svc: Services, sandbox: Servers):
        self.receive(svc, sandbox, ADDRESSES_TRON[0])
        svc.chains[Network.TRC20].create(
            trade_no="t" * 27,
            price=Money.parse("75"),
            title="",
            reference="",
            expires_at=svc.now(),
            page_url="",
            seconds=5.0,
        )

        assert self.found(svc)["USDT on TRON, addresses"] == (
            False,
            "come from your list of 1 address, 0 left to be given out",
        )
