"""The stand-in's chains are set up in one go, and never where money is real."""

from dataclasses import replace

import pytest

from inspired.domain.booking.rails import ON_CHAIN
from inspired.domain.shared.networks import Kind
from inspired.flows.site import receiving, sandbox_chains
from inspired.services import Services
from tests.harness import Servers


def test_afterwards_every_network_can_be_paid_on(svc: Services, sandbox: Servers):
    sandbox_chains.receive(svc, f"{sandbox.sandbox}/")

    assert svc.rails_on[1:] == ON_CHAIN
    for rail in ON_CHAIN:
        svc.rails[rail].probe()


def test_a_wallet_is_named_for_refunds_unless_the_owner_has_named_another(svc: Services, sandbox: Servers):
    mine = "0x" + "a" * 40
    receiving.name_wallets_at_once(svc, Kind.TRON, [mine])

    sandbox_chains.receive(svc, sandbox.sandbox)

    now = svc.now()
    assert [svc.receiving.wallets(kind, now) for kind in (Kind.TRON, Kind.EVM)] == [
        (mine,),
        (sandbox_chains.OWNERS_WALLET,),
    ]


def test_keys_that_everybody_has_are_never_set_where_money_is_real(svc: Services, sandbox: Servers):
    real = replace(svc, settings=svc.settings.model_copy(update={"binance_pay_environment": None}))

    with pytest.raises(ValueError, match="everybody can spend"):
        sandbox_chains.receive(real, sandbox.sandbox)

    assert not any(svc.rails[rail].is_set_up() for rail in ON_CHAIN)
