"""Money on chain: seen before it is final, taken back now and then, added to, and sent back by the owner alone."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from inspired.domain.booking import invariants, payment_orders, polling, refunds, status
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.history import Amount, EventKind, ObstacleKind
from inspired.domain.booking.ledger import balances
from inspired.domain.booking.lifecycle import OrderObservation, SlotSeen
from inspired.domain.booking.outbox import AlertKind, AlertOwner, Email, SendEmail
from inspired.domain.booking.rails import ON_CHAIN, RailId
from inspired.domain.booking.states import Cause, Flag, RefundStatus, Remote, State
from inspired.domain.sentences import customer
from inspired.domain.shared.messages import MessageId
from inspired.domain.shared.money import Money
from tests.factories import CHECKOUT, MINUTE, NOW, SECOND, a_booking, seen, settled
from tests.factories import a_live_booking as usual_booking

PRICE = "75"
AFTER_THE_END = NOW + timedelta(minutes=17)


def a_live_booking(rail: RailId = RailId.TRC20) -> Booking:
    booking = a_booking()
    [order] = booking.orders
    booking = replace(booking, pays_by=rail, orders=(replace(order, rail=rail),))
    booking = payment_orders.creating(booking, NOW)
    return payment_orders.created(booking, order.trade_no, CHECKOUT, NOW)


def in_a_block(amount: str = PRICE, *, at: datetime = NOW + MINUTE) -> OrderObservation:
    return seen(Remote.PAID, amount, at=at, by_query=False)


def final(amount: str = PRICE, *, at: datetime = NOW + 2 * MINUTE) -> OrderObservation:
    return seen(Remote.PAID, amount, at=at)


def nothing_there(*, at: datetime, status: Remote = Remote.INITIAL) -> OrderObservation:
    return seen(status, at=at)


@pytest.mark.parametrize("rail", ON_CHAIN)
def test_money_in_a_block_is_paid_and_confirms_nothing_before_it_is_final(rail: RailId):
    paid = settled(a_live_booking(rail), in_a_block())
    confirmed = settled(paid, final(), now=NOW + 2 * MINUTE)

    assert (paid.state, confirmed.state) == (State.PAID, State.CONFIRMED)
    assert paid.ledger == ()
    assert not paid.has_owed(SendEmail(Email.CONFIRMED))
    assert confirmed.has_owed(SendEmail(Email.CONFIRMED))


@pytest.mark.parametrize("rail", ON_CHAIN)
def test_what_is_received_stands_in_the_account_of_its_network(rail: RailId):
    confirmed = settled(a_live_booking(rail), final())

    held = balances(confirmed.ledger)
    assert held[rail.lower(), "USDT"] == Money.parse(PRICE)
    assert ("binance", "USDT") not in held


def test_the_customer_is_told_that_it_was_seen_and_when_it_counts():
    paid = settled(a_live_booking(), in_a_block())
    confirmed = settled(paid, final(), now=NOW + 2 * MINUTE)

    told = [
        (body["status"], body["network"], body["final"])
        for body in (status.public_status(one, "") for one in (paid, confirmed))
    ]
    assert told == [("PAID", "TRC20", False), ("CONFIRMED", "TRC20", True)]
    assert [one.id for one in status.messages(paid)] == [MessageId.NOTIFIED]


def test_the_customer_sees_the_confirmations_grow_and_they_decide_nothing():
    paid = settled(a_live_booking(), replace(in_a_block(), confirmations=0))
    later = settled(paid, replace(in_a_block(at=NOW + 2 * MINUTE), confirmations=40), now=NOW + 2 * MINUTE)

    told = [status.public_status(one, "") for one in (a_live_booking(), paid, later)]

    assert [(one["status"], one["final"], one["confirmations"]) for one in told] == [
        ("PENDING", False, None),
        ("PAID", False, 0),
        ("PAID", False, 40),
    ]
    assert status.numbered(paid, later).status_version == paid.status_version + 1


def test_no_confirmations_are_left_of_money_that_was_taken_back():
    paid = settled(a_live_booking(), replace(in_a_block(), confirmations=3))

    waiting = settled(paid, nothing_there(at=NOW + 2 * MINUTE), now=NOW + 2 * MINUTE)

    assert (paid.orders[0].confirmations, waiting.orders[0].confirmations) == (3, None)
    assert status.public_status(waiting, "")["confirmations"] is None


def test_money_that_is_taken_back_by_the_network_is_waited_for_again():
    paid = settled(a_live_booking(), in_a_block())

    waiting = settled(paid, nothing_there(at=NOW + 2 * MINUTE), now=NOW + 2 * MINUTE)
    again = settled(waiting, in_a_block(at=NOW + 3 * MINUTE), final(at=NOW + 4 * MINUTE), now=NOW + 4 * MINUTE)

    assert waiting.state is State.PENDING
    assert (waiting.paid_at, waiting.orders[0].received, waiting.orders[0].transaction_id) == (None, None, "")
    assert [event.kind for event in waiting.history][-2:] == [EventKind.TAKEN_BACK, EventKind.PENDING]
    assert waiting.ledger == ()
    assert again.state is State.CONFIRMED


def test_money_that_is_taken_back_after_the_time_to_pay_leaves_nothing_behind():
    paid = settled(a_live_booking(), in_a_block())

    gone = settled(paid, nothing_there(at=AFTER_THE_END, status=Remote.EXPIRED), now=AFTER_THE_END)

    assert (gone.state, gone.refunds, gone.ledger) == (State.EXPIRED, (), ())
    assert gone.claims == ()


def test_money_that_is_taken_back_long_after_the_end_leaves_an_order_that_is_still_to_be_closed():
    """Its network was not final in time, and nobody could be asked."""
    paid = settled(a_live_booking(), in_a_block())
    long_after = AFTER_THE_END + timedelta(hours=4)
    ended = settled(settled(paid, now=AFTER_THE_END), now=long_after)

    open_again = settled(ended, nothing_there(at=long_after + MINUTE), now=long_after + MINUTE)
    closed = settled(
        open_again, nothing_there(at=long_after + 2 * MINUTE, status=Remote.EXPIRED), now=long_after + 2 * MINUTE
    )

    assert (ended.state, open_again.state) == (State.EXPIRED, State.EXPIRED)
    for booking, is_open in ((open_again, True), (closed, False)):
        now = long_after + 3 * MINUTE
        assert bool(polling.orders_to_ask(booking, now)) is is_open
        assert bool(polling.orders_to_close(booking, now)) is is_open
        assert list(invariants.violations(booking, now)) == []
    now = long_after + 2 * MINUTE
    assert polling.scheduled(replace(open_again, outbox=()), now).check_at == now + polling.ASK_EVERY


def test_the_slot_is_kept_for_money_that_was_seen_in_time_until_it_is_final():
    paid = settled(a_live_booking(), in_a_block())
    later = settled(paid, in_a_block(at=AFTER_THE_END), now=AFTER_THE_END)
    confirmed = settled(later, final(at=AFTER_THE_END + MINUTE), now=AFTER_THE_END + MINUTE)

    assert later.state is State.PAID
    assert later.claims == paid.claims
    assert confirmed.state is State.CONFIRMED


def test_a_part_that_arrived_is_told_at_once_and_decides_nothing():
    """Who sent too little, or in two parts, must not think that it is lost, nor send all of it again."""
    part = OrderObservation(a_live_booking().orders[0].trade_no, NOW + MINUTE, Remote.PENDING, money=Money.parse("40"))
    after = settled(a_live_booking(), part, now=NOW + MINUTE)
    gone = settled(after, nothing_there(at=NOW + 2 * MINUTE), now=NOW + 2 * MINUTE)

    assert (after.state, after.order.received, after.ledger) == (State.PENDING, None, ())
    assert customer.sentence(after) == "40 USDT of 75 USDT arrived. 35 USDT is missing."
    assert (after.order.still_to_pay, gone.order.still_to_pay) == (Money.parse("35"), Money.parse("75"))
    assert customer.sentence(gone).startswith("Your time is held.")


@pytest.mark.parametrize("rail", ON_CHAIN)
def test_a_network_is_asked_at_its_pace_while_a_payment_waits_for_finality(rail: RailId):
    """The watcher tells when it is final; questions in between only cost the node."""
    paid = replace(settled(a_live_booking(rail), in_a_block()), outbox=())

    pauses = [polling.scheduled(paid, paid.paid_at + waited * SECOND).check_at for waited in (0, 60)]

    assert pauses == [paid.paid_at + wait * SECOND for wait in (30, 90)]


@pytest.mark.parametrize(("rail", "minutes"), [(RailId.TRC20, 12), (RailId.BEP20, 11), (RailId.ERC20, 30)])
def test_the_owner_is_told_that_it_is_not_final_only_where_it_takes_longer_than_usual(rail: RailId, minutes: int):
    paid = settled(a_live_booking(rail), in_a_block())
    usual, too_long = (paid.paid_at + minutes * MINUTE + wait for wait in (-SECOND, timedelta()))

    told = [settled(paid, now=at).has_owed(AlertOwner(AlertKind.UNCONFIRMED)) for at in (usual, too_long)]

    assert told == [False, True]


def test_final_money_is_never_undone_by_a_later_word():
    confirmed = settled(a_live_booking(), final())

    later = settled(confirmed, nothing_there(at=NOW + 5 * MINUTE), now=NOW + 5 * MINUTE)

    assert later.state is State.CONFIRMED
    assert later.orders[0].received == Money.parse(PRICE)


def test_more_money_for_the_same_address_is_counted_and_goes_back_by_the_owner():
    confirmed = settled(a_live_booking(), final())

    more = settled(confirmed, final("80", at=NOW + 5 * MINUTE), now=NOW + 5 * MINUTE)

    assert more.orders[0].received == Money.parse("80")
    assert more.state is State.CONFIRMED
    assert [(one.amount, one.cause) for one in more.refunds] == [(Money.parse("5"), Cause.SURPLUS)]


def test_more_final_money_counts_although_it_was_asked_about_by_a_clock_that_was_ahead():
    confirmed = settled(a_live_booking(), final(at=NOW + 12 * MINUTE), now=NOW + 12 * MINUTE)

    after = settled(confirmed, final("150", at=NOW + 3 * MINUTE), now=NOW + 3 * MINUTE)

    assert (str(after.orders[0].received), after.orders[0].seen_at) == ("150", NOW + 12 * MINUTE)
    assert [str(refund.amount) for refund in after.refunds] == [PRICE]


def test_what_was_received_never_becomes_less():
    more = settled(a_live_booking(), final("80"))

    less = settled(more, final("75", at=NOW + 5 * MINUTE), now=NOW + 5 * MINUTE)

    assert less.orders[0].received == Money.parse("80")


def test_this_site_sends_no_refund_and_asks_the_customer_for_an_address():
    confirmed = settled(a_live_booking(), final())
    asked = refunds.all_of_it(confirmed, Cause.OWNER, NOW + 3 * MINUTE)
    [refund] = asked.refunds

    after = refunds.sending(asked, refund.id, NOW + 3 * MINUTE)

    [waiting] = after.refunds
    assert (waiting.status, waiting.tries) == (RefundStatus.NEEDS_OWNER, 0)
    assert waiting.obstacle is not None
    assert waiting.obstacle.kind is ObstacleKind.ADDRESS_WANTED
    assert refunds.due_to_send(after, NOW + timedelta(days=1)) is None


def test_no_mail_says_that_money_goes_back_before_the_owner_has_sent_it():
    asked = refunds.all_of_it(settled(a_live_booking(), final()), Cause.OWNER, NOW + 3 * MINUTE)

    assert not asked.has_owed(SendEmail(Email.REFUND_STARTED, asked.refunds[0].id))


def test_what_the_owner_sent_from_the_wallet_is_entered_and_leaves_that_account():
    confirmed = settled(a_live_booking(), final())
    asked = refunds.sending(
        refunds.all_of_it(confirmed, Cause.OWNER, NOW + 3 * MINUTE), "b" * 24 + "001R01", NOW + 3 * MINUTE
    )

    sent = refunds.settled_by_hand(asked, asked.refunds[0].id, Money.parse(PRICE), "0xabc", NOW + 4 * MINUTE)
    after = settled(sent, now=NOW + 4 * MINUTE)

    held = balances(after.ledger)
    assert (held.get(("trc20", "USDT")), held.get(("trc20_wallet", "USDT"))) == (
        Money.parse(PRICE),
        -Money.parse(PRICE),
    )
    assert Flag.REFUND_FAILED not in after.flags


def test_a_part_that_is_final_when_the_time_is_over_goes_back():
    late = settled(a_live_booking(), final("20", at=AFTER_THE_END), now=AFTER_THE_END)

    assert [(one.amount, one.cause) for one in late.refunds] == [(Money.parse("20"), Cause.SHORT)]


def test_the_next_order_is_paid_by_the_rail_that_was_chosen():
    booking = a_live_booking(RailId.BEP20)
    closed = settled(booking, nothing_there(at=NOW + SECOND, status=Remote.EXPIRED), now=NOW + SECOND)

    again = payment_orders.try_again(closed, NOW + 2 * SECOND)

    assert [order.rail for order in again.orders] == [RailId.BEP20, RailId.BEP20]


# --- networks that take long ----------------------------------------------------------------------------------------


def told(booking: Booking) -> list[MessageId]:
    return [message.id for message in status.messages(booking)]


def seen_in_time(rail: RailId) -> Booking:
    return settled(a_live_booking(rail), in_a_block())


@pytest.mark.parametrize("rail", ON_CHAIN)
def test_what_was_seen_in_time_keeps_its_call_and_the_customer_is_told_once_that_it_takes_long(rail: RailId):
    booking = seen_in_time(rail)

    over = settled(booking, in_a_block(at=booking.deadline), now=booking.deadline)
    later = settled(over, in_a_block(at=booking.deadline + MINUTE), now=booking.deadline + MINUTE)

    assert (told(booking), told(over)) == ([MessageId.NOTIFIED], [MessageId.NETWORK_SLOW])
    assert (over.state, later.history) == (State.PAID, over.history)


@pytest.mark.parametrize(
    ("rail", "minutes"), [(RailId.TRC20, 30), (RailId.BEP20, 30), (RailId.ERC20, 60)], ids=lambda one: str(one)
)
def test_what_is_not_final_in_the_end_frees_the_call_and_says_so_without_any_mail(rail: RailId, minutes: int):
    booking = seen_in_time(rail)
    end = booking.deadline + timedelta(minutes=minutes)

    before = settled(booking, in_a_block(at=end - SECOND), now=end - SECOND)
    after = settled(before, in_a_block(at=end), now=end)

    assert (before.state, after.state) == (State.PAID, State.EXPIRED)
    assert told(after) == [MessageId.NETWORK_TOO_SLOW]
    assert not after.has_owed(SendEmail(Email.EXPIRED))
    assert after.check_at is not None, "its money is still asked about"
    assert after.claims == ()


def test_what_becomes_final_after_that_is_late_money():
    booking = seen_in_time(RailId.ERC20)
    end = booking.deadline + timedelta(minutes=60)
    expired = settled(settled(booking, in_a_block(at=end), now=end), in_a_block(at=end), now=end)

    at_last = settled(expired, final(at=end + MINUTE), now=end + MINUTE, slot=SlotSeen.SECURED)

    assert at_last.state is State.CONFIRMED
    assert Flag.PAID_LATE in at_last.flags


def test_a_part_that_is_not_final_keeps_no_call_forever_either():
    booking = a_live_booking()
    part = in_a_block("50", at=booking.deadline)
    end = booking.deadline + timedelta(minutes=30)

    assert settled(booking, part, now=booking.deadline).state is State.PENDING
    assert settled(booking, part, now=end).state is State.EXPIRED


def test_money_found_on_another_network_pays_and_the_page_shows_what_was_asked_for():
    booking = a_live_booking(RailId.BEP20)
    [asked] = booking.orders
    found_on = payment_orders.found_on(booking, RailId.ERC20, asked, NOW + MINUTE)
    [_, found] = found_on.orders

    paid = settled(found_on, replace(final(), trade_no=found.trade_no), now=NOW + 2 * MINUTE)

    assert payment_orders.found_on(found_on, RailId.ERC20, asked, NOW + 2 * MINUTE) == found_on
    assert found_on.order == asked
    assert (found_on.rail, paid.paid_by) == (RailId.BEP20, RailId.ERC20)
    assert paid.state is State.CONFIRMED
    assert balances(paid.ledger)["erc20", "USDT"] == Money.parse(PRICE)


def test_money_found_on_another_network_after_the_end_is_no_order_that_was_left_open():
    over = settled(a_live_booking(RailId.BEP20), seen(Remote.EXPIRED, at=AFTER_THE_END), now=AFTER_THE_END)

    found_on = payment_orders.found_on(over, RailId.ERC20, over.orders[0], AFTER_THE_END + MINUTE)

    assert (over.state, len(found_on.orders)) == (State.EXPIRED, 2)
    assert list(invariants.violations(found_on, AFTER_THE_END + MINUTE)) == []


# --- another way to pay ---------------------------------------------------------------------------------------------


def test_an_order_in_whose_place_another_is_offered_is_closed():
    booking = a_live_booking()

    chosen = payment_orders.pays_otherwise(booking, RailId.BEP20, NOW + MINUTE, 30 * MINUTE)

    assert [order.number for order in polling.orders_to_close(chosen, NOW + MINUTE)] == [1]
    assert chosen.order is not None
    assert chosen.order.rail is RailId.BEP20


def test_no_other_way_is_offered_once_anything_was_seen():
    seen_booking = seen_in_time(RailId.TRC20)

    assert not payment_orders.may_choose_otherwise(seen_booking, NOW + MINUTE)
    assert payment_orders.pays_otherwise(seen_booking, RailId.BEP20, NOW + MINUTE, 30 * MINUTE) == seen_booking


DUST = "0.000001"


def a_booking_at_binance() -> Booking:
    return a_live_booking(RailId.BINANCE_PAY)


def over_with(amount: str, **how: object) -> Booking:
    """The time to pay is over, and a block after it had been read."""
    return settled(a_live_booking(), seen(Remote.PAID, amount, at=AFTER_THE_END, **how), now=AFTER_THE_END)


@pytest.mark.parametrize("amount", ["0", "0.00000001", "0.009999"])
@pytest.mark.parametrize("is_final", [True, False])
def test_dust_is_nobodys_payment_and_is_told_to_nobody(amount: str, is_final: bool):
    over = over_with(amount, by_query=is_final)

    assert (over.state, over.flags, over.refunds) == (State.EXPIRED, frozenset(), ())
    assert not any(isinstance(item.task, AlertOwner) for item in over.outbox)
    assert [one.id for one in status.messages(over)] == [MessageId.EXPIRED]
    assert over.has_owed(SendEmail(Email.EXPIRED))


def test_a_cent_is_no_dust():
    over = over_with("0.01")

    assert (Flag.UNDERPAID in over.flags, [str(one.amount) for one in over.refunds]) == (True, ["0.01"])


def test_dust_beside_the_price_confirms_the_call_and_nothing_goes_back():
    confirmed = settled(a_live_booking(), final("75.000001"), now=NOW + 2 * MINUTE)

    assert (confirmed.state, confirmed.flags, confirmed.refunds) == (State.CONFIRMED, frozenset(), ())


def test_dust_is_booked_so_that_the_balance_agrees():
    confirmed, over = settled(a_live_booking(), final("75.000001"), now=NOW + 2 * MINUTE), over_with(DUST)

    assert balances(confirmed.ledger)["trc20", "USDT"] == Money.parse("75.000001")
    assert balances(confirmed.ledger)["sales", "USDT"] == -Money.parse("75")
    assert balances(over.ledger)["trc20", "USDT"] == Money.parse(DUST)
    assert list(invariants.violations(over, AFTER_THE_END)) == []


def test_money_that_follows_dust_is_late_money():
    after = settled(over_with(DUST), final("75.000001", at=AFTER_THE_END + MINUTE), now=AFTER_THE_END + MINUTE)

    assert (after.state, after.flags) == (State.CONFIRMED, {Flag.PAID_LATE})


def test_of_binance_pay_the_smallest_surplus_goes_back():
    booking = settled(a_booking_at_binance(), seen(Remote.PAID, "75.00000001"))

    assert [str(one.amount) for one in booking.refunds] == ["0.00000001"]


# --- senders' fees --------------------------------------------------------------------------------------------------


def tolerating(percent: str, rail: RailId = RailId.TRC20) -> Booking:
    return replace(a_live_booking(rail), tolerance=Decimal(percent))


@pytest.mark.parametrize(
    ("percent", "arrived", "state"),
    [
        ("0", "74.99", State.PENDING),
        ("1", "74.25", State.CONFIRMED),
        ("1", "74.24", State.PENDING),
        ("2", "73.5", State.CONFIRMED),
        ("2", "73.49", State.PENDING),
    ],
)
def test_a_senders_fee_may_take_as_much_as_the_owner_lets_it_and_no_more(percent: str, arrived: str, state: State):
    booking = settled(tolerating(percent), final(arrived), now=NOW + 2 * MINUTE)

    assert booking.state is state
    assert booking.earned == (Money.parse(arrived) if state is State.CONFIRMED else None)


def test_what_is_tolerated_is_kept_and_told_as_what_it_is():
    booking = settled(tolerating("1"), final("74.5"), now=NOW + 2 * MINUTE)

    assert balances(booking.ledger)["trc20", "USDT"] == Money.parse("74.5")
    assert booking.refunds == ()
    [event] = [event for event in booking.history if event.kind is EventKind.FEE_TOLERATED]
    assert event.details == Amount(Money.parse("0.5"))
    assert Flag.UNDERPAID not in booking.flags


def test_no_fee_is_tolerated_where_nobody_can_take_one():
    booking = replace(usual_booking(), tolerance=Decimal(2))

    assert settled(booking, final("74.5"), now=NOW + 2 * MINUTE).state is not State.CONFIRMED
