"""The ledger: double entry, append only, derived from a booking's facts.

    (rails)    what a rail's payments were paid to; each rail has such an account   (asset)
    (wallets)  on chain: what the owner has swept, less what was returned from the wallet   (asset)
    suspense   received, neither earned nor returned yet    (liability)
    unassigned reached an address on chain and belongs to no payment order: dust, or no booking   (liability)
    sales      earned by confirmed calls                    (income)
    refunds    returned although it was earned              (less income)
    fees       the provider's fees                          (cost)
    outside    received outside the orders, on the owner's word   (asset)

`targets` lists what the books should hold for every fact; `booked` appends an entry for each difference and never
alters one. So the books can be rebuilt from the facts at any time, and a correction is an entry of its own. Every entry
sums to zero by construction. Debits are positive, credits negative.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from inspired.domain.booking.balance import nothing, received_of
from inspired.domain.booking.booking import Booking, Entry, Fact, FactKind, Line
from inspired.domain.booking.outbox import PostLedger
from inspired.domain.booking.rails import CAPABILITIES, RailId
from inspired.domain.shared.money import Money

SUSPENSE, SALES, REFUNDS, FEES = "suspense", "sales", "refunds", "fees"
OUTSIDE, UNASSIGNED = "outside", "unassigned"
WALLETS = tuple(capabilities.wallet for capabilities in CAPABILITIES.values() if capabilities.wallet)
RECEIVING = (*(capabilities.account for capabilities in CAPABILITIES.values()), *WALLETS)
ACCOUNTS = (*RECEIVING, OUTSIDE, SUSPENSE, UNASSIGNED, SALES, REFUNDS, FEES)

Target = tuple[Fact, str, tuple[Line, ...]]  # the fact, its text, its lines


def booked(booking: Booking, now: datetime) -> Booking:
    """Append entries until the books match the facts; owes PostLedger if any were appended."""
    wanted = {fact: (text, lines) for fact, text, lines in targets(booking)}
    entries = list(booking.ledger)
    for fact in [*wanted, *(entry.fact for entry in booking.ledger if entry.fact not in wanted)]:
        text, lines = wanted.get(fact, ("taken back", ()))
        difference = _difference(lines, [entry for entry in entries if entry.fact == fact])
        if difference:
            entries.append(Entry(len(entries), now, fact, text, difference))
    if len(entries) == len(booking.ledger):
        return booking
    return replace(booking, ledger=tuple(entries)).owing(now, PostLedger(len(entries)))


def targets(booking: Booking) -> Iterator[Target]:
    """The entries the books should hold, fact by fact."""
    for order in booking.orders:
        if order.has_money and order.proven and order.received and not order.received.is_nothing:
            account = CAPABILITIES[order.rail].account
            fact = Fact(FactKind.RECEIVED, order.trade_no)
            yield _moved(fact, "received", order.received, debit=account, credit=SUSPENSE)
            if order.commission and not order.commission.is_nothing:
                fact = Fact(FactKind.FEE, order.trade_no)
                yield _moved(fact, "commission", order.commission, debit=FEES, credit=account)
    if booking.earned is not None and not booking.earned.is_nothing:
        earned = Fact(FactKind.EARNED)
        yield _moved(earned, "earned by the confirmed call", booking.earned, debit=SUSPENSE, credit=SALES)
    yield from _refunds(booking)
    if (word := booking.by_hand) is not None and not word.amount.is_nothing:
        text = "received by another way, on the owner's word"
        yield _moved(Fact(FactKind.BY_HAND), text, word.amount, debit=OUTSIDE, credit=SALES)
        if word.returned is not None:
            fact = Fact(FactKind.BY_HAND_RETURNED)
            yield _moved(fact, "returned by the same way", word.returned, debit=REFUNDS, credit=OUTSIDE)


def _refunds(booking: Booking) -> Iterator[Target]:
    """Refunds take unearned money from suspense first; only the rest reduces the income."""
    price = booking.price.currency
    unearned = received_of(booking) - (booking.earned or nothing(price))
    for refund in booking.refunds:
        if not refund.is_gone or refund.amount is None or refund.amount.is_nothing:
            continue
        account = CAPABILITIES[booking.rail_of(refund)].refunds_leave
        fact = Fact(FactKind.REFUND, refund.id)
        if refund.amount.currency != price:
            yield _moved(fact, "returned", refund.amount, debit=SUSPENSE, credit=account)
            continue
        first = min(unearned, refund.amount)
        unearned -= first
        lines = (Line(SUSPENSE, first), Line(REFUNDS, refund.amount - first), Line(account, -refund.amount))
        yield fact, "returned", tuple(line for line in lines if not line.money.is_nothing)


def orphan(notice_id: str, rail: RailId, money: Money, now: datetime) -> Entry:
    """Money for an unknown order: it is in the rail's account and owed to its unknown payer."""
    account = CAPABILITIES[rail].account
    fact, lines = Fact(FactKind.ORPHAN, notice_id), (Line(account, money), Line(SUSPENSE, -money))
    return Entry(0, now, fact, "received for an unknown order", lines)


def orphan_settled(notice_id: str, rail: RailId, money: Money, now: datetime) -> Entry:
    """The owner settled it manually: the money has left, or never belonged to this business."""
    account = CAPABILITIES[rail].account
    fact, lines = Fact(FactKind.ORPHAN, notice_id), (Line(SUSPENSE, money), Line(account, -money))
    return Entry(1, now, fact, "settled by hand", lines)


def unassigned(address: str, rail: RailId, money: Money, booked: Sequence[Entry], now: datetime) -> tuple[Entry, ...]:
    """What is missing so that the books hold this much for an address beside its payment orders; none if they do."""
    fact = Fact(FactKind.UNASSIGNED, f"{rail}:{address}")
    lines = () if money.is_nothing else (Line(CAPABILITIES[rail].account, money), Line(UNASSIGNED, -money))
    difference = _difference(lines, booked)
    text = "reached an address, and belongs to no payment order"
    return (Entry(len(booked), now, fact, text, difference),) if difference else ()


def swept(name: str, rail: RailId, money: Money, now: datetime) -> tuple[Entry, ...]:
    """One transfer from an address to the owner's wallet. `name`: what it is known by, once it is final."""
    able = CAPABILITIES[rail]
    if money.is_nothing:
        return ()
    lines = (Line(able.wallet, money), Line(able.account, -money))
    return (Entry(0, now, Fact(FactKind.SWEPT, name), "swept to your wallet", lines),)


def balances(entries: Iterable[Entry]) -> dict[tuple[str, str], Money]:
    """Sums by account and currency, without zeros."""
    sums = _sums(line for entry in entries for line in entry.lines)
    return {place: Money(amount, place[1]) for place, amount in sums.items() if amount}


def is_balanced(lines: Iterable[Line]) -> bool:
    """True if debits equal credits in each currency."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        sums[line.money.currency] += line.money.amount
    return not any(sums.values())


def _moved(fact: Fact, text: str, money: Money, *, debit: str, credit: str) -> Target:
    return fact, text, (Line(debit, money), Line(credit, -money))


def _difference(wanted: Iterable[Line], entries: Iterable[Entry]) -> tuple[Line, ...]:
    sums = _sums(wanted)
    for place, amount in _sums(line for entry in entries for line in entry.lines).items():
        sums[place] -= amount
    return tuple(Line(account, Money(amount, currency)) for (account, currency), amount in sums.items() if amount)


def _sums(lines: Iterable[Line]) -> dict[tuple[str, str], Decimal]:
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for line in lines:
        sums[line.account, line.money.currency] += line.money.amount
    return sums
