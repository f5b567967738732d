"""What must always be true, whatever has happened. The numbers are those of the reliability plan.

`after_each_step` looks at what was written since it looked last, and at the provider; `when_quiet` is the end of all:
everybody is back, nothing is due, and every coin is somewhere.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import combinations, pairwise

from inspired.domain.booking.balance import came_unclear, due, kept_of, left_of, unclear
from inspired.domain.booking.booking import Booking, PaymentOrder, Refund
from inspired.domain.booking.invariants import violations
from inspired.domain.booking.ledger import balances, booked, is_balanced
from inspired.domain.booking.lifecycle import is_reminder
from inspired.domain.booking.outbox import AlertKind, AlertOwner, Email, SendEmail
from inspired.domain.booking.rails import CAPABILITIES, ON_CHAIN, RailId
from inspired.domain.booking.refunds import Outcome
from inspired.domain.booking.states import CalendarKind, Cause, Flag, RefundStatus, Remote, State
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import DUST, Network, money_of, units_of
from tests.simulation.chains import WALLET
from tests.simulation.memory import Order
from tests.simulation.world import START, World

PENDING, PAID, CONFIRMED = State.PENDING, State.PAID, State.CONFIRMED
EXPIRED, CANCELLED, REFUNDED = State.EXPIRED, State.CANCELLED, State.REFUNDED
HOLDING = (PENDING, PAID, CONFIRMED)
ENDED = (EXPIRED, CANCELLED, REFUNDED)
ALLOWED = {
    State.DRAFT: {PENDING, CANCELLED},
    PENDING: {PAID, EXPIRED, CANCELLED},
    PAID: {CONFIRMED, CANCELLED},  # and on chain, before it is final: PENDING, EXPIRED
    CONFIRMED: {CANCELLED},
    EXPIRED: {PAID, REFUNDED},
    CANCELLED: {PAID, REFUNDED},
    REFUNDED: set(),
}
TOLD = (Email.CANCELLED, Email.REFUND_STARTED, Email.PROBLEM, Email.CHOOSE)
NAMES = {**{str(state).lower(): state for state in State}, "held": PENDING, "started": State.DRAFT}
GRACE = timedelta(seconds=60)
A_DAY = timedelta(days=1)


def after_each_step(world: World) -> Iterator[str]:
    for before, after in world.bookings.writes:
        yield from _of_write(world, before, after)
    if world.bookings.writes:
        yield from _one_slot(world)
    world.bookings.writes.clear()
    yield from _of_provider(world)
    yield from _of_wallets(world)
    yield from _of_mail(world)
    yield from _of_keys(world)


# --- of one write ---------------------------------------------------------------------------------------------------


def _of_write(world: World, before: Booking | None, after: Booking) -> Iterator[str]:
    yield from (f"{after.id} v{after.version}: {name}, {wrong}" for name, wrong in violations(after, world.now))
    if before is not None:
        yield from _of_change(before, after)
        yield from _of_surplus(before, after)
    yield from _of_booking(after)
    if after.state is CONFIRMED and (before is None or before.state is not CONFIRMED):
        yield from _of_confirmation(world, after)
    for refund in after.refunds:
        if refund.status is RefundStatus.DONE and refund.sent_with is not None:
            yield from _of_wallet_refund(world, after, refund)
        elif refund.status is RefundStatus.DONE and refund.trade_no not in world.pay.orders:
            yield f"I3 {refund.id} is done and the provider knows no such order"


def _of_wallet_refund(world: World, booking: Booking, refund: Refund) -> Iterator[str]:
    """It went from the owner's wallet to an address that the customer had confirmed, exactly and for good."""
    assert refund.sent_with is not None
    assert refund.amount is not None
    network = refund.sent_with.log.network
    mined = world.chains[network].mined(refund.sent_with.log.tx_hash)
    fits = [
        one
        for one in (mined.transfers if mined else ())
        if one.sender == WALLET
        and one.recipient in world.confirmed_addresses.get(booking.id, ())
        and one.units == units_of(network, refund.amount)
        and one.block_number <= world.chains[network].final
    ]
    if not fits:
        yield f"I3 {refund.id} is done with {refund.sent_with}, and {network} has {mined}"


def _of_change(before: Booking, after: Booking) -> Iterator[str]:
    name = f"{after.id} v{after.version}"
    # Several steps may fall into one write: each has to be allowed.
    steps = [
        before.state,
        *(NAMES[event.kind] for event in after.history[len(before.history) :] if event.kind in NAMES),
    ]
    for one, next_one in pairwise(steps):
        not_final = one is PAID and next_one in (PENDING, EXPIRED) and _was_only_seen(before, after)
        if next_one not in ALLOWED[one] and not not_final:
            yield f"I8 {name}: {one} became {next_one}"
    is_told = _is_told(after) or _was_only_seen(before, after)  # then the page says so
    if before.state in (PAID, CONFIRMED) and after.state in ENDED and not is_told:
        yield f"I5 {name}: {before.state} became {after.state} and nobody is told"
    if after.history[: len(before.history)] != before.history:
        yield f"I7 {name}: the history was altered"
    if after.ledger[: len(before.ledger)] != before.ledger:
        yield f"I6 {name}: the ledger was altered"
    if after.version != before.version + 1:
        yield f"I7 {name}: a version is missing"
    if after.status_version < before.status_version:
        yield f"I22 {name}: the edition went back"
    if not before.delivered <= after.delivered:
        yield f"I2 {name}: what was done is not done any more: {before.delivered - after.delivered}"
    for old in before.orders:
        new = after.find_order(old.trade_no)
        is_less = new is not None and old.proven and _is_less(old, new)
        if new is None or is_less or (_stays(old) and not new.has_money):
            yield f"I1 {name}: money of order {old.number} was undone"
    for refund in before.refunds:
        now = after.find_refund(refund.id)
        if now is None:
            yield f"I3 {name}: {refund.id} has vanished"
        elif refund.is_gone and (not now.is_gone or (refund.amount is not None and now.amount != refund.amount)):
            yield f"I3 {name}: {refund.id} was gone with {refund.amount}, and is {now.status} with {now.amount}"


def _stays(order: PaymentOrder) -> bool:
    """Whether its money may not be taken back any more."""
    return order.has_money and (order.proven or CAPABILITIES[order.rail].is_final_at_once)


def _is_less(old: PaymentOrder, new: PaymentOrder) -> bool:
    if CAPABILITIES[old.rail].takes_more:
        return new.received is None or new.received < old.received
    return new.received != old.received


def _was_only_seen(before: Booking, after: Booking) -> bool:
    """Whether what made it PAID was on chain and not final."""
    seen = [one for one in (*before.orders, *after.orders) if one.has_money]
    return all(not CAPABILITIES[one.rail].is_final_at_once and not one.proven for one in seen)


def _of_surplus(before: Booking, after: Booking) -> Iterator[str]:
    """What is too much goes back, and not a bit more. What takes the place of a rejected one is promised already."""
    again = {one.replaced_by for one in after.refunds}
    new = {one.cause for one in after.refunds[len(before.refunds) :] if one.id not in again}
    if new and new <= {Cause.SURPLUS, Cause.SECOND} and kept_of(after) < due(after):
        yield f"I1 {after.id} v{after.version}: too much went back, {kept_of(after)} of {due(after)} is left"


def _is_told(booking: Booking) -> bool:
    tasks = {item.task for item in booking.outbox} | booking.delivered
    return any(isinstance(task, SendEmail) and task.template in TOLD for task in tasks)


def _of_booking(booking: Booking) -> Iterator[str]:
    name = f"{booking.id} v{booking.version}"
    states = [NAMES[event.kind] for event in booking.history if event.kind in NAMES]
    if states[-1] is not booking.state:
        yield f"I7 {name}: the history says {states[-1]}, the state {booking.state}"
    if states.count(CONFIRMED) > 1:
        yield f"I2 {name}: confirmed {states.count(CONFIRMED)} times"
    if not all(is_balanced(entry.lines) for entry in booking.ledger):
        yield f"I6 {name}: an entry does not sum to zero"
    if [entry.number for entry in booking.ledger] != list(range(len(booking.ledger))):
        yield f"I6 {name}: the entries have gaps"
    if len({refund.id for refund in booking.refunds}) < len(booking.refunds):
        yield f"I3 {name}: two refunds have one id"
    owed = Counter([item.task.key for item in booking.outbox])
    if any(count > 1 for count in owed.values()):
        yield f"I2 {name}: one thing is owed twice: {owed}"
    for order in booking.orders:
        if order.received is not None and order.received < _promised(booking, order.trade_no, order.received):
            yield f"I3 {name}: more of order {order.number} is promised back than it has"
    if booking.state in (PENDING, PAID) and booking.check_at is None:
        yield f"I11 {name}: {booking.state} and never looked at again"


def _promised(booking: Booking, trade_no: str, like: Money) -> Money:
    start = Money.parse(0, like.currency)
    return sum((r.amount for r in booking.refunds if r.trade_no == trade_no and r.reserves and r.amount), start)


def _of_confirmation(world: World, booking: Booking) -> Iterator[str]:
    """The provider has the money, and our word about it is the provider's."""
    arrived = Money.parse(0)
    for order in booking.orders:
        if not order.proven:
            continue
        if (network := CAPABILITIES[order.rail].network) is not None:
            there = final_on_chain(world, order.trade_no, network)
            if order.received is None or there < order.received:
                yield f"I4 {booking.id}: order {order.number} is proven with {order.received}, and {there} is final"
            arrived += order.received or Money.parse(0)
            continue
        remote = world.pay.orders.get(order.trade_no)
        if order.trade_no not in world.pay.told_paid:
            yield f"I4 {booking.id}: order {order.number} is proven, and nobody was asked"
        if remote is None or remote.paid != order.received:
            yield f"I4 {booking.id}: order {order.number} is proven with {order.received}, not with {remote}"
        elif remote.paid.currency == booking.price.currency:
            arrived += remote.paid
    if arrived.amount * 100 < booking.price.amount * (100 - (world.tolerance if _is_on_chain(booking) else 0)):
        yield f"I4 {booking.id}: confirmed with {arrived} of {booking.price}"
    kept, wanted = kept_of(booking), due(booking)
    if kept != wanted and not (_is_on_chain(booking) and wanted < kept < wanted + DUST):
        yield f"I4 {booking.id}: confirmed, and keeps {kept} instead of {wanted}"


def _is_on_chain(booking: Booking) -> bool:
    return any(CAPABILITIES[one.rail].network is not None for one in booking.orders)


def final_on_chain(world: World, trade_no: str, network: Network) -> Money:
    """What is final at the order's address, whatever the product knows of it."""
    address = (world.addresses.shared.get(trade_no) or ("", world.addresses.all[trade_no]))[1].address
    return money_of(network, world.chains[network].final_at(address))


# --- of the whole ---------------------------------------------------------------------------------------------------


def _one_slot(world: World) -> Iterator[str]:
    holding = [one for one in world.all if one.state in HOLDING and one.slot]
    for one, other in combinations(holding, 2):
        if one.slot.calendar is CalendarKind.BUILTIN and one.slot.span.overlaps(other.slot.span):
            yield f"I13 {one.id} ({one.state}) and {other.id} ({other.state}) have one time"


def _of_provider(world: World) -> Iterator[str]:
    for order in world.orders():
        booking = world.bookings.all.get(order.trade_no[:-3])
        if booking is None or booking.find_order(order.trade_no) is None:
            yield f"I12 order {order.trade_no} is nobody's"
            continue
        ended_unpaid = booking.state in ENDED and booking.confirmed_at is None
        if ended_unpaid and world.pay.is_payable(order):
            yield f"I14 {booking.id} is {booking.state}, and order {order.trade_no[-3:]} can be paid"
        for refund in order.refunds:
            ours = booking.find_refund(refund.id)
            if refund.console:
                continue
            if ours is None or ours.amount != refund.amount:
                yield f"I3 the provider has refund {refund.id} of {refund.amount}, we have {ours}"


def _of_wallets(world: World) -> Iterator[str]:
    """One transfer settles one refund."""
    settled = Counter(
        (one.sent_with.log.network, one.sent_with.log.tx_hash, one.sent_with.log.log_index)
        for booking in world.all
        for one in booking.refunds
        if one.sent_with is not None
    )
    yield from (f"I3 {log} settles {count} refunds" for log, count in settled.items() if count > 1)


def _of_mail(world: World) -> Iterator[str]:
    """A mail goes out once; again only where something went wrong in one of the two jobs (it broke off, or stood still
    for longer than its lease), and then under the same id."""
    last: dict[str, int] = {}
    for mail, job in world.smtp.sent:
        if mail.id in last and not {last[mail.id], job} & world.disturbed:
            yield f"I2 sent twice to {mail.to}: {mail.subject}"
        last[mail.id] = job


def _of_keys(world: World) -> Iterator[str]:
    for key, tokens in world.keys.items():
        made = [one.id for one in world.all if one.token in tokens]
        if len(made) > 1:
            yield f"I2 the key {key} made {made}"


# --- in the end -----------------------------------------------------------------------------------------------------


def when_overdue(world: World) -> Iterator[str]:
    """A minute and a half after everything healed nothing is left lying for more than a minute."""
    late = world.now - GRACE
    for booking in world.all:
        if booking.check_at is not None and booking.check_at < late:
            yield f"I11 {booking.id} has been due since {booking.check_at}, it is {world.now}"
        if any(item.due < late for item in booking.outbox):
            yield f"I11 {booking.id} owes {booking.outbox}, it is {world.now}"
    for webhook in world.logs.webhooks.values():
        if webhook.work_at is not None and webhook.work_at < late:
            yield f"I10 {webhook.id} has been due since {webhook.work_at}, it is {world.now}"


def when_quiet(world: World) -> Iterator[str]:
    """After the nightly reconciliation."""
    for order in world.orders():
        if world.pay.is_payable(order):
            yield f"I14 order {order.trade_no} can be paid for ever"
    for booking in world.all:
        yield from _every_coin(world, booking)
        yield from _refunds_agree(world, booking)
        yield from _books_agree(world, booking)
        differences = None if is_flagged(booking) else world.reconcile(booking)
        if differences and differences[0]:
            yield f"{booking.id}: the reconciliation finds {differences[0]}"
        for refund in booking.refunds:
            there = world.pay.outcome_of(refund.id)
            if refund.is_stuck and not refund.is_gone and there is Outcome.DONE:
                yield f"I3 {refund.id} is {refund.status}, and has gone back"
        if left := [one for one in booking.outbox if not is_reminder(one.task) or one.due <= world.now]:
            yield f"I11 {booking.id} still owes {left}"
        yield from _reminders(booking)
        if booking.state in (State.DRAFT, PENDING) or (booking.state is PAID and not is_flagged(booking)):
            yield f"I11 {booking.id} is still {booking.state}"
    for webhook in world.logs.webhooks.values():
        if webhook.work_at is not None or not world.logs.verdicts.get(webhook.id):
            yield f"I10 {webhook.id} was never worked on"
    yield from _account_agrees(world)


def _reminders(booking: Booking) -> Iterator[str]:
    """Of the call that takes place, at the time it takes place, and of nothing else."""
    for one in booking.outbox:
        if isinstance(one.task, SendEmail) and is_reminder(one.task):
            hours, moves = map(int, one.task.subject_id.split(":"))
            start = booking.slot.span.start if booking.slot and booking.state is CONFIRMED else None
            if moves != booking.moves or start is None or one.due != start - timedelta(hours=hours):
                yield f"I8 {booking.id} is {booking.state}, moved {booking.moves} times, and owes {one}"


def is_flagged(booking: Booking) -> bool:
    """Waits for the owner, who was told: of each payment that came so that it cannot be counted, too."""
    uncounted = {AlertOwner(AlertKind.UNCLEAR, one.trade_no) for one in unclear(booking) if came_unclear(booking, one)}
    return (
        bool(booking.flags & {Flag.NEEDS_OWNER, Flag.REFUND_FAILED})
        and any(isinstance(task, AlertOwner) for task in booking.delivered)
        and uncounted <= booking.delivered
    )


def _every_coin(world: World, booking: Booking) -> Iterator[str]:
    """With the provider, and kept: exactly what the booking may keep. Everything else went back, or the owner knows."""
    remotes = [world.pay.orders[one.trade_no] for one in booking.orders if one.trade_no in world.pay.orders]
    if is_flagged(booking) or any(is_unknowable(booking, one) for one in remotes):
        return
    for remote in remotes:
        order = booking.find_order(remote.trade_no)
        if remote.paid is not None and (order is None or not order.proven or order.received != remote.paid):
            yield f"I1 {booking.id}: {remote.paid.shown} of order {remote.trade_no} is not in our books"
    may_keep = due(booking) if booking.state is CONFIRMED or booking.agreed_amount is not None else Money.parse(0)
    here = sum((world.left_of(one) for one in remotes if one.paid and one.paid.currency == "USDT"), Money.parse(0))
    for order in booking.orders:
        if (network := CAPABILITIES[order.rail].network) is not None and order.trade_no in world.addresses.all:
            yield from _all_of_it_is_known(world, booking, order)
        if network is not None:
            here += left_of(booking, order)  # what is promised back waits for the owner's wallet
    other = [one for one in remotes if one.paid and one.paid.currency != "USDT" and not world.left_of(one).is_nothing]
    is_dust = _is_on_chain(booking) and may_keep < here < may_keep + DUST
    if (here != may_keep and not is_dust) or other:
        yield f"I1 {booking.id} is {booking.state} and has {here.shown} instead of {may_keep.shown}, {other}"


def _all_of_it_is_known(world: World, booking: Booking, order: PaymentOrder) -> Iterator[str]:
    """Everything that is final at the address, on each network, is an order's; dust where nobody asked for it is not
    told."""
    address = world.addresses.all[order.trade_no].address
    sharing = {one for one, (first, _) in world.addresses.shared.items() if first == order.trade_no}
    for network, chain in world.chains.items():
        there = money_of(network, chain.final_at(address))
        known = [one for one in booking.orders if one.trade_no in {order.trade_no, *sharing}]
        ours = [one.received for one in known if one.rail == str(network) and one.received is not None]
        if there != sum(ours, Money.parse(0)) and not (there < DUST and not ours):
            yield f"I1 {booking.id}: {there.shown} is final on {network} at order {order.number}, we know of {ours}"


def _left_wallet(refund: Refund, rail: RailId) -> bool:
    return refund.is_gone and refund.sent_with is not None and refund.sent_with.log.network == str(rail)


def is_unknowable(booking: Booking, remote: Order) -> bool:
    """A part was refunded in the console after another refund: nothing Binance answers tells that, until the next."""
    order = booking.find_order(remote.trade_no)
    known = order is not None and any(one.is_gone for one in booking.refunds_of(order))
    return known and remote.status is Remote.REFUNDED and any(one.console for one in remote.refunds)


def _refunds_agree(world: World, booking: Booking) -> Iterator[str]:
    for order in booking.orders:
        remote = world.pay.orders.get(order.trade_no)
        ours = [one for one in booking.refunds_of(order) if one.is_gone]
        if remote is None or remote.paid is None or is_unknowable(booking, remote) or is_flagged(booking):
            continue
        gone = sum((one.amount.amount for one in ours if one.amount), Decimal(0))
        there = world.pay.returned(remote).amount + world.by_hand[remote.trade_no]
        if gone != there:
            yield f"I3 {booking.id}: of order {order.number} {there} went back, our books say {gone}"


def _books_agree(world: World, booking: Booking) -> Iterator[str]:
    if booked(booking, world.now).ledger != booking.ledger:
        yield f"I6 {booking.id}: the books do not say what the facts say"
    if world.ledger.of(booking.id) != booking.ledger:
        yield f"I6 {booking.id}: the ledger has not what the booking has"


def _account_agrees(world: World) -> Iterator[str]:
    """All entries sum to zero, and what they say lies in the merchant account lies there. What went back on chain left
    the wallets."""
    entries = [entry for _, entry in world.ledger.all(START - A_DAY, world.now + A_DAY)]
    for rail in ON_CHAIN:
        account = CAPABILITIES[rail].wallet
        left = balances(entries).get((account, "USDT"), Money.parse(0))
        gone = sum(
            (one.amount for booking in world.all for one in booking.refunds if _left_wallet(one, rail) and one.amount),
            Money.parse(0),
        )
        if left != -gone:
            yield f"I6 {gone.shown} left the wallet on {rail}, the books say {left.shown}"
    sums: Counter[str] = Counter()
    for (_, currency), money in balances(entries).items():
        sums[currency] += money.amount
    if any(sums.values()):
        yield f"I6 the ledger sums to {sums}"
    if any(is_flagged(one) for one in world.all):
        return
    if any(is_unknowable(world.bookings.all[order.trade_no[:-3]], order) for order in world.orders()):
        return
    there: Counter[str] = Counter()
    for order in world.orders():
        if order.paid is not None:
            there[order.paid.currency] += world.left_of(order).amount - world.pay.commission_of(order).amount
    for orphan in world.orphans.all.values():
        if orphan.money is not None and orphan.settled_at is None:
            there[orphan.money.currency] += orphan.money.amount
    ours = {currency: money.amount for (account, currency), money in balances(entries).items() if account == "binance"}
    if ours != {currency: amount for currency, amount in there.items() if amount}:
        yield f"I6 in the account lies {there}, the books say {ours}"
