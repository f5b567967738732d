"""A site without Binance Pay: USDT on chain is enough, nothing waits for Binance. Without any rail nothing is sold."""

import pytest
from flask.testing import FlaskClient

from inspired.adapters.providers.on_chain import OnChain
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.states import State
from inspired.domain.shared.errors import UpstreamError
from inspired.flows.booking import refreshing
from inspired.flows.monitoring import alerting, doctor, health
from inspired.flows.site import sandbox_chains
from inspired.services import Services, build
from tests.harness import Servers
from tests.web.pages import words
from tests.web.public.test_api import create, wanted

SITE_PAGES = ("/", "/how-to-pay", "/terms", "/privacy", "/status", "/book/deep-dive")


@pytest.fixture
def env_changes() -> dict[str, str]:
    return {"BINANCE_PAY_API_KEY": "", "BINANCE_PAY_SECRET_KEY": "", "BINANCE_PAY_WEBHOOK_URL": ""}


@pytest.fixture
def on_chain(svc: Services, sandbox: Servers) -> None:
    sandbox_chains.receive(svc, sandbox.sandbox)
    sandbox.control("settings", {"trc20_speed_up": 0})


@pytest.mark.usefixtures("on_chain")
class TestOnChainAlone:
    def test_a_booking_is_paid_on_tron_from_the_first_page_to_the_confirmation(
        self, client: FlaskClient, svc: Services, sandbox: Servers
    ):
        made = create(client, wanted(client, network=...)).json
        assert (made["method"], made["network"], made["binanceOrderId"]) == ("onchain", "TRC20", None)
        booking = svc.bookings.by_token(made["bookingId"])
        assert "only on TRON" in words(client.get(f"/booking/{made['bookingId']}").text)

        sandbox.control("chains/TRC20/send", {"to": made["paymentAddress"], "amount": made["amount"]})
        seen = refreshing.refresh(svc, booking.id)
        sandbox.control("chains/TRC20/finalize", {})
        final = refreshing.refresh(svc, booking.id)

        assert (seen.state, final.state) == (State.PAID, State.CONFIRMED)
        assert "Paid and confirmed" in words(client.get(f"/booking/{made['bookingId']}").text)

    def test_binance_pay_is_not_offered_and_nobody_gets_it(self, client: FlaskClient, svc: Services):
        found = client.get("/api/payment-methods").json["methods"]
        refused = create(client, wanted(client, method="binance_pay"))

        assert [one["network"] for one in found] == ["TRC20", "BEP20", "ERC20"]
        assert refused.status_code == 409
        assert svc.bookings.due(svc.now(), 10) == []

    @pytest.mark.parametrize("path", SITE_PAGES)
    def test_no_page_speaks_of_binance(self, client: FlaskClient, path: str):
        answer = client.get(path)

        assert answer.status_code == 200
        assert "Binance" not in words(answer.text)

    def test_a_notice_in_binances_name_is_answered_in_its_format_and_not_kept(self, client: FlaskClient, svc: Services):
        answer = client.post("/api/payments/webhook", json={"bizType": "PAY"})

        assert answer.status_code == 404
        assert answer.json == {"returnCode": "FAIL", "returnMessage": "Binance Pay is off at this site"}
        assert svc.logs.refused_since(svc.now().replace(year=2020), 10) == 0

    def test_nothing_asks_binance_and_nothing_is_wrong_for_that(
        self, client: FlaskClient, svc: Services, sandbox: Servers
    ):
        alerting.find(svc)
        found = {one.what: one.is_well for one in doctor.examine(svc)}

        assert sandbox.control("calls") == []
        assert {f"USDT on {name}" for name in ("TRON", "BNB Chain", "Ethereum")} <= found.keys()
        assert all(found[name] for name in found if name.startswith("USDT"))
        assert not [name for name in found if "Binance" in name or "clock" in name]
        parts = {part.title for part in health.examine(svc)}
        assert "USDT on TRON" in parts
        assert not [title for title in parts if "Binance" in title]
        assert client.get("/healthz").json["binance"] == "off"

    def test_an_order_from_the_time_when_it_was_on_stays_as_it_was(self, svc: Services):
        with pytest.raises(UpstreamError, match="off") as caught:
            svc.rails[RailId.BINANCE_PAY].query("x" * 27)

        assert not caught.value.maybe_applied
        assert svc.rails[RailId.BINANCE_PAY].state().failures == 0


@pytest.mark.usefixtures("on_chain")
def test_without_a_method_the_network_that_is_named_is_taken(client: FlaskClient):
    made = create(client, wanted(client, network="ERC20")).json

    assert (made["method"], made["network"]) == ("onchain", "ERC20")


@pytest.mark.usefixtures("on_chain")
def test_when_every_address_is_given_out_nothing_is_held(
    client: FlaskClient, svc: Services, monkeypatch: pytest.MonkeyPatch
):
    body = wanted(client)
    monkeypatch.setattr(OnChain, "has_room", lambda self: False)

    refused = create(client, body)

    assert refused.status_code == 503
    assert "Nothing was held" in refused.json["detail"]
    assert svc.bookings.due(svc.now(), 10) == []


def test_where_money_is_real_the_gate_stands_without_binance_pay_too(svc: Services):
    real = build(
        svc.settings.model_copy(update={"binance_pay_environment": None}), database_seconds=5.0, redis_seconds=1.0
    )

    try:
        assert (real.gate.is_open(), svc.gate.is_open()) == (False, True)
    finally:
        real.close()


class TestWithoutAnyRail:
    def test_the_site_starts_and_sells_nothing(self, client: FlaskClient, svc: Services):
        refused = create(client, {"meetingTypeId": "deep-dive", "customerEmail": "ann@example.com",
                                  "slotStart": "2030-01-01T10:00:00Z"})  # fmt: skip
        page = client.get("/book/deep-dive")

        assert (refused.status_code, page.status_code) == (503, 503)
        assert "takes no payments yet" in refused.json["detail"]
        assert "We take no bookings yet" in words(page.text)
        assert client.get("/api/payment-methods").json == {"methods": []}
        assert client.get("/healthz").status_code == 200
        assert svc.bookings.due(svc.now(), 10) == []

    @pytest.mark.parametrize("path", [path for path in SITE_PAGES if not path.startswith("/book")])
    def test_its_other_pages_are_there(self, client: FlaskClient, path: str):
        assert client.get(path).status_code == 200

    def test_the_owner_is_told_why(self, svc: Services):
        [finding] = [one for one in doctor.examine(svc) if one.what == "A way to pay"]
        [part] = [one for one in health.examine(svc) if one.id == "no_rail"]

        assert not finding.is_well
        assert finding.told == part.detail
        assert "set the keys of Binance Pay, or receive USDT on chain" in part.detail
