"""The page of funded addresses: what the owner sweeps to a wallet."""

import pytest
from flask.testing import FlaskClient

from inspired.adapters.crypto.chain_addresses import shown
from inspired.domain.shared.networks import Network
from inspired.flows.site import receiving
from inspired.services import Services
from tests.adapters.crypto.test_account_keys import XPUB_EVM
from tests.flows.booking.test_chain_reconciling import address_of, compared, mended, watched
from tests.flows.on_chain import STRANGER, WALLET, Chain, paid, receive_on_chain
from tests.harness import Servers
from tests.web.pages import send, words

SWEEPS = "/admin/sweeps"


@pytest.fixture
def tron(svc: Services, sandbox: Servers) -> Chain:
    receive_on_chain(svc, sandbox)
    return Chain(sandbox, Network.TRC20)


def test_before_anything_was_paid_the_page_says_so(owner: FlaskClient, tron: Chain):
    page = words(owner.get(SWEEPS).text)

    assert "The addresses have not been looked at yet." in page
    assert "None: no address holds anything." in page


def test_funded_addresses_are_listed_with_path_and_sums_the_most_first(
    owner: FlaskClient, svc: Services, sandbox: Servers, tron: Chain
):
    small, large = paid(svc, tron), paid(svc, Chain(sandbox, Network.BEP20), "80", call=1)
    swept = paid(svc, tron, call=2)
    watched(svc)
    tron.send(WALLET, "75", sender=address_of(svc, swept))
    tron.finalize()
    watched(svc)
    compared(svc)
    asked = len(sandbox.control("chains/TRC20/calls"))

    page = words(owner.get(SWEEPS).text)

    addresses = [shown(one, address_of(svc, of)) for of, one in ((large, Network.BEP20), (small, Network.TRC20))]
    assert page.index(addresses[0]) < page.index(addresses[1])
    assert f"80 BNB Chain {addresses[0]} m/44'/60'/0'/0/0" in page
    assert f"75 TRON {addresses[1]} m/44'/195'/0'/0/0" in page
    assert "TRON 1 75" in page
    assert "BNB Chain 1 80" in page
    assert shown(Network.TRC20, address_of(svc, swept)) not in page, "it is empty"
    assert "costs the network’s fee at each address" in page
    assert len(sandbox.control("chains/TRC20/calls")) == asked, "no node is asked for a page"


def test_an_address_of_a_list_says_that_it_is_from_it(owner: FlaskClient, svc: Services, sandbox: Servers, tron: Chain):
    kind = Network.TRC20.facts.kind
    nodes = {Network.TRC20: svc.receiving.nodes(Network.TRC20, svc.now())[0]}
    receiving.receive_at_once(svc, kind, shown(Network.TRC20, STRANGER), nodes)
    paid(svc, tron)
    watched(svc)
    compared(svc)

    assert f"75 TRON {shown(Network.TRC20, STRANGER)} from your list" in words(owner.get(SWEEPS).text)
    assert XPUB_EVM not in owner.get(SWEEPS).text


def test_the_file_has_the_same_and_its_export_is_recorded(owner: FlaskClient, svc: Services, tron: Chain):
    booking = paid(svc, tron)
    watched(svc)
    compared(svc)

    answer = send(owner, SWEEPS, {})

    head, row = answer.text.lstrip("\ufeff").splitlines()
    assert head == "address,path,network,balance,currency,given out,last movement,looked at"
    address = shown(Network.TRC20, address_of(svc, booking))
    assert row.startswith(f"{address},m/44'/195'/0'/0/0,TRC20,75,USDT,20")
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="sweeps-20')
    entry = svc.audit.newest(1)[0]
    assert (entry.what, entry.detail) == ("sweeps_exported", "1 addresses")


def test_a_difference_is_told_on_the_page_and_among_the_cases(owner: FlaskClient, svc: Services, tron: Chain):
    booking = paid(svc, tron)
    watched(svc)
    tron.breaks("lie")
    compared(svc)

    page, money = words(owner.get(SWEEPS).text), owner.get("/admin/money").text

    address = shown(Network.TRC20, address_of(svc, booking))
    assert f"What differs {address}" in page
    assert "ours: 75 USDT came and 0 USDT left, TRON: it holds 150 USDT" in page
    assert "An address holds something else than what came there less what left." in words(money)
    assert 'href="/admin/sweeps#differs"' in money
    assert owner.get("/admin/runbook/balance_differs").status_code == 200
    mended(tron)


def test_reconcile_now_looks_at_the_addresses_too(owner: FlaskClient, svc: Services, tron: Chain):
    send(owner, "/admin/money/reconcile", {}, page="/admin/money")

    run = svc.runs.get("balances")
    assert run is not None
