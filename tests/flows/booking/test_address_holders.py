"""An address that somebody else had before: whose money is whose, what waits for the owner, and who sees it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pymongo.database import Database

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.states import Flag, State
from inspired.domain.shared.errors import Conflict
from inspired.domain.shared.messages import MessageId
from inspired.domain.shared.networks import Kind, Network
from inspired.domain.shared.slots import Span
from inspired.flows.booking import address_holders, chain_reconciling, chain_watching, refunding, sent_transaction
from inspired.flows.booking.chain_watching import ChainWatch
from inspired.services import Services
from tests.flows.on_chain import Chain, paid, receive_on_chain
from tests.flows.steps import live
from tests.harness import Servers

DAY = timedelta(days=1)


@pytest.fixture
def tron(svc: Services, sandbox: Servers) -> Chain:
    receive_on_chain(svc, sandbox)
    return Chain(sandbox, Network.TRC20)


def watched(svc: Services, network: Network = Network.TRC20) -> None:
    ChainWatch(svc, network).round()
    for trade_no in svc.payment_addresses.marked(svc.now() + timedelta(minutes=1), 100):
        chain_watching.tell_of(svc, trade_no)


def rested(svc: Services, database: Database, booking: Booking) -> None:
    """Its call took place long ago, and since then nothing moved at its address."""
    start = svc.now() - 100 * DAY

    def long_ago(found: Booking) -> Booking:
        assert found.slot is not None
        slot = replace(found.slot, span=Span(start, start + timedelta(minutes=45)))
        return replace(found, slot=slot, outbox=(), check_at=None)

    svc.bookings.change(booking.id, long_ago)
    moment = svc.now() - timedelta(seconds=1)
    database["payment_addresses"].update_many({}, {"$set": {"resting_until": moment}})


def two_holders(svc: Services, database: Database, chain: Chain) -> tuple[Booking, Booking]:
    """Ann paid and had her call; Bob has her address now."""
    ann = paid(svc, chain)
    watched(svc, chain.network)
    rested(svc, database, ann)
    svc.receiving.give_again(chain.network.facts.kind, svc.now(), by="owner", is_on=True)
    bob = live(svc, rail=RailId(chain.network), email="bob@example.com", call=3)
    assert address_of(svc, bob) == address_of(svc, ann)
    return svc.bookings.get(ann.id), bob


def address_of(svc: Services, booking: Booking) -> str:
    found = svc.payment_addresses.find(booking.orders[0].trade_no)
    assert found is not None
    return found.address


def came(svc: Services, chain: Chain, booking: Booking, amount: str) -> str:
    tx_hash = chain.send(address_of(svc, booking), amount)
    chain.finalize()
    watched(svc, chain.network)
    return tx_hash


@pytest.mark.parametrize("network", Network)
def test_the_present_holders_payment_confirms_the_call_and_touches_no_other_booking(
    svc: Services, sandbox: Servers, database: Database, network: Network
):
    receive_on_chain(svc, sandbox)
    chain = Chain(sandbox, network)
    ann, bob = two_holders(svc, database, chain)

    came(svc, chain, bob, "75")

    assert svc.bookings.get(bob.id).state is State.CONFIRMED
    assert svc.bookings.get(ann.id) == ann


def test_what_may_be_either_ones_waits_and_the_owner_sees_both(svc: Services, database: Database, tron: Chain):
    ann, bob = two_holders(svc, database, tron)

    came(svc, tron, bob, "70")

    after = svc.bookings.get(bob.id)
    assert (after.state, after.flags, after.refunds) == (State.PENDING, {Flag.NEEDS_OWNER}, ())
    assert svc.bookings.get(ann.id) == ann
    [of_ann], [of_bob] = (address_holders.neighbours(svc, svc.bookings.get(one.id)) for one in (ann, bob))
    assert (of_ann.booking_id, of_ann.is_later, of_ann.waits) == (bob.id, True, True)
    assert (of_bob.booking_id, of_bob.is_later, of_bob.waits) == (ann.id, False, False)


def test_a_booking_whose_address_nobody_else_had_has_no_neighbours(svc: Services, tron: Chain):
    assert address_holders.neighbours(svc, live(svc, rail=RailId.TRC20)) == []


def test_told_of_again_and_again_each_transfer_is_held_back_once(svc: Services, database: Database, tron: Chain):
    _, bob = two_holders(svc, database, tron)
    came(svc, tron, bob, "70")
    came(svc, tron, bob, "5")

    chain_watching.tell_of(
        svc, svc.payment_addresses.holders_of(svc.payment_addresses.find(bob.orders[0].trade_no))[0].trade_no
    )

    held = [str(one.received) for one in svc.bookings.get(bob.id).orders if one.held]
    assert held == ["70", "5"]


def test_what_the_owner_lets_count_pays_for_the_call(svc: Services, database: Database, tron: Chain):
    _, bob = two_holders(svc, database, tron)
    came(svc, tron, bob, "70")
    came(svc, tron, bob, "5")

    for order in [one for one in svc.bookings.get(bob.id).orders if one.held]:
        refunding.let_count(svc, bob.id, order.trade_no)
    chain_watching.refreshing.refresh(svc, bob.id)

    assert svc.bookings.get(bob.id).state is State.CONFIRMED
    with pytest.raises(Conflict):
        refunding.let_count(svc, bob.id, bob.orders[0].trade_no)


def test_whoever_names_a_transaction_is_told_whether_it_counts_waits_or_was_before(
    svc: Services, database: Database, tron: Chain
):
    ann, bob = two_holders(svc, database, tron)
    first = came(svc, tron, bob, "70")
    second = came(svc, tron, bob, "75")
    bob = svc.bookings.get(bob.id)

    told = [sent_transaction.look(svc, one, tx).id for one in (bob, ann) for tx in (first, second)]

    assert told == [
        MessageId.SENT_HELD,
        MessageId.SENT_FINAL,
        MessageId.SENT_NOT_YOURS,
        MessageId.SENT_NOT_YOURS,
    ]


def test_the_books_explain_every_unit_at_an_address_that_two_have_had(svc: Services, database: Database, tron: Chain):
    ann, bob = two_holders(svc, database, tron)
    for amount in ("70", "0.005", "75"):
        came(svc, tron, bob, amount)

    chain_reconciling.start(svc)
    while chain_reconciling.turn_page(svc):
        pass

    [balance] = svc.chain_balances.funded()
    assert (balance.units, balance.told) == (220_005_000, "")
    svc.ledger.post(ann.id, svc.bookings.get(ann.id).ledger)
    svc.ledger.post(bob.id, svc.bookings.get(bob.id).ledger)


def test_what_left_an_address_begins_its_rest_anew(svc: Services, database: Database, tron: Chain):
    ann = paid(svc, tron)
    watched(svc)
    rested(svc, database, ann)
    tron.send(address_of(svc, ann), "1", sender=address_of(svc, ann))  # to itself: something moved
    tron.finalize()
    chain_reconciling.start(svc)
    while chain_reconciling.turn_page(svc):
        pass

    assert svc.payment_addresses.count_resting(Kind.TRON, "", svc.now(), 9) == 0
