"""Refunds that the owner sends from a wallet: the customer's address and its confirmation, and the transfer."""

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from inspired.adapters.crypto import chain_addresses
from inspired.adapters.crypto.vault import CannotDecrypt
from inspired.adapters.mongo.bookings import Claimed
from inspired.domain.accounts.people import Role
from inspired.domain.booking import lifecycle, wallet_refunds
from inspired.domain.booking.booking import Booking, Refund, RefundAddress, SentTransfer
from inspired.domain.booking.claims import RefundTransfer
from inspired.domain.booking.lifecycle import SlotSeen
from inspired.domain.booking.refunds import Outcome, RefundSeen
from inspired.domain.shared.errors import Conflict, Invalid, Refusal, UpstreamError
from inspired.domain.shared.languages import Text
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Head, Kind, Network, Transfer
from inspired.services import Services

SECONDS = 5.0
LOOKING = 10.0  # seconds; on BNB Chain a day has many blocks
TX_HASH = re.compile(r"(0x)?[0-9a-fA-F]{64}")
log = structlog.get_logger()


class Unchecked(Refusal):
    """No node answered, so nothing was stored."""

    status = 503
    title = "This could not be checked"


# --- the customer's address -----------------------------------------------------------------------------------------


def name_address(svc: Services, token: str, network: Network, text: str) -> Booking:
    """The customer names an address; a mail asks to confirm it. Raises Invalid, Conflict, Unchecked."""
    booking = svc.bookings.by_token(token)
    wallet_refunds.refuse_naming(booking, network)
    address = chain_addresses.parsed(network, text)
    _refuse_unfit(svc, network, address)
    shown = chain_addresses.shown(network, address)

    def decide(current: Booking) -> Booking:
        wallet_refunds.refuse_naming(current, network)
        field = _field(network, wallet_refunds.next_number(current))
        sealed = svc.vault.seal(_key_of(current), current.id, field, shown)
        return lifecycle.decided(wallet_refunds.named(current, network, sealed, svc.now()), SlotSeen.UNKNOWN, svc.now())

    return _enqueued(svc, svc.bookings.change(booking.id, decide))


def _refuse_unfit(svc: Services, network: Network, address: str) -> None:
    """Raises Invalid for an address at which the customer could not get the money, Unchecked."""
    # The same 20 bytes are an address of each kind.
    is_given = any(svc.payment_addresses.among(kind, [address]) for kind in Kind)
    if is_given or address in named_wallets(svc, network):
        raise Invalid("This is an address of ours, which you were to pay to. Please name one of your own wallet.")
    if svc.screening.has(address):
        raise Invalid("Nothing can be sent to this address. Please name another one, or write to us.")
    if not network.facts.is_evm:
        return
    try:
        has_code = svc.chains[network].has_code(address, seconds=SECONDS)
    except UpstreamError as error:
        log.warning("refund_address_unchecked", network=network, error=str(error))
        raise Unchecked(
            Text.of(
                "{network} does not answer us now, so this address could not be checked, and nothing was stored. "
                "Please try again in some minutes: your money waits.",
                network=network.facts.name,
            )
        ) from None
    if has_code:
        raise Invalid(
            Text.of(
                "A contract lives at this address on {network}, and money sent there may be lost. Please name one of "
                "an ordinary wallet, or of an exchange.",
                network=network.facts.name,
            )
        )


def address_of(svc: Services, booking: Booking, network: Network) -> str:
    """The address as its network shows it, confirmed or not; "" without one. Raises CannotDecrypt if it was not put
    there by us, or confirmed by somebody else."""
    address = booking.refund_address(network)
    return "" if address is None else _opened(svc, booking, address)


def _opened(svc: Services, booking: Booking, address: RefundAddress) -> str:
    field = _field(address.network, address.number, is_confirmed=address.confirmed_at is not None)
    return svc.vault.open(_key_of(booking), booking.id, field, address.sealed)


def secret_of(svc: Services, booking: Booking, address: RefundAddress) -> str:
    """What the mailed link has beside the booking's token: it confirms exactly this address, and no other."""
    bound = f"{booking.id} {address.network} {address.number} {_opened(svc, booking, address)}"
    return svc.vault.fingerprint("refund-address", bound)


def refuse_outdated(svc: Services, booking: Booking, network: Network, secret: str) -> RefundAddress:
    """The address that this secret confirms. Raises Conflict if it is another one's by now, or nobody's."""
    address = booking.refund_address(network)
    if address is None or address.confirmed_at is not None:
        raise wallet_refunds.outdated_link()
    if not hmac.compare_digest(secret_of(svc, booking, address).encode(), secret.encode()):
        raise wallet_refunds.outdated_link()
    return address


def confirm_address(svc: Services, token: str, network: Network, secret: str) -> Booking:
    """The button on the mailed page. Raises Conflict."""
    booking = svc.bookings.by_token(token)

    def decide(current: Booking) -> Booking:
        address = refuse_outdated(svc, current, network, secret)
        field = _field(network, address.number, is_confirmed=True)
        sealed = svc.vault.seal(_key_of(current), current.id, field, _opened(svc, current, address))
        after = wallet_refunds.confirmed(current, network, address.number, sealed, svc.now())
        return lifecycle.decided(after, SlotSeen.UNKNOWN, svc.now())

    return _enqueued(svc, svc.bookings.change(booking.id, decide))


def _field(network: Network, number: int, *, is_confirmed: bool = False) -> str:
    return f"refund_address:{network}:{number}{':confirmed' if is_confirmed else ''}"


def _key_of(booking: Booking) -> bytes:
    if booking.sealed is None:
        raise Conflict("The personal data of this booking was erased, so no address can be kept.")
    return booking.sealed.key


# --- the owner's wallet ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ToSend:
    """What the owner is to send. `address`: as the network shows it, and confirmed by the customer."""

    refund: Refund
    network: Network
    amount: Money
    address: str


def named_wallets(svc: Services, network: Network) -> tuple[str, ...]:
    """Wallets of the owner's from which transfers settle refunds; none if what is stored cannot be read."""
    try:
        return svc.receiving.wallets(network.facts.kind, svc.now())
    except CannotDecrypt:
        log.error("refund_wallets_altered", network=network)
        return ()


def minimum(svc: Services) -> Money:
    """Less than that goes back from a wallet only if the customer asks for it."""
    return Money.parse(str(svc.settings.refund_minimum))


def two_owners_above(svc: Services) -> Money:
    return Money.parse(str(svc.settings.refund_two_owners_above))


def owners(svc: Services) -> int:
    return sum(person.role is Role.OWNER and not person.disabled for person in svc.people.all())


def to_send(svc: Services, booking: Booking, refund_id: str, who: str) -> ToSend:
    """For the owner `who`. Raises Conflict with what it waits for."""
    refund = wallet_refunds.refuse_sending(booking, refund_id, who, owners=owners(svc), above=two_owners_above(svc))
    network = wallet_refunds.network_of(booking, refund)
    if network is None or refund.amount is None:
        raise Conflict("This refund is not sent from a wallet.")
    try:
        address = address_of(svc, booking, network)
    except CannotDecrypt:
        log.error("refund_address_altered", booking=booking.id)
        raise Conflict("The stored address is not the one that the customer confirmed. Please send nothing.") from None
    wallet_refunds.units_owed(network, refund.amount)
    return ToSend(refund, network, refund.amount, address)


def approve(svc: Services, booking_id: str, refund_id: str, who: str) -> Booking:
    return svc.bookings.change(booking_id, lambda b: wallet_refunds.approved(b, refund_id, who, svc.now()))


def enter_transaction(svc: Services, booking_id: str, refund_id: str, text: str, who: str) -> Booking:
    """The owner says with which transaction the refund was sent. It settles the refund once it is final. Raises
    Invalid, Conflict in words, Unchecked; nothing is stored then."""
    booking, tx_hash = svc.bookings.get(booking_id), _hash_in(text)
    if tx_hash in _settled_by(booking, refund_id):
        return booking  # found by itself meanwhile
    wanted = to_send(svc, booking, refund_id, who)
    try:
        head, found = _found(svc, booking, wanted, tx_hash)
    except UpstreamError as error:
        log.warning("refund_transaction_unchecked", booking=booking_id, error=str(error))
        raise Unchecked(
            f"{wanted.network.facts.name} does not answer us now, so nothing was stored. Please try again in a minute."
        ) from None
    if found is None:
        raise Invalid(
            Text.of(
                "No block of {network} has this transaction. If you have just sent it, please try again in a minute.",
                network=wanted.network.facts.name,
            )
        )
    return _sent(svc, booking, wanted, found, head)


def find_transaction(svc: Services, booking_id: str, refund_id: str, who: str) -> Booking:
    """The same for a transaction that is looked for: only one from a wallet the owner has named is found. Raises
    Invalid, Conflict in words, Unchecked."""
    booking = svc.bookings.get(booking_id)
    if _settled_by(booking, refund_id):
        return booking  # found by itself meanwhile
    wanted = to_send(svc, booking, refund_id, who)
    address = booking.refund_address(wanted.network)
    since = (address and address.confirmed_at) or wanted.refund.requested_at
    to = chain_addresses.parsed(wanted.network, wanted.address)
    try:
        transfers = svc.chains[wanted.network].sent_since(to, since, seconds=LOOKING)
        after = settled_by(svc, booking, wanted, transfers)
    except UpstreamError as error:
        log.warning("refund_transactions_unread", booking=booking_id, error=str(error))
        raise Unchecked(
            f"{wanted.network.facts.name} could not be looked through now. Please enter the transaction's hash instead."
        ) from None
    if after is not None:
        return after
    raise Invalid(
        Text.of(
            "Nothing of {amount} from a wallet you have named has reached the customer yet. If you have just sent it, "
            "please look again in a minute.",
            amount=wanted.amount.shown,
        )
    )


def _settled_by(booking: Booking, refund_id: str) -> tuple[str, ...]:
    """The hash of the transaction the refund was sent with, if one was seen."""
    refund = booking.find_refund(refund_id)
    return () if refund is None or refund.sent_with is None else (refund.sent_with.log.tx_hash,)


def settled_by(svc: Services, booking: Booking, wanted: ToSend, transfers: Iterable[Transfer]) -> Booking | None:
    """The first of these transfers that the refund's owner sent, and that settles no other refund, settles this one.
    None if there is no such transfer. Raises Conflict if the refund was changed meanwhile, UpstreamError."""
    wallets, units = named_wallets(svc, wanted.network), _units_of(wanted)
    claimed = {one.sent_with.log for one in booking.refunds if one.sent_with is not None}
    for transfer in transfers:
        at = RefundTransfer(wanted.network, transfer.tx_hash, transfer.log_index)
        if transfer.sender not in wallets or transfer.units != units or at in claimed:
            continue
        # As if it had been entered: by a second node, too, if one is set.
        head, mined = svc.chains[wanted.network].mined(transfer.tx_hash, seconds=SECONDS)
        if mined is None or _essence(transfer) not in map(_essence, mined.transfers):
            continue
        try:
            return _sent(svc, booking, wanted, SentTransfer(at, mined.block_number), head)
        except Conflict:
            if svc.bookings.get(booking.id).find_refund(wanted.refund.id) != wanted.refund:
                raise  # it is another booking's otherwise, and the next may be this one's
    return None


def _essence(transfer: Transfer) -> tuple[int, str, str, int]:
    return transfer.log_index, transfer.sender, transfer.recipient, transfer.units


def _units_of(wanted: ToSend) -> int:
    return wallet_refunds.units_owed(wanted.network, wanted.amount)


def _sent(svc: Services, booking: Booking, wanted: ToSend, found: SentTransfer, head: Head) -> Booking:
    address = booking.refund_address(wanted.network)
    number = address.number if address else 0
    seen = _told(svc, wanted.refund, found, head)

    def decide(current: Booking) -> Booking:
        now = svc.now()
        sent = wallet_refunds.sent(current, wanted.refund, number, found, now)
        return lifecycle.settle(sent, [], SlotSeen.UNKNOWN, now, [seen])

    try:
        return _enqueued(svc, svc.bookings.change(booking.id, decide))
    except Claimed:
        raise wallet_refunds.settles_another() from None


def _hash_in(text: str) -> str:
    """32 bytes as lower-case hex with 0x: wallets of TRON leave the 0x out. Raises Invalid."""
    text = text.strip()
    if not TX_HASH.fullmatch(text):
        raise Invalid(
            "The hash of a transaction is 64 digits or letters from a to f, with 0x before them or without.",
            {"transaction": "is no hash of a transaction"},
        )
    return "0x" + text.lower().removeprefix("0x")


def _found(svc: Services, booking: Booking, wanted: ToSend, tx_hash: str) -> tuple[Head, SentTransfer | None]:
    """The transfer in this transaction that settles the refund; None if no block has it. Raises Invalid, Conflict,
    UpstreamError."""
    head, mined = svc.chains[wanted.network].mined(tx_hash, seconds=SECONDS)
    if mined is None:
        return head, None
    transfer = wallet_refunds.settling(
        mined.transfers,
        to=chain_addresses.parsed(wanted.network, wanted.address),
        units=_units_of(wanted),
        wallets=named_wallets(svc, wanted.network),
        taken=wallet_refunds.taken(booking, wanted.refund, wanted.network, tx_hash),
    )
    return head, SentTransfer(RefundTransfer(wanted.network, tx_hash, transfer.log_index), transfer.block_number)


def seen(svc: Services, booking: Booking, refund: Refund, *, seconds: float) -> RefundSeen:
    """What the network says of the transfer a refund was sent with: in a block, final, or in none any more. Raises
    UpstreamError."""
    sent, amount = refund.sent_with, refund.amount
    if sent is None or amount is None:
        return RefundSeen(refund.id, svc.now(), None, refund.trade_no)
    network = sent.log.network
    head, mined = svc.chains[network].mined(sent.log.tx_hash, seconds=seconds)
    if mined is None:
        if head.number < sent.block_number:
            raise UpstreamError(f"{network} node", "it has not reached the block of a refund")
        is_gone = head.finalized >= sent.block_number
        outcome = Outcome.TAKEN_BACK if is_gone else Outcome.PENDING
        return RefundSeen(refund.id, svc.now(), outcome, refund.trade_no)
    try:
        transfer = wallet_refunds.settling(
            mined.transfers,
            to=chain_addresses.parsed(network, address_of(svc, booking, network)),
            units=wallet_refunds.units_owed(network, amount),
            wallets=named_wallets(svc, network),
            taken=wallet_refunds.taken(booking, refund, network, sent.log.tx_hash),
        )
    except (Refusal, CannotDecrypt) as error:
        # It fitted when it was entered: a node, or what is stored, has changed since.
        raise UpstreamError(f"{network} node", f"the transfer of a refund does not fit any more: {error}") from None
    now_at = SentTransfer(RefundTransfer(network, sent.log.tx_hash, transfer.log_index), transfer.block_number)
    return _told(svc, refund, now_at, head)


def _told(svc: Services, refund: Refund, sent: SentTransfer, head: Head) -> RefundSeen:
    is_final = sent.block_number <= head.finalized
    outcome = Outcome.DONE if is_final else Outcome.PENDING
    return RefundSeen(refund.id, svc.now(), outcome, refund.trade_no, sent_with=sent)


def _enqueued(svc: Services, booking: Booking) -> Booking:
    svc.queue.enqueue("refresh", booking.id)
    return booking
