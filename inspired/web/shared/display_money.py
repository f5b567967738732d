"""Template helpers for money: what the customer reads of refunds, cancelling and moving, and the owner's tables."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from flask import Flask

from inspired.domain.booking import customer_actions, ledger, payment_orders, refunds, status, wallet_refunds
from inspired.domain.booking.balance import kept_of, nothing, received_of, total
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.states import CalendarKind, State
from inspired.domain.catalogue.refund_policy import RefundPolicy
from inspired.domain.reporting.reports import ASKED_BY
from inspired.domain.sentences import customer, owner, owner_pages, rails
from inspired.domain.sentences.customer import said
from inspired.domain.sentences.owner import CAUSES
from inspired.domain.sentences.values import in_hours
from inspired.domain.shared.messages import Message, MessageId
from inspired.domain.shared.money import Money
from inspired.domain.site import assurances
from inspired.web.shared.current import services


def init_app(app: Flask) -> None:
    app.jinja_env.globals.update(
        may_agree=customer_actions.may_agree,
        may_let_count=payment_orders.may_let_count,
        may_cancel=customer_actions.may_cancel,
        may_move=moves_here,
        may_tell_who_came=customer_actions.may_tell_who_came,
        may_refund=may_refund,
        is_above_limit=payment_orders.is_above_limit,
        refund_networks=wallet_refunds.networks,
        returned_lines=owner_pages.returned_lines,
        sides=sides,
    )
    app.jinja_env.filters.update(
        account=lambda name: owner_pages.ACCOUNTS.get(name, name),
        difference=owner_pages.difference,
        asked_by=lambda by: ASKED_BY.get(by, by),
        cause=lambda cause: CAUSES[cause],
        held_back=lambda held: owner_pages.HELD[held],
        goes_back_lines=goes_back_lines,
        in_hours=in_hours,
        kept_of=lambda booking: kept_of(booking).shown,
        money_sum=lambda rows: str(total((one for _, one in rows), rows[0][1].currency)),
        next_step=owner_pages.next_step,
        received_of=lambda booking: received_of(booking).shown,
        obstacle=owner.obstacle,
        refund_state=owner_pages.refund_state,
        page_of=rails.pages_of,
        rail_name=lambda rail: rails.of(rail).rail,
        home_step=lambda rail: rails.pages_of(rail).home_step,
        home_notes=lambda rail: rails.pages_of(rail).home_notes,
        refunds_told=lambda rail: f"{said(assurances.refund_to(rail))} {said(assurances.refund_time(rail))}",
    )


# --- for the customer -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GoesBack:
    """One refund as the customer sees it. `done_at` is set only if the refund is confirmed as done; `transaction`: the
    hash of the owner's transfer, or ""."""

    amount: str
    why: str
    state: str
    done_at: datetime | None
    transaction: str


def goes_back_lines(booking: Booking) -> list[GoesBack]:
    return [
        GoesBack(
            one.amount.shown,
            customer.why_back(booking, one),
            said(status.where_it_stands(booking, one)),
            one.done_at if one.is_gone else None,
            one.sent_with.log.tx_hash if one.sent_with else "",
        )
        for one in booking.refunds
        if one.reserves and one.amount
    ]


@dataclass(frozen=True, slots=True)
class Consequence:
    """What cancelling now would mean."""

    amount: Money
    told: str
    why: str


def consequence(booking: Booking, now: datetime) -> Consequence:
    amount, kept, policy = customer_actions.goes_back(booking, now), kept_of(booking), booking.meeting_type.policy
    if kept.is_nothing and booking.by_hand is not None:
        why = Message.of(MessageId.SINCE_PAID_OUTSIDE, rail=booking.rail)
        return _consequence(amount, Message(MessageId.BACK_NOT_BY_ITSELF), why)
    if kept.is_nothing:
        return _consequence(amount, Message(MessageId.BACK_NO_MORE), Message(MessageId.SINCE_ALL_IS_BACK))
    if amount.is_nothing:
        return _consequence(amount, Message.of(MessageId.BACK_NOTHING, kept=kept), _too_late(policy))
    if amount == kept:
        return _consequence(
            amount, Message.of(MessageId.BACK_ALL, amount=amount, rail=booking.paid_by), _in_time(booking, now)
        )
    part = Message.of(MessageId.BACK_PART, number=str(amount), kept=kept, rail=booking.paid_by)
    return _consequence(amount, part, Message.of(MessageId.SINCE_STARTS_WITHIN, time=policy.full_until))


def _consequence(amount: Money, told: Message, why: Message | None) -> Consequence:
    return Consequence(amount, said(told), said(why) if why else "")


def moves_here(booking: Booking, now: datetime) -> bool:
    """True if the call can be moved from its page: on our own pages, or in Calendly if times are picked in its iframe
    (`move_url`)."""
    is_there = booking.slot is not None and booking.slot.calendar is CalendarKind.CALENDLY
    return customer_actions.may_move(booking, now) and (is_there or not services().settings.in_frame)


@dataclass(frozen=True, slots=True)
class Moving:
    """What moving a confirmed call means. `seen`: how often it was moved before."""

    seen: int
    told: str


def moving_of(booking: Booking, now: datetime) -> Moving:
    before, after = booking.most_back, customer_actions.most_back_after_move(booking, now)
    if after == 100:
        return Moving(booking.moves, said(Message(MessageId.MOVE_FREE)))
    most = booking.price.share(after)
    is_late = after < before
    if most.is_nothing:
        told = Message(MessageId.MOVE_THEN_NOTHING_SINCE_LATE if is_late else MessageId.MOVE_THEN_NOTHING)
    else:
        told = Message.of(MessageId.MOVE_THEN_MOST_SINCE_LATE if is_late else MessageId.MOVE_THEN_MOST, most=most)
    return Moving(booking.moves, said(told))


def _in_time(booking: Booking, now: datetime) -> Message | None:
    policy, slot = booking.meeting_type.policy, booking.slot
    if slot is None or policy.percent(slot.span.start, now) < 100:
        return Message(MessageId.SINCE_ALL_THAT_IS_LEFT)
    return Message.of(MessageId.SINCE_STARTS_LATER, time=policy.full_until) if policy.full_until else None


def _too_late(policy: RefundPolicy) -> Message:
    last = policy.part_until if policy.part_percent else policy.full_until
    return Message.of(MessageId.SINCE_STARTS_WITHIN, time=last)


# --- for the owner --------------------------------------------------------------------------------------------------


def may_refund(booking: Booking) -> bool:
    """True if proven money of any payment is left, in any currency."""
    return bool(refunds.left_of_each(booking))


def may_refund_a_part(booking: Booking) -> bool:
    """False before confirmation: then the money goes back only as a whole."""
    return booking.state is State.CONFIRMED or booking.agreed_amount is not None


def sides(money: Money) -> tuple[str, str]:
    """Debit and credit of a ledger line, one of them empty."""
    return ("", str(-money)) if money < nothing(money.currency) else (str(money), "")


def balance_rows(balances: dict[tuple[str, str], Money]) -> Iterable[tuple[str, list[tuple[str, Money]]]]:
    """By currency: every ledger account in order, with its balance."""
    for currency in sorted({currency for _, currency in balances}):
        rows = [(name, balances.get((name, currency), nothing(currency))) for name in ledger.ACCOUNTS]
        yield currency, rows
