"""Refunds on rails that cannot send money: the customer confirms an address, and the owner sends from a wallet.

The address is never the sender's: that is often an exchange's, and money sent there is lost. A refund counts as gone
once a transfer of exactly its amount, from a wallet the owner has named to exactly that address, is final; one transfer
settles one refund.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime

from inspired.domain.booking.balance import nothing, still_there
from inspired.domain.booking.booking import Booking, Refund, RefundAddress, SentTransfer
from inspired.domain.booking.history import Amount, EventKind, Obstacle, ObstacleKind
from inspired.domain.booking.outbox import AlertKind, AlertOwner, Email, SendEmail
from inspired.domain.booking.rails import CAPABILITIES
from inspired.domain.booking.states import RefundStatus
from inspired.domain.shared.errors import Conflict, Invalid
from inspired.domain.shared.languages import Text
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Network, Transfer, money_of, units_of

MOST_ADDRESSES = 10  # that one booking may name: each is told by mail


def outdated_link() -> Conflict:
    return Conflict("This link is for another address, or was used already. The newest mail has the right one.")


def settles_another() -> Conflict:
    return Conflict("This transfer settles another refund already. Please enter the one sent for this refund.")


def network_of(booking: Booking, refund: Refund) -> Network | None:
    """The network on which the owner sends it; None if its rail sends it itself."""
    rail = CAPABILITIES[booking.rail_of(refund)]
    return None if rail.sends_refunds else rail.network


# --- waiting --------------------------------------------------------------------------------------------------------


def handed_over(booking: Booking, refund: Refund, now: datetime, smallest: Money | None) -> Booking:
    """A refund that is due waits for the customer's address, and then for the owner. `smallest`: less than that waits
    until the customer asks for it."""
    if (network := network_of(booking, refund)) is None:
        return booking
    if _is_small(refund, smallest):
        return _waiting(booking, refund, ObstacleKind.TOO_SMALL, now)
    kind = ObstacleKind.OWNER_SENDS if is_confirmed(booking, network) else ObstacleKind.ADDRESS_WANTED
    return _waiting(booking, refund, kind, now)


def _is_small(refund: Refund, smallest: Money | None) -> bool:
    amount = refund.amount
    if amount is None or smallest is None or amount.currency != smallest.currency:
        return False
    return amount < smallest


def _waiting(booking: Booking, refund: Refund, kind: ObstacleKind, now: datetime) -> Booking:
    obstacle = Obstacle(kind)
    if refund.obstacle == obstacle and refund.status is RefundStatus.NEEDS_OWNER:
        return booking
    waiting = replace(refund, status=RefundStatus.NEEDS_OWNER, retry_at=None, obstacle=obstacle, sent_with=None)
    booking = booking.with_refund(waiting).noted(now, EventKind.REFUND_WAITS, obstacle)
    match kind:
        case ObstacleKind.ADDRESS_WANTED:
            return booking.owing(now, SendEmail(Email.REFUND_ADDRESS_WANTED, refund.id))
        case ObstacleKind.TOO_SMALL:
            return booking.owing(now, SendEmail(Email.REFUND_TOO_SMALL, refund.id))
    # Told once for each address: a new one is a new occasion to look.
    return booking.owing(now, AlertOwner(AlertKind.REFUND_TO_SEND, f"{refund.id}-{_named_before(booking)}"))


def waiting_on(booking: Booking, network: Network) -> tuple[Refund, ...]:
    """Refunds on this network that wait for the customer or for the owner's wallet."""
    waits = (refund for refund in booking.refunds if refund.waits_for_customer or refund.waits_for_wallet)
    return tuple(refund for refund in waits if network_of(booking, refund) is network)


# --- the customer's address -----------------------------------------------------------------------------------------


def networks(booking: Booking) -> tuple[Network, ...]:
    """Networks on which a refund waits or may come to be due: money of the booking is there."""
    if booking.sealed is None:
        return ()
    found = []
    for order in booking.orders:
        rail, left = CAPABILITIES[order.rail], still_there(booking, order)
        if rail.network is not None and not rail.sends_refunds and order.has_money and left > nothing(left.currency):
            found.append(rail.network)
    return tuple(dict.fromkeys(found))


def is_confirmed(booking: Booking, network: Network) -> bool:
    address = booking.refund_address(network)
    return address is not None and address.confirmed_at is not None


def refuse_naming(booking: Booking, network: Network) -> None:
    """Raises Conflict if the booking can name no address on this network now."""
    if network not in networks(booking):
        raise Conflict(Text.of("Nothing of this booking can go back on {network}.", network=network.facts.name))
    if any(refund.sent_with and not refund.is_gone for refund in _of(booking, network)):
        raise Conflict("Your refund was sent already, to the address you confirmed. It is final in some minutes.")
    if _named_before(booking) >= MOST_ADDRESSES:
        raise Conflict(
            Text.of("An address was named {times} times for this booking. Please write to us.", times=MOST_ADDRESSES)
        )


def next_number(booking: Booking) -> int:
    return _named_before(booking) + 1


def named(booking: Booking, network: Network, sealed: bytes, now: datetime) -> Booking:
    """The customer named an address. Until it is confirmed, nothing is sent on this network. Raises Conflict."""
    refuse_naming(booking, network)
    is_change = booking.refund_address(network) is not None
    address = RefundAddress(network, next_number(booking), now, sealed, is_change=is_change)
    others = tuple(one for one in booking.refund_addresses if one.network is not network)
    booking = replace(booking, refund_addresses=(*others, address)).noted(now, EventKind.ADDRESS_NAMED)
    for refund in waiting_on(booking, network):
        if refund.waits_for_wallet:
            waits = replace(refund, obstacle=Obstacle(ObstacleKind.ADDRESS_WANTED))
            booking = booking.with_refund(waits)
    return booking.owing(now, SendEmail(Email.REFUND_ADDRESS, str(address.number)))


def confirmed(booking: Booking, network: Network, number: int, sealed: bytes, now: datetime) -> Booking:
    """The customer confirmed the address of this number; `sealed`: the same, sealed as a confirmed one. What waited for
    it, small refunds too, is the owner's to send. Raises Conflict."""
    address = booking.refund_address(network)
    if address is None or address.number != number or address.confirmed_at is not None:
        raise outdated_link()
    after = replace(address, sealed=sealed, confirmed_at=now)
    addresses = tuple(after if one.network is network else one for one in booking.refund_addresses)
    booking = replace(booking, refund_addresses=addresses).noted(now, EventKind.ADDRESS_CONFIRMED)
    for refund in waiting_on(booking, network):
        booking = _waiting(booking, refund, ObstacleKind.OWNER_SENDS, now)
    return booking


def _named_before(booking: Booking) -> int:
    return sum(event.kind is EventKind.ADDRESS_NAMED for event in booking.history)


def _of(booking: Booking, network: Network) -> list[Refund]:
    return [refund for refund in booking.refunds if network_of(booking, refund) is network]


# --- the owner's wallet ---------------------------------------------------------------------------------------------


def needs_second_owner(refund: Refund, owners: int, above: Money) -> bool:
    """True if one owner has to approve it before another one sends it. `owners`: how many could."""
    amount = refund.amount
    return owners > 1 and (amount is None or amount.currency != above.currency or amount > above)


def refuse_sending(booking: Booking, refund_id: str, who: str, *, owners: int, above: Money) -> Refund:
    """The refund, if this owner may see its address and send it now. Raises Conflict with what it waits for."""
    refund = booking.find_refund(refund_id)
    if refund is None or network_of(booking, refund) is None or refund.amount is None:
        raise Conflict("This refund is not sent from a wallet.")
    if refund.waits_for_customer:
        raise Conflict("The customer has not confirmed an address yet. Nothing can be sent before that.")
    if not refund.waits_for_wallet:
        raise Conflict("This refund does not wait for you: it was sent, settled or replaced meanwhile.")
    if needs_second_owner(refund, owners, above) and refund.approved_by in ("", who):
        if refund.approved_by:
            raise Conflict(
                Text.of(
                    "More than {above} needs two owners: one approves it, and another one sends it. You have approved "
                    "it, so somebody else sends it.",
                    above=above.shown,
                )
            )
        raise Conflict(
            Text.of("More than {above} needs two owners: one approves it, and another one sends it.", above=above.shown)
        )
    return refund


def approved(booking: Booking, refund_id: str, who: str, now: datetime) -> Booking:
    """An owner approves that another one sends it. The first approval stands. Raises Conflict."""
    refund = booking.find_refund(refund_id)
    if refund is None or refund.amount is None or not (refund.waits_for_wallet or refund.waits_for_customer):
        raise Conflict("This refund does not wait to be sent from a wallet.")
    if refund.approved_by:
        return booking
    booking = booking.with_refund(replace(refund, approved_by=who))
    return booking.noted(now, EventKind.REFUND_APPROVED, Amount(refund.amount))


def units_owed(network: Network, amount: Money) -> int:
    """In raw units. Raises Conflict for an amount that the network cannot carry."""
    try:
        return units_of(network, amount)
    except ValueError as error:
        raise Conflict(Text.of("This amount cannot be sent there: {why}.", why=error)) from None


def settling(
    transfers: Iterable[Transfer], *, to: str, units: int, wallets: Collection[str], taken: Collection[int]
) -> Transfer:
    """The transfer among these that settles a refund of so many units to this address. `wallets`: those the owner has
    named; `taken`: log indexes that settle other refunds of the booking. Raises Invalid, Conflict in words."""
    here = [transfer for transfer in transfers if transfer.recipient == to]
    if not here:
        raise Invalid("This transaction sends no USDT to the address that the customer has confirmed.")
    exact = [transfer for transfer in here if transfer.units == units]
    if not exact:
        raise _other_amount(here[0], units)
    own = [transfer for transfer in exact if transfer.sender in wallets]
    if not own:
        raise Invalid("This transaction comes from a wallet that you have not named. Name it first, if it is yours.")
    free = [transfer for transfer in own if transfer.log_index not in taken]
    if not free:
        raise settles_another()
    return free[0]


def _other_amount(sent: Transfer, units: int) -> Invalid:
    owed, came = money_of(sent.network, units), sent.money
    difference = money_of(sent.network, abs(sent.units - units))
    facts = {"came": came.shown, "owed": owed.shown, "difference": difference.shown}
    if sent.units > units:
        return Invalid(
            Text.of(
                "This transaction sends {came} to the customer, and {owed} are owed: {difference} too much. It settles "
                "nothing. If you agreed on that with the customer, settle the refund by hand.",
                **facts,
            )
        )
    return Invalid(
        Text.of(
            "This transaction sends {came} to the customer, and {owed} are owed: {difference} too little. It settles "
            "nothing. If you agreed on that with the customer, settle the refund by hand.",
            **facts,
        )
    )


def taken(booking: Booking, refund: Refund, network: Network, tx_hash: str) -> frozenset[int]:
    """Logs of this transaction that settle the booking's other refunds: the unique index tells of other bookings."""
    others = (other.sent_with.log for other in booking.refunds if other.sent_with and other.id != refund.id)
    return frozenset(log.log_index for log in others if (log.network, log.tx_hash) == (network, tx_hash))


def sent(booking: Booking, refund: Refund, number: int, transfer: SentTransfer, now: datetime) -> Booking:
    """The transfer was seen in a block, and counts once that is final. `number`: of the address it went to. Raises
    Conflict."""
    current = booking.find_refund(refund.id)
    address = booking.refund_address(transfer.log.network)
    if current is None or not current.waits_for_wallet or current.amount is None:
        raise Conflict("This refund does not wait for you any more.")
    if address is None or address.number != number or address.confirmed_at is None:
        raise Conflict("The customer changed the address meanwhile. Please look again.")
    if transfer.log.log_index in taken(booking, current, transfer.log.network, transfer.log.tx_hash):
        raise settles_another()
    under_way = replace(
        current, status=RefundStatus.SENT, sent_at=now, obstacle=None, retry_at=None, sent_with=transfer
    )
    return booking.with_refund(under_way).noted(now, EventKind.REFUND_SENT, Amount(current.amount))


def taken_back(booking: Booking, refund: Refund, now: datetime) -> Booking:
    """No block has its transfer any more. It may be sent again by the network itself, so the owner looks first."""
    if refund.status is not RefundStatus.SENT or refund.amount is None or refund.sent_with is None:
        return booking
    alert = AlertOwner(AlertKind.REFUND_TAKEN_BACK, f"{refund.id}-{refund.sent_with.log.tx_hash[2:10]}")
    waits = replace(
        refund, status=RefundStatus.NEEDS_OWNER, obstacle=Obstacle(ObstacleKind.TAKEN_BACK), sent_at=None,
        sent_with=None,
    )  # fmt: skip
    booking = booking.with_refund(waits).noted(now, EventKind.REFUND_TAKEN_BACK, Amount(refund.amount))
    return booking.owing(now, alert)
