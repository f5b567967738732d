"""The whole product in one process, with everything that can go wrong: payments, crashes, lost answers, lies, clocks.

250 runs of 60 steps. `SIMULATION_EXAMPLES`, `SIMULATION_STEPS` and `SIMULATION_SEED` in the environment choose other
ones; what fails is shown as the shortest list of steps that still fails, and with its seed.
"""

import os
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from inspired.domain.booking.rails import RailId
from inspired.domain.booking.refunds import Outcome
from inspired.domain.booking.states import State
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Network
from tests.simulation import invariants
from tests.simulation.memory import DATABASE, MAIL, NODE, PROVIDER, QUEUE, Trouble
from tests.simulation.world import OTHERS, STARTS, World

EXAMPLES = int(os.environ.get("SIMULATION_EXAMPLES", "250"))
STEPS = int(os.environ.get("SIMULATION_STEPS", "60"))
CALLS = (1, 2, 3, 4, 5, 6, 8, 11)
TROUBLES = [
    *(Trouble(kind, call, applied) for kind in ("crash", "fail") for call in CALLS for applied in (False, True)),
    *(Trouble(kind, call) for kind in ("refuse", "hold") for call in CALLS),
    *(Trouble("stale", 1) for _ in CALLS),
    *(Trouble("meanwhile", call, what=what) for call in CALLS for what in (*OTHERS, *["same"] * 4)),
]
PLACES = st.integers(0, 11)
QUIET = [None] * len(TROUBLES)
trouble = st.sampled_from([*QUIET, *TROUBLES])
AT_BINANCE = [one for one in Outcome if one is not Outcome.TAKEN_BACK]  # that is a chain's word
rails = st.sampled_from([RailId.BINANCE_PAY] * 2 + [RailId.TRC20, RailId.BEP20, RailId.ERC20])
networks = st.sampled_from(Network)
WAITS = (0.5, 3, 16, 31, 61, 300, 600, 900, 1000, 3600, 4 * 3600, 24 * 3600, 49 * 3600)


MOST_BOOKINGS = 5


def a_live_booking(world):
    world.book(1, 3, 0)


def a_confirmed_booking(world):
    a_live_booking(world)
    world.pay_order(world.orders()[0], "exact")
    world.work_all()


def a_confirmed_booking_whose_refunds_wait(world):
    a_confirmed_booking(world)
    world.pay.outcome = Outcome.PENDING


def an_expired_booking(world):
    a_live_booking(world)
    world.run_until(world.now + timedelta(minutes=17), most=60)


def a_time_that_somebody_else_has_by_now(world):
    an_expired_booking(world)
    span = world.all[0].slot.span
    world.book(1, STARTS.index(span.start), 1, any_time=True)


def two_orders(world):
    """The first was closed, and can still be paid late; the second is payable."""
    a_live_booking(world)
    world.pay.close(world.orders()[0].trade_no)
    world.ask_again(world.all[0])
    world.try_again(world.all[0])


def a_live_booking_on_chain(world):
    world.book(1, 3, 0, rail=RailId.TRC20)


def money_that_is_not_final(world):
    world.book(1, 3, 0, rail=RailId.BEP20)
    world.send(0, "exact")
    world.run_until(world.now + timedelta(seconds=5))


def late_money_on_chain(world):
    a_live_booking_on_chain(world)
    world.run_until(world.now + timedelta(minutes=40), most=90)
    world.send(0, "exact")


def a_refund_that_the_owner_is_to_send(world):
    """From a wallet, to the address that the customer has confirmed."""
    a_live_booking_on_chain(world)
    world.send(0, "exact")
    world.run_until(world.now + timedelta(minutes=3))
    world.refund(world.all[0], "all", cancels=True)
    world.run_until(world.now + timedelta(seconds=5))
    world.name_refund_address(world.all[0], 1)
    world.confirm_refund_address(world.all[0])
    world.run_until(world.now + timedelta(seconds=5))


def another_way_chosen(world):
    a_live_booking(world)
    world.pay_otherwise(world.all[0], RailId.TRC20)


BEGINNINGS = {
    "nothing": lambda world: None,
    **{
        one.__name__: one
        for one in (
            a_live_booking,
            a_confirmed_booking,
            a_confirmed_booking_whose_refunds_wait,
            an_expired_booking,
            a_time_that_somebody_else_has_by_now,
            two_orders,
            a_live_booking_on_chain,
            money_that_is_not_final,
            late_money_on_chain,
            a_refund_that_the_owner_is_to_send,
            another_way_chosen,
        )
    },
}


# --- for which bookings a step means something ----------------------------------------------------------------------


def is_waiting(booking):
    return booking.state is State.PENDING


def chooses(booking):
    return booking.choose_by is not None


def may_move(booking):
    return is_waiting(booking) or chooses(booking) or is_confirmed(booking)


def is_confirmed(booking):
    return booking.state is State.CONFIRMED


def has_money(booking):
    return any(one.has_money for one in booking.orders)


def is_stuck(booking):
    return any(one.is_stuck for one in booking.refunds)


def waits_for_an_address(booking):
    return any(one.waits_for_customer for one in booking.refunds)


def has_an_address_to_confirm(booking):
    return any(one.confirmed_at is None for one in booking.refund_addresses)


def waits_for_the_wallet(booking):
    return any(one.waits_for_wallet for one in booking.refunds)


class Simulation(RuleBasedStateMachine):
    @initialize(
        commission=st.sampled_from(["0", "0.01"]),
        tolerance=st.sampled_from(["0", "0", "2"]),
        beginning=st.sampled_from(sorted(BEGINNINGS)),
    )
    def begin(self, commission, tolerance, beginning):
        self.world = World(commission, tolerance)
        BEGINNINGS[beginning](self.world)

    def booking(self, place):
        return self.world.all[place % len(self.world.all)]

    def booking_that(self, place, can):
        """One of those for which this step means something."""
        found = [one for one in self.world.all if can(one)] or self.world.all
        return found[place % len(found)]

    def order(self, place):
        return self.world.orders()[place % len(self.world.orders())]

    # --- customers ---

    @precondition(lambda self: len(self.world.all) < MOST_BOOKINGS)
    @rule(kind=st.integers(0, 2), choice=st.integers(0, 6), customer=st.integers(0, 2), rail=rails, trouble=trouble)
    def books(self, kind, choice, customer, rail, trouble):
        self.world.book(kind, choice, customer, rail=rail, trouble=trouble)

    @precondition(lambda self: len(self.world.all) < MOST_BOOKINGS)
    @rule(kind=st.integers(0, 2), choice=st.integers(0, 6), key=st.sampled_from("ABC"), trouble=trouble)
    def books_with_a_key(self, kind, choice, key, trouble):
        self.world.book(kind, choice, 3, key=key, trouble=trouble)

    @precondition(lambda self: self.world.all)
    @rule(place=PLACES, trouble=trouble)
    def asks_again(self, place, trouble):
        self.world.ask_again(self.booking(place), trouble)

    @precondition(lambda self: self.world.all)
    @rule(place=PLACES, trouble=trouble)
    def tries_again(self, place, trouble):
        self.world.try_again(self.booking_that(place, is_waiting), trouble)

    @precondition(lambda self: any(map(is_waiting, self.world.all)))
    @rule(place=PLACES, rail=rails, trouble=trouble)
    def pays_another_way(self, place, rail, trouble):
        self.world.pay_otherwise(self.booking_that(place, is_waiting), rail, trouble)

    @precondition(lambda self: any(booking.refunds for booking in self.world.all))
    @rule(place=PLACES, number=st.integers(0, 2), trouble=trouble)
    def names_an_address(self, place, number, trouble):
        self.world.name_refund_address(self.booking_that(place, waits_for_an_address), number, trouble)

    @precondition(lambda self: any(map(has_an_address_to_confirm, self.world.all)))
    @rule(place=PLACES, trouble=trouble)
    def confirms_the_address(self, place, trouble):
        self.world.confirm_refund_address(self.booking_that(place, has_an_address_to_confirm), trouble)

    @precondition(lambda self: any(map(is_waiting, self.world.all)))
    @rule(place=PLACES, trouble=trouble)
    def gives_up(self, place, trouble):
        self.world.give_up(self.booking_that(place, is_waiting), trouble)

    @precondition(lambda self: self.world.all)
    @rule(place=PLACES, choice=st.integers(0, 6), trouble=trouble)
    def changes_time(self, place, choice, trouble):
        self.world.change_time(self.booking_that(place, may_move), choice, trouble)

    @precondition(lambda self: any(map(chooses, self.world.all)))
    @rule(place=PLACES, trouble=trouble)
    def wants_money_back(self, place, trouble):
        self.world.money_back(self.booking_that(place, chooses), trouble)

    @precondition(lambda self: any(map(is_confirmed, self.world.all)))
    @rule(place=PLACES, trouble=trouble)
    def cancels(self, place, trouble):
        self.world.cancel(self.booking_that(place, is_confirmed), trouble)

    # --- the owner ---

    @precondition(lambda self: any(map(has_money, self.world.all)))
    @rule(place=PLACES, how=st.sampled_from(["all", "half", "little"]), cancels=st.booleans(), trouble=trouble)
    def owner_refunds(self, place, how, cancels, trouble):
        self.world.refund(self.booking_that(place, has_money), how, cancels=cancels, trouble=trouble)

    @precondition(lambda self: any(map(is_stuck, self.world.all)))
    @rule(place=PLACES, trouble=trouble)
    def owner_refunds_again(self, place, trouble):
        self.world.refund_again(self.booking_that(place, is_stuck), trouble)

    @precondition(lambda self: any(map(is_stuck, self.world.all)))
    @rule(place=PLACES)
    def owner_settles_by_hand(self, place):
        self.world.settle_by_hand(self.booking_that(place, is_stuck))

    @precondition(lambda self: any(map(waits_for_the_wallet, self.world.all)))
    @rule(place=PLACES, how=st.sampled_from(["exact"] * 4 + ["less", "stranger", "unsaid"]), trouble=trouble)
    def owner_sends_a_refund(self, place, how, trouble):
        self.world.send_refund(self.booking_that(place, waits_for_the_wallet), how, trouble)

    @precondition(lambda self: self.world.orphans.all)
    @rule(trouble=trouble)
    def owner_settles_an_orphan(self, trouble):
        self.world.settle_orphan(trouble)

    # --- the provider ---

    @precondition(lambda self: self.world.pay.orders)
    @rule(place=PLACES, how=st.sampled_from(["exact"] * 6 + ["less", "cent", "more", "double", "foreign"]))
    def pays(self, place, how):
        self.world.pay_order(self.order(place), how)

    @precondition(lambda self: self.world.pay.orders)
    @rule(place=PLACES)
    def starts_paying(self, place):
        self.world.pay.started_paying(self.order(place).trade_no)

    @precondition(lambda self: self.world.pay.outbox)
    @rule(place=PLACES, again=st.booleans(), trouble=trouble)
    def delivers(self, place, again, trouble):
        self.world.deliver(place, again=again, trouble=trouble)

    @precondition(lambda self: any(one.paid for one in self.world.orders()))
    @rule(place=PLACES, how=st.sampled_from(["all", "half"]))
    def refunds_in_the_console(self, place, how):
        self.world.refund_in_console(self.order(place), how)

    @rule(outcome=st.sampled_from([Outcome.DONE, *AT_BINANCE]), balance=st.sampled_from([None, None, None, "0", "20"]))
    def refunds_will_be(self, outcome, balance):
        self.world.pay.outcome = outcome
        self.world.pay.balance = None if balance is None else Money.parse(balance)

    @precondition(lambda self: self.world.pay.refunds())
    @rule(place=PLACES, outcome=st.sampled_from([Outcome.DONE, Outcome.FAILED]))
    def finishes_a_refund(self, place, outcome):
        self.world.finish_refund(place, outcome)

    @rule(what=st.sampled_from(["forged", "altered", "foreign", "somebody else", "rotated", "rotated, old gone"]))
    def sends_something_else(self, what):
        """Lies, payments for orders nobody here knows, and a new certificate."""
        match what:
            case "somebody else":
                self.world.pay_somebody_else()
            case "rotated" | "rotated, old gone":
                self.world.pay.rotated(keep_old=what == "rotated")
            case _:
                self.world.lie(what)

    # --- the chains ---

    @precondition(lambda self: self.world.addresses.all)
    @rule(place=PLACES, how=st.sampled_from(["exact"] * 3 + ["part", "part", "fee", "rest", "rest", "dust", "other"]))
    def sends_on_chain(self, place, how):
        self.world.send(place, how)

    @precondition(lambda self: self.world.addresses.all)
    @rule(network=networks, drops=st.booleans())
    def reorganises(self, network, drops):
        self.world.chains[network].reorganise(drops=drops)

    @precondition(lambda self: self.world.addresses.all)
    @rule(network=networks, is_stalled=st.booleans())
    def finality_comes_or_not(self, network, is_stalled):
        self.world.chains[network].is_stalled = is_stalled

    @precondition(lambda self: self.world.addresses.all)
    @rule(network=networks, trouble=trouble)
    def watches(self, network, trouble):
        self.world.watch(network, trouble)

    # --- our processes ---

    @precondition(lambda self: self.world.queue.jobs)
    @rule(place=PLACES, again=st.booleans(), trouble=trouble)
    def works(self, place, again, trouble):
        self.world.work(place, again=again, trouble=trouble)

    @precondition(lambda self: self.world.queue.jobs)
    @rule()
    def works_on_everything(self):
        self.world.work_all()

    @precondition(lambda self: self.world.all)
    @rule(trouble=trouble)
    def sweeps(self, trouble):
        self.world.sweep(trouble)

    @precondition(lambda self: self.world.all)
    @rule(place=PLACES, trouble=trouble)
    def reconciles(self, place, trouble):
        self.world.reconcile(self.booking(place), trouble)

    @precondition(lambda self: self.world.all)
    @rule(seconds=st.sampled_from(WAITS))
    def lives_on(self, seconds):
        """Everything works, for so long."""
        self.world.run_until(self.world.now + timedelta(seconds=seconds))

    @precondition(lambda self: self.world.all)
    @rule(seconds=st.sampled_from(WAITS[:9]))
    def waits(self, seconds):
        """Nobody does anything."""
        self.world.now += timedelta(seconds=seconds)

    @rule()
    def loses_the_queue(self):
        self.world.queue.jobs.clear()

    @precondition(lambda self: self.world.all)
    @rule(service=st.sampled_from([DATABASE, PROVIDER, MAIL, QUEUE, NODE]), seconds=st.sampled_from(WAITS))
    def lives_on_without(self, service, seconds):
        """Nobody reaches one of the services for so long."""
        self.world.wire.down = {service}
        self.world.run_until(self.world.now + timedelta(seconds=seconds))
        self.world.wire.down = set()

    @precondition(lambda self: self.world.all)
    @rule(off=st.sampled_from([-600, 600]), seconds=st.sampled_from(WAITS[:9]))
    def lives_on_with_a_clock_that_is_off(self, off, seconds):
        self.world.set_clocks(timedelta(seconds=off))
        self.world.run_until(self.world.now + timedelta(seconds=seconds))
        self.world.set_clocks(timedelta())

    # --- what must be true ---

    @invariant()
    def nothing_is_wrong(self):
        wrong = list(invariants.after_each_step(self.world))
        assert not wrong, "\n".join(wrong)

    def teardown(self):
        world = getattr(self, "world", None)
        if world is None:
            return
        world.heal()
        assert world.run_until(world.now + world.worst_skew + timedelta(seconds=90), most=900), "too much is due"
        wrong = list(invariants.when_overdue(world))
        assert world.run_until(world.now + timedelta(days=3), most=1500), "it never becomes quiet"
        world.settle_begun_orphans()
        for booking in world.all:
            world.reconcile(booking)
        assert world.run_until(world.now + timedelta(days=3), most=1500), "it never becomes quiet"
        wrong += [*invariants.after_each_step(world), *invariants.when_quiet(world)]
        assert not wrong, "\n".join(wrong)


@pytest.mark.slow
@pytest.mark.no_cover  # it would take twice as long; other tests measure
@pytest.mark.usefixtures("product")
@pytest.mark.timeout(1200 if EXAMPLES <= 500 else 0)
def test_whatever_happens_every_coin_is_accounted_for():
    given = os.environ.get("SIMULATION_SEED")
    if given:
        seed(int(given))(Simulation)
    run_state_machine_as_test(
        Simulation,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            print_blob=True,
            report_multiple_bugs=False,
            phases=[phase for phase in Phase if phase is not Phase.explain],
            suppress_health_check=list(HealthCheck),
        ),
    )
