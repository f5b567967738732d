"""What the machine has found, as short lists of steps."""

from dataclasses import replace
from datetime import timedelta

import pytest

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.ledger import SUSPENSE, balances
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.refunds import Outcome, checked_all
from inspired.domain.booking.states import RefundStatus, State
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Network
from tests.simulation import invariants
from tests.simulation.memory import NODE, PROVIDER, Trouble
from tests.simulation.world import World

pytestmark = pytest.mark.usefixtures("product")


@pytest.fixture
def world():
    return World()


def confirmed(world: World) -> Booking:
    world.book(1, 3, 0)
    world.pay_order(world.orders()[0], "exact")
    world.work_all()
    return the(world)


def the(world: World) -> Booking:
    [booking] = world.all
    return booking


def settled_by_hand(world: World) -> Booking:
    """Half of it: there was too little balance, and the owner sent it by another way."""
    world.refund(confirmed(world), "half", cancels=False)
    world.pay.balance = Money.parse("20")
    world.work_all()
    assert the(world).refunds[0].status is RefundStatus.NEEDS_OWNER
    world.settle_by_hand(the(world))
    return the(world)


def test_what_the_owner_sent_by_another_way_is_no_difference_to_binance(world):
    booking = settled_by_hand(world)

    assert booking.refunds[0].status is RefundStatus.EXTERNAL
    assert world.reconcile(booking) == ((), ())


def test_the_last_refund_is_held_back_where_it_would_return_what_was_sent_by_another_way(world):
    booking = settled_by_hand(world)
    last = replace(booking, orders=(replace(booking.orders[0], refunds_left=1),))

    preview = checked_all(last, cancels=True)

    assert preview.blocked
    assert "150 USDT" in preview.warnings[0]


def test_the_reconciliation_finds_what_was_refunded_in_the_console_beside_our_own(world):
    world.refund(confirmed(world), "half", cancels=False)
    world.work_all()
    assert the(world).refunds[0].status is RefundStatus.DONE
    world.refund_in_console(world.orders()[0], "all")

    world.reconcile(the(world))

    assert sum(one.amount.amount for one in the(world).refunds) == 150
    assert [one.status for one in the(world).refunds] == [RefundStatus.DONE, RefundStatus.EXTERNAL]


def test_settling_a_payment_of_nobodys_is_booked_once_also_after_a_crash(world):
    world.pay_somebody_else()
    world.deliver(0)
    world.work_all()
    for call in (1, 2, 3):
        world.settle_orphan(Trouble("crash", call, applied=True))
    world.settle_orphan()

    assert world.orphans.waiting() == []
    held = balances(entry for _, entry in world.ledger.all(world.now.min.replace(tzinfo=world.now.tzinfo), world.now))
    assert not [place for place in held if place[0] == SUSPENSE]


def test_a_refund_that_waits_behind_a_stuck_one_is_not_looked_at_all_the_time(world):
    booking = confirmed(world)
    world.refund(booking, "half", cancels=False)
    world.wire.down = {PROVIDER}
    world.work_all()
    world.wire.down = set()
    world.refund_in_console(world.orders()[0], "all")
    world.run_until(world.now + timedelta(minutes=1))
    assert the(world).refunds[0].status is RefundStatus.NEEDS_OWNER
    world.refund(the(world), "little", cancels=False)

    assert world.run_until(world.now + timedelta(hours=1), most=20)

    assert the(world).check_at is None or the(world).check_at > world.now


def test_everything_goes_well_where_nothing_goes_wrong(world):
    booking = confirmed(world)

    assert booking.state is State.CONFIRMED
    assert world.pay.calls == {"create": 1}
    assert {mail.to for mail, _ in world.smtp.sent} == {"customer0@example.com", "owner@example.com"}
    assert world.queue.jobs == []


def test_what_left_by_the_console_unseen_is_not_returned_once_more_after_a_refund_by_hand(world):
    booking = confirmed(world)
    world.refund_in_console(world.orders()[0], "half")
    world.pay.outcome = Outcome.FAILED
    world.refund(booking, "half", cancels=False)
    world.work_all()
    world.settle_by_hand(the(world))
    world.pay.outcome = Outcome.DONE

    world.cancel(the(world))
    world.run_until(world.now + timedelta(hours=2))
    waiting = [one for one in the(world).refunds if one.is_stuck]
    world.settle_by_hand(the(world))
    world.run_until(world.now + timedelta(hours=2))

    assert [one.amount is None for one in waiting] == [False, True]
    assert world.left_of(world.orders()[0]).is_nothing
    assert the(world).state is State.REFUNDED
    assert [str(one.amount) for one in the(world).refunds if one.reserves] == ["75", "75"]


def test_more_money_on_chain_is_counted_although_our_clock_was_ahead_when_the_first_came(world):
    world.book(1, 3, 0, rail=RailId.TRC20)
    world.send(0, "exact")
    world.set_clocks(timedelta(minutes=10))
    world.run_until(world.now + timedelta(minutes=2))
    world.set_clocks(timedelta())
    assert the(world).orders[0].proven

    world.send(0, "exact")
    world.run_until(world.now + timedelta(minutes=2))

    [order] = the(world).orders
    assert order.received == order.amount + order.amount


def test_money_on_another_network_after_the_end_leaves_no_order_open(world):
    world.book(1, 3, 0, rail=RailId.ERC20)
    world.run_until(world.now + timedelta(hours=2), most=200)
    assert the(world).state is State.EXPIRED
    world.send(0, "other")

    world.run_until(world.now + timedelta(minutes=2))

    assert the(world).state is State.CONFIRMED
    assert not list(invariants.after_each_step(world))


def test_an_order_whose_money_was_taken_back_long_after_the_end_is_closed_and_late_money_is_counted(world):
    """Nobody could ask its network while the time to pay ended."""
    world.book(1, 3, 0, rail=RailId.BEP20)
    world.send(0, "exact")
    world.run_until(world.now + timedelta(seconds=5))
    world.chains[Network.BEP20].reorganise(drops=True)
    world.queue.jobs.clear()
    world.wire.down = {NODE}
    world.run_until(world.now + timedelta(hours=4))
    world.wire.down = set()
    world.reconcile(the(world))
    open_again = the(world)

    world.run_until(world.now + timedelta(minutes=5))

    assert (open_again.state, open_again.orders[0].is_closed) == (State.EXPIRED, False)
    assert the(world).orders[0].is_closed
    assert not list(invariants.after_each_step(world))
    world.send(0, "exact")
    world.run_until(world.now + timedelta(minutes=5))
    assert the(world).state is State.CONFIRMED


# --- that the steps on chain do what they say -----------------------------------------------------------------------


def to_send(world: World) -> Booking:
    """A refund to the address that the customer has confirmed."""
    world.book(1, 3, 0, rail=RailId.TRC20)
    world.send(0, "exact")
    world.run_until(world.now + timedelta(minutes=3))
    world.refund(the(world), "all", cancels=True)
    world.run_until(world.now + timedelta(seconds=5))
    world.name_refund_address(the(world), 1)
    world.confirm_refund_address(the(world))
    world.run_until(world.now + timedelta(seconds=5))
    assert the(world).refunds[0].waits_for_wallet
    return the(world)


def test_a_refund_from_the_wallet_is_done_once_it_is_final_and_by_no_other_transfer(world):
    booking = to_send(world)
    world.send_refund(booking, "stranger")
    world.send_refund(booking, "less")
    refused = the(world).refunds[0].status

    world.send_refund(booking, "exact")
    seen = the(world).refunds[0].status
    world.run_until(world.now + timedelta(minutes=3))

    assert (refused, seen, the(world).refunds[0].status) == (
        RefundStatus.NEEDS_OWNER,
        RefundStatus.SENT,
        RefundStatus.DONE,
    )
    assert the(world).state is State.REFUNDED
    assert not list(invariants.after_each_step(world))


def test_a_refund_that_a_network_takes_back_is_sent_again(world):
    world.send_refund(to_send(world), "exact")
    world.chains[Network.TRC20].reorganise(drops=True)
    world.run_until(world.now + timedelta(minutes=3))
    taken_back = the(world).refunds[0]

    world.send_refund(the(world), "exact")
    world.run_until(world.now + timedelta(minutes=3))

    assert (taken_back.waits_for_wallet, the(world).state) == (True, State.REFUNDED)
    assert not list(invariants.after_each_step(world))


def test_another_way_is_paid_after_the_first_was_closed(world):
    world.book(1, 3, 0)
    world.pay_otherwise(the(world), RailId.TRC20)
    world.send(0, "exact")
    world.run_until(world.now + timedelta(minutes=3))

    assert [order.rail for order in the(world).orders] == [RailId.BINANCE_PAY, RailId.TRC20]
    assert (the(world).state, the(world).orders[0].is_closed) == (State.CONFIRMED, True)


@pytest.mark.parametrize(("tolerance", "state"), [("0", State.PENDING), ("2", State.CONFIRMED)])
def test_a_senders_fee_is_tolerated_as_far_as_the_owner_wants_it(tolerance: str, state: State):
    world = World(tolerance=tolerance)
    world.book(1, 3, 0, rail=RailId.TRC20)
    world.send(0, "fee")

    world.run_until(world.now + timedelta(minutes=5))

    assert the(world).state is state
    assert not list(invariants.after_each_step(world))
