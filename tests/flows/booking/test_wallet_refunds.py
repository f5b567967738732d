"""Refunds from the owner's wallet, against the sandbox's chains: an address that the customer confirmed, and a transfer
that is final and fits."""

import re
from dataclasses import replace

import pytest

from inspired.adapters.crypto.chain_addresses import shown
from inspired.adapters.crypto.vault import CannotDecrypt
from inspired.domain.accounts.people import Person, Role
from inspired.domain.booking.booking import Booking, Refund
from inspired.domain.booking.history import ObstacleKind
from inspired.domain.booking.ledger import balances
from inspired.domain.booking.states import Flag, RefundStatus, State
from inspired.domain.shared.errors import Conflict, Invalid
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Kind, Network
from inspired.flows.booking import refreshing, refunding, wallet_refunds
from inspired.flows.site import receiving, retention
from inspired.services import Services
from tests.conftest import Mailbox
from tests.flows.on_chain import (
    OTHERS,
    STRANGER,
    THEIRS,
    WALLET,
    Chain,
    confirmed,
    named,
    paid,
    ready,
    receive_on_chain,
    refunded,
    secret_of,
)
from tests.flows.steps import later
from tests.harness import Servers

OWNER, SECOND = "first-owner", "second-owner"


@pytest.fixture(autouse=True)
def chains(svc: Services, sandbox: Servers) -> None:
    receive_on_chain(svc, sandbox)


@pytest.fixture
def tron(sandbox: Servers) -> Chain:
    return Chain(sandbox, Network.TRC20)


@pytest.fixture
def bnb(sandbox: Servers) -> Chain:
    return Chain(sandbox, Network.BEP20)


def only(booking: Booking) -> Refund:
    [refund] = booking.refunds
    return refund


def entered(svc: Services, booking: Booking, tx_hash: str, *, number: int = 0, who: str = OWNER) -> Booking:
    return wallet_refunds.enter_transaction(svc, booking.id, booking.refunds[number].id, tx_hash, who)


def waits_for(refund: Refund) -> ObstacleKind | None:
    return refund.obstacle.kind if refund.obstacle else None


# --- the customer's address -----------------------------------------------------------------------------------------


def test_a_refund_on_chain_asks_the_customer_for_an_address_and_waits(svc: Services, tron: Chain, mailbox: Mailbox):
    booking = refunded(svc, paid(svc, tron))

    asked = [one for one in mailbox.messages if one["subject"].startswith("Where should 75 USDT go?")]
    assert (only(booking).status, waits_for(only(booking))) == (RefundStatus.NEEDS_OWNER, ObstacleKind.ADDRESS_WANTED)
    assert booking.state is State.CANCELLED
    assert not booking.flags & {Flag.REFUND_FAILED, Flag.NEEDS_OWNER}
    assert [one["to"] for one in asked] == ["ann@example.com"]
    assert f"/booking/{booking.token}/refund-address/TRC20" in asked[0].get_body(("plain",)).get_content()
    assert not [one for one in mailbox.messages if "has gone back" in one["subject"]]


@pytest.mark.parametrize("network", Network)
def test_what_was_sent_to_the_confirmed_address_is_refunded_once_it_is_final(
    svc: Services, sandbox: Servers, mailbox: Mailbox, network: Network
):
    chain = Chain(sandbox, network)
    booking = ready(svc, chain)
    tx_hash = chain.send(THEIRS, "75")

    seen = refreshing.refresh(svc, entered(svc, booking, tx_hash).id)
    chain.finalize()
    after = refreshing.refresh(svc, booking.id)

    assert (only(seen).status, seen.state) == (RefundStatus.SENT, State.CANCELLED)
    assert balances(seen.ledger)[network.lower(), "USDT"] == Money.parse("75")
    assert (only(after).status, after.state) == (RefundStatus.DONE, State.REFUNDED)
    # It left the wallet. The address still holds what came, until the owner sweeps it.
    wallet = f"{network.lower()}_wallet"
    held = balances(after.ledger)
    assert (held.get((network.lower(), "USDT")), held.get((wallet, "USDT"))) == (Money.parse("75"), -Money.parse("75"))
    [told] = [one for one in mailbox.messages if "has gone back" in one["subject"]]
    assert tx_hash in told.get_body(("plain",)).get_content()


def test_the_address_the_payment_came_from_is_never_taken(svc: Services, tron: Chain):
    booking = refunded(svc, paid(svc, tron))

    assert booking.refund_addresses == ()
    with pytest.raises(Conflict, match="has not confirmed"):
        wallet_refunds.to_send(svc, booking, only(booking).id, OWNER)
    with pytest.raises(Conflict, match="has not confirmed"):
        entered(svc, booking, tron.send(STRANGER, "75"))


def test_an_address_that_is_not_confirmed_is_not_shown_for_payment(svc: Services, tron: Chain):
    booking = named(svc, refunded(svc, paid(svc, tron)), tron)

    with pytest.raises(Conflict, match="has not confirmed"):
        wallet_refunds.to_send(svc, booking, only(booking).id, OWNER)


def test_a_changed_address_is_told_and_confirmed_again(svc: Services, tron: Chain, mailbox: Mailbox):
    booking = refreshing.refresh(svc, ready(svc, tron).id)
    old = booking.refund_address(Network.TRC20)
    assert old is not None

    changed = refreshing.refresh(svc, named(svc, booking, tron, OTHERS).id)

    assert waits_for(only(changed)) is ObstacleKind.ADDRESS_WANTED
    with pytest.raises(Conflict, match="has not confirmed"):
        wallet_refunds.to_send(svc, changed, only(changed).id, OWNER)
    mails = [one for one in mailbox.messages if one["subject"].startswith("Please confirm your address")]
    assert [one["to"] for one in mails] == ["ann@example.com"]  # the first was confirmed before it was sent
    assert "takes the place" in mails[0].get_body(("plain",)).get_content()
    again = wallet_refunds.confirm_address(svc, booking.token, Network.TRC20, secret_of(svc, changed, tron))
    assert wallet_refunds.to_send(svc, again, only(again).id, OWNER).address == shown(Network.TRC20, OTHERS)


def test_a_link_confirms_the_address_it_was_mailed_for_and_no_other(svc: Services, tron: Chain):
    first = named(svc, refunded(svc, paid(svc, tron)), tron)
    link = secret_of(svc, first, tron)
    named(svc, first, tron, OTHERS)

    for secret in (link, "0" * 32, ""):
        with pytest.raises(Conflict, match="link is for another address"):
            wallet_refunds.confirm_address(svc, first.token, Network.TRC20, secret)

    after = svc.bookings.get(first.id).refund_address(Network.TRC20)
    assert after is not None
    assert after.confirmed_at is None


def test_who_can_write_to_the_database_alone_confirms_no_address(svc: Services, tron: Chain):
    booking = named(svc, refunded(svc, paid(svc, tron)), tron)
    [address] = booking.refund_addresses
    forged = replace(
        booking,
        refund_addresses=(replace(address, confirmed_at=svc.now()),),
        refunds=(replace(only(booking), obstacle=replace(only(booking).obstacle, kind=ObstacleKind.OWNER_SENDS)),),
    )

    with pytest.raises(CannotDecrypt):
        wallet_refunds.address_of(svc, forged, Network.TRC20)
    with pytest.raises(Conflict, match="not the one that the customer confirmed"):
        wallet_refunds.to_send(svc, forged, only(forged).id, OWNER)


@pytest.mark.parametrize("typed", ["TThisIsNoAddressAtAllNoAddressAtAl", "", "0x" + "ab" * 20, "T" + "1" * 33])
def test_a_wrong_address_is_refused_in_a_sentence_and_nothing_is_stored(svc: Services, tron: Chain, typed: str):
    booking = refunded(svc, paid(svc, tron))

    with pytest.raises(Invalid):
        wallet_refunds.name_address(svc, booking.token, Network.TRC20, typed)

    assert svc.bookings.get(booking.id) == booking


def test_our_own_addresses_are_refused_whichever_booking_they_were_given_to(svc: Services, tron: Chain):
    booking, other = refunded(svc, paid(svc, tron)), paid(svc, tron, call=3)
    assert other.order is not None
    given = svc.payment_addresses.find(other.order.trade_no)
    assert given is not None

    for ours in (given.address, WALLET):
        with pytest.raises(Invalid, match="address of ours"):
            named(svc, booking, tron, ours)


def test_the_tokens_own_contract_is_refused(svc: Services, bnb: Chain):
    booking = refunded(svc, paid(svc, bnb))

    with pytest.raises(Invalid, match="USDT itself"):
        named(svc, booking, bnb, Network.BEP20.facts.usdt)


def test_an_address_that_nobody_could_check_is_not_stored_and_can_be_named_later(svc: Services, bnb: Chain):
    booking = refunded(svc, paid(svc, bnb))
    bnb.breaks("refuse")

    with pytest.raises(wallet_refunds.Unchecked, match="could not be checked"):
        named(svc, booking, bnb)

    assert svc.bookings.get(booking.id).refund_addresses == ()


def test_a_booking_that_paid_elsewhere_names_no_address(svc: Services, tron: Chain):
    booking = refunded(svc, paid(svc, tron))

    with pytest.raises(Conflict, match="can go back on Ethereum"):
        wallet_refunds.name_address(svc, booking.token, Network.ERC20, shown(Network.ERC20, THEIRS))


def test_the_address_is_sealed_in_the_database_and_erased_with_the_customer(svc: Services, tron: Chain, database):
    booking = ready(svc, tron)
    stored = str(database["bookings"].find_one({"_id": booking.id}))
    tx_hash = tron.send(THEIRS, "75")
    tron.finalize()
    entered(svc, booking, tx_hash)
    refreshing.refresh(svc, booking.id)
    much_later = later(svc, hours=3)
    refreshing.refresh(much_later, booking.id)

    with pytest.raises(Conflict, match=r"late money|still open|still owed"):
        retention.erase(svc, ready(svc, tron, call=5).id)
    erased = retention.erase(much_later, booking.id)

    assert shown(Network.TRC20, THEIRS) not in stored
    assert THEIRS[2:] not in stored
    assert erased.refund_addresses == ()
    assert only(erased).sent_with is not None
    assert only(erased).sent_with.log.tx_hash == tx_hash


# --- small amounts --------------------------------------------------------------------------------------------------


def test_less_than_the_minimum_is_sent_only_when_the_customer_asks_by_an_address(
    svc: Services, tron: Chain, mailbox: Mailbox
):
    booking = refunded(svc, paid(svc, tron, "75.5"))
    small = booking.refunds[0]

    asked = confirmed(svc, booking, tron)

    assert (str(small.amount), waits_for(small)) == ("0.5", ObstacleKind.TOO_SMALL)
    assert [one["to"] for one in mailbox.messages if "0.5 USDT is left" in one["subject"]] == ["ann@example.com"]
    assert [waits_for(one) for one in asked.refunds] == [ObstacleKind.OWNER_SENDS] * 2


def test_exactly_the_minimum_is_sent_by_itself(svc: Services, tron: Chain):
    booking = paid(svc, tron, "76")

    assert waits_for(refreshing.refresh(svc, booking.id).refunds[0]) is ObstacleKind.ADDRESS_WANTED


# --- the owner's transfer -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "amount", "sender", "why"),
    [
        (THEIRS, "74.999999", WALLET, "0.000001 USDT too little"),
        (THEIRS, "75.000001", WALLET, "0.000001 USDT too much"),
        (OTHERS, "75", WALLET, "sends no USDT to the address"),
        (THEIRS, "75", STRANGER, "a wallet that you have not named"),
    ],
)
def test_a_transfer_that_does_not_fit_settles_nothing_and_is_told_in_words(
    svc: Services, tron: Chain, to: str, amount: str, sender: str, why: str
):
    booking = ready(svc, tron)
    tx_hash = tron.send(to, amount, sender=sender)
    tron.finalize()

    with pytest.raises(Invalid, match=re.escape(why)):
        entered(svc, booking, tx_hash)

    assert svc.bookings.get(booking.id).refunds == booking.refunds


def test_another_token_with_the_same_name_settles_nothing(svc: Services, tron: Chain):
    booking = ready(svc, tron)

    with pytest.raises(Invalid, match="sends no USDT"):
        entered(svc, booking, tron.send(THEIRS, "75", token="FAKE"))


def test_a_transaction_that_no_block_has_and_a_hash_that_is_none_are_refused(svc: Services, tron: Chain):
    booking = ready(svc, tron)

    with pytest.raises(Invalid, match="No block of TRON has this transaction"):
        entered(svc, booking, "0x" + "7" * 64)
    with pytest.raises(Invalid, match="64 digits or letters"):
        entered(svc, booking, "my transaction")


def test_while_no_node_answers_nothing_is_stored(svc: Services, tron: Chain):
    booking = ready(svc, tron)
    tx_hash = tron.send(THEIRS, "75")
    tron.breaks("timeout")

    with pytest.raises(wallet_refunds.Unchecked, match="nothing was stored"):
        entered(svc, booking, tx_hash)

    assert svc.bookings.get(booking.id).refunds == booking.refunds


def test_a_hash_without_0x_as_wallets_of_tron_show_it_is_the_same(svc: Services, tron: Chain):
    booking = ready(svc, tron)

    after = entered(svc, booking, f" {tron.send(THEIRS, '75').removeprefix('0x').upper()} ")

    assert only(after).status is RefundStatus.SENT


def test_blocks_on_top_are_not_finality(svc: Services, tron: Chain):
    booking = ready(svc, tron)
    tx_hash = tron.send(THEIRS, "75")

    tron.mine(3)
    seen = refreshing.refresh(svc, entered(svc, booking, tx_hash).id)

    assert only(seen).status is RefundStatus.SENT


def test_a_refund_that_the_network_takes_back_is_the_owners_again(svc: Services, tron: Chain):
    booking = ready(svc, tron)
    tx_hash = tron.send(THEIRS, "75")
    seen = entered(svc, booking, tx_hash)

    tron.reorganise(1, tx_hash)
    still = refreshing.refresh(svc, booking.id)
    tron.mine(2)
    tron.finalize()
    back = refreshing.refresh(svc, booking.id)
    again = tron.send(THEIRS, "75")
    tron.finalize()
    after = refreshing.refresh(svc, entered(svc, back, again).id)

    assert only(seen).status is only(still).status is RefundStatus.SENT
    assert waits_for(only(back)) is ObstacleKind.TAKEN_BACK
    assert only(back).sent_with is None
    assert (only(after).status, after.state) == (RefundStatus.DONE, State.REFUNDED)


def test_one_transfer_settles_one_refund_of_two_bookings(svc: Services, tron: Chain):
    first, second = ready(svc, tron), ready(svc, tron, call=3)
    tx_hash = tron.send(THEIRS, "75")
    tron.finalize()
    entered(svc, first, tx_hash)

    with pytest.raises(Conflict, match="settles another refund already"):
        entered(svc, second, tx_hash)

    assert only(svc.bookings.get(first.id)).is_gone
    assert not only(svc.bookings.get(second.id)).is_gone


def test_one_transfer_settles_one_refund_of_one_booking(svc: Services, tron: Chain):
    booking = refunded(svc, paid(svc, tron), "20")
    booking = confirmed(svc, refunded(svc, booking, "20"), tron)
    tx_hash = tron.send(THEIRS, "20")
    tron.finalize()
    booking = entered(svc, booking, tx_hash)

    with pytest.raises(Conflict, match="settles another refund already"):
        entered(svc, booking, tx_hash, number=1)

    after = svc.bookings.get(booking.id)
    assert [one.is_gone for one in after.refunds] == [True, False]
    assert balances(after.ledger)["trc20_wallet", "USDT"] == Money.parse("-20")


def test_an_address_cannot_be_changed_while_a_refund_to_it_is_not_final(svc: Services, tron: Chain):
    booking = ready(svc, tron)
    entered(svc, booking, tron.send(THEIRS, "75"))

    with pytest.raises(Conflict, match="was sent already"):
        named(svc, booking, tron, OTHERS)


def test_try_again_is_no_way_for_what_only_a_wallet_can_send(svc: Services, tron: Chain):
    booking = ready(svc, tron)

    with pytest.raises(Conflict, match="cannot be tried again"):
        refunding.try_again(svc, booking.id, only(booking).id)


# --- looking for it -------------------------------------------------------------------------------------------------


def found(svc: Services, booking: Booking) -> Booking:
    return wallet_refunds.find_transaction(svc, booking.id, only(booking).id, OWNER)


@pytest.mark.parametrize("network", Network)
def test_what_a_named_wallet_sent_is_found_without_its_hash(svc: Services, sandbox: Servers, network: Network):
    chain = Chain(sandbox, network)
    booking = ready(svc, chain)
    chain.send(THEIRS, "75", sender=STRANGER)
    chain.send(THEIRS, "74")
    tx_hash = chain.send(THEIRS, "75")
    chain.finalize()

    after = found(svc, booking)

    assert only(after).sent_with is not None
    assert only(after).sent_with.log.tx_hash == tx_hash
    assert (only(after).status, after.state) == (RefundStatus.DONE, State.REFUNDED)


def test_what_a_stranger_sent_is_not_found(svc: Services, tron: Chain):
    booking = ready(svc, tron)
    tron.send(THEIRS, "75", sender=STRANGER)

    with pytest.raises(Invalid, match="Nothing of 75 USDT from a wallet you have named"):
        found(svc, booking)

    assert svc.bookings.get(booking.id).refunds == booking.refunds


def test_what_settles_another_booking_is_passed_over_and_the_next_is_found(svc: Services, tron: Chain):
    first, second = ready(svc, tron), ready(svc, tron, call=3)
    hashes = [tron.send(THEIRS, "75") for _ in range(2)]
    tron.finalize()

    both = [found(svc, first), found(svc, second)]

    assert [only(one).sent_with.log.tx_hash for one in both if only(one).sent_with] == hashes
    assert {one.state for one in both} == {State.REFUNDED}


def test_while_no_node_answers_nothing_is_found_and_the_hash_is_asked_for(svc: Services, tron: Chain):
    booking = ready(svc, tron)
    tron.breaks("refuse")

    with pytest.raises(wallet_refunds.Unchecked, match="enter the transaction's hash instead"):
        found(svc, booking)


# --- two owners -----------------------------------------------------------------------------------------------------


class TestFourEyes:
    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {"REFUND_TWO_OWNERS_ABOVE": "50"}

    def two_owners(self, svc: Services) -> None:
        for who in (OWNER, SECOND):
            svc.people.add(Person(who, f"{who}@example.com", Role.OWNER, svc.now(), svc.vault.new_key(who)))

    def test_where_there_are_two_one_approves_and_another_sends(self, svc: Services, tron: Chain):
        self.two_owners(svc)
        booking = ready(svc, tron)
        refund_id = only(booking).id

        with pytest.raises(Conflict, match="needs two owners"):
            wallet_refunds.to_send(svc, booking, refund_id, OWNER)
        approved = wallet_refunds.approve(svc, booking.id, refund_id, OWNER)
        with pytest.raises(Conflict, match="somebody else sends it"):
            wallet_refunds.to_send(svc, approved, refund_id, OWNER)

        assert wallet_refunds.to_send(svc, approved, refund_id, SECOND).amount == Money.parse("75")

    def test_up_to_the_amount_and_for_a_single_owner_one_is_enough(self, svc: Services, tron: Chain):
        alone = ready(svc, tron)
        assert wallet_refunds.to_send(svc, alone, only(alone).id, OWNER).amount == Money.parse("75")

        self.two_owners(svc)
        little = confirmed(svc, refunded(svc, paid(svc, tron, call=4), "50"), tron)
        assert wallet_refunds.to_send(svc, little, only(little).id, OWNER).amount == Money.parse("50")


def test_wallets_that_are_named_replace_those_before(svc: Services, tron: Chain):
    receiving.name_wallets_at_once(svc, Kind.TRON, [OTHERS])

    booking = ready(svc, tron)
    with pytest.raises(Invalid, match="a wallet that you have not named"):
        entered(svc, booking, tron.send(THEIRS, "75"))
