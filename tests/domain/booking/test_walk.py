"""Random walks: whatever happens in whatever order, these hold after every step."""

from itertools import product
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspired.domain.booking import ledger
from inspired.domain.booking.balance import Payment, counted, due, is_unclear, kept_of, nothing, payment_of, received_of
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.refunds import Outcome
from inspired.domain.booking.statement import statement
from inspired.domain.booking.states import Flag, Remote, State
from tests.domain.walking import MONEY_STATES, Walk, quieted, targets_of

WALKS, QUIETED = 800, 60
OVER_STATES = (State.EXPIRED, State.CANCELLED, State.REFUNDED)
FIXED = (
    *("id", "token", "meeting_type", "created_at", "sealed", "email_index", "network", "expires_at"),
    "status_version",
)


def check(before: Booking, after: Booking, walk: Walk) -> None:
    for rule in RULES:
        rule(before, after, walk)


def nothing_of_the_order_itself_changes(before, after, walk):
    assert [getattr(after, name) for name in FIXED] == [getattr(before, name) for name in FIXED]


def what_has_happened_is_only_added_to(before, after, walk):
    assert after.history[: len(before.history)] == before.history
    assert after.ledger[: len(before.ledger)] == before.ledger
    assert after.delivered >= before.delivered
    assert [one.trade_no for one in after.orders][: len(before.orders)] == [one.trade_no for one in before.orders]
    assert [one.id for one in after.refunds][: len(before.refunds)] == [one.id for one in before.refunds]


def every_number_is_used_once(before, after, walk):
    assert len({one.trade_no for one in after.orders}) == len(after.orders)
    assert len({one.id for one in after.refunds}) == len(after.refunds)


def confirmed_needs_the_exact_money_proven(before, after, walk):
    if after.state is State.CONFIRMED and before.state is not State.CONFIRMED:
        proven = [one for one in after.orders if one.has_money and one.proven and one.received]
        assert all(walk.is_settled_there(one.trade_no) for one in proven)
        assert kept_of(after) == after.price == after.earned


def money_leads_forward_only(before, after, walk):
    if before.state in MONEY_STATES:
        assert after.state is not State.PENDING
    if before.state is State.CONFIRMED:
        assert after.state in (State.CONFIRMED, State.CANCELLED, State.REFUNDED)
    if before.state is State.REFUNDED:
        assert after.state is State.REFUNDED
    if before.state in OVER_STATES and after.state not in OVER_STATES:
        assert after.state in MONEY_STATES


def a_paid_slot_goes_only_with_its_money_or_by_its_owner(before, after, walk):
    if before.state is State.PAID and after.state in OVER_STATES:
        assert after.refunds or Flag.NEEDS_OWNER in after.flags
    if before.state is State.CONFIRMED and after.state in OVER_STATES:
        assert after.agreed_amount == max(kept_of(after), nothing(kept_of(after).currency))


def no_more_goes_back_than_came(before, after, walk):
    for order in after.orders:
        if order.received is not None:
            gone = [one.amount for one in after.refunds_of(order) if one.is_gone and one.amount]
            assert sum(one.amount for one in gone) <= order.received.amount
            ours = [one.amount for one in after.refunds_of(order) if one.reserves and one.by != "owner" and one.amount]
            assert sum(one.amount for one in ours) <= order.received.amount


def the_books_follow_the_facts(before, after, walk):
    assert all(ledger.is_balanced(one.lines) for one in after.ledger)
    folded = {place: money.amount for place, money in ledger.balances(after.ledger).items()}
    assert folded == targets_of(after)
    assert [one.number for one in after.ledger] == list(range(len(after.ledger)))


def refunded_is_told_only_when_everything_is_gone(before, after, walk):
    if after.state is State.REFUNDED and before.state is not State.REFUNDED:
        assert all(one.is_gone for one in after.refunds if one.reserves)
        assert kept_of(after).is_nothing


def whoever_waits_is_looked_at_again(before, after, walk):
    waits = after.is_open or after.outbox or any(not one.is_settled and one.is_payable for one in after.orders)
    if waits and after.state is not State.CONFIRMED:
        assert after.check_at is not None
    if after.outbox or any(one.is_under_way for one in after.refunds) or after.choose_by is not None:
        assert after.check_at is not None


def the_owner_is_called_exactly_where_something_is_stuck_or_unclear(before, after, walk):
    stuck = any(one.is_stuck for one in after.refunds)
    unclear = any(is_unclear(after, one) for one in after.orders)
    lost = after.state is State.CONFIRMED and kept_of(after) < due(after)
    assert (Flag.NEEDS_OWNER in after.flags) == (stuck or unclear or lost)


def one_order_can_be_paid_at_a_time(before, after, walk):
    assert sum(one.is_payable for one in after.orders) <= 1


def what_mails_tell_of_the_money_adds_up(before, after, walk):
    """Where every payment can be counted; of others nobody knows how much there is."""
    if all(one in counted(after) for one in after.orders if one.has_money):
        money = statement(after)
        assert money.received == money.too_much + money.before + money.goes_back + money.kept
        assert money.paid + money.too_much == received_of(after)


RULES = (
    nothing_of_the_order_itself_changes,
    what_has_happened_is_only_added_to,
    every_number_is_used_once,
    confirmed_needs_the_exact_money_proven,
    money_leads_forward_only,
    a_paid_slot_goes_only_with_its_money_or_by_its_owner,
    no_more_goes_back_than_came,
    the_books_follow_the_facts,
    refunded_is_told_only_when_everything_is_gone,
    whoever_waits_is_looked_at_again,
    the_owner_is_called_exactly_where_something_is_stuck_or_unclear,
    one_order_can_be_paid_at_a_time,
    what_mails_tell_of_the_money_adds_up,
)


def walked(random: Random, steps: int, pairs: set[tuple[State, Remote | None]]) -> Walk:
    walk = Walk(random, pairs)
    for _ in range(steps):
        before = walk.booking
        walk.step()
        check(before, walk.booking, walk)
    return walk


def at_rest(walk: Walk) -> None:
    """Everybody has answered: our books say what the provider's say, and every coin has its place."""
    booking = walk.booking
    assert booking.check_at is None
    for order in booking.orders:
        remote = walk.orders.get(order.trade_no)
        assert remote is None or not remote.is_payable
        if remote is None or remote.received is None:
            continue
        assert order.proven
        if order.received is None:
            continue
        gone = sum(one.amount.amount for one in booking.refunds_of(order) if one.is_gone and one.amount)
        assert gone == remote.sum_of(Outcome.DONE)
    if Flag.NEEDS_OWNER not in booking.flags:
        assert payment_of(booking) in (Payment.NONE, Payment.EXACT, Payment.RETURNED)
        assert booking.state in (State.CONFIRMED, *OVER_STATES)
        assert kept_of(booking).is_nothing or booking.earned is not None


# --- the walks ------------------------------------------------------------------------------------------------------

ALIVE = [state for state in State if state is not State.DRAFT]


@pytest.mark.slow
@pytest.mark.no_cover
def test_every_rule_holds_after_every_step_and_every_state_meets_every_word_of_the_provider():
    reached: set[tuple[State, Remote | None]] = set()

    for seed in range(WALKS):
        walk = walked(Random(seed), 40, reached)
        before = walk.booking
        walk.everything_arrives_again()
        check(before, walk.booking, walk)

    assert reached == set(product(ALIVE, [None, *Remote]))


@pytest.mark.slow
@pytest.mark.no_cover
@pytest.mark.parametrize("first_seed", [10_000, 20_000])
def test_once_everybody_has_answered_every_coin_has_its_place(first_seed):
    for seed in range(first_seed, first_seed + QUIETED):
        walk = walked(Random(seed), 25, set())

        quieted(walk)

        at_rest(walk)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False))
def test_no_search_finds_a_step_that_breaks_a_rule(random):
    walked(random, 25, set())
