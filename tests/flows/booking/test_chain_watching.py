"""Watching every address ever given out: what arrives late, twice, on another network, or is taken back is never
overlooked, and a round or a job that is lost loses nothing."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.crypto import chain_addresses
from inspired.adapters.mongo.receiving import BY_COMMAND, NodeAddress
from inspired.adapters.redis.throttle import Breaker
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.history import EventKind
from inspired.domain.booking.ledger import balances
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.states import Flag, State
from inspired.domain.shared.errors import UpstreamError
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Kind, Network
from inspired.flows.booking import chain_watching, payment, refreshing
from inspired.flows.booking.chain_watching import ChainWatch
from inspired.flows.monitoring import alerting, sweeping
from inspired.services import Services
from tests.flows.steps import later, live, receive_on_chain
from tests.harness import Servers

PRICE = "75"


@pytest.fixture
def on_chain(svc: Services, sandbox: Servers) -> None:
    receive_on_chain(svc, sandbox)


pytestmark = pytest.mark.usefixtures("on_chain")


def a_live_booking(svc: Services, rail: RailId = RailId.TRC20) -> Booking:
    booking = live(svc, rail=rail)
    assert booking.order is not None
    assert booking.order.checkout is not None
    return booking


def address_of(booking: Booking) -> str:
    return booking.orders[0].checkout.qr_content


def send(sandbox: Servers, network: str, booking: Booking, amount: str = PRICE) -> str:
    return str(sandbox.control(f"chains/{network}/send", {"to": address_of(booking), "amount": amount})["txHash"])


def chain(sandbox: Servers, network: str, what: str, body: dict[str, Any] | None = None) -> Any:
    return sandbox.control(f"chains/{network}/{what}", {} if body is None else body)


def calls(sandbox: Servers, network: str = "TRC20") -> list[str]:
    name, _, query = network.partition("?")
    return [method for one in sandbox.control(f"chains/{name}/calls?{query}") for method in one["methods"]]


def noted(monkeypatch: pytest.MonkeyPatch, on: type[Any], name: str, written: list[str]) -> None:
    """Each call of this method of a collection adds the collection's name."""
    method = getattr(on, name)

    def noting(self: Any, *args: Any, **more: Any) -> Any:
        written.append(self.name)
        return method(self, *args, **more)

    monkeypatch.setattr(on, name, noting)


def worked(svc: Services) -> None:
    """What the marks ask for, as the sweep and a worker do it."""
    for trade_no in svc.payment_addresses.marked(svc.now() + timedelta(minutes=1), 100):
        chain_watching.tell_of(svc, trade_no)


def test_while_no_address_was_given_out_no_node_is_asked_anything(svc: Services, sandbox: Servers):
    for network in Network:
        assert ChainWatch(svc, network).round() == 0
        assert calls(sandbox, network) == []


@pytest.mark.parametrize("network", Network)
def test_money_is_seen_and_then_final_without_anybody_looking_at_the_page(
    svc: Services, sandbox: Servers, network: Network
):
    booking, watch = a_live_booking(svc, RailId(network)), ChainWatch(svc, network)
    send(sandbox, network, booking)

    watch.round()
    worked(svc)
    seen = svc.bookings.get(booking.id)
    chain(sandbox, network, "finalize")
    watch.round()
    worked(svc)

    assert (seen.state, svc.bookings.get(booking.id).state) == (State.PAID, State.CONFIRMED)


@pytest.mark.parametrize("is_final", [False, True])
def test_a_job_that_tells_of_money_asks_the_chain_once(svc: Services, sandbox: Servers, is_final: bool):
    booking, watch = a_live_booking(svc), ChainWatch(svc, Network.TRC20)
    send(sandbox, "TRC20", booking)
    if is_final:
        chain(sandbox, "TRC20", "finalize")
    watch.round()
    before = len(calls(sandbox))

    worked(svc)

    assert calls(sandbox)[before:].count("eth_getLogs") == 1
    assert svc.bookings.get(booking.id).state is (State.CONFIRMED if is_final else State.PAID)


def test_a_transfer_costs_the_watcher_two_writes_each_time_that_it_tells_of_it(
    svc: Services, sandbox: Servers, monkeypatch: pytest.MonkeyPatch
):
    booking, watch, written = a_live_booking(svc), ChainWatch(svc, Network.TRC20), list[str]()
    watch.round()
    for name in ("insert_one", "insert_many", "update_one", "update_many", "bulk_write", "replace_one", "delete_one"):
        noted(monkeypatch, Collection, name, written)

    send(sandbox, "TRC20", booking)
    watch.round()
    in_a_block = written.copy()
    chain(sandbox, "TRC20", "finalize")
    watch.round()

    assert in_a_block == ["payment_addresses", "transfers"]
    assert written[2:] == ["payment_addresses", "transfer_cursors"]


def test_a_job_that_tells_of_money_in_a_block_takes_the_mark_away_and_writes_nothing_else_there(
    svc: Services, sandbox: Servers, monkeypatch: pytest.MonkeyPatch
):
    booking, written = a_live_booking(svc), list[str]()
    send(sandbox, "TRC20", booking)
    ChainWatch(svc, Network.TRC20).round()
    noted(monkeypatch, Collection, "update_one", written)

    worked(svc)

    assert (svc.bookings.get(booking.id).state, written) == (State.PAID, ["payment_addresses"])


def test_a_block_seen_on_one_network_is_not_expected_of_the_other(svc: Services, sandbox: Servers):
    """An EVM address is watched on both; the blocks of one are numbered far above those of the other."""
    booking = a_live_booking(svc, RailId.ERC20)
    send(sandbox, "BEP20", booking, "1")
    ChainWatch(svc, Network.BEP20).round()
    send(sandbox, "ERC20", booking)
    chain(sandbox, "ERC20", "finalize")
    ChainWatch(svc, Network.ERC20).round()

    worked(svc)

    assert svc.bookings.get(booking.id).orders[0].proven


def test_a_watcher_that_starts_anew_tells_again_of_what_became_final_meanwhile(svc: Services, sandbox: Servers):
    booking, watch = a_live_booking(svc), ChainWatch(svc, Network.TRC20)
    send(sandbox, "TRC20", booking)
    watch.round()
    worked(svc)
    chain(sandbox, "TRC20", "finalize")

    anew = ChainWatch(svc, Network.TRC20)

    assert [anew.round(), anew.round()] == [1, 0]
    worked(svc)
    assert svc.bookings.get(booking.id).state is State.CONFIRMED


def test_what_was_told_of_is_not_told_of_again(svc: Services, sandbox: Servers):
    booking, watch = a_live_booking(svc), ChainWatch(svc, Network.TRC20)
    send(sandbox, "TRC20", booking)

    assert [watch.round(), watch.round()] == [1, 0]
    chain(sandbox, "TRC20", "finalize")
    assert [watch.round(), watch.round()] == [1, 0]
    worked(svc)
    assert svc.payment_addresses.marked(svc.now() + timedelta(days=1), 10) == []


def test_a_watcher_that_starts_anew_tells_of_nothing_twice_and_misses_nothing(svc: Services, sandbox: Servers):
    first, second = a_live_booking(svc), a_live_booking(svc)
    send(sandbox, "TRC20", first)
    chain(sandbox, "TRC20", "finalize")
    ChainWatch(svc, Network.TRC20).round()
    send(sandbox, "TRC20", second)

    anew = ChainWatch(svc, Network.TRC20)

    assert [anew.round(), anew.round()] == [1, 0]


def test_money_that_a_reorganisation_takes_away_is_told_of(svc: Services, sandbox: Servers):
    booking, watch = a_live_booking(svc), ChainWatch(svc, Network.TRC20)
    sent = send(sandbox, "TRC20", booking)
    watch.round()
    worked(svc)

    chain(sandbox, "TRC20", "reorg", {"depth": 1, "drop": [sent]})
    watch.round()
    worked(svc)

    after = svc.bookings.get(booking.id)
    assert (after.state, [event.kind for event in after.history][-2:]) == (
        State.PENDING,
        [EventKind.TAKEN_BACK, EventKind.PENDING],
    )
    assert svc.transfers.at(svc.payment_addresses.find(booking.orders[0].trade_no).address, Network.TRC20) == []


def test_a_transaction_that_moves_to_another_block_is_counted_once(svc: Services, sandbox: Servers):
    booking, watch = a_live_booking(svc), ChainWatch(svc, Network.TRC20)
    send(sandbox, "TRC20", booking)
    watch.round()
    chain(sandbox, "TRC20", "reorg", {"depth": 1, "drop": []})
    watch.round()
    chain(sandbox, "TRC20", "finalize")
    watch.round()
    worked(svc)

    after = svc.bookings.get(booking.id)
    assert (after.state, str(after.orders[0].received)) == (State.CONFIRMED, PRICE)


def test_money_days_after_the_end_is_found_and_counted(svc: Services, sandbox: Servers):
    booking, watch = a_live_booking(svc), ChainWatch(svc, Network.TRC20)
    watch.round()
    sandbox.control("clock", {"advance_s": 3600})
    chain(sandbox, "TRC20", "mine", {"blocks": 1})
    after_the_end = later(svc, hours=1)
    ended = refreshing.refresh(after_the_end, booking.id)
    assert ended.state is State.EXPIRED

    send(sandbox, "TRC20", booking)
    chain(sandbox, "TRC20", "finalize")
    ChainWatch(after_the_end, Network.TRC20).round()
    worked(after_the_end)

    after = svc.bookings.get(booking.id)
    assert Flag.PAID_LATE in after.flags
    assert str(after.orders[0].received) == PRICE


def test_the_price_sent_twice_to_a_confirmed_booking_is_seen_as_a_surplus(svc: Services, sandbox: Servers):
    booking, watch = a_live_booking(svc), ChainWatch(svc, Network.TRC20)
    send(sandbox, "TRC20", booking)
    chain(sandbox, "TRC20", "finalize")
    watch.round()
    worked(svc)

    send(sandbox, "TRC20", booking)
    chain(sandbox, "TRC20", "finalize")
    watch.round()
    worked(svc)

    after = svc.bookings.get(booking.id)
    assert (after.state, str(after.orders[0].received)) == (State.CONFIRMED, "150")
    assert [str(refund.amount) for refund in after.refunds] == [PRICE]


@pytest.mark.parametrize(("asked", "sent_on"), [("BEP20", "ERC20"), ("ERC20", "BEP20")])
def test_usdt_sent_on_the_other_evm_network_counts_as_what_it_is(
    svc: Services, sandbox: Servers, asked: str, sent_on: str
):
    booking, watch = a_live_booking(svc, RailId(asked)), ChainWatch(svc, Network(sent_on))
    watch.round()
    hash_ = send(sandbox, sent_on, booking)
    chain(sandbox, sent_on, "finalize")

    watch.round()
    worked(svc)
    worked(svc)

    after = svc.bookings.get(booking.id)
    assert after.state is State.CONFIRMED
    assert [(order.rail, order.has_money) for order in after.orders] == [
        (RailId(asked), False),
        (RailId(sent_on), True),
    ]
    assert after.orders[1].transaction_id == hash_
    assert balances(after.ledger)[sent_on.lower(), "USDT"] == Money.parse(PRICE)
    assert EventKind.OTHER_NETWORK in [event.kind for event in after.history]


def test_dust_on_another_network_is_told_to_nobody(svc: Services, sandbox: Servers):
    booking, watch = a_live_booking(svc, RailId.BEP20), ChainWatch(svc, Network.ERC20)
    send(sandbox, "ERC20", booking, "0.000001")
    chain(sandbox, "ERC20", "finalize")

    watch.round()
    worked(svc)

    after = svc.bookings.get(booking.id)
    assert (len(after.orders), after.state, after.flags) == (1, State.PENDING, frozenset())


def test_a_mark_is_kept_until_the_node_has_answered(svc: Services, sandbox: Servers):
    booking, watch = a_live_booking(svc), ChainWatch(svc, Network.TRC20)
    send(sandbox, "TRC20", booking)
    watch.round()

    chain(sandbox, "TRC20", "faults", {"fault": "refuse", "times": 2})
    worked(svc)
    unasked = svc.bookings.get(booking.id).state
    worked(svc)

    assert (unasked, svc.bookings.get(booking.id).state) == (State.PENDING, State.PAID)


def test_what_moves_while_it_is_told_of_is_told_of_again(svc: Services, sandbox: Servers):
    booking, watch = a_live_booking(svc), ChainWatch(svc, Network.TRC20)
    send(sandbox, "TRC20", booking)
    watch.round()
    before = svc.payment_addresses.moved(booking.orders[0].trade_no)
    chain(sandbox, "TRC20", "finalize")
    watch.round()

    svc.payment_addresses.done(before)

    assert svc.payment_addresses.marked(svc.now() + timedelta(minutes=1), 10) == [booking.orders[0].trade_no]


def test_the_sweep_enqueues_what_a_lost_queue_held(svc: Services, sandbox: Servers):
    booking, watch = a_live_booking(svc), ChainWatch(svc, Network.TRC20)
    send(sandbox, "TRC20", booking)
    watch.round()
    waiting = svc.queue.webhooks_waiting()

    sweeping.sweep(later(svc, minutes=1), sweeping.Enqueued())

    assert svc.queue.webhooks_waiting() == waiting + 1


def test_a_cursor_is_not_moved_before_what_it_passed_is_stored(svc: Services, sandbox: Servers, monkeypatch):
    booking, watch = a_live_booking(svc), ChainWatch(svc, Network.TRC20)
    group = svc.payment_addresses.find(booking.orders[0].trade_no).group
    watch.round()
    before = svc.transfers.cursor(group, Network.TRC20)
    send(sandbox, "TRC20", booking)
    chain(sandbox, "TRC20", "finalize")
    monkeypatch.setattr(svc.transfers, "store", lambda changes: (_ for _ in ()).throw(UpstreamError("mongo", "gone")))

    with pytest.raises(UpstreamError):
        watch.round()

    assert svc.transfers.cursor(group, Network.TRC20) == before
    monkeypatch.undo()
    assert ChainWatch(svc, Network.TRC20).round() == 1


def test_a_cursor_stops_at_the_final_block(svc: Services, sandbox: Servers):
    booking, watch = a_live_booking(svc), ChainWatch(svc, Network.TRC20)
    group = svc.payment_addresses.find(booking.orders[0].trade_no).group
    chain(sandbox, "TRC20", "mine", {"blocks": 5})

    watch.round()

    head = svc.chains[Network.TRC20].head()
    assert head.finalized < head.number
    assert svc.transfers.cursor(group, Network.TRC20).block == head.finalized


def test_an_address_given_out_and_paid_while_a_round_begins_is_not_passed_over(
    svc: Services, sandbox: Servers, monkeypatch
):
    a_live_booking(svc)
    watch, chain_ = ChainWatch(svc, Network.TRC20), svc.chains[Network.TRC20]
    late: list[Booking] = []
    asked = chain_.head

    def head_after_a_booking(**more: Any) -> Any:
        if not late:
            late.append(a_live_booking(svc))
            send(sandbox, "TRC20", late[0])
            chain(sandbox, "TRC20", "finalize")
        return asked(**more)

    monkeypatch.setattr(chain_, "head", head_after_a_booking)
    moved = [watch.round(), watch.round()]

    assert sum(moved) == 1


def test_addresses_of_long_ago_are_still_read_but_not_in_each_round(svc: Services, sandbox: Servers):
    a_live_booking(svc)
    watch = ChainWatch(later(svc, days=4), Network.TRC20)
    watch.round()
    before = calls(sandbox).count("eth_getLogs")

    watch.round()
    in_the_same_hour = calls(sandbox).count("eth_getLogs")
    watch._svc = later(svc, days=5)
    watch.round()

    assert before == in_the_same_hour > 0
    assert calls(sandbox).count("eth_getLogs") == before + 1


# --- another node in the place of one that hid money ------------------------------------------------------------------


def set_node(svc: Services, sandbox: Servers, path: str, network: Network = Network.TRC20) -> None:
    node, now = NodeAddress(f"{sandbox.sandbox}/chains/{network}/{path}"), svc.now()
    svc.receiving.set_nodes(network, (node,), now, by=BY_COMMAND, in_force_at=now)


def hide(sandbox: Servers, network: str = "TRC20") -> None:
    """The first node does not tell of transfers any more."""
    chain(sandbox, network, "faults", {"fault": "empty", "times": 100_000})


def a_hidden_payment(svc: Services, sandbox: Servers, watch: ChainWatch) -> Booking:
    """Final, and below the cursor of its group."""
    booking = a_live_booking(svc)
    hide(sandbox)
    send(sandbox, "TRC20", booking)
    chain(sandbox, "TRC20", "finalize")
    watch.round()
    cursor = svc.transfers.cursor("TRON/0", Network.TRC20)
    assert cursor is not None
    assert svc.transfers.final_in("TRON/0", Network.TRC20, cursor.block) == []
    return booking


def test_what_a_replaced_node_had_hidden_below_the_cursor_is_found_and_told(svc: Services, sandbox: Servers):
    watch = ChainWatch(svc, Network.TRC20)
    booking = a_hidden_payment(svc, sandbox, watch)
    cursor = svc.transfers.cursor("TRON/0", Network.TRC20)
    assert [watch.round(), svc.bookings.get(booking.id).state] == [0, State.PENDING]

    set_node(svc, sandbox, "nodes/2/jsonrpc")
    found = [watch.round(), watch.round()]
    worked(svc)

    assert found == [1, 0]
    assert svc.bookings.get(booking.id).state is State.CONFIRMED
    after = svc.transfers.cursor("TRON/0", Network.TRC20)
    assert cursor is not None
    assert after is not None
    assert after.block >= cursor.block
    told = alerting.find(svc)["node_hid_money"]
    assert told is not None
    assert told.detail == "TRON: 1 address"
    assert alerting.find(later(svc, hours=25))["node_hid_money"] is None


def test_what_only_the_node_before_told_of_stays(svc: Services, sandbox: Servers):
    booking, watch = a_live_booking(svc), ChainWatch(svc, Network.TRC20)
    send(sandbox, "TRC20", booking)
    chain(sandbox, "TRC20", "finalize")
    watch.round()
    chain(sandbox, "TRC20", "faults", {"fault": "empty", "times": 100_000, "node": 2})

    set_node(svc, sandbox, "nodes/2/jsonrpc")
    for _ in range(3):
        watch.round()
    worked(svc)

    assert svc.bookings.get(booking.id).state is State.CONFIRMED
    assert alerting.find(svc)["node_hid_money"] is None


def test_a_part_is_read_again_in_each_round_and_a_new_watcher_goes_on_with_the_next(
    svc: Services, sandbox: Servers, monkeypatch: pytest.MonkeyPatch
):
    watch = ChainWatch(svc, Network.TRC20)
    booking = a_hidden_payment(svc, sandbox, watch)
    chain(sandbox, "TRC20", "mine", {"blocks": 100})
    watch._svc = later(svc, minutes=1)
    watch.round()
    monkeypatch.setattr(chain_watching, "MOST_BLOCKS", 10)
    set_node(svc, sandbox, "nodes/2/jsonrpc")

    parts = []
    for _ in range(4):
        ChainWatch(svc, Network.TRC20).round()
        parts.append(svc.transfers.read_again(Network.TRC20)["TRON/0"].block)

    assert [after - before for before, after in pairwise(parts)] == [10, 10, 10]
    worked(svc)
    assert svc.bookings.get(booking.id).state is State.CONFIRMED


def test_what_was_hidden_is_stored_before_its_blocks_are_passed(
    svc: Services, sandbox: Servers, monkeypatch: pytest.MonkeyPatch
):
    watch = ChainWatch(svc, Network.TRC20)
    a_hidden_payment(svc, sandbox, watch)
    set_node(svc, sandbox, "nodes/2/jsonrpc")

    def dies(_: Any) -> None:
        raise KeyboardInterrupt

    head = svc.chains[Network.TRC20].head()
    with monkeypatch.context() as patch:
        patch.setattr(svc.transfers, "store", dies)
        with pytest.raises(KeyboardInterrupt):
            watch._read_again(head)

    assert sum(ChainWatch(svc, Network.TRC20).round() for _ in range(2)) == 1


def test_what_reached_an_address_before_it_was_given_out_is_not_its_orders(svc: Services, sandbox: Servers):
    a_live_booking(svc)
    watch = ChainWatch(svc, Network.TRC20)
    watch.round()
    source = svc.receiving.source(Kind.TRON, svc.now())
    assert source is not None
    next_one = chain_addresses.shown(Network.TRC20, source.address(1))
    chain(sandbox, "TRC20", "send", {"to": next_one, "amount": PRICE})
    chain(sandbox, "TRC20", "finalize")
    watch.round()
    second = a_live_booking(svc)
    assert address_of(second) == next_one
    watch.round()

    set_node(svc, sandbox, "nodes/2/jsonrpc")

    assert sum(watch.round() for _ in range(3)) == 0
    worked(svc)
    assert svc.bookings.get(second.id).state is State.PENDING


def test_nothing_is_read_again_while_the_node_is_the_same_or_after_it_was_done(svc: Services, sandbox: Servers):
    booking, watch = a_live_booking(svc), ChainWatch(svc, Network.TRC20)
    send(sandbox, "TRC20", booking)
    chain(sandbox, "TRC20", "finalize")
    watch.round()

    def asked() -> int:
        """For logs, in one round after one block more."""
        chain(sandbox, "TRC20", "mine", {"blocks": 1})
        nodes = ("TRC20", "TRC20?node=2")
        before = sum(calls(sandbox, node).count("eth_getLogs") for node in nodes)
        watch.round()
        return sum(calls(sandbox, node).count("eth_getLogs") for node in nodes) - before

    same = asked()
    set_node(svc, sandbox, "nodes/2/jsonrpc")

    assert (same, asked(), asked()) == (1, 2, 1)


def test_a_node_that_knows_no_old_blocks_holds_up_nothing(svc: Services, sandbox: Servers):
    watch = ChainWatch(svc, Network.TRC20)
    a_hidden_payment(svc, sandbox, watch)
    set_node(svc, sandbox, "nodes/2/jsonrpc")
    watch._svc = replace(svc, chains={Network.TRC20: svc.chains[Network.TRC20]})

    def forgot(*_: Any, **__: Any) -> None:
        raise UpstreamError("TRC20 node", "pruned")

    chain_ = svc.chains[Network.TRC20]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chain_, "told_again", forgot)
        first = watch.round()
    in_the_same_minute = watch.round()
    watch._svc = later(svc, minutes=11)

    assert (first, in_the_same_minute, watch.round()) == (0, 0, 1)


def test_one_network_down_leaves_the_others_be(svc: Services, sandbox: Servers):
    on_tron, on_bnb = a_live_booking(svc), a_live_booking(svc, RailId.BEP20)
    send(sandbox, "TRC20", on_tron)
    send(sandbox, "BEP20", on_bnb)
    chain(sandbox, "TRC20", "faults", {"fault": "refuse", "times": 1})

    with pytest.raises(UpstreamError):
        ChainWatch(svc, Network.TRC20).round()
    assert ChainWatch(svc, Network.BEP20).round() == 1


def test_a_node_that_is_away_takes_its_network_from_the_offer_though_nobody_has_a_booking(
    svc: Services, sandbox: Servers
):
    a_live_booking(svc)
    watch = ChainWatch(svc, Network.TRC20)
    chain(sandbox, "TRC20", "faults", {"fault": "refuse", "times": 1000})

    pauses = [watch.turn() for _ in range(5)]

    assert sum(pauses[:4]) < 60, "five failures within a minute open the breaker"
    assert svc.chains[Network.TRC20].state().open
    assert RailId.TRC20 not in payment.offered(svc)
    assert pauses[-1] > pauses[0], "from then on it asks less and less often"


@pytest.mark.parametrize("is_open", [True, False])
def test_where_no_address_was_given_out_the_node_is_tried_only_to_find_it_back(
    svc: Services, monkeypatch: pytest.MonkeyPatch, is_open: bool
):
    watched, tried = svc.chains[Network.TRC20], []
    monkeypatch.setattr(watched, "state", lambda: Breaker(is_open, None, 5))
    monkeypatch.setattr(watched, "probe", lambda: tried.append("probe"))

    ChainWatch(svc, Network.TRC20).turn()

    assert tried == (["probe"] if is_open else [])


def test_nobody_is_alarmed_by_a_payment_that_its_network_has_still_to_make_final(svc: Services, sandbox: Servers):
    booking = a_live_booking(svc, RailId.ERC20)
    send(sandbox, "ERC20", booking)

    seen = refreshing.update(svc, booking.id)

    assert seen.state is State.PAID
    assert alerting.find(later(svc, minutes=20))["unconfirmed_now"] is None


def test_very_many_addresses_are_loaded_in_parts_and_all_are_read(svc: Services, sandbox: Servers, monkeypatch):
    monkeypatch.setattr(chain_watching, "AT_ONCE", 1)
    bookings = [a_live_booking(svc) for _ in range(3)]
    for booking in bookings:
        send(sandbox, "TRC20", booking)

    assert ChainWatch(svc, Network.TRC20).round() == 3


def test_an_address_that_is_given_out_again_is_read_in_each_round_again(
    svc: Services, sandbox: Servers, database: Database
):
    """Its group is old by now, and such a group is otherwise read every twelve hours."""
    booking, old = a_live_booking(svc), timedelta(days=100)
    addresses = database["payment_addresses"]
    addresses.update_many({}, {"$set": {"made_at": svc.now() - old, "resting_until": svc.now() - old}})
    watch = ChainWatch(svc, Network.TRC20)
    watch.round()
    send(sandbox, "TRC20", booking)
    assert watch.round() == 0, "it was read a moment ago"
    [resting] = svc.payment_addresses.resting(
        Kind.TRON, svc.payment_addresses.find(booking.orders[0].trade_no).source, svc.now(), 1
    )

    svc.payment_addresses.give_again(
        resting, "c" * 24 + "001", Network.TRC20, block=1, wanted="1", pays_until=svc.now(), now=svc.now()
    )

    assert watch.round() == 1
