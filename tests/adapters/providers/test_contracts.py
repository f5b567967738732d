"""Binance Pay in memory, for the simulation, keeps the promises of the adapter: each claim holds for both."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inspired.adapters.providers.binance import Refused
from inspired.domain.booking.refunds import Outcome
from inspired.domain.booking.states import Remote
from inspired.domain.shared.errors import BalanceTooLow, UpstreamError
from inspired.domain.shared.money import Money
from tests.adapters.merchants import a_merchant
from tests.factories import (
    NOW,
)
from tests.harness import Servers
from tests.simulation.memory import (
    MemoryPay,
    Wire,
)

BOTH = ("real", "memory")
TRADE_NO = "b" * 24 + "001"


def usdt(amount: str) -> Money:
    return Money.parse(amount)


class Sandbox:
    """The world's side of the real thing, in the words of `MemoryPay`."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers

    def _order(self, trade_no: str, what: str, body: dict[str, Any]) -> None:
        self._servers.control(f"orders/{trade_no}/{what}", body)

    def paid(self, trade_no: str, amount: Money | None = None) -> None:
        how = {"amount": str(amount), "currency": amount.currency} if amount else {}
        self._order(trade_no, "pay", {"notify": "lost", "force": True, **how})

    def started_paying(self, trade_no: str) -> None:
        self._order(trade_no, "pending", {})

    def refunded_by_hand(self, trade_no: str, amount: Money | None) -> None:
        self._order(trade_no, "refund", {} if amount is None else {"amount": str(amount)})

    def refunds_end(self, outcome: Outcome) -> None:
        words = {Outcome.DONE: "success", Outcome.PENDING: "pending", Outcome.FAILED: "fail"}
        self._servers.control("settings", {"refund_outcome": words[outcome]})

    def has_balance(self, amount: str) -> None:
        self._servers.control("settings", {"merchant_balance": amount})

    def finished(self, refund_id: str, outcome: Outcome) -> None:
        self._servers.control(f"refunds/{refund_id}/{'complete' if outcome is Outcome.DONE else 'reject'}", {})

    def time_is_up(self, trade_no: str) -> None:
        self._order(trade_no, "expire", {})


class Memory:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)
        self.pay = MemoryPay(Wire(), lambda: self.now)
        self.paid, self.started_paying = self.pay.paid, self.pay.started_paying
        self.refunded_by_hand, self.finished = self.pay.refunded_by_hand, self.pay.finished

    def refunds_end(self, outcome: Outcome) -> None:
        self.pay.outcome = outcome

    def has_balance(self, amount: str) -> None:
        self.pay.balance = usdt(amount)

    def time_is_up(self, trade_no: str) -> None:
        self.now = self.pay.orders[trade_no].expires_at


@pytest.fixture(params=BOTH)
def both(request):
    """The client, and its world."""
    if request.param == "memory":
        memory = Memory()
        return memory.pay, memory
    servers = request.getfixturevalue("sandbox")
    return a_merchant(servers.sandbox), Sandbox(servers)


def create(pay: Any, trade_no: str = TRADE_NO, price: str = "75") -> Any:
    return pay.create(
        trade_no=trade_no,
        price=usdt(price),
        title="Portfolio review",
        reference="portfolio-review",
        expires_at=datetime.now(UTC) + timedelta(minutes=15),
        page_url="http://127.0.0.1:9/booking/t",
        seconds=5.0,
    )


def paid(pay: Any, world: Any) -> Any:
    checkout = create(pay)
    world.paid(TRADE_NO)
    return checkout


def refund(pay: Any, checkout: Any, name: str, amount: str) -> Any:
    return pay.refund(
        refund_request_id=name, prepay_id=checkout.prepay_id, amount=usdt(amount), reason="Refund", seconds=5.0
    )


def test_an_order_is_made_once_and_its_number_never_again(both):
    pay, _ = both
    checkout = create(pay)

    with pytest.raises(UpstreamError) as caught:
        create(pay)

    assert (caught.value.code, caught.value.retryable, caught.value.maybe_applied) == ("400201", True, True)
    seen = pay.query(TRADE_NO, asked_at=NOW)
    assert (seen.status, seen.money, seen.prepay_id) == (Remote.INITIAL, None, checkout.prepay_id)
    assert (seen.asked_at, seen.by_query) == (NOW, True)


def test_an_order_nobody_made_has_no_status(both):
    pay, _ = both

    assert pay.query(TRADE_NO).status is None


@pytest.mark.parametrize("amount", [None, "74.99999999", "150"])
def test_money_is_told_as_it_arrived(both, amount):
    pay, world = both
    create(pay)

    world.paid(TRADE_NO, usdt(amount) if amount else None)

    seen = pay.query(TRADE_NO)
    assert (seen.status, seen.money) == (Remote.PAID, usdt(amount or "75"))
    assert seen.transaction_id
    assert seen.paid_at is not None


def test_another_currency_is_told_as_it_is(both):
    pay, world = both
    create(pay)

    world.paid(TRADE_NO, Money.parse("75", "USDC"))

    assert pay.query(TRADE_NO).money == Money.parse("75", "USDC")


def test_a_closed_order_is_closed_and_late_money_is_there_all_the_same(both):
    pay, world = both
    create(pay)

    pay.close(TRADE_NO)
    pay.close(TRADE_NO)
    assert pay.query(TRADE_NO).status is Remote.CANCELED

    world.paid(TRADE_NO)
    assert (pay.query(TRADE_NO).status, pay.query(TRADE_NO).money) == (Remote.PAID, usdt("75"))


def test_an_order_somebody_is_paying_or_has_paid_or_that_is_none_cannot_be_closed(both):
    pay, world = both
    create(pay)
    world.started_paying(TRADE_NO)

    pay.close(TRADE_NO)
    pay.close("c" * 24 + "001")

    assert pay.query(TRADE_NO).status is Remote.PENDING
    world.paid(TRADE_NO)
    pay.close(TRADE_NO)
    assert pay.query(TRADE_NO).status is Remote.PAID


def test_an_order_past_its_time_is_expired(both):
    pay, world = both
    create(pay)

    world.time_is_up(TRADE_NO)

    assert pay.query(TRADE_NO).status is Remote.EXPIRED


def test_parts_are_refunded_with_their_sum_and_what_is_still_allowed(both):
    pay, world = both
    checkout = paid(pay, world)

    first, second = refund(pay, checkout, "R1", "25"), refund(pay, checkout, "R2", "50")

    assert [(one.amount, one.refunded_in_all, one.remaining) for one in (first, second)] == [
        (usdt("25"), usdt("25"), 9),
        (usdt("50"), usdt("75"), 8),
    ]
    assert pay.query(TRADE_NO).status is Remote.FULL_REFUNDED
    told = pay.query_refund("R1", "USDT", trade_no=TRADE_NO)
    assert (told.outcome, told.amount, told.refunded_in_all) == (Outcome.DONE, usdt("25"), usdt("25"))


def test_a_part_that_went_back_leaves_the_order_refunded(both):
    pay, world = both
    refund(pay, paid(pay, world), "R1", "25")

    seen = pay.query(TRADE_NO)

    assert (seen.status, seen.money) == (Remote.REFUNDED, usdt("75"))


def test_a_refund_repeated_with_its_id_is_answered_and_not_made_again(both):
    pay, world = both
    checkout = paid(pay, world)

    first, again = refund(pay, checkout, "R1", "25"), refund(pay, checkout, "R1", "25")

    assert replace(again, asked_at=first.asked_at) == first
    assert refund(pay, checkout, "R2", "1").refunded_in_all == usdt("26")


def test_a_refund_nobody_asked_for_has_no_outcome(both):
    pay, _ = both

    assert pay.query_refund("R9", "USDT").outcome is None


def test_more_than_is_left_or_of_an_unpaid_order_is_refused(both):
    pay, world = both
    checkout = create(pay)
    with pytest.raises(Refused) as unpaid:
        refund(pay, checkout, "R1", "1")
    world.paid(TRADE_NO)
    refund(pay, checkout, "R1", "50")

    with pytest.raises(Refused) as caught:
        refund(pay, checkout, "R2", "25.00000001")

    assert (unpaid.value.code, caught.value.code) == ("400301", "400303")


def test_the_tenth_refund_returns_everything_left_and_an_eleventh_is_refused(both):
    pay, world = both
    checkout = paid(pay, world)
    for number in range(9):
        refund(pay, checkout, f"R{number}", "1")

    last = refund(pay, checkout, "R9", "1")

    assert (last.amount, last.remaining) == (usdt("66"), 0)
    with pytest.raises(Refused) as caught:
        refund(pay, checkout, "R10", "1")
    assert caught.value.code == "400302"


def test_too_little_balance_refuses_and_changes_nothing(both):
    pay, world = both
    checkout = paid(pay, world)
    world.has_balance("20")

    with pytest.raises(BalanceTooLow) as caught:
        refund(pay, checkout, "R1", "25")

    assert (caught.value.retryable, caught.value.maybe_applied) == (False, False)
    assert pay.query(TRADE_NO).status is Remote.PAID
    assert refund(pay, checkout, "R2", "20").remaining == 9


@pytest.mark.parametrize(("outcome", "status"), [(Outcome.DONE, Remote.REFUNDED), (Outcome.FAILED, Remote.PAID)])
def test_a_pending_refund_comes_to_its_end(both, outcome, status):
    pay, world = both
    checkout = paid(pay, world)
    world.refunds_end(Outcome.PENDING)
    refund(pay, checkout, "R1", "25")
    assert pay.query_refund("R1", "USDT").outcome is Outcome.PENDING
    assert pay.query(TRADE_NO).status is Remote.REFUNDING

    world.finished("R1", outcome)

    assert pay.query_refund("R1", "USDT").outcome is outcome
    assert pay.query(TRADE_NO).status is status


def test_what_a_rejected_refund_was_for_can_be_refunded_again(both):
    pay, world = both
    checkout = paid(pay, world)
    world.refunds_end(Outcome.FAILED)
    refund(pay, checkout, "R1", "75")
    world.refunds_end(Outcome.DONE)

    again = refund(pay, checkout, "R2", "75")

    assert (again.refunded_in_all, again.remaining) == (usdt("75"), 8)


def test_a_refund_by_hand_is_unknown_by_id_but_counts(both):
    pay, world = both
    checkout = paid(pay, world)

    world.refunded_by_hand(TRADE_NO, usdt("25"))

    assert pay.query(TRADE_NO).status is Remote.REFUNDED
    beside = refund(pay, checkout, "R1", "10")
    assert (beside.refunded_in_all, beside.remaining) == (usdt("35"), 8)
    world.refunded_by_hand(TRADE_NO, None)
    assert pay.query(TRADE_NO).status is Remote.FULL_REFUNDED
