"""The rules of refunds from the owner's wallet: what they wait for, and which transfer settles them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from inspired.domain.booking import (
    attention,
    customer_actions,
    invariants,
    owner_actions,
    refunds,
    status,
    wallet_refunds,
)
from inspired.domain.booking.booking import Booking, Refund, Sealed, SentTransfer
from inspired.domain.booking.claims import RefundTransfer
from inspired.domain.booking.history import ObstacleKind
from inspired.domain.booking.ledger import balances
from inspired.domain.booking.outbox import AlertKind, AlertOwner, Email, SendEmail
from inspired.domain.booking.refunds import Outcome, RefundSeen
from inspired.domain.booking.states import Flag, RefundStatus, State
from inspired.domain.shared.errors import Conflict, Invalid
from inspired.domain.shared.messages import MessageId
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Network, Transfer
from inspired.domain.support import promises
from tests.domain.booking.test_on_chain import a_live_booking, final
from tests.factories import MINUTE, NOW, settled

THEM, WALLET, STRANGER = ("0x" + letter * 40 for letter in "abc")
HASH = "0x" + "7" * 64
LATER = NOW + 3 * MINUTE
ONE = Money.parse("1")


def usdt(amount: str) -> Money:
    return Money.parse(amount)


def due(amount: str = "75") -> Booking:
    """A cancelled call whose refund of so much is due."""
    booking = replace(settled(a_live_booking(), final(amount)), sealed=Sealed(b"key"))
    return customer_actions.refund_all(booking, LATER, cancels=True)


def waiting(amount: str = "75", *, smallest: Money = ONE) -> Booking:
    booking = due(amount)
    for refund in booking.refunds:
        booking = refunds.sending(booking, refund.id, LATER, smallest)
    return settled(booking, now=LATER)


def named(booking: Booking) -> Booking:
    return settled(wallet_refunds.named(booking, Network.TRC20, b"sealed", LATER), now=LATER)


def confirmed(booking: Booking) -> Booking:
    after = wallet_refunds.confirmed(booking, Network.TRC20, 1, b"confirmed", LATER)
    return settled(after, now=LATER)


def ready() -> Booking:
    return confirmed(named(waiting()))


def last(booking: Booking) -> Refund:
    return booking.refunds[-1]


def a_log(index: int = 5, block: int = 100) -> SentTransfer:
    return SentTransfer(RefundTransfer(Network.TRC20, HASH, index), block)


def sent(booking: Booking, log: SentTransfer | None = None) -> Booking:
    return settled(wallet_refunds.sent(booking, last(booking), 1, log or a_log(), LATER), now=LATER)


def told(booking: Booking, outcome: Outcome, log: SentTransfer | None = None) -> Booking:
    at = LATER + MINUTE
    seen = RefundSeen(last(booking).id, at, outcome, last(booking).trade_no, sent_with=log)
    return settled(refunds.recorded(booking, seen), now=at)


def a_transfer(units: int = 75_000_000, *, to: str = THEM, sender: str = WALLET, log_index: int = 5) -> Transfer:
    return Transfer(Network.TRC20, 100, "0x" + "8" * 64, None, HASH, log_index, sender, to, units)


def settling(*transfers: Transfer, taken: frozenset[int] = frozenset()) -> Transfer:
    return wallet_refunds.settling(transfers, to=THEM, units=75_000_000, wallets={WALLET}, taken=taken)


# --- what it waits for ----------------------------------------------------------------------------------------------


def test_first_it_waits_for_the_customer_and_then_for_the_owner():
    asked, owners = waiting(), ready()

    assert (last(asked).waits_for_customer, last(asked).is_stuck) == (True, False)
    assert (last(owners).waits_for_wallet, last(owners).is_stuck) == (True, True)
    assert asked.has_owed(SendEmail(Email.REFUND_ADDRESS_WANTED, last(asked).id))
    assert owners.has_owed(AlertOwner(AlertKind.REFUND_TO_SEND, f"{last(owners).id}-1"))
    assert asked.flags & {Flag.NEEDS_OWNER, Flag.REFUND_FAILED} == frozenset()
    assert owners.flags & {Flag.NEEDS_OWNER, Flag.REFUND_FAILED} == {Flag.NEEDS_OWNER}


def test_the_owner_is_asked_to_send_it_and_not_to_try_again():
    assert attention.matters(ready()) == (attention.Matter.REFUND_TO_SEND,)
    assert attention.matters(waiting()) == ()
    with pytest.raises(Conflict):
        refunds.tried_again(ready(), last(ready()).id, LATER)


def test_the_customer_reads_what_is_waited_for():
    of = {one: status.where_it_stands(one, last(one)).id for one in (waiting(), ready(), sent(ready()))}

    assert list(of.values()) == [
        MessageId.REFUND_ADDRESS_WANTED,
        MessageId.REFUND_OWNER_SENDS,
        MessageId.REFUND_TAKEN,
    ]
    assert MessageId.REFUND_STUCK not in {one.id for one in status.messages(ready())}


@pytest.mark.parametrize(
    ("amount", "kind"),
    [
        ("0.999999", ObstacleKind.TOO_SMALL),
        ("1", ObstacleKind.ADDRESS_WANTED),
    ],
)
def test_less_than_the_minimum_waits_until_the_customer_asks(amount: str, kind: ObstacleKind):
    booking = waiting(str(usdt("75") + usdt(amount)))
    [surplus, _] = booking.refunds

    assert surplus.obstacle is not None
    assert (surplus.amount, surplus.obstacle.kind) == (usdt(amount), kind)
    asked = confirmed(named(booking)).refunds[0]
    assert asked.waits_for_wallet


def test_small_money_that_nobody_asks_for_stays_in_the_books_and_keeps_nobodys_data():
    booking = settled(a_live_booking(), final("75.4"))
    booking = refunds.sending(replace(booking, sealed=Sealed(b"key")), booking.refunds[0].id, LATER, ONE)
    booking = settled(booking, now=LATER)

    assert booking.state is State.CONFIRMED
    assert balances(booking.ledger)["suspense", "USDT"] == usdt("-0.4")
    assert not last(booking).awaits_address
    assert not last(booking).is_stuck


def test_an_address_wanted_keeps_the_data_that_it_needs():
    assert owner_actions.why_not_erase(replace(waiting(), outbox=(), check_at=None), LATER) == (
        "Money of it is still open."
    )


def test_a_new_address_takes_the_confirmation_of_the_old_one_away():
    changed = named(ready())
    address = changed.refund_address(Network.TRC20)

    assert address is not None
    assert (address.number, address.is_change, address.confirmed_at) == (2, True, None)
    assert last(changed).waits_for_customer
    with pytest.raises(Conflict):
        wallet_refunds.confirmed(changed, Network.TRC20, 1, b"confirmed", LATER)


def test_an_address_named_beforehand_is_not_used_before_it_is_confirmed():
    booking = named(replace(settled(a_live_booking(), final()), sealed=Sealed(b"key")))
    asked = customer_actions.refund_all(booking, LATER, cancels=True)

    waits = refunds.sending(asked, last(asked).id, LATER, ONE)
    sure = refunds.sending(confirmed(asked), last(asked).id, LATER, ONE)

    assert last(waits).waits_for_customer
    assert last(sure).waits_for_wallet


def test_a_booking_names_ten_addresses_and_no_more():
    booking = waiting()
    for _ in range(wallet_refunds.MOST_ADDRESSES):
        booking = named(booking)

    with pytest.raises(Conflict, match="write to us"):
        named(booking)


def test_only_a_network_that_has_money_of_the_booking_takes_an_address():
    gone = told(sent(ready()), Outcome.DONE, a_log())

    assert wallet_refunds.networks(waiting()) == (Network.TRC20,)
    assert wallet_refunds.networks(gone) == ()
    assert wallet_refunds.networks(replace(waiting(), sealed=None)) == ()
    for booking, network in ((waiting(), Network.ERC20), (gone, Network.TRC20)):
        with pytest.raises(Conflict):
            wallet_refunds.refuse_naming(booking, network)


def test_a_promise_counts_from_the_moment_it_can_be_kept():
    asked, owners = (promises.promises(one)[0] for one in (waiting(), ready()))

    assert asked.due == LATER + promises.ADDRESS_WITHIN
    assert owners.due == LATER + timedelta(days=1)
    assert promises.promises(told(sent(ready()), Outcome.DONE, a_log()))[0].kept_at is not None


# --- the transfer ---------------------------------------------------------------------------------------------------


def test_exactly_the_amount_from_a_named_wallet_to_the_confirmed_address_settles_it():
    fits = a_transfer()

    assert settling(a_transfer(1, log_index=1), a_transfer(to=STRANGER, log_index=2), fits) == fits


@pytest.mark.parametrize(
    ("transfer", "why"),
    [
        (a_transfer(to=STRANGER), "sends no USDT to the address"),
        (a_transfer(74_000_000), "1 USDT too little"),
        (a_transfer(75_000_001), "0.000001 USDT too much"),
        (a_transfer(sender=STRANGER), "a wallet that you have not named"),
    ],
)
def test_anything_else_settles_nothing(transfer: Transfer, why: str):
    with pytest.raises(Invalid, match=why):
        settling(transfer)


def test_two_equal_transfers_of_one_transaction_settle_two_refunds_and_one_settles_one():
    two = a_transfer(log_index=5), a_transfer(log_index=6)

    assert settling(*two, taken=frozenset({5})).log_index == 6
    with pytest.raises(Conflict, match="another refund"):
        settling(two[0], taken=frozenset({5}))


def test_seen_in_a_block_it_is_claimed_and_nothing_is_booked_before_it_is_final():
    seen = sent(ready())
    done = told(seen, Outcome.DONE, a_log())

    assert a_log().log in seen.claims
    assert balances(seen.ledger)["trc20", "USDT"] == usdt("75")
    assert not seen.has_owed(SendEmail(Email.REFUND_DONE, last(seen).id))
    assert (last(done).status, last(done).done_at) == (RefundStatus.DONE, LATER + MINUTE)
    # It left the wallet; what came lies at its address until it is swept.
    held = balances(done.ledger)
    assert (held.get(("trc20", "USDT")), held.get(("trc20_wallet", "USDT"))) == (usdt("75"), -usdt("75"))
    assert done.has_owed(SendEmail(Email.REFUND_DONE, last(done).id))
    assert a_log().log in done.claims


def test_another_block_may_have_it_at_another_place():
    moved = told(sent(ready()), Outcome.PENDING, a_log(9, 101))

    assert last(moved).sent_with == a_log(9, 101)
    assert a_log().log not in moved.claims


def test_taken_back_it_is_the_owners_again_and_its_transfer_is_free():
    back = told(sent(ready()), Outcome.TAKEN_BACK)

    assert last(back).obstacle is not None
    assert last(back).obstacle.kind is ObstacleKind.TAKEN_BACK
    assert (last(back).waits_for_wallet, last(back).sent_with, a_log().log in back.claims) == (True, None, False)
    assert back.has_owed(AlertOwner(AlertKind.REFUND_TAKEN_BACK, f"{last(back).id}-77777777"))


def test_a_final_refund_is_never_taken_back():
    done = told(sent(ready()), Outcome.DONE, a_log())

    assert told(done, Outcome.TAKEN_BACK).refunds == done.refunds


def test_an_address_that_changed_meanwhile_is_looked_at_again():
    booking = confirmed(named(waiting()))

    with pytest.raises(Conflict, match="changed the address"):
        wallet_refunds.sent(booking, last(booking), 2, a_log(), LATER)


def test_two_refunds_of_a_booking_with_one_transfer_break_an_invariant():
    booking = waiting("76")
    both = tuple(replace(one, sent_with=a_log()) for one in booking.refunds)

    broken = [name for name, _ in invariants.violations(replace(booking, refunds=both), LATER)]

    assert "refunds_bounded" in broken
    assert "refunds_bounded" not in [name for name, _ in invariants.violations(booking, LATER)]


# --- two owners -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("owners", "above", "needs"), [(2, "74", True), (2, "75", False), (1, "74", False)])
def test_two_owners_are_needed_where_there_are_two_and_it_is_more(owners: int, above: str, needs: bool):
    booking = ready()

    assert wallet_refunds.needs_second_owner(last(booking), owners, usdt(above)) is needs


def test_whoever_approved_it_does_not_send_it():
    booking = wallet_refunds.approved(ready(), last(ready()).id, "one", LATER)
    again = wallet_refunds.approved(booking, last(booking).id, "two", LATER)

    def sends(who: str) -> Refund:
        return wallet_refunds.refuse_sending(again, last(again).id, who, owners=2, above=usdt("1"))

    assert again == booking
    assert sends("two") == last(booking)
    with pytest.raises(Conflict, match="somebody else"):
        sends("one")


def test_an_amount_that_the_network_cannot_carry_is_told():
    assert wallet_refunds.units_owed(Network.BEP20, usdt("0.00000001")) == 10**10
    with pytest.raises(Conflict, match="decimal places"):
        wallet_refunds.units_owed(Network.TRC20, usdt("0.00000001"))
