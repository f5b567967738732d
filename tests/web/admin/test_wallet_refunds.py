"""The owner's pages for refunds on chain: what to send and where, what is waited for, and the wallets."""

import pytest
from flask.testing import FlaskClient

from inspired.adapters.crypto.chain_addresses import shown
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.states import State
from inspired.domain.shared.networks import Kind, Network
from inspired.flows.site import receiving
from inspired.services import Services
from tests.flows.on_chain import (
    OTHERS,
    THEIRS,
    Chain,
    confirmed,
    named,
    paid,
    ready,
    receive_on_chain,
    refunded,
)
from tests.harness import Servers
from tests.web.pages import send, words

MINE = shown(Network.TRC20, THEIRS)
GROUPS = " ".join(MINE[at : at + 4] for at in range(0, len(MINE), 4))


@pytest.fixture
def tron(svc: Services, sandbox: Servers) -> Chain:
    receive_on_chain(svc, sandbox)
    return Chain(sandbox, Network.TRC20)


def page_of(booking: Booking) -> str:
    return f"/admin/bookings/{booking.id}/refunds/{booking.refunds[-1].id}/wallet"


def test_before_the_customer_has_confirmed_no_address_is_shown(owner: FlaskClient, svc: Services, tron: Chain):
    booking = named(svc, refunded(svc, paid(svc, tron)), tron)

    page = owner.get(page_of(booking)).text

    assert "has not confirmed an address yet" in words(page)
    assert MINE not in page
    assert GROUPS not in words(page)
    assert "Hash of the transaction" not in page


def test_amount_network_and_address_are_shown_and_the_transaction_is_taken(
    owner: FlaskClient, svc: Services, tron: Chain
):
    booking = ready(svc, tron)
    tx_hash = tron.send(THEIRS, "75")
    tron.finalize()

    page = owner.get(page_of(booking)).text
    after = words(send(owner, page_of(booking), {"transaction": tx_hash}, follow_redirects=True).text)

    assert GROUPS in words(page)
    assert "75 USDT" in words(page)
    assert "only on TRON (TRC20)" in words(page)
    assert "<svg" in page
    assert "The refund of 75 USDT has gone back: the transaction is final" in after
    assert tx_hash in after
    assert svc.bookings.get(booking.id).state is State.REFUNDED
    assert svc.audit.newest(1)[0].what == "refund_sent_from_wallet"


def test_what_does_not_fit_is_told_on_the_page_with_what_was_typed(owner: FlaskClient, svc: Services, tron: Chain):
    booking = ready(svc, tron)
    tx_hash = tron.send(THEIRS, "74")

    short = send(owner, page_of(booking), {"transaction": tx_hash})
    none = send(owner, page_of(booking), {"transaction": "gibberish"})

    assert (short.status_code, none.status_code) == (422, 422)
    assert "1 USDT too little" in words(short.text)
    assert tx_hash in short.text
    assert svc.bookings.get(booking.id).refunds == booking.refunds


def test_without_a_named_wallet_the_page_leads_to_naming_one(owner: FlaskClient, svc: Services, tron: Chain):
    booking = ready(svc, tron)
    receiving.name_wallets_at_once(svc, Kind.TRON, [])

    page = owner.get(page_of(booking)).text

    assert "You have named no wallet yet" in words(page)
    assert "/admin/receiving/wallets/TRON" in page


def test_today_promises_and_the_booking_lead_there_and_none_says_try_again(
    owner: FlaskClient, svc: Services, tron: Chain
):
    booking = ready(svc, tron)

    for where in ("/admin/", "/admin/promises", f"/admin/bookings/{booking.id}"):
        page = owner.get(where).text
        assert page_of(booking) in page, where
        assert "Try again" not in page
        assert "Try the refund" not in page


def test_a_refund_that_waits_for_its_address_is_among_the_promises(owner: FlaskClient, svc: Services, tron: Chain):
    booking = refunded(svc, paid(svc, tron))

    listed = words(owner.get("/admin/promises").text)

    assert page_of(booking) in owner.get("/admin/promises").text
    assert "75 USDT, USDT on TRON: waits for the customer" in listed


def test_a_refund_that_is_not_on_chain_has_no_such_page(owner: FlaskClient, svc: Services, tron: Chain):
    booking = ready(svc, tron)

    assert owner.get(f"/admin/bookings/{booking.id}/refunds/none/wallet").status_code == 404


class TestTwoOwners:
    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {"REFUND_TWO_OWNERS_ABOVE": "50"}

    def test_one_approves_and_does_not_see_the_address(self, owner: FlaskClient, svc: Services, tron: Chain):
        send(owner, "/admin/people", {"email": "second@example.com", "role": "owner"}, page="/admin/people")
        booking = ready(svc, tron)

        before = owner.get(page_of(booking)).text
        send(owner, page_of(booking).replace("/wallet", "/approve"), {}, page=page_of(booking))
        after = owner.get(page_of(booking)).text

        assert "needs two owners" in words(before)
        assert "Approve it" in words(before)
        assert "You have approved it, so somebody else sends it" in words(after)
        assert MINE not in before + after
        assert svc.bookings.get(booking.id).refunds[-1].approved_by


def test_a_changed_address_is_not_shown_until_it_is_confirmed_again(owner: FlaskClient, svc: Services, tron: Chain):
    booking = named(svc, ready(svc, tron), tron, OTHERS)
    assert GROUPS not in words(owner.get(page_of(booking)).text)

    confirmed(svc, booking, tron)
    assert GROUPS in words(owner.get(page_of(booking)).text)
