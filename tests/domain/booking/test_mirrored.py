"""Questions other payment software asks itself, asked here under its own tests' names.

From BTCPay Server (https://github.com/btcpayserver/btcpayserver, BTCPayServer.Tests). What it checks against its
database and its web server at the same time is left to the tests of flows and adapters.
"""

from dataclasses import replace

import pytest

from inspired.domain.booking import customer_actions, payment_orders
from inspired.domain.booking.lifecycle import SlotSeen
from inspired.domain.booking.states import Flag, Remote, State
from inspired.domain.shared.money import Money
from tests.factories import (
    MINUTE,
    NOW,
    SECOND,
    a_booking,
    a_confirmed_booking,
    a_live_booking,
    a_returned,
    an_expired_booking,
    owed,
    seen,
    settled,
)

LATE = NOW + 20 * MINUTE


# InvoiceFlowThroughDifferentStatesCorrectly: new, paid (seen), confirmed, complete; late money after that
# finds its place too. Our "seen" is a signed notice, our "confirmed" our own query.
def test_invoice_flows_through_different_states_correctly():
    held = a_booking()
    live = a_live_booking()
    noticed = settled(live, seen(Remote.PAID, "75", by_query=False))
    confirmed = settled(noticed, seen(Remote.PAID, "75", at=NOW + 2 * MINUTE), now=NOW + 2 * MINUTE)
    cancelled = customer_actions.refund_all(confirmed, NOW + 3 * MINUTE, cancels=True)
    refunded = settled(cancelled, seen(Remote.FULL_REFUNDED, "75", at=NOW + 4 * MINUTE), now=NOW + 4 * MINUTE)

    assert [one.state for one in (held, live, noticed, confirmed, cancelled, refunded)] == [
        State.PENDING, State.PENDING, State.PAID, State.CONFIRMED, State.CANCELLED, State.REFUNDED,
    ]  # fmt: skip


# CanOverpayInvoice: paid over is settled, and flagged paidOver. Ours goes further: the surplus returns.
@pytest.mark.parametrize("amount", ["75.00000001", "80", "149.99999999"])
def test_can_overpay_invoice(amount):
    after = settled(a_live_booking(), seen(Remote.PAID, amount))

    assert (after.state, after.flags) == (State.CONFIRMED, {Flag.OVERPAID})
    assert [one.amount for one in after.refunds] == [Money.parse(amount) - after.price]


# CanRefundInvoice: none without a payment, a part, all, never more than was paid; an overpaid
# amount can be returned by itself.
def test_can_refund_invoice():
    with pytest.raises(Exception, match="nothing left"):
        customer_actions.refund_all(a_live_booking(), NOW, cancels=False)
    part = customer_actions.refund_part(a_confirmed_booking(), Money.parse("7.5"), NOW, cancels=False)
    with pytest.raises(Exception, match=r"At most 67\.5 USDT"):
        customer_actions.refund_part(part, Money.parse("67.50000001"), NOW, cancels=False)
    whole = customer_actions.refund_all(part, NOW, cancels=True)

    assert [str(one.amount) for one in whole.refunds] == ["7.5", "67.5"]
    assert (part.state, whole.state) == (State.CONFIRMED, State.CANCELLED)


# CanAcceptInvoiceWithTolerance: a shop may accept a little less. Here the tolerance is zero.
@pytest.mark.parametrize(("amount", "state"), [("75", State.CONFIRMED), ("74.99999999", State.PENDING)])
def test_can_accept_invoice_with_tolerance(amount, state):
    after = settled(a_live_booking(), seen(Remote.PAID, amount))

    assert after.state is state
    assert (Flag.UNDERPAID in after.flags) == (state is State.PENDING)


# EnsureWebhooks…, invoice expired, paid late, paid partially: an expiry is told; a payment after it is told as
# late, a payment that was too little as partial, and neither is lost.
def test_ensure_webhooks_invoice_expired_paid_late_partial():
    expired = an_expired_booking()
    late = settled(expired, seen(Remote.PAID, "75", at=LATE), slot=SlotSeen.LOST, now=LATE)
    partial = settled(expired, seen(Remote.PAID, "40", at=LATE), now=LATE)

    assert "send:expired" in owed(expired)
    assert (Flag.PAID_LATE in late.flags, {"send:choose", "alert:late"} <= owed(late)) == (True, True)
    assert partial.flags == {Flag.PAID_LATE, Flag.UNDERPAID}
    assert [one.amount.shown for one in partial.refunds] == ["40 USDT"]


# Ours: money that was seen outlives a later word that its order has expired.
def test_a_paid_invoice_does_not_expire():
    confirmed = a_confirmed_booking()

    after = settled(confirmed, seen(Remote.EXPIRED, at=LATE), now=LATE)

    assert (after.state, after.claims) == (State.CONFIRMED, confirmed.claims)


# Ours: a closed attempt can be followed by a new one until the deadline, and its late events never hurt it.
@pytest.mark.parametrize("status", [Remote.CANCELED, Remote.EXPIRED, Remote.ERROR])
@pytest.mark.parametrize("late_word", [None, Remote.INITIAL, Remote.CANCELED, Remote.EXPIRED, Remote.UNKNOWN])
def test_late_events_of_a_closed_attempt_do_not_hurt_the_one_that_followed(status, late_word):
    closed = settled(a_live_booking(), seen(status))
    again = payment_orders.try_again(closed, NOW + 2 * MINUTE)
    live = payment_orders.creating(again, NOW + 2 * MINUTE)
    live = payment_orders.created(live, live.order.trade_no, a_live_booking().order.checkout, NOW + 2 * MINUTE)

    after = settled(live, seen(late_word, at=NOW + 3 * MINUTE), now=NOW + 3 * MINUTE)

    assert after.order == live.order
    assert after.state is State.PENDING
    assert [one.is_payable for one in after.orders] == [False, True]
    paid = settled(after, seen(Remote.PAID, "75", order=2, at=NOW + 4 * MINUTE), now=NOW + 4 * MINUTE)
    assert paid.state is State.CONFIRMED


def test_late_money_of_a_closed_attempt_pays_and_closes_the_one_that_followed():
    closed = settled(a_live_booking(), seen(Remote.CANCELED))
    again = payment_orders.try_again(closed, NOW + 2 * MINUTE)

    after = settled(again, seen(Remote.PAID, "75", at=NOW + 3 * MINUTE), now=NOW + 3 * MINUTE)
    twice = replace(after.orders[1], status=Remote.INITIAL, tries=1)
    both = settled(
        after.with_order(twice), seen(Remote.PAID, "75", order=2, at=NOW + 4 * MINUTE), now=NOW + 4 * MINUTE + SECOND
    )

    assert after.state is State.CONFIRMED
    assert (both.state, both.flags, [str(one.amount) for one in both.refunds]) == (
        State.CONFIRMED,
        {Flag.PAID_TWICE},
        ["75"],
    )
    assert a_returned(both, NOW + 5 * MINUTE).state is State.CONFIRMED
