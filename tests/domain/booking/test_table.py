"""The table against an oracle: every cell of state × money × calendar × time × orders × policy × what was agreed.

The oracle was written by hand from the rules of money and shares nothing with the table: it names what should come
out, not how. Each cell is a real booking.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from itertools import product

import pytest

from inspired.domain.booking import lifecycle
from inspired.domain.booking.booking import Booking, PaymentOrder, Refund, refund_id, trade_number
from inspired.domain.booking.lifecycle import TABLE, SlotSeen, next_step
from inspired.domain.booking.outbox import PostLedger
from inspired.domain.booking.states import CalendarKind, Cause, Flag, RefundStatus, Remote, State
from inspired.domain.shared.money import Money
from tests.factories import EVENT, MINUTE, NOW, SECOND, a_draft, a_live_booking, topping_up

# The order can be paid until 15:00 after NOW, the slot is held until 16:00.
WHEN = {
    "open": NOW + 2 * MINUTE,
    "closing": NOW + 15 * MINUTE + 30 * SECOND,
    "over": NOW + 17 * MINUTE,
    "long after": NOW + timedelta(hours=30),
    "not chosen": NOW + timedelta(hours=50),
}
MONEY = (
    "none", "notice", "notice that is denied", "notice of another amount", "exact", "short", "over", "twice", "foreign",
    "unreadable", "exact beside foreign", "part gone", "most gone", "promised", "gone",
)  # fmt: skip
AGREED = {
    State.PENDING: ("nothing",),
    State.PAID: ("nothing", "choice"),
    State.CONFIRMED: ("nothing", "keeps 50"),
    State.EXPIRED: ("nothing", "choice"),
    State.CANCELLED: ("nothing", "choice", "keeps 50"),
    State.REFUNDED: ("keeps 0",),
}
FIRST, SECOND_ORDER = trade_number("b" * 24, 1), trade_number("b" * 24, 2)
ENDED = (State.EXPIRED, State.CANCELLED, State.REFUNDED)


@dataclass(frozen=True)
class Cell:
    state: State
    money: str
    slot: SlotSeen
    when: str
    has_open_order: bool
    tops_up: bool
    leaves: bool
    agreed: str

    @property
    def now(self) -> datetime:
        return WHEN[self.when]

    @property
    def is_over(self) -> bool:
        """The slot's deadline has passed."""
        return self.when not in ("open", "closing")


def cells() -> Iterator[Cell]:
    for state, money, slot, when, opened, tops_up in product(
        AGREED, MONEY, SlotSeen, WHEN, (True, False), (True, False)
    ):
        for agreed in AGREED[state]:
            yield Cell(state, money, slot, when, opened, tops_up, False, agreed)
            if state is State.PENDING:
                yield Cell(state, money, slot, when, opened, tops_up, True, agreed)


CELLS = tuple(cells())
LIVE = a_live_booking(calendar=CalendarKind.CALENDLY, outbox=())
MOST_STEPS = 8  # of the table in one settling; more means that two rows play ball


# --- the booking of a cell ------------------------------------------------------------------------------------------


def paid(order: PaymentOrder, amount: str | None, *, currency: str = "USDT", proven: bool = True) -> PaymentOrder:
    received = Money.parse(amount, currency) if amount else None
    return replace(order, status=Remote.PAID, received=received, proven=proven, paid_at=NOW + MINUTE)


def a_refund(amount: str, status: RefundStatus) -> Refund:
    money = Money.parse(amount)
    return Refund(refund_id(FIRST, 1), FIRST, money, Cause.OWNER, NOW + MINUTE, status=status, retry_at=None)


def booking_of(cell: Cell) -> Booking:
    live = replace(LIVE, cancel_requested=cell.leaves)
    first = live.orders[0]
    second = replace(first, number=2, trade_no=SECOND_ORDER)
    done, promised = RefundStatus.DONE, RefundStatus.SENT
    with_money: dict[str, tuple[tuple[PaymentOrder, ...], tuple[Refund, ...]]] = {
        "none": ((), ()),
        "notice": ((paid(first, "75", proven=False),), ()),
        "notice that is denied": ((replace(paid(first, "75", proven=False), denied=Remote.EXPIRED),), ()),
        "notice of another amount": ((paid(first, "74", proven=False),), ()),
        "exact": ((paid(first, "75"),), ()),
        "short": ((paid(first, "70"),), ()),
        "over": ((paid(first, "80"),), ()),
        "twice": ((paid(first, "75"), paid(second, "75")), ()),
        "foreign": ((paid(first, "75", currency="BNB"),), ()),
        "unreadable": ((paid(first, None),), ()),
        "exact beside foreign": ((paid(first, "75"), paid(second, "75", currency="BNB")), ()),
        "part gone": ((paid(first, "75"),), (a_refund("25", done),)),
        "most gone": ((paid(first, "75"),), (a_refund("45", done),)),
        "promised": ((paid(first, "75"),), (a_refund("75", promised),)),
        "gone": ((paid(first, "75"),), (a_refund("75", done),)),
    }
    orders, returned = with_money[cell.money]
    number = len(orders) + 1
    status = Remote.INITIAL if cell.has_open_order else Remote.CANCELED
    other = replace(first, number=number, trade_no=trade_number(live.id, number), status=status)
    booking = replace(live, state=cell.state, orders=(*orders, other), refunds=returned)
    booking = topping_up(booking) if cell.tops_up else booking
    if cell.state in (State.PAID, State.CONFIRMED):
        booking = replace(booking, paid_at=NOW + MINUTE)
    if cell.state is State.CONFIRMED:
        booking = replace(booking, confirmed_at=NOW + MINUTE, earned=booking.price)
    if cell.state in ENDED:
        booking = replace(booking, ended_at=NOW + 16 * MINUTE)
    if cell.agreed == "choice":
        booking = replace(booking, choose_by=NOW + timedelta(hours=48), flags=frozenset({Flag.SLOT_LOST}))
    if cell.agreed.startswith("keeps"):
        booking = replace(booking, agreed_amount=Money.parse(cell.agreed.removeprefix("keeps ")))
    return booking


# --- the oracle -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Expected:
    """What comes out. `asked`: amount and cause of every new refund. `owed`: mails and alerts, without the books'."""

    state: State
    flags: frozenset[str] = frozenset()
    asked: tuple[tuple[str, str], ...] = ()
    owed: frozenset[str] = frozenset()
    chooses: bool = False
    agreed_amount: str = ""
    orders: int = 0  # new ones

    def plus(self, *, flags: str = "", owed: str = "", asked: tuple[tuple[str, str], ...] = ()) -> "Expected":
        return replace(
            self,
            flags=self.flags | set(flags.split()),
            owed=self.owed | set(owed.split()),
            asked=self.asked + asked,
        )


# What the money comes to, by what may be kept of it: 75 (the price), 50 or nothing.
COMES_TO = {
    #                            75           50         0
    "none":                     ("none",     "none",    "none"),
    "notice":                   ("told",     "told",    "told"),
    "notice that is denied":    ("denied",   "denied",  "denied"),
    "notice of another amount": ("doubtful", "told",    "told"),
    "exact":                    ("exact",    "over 25", "over 75"),
    "short":                    ("short 70", "over 20", "over 70"),
    "over":                     ("over 5",   "over 30", "over 80"),
    "twice":                    ("twice 75", "twice 75 25", "twice 75 75"),
    "foreign":                  ("unclear",  "unclear", "unclear"),
    "unreadable":               ("unclear",  "unclear", "unclear"),
    "exact beside foreign":     ("exact",    "over 25", "over 75"),
    "part gone":                ("short 50", "exact",   "over 50"),
    "most gone":                ("short 30", "short 30", "over 30"),
    "promised":                 ("leaving",  "leaving", "leaving"),
    "gone":                     ("gone",     "gone",    "gone"),
}  # fmt: skip


def expected(cell: Cell) -> Expected:
    """First the money, then the place: whatever is too much goes back, then what is left decides."""
    column = {"keeps 50": 1, "keeps 0": 2}.get(cell.agreed, 0)
    comes_to = COMES_TO[cell.money][column]
    agreed_amount = cell.agreed.removeprefix("keeps ") if column else ""
    start = Expected(cell.state, chooses=cell.agreed == "choice", agreed_amount=agreed_amount)
    if cell.agreed == "choice":
        start = start.plus(flags="slot_lost")
    after = by_money(cell, start, comes_to)
    if cell.money == "promised" and cell.when in ("long after", "not chosen"):
        after = after.plus(owed="alert:refund_slow")
    if cell.money == "exact beside foreign":
        after = waits_for_owner(after)
        if ("75", "no_time") in after.asked:  # the customer gets everything back, in whatever currency it came
            return replace(after, asked=2 * after.asked, flags=after.flags - {"needs_owner"})
    return after


def waits_for_owner(start: Expected) -> Expected:
    """Money came that cannot be counted, by itself or beside other money."""
    return start.plus(flags="needs_owner", owed="send:problem alert:unclear")


def by_money(cell: Cell, start: Expected, comes_to: str) -> Expected:
    kind, _, amount = comes_to.partition(" ")
    is_late = cell.state in ENDED
    match kind:
        case "over" | "twice":
            start = surplus(cell, start, kind, amount)
            return by_money(cell, start, "leaving" if cell.agreed == "keeps 0" else "exact")
        case "exact":
            return exact(cell, start)
        case "short":
            return short(cell, start, amount)
        case "unclear" if cell.state is State.CONFIRMED:
            return waits_for_owner(start).plus(owed="alert:returned")
        case "unclear":
            return ended(cell, waits_for_owner(start), is_paid_over=True)
        case "denied":
            after = by_money(cell, start, "told")
            return after if cell.state in (State.CONFIRMED, State.REFUNDED) else after.plus(owed="alert:denied")
        case "told" if cell.state is State.PENDING:
            return replace(start, state=State.PAID)
        case "told" | "doubtful":
            return told(cell, start)
        case "leaving" | "gone" if cell.state is State.CONFIRMED:
            return start.plus(flags="needs_owner", owed="alert:returned")
        case "leaving" | "gone" if cell.state is State.PAID:
            after = replace(start, state=State.CANCELLED, chooses=False).plus(owed="release tidy")
            return refunded(after) if kind == "gone" else after
        case "leaving":
            return ended(cell, start)
        case "gone":
            after = ended(cell, start)
            return refunded(after) if after.state is not State.PENDING else after
        case _:  # none
            after = ended(cell, start)
            if after.state is State.EXPIRED and not is_late:
                return after.plus(owed="send:expired")
            if cell.state is State.PENDING and after.state is State.PENDING:
                return unreachable(cell, after)
            return after.plus(flags="needs_owner") if cell.state is State.CONFIRMED else after


def surplus(cell: Cell, start: Expected, kind: str, amount: str) -> Expected:
    late = "paid_late" if cell.state in ENDED else ""
    if kind == "twice":
        back = tuple((part, "second") for part in amount.split())
        return start.plus(flags=f"paid_twice {late}", owed="alert:paid_twice started", asked=back)
    return start.plus(flags=f"overpaid {late}", owed="alert:amount started", asked=((amount, "surplus"),))


def exact(cell: Cell, start: Expected) -> Expected:
    late = "paid_late" if cell.state in ENDED and not start.agreed_amount and not start.chooses else ""
    start = start.plus(flags=late)
    has_waited = cell.state is State.PAID and cell.when != "open" and not start.chooses
    if cell.state is State.CONFIRMED or start.agreed_amount:
        return start
    if start.chooses and cell.state in ENDED:
        return not_chosen(cell, start) if cell.when == "not chosen" else start
    if cell.slot is SlotSeen.SECURED:
        kept = replace(start, state=State.CONFIRMED, chooses=False, flags=start.flags - {"slot_lost"})
        return kept.plus(owed="send:confirmed send:owner_confirmed tidy")
    start = start.plus(owed="alert:unconfirmed" if has_waited else "")
    if start.chooses:
        return not_chosen(cell, start) if cell.when == "not chosen" else start
    if cell.slot is SlotSeen.LOST:
        alert = "alert:late" if cell.state in ENDED else "alert:slot_lost"
        state = cell.state if cell.state in ENDED else State.PAID
        return replace(start, state=state, chooses=True).plus(flags="slot_lost", owed=f"send:choose {alert}")
    return replace(start, state=State.PAID) if cell.state is State.PENDING else start


def not_chosen(cell: Cell, start: Expected) -> Expected:
    after = replace(start, chooses=False).plus(owed="started", asked=(("75", "no_time"),))
    if cell.state is State.PAID:
        return replace(after, state=State.CANCELLED).plus(owed="release tidy")
    return after


def short(cell: Cell, start: Expected, amount: str) -> Expected:
    if cell.state is State.CONFIRMED:
        return start.plus(flags="needs_owner", owed="alert:returned")
    if start.agreed_amount:
        return replace(start, agreed_amount=amount)
    if cell.state is State.PENDING and cell.tops_up and not cell.leaves and cell.when == "open":
        asked = start.plus(flags="underpaid", owed="send:short alert:amount")
        return replace(asked, orders=0 if cell.has_open_order else 1)
    if cell.tops_up and cell.has_open_order:
        return start
    late = "paid_late" if cell.state in ENDED else ""
    back = replace(start, chooses=False).plus(
        flags=f"underpaid {late}", owed="alert:amount started", asked=((amount, "short"),)
    )
    return by_money(cell, back, "leaving")


def told(cell: Cell, start: Expected) -> Expected:
    """A notice that our own query has not proven yet."""
    match cell.state:
        case State.PENDING:
            return unreachable(cell, start)
        case State.PAID:
            return start.plus(owed="alert:unconfirmed" if cell.when != "open" and not start.chooses else "")
        case State.CONFIRMED:
            return start.plus(flags="needs_owner")
        case State.EXPIRED | State.CANCELLED:
            return start.plus(flags="paid_late")
    return start


def ended(cell: Cell, start: Expected, *, is_paid_over: bool = False) -> Expected:
    """The slot goes once no order can be paid any more, and somebody gave up or the time is over."""
    if cell.has_open_order:
        return start
    if cell.state is State.PENDING and cell.leaves:
        return replace(start, state=State.CANCELLED).plus(owed="release tidy")
    if cell.state is State.PENDING and cell.is_over:
        return replace(start, state=State.EXPIRED).plus(owed="release tidy")
    if cell.state is State.PAID and is_paid_over and cell.is_over:
        return replace(start, state=State.CANCELLED, chooses=False).plus(owed="release tidy")
    return start


def unreachable(cell: Cell, start: Expected) -> Expected:
    return start.plus(owed="alert:unreachable" if cell.when in ("long after", "not chosen") else "")


def refunded(after: Expected) -> Expected:
    return replace(after, state=State.REFUNDED, agreed_amount="0", chooses=False)


# --- what came out --------------------------------------------------------------------------------------------------


def short_name(effect: str) -> str:
    if effect.startswith("send:refund_started"):
        return "started"
    if effect.startswith("alert:refund_slow"):
        return "alert:refund_slow"
    if effect.startswith("alert:unclear"):
        return "alert:unclear"
    return {f"release_event:{EVENT}": "release", "tidy_events": "tidy"}.get(effect, effect)


def came_out(before: Booking, after: Booking) -> Expected:
    return Expected(
        state=after.state,
        flags=frozenset(map(str, after.flags)),
        asked=tuple((str(one.amount), str(one.cause)) for one in after.refunds[len(before.refunds) :]),
        owed=frozenset(short_name(one.task.key) for one in after.outbox if not isinstance(one.task, PostLedger)),
        chooses=after.choose_by is not None,
        agreed_amount="" if after.agreed_amount is None else str(after.agreed_amount),
        orders=len(after.orders) - len(before.orders),
    )


def settle(booking: Booking, cell: Cell) -> Booking:
    return lifecycle.settle(booking, (), cell.slot, cell.now)


@cache
def before_and_after(cell: Cell) -> tuple[Booking, Booking]:
    before = booking_of(cell)
    return before, settle(before, cell)


# --- the tests ------------------------------------------------------------------------------------------------------


@pytest.mark.no_cover  # thousands of cells; the other tests measure
@pytest.mark.parametrize("state", AGREED)
def test_every_cell_comes_out_as_the_rules_of_money_say(state):
    of_state = [cell for cell in CELLS if cell.state is state]

    wrong = []
    for cell in of_state:
        got = came_out(*before_and_after(cell))
        if got != expected(cell):
            wrong.append((cell, got, expected(cell)))

    assert len(of_state) >= len(MONEY) * len(SlotSeen) * len(WHEN) * 4
    assert wrong[:3] == []


@cache
def steps_of(state: State) -> tuple[tuple[str, ...], ...]:
    """For every cell of the state: the rows that had something to do, in their order."""
    return tuple(_steps(cell) for cell in CELLS if cell.state is state)


def _steps(cell: Cell) -> tuple[str, ...]:
    (booking, _), rows = before_and_after(cell), []
    while len(rows) <= MOST_STEPS and (step := next_step(booking, cell.slot, cell.now)) is not None:
        row, booking = step
        rows.append(row.name)
    return tuple(rows)


@pytest.mark.no_cover  # thousands of cells; the other tests measure
@pytest.mark.parametrize("state", AGREED)
def test_every_cell_comes_to_an_end_and_no_row_acts_twice_in_it(state):
    for rows in steps_of(state):
        assert len(rows) <= MOST_STEPS
        assert len(set(rows)) == len(rows)


@pytest.mark.slow
def test_every_row_is_used_has_a_name_of_its_own_and_serves_a_rule_of_money():
    used = {row for state in AGREED for rows in steps_of(state) for row in rows}

    # These rows are of the other rails: see test_on_chain.
    of_chains = {
        "seen before it was final, and taken back: it waits for money again",
        "seen in time and not final when it is over: the customer is told",
        "seen in time and not final long after: the slot is free",
        "short by no more than a sender's fee: that much is agreed",
    }
    assert used | of_chains == {row.name for row in TABLE}
    assert len(TABLE) == len({row.name for row in TABLE})
    assert {row.rule for row in TABLE} <= set(range(1, 10))


@pytest.mark.no_cover  # thousands of cells; the other tests measure
@pytest.mark.parametrize("state", AGREED)
def test_asking_the_same_again_changes_nothing_but_the_next_look(state):
    for cell in CELLS:
        if cell.state is state:
            _, once = before_and_after(cell)

            again = settle(once, cell)

            assert replace(again, check_at=once.check_at) == once, cell


def test_a_draft_is_nothing_to_the_table():
    draft = a_draft()

    for slot, now in product(SlotSeen, WHEN.values()):
        assert next_step(draft, slot, now) is None
