"""The screening list: read daily, never lost by a failed read; money from it decides nothing by itself."""

from datetime import timedelta
from pathlib import Path

import pytest

from inspired.adapters.crypto.chain_addresses import shown
from inspired.domain.booking.attention import Matter, matters
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.refunds import OfOneOrder
from inspired.domain.booking.states import Flag, Held, State
from inspired.domain.shared.errors import Invalid, UpstreamError
from inspired.domain.shared.messages import MessageId
from inspired.domain.shared.networks import Network
from inspired.flows.booking import (
    chain_reconciling,
    chain_watching,
    refreshing,
    refunding,
    screening,
    sent_transaction,
    wallet_refunds,
)
from inspired.flows.booking.chain_watching import ChainWatch
from inspired.flows.monitoring import alerting
from inspired.services import Services
from tests.flows.on_chain import OTHERS, STRANGER, THEIRS, Chain, receive_on_chain
from tests.flows.steps import later, live
from tests.harness import Servers

LISTED = STRANGER


@pytest.fixture
def listing(tmp_path: Path) -> Path:
    path = tmp_path / "list.txt"
    path.write_text(f"# not these\n{shown(Network.ERC20, LISTED)}  somebody\n{shown(Network.TRC20, OTHERS)}, another\n")
    return path


@pytest.fixture
def env_changes(listing: Path) -> dict[str, str]:
    return {"SCREENING_LIST": str(listing)}


@pytest.fixture
def tron(svc: Services, sandbox: Servers) -> Chain:
    receive_on_chain(svc, sandbox)
    screening.read(svc)
    return Chain(sandbox, Network.TRC20)


def watched(svc: Services, network: Network = Network.TRC20) -> None:
    ChainWatch(svc, network).round()
    for trade_no in svc.payment_addresses.marked(svc.now() + timedelta(minutes=1), 100):
        chain_watching.tell_of(svc, trade_no)


def came(svc: Services, chain: Chain, booking: Booking, amount: str, sender: str) -> str:
    given = svc.payment_addresses.find(booking.orders[0].trade_no)
    assert given is not None
    tx_hash = chain.send(given.address, amount, sender=sender)
    chain.finalize()
    watched(svc, chain.network)
    return tx_hash


# --- reading it -----------------------------------------------------------------------------------------------------


def test_addresses_of_both_kinds_are_read_in_any_spelling_and_words_beside_them_are_left_out():
    text = f"one,{shown(Network.ERC20, THEIRS)},x\n{THEIRS.upper().replace('X', 'x')}\n\n{shown(Network.TRC20, OTHERS)}"
    text += f"\n# {LISTED}\nT1111111111111111111111111111111111 0x12"

    assert screening.addresses_in(text) == {THEIRS, OTHERS}


@pytest.mark.parametrize("text", ["", "<html>Not found</html>", "# only words", "0x" + "a" * 41])
def test_what_has_no_address_is_no_list(text: str):
    with pytest.raises(UpstreamError, match="no address"):
        screening.addresses_in(text)


def test_too_many_addresses_are_refused():
    with pytest.raises(UpstreamError, match="more than"):
        screening.addresses_in("\n".join(f"0x{number:040x}" for number in range(screening.MOST + 1)))


def test_a_failed_read_leaves_the_last_good_list_and_is_tried_again_after_an_hour(svc: Services, listing: Path):
    screening.read(svc)
    listing.unlink()

    screening.read(svc)

    assert svc.screening.has(LISTED)
    assert svc.screening.state().why == "FileNotFoundError"
    assert not svc.screening.is_due(svc.now() + timedelta(minutes=59))
    assert svc.screening.is_due(svc.now() + timedelta(minutes=61))


def test_a_list_that_is_too_large_is_not_read_into_memory(svc: Services, listing: Path):
    screening.read(svc)
    with listing.open("a") as file:
        file.write("x" * screening.LARGEST)

    screening.read(svc)

    assert svc.screening.state().why == "it is too large"
    assert svc.screening.has(LISTED)


def test_it_is_read_once_a_day_by_the_clock(svc: Services):
    screening.sweep(svc)
    soon = svc.screening.is_due(svc.now())
    screening.read(svc)

    assert not soon
    assert not svc.screening.is_due(svc.now() + timedelta(hours=23))
    assert svc.screening.is_due(svc.now() + timedelta(hours=25))


def test_the_owner_is_told_once_the_list_is_three_days_old(svc: Services):
    screening.read(svc)

    assert alerting.find(later(svc, days=2))["screening_old"] is None
    assert alerting.find(later(svc, days=4))["screening_old"] is not None


def test_the_owner_is_told_of_a_list_that_was_never_read(svc: Services, listing: Path):
    listing.unlink()
    screening.sweep(svc)
    screening.read(svc)

    seen = alerting.find(later(svc, days=4))["screening_old"]

    assert seen is not None
    assert seen.detail == "FileNotFoundError"


class TestFromAnAddress:
    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {"SCREENING_LIST": "https://lists.example.org/list"}

    def test_what_it_answers_is_read_and_anything_but_success_is_a_failure(self, svc: Services, monkeypatch):
        asked = []

        class Answered:
            status, body = 200, f"{LISTED}\n".encode()

        def call(service: str, method: str, url: str, **how: object) -> type[Answered]:
            asked.append((method, url, how["seconds"], how["largest"]))
            return Answered

        monkeypatch.setattr(svc.outside, "call", call)
        screening.read(svc)
        Answered.status = 404
        screening.read(svc)

        assert asked[0] == ("GET", "https://lists.example.org/list", screening.SECONDS, screening.LARGEST)
        assert svc.screening.has(LISTED)
        assert svc.screening.state().why == "HTTP 404"


# --- money from it --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", Network)
def test_it_confirms_nothing_is_promised_back_to_nobody_and_waits_for_the_owner(
    svc: Services, tron: Chain, network: Network
):
    booking, chain = live(svc, rail=RailId(network)), Chain(tron.sandbox, network)

    came(svc, chain, booking, "75", LISTED)

    after = svc.bookings.get(booking.id)
    assert (after.state, after.refunds, after.flags) == (State.PENDING, (), {Flag.NEEDS_OWNER})
    assert [(one.held, str(one.received)) for one in after.orders[1:]] == [(Held.SCREENED, "75")]
    assert matters(after) == (Matter.HELD,)


def test_the_sender_is_stored_nowhere(svc: Services, tron: Chain, database):
    booking = live(svc, rail=RailId.TRC20)
    came(svc, tron, booking, "75", LISTED)

    stored = [*database["transfers"].find(), *database["payment_addresses"].find(), *database["bookings"].find()]

    assert LISTED[2:] not in str(stored)
    assert shown(Network.TRC20, LISTED) not in str(stored)
    assert [one["is_screened"] for one in database["transfers"].find()] == [True]


def test_the_same_amount_from_anybody_else_confirms_the_call(svc: Services, tron: Chain):
    booking = live(svc, rail=RailId.TRC20)

    came(svc, tron, booking, "75", THEIRS)

    assert svc.bookings.get(booking.id).state is State.CONFIRMED


def test_accepted_it_counts_like_any_other_money(svc: Services, tron: Chain):
    booking = live(svc, rail=RailId.TRC20)
    came(svc, tron, booking, "75", LISTED)

    refunding.let_count(svc, booking.id, svc.bookings.get(booking.id).orders[-1].trade_no)
    refreshing.refresh(svc, booking.id)

    assert svc.bookings.get(booking.id).state is State.CONFIRMED


def test_returned_it_takes_the_usual_way_of_refunds(svc: Services, tron: Chain):
    booking = live(svc, rail=RailId.TRC20)
    came(svc, tron, booking, "75", LISTED)

    refunding.refund(svc, booking.id, OfOneOrder(2), cancels=None, note="not taken", request="r1", seen=0)

    after = svc.bookings.get(booking.id)
    assert [str(one.amount) for one in after.refunds] == ["75"]
    assert after.confirmed_at is None


def test_dust_from_it_is_told_to_nobody(svc: Services, tron: Chain):
    booking = live(svc, rail=RailId.TRC20)

    came(svc, tron, booking, "0.005", LISTED)
    came(svc, tron, booking, "75", THEIRS)

    after = svc.bookings.get(booking.id)
    assert (after.state, after.flags, len(after.orders)) == (State.CONFIRMED, frozenset(), 1)


def test_whoever_names_the_transaction_is_told_that_the_owner_looks_at_it(svc: Services, tron: Chain):
    booking = live(svc, rail=RailId.TRC20)
    tx_hash = came(svc, tron, booking, "75", LISTED)

    assert sent_transaction.look(svc, svc.bookings.get(booking.id), tx_hash).id is MessageId.SENT_HELD


def test_the_books_explain_what_waits(svc: Services, tron: Chain):
    booking = live(svc, rail=RailId.TRC20)
    came(svc, tron, booking, "70", LISTED)
    came(svc, tron, booking, "75", THEIRS)

    chain_reconciling.start(svc)
    while chain_reconciling.turn_page(svc):
        pass

    [balance] = svc.chain_balances.funded()
    assert (balance.units, balance.told) == (145_000_000, "")


# --- refunds --------------------------------------------------------------------------------------------------------


def test_an_address_on_it_cannot_be_named_for_a_refund(svc: Services, tron: Chain):
    booking = live(svc, rail=RailId.TRC20)
    came(svc, tron, booking, "80", THEIRS)
    booking = svc.bookings.get(booking.id)

    with pytest.raises(Invalid, match="Nothing can be sent to this address"):
        wallet_refunds.name_address(svc, booking.token, Network.TRC20, shown(Network.TRC20, OTHERS))

    assert svc.bookings.get(booking.id).refund_addresses == ()
