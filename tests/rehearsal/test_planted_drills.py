"""A drill is worth something only where it turns red: bugs are planted, each seen by the drill that is for it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from inspired.adapters.crypto import chain_addresses
from inspired.adapters.mongo.payment_logs import PaymentLogs
from inspired.adapters.providers import on_chain
from inspired.adapters.providers.binance import BinancePay
from inspired.adapters.providers.on_chain import OnChain
from inspired.domain.booking import booking, lifecycle
from inspired.domain.monitoring.rehearsals import Verdict
from inspired.flows.booking import chain_watching, payment_webhooks, refreshing
from inspired.rehearsal import running
from inspired.rehearsal.stage import Sandbox
from inspired.services import Services

Planting = Callable[[pytest.MonkeyPatch], None]


def signatures_are_not_checked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(BinancePay, "verify_webhook", lambda *_, **__: None)


def notices_are_believed(patch: pytest.MonkeyPatch) -> None:
    """As if a notice were our own query's answer, and the query not asked."""
    told = payment_webhooks.payments
    patch.setattr(payment_webhooks, "payments", lambda *some: [replace(one, by_query=True) for one in told(*some)])


def refunds_get_a_new_number_each_time(patch: pytest.MonkeyPatch) -> None:
    refund, count = BinancePay.refund, [0]

    def renumbered(self: BinancePay, *, refund_request_id: str, **more: Any) -> Any:
        count[0] += 1
        return refund(self, refund_request_id=f"{refund_request_id}x{count[0]}", **more)

    patch.setattr(BinancePay, "refund", renumbered)


def nothing_is_claimed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(booking.Booking, "claims", property(lambda _: ()))


def bookings_are_not_looked_at_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(refreshing, "orders_seen", lambda *_: [])


def notices_are_acknowledged_before_they_are_written(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PaymentLogs, "add_webhook", lambda *_: True)


def what_is_seen_is_taken_for_final(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(on_chain._Read, "final", on_chain._Read.seen)


def what_was_seen_stays_seen(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lifecycle, "_taken_back", lambda found, *_: found)


def stored_addresses_are_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OnChain, "_shown", lambda self, given: chain_addresses.shown(self._network, given.address))


def what_is_on_another_network_is_overlooked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(chain_watching, "_with_orders_of_other_networks", lambda _, found, __: found)


def only_the_newest_transfer_counts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(on_chain._Read, "seen", property(lambda read: sum(one.units for one in read.transfers[-1:])))


PLANTED: list[tuple[Planting, str]] = [
    (signatures_are_not_checked, "webhook-forged"),
    (signatures_are_not_checked, "webhook-altered"),
    (notices_are_believed, "webhook-contradicted"),
    (refunds_get_a_new_number_each_time, "refund-answer-lost"),
    (nothing_is_claimed, "two-want-one-time"),
    (bookings_are_not_looked_at_again, "webhook-lost"),
    (notices_are_acknowledged_before_they_are_written, "paid"),
    (what_is_seen_is_taken_for_final, "chain-paid"),
    (what_was_seen_stays_seen, "chain-taken-back"),
    (stored_addresses_are_believed, "chain-address-altered"),
    (what_is_on_another_network_is_overlooked, "chain-other-network"),
    (only_the_newest_transfer_counts, "chain-in-parts"),
]


@pytest.mark.parametrize(("plant", "drill"), PLANTED, ids=lambda one: getattr(one, "__name__", one))
def test_the_drill_for_it_turns_red(
    svc: Services, stand_in: Sandbox, monkeypatch: pytest.MonkeyPatch, plant: Planting, drill: str
):
    plant(monkeypatch)

    record = running.played(svc, stand_in, running.drill_called(drill), svc.new_id())

    assert record.verdict is Verdict.RED
    assert record.why
    assert not record.broken_off, "it is a check that fails, not the drill"
