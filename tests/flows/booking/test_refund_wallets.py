"""Naming the wallets that refunds are sent from."""

import pytest

from inspired.adapters.crypto.chain_addresses import shown
from inspired.domain.shared.errors import Invalid
from inspired.domain.shared.networks import Kind, Network
from inspired.flows.booking import refund_wallets
from inspired.services import Services

ONE, OTHER = (shown(Network.BEP20, "0x" + letter * 40) for letter in "ab")
TRON = shown(Network.TRC20, "0x" + "c" * 40)


def test_one_in_a_line_each_once_and_as_wallets_show_them(svc: Services):
    number = refund_wallets.name(svc, Kind.EVM, f" {ONE}\n\n{OTHER}\r\n{ONE}")
    refund_wallets.name(svc, Kind.TRON, TRON)

    assert number == 2
    assert refund_wallets.shown(svc, Kind.EVM) == (ONE, OTHER)
    assert refund_wallets.shown(svc, Kind.TRON) == (TRON,)


@pytest.mark.parametrize("text", [f"{ONE}\nwitch collapse practice feed", f"{ONE}\n{'f' * 64}", f"{ONE}\n{TRON}"])
def test_a_line_that_is_no_address_is_refused_without_being_repeated(svc: Services, text: str):
    refund_wallets.name(svc, Kind.EVM, OTHER)

    with pytest.raises(Invalid, match="Line 2: ") as refused:
        refund_wallets.name(svc, Kind.EVM, text)

    assert text.splitlines()[1] not in str(refused.value)
    assert refund_wallets.shown(svc, Kind.EVM) == (OTHER,)


def test_more_than_anybody_needs_are_refused(svc: Services):
    many = "\n".join(shown(Network.BEP20, f"0x{number:040x}") for number in range(1, refund_wallets.MOST + 2))

    with pytest.raises(Invalid, match="At most 20"):
        refund_wallets.name(svc, Kind.EVM, many)


def test_an_empty_list_names_none(svc: Services):
    refund_wallets.name(svc, Kind.EVM, ONE)

    assert refund_wallets.name(svc, Kind.EVM, " \n ") == 0
    assert refund_wallets.shown(svc, Kind.EVM) == ()
