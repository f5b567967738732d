"""The ledger: double entry, append only, derived from a booking's facts.

    binance    what lies in the merchant account           (asset)
    suspense   received, and neither earned nor returned    (owed to somebody)
    sales      earned by confirmed calls                    (income)
    refunds    returned although it was earned              (less income)
    fees       what the provider kept                       (cost)
    outside    received by another way than the provider, on the owner's word   (asset)

`targets` says what the books should hold for every fact; `booked` appends an entry for each difference and never alters
one. So the books can be made again from the facts at any time, a correction is an entry of its own, and every entry
sums to zero by construction. Debits are positive, credits negative.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from inspired.domain.booking import Booking, Entry, Line
from inspired.domain.funds import nothing, received_of
from inspired.domain.money import Money

BINANCE, SUSPENSE, SALES, REFUNDS, FEES = "binance", "suspense", "sales", "refunds", "fees"
OUTSIDE = "outside"
ACCOUNTS = (BINANCE, OUTSIDE, SUSPENSE, SALES, REFUNDS, FEES)

Target = tuple[str, str, tuple[Line, ...]]  # the fact's key, its words, its lines


def booked(booking: Booking, now: datetime) -> Booking:
    """The booking with its books brought in line with its facts; owes their posting where anything was appended."""
    wanted = {key: (text, lines) for key, text, lines in targets(booking)}
    entries = list(booking.ledger)
    for key in [*wanted, *(one.key for one in booking.ledger if one.key not in wanted)]:
        text, lines = wanted.get(key, ("taken back", ()))
        difference = _difference(lines, [one for one in entries if one.key == key])
        if difference:
            entries.append(Entry(len(entries), now, key, text, difference))
    if len(entries) == len(booking.ledger):
        return booking
    return replace(booking, ledger=tuple(entries)).owing(now, f"post:{len(entries)}")


def targets(booking: Booking) -> Iterator[Target]:
    """What the books should hold, fact by fact."""
    for attempt in booking.attempts:
        if attempt.has_money and attempt.proven and attempt.received and not attempt.received.is_nothing:
            yield _moved(f"received:{attempt.trade_no}", "received", attempt.received, debit=BINANCE, credit=SUSPENSE)
            if attempt.commission and not attempt.commission.is_nothing:
                yield _moved(f"fee:{attempt.trade_no}", "commission", attempt.commission, debit=FEES, credit=BINANCE)
    if booking.earned is not None and not booking.earned.is_nothing:
        yield _moved("earned", "earned by the confirmed call", booking.earned, debit=SUSPENSE, credit=SALES)
    yield from _refunds(booking)
    if (word := booking.by_hand) is not None and not word.amount.is_nothing:
        yield _moved(
            "by_hand", "received by another way, on the owner's word", word.amount, debit=OUTSIDE, credit=SALES
        )
        if word.returned is not None:
            yield _moved("by_hand_returned", "returned by the same way", word.returned, debit=REFUNDS, credit=OUTSIDE)


def _refunds(booking: Booking) -> Iterator[Target]:
    """Money that was never earned leaves suspense; only what is beyond it makes the income smaller."""
    price = booking.price.currency
    unearned = received_of(booking) - (booking.earned or nothing(price))
    for refund in booking.refunds:
        if not refund.is_gone or refund.amount is None or refund.amount.is_nothing:
            continue
        if refund.amount.currency != price:
            yield _moved(f"refund:{refund.id}", "returned", refund.amount, debit=SUSPENSE, credit=BINANCE)
            continue
        first = min(unearned, refund.amount)
        unearned -= first
        lines = (Line(SUSPENSE, first), Line(REFUNDS, refund.amount - first), Line(BINANCE, -refund.amount))
        yield f"refund:{refund.id}", "returned", tuple(line for line in lines if not line.money.is_nothing)


def orphan(key: str, money: Money, now: datetime) -> Entry:
    """Money for an order nobody here knows: in the account, and owed to whoever it belongs to."""
    return Entry(0, now, key, "received for an unknown order", (Line(BINANCE, money), Line(SUSPENSE, -money)))


def orphan_settled(key: str, money: Money, now: datetime) -> Entry:
    """The owner settled it by hand: it has left, or was never this business's."""
    return Entry(1, now, key, "settled by hand", (Line(SUSPENSE, money), Line(BINANCE, -money)))


def balances(entries: Iterable[Entry]) -> dict[tuple[str, str], Money]:
    """By account and currency; what is nothing is left out."""
    sums = _sums(line for entry in entries for line in entry.lines)
    return {place: Money(amount, place[1]) for place, amount in sums.items() if amount}


def is_balanced(lines: Iterable[Line]) -> bool:
    """Debits and credits are equal, in each currency."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        sums[line.money.currency] += line.money.amount
    return not any(sums.values())


def _moved(key: str, text: str, money: Money, *, debit: str, credit: str) -> Target:
    return key, text, (Line(debit, money), Line(credit, -money))


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
