"""Refunds that the owner sends from a named wallet are found without being entered, and without asking in vain."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from inspired.domain.accounts.people import Person, Role
from inspired.domain.booking.booking import Booking, Refund
from inspired.domain.booking.states import RefundStatus, State
from inspired.domain.shared.errors import Conflict, UpstreamError
from inspired.domain.shared.networks import Kind, Network
from inspired.flows.booking import refreshing, refund_finding, wallet_refunds
from inspired.flows.monitoring import sweeping
from inspired.flows.site import receiving
from inspired.services import Services
from tests.conftest import Mailbox
from tests.flows.on_chain import STRANGER, THEIRS, WALLET, Chain, ready, receive_on_chain
from tests.flows.steps import later
from tests.harness import Servers, wait_until


@pytest.fixture(autouse=True)
def chains(svc: Services, sandbox: Servers) -> None:
    receive_on_chain(svc, sandbox)


@pytest.fixture
def tron(sandbox: Servers) -> Chain:
    return Chain(sandbox, Network.TRC20)


@pytest.fixture
def readings(svc: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What nodes were asked for."""
    asked: list[dict[str, Any]] = []
    for network, chain in svc.chains.items():
        real = chain.looked_through

        def looked_through(addresses: Any, *, _real: Any = real, _network: Network = network, **how: Any) -> Any:
            asked.append({"network": _network, "addresses": addresses, **how})
            return _real(addresses, **how)

        monkeypatch.setattr(chain, "looked_through", looked_through)
    return iter([asked])


@pytest.fixture
def asked(readings: Iterator[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return next(readings)


def only(svc: Services, booking: Booking) -> Refund:
    [refund] = svc.bookings.get(booking.id).refunds
    return refund


@pytest.mark.parametrize("network", Network)
def test_what_a_named_wallet_has_sent_is_found_and_done_once_it_is_final(
    svc: Services, sandbox: Servers, network: Network, mailbox: Mailbox
):
    chain = Chain(sandbox, network)
    booking = ready(svc, chain)
    tx_hash = chain.send(THEIRS, "75")

    found = refund_finding.look(svc)
    in_block = only(svc, booking)
    chain.finalize()
    after = refreshing.refresh(svc, booking.id)

    assert (found, in_block.status) == (1, RefundStatus.SENT)
    assert in_block.sent_with is not None
    assert in_block.sent_with.log.tx_hash == tx_hash
    assert (after.state, after.refunds[0].status) == (State.REFUNDED, RefundStatus.DONE)
    assert [one for one in mailbox.messages if "has gone back" in one["subject"]]


def test_what_was_found_by_itself_meanwhile_can_be_entered_and_looked_for_all_the_same(svc: Services, tron: Chain):
    booking = ready(svc, tron)
    tx_hash = tron.send(THEIRS, "75")
    refund_finding.look(svc)
    found = svc.bookings.get(booking.id)

    entered = wallet_refunds.enter_transaction(svc, booking.id, found.refunds[0].id, tx_hash, "owner")
    looked_for = wallet_refunds.find_transaction(svc, booking.id, found.refunds[0].id, "owner")

    assert entered == looked_for == found
    with pytest.raises(Conflict):
        wallet_refunds.enter_transaction(svc, booking.id, found.refunds[0].id, "0x" + "1" * 64, "owner")


def test_what_a_stranger_sent_or_another_amount_is_not_found(svc: Services, tron: Chain):
    booking = ready(svc, tron)
    tron.send(THEIRS, "75", sender=STRANGER)
    tron.send(THEIRS, "74.99")

    assert refund_finding.look(svc) == 0
    assert only(svc, booking) == booking.refunds[0]


def test_two_refunds_of_the_same_amount_to_the_same_address_have_a_transfer_each(svc: Services, tron: Chain):
    bookings = [ready(svc, tron, call=call) for call in (0, 3)]
    hashes = {tron.send(THEIRS, "75"), tron.send(THEIRS, "75")}

    found = refund_finding.look(svc)

    settled = {one.sent_with.log.tx_hash for booking in bookings if (one := only(svc, booking)).sent_with}
    assert (found, settled) == (2, hashes)


def test_no_node_is_asked_while_no_refund_waits_for_a_wallet_or_none_is_named(
    svc: Services, tron: Chain, asked: list[dict[str, Any]]
):
    refund_finding.look(svc)
    ready(svc, tron)
    receiving.name_wallets_at_once(svc, Kind.TRON, [])
    refund_finding.look(svc)

    assert asked == []


def test_blocks_that_are_final_and_read_are_not_read_again(svc: Services, tron: Chain, asked: list[dict[str, Any]]):
    ready(svc, tron)
    tron.mine(30)
    head = svc.chains[Network.TRC20].head()

    refund_finding.look(svc)
    refund_finding.look(later(svc, minutes=3))

    assert [one["after"] for one in asked] == [-1, head.finalized]
    assert {one["network"] for one in asked} == {Network.TRC20}


def test_it_is_asked_for_the_less_often_the_longer_it_waits(svc: Services, tron: Chain, asked: list[dict[str, Any]]):
    ready(svc, tron)
    first = svc.now()

    def looks(**wait: float) -> int:
        asked.clear()
        for minutes in range(0, 60, 2):
            at = first + timedelta(**wait, minutes=minutes)
            refund_finding.look(replace(svc, now=lambda at=at: at))
        return len(asked)

    assert [looks(hours=1), looks(days=2), looks(days=10)] == [30, 4, 1]


def test_more_blocks_than_one_search_takes_are_read_in_the_next(
    svc: Services, tron: Chain, monkeypatch: pytest.MonkeyPatch
):
    booking = ready(svc, tron)
    tron.mine(40)
    tron.send(THEIRS, "75")
    monkeypatch.setattr(refund_finding, "MOST_BLOCKS", 100)

    found = [refund_finding.look(svc) for _ in range(20)]

    assert sum(found) == 1
    assert only(svc, booking).status is RefundStatus.SENT


def test_while_no_node_answers_nothing_is_lost_and_it_is_found_later(svc: Services, tron: Chain, sandbox: Servers):
    booking = ready(svc, tron)
    tron.send(THEIRS, "75")
    sandbox.control("chains/TRC20/faults", {"fault": "refuse", "times": 1})
    away = refund_finding.look(svc)

    assert away == 0
    wait_until(lambda: refund_finding.look(later(svc, minutes=5)) == 1, what="the end of the back-off")
    assert only(svc, booking).status is RefundStatus.SENT


def test_what_was_found_and_could_not_be_saved_is_found_again(svc: Services, tron: Chain, monkeypatch):
    booking = ready(svc, tron)
    tron.send(THEIRS, "75")
    tron.finalize()

    def away(*_: Any, **__: Any) -> None:
        raise UpstreamError("TRC20 node", "no answer")

    with monkeypatch.context() as patch:
        patch.setattr(svc.chains[Network.TRC20], "mined", away)
        first = refund_finding.look(svc)

    assert (first, refund_finding.look(later(svc, minutes=3))) == (0, 1)
    assert only(svc, booking).status is RefundStatus.DONE


def test_what_was_sent_before_its_wallet_was_named_is_found(svc: Services, tron: Chain):
    booking = ready(svc, tron)
    tron.send(THEIRS, "75", sender=STRANGER)
    tron.finalize()
    before = refund_finding.look(svc)

    receiving.name_wallets_at_once(svc, Kind.TRON, [WALLET, STRANGER])

    assert (before, refund_finding.look(later(svc, minutes=3))) == (0, 1)
    assert only(svc, booking).status is RefundStatus.DONE


class TestFourEyes:
    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {"REFUND_TWO_OWNERS_ABOVE": "70"}

    def test_what_needs_a_second_owner_is_found_once_it_is_approved(self, svc: Services, tron: Chain):
        for who in ("one", "two"):
            svc.people.add(Person(who, f"{who}@example.com", Role.OWNER, svc.now(), svc.vault.new_key(who)))
        booking = ready(svc, tron)
        tron.send(THEIRS, "75")
        tron.finalize()
        before = refund_finding.look(svc)

        wallet_refunds.approve(svc, booking.id, only(svc, booking).id, "one")

        assert (before, refund_finding.look(later(svc, minutes=3))) == (0, 1)


def test_the_clock_has_it_looked_for_every_two_minutes_only_where_wallets_are_named(svc: Services):
    jobs: list[str] = []
    noting = replace(svc, queue=_Noting(jobs))  # type: ignore[arg-type]

    for seconds in (0, 30, 90, 130):
        sweeping.sweep_runs(later(noting, seconds=seconds))
    for kind in Kind:
        receiving.name_wallets_at_once(svc, kind, [])
    sweeping.sweep_runs(later(noting, minutes=10))

    assert jobs.count("find_refunds") == 2


class _Noting:
    def __init__(self, jobs: list[str]) -> None:
        self._jobs = jobs

    def enqueue_mail(self, job: str, *ids: str) -> bool:
        self._jobs.append(job)
        return True
